//! The order of things, with fakes at every seam: what fails denies, what is not recorded does not move,
//! what was approved is what runs.

mod budgets;
mod by_facts;
mod fakes;
mod leaks;
mod stand_ins;
mod streams;

use crate::{Answer, EntryKind, Outgoing, Ruling, Unreleased};
use bytes::Bytes;
use fakes::{Fakes, NOW, query, upload};
use portcullis_model::message::{Context, Message, Transaction};
use portcullis_model::{
    Batch, BatchKind, Cell, Class, Denial, Edits, Effect, Fault, Obligations, Requirement,
    RowShape, Verdict,
};
use std::sync::Arc;

fn context() -> Context {
    Context::new()
}

fn allow() -> Verdict {
    Verdict::Allow {
        rule: "test/allow".to_owned(),
    }
}

fn hold() -> Verdict {
    Verdict::Hold(vec![Requirement {
        rule: "test/hold".to_owned(),
        msg: "two keys".to_owned(),
        approver_groups: vec!["dba".to_owned()],
        approvers: 1,
        ttl: std::time::Duration::from_secs(60),
        execution_ttl: std::time::Duration::from_secs(60),
        defer: false,
        in_transaction: false,
        ticket: false,
        terms: portcullis_model::Terms::default(),
    }])
}

fn denial(ruling: &Ruling) -> &Denial {
    match ruling {
        Ruling::Deny(denied) => denied.denial(),
        other => panic!("a denial is due, not {other:?}"),
    }
}

#[tokio::test]
async fn an_allowed_statement_is_recorded_before_its_permit() {
    let fakes = Fakes::new(allow());
    let mut gate = fakes.gate();
    let Ruling::Allow(allowed) = gate.judge(query("SELECT 1"), &context(), NOW).await else {
        panic!("an allow is due")
    };
    let before = fakes.entries();
    let permit = gate
        .commit(vec![allowed], &context(), NOW)
        .await
        .expect("a permit");
    assert!(fakes.entries() > before);
    assert_eq!(permit.into_frames(), [Bytes::from_static(b"SELECT 1")]);
}

#[tokio::test]
async fn a_dead_journal_yields_no_permit_no_refusal_no_release() {
    let fakes = Fakes::new(allow());
    let mut gate = fakes.gate();
    let Ruling::Allow(allowed) = gate.judge(query("SELECT 1"), &context(), NOW).await else {
        panic!("an allow is due")
    };
    fakes.kill_journal();
    assert!(gate.commit(vec![allowed], &context(), NOW).await.is_err());
    assert!(
        gate.release(vec![Outgoing::Control(Bytes::new())], NOW)
            .await
            .is_err()
    );
    assert!(gate.house(crate::House::Sync, Bytes::new(), NOW).is_err());
    fakes.answer(Verdict::Deny(Denial::new("test/deny", "no")));
    let Ruling::Deny(denied) = gate.judge(query("SELECT 2"), &context(), NOW).await else {
        panic!("a denial is due")
    };
    assert!(gate.reject(denied, NOW, |_, _| Vec::new()).is_err());
}

#[tokio::test]
async fn whatever_fails_denies_and_says_nothing_of_the_inside() {
    for (part, rule) in [
        ("examine", "fault/gateway"),
        ("classify", "fault/plugin"),
        ("decide", "fault/policy"),
    ] {
        let fakes = Fakes::new(allow());
        fakes.fail(part);
        let ruling = fakes.gate().judge(query("SELECT 1"), &context(), NOW).await;
        let denial = denial(&ruling);
        assert_eq!(denial.rule, rule);
        assert!(!denial.reason.contains("inside"), "{}", denial.reason);
    }
}

#[tokio::test]
async fn a_message_that_no_classifier_wants_is_unknown() {
    let fakes = Fakes::new(allow());
    fakes.no_classifier();
    let _ = fakes.gate().judge(query("SELECT 1"), &context(), NOW).await;
    assert_eq!(fakes.last_class().map(|c| c.effect), Some(Effect::Unknown));
}

#[tokio::test]
async fn no_plugin_lowers_the_floor() {
    let fakes = Fakes::new(allow());
    fakes.floor(Effect::Destroy);
    fakes.opinion(Class::nothing());
    let _ = fakes
        .gate()
        .judge(query("DROP TABLE t"), &context(), NOW)
        .await;
    assert_eq!(fakes.last_class().map(|c| c.effect), Some(Effect::Destroy));
}

