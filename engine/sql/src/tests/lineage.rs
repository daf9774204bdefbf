//! From a text to what its result is made of and what it tests: outline and trace together, over a catalog with
//! one protected column.

use super::one;
use portcullis_gate::Relation;
use portcullis_gate::lineage::{Names, Origins, Trace, trace};
use std::sync::Arc;

const CUSTOMERS: u32 = 10;
const VIEW: u32 = 11;

struct Catalog {
    relations: Vec<Arc<Relation>>,
    /// The session has changed structure.
    open: bool,
}

fn relation(oid: u32, schema: &str, name: &str, columns: &str, table: bool) -> Arc<Relation> {
    Arc::new(Relation {
        oid,
        schema: schema.to_owned(),
        name: name.to_owned(),
        columns: columns.split(' ').map(str::to_owned).collect(),
        sources: Vec::new(),
        table,
        origins: Vec::new(),
    })
}

fn catalog() -> Catalog {
    let relations = vec![
        relation(CUSTOMERS, "public", "customers", "id name ssn note", true),
        relation(VIEW, "public", "v_customers", "id note", false),
        relation(12, "public", "orders", "id customer total", true),
        relation(13, "archive", "orders", "id note", true),
    ];
    Catalog {
        relations,
        open: false,
    }
}

impl Names for Catalog {
    fn relations(&self, schema: Option<&str>, name: &str) -> Vec<Arc<Relation>> {
        let same = |r: &&Arc<Relation>| r.name == name && schema.is_none_or(|s| s == r.schema);
        self.relations.iter().filter(same).cloned().collect()
    }

    fn open(&self) -> bool {
        self.open
    }

    fn origins(&self, relation: &Relation, place: usize) -> Origins {
        match (
            relation.oid,
            relation.columns.get(place).map(String::as_str),
        ) {
            (CUSTOMERS, Some("ssn")) | (VIEW, Some("note")) => Origins::column(CUSTOMERS, 2),
            _ => Origins::default(),
        }
    }
}

fn traced(text: &str) -> Trace {
    let outline = one(text).outline.expect(text);
    trace(&outline, &catalog())
}

fn said(origins: &Origins) -> char {
    match (origins.columns.is_empty(), origins.unknown) {
        (false, _) => 'P',
        (true, true) => '?',
        (true, false) => '.',
    }
}

/// A letter for each column: `P` made of the protected one, `?` of nobody knows what, `.` of neither.
fn shown(text: &str) -> String {
    match traced(text).shown {
        Some(columns) => columns.iter().map(|column| said(&column.origins)).collect(),
        None => "none".to_owned(),
    }
}

