//! What the columns of views are made of, in columns of tables: from the definition that the server itself gives
//! of each view, through views of views.
//!
//! It exists so that a view over a protected table need not be masked as a whole. It refuses to guess: a view
//! that cannot be followed has no origins, and a column that may be made of anything says so.

use super::catalog_rows::Rows;
use portcullis_gate::Relation;
use portcullis_gate::lineage::{Names, Origins, trace};
use portcullis_model::Outline;
use std::collections::HashMap;
use std::sync::Arc;

/// The schema that names without one belong to: the search path of the side connection.
const BUILT_IN: &str = "pg_catalog";

/// Definitions that have been read before, by their text.
#[derive(Default)]
pub(crate) struct Definitions {
    known: HashMap<String, Option<Arc<Outline>>>,
}

impl Definitions {
    /// The relations with what their columns are made of, and the definitions that are still in use.
    pub(crate) fn trace(self, rows: Rows) -> (Self, Vec<Arc<Relation>>) {
        let (known, outlines) = self.read(rows.definitions);
        let mut relations = rows.relations;
        // Whatever a view is derived from is derived from less.
        relations.sort_by_key(|relation| relation.sources.len());
        let mut traced = Traced::default();
        for mut relation in relations {
            let outline = outlines.get(&relation.oid).filter(|_| !relation.table);
            if let Some(outline) = outline {
                relation.origins = traced.origins(&relation, outline);
            }
            traced.add(Arc::new(relation));
        }
        (Self { known }, traced.all)
    }

    fn read(
        mut self,
        definitions: Vec<(u32, String)>,
    ) -> (
        HashMap<String, Option<Arc<Outline>>>,
        HashMap<u32, Arc<Outline>>,
    ) {
        let mut kept = HashMap::with_capacity(definitions.len());
        let mut fresh: Vec<String> = Vec::new();
        for (_, text) in &definitions {
            match self.known.remove_entry(text) {
                Some((text, outline)) => {
                    kept.insert(text, outline);
                }
                None if !kept.contains_key(text) => fresh.push(text.clone()),
                None => {}
            }
        }
        if !fresh.is_empty() {
            let drawn = portcullis_sql::outlines(&fresh);
            kept.extend(
                fresh
                    .into_iter()
                    .zip(drawn.into_iter().map(|o| o.map(Arc::new))),
            );
        }
        let outline = |(oid, text): &(u32, String)| Some((*oid, kept.get(text)?.clone()?));
        let outlines = definitions.iter().filter_map(outline).collect();
        (kept, outlines)
    }
}

/// Relations whose origins are known already.
#[derive(Default)]
struct Traced {
    all: Vec<Arc<Relation>>,
    names: HashMap<String, Vec<Arc<Relation>>>,
}

impl Traced {
    fn add(&mut self, relation: Arc<Relation>) {
        let names = self.names.entry(relation.name.clone()).or_default();
        names.push(relation.clone());
        self.all.push(relation);
    }

    /// For each column of a view; none where it cannot be followed.
    fn origins(&self, view: &Relation, outline: &Outline) -> Vec<Origins> {
        let shown = trace(outline, self).shown.unwrap_or_default();
        match shown.len() == view.columns.len() {
            true => shown.into_iter().map(|column| column.origins).collect(),
            false => Vec::new(),
        }
    }
}

impl Names for Traced {
    fn relations(&self, schema: Option<&str>, name: &str) -> Vec<Arc<Relation>> {
        let schema = schema.unwrap_or(BUILT_IN);
        let named = self.names.get(name).into_iter().flatten();
        let named = named.filter(|relation| relation.schema == schema);
        named.cloned().collect()
    }

    fn origins(&self, relation: &Relation, place: usize) -> Origins {
        match relation.origins.get(place) {
            Some(origins) => origins.clone(),
            None => Origins::column(relation.oid, place),
        }
    }
}
