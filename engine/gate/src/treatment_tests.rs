//! Provenance: what is masked whole, and what is not.

use super::*;
use crate::BoxFuture;
use crate::lineage::Origins;
use portcullis_model::{Category, Effect, Fault, Object, Parse, Predicates, Verbs};

struct Relations(Vec<Relation>);

impl Catalog for Relations {
    fn relation(&self, oid: u32) -> Option<Arc<Relation>> {
        self.0.iter().find(|r| r.oid == oid).cloned().map(Arc::new)
    }

    fn named(&self, name: &str) -> Vec<Arc<Relation>> {
        self.0
            .iter()
            .filter(|r| r.name == name)
            .cloned()
            .map(Arc::new)
            .collect()
    }

    fn refresh<'a>(&'a self, _: &'a [u32]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

fn relation(oid: u32, name: &str, columns: &[&str], sources: &[u32], table: bool) -> Relation {
    Relation {
        oid,
        schema: "public".to_owned(),
        name: name.to_owned(),
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        sources: sources.to_vec(),
        table,
        origins: Vec::new(),
    }
}

fn catalog() -> Relations {
    Relations(vec![
        relation(10, "users", &["id", "email", "ssn"], &[], true),
        relation(11, "v_users", &["id", "note"], &[10], false),
        relation(12, "users_2026", &["id", "email", "ssn"], &[10], true),
        relation(13, "orders", &["id", "total"], &[], true),
        relation(14, "v_orders", &["id", "sum"], &[13], false),
        Relation {
            schema: "pg_catalog".to_owned(),
            ..relation(15, "pg_class", &["relname"], &[], true)
        },
    ])
}

fn rules() -> Obligations {
    let mut obligations = Obligations::none();
    obligations.columns.insert(ColumnRule {
        schema: "public".to_owned(),
        table: "users".to_owned(),
        column: "ssn".to_owned(),
        strategy: Strategy::Redact,
        tag: "ssn".to_owned(),
        predicates: Predicates::Deny,
        approver_groups: Vec::new(),
    });
    obligations
}

fn column(table_oid: u32, attnum: i16) -> RowShape {
    let column = Column {
        name: "x".to_owned(),
        type_oid: 25,
        table_oid,
        attnum,
        binary: false,
    };
    RowShape {
        serial: 1,
        columns: vec![column],
    }
}

fn reads(tables: &[&str], transparent: bool, outputs: Option<Vec<Vec<String>>>) -> Facts {
    let object = |name: &&str| Object {
        kind: "table".to_owned(),
        schema: None,
        name: (*name).to_owned(),
        write: false,
    };
    let statement = StatementFacts {
        category: Category::Read,
        effect: Effect::Read,
        objects: tables.iter().map(object).collect(),
        transparent,
        outputs,
        moves: Vec::new(),
        verbs: Verbs::READ,
        ..StatementFacts::unknown("SELECT")
    };
    Facts {
        parse: Parse::Ok,
        statements: vec![statement],
        secrets: Vec::new(),
    }
}

fn whole_of(shape: &RowShape, facts: Option<&Facts>) -> bool {
    let (treatments, _) = treat(shape, facts, &rules(), &catalog(), false, None);
    matches!(treatments.first(), Some(Treatment::Whole { .. }))
}

#[test]
fn provenance_decides_for_columns_that_have_it() {
    let facts = reads(&["users"], true, None);
    for (oid, attnum, whole, why) in [
        (10, 3, true, "the protected column"),
        (10, 2, false, "another column of its table"),
        (10, 0, true, "a whole row"),
        (11, 2, true, "a view over it may have renamed it"),
        (12, 3, true, "a partition of it"),
        (12, 2, false, "another column of a partition"),
        (13, 2, false, "another table"),
        (14, 2, false, "a view over another table"),
        (99, 1, true, "a relation that nobody knows"),
    ] {
        assert_eq!(whole_of(&column(oid, attnum), Some(&facts)), whole, "{why}");
    }
}

#[test]
fn an_expression_is_masked_unless_it_is_proven_clean() {
    let names = |names: &[&str]| Some(vec![names.iter().map(|n| (*n).to_owned()).collect()]);
    for (facts, whole, why) in [
        (
            reads(&["users"], true, None),
            true,
            "it can read the column",
        ),
        (
            reads(&["users"], true, names(&["ssn"])),
            true,
            "it does read the column",
        ),
        (
            reads(&["users"], true, names(&["email"])),
            false,
            "it reads another column",
        ),
        (
            reads(&["users"], true, names(&[])),
            false,
            "count(*) reads none",
        ),
        (
            reads(&["users"], false, names(&[])),
            true,
            "a function may read anything",
        ),
        (
            reads(&["v_users"], true, names(&["note"])),
            true,
            "a view may have renamed it",
        ),
        (
            reads(&["orders"], true, None),
            false,
            "the statement cannot read it",
        ),
        (
            reads(&["orders"], false, None),
            true,
            "a function may read anything",
        ),
        (
            reads(&["unheard_of"], true, None),
            true,
            "nobody knows the relation",
        ),
        (
            reads(&["pg_stats"], true, None),
            true,
            "statistics hold values, the catalog leaves them out",
        ),
        (
            reads(&["users"], true, names(&["record_out"])),
            true,
            "a name that is no column may be a function",
        ),
        (
            reads(&["pg_class"], true, None),
            false,
            "the catalog holds none",
        ),
        (reads(&[], true, None), false, "constants alone"),
    ] {
        assert_eq!(whole_of(&column(0, 0), Some(&facts)), whole, "{why}");
    }
    assert!(whole_of(&column(0, 0), None), "nobody knows the statement");
}

#[test]
fn without_column_rules_nothing_is_masked_whole() {
    let (treatments, unknown) = treat(
        &column(99, 1),
        None,
        &Obligations::none(),
        &catalog(),
        false,
        None,
    );
    assert_eq!((treatments, unknown), (vec![Treatment::Scan], Vec::new()));
}

#[test]
fn a_view_that_has_been_followed_is_masked_where_it_shows_the_column() {
    let mut catalog = catalog();
    let followed = catalog.0.iter_mut().find(|r| r.oid == 11).unwrap();
    followed.origins = vec![Origins::column(10, 0), Origins::column(10, 2)];
    let unsure = Relation {
        oid: 16,
        name: "unsure".to_owned(),
        origins: vec![Origins::untold(), Origins::column(99, 0)],
        ..followed.clone()
    };
    catalog.0.push(unsure);
    let facts = reads(&["users"], true, None);
    for (oid, attnum, whole, why) in [
        (11, 1, false, "made of another column"),
        (11, 2, true, "made of the protected one"),
        (11, 0, true, "its whole row"),
        (16, 1, true, "made of nobody knows what"),
        (16, 2, true, "made of a relation that nobody knows"),
    ] {
        let shape = column(oid, attnum);
        let (treatments, _) = treat(&shape, Some(&facts), &rules(), &catalog, false, None);
        let masked = matches!(treatments.first(), Some(Treatment::Whole { .. }));
        assert_eq!(masked, whole, "{why}");
    }
}

#[test]
fn an_expression_that_has_been_followed_is_masked_for_what_it_is_made_of() {
    let traced = |name: Option<&str>, origins: Origins| Traced {
        name: name.map(str::to_owned),
        origins,
        starred: false,
    };
    let clean = || traced(Some("x"), Origins::default());
    for (shown, whole, why) in [
        (vec![clean()], false, "made of nothing protected"),
        (
            vec![traced(None, Origins::default())],
            false,
            "its name is the server's business",
        ),
        (
            vec![traced(Some("x"), Origins::column(10, 2))],
            true,
            "made of the column",
        ),
        (
            vec![traced(Some("x"), Origins::untold())],
            true,
            "made of nobody knows what",
        ),
        (
            vec![traced(Some("y"), Origins::default())],
            true,
            "another column than the server's",
        ),
        (
            vec![clean(), clean()],
            true,
            "more columns than the server's",
        ),
    ] {
        let facts = reads(&["users"], true, None);
        let shape = column(0, 0);
        let (treatments, _) = treat(
            &shape,
            Some(&facts),
            &rules(),
            &catalog(),
            false,
            Some(&shown),
        );
        let masked = matches!(treatments.first(), Some(Treatment::Whole { .. }));
        assert_eq!(masked, whole, "{why}");
    }
}

#[test]
fn after_a_change_of_structure_names_prove_nothing() {
    let facts = reads(&["orders"], true, None);
    let (treatments, _) = treat(
        &column(0, 0),
        Some(&facts),
        &rules(),
        &catalog(),
        true,
        None,
    );
    assert!(matches!(treatments.first(), Some(Treatment::Whole { .. })));
}

#[test]
fn error_texts_are_masked_where_they_could_hold_a_value() {
    let shape = column(0, 0);
    let report = |code: &[u8; 5], facts: Option<&Facts>| {
        let treatments = treat_report(&shape, Some(*code), facts, &rules(), &catalog(), false);
        matches!(treatments.first(), Some(Treatment::Whole { .. }))
    };
    let (users, orders) = (
        reads(&["users"], true, None),
        reads(&["orders"], true, None),
    );
    assert!(report(b"22P02", Some(&users)), "a cast shows the value");
    assert!(
        report(b"42P01", Some(&users)),
        "a cast to regclass shows it too"
    );
    assert!(
        !report(b"42703", Some(&users)),
        "an undefined column is the statement's own word"
    );
    assert!(
        !report(b"22P02", Some(&orders)),
        "nothing protected was read"
    );
    assert!(report(b"42703", None), "nobody knows the statement");
}

#[test]
fn protected_columns_do_not_move() {
    for (tables, moves, caught) in [
        (vec!["users"], vec!["ssn"], true),
        (vec!["users"], vec!["*"], true),
        (vec!["users"], vec!["email"], false),
        (vec!["v_users"], vec!["note"], true),
        (vec!["orders"], vec!["*"], false),
        (vec!["users"], vec![], false),
    ] {
        let mut facts = reads(&tables, true, None);
        for statement in &mut facts.statements {
            statement.moves = moves.iter().map(|m| (*m).to_owned()).collect();
        }
        assert_eq!(
            moved(&facts, &rules(), &catalog()).is_some(),
            caught,
            "{tables:?} {moves:?}"
        );
    }
}

#[test]
fn a_secret_of_a_cluster_is_masked_whole_wherever_secrets_are() {
    let column = |name: &str| Column {
        name: name.to_owned(),
        type_oid: 25,
        table_oid: 0,
        attnum: 0,
        binary: false,
    };
    let shape = RowShape {
        serial: 0,
        columns: vec![column(""), column("secret")],
    };
    let rule = |entity: &str| portcullis_model::EntityRule {
        entity: entity.to_owned(),
        strategy: Strategy::Partial,
    };
    let secret = whole("secret", Strategy::Partial);
    for (entity, expected) in [
        ("SECRET", secret.clone()),
        ("*", secret),
        ("EMAIL", Treatment::Scan),
    ] {
        let mut obligations = Obligations::none();
        obligations.entities.insert(rule(entity));
        let treatments = treat_object(&shape, &obligations);
        assert_eq!(treatments, [Treatment::Scan, expected], "{entity}");
    }
}
