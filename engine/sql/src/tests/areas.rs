//! One table per area: text, category, effect, labels.

use super::one;
use crate::{LABELS, facts};
use Category::{Admin, Dcl, Ddl, Exec, Read, Session, Transfer, Unknown, Write};
use portcullis_model::facts::{Category, Predicate, SessionChange};
use portcullis_model::{Effect, Verbs};

pub(super) type Row = (&'static str, Category, Effect, &'static [&'static str]);

pub(super) fn holds(rows: &[Row]) {
    for (text, category, effect, labels) in rows {
        let facts = one(text);
        assert_eq!(
            (facts.category, facts.effect),
            (*category, *effect),
            "{text}: {:?}",
            facts.labels
        );
        for label in *labels {
            assert!(
                facts.labels.contains(*label),
                "{text}: {label} not in {:?}",
                facts.labels
            );
        }
        for label in &facts.labels {
            assert!(
                LABELS.iter().any(|l| l.name == label),
                "{text}: {label} is not documented"
            );
        }
    }
}

const ROWS: &[Row] = &[
    ("SELECT * FROM t", Read, Effect::Read, &[]),
    ("VALUES (1)", Read, Effect::Read, &[]),
    ("TABLE t", Read, Effect::Read, &[]),
    (
        "SELECT * FROM t FOR UPDATE",
        Write,
        Effect::Write,
        &["lock-rows"],
    ),
    (
        "SELECT * INTO u FROM t",
        Ddl,
        Effect::Write,
        &["select-into"],
    ),
    ("INSERT INTO t VALUES (1)", Write, Effect::Write, &[]),
    (
        "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1",
        Write,
        Effect::Write,
        &["upsert"],
    ),
    ("UPDATE t SET a = 1 WHERE id = 1", Write, Effect::Write, &[]),
    (
        "UPDATE t SET a = 1",
        Write,
        Effect::Destroy,
        &["update-without-where"],
    ),
    ("DELETE FROM t WHERE id = $1", Write, Effect::Write, &[]),
    (
        "DELETE FROM t",
        Write,
        Effect::Destroy,
        &["delete-without-where"],
    ),
    (
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE",
        Write,
        Effect::Write,
        &[],
    ),
    (
        "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
        Write,
        Effect::Destroy,
        &["delete-without-where"],
    ),
    ("TRUNCATE t", Write, Effect::Destroy, &["truncate"]),
    (
        "WITH x AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM x",
        Write,
        Effect::Destroy,
        &["update-without-where"],
    ),
    ("EXPLAIN DELETE FROM t", Read, Effect::Read, &["explain"]),
    (
        "EXPLAIN (ANALYZE off) DELETE FROM t",
        Read,
        Effect::Read,
        &["explain"],
    ),
    (
        "EXPLAIN ANALYZE DELETE FROM t",
        Write,
        Effect::Destroy,
        &["explain-analyze"],
    ),
    ("PREPARE p AS DELETE FROM t", Write, Effect::Destroy, &[]),
    ("DECLARE c CURSOR FOR SELECT 1", Read, Effect::Read, &[]),
];

#[test]
fn rows_are_read_written_and_destroyed() {
    holds(ROWS);
}

const STRUCTURE: &[Row] = &[
    (
        "CREATE TABLE t (id bigserial PRIMARY KEY, b text REFERENCES u (a))",
        Ddl,
        Effect::Write,
        &[],
    ),
    ("CREATE INDEX i ON t (lower(a))", Ddl, Effect::Write, &[]),
    ("ALTER TABLE t ADD COLUMN a int", Ddl, Effect::Write, &[]),
    (
        "ALTER TABLE t DROP COLUMN a",
        Ddl,
        Effect::Destroy,
        &["drop-column"],
    ),
    (
        "ALTER TABLE t OWNER TO x",
        Dcl,
        Effect::Escalate,
        &["alter-owner"],
    ),
    (
        "ALTER SCHEMA s OWNER TO x",
        Dcl,
        Effect::Escalate,
        &["alter-owner"],
    ),
    ("DROP TABLE a, s.b", Ddl, Effect::Destroy, &["drop-table"]),
    ("DROP DATABASE d", Ddl, Effect::Destroy, &["drop-database"]),
    ("DROP ROLE r", Dcl, Effect::Escalate, &["drop-role"]),
    (
        "DROP POLICY p ON t",
        Dcl,
        Effect::Escalate,
        &["drop-policy"],
    ),
    (
        "CREATE VIEW v AS SELECT 1",
        Ddl,
        Effect::Write,
        &["create-view"],
    ),
    (
        "COMMENT ON TABLE t IS 'x'",
        Ddl,
        Effect::Write,
        &["comment"],
    ),
    ("GRANT SELECT ON t TO r", Dcl, Effect::Escalate, &["grant"]),
    ("REVOKE r FROM s", Dcl, Effect::Escalate, &["revoke"]),
    (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r",
        Dcl,
        Effect::Escalate,
        &["default-privileges"],
    ),
    (
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        Dcl,
        Effect::Escalate,
        &["row-security"],
    ),
    (
        "ALTER ROLE a RENAME TO b",
        Dcl,
        Effect::Escalate,
        &["alter-role"],
    ),
    ("CREATE TYPE e AS ENUM ('a')", Ddl, Effect::Write, &[]),
    ("REFRESH MATERIALIZED VIEW m", Ddl, Effect::Write, &[]),
];

#[test]
fn structure_and_rights_are_told_apart() {
    holds(STRUCTURE);
}

#[test]
fn code_and_the_server_are_never_mild() {
    holds(&[
        (
            "DO $$ BEGIN END $$",
            Exec,
            Effect::Unknown,
            &["do-block", "opaque-body"],
        ),
        ("CALL p(1)", Exec, Effect::Unknown, &["call", "opaque-body"]),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DROP TABLE t'",
            Exec,
            Effect::Unknown,
            &["create-function", "drop-table"],
        ),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS ''",
            Exec,
            Effect::Unknown,
            &["untrusted-language"],
        ),
        (
            "CREATE RULE r AS ON INSERT TO t DO ALSO DELETE FROM u",
            Exec,
            Effect::Escalate,
            &["create-rule", "delete-without-where"],
        ),
        ("VACUUM t", Admin, Effect::Write, &["maintenance"]),
        ("ANALYZE", Admin, Effect::Write, &["maintenance"]),
        (
            "CREATE EXTENSION e",
            Admin,
            Effect::Escalate,
            &["create-extension"],
        ),
        (
            "ALTER SYSTEM SET a = b",
            Admin,
            Effect::Escalate,
            &["alter-system"],
        ),
        ("LOAD 'x'", Admin, Effect::Escalate, &["load-library"]),
        (
            "COPY t TO PROGRAM 'x'",
            Exec,
            Effect::Escalate,
            &["copy-program"],
        ),
        ("COPY t FROM '/x'", Admin, Effect::Escalate, &["copy-file"]),
        ("COPY t TO STDOUT", Transfer, Effect::Read, &[]),
        ("COPY t FROM STDIN", Transfer, Effect::Write, &[]),
        (
            "COPY t TO STDOUT (FORMAT parquet)",
            Unknown,
            Effect::Unknown,
            &["unknown-copy-option"],
        ),
    ]);
}

