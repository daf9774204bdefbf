//! Plugins that mean harm, or are broken: every row of the failure table. Whatever they do, the answer is a
//! fault, the next stream is not harmed, and nothing passes.

mod guests;

use guests::*;
use portcullis_gate::{Classify, Mask};
use portcullis_model::{Blame, Fault, Protocol, Stage, Strategy};
use portcullis_sandbox::{Failure, PluginSet, Sandbox};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a mask call on two cells says, and how the plugin's counts look afterwards.
async fn masks(component: Vec<u8>) -> Result<(), Failure> {
    let sandbox = sandbox();
    let (_, mut mask) = masker_stream(&sandbox, component, "ana", "orders").await;
    let edits = mask_two(&mut *mask).await;
    edits.map(drop).map_err(|fault| {
        assert_eq!(fault.blame, Blame::Plugin);
        let failure = fault.source.unwrap();
        failure.downcast_ref::<Failure>().unwrap().clone()
    })
}

async fn masker_stream(
    sandbox: &Arc<Sandbox>,
    component: Vec<u8>,
    subject: &str,
    target: &str,
) -> (Box<dyn Classify>, Box<dyn Mask>) {
    let set = sandbox
        .load(vec![spec("hostile", component)])
        .await
        .unwrap();
    sandbox.serve(set.clone());
    set.stream(&session(subject, target), Protocol::Postgres)
}

async fn mask_two(mask: &mut dyn Mask) -> Result<portcullis_model::Edits, Fault> {
    let obligations = obligations(&[("*", Strategy::Redact)]);
    let batch = batch(&["hello", "world"]);
    mask.mask(&batch, &[false, false], &obligations).await
}

const SPIN: &str = "(loop $for_ever (br $for_ever)) (i32.const 16)";
const TRAP: &str = "unreachable";

#[tokio::test]
async fn an_endless_loop_ends_at_the_deadline() {
    let started = Instant::now();
    assert_eq!(masks(masker(SPIN, "")).await, Err(Failure::Deadline));
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "current_thread")]
async fn an_endless_loop_does_not_starve_its_neighbours() {
    let sandbox = sandbox();
    let (_, mut mask) = masker_stream(&sandbox, masker(SPIN, ""), "ana", "orders").await;
    let neighbour = tokio::spawn(async {
        let mut turns = 0u32;
        loop {
            tokio::task::yield_now().await;
            turns += 1;
            if turns >= 10 {
                return turns;
            }
        }
    });
    let mut spinning = tokio::spawn(async move { mask_two(&mut *mask).await.is_err() });
    tokio::select! {
        turns = neighbour => assert_eq!(turns.unwrap(), 10),
        _ = &mut spinning => panic!("the neighbour had no turn before the deadline"),
    }
    assert!(spinning.await.unwrap());
}

#[tokio::test]
async fn a_trap_is_a_fault() {
    let failure = masks(masker(TRAP, "")).await.unwrap_err();
    assert!(matches!(failure, Failure::Trap(_)), "{failure:?}");
}

#[tokio::test]
async fn endless_recursion_is_a_trap_and_not_the_end_of_the_process() {
    let more = "(func $deeper (param i64) (result i64) (i64.add (i64.const 1) (call $deeper (i64.add (local.get 0) (i64.const 1)))))";
    let work = "(drop (call $deeper (i64.const 0))) (i32.const 16)";
    let failure = masks(masker(work, more)).await.unwrap_err();
    assert!(failure.to_string().contains("stack"), "{failure:?}");
}

