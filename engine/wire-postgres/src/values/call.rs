//! The result of a FunctionCall (the large-object interface: `loread` returns file content). Nobody says
//! what type it has, and libpq's `PQfn` copies it into a buffer that the caller sized for what it asked:
//! so a rewritten result always has the length of the original. Refuses to lengthen or shorten it.

use super::apply::Apply;
use super::collect::Collect;
use super::cursor::Cursor;
use super::frames::{HEADER, broken, inexpressible, only};
use super::pass::{Pass, Span};
use super::shape;
use bytes::Bytes;
use portcullis_gate::Rewrite;
use portcullis_model::rows::mask_text;
use portcullis_model::{Batch, BatchKind, Edits, Fault};

const FUNCTION_CALL_RESPONSE: u8 = b'V';
/// Stands where a shorter marker leaves room.
const FILLER: u8 = b'*';

/// The result of one FunctionCallResponse frame: one cell, lossy where it is no text.
///
/// # Errors
/// A `Fault` of the upstream when the frame does not fit its lengths.
pub fn call_result(frame: Bytes) -> Result<(Batch, Box<dyn Rewrite>), Fault> {
    let body = only(&frame, FUNCTION_CALL_RESPONSE)?;
    let misfit = || broken("read a FunctionCallResponse");
    let mut cursor = Cursor::new(frame.get(body).ok_or_else(misfit)?);
    let value = cursor.value().ok_or_else(misfit)?;
    if !cursor.is_empty() {
        return Err(misfit());
    }
    let mut collect = Collect::new(frame.clone());
    if let Some(bytes) = value {
        collect.leaf(Span::received(bytes, HEADER + 4), true)?;
    }
    let present = value.is_some();
    let (text, cells) = collect.finish();
    let batch = Batch {
        kind: BatchKind::Call,
        shape: shape::CALL.clone(),
        text,
        cells,
        rows: 1,
        wire: frame.clone(),
    };
    Ok((batch, Box::new(CallRewrite { frame, present })))
}

struct CallRewrite {
    frame: Bytes,
    present: bool,
}

impl Rewrite for CallRewrite {
    fn rewrite(self: Box<Self>, batch: &Batch, edits: &Edits) -> Result<Bytes, Fault> {
        // Checks that the edits are lawful; what it would make of them has another length.
        let mut apply = Apply::new(batch, edits)?;
        apply.begin(0, false);
        let mut out = self.frame.to_vec();
        let value = out.get_mut(HEADER + 4..).unwrap_or_default();
        if self.present {
            apply.leaf(Span::decoded(value), true)?;
        }
        let mask = apply.end(0);
        apply.finish()?;
        match mask {
            Some(mask) => overwrite(value, mask_text(&mask.label, None).as_bytes()),
            None => {
                for span in &edits.spans {
                    let range = span.start as usize..span.end as usize;
                    let misfit = || inexpressible("express an edit: its range does not fit");
                    overwrite(value.get_mut(range).ok_or_else(misfit)?, &span.replacement);
                }
            }
        }
        Ok(out.into())
    }
}

/// As much of the replacement as there is room for, and filler behind it.
fn overwrite(place: &mut [u8], replacement: &[u8]) {
    let mut bytes = replacement.iter();
    for slot in place {
        *slot = bytes.next().copied().unwrap_or(FILLER);
    }
}
