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
    writeln!(
        io::stdout().lock(),
        "{}",
        tame_json(&serde_json::to_string_pretty(value)?)
    )
}

/// The same JSON with everything that a terminal would obey, or an eye miss, written as `\u` and four digits.
#[must_use]
pub fn tame_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // Of controls nothing but line ends is left outside strings, and inside them DEL and C1.
        if c == '\n' || tame_letter(c).is_none() {
            out.push(c);
            continue;
        }
        for half in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{half:04x}"));
        }
    }
    out
}

/// Text that is escaped already, or should be: what a terminal would obey is escaped whoever sent it, lines stay lines, and
/// a backslash stays the one that it is.
#[must_use]
pub fn tame(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match (c, tame_letter(c)) {
            ('\n' | '\t', _) | (_, None) => out.push(c),
            (_, Some(escaped)) => out.push_str(&escaped),
        }
    }
    out
}

/// How a character is shown that is no letter to see.
fn tame_letter(c: char) -> Option<String> {
    if matches!(c, ' '..='~') {
        return None;
    }
    let mut bytes = [0; 4];
    let shown = escape_line(c.encode_utf8(&mut bytes));
    (shown.starts_with('\\')).then_some(shown)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Colour, a cursor that moves, a clipboard that is written (OSC 52), C1, DEL, a line that is turned round.
    const OBEYED: &str =
        "\u{1b}[31m\u{1b}[2A\u{1b}]52;c;eA==\u{7}\u{9b}2J\u{7f}\u{202e}\u{e0041}\r";

    fn harmless(text: &str) -> bool {
        text.chars().all(|c| c == '\n' || !c.is_control())
            && !text.contains(['\u{202e}', '\u{e0041}'])
    }

    #[test]
    fn escaped_text_is_shown_as_it_came_and_what_was_not_escaped_is() {
        let escaped = escape_line("a\u{1b}[2J\\n");
        assert_eq!(tame(&escaped), escaped, "no backslash is doubled");
        assert_eq!(tame("two\nlines, ünïcode 表"), "two\nlines, ünïcode 表");
        assert!(harmless(&tame(OBEYED)), "{}", tame(OBEYED));
        assert!(tame(OBEYED).starts_with("\\u{001b}[31m"));
    }

    #[test]
    fn json_says_the_same_and_a_terminal_obeys_none_of_it() {
        let value = serde_json::json!({"shown": OBEYED, "ünïcode": "表 \\u{1b}"});
        let text = tame_json(&serde_json::to_string_pretty(&value).expect("JSON"));
        assert!(harmless(&text), "{text}");
        assert!(
            text.contains("\\u009b2J\\u007f\\u202e\\udb40\\udc41"),
            "{text}"
        );
        assert!(text.contains("ünïcode"), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).expect("it is JSON still");
        assert_eq!(read, value);
    }
}
