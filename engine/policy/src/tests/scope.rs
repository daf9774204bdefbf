//! Who is not asked, and that the engine agrees: what is left out would have said nothing.

use super::world::{Asked, identity, load, pack, principal, select, shipped};
use crate::PolicySet;
use crate::input::{Action, Document, Input};
use crate::set::Occasion;
use portcullis_model::{Kind, Protocol};
use serde_json::{Value, json};

/// What the rules below may lean on.
const REST: &str = r#"
mine := 7
several contains 1 if input.action == "connect"
table[1] := 2 if input.action == "connect"
half := true if input.action == "connect"
whole := true if input.action == "command"
never := false
default off := false
off if data.config.there.x == 1
apply(x) := x
"#;

fn document() -> Document {
    let asked = Asked::new(identity("ada", Kind::Human, &[]), vec![select()]);
    Document::render(&Input::command(&asked.question())).unwrap()
}

fn command(kind: Kind, delegated: bool) -> Occasion {
    Occasion {
        action: Action::Command,
        protocol: Protocol::Postgres,
        kind,
        delegated,
    }
}

fn subject(body: &str) -> String {
    format!(
        "import data.config.there as there\n\ndeny contains {{\"rule\": \"a/b\", \"msg\": \"m\"}} if {{ {body} }}\n{REST}"
    )
}

/// Whether the pack is asked about a person's command, and how much the engine makes of its set.
fn asked_and_said(text: &str, data: &Value) -> (bool, usize) {
    let set = load(&[pack("subject", text)], data.clone());
    let said = set.evaluated("subject", "deny", &mut document());
    (
        set.asks("subject", command(Kind::Human, false)),
        said.as_set().unwrap().len(),
    )
}

#[test]
fn without_its_data_a_rule_says_nothing_and_is_not_asked() {
    let present =
        json!({"config": {"there": {"x": 1, "names": ["a"], "human": "human"}, "other": {}}});
    let absent = json!({"config": {"other": {}}});
    for body in [
        "data.config.there.x == 1",
        "1 == data.config.there.x",
        "data.config.there",
        "data.config[\"there\"].x == 1",
        "there.x > 0",
        "some name in data.config.there.names; name == \"a\"",
        "some i, name in data.config.there.names; name == \"a\"; i == 0",
        "some name in there.names; name == \"a\"",
        "\"a\" in data.config.there.names",
        "input.identity.kind in {data.config.there.human}",
        "count(data.config.there.names) == 1",
        "apply(data.config.there.x) == 1",
        "y := data.config.there.x; y == 1",
        "y = data.config.there.x; y == 1",
        "[1, data.config.there.x] == [1, 1]",
        "{\"k\": data.config.there.x}.k == 1",
        "count({data.config.there.x}) == 1",
        "data.config.there.x + 1 == 2",
        "count({data.config.there.x} | {5}) == 2",
        "data.config.there[\"x\"] != 5",
        "data.config.there[_] == 1",
        "not data.config.there.x == 5; data.config.there.x == 1",
        "off",
        "mine == 7; off",
    ] {
        let text = subject(body);
        assert_eq!(asked_and_said(&text, &present), (true, 1), "{body}");
        assert_eq!(asked_and_said(&text, &absent), (false, 0), "{body}");
    }
    // In the head, too.
    let head = "deny contains {\"rule\": \"a/b\", \"msg\": data.config.there.human}";
    for text in [
        head.to_owned(),
        format!("{head} if input.action == \"command\""),
    ] {
        assert_eq!(asked_and_said(&text, &present), (true, 1), "{text}");
        assert_eq!(asked_and_said(&text, &absent), (false, 0), "{text}");
    }
}

#[test]
fn what_needs_no_data_is_asked_without_it() {
    let absent = json!({"config": {"other": {}, "text": "x"}});
    for body in [
        "not data.config.there",
        "not data.config.there.x == 1",
        "count([x | x := data.config.there.x]) == 0",
        "count({x | some x in data.config.there.names}) == 0",
        "count(object.get(data.config, \"there\", {})) == 0",
        "several",
        "table",
        "whole",
        "free := 1 in data.config.there.names; free == false",
        "(1 in data.config.there.names) == false",
        "apply(1 in data.config.there.names) == false",
        "[1 in data.config.there.names] == [false]",
        "count([1]) == 1; not 1 in data.config.there.names",
        "there := {\"x\": 1}; there.x == 1",
        "never := true; never",
    ] {
        assert_eq!(asked_and_said(&subject(body), &absent), (true, 1), "{body}");
    }
}

/// Counting an object fills it in: which of its rules a condition needs is not told.
#[test]
fn a_part_of_an_object_is_no_condition_by_itself() {
    let text = "flags[\"admin\"] := true if input.action == \"connect\"\n\
                flags[k] := true if some k in [\"admin\"]\n\
                deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if { count(flags) > 0; flags.admin }";
    assert_eq!(asked_and_said(text, &json!({})), (true, 1));
}

#[test]
fn only_names_get_into_the_module_that_asks() {
    let rules = |key: &str| {
        let rule = |n: u8| {
            format!("deny contains {{\"rule\": \"a/r{n}\", \"msg\": \"m\"}} if is[\"{key}\"]\n")
        };
        format!(
            "is[\"{key}\"] := true\n{}",
            (0..3).map(rule).collect::<String>()
        )
    };
    for (key, gate) in [
        ("plain", Some("data.portcullis.packs.subject.is.plain")),
        ("prod.eu", None),
        ("read-only", None),
        ("y; some g in data.portcullis.packs.access.grant", None),
        ("in", None),
    ] {
        let set = load(&[pack("subject", &rules(key))], json!({}));
        assert_eq!(set.gate("subject", "deny"), gate, "{key}");
        let asked = Asked::new(identity("ada", Kind::Human, &[]), vec![select()]);
        let decision = asked.decide(&set);
        let denials = decision.reasons.iter().filter(|r| r.rule.starts_with("a/"));
        assert_eq!(denials.count(), 3, "{key}");
    }
}

