//! What the node has put on record, what sessions reported, and what packs on trial would have said. Events come from
//! the index; what packs on trial would have said stands in the record alone, which is read for it. Refuses to look on for
//! ever for what hardly anything fits.

use super::{Patience, Shelf, broken, unindexed};
use portcullis_console::Refused;
use portcullis_console::archive::{Event, EventAsk, Events, Fact, Hit, Trial, TrialRow};
use portcullis_journal::index::{EventFilter, EventRow, Page};
use portcullis_journal::{Decisions, Reader, RecordedDecision};
use portcullis_model::{Reason, SessionId, Timestamp, escape_line, limits};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// A value in a list is cut to this many characters.
const VALUE_CHARS_MAX: usize = 300;

/// A page of events, the newest first.
pub(super) fn find(shelf: &Shelf, ask: &EventAsk, patience: &Patience) -> Result<Events, Refused> {
    let filter = EventFilter {
        kind: ask.kind.clone(),
        ..EventFilter::default()
    };
    let mut page = Page {
        size: ask.rows() as usize,
        after: ask.after.clone(),
        oldest_first: false,
    };
    let mut found = Events::default();
    for _ in 0..limits::ARCHIVE_PAGES_MAX {
        patience.ask()?;
        let listing = shelf
            .index
            .events(&filter, &page)
            .map_err(|e| unindexed(&e))?;
        let rows = listing.rows.iter().map(event);
        found.events.extend(rows.filter(|event| fits(ask, event)));
        found.next = listing.next;
        if found.next.is_none() || found.events.len() >= page.size / 2 {
            break;
        }
        page.after.clone_from(&found.next);
    }
    Ok(found)
}

fn fits(ask: &EventAsk, event: &Event) -> bool {
    ask.q.as_ref().is_none_or(|words| {
        let words = words.to_lowercase();
        let told = |f: &Fact| f.value.to_lowercase().contains(&words);
        event.event.to_lowercase().contains(&words) || event.facts.iter().any(told)
    })
}

fn event(row: &EventRow) -> Event {
    Event {
        id: row.id,
        at: row.at.rfc3339(),
        session: row.session.map(|id| id.to_string()),
        kind: escape_line(&row.kind),
        event: escape_line(&row.event),
        facts: facts(&row.detail),
    }
}

/// The fields of a document, one line each.
pub(super) fn facts(json: &Value) -> Vec<Fact> {
    let fields = json.as_object().into_iter().flatten();
    fields
        .filter(|(name, value)| *name != "event" && !value.is_null())
        .map(|(name, value)| {
            let text = match value {
                Value::String(text) => escape_line(text),
                other => escape_line(&other.to_string()),
            };
            let cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
            let more = if cut.len() < text.len() { "…" } else { "" };
            Fact::new(escape_line(name), format!("{cut}{more}"))
        })
        .collect()
}

/// What is kept of a decision to count it.
struct Tried {
    at: Timestamp,
    session: SessionId,
    sequence: u64,
    denied: bool,
    would: Vec<Reason>,
    text: String,
}

impl Tried {
    fn of(decision: RecordedDecision) -> Self {
        let text = decision.input.pointer("/command/text");
        let text = text.and_then(Value::as_str).unwrap_or("connect");
        Self {
            at: decision.at,
            session: decision.session,
            sequence: decision.sequence,
            denied: decision.verdict == "deny",
            text: match decision.would.is_empty() {
                true => String::new(),
                false => text.chars().take(120).collect(),
            },
            would: decision.would,
        }
    }
}

/// What packs on trial would have said to the latest decisions.
pub(super) fn trial(shelf: &Shelf, patience: &Patience) -> Result<Trial, Refused> {
    let reader = Reader::open(&shelf.dir).map_err(|error| broken(&error))?;
    let mut latest = VecDeque::new();
    for decision in Decisions::new(reader.all()) {
        patience.ask()?;
        let decision = decision.map_err(|error| broken(&error))?;
        if latest.len() >= limits::TRIAL_DECISIONS_MAX {
            latest.pop_front();
        }
        latest.push_back(Tried::of(decision));
    }
    Ok(counted(latest))
}

fn counted(latest: VecDeque<Tried>) -> Trial {
    let mut trial = Trial {
        decisions: latest.len() as u64,
        since: latest.front().map(|first| first.at.rfc3339()),
        ..Trial::default()
    };
    let mut rows: BTreeMap<(String, String), TrialRow> = BTreeMap::new();
    for tried in latest {
        for said in &tried.would {
            if rows.len() >= limits::TRIAL_RULES_MAX {
                break;
            }
            let key = (said.pack.to_string(), said.rule.to_string());
            let row = rows.entry(key).or_insert_with(|| TrialRow {
                pack: escape_line(&said.pack),
                rule: escape_line(&said.rule),
                ..TrialRow::default()
            });
            row.count += 1;
            row.allowed += u64::from(!tried.denied);
            row.session = Some(tried.session.to_string());
            row.example = Some(Hit {
                sequence: tried.sequence,
                text: escape_line(&tried.text),
            });
        }
    }
    trial.rules = rows.into_values().collect();
    trial.rules.sort_by_key(|row| std::cmp::Reverse(row.count));
    trial
}
