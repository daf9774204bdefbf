//! What is written under a filter: an object that is made has to be among those that are kept, and one that is changed
//! has to stay there. Names and namespaces do not change; labels do, by every sort of patch.
//!
//! It refuses whatever could take a label away that decides, or set it to another value; also where it only might.

use super::{RULE, Sieve};
use crate::turned::Turned;
use portcullis_model::{Call, CallBody, Filter};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Something is made.
pub(super) fn created(sieve: &Sieve, call: &Call) -> Result<(), Turned> {
    let object = body(sieve, call)?;
    let Some(object) = object else {
        return Ok(());
    };
    let text = |name: &str| {
        let text = object.pointer(&format!("/metadata/{name}"));
        text.and_then(Value::as_str).filter(|text| !text.is_empty())
    };
    let (name, beginning) = (text("name"), text("generateName"));
    let labels = labels(object);
    let kept = |filter: &Filter| {
        let named = match (name, beginning) {
            (Some(name), _) => filter.keeps_name(name),
            (None, Some(beginning)) => filter.keeps_generated(beginning),
            (None, None) => filter.names.is_none(),
        };
        let placed = match (sieve.own, name) {
            (true, Some(name)) => filter.keeps_namespace(Some(name)),
            (true, None) => filter.namespaces.is_none(),
            (false, _) => true,
        };
        named && placed && labels.as_ref().is_some_and(|l| filter.keeps_labels(l))
    };
    match sieve.filters.iter().all(kept) {
        true => Ok(()),
        false => Err(outside()),
    }
}

/// A whole object takes the place of another.
pub(super) fn updated(sieve: &Sieve, call: &Call) -> Result<(), Turned> {
    match body(sieve, call)? {
        Some(object) => whole(sieve, object.pointer("/metadata/labels")),
        None => Ok(()),
    }
}

/// A part of an object is changed.
pub(super) fn patched(sieve: &Sieve, call: &Call) -> Result<(), Turned> {
    let Some(patch) = body(sieve, call)? else {
        return Ok(());
    };
    match call.content_type.as_deref() {
        Some("application/json-patch+json") => {
            let operations = patch.as_array().map(Vec::as_slice).unwrap_or_default();
            operations.iter().try_for_each(|one| operation(sieve, one))
        }
        Some("application/apply-patch+yaml") => {
            // What the same hand has set before and leaves out now is taken away.
            whole(sieve, patch.pointer("/metadata/labels"))
        }
        _ => merged(sieve, patch),
    }
}

/// The body, where it decides anything; none where no filter asks for what it holds.
fn body<'c>(sieve: &Sieve, call: &'c Call) -> Result<Option<&'c Value>, Turned> {
    let asks = |f: &Filter| !f.labels.is_empty() || f.names.is_some() || sieve.own;
    if !sieve.filters.iter().any(asks) {
        return Ok(None);
    }
    match &call.body {
        CallBody::Object(value) => Ok(Some(value)),
        CallBody::None | CallBody::Opaque => Err(outside()),
    }
}

/// Labels that will be all there are.
fn whole(sieve: &Sieve, labels: Option<&Value>) -> Result<(), Turned> {
    let labels = match labels {
        None | Some(Value::Null) => Some(BTreeMap::new()),
        Some(labels) => texts(labels),
    };
    let kept = |filter: &Filter| labels.as_ref().is_some_and(|l| filter.keeps_labels(l));
    match sieve.filters.iter().all(kept) {
        true => Ok(()),
        false => Err(moved()),
    }
}

/// A merge patch, strategic or not.
fn merged(sieve: &Sieve, patch: &Value) -> Result<(), Turned> {
    if !sieve.asks_labels() {
        return Ok(());
    }
    let mut level = patch.as_object().ok_or_else(moved)?;
    for name in ["metadata", "labels"] {
        directs(level)?;
        match level.get(name) {
            None => return Ok(()),
            Some(next) => level = next.as_object().ok_or_else(moved)?,
        }
    }
    directs(level)?;
    level
        .iter()
        .try_for_each(|(key, value)| set(sieve, key, value))
}

/// Directives of a strategic merge patch that take away what they do not name.
fn directs(level: &Map<String, Value>) -> Result<(), Turned> {
    let takes = |name: &String| matches!(name.as_str(), "$patch" | "$retainKeys");
    match level.keys().any(takes) {
        true => Err(moved()),
        false => Ok(()),
    }
}

/// One label gets a value; `null` takes it away.
fn set(sieve: &Sieve, key: &str, value: &Value) -> Result<(), Turned> {
    let mut asked = sieve.filters.iter().filter_map(|f| f.labels.get(key));
    let kept = asked.all(|values| value.as_str().is_some_and(|value| values.contains(value)));
    match kept {
        true => Ok(()),
        false => Err(moved()),
    }
}

/// One operation of a JSON patch.
fn operation(sieve: &Sieve, one: &Value) -> Result<(), Turned> {
    if !sieve.asks_labels() {
        return Ok(());
    }
    let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
    let value = match text("op") {
        "test" => return Ok(()),
        "add" | "replace" => one.get("value"),
        // `remove`; others never come so far.
        _ => None,
    };
    let path: Vec<String> = text("path")
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let null = Value::Null;
    match path.as_slice() {
        [] => whole(sieve, value.and_then(|v| v.pointer("/metadata/labels"))),
        ["metadata"] => whole(sieve, value.and_then(|v| v.get("labels"))),
        ["metadata", "labels"] => whole(sieve, value),
        ["metadata", "labels", key, ..] => set(sieve, key, value.unwrap_or(&null)),
        _ => Ok(()),
    }
}

fn labels(object: &Value) -> Option<BTreeMap<String, String>> {
    match object.pointer("/metadata/labels") {
        None | Some(Value::Null) => Some(BTreeMap::new()),
        Some(labels) => texts(labels),
    }
}

fn texts(labels: &Value) -> Option<BTreeMap<String, String>> {
    let each = labels.as_object()?.iter();
    each.map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// It would not be among those that are kept.
pub(super) fn outside() -> Turned {
    Turned::forbidden(
        RULE,
        "what would be made is not among the objects that you are granted",
        "Use a namespace, a name and labels that you are granted.",
    )
}

fn moved() -> Turned {
    Turned::forbidden(
        RULE,
        "the change could take the object out of those that you are granted",
        "Leave the labels alone by which objects are granted, or set them to a value that is granted.",
    )
}
