//! The client of AWS against canned answers. Whether it does with something that checks more is tried in `tests/it`.

use super::*;
use crate::canned::Canned;
use crate::login::Channel;
use crate::secrets::{Backends, Secrets};
use portcullis_gate::{Challenge, Reply, Tripwire as _};
use portcullis_model::Timestamp;
use std::collections::BTreeMap;

const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYq8Zr4kT1vX";
const VALUE: &str = "K7vQ9wZ2xR4tB8nM3pL6sJ1h";

struct World {
    folder: tempfile::TempDir,
    secrets: Secrets,
    tripwires: Tripwires,
}

fn world(endpoint: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, KEY).unwrap();
    let tripwires = Tripwires::new();
    let account = AwsAccount {
        region: "eu-central-1".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        ca: None,
        credentials: AwsCredentials::Keys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Source::of_file(&file),
            session_token: None,
        },
    };
    let clock: Clock = Arc::new(|| Timestamp(1_440_938_160_000_000_000));
    let account = Account::new(account, clock, tripwires.clone()).unwrap();
    let backends = Backends {
        aws: BTreeMap::from([("prod".to_owned(), account)]),
        ..Backends::none()
    };
    World {
        folder,
        secrets: Secrets::new(backends, tripwires.clone()),
        tripwires,
    }
}

