//! As much of a terminal as a line of text needs: cells, the cursor, wrapping and scrolling. What it does not follow
//! (full-screen programs, scrolling regions) it says, and shows nothing for it.

use crate::ansi::{Lexer, Step};
use unicode_width::UnicodeWidthChar;

/// A cell, counted from the first line that was ever shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    line: u64,
    column: usize,
}

/// Stands in the last column when the next character was too wide for it.
const NO_ROOM: char = '\u{1}';

/// What stands between a place and the end of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) text: String,
    /// Columns from the place to the cursor.
    pub(super) cursor: usize,
    /// Some of it cannot be seen.
    pub(super) invisible: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    /// NUL: the right half of a wide character.
    c: char,
    hidden: bool,
}

const BLANK: Cell = Cell {
    c: ' ',
    hidden: false,
};

struct Row {
    cells: Vec<Cell>,
    /// The line goes on in the next row.
    wraps: bool,
}

impl Row {
    fn new(columns: usize) -> Self {
        Self {
            cells: vec![BLANK; columns],
            wraps: false,
        }
    }
}

/// The screen.
pub(super) struct Screen {
    lexer: Lexer,
    rows: Vec<Row>,
    columns: usize,
    row: usize,
    column: usize,
    /// The last column is written; the next character begins a row.
    full: bool,
    /// Rows that have scrolled out at the top.
    above: u64,
    saved: (usize, usize),
    alternate: bool,
    insert: bool,
    hidden: bool,
    /// Rows do not scroll as a whole.
    region: bool,
    /// Rows have moved against each other since the last anchor.
    shifted: bool,
    last: char,
}

impl Screen {
    pub(super) fn new(columns: u16, rows: u16) -> Self {
        let columns = usize::from(columns.max(2));
        Self {
            lexer: Lexer::new(),
            rows: (0..rows.max(1)).map(|_| Row::new(columns)).collect(),
            columns,
            row: 0,
            column: 0,
            full: false,
            above: 0,
            saved: (0, 0),
            alternate: false,
            insert: false,
            hidden: false,
            region: false,
            shifted: false,
            last: ' ',
        }
    }