const SESSION: &[Row] = &[
    ("BEGIN", Session, Effect::Read, &[]),
    ("BEGIN READ WRITE", Session, Effect::Write, &["read-write"]),
    ("BEGIN READ ONLY", Session, Effect::Read, &[]),
    (
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        Session,
        Effect::Write,
        &["read-write"],
    ),
    (
        "PREPARE TRANSACTION 'x'",
        Admin,
        Effect::Write,
        &["two-phase"],
    ),
    ("SET statement_timeout = 0", Session, Effect::Read, &[]),
    ("SET client_encoding = 'UTF8'", Session, Effect::Read, &[]),
    (
        "SET client_encoding = 'SJIS'",
        Dcl,
        Effect::Escalate,
        &["unsafe-setting"],
    ),
    (
        "RESET client_encoding",
        Dcl,
        Effect::Escalate,
        &["unsafe-setting"],
    ),
    (
        "SET search_path = a, b",
        Session,
        Effect::Read,
        &["search-path"],
    ),
    (
        "SET default_transaction_read_only = on",
        Session,
        Effect::Read,
        &[],
    ),
    ("SET ROLE x", Dcl, Effect::Escalate, &["set-role"]),
    (
        "SET SESSION AUTHORIZATION DEFAULT",
        Dcl,
        Effect::Escalate,
        &["set-session-authorization"],
    ),
    ("RESET ALL", Session, Effect::Escalate, &["reset-all"]),
    ("DISCARD PLANS", Session, Effect::Read, &[]),
    ("SHOW ALL", Session, Effect::Read, &[]),
    ("LISTEN c", Session, Effect::Read, &[]),
    ("NOTIFY c, 'x'", Write, Effect::Write, &["notify"]),
    ("FETCH 10 FROM c", Session, Effect::Read, &[]),
    (
        "LOCK TABLE t IN ACCESS EXCLUSIVE MODE",
        Write,
        Effect::Write,
        &["lock-table"],
    ),
    (
        "SELECT set_config('statement_timeout', '0', true)",
        Read,
        Effect::Read,
        &["set-config"],
    ),
    (
        "SELECT set_config('role', 'x', true)",
        Dcl,
        Effect::Escalate,
        &["set-role"],
    ),
    (
        "SELECT set_config($1, 'x', true)",
        Unknown,
        Effect::Unknown,
        &["dynamic-argument"],
    ),
];

