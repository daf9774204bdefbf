//! Wherever a stream is cut, what is shown is the same, and what is held has a bound.

use super::*;
use portcullis_gate::BoxFuture;
use portcullis_model::verdict::EntityRule;
use portcullis_model::{Edits, Strategy};
use proptest::prelude::*;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub(crate) const OWN: &[u8] = b"c0rrect-Horse.battery_St4ple+9917/zQx7";

/// Finds `key-` and three digits or more, and holds what may become that.
pub(crate) struct Keys;

impl Mask for Keys {
    fn wants(&self, kind: BatchKind, _: &RowShape) -> bool {
        kind == BatchKind::Stream
    }

    fn mask<'a>(
        &'a mut self,
        batch: &'a Batch,
        _: &'a [bool],
        _: &'a Obligations,
    ) -> BoxFuture<'a, Result<Edits, Fault>> {
        Box::pin(std::future::ready(Ok(keys(&batch.text))))
    }
}

fn keys(text: &[u8]) -> Edits {
    let mut edits = Edits::default();
    for at in 0..text.len() {
        let rest = &text[at..];
        let digits = |from: usize| {
            let rest = rest.get(from..).unwrap_or_default();
            rest.iter().take_while(|b| b.is_ascii_digit()).count()
        };
        let digits = match rest.starts_with(b"key-") {
            true => digits(4),
            false => 0,
        };
        // The end of a longer word is no key: that needs what stands before.
        if at > 0 && text[at - 1].is_ascii_alphanumeric() {
            continue;
        }
        if rest.starts_with(b"key-") && digits >= 3 {
            edits.spans.push(SpanEdit {
                cell: 0,
                start: at as u32,
                end: (at + 4 + digits) as u32,
                replacement: Bytes::from_static(b"[k]"),
                label: Arc::from("keys@1#0/key"),
            });
        }
        let begun = b"key-".starts_with(rest) || rest.starts_with(b"key-");
        if begun && rest.len() <= 4 + digits {
            edits.held = edits.held.max(rest.len() as u32);
        }
    }
    edits
}

pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

pub(crate) fn obligations() -> Obligations {
    let mut obligations = Obligations::none();
    obligations.entities.insert(EntityRule {
        entity: "*".to_owned(),
        strategy: Strategy::Redact,
    });
    obligations
}

pub(crate) fn armed() -> (Tripwires, crate::Armed) {
    let wires = Tripwires::new();
    let guard = wires.arm(OWN).unwrap();
    (wires, guard)
}

fn through(wires: &Tripwires, pieces: &[&[u8]]) -> (String, usize) {
    let (mut curtain, all) = (Curtain::new(wires.clone()), obligations());
    let mut shown = Shown::default();
    for piece in pieces {
        shown = shown.and(now(curtain.push(piece, &mut Keys, &all)).unwrap());
    }
    shown = shown.and(now(curtain.finish(&mut Keys, &all)).unwrap());
    (String::from_utf8(shown.bytes).unwrap(), shown.tripped)
}

#[test]
fn cut_at_every_byte_the_same_is_shown() {
    let (wires, _guard) = armed();
    let own = String::from_utf8_lossy(OWN);
    let text = format!("a key-123 b monkey-456 key-key-7890, {own} {own} key-12 and key-5555");
    let whole = through(&wires, &[text.as_bytes()]);
    let mark = "[pc-masked:tripwire]";
    assert_eq!(
        whole.0,
        format!("a [k] b monkey-456 key-[k], {mark} {mark} key-12 and [k]")
    );
    for first in 0..text.len() {
        for second in first..text.len() {
            let (a, rest) = text.as_bytes().split_at(first);
            let (b, c) = rest.split_at(second - first);
            assert_eq!(
                through(&wires, &[a, b, c]),
                whole,
                "cut at {first} and {second}"
            );
        }
    }
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(through(&wires, &bytes), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn cut_anywhere_the_same_is_shown(
        words in proptest::collection::vec(prop_oneof!["key-", "key-[0-9]{1,5}", "[0-9]{1,4}", "[ a-k]{1,3}", Just("c0rrect-Horse.battery_St4ple+9917/zQx7".to_owned()), "c0rrect-Horse.b"], 0..20),
        cuts in proptest::collection::vec(0_usize..200, 0..6),
    ) {
        let (wires, _guard) = armed();
        // Two secrets side by side are one mark or two.
        let text = words.join(" ").into_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &text[w[0]..w[1]]).collect();
        let whole = through(&wires, &[&text]);
        prop_assert_eq!(through(&wires, &pieces), whole.clone());
        prop_assert!(!whole.0.as_bytes().windows(OWN.len()).any(|w| w == OWN));
    }
}

#[test]
fn what_a_person_waits_for_is_shown_and_its_rest_is_masked() {
    let (wires, _guard) = armed();
    let (mut curtain, all) = (Curtain::new(wires), obligations());
    let shown = now(curtain.push(b"your key-", &mut Keys, &all)).unwrap();
    assert_eq!((shown.bytes, curtain.held()), (b"your ".to_vec(), 4));
    let shown = now(curtain.idle(&mut Keys, &all)).unwrap();
    assert_eq!((shown.bytes, curtain.held()), (b"key-".to_vec(), 0));
    let shown = now(curtain.push(b"12345 ok", &mut Keys, &all)).unwrap();
    assert_eq!(shown.bytes, b"[k] ok");
    assert_eq!(&*shown.edits[0].label, "keys@1#0/key");
}

#[test]
fn what_would_have_to_be_held_without_end_ends_the_stream() {
    let (wires, _guard) = armed();
    let (mut curtain, all) = (Curtain::new(wires), obligations());
    let digits = vec![b'1'; limits::BATCH_BYTES_MAX];
    assert!(now(curtain.push(b"key-", &mut Keys, &all)).is_ok());
    assert!(now(curtain.push(&digits[..60_000], &mut Keys, &all)).is_ok());
    let fault = now(curtain.push(&digits, &mut Keys, &all)).unwrap_err();
    assert!(format!("{fault:?}").contains("held"), "{fault:?}");
}
