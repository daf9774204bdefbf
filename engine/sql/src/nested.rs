//! Texts inside a text: a query in a literal argument, a function body.
//!
//! Refuses: a text that does not parse, or stands too deep, makes the statement unknown.

use crate::reader::{NESTED_TEXTS_MAX, Reader};
use portcullis_model::Parse;

/// Joins what the text would do to what the statement does.
pub(crate) fn runs(reader: &mut Reader<'_>, text: &str) {
    if reader.depth >= NESTED_TEXTS_MAX {
        return reader.unknown("nested-text");
    }
    let inner = crate::facts::extract(text, reader.depth + 1);
    if let Parse::Failed { .. } = inner.parse {
        return reader.unknown("nested-text");
    }
    reader.opaque |= inner.parse == Parse::Partial;
    for statement in &inner.statements {
        reader.joins(statement);
    }
}
