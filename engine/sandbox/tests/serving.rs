//! Plugins that behave: what crosses the boundary, what comes back, what is kept between calls.

mod guests;

use guests::*;
use portcullis_gate::{Classify, Mask};
use portcullis_model::facts::{CopyFacts, SessionChange};
use portcullis_model::{
    Batch, BatchKind, Category, Effect, Facts, Object, Parse, Predicate, Protocol, Risk, Session,
    Stage, StatementFacts, Strategy, Verbs, limits,
};
use portcullis_sandbox::{Sandbox, Settings};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

async fn stream(sandbox: &Arc<Sandbox>, component: Vec<u8>) -> (Box<dyn Classify>, Box<dyn Mask>) {
    let set = sandbox.load(vec![spec("p", component)]).await.unwrap();
    sandbox.serve(set.clone());
    set.stream(&session("ana", "orders"), Protocol::Postgres)
}

async fn spans(
    mask: &mut dyn Mask,
    batch: &Batch,
    skip: &[bool],
    wanted: &[(&str, Strategy)],
) -> Vec<(u32, String, String)> {
    let obligations = obligations(wanted);
    let edits = mask.mask(batch, skip, &obligations).await.unwrap();
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
    edits
        .spans
        .iter()
        .map(|s| (s.cell, text(&s.replacement), s.label.to_string()))
        .collect()
}

#[tokio::test]
async fn a_masker_reports_and_the_host_replaces() {
    let sandbox = sandbox();
    let (_, mut mask) = stream(&sandbox, masker(MARK_ALL, "")).await;
    let batch = batch(&["a word", "4111111111111234", ""]);
    let all = spans(&mut *mask, &batch, &[false; 3], &[("*", Strategy::Redact)]).await;
    let digest = &sandbox.stats()[0].digest[..12];
    let label = format!("test-masker@1.2.3#{digest}/word");
    let span = |cell, text: &str| (cell, text.to_owned(), label.clone());
    assert_eq!(
        all,
        [span(0, "[pc-masked:word]"), span(1, "[pc-masked:word]")]
    );
    let partial = spans(
        &mut *mask,
        &batch,
        &[false; 3],
        &[("WORD", Strategy::Partial)],
    )
    .await;
    assert_eq!(
        partial,
        [
            span(0, "[pc-masked:word]"),
            span(1, "[pc-masked:word …1234]")
        ]
    );
    let stats = &sandbox.stats()[0];
    assert_eq!((stats.calls, stats.failures, stats.edits), (2, 0, 4));
    assert_eq!(stats.counters["cells"], 4);
}

#[tokio::test]
async fn only_what_is_of_interest_crosses() {
    let sandbox = sandbox();
    let (_, mut mask) = stream(&sandbox, masker(MARK_ALL, "")).await;
    let all = [("*", Strategy::Redact)];
    let columns = [("a", 25), ("b", 23), ("c", 25)];
    let rows = typed_batch(&columns, &["one", "2", "three"]);
    let masked = spans(&mut *mask, &rows, &[true, false, false], &all).await;
    assert_eq!(
        masked.iter().map(|s| s.0).collect::<Vec<_>>(),
        [2],
        "skipped and of another type"
    );
    assert!(mask.wants(BatchKind::Rows, &rows.shape));
    assert!(!mask.wants(BatchKind::Notice, &rows.shape));
    assert!(!mask.wants(BatchKind::Rows, &typed_batch(&[("b", 23)], &["2"]).shape));
    let notice = Batch {
        kind: BatchKind::Notice,
        ..rows.clone()
    };
    assert!(
        spans(&mut *mask, &notice, &[false; 3], &all)
            .await
            .is_empty()
    );
    let nothing = spans(
        &mut *mask,
        &rows,
        &[false; 3],
        &[("EMAIL", Strategy::Redact)],
    )
    .await;
    assert!(nothing.is_empty());
    assert_eq!(sandbox.stats()[0].calls, 1, "the others never crossed");
}

#[tokio::test]
async fn nothing_runs_before_the_first_interesting_message() {
    let settings = Settings {
        instances: 8,
        warm: 0,
        ..Settings::new()
    };
    let sandbox = Sandbox::new(&settings).unwrap();
    let (_, mut mask) = stream(&sandbox, masker(MARK_ALL, "")).await;
    assert_eq!(sandbox.stats()[0].live_instances, 0);
    spans(
        &mut *mask,
        &batch(&["x"]),
        &[false],
        &[("*", Strategy::Redact)],
    )
    .await;
    assert_eq!(sandbox.stats()[0].live_instances, 1);
    drop(mask);
    assert_eq!(sandbox.stats()[0].live_instances, 0);
}

