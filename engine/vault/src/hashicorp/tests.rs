//! The client of a Vault server against canned answers, in the words of its API documentation: logging in, renewing,
//! lending and giving back. Whether the gateway does its work with such a server is tried in `tests/it`.

use super::*;
use crate::canned::{Asked, Canned};
use crate::login::Channel;
use crate::secrets::{Backends, Secrets};
use crate::ssh::{Bearing, CertificateRequest};
use portcullis_gate::Tripwire as _;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const SECRET_ID: &str = "7d0bb2f4-9c1e-4f6a-8a35-1b2c3d4e5f60";
const TOKEN: &str = "hvs.CAESIKx7Qm2vR9tB4nL8pW3yZ6";
const VALUE: &str = "K7vQ9wZ2xR4tB8nM3pL6sJ1h";

struct World {
    _folder: tempfile::TempDir,
    canned: Canned,
    secrets: Secrets,
    tripwires: Tripwires,
}

fn login(number: u32, seconds: u32) -> (u16, String) {
    let body = json!({"auth": {
        "client_token": format!("{TOKEN}{number}"), "lease_duration": seconds, "renewable": true,
    }});
    (200, body.to_string())
}

async fn world(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> World {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret-id");
    std::fs::write(&file, SECRET_ID).unwrap();
    let canned = Canned::serve(answer).await;
    let tripwires = Tripwires::new();
    let server = HashicorpServer {
        address: canned.url.clone(),
        namespace: Some("team-a".to_owned()),
        ca: None,
        kv_mount: "secret".to_owned(),
        auth: HashicorpAuth::AppRole {
            mount: "approle".to_owned(),
            role_id: "gateway".to_owned(),
            secret_id: Source::of_file(&file),
        },
    };
    let server = Hashicorp::new(server, tripwires.clone()).unwrap();
    let backends = Backends {
        vault: BTreeMap::from([("main".to_owned(), server)]),
        ..Backends::none()
    };
    World {
        _folder: folder,
        canned,
        secrets: Secrets::new(backends, tripwires.clone()),
        tripwires,
    }
}

fn logins(world: &World, role: &str) -> DatabaseLogins {
    let role = DatabaseRole {
        server: "main".to_owned(),
        mount: "database".to_owned(),
        role: role.to_owned(),
    };
    let tripwires = world.tripwires.clone();
    DatabaseLogins::new(role, Channel::Protected, world.secrets.clone(), tripwires)
}

const LOGIN: &str = "PUT /v1/auth/approle/login";
const KV: &str = "GET /v1/secret/data/apps/orders";

fn kv(asked: &Asked) -> (u16, String) {
    match asked.line.as_str() {
        LOGIN => login(1, 3600),
        KV => (
            200,
            json!({"data": {"data": {"password": VALUE}, "metadata": {}}}).to_string(),
        ),
        _ => (404, json!({"errors": []}).to_string()),
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
async fn a_field_is_read_as_the_one_who_logged_in_once() {
    let world = world(kv).await;
    assert_eq!(
        read(&world, "vault:main/apps/orders#password")
            .await
            .unwrap(),
        VALUE
    );
    assert!(
        read(&world, "vault:main/apps/orders#other")
            .await
            .unwrap_err()
            .contains("field")
    );
    assert!(
        read(&world, "vault:main/apps/none#password")
            .await
            .unwrap_err()
            .contains("404")
    );
    assert_eq!(world.canned.count(LOGIN), 1);
    let asked = world.canned.last(KV);
    assert!(
        asked.headers.contains("x-vault-namespace: team-a"),
        "{}",
        asked.headers
    );
    assert!(
        asked
            .headers
            .contains(&format!("x-vault-token: {TOKEN}1").to_ascii_lowercase())
    );
    let asked = world.canned.last(LOGIN);
    assert!(!asked.headers.contains("x-vault-token"));
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body, json!({"role_id": "gateway", "secret_id": SECRET_ID}));
    // What opens the server is matched in output like what comes out of it.
    for secret in [VALUE, &format!("{TOKEN}1")] {
        assert_eq!(world.tripwires.hits(secret.as_bytes()).len(), 1, "{secret}");
    }
}

#[tokio::test]
async fn what_a_server_says_is_not_repeated() {
    let world = world(|asked| match asked.line.as_str() {
        LOGIN => (
            400,
            json!({"errors": [format!("invalid secret id {SECRET_ID}")]}).to_string(),
        ),
        _ => (500, String::new()),
    })
    .await;
    let error = read(&world, "vault:main/apps/orders#password")
        .await
        .unwrap_err();
    assert!(error.contains("refused the gateway's own login"), "{error}");
    assert!(!error.contains(SECRET_ID), "{error}");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_given_back() {
    const RENEW: &str = "PUT /v1/auth/token/renew-self";
    const REVOKE: &str = "PUT /v1/auth/token/revoke-self";
    let world = world(|asked| match asked.line.as_str() {
        LOGIN => login(1, 2),
        RENEW => login(1, 2),
        REVOKE => (204, String::new()),
        _ => kv(asked),
    })
    .await;
    read(&world, "vault:main/apps/orders#password")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(3500)).await;
    assert!(world.canned.count(RENEW) >= 2, "{:?}", world.canned.lines());
    assert_eq!(world.canned.count(LOGIN), 1);
    world.secrets.settle(Duration::from_secs(5)).await;
    assert_eq!(world.canned.count(REVOKE), 1);
}

/// The logins of open sessions end with the token that they were made under.
#[tokio::test]
async fn a_path_that_is_not_allowed_costs_no_token() {
    const ITSELF: &str = "GET /v1/auth/token/lookup-self";
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let world = world(move |asked| match asked.line.as_str() {
        "GET /v1/secret/data/apps/others" => (403, String::new()),
        ITSELF if ended.load(Ordering::SeqCst) => (403, String::new()),
        ITSELF => (200, json!({"data": {}}).to_string()),
        _ => kv(asked),
    })
    .await;
    let wanted = "vault:main/apps/orders#password";
    read(&world, wanted).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5100)).await;
    for _ in 0..2 {
        assert!(read(&world, "vault:main/apps/others#x").await.is_err());
    }
    assert_eq!(world.canned.count(LOGIN), 1, "{:?}", world.canned.lines());
    over.store(true, Ordering::SeqCst);
    assert!(read(&world, "vault:main/apps/others#x").await.is_err());
    assert_eq!(world.canned.count(LOGIN), 2, "{:?}", world.canned.lines());
}

