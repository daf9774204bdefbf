//! What a person sees on a terminal: masked through sequences and pieces, as wide as before, and no later than bearable.

use super::*;
use crate::curtain::tests::{Keys, OWN, armed, now, obligations};
use portcullis_gate::BoxFuture;
use portcullis_model::{Batch, BatchKind, Edits, RowShape};
use proptest::prelude::*;
use std::time::Duration;

const NOON: Timestamp = Timestamp(1_794_994_200_000_000_000);

fn through(wires: &Tripwires, pieces: &[&[u8]]) -> (Vec<u8>, usize) {
    let (mut curtain, all) = (PtyCurtain::new(wires.clone()), obligations());
    let mut shown = Shown::default();
    for piece in pieces {
        shown = shown.and(now(curtain.push(piece, NOON, &mut Keys, &all)).unwrap());
    }
    shown = shown.and(now(curtain.finish(&mut Keys, &all)).unwrap());
    assert_eq!(curtain.held(), 0);
    (shown.bytes, shown.tripped)
}

fn check(output: &str, want: &str) {
    let (wires, _guard) = armed();
    let through = |wires: &Tripwires, pieces: &[&[u8]]| {
        (String::from_utf8(through(wires, pieces).0).unwrap(), ())
    };
    assert_eq!(through(&wires, &[output.as_bytes()]).0, want, "{output:?}");
    for cut in 0..output.len() {
        let (a, b) = output.as_bytes().split_at(cut);
        assert_eq!(through(&wires, &[a, b]).0, want, "{output:?} cut at {cut}");
    }
    let bytes: Vec<&[u8]> = output.as_bytes().chunks(1).collect();
    assert_eq!(through(&wires, &bytes).0, want, "{output:?} in bytes");
}

#[test]
fn sequences_between_the_letters_hide_nothing_and_stay() {
    check("a key-123 b", "a ******* b");
    check(
        "a \x1b[1mke\x1b[0my-1\x1b[31m23\x1b[0m b",
        "a \x1b[1m**\x1b[0m***\x1b[31m**\x1b[0m b",
    );
    check(
        "k\x1b]0;title\x07ey-\x1b[K123\r\n",
        "*\x1b]\x07***\x1b[K***\r\n",
    );
    check("key-\x07123 ", "****\x07*** ");
}

#[test]
fn strings_carry_nothing_where_something_is_to_be_masked() {
    check("a\x1b]0;key-123\x07b", "a\x1b]\x07b");
    check("a\x1b]52;c;a2V5LTEyMw==\x1b\\b", "a\x1b]\x1b\\b");
    check("a\x1bPkey-123\x1b\\b", "a\x1bP\x1b\\b");
    check("a\x1b_key-\n123\x1b\\b", "a\x1b_\x1b\\b");
    check("a\x1b^key-123\x1b[mb", "a\x1b^\x1b[mb");
    check("a\x1b]8;;https://key-123\x07b", "a\x1b]\x07b");
    check("a\u{9d}2;é\u{a2}key-123\u{9c}b", "a\u{9d}\u{9c}b");
    check("a\x1b]2;key-123\u{9b}mb", "a\x1b]\u{9b}mb");
}

/// `\e`, `\xNN` and `\\` as the bytes that they are.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, length) = match after {
            [b'e', ..] => (0x1b, 1),
            [b'x', a, b, ..] => {
                let digits = [*a, *b];
                let digits = std::str::from_utf8(&digits).unwrap();
                (u8::from_str_radix(digits, 16).unwrap(), 3)
            }
            [b'\\', ..] => (b'\\', 1),
            other => panic!("no escape: {other:?}"),
        };
        bytes.push(byte);
        rest = &after[length..];
    }
    bytes
}

#[test]
fn no_known_way_past_the_maskers_leads_past_them() {
    let ways = include_str!("../../../../tests/bypass/terminal.txt");
    let lines = ways
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    let (wires, _guard) = armed();
    let mut counts = (0, 0);
    for line in lines {
        let (label, output) = line.split_once('\t').unwrap();
        let output = unescaped(output);
        let bytes: Vec<&[u8]> = output.chunks(1).collect();
        for pieces in [vec![output.as_slice()], bytes] {
            let (shown, _) = through(&wires, &pieces);
            let digits: Vec<u8> = shown.iter().copied().filter(u8::is_ascii_digit).collect();
            let leaks = digits.windows(16).any(|w| w == b"4539578763621486");
            match label {
                "hidden" => assert!(!leaks, "{line}: {shown:?}"),
                "passes" => assert_eq!(shown, output, "{line}"),
                other => panic!("{other}"),
            }
        }
        match label {
            "hidden" => counts.0 += 1,
            _ => counts.1 += 1,
        }
    }
    assert!(counts.0 >= 20 && counts.1 >= 15, "{counts:?}");
}

