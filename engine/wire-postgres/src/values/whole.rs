//! What a masked column shows: the marker where the type is text, its constant where it is a scalar, NULL
//! where nothing else would decode. Keys are not here: a hash or a token comes as an edit of the whole value, and
//! stands where it fits the type; where none came, or the value has parts, it is redacted. Refuses a label that
//! is no text.

use super::array::{Bounds, quote, scan};
use super::frames::inexpressible;
use super::kind::Kind;
use super::oid::delimiter;
use super::pass::Outcome;
use super::walk::{jsonb, prefixed};
use super::{array_binary, bytea, fitting, json, record};
use portcullis_model::rows::mask_text;
use portcullis_model::{ColumnMask, Fault, Strategy};

/// Fewer characters than this and four of them would give the value away.
const PARTIAL_CHARACTERS_MIN: usize = 9;
const TAIL_CHARACTERS: usize = 4;

/// The replacement of a whole value; never `Same`.
pub(super) fn whole(
    kind: Kind,
    value: &[u8],
    mask: &ColumnMask,
    stand_in: Option<&[u8]>,
) -> Result<Outcome, Fault> {
    if mask.strategy == Strategy::Null {
        return Ok(Outcome::Null);
    }
    readable(mask)?;
    let stand_in = stand_in.filter(|_| mask.strategy.keyed());
    let marker = || mask_text(&mask.label, None).into_bytes();
    Ok(match kind {
        Kind::Text => Outcome::New(text(value, mask, stand_in)),
        Kind::Scalar(typed) => Outcome::New(fitting::text(typed, stand_in)),
        Kind::Packed(typed) => Outcome::New(fitting::binary(typed, stand_in)),
        Kind::Json => Outcome::New(document(value, &marker(), stand_in)),
        Kind::PackedJson => {
            let text = value.get(1..).unwrap_or_default();
            Outcome::New(jsonb(&document(text, &marker(), stand_in)))
        }
        Kind::Hex => match bytea::decode(value) {
            Some((_, style)) => Outcome::New(bytea::encode(&marker(), style)),
            None => Outcome::Null,
        },
        Kind::Bytes => Outcome::New(marker()),
        Kind::Array(element) => Outcome::New(literal(element, &marker())),
        Kind::PackedArray => array(value, &marker()),
        Kind::Loose | Kind::Field => loose(value, mask, stand_in),
        Kind::Foreign
        | Kind::Record
        | Kind::PackedRecord
        | Kind::PackedLoose
        | Kind::PackedField
        | Kind::Opaque => Outcome::Null,
    })
}

/// What stands for every value of a column that is no table's own, whatever the value is, NULL among them: whether
/// an expression is NULL may tell of what it is made of, and so may anything that its replacement keeps.
pub(super) fn uniform(kind: Kind, type_oid: u32, mask: &ColumnMask) -> Result<Outcome, Fault> {
    if mask.strategy == Strategy::Null {
        return Ok(Outcome::Null);
    }
    readable(mask)?;
    let marker = mask_text(&mask.label, None).into_bytes();
    Ok(match kind {
        Kind::Text | Kind::Field | Kind::Bytes => Outcome::New(marker),
        Kind::Scalar(typed) => Outcome::New(fitting::text(typed, None)),
        Kind::Packed(typed) => Outcome::New(fitting::binary(typed, None)),
        Kind::Json => Outcome::New(json::quote(&marker)),
        Kind::PackedJson => Outcome::New(jsonb(&json::quote(&marker))),
        Kind::Hex => Outcome::New(bytea::encode(&marker, bytea::Style::Hex)),
        Kind::Array(element) => Outcome::New(literal(element, &marker)),
        Kind::PackedArray => match Kind::of(type_oid, false) {
            Kind::Array(element) => packed(element, &marker),
            _ => Outcome::Null,
        },
        Kind::Loose
        | Kind::Foreign
        | Kind::Record
        | Kind::PackedRecord
        | Kind::PackedLoose
        | Kind::PackedField
        | Kind::Opaque => Outcome::Null,
    })
}

