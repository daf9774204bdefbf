//! Session tokens: what they prove, what does not pass for one, and what an exchange may make of one.

use super::*;
use crate::{Revocation, Revocations};
use portcullis_model::Principal;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const URL: &str = "https://gw.example:6443";

fn key() -> SessionKey {
    let folder = std::env::temp_dir().join(format!("pc-session-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{:?}.key", std::thread::current().id()));
    let _ = std::fs::remove_file(&path);
    SessionKey::open(&path).unwrap()
}

fn tokens(now: &Arc<AtomicI64>) -> SessionTokens {
    let now = Arc::clone(now);
    let clock: Clock = Arc::new(move || Timestamp(now.load(Ordering::SeqCst) * 1_000_000_000));
    SessionTokens::new(key(), URL, clock).unwrap()
}

fn somebody(subject: &str, kind: Kind) -> Identity {
    Identity {
        principal: Principal {
            issuer: "https://idp.example".to_owned(),
            subject: subject.to_owned(),
        },
        provider: "corp".to_owned(),
        kind,
        name: format!("{subject}@example.com"),
        groups: vec!["dba".to_owned()],
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: Some(Timestamp(5)),
        methods: vec!["otp".to_owned()],
        assurance: None,
        token_id: Some(format!("login-{subject}")),
        expires: Timestamp(1_000_000_000_000),
    }
}

fn delegation() -> Delegation {
    Delegation {
        targets: Some(vec!["orders".to_owned()]),
        read_only: true,
        task: Some("report 7".to_owned()),
        lasts: Duration::from_secs(300),
    }
}

#[test]
fn a_session_token_says_who_it_was_until_it_ends() {
    let now = Arc::new(AtomicI64::new(100));
    let tokens = tokens(&now);
    let ana = somebody("ana", Kind::Human);
    let token = tokens.issue(&ana).unwrap();
    assert_eq!(tokens.verify(&token).unwrap().unwrap(), ana);
    now.store(999, Ordering::SeqCst);
    assert!(tokens.verify(&token).unwrap().is_ok());
    now.store(1000, Ordering::SeqCst);
    assert_eq!(
        tokens.verify(&token).unwrap().unwrap_err().code,
        Code::Expired
    );
}

#[test]
fn nothing_else_passes_for_a_session_token() {
    let now = Arc::new(AtomicI64::new(100));
    let ours = tokens(&now);
    let ana = somebody("ana", Kind::Human);
    let good = ours.issue(&ana).unwrap();
    // Of another gateway: not ours to judge.
    let other =
        SessionTokens::new(key(), "https://other.example", Arc::clone(&ours.clock)).unwrap();
    assert!(ours.verify(&other.issue(&ana).unwrap()).is_none());
    assert!(ours.verify("nonsense").is_none());
    // Another key under our name.
    let forger = SessionTokens::new(fresh_key(), URL, Arc::clone(&ours.clock)).unwrap();
    let forged = forger.issue(&ana).unwrap();
    assert_eq!(ours.verify(&forged).unwrap().unwrap_err().code, Code::Key);
    let (head, tail) = good.rsplit_once('.').unwrap();
    let cut = format!("{head}.{}", &tail[1..]);
    assert_eq!(
        ours.verify(&cut).unwrap().unwrap_err().code,
        Code::Signature
    );
    // Our key, another type: what we sign for other ends is no session token.
    let mut parts = head.split('.');
    let claims = parts.nth(1).unwrap();
    let header = URL_SAFE_NO_PAD
        .encode(json!({"alg": "EdDSA", "typ": "JWT", "kid": ours.key.id()}).to_string());
    let signed = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(ours.key.sign(signed.as_bytes()));
    let typed = ours.verify(&format!("{signed}.{signature}"));
    assert_eq!(typed.unwrap().unwrap_err().code, Code::Type);
}

fn fresh_key() -> SessionKey {
    let path = std::env::temp_dir().join(format!("pc-forger-{}.key", std::process::id()));
    let _ = std::fs::remove_file(&path);
    SessionKey::open(&path).unwrap()
}

