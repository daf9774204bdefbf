//! Shapes: the quick lexer agrees with PostgreSQL's own, and facts that are shared between texts of a shape
//! are what the grammar would have said about each of them.

use crate::examiner::{Examiner, Settings};
use crate::facts;
use crate::shape::Shape;
use pg_query::protobuf::Token;
use portcullis_gate::Examine;
use portcullis_model::Principal;
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

const CORPUS: &str = include_str!("../../../../tests/bypass/postgres.sql");

static EXAMINER: LazyLock<Examiner> = LazyLock::new(|| Examiner::new(Settings::default()).unwrap());
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap()
});

/// Establishes the facts of a text, so that they are kept.
fn examined(examiner: &Examiner, text: &str) {
    let who = Principal {
        issuer: "i".to_owned(),
        subject: "s".to_owned(),
    };
    let _ = RUNTIME.block_on(examiner.examine(&who, &Arc::from(text)));
}

/// The text with other literals of the same kinds, drawn from `seed`.
fn other_literals(text: &str, seed: u64) -> Option<String> {
    let shape = Shape::of(text)?;
    let words = [
        "",
        "x",
        "true",
        "on",
        "off",
        "a'b",
        "public.t",
        "-1",
        "select 1",
        "; DROP TABLE t; --",
        "/*",
        "$1",
        "ü",
        "a=b://c",
        "search_path",
        "a long text that is longer than most of what stood here before",
    ];
    let mut out = String::new();
    let (mut from, mut seed) = (0, seed);
    for literal in shape.literals() {
        let (start, end) = (literal.start as usize, literal.end as usize);
        out.push_str(&text[from..start]);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let draw = (seed >> 33) as usize;
        let written = &text[start..end];
        if written.starts_with('\'') {
            let word = words[draw % words.len()].replace('\'', "''");
            out.push_str(&format!("'{word}'"));
        } else if written.contains('.') || written.parse::<i32>().is_err() {
            out.push_str(["0.5", "12345678901", "99999999999999999999.25"][draw % 3]);
        } else {
            out.push_str(["0", "1", "007", "53", "2147483647", "24"][draw % 6]);
        }
        from = end;
    }
    out.push_str(&text[from..]);
    Some(out)
}

/// What is answered without the grammar is what the grammar says. True when there was an answer.
fn agrees(examiner: &Examiner, text: &str, other: &str) -> bool {
    assert_eq!(
        Shape::of(text).map(|s| s.key().to_vec()),
        Shape::of(other).map(|s| s.key().to_vec()),
        "{text}\n{other}"
    );
    examined(examiner, text);
    let Some(shared) = examiner.cached(other) else {
        return false;
    };
    assert_eq!(*shared, facts(other), "{text}\n{other}");
    true
}

fn agrees_fresh(text: &str, seed: u64) -> bool {
    let examiner = Examiner::new(Settings::default()).unwrap();
    let other = other_literals(text, seed).unwrap_or_else(|| panic!("{text} has no shape"));
    agrees(&examiner, text, &other)
}

#[test]
fn texts_that_differ_in_literals_share_their_facts() {
    for text in [
        "SELECT abalance FROM pgbench_accounts WHERE aid = 4711;",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 4711 ",
        "UPDATE pgbench_accounts SET abalance = abalance + -4711 WHERE aid = 1;",
        "INSERT INTO h (t, b, d, m) VALUES (1, 2, -3, CURRENT_TIMESTAMP), (4, 5.5, 'x', 'it''s')",
        "DELETE FROM t WHERE a = 'x' AND b IN (1, 2, 3) OR c LIKE 'a%' ESCAPE '!'",
        "DELETE FROM t WHERE 1 = 1",
        "DELETE FROM t WHERE 'a' OR true",
        "WITH q AS (SELECT 1 AS n) SELECT lower(name), 'x'::text, date '2020-01-01' FROM t, q LIMIT 10 OFFSET 5",
        "SELECT anybodys('x', 1) FROM t ORDER BY a",
        "SELECT \"Weird\"\"name\", extract('year' FROM t) FROM public.t WHERE id=1",
        "SELECT CASE WHEN a > 5 THEN 'many' ELSE 'few' END, ARRAY[1, 2], ROW(1, 'a') FROM t GROUP BY a HAVING count(*) > 3",
        "INSERT INTO t VALUES (1, 'x') ON CONFLICT (a) DO UPDATE SET b = 'y' WHERE t.c = 9 RETURNING a, 5",
        "SELECT a FROM t WHERE id = 1 FOR UPDATE",
        "SELECT interval '1 day' + now(), 'x' COLLATE \"C\" AT TIME ZONE 'UTC'",
    ] {
        for seed in 0..20 {
            if text.contains("COLLATE") {
                let _ = agrees_fresh(text, seed);
            } else {
                assert!(agrees_fresh(text, seed), "{text} is not shared");
            }
        }
    }
}

