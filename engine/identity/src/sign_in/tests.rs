//! What is under way, once each, and what ends a login.

use super::store::{Browser, Expected, Kept, Spent, Store, Taken};
use super::*;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Principal, Timestamp};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const NOW: Timestamp = Timestamp(1_000_000_000_000);

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()))
}

fn later(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

fn ana(login: &str) -> Identity {
    Identity {
        principal: Principal {
            issuer: "https://idp.example".to_owned(),
            subject: "ana".to_owned(),
        },
        provider: "corp".to_owned(),
        kind: Kind::Human,
        name: "ana@example.com".to_owned(),
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: Vec::new(),
        assurance: None,
        token_id: Some(login.to_owned()),
        expires: later(3600),
    }
}

fn taken() -> Taken {
    Taken::new(ana("1"), None, "corp")
}

fn kept(login: &str) -> Kept {
    Kept {
        identity: Arc::new(ana(login)),
        provider: "corp".to_owned(),
        refresh: Zeroizing::new("theirs".to_owned()),
        until: later(3600),
    }
}

#[test]
fn rfc_7636_appendix_b_is_understood() {
    assert_eq!(challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    assert!(well_formed(&challenge(), "abc-_1").is_ok());
    for (challenge, state) in [
        (VERIFIER.to_owned() + "x", "a"),
        ("plain".to_owned(), "a"),
        (challenge(), ""),
        (challenge(), "a&code=b"),
        (challenge(), "a\r\nb"),
    ] {
        assert!(
            well_formed(&challenge, state).is_err(),
            "{challenge} {state}"
        );
    }
}

#[test]
fn a_code_is_fetched_once_by_whoever_asked_for_it() {
    let store = Store::default();
    let hand_over = || store.hand_over(challenge(), taken(), NOW).expect("a code");
    let code = hand_over();
    assert!(store.fetch(&code, VERIFIER, NOW).is_ok());
    assert!(store.fetch(&code, VERIFIER, NOW).is_err(), "twice");
    // Whoever has the code alone spoils it for everybody.
    let code = hand_over();
    let other = "x".repeat(43);
    assert!(store.fetch(&code, &other, NOW).is_err());
    assert!(store.fetch(&code, VERIFIER, NOW).is_err());
    let code = hand_over();
    assert!(store.fetch(&code, VERIFIER, later(60)).is_err(), "late");
    assert!(store.fetch("guess", VERIFIER, NOW).is_err());
}

fn browser() -> Browser {
    Browser {
        provider: "corp".to_owned(),
        expected: Expected::Code {
            nonce: Zeroizing::default(),
            verifier: Zeroizing::default(),
            names_itself: false,
        },
        anew: None,
        back: crate::sign_in::Back::Loopback(1),
        challenge: challenge(),
        state: "s".to_owned(),
    }
}

#[test]
fn a_browser_comes_back_once() {
    let store = Store::default();
    store.begin("state", browser(), HERE, NOW);
    assert!(store.back("other", NOW).is_err());
    assert!(store.back("state", NOW).is_ok());
    assert!(store.back("state", NOW).is_err(), "twice");
    store.begin("state", browser(), HERE, NOW);
    assert!(store.back("state", later(600)).is_err(), "late");
}

#[test]
fn a_flood_of_logins_pushes_itself_out_and_nobody_else() {
    let store = Store::default();
    let elsewhere = IpAddr::from([192, 0, 2, 7]);
    store.begin("hers", browser(), elsewhere, NOW);
    let device = store.wait_for(&challenge(), elsewhere, NOW).expect("room");
    for n in 0..=limits::LOGINS_PENDING_MAX as u64 {
        // Another second each, so that one is the oldest.
        let at = NOW.after(Duration::from_millis(n));
        match n % 2 {
            0 => store.begin(&format!("s{n}"), browser(), HERE, at),
            _ => drop(store.wait_for(&challenge(), HERE, at).expect("room")),
        }
    }
    assert!(store.back("s0", NOW).is_err(), "the flood's oldest is gone");
    assert!(store.back("hers", NOW).is_ok());
    let poll = store.poll(&device.shown(), VERIFIER, NOW);
    assert!(
        matches!(poll, Ok(None)),
        "and so is what she began elsewhere"
    );
    // Whoever comes back from the provider gets a code, however many are on their way.
    let code = store.hand_over(challenge(), taken(), NOW).expect("a code");
    assert!(store.fetch(&code, VERIFIER, NOW).is_ok());
}

#[test]
fn answers_that_nobody_fetches_do_not_pile_up() {
    let store = Store::default();
    for n in 0..limits::LOGINS_PENDING_MAX as u64 {
        let at = NOW.after(Duration::from_secs(n));
        let id = store.wait_for(&challenge(), HERE, at).expect("room");
        store.confirm(&id, Err(ended()), at);
    }
    let most = limits::LOGIN_CODE_MAX.as_secs() as usize + 1;
    assert!(store.waiting() <= most, "{}", store.waiting());
}

#[tokio::test]
async fn nobody_asks_for_a_login_that_was_pushed_out() {
    let store = Store::default();
    let id = store.wait_for(&challenge(), HERE, NOW).expect("room");
    let asking = tokio::spawn(std::future::pending::<()>());
    store.asked_by(&id, asking.abort_handle());
    store.never_mind(&id);
    assert!(asking.await.is_err_and(|e| e.is_cancelled()));
}

#[test]
fn another_device_is_waited_for() {
    let store = Store::default();
    let id = store.wait_for(&challenge(), HERE, NOW).expect("room");
    let name = id.shown();
    assert!(matches!(store.poll(&name, VERIFIER, NOW), Ok(None)));
    assert!(store.poll(&name, &"x".repeat(43), NOW).is_err());
    store.confirm(&id, Ok(taken()), NOW);
    assert!(matches!(store.poll(&name, VERIFIER, NOW), Ok(Some(_))));
    assert!(store.poll(&name, VERIFIER, NOW).is_err(), "twice");
    let id = store.wait_for(&challenge(), HERE, NOW).expect("room");
    store.confirm(&id, Err(ended()), NOW);
    let refused = store.poll(&id.shown(), VERIFIER, NOW).err();
    assert_eq!(
        refused.map(|d| d.rule.to_string()).as_deref(),
        Some("login/ended")
    );
}

#[test]
fn a_refresh_token_that_comes_twice_ends_the_login() {
    let store = Store::default();
    let first = store.keep(kept("1"), None, NOW).expect("room");
    let other = store.keep(kept("2"), None, NOW).expect("room");
    let presented = store.present(&first, NOW).expect("known").expect("good");
    let second = store.keep(presented, None, NOW).expect("room");
    let thief = store.present(&first, NOW).expect("known").err();
    assert_eq!(thief.and_then(|i| i.token_id.clone()).as_deref(), Some("1"));
    // What had come of it is over as well; the other login goes on.
    assert!(store.present(&second, NOW).is_err());
    assert!(store.present(&other, NOW).expect("known").is_ok());
    assert!(store.present("pcr_guess", NOW).is_err());
}

#[test]
fn a_refresh_token_survives_a_provider_that_is_down_and_ends_in_time() {
    let store = Store::default();
    let token = store.keep(kept("1"), None, NOW).expect("room");
    let presented = store.present(&token, NOW).expect("known").expect("good");
    store.put_back(presented, &token);
    assert!(store.present(&token, later(3599)).expect("known").is_ok());
    let token = store.keep(kept("2"), None, NOW).expect("room");
    assert!(store.present(&token, later(3600)).is_err());
}

#[test]
fn whoever_leaves_is_gone_and_nobody_locks_herself_out() {
    let store = Store::default();
    let token = store.keep(kept("1"), None, NOW).expect("room");
    assert!(store.leave("pcr_guess").is_none());
    assert!(store.leave(&token).is_some());
    assert!(store.present(&token, NOW).is_err());
    let tokens: Vec<_> = (0..=limits::SIGNED_IN_PER_IDENTITY_MAX)
        .map(|n| {
            store
                .keep(kept(&n.to_string()), None, later(n as u64))
                .expect("room")
        })
        .collect();
    let good = tokens
        .iter()
        .filter(|t| matches!(store.present(t, NOW), Ok(Ok(_))));
    assert_eq!(good.count(), limits::SIGNED_IN_PER_IDENTITY_MAX);
}

#[test]
fn what_a_login_goes_on_from_neither_takes_room_nor_makes_any() {
    let store = Store::default();
    let before = store.keep(kept("1"), None, NOW).expect("room");
    let others: Vec<_> = (1..limits::SIGNED_IN_PER_IDENTITY_MAX)
        .map(|_| store.keep(kept("2"), None, NOW).expect("room"))
        .collect();
    let next = store.keep(kept("1"), Some(&before), NOW).expect("room");
    assert_eq!(
        store.goes_on(&before, &ana("x"), NOW).as_deref(),
        Some("1"),
        "asking uses nothing, and room is not made of it"
    );
    assert_eq!(store.spend(&before, NOW), Spent::Now);
    for token in others.iter().chain([&next]) {
        assert!(store.present(token, NOW).expect("known").is_ok());
    }
}

#[test]
fn what_is_used_twice_is_told_from_what_is_good_for_nothing() {
    let store = Store::default();
    let before = store.keep(kept("1"), None, NOW).expect("room");
    let next = store.keep(kept("1"), Some(&before), NOW).expect("room");
    assert!(store.again(&before, NOW).is_none(), "it is good");
    assert_eq!(store.spend("pcr_guess", NOW), Spent::Nothing);
    assert_eq!(store.spend(&before, later(3600)), Spent::Nothing, "run out");
    let before = store.keep(kept("1"), None, NOW).expect("room");
    assert_eq!(store.spend(&before, NOW), Spent::Now);
    assert!(store.whose(&next, NOW).is_some());
    assert_eq!(store.spend(&before, NOW), Spent::Before);
    assert!(store.whose(&next, NOW).is_none(), "all of it is over");
}

#[test]
fn nothing_is_put_back_into_a_login_that_was_ended_meanwhile() {
    let store = Store::default();
    let present = |token: &str| store.present(token, NOW).expect("known");
    let token = store.keep(kept("1"), None, NOW).expect("room");
    // The provider is being asked when somebody else comes with the same token.
    let kept = present(&token).expect("good");
    assert!(!store.is_over(&token));
    assert!(present(&token).is_err());
    assert!(store.is_over(&token));
    store.put_back(kept, &token);
    assert!(present(&token).is_err(), "it stays used");
    // The same of a renewal that came about after that.
    let token = store.keep(self::kept("2"), None, NOW).expect("room");
    let kept = present(&token).expect("good");
    assert!(present(&token).is_err());
    let own = store.keep(kept, None, NOW).expect("room");
    store.take_back(&own, Some(&token));
    assert!(present(&token).is_err() && store.whose(&own, NOW).is_none());
}
