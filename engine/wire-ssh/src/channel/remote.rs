//! A forward from the host back to the client (`ssh -R`): judged once, with where the host is to listen, and kept for as long as
//! the client wants it, on an upstream connection of its own. What comes of it later are channels of `back`.
//!
//! It refuses what policy does not name, addresses and paths that cannot be shown as they are, and to wait for people: the client's
//! whole connection waits for the answer.

use super::ask::{channel, known};
use super::forward::ruled_out;
use super::parting::fault_denial;
use super::socket::{is_plain, no_path};
use crate::back::{Doorway, Place, Remote, To, Way};
use crate::conversation::{Conversation, Entered};
use crate::naming::is_host;
use crate::refuse;
use crate::spill::Share;
use crate::upline::{Unopened, Upline};
use bytes::Bytes;
use portcullis_gate::{Allowed, Answer, Gate, Held, Refusal, Ruling};
use portcullis_model::limits::DEFERRED_RETRY_SECONDS;
use portcullis_model::message::{Context, Message};
use portcullis_model::{Decision, Denial, Effect, Fault, Requirement, Risk, Timestamp, Verbs};
use russh::server::Handle;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// How long a host may take to answer that it does not listen any more.
const STOP_MAX: Duration = Duration::from_secs(2);

/// A forward that is asked for.
pub(crate) struct RemoteForward {
    pub conversation: Arc<Conversation>,
    pub handle: Handle,
    pub share: Share,
    pub remote: Arc<Remote>,
}

/// Why there is none.
enum Unbegun {
    /// It was refused, and that is recorded.
    Refused(Refusal),
    /// Something broke, or the host would not.
    Broken(Fault),
}

impl From<Fault> for Unbegun {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
}

impl RemoteForward {
    /// The whole life of it. `answer` gets the port at which the host listens; when it is dropped the forward is refused.
    pub(crate) async fn live(self, answer: oneshot::Sender<u16>) {
        self.listen(answer).await;
        self.conversation.back.stopped(&self.remote);
    }

    fn now(&self) -> Timestamp {
        (self.conversation.clock)()
    }

    async fn listen(&self, mut answer: oneshot::Sender<u16>) {
        let entered = tokio::select! {
            entered = self.conversation.settled(None) => entered,
            () = answer.closed() => return,
        };
        let Ok(entered) = entered else {
            return;
        };
        let place = self.remote.place();
        let what = json!({"ssh": place.name(), "at": place.shown()});
        let mut gate = match entered.gates.open(&what, self.now()).await {
            Ok(gate) => gate,
            Err(fault) => {
                tracing::error!(fault = fault.chain(), "a forward could not be opened");
                return;
            }
        };
        // It is never left half done: a host that listens is told to stop.
        let how = match self.begin(&entered, &mut gate).await {
            Ok((line, port)) => match answer.send(port) {
                Ok(()) => self.keep(&entered, line).await,
                Err(_) => {
                    line.hang_up().await;
                    json!({"reason": "the answer took too long"})
                }
            },
            Err(Unbegun::Refused(refusal)) => {
                self.conversation.back.tell_later(refusal);
                json!({"reason": "refused"})
            }
            Err(Unbegun::Broken(fault)) => self.broken(&mut gate, &fault),
        };
        if let Err(fault) = gate.close(&how, self.now()) {
            tracing::error!(fault = fault.chain(), "a forward's end is not on record");
        }
    }

    fn broken(&self, gate: &mut Gate, fault: &Fault) -> Value {
        tracing::warn!(fault = fault.chain(), "a host does not listen for a client");
        if let Ok(refusal) = refuse::by_itself(gate, &fault_denial(fault), self.now()) {
            self.conversation.back.tell_later(refusal);
        }
        json!({"reason": "the host did not listen"})
    }

    /// Judged, and asked of the host.
    async fn begin(
        &self,
        entered: &Arc<Entered>,
        gate: &mut Gate,
    ) -> Result<(Upline, u16), Unbegun> {
        let place = self.remote.place();
        let unfit = match place {
            _ if !entered.control.allows_terminals() => Some(ruled_out(entered.control)),
            Place::Port(address, _) if !address.is_empty() && !is_host(address) => {
                Some(no_address())
            }
            Place::Socket(path) if !is_plain(path) => Some(no_path()),
            _ => None,
        };
        if let Some(denial) = unfit {
            return Err(Unbegun::Refused(refuse::by_itself(
                gate,
                &denial,
                self.now(),
            )?));
        }
        let allowed = self.allowed(entered, gate).await?;
        let decision = allowed.decision().cloned();
        let named = gate.is_named(place.name(), decision.as_ref());
        if let Err(denial) = named {
            return Err(Unbegun::Refused(refuse::by_itself(
                gate,
                &denial,
                self.now(),
            )?));
        }
        // The forward itself has no bytes: what was permitted is that the host listens.
        let context = Context::new();
        drop(gate.commit(vec![allowed], &context, self.now()).await?);
        self.dial(entered, gate, decision).await
    }

