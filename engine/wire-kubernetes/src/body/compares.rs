//! Writes that tell a guess from a masked value by how they are answered. A server-side apply conflicts only where the
//! value is another one, a trial run shows in `managedFields` whether anything would change, and a Secret that is
//! immutable takes a write only where it changes nothing. So do objects that never change, as pods.
//!
//! It refuses all of them for what is masked in Secrets and, in any other object, like one ([`masked`]), and to make a
//! Secret immutable that is there already. A write that happens goes on: a right guess leaves `resourceVersion` as it was, so
//! that it tells too, but a wrong one has replaced the value and stands on record.

use super::masked;
use super::patch::{steps_of, top_of};
use crate::mask::{COPIES, holds_object};
use crate::turned::Turned;
use portcullis_model::{Call, CallBody, Obligations};
use serde::Deserialize;
use serde_json::Value;

const RULE: &str = "kubernetes/compares-masked";

/// True where values of Secrets are not shown.
pub(crate) fn masks_secrets(obligations: &Obligations) -> bool {
    let masked = |entity: &str| entity == "SECRET" || entity == "*";
    obligations.entities.iter().any(|rule| masked(&rule.entity))
}

/// Turns away a write that compares, where values of Secrets are masked, but for one that [`asks_absent`] is about. `forced`: an
/// apply takes the fields over; `trial`: a trial run was asked for, whether or not the cluster heeds it.
///
/// # Errors
/// When it writes what is masked only to be told whether it differs, or makes later writes tell.
pub(crate) fn refuse(call: &Call, forced: bool, trial: bool) -> Result<(), Turned> {
    if !changes(call) {
        return Ok(());
    }
    if is_secret(call) && seals(&call.body) {
        return Err(Turned::forbidden(
            RULE,
            "a Secret that becomes immutable tells by its refusals what the masked values are",
            "Leave `immutable` out, or create the Secret with it.",
        ));
    }
    let fixed = masked::is_fixed(call);
    let within = applies(call) && !forced && call.subresource.is_some();
    if !(within || trial || fixed) || !says_masked(call) {
        return Ok(());
    }
    if fixed && !trial {
        return Err(Turned::forbidden(
            RULE,
            "what such an object holds never changes: whether a write is taken tells what the masked values are",
            "Leave the values out, or delete the object and create it anew (Helm and kubectl: without --server-side); \
             `valueFrom` names a Secret instead.",
        ));
    }
    if !trial {
        return Err(conflicts());
    }
    Err(Turned::forbidden(
        RULE,
        "a trial run over values that are masked tells by its answer what they are",
        "Write it, or leave out of the trial: data of Secrets and copies of them, and values of variables and headers \
         whose names tell a secret.",
    ))
}

/// True for a server-side apply that would conflict over what is masked, should the object be there ([`conflicts`]). Where
/// there is none it makes one and compares nothing; it takes the fields over then, lest one that comes in between is compared.
pub(crate) fn asks_absent(call: &Call, forced: bool) -> bool {
    changes(call) && applies(call) && !forced && says_masked(call)
}

/// What a server-side apply is answered with that compares.
pub(crate) fn conflicts() -> Turned {
    Turned::forbidden(
        RULE,
        "a server-side apply of values that are masked tells by its conflicts what they are",
        "Take the fields over (kubectl and Helm: --force-conflicts), or apply without --server-side.",
    )
}

/// True when what is stored decides whether the answer tells: it is looked at first, and [`refuse_sealed`] asked.
pub(crate) fn asks_stored(call: &Call) -> bool {
    if !changes(call) || !call.group.is_empty() {
        return false;
    }
    match call.resource.as_deref() {
        Some("secrets") => touches(&call.body),
        // One that is immutable tells of a copy of a Secret in it.
        Some("configmaps") => masked::says(call),
        _ => false,
    }
}

/// Turns away a write to a stored Secret or ConfigMap that takes no other values than it has.
///
/// # Errors
/// When it is immutable, or nobody can tell.
pub(crate) fn refuse_sealed(stored: &[u8]) -> Result<(), Turned> {
    /// What decides.
    #[derive(Deserialize)]
    struct Stored {
        kind: String,
        #[serde(default)]
        immutable: Option<bool>,
    }
    match serde_json::from_slice::<Stored>(stored) {
        Ok(stored) if !matches!(&*stored.kind, "Secret" | "ConfigMap") => Err(unseen()),
        Ok(stored) if stored.immutable == Some(true) => Err(Turned::forbidden(
            RULE,
            "the object is immutable: whether a write is taken tells what the masked values are",
            "Leave `data` and `stringData` out, or delete it and create it anew.",
        )),
        Ok(_) => Ok(()),
        Err(_) => Err(unseen()),
    }
}

/// What a write is answered with when nobody can tell whether what it changes is immutable.
pub(crate) fn unseen() -> Turned {
    Turned::forbidden(
        RULE,
        "the cluster does not show you the object, and one that is there or immutable tells what its masked values are",
        "Ask for the right to get it; its values stay masked.",
    )
}

/// Somebody writes over what is there.
fn changes(call: &Call) -> bool {
    matches!(call.verb.as_str(), "update" | "patch")
}

fn applies(call: &Call) -> bool {
    call.content_type.as_deref() == Some("application/apply-patch+yaml")
}

fn is_secret(call: &Call) -> bool {
    call.resource.as_deref() == Some("secrets")
}

/// The body says what an answer would mask.
fn says_masked(call: &Call) -> bool {
    is_secret(call) && (touches(&call.body) || copies(&call.body)) || masked::says(call)
}

