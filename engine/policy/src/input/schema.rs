//! The JSON schema of the input document, and the paths that exist in it. A rule that reads a path which
//! does not exist is refused: a misspelt `not input.identty.kind` would otherwise be true for everybody.

use super::Input;
use portcullis_model::{Category, Effect, Kind, Predicate, Protocol, Risk, Stage, Transaction};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value;

/// The schema, as it stands in `policies/input.schema.json`.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Input<'static>).to_value();
    require_all(&mut schema);
    schema
}

/// Every field is always present, null or not.
fn require_all(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                let names: Vec<Value> = properties.keys().cloned().map(Value::from).collect();
                fields.insert("required".to_owned(), Value::Array(names));
            }
            fields.values_mut().for_each(require_all);
        }
        Value::Array(items) => items.iter_mut().for_each(require_all),
        _ => {}
    }
}

fn words<T: Serialize>(all: &[T]) -> Schema {
    json_schema!({ "type": "string", "enum": all })
}

pub(super) fn kind(_: &mut SchemaGenerator) -> Schema {
    words(&[Kind::Agent, Kind::Ci, Kind::Human, Kind::Service])
}

pub(super) fn protocol(_: &mut SchemaGenerator) -> Schema {
    words(&[Protocol::Kubernetes, Protocol::Postgres, Protocol::Ssh])
}

pub(super) fn stage(_: &mut SchemaGenerator) -> Schema {
    words(&Stage::ALL)
}

pub(super) fn effect(_: &mut SchemaGenerator) -> Schema {
    words(&[
        Effect::Read,
        Effect::Write,
        Effect::Destroy,
        Effect::Escalate,
        Effect::Unknown,
    ])
}

pub(super) fn risk(_: &mut SchemaGenerator) -> Schema {
    words(&[
        Risk::None,
        Risk::Low,
        Risk::Medium,
        Risk::High,
        Risk::Critical,
    ])
}

pub(super) fn category(_: &mut SchemaGenerator) -> Schema {
    words(&[
        Category::Session,
        Category::Read,
        Category::Write,
        Category::Transfer,
        Category::Ddl,
        Category::Dcl,
        Category::Exec,
        Category::Admin,
        Category::Unknown,
    ])
}

pub(super) fn predicate(_: &mut SchemaGenerator) -> Schema {
    words(&[
        Predicate::Inapplicable,
        Predicate::Missing,
        Predicate::Constant,
        Predicate::Present,
    ])
}

pub(super) fn transaction(_: &mut SchemaGenerator) -> Schema {
    words(&[Transaction::Idle, Transaction::Open, Transaction::Failed])
}

pub(super) fn objects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "kind": { "type": "string", "description": "`table`, `function`, `database`, `role`, …" },
                "schema": { "type": ["string", "null"], "description": "As written." },
                "name": { "type": "string", "description": "Folded as the grammar folds it." },
                "write": { "type": "boolean", "description": "Written, created or dropped rather than read." }
            }
        }
    })
}

/// What is known about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It exists, or lies in a part that is free (claims, labels).
    Exists,
    /// It does not: the first part that is wrong.
    Not(usize),
}

/// One part of a path that may hold anything in some places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A field of this name.
    Field(String),
    /// Some item of a list or a map.
    Any,
}

/// What is known about a path with open parts.
pub(crate) enum Typed {
    /// The part with this number does not exist.
    Missing(usize),
    /// Nothing is fixed there: claims, labels.
    Free,
    /// It holds one of these words, when there are any, and values of these kinds, when there are any.
    Known {
        words: Vec<String>,
        kinds: Vec<String>,
    },
}

/// The words of an `enum`, or of a choice of constants.
fn words_of(schema: &Value) -> Vec<String> {
    let choice = schema.get("oneOf").and_then(Value::as_array);
    let choice: Option<Vec<&Value>> =
        choice.and_then(|all| all.iter().map(|one| one.get("const")).collect());
    let words = match (schema.get("enum").and_then(Value::as_array), choice) {
        (Some(words), _) => words.iter().collect(),
        (None, Some(words)) => words,
        (None, None) => return Vec::new(),
    };
    words
        .into_iter()
        .filter_map(|w| w.as_str().map(str::to_owned))
        .collect()
}

fn kinds_of(schema: &Value) -> Vec<String> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind.clone()],
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(|k| k.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// The paths of the input document.
pub(crate) struct Paths {
    root: Value,
}

impl Paths {
    /// Reads them from the schema.
    pub(crate) fn new() -> Self {
        Self { root: schema() }
    }

    /// Whether `input.<path>` exists.
    pub(crate) fn look(&self, path: &[String]) -> Known {
        let mut here = self.real(&self.root);
        for (index, part) in path.iter().enumerate() {
            let Some(properties) = here.get("properties").and_then(Value::as_object) else {
                // No fixed fields: a map, or a list whose next part is an index.
                return Known::Exists;
            };
            match properties.get(part) {
                Some(next) => here = self.real(next),
                None => return Known::Not(index),
            }
        }
        Known::Exists
    }

    /// The fields next to a wrong part, for the remedy.
    pub(crate) fn fields(&self, path: &[String]) -> Vec<String> {
        let mut here = self.real(&self.root);
        for part in path {
            match here.get("properties").and_then(|p| p.get(part)) {
                Some(next) => here = self.real(next),
                None => return Vec::new(),
            }
        }
        let properties = here.get("properties").and_then(Value::as_object);
        properties
            .map(|p| p.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// What a path with open parts holds.
    pub(crate) fn typed(&self, steps: &[Step]) -> Typed {
        let mut here = self.real(&self.root);
        for (index, step) in steps.iter().enumerate() {
            let properties = here.get("properties").and_then(Value::as_object);
            let next = match (step, properties) {
                (Step::Field(name), Some(properties)) => match properties.get(name) {
                    Some(next) => Some(next),
                    None => return Typed::Missing(index),
                },
                (Step::Any, Some(_)) => None,
                (_, None) => here
                    .get("items")
                    .or_else(|| here.get("additionalProperties")),
            };
            match next {
                Some(next) if next.is_object() => here = self.real(next),
                _ => return Typed::Free,
            }
        }
        Typed::Known {
            words: words_of(here),
            kinds: kinds_of(here),
        }
    }

    /// The fields at a path with open parts, for a remedy.
    pub(crate) fn fields_at(&self, steps: &[Step]) -> Vec<String> {
        let mut here = self.real(&self.root);
        for step in steps {
            let next = match step {
                Step::Field(name) => here.get("properties").and_then(|p| p.get(name)),
                Step::Any => None,
            };
            let next = next.or_else(|| here.get("items"));
            match next.or_else(|| here.get("additionalProperties")) {
                Some(next) => here = self.real(next),
                None => return Vec::new(),
            }
        }
        let properties = here.get("properties").and_then(Value::as_object);
        properties
            .map(|p| p.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Follows `$ref` and `anyOf [x, null]`.
    fn real<'s>(&'s self, mut schema: &'s Value) -> &'s Value {
        for _ in 0..8 {
            if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
                let pointer = reference.trim_start_matches('#');
                match self.root.pointer(pointer) {
                    Some(target) => schema = target,
                    None => return schema,
                }
            } else if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
                let real = any
                    .iter()
                    .find(|s| s.get("type").and_then(Value::as_str) != Some("null"));
                match real {
                    Some(target) => schema = target,
                    None => return schema,
                }
            } else {
                return schema;
            }
        }
        schema
    }
}
