//! Reads the system catalogs into relations with their sources.
//!
//! It exists to say where a column's values can come from. It refuses to know a relation whose sources
//! cannot be told: a view over a function with a body of its own, over statistics or over other sessions'
//! statements, and everything derived from one. What it does not know is masked.

use crate::error::VaultError;
use portcullis_gate::Relation;
use portcullis_model::limits;
use std::collections::{HashMap, HashSet};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

/// Temporary relations are left out: what a session copied into one has lost its origin.
const RELATIONS: &str = "
    SELECT c.oid, n.nspname::text, c.relname::text, c.relkind NOT IN ('v', 'm'),
           coalesce((
               SELECT array_agg(CASE WHEN a.attisdropped THEN '' ELSE a.attname::text END
                                ORDER BY a.attnum)
               FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0), '{}')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND c.relpersistence <> 't' AND n.nspname <> 'pg_toast'
    LIMIT $1";

/// (derived, source): children of parents and partitions of tables, views of what they read.
const SOURCES: &str = "
    SELECT inhrelid, inhparent FROM pg_inherits
    UNION
    SELECT r.ev_class, d.refobjid
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid <> r.ev_class";

/// Views, what they are defined as, and whether their values may come from where no dependency leads. What is
/// built in is not recorded as a dependency, so the text of the view is searched for it. The text is the
/// server's own, from the tree that it keeps: under our search_path every name that is not built in has its
/// schema.
const VIEWS: &str = r"
    SELECT v.oid, v.text,
      coalesce(v.text ~* '(_to_xml|ts_stat|ts_rewrite|dblink|\mlo_get|\mloread|pg_read_|pg_stat_activity|pg_stat_get_activity|pg_stat_statements|pg_stats|pg_statistic|pg_largeobject|pg_authid|pg_shadow|pg_user_mapping|pg_subscription|pg_logical_slot)', true)
       OR EXISTS (
           SELECT FROM pg_rewrite r
           JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
           LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
           JOIN pg_proc p ON p.oid = CASE d.refclassid
               WHEN 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode::oid END
           JOIN pg_language l ON l.oid = p.prolang
           WHERE r.ev_class = v.oid AND l.lanname NOT IN ('internal', 'c'))
    FROM (SELECT oid, pg_get_viewdef(oid) AS text FROM pg_class
          WHERE relkind IN ('v', 'm') AND oid >= 16384 OFFSET 0) v";

/// System relations that hold values of other tables, statements of others, or secrets.
const TELLTALES: [&str; 14] = [
    "pg_authid",
    "pg_largeobject",
    "pg_shadow",
    "pg_stat_activity",
    "pg_stat_statements",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_subscription",
    "pg_user_mapping",
    "pg_user_mappings",
    "user_mapping_options",
];

/// What the catalog of a target holds.
pub(crate) struct Rows {
    /// All relations whose sources are known; of views not yet what their columns are made of.
    pub(crate) relations: Vec<Relation>,
    /// What views are defined as, by OID.
    pub(crate) definitions: Vec<(u32, String)>,
}

/// Reads it.
pub(crate) async fn read(client: &Client) -> Result<Rows, VaultError> {
    let most = i64::try_from(limits::CATALOG_RELATIONS_MAX).unwrap_or(i64::MAX);
    let beyond = most.saturating_add(1);
    let bound: [(&(dyn ToSql + Sync), Type); 1] = [(&beyond, Type::INT8)];
    let (relations, sources, views) = tokio::try_join!(
        client.query_typed(RELATIONS, &bound),
        client.query_typed(SOURCES, &[]),
        client.query_typed(VIEWS, &[]),
    )
    .map_err(VaultError::Catalog)?;
    if relations.len() > limits::CATALOG_RELATIONS_MAX {
        return Err(VaultError::CatalogBounds);
    }
    let relations = relations.iter().map(|row| Relation {
        oid: row.get(0),
        schema: row.get(1),
        name: row.get(2),
        table: row.get(3),
        columns: row.get(4),
        sources: Vec::new(),
        origins: Vec::new(),
    });
    let mut edges: HashMap<u32, Vec<u32>> = HashMap::new();
    for row in &sources {
        edges.entry(row.get(0)).or_default().push(row.get(1));
    }
    let opaque = views.iter().filter(|row| row.get(2));
    let opaque = opaque.map(|row| row.get(0)).collect();
    let definition = |row: &Row| Some((row.get(0), row.get::<_, Option<String>>(1)?));
    Ok(Rows {
        relations: resolve(relations.collect(), &edges, opaque),
        definitions: views.iter().filter_map(definition).collect(),
    })
}

/// Fills in the sources, transitively, and leaves out what has an unknown one.
fn resolve(
    relations: Vec<Relation>,
    edges: &HashMap<u32, Vec<u32>>,
    mut opaque: HashSet<u32>,
) -> Vec<Relation> {
    let telltale = |r: &&Relation| TELLTALES.contains(&r.name.as_str());
    opaque.extend(relations.iter().filter(telltale).map(|r| r.oid));
    let known: HashSet<u32> = relations.iter().map(|r| r.oid).collect();
    relations
        .into_iter()
        .filter_map(|mut relation| {
            relation.sources = ancestors(relation.oid, edges);
            let told = std::iter::once(&relation.oid)
                .chain(&relation.sources)
                .all(|oid| known.contains(oid) && !opaque.contains(oid));
            told.then_some(relation)
        })
        .collect()
}

fn ancestors(oid: u32, edges: &HashMap<u32, Vec<u32>>) -> Vec<u32> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([oid]);
    let mut open = vec![oid];
    while let Some(next) = open.pop() {
        for source in edges.get(&next).into_iter().flatten() {
            if seen.insert(*source) {
                found.push(*source);
                open.push(*source);
            }
        }
    }
    found
}
