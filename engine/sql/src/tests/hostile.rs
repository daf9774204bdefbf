//! Texts that are made to hurt, and texts that make no sense.

use crate::facts;
use portcullis_model::facts::Parse;
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Generous: an unoptimised build on a busy machine.
const FAST: Duration = Duration::from_secs(3);

fn repeated(before: &str, unit: &str, count: usize, after: &str) -> String {
    format!("{before}{}{after}", unit.repeat(count))
}

#[test]
fn hostile_shapes_are_answered_fast_and_nothing_aborts() {
    let deep = 20_000;
    let shapes = [
        ("parentheses", repeated("SELECT ", "(", deep, "1")),
        (
            "balanced",
            format!("SELECT {}1{}", "(".repeat(deep), ")".repeat(deep)),
        ),
        ("not", repeated("SELECT ", "NOT ", deep, "true")),
        ("minus", repeated("SELECT ", "- ", deep, "1")),
        ("array", repeated("SELECT ", "ARRAY[", deep, "1")),
        ("cast", repeated("SELECT ", "CAST(", deep, "1")),
        (
            "case",
            repeated("SELECT ", "CASE WHEN true THEN ", deep, "1"),
        ),
        ("sub-select", repeated("", "SELECT (", deep, "1")),
        ("comment", "/*".repeat(deep)),
        ("spaced comment", "/* ".repeat(deep)),
        (
            "closed comment",
            format!("SELECT 1 {}{}", "/* ".repeat(deep), "*/ ".repeat(deep)),
        ),
        ("plus", repeated("SELECT 1", " + 1", deep, "")),
        ("concatenation", repeated("SELECT 'a'", "||'a'", deep, "")),
        (
            "and",
            repeated("SELECT 1 WHERE a = 1", " AND a = 1", deep, ""),
        ),
        (
            "joins",
            repeated("SELECT 1 FROM t", " JOIN t USING (a)", 1000, ""),
        ),
        (
            "many joins",
            repeated("SELECT 1 FROM t", " NATURAL JOIN t", deep, ""),
        ),
        (
            "union",
            repeated("SELECT 1", " UNION ALL SELECT 1", deep, ""),
        ),
        ("operators", "+".repeat(1_000_000)),
        ("long sum", repeated("SELECT 1", "+1", 60_000, "")),
        (
            "long join",
            repeated("SELECT 1 FROM t", " CROSS JOIN t", 40_000, ""),
        ),
        ("wide columns", repeated("SELECT ", "a.b,", 32_000, "1")),
        ("wide calls", repeated("SELECT ", "f(),", 32_000, "1")),
        ("wide list", repeated("SELECT a IN (", "1,", 64_000, "1)")),
        ("casts", repeated("SELECT 1", "::int", deep, "")),
        ("subscripts", repeated("SELECT a", "[1]", deep, "")),
        ("fields", repeated("SELECT (a)", ".b", deep, "")),
        ("ctes", repeated("", "WITH a AS (", 5000, "SELECT 1")),
        ("hidden", format!("SELECT {}", "(')))))))'||".repeat(deep))),
        ("explain", repeated("", "EXPLAIN ", deep, "SELECT 1")),
        ("dollar", "$a".repeat(deep)),
        ("statements", "SELECT 1;".repeat(deep)),
    ];
    answered_fast(shapes);
}

#[test]
fn what_asks_the_same_question_often_is_answered_fast() {
    let parses = answered_fast([
        (
            "secrets",
            repeated("SELECT ", "crypt('a','b'),", 18_000, "1"),
        ),
        (
            "secrets that are no literals",
            repeated("SELECT ", "crypt(1,2),", 18_000, "1"),
        ),
        (
            "passwords",
            repeated("", "ALTER ROLE r PASSWORD 'x';", 20_000, ""),
        ),
        (
            "prepared",
            repeated("", "PREPARE p AS SELECT 1;", 20_000, ""),
        ),
        (
            "many ctes",
            format!(
                "WITH {} x AS (SELECT 1) SELECT 1 FROM x{}",
                (0..10_000).fold(String::new(), |all, n| all
                    + &format!("c{n} AS (SELECT 1), ")),
                ", c9999".repeat(20_000),
            ),
        ),
        (
            "many names in one output",
            (0..50_000).fold("SELECT coalesce(1".to_owned(), |all, n| {
                all + &format!(",c{n}")
            }) + ")",
        ),
        (
            "many qualified names",
            format!(
                "SELECT 1{} FROM unnest(ARRAY[1]) f{}",
                (0..20_000).fold(String::new(), |all, n| all + &format!(",f.c{n}")),
                ", now() AS f".repeat(5_000),
            ),
        ),
        (
            "many relations",
            (0..30_000).fold("SELECT a.b FROM t".to_owned(), |all, n| {
                all + &format!(", t{n}")
            }),
        ),
    ]);
    for (name, parse) in parses {
        assert_eq!(parse, Parse::Ok, "{name}");
    }
}

