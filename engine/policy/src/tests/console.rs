//! Roles in the console: from rules, from data, and none where anything is wrong.

use super::world::{NOW, example_data, granting, identity, load, pack, principal, shipped};
use crate::{ConsoleQuestion, Policy, PolicySet, Roles};
use portcullis_model::{Fault, Identity, Kind};
use serde_json::{Value, json};

fn answered(set: PolicySet, who: &Identity) -> Result<Roles, Fault> {
    let policy = Policy::new(set);
    let question = ConsoleQuestion {
        identity: who,
        node: "gw-1",
        now: NOW,
    };
    policy.console(&question)
}

fn asked(set: PolicySet, who: &Identity) -> Roles {
    answered(set, who).unwrap()
}

fn roles(set: PolicySet, who: &Identity) -> Vec<String> {
    asked(set, who).roles.into_iter().collect()
}

fn bea() -> Identity {
    identity("bea", Kind::Human, &["dba", "audit"])
}

const LEADS: &str = r#"grant contains {"rule": "team/leads", "action": "console", "role": "auditor"} if {
    input.action == "console"
    input.identity.subject == "bea"
}"#;

const ALL: &str = r#"grant contains {"rule": "team/all", "action": "console", "role": "operator"}"#;

#[test]
fn a_rule_gives_a_role_and_says_so_with_the_revision() {
    let set = load(&[pack("team", LEADS)], json!({}));
    let revision = set.revision();
    let given = asked(set, &bea());
    assert_eq!(given.roles.iter().collect::<Vec<_>>(), ["auditor"]);
    assert_eq!(given.revision, revision);
    assert_eq!(given.reasons[0].rule, "team/leads");
    assert_eq!(given.reasons[0].msg, "gives the role auditor");
    let eve = identity("eve", Kind::Human, &["dba"]);
    let given = asked(load(&[pack("team", LEADS)], json!({})), &eve);
    assert!(given.roles.is_empty());
    assert_eq!(given.reasons[0].rule, "default/deny");
}

#[test]
fn data_gives_roles_without_a_pack_that_is_listed() {
    let set = load(&[granting()], example_data());
    assert!(set.packs().any(|(name, _)| name == "console_roles"));
    assert_eq!(roles(set, &bea()), ["approver", "auditor"]);
    assert_eq!(roles(shipped(), &bea()), ["approver", "auditor"]);
    let set = load(&[granting()], json!({}));
    assert!(set.packs().all(|(name, _)| name != "console_roles"));
    // Rules and data add up.
    let set = load(&[pack("team", ALL)], example_data());
    assert_eq!(roles(set, &bea()), ["approver", "auditor", "operator"]);
}

#[test]
fn no_other_grant_gives_a_role_and_no_role_opens_anything() {
    assert!(roles(load(&[granting()], json!({})), &bea()).is_empty());
    let set = load(&[pack("team", ALL)], json!({}));
    let decision = super::world::Asked::new(bea(), vec![super::world::select()]).decide(&set);
    assert!(matches!(
        decision.verdict,
        portcullis_model::Verdict::Deny(_)
    ));
}

#[test]
fn what_is_wrong_leaves_no_role() {
    let dry = pack("team", ALL).dry_run();
    assert!(
        roles(load(&[granting(), dry], json!({})), &bea()).is_empty(),
        "on trial"
    );
    for (what, other) in [
        (
            "denied",
            r#"deny contains {"rule": "team/no", "msg": "no"} if input.action == "console""#,
        ),
        (
            "an error",
            r#"deny contains {"rule": "team/no", "msg": "no"} if { input.action == "console"; to_number(input.identity.name) == 1 }"#,
        ),
        (
            "made up",
            r#"grant contains {"rule": "team/up", "action": "console", "role": role} if { input.action == "console"; role := concat("", ["ro", "ot"]) }"#,
        ),
        (
            "no role",
            r#"grant contains {"rule": "team/up", "action": "console"} if input.action == "console""#,
        ),
        (
            "held",
            r#"approval contains {"rule": "team/ask", "msg": "ask", "approver_groups": ["dba"]}"#,
        ),
    ] {
        let set = load(&[pack("team", ALL), pack("other", other)], json!({}));
        let answer = answered(set, &bea());
        assert!(
            answer.is_err() || answer.is_ok_and(|given| given.roles.is_empty()),
            "{what}"
        );
    }
    let mut acting = bea();
    acting.actors.push(principal("bot"));
    assert!(roles(load(&[pack("team", ALL)], json!({})), &acting).is_empty());
}

