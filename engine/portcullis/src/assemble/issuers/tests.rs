//! What the presets make of the tokens that platforms give: a person where one is behind it, else never.

mod platforms;

use super::*;
use crate::clock::clock;
use portcullis_identity::dev::DevIssuer;
use serde_json::{Value, json};
use std::path::Path;

/// A configuration with one issuer of these lines.
fn written(issuer: &str) -> String {
    format!(
        "node: gw-1
state_dir: /tmp/x
listeners:
  - protocol: postgres
    address: 127.0.0.1:6432
    tls: {{ self_signed: true }}
issuers:
  - name: it
    {issuer}
    audiences: [portcullis]
policies: {{ packs: [{{ builtin: access }}] }}
"
    )
}

async fn verified(text: String, token: &str) -> Result<Identity, String> {
    let loaded = config::parse(Path::new("p.yaml"), text).map_err(|p| p.to_string())?;
    let configs = issuer_configs(&loaded).map_err(|e| e.to_string())?;
    let issuers = Issuers::new(configs, clock()).map_err(|e| e.to_string())?;
    let verified = issuers.verify(token).await;
    verified.map_err(|refused| refused.code.label().to_owned())
}

async fn identity(dev: &Arc<DevIssuer>, preset: &str, claims: &Value) -> Result<Identity, String> {
    let text = written(&format!(
        "preset: {preset}
    issuer: {}
    algorithms: [ES256]",
        dev.issuer()
    ));
    verified(text, &dev.mint(claims)).await
}

async fn kind(dev: &Arc<DevIssuer>, preset: &str, claims: &Value) -> Result<Kind, String> {
    identity(dev, preset, claims).await.map(|i| i.kind)
}

#[tokio::test]
async fn a_machine_is_never_taken_for_a_person() {
    let any = "127.0.0.1:0".parse().expect("an address");
    let dev = DevIssuer::bind(any, Vec::new(), clock())
        .await
        .expect("binds");
    tokio::spawn(Arc::clone(&dev).serve());
    let sub = |more: Value| {
        let mut claims = json!({"sub": "x"});
        claims
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        claims
    };
    for (preset, claims, expected) in [
        (
            "entra",
            json!({"scp": "access", "idtyp": "user"}),
            Kind::Human,
        ),
        ("entra", json!({"preferred_username": "ana@x"}), Kind::Human),
        ("entra", json!({"idtyp": "app", "scp": "x"}), Kind::Service),
        (
            "entra",
            json!({"roles": ["Operator"], "azp": "y"}),
            Kind::Service,
        ),
        ("okta", json!({"uid": "00u1", "cid": "c"}), Kind::Human),
        ("okta", json!({"cid": "c"}), Kind::Service),
        ("google", json!({"hd": "example.com"}), Kind::Human),
        (
            "google",
            json!({"email": "x@y.iam.gserviceaccount.com"}),
            Kind::Service,
        ),
        ("keycloak", json!({"sid": "s", "azp": "c"}), Kind::Human),
        (
            "keycloak",
            json!({"sid": "s", "client_id": "c"}),
            Kind::Service,
        ),
        ("keycloak", json!({"azp": "c"}), Kind::Service),
        ("github-actions", json!({"repository_id": "1"}), Kind::Ci),
        ("gitlab", json!({"project_id": "1"}), Kind::Ci),
        ("kubernetes", json!({}), Kind::Service),
        ("aws", json!({"preferred_username": "ana"}), Kind::Service),
    ] {
        let got = kind(&dev, preset, &sub(claims.clone())).await;
        assert_eq!(got, Ok(expected), "{preset} {claims}");
    }
    let untyped = kind(&dev, "client-credentials", &sub(json!({}))).await;
    assert_eq!(
        untyped,
        Err("type".to_owned()),
        "RFC 9068 has a type of its own"
    );
}
