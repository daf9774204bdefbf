//! One automaton as a table, and the product of two. Refuses products that are too large to be worth keeping together.

use super::counter::Counter;
use crate::needles::Run;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};
use std::collections::HashMap;
use std::hash::Hash;

/// Bytes that the library may use to build one automaton.
const BUILD_BYTES_MAX: usize = 4 << 20;

/// Set in a state that has found something.
pub(super) const FOUND: u32 = 1 << 31;

/// States and what they have found. A state is a multiple of the row's length, with [`FOUND`] where it has found something.
///
/// Only [`explore`] makes one, and it sees to this: each state in `next`, and `start`, is without its flag below the length
/// of `next` by a whole row at least, and each class is below the length of a row.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// The class of each byte.
    classes: Box<[u8; 256]>,
    /// `next[state | class]`.
    next: Vec<u32>,
    /// Log2 of the row's length.
    shift: u32,
    /// What a state has found, by its number; and what it has when the text ends here.
    found: Vec<u32>,
    at_end: Vec<u32>,
    pub(super) start: u32,
}

impl Table {
    /// The state after a byte; one that has found everything where there is none.
    pub(super) fn step(&self, state: u32, byte: u8) -> u32 {
        let at = state & !FOUND | u32::from(self.class(byte));
        self.next.get(at as usize).copied().unwrap_or(u32::MAX)
    }

    /// The state after a byte of this class.
    ///
    /// # Safety
    /// `state` is one of this table's without [`FOUND`], and `class` is what [`Table::class`] says of a byte.
    #[inline(always)]
    pub(super) unsafe fn step_within(&self, state: u32, class: u32) -> u32 {
        let at = (state | class) as usize;
        debug_assert!(at < self.next.len());
        // SAFETY: a state begins a row of `next`, and a class is below the length of a row: see `Table`.
        unsafe { *self.next.get_unchecked(at) }
    }

    /// The class of a byte: bytes of one class lead to the same states everywhere.
    pub(super) fn class(&self, byte: u8) -> u8 {
        self.classes[usize::from(byte)]
    }

    /// What a state has found.
    pub(super) fn found(&self, state: u32) -> u32 {
        let found = self.found.get(self.number(state));
        found.copied().unwrap_or(u32::MAX)
    }

    /// What it has found when the text ends here.
    pub(super) fn at_end(&self, state: u32) -> u32 {
        let found = self.at_end.get(self.number(state));
        found.copied().unwrap_or(u32::MAX)
    }

    /// The number of a state.
    pub(super) fn number(&self, state: u32) -> usize {
        ((state & !FOUND) >> self.shift) as usize
    }

    pub(super) fn bytes(&self) -> usize {
        self.next.len() * size_of::<u32>()
    }

