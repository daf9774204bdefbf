//! What was done before: counted, shown to policy, and bounded.

use super::fakes::{Fakes, NOW, query};
use super::{allow, context, denial, hold, row};
use crate::{Ruling, Unreleased};
use portcullis_model::{
    Budget, Counted, Denial, Effect, Obligations, Per, RowShape, Timestamp, Verdict,
};
use std::sync::Arc;

fn budget(per: Per, what: Counted, max: u64) -> Obligations {
    Obligations {
        budgets: vec![Budget { per, what, max }],
        ..Obligations::none()
    }
}

fn later(minutes: i64) -> Timestamp {
    Timestamp(NOW.0 + minutes * 60_000_000_000)
}

#[tokio::test]
async fn policy_is_told_what_session_and_identity_did() {
    let fakes = Fakes::new(allow());
    let (mut first, mut second) = (fakes.gate(), fakes.gate());
    let _ = first.judge(query("SELECT 1"), &context(), NOW).await;
    fakes.floor(Effect::Write);
    let _ = first
        .judge(query("UPDATE t SET a = 1"), &context(), NOW)
        .await;
    fakes.answer(Verdict::Deny(Denial::new("test/deny", "no")));
    let _ = first.judge(query("SELECT 2"), &context(), NOW).await;
    let _ = second.judge(query("SELECT 3"), &context(), NOW).await;
    let past = fakes.past().expect("policy was asked");
    assert_eq!((past.session.commands, past.session.denied), (1, 0));
    assert_eq!((past.hour.sessions, past.hour.commands), (2, 4));
    assert_eq!((past.hour.denied, past.hour.effects.write), (1, 1));
    assert_eq!(past.hour.effects.read, 1);
}

#[tokio::test]
async fn an_hour_of_one_identity_bounds_all_its_sessions() {
    let fakes = Fakes::new(allow());
    fakes.oblige(budget(Per::IdentityHour, Counted::Statements, 2));
    let (mut first, mut second) = (fakes.gate(), fakes.gate());
    for gate in [&mut first, &mut second] {
        let ruling = gate.judge(query("SELECT 1"), &context(), NOW).await;
        assert!(matches!(ruling, Ruling::Allow(_)));
    }
    let third = second.judge(query("SELECT 1"), &context(), later(30)).await;
    let told = denial(&third);
    assert_eq!(told.rule, "obligation/budget");
    assert_eq!(told.retry_after, Some(300));
    let after = second
        .judge(query("SELECT 1"), &context(), later(120))
        .await;
    assert!(matches!(after, Ruling::Allow(_)));
}

#[tokio::test]
async fn a_batch_over_the_budget_is_not_released() {
    let shape = Arc::new(RowShape {
        serial: 1,
        columns: Vec::new(),
    });
    for what in [Counted::Rows, Counted::Bytes] {
        let fakes = Fakes::new(allow());
        let max = if what == Counted::Rows { 2 } else { 3 };
        fakes.grant(budget(Per::Session, what, max));
        let mut gate = fakes.gate();
        for _ in 0..2 {
            assert!(gate.release(vec![row("r", &shape)], NOW).await.is_ok());
            gate.begin_result();
        }
        let before = fakes.entries();
        let third = gate.release(vec![row("rr", &shape)], NOW).await;
        assert!(matches!(third, Err(Unreleased::Budget(d)) if d.rule == "obligation/budget"));
        assert_eq!(fakes.entries(), before);
    }
}

#[tokio::test]
async fn an_approval_that_wants_a_ticket_is_not_asked_for_without_one() {
    let Verdict::Hold(mut requirements) = hold() else {
        panic!("a hold is due")
    };
    requirements[0].ticket = true;
    let fakes = Fakes::new(Verdict::Hold(requirements));
    let mut gate = fakes.gate();
    let bare = gate.judge(query("DROP TABLE t"), &context(), NOW).await;
    assert_eq!(denial(&bare).rule, "approval/ticket");
    let mut named = context();
    named
        .settings
        .insert("portcullis.ticket".to_owned(), Some("OPS-12".to_owned()));
    let Ruling::Hold(mut held) = gate.judge(query("DROP TABLE t"), &named, NOW).await else {
        panic!("a hold is due")
    };
    let shown = gate.hold_request(&mut held, &named);
    assert_eq!(shown.ticket.as_deref(), Some("OPS-12"));
}

#[tokio::test]
async fn whoever_is_refused_again_and_again_has_to_wait() {
    let fakes = Fakes::new(Verdict::Deny(Denial::new("test/deny", "no")));
    fakes.oblige(budget(Per::IdentityHour, Counted::Denials, 2));
    let mut gate = fakes.gate();
    for _ in 0..3 {
        let ruling = gate.judge(query("SELECT 1"), &context(), NOW).await;
        assert_eq!(denial(&ruling).rule, "test/deny");
    }
    fakes.answer(allow());
    let ruling = gate.judge(query("SELECT 1"), &context(), NOW).await;
    assert_eq!(denial(&ruling).rule, "obligation/budget");
}
