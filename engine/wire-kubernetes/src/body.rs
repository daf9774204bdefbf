//! The body of a request, read into a [`CallBody`] before anything of it goes on.
//!
//! Refuses what two readers could read in two ways (duplicate members, trailing bytes, text that is no UTF-8) and
//! what nobody here reads (CBOR, YAML, forms): 415, on which client libraries fall back to JSON. A protobuf message
//! of a kind without a table here is [`CallBody::Opaque`], which policy knows as of unknown effect. A body that
//! holds a mask of ours is refused: writing it would destroy the value behind the mask. So is a JSON patch that
//! carries values from one place of an object to another.

mod compares;
mod json;
mod marker;
mod masked;
mod patch;
mod protobuf;
mod schema;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use compares::{
    asks_absent, asks_stored, conflicts, masks_secrets, refuse as refuse_comparison, refuse_sealed,
    unseen as unseen_secret,
};

use crate::turned::Turned;
use portcullis_model::{Call, CallBody, limits};
use serde_json::Value;

/// JSON of every sort: objects, and the four sorts of patch. What is called YAML is JSON where a client library
/// sends it; anything else in there is not read.
const JSON: [&str; 5] = [
    "application/json",
    patch::TYPE,
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// Reads a body.
///
/// # Errors
/// When it is too long, of a sort that is not read, has more than one reading, or holds a mask of ours.
pub fn read(call: &Call, bytes: &[u8]) -> Result<CallBody, Turned> {
    if bytes.len() > limits::CALL_BODY_BYTES_MAX {
        return Err(too_long());
    }
    if bytes.is_empty() {
        return Ok(CallBody::None);
    }
    if matches!(call.verb.as_str(), "get" | "list" | "watch" | "head") {
        return Err(Turned::malformed(
            "kubernetes/body",
            "a request that reads has a body",
        ));
    }
    marker::refuse(bytes)?;
    let body = match call.content_type.as_deref() {
        // Without a type the API server reads JSON.
        None => json::read(bytes).map(CallBody::Object)?,
        Some("application/vnd.kubernetes.protobuf") => protobuf::read(bytes)?,
        Some(kind) if JSON.contains(&kind) => json::read(bytes).map(CallBody::Object)?,
        Some(_) => return Err(unread()),
    };
    if let CallBody::Object(value) = &body {
        // Once more without the escapes of JSON, and with the strings of protobuf.
        marker::refuse(value.to_string().as_bytes())?;
        of_one_kind(call, value)?;
        if call.content_type.as_deref() == Some(patch::TYPE) {
            patch::read(call, value)?;
        }
    }
    Ok(body)
}

/// What a body that does not end in time is answered with.
#[must_use]
pub fn too_slow() -> Turned {
    Turned::malformed("kubernetes/body", "the body did not end in time")
        .code(408)
        .hint("Send it again; look at the network between you and the gateway if it happens often.")
}

/// What a body longer than the bound is answered with.
#[must_use]
pub fn too_long() -> Turned {
    Turned::malformed("kubernetes/body", "the body is longer than 3 MiB")
        .code(413)
        .hint("Split the object; the API server takes no longer ones either.")
}

fn unread() -> Turned {
    Turned::malformed(
        "kubernetes/body",
        "the gateway does not read bodies of this media type",
    )
    .code(415)
    .hint("Send JSON: kubectl and the client libraries do by themselves.")
}

/// The object in the body is the one on the path: the API server checks that too, an aggregated API may not.
fn of_one_kind(call: &Call, value: &Value) -> Result<(), Turned> {
    let named = |pointer| value.pointer(pointer).and_then(Value::as_str);
    let differs = |pointer, there: &Option<String>| match (named(pointer), there) {
        (Some(here), Some(there)) => !here.is_empty() && here != there,
        _ => false,
    };
    let whole = matches!(call.verb.as_str(), "create" | "update") && call.subresource.is_none();
    if whole && differs("/metadata/namespace", &call.namespace) {
        return Err(Turned::malformed(
            "kubernetes/body",
            "the object's namespace is not the one on the path",
        ));
    }
    if whole && call.verb == "update" && differs("/metadata/name", &call.name) {
        return Err(Turned::malformed(
            "kubernetes/body",
            "the object's name is not the one on the path",
        ));
    }
    Ok(())
}
