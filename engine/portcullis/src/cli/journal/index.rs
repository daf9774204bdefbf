//! `journal index`: the index beside the record, brought up to date or built anew. It refuses to touch the index of a
//! record that a gateway is writing: it asks the gateway to build it, and watches.

use super::Record;
use crate::cli::search::unanswered;
use crate::cli::{Exit, Shape, Whereabouts, explain, paint};
use clap::Args;
use portcullis_journal::index::{Index, ask_rebuild, build};
use portcullis_journal::is_live;
use serde_json::json;
use std::path::Path;

/// The index.
#[derive(Debug, Args)]
pub struct BuildIndex {
    /// Throw away what there is and read the whole record
    #[arg(long)]
    rebuild: bool,
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    at: Whereabouts,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn build_index(wanted: &BuildIndex) -> Result<(), Exit> {
    let dir = wanted.record.dir(&wanted.at)?;
    if is_live(&dir) {
        return ask(wanted, &dir);
    }
    let key = wanted.record.key(&wanted.at)?;
    let built = build(&dir, &key, wanted.rebuild).map_err(unanswered)?;
    let seconds = built.took.as_secs_f64();
    let rate = built.entries as f64 / seconds.max(1e-6);
    if wanted.shape.json {
        return Ok(paint::json(&json!({
            "entries": built.entries, "position": built.position, "seconds": seconds, "entries_per_second": rate,
        }))?);
    }
    Ok(paint::say(&format!(
        "{} entries in {seconds:.1} s, {rate:.0} a second; the index has {} of the record's entries",
        built.entries, built.position.indexed
    ))?)
}

fn ask(wanted: &BuildIndex, dir: &Path) -> Result<(), Exit> {
    if wanted.rebuild {
        ask_rebuild(dir).map_err(|error| Exit::refused(format!("ask the gateway: {error}")))?;
        return Ok(paint::say(
            "the gateway was asked to build the index anew; `portcullis status` says how far it is",
        )?);
    }
    let position = Index::of(dir).position().map_err(unanswered)?;
    if wanted.shape.json {
        return Ok(paint::json(&json!({"position": position}))?);
    }
    Ok(paint::say(&format!(
        "a gateway keeps the index; it has {} entries",
        position.indexed
    ))?)
}

impl Record {
    /// The index of the record. Where no gateway keeps it up, that is done here.
    pub(in crate::cli) fn index(&self, at: &Whereabouts) -> Result<Index, Exit> {
        let dir = self.dir(at)?;
        if !is_live(&dir) {
            let key = self.key(at)?;
            build(&dir, &key, false).map_err(|error| {
                Exit::refused_with(
                    format!("bring the index up to date: {}", explain(&error)),
                    "`portcullis journal verify` says whether the record is whole",
                )
            })?;
        }
        Ok(Index::of(&dir))
    }
}
