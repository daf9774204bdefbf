//! What `check` says of secrets: each with its place, and never the secret.

use super::*;
use crate::config::{self, Problems};
use std::path::Path;

#[tokio::test]
async fn a_store_that_is_down_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    private_file(folder.path(), "token", STRONG);
    let credential = "static: { user: app, password: \"vault:main/a#b\" }
secrets:
  vault: { main: { address: \"http://127.0.0.1:1\", auth: { token: file:token } } }
# ";
    let found = said(folder.path(), "postgres", credential).await;
    assert!(!found.stop(), "{found}");
    assert!(found.to_string().contains("right now"), "{found}");
}

/// What `check` says of a file with this credential; secrets stand in `folder`.
async fn said(folder: &Path, protocol: &str, credential: &str) -> Problems {
    let (listener, host) = match protocol {
        "ssh" => ("", "    host_keys: { known_hosts: known }\n"),
        "kubernetes" => ("\n    tls: { self_signed: true }", "    tls: verify-full\n"),
        _ => ("\n    tls: { self_signed: true }", "    tls: disable\n"),
    };
    let text = format!(
        "node: gw-1
state_dir: state
listeners:
  - protocol: {protocol}
    address: 127.0.0.1:6432{listener}
issuers:
  - name: dev
    issuer: http://127.0.0.1:9400
    audiences: [portcullis]
    algorithms: [ES256]
    kind: {{ claim: kind }}
connections:
  - name: orders
    protocol: {protocol}
    host: 127.0.0.1
{host}    credential:
      {credential}
policies:
  packs:
    - builtin: access
"
    );
    let file = folder.join("p.yaml");
    let loaded = config::parse(&file, text).expect("the file is fine by itself");
    let mut notes = loaded.notes();
    look(&loaded, &mut notes).await;
    notes.finish()
}

fn private_file(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

const STRONG: &str = "K7vQ9wZ2xR4tB8nM3pL6sJ1h";

#[tokio::test]
async fn every_static_login_is_named_with_its_place_and_what_it_costs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    private_file(at, "strong", STRONG);
    private_file(
        at,
        "endless",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.K7vQ9wZ2xR4tB8nM3pL6sJ1h",
    );
    // {"sub":"a","exp":1}
    private_file(
        at,
        "ending",
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIiwiZXhwIjoxfQ.K7vQ9wZ2xR4tB8nM3pL6sJ1h",
    );
    for (protocol, credential, says) in [
        (
            "postgres",
            "static: { user: app, password: file:strong }",
            "one static password for all sessions",
        ),
        (
            "ssh",
            "static: { user: app, password: file:strong }",
            "use `certificate`",
        ),
        (
            "kubernetes",
            "cluster: { token: file:endless }",
            "does not end",
        ),
    ] {
        let found = said(at, protocol, credential).await;
        let text = found.to_string();
        assert!(!found.stop(), "{credential}: {text}");
        assert_eq!(found.0.len(), 1, "{credential}: {text}");
        assert!(
            text.contains(says) && text.contains("`orders`"),
            "{credential}: {text}"
        );
        assert!(
            found.0[0].line.is_some() && found.0[0].column.is_some(),
            "{text}"
        );
    }
    for (protocol, credential) in [
        (
            "postgres",
            "mint: { admin_user: a, admin_password: file:strong, parent: p }",
        ),
        ("kubernetes", "cluster: { token: file:ending }"),
        (
            "kubernetes",
            "cluster: { token: file:ending, service_account: { namespace: g, name: p } }",
        ),
    ] {
        let found = said(at, protocol, credential).await;
        assert!(found.0.is_empty(), "{credential}: {found}");
    }
}

#[tokio::test]
async fn weak_exposed_and_missing_secrets_are_told_apart() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    private_file(at, "weak", "hunter2");
    private_file(at, "open", STRONG);
    std::fs::set_permissions(at.join("open"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let fixed = |more: &str| format!("static: {{ user: app, password: {more} }}");
    for (credential, stops, says) in [
        (fixed("file:weak"), true, "would confirm a guess"),
        (
            fixed("file:weak, allow_weak: true"),
            false,
            "it is not masked",
        ),
        (fixed("file:open"), false, "use mode 0600"),
        (
            fixed("file:none"),
            true,
            "set the variable, or write the file",
        ),
        (fixed("systemd:none"), true, "LoadCredential="),
    ] {
        let found = said(at, "postgres", &credential).await;
        let text = found.to_string();
        assert_eq!(found.stop(), stops, "{credential}: {text}");
        assert!(text.contains(says), "{credential}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            found
                .0
                .iter()
                .all(|p| p.line.is_some() && p.column.is_some())
        );
    }
}

#[tokio::test]
async fn a_client_certificate_is_looked_at_and_what_it_costs_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let pair = || rcgen::generate_simple_self_signed(["gateway".to_owned()]).unwrap();
    let (one, other) = (pair(), pair());
    std::fs::write(at.join("a.crt"), one.cert.pem()).unwrap();
    private_file(at, "a.key", &one.signing_key.serialize_pem());
    private_file(at, "b.key", &other.signing_key.serialize_pem());
    let shown = |key: &str| {
        format!("cluster: {{ client_certificate: {{ certificate: file:a.crt, key: {key} }} }}")
    };
    for (key, stops, says) in [
        ("file:a.key", false, "no cluster can take one back"),
        ("file:b.key", true, "two halves of one pair"),
        ("file:none", true, "set the variable, or write the file"),
    ] {
        let found = said(at, "kubernetes", &shown(key)).await;
        let text = found.to_string();
        assert_eq!(found.stop(), stops, "{key}: {text}");
        assert!(text.contains(says), "{key}: {text}");
        assert!(
            found
                .0
                .iter()
                .all(|p| p.line.is_some() && p.column.is_some()),
            "{text}"
        );
    }
    // Everybody may read a certificate, and nobody a key.
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(at.join("a.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let found = said(at, "kubernetes", &shown("file:a.key"))
        .await
        .to_string();
    assert_eq!(found.matches("use mode 0600").count(), 1, "{found}");
}
