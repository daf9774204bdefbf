//! A message that waits for people. What runs before it ends first, the server is asked in which state
//! it would run, people are asked, and the state is asked for again before it goes up.

use super::{End, Pump};
use crate::conversation::Intent;
use crate::house_frames;
use crate::refuse;
use portcullis_gate::{Answer, BoxFuture, Held, House, before_it};
use portcullis_model::limits::{DEFERRED_RETRY_SECONDS, HOLD_NOTICE_EVERY};
use portcullis_model::{Blame, Denial, Fault, Requirement};
use std::pin::Pin;
use tokio::time::{Sleep, sleep};

/// A hold and where it stands.
pub(crate) struct Hold {
    held: Held,
    intent: Intent,
    pub phase: Phase,
    cancelled: bool,
}

pub(crate) enum Phase {
    /// What was sent before it is still being answered.
    Draining,
    /// The server is being asked for its state; with the answer, the second time.
    Probing(Option<Answer>),
    /// People are being asked.
    Waiting(Box<Waiting>),
}

pub(crate) struct Waiting {
    id: String,
    what: String,
    pub answer: BoxFuture<'static, Result<Answer, Fault>>,
    pub notice: Pin<Box<Sleep>>,
}

impl Pump {
    pub(super) fn begin_hold(&mut self, held: Held, intent: Intent) {
        self.hold = Some(Hold {
            held,
            intent,
            phase: Phase::Draining,
            cancelled: false,
        });
    }

    /// Moves a hold on, when what it waited for upstream has come.
    pub(super) async fn drain_hold(&mut self) -> Result<(), End> {
        loop {
            let Some(hold) = &mut self.hold else {
                return Ok(());
            };
            match &mut hold.phase {
                Phase::Waiting(_) => return Ok(()),
                Phase::Draining if !self.talk.settled() => return self.flush_for_hold(),
                // Something before it failed: the server would skip it.
                Phase::Draining if self.talk.discarding() => {
                    self.hold = None;
                    self.resume = true;
                }
                Phase::Draining => self.probe_or_refuse().await?,
                Phase::Probing(answer) => {
                    let answer = answer.take();
                    match self.talk.probed() {
                        None => {
                            hold.phase = Phase::Probing(answer);
                            return Ok(());
                        }
                        Some(Err(())) => {
                            let doing = "answer the gateway's question about the session";
                            return Err(End::Fault(Fault::bare(Blame::Upstream, doing)));
                        }
                        Some(Ok(())) => match answer {
                            None => self.ask().await?,
                            Some(answer) => self.resolve_hold(answer).await?,
                        },
                    }
                }
            }
        }
    }

    fn flush_for_hold(&mut self) -> Result<(), End> {
        if self.talk.wants_flush() {
            self.say(House::Flush, house_frames::flush())?;
            self.talk.flushed();
        }
        Ok(())
    }

    async fn probe_or_refuse(&mut self) -> Result<(), End> {
        let Some(hold) = &self.hold else {
            return Ok(());
        };
        if self.around.replication.is_some() {
            let denial = Denial::new(
                Requirement::rules(hold.held.requirements()),
                "this needs an approval, and nothing is held on a replication connection",
            )
            .hint(
                "Ask for an approval of the connection, or send the statement on an ordinary one.",
            );
            return self.resolve_hold(Answer::Refuse(denial)).await;
        }
        let patient = hold.held.requirements().iter().all(|r| r.in_transaction);
        if self.talk.in_transaction() && !patient {
            let denial = Denial::new(
                Requirement::rules(hold.held.requirements()),
                "the statement needs an approval, and a transaction is open whose locks would be held meanwhile",
            )
            .hint("End the transaction, then send the statement on its own.");
            return self.resolve_hold(Answer::Refuse(denial)).await;
        }
        self.probe(None)
    }

    fn probe(&mut self, answer: Option<Answer>) -> Result<(), End> {
        if let Some(hold) = &mut self.hold {
            hold.phase = Phase::Probing(answer);
        }
        // A Sync would commit what this batch has run; where nothing has, it lets go of locks.
        let sync = !self.talk.batch_bound();
        self.say(House::Probe, house_frames::probe(sync))?;
        self.talk.probing(sync);
        Ok(())
    }

