//! A whole gateway, assembled in a folder of its own, and what its operators can do to it. Nobody listens
//! and nobody is dialled: the issuer and the database do not exist.

use super::*;
use crate::config;
use crate::front_desk::tests::{identity, session};
use crate::registry::{End, Ground, Pass};
use portcullis_gate::{Bearer, FrontDesk as _, Tether};
use portcullis_model::Denial;
use std::collections::BTreeMap;
use std::path::Path;

const CONFIG: &str = "\
node: gw-1
state_dir: ./state
listeners:
  - { protocol: postgres, address: 127.0.0.1:0, tls: { self_signed: true } }
issuers:
  - name: corp
    issuer: https://idp.example
    audiences: [portcullis]
    kind: { fixed: human }
    keys: ./keys.json
connections:
  - name: orders
    protocol: postgres
    labels: { app: orders }
    host: 127.0.0.1
    port: 1
    tls: disable
    credential: { static: { user: app, password: env:NOBODY_READS_IT } }
policies:
  packs:
    - { path: ./everybody.rego }
";

const EVERYBODY: &str = "\
package portcullis.packs.everybody

import rego.v1

grant contains {\"rule\": \"everybody/grant\", \"msg\": \"everybody\"}
";

struct Node {
    front: Arc<Front>,
    folder: tempfile::TempDir,
}

async fn node() -> Node {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("everybody.rego"), EVERYBODY).expect("write");
    // A public key of RFC 7517, appendix A.1.
    let keys = json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "kid": "1", "alg": "ES256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }]});
    std::fs::write(folder.path().join("keys.json"), keys.to_string()).expect("write");
    write_config(folder.path(), CONFIG);
    let loaded = config::load(&folder.path().join("portcullis.yaml")).expect("a good file");
    let gateway = crate::assemble::gateway(loaded).await.expect("assembles");
    let reloader = Reloader::new(Arc::clone(&gateway));
    let front = Front::new(
        gateway,
        reloader,
        vec!["postgres 127.0.0.1:6432".to_owned()],
    );
    Node { front, folder }
}

fn write_config(folder: &Path, text: &str) {
    std::fs::write(folder.join("portcullis.yaml"), text).expect("write");
}

impl Node {
    fn enter(&self, id: u128, subject: &str) -> Arc<Pass> {
        let ground = Ground {
            login: subject.to_owned(),
            settings: BTreeMap::new(),
            replication: false,
        };
        let end = End {
            at: Timestamp(i64::MAX),
            denial: Denial::new("session/max", "time is up"),
        };
        let mut who = identity(subject);
        who.principal.issuer = "https://idp.example".to_owned();
        let session = Arc::new(session(id, who));
        self.front.registry().enter(session, ground, end)
    }

    fn entries(&self) -> String {
        let dir = self.front.gateway.journal.dir();
        portcullis_journal::entries(dir, portcullis_journal::NODE)
            .expect("reads")
            .map(|entry| String::from_utf8_lossy(&entry.expect("whole").payload).into_owned())
            .collect()
    }
}

