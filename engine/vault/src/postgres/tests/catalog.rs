//! The catalog of a real server: what is derived from what, and what stays unknown.

use super::cluster::Cluster;
use crate::postgres::PostgresCatalog;
use portcullis_gate::Catalog as _;
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
