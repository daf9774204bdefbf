//! The traps of roles per session, each against the real server.

use super::cluster::Cluster;
use super::wire::Session;
use crate::error::VaultError;
use crate::login::Channel;
use crate::postgres::{Access, MintRequest, PostgresVault};
use crate::secrets::Source;
use crate::static_login::{StaticLogin, Weak};
use portcullis_gate::{Challenge, Tripwire as _};
use portcullis_model::SessionId;
use portcullis_stream::Tripwires;
use std::time::Duration;

const ROLES: &str = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'pc\\_%'";
const ENOUGH: Duration = Duration::from_secs(20);

fn request(session: u128) -> MintRequest {
    MintRequest {
        replication: false,
        session: SessionId(session),
        parent: "app_rw".to_owned(),
        access: Access::Full,
        valid_for: Duration::from_secs(60),
        channel: Channel::Protected,
    }
}

fn vault(cluster: &Cluster, node: &str) -> PostgresVault {
    PostgresVault::new(node, cluster.admin(), Tripwires::new())
}

#[tokio::test]
async fn a_session_runs_as_its_parent_and_leaves_nothing_behind() {
    let cluster = Cluster::start().await;
    runs_as_its_parent(&cluster).await;
    dropping_ends_live_sessions(&cluster).await;
    what_a_session_owns_goes_to_the_parent(&cluster).await;
    reading_only(&cluster).await;
    orphans_are_swept(&cluster).await;
    no_password_is_ever_logged(&cluster).await;
    privileged_and_missing_parents_are_refused(&cluster).await;
    static_logins_log_in(&cluster).await;
}

/// What a session could leave behind, and what thousands of them once filled (`pg_class.relacl`).
const LEFT: &str = "SELECT concat_ws(' ',
    (SELECT count(*) FROM pg_authid), (SELECT count(*) FROM pg_auth_members),
    (SELECT count(*) FROM pg_shdepend), (SELECT count(*) FROM pg_db_role_setting),
    (SELECT count(*) FROM pg_shdescription), (SELECT count(*) FROM pg_default_acl),
    (SELECT coalesce(sum(cardinality(relacl)), 0) FROM pg_class),
    (SELECT coalesce(sum(cardinality(datacl)), 0) FROM pg_database))";

