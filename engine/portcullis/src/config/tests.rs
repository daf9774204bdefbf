//! Every way to get the file wrong that we know of, with the line and column that must be named.

use super::*;

mod approvals;
mod cluster;
mod console;
mod login;
mod secrets;

const GOOD: &str = "\
node: gw-1
state_dir: /var/lib/portcullis
listeners:
  - protocol: postgres
    address: 127.0.0.1:6432
    tls: { self_signed: true }
issuers:
  - name: dev
    issuer: http://127.0.0.1:9400
    audiences: [portcullis]
    algorithms: [ES256]
    kind: { claim: kind }
connections:
  - name: orders
    protocol: postgres
    host: 127.0.0.1
    tls: disable
    credential:
      static: { user: app, password: env:APP_PASSWORD }
policies:
  packs:
    - builtin: access
";

fn problems(text: &str) -> Problems {
    match parse(Path::new("p.yaml"), text.to_owned()) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    }
}

#[test]
fn a_good_file_has_nothing_to_complain_about() {
    let loaded = parse(Path::new("/etc/p.yaml"), GOOD.to_owned()).expect("good");
    assert!(loaded.warnings.0.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.config.listeners[0].max_connections, 5000);
    assert_eq!(loaded.socket(), Path::new("/var/lib/portcullis/admin.sock"));
    assert_eq!(loaded.path(Path::new("x.pem")), Path::new("/etc/x.pem"));
}

#[test]
fn the_effective_file_reads_back_and_holds_no_secret() {
    let loaded = parse(Path::new("p.yaml"), GOOD.to_owned()).expect("good");
    let text = effective(&loaded.config);
    assert!(text.contains("env:APP_PASSWORD"), "{text}");
    let again = parse(Path::new("p.yaml"), text.clone()).expect("reads back");
    assert_eq!(effective(&again.config), text);
}

/// What is replaced in the good file, by what, and where the complaint must point.
struct Case {
    from: &'static str,
    to: &'static str,
    line: usize,
    column: usize,
    says: &'static str,
}

const fn case(
    from: &'static str,
    to: &'static str,
    line: usize,
    column: usize,
    says: &'static str,
) -> Case {
    Case {
        from,
        to,
        line,
        column,
        says,
    }
}

const CASES: [Case; 25] = [
    case(
        "audiences: [portcullis]",
        "audiences: [portcullis]\n    openpubkey_clients: [portcullis]",
        11,
        5,
        "good as passwords",
    ),
    case("node: gw-1", "nod: gw-1", 1, 1, "unknown field `nod`"),
    case("node: gw-1", "node: gw 1", 1, 1, "no node name"),
    case(
        "protocol: postgres\n    address",
        "protocol: telnet\n    address",
        4,
        15,
        "unknown variant `telnet`",
    ),
    case("127.0.0.1:6432", "6432", 5, 14, "invalid"),
    case("    tls: { self_signed: true }\n", "", 4, 5, "has no `tls`"),
    case(
        "{ self_signed: true }",
        "{ self_sign: true }",
        6,
        12,
        "unknown field `self_sign`",
    ),
    case(
        "{ self_signed: true }",
        "{ key: k.pem }",
        6,
        5,
        "needs both `certificate` and `key`",
    ),
    case(
        "127.0.0.1:6432",
        "0.0.0.0:6432",
        6,
        12,
        "no loopback address",
    ),
    case(
        "tls: { self_signed: true }",
        "max_connections: 0\n    tls: { self_signed: true }",
        6,
        5,
        "nobody could connect",
    ),
    case(
        "http://127.0.0.1:9400",
        "http://idp.example",
        9,
        5,
        "no https",
    ),
    case(
        "http://127.0.0.1:9400",
        "http://127.0.0.1@evil.example",
        9,
        5,
        "no https",
    ),
    case("[portcullis]", "[]", 10, 5, "meant for somebody else"),
    case("[ES256]", "[HS256]", 11, 18, "unknown variant `HS256`"),
    case(
        "{ claim: kind }",
        "{}",
        12,
        5,
        "exactly one of `claim` and `fixed`",
    ),
    case(
        "tls: disable\n",
        "port: 70000\n    tls: disable\n",
        17,
        11,
        "70000",
    ),
    case(
        "host: 127.0.0.1",
        "host: db.example",
        17,
        5,
        "travels in clear",
    ),
    case("env:APP_PASSWORD", "hunter2", 19, 38, "never written down"),
    case(
        "static: { user: app, password: env:APP_PASSWORD }",
        "{}",
        18,
        5,
        "exactly one of `mint`, `vault`, `rds_iam` and `static`",
    ),
    case(
        "- builtin: access",
        "- { builtin: access, dry_run: true }",
        21,
        3,
        "no pack that is enforced",
    ),
    case(
        "- builtin: access",
        "- { dry_run: false }",
        22,
        7,
        "exactly one of `builtin` and `path`",
    ),
    case(
        "policies:",
        "plugins: [ { path: a.wasm } ]\npolicies:",
        20,
        12,
        "is pinned",
    ),
    case(
        "policies:",
        "session: { max: 15 }\npolicies:",
        20,
        17,
        "a duration with its unit",
    ),
    case(
        "policies:",
        "admin: { metrics: 0.0.0.0:9464 }\npolicies:",
        20,
        10,
        "no loopback address",
    ),
    case("policies:", "node: again\npolicies:", 1, 1, "duplicate"),
];

