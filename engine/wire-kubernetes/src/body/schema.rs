//! The fields of Kubernetes' protobuf messages by number: `schema/fields.txt`, read once. It covers the stable
//! versions of the API server's own groups.
//!
//! Refuses to guess: a message or a field that is not in the table is unknown, and the body then opaque.

use std::collections::HashMap;
use std::sync::LazyLock;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("schema/fields.txt")));

#[derive(Default)]
struct Table {
    /// apiVersion to package.
    packages: HashMap<&'static str, &'static str>,
    messages: HashMap<&'static str, Message>,
}

/// The fields of one message.
#[derive(Debug, Default)]
pub(super) struct Message {
    fields: Vec<Field>,
}

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    number: u32,
    /// Its name in JSON.
    pub name: &'static str,
    /// What stands there.
    pub shape: Shape,
    /// How often.
    pub many: Many,
}

/// How often a value stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Many {
    /// Once.
    One,
    /// In a list.
    List,
    /// In a map by text.
    Map,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// UTF-8.
    Text,
    /// Bytes; base64 in JSON.
    Blob,
    /// True or false.
    Flag,
    /// A whole number.
    Number,
    /// A float with 64 bits.
    Float,
    /// A message.
    Object(&'static str),
    /// A message whose fields stand in the one around it.
    Inline(&'static str),
    /// Nobody here reads it.
    Unread,
}

impl Message {
    /// The field with this number.
    pub(super) fn field(&self, number: u32) -> Option<&Field> {
        self.fields.iter().find(|field| field.number == number)
    }
}

/// The message of a kind.
pub(super) fn of(api_version: &str, kind: &str) -> Option<&'static Message> {
    // Options of a deletion come under the version of what is deleted.
    let package = match kind {
        "DeleteOptions" => "apis.meta.v1",
        _ => TABLE.packages.get(api_version)?,
    };
    named(&format!("{package}.{kind}"))
}

/// A message by its name in the table.
pub(super) fn named(name: &str) -> Option<&'static Message> {
    TABLE.messages.get(name)
}

impl Table {
    fn read(text: &'static str) -> Self {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            match words.next() {
                Some("group") => {
                    if let (Some(version), Some(package)) = (words.next(), words.next()) {
                        table.packages.insert(version, package);
                    }
                }
                Some(name) => {
                    let fields = words.filter_map(Field::read).collect();
                    table.messages.insert(name, Message { fields });
                }
                None => {}
            }
        }
        table
    }
}

impl Field {
    fn read(word: &'static str) -> Option<Self> {
        let mut parts = word.splitn(3, ':');
        let (number, name, shape) = (parts.next()?, parts.next()?, parts.next()?);
        let (many, shape) = match (shape.strip_prefix("[]"), shape.strip_prefix("{}")) {
            (Some(shape), _) => (Many::List, shape),
            (_, Some(shape)) => (Many::Map, shape),
            _ => (Many::One, shape),
        };
        let shape = match shape {
            "s" => Shape::Text,
            "b" => Shape::Blob,
            "f" => Shape::Flag,
            "n" => Shape::Number,
            "d" => Shape::Float,
            // Whatever stands in an extension may be an object of its own.
            "@runtime.RawExtension" => Shape::Unread,
            other => match (other.strip_prefix('@'), other.strip_prefix('=')) {
                (Some(message), _) => Shape::Object(message),
                (_, Some(message)) => Shape::Inline(message),
                _ => Shape::Unread,
            },
        };
        Some(Self {
            number: number.parse().ok()?,
            name,
            shape,
            many,
        })
    }
}
