//! On which occasions a rule can say anything, from the guards of its bodies and the data of the set. What is not
//! configured says nothing, and what is about agents says nothing about people: packs and sets are not asked then.
//! It refuses to guess: what shows no guard, or too deep a chain of them, may speak always.

use super::guards::{Guard, Words};
use super::plain;
use super::references::{Contents, HeadKind, Path, RuleFacts};
use crate::set::{Entry, Occasions};
use portcullis_model::limits;
use regorus::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The guards of all rules, and the data they may need.
pub(super) struct Scope<'a> {
    rules: BTreeMap<&'a [String], Vec<&'a RuleFacts>>,
    /// None where only stages and protocols count.
    data: Option<&'a Value>,
    /// What has been worked out, by how deep rules may still refer to each other.
    known: RefCell<BTreeMap<(&'a [String], usize), Occasions>>,
}

impl<'a> Scope<'a> {
    /// As rules speak with this data.
    pub(super) fn new(parsed: &'a [Contents], data: &'a Value) -> Self {
        Self {
            data: Some(data),
            ..Self::at_large(parsed)
        }
    }

    /// As rules could speak with some data, to somebody.
    pub(super) fn at_large(parsed: &'a [Contents]) -> Self {
        let mut rules: BTreeMap<&[String], Vec<&RuleFacts>> = BTreeMap::new();
        for rule in parsed.iter().flat_map(|c| &c.rules) {
            rules.entry(&rule.path).or_default().push(rule);
        }
        Self {
            rules,
            data: None,
            known: RefCell::default(),
        }
    }

    /// One of a pack's sets; `at_large` is this without its data.
    pub(super) fn entry(
        &self,
        package: &[String],
        name: &'static str,
        at_large: &Scope<'_>,
    ) -> Entry {
        let mut path = package.to_vec();
        path.push(name.to_owned());
        let rules = self
            .rules
            .get(path.as_slice())
            .map_or(&[][..], Vec::as_slice);
        // A set is empty where it says nothing; anything else would be undefined, which is a denial.
        if rules.iter().any(|rule| rule.kind != HeadKind::Set) {
            return Entry {
                name,
                speaks: Occasions::ALL,
                concerns: Occasions::ALL,
                gate: None,
            };
        }
        let speaks = |scope: &Scope<'_>| {
            let bodies = rules.iter().flat_map(|rule| scope.bodies(rule));
            bodies.fold(Occasions::NONE, Occasions::either)
        };
        Entry {
            name,
            speaks: speaks(self),
            concerns: speaks(at_large),
            gate: self.gate(rules),
        }
    }

    /// On which occasions each body of a rule can hold.
    pub(super) fn bodies(&self, rule: &RuleFacts) -> Vec<Occasions> {
        let bodies = rule.guards.iter();
        bodies
            .map(|body| self.body(body, limits::POLICY_CALL_DEPTH_MAX))
            .collect()
    }

    /// A rule that all bodies need, where they are many: asked once, it spares them.
    fn gate(&self, rules: &[&RuleFacts]) -> Option<String> {
        const WORTH_IT: usize = 3;
        let mut bodies = rules.iter().flat_map(|rule| &rule.guards);
        let first = bodies.next()?;
        if bodies.clone().count() + 1 < WORTH_IT {
            return None;
        }
        let needs = |body: &Vec<Guard>, path: &Path| {
            let mut guards = body.iter();
            guards.any(|guard| matches!(guard, Guard::Rule(needed) if needed == path))
        };
        let mut candidates = first.iter().filter_map(|guard| match guard {
            // It is written into a module of ours: nothing but names.
            Guard::Rule(path) if self.complete(path) && path.iter().all(|w| plain(w)) => Some(path),
            _ => None,
        });
        let path = candidates.find(|path| bodies.clone().all(|body| needs(body, path)))?;
        Some(path.join("."))
    }

    /// True for a rule that is one value and no part of another: naming it is a condition.
    fn complete(&self, path: &[String]) -> bool {
        let rules = self.rules.get(path);
        let mut above = (1..path.len()).filter_map(|end| path.get(..end));
        rules.is_some_and(|rules| rules.iter().all(|rule| rule.complete))
            && !above.any(|above| self.rules.contains_key(above))
    }

    /// A rule can hold where one of its bodies can.
    fn rule(&self, path: &Path, depth: usize) -> Occasions {
        let Some((path, rules)) = self.rules.get_key_value(path.as_slice()) else {
            return Occasions::ALL;
        };
        if depth == 0 || !self.complete(path) {
            return Occasions::ALL;
        }
        if let Some(known) = self.known.borrow().get(&(*path, depth)) {
            return *known;
        }
        let bodies = rules.iter().flat_map(|rule| &rule.guards);
        let occasions = bodies
            .map(|body| self.body(body, depth))
            .fold(Occasions::NONE, Occasions::either);
        self.known.borrow_mut().insert((path, depth), occasions);
        occasions
    }

    /// A body can hold where all its conditions can.
    fn body(&self, body: &[Guard], depth: usize) -> Occasions {
        body.iter().fold(Occasions::ALL, |all, guard| {
            all.both(match guard {
                Guard::Rule(rule) => self.rule(rule, depth - 1),
                Guard::Stages(words) => self.any_of(words, Occasions::at),
                Guard::Protocols(words) => self.any_of(words, Occasions::over),
                Guard::Kinds(_) | Guard::Delegated(_) if self.data.is_none() => Occasions::ALL,
                Guard::Kinds(words) => self.any_of(words, Occasions::by),
                Guard::Delegated(delegated) => Occasions::delegated(*delegated),
                Guard::Data(path) if self.lacks(path) => Occasions::NONE,
                Guard::Data(_) => Occasions::ALL,
            })
        })
    }

    fn any_of(&self, words: &Words, occasions: fn(&str) -> Occasions) -> Occasions {
        let known = match words {
            Words::These(words) => Some(words.clone()),
            Words::Data(path) => self.texts(path),
        };
        let Some(words) = known else {
            return Occasions::ALL;
        };
        let each = words.iter().map(|word| occasions(word));
        each.fold(Occasions::NONE, Occasions::either)
    }

    /// The list of texts at a path of the data; none where it is anything else.
    fn texts(&self, path: &Path) -> Option<Vec<String>> {
        let mut value = self.data?;
        for key in path.iter().skip(1) {
            value = value.as_object().ok()?.get(&Value::from(key.as_str()))?;
        }
        let items = value.as_array().ok()?.iter();
        let text = |item: &Value| Some(item.as_string().ok()?.to_string());
        items.map(text).collect()
    }

    /// True when there is certainly nothing at a path of the data.
    fn lacks(&self, path: &Path) -> bool {
        let Some(mut value) = self.data else {
            return false;
        };
        for key in path.iter().skip(1) {
            let Ok(fields) = value.as_object() else {
                return false;
            };
            match fields.get(&Value::from(key.as_str())) {
                Some(below) => value = below,
                None => return true,
            }
        }
        false
    }
}
