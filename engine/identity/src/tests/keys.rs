//! Keys that rotate, disappear, cannot be fetched, or are asked for by a flood.

use super::provider::*;
use crate::config::Jwks;
use crate::dev::{DevError, DevIdentity, DevIssuer};
use crate::issuers::{Issuers, Misconfigured};
use crate::{Code, IssuerConfig, Revocation, Revocations};
use portcullis_model::{Kind, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

fn code<T>(result: Result<T, crate::Refused>) -> Option<Code> {
    result.map_err(|refused| refused.code).err()
}

#[tokio::test]
async fn a_new_key_is_fetched_once_and_a_flood_of_unknown_ones_once_per_cool_down() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let (server, hands) = (Server::start().await, Hands::new());
    server.publish(&[old.jwk("old")]);
    let issuers = issuers(config(Jwks::Url(server.url.clone())), &hands);
    let token_of = |signer: &Signer, id: &str| token(signer, &header(signer, id), &claims());
    assert!(issuers.verify(&token_of(&old, "old")).await.is_ok());
    assert_eq!(server.fetches(), 1);
    server.publish(&[new.jwk("new")]);
    // Within the cool-down of the first fetch.
    assert_eq!(
        code(issuers.verify(&token_of(&new, "new")).await),
        Some(Code::Key)
    );
    hands.forward(31);
    assert!(issuers.verify(&token_of(&new, "new")).await.is_ok());
    assert_eq!(server.fetches(), 2);
    // The old key has disappeared.
    assert_eq!(
        code(issuers.verify(&token_of(&old, "old")).await),
        Some(Code::Key)
    );
    hands.forward(31);
    let flood: Vec<_> = (0..100)
        .map(|n| {
            let (issuers, token) = (issuers.clone(), token_of(&old, &format!("x{n}")));
            tokio::spawn(async move { issuers.verify(&token).await })
        })
        .collect();
    for answer in flood {
        assert_eq!(code(answer.await.unwrap()), Some(Code::Key));
    }
    assert_eq!(server.fetches(), 3);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_waste_the_fetch() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let (server, hands) = (Server::start().await, Hands::new());
    server.publish(&[old.jwk("old")]);
    let issuers = issuers(config(Jwks::Url(server.url.clone())), &hands);
    let first = token(&old, &header(&old, "old"), &claims());
    assert!(issuers.verify(&first).await.is_ok());
    server.publish(&[new.jwk("new")]);
    hands.forward(31);
    let garbage = token(&old, &header(&old, "garbage"), &claims());
    {
        let mut hung_up = Box::pin(issuers.verify(&garbage));
        assert!(futures_poll_once(&mut hung_up).await.is_none());
    }
    let rotated = token(&new, &header(&new, "new"), &claims());
    assert!(issuers.verify(&rotated).await.is_ok());
}

async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = tokio::task::yield_now() => None,
    }
}

#[tokio::test]
async fn the_last_good_keys_serve_through_an_outage_but_not_for_ever() {
    let signer = Signer::p256();
    let (server, hands) = (Server::start().await, Hands::new());
    server.publish(&[signer.jwk("k")]);
    let issuers = issuers(config(Jwks::Url(server.url.clone())), &hands);
    let long = with(claims(), "exp", json!(NOW + 1_000_000));
    let token = token(&signer, &header(&signer, "k"), &long);
    assert!(issuers.verify(&token).await.is_ok());
    server.stop();
    hands.forward(23 * 3600);
    assert!(issuers.verify(&token).await.is_ok());
    hands.forward(2 * 3600);
    assert_eq!(
        code(issuers.verify(&token).await),
        Some(Code::KeysUnavailable)
    );
    assert!(issuers.state()[0].failing);
}

#[tokio::test]
async fn answers_that_are_no_key_set_change_nothing() {
    let signer = Signer::p256();
    let (server, hands) = (Server::start().await, Hands::new());
    let issuers = issuers(config(Jwks::Url(server.url.clone())), &hands);
    let good = token(&signer, &header(&signer, "k"), &claims());
    let keys = json!({"keys": [signer.jwk("k")]}).to_string();
    let huge = format!("{keys}{}", " ".repeat(300 * 1024));
    for answer in [
        "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_owned(),
        format!(
            "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            server.url
        ),
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{huge}",
            huge.len()
        ),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"keys\":[]}".to_owned(),
        "garbage".to_owned(),
        String::new(),
    ] {
        server.raw(&answer);
        hands.forward(6);
        let got = code(issuers.verify(&good).await);
        assert_eq!(
            got,
            Some(Code::KeysUnavailable),
            "{}",
            &answer[..answer.len().min(60)]
        );
    }
    server.raw(&format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{keys}",
        keys.len()
    ));
    hands.forward(6);
    assert!(issuers.verify(&good).await.is_ok());
}

