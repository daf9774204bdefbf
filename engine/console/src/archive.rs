//! What the console reads of the record: sessions by page, one session step by step or as a film, the node's own
//! events, and decisions as they were made. Implemented by `portcullis`, over the journal and its index.
//!
//! Everything in these types is text for people: whoever fills them has escaped what is foreign. The trait refuses
//! nothing by itself: who may read what is decided before it is asked.

use crate::operations::Refused;
use portcullis_gate::BoxFuture;
use portcullis_model::{Principal, SessionId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::mpsc;

/// Rows of a list, when nobody asks for another number, and at most.
pub const PAGE: u32 = 50;
/// Rows of a list at most.
pub const PAGE_MAX: u32 = 500;

/// Asked with the row of a session, before anything else of it is read: true for whoever may see what happened in it.
pub type MayRead = Box<dyn FnOnce(&Recorded) -> bool + Send>;

/// The record, to be read.
pub trait Archive: Send + Sync {
    /// Recorded sessions, the newest first; only those of one identity where `whose` names it.
    fn sessions<'a>(
        &'a self,
        ask: &'a Ask,
        whose: Option<&'a Principal>,
    ) -> BoxFuture<'a, Result<Found, Refused>>;
    /// One session as it is in the list.
    fn row(&self, id: SessionId) -> BoxFuture<'_, Result<Option<Recorded>, Refused>>;
    /// One session, with what it consists of.
    fn session(&self, id: SessionId) -> BoxFuture<'_, Result<Option<Volume>, Refused>>;
    /// The same, and what happened in it after an entry, in order, read in one go; nothing of that where `may` says no.
    fn opened(
        &self,
        id: SessionId,
        may: MayRead,
        after: u64,
        most: u32,
    ) -> BoxFuture<'_, Result<Option<(Volume, Option<Steps>)>, Refused>>;
    /// A terminal of a session; the first one when no stream is named.
    fn film(
        &self,
        id: SessionId,
        stream: Option<u32>,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<Shot>, Refused>>;
    /// What the node itself has put on record, and what sessions reported as security events; the newest first.
    fn events<'a>(&'a self, ask: &'a EventAsk) -> BoxFuture<'a, Result<Events, Refused>>;
    /// A decision on record, with everything it was made on.
    fn decision(&self, id: SessionId, sequence: u64) -> BoxFuture<'_, Result<Judged, Refused>>;
    /// What packs on trial would have said lately.
    fn trial(&self) -> BoxFuture<'_, Result<Trial, Refused>>;
}

/// A field of a form that was left empty says nothing.
fn blank<'de, D: Deserializer<'de>>(text: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(text)?;
    Ok(text
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty()))
}

/// What is looked for among recorded sessions. All of it has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ask {
    /// Words in commands, names and targets.
    #[serde(deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// A part of the identity's name or subject, in upper or lower case.
    #[serde(deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The target's name.
    #[serde(deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `postgres`, `ssh` or `kubernetes`.
    #[serde(deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// `live`, `sealed` or `interrupted`.
    #[serde(deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Begun on this day or later: `2026-11-27`.
    #[schemars(extend("format" = "date"))]
    #[serde(deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Begun on this day or earlier.
    #[schemars(extend("format" = "date"))]
    #[serde(deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The `next` of the page before.
    #[schemars(extend("pattern" = "^[0-9]{1,18}$"))]
    #[serde(deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Rows of a page: 50, and 500 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: Option<u32>,
}

impl Ask {
    /// Rows wanted, within the bounds.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX)
    }

    /// The times between which a session has begun.
    ///
    /// # Errors
    /// When one of them is no day.
    pub fn between(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), Refused> {
        let day = |text: &Option<String>, days: i64| match text {
            None => Ok(None),
            Some(text) => midnight(text)
                .map(|at| Some(Timestamp(at.0.saturating_add(days * DAY))))
                .ok_or_else(|| {
                    Refused::new(400, "`since` and `until` are days").hint("write 2026-11-27")
                }),
        };
        // The whole last day belongs to it.
        Ok((day(&self.since, 0)?, day(&self.until, 1)?))
    }
}

const DAY: i64 = 86_400_000_000_000;

/// The first moment of a day, in UTC.
fn midnight(day: &str) -> Option<Timestamp> {
    let mut parts = day.splitn(3, '-');
    let mut number = || {
        let part = parts.next()?;
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<i64>().ok().filter(|_| digits)
    };
    Timestamp::of_utc([number()?, number()?, number()?], [0, 0, 0])
}

/// One recorded session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recorded {
    /// Its id.
    pub id: String,
    /// What people call the identity.
    pub name: String,
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// What it was connected to.
    pub target: String,
    /// `postgres`, `ssh` or `kubernetes`.
    pub protocol: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    pub ended: Option<String>,
    /// How long it lasted.
    pub seconds: u64,
    /// `live`, `sealed` or `interrupted`.
    pub state: String,
    /// Why it ended.
    pub reason: String,
    /// Statements judged.
    pub commands: u64,
    /// Of these, refused.
    pub denied: u64,
    /// Rows released.
    pub rows: u64,
    /// Bytes released.
    pub bytes: u64,
    /// Where the words that were looked for stand, if they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<Hit>,
}