#[tokio::test]
async fn a_login_that_nobody_waits_for_any_longer_is_given_back() {
    const CREDS: &str = "GET /v1/database/creds/app-ro";
    const REVOKE: &str = "PUT /v1/sys/leases/revoke";
    let world = world(|asked| match asked.line.as_str() {
        CREDS => {
            let body = json!({
                "lease_id": "database/creds/app-ro/abc", "lease_duration": 60, "renewable": true,
                "data": {"username": "v-gateway-app-ro-1", "password": VALUE},
            });
            (200, body.to_string())
        }
        REVOKE => (204, String::new()),
        _ => kv(asked),
    })
    .await;
    let logins = logins(&world, "app-ro");
    let waiting = tokio::spawn(async move { logins.credential(None).await.map(drop) });
    while world.canned.count(CREDS) == 0 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    assert!(
        waiting.await.is_err_and(|e| e.is_cancelled()),
        "it was too quick"
    );
    world.secrets.settle(Duration::from_secs(5)).await;
    assert_eq!(world.canned.count(REVOKE), 1, "{:?}", world.canned.lines());
}

#[tokio::test]
async fn a_login_is_lent_kept_up_and_given_back() {
    const CREDS: &str = "GET /v1/database/creds/app-ro";
    const RENEW: &str = "PUT /v1/sys/leases/renew";
    const REVOKE: &str = "PUT /v1/sys/leases/revoke";
    let fails = AtomicU32::new(1);
    let world = world(move |asked| match asked.line.as_str() {
        CREDS => {
            let body = json!({
                "lease_id": "database/creds/app-ro/abc", "lease_duration": 2, "renewable": true,
                "data": {"username": "v-gateway-app-ro-1", "password": VALUE},
            });
            (200, body.to_string())
        }
        RENEW => (
            200,
            json!({"lease_id": "x", "lease_duration": 2}).to_string(),
        ),
        // The first time nobody answers as they should.
        REVOKE if fails.fetch_sub(1, Ordering::Relaxed) == 1 => (500, String::new()),
        REVOKE => (204, String::new()),
        _ => kv(asked),
    })
    .await;
    let logins = logins(&world, "app-ro");
    // What somebody still holds at the gateway's end is given back as well.
    let kept = logins.credential(None).await.unwrap();
    let credential = logins.credential(None).await.unwrap();
    assert_eq!(credential.user(), "v-gateway-app-ro-1");
    assert_eq!(world.tripwires.hits(VALUE.as_bytes()).len(), 1);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(world.canned.count(RENEW) >= 1);
    assert_eq!(world.canned.count(REVOKE), 0);
    drop(credential);
    world.secrets.settle(Duration::from_secs(5)).await;
    assert_eq!(world.canned.count(REVOKE), 3, "{:?}", world.canned.lines());
    drop(kept);
    assert!(world.tripwires.hits(VALUE.as_bytes()).is_empty());
    let body: Value = serde_json::from_str(&world.canned.last(REVOKE).body).unwrap();
    assert_eq!(body, json!({"lease_id": "database/creds/app-ro/abc"}));
}

