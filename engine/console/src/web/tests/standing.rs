//! What stands longer than one run: who may ask for it, end it, extend it, review it and stand in, and with which proof.

use super::*;
use serde_json::json;
use std::sync::atomic::Ordering;

/// What somebody asks of a form of ours.
async fn send(house: &House, name: &str, address: &str, fields: &str) -> Seen {
    let cookie = house.log_in(name).await;
    let csrf = house.get("/console", &cookie).await.csrf();
    let form = format!("csrf={csrf}&{fields}");
    house.post(address, &cookie, &form).await
}

fn acts(house: &House) -> Vec<String> {
    let acted = std::mem::take(&mut *house.paper.acted.lock());
    let words = acted.iter();
    words
        .map(|(what, of, token)| format!("{what} {of} with {token}"))
        .collect()
}

#[tokio::test]
async fn a_vote_says_for_how_long_where_the_rule_lets_it() {
    let house = House::new();
    let cookie = house.log_in("approver").await;
    let page = house.get("/console/approvals/ap-1", &cookie).await;
    for option in [
        "this run only",
        "5 m 00 s of its class",
        "20 m 00 s of its class",
    ] {
        assert!(page.text.contains(option), "{option}: {}", page.text);
    }
    assert!(
        !page.text.contains("1 h 00 m of its class"),
        "no longer than the rule"
    );
    let vote = "/console/approvals/ap-1/vote";
    for (reuse, said) in [("&reuse=900", Some(900)), ("&reuse=", None), ("", None)] {
        let fields = format!("choice=approve&reason=fine{reuse}");
        let voted = send(&house, "approver", vote, &fields).await;
        assert_eq!(voted.status, StatusCode::SEE_OTHER, "{}", voted.text);
        assert_eq!(*house.paper.reuse.lock(), said);
    }
    let wrong = send(
        &house,
        "approver",
        vote,
        "choice=approve&reason=fine&reuse=ever",
    )
    .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let cast = r#"{"choice":"approve","reason":"fine","reuse_seconds":60}"#;
    let address = "/api/v1/approvals/ap-1/votes";
    let voted = house
        .call(Method::POST, address, "t-fresh-approver", cast)
        .await;
    assert_eq!(voted.status, StatusCode::OK, "{}", voted.text);
    assert_eq!(*house.paper.reuse.lock(), Some(60));
}

#[tokio::test]
async fn access_is_asked_for_with_the_askers_own_token() {
    let house = House::new();
    let form = "target=orders&lasts=1h30m&reason=OPS-12&ticket=";
    let asked = send(&house, "requester", "/console/access", form).await;
    assert_eq!(asked.head("location"), "/console/approvals/ap-1");
    assert_eq!(
        acts(&house),
        ["ask orders Some(5400) None with t-requester"]
    );
    let open = send(&house, "ana", "/console/access", "target=open&reason=x").await;
    assert!(open.text.contains("without a request"), "{}", open.text);
    // Granted or pending, and not there any more: nothing is open.
    let form = "target=moved+on&reason=x";
    let gone = send(&house, "ana", "/console/access", form).await;
    assert_eq!(gone.head("location"), "/console/approvals", "{}", gone.text);
    let glass = "target=orders&reason=x&break_glass=true";
    let broken = send(&house, "ana", "/console/access", glass).await;
    assert_eq!(broken.head("location"), "/console/grants/gr-1");
    let body = r#"{"target":"orders","reason":"OPS-12","ticket":"OPS-12"}"#;
    let asked = house
        .call(Method::POST, "/api/v1/access", "t-ana", body)
        .await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.text);
    let asked: crate::Asked = serde_json::from_str(&asked.text).expect("the admin API's shape");
    assert_eq!(
        asked.request.map(|request| request.id).as_deref(),
        Some("ap-1")
    );
}

