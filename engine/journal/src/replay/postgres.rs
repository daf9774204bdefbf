//! Released PostgreSQL frames as results: RowDescription, DataRow, CommandComplete, ErrorResponse,
//! NoticeResponse, COPY (protocol v3, chapter "Message Formats"). This is a reader for people, not the
//! codec of the data path: it refuses nothing, and shows what it cannot frame as escaped bytes.

use super::table;
use portcullis_model::escape_line;
use std::io::{self, Write};

/// Results as they come, possibly spread over several releases.
pub(super) struct Results {
    rows_max: usize,
    cell_max: usize,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    more_rows: u64,
    copied: u64,
    remarks: Vec<String>,
}

pub(super) struct Column {
    pub(super) name: String,
    pub(super) binary: bool,
}

impl Results {
    pub(super) fn new(rows_max: usize, cell_max: usize) -> Self {
        Self {
            rows_max,
            cell_max,
            columns: Vec::new(),
            rows: Vec::new(),
            more_rows: 0,
            copied: 0,
            remarks: Vec::new(),
        }
    }

    /// A line that is shown under the rows.
    pub(super) fn remark(&mut self, text: &str) {
        if !self.remarks.iter().any(|r| r == text) && self.remarks.len() < self.rows_max.max(1) {
            self.remarks.push(text.to_owned());
        }
    }

    /// Takes one release.
    pub(super) fn feed(&mut self, mut wire: &[u8], out: &mut dyn Write) -> io::Result<()> {
        while !wire.is_empty() {
            let Some((tag, body, rest)) = frame(wire) else {
                let shown: String = String::from_utf8_lossy(wire).chars().take(200).collect();
                self.flush(out)?;
                return writeln!(out, "    ?? {}", escape_line(&shown));
            };
            self.message(tag, body, out)?;
            wire = rest;
        }
        Ok(())
    }

    /// Shows the rows gathered so far, and what is to be remarked on them.
    pub(super) fn flush(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.flush_rows(out)?;
        for remark in self.remarks.drain(..) {
            writeln!(out, "    * {remark}")?;
        }
        Ok(())
    }

    fn flush_rows(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if !self.rows.is_empty() {
            let width = self.rows.iter().map(Vec::len).max().unwrap_or(0);
            let mut names: Vec<String> = self.columns.iter().map(|c| c.name.clone()).collect();
            names.truncate(width);
            // Rows of a statement that was described earlier than this recording shows.
            while names.len() < width {
                names.push(format!("column {}", names.len() + 1));
            }
            table::write(&names, &self.rows, out)?;
            self.rows.clear();
        }
        if self.more_rows > 0 {
            writeln!(out, "    … and {} rows more", self.more_rows)?;
            self.more_rows = 0;
        }
        if self.copied > 0 {
            writeln!(out, "    {} bytes copied out", self.copied)?;
            self.copied = 0;
        }
        Ok(())
    }

    fn message(&mut self, tag: u8, body: &[u8], out: &mut dyn Write) -> io::Result<()> {
        match tag {
            // A remark made just before belongs to the rows that come.
            b'T' => {
                self.flush_rows(out)?;
                self.columns = columns(body).unwrap_or_default();
                Ok(())
            }
            b'D' => {
                self.row(body);
                Ok(())
            }
            b'd' => {
                self.copied += body.len() as u64;
                Ok(())
            }
            b'C' => {
                self.flush(out)?;
                writeln!(out, "    ({})", escape_line(&text(body)))
            }
            b'E' => self.fields("ERROR", body, out),
            b'N' => self.fields("NOTICE", body, out),
            b'A' => {
                let mut strings = body.get(4..).unwrap_or_default().split(|b| *b == 0);
                let mut next =
                    || escape_line(&String::from_utf8_lossy(strings.next().unwrap_or_default()));
                let (channel, payload) = (next(), next());
                writeln!(out, "    notification on {channel}: {payload}")
            }
            // ReadyForQuery and other steps of the protocol say nothing to a person.
            _ => Ok(()),
        }
    }

    fn row(&mut self, body: &[u8]) {
        if self.rows.len() >= self.rows_max {
            self.more_rows += 1;
            return;
        }
        let mut rest = body.get(2..).unwrap_or_default();
        let mut row = Vec::new();
        while let Some((len, after)) = rest.split_first_chunk::<4>() {
            rest = after;
            let Ok(len) = usize::try_from(i32::from_be_bytes(*len)) else {
                row.push("NULL".to_owned());
                continue;
            };
            let Some((cell, after)) = rest.split_at_checked(len) else {
                row.push("??".to_owned());
                break;
            };
            rest = after;
            let binary = self.columns.get(row.len()).is_some_and(|c| c.binary);
            row.push(self.cell(cell, binary));
        }
        self.rows.push(row);
    }

    fn cell(&self, cell: &[u8], binary: bool) -> String {
        let text = match std::str::from_utf8(cell) {
            Ok(text) if !binary => escape_line(text),
            _ => format!("\\x{}", hex::encode(&cell[..cell.len().min(self.cell_max)])),
        };
        let count = text.chars().count();
        if count <= self.cell_max {
            return text;
        }
        let cut: String = text.chars().take(self.cell_max).collect();
        format!("{cut}… (+{})", count - self.cell_max)
    }

    /// ErrorResponse and NoticeResponse: severity, code, message, and detail and hint under it.
    fn fields(&mut self, label: &str, body: &[u8], out: &mut dyn Write) -> io::Result<()> {
        self.flush(out)?;
        let field = |wanted: u8| {
            body.split(|b| *b == 0)
                .find(|f| f.first() == Some(&wanted))
                .map(|f| escape_line(&String::from_utf8_lossy(&f[1..])))
        };
        let code = field(b'C').unwrap_or_default();
        writeln!(
            out,
            "    {label} {code}: {}",
            field(b'M').unwrap_or_default()
        )?;
        for (name, wanted) in [("DETAIL", b'D'), ("HINT", b'H')] {
            if let Some(text) = field(wanted) {
                writeln!(out, "    {name}: {text}")?;
            }
        }
        Ok(())
    }
}

/// Tag, body and what follows.
pub(super) fn frame(wire: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = wire.split_first()?;
    let len = usize::try_from(u32::from_be_bytes(*rest.first_chunk::<4>()?)).ok()?;
    let body = rest.get(4..len)?;
    Some((*tag, body, rest.get(len..)?))
}

pub(super) fn columns(body: &[u8]) -> Option<Vec<Column>> {
    let (_, mut rest) = body.split_first_chunk::<2>()?;
    let mut columns = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == 0)?;
        let name = escape_line(&String::from_utf8_lossy(&rest[..end]));
        // Table OID, attnum, type OID, size, modifier, format.
        let facts = rest.get(end + 1..end + 19)?;
        columns.push(Column {
            name,
            binary: facts.ends_with(&[0, 1]),
        });
        rest = &rest[end + 19..];
    }
    Some(columns)
}

pub(super) fn text(body: &[u8]) -> String {
    let end = body.iter().position(|b| *b == 0).unwrap_or(body.len());
    String::from_utf8_lossy(&body[..end]).into_owned()
}
