//! A line editor that understands what it is sure of: the letters, and the keys that move and delete in bash, zsh and
//! readline as they are shipped. Every other key makes the line uncertain; none is guessed.

use portcullis_model::limits;
use unicode_width::UnicodeWidthChar;

/// Why a line is not certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A completion key.
    Completion,
    /// A full-screen program has the terminal.
    FullScreen,
    /// The line is no whole command: a quote or a backslash leads on to the next one.
    GoesOn,
    /// History: searched, recalled, or expanded (`!!`).
    History,
    /// Text on the screen that no eye sees.
    Invisible,
    /// A key whose effect is not known here.
    Key,
    /// More than a line of a person has.
    Long,
    /// Several lines at once.
    Paste,
    /// The screen shows something else than was typed, or not yet.
    Redrawn,
    /// The window changed while the line was edited.
    Resized,
}

impl Why {
    /// In a word, for policy and record.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Completion => "completion",
            Self::FullScreen => "full-screen",
            Self::GoesOn => "goes-on",
            Self::History => "history",
            Self::Invisible => "invisible",
            Self::Key => "key",
            Self::Long => "long",
            Self::Paste => "paste",
            Self::Redrawn => "redrawn",
            Self::Resized => "resized",
        }
    }
}

/// What a byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// It edits the line, or is part of something that may.
    Edit,
    /// It enters the line.
    Enter,
    /// It drops the line.
    Cancel,
}

/// The line as the keys have made it.
#[derive(Debug, Default)]
pub(super) struct Keys {
    line: Vec<char>,
    at: usize,
    why: Option<Why>,
    escape: Escape,
    /// Within a bracketed paste.
    paste: bool,
    /// Something was pressed since the line began: what a terminal in lines has of it, no editing key takes back.
    touched: bool,
    utf8: Vec<u8>,
}

/// What a terminal sends for keys that are no letters.
#[derive(Debug, Default)]
enum Escape {
    #[default]
    None,
    /// ESC.
    Begun,
    /// `ESC [` or `ESC O`, and what came behind it.
    Sequence(Vec<u8>),
}

/// ^O runs the line as Enter does.
const OPERATE: u8 = 0x0f;
/// ^D: the end of what is typed.
const END: u8 = 0x04;
/// Longer than any key's sequence.
const SEQUENCE_MAX: usize = 24;

impl Keys {
    /// The line behind this one. Within a paste it is only a part of what will run.
    pub(super) fn next(&self) -> Self {
        Self {
            paste: self.paste,
            why: self.paste.then_some(Why::Paste),
            ..Self::default()
        }
    }

    pub(super) fn line(&self) -> String {
        self.line.iter().collect()
    }

    pub(super) fn why(&self) -> Option<Why> {
        let open = !matches!(self.escape, Escape::None) || !self.utf8.is_empty();
        self.why.or(open.then_some(Why::Key))
    }

    pub(super) fn doubt(&mut self, why: Why) {
        self.why.get_or_insert(why);
    }

    /// Columns from the beginning of the line to the cursor.
    pub(super) fn cursor(&self) -> usize {
        let before = self.line.iter().take(self.at);
        before.map(|c| c.width().unwrap_or(0)).sum()
    }

    /// One byte from the client.
    pub(super) fn press(&mut self, byte: u8) -> Key {
        let key = self.pressed(byte);
        self.touched = true;
        key
    }

    fn pressed(&mut self, byte: u8) -> Key {
        if let Some(why) = self.entered_within(byte) {
            (self.escape, self.utf8) = (Escape::None, Vec::new());
            self.doubt(why);
            return Key::Enter;
        }
        match std::mem::take(&mut self.escape) {
            Escape::None => self.plain(byte),
            Escape::Begun => self.escaped(byte),
            Escape::Sequence(mut keys) => {
                keys.push(byte);
                let ends = matches!(byte, 0x40..=0x7e) && keys.len() > 1;
                match (ends, keys.len() < SEQUENCE_MAX) {
                    (true, _) => self.sequence(&keys),
                    (false, true) => self.escape = Escape::Sequence(keys),
                    (false, false) => self.doubt(Why::Key),
                }
                Key::Edit
            }
        }
    }

    /// Why a byte that enters a line is no certain Enter: something that is not complete stands before it. Whatever the
    /// host makes of that, it may run the line.
    fn entered_within(&self, byte: u8) -> Option<Why> {
        let open = !matches!(self.escape, Escape::None) || !self.utf8.is_empty();
        match byte {
            b'\r' | b'\n' | OPERATE if self.paste => Some(Why::Paste),
            b'\r' | b'\n' | OPERATE if open => Some(Why::Key),
            // A terminal in lines hands over what there is, and a shell that then reads the end runs it.
            END if open || self.paste || self.touched => Some(Why::Key),
            _ => None,
        }
    }

