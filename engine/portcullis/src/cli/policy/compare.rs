//! `policy diff`: what differs between two sets: packs, rules, data, and what that does to questions one
//! can ask both.

use super::candidate::{Made, side};
use crate::cli::{Exit, paint};
use clap::Args;
use portcullis_policy::{Outcome, PolicySet, RuleOutline, builtin};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  portcullis policy diff ./old ./new
  portcullis policy diff /etc/portcullis/portcullis.yaml next.yaml
  portcullis policy diff ./old ./new --data data.yaml --input a.json

A side is a pack (folder, file, bundle, builtin:NAME) or a configuration (.yaml) with all its packs.
`policy replay` shows what a change does to what was recorded.

Exit codes: 0 nothing differs, 1 something does, or a side is wrong.";

/// A comparison.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Diff {
    /// What there is
    old: String,
    /// What is to come
    new: String,
    /// Data for a side that is a pack
    #[arg(long)]
    data: Option<PathBuf>,
    /// Other data for the new side
    #[arg(long)]
    new_data: Option<PathBuf>,
    /// PEM file with the public key that bundles have to be signed with
    #[arg(long)]
    verification_key: Option<PathBuf>,
    /// Files with an input document each, put to both sides; the examples of the README when not given
    #[arg(long)]
    input: Vec<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// One difference.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    /// `added`, `removed`, `changed`.
    how: &'static str,
    /// `pack`, `rule`, `data`, `answer`.
    what: &'static str,
    name: String,
    place: String,
}

pub(super) fn diff(diff: &Diff) -> Result<(), Exit> {
    let key = diff.verification_key.as_ref();
    let old: Made = side(&diff.old, diff.data.as_deref(), key)?;
    let data = diff.new_data.as_deref().or(diff.data.as_deref());
    let new: Made = side(&diff.new, data, key)?;
    let (old, new) = (old.load(diff.json)?, new.load(diff.json)?);
    let mut found = packs(&old, &new);
    found.extend(rules(&old.outline(), &new.outline()));
    documents(&old.data(), &new.data(), &mut Vec::new(), &mut found);
    found.extend(answers(&old, &new, &inputs(diff)?));
    if diff.json {
        paint::json(&json!({
            "old": old.revision(), "new": new.revision(), "differences": found,
        }))?;
    } else {
        for one in &found {
            let sign = match one.how {
                "added" => paint::verdict("+", true),
                "removed" => paint::verdict("-", false),
                _ => "~".to_owned(),
            };
            paint::say(&format!(
                "{sign} {:6} {}  {}",
                one.what, one.name, one.place
            ))?;
        }
        if found.is_empty() {
            paint::say(&format!("nothing differs; revision {}", new.revision()))?;
        }
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(Exit::Found),
    }
}

fn inputs(diff: &Diff) -> Result<Vec<(String, Value)>, Exit> {
    if diff.input.is_empty() {
        return Ok(builtin::examples());
    }
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|e| Exit::refused(format!("{name}: {e}")))?;
        let input =
            serde_json::from_str(&text).map_err(|e| Exit::refused(format!("{name}: {e}")))?;
        Ok((name, input))
    };
    diff.input.iter().map(read).collect()
}

fn packs(old: &PolicySet, new: &PolicySet) -> Vec<Difference> {
    let all = |set: &PolicySet| -> BTreeMap<String, bool> {
        set.packs()
            .map(|(name, trial)| (name.to_owned(), trial))
            .collect()
    };
    let place = |trial: Option<&bool>| match trial {
        Some(true) => "on trial".to_owned(),
        _ => String::new(),
    };
    let (old, new) = (all(old), all(new));
    sides(&old, &new)
        .map(|(how, name, _, trial)| Difference {
            how,
            what: "pack",
            name: name.clone(),
            place: place(trial),
        })
        .collect()
}

