//! Evidence of what the approval desk notes, from documents in the form in which it writes them. It refuses members that
//! the desk does not write: a table that reads those would be empty for a gateway.

use super::{THEN, table};
use crate::world::{World, end, entry, session, signed, who};
use portcullis_gate::{EntryKind, StreamId};
use portcullis_journal::{Journal, Sealing};
use portcullis_model::{SessionId, Timestamp};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

const DUE: i64 = THEN + 86_400_000_000_000;
const LONGER: i64 = DUE + 3_600_000_000_000;

/// As `approval/src/desk/glass.rs` writes a review.
fn review(closed: &Value) -> Value {
    json!({
        "review": "rv-1", "grant": "gr-9", "holder": who("cid"), "name": "Cid", "target": "orders",
        "reason": "the shop is down", "rules": ["access/on_call", "access/night"],
        "reviewers": ["security"], "broken": THEN, "due": DUE, "closed": closed,
    })
}

/// As `approval/src/desk/standing.rs` writes a grant.
fn grant(id: &str, request: &str, purpose: &str) -> Value {
    json!({
        "grant": id, "request": request, "purpose": purpose, "holder": who("ana"),
        "actors": [who("agent")], "name": "Ana", "target": "orders", "class": "exact",
        "by": [who("bea")], "reason": "month end", "from": THEN, "until": DUE,
        "binding": "00ff", "shown": "a connection to orders",
    })
}

fn opened() -> Value {
    json!({
        "id": "ap-2", "session": SessionId(0), "identity": who("ana"), "actors": [who("agent")],
        "target": "orders", "binding": "00ff", "access": true, "deferred": true,
        "requirements": [{"rule": "access/ask", "msg": "ask", "approver_groups": ["dba"], "approvers": 1}],
        "ticket": "OPS-12", "reason": "month end", "until": DUE, "lasts_seconds": 7200,
        "shown": "a connection to orders",
    })
}

fn noted(journal: &Journal) {
    let closed = json!({"by": who("dan"), "name": "Dan", "at": THEN, "finding": "concern",
        "text": "nobody was called"});
    let vote = json!({
        "id": "ap-2", "voter": who("bea"), "name": "Bea", "ballot": "approve", "reason": "agreed",
        "token": "t-1", "channel": "slack", "binding": "00ff", "stands_in_for": ["Eve"],
        "reuse_seconds": null,
    });
    let mut ended = grant("gr-1", "ap-2", "access");
    ended["ended_by"] = json!("uid 7");
    ended["why"] = json!("done");
    ended["uses"] = json!(1);
    // A statement's request, as earlier versions noted it: with its text.
    let older = json!({"id": "ap-3", "session": SessionId(5), "identity": who("ana"), "actors": [],
        "target": "orders", "access": false, "requirements": [], "shown": "SELECT 'mine'"});
    let reused = json!({
        "id": "ap-3", "voter": who("bea"), "name": "Bea", "ballot": "approve", "reason": "fine",
        "channel": "admin", "stands_in_for": [], "reuse_seconds": 900,
    });
    // A second request for the same access gives the grant more time.
    let mut more = opened();
    more["id"] = json!("ap-4");
    let mut longer = grant("gr-1", "ap-4", "access");
    longer["until"] = json!(LONGER);
    // A statement's request as it is noted now, of a session that nobody can read.
    let digest = json!({"id": "ap-5", "session": SessionId(5), "identity": who("ana"), "actors": [],
        "target": "orders", "access": false, "requirements": [], "shown_sha256": "ab12"});
    for (event, detail) in [
        ("approval/opened", opened()),
        ("approval/vote", vote),
        ("approval/granted", grant("gr-1", "ap-2", "access")),
        (
            "approval/state",
            json!({"id": "ap-2", "from": "pending", "to": "consumed", "by": [who("bea")],
                "session": SessionId(0), "grant": "gr-1"}),
        ),
        ("approval/opened", more),
        ("approval/extended", longer),
        (
            "approval/state",
            json!({"id": "ap-4", "from": "pending", "to": "consumed", "by": [who("bea")],
                "session": SessionId(0), "grant": "gr-1"}),
        ),
        ("approval/grant-ended", ended),
        ("approval/opened", digest),
        ("approval/opened", older),
        ("approval/vote", reused),
        (
            "approval/delegated",
            json!({"delegation": "dg-1", "from": who("eve"), "name": "Eve", "to": who("bea"),
                "reason": "away", "since": THEN, "until": DUE}),
        ),
        ("glass/broken", review(&Value::Null)),
        ("approval/granted", grant("gr-9", "gr-9", "glass")),
        ("glass/review-overdue", review(&Value::Null)),
        ("glass/reviewed", review(&closed)),
    ] {
        journal.node(event, &detail).expect("noted");
    }
}

fn made() -> (World, PathBuf) {
    let world = World::new();
    let journal = world.open();
    noted(&journal);
    signed(&journal);
    journal.close().expect("closed");
    let folder = exported(&world, "desk");
    (world, folder)
}

fn exported(world: &World, name: &str) -> PathBuf {
    super::exported(world, None, name)
}

