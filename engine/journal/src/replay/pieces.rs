//! Released PostgreSQL frames, taken apart for whoever shows them in another way than as text: columns, rows, ends,
//! errors. Refuses to pass anything on unescaped; what it cannot frame is a piece of its own.

use super::postgres::{columns, frame, text};
use portcullis_model::escape_line;

/// Something that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Rows of these columns follow.
    Columns(Vec<String>),
    /// A row; none for NULL.
    Row(Vec<Option<String>>),
    /// A statement is done: `SELECT 3`.
    Done(String),
    /// An error or a notice: severity, code, message, detail, hint.
    Said {
        /// True for an error.
        error: bool,
        /// SQLSTATE.
        code: String,
        /// The message.
        message: String,
        /// More about it.
        detail: Option<String>,
        /// What to do.
        hint: Option<String>,
    },
    /// Bytes of COPY.
    Copied(u64),
    /// A notification: channel and payload.
    Notified(String, String),
    /// What cannot be framed.
    Unframed(String),
}

/// Takes frames apart; what was described before is remembered.
#[derive(Debug)]
pub struct Pieces {
    binary: Vec<bool>,
    cell_max: usize,
}

impl Pieces {
    /// Cells are cut to so many characters.
    #[must_use]
    pub fn new(cell_max: usize) -> Self {
        Self {
            binary: Vec::new(),
            cell_max,
        }
    }

    /// The pieces of one release.
    pub fn take(&mut self, mut wire: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while !wire.is_empty() {
            let Some((tag, body, rest)) = frame(wire) else {
                let shown: String = String::from_utf8_lossy(wire).chars().take(200).collect();
                pieces.push(Piece::Unframed(escape_line(&shown)));
                return pieces;
            };
            pieces.extend(self.piece(tag, body));
            wire = rest;
        }
        pieces
    }

    fn piece(&mut self, tag: u8, body: &[u8]) -> Option<Piece> {
        match tag {
            b'T' => {
                let columns = columns(body).unwrap_or_default();
                self.binary = columns.iter().map(|c| c.binary).collect();
                Some(Piece::Columns(
                    columns.into_iter().map(|c| c.name).collect(),
                ))
            }
            b'D' => Some(Piece::Row(self.row(body))),
            b'd' => Some(Piece::Copied(body.len() as u64)),
            b'C' => Some(Piece::Done(escape_line(&text(body)))),
            b'E' => Some(said(true, body)),
            b'N' => Some(said(false, body)),
            b'A' => {
                let mut strings = body.get(4..).unwrap_or_default().split(|b| *b == 0);
                let mut next =
                    || escape_line(&String::from_utf8_lossy(strings.next().unwrap_or_default()));
                Some(Piece::Notified(next(), next()))
            }
            _ => None,
        }
    }

    fn row(&self, body: &[u8]) -> Vec<Option<String>> {
        let mut rest = body.get(2..).unwrap_or_default();
        let mut row = Vec::new();
        while let Some((len, after)) = rest.split_first_chunk::<4>() {
            rest = after;
            let Ok(len) = usize::try_from(i32::from_be_bytes(*len)) else {
                row.push(None);
                continue;
            };
            let Some((cell, after)) = rest.split_at_checked(len) else {
                row.push(Some("??".to_owned()));
                break;
            };
            rest = after;
            let binary = self.binary.get(row.len()).copied().unwrap_or(false);
            row.push(Some(self.cell(cell, binary)));
        }
        row
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
}

fn said(error: bool, body: &[u8]) -> Piece {
    let field = |wanted: u8| {
        body.split(|b| *b == 0)
            .find(|f| f.first() == Some(&wanted))
            .map(|f| escape_line(&String::from_utf8_lossy(&f[1..])))
    };
    Piece::Said {
        error,
        code: field(b'C').unwrap_or_default(),
        message: field(b'M').unwrap_or_default(),
        detail: field(b'D'),
        hint: field(b'H'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag][..], &len, body].concat()
    }

    #[test]
    fn frames_come_apart_and_nothing_in_them_acts() {
        let described = [b"\0\x01n\x1b\0".as_slice(), &[0; 18]].concat();
        let row = [b"\0\x02\0\0\0\x02a\x1b\xff\xff\xff\xff".as_slice()].concat();
        let wire = [
            frame(b'T', &described),
            frame(b'D', &row),
            frame(b'C', b"SELECT 1\0"),
            frame(b'E', b"SERROR\0C42501\0Mno\x07\0Hask\0\0"),
            b"D\0".to_vec(),
        ]
        .concat();
        let pieces = Pieces::new(80).take(&wire);
        assert_eq!(
            pieces,
            [
                Piece::Columns(vec!["n\\u{001b}".to_owned()]),
                Piece::Row(vec![Some("a\\u{001b}".to_owned()), None]),
                Piece::Done("SELECT 1".to_owned()),
                Piece::Said {
                    error: true,
                    code: "42501".to_owned(),
                    message: "no\\u{0007}".to_owned(),
                    detail: None,
                    hint: Some("ask".to_owned()),
                },
                Piece::Unframed("D\\u{0000}".to_owned()),
            ]
        );
    }

    #[test]
    fn long_cells_are_cut() {
        let row = frame(b'D', b"\0\x01\0\0\0\x05abcde");
        let pieces = Pieces::new(2).take(&row);
        assert_eq!(pieces, [Piece::Row(vec![Some("ab… (+3)".to_owned())])]);
    }
}
