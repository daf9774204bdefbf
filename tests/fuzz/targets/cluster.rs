//! Answers of a cluster and bodies for it. Laws: nothing panics; however an answer is cut, what is released is the
//! same as of the whole; what is released is JSON wherever the answer was.
//!
//! Input: a byte (1: a body, else an answer; 2: Secrets were asked for; 4: events), how it is cut, the bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{Input, chunks};
use portcullis_model::{Call, CallBody};
use portcullis_wire_kubernetes::fuzzing::{body, masked};
use serde_json::Value;

const KINDS: [&str; 4] = [
    "application/json",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/vnd.kubernetes.protobuf",
];

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let flags = input.byte();
    if flags & 1 == 1 {
        let kind = input.choose(&KINDS);
        let _read = body(&call(kind), input.rest());
        return;
    }
    let pattern = input.piece();
    let (secrets, events) = (flags & 2 == 2, flags & 4 == 4);
    let answer = input.rest();
    let whole = masked(std::iter::once(answer), secrets, events);
    let cut = masked(chunks(answer, pattern), secrets, events);
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => {
            assert_eq!(whole, cut, "a cut changes what is released");
            if serde_json::from_slice::<Value>(answer).is_ok() {
                assert!(serde_json::from_slice::<Value>(&whole).is_ok());
            }
        }
        (Err(_), Err(_)) => {}
        _ => panic!("a cut changes whether it can be read"),
    }
});

fn call(kind: &str) -> Call {
    Call {
        verb: "patch".to_owned(),
        path: None,
        group: String::new(),
        version: "v1".to_owned(),
        resource: Some("secrets".to_owned()),
        subresource: None,
        namespace: Some("shop".to_owned()),
        name: Some("db".to_owned()),
        label_selector: None,
        field_selector: None,
        dry_run: false,
        content_type: Some(kind.to_owned()),
        command: Vec::new(),
        container: None,
        stdin: false,
        tty: false,
        ports: Vec::new(),
        body: CallBody::None,
    }
}
