//! From the client to the upstream: everything that was read and is allowed goes up as one run, behind
//! one append to the record, in one write.

use super::{End, Pump};
use crate::conversation::{Asked, Cause, Intent, Refusing, may_use_names};
use crate::frame::{self, Head};
use crate::house_frames;
use crate::refuse::{self, Severity};
use bytes::Bytes;
use portcullis_gate::{Allowed, Denied, House, Refusal, Ruling, Sequence};
use portcullis_model::message::{Body, Message};
use portcullis_model::{Denial, SessionId, Side, Stage};
use std::time::Duration;
use tokio::time::sleep;

/// How long what runs may still take after the client has closed its side.
const PATIENCE: Duration = Duration::from_millis(500);

impl Pump {
    /// Takes up all whole frames that the client has sent.
    pub(super) async fn take_client(&mut self) -> Result<(), End> {
        let mut run = Vec::new();
        let taken = self.take_frames(&mut run).await;
        self.commit(&mut run).await?;
        taken?;
        if self.stalled.is_some() && self.talk.wants_flush() {
            self.say(House::Flush, house_frames::flush())?;
            self.talk.flushed();
        }
        if self.stalled.is_some() && self.talk.settled() && self.talk.doubtful() {
            let sync = !self.talk.batch_bound();
            self.say(House::Probe, house_frames::names(sync))?;
            self.talk.asking_names(sync);
        }
        self.drain_hold().await
    }

    async fn take_frames(&mut self, run: &mut Vec<Allowed>) -> Result<(), End> {
        let now = self.now();
        let revision = self.gate.revision();
        while self.hold.is_none() && self.cancelling.is_none() {
            let (tag, frame) = match self.stalled.take() {
                Some(stalled) => stalled,
                None => {
                    let buffer = self.lines.client.bytes();
                    match frame::head(Side::Client, buffer).map_err(|m| m.by(Side::Client))? {
                        Head::Whole(tag, length) => (tag, buffer.split_to(length).freeze()),
                        Head::Missing(more) => {
                            self.client_needs = if buffer.is_empty() { 0 } else { more };
                            return Ok(());
                        }
                    }
                }
            };
            match self.talk.client(tag, &frame, now, &revision)? {
                Asked::Drop => {}
                Asked::Stall => {
                    self.stalled = Some((tag, frame));
                    return Ok(());
                }
                Asked::Gone => return self.client_gone(),
                Asked::Unprepared(denial) => {
                    self.commit(run).await?;
                    let way = self.talk.refusing_extended();
                    self.refuse_as(way, &denial)?;
                }
                Asked::Unlisted(denial, intent) => {
                    self.commit(run).await?;
                    let way = self.talk.refusing(&intent);
                    self.refuse_as(way, &denial)?;
                }
                Asked::Judge(mut message, intent) => {
                    if !self.resolve(&mut message).await {
                        self.stalled = Some((tag, frame));
                        return Ok(());
                    }
                    let ruling = self.gate.judge(message, self.talk.context(), now).await;
                    self.rule(ruling, intent, run).await?;
                }
            }
        }
        Ok(())
    }

    /// Finds what EXECUTE and FETCH in a text stand for. False when that has to wait for answers.
    async fn resolve(&mut self, message: &mut Message) -> bool {
        let Body::Statement(statement) = &mut message.body else {
            return true;
        };
        let by_text = matches!(statement.stage, Stage::Query | Stage::Parse);
        if !by_text || !may_use_names(&statement.text) {
            return true;
        }
        // What cannot be examined is refused when it is judged.
        let Ok(facts) = self.gate.facts(&statement.text).await else {
            return true;
        };
        match self.talk.resolve(&facts) {
            Some(resolved) => {
                statement.resolved = resolved;
                true
            }
            None => false,
        }
    }

