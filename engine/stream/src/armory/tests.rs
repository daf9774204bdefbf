//! What the tripwire finds, whole and in pieces, and what it costs.

use super::*;
use crate::HoldBack;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;

const SECRET: &[u8] = b"K7vQ9wZ2xR4tB8nM3pL6sJ1hG5fD0cXy";

/// A secret of 24 to 48 bytes that passes for strong.
fn secret() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 24..48)
        .prop_filter("strong", |s| strength(s) >= limits::TRIPWIRE_BITS_MIN)
}

fn percent(secret: &[u8]) -> Vec<u8> {
    let encode = |b: &u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            vec![*b]
        }
        _ => format!("%{b:02X}").into_bytes(),
    };
    secret.iter().flat_map(encode).collect()
}

#[test]
fn an_empty_armory_finds_nothing() {
    let wires = Tripwires::new();
    assert!(wires.hits(SECRET).is_empty());
    assert_eq!(wires.reach(), 0);
    assert_eq!(wires.partial(SECRET), 0);
}

#[test]
fn a_secret_is_found_until_its_last_guard_is_gone() {
    let wires = Tripwires::new();
    let text = [b"xx", SECRET, b"yy"].concat();
    let first = wires.arm(SECRET).unwrap();
    let second = wires.clone().arm(SECRET).unwrap();
    assert_eq!(wires.hits(&text), [(2, 2 + SECRET.len())]);
    drop(first);
    assert_eq!(wires.hits(&text).len(), 1);
    drop(second);
    assert!(wires.hits(&text).is_empty() && wires.is_empty());
}

#[test]
fn a_weak_secret_is_refused_with_its_bits() {
    let wires = Tripwires::new();
    let refusal = wires.arm(b"postgres").err();
    assert!(matches!(refusal, Some(Unarmed::Weak(bits)) if bits < limits::TRIPWIRE_BITS_MIN));
    assert!(wires.is_empty());
}

#[test]
fn neighbours_and_repetitions_are_one_range() {
    let wires = Tripwires::new();
    let _armed = wires.arm(SECRET).unwrap();
    let twice = [SECRET, SECRET].concat();
    assert_eq!(wires.hits(&twice), [(0, twice.len())]);
}

#[test]
fn nearly_nothing_is_held_back_from_a_terminal() {
    let wires = Tripwires::new();
    let _armed = wires.arm(SECRET).unwrap();
    let mut stream = HoldBack::new(wires, "[masked]");
    assert_eq!(stream.push(b"user@host:~$ ").bytes, b"user@host:~$ ");
    assert_eq!(stream.held(), 0);
}

proptest! {
    #[test]
    fn every_encoding_is_found(secret in secret(), before in prop::collection::vec(any::<u8>(), 0..40), after in prop::collection::vec(any::<u8>(), 0..40)) {
        let wires = Tripwires::new();
        let _armed = wires.arm(&secret).unwrap();
        let whole = [&before[..], &secret, &after].concat();
        let forms = [
            whole.clone(),
            STANDARD.encode(&whole).into_bytes(),
            URL_SAFE.encode(&whole).into_bytes(),
            hex::encode(&whole).into_bytes(),
            hex::encode_upper(&whole).into_bytes(),
            percent(&whole),
        ];
        for form in forms {
            prop_assert!(!wires.hits(&form).is_empty(), "{}", String::from_utf8_lossy(&form));
        }
    }

    #[test]
    fn any_split_is_still_found(secret in secret(), cuts in prop::collection::vec(0_usize..120, 0..12), before in prop::collection::vec(any::<u8>(), 0..30), after in prop::collection::vec(any::<u8>(), 0..30)) {
        let wires = Tripwires::new();
        let _armed = wires.arm(&secret).unwrap();
        let text = [&before[..], &secret, &after].concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let mut stream = HoldBack::new(wires.clone(), "");
        let (mut out, mut hits) = (Vec::new(), 0);
        for pair in cuts.windows(2) {
            let passed = stream.push(&text[pair[0]..pair[1]]);
            out.extend(passed.bytes);
            hits += passed.hits;
            prop_assert!(stream.held() < wires.reach());
        }
        let last = stream.finish();
        out.extend(last.bytes);
        prop_assert_eq!(hits + last.hits, 1);
        prop_assert_eq!(out, [&before[..], &after].concat());
    }

    #[test]
    fn the_matcher_agrees_with_a_naive_search(texts in prop::collection::vec("[ab]{0,200}", 1..4), needle in "[ab]{4,12}") {
        let matcher = Matcher::new(vec![Arc::new(Needle::from(needle.as_bytes()))]);
        for text in texts {
            let naive = text.as_bytes().windows(needle.len()).any(|w| w == needle.as_bytes());
            prop_assert_eq!(!matcher.hits(text.as_bytes()).is_empty(), naive);
        }
    }
}

/// Not a benchmark: unoptimised, on a shared machine. It catches a matcher that lost its jumps.
#[test]
fn two_hundred_secrets_cost_little() {
    let wires = Tripwires::new();
    let guards: Vec<Armed> = (0_u64..200)
        .map(|n| {
            let bytes: Vec<u8> = (0..32_u64)
                .map(|i| {
                    let mixed = (n * 64 + i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    (mixed >> 40) as u8
                })
                .collect();
            wires.arm(STANDARD.encode(bytes).as_bytes()).unwrap()
        })
        .collect();
    let text =
        b"42\tana@example.com\t2026-11-21 10:00:00\tsome ordinary text here\n".repeat(16_000);
    let started = std::time::Instant::now();
    assert!(wires.hits(&text).is_empty());
    let rate = text.len() as f64 / started.elapsed().as_secs_f64() / 1e6;
    assert!(rate > 5.0, "{rate} MB/s");
    assert_eq!(wires.len(), guards.len());
}