/// A statement, and what its columns are made of.
const SHOWN: &[(&str, &str)] = &[
    ("SELECT id, ssn FROM customers", ".P"),
    ("SELECT * FROM customers", "..P."),
    ("SELECT c.* FROM customers c, orders o", "..P."),
    (
        "SELECT ssn || '', name || '', count(*) FROM customers GROUP BY name",
        "P..",
    ),
    (
        "SELECT ssn::varchar, id::text, 1, now(), $1::text FROM customers",
        "P....",
    ),
    (
        "SELECT c, c::text, row_to_json(c), c.id FROM customers c",
        "PPP.",
    ),
    (
        "SELECT ROW(c.*), to_jsonb(c) -> 'id' FROM customers c",
        "PP",
    ),
    ("SELECT b, a FROM customers AS c(a, n, b)", "P."),
    ("SELECT note FROM v_customers", "P"),
    ("SELECT id, upper(note), count(*) FROM v_customers", ".P."),
    (
        "SELECT x.y, x.z FROM (SELECT ssn AS y, id AS z FROM customers) x",
        "P.",
    ),
    ("SELECT * FROM (SELECT id, max(ssn) FROM customers) x", ".P"),
    (
        "SELECT max FROM (SELECT id, max(ssn) FROM customers) x",
        "P",
    ),
    (
        "WITH q AS (SELECT ssn AS z, id FROM customers) SELECT z, id FROM q",
        "P.",
    ),
    (
        "WITH q(a, b) AS (SELECT id, ssn FROM customers) SELECT a, b FROM q",
        ".P",
    ),
    (
        "WITH customers AS (SELECT 1 AS ssn) SELECT ssn FROM customers",
        ".",
    ),
    (
        "WITH a AS (SELECT ssn AS z FROM customers), customers AS (SELECT 1) SELECT z FROM a",
        "P",
    ),
    (
        "WITH RECURSIVE q(n, z) AS (SELECT 1, '' UNION ALL SELECT n + 1, (SELECT ssn FROM customers LIMIT 1) \
          FROM q WHERE n < 3) SELECT n, z FROM q",
        ".P",
    ),
    (
        "WITH RECURSIVE q(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM q WHERE n < 3) SELECT n FROM q",
        ".",
    ),
    (
        "SELECT id, name FROM customers UNION ALL SELECT id, ssn FROM customers",
        ".P",
    ),
    (
        "VALUES (1, (SELECT ssn FROM customers LIMIT 1)), (2, '')",
        ".P",
    ),
    (
        "SELECT (SELECT ssn FROM customers LIMIT 1), EXISTS (SELECT ssn FROM customers)",
        "P.",
    ),
    (
        "SELECT ARRAY(SELECT ssn FROM customers), ARRAY[id] FROM orders",
        "P.",
    ),
    (
        "SELECT l.z, l.w FROM customers c, LATERAL (SELECT c.ssn AS z, c.id AS w) l",
        "P.",
    ),
    (
        "SELECT j.ssn, j.total FROM (customers c JOIN public.orders o ON c.id = o.customer) AS j",
        "P.",
    ),
    ("SELECT * FROM customers c JOIN orders o USING (id)", "none"),
    (
        "SELECT * FROM customers c JOIN public.orders o USING (id)",
        "..P...",
    ),
    (
        "SELECT CASE WHEN id = 1 THEN name ELSE ssn END, CASE WHEN ssn = '' THEN 1 END FROM customers",
        "PP",
    ),
    (
        "SELECT coalesce(name, note), nullif(ssn, '') FROM customers",
        ".P",
    ),
    (
        "SELECT string_agg(name, ',' ORDER BY id), sum(id) FILTER (WHERE ssn > '') FROM customers",
        ".P",
    ),
    (
        "SELECT value FROM customers c, json_each_text(row_to_json(c))",
        "P",
    ),
    (
        "SELECT g, g.g, id FROM customers, generate_series(1, 3) g",
        "...",
    ),
    ("SELECT total, orders.total FROM orders", ".?"),
    ("SELECT id, orders.id FROM orders", ".."),
    ("SELECT total FROM public.orders", "."),
    ("COPY customers (id, ssn) TO STDOUT", ".P"),
    (
        "COPY (SELECT name, substr(ssn, 1) FROM customers) TO STDOUT",
        ".P",
    ),
    ("COPY customers TO STDOUT", "none"),
    ("SELECT 'open'::public.status, id FROM customers", ".."),
];

#[test]
fn a_column_is_followed_to_where_it_is_shown() {
    for (text, expected) in SHOWN {
        assert_eq!(shown(text), *expected, "{text}");
    }
}

