//! The encrypted store: a file that somebody may have altered. Law: what opens is what its owner wrote, all of it and
//! nothing else; and what stands behind the seal is read without a panic.
//!
//! Input: 0 and a file; 1 and the genuine file with a piece of it replaced; 2 and a manifest as if it were sealed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::Input;
use portcullis_vault::{Secret, store_fuzzing};
use std::sync::LazyLock;

/// Written by `portcullis secret set` with [`KEY`].
const GENUINE: &[u8] = include_bytes!("../corpus/store/genuine");
const KEY: &str = "a3f1c2d4e5968778695a4b3c2d1e0ff00f1e2d3c4b5a69788796a5b4c3d2e1f0";

static ENTRIES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let entries = store_fuzzing::open(genuine(), &key()).expect("the genuine file opens");
    assert_eq!(entries.len(), 2, "it has two entries");
    entries
});

fuzz_target!(|data: &[u8]| {
    LazyLock::force(&ENTRIES);
    let mut input = Input::new(data);
    match input.byte() % 3 {
        0 => whole_or_nothing(input.rest()),
        1 => {
            let (at, gone) = (usize::from(input.short()), usize::from(input.byte()));
            let file = genuine();
            let at = at.min(file.len());
            let after = (at + gone).min(file.len());
            let changed = [&file[..at], input.rest(), &file[after..]].concat();
            whole_or_nothing(&changed);
        }
        _ => manifest(input.rest()),
    }
});

/// The seed without the byte that says what it is.
fn genuine() -> &'static [u8] {
    &GENUINE[1..]
}

fn key() -> Secret {
    Secret::new(KEY.as_bytes().to_vec())
}

/// Nobody without the key makes a file that opens to something else.
fn whole_or_nothing(file: &[u8]) {
    match store_fuzzing::open(file, &key()) {
        Ok(entries) => assert_eq!(entries, *ENTRIES, "an altered file is believed"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Entries that a manifest does not tell of, or tells otherwise of, are not opened.
fn manifest(text: &[u8]) {
    let file = store_fuzzing::with_manifest(genuine(), &key(), text);
    let file = file.expect("the genuine file is a store");
    whole_or_nothing(&file);
}