#[test]
fn numbers_that_no_terminal_acts_on_are_not_shown() {
    check("a\x1b[4539578763621486mb", "a\x1b[\x18b");
    check("a\x1b[4539;5787;6362;1486Hb", "a\x1b[\x18b");
    check("a\x1b[1;2=3?4mb", "a\x1b[\x18b");
    check(&format!("\x1b[{}m", "1;".repeat(500)), "\x1b[\x18");
    // Given up by the terminal as well.
    check("a\x1b[4539578763621486\x18b", "a\x1b[\x18b");
    check("a\x1b[4539578763621486\x1b[mb", "a\x1b[\x1b[mb");
    // Where nothing is to be masked, everything passes as it is.
    let (wires, _guard) = armed();
    let (mut curtain, none) = (PtyCurtain::new(wires), Obligations::none());
    let odd = b"\x1b[4539578763621486m";
    let shown = now(curtain.push(odd, NOON, &mut Keys, &none)).unwrap();
    assert_eq!(shown.bytes, odd);
}

#[test]
fn a_move_of_the_cursor_ends_a_word() {
    check("x\x1b[5Ckey-123\x1b[2;3Hy", "x\x1b[5C*******\x1b[2;3Hy");
    // In plain order this would be one word, and no key.
    check("x\x1b[1mkey-123 ", "x\x1b[1mkey-123 ");
}

#[test]
fn our_own_secrets_are_covered_in_text_and_in_titles() {
    let own = String::from_utf8_lossy(OWN).into_owned();
    let stars = "*".repeat(own.len());
    check(&format!("env {own}\r\n"), &format!("env {stars}\r\n"));
    let (head, tail) = own.split_at(9);
    check(
        &format!("{head}\x1b[7m{tail}\x1b[m"),
        &format!("{}\x1b[7m{}\x1b[m", &stars[..9], &stars[9..]),
    );
    check(&format!("\x1b]0;{own}\x07ok"), "\x1b]\x07ok");
    // The terminal swallows the first letter, a log does not.
    check(&format!("\x1b[{own} "), "\x1b[[pc-masked:tripwire] ");
    let (wires, _guard) = armed();
    let twice = format!("{own} \x1b]2;{own}\x1b\\");
    assert_eq!(through(&wires, &[twice.as_bytes()]).1, 2);
    // Whatever policy says: ours are covered where titles pass.
    let (mut curtain, none) = (PtyCurtain::new(wires), Obligations::none());
    let title = format!("\x1b]0;{own}\x07ok");
    let shown = now(curtain.push(title.as_bytes(), NOON, &mut Keys, &none)).unwrap();
    assert_eq!(shown.bytes, b"\x1b]0;[pc-masked:tripwire]\x07ok");
    assert_eq!(shown.tripped, 1);
}

#[test]
fn what_is_replaced_keeps_its_columns() {
    let mut stars = Vec::new();
    let text = "日é\u{301}\r\nx\u{ff}".as_bytes();
    (0..text.len()).for_each(|at| stars_for(text, at, &mut stars));
    assert_eq!(stars, b"***\r\n**");
    let mut stars = Vec::new();
    let text = b"\xff\xc3x";
    (0..text.len()).for_each(|at| stars_for(text, at, &mut stars));
    assert_eq!(stars, b"***");
}

#[test]
fn only_what_may_become_a_secret_is_held_and_not_for_long() {
    let (wires, _guard) = armed();
    let (mut curtain, all) = (PtyCurtain::new(wires), obligations());
    let at = |ms: u64| NOON.after(Duration::from_millis(ms));
    let push = |curtain: &mut PtyCurtain, piece: &[u8], ms| {
        let shown = now(curtain.push(piece, at(ms), &mut Keys, &all)).unwrap();
        String::from_utf8(shown.bytes).unwrap()
    };
    assert_eq!(push(&mut curtain, b"ls -la \x1b[m", 0), "ls -la \x1b[m");
    assert_eq!((curtain.held(), curtain.due()), (0, None));
    assert_eq!(push(&mut curtain, b"x key-1", 5), "x ");
    assert_eq!(curtain.due(), Some(at(45)));
    // More of the same does not prolong it.
    assert_eq!(push(&mut curtain, b"2", 30), "");
    assert_eq!(curtain.due(), Some(at(45)));
    let tick = |curtain: &mut PtyCurtain, ms| {
        let shown = now(curtain.tick(at(ms), &mut Keys, &obligations())).unwrap();
        String::from_utf8(shown.bytes).unwrap()
    };
    assert_eq!(tick(&mut curtain, 44), "");
    assert_eq!(tick(&mut curtain, 45), "key-12");
    assert_eq!((curtain.held(), curtain.due()), (0, None));
    // What comes of it is masked from there on.
    assert_eq!(push(&mut curtain, b"345 y", 50), "*** y");
    // Something else that begins later has its own time.
    assert_eq!(push(&mut curtain, b" key-7", 100), " ");
    assert_eq!(push(&mut curtain, b"89 key-", 130), "******* ");
    assert_eq!(curtain.due(), Some(at(170)));
}

/// Holds from `-----BEGIN` on, and finds it up to `END-----`.
struct Pem;

