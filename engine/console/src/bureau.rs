//! What the console asks of the gateway besides its record: who somebody is and may see, what is going on now, and the
//! few things that can be done. Implemented by `portcullis`. Everything done is put on record there, in the name of
//! whoever did it; what cannot be recorded is not done.

use crate::archive::{Said, Step};
use crate::operations::{Approval, Ballot, ConnectionRow, Refused, SessionRow};
use crate::web::role::Roles;
use portcullis_gate::BoxFuture;
use portcullis_model::{Identity, SessionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The gateway, as the console sees it.
pub trait Bureau: crate::desk::Desk + Send + Sync {
    /// Whom a token stands for, now.
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Identity>, Refused>>;
    /// The roles of somebody who was verified before; refused when that is over.
    ///
    /// # Errors
    /// When the proof has expired or was revoked, or policy cannot say.
    fn standing(&self, who: &Identity) -> Result<Roles, Refused>;
    /// Puts on record what somebody does here.
    ///
    /// # Errors
    /// When it cannot be written: then it is not done.
    fn note(&self, event: &str, who: &Identity, detail: &Value) -> Result<(), Refused>;
    /// The node at a glance.
    fn glance(&self) -> Glance;
    /// Live sessions, oldest first.
    fn live(&self) -> Vec<SessionRow>;
    /// A live session as it goes on: what is on record where `past` is wanted, then what comes. None when it is not live.
    fn watch(&self, id: SessionId, past: bool) -> BoxFuture<'_, Option<mpsc::Receiver<Watched>>>;
    /// Ends a live session in somebody's name.
    ///
    /// # Errors
    /// When there is no such session.
    fn kill(&self, id: SessionId, reason: &str, by: &Identity) -> Result<(), Refused>;
    /// Requests at the approval desk, newest first.
    fn approvals(&self) -> Vec<Approval>;
    /// One of them.
    fn approval(&self, id: &str) -> Option<Approval>;
    /// How many of them wait that somebody else has asked for: asked for every page, and cheap.
    fn waiting(&self, who: &Identity) -> usize;
    /// Votes with the voter's own token, which is verified now. A refused vote is on record with who asked.
    fn vote<'a>(
        &'a self,
        id: &'a str,
        ballot: &'a Ballot,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Approval, Refused>>;
    /// Puts on record that a vote was refused before the desk was asked.
    fn refused_vote(&self, id: &str, why: &Refused, by: &Identity);
    /// What clients may ask for.
    fn connections(&self) -> Vec<ConnectionRow>;
    /// The policy set that serves.
    fn policies(&self) -> PolicyView;
    /// What the set that serves says to a recorded input, and why.
    fn explain<'a>(&'a self, input: &'a Value) -> BoxFuture<'a, Result<Explained, Refused>>;
    /// Plugins, with what they have done since the start.
    fn plugins(&self) -> Vec<PluginView>;
}

/// What comes to somebody who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Something happened.
    Step(Box<Step>),
    /// So many things happened that could not be shown in time.
    Skipped(u64),
}

/// The node at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Glance {
    /// The node's name.
    pub node: String,
    /// The program's version.
    pub version: String,
    /// When it started, RFC 3339.
    pub started: String,
    /// Revision of the policy set that decides.
    pub policy_revision: String,
}

/// The policy set that serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyView {
    /// Its revision.
    pub revision: String,
    /// Tests that it has passed before it served.
    pub tests: u64,
    /// Its packs.
    pub packs: Vec<PackView>,
}

/// One pack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackView {
    /// Its name.
    pub name: String,
    /// It is asked and recorded, and changes nothing.
    pub on_trial: bool,
    /// The rules that speak.
    pub rules: Vec<RuleView>,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleView {
    /// `grant`, `deny`, `approval`, `obligation`.
    pub set: String,
    /// What it calls itself.
    pub says: String,
    /// File and line.
    pub place: String,
}

/// A decision, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// What the set says now: `allow`, `deny` or `hold`.
    pub verdict: String,
    /// The rule that decides now.
    pub rule: String,
    /// Its revision.
    pub revision: String,
    /// Everything that is said now.
    pub reasons: Vec<Said>,
    /// What each pack contributed.
    pub packs: Vec<ExplainedPack>,
}

/// What one pack said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedPack {
    /// Its name.
    pub pack: String,
    /// On trial.
    pub on_trial: bool,
    /// False when it has no rule for this stage.
    pub asked: bool,
    /// Why it could not answer.
    pub failure: Option<String>,
    /// Its rules.
    pub rules: Vec<ExplainedRule>,
}

/// What one rule did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedRule {
    /// Its set and name.
    pub rule: String,
    /// File and line.
    pub place: String,
    /// It spoke.
    pub spoke: bool,
    /// What failed where it did not speak, one line each.
    pub because: Vec<String>,
}

/// A plugin, and what it has done since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginView {
    /// Its name and version.
    pub name: String,
    /// SHA-256 of the component, hex.
    pub sha256: String,
    /// Calls.
    pub calls: u64,
    /// Of these, failures.
    pub failures: u64,
    /// Seconds spent.
    pub seconds: f64,
    /// Edits made.
    pub edits: u64,
    /// Bytes seen.
    pub bytes: u64,
    /// Instances that live.
    pub live: u64,
    /// Identities and targets it is kept from.
    pub quarantined: u64,
    /// What it counts itself.
    pub counters: Vec<PluginCounter>,
}

/// Something that a plugin counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginCounter {
    /// Its name.
    pub name: String,
    /// The count.
    pub value: u64,
}
