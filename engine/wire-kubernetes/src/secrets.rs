//! What of a request is secret by where it stands: the data of a Secret that is written. Record and policy see it
//! masked, the cluster gets what was sent.
//!
//! It refuses a text that it cannot read, which the gateway wrote itself.

use crate::mask::{Expected, Walk};
use portcullis_model::{Call, Fault};
use std::ops::Range;

/// The byte ranges of secrets in `text`, which is `call` as JSON.
///
/// # Errors
/// When the text is no JSON.
pub(crate) fn within(text: &str, call: &Call) -> Result<Vec<Range<u32>>, Fault> {
    let expected = Expected::of(call);
    let patch = call.content_type.as_deref() == Some("application/json-patch+json");
    let mut walk = Walk::new(Expected {
        events: false,
        patch: patch && expected.secrets,
        ..expected
    });
    walk.push(text.as_bytes())?;
    walk.end()?;
    Ok(walk.take().map(|piece| piece.secrets()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::CallBody;
    use serde_json::{Value, json};

    fn found(body: Value, content_type: &str) -> Vec<String> {
        found_in("secrets", body, content_type)
    }

    fn found_in(resource: &str, body: Value, content_type: &str) -> Vec<String> {
        let call = Call {
            verb: "create".to_owned(),
            path: None,
            group: String::new(),
            version: "v1".to_owned(),
            resource: Some(resource.to_owned()),
            subresource: None,
            namespace: Some("shop".to_owned()),
            name: None,
            label_selector: None,
            field_selector: None,
            dry_run: false,
            content_type: Some(content_type.to_owned()),
            command: Vec::new(),
            container: None,
            stdin: false,
            tty: false,
            ports: Vec::new(),
            body: CallBody::Object(body),
        };
        let text = serde_json::to_string(&call).unwrap();
        let ranges = within(&text, &call).unwrap();
        let text = |at: &Range<u32>| text[at.start as usize..at.end as usize].to_owned();
        ranges.iter().map(text).collect()
    }

    #[test]
    fn the_data_of_a_secret_is_secret() {
        let body = json!({"kind": "Secret", "metadata": {"name": "a"}, "data": {"p": "aHVudGVyMg=="}, "stringData": {"q": "hunter2"}});
        assert_eq!(found(body, "application/json"), ["aHVudGVyMg==", "hunter2"]);
    }

    #[test]
    fn so_is_the_copy_that_kubectl_keeps() {
        let copy = r#"{"kind":"Secret","data":{"p":"x"}}"#;
        let body = json!({"kind": "Secret", "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": copy}}});
        assert_eq!(found(body, "application/json"), [copy.replace('"', "\\\"")]);
    }

    #[test]
    fn so_is_a_token_that_the_cluster_is_asked_about() {
        let body = json!({"spec": {"token": "eyJhbGciOi.x.y", "audiences": ["a"]}});
        let found = found_in("tokenreviews", body, "application/json");
        assert_eq!(found, ["eyJhbGciOi.x.y"]);
    }

    #[test]
    fn and_what_a_patch_writes() {
        let body = json!([{"op": "replace", "path": "/data/p", "value": "x"}, {"op": "add", "path": "/data", "value": {"q": "y"}}]);
        assert_eq!(found(body, "application/json-patch+json"), ["x", "y"]);
    }
}