    async fn dial(
        &self,
        entered: &Arc<Entered>,
        gate: &mut Gate,
        decision: Option<Arc<Decision>>,
    ) -> Result<(Upline, u16), Unbegun> {
        loop {
            let (line, kept) = entered.uplines.take(gate, None).await?;
            line.door.open(Arc::new(Doorway {
                conversation: Arc::clone(&self.conversation),
                entered: Arc::clone(entered),
                handle: self.handle.clone(),
                share: self.share.clone(),
                ways: vec![Way {
                    to: To::Remote(Arc::clone(&self.remote)),
                    decision: decision.clone(),
                }],
                tasks: TaskTracker::new(),
            }));
            match line.listen(self.remote.place()).await {
                Ok(port) => {
                    self.remote.at(port);
                    return Ok((line, port));
                }
                // One that was kept may have died meanwhile.
                Err(Unopened::Lost(_)) if kept => line.hang_up().await,
                Err(Unopened::Refused(fault) | Unopened::Lost(fault)) => {
                    line.hang_up().await;
                    return Err(fault.into());
                }
            }
        }
    }

    /// Until the client wants it no more, or the session or the host is gone.
    async fn keep(&self, entered: &Arc<Entered>, line: Upline) -> Value {
        let reason = tokio::select! {
            biased;
            () = self.conversation.over() => "client gone",
            _ = entered.tether.severed() => "severed",
            () = line.gone() => "the host is gone",
            () = self.remote.unwanted() => "cancelled",
        };
        let through = line.door.through();
        line.door.shut();
        if reason == "cancelled" {
            let asked = line.stop_listening(self.remote.place(), self.remote.port());
            let _stopped = timeout(STOP_MAX, asked).await;
            self.conversation.back.stopped(&self.remote);
            // Whoever came before goes on, as with ssh.
            if let Some(through) = through {
                through.close();
                tokio::select! {
                    () = self.conversation.over() => {}
                    _ = entered.tether.severed() => {}
                    () = line.gone() => {}
                    () = through.wait() => {}
                }
            }
        }
        line.hang_up().await;
        json!({"reason": reason})
    }

    async fn allowed(&self, entered: &Entered, gate: &mut Gate) -> Result<Allowed, Unbegun> {
        let context = Context::new();
        let message = asked(self.remote.place());
        let mut ruling = gate.judge(message, &context, self.now()).await;
        loop {
            match ruling {
                Ruling::Allow(allowed) => return Ok(allowed),
                Ruling::Deny(denied) => {
                    let refusal = refuse::denied(gate, denied, self.now())?;
                    return Err(Unbegun::Refused(refusal));
                }
                Ruling::Hold(held) => ruling = self.held(entered, gate, held).await?,
            }
        }
    }

    /// People are asked where their answer is good for a later try, and not waited for. Where it would not be, nobody is
    /// bothered: only what they have said already counts.
    async fn held(
        &self,
        entered: &Entered,
        gate: &mut Gate,
        mut held: Held,
    ) -> Result<Ruling, Fault> {
        let context = Context::new();
        let request = gate.hold_request(&mut held, &context);
        let asks = held.requirements().iter().any(|r| r.defer) || request.wish.glass.is_some();
        let opened = match asks {
            true => entered.approvals.open(request).await.map(Some),
            false => entered
                .approvals
                .ready(request)
                .await
                .map(|ready| ready.map(|(id, answer)| (id, Some(answer)))),
        };
        let answer = match opened {
            Err(fault) => Answer::Refuse(fault_denial(&fault)),
            Ok(None) => Answer::Refuse(unanswered(held.requirements(), None)),
            Ok(Some((id, answer))) => {
                gate.note_hold(&held, &id, self.now())?;
                answer.unwrap_or_else(|| Answer::Refuse(unanswered(held.requirements(), Some(id))))
            }
        };
        gate.resolve(held, answer, &context, self.now()).await
    }
}

