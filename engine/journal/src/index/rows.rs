//! What the index answers with. Names, reasons and texts in here are foreign: whoever shows them escapes them.

use crate::SessionState;
use portcullis_model::{Principal, SessionId, Timestamp};
use serde::Serialize;
use serde_json::Value;

/// One page of an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listing<T> {
    /// The rows, in the order asked for.
    pub rows: Vec<T>,
    /// Where the next page begins; none when this is the last.
    pub next: Option<String>,
}

/// Commands by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EffectCounts {
    /// That read.
    pub read: u64,
    /// That change data.
    pub write: u64,
    /// That destroy data or structure.
    pub destroy: u64,
    /// That change who may do what.
    pub escalate: u64,
    /// That could not be established.
    pub unknown: u64,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// What people call who acted.
    pub name: String,
    /// Who acted.
    pub principal: Principal,
    /// Human, agent, ci or service.
    pub kind: String,
    /// The groups the token named.
    pub groups: Vec<String>,
    /// Who acted on their behalf, outermost first.
    pub actors: Vec<Principal>,
    /// On what.
    pub target: String,
    /// How it is spoken to.
    pub protocol: String,
    /// The login used there.
    pub login: String,
    /// Where from.
    pub address: String,
    /// What the client calls itself.
    pub program: String,
    /// The node that it went through.
    pub node: String,
    /// Why, as the client said.
    pub reason: Option<String>,
    /// The ticket that the client named.
    pub ticket: Option<String>,
    /// The access request that opened it.
    pub access_request: Option<String>,
    /// The rule that admitted it.
    pub rule: String,
    /// The policy revision that admitted it.
    pub revision: String,
    /// When it was admitted.
    pub started: Timestamp,
    /// When its last entry was written.
    pub ended: Timestamp,
    /// How it stands.
    pub state: SessionState,
    /// Why it ended.
    pub end_reason: String,
    /// Commands judged.
    pub commands: u64,
    /// Of these, refused.
    pub denied: u64,
    /// Held for people.
    pub held: u64,
    /// Run because people had approved.
    pub approved: u64,
    /// Answers in which something was masked.
    pub masked: u64,
    /// Security events.
    pub security: u64,
    /// Commands by what they do.
    pub effects: EffectCounts,
    /// Rows released.
    pub rows: u64,
    /// Bytes released.
    pub bytes: u64,
    /// Entries in the record.
    pub entries: u64,
    /// When its payloads were shredded, and by which rule.
    pub shredded: Option<(Timestamp, String)>,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CommandRow {
    /// Its session.
    pub session: SessionId,
    /// The entry of its decision.
    pub sequence: u64,
    /// The stream of the session.
    pub stream: u32,
    /// When it was judged.
    pub at: Timestamp,
    /// What people call who sent it.
    pub name: String,
    /// On what.
    pub target: String,
    /// How that is spoken to.
    pub protocol: String,
    /// How it was sent: `query`, `exec`, `request`.
    pub stage: String,
    /// `allow`, `deny` or `hold`.
    pub verdict: String,
    /// What it does.
    pub effect: String,
    /// How dangerous that is: `none` to `critical`; empty when it was never judged.
    pub risk: String,
    /// The rule that decided.
    pub rule: String,
    /// The approval it ran under.
    pub approval: Option<String>,
    /// The command, secrets masked; cut to `limits::INDEX_TEXT_BYTES_MAX`.
    pub text: String,
}

/// Something that happened: in a session (a security event) or to the node (a reload, a vote, a refused login).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventRow {
    /// Its number in the index, which grows.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The session; none for the node's own.
    pub session: Option<SessionId>,
    /// The entry.
    pub sequence: u64,
    /// `security` or `node`.
    pub kind: String,
    /// Its name.
    pub event: String,
    /// What is known of it.
    pub detail: Value,
}

/// A vote.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VoteRow {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub voter: Principal,
    /// What people call them.
    pub name: String,
    /// `approve` or `deny`.
    pub ballot: String,
    /// Why.
    pub reason: String,
    /// The node's entry that holds it.
    pub sequence: u64,
}

/// An approval, from its opening to its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApprovalRow {
    /// Its id.
    pub id: String,
    /// When it was asked for.
    pub opened: Timestamp,
    /// The session that asked.
    pub session: Option<SessionId>,
    /// Who asked.
    pub requester: Principal,
    /// On what.
    pub target: String,
    /// For access, not for a command.
    pub access: bool,
    /// `pending`, `approved`, `denied`, `expired`, `withdrawn`, `consumed`.
    pub state: String,
    /// Since when it is in that state.
    pub changed: Timestamp,
    /// What was required.
    pub requirements: Value,
    /// The digest that binds it.
    pub binding: String,
    /// The command, secrets masked; empty for access.
    pub text: String,
    /// The ticket.
    pub ticket: Option<String>,
    /// The votes, in order.
    pub votes: Vec<VoteRow>,
}

/// A change of the policy, or an attempt at one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyRow {
    /// When.
    pub at: Timestamp,
    /// The node's entry that holds it.
    pub sequence: u64,
    /// The revision that served from then on: a digest over all packs.
    pub revision: String,
    /// Who or what caused it.
    pub author: String,
    /// Whether it was applied.
    pub ok: bool,
    /// What was said about it.
    pub detail: String,
}

/// How far the index has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Entries of the log that are indexed.
    pub indexed: u64,
    /// Entries that a checkpoint covers.
    pub signed: u64,
}