impl Mask for Pem {
    fn wants(&self, kind: BatchKind, _: &RowShape) -> bool {
        kind == BatchKind::Stream
    }

    fn mask<'a>(
        &'a mut self,
        batch: &'a Batch,
        _: &'a [bool],
        _: &'a Obligations,
    ) -> BoxFuture<'a, Result<Edits, Fault>> {
        let text = String::from_utf8_lossy(&batch.text).into_owned();
        let mut edits = Edits::default();
        if let Some(start) = text.find("-----BEGIN") {
            match text.find("KEY----- ") {
                Some(end) => edits.spans.push(SpanEdit {
                    cell: 0,
                    start: start as u32,
                    end: end as u32 + 8,
                    replacement: Bytes::from_static(b"[key]"),
                    label: Arc::from("pem@1#0/key"),
                }),
                None => edits.held = (text.len() - start) as u32,
            }
        }
        Box::pin(std::future::ready(Ok(edits)))
    }
}

#[test]
fn a_pause_in_a_private_key_does_not_show_it() {
    let (mut curtain, all) = (PtyCurtain::new(Tripwires::new()), obligations());
    let mut shown = Vec::new();
    let mut clock = NOON;
    for piece in [
        "$ cat k\r\n-----BEGIN PRIVATE KEY-----\r\nMIIsecret",
        "moresecret\r\n",
        "lastsecret\r\n",
    ] {
        shown.extend(
            now(curtain.push(piece.as_bytes(), clock, &mut Pem, &all))
                .unwrap()
                .bytes,
        );
        clock = clock.after(Duration::from_millis(60));
        shown.extend(now(curtain.tick(clock, &mut Pem, &all)).unwrap().bytes);
        clock = clock.after(Duration::from_millis(60));
    }
    assert_eq!(
        String::from_utf8(shown).unwrap(),
        "$ cat k\r\n-----BEGIN PRIVATE KEY-----\r\n*******************\r\n**********\r\n"
    );
    let last = b"-----END PRIVATE KEY----- $ ";
    let end = now(curtain.push(last, clock, &mut Pem, &all)).unwrap();
    assert!(end.bytes.ends_with(b" $ "), "{}", end.bytes.escape_ascii());
    assert_eq!(end.bytes.len(), last.len());
}

#[test]
fn nothing_is_held_without_bound() {
    let (mut curtain, all) = (PtyCurtain::new(Tripwires::new()), obligations());
    let mut failed = false;
    let begin = b"-----BEGIN PRIVATE KEY-----";
    for piece in std::iter::once(&begin[..]).chain(std::iter::repeat_n(&[b'x'; 4096][..], 20)) {
        failed |= now(curtain.push(piece, NOON, &mut Pem, &all)).is_err();
        assert!(curtain.held() <= 2 * limits::STREAM_HELD_MAX);
        if failed {
            return;
        }
    }
    panic!("it held {} bytes", curtain.held());
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece = prop_oneof![
        Just(b"key-".to_vec()),
        "[0-9]{1,4}".prop_map(String::into_bytes),
        "[ a-k]{1,3}".prop_map(String::into_bytes),
        Just(OWN.to_vec()),
        Just(OWN[..20].to_vec()),
        Just(b"\x1b[31m".to_vec()),
        Just(b"\x1b[5C".to_vec()),
        Just(b"\x1b]0;t\x07".to_vec()),
        Just(b"\x1b[".to_vec()),
        Just(b"\x08".to_vec()),
        Just(b"\r\n".to_vec()),
        Just("日é".into()),
        proptest::collection::vec(any::<u8>(), 0..3),
    ];
    proptest::collection::vec(piece, 0..20)
}

fn seen(bytes: &[u8]) -> Vec<u8> {
    let mut lexer = Lexer::new();
    let text = |b: &&u8| matches!(lexer.step(**b), Step::Char(_) | Step::Part | Step::Stray);
    bytes.iter().filter(text).copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn cut_anywhere_the_same_is_shown(pieces in pieces()) {
        let (wires, _guard) = armed();
        let whole = pieces.concat();
        let split: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        // Two secrets side by side are one find or two.
        let shown = through(&wires, &[&whole]).0;
        prop_assert_eq!(&through(&wires, &split).0, &shown);
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        prop_assert_eq!(&through(&wires, &bytes).0, &shown);
        let text = seen(&shown);
        prop_assert!(!shown.windows(OWN.len()).any(|w| w == OWN));
        prop_assert!(!text.windows(OWN.len()).any(|w| w == OWN));
    }

    #[test]
    fn where_nothing_is_to_be_masked_the_bytes_are_the_same(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
    ) {
        let (mut curtain, none) = (PtyCurtain::new(Tripwires::new()), Obligations::none());
        let mut shown = Vec::new();
        for piece in &pieces {
            shown.extend(now(curtain.push(piece, NOON, &mut Keys, &none)).unwrap().bytes);
        }
        shown.extend(now(curtain.finish(&mut Keys, &none)).unwrap().bytes);
        prop_assert_eq!(shown, pieces.concat());
    }
}