/// What policy is asked.
fn asked(place: &Place) -> Message {
    let mut known = known(Effect::Write, Risk::High, Verbs::NET, "forward");
    known.labels.insert("leads-back".to_owned());
    known.labels.insert(place.name().to_owned());
    if let Place::Port(address, _) = place
        && !matches!(&**address, "localhost" | "127.0.0.1" | "::1")
    {
        known.labels.insert("remote-forward-public".to_owned());
    }
    let bound = Bytes::from(json!({"listen": place.shown()}).to_string());
    let text = format!("{} {}", place.name(), place.shown());
    channel(&text, place.name(), known, bound, Bytes::new())
}

/// `id` is what people were asked for; none where nobody was asked.
fn unanswered(requirements: &[Requirement], id: Option<String>) -> Denial {
    let (rules, groups) = (
        Requirement::rules(requirements),
        Requirement::people(requirements),
    );
    let Some(id) = id else {
        let reason = format!(
            "an approval is needed from {groups}, and a forward cannot wait for it: nobody was asked"
        );
        return Denial::new(rules, reason).hint(
            "Have the policy ask with `mode: defer`: then the forward passes once it is approved.",
        );
    };
    let reason = format!("approval {id} is needed from {groups}, and a forward cannot wait for it");
    let mut denial = Denial::new(rules, reason).hint(format!(
        "Ask for the same forward again once {id} is approved."
    ));
    denial.approval = Some(id);
    denial.retry_after = Some(DEFERRED_RETRY_SECONDS);
    denial
}

/// What is judged is what the host is asked for.
fn no_address() -> Denial {
    Denial::new(
        "ssh/forward-host",
        "a host listens at an address, or at a name in ASCII",
    )
    .hint("Write localhost, or one of the host's own addresses.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::back::REMOTE_FORWARD;
    use portcullis_model::message::Body;

    fn labels(place: &Place) -> (String, Vec<String>) {
        match asked(place).body {
            Body::Command(command) => {
                let labels = command.known.unwrap().labels.into_iter().collect();
                (command.text.to_string(), labels)
            }
            _ => panic!("a command"),
        }
    }

    #[test]
    fn what_cannot_wait_says_whether_anybody_was_asked_and_what_to_do() {
        let requirement = Requirement {
            rule: "ssh/back".to_owned(),
            msg: "it leads back".to_owned(),
            approver_groups: vec!["sre".to_owned()],
            approvers: 1,
            ttl: Duration::from_secs(60),
            execution_ttl: Duration::from_secs(30),
            defer: false,
            in_transaction: false,
            ticket: false,
            terms: portcullis_model::Terms::default(),
        };
        let denial = unanswered(std::slice::from_ref(&requirement), None);
        assert_eq!(denial.rule, "ssh/back");
        assert!(denial.reason.contains("nobody was asked") && denial.reason.contains("sre"));
        assert!(
            denial
                .hint
                .as_ref()
                .is_some_and(|h| h.contains("mode: defer"))
        );
        assert!(denial.approval.is_none() && denial.retry_after.is_none());

        let denial = unanswered(&[requirement], Some("ap-7".to_owned()));
        assert!(denial.reason.contains("approval ap-7"));
        assert!(
            denial
                .hint
                .as_ref()
                .is_some_and(|h| h.contains("once ap-7 is approved"))
        );
        assert_eq!(denial.approval.as_deref(), Some("ap-7"));
        assert_eq!(denial.retry_after, Some(DEFERRED_RETRY_SECONDS));
    }

    #[test]
    fn policy_sees_the_verb_where_the_host_listens_and_who_may_come() {
        let near = Place::Port("localhost".to_owned(), 8080);
        let (text, near) = labels(&near);
        assert_eq!(text, "remote-forward localhost:8080");
        assert_eq!(near, ["forward", "leads-back", REMOTE_FORWARD]);
        let (text, wide) = labels(&Place::Port(String::new(), 0));
        assert_eq!(text, "remote-forward *:0");
        assert!(wide.contains(&"remote-forward-public".to_owned()));
        let (text, socket) = labels(&Place::Socket("/run/app.sock".to_owned()));
        assert_eq!(text, "remote-streamlocal /run/app.sock");
        assert_eq!(socket, ["forward", "leads-back", "remote-streamlocal"]);
    }
}
