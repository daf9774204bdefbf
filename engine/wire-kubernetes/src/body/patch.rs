//! JSON Patch (RFC 6902): of its operations those that write what the client sends itself, and take away.
//!
//! It refuses `copy` and `move`, which carry a value that the client may not see to a place where it may, another name for
//! a variable, under which its value would be shown, and `test` of what is masked, which tells a guess from the value. All of
//! them would pass every mask on the way back.

use crate::mask::{COPIES, ENVIRONMENTS};
use crate::turned::Turned;
use portcullis_model::Call;
use serde_json::Value;
use std::borrow::Cow;

/// The media type.
pub(super) const TYPE: &str = "application/json-patch+json";

/// Names under which values are masked.
const MASKED: [&str; 5] = ["binaryData", "data", "env", "stringData", "token"];

/// Structures without anything that is masked; others are compared member by member.
const OPEN: [&str; 3] = [
    "/metadata/finalizers",
    "/metadata/labels",
    "/metadata/ownerReferences",
];

/// What writers compare to be sure of what they change, and no detector takes for anything.
const COMPARED: [&str; 3] = [
    "/metadata/generation",
    "/metadata/resourceVersion",
    "/metadata/uid",
];

/// Detectors look at numbers from so many digits on.
const SHOWN_BELOW: u64 = 10_000_000;

/// Reads the operations.
///
/// # Errors
/// When one of them moves or compares what may be masked, or is none that the standard knows.
pub(super) fn read(call: &Call, patch: &Value) -> Result<(), Turned> {
    let malformed = || Turned::malformed("kubernetes/body", "the body is no JSON patch");
    let operations = patch.as_array().ok_or_else(malformed)?;
    for operation in operations {
        let text = |name| operation.get(name).and_then(Value::as_str);
        let path = text("path").ok_or_else(malformed)?;
        match text("op").ok_or_else(malformed)? {
            "add" | "remove" | "replace" if !renames(path) => {}
            "test" if is_open(call, path, operation.get("value")) => {}
            "add" | "remove" | "replace" | "copy" | "move" | "test" => return Err(moves()),
            _ => return Err(malformed()),
        }
    }
    Ok(())
}

/// True where nobody learns anything from a comparison that an answer would not show: detectors look at every text and
/// every long number.
fn is_open(call: &Call, path: &str, value: Option<&Value>) -> bool {
    let secrets = call.resource.as_deref() == Some("secrets");
    let copy = |name: &str| COPIES.contains(&&*name.replace("~1", "/"));
    let masked = path
        .split('/')
        .any(|name| MASKED.contains(&name) || copy(name));
    let structure = matches!(value, Some(Value::Object(_) | Value::Array(_)));
    let escaped = path.contains("~0");
    let short = match value {
        None | Some(Value::Null | Value::Bool(_)) => true,
        Some(value) => value
            .as_i64()
            .is_some_and(|n| n.unsigned_abs() < SHOWN_BELOW),
    };
    let open = OPEN.contains(&path) || COMPARED.contains(&path) || !structure && short;
    !secrets && !masked && !escaped && open
}

/// The steps of an operation's path. What stands in front of the first slash counts for nothing, as in the API server.
pub(super) fn steps_of(operation: &Value) -> Vec<Cow<'_, str>> {
    let path = operation.get("path").and_then(Value::as_str);
    let steps = path.unwrap_or_default().split('/').skip(1);
    steps
        .map(|step| match step.contains('~') {
            true => Cow::Owned(step.replace("~1", "/").replace("~0", "~")),
            false => Cow::Borrowed(step),
        })
        .collect()
}

/// The first of them.
pub(super) fn top_of(operation: &Value) -> Cow<'_, str> {
    steps_of(operation).into_iter().next().unwrap_or_default()
}

/// True where an operation gives a variable or a header that stands there another name: under that its value is shown.
fn renames(path: &str) -> bool {
    let mut steps = path.rsplit('/');
    let name = steps.next() == Some("name");
    let _which = steps.next();
    name && steps
        .next()
        .is_some_and(|list| ENVIRONMENTS.contains(&list))
}

