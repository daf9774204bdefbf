//! What a policy answers. No `bool`, no `Default` for an answer: silence is never consent.

use crate::control::Control;
use crate::filter::Filter;
use crate::tally::Budget;
use crate::{JsonPath, Strategy, Terms};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// What the person or agent at the keyboard reads, in the protocol's own error frame. A value, not an
/// error: what, why, which rule, what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Path of the rule: `sql/drop-database`, `fault/plugin`, `portcullis/mask-marker`.
    pub rule: String,
    /// What and why, one sentence, no trailing full stop.
    pub reason: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The approval to wait for, in defer mode.
    pub approval: Option<String>,
    /// Come back after this many seconds.
    pub retry_after: Option<u32>,
}

impl Denial {
    /// A denial with a rule and a reason.
    pub fn new(rule: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            reason: reason.into(),
            hint: None,
            approval: None,
            retry_after: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// One thing a rule said, for the record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reason {
    /// The pack that said it.
    pub pack: String,
    /// Path of the rule.
    pub rule: String,
    /// Its message.
    pub msg: String,
    /// Its hint.
    pub hint: Option<String>,
}

/// An approval that a rule asks for. Several requirements must each be met.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Requirement {
    /// Path of the rule.
    pub rule: String,
    /// Shown to the approver.
    pub msg: String,
    /// Groups that may vote; empty means that policy decides alone.
    pub approver_groups: Vec<String>,
    /// Distinct people needed.
    pub approvers: u32,
    /// How long it may be pending.
    pub ttl: Duration,
    /// How long an approved, unused one stays good.
    pub execution_ttl: Duration,
    /// True: refuse with the id, and let a rerun of the same bytes pass once. False: hold the bytes.
    pub defer: bool,
    /// True when it may be held inside an open transaction (locks stay held).
    pub in_transaction: bool,
    /// True when the request must name a ticket, which approvers are shown.
    #[serde(default)]
    pub ticket: bool,
    /// What else the rule said about it.
    #[serde(default, skip_serializing_if = "Terms::is_plain")]
    pub terms: Terms,
}

impl Requirement {
    /// The rules that ask, in a row.
    #[must_use]
    pub fn rules(all: &[Self]) -> String {
        let rules: Vec<&str> = all.iter().map(|r| r.rule.as_str()).collect();
        rules.join(", ")
    }

    /// Who has to say yes: `2 of sre, 1 of dba`.
    #[must_use]
    pub fn people(all: &[Self]) -> String {
        let each = all.iter().map(|r| {
            let groups = match r.approver_groups.is_empty() {
                true => "the approvers".to_owned(),
                false => r.approver_groups.join("/"),
            };
            format!("{} of {groups}", r.approvers.max(1))
        });
        each.collect::<Vec<_>>().join(", ")
    }
}

/// Mask what a detector finds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntityRule {
    /// `EMAIL`, `CARD`, `SECRET`, … or `*` for all.
    pub entity: String,
    /// How.
    pub strategy: Strategy,
}

/// Whether a statement may compare, sort or group by a protected column: each such test lets a masked value be
/// guessed. Ordered from the laxest to the strictest.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Predicates {
    /// It may.
    Allow,
    /// People have to approve it.
    Approve,
    /// It may not.
    #[default]
    Deny,
}

/// Mask a column, wherever its provenance shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ColumnRule {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Column.
    pub column: String,
    /// How.
    pub strategy: Strategy,
    /// What stands in the marker: `email`, `ssn`.
    pub tag: String,
    /// Whether it may be tested.
    #[serde(default)]
    pub predicates: Predicates,
    /// Groups that may approve a test; empty means that policy decides alone who may.
    #[serde(default)]
    pub approver_groups: Vec<String>,
}

/// Of a column that holds documents, mask a part. Only where a value is certain to be the column's own; everywhere
/// else the [`ColumnRule`] that stands beside it holds, for all of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DocumentRule {
    /// Schema.
    pub schema: String,
    /// Table.
    pub table: String,
    /// Column.
    pub column: String,
    /// Which part.
    pub path: JsonPath,
    /// How.
    pub strategy: Strategy,
    /// What stands in the marker.
    pub tag: String,
}

/// How much is recorded, least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordLevel {
    /// Decisions, statements and counts.
    Metadata,
    /// Everything that was released.
    Full,
}

/// Whether a replication connection may be opened. It is opaque: what streams through it is the database
/// itself, and nothing in it can be masked. Ordered from nothing to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replication {
    /// It may not.
    Refused,
    /// It may, where nothing has to be masked.
    Unmasked,
    /// It may although masks apply elsewhere: policy has named it opaque.
    Opaque,
}

