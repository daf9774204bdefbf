//! Logins from their issue to their end, against a client that proves what it was given.

use super::*;
use crate::scram::tests::Client;
use portcullis_gate::{BoxFuture, Said};
use portcullis_model::{Fault, Kind, Principal};
use std::sync::atomic::{AtomicI64, Ordering};

const SECOND: i64 = 1_000_000_000;

struct World {
    now: Arc<AtomicI64>,
    logins: Logins,
}

fn world() -> World {
    let now = Arc::new(AtomicI64::new(0));
    let hands = now.clone();
    let clock: Clock = Arc::new(move || Timestamp(hands.load(Ordering::SeqCst)));
    World {
        now,
        logins: Logins::new(clock).expect("random"),
    }
}

fn ana(expires: i64) -> Arc<Identity> {
    Arc::new(Identity {
        principal: Principal {
            issuer: "https://idp".to_owned(),
            subject: "ana".to_owned(),
        },
        provider: "corp".to_owned(),
        kind: Kind::Human,
        name: "ana".to_owned(),
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: Vec::new(),
        assurance: None,
        token_id: None,
        expires: Timestamp(expires * SECOND),
    })
}

/// A client at the other end.
struct Line {
    client: Client,
    mechanism: &'static str,
    seen: Vec<String>,
}

impl Waiting for Line {
    fn tell<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
    fn gone<'a>(&'a mut self) -> BoxFuture<'a, ()> {
        Box::pin(std::future::pending())
    }
    fn prove<'a>(&'a mut self, offer: Offer<'a>) -> BoxFuture<'a, Result<Said, Fault>> {
        let said = match offer {
            Offer::Begin(mechanisms) => {
                self.seen = mechanisms.iter().map(|m| (*m).to_owned()).collect();
                Said {
                    mechanism: Some(self.mechanism.to_owned()),
                    data: self.client.first().into_bytes(),
                }
            }
            Offer::Continue(challenge) => Said {
                mechanism: None,
                data: self.client.last(challenge).0.into_bytes(),
            },
            Offer::End(_) => Said::default(),
        };
        Box::pin(async { Ok(said) })
    }
}

async fn try_it(world: &World, name: &str, secret: &str) -> Result<Arc<Identity>, Denial> {
    let channel = b"certificate".to_vec();
    let mut line = Line {
        client: Client {
            header: "p=tls-server-end-point,,",
            channel: channel.clone(),
            secret: secret.as_bytes().to_vec(),
        },
        mechanism: PLUS,
        seen: Vec::new(),
    };
    let proved = world.logins.prove(name, Some(&channel), &mut line).await;
    assert_eq!(line.seen, [PLUS, PLAIN]);
    proved
}

#[tokio::test]
async fn whoever_has_the_secret_is_who_it_was_issued_to() {
    let world = world();
    let issued = world
        .logins
        .issue(&ana(3600), Duration::from_secs(60))
        .expect("issued");
    assert_eq!(issued.until, Timestamp(60 * SECOND));
    assert!(issued.name.starts_with("pcl_") && issued.secret.len() > 40);
    let proved = try_it(&world, &issued.name, &issued.secret)
        .await
        .expect("proved");
    assert_eq!(proved.name, "ana");
    // Not used up: drivers open several connections.
    assert!(try_it(&world, &issued.name, &issued.secret).await.is_ok());
}

#[tokio::test]
async fn every_refusal_reads_the_same() {
    let world = world();
    let issued = world
        .logins
        .issue(&ana(3600), Duration::from_secs(60))
        .expect("issued");
    let wrong = try_it(&world, &issued.name, "pcs_wrong")
        .await
        .expect_err("wrong");
    let unknown = try_it(&world, "pcl_nobody", &issued.secret)
        .await
        .expect_err("unknown");
    world.now.store(61 * SECOND, Ordering::SeqCst);
    let ended = try_it(&world, &issued.name, &issued.secret)
        .await
        .expect_err("ended");
    assert_eq!(wrong, unknown);
    assert_eq!(wrong, ended);
    assert_eq!(wrong.rule, "identity/login");
}

#[test]
fn a_login_ends_with_the_token_and_within_the_hour() {
    let world = world();
    let day = Duration::from_secs(86_400);
    let short = world.logins.issue(&ana(90), day).expect("issued");
    assert_eq!(short.until, Timestamp(90 * SECOND));
    let long = world.logins.issue(&ana(86_400), day).expect("issued");
    assert_eq!(long.until, Timestamp(3600 * SECOND));
    world.now.store(90 * SECOND, Ordering::SeqCst);
    let late = world.logins.issue(&ana(90), day);
    assert_eq!(late.map(|_| ()).expect_err("late").rule, "identity/expired");
}

#[test]
fn nobody_collects_logins() {
    let world = world();
    let minute = Duration::from_secs(60);
    for _ in 0..limits::LOGINS_PER_IDENTITY_MAX {
        assert!(world.logins.issue(&ana(3600), minute).is_ok());
    }
    let one_more = world.logins.issue(&ana(3600), minute).map(|_| ());
    assert_eq!(one_more.expect_err("too many").rule, "identity/logins");
    world.now.store(61 * SECOND, Ordering::SeqCst);
    assert!(world.logins.issue(&ana(3600), minute).is_ok());
}
