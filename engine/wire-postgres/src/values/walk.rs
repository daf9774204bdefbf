//! One walk over a value, whatever its type: every stretch of text in it is handed to a pass, and what the
//! pass makes of it is put back in the value's own syntax. Refuses to trust a value: what does not
//! parse as its type says is looked at as a whole, and replaced by NULL or as plain text.

use super::array::{Bounds, Tokens};
use super::kind::Kind;
use super::oid::{Typed, delimiter};
use super::pass::{Form, Outcome, Pass, Span, Splice};
use super::printed::Printed;
use super::{array, array_binary, binary, bytea, fitting, json, numeric, record};
use portcullis_model::Fault;

/// Arrays of records of arrays: deeper values are looked at as plain text.
const NESTING_MAX: usize = 8;
/// The version byte of `jsonb_send`.
const JSONB_VERSION: u8 = 1;

/// Goes over a value.
pub(super) fn walk<P: Pass>(kind: Kind, value: Span<'_>, pass: &mut P) -> Result<Outcome, Fault> {
    Walk { pass, depth: 0 }.value(kind, value)
}

struct Walk<'p, P> {
    pass: &'p mut P,
    depth: usize,
}

impl<P: Pass> Walk<'_, P> {
    fn value(&mut self, kind: Kind, value: Span<'_>) -> Result<Outcome, Fault> {
        match kind {
            Kind::Text => self.text(value),
            Kind::Scalar(typed) => self.scalar(value, typed),
            Kind::Foreign => self.nulled(value, false),
            Kind::Json => self.json(value),
            Kind::Hex => self.bytea(value),
            Kind::Array(element) => self.array(element, value),
            Kind::Record => self.record(value),
            Kind::Loose => self.loose(value),
            Kind::Field => self.field(value),
            Kind::Packed(typed) => self.packed(typed, value),
            Kind::PackedJson => self.packed_json(value),
            Kind::Bytes => Ok(self.pass.leaf(value, true)?.into()),
            Kind::PackedArray => self.packed_array(value),
            Kind::PackedRecord => self.packed_record(value),
            Kind::PackedLoose => self.packed_loose(value),
            Kind::PackedField => self.packed_field(value),
            Kind::Opaque => self.nulled(value, true),
        }
    }

    /// Something inside something else.
    fn inner(&mut self, kind: Kind, value: Span<'_>) -> Result<Outcome, Fault> {
        let kind = match (self.depth < NESTING_MAX, kind) {
            (true, kind) => kind,
            (false, Kind::Loose | Kind::Field | Kind::Record) => Kind::Text,
            (false, Kind::PackedArray | Kind::PackedRecord | Kind::PackedLoose) => Kind::Opaque,
            (false, kind) => kind,
        };
        self.depth += 1;
        let outcome = self.value(kind, value);
        self.depth -= 1;
        outcome
    }

    fn text(&mut self, value: Span<'_>) -> Result<Outcome, Fault> {
        let parts = self.pass.parts(value.bytes)?;
        Ok(match parts.is_empty() {
            true => self.pass.leaf(value, false)?.into(),
            false => self.pass.leaf_in_part(value, parts)?.into(),
        })
    }

    fn scalar(&mut self, value: Span<'_>, typed: Typed) -> Result<Outcome, Fault> {
        let edited = self.pass.leaf(value, false)?;
        Ok(edited.map(|text| fitting::text(typed, Some(&text))).into())
    }

    fn nulled(&mut self, value: Span<'_>, raw: bool) -> Result<Outcome, Fault> {
        Ok(match self.pass.leaf(value, raw)? {
            None => Outcome::Same,
            Some(_) => Outcome::Null,
        })
    }

    fn json(&mut self, value: Span<'_>) -> Result<Outcome, Fault> {
        match json::scan(value.bytes) {
            Some(leaves) => self.leaves(value, &leaves),
            None => {
                let edited = self.pass.leaf(value, false)?;
                Ok(edited.map(|text| json::quote(&text)).into())
            }
        }
    }

    /// Strings, keys and numbers; an edited number becomes a string unless it is one still. Inside a part that is hidden
    /// they are counted.
    fn leaves(&mut self, value: Span<'_>, leaves: &Tokens) -> Result<Outcome, Fault> {
        let mut splice = Splice::new(value.bytes);
        let mut parts = self.pass.parts(value.bytes)?.into_iter().peekable();
        for leaf in leaves {
            while let Some(part) = parts.next_if(|part| part.range.end <= leaf.start) {
                splice.replace(part.range, &part.with);
            }
            let hidden = parts.peek().is_some_and(|p| p.range.start <= leaf.start);
            let within = value.part(leaf.within());
            let edited = match leaf.form {
                Form::Escaped => {
                    let decoded = json::unescape(within.bytes);
                    self.pass.leaf(Span::decoded(&decoded), false)?
                }
                _ => self.pass.leaf(within, false)?,
            };
            if let Some(text) = edited.filter(|_| !hidden) {
                let received = value.part(leaf.range());
                splice.replace(leaf.range(), &json::literal(&text, received.bytes));
            }
        }
        for part in parts {
            splice.replace(part.range, &part.with);
        }
        Ok(splice.finish().into())
    }

    fn bytea(&mut self, value: Span<'_>) -> Result<Outcome, Fault> {
        let Some((bytes, style)) = bytea::decode(value.bytes) else {
            return self.nulled(value, false);
        };
        let edited = self.pass.leaf(Span::decoded(&bytes), true)?;
        Ok(edited.map(|bytes| bytea::encode(&bytes, style)).into())
    }

    fn array(&mut self, element: u32, value: Span<'_>) -> Result<Outcome, Fault> {
        let delimiter = delimiter(element);
        match array::scan(value.bytes, delimiter, Bounds::Allowed) {
            Some(elements) => self.elements(Kind::of(element, false), delimiter, value, &elements),
            None => self.nulled(value, false),
        }
    }

    fn elements(
        &mut self,
        kind: Kind,
        delimiter: u8,
        value: Span<'_>,
        elements: &Tokens,
    ) -> Result<Outcome, Fault> {
        let mut splice = Splice::new(value.bytes);
        for element in elements {
            let within = value.part(element.within());
            let outcome = match element.form {
                Form::Null => continue,
                Form::Bare | Form::Quoted => self.inner(kind, within)?,
                Form::Escaped => {
                    let decoded = array::unescape(within.bytes);
                    self.inner(kind, Span::decoded(&decoded))?
                }
            };
            match outcome {
                Outcome::Same => {}
                Outcome::New(new) => {
                    splice.replace(element.range(), &array::quote(&new, delimiter))
                }
                Outcome::Null => splice.replace(element.range(), b"NULL"),
            }
        }
        Ok(splice.finish().into())
    }

    fn record(&mut self, value: Span<'_>) -> Result<Outcome, Fault> {
        match record::scan(value.bytes) {
            Some(fields) => self.fields(value, &fields),
            None => self.nulled(value, false),
        }
    }

    fn fields(&mut self, value: Span<'_>, fields: &Tokens) -> Result<Outcome, Fault> {
        let mut splice = Splice::new(value.bytes);
        for field in fields {
            let received = value.part(field.within());
            let decoded;
            let within = match field.form {
                Form::Null => continue,
                Form::Bare | Form::Quoted => received,
                Form::Escaped => {
                    decoded = record::unescape(received.bytes);
                    Span::decoded(&decoded)
                }
            };
            match self.inner(Kind::Loose, within)? {
                Outcome::Same => {}
                // Nobody says what types the fields have. Where a field is no characters its reader
                // expects a number or a date; NULL is the only thing that is one of each.
                Outcome::New(_) if record::scalar_like(within.bytes) => {
                    splice.replace(field.range(), b"");
                }
                Outcome::New(new) => splice.replace(field.range(), &record::quote(&new)),
                Outcome::Null => splice.replace(field.range(), b""),
            }
        }
        Ok(splice.finish().into())
    }

    fn loose(&mut self, value: Span<'_>) -> Result<Outcome, Fault> {
        let found = match value.bytes.first() {
            Some(b'{') => array::scan(value.bytes, b',', Bounds::Refused).map(|t| (true, t)),
            Some(b'(') => record::scan(value.bytes).map(|t| (false, t)),
            _ => None,
        };
        match found {
            Some((true, elements)) => self.elements(Kind::Loose, b',', value, &elements),
            Some((false, fields)) => self.fields(value, &fields),
            None => self.text(value),
        }
    }

    fn field(&mut self, value: Span<'_>) -> Result<Outcome, Fault> {
        match value.bytes.first() {
            Some(b'{' | b'[') => {
                if let Some(leaves) = json::scan(value.bytes) {
                    return self.leaves(value, &leaves);
                }
            }
            Some(b'\\') => {
                if let Some(bytes) = bytea::decode_hex(value.bytes) {
                    let edited = self.pass.leaf(Span::decoded(&bytes), true)?;
                    let encode = |bytes: Vec<u8>| bytea::encode(&bytes, bytea::Style::Hex);
                    return Ok(edited.map(encode).into());
                }
            }
            _ => {}
        }
        self.loose(value)
    }

    fn packed(&mut self, typed: Typed, value: Span<'_>) -> Result<Outcome, Fault> {
        let mut text = Printed::default();
        match binary::print(typed, value.bytes, &mut text) {
            Some(()) => {
                let edited = self.pass.leaf(Span::decoded(text.bytes()), false)?;
                Ok(edited
                    .map(|text| fitting::binary(typed, Some(&text)))
                    .into())
            }
            None => self.nulled(value, true),
        }
    }

    fn packed_json(&mut self, value: Span<'_>) -> Result<Outcome, Fault> {
        if value.bytes.first() != Some(&JSONB_VERSION) {
            return self.nulled(value, true);
        }
        Ok(match self.json(value.part(1..value.bytes.len()))? {
            Outcome::New(text) => Outcome::New(jsonb(&text)),
            other => other,
        })
    }

    fn packed_array(&mut self, value: Span<'_>) -> Result<Outcome, Fault> {
        match array_binary::scan(value.bytes) {
            Some(array) => self.packed_elements(value, &array),
            None => self.nulled(value, true),
        }
    }

    fn packed_elements(
        &mut self,
        value: Span<'_>,
        array: &array_binary::Array,
    ) -> Result<Outcome, Fault> {
        let kind = Kind::of(array.element, true);
        let mut splice = Splice::new(value.bytes);
        let mut elements = Vec::new();
        let mut nulls = array.nulls;
        for element in array.elements.iter().filter(|e| e.form != Form::Null) {
            let within = value.part(element.start + 4..element.end);
            match self.inner(kind, within)? {
                Outcome::Same => {}
                Outcome::New(new) => elements.push((element.range(), prefixed(Some(&new))?)),
                Outcome::Null => {
                    nulls = true;
                    elements.push((element.range(), prefixed(None)?));
                }
            }
        }
        if nulls != array.nulls {
            let at = array_binary::NULLS_AT;
            splice.replace(at..at + 4, &1_i32.to_be_bytes());
        }
        for (range, new) in elements {
            splice.replace(range, &new);
        }
        Ok(splice.finish().into())
    }

    fn packed_record(&mut self, value: Span<'_>) -> Result<Outcome, Fault> {
        let Some(fields) = record::scan_binary(value.bytes) else {
            return self.nulled(value, true);
        };
        let mut splice = Splice::new(value.bytes);
        for field in fields.iter().filter(|f| f.value.form != Form::Null) {
            let within = value.part(field.value.start + 4..field.value.end);
            match self.inner(Kind::of(field.type_oid, true), within)? {
                Outcome::Same => {}
                Outcome::New(new) => splice.replace(field.value.range(), &prefixed(Some(&new))?),
                Outcome::Null => splice.replace(field.value.range(), &prefixed(None)?),
            }
        }
        Ok(splice.finish().into())
    }

    fn packed_loose(&mut self, value: Span<'_>) -> Result<Outcome, Fault> {
        // Without a type only something that holds parts counts: an empty array could be anything.
        if let Some(array) = array_binary::scan(value.bytes)
            && !array.elements.is_empty()
        {
            return self.packed_elements(value, &array);
        }
        match record::scan_binary(value.bytes) {
            Some(fields) if !fields.is_empty() => self.packed_record(value),
            _ => self.nulled(value, true),
        }
    }

    fn packed_field(&mut self, value: Span<'_>) -> Result<Outcome, Fault> {
        if let [JSONB_VERSION, b'{' | b'[' | b'"', ..] = value.bytes
            && value.bytes.get(1..).and_then(json::scan).is_some()
        {
            return self.packed_json(value);
        }
        if value.bytes.len() >= NUMERIC_LENGTH_MIN
            && numeric::text(value.bytes, &mut Printed::default()).is_some()
        {
            return self.packed(Typed::Numeric, value);
        }
        match characters(value.bytes) {
            true => self.text(value),
            false => self.packed_loose(value),
        }
    }
}

