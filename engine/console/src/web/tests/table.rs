//! Every page and every call, for every role.

use super::fakes::SESSION;
use super::*;

/// Somebody with each role, and `ana`, whose the session and the request are.
const PEOPLE: [&str; 5] = ["ana", "requester", "approver", "auditor", "operator"];

/// What each of them gets: 2 for 200, 3 for a way to another page, 4 for 403, 0 for 404.
const PAGES: [(&str, &str); 23] = [
    ("", "22222"),
    ("/live", "22222"),
    ("/live/{id}", "23322"),
    ("/live/{id}/feed", "20022"),
    ("/sessions", "22222"),
    ("/sessions/{id}", "20022"),
    ("/sessions/{id}/play?stream=2", "20022"),
    ("/sessions/{id}/film", "20024"),
    ("/sessions/{id}/decisions/4", "44424"),
    ("/approvals", "22222"),
    ("/approvals/ap-1", "20220"),
    ("/access", "22222"),
    ("/grants", "22222"),
    ("/grants/gr-1", "20222"),
    ("/reviews", "22222"),
    ("/reviews/rv-1", "20220"),
    ("/delegations", "22222"),
    ("/connections", "44422"),
    ("/policies", "44422"),
    ("/policies/trial", "44422"),
    ("/plugins", "44422"),
    ("/events", "44422"),
    ("/nothing", "00000"),
];

const CALLS: [(&str, &str); 23] = [
    ("/me", "22222"),
    ("/live", "22222"),
    ("/live/{id}", "20022"),
    ("/live/{id}/feed", "20022"),
    ("/sessions", "22222"),
    ("/sessions/{id}", "20022"),
    ("/sessions/{id}/steps", "20024"),
    ("/sessions/{id}/film", "20024"),
    ("/sessions/{id}/decisions/4", "44424"),
    ("/approvals", "22222"),
    ("/approvals/ap-1", "20220"),
    ("/mine", "22222"),
    ("/grants", "22222"),
    ("/grants/gr-1", "20222"),
    ("/reviews", "22222"),
    ("/reviews/rv-1", "20220"),
    ("/delegations", "22222"),
    ("/connections", "44422"),
    ("/policies", "44422"),
    ("/policies/trial", "44422"),
    ("/plugins", "44422"),
    ("/events", "44422"),
    ("/nothing", "00000"),
];

fn digit(status: StatusCode) -> char {
    match status.as_u16() {
        200 => '2',
        303 => '3',
        403 => '4',
        404 => '0',
        _ => '?',
    }
}

#[tokio::test]
async fn each_role_sees_its_pages_and_no_other() {
    let house = House::new();
    for (person, name) in PEOPLE.into_iter().enumerate() {
        let cookie = house.log_in(name).await;
        for (path, expected) in PAGES {
            let address = format!("/console{}", path.replace("{id}", &SESSION.to_string()));
            let seen = house.get(&address, &cookie).await;
            let wanted = expected.chars().nth(person).unwrap();
            assert_eq!(digit(seen.status), wanted, "{name} {path}: {}", seen.text);
        }
    }
}