#[test]
fn every_complaint_names_line_column_and_remedy() {
    let mut misplaced = Vec::new();
    for case in &CASES {
        let text = GOOD.replacen(case.from, case.to, 1);
        assert_ne!(text, GOOD, "{} changes nothing", case.says);
        let found = problems(&text);
        let problem = found
            .0
            .iter()
            .find(|problem| problem.message.contains(case.says))
            .unwrap_or_else(|| panic!("`{}` is missing in: {found}", case.says));
        let expected = (Some(case.line), Some(case.column));
        if (problem.line, problem.column) != expected {
            misplaced.push(format!("expected {expected:?}: {problem}"));
        }
        assert!(!problem.remedy.is_empty());
    }
    assert!(misplaced.is_empty(), "{}", misplaced.join("\n"));
}

#[test]
fn copies_that_outlast_retention_are_named() {
    let said = |payloads: &str, retention: &str, lock: &str| {
        let copies = format!("copies: {{ account: audit, bucket: acme-audit{lock} }}");
        let journal =
            format!("journal: {{ payloads: {payloads}, retention: {{{retention}}}, {copies} }}");
        problems(&format!("{GOOD}{journal}\n")).to_string()
    };
    for retention in ["age: 365d", "max_mib: 4096"] {
        assert!(said("clear", retention, "").contains("keeps payloads in clear"));
        let locked = said("keys", retention, ", lock_days: 365");
        assert!(locked.contains("noncurrent versions"), "{locked}");
        assert!(!said("keys", retention, "").contains("noncurrent versions"));
    }
    assert!(!said("keys", "", ", lock_days: 365").contains("noncurrent versions"));
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = GOOD
        .replace("http://127.0.0.1:9400", "http://idp.example")
        .replace("[portcullis]", "[]")
        .replace("    tls: { self_signed: true }\n", "");
    assert_eq!(problems(&text).0.len(), 3);
}

#[test]
fn a_literal_secret_is_not_repeated() {
    let text = GOOD.replace("env:APP_PASSWORD", "hunter2");
    assert!(!problems(&text).to_string().contains("hunter2"));
}

#[test]
fn a_plain_listener_is_for_loopback_only() {
    let plain = "allow_plaintext_on_loopback: true";
    let text = GOOD.replace("tls: { self_signed: true }", plain);
    assert!(problems(&text).0.is_empty());
    let text = text.replace("127.0.0.1:6432", "10.0.0.1:6432");
    assert!(problems(&text).stop());
}

#[test]
fn keys_are_remembered_on_ssh_alone_and_for_an_hour_at_most() {
    let tls = "tls: { self_signed: true }";
    for (protocol, within, stops) in [
        ("ssh", "10m", false),
        ("ssh", "1h", false),
        ("ssh", "61m", true),
        ("ssh", "0s", true),
        ("postgres", "10m", true),
    ] {
        let with = match protocol {
            "ssh" => format!("remember_keys: {within}"),
            _ => format!("{tls}\n    remember_keys: {within}"),
        };
        let text = GOOD.replacen("protocol: postgres", &format!("protocol: {protocol}"), 1);
        let text = text.replace(tls, &with);
        let found = problems(&text);
        assert_eq!(found.stop(), stops, "{protocol} {within}: {found}");
        if stops {
            let said = found.to_string();
            assert!(said.contains("remember_keys"), "{said}");
        }
    }
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.schema.json");
    let generated = serde_json::to_string_pretty(&json_schema()).expect("json") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &generated).expect("write");
    }
    let committed = std::fs::read_to_string(&path).expect("config.schema.json");
    assert!(
        committed == generated,
        "config.schema.json is stale: run the test with UPDATE_GOLDEN=1 and commit the file"
    );
}

#[test]
fn the_example_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/portcullis.yaml");
    if let Err(problems) = load(&path) {
        panic!("{problems}");
    }
}