fn answered_fast(
    shapes: impl IntoIterator<Item = (&'static str, String)>,
) -> Vec<(&'static str, Parse)> {
    let mut parses = Vec::new();
    for (name, text) in shapes {
        let start = Instant::now();
        let parse = facts(&text).parse;
        let took = start.elapsed();
        assert!(took < FAST, "{name} took {took:?}");
        parses.push((name, parse));
    }
    parses
}

#[test]
fn ordinary_depth_is_no_hostility() {
    let cases = [
        repeated("SELECT 1 FROM t", " JOIN t USING (a)", 200, ""),
        repeated("SELECT 1", " UNION ALL SELECT 1", 200, ""),
        repeated("SELECT 1", " + 1", 300, ""),
        format!("SELECT {}1{}", "(SELECT ".repeat(40), ")".repeat(40)),
        format!("SELECT 1 WHERE a IN ({}1)", "1,".repeat(20_000)),
        format!("-- {}\nSELECT 1", "=".repeat(200)),
        format!("/{}/ SELECT 1", "*".repeat(200)),
    ];
    for text in cases {
        let facts = facts(&text);
        assert_eq!(facts.parse, Parse::Ok, "{}", text.get(..40).unwrap());
    }
}

#[test]
fn what_is_too_deep_too_long_or_holds_nul_says_so() {
    let cases = [
        (
            "SELECT ".to_owned() + &"(".repeat(300),
            "nests deeper than 256 levels",
        ),
        (
            "SELECT 1 -- ".to_owned() + &"x".repeat(1024 * 1024),
            "longer than",
        ),
        ("SELECT 1\0; DROP TABLE t".to_owned(), "NUL"),
        (
            "SELECT ".to_owned() + &"/*".repeat(4000),
            "operator characters",
        ),
    ];
    for (text, expected) in cases {
        let Parse::Failed { message, .. } = facts(&text).parse else {
            panic!("{expected}: accepted");
        };
        assert!(message.contains(expected), "{message}");
    }
}

const SEEDS: [&str; 8] = [
    "SELECT a, lower(b) FROM t u JOIN v USING (c) WHERE id = $1 ORDER BY 1 LIMIT 5",
    "WITH d AS (DELETE FROM x RETURNING *) INSERT INTO y SELECT * FROM d ON CONFLICT DO NOTHING",
    "ALTER ROLE bob PASSWORD E'it''s' VALID UNTIL 'x'; SET search_path = a, b",
    "COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';'); DROP TABLE u",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $x$ SELECT 1 $x$; DO $$ BEGIN END $$",
    "PREPARE p (int) AS UPDATE t SET a = 1 WHERE b = $1; EXECUTE p (1)",
    "SELECT U&\"d\\0061t\\+000061\", U&'\\0441' FROM \"T\" WHERE x BETWEEN 1 AND 2",
    "CREATE SUBSCRIPTION s CONNECTION 'host=x password=y' PUBLICATION p",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_text_has_an_answer_with_spans_in_bounds(text in "\\PC{0,200}") {
        sound(&text);
    }

    #[test]
    fn any_bytes_read_as_text_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        sound(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn mutated_statements_have_an_answer(
        seed in 0..SEEDS.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<char>(), 0..3_u8), 0..6),
    ) {
        let mut text: Vec<char> = SEEDS[seed].chars().collect();
        for (place, with, how) in edits {
            if text.is_empty() { break; }
            let at = place.index(text.len());
            match how {
                0 => text[at] = with,
                1 => text.insert(at, with),
                _ => { text.remove(at); }
            }
        }
        sound(&text.into_iter().collect::<String>());
    }
}

fn sound(text: &str) {
    let facts = facts(text);
    let end = u32::try_from(text.len()).unwrap();
    for statement in &facts.statements {
        assert!(statement.span.start <= statement.span.end && statement.span.end <= end);
        let _ = &text[statement.span.start as usize..statement.span.end as usize];
    }
    let mut from = 0;
    for secret in &facts.secrets {
        assert!(from <= secret.start && secret.start <= secret.end && secret.end <= end);
        let _ = &text[secret.start as usize..secret.end as usize];
        from = secret.end;
    }
    for label in facts.statements.iter().flat_map(|s| &s.labels) {
        assert!(crate::LABELS.iter().any(|l| l.name == label), "{label}");
    }
}
