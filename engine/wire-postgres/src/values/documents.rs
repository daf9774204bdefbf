//! Masks by path, in the values of a column: which parts of a text are replaced, and by what. The replacement is
//! JSON, so that whoever decodes the document still can. Refuses to show a value that is no document.

use super::frames::inexpressible;
use super::json;
use super::pass::Part;
use super::whole::marker;
use portcullis_gate::document::{hidden, unescape};
use portcullis_model::{ColumnMask, DocumentMask, Fault, Strategy};

/// The parts of a document that are replaced, in order and apart; `None` when it cannot be read.
pub(super) fn parts(text: &[u8], mask: &DocumentMask) -> Result<Option<Vec<Part>>, Fault> {
    if mask.parts.iter().any(|part| part.label.contains('\0')) {
        return Err(inexpressible("express a mask: its label is no text"));
    }
    let Ok(found) = hidden(text, &mask.parts) else {
        return Ok(None);
    };
    let part = |found: portcullis_gate::document::Hidden| {
        let mask = mask.parts.get(found.part)?;
        let value = text.get(found.range.clone())?;
        let with = match mask.strategy {
            Strategy::Null => b"null".to_vec(),
            strategy => json::quote(&marker(&shown(value), strategy, &mask.label)),
        };
        Some(Part {
            range: found.range,
            with,
        })
    };
    Ok(found.into_iter().map(part).collect())
}

/// The characters of a value: of a string those between its quotes. What holds others has no tail worth showing.
fn shown(value: &[u8]) -> Vec<u8> {
    match value {
        [b'"', within @ .., b'"'] => unescape(within),
        [b'{' | b'[', ..] => Vec::new(),
        value => value.to_vec(),
    }
}

/// What stands for all of a value whose parts could not be told apart; it shows no tail of it.
pub(super) fn whole(mask: &DocumentMask) -> ColumnMask {
    let strictest = mask.parts.first();
    let strategy = strictest.map_or(Strategy::Redact, |part| part.strategy);
    ColumnMask {
        column: mask.column,
        strategy: match strategy {
            Strategy::Partial => Strategy::Redact,
            strategy => strategy,
        },
        label: strictest.map_or_else(|| "document".into(), |part| part.label.clone()),
    }
}

/// A text with its parts replaced. Where two meet, one replacement stands for both.
pub(super) fn replaced(text: &[u8], mut parts: Vec<Part>) -> Vec<u8> {
    parts.sort_by_key(|part| (part.range.start, part.range.end));
    let mut apart: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match apart
            .last_mut()
            .filter(|last| part.range.start < last.range.end)
        {
            Some(last) => last.range.end = last.range.end.max(part.range.end),
            None => apart.push(part),
        }
    }
    let mut out = Vec::with_capacity(text.len() + 32);
    let mut copied = 0;
    for part in apart {
        let kept = text.get(copied..part.range.start);
        out.extend_from_slice(kept.unwrap_or_default());
        out.extend_from_slice(&part.with);
        copied = part.range.end;
    }
    out.extend_from_slice(text.get(copied..).unwrap_or_default());
    out
}
