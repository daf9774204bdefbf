//! What a pack adds to an approval: read strictly, and nothing more than what was said.

use super::world::{read, set};
use portcullis_model::{Chat, Sameness, Terms, Verdict};
use std::time::Duration;

fn terms(more: &str) -> Result<Terms, String> {
    let body = format!(
        r#"approval contains {{"rule": "a/b", "msg": "m", "approver_groups": ["dba", "sre"], {more}}}"#
    );
    match read(&set(&body)).verdict.clone() {
        Verdict::Hold(mut requirements) => Ok(requirements.remove(0).terms),
        Verdict::Deny(denial) => Err(denial.rule),
        Verdict::Allow { rule } => Err(rule),
    }
}

#[test]
fn an_approval_is_plain_unless_something_was_said() {
    assert!(terms(r#""approvers": 2"#).unwrap().is_plain());
}

#[test]
fn everything_that_is_said_arrives() {
    let said = terms(
        r#""approvers": 2, "distinct_groups": true, "ttl_seconds": 900,
        "escalate": {"after_seconds": 300, "groups": ["heads"]},
        "reuse": {"ttl_seconds": 60, "class": "objects"}, "access_ttl_seconds": 7200, "chat": "approve",
        "break_glass": {"groups": ["on-call"], "reviewer_groups": ["security"]}"#,
    )
    .unwrap();
    let seconds = Duration::from_secs;
    assert!(said.distinct_groups && said.chat == Chat::Approve);
    assert_eq!(said.escalate.unwrap().after, seconds(300));
    let reuse = said.reuse.unwrap();
    assert_eq!((reuse.ttl, reuse.class), (seconds(60), Sameness::Objects));
    assert_eq!(said.access, Some(seconds(7200)));
    let glass = said.glass.unwrap();
    assert_eq!(
        (glass.lasts, glass.review_within),
        (seconds(3600), seconds(259_200))
    );
}

#[test]
fn what_cannot_be_meant_is_a_denial_and_no_laxer_approval() {
    for wrong in [
        r#""approvers": 3, "distinct_groups": true"#,
        r#""escalate": {"after_seconds": 300, "groups": []}"#,
        r#""escalate": {"after_seconds": 900, "groups": ["heads"]}"#,
        r#""escalate": {"after_seconds": 0, "groups": ["heads"]}"#,
        r#""escalate": {"after_seconds": 300, "groups": ["heads"], "more": 1}"#,
        r#""reuse": {"ttl_seconds": 0, "class": "exact"}"#,
        r#""reuse": {"ttl_seconds": 99999999, "class": "exact"}"#,
        r#""reuse": {"ttl_seconds": 60, "class": "anything"}"#,
        r#""reuse": {"ttl_seconds": 60}"#,
        r#""access_ttl_seconds": 0"#,
        r#""break_glass": {"groups": [], "reviewer_groups": ["security"]}"#,
        r#""break_glass": {"groups": ["on-call"], "reviewer_groups": []}"#,
        r#""break_glass": {"groups": ["on-call"]}"#,
        r#""chat": "vote""#,
    ] {
        let rule = terms(wrong).unwrap_err();
        assert!(rule.starts_with("policy/"), "{wrong}: {rule}");
    }
}
