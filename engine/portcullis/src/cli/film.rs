//! `sessions export` and `sessions replay --play`: a recorded terminal as a file for asciinema, or as a film on this
//! terminal. Refuses to let the recording act on the reader: what it shows paints and does nothing else.

use super::sessions::unknown;
use crate::cli::journal::Record;
use crate::cli::{Exit, Whereabouts, explain};
use clap::{Args, ValueEnum};
use portcullis_journal::Film;
use portcullis_model::{SessionId, escape_line};
use portcullis_stream::Quiet;
use portcullis_stream::asciicast::{Event, Happening, Header, Writer};
use portcullis_stream::playback::{Pace, Playback, Show};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

/// A recorded terminal as a file.
#[derive(Debug, Args)]
pub struct Export {
    /// The session's id, as the list shows it
    id: SessionId,
    /// The format
    #[arg(long, value_enum, default_value_t = Format::Asciicast)]
    format: Format,
    /// The number of the stream; the first that is a terminal when not given
    #[arg(long)]
    stream: Option<u32>,
    /// The file to write; it must not exist. Standard output when not given
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Keep what acts on a terminal: titles, clipboards, images, questions. For players that are safe against it
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    at: Whereabouts,
    #[command(flatten)]
    record: Record,
}

/// What a recording is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// asciicast v3, for asciinema and its players
    Asciicast,
    /// Every entry as a line of JSON
    Jsonl,
    /// PostgreSQL: a script of what ran, with everything else in comments
    Sql,
    /// Kubernetes: requests and answers as an HTTP Archive
    Har,
    /// Events of the Open Cybersecurity Schema Framework, one a line
    Ocsf,
}

/// How a film is shown.
#[derive(Clone, Debug, Args)]
pub struct Play {
    /// Show a recorded terminal as it was, instead of a list of what happened
    #[arg(long)]
    play: bool,
    /// So many times as fast
    #[arg(long, default_value_t = 1.0, requires = "play", value_parser = speed)]
    speed: f64,
    /// Begin here: 90, 90s, 1m30s
    #[arg(long, requires = "play", value_parser = moment)]
    seek: Option<Duration>,
    /// Pauses are no longer than this: 2, 2s
    #[arg(long, requires = "play", value_parser = moment)]
    idle_max: Option<Duration>,
    /// The number of the stream; the first that is a terminal when not given
    #[arg(long, requires = "play")]
    stream: Option<u32>,
}

impl Play {
    pub(super) fn wanted(&self) -> bool {
        self.play
    }
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().map_err(|e| e.to_string())?;
    let speeds = portcullis_stream::playback::SPEEDS;
    match speeds.contains(&speed) {
        true => Ok(speed),
        false => Err(format!("from {} to {}", speeds.start(), speeds.end())),
    }
}

/// `90`, `90s`, `1m30s`, `1h2m3s`.
fn moment(text: &str) -> Result<Duration, String> {
    let wrong = || "seconds, or hours, minutes and seconds: 90, 1m30s, 1h2m3s".to_owned();
    let mut seconds = 0_u64;
    let mut number: Option<u64> = None;
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                let digit = u64::from(c) - u64::from('0');
                let grown = number
                    .unwrap_or(0)
                    .checked_mul(10)
                    .and_then(|n| n.checked_add(digit));
                number = Some(grown.ok_or_else(wrong)?);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(wrong()),
        };
        let part = number.take().and_then(|n| n.checked_mul(unit));
        seconds = part
            .and_then(|part| seconds.checked_add(part))
            .ok_or_else(wrong)?;
    }
    match (number, seconds, text.is_empty()) {
        (_, _, true) => Err(wrong()),
        (Some(number), 0, _) => Ok(Duration::from_secs(number)),
        (Some(_), _, _) => Err(wrong()),
        (None, seconds, _) => Ok(Duration::from_secs(seconds)),
    }
}

pub(super) fn export(export: &Export) -> Result<(), Exit> {
    if export.format != Format::Asciicast {
        return other(export);
    }
    let (header, mut events) = film(&export.record, &export.at, export.id, export.stream)?;
    if !export.raw {
        let mut quiet = Quiet::new();
        for event in &mut events {
            if let Happening::Output(bytes) = &mut event.what {
                *bytes = quiet.pass(bytes);
            }
        }
    }
    let out = output(export)?;
    let mut writer = Writer::new(io::BufWriter::new(out), &header)?;
    for event in &events {
        writer.event(event)?;
    }
    writer.finish()?.flush()?;
    Ok(())
}

