//! What a set consists of, rule by rule: for comparing two sets and for listing one.

use crate::load::{ENTRIES, Owner};
use crate::set::PolicySet;
use regorus::unstable::{Expr, Rule, RuleHead};
use serde::Serialize;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RuleOutline {
    /// Its pack; `lib` for the library.
    pub pack: String,
    /// The rule in its package: `deny`, `is_agent`.
    pub name: String,
    /// The rule id or the type it speaks with, where the text shows it.
    pub says: Option<String>,
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// Its text, without layout.
    #[serde(skip)]
    pub text: String,
}

impl RuleOutline {
    /// True for a rule of the four sets.
    #[must_use]
    pub fn speaks(&self) -> bool {
        ENTRIES.contains(&self.name.as_str())
    }
}

impl PolicySet {
    /// Every rule that serves, in order of packs and lines.
    #[must_use]
    pub fn outline(&self) -> Vec<RuleOutline> {
        let anatomy = self.anatomy();
        let mut all = Vec::new();
        for (module, contents) in anatomy.modules.iter().zip(&anatomy.contents) {
            let pack = match &module.owner {
                Owner::Lib => "lib",
                Owner::Pack(name) => name,
                Owner::LibTest | Owner::Fixtures | Owner::PackTest(_) => continue,
            };
            let rules = &contents.ast.policy;
            for (index, (rule, facts)) in rules.iter().zip(&contents.rules).enumerate() {
                let end = rules
                    .get(index + 1)
                    .map_or(module.text.len(), |next| begins(next));
                let name = facts.path.get(contents.package.len()..).unwrap_or_default();
                all.push(RuleOutline {
                    pack: pack.to_owned(),
                    name: name.join("."),
                    says: says(rule),
                    file: module.file.clone(),
                    line: facts.place.0,
                    text: plain(module.text.get(begins(rule)..end).unwrap_or_default()),
                });
            }
        }
        all
    }

    /// The document `data`.
    #[must_use]
    pub fn data(&self) -> serde_json::Value {
        serde_json::to_value(&self.anatomy().data).unwrap_or_default()
    }
}

/// Where the text of a rule begins: at its name.
fn begins(rule: &Rule) -> usize {
    let refr = match rule {
        Rule::Default { refr, .. } => refr,
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { refr, .. }
            | RuleHead::Set { refr, .. }
            | RuleHead::Func { refr, .. } => refr,
        },
    };
    refr.span().start as usize
}

/// Text without layout and without lines of comment.
fn plain(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

/// The rule id or the type in the head of a rule of the four sets.
pub(crate) fn says(rule: &Rule) -> Option<String> {
    let Rule::Spec {
        head: RuleHead::Set { key: Some(key), .. },
        ..
    } = rule
    else {
        return None;
    };
    let Expr::Object { fields, .. } = &**key else {
        return None;
    };
    let text = |expr: &Expr| match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => {
            value.as_string().ok().map(|text| text.to_string())
        }
        _ => None,
    };
    ["rule", "type"].iter().find_map(|wanted| {
        let (_, _, value) = fields
            .iter()
            .find(|(_, key, _)| text(key).as_deref() == Some(*wanted))?;
        text(value)
    })
}
