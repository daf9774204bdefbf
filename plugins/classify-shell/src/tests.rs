//! What is said about commands: the ways round that must stay closed, what ordinary commands are, and laws.

use crate::ClassifyShell;
use portcullis_sdk::testing::{classifier, ways};
use portcullis_sdk::{Effect, Opinion, Protocol, Risk, Stage};
use serde_json::json;

fn opinion(text: &str) -> Opinion {
    classifier::<ClassifyShell>(json!({}))
        .protocol(Protocol::Ssh)
        .stage(Stage::Exec)
        .opinion(text)
}

#[test]
fn no_way_past_is_open() {
    let list = include_str!("../../../tests/bypass/shell.txt");
    ways::none("ways are open", &ways::open_ways(list, opinion));
}

#[test]
fn ordinary_commands_are_ordinary() {
    let list = include_str!("../corpus/clean.txt");
    let most = |_: &str| (Effect::Write, Risk::Low);
    let high = ways::graded_high(list, opinion, most);
    ways::none("are graded too high", &high);
    assert!(ways::lines(list).len() >= 500, "there are too few");
}

/// What opens something that nests, or repeats.
const OPENERS: [&str; 52] = [
    "(",
    "$(",
    "`",
    "${a:-",
    "((",
    "$((",
    "{ ",
    "if ",
    "while ",
    "until ",
    "case x in x) ",
    "for x in ",
    "\"$(",
    "<(",
    "[[ ( ",
    "@(",
    "a=(",
    "f() {",
    "! ",
    "time ",
    "coproc ",
    "function f {",
    "x|",
    "x&&",
    "echo {a,",
    "{",
    "$[",
    "<<E ",
    "sh -c '",
    "sudo ",
    "env ",
    "eval ",
    "xargs ",
    "\\",
    "'",
    "\"",
    "a[",
    "${a[",
    "${",
    "$'",
    "1+(",
    "echo $((1+(",
    "{a,b}",
    "{1..9}",
    "*",
    "?",
    "[",
    "cat /",
    "/../",
    "&",
    ";",
    "\n",
];

#[test]
fn nesting_bombs_end_in_unknown() {
    for opener in OPENERS {
        for count in [60, 1_000, 20_000] {
            let text: String = opener
                .repeat(count)
                .chars()
                .take(crate::TEXT_BYTES_MAX)
                .collect();
            let opinion = crate::command_line(&text);
            let nests = [
                "(",
                "$(",
                "${a:-",
                "((",
                "$((",
                "{ ",
                "if ",
                "while ",
                "until ",
                "case x in x) ",
                "\"$(",
                "<(",
                "f() {",
            ]
            .contains(&opener);
            if nests && count > 60 {
                assert_eq!(
                    opinion.effect,
                    Effect::Unknown,
                    "{opener:?} x {count}: {opinion:?}"
                );
            }
            // Around what does harm, deep or not, harm or ignorance is said.
            let around = format!("{}chmod 777 x", opener.repeat(count.min(3_000)));
            let opinion = crate::command_line(&around);
            let quoted = matches!(opener, "echo {a," | "cat /");
            assert!(
                opinion.effect >= Effect::Escalate || quoted,
                "{opener:?} x {count}: {:?} {:?}",
                opinion.effect,
                opinion.labels
            );
        }
    }
    let long = format!("ls {}", "x".repeat(crate::TEXT_BYTES_MAX));
    assert!(crate::command_line(&long).labels.contains("too-complex"));
    assert!(crate::command_line("ls\0").labels.contains("too-complex"));
}

#[test]
fn other_shells_and_other_messages_are_not_read() {
    let harness = |shell: &str, stage| {
        classifier::<ClassifyShell>(json!({"shell": shell}))
            .protocol(Protocol::Ssh)
            .stage(stage)
            .opinion("ls")
    };
    for shell in ["fish", "/usr/bin/zsh", "pwsh", "cmd.exe", "ios", ""] {
        assert!(
            harness(shell, Stage::Exec).labels.contains("other-shell"),
            "{shell}"
        );
        assert!(
            harness(shell, Stage::ShellLine)
                .labels
                .contains("other-shell"),
            "{shell}"
        );
    }
    for shell in ["sh", "/bin/bash", "dash", "busybox"] {
        assert_eq!(harness(shell, Stage::Exec).effect, Effect::Read, "{shell}");
    }
    assert_eq!(harness("sh", Stage::Query).effect, Effect::Unknown);
    assert_eq!(harness("sh", Stage::Subsystem).effect, Effect::Unknown);
    let error = classifier::<ClassifyShell>(json!({"shel": "sh"})).config_error();
    assert!(error.message.contains("shel"), "{error}");
}

