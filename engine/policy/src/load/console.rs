//! Roles in the console, from data: `console: { roles: … }`. The data is read here to say what is misspelt; the shipped
//! pack `console_roles` gives the roles, and is part of a set whose data has them, whether it is listed or not. It
//! refuses roles and fields that do not exist: a misspelt one would be a role for nobody.

use super::Read;
use crate::diagnostic::Diagnostic;
use crate::said::ROLES;
use crate::source::PackSource;
use portcullis_model::Kind;
use regorus::Value;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The pack that reads the data.
const PACK: &str = "console_roles";

/// To whom a role is given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(rename = "groups")]
    _groups: Vec<String>,
    #[serde(default, rename = "issuers")]
    _issuers: Option<Vec<String>>,
    #[serde(default, rename = "kinds")]
    _kinds: Option<Vec<Kind>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    roles: BTreeMap<String, Given>,
}

/// The pack, where the data has roles and no source is it already.
///
/// # Errors
/// When the data says roles that nobody could read.
pub(super) fn pack(data: &Value, sources: &[Read]) -> Result<Option<Read>, Diagnostic> {
    let fields = data.as_object().ok();
    let Some(written) = fields.and_then(|fields| fields.get(&Value::from("console"))) else {
        return Ok(None);
    };
    check(written)?;
    if sources.iter().any(|source| source.name == PACK) {
        return Ok(None);
    }
    let Some(source) = PackSource::builtin(PACK) else {
        return Ok(None);
    };
    Ok(Some(Read {
        name: source.name.clone(),
        dry_run: false,
        pieces: source.read()?,
    }))
}

fn check(written: &Value) -> Result<(), Diagnostic> {
    let wrong = |message: String, remedy: &str| {
        Diagnostic::file("data", "load/console-roles", message, remedy)
    };
    let json = serde_json::to_value(written).unwrap_or_default();
    let written = Written::deserialize(json).map_err(|error| {
        wrong(
            format!("`console`: {error}"),
            "Write `console: { roles: { auditor: { groups: [audit] } } }`, with `issuers` and `kinds` where they matter.",
        )
    })?;
    match written
        .roles
        .keys()
        .find(|role| !ROLES.contains(&role.as_str()))
    {
        None => Ok(()),
        Some(role) => Err(wrong(
            format!("`console.roles`: there is no role `{role}`"),
            "There are approver, auditor and operator; whoever has none of them sees what is their own.",
        )),
    }
}