#[tokio::test]
async fn a_masked_value_is_never_written_back() {
    let fakes = Fakes::new(allow());
    let mut gate = fakes.gate();
    let sql = "UPDATE t SET email = '[pc-masked:email]'";
    assert_eq!(
        denial(&gate.judge(query(sql), &context(), NOW).await).rule,
        "portcullis/mask-marker"
    );
    for cut in 1..10 {
        let mut gate = fakes.gate();
        let (head, tail) = "x [pc-masked:email] y".split_at(2 + cut);
        let first = gate.judge(upload(head), &context(), NOW).await;
        let second = gate.judge(upload(tail), &context(), NOW).await;
        let denied = [&first, &second]
            .iter()
            .any(|r| matches!(r, Ruling::Deny(_)));
        assert!(denied, "a marker cut after {cut} bytes");
    }
}

#[tokio::test]
async fn what_was_approved_is_what_runs() {
    let fakes = Fakes::new(hold());
    let mut gate = fakes.gate();
    let Ruling::Hold(mut held) = gate.judge(query("DELETE FROM t"), &context(), NOW).await else {
        panic!("a hold is due")
    };
    let request = gate.hold_request(&mut held, &context());
    assert_eq!(request.shown, "DELETE FROM t");
    gate.note_hold(&held, "ap-1", NOW).expect("recorded");
    let answer = Answer::Approve {
        id: "ap-1".to_owned(),
        by: Vec::new(),
    };
    let Ruling::Allow(allowed) = gate
        .resolve(held, answer, &context(), NOW)
        .await
        .expect("recorded")
    else {
        panic!("an allow is due")
    };
    let permit = gate
        .commit(vec![allowed], &context(), NOW)
        .await
        .expect("a permit");
    assert_eq!(permit.into_frames(), [Bytes::from_static(b"DELETE FROM t")]);
    assert!(fakes.waited(), "an approval waits for stable storage");
}

#[tokio::test]
async fn a_vote_is_void_when_the_state_or_the_policy_changes() {
    let changed = Context {
        search_path: Some("evil".to_owned()),
        ..context()
    };
    for (now, verdict) in [(changed, hold()), (context(), hold_by("test/other"))] {
        let fakes = Fakes::new(hold());
        let mut gate = fakes.gate();
        let Ruling::Hold(mut held) = gate.judge(query("DELETE FROM t"), &context(), NOW).await
        else {
            panic!("a hold is due")
        };
        let _ = gate.hold_request(&mut held, &context());
        fakes.answer(verdict);
        let answer = Answer::Approve {
            id: "ap-1".to_owned(),
            by: Vec::new(),
        };
        let ruling = gate
            .resolve(held, answer, &now, NOW)
            .await
            .expect("recorded");
        assert_eq!(denial(&ruling).rule, "approval/void");
    }
}

fn hold_by(rule: &str) -> Verdict {
    match hold() {
        Verdict::Hold(mut all) => {
            all.iter_mut().for_each(|r| r.rule = rule.to_owned());
            Verdict::Hold(all)
        }
        other => other,
    }
}

#[tokio::test]
async fn approvals_bind_to_text_and_parameters() {
    let fakes = Fakes::new(hold());
    let mut gate = fakes.gate();
    let mut bindings = Vec::new();
    for sql in ["DELETE FROM a", "DELETE FROM b"] {
        match gate.judge(query(sql), &context(), NOW).await {
            Ruling::Hold(held) => bindings.push(held.binding()),
            other => panic!("a hold is due, not {other:?}"),
        }
    }
    assert_ne!(bindings.first(), bindings.last());
}

#[tokio::test]
async fn a_write_waits_for_stable_storage_and_a_read_does_not() {
    for (effect, transaction, waits) in [
        (Effect::Read, Transaction::Idle, false),
        (Effect::Write, Transaction::Idle, true),
        (Effect::Write, Transaction::Open, false),
        (Effect::Unknown, Transaction::Idle, true),
    ] {
        let fakes = Fakes::new(allow());
        fakes.floor(effect);
        let mut gate = fakes.gate();
        let state = Context {
            transaction,
            ..context()
        };
        let Ruling::Allow(allowed) = gate.judge(query("x"), &state, NOW).await else {
            panic!("an allow is due")
        };
        let _permit = gate
            .commit(vec![allowed], &state, NOW)
            .await
            .expect("a permit");
        assert_eq!(fakes.waited(), waits, "{effect:?} in {transaction:?}");
    }
}