#[test]
fn what_looks_at_a_literal_is_never_shared() {
    for text in [
        "SELECT set_config('search_path', 'a', false)",
        "SELECT query_to_xml('select 1', true, false, '')",
        "SELECT * FROM dblink('host=a', 'select 1') AS t(a int)",
        "SELECT crypt('secret', 'salt')",
        "SELECT a::float(24) FROM t",
        "SELECT a::varchar(10) FROM t",
        "SELECT current_timestamp(3)",
        "SELECT CAST(a AS int[3]) FROM t",
        "SET search_path = 'a'",
        "SET work_mem = 4",
        "ALTER ROLE r PASSWORD 'x'",
        "CREATE TABLE t (a int DEFAULT 5)",
        "COPY t TO 'file'",
        "DO 'begin end'",
        "EXPLAIN (ANALYZE 'off') SELECT 1",
        "EXECUTE q(1)",
        "PREPARE q AS SELECT 1",
        "DECLARE c CURSOR FOR SELECT 1",
        "FETCH 5 FROM c",
        "BEGIN; SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT a INTO b FROM t WHERE c = 1",
        "MERGE INTO t USING s ON t.a = 1 WHEN MATCHED THEN DELETE",
        "SELECT * FROM t TABLESAMPLE system (5)",
        "SELECT xmlroot(x, version '1.0') FROM t",
        "SELECT JSON_VALUE(a, '$.x') FROM t",
        "UPDATE pg_settings SET setting = 'x' WHERE name = 'y'",
        "CALL p(1)",
        "NOTIFY c, 'x'",
        "LOAD 'x'",
        "SELECT not a statement 5",
    ] {
        if Shape::of(text).is_some() {
            assert!(!agrees_fresh(text, 1), "{text} is shared");
        }
    }
}

#[test]
fn what_can_be_read_in_two_ways_has_no_shape() {
    for text in [
        "SELECT 'a' -- x\n",
        "SELECT 1 /* x */",
        "SELECT 'a'\n'b'",
        "SELECT 'a'  'b'",
        "SELECT E'a'",
        "SELECT e'\\''",
        "SELECT 'a\\'",
        "SELECT U&'a'",
        "SELECT u&\"a\", 1",
        "SELECT B'1', X'1', N'a'",
        "SELECT $$a$$, 1",
        "SELECT $1, 1",
        "SELECT 0x1F",
        "SELECT 1_000",
        "SELECT 1e5",
        "SELECT .5",
        "SELECT 1.",
        "SELECT 1..2",
        "SELECT 1.5.2",
        "SELECT 1a",
        "SELECT 1'a'",
        "SELECT interval'1'",
        "SELECT 'a'b",
        "SELECT é, 1",
        "SELECT \"a\u{1}\", 1",
        "SELECT 'a",
        "SELECT \"a, 1",
        "SELECT 1\u{b}",
        "SELECT {1}",
    ] {
        assert!(Shape::of(text).is_none(), "{text}");
    }
    assert!(Shape::of("SELECT a FROM t").is_none(), "no literal");
    assert!(Shape::of(&format!("SELECT 1{}", " ".repeat(5000))).is_none());
}

#[test]
fn the_kind_of_a_literal_belongs_to_the_shape() {
    let key = |text: &str| Shape::of(text).unwrap().key().to_vec();
    assert_eq!(key("SELECT 1"), key("SELECT 2147483647"));
    assert_eq!(key("SELECT 2147483648"), key("SELECT 1.5"));
    assert_ne!(key("SELECT 1"), key("SELECT 2147483648"));
    assert_ne!(key("SELECT 1"), key("SELECT '1'"));
    assert_ne!(key("SELECT a, 1"), key("SELECT A, 1"));
}

#[test]
fn the_corpus_of_bypasses_says_the_same_with_other_literals() {
    let mut shared = 0;
    for block in CORPUS.split("\n\n").map(str::trim) {
        let Some((_, text)) = block.split_once('\n') else {
            continue;
        };
        for seed in 0..8 {
            if let Some(other) = other_literals(text, seed) {
                let examiner = Examiner::new(Settings::default()).unwrap();
                shared += usize::from(agrees(&examiner, text, &other));
            }
        }
    }
    assert!(shared > 50, "{shared}");
}

/// Pieces that SQL is made of, and some that try to confuse.
const PIECES: &[&str] = &[
    "SELECT",
    "a",
    "t",
    "FROM",
    "WHERE",
    "AND",
    "=",
    "+",
    "-",
    "*",
    "/",
    "<",
    ">",
    "(",
    ")",
    ",",
    ".",
    ";",
    "::",
    "text",
    "\"q\"",
    "\"q\"\"r\"",
    "1",
    "42",
    "2147483648",
    "1.5",
    "'x'",
    "''",
    "'it''s'",
    "'--'",
    "'/*'",
    " ",
    "\n",
    "\t",
    "--",
    "/*",
    "*/",
    "'",
    "\"",
    "\\",
    "$",
    "$$",
    "$1",
    "E",
    "U",
    "&",
    "u&",
    "x",
    "B",
    "N",
    "e5",
    "_",
    "é",
    "'é'",
    "|",
    "!",
    "@",
    "%",
    "^",
    "~",
    "#",
    "?",
    "`",
    "[",
    "]",
    ":",
    "0x",
    "null",
    "true",
    "interval",
    "float(24)",
    "lower",
    "set_config",
    "IN",
    "LIMIT",
    "\u{b}",
    "\u{c}",
    "\r",
];

