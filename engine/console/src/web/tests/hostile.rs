//! What others have written, in every field of every page.

use super::fakes::SESSION;
use super::*;

const VALUES: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</pre></textarea><svg onload=alert(1)>",
    "javascript:alert(1)",
    "\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[31mred",
    "\u{202e}desrever\u{200b}hidden\u{e0041}",
    "../../../../etc/passwd%2f..%2f",
    "{{7*7}}${7*7}&lt;b&gt;&amp;",
];

fn pages() -> Vec<String> {
    let id = SESSION.to_string();
    [
        "",
        "/live",
        "/live/{id}",
        "/sessions",
        "/sessions/{id}",
        "/sessions/{id}/play?stream=2",
        "/sessions/{id}/decisions/4",
        "/approvals",
        "/approvals/ap-1",
        "/access?target=x",
        "/grants",
        "/grants/gr-1",
        "/reviews",
        "/reviews/rv-1",
        "/delegations",
        "/connections",
        "/policies",
        "/policies/trial",
        "/plugins",
        "/events",
        "/login",
    ]
    .iter()
    .map(|path| format!("/console{}", path.replace("{id}", &id)))
    .collect()
}

/// The markup without its texts and the values of its attributes: what a hostile value could add to.
fn skeleton(html: &str) -> String {
    let mut out = String::new();
    let (mut tag, mut quoted) = (false, false);
    for c in html.chars() {
        match (tag, quoted, c) {
            (false, _, '<') => (tag, quoted) = (true, false),
            (true, false, '>') => tag = false,
            (true, _, '"') => quoted = !quoted,
            (true, false, c) if !c.is_ascii_digit() => out.push(c),
            _ => {}
        }
    }
    out
}

#[tokio::test]
async fn no_value_becomes_markup_or_acts_on_whoever_reads() {
    let house = House::new();
    let cookie = house.log_in("auditor.operator.approver").await;
    for address in pages() {
        *house.paper.foreign.lock() = "harmless".to_owned();
        let plain = skeleton(&house.get(&address, &cookie).await.text);
        for value in VALUES {
            *house.paper.foreign.lock() = value.to_owned();
            let seen = house.get(&address, &cookie).await;
            assert!(
                seen.status.is_success() || seen.status == 401,
                "{address}: {}",
                seen.status
            );
            assert_eq!(skeleton(&seen.text), plain, "{address} with {value:?}");
            let acts = |c: char| c.is_control() && c != '\n' && c != '\t';
            let hides = |c: char| "\u{202e}\u{200b}\u{e0041}".contains(c);
            let found = seen.text.chars().find(|c| acts(*c) || hides(*c));
            assert_eq!(found, None, "{address} with {value:?}");
            assert!(!seen.text.contains("href=\"javascript:"), "{address}");
        }
    }
}

#[tokio::test]
async fn what_is_sent_as_json_stays_in_its_strings() {
    let house = House::new();
    let token = "t-auditor.operator.approver";
    for path in [
        "/live",
        "/sessions",
        "/approvals",
        "/mine",
        "/grants",
        "/reviews",
        "/delegations",
        "/connections",
        "/policies",
        "/plugins",
        "/events",
        "/policies/trial",
    ] {
        for value in VALUES {
            *house.paper.foreign.lock() = value.to_owned();
            let seen = house
                .call(Method::GET, &format!("/api/v1{path}"), token, "")
                .await;
            assert_eq!(seen.status, StatusCode::OK, "{path}");
            assert!(seen.head("content-type").starts_with("application/json"));
            serde_json::from_str::<serde_json::Value>(&seen.text).expect("JSON");
            assert!(
                !seen.text.contains('\u{1b}') && !seen.text.contains('\u{202e}'),
                "{path}"
            );
        }
    }
    let feed = house
        .call(
            Method::GET,
            &format!("/api/v1/live/{SESSION}/feed"),
            token,
            "",
        )
        .await;
    let lines = feed.text.lines().filter_map(|l| l.strip_prefix("data: "));
    assert_eq!(lines.count(), 3, "one line for each event: {}", feed.text);
}

#[tokio::test]
async fn no_path_leads_anywhere_else() {
    let house = House::new();
    let cookie = house.log_in("auditor").await;
    for address in [
        "/console/assets/..%2f..%2fCargo.toml",
        "/console/assets/%2e%2e/console.css",
        "/console/assets/console.css%00",
        "/console/sessions/..%2f..%2fetc%2fpasswd",
        "/console/sessions/%3Cscript%3E",
        "/console/live/s-%00",
        "/console/approvals/..%2f..",
        "/console/sessions/s-0000000000000000000000000/film",
        "/api/v1/sessions/..%2f..%2fjournal",
        "/api/v1/approvals/%27%20OR%201=1",
        "/console/sessions/s-00000000000000000000000008",
    ] {
        let seen = house.get(address, &cookie).await;
        // A live session that is over leads to its record.
        let onwards = seen.status == StatusCode::SEE_OTHER
            && seen.head("location").starts_with("/console/sessions/s-");
        assert!(
            seen.status == StatusCode::NOT_FOUND || onwards,
            "{address}: {}",
            seen.status
        );
        assert!(
            !seen.text.contains("<script>") && !seen.text.contains("root:"),
            "{address}"
        );
    }
}

#[tokio::test]
async fn parameters_that_are_none_are_refused() {
    let house = House::new();
    for query in [
        "since=yesterday",
        "until=",
        "after=",
        "limit=-1",
        "limit=0",
        "limit=501",
        "more=1",
        "until=2026-99-99",
        "q=a&q=b",
        "limit=%00",
    ] {
        let seen = house
            .call(
                Method::GET,
                &format!("/api/v1/sessions?{query}"),
                "t-auditor",
                "",
            )
            .await;
        assert_eq!(
            seen.status,
            StatusCode::BAD_REQUEST,
            "{query}: {}",
            seen.text
        );
    }
}
