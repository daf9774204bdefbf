//! Up to four automata over one text. A look-up waits for the one before in its table, so they are walked side by side:
//! several cost little more than one. Their classes of a byte stand in one word, so that one load serves all of them.

use super::literals::Literals;
use super::table::{FOUND, Table};

/// Automata that are walked together: their states, tables and the text still fit the registers of a machine.
pub(super) const TOGETHER_MAX: usize = 4;

/// Automata, and the classes that they sort each byte into.
#[derive(Clone, Debug)]
pub(super) struct SideBySide {
    tables: Vec<Table>,
    /// For each byte its class in the first table in the low eight bits, in the second above them, and so on.
    classes: Box<[u32; 256]>,
    /// The first table is that of the literals.
    literals: bool,
}

impl SideBySide {
    /// At most [`TOGETHER_MAX`] tables; more are not looked at, so the caller cuts them first.
    pub(super) fn new(tables: Vec<Table>, literals: bool) -> Self {
        let mut classes = Box::new([0_u32; 256]);
        for (byte, packed) in (0..=u8::MAX).zip(classes.iter_mut()) {
            for table in tables.iter().rev() {
                *packed = *packed << 8 | u32::from(table.class(byte));
            }
        }
        Self {
            tables,
            classes,
            literals,
        }
    }

    /// Those of the asked that have a needle in the text, all of them or more than were asked for.
    pub(super) fn scan(&self, literals: Option<&Literals>, text: &[u8], asked: u32) -> u32 {
        let literals = literals.filter(|_| self.literals);
        match self.tables.as_slice() {
            [a] => self.walk([a], literals, text, asked),
            [a, b] => self.walk([a, b], literals, text, asked),
            [a, b, c] => self.walk([a, b, c], literals, text, asked),
            [a, b, c, d] => self.walk([a, b, c, d], literals, text, asked),
            // None has nothing to find, and more are never made: whoever asks is shown the text.
            [] => 0,
            _ => asked,
        }
    }

    #[inline(always)]
    fn walk<const N: usize>(
        &self,
        tables: [&Table; N],
        literals: Option<&Literals>,
        text: &[u8],
        asked: u32,
    ) -> u32 {
        let mut states = tables.map(|table| table.start);
        let mut found = 0;
        for (at, byte) in text.iter().enumerate() {
            let mut classes = self.classes[usize::from(*byte)];
            let mut told = 0;
            for (state, table) in states.iter_mut().zip(tables) {
                // SAFETY: the class is one that this table gave for a byte, and the state one that it began with or
                // stepped to, without its flag: it is cleared below whenever it is set.
                *state = unsafe { table.step_within(*state, classes & 0xff) };
                told |= *state;
                classes >>= 8;
            }
            if told & FOUND != 0 {
                found |= met(&tables, &states, literals, text.get(..=at).unwrap_or(text));
                states = states.map(|state| state & !FOUND);
                if found & asked == asked {
                    return found;
                }
            }
        }
        let ends = states.iter().zip(tables);
        let ends = ends.skip(usize::from(literals.is_some()));
        ends.fold(found, |found, (state, table)| found | table.at_end(*state))
    }
}

/// What these states have found in a text that ends here.
#[cold]
#[inline(never)]
fn met(tables: &[&Table], states: &[u32], literals: Option<&Literals>, text: &[u8]) -> u32 {
    let mut found = 0;
    for (place, (state, table)) in states.iter().zip(tables).enumerate() {
        if state & FOUND != 0 {
            found |= match literals.filter(|_| place == 0) {
                Some(literals) => literals.found(table.number(*state), text),
                None => table.found(*state),
            };
        }
    }
    found
}