#[test]
fn session_statements_are_harmless_where_they_are() {
    holds(SESSION);
}

#[test]
fn functions_are_known_unlisted_or_dangerous() {
    holds(&[
        (
            "SELECT lower(a), count(*), now(), pg_catalog.upper(b) FROM t",
            Read,
            Effect::Read,
            &[],
        ),
        ("SELECT nextval('s')", Write, Effect::Write, &["sequence"]),
        (
            "SELECT pg_advisory_lock(1)",
            Write,
            Effect::Write,
            &["advisory-lock"],
        ),
        ("SELECT my.f(1)", Read, Effect::Read, &["unlisted-function"]),
        (
            "SELECT my.lower(1)",
            Read,
            Effect::Read,
            &["unlisted-function"],
        ),
        (
            "SELECT * FROM dblink('host=x', 'q') AS t (a int)",
            Exec,
            Effect::Unknown,
            &["dblink"],
        ),
        (
            "SELECT query_to_xml('SELECT 1', true, true, '')",
            Exec,
            Effect::Read,
            &["dynamic-sql"],
        ),
        (
            "SELECT query_to_xml('DROP TABLE t', true, true, '')",
            Exec,
            Effect::Destroy,
            &["drop-table"],
        ),
        (
            "SELECT query_to_xml($1, true, true, '')",
            Unknown,
            Effect::Unknown,
            &["dynamic-argument"],
        ),
        (
            "SELECT pg_read_file('/x')",
            Admin,
            Effect::Escalate,
            &["read-file"],
        ),
    ]);
    assert!(one("SELECT my.f(1)").verbs.contains(Verbs::EXEC));
    assert!(!one("SELECT my.f(1)").transparent);
    assert!(one("SELECT lower(a)::varchar(3) || 'x' FROM t").transparent);
    assert!(!one("SELECT a::my_type FROM t").transparent);
    assert!(!one("SELECT a OPERATOR(my.+) b FROM t").transparent);
    assert!(!one("SELECT current_setting('x.y')").transparent);
    assert!(!one("SHOW x.y").transparent);
}

#[test]
fn a_predicate_counts_only_when_it_reads_the_row() {
    let rows = [
        ("id = 1", Predicate::Present),
        ("t.id = 1", Predicate::Present),
        ("id IN (SELECT a FROM u)", Predicate::Present),
        (
            "EXISTS (SELECT 1 FROM u WHERE u.a = t.id)",
            Predicate::Present,
        ),
        ("EXISTS (SELECT 1 FROM u WHERE a = 1)", Predicate::Constant),
        ("true", Predicate::Constant),
        ("1 = 1 AND now() > '2000-01-01'", Predicate::Constant),
        ("id = 1 OR true", Predicate::Constant),
        ("id = 1 OR 1 = 1", Predicate::Constant),
        ("id = 1 OR false", Predicate::Present),
        ("id = 1 AND true", Predicate::Present),
        ("NOT (id = 1 OR true)", Predicate::Constant),
        ("id = id", Predicate::Constant),
        ("CURRENT OF c", Predicate::Present),
    ];
    for (condition, expected) in rows {
        let facts = one(&format!("DELETE FROM t WHERE {condition}"));
        assert_eq!(facts.predicate, expected, "{condition}");
    }
    assert_eq!(
        one("DELETE FROM t AS x WHERE t.id = 1").predicate,
        Predicate::Constant
    );
    assert_eq!(
        one("DELETE FROM t USING u WHERE a = 1").predicate,
        Predicate::Constant
    );
    assert_eq!(
        one("DELETE FROM t USING u WHERE t.a = u.a").predicate,
        Predicate::Present
    );
    assert_eq!(one("SELECT 1").predicate, Predicate::Inapplicable);
}

