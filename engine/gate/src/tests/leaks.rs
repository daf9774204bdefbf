//! Secrets of the gateway's own in requests: told in the record, and not written down there.

use super::fakes::{Fakes, NOW, exec, query, upload};
use super::*;
use crate::{EntryKind, Gate};
use portcullis_model::message::{Body, Parameter};
use portcullis_model::{Call, CallBody, Subject};

const SECRET: &str = "K7vQ9wZ2xR4tB8nM";

fn fakes() -> Fakes {
    let fakes = Fakes::new(allow());
    fakes.secret(SECRET);
    fakes
}

/// How many events there are, with the proof that the record never holds the secret.
fn told(fakes: &Fakes) -> usize {
    let kinds = fakes.kinds();
    for (_, kind, payload) in &kinds {
        let text = String::from_utf8_lossy(payload);
        assert!(!text.contains(SECRET), "{kind:?}: {text}");
    }
    let told = |(_, kind, payload): &(_, EntryKind, Bytes)| {
        *kind == EntryKind::Security
            && String::from_utf8_lossy(payload).contains("tripwire-request")
    };
    kinds.iter().filter(|entry| told(entry)).count()
}

async fn send(gate: &mut Gate, message: Message) {
    match gate.judge(message, &context(), NOW).await {
        Ruling::Allow(allowed) => {
            let permit = gate.commit(vec![allowed], &context(), NOW).await;
            drop(permit.expect("recorded"));
        }
        other => panic!("it is told, not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_secret_of_ours_in_a_statement_is_told_and_masked_in_the_record() {
    let fakes = fakes();
    let mut gate = fakes.gate();
    send(&mut gate, query("SELECT 1")).await;
    assert_eq!(told(&fakes), 0);
    send(&mut gate, query("SELECT 'K7vQ9wZ2xR4tB8nM'")).await;
    assert_eq!(told(&fakes), 1);
    let (_, kind, payload) = fakes.kinds().pop().unwrap();
    let text = String::from_utf8_lossy(&payload).into_owned();
    assert_eq!(kind, EntryKind::Request);
    assert!(text.contains("[pc-masked:tripwire]"), "{text}");
}

#[tokio::test]
async fn a_text_that_was_known_before_the_secret_was_is_masked_too() {
    let fakes = Fakes::new(allow());
    let mut gate = fakes.gate();
    send(&mut gate, query("SELECT 'K7vQ9wZ2xR4tB8nM'")).await;
    let before = fakes.kinds().len();
    fakes.secret(SECRET);
    send(&mut gate, query("SELECT 'K7vQ9wZ2xR4tB8nM'")).await;
    for (_, _, payload) in fakes.kinds().into_iter().skip(before) {
        assert!(!String::from_utf8_lossy(&payload).contains(SECRET));
    }
}

#[tokio::test]
async fn parameters_commands_and_streams_are_looked_through() {
    let fakes = fakes();
    let mut gate = fakes.gate();
    let mut bind = query("SELECT $1");
    let Body::Statement(statement) = &mut bind.body else {
        panic!("a statement")
    };
    statement.parameters.push(Parameter {
        type_oid: 25,
        value: Some(Bytes::from_static(SECRET.as_bytes())),
        opaque: false,
    });
    send(&mut gate, bind).await;
    assert_eq!(told(&fakes), 1);
    send(&mut gate, exec("curl -H K7vQ9wZ2xR4tB8nM", None)).await;
    assert_eq!(told(&fakes), 2);
    send(&mut gate, upload("1\tK7vQ9wZ2xR4tB8nM\n")).await;
    assert_eq!(told(&fakes), 3);
}

/// A request to an API server; `text` is what of it is judged, and stands in the record beside its parts.
fn call(text: &'static str, call: Call) -> Message {
    let mut message = exec(text, None);
    let Body::Command(command) = &mut message.body else {
        panic!("a command")
    };
    command.subject = Subject::Call(Box::new(call));
    message
}

#[tokio::test]
async fn every_part_of_a_call_that_policies_read_is_masked_in_the_record() {
    let parts: [fn(&mut Call) -> &mut Option<String>; 9] = [
        |call| &mut call.path,
        |call| &mut call.resource,
        |call| &mut call.subresource,
        |call| &mut call.namespace,
        |call| &mut call.name,
        |call| &mut call.label_selector,
        |call| &mut call.field_selector,
        |call| &mut call.content_type,
        |call| &mut call.container,
    ];
    let names: [fn(&mut Call) -> &mut String; 2] =
        [|call| &mut call.group, |call| &mut call.version];
    let plain = || Call {
        verb: "get".to_owned(),
        path: None,
        group: String::new(),
        version: "v1".to_owned(),
        resource: Some("pods".to_owned()),
        subresource: None,
        namespace: None,
        name: None,
        label_selector: None,
        field_selector: None,
        dry_run: false,
        content_type: None,
        command: Vec::new(),
        container: None,
        stdin: false,
        tty: false,
        ports: Vec::new(),
        body: CallBody::None,
    };
    let mut calls = Vec::new();
    for part in parts {
        let mut one = plain();
        *part(&mut one) = Some(format!("a{SECRET}z"));
        calls.push(one);
    }
    for name in names {
        let mut one = plain();
        *name(&mut one) = format!("a{SECRET}z");
        calls.push(one);
    }
    for one in calls {
        let fakes = fakes();
        let mut gate = fakes.gate();
        let shown = format!("{one:?}");
        // The text of the call is another one: what is masked here are the parts beside it.
        send(&mut gate, call("GET /x", one)).await;
        told(&fakes);
        let asked = format!("{:?}", fakes.subject().expect("policy was asked"));
        assert!(
            asked.contains("[pc-masked:tripwire]") && !asked.contains(SECRET),
            "{shown}: {asked}"
        );
    }
}

#[tokio::test]
async fn a_secret_in_pieces_is_told_once() {
    let fakes = fakes();
    let mut gate = fakes.gate();
    for cut in 1..SECRET.len() {
        let (head, tail) = SECRET.split_at(cut);
        send(&mut gate, upload(&format!("before {head}"))).await;
        assert_eq!(told(&fakes), cut - 1, "{cut}");
        send(&mut gate, upload(&format!("{tail} and after, at length"))).await;
        assert_eq!(told(&fakes), cut, "{cut}");
    }
}

#[tokio::test]
async fn without_a_record_of_the_leak_nothing_is_sent() {
    let fakes = fakes();
    let mut gate = fakes.gate();
    fakes.kill_journal();
    let ruling = gate
        .judge(upload("K7vQ9wZ2xR4tB8nM"), &context(), NOW)
        .await;
    assert_eq!(denial(&ruling).rule, "fault/journal");
}

#[tokio::test]
async fn what_is_said_of_a_request_does_not_repeat_it_in_the_record() {
    let fakes = fakes();
    let mut gate = fakes.gate();
    let mut opinion = Class::nothing();
    opinion.labels.insert(SECRET.into());
    fakes.opinion(opinion);
    send(&mut gate, exec("cat K7vQ9wZ2xR4tB8nM", None)).await;
    assert_eq!(told(&fakes), 1);
    let because = Denial::new("test/no", format!("`{SECRET}` is no file"));
    fakes.answer(Verdict::Deny(because));
    let message = exec("cat K7vQ9wZ2xR4tB8nM", None);
    let Ruling::Deny(denied) = gate.judge(message, &context(), NOW).await else {
        panic!("a denial is due");
    };
    let _refusal = gate
        .reject(denied, NOW, |_, _| Vec::new())
        .expect("recorded");
    assert_eq!(told(&fakes), 2);
}