/// A numeric with one digit; shorter bytes could be any integer.
const NUMERIC_LENGTH_MIN: usize = 10;

/// True when a field of unknown type can only be characters: printable, and of a length that no type of
/// fixed width has. An `int8` may well read `41111111`.
fn characters(bytes: &[u8]) -> bool {
    const WIDTHS: [usize; 9] = [1, 2, 4, 6, 8, 12, 16, 24, 32];
    let printable = |b: &u8| *b >= 0x20 || matches!(b, b'\t' | b'\n' | b'\r');
    !WIDTHS.contains(&bytes.len())
        && bytes.iter().all(printable)
        && std::str::from_utf8(bytes).is_ok()
}

/// `jsonb` in binary format.
pub(super) fn jsonb(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 1);
    out.push(JSONB_VERSION);
    out.extend_from_slice(text);
    out
}

/// A value with its length in front; NULL is -1.
pub(super) fn prefixed(value: Option<&[u8]>) -> Result<Vec<u8>, Fault> {
    Ok(match value {
        None => (-1_i32).to_be_bytes().to_vec(),
        Some(value) => {
            let mut out = Vec::with_capacity(value.len() + 4);
            out.extend_from_slice(&super::frames::length(value.len())?);
            out.extend_from_slice(value);
            out
        }
    })
}
