//! Evidence: what stands in it, and that everything somebody could do to the folder shows.

#[path = "evidence/desk.rs"]
mod desk;
mod world;

use portcullis_gate::{EntryKind, StreamId};
use portcullis_journal::evidence::{Checked, EvidenceError, Framework, Wanted, export, verify};
use portcullis_model::{SessionId, Timestamp};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use world::{World, end, entry, session, signed, who};

const THEN: i64 = 1_790_000_000_000_000_000;

fn wanted() -> Wanted {
    Wanted {
        from: Timestamp(THEN - 1),
        until: Timestamp(THEN + 3_600_000_000_000),
    }
}

/// A record with everything in it, and the evidence of it.
fn made() -> (World, PathBuf) {
    let world = World::new();
    let journal = world.open();
    let snapshot = json!({"revision": "r2", "packs": [{"name": "team", "files": []}]});
    journal.node("policy-snapshot", &snapshot).expect("noted");
    let mut record = session(&journal, 1);
    let run = [
        entry(
            EntryKind::Refusal,
            json!({"denial": {"rule": "team/no-drop", "reason": "no"},
                "request": "DROP TABLE <script>alert(1)</script>\u{1b}[2J"})
            .to_string(),
        ),
        entry(
            EntryKind::Hold,
            json!({"id": "ap-1", "request": "DELETE FROM orders"}).to_string(),
        ),
        entry(
            EntryKind::Security,
            json!({"event": "tripwire", "detail": "a secret"}).to_string(),
        ),
    ];
    record.append(StreamId(0), &run).expect("appended");
    for (event, detail) in [
        (
            "approval/opened",
            json!({"id": "ap-1", "session": SessionId(1), "identity": who("ana"),
            "target": "orders", "requirements": [{"rule": "team/hold"}]}),
        ),
        (
            "approval/vote",
            json!({"id": "ap-1", "voter": who("bea"), "name": "Bea", "ballot": "approve",
            "reason": "=checked"}),
        ),
        ("approval/state", json!({"id": "ap-1", "to": "approved"})),
        (
            "reload",
            json!({"why": "uid 7", "ok": true, "detail": "d", "policy_revision": "r2", "signed_by": {"freeze": "ab12"}}),
        ),
        ("session_killed", json!({"uid": 7, "reason": "x"})),
    ] {
        journal.node(event, &detail).expect("noted");
    }
    record.append(StreamId(0), &[end()]).expect("ended");
    drop(record);
    drop(session(&journal, 2));
    signed(&journal);
    journal.close().expect("closed");
    let folder = world.dir.path().join("evidence");
    let written = export(
        &world.record(),
        &world.key(),
        &wanted(),
        Vec::new(),
        None,
        &folder,
        Timestamp(THEN),
    )
    .expect("written");
    assert!(written.entries > 8, "{written:?}");
    (world, folder)
}

/// The evidence of a record, which is whole.
fn exported(world: &World, framework: Option<&'static Framework>, name: &str) -> PathBuf {
    let folder = world.dir.path().join(name);
    export(
        &world.record(),
        &world.key(),
        &wanted(),
        Vec::new(),
        framework,
        &folder,
        Timestamp(THEN),
    )
    .expect("written");
    assert_eq!(checked(world, &folder).problems, [""; 0]);
    folder
}

fn checked(world: &World, folder: &Path) -> Checked {
    verify(folder, &world.public()).expect("readable")
}

fn table(folder: &std::path::Path, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(format!("{name}.json"))).expect("there");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn every_table_says_what_the_record_holds() {
    let (world, folder) = made();
    let found = checked(&world, &folder);
    assert_eq!(found.problems, [""; 0]);
    assert!(
        found.entries > 8 && found.files > 20 && found.checkpoints > 0,
        "{found:?}"
    );
    assert_eq!(table(&folder, "access")[0]["who"], "ana");
    assert_eq!(table(&folder, "access")[0]["sessions"], "2");
    assert_eq!(table(&folder, "sessions").len(), 2);
    let approvals = table(&folder, "approvals");
    assert_eq!(approvals[0]["kind"], "command");
    assert_eq!(approvals[0]["asked_for"], "DELETE FROM orders");
    assert!(
        approvals[0]["votes"]
            .as_str()
            .unwrap()
            .contains("approve by Bea (bea at https://id.example): =checked")
    );
    assert!(
        approvals[0]["state"]
            .as_str()
            .unwrap()
            .starts_with("approved at")
    );
    assert_eq!(table(&folder, "blocked")[0]["rule"], "team/no-drop");
    let change = &table(&folder, "policy_changes")[0];
    assert_eq!(change["author"], "uid 7");
    assert_eq!(change["signed_by"], "freeze by sha256:ab12");
    assert_eq!(table(&folder, "security")[0]["event"], "tripwire");
    let failures = table(&folder, "failures");
    assert!(
        failures
            .iter()
            .any(|row| row["what"] == "session interrupted")
    );
    let administration = table(&folder, "administration");
    assert!(
        administration
            .iter()
            .any(|row| row["event"] == "session_killed" && row["who"] == "uid 7")
    );
    let policy: Value =
        serde_json::from_slice(&fs::read(folder.join("policy.json")).unwrap()).unwrap();
    assert_eq!(policy["revision"], "r2");
    let page = fs::read_to_string(folder.join("report.html")).expect("there");
    assert!(
        !page.contains("<script") && !page.contains('\u{1b}') && page.contains("&lt;script&gt;")
    );
    let csv = fs::read_to_string(folder.join("blocked.csv")).expect("there");
    assert!(!csv.contains('\u{1b}'));
}