fn readable(mask: &ColumnMask) -> Result<(), Fault> {
    match mask.label.contains('\0') {
        true => Err(inexpressible("express a mask: its label is no text")),
        false => Ok(()),
    }
}

/// What stands in, or the marker, with the last characters where that was asked for and the value is long enough.
pub(super) fn text(value: &[u8], mask: &ColumnMask, stand_in: Option<&[u8]>) -> Vec<u8> {
    match stand_in.filter(|_| mask.strategy.keyed()) {
        Some(stand_in) => stand_in.to_vec(),
        None => marker(value, mask.strategy, &mask.label),
    }
}

/// The marker alone.
pub(super) fn marker(value: &[u8], strategy: Strategy, label: &str) -> Vec<u8> {
    let tail = match strategy {
        Strategy::Partial => tail(value),
        _ => None,
    };
    mask_text(label, tail).into_bytes()
}

/// A JSON document: one that is a single string or number may have a stand-in, one with members is replaced by a
/// string.
fn document(value: &[u8], marker: &[u8], stand_in: Option<&[u8]>) -> Vec<u8> {
    let parts = |b: &u8| matches!(b, b'{' | b'[');
    match stand_in.filter(|_| !value.trim_ascii_start().first().is_some_and(parts)) {
        Some(text) => json::literal(text, value),
        None => json::quote(marker),
    }
}

/// `char(n)` is padded with blanks, which are no characters of the value.
fn tail(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?.trim_end_matches(' ');
    if text.chars().count() < PARTIAL_CHARACTERS_MIN {
        return None;
    }
    let (start, _) = text.char_indices().rev().nth(TAIL_CHARACTERS - 1)?;
    text.get(start..).filter(|tail| !tail.contains('\0'))
}

/// An array with the marker as its only element, or an empty one where the marker is no such element.
fn literal(element: u32, marker: &[u8]) -> Vec<u8> {
    let delimiter = delimiter(element);
    let only = match Kind::of(element, false) {
        Kind::Text => quote(marker, delimiter),
        Kind::Json => quote(&json::quote(marker), delimiter),
        _ => Vec::new(),
    };
    let mut out = vec![b'{'];
    out.extend_from_slice(&only);
    out.push(b'}');
    out
}

/// See [`packed`]; NULL when the value does not even say what its elements are.
fn array(value: &[u8], marker: &[u8]) -> Outcome {
    match array_binary::scan(value) {
        Some(array) => packed(array.element, marker),
        None => Outcome::Null,
    }
}

/// [`literal`] in binary format.
fn packed(element: u32, marker: &[u8]) -> Outcome {
    let built = match Kind::of(element, true) {
        Kind::Text => array_binary::build(element, Some(marker)),
        Kind::Json => array_binary::build(element, Some(&json::quote(marker))),
        Kind::PackedJson => array_binary::build(element, Some(&jsonb(&json::quote(marker)))),
        _ => array_binary::build(element, None),
    };
    built.map_or(Outcome::Null, Outcome::New)
}

/// A type that we do not know: what reads like an array or a row is read as one.
fn loose(value: &[u8], mask: &ColumnMask, stand_in: Option<&[u8]>) -> Outcome {
    if value.first() == Some(&b'{') && scan(value, b',', Bounds::Refused).is_some() {
        return Outcome::New(b"{}".to_vec());
    }
    match record::scan(value) {
        Some(_) => Outcome::Null,
        None => Outcome::New(text(value, mask, stand_in)),
    }
}

/// A length-prefixed field with this outcome; `None` when it stays as it is.
pub(super) fn field(outcome: Outcome) -> Result<Option<Vec<u8>>, Fault> {
    match outcome {
        Outcome::Same => Ok(None),
        Outcome::New(new) => prefixed(Some(&new)).map(Some),
        Outcome::Null => prefixed(None).map(Some),
    }
}
