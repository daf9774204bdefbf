//! The document: its schema, its bytes, and that nothing is ever missing from it.

use super::world::{Asked, Knocks, NOW, delete, held, identity, select};
use crate::input::{Document, Known, Paths, Section, Standing, schema};
use crate::{ApproveQuestion, Input};
use portcullis_model::facts::{CopyFacts, SessionChange};
use portcullis_model::{Finding, Kind, Predicate, Principal, Requirement, Timestamp, limits};
use serde_json::Value;
use std::time::Duration;

#[test]
fn the_schema_in_the_repository_is_the_schema_of_the_code() {
    let mut schema = serde_json::to_string_pretty(&schema()).unwrap();
    schema.push('\n');
    expect_test::expect_file!["../../../../policies/input.schema.json"].assert_eq(&schema);
}

fn rich() -> Asked {
    let mut who = identity(
        "ada \"q\" \u{1F600}",
        Kind::Human,
        &["engineers", "a,\"digest\":\"b"],
    );
    who.owner = Some(Principal {
        issuer: "i".to_owned(),
        subject: "s".to_owned(),
    });
    let mut copy = delete("orders", Predicate::Present);
    copy.copy = Some(CopyFacts {
        from: true,
        relation: Some((None, "orders".to_owned())),
        columns: vec!["a".to_owned()],
        format: "csv".to_owned(),
        delimiter: b',',
        null: String::new(),
        header: true,
        quote: b'"',
        escape: b'"',
        encoding: None,
        server_side: false,
    });
    copy.changes = vec![
        SessionChange::Set {
            name: "role".to_owned(),
            value: None,
            local: true,
        },
        SessionChange::Declare {
            name: "c".to_owned(),
            inner: Box::new(select()),
            hold: false,
        },
    ];
    let mut asked = Asked::new(who, vec![copy]);
    asked.class.findings.push(Finding {
        plugin: "p@1".to_owned(),
        digest: "0".to_owned(),
        rule: "r".to_owned(),
        start: 0,
        end: 1,
    });
    asked
}

fn requirement() -> Requirement {
    Requirement {
        rule: "a/b".to_owned(),
        msg: "m".to_owned(),
        approver_groups: vec!["dba".to_owned()],
        approvers: 1,
        ttl: Duration::from_secs(60),
        execution_ttl: Duration::from_secs(60),
        defer: false,
        in_transaction: false,
        ticket: false,
        terms: portcullis_model::Terms::default(),
    }
}

