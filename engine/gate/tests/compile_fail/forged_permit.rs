//! A permit cannot be built by hand.
use portcullis_gate::{Permit, Sequence};

fn main() {
    let _ = Permit { frames: Vec::new(), sequence: Sequence(1) };
}
