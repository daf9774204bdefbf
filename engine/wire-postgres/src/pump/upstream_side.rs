//! From the upstream to the client: everything that was read is matched, masked and recorded, and goes
//! down in one write. It refuses to release rows whose shape or cause is not known.

use super::{End, Pump};
use crate::conversation::{Cause, Relay};
use crate::frame::{self, Head};
use crate::refuse::{self, Severity};
use crate::values;
use bytes::Bytes;
use portcullis_gate::{Outgoing, Rewrite, Unreleased};
use portcullis_model::limits::BATCH_BYTES_MAX;
use portcullis_model::{Batch, BatchKind, Denial, Side};

/// What is on its way to the client and not yet released.
#[derive(Default)]
struct Parts {
    outgoing: Vec<Outgoing>,
    /// Where frames without values begin that are not in `outgoing` yet.
    control: Option<usize>,
}

impl Parts {
    /// Frames without values end here.
    fn close(&mut self, chunk: &Bytes, at: usize) {
        if let Some(from) = self.control.take() {
            self.outgoing.push(Outgoing::Control(chunk.slice(from..at)));
        }
    }
}

impl Pump {
    /// Takes all whole frames that the upstream has sent.
    pub(super) async fn take_upstream(&mut self) -> Result<(), End> {
        let (chunk, needs) = frame::take_all(Side::Upstream, self.lines.upstream.bytes())
            .map_err(|m| m.by(Side::Upstream))?;
        self.upstream_needs = needs;
        if !chunk.is_empty() {
            self.relay(&chunk).await?;
        }
        self.drain_hold().await?;
        if self.stalled.is_some() {
            self.take_client().await?;
        }
        if self.closing.is_some() && self.talk.settled() && self.stalled.is_none() {
            return Err(End::ClientGone);
        }
        Ok(())
    }

