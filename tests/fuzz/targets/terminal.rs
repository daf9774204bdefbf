//! What is made of a terminal: the line that is typed, what of it is recorded, what a replay shows, what masking lets
//! through. Laws: nothing breaks; where nothing is to be masked the bytes are the same; a replay that was cleaned is
//! clean; every key is kept or counted as withheld.
//!
//! Input: columns, rows, then pieces: a byte whose lowest bit says output or keys, and a length with its bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::Input;
use portcullis_gate::{BoxFuture, Mask};
use portcullis_model::{Batch, BatchKind, Edits, Fault, Obligations, RowShape, Timestamp};
use portcullis_stream::terminal::{Kept, Tracker, Typing};
use portcullis_stream::{PtyCurtain, Quiet, Tripwires};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const PIECES_MAX: usize = 128;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let mut tracker = Tracker::new(input.byte().into(), input.byte().into());
    let mut typing = Typing::new();
    let mut curtain = PtyCurtain::new(Tripwires::new());
    let (mut output, mut shown, mut kept, mut keys) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for number in 0..PIECES_MAX {
        if input.is_empty() {
            break;
        }
        let now = Timestamp(number as i64 * 10_000_000);
        let what = input.byte();
        let piece = input.piece();
        match what & 3 {
            0 | 2 => {
                tracker.shown(piece);
                kept.extend(typing.shown(piece));
                output.extend_from_slice(piece);
                shown.extend(at_once(curtain.push(
                    piece,
                    now,
                    &mut Nothing,
                    &Obligations::none(),
                )));
            }
            1 => {
                keys += piece.len();
                kept.extend(typing.typed(piece, now));
                type_all(&mut tracker, piece);
            }
            _ => {
                tracker.resize(piece.len() as u32, what.into());
                kept.extend(typing.tick(now));
                shown.extend(at_once(curtain.tick(
                    now,
                    &mut Nothing,
                    &Obligations::none(),
                )));
            }
        }
        let _ = tracker.line();
    }
    shown.extend(at_once(curtain.finish(&mut Nothing, &Obligations::none())));
    assert_eq!(shown, output);
    kept.extend(typing.finish());
    assert_eq!(kept.iter().map(count).sum::<usize>(), keys);
    let clean = Quiet::new().pass(&output);
    assert_eq!(Quiet::new().pass(&clean), clean);
});

fn type_all(tracker: &mut Tracker, keys: &[u8]) {
    let mut rest = keys;
    loop {
        let reach = tracker.typed(rest);
        if !reach.enter {
            assert_eq!(reach.before, rest.len());
            return;
        }
        let _ = tracker.line();
        tracker.entered();
        rest = &rest[reach.before + 1..];
    }
}

fn count(kept: &Kept) -> usize {
    match kept {
        Kept::Echoed(keys) | Kept::Unechoed(keys) => keys.len(),
        Kept::Withheld(count) => *count,
    }
}

fn at_once(future: impl Future<Output = Result<portcullis_stream::Shown, Fault>>) -> Vec<u8> {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(shown) => shown.expect("nothing is held").bytes,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// A masker that is interested in nothing.
struct Nothing;

impl Mask for Nothing {
    fn wants(&self, _: BatchKind, _: &RowShape) -> bool {
        false
    }

    fn mask<'a>(
        &'a mut self,
        _: &'a Batch,
        _: &'a [bool],
        _: &'a Obligations,
    ) -> BoxFuture<'a, Result<Edits, Fault>> {
        Box::pin(std::future::ready(Ok(Edits::default())))
    }
}
