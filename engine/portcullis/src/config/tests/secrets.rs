//! Where references to secrets lead, and what may open what.

use super::*;

const BACKENDS: &str = "\
secrets:
  store: { path: secrets.store, key: systemd:store-key }
  commands:
    op: { argv: [/usr/bin/op, read], timeout: 5s }
  vault:
    main:
      address: https://vault.example:8200
      auth: { approle: { role_id: gateway, secret_id: store:vault/secret-id } }
  aws:
    prod: { region: eu-central-1, from: instance }
  kubernetes: {}
";

/// [`GOOD`] with these backends and this credential.
fn with(backends: &str, credential: &str) -> String {
    let written = "static: { user: app, password: env:APP_PASSWORD }";
    format!("{}{backends}", GOOD.replace(written, credential))
}

fn fixed(reference: &str) -> String {
    format!("static: {{ user: app, password: \"{reference}\" }}")
}

#[test]
fn every_kind_of_reference_leads_somewhere() {
    for reference in [
        "env:A",
        "file:/run/a",
        "systemd:pg-admin",
        "store:pg/admin",
        "command:op",
        "command:op#password",
        "vault:main/apps/orders#password",
        "aws:prod/orders/db#password",
        "kubernetes:default/orders#password",
    ] {
        let found = problems(&with(BACKENDS, &fixed(reference)));
        assert!(found.0.is_empty(), "{reference}: {found}");
    }
    let loaded = parse(Path::new("p.yaml"), with(BACKENDS, &fixed("env:A"))).expect("good");
    assert_eq!(references(&loaded.config).len(), 1);
}

#[test]
fn a_reference_that_leads_nowhere_is_named_with_its_place() {
    for (reference, section) in [
        ("store:a", "secrets.store"),
        ("command:op", "secrets.commands.op"),
        ("vault:main/a#b", "secrets.vault.main"),
        ("aws:prod/a", "secrets.aws.prod"),
        ("kubernetes:a/b#c", "secrets.kubernetes"),
    ] {
        let found = problems(&with("", &fixed(reference)));
        assert!(found.stop(), "{reference}");
        let problem = &found.0[0];
        assert_eq!(
            (problem.line, problem.column),
            (Some(19), Some(28)),
            "{found}"
        );
        assert!(problem.message.contains(&format!("`{section}`")), "{found}");
    }
}

#[test]
fn engines_are_those_of_a_configured_server() {
    let good = [
        "vault: { server: main, mount: database, role: app-ro }",
        "rds_iam: { account: prod, user: app }",
    ];
    for credential in good {
        let found = problems(&with(BACKENDS, credential));
        assert!(found.0.is_empty(), "{credential}: {found}");
        let found = problems(&with("", credential)).to_string();
        assert!(
            found.contains("is not in the file"),
            "{credential}: {found}"
        );
    }
    // A token that is said in clear goes to a verified server only.
    let open = with(BACKENDS, good[1]).replace(
        "host: 127.0.0.1\n    tls: disable",
        "host: db\n    tls: require",
    );
    let found = problems(&open).to_string();
    assert!(found.contains("asks for the token in clear"), "{found}");
}

#[test]
fn what_is_wrong_with_a_backend_is_said() {
    let vault = |auth: &str| {
        format!("secrets:\n  vault:\n    main: {{ address: \"https://v:8200\", auth: {auth} }}\n")
    };
    for (backends, says) in [
        ("secrets: { ttl: 2h }\n".to_owned(), "more than an hour"),
        (
            "secrets: { commands: { op: { argv: [op, read] } } }\n".to_owned(),
            "whole path of a program",
        ),
        (
            "secrets: { commands: { op: { argv: [/bin/op], timeout: 5m } } }\n".to_owned(),
            "is no time for a command",
        ),
        (
            "secrets: { store: { path: s, key: \"store:key\" } }\n".to_owned(),
            "is itself in a backend",
        ),
        (vault("{}"), "needs exactly one of `token`"),
        (vault("{ token: env:T }"), "warning: secrets.vault.main.auth.token: is static"),
        (
            vault("{ token: \"vault:main/a#b\" }"),
            "opens a backend and is itself in one",
        ),
        (
            vault("{ jwt: { role: r, token: \"store:none\" } }"),
            "leads to `secrets.store`",
        ),
        (
            vault("{ kubernetes: { role: r } }").replace("https://v:8200", "http://v:8200"),
            "is no https address",
        ),
        (
            "secrets: { aws: { prod: { region: eu-central-1 } } }\n".to_owned(),
            "needs exactly one of `from` and `keys`",
        ),
        (
            "secrets: { aws: { prod: { region: \"x/y\", from: instance } } }\n".to_owned(),
            "is no region",
        ),
        (
            "secrets: { aws: { prod: { region: eu-central-1, keys: { access_key_id: A, secret_access_key: env:B } } } }\n".to_owned(),
            "are static",
        ),
    ] {
        let said = problems(&with(&backends, &fixed("env:A"))).to_string();
        assert!(said.contains(says), "{backends}: {said}");
    }
    for backends in [
        vault("{ kubernetes: { role: r } }"),
        vault("{ kubernetes: { role: r } }").replace("https://v:8200", "http://127.0.0.1:8200"),
    ] {
        let found = problems(&with(&backends, &fixed("vault:main/a#b")));
        assert!(found.0.is_empty(), "{backends}: {found}");
    }
}

#[test]
fn a_host_certificate_has_one_signer() {
    let ssh = |signer: &str| {
        GOOD.replace(
            "  - protocol: postgres\n    address: 127.0.0.1:6432\n    tls: { self_signed: true }",
            "  - protocol: ssh\n    address: 127.0.0.1:2222",
        )
        .replace(
            "    protocol: postgres\n    host: 127.0.0.1\n    tls: disable",
            "    protocol: ssh\n    host: web-1\n    host_keys: { known_hosts: known }",
        )
        .replace(
            "static: { user: app, password: env:APP_PASSWORD }",
            &format!("certificate: {{ user: deploy, {signer} }}"),
        ) + BACKENDS
    };
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    for good in [
        "authority: file:ca".to_owned(),
        "authority: file:ca, passphrase: store:ssh/passphrase".to_owned(),
        format!("agent: {{ socket: /run/agent, public_key: \"{key}\" }}"),
        "vault: { server: main, mount: ssh, role: gateway }".to_owned(),
    ] {
        let found = problems(&ssh(&good));
        assert!(found.0.is_empty(), "{good}: {found}");
    }
    for (bad, says) in [
        (
            "ttl: 5m",
            "needs exactly one of `authority`, `agent` and `vault`",
        ),
        (
            "authority: file:ca, vault: { server: main, mount: ssh, role: r }",
            "needs exactly one of `authority`, `agent` and `vault`",
        ),
        (
            "vault: { server: none, mount: ssh, role: r }",
            "`secrets.vault.none` is not in the file",
        ),
        (
            "passphrase: env:P, vault: { server: main, mount: ssh, role: r }",
            "has no meaning without `authority`",
        ),
        (
            "agent: { socket: /run/agent, public_key: none }",
            "is no public key",
        ),
    ] {
        let said = problems(&ssh(bad)).to_string();
        assert!(said.contains(says), "{bad}: {said}");
    }
}