#[test]
fn a_plugin_from_a_file_is_pinned_or_trusted_by_key() {
    const KEY: &str = "acme+631c0c36+ASqWdiwAID9WQGpRGMaXR/x5jeDKqhxWl07PvGflYwRc";
    let pin = "0".repeat(64);
    for (plugin, stops, says) in [
        (format!("{{ path: a.wasm, sha256: {pin} }}"), false, ""),
        (
            format!("{{ path: a.wasm, sha256: {pin}, trusted_keys: [{KEY}] }}"),
            false,
            "",
        ),
        (
            format!("{{ path: a.wasm, name: acme/a, trusted_keys: [{KEY}] }}"),
            false,
            "not pinned",
        ),
        (
            format!("{{ path: a.wasm, trusted_keys: [{KEY}] }}"),
            true,
            "another plugin",
        ),
        ("{ path: a.wasm }".to_owned(), true, "signed by one of"),
        (
            "{ path: a.wasm, name: a, trusted_keys: [] }".to_owned(),
            true,
            "signed by one of",
        ),
        (
            "{ path: a.wasm, name: a, trusted_keys: [acme] }".to_owned(),
            true,
            "no public key",
        ),
        (
            format!("{{ builtin: mask-pii, trusted_keys: [{KEY}] }}"),
            true,
            "no meaning",
        ),
    ] {
        let text = GOOD.replace("policies:", &format!("plugins:\n  - {plugin}\npolicies:"));
        let found = problems(&text);
        assert_eq!(found.stop(), stops, "{plugin}: {found}");
        match says {
            "" => assert!(found.0.is_empty(), "{plugin}: {found}"),
            says => assert!(found.to_string().contains(says), "{plugin}: {found}"),
        }
    }
}

/// [`GOOD`] with a cluster in the place of the database.
fn cluster(more: &str, credential: &str) -> String {
    GOOD.replace("  - protocol: postgres", "  - protocol: kubernetes")
        .replace("    protocol: postgres", "    protocol: kubernetes")
        .replace(
            "    tls: disable\n",
            &format!("    tls: verify-full\n{more}"),
        )
        .replace(
            "static: { user: app, password: env:APP_PASSWORD }",
            credential,
        )
}

#[test]
fn nobody_becomes_one_of_the_clusters_own() {
    for prefix in [
        "group_prefix: \"\"",
        "group_prefix: \"{provider}:\"",
        "user_prefix: \"system:\"",
        "user_prefix: \"sys\"",
    ] {
        let credential =
            format!("cluster: {{ token: env:PROD_TOKEN, impersonate: {{ {prefix} }} }}");
        let said = problems(&cluster("", &credential)).to_string();
        assert!(said.contains("`system:masters`"), "{prefix}: {said}");
    }
}

#[test]
fn a_cluster_has_one_way_in_and_no_other() {
    let said = |more: &str, credential: &str| problems(&cluster(more, credential)).to_string();
    let token = "cluster: { token: env:PROD_TOKEN, impersonate: { user_prefix: \"pc:\" } }";
    assert_eq!(said("", token), "");
    let loaded = parse(Path::new("p.yaml"), cluster("", token)).expect("good");
    let connection = &loaded.config.connections[0];
    assert_eq!(connection.port(), 443);
    let login = connection.credential.cluster.as_ref().expect("cluster");
    let names = login.impersonate.as_ref().expect("impersonate");
    assert_eq!(
        (&*names.user_prefix, &*names.group_prefix),
        ("pc:", "portcullis:{provider}:")
    );

    let certificate = "    client_certificate: a.pem\n    client_key: b.pem\n";
    assert_eq!(said(certificate, "cluster: {}"), "");
    for (more, credential, says) in [
        (
            "",
            "static: { user: a, password: env:B }",
            "needs `cluster` and nothing else",
        ),
        ("", "cluster: {}", "needs exactly one of `token`"),
        (certificate, token, "needs exactly one of `token`"),
        (
            certificate,
            "cluster: { allow_weak: true }",
            "has no meaning without `token`",
        ),
        (
            "",
            "cluster: { token: env:T, path_prefix: k8s }",
            "begins with no slash",
        ),
        (
            "",
            "cluster: { token: env:T, path_prefix: /k8s/ }",
            "ends with one",
        ),
        (
            "",
            "cluster: { token: hunter2 }",
            "a secret is named, never written down",
        ),
    ] {
        let said = said(more, credential);
        assert!(said.contains(says), "{credential}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    // And a cluster's way in is none for a database.
    let database = GOOD.replace(
        "static: { user: app, password: env:APP_PASSWORD }",
        "cluster: { token: env:T }",
    );
    assert!(
        problems(&database)
            .to_string()
            .contains("needs exactly one of `mint`, `vault`, `rds_iam` and `static`")
    );
}
