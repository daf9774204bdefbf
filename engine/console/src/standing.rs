//! What stands longer than one run, as the admin API tells it: access for a time, grants for classes of commands, broken
//! glass and its reviews, delegations. Refuses whatever is in nobody's name: who asks, extends, delegates or reviews sends
//! a token of their own; ending a grant only takes away, and needs none.

use crate::door::Caller;
use crate::operations::{Approval, Refused};
use portcullis_gate::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What the gateway lets people do at its desk besides voting. A part of [`crate::Operations`].
pub trait Standing: Send + Sync {
    /// Grants in force, newest first.
    fn grants(&self) -> Vec<Grant>;
    /// Reviews of broken glass: open ones first, the earliest due first.
    fn reviews(&self) -> Vec<Review>;
    /// Delegations in force.
    fn delegations(&self) -> Vec<Delegation>;
    /// What somebody has asked for and holds.
    ///
    /// # Errors
    /// When the token proves nothing.
    fn mine<'a>(&'a self, who: &'a Bearer) -> BoxFuture<'a, Result<Mine, Refused>>;
    /// Asks for a connection in advance, or breaks its glass.
    ///
    /// # Errors
    /// When it is refused.
    fn request_access<'a>(
        &'a self,
        wish: &'a AccessWish,
        by: Caller,
    ) -> BoxFuture<'a, Result<Asked, Refused>>;
    /// Asks for more time.
    ///
    /// # Errors
    /// When there is no such grant of theirs, or it is refused.
    fn extend<'a>(
        &'a self,
        id: &'a str,
        wish: &'a Extension,
        by: Caller,
    ) -> BoxFuture<'a, Result<Asked, Refused>>;
    /// Ends a grant early, and the sessions it has opened.
    ///
    /// # Errors
    /// When there is none.
    fn end_grant(&self, id: &str, reason: &str, by: Caller) -> Result<Grant, Refused>;
    /// Closes a review.
    ///
    /// # Errors
    /// When it is not theirs to close.
    fn review<'a>(
        &'a self,
        id: &'a str,
        word: &'a ReviewWord,
        by: Caller,
    ) -> BoxFuture<'a, Result<Review, Refused>>;
    /// Has somebody stand in.
    ///
    /// # Errors
    /// When it is refused.
    fn delegate<'a>(
        &'a self,
        wish: &'a DelegationWish,
        by: Caller,
    ) -> BoxFuture<'a, Result<Delegation, Refused>>;
    /// Links a chat account to whoever asks; without `confirm`, only says which account it is.
    ///
    /// # Errors
    /// When the code is not good.
    fn link<'a>(
        &'a self,
        wish: &'a LinkWish,
        by: Caller,
    ) -> BoxFuture<'a, Result<LinkedAccount, Refused>>;
    /// Ends a delegation early.
    ///
    /// # Errors
    /// When there is none of theirs.
    fn end_delegation<'a>(
        &'a self,
        id: &'a str,
        who: &'a Bearer,
        by: Caller,
    ) -> BoxFuture<'a, Result<Delegation, Refused>>;
}

/// A grant in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    /// `gr-7k2m9q0x`.
    pub id: String,
    /// `access`, `commands` or `break-glass`.
    pub purpose: String,
    /// The request that it came from.
    pub request: String,
    /// Who holds it.
    pub holder: String,
    /// What it opens.
    pub target: String,
    /// What was approved, secrets masked, control characters escaped.
    pub shown: String,
    /// Commands: `exact` or `objects`.
    pub class: Option<String>,
    /// Why it was asked for.
    pub reason: String,
    /// Who has approved it.
    pub by: Vec<String>,
    /// Since when, RFC 3339.
    pub from: String,
    /// Until when, RFC 3339.
    pub until: String,
    /// Seconds left.
    pub remaining_seconds: u64,
    /// How often it was used since the node has started.
    pub uses: u64,
}

