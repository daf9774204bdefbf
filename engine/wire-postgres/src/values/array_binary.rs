//! Arrays in binary format (`array_send`): dimensions, whether there are NULLs, element type, size and
//! lower bound of each dimension, elements. Refuses a count of elements that is not the product of the
//! dimensions, and bytes left over.

use super::array::{DIMENSIONS_MAX, Tokens};
use super::cursor::Cursor;
use super::pass::{Form, Token};

/// A parsed array.
pub(super) struct Array {
    /// Type of its elements.
    pub(super) element: u32,
    /// Elements in order, each with its length prefix.
    pub(super) elements: Tokens,
    /// True when the header says that there may be NULLs.
    pub(super) nulls: bool,
}

/// Where the header says whether there are NULLs.
pub(super) const NULLS_AT: usize = 4;

/// Takes an array apart; `None` when it is none.
pub(super) fn scan(raw: &[u8]) -> Option<Array> {
    let mut cursor = Cursor::new(raw);
    let dimensions = usize::try_from(cursor.i32()?)
        .ok()
        .filter(|n| *n <= DIMENSIONS_MAX)?;
    let nulls = match cursor.i32()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let element = cursor.u32()?;
    let mut count = usize::from(dimensions > 0);
    for _ in 0..dimensions {
        let size = usize::try_from(cursor.i32()?).ok()?;
        let _lower = cursor.i32()?;
        count = count.checked_mul(size)?;
    }
    // Every element has at least its length.
    if count > cursor.remaining() / 4 {
        return None;
    }
    let mut elements = Tokens::with_capacity(count);
    for _ in 0..count {
        let start = cursor.position();
        let form = match cursor.value()? {
            None => Form::Null,
            Some(_) => Form::Bare,
        };
        elements.push(Token {
            start,
            end: cursor.position(),
            form,
        });
    }
    cursor.is_empty().then_some(Array {
        element,
        elements,
        nulls,
    })
}

/// An array of one dimension with one element, or with none.
pub(super) fn build(element: u32, only: Option<&[u8]>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let dimensions = i32::from(only.is_some());
    out.extend_from_slice(&dimensions.to_be_bytes());
    out.extend_from_slice(&0_i32.to_be_bytes());
    out.extend_from_slice(&element.to_be_bytes());
    if let Some(value) = only {
        out.extend_from_slice(&1_i32.to_be_bytes());
        out.extend_from_slice(&1_i32.to_be_bytes());
        out.extend_from_slice(&i32::try_from(value.len()).ok()?.to_be_bytes());
        out.extend_from_slice(value);
    }
    Some(out)
}