    async fn relay(&mut self, chunk: &Bytes) -> Result<(), End> {
        let mut parts = Parts::default();
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            let Head::Whole(tag, length) =
                frame::head(Side::Upstream, rest).map_err(|m| m.by(Side::Upstream))?
            else {
                break;
            };
            let frame = chunk.slice(at..at + length);
            let relay = self.talk.upstream(tag, &frame)?;
            if matches!(relay, Relay::Control) {
                parts.control.get_or_insert(at);
                at += length;
                continue;
            }
            parts.close(chunk, at);
            let end = match relay {
                Relay::Row | Relay::CopyData | Relay::Opaque => alike(chunk, at, tag),
                _ => at + length,
            };
            let ends_copy = matches!(relay, Relay::CopyDone);
            self.part(relay, chunk.slice(at..end), &mut parts).await?;
            if ends_copy && !self.talk.is_cut() {
                parts.control = Some(at);
            }
            at = end;
        }
        parts.close(chunk, at);
        self.release(&mut parts.outgoing).await
    }

    /// One part that is more than control.
    async fn part(&mut self, relay: Relay, frames: Bytes, parts: &mut Parts) -> Result<(), End> {
        match relay {
            Relay::Control | Relay::Swallow => Ok(()),
            Relay::Row => {
                let (rows, cause, first) = self.talk.rows()?;
                let limited = self.limited(&cause);
                if limited {
                    self.release(&mut parts.outgoing).await?;
                }
                if first {
                    self.gate.begin_result();
                }
                let batch = rows.batch(frames)?;
                self.values(batch, cause, limited, parts).await
            }
            Relay::Opaque => self.unread(frames, parts).await,
            Relay::CopyData => {
                let (copy, cause) = self.talk.copy_out()?;
                match copy.batch(frames)? {
                    Some(batch) => {
                        let limited = self.limited(&cause);
                        self.values(batch, cause, limited, parts).await
                    }
                    None => Ok(()),
                }
            }
            Relay::CopyDone => {
                let (copy, cause) = self.talk.copy_out()?;
                match copy.finish()? {
                    Some(batch) => {
                        let limited = self.limited(&cause);
                        self.values(batch, cause, limited, parts).await
                    }
                    None => Ok(()),
                }
            }
            Relay::Strings(kind) => {
                let cause = match kind {
                    BatchKind::Error => self.talk.failed_cause(),
                    BatchKind::Notice => self.talk.cause(),
                    // No statement of this session need have caused it: the session's own obligations.
                    _ => Cause::default(),
                };
                let batch = values::fields(kind, frames)?;
                let limited = self.limited(&cause);
                self.values(batch, cause, limited, parts).await
            }
            Relay::Call => {
                let cause = self.talk.cause();
                let limited = self.limited(&cause);
                self.values(values::call_result(frames)?, cause, limited, parts)
                    .await
            }
            Relay::Refused(refusal) => {
                self.release(&mut parts.outgoing).await?;
                self.lines.to_client.refuse(refusal);
                Ok(())
            }
        }
    }

    /// A part of a stream that nobody can read here.
    async fn unread(&mut self, frames: Bytes, parts: &mut Parts) -> Result<(), End> {
        let granted = self.gate.granted();
        let limited = granted.byte_limit.is_some() || !granted.budgets.is_empty();
        if limited {
            self.release(&mut parts.outgoing).await?;
        }
        parts.outgoing.push(Outgoing::Opaque(frames));
        match limited {
            true => self.release(&mut parts.outgoing).await,
            false => Ok(()),
        }
    }

    /// True when a budget may end this result: it is then released part by part, so that nothing else
    /// is lost with the part that went over.
    fn limited(&self, cause: &Cause) -> bool {
        let obligations = match &cause.decision {
            Some(decision) => &decision.obligations,
            None => self.gate.granted(),
        };
        obligations.row_limit.is_some() || obligations.byte_limit.is_some()
    }

    async fn values(
        &mut self,
        (batch, rewrite): (Batch, Box<dyn Rewrite>),
        cause: Cause,
        limited: bool,
        parts: &mut Parts,
    ) -> Result<(), End> {
        let kind = batch.kind;
        if limited {
            self.release(&mut parts.outgoing).await?;
        }
        parts.outgoing.push(Outgoing::Values {
            batch,
            rewrite,
            facts: cause.facts,
            obligations: cause.decision,
        });
        if !limited {
            return Ok(());
        }
        match self.try_release(&mut parts.outgoing).await? {
            None => Ok(()),
            Some(denial) => self.over_budget(&denial, kind),
        }
    }

    async fn release(&mut self, outgoing: &mut Vec<Outgoing>) -> Result<(), End> {
        match self.try_release(outgoing).await? {
            None => Ok(()),
            Some(denial) => self.over_budget(&denial, BatchKind::Rows),
        }
    }

    async fn try_release(&mut self, outgoing: &mut Vec<Outgoing>) -> Result<Option<Denial>, End> {
        if outgoing.is_empty() {
            return Ok(None);
        }
        let now = self.now();
        match self.gate.release(std::mem::take(outgoing), now).await {
            Ok(release) => {
                self.lines.to_client.release(release);
                Ok(None)
            }
            Err(Unreleased::Budget(denial)) => Ok(Some(denial)),
            Err(Unreleased::Fault(fault)) => Err(End::Unreleased(fault)),
        }
    }

    /// A budget is used up: the client reads why, the statement is cancelled, and nothing more of its
    /// result is shown.
    fn over_budget(&mut self, denial: &Denial, kind: BatchKind) -> Result<(), End> {
        let ends = matches!(kind, BatchKind::Rows | BatchKind::Copy | BatchKind::Call);
        if !ends && kind != BatchKind::Error {
            return Ok(());
        }
        let session = self.around.session;
        let now = self.now();
        let refusal = self.gate.reject_session(denial, now, |denial, sequence| {
            vec![refuse::denial(
                Severity::Error,
                refuse::POLICY,
                denial,
                Some(session),
                sequence,
            )]
        })?;
        self.lines.to_client.refuse(refusal);
        if ends {
            self.talk.cut();
            self.cancel_upstream()?;
        }
        Ok(())
    }
}

/// Where the frames of the same type that begin at `from` end, within one batch.
fn alike(chunk: &Bytes, from: usize, tag: u8) -> usize {
    let mut end = from;
    while let Some(rest) = chunk.get(end..) {
        match frame::head(Side::Upstream, rest) {
            Ok(Head::Whole(other, length))
                if other == tag && (end == from || end + length - from <= BATCH_BYTES_MAX) =>
            {
                end += length;
            }
            _ => break,
        }
    }
    end
}
