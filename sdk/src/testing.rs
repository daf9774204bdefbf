//! The author's harness: runs a plugin natively through the same flat calls as the gateway, and checks for free what
//! the gateway relies on: determinism, batches cut anywhere between cells, streams cut at every byte, rules that
//! the manifest knows, needles in every cell in which something is found. It panics with a readable message, as tests do.
//!
//! ```ignore
//! harness::<Pii>(json!({})).columns(&["mail"]).row(&["to ana@example.org"]).expect(&["to [pc-masked:email]"]);
//! masker_fixtures::<Pii>("fixtures");              // every trace of the folder, against its golden file
//! ```

mod classifier;
mod examine;
mod fixtures;
mod flat;
mod masker;
mod needles;
mod release;
mod subject;
pub mod trace;
pub mod ways;

pub use classifier::{ClassifierHarness, classifier};
pub use examine::{Examined, examine, opinion_json};
pub use fixtures::{
    BLESS, Fixture, TRANSCRIPTS, classifier_fixtures, compare, fixtures_in, masker_fixtures,
};
pub use masker::{Found, Harness, Row, harness};
pub use subject::{Instance, Masked, Report, Subject, stream_labels};

use crate::{Described, Manifest};

/// The manifest of a plugin, checked.
///
/// # Panics
/// When it is malformed.
#[must_use]
pub fn manifest<P: Described>() -> Manifest {
    Manifest::parse(P::MANIFEST).unwrap_or_else(|e| panic!("plugin.json: {e}"))
}

/// Labels of a stream, as the gateway sends them.
fn stream_json() -> Vec<u8> {
    serde_json::json!({
        "protocol": "postgres", "target": "orders", "labels": {"env": "test"},
        "database": "orders", "actor": "human", "groups": [],
    })
    .to_string()
    .into_bytes()
}
