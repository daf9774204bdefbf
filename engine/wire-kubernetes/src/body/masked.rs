//! What a body says that an answer would mask like a Secret, in objects of every kind: copies of Secrets, values of variables
//! and headers whose names tell a secret. The masker itself says what that is, so that both always agree: a right guess
//! is the masked value, and is found where that is.
//!
//! It counts as masked what has lost its surroundings on the way: values in a JSON patch below an environment, data in
//! a custom resource without the kind of their object, and what nobody here reads.

use super::patch::steps_of;
use crate::call;
use crate::mask::ENVIRONMENTS;
use crate::secrets;
use portcullis_model::{Call, CallBody};
use serde_json::{Map, Value};

/// Objects whose environments, or all they hold, never change: a write that changes nothing is taken, any other refused.
const FIXED: [(&str, &str); 3] = [
    ("", "pods"),
    ("apps", "controllerrevisions"),
    ("batch", "jobs"),
];

/// Members of a Secret that are masked.
const DATA: [&str; 2] = ["data", "stringData"];

/// True where a write to the object can only tell whether what it holds is as written.
pub(super) fn is_fixed(call: &Call) -> bool {
    let resource = call.resource.as_deref().unwrap_or_default();
    let within = matches!(
        call.subresource.as_deref(),
        None | Some("ephemeralcontainers")
    );
    within && FIXED.contains(&(call.group.as_str(), resource))
}

/// True where the body says what an answer would mask.
pub(super) fn says(call: &Call) -> bool {
    let custom = !call::is_built_in(&call.group);
    match &call.body {
        CallBody::None => false,
        CallBody::Opaque => true,
        CallBody::Object(Value::Array(operations)) => operations
            .iter()
            .filter(|one| one.get("op").and_then(Value::as_str) != Some("remove"))
            .any(|one| writes(call, one, custom)),
        CallBody::Object(value) => is_masked(call, value) || custom && is_bare(value, true),
    }
}

/// An operation of a JSON patch writes such a value.
fn writes(call: &Call, operation: &Value, custom: bool) -> bool {
    let Some(value) = operation.get("value") else {
        return false;
    };
    let steps = steps_of(operation);
    if steps.iter().any(|step| ENVIRONMENTS.contains(&&**step)) {
        return true;
    }
    let inner = steps.iter().skip(1);
    if custom && inner.clone().any(|step| DATA.contains(&&**step)) {
        return true;
    }
    let within = match steps.last() {
        Some(last) => Value::Object(Map::from_iter([(last.to_string(), value.clone())])),
        None => value.clone(),
    };
    is_masked(call, &within) || custom && is_bare(value, steps.is_empty())
}

/// The masker takes something in it for a secret.
fn is_masked(call: &Call, value: &Value) -> bool {
    let found = secrets::within(&value.to_string(), call);
    found.map_or(true, |found| !found.is_empty())
}

/// Somewhere below the top stand data of an object that does not say its kind, or a value without its name: what is stored
/// there may say that they are a Secret's.
fn is_bare(value: &Value, top: bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| is_bare(item, false)),
        Value::Object(members) => {
            let texts = |held: &Value| match held {
                Value::Object(held) => held.values().any(Value::is_string),
                _ => false,
            };
            let data = DATA.iter().filter_map(|name| members.get(*name));
            let unkind = members.get("kind").is_none();
            let nameless = |item: &Value| item.get("value").is_some() && item.get("name").is_none();
            let listed = ENVIRONMENTS.iter().filter_map(|name| members.get(*name));
            let mut listed = listed.filter_map(Value::as_array).flatten();
            !top && unkind && data.clone().any(texts)
                || listed.any(nameless)
                || members.values().any(|inner| is_bare(inner, false))
        }
        _ => false,
    }
}
