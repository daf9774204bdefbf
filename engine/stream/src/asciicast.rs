//! Recordings of terminals as asciicast v3 (docs.asciinema.org/manual/asciicast/v3): written for asciinema and its
//! players, read back for our own. Version 2 is read too.
//!
//! It refuses what is no text: bytes that are no UTF-8 become U+FFFD, a character that was cut between two pieces of
//! output is put together again. What a recording may do to a terminal is the business of [`crate::Quiet`].

use portcullis_model::limits;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

/// What stands at the top of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Columns at the beginning.
    pub columns: u16,
    /// Rows at the beginning.
    pub rows: u16,
    /// `TERM`.
    pub term: Option<String>,
    /// Seconds since the epoch.
    pub timestamp: Option<i64>,
    /// A title.
    pub title: Option<String>,
    /// The command that was run.
    pub command: Option<String>,
}

/// Something that happened at the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Output of the host.
    Output(Vec<u8>),
    /// Keys.
    Input(Vec<u8>),
    /// The window has this size now.
    Resize(u16, u16),
    /// A remark: a decision, a hold.
    Marker(String),
    /// The program has ended, with this status.
    Exit(i32),
}

/// Something that happened, and when: since the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Since the beginning of the recording.
    pub at: Duration,
    /// What.
    pub what: Happening,
}

/// Writes a recording.
pub struct Writer<W> {
    out: W,
    last: Duration,
    output: Tail,
    input: Tail,
}

/// A character that has begun.
#[derive(Default)]
struct Tail(Vec<u8>);

impl<W: Write> Writer<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// What writing says.
    pub fn new(mut out: W, header: &Header) -> io::Result<Self> {
        let mut term = Map::new();
        term.insert("cols".to_owned(), header.columns.max(1).into());
        term.insert("rows".to_owned(), header.rows.max(1).into());
        term.extend(
            header
                .term
                .clone()
                .map(|kind| ("type".to_owned(), kind.into())),
        );
        let mut line = Map::new();
        line.insert("version".to_owned(), 3.into());
        line.insert("term".to_owned(), term.into());
        let optional = [
            ("timestamp", header.timestamp.map(Value::from)),
            ("title", header.title.clone().map(Value::from)),
            ("command", header.command.clone().map(Value::from)),
        ];
        for (name, value) in optional {
            line.extend(value.map(|value| (name.to_owned(), value)));
        }
        let line = Value::from(line);
        writeln!(out, "{line}")?;
        Ok(Self {
            out,
            last: Duration::ZERO,
            output: Tail::default(),
            input: Tail::default(),
        })
    }

    /// The next event. One that is earlier than the last counts as at the same time.
    ///
    /// # Errors
    /// What writing says.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        let (code, data) = match &event.what {
            Happening::Output(bytes) => ("o", self.output.text(bytes)),
            Happening::Input(bytes) => ("i", self.input.text(bytes)),
            Happening::Resize(columns, rows) => ("r", format!("{columns}x{rows}")),
            Happening::Marker(text) => ("m", text.clone()),
            Happening::Exit(status) => ("x", status.to_string()),
        };
        if data.is_empty() && matches!(code, "o" | "i") {
            return Ok(());
        }
        self.line(event.at, code, &data)
    }

    /// Ends it: what was cut in the middle of a character is shown as such.
    ///
    /// # Errors
    /// What writing says.
    pub fn finish(mut self) -> io::Result<W> {
        for (code, tail) in [
            ("o", std::mem::take(&mut self.output)),
            ("i", std::mem::take(&mut self.input)),
        ] {
            if !tail.0.is_empty() {
                self.line(self.last, code, "\u{fffd}")?;
            }
        }
        self.out.flush()?;
        Ok(self.out)
    }

    fn line(&mut self, at: Duration, code: &str, data: &str) -> io::Result<()> {
        let interval = at.saturating_sub(self.last);
        self.last = self.last.max(at);
        // Rounded down to microseconds; what is left is told with the next one.
        let micros = interval.as_micros();
        self.last -= interval - Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        writeln!(
            self.out,
            "[{seconds}.{micros:06}, {}, {}]",
            json!(code),
            json!(data)
        )
    }
}

impl Tail {
    /// The text that is complete; what is not waits.
    fn text(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.0);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let cut = chunks.peek().is_none() && begins_character(chunk.invalid());
            match (chunk.invalid().is_empty(), cut) {
                (true, _) => {}
                (false, true) => self.0 = chunk.invalid().to_vec(),
                (false, false) => text.push('\u{fffd}'),
            }
        }
        text
    }
}

