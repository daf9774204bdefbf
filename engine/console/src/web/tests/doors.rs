//! The way in and out, and what another site sends.

use super::fakes::SESSION;
use super::*;
use crate::archive::Trial;
use futures_util::FutureExt as _;
use std::sync::atomic::Ordering;
use std::task::Poll;
use tokio::sync::mpsc;

#[tokio::test]
async fn a_login_ends_in_a_strict_cookie_for_this_host() {
    let house = House::new();
    *house.paper.user.lock() = "ana".to_owned();
    let begun = house.get("/console/login/begin?provider=corp", "").await;
    let line = begun.head("set-cookie").to_owned();
    for part in [
        "__Host-portcullis-login=",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Path=/",
    ] {
        assert!(line.contains(part), "{line}");
    }
    assert!(
        begun
            .head("location")
            .starts_with("https://idp.example/auth?state=")
    );
    let wish = house.paper.wished.lock().clone().expect("asked");
    assert!(wish.console && !wish.fresh && wish.provider.as_deref() == Some("corp"));
    let cookie = house.log_in("ana").await;
    let home = house.get("/console", &cookie).await;
    assert_eq!(home.status, StatusCode::OK);
    assert!(home.text.contains("ana@example.com"));
    assert_eq!(house.said("console-login").len(), 1);
}

#[tokio::test]
async fn a_return_that_this_browser_did_not_begin_is_refused() {
    let house = House::new();
    *house.paper.user.lock() = "ana".to_owned();
    let begun = house.get("/console/login/begin", "").await;
    let state = begun
        .head("location")
        .split_once("state=")
        .unwrap()
        .1
        .to_owned();
    let cookie = begun.cookie(guard::LOGIN).unwrap();
    let other = house
        .get("/console/login/begin", "")
        .await
        .cookie(guard::LOGIN)
        .unwrap();
    for (cookie, state, code) in [
        ("", state.as_str(), "code=c-ana"),
        (&other, &state, "code=c-ana"),
        (&cookie, "guess", "code=c-ana"),
        // The one before has used it up.
        (&cookie, &state, "code=c-ana"),
    ] {
        let request = Request::get(format!("/console/login/done?{code}&state={state}"))
            .header("cookie", format!("{}={cookie}", guard::LOGIN));
        let seen = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{cookie} {state}");
        assert!(seen.cookie(guard::VISIT).is_none());
    }
}

#[tokio::test]
async fn a_provider_that_says_no_lets_nobody_in() {
    let house = House::new();
    for (query, user) in [
        ("error=access_denied", "ana"),
        ("code=c-bea", "ana"),
        ("code=c-ana&error=x", "ana"),
    ] {
        *house.paper.user.lock() = user.to_owned();
        let begun = house.get("/console/login/begin", "").await;
        let state = begun
            .head("location")
            .split_once("state=")
            .unwrap()
            .1
            .to_owned();
        let cookie = begun.cookie(guard::LOGIN).unwrap();
        let request = Request::get(format!("/console/login/done?{query}&state={state}"))
            .header("cookie", format!("{}={cookie}", guard::LOGIN));
        let seen = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{query}");
        assert!(seen.cookie(guard::VISIT).is_none());
    }
}

#[tokio::test]
async fn a_visit_ends_with_the_login_a_revocation_and_time() {
    let house = House::new();
    let over = |status| status == StatusCode::UNAUTHORIZED;
    let cookie = house.log_in("ana").await;
    house.paper.revoked.lock().insert("ana".to_owned());
    assert!(over(house.get("/console", &cookie).await.status), "revoked");
    house.paper.revoked.lock().clear();
    assert!(
        over(house.get("/console", &cookie).await.status),
        "for good"
    );

    let cookie = house.log_in("ana").await;
    let csrf = house.get("/console", &cookie).await.csrf();
    let left = house
        .post("/console/logout", &cookie, &format!("csrf={csrf}"))
        .await;
    assert_eq!(left.status, StatusCode::OK);
    assert_eq!(left.cookie(guard::VISIT).as_deref(), Some(""));
    assert!(
        over(house.get("/console", &cookie).await.status),
        "logged out"
    );
    assert_eq!(
        house.said("left")[0].who,
        "r-ana",
        "the whole login is over"
    );

    let cookie = house.log_in("ana").await;
    house.later(601);
    assert!(over(house.get("/console", &cookie).await.status), "idle");
}

