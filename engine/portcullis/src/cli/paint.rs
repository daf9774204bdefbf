//! Tables and colour. Colour is for terminals and for whoever has not set `NO_COLOR`; it never carries
//! meaning of its own. Everything foreign is escaped here: an identity's name, a statement and a reason
//! come from outside, and a terminal obeys what it is shown.

use portcullis_model::escape_line;
use std::io::{self, IsTerminal, Write};

/// Cells are cut to this many characters in tables; `--json` has them whole.
const CELL_CHARS_MAX: usize = 60;

/// A table for people.
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
        }
    }

    /// One more row; its cells are escaped and cut.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) {
        let cut = |cell: &&str| {
            let mut text = escape_line(cell);
            if text.chars().count() > CELL_CHARS_MAX {
                text = text.chars().take(CELL_CHARS_MAX - 1).collect();
                text.push('…');
            }
            text
        };
        self.rows.push(cells.iter().map(cut).collect());
    }

    /// Prints it, or `empty` when there is no row.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn print(&self, empty: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.rows.is_empty() {
            return writeln!(out, "{empty}");
        }
        let bold = coloured(&io::stdout());
        let widths = self.widths();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let mut text = String::new();
            for (cell, width) in cells.zip(&widths) {
                text.push_str(&format!("{cell:width$}  "));
            }
            text.trim_end().to_owned()
        };
        let head = line(&mut self.head.iter().copied());
        match bold {
            true => writeln!(out, "\u{1b}[1m{head}\u{1b}[0m")?,
            false => writeln!(out, "{head}")?,
        }
        for row in &self.rows {
            writeln!(out, "{}", line(&mut row.iter().map(String::as_str)))?;
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let count = |text: &str| text.chars().count();
        (0..self.head.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let widest = cells.map(|cell| count(cell)).max().unwrap_or(0);
                widest.max(count(self.head[column]))
            })
            .collect()
    }
}

/// Prints JSON for programs.
///
/// # Errors
/// When stdout cannot be written.
pub fn json(value: &impl serde::Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// Prints a line, everything foreign in it already escaped.
///
/// # Errors
/// When stdout cannot be written.
pub fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// Red on a terminal's stderr.
#[must_use]
pub fn error(text: &str) -> String {
    wrap(text, "31;1", coloured(&io::stderr()))
}

/// Bold on a terminal's stderr.
#[must_use]
pub fn error_stream_bold(text: &str) -> String {
    wrap(text, "1", coloured(&io::stderr()))
}

/// Green or red on a terminal's stdout.
#[must_use]
pub fn verdict(text: &str, good: bool) -> String {
    wrap(
        text,
        if good { "32" } else { "31" },
        coloured(&io::stdout()),
    )
}

fn wrap(text: &str, code: &str, coloured: bool) -> String {
    match coloured {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    }
}

/// <https://no-color.org>: any non-empty value switches colour off.
fn coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
