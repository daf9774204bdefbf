//! The needles of several maskers as one automaton: one table look-up per byte says which of them have a needle in a
//! cell. Literals, bytes and patterns come from a regular-expression library; runs of digits are counted beside it,
//! because a counter that starts anywhere would make the library's automaton explode. Refuses needles that would
//! need a larger table than is worth keeping in the cache.
//!
//! When in doubt it says yes: a masker is then called for nothing, never left out.

use crate::needles::{Needle, Needles, Run};
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::{primitives::StateID, start, syntax};
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::{Hir, Look};
use std::collections::HashMap;

/// Maskers that one sieve can tell apart.
pub const OWNERS_MAX: usize = 32;
/// Bytes of one sieve's table.
pub const TABLE_BYTES_MAX: usize = 4 << 20;
/// Bytes that the library may use to build its automaton.
const BUILD_BYTES_MAX: usize = 16 << 20;

/// Which maskers have a needle in a cell.
#[derive(Clone, Debug)]
pub struct Sieve {
    /// The class of each byte.
    classes: Box<[u8; 256]>,
    /// `next[state | class]` is the next state; states are multiples of the row length.
    next: Vec<u32>,
    /// Log2 of the row length.
    shift: u32,
    /// States from here on have found something.
    found_from: u32,
    /// What a state has found, by its number.
    found: Vec<u32>,
    /// What it has found when the cell ends here.
    at_end: Vec<u32>,
    /// All owners that have a needle at all.
    owners: u32,
    start: u32,
}

impl Sieve {
    /// One sieve for the needles of these owners. An owner is a bit: `1 << 3`.
    ///
    /// # Errors
    /// A sentence: a pattern that is none, or needles that are too many together.
    pub fn new(needles: &[(u32, &Needles)]) -> Result<Self, String> {
        let all = needles.iter();
        let all = all.flat_map(|(owner, n)| n.any_of.iter().map(move |needle| (*owner, needle)));
        let (mut patterns, mut counters): (Vec<String>, Vec<Counter>) = Default::default();
        let (mut owners, mut everybody) = (Vec::new(), 0);
        for (owner, needle) in all {
            everybody |= owner;
            match needle {
                Needle::Digits(run) => {
                    let counter = Counter::of(owner, run);
                    match counters.iter_mut().find(|c| c.run == *run) {
                        Some(same) => same.owner |= owner,
                        None => counters.push(counter),
                    }
                }
                other => {
                    patterns.push(expression(other)?);
                    owners.push(owner);
                }
            }
        }
        let library = library(&patterns)?;
        Product::build(&library, &owners, &counters, everybody)
    }

    /// The owners of which a needle stands in the text. Every one of `asked` that has one is in the answer; the
    /// search ends when all of these are.
    #[must_use]
    pub fn scan(&self, text: &[u8], asked: u32) -> u32 {
        let mut lane = Lane::of(self, 0, text, asked);
        self.finish(&mut lane);
        lane.found
    }

    /// The same for many texts: `found` is told the number and the owners of each, in any order. A look-up has to wait
    /// for the one before, so several texts are searched side by side.
    pub fn scan_all<'t>(
        &self,
        mut texts: impl Iterator<Item = (usize, &'t [u8], u32)>,
        mut found: impl FnMut(usize, u32),
    ) {
        let lane = |(number, text, asked)| Lane::of(self, number, text, asked);
        let mut lanes = match [texts.next(), texts.next(), texts.next(), texts.next()] {
            [Some(a), Some(b), Some(c), Some(d)] => [lane(a), lane(b), lane(c), lane(d)],
            few => {
                for mut lane in few.into_iter().flatten().map(lane) {
                    self.finish(&mut lane);
                    found(lane.number, lane.found);
                }
                return;
            }
        };
        loop {
            self.side_by_side(&mut lanes);
            for at in 0..lanes.len() {
                while lanes[at].done {
                    self.finish(&mut lanes[at]);
                    found(lanes[at].number, lanes[at].found);
                    let Some(next) = texts.next() else {
                        for (rest, lane) in lanes.iter_mut().enumerate() {
                            if rest != at {
                                self.finish(lane);
                                found(lane.number, lane.found);
                            }
                        }
                        return;
                    };
                    lanes[at] = lane(next);
                }
            }
        }
    }

