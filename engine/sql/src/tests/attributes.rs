//! `x.name` and `(x).name`: a column, or the call `name(x)`.

use super::areas::{Row, holds};
use super::one;
use portcullis_model::facts::Category::{Read, Unknown};
use portcullis_model::{Effect, Verbs};

const DYNAMIC: &[&str] = &["dynamic-argument"];
const UNLISTED: &[&str] = &["unlisted-function"];

const LISTED: &[Row] = &[
    (
        "SELECT ('select ssn from customers'::text).ts_stat",
        Unknown,
        Effect::Unknown,
        &["dynamic-sql", "dynamic-argument"],
    ),
    (
        "SELECT ('/etc/hostname'::text).pg_read_file",
        Unknown,
        Effect::Unknown,
        &["read-file", "dynamic-argument"],
    ),
    (
        "SELECT f.ts_stat FROM unnest(ARRAY['select 1']) f",
        Unknown,
        Effect::Unknown,
        DYNAMIC,
    ),
    (
        "SELECT (x).lo_unlink FROM t",
        Unknown,
        Effect::Unknown,
        DYNAMIC,
    ),
    (
        "SELECT s.t.lo_unlink FROM s.t",
        Unknown,
        Effect::Unknown,
        DYNAMIC,
    ),
    (
        "SELECT (16385).lo_unlink",
        Unknown,
        Effect::Unknown,
        DYNAMIC,
    ),
    ("SELECT ($1).pg_ls_dir", Unknown, Effect::Unknown, DYNAMIC),
    (
        "SELECT (1).lower.pg_terminate_backend",
        Unknown,
        Effect::Unknown,
        DYNAMIC,
    ),
    (
        "SELECT a[1].dblink FROM t ORDER BY 1",
        Unknown,
        Effect::Unknown,
        DYNAMIC,
    ),
    (
        "SELECT 1 FROM unnest(ARRAY['x']) f ORDER BY f.query_to_xmlschema, f.ts_stat",
        Unknown,
        Effect::Unknown,
        DYNAMIC,
    ),
    (
        "UPDATE t SET a = f.set_config FROM unnest(ARRAY['x']) f WHERE t.id = 1",
        Unknown,
        Effect::Unknown,
        DYNAMIC,
    ),
];

const UNLISTED_CALLS: &[Row] = &[
    ("SELECT (1).get_ssn", Read, Effect::Read, UNLISTED),
    ("SELECT (t.id).get_ssn FROM t", Read, Effect::Read, UNLISTED),
    (
        "SELECT (t.a).lower.get_ssn FROM t",
        Read,
        Effect::Read,
        UNLISTED,
    ),
    (
        "SELECT f.get_ssn FROM generate_series(1, 9) f",
        Read,
        Effect::Read,
        UNLISTED,
    ),
    (
        "SELECT f.get_ssn FROM generate_series(1, 9) AS f (id)",
        Read,
        Effect::Read,
        UNLISTED,
    ),
    (
        "SELECT generate_series.get_ssn FROM generate_series(1, 9)",
        Read,
        Effect::Read,
        UNLISTED,
    ),
    (
        "SELECT \"current_user\".get_ssn FROM current_user",
        Read,
        Effect::Read,
        UNLISTED,
    ),
    (
        "SELECT f.get_ssn FROM ROWS FROM (unnest(ARRAY[1])) f",
        Read,
        Effect::Read,
        UNLISTED,
    ),
    (
        "SELECT f.b FROM unnest(ARRAY[1]) f (a), LATERAL (SELECT 1 FROM unnest(ARRAY[1]) f (b)) x",
        Read,
        Effect::Read,
        UNLISTED,
    ),
];

#[test]
fn a_listed_function_written_like_a_column_is_a_call_nobody_has_looked_at() {
    holds(LISTED);
    for (text, ..) in LISTED {
        assert!(!one(text).transparent, "{text}");
    }
}

#[test]
fn a_name_that_is_no_field_for_certain_is_a_call_of_an_unlisted_function() {
    holds(UNLISTED_CALLS);
    for (text, ..) in UNLISTED_CALLS {
        let facts = one(text);
        assert!(
            !facts.transparent && facts.verbs.contains(Verbs::EXEC),
            "{text}"
        );
        assert_eq!(facts.outputs, None, "{text}");
    }
    let planned = one("EXPLAIN SELECT f.get_ssn FROM generate_series(1, 9) f");
    assert!(!planned.transparent && planned.labels.contains("unlisted-function"));
}

#[test]
fn names_that_are_fields_stay_columns() {
    for text in [
        "SELECT u.name, u.schedule, s.u.total FROM s.u",
        "SELECT x.total FROM (SELECT sum(a) AS total FROM t) x",
        "WITH q AS (SELECT * FROM t) SELECT q.a FROM q",
        "SELECT e.key, e.value FROM t, json_each(t.doc) e",
        "SELECT (json_each(t.doc)).key FROM t",
        "SELECT (aclexplode(relacl)).grantee FROM pg_class",
        "SELECT n.n, n.ordinality FROM generate_series(1, 3) WITH ORDINALITY n",
        "SELECT g.i FROM generate_series(1, 3) AS g (i)",
        "SELECT generate_series.generate_series FROM generate_series(1, 3)",
        "SELECT r.a FROM jsonb_to_recordset($1) AS r (a int, b text)",
        "SELECT r.a FROM ROWS FROM (jsonb_to_recordset($1) AS (a int), unnest(ARRAY[1])) AS r",
        "SELECT * FROM current_date",
        "SELECT (t.a).lower FROM t",
        "SELECT a[1], (a)[2:3] FROM t",
    ] {
        let facts = one(text);
        assert!(facts.transparent, "{text}: {:?}", facts.labels);
        assert!(facts.labels.is_empty(), "{text}: {:?}", facts.labels);
    }
}
