//! PostgreSQL response frames as text to be looked at, and back again: whatever can hold a value (rows,
//! COPY data, errors, notices, notifications, parameter status, function results) becomes a [`Batch`],
//! and [`Edits`] to it become frames that every client still decodes.
//!
//! Why here and not in a plugin: a detector must see a card number in an `int8`, in an array element
//! with escapes, in a JSON leaf written `\u0034…` and in hex `bytea`, and what replaces it must have
//! the type, the format and the length that the client's codec expects.
//!
//! One walk serves both ways. [`walk`] goes over a value and hands each stretch of text to a
//! [`pass::Pass`]: [`collect::Collect`] makes cells of them, [`apply::Apply`] edits them. Cells are
//! therefore numbered alike by construction. Where nothing has to be decoded, a batch's text *is* the
//! received frames.
//!
//! It refuses to guess: a frame with a length, a count or a trailing byte that does not fit is a
//! [`Fault`], never a shorter row. It does no I/O, keeps no clock and never panics on any bytes.
//!
//! [`Batch`]: portcullis_model::Batch
//! [`Edits`]: portcullis_model::Edits
//! [`Fault`]: portcullis_model::Fault

mod apply;
mod array;
mod array_binary;
mod binary;
mod bind;
mod bytea;
mod call;
mod collect;
mod constants;
mod copy;
mod copy_binary;
mod copy_csv;
mod copy_rewrite;
mod copy_text;
mod cursor;
mod datetime;
mod documents;
mod fields;
mod fitting;
mod floats;
mod frames;
mod json;
mod kind;
mod network;
mod numeric;
mod oid;
mod pass;
mod printed;
mod record;
mod rows;
mod shape;
mod walk;
mod whole;

#[cfg(test)]
mod tests;

pub use bind::{bind_formats, parameters};
pub use call::call_result;
pub use copy::CopyOut;
pub use fields::fields;
pub use rows::Rows;
pub use shape::FIRST_RESERVED_SERIAL;