#[tokio::test]
async fn a_token_is_renewed_and_whoever_is_locked_out_meanwhile_is_out() {
    let house = House::new();
    *house.paper.lasts.lock() = 120;
    let cookie = house.log_in("ana").await;
    house.later(100);
    assert_eq!(house.get("/console", &cookie).await.status, StatusCode::OK);
    house.later(100);
    assert_eq!(
        house.get("/console", &cookie).await.status,
        StatusCode::OK,
        "renewed"
    );
    // The provider knows ana no longer.
    *house.paper.user.lock() = "bea".to_owned();
    house.later(100);
    assert_eq!(
        house.get("/console", &cookie).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_request_that_is_given_up_does_not_end_the_login_it_renews() {
    let house = House::new();
    *house.paper.lasts.lock() = 120;
    let cookie = house.log_in("ana").await;
    house.later(100);
    let given_up = house.get("/console", &cookie).now_or_never();
    assert!(given_up.is_none(), "it waits for the token");
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    // What it was exchanged for is good once, and was kept.
    *house.paper.user.lock() = "bea".to_owned();
    assert_eq!(house.get("/console", &cookie).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_form_from_elsewhere_or_without_its_token_does_nothing() {
    let house = House::new();
    let cookie = house.log_in("operator").await;
    let other = house.log_in("approver").await;
    let csrf = house.get("/console", &cookie).await.csrf();
    let theirs = house.get("/console", &other).await.csrf();
    let address = format!("/console/live/{SESSION}/kill");
    let good = format!("csrf={csrf}&reason=enough");
    for form in [
        "reason=enough".to_owned(),
        "csrf=&reason=enough".to_owned(),
        format!("csrf={theirs}&reason=enough"),
        format!("csrf={csrf}&csrf={csrf}&reason=enough"),
        format!("csrf={csrf}&reason=a&reason=b"),
        format!("csrf={csrf}"),
        format!("csrf={csrf}&reason="),
        format!("csrf={csrf}&reason=enough&more=1"),
        format!("csrf={csrf}&reason={}", "x".repeat(20_000)),
    ] {
        let seen = house.post(&address, &cookie, &form).await;
        assert!(seen.status.is_client_error(), "{form}: {}", seen.status);
    }
    for heads in [
        vec![],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "none")],
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://evil.example"),
        ],
        vec![("sec-fetch-site", "cross-site"), ("origin", ORIGIN)],
    ] {
        let mut request =
            Request::post(&address).header("cookie", format!("{}={cookie}", guard::VISIT));
        for (name, value) in &heads {
            request = request.header(*name, *value);
        }
        let seen = house
            .send(request.body(Body::from(good.clone())).unwrap())
            .await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{heads:?}");
    }
    assert!(house.paper.killed.lock().is_empty());
    // An old browser that says only where it comes from.
    let request = Request::post(&address)
        .header("cookie", format!("{}={cookie}", guard::VISIT))
        .header("origin", ORIGIN);
    let seen = house.send(request.body(Body::from(good)).unwrap()).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    assert_eq!(house.paper.killed.lock().len(), 1);
}

#[tokio::test]
async fn a_call_by_cookie_needs_its_token_too() {
    let house = House::new();
    let cookie = house.log_in("operator").await;
    let me = house.get("/api/v1/me", &cookie).await;
    let me: serde_json::Value = serde_json::from_str(&me.text).expect("JSON");
    let csrf = me["csrf"].as_str().expect("a token").to_owned();
    let send = |csrf: Option<String>, site: &'static str, kind: &'static str| {
        let mut request = Request::post(format!("/api/v1/live/{SESSION}/kill"))
            .header("cookie", format!("{}={cookie}", guard::VISIT))
            .header("sec-fetch-site", site)
            .header("content-type", kind);
        if let Some(csrf) = csrf {
            request = request.header("x-csrf-token", csrf);
        }
        let body = Body::from(r#"{"reason":"enough"}"#);
        house.send(request.body(body).unwrap())
    };
    let json = "application/json";
    assert_eq!(
        send(None, "same-origin", json).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        send(Some("guess".to_owned()), "same-origin", json)
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        send(Some(csrf.clone()), "cross-site", json).await.status,
        StatusCode::FORBIDDEN
    );
    let plain = send(Some(csrf.clone()), "same-origin", "text/plain").await;
    assert_eq!(plain.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(house.paper.killed.lock().is_empty());
    assert_eq!(
        send(Some(csrf), "same-origin", json).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_vote_needs_a_fresh_login_and_sends_there() {
    let house = House::new();
    let cookie = house.log_in("approver").await;
    let csrf = house.get("/console", &cookie).await.csrf();
    house.later(301);
    let page = house.get("/console/approvals/ap-1", &cookie).await;
    assert!(page.text.contains("Prove who you are again") && !page.text.contains("<textarea"));
    let form = format!("csrf={csrf}&choice=approve&reason=fine");
    let voted = house
        .post("/console/approvals/ap-1/vote", &cookie, &form)
        .await;
    assert_eq!(voted.status, StatusCode::SEE_OTHER);
    let to = voted.head("location").to_owned();
    assert!(
        to.starts_with("/console/login/begin?") && to.contains("fresh=true"),
        "{to}"
    );
    assert!(
        to.contains("next=%2Fconsole%2Fapprovals%2Fap-1") && to.contains("provider=corp"),
        "{to}"
    );
    *house.paper.wished.lock() = None;
    house.get(&to, &cookie).await;
    assert!(
        house.paper.wished.lock().clone().unwrap().fresh,
        "the provider asks again"
    );
    // Nor does a program go on with an old proof.
    let cast = r#"{"choice":"deny","reason":"no"}"#;
    let voted = house
        .call(
            Method::POST,
            "/api/v1/approvals/ap-1/votes",
            "t-approver",
            cast,
        )
        .await;
    assert_eq!(voted.status, StatusCode::FORBIDDEN);
    assert!(voted.text.contains("fresh"), "{}", voted.text);
    assert!(house.paper.votes.lock().is_empty());
}

#[tokio::test]
async fn a_login_whose_time_nobody_says_is_no_proof_for_a_vote_unless_the_operator_takes_any() {
    // That the provider was told to ask does not show that it did.
    for (taken, way) in [
        (false, "fresh=false"),
        (false, "fresh=true"),
        (true, "fresh=false"),
    ] {
        let house = House::taking(taken);
        house.paper.silent.store(true, Ordering::SeqCst);
        let cookie = house.log_in_by("approver", way, "").await;
        let page = house.get("/console/approvals/ap-1", &cookie).await;
        assert_eq!(page.text.contains("<textarea"), taken, "{way}");
        let form = format!("csrf={}&choice=approve&reason=fine", page.csrf());
        let voted = house
            .post("/console/approvals/ap-1/vote", &cookie, &form)
            .await;
        let again = voted.head("location").contains("fresh=true");
        assert_eq!(again, !taken, "{way}: {}", voted.status);
        let address = "/api/v1/approvals/ap-1/votes";
        let cast = r#"{"choice":"deny","reason":"no"}"#;
        let voted = house.call(Method::POST, address, "t-approver", cast).await;
        let (status, votes) = match taken {
            true => (StatusCode::OK, 2),
            false => (StatusCode::FORBIDDEN, 0),
        };
        assert_eq!(voted.status, status, "{way}: {}", voted.text);
        assert_eq!(voted.text.contains("fresh_login: token"), !taken);
        assert_eq!(house.paper.votes.lock().len(), votes, "{way}");
    }
}

#[tokio::test]
async fn a_new_login_ends_the_one_before_in_this_browser() {
    let house = House::new();
    let first = house.log_in("ana").await;
    let elsewhere = house.log_in("ana").await;
    let second = house.log_in_by("ana", "fresh=true", &first).await;
    let seen = |cookie: String| {
        let house = &house;
        async move { house.get("/console", &cookie).await.status }
    };
    assert_eq!(seen(first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(seen(second).await, StatusCode::OK);
    assert_eq!(seen(elsewhere).await, StatusCode::OK, "another browser");
    assert_eq!(house.said("left").len(), 1, "with what came of it");
}

#[tokio::test]
async fn what_goes_on_ends_with_the_right_to_see_it() {
    let house = House::new();
    let roles = |name: &str| role::Role::named(name).into_iter().collect();
    let by = |name: &str, role: &str| guard::Visitor {
        identity: Arc::new(person(name)),
        roles: roles(role),
        via: guard::Via::Bearer(zeroize::Zeroizing::new(format!("t-{name}"))),
    };
    // The paper gives roles by name: `bea` had the role, and has it no longer.
    let watched = house.console.watch(&by("bea", "operator"), SESSION).await;
    let auditor = by("bea", "auditor");
    let played = house.console.film(&auditor, SESSION, None).await;
    let (watched, played) = (watched.expect("a place").1, played.expect("a place").1);
    let no_longer = acts::Outlook::Over("you may no longer see this");
    assert_eq!(watched.outlook(), no_longer);
    assert_eq!(played.outlook(), no_longer);
    // What is one's own is seen without any.
    let ana = by("ana", "auditor");
    let own = house.console.film(&ana, SESSION, None).await;
    let own = own.expect("a place").1;
    assert_eq!(own.outlook(), acts::Outlook::Goes);
    house.paper.mute.store(true, Ordering::SeqCst);
    assert_eq!(own.outlook(), acts::Outlook::Rests);
    house.paper.mute.store(false, Ordering::SeqCst);
    assert_eq!(own.outlook(), acts::Outlook::Goes);
    house.paper.revoked.lock().insert("ana".to_owned());
    let out = acts::Outlook::Over("you are no longer logged in");
    assert_eq!(own.outlook(), out);
    // Nothing comes, and nothing ends by itself.
    let (_shots, film) = mpsc::channel(1);
    let (_steps, feed) = mpsc::channel(1);
    for body in [
        pages::lines(film, played).into_body(),
        pages::events(feed, watched).into_response().into_body(),
    ] {
        let text = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains("you may no longer see this"), "{text}");
    }
}

#[tokio::test]
async fn a_visit_outlives_a_policy_that_cannot_answer_and_nothing_is_shown_meanwhile() {
    let house = House::new();
    let cookie = house.log_in("auditor").await;
    house.paper.mute.store(true, Ordering::SeqCst);
    let seen = house.get("/console/sessions", &cookie).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!seen.text.contains("ana"), "{}", seen.text);
    house.paper.mute.store(false, Ordering::SeqCst);
    let seen = house.get("/console/sessions", &cookie).await;
    assert_eq!(seen.status, StatusCode::OK);
}

#[tokio::test]
async fn a_visit_outlives_a_provider_that_cannot_be_asked_and_ends_with_its_no() {
    let house = House::new();
    *house.paper.lasts.lock() = 60;
    let cookie = house.log_in("auditor").await;
    house.later(50);
    house.paper.away.store(true, Ordering::SeqCst);
    let seen = house.get("/console", &cookie).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    house.paper.away.store(false, Ordering::SeqCst);
    let seen = house.get("/console", &cookie).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    house.later(50);
    *house.paper.user.lock() = "somebody else".to_owned();
    for _ in 0..2 {
        let seen = house.get("/console", &cookie).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_login_that_nobody_can_verify_when_it_is_renewed_goes_on_afterwards() {
    let house = House::new();
    *house.paper.lasts.lock() = 60;
    let cookie = house.log_in("auditor").await;
    house.later(50);
    house.paper.dumb.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        // What was sent for a new token is spent; what came for it is not lost.
        let seen = house.get("/console", &cookie).await;
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    house.paper.dumb.store(false, Ordering::SeqCst);
    let seen = house.get("/console", &cookie).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
}

#[tokio::test]
async fn whoever_cannot_be_let_in_now_is_not_turned_away_and_keeps_the_way() {
    let house = House::new();
    *house.paper.user.lock() = "auditor".to_owned();
    let begin = "/console/login/begin?provider=corp&next=/console/sessions&fresh=true";
    let begun = house.get(begin, "").await;
    let pending = begun.cookie(guard::LOGIN).expect("a cookie for the login");
    let (_, state) = begun
        .head("location")
        .split_once("state=")
        .expect("a state");
    house.paper.away.store(true, Ordering::SeqCst);
    let done = Request::get(format!("/console/login/done?code=c-auditor&state={state}"))
        .header("cookie", format!("{}={pending}", guard::LOGIN));
    let seen = house.send(done.body(Body::empty()).unwrap()).await;
    assert_eq!(
        seen.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        seen.text
    );
    assert!(seen.text.contains("ask again later"), "{}", seen.text);
    assert!(
        seen.text.contains("next=%2Fconsole%2Fsessions"),
        "{}",
        seen.text
    );
    assert!(seen.cookie(guard::VISIT).is_none());
}

#[tokio::test]
async fn what_rests_goes_on_once_policy_can_answer() {
    let house = House::new();
    let by = guard::Visitor {
        identity: Arc::new(person("auditor")),
        roles: role::Role::named("auditor").into_iter().collect(),
        via: guard::Via::Bearer(zeroize::Zeroizing::new("t-auditor".to_owned())),
    };
    let sight = house.console.film(&by, SESSION, None).await;
    let sight = sight.expect("a place").1;
    house.paper.mute.store(true, Ordering::SeqCst);
    let (shots, film) = mpsc::channel(1);
    let shot = crate::archive::Shot::Marker(1, "seen".to_owned());
    shots.send(shot).await.expect("room");
    drop(shots);
    let mut body = std::pin::pin!(pages::lines(film, sight).into_body().collect());
    // All of it is there already: it would come at once.
    let early = std::future::poll_fn(|waker| Poll::Ready(body.as_mut().poll(waker).is_ready()));
    assert!(!early.await, "nothing comes while nobody can say");
    house.paper.mute.store(false, Ordering::SeqCst);
    let text = body.await.expect("a body").to_bytes();
    assert!(String::from_utf8_lossy(&text).contains("seen"));
}

#[tokio::test]
async fn a_film_begins_before_its_session_was_read() {
    let house = House::new();
    let cookie = house.log_in("auditor").await;
    for address in ["play?stream=2", "film?stream=2"] {
        let address = format!("/console/sessions/{SESSION}/{address}");
        let seen = house.get(&address, &cookie).await;
        assert_eq!(seen.status, StatusCode::OK, "{address} {}", seen.text);
    }
    assert_eq!(house.paper.read.load(Ordering::SeqCst), 0);
    let address = format!("/console/sessions/{SESSION}");
    assert_eq!(house.get(&address, &cookie).await.status, StatusCode::OK);
    assert_eq!(house.paper.read.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_before_is_for_whoever_may_read_it() {
    let house = House::new();
    for (token, past) in [("t-operator", false), ("t-auditor", true), ("t-ana", true)] {
        let address = format!("/api/v1/live/{SESSION}/feed");
        house.call(Method::GET, &address, token, "").await;
        assert_eq!(house.paper.past.lock().take(), Some(past), "{token}");
    }
}

#[tokio::test]
async fn examples_of_a_trial_are_for_the_auditor_and_on_record() {
    let house = House::new();
    let address = "/api/v1/policies/trial";
    let seen = house.call(Method::GET, address, "t-operator", "").await;
    let trial: Trial = serde_json::from_str(&seen.text).expect("a trial");
    assert_eq!(trial.rules.len(), 1, "how often is seen");
    let row = &trial.rules[0];
    assert!(row.example.is_none() && row.session.is_none());
    assert!(house.said("trial-viewed").is_empty());
    let seen = house.call(Method::GET, address, "t-auditor", "").await;
    let trial: Trial = serde_json::from_str(&seen.text).expect("a trial");
    assert!(trial.rules[0].example.is_some());
    assert_eq!(house.said("trial-viewed").len(), 1);
}

#[tokio::test]
async fn every_answer_keeps_the_page_to_itself() {
    let house = House::new();
    let cookie = house.log_in("auditor").await;
    for address in [
        "/console",
        "/console/nothing",
        "/console/login",
        "/console/assets/console.css",
        "/api/v1/me",
        "/api/nothing",
    ] {
        let seen = house.get(address, &cookie).await;
        let policy = seen.head("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{address}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(seen.head("x-content-type-options"), "nosniff", "{address}");
        assert_eq!(seen.head("referrer-policy"), "no-referrer");
        assert_eq!(seen.head("cross-origin-opener-policy"), "same-origin");
        assert_eq!(seen.head("cross-origin-resource-policy"), "same-origin");
        let kept = seen.head("cache-control");
        assert_eq!(
            kept == "no-store",
            !address.contains("assets"),
            "{address}: {kept}"
        );
        assert!(seen.head("access-control-allow-origin").is_empty());
    }
}

#[tokio::test]
async fn a_link_from_another_site_arrives_logged_in_and_does_not_loop() {
    let house = House::new();
    let request = Request::get("/console/approvals/ap-1").header("sec-fetch-site", "cross-site");
    let seen = house.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(
        seen.text
            .contains("content=\"0;url=/console/approvals/ap-1\""),
        "{}",
        seen.text
    );
    let request = Request::get("/console/approvals/ap-1").header("sec-fetch-site", "same-origin");
    let seen = house.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn whoever_watches_is_cut_off_with_the_login() {
    let house = House::new();
    let cookie = house.log_in("operator").await;
    let seen = house
        .get(&format!("/console/live/{SESSION}/feed"), &cookie)
        .await;
    assert_eq!(seen.head("content-type"), "text/event-stream");
    assert!(
        seen.text.contains("event: step") && seen.text.contains("event: skipped"),
        "{}",
        seen.text
    );
    assert!(seen.text.contains("event: over"), "{}", seen.text);
    let numbers = seen.text.lines().filter_map(|l| l.strip_prefix("id: "));
    assert!(numbers.eq(["1", "2", "3"]), "{}", seen.text);
    assert!(house.console.watching.are_free(), "the place is free again");
}

#[tokio::test]
async fn so_many_watch_and_no_more() {
    let house = House::new();
    let by = guard::Visitor {
        identity: Arc::new(person("operator")),
        roles: role::Roles::NONE.and(role::Role::Operator),
        via: guard::Via::Bearer(zeroize::Zeroizing::new("t-operator".to_owned())),
    };
    let mut places = Vec::new();
    for _ in 0..limits::WATCHES_PER_IDENTITY_MAX {
        places.push(house.console.watch(&by, SESSION).await.expect("a place"));
    }
    assert_eq!(
        house
            .console
            .watch(&by, SESSION)
            .await
            .err()
            .map(|r| r.status),
        Some(429)
    );
    places.pop();
    assert!(house.console.watch(&by, SESSION).await.is_ok());
}
