//! From claims to an identity: groups, names, kinds, chains.

use super::provider::*;
use crate::config::{IssuerConfig, KindRule};
use crate::{Code, Refused};
use portcullis_model::{Identity, Kind, Principal, limits};
use serde_json::{Value, json};

async fn identity(
    change: impl FnOnce(&mut IssuerConfig),
    extra: Value,
) -> Result<Identity, Refused> {
    let signer = Signer::ed25519();
    let mut config = config(inline(&[(&signer, "k")]));
    change(&mut config);
    let mut claims = claims();
    let object = claims.as_object_mut().unwrap();
    object.extend(extra.as_object().unwrap().clone());
    let issuers = issuers(config, &Hands::new());
    issuers
        .verify(&token(&signer, &header(&signer, "k"), &claims))
        .await
}

fn groups(config: &mut IssuerConfig) {
    config.claims.groups = Some("groups".to_owned());
}

#[tokio::test]
async fn groups_are_read_and_never_guessed() {
    let got = identity(groups, json!({"groups": ["sre", "dba"]}))
        .await
        .unwrap();
    assert_eq!(got.groups, ["sre", "dba"]);
    let got = identity(groups, json!({"groups": "sre"})).await.unwrap();
    assert_eq!(got.groups, ["sre"]);
    let nested = |config: &mut IssuerConfig| {
        config.claims.groups = Some("/realm_access/roles".to_owned());
    };
    let got = identity(nested, json!({"realm_access": {"roles": ["x"]}}))
        .await
        .unwrap();
    assert_eq!(got.groups, ["x"]);
    let too_many: Vec<String> = (0..=limits::TOKEN_GROUPS_MAX)
        .map(|n| n.to_string())
        .collect();
    for (extra, code) in [
        (json!({"groups": 7}), Code::Groups),
        (json!({"groups": ["sre", 7]}), Code::Groups),
        (json!({ "groups": too_many }), Code::Groups),
        (json!({"_claim_names": {"groups": "src1"}}), Code::Overage),
        (json!({"_claim_names": ["groups"]}), Code::Overage),
        (json!({"hasgroups": true}), Code::Overage),
        (
            json!({"hasgroups": "true", "groups": ["sre"]}),
            Code::Overage,
        ),
    ] {
        let got = identity(groups, extra.clone()).await;
        assert_eq!(got.map_err(|r| r.code).err(), Some(code), "{extra}");
    }
    // App roles in place of groups: what was left out does not matter.
    let roles = |config: &mut IssuerConfig| config.claims.groups = Some("roles".to_owned());
    let entra = json!({"roles": ["Operator"], "hasgroups": true, "_claim_names": {"groups": "s"}});
    assert_eq!(identity(roles, entra).await.unwrap().groups, ["Operator"]);
}

#[tokio::test]
async fn only_a_verified_address_becomes_a_name() {
    let named = |config: &mut IssuerConfig| {
        config.claims.name = Some("preferred_username".to_owned());
    };
    for (extra, name) in [
        (
            json!({"email": "ana@example.com", "email_verified": true}),
            "ana@example.com",
        ),
        (
            json!({"email": "ana@example.com", "email_verified": "true"}),
            "ana@example.com",
        ),
        (
            json!({"email": "ceo@example.com", "email_verified": false}),
            "ana",
        ),
        (json!({"email": "ceo@example.com"}), "ana"),
        (
            json!({"email": ["ceo@example.com"], "email_verified": true}),
            "ana",
        ),
        (json!({"preferred_username": "ana.b"}), "ana.b"),
        (json!({"preferred_username": "ceo@example.com"}), "ana"),
    ] {
        let got = identity(named, extra.clone()).await.unwrap();
        assert_eq!(got.name, name, "{extra}");
        assert_eq!(got.principal.subject, "ana");
    }
}

