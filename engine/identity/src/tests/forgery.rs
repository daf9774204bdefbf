//! Every trap of token verification: what must not pass, one line each.

use super::provider::*;
use crate::Code;
use crate::config::KindRule;
use crate::issuers::Issuers;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Kind, limits};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_token_of_each_kind_of_key_proves_who_sent_it() {
    for signer in [
        Signer::rsa(),
        Signer::p256(),
        Signer::p384(),
        Signer::ed25519(),
    ] {
        let issuers = issuers(config(inline(&[(&signer, "k")])), &Hands::new());
        let token = token(&signer, &header(&signer, "k"), &claims());
        let identity = issuers.verify(&token).await.unwrap();
        assert_eq!(identity.principal.subject, "ana");
        assert_eq!(identity.principal.issuer, ISSUER);
        assert_eq!(identity.expires.seconds(), NOW + 600);
    }
}

#[tokio::test]
async fn claims_that_prove_nothing_are_refused() {
    let signer = Signer::p256();
    let issuers = issuers(config(inline(&[(&signer, "k")])), &Hands::new());
    for (name, value, code) in [
        ("exp", Value::Null, Code::Claims),
        ("exp", json!("soon"), Code::Claims),
        ("exp", json!(-1), Code::Claims),
        ("exp", json!(1e300), Code::Claims),
        ("exp", json!(u64::MAX), Code::Claims),
        ("exp", json!(NOW - 60), Code::Expired),
        ("exp", json!(0), Code::Expired),
        ("iss", Value::Null, Code::Issuer),
        ("iss", json!(123), Code::Issuer),
        ("iss", json!([ISSUER]), Code::Issuer),
        ("iss", json!([ISSUER, "https://evil.example"]), Code::Issuer),
        ("iss", json!("https://idp.example/"), Code::Issuer),
        ("iss", json!("https://evil.example"), Code::Issuer),
        ("aud", Value::Null, Code::Audience),
        ("aud", json!(["other"]), Code::Audience),
        ("aud", json!("Portcullis"), Code::Audience),
        ("aud", json!([]), Code::Audience),
        ("aud", json!({AUDIENCE: 1}), Code::Audience),
        ("aud", json!([AUDIENCE, 7]), Code::Audience),
        ("aud", json!([AUDIENCE, "other"]), Code::Party),
        ("azp", json!(7), Code::Party),
        ("sub", Value::Null, Code::Subject),
        ("sub", json!(""), Code::Subject),
        ("sub", json!(["ana"]), Code::Subject),
        (
            "sub",
            json!("x".repeat(limits::TOKEN_NAME_BYTES_MAX + 1)),
            Code::Subject,
        ),
        ("nbf", json!(NOW + 61), Code::NotYet),
        ("nbf", json!("later"), Code::Claims),
        ("iat", json!(NOW + 61), Code::Future),
        ("iat", json!(true), Code::Claims),
        ("act", json!("bot"), Code::Actors),
        ("act", json!({}), Code::Actors),
        ("act", json!({"sub": "bot", "iss": 1}), Code::Actors),
        (
            "act",
            json!({"sub": "bot", "act": {"sub": ""}}),
            Code::Actors,
        ),
    ] {
        let forged = with(claims(), name, value.clone());
        let got = issuers
            .verify(&token(&signer, &header(&signer, "k"), &forged))
            .await;
        assert_eq!(got.map_err(|r| r.code).err(), Some(code), "{name} {value}");
    }
}

#[tokio::test]
async fn headers_that_decide_about_trust_are_refused_or_ignored() {
    let (signer, evil) = (Signer::p256(), Signer::p256());
    let issuers = issuers(config(inline(&[(&signer, "k")])), &Hands::new());
    for (name, value, code) in [
        ("alg", json!("none"), Code::Algorithm),
        ("alg", json!("None"), Code::Algorithm),
        ("alg", json!("HS256"), Code::Algorithm),
        ("alg", json!("RS512"), Code::Algorithm),
        ("alg", json!("es256"), Code::Algorithm),
        ("alg", Value::Null, Code::Algorithm),
        ("alg", json!("RS256"), Code::Algorithm),
        ("crit", json!(["exp"]), Code::Critical),
        ("crit", json!([]), Code::Critical),
        ("b64", json!(false), Code::Critical),
        ("typ", json!("logout+jwt"), Code::Type),
        ("typ", json!("dpop+jwt"), Code::Type),
        ("typ", json!(1), Code::Type),
        ("kid", json!(7), Code::Key),
        ("kid", json!("other"), Code::Key),
    ] {
        let forged = with(header(&signer, "k"), name, value.clone());
        let got = issuers.verify(&token(&signer, &forged, &claims())).await;
        assert_eq!(got.map_err(|r| r.code).err(), Some(code), "{name} {value}");
    }
    // A key that the token brings along is not looked at.
    for (name, value) in [
        ("jwk", evil.jwk("k")),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["AAAA"])),
    ] {
        let brought = with(header(&signer, "k"), name, value);
        let forged = issuers.verify(&token(&evil, &brought, &claims())).await;
        assert_eq!(
            forged.map_err(|r| r.code).err(),
            Some(Code::Signature),
            "{name}"
        );
        assert!(
            issuers
                .verify(&token(&signer, &brought, &claims()))
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let signer = Signer::rsa();
    let issuers = issuers(config(inline(&[(&signer, "k")])), &Hands::new());
    for algorithm in ["HS256", "HS384", "HS512"] {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": "k"});
        let signed = format!("{}.{}", encode(&header), encode(&claims()));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &signer.public_der());
        let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
        let got = issuers.verify(&forged).await;
        assert_eq!(got.map_err(|r| r.code).err(), Some(Code::Algorithm));
    }
}

