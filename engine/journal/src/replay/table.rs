//! Rows as a table of text, as psql prints them. Refuses cells wider than asked for; they are cut and say
//! so.

use std::io::{self, Write};

/// Writes a table with a rule under its head. Cells are escaped already and on one line.
pub(super) fn write(
    columns: &[String],
    rows: &[Vec<String>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let width = |index: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(index))
            .chain(columns.get(index));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    line(columns, &widths, out)?;
    let rules: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
    writeln!(out, "    {}", rules.join("-+-"))?;
    for row in rows {
        line(row, &widths, out)?;
    }
    Ok(())
}

fn line(cells: &[String], widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
    let padded: Vec<String> = cells
        .iter()
        .enumerate()
        .map(|(index, cell)| {
            let width = widths.get(index).copied().unwrap_or(0);
            format!("{cell:<width$}")
        })
        .collect();
    writeln!(out, "    {}", padded.join(" | ").trim_end())
}