/// A terminal of a session, whole.
fn output(export: &Export) -> Result<Box<dyn Write>, Exit> {
    let Some(path) = &export.output else {
        return Ok(Box::new(io::stdout().lock()));
    };
    // What is in it is for whoever asked.
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Exit::refused(format!("write {}: {e}", path.display())))?;
    Ok(Box::new(file))
}

/// Everything but a terminal.
fn other(export: &Export) -> Result<(), Exit> {
    let mut entries = export.record.session(&export.at, export.id)?.peekable();
    if entries.peek().is_none() {
        return Err(unknown(export.id));
    }
    let mut out = io::BufWriter::new(output(export)?);
    let written = match export.format {
        Format::Sql => portcullis_journal::export_sql(entries, &mut out),
        Format::Har => portcullis_journal::export_har(entries, &mut out),
        Format::Ocsf => portcullis_journal::export_ocsf(entries, &mut out),
        Format::Jsonl | Format::Asciicast => portcullis_journal::replay_jsonl(entries, &mut out),
    };
    written.map_err(|error| Exit::refused(explain(&error)))?;
    Ok(out.flush()?)
}

fn film(
    record: &Record,
    at: &Whereabouts,
    id: SessionId,
    stream: Option<u32>,
) -> Result<(Header, Vec<Event>), Exit> {
    let broken = |error: portcullis_journal::Error| Exit::refused(explain(&error));
    let mut film = Film::new(stream);
    let mut events = Vec::new();
    let mut any = false;
    for entry in record.session(at, id)? {
        any = true;
        events.extend(film.take(&entry.map_err(broken)?));
    }
    match film.header() {
        Some(header) => Ok((header.clone(), events)),
        None if any => Err(Exit::refused_with(
            format!("session {id} has no such terminal"),
            "`portcullis sessions replay` lists what happened in it",
        )),
        None => Err(unknown(id)),
    }
}

/// Plays on standard output until the end; Ctrl-C ends it.
pub(super) fn play(
    play: &Play,
    record: &Record,
    at: &Whereabouts,
    id: SessionId,
) -> Result<(), Exit> {
    let (header, events) = film(record, at, id, play.stream)?;
    let pace = Pace {
        speed: play.speed,
        idle_max: play.idle_max,
    };
    let mut playback = Playback::new(&events, pace);
    let mut out = io::stdout().lock();
    let title = escape_line(header.title.as_deref().unwrap_or_default());
    let (columns, rows) = (header.columns, header.rows);
    let length = playback.length().as_secs();
    remark(&format!(
        "{title}: {columns} columns, {rows} rows, {length} s"
    ));
    // From a blank screen, whatever stood there.
    out.write_all(&playback.seek(play.seek.unwrap_or_default()))?;
    out.flush()?;
    for frame in playback {
        std::thread::sleep(frame.wait);
        match frame.show {
            Show::Paint(bytes) => out.write_all(&bytes)?,
            Show::Size(columns, rows) => {
                remark(&format!("window of {columns} columns, {rows} rows"))
            }
            Show::Marker(text) => remark(&text),
            Show::Exit(status) => remark(&format!("exit {status}")),
        }
        out.flush()?;
    }
    out.write_all(AFTER)?;
    Ok(out.flush()?)
}

/// What the recording may have left behind.
const AFTER: &[u8] = b"\x1b[?1049l\x1b[r\x1b[0m\x1b(B\x1b[4l\x1b[?25h\r\n";

/// Beside the picture: on standard error, and only where that is not the same terminal.
fn remark(text: &str) {
    use io::IsTerminal as _;
    if !io::stderr().is_terminal() {
        eprintln!("{}", escape_line(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        let check = |text: &str, seconds: u64| {
            assert_eq!(moment(text), Ok(Duration::from_secs(seconds)), "{text}");
        };
        check("90", 90);
        check("90s", 90);
        check("1m30s", 90);
        check("1h2m3s", 3723);
        check("0", 0);
        for text in [
            "",
            "x",
            "1x",
            "m",
            "1m3",
            "-1",
            "1.5",
            "99999999999999999999",
            "99999999999999999h",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
        assert_eq!(speed("2.5"), Ok(2.5));
        for text in ["0", "-1", "nan", "inf", "1001", "x"] {
            assert!(speed(text).is_err(), "{text}");
        }
    }
}