fn piece() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(PIECES);
    prop_oneof![
        4 => fixed.prop_map(|piece| (*piece).to_owned()),
        1 => "[ -~]{0,6}",
        1 => (0u64..100_000_000_000).prop_map(|n| n.to_string()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn the_lexer_agrees_with_the_server_s(pieces in prop::collection::vec(piece(), 0..14), gap in prop::sample::select(vec!["", " "])) {
        let text = pieces.join(gap);
        let Some(shape) = Shape::of(&text) else { return Ok(()) };
        let Ok(scan) = pg_query::scan(&text) else {
            return Err(TestCaseError::fail(format!("no tokens: {text:?}")));
        };
        let kinds = [Token::Iconst as i32, Token::Fconst as i32, Token::Sconst as i32];
        let theirs: Vec<(u32, u32, u8)> = scan.tokens.iter()
            .filter_map(|token| {
                let kind = kinds.iter().position(|k| *k == token.token)?;
                Some((token.start as u32, token.end as u32, kind as u8 + 1))
            })
            .collect();
        let marks = shape.key().iter().copied().filter(|b| (1..=3).contains(b));
        let ours: Vec<(u32, u32, u8)> = shape.literals().iter().zip(marks).map(|(l, kind)| (l.start, l.end, kind)).collect();
        prop_assert_eq!(ours, theirs, "{:?}", text);
        let odd = scan.tokens.iter().find(|token| {
            [Token::SqlComment, Token::CComment, Token::Bconst, Token::Xconst, Token::Usconst, Token::Uident, Token::Param]
                .iter().any(|kind| *kind as i32 == token.token)
        });
        prop_assert!(odd.is_none(), "{:?}", text);
    }
}

/// Expressions and statements that the grammar takes, most of the time.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("a".to_owned()),
        Just("t.b".to_owned()),
        Just("true".to_owned()),
        Just("NULL".to_owned()),
        (0u64..5_000_000_000).prop_map(|n| n.to_string()),
        (0u32..100, 0u32..100).prop_map(|(a, b)| format!("{a}.{b}")),
        "'[a-z=:. ]{0,8}'",
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(vec!["=", "<", "+", "- ", "||", "AND", "OR", "@@"]),
                inner.clone()
            )
                .prop_map(|(l, o, r)| format!("({l} {o} {r})")),
            (
                prop::sample::select(vec![
                    "lower",
                    "now",
                    "nextval",
                    "set_config",
                    "crypt",
                    "mine",
                    "query_to_xml",
                    "pg_sleep",
                    "dblink",
                    "pgp_sym_encrypt",
                    "pg_catalog.set_config",
                    "ts_rewrite",
                    "lo_import",
                ]),
                prop::collection::vec(inner.clone(), 0..3)
            )
                .prop_map(|(f, args)| format!("{f}({})", args.join(", "))),
            (
                inner.clone(),
                prop::sample::select(vec![
                    "text",
                    "float(24)",
                    "numeric(5, 2)",
                    "regclass",
                    "int[2]",
                    "mine"
                ])
            )
                .prop_map(|(e, t)| format!("{e}::{t}")),
            inner.clone().prop_map(|e| format!("-{e}")),
            inner
                .clone()
                .prop_map(|e| format!("(SELECT {e} FROM u WHERE c = {e})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("CASE WHEN {a} THEN {b} ELSE 1 END")),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    (expression(), expression(), 0..7u8).prop_map(|(a, b, kind)| match kind {
        0 => format!("SELECT {a} FROM t WHERE {b}"),
        1 => format!("DELETE FROM t WHERE {a} AND {b};"),
        2 => format!("UPDATE t SET a = {a} WHERE {b}"),
        3 => format!("INSERT INTO t (a, b) VALUES ({a}, {b}) RETURNING a, {b}"),
        4 => format!("  WITH q AS (SELECT {a}) SELECT * FROM q JOIN t ON {b} LIMIT 5 ;"),
        5 => format!("SELECT {a}, {b} FROM t GROUP BY 1, a HAVING {a}"),
        _ => format!("CREATE TABLE z AS SELECT {a} FROM t WHERE {b}"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn shared_facts_are_what_the_grammar_says(text in statement(), seed in any::<u64>()) {
        if let Some(other) = other_literals(&text, seed) {
            agrees(&EXAMINER, &text, &other);
        }
    }
}
