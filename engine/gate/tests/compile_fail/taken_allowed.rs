//! The bytes cannot be taken out of what is judged, to be written some other way.
use portcullis_gate::Held;

fn steal(held: Held) -> portcullis_model::message::Message {
    held.message
}

fn main() {
    let _ = steal;
}