#[tokio::test]
async fn the_background_task_fetches_first_and_again_when_it_is_due() {
    let signer = Signer::p256();
    let (server, hands) = (Server::start().await, Hands::new());
    server.publish(&[signer.jwk("k")]);
    let issuers = issuers(config(Jwks::Url(server.url.clone())), &hands);
    let until = async |fetches| {
        while server.fetches() < fetches || issuers.state()[0].keys == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let limit = std::time::Duration::from_secs(20);
    for fetches in 1..=2 {
        let task = tokio::spawn(issuers.clone().maintain());
        tokio::time::timeout(limit, until(fetches)).await.unwrap();
        task.abort();
        hands.forward(3601);
    }
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn a_web_page_cannot_use_the_development_issuer() {
    let hands = Hands::new();
    let local = "127.0.0.1:0".parse().unwrap();
    let dev = DevIssuer::bind(local, Vec::new(), hands.clock())
        .await
        .unwrap();
    tokio::spawn(dev.clone().serve());
    let address = dev.issuer().strip_prefix("http://").unwrap().to_owned();
    let port = address.rsplit_once(':').unwrap().1;
    let body = "subject=ana";
    for (host, origin, granted) in [
        (address.clone(), "", true),
        (format!("localhost:{port}"), "", true),
        (format!("evil.example:{port}"), "", false),
        ("localhost".to_owned(), "", false),
        (address.clone(), "origin: https://evil.example\r\n", false),
    ] {
        let request = format!(
            "POST /token HTTP/1.1\r\nhost: {host}\r\n{origin}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = send(&address, &request).await;
        assert_eq!(answer.contains("access_token"), granted, "{host} {origin}");
    }
}

#[tokio::test]
async fn exotic_keys_are_skipped_and_do_not_serve() {
    let signer = Signer::p256();
    let skipped = [
        with(signer.jwk("enc"), "use", json!("enc")),
        with(signer.jwk("ops"), "key_ops", json!(["encrypt"])),
        with(signer.jwk("alg"), "alg", json!("ES512")),
        with(signer.jwk("crv"), "crv", json!("secp256k1")),
        with(signer.jwk("short"), "x", json!("AAAA")),
        json!({"kty": "oct", "kid": "oct", "k": "AAAA"}),
        json!({"kty": "AKP", "kid": "akp", "alg": "ML-DSA-44", "pub": "AAAA"}),
        json!({"kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB"}),
        json!("nonsense"),
    ];
    let mut keys = skipped.to_vec();
    keys.push(with(signer.jwk("k"), "use", json!("jwt-svid")));
    let issuers = issuers(config(Jwks::Inline(json!({ "keys": keys }))), &Hands::new());
    assert_eq!(issuers.state()[0].keys, 1);
    let good = token(&signer, &header(&signer, "k"), &claims());
    assert!(issuers.verify(&good).await.is_ok());
    for id in ["enc", "ops", "alg", "crv", "oct"] {
        let got = issuers
            .verify(&token(&signer, &header(&signer, id), &claims()))
            .await;
        assert_eq!(code(got), Some(Code::Key), "{id}");
    }
}

#[tokio::test]
async fn discovery_must_name_the_same_issuer() {
    let (server, hands) = (Server::start().await, Hands::new());
    let signer = Signer::p256();
    let mut config = IssuerConfig::new("corp", &server.url, AUDIENCE, Kind::Human);
    config.jwks = Jwks::Discover;
    let issuers = issuers(config, &hands);
    server.document(&json!({"issuer": "https://evil.example", "jwks_uri": server.url}));
    let claims = with(claims(), "iss", json!(server.url));
    let got = issuers
        .verify(&token(&signer, &header(&signer, "k"), &claims))
        .await;
    assert_eq!(code(got), Some(Code::KeysUnavailable));
}

#[tokio::test]
async fn settings_that_verify_nothing_are_refused() {
    let clock = Hands::new().clock();
    let good = || IssuerConfig::new("corp", ISSUER, AUDIENCE, Kind::Human);
    let mut bad: Vec<IssuerConfig> = Vec::new();
    for change in [
        |c: &mut IssuerConfig| c.audiences.clear(),
        |c: &mut IssuerConfig| c.audiences = vec![String::new()],
        |c: &mut IssuerConfig| c.algorithms.clear(),
        |c: &mut IssuerConfig| c.issuer = "http://idp.example".to_owned(),
        |c: &mut IssuerConfig| c.jwks = Jwks::Url("http://idp.example/jwks".to_owned()),
        |c: &mut IssuerConfig| c.jwks = Jwks::Inline(json!({"keys": []})),
        |c: &mut IssuerConfig| c.ca_file = Some("/nonexistent/ca.pem".into()),
    ] {
        let mut config = good();
        change(&mut config);
        bad.push(config);
    }
    for config in bad {
        assert!(
            Issuers::new(vec![config.clone()], clock.clone()).is_err(),
            "{config:?}"
        );
    }
    let twice = Issuers::new(vec![good(), good()], clock).err();
    assert!(matches!(twice, Some(Misconfigured::Twice(_))));
    assert!(
        "HS256".parse::<crate::Algorithm>().is_err() && "none".parse::<crate::Algorithm>().is_err()
    );
}

#[tokio::test]
async fn the_development_issuer_serves_a_gateway_through_its_rotations() {
    let hands = Hands::new();
    let ana = DevIdentity {
        subject: "ana".to_owned(),
        kind: Kind::Human,
        groups: vec!["sre".to_owned()],
        email: Some("ana@example.com".to_owned()),
        owner: None,
    };
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let refused = DevIssuer::bind(everywhere, Vec::new(), hands.clock()).await;
    assert!(matches!(refused.err(), Some(DevError::NotLoopback)));
    let local = "127.0.0.1:0".parse().unwrap();
    let dev = DevIssuer::bind(local, vec![ana], hands.clock())
        .await
        .unwrap();
    tokio::spawn(dev.clone().serve());
    let issuers = issuers(dev.config("dev"), &hands);
    let first = dev.mint(&json!({"sub": "ana", "kind": "agent", "groups": ["a"]}));
    let identity = issuers.verify(&first).await.unwrap();
    assert_eq!(
        (identity.kind, identity.groups),
        (Kind::Agent, vec!["a".to_owned()])
    );
    assert_eq!(post(&dev, "/rotate", "").await["rotated"], true);
    hands.forward(31);
    let asked = "subject=ana&ttl=60&act=bot%2D1";
    let granted = post(&dev, "/token", asked).await;
    let identity = issuers
        .verify(granted["access_token"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(
        (identity.name.as_str(), identity.kind),
        ("ana@example.com", Kind::Human)
    );
    assert_eq!(identity.actors[0].subject, "bot-1");
    assert_eq!(identity.expires.seconds(), NOW + 31 + 60);
    assert!(
        issuers.verify(&first).await.is_ok(),
        "the key before is still published"
    );
    dev.rotate().unwrap();
    hands.forward(31);
    assert!(
        issuers
            .verify(&dev.mint(&json!({"sub": "ana"})))
            .await
            .is_ok()
    );
    assert_eq!(code(issuers.verify(&first).await), Some(Code::Key));
    for bad in ["subject=bea", "", "subject=ana&ttl=0", "subject=ana&ttl=x"] {
        assert!(
            post(&dev, "/token", bad).await.get("error").is_some(),
            "{bad}"
        );
    }
}

async fn post(dev: &Arc<DevIssuer>, path: &str, body: &str) -> Value {
    let host = dev.issuer().strip_prefix("http://").unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = send(host, &request).await;
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

async fn send(address: &str, request: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_revocation_covers_whoever_is_involved_until_it_ends() {
    let signer = Signer::p256();
    let issuers = issuers(config(inline(&[(&signer, "k")])), &Hands::new());
    let chained = with(
        with(claims(), "act", json!({"sub": "bot"})),
        "jti",
        json!("t1"),
    );
    let chained = token(&signer, &header(&signer, "k"), &chained);
    let identity = issuers.verify(&chained).await.unwrap();
    let bot = Revocation::Principal(identity.actors[0].clone());
    let one = Revocation::Token {
        issuer: ISSUER.to_owned(),
        id: "t1".to_owned(),
    };
    for what in [bot, one] {
        let list = Revocations::new();
        let watch = list.watch();
        assert_eq!(list.covers(&identity, None, Timestamp(1)), None);
        list.revoke(what.clone(), Timestamp(10), Timestamp(1))
            .unwrap();
        assert!(watch.has_changed().unwrap());
        assert_eq!(
            list.covers(&identity, None, Timestamp(9)),
            Some(what.clone())
        );
        assert_eq!(list.covers(&identity, None, Timestamp(10)), None);
        assert!(list.restore(&what) && list.list(Timestamp(1)).is_empty());
    }
}
