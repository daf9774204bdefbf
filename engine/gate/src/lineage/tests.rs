//! What is said to a statement that tests a protected column. Where columns come from is tested beside the
//! grammar, which draws the outlines.

use super::rules::{Testing, testing};
use super::{Origins, Trace};
use crate::seams::{BoxFuture, Catalog, Relation};
use crate::treatment::Judge;
use portcullis_model::{
    Category, ColumnRule, Effect, Fault, Object, Obligations, Predicates, StatementFacts, Strategy,
    Verbs,
};
use std::sync::Arc;

struct Users;

impl Users {
    fn all() -> [Arc<Relation>; 2] {
        [(10, "users"), (13, "orders")].map(|(oid, name)| {
            Arc::new(Relation {
                oid,
                schema: "public".to_owned(),
                name: name.to_owned(),
                columns: vec!["id".to_owned(), "ssn".to_owned()],
                sources: Vec::new(),
                table: true,
                origins: Vec::new(),
            })
        })
    }
}

impl Catalog for Users {
    fn relation(&self, oid: u32) -> Option<Arc<Relation>> {
        Self::all().into_iter().find(|r| r.oid == oid)
    }

    fn named(&self, name: &str) -> Vec<Arc<Relation>> {
        let all = Self::all().into_iter();
        all.filter(|r| r.name == name).collect()
    }

    fn refresh<'a>(&'a self, _: &'a [u32]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

fn reads(table: &str) -> StatementFacts {
    StatementFacts {
        category: Category::Read,
        effect: Effect::Read,
        objects: vec![Object {
            kind: "table".to_owned(),
            schema: None,
            name: table.to_owned(),
            write: false,
        }],
        transparent: true,
        moves: Vec::new(),
        verbs: Verbs::READ,
        ..StatementFacts::unknown("SELECT")
    }
}

fn said(tested: Option<Origins>, table: &str, predicates: Predicates, reshaped: bool) -> String {
    let mut obligations = Obligations::none();
    obligations.columns.insert(ColumnRule {
        schema: "public".to_owned(),
        table: "users".to_owned(),
        column: "ssn".to_owned(),
        strategy: Strategy::Redact,
        tag: "ssn".to_owned(),
        predicates,
        approver_groups: vec!["dpo".to_owned()],
    });
    let judge = Judge {
        obligations: &obligations,
        catalog: &Users,
        reshaped,
    };
    let trace = tested.map(|tested| Trace {
        shown: None,
        tested,
    });
    match testing(trace.as_ref(), &reads(table), &judge) {
        None => "allow".to_owned(),
        Some(Testing::Deny(denial)) => {
            assert_eq!(denial.rule, "portcullis/tests-protected");
            let named = denial.hint.unwrap_or_default().contains("public.users.ssn");
            (if named { "deny, named" } else { "deny" }).to_owned()
        }
        Some(Testing::Approve(requirements)) => requirements[0].approver_groups.join(","),
    }
}

#[test]
fn the_rule_says_what_comes_of_a_test() {
    let tested = || Some(Origins::column(10, 1));
    assert_eq!(
        said(tested(), "users", Predicates::Deny, false),
        "deny, named"
    );
    assert_eq!(said(tested(), "users", Predicates::Approve, false), "dpo");
    assert_eq!(said(tested(), "users", Predicates::Allow, false), "allow");
    let other = Some(Origins::default());
    assert_eq!(said(other, "users", Predicates::Deny, false), "allow");
}

#[test]
fn a_test_that_cannot_be_followed_is_refused_over_something_protected() {
    for tested in [None, Some(Origins::untold())] {
        for (table, expected) in [
            ("users", "deny"),
            ("nobody_knows", "deny"),
            ("orders", "allow"),
        ] {
            let said = said(tested.clone(), table, Predicates::Deny, false);
            assert_eq!(said, expected, "{table}");
        }
        assert_eq!(
            said(tested.clone(), "users", Predicates::Allow, false),
            "allow"
        );
        assert_eq!(said(tested, "users", Predicates::Approve, false), "deny");
    }
}

#[test]
fn a_relation_that_nobody_knows_is_judged_by_the_names_of_its_columns() {
    let guess = |name: &str| Some(Origins::guessed(name));
    let told = |name, reshaped| said(guess(name), "nobody_knows", Predicates::Deny, reshaped);
    assert_eq!(told("ssn", false), "deny, named");
    assert_eq!(told("ssn", true), "deny, named");
    assert_eq!(told("id", false), "allow");
    assert_eq!(told("most_common_vals", false), "deny");
    assert_eq!(told("*", false), "deny");
    assert_eq!(told("*", true), "deny");
}