    /// Opens the request at the desk.
    async fn ask(&mut self) -> Result<(), End> {
        let context = self.talk.context().clone();
        let Some(hold) = &mut self.hold else {
            return Ok(());
        };
        if hold.cancelled {
            return self.resolve_hold(Answer::Refuse(cancelled())).await;
        }
        let request = self.gate.hold_request(&mut hold.held, &context);
        let now = (self.around.clock)();
        let (id, answer) = match self.around.approvals.open(request).await {
            Ok(opened) => opened,
            Err(fault) => {
                let denial = Denial::new(
                    format!("fault/{}", fault.blame.label()),
                    "the approval could not be asked for",
                )
                .hint("Nothing was run. Try again.");
                return self.resolve_hold(Answer::Refuse(denial)).await;
            }
        };
        self.gate.note_hold(&hold.held, &id, now)?;
        if let Some(answer) = answer {
            return self.resolve_hold(answer).await;
        }
        let requirements = hold.held.requirements();
        if requirements.iter().any(|r| r.defer) {
            let mut denial = Denial::new(
                Requirement::rules(requirements),
                format!(
                    "approval {id} is needed from {}",
                    Requirement::people(requirements)
                ),
            )
            .hint(format!(
                "Run the same statement again once {id} is approved.{}",
                self.around.approvals.decided_at(&id)
            ));
            denial.approval = Some(id);
            denial.retry_after = Some(DEFERRED_RETRY_SECONDS);
            return self.resolve_hold(Answer::Refuse(denial)).await;
        }
        let what = format!(
            "held by {}: waiting for {}, approval {id}",
            Requirement::rules(requirements),
            Requirement::people(requirements),
        );
        let desk = self.around.approvals.clone();
        let asked = id.clone();
        self.around.tether.doing(&format!("held, waiting for {id}"));
        hold.phase = Phase::Waiting(Box::new(Waiting {
            id,
            what,
            answer: Box::pin(async move { desk.wait(&asked).await }),
            notice: Box::pin(sleep(HOLD_NOTICE_EVERY)),
        }));
        self.notice()
    }

    fn notice(&mut self) -> Result<(), End> {
        let Some(Phase::Waiting(waiting)) = self.hold.as_ref().map(|hold| &hold.phase) else {
            return Ok(());
        };
        let now = (self.around.clock)();
        let Waiting { id, what, .. } = &**waiting;
        let desk = &*self.around.approvals;
        let (before, how) = (before_it(desk, id), desk.how(id));
        let text = format!("{what}{before}; approve with: {how}");
        let housed = self.gate.house(House::Notice, refuse::notice(&text), now)?;
        self.lines.to_client.say(housed);
        Ok(())
    }

    /// Tells the client that it still waits.
    pub(super) fn notice_again(&mut self) -> Result<(), End> {
        if let Some(Phase::Waiting(waiting)) = self.hold.as_mut().map(|hold| &mut hold.phase) {
            waiting.notice = Box::pin(sleep(HOLD_NOTICE_EVERY));
        }
        self.notice()
    }

    /// People have answered: a yes counts for the state it was given for, so that is asked for again.
    pub(super) fn answered(&mut self, answer: Result<Answer, Fault>) -> Result<(), End> {
        let answer = answer.unwrap_or_else(|fault| {
            Answer::Refuse(
                Denial::new(
                    format!("fault/{}", fault.blame.label()),
                    "the approval could not be waited for",
                )
                .hint("Nothing was run. Try again."),
            )
        });
        self.probe(Some(answer))
    }

    async fn resolve_hold(&mut self, answer: Answer) -> Result<(), End> {
        let Some(hold) = self.hold.take() else {
            return Ok(());
        };
        self.around.tether.doing("");
        let now = self.now();
        let ruling = self
            .gate
            .resolve(hold.held, answer, self.talk.context(), now)
            .await?;
        let mut run = Vec::new();
        self.rule(ruling, hold.intent, &mut run).await?;
        self.commit(&mut run).await?;
        self.resume = true;
        Ok(())
    }

    /// The client asked for a cancel.
    pub(super) async fn cancel_asked(&mut self) -> Result<(), End> {
        match self.hold.as_mut() {
            None => {
                if self.talk.running() {
                    self.cancel_upstream()?;
                }
                Ok(())
            }
            Some(hold) => {
                hold.cancelled = true;
                if !matches!(hold.phase, Phase::Waiting(_)) {
                    return Ok(());
                }
                self.withdraw();
                self.resolve_hold(Answer::Refuse(cancelled())).await
            }
        }
    }

    /// Nobody waits any longer.
    pub(super) fn withdraw(&mut self) {
        if let Some(Phase::Waiting(waiting)) = self.hold.as_ref().map(|hold| &hold.phase) {
            self.around.approvals.withdraw(&waiting.id);
        }
    }
}

fn cancelled() -> Denial {
    Denial::new(
        "portcullis/cancelled",
        "canceling statement due to user request",
    )
}
