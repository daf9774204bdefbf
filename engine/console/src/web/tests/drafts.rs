//! What was typed before a login that had to be fresh: whose it is afterwards, and where it stands.

use super::*;

/// A browser in which somebody types something once their proof is old, and where that leads to; the cookie, and the page.
async fn typed(house: &House, name: &str, address: &str, fields: &str) -> (String, Seen) {
    let cookie = house.log_in(name).await;
    let csrf = house.get("/console", &cookie).await.csrf();
    house.later(301);
    let form = format!("csrf={csrf}&{fields}");
    let seen = house.post(address, &cookie, &form).await;
    (cookie, seen)
}

/// A form with a fresh login: who fills it in, where it stands, what is sent, what is shown again.
const FORMS: [(&str, &str, &str, &str, &[&str]); 4] = [
    (
        "approver",
        "/console/reviews/rv-1",
        "/console/reviews/rv-1",
        "finding=concern&text=known+to+%3Cb%3E+all",
        &[
            "known to &lt;b&gt; all",
            "value=\"concern\" required checked>",
        ],
    ),
    (
        "approver",
        "/console/approvals/ap-1",
        "/console/approvals/ap-1/vote",
        "choice=approve&reason=known+to+all&reuse=900",
        &["known to all", "<option value=\"900\" selected>"],
    ),
    (
        "ana",
        "/console/delegations",
        "/console/delegations",
        "subject=cleo&issuer=https%3A%2F%2Fx.example&lasts=14d&reason=known+to+all",
        &[
            "known to all",
            "value=\"cleo\"",
            "value=\"https://x.example\"",
            "value=\"14d\"",
        ],
    ),
    (
        "ana",
        "/console/access",
        "/console/access",
        "target=orders&lasts=2h&ticket=INC-7&reason=known+to+all&break_glass=true",
        &[
            "known to all",
            "value=\"orders\"",
            "value=\"2h\"",
            "value=\"INC-7\"",
            "<details open",
            "value=\"true\" checked>",
        ],
    ),
];

/// The first of what is shown again, which nobody else has typed.
fn words(shown: &[&'static str]) -> &'static str {
    shown.first().copied().expect("something is shown")
}

#[tokio::test]
async fn whoever_comes_back_finds_what_they_typed_once_and_in_no_address() {
    for (name, page, address, fields, shown) in FORMS {
        let house = House::new();
        let (cookie, sent) = typed(&house, name, address, fields).await;
        assert!(!sent.head("location").contains("known"), "{address}");
        assert!(!sent.text.contains("reason%3D"), "{address}: {}", sent.text);
        // Not before the login.
        let before = house.get(page, &cookie).await;
        assert!(!before.text.contains(words(shown)), "{address}");
        let cookie = house.log_in_by(name, "fresh=true", &cookie).await;
        // Whoever looks again when that login is old as well has used up nothing, as long as the draft lasts.
        house.later(301);
        let early = house.get(page, &cookie).await;
        assert!(!early.text.contains(words(shown)), "{address}");
        let cookie = house.log_in_by(name, "fresh=true", &cookie).await;
        let seen = house.get(page, &cookie).await;
        for text in shown {
            assert!(seen.text.contains(text), "{address}: {text}: {}", seen.text);
        }
        let again = house.get(page, &cookie).await;
        assert!(!again.text.contains(words(shown)), "{address}: twice");
        assert!(house.paper.acted.lock().is_empty() && house.paper.votes.lock().is_empty());
    }
}

#[tokio::test]
async fn the_longest_form_with_a_fresh_login_is_kept_whole() {
    let house = House::new();
    // Letters of four bytes: as many as a reason may have.
    let reason = "%F0%9F%92%A5".repeat(1000);
    let fields = format!("target=orders&reason={reason}&break_glass=true");
    let (cookie, sent) = typed(&house, "ana", "/console/access", &fields).await;
    assert_eq!(sent.status, StatusCode::FORBIDDEN);
    assert!(sent.text.contains("here again afterwards"), "{}", sent.text);
    let cookie = house.log_in_by("ana", "fresh=true", &cookie).await;
    let seen = house.get("/console/access", &cookie).await;
    assert!(seen.text.contains(&"\u{1f4a5}".repeat(1000)));
}

#[tokio::test]
async fn nobody_else_finds_it_at_that_browser_or_elsewhere() {
    for (name, page, address, fields, shown) in FORMS {
        let house = House::new();
        let (cookie, _) = typed(&house, name, address, fields).await;
        // Somebody else who may do the same, at the same browser.
        let other = format!("other.{name}");
        let theirs = house.log_in_by(&other, "fresh=true", &cookie).await;
        let seen = house.get(page, &theirs).await;
        assert!(
            !seen.text.contains(words(shown)),
            "{address}: {}",
            seen.text
        );
        // The same person at another browser, and at this one later on.
        let (cookie, _) = typed(&house, name, address, fields).await;
        let apart = house.log_in(name).await;
        let seen = house.get(page, &apart).await;
        assert!(
            !seen.text.contains(words(shown)),
            "{address}: {}",
            seen.text
        );
        house.later(599);
        house.get("/console", &cookie).await;
        house.later(2);
        let late = house.log_in_by(name, "fresh=true", &cookie).await;
        let seen = house.get(page, &late).await;
        assert!(
            !seen.text.contains(words(shown)),
            "{address}: {}",
            seen.text
        );
    }
}

#[tokio::test]
async fn a_link_that_somebody_was_sent_fills_in_no_words_and_ticks_nothing() {
    let house = House::new();
    let cookie = house.log_in("approver").await;
    let review = "/console/reviews/rv-1?finding=justified&text=all+is+well";
    let seen = house.get(review, &cookie).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(!seen.text.contains("all is well") && !seen.text.contains(" checked>"));
    let access =
        "/console/access?target=orders&reason=all+is+well&ticket=INC-7&break_glass=true&glass=true";
    let seen = house.get(access, &cookie).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(seen.text.contains("value=\"orders\"") && seen.text.contains("<details open"));
    assert!(!seen.text.contains("all is well") && !seen.text.contains("INC-7"));
    assert!(!seen.text.contains(" checked>"), "{}", seen.text);
}
