//! Nothing reaches a client that was not masked and recorded.
use portcullis_gate::{Release, Sequence};

fn main() {
    let _ = Release { frames: vec!["row".into()], sequence: Sequence(1) };
}
