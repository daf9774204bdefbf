//! Private keys that come line by line: over the cells of a column, or over the pieces of a stream. Between the BEGIN line and
//! the END line everything is masked. What is remembered is only which column a key is open in; a line that cannot be
//! part of a key closes it.

use crate::rules::PRIVATE_KEY;
use crate::search::Report;
use crate::structured;
use portcullis_sdk::{Batch, BatchKind, Cell};

/// As much as a stream may hold back.
const HELD_MAX: usize = 4096;
/// RFC 7468 has 64 characters to a line, RFC 4880 and OpenSSH up to 76.
const LINE_MAX: usize = 80;

/// Where keys are open.
#[derive(Debug, Default)]
pub struct Lines {
    open: Vec<usize>,
}

impl Lines {
    /// Looks at the cells of a batch; returns how many bytes of a stream are to be seen again.
    pub fn batch<'b>(&mut self, batch: &Batch<'b>, report: &mut Report<'_, 'b>) -> usize {
        if batch.kind() == BatchKind::Stream {
            return self.stream(batch, report);
        }
        let begins: Vec<usize> = memchr::memmem::find_iter(batch.data(), b"-----BEGIN ").collect();
        if begins.is_empty() && self.open.is_empty() {
            return 0;
        }
        for cell in batch.cells() {
            if self.open.contains(&cell.column()) {
                self.go_on(cell, report);
            }
            if memchr::memmem::rfind(cell.bytes(), b"-----BEGIN ")
                .is_some_and(|at| cut(cell.bytes(), at))
                && !self.open.contains(&cell.column())
            {
                self.open.push(cell.column());
            }
        }
        0
    }

    /// A cell below a BEGIN line.
    fn go_on<'b>(&mut self, cell: Cell<'b>, report: &mut Report<'_, 'b>) {
        let bytes = cell.bytes();
        let close = structured::ends(bytes, 0);
        let end = close.unwrap_or(bytes.len());
        let part = end > 0 && bytes[..end].split(|b| *b == b'\n').all(key_line);
        if part {
            report(cell, 0..end, PRIVATE_KEY);
        }
        if !part || close.is_some() {
            self.open.retain(|c| *c != cell.column());
        }
    }

    /// A piece of a stream: an unfinished line waits, an unfinished key waits as long as it may, then it is masked as it comes.
    fn stream<'b>(&mut self, batch: &Batch<'b>, report: &mut Report<'_, 'b>) -> usize {
        let Some(cell) = batch.len().checked_sub(1).and_then(|last| batch.cell(last)) else {
            return 0;
        };
        let bytes = cell.bytes();
        if !self.open.is_empty() {
            self.go_on_stream(cell, report);
        }
        let line = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        let mut held = bytes.len() - line;
        if let Some(at) = memchr::memmem::rfind(bytes, b"-----BEGIN ")
            && cut(bytes, at)
        {
            let waiting = bytes.len() - at;
            if waiting <= HELD_MAX {
                held = held.max(waiting);
            } else {
                held = 0;
                self.open = vec![cell.column()];
            }
        }
        if held > HELD_MAX { 0 } else { held }
    }

    fn go_on_stream<'b>(&mut self, cell: Cell<'b>, report: &mut Report<'_, 'b>) {
        let bytes = cell.bytes();
        let close = structured::ends(bytes, 0);
        let end = close.unwrap_or_else(|| {
            // Up to the first line that cannot be part of a key.
            let mut end = 0;
            for line in bytes.split_inclusive(|b| *b == b'\n') {
                if !key_line(line.trim_ascii_end()) {
                    self.open.clear();
                    break;
                }
                end += line.len();
            }
            end
        });
        if end > 0 {
            report(cell, 0..end, PRIVATE_KEY);
        }
        if close.is_some() {
            self.open.clear();
        }
    }
}

/// True when a key begins at `at` and does not end.
fn cut(bytes: &[u8], at: usize) -> bool {
    structured::begins(bytes, at).is_some_and(|body| structured::ends(bytes, body).is_none())
}

/// base64, a header, an empty line, or the END line.
fn key_line(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let base64 = line
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    let header = ["Proc-Type:", "DEK-Info:", "Comment:", "Version:", "Hash:"]
        .iter()
        .any(|h| line.starts_with(h.as_bytes()));
    line.len() <= LINE_MAX && (base64 || header || line.starts_with(b"-----END "))
}
