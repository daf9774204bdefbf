//! What policy allowed is not yet recorded, and so may not be written.
use portcullis_gate::{Allowed, Permit};

fn forward(permit: Permit) {
    let _ = permit.into_frames();
}

fn skip_the_record(allowed: Allowed) {
    forward(allowed);
}

fn main() {
    let _ = skip_the_record;
}
