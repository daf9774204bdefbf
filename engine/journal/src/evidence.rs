//! Evidence for an auditor: who had access, who used it, what was approved, refused and broken, over a time, as tables
//! (CSV, JSON, a page to read) in a folder whose manifest the gateway signs. Each row comes from entries of the record,
//! and the folder holds those entries with a proof that a signed checkpoint covers them, so that somebody with the public
//! key and nothing else can check both.
//!
//! ```text
//! manifest               C2SP signed note: every file with its length and SHA-256
//! report.html            the tables, to read: no script, nothing from elsewhere
//! access.csv .json …     the tables; `controls` leads from the controls of a framework to the others
//! entries.jsonl          the entries that rows come from: frame, head of the chain before it, proof
//! checkpoints            the signed checkpoints of the time, and the one that the proofs lead to
//! ```
//!
//! Refuses to write into a folder that is there. What it cannot show: that no row was left out by whoever holds the key;
//! for that the record itself is verified, against a checkpoint kept elsewhere.

mod collect;
mod desk;
mod framework;
mod package;
mod page;
mod table;
mod verify;

pub use framework::Framework;
pub use package::{Written, export};
pub use table::Table;
pub use verify::{Checked, verify};

use crate::error::Error;
use portcullis_model::Timestamp;

/// What evidence is wanted of.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Not before.
    pub from: Timestamp,
    /// Before.
    pub until: Timestamp,
}

/// What can go wrong with evidence.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The time is none.
    #[error("the time from {} until {} is none", from.rfc3339(), until.rfc3339())]
    Time {
        /// From.
        from: Timestamp,
        /// Until.
        until: Timestamp,
    },
    /// The record.
    #[error(transparent)]
    Record(#[from] Error),
    /// There is no checkpoint to prove anything with.
    #[error("the record has no checkpoint yet")]
    NoCheckpoint,
    /// The folder.
    #[error("write the folder: {0}")]
    Folder(#[source] std::io::Error),
    /// A file of a folder that is verified.
    #[error("read {file}: {source}")]
    Read {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
