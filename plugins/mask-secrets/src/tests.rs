//! Positives and near misses. Keys are assembled, so that no scanner takes them for real ones.

use crate::MaskSecrets;
use portcullis_sdk::testing::harness;
use serde_json::Value;

fn found(text: &str) -> Vec<(String, String)> {
    let row = harness::<MaskSecrets>(Value::Null).row(&[text]);
    row.found
        .iter()
        .map(|f| (f.rule.clone(), f.text.clone()))
        .collect()
}

#[test]
fn tokens_of_vendors_are_found() {
    let tail = "4eC39HqLyjWDarjtT1zdp7dc4eC39HqLyjWDarjtT1zdp7dc";
    for (prefix, length, rule) in [
        ("sk_live_", 24, "stripe"),
        ("glpat-", 20, "gitlab"),
        ("xoxb-", 40, "slack"),
        ("hvs.", 30, "operations"),
    ] {
        let token = format!("{prefix}{}", &tail[..length]);
        assert_eq!(
            found(&format!("key={token} end"))
                .first()
                .map(|f| f.1.clone()),
            Some(token.clone()),
            "{prefix}"
        );
        assert_eq!(found(&token), [(rule.to_owned(), token)]);
    }
    let aws = format!("AKIA{}", "IOSFODNN7EXAMPLE");
    assert_eq!(
        found(&format!("id {aws}.")),
        [("aws".to_owned(), aws)]
    );
}

#[test]
fn structured_secrets_are_found() {
    let jwt = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl";
    assert_eq!(found(jwt), [("jwt".to_owned(), jwt.to_owned())]);
    let pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----";
    assert_eq!(
        found(&format!("x {pem} y")),
        [("private-key".to_owned(), pem.to_owned())]
    );
    assert_eq!(
        found("postgres://app:hunter2!@db/x"),
        [("url-password".to_owned(), "hunter2!".to_owned())]
    );
    assert_eq!(
        found("PASSWORD = 'Tr0ub4dor&3'"),
        [("assignment".to_owned(), "Tr0ub4dor&3".to_owned())]
    );
    assert_eq!(
        found("{\"api_key\": \"a1b2c3d4e5\"}"),
        [("assignment".to_owned(), "a1b2c3d4e5".to_owned())]
    );
}

#[test]
fn near_misses_are_left_alone() {
    for text in [
        "AKIA short",
        "risk_live_abcdefghijklmnopqrst",
        "password: null",
        "token_count = 17",
        "the secret of success",
        "https://example.com/a@b",
        "d41d8cd98f00b204e9800998ecf8427e",
        "-----BEGIN CERTIFICATE-----",
        "eyJ.x.y",
        "password = password",
        "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}
