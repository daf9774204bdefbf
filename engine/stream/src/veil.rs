//! The curtain as the gate draws it: pieces in, what may go on out, with what was replaced counted by label. It
//! refuses what the curtain refuses, and adds nothing.

use crate::armory::Tripwires;
use crate::curtain::{Curtain, Shown};
use crate::pty::PtyCurtain;
use bytes::Bytes;
use portcullis_gate::{BoxFuture, Mask, Next, Reader, Veil, Veiled, Veils};
use portcullis_model::{Fault, Obligations, Timestamp};

impl Veils for Tripwires {
    fn veil(&self, reader: Reader) -> Box<dyn Veil> {
        match reader {
            Reader::Program => Box::new(Curtain::new(self.clone())),
            Reader::Terminal => Box::new(PtyCurtain::new(self.clone())),
        }
    }
}

impl Veil for Curtain {
    fn draw<'a>(
        &'a mut self,
        piece: &'a [u8],
        next: Next,
        mask: &'a mut dyn Mask,
        obligations: &'a Obligations,
    ) -> BoxFuture<'a, Result<Veiled, Fault>> {
        Box::pin(async move {
            let shown = self.push(piece, mask, obligations).await?;
            let shown = match next {
                Next::Open => shown,
                Next::Idle => shown.and(self.idle(mask, obligations).await?),
                Next::End => shown.and(self.finish(mask, obligations).await?),
            };
            Ok(veiled(shown))
        })
    }

    fn held(&self) -> usize {
        Self::held(self)
    }
}

impl Veil for PtyCurtain {
    fn draw<'a>(
        &'a mut self,
        piece: &'a [u8],
        next: Next,
        mask: &'a mut dyn Mask,
        obligations: &'a Obligations,
    ) -> BoxFuture<'a, Result<Veiled, Fault>> {
        Box::pin(async move {
            // Whoever draws keeps the time, and says when nothing has come for a moment.
            let shown = self.push(piece, Timestamp(0), mask, obligations).await?;
            let shown = match next {
                Next::Open => shown,
                Next::Idle => shown.and(self.idle(mask, obligations).await?),
                Next::End => shown.and(self.finish(mask, obligations).await?),
            };
            Ok(veiled(shown))
        })
    }

    fn held(&self) -> usize {
        Self::held(self)
    }
}

fn veiled(shown: Shown) -> Veiled {
    let mut veiled = Veiled {
        bytes: Bytes::from(shown.bytes),
        tripped: u32::try_from(shown.tripped).unwrap_or(u32::MAX),
        ..Veiled::default()
    };
    for edit in shown.edits {
        *veiled.labels.entry(edit.label).or_default() += 1;
    }
    veiled
}
