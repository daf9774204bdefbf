//! Laws and tables for the whole folder. Frames are built here by hand, so that nothing checks itself.

mod build;
mod bypasses;
mod copies;
mod documents;
mod golden;
mod laws;
mod messages;
mod tokens;
mod values;
