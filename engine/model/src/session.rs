//! One admitted conversation: who, on what, since when. A session view is all a plugin or a policy ever
//! gets to know of it; no credential is reachable from here.

use crate::message::Protocol;
use crate::{Denial, Identity, Requirement, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

/// 128 random bits, shown as `s-` and 26 characters of Crockford base 32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u128);

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("s-")?;
        for index in (0..26).rev() {
            let digit = (self.0 >> (index * 5)) & 31;
            let digit = CROCKFORD
                .get(usize::try_from(digit).unwrap_or(0))
                .copied()
                .unwrap_or(b'0');
            write!(f, "{}", char::from(digit))?;
        }
        Ok(())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no session id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a session id is `s-` and 26 characters of base 32, as `portcullis sessions list` shows it"
)]
pub struct NotASessionId;

impl FromStr for SessionId {
    type Err = NotASessionId;

    fn from_str(text: &str) -> Result<Self, NotASessionId> {
        let digits = text.strip_prefix("s-").ok_or(NotASessionId)?;
        if digits.len() != 26 {
            return Err(NotASessionId);
        }
        let mut id: u128 = 0;
        for (index, digit) in digits.bytes().enumerate() {
            let value = CROCKFORD
                .iter()
                .position(|c| *c == digit)
                .ok_or(NotASessionId)?;
            // 26 digits hold 130 bits: the first may use three of its five.
            if index == 0 && value > 7 {
                return Err(NotASessionId);
            }
            id = id << 5 | u128::try_from(value).unwrap_or(0);
        }
        Ok(Self(id))
    }
}

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What is acted on, as configured under `connections:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The name clients use.
    pub name: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// Labels for policy: `env: prod`, `app: orders`.
    pub labels: BTreeMap<String, String>,
    /// PostgreSQL: the upstream database.
    pub database: Option<String>,
    /// The upstream role that sessions run as: the parent of a minted role, or the static login.
    pub role: Option<String>,
}

/// Where the connection came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Peer address, after a trusted PROXY header if one is configured.
    pub address: SocketAddr,
    /// What the client calls itself (`application_name`, SSH version): a claim, not a fact.
    pub program: Option<String>,
    /// "TLSv1.3" and the like, or none.
    pub tls: Option<String>,
}

/// One admitted conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The verified identity.
    pub identity: Arc<Identity>,
    /// What it is connected to.
    pub target: Arc<Target>,
    /// Where from.
    pub client: Client,
    /// When it was admitted.
    pub started: Timestamp,
    /// The gateway node.
    pub node: String,
    /// The upstream login in use (`pc_…` when minted).
    pub login: String,
    /// The reason the client gave, if any (`options=-c portcullis.reason=…`).
    pub reason: Option<String>,
    /// The ticket the client named, if any (`options=-c portcullis.ticket=…`).
    #[serde(default)]
    pub ticket: Option<String>,
    /// The access request that opened it, if one was needed.
    pub access_request: Option<String>,
}

/// The setting by which a client names the ticket its work belongs to.
pub const TICKET_SETTING: &str = "portcullis.ticket";

/// The ticket that is in force: what SET said last, or else what the client connected with.
#[must_use]
pub fn ticket<'a>(session: &'a Session, context: &'a crate::Context) -> Option<&'a str> {
    let set = context.settings.get(TICKET_SETTING);
    let set = set.and_then(|value| value.as_deref());
    set.filter(|ticket| !ticket.trim().is_empty())
        .or(session.ticket.as_deref())
}

/// What is answered where a requirement wants a ticket and none was named. `running` is true once there is a
/// session, in which one may still be named.
#[must_use]
pub fn ticket_missing(
    requirements: &[Requirement],
    named: Option<&str>,
    protocol: Protocol,
    running: bool,
) -> Option<Denial> {
    let wanting = requirements.iter().find(|r| r.ticket && named.is_none())?;
    let hint = match (protocol, running) {
        (Protocol::Postgres, true) => {
            "SET portcullis.ticket = 'ABC-123'; and send the statement again, or connect with PGOPTIONS='-c portcullis.ticket=ABC-123'."
        }
        (Protocol::Postgres, false) => "Connect with PGOPTIONS='-c portcullis.ticket=ABC-123'.",
        (Protocol::Ssh | Protocol::Kubernetes, _) => "Name the ticket when you connect.",
    };
    let reason = format!(
        "{} asks for the ticket this belongs to, and none was named",
        wanting.rule
    );
    Some(Denial::new("approval/ticket", reason).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_missed_only_where_it_is_wanted() {
        let requirement = |rule: &str, ticket| Requirement {
            rule: rule.to_owned(),
            msg: String::new(),
            approver_groups: Vec::new(),
            approvers: 1,
            ttl: std::time::Duration::from_secs(1),
            execution_ttl: std::time::Duration::from_secs(1),
            defer: false,
            in_transaction: false,
            ticket,
            terms: crate::Terms::default(),
        };
        let asked = [requirement("a/plain", false), requirement("a/ticket", true)];
        let missing =
            |asked, named, running| ticket_missing(asked, named, Protocol::Postgres, running);
        assert_eq!(missing(&asked[..1], None, true), None);
        assert_eq!(missing(&asked, Some("OPS-1"), true), None);
        let (running, before) = (missing(&asked, None, true), missing(&asked, None, false));
        let (running, before) = (running.unwrap(), before.unwrap());
        assert_eq!(running.rule, "approval/ticket");
        assert!(running.reason.starts_with("a/ticket asks"));
        assert!(running.hint.unwrap().starts_with("SET portcullis.ticket"));
        assert!(before.hint.unwrap().starts_with("Connect with PGOPTIONS"));
    }

    #[test]
    fn a_session_id_reads_back() {
        for id in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let text = SessionId(id).to_string();
            assert_eq!(text.len(), 28);
            assert_eq!(text.parse(), Ok(SessionId(id)));
        }
        for bad in [
            "",
            "s-",
            "s-zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "s-0000000000000000000000000u",
        ] {
            assert_eq!(bad.parse::<SessionId>(), Err(NotASessionId), "{bad}");
        }
    }
}
