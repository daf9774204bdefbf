//! Sessions of several streams, and commands that are no SQL.

use super::fakes::{Fakes, NOW, exec, query};
use super::*;
use crate::{EntryKind, Gate, Lane, Next, Outgoing, Reader, Ruling, StreamId, Unreleased};
use bytes::Bytes;
use portcullis_model::message::{Body, Message};
use portcullis_model::verdict::EntityRule;
use portcullis_model::{Class, Effect, Obligations, Strategy, Subject};
use serde_json::json;

const SHELL: (Lane, Reader) = (Lane::Output, Reader::Program);

async fn open(gate: &Gate) -> Gate {
    gate.gates().open(&json!("exec"), NOW).await.expect("opens")
}

fn masking() -> Obligations {
    let mut granted = Obligations::none();
    granted.entities.insert(EntityRule {
        entity: "EMAIL".to_owned(),
        strategy: Strategy::Redact,
    });
    granted
}

#[tokio::test]
async fn a_command_that_no_classifier_knows_is_unknown() {
    let fakes = Fakes::new(allow());
    let mut gate = fakes.gate();
    fakes.no_classifier();
    let _ = gate.judge(exec("ls -l", None), &Context::new(), NOW).await;
    assert_eq!(fakes.last_class().unwrap().effect, Effect::Unknown);
    let Some(Subject::Shell(shell)) = fakes.subject() else {
        panic!("policy is told the parts");
    };
    assert_eq!(shell.argv, ["ls", "-l"]);
}

#[tokio::test]
async fn what_the_protocol_knows_is_a_floor() {
    let fakes = Fakes::new(allow());
    let mut gate = fakes.gate();
    fakes.no_classifier();
    let mut known = Class::nothing();
    known.effect = Effect::Write;
    let message = exec("shell", Some(known));
    let _ = gate.judge(message.clone(), &Context::new(), NOW).await;
    assert_eq!(fakes.last_class().unwrap().effect, Effect::Write);
    let mut worse = Class::nothing();
    worse.effect = Effect::Escalate;
    fakes.opinion(worse);
    let _ = gate.judge(message.clone(), &Context::new(), NOW).await;
    assert_eq!(fakes.last_class().unwrap().effect, Effect::Escalate);
    fakes.opinion(Class::nothing());
    let _ = gate.judge(message, &Context::new(), NOW).await;
    assert_eq!(fakes.last_class().unwrap().effect, Effect::Write);
}

#[tokio::test]
async fn an_allowed_command_is_recorded_before_it_goes() {
    let fakes = Fakes::new(allow());
    let gate = fakes.gate();
    let mut channel = open(&gate).await;
    let Ruling::Allow(allowed) = channel.judge(exec("ls", None), &Context::new(), NOW).await else {
        panic!("allowed");
    };
    let permit = channel.commit(vec![allowed], &Context::new(), NOW).await;
    let permit = permit.expect("recorded");
    assert_eq!(permit.into_frames(), [Bytes::from_static(b"ls")]);
    let kinds: Vec<_> = fakes.kinds().into_iter().map(|(s, k, _)| (s, k)).collect();
    assert_eq!(
        kinds,
        [
            (StreamId(0), EntryKind::Admit),
            (StreamId(1), EntryKind::Opened),
            (StreamId(1), EntryKind::Decision),
            (StreamId(1), EntryKind::Request),
        ]
    );
}

#[tokio::test]
async fn streams_have_numbers_and_share_what_was_done() {
    let fakes = Fakes::new(allow());
    let gate = fakes.gate();
    let (mut one, two) = (open(&gate).await, open(&gate).await);
    assert_eq!((one.stream(), two.stream()), (StreamId(1), StreamId(2)));
    let _ = one.judge(exec("ls", None), &Context::new(), NOW).await;
    assert_eq!(two.history().session.commands, 1);
    assert_eq!(gate.history().session.commands, 1);
    two.close(&json!({"exit": 0}), NOW).expect("recorded");
    let (stream, kind, payload) = fakes.kinds().pop().unwrap();
    assert_eq!((stream, kind), (StreamId(2), EntryKind::Closed));
    assert_eq!(payload, "{\"exit\":0}");
}

#[tokio::test]
async fn no_gate_of_a_session_moves_anything_after_its_end() {
    let fakes = Fakes::new(allow());
    let gate = fakes.gate();
    let gates = gate.gates();
    let mut channel = open(&gate).await;
    gate.finish("done", NOW).expect("sealed");
    assert!(channel.security("late", "x", NOW).is_err());
    let Ruling::Allow(allowed) = channel.judge(exec("ls", None), &Context::new(), NOW).await else {
        panic!("judged");
    };
    let late = channel.commit(vec![allowed], &Context::new(), NOW).await;
    assert!(late.is_err());
    assert!(gates.open(&json!("exec"), NOW).await.is_err());
    assert_eq!(fakes.kinds().pop().unwrap().1, EntryKind::End);
}

#[tokio::test]
async fn a_further_stream_ends_without_ending_the_session() {
    let fakes = Fakes::new(allow());
    let mut gate = fakes.gate();
    let channel = open(&gate).await;
    channel.finish("client left", NOW).expect("recorded");
    assert_eq!(fakes.kinds().pop().unwrap().1, EntryKind::Closed);
    gate.security("still", "open", NOW).expect("recorded");
}

#[tokio::test]
async fn without_plugins_there_is_no_stream() {
    let fakes = Fakes::new(allow());
    let gate = fakes.gate();
    fakes.fail("plugins");
    assert!(gate.gates().open(&json!("exec"), NOW).await.is_err());
}

