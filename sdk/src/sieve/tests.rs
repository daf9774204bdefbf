//! The automaton against the plainest reading of each needle: it may never say no where that says yes, and on these
//! needles it may not say yes either.

use super::*;
use crate::needles::{Needles, Run};
use proptest::prelude::*;
use std::sync::LazyLock;

const NEEDLES: [&str; 3] = [
    r#"{"any_of": [{"byte": 64}, {"digits": 4}, {"pattern": "(?i)\\b[a-z]{2}[0-9]{2}(?: ?[a-z0-9]){3}\\b"}]}"#,
    r#"{"any_of": [{"literal": "AKIA"}, {"literal": "pass_1", "ignore_case": true}, {"literal": "KIA"},
        {"digits": 5, "separators": "-( ", "gap": 2, "alone": true}]}"#,
    r#"{"any_of": [{"digits": 3, "gap": 0}, {"pattern": "a.?b\\B"}, {"byte": 195}, {"literal": "ß"}]}"#,
];

fn needles(json: &str) -> Needles {
    serde_json::from_str(json).unwrap()
}

/// What a needle says, word by word.
fn stands(needle: &Needle, text: &[u8]) -> bool {
    match needle {
        Needle::Byte(byte) => text.contains(byte),
        Needle::Literal {
            text: word,
            ignore_case,
        } => text.windows(word.len()).any(|w| match ignore_case {
            true => w.eq_ignore_ascii_case(word.as_bytes()),
            false => w == word.as_bytes(),
        }),
        Needle::Pattern(pattern) => {
            let built = regex::bytes::RegexBuilder::new(pattern)
                .unicode(false)
                .build();
            built.unwrap().is_match(text)
        }
        Needle::Digits(run) => (0..text.len()).any(|at| begins(run, text, at)),
    }
}

fn begins(run: &Run, text: &[u8], at: usize) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if !text[at].is_ascii_digit() || (run.alone && at > 0 && word(text[at - 1])) {
        return false;
    }
    let (mut digits, mut gap) = (0, 0);
    for (more, byte) in text[at..].iter().enumerate() {
        if byte.is_ascii_digit() {
            (digits, gap) = (digits + 1, 0);
        } else if run.separators.as_bytes().contains(byte) && gap < run.gap {
            gap += 1;
        } else {
            break;
        }
        let ends = text.get(at + more + 1).is_none_or(|b| !word(*b));
        if digits >= run.least && gap == 0 && (ends || !run.alone) {
            return true;
        }
    }
    false
}

fn expected(all: &[Needles], text: &[u8]) -> u32 {
    let of = |(owner, n): (usize, &Needles)| {
        u32::from(n.any_of.iter().any(|n| stands(n, text))) << owner
    };
    all.iter().enumerate().map(of).sum()
}

fn sieve(all: &[Needles]) -> Sieve {
    let owned: Vec<(u32, &[Needle])> = all
        .iter()
        .enumerate()
        .map(|(i, n)| (1 << i, n.any_of.as_slice()))
        .collect();
    Sieve::new(&owned).unwrap()
}

static ALL: LazyLock<Vec<Needles>> =
    LazyLock::new(|| NEEDLES.iter().map(|json| needles(json)).collect());
static TOGETHER: LazyLock<Sieve> = LazyLock::new(|| sieve(&ALL));
static APART: LazyLock<Vec<Sieve>> = LazyLock::new(|| {
    ALL.iter()
        .map(|one| sieve(std::slice::from_ref(one)))
        .collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_automaton_says_what_the_needles_say(
        text in proptest::collection::vec(
            prop_oneof![
                Just(b"AKIA".to_vec()), Just(b"PaSs_1".to_vec()), Just("ß".as_bytes().to_vec()),
                "[0-9]{1,4}".prop_map(String::into_bytes), "[-. (]{1,3}".prop_map(String::into_bytes),
                "[abKI_@]{1,3}".prop_map(String::into_bytes), Just(b"de12 x".to_vec()),
                proptest::collection::vec(any::<u8>(), 1..3),
            ], 0..8)
    ) {
        let text = text.concat();
        let says = expected(&ALL, &text);
        prop_assert_eq!(TOGETHER.scan(&text, u32::MAX), says, "{:?}", String::from_utf8_lossy(&text));
        for (index, alone) in APART.iter().enumerate() {
            prop_assert_eq!(alone.scan(&text, 1), says >> index & 1);
            let asked = 1 << index;
            prop_assert_eq!(TOGETHER.scan(&text, asked) & asked, says & asked);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn side_by_side_says_the_same_as_one_by_one(
        texts in proptest::collection::vec(("[aAKIAß@ 0-9.de-]{0,24}", 0_u32..8), 0..14)
    ) {
        let each: Vec<u32> = texts.iter().map(|(t, asked)| TOGETHER.scan(t.as_bytes(), *asked) & asked).collect();
        let mut all = vec![None; texts.len()];
        let numbered = texts.iter().enumerate().map(|(n, (t, asked))| (n, t.as_bytes(), *asked));
        TOGETHER.scan_all(numbered, |n, found| {
            assert!(all[n].is_none(), "told twice");
            all[n] = Some(found & texts[n].1);
        });
        prop_assert_eq!(all, each.into_iter().map(Some).collect::<Vec<_>>());
    }
}

#[test]
fn needles_that_cannot_be_looked_for_say_why() {
    for (needle, why) in [
        (r#"{"pattern": "^a"}"#, "no anchors"),
        (r#"{"pattern": "a*"}"#, "the empty string"),
        (r#"{"pattern": "a("}"#, "not a regular expression"),
        (r#"{"pattern": "[ab]*a[ab]{20}z"}"#, "too complex"),
    ] {
        let needles = needles(&format!(r#"{{"any_of": [{needle}]}}"#));
        let error = Sieve::new(&[(1, &needles.any_of)]).unwrap_err();
        assert!(error.contains(why), "{needle}: {error}");
    }
}

#[test]
fn a_long_list_of_needles_stays_small() {
    let literals: Vec<String> = (0..900)
        .map(|i| {
            format!(
                r#"{{"literal": "t{:x}_{i}-", "ignore_case": {}}}"#,
                i * 7919,
                i % 2 == 0
            )
        })
        .collect();
    let json = format!(
        r#"{{"any_of": [{}, {{"digits": 12, "alone": true, "gap": 2}}, {{"digits": 9}},
            {{"pattern": "(?i)\\b[a-z]{{2}}[0-9]{{6}}[a-d]\\b"}}, {{"pattern": "(?i):(?:[0-9a-f]{{1,4}}:){{6}}"}},
            {{"pattern": "\\b[0-9]{{1,4}}[ .-]{{1,2}}[0-9]{{1,4}}\\b"}}]}}"#,
        literals.join(",")
    );
    let sieve = Sieve::new(&[(1, &needles(&json).any_of)]).unwrap();
    assert!(sieve.table_bytes() < 4 << 20, "{}", sieve.table_bytes());
    assert!(sieve.passes() <= 3, "{}", sieve.passes());
    assert_eq!(sieve.scan(b"x T0_0- y", 1), 1);
    assert_eq!(sieve.scan(b"x T1EEF_1- y", 1), 0, "this one regards case");
    assert_eq!(sieve.scan(b"x t1eef_1- y", 1), 1);
}