    /// Another size. What terminals make of the old text differs, so nothing of it is kept.
    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        let fresh = Self::new(columns, rows);
        let row = self.row.min(fresh.rows.len() - 1);
        let column = self.column.min(fresh.columns - 1);
        // Places of before lie above: they are not found any more.
        let above = self.above + self.rows.len() as u64;
        let lexer = std::mem::take(&mut self.lexer);
        *self = Self {
            lexer,
            row,
            column,
            above,
            alternate: self.alternate,
            hidden: self.hidden,
            ..fresh
        };
    }

    /// Where the cursor is now; texts are seen from here on.
    pub(super) fn anchor(&mut self) -> Place {
        self.shifted = false;
        self.place()
    }

    pub(super) fn place(&self) -> Place {
        Place {
            line: self.above + self.row as u64,
            column: self.column + usize::from(self.full),
        }
    }

    pub(super) fn is_alternate(&self) -> bool {
        self.alternate
    }

    /// The text from a place on; `None` where the cursor has left its line.
    pub(super) fn text_from(&self, place: Place) -> Option<Seen> {
        let first = usize::try_from(place.line.checked_sub(self.above)?).ok()?;
        if self.region || self.shifted || first > self.row {
            return None;
        }
        let mut cells: Vec<Cell> = Vec::new();
        let mut cursor = None;
        let mut from = place.column;
        for (number, row) in self.rows.iter().enumerate().skip(first) {
            if number == self.row {
                let column = self.column + usize::from(self.full);
                cursor = Some(cells.len() + column.checked_sub(from)?);
            }
            cells.extend(row.cells.iter().skip(from).filter(|cell| cell.c != NO_ROOM));
            from = 0;
            if !row.wraps {
                break;
            }
        }
        let cursor = cursor?;
        let text: String = cells
            .iter()
            .map(|cell| cell.c)
            .filter(|c| *c != '\0')
            .collect();
        Some(Seen {
            text: text.trim_end_matches(' ').to_owned(),
            cursor,
            invisible: cells.iter().any(|cell| cell.hidden && cell.c != ' '),
        })
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match self.lexer.step(*byte) {
                Step::Char(c) if !self.alternate => self.print(c),
                Step::Control(code) if !self.alternate => self.control(code),
                Step::Escape(last) if !self.alternate => self.escape(last),
                Step::Csi(last) => self.csi(last),
                _ => {}
            }
        }
    }

    fn print(&mut self, c: char) {
        let width = c.width().unwrap_or(0);
        if width == 0 {
            return;
        }
        if self.full || self.column + width > self.columns {
            if let Some(row) = self.rows.get_mut(self.row) {
                row.wraps = true;
                if let (false, Some(last)) = (self.full, row.cells.last_mut()) {
                    last.c = NO_ROOM;
                }
            }
            self.column = 0;
            self.line_feed();
        }
        self.full = false;
        self.last = c;
        let cell = Cell {
            c,
            hidden: self.hidden,
        };
        let (column, insert) = (self.column, self.insert);
        if let Some(row) = self.rows.get_mut(self.row) {
            for (offset, c) in [c, '\0'].into_iter().take(width).enumerate() {
                let cell = Cell { c, ..cell };
                if insert {
                    row.cells
                        .insert((column + offset).min(row.cells.len()), cell);
                    row.cells.pop();
                } else if let Some(place) = row.cells.get_mut(column + offset) {
                    *place = cell;
                }
            }
        }
        self.column += width;
        if self.column >= self.columns {
            self.column = self.columns - 1;
            self.full = true;
        }
    }

    fn control(&mut self, code: u32) {
        match code {
            8 => self.left(1),
            9 => self.go(self.row, (self.column / 8 + 1) * 8),
            10..=12 | 0x84 => {
                self.full = false;
                self.line_feed();
            }
            13 => self.go(self.row, 0),
            0x85 => {
                self.go(self.row, 0);
                self.line_feed();
            }
            0x8d => self.reverse(),
            _ => {}
        }
    }

    fn escape(&mut self, last: u8) {
        if self.lexer.sequence().intermediate.is_some() {
            return;
        }
        match last {
            b'7' => self.saved = (self.row, self.column),
            b'8' => self.go(self.saved.0, self.saved.1),
            b'D' => self.control(0x84),
            b'E' => self.control(0x85),
            b'M' => self.reverse(),
            b'c' => {
                let rows = u16::try_from(self.rows.len()).unwrap_or(u16::MAX);
                let columns = u16::try_from(self.columns).unwrap_or(u16::MAX);
                self.resize(columns, rows);
                (self.row, self.column, self.hidden) = (0, 0, false);
            }
            _ => {}
        }
    }

    fn csi(&mut self, last: u8) {
        let sequence = self.lexer.sequence().clone();
        if sequence.odd || sequence.intermediate.is_some() {
            return;
        }
        if matches!(last, b'h' | b'l') {
            return self.mode(last == b'h');
        }
        if self.alternate || sequence.private.is_some() {
            return;
        }
        let count = usize::from(sequence.or(0, 1));
        let second = usize::from(sequence.or(1, 1));
        match last {
            b'A' => self.go(self.row.saturating_sub(count), self.column),
            b'B' | b'e' => self.go(self.row + count, self.column),
            b'C' | b'a' => self.go(self.row, self.column + count),
            b'D' => self.left(count),
            b'E' => self.go(self.row + count, 0),
            b'F' => self.go(self.row.saturating_sub(count), 0),
            b'G' | b'`' => self.go(self.row, count - 1),
            b'd' => self.go(count - 1, self.column),
            b'H' | b'f' => self.go(count - 1, second - 1),
            b'J' => self.erase_screen(sequence.or(0, 0)),
            b'K' => self.erase_line(sequence.or(0, 0)),
            b'L' | b'M' | b'S' | b'T' => self.shifted = true,
            b'P' => self.delete(count),
            b'@' => self.insert_blanks(count),
            b'X' => self.fill(self.column, self.column + count),
            b'b' => (0..count.min(self.columns)).for_each(|_| self.print(self.last)),
            b'm' => self.rendition(sequence.parameters()),
            b'r' => self.region = sequence.parameters().iter().any(|p| *p > 0),
            b's' => self.saved = (self.row, self.column),
            b'u' => self.go(self.saved.0, self.saved.1),
            _ => {}
        }
    }

    fn mode(&mut self, on: bool) {
        let sequence = self.lexer.sequence();
        for parameter in sequence.parameters().to_vec() {
            match (self.lexer.sequence().private, parameter) {
                (Some(b'?'), 47 | 1047 | 1049) => {
                    self.alternate = on;
                    // Other programs' regions and modes end with them.
                    self.region &= on;
                }
                (None, 4) => self.insert = on,
                _ => {}
            }
        }
    }

    /// Concealed text, the one attribute that matters here.
    fn rendition(&mut self, parameters: &[u16]) {
        if parameters.is_empty() {
            self.hidden = false;
        }
        let mut rest = parameters.iter();
        while let Some(parameter) = rest.next() {
            match parameter {
                0 | 28 => self.hidden = false,
                8 => self.hidden = true,
                // A colour: what follows is no attribute.
                38 | 48 | 58 => match rest.next() {
                    Some(5) => drop(rest.next()),
                    Some(2) => drop(rest.nth(2)),
                    _ => {}
                },
                _ => {}
            }
        }
    }

    fn go(&mut self, row: usize, column: usize) {
        self.full = false;
        self.row = row.min(self.rows.len() - 1);
        self.column = column.min(self.columns - 1);
    }

    /// From behind the last column, one step back is onto it.
    fn left(&mut self, count: usize) {
        self.go(self.row, self.column.saturating_sub(count));
    }

    fn line_feed(&mut self) {
        if self.row + 1 < self.rows.len() {
            self.row += 1;
            return;
        }
        if self.rows.is_empty() {
            return;
        }
        let mut row = self.rows.remove(0);
        row.cells.fill(BLANK);
        row.wraps = false;
        self.rows.push(row);
        self.above += 1;
    }

    fn reverse(&mut self) {
        match self.row {
            // It would scroll downwards.
            0 => self.shifted = true,
            row => self.go(row - 1, self.column),
        }
    }

    fn erase_screen(&mut self, what: u16) {
        let row = self.row;
        match what {
            0 => {
                self.erase_line(0);
                self.rows.iter_mut().skip(row + 1).for_each(clear);
            }
            1 => {
                self.erase_line(1);
                self.rows.iter_mut().take(row).for_each(clear);
            }
            _ => {
                self.rows.iter_mut().for_each(clear);
                // A clear screen is a new beginning for regions too.
                self.region = false;
            }
        }
    }

    fn erase_line(&mut self, what: u16) {
        let column = self.column;
        match what {
            0 => {
                self.fill(column, self.columns);
                if let Some(row) = self.rows.get_mut(self.row) {
                    row.wraps = false;
                }
            }
            1 => self.fill(0, column + 1),
            _ => self.rows.iter_mut().skip(self.row).take(1).for_each(clear),
        }
    }

    fn fill(&mut self, from: usize, to: usize) {
        if let Some(row) = self.rows.get_mut(self.row) {
            let cells = row.cells.iter_mut().take(to).skip(from);
            cells.for_each(|cell| *cell = BLANK);
        }
    }

    fn delete(&mut self, count: usize) {
        let (column, columns) = (self.column, self.columns);
        if let Some(row) = self.rows.get_mut(self.row) {
            let end = (column + count).min(row.cells.len());
            row.cells.drain(column.min(end)..end);
            row.cells.resize(columns, BLANK);
        }
    }

    fn insert_blanks(&mut self, count: usize) {
        let (column, columns) = (self.column, self.columns);
        if let Some(row) = self.rows.get_mut(self.row) {
            let count = count.min(columns);
            let at = column.min(row.cells.len());
            row.cells.splice(at..at, std::iter::repeat_n(BLANK, count));
            row.cells.truncate(columns);
        }
    }
}

fn clear(row: &mut Row) {
    row.cells.fill(BLANK);
    row.wraps = false;
}