#[tokio::test]
async fn a_memory_bomb_gets_no_more_than_its_limit() {
    // Grows page by page; 64 MiB are 1024 pages. Anything beyond would make it return in peace.
    let work = r#"
        (block $refused (loop $more
            (br_if $refused (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
            (br_if $more (i32.lt_u (memory.size) (i32.const 1025)))
            (return (i32.const 16))))
        unreachable"#;
    let failure = masks(masker(work, "")).await.unwrap_err();
    assert!(failure.to_string().contains("unreachable"), "{failure:?}");
}

#[tokio::test]
async fn lies_in_an_answer_are_faults() {
    let cases = [
        ("out of range", edits(&[(0, 0, 6, "", 1)])),
        ("out of range", edits(&[(0, 4, 3, "", 1)])),
        ("no such cell", edits(&[(2, 0, 1, "", 1)])),
        ("not sorted", edits(&[(1, 0, 1, "", 1), (0, 0, 1, "", 1)])),
        ("overlap", edits(&[(0, 0, 3, "", 1), (0, 2, 4, "", 1)])),
        ("manifest", edits(&[(0, 0, 3, "", 9)])),
        ("NUL", edits(&[(0, 0, 3, "a\0b", 1)])),
        ("held", words(16, &[64, 0, 64, 0, 7])),
        ("more edits than bytes", words(16, &[64, 11, 64, 0, 0])),
        ("trap", words(16, &[64, 2_000_000_000, 64, 0, 0])),
        ("trap", words(16, &[0xffff_fff0, 4, 64, 0, 0])),
        ("trap", words(16, &[64, 0, 0x7fff_ffff, 0x7fff_ffff, 0])),
        ("trap", words(16, &[65, 1, 64, 0, 0])),
    ];
    for (reason, answer) in cases {
        let failure = masks(masker(ANSWER_DATA, &answer)).await.unwrap_err();
        assert!(failure.to_string().contains(reason), "{reason}: {failure}");
    }
}

#[tokio::test]
async fn an_answer_larger_than_any_answer_is_never_copied() {
    // 24 bytes each: 60 MiB of edits out of its own 64 MiB of memory.
    let work = "(drop (memory.grow (i32.const 960))) (i32.const 16)";
    let answer = words(16, &[64, 2_600_000, 64, 0, 0]);
    let failure = masks(masker(work, &answer)).await.unwrap_err();
    assert!(matches!(failure, Failure::Trap(_)), "{failure:?}");
}

#[tokio::test]
async fn a_misplaced_allocation_is_a_trap() {
    let parts = Parts {
        configure: ACCEPT,
        work: ANSWER_DATA,
        more: "",
    };
    let module = module(true, &parts);
    let text = wat_with_broken_realloc();
    assert_ne!(module, text);
    let component = portcullis_sdk::build::component(&text, MASKER).unwrap();
    let error = sandbox().load(vec![spec("broken", component)]).await;
    assert!(error.is_err());
}

fn wat_with_broken_realloc() -> Vec<u8> {
    wat::parse_str(
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x7ffffff0))
            (func (export "portcullis:plugin/lifecycle@0.1.0#configure") (param i32 i32) (result i32) (i32.const 16))
            (func (export "portcullis:plugin/lifecycle@0.1.0#open") (param i32 i32))
            (func (export "portcullis:plugin/lifecycle@0.1.0#schema") (param i32 i32 i32 i32 i32))
            (func (export "portcullis:plugin/mask@0.1.0#mask") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 16)))"#,
    )
    .unwrap()
}

#[tokio::test]
async fn a_classifier_that_lies_is_a_fault() {
    // Words: effect and risk, verbs, labels, findings, objects; the findings and strings stand at 64.
    let cases = [
        ("verb", words(16, &[0, 1 << 11, 64, 0, 64, 0, 64, 0])),
        ("trap", words(16, &[9, 0, 64, 0, 64, 0, 64, 0])),
        (
            "outside the text",
            words(16, &[0, 0, 64, 0, 64, 1, 64, 0]) + &words(64, &[5, 0, 99]),
        ),
        (
            "manifest",
            words(16, &[0, 0, 64, 0, 64, 1, 64, 0]) + &words(64, &[6, 0, 1]),
        ),
        (
            "without its end",
            words(16, &[0, 0, 64, 4, 64, 0, 64, 0]) + &words(64, &[0x6161_6161]),
        ),
        (
            "no label",
            words(16, &[0, 0, 64, 4, 64, 0, 64, 0]) + &words(64, &[0x0041_4141]),
        ),
        (
            "object",
            words(16, &[0, 0, 64, 0, 64, 0, 64, 4]) + &words(64, &[0x0061_6161]),
        ),
        (
            "no text",
            words(16, &[0, 0, 64, 4, 64, 0, 64, 0]) + &words(64, &[0x00ff_ffff]),
        ),
    ];
    for (reason, answer) in cases {
        let component = classifier(ANSWER_DATA, &answer);
        let set = sandbox().load(vec![spec("liar", component)]).await.unwrap();
        let who = session("ana", "orders");
        let (mut classify, _) = set.stream(&who, Protocol::Postgres);
        let answer = classify
            .classify(&who, Stage::Query, "select 1", &facts())
            .await;
        let fault = answer.unwrap_err();
        assert_eq!(fault.blame, Blame::Plugin);
        assert!(
            fault.chain().contains(reason),
            "{reason}: {}",
            fault.chain()
        );
    }
}

