//! The schema that a cluster publishes of its API: the same for everybody, and no object. It speaks of `data`, passwords
//! and tokens and has none, so masking it would only break `kubectl explain`, `apply` and `diff`.
//!
//! It refuses to take for a schema what merely stands at its path: a document begins with what an OpenAPI document
//! begins with, and has no member at its root that such a document does not have; in protobuf the version comes first.
//! Whatever else is there is read as any other answer is.

use crate::json::{Scanner, Token, decode};
use bytes::{Bytes, BytesMut};
use portcullis_model::limits;

/// One of them stands first: in version 2, in version 3, and in the list of the groups that have one.
const FIRST: [&[u8]; 3] = [b"swagger", b"openapi", b"paths"];

/// Members of the root: <https://spec.openapis.org/oas/v2.0>, <https://spec.openapis.org/oas/v3.0.3> and 3.1, which adds two.
/// Extensions, whose names begin with `x-`, may stand there as well.
const ROOT: [&[u8]; 20] = [
    b"basePath",
    b"components",
    b"consumes",
    b"definitions",
    b"externalDocs",
    b"host",
    b"info",
    b"jsonSchemaDialect",
    b"openapi",
    b"parameters",
    b"paths",
    b"produces",
    b"responses",
    b"schemes",
    b"security",
    b"securityDefinitions",
    b"servers",
    b"swagger",
    b"tags",
    b"webhooks",
];

/// It is none. What was pushed and not handed on, where nothing was handed on yet: it can be read in another way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoSchema(pub(crate) Option<Bytes>);

/// A schema that is being read.
pub(crate) struct Schema {
    form: Form,
    held: BytesMut,
    /// Some of it was handed on.
    begun: bool,
}

enum Form {
    Json {
        scanner: Scanner,
        /// What is open.
        depth: usize,
        /// No member has come yet.
        first: bool,
    },
    Protobuf {
        /// Its version was read.
        seen: bool,
    },
}

impl Schema {
    /// In JSON.
    pub(crate) fn json() -> Self {
        let scanner = Scanner::new(false);
        Self::of(Form::Json {
            scanner,
            depth: 0,
            first: true,
        })
    }

    /// In protobuf (`openapi.v2.Document`, `openapi.v3.Document`).
    pub(crate) fn protobuf() -> Self {
        Self::of(Form::Protobuf { seen: false })
    }

    fn of(form: Form) -> Self {
        Self {
            form,
            held: BytesMut::new(),
            begun: false,
        }
    }

    /// More of it. What may go on.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Bytes, NoSchema> {
        self.held.extend_from_slice(bytes);
        self.read(false)
    }

    /// That was all of it. What may go on.
    pub(crate) fn end(&mut self) -> Result<Bytes, NoSchema> {
        self.read(true)
    }

    fn read(&mut self, last: bool) -> Result<Bytes, NoSchema> {
        let good = match &mut self.form {
            Form::Json {
                scanner,
                depth,
                first,
            } => document(scanner, (depth, first), &self.held, last),
            Form::Protobuf { seen } => {
                version(seen, &self.held).filter(|at| !last || *at == self.held.len())
            }
        };
        let Some(good) = good.filter(|_| self.held.len() <= limits::ANSWER_OBJECT_BYTES_MAX) else {
            let held = std::mem::take(&mut self.held).freeze();
            return Err(NoSchema((!self.begun).then_some(held)));
        };
        if let Form::Json { scanner, .. } = &mut self.form {
            scanner.forget(good);
        }
        self.begun |= good > 0;
        Ok(self.held.split_to(good).freeze())
    }
}

/// How far a document may go on; `None` when it is none.
fn document(
    scanner: &mut Scanner,
    (depth, first): (&mut usize, &mut bool),
    held: &[u8],
    last: bool,
) -> Option<usize> {
    while let Some(token) = scanner.next(held, last).ok()? {
        match token {
            Token::Open { object } if *depth > 0 || object => *depth += 1,
            Token::Close => *depth = depth.saturating_sub(1),
            Token::Name if *depth == 1 => {
                let span = scanner.span();
                let name = decode(held.get(span.at())?, span.escaped);
                let name: &[u8] = &name;
                let known = match *first {
                    true => FIRST.contains(&name),
                    false => ROOT.contains(&name) || name.starts_with(b"x-"),
                };
                if !known {
                    return None;
                }
                *first = false;
            }
            // A root that is no object.
            _ if *depth == 0 => return None,
            _ => {}
        }
    }
    match (last, *first) {
        (true, true) => held.is_empty().then_some(0),
        (true, false) => scanner.is_whole().then_some(held.len()),
        // Nothing goes on until it is known what it is.
        (false, true) => Some(0),
        (false, false) => Some(scanner.at()),
    }
}

