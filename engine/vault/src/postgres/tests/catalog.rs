//! The catalog of a real server: what is derived from what, and what stays unknown.

use super::cluster::Cluster;
use crate::postgres::PostgresCatalog;
use portcullis_gate::Catalog as _;
use portcullis_gate::lineage::Origins;
use portcullis_stream::Tripwires;
use std::time::Duration;

async fn oid(cluster: &Cluster, name: &str) -> u32 {
    let query = format!("SELECT '{name}'::regclass::oid::int8");
    u32::try_from(cluster.count(&query).await).unwrap()
}

#[tokio::test]
async fn relations_are_known_with_their_sources_or_not_at_all() {
    let cluster = Cluster::start().await;
    cluster
        .sql(
            "CREATE SCHEMA hr;
             CREATE VIEW v1 AS SELECT id, ssn AS note FROM users;
             CREATE MATERIALIZED VIEW hr.v2 AS SELECT note FROM v1;
             CREATE TABLE events (at date, who text) PARTITION BY RANGE (at);
             CREATE TABLE events_2026 PARTITION OF events
                 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
             CREATE FUNCTION peek() RETURNS text LANGUAGE sql AS 'SELECT ssn FROM users LIMIT 1';
             CREATE VIEW through_function AS SELECT peek() AS p;
             CREATE VIEW over_it AS SELECT p FROM through_function;
             CREATE VIEW as_xml AS SELECT query_to_xml('SELECT ssn FROM users', true, true, '');
             CREATE VIEW histogram AS SELECT most_common_vals::text FROM pg_stats;
             CREATE VIEW who AS SELECT query FROM pg_stat_activity;",
        )
        .await;
    let catalog = PostgresCatalog::new(cluster.admin(), Tripwires::new(), Duration::from_secs(30));
    let users = oid(&cluster, "users").await;
    assert!(catalog.relation(users).is_none(), "nothing is loaded yet");
    catalog.load().await.unwrap();
    let relation = catalog.relation(users).unwrap();
    assert!(relation.table && relation.sources.is_empty());
    assert_eq!(relation.columns, ["id", "email", "", "ssn"]);
    let [view] = &catalog.named("v2")[..] else {
        panic!("one relation is named v2");
    };
    assert!(!view.table && view.schema == "hr");
    assert!(view.sources.contains(&users) && view.sources.len() == 2);
    let events = oid(&cluster, "events").await;
    assert_eq!(catalog.named("events_2026")[0].sources, [events]);
    for unknown in [
        "through_function",
        "over_it",
        "as_xml",
        "histogram",
        "who",
        "pg_stats",
        "pg_stat_activity",
        "pg_authid",
    ] {
        assert!(catalog.named(unknown).is_empty(), "{unknown}");
    }
    assert!(!catalog.named("pg_class").is_empty());
    new_relations_are_found_on_demand(&cluster, &catalog).await;
}

async fn new_relations_are_found_on_demand(cluster: &Cluster, catalog: &PostgresCatalog) {
    cluster.sql("CREATE TABLE fresh (a int)").await;
    let fresh = oid(cluster, "fresh").await;
    assert!(catalog.relation(fresh).is_none());
    catalog.refresh(&[fresh, 4_000_000_000]).await.unwrap();
    assert_eq!(catalog.relation(fresh).unwrap().name, "fresh");
    assert!(catalog.relation(4_000_000_000).is_none());
    // A temporary table hides where its values came from.
    cluster.sql("CREATE TABLE later (a int)").await;
    catalog.refresh(&[4_000_000_000]).await.unwrap();
    assert!(
        catalog.named("later").is_empty(),
        "nothing was read again so soon"
    );
}

