//! Every way a session ends: the client is told, the upstream is let go, the record is sealed.

use super::{End, Pump};
use crate::auth_upstream::cancel_request;
use crate::frame::Malformed;
use crate::house_frames;
use crate::refuse::{self, Severity};
use bytes::Bytes;
use portcullis_gate::House;
use portcullis_link::{Opening, dial};
use portcullis_model::{Blame, Denial, Fault};
use std::time::Duration;
use tokio::time::timeout;

/// The longest that a cancel may take upstream.
const CANCEL_MAX: Duration = Duration::from_secs(5);
/// The longest that a peer may take for the last bytes.
const LAST_WORDS_MAX: Duration = Duration::from_secs(2);
/// How long a client that broke the protocol is read on, so that it gets to read why.
const LINGER: std::time::Duration = std::time::Duration::from_millis(200);

impl Pump {
    /// Asks the server to stop what runs. Nothing else goes up until it has been done, so that it
    /// cannot hit the next statement.
    pub(super) fn cancel_upstream(&mut self) -> Result<(), End> {
        if self.cancelling.is_some() {
            return Ok(());
        }
        let now = self.now();
        let wire = cancel_request(&self.around.login);
        let housed = self.gate.house(House::Cancel, wire, now)?;
        let target = self.around.target.clone();
        self.cancelling = Some(Box::pin(async move {
            let cancel = async {
                match dial(&target, Opening::PostgresRequest).await {
                    Ok(lobby) => lobby.say_and_wait(housed).await,
                    Err(error) => Err(error),
                }
            };
            // A cancel that does not arrive is not reported, as in PostgreSQL: the statement ends by itself.
            let _done = timeout(CANCEL_MAX, cancel).await;
        }));
        Ok(())
    }

    pub(super) async fn end(mut self, end: End) -> Result<(), Fault> {
        self.withdraw();
        self.hold = None;
        let (reason, fault) = self.last_words(end);
        let journal_lives = !matches!(&fault, Some(fault) if fault.blame == Blame::Journal);
        let now = self.now();
        if journal_lives {
            if self.talk.running() && self.cancelling.is_none() && reason != "upstream gone" {
                // Without it the server would run on for nobody.
                let _asked = self.cancel_upstream();
            }
            if let Ok(housed) = self
                .gate
                .house(House::Terminate, house_frames::terminate(), now)
            {
                self.lines.to_upstream.say(housed);
            }
        }
        // The peers may be gone, and neither may keep the session from being sealed.
        let _told = timeout(LAST_WORDS_MAX, self.lines.to_client.close()).await;
        if fault.is_some() {
            let _read = timeout(LINGER, self.lines.client.linger()).await;
        }
        if let Some(cancelling) = self.cancelling.take() {
            cancelling.await;
        }
        let _left = timeout(LAST_WORDS_MAX, self.lines.to_upstream.close()).await;
        let sealed = self.gate.finish(reason, now);
        match fault {
            Some(fault) => Err(fault),
            None => sealed,
        }
    }

    /// What the client reads last.
    fn last_words(&mut self, end: End) -> (&'static str, Option<Fault>) {
        match end {
            End::ClientGone => ("client gone", None),
            End::UpstreamGone => {
                if !self.talk.said_fatal() {
                    let denial =
                        Denial::new("fault/upstream", "the upstream closed the connection")
                            .hint("Connect again.");
                    self.farewell(refuse::UPSTREAM_GONE, &denial);
                }
                ("upstream gone", None)
            }
            End::Severed(denial) => {
                self.farewell(refuse::SEVERED, &denial);
                ("severed", None)
            }
            End::Unreleased(fault) if fault.blame != Blame::Journal => {
                let rule = format!("fault/{}", fault.blame.label());
                let denial = Denial::new(
                    rule,
                    "a response could not be released, so the session ends",
                )
                .hint("Connect again; give session and sequence to the operator if it persists.");
                self.farewell(refuse::BROKEN, &denial);
                ("fault", Some(fault))
            }
            End::Fault(fault) | End::Unreleased(fault) => {
                self.fault_words(&fault);
                ("fault", Some(fault))
            }
        }
    }

    fn fault_words(&mut self, fault: &Fault) {
        if fault.blame == Blame::Journal {
            self.lines.to_client.journal_dead(refuse::JOURNAL_DEAD);
            return;
        }
        let now = self.now();
        let by = match fault.blame {
            Blame::Client => "the client",
            _ => "the upstream",
        };
        let rule = format!("fault/{}", fault.blame.label());
        let (state, denial) = match fault.blame {
            Blame::Client | Blame::Upstream => {
                if self.gate.security("protocol", &fault.chain(), now).is_err() {
                    self.lines.to_client.journal_dead(refuse::JOURNAL_DEAD);
                    return;
                }
                let what = fault
                    .source
                    .as_ref()
                    .and_then(|s| s.downcast_ref::<Malformed>());
                let reason = match what {
                    Some(what) => format!("{by} broke the protocol ({what}), so the session ends"),
                    None => format!("{by} broke the protocol, so the session ends"),
                };
                (refuse::PROTOCOL, Denial::new(rule, reason))
            }
            _ => {
                let reason = format!("the session ends because {} failed", fault.blame.label());
                (refuse::BROKEN, Denial::new(rule, reason))
            }
        };
        let hint = "Connect again; give session and sequence to the operator if it persists.";
        self.farewell(state, &denial.hint(hint));
    }

    fn farewell(&mut self, state: &str, denial: &Denial) {
        let session = self.around.session;
        let now = self.now();
        let refusal = self
            .gate
            .reject_session(denial, now, |denial, sequence| -> Vec<Bytes> {
                vec![refuse::denial(
                    Severity::Fatal,
                    state,
                    denial,
                    Some(session),
                    sequence,
                )]
            });
        match refusal {
            Ok(refusal) => self.lines.to_client.refuse(refusal),
            Err(_) => self.lines.to_client.journal_dead(refuse::JOURNAL_DEAD),
        }
    }
}
