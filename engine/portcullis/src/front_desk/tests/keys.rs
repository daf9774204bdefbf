//! Keys at the desk: whom they stand for is looked at like whoever comes with a token.

use super::*;
use crate::registry::{End, Ground, Pass};
use portcullis_gate::Bearer;

const KEY: &[u8] = b"her key";
const MINUTES: Duration = Duration::from_secs(600);

fn key() -> Proof {
    Proof::Key {
        key: KEY.to_vec(),
        within: MINUTES,
    }
}

/// A session of hers, which lives as long as this.
fn enter(world: &World, who: &Identity) -> Arc<Pass> {
    let ground = Ground {
        login: "ana".to_owned(),
        settings: BTreeMap::new(),
        replication: false,
    };
    let end = End {
        at: Timestamp(i64::MAX),
        denial: Denial::new("session/max", "time is up"),
    };
    let session = Arc::new(session(0x5e55, who.clone()));
    world.reception.desk().registry.enter(session, ground, end)
}

/// Admitted in this session, with her key beside it.
fn remember_in(world: &World, pass: &Pass) {
    let session = &pass.live().session;
    let bearer = Bearer {
        identity: Arc::clone(&session.identity),
        session: session.id,
        from: client().address.ip(),
        within: MINUTES,
    };
    world.reception.remember(KEY, bearer);
}

fn remember(world: &World) {
    remember_in(world, &enter(world, &identity("ana")));
}

fn remembers(world: &World) -> bool {
    let from = client().address.ip();
    world.reception.remembers(KEY, from, MINUTES)
}

#[tokio::test]
async fn no_key_is_remembered_of_a_session_that_has_been_ended_or_has_left() {
    let world = World::new(Script::default());
    let desk = world.reception.desk();
    let pass = enter(&world, &identity("ana"));
    remember_in(&world, &pass);
    assert!(remembers(&world));
    // Sent away: what is remembered goes, and what its login was about to have remembered does not come behind it.
    desk.send_away(pass.live(), Denial::new("admin/kill", "enough"));
    assert!(!remembers(&world));
    remember_in(&world, &pass);
    assert!(!remembers(&world));
    drop(pass);
    // The same of whoever is revoked, and has a session besides that is not.
    let pass = enter(&world, &identity("ana"));
    let ana = Revocation::Principal(identity("ana").principal);
    let list = &desk.revocations;
    list.revoke(ana.clone(), Timestamp(i64::MAX), Timestamp(0))
        .expect("room");
    assert_eq!(desk.end_revoked(Timestamp(0)), 1);
    list.restore(&ana);
    remember_in(&world, &pass);
    assert!(!remembers(&world));
    let left = Bearer {
        identity: Arc::new(identity("ana")),
        session: SessionId(0x1ef7),
        from: client().address.ip(),
        within: MINUTES,
    };
    world.reception.remember(KEY, left);
    assert!(!remembers(&world));
}

#[tokio::test]
async fn a_protocol_that_ends_a_session_by_itself_has_its_keys_forgotten() {
    let world = World::new(Script::default());
    remember(&world);
    world.reception.forget_keys(&identity("bea"));
    assert!(remembers(&world));
    world.reception.forget_keys(&identity("ana"));
    assert!(!remembers(&world));
}

async fn come(world: &World, from: [u8; 4]) -> Result<Admission, Denial> {
    let mut knock = knock("orders");
    knock.proof = key();
    knock.client.address = (from, 7).into();
    world.reception.admit(knock, &mut patient()).await
}

async fn turned_away(world: &World, from: [u8; 4]) -> String {
    match come(world, from).await {
        Ok(_) => panic!("admitted"),
        Err(denial) => denial.rule,
    }
}

#[tokio::test]
async fn a_remembered_key_brings_the_identity_as_it_was_verified_and_policy_is_asked() {
    let world = World::new(Script::default());
    assert_eq!(turned_away(&world, [127, 0, 0, 1]).await, "identity/key");
    remember(&world);
    assert!(
        world
            .reception
            .remembers(KEY, [127, 0, 0, 1].into(), MINUTES)
    );
    let admission = come(&world, [127, 0, 0, 1]).await.expect("admitted");
    assert_eq!(*admission.gate.session().identity, identity("ana"));
    let said = world.said();
    assert!(said.contains(&"connect".to_owned()), "{said:?}");
    assert!(!said.contains(&"verify".to_owned()), "{said:?}");
    assert_eq!(turned_away(&world, [127, 0, 0, 2]).await, "identity/key");

    let strict = World::new(Script {
        verdict: Verdict::Deny(Denial::new("access/no", "no")),
        ..Script::default()
    });
    remember(&strict);
    assert_eq!(turned_away(&strict, [127, 0, 0, 1]).await, "access/no");
}

#[tokio::test]
async fn a_key_of_somebody_revoked_is_refused_and_forgotten() {
    let ana = || identity("ana");
    for what in [
        Revocation::Principal(ana().principal),
        Revocation::Token {
            issuer: ana().principal.issuer,
            id: "t-1".to_owned(),
        },
    ] {
        let world = World::new(Script::default());
        remember(&world);
        let list = &world.reception.desk().revocations;
        let revoke = || list.revoke(what.clone(), Timestamp(i64::MAX), Timestamp(0));
        revoke().expect("room");
        let rule = turned_away(&world, [127, 0, 0, 1]).await;
        assert_eq!(rule, "identity/revoked", "{what:?}");
        assert!(
            !world
                .reception
                .remembers(KEY, [127, 0, 0, 1].into(), MINUTES)
        );

        // Forgotten at once, also where nobody comes meanwhile.
        list.restore(&what);
        remember(&world);
        revoke().expect("room");
        world.reception.desk().end_revoked(Timestamp(0));
        list.restore(&what);
        assert_eq!(turned_away(&world, [127, 0, 0, 1]).await, "identity/key");
    }
}

#[tokio::test]
async fn a_key_of_an_issuer_that_is_no_longer_trusted_is_refused() {
    let world = World::new(Script {
        unknown: true,
        ..Script::default()
    });
    remember(&world);
    assert_eq!(turned_away(&world, [127, 0, 0, 1]).await, "identity/issuer");
}

#[tokio::test]
async fn a_key_of_somebody_who_has_lost_a_group_since_stands_for_nobody() {
    let world = World::new(Script::default());
    let of = |groups: &[&str]| {
        let mut who = identity("ana");
        who.groups = groups.iter().map(|group| (*group).to_owned()).collect();
        who
    };
    let pass = enter(&world, &of(&["dba"]));
    remember_in(&world, &pass);
    let from = client().address.ip();
    world.reception.ask_again_as(&of(&["dba", "oncall"]));
    assert!(world.reception.remembers(KEY, from, MINUTES));
    world.reception.ask_again_as(&of(&["oncall"]));
    assert!(!world.reception.remembers(KEY, from, MINUTES));
    remember_in(&world, &pass);
    assert!(!remembers(&world), "nor is it once more by what has ended");
}

#[test]
fn the_record_says_which_key_it_was() {
    let mut more = serde_json::Map::new();
    let proof = Proof::Key {
        key: Vec::new(),
        within: MINUTES,
    };
    proved(&mut more, &proof);
    let name = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
    assert_eq!(more["proof"]["by"], "bound key");
    assert_eq!(more["proof"]["fingerprint"], name);
}
