//! The two things a plugin may tell the gateway besides its answer: numbers for the debug log, and
//! counters. Both refuse text, so that no value of a message can leave this way. Natively they do nothing.

/// A line in the gateway's debug log: a code of the plugin's own and a number. Rate-limited.
#[inline]
pub fn log(code: u32, value: u64) {
    #[cfg(target_arch = "wasm32")]
    crate::glue::abi::log(code, value);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (code, value);
}

/// Adds to the counter with this index in the manifest's `counters`.
#[inline]
pub fn count(counter: u32, by: u64) {
    #[cfg(target_arch = "wasm32")]
    crate::glue::abi::count(counter, by);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (counter, by);
}