#[tokio::test]
async fn each_role_has_its_calls_and_no_other() {
    let house = House::new();
    for (person, name) in PEOPLE.into_iter().enumerate() {
        for (path, expected) in CALLS {
            let address = format!("/api/v1{}", path.replace("{id}", &SESSION.to_string()));
            let seen = house
                .call(Method::GET, &address, &format!("t-{name}"), "")
                .await;
            let wanted = expected.chars().nth(person).unwrap();
            assert_eq!(digit(seen.status), wanted, "{name} {path}: {}", seen.text);
            if seen.status.is_client_error() {
                assert_eq!(
                    seen.head("content-type"),
                    "application/problem+json",
                    "{path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn nobody_sees_anything_without_a_login() {
    let house = House::new();
    for (path, _) in PAGES {
        let address = format!("/console{}", path.replace("{id}", &SESSION.to_string()));
        let seen = house.get(&address, "").await;
        let nothing = path == "/nothing" && seen.status == StatusCode::NOT_FOUND;
        assert!(seen.status == StatusCode::UNAUTHORIZED || nothing, "{path}");
        assert!(!seen.text.contains("foreign on"), "{path}");
    }
    for (path, _) in CALLS.into_iter().filter(|(path, _)| *path != "/nothing") {
        let address = format!("/api/v1{}", path.replace("{id}", &SESSION.to_string()));
        for token in ["", "x", "Bearer"] {
            let seen = house.call(Method::GET, &address, token, "").await;
            assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(seen.head("www-authenticate"), "Bearer");
        }
    }
}

#[tokio::test]
async fn only_operators_end_sessions_and_only_approvers_vote() {
    let house = House::new();
    for name in PEOPLE {
        let cookie = house.log_in(name).await;
        let csrf = house.get("/console", &cookie).await.csrf();
        let kill = format!("/console/live/{SESSION}/kill");
        let killed = house
            .post(&kill, &cookie, &format!("csrf={csrf}&reason=enough"))
            .await;
        let votes = format!("csrf={csrf}&choice=approve&reason=fine");
        let voted = house
            .post("/console/approvals/ap-1/vote", &cookie, &votes)
            .await;
        let wanted = |role: &str| match name == role {
            true => StatusCode::SEE_OTHER,
            false => StatusCode::FORBIDDEN,
        };
        assert_eq!(killed.status, wanted("operator"), "{name}: {}", killed.text);
        assert_eq!(voted.status, wanted("approver"), "{name}: {}", voted.text);
        let token = format!("t-fresh-{name}");
        let address = format!("/api/v1/live/{SESSION}/kill");
        let killed = house
            .call(Method::POST, &address, &token, r#"{"reason":"enough"}"#)
            .await;
        let cast = r#"{"choice":"approve","reason":"fine"}"#;
        let voted = house
            .call(Method::POST, "/api/v1/approvals/ap-1/votes", &token, cast)
            .await;
        let wanted = |role: &str| match name == role {
            true => StatusCode::OK,
            false => StatusCode::FORBIDDEN,
        };
        assert_eq!(killed.status, wanted("operator"), "{name}: {}", killed.text);
        assert_eq!(voted.status, wanted("approver"), "{name}: {}", voted.text);
    }
    assert_eq!(house.paper.killed.lock().len(), 2);
    let votes = house.paper.votes.lock().clone();
    let tokens: Vec<_> = votes.iter().map(|(_, _, token)| token.as_str()).collect();
    assert_eq!(
        tokens,
        ["t-approver", "t-fresh-approver"],
        "with the voter's own token"
    );
}

#[tokio::test]
async fn whoever_looks_is_on_record_and_nothing_is_shown_without() {
    let house = House::new();
    let cookie = house.log_in("auditor").await;
    let session = format!("/console/sessions/{SESSION}");
    let pages = [
        (session.clone(), "recording-viewed"),
        (format!("{session}/film"), "recording-played"),
        (format!("{session}/decisions/4"), "decision-viewed"),
        (format!("/console/live/{SESSION}/feed"), "session-watched"),
        ("/console/sessions?q=drop".to_owned(), "record-searched"),
    ];
    for (address, event) in &pages {
        house.get(address, &cookie).await;
        let said = house.said(event);
        assert_eq!(said.len(), 1, "{address}");
        assert_eq!(said[0].who, "auditor");
        if *event != "record-searched" {
            assert_eq!(said[0].detail["session"], SESSION.to_string());
        }
    }
    house
        .paper
        .full
        .store(true, std::sync::atomic::Ordering::SeqCst);
    for (address, _) in &pages {
        let seen = house.get(address, &cookie).await;
        assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{address}");
        assert!(!seen.text.contains("foreign"), "{address}: {}", seen.text);
    }
}

#[tokio::test]
async fn commands_are_searched_by_the_auditor_and_in_ones_own_sessions() {
    let house = House::new();
    for (name, status) in [
        ("auditor", 200),
        ("operator", 403),
        ("ana", 200),
        ("requester", 200),
    ] {
        let seen = house
            .call(
                Method::GET,
                "/api/v1/sessions?q=drop",
                &format!("t-{name}"),
                "",
            )
            .await;
        assert_eq!(seen.status, status, "{name}");
        let found = seen.text.contains("foreign");
        assert_eq!(
            found,
            matches!(name, "auditor" | "ana"),
            "{name}: {}",
            seen.text
        );
    }
}