#[tokio::test]
async fn what_was_typed_is_there_still_when_it_is_refused() {
    let house = House::new();
    for (form, status, says) in [
        (
            "target=none&lasts=2h&reason=because+of+it",
            403,
            "no binding opens it",
        ),
        (
            "target=none&lasts=two&reason=because+of+it",
            400,
            "the time cannot be read",
        ),
        ("target=none&lasts=2h&reason=+", 400, "a reason is missing"),
    ] {
        let seen = send(&house, "requester", "/console/access", form).await;
        assert_eq!(seen.status, status, "{form}");
        assert!(
            seen.text.contains(says) && seen.text.contains("value=\"none\""),
            "{form}: {}",
            seen.text
        );
    }
}

#[tokio::test]
async fn a_grant_is_ended_by_its_holder_and_by_those_whose_it_is_to_end() {
    let house = House::new();
    for (name, status) in [
        ("ana", 303),
        ("requester", 404),
        ("approver", 303),
        ("auditor", 403),
        ("operator", 303),
    ] {
        let ended = send(&house, name, "/console/grants/gr-1/end", "reason=over").await;
        assert_eq!(ended.status, status, "{name}: {}", ended.text);
        let cookie = house.log_in(name).await;
        let page = house.get("/console/grants/gr-1", &cookie).await;
        assert_eq!(page.text.contains("End it now"), status == 303, "{name}");
        assert_eq!(
            page.text.contains("Ask for more time"),
            name == "ana",
            "{name}"
        );
        let call = house
            .call(
                Method::POST,
                "/api/v1/grants/gr-1/end",
                &format!("t-{name}"),
                r#"{"reason":"over"}"#,
            )
            .await;
        let expected = if status == 303 { 200 } else { status };
        assert_eq!(call.status, expected, "{name}: {}", call.text);
    }
    let ended: Vec<String> = ["ana", "approver", "operator"]
        .iter()
        .flat_map(|name| vec![format!("end gr-1 with {name}"); 2])
        .collect();
    assert_eq!(acts(&house), ended);
}

#[tokio::test]
async fn more_time_is_asked_for_by_the_holder_alone() {
    let house = House::new();
    for (name, status) in [
        ("ana", 303),
        ("requester", 404),
        ("approver", 403),
        ("operator", 403),
    ] {
        let form = "lasts=2h&reason=not+done";
        let asked = send(&house, name, "/console/grants/gr-1/extend", form).await;
        assert_eq!(asked.status, status, "{name}: {}", asked.text);
    }
    let body = r#"{"seconds":60.0,"reason":"not done"}"#;
    let call = |token| house.call(Method::POST, "/api/v1/grants/gr-1/extensions", token, body);
    assert_eq!(call("t-ana").await.status, StatusCode::OK);
    assert_eq!(call("t-approver").await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        acts(&house),
        ["extend gr-1 7200 with t-ana", "extend gr-1 60 with t-ana"]
    );
}

#[tokio::test]
async fn a_review_is_closed_and_a_delegation_given_and_taken_back() {
    let house = House::new();
    let found = "finding=concern&text=nobody+knew";
    let closed = send(&house, "approver", "/console/reviews/rv-1", found).await;
    assert_eq!(
        closed.head("location"),
        "/console/reviews/rv-1",
        "{}",
        closed.text
    );
    let none = send(
        &house,
        "approver",
        "/console/reviews/rv-1",
        "finding=fine&text=x",
    )
    .await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST);
    let away = "subject=bea&issuer=&lasts=14d&reason=away";
    let given = send(&house, "requester", "/console/delegations", away).await;
    assert_eq!(
        given.head("location"),
        "/console/delegations",
        "{}",
        given.text
    );
    let back = send(&house, "ana", "/console/delegations/dg-1/end", "").await;
    assert_eq!(
        back.head("location"),
        "/console/delegations",
        "{}",
        back.text
    );
    let theirs = send(&house, "requester", "/console/delegations/dg-1/end", "").await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
    let call = |address: &'static str, body: &'static str| {
        house.call(Method::POST, address, "t-fresh-approver", body)
    };
    for (address, body) in [
        (
            "/api/v1/reviews/rv-1/finding",
            r#"{"finding":"justified","text":"it was down"}"#,
        ),
        (
            "/api/v1/delegations",
            r#"{"subject":"bea","seconds":60,"reason":"away"}"#,
        ),
        ("/api/v1/delegations/dg-1/end", "{}"),
    ] {
        let seen = call(address, body).await;
        assert_eq!(seen.status, StatusCode::OK, "{address}: {}", seen.text);
    }
    assert_eq!(
        acts(&house),
        [
            "review rv-1 Concern with t-approver",
            "delegate bea None 1209600 with t-requester",
            "take back dg-1 with t-ana",
            "review rv-1 Justified with t-fresh-approver",
            "delegate bea None 60 with t-fresh-approver",
            "take back dg-1 with t-fresh-approver",
        ]
    );
}