#[tokio::test]
async fn an_idle_instance_is_dropped_and_made_again() {
    let settings = Settings {
        instances: 8,
        warm: 0,
        idle: Duration::from_millis(20),
        ..Settings::new()
    };
    let sandbox = Sandbox::new(&settings).unwrap();
    let (_, mut mask) = stream(&sandbox, masker(MARK_ALL, "")).await;
    let all = [("*", Strategy::Redact)];
    spans(&mut *mask, &batch(&["x"]), &[false], &all).await;
    for _ in 0..500 {
        if sandbox.stats()[0].live_instances == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(sandbox.stats()[0].live_instances, 0);
    assert_eq!(
        spans(&mut *mask, &batch(&["x"]), &[false], &all)
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn a_value_longer_than_a_call_is_looked_at_as_a_whole() {
    // Marks an `@` with the byte before and after it, if both are in sight.
    let work = r#"
        (local $i i32) (local $n i32) (local $at i32)
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $i) (i32.sub (local.get $data_len) (i32.const 2))))
            (if (i32.and (i32.gt_u (local.get $i) (i32.const 0)) (i32.eq (i32.load8_u (i32.add (local.get $data) (local.get $i))) (i32.const 64))) (then
                (local.set $at (i32.add (i32.const 4096) (i32.mul (local.get $n) (i32.const 24))))
                (i32.store offset=4 (local.get $at) (i32.sub (local.get $i) (i32.const 1)))
                (i32.store offset=8 (local.get $at) (i32.add (local.get $i) (i32.const 2)))
                (i32.store16 offset=20 (local.get $at) (i32.const 1))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
        (i32.store (i32.const 16) (i32.const 4096))
        (i32.store (i32.const 20) (local.get $n))
        (i32.store (i32.const 24) (i32.const 4096))
        (global.set $free (i32.const 65536))
        (i32.const 16)"#;
    let sandbox = sandbox();
    let (_, mut mask) = stream(&sandbox, masker(work, "")).await;
    let step = limits::PLUGIN_CALL_BYTES_MAX;
    let mut long = vec![b'x'; 3 * step];
    let places = [
        10,
        step - 1,
        step,
        step + 1,
        step - limits::HELD_TAIL_MAX,
        2 * step + 77,
    ];
    for at in [
        10,
        step - 1,
        step + 5,
        step - limits::HELD_TAIL_MAX,
        2 * step + 77,
    ] {
        long[at] = b'@';
    }
    assert_eq!(places.len(), 6);
    let long = String::from_utf8(long).unwrap();
    let batch = batch(&["short", &long]);
    let obligations = obligations(&[("*", Strategy::Redact)]);
    let edits = mask.mask(&batch, &[false; 2], &obligations).await.unwrap();
    let starts: Vec<_> = edits
        .spans
        .iter()
        .map(|s| (s.cell, s.start as usize + 1))
        .collect();
    let expected = [
        10,
        step - limits::HELD_TAIL_MAX,
        step - 1,
        step + 5,
        2 * step + 77,
    ];
    assert_eq!(starts, expected.map(|at| (1, at)));
    assert!(edits.spans.iter().all(|s| s.end - s.start == 3));
}

#[tokio::test]
async fn two_maskers_are_merged() {
    let sandbox = sandbox();
    let narrow = masker(ANSWER_DATA, &edits(&[(0, 1, 3, "own", 2)]));
    let set = sandbox
        .load(vec![
            spec("narrow", narrow),
            spec("wide", masker(MARK_ALL, "")),
        ])
        .await
        .unwrap();
    let (_, mut mask) = set.stream(&session("ana", "orders"), Protocol::Postgres);
    let batch = batch(&["hello"]);
    let both = spans(&mut *mask, &batch, &[false], &[("*", Strategy::Redact)]).await;
    assert_eq!(both.len(), 1);
    assert_eq!(both[0].1, "[pc-masked:word]");
    let other = spans(&mut *mask, &batch, &[false], &[("OTHER", Strategy::Redact)]).await;
    assert_eq!(other[0].1, "own");
}

async fn classified(
    who: &Session,
    sandbox: &Arc<Sandbox>,
    components: Vec<Vec<u8>>,
) -> Option<portcullis_model::Class> {
    let specs = (0..)
        .zip(components)
        .map(|(i, c)| spec(&format!("p{i}"), c))
        .collect();
    let set = sandbox.load(specs).await.unwrap();
    let (mut classify, _) = set.stream(who, Protocol::Postgres);
    classify
        .classify(who, Stage::Query, "select 1", &facts())
        .await
        .unwrap()
}

#[tokio::test]
async fn opinions_are_joined_and_the_worse_wins() {
    let sandbox = sandbox();
    let who = session("ana", "orders");
    // effect destroy, risk low, verbs 4, label "abc", finding rule 5 at 0..6
    let first = words(16, &[2 | 1 << 8, 4, 96, 4, 64, 1, 64, 0])
        + &words(64, &[5, 0, 6])
        + &words(96, &[0x0063_6261]);
    // effect read, risk critical, verbs 1, object "table", "", "t", "w"
    let second = words(16, &[4 << 8, 1, 64, 0, 64, 0, 96, 11])
        + "(data (i32.const 96) \"table\\00\\00t\\00w\\00\")";
    let components = vec![
        classifier(ANSWER_DATA, &first),
        classifier(ANSWER_DATA, &second),
    ];
    let class = classified(&who, &sandbox, components).await.unwrap();
    assert_eq!(
        (class.effect, class.risk),
        (Effect::Destroy, Risk::Critical)
    );
    assert_eq!(class.verbs, Verbs(5));
    assert_eq!(class.labels, BTreeSet::from(["abc".to_owned()]));
    let finding = &class.findings[0];
    assert_eq!(
        (finding.plugin.as_str(), finding.rule.as_str()),
        ("test-classifier@1.0.0", "rule-five")
    );
    assert_eq!(
        (finding.digest.len(), finding.start, finding.end),
        (12, 0, 6)
    );
    let object = class.objects.first().unwrap();
    assert_eq!(
        (object.kind.as_str(), object.name.as_str(), object.write),
        ("table", "t", true)
    );
    assert_eq!(object.schema, None);
}

#[tokio::test]
async fn without_an_interested_classifier_there_is_no_opinion() {
    let sandbox = sandbox();
    let who = session("ana", "orders");
    assert_eq!(classified(&who, &sandbox, Vec::new()).await, None);
    let set = sandbox
        .load(vec![spec("p", classifier(TRAP, ""))])
        .await
        .unwrap();
    let (mut classify, _) = set.stream(&who, Protocol::Postgres);
    let answer = classify
        .classify(&who, Stage::Bind, "select 1", &facts())
        .await;
    assert_eq!(answer.unwrap(), None);
}

#[tokio::test]
async fn who_goes_by_the_facts_sees_the_text_only_to_place_a_finding() {
    let sandbox = sandbox();
    let who = session("ana", "orders");
    // effect write, risk low, and a trap if there is a text
    let blind = "(if (local.get $text_len) (then unreachable)) ".to_owned() + ANSWER_DATA;
    let component = facts_classifier(&blind, &words(16, &[1 | 1 << 8, 2, 64, 0, 64, 0, 64, 0]));
    let class = classified(&who, &sandbox, vec![component]).await.unwrap();
    assert_eq!((class.effect, class.findings.len()), (Effect::Write, 0));
    // the same with a finding from the beginning to the end of the text
    let places = "(i32.store (i32.const 72) (local.get $text_len)) ".to_owned() + ANSWER_DATA;
    let finding = words(16, &[1 | 1 << 8, 2, 64, 0, 64, 1, 64, 0]) + &words(64, &[5, 0, 0]);
    let component = facts_classifier(&places, &finding);
    let class = classified(&who, &sandbox, vec![component]).await.unwrap();
    assert_eq!((class.findings[0].start, class.findings[0].end), (0, 8));

    let by_facts = async |components: Vec<Vec<u8>>| {
        let specs = (0..).zip(components);
        let specs = specs.map(|(i, c)| spec(&format!("p{i}"), c)).collect();
        let set = sandbox.load(specs).await.unwrap();
        let (classify, _) = set.stream(&who, Protocol::Postgres);
        [Stage::Query, Stage::Bind].map(|stage| classify.by_facts(stage))
    };
    let (alone, other) = (facts_classifier(TRAP, ""), classifier(TRAP, ""));
    assert_eq!(by_facts(vec![alone.clone()]).await, [true, false]);
    assert_eq!(by_facts(vec![alone, other]).await, [false, false]);
}

const TRAP: &str = "unreachable";

#[tokio::test]
async fn a_reload_leaves_open_streams_alone() {
    let sandbox = sandbox();
    let (_, mut old) = stream(&sandbox, masker(MARK_ALL, "")).await;
    let all = [("*", Strategy::Redact)];
    assert_eq!(
        spans(&mut *old, &batch(&["x"]), &[false], &all).await.len(),
        1
    );
    let silent = masker(ANSWER_DATA, &edits(&[]));
    let (_, mut new) = stream(&sandbox, silent).await;
    assert_eq!(sandbox.serving().generation(), 2);
    assert!(
        spans(&mut *new, &batch(&["x"]), &[false], &all)
            .await
            .is_empty()
    );
    assert_eq!(
        spans(&mut *old, &batch(&["x"]), &[false], &all).await.len(),
        1
    );
}

/// A statement that has something to say in nearly every field.
fn elaborate() -> StatementFacts {
    let object = Object {
        kind: "table".into(),
        schema: Some("s".into()),
        name: "t".into(),
        write: true,
    };
    StatementFacts {
        verb: "COPY".into(),
        category: Category::Transfer,
        effect: Effect::Destroy,
        object_type: Some("TABLE".into()),
        objects: vec![object],
        columns: vec!["c".into()],
        predicate: Predicate::Constant,
        functions: vec!["now".into()],
        transparent: true,
        outputs: Some(vec![vec!["c".into()]]),
        outline: None,
        moves: Vec::new(),
        labels: BTreeSet::from(["copy-program".into()]),
        span: 1..9,
        copy: Some(CopyFacts {
            from: true,
            relation: Some((None, "t".into())),
            columns: vec![],
            format: "csv".into(),
            delimiter: 9,
            null: String::new(),
            header: false,
            quote: 34,
            escape: 34,
            encoding: None,
            server_side: true,
        }),
        changes: vec![SessionChange::Begin, SessionChange::Fetch("c".into())],
        verbs: Verbs::COPY,
    }
}

/// What the gateway knows, read with the types that authors have.
#[test]
fn authors_read_the_facts_that_the_gateway_writes() {
    let inner = elaborate();
    let statement = StatementFacts {
        changes: vec![SessionChange::Prepare {
            name: "p".into(),
            inner: Box::new(inner.clone()),
        }],
        ..inner.clone()
    };
    for parse in [
        Parse::Ok,
        Parse::Partial,
        Parse::Failed {
            message: "m".into(),
            position: 3,
        },
    ] {
        let facts = Facts {
            parse,
            statements: vec![inner.clone(), statement.clone()],
            secrets: std::iter::once(2..4).collect(),
        };
        let json = serde_json::to_vec(&facts).unwrap();
        let read: portcullis_sdk::facts::Facts = serde_json::from_slice(&json).unwrap();
        assert_eq!(format!("{:?}", read.parse), format!("{:?}", facts.parse));
        assert_eq!(read.secrets, facts.secrets);
        let (theirs, ours) = (&read.statements[0], &facts.statements[0]);
        assert_eq!(
            format!("{:?}", theirs.category),
            format!("{:?}", ours.category)
        );
        assert_eq!(format!("{:?}", theirs.effect), format!("{:?}", ours.effect));
        assert_eq!(
            format!("{:?}", theirs.predicate),
            format!("{:?}", ours.predicate)
        );
        assert_eq!(
            format!("{:?}", theirs.objects),
            format!("{:?}", ours.objects)
        );
        assert_eq!(
            (&theirs.functions, &theirs.labels, &theirs.span),
            (&ours.functions, &ours.labels, &ours.span)
        );
        assert_eq!(
            theirs.copy.as_ref().unwrap().relation,
            ours.copy.as_ref().unwrap().relation
        );
        assert_eq!(theirs.verbs.0, ours.verbs.0);
        assert_eq!(read.statements[1].changes[0]["Prepare"]["name"], "p");
    }
}

#[tokio::test]
async fn the_limits_of_the_gateway_fit_this_machine() {
    let sandbox = Sandbox::new(&Settings::new()).unwrap();
    let (_, mut mask) = stream(&sandbox, masker(MARK_ALL, "")).await;
    let all = [("*", Strategy::Redact)];
    let masked = spans(&mut *mask, &batch(&["x"]), &[false], &all).await;
    assert_eq!(masked.len(), 1);
}