#[tokio::test]
async fn after_a_failure_the_next_call_has_a_fresh_instance() {
    // Traps on its second call: a fresh instance answers its first one again.
    let work = r#"
        (if (i32.load (i32.const 48)) (then unreachable))
        (i32.store (i32.const 48) (i32.const 1))
        (i32.const 16)"#;
    let sandbox = sandbox();
    let component = masker(work, &words(16, &[64, 0, 64, 0, 0]));
    let (_, mut mask) = masker_stream(&sandbox, component, "ana", "orders").await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(mask_two(&mut *mask).await.is_ok());
    }
    assert_eq!(answers, [true, false, true, false]);
    let stats = &sandbox.stats()[0];
    assert_eq!((stats.calls, stats.failures), (4, 2));
}

#[tokio::test]
async fn a_planted_row_denies_service_to_one_identity_on_one_target_only() {
    let sandbox = sandbox();
    let set = sandbox
        .load(vec![spec("hostile", masker(TRAP, ""))])
        .await
        .unwrap();
    sandbox.serve(set.clone());
    let fails = async |subject: &str, target: &str| {
        let (_, mut mask) = set.stream(&session(subject, target), Protocol::Postgres);
        let fault = mask_two(&mut *mask).await.unwrap_err();
        fault.chain().contains("quarantine")
    };
    for _ in 0..3 {
        assert!(!fails("ana", "orders").await);
    }
    assert!(fails("ana", "orders").await);
    assert!(!fails("ana", "billing").await);
    assert!(!fails("bea", "orders").await);
    assert_eq!(sandbox.stats()[0].quarantined, 1);
}

#[tokio::test]
async fn a_call_that_is_abandoned_takes_its_instance_along() {
    let sandbox = sandbox();
    let (_, mut mask) = masker_stream(&sandbox, masker(SPIN, ""), "ana", "orders").await;
    let hanging_up = tokio::time::timeout(Duration::from_millis(5), mask_two(&mut *mask)).await;
    assert!(hanging_up.is_err());
    drop(mask);
    // What is alive is warm and has never been called.
    for _ in 0..200 {
        if sandbox.stats()[0].live_instances == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", sandbox.stats());
}

/// Two instances for the whole node, and none that waits ready.
async fn small(component: Vec<u8>) -> (Arc<Sandbox>, Arc<PluginSet>) {
    let settings = portcullis_sandbox::Settings {
        instances: 2,
        warm: 0,
        ..portcullis_sandbox::Settings::new()
    };
    let sandbox = Sandbox::new(&settings).unwrap();
    let set = sandbox.load(vec![spec("p", component)]).await.unwrap();
    (sandbox, set)
}

#[tokio::test]
async fn no_instance_left_is_the_gateways_fault_and_no_plugins() {
    let (_sandbox, set) = small(masker(SPIN, "")).await;
    let ask = async || {
        let (_, mut mask) = set.stream(&session("ana", "orders"), Protocol::Postgres);
        mask_two(&mut *mask).await.map(drop).map_err(|f| f.blame)
    };
    let answers = tokio::join!(ask(), ask(), ask());
    let (spun, none_left) = (Err(Blame::Plugin), Err(Blame::Gateway));
    assert_eq!(answers, (spun, spun, none_left), "two are in their calls");
    assert_eq!(ask().await, Err(Blame::Plugin), "they are free again");
}

#[tokio::test]
async fn idle_instances_make_room_for_streams_that_speak() {
    let (_sandbox, set) = small(masker(MARK_ALL, "")).await;
    let mut streams: Vec<_> = (0..9)
        .map(|_| set.stream(&session("ana", "orders"), Protocol::Postgres).1)
        .collect();
    for _ in 0..2 {
        for mask in &mut streams {
            assert!(mask_two(&mut **mask).await.is_ok());
        }
    }
}
