//! Logins to clusters: what is read, what is made, and what is refused.

mod accounts;
mod certificates;

use super::*;
use portcullis_gate::Tripwire as _;
use portcullis_model::{Client, Identity, Kind, Principal, Protocol, SessionId, Target, Timestamp};
use std::collections::BTreeMap;

fn session(role: Option<&str>) -> Session {
    let identity = Identity {
        principal: Principal {
            issuer: "https://idp".to_owned(),
            subject: "ana".to_owned(),
        },
        provider: "corp".to_owned(),
        kind: Kind::Human,
        name: "Ana".to_owned(),
        groups: vec!["engineers".to_owned(), "sre".to_owned()],
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: Vec::new(),
        assurance: None,
        token_id: None,
        expires: Timestamp(0),
    };
    Session {
        id: SessionId(7),
        identity: Arc::new(identity),
        login: String::new(),
        target: Arc::new(Target {
            name: "prod".to_owned(),
            protocol: Protocol::Kubernetes,
            labels: BTreeMap::new(),
            database: None,
            role: role.map(str::to_owned),
        }),
        client: Client {
            address: "127.0.0.1:1".parse().unwrap(),
            program: None,
            tls: None,
        },
        started: Timestamp(0),
        node: "n".to_owned(),
        reason: None,
        ticket: None,
        access_request: None,
    }
}

fn login(path: &std::path::Path, tripwires: &Tripwires) -> ClusterLogin {
    ClusterLogin {
        token: Some(Source::of_file(path)),
        certificate: None,
        account: None,
        tls: SideTls::Disable,
        weak: Weak::Refuse,
        impersonate: Some(Impersonation {
            user_prefix: "pc:".to_owned(),
            group_prefix: "pc:".to_owned(),
        }),
        tripwires: tripwires.clone(),
    }
}

#[tokio::test]
async fn a_token_is_read_anew_and_armed_while_it_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let (first, second) = ("q8Zr4kT1vX9mB2nL7cW5pY3s", "h6Jd0gF4tR8eK1uN3xV9aM5b");
    std::fs::write(&path, first).unwrap();
    let tripwires = Tripwires::new();
    let key = login(&path, &tripwires)
        .credential(&session(None))
        .await
        .unwrap();
    let read = async || (*key.bearer().await.unwrap().unwrap()).as_ref().to_owned();
    assert_eq!(read().await, first);
    assert_eq!(tripwires.hits(first.as_bytes()).len(), 1);
    std::fs::write(&path, second).unwrap();
    assert_eq!(read().await, second);
    assert_eq!(tripwires.hits(second.as_bytes()).len(), 1);
    drop(key);
    assert!(tripwires.hits(second.as_bytes()).is_empty());
}

#[tokio::test]
async fn weak_and_missing_tokens_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let tripwires = Tripwires::new();
    assert!(
        login(&path, &tripwires)
            .credential(&session(None))
            .await
            .is_err()
    );
    std::fs::write(&path, "hunter2").unwrap();
    assert!(
        login(&path, &tripwires)
            .credential(&session(None))
            .await
            .is_err()
    );
}

#[test]
fn the_cluster_takes_us_for_the_verified_identity() {
    let names = Impersonation {
        user_prefix: "pc:".to_owned(),
        group_prefix: "pc:".to_owned(),
    };
    let who = names.of(&session(None));
    assert_eq!(who.user, "pc:corp:ana");
    assert_eq!(who.groups, ["pc:engineers", "pc:sre"]);
    assert_eq!(who.extra[0].0, "portcullis.dev%2fsession");
    // Who acts for her, the current actor first.
    let mut acting = session(None);
    let mut identity = (*acting.identity).clone();
    for subject in ["bot", "planner"] {
        identity.actors.push(Principal {
            issuer: "https://agents".to_owned(),
            subject: subject.to_owned(),
        });
    }
    acting.identity = Arc::new(identity);
    let extra = names.of(&acting).extra;
    let actors = extra
        .iter()
        .filter(|(name, _)| name == "portcullis.dev%2factor");
    assert_eq!(
        actors.map(|(_, who)| who.as_str()).collect::<Vec<_>>(),
        ["https://agents bot", "https://agents planner"]
    );
    // The same group of another provider is another one.
    let apart = Impersonation {
        user_prefix: "pc:".to_owned(),
        group_prefix: "pc:{provider}:".to_owned(),
    };
    let groups = apart.of(&session(None)).groups;
    assert_eq!(groups, ["pc:corp:engineers", "pc:corp:sre"]);
    // Policy names a role: it stands in the place of the groups.
    assert_eq!(names.of(&session(Some("viewers"))).groups, ["viewers"]);
}