/// True for bytes that may still become a character.
fn begins_character(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(e) if e.error_len().is_none())
}

/// Why a recording could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unplayable {
    /// Reading failed.
    #[error("read the recording")]
    Read(#[source] io::Error),
    /// A line is longer than [`limits::ASCIICAST_LINE_BYTES_MAX`].
    #[error("line {0} is too long")]
    Long(usize),
    /// The first line is no header of version 2 or 3.
    #[error("this is no asciicast of version 2 or 3")]
    NoHeader,
    /// A line is no event.
    #[error("line {0} is no event")]
    NoEvent(usize),
}

/// Reads a recording, event by event.
pub struct Reader<R> {
    from: R,
    header: Header,
    /// Intervals, or moments.
    relative: bool,
    at: Duration,
    number: usize,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Unplayable`].
    pub fn new(from: R) -> Result<Self, Unplayable> {
        let mut reader = Self {
            from,
            header: Header::default(),
            relative: true,
            at: Duration::ZERO,
            number: 0,
        };
        let line = reader.line()?.ok_or(Unplayable::NoHeader)?;
        let json: Value = serde_json::from_slice(&line).map_err(|_| Unplayable::NoHeader)?;
        let size = match json.get("version").and_then(Value::as_u64) {
            Some(3) => ("/term/cols", "/term/rows"),
            Some(2) => ("/width", "/height"),
            _ => return Err(Unplayable::NoHeader),
        };
        reader.relative = size.0 == "/term/cols";
        let number = |at: &str| {
            let number = json.pointer(at).and_then(Value::as_u64);
            number
                .and_then(|n| u16::try_from(n).ok())
                .filter(|n| *n > 0)
        };
        let text = |at: &str| json.pointer(at).and_then(Value::as_str).map(str::to_owned);
        reader.header = Header {
            columns: number(size.0).ok_or(Unplayable::NoHeader)?,
            rows: number(size.1).ok_or(Unplayable::NoHeader)?,
            term: text("/term/type").or_else(|| text("/env/TERM")),
            timestamp: json.get("timestamp").and_then(Value::as_i64),
            title: text("/title"),
            command: text("/command"),
        };
        Ok(reader)
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, Unplayable> {
        let mut line = Vec::new();
        let most = limits::ASCIICAST_LINE_BYTES_MAX;
        let mut bounded = (&mut self.from).take(most as u64 + 1);
        bounded
            .read_until(b'\n', &mut line)
            .map_err(Unplayable::Read)?;
        self.number += 1;
        match line.len() {
            0 => Ok(None),
            length if length > most => Err(Unplayable::Long(self.number)),
            _ => Ok(Some(line)),
        }
    }

    fn event(&mut self) -> Result<Option<Event>, Unplayable> {
        loop {
            let Some(line) = self.line()? else {
                return Ok(None);
            };
            if line.starts_with(b"#") || line.trim_ascii().is_empty() {
                continue;
            }
            let number = self.number;
            let parsed = serde_json::from_slice::<(f64, String, String)>(&line);
            let (time, code, data) = parsed.map_err(|_| Unplayable::NoEvent(number))?;
            let time = Duration::try_from_secs_f64(time);
            let time = time.map_err(|_| Unplayable::NoEvent(number))?;
            self.at = match self.relative {
                true => self
                    .at
                    .checked_add(time)
                    .ok_or(Unplayable::NoEvent(number))?,
                false => self.at.max(time),
            };
            // Codes that are not known are to be ignored.
            if let Some(what) = happening(&code, data).ok_or(Unplayable::NoEvent(number))? {
                return Ok(Some(Event { at: self.at, what }));
            }
        }
    }
}

fn happening(code: &str, data: String) -> Option<Option<Happening>> {
    Some(Some(match code {
        "o" => Happening::Output(data.into_bytes()),
        "i" => Happening::Input(data.into_bytes()),
        "m" => Happening::Marker(data),
        "r" => {
            let (columns, rows) = data.split_once('x')?;
            Happening::Resize(columns.parse().ok()?, rows.parse().ok()?)
        }
        "x" => Happening::Exit(data.trim().parse().ok()?),
        _ => return Some(None),
    }))
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Event, Unplayable>;

    fn next(&mut self) -> Option<Self::Item> {
        self.event().transpose()
    }
}

#[cfg(test)]
mod tests;
