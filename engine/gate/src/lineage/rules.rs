//! What lineage means under column rules: which origins are protected, and what is said to a statement that
//! tests one.
//!
//! Refuses: a test that cannot be followed, in a statement over something protected, counts as one of all
//! protected columns.

use super::{Names, Origins, Trace};
use crate::seams::Relation;
use crate::treatment::Judge;
use portcullis_model::{ColumnRule, Denial, Predicates, Requirement, StatementFacts, limits};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Columns of PostgreSQL's statistics that hold values of other tables (`pg_stats`, `pg_statistic` and kin).
const STATISTICS: [&str; 12] = [
    "histogram_bounds",
    "most_common_elems",
    "most_common_val_nulls",
    "most_common_vals",
    "range_length_histogram",
    "stavalues1",
    "stavalues2",
    "stavalues3",
    "stavalues4",
    "stavalues5",
    "stxdexpr",
    "stxdmcv",
];

/// How long an approved test stays good, unused.
const APPROVED_FOR: Duration = Duration::from_secs(5 * 60);

impl Names for Judge<'_> {
    fn relations(&self, schema: Option<&str>, name: &str) -> Vec<Arc<Relation>> {
        let mut relations = self.catalog.named(name);
        relations.retain(|relation| schema.is_none_or(|schema| relation.schema == schema));
        relations
    }

    /// The session has changed structure: a name may stand for something else by now.
    fn open(&self) -> bool {
        self.reshaped
    }

    /// Only what is protected is kept.
    fn origins(&self, relation: &Relation, place: usize) -> Origins {
        if relation.table {
            let name = relation.columns.get(place);
            return match name.is_some_and(|name| self.rule_on(relation, name).is_some()) {
                true => Origins::column(relation.oid, place),
                false => Origins::default(),
            };
        }
        if self.rules_on(relation).next().is_none() {
            return Origins::default();
        }
        let Some(origins) = relation.origins.get(place) else {
            // Nobody knows what the view makes of it.
            return Origins::column(relation.oid, place);
        };
        let mut kept = match origins.unknown {
            true => Origins::untold(),
            false => Origins::default(),
        };
        for (oid, number) in &origins.columns {
            kept.add(&match self.catalog.relation(*oid) {
                Some(base) if base.table => {
                    self.origins(&base, usize::from(*number).saturating_sub(1))
                }
                Some(base) if self.rules_on(&base).next().is_none() => Origins::default(),
                _ => Origins::untold(),
            });
        }
        kept
    }
}

impl<'a> Judge<'a> {
    /// The rule on a column of a table.
    pub(crate) fn rule_on(&self, table: &Relation, column: &str) -> Option<&'a ColumnRule> {
        let mut rules = self.obligations.columns.iter();
        match rules.any(|rule| rule.column == column) {
            true => self.rules_of(table, Some(column)).next(),
            false => None,
        }
    }

    fn rules_of<'r>(
        &'r self,
        relation: &'r Relation,
        column: Option<&'r str>,
    ) -> impl Iterator<Item = &'a ColumnRule> + use<'a, 'r> {
        self.rules_on(relation)
            .filter(move |rule| column.is_none_or(|column| rule.column == column))
    }

    /// The rules on what something is made of.
    pub(crate) fn rules_behind(&self, origins: &Origins) -> Vec<&'a ColumnRule> {
        let mut rules = Vec::new();
        for (oid, number) in &origins.columns {
            let Some(relation) = self.catalog.relation(*oid) else {
                continue;
            };
            let place = usize::from(*number).saturating_sub(1);
            let column = relation.columns.get(place).filter(|_| relation.table);
            rules.extend(self.rules_of(&relation, column.map(String::as_str)));
        }
        rules
    }
}

/// What a statement is told that tests something protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Testing {
    Deny(Denial),
    Approve(Vec<Requirement>),
}

/// Looks at what a statement tests.
pub(crate) fn testing(
    trace: Option<&Trace>,
    statement: &StatementFacts,
    judge: &Judge<'_>,
) -> Option<Testing> {
    let untold = Origins::untold();
    let tested = trace.map_or(&untold, |trace| &trace.tested);
    let mut rules: BTreeSet<&ColumnRule> = judge.rules_behind(tested).into_iter().collect();
    let guessed = |rule: &&ColumnRule| tested.guessed.contains(&rule.column);
    rules.extend(judge.obligations.columns.iter().filter(guessed));
    let anything = tested.untold
        || tested.guessed.iter().any(|name| name == "*" || STATISTICS.contains(&name.as_str()))
        // A column whose relation has gone in the meantime.
        || tested.columns.iter().any(|(oid, _)| judge.catalog.relation(*oid).is_none());
    if anything && judge.concerns(statement) {
        let strictest = judge.obligations.columns.iter().map(|r| r.predicates).max();
        if rules.is_empty() && strictest > Some(Predicates::Allow) {
            return Some(Testing::Deny(unfollowed()));
        }
        rules.extend(&judge.obligations.columns);
    }
    let denied = rules.iter().filter(|r| r.predicates == Predicates::Deny);
    let denied: Vec<&&ColumnRule> = denied.collect();
    if !denied.is_empty() {
        return Some(Testing::Deny(refusal(&denied)));
    }
    let asked = rules.iter().filter(|r| r.predicates == Predicates::Approve);
    let asked: Vec<Requirement> = asked.map(|rule| requirement(rule)).collect();
    match asked.is_empty() {
        true => None,
        false => Some(Testing::Approve(asked)),
    }
}

fn written(rule: &ColumnRule) -> String {
    format!("{}.{}.{}", rule.schema, rule.table, rule.column)
}

fn refusal(rules: &[&&ColumnRule]) -> Denial {
    const NAMED_MAX: usize = 3;
    let mut names: Vec<String> = rules
        .iter()
        .take(NAMED_MAX)
        .map(|rule| written(rule))
        .collect();
    if rules.len() > NAMED_MAX {
        names.push(format!("{} more", rules.len() - NAMED_MAX));
    }
    let names = names.join(", ");
    Denial::new(
        "portcullis/tests-protected",
        format!(
            "the statement compares, sorts, groups or joins by a protected column ({names}), or computes from it \
             what some values make fail: its answers would let masked values be guessed"
        ),
    )
    .hint(format!(
        "Leave {names} out of WHERE, ON, USING, GROUP BY, HAVING, ORDER BY, DISTINCT, CASE, window definitions, \
         arithmetic and casts to anything but text; where it is needed, the policy that masks the column can say \
         \"predicates\": \"allow\" or \"approve\"."
    ))
}

fn unfollowed() -> Denial {
    Denial::new(
        "portcullis/tests-protected",
        "the statement reads a relation with protected columns, and what it compares cannot be followed to \
         the columns it comes from",
    )
    .hint(
        "Name the columns of relations plainly in WHERE, ON, GROUP BY and ORDER BY, and leave protected ones \
         out.",
    )
}

fn requirement(rule: &ColumnRule) -> Requirement {
    Requirement {
        rule: "portcullis/tests-protected".to_owned(),
        msg: format!(
            "the statement compares, sorts, groups or joins by a protected column ({}), or computes from it what \
             some values make fail: its answers let masked values be guessed",
            written(rule)
        ),
        approver_groups: rule.approver_groups.clone(),
        approvers: 1,
        ttl: limits::HOLD_MAX,
        execution_ttl: APPROVED_FOR,
        defer: false,
        in_transaction: false,
        ticket: false,
        terms: portcullis_model::Terms::default(),
    }
}
