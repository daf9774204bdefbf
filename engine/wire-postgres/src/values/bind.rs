//! What a Bind message carries (protocol section 55.7): parameters on their way into the record and the
//! policy's input, and the formats of the result. Parameters are only read, never rewritten. Refuses
//! counts that do not fit each other and bytes left over.

use super::array::quote;
use super::array_binary;
use super::cursor::Cursor;
use super::kind::Kind;
use super::pass::Form;
use super::printed::Printed;
use super::{binary, shape};
use bytes::Bytes;
use portcullis_model::{Blame, Fault, Parameter};

/// The parameters of a Bind. `types` are the OIDs that Parse or ParameterDescription gave; missing ones
/// are 0. Text is passed as it is; binary is decoded to the server's text where the type is known, and
/// is `opaque` otherwise. `bytea` that is UTF-8 counts as its text.
///
/// # Errors
/// A `Fault` of the client when the message does not fit its lengths.
pub fn parameters(bind_body: &[u8], types: &[u32]) -> Result<Vec<Parameter>, Fault> {
    let bind = parse(bind_body).ok_or_else(misfit)?;
    let parameter = |(index, value): (usize, &Option<&[u8]>)| {
        let type_oid = types.get(index).copied().unwrap_or(0);
        let text = |v: &[u8]| (Bytes::copy_from_slice(v), false);
        let shown = value.map(|value| match bind.binary(index) {
            false => text(value),
            true => match printed(type_oid, value) {
                Some(printed) => (printed.into(), false),
                None => (Bytes::copy_from_slice(value), true),
            },
        });
        let opaque = shown.as_ref().is_some_and(|(_, opaque)| *opaque);
        Parameter {
            type_oid,
            value: shown.map(|(value, _)| value),
            opaque,
        }
    };
    Ok(bind.values.iter().enumerate().map(parameter).collect())
}

/// The result-column format codes of a Bind: 0, 1 or n of them.
///
/// # Errors
/// A `Fault` of the client when the message does not fit its lengths.
pub fn bind_formats(bind_body: &[u8]) -> Result<Vec<i16>, Fault> {
    parse(bind_body).map(|bind| bind.results).ok_or_else(misfit)
}

fn misfit() -> Fault {
    Fault::bare(Blame::Client, "read a Bind")
}

struct Bind<'a> {
    formats: Vec<i16>,
    values: Vec<Option<&'a [u8]>>,
    results: Vec<i16>,
}

impl Bind<'_> {
    fn binary(&self, index: usize) -> bool {
        let format = match self.formats.as_slice() {
            [all] => Some(*all),
            each => each.get(index).copied(),
        };
        format == Some(1)
    }
}

fn parse(body: &[u8]) -> Option<Bind<'_>> {
    let mut cursor = Cursor::new(body);
    let (_portal, _statement) = (cursor.cstr()?, cursor.cstr()?);
    let formats = codes(&mut cursor)?;
    // Up to 65 535 parameters: the count is unsigned here.
    let count = usize::from(cursor.u16()?);
    if formats.len() > 1 && formats.len() != count {
        return None;
    }
    let mut values = Vec::with_capacity(count.min(cursor.remaining() / 4));
    for _ in 0..count {
        values.push(cursor.value()?);
    }
    let results = codes(&mut cursor)?;
    cursor.is_empty().then_some(Bind {
        formats,
        values,
        results,
    })
}

fn codes(cursor: &mut Cursor<'_>) -> Option<Vec<i16>> {
    let count = usize::from(cursor.u16()?);
    let mut codes = Vec::with_capacity(count.min(cursor.remaining() / 2));
    for _ in 0..count {
        let code = cursor.i16()?;
        shape::binary(code)?;
        codes.push(code);
    }
    Some(codes)
}

/// The text of a binary value.
fn printed(type_oid: u32, value: &[u8]) -> Option<Vec<u8>> {
    let text = |bytes: &[u8]| {
        std::str::from_utf8(bytes)
            .ok()
            .map(|t| t.as_bytes().to_vec())
    };
    match Kind::of(type_oid, true) {
        Kind::Text | Kind::Json | Kind::Bytes => text(value),
        Kind::PackedJson => match value {
            [1, rest @ ..] => text(rest),
            _ => None,
        },
        Kind::Packed(typed) => {
            let mut text = Printed::default();
            binary::print(typed, value, &mut text)?;
            Some(text.bytes().to_vec())
        }
        Kind::PackedArray => elements(value),
        _ => None,
    }
}

/// An array literal of one dimension: enough to be looked at.
fn elements(value: &[u8]) -> Option<Vec<u8>> {
    let array = array_binary::scan(value)?;
    // An array of arrays does not exist; a nested type would recurse.
    if Kind::of(array.element, true) == Kind::PackedArray {
        return None;
    }
    let mut out = vec![b'{'];
    for (index, element) in array.elements.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match element.form {
            Form::Null => out.extend_from_slice(b"NULL"),
            _ => {
                let text = printed(array.element, value.get(element.start + 4..element.end)?)?;
                out.extend_from_slice(&quote(&text, b','));
            }
        }
    }
    out.push(b'}');
    Some(out)
}
