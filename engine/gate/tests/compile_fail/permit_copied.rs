//! A permit cannot be kept for later.
use portcullis_gate::Permit;

fn keep(permit: &Permit) -> Permit {
    permit.clone()
}

fn main() {
    let _ = keep;
}
