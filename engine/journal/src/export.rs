//! A session in the formats of others: a transcript in SQL, requests as HTTP Archive, events in OCSF. (A terminal as
//! asciicast is a [`crate::Film`]; everything as it stands is [`crate::replay_jsonl`].)
//!
//! Refuses to write what was refused as if it had run, and lets no byte of the recording act on a terminal.

mod har;
mod ocsf;
mod sql;

pub use har::export_har;
pub use ocsf::{Actors as OcsfActors, OCSF_VERSION, event as ocsf_event, export_ocsf};
pub use sql::export_sql;

use crate::read::ReadEntry;
use portcullis_gate::EntryKind;
use serde_json::Value;

fn is(entry: &ReadEntry, kind: EntryKind) -> bool {
    entry.kind == kind as u8
}

fn json(entry: &ReadEntry) -> Value {
    serde_json::from_slice(&entry.payload).unwrap_or_default()
}

fn string<'a>(json: &'a Value, pointer: &str) -> &'a str {
    json.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
