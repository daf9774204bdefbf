//! Every way to get `approvals:` wrong that we know of, with the line and column that must be named.

use super::*;

/// [`GOOD`] with an https listener and these lines under `approvals:`, which begin in line 26.
fn with(lines: &str) -> String {
    let listener =
        "  - protocol: https\n    address: 127.0.0.1:6443\n    tls: { self_signed: true }\n";
    let good = GOOD.replace("issuers:\n", &format!("{listener}issuers:\n"));
    format!("{good}approvals:\n{lines}")
}

fn found(lines: &str) -> Vec<(Option<usize>, Option<usize>, String)> {
    let problems = problems(&with(lines)).0.into_iter();
    problems
        .map(|p| (p.line, p.column, format!("{} {}", p.place, p.message)))
        .collect()
}

#[test]
fn a_good_section_has_nothing_to_complain_about() {
    let good = "  fresh_login: 8h
  portal: https://gw.example/console
  webhooks:
    - { name: pager, url: https://events.example/x, secret: env:A, events: [\"glass.*\"] }
    - { name: inside, url: https://10.0.0.1/x, secret: env:A, private: true }
  callback: { secret: env:A }
  slack: { team: T1, channel: C1, token: env:A, signing_secret: env:A }
  mail:
    - { name: sre, host: smtp.example, user: gw, password: env:A, from: gw@example.org, to: [sre@example.org] }
  tickets:
    - { name: jira, kind: jira, url: https://jira.example, prefixes: [OPS-], secret: env:A, assignee: assignee.name }
    - { name: sn, kind: servicenow, table: incident, url: https://sn.example, prefixes: [INC], secret: env:A, fields: { state: [Open] } }
";
    assert_eq!(found(good), []);
}

const SLACK: &str = "  slack: { team: T1, channel: C1, token: env:A, signing_secret: env:A";

#[test]
fn nobody_is_warned_of_two_defaults() {
    assert_eq!(found(&format!("{SLACK} }}\n")), []);
    let block =
        "  slack:\n    team: T1\n    channel: C1\n    token: env:A\n    signing_secret: env:A\n";
    assert_eq!(found(block), []);
    let written = found(&format!("{block}    linked_for: 8h\n"));
    let [(line, column, said)] = written.as_slice() else {
        panic!("{written:?}");
    };
    assert_eq!((*line, *column), (Some(32), Some(5)), "{said}");
    assert!(said.starts_with("approvals.slack.linked_for"), "{said}");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let hook = |url: &str| format!("  webhooks:\n    - {{ name: a, secret: env:A, url: {url} }}\n");
    let mail = |more: &str| {
        format!("  mail:\n    - {{ name: a, host: smtp.example, from: a@b.example, {more} }}\n")
    };
    let tickets = |more: &str| format!("  tickets:\n    - {{ name: a, secret: env:A, {more} }}\n");
    let jira = "kind: jira, url: https://j.example, prefixes: [A-], assignee: a";
    for (lines, says) in [
        (hook("http://events.example/x"), "no https address"),
        (hook("https://127.0.0.1/x"), "which is not reached"),
        (hook("https://169.254.169.254/x"), "its network"),
        (hook("https://localhost:8443/x"), "its network"),
        (hook("https://LOCALHOST./x"), "its network"),
        (hook("https://hooks.localhost/x"), "its network"),
        (hook("\"https://[::1]/x\""), "its network"),
        (hook("https://user@events.example/x"), "a user with it"),
        (hook("https://events.example/x, name2: b"), "unknown field"),
        (mail("to: []"), "lists no e-mail address"),
        (
            mail("to: [\"a@b.example\\nBcc: c@d\"]"),
            "lists no e-mail address",
        ),
        (mail("to: [a@b.example], user: gw"), "without `password`"),
        (mail("to: [a@b.example], tls: none"), "another machine"),
        (tickets(&jira.replace("https", "http")), "no https address"),
        (
            tickets(&jira.replace("[A-]", "[]")),
            "no beginning of a key",
        ),
        (tickets(&format!("{jira}, table: x")), "is for ServiceNow"),
        (
            tickets(&jira.replace(", assignee: a", "")),
            "checks nothing",
        ),
        (
            "  portal: http://gw.example\n".to_owned(),
            "no https address",
        ),
        ("  fresh_login: 0s\n".to_owned(), "nobody could vote"),
        ("  fresh_login: never\n".to_owned(), "is no duration"),
        (
            format!("{SLACK}, linked_for: 8h }}\n"),
            "longer than `fresh_login`",
        ),
        (
            "  callback: { secret: hunter2 }\n".to_owned(),
            "a secret is named",
        ),
    ] {
        let found = found(&lines);
        let fits = |(line, column, text): &(Option<usize>, Option<usize>, String)| {
            line.is_some_and(|l| l >= 25) && column.is_some() && text.contains(says)
        };
        assert!(found.iter().any(fits), "{lines}: {found:?}");
    }
    let twice = format!(
        "{}    - {{ name: a, secret: env:A, url: https://b.example }}\n",
        hook("https://c.example")
    );
    assert!(
        found(&twice)
            .iter()
            .any(|p| p.2.contains("name of its own"))
    );
}

#[test]
fn a_mail_server_and_its_login_are_names_alone() {
    let mail = "  mail:\n    - { name: a, from: a@b.example, to: [a@b.example], password: env:A, ";
    for (host, user, says) in [
        ("smtp.example", "gw@b.example", None),
        ("\"::1\"", "gw", None),
        ("smtp.example:587", "gw", Some("neither the name of a host")),
        (
            "https://smtp.example",
            "gw",
            Some("neither the name of a host"),
        ),
        ("\"\"", "gw", Some("neither the name of a host")),
        ("smtp.example", "\"a\\0b\"", Some("a control character")),
    ] {
        let found = found(&format!("{mail}host: {host}, user: {user} }}\n"));
        match (says, found.as_slice()) {
            (None, []) => {}
            (Some(says), [(Some(_), Some(_), text)]) => assert!(text.contains(says), "{text}"),
            _ => panic!("{host} {user}: {found:?}"),
        }
    }
}

#[test]
fn logins_that_are_never_old_are_warned_of_and_an_empty_word_is_none() {
    for (said, says, warned) in [
        ("token", "also one that was renewed", true),
        ("25h", "longer than a day", true),
        ("0s", "nobody could vote", false),
        ("", "fresh_login", false),
    ] {
        let problems = problems(&with(&format!("  fresh_login: {said}\n"))).0;
        let [problem] = problems.as_slice() else {
            panic!("{said}: {problems:?}");
        };
        let told = format!("{} {}", problem.place, problem.message);
        assert!(told.contains(says), "{said}: {told}");
        assert_eq!(
            (problem.line, problem.warning),
            (Some(27), warned),
            "{said}"
        );
    }
    assert_eq!(found("  fresh_login: 24h\n"), []);
}

#[test]
fn what_comes_in_needs_a_listener() {
    let text = format!("{GOOD}approvals:\n  callback: {{ secret: env:A }}\n");
    let problems = problems(&text).0;
    assert!(
        problems
            .iter()
            .any(|p| p.place == "approvals.callback" && p.line == Some(24)),
        "{problems:?}"
    );
}
