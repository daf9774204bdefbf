//! What a value is, given its type and its format: the plan of a column, worked out once per result.
//! Refuses format codes other than 0 and 1.

use super::oid::{self, Class, Typed};

/// What stands in a value and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Characters: shown as they are, edited in place.
    Text,
    /// A scalar in text format: shown as it is, replaced by its constant.
    Scalar(Typed),
    /// Text that only its own type could write: shown as it is, replaced by NULL.
    Foreign,
    /// `json`, and `jsonb` in text format.
    Json,
    /// `bytea` in text format: hex or escape.
    Hex,
    /// An array literal of this element type.
    Array(u32),
    /// A row literal.
    Record,
    /// A type of the user's in text format: an array or row literal if it reads like one, else text.
    Loose,
    /// A field of COPY text or csv, whose type nobody tells: `Loose`, and JSON or hex if it reads so.
    Field,
    /// A scalar in binary format: decoded, replaced by its constant.
    Packed(Typed),
    /// `jsonb` in binary format.
    PackedJson,
    /// `bytea` in binary format.
    Bytes,
    /// An array in binary format; its element type stands in its header.
    PackedArray,
    /// `record` in binary format; the types of its fields stand before them.
    PackedRecord,
    /// A type of the user's in binary format: an array or a record if it parses as one, else opaque.
    PackedLoose,
    /// A field of COPY BINARY.
    PackedField,
    /// Binary that we cannot decode: shown lossy, replaced by NULL.
    Opaque,
}

impl Kind {
    /// The kind of a column or element.
    pub(super) fn of(type_oid: u32, binary: bool) -> Self {
        match (oid::class(type_oid), binary) {
            (Class::Text, _) => Self::Text,
            (Class::Typed(Typed::Char), false) => Self::Text,
            (Class::Typed(typed), false) => Self::Scalar(typed),
            (Class::Typed(typed), true) => Self::Packed(typed),
            (Class::Json, _) | (Class::Jsonb, false) => Self::Json,
            (Class::Jsonb, true) => Self::PackedJson,
            (Class::Bytea, false) => Self::Hex,
            (Class::Bytea, true) => Self::Bytes,
            (Class::Array(element), false) => Self::Array(element),
            (Class::Array(_), true) => Self::PackedArray,
            (Class::Record, false) => Self::Record,
            (Class::Record, true) => Self::PackedRecord,
            (Class::Foreign | Class::Jsonpath, false) => Self::Foreign,
            (Class::Foreign | Class::Jsonpath, true) => Self::Opaque,
            (Class::Loose, false) => Self::Loose,
            (Class::Loose, true) => Self::PackedLoose,
        }
    }

    /// True when a cell is the received bytes, whatever they are: the fast path.
    pub(super) fn plain(self) -> bool {
        matches!(self, Self::Text | Self::Scalar(_) | Self::Foreign)
    }
}
