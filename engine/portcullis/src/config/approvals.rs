//! The words of `approvals:`: who is told of requests, and how they are answered from outside.

use super::duration::Period;
use super::fresh_login::FreshLogin;
use super::secret::SecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The approval desk's ways out and in.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// Whoever votes, reviews or delegates must have logged in within this time (`auth_time`), over whatever channel; `token`
    /// for any token that has not expired.
    #[serde(default)]
    pub fresh_login: FreshLogin,
    /// Where messages and notices send people: the console's address; this gateway's own when not given. Where there is
    /// none they name the command to type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<String>,
    /// Receivers of signed webhooks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<WebhookTo>,
    /// Take votes from other systems at `/hooks/callback` of the https listener, each with the voter's own token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackFrom>,
    /// Tell a Slack channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackTo>,
    /// Send e-mail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mail: Vec<MailTo>,
    /// Systems that keep tickets: what they say of the ticket that a client names is input to policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<TicketsIn>,
}

/// A system that keeps tickets.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketsIn {
    /// A short name for records and policies.
    pub name: String,
    /// Whose API it is.
    pub kind: TicketSystem,
    /// Its address, without the path of the API.
    pub url: String,
    /// What keys of its tickets begin with: `OPS-`, `CHG`.
    pub prefixes: Vec<String>,
    /// ServiceNow: the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Who asks; without it `secret` is a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The password or token.
    pub secret: SecretRef,
    /// Fields that must have one of these values: `status.name: [In Progress]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Vec<String>>,
    /// The field that must name whoever asks, by name or subject: `assignee.emailAddress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// It must be the time between two fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<TicketWindow>,
    /// More fields that policies get to see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub show: Vec<String>,
    /// PEM file with the authorities that its certificate must come from; the public ones when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// Whose API a ticket system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TicketSystem {
    /// Jira, version 2 of its API.
    Jira,
    /// ServiceNow, the table API.
    ServiceNow,
}

/// Two fields with times.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketWindow {
    /// When it begins.
    pub from: String,
    /// When it is over.
    pub to: String,
}

/// A receiver of webhooks (Standard Webhooks 1.0).
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookTo {
    /// A short name for records.
    pub name: String,
    /// Where it listens: https.
    pub url: String,
    /// What messages are signed with: `whsec_…`; two with a space between while one replaces the other.
    pub secret: SecretRef,
    /// What it is told of: `approval.opened`, `glass.*`; everything when not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// It stands on this machine or in its network. Without this only public addresses are reached.
    #[serde(default)]
    pub private: bool,
    /// PEM file with the authorities that its certificate must come from; the public ones when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// Votes from other systems.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackFrom {
    /// What they sign with: `whsec_…`.
    pub secret: SecretRef,
}

/// A Slack app.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackTo {
    /// The workspace's id: `T…`. Messages of others are refused.
    pub team: String,
    /// The channel's id: `C…`.
    pub channel: String,
    /// The app's bot token.
    pub token: SecretRef,
    /// What Slack signs with.
    pub signing_secret: SecretRef,
    /// What it is told of; everything when not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// How long a linked account votes before its person has to log in and link it again.
    #[serde(default = "linked_for")]
    pub linked_for: Period,
    /// The API; Slack's own when not given.
    #[serde(default = "slack_api")]
    pub api: String,
    /// PEM file with the authorities that its certificate must come from; the public ones when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

fn linked_for() -> Period {
    Period(Duration::from_secs(8 * 3600))
}

fn slack_api() -> String {
    "https://slack.com/api".to_owned()
}

/// Mail to a list of addresses.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailTo {
    /// A short name for records.
    pub name: String,
    /// The mail server.
    pub host: String,
    /// Its port.
    #[serde(default = "submission")]
    pub port: u16,
    /// How the way there is protected.
    #[serde(default)]
    pub tls: MailProtection,
    /// Who logs in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// With which password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// The sender's address.
    pub from: String,
    /// Whose mail it goes to.
    pub to: Vec<String>,
    /// What they are told of; everything when not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// PEM file with the authorities that its certificate must come from; the public ones when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

fn submission() -> u16 {
    587
}

/// How the way to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailProtection {
    /// STARTTLS, insisted on.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// None: a server on this machine alone.
    None,
}