/// A place where words stand that were looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// The entry.
    pub sequence: u64,
    /// The text around it.
    pub text: String,
}

/// A page of sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// The rows.
    pub sessions: Vec<Recorded>,
    /// `after` of the next page, when there is one.
    pub next: Option<String>,
}

/// A name and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// Of what.
    pub name: String,
    /// What.
    pub value: String,
}

impl Fact {
    /// One of them.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// One session, with what it consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Volume {
    /// As in the list.
    pub session: Recorded,
    /// Login, address, program, actors, reason.
    pub facts: Vec<Fact>,
    /// Its terminals among its first 10 000 entries, 50 at most. Where others were opened, the steps say (`opened`).
    pub terminals: Vec<Reel>,
}

/// A terminal of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reel {
    /// The number of its stream.
    pub stream: u32,
    /// What it is.
    pub title: String,
}

/// Something that happened in a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The place of its entry in the session.
    pub sequence: u64,
    /// When, RFC 3339.
    pub at: String,
    /// Milliseconds since the session began.
    pub offset: u64,
    /// The stream it belongs to; 0 is the session itself.
    pub stream: u32,
    /// `sent`, `answer`, `decision`, `refused`, `held`, `resolved`, `masked`, `security`, `opened`, `closed`, …
    pub kind: String,
    /// One line.
    pub head: String,
    /// The text itself, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// Rows that came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
    /// The entry of the decision of policy that it rests on, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<u64>,
}

/// Rows as they were released.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows; null for NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows that are not shown here.
    pub more: u64,
}

/// A part of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Steps {
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// The entry to go on after, when there is more.
    pub next: Option<u64>,
}

/// A part of a film. Times are milliseconds since its beginning. What is painted is safe: nothing in it acts on
/// whoever shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shot {
    /// What it is: columns, rows, a title.
    Header(u16, u16, String),
    /// Output.
    Paint(u64, String),
    /// The window's size from here on.
    Size(u64, u16, u16),
    /// A remark.
    Marker(u64, String),
    /// The end, with this status.
    Exit(u64, i32),
    /// The record cannot be read further.
    Broken(String),
}

/// What is looked for among events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventAsk {
    /// A part of the event's name or of what is told about it.
    #[serde(deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// `security` for what sessions reported, `node` for the node's own; both when not given.
    #[serde(deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The `next` of the page before.
    #[schemars(extend("pattern" = "^[0-9]{1,18}$"))]
    #[serde(deserialize_with = "blank", skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Rows of a page: 50, and 500 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: Option<u32>,
}

impl EventAsk {
    /// Rows wanted, within the bounds.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX)
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its number, which grows.
    pub id: i64,
    /// When, RFC 3339.
    pub at: String,
    /// The session, where it belongs to one.
    pub session: Option<String>,
    /// `security` or `node`.
    pub kind: String,
    /// What: `reloaded`, `vote_refused`, `tripwire`.
    pub event: String,
    /// More about it.
    pub facts: Vec<Fact>,
}

/// A page of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Events {
    /// The rows.
    pub events: Vec<Event>,
    /// `after` of the next page, when there is one.
    pub next: Option<String>,
}

/// What a rule said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    /// The pack.
    pub pack: String,
    /// The rule.
    pub rule: String,
    /// Its sentence.
    pub msg: String,
}

/// A decision on record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// Its session.
    pub session: String,
    /// The place of its entry in the session.
    pub sequence: u64,
    /// When, RFC 3339.
    pub at: String,
    /// `connect` or `command`.
    pub stage: String,
    /// `allow`, `deny` or `hold`.
    pub verdict: String,
    /// The rule that decided.
    pub rule: String,
    /// Everything that was said.
    pub reasons: Vec<Said>,
    /// What packs on trial would have said.
    pub would: Vec<Said>,
    /// Revision of the policy set that decided.
    pub revision: String,
    /// What it was made on; null when the record does not hold it.
    pub input: serde_json::Value,
}

/// What packs on trial would have said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Decisions that were looked at.
    pub decisions: u64,
    /// The earliest of them, RFC 3339.
    pub since: Option<String>,
    /// One row for each rule that spoke, the busiest first.
    pub rules: Vec<TrialRow>,
}

/// What one rule of a pack on trial would have said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrialRow {
    /// The pack.
    pub pack: String,
    /// The rule.
    pub rule: String,
    /// How often.
    pub count: u64,
    /// Of these, what went through all the same.
    pub allowed: u64,
    /// An example: the session, its entry, and what was asked.
    pub example: Option<Hit>,
    /// The session of the example.
    pub session: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_nothing_else_is() {
        for (text, seconds) in [
            ("1970-01-01", Some(0)),
            ("2026-11-27", Some(1_795_737_600)),
            ("2024-02-29", Some(1_709_164_800)),
            ("2026-13-01", None),
            ("2026-02-31", None),
            ("2026-1", None),
            ("+026-01-01", None),
            ("2026-11-27T00:00:00Z", None),
            ("9999-01-01", Some(i64::MAX / 1_000_000_000)),
        ] {
            assert_eq!(midnight(text).map(Timestamp::seconds), seconds, "{text}");
        }
    }
}
