//! The parsers of this crate for the fuzz targets, which state their laws; compiled for nobody else.
//! Adds nothing of its own: what is fuzzed is what runs.

pub use crate::frame::{Fields, Head, Malformed, body, build, head, take, take_all};
pub use crate::startup::{Packet, Startup, Unfit, take as take_startup};
pub use crate::values::{CopyOut, Rows, bind_formats, call_result, fields, parameters};