#[tokio::test]
async fn what_takes_a_fresh_login_sends_there_and_programs_are_told() {
    let house = House::new();
    let cookie = house.log_in("approver").await;
    let csrf = house.get("/console", &cookie).await.csrf();
    house.later(301);
    for (page, address, fields) in [
        (
            "/console/reviews/rv-1",
            "/console/reviews/rv-1",
            "finding=concern&text=x",
        ),
        (
            "/console/delegations",
            "/console/delegations",
            "subject=bea&lasts=1d&reason=x",
        ),
    ] {
        let page = house.get(page, &cookie).await;
        assert!(page.text.contains("Prove who you are again"), "{address}");
        let form = format!("csrf={csrf}&{fields}");
        let sent = house.post(address, &cookie, &form).await;
        let to = sent.head("location");
        assert!(
            to.contains("/console/login/begin?") && to.contains("fresh=true"),
            "{to}"
        );
        let next = format!("next={}", address.replace('/', "%2F"));
        assert!(to.contains(&next), "back to where it was: {to}");
    }
    for (address, body) in [
        (
            "/api/v1/access",
            r#"{"target":"orders","reason":"x","break_glass":true}"#,
        ),
        (
            "/api/v1/reviews/rv-1/finding",
            r#"{"finding":"justified","text":"x"}"#,
        ),
        (
            "/api/v1/delegations",
            r#"{"subject":"bea","seconds":60,"reason":"x"}"#,
        ),
        ("/api/v1/accounts", r#"{"code":"x","confirm":true}"#),
    ] {
        let seen = house.call(Method::POST, address, "t-approver", body).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{address}");
        assert!(seen.text.contains("console/fresh-login"), "{}", seen.text);
    }
    assert!(acts(&house).is_empty());
}

#[tokio::test]
async fn what_is_longer_than_the_document_of_the_api_says_is_refused() {
    let house = House::new();
    let long = |length: usize| "ä".repeat(length);
    for (address, body, status) in [
        (
            "access",
            json!({"target": "orders", "reason": long(1000)}),
            200,
        ),
        (
            "access",
            json!({"target": "orders", "reason": long(1001)}),
            400,
        ),
        ("access", json!({"target": long(201), "reason": "x"}), 400),
        (
            "access",
            json!({"target": "orders", "reason": "x", "ticket": long(201)}),
            400,
        ),
        (
            "delegations",
            json!({"subject": long(400), "issuer": long(400), "seconds": 60, "reason": "x"}),
            200,
        ),
        (
            "delegations",
            json!({"subject": long(401), "seconds": 60, "reason": "x"}),
            400,
        ),
        (
            "delegations",
            json!({"subject": "bea", "issuer": long(401), "seconds": 60, "reason": "x"}),
            400,
        ),
    ] {
        let address = format!("/api/v1/{address}");
        let seen = house
            .call(Method::POST, &address, "t-fresh-ana", &body.to_string())
            .await;
        assert_eq!(seen.status, status, "{address} {}", seen.text);
    }
    for (after, status) in [("9007199254740991", 200), ("9007199254740992", 400)] {
        let address = format!("/api/v1/sessions/{}/steps?after={after}", fakes::SESSION);
        let seen = house.call(Method::GET, &address, "t-ana", "").await;
        assert_eq!(seen.status, status, "{after} {}", seen.text);
    }
}

#[tokio::test]
async fn whoever_guesses_what_is_somebody_elses_is_on_record() {
    let house = House::new();
    let cookie = house.log_in("requester").await;
    let csrf = house.get("/console", &cookie).await.csrf();
    for address in [
        "/console/grants/gr-1",
        "/console/reviews/rv-1",
        "/console/approvals/ap-1",
    ] {
        let seen = house.get(address, &cookie).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{address}");
    }
    for (address, fields, status) in [
        ("/console/grants/gr-1/end", "&reason=x", 404),
        ("/console/grants/gr-1/extend", "&lasts=1h&reason=x", 404),
        ("/console/reviews/rv-1", "&finding=concern&text=x", 404),
        ("/console/delegations/dg-1/end", "", 404),
        (
            "/console/approvals/ap-1/vote",
            "&choice=approve&reason=x",
            403,
        ),
    ] {
        let form = format!("csrf={csrf}{fields}");
        let seen = house.post(address, &cookie, &form).await;
        assert_eq!(seen.status, status, "{address}");
    }
    let said = house.said("desk_refused");
    assert!(said.iter().all(|said| said.who == "requester"));
    let word =
        |said: &fakes::Said, key: &str| said.detail[key].as_str().unwrap_or_default().to_owned();
    let said: Vec<_> = said
        .iter()
        .map(|said| format!("{} {}", word(said, "what"), word(said, "id")))
        .collect();
    assert_eq!(
        said,
        [
            "look at a grant gr-1",
            "look at a review rv-1",
            "look at a request ap-1",
            "end a grant gr-1",
            "extend gr-1",
            "review rv-1",
            "end a delegation dg-1",
        ]
    );
    let votes = house.said("vote_refused");
    assert_eq!(votes.len(), 1);
    assert_eq!(
        (votes[0].who.as_str(), &votes[0].detail["id"]),
        ("requester", &json!("ap-1"))
    );
    // What is theirs, and what hangs together, is no guess.
    let ana = house.log_in("ana").await;
    for address in ["/console/grants/gr-1", "/console/reviews/rv-1"] {
        assert_eq!(house.get(address, &ana).await.status, StatusCode::OK);
    }
    assert_eq!(house.said("desk_refused").len(), said.len());
    assert!(acts(&house).is_empty() && house.paper.votes.lock().is_empty());
}

#[tokio::test]
async fn what_was_ones_own_and_is_over_is_no_guess_nor_is_a_missing_role() {
    let house = House::new();
    let all = ["/console/grants/gr-1", "/console/approvals/ap-1"];
    let ana = house.log_in("ana").await;
    for address in all {
        assert_eq!(house.get(address, &ana).await.status, StatusCode::OK);
    }
    let ended = send(&house, "auditor", "/console/grants/gr-1/end", "reason=over").await;
    assert_eq!(ended.status, StatusCode::FORBIDDEN);
    house.paper.gone.store(true, Ordering::SeqCst);
    for address in all {
        assert_eq!(house.get(address, &ana).await.status, StatusCode::NOT_FOUND);
    }
    assert!(house.said("desk_refused").is_empty());
    // To somebody else it never was: the ids are guessed.
    let eve = house.log_in("requester").await;
    for address in all {
        assert_eq!(house.get(address, &eve).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(house.said("desk_refused").len(), 2);
}

#[tokio::test]
async fn what_an_approver_saw_and_is_over_is_no_guess_and_what_never_was_is_one() {
    let house = House::new();
    let approver = house.log_in("approver").await;
    // One on its own page, one in the list.
    for address in ["/console/approvals/ap-1", "/console/grants"] {
        assert_eq!(house.get(address, &approver).await.status, StatusCode::OK);
    }
    house.paper.gone.store(true, Ordering::SeqCst);
    let all = ["/console/grants/gr-1", "/console/approvals/ap-1"];
    let cookies = [&approver, &house.log_in("auditor").await];
    for (address, cookie) in all.iter().flat_map(|a| cookies.map(|c| (a, c))) {
        assert_eq!(
            house.get(address, cookie).await.status,
            StatusCode::NOT_FOUND
        );
    }
    assert!(house.said("desk_refused").is_empty(), "whoever sees all");
    for address in ["/console/grants/ap-1-", "/console/approvals/ap-2"] {
        let seen = house.get(address, &approver).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{address}");
    }
    assert_eq!(house.said("desk_refused").len(), 2, "nobody saw these");
    let eve = house.log_in("requester").await;
    for address in all {
        assert_eq!(house.get(address, &eve).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(house.said("desk_refused").len(), 4, "they are not for her");
}

#[tokio::test]
async fn a_guess_is_refused_where_it_cannot_be_recorded() {
    let house = House::new();
    let cookie = house.log_in("requester").await;
    house.paper.full.store(true, Ordering::SeqCst);
    let seen = house.get("/console/grants/gr-1", &cookie).await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND);
    assert!(house.said("desk_refused").is_empty());
}

#[tokio::test]
async fn a_chat_account_is_linked_to_whoever_sends_its_code() {
    let house = House::new();
    let call = |token, body| house.call(Method::POST, "/api/v1/accounts", token, body);
    let seen = call("t-ana", r#"{"code":" abc "}"#).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.text);
    assert!(seen.text.contains("\"until\":null"), "{}", seen.text);
    let linked = call("t-fresh-approver", r#"{"code":"abc","confirm":true}"#).await;
    assert_eq!(linked.status, StatusCode::OK, "{}", linked.text);
    assert!(!linked.text.contains("\"until\":null"), "{}", linked.text);
    let strange = call("t-ana", r#"{"code":"abc","token":"t-approver"}"#).await;
    assert_eq!(
        strange.status,
        StatusCode::BAD_REQUEST,
        "a token in the body"
    );
    assert_eq!(
        acts(&house),
        ["link abc with t-ana", "link abc with t-fresh-approver"]
    );
}

#[tokio::test]
async fn none_of_it_is_done_for_another_site_or_without_the_forms_token() {
    let house = House::new();
    let cookie = house.log_in("ana").await;
    let csrf = house.get("/console", &cookie).await.csrf();
    for (address, fields) in [
        ("/console/access", "target=orders&reason=x"),
        ("/console/grants/gr-1/end", "reason=x"),
        ("/console/grants/gr-1/extend", "lasts=1h&reason=x"),
        ("/console/reviews/rv-1", "finding=concern&text=x"),
        ("/console/delegations", "subject=bea&lasts=1d&reason=x"),
        ("/console/delegations/dg-1/end", ""),
    ] {
        for form in [fields.to_owned(), format!("csrf=guess&{fields}")] {
            let seen = house.post(address, &cookie, &form).await;
            assert!(
                seen.status == 400 || seen.status == 403,
                "{address}: {}",
                seen.status
            );
        }
        let foreign = Request::post(address)
            .header("cookie", format!("{}={cookie}", guard::VISIT))
            .header("sec-fetch-site", "cross-site")
            .header("origin", "https://evil.example");
        let body = Body::from(format!("csrf={csrf}&{fields}"));
        let seen = house.send(foreign.body(body).unwrap()).await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN, "{address}");
    }
    assert!(acts(&house).is_empty());
}

#[tokio::test]
async fn what_somebody_holds_is_told_in_the_shape_of_the_admin_api() {
    let house = House::new();
    for (name, count) in [("ana", 1), ("approver", 0)] {
        let seen = house
            .call(Method::GET, "/api/v1/mine", &format!("t-{name}"), "")
            .await;
        let mine: crate::Mine = serde_json::from_str(&seen.text).expect("the admin API's shape");
        assert_eq!(
            (mine.requests.len(), mine.grants.len()),
            (count, count),
            "{name}"
        );
    }
}
