//! Byte streams on their way to the client: masked piece by piece, recorded as released, each lane on its own.
//! It refuses to let a piece go that a veil holds, and to go on after a second secret of the gateway's own.

use super::opaque::byte_budget;
use super::*;
use crate::seams::{Lane, Next, Reader, Veil, Veiled};
use portcullis_model::Counted;

/// The veils of the lanes that have been used.
#[derive(Default)]
pub(super) struct Lanes {
    output: Option<Box<dyn Veil>>,
    diagnostic: Option<Box<dyn Veil>>,
}

impl Lanes {
    fn of(&mut self, lane: Lane) -> &mut Option<Box<dyn Veil>> {
        match lane {
            Lane::Output => &mut self.output,
            Lane::Diagnostic => &mut self.diagnostic,
        }
    }
}

impl Gate {
    /// Masks and records the next piece of a byte stream. What comes out may be shorter, or nothing at all: the
    /// rest is held until the next piece, or the end, says what it is. `decision` is that of the command whose
    /// stream it is; without one the admission's obligations hold.
    ///
    /// # Errors
    /// As [`Gate::release`].
    pub async fn release_piece(
        &mut self,
        (lane, reader): (Lane, Reader),
        piece: &[u8],
        next: Next,
        decision: Option<&Arc<Decision>>,
        now: Timestamp,
    ) -> Result<Release, Unreleased> {
        let granted = self.granted.clone();
        let obligations = decision.map_or(&*granted, |d| &d.obligations);
        self.spend_bytes(obligations, piece.len() as u64, now)?;
        let veils = self.parts.veils.clone();
        let veil = self
            .lanes
            .of(lane)
            .get_or_insert_with(|| veils.veil(reader));
        let veiled = veil.draw(piece, next, &mut *self.mask, obligations).await?;
        self.let_go(lane, veiled, obligations.record, now)
    }

    /// Bytes that the veil of a lane holds right now.
    #[must_use]
    pub fn held_back(&mut self, lane: Lane) -> usize {
        self.lanes.of(lane).as_ref().map_or(0, |veil| veil.held())
    }

    fn let_go(
        &mut self,
        lane: Lane,
        veiled: Veiled,
        level: RecordLevel,
        now: Timestamp,
    ) -> Result<Release, Unreleased> {
        for _ in 0..veiled.tripped {
            self.tripped("a secret of the gateway stood in a stream", now)?;
        }
        let mut entries = Vec::new();
        if !veiled.labels.is_empty() {
            let payload = json!({"kind": BatchKind::Stream, "edits": veiled.labels, "columns": []});
            entries.push(Entry {
                kind: EntryKind::Masked,
                at: now,
                payload: payload.to_string().into(),
            });
        }
        if veiled.bytes.is_empty() {
            let sequence = self.append(&entries)?;
            return Ok(Release {
                frames: Vec::new(),
                sequence,
            });
        }
        if level == RecordLevel::Full {
            entries.push(Entry {
                kind: match lane {
                    Lane::Output => EntryKind::Release,
                    Lane::Diagnostic => EntryKind::Diagnostic,
                },
                at: now,
                payload: veiled.bytes.clone(),
            });
        }
        self.count_bytes(veiled.bytes.len(), now);
        let sequence = self.append(&entries)?;
        Ok(Release {
            frames: vec![veiled.bytes],
            sequence,
        })
    }

    /// What budgets leave of bytes.
    pub(super) fn spend_bytes(
        &self,
        obligations: &Obligations,
        bytes: u64,
        now: Timestamp,
    ) -> Result<(), Unreleased> {
        if let Some(limit) = obligations.byte_limit
            && self.parts.history().session.bytes + bytes > limit
        {
            return Err(Unreleased::Budget(byte_budget(limit)));
        }
        match self.over_budget(obligations, Counted::Bytes, bytes, now) {
            Some(denial) => Err(Unreleased::Budget(denial)),
            None => Ok(()),
        }
    }

    /// One more of our own secrets has shown up: recorded, and the second one ends the stream.
    pub(super) fn tripped(&mut self, where_: &str, now: Timestamp) -> Result<(), Fault> {
        let count = self.parts.trip();
        self.security("tripwire", where_, now)?;
        match count > 1 {
            true => Err(Fault::bare(
                Blame::Upstream,
                "keep the gateway's secrets: a second one stood in a response",
            )),
            false => Ok(()),
        }
    }
}
