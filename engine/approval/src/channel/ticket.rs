//! The systems that keep tickets: Jira and ServiceNow, by REST. A ticket that somebody names is looked up, and its fields
//! are held against what the configuration asks for; the result is input to policy. It refuses to take a ticket for valid
//! that no system knows, whose system does not answer, or whose key could be anything but a key.

use super::Phrase;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::{Request, StatusCode};
use parking_lot::Mutex;
use portcullis_fetch::{Bounds, Fetcher};
use portcullis_model::{Identity, Principal, TicketCheck, Timestamp, limits};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::moment::{Clocks, Moment};

const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(5),
    bytes: 256 * 1024,
};
/// An answer is good for so long; one that is no answer, for less.
const GOOD_FOR: Duration = Duration::from_secs(60);
const BAD_FOR: Duration = Duration::from_secs(5);

/// Whose API it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackerKind {
    /// Jira: `/rest/api/2/issue/KEY`.
    Jira,
    /// ServiceNow: a table of `/api/now/table`.
    ServiceNow {
        /// `change_request`, `incident`.
        table: String,
    },
}

/// One system.
pub struct Tracker {
    /// Its name in the configuration.
    pub name: String,
    /// Whose API.
    pub kind: TrackerKind,
    /// `https://jira.example`.
    pub url: String,
    /// What keys begin with: `OPS-`, `CHG`.
    pub prefixes: Vec<String>,
    /// Who asks; without a user the secret is a bearer token.
    pub user: Option<String>,
    /// With what.
    pub secret: Arc<dyn Phrase>,
    /// Reaches it.
    pub fetcher: Fetcher,
    /// What has to hold.
    pub checks: TicketChecks,
}

/// What has to hold of a ticket. Fields are paths: `status.name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketChecks {
    /// The field has one of these values.
    pub fields: BTreeMap<String, Vec<String>>,
    /// The field names whoever asks: by name or subject.
    pub assignee: Option<String>,
    /// It is the time between these two fields.
    pub window: Option<(String, String)>,
    /// More fields that policy gets to see.
    pub show: Vec<String>,
}

/// All systems.
pub struct Tickets {
    trackers: Vec<Tracker>,
    clocks: Clocks,
    known: Mutex<HashMap<(String, Principal), Known>>,
}

struct Known {
    check: Arc<TicketCheck>,
    /// By the steady count.
    until: Duration,
}

impl Tickets {
    /// These systems.
    #[must_use]
    pub fn new(trackers: Vec<Tracker>, clocks: Clocks) -> Self {
        Self {
            trackers,
            clocks,
            known: Mutex::default(),
        }
    }

    /// What is known of a ticket for somebody; none where no system is configured.
    pub async fn check(&self, key: &str, who: &Identity) -> Option<Arc<TicketCheck>> {
        if self.trackers.is_empty() {
            return None;
        }
        let id = (key.to_owned(), who.principal.clone());
        let now = self.clocks.now();
        if let Some(known) = self.known.lock().get(&id)
            && known.until > now.steady
        {
            return Some(Arc::clone(&known.check));
        }
        let (check, answered) = self.look(key, who, now).await;
        let check = Arc::new(check);
        let lasts = if answered { GOOD_FOR } else { BAD_FOR };
        let mut known = self.known.lock();
        if known.len() >= limits::TICKETS_KNOWN_MAX {
            known.retain(|_, known| known.until > now.steady);
        }
        if known.len() < limits::TICKETS_KNOWN_MAX {
            let until = now.steady + lasts;
            let check = Arc::clone(&check);
            known.insert(id, Known { check, until });
        }
        Some(check)
    }

    /// What was last known of it, however long ago: for sessions that stand on it already.
    #[must_use]
    pub fn last(&self, key: &str, who: &Principal) -> Option<Arc<TicketCheck>> {
        let known = self.known.lock();
        let known = known.get(&(key.to_owned(), who.clone()))?;
        Some(Arc::clone(&known.check))
    }

    /// The word of the system that keeps it, and whether it has answered.
    async fn look(&self, key: &str, who: &Identity, now: Moment) -> (TicketCheck, bool) {
        if !is_key(key) {
            return (TicketCheck::not(None, "it is no key of a ticket"), true);
        }
        let keeps = |t: &&Tracker| t.prefixes.iter().any(|p| key.starts_with(p.as_str()));
        let Some(tracker) = self.trackers.iter().find(keeps) else {
            return (
                TicketCheck::not(None, "no ticket system keeps such tickets"),
                true,
            );
        };
        match tracker.fetch(key).await {
            Ok(Some(ticket)) => (tracker.judge(&ticket, who, now.wall), true),
            Ok(None) => (
                TicketCheck::not(Some(&tracker.name), "the ticket is not there"),
                true,
            ),
            Err(()) => (
                TicketCheck::not(Some(&tracker.name), "the ticket system does not answer"),
                false,
            ),
        }
    }
}

