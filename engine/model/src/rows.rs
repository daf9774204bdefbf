//! Responses as batches: one buffer, flat cells, one shape. A batch that nobody is interested in passes
//! as bytes; masking returns edits, never rewritten rows, and whoever framed the batch applies them.

use crate::path::JsonPath;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its label.
    pub name: String,
    /// Type OID; 25 (text) for strings that have none.
    pub type_oid: u32,
    /// The relation it comes from, 0 when it is an expression.
    pub table_oid: u32,
    /// The column's number there; 0 with a table OID is a whole row.
    pub attnum: i16,
    /// True when cells arrive in binary format.
    pub binary: bool,
}

/// The columns of a result; shared by its batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowShape {
    /// A number unique in its stream: plugins are told a shape once.
    pub serial: u32,
    /// Columns in order.
    pub columns: Vec<Column>,
}

/// What the cells of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchKind {
    /// Result rows.
    Rows,
    /// Fields of COPY data.
    Copy,
    /// The strings of an ErrorResponse.
    Error,
    /// The strings of a NoticeResponse.
    Notice,
    /// Channel and payload of a NotificationResponse.
    Notification,
    /// The value of a ParameterStatus.
    Parameter,
    /// The result of a FunctionCall.
    Call,
    /// A request's text and parameters, on its way into the record and the policy's input.
    Request,
    /// A piece of a byte stream: one cell, which may end anywhere. See [`Edits::held`].
    Stream,
}

/// A stretch of text to be looked at: a whole cell, an element of an array, a leaf of a JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Index into the shape's columns.
    pub column: u32,
    /// Half-open range in the batch's `text`.
    pub start: u32,
    /// See `start`.
    pub end: u32,
}

/// Consecutive rows, or the strings of one message. NULLs are left out.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What it is.
    pub kind: BatchKind,
    /// Its columns.
    pub shape: Arc<RowShape>,
    /// The text that cells point into: the wire bytes themselves where those are text already.
    pub text: Bytes,
    /// Everything that can hold a value, in order of `start`.
    pub cells: Vec<Cell>,
    /// Rows in it, for budgets.
    pub rows: u32,
    /// The exact frames, as received.
    pub wire: Bytes,
}

/// How a value is replaced. In the order of how little is shown: the later of two is the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The marker with the last four characters.
    Partial,
    /// As [`Strategy::Token`], the same in all sessions: under the tenant's key.
    TenantToken,
    /// Another value of the same form, keyed, the same for the same value within a session.
    Token,
    /// As [`Strategy::Hash`], the same in all sessions: under the tenant's key.
    TenantHash,
    /// The marker with a keyed hash, the same for the same value within a session.
    Hash,
    /// Our marker with the entity's name; a type-correct constant where the type is not text.
    Redact,
    /// NULL.
    Null,
}

impl Strategy {
    /// All of them, the strictest last.
    pub const ALL: [Self; 7] = [
        Self::Partial,
        Self::TenantToken,
        Self::Token,
        Self::TenantHash,
        Self::Hash,
        Self::Redact,
        Self::Null,
    ];

    /// Of two that are asked for, the one that holds: null and redaction show nothing, a hash shows equality,
    /// a token the form too, a partial value a part of itself; for a tenant more is seen than in a session.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        self.max(other)
    }

    /// True when what stands there is computed under a key, which only the host of the plugins has.
    #[must_use]
    pub fn keyed(self) -> bool {
        match self {
            Self::TenantToken | Self::Token | Self::TenantHash | Self::Hash => true,
            Self::Partial | Self::Redact | Self::Null => false,
        }
    }
}

/// Replace a part of one cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanEdit {
    /// Index into `Batch::cells`.
    pub cell: u32,
    /// Half-open byte range within that cell's text.
    pub start: u32,
    /// See `start`.
    pub end: u32,
    /// What stands there instead; text, without NUL.
    pub replacement: Bytes,
    /// `plugin@version#digest/rule`, for the record.
    pub label: Arc<str>,
}

/// Replace every cell of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnMask {
    /// Index into the shape's columns.
    pub column: u32,
    /// How.
    pub strategy: Strategy,
    /// The entity or tag that stands in the marker, and the rule that asked.
    pub label: Arc<str>,
}

/// Replace a part of every document in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMask {
    /// Which part.
    pub path: JsonPath,
    /// How.
    pub strategy: Strategy,
    /// The tag that stands in the marker.
    pub label: Arc<str>,
}

/// Replace parts of every document in a column. A value that cannot be read as a document is replaced whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentMask {
    /// Index into the shape's columns.
    pub column: u32,
    /// The parts, at least one; the strictest way of hiding first.
    pub parts: Arc<[PathMask]>,
}

/// What is to be changed in a batch: spans sorted by (cell, start), not overlapping; columns sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Parts of cells.
    pub spans: Vec<SpanEdit>,
    /// Whole columns; they win over spans.
    pub columns: Vec<ColumnMask>,
    /// Parts of documents; they win over spans, and whole columns over them.
    pub documents: Vec<DocumentMask>,
    /// [`BatchKind::Stream`]: so many bytes at the end may be the beginning of something. They are to be seen
    /// again in front of what comes next, and must not go before.
    pub held: u32,
}

impl Edits {
    /// True when nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty() && self.columns.is_empty() && self.documents.is_empty()
    }
}

/// How every mask of ours begins. A request that contains it is refused: writing a masked value back
/// would destroy the real one.
pub const MASK_MARKER: &str = "[pc-masked:";

/// The marker for an entity: `[pc-masked:email]`, or `[pc-masked:card …1111]` with a tail.
#[must_use]
pub fn mask_text(entity: &str, tail: Option<&str>) -> String {
    match tail {
        None => format!("{MASK_MARKER}{entity}]"),
        Some(tail) => format!("{MASK_MARKER}{entity} …{tail}]"),
    }
}
