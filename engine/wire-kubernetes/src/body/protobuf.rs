//! Bodies in Kubernetes' protobuf (k8s.io/apimachinery pkg/runtime/serializer/protobuf): the magic `k8s\0`, an
//! envelope that names the kind, and the object. kubectl sends such bodies from 1.32 on wherever it uses typed
//! clients. They are read by the table of all fields, into the JSON that the same object is.
//!
//! Refuses messages that the wire format does not allow, and fields that stand twice where decoders would join them. A
//! kind or a field without an entry in the table makes the whole body opaque.

use super::schema::{self, Field, Many, Message, Shape};
use crate::turned::Turned;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::{CallBody, limits};
use serde_json::{Map, Value};

const RULE: &str = "kubernetes/body";
const MAGIC: &[u8] = b"k8s\0";

/// Reads one.
pub(super) fn read(bytes: &[u8]) -> Result<CallBody, Turned> {
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(malformed)?;
    let envelope = envelope(rest)?;
    if !envelope.plain {
        return Ok(CallBody::Opaque);
    }
    let Some(message) = schema::of(&envelope.api_version, &envelope.kind) else {
        return Ok(CallBody::Opaque);
    };
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), envelope.api_version.into());
    object.insert("kind".to_owned(), envelope.kind.into());
    let mut reading = Reading { opaque: false };
    reading.message(
        message,
        envelope.raw,
        &mut object,
        limits::CALL_BODY_DEPTH_MAX,
    )?;
    Ok(match reading.opaque {
        true => CallBody::Opaque,
        false => CallBody::Object(Value::Object(object)),
    })
}

fn malformed() -> Turned {
    Turned::malformed(RULE, "the body is no Kubernetes protobuf message")
        .hint("Send JSON: every client library can.")
}

/// `runtime.Unknown`: 1 typeMeta {1 apiVersion, 2 kind}, 2 raw, 3 contentEncoding, 4 contentType.
#[derive(Default)]
struct Envelope<'b> {
    api_version: String,
    kind: String,
    raw: &'b [u8],
    /// The object is protobuf and not compressed.
    plain: bool,
}

fn envelope(bytes: &[u8]) -> Result<Envelope<'_>, Turned> {
    let mut envelope = Envelope {
        plain: true,
        ..Envelope::default()
    };
    let mut seen = 0_u32;
    for field in Fields(bytes) {
        let (number, value) = field?;
        let Wire::Bytes(inner) = value else {
            return Err(malformed());
        };
        // Of a repeated field decoders take the last or join them.
        if number > 4 || seen >> number & 1 == 1 {
            return Err(malformed());
        }
        seen |= 1 << number;
        match number {
            1 => {
                for field in Fields(inner) {
                    match field? {
                        (1, Wire::Bytes(text)) => envelope.api_version = utf8(text)?,
                        (2, Wire::Bytes(text)) => envelope.kind = utf8(text)?,
                        _ => return Err(malformed()),
                    }
                }
            }
            2 => envelope.raw = inner,
            _ => envelope.plain &= inner.is_empty(),
        }
    }
    Ok(envelope)
}

fn utf8(bytes: &[u8]) -> Result<String, Turned> {
    String::from_utf8(bytes.to_vec()).map_err(|_| malformed())
}

struct Reading {
    /// Something stood there that no table knows.
    opaque: bool,
}

impl Reading {
    fn message(
        &mut self,
        message: &Message,
        bytes: &[u8],
        object: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), Turned> {
        let depth = depth.checked_sub(1).ok_or_else(malformed)?;
        for field in Fields(bytes) {
            let (number, wire) = field?;
            match message.field(number) {
                Some(known) => self.field(known, wire, object, depth)?,
                // What a newer API has added could be anything.
                None => self.opaque = true,
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &Field,
        wire: Wire<'_>,
        object: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), Turned> {
        match (field.many, field.shape, wire) {
            (Many::One, Shape::Inline(inner), Wire::Bytes(bytes)) => match schema::named(inner) {
                Some(message) => self.message(message, bytes, object, depth)?,
                None => self.opaque = true,
            },
            (Many::Map, shape, Wire::Bytes(bytes)) => {
                let (key, value) = self.entry(shape, bytes, depth)?;
                let slot = object
                    .entry(field.name)
                    .or_insert_with(|| Value::Object(Map::new()));
                slot.as_object_mut()
                    .ok_or_else(malformed)?
                    .insert(key, value);
            }
            (Many::List, shape, wire) => {
                let value = self.value(shape, wire, depth)?;
                let slot = object
                    .entry(field.name)
                    .or_insert_with(|| Value::Array(Vec::new()));
                slot.as_array_mut().ok_or_else(malformed)?.push(value);
            }
            (_, shape, wire) => {
                let value = self.value(shape, wire, depth)?;
                // Decoders join a message that comes in two parts, and take the last of anything else.
                if object.insert(field.name.to_owned(), value).is_some() {
                    return Err(malformed());
                }
            }
        }
        Ok(())
    }

    /// One entry of a map: 1 key, 2 value.
    fn entry(
        &mut self,
        shape: Shape,
        bytes: &[u8],
        depth: usize,
    ) -> Result<(String, Value), Turned> {
        let (mut key, mut value) = (String::new(), Value::String(String::new()));
        for field in Fields(bytes) {
            match field? {
                (1, Wire::Bytes(text)) => key = utf8(text)?,
                (2, wire) => value = self.value(shape, wire, depth)?,
                _ => return Err(malformed()),
            }
        }
        Ok((key, value))
    }

    fn value(&mut self, shape: Shape, wire: Wire<'_>, depth: usize) -> Result<Value, Turned> {
        Ok(match (shape, wire) {
            (Shape::Text, Wire::Bytes(text)) => Value::String(utf8(text)?),
            (Shape::Blob, Wire::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
            (Shape::Flag, Wire::Varint(number)) => Value::Bool(number != 0),
            // Negative numbers are written as if they had 64 bits and no sign.
            (Shape::Number, Wire::Varint(number)) => Value::from(number.cast_signed()),
            (Shape::Float, Wire::Long(bits)) => Value::from(f64::from_bits(bits)),
            (Shape::Object(inner) | Shape::Inline(inner), Wire::Bytes(bytes)) => {
                let mut object = Map::new();
                match schema::named(inner) {
                    Some(message) => self.message(message, bytes, &mut object, depth)?,
                    None => self.opaque = true,
                }
                Value::Object(object)
            }
            (Shape::Unread, _) => {
                self.opaque = true;
                Value::Null
            }
            _ => return Err(malformed()),
        })
    }
}

/// A value as it stands on the wire (protobuf encoding, wire types 0, 1, 2, 5).
#[derive(Clone, Copy)]
enum Wire<'b> {
    Varint(u64),
    Long(u64),
    Short,
    Bytes(&'b [u8]),
}

/// The fields of a message.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let digits = u64::from(byte & 0x7f);
            if shift == 63 && digits > 1 {
                return None;
            }
            number |= digits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u32, Wire<'b>)> {
        let tag = u32::try_from(self.varint()?).ok()?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Long(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Wire::Short)?,
            // Groups were never used by Kubernetes; 6 and 7 do not exist.
            _ => return None,
        };
        (tag >> 3 != 0).then_some((tag >> 3, wire))
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<(u32, Wire<'b>), Turned>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field().ok_or_else(malformed);
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}