    /// As many steps in every lane as the one that has the fewest left, or until one has found all that it may.
    fn side_by_side(&self, lanes: &mut [Lane<'_>; 4]) {
        let steps = lanes.iter().map(|lane| lane.rest.len()).min().unwrap_or(0);
        let [mut a, mut b, mut c, mut d] = [0, 1, 2, 3].map(|lane: usize| lanes[lane].state);
        let [w, x, y, z] = [0, 1, 2, 3].map(|lane: usize| &lanes[lane].rest[..steps]);
        let mut taken = 0;
        for (((w, x), y), z) in w.iter().zip(x).zip(y).zip(z) {
            (a, b) = (self.step(a, *w), self.step(b, *x));
            (c, d) = (self.step(c, *y), self.step(d, *z));
            taken += 1;
            if a.max(b).max(c).max(d) >= self.found_from {
                let mut done = false;
                for (lane, state) in lanes.iter_mut().zip([a, b, c, d]) {
                    if state >= self.found_from {
                        lane.found |= self.of(&self.found, state);
                        lane.done |= lane.found & lane.asked == lane.asked;
                        done |= lane.done;
                    }
                }
                if done {
                    break;
                }
            }
        }
        for (lane, state) in lanes.iter_mut().zip([a, b, c, d]) {
            lane.state = state;
            lane.rest = &lane.rest[taken..];
            lane.done |= lane.rest.is_empty();
        }
    }

    /// The rest of one lane.
    fn finish(&self, lane: &mut Lane<'_>) {
        if lane.found & lane.asked == lane.asked {
            return;
        }
        let mut state = lane.state;
        for byte in lane.rest {
            state = self.step(state, *byte);
            if state >= self.found_from {
                lane.found |= self.of(&self.found, state);
                if lane.found & lane.asked == lane.asked {
                    return;
                }
            }
        }
        lane.rest = &[];
        lane.found |= self.of(&self.at_end, state);
    }

    #[inline(always)]
    fn step(&self, state: u32, byte: u8) -> u32 {
        let class = u32::from(self.classes[usize::from(byte)]);
        // No such state: one that has found everything.
        let next = self.next.get((state | class) as usize);
        next.copied().unwrap_or(u32::MAX)
    }

    /// Bytes of its table.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        self.next.len() * size_of::<u32>()
    }

    fn of(&self, list: &[u32], state: u32) -> u32 {
        list.get((state >> self.shift) as usize)
            .copied()
            .unwrap_or(self.owners)
    }
}

/// One text that is being searched.
struct Lane<'t> {
    number: usize,
    rest: &'t [u8],
    state: u32,
    found: u32,
    asked: u32,
    done: bool,
}

impl<'t> Lane<'t> {
    fn of(sieve: &Sieve, number: usize, text: &'t [u8], asked: u32) -> Self {
        let asked = asked & sieve.owners;
        Self {
            number,
            rest: text,
            state: sieve.start,
            found: 0,
            asked,
            done: text.is_empty() || asked == 0,
        }
    }
}

/// A needle as a regular expression.
fn expression(needle: &Needle) -> Result<String, String> {
    let exact = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("\\x{b:02x}")).collect() };
    match needle {
        Needle::Literal { text, ignore_case } => Ok(match ignore_case {
            true => format!("(?i:{})", exact(text.as_bytes())),
            false => exact(text.as_bytes()),
        }),
        Needle::Byte(byte) => Ok(exact(&[*byte])),
        Needle::Pattern(pattern) => {
            let says = |why: &str| format!("the needle `{}`: {why}", pattern.escape_debug());
            let hir = parsed(pattern).map_err(|e| says(&e))?;
            let properties = hir.properties();
            let words = [Look::WordAscii, Look::WordAsciiNegate];
            let mut looks = properties.look_set().iter();
            if looks.any(|look| !words.contains(&look)) {
                return Err(says(
                    "no anchors: a cell may be cut, and a cell is not a line",
                ));
            }
            match properties.minimum_len() {
                Some(least) if least > 0 => Ok(pattern.clone()),
                _ => Err(says("it matches nothing, or the empty string")),
            }
        }
        Needle::Digits(_) => Err("a run of digits is counted".to_owned()),
    }
}

