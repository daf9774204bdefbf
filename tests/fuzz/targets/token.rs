//! The verifier of tokens, with one issuer whose key nobody has. Law: whatever is said, only the one token
//! that was signed is believed; and claims behind a signature are read without a panic.
//!
//! Input: 0 and a token; 1 and header, newline, claims, signed by nobody; 2 and claims as if they were signed; 3, the length of a
//! key, the key in SSH's form, and a token that is bound to it.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::Input;
use portcullis_identity::{
    Algorithm, BoundKey, IssuerConfig, Issuers, Jwks, KindRule, Refused, fuzzing,
};
use portcullis_model::{Identity, Kind, Timestamp};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

/// Signed with the key of [`JWKS`], which was thrown away.
const GENUINE: &[u8] = include_bytes!("../corpus/token/genuine");
const JWKS: &str = include_str!("token.jwks.json");
const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);

static ISSUERS: LazyLock<Arc<Issuers>> = LazyLock::new(|| {
    let issuers = Issuers::new(vec![config()], Arc::new(|| NOW)).expect("the key set is good");
    let genuine = std::str::from_utf8(&GENUINE[1..]).expect("a token is text");
    assert!(
        verify(&issuers, genuine).is_ok(),
        "the genuine token is refused"
    );
    issuers
});

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => {
            if let Ok(token) = std::str::from_utf8(input.rest()) {
                refused(token);
            }
        }
        1 => unsigned(input.rest()),
        2 => claims(input.rest()),
        _ => bound(input.rest()),
    }
});

fn config() -> IssuerConfig {
    let mut config = IssuerConfig::new("corp", "https://idp.example", "portcullis", Kind::Human);
    config.algorithms = vec![Algorithm::EdDSA, Algorithm::ES256];
    config.openpubkey_clients = vec!["opkssh".to_owned()];
    config.jwks = Jwks::Inline(serde_json::from_str(JWKS).expect("the key set is JSON"));
    config.claims.groups = Some("/realm_access/roles".to_owned());
    config.claims.name = Some("name".to_owned());
    config.claims.owner = Some("owner".to_owned());
    config.claims.kinds = vec![KindRule {
        claim: "kind".to_owned(),
        value: Some("agent".to_owned()),
        kind: Kind::Agent,
    }];
    config.allowed_claims = vec!["team".to_owned(), "/a~1b/0".to_owned()];
    config
}

/// Inline keys never make anybody wait.
fn verify(issuers: &Issuers, token: &str) -> Result<Identity, Refused> {
    let mut answer = pin!(issuers.verify(token));
    match answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a token with inline keys made the verifier wait"),
    }
}

fn refused(token: &str) {
    match verify(&ISSUERS, token) {
        Ok(_) => assert_eq!(token.as_bytes(), &GENUINE[1..], "a forgery is believed"),
        Err(refused) => assert!(!refused.to_string().contains('\n')),
    }
}

fn unsigned(text: &[u8]) {
    let at = text.iter().position(|b| *b == b'\n').unwrap_or(text.len());
    let (header, claims) = text.split_at(at);
    let claims = claims.get(1..).unwrap_or_default();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signature = [0x5a; 64];
    let token = format!("{}.{}.{}", part(header), part(claims), part(&signature));
    refused(&token);
}

/// Nobody has signed for any key.
fn bound(input: &[u8]) {
    let Some((length, rest)) = input.split_first() else {
        return;
    };
    let Some((key, token)) = rest.split_at_checked(usize::from(*length)) else {
        return;
    };
    let key = BoundKey::of_ssh(key).unwrap_or_else(|| BoundKey::Ed25519(vec![7; 32]));
    let Ok(token) = std::str::from_utf8(token) else {
        return;
    };
    let mut answer = pin!(ISSUERS.verify_bound(token, &key));
    match answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(answer) => assert!(answer.is_err(), "a forgery is believed"),
        Poll::Pending => panic!("a token with inline keys made the verifier wait"),
    }
}

/// What is read strictly is read by everybody alike, and becomes an identity or a refusal.
fn claims(text: &[u8]) {
    let Some(claims) = fuzzing::object(text) else {
        return;
    };
    let plain = serde_json::from_slice(text).ok();
    assert_eq!(
        plain.as_ref(),
        Some(&serde_json::Value::Object(claims.clone()))
    );
    let config = config();
    if let Ok(identity) = fuzzing::identity(&config, claims) {
        assert_eq!(identity.principal.issuer, config.issuer);
        assert!(!identity.name.is_empty());
    }
}