#[test]
fn a_time_without_entries_is_empty_and_whole() {
    let (world, _) = made();
    let folder = world.dir.path().join("nothing");
    let none = Wanted {
        from: Timestamp(1),
        until: Timestamp(2),
    };
    export(
        &world.record(),
        &world.key(),
        &none,
        Vec::new(),
        None,
        &folder,
        Timestamp(3),
    )
    .expect("written");
    assert_eq!(checked(&world, &folder).problems, [""; 0]);
    assert_eq!(table(&folder, "sessions"), [] as [Value; 0]);
    let again = export(
        &world.record(),
        &world.key(),
        &none,
        Vec::new(),
        None,
        &folder,
        Timestamp(3),
    );
    assert!(
        matches!(again, Err(EvidenceError::Folder(_))),
        "nothing is overwritten"
    );
    let backwards = Wanted {
        from: Timestamp(2),
        until: Timestamp(2),
    };
    let elsewhere = world.dir.path().join("elsewhere");
    let refused = export(
        &world.record(),
        &world.key(),
        &backwards,
        Vec::new(),
        None,
        &elsewhere,
        Timestamp(3),
    );
    assert!(matches!(refused, Err(EvidenceError::Time { .. })));
}

#[test]
fn any_altered_left_out_or_added_file_shows() {
    let (world, folder) = made();
    let names: Vec<String> = fs::read_dir(&folder)
        .expect("listed")
        .map(|file| {
            file.expect("there")
                .file_name()
                .into_string()
                .expect("plain")
        })
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in &names {
        let path = folder.join(name);
        let original = fs::read(&path).expect("read");
        for at in [0, original.len() / 2, original.len() - 1] {
            let mut bytes = original.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).expect("written");
            let found = verify(&folder, &world.public());
            assert!(
                found.is_err() || found.is_ok_and(|c| !c.problems.is_empty()),
                "{name} at {at}"
            );
        }
        fs::write(&path, &original[..original.len() - 1]).expect("written");
        let cut = verify(&folder, &world.public());
        assert!(cut.is_ok_and(|c| !c.problems.is_empty()), "{name} cut");
        fs::remove_file(&path).expect("removed");
        let gone = verify(&folder, &world.public());
        assert!(
            gone.is_err() || gone.is_ok_and(|c| !c.problems.is_empty()),
            "{name} left out"
        );
        fs::write(&path, original).expect("written");
    }
    assert_eq!(checked(&world, &folder).problems, [""; 0]);
    fs::write(folder.join("extra.csv"), "x").expect("written");
    assert_eq!(
        checked(&world, &folder).problems,
        ["extra.csv is not in the manifest"]
    );
}

#[test]
fn a_folder_signed_anew_by_somebody_else_does_not_pass() {
    let (_world, folder) = made();
    let other = World::new();
    let found = verify(&folder, &other.public()).expect("readable");
    assert_eq!(found.problems, ["the manifest is not signed by this key"]);
}

#[test]
fn a_framework_leads_from_its_controls_to_the_tables_and_claims_nothing() {
    let (world, _folder) = made();
    let soc2 = Framework::named("soc2");
    assert!(soc2.is_some());
    let folder = exported(&world, soc2, "soc2");
    let controls = table(&folder, "controls");
    let of = |id: &str| {
        let found = controls.iter().find(|row| row["control"] == id);
        found.unwrap_or_else(|| panic!("{id} is there"))
    };
    assert_eq!(
        of("soc2 CC6.1")["tables"],
        "access (1), sessions (2), blocked (1)"
    );
    assert!(of("soc2 CC7.2")["beside"].as_str().unwrap().len() > 10);
    let page = fs::read_to_string(folder.join("report.html")).expect("a page");
    for text in [
        "Where to look, by control",
        "no statement that a control is met",
        "SOC 2, Trust Services Criteria",
        "soc2 CC6.3",
    ] {
        assert!(page.contains(text), "{text}");
    }
    // It is proved as the rest is, and is not there where nobody asked for it.
    fs::write(folder.join("controls.csv"), "control\n").expect("written");
    let found = checked(&world, &folder).problems;
    assert!(
        found.iter().any(|what| what.contains("controls.csv")),
        "{found:?}"
    );
    let (world, plain) = made();
    assert!(!plain.join("controls.csv").exists());
    drop(world);
}
