//! What the admin API asks of the gateway. A narrow list: nothing here can change a policy, read a
//! credential or vote in somebody's name.

use crate::door::Caller;
use portcullis_gate::BoxFuture;
use portcullis_model::{Denial, SessionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What the gateway lets its operators see and do. Implemented by `portcullis`.
pub trait Operations: crate::standing::Standing + Send + Sync {
    /// The node at a glance.
    fn status(&self) -> Status;
    /// Whether new connections should be sent here: every check must hold.
    fn readiness(&self) -> Vec<Check>;
    /// Live sessions, oldest first.
    fn sessions(&self) -> Vec<SessionRow>;
    /// Ends a session.
    ///
    /// # Errors
    /// When there is no such session.
    fn kill(&self, id: SessionId, kill: &Kill, by: Caller) -> Result<(), Refused>;
    /// Ends what an identity or a token has open, and refuses it from now on. Returns how many ended.
    ///
    /// # Errors
    /// When it names nothing, or cannot be stored.
    fn revoke(&self, revocation: &Revocation, by: Caller) -> Result<usize, Refused>;
    /// Requests at the approval desk, newest first.
    fn approvals(&self) -> Vec<Approval>;
    /// Votes. The token inside is verified like a client's.
    fn vote<'a>(
        &'a self,
        id: &'a str,
        ballot: &'a Ballot,
        by: Caller,
    ) -> BoxFuture<'a, Result<Approval, Refused>>;
    /// The legal holds that are in force.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn holds(&self) -> BoxFuture<'_, Result<Vec<serde_json::Value>, Refused>>;
    /// Sets a legal hold: what it covers is kept, whatever its age.
    ///
    /// # Errors
    /// When it covers nothing that can be named, or cannot be recorded.
    fn hold(&self, wish: &HoldWish, by: Caller) -> Result<serde_json::Value, Refused>;
    /// Releases one.
    ///
    /// # Errors
    /// When there is none of that id, or it cannot be recorded.
    fn release<'a>(
        &'a self,
        id: &'a str,
        reason: &'a Kill,
        by: Caller,
    ) -> BoxFuture<'a, Result<(), Refused>>;
    /// What clients may ask for.
    fn connections(&self) -> Vec<ConnectionRow>;
    /// Reads configuration, policies and plugins again, all or nothing.
    fn reload(&self, by: Caller) -> BoxFuture<'_, Result<Reloaded, Refused>>;
    /// The journal's public key, as `portcullis journal verify` wants it.
    fn journal_public_key(&self) -> String;
    /// Brings gauges up to date; called before each scrape.
    fn measure(&self);
}

/// The node at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The node's name.
    pub node: String,
    /// The program's version.
    pub version: String,
    /// When it started, RFC 3339.
    pub started: String,
    /// `serving` or `draining`.
    pub state: String,
    /// Revision of the policy set that decides.
    pub policy_revision: String,
    /// Plugins in use.
    pub plugins: Vec<PluginRow>,
    /// Listening addresses, `postgres 127.0.0.1:6432`.
    pub listeners: Vec<String>,
    /// Live sessions.
    pub sessions: usize,
    /// Requests that wait for people.
    pub approvals_pending: usize,
    /// The last reload: when and with which result.
    pub last_reload: Option<Reloaded>,
    /// What `/readyz` says.
    pub checks: Vec<Check>,
}

/// One plugin in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRow {
    /// Its name and version.
    pub name: String,
    /// SHA-256 of the component, hex.
    pub sha256: String,
}

/// One condition of being ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What is looked at: `journal`, `policies`, `issuer corp`.
    pub name: String,
    /// True when it is as it should be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}

/// One live session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionRow {
    /// Its id.
    #[schemars(with = "String")]
    pub id: SessionId,
    /// What people call the identity.
    pub name: String,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `human`, `agent`, `ci` or `service`.
    pub kind: String,
    /// What it is connected to.
    pub target: String,
    /// The upstream login.
    pub login: String,
    /// Where it comes from.
    pub address: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it will be ended, RFC 3339.
    pub ends: Option<String>,
    /// What it does right now.
    pub doing: String,
    /// Statements judged.
    pub commands: u64,
    /// Of these, refused.
    pub denied: u64,
    /// Rows released.
    pub rows: u64,
    /// Bytes released.
    pub bytes: u64,
}

