//! The command line as people meet it: help that teaches, codes that mean something.

use super::*;
use clap::CommandFactory;

/// Compared with the committed text; `UPDATE_GOLDEN=1` writes it anew.
fn golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/cli/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("make");
        std::fs::write(&path, text).expect("write");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, text,
        "{name} is stale: run the test with UPDATE_GOLDEN=1"
    );
}

#[test]
fn the_help_is_the_committed_one() {
    let mut text = String::new();
    let mut cli = Cli::command().term_width(100);
    cli.build();
    text.push_str(&cli.render_long_help().to_string());
    for name in [
        "run",
        "check",
        "approvals",
        "access",
        "sessions",
        "journal",
        "dev-issuer",
        "plugin",
    ] {
        let command = cli.find_subcommand_mut(name).expect(name);
        text.push_str(&format!("\n==== portcullis {name} ====\n"));
        text.push_str(&command.render_long_help().to_string());
        for step in command.get_subcommands_mut().filter(|_| name == "plugin") {
            text.push_str(&format!(
                "\n==== portcullis plugin {} ====\n",
                step.get_name()
            ));
            text.push_str(&step.render_long_help().to_string());
        }
    }
    let policy = cli.find_subcommand_mut("policy").expect("policy");
    text.push_str("\n==== portcullis policy ====\n");
    text.push_str(&policy.render_long_help().to_string());
    let names: Vec<String> = policy
        .get_subcommands()
        .map(|c| c.get_name().to_owned())
        .collect();
    for name in names
        .iter()
        .filter(|name| !matches!(name.as_str(), "help" | "self-test"))
    {
        let command = policy.find_subcommand_mut(name).expect("it is there");
        text.push_str(&format!("\n==== portcullis policy {name} ====\n"));
        text.push_str(&command.render_long_help().to_string());
    }
    let text: Vec<&str> = text.lines().map(str::trim_end).collect();
    golden("help.txt", &(text.join("\n") + "\n"));
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_listing_has_json() {
    for line in [
        "status",
        "connections",
        "reload",
        "sessions list",
        "approvals list",
        "approvals mine --gateway https://gateway:6443 --ca ca.pem --token-file token",
        "access list --server https://gateway:6443",
        "journal verify",
        "check",
        "config print",
        "policy new x",
        "policy check x",
        "policy fmt x",
        "policy test x",
        "policy eval x --input y",
        "policy explain x --input y",
        "policy bench x",
        "policy diff x y",
        "policy replay x",
        "policy report",
        "plugin new x --world masker",
        "plugin build",
        "plugin test",
        "plugin run x --trace y",
        "plugin bench",
        "plugin trace --sql x",
        "plugin inspect x",
        "plugin keygen x --name y",
        "plugin sign x --key y",
        "plugin verify x --key y",
        "plugin pin x",
        "sessions show s-00000000000000000000000000",
    ] {
        let words = ["portcullis"]
            .into_iter()
            .chain(line.split(' '))
            .chain(["--json"]);
        assert!(Cli::try_parse_from(words).is_ok(), "{line}");
    }
}

#[test]
fn a_token_is_never_an_argument() {
    let words = [
        "portcullis",
        "approvals",
        "approve",
        "ap-1",
        "--reason",
        "x",
        "--token",
        "y",
    ];
    assert!(Cli::try_parse_from(words).is_err());
}

#[test]
fn exit_codes_are_part_of_the_interface() {
    let unreachable = Exit::Unreachable {
        socket: PathBuf::from("/nowhere"),
        source: std::io::ErrorKind::NotFound.into(),
    };
    let unanswered = Exit::Unanswered {
        message: "no".to_owned(),
        hint: "name another".to_owned(),
    };
    for (exit, code) in [
        (Exit::refused("no"), 1),
        (Exit::Found, 1),
        (unreachable, 3),
        (unanswered, 3),
        (Exit::Start("no".to_owned()), 4),
        (Exit::Undecided("not yet".to_owned()), 5),
    ] {
        assert_eq!(exit.code(), code, "{exit}");
    }
}

#[test]
fn without_a_gateway_the_code_is_three() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = Whereabouts {
        config: PathBuf::from("/nowhere"),
        socket: Some(folder.path().join("admin.sock")),
    };
    let answer: Result<serde_json::Value, Exit> = at.get("/v1/status");
    assert_eq!(answer.expect_err("nobody is there").code(), 3);
}

#[test]
fn no_gateway_moves_a_cursor_or_begins_a_line_with_what_it_refuses() {
    let exit = Exit::refused_with(
        "no\u{1b}[2A\u{9b}K\u{202e}\nhint: run this\\n",
        "so\u{1b}]52;c;eA==\u{7}\nerror: none",
    );
    let (message, hint) = exit.shown();
    let escaped = "no\\u{001b}[2A\\u{009b}K\\u{202e}\n  hint: run this\\n";
    assert_eq!(message, escaped, "and a backslash stays one");
    let escaped = "so\\u{001b}]52;c;eA==\\u{0007}\n  error: none";
    assert_eq!(hint.as_deref(), Some(escaped));
}

#[test]
fn the_authority_of_a_login_is_found_again_from_another_folder() {
    let portal = portal::Portal {
        gateway: "https://gateway:6443".parse().expect("an address"),
        ca: Some(PathBuf::from("ca.pem")),
    };
    let granted = serde_json::json!({
        "access_token": "t", "token_type": "Bearer", "expires_in": 60,
        "issued_token_type": "urn:ietf:params:oauth:token-type:jwt",
    });
    let granted = serde_json::from_value(granted).expect("a token");
    let login = cache::Login::new(&portal, &granted, portcullis_model::Timestamp(0));
    let here = std::env::current_dir().expect("a folder");
    assert_eq!(login.ca, Some(here.join("ca.pem")));
}