fn parsed(pattern: &str) -> Result<Hir, String> {
    let mut parser = regex_syntax::ParserBuilder::new();
    parser.unicode(false).utf8(false).nest_limit(32);
    let parsed = parser.build().parse(pattern);
    parsed.map_err(|e| format!("not {}: {e}", Needle::PATTERN))
}

/// The library's automaton over all patterns; every match of every pattern is reported.
fn library(patterns: &[String]) -> Result<dense::DFA<Vec<u32>>, String> {
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Unanchored)
        .accelerate(false)
        .dfa_size_limit(Some(BUILD_BYTES_MAX))
        .determinize_size_limit(Some(BUILD_BYTES_MAX));
    dense::Builder::new()
        .configure(config)
        .syntax(
            syntax::Config::new()
                .unicode(false)
                .utf8(false)
                .nest_limit(32),
        )
        .thompson(thompson::Config::new().utf8(false))
        .build_many(patterns)
        .map_err(|e| format!("the needles are too many or too complex together: {e}"))
}

/// A run of digits that is being counted. Of all places where a run may have begun the earliest is ahead of the
/// others for good, so one number is enough.
struct Counter {
    owner: u32,
    run: Run,
    separates: [bool; 256],
}

/// How far a counter has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Count {
    digits: u8,
    gap: u8,
    /// Nothing is counted, and the last byte belongs to a word.
    word: bool,
    /// The run was complete right before the last byte, or with it.
    found: bool,
}

impl Counter {
    const START: Count = Count {
        digits: 0,
        gap: 0,
        word: false,
        found: false,
    };

    fn of(owner: u32, run: &Run) -> Self {
        let mut separates = [false; 256];
        for byte in run.separators.bytes() {
            separates[usize::from(byte)] = true;
        }
        Self {
            owner,
            run: run.clone(),
            separates,
        }
    }

    fn next(&self, at: Count, byte: u8) -> Count {
        let alone = self.run.alone;
        let word = byte.is_ascii_alphanumeric() || byte == b'_';
        let least = u8::try_from(self.run.least).unwrap_or(u8::MAX);
        let separates = self.separates[usize::from(byte)] && u32::from(at.gap) < self.run.gap;
        let mut next = match at.digits {
            0 if byte.is_ascii_digit() && !(alone && at.word) => Count {
                digits: 1,
                ..Self::START
            },
            digits if digits > 0 && byte.is_ascii_digit() => Count {
                digits: digits.saturating_add(1).min(least),
                ..Self::START
            },
            digits if digits > 0 && separates => Count {
                digits,
                gap: at.gap + 1,
                ..Self::START
            },
            _ => Count {
                word: alone && word,
                ..Self::START
            },
        };
        next.found = match alone {
            true => !word && self.complete(at),
            false => self.complete(next),
        };
        next
    }

    /// The run has all its digits, and the last byte is one of them.
    fn complete(&self, at: Count) -> bool {
        u32::from(at.digits) >= self.run.least && at.gap == 0
    }

    fn found(&self, at: Count) -> u32 {
        if at.found { self.owner } else { 0 }
    }

    fn found_at_end(&self, at: Count) -> u32 {
        if at.found || self.complete(at) {
            self.owner
        } else {
            0
        }
    }
}

/// The library's automaton and the counters, walked together from the start: what is reached is the table.
struct Product<'a> {
    library: &'a dense::DFA<Vec<u32>>,
    owners: &'a [u32],
    counters: &'a [Counter],
    numbers: HashMap<(StateID, Vec<Count>), u32>,
    states: Vec<(StateID, Vec<Count>)>,
}

