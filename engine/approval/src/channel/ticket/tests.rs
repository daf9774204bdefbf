//! Answers of ticket systems, held against checks. The systems themselves are stand-ins in `tests/world`.

use super::*;
use portcullis_gate::BoxFuture;
use portcullis_model::{Fault, Kind};
use serde_json::json;
use zeroize::Zeroizing;

struct Word;

impl Phrase for Word {
    fn read(&self) -> BoxFuture<'_, Result<Zeroizing<String>, Fault>> {
        Box::pin(async { Ok(Zeroizing::new("secret".to_owned())) })
    }
}

fn ana() -> Identity {
    serde_json::from_value(json!({
        "principal": {"issuer": "https://id.example", "subject": "ana-1"}, "provider": "corp",
        "kind": Kind::Human, "name": "ana@example.com", "groups": [], "claims": {}, "actors": [],
        "owner": null, "authenticated": null, "methods": [], "assurance": null, "token_id": null,
        "expires": 0,
    }))
    .unwrap()
}

fn tracker(kind: TrackerKind, checks: TicketChecks) -> Tracker {
    Tracker {
        name: "jira".to_owned(),
        kind,
        url: "https://jira.example/".to_owned(),
        prefixes: vec!["OPS-".to_owned()],
        user: None,
        secret: Arc::new(Word),
        fetcher: Fetcher::new(None).unwrap(),
        checks,
    }
}

fn checks() -> TicketChecks {
    TicketChecks {
        fields: BTreeMap::from([("status.name".to_owned(), vec!["In Progress".to_owned()])]),
        assignee: Some("assignee.emailAddress".to_owned()),
        window: Some(("start".to_owned(), "end".to_owned())),
        show: vec!["project.key".to_owned()],
    }
}

fn ticket() -> Value {
    json!({
        "status": {"name": "In Progress"}, "assignee": {"emailAddress": "Ana@Example.com"},
        "project": {"key": "OPS"}, "start": "2026-11-27T19:00:00.000+0100",
        "end": "2026-11-27T19:30:00Z", "secret": "not asked for",
    })
}

#[test]
fn a_ticket_is_valid_when_every_check_holds_and_for_no_other_reason() {
    let jira = tracker(TrackerKind::Jira, checks());
    // 2026-11-27T19:00:00Z
    let now = Timestamp(1_795_806_000_000_000_000);
    let good = jira.judge(&ticket(), &ana(), now);
    assert_eq!((good.valid, good.reason), (true, None));
    assert_eq!(good.fields["project.key"], "OPS");
    assert!(
        !good.fields.contains_key("secret"),
        "policy sees what was named"
    );
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &str); 5] = [
        (
            "done",
            |t| t["status"]["name"] = json!("Done"),
            "its status.name is another",
        ),
        (
            "no status",
            |t| t["status"] = Value::Null,
            "its status.name is another",
        ),
        (
            "another's",
            |t| t["assignee"]["emailAddress"] = json!("eve@example.com"),
            "it is not assigned to whoever asks",
        ),
        (
            "over",
            |t| t["end"] = json!("2026-11-27 18:59:59"),
            "it is not its time",
        ),
        (
            "no window",
            |t| t["start"] = json!("soon"),
            "it is not its time",
        ),
    ];
    for (what, change, reason) in cases {
        let mut changed = ticket();
        change(&mut changed);
        let check = jira.judge(&changed, &ana(), now);
        assert_eq!(
            (check.valid, check.reason.as_deref()),
            (false, Some(reason)),
            "{what}"
        );
    }
}

#[test]
fn a_system_that_answers_with_another_ticket_has_answered_nothing() {
    let jira = tracker(TrackerKind::Jira, checks());
    assert!(
        jira.found("OPS-1", &json!({"key": "OPS-1", "fields": {}}))
            .is_some()
    );
    assert!(
        jira.found("OPS-1", &json!({"key": "OPS-2", "fields": {}}))
            .is_none()
    );
    assert!(jira.found("OPS-1", &json!({})).is_none());
    let table = "change_request".to_owned();
    let now = tracker(TrackerKind::ServiceNow { table }, checks());
    assert!(
        now.found("CHG1", &json!({"result": [{"number": "CHG1"}]}))
            .is_some()
    );
    for other in [
        json!({"result": []}),
        json!({"result": [{"number": "CHG2"}]}),
        json!({}),
    ] {
        assert!(now.found("CHG1", &other).is_none(), "{other}");
    }
    let two = json!({"result": [{"number": "CHG1"}, {"number": "CHG1"}]});
    assert!(now.found("CHG1", &two).is_none(), "two are none");
    assert!(
        now.address("CHG1")
            .contains("/table/change_request?sysparm_query=number%3DCHG1&")
    );
}

#[tokio::test]
async fn what_is_no_key_is_asked_of_nobody() {
    let clocks = Clocks::new(Arc::new(|| Timestamp(0)), Arc::new(|| Duration::ZERO));
    let tickets = Tickets::new(vec![tracker(TrackerKind::Jira, checks())], clocks.clone());
    for bad in [
        "",
        "../admin",
        "OPS-1?x=y",
        "OPS 1",
        "OPS-1/comment",
        "ABC-1",
    ] {
        let check = tickets.check(bad, &ana()).await.unwrap();
        assert!(!check.valid && check.system.is_none(), "{bad}");
    }
    assert!(
        Tickets::new(Vec::new(), clocks)
            .check("OPS-1", &ana())
            .await
            .is_none()
    );
}

#[test]
fn times_are_read_with_their_zone() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2000-02-29 12:00:00", Some(951_825_600)),
        ("2026-11-27T20:00:00.000+0100", Some(1_795_806_000)),
        ("2026-11-27T14:00:00-05:00", Some(1_795_806_000)),
        ("2026-13-01T00:00:00Z", None),
        ("2026-02-31T00:00:00Z", None),
        ("soon", None),
        ("", None),
    ] {
        assert_eq!(time(text), seconds, "{text}");
    }
}
