//! Changes, counted by what changes and by the rule that makes it, with a few examples of each.

use portcullis_journal::RecordedDecision;
use portcullis_model::SessionId;
use portcullis_policy::Change;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A text in an example is cut to this many characters.
const WHAT_CHARS_MAX: usize = 120;

/// What a replay found.
pub(super) struct Tally {
    /// Decisions made again.
    pub decisions: u64,
    /// Of these, refused then by the gateway itself.
    pub own: u64,
    /// Decisions whose input is not there, or of another version.
    pub unreadable: u64,
    /// Sessions with decisions.
    pub sessions: BTreeSet<SessionId>,
    /// How long it took.
    pub seconds: f64,
    groups: BTreeMap<(String, String, String), Group>,
    examples: usize,
}

/// One kind of change.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Group {
    #[serde(flatten)]
    pub change: Change,
    pub count: u64,
    pub sessions: BTreeSet<SessionId>,
    pub identities: BTreeSet<String>,
    pub examples: Vec<Example>,
}

/// One decision that would change.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Example {
    pub at: String,
    pub session: SessionId,
    pub sequence: u64,
    pub who: String,
    pub target: String,
    pub what: String,
}

impl Tally {
    pub(super) fn new(examples: usize) -> Self {
        Self {
            decisions: 0,
            own: 0,
            unreadable: 0,
            sessions: BTreeSet::new(),
            seconds: 0.0,
            groups: BTreeMap::new(),
            examples,
        }
    }

    /// A session that was looked at.
    pub(super) fn session(&mut self, session: SessionId) {
        self.sessions.insert(session);
    }

    /// A decision that would change.
    pub(super) fn add(&mut self, decision: &RecordedDecision, change: Change) {
        let key = (
            change.then.to_string(),
            change.now.to_string(),
            change.rule.clone(),
        );
        let group = self.groups.entry(key).or_insert_with(|| Group {
            change,
            count: 0,
            sessions: BTreeSet::new(),
            identities: BTreeSet::new(),
            examples: Vec::new(),
        });
        let example = Example::of(decision);
        group.count += 1;
        group.sessions.insert(decision.session);
        group.identities.insert(example.who.clone());
        if group.examples.len() < self.examples {
            group.examples.push(example);
        }
    }

    /// Changes that count: other answers, and with `strict` other obligations.
    pub(super) fn counted(&self, strict: bool) -> u64 {
        let counts = |g: &&Group| strict || g.change.then != g.change.now;
        self.groups.values().filter(counts).map(|g| g.count).sum()
    }

    /// The most frequent first.
    pub(super) fn groups(&self) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }

    /// For programs.
    pub(super) fn json(&self, revision: &str) -> Value {
        json!({
            "revision": revision, "decisions": self.decisions, "sessions": self.sessions.len(),
            "refused_by_the_gateway": self.own, "unreadable": self.unreadable,
            "changes": self.counted(false), "other_obligations": self.counted(true) - self.counted(false),
            "seconds": self.seconds, "groups": self.groups(),
        })
    }
}

impl Example {
    fn of(decision: &RecordedDecision) -> Self {
        let text = |path: &str| {
            let found = decision.input.pointer(path).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let what = match text("/command/text") {
            what if what.is_empty() => text("/action"),
            what => what.chars().take(WHAT_CHARS_MAX).collect(),
        };
        Self {
            at: decision.at.rfc3339(),
            session: decision.session,
            sequence: decision.sequence,
            who: text("/identity/name"),
            target: text("/connection/name"),
            what,
        }
    }
}