    /// A pattern, found by this owner.
    pub(super) fn pattern(pattern: &str, owner: u32) -> Result<Self, String> {
        let says = |e: &dyn std::fmt::Display| {
            format!(
                "the needle `{}` is too complex: {e}",
                pattern.escape_debug()
            )
        };
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Unanchored)
            .accelerate(false)
            .dfa_size_limit(Some(BUILD_BYTES_MAX))
            .determinize_size_limit(Some(BUILD_BYTES_MAX));
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let library = dense::Builder::new()
            .configure(config)
            .syntax(syntax.nest_limit(32))
            .thompson(thompson::Config::new().utf8(false))
            .build(pattern)
            .map_err(|e| says(&e))?;
        let first = library
            .start_state(&start::Config::new().anchored(Anchored::No))
            .map_err(|e| says(&e))?;
        let class = |byte: u8| library.byte_classes().get(byte);
        let hit = |found: bool| if found { owner } else { 0 };
        let table = explore(
            first,
            class,
            usize::MAX,
            |s, b| library.next_state(*s, b),
            |s| {
                let end = library.next_eoi_state(*s);
                let found = hit(library.is_match_state(*s));
                (found, found | hit(library.is_match_state(end)))
            },
        );
        table
            .map(|(table, _)| table)
            .ok_or_else(|| says(&"too many states"))
    }

    /// A run of digits, found by this owner.
    pub(super) fn digits(run: &Run, owner: u32) -> Result<Self, String> {
        let counter = Counter::of(run);
        let hit = |found: bool| if found { owner } else { 0 };
        let class = |byte: u8| match byte {
            b'0'..=b'9' => 0_u8,
            b if run.separators.as_bytes().contains(&b) => {
                if b.is_ascii_alphanumeric() || b == b'_' {
                    1
                } else {
                    2
                }
            }
            b if b.is_ascii_alphanumeric() || b == b'_' => 3,
            _ => 4,
        };
        let next = |at: &_, byte| counter.next(*at, byte);
        let table = explore(Counter::START, class, usize::MAX, next, |at| {
            (hit(counter.found(*at)), hit(counter.found_at_end(*at)))
        });
        table
            .map(|(table, _)| table)
            .ok_or_else(|| "a run of digits is too long".to_owned())
    }

    /// Both at once, unless that takes more than so many bytes.
    pub(super) fn and(&self, other: &Self, most: usize) -> Option<Self> {
        let class = |byte: u8| {
            (
                self.classes[usize::from(byte)],
                other.classes[usize::from(byte)],
            )
        };
        let first = (self.start, other.start);
        let next = |(a, b): &(u32, u32), byte| (self.step(*a, byte), other.step(*b, byte));
        let table = explore(first, class, most, next, |(a, b)| {
            (
                self.found(*a) | other.found(*b),
                self.at_end(*a) | other.at_end(*b),
            )
        });
        table.map(|(table, _)| table)
    }
}

/// Walks an automaton from its start: what is reached is the table, and the states by their number. `None` when that is
/// more than so many bytes.
pub(super) fn explore<S: Clone + Eq + Hash, C: Eq + Hash>(
    start: S,
    class: impl Fn(u8) -> C,
    most: usize,
    next: impl Fn(&S, u8) -> S,
    found: impl Fn(&S) -> (u32, u32),
) -> Option<(Table, Vec<S>)> {
    let (classes, bytes) = classes(class);
    let shift = bytes.len().next_power_of_two().trailing_zeros();
    let mut numbers: HashMap<S, usize> = HashMap::from([(start.clone(), 0)]);
    let mut states = vec![start];
    let mut rows: Vec<Vec<usize>> = Vec::new();
    while let Some(state) = states.get(rows.len()).cloned() {
        let entries = states.len() << shift;
        if entries.saturating_mul(size_of::<u32>()) > most || entries >= FOUND as usize {
            return None;
        }
        let mut row = Vec::with_capacity(bytes.len());
        for byte in &bytes {
            let to = next(&state, *byte);
            let fresh = states.len();
            row.push(*numbers.entry(to.clone()).or_insert_with(|| {
                states.push(to);
                fresh
            }));
        }
        rows.push(row);
    }
    let told: Vec<(u32, u32)> = states.iter().map(found).collect();
    let state = |number: usize| match told[number].0 {
        0 => (number as u32) << shift,
        _ => (number as u32) << shift | FOUND,
    };
    // A column that no class leads to is never read.
    let mut table = vec![0; rows.len() << shift];
    for (number, row) in rows.iter().enumerate() {
        for (class, to) in row.iter().enumerate() {
            table[number << shift | class] = state(*to);
        }
    }
    let table = Table {
        classes,
        next: table,
        shift,
        found: told.iter().map(|(found, _)| *found).collect(),
        at_end: told.iter().map(|(_, at_end)| *at_end).collect(),
        // What it has found before the first byte is nothing.
        start: 0,
    };
    Some((table, states))
}

/// Bytes that nobody tells apart, and one of each kind.
fn classes<C: Eq + Hash>(class: impl Fn(u8) -> C) -> (Box<[u8; 256]>, Vec<u8>) {
    let mut classes = Box::new([0; 256]);
    let mut kinds: HashMap<C, u8> = HashMap::new();
    let mut bytes = Vec::new();
    for byte in 0..=u8::MAX {
        let fresh = bytes.len() as u8;
        classes[usize::from(byte)] = *kinds.entry(class(byte)).or_insert_with(|| {
            bytes.push(byte);
            fresh
        });
    }
    (classes, bytes)
}