#[test]
fn outputs_are_given_only_where_they_are_certain() {
    let certain = [
        (
            "SELECT a, lower(b || c), count(*), 1, now() FROM t",
            vec![vec!["a"], vec!["b", "c"], vec![], vec![], vec![]],
        ),
        ("SELECT x.a FROM t AS x JOIN u USING (id)", vec![vec!["a"]]),
        (
            "SELECT upper(t.name), t.full_name || t.date FROM t",
            vec![vec!["name"], vec!["full_name", "date"]],
        ),
        (
            "SELECT max(a) FILTER (WHERE b > 1) FROM t",
            vec![vec!["a", "b"]],
        ),
        ("SELECT rank() OVER (ORDER BY a) FROM t", vec![vec!["a"]]),
        ("SELECT CASE WHEN a THEN b END FROM t", vec![vec!["a", "b"]]),
    ];
    for (text, expected) in certain {
        assert_eq!(one(text).outputs.unwrap(), expected, "{text}");
    }
    let uncertain = [
        "SELECT * FROM t",
        "SELECT t.* FROM t",
        "SELECT t FROM t",
        "SELECT row_to_json(x) FROM t x",
        "SELECT t.row_to_json FROM t",
        "SELECT t.record_out FROM t",
        "SELECT t.hstore FROM t",
        "SELECT lower(t.max) FROM t",
        "SELECT (t.a).b FROM t",
        "SELECT t.lo_unlink FROM t",
        "SELECT (a).b FROM t",
        "SELECT a FROM t AS x (a)",
        "SELECT a FROM (SELECT 1) x",
        "SELECT (SELECT a FROM t)",
        "WITH x AS (SELECT 1) SELECT a FROM t",
        "SELECT a FROM t UNION SELECT b FROM u",
        "SELECT my.f(a) FROM t",
        "SELECT a::my_type FROM t",
        "SELECT a FROM f() AS a",
        "SELECT first_value(a) OVER w FROM t WINDOW w AS (ORDER BY b)",
        "SELECT a FROM t FOR UPDATE",
        "VALUES (1)",
        "SELECT a INTO u FROM t",
        "SELECT 1 FROM t WHERE EXISTS (SELECT 1)",
    ];
    for text in uncertain {
        assert_eq!(one(text).outputs, None, "{text}");
    }
}

#[test]
fn a_cte_hides_a_table_only_where_the_server_says_so() {
    let tables = |text: &str| -> Vec<String> {
        let objects = one(text).objects.into_iter();
        objects
            .filter(|o| o.kind == "table")
            .map(|o| o.name)
            .collect()
    };
    assert_eq!(tables("WITH a AS (SELECT 1) SELECT * FROM a, b"), ["b"]);
    assert_eq!(tables("WITH a AS (SELECT 1) SELECT * FROM s.a"), ["a"]);
    assert_eq!(
        tables("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM b"),
        ["b"]
    );
    assert_eq!(
        tables("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM b"),
        [""; 0]
    );
    assert_eq!(tables("WITH a AS (SELECT * FROM a) SELECT * FROM a"), ["a"]);
    assert_eq!(
        tables("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a"),
        ["a"]
    );
    assert_eq!(
        tables("WITH t AS (SELECT 1) INSERT INTO t SELECT * FROM t"),
        ["t"]
    );
}

#[test]
fn secrets_are_the_literals_with_their_quotes() {
    let rows: [(&str, &[&str]); 12] = [
        (
            "ALTER ROLE bob PASSWORD 'hun''ter' VALID UNTIL 'x'",
            &["'hun''ter'"],
        ),
        ("CREATE USER é PASSWORD E'a\\'b'", &["E'a\\'b'"]),
        ("CREATE ROLE r ENCRYPTED PASSWORD $x$a'b$x$", &["$x$a'b$x$"]),
        (
            "SELECT 1; ALTER USER u PASSWORD U&'\\0061b'",
            &["U&'\\0061b'"],
        ),
        ("ALTER ROLE r PASSWORD 'a'\n'b'", &["'a'\n'b'"]),
        (
            "CREATE SUBSCRIPTION s CONNECTION 'password=x' PUBLICATION p",
            &["'password=x'"],
        ),
        (
            "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'x', password 'y')",
            &["'y'"],
        ),
        (
            "SELECT dblink_connect('c', 'host=h password=p')",
            &["'host=h password=p'"],
        ),
        ("SELECT pgp_sym_decrypt(a, 'key') FROM t", &["'key'"]),
        ("SELECT crypt('pw', gen_salt('bf'))", &["'pw'"]),
        (
            "PREPARE p AS SELECT pgp_sym_encrypt(a, 'key') FROM t",
            &["'key'"],
        ),
        (
            "ALTER SYSTEM SET primary_conninfo = 'password=x'",
            &["'password=x'"],
        ),
    ];
    for (text, expected) in rows {
        let secrets = facts(text).secrets;
        let found: Vec<&str> = secrets
            .iter()
            .map(|s| &text[s.start as usize..s.end as usize])
            .collect();
        assert_eq!(found, *expected, "{text}");
    }
}

