//! What platforms give to their workloads, each as its documentation shows it, and what must not pass for it.

use super::provider::*;
use crate::config::{IssuerConfig, Jwks, KindRule, Naming, Required};
use crate::{Code, Issuers, Refused};
use portcullis_model::{Identity, Kind};
use serde_json::{Value, json};
use std::time::Duration;

fn code(result: Result<Identity, Refused>) -> Option<Code> {
    result.map_err(|refused| refused.code).err()
}

fn required(claim: &str, values: &[&str]) -> Required {
    Required {
        claim: claim.to_owned(),
        values: values.iter().map(|v| (*v).to_owned()).collect(),
    }
}

/// The default claims of a GitHub Actions token, with the immutable subject of newer repositories.
fn github() -> Value {
    json!({
        "iss": "https://token.actions.githubusercontent.com", "aud": AUDIENCE,
        "sub": "repo:octo-org@123456/octo-repo@456789:environment:prod",
        "repository": "octo-org/octo-repo", "repository_id": "456789",
        "repository_owner": "octo-org", "repository_owner_id": "123456",
        "environment": "prod", "ref": "refs/heads/main", "event_name": "workflow_dispatch",
        "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
        "jti": "example-id", "nbf": NOW, "iat": NOW, "exp": NOW + 300,
    })
}

#[tokio::test]
async fn a_public_issuer_is_pinned_to_our_part_of_it() {
    let signer = Signer::rsa();
    let mut actions = config(inline(&[(&signer, "k")]));
    actions.issuer = "https://token.actions.githubusercontent.com".to_owned();
    actions.kind = Kind::Ci;
    actions.kinds = vec![Kind::Ci];
    actions.required = vec![
        required("repository_owner_id", &["123456"]),
        required("environment", &["prod", "staging"]),
    ];
    actions.allowed_claims = vec!["repository_id".to_owned()];
    let issuers = issuers(actions, &Hands::new());
    let token_of = |claims: &Value| token(&signer, &header(&signer, "k"), claims);
    let identity = issuers.verify(&token_of(&github())).await.unwrap();
    assert_eq!(identity.kind, Kind::Ci);
    assert_eq!(
        identity.claims,
        *json!({"repository_id": "456789"}).as_object().unwrap()
    );
    for (claim, value) in [
        // Somebody else's organisation with our name, as a fork or a recycled name has it.
        ("repository_owner_id", json!("666")),
        ("repository_owner_id", Value::Null),
        ("environment", Value::Null),
        ("environment", json!("prod2")),
        ("environment", json!({"prod": "prod"})),
    ] {
        let got = issuers
            .verify(&token_of(&with(github(), claim, value.clone())))
            .await;
        assert_eq!(code(got), Some(Code::Required), "{claim} {value}");
    }
    let listed = with(github(), "environment", json!(["x", "prod"]));
    assert_eq!(code(issuers.verify(&token_of(&listed)).await), None);
    let number = with(github(), "repository_owner_id", json!(123_456));
    assert_eq!(code(issuers.verify(&token_of(&number)).await), None);
}

#[tokio::test]
async fn an_issuer_vouches_for_its_own_kinds_only() {
    let signer = Signer::p256();
    let mut ci = config(inline(&[(&signer, "k")]));
    ci.kind = Kind::Ci;
    ci.kinds = vec![Kind::Ci, Kind::Service];
    ci.claims.kinds = vec![KindRule {
        claim: "kind".to_owned(),
        value: Some("human".to_owned()),
        kind: Kind::Human,
    }];
    let issuers = issuers(ci, &Hands::new());
    let token_of = |claims: &Value| token(&signer, &header(&signer, "k"), claims);
    assert_eq!(code(issuers.verify(&token_of(&claims())).await), None);
    let human = with(claims(), "kind", json!("human"));
    assert_eq!(
        code(issuers.verify(&token_of(&human)).await),
        Some(Code::Kind)
    );
}

#[tokio::test]
async fn a_token_of_one_use_is_used_once_as_long_as_it_would_pass() {
    let (signer, hands) = (Signer::p256(), Hands::new());
    let mut once = config(inline(&[(&signer, "k")]));
    once.single_use = true;
    let issuers = issuers(once, &hands);
    let token_of = |claims: &Value| token(&signer, &header(&signer, "k"), claims);
    let first = token_of(&with(claims(), "jti", json!("1")));
    assert_eq!(code(issuers.verify(&first).await), None);
    assert_eq!(code(issuers.verify(&first).await), Some(Code::Replayed));
    let second = token_of(&with(claims(), "jti", json!("2")));
    assert_eq!(code(issuers.verify(&second).await), None);
    assert_eq!(
        code(issuers.verify(&token_of(&claims())).await),
        Some(Code::Replayed)
    );
    // A forgery with the name of a token that is still to come must not use it up.
    let forger = Signer::p256();
    let forged = token(
        &forger,
        &header(&forger, "k"),
        &with(claims(), "jti", json!("3")),
    );
    assert_eq!(code(issuers.verify(&forged).await), Some(Code::Signature));
    let third = token_of(&with(claims(), "jti", json!("3")));
    assert_eq!(code(issuers.verify(&third).await), None);
    // Within the skew behind `exp` it still passes, and must still be remembered.
    hands.forward(659);
    assert_eq!(code(issuers.verify(&first).await), Some(Code::Replayed));
    hands.forward(1);
    assert_eq!(code(issuers.verify(&first).await), Some(Code::Expired));
}

