//! stub

pub mod values;