#[tokio::test]
async fn a_login_that_cannot_be_used_is_given_back_all_the_same() {
    const REVOKE: &str = "PUT /v1/sys/leases/revoke";
    let world = world(|asked| match asked.line.as_str() {
        "GET /v1/database/creds/broken" => {
            let body = json!({"lease_id": "l", "lease_duration": 60, "data": {"username": "u"}});
            (200, body.to_string())
        }
        REVOKE => (204, String::new()),
        _ => kv(asked),
    })
    .await;
    let logins = logins(&world, "broken");
    assert!(logins.credential(None).await.is_err());
    // A name that policy gives leads to no other path.
    assert!(logins.credential(Some("../../sys/seal")).await.is_err());
    world.secrets.settle(Duration::from_secs(5)).await;
    assert_eq!(world.canned.count(REVOKE), 1);
}

#[tokio::test]
async fn a_certificate_that_permits_more_is_refused() {
    use crate::ssh::fresh;
    use ssh_key::certificate::{Builder, CertType};
    let authority = fresh().unwrap();
    let key = fresh().unwrap();
    let now = 1_000_000_000_u64;
    let named = |id: &str, principal: &str, until: u64, extension: Option<&str>, kind: CertType| {
        let public = key.public_key().key_data().clone();
        let mut builder = Builder::new([7_u8; 16], public, now - 30, until).unwrap();
        builder.cert_type(kind).unwrap();
        builder.key_id(id).unwrap();
        builder.valid_principal(principal).unwrap();
        builder
            .critical_option("source-address", "192.0.2.7/32")
            .unwrap();
        if let Some(name) = extension {
            builder.extension(name, "").unwrap();
        }
        builder.sign(&authority).unwrap().to_openssh().unwrap()
    };
    let sign =
        |principal: &str, until, extension, kind| named("s-1", principal, until, extension, kind);
    let request = CertificateRequest {
        key_id: "s-1".to_owned(),
        principals: vec!["deploy".to_owned()],
        valid_for: Duration::from_secs(300),
        source_addresses: vec!["192.0.2.7/32".to_owned()],
        bearing: Bearing::Commands,
        command: None,
    };
    for (certificate, good) in [
        (sign("deploy", now + 300, None, CertType::User), true),
        (sign("root", now + 300, None, CertType::User), false),
        (sign("deploy", now + 86_400, None, CertType::User), false),
        (sign("deploy", now - 1, None, CertType::User), false),
        (
            sign("deploy", now + 300, Some("permit-pty"), CertType::User),
            false,
        ),
        (sign("deploy", now + 300, None, CertType::Host), false),
        // The host would write down somebody else.
        (
            named("vault-token", "deploy", now + 300, None, CertType::User),
            false,
        ),
    ] {
        let world = world(move |asked| match asked.line.as_str() {
            "PUT /v1/ssh/sign/gateway" => (
                200,
                json!({"data": {"signed_key": certificate}}).to_string(),
            ),
            _ => kv(asked),
        })
        .await;
        let role = SigningRole {
            server: "main".to_owned(),
            mount: "ssh".to_owned(),
            role: "gateway".to_owned(),
        };
        let signer = SshSigner::new(role, world.secrets.clone());
        let signed = signer.sign(key.public_key(), &request, now).await;
        assert_eq!(signed.is_ok(), good, "{:?}", signed.err());
        let asked = world.canned.last("PUT /v1/ssh/sign/gateway");
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!(body["valid_principals"], "deploy");
        assert_eq!(body["ttl"], "300s");
        assert_eq!(body["extensions"], json!({}));
    }
}
