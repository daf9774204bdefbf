//! A table, and its two forms for programs. Refuses to let a cell be a formula of a spreadsheet, or anything that acts on
//! a terminal.

use portcullis_model::escape_line;
use serde_json::{Map, Value};

/// Rows under names.
#[derive(Clone, Debug)]
pub struct Table {
    /// The name of its files.
    pub name: &'static str,
    /// What it shows, for people.
    pub title: &'static str,
    /// One sentence on what a row is and where it comes from.
    pub about: &'static str,
    /// Names of columns.
    pub columns: &'static [&'static str],
    /// Cells, one for each column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(
        name: &'static str,
        title: &'static str,
        about: &'static str,
        columns: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            title,
            about,
            columns,
            rows: Vec::new(),
        }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.to_vec());
    }

    /// RFC 4180, with a line of names.
    pub(super) fn csv(&self) -> String {
        let mut out = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            let cells: Vec<String> = cells.map(cell).collect();
            out.push_str(&cells.join(","));
            out.push_str("\r\n");
        };
        line(&mut self.columns.iter().copied());
        for row in &self.rows {
            line(&mut row.iter().map(String::as_str));
        }
        out
    }

    /// An array of objects.
    pub(super) fn json(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let members = self.columns.iter().zip(row);
            let members =
                members.map(|(name, cell)| ((*name).to_owned(), Value::from(cell.clone())));
            Value::Object(members.collect::<Map<_, _>>())
        });
        let mut text = String::from("[\n");
        for (index, row) in rows.enumerate() {
            if index > 0 {
                text.push_str(",\n");
            }
            text.push_str(&row.to_string());
        }
        text.push_str("\n]\n");
        text
    }
}

fn cell(text: &str) -> String {
    let text = escape_line(text);
    // What begins so is computed by spreadsheets.
    let formula = text.starts_with(['=', '+', '-', '@']);
    let text = if formula { format!("'{text}") } else { text };
    match text.contains([',', '"', '\n', '\r']) || text.starts_with(' ') {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_escaped_and_no_formulas() {
        let mut table = Table::new("t", "T", "", &["a", "b"]);
        table.row(["=cmd|' /c calc'!A1".into(), "x,\"y\"".into()]);
        table.row(["line\nbreak\u{1b}[2J".into(), "-1".into()]);
        let csv = table.csv();
        let lines: Vec<&str> = csv.split("\r\n").collect();
        assert_eq!(lines[0], "a,b");
        assert_eq!(lines[1], "'=cmd|' /c calc'!A1,\"x,\"\"y\"\"\"");
        assert_eq!(lines.len(), 4, "{csv}");
        assert!(!csv.contains('\u{1b}'));
        let json: Value = serde_json::from_str(&table.json()).unwrap();
        assert_eq!(json[0]["b"], "x,\"y\"");
    }
}