fn with_each_input(check: impl Fn(&Input<'_>)) {
    check(&Input::command(&rich().question()));
    check(&Input::command(
        &Asked::new(identity("a", Kind::Ci, &[]), Vec::new()).question(),
    ));
    check(&Input::connect(
        &Knocks::new(identity("a", Kind::Agent, &[])).question(),
    ));
    let voter = identity("dan", Kind::Human, &["dba"]);
    let request = held(identity("a", Kind::Agent, &[]));
    check(&Input::approve(&ApproveQuestion {
        id: "a-1",
        voter: &voter,
        client: None,
        request: &request,
        requirement: &requirement(),
        votes: &[],
        expires: NOW,
        now: NOW,
    }));
}

#[test]
fn the_rendered_bytes_are_the_document() {
    with_each_input(|input| {
        let rendered = Document::render(input).unwrap();
        let plain = serde_json::to_vec(input).unwrap();
        assert_eq!(
            String::from_utf8_lossy(rendered.bytes()),
            String::from_utf8_lossy(&plain)
        );
        let back: Input<'_> = serde_json::from_slice(&plain).unwrap();
        assert_eq!(back, *input);
    });
}

#[test]
fn a_command_rendered_on_what_stands_is_the_same_document() {
    let mut plain = Asked::new(identity("a", Kind::Ci, &[]), Vec::new());
    plain.context.role = Some("r\"".to_owned());
    for first in [&plain, &rich()] {
        let standing = Standing::of(&first.question()).unwrap();
        let mut next = Asked::new((*first.session.identity).clone(), vec![select()]);
        next.session = first.session.clone();
        next.text = "select \"}},\\\"digest\"".to_owned();
        next.history.session.rows = 7;
        next.now = Timestamp(3);
        for asked in [first, &next] {
            let question = asked.question();
            let mut whole = Document::render(&Input::command(&question)).unwrap();
            let mut quick = Document::command(&standing, &question).unwrap();
            assert_eq!(
                String::from_utf8_lossy(quick.bytes()),
                String::from_utf8_lossy(whole.bytes())
            );
            assert_eq!(
                quick.key_of_group(0, Section::ALL),
                whole.key_of_group(0, Section::ALL)
            );
            assert_eq!(quick.likeness().kin, whole.likeness().kin);
        }
    }
}

#[test]
fn the_engine_is_given_what_is_rendered_and_only_what_is_asked_for() {
    use regorus::Value as Given;
    let whole = |document: &Document| {
        let text = std::str::from_utf8(document.bytes()).unwrap();
        Given::from_json_str(text).unwrap()
    };
    with_each_input(|input| {
        let mut document = Document::render(input).unwrap();
        let expected = whole(&document);
        assert_eq!(document.value(Section::ALL).unwrap(), expected);
        assert_eq!(
            document.value(Section::ALL).unwrap(),
            expected,
            "a second time"
        );
    });
    let asked = rich();
    let standing = Standing::of(&asked.question()).unwrap();
    let mut document = Document::command(&standing, &asked.question()).unwrap();
    assert_eq!(document.value(Section::ALL).unwrap(), whole(&document));
    let mut names = |sections: &[Section]| {
        let mask = sections.iter().fold(0, |mask, s| mask | s.bit());
        let given: Value = serde_json::to_value(document.value(mask).unwrap()).unwrap();
        let inner = |name: &str| {
            let members = given[name].as_object().into_iter().flatten();
            members.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let outer: Vec<String> = given.as_object().unwrap().keys().cloned().collect();
        (outer, inner("command"), inner("request"))
    };
    let (outer, command, request) = names(&[Section::Wording, Section::Time]);
    assert_eq!(outer, ["command", "request", "version"]);
    assert_eq!(command, ["digest", "parameters", "text", "truncated"]);
    assert_eq!(request, ["time_ns"]);
    let (outer, command, request) = names(&[Section::Identity, Section::Meaning, Section::Origin]);
    assert_eq!(outer, ["command", "identity", "request", "version"]);
    assert!(command.contains(&"statements".to_owned()) && !command.contains(&"text".to_owned()));
    assert!(!request.contains(&"time_ns".to_owned()));
}

#[test]
fn what_stands_is_known_by_the_whole_session() {
    let asked = Asked::new(identity("a", Kind::Human, &["dba"]), vec![select()]);
    let standing = Standing::of(&asked.question()).unwrap();
    assert!(standing.is_of(&asked.question()));
    let mut set = Asked::new(identity("a", Kind::Human, &["dba"]), vec![select()]);
    let ticket = ("portcullis.ticket".to_owned(), Some("OPS-1".to_owned()));
    set.context.settings.extend([ticket]);
    assert!(
        !standing.is_of(&set.question()),
        "SET may change the ticket"
    );
    let other = Asked::new(identity("a", Kind::Human, &["dpo"]), vec![select()]);
    assert_eq!(other.session.id, asked.session.id);
    assert!(!standing.is_of(&other.question()));
}

#[test]
fn inputs_of_one_kin_differ_only_in_what_is_their_own() {
    let likeness = |asked: &Asked| {
        let mut document = Document::render(&Input::command(&asked.question())).unwrap();
        let whole: Value = serde_json::from_slice(document.bytes()).unwrap();
        (document.likeness(), whole)
    };
    let mut asked = rich();
    let (first, base) = likeness(&asked);
    asked.text = "another \u{1F600} text".to_owned();
    asked.history.session.commands = 12;
    asked.now = Timestamp(99);
    let (second, expected) = likeness(&asked);
    assert_eq!(first.kin, second.kin);
    let own: Value = serde_json::from_slice(&second.own).unwrap();
    let mut made = base;
    for (name, members) in own.as_object().unwrap() {
        for (member, value) in members.as_object().unwrap() {
            made[name][member] = value.clone();
        }
    }
    assert_eq!(made, expected);
    asked.context.role = Some("other".to_owned());
    assert_ne!(likeness(&asked).0.kin, first.kin);
    let mut asked = rich();
    asked.facts.statements[0].verb = "DROP".to_owned();
    assert_ne!(likeness(&asked).0.kin, first.kin);
    let mut asked = rich();
    asked.session.login = "another".to_owned();
    assert_ne!(likeness(&asked).0.kin, first.kin);
}

#[test]
fn no_field_is_ever_missing() {
    let schema = schema();
    with_each_input(|input| {
        complete(
            &schema,
            &schema,
            &serde_json::to_value(input).unwrap(),
            "input",
        )
    });
}

/// Every property of the schema is there, and nothing else.
fn complete(root: &Value, schema: &Value, value: &Value, path: &str) {
    let mut schema = schema;
    if let Some(any) = schema["anyOf"].as_array() {
        if value.is_null() {
            return;
        }
        schema = &any[0];
    }
    if let Some(reference) = schema["$ref"].as_str() {
        schema = root.pointer(reference.trim_start_matches('#')).unwrap();
    }
    if let Some(properties) = schema["properties"].as_object() {
        let fields = value
            .as_object()
            .unwrap_or_else(|| panic!("{path} is no object"));
        let mut wanted: Vec<_> = properties.keys().collect();
        let mut found: Vec<_> = fields.keys().collect();
        wanted.sort();
        found.sort();
        assert_eq!(wanted, found, "{path}");
        for (name, field) in fields {
            complete(root, &properties[name], field, &format!("{path}.{name}"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        complete(root, &schema["items"], item, &format!("{path}[{index}]"));
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{path}: {value}");
    }
}

#[test]
fn paths_that_do_not_exist_are_known() {
    let paths = Paths::new();
    let look = |path: &str| paths.look(&path.split('.').map(str::to_owned).collect::<Vec<_>>());
    for path in [
        "identity.claims.anything.at.all",
        "connection.labels.env",
        "command.statements",
        "command.text",
        "command.effect",
        "context.settings.role",
        "approval.requester.owner.issuer",
        "request.source_ip",
        "request.time_ns",
    ] {
        assert_eq!(look(path), Known::Exists, "{path}");
    }
    for (path, at) in [
        ("identty", 0),
        ("identity.nme", 1),
        ("command.sql", 1),
        ("approval.requester.owner.name", 3),
    ] {
        assert_eq!(look(path), Known::Not(at), "{path}");
    }
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let mut asked = rich();
    asked.text = format!("x{}", "ä".repeat(limits::INPUT_TEXT_BYTES_MAX));
    let question = asked.question();
    let command = Input::command(&question).command.unwrap();
    assert!(command.wording.truncated);
    assert_eq!(command.wording.text.len(), limits::INPUT_TEXT_BYTES_MAX - 1);
}

#[test]
fn what_is_prepared_or_declared_is_a_statement_of_its_own() {
    let asked = rich();
    let question = asked.question();
    let statements = Input::command(&question)
        .command
        .unwrap()
        .meaning
        .statements;
    let verbs: Vec<_> = statements.iter().map(|s| s.verb.as_ref()).collect();
    assert_eq!(verbs, ["DELETE", "SELECT"]);
}