/// The first field of both messages is the version as text: `2.0`, `3.0.0`. An object begins with `k8s`.
fn version(seen: &mut bool, held: &[u8]) -> Option<usize> {
    if *seen {
        return Some(held.len());
    }
    let [0x0a, length, major, dot, ..] = held else {
        let begins = [0x0a];
        let good = held.len() < 4 && (held.is_empty() || held.starts_with(&begins));
        return good.then_some(0);
    };
    *seen = (3..=8).contains(length) && matches!(major, b'2' | b'3') && *dot == b'.';
    seen.then_some(held.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    const SECRET: &str = r#"{"swagger":"2.0","info":{"title":"Kubernetes"},"paths":{},"definitions":{
        "io.k8s.api.core.v1.Secret":{"description":"Secret holds secret data.","properties":{
        "data":{"description":"Data contains the secret data.","type":"object"},"kind":{"type":"string"}},
        "x-kubernetes-group-version-kind":[{"group":"","kind":"Secret","version":"v1"}]}},"x-kept":1}"#;

    /// What is handed on of a document that comes in pieces of a length.
    fn through(mut schema: Schema, text: &[u8], length: usize) -> Result<Vec<u8>, NoSchema> {
        let mut out = Vec::new();
        for piece in text.chunks(length) {
            out.extend_from_slice(&schema.push(piece)?);
        }
        out.extend_from_slice(&schema.end()?);
        Ok(out)
    }

    #[test]
    fn a_schema_passes_byte_for_byte_however_it_is_cut() {
        let third = r#" { "openapi" : "3.0.0", "info": {}, "components": {"schemas": {}} } "#;
        let newer = r#"{"openapi":"3.1.0","jsonSchemaDialect":"https://spec.openapis.org/oas/3.1/dialect/base","webhooks":{}}"#;
        let groups = r#"{"paths":{"api/v1":{"serverRelativeURL":"/openapi/v3/api/v1?hash=0A"}}}"#;
        for text in [SECRET, third, newer, groups, ""] {
            for length in 1..=text.len().max(1) {
                let out = through(Schema::json(), text.as_bytes(), length);
                assert_eq!(out.as_deref(), Ok(text.as_bytes()), "{length}");
            }
        }
        let octets = b"\x0a\x032.0\x12\x0c\x0a\x0aKubernetes";
        for length in 1..=octets.len() {
            let out = through(Schema::protobuf(), octets, length);
            assert_eq!(out.as_deref(), Ok(&octets[..]), "{length}");
        }
    }

    #[test]
    fn what_begins_as_no_schema_begins_is_given_back_whole() {
        for text in [
            r#"{"kind":"Secret","apiVersion":"v1","data":{"a":"Yg=="}}"#,
            r#"{"info":{},"swagger":"2.0"}"#,
            r#"[{"swagger":"2.0"}]"#,
            r#""swagger""#,
            "not found",
            " ",
            "{",
            "{}",
        ] {
            for length in 1..=text.len() {
                let mut schema = Schema::json();
                let mut pushed = 0;
                let mut result = Ok(Bytes::new());
                for piece in text.as_bytes().chunks(length) {
                    pushed += piece.len();
                    result = schema.push(piece);
                    if result.is_err() {
                        break;
                    }
                }
                let result = result.and_then(|_| schema.end());
                let held = Bytes::copy_from_slice(&text.as_bytes()[..pushed]);
                assert_eq!(result, Err(NoSchema(Some(held))), "{text} {length}");
            }
        }
    }

    #[test]
    fn an_object_behind_the_beginning_of_a_schema_is_broken_off() {
        let object = r#"{"swagger":"2.0","kind":"Secret","data":{"password":"dHIwdWI0ZG9y"}}"#;
        let mut schema = Schema::json();
        assert_eq!(
            schema.push(object.as_bytes()),
            Err(NoSchema(Some(object.into())))
        );
        for length in 1..20 {
            let mut out = Vec::new();
            let mut schema = Schema::json();
            let broken = object.as_bytes().chunks(length).any(|piece| {
                let result = schema.push(piece);
                out.extend_from_slice(result.as_deref().unwrap_or_default());
                result.is_err()
            });
            assert!(broken, "{length}");
            assert!(!String::from_utf8_lossy(&out).contains("dHIw"), "{length}");
        }
        // Neither does it end in the middle, nor go on behind its end.
        for text in [
            r#"{"swagger":"2.0""#,
            r#"{"swagger":"2.0"}{"kind":"Secret"}"#,
        ] {
            assert!(
                through(Schema::json(), text.as_bytes(), 5).is_err(),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_made_up(
            text in "[{}\\[\\]\":,\\\\a-z0-9 ]{0,60}",
            begins in any::<bool>(),
            length in 1..20_usize,
        ) {
            let text = match begins {
                true => format!("{{\"swagger\":\"2.0\",\"paths\":{text}}}"),
                false => text,
            };
            let mut schema = Schema::json();
            let (mut out, mut pushed) = (Vec::new(), 0);
            let pieces = text.as_bytes().chunks(length).map(Some);
            for piece in pieces.chain([None]) {
                pushed += piece.map_or(0, <[u8]>::len);
                let result = match piece {
                    Some(piece) => schema.push(piece),
                    None => schema.end(),
                };
                match result {
                    Ok(good) => out.extend_from_slice(&good),
                    Err(NoSchema(held)) => {
                        let held = held.map(|held| held.to_vec());
                        let all = text.as_bytes()[..pushed].to_vec();
                        prop_assert_eq!(held, out.is_empty().then_some(all));
                        prop_assert!(text.as_bytes().starts_with(&out));
                        return Ok(());
                    }
                }
            }
            prop_assert_eq!(out, text.as_bytes());
            prop_assert!(text.is_empty() || serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }

    #[test]
    fn octets_that_are_an_object_are_no_schema() {
        for octets in [
            &b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Secret"[..],
            b"\x0a\x039.9...",
            b"\x0a\x40",
            b"\x0a",
        ] {
            for length in 1..=octets.len() {
                assert!(
                    through(Schema::protobuf(), octets, length).is_err(),
                    "{octets:?}"
                );
            }
        }
    }
}
