//! The examiner of SQL: any text becomes facts, the same every time, without a panic and without a crash
//! of the grammar that is written in C.
//!
//! Input: the text, at most 4 KiB of it.

#![no_main]

use libfuzzer_sys::fuzz_target;

const TEXT_BYTES_MAX: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let data = data.get(..TEXT_BYTES_MAX).unwrap_or(data);
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(portcullis_sql::facts(text), portcullis_sql::facts(text));
    }
});