    /// Acts on the gate's answer about one message.
    pub(super) async fn rule(
        &mut self,
        ruling: Ruling,
        intent: Intent,
        run: &mut Vec<Allowed>,
    ) -> Result<(), End> {
        match ruling {
            Ruling::Allow(allowed) if self.lacks_calls(&allowed, &intent) => {
                self.commit(run).await?;
                self.refuse_call(&intent)
            }
            Ruling::Allow(allowed) => {
                if let Some(wire) = self.talk.before(&intent) {
                    self.commit(run).await?;
                    self.say(House::Describe, wire)?;
                }
                let cause = Cause {
                    facts: allowed.facts().cloned(),
                    decision: allowed.decision().cloned(),
                };
                let resolved = match &allowed.message().body {
                    Body::Statement(statement) => statement.resolved.len(),
                    _ => 0,
                };
                let now = self.now();
                self.talk.sent(intent, cause, resolved, now);
                run.push(allowed);
                Ok(())
            }
            Ruling::Deny(denied) => {
                self.commit(run).await?;
                self.refuse(denied, &intent)
            }
            Ruling::Hold(held) => {
                self.commit(run).await?;
                self.begin_hold(held, intent);
                Ok(())
            }
        }
    }

    /// Records the run and hands it to the writer.
    pub(super) async fn commit(&mut self, run: &mut Vec<Allowed>) -> Result<(), End> {
        if run.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let permit = self
            .gate
            .commit(std::mem::take(run), self.talk.context(), now)
            .await?;
        self.lines.to_upstream.permit(permit);
        Ok(())
    }

    /// Refuses one message so that the client stays in step.
    pub(super) fn refuse(&mut self, denied: Denied, intent: &Intent) -> Result<(), End> {
        let way = self.talk.refusing(intent);
        let session = self.around.session;
        let now = self.now();
        let refusal = self.gate.reject(denied, now, |denial, sequence| {
            rendered(way, denial, session, sequence)
        })?;
        self.place(way, refusal)
    }

    /// True when a FunctionCall was allowed by a decision that does not permit them: the two belong
    /// together, since a call has no text to be judged by.
    fn lacks_calls(&self, allowed: &Allowed, intent: &Intent) -> bool {
        matches!(intent, Intent::Call)
            && !allowed
                .decision()
                .is_some_and(|d| d.obligations.allow_function_call)
            && !self.gate.granted().allow_function_call
    }

    fn refuse_call(&mut self, intent: &Intent) -> Result<(), End> {
        let denial = Denial::new(
            "portcullis/function-call",
            "functions are not called by number through the gateway",
        )
        .hint("Call the function in a SELECT.");
        let way = self.talk.refusing(intent);
        self.refuse_as(way, &denial)
    }

    /// Refuses what was not judged.
    fn refuse_as(&mut self, way: Refusing, denial: &Denial) -> Result<(), End> {
        let session = self.around.session;
        let now = self.now();
        let refusal = self.gate.reject_session(denial, now, |denial, sequence| {
            rendered(way, denial, session, sequence)
        })?;
        self.place(way, refusal)
    }

    /// Puts a refusal where the client expects its answer.
    fn place(&mut self, way: Refusing, refusal: Refusal) -> Result<(), End> {
        match way {
            Refusing::Ready(_) | Refusing::UntilSync => self.lines.to_client.refuse(refusal),
            Refusing::AbortSimple => {
                self.talk.aborting(false, refusal);
                self.say(House::Abort, house_frames::abort_simple())?;
            }
            Refusing::AbortExtended => {
                self.talk.aborting(true, refusal);
                self.say(House::Abort, house_frames::abort_extended())?;
            }
            Refusing::AbortUpload => {
                self.talk.aborting_upload(refusal);
                self.say(House::Abort, house_frames::abort_copy())?;
            }
        }
        Ok(())
    }

    /// The client has hung up or said good-bye. What runs gets a moment, for clients that close only
    /// their writing side.
    pub(super) fn client_gone(&mut self) -> Result<(), End> {
        let waits = self.hold.is_some() || self.lines.to_client.pending() > 0;
        if self.hold.is_some() || (self.talk.settled() && self.stalled.is_none() && !waits) {
            return Err(End::ClientGone);
        }
        self.closing = Some(Box::pin(sleep(PATIENCE)));
        Ok(())
    }
}

fn rendered(way: Refusing, denial: &Denial, session: SessionId, sequence: Sequence) -> Vec<Bytes> {
    let state = refuse::state_of(denial);
    let error = refuse::denial(Severity::Error, state, denial, Some(session), sequence);
    match way {
        Refusing::Ready(status) => vec![error, refuse::ready(status)],
        _ => vec![error],
    }
}