#[test]
fn a_typed_line_may_become_another() {
    let typed = |text: &str| {
        classifier::<ClassifyShell>(json!({}))
            .protocol(Protocol::Ssh)
            .stage(Stage::ShellLine)
            .opinion(text)
    };
    for line in [
        "!!",
        "!chmod",
        "sudo !!",
        "ls !$",
        "^ls^rm",
        "echo \"!x\"",
        "$_",
        "!-2",
    ] {
        assert_eq!(typed(line).effect, Effect::Unknown, "{line}");
    }
    for line in [
        "ls",
        "[ ! -f x ]",
        "! grep -q x y",
        "echo '!x'",
        "cd /srv && ls",
        "echo \\!x",
    ] {
        assert!(
            typed(line).effect <= Effect::Write,
            "{line}: {:?}",
            typed(line).labels
        );
    }
    assert!(typed("chmod 777 x").labels.contains("world-writable"));
}

fn sftp(value: &serde_json::Value) -> Opinion {
    classifier::<ClassifyShell>(json!({}))
        .protocol(Protocol::Ssh)
        .stage(Stage::Sftp)
        .opinion(&value.to_string())
}

#[test]
fn operations_on_files_have_the_labels_of_commands() {
    for (operation, label) in [
        (
            json!({"operation": "setstat", "path": "/srv/x", "mode": 0o777}),
            "world-writable",
        ),
        (
            json!({"operation": "setstat", "path": "/srv/x", "mode": 0o100_777}),
            "world-writable",
        ),
        (
            json!({"operation": "fsetstat", "path": "x", "mode": 0o4755}),
            "set-id",
        ),
        (
            json!({"operation": "open", "path": "x", "flags": ["write", "create"], "mode": 0o666}),
            "world-writable",
        ),
        (
            json!({"operation": "mkdir", "path": "x", "mode": 0o777}),
            "world-writable",
        ),
        (
            json!({"operation": "setstat", "path": "x", "uid": 0}),
            "owner-change",
        ),
        (
            json!({"operation": "open", "path": "/etc/shadow", "flags": ["read"]}),
            "credential-read",
        ),
        (
            json!({"operation": "open", "path": "/etc/shadow"}),
            "credential-read",
        ),
        (
            json!({"operation": "open", "path": "/root/.ssh/authorized_keys", "flags": ["append"]}),
            "authorized-keys-change",
        ),
        (
            json!({"operation": "rename", "path": "x", "target": "/etc/cron.d/x"}),
            "persistence",
        ),
        (
            json!({"operation": "symlink", "path": "/etc/shadow", "target": "x"}),
            "credential-read",
        ),
        (
            json!({"operation": "remove", "path": "/var/log/auth.log"}),
            "log-tampering",
        ),
        (
            json!({"operation": "extended", "extension": "x@y"}),
            "unlisted-program",
        ),
        (json!({"operation": "frobnicate"}), "unlisted-program"),
        (json!({"operation": "stat", "path": "a\0b"}), "unparsed"),
        (json!({"path": "x"}), "unparsed"),
    ] {
        let opinion = sftp(&operation);
        assert!(
            opinion.labels.contains(label),
            "{operation}: {:?}",
            opinion.labels
        );
    }
}

#[test]
fn ordinary_operations_on_files_are_ordinary() {
    for operation in [
        json!({"operation": "stat", "path": "/etc/shadow"}),
        json!({"operation": "opendir", "path": "/srv"}),
        json!({"operation": "open", "path": "/srv/a.txt", "flags": ["read"], "mode": 0o666}),
        json!({"operation": "open", "path": "/srv/a.txt", "flags": ["write", "create", "truncate"], "mode": 0o644}),
        json!({"operation": "mkdir", "path": "/srv/new", "mode": 0o755}),
        json!({"operation": "remove", "path": "/srv/old.txt"}),
    ] {
        let opinion = sftp(&operation);
        assert!(
            opinion.effect <= Effect::Write && opinion.risk <= Risk::Low,
            "{operation}: {opinion:?}"
        );
    }
}

