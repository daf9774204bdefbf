//! The OpenAPI 3.1 document of the API, made of the same list as its routes and of the same types as its answers. A copy
//! stands in the repository; a test says when it is stale. It refuses to describe a call that has no route.

use super::Console;
use super::rest;
use axum::routing::MethodRouter;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What a call answers with when all is well.
#[derive(Clone, Copy)]
pub(super) enum Means {
    /// A value of a type.
    Value(fn(&mut SchemaGenerator) -> Schema),
    /// Something else.
    Stream(&'static str),
    /// This document.
    Document,
}

/// One call.
#[derive(Clone, Copy)]
pub(super) struct Call {
    method: &'static str,
    path: &'static str,
    name: &'static str,
    summary: &'static str,
    open: bool,
    asks: Option<fn(&mut SchemaGenerator) -> Schema>,
    takes: Option<fn(&mut SchemaGenerator) -> Schema>,
    means: Means,
}

impl Call {
    const fn new(
        method: &'static str,
        path: &'static str,
        name: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            name,
            summary,
            open: false,
            asks: None,
            takes: None,
            means: Means::Document,
        }
    }

    pub(super) const fn get(path: &'static str, name: &'static str, summary: &'static str) -> Self {
        Self::new("get", path, name, summary)
    }

    pub(super) const fn post(
        path: &'static str,
        name: &'static str,
        summary: &'static str,
    ) -> Self {
        Self::new("post", path, name, summary)
    }

    /// Nobody has to be logged in for it.
    pub(super) const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Its parameters.
    pub(super) fn asks<T: JsonSchema>(mut self) -> Self {
        self.asks = Some(|generator| generator.root_schema_for::<T>());
        self
    }

    /// Its body.
    pub(super) fn takes<T: JsonSchema>(mut self) -> Self {
        self.takes = Some(|generator| generator.subschema_for::<T>());
        self
    }

    /// Its answer.
    pub(super) fn gives<T: JsonSchema>(self) -> Self {
        self.means(Means::Value(|generator| generator.subschema_for::<T>()))
    }

    /// Its answer, piece by piece.
    pub(super) const fn streams(self, kind: &'static str) -> Self {
        self.means(Means::Stream(kind))
    }

    pub(super) const fn means(mut self, means: Means) -> Self {
        self.means = means;
        self
    }
}

/// All calls, each with its route.
pub(super) struct Calls(Vec<(Call, MethodRouter<Arc<Console>>)>);

impl Calls {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn add(&mut self, call: Call, route: MethodRouter<Arc<Console>>) {
        self.0.push((call, route));
    }

    /// Where each is.
    pub(super) fn routes(self) -> impl Iterator<Item = (String, MethodRouter<Arc<Console>>)> {
        self.0
            .into_iter()
            .map(|(call, route)| (call.path.to_owned(), route))
    }
}

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.definitions_path = "/components/schemas".into();
        s.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for (call, _) in &rest::calls().0 {
        let entry = paths.entry(call.path).or_insert_with(|| json!({}));
        if let Some(methods) = entry.as_object_mut() {
            methods.insert(call.method.to_owned(), operation(call, &mut generator));
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portcullis",
            "version": "1",
            "description": "What the console shows, for programs. Whoever asks sees what the roles allow that policy gives.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": super::guard::VISIT},
            },
        },
    })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "A refusal (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What and why, with the rule."},
            "hint": {"type": ["string", "null"], "description": "What to do next."},
        },
    })
}

fn operation(call: &Call, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": call.name,
        "summary": call.summary,
        "responses": responses(call, generator),
    });
    let mut parameters = in_path(call.path);
    if let Some(asks) = call.asks {
        parameters.extend(in_query(&asks(&mut generator.clone())));
    }
    if call.takes.is_some() {
        parameters.push(json!({
            "name": "X-CSRF-Token", "in": "header", "required": false,
            "description": "With a cookie: `csrf` of /api/v1/me.",
            "schema": {"type": "string"},
        }));
    }
    let Some(fields) = operation.as_object_mut() else {
        return operation;
    };
    if !parameters.is_empty() {
        fields.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(takes) = call.takes {
        let schema = takes(generator);
        let body = json!({
            "required": true, "content": {"application/json": {"schema": schema}},
        });
        fields.insert("requestBody".to_owned(), body);
    }
    if call.open {
        fields.insert("security".to_owned(), json!([]));
    }
    operation
}

fn responses(call: &Call, generator: &mut SchemaGenerator) -> Value {
    let content = match call.means {
        Means::Value(schema) => json!({"application/json": {"schema": schema(generator)}}),
        Means::Stream(kind) => json!({kind: {"schema": {"type": "string"}}}),
        Means::Document => json!({"application/json": {"schema": {"type": "object"}}}),
    };
    let mut all = Map::new();
    all.insert(
        "200".to_owned(),
        json!({"description": "So it is.", "content": content}),
    );
    let mut refusals = vec![("405", "This is not done here.")];
    if !call.open {
        refusals.extend([
            ("400", "What was sent cannot be read."),
            ("401", "Nobody is logged in."),
            (
                "403",
                "A role is missing, or the request came from another site.",
            ),
            ("404", "There is no such thing, or it is somebody else's."),
            ("429", "Too often."),
            ("503", "The record cannot be read or written."),
        ]);
    }
    if call.takes.is_some() {
        refusals.extend([
            ("409", "It is too late."),
            ("413", "The body is too large."),
            ("415", "The body is no JSON."),
            ("500", "It is done, and not kept over a restart."),
        ]);
    }
    refusals.sort_unstable();
    for (status, words) in refusals {
        all.insert(
            status.to_owned(),
            json!({
                "description": words,
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }),
        );
    }
    all.into()
}

fn in_path(path: &str) -> Vec<Value> {
    let parts = path
        .split('/')
        .filter_map(|p| p.strip_prefix('{')?.strip_suffix('}'));
    parts
        .map(|name| {
            let schema = match name {
                "session" => json!({"type": "string", "pattern": "^s-[0-9a-hjkmnp-tv-z]{26}$"}),
                "sequence" => json!({"type": "integer", "minimum": 0}),
                _ => json!({"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$"}),
            };
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect()
}

/// The fields of a type, as parameters.
fn in_query(schema: &Schema) -> Vec<Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let one = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let fields = schema.as_object_mut();
        let description = fields.and_then(|fields| {
            // A parameter is there or not: it is never null.
            if let Some(Value::Array(kinds)) = fields.get("type") {
                let kind = kinds.iter().find(|kind| *kind != "null").cloned();
                fields.insert("type".to_owned(), kind.unwrap_or(Value::Null));
            }
            fields.remove("default");
            fields.remove("description")
        });
        json!({
            "name": name, "in": "query", "required": false,
            "description": description, "schema": schema,
        })
    };
    properties.into_iter().flatten().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_in_the_repository_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let now = format!("{:#}\n", document());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &now).expect("written");
        }
        let golden = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            golden == now,
            "openapi.json is stale: run the test with UPDATE_GOLDEN=1 and commit the file"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let references = text.match_indices("\"$ref\":\"#").filter_map(|(at, mark)| {
            let rest = text.get(at + mark.len()..)?;
            rest.split('"').next()
        });
        let mut count = 0;
        for pointer in references {
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            count += 1;
        }
        assert!(count > 20, "{count}");
    }
}
