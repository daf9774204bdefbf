//! Every way a channel ends: the client reads why, the host's side is closed, the record says how.

use super::{Ended, Stream};
use crate::refuse::REFUSED;
use crate::sides::Exit;
use portcullis_gate::Lane;
use portcullis_model::{Blame, Denial, Fault};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// How long a client may take for the last bytes.
const LAST_WORDS_MAX: Duration = Duration::from_secs(2);

impl Stream {
    pub(super) async fn part(self, ended: Ended) {
        let clean = matches!(ended, Ended::Done(_));
        let there = !matches!(ended, Ended::ClientGone | Ended::Cut(_));
        let how = match timeout(LAST_WORDS_MAX, self.last_words(ended)).await {
            Ok(how) => how,
            Err(_) => json!({"reason": "the client does not read"}),
        };
        if there {
            let goodbye = async {
                self.client.eof().await;
                self.client.close().await;
            };
            let _said = timeout(LAST_WORDS_MAX, goodbye).await;
        }
        self.note_open_files().await;
        let now = self.now();
        if self.gate.lock().await.betrayed() {
            self.conversation.betray();
        }
        if let Some(host) = self.host.into_inner() {
            let _closed = timeout(LAST_WORDS_MAX, host.side.close()).await;
            match host.line {
                // A host remembers for as long as the connection lasts what leads back on it.
                Some(line) if clean && line.door.through().is_none() => {
                    self.entered.uplines.give_back(line);
                }
                Some(line) => line.hang_up().await,
                None => {}
            }
        }
        if let Err(fault) = self.gate.into_inner().close(&how, now) {
            tracing::error!(fault = fault.chain(), "a channel's end is not on record");
        }
    }

    /// What the client reads last, and what the record says of it.
    async fn last_words(&self, ended: Ended) -> Value {
        match ended {
            Ended::Done(exit) => {
                self.client.exit(&exit).await;
                told(&exit)
            }
            Ended::Refused(refusal) => {
                let _read = self.client.refuse(Lane::Diagnostic, refusal).await;
                self.client.exit(&Exit::Status(REFUSED)).await;
                json!({"reason": "refused", "exit": REFUSED})
            }
            Ended::ClientGone => json!({"reason": "client gone"}),
            Ended::Cut(how) => how,
            Ended::Overrun => {
                let denial = Denial::new(
                    "ssh/upload",
                    "the host takes input slower than it comes, and no more can be kept",
                )
                .hint("Send less at a time, or more slowly.");
                self.say(&denial).await;
                json!({"reason": "too much input"})
            }
            Ended::Severed(denial) => {
                self.say(&denial).await;
                json!({"reason": "severed", "rule": denial.rule})
            }
            Ended::HostRefused => {
                let denial = Denial::new("fault/upstream", "the host refused to start this")
                    .hint("The host's own log says why.");
                self.say(&denial).await;
                json!({"reason": "the host refused"})
            }
            Ended::Broken(fault) if fault.blame == Blame::Journal => {
                self.client.journal_dead().await;
                self.client.exit(&Exit::Status(REFUSED)).await;
                json!({"reason": "fault"})
            }
            Ended::Broken(fault) => {
                if fault.blame != Blame::Client {
                    tracing::warn!(
                        session = %self.entered.session,
                        fault = fault.chain(),
                        "a channel broke"
                    );
                }
                self.say(&fault_denial(&fault)).await;
                json!({"reason": "fault", "blame": fault.blame.label()})
            }
        }
    }

    /// What the record says of a forward that something has ended. Its far end sees the end of a stream and not that it is
    /// short, so the record says how many bytes the host has not taken. One that was given up is in the log as well.
    pub(super) fn cut(&self, ended: &Ended) -> Value {
        let mut how = reason(ended);
        let lost = self.inbox.untaken();
        if lost == 0 {
            return how;
        }
        if matches!(ended, Ended::ClientGone) && self.inbox.is_given_up() {
            tracing::warn!(
                session = %self.entered.session,
                bytes = lost,
                "a host did not take the last of a forward"
            );
            how = json!({"reason": "the host took no more"});
        }
        if let Some(how) = how.as_object_mut() {
            how.insert("lost".to_owned(), lost.into());
        }
        how
    }

    /// A denial that no message caused, recorded and told.
    async fn say(&self, denial: &Denial) {
        let refused = self.deny(denial).await;
        if let Ok(Ended::Refused(refusal)) = refused {
            let _read = self.client.refuse(Lane::Diagnostic, refusal).await;
        }
        self.client.exit(&Exit::Status(REFUSED)).await;
    }
}

/// Why a forward ended. What was refused in it has a denial on record, which says why.
fn reason(ended: &Ended) -> Value {
    match ended {
        Ended::Done(exit) => told(exit),
        Ended::Refused(_) => json!({"reason": "refused"}),
        Ended::Overrun => json!({"reason": "too much input", "rule": "ssh/upload"}),
        Ended::Severed(denial) => json!({"reason": "severed", "rule": denial.rule}),
        Ended::HostRefused => json!({"reason": "the host refused"}),
        Ended::Broken(fault) if fault.blame != Blame::Client => {
            tracing::debug!(fault = fault.chain(), "a forward broke");
            json!({"reason": "fault", "blame": fault.blame.label()})
        }
        Ended::Broken(_) | Ended::ClientGone => json!({"reason": "client gone"}),
        Ended::Cut(how) => how.clone(),
    }
}

fn told(exit: &Exit) -> Value {
    match exit {
        Exit::Status(status) => json!({"exit": status}),
        Exit::Signal { signal, core } => json!({"signal": format!("{signal:?}"), "core": core}),
        Exit::Nothing => json!({"reason": "the host closed the channel"}),
    }
}

/// It says nothing of the inside.
pub(super) fn fault_denial(fault: &Fault) -> Denial {
    let (what, hint) = match fault.blame {
        Blame::Upstream => (
            "the host could not be reached, or broke off",
            "Try again; if it persists, tell the operator: the gateway's log says why.",
        ),
        Blame::Plugin => (
            "output could not be masked, so it is not shown",
            "Connect again; give the session to the operator if it persists.",
        ),
        _ => (
            "the gateway could not go on",
            "Connect again; give the session to the operator if it persists.",
        ),
    };
    Denial::new(format!("fault/{}", fault.blame.label()), what).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_says_what_ended_a_forward() {
        let broken = |blame| Ended::Broken(Fault::bare(blame, "x"));
        for (ended, how) in [
            (
                Ended::Severed(Denial::new("session/killed", "x")),
                json!({"reason": "severed", "rule": "session/killed"}),
            ),
            (
                Ended::Overrun,
                json!({"reason": "too much input", "rule": "ssh/upload"}),
            ),
            (
                broken(Blame::Upstream),
                json!({"reason": "fault", "blame": "upstream"}),
            ),
            (broken(Blame::Client), json!({"reason": "client gone"})),
            (Ended::ClientGone, json!({"reason": "client gone"})),
        ] {
            assert_eq!(reason(&ended), how);
        }
    }

    #[test]
    fn a_fault_says_nothing_of_the_inside() {
        let fault = Fault::new(
            Blame::Upstream,
            "x",
            std::io::Error::other("10.0.0.7 hunter2"),
        );
        let denial = fault_denial(&fault);
        assert_eq!(denial.rule, "fault/upstream");
        assert!(!format!("{denial:?}").contains("hunter2"));
    }
}