#[test]
fn what_nobody_can_tell_is_unknown() {
    for (text, expected) in [
        ("SELECT public.f(id), f(name), id FROM customers", "??."),
        (
            "SELECT c.row_to_json, c.f, (c).f, c.ctid FROM customers c",
            "PPP.",
        ),
        ("SELECT id OPERATOR(public.||) 'x' FROM customers", "?"),
        ("SELECT name::public.loot FROM customers", "?"),
        ("SELECT secret, name FROM nobody_knows", "??"),
        ("SELECT * FROM nobody_knows", "none"),
        ("SELECT count(*), 1 FROM nobody_knows", ".."),
        ("SELECT t.x, x FROM nobody_knows t, customers", "??"),
        ("SELECT (c).* FROM customers c", "none"),
        ("SELECT * FROM f() x", "none"),
        ("SELECT x.a, a FROM f() x", "??"),
        // Which of two is meant is LATERAL's business: both are taken.
        (
            "SELECT (SELECT s.v FROM (VALUES ('z')) c(ssn), (SELECT c.ssn AS v) s) FROM customers c",
            "P",
        ),
        (
            "SELECT (SELECT c.* FROM (SELECT 1) x) FROM (VALUES (1)) c, LATERAL (SELECT 1 FROM customers c) y",
            ".",
        ),
        (
            "SELECT (SELECT s.v FROM (VALUES ('z')) c(row_to_json), (SELECT c.row_to_json AS v) s) FROM customers c",
            "P",
        ),
        (
            "SELECT (SELECT max FROM (SELECT max(ssn) FROM customers) q) FROM (VALUES (1)) t(max)",
            "P",
        ),
        (
            "WITH d AS (DELETE FROM customers WHERE id = 0 RETURNING ssn) SELECT ssn FROM d",
            "?",
        ),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

/// Each tests the protected column.
const TESTS: &[&str] = &[
    "SELECT count(*) FROM customers WHERE ssn LIKE '123%'",
    "SELECT 1 FROM customers WHERE substr(ssn, 1, 1)::int + 1 > 3",
    "SELECT id FROM customers ORDER BY ssn",
    "SELECT id FROM customers ORDER BY upper(ssn) DESC",
    "SELECT id, ssn AS x FROM customers ORDER BY x",
    "SELECT id, md5(ssn) AS id FROM customers ORDER BY id",
    "SELECT id, ssn FROM customers ORDER BY 2",
    "SELECT id, max(ssn) FROM customers GROUP BY 1 ORDER BY max",
    "SELECT count(*) FROM customers GROUP BY left(ssn, 1)",
    "SELECT left(ssn, 1) AS l, count(*) FROM customers GROUP BY l",
    "SELECT left(ssn, 1), count(*) FROM customers GROUP BY ROLLUP (1)",
    "SELECT id FROM customers GROUP BY id HAVING max(ssn) > '1'",
    "SELECT DISTINCT ssn FROM customers",
    "SELECT DISTINCT ON (ssn) id FROM customers ORDER BY ssn",
    "SELECT a.id FROM customers a JOIN customers b ON a.ssn > b.ssn",
    "SELECT a.id FROM customers a JOIN customers b USING (ssn)",
    "SELECT 1 FROM customers a NATURAL JOIN customers b",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM customers WHERE ssn ~ '^1')",
    "SELECT 1 WHERE '1' IN (SELECT ssn FROM customers)",
    "SELECT 1 WHERE '1' = ANY (SELECT ssn FROM customers)",
    "SELECT id FROM customers c WHERE c::text LIKE '%123%'",
    "SELECT id FROM customers c WHERE (c).ssn = '1'",
    "SELECT id FROM customers c WHERE c.to_json::text LIKE '%1%'",
    "SELECT id FROM customers c WHERE row_to_json(c) ->> 'ssn' = '1'",
    "SELECT ssn FROM customers UNION SELECT 'x'",
    "SELECT ssn FROM customers INTERSECT SELECT '123-45-6789'",
    "SELECT ssn FROM customers EXCEPT ALL SELECT '123-45-6789'",
    "SELECT count(*) FROM (SELECT ssn FROM customers INTERSECT SELECT '1') x",
    "SELECT CASE WHEN ssn LIKE '1%' THEN 1 END FROM customers",
    "SELECT nullif(ssn, '123-45-6789') FROM customers",
    "SELECT id, nullif('123-45-6789', ssn) FROM customers",
    "SELECT 1 AS x FROM (SELECT (SELECT ssn AS x FROM customers LIMIT 1)) s GROUP BY x",
    "SELECT CASE ssn WHEN '1' THEN 1 END FROM customers",
    "SELECT count(*) FILTER (WHERE ssn LIKE '1%') FROM customers",
    "SELECT array_agg(id ORDER BY ssn) FROM customers",
    "SELECT id, row_number() OVER (ORDER BY ssn) FROM customers",
    "SELECT id, count(*) OVER (PARTITION BY ssn) FROM customers",
    "SELECT id, rank() OVER w FROM customers WINDOW w AS (ORDER BY ssn)",
    "SELECT id, sum(id) OVER (ORDER BY id ROWS (SELECT ascii(ssn) FROM customers LIMIT 1) PRECEDING) FROM orders",
    "SELECT id FROM orders LIMIT (SELECT ascii(ssn) FROM customers LIMIT 1)",
    "SELECT id FROM orders OFFSET (SELECT ascii(max(note)) FROM v_customers)",
    "SELECT id FROM v_customers WHERE note LIKE '1%'",
    "SELECT generate_series(1, ascii(ssn)) FROM customers",
    "SELECT 1 FROM customers, generate_series(1, ascii(ssn)) g",
    "SELECT 1 FROM (SELECT ssn AS harmless FROM customers) x WHERE harmless = '1'",
    "WITH q AS (SELECT ssn AS z FROM customers) SELECT 1 FROM q WHERE z = '1'",
    "WITH RECURSIVE q(z) AS (SELECT ssn FROM customers UNION SELECT z FROM q) SELECT count(*) FROM q",
    "WITH q AS (SELECT 1 FROM customers WHERE ssn = '1') SELECT 2",
    "UPDATE customers SET name = name WHERE ssn LIKE '1%'",
    "UPDATE orders SET total = 1 FROM customers c WHERE c.ssn = '1'",
    "UPDATE orders SET total = (SELECT 1 FROM customers WHERE ssn = '1')",
    "WITH customers AS (SELECT '' AS ssn) UPDATE customers SET name = name WHERE ssn LIKE '1%'",
    "DELETE FROM customers WHERE ssn LIKE '1%'",
    "DELETE FROM orders USING customers c WHERE c.ssn = '1' RETURNING orders.id",
    "WITH d AS (DELETE FROM customers WHERE ssn = '1' RETURNING id) SELECT count(*) FROM d",
    "INSERT INTO customers (id, ssn) VALUES (1, '1') ON CONFLICT (ssn) DO NOTHING",
    "INSERT INTO customers (id, ssn) VALUES (1, '1') ON CONFLICT DO NOTHING",
    "INSERT INTO customers (id, ssn) VALUES (1, '1') ON CONFLICT ON CONSTRAINT customers_ssn_key DO NOTHING",
    "INSERT INTO customers (id, ssn) VALUES (1, '1') ON CONFLICT (lower(ssn)) DO NOTHING",
    "INSERT INTO orders SELECT 1 FROM customers WHERE ssn = '1'",
    "MERGE INTO orders USING customers c ON c.ssn = '1' WHEN MATCHED THEN DELETE",
    "MERGE INTO orders o USING customers c ON c.id = o.id WHEN MATCHED AND c.ssn = '1' THEN DELETE",
    "EXPLAIN SELECT 1 FROM customers WHERE ssn > '1'",
    "COPY (SELECT 1 FROM customers WHERE ssn > '1') TO STDOUT",
    "PREPARE p AS SELECT 1 FROM customers WHERE ssn > $1",
    "DECLARE c CURSOR FOR SELECT 1 FROM customers WHERE ssn > '1'",
    "CREATE TABLE t AS SELECT id FROM customers WHERE ssn > '1'",
    "SELECT id INTO t FROM customers WHERE ssn > '1'",
];

#[test]
fn what_decides_about_rows_is_a_test() {
    for text in TESTS {
        let tested = traced(text).tested;
        assert!(!tested.columns.is_empty(), "{text}: {tested:?}");
    }
}

#[test]
fn what_may_fail_for_some_values_is_a_test() {
    for value in [
        "1 / (ascii(ssn) - 49)",
        "5 % length(ssn)",
        "ascii(ssn) + 9223372036854775807",
        "- length(ssn)",
        "(ssn LIKE '1%')::int",
        "replace(left(ssn, 1), '1', 'x')::int",
        "ssn::public.loot",
        "ssn::text[]",
        "sqrt(ascii(ssn) - 49)",
        "chr(ascii(ssn) - 49)",
        "substr('x', 1, ascii(ssn) - 50)",
        "left('x', ascii(ssn))",
        "repeat('x', ascii(ssn))",
        "to_date(ssn, 'YYYY')",
        "'x' ~ replace(ssn, '1', '(')",
        "'x' LIKE replace(ssn, '1', '\\')",
        "format('%I', substring(ssn from '^1'))",
        "format('%s', ssn)",
        "json_build_object(substring(ssn from '^1'), 1)",
        "json_object(ssn: 1)",
        "json_object('1': 1, ssn: 2 WITH UNIQUE KEYS)",
        "json_object_agg(substring(ssn from '^1'), 1)",
        "json_value(to_jsonb(ssn), '$.a' ERROR ON ERROR)",
        "json_arrayagg(ssn RETURNING varchar(2))",
        "xmlparse(CONTENT ssn)",
        "jsonb_path_query_first(to_jsonb(ssn), 'strict $.a')",
        "(length(ssn)).sqrt",
        "public.f(ssn)",
        "f(ssn)",
        "concat(VARIADIC string_to_array(ssn, ''))",
        "ssn OPERATOR(public.||) 'x'",
        "1 / ANY (SELECT length(ssn) FROM customers) IS NULL",
        "coalesce(substring(ssn from '^1'), (1 / (id - id))::text)",
        "(ssn LIKE '1%') AND (SELECT count(*) FROM orders) > 0",
        "(ssn LIKE '1%') OR 1 / (id - id) > 0",
        "unnest(string_to_array(ssn, '1'))",
        "pg_sleep(length(substring(ssn from '^1')))",
    ] {
        let text = format!("SELECT {value} FROM customers GROUP BY ()");
        if crate::facts::examine(&text).facts.statements.is_empty() {
            panic!("{value} cannot be read");
        }
        let tested = traced(&text).tested;
        assert!(!tested.columns.is_empty(), "{value}: {tested:?}");
    }
}

#[test]
fn what_cannot_fail_is_none() {
    for value in [
        "ssn || 'x' || name",
        "upper(ssn)::varchar(3)",
        "coalesce(ssn, name, '')",
        "ssn LIKE '1%' AND NOT ssn = '2' OR NULL",
        "ssn IS NULL",
        "greatest(ssn, '')",
        "substring(ssn from '^1')",
        "extract(year FROM created)",
        "to_char(ssn, 'YYYY') COLLATE \"C\"",
        "replace(ssn, '-', '')",
        "lag(name, 1, ssn) OVER (ORDER BY id)",
        "json_build_object('k', ssn)",
        "json_object('k': ssn)",
        "json_arrayagg(ssn), json_objectagg('k': ssn)",
        "xmlelement(name x, ssn)",
        "row_to_json(c)",
        "ROW(c.*), ARRAY[ssn], (ARRAY[ssn])[1]",
        "count(DISTINCT ssn), max(ssn), string_agg(ssn, ',')",
        "ssn = ANY ('{1,2}')",
        "1 / id, name::int, public.f(id), sqrt(id)",
    ] {
        let text = format!("SELECT {value} FROM customers c");
        let tested = traced(&text).tested;
        assert!(tested.columns.is_empty(), "{value}: {tested:?}");
    }
    for text in [
        "UPDATE customers SET note = 'x' WHERE id = 1 RETURNING old.id + new.id",
        "UPDATE customers SET note = 'x' WHERE id = 1 RETURNING WITH (OLD AS o) o.id + 1",
    ] {
        let tested = traced(text).tested;
        assert!(
            tested.columns.is_empty() && !tested.untold,
            "{text}: {tested:?}"
        );
    }
}

#[test]
fn what_tests_nothing_protected_is_left_alone() {
    for text in [
        "SELECT id, ssn FROM customers WHERE id = 1 ORDER BY name, 1 LIMIT 10 OFFSET $1",
        "SELECT ssn, id FROM customers ORDER BY 2",
        "SELECT name, max(ssn) FROM customers GROUP BY name HAVING count(*) > 1",
        "SELECT name AS n, count(*) FROM customers GROUP BY n ORDER BY n",
        "SELECT DISTINCT name FROM customers",
        "SELECT c.ssn FROM customers c JOIN orders o ON o.customer = c.id WHERE o.id = ANY ($1)",
        "SELECT * FROM customers c JOIN orders o USING (id)",
        "SELECT id FROM orders o WHERE EXISTS (SELECT * FROM customers c WHERE c.id = o.customer)",
        "SELECT ssn FROM customers UNION ALL SELECT name FROM customers",
        "SELECT id, row_number() OVER (PARTITION BY name ORDER BY id) FROM customers",
        "SELECT string_agg(ssn, ',' ORDER BY id) FROM customers",
        "SELECT CASE WHEN id = 1 THEN ssn END FROM customers",
        "SELECT nullif(name, ''), ssn FROM customers",
        "SELECT id, upper(name) AS ssn FROM customers ORDER BY ssn",
        "SELECT count(*) FROM (SELECT ssn FROM customers LIMIT 5) x",
        "SELECT id FROM v_customers WHERE id > 3",
        "SELECT total FROM orders o WHERE o.total = '1'::public.coins OR public.f(o.id)",
        "UPDATE customers SET ssn = '1' WHERE id = 1 RETURNING ssn",
        "INSERT INTO public.orders (id) VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO customers (id, ssn) VALUES (1, '1') ON CONFLICT (id) DO UPDATE SET ssn = excluded.ssn",
        "DELETE FROM customers WHERE id = 1",
        "COPY customers TO STDOUT",
        "SET search_path = public",
        "CREATE TABLE t (ssn text)",
    ] {
        let tested = traced(text).tested;
        assert!(
            tested.columns.is_empty() && !tested.untold,
            "{text}: {tested:?}"
        );
    }
}

#[test]
fn a_test_that_cannot_be_followed_is_told() {
    let deep = format!(
        "SELECT 1 FROM {}customers{}",
        "(SELECT * FROM ".repeat(40),
        ") x".repeat(40)
    );
    let wide = format!(
        "SELECT 1 FROM customers WHERE {}",
        vec!["id = 1"; 5000].join(" OR ")
    );
    for text in [
        deep.as_str(),
        wide.as_str(),
        "SELECT 1 FROM customers WHERE nobody = 1",
        "SELECT 1 FROM customers NATURAL JOIN nobody_knows",
        "SELECT 1 FROM customers NATURAL JOIN (SELECT (SELECT '1' AS ssn)) s",
        "SELECT count(*) FROM nobody_knows AS n(a, b, c) WHERE c LIKE '1%'",
        "SELECT id FROM customers, nobody_knows AS n(a) ORDER BY a",
        "SELECT count(*) FROM nobody_knows n(x), customers GROUP BY x",
        "WITH RECURSIVE q AS (SELECT 1 AS n UNION ALL SELECT n FROM q) SEARCH DEPTH FIRST BY n SET o SELECT 1 FROM q",
    ] {
        assert!(
            traced(text).tested.untold,
            "{}",
            text.get(..80).unwrap_or(text)
        );
    }
    let guessed = traced("SELECT 1 FROM nobody_knows n WHERE ssn = '1' AND n.name = '2'").tested;
    assert!(!guessed.untold && guessed.guessed.len() == 2);
}

#[test]
fn a_name_that_may_mean_something_new_still_means_what_it_did() {
    let traced = |text: &str| {
        let outline = one(text).outline.expect(text);
        let open = Catalog {
            open: true,
            ..catalog()
        };
        trace(&outline, &open)
    };
    for text in [
        "SELECT count(*) FROM customers WHERE ssn LIKE '1%'",
        "SELECT id FROM v_customers WHERE note LIKE '1%'",
        "SELECT id FROM v_customers ORDER BY note",
        "SELECT id FROM customers c WHERE c::text LIKE '%1%'",
    ] {
        assert!(!traced(text).tested.columns.is_empty(), "{text}");
    }
    let renamed = "SELECT count(*) FROM customers AS c(a, b, s) WHERE s LIKE '1%'";
    assert!(traced(renamed).tested.untold);
    let other = traced("SELECT total FROM public.orders WHERE total = 1");
    assert!(!other.tested.untold && other.tested.columns.is_empty());
    let shown = other.shown.expect("its columns are named");
    assert_eq!(said(&shown[0].origins), '?', "it may be a new relation's");
}

/// Texts whose columns or queries double with each step.
fn doubling() -> [String; 4] {
    let chain = |first: &str, step: &dyn Fn(usize) -> String| {
        let steps: String = (1..=60).map(step).collect();
        format!("WITH q0 AS ({first}){steps} SELECT * FROM q60")
    };
    let stars = chain("SELECT * FROM customers", &|n| {
        format!(", q{n} AS (SELECT *, * FROM q{})", n - 1)
    });
    let tables = chain("SELECT * FROM customers", &|n| {
        format!(", q{n} AS (SELECT a.*, b.* FROM q{0} a, q{0} b)", n - 1)
    });
    let names = chain("SELECT ssn FROM customers", &|n| {
        format!(", q{n} AS (SELECT * FROM q{0} a CROSS JOIN q{0} b)", n - 1)
    });
    let mut nested = "SELECT id FROM customers".to_owned();
    for n in 0..22 {
        nested = format!("WITH RECURSIVE r{n} AS ({nested}) SELECT * FROM r{n}");
    }
    [stars, tables, names, nested]
}

#[test]
fn what_doubles_with_each_step_is_given_up_at_once() {
    for text in doubling() {
        let outline = one(&text).outline.expect("it is drawn");
        let start = std::time::Instant::now();
        let trace = trace(&outline, &catalog());
        let took = start.elapsed();
        let said = text.get(..80).unwrap_or_default();
        assert!(trace.shown.is_none() && trace.tested.untold, "{said}");
        assert!(took < std::time::Duration::from_secs(2), "{said}: {took:?}");
    }
}

#[test]
fn a_place_is_never_shared_between_texts_of_one_shape() {
    for text in [
        "SELECT id, ssn FROM customers WHERE id = 1 ORDER BY 1",
        "SELECT id, ssn FROM customers WHERE id = 1 GROUP BY 1, 2",
        "SELECT DISTINCT ON (1) id, ssn FROM customers",
    ] {
        assert!(!crate::facts::examine(text).literal_free, "{text}");
    }
}

#[test]
fn the_first_look_at_a_statement_is_short() {
    const TIMES: u32 = 200;
    let text = "SELECT c.id, upper(c.name), max(c.ssn), count(*) FROM customers c JOIN public.orders o \
                ON o.customer = c.id WHERE o.total > $1 GROUP BY c.id, c.name ORDER BY 2 LIMIT 10";
    let outline = one(text).outline.expect(text);
    let start = std::time::Instant::now();
    for _ in 0..TIMES {
        let _ = trace(&outline, &catalog());
    }
    let each = start.elapsed() / TIMES;
    println!("a trace takes {each:?}, unoptimised");
    assert!(each < std::time::Duration::from_millis(5), "{each:?}");
}