#[test]
fn copy_options_follow_the_format() {
    let copy = |text: &str| one(text).copy.unwrap();
    let text = copy("COPY s.t (a, b) TO STDOUT");
    assert_eq!(
        (text.format.as_str(), text.delimiter, text.null.as_str()),
        ("text", b'\t', "\\N")
    );
    assert_eq!(text.relation, Some((Some("s".to_owned()), "t".to_owned())));
    assert_eq!(text.columns, ["a", "b"]);
    let csv =
        copy("COPY t FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';', QUOTE '''', NULL 'x')");
    assert_eq!(
        (csv.delimiter, csv.quote, csv.escape, csv.header),
        (b';', b'\'', b'\'', true)
    );
    assert_eq!(csv.null, "x");
    let old = copy("COPY t TO STDOUT CSV HEADER DELIMITER AS '|' ESCAPE '\\'");
    assert_eq!(
        (old.format.as_str(), old.delimiter, old.escape, old.header),
        ("csv", b'|', b'\\', true)
    );
    assert!(!copy("COPY t TO STDOUT (FORMAT csv, HEADER false)").header);
    assert_eq!(
        copy("COPY t TO STDOUT (ENCODING 'SJIS')")
            .encoding
            .as_deref(),
        Some("SJIS")
    );
    assert_eq!(copy("COPY BINARY t TO STDOUT").format, "binary");
    assert!(copy("COPY t TO '/x'").server_side);
}

#[test]
fn names_and_settings_are_tracked() {
    let changes = |text: &str| one(text).changes;
    let set = |name: &str, value: Option<&str>, local| SessionChange::Set {
        name: name.to_owned(),
        value: value.map(str::to_owned),
        local,
    };
    assert_eq!(
        changes("SET search_path = a, \"B\""),
        [set("search_path", Some("a, B"), false)]
    );
    assert_eq!(changes("SET LOCAL ROLE x"), [set("role", Some("x"), true)]);
    assert_eq!(changes("RESET ROLE"), [set("role", None, false)]);
    assert_eq!(
        changes("SELECT set_config('Role', 'x', true)"),
        [set("role", Some("x"), true)]
    );
    assert_eq!(changes("RESET ALL"), [SessionChange::ResetAll]);
    assert_eq!(changes("COMMIT"), [SessionChange::Commit]);
    assert_eq!(changes("ROLLBACK TO x"), [SessionChange::Savepoint]);
    assert_eq!(changes("DEALLOCATE ALL"), [SessionChange::Deallocate(None)]);
    assert_eq!(
        changes("CLOSE c"),
        [SessionChange::Close(Some("c".to_owned()))]
    );
    assert_eq!(changes("FETCH c"), [SessionChange::Fetch("c".to_owned())]);
    assert_eq!(
        changes("LISTEN c"),
        [SessionChange::Channel("c".to_owned())]
    );
    let execute = |text: &str| {
        matches!(
            changes(text).as_slice(),
            [SessionChange::Execute { literal: true, .. }]
        )
    };
    assert!(execute("EXECUTE p (1, 'x')") && !execute("EXECUTE p (now())"));
    assert!(execute("EXPLAIN ANALYZE EXECUTE p (1)"));
    let text = "PREPARE p (int) AS /* AS */ DELETE FROM t";
    let changes = changes(text);
    let Some(SessionChange::Prepare { inner, .. }) = changes.first() else {
        panic!("no PREPARE");
    };
    assert_eq!(&text[inner.span.start as usize..], "DELETE FROM t");
    assert_eq!(inner.effect, Effect::Destroy);
}

#[test]
fn no_function_is_both_transparent_and_in_the_table() {
    for name in crate::catalog::transparent() {
        let entry = crate::functions::table::find(name);
        assert!(entry.is_none(), "{name}: {:?}", entry.map(|e| e.label));
    }
}

#[test]
fn every_label_of_the_table_is_documented_and_sorted() {
    for label in crate::functions::table::labels() {
        assert!(LABELS.iter().any(|l| l.name == label), "{label}");
    }
    assert!(LABELS.windows(2).all(|pair| pair[0].name < pair[1].name));
    assert!(LABELS.iter().all(|l| !l.meaning.is_empty()));
}