#[test]
fn a_pack_that_fails_is_no_answer_and_a_pack_that_denies_is_one() {
    let no =
        r#"deny contains {"rule": "team/no", "msg": "no"} if { input.action == "console"; WHEN }"#;
    for (when, serves, ok) in [
        ("true", true, true),
        ("to_number(input.identity.name) == 1", true, false),
        ("to_number(input.identity.name) == 1", false, true),
    ] {
        let other = pack("other", &no.replace("WHEN", when));
        let other = if serves { other } else { other.dry_run() };
        let set = load(&[pack("team", ALL), other], json!({}));
        let answer = answered(set, &bea());
        assert_eq!(answer.is_ok(), ok, "{when} {serves}");
        let given = answer.map(|given| given.roles.len()).unwrap_or_default();
        assert_eq!(given, usize::from(!serves), "{when} {serves}");
    }
}

#[test]
fn a_rule_about_what_a_connection_is_not_holds_where_there_is_none() {
    for protocol in ["kubernetes", "postgres", "ssh"] {
        let no = format!(
            r#"deny contains {{"rule": "team/no", "msg": "no"}} if not input.connection.protocol == "{protocol}""#
        );
        let set = load(&[pack("team", ALL), pack("other", &no)], json!({}));
        let given = asked(set, &bea());
        assert!(given.roles.is_empty(), "{protocol}");
        let told = given.reasons.iter().any(|r| r.rule == "team/no");
        assert!(told, "{protocol}: {:?}", given.reasons);
        // And one about what it is does not.
        let no = no.replace("if not ", "if ");
        let set = load(&[pack("team", ALL), pack("other", &no)], json!({}));
        assert_eq!(roles(set, &bea()), ["operator"], "{protocol}");
    }
}

#[test]
fn a_role_that_does_not_exist_is_refused_where_it_stands() {
    let body = r#"grant contains {"rule": "team/up", "action": "console", "role": "root"} if input.action == "console""#;
    let found = PolicySet::load(&[pack("team", body)], json!({}))
        .err()
        .unwrap();
    assert_eq!((found[0].rule, found[0].line), ("load/unknown-role", 5));
    assert!(
        found[0].column > 1 && found[0].file == "team.rego",
        "{found:?}"
    );
    let null = r#"grant contains {"rule": "team/up", "action": "console", "role": "auditor"} if { input.action == "console"; input.connection.name == "orders" }"#;
    let found = PolicySet::load(&[pack("team", null)], json!({}))
        .err()
        .unwrap();
    assert_eq!(found[0].rule, "load/unreachable", "{found:?}");
}

#[test]
fn data_that_is_misspelt_is_said() {
    for (data, says) in [
        (
            json!({"console": {"roles": {"root": {"groups": ["a"]}}}}),
            "root",
        ),
        (json!({"console": {"rolles": {}}}), "rolles"),
        (
            json!({"console": {"roles": {"auditor": {"group": ["a"]}}}}),
            "group",
        ),
        (json!({"console": {"roles": {"auditor": {}}}}), "groups"),
        (
            json!({"console": {"roles": {"auditor": {"groups": [], "kinds": ["person"]}}}}),
            "person",
        ),
        (json!({"console": 1}), "console"),
    ] {
        let found = PolicySet::load(&[granting()], data).err().unwrap();
        assert_eq!(found[0].rule, "load/console-roles");
        assert!(found[0].message.contains(says), "{found:?}");
    }
}

#[test]
fn it_is_explained_like_a_decision() {
    let set = load(&[pack("team", LEADS)], json!({}));
    let who = bea();
    let question = ConsoleQuestion {
        identity: &who,
        node: "gw-1",
        now: NOW,
    };
    let mut input = serde_json::to_value(crate::Input::console(&question)).unwrap();
    let explained = set.explain(&input).unwrap();
    assert_eq!(explained.packs[0].grants, ["team/leads"]);
    assert_eq!(explained.decision.reasons[0].msg, "gives the role auditor");
    input["identity"]["subject"] = Value::from("eve");
    let explained = set.explain(&input).unwrap();
    let silent = &explained.packs[0].rules[0];
    assert!(
        !silent.spoke && silent.failed[0].text.contains("subject"),
        "{silent:?}"
    );
}
