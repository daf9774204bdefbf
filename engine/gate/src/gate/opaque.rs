//! Streams that nobody can read here: replication, files on their way, forwards. They pass only where policy lets
//! them, are counted, recorded as the record level says, and matched for the gateway's own secrets all the same. It
//! refuses to alter a byte of one, so a secret in it ends the stream instead of being masked.

use super::*;

impl Gate {
    /// Whether an opaque stream may pass, under the grant of the admission and masks of either decision.
    pub(super) fn may_replicate(&self, decision: Option<&Decision>) -> Result<(), Denial> {
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
        let granted = self.granted.clone();
        self.pass("replication", &granted, wire, now, entries)
    }

    fn pass(
        &mut self,
        stream: &str,
        obligations: &Obligations,
        wire: &Bytes,
        now: Timestamp,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Unreleased> {
        self.spend_bytes(obligations, wire.len() as u64, now)?;
        self.keep_secrets(wire, now)?;
        entries.push(counted(stream, wire, now));
        if obligations.record == RecordLevel::Full {
            entries.push(Entry {
                kind: EntryKind::Release,
                at: now,
                payload: wire.clone(),
            });
        }
        Ok(())
    }

    /// Lets a stream of this name pass unread from now on, both ways, under the obligations of `decision`, or of the
    /// admission without one.
    ///
    /// # Errors
    /// When masks apply, and policy does not let what cannot be masked pass: with what the client is told.
    pub fn let_unread(
        &mut self,
        stream: &'static str,
        decision: Option<&Arc<Decision>>,
    ) -> Result<(), Denial> {
        let obligations = match decision {
            Some(decision) => Arc::new(decision.obligations.clone()),
            None => self.granted.clone(),
        };
        let masks = obligations.masks() || self.granted.masks();
        let named = obligations.opaque.contains(stream) || self.granted.opaque.contains(stream);
        if masks && !named {
            return Err(Denial::new(
                "portcullis/opaque",
                format!("masks apply to this session, and nothing in {stream} can be masked"),
            )
            .hint(format!(
                "Read it with a command whose output is masked, or have policy let it pass: {{\"type\": \"opaque\", \"streams\": [\"{stream}\"], \"allow\": true}}."
            )));
        }
        self.unread = Some((stream, obligations));
        Ok(())
    }

    /// Whether policy has named such a stream, whatever masks apply: what leads from the server back to the client's own side
    /// passes by its name alone.
    ///
    /// # Errors
    /// When it has not, with what the client is told.
    pub fn is_named(
        &self,
        stream: &'static str,
        decision: Option<&Arc<Decision>>,
    ) -> Result<(), Denial> {
        let named = self.granted.opaque.contains(stream)
            || decision.is_some_and(|d| d.obligations.opaque.contains(stream));
        match named {
            true => Ok(()),
            false => Err(Denial::new(
                "portcullis/opaque",
                format!("{stream} leads back to the client and cannot be read; it passes only where policy names it"),
            )
            .hint(format!(
                "Do without, or have policy name it: {{\"type\": \"opaque\", \"streams\": [\"{stream}\"], \"allow\": true}}."
            ))),
        }
    }

    /// Looks at bytes of such a stream that lie beside each other where they belong, and did not on the way: at what two
    /// packets of a file have in common, say.
    ///
    /// # Errors
    /// When a secret of the gateway's own is among them: the stream has to end.
    pub fn watch_unread(&mut self, joined: &[u8], now: Timestamp) -> Result<(), Fault> {
        match self.parts.tripwire.hits(joined).is_empty() {
            true => Ok(()),
            false => Err(self.opaque_tripped(now)?),
        }
    }

    /// How long a secret of the gateway's own can be.
    #[must_use]
    pub fn reach(&self) -> usize {
        self.parts.tripwire.reach()
    }

    /// Records what became of something that passed unread: a file, with its hash.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn note_unread(&mut self, detail: &serde_json::Value, now: Timestamp) -> Result<(), Fault> {
        self.append(&[Entry {
            kind: EntryKind::Opaque,
            at: now,
            payload: detail.to_string().into(),
        }])?;
        Ok(())
    }

    /// Whether a part of that stream may pass: it has to have been let.
    pub(super) fn passes_unread(&self, stream: &str) -> Result<Arc<Obligations>, Fault> {
        match &self.unread {
            Some((name, obligations)) if *name == stream => Ok(obligations.clone()),
            _ => Err(Fault::bare(
                Blame::Gateway,
                "pass a stream unread that was not let",
            )),
        }
    }

    /// A part of a stream that was let pass unread, on its way to the client.
    pub(super) fn pass_named(
        &mut self,
        stream: &str,
        wire: &Bytes,
        now: Timestamp,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Unreleased> {
        let obligations = self.passes_unread(stream)?;
        self.pass(stream, &obligations, wire, now, entries)
    }

    /// The record of a part of such a stream on its way up.
    pub(super) fn unread_entry(&self, stream: &str, wire: &Bytes, now: Timestamp) -> Entry {
        let full = self
            .passes_unread(stream)
            .is_ok_and(|o| o.record == RecordLevel::Full);
        let clean = self.parts.tripwire.hits(wire).is_empty();
        match full && clean {
            true => Entry {
                kind: EntryKind::Upload,
                at: now,
                payload: wire.clone(),
            },
            false => counted(stream, wire, now),
        }
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
        match hit {
            false => Ok(()),
            true => Err(self.opaque_tripped(now)?),
        }
    }

    /// It is on record, and this is why the stream ends.
    fn opaque_tripped(&mut self, now: Timestamp) -> Result<Fault, Fault> {
        self.parts.trip();
        self.security(
            "tripwire",
            "a secret of the gateway stood in an opaque stream",
            now,
        )?;
        Ok(Fault::bare(
            Blame::Upstream,
            "keep the gateway's secrets: one stood in a stream that cannot be masked",
        ))
    }
}

fn counted(stream: &str, wire: &Bytes, now: Timestamp) -> Entry {
    let payload = json!({"stream": stream, "bytes": wire.len()});
    Entry {
        kind: EntryKind::Opaque,
        at: now,
        payload: payload.to_string().into(),
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