/// Why a session is ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// Told to the client, and recorded.
    #[serde(default)]
    pub reason: String,
}

/// Who or what is refused from now on. A subject with its issuer, or one token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// `iss`.
    #[serde(default)]
    pub issuer: Option<String>,
    /// `sub`: the identity itself, or somebody who acts for it.
    #[serde(default)]
    pub subject: Option<String>,
    /// `jti`.
    #[serde(default)]
    pub token_id: Option<String>,
    /// Recorded.
    #[serde(default)]
    pub reason: String,
}

/// What is to be held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldWish {
    /// Why: recorded.
    pub reason: String,
    /// This session.
    #[serde(default)]
    pub session: Option<SessionId>,
    /// Sessions of this name or subject.
    #[serde(default)]
    pub identity: Option<String>,
    /// Sessions on this target.
    #[serde(default)]
    pub target: Option<String>,
    /// Sessions that went on then or began later.
    #[serde(default)]
    pub since: Option<portcullis_model::Timestamp>,
    /// Sessions that began before.
    #[serde(default)]
    pub until: Option<portcullis_model::Timestamp>,
}

/// One request at the approval desk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Its id: `AP-17`.
    pub id: String,
    /// `pending`, `approved`, `consumed`, `denied`, `expired`, `withdrawn`.
    pub state: String,
    /// What people call the requester.
    pub requester: String,
    /// What it wants to act on.
    pub target: String,
    /// The request, secrets masked, control characters escaped.
    pub shown: String,
    /// The rules that asked.
    pub rules: Vec<String>,
    /// Groups that may vote.
    pub approver_groups: Vec<String>,
    /// Distinct people needed.
    pub approvers: u32,
    /// When it was opened, RFC 3339.
    pub opened: String,
    /// When it stops waiting, RFC 3339.
    pub expires: String,
    /// Votes so far.
    pub votes: Vec<Vote>,
    /// Everything else an approver should see: class, role, search_path, shadowing objects.
    pub facts: BTreeMap<String, serde_json::Value>,
}

/// One vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vote {
    /// Who.
    pub by: String,
    /// `approve` or `deny`.
    pub choice: Choice,
    /// Why.
    pub reason: String,
    /// A yes: for so many seconds it is meant for the whole class.
    #[serde(default)]
    pub reuse_seconds: Option<u64>,
    /// Who has asked the voter to stand in.
    #[serde(default)]
    pub stands_in_for: Vec<String>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// Yes.
    Approve,
    /// No; one is enough.
    Deny,
}

/// A vote on its way in. Not `Debug`: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ballot {
    /// Yes or no.
    pub choice: Choice,
    /// Why; required.
    pub reason: String,
    /// A yes: for so many seconds it is meant for the whole class, where policy lets it be.
    #[serde(default)]
    pub reuse_seconds: Option<u64>,
    /// The approver's own token, wiped after use.
    pub token: Zeroizing<String>,
}

/// One connection that clients may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionRow {
    /// Its name.
    pub name: String,
    /// Its protocol.
    pub protocol: String,
    /// Where it leads.
    pub address: String,
    /// The database there.
    pub database: String,
    /// `mint` or `static`.
    pub credential: String,
    /// How the way there is protected.
    pub tls: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// When, RFC 3339.
    pub at: String,
    /// True when the new set serves; false when the old one stays.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// Revision of the policy set that serves now.
    pub policy_revision: String,
    /// Sessions that lost their ground and were ended.
    pub severed: usize,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// What and why.
    pub error: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Refused {
    /// A refusal with its HTTP status.
    pub fn new(status: u16, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            hint: None,
        }
    }

    /// What a denial says: why, which rule, and what to do next.
    #[must_use]
    pub fn denied(status: u16, denial: &Denial) -> Self {
        Self {
            hint: denial.hint.clone(),
            ..Self::new(status, format!("{} ({})", denial.reason, denial.rule))
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