#[tokio::test]
async fn what_comes_of_a_token_ends_with_the_age_it_is_good_for() {
    let signer = Signer::p256();
    let mut short = config(inline(&[(&signer, "k")]));
    short.max_age = Some(Duration::from_secs(120));
    let issuers = issuers(short, &Hands::new());
    let good = token(&signer, &header(&signer, "k"), &claims());
    let identity = issuers.verify(&good).await.unwrap();
    assert_eq!(identity.expires.seconds(), NOW + 120);
}

fn spiffe(jwks: Jwks) -> IssuerConfig {
    let mut config = config(jwks);
    config.name = "mesh".to_owned();
    config.issuer = "spiffe://prod.example".to_owned();
    config.naming = Naming::TrustDomain;
    config.kind = Kind::Service;
    config
}

fn svid(subject: &str) -> Value {
    json!({"sub": subject, "aud": [AUDIENCE], "iat": NOW, "exp": NOW + 300})
}

#[tokio::test]
async fn a_svid_is_known_by_its_trust_domain() {
    let signer = Signer::p256();
    let key = with(signer.jwk("k"), "use", json!("jwt-svid"));
    let bundle = json!({"keys": [key], "spiffe_sequence": 1, "spiffe_refresh_hint": 600});
    let idp = Signer::p256();
    let configs = vec![spiffe(Jwks::Inline(bundle)), config(inline(&[(&idp, "i")]))];
    let issuers = Issuers::new(configs, Hands::new().clock()).unwrap();
    let token_of = |claims: &Value| token(&signer, &header(&signer, "k"), claims);
    let api = svid("spiffe://prod.example/ns/pay/sa/api");
    let identity = issuers.verify(&token_of(&api)).await.unwrap();
    assert_eq!(identity.principal.issuer, "spiffe://prod.example");
    assert_eq!(
        identity.principal.subject,
        "spiffe://prod.example/ns/pay/sa/api"
    );
    for (claims, expected) in [
        (svid("spiffe://other.example/ns/pay"), Code::Issuer),
        (svid("spiffe://prod.example/a/../b"), Code::Issuer),
        (svid("ana"), Code::Issuer),
        (with(api.clone(), "aud", json!("other")), Code::Audience),
        (with(api.clone(), "aud", Value::Null), Code::Audience),
        (with(api.clone(), "exp", Value::Null), Code::Claims),
        // Its keys must not speak for an issuer that has keys of its own.
        (with(api.clone(), "iss", json!(ISSUER)), Code::Key),
    ] {
        let got = issuers.verify(&token_of(&claims)).await;
        assert_eq!(code(got), Some(expected), "{claims}");
    }
    // Nor may that issuer speak for the trust domain: what it says is a subject of its own.
    let claims = with(api.clone(), "iss", json!(ISSUER));
    let theirs = issuers
        .verify(&token(&idp, &header(&idp, "i"), &claims))
        .await;
    assert_eq!(theirs.unwrap().principal.issuer, ISSUER);
}

#[tokio::test]
async fn a_trust_domain_needs_keys_of_its_own_for_this() {
    let signer = Signer::p256();
    // A key for certificates, and one that does not say.
    for purpose in [json!("x509-svid"), json!("sig"), Value::Null] {
        let keys = json!({"keys": [with(signer.jwk("k"), "use", purpose.clone())]});
        let made = Issuers::new(vec![spiffe(Jwks::Inline(keys))], Hands::new().clock());
        assert!(made.is_err(), "{purpose}");
    }
    assert!(Issuers::new(vec![spiffe(Jwks::Discover)], Hands::new().clock()).is_err());
    let mut url = spiffe(Jwks::Url("https://bundle.example/keys".to_owned()));
    assert!(Issuers::new(vec![url.clone()], Hands::new().clock()).is_ok());
    url.issuer = "spiffe://prod.example/path".to_owned();
    assert!(Issuers::new(vec![url], Hands::new().clock()).is_err());
}