    fn plain(&mut self, byte: u8) -> Key {
        if byte >= 0x80 || !self.utf8.is_empty() {
            self.multibyte(byte);
            return Key::Edit;
        }
        match byte {
            b'\r' | b'\n' | OPERATE => return Key::Enter,
            0x1b => self.escape = Escape::Begun,
            _ if self.paste => match byte {
                0x20..=0x7e => self.insert(char::from(byte)),
                _ => self.doubt(Why::Paste),
            },
            0x03 => return Key::Cancel,
            // Shells that edit lines do not heed SIGQUIT, and keep the line.
            0x1c => self.doubt(Why::Key),
            0x7f | 0x08 => self.erase(self.at.saturating_sub(1), self.at),
            0x01 => self.at = 0,
            0x05 => self.at = self.line.len(),
            0x02 => self.at = self.at.saturating_sub(1),
            0x06 => self.at = (self.at + 1).min(self.line.len()),
            // Of nothing.
            END => {}
            0x0b => self.erase(self.at, self.line.len()),
            0x15 => self.erase(0, self.at),
            0x17 => self.erase(self.word(), self.at),
            0x09 => self.doubt(Why::Completion),
            0x0e | 0x10 | 0x12 | 0x13 => self.doubt(Why::History),
            0x20..=0x7e => self.insert(char::from(byte)),
            _ => self.doubt(Why::Key),
        }
        Key::Edit
    }

    fn multibyte(&mut self, byte: u8) {
        self.utf8.push(byte);
        match std::str::from_utf8(&self.utf8) {
            Ok(text) => {
                let c = text.chars().next();
                self.utf8.clear();
                match c.filter(|c| c.width().unwrap_or(0) > 0) {
                    Some(c) => self.insert(c),
                    // Marks and joiners: what cell they end up in is the terminal's business.
                    None => self.doubt(Why::Invisible),
                }
            }
            Err(e) if e.error_len().is_some() || self.utf8.len() >= 4 => {
                self.utf8.clear();
                self.doubt(Why::Key);
            }
            Err(_) => {}
        }
    }

    fn escaped(&mut self, byte: u8) -> Key {
        match byte {
            b'[' | b'O' => self.escape = Escape::Sequence(vec![byte]),
            _ => self.doubt(Why::Key),
        }
        Key::Edit
    }

    fn sequence(&mut self, keys: &[u8]) {
        match keys {
            b"[200~" => self.paste = true,
            b"[201~" => self.paste = false,
            _ if self.paste => self.doubt(Why::Paste),
            b"[D" | b"OD" => self.at = self.at.saturating_sub(1),
            b"[C" | b"OC" => self.at = (self.at + 1).min(self.line.len()),
            b"[H" | b"OH" | b"[1~" | b"[7~" => self.at = 0,
            b"[F" | b"OF" | b"[4~" | b"[8~" => self.at = self.line.len(),
            b"[3~" => self.erase(self.at, self.at + 1),
            b"[A" | b"OA" | b"[B" | b"OB" | b"[5~" | b"[6~" => self.doubt(Why::History),
            // The terminal's own answers: focus, cursor position, what it is.
            [b'[', .., b'I' | b'R' | b'c'] | b"[O" => {}
            _ => self.doubt(Why::Key),
        }
    }

    fn insert(&mut self, c: char) {
        if self.line.len() >= limits::TYPED_LINE_BYTES_MAX {
            return self.doubt(Why::Long);
        }
        let at = self.at.min(self.line.len());
        self.line.insert(at, c);
        self.at = at + 1;
    }

    fn erase(&mut self, from: usize, to: usize) {
        let to = to.min(self.line.len());
        if from < to {
            self.line.drain(from..to);
            self.at = from;
        }
    }

    /// Where the word before the cursor begins, as `^W` sees it.
    fn word(&self) -> usize {
        let before = self.line.get(..self.at).unwrap_or_default();
        let blanks = before.iter().rev().take_while(|c| c.is_whitespace());
        let end = before.len() - blanks.count();
        let word = before.iter().take(end).rev();
        end - word.take_while(|c| !c.is_whitespace()).count()
    }
}

/// Why a line that was read is still no command of its own.
pub(super) fn suspicion(line: &str) -> Option<Why> {
    if line.trim_start().starts_with('^') {
        return Some(Why::History);
    }
    let mut quote = None;
    let mut chars = line.chars().peekable();
    let mut less = 0;
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') if chars.next().is_none() => return Some(Why::GoesOn),
            (_, '\\') => {}
            (_, '!') if next.is_some_and(|n| !matches!(n, ' ' | '\t' | '=' | '(' | '"')) => {
                return Some(Why::History);
            }
            (None, '\'' | '"') => quote = Some(c),
            // A here-document; `<<<` is a word.
            (None, '<') if less == 1 && next != Some('<') => return Some(Why::GoesOn),
            _ => {}
        }
        less = if c == '<' { less + 1 } else { 0 };
    }
    quote.map(|_| Why::GoesOn)
}
