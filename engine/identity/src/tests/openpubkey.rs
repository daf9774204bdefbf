//! PK tokens, made here as opkssh makes them: what proves somebody, and every way in which one may not.

use super::provider::*;
use crate::{BoundKey, Code, Issuers};
use aws_lc_rs::digest::{SHA3_256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Arc;

const CLIENT: &str = "opkssh-client";

/// The header that names a key, with its members in order, as Go writes a map.
fn instance(signer: &Signer) -> Value {
    let mut key = signer.jwk("");
    let members = key.as_object_mut().unwrap();
    members.remove("kid");
    members.remove("use");
    members.insert("alg".to_owned(), signer.algorithm().into());
    let mut sorted: Vec<_> = members.clone().into_iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let key: serde_json::Map<_, _> = sorted.into_iter().collect();
    json!({"alg": signer.algorithm(), "rz": "5e".repeat(32), "typ": "CIC", "upk": key})
}

fn commitment(header: &Value) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA3_256, header.to_string().as_bytes()))
}

fn bound_claims(header: &Value) -> Value {
    let claims = with(claims(), "aud", json!(CLIENT));
    with(claims, "nonce", json!(commitment(header)))
}

/// `payload:header:signature:header:signature`.
fn pk_token(op: &Signer, user: &Signer, instance: &Value, claims: &Value) -> String {
    let id_token = token(op, &header(op, "k"), claims);
    let parts: Vec<&str> = id_token.split('.').collect();
    let signed = format!("{}.{}", encode(instance), parts[1]);
    let signature = URL_SAFE_NO_PAD.encode(user.sign(signed.as_bytes()));
    format!(
        "{}:{}:{}:{}:{signature}",
        parts[1],
        parts[0],
        parts[2],
        encode(instance)
    )
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// The key in SSH's wire form.
fn ssh(signer: &Signer) -> Vec<u8> {
    let jwk = signer.jwk("");
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    match signer {
        Signer::Ed25519(_) => [string(b"ssh-ed25519"), string(&part("x"))].concat(),
        Signer::P256(_) => [
            string(b"ecdsa-sha2-nistp256"),
            string(b"nistp256"),
            string(&[&[4][..], &part("x"), &part("y")].concat()),
        ]
        .concat(),
        _ => panic!("no key of a PK token"),
    }
}

fn key(signer: &Signer) -> BoundKey {
    BoundKey::of_ssh(&ssh(signer)).unwrap()
}

struct Place {
    op: Signer,
    issuers: Arc<Issuers>,
    hands: Hands,
}

fn place() -> Place {
    let op = Signer::p256();
    let hands = Hands::new();
    let mut config = config(inline(&[(&op, "k")]));
    config.openpubkey_clients = vec![CLIENT.to_owned()];
    Place {
        issuers: issuers(config, &hands),
        op,
        hands,
    }
}

async fn code(place: &Place, token: &str, key: &BoundKey) -> Option<Code> {
    let verified = place.issuers.verify_bound(token, key).await;
    verified.map_err(|refused| refused.code).err()
}

#[tokio::test]
async fn a_pk_token_proves_who_holds_its_key() {
    let place = place();
    for user in [Signer::p256(), Signer::ed25519()] {
        let instance = instance(&user);
        let token = pk_token(&place.op, &user, &instance, &bound_claims(&instance));
        let proven = place.issuers.verify_bound(&token, &key(&user)).await;
        let identity = proven.unwrap();
        assert_eq!(identity.principal.subject, "ana");
        assert_eq!(identity.expires.seconds(), NOW + 600);
    }
    assert!(place.issuers.binds_keys());
}

#[tokio::test]
async fn the_nonce_is_the_hash_of_the_header_in_order_too() {
    let place = place();
    let user = Signer::p256();
    let ordered = instance(&user);
    // The same members, written in another order.
    let mut written = json!({"upk": ordered["upk"], "typ": "CIC"});
    for name in ["rz", "alg"] {
        written = with(written, name, ordered[name].clone());
    }
    assert_ne!(written.to_string(), ordered.to_string());
    let token = pk_token(&place.op, &user, &written, &bound_claims(&ordered));
    assert_eq!(code(&place, &token, &key(&user)).await, None);
}

#[tokio::test]
async fn a_pk_token_of_somebody_else_proves_nothing() {
    let place = place();
    let (user, other) = (Signer::p256(), Signer::p256());
    let (header, other_header) = (instance(&user), instance(&other));
    let claims = bound_claims(&header);
    let good = pk_token(&place.op, &user, &header, &claims);
    // In a certificate of another key.
    assert_eq!(code(&place, &good, &key(&other)).await, Some(Code::Key));
    // With a key that the provider has not signed for.
    let swapped = pk_token(&place.op, &other, &other_header, &claims);
    assert_eq!(
        code(&place, &swapped, &key(&other)).await,
        Some(Code::Nonce)
    );
    // Signed by another key than it names, or by another provider's.
    for forged in [
        pk_token(&place.op, &other, &header, &claims),
        pk_token(&other, &user, &header, &claims),
    ] {
        assert_eq!(
            code(&place, &forged, &key(&user)).await,
            Some(Code::Signature)
        );
    }
    assert_eq!(code(&place, &good, &key(&user)).await, None);
    place.hands.forward(700);
    assert_eq!(code(&place, &good, &key(&user)).await, Some(Code::Expired));
}

#[tokio::test]
async fn a_pk_token_for_something_else_proves_nothing() {
    let place = place();
    let user = Signer::p256();
    let header = instance(&user);
    for (name, value, want) in [
        ("nonce", Value::Null, Code::Nonce),
        ("nonce", json!(""), Code::Nonce),
        ("nonce", json!(["x"]), Code::Nonce),
        ("aud", json!("another"), Code::Audience),
        // The gateway's own: what is good as a password is no client of opkssh.
        ("aud", json!(AUDIENCE), Code::Audience),
        ("iss", json!("https://evil.example"), Code::Issuer),
        ("exp", json!(NOW - 61), Code::Expired),
        ("exp", Value::Null, Code::Claims),
    ] {
        let forged = with(bound_claims(&header), name, value.clone());
        let forged = pk_token(&place.op, &user, &header, &forged);
        let got = code(&place, &forged, &key(&user)).await;
        assert_eq!(got, Some(want), "{name} {value}");
    }
}

#[tokio::test]
async fn what_is_no_pk_token_of_this_form_is_refused() {
    let place = place();
    let user = Signer::p256();
    let header = instance(&user);
    for (name, value) in [
        ("rz", Value::Null),
        ("rz", json!("00")),
        ("rz", json!(7)),
        ("alg", json!("EdDSA")),
        ("alg", json!("none")),
        ("upk", json!("key")),
        ("crit", json!(["x"])),
        ("typ", json!("JWT")),
        ("typ", Value::Null),
    ] {
        let odd = with(header.clone(), name, value.clone());
        let token = pk_token(&place.op, &user, &odd, &bound_claims(&odd));
        let got = code(&place, &token, &key(&user)).await;
        assert_eq!(got, Some(Code::Malformed), "{name} {value}");
    }
    let good = pk_token(&place.op, &user, &header, &bound_claims(&header));
    let parts: Vec<&str> = good.split(':').collect();
    let swapped = [parts[0], parts[3], parts[4], parts[1], parts[2]].join(":");
    for (token, want) in [
        (swapped, Code::Malformed),
        (parts[..3].join(":"), Code::Malformed),
        (format!("{good}:{}:{}", parts[3], parts[4]), Code::Type),
        (format!("{good}.a.b.c"), Code::Type),
        ("x".repeat(1 << 20), Code::Size),
        (String::new(), Code::Malformed),
    ] {
        let got = code(&place, &token, &key(&user)).await;
        assert_eq!(got, Some(want), "{token:.100}");
    }
}

#[tokio::test]
async fn a_token_for_opkssh_is_no_password_and_other_issuers_bind_nothing() {
    let place = place();
    let user = Signer::p256();
    let instance = instance(&user);
    let claims = bound_claims(&instance);
    let bare = token(&place.op, &header(&place.op, "k"), &claims);
    let verified = place.issuers.verify(&bare).await;
    assert_eq!(verified.map_err(|r| r.code).err(), Some(Code::Audience));
    let plain = issuers(config(inline(&[(&place.op, "k")])), &Hands::new());
    let bound = pk_token(&place.op, &user, &instance, &claims);
    let verified = plain.verify_bound(&bound, &key(&user)).await;
    assert_eq!(verified.map_err(|r| r.code).err(), Some(Code::Issuer));
    assert!(!plain.binds_keys());
}

#[test]
fn keys_of_ssh_are_read_strictly() {
    let good = ssh(&Signer::p256());
    assert!(BoundKey::of_ssh(&good).is_some());
    for end in 0..good.len() {
        assert_eq!(BoundKey::of_ssh(&good[..end]), None, "cut at {end}");
    }
    let more = [good.as_slice(), b"x"].concat();
    assert_eq!(BoundKey::of_ssh(&more), None);
    let rsa = [string(b"ssh-rsa"), string(&[1, 0, 1]), string(&[7; 256])].concat();
    assert_eq!(BoundKey::of_ssh(&rsa), None);
    assert_eq!(BoundKey::of_ssh(&u32::MAX.to_be_bytes()), None);
}
