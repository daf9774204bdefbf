//! The reader of shell: any text has an opinion, the same every time, without a panic, whether it came whole or was
//! typed.
//!
//! Input: the text, at most 4 KiB of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_plugin_classify_shell::{command_line, typed_line};

const TEXT_BYTES_MAX: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let data = data.get(..TEXT_BYTES_MAX).unwrap_or(data);
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(command_line(text), command_line(text));
        assert!(typed_line(text).effect >= command_line(text).effect);
    }
});
