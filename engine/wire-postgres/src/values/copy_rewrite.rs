//! Edits put back into COPY data. Frames without an edit stay as they are; the others keep the number of
//! their rows. Refuses to mask column names in a header line as if they were values.

use super::apply::Apply;
use super::copy::{COPY_DATA, Plan, Reader, Stage, Unit};
use super::frames::{Frames, HEADER, broken, write};
use super::pass::Splice;
use super::whole::{uniform, whole};
use bytes::Bytes;
use portcullis_gate::Rewrite;
use portcullis_model::{Batch, Edits, Fault};
use std::ops::Range;
use std::sync::Arc;

/// Rebuilds one batch of aligned frames.
pub(super) struct CopyRewrite {
    pub(super) plan: Arc<Plan>,
    pub(super) frames: Bytes,
    /// Where in the stream the batch begins.
    pub(super) stage: Stage,
}

impl Rewrite for CopyRewrite {
    fn rewrite(self: Box<Self>, batch: &Batch, edits: &Edits) -> Result<Bytes, Fault> {
        let mut apply = Apply::new(batch, edits)?;
        let mut stage = self.stage;
        let mut reader = Reader::new(&self.plan, &self.frames);
        let mut out = Vec::with_capacity(self.frames.len() + self.frames.len() / 4);
        for body in Frames::new(&self.frames, COPY_DATA) {
            let body = body?;
            match self.payload(&mut reader, body.clone(), &mut stage, &mut apply)? {
                Some(payload) => write(&mut out, COPY_DATA, &payload)?,
                None => {
                    let frame = self.frames.get(body.start.saturating_sub(HEADER)..body.end);
                    out.extend_from_slice(frame.unwrap_or_default());
                }
            }
        }
        apply.finish()?;
        Ok(out.into())
    }
}

impl CopyRewrite {
    /// The payload of one frame with its edits; `None` when nothing changed.
    fn payload(
        &self,
        reader: &mut Reader<'_>,
        body: Range<usize>,
        stage: &mut Stage,
        apply: &mut Apply<'_>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let start = body.start;
        let misfit = || broken("read a frame of COPY");
        let payload = self.frames.get(body.clone()).ok_or_else(misfit)?;
        let mut splice = Splice::new(payload);
        let mut at = body;
        while let Some((unit, end)) = reader.unit(at.clone(), stage)? {
            for (column, token) in reader.tokens.iter().enumerate() {
                apply.begin(column, unit != Unit::Row);
                let mut outcome = self.plan.walk(&self.frames, *token, apply)?;
                let kind = self.plan.kind();
                let all = apply.mask(column).filter(|_| unit == Unit::Row);
                if let Some(mask) = all.filter(|_| self.plan.expressions) {
                    outcome = uniform(kind, 0, mask)?;
                } else if let Some(mask) = apply.end(column) {
                    let stand_in = apply.stand_in();
                    let masked = self.plan.decoded(&self.frames, *token, |v| {
                        whole(kind, v.bytes, &mask, stand_in)
                    })?;
                    outcome = masked.unwrap_or(outcome);
                }
                if let Some(new) = self.plan.encode(outcome)? {
                    splice.replace(token.start - start..token.end - start, &new);
                }
            }
            at.start = end;
        }
        Ok(splice.finish())
    }
}