#[tokio::test]
async fn kinds_follow_the_rules_in_their_order() {
    let rules = |config: &mut IssuerConfig| {
        let rule = |claim: &str, value: Option<&str>, kind| KindRule {
            claim: claim.to_owned(),
            value: value.map(str::to_owned),
            kind,
        };
        config.kind = Kind::Service;
        config.claims.kinds = vec![
            rule("repository_id", None, Kind::Ci),
            rule("roles", Some("agent"), Kind::Agent),
            rule("idtyp", Some("user"), Kind::Human),
        ];
    };
    for (extra, kind) in [
        (json!({}), Kind::Service),
        (json!({"repository_id": "1", "idtyp": "user"}), Kind::Ci),
        (json!({"roles": ["x", "agent"]}), Kind::Agent),
        (json!({"idtyp": "user"}), Kind::Human),
        (json!({"idtyp": "User"}), Kind::Service),
    ] {
        assert_eq!(
            identity(rules, extra.clone()).await.unwrap().kind,
            kind,
            "{extra}"
        );
    }
}

#[tokio::test]
async fn who_may_act_is_kept_whether_mapped_or_not() {
    let claim = json!({"sub": "bot"});
    let got = identity(|_| (), json!({ "may_act": claim })).await.unwrap();
    assert_eq!(got.claims.get("may_act"), Some(&claim));
    let got = identity(|_| (), json!({})).await.unwrap();
    assert!(got.claims.is_empty());
}

#[tokio::test]
async fn a_login_that_is_to_come_is_refused_and_one_of_a_clock_ahead_is_no_younger_than_now() {
    for (said, at) in [
        (json!(NOW - 5), Ok(Some(NOW - 5))),
        (json!(NOW), Ok(Some(NOW))),
        (json!(NOW + 60), Ok(Some(NOW))),
        (json!(NOW + 61), Err(Code::Future)),
        (json!(8_000_000_000_i64), Err(Code::Future)),
        // What is no time says nothing.
        (json!("now"), Ok(None)),
        (json!(9_000_000_001_i64), Ok(None)),
        (Value::Null, Ok(None)),
    ] {
        let got = identity(|_| {}, json!({"auth_time": said})).await;
        let got = got.map(|who| who.authenticated.map(|t| t.seconds()));
        assert_eq!(got.map_err(|refused| refused.code), at, "{said}");
    }
}

#[tokio::test]
async fn chains_owners_and_allowed_claims_are_kept() {
    let owned = |config: &mut IssuerConfig| {
        config.claims.owner = Some("owner".to_owned());
        config.claims.owner_issuer = Some("https://people.example".to_owned());
        config.allowed_claims = vec!["repository".to_owned(), "absent".to_owned()];
    };
    let got = identity(
        owned,
        json!({
            "act": {"sub": "outer", "act": {"sub": "inner", "iss": "https://x.example"}},
            "owner": "bea", "repository": "o/r", "secret": "s",
            "auth_time": NOW - 5, "amr": ["pwd", "otp"], "acr": "2", "jti": "t1",
        }),
    )
    .await
    .unwrap();
    let principal = |issuer: &str, subject: &str| Principal {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
    };
    let chain = [
        principal(ISSUER, "outer"),
        principal("https://x.example", "inner"),
    ];
    assert_eq!(got.actors, chain);
    assert_eq!(got.owner, Some(principal("https://people.example", "bea")));
    assert_eq!(Value::Object(got.claims), json!({"repository": "o/r"}));
    assert_eq!(got.authenticated.map(|t| t.seconds()), Some(NOW - 5));
    assert_eq!(
        (got.methods.len(), got.assurance.as_deref()),
        (2, Some("2"))
    );
    assert_eq!(got.token_id.as_deref(), Some("t1"));
    let wrong = identity(owned, json!({"owner": ["bea"]})).await;
    assert_eq!(wrong.map_err(|r| r.code).err(), Some(Code::Claims));
    let endless = (0..=limits::TOKEN_ACTORS_MAX).fold(
        json!({"sub": "x"}),
        |inner, _| json!({"sub": "x", "act": inner}),
    );
    let wrong = identity(owned, json!({ "act": endless })).await;
    assert_eq!(wrong.map_err(|r| r.code).err(), Some(Code::Actors));
}
