//! Keys at the desk: whom they stand for is looked at like whoever comes with a token.

use super::*;
use portcullis_gate::Bearer;

const KEY: &[u8] = b"her key";
const MINUTES: Duration = Duration::from_secs(600);

fn key() -> Proof {
    Proof::Key {
        key: KEY.to_vec(),
        within: MINUTES,
    }
}

fn remember(world: &World) {
    let bearer = Bearer {
        identity: Arc::new(identity("ana")),
        from: client().address.ip(),
        within: MINUTES,
    };
    world.reception.remember(KEY, bearer);
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
    let bearer = Bearer {
        identity: Arc::new(of(&["dba"])),
        from: client().address.ip(),
        within: MINUTES,
    };
    world.reception.remember(KEY, bearer);
    let from = client().address.ip();
    world.reception.ask_again_as(&of(&["dba", "oncall"]));
    assert!(world.reception.remembers(KEY, from, MINUTES));
    world.reception.ask_again_as(&of(&["oncall"]));
    assert!(!world.reception.remembers(KEY, from, MINUTES));
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