const ROOT: Caller = Caller { uid: 0, pid: None };

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_the_node() {
    let node = node().await;
    let _pass = node.enter(1, "ana");
    let status = node.front.status();
    assert_eq!((status.state.as_str(), status.sessions), ("serving", 1));
    assert!(
        status.checks.iter().all(|check| check.ok),
        "{:?}",
        status.checks
    );
    node.front.drain();
    assert!(node.front.readiness().iter().any(|check| !check.ok));
    assert_eq!(node.front.connections()[0].name, "orders");
    assert!(
        node.front
            .journal_public_key()
            .starts_with("portcullis/gw-1+")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_is_told_and_on_record() {
    let node = node().await;
    let pass = node.enter(7, "ana");
    let kill = Kill {
        reason: "runaway".to_owned(),
    };
    // She does not come back at once by a key that is remembered; others do.
    let desk = &node.front.gateway.reception;
    let (from, within) = ([192, 0, 2, 7].into(), Duration::from_secs(600));
    let _beas = node.enter(9, "bea");
    for (key, subject, id) in [(b"hers", "ana", 7), (b"beas", "bea", 9)] {
        let mut who = identity(subject);
        who.principal.issuer = "https://idp.example".to_owned();
        who.expires = Timestamp(i64::MAX);
        let bearer = Bearer {
            identity: Arc::new(who),
            session: SessionId(id),
            from,
            within,
        };
        desk.remember(key, bearer);
        assert!(desk.remembers(key, from, within));
    }
    node.front.kill(SessionId(7), &kill, ROOT).expect("ends");
    assert!(!desk.remembers(b"hers", from, within));
    assert!(desk.remembers(b"beas", from, within));
    let denial = pass.severed().await;
    assert_eq!(denial.rule, "admin/kill");
    assert!(denial.reason.contains("runaway"));
    assert!(node.entries().contains("session_killed"));
    let unknown = node.front.kill(SessionId(8), &kill, ROOT);
    assert_eq!(unknown.expect_err("nobody").status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_in_force_until_it_is_released() {
    let node = node().await;
    let wish = HoldWish {
        reason: "case 7".to_owned(),
        identity: Some("bea".to_owned()),
        ..HoldWish::default()
    };
    let hold = node.front.hold(&wish, ROOT).expect("is set");
    assert_eq!(node.front.holds().await.as_ref(), Ok(&vec![hold.clone()]));
    let reason = Kill {
        reason: "closed".to_owned(),
    };
    let unknown = node.front.release("hold-0", &reason, ROOT).await;
    assert_eq!(unknown.expect_err("there is none").status, 404);
    let id = hold["id"].as_str().expect("an id");
    assert_eq!(node.front.release(id, &reason, ROOT).await, Ok(()));
    assert_eq!(node.front.holds().await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_ends_what_is_open_and_nothing_else() {
    let node = node().await;
    let (ana, bea) = (node.enter(1, "ana"), node.enter(2, "bea"));
    let revocation = Revocation {
        issuer: Some("https://idp.example".to_owned()),
        subject: Some("ana".to_owned()),
        token_id: None,
        reason: "left".to_owned(),
    };
    assert_eq!(node.front.revoke(&revocation, ROOT), Ok(1));
    assert_eq!(ana.severed().await.rule, "identity/revoked");
    let still = std::time::Duration::from_millis(20);
    assert!(tokio::time::timeout(still, bea.severed()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_leaves_the_old_set_serving() {
    let node = node().await;
    let pass = node.enter(1, "ana");
    let before = node.front.status().policy_revision;
    for (text, rego) in [
        (
            CONFIG.replace("orders", "order s\n  - "),
            EVERYBODY.to_owned(),
        ),
        (
            CONFIG.to_owned(),
            EVERYBODY.replace("grant contains", "grant ~ contains"),
        ),
        (
            CONFIG.to_owned() + "plugins: [ { builtin: no-such-plugin } ]\n",
            EVERYBODY.to_owned(),
        ),
    ] {
        write_config(node.folder.path(), &text);
        std::fs::write(node.folder.path().join("everybody.rego"), rego).expect("write");
        let reloaded = node.front.reload(ROOT).await.expect("answers");
        assert!(!reloaded.ok, "{text}");
        assert!(!reloaded.detail.is_empty());
        assert_eq!(node.front.status().policy_revision, before);
        assert_eq!(node.front.status().last_reload, Some(reloaded));
    }
    let still = std::time::Duration::from_millis(20);
    assert!(tokio::time::timeout(still, pass.severed()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_ends_the_admissions_that_lost_their_ground() {
    let node = node().await;
    let pass = node.enter(1, "ana");
    let path = node.folder.path().join("everybody.rego");
    let harsher = EVERYBODY.to_owned()
        + "\ndeny contains {\"rule\": \"everybody/closed\", \"msg\": \"closed\"} if input.action == \"connect\"\n";
    std::fs::write(&path, harsher).expect("write");
    let reloaded = node.front.reload(ROOT).await.expect("answers");
    assert!(reloaded.ok, "{}", reloaded.detail);
    assert_eq!(reloaded.severed, 1);
    assert_eq!(pass.severed().await.rule, "everybody/closed");

    std::fs::write(&path, EVERYBODY).expect("write");
    assert!(node.front.reload(ROOT).await.expect("answers").ok);
    let pass = node.enter(2, "ana");
    let moved = CONFIG.replace("port: 1", "port: 2");
    write_config(node.folder.path(), &moved);
    assert_eq!(node.front.reload(ROOT).await.expect("answers").severed, 1);
    assert_eq!(pass.severed().await.rule, "access/ground-lost");
    assert!(node.entries().contains("reload"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_label_moves_no_connection() {
    let node = node().await;
    let _pass = node.enter(1, "ana");
    write_config(
        node.folder.path(),
        &CONFIG.replace("app: orders", "app: shop"),
    );
    let reloaded = node.front.reload(ROOT).await.expect("answers");
    assert!(reloaded.ok, "{}", reloaded.detail);
    assert_eq!(reloaded.severed, 0);
    assert_eq!(node.front.connections()[0].labels["app"], "shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named() {
    let node = node().await;
    write_config(
        node.folder.path(),
        &CONFIG.replace("node: gw-1", "node: gw-2"),
    );
    let reloaded = node.front.reload(ROOT).await.expect("answers");
    assert!(
        reloaded.ok && reloaded.detail.contains("restart: node"),
        "{}",
        reloaded.detail
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_needs_a_token_that_proves_something() {
    let node = node().await;
    let ballot = Ballot {
        choice: portcullis_console::Choice::Approve,
        reuse_seconds: None,
        reason: "fine".to_owned(),
        token: "hunter2.hunter2.hunter2".to_owned().into(),
    };
    let refused = node
        .front
        .vote("ap-1", &ballot, ROOT)
        .await
        .expect_err("no vote");
    assert_eq!(refused.status, 401);
    let entries = node.entries();
    assert!(entries.contains("vote_refused") && !entries.contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dev_issuer_opens_no_door_to_the_network() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = CONFIG
        .replace(
            "127.0.0.1:0, tls: { self_signed: true }",
            "0.0.0.0:0, tls: { certificate: a, key: b }",
        )
        .replace("https://idp.example", "http://127.0.0.1:9400");
    write_config(folder.path(), &text);
    let loaded = config::load(&folder.path().join("portcullis.yaml")).expect("reads");
    let refused = crate::assemble::gateway(loaded)
        .await
        .err()
        .expect("is refused");
    assert!(refused.to_string().contains("loopback"), "{refused}");
}