/// What each column of a view is made of, as columns of `users`; `?` for anything.
fn made_of(catalog: &PostgresCatalog, users: u32, view: &str) -> Vec<String> {
    let [view] = &catalog.named(view)[..] else {
        panic!("one relation is named {view}");
    };
    let base = catalog.relation(users).unwrap();
    let name = |(oid, number): &(u32, u16)| match *oid == users {
        true => base.columns[usize::from(*number) - 1].clone(),
        false => format!("{oid}.{number}"),
    };
    let column = |origins: &Origins| {
        let mut names: Vec<String> = origins.columns.iter().map(name).collect();
        names.extend(origins.unknown.then(|| "?".to_owned()));
        names.join("+")
    };
    view.origins.iter().map(column).collect()
}

#[tokio::test]
async fn columns_of_views_are_followed_to_those_of_tables() {
    let cluster = Cluster::start().await;
    cluster
        .sql(
            "CREATE SCHEMA hr;
             CREATE TYPE mood AS ENUM ('good', 'bad');
             CREATE VIEW v1 AS SELECT id, ssn AS note FROM users;
             ALTER VIEW v1 RENAME COLUMN id TO number;
             CREATE MATERIALIZED VIEW hr.v2 AS SELECT upper(note) AS n, number + 1 AS m, now() AS at FROM v1;
             CREATE VIEW v3(a, b) AS WITH q AS (SELECT email, max(ssn) AS m FROM users GROUP BY email)
                 SELECT q.m, q.email FROM q UNION ALL SELECT v.n, 'x' FROM hr.v2 v ORDER BY 1;
             CREATE VIEW v4 AS SELECT x.*, CASE WHEN y.ssn = '' THEN y.id END AS c, 'good'::mood AS mood,
                 (SELECT count(*) FROM users) AS many, EXISTS (SELECT 1 FROM users u WHERE u.ssn = x.email) AS there
                 FROM users x LEFT JOIN users y USING (id);
             CREATE VIEW v5 AS SELECT u AS whole, u.email::mood AS cast_to_own FROM users u;
             CREATE VIEW v6 AS WITH RECURSIVE q(n, z) AS (SELECT 1, '' UNION ALL
                 SELECT n + 1, z || (SELECT min(ssn) FROM users) FROM q WHERE n < 3) SELECT n, z FROM q;
             CREATE VIEW v7 AS SELECT e.key, e.value FROM users u, LATERAL json_each_text(row_to_json(u)) e;
             CREATE VIEW v8 AS SELECT relname FROM pg_class;",
        )
        .await;
    let catalog = PostgresCatalog::new(cluster.admin(), Tripwires::new(), Duration::from_secs(30));
    catalog.load().await.unwrap();
    let users = oid(&cluster, "users").await;
    let of = |view: &str| made_of(&catalog, users, view);
    assert_eq!(of("v1"), ["id", "ssn"]);
    assert_eq!(of("v2"), ["ssn", "id", ""]);
    assert_eq!(of("v3"), ["ssn", "email"]);
    assert_eq!(of("v4"), ["id", "email", "ssn", "id+ssn", "", "", ""]);
    assert_eq!(of("v5"), ["id+email+ssn+?", "email+?"]);
    assert_eq!(of("v6"), ["", "ssn"]);
    assert_eq!(of("v7"), ["id+email+ssn", "id+email+ssn"]);
    assert_eq!(of("v8").len(), 1);
    changes_are_told(&cluster, &catalog).await;
}

async fn changes_are_told(cluster: &Cluster, catalog: &PostgresCatalog) {
    let before = catalog.generation();
    catalog.refresh(&[4_000_000_001]).await.unwrap();
    assert_eq!(catalog.generation(), before, "nothing has changed");
    cluster
        .sql("CREATE OR REPLACE VIEW v1 AS SELECT id AS number, email AS note FROM users")
        .await;
    catalog.refresh(&[4_000_000_002]).await.unwrap();
    assert_eq!(catalog.generation(), before + 1);
    let users = oid(cluster, "users").await;
    assert_eq!(made_of(catalog, users, "v1"), ["id", "email"]);
    assert_eq!(made_of(catalog, users, "v2"), ["email", "id", ""]);
}