#[test]
fn what_is_found_says_where() {
    let text = "ls /srv; chmod 777 /srv/app && echo done";
    let opinion = opinion(text);
    let found: Vec<_> = opinion
        .findings
        .iter()
        .map(|(rule, at)| (rule.0, &text[at.clone()]))
        .collect();
    assert_eq!(found, [(3, "chmod 777 /srv/app")]);
    let objects: Vec<_> = opinion
        .objects
        .iter()
        .map(|o| (o.kind.as_str(), o.name.as_str(), o.write))
        .collect();
    assert!(objects.contains(&("program", "chmod", false)));
    assert!(objects.contains(&("argv", r#"["chmod","777","/srv/app"]"#, false)));
    assert!(objects.contains(&("file", "/srv/app", true)));
}

mod laws {
    use super::opinion;
    use portcullis_sdk::Effect;
    use proptest::prelude::*;

    const PIECES: [&str; 83] = [
        "ls",
        "chmod",
        "777",
        "rm",
        "-rf",
        "/",
        "sh",
        "-c",
        "sudo",
        "xargs",
        "find",
        "-exec",
        "{}",
        ";",
        "\\;",
        "&&",
        "||",
        "|",
        "&",
        "\n",
        " ",
        "$(",
        ")",
        "`",
        "${",
        "}",
        "$((",
        "))",
        "((",
        "[[",
        "]]",
        "{",
        "(",
        "'",
        "\"",
        "$'",
        "\\",
        "<<E\n",
        "E\n",
        "<<<",
        "<(",
        ">",
        ">>",
        "<",
        "2>&1",
        "if ",
        "then ",
        "fi",
        "while ",
        "do ",
        "done",
        "case ",
        " in ",
        "esac",
        ";;",
        "for ",
        "function ",
        "f()",
        "x=",
        "$x",
        "$@",
        "*",
        "?",
        "[a-z]",
        "{a,b}",
        "{1..3}",
        "~",
        "eval ",
        "echo ",
        "printf ",
        "%s",
        "base64 -d",
        "#",
        "!",
        "=",
        "+=",
        ":-",
        "//",
        "é",
        "\u{202e}",
        "\r",
        "\t",
        "-",
    ];

    /// Pieces that a shell cares about, and some that it does not.
    fn piece() -> impl Strategy<Value = String> {
        let shell = prop::sample::select(PIECES.to_vec());
        prop_oneof![8 => shell.prop_map(str::to_owned), 1 => "[ -~]{0,6}", 1 => "\\PC{0,3}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

        /// Any text has an opinion, the same every time and from every instance (the harness asks three times).
        #[test]
        fn any_text_has_one_opinion(pieces in prop::collection::vec(piece(), 0..40)) {
            opinion(&pieces.concat());
        }

        /// Arbitrary characters too.
        #[test]
        fn any_characters_have_one_opinion(text in "\\PC{0,200}") {
            opinion(&text);
        }

        /// Quoting letters of a command changes nothing.
        #[test]
        fn quotes_hide_nothing(quotes in prop::collection::vec(0..4_u8, 9)) {
            let letters = "chmod 777".chars().zip(quotes).map(|(c, quote)| match (c, quote) {
                (' ', _) | (_, 0) => c.to_string(),
                (_, 1) => format!("'{c}'"),
                (_, 2) => format!("\"{c}\""),
                _ => format!("\\{c}"),
            });
            let text = format!("{} x", letters.collect::<String>());
            prop_assert!(opinion(&text).labels.contains("world-writable"), "{}", text);
        }

        /// What does harm does so wherever a command can stand, or the place is said not to be known.
        #[test]
        fn harm_is_seen_in_any_place(ways in prop::collection::vec(0..12_u8, 0..5)) {
            let text = ways.iter().fold("chmod 777 x".to_owned(), |inner, way| match way {
                0 => format!("({inner})"),
                1 => format!("{{ {inner}; }}"),
                2 => format!("if {inner}; then ls; fi"),
                3 => format!("if ls; then {inner}; fi"),
                4 => format!("echo \"$({inner})\""),
                5 => format!("ls && {inner}"),
                6 => format!("{inner} | cat"),
                7 => format!("while {inner}; do ls; done"),
                8 => format!("f() {{ {inner}; }}; f"),
                9 => format!("cat <({inner})"),
                10 => format!("sh <<'END'\n{inner}\nEND\n"),
                _ => format!("for i in a b; do {inner}; done"),
            });
            let opinion = opinion(&text);
            prop_assert!(
                opinion.labels.contains("world-writable") || opinion.effect == Effect::Unknown,
                "{}: {:?}", text, opinion.labels
            );
        }
    }
}
