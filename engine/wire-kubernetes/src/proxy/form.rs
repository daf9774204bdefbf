//! How the body of an answer is read, by what its head says and by what was asked: as objects, as text, or as the schema
//! that the cluster publishes.
//!
//! It refuses what nobody asked to be compressed, and what cannot be looked into where something has to be masked.

use crate::mask::{Expected, Walk};
use crate::schema::Schema;
use crate::turned::Turned;
use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};

/// How a body is read.
pub(super) enum Form {
    /// JSON.
    Objects(Box<Walk>),
    /// Text.
    Pieces,
    /// Published, and the same for everybody: the schema of the API. Beside it how it is read should it be none.
    Published(Box<Schema>, Option<Box<Form>>),
}

/// What is known before the head of an answer is read.
pub(super) struct Known {
    pub expected: Expected,
    /// Something has to be masked or left out.
    pub masks: bool,
    /// Something has to be left out.
    pub sifted: bool,
    /// The schema was asked for at its own path, and it is there.
    pub schema: bool,
}

/// How a body with this head is read.
///
/// # Errors
/// When it cannot be looked into, and has to be.
pub(super) fn read_as(known: &Known, headers: &HeaderMap) -> Result<Form, Turned> {
    let unreadable = |reason| {
        Turned::malformed("kubernetes/unreadable-answer", reason)
            .code(502)
            .hint("Ask for JSON or text; what cannot be looked into is not let through where masks apply.")
    };
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(unreadable(
            "the cluster compressed an answer although nobody asked for that",
        ));
    }
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    let objects = || Form::Objects(Box::new(Walk::new(known.expected)));
    // Before 1.24 a server leaves it to a library to find out what its schema is, and that calls JSON text and protobuf
    // octets (k8s.io/kube-openapi pkg/handler).
    let form = match kind.as_str() {
        "application/json" if known.schema => schema(Schema::json(), Some(objects())),
        "text/plain" if known.schema => schema(Schema::json(), Some(Form::Pieces)),
        "application/octet-stream" if known.schema => schema(Schema::protobuf(), None),
        _ if known.schema && kind.contains("openapi") => schema(Schema::protobuf(), None),
        "application/json" => objects(),
        _ if known.sifted => {
            return Err(unreadable(
                "the cluster answers in a form that the gateway cannot filter",
            ));
        }
        "" | "application/openmetrics-text" | "application/yaml" => Form::Pieces,
        _ if kind.starts_with("text/") || !known.masks => Form::Pieces,
        _ => {
            return Err(unreadable(
                "the cluster answers in a form that the gateway does not read",
            ));
        }
    };
    Ok(form)
}

fn schema(schema: Schema, otherwise: Option<Form>) -> Form {
    Form::Published(Box::new(schema), otherwise.map(Box::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn known(schema: bool, masks: bool) -> Known {
        Known {
            expected: Expected::default(),
            masks,
            sifted: false,
            schema,
        }
    }

    fn head(kind: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))])
    }

    fn name(form: &Form) -> String {
        match form {
            Form::Objects(_) => "objects".to_owned(),
            Form::Pieces => "text".to_owned(),
            Form::Published(_, None) => "schema".to_owned(),
            Form::Published(_, Some(other)) => format!("schema or {}", name(other)),
        }
    }

    fn form(known: &Known, kind: &'static str) -> String {
        read_as(known, &head(kind)).map_or_else(|t| t.denial().reason, |form| name(&form))
    }

    #[test]
    fn an_answer_that_was_compressed_unasked_is_refused_whether_masks_apply_or_not() {
        for coding in ["gzip", "identity", "br", ""] {
            for masks in [true, false] {
                for schema in [true, false] {
                    let mut headers = head("application/json");
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
                    let refused = read_as(&known(schema, masks), &headers);
                    let refused = refused.err().expect("refused");
                    assert_eq!(refused.code, 502);
                    assert!(refused.denial().reason.contains("compressed"));
                }
            }
        }
    }

    #[test]
    fn a_schema_is_one_at_its_own_path_only_by_whatever_name_it_goes() {
        let (there, elsewhere) = (known(true, true), known(false, true));
        let unread = "the cluster answers in a form that the gateway does not read";
        for (kind, at, not) in [
            ("application/json", "schema or objects", "objects"),
            (
                "application/json; charset=utf-8",
                "schema or objects",
                "objects",
            ),
            ("text/plain; charset=utf-8", "schema or text", "text"),
            ("application/octet-stream", "schema", unread),
            (
                "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
                "schema",
                unread,
            ),
            ("application/vnd.kubernetes.protobuf", unread, unread),
            ("text/html", "text", "text"),
        ] {
            assert_eq!(form(&there, kind), at, "{kind}");
            assert_eq!(form(&elsewhere, kind), not, "{kind}");
        }
    }

    #[test]
    fn what_cannot_be_filtered_is_refused() {
        let sifted = Known {
            sifted: true,
            ..known(false, true)
        };
        assert_eq!(form(&sifted, "application/json"), "objects");
        assert!(form(&sifted, "text/plain").contains("cannot filter"));
        assert_eq!(form(&known(false, false), "image/png"), "text");
    }
}
