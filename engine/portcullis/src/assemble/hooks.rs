//! What other systems send to the https listener. Each is verified on its raw bytes before anything is read of it; what
//! does not count goes on record. It refuses to vote for anybody: the callback brings the voter's own token, and a click
//! in Slack counts where the rule says so, for the person whose account is linked.

use super::console::guesser;
use super::people::People;
use crate::guesses::{Guesser, Guesses};
use portcullis_approval::{Ballot, NotSigned, SlackWord, Word};
use portcullis_console::{Approval, Hooks, Refused};
use portcullis_gate::{BoxFuture, Clock};
use portcullis_model::{Fault, Identity};
use serde_json::{Value, json};
use std::sync::Arc;

/// The way in.
pub(super) struct Inlet {
    pub people: Arc<People>,
    pub guesses: Arc<Guesses>,
    pub clock: Clock,
}

impl Inlet {
    /// A message that was not taken in, on record: somebody may be trying.
    fn turned_away(&self, from: &str, why: NotSigned) -> Refused {
        let detail = json!({"from": from, "why": why.to_string()});
        let who = Guesser::other(json!({"from": from}));
        self.guesses.note(&who, "hook_refused", detail);
        Refused::new(401, why.to_string())
    }
}

/// A vote that was refused, on record with whose it is, where that is known.
fn not_counted(
    guesses: &Arc<Guesses>,
    from: &str,
    voter: Option<&Identity>,
    (id, refused): (&str, &Refused),
) {
    let who = match voter {
        Some(voter) => guesser(voter, from),
        None => Guesser::other(json!({"from": from})),
    };
    guesses.vote(&who, id, refused);
}

fn unavailable(fault: &Fault) -> Refused {
    tracing::error!(
        fault = fault.chain(),
        "a message from outside cannot be verified"
    );
    Refused::new(503, "the message cannot be verified right now")
}

impl Hooks for Inlet {
    fn callback<'a>(
        &'a self,
        headers: [&'a str; 3],
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<Approval, Refused>> {
        Box::pin(async move {
            let Some(inbound) = &self.people.channels().callback else {
                return Err(Refused::new(404, "there is nothing here"));
            };
            let read = inbound.read(headers, body, (self.clock)()).await;
            let vote = read
                .map_err(|fault| unavailable(&fault))?
                .map_err(|why| self.turned_away("callback", why))?;
            let word = Word {
                ballot: vote.choice,
                because: &vote.reason,
                reuse: None,
                channel: "callback",
            };
            let voter = self.people.who(&vote.token).await;
            let voted = match &voter {
                Ok(voter) => self.people.cast(&vote.request, voter, word),
                Err(refused) => Err(refused.clone()),
            };
            if let Err(refused) = &voted {
                let voter = voter.as_deref().ok();
                let what = (vote.request.as_str(), refused);
                not_counted(&self.guesses, "callback", voter, what);
            }
            voted
        })
    }

    fn slack<'a>(
        &'a self,
        time: &'a str,
        signature: &'a str,
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<Value, Refused>> {
        Box::pin(async move {
            let Some(desk) = &self.people.channels().slack else {
                return Err(Refused::new(404, "there is nothing here"));
            };
            let read = desk.read(time, signature, body, (self.clock)()).await;
            let word = read
                .map_err(|fault| unavailable(&fault))?
                .map_err(|why| self.turned_away("slack", why))?;
            let text = match word {
                SlackWord::Tell(text) => text,
                SlackWord::Vote {
                    request,
                    ballot,
                    person,
                    account,
                } => {
                    let because = format!("in Slack, by {}", account.shown());
                    let word = Word {
                        ballot,
                        because: &because,
                        reuse: None,
                        channel: "slack",
                    };
                    let voted = self.people.cast_in_chat(&request, &person, word);
                    if let Err(refused) = &voted {
                        let what = (request.as_str(), refused);
                        not_counted(&self.guesses, "slack", Some(&person), what);
                    }
                    told(ballot, voted)
                }
            };
            Ok(json!({"response_type": "ephemeral", "text": text}))
        })
    }
}

fn told(ballot: Ballot, voted: Result<Approval, Refused>) -> String {
    let said = match ballot {
        Ballot::Approve => "yes",
        Ballot::Deny => "no",
    };
    match voted {
        Ok(approval) => format!("Your {said} counts: {} is {}.", approval.id, approval.state),
        Err(refused) => match refused.hint {
            Some(hint) => format!("Your {said} does not count: {}. {hint}", refused.error),
            None => format!("Your {said} does not count: {}", refused.error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front_desk::tests::identity;
    use crate::guesses::tests::Book;

    #[test]
    fn whoever_votes_wrongly_in_slack_hides_nobody_else_who_does() {
        let book = Book::open();
        let refused = Refused::new(404, "there is none");
        let (eve, bea) = (identity("eve"), identity("bea"));
        for _ in 0..100 {
            let what = ("ap-1", &refused);
            not_counted(&book.guesses, "slack", Some(&eve), what);
            not_counted(&book.guesses, "callback", None, what);
        }
        not_counted(&book.guesses, "slack", Some(&bea), ("ap-2", &refused));
        let votes = book.close();
        let of = |name: &str| {
            let theirs = |detail: &&Value| detail["by"]["subject"] == json!(name);
            votes
                .iter()
                .map(|(_, detail)| detail)
                .filter(theirs)
                .count()
        };
        assert_eq!((of("eve"), of("bea")), (11, 1), "{votes:?}");
        assert!(votes.iter().all(|(event, _)| event == "vote_refused"));
        assert_eq!(
            votes.len(),
            23,
            "and those of nobody in particular: {votes:?}"
        );
    }
}