struct Constant(&'static [u8]);

impl crate::Rewrite for Constant {
    fn rewrite(self: Box<Self>, _: &Batch, _: &Edits) -> Result<Bytes, Fault> {
        Ok(Bytes::from_static(self.0))
    }
}

fn row(text: &'static str, shape: &Arc<RowShape>) -> Outgoing {
    Outgoing::Values {
        batch: Batch {
            kind: BatchKind::Rows,
            shape: shape.clone(),
            text: Bytes::from_static(text.as_bytes()),
            cells: vec![Cell {
                column: 0,
                start: 0,
                end: u32::try_from(text.len()).expect("short"),
            }],
            rows: 1,
            wire: Bytes::from_static(text.as_bytes()),
        },
        rewrite: Box::new(Constant(b"masked")),
        facts: None,
        obligations: None,
    }
}

#[tokio::test]
async fn small_frames_that_go_out_together_are_one_entry() {
    let fakes = Fakes::new(allow());
    let mut gate = fakes.gate();
    let shape = Arc::new(RowShape {
        serial: 1,
        columns: Vec::new(),
    });
    let control = |bytes: usize| Outgoing::Control(Bytes::from(vec![b'C'; bytes]));
    for (parts, entries) in [
        (vec![control(9), row("r", &shape), control(9)], 1),
        (vec![control(4000), control(4000)], 2),
    ] {
        let count = parts.len();
        let before = fakes.entries();
        let release = gate.release(parts, NOW).await.expect("a release");
        assert_eq!(fakes.entries() - before, entries);
        assert_eq!(release.into_frames().len(), count);
    }
}

#[tokio::test]
async fn a_secret_of_ours_is_masked_and_the_second_ends_the_session() {
    let fakes = Fakes::new(allow());
    fakes.secret("hunter2");
    let mut gate = fakes.gate();
    let shape = Arc::new(RowShape {
        serial: 1,
        columns: Vec::new(),
    });
    let release = gate
        .release(vec![row("x hunter2", &shape)], NOW)
        .await
        .expect("a release");
    let told = || {
        let security = fakes.kinds().into_iter().filter_map(|(_, kind, payload)| {
            let text = String::from_utf8_lossy(&payload).into_owned();
            (kind == EntryKind::Security).then_some(text)
        });
        security
            .filter(|text| text.contains("tripwire") && !text.contains("hunter2"))
            .count()
    };
    assert_eq!(release.into_frames(), [Bytes::from_static(b"masked")]);
    assert_eq!(told(), 1, "{:?}", fakes.kinds());
    let second = gate.release(vec![row("y hunter2", &shape)], NOW).await;
    assert!(matches!(second, Err(Unreleased::Fault(_))));
    assert_eq!(told(), 2, "{:?}", fakes.kinds());
}

#[tokio::test]
async fn a_row_limit_ends_the_result() {
    let fakes = Fakes::new(allow());
    let mut granted = Obligations::none();
    granted.row_limit = Some(2);
    fakes.grant(granted);
    let mut gate = fakes.gate();
    let shape = Arc::new(RowShape {
        serial: 1,
        columns: Vec::new(),
    });
    for _ in 0..2 {
        let _release = gate
            .release(vec![row("r", &shape)], NOW)
            .await
            .expect("within the limit");
    }
    let third = gate.release(vec![row("r", &shape)], NOW).await;
    assert!(matches!(third, Err(Unreleased::Budget(d)) if d.rule == "obligation/row-limit"));
    gate.begin_result();
    assert!(gate.release(vec![row("r", &shape)], NOW).await.is_ok());
}

#[tokio::test]
async fn control_messages_pass_and_are_recorded() {
    let fakes = Fakes::new(Verdict::Deny(Denial::new("test/deny", "no")));
    let mut gate = fakes.gate();
    let sync = Message {
        body: portcullis_model::message::Body::Control("sync"),
        wire: Bytes::from_static(b"S"),
    };
    let Ruling::Allow(allowed) = gate.judge(sync, &context(), NOW).await else {
        panic!("an allow is due")
    };
    let before = fakes.entries();
    let _permit = gate
        .commit(vec![allowed], &context(), NOW)
        .await
        .expect("a permit");
    assert_eq!(fakes.entries(), before + 1);
}
