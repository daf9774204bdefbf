//! Facts of statements, area by area.

mod areas;
mod attributes;
mod bypass;
mod hostile;
mod lineage;
mod moves;
mod pooled;
mod shapes;

use crate::facts;
use portcullis_model::facts::{Parse, StatementFacts};

pub(crate) fn one(text: &str) -> StatementFacts {
    let facts = facts(text);
    assert!(
        !matches!(facts.parse, Parse::Failed { .. }),
        "{text}: {:?}",
        facts.parse
    );
    assert_eq!(facts.statements.len(), 1, "{text}");
    facts.statements.into_iter().next().unwrap()
}

#[test]
fn a_point_select_is_a_read_of_its_table() {
    let facts = one("SELECT a FROM t WHERE id = 1");
    assert_eq!(facts.verb, "SELECT");
    assert_eq!(facts.outputs, Some(vec![vec!["a".to_owned()]]));
}