#[tokio::test]
async fn pieces_are_held_masked_and_recorded_as_released() {
    let fakes = Fakes::new(allow());
    let mut gate = fakes.gate();
    let held = gate
        .release_piece(SHELL, b"hel", Next::Open, None, NOW)
        .await;
    assert!(held.unwrap().into_frames().is_empty());
    assert_eq!(gate.held_back(Lane::Output), 3);
    assert_eq!(gate.held_back(Lane::Diagnostic), 0);
    let gone = gate.release_piece(SHELL, b"lo", Next::End, None, NOW).await;
    assert_eq!(gone.unwrap().into_frames(), [Bytes::from_static(b"hello")]);
    let (_, kind, payload) = fakes.kinds().pop().unwrap();
    assert_eq!((kind, &payload[..]), (EntryKind::Release, &b"hello"[..]));
    let stderr = (Lane::Diagnostic, Reader::Program);
    let gone = gate
        .release_piece(stderr, b"oops", Next::End, None, NOW)
        .await;
    assert_eq!(gone.unwrap().into_frames(), [Bytes::from_static(b"oops")]);
    assert_eq!(fakes.kinds().pop().unwrap().1, EntryKind::Diagnostic);
    assert_eq!(gate.history().session.bytes, 9);
}

#[tokio::test]
async fn the_second_secret_ends_whichever_stream_it_stands_in() {
    let fakes = Fakes::new(allow());
    fakes.secret("hunter2");
    let gate = fakes.gate();
    let (mut one, mut two) = (open(&gate).await, open(&gate).await);
    let first = one
        .release_piece(SHELL, b"hunter2", Next::End, None, NOW)
        .await;
    assert!(first.is_ok() && !gate.betrayed());
    let second = two
        .release_piece(SHELL, b"hunter2", Next::End, None, NOW)
        .await;
    assert!(matches!(second, Err(Unreleased::Fault(_))));
    assert!(gate.betrayed() && one.betrayed());
}

#[tokio::test]
async fn a_byte_budget_holds_for_streams() {
    let fakes = Fakes::new(allow());
    let mut granted = Obligations::none();
    granted.byte_limit = Some(4);
    fakes.grant(granted);
    let gate = fakes.gate();
    let mut one = open(&gate).await;
    assert!(
        one.release_piece(SHELL, b"1234", Next::End, None, NOW)
            .await
            .is_ok()
    );
    let over = one.release_piece(SHELL, b"5", Next::End, None, NOW).await;
    assert!(matches!(over, Err(Unreleased::Budget(_))));
}

#[tokio::test]
async fn what_cannot_be_masked_needs_a_word_of_policy_where_masks_apply() {
    let fakes = Fakes::new(allow());
    fakes.grant(masking());
    let mut gate = fakes.gate();
    let denial = gate.let_unread("scp", None).unwrap_err();
    assert_eq!(denial.rule, "portcullis/opaque");
    let part = || Outgoing::Unread {
        stream: "scp",
        wire: Bytes::from_static(b"x"),
    };
    assert!(gate.release(vec![part()], NOW).await.is_err());

    let mut granted = masking();
    granted.opaque.insert("scp".to_owned());
    fakes.grant(granted);
    let mut gate = fakes.gate();
    assert!(
        gate.release(vec![part()], NOW).await.is_err(),
        "not let yet"
    );
    gate.let_unread("scp", None).expect("named");
    assert!(gate.let_unread("git", None).is_err(), "another name");
    assert!(gate.release(vec![part()], NOW).await.is_ok());
}

#[tokio::test]
async fn an_unread_upload_passes_only_once_let() {
    let fakes = Fakes::new(allow());
    let mut gate = fakes.gate();
    let part = || Message {
        body: Body::Opaque {
            stream: "forward",
            bytes: Bytes::from_static(b"\x00\xff"),
        },
        wire: Bytes::from_static(b"\x00\xff"),
    };
    let ruling = gate.judge(part(), &Context::new(), NOW).await;
    assert!(matches!(ruling, Ruling::Deny(_)));
    gate.let_unread("forward", None).expect("no masks");
    let Ruling::Allow(allowed) = gate.judge(part(), &Context::new(), NOW).await else {
        panic!("let");
    };
    let permit = gate.commit(vec![allowed], &Context::new(), NOW).await;
    assert_eq!(
        permit.unwrap().into_frames(),
        [Bytes::from_static(b"\x00\xff")]
    );
    let (_, kind, payload) = fakes.kinds().pop().unwrap();
    assert_eq!((kind, &payload[..]), (EntryKind::Upload, &b"\x00\xff"[..]));
}

#[tokio::test]
async fn votes_are_bound_to_the_bytes_and_to_what_else_a_command_depends_on() {
    let fakes = Fakes::new(hold());
    let mut gate = fakes.gate();
    let mut binding = async |message: Message| match gate.judge(message, &Context::new(), NOW).await
    {
        Ruling::Hold(held) => held.binding(),
        other => panic!("held, not {other:?}"),
    };
    let plain = binding(exec("deploy", None)).await;
    assert_eq!(plain, binding(exec("deploy", None)).await);
    let mut with = exec("deploy", None);
    let Body::Command(command) = &mut with.body else {
        panic!("a command");
    };
    command.bound = Bytes::from_static(b"LANG=C");
    assert_ne!(plain, binding(with).await);
    assert_ne!(plain, binding(query("deploy")).await);
}