#[tokio::test]
async fn tampered_signatures_are_refused() {
    let signer = Signer::p256();
    let issuers = issuers(config(inline(&[(&signer, "k")])), &Hands::new());
    let good = token(&signer, &header(&signer, "k"), &claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = with(claims(), "sub", json!("bea"));
    let swapped = format!("{}.{}", encode(&header(&signer, "k")), encode(&other));
    let zeros = URL_SAFE_NO_PAD.encode([0_u8; 64]);
    for (forged, code) in [
        (format!("{signed}."), Code::Signature),
        (format!("{signed}.{zeros}"), Code::Signature),
        (format!("{signed}.{signature}="), Code::Signature),
        (format!("{swapped}.{signature}"), Code::Signature),
        (signed.to_owned(), Code::Malformed),
        (format!("{good}.x"), Code::Malformed),
        (format!("{good}\n"), Code::Signature),
        (format!(" {good}"), Code::Malformed),
    ] {
        let got = issuers.verify(&forged).await;
        assert_eq!(got.map_err(|r| r.code).err(), Some(code), "{forged}");
    }
}

#[tokio::test]
async fn a_claim_said_twice_is_refused() {
    let signer = Signer::p256();
    let issuers = issuers(config(inline(&[(&signer, "k")])), &Hands::new());
    let twice = claims().to_string().replace('}', r#","sub":"root"}"#);
    let header = encode(&header(&signer, "k"));
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(twice));
    let signature = URL_SAFE_NO_PAD.encode(signer.sign(signed.as_bytes()));
    let got = issuers.verify(&format!("{signed}.{signature}")).await;
    assert_eq!(got.map_err(|r| r.code).err(), Some(Code::Malformed));
}

#[tokio::test]
async fn settings_of_an_issuer_are_enforced() {
    let signer = Signer::p256();
    let hands = Hands::new();
    let mut strict = config(inline(&[(&signer, "k")]));
    strict.require_typ = Some("at+jwt".to_owned());
    strict.max_age = Some(Duration::from_secs(300));
    strict.authorized_parties = vec!["cli".to_owned()];
    let issuers = issuers(strict, &hands);
    let header = |typ: Value| with(header(&signer, "k"), "typ", typ);
    let claims = |name: &str, value: Value| with(with(claims(), "azp", json!("cli")), name, value);
    for (header, claims, code) in [
        (header(json!("at+jwt")), claims("x", json!(1)), None),
        (
            header(json!("application/AT+JWT")),
            claims("aud", json!(["x", AUDIENCE])),
            None,
        ),
        (
            header(json!("JWT")),
            claims("x", json!(1)),
            Some(Code::Type),
        ),
        (header(Value::Null), claims("x", json!(1)), Some(Code::Type)),
        (
            header(json!("at+jwt")),
            claims("azp", json!("evil")),
            Some(Code::Party),
        ),
        (
            header(json!("at+jwt")),
            claims("azp", json!(AUDIENCE)),
            Some(Code::Party),
        ),
        (
            header(json!("at+jwt")),
            claims("azp", Value::Null),
            Some(Code::Party),
        ),
        (
            header(json!("at+jwt")),
            claims("iat", Value::Null),
            Some(Code::IssuedAt),
        ),
        (
            header(json!("at+jwt")),
            claims("iat", json!(NOW - 361)),
            Some(Code::TooOld),
        ),
    ] {
        let got = issuers.verify(&token(&signer, &header, &claims)).await;
        assert_eq!(got.map_err(|r| r.code).err(), code, "{header} {claims}");
    }
    let good = token(&signer, &header(json!("at+jwt")), &claims("x", json!(1)));
    hands.forward(659);
    assert!(
        issuers.verify(&good).await.is_err(),
        "max_age counts, whatever exp says"
    );
}

#[tokio::test]
async fn several_keys_need_a_name_and_the_skew_is_a_minute() {
    let (one, two) = (Signer::p256(), Signer::p256());
    let hands = Hands::new();
    let issuers = issuers(config(inline(&[(&one, "a"), (&two, "b")])), &hands);
    let nameless = with(header(&one, "a"), "kid", Value::Null);
    let got = issuers.verify(&token(&one, &nameless, &claims())).await;
    assert_eq!(got.map_err(|r| r.code).err(), Some(Code::Key));
    let crossed = issuers
        .verify(&token(&one, &header(&one, "b"), &claims()))
        .await;
    assert_eq!(crossed.map_err(|r| r.code).err(), Some(Code::Signature));
    let good = token(&one, &header(&one, "a"), &claims());
    hands.forward(659);
    assert!(issuers.verify(&good).await.is_ok());
    hands.forward(1);
    assert!(issuers.verify(&good).await.is_err());
}

#[tokio::test]
async fn a_refusal_repeats_nothing_of_the_token() {
    let signer = Signer::p256();
    let issuers = issuers(config(inline(&[(&signer, "k")])), &Hands::new());
    let canary = with(claims(), "aud", json!("canary-7f3a"));
    let canary = token(&signer, &header(&signer, "k"), &canary);
    let long = "canary-7f3a".repeat(limits::PROOF_BYTES_MAX);
    for text in [
        canary.as_str(),
        "canary-7f3a",
        "canary-7f3a.canary-7f3a.canary-7f3a",
        &long,
    ] {
        let refused = issuers.verify(text).await.unwrap_err();
        let shown = format!("{refused} {refused:?} {:?}", refused.denial());
        assert!(!shown.contains("canary"), "{shown}");
    }
    assert_eq!(issuers.verify(&long).await.unwrap_err().code, Code::Size);
}

/// Two issuers, both with a key that is called `k`: people at one, builds at the other.
fn side_by_side(people: &Signer, builds: &Signer) -> Arc<Issuers> {
    let mut ci = config(inline(&[(builds, "k")]));
    BUILDS.clone_into(&mut ci.issuer);
    ci.name = "ci".to_owned();
    ci.audiences = vec!["builds".to_owned()];
    ci.kind = Kind::Ci;
    ci.kinds = vec![Kind::Ci];
    ci.claims.kinds = vec![KindRule {
        claim: "person".to_owned(),
        value: None,
        kind: Kind::Human,
    }];
    let corp = config(inline(&[(people, "k")]));
    Issuers::new(vec![corp, ci], Hands::new().clock()).unwrap()
}

const BUILDS: &str = "https://ci.example";

#[tokio::test]
async fn each_of_two_issuers_vouches_for_its_own_alone() {
    let (people, builds) = (Signer::p256(), Signer::p256());
    let issuers = side_by_side(&people, &builds);
    let build = with(with(claims(), "iss", json!(BUILDS)), "aud", json!("builds"));
    for (signer, claims, kind) in [
        (&people, claims(), Kind::Human),
        (&builds, build.clone(), Kind::Ci),
    ] {
        let good = issuers
            .verify(&token(signer, &header(signer, "k"), &claims))
            .await
            .unwrap();
        assert_eq!(good.kind, kind);
    }
    for (what, signer, claims, code) in [
        (
            "the key of the one, the name of the other",
            &people,
            build.clone(),
            Code::Signature,
        ),
        (
            "and the other way round",
            &builds,
            claims(),
            Code::Signature,
        ),
        (
            "the audience of the one at the other",
            &builds,
            with(build.clone(), "aud", json!(AUDIENCE)),
            Code::Audience,
        ),
        (
            "and the other way round",
            &people,
            with(claims(), "aud", json!("builds")),
            Code::Audience,
        ),
        (
            "a kind that the other alone may vouch for",
            &builds,
            with(build.clone(), "person", json!("ana")),
            Code::Kind,
        ),
    ] {
        let got = issuers
            .verify(&token(signer, &header(signer, "k"), &claims))
            .await;
        assert_eq!(got.map_err(|r| r.code).err(), Some(code), "{what}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_verifier(text in any::<String>(), parts in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}", header in any::<Vec<u8>>(), claims in "\\{\"iss\":\"https://idp.example\",\"[a-z]{1,4}\":[-0-9eE.\\[\\]{}\"a-z]{0,20}\\}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let signer = Signer::ed25519();
        let issuers = issuers(config(inline(&[(&signer, "k")])), &Hands::new());
        let shaped = format!("{}.{}.AAAA", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(&claims));
        let right = format!("{}.{}.AAAA", encode(&super::provider::header(&signer, "k")), URL_SAFE_NO_PAD.encode(&claims));
        for text in [text, parts, shaped, right] {
            prop_assert!(runtime.block_on(issuers.verify(&text)).is_err());
        }
    }
}