/// What is only here, only there, or different: with the old and the new of it.
fn sides<'a, K: Ord, V: PartialEq>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'static str, &'a K, Option<&'a V>, Option<&'a V>)> {
    let gone = old
        .iter()
        .filter(|(key, _)| !new.contains_key(key))
        .map(|(key, value)| ("removed", key, Some(value), None));
    let here = new.iter().filter_map(|(key, value)| match old.get(key) {
        None => Some(("added", key, None, Some(value))),
        Some(before) if before != value => Some(("changed", key, Some(before), Some(value))),
        Some(_) => None,
    });
    gone.chain(here)
}

/// Rules by pack and what they are; the texts of all rules of one name together.
fn rules(old: &[RuleOutline], new: &[RuleOutline]) -> Vec<Difference> {
    fn by_name(all: &[RuleOutline]) -> BTreeMap<(String, String), Vec<&RuleOutline>> {
        let mut names: BTreeMap<(String, String), Vec<&RuleOutline>> = BTreeMap::new();
        for rule in all {
            let name = match (&rule.says, rule.speaks()) {
                (Some(says), true) => format!("{} {says}", rule.name),
                _ => rule.name.clone(),
            };
            names
                .entry((rule.pack.clone(), name))
                .or_default()
                .push(rule);
        }
        names
    }
    let (old, new) = (by_name(old), by_name(new));
    let texts = |rules: &[&RuleOutline]| {
        let mut texts: Vec<String> = rules.iter().map(|r| r.text.clone()).collect();
        texts.sort();
        texts
    };
    let mut found = Vec::new();
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (before, after) = (old.get(name), new.get(name));
        let how = match (before, after) {
            (Some(before), Some(after)) if texts(before) == texts(after) => continue,
            (Some(_), Some(_)) => "changed",
            (None, _) => "added",
            (_, None) => "removed",
        };
        let rule = after.or(before).and_then(|rules| rules.first());
        found.push(Difference {
            how,
            what: "rule",
            name: format!("{} of {}", name.1, name.0),
            place: rule
                .map(|r| format!("{}:{}", r.file, r.line))
                .unwrap_or_default(),
        });
    }
    found
}

/// Data, down to the first thing that differs.
fn documents(old: &Value, new: &Value, path: &mut Vec<String>, found: &mut Vec<Difference>) {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        if old != new {
            found.push(data(
                "changed",
                path,
                &format!("{} -> {}", short(old), short(new)),
            ));
        }
        return;
    };
    for (key, value) in before {
        path.push(key.clone());
        match after.get(key) {
            Some(other) => documents(value, other, path, found),
            None => found.push(data("removed", path, &short(value))),
        }
        path.pop();
    }
    for (key, value) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        path.push(key.clone());
        found.push(data("added", path, &short(value)));
        path.pop();
    }
}

fn data(how: &'static str, path: &[String], place: &str) -> Difference {
    Difference {
        how,
        what: "data",
        name: format!("data.{}", path.join(".")),
        place: place.to_owned(),
    }
}

fn short(value: &Value) -> String {
    const CHARS_MAX: usize = 60;
    let text = value.to_string();
    match text.chars().count() > CHARS_MAX {
        true => text.chars().take(CHARS_MAX - 1).chain(['…']).collect(),
        false => text,
    }
}

fn answers(old: &PolicySet, new: &PolicySet, inputs: &[(String, Value)]) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, input) in inputs {
        let (Ok(before), Ok(after)) = (old.decide_again(input), new.decide_again(input)) else {
            continue;
        };
        let (then, now) = (Outcome::of(&before.verdict), Outcome::of(&after.verdict));
        let rules = |d: &portcullis_model::Decision| -> Vec<String> {
            d.reasons.iter().map(|r| r.rule.clone()).collect()
        };
        if then != now || before.obligations != after.obligations {
            let place = match then == now {
                true => format!("{now}, with other obligations"),
                false => format!("{then} -> {now} ({})", rules(&after).join(", ")),
            };
            found.push(Difference {
                how: "changed",
                what: "answer",
                name: name.clone(),
                place,
            });
        }
    }
    found
}
