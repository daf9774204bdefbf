//! Checks a classifier's answer and words it for the gate. Refuses what a sound plugin never says: ranges outside the
//! text, rules that its manifest does not have, verbs that do not exist, labels that are no labels.

use crate::contract::{self, Classification};
use crate::error::Failure;
use crate::plugin::Rules;
use portcullis_model::class::{Class, Effect, Finding, Risk, Verbs};
use portcullis_model::{Object, limits};
use std::collections::BTreeSet;

const LABEL_BYTES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 512;

/// The class that a classification means.
pub(crate) fn class(
    answer: Classification,
    text: &str,
    rules: &Rules,
    plugin: &str,
    digest: &str,
) -> Result<Class, Failure> {
    if answer.verbs >> Verbs::NAMES.len() != 0 {
        return Err(Failure::Opinion("a verb that does not exist"));
    }
    Ok(Class {
        effect: match answer.effect {
            contract::Effect::Read => Effect::Read,
            contract::Effect::Write => Effect::Write,
            contract::Effect::Destroy => Effect::Destroy,
            contract::Effect::Escalate => Effect::Escalate,
            contract::Effect::Unknown => Effect::Unknown,
        },
        risk: match answer.risk {
            contract::Risk::None => Risk::None,
            contract::Risk::Low => Risk::Low,
            contract::Risk::Medium => Risk::Medium,
            contract::Risk::High => Risk::High,
            contract::Risk::Critical => Risk::Critical,
        },
        verbs: Verbs(answer.verbs),
        labels: labels(&answer.labels)?,
        objects: objects(&answer.objects)?,
        findings: findings(&answer.findings, text, rules, plugin, digest)?,
    })
}

fn labels(bytes: &[u8]) -> Result<BTreeSet<String>, Failure> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._/:".contains(&b);
    strings(bytes)?
        .into_iter()
        .map(|label| {
            let fits = !label.is_empty() && label.len() <= LABEL_BYTES_MAX;
            match fits && label.bytes().all(plain) {
                true => Ok(label.to_owned()),
                false => Err(Failure::Opinion("a label that is no label")),
            }
        })
        .collect()
}

fn objects(bytes: &[u8]) -> Result<BTreeSet<Object>, Failure> {
    let malformed = || Failure::Opinion("a malformed object");
    let strings = strings(bytes)?;
    let (quads, rest) = strings.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(malformed());
    }
    quads
        .iter()
        .map(|[kind, schema, name, access]| {
            let write = match *access {
                "r" => false,
                "w" => true,
                _ => return Err(malformed()),
            };
            let fits = |s: &str| s.len() <= NAME_BYTES_MAX;
            if kind.is_empty() || !fits(kind) || !fits(schema) || !fits(name) {
                return Err(malformed());
            }
            Ok(Object {
                kind: (*kind).to_owned(),
                schema: (!schema.is_empty()).then(|| (*schema).to_owned()),
                name: (*name).to_owned(),
                write,
            })
        })
        .collect()
}

fn findings(
    found: &[contract::Finding],
    text: &str,
    rules: &Rules,
    plugin: &str,
    digest: &str,
) -> Result<Vec<Finding>, Failure> {
    if found.len() > limits::PLUGIN_FINDINGS_MAX {
        return Err(Failure::Opinion("too many findings"));
    }
    found
        .iter()
        .map(|f| {
            if f.start > f.end || f.end as usize > text.len() {
                return Err(Failure::Opinion("a finding outside the text"));
            }
            let rule = u16::try_from(f.rule).ok().and_then(|id| rules.get(id));
            let rule = rule.ok_or(Failure::Opinion("a rule that its manifest does not have"))?;
            Ok(Finding {
                plugin: plugin.to_owned(),
                digest: digest.to_owned(),
                rule: rule.name.clone(),
                start: f.start,
                end: f.end,
            })
        })
        .collect()
}

/// Strings, each followed by a NUL.
fn strings(bytes: &[u8]) -> Result<Vec<&str>, Failure> {
    let Some((last, body)) = bytes.split_last() else {
        return Ok(Vec::new());
    };
    if *last != 0 {
        return Err(Failure::Opinion("a string without its end"));
    }
    let text =
        std::str::from_utf8(body).map_err(|_| Failure::Opinion("a string that is no text"))?;
    let strings: Vec<&str> = text.split('\0').collect();
    match strings.len() > 4 * limits::PLUGIN_FINDINGS_MAX {
        true => Err(Failure::Opinion("too many strings")),
        false => Ok(strings),
    }
}