impl Replication {
    /// Whether what cannot be masked may pass, given whether masks apply.
    ///
    /// # Errors
    /// With what the client is told.
    pub fn permits(self, masked: bool) -> Result<(), Denial> {
        match (self, masked) {
            (Self::Opaque, _) | (Self::Unmasked, false) => Ok(()),
            (Self::Refused, _) => Err(Denial::new(
                "portcullis/replication",
                "replication connections are opaque to the gateway, and no policy grants one here",
            )
            .hint("Use pg_dump or COPY, or have policy grant it: {\"type\": \"replication\", \"allow\": true}.")),
            (Self::Unmasked, true) => Err(Denial::new(
                "portcullis/opaque",
                "masks apply to this session, and nothing in a replication stream can be masked",
            )
            .hint("Use pg_dump or COPY, which are masked, or have policy name it opaque: {\"type\": \"replication\", \"allow\": true, \"opaque\": true}.")),
        }
    }
}

/// What comes with an allow. Merged over packs, the strictest wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obligations {
    /// Detectors.
    pub entities: BTreeSet<EntityRule>,
    /// Columns.
    pub columns: BTreeSet<ColumnRule>,
    /// What of them is a part of a document: each has a rule for its whole column in `columns`, which holds where
    /// the parts cannot be told apart.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub documents: BTreeSet<DocumentRule>,
    /// Rows a single result may release.
    pub row_limit: Option<u64>,
    /// Bytes a session may release.
    pub byte_limit: Option<u64>,
    /// What a session, or an identity within an hour, may use up; one for each kind of count.
    pub budgets: Vec<Budget>,
    /// The minted role may only read.
    pub read_only: bool,
    /// How much is recorded.
    pub record: RecordLevel,
    /// Longest life of the session.
    pub session_max: Option<Duration>,
    /// Upstream role to mint under, instead of the target's default.
    pub role: Option<String>,
    /// FunctionCall and large objects may be used.
    pub allow_function_call: bool,
    /// Replication connections.
    pub replication: Replication,
    /// SSH: the least level of control; none when nobody says.
    #[serde(default)]
    pub control: Option<Control>,
    /// Streams that may pass although masks apply and nothing in them can be masked: `scp`, `rsync`, `git`,
    /// `sftp`, `forward`.
    #[serde(default)]
    pub opaque: BTreeSet<String>,
    /// Kubernetes: what is kept of a cluster. Each of them has to keep an object.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub filters: BTreeSet<Filter>,
    /// Extra labels in the record.
    pub labels: BTreeSet<String>,
}

impl Obligations {
    /// No obligation at all: everything recorded, nothing masked, nothing extra permitted.
    #[must_use]
    pub fn none() -> Self {
        Self {
            entities: BTreeSet::new(),
            columns: BTreeSet::new(),
            documents: BTreeSet::new(),
            row_limit: None,
            byte_limit: None,
            budgets: Vec::new(),
            read_only: false,
            record: RecordLevel::Full,
            session_max: None,
            role: None,
            allow_function_call: false,
            replication: Replication::Refused,
            control: None,
            opaque: BTreeSet::new(),
            filters: BTreeSet::new(),
            labels: BTreeSet::new(),
        }
    }

    /// True when anything has to be masked.
    #[must_use]
    pub fn masks(&self) -> bool {
        !self.entities.is_empty() || !self.columns.is_empty()
    }
}

/// The answer itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go, under these obligations.
    Allow {
        /// The rule that granted it.
        rule: String,
    },
    /// No.
    Deny(Denial),
    /// Ask people.
    Hold(Vec<Requirement>),
}

/// What a policy set made of one input. Shared by all decisions that came out the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The answer.
    pub verdict: Verdict,
    /// What comes with it.
    pub obligations: Obligations,
    /// Everything that was said.
    pub reasons: Vec<Reason>,
    /// What dry-run packs would have said.
    pub would: Vec<Reason>,
    /// Revision of the policy set.
    pub revision: String,
}

/// An outcome with everything the record needs to replay it.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What came out.
    pub outcome: Arc<Outcome>,
    /// The whole input document as evaluated (JSON, secrets masked).
    pub input: Bytes,
    /// How the input differs from others like it, where whoever rendered it can say so.
    pub likeness: Option<Likeness>,
}

/// Inputs of one kin are the same but for the members in `own`.
#[derive(Clone, Debug)]
pub struct Likeness {
    /// A digest of all that is not in `own`.
    pub kin: [u8; 32],
    /// A JSON object of the members of `command`, `history` and `request` that are this input's own: put in
    /// the place of those of any input of the same kin, they make this one of it.
    pub own: Bytes,
}

impl Decision {
    /// A decision whose input is like no other.
    #[must_use]
    pub fn new(outcome: Outcome, input: Bytes) -> Self {
        Self {
            outcome: Arc::new(outcome),
            input,
            likeness: None,
        }
    }
}

impl Deref for Decision {
    type Target = Outcome;

    fn deref(&self) -> &Outcome {
        &self.outcome
    }
}
