//! Which columns are masked in part, and where all of a value stays masked.

use super::*;
use crate::BoxFuture;
use crate::treatment::treat;
use portcullis_model::facts::CopyFacts;
use portcullis_model::{
    Category, Effect, Fault, Object, Parse, Predicates, StatementFacts, Strategy, Verbs,
};

const JSONB: u32 = 3802;

struct Relations(Vec<Relation>);

impl Catalog for Relations {
    fn relation(&self, oid: u32) -> Option<Arc<Relation>> {
        self.0.iter().find(|r| r.oid == oid).cloned().map(Arc::new)
    }

    fn named(&self, name: &str) -> Vec<Arc<Relation>> {
        let named = self.0.iter().filter(|r| r.name == name);
        named.cloned().map(Arc::new).collect()
    }

    fn refresh<'a>(&'a self, _: &'a [u32]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

fn relation(oid: u32, name: &str, sources: &[u32], table: bool) -> Relation {
    Relation {
        oid,
        schema: "public".to_owned(),
        name: name.to_owned(),
        columns: ["id", "doc", "", "other"].map(str::to_owned).to_vec(),
        sources: sources.to_vec(),
        table,
        origins: Vec::new(),
    }
}

fn catalog() -> Relations {
    Relations(vec![
        relation(10, "users", &[], true),
        relation(11, "v_users", &[10], false),
        relation(12, "users_2026", &[10], true),
        relation(13, "twins", &[], true),
        Relation {
            schema: "elsewhere".to_owned(),
            ..relation(14, "twins", &[], true)
        },
    ])
}

fn whole(table: &str, column: &str) -> ColumnRule {
    ColumnRule {
        schema: "public".to_owned(),
        table: table.to_owned(),
        column: column.to_owned(),
        strategy: Strategy::Redact,
        tag: "doc".to_owned(),
        predicates: Predicates::Deny,
        approver_groups: Vec::new(),
    }
}

/// As policy says it: the part, and the whole column beside it.
fn rules(table: &str) -> Obligations {
    let mut obligations = Obligations::none();
    obligations.columns.insert(whole(table, "doc"));
    for (path, strategy) in [("$.a", Strategy::Partial), ("$.b", Strategy::Null)] {
        obligations.documents.insert(DocumentRule {
            schema: "public".to_owned(),
            table: table.to_owned(),
            column: "doc".to_owned(),
            path: path.parse().unwrap(),
            strategy,
            tag: "doc".to_owned(),
        });
    }
    obligations
}

fn column(table_oid: u32, attnum: i16, type_oid: u32) -> Column {
    Column {
        name: "x".to_owned(),
        type_oid,
        table_oid,
        attnum,
        binary: false,
    }
}

fn shape(columns: Vec<Column>) -> RowShape {
    RowShape { serial: 1, columns }
}

fn statement(table: &str, copy: Option<CopyFacts>) -> Facts {
    let statement = StatementFacts {
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
        copy,
        verbs: Verbs::READ,
        ..StatementFacts::unknown("SELECT")
    };
    Facts {
        parse: Parse::Ok,
        statements: vec![statement],
        secrets: Vec::new(),
    }
}

/// For each column how many parts are masked; -1 where all of it is, 0 where nothing is.
fn treated(
    kind: BatchKind,
    shape: &RowShape,
    facts: &Facts,
    obligations: &Obligations,
    reshaped: bool,
) -> Vec<i32> {
    let catalog = catalog();
    let (mut treatments, _) = treat(shape, Some(facts), obligations, &catalog, reshaped, None);
    let asked = Narrowing {
        kind,
        shape,
        facts: Some(facts),
        obligations,
        catalog: &catalog,
        reshaped,
    };
    let masks = narrow(&asked, &mut treatments);
    let parts = |index: usize| masks.iter().find(|m| m.column as usize == index);
    let each = treatments.iter().enumerate();
    each.map(|(index, treatment)| match (treatment, parts(index)) {
        (Treatment::Whole { .. }, None) => -1,
        (Treatment::Scan, parts) => parts.map_or(0, |m| i32::try_from(m.parts.len()).unwrap()),
        (Treatment::Whole { .. }, Some(_)) => panic!("masked twice"),
    })
    .collect()
}

fn rows(shape: &RowShape, obligations: &Obligations) -> Vec<i32> {
    treated(
        BatchKind::Rows,
        shape,
        &statement("users", None),
        obligations,
        false,
    )
}

#[test]
fn a_stored_document_is_masked_in_part_and_nothing_else_is() {
    let rules = rules("users");
    for (oid, attnum, type_oid, expected, why) in [
        (10, 2, JSONB, 2, "the column"),
        (10, 2, 25, 2, "text that holds one"),
        (12, 2, 114, 2, "a partition's"),
        (10, 2, 3807, -1, "an array of them"),
        (10, 2, 23, -1, "a number"),
        (10, 1, JSONB, 0, "another column"),
        (10, 0, JSONB, -1, "the whole row"),
        (11, 2, JSONB, -1, "a view may have renamed it"),
        (0, 0, JSONB, -1, "an expression"),
        (99, 2, JSONB, -1, "a relation that nobody knows"),
    ] {
        let shape = shape(vec![column(oid, attnum, type_oid)]);
        assert_eq!(rows(&shape, &rules), [expected], "{why}");
    }
}

#[test]
fn the_strictest_part_stands_first() {
    let shape = shape(vec![column(10, 2, JSONB)]);
    let (catalog, obligations) = (catalog(), rules("users"));
    let asked = Narrowing {
        kind: BatchKind::Rows,
        shape: &shape,
        facts: None,
        obligations: &obligations,
        catalog: &catalog,
        reshaped: false,
    };
    let mut treatments = treat(&shape, None, &obligations, &catalog, false, None).0;
    let masks = narrow(&asked, &mut treatments);
    let strategies: Vec<Strategy> = masks[0].parts.iter().map(|p| p.strategy).collect();
    assert_eq!(strategies, [Strategy::Null, Strategy::Partial]);
}

#[test]
fn a_rule_for_all_of_it_wins_wherever_it_stands() {
    let shape = shape(vec![column(12, 2, JSONB)]);
    let mut both = rules("users");
    assert_eq!(rows(&shape, &both), [2]);
    both.columns.insert(whole("users_2026", "doc"));
    assert_eq!(rows(&shape, &both), [-1], "the partition is masked whole");
}

#[test]
fn after_a_change_of_structure_nothing_is_narrowed() {
    let shape = shape(vec![column(10, 2, JSONB)]);
    let facts = statement("users", None);
    assert_eq!(
        treated(BatchKind::Rows, &shape, &facts, &rules("users"), true),
        [-1]
    );
}

fn copy(table: &str, schema: Option<&str>, columns: &[&str], query: bool) -> CopyFacts {
    CopyFacts {
        from: false,
        relation: (!query).then(|| (schema.map(str::to_owned), table.to_owned())),
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        format: "text".to_owned(),
        delimiter: b'\t',
        null: "\\N".to_owned(),
        header: false,
        quote: b'"',
        escape: b'"',
        encoding: None,
        server_side: false,
    }
}

#[test]
fn a_copy_of_the_table_says_which_column_is_which() {
    for (facts, columns, expected, why) in [
        (
            copy("users", None, &[], false),
            3,
            vec![-1, 2, -1],
            "all of it",
        ),
        (
            copy("users", Some("public"), &["doc"], false),
            1,
            vec![2],
            "one column",
        ),
        (
            copy("users", None, &["other", "doc"], false),
            2,
            vec![-1, 2],
            "in another order",
        ),
        (
            copy("users", None, &[], false),
            2,
            vec![-1, -1],
            "another number of columns",
        ),
        (
            copy("users", Some("x"), &["doc"], false),
            1,
            vec![-1],
            "another schema",
        ),
        (copy("users", None, &["doc"], true), 1, vec![-1], "a query"),
        (
            copy("v_users", None, &["doc"], false),
            1,
            vec![-1],
            "a view",
        ),
        (
            copy("twins", None, &["doc"], false),
            1,
            vec![-1],
            "two tables of that name",
        ),
    ] {
        let table = facts.relation.as_ref().map_or("users", |(_, name)| name);
        let rules = rules(if table == "twins" { "twins" } else { "users" });
        let shape = shape((0..columns).map(|_| column(0, 0, 25)).collect());
        let facts = statement(table, Some(facts.clone()));
        assert_eq!(
            treated(BatchKind::Copy, &shape, &facts, &rules, false),
            expected,
            "{why}"
        );
    }
    let facts = statement("users", Some(copy("users", None, &["doc"], false)));
    let shape = shape(vec![column(0, 0, 25)]);
    let rows = treated(BatchKind::Rows, &shape, &facts, &rules("users"), false);
    assert_eq!(rows, [-1], "rows are no copy");
}
