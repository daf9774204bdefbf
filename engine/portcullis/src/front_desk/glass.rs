//! A session whose glass was broken is recorded in full, whatever policy says of recording. And the ways to ask for a
//! connection without opening it: for whoever comes back later, and for whoever goes ahead. It refuses to ask for nothing:
//! a request says why.

use super::access_request::Asked;
use super::parts::Asking;
use super::{Desk, REASON, Reception, find_named};
use portcullis_gate::{BoxFuture, Decide, Knock, Proof, Question, Wish};
use portcullis_model::{
    Client, Decision, Denial, Fault, Identity, RecordLevel, Session, TicketCheck, limits,
    session::TICKET_SETTING,
};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Everything is recorded.
pub(super) fn record_all(decision: &mut Decision) {
    if decision.obligations.record != RecordLevel::Full {
        Arc::make_mut(&mut decision.outcome).obligations.record = RecordLevel::Full;
    }
}

/// Policy for commands, with that around it.
pub(super) fn around(policy: Arc<dyn Decide>, broken: bool) -> Arc<dyn Decide> {
    match broken {
        true => Arc::new(Recorded(policy)),
        false => policy,
    }
}

struct Recorded(Arc<dyn Decide>);

impl Decide for Recorded {
    fn decide(&self, question: &Question<'_>) -> Result<Decision, Fault> {
        let mut decision = self.0.decide(question)?;
        record_all(&mut decision);
        Ok(decision)
    }

    fn revision(&self) -> Arc<str> {
        self.0.revision()
    }

    fn ticket<'a>(
        &'a self,
        session: &'a Session,
        key: &'a str,
    ) -> BoxFuture<'a, Option<Arc<TicketCheck>>> {
        self.0.ticket(session, key)
    }
}

/// What somebody asks for who does not connect yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The connection.
    pub target: String,
    /// Why.
    pub reason: String,
    /// The ticket it belongs to.
    pub ticket: Option<String>,
    /// For how long.
    pub lasts: Option<Duration>,
    /// Go ahead without an approval.
    pub glass: bool,
}

impl Reception {
    /// Asks for a connection in advance. `identity` was verified just now.
    ///
    /// # Errors
    /// When there is none of that name, policy refuses it, or the request cannot be taken.
    pub async fn request(
        &self,
        identity: &Arc<Identity>,
        wanted: &Wanted,
    ) -> Result<Asked, Denial> {
        let reason = wanted.reason.trim();
        if reason.is_empty() || reason.len() > limits::VOTE_REASON_BYTES_MAX {
            return Err(
                Denial::new("access/reason", "a request for access says why")
                    .hint("Name the reason: --reason 'OPS-12, the import failed'."),
            );
        }
        let desk: &Desk = self.desk();
        desk.not_revoked(identity, None)?;
        let serving = desk.serving.load_full();
        let connection = find_named(&serving, &wanted.target)?;
        super::Bounds::of(identity, &connection.target.name)?;
        let knock = knock(&connection, wanted, reason);
        let asking = Asking {
            identity,
            connection: &connection,
            knock: &knock,
            ticket_check: desk.vouched(identity, &knock).await,
        };
        let wish = Wish {
            lasts: wanted.lasts,
            detached: !wanted.glass,
            returns: false,
            glass: wanted.glass.then(|| reason.to_owned()),
        };
        desk.request_detached(&asking, wish).await
    }
}

/// What a client would send that says the same. Nothing in it is a proof, and nothing verifies it.
fn knock(connection: &super::Connection, wanted: &Wanted, reason: &str) -> Knock {
    let mut settings = BTreeMap::from([(REASON.to_owned(), reason.to_owned())]);
    if let Some(ticket) = &wanted.ticket {
        settings.insert(TICKET_SETTING.to_owned(), ticket.clone());
    }
    Knock {
        protocol: connection.target.protocol,
        proof: Proof::Elsewhere,
        client: Client {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            program: Some("portcullis access".to_owned()),
            tls: None,
        },
        target: connection.target.name.clone(),
        login: String::new(),
        settings,
        replication: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::{Obligations, Outcome, Verdict};

    #[test]
    fn what_happens_under_broken_glass_is_recorded_in_full() {
        let obligations = Obligations {
            record: RecordLevel::Metadata,
            ..Obligations::none()
        };
        let outcome = Outcome {
            verdict: Verdict::Allow {
                rule: "a/b".to_owned(),
            },
            obligations,
            reasons: Vec::new(),
            would: Vec::new(),
            revision: String::new(),
        };
        let mut decision = Decision::new(outcome, bytes::Bytes::new());
        record_all(&mut decision);
        assert_eq!(decision.obligations.record, RecordLevel::Full);
    }
}
