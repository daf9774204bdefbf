//! Why: rules that spoke, and the condition that failed in those that did not.

use super::world::{Asked, delete, identity, load, pack, select, set, shipped};
use crate::{Condition, Explanation, PolicySet, RuleExplanation};
use portcullis_model::{Kind, Predicate};
use serde_json::{Value, json};

fn explained(set: &PolicySet, asked: &Asked) -> Explanation {
    let input: Value = serde_json::from_slice(&asked.decide(set).input).unwrap();
    set.explain(&input).unwrap()
}

fn ada() -> Asked {
    Asked::new(identity("ada", Kind::Human, &["engineers"]), vec![select()])
}

fn rule<'e>(explained: &'e Explanation, pack: &str, name: &str) -> &'e RuleExplanation {
    let pack = explained.packs.iter().find(|p| p.pack == pack).unwrap();
    let found = pack.rules.iter().find(|r| r.rule.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("{name}: {:?}", pack.rules))
}

fn texts(conditions: &[Condition]) -> Vec<&str> {
    conditions.iter().map(|c| c.text.as_str()).collect()
}

#[test]
fn the_condition_that_failed_is_shown_with_what_it_saw() {
    let set = set("deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if {\n\
        \tinput.action == \"command\"\n\
        \tinput.identity.kind == \"agent\"\n\
        \tinput.command.effect == \"write\"\n\
        }\n\
        deny contains {\"rule\": \"a/spoke\", \"msg\": \"m\"} if {\n\
        \tsome statement in input.command.statements\n\
        \tstatement.verb == \"SELECT\"\n\
        }\n\
        deny contains {\"rule\": \"a/some\", \"msg\": \"m\"} if {\n\
        \tsome statement in input.command.statements\n\
        \tstatement.verb == \"DROP\"\n\
        }");
    let explained = explained(&set, &ada());
    let silent = rule(&explained, "subject", "a/b");
    assert!(!silent.spoke);
    assert_eq!(texts(&silent.failed), ["input.identity.kind == \"agent\""]);
    assert_eq!(silent.failed[0].line, 7);
    let saw = ("input.identity.kind".to_owned(), "\"human\"".to_owned());
    assert_eq!(silent.failed[0].saw, [saw]);
    assert!(rule(&explained, "subject", "a/spoke").spoke);
    let none = rule(&explained, "subject", "a/some");
    assert_eq!(texts(&none.failed), ["statement.verb == \"DROP\""]);
}

#[test]
fn a_condition_that_is_a_rule_is_followed() {
    let set = set("deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if {\n\
        \tapplies\n\
        \tnot fine\n\
        }\n\
        applies if input.identity.kind == \"agent\"\n\
        applies if data.portcullis.lib.is_agent\n\
        fine if input.command.effect == \"read\"");
    let explained = explained(&set, &ada());
    let failed = &rule(&explained, "subject", "a/b").failed;
    assert_eq!(texts(failed), ["applies"]);
    assert_eq!(
        texts(&failed[0].because),
        [
            "input.identity.kind == \"agent\"",
            "data.portcullis.lib.is_agent"
        ]
    );
    // The library says why in its own words.
    assert_eq!(failed[0].because[1].because.len(), 2);
    assert!(failed[0].because[1].because[0].file.contains("lib.rego"));
}

#[test]
fn conditions_in_an_order_of_their_own_and_messages_that_are_undefined() {
    let set = set("deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if {\n\
        \tinput.action == \"command\"\n\
        \tcount(input.identity.groups) > x\n\
        \tsome x in [5]\n\
        }\n\
        deny contains {\"rule\": \"a/c\", \"msg\": sprintf(\"%s\", [data.nowhere])} if input.action == \"command\"");
    let explained = explained(&set, &ada());
    let failed = &rule(&explained, "subject", "a/b").failed;
    assert!(!failed.is_empty(), "x is given by a later condition");
    let unsaid = &rule(&explained, "subject", "a/c").failed;
    assert!(unsaid[0].text.contains("undefined"), "{unsaid:?}");
}

#[test]
fn the_shipped_packs_can_be_taken_apart() {
    let who = identity("ada", Kind::Human, &["engineers"]);
    let asked = Asked::new(who, vec![delete("orders", Predicate::Missing)]);
    let explained = explained(&shipped(), &asked);
    let spoke: Vec<_> = explained
        .packs
        .iter()
        .flat_map(|p| p.rules.iter().map(move |r| (p, r)))
        .filter(|(_, r)| r.spoke && r.set == "deny")
        .filter_map(|(_, r)| r.rule.clone())
        .collect();
    let said: Vec<_> = explained
        .packs
        .iter()
        .flat_map(|p| p.denials.clone())
        .collect();
    assert_eq!(spoke, said);
    assert!(!said.is_empty());
    for pack in explained.packs.iter().filter(|p| p.asked) {
        for rule in pack.rules.iter().filter(|r| !r.spoke) {
            assert!(!rule.failed.is_empty(), "{}: {rule:?}", pack.pack);
        }
    }
}

#[test]
fn a_pack_that_is_not_asked_says_so() {
    let quiet = pack(
        "quiet",
        "deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if input.action == \"connect\"",
    );
    let set = load(&[super::world::granting(), quiet], json!({}));
    let explained = explained(&set, &ada());
    assert!(!explained.packs[1].asked && explained.packs[1].rules.is_empty());
}