fn moves() -> Turned {
    Turned::forbidden(
        "kubernetes/patch-moves",
        "the patch copies, moves, renames or compares values that may be masked",
        "Use `replace` with the value itself, or a merge patch (kubectl patch --type=merge).",
    )
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::super::tests::call;
    use serde_json::{Value, json};

    fn rule(resource: &str, operations: Value) -> Result<(), &'static str> {
        let mut call = call("patch", super::TYPE);
        call.resource = Some(resource.to_owned());
        let body = operations.to_string();
        read(&call, body.as_bytes()).map(|_| ()).map_err(|t| t.rule)
    }

    #[test]
    fn a_patch_carries_nothing_out_of_a_masked_place() {
        let out = Err("kubernetes/patch-moves");
        for op in ["copy", "move"] {
            let carried = json!([{"op": op, "from": "/data/p", "path": "/metadata/labels/p"}]);
            for resource in ["secrets", "pods", "things"] {
                assert_eq!(rule(resource, carried.clone()), out, "{op} {resource}");
            }
        }
        // Behind others, and written with escapes.
        let text =
            r#"[{"op":"remove","path":"/a"},{"\u006fp":"c\u006fpy","from":"/data","path":"/b"}]"#;
        let mut patch = call("patch", super::TYPE);
        patch.resource = Some("pods".to_owned());
        assert_eq!(
            read(&patch, text.as_bytes())
                .map(|_| ())
                .map_err(|t| t.rule),
            out
        );
    }

    #[test]
    fn a_patch_does_not_rename_a_variable() {
        let named = |op: &str, path: &str| json!([{"op": op, "path": path, "value": "PLAIN"}]);
        let out = Err("kubernetes/patch-moves");
        for list in ["env", "livenessProbe/httpGet/httpHeaders"] {
            let path = format!("/spec/template/spec/containers/0/{list}/0/name");
            for op in ["add", "remove", "replace"] {
                assert_eq!(rule("deployments", named(op, &path)), out, "{op} {path}");
            }
        }
        for path in [
            "/spec/containers/0/name",
            "/metadata/labels/name",
            "/spec/containers/0/env/0/value",
        ] {
            assert_eq!(rule("pods", named("replace", path)), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_patch_does_not_test_a_guess() {
        let test = |path: &str, value: Value| json!([{"op": "test", "path": path, "value": value}]);
        let out = Err("kubernetes/patch-moves");
        assert_eq!(rule("secrets", test("/metadata/name", json!("x"))), out);
        for (path, value) in [
            ("/data/a.conf", json!("guess")),
            ("/spec/containers/0/env/0/value", json!("guess")),
            ("/spec/containers/0", json!({"env": []})),
            ("/spec/containers", json!([])),
            ("", json!({})),
            (
                "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
                json!("{}"),
            ),
            ("/metadata/annotations/kapp.k14s.io~1original", Value::Null),
            ("/metadata/annotations", json!({})),
            ("/metadata/annotations/owner", json!("ana@x.example")),
            ("/spec/containers/0/args/0", json!("guess")),
            ("/spec/card", json!(4_539_578_763_621_486_u64)),
            ("/spec/card", json!(4.5e15)),
        ] {
            assert_eq!(rule("pods", test(path, value)), out, "{path}");
        }
        for (path, value) in [
            ("/metadata/resourceVersion", json!("7")),
            ("/metadata/labels", json!({"a": "b"})),
            ("/spec/replicas", json!(3)),
        ] {
            assert_eq!(rule("deployments", test(path, value)), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_patch_is_a_list_of_operations() {
        let good = json!([{"op": "replace", "path": "/spec/replicas", "value": 2}]);
        assert_eq!(rule("deployments", good), Ok(()));
        for bad in [
            json!({"op": "replace", "path": "/a", "value": 2}),
            json!([{"op": "replace"}]),
            json!([{"op": "Copy", "path": "/a", "from": "/b"}]),
            json!(["copy"]),
        ] {
            assert_eq!(rule("deployments", bad), Err("kubernetes/body"));
        }
    }
}