#[test]
fn the_key_is_kept_and_is_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = std::env::temp_dir().join(format!("pc-kept-{}.key", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let first = SessionKey::open(&path).unwrap();
    assert_eq!(first.id(), SessionKey::open(&path).unwrap().id());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(SessionKey::open(&path), Err(KeyError::Open(_))));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, b"spoilt").unwrap();
    assert!(matches!(SessionKey::open(&path), Err(KeyError::Unusable)));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn an_agent_acts_for_a_person_and_the_chain_shows() {
    let now = Arc::new(AtomicI64::new(100));
    let tokens = tokens(&now);
    let (ana, bot) = (somebody("ana", Kind::Human), somebody("bot", Kind::Agent));
    let acting = delegate(&ana, &bot, delegation(), "x-1", Timestamp(100_000_000_000)).unwrap();
    assert_eq!(acting.principal, ana.principal);
    assert_eq!(acting.actors, std::slice::from_ref(&bot.principal));
    assert_eq!(
        (acting.kind, acting.owner.as_ref()),
        (Kind::Agent, Some(&ana.principal))
    );
    assert_eq!(acting.expires, Timestamp(400_000_000_000));
    let token = tokens.issue(&acting).unwrap();
    let back = tokens.verify(&token).unwrap().unwrap();
    assert_eq!(back, acting);
    let claims = token.split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        claims["act"],
        json!({"iss": "https://idp.example", "sub": "bot"})
    );
    let narrowing = Narrowing::of(&back).unwrap().unwrap();
    assert!(narrowing.read_only && narrowing.opens("orders").is_ok());
    assert_eq!(
        narrowing.opens("billing").unwrap_err().rule,
        "identity/narrowed"
    );
    // The agent hands on to another: the chain grows, the bounds stay.
    let sub = somebody("sub", Kind::Agent);
    let wide = Delegation {
        lasts: Duration::from_secs(9999),
        ..Delegation::default()
    };
    let deeper = delegate(&back, &sub, wide, "x-2", Timestamp(100_000_000_000)).unwrap();
    assert_eq!(
        deeper.actors,
        [sub.principal.clone(), bot.principal.clone()]
    );
    assert_eq!(deeper.expires, acting.expires);
    let bounds = Narrowing::of(&deeper).unwrap().unwrap();
    assert_eq!(bounds.targets.as_deref(), Some(&["orders".to_owned()][..]));
    assert!(bounds.read_only);
    assert_eq!(bounds.task.as_deref(), Some("report 7"));
}

#[test]
fn an_exchange_never_widens() {
    let at = Timestamp(100_000_000_000);
    let (ana, bot) = (somebody("ana", Kind::Human), somebody("bot", Kind::Agent));
    let acting = delegate(&ana, &bot, delegation(), "x-1", at).unwrap();
    let sub = somebody("sub", Kind::Agent);
    let rule = |subject: &Identity, actor: &Identity, asked: Delegation| {
        delegate(subject, actor, asked, "x", at)
            .map_err(|d| d.rule.to_string())
            .err()
    };
    let more = Delegation {
        targets: Some(vec!["orders".to_owned(), "billing".to_owned()]),
        ..delegation()
    };
    assert_eq!(rule(&acting, &sub, more).as_deref(), Some("identity/wider"));
    let exchange = Some("identity/exchange");
    let service = somebody("svc", Kind::Service);
    assert_eq!(rule(&service, &bot, delegation()).as_deref(), exchange);
    assert_eq!(
        rule(&ana, &somebody("bea", Kind::Human), delegation()).as_deref(),
        exchange
    );
    assert_eq!(rule(&ana, &acting, delegation()).as_deref(), exchange);
    assert_eq!(rule(&acting, &bot, delegation()).as_deref(), exchange);
    let mut picky = ana.clone();
    let wanted = json!({"sub": "other"});
    picky.claims.insert("may_act".to_owned(), wanted);
    assert_eq!(rule(&picky, &bot, delegation()).as_deref(), exchange);
    picky
        .claims
        .insert("may_act".to_owned(), json!({"sub": "bot"}));
    assert_eq!(rule(&picky, &bot, delegation()), None);
    let empty = Delegation {
        targets: Some(Vec::new()),
        ..delegation()
    };
    assert_eq!(rule(&ana, &bot, empty).as_deref(), exchange);
    let mut over = ana.clone();
    over.expires = at;
    assert_eq!(rule(&over, &bot, delegation()).as_deref(), exchange);
    // Bounds that cannot be read are no bounds to go by.
    let mut spoilt = acting.clone();
    spoilt
        .claims
        .insert(MINE.to_owned(), json!({"targets": "all"}));
    assert_eq!(
        rule(&spoilt, &sub, delegation()).as_deref(),
        Some("identity/narrowing")
    );
}

#[test]
fn the_groups_of_actors_only_shrink() {
    let at = Timestamp(100_000_000_000);
    let without_id = |subject, kind, groups: &[&str]| Identity {
        token_id: None,
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..somebody(subject, kind)
    };
    let ana = without_id("ana", Kind::Human, &["dba"]);
    let bot = without_id("bot", Kind::Agent, &["readers"]);
    let sub = without_id("sub", Kind::Agent, &["readers", "admins"]);
    let acting = delegate(&ana, &bot, delegation(), "x-1", at).unwrap();
    // No token of the chain has an id, as workloads' often have none.
    let deeper = delegate(&acting, &sub, delegation(), "x-2", at).unwrap();
    let bounds = Narrowing::of(&deeper).unwrap().unwrap();
    assert_eq!(bounds.actor_groups, ["readers"]);
}

#[test]
fn revoking_either_token_revokes_what_came_of_them() {
    let at = Timestamp(100_000_000_000);
    let (ana, bot) = (somebody("ana", Kind::Human), somebody("bot", Kind::Agent));
    let acting = delegate(&ana, &bot, delegation(), "x-1", at).unwrap();
    for id in ["login-ana", "login-bot", "x-1"] {
        let list = Revocations::new();
        assert!(list.covers(&acting, None, at).is_none());
        let what = Revocation::Token {
            issuer: "https://idp.example".to_owned(),
            id: id.to_owned(),
        };
        list.revoke(what, Timestamp(i64::MAX), at).unwrap();
        assert!(list.covers(&acting, None, at).is_some(), "{id}");
    }
}