/// Letters, digits and dashes: it goes into an address.
fn is_key(key: &str) -> bool {
    (1..=64).contains(&key.len())
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl Tracker {
    /// The ticket, if it is there. `Err` when that cannot be told; the log says why.
    async fn fetch(&self, key: &str) -> Result<Option<Value>, ()> {
        let refused = |why: &str| {
            tracing::warn!(system = self.name, why, "a ticket cannot be looked up");
        };
        let secret = self.secret.read().await;
        let secret = secret.map_err(|fault| refused(&fault.chain()))?;
        let login = match &self.user {
            Some(user) => {
                let pair = zeroize::Zeroizing::new(format!("{user}:{}", *secret));
                format!("Basic {}", STANDARD.encode(pair.as_bytes()))
            }
            None => format!("Bearer {}", *secret),
        };
        let login = zeroize::Zeroizing::new(login);
        let request = Request::get(self.address(key))
            .header("authorization", login.as_str())
            .header("accept", "application/json")
            .body(Vec::new())
            .map_err(|_| refused("its address is none"))?;
        let answer = self.fetcher.send_within(request, BOUNDS).await;
        let answer = answer.map_err(|error| refused(&error.to_string()))?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if answer.status() != StatusCode::OK {
            refused(&format!("it answers {}", answer.status()));
            return Err(());
        }
        let said: Value =
            serde_json::from_slice(answer.body()).map_err(|_| refused("its answer is no JSON"))?;
        Ok(self.found(key, &said))
    }

    fn address(&self, key: &str) -> String {
        let root = self.url.trim_end_matches('/');
        match &self.kind {
            TrackerKind::Jira => format!("{root}/rest/api/2/issue/{key}"),
            TrackerKind::ServiceNow { table } => format!(
                "{root}/api/now/table/{table}?sysparm_query=number%3D{key}&sysparm_display_value=true&sysparm_limit=2"
            ),
        }
    }

    /// The fields of the one ticket of that key. A system that answers with another has answered nothing.
    fn found(&self, key: &str, said: &Value) -> Option<Value> {
        match self.kind {
            TrackerKind::Jira => (said["key"] == key).then(|| said["fields"].clone()),
            TrackerKind::ServiceNow { .. } => match said["result"].as_array()?.as_slice() {
                [one] if one["number"] == key => Some(one.clone()),
                _ => None,
            },
        }
    }

    /// Holds the fields against the checks.
    fn judge(&self, ticket: &Value, who: &Identity, now: Timestamp) -> TicketCheck {
        let checks = &self.checks;
        let window = checks.window.iter().flat_map(|(from, to)| [from, to]);
        let named = checks
            .fields
            .keys()
            .chain(&checks.assignee)
            .chain(window)
            .chain(&checks.show);
        let fields: BTreeMap<String, String> = named
            .filter_map(|path| Some((path.clone(), text(ticket, path)?)))
            .collect();
        let field = |path: &String| fields.get(path).map(String::as_str);
        let is = |path: &String, values: &[String]| {
            field(path).is_some_and(|value| values.iter().any(|v| v == value))
        };
        let mut reason = None;
        if let Some((path, _)) = checks
            .fields
            .iter()
            .find(|(path, values)| !is(path, values))
        {
            reason = Some(format!("its {path} is another"));
        }
        if let Some(path) = &checks.assignee
            && !field(path).is_some_and(|value| names(value, who))
        {
            reason = Some("it is not assigned to whoever asks".to_owned());
        }
        if let Some((from, to)) = &checks.window
            && !(field(from)
                .and_then(time)
                .is_some_and(|from| from <= now.seconds())
                && field(to)
                    .and_then(time)
                    .is_some_and(|to| now.seconds() < to))
        {
            reason = Some("it is not its time".to_owned());
        }
        TicketCheck {
            system: Some(self.name.clone()),
            valid: reason.is_none(),
            reason,
            fields,
        }
    }
}

/// True when the value names this identity: its name or its subject, in full.
fn names(value: &str, who: &Identity) -> bool {
    let value = value.trim().to_lowercase();
    !value.is_empty()
        && (value == who.name.to_lowercase() || value == who.principal.subject.to_lowercase())
}

/// What stands at a path, as text.
fn text(ticket: &Value, path: &str) -> Option<String> {
    let mut here = ticket;
    for step in path.split('.') {
        here = here.get(step)?;
    }
    let text = match here {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(word) => word.to_string(),
        // ServiceNow names what a field refers to beside its address.
        Value::Object(fields) => fields.get("display_value")?.as_str()?.to_owned(),
        _ => return None,
    };
    Some(text.chars().take(256).collect())
}

/// Seconds since the epoch of `2026-11-27T19:30:00.000+0100`, `…Z`, or `2026-11-27 19:30:00` (UTC).
fn time(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let date = [number(0, 4)?, number(5, 7)?, number(8, 10)?];
    let time = [number(11, 13)?, number(14, 16)?, number(17, 19)?];
    let utc = Timestamp::of_utc(date, time).filter(|_| text.get(4..5) == Some("-"))?;
    let rest = text.get(19..)?;
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone {
        "" | "Z" => 0,
        _ => {
            let sign = match zone.get(..1)? {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
            let hours = digits.get(..2)?.parse::<i64>().ok()?;
            let minutes = digits.get(2..4)?.parse::<i64>().ok()?;
            sign * (hours * 3600 + minutes * 60)
        }
    };
    Some(utc.seconds() - offset)
}

#[cfg(test)]
mod tests;
