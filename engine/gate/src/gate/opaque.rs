//! Streams that nobody can read here: replication. They pass only where policy has granted it by name, are
//! counted, recorded as the record level says, and matched for the gateway's own secrets all the same. It
//! refuses to alter a byte of one, so a secret in it ends the session instead of being masked.

use super::*;
use portcullis_model::Counted;

impl Gate {
    /// Whether an opaque stream may pass, under the grant of the admission and masks of either decision.
    pub(super) fn may_pass_unread(&self, decision: Option<&Decision>) -> Result<(), Denial> {
        let masked = self.granted.masks() || decision.is_some_and(|d| d.obligations.masks());
        self.granted.replication.permits(masked)
    }

    /// Counts, matches and records one part. The entries go into the append of its release.
    pub(super) fn pass_unread(
        &mut self,
        wire: &Bytes,
        now: Timestamp,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Unreleased> {
        self.granted
            .replication
            .permits(false)
            .map_err(|_| Fault::bare(Blame::Gateway, "pass a stream that policy granted"))?;
        let (granted, bytes) = (self.granted.clone(), wire.len() as u64);
        if let Some(limit) = granted.byte_limit
            && self.history.session.bytes + bytes > limit
        {
            return Err(Unreleased::Budget(byte_budget(limit)));
        }
        if let Some(denial) = self.over_budget(&granted, Counted::Bytes, bytes, now) {
            return Err(Unreleased::Budget(denial));
        }
        self.keep_secrets(wire, now)?;
        let payload = json!({"stream": "replication", "bytes": wire.len()});
        entries.push(Entry {
            kind: EntryKind::Opaque,
            at: now,
            payload: payload.to_string().into(),
        });
        if self.granted.record == RecordLevel::Full {
            entries.push(Entry {
                kind: EntryKind::Release,
                at: now,
                payload: wire.clone(),
            });
        }
        Ok(())
    }

    /// A secret of the gateway's own, also one that began in the part before.
    fn keep_secrets(&mut self, wire: &[u8], now: Timestamp) -> Result<(), Fault> {
        let tripwire = self.parts.tripwire.clone();
        let reach = tripwire.reach();
        let head = wire.get(..reach.min(wire.len())).unwrap_or_default();
        self.opaque_tail.extend_from_slice(head);
        let hit = !tripwire.hits(&self.opaque_tail).is_empty() || !tripwire.hits(wire).is_empty();
        let end = wire
            .get(wire.len().saturating_sub(reach)..)
            .unwrap_or_default();
        match wire.len() < reach {
            // All of it is in the tail already.
            true => {
                let cut = self.opaque_tail.len().saturating_sub(reach);
                self.opaque_tail.drain(..cut);
            }
            false => {
                self.opaque_tail.clear();
                self.opaque_tail.extend_from_slice(end);
            }
        }
        if !hit {
            return Ok(());
        }
        self.tripped += 1;
        self.security(
            "tripwire",
            "a secret of the gateway stood in an opaque stream",
            now,
        )?;
        Err(Fault::bare(
            Blame::Upstream,
            "keep the gateway's secrets: one stood in a stream that cannot be masked",
        ))
    }
}

/// The session's budget of bytes is used up.
pub(super) fn byte_budget(limit: u64) -> Denial {
    Denial::new(
        "obligation/byte-limit",
        format!("the session has used its {limit} bytes of results"),
    )
    .hint("Ask for less, or open a new session if policy allows.")
}