async fn read(world: &World, reference: &str) -> Result<String, String> {
    let source = world.secrets.at(reference.parse().unwrap());
    match source.read().await {
        Ok(held) => Ok(held.text().unwrap().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn a_secret_or_a_member_of_it_is_read() {
    let canned = Canned::serve(|asked| {
        let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
        match body["SecretId"].as_str() {
            Some("orders/db") => {
                let text = json!({"username": "app", "password": VALUE}).to_string();
                (200, json!({"SecretString": text}).to_string())
            }
            Some("plain") => (200, json!({"SecretString": "plain value"}).to_string()),
            Some("binary") => (200, json!({"SecretBinary": "YmluYXJ5"}).to_string()),
            Some(other) => {
                let body = json!({"__type": "ResourceNotFoundException", "Message": other});
                (400, body.to_string())
            }
            None => (400, String::new()),
        }
    })
    .await;
    let world = world(&canned.url);
    assert_eq!(
        read(&world, "aws:prod/orders/db#password").await.unwrap(),
        VALUE
    );
    assert_eq!(read(&world, "aws:prod/plain").await.unwrap(), "plain value");
    assert_eq!(read(&world, "aws:prod/binary").await.unwrap(), "binary");
    assert!(
        read(&world, "aws:prod/plain#password")
            .await
            .unwrap_err()
            .contains("field")
    );
    let error = read(&world, "aws:prod/none").await.unwrap_err();
    assert!(error.contains("404"), "{error}");
    let asked = canned.last("POST /");
    assert!(
        asked
            .headers
            .contains("x-amz-target: secretsmanager.getsecretvalue")
    );
    assert!(asked.headers.contains(
        "authorization: aws4-hmac-sha256 credential=akidexample/20150830/eu-central-1/secretsmanager/aws4_request, \
         signedheaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-target, signature="
    ), "{}", asked.headers);
    assert_eq!(world.tripwires.hits(VALUE.as_bytes()).len(), 1);
}

#[tokio::test]
async fn without_keys_nothing_is_asked() {
    let canned = Canned::serve(|_| (200, "{}".to_owned())).await;
    let world = world(&canned.url);
    std::fs::remove_file(world.folder.path().join("key")).unwrap();
    let error = read(&world, "aws:prod/plain").await.unwrap_err();
    assert!(error.contains("own credential"), "{error}");
    assert!(canned.lines().is_empty());
}

#[tokio::test]
async fn a_database_token_is_for_one_user_of_one_host_and_shown_to_nobody_else() {
    let world = world("http://127.0.0.1:1");
    let role = RdsRole {
        account: "prod".to_owned(),
        user: "app".to_owned(),
        host: "orders.abc.eu-central-1.rds.amazonaws.com".to_owned(),
        port: 5432,
    };
    let logins = |channel| {
        let (secrets, tripwires) = (world.secrets.clone(), world.tripwires.clone());
        RdsLogins::new(role.clone(), channel, secrets, tripwires)
    };
    let mut credential = logins(Channel::Protected).credential().await.unwrap();
    assert_eq!(credential.user(), "app");
    let Ok(Reply::Password(token)) = credential.answer(Challenge::Cleartext) else {
        panic!("a token is shown to a verified server");
    };
    let token = String::from_utf8((*token).as_ref().to_vec()).unwrap();
    let start = "orders.abc.eu-central-1.rds.amazonaws.com:5432/?Action=connect&DBUser=app&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Feu-central-1%2Frds-db%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=";
    assert!(token.starts_with(start), "{token}");
    assert_eq!(world.tripwires.hits(token.as_bytes()).len(), 1);
    let mut open = logins(Channel::Open).credential().await.unwrap();
    assert!(open.answer(Challenge::Cleartext).is_err());
}

/// The metadata of an instance, and STS: both where the environment says, which tests of this crate leave alone.
#[tokio::test]
async fn an_instances_role_is_had_in_two_steps_and_kept_until_it_nearly_ends() {
    let ends = std::sync::Arc::new(parking_lot::Mutex::new("2015-08-30T18:36:00Z"));
    let said = Arc::clone(&ends);
    let canned = Canned::serve(move |asked| match asked.line.as_str() {
        "PUT /latest/api/token" => (200, "imds-token".to_owned()),
        _ if !asked
            .headers
            .contains("x-aws-ec2-metadata-token: imds-token") =>
        {
            (401, String::new())
        }
        "GET /latest/meta-data/iam/security-credentials/" => (200, "gateway-role\n".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/gateway-role" => {
            let keys = json!({
                "Code": "Success", "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": KEY,
                "Token": "session/token+1=", "Expiration": *said.lock(),
            });
            (200, keys.to_string())
        }
        _ => (404, String::new()),
    })
    .await;
    let chain = Chain::new(Fetcher::new(None).unwrap());
    let tripwires = Tripwires::new();
    let keys = chain.instance(&canned.url, &tripwires).await.ok().unwrap();
    assert_eq!(keys.access_key_id, "ASIAEXAMPLE");
    assert_eq!(keys.token(), Some("session/token+1="));
    assert_eq!(tripwires.hits(KEY.as_bytes()).len(), 1);
    assert!(
        canned
            .last("PUT /latest/api/token")
            .headers
            .contains("ttl-seconds: 60")
    );
    // 12:36 plus five minutes before the end is the latest.
    assert!(keys.good(1_440_938_160 + 6 * 3600 - 301));
    assert!(!keys.good(1_440_938_160 + 6 * 3600 - 299));
    *ends.lock() = "never";
    assert!(chain.instance(&canned.url, &tripwires).await.is_err());
}

#[tokio::test]
async fn a_role_is_assumed_for_a_token_of_the_platform() {
    let canned = Canned::serve(|asked| match asked.body.contains("WebIdentityToken=good.token") {
        true => {
            let answer = format!(
                "<AssumeRoleWithWebIdentityResponse><Credentials><AccessKeyId>ASIA2</AccessKeyId>\
                 <SecretAccessKey>{KEY}</SecretAccessKey><SessionToken>tok/+=</SessionToken>\
                 <Expiration>2015-08-30T13:36:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResponse>"
            );
            (200, answer)
        }
        false => (400, "<Error><Code>InvalidIdentityToken</Code></Error>".to_owned()),
    })
    .await;
    let world = world(&canned.url);
    let account = world.secrets.aws("prod").unwrap();
    let role = "arn:aws:iam::123456789012:role/gateway";
    let keys = account.assume(role, "good.token").await.ok().unwrap();
    assert_eq!(
        (&*keys.access_key_id, keys.token()),
        ("ASIA2", Some("tok/+="))
    );
    let body = canned.last("POST /").body;
    assert!(
        body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fgateway"),
        "{body}"
    );
    let refused = account.assume(role, "stolen").await;
    assert!(matches!(refused.err(), Some(Unavailable::Login(400))));
}

#[tokio::test]
async fn keys_that_an_answer_may_be_about_are_had_anew_and_others_are_kept() {
    let canned = Canned::serve(|asked| {
        let status = asked.line.rsplit('/').next().unwrap().parse().unwrap();
        (status, String::new())
    })
    .await;
    let world = world(&canned.url);
    let account = world.secrets.aws("prod").unwrap();
    for (status, anew) in [
        (200, false),
        (400, true),
        (403, true),
        (404, false),
        (412, false),
    ] {
        let secret = Secret::bounded(KEY.as_bytes()).unwrap();
        let id = "ASIAEXAMPLE".to_owned();
        let before = credentials::Keys::of(id, secret, None, Some(i64::MAX), &world.tripwires);
        let before = Arc::new(before);
        *account.chain.current.lock().await = Some(Arc::clone(&before));
        let path = format!("/{status}");
        let asked = AwsRequest {
            service: "s3",
            method: "GET",
            path: &path,
            query: &[],
            headers: &[],
            body: Vec::new(),
            bounds: Bounds {
                time: limits::SECRET_FETCH_MAX,
                bytes: limits::SECRET_ANSWER_BYTES_MAX,
            },
        };
        let answer = account.ask(asked).await.ok().unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let after = account.keys().await.ok().unwrap();
        assert_eq!(!Arc::ptr_eq(&before, &after), anew, "{status}");
    }
}
