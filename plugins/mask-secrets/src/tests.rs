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
    assert_eq!(found(&format!("id {aws}.")), [("aws".to_owned(), aws)]);
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

/// The ranges found in cells of one column, as the gateway would show them over several calls.
fn over_cells(calls: &[&[&str]]) -> Vec<Vec<String>> {
    use portcullis_sdk::glue::MaskerGlue;
    let mut glue = MaskerGlue::<MaskSecrets>::configure(b"{}").unwrap();
    let mut all = Vec::new();
    for cells in calls {
        let (mut flat, mut data) = (Vec::new(), Vec::new());
        for cell in *cells {
            let start = data.len() as u32;
            data.extend_from_slice(cell.as_bytes());
            flat.extend([0, start, data.len() as u32]);
            data.push(0);
        }
        let (edits, ..) = glue.mask(0, portcullis_sdk::Shape::NONE, &flat, &data);
        let text = |(cell, start, end): (u32, u32, u32)| {
            cells[cell as usize][start as usize..end as usize].to_owned()
        };
        let places = edits.iter().map(|e| (e.cell, e.start, e.end));
        all.push(places.map(text).collect());
    }
    all
}

#[test]
fn a_key_that_comes_line_by_line_is_masked_line_by_line() {
    let line = "MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn4e2ZkYNoI0T1lQ0bMsyhrqpZyaQVEM6tP";
    let begin = "-----BEGIN RSA PRIVATE KEY-----";
    let end = "-----END RSA PRIVATE KEY-----";
    let found = over_cells(&[
        &["hello", begin, line],
        &[line, "short0==", end, line],
        &["after"],
    ]);
    assert_eq!(found[0], [begin, line]);
    assert_eq!(found[1], [line, "short0==", end]);
    assert!(found[2].is_empty());
    // A line that is none of a key closes it.
    let found = over_cells(&[&[begin, line, "a whole other value", line]]);
    assert_eq!(found[0], [begin, line]);
}

#[test]
fn a_stream_may_be_cut_anywhere() {
    let secrets = harness::<MaskSecrets>(Value::Null).kind(portcullis_sdk::BatchKind::Stream);
    let line = "MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn4e2ZkYNoI0T1lQ0bMsyhrqpZyaQVEM6tP";
    let key = format!("-----BEGIN PRIVATE KEY-----\n{line}\n{line}\n-----END PRIVATE KEY-----\n");
    let token = format!("glpat-{}", "4eC39HqLyjWDarjtT1zd");
    let text = format!("$ cat key\n{key}$ echo {token}\npassword=Tr0ub4dor3\nbye\n");
    let out = String::from_utf8(secrets.stream(text.as_bytes())).unwrap();
    assert!(
        !out.contains(line) && !out.contains(&token) && !out.contains("Tr0ub4dor3"),
        "{out}"
    );
    assert!(
        out.starts_with("$ cat key\n") && out.ends_with("bye\n"),
        "{out}"
    );
}

#[test]
fn rules_can_be_left_out_and_unknown_ones_are_refused() {
    let without = harness::<MaskSecrets>(serde_json::json!({"without": ["assignment"]}));
    without.row(&["password=Tr0ub4dor3"]).expect_found(&[]);
    let wrong = harness::<MaskSecrets>(serde_json::json!({"without": ["assignments"]}));
    assert_eq!(wrong.config_error().path, "/without/0");
}

#[test]
fn anchors_are_many_and_none_is_too_short() {
    let anchors = crate::search::anchors();
    assert!(anchors.len() > 400, "{}", anchors.len());
    assert!(anchors.iter().all(|a| a.len() >= 3), "{anchors:?}");
}

/// Every find begins with an anchor, every anchor holds a needle; a key that goes on over rows is followed.
#[test]
fn every_anchor_holds_a_needle() {
    use portcullis_sdk::needles::Needle;
    let manifest = portcullis_sdk::testing::manifest::<MaskSecrets>();
    let needles = manifest.needles.expect("needles");
    let literal = |needle: &Needle| match needle {
        Needle::Literal { text, ignore_case } => (text.clone(), *ignore_case),
        other => panic!("{other:?} is no literal"),
    };
    let declared: Vec<(String, bool)> = needles.any_of.iter().map(literal).collect();
    for (anchor, any_case) in crate::search::needles() {
        let held = declared.iter().any(|(needle, ignores)| match ignores {
            true => anchor
                .to_ascii_lowercase()
                .contains(&needle.to_ascii_lowercase()),
            false => !any_case && anchor.contains(needle.as_str()),
        });
        assert!(held, "no needle for {anchor:?} (any case: {any_case})");
    }
    let follow = needles.follow.expect("keys go on over rows");
    assert_eq!(
        follow.any_of.iter().map(literal).collect::<Vec<_>>(),
        [("-----BEGIN ".to_owned(), false)]
    );
}

#[test]
fn nothing_is_found_without_a_needle() {
    let key = format!("-----BEGIN {} KEY-----", "PRIVATE");
    let tail = "4eC39HqLyjWDarjtT1zdp7dc4eC39HqLyjWDarjtT1zdp7dc";
    let seeds = [
        format!("AKIA{}", "IOSFODNN7EXAMPLE"),
        format!("sk_live_{}", &tail[..24]),
        format!("glpat-{}", &tail[..20]),
        format!("{key}\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"),
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj".to_owned(),
        "postgres://ana:Xq9vT2LmPw81@db.example/x".to_owned(),
        "password=Xq9vT2LmPw81, user=ana".to_owned(),
        "Authorization: Basic YW5hOlhxOXZUMkxtUHc4MQ==".to_owned(),
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl".to_owned(),
        "cGFzc3dvcmQ9WHE5dlQyTG1QdzgxCg==".to_owned(),
        "70617373776f72643d587139765432 4c6d50773831".to_owned(),
    ];
    let seeds: Vec<&str> = seeds.iter().map(String::as_str).collect();
    harness::<MaskSecrets>(Value::Null)
        .columns(&["a", "b"])
        .needles_hold(&seeds);
}