#[tokio::test]
async fn hundreds_of_sessions_leave_the_catalogs_as_they_were() {
    const AT_ONCE: usize = 8;
    // `PORTCULLIS_SESSIONS=3000` for the figure in `engine/docs/credentials.md`.
    let sessions = std::env::var("PORTCULLIS_SESSIONS").ok();
    let sessions: u128 = sessions.map_or(300, |many| many.parse().unwrap());
    let cluster = Cluster::start().await;
    let vault = vault(&cluster, "node-many");
    let before = cluster.text(LEFT).await;
    let slots = std::sync::Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut all = tokio::task::JoinSet::new();
    for number in 0..sessions {
        let (vault, slots, port) = (vault.clone(), slots.clone(), cluster.port);
        all.spawn(async move {
            let _slot = slots.acquire_owned().await.unwrap();
            let mut credential = vault.mint(&request(1000 + number)).await.unwrap();
            let mut session = Session::open(port, None, &mut *credential).await.unwrap();
            let answer = session.ask("SELECT current_user").await.unwrap();
            assert_eq!(answer, ["app_rw"]);
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    assert_eq!(vault.drain(Duration::from_secs(600)).await, 0);
    assert_eq!(cluster.text(LEFT).await, before);
}

async fn runs_as_its_parent(cluster: &Cluster) {
    let vault = vault(cluster, "node-a");
    let mut credential = vault.mint(&request(1)).await.unwrap();
    let mut session = Session::open(cluster.port, Some(cluster.tls()), &mut *credential)
        .await
        .unwrap();
    assert!(credential.server_verified());
    for (query, expected) in [
        ("SELECT current_user", "app_rw"),
        ("SELECT session_user", credential.user()),
        ("RESET ROLE; SELECT current_user", "app_rw"),
        ("RESET ALL; SELECT current_user", "app_rw"),
        ("DISCARD ALL", ""),
        ("SELECT current_user", "app_rw"),
        ("SHOW statement_timeout", "7s"),
        ("SHOW work_mem", "5MB"),
        ("SHOW search_path", "\"$user\", public"),
        ("SELECT count(*) FROM users", "1"),
    ] {
        let answer = session.ask(query).await.unwrap();
        assert_eq!(answer.first().map_or("", |a| a), expected, "{query}");
    }
    // Without the parent there is nothing: NOINHERIT.
    let alone = session.ask("SET ROLE NONE; SELECT ssn FROM users").await;
    assert!(alone.unwrap_err().contains("permission denied"));
    // One connection, and that is in use.
    let mut second = vault.mint(&request(2)).await.unwrap();
    let _held = Session::open(cluster.port, None, &mut *second)
        .await
        .unwrap();
    drop((session, credential, second));
    assert_eq!(vault.drain(ENOUGH).await, 0);
    assert_eq!(cluster.count(ROLES).await, 0);
}

async fn dropping_ends_live_sessions(cluster: &Cluster) {
    let vault = vault(cluster, "node-a");
    let mut credential = vault.mint(&request(3)).await.unwrap();
    let mut session = Session::open(cluster.port, None, &mut *credential)
        .await
        .unwrap();
    session.ask("SELECT 1").await.unwrap();
    drop(credential);
    assert_eq!(vault.drain(ENOUGH).await, 0);
    let after = session.ask("SELECT ssn FROM users").await.unwrap_err();
    assert!(after.contains("57P01") || after.contains("gone"), "{after}");
    assert_eq!(cluster.count(ROLES).await, 0);
}

async fn what_a_session_owns_goes_to_the_parent(cluster: &Cluster) {
    // The administrator needs the parent's rights to give it something.
    cluster
        .sql("REVOKE app_rw FROM gateway; GRANT app_rw TO gateway WITH ADMIN OPTION")
        .await;
    let vault = vault(cluster, "node-a");
    let credential = vault.mint(&request(4)).await.unwrap();
    let role = credential.user();
    cluster
        .sql(&format!(
            "CREATE TABLE left_behind (a int); ALTER TABLE left_behind OWNER TO \"{role}\""
        ))
        .await;
    drop(credential);
    assert_eq!(vault.drain(ENOUGH).await, 0);
    let owned = "SELECT count(*) FROM pg_class
                 WHERE relname = 'left_behind' AND pg_get_userbyid(relowner) = 'app_rw'";
    assert_eq!(cluster.count(owned).await, 1);
    assert_eq!(cluster.count(ROLES).await, 0);
}

async fn reading_only(cluster: &Cluster) {
    let vault = vault(cluster, "node-a");
    let mut asked = request(5);
    asked.access = Access::ReadOnly {
        parent: Some("app_ro".to_owned()),
    };
    let mut credential = vault.mint(&asked).await.unwrap();
    let mut session = Session::open(cluster.port, None, &mut *credential)
        .await
        .unwrap();
    let written = session.ask("INSERT INTO users VALUES (2)").await;
    assert!(written.unwrap_err().contains("read-only transaction"));
    // The setting is only a setting; the rights of the parent hold.
    let written = session
        .ask("SET default_transaction_read_only = off")
        .await
        .unwrap();
    assert!(written.is_empty());
    let written = session.ask("INSERT INTO users VALUES (2)").await;
    assert!(written.unwrap_err().contains("permission denied"));
    drop((session, credential));
    assert_eq!(vault.drain(ENOUGH).await, 0);
}

async fn orphans_are_swept(cluster: &Cluster) {
    let crashed = vault(cluster, "node-b");
    let credential = crashed.mint(&request(6)).await.unwrap();
    let expired = crashed.mint(&request(7)).await.unwrap();
    let other = vault(cluster, "node-c").mint(&request(8)).await.unwrap();
    let role = expired.user().to_owned();
    cluster
        .sql(&format!("ALTER ROLE \"{role}\" VALID UNTIL '2001-01-01'"))
        .await;
    // A crash: nobody ends what was minted.
    std::mem::forget((credential, expired));
    assert_eq!(crashed.sweep().await.unwrap(), 0, "they are its own");
    let restarted = vault(cluster, "node-b");
    assert_eq!(restarted.sweep().await.unwrap(), 2);
    assert_eq!(cluster.count(ROLES).await, 1, "another node's stays");
    drop(other);
    let deadline = tokio::time::Instant::now() + ENOUGH;
    while cluster.count(ROLES).await != 0 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn no_password_is_ever_logged(cluster: &Cluster) {
    let tripwires = Tripwires::new();
    let vault = PostgresVault::new("node-d", cluster.admin(), tripwires.clone());
    let mut credential = vault.mint(&request(9)).await.unwrap();
    let session = Session::open(cluster.port, None, &mut *credential)
        .await
        .unwrap();
    // Armed: the session's password and the administrator's.
    assert_eq!(tripwires.len(), 2);
    let log = cluster.log();
    assert!(log.contains("CREATE ROLE") && log.contains("SCRAM-SHA-256$4096:"));
    let minted: Vec<&str> = log.lines().filter(|l| l.contains("pc_")).collect();
    assert!(!minted.is_empty());
    assert!(tripwires.hits(minted.join("\n").as_bytes()).is_empty());
    drop((session, credential));
    assert_eq!(vault.drain(ENOUGH).await, 0);
    assert_eq!(tripwires.len(), 1);
}

async fn privileged_and_missing_parents_are_refused(cluster: &Cluster) {
    let vault = vault(cluster, "node-a");
    for (parent, privileged) in [
        ("boss", true),
        ("gateway", true),
        ("nobody_at_all", false),
        ("x\"; DROP TABLE users; --", false),
    ] {
        let mut asked = request(10);
        asked.parent = parent.to_owned();
        match vault.mint(&asked).await.err() {
            Some(VaultError::Privileged(_)) => assert!(privileged, "{parent}"),
            Some(VaultError::NoParent(_)) => assert!(!privileged, "{parent}"),
            other => panic!("{parent}: {other:?}"),
        }
    }
    assert_eq!(vault.drain(ENOUGH).await, 0);
    assert_eq!(cluster.count(ROLES).await, 0);
}

async fn static_logins_log_in(cluster: &Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let login = |user: &str, password: &str, channel, weak| {
        let path = folder.path().join(user);
        std::fs::write(&path, password).unwrap();
        StaticLogin::new(
            user,
            Source::of_file(&path),
            channel,
            weak,
            Tripwires::new(),
        )
    };
    cluster
        .sql("CREATE ROLE scram_user LOGIN PASSWORD 'pässwört ª 1'")
        .await;
    let weak = login("scram_user", "pässwört ª 1", Channel::Open, Weak::Refuse);
    assert!(matches!(
        weak.credential().await.err(),
        Some(VaultError::Weak(_))
    ));
    assert!(weak.weak().await.unwrap().is_some());
    let scram = login("scram_user", "pässwört ª 1", Channel::Open, Weak::Allow);
    let mut credential = scram.credential().await.unwrap();
    Session::open(cluster.port, Some(cluster.tls()), &mut *credential)
        .await
        .unwrap();
    assert!(credential.server_verified());
    let wrong = login("scram_user", "wrong", Channel::Open, Weak::Allow);
    let mut credential = wrong.credential().await.unwrap();
    let refused = Session::open(cluster.port, None, &mut *credential).await;
    assert!(refused.err().unwrap().contains("28P01"));
    assert!(!credential.server_verified());
}

#[tokio::test]
async fn cleartext_and_md5_are_answered_only_where_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "old").unwrap();
    let login = async |channel| {
        let source = Source::of_file(&path);
        let login = StaticLogin::new("ana", source, channel, Weak::Allow, Tripwires::new());
        login.credential().await.unwrap()
    };
    for challenge in [|| Challenge::Cleartext, || Challenge::Md5([1, 2, 3, 4])] {
        assert!(login(Channel::Open).await.answer(challenge()).is_err());
        assert!(login(Channel::Protected).await.answer(challenge()).is_ok());
    }
}

#[tokio::test]
async fn a_downgrade_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "old").unwrap();
    let source = Source::of_file(&path);
    let login = StaticLogin::new("ana", source, Channel::Open, Weak::Allow, Tripwires::new());
    let first = async |mechanisms: &[&str], binding: Option<&[u8]>| {
        let mut credential = login.credential().await.unwrap();
        let challenge = Challenge::Sasl {
            mechanisms,
            binding,
        };
        match credential.answer(challenge) {
            Ok(portcullis_gate::Reply::SaslInitial { mechanism, data }) => {
                Some((mechanism, String::from_utf8(data).unwrap()))
            }
            _ => None,
        }
    };
    let both = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"];
    let plain = ["SCRAM-SHA-256"];
    let bound = first(&both, Some(b"hash")).await.unwrap();
    assert_eq!(bound.0, "SCRAM-SHA-256-PLUS");
    assert!(bound.1.starts_with("p=tls-server-end-point,,n=,r="));
    // The server is told that we could: one that offered PLUS then knows that somebody took it away.
    let stripped = first(&plain, Some(b"hash")).await.unwrap();
    assert!(stripped.1.starts_with("y,,"));
    assert!(first(&both, None).await.unwrap().1.starts_with("n,,"));
    assert!(first(&["OAUTHBEARER"], None).await.is_none());
    assert!(first(&["SCRAM-SHA-256-PLUS"], None).await.is_none());
    assert!(first(&[], Some(b"hash")).await.is_none());
}