#[test]
fn broken_glass_names_who_broke_it_and_its_review_whoever_closed_it() {
    let (_world, folder) = made();
    let rows = table(&folder, "break_glass");
    let events: Vec<&Value> = rows.iter().map(|row| &row["event"]).collect();
    assert_eq!(
        events,
        ["glass/broken", "glass/review-overdue", "glass/reviewed"]
    );
    for row in &rows {
        assert_eq!(row["who"], "Cid (cid at https://id.example)", "{row}");
        assert_eq!(row["target"], "orders");
        assert_eq!(row["reason"], "the shop is down");
        assert_eq!(row["rules"], "access/on_call, access/night");
        assert_eq!(row["due"], Timestamp(DUE).rfc3339());
    }
    for row in &rows[..2] {
        assert_eq!(
            [&row["reviewer"], &row["finding"], &row["text"]],
            ["", "", ""]
        );
    }
    assert_eq!(rows[2]["reviewer"], "Dan (dan at https://id.example)");
    assert_eq!(rows[2]["finding"], "concern");
    assert_eq!(rows[2]["text"], "nobody was called");
}

#[test]
fn a_request_for_access_says_what_why_how_long_and_who_voted_where() {
    let (_world, folder) = made();
    let rows = table(&folder, "approvals");
    let asked = &rows[0];
    for (column, cell) in [
        ("id", "ap-2"),
        ("requester", "ana at https://id.example"),
        ("through", "agent at https://id.example"),
        ("rules", "access/ask"),
        ("kind", "access"),
        ("asked_for", "a connection to orders"),
        ("why", "month end"),
        ("ticket", "OPS-12"),
        ("lasts", "7200 s"),
    ] {
        assert_eq!(asked[column], cell, "{column}");
    }
    let votes = asked["votes"].as_str().unwrap();
    assert!(
        votes.ends_with("approve by Bea (bea at https://id.example) for Eve in slack: agreed"),
        "{votes}"
    );
    let state = asked["state"].as_str().unwrap();
    let until = format!(", as grant gr-1 until {}", Timestamp(DUE).rfc3339());
    assert!(
        state.starts_with("consumed at ") && state.ends_with(&until),
        "{state}"
    );
    assert_eq!(asked["leaves"].as_str().unwrap().split(' ').count(), 4);
}

#[test]
fn a_statement_is_its_sessions_to_tell_and_a_yes_for_a_class_says_for_how_long() {
    let (_world, folder) = made();
    let row = &table(&folder, "approvals")[1];
    assert_eq!([&row["kind"], &row["asked_for"]], ["command", "(withheld)"]);
    let votes = row["votes"].as_str().unwrap();
    let said = "(bea at https://id.example) in admin, for the class for 900 s: fine";
    assert!(votes.ends_with(said), "{votes}");
}

#[test]
fn a_request_that_gave_a_grant_more_time_says_until_when() {
    let (_world, folder) = made();
    let row = &table(&folder, "approvals")[2];
    assert_eq!(row["id"], "ap-4");
    let state = row["state"].as_str().unwrap();
    let until = format!(", as grant gr-1 until {}", Timestamp(LONGER).rfc3339());
    assert!(state.ends_with(&until), "{state}");
    assert_eq!(row["leaves"].as_str().unwrap().split(' ').count(), 3);
}

/// The statement of a session whose payloads nobody here can read: the request is there, with the digest of it.
#[test]
fn what_was_asked_of_people_is_withheld_with_its_session_and_makes_no_row_of_its_own() {
    let mut world = World::new();
    let keys = world.dir.path().join("keys");
    fs::create_dir(&keys).expect("made");
    world.settings.sealing = Sealing::Node(keys.join("payloads"));
    let journal = world.open();
    let mut record = session(&journal, 5);
    let hold = json!({"id": "ap-5", "request": "DELETE FROM orders"});
    let hold = entry(EntryKind::Hold, hold.to_string());
    record.append(StreamId(0), &[hold, end()]).expect("held");
    drop(record);
    noted(&journal);
    signed(&journal);
    journal.close().expect("closed");
    let asked_for = |name: &str| {
        let folder = exported(&world, name);
        let rows = table(&folder, "approvals");
        let ids: Vec<&Value> = rows.iter().map(|row| &row["id"]).collect();
        assert_eq!(ids, ["ap-2", "ap-3", "ap-4", "ap-5"]);
        rows[3]["asked_for"].clone()
    };
    assert_eq!(asked_for("with-its-key"), "DELETE FROM orders");
    fs::remove_file(keys.join("payloads")).expect("removed");
    assert_eq!(asked_for("without"), "(withheld; sha256 ab12)");
}

#[test]
fn grants_and_delegations_name_who_holds_ends_or_gives_them() {
    let (_world, folder) = made();
    let rows = table(&folder, "administration");
    let who = |event: &str| {
        let found = rows.iter().find(|row| row["event"] == event);
        found.map(|row| row["who"].clone()).unwrap_or_default()
    };
    assert_eq!(who("approval/granted"), "ana at https://id.example");
    assert_eq!(who("approval/grant-ended"), "uid 7");
    assert_eq!(who("approval/delegated"), "eve at https://id.example");
}
