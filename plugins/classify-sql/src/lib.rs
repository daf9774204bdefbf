//! Grades SQL. The facts come from the server's own grammar and are a floor; this plugin turns them into
//! risk, verbs, labels and findings with the place in the text that an approver is shown.
//!
//! It never lexes SQL itself and never lowers anything: what the facts do not know stays unknown.

use portcullis_sdk::facts::{Category, Parse, Predicate, StatementFacts};
use portcullis_sdk::prelude::*;
use std::ops::Range;

mod table;

/// The classifier; it has no configuration.
pub struct ClassifySql;

impl Classifier for ClassifySql {
    type Config = NoConfig;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn classify(&mut self, message: &Message<'_>) -> Opinion {
        let facts = message.facts();
        if let Parse::Failed { .. } = facts.parse {
            return Opinion::unknown("unparsed");
        }
        let length = message.text().len();
        let start = match facts.parse {
            Parse::Partial => Opinion::nothing().risk(Risk::Medium).label("partly-opaque"),
            _ => Opinion::nothing(),
        };
        let several = match facts.statements.len() {
            0 | 1 => start,
            _ => start.label("several-statements"),
        };
        facts.statements.iter().fold(several, |opinion, s| {
            opinion.join(grade(s, place(s, length)))
        })
    }
}

portcullis_sdk::export_classifier!(ClassifySql);

/// Where a statement stands; the whole text when it was resolved by name.
fn place(statement: &StatementFacts, length: usize) -> Range<usize> {
    let (start, end) = (statement.span.start as usize, statement.span.end as usize);
    if start < end && end <= length {
        start..end
    } else {
        0..length
    }
}

fn grade(statement: &StatementFacts, at: Range<usize>) -> Opinion {
    let mut opinion = Opinion::nothing()
        .effect(statement.effect)
        .verbs(statement.verbs);
    for object in &statement.objects {
        opinion = opinion.object(object.clone());
    }
    opinion = match statement.category {
        Category::Session | Category::Read => opinion,
        Category::Write => opinion.risk(Risk::Low).label("write"),
        Category::Transfer => opinion
            .risk(Risk::Medium)
            .label("transfer")
            .finding(table::BULK_TRANSFER, at.clone()),
        Category::Ddl => opinion.risk(Risk::Medium).label("ddl"),
        Category::Dcl => opinion
            .risk(Risk::High)
            .label("dcl")
            .finding(table::CHANGES_RIGHTS, at.clone()),
        Category::Exec => opinion
            .risk(Risk::High)
            .label("exec")
            .finding(table::RUNS_CODE, at.clone()),
        Category::Admin => opinion
            .risk(Risk::High)
            .label("admin")
            .finding(table::TOUCHES_SERVER, at.clone()),
        Category::Unknown => opinion
            .effect(Effect::Unknown)
            .risk(Risk::Critical)
            .label("not-established")
            .finding(table::NOT_ESTABLISHED, at.clone()),
    };
    if matches!(statement.verb.as_str(), "DELETE" | "UPDATE")
        && matches!(
            statement.predicate,
            Predicate::Missing | Predicate::Constant
        )
    {
        opinion = opinion
            .effect(Effect::Destroy)
            .risk(Risk::High)
            .label("unbounded-write")
            .finding(table::WRITES_EVERY_ROW, at.clone());
    }
    for label in &statement.labels {
        if let Some((risk, rule)) = table::grade(label) {
            opinion = opinion.risk(risk).finding(rule, at.clone());
        }
        opinion = opinion.label(label);
    }
    opinion
}

#[cfg(test)]
mod tests;
