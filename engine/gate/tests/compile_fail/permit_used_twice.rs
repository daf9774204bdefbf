//! One permit, one write.
use portcullis_gate::Permit;

fn write(permit: Permit) {
    let _ = permit.into_frames();
    let _ = permit.into_frames();
}

fn main() {
    let _ = write;
}