/// The review of a broken glass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// `rv-7k2m9q0x`.
    pub id: String,
    /// `open`, `overdue` or `closed`.
    pub state: String,
    /// The grant that was taken.
    pub grant: String,
    /// Who broke it.
    pub holder: String,
    /// Of what.
    pub target: String,
    /// Why.
    pub reason: String,
    /// The rules that were passed by.
    pub rules: Vec<String>,
    /// Groups that may review it.
    pub reviewer_groups: Vec<String>,
    /// When it was broken, RFC 3339.
    pub broken: String,
    /// Until when it has to be reviewed, RFC 3339.
    pub due: String,
    /// Who has reviewed it.
    pub by: Option<String>,
    /// `justified` or `concern`.
    pub finding: Option<String>,
    /// In their words.
    pub text: Option<String>,
}

/// Somebody who stands in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delegation {
    /// `dg-7k2m9q0x`.
    pub id: String,
    /// Who is away.
    pub from: String,
    /// Who stands in: subject and issuer.
    pub to: String,
    /// Why.
    pub reason: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// Until when, RFC 3339.
    pub until: String,
}

/// Whoever asks. Not `Debug`: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bearer {
    /// Their own token, wiped after use.
    pub token: Zeroizing<String>,
}

/// A connection asked for in advance. Not `Debug`: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessWish {
    /// Their own token, wiped after use.
    pub token: Zeroizing<String>,
    /// The connection.
    pub target: String,
    /// For how long; the longest that policy lets it when not given.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// Why; recorded, and shown to approvers.
    pub reason: String,
    /// The ticket it belongs to.
    #[serde(default)]
    pub ticket: Option<String>,
    /// Go ahead without an approval, where policy lets them; it is reviewed afterwards.
    #[serde(default)]
    pub break_glass: bool,
}

/// More time. Not `Debug`: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// Their own token, wiped after use.
    pub token: Zeroizing<String>,
    /// For how long from now.
    pub seconds: u64,
    /// Why.
    pub reason: String,
}

/// What a reviewer says. Not `Debug`: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewWord {
    /// Their own token, wiped after use.
    pub token: Zeroizing<String>,
    /// What was found.
    pub finding: Finding,
    /// In their words.
    pub text: String,
}

/// What a reviewer finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// It was right.
    Justified,
    /// It was not, or something has to be done.
    Concern,
}

/// Somebody is away. Not `Debug`: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegationWish {
    /// Their own token, wiped after use.
    pub token: Zeroizing<String>,
    /// `sub` of whoever stands in.
    pub subject: String,
    /// `iss` of them; the caller's own when not given.
    #[serde(default)]
    pub issuer: Option<String>,
    /// For how long.
    pub seconds: u64,
    /// Why.
    pub reason: String,
}

/// A chat account to be linked. Not `Debug`: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkWish {
    /// Their own token, wiped after use.
    pub token: Zeroizing<String>,
    /// What the account was given.
    pub code: String,
    /// They have seen which account it is, and it is theirs.
    #[serde(default)]
    pub confirm: bool,
}

/// A chat account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkedAccount {
    /// Which: `slack:T1:U2 (ana)`.
    pub account: String,
    /// Until when it is linked, RFC 3339; nothing while it is not.
    pub until: Option<String>,
}

/// The end of a grant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// Recorded.
    #[serde(default)]
    pub reason: String,
}

/// What somebody has asked for and holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mine {
    /// Requests, newest first; `facts.ahead` says how many wait before it.
    pub requests: Vec<Approval>,
    /// Grants in force.
    pub grants: Vec<Grant>,
}

/// What became of a request for access.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// `open`: policy needs no request. `pending`: people are asked. `granted`: it is open already.
    pub state: String,
    /// The request, while it is pending.
    pub request: Option<Approval>,
    /// The grant, once there is one.
    pub grant: Option<Grant>,
    /// When to look again, while it is pending.
    pub retry_after_seconds: Option<u32>,
}
