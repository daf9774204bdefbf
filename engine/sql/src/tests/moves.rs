//! What a statement that writes carries to another place.

use super::one;

const CARRIED: &[(&str, &[&str])] = &[
    ("INSERT INTO x SELECT ssn FROM customers", &["ssn"]),
    ("INSERT INTO x SELECT * FROM customers", &["*"]),
    ("INSERT INTO x TABLE customers", &["*"]),
    ("INSERT INTO x SELECT c.* FROM customers c", &["*"]),
    ("INSERT INTO x SELECT c::text FROM customers c", &["*", "c"]),
    (
        "INSERT INTO x SELECT customers::text FROM customers",
        &["*", "customers"],
    ),
    (
        "INSERT INTO x SELECT c.row_to_json FROM customers c",
        &["*"],
    ),
    ("INSERT INTO x SELECT c.hstore FROM customers c", &["*"]),
    ("INSERT INTO x SELECT (c).ssn FROM customers c", &["*", "c"]),
    (
        "INSERT INTO x VALUES ((SELECT max(ssn) FROM customers))",
        &["ssn"],
    ),
    (
        "INSERT INTO x SELECT table_to_xml('customers', true, true, '')",
        &["*"],
    ),
    (
        "INSERT INTO x SELECT query_to_xml('SELECT ssn FROM customers', true, true, '')",
        &["*"],
    ),
    ("INSERT INTO x SELECT a FROM t WHERE ssn = 'x'", &["a"]),
    (
        "INSERT INTO x SELECT a FROM t JOIN u ON t.ssn = u.ssn JOIN v USING (ssn)",
        &["a"],
    ),
    (
        "INSERT INTO x SELECT n FROM generate_series(1, 10) n",
        &["n"],
    ),
    (
        "INSERT INTO x SELECT n FROM customers, unnest(ARRAY[ssn]) n",
        &["n", "ssn"],
    ),
    (
        "WITH q AS (SELECT ssn AS z FROM customers) INSERT INTO x SELECT z FROM q",
        &["ssn", "z"],
    ),
    (
        "WITH d AS (DELETE FROM customers RETURNING ssn AS z) INSERT INTO x SELECT z FROM d",
        &["ssn", "z"],
    ),
    (
        "WITH d AS (DELETE FROM customers RETURNING *) INSERT INTO x SELECT z FROM d",
        &["*", "z"],
    ),
    (
        "WITH i AS (INSERT INTO x SELECT ssn FROM customers) SELECT 1",
        &["ssn"],
    ),
    (
        "INSERT INTO t AS y (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET note = y.ssn",
        &["ssn"],
    ),
    (
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET note = (SELECT excluded.ssn FROM customers excluded)",
        &["ssn"],
    ),
    ("UPDATE customers SET note = ssn", &["ssn"]),
    (
        "UPDATE customers SET (note, name) = (ssn, 'x') WHERE id = 1",
        &["ssn"],
    ),
    (
        "UPDATE customers SET (note, name) = (SELECT ssn, 'x' FROM u WHERE a = 1)",
        &["ssn"],
    ),
    (
        "UPDATE x SET a = c.ssn FROM customers c WHERE c.id = x.id",
        &["ssn"],
    ),
    (
        "UPDATE x SET a = s.name FROM s WHERE s.id = x.id",
        &["name"],
    ),
    (
        "UPDATE customers SET note = customers::text",
        &["*", "customers"],
    ),
    (
        "MERGE INTO x USING customers c ON x.id = c.id WHEN MATCHED THEN UPDATE SET a = c.ssn",
        &["ssn"],
    ),
    (
        "MERGE INTO x USING customers c ON x.id = c.id WHEN NOT MATCHED AND c.a > 1 THEN INSERT VALUES (c.ssn)",
        &["ssn"],
    ),
    ("CREATE TABLE x AS SELECT ssn AS z FROM customers", &["ssn"]),
    ("CREATE TABLE x AS EXECUTE p", &["*"]),
    ("SELECT ssn AS z INTO x FROM customers", &["ssn"]),
    ("CREATE VIEW v AS SELECT ssn AS z FROM customers", &["ssn"]),
    (
        "CREATE MATERIALIZED VIEW v AS SELECT left(ssn, 3) FROM customers",
        &["ssn"],
    ),
    (
        "ALTER TABLE customers ALTER note TYPE text USING ssn",
        &["ssn"],
    ),
    (
        "ALTER TABLE customers ADD x text GENERATED ALWAYS AS (ssn) STORED",
        &["ssn"],
    ),
    ("ALTER TABLE customers RENAME ssn TO x", &["ssn"]),
    ("ALTER TABLE customers RENAME TO x", &["*"]),
    ("ALTER TABLE customers SET SCHEMA x", &["*"]),
    (
        "CREATE RULE r AS ON UPDATE TO customers DO ALSO INSERT INTO x VALUES (old.ssn)",
        &["ssn"],
    ),
    ("COPY (SELECT a FROM t) TO PROGRAM 'x'", &["*", "a"]),
];

#[test]
fn what_is_read_outside_of_conditions_is_carried() {
    for (text, expected) in CARRIED {
        assert_eq!(one(text).moves, *expected, "{text}");
    }
}

#[test]
fn what_only_reads_or_only_sends_carries_nothing() {
    for text in [
        "SELECT ssn FROM customers",
        "SELECT * FROM customers FOR UPDATE",
        "SELECT nextval('s'), a FROM t",
        "INSERT INTO t (ssn) VALUES ($1), ('x')",
        "INSERT INTO t DEFAULT VALUES",
        "INSERT INTO t VALUES (1) RETURNING *",
        "INSERT INTO t VALUES (1) RETURNING id, ssn",
        "INSERT INTO t (a, ssn) VALUES (1, 2) ON CONFLICT (a) DO UPDATE SET ssn = excluded.ssn WHERE t.b > 1",
        "UPDATE t SET ssn = $1 WHERE ssn = $2 RETURNING ssn",
        "DELETE FROM customers USING u WHERE customers.ssn = u.ssn RETURNING *",
        "DELETE FROM customers WHERE id IN (SELECT id FROM u)",
        "CREATE TABLE t (ssn text CHECK (ssn <> ''))",
        "ALTER TABLE t ADD CHECK (ssn <> '')",
        "ALTER TABLE t ADD COLUMN b int",
        "COPY t (a) FROM STDIN",
        "COPY t TO STDOUT",
        "EXPLAIN INSERT INTO x SELECT ssn FROM customers",
    ] {
        assert_eq!(one(text).moves, [""; 0], "{text}");
    }
}
