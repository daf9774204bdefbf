//! Events of a watch under a filter. Objects that carry other labels than before enter the set and leave it: whoever
//! watches is told `ADDED` and `DELETED`, as the API server tells those who watch with a selector.
//!
//! It refuses to tell of an object that this watch has never shown, and what became of one that has left: its name is
//! all that is said.

use super::Sieve;
use super::shown::{Meta, Shown};
use crate::json::Broken;
use portcullis_model::limits;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

/// What a watch has seen of the objects that can change sides.
#[derive(Default)]
pub(super) struct Seen {
    hasher: RandomState,
    /// True for those inside.
    known: HashMap<u64, bool>,
}

/// What is told of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The event itself.
    As,
    /// The event, under this type.
    Named(&'static str),
    /// Another one.
    Instead(String),
    /// Nothing.
    Nothing,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Shown,
}

impl Seen {
    /// Judges an event.
    pub(super) fn judge(&mut self, sieve: &Sieve, event: &[u8]) -> Result<Told, Broken> {
        let event: Event = serde_json::from_slice(event).map_err(|_| Broken)?;
        let shown = &event.object;
        match event.kind.as_str() {
            "ERROR" if shown.is_status() => return Ok(Told::As),
            "BOOKMARK" if is_bookmark(shown) => return Ok(Told::As),
            "ADDED" | "MODIFIED" | "DELETED" => {}
            _ => return Ok(Told::Nothing),
        }
        let kept = shown.each(|meta| sieve.keeps(meta));
        let changes = shown.only().filter(|_| sieve.asks_labels());
        let Some(meta) = changes else {
            return Ok(match kept {
                true => Told::As,
                false => Told::Nothing,
            });
        };
        let before = self.change(meta, (event.kind != "DELETED").then_some(kept))?;
        Ok(match (kept, before, event.kind.as_str()) {
            (true, Some(false), "MODIFIED") => Told::Named("ADDED"),
            // It has left, or is gone after it has left.
            (true, Some(false), "DELETED") => Told::Nothing,
            (true, _, _) => Told::As,
            (false, Some(true), _) => Told::Instead(gone(shown, meta)),
            (false, _, _) => Told::Nothing,
        })
    }

    /// Where the object is now, none where it is gone; returns where it was.
    fn change(&mut self, meta: &Meta, inside: Option<bool>) -> Result<Option<bool>, Broken> {
        let key = self.hasher.hash_one((&meta.namespace, &meta.name));
        let Some(inside) = inside else {
            return Ok(self.known.remove(&key));
        };
        if self.known.len() >= limits::WATCH_KNOWN_MAX && !self.known.contains_key(&key) {
            return Err(Broken);
        }
        Ok(self.known.insert(key, inside))
    }
}

/// A version, and nothing of any object.
fn is_bookmark(shown: &Shown) -> bool {
    let nameless = |meta: Option<&Meta>| meta.is_none_or(|meta| meta.name.is_none());
    let rows = shown.rows.iter().flatten();
    let bare = |meta: Option<&Meta>| match meta {
        Some(meta) => meta.name.as_deref().unwrap_or_default().is_empty(),
        None => true,
    };
    (nameless(shown.metadata.as_ref()) || bare(shown.metadata.as_ref()))
        && rows.into_iter().all(|row| bare(row.meta()))
}

/// An object is not there any longer, for whoever watches.
fn gone(shown: &Shown, meta: &Meta) -> String {
    let mut metadata = json!({"name": meta.name});
    for (name, value) in [
        ("namespace", &meta.namespace),
        ("uid", &meta.uid),
        ("resourceVersion", &meta.version),
    ] {
        if let (Some(value), Some(members)) = (value, metadata.as_object_mut()) {
            members.insert(name.to_owned(), value.as_str().into());
        }
    }
    let object = match shown.is_table() {
        false => json!({"kind": shown.kind, "apiVersion": shown.api, "metadata": metadata}),
        true => {
            let count = shown.rows.iter().flatten().map(|row| row.cells.len()).max();
            let mut cells = vec![Value::Null; count.unwrap_or_default().max(1)];
            if let Some(first) = cells.first_mut() {
                *first = json!(meta.name);
            }
            let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": shown.api, "metadata": metadata});
            json!({
                "kind": "Table",
                "apiVersion": shown.api,
                "metadata": {"resourceVersion": meta.version},
                "columnDefinitions": [],
                "rows": [{"cells": cells, "object": partial}],
            })
        }
    };
    json!({"type": "DELETED", "object": object}).to_string()
}

/// An event under another type; `at` is where its type stands.
pub(super) fn renamed(event: &[u8], at: &Range<usize>, name: &str) -> Result<Vec<u8>, Broken> {
    let (front, back) = (event.get(..at.start), event.get(at.end..));
    let (Some(front), Some(back)) = (front, back) else {
        return Err(Broken);
    };
    Ok([front, name.as_bytes(), back].concat())
}
