//! The needles of several maskers as a few automata: one look-up per byte and automaton says which of them have a needle in
//! a cell. Literals are one automaton; patterns and runs of digits are joined as long as their product stays small, and
//! what does not fit together is searched side by side. Refuses needles that would need more memory than they are worth.
//!
//! When in doubt it says yes: a masker is then called for nothing, never left out.

mod counter;
mod literals;
mod side_by_side;
mod table;

use crate::needles::Needle;
use literals::{Literal, Literals};
use regex_syntax::hir::{Hir, Look};
use side_by_side::{SideBySide, TOGETHER_MAX};
use table::Table;

/// Bytes of all tables of one sieve.
pub const TABLE_BYTES_MAX: usize = 8 << 20;
/// Bytes of one product of patterns: more than the fastest cache would lose what is won by one pass less.
const PRODUCT_BYTES_MAX: usize = 192 << 10;

/// Which maskers have a needle in a cell.
#[derive(Clone, Debug, Default)]
pub struct Sieve {
    literals: Option<Literals>,
    together: Vec<SideBySide>,
    /// Bytes of all tables.
    bytes: usize,
    /// Automata that patterns and runs of digits need.
    passes: usize,
    /// All owners that have a needle at all.
    owners: u32,
}

impl Sieve {
    /// One sieve for the needles of these owners. An owner is a bit: `1 << 3`.
    ///
    /// # Errors
    /// A sentence: a pattern that is none, or needles that are too many together.
    pub fn new(needles: &[(u32, &[Needle])]) -> Result<Self, String> {
        let (mut literals, mut tables, mut owners) = (Vec::new(), Vec::new(), 0);
        for (owner, needles) in needles {
            owners |= owner;
            for needle in *needles {
                let (bytes, ignore_case) = match needle {
                    Needle::Literal { text, ignore_case } => {
                        (text.as_bytes().to_vec(), *ignore_case)
                    }
                    Needle::Byte(byte) => (vec![*byte], false),
                    Needle::Digits(run) => {
                        tables.push(Table::digits(run, *owner)?);
                        continue;
                    }
                    Needle::Pattern(pattern) => {
                        tables.push(Table::pattern(expression(pattern)?, *owner)?);
                        continue;
                    }
                };
                literals.push(Literal {
                    bytes,
                    ignore_case,
                    owner: *owner,
                });
            }
        }
        let mut tables = joined(tables);
        let passes = tables.len();
        let literals = match literals.is_empty() {
            true => None,
            false => {
                let (table, literals) = Literals::new(literals)?;
                tables.insert(0, table);
                Some(literals)
            }
        };
        let sieve = Self {
            bytes: tables.iter().map(Table::bytes).sum(),
            together: together(tables, literals.is_some()),
            literals,
            passes,
            owners,
        };
        match sieve.bytes <= TABLE_BYTES_MAX {
            true => Ok(sieve),
            false => Err(format!(
                "the needles need tables of more than {TABLE_BYTES_MAX} bytes: use fewer or simpler ones"
            )),
        }
    }

    /// The owners of which a needle stands in the text. Every one of `asked` that has one is in the answer; the
    /// search may end when all of these are.
    #[must_use]
    pub fn scan(&self, text: &[u8], asked: u32) -> u32 {
        let asked = asked & self.owners;
        if asked == 0 || text.is_empty() {
            return 0;
        }
        let mut found = 0;
        for together in &self.together {
            found |= together.scan(self.literals.as_ref(), text, asked);
            if found & asked == asked {
                break;
            }
        }
        found
    }

    /// The same for many texts: `found` is told the number and the owners of each.
    pub fn scan_all<'t>(
        &self,
        texts: impl Iterator<Item = (usize, &'t [u8], u32)>,
        mut found: impl FnMut(usize, u32),
    ) {
        for (number, text, asked) in texts {
            found(number, self.scan(text, asked));
        }
    }

    /// Bytes of its tables.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        self.bytes
    }

    /// Automata that patterns and runs of digits need.
    #[must_use]
    pub fn passes(&self) -> usize {
        self.passes
    }
}

/// Tables joined as far as their products stay small: the fewer, the less there is to look up.
fn joined(mut tables: Vec<Table>) -> Vec<Table> {
    tables.sort_by_key(Table::bytes);
    let mut joined: Vec<Table> = Vec::new();
    for table in tables {
        let fit = joined.iter_mut().find_map(|other| {
            let both = other.and(&table, PRODUCT_BYTES_MAX)?;
            *other = both;
            Some(())
        });
        if fit.is_none() {
            joined.push(table);
        }
    }
    joined
}

/// As few walks over a text as there can be, each of about as many tables; the first begins with that of the literals,
/// if there is one.
fn together(tables: Vec<Table>, literals: bool) -> Vec<SideBySide> {
    let walks = tables.len().div_ceil(TOGETHER_MAX).max(1);
    let each = tables.len().div_ceil(walks).max(1);
    let mut tables = tables.into_iter().peekable();
    let mut together = Vec::with_capacity(walks);
    while tables.peek().is_some() {
        let some = tables.by_ref().take(each).collect();
        together.push(SideBySide::new(some, literals && together.is_empty()));
    }
    together
}

/// A pattern, once it is known to be one.
fn expression(pattern: &str) -> Result<&str, String> {
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
        Some(least) if least > 0 => Ok(pattern),
        _ => Err(says("it matches nothing, or the empty string")),
    }
}

fn parsed(pattern: &str) -> Result<Hir, String> {
    let mut parser = regex_syntax::ParserBuilder::new();
    parser.unicode(false).utf8(false).nest_limit(32);
    let parsed = parser.build().parse(pattern);
    parsed.map_err(|e| format!("not {}: {e}", Needle::PATTERN))
}

#[cfg(test)]
mod tests;