/// The body says something about values.
fn touches(body: &CallBody) -> bool {
    match body {
        CallBody::None => false,
        CallBody::Opaque => true,
        CallBody::Object(Value::Array(operations)) => operations
            .iter()
            .any(|one| !matches!(&*top_of(one), "metadata" | "type" | "immutable")),
        CallBody::Object(value) => ["data", "stringData"]
            .iter()
            .any(|name| value.get(name).is_some()),
    }
}

/// The body says something about a copy of the values: the annotations that tools keep one in, and any that holds an
/// object, since what is masked there is known by that alone.
fn copies(body: &CallBody) -> bool {
    match body {
        CallBody::None => false,
        CallBody::Opaque => true,
        CallBody::Object(Value::Array(operations)) => operations.iter().any(|one| {
            let steps = steps_of(one);
            let steps: Vec<&str> = steps.iter().map(|step| &**step).collect();
            match steps.as_slice() {
                ["metadata"] | ["metadata", "annotations"] => true,
                ["metadata", "annotations", name, ..] => copy(name, one.get("value")),
                _ => false,
            }
        }),
        CallBody::Object(value) => value
            .pointer("/metadata/annotations")
            .and_then(Value::as_object)
            .is_some_and(|kept| kept.iter().any(|(name, text)| copy(name, Some(text)))),
    }
}

/// An annotation is shown with masks where it holds a copy.
fn copy(name: &str, value: Option<&Value>) -> bool {
    let text = value.and_then(Value::as_str);
    COPIES.contains(&name) || text.is_some_and(|text| holds_object(text.as_bytes()))
}

/// The body makes the object immutable.
fn seals(body: &CallBody) -> bool {
    let set =
        |value: Option<&Value>| !matches!(value, None | Some(Value::Null | Value::Bool(false)));
    match body {
        CallBody::None => false,
        CallBody::Opaque => true,
        CallBody::Object(Value::Array(operations)) => operations.iter().any(|one| {
            let value = one.get("value");
            match (steps_of(one).is_empty(), &*top_of(one)) {
                (true, _) => set(value.and_then(|whole| whole.get("immutable"))),
                (false, "immutable") => set(value),
                (false, _) => false,
            }
        }),
        CallBody::Object(value) => set(value.get("immutable")),
    }
}

#[cfg(test)]
mod tests {
    use super::{asks_absent, asks_stored, masks_secrets, refuse, refuse_sealed};
    use crate::{body, call};
    use hyper::header::{CONTENT_TYPE, HeaderValue};
    use hyper::{HeaderMap, Method};
    use portcullis_model::{EntityRule, Obligations, Strategy};

    /// Every known way to a guess: what comes of it, a tab, the request line, a tab, the media type, a tab, the body.
    const BYPASS: &str = include_str!("../../../../tests/bypass/kubernetes-guess.http");

    fn outcome(request: &str, kind: &str, body: &str) -> String {
        let (method, target) = request.split_once(' ').expect("a request line");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_str(kind).expect("a media type");
        headers.insert(CONTENT_TYPE, kind);
        let mut asked = call::read(&method, target, &headers).expect("reads");
        match body::read(&asked.call, body.as_bytes()) {
            Ok(read) => asked.with_body(read),
            Err(turned) => return turned.rule.to_owned(),
        }
        let forced = call::parameter(target, "force").as_deref() == Some("true");
        let trial = asked.dry_run_asked;
        match (refuse(&asked.call, forced, trial), asks_stored(&asked.call)) {
            (Err(turned), _) => turned.rule.to_owned(),
            (Ok(()), _) if asks_absent(&asked.call, forced) => "only to make it".to_owned(),
            (Ok(()), true) => "looked at".to_owned(),
            (Ok(()), false) => "free".to_owned(),
        }
    }

    #[test]
    fn nobody_is_told_whether_a_guess_is_right() {
        let lines = BYPASS
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'));
        let mut count = 0;
        for line in lines {
            let columns: Vec<&str> = line.split('\t').collect();
            let [expected, request, kind, body] = columns.as_slice() else {
                panic!("four columns: {line}");
            };
            assert_eq!(outcome(request, kind, body), *expected, "{line}");
            count += 1;
        }
        assert!(count > 50, "the corpus is read");
    }

    #[test]
    fn secrets_are_masked_by_their_name_or_with_everything() {
        for (entity, masked) in [("SECRET", true), ("*", true), ("EMAIL", false)] {
            let mut obligations = Obligations::none();
            assert!(!masks_secrets(&obligations), "nothing is masked");
            obligations.entities.insert(EntityRule {
                entity: entity.to_owned(),
                strategy: Strategy::Redact,
            });
            assert_eq!(masks_secrets(&obligations), masked, "{entity}");
        }
    }

    #[test]
    fn a_stored_secret_is_written_only_where_it_is_known_to_change() {
        for (stored, good) in [
            (r#"{"kind":"Secret","data":{}}"#, true),
            (r#"{"kind":"Secret","immutable":false}"#, true),
            (r#"{"kind":"Secret","immutable":null}"#, true),
            (r#"{"kind":"Secret","immutable":true}"#, false),
            (r#"{"kind":"ConfigMap","data":{}}"#, true),
            (r#"{"kind":"ConfigMap","immutable":true}"#, false),
            (
                r#"{"kind":"Secret","immutable":true,"immutable":false}"#,
                false,
            ),
            (r#"{"kind":"Secret","immutable":"yes"}"#, false),
            (r#"{"kind":"PartialObjectMetadata","metadata":{}}"#, false),
            (r#"{"kind":"Table","rows":[]}"#, false),
            (r#"{"data":{}}"#, false),
            ("", false),
        ] {
            assert_eq!(refuse_sealed(stored.as_bytes()).is_ok(), good, "{stored}");
        }
    }
}
