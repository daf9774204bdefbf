//! Words that make a number tell what it is: in the name of its column, and in the text before and behind it in the same
//! cell. Column names only raise, for whoever asks chooses them: `SELECT card AS version` must not unmask a card.

use crate::kinds::{ALL, Kind};
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::BTreeMap;

/// How far before a value words count.
pub const BEFORE: usize = 48;
/// How far behind it.
pub const BEHIND: usize = 24;
/// How far from a word a number without any check may stand.
const CLOSE: usize = 14;
/// Kinds without any check: a telephone number is any number that stands right behind the word.
const LOOSE: u32 = Kind::Phone.bit();
/// A word up to this length must stand alone: `tel` is no part of `hotel`.
const SHORT: usize = 5;

/// Kinds that words speak for and against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// For.
    pub raise: u32,
    /// Against.
    pub lower: u32,
}

/// All words of all kinds in one automaton.
#[derive(Debug)]
pub struct Words {
    automaton: AhoCorasick,
    said: Vec<Said>,
}

impl Words {
    /// The words of the kinds, and those of the configuration.
    pub fn new(more: &BTreeMap<Kind, Vec<String>>) -> Result<Self, String> {
        let mut words: BTreeMap<String, Said> = BTreeMap::new();
        for kind in ALL {
            let own = kind.raising().iter().map(|w| (*w).to_owned());
            let added = more.get(kind).into_iter().flatten();
            for word in own.chain(added.map(|w| w.to_lowercase())) {
                words.entry(word).or_default().raise |= kind.bit();
            }
            for word in kind.lowering() {
                words.entry((*word).to_owned()).or_default().lower |= kind.bit();
            }
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(words.keys())
            .map_err(|e| e.to_string())?;
        Ok(Self {
            automaton,
            said: words.into_values().collect(),
        })
    }

    /// What a column's name says.
    pub fn column(&self, name: &str) -> u32 {
        self.said(name.as_bytes(), |_, _| true).raise
    }

    /// What the text around a value says. The value itself is left out.
    pub fn around(&self, data: &[u8], start: usize, end: usize) -> Said {
        let from = start.saturating_sub(BEFORE);
        let before = &data[from..start];
        let before = &before[memchr::memrchr(0, before).map_or(0, |at| at + 1)..];
        let behind = &data[end..(end + BEHIND).min(data.len())];
        let behind = &behind[..memchr::memchr(0, behind).unwrap_or(behind.len())];
        // What follows belongs to the next value as soon as another number begins.
        let behind = &behind[..behind
            .iter()
            .position(u8::is_ascii_digit)
            .unwrap_or(behind.len())];
        let (a, b) = (
            self.said(before, |_, end| close(&before[end..], CLOSE)),
            self.said(behind, |start, _| matches!(&behind[..start], b" (" | b" [")),
        );
        Said {
            raise: a.raise | b.raise,
            lower: a.lower | b.lower,
        }
    }

    fn said(&self, text: &[u8], close: impl Fn(usize, usize) -> bool) -> Said {
        let mut all = Said::default();
        if text.len() < 2 {
            return all;
        }
        for hit in self.automaton.find_overlapping_iter(text) {
            let Some(said) = self.said.get(hit.pattern().as_usize()) else {
                continue;
            };
            if begins(text, hit.start())
                && (hit.end() - hit.start() > SHORT || ends(text, hit.end()))
            {
                let far = if close(hit.start(), hit.end()) {
                    0
                } else {
                    LOOSE
                };
                all.raise |= said.raise & !far;
                all.lower |= said.lower;
            }
        }
        all
    }
}

/// A word begins after anything but a letter, and at a capital after a small letter.
fn begins(text: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).and_then(|i| text.get(i)) else {
        return true;
    };
    !letter(*before)
        || before.is_ascii_lowercase() && text.get(at).is_some_and(u8::is_ascii_uppercase)
}

fn ends(text: &[u8], at: usize) -> bool {
    let Some(next) = text.get(at) else {
        return true;
    };
    let last_small = text
        .get(at.wrapping_sub(1))
        .is_some_and(u8::is_ascii_lowercase);
    // A plural still is the word.
    let plural = *next == b's' && !text.get(at + 1).is_some_and(|b| letter(*b));
    !letter(*next) || plural || last_small && next.is_ascii_uppercase()
}

/// Nothing but a few characters between a word and a number, no end of a clause, and no other word but `number`.
fn close(between: &[u8], most: usize) -> bool {
    const LINKS: [&[u8]; 8] = [
        b"no", b"nr", b"num", b"number", b"is", b"nummer", b"s", b"numer",
    ];
    let clause = between.iter().any(|b| matches!(b, b',' | b';' | b'\n'));
    let words = between.split(|b| !letter(*b)).filter(|w| !w.is_empty());
    let mut words = words.filter(|w| !LINKS.iter().any(|l| l.eq_ignore_ascii_case(w)));
    between.len() <= most && !clause && words.next().is_none()
}

fn letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_words_begin() {
        let words = Words::new(&BTreeMap::new()).unwrap();
        let column = |name: &str, kind: Kind| words.column(name) & kind.bit() != 0;
        for name in [
            "phone",
            "customer_phone",
            "phoneNumber",
            "homeTel",
            "TEL",
            "tel_no",
            "Mobile",
        ] {
            assert!(column(name, Kind::Phone), "{name}");
        }
        for name in ["hotel", "telnet", "microphone_model", "title"] {
            assert!(!column(name, Kind::Phone), "{name}");
        }
        assert!(
            column("date_of_birth", Kind::Birthdate) && column("Geburtsdatum", Kind::Birthdate)
        );
        assert!(!column("version", Kind::Ip) && column("client_ip", Kind::Ip));
    }

    #[test]
    fn text_counts_up_to_the_cell_s_end() {
        let words = Words::new(&BTreeMap::new()).unwrap();
        let text = b"ssn\x00123456789 (ssn)\x00";
        let said = words.around(text, 4, 13);
        assert!(said.raise & Kind::Ssn.bit() != 0);
        assert_eq!(
            words.around(b"ssn\x00123456789\x00ssn", 4, 13),
            Said::default()
        );
    }
}