#[test]
fn what_rules_need_of_each_other_is_worked_out_once() {
    let mut text =
        String::from("deny contains {\"rule\": \"a/b\", \"msg\": \"m\"} if { r0; r0 }\n");
    for n in 0..28 {
        text.push_str(&format!("r{n} if {{ r{}; r{} }}\n", n + 1, n + 1));
    }
    text.push_str("r28 if input.action == \"connect\"\n");
    let began = std::time::Instant::now();
    assert_eq!(asked_and_said(&text, &json!({})), (false, 0));
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn a_pack_about_some_identities_is_asked_about_them() {
    let data =
        json!({"config": {"kinds": ["agent", "ci"], "odd": ["agent", 5], "map": {"a": "agent"}}});
    // Whether a person, a person's token in an agent's hands, an agent and a pipeline are asked about.
    for (body, asked) in [
        (
            "input.identity.kind == \"agent\"",
            [false, false, true, false],
        ),
        (
            "\"human\" == input.identity.kind",
            [true, true, false, false],
        ),
        (
            "input.identity.kind in {\"ci\", \"agent\"}",
            [false, false, true, true],
        ),
        (
            "input.identity.kind in data.config.kinds",
            [false, false, true, true],
        ),
        ("input.identity.kind in data.config.odd", [true; 4]),
        ("input.identity.kind in data.config.map", [true; 4]),
        ("input.identity.kind != \"agent\"", [true; 4]),
        ("not input.identity.kind == \"agent\"", [true; 4]),
        (
            "count(input.identity.actors) > 0",
            [false, true, false, false],
        ),
        (
            "count(input.identity.actors) == 0",
            [true, false, true, true],
        ),
        ("count(input.identity.actors) >= 0", [true; 4]),
        ("count(input.identity.groups) == 0", [true; 4]),
        ("data.portcullis.lib.is_agent", [false, true, true, false]),
        ("data.portcullis.lib.is_human", [true, false, false, false]),
        ("not data.portcullis.lib.is_agent", [true; 4]),
    ] {
        let set = load(&[pack("subject", &subject(body))], data.clone());
        let people = [
            (Kind::Human, false),
            (Kind::Human, true),
            (Kind::Agent, false),
            (Kind::Ci, false),
        ];
        for ((kind, delegated), asked) in people.into_iter().zip(asked) {
            let shown = format!("{body}: {kind:?}, {delegated}");
            let occasion = command(kind, delegated);
            assert_eq!(set.asks("subject", occasion), asked, "{shown}");
            assert!(asked || says_nothing_to(&set, kind, delegated), "{shown}");
        }
    }
}

/// What the engine makes of the set for such an identity.
fn says_nothing_to(set: &PolicySet, kind: Kind, delegated: bool) -> bool {
    let mut who = identity("ada", kind, &[]);
    if delegated {
        who.actors = vec![principal("agent")];
    }
    let question = Asked::new(who, vec![select()]);
    let mut document = Document::render(&Input::command(&question.question())).unwrap();
    let said = set.evaluated("subject", "deny", &mut document);
    said.as_set().unwrap().is_empty()
}

#[test]
fn a_condition_that_all_rules_of_a_set_share_is_asked_first() {
    let set = shipped();
    assert_eq!(
        set.gate("destructive_sql", "deny"),
        Some("data.portcullis.packs.destructive_sql.asked")
    );
    let rule = |n: u8, body: &str| {
        format!("deny contains {{\"rule\": \"a/r{n}\", \"msg\": \"m\"}} if {{ {body} }}\n")
    };
    let gate = |bodies: &[&str]| {
        let rules: String = (0_u8..)
            .zip(bodies)
            .map(|(n, body)| rule(n, body))
            .collect();
        let set = load(
            &[pack("subject", &format!("{rules}{REST}"))],
            json!({"config": {}}),
        );
        let gate = set.gate("subject", "deny").map(str::to_owned);
        let said = set.evaluated("subject", "deny", &mut document());
        let asked = Asked::new(identity("ada", Kind::Human, &[]), vec![select()]);
        let denials = asked
            .decide(&set)
            .reasons
            .iter()
            .filter(|r| r.rule.starts_with("a/"))
            .count();
        assert_eq!(denials, said.as_set().unwrap().len(), "{bodies:?}");
        gate
    };
    let whole = Some("data.portcullis.packs.subject.whole".to_owned());
    assert_eq!(
        gate(&["whole", "mine == 7; whole", "whole; mine == 8"]),
        whole
    );
    assert_eq!(gate(&["whole", "whole"]), None, "two are asked as quickly");
    assert_eq!(gate(&["whole", "not whole", "whole"]), None);
    assert_eq!(
        gate(&["several", "several", "several"]),
        None,
        "a set is there though it is empty"
    );
    assert_eq!(
        gate(&["half; true", "half", "half"]),
        Some("data.portcullis.packs.subject.half".to_owned())
    );
    assert_eq!(gate(&["whole", "whole := true; whole", "whole"]), None);
}
