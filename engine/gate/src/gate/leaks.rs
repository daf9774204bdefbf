//! Secrets of the gateway's own in what clients send: whoever can send one knows it, so it has leaked already. Every
//! request of every protocol is looked through; a hit is a security event, and the record and the policy's input have
//! a mask in its place.
//!
//! It does not refuse the request: an operator may be setting that very password. What follows from the event is for
//! whoever reads it, and the secret has to be replaced.

use super::*;
use std::borrow::Cow;

/// The ends of streams that go up: a secret may be split over two parts.
#[derive(Default)]
pub(super) struct Tail(Vec<u8>);

impl Gate {
    /// Notes a secret of the gateway's own in a request.
    ///
    /// # Errors
    /// When the record cannot be written: the request is then refused.
    pub(super) fn note_leak(&mut self, message: &Message, now: Timestamp) -> Result<(), Fault> {
        let tripwire = self.parts.tripwire.clone();
        let hit = |bytes: &[u8]| !tripwire.hits(bytes).is_empty();
        let leaked = match &message.body {
            Body::Upload(bytes)
            | Body::Opaque { bytes, .. }
            | Body::Typed {
                bytes,
                shown: false,
            } => self.sent_tail.leaks(bytes, &*tripwire),
            // Looked at when it was sent.
            Body::Typed { shown: true, .. } => false,
            Body::Statement(statement) => {
                let values = statement.parameters.iter().filter_map(|p| p.value.as_ref());
                let leaked = hit(&message.wire) || values.into_iter().any(|v| hit(v));
                if leaked {
                    // What the record may hold of this text was worked out when the secret was not known.
                    self.classes.retain(|(_, text), _| *text != statement.text);
                }
                leaked
            }
            Body::Command(command) => {
                hit(&message.wire) || hit(command.text.as_bytes()) || hit(&command.bound)
            }
            Body::Control(_) | Body::Named { .. } => hit(&message.wire),
        };
        self.leaked |= leaked;
        match leaked {
            true => self.security(
                "tripwire-request",
                "the client sent a secret of the gateway: it has leaked, replace it",
                now,
            ),
            false => Ok(()),
        }
    }

    /// The same in bytes of an upload that lie beside each other where they belong, and did not on the way.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn note_joined(&mut self, joined: &[u8], now: Timestamp) -> Result<(), Fault> {
        if self.parts.tripwire.hits(joined).is_empty() {
            return Ok(());
        }
        self.leaked = true;
        self.security(
            "tripwire-request",
            "the client sent a secret of the gateway: it has leaked, replace it",
            now,
        )
    }

    /// The text with a mask in the place of each secret of the gateway's own: the record's form.
    pub(super) fn without_own<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let hits = self.parts.tripwire.hits(text);
        if hits.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = Vec::with_capacity(text.len());
        let mut from = 0;
        for (start, end) in hits {
            masked.extend_from_slice(text.get(from..start).unwrap_or_default());
            masked.extend_from_slice(mask_text("tripwire", None).as_bytes());
            from = end;
        }
        masked.extend_from_slice(text.get(from..).unwrap_or_default());
        Cow::Owned(masked)
    }

    /// The same for whatever is recorded from then on: what plugins and policy have said of a request may quote it.
    pub(super) fn entries_without_own(&self, entries: &[Entry]) -> Vec<Entry> {
        let masked = |entry: &Entry| match self.without_own(&entry.payload) {
            Cow::Borrowed(_) => entry.clone(),
            Cow::Owned(payload) => Entry {
                payload: payload.into(),
                ..entry.clone()
            },
        };
        entries.iter().map(masked).collect()
    }

    /// The same for the parts of a call that policies read beside its text.
    pub(super) fn call_without_own(&self, mut subject: Subject) -> Subject {
        if let Subject::Call(call) = &mut subject {
            let parts = [
                &mut call.path,
                &mut call.resource,
                &mut call.subresource,
                &mut call.name,
                &mut call.namespace,
                &mut call.container,
                &mut call.content_type,
                &mut call.label_selector,
                &mut call.field_selector,
            ];
            let parts = parts.into_iter().flatten();
            for part in parts.chain([&mut call.group, &mut call.version]) {
                let masked =
                    String::from_utf8_lossy(&self.without_own(part.as_bytes())).into_owned();
                *part = masked;
            }
        }
        subject
    }
}

impl Tail {
    fn leaks(&mut self, part: &[u8], tripwire: &dyn Tripwire) -> bool {
        let reach = tripwire.reach();
        let head = part.get(..reach.min(part.len())).unwrap_or_default();
        let before = self.0.len();
        self.0.extend_from_slice(head);
        // What stood in the tail alone has been told already.
        let over = tripwire.hits(&self.0).iter().any(|(_, end)| *end > before);
        let leaked = over || !tripwire.hits(part).is_empty();
        let keep = reach.saturating_sub(1);
        if part.len() >= reach {
            self.0.clear();
            let end = part.get(part.len().saturating_sub(keep)..);
            self.0.extend_from_slice(end.unwrap_or_default());
        } else {
            let cut = self.0.len().saturating_sub(keep);
            self.0.drain(..cut);
        }
        leaked
    }
}