impl Product<'_> {
    fn build(
        library: &dense::DFA<Vec<u32>>,
        owners: &[u32],
        counters: &[Counter],
        everybody: u32,
    ) -> Result<Sieve, String> {
        let (classes, bytes) = classes(library, counters);
        let shift = bytes.len().next_power_of_two().trailing_zeros();
        let mut product = Product {
            library,
            owners,
            counters,
            numbers: HashMap::new(),
            states: Vec::new(),
        };
        let start = library
            .start_state(&start::Config::new().anchored(Anchored::No))
            .map_err(|e| format!("the needles have no start: {e}"))?;
        product.number(start, vec![Counter::START; counters.len()]);
        let mut rows: Vec<Vec<u32>> = Vec::new();
        while let Some((state, counts)) = product.states.get(rows.len()).cloned() {
            if (product.states.len() << shift) * size_of::<u32>() > TABLE_BYTES_MAX {
                return Err(format!(
                    "the needles need a table of more than {TABLE_BYTES_MAX} bytes: use fewer or simpler patterns"
                ));
            }
            let row = bytes.iter().map(|byte| {
                let counts = counters.iter().zip(&counts);
                let counts = counts.map(|(counter, at)| counter.next(*at, *byte));
                product.number(library.next_state(state, *byte), counts.collect())
            });
            let row = row.collect();
            rows.push(row);
        }
        Ok(product.table(rows, classes, shift, everybody))
    }

    fn number(&mut self, state: StateID, counts: Vec<Count>) -> u32 {
        let next = self.states.len() as u32;
        let key = (state, counts);
        match self.numbers.get(&key) {
            Some(number) => *number,
            None => {
                self.states.push(key.clone());
                self.numbers.insert(key, next);
                next
            }
        }
    }

    /// States that have found nothing come first, so that one comparison tells.
    fn table(
        &self,
        rows: Vec<Vec<u32>>,
        classes: Box<[u8; 256]>,
        shift: u32,
        owners: u32,
    ) -> Sieve {
        let found: Vec<u32> = self.states.iter().map(|(s, c)| self.found(*s, c)).collect();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|number| found[*number] != 0);
        let mut place = vec![0_u32; rows.len()];
        for (at, number) in order.iter().enumerate() {
            place[*number] = (at as u32) << shift;
        }
        let mut next = vec![0; rows.len() << shift];
        for (number, row) in rows.iter().enumerate() {
            for (class, to) in row.iter().enumerate() {
                next[place[number] as usize | class] = place[*to as usize];
            }
        }
        let quiet = found.iter().filter(|f| **f == 0).count();
        let at_end = |number: &usize| {
            let (state, counts) = &self.states[*number];
            let counts = self.counters.iter().zip(counts);
            let counted = counts.fold(0, |sum, (counter, at)| sum | counter.found_at_end(*at));
            self.matched(self.library.next_eoi_state(*state)) | counted | found[*number]
        };
        Sieve {
            classes,
            next,
            shift,
            found_from: (quiet as u32) << shift,
            found: order.iter().map(|number| found[*number]).collect(),
            at_end: order.iter().map(at_end).collect(),
            owners,
            start: place[0],
        }
    }

    fn found(&self, state: StateID, counts: &[Count]) -> u32 {
        let counters = self.counters.iter().zip(counts);
        let counted = counters.fold(0, |sum, (counter, at)| sum | counter.found(*at));
        counted | self.matched(state)
    }

    fn matched(&self, state: StateID) -> u32 {
        if !self.library.is_match_state(state) {
            return 0;
        }
        (0..self.library.match_len(state)).fold(0, |sum, index| {
            let pattern = self.library.match_pattern(state, index).as_usize();
            sum | self.owners.get(pattern).copied().unwrap_or(u32::MAX)
        })
    }
}

/// Bytes that nobody tells apart, and one of each kind.
fn classes(library: &dense::DFA<Vec<u32>>, counters: &[Counter]) -> (Box<[u8; 256]>, Vec<u8>) {
    let mut classes = Box::new([0; 256]);
    let mut kinds: HashMap<(u8, bool, bool, Vec<bool>), u8> = HashMap::new();
    let mut bytes = Vec::new();
    for byte in 0..=u8::MAX {
        let separates = counters.iter().map(|c| c.separates[usize::from(byte)]);
        let word = byte.is_ascii_alphanumeric() || byte == b'_';
        let class = library.byte_classes().get(byte);
        let kind = (class, byte.is_ascii_digit(), word, separates.collect());
        let fresh = kinds.len() as u8;
        classes[usize::from(byte)] = *kinds.entry(kind).or_insert_with(|| {
            bytes.push(byte);
            fresh
        });
    }
    (classes, bytes)
}

#[cfg(test)]
mod tests;
