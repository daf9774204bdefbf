//! Writes that tell a guess from a masked value by how they are answered. A server-side apply conflicts only where the
//! value is another one, and a trial run shows in `managedFields` whether anything would change.
//!
//! It refuses both for what is masked in Secrets: an apply that takes the fields over whatever they hold, and a write
//! that happens, tell nothing that the writer does not know.

use crate::turned::Turned;
use portcullis_model::{Call, CallBody, Obligations};
use serde_json::Value;

/// Turns away a write that compares.
///
/// # Errors
/// When it writes data of a Secret only to be told whether they differ.
pub(crate) fn refuse(call: &Call, forced: bool, obligations: &Obligations) -> Result<(), Turned> {
    let masked = |entity: &str| entity == "SECRET" || entity == "*";
    let masked = obligations.entities.iter().any(|rule| masked(&rule.entity));
    let writes = matches!(call.verb.as_str(), "update" | "patch");
    if !masked || !writes || call.resource.as_deref() != Some("secrets") || !touches(&call.body) {
        return Ok(());
    }
    let applies = call.content_type.as_deref() == Some("application/apply-patch+yaml");
    if applies && !forced {
        return Err(Turned::forbidden(
            "kubernetes/compares-masked",
            "a server-side apply of a Secret tells by its conflicts what the masked values are",
            "Take the fields over (--force-conflicts), or apply without --server-side.",
        ));
    }
    match call.dry_run {
        true => Err(Turned::forbidden(
            "kubernetes/compares-masked",
            "a trial run over a Secret tells by its answer what the masked values are",
            "Write it, or leave `data` and `stringData` out of the trial.",
        )),
        false => Ok(()),
    }
}

/// The body says something about values.
fn touches(body: &CallBody) -> bool {
    let value = match body {
        CallBody::Object(value) => value,
        CallBody::None => return false,
        CallBody::Opaque => return true,
    };
    match value {
        Value::Array(operations) => operations.iter().any(|one| {
            let path = one.get("path").and_then(Value::as_str).unwrap_or_default();
            let place = path.split('/').nth(1).unwrap_or_default();
            !matches!(place, "metadata" | "type" | "immutable")
        }),
        _ => ["data", "stringData"]
            .iter()
            .any(|name| value.get(name).is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::refuse;
    use crate::body::{read, tests::call};
    use portcullis_model::{EntityRule, Obligations, Strategy};
    use serde_json::{Value, json};

    const APPLY: &str = "application/apply-patch+yaml";
    const MERGE: &str = "application/merge-patch+json";

    fn told(resource: &str, kind: &str, body: Value, (forced, trial): (bool, bool)) -> bool {
        let mut call = call("patch", kind);
        call.resource = Some(resource.to_owned());
        call.body = read(&call, body.to_string().as_bytes()).expect("reads");
        call.dry_run = trial;
        let mut obligations = Obligations::none();
        assert!(
            refuse(&call, forced, &obligations).is_ok(),
            "nothing is masked"
        );
        obligations.entities.insert(EntityRule {
            entity: "SECRET".to_owned(),
            strategy: Strategy::Redact,
        });
        refuse(&call, forced, &obligations).is_ok()
    }

    #[test]
    fn nobody_is_told_whether_a_guess_is_right() {
        let guess = json!({"data": {"password": "eA=="}});
        let label = json!({"metadata": {"labels": {"a": "b"}}});
        let patch = json!([{"op": "replace", "path": "/data/password", "value": "eA=="}]);
        let (plain, forced, trial) = ((false, false), (true, false), (true, true));
        assert!(!told("secrets", APPLY, guess.clone(), plain));
        assert!(!told("secrets", APPLY, json!({"stringData": {}}), plain));
        assert!(told("secrets", APPLY, guess.clone(), forced));
        assert!(!told("secrets", APPLY, guess.clone(), trial));
        assert!(!told("secrets", MERGE, guess.clone(), (false, true)));
        assert!(told("secrets", MERGE, guess.clone(), plain));
        assert!(told("secrets", APPLY, label.clone(), plain));
        assert!(told("secrets", MERGE, label, (false, true)));
        assert!(!told(
            "secrets",
            "application/json-patch+json",
            patch,
            (false, true)
        ));
        assert!(told("configmaps", APPLY, guess, plain));
    }
}
