//! All literals in one automaton that does not regard case; what does is compared once it was met. Refuses nothing: what
//! a literal may be was checked with the manifest.

use super::table::{Table, explore};
use aho_corasick::automaton::Automaton as _;
use aho_corasick::{Anchored, MatchKind, dfa::DFA};

/// The literals of all owners.
#[derive(Clone, Debug)]
pub(super) struct Literals {
    /// The literals that end in a state, by its number.
    ends: Vec<Vec<u32>>,
    literals: Vec<Literal>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    pub(super) bytes: Vec<u8>,
    pub(super) ignore_case: bool,
    pub(super) owner: u32,
}

impl Literals {
    /// The automaton, and what it takes to tell what it has found.
    pub(super) fn new(literals: Vec<Literal>) -> Result<(Table, Self), String> {
        let says = |e: aho_corasick::BuildError| format!("the needles are too many: {e}");
        let automaton = DFA::builder()
            .match_kind(MatchKind::Standard)
            .start_kind(aho_corasick::StartKind::Unanchored)
            .ascii_case_insensitive(true)
            .build(literals.iter().map(|l| &l.bytes))
            .map_err(says)?;
        let start = automaton
            .start_state(Anchored::No)
            .map_err(|e| format!("the needles have no start: {e}"))?;
        let mut used = [false; 256];
        for byte in literals.iter().flat_map(|l| &l.bytes) {
            used[usize::from(byte.to_ascii_lowercase())] = true;
        }
        let class = |byte: u8| {
            let byte = byte.to_ascii_lowercase();
            used[usize::from(byte)].then_some(byte)
        };
        let next = |s: &_, byte| automaton.next_state(Anchored::No, *s, byte);
        let (table, states) = explore(start, class, usize::MAX, next, |s| {
            let found = u32::from(automaton.is_match(*s));
            (found, found)
        })
        .ok_or_else(|| "the needles are too many".to_owned())?;
        let ending = |s: &aho_corasick::automaton::StateID| match automaton.is_match(*s) {
            true => (0..automaton.match_len(*s))
                .map(|index| automaton.match_pattern(*s, index).as_u32())
                .collect(),
            false => Vec::new(),
        };
        let ends = states.iter().map(ending).collect();
        Ok((table, Self { ends, literals }))
    }

    /// The owners of the literals that end with this text, by the number of the state.
    pub(super) fn found(&self, state: usize, text: &[u8]) -> u32 {
        let Some(ends) = self.ends.get(state) else {
            return u32::MAX;
        };
        let literals = ends.iter().filter_map(|i| self.literals.get(*i as usize));
        literals
            .filter(|l| l.ignore_case || text.ends_with(&l.bytes))
            .fold(0, |found, l| found | l.owner)
    }
}
