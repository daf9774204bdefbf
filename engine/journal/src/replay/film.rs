//! A terminal of a session as a film: what was shown, typed, resized and decided, in the order of the record, as events
//! of an asciicast. Reads entry by entry and keeps nothing of them.
//!
//! It refuses to invent: what the record withholds (passwords, output below the full record level) is not there, and
//! the bytes are those that were released. Whoever shows them on a terminal cleans them first.

use super::text;
use crate::read::ReadEntry;
use portcullis_gate::EntryKind;
use portcullis_model::{Timestamp, escape_line};
use portcullis_stream::asciicast::{Event, Happening, Header};
use serde_json::Value;

/// A `Status` of the API is short; what is longer is output.
const STATUS_BYTES_MAX: usize = 4096;

/// One terminal of a session, while its entries go by.
#[derive(Debug, Default)]
pub struct Film {
    /// Only this stream, or the first that is a terminal.
    stream: Option<u32>,
    title: Option<String>,
    scene: Option<Scene>,
}

#[derive(Debug)]
struct Scene {
    stream: u32,
    /// Of a cluster: how its command ended is released among what was shown.
    cluster: bool,
    began: Timestamp,
    header: Header,
}

impl Film {
    /// Of a stream by its number, or of the first that is a terminal.
    #[must_use]
    pub fn new(stream: Option<u32>) -> Self {
        Self {
            stream,
            ..Self::default()
        }
    }

    /// Size, time and title, once the terminal was opened.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.scene.as_ref().map(|scene| &scene.header)
    }

    /// The next entry; what happens in it, if anything does.
    pub fn take(&mut self, entry: &ReadEntry) -> Option<Event> {
        let is = |kind: EntryKind| entry.kind == kind as u8;
        let json = || serde_json::from_slice::<Value>(&entry.payload).unwrap_or_default();
        if is(EntryKind::Admit) {
            let json = json();
            let session = json.get("session").unwrap_or(&json);
            let (who, target) = (
                text(session, "/identity/name"),
                text(session, "/target/name"),
            );
            self.title = Some(format!("{who} on {target}"));
        }
        if is(EntryKind::Opened) && self.scene.is_none() {
            self.open(entry, &json());
            return None;
        }
        let scene = self.scene.as_ref().filter(|s| s.stream == entry.stream.0)?;
        let what = if is(EntryKind::Release) || is(EntryKind::Diagnostic) {
            let ended = scene.cluster.then(|| status(&entry.payload)).flatten();
            ended.unwrap_or_else(|| Happening::Output(entry.payload.to_vec()))
        } else if is(EntryKind::Upload) {
            Happening::Input(entry.payload.to_vec())
        } else if is(EntryKind::Request) {
            request(&json())?
        } else if is(EntryKind::Closed) {
            closed(&json())
        } else if is(EntryKind::Hold) {
            Happening::Marker(format!("held: {}", text(&json(), "/id")))
        } else if is(EntryKind::Resolve) {
            Happening::Marker(format!("answered: {}", text(&json(), "/outcome")))
        } else if is(EntryKind::Refusal) {
            Happening::Marker(format!("refused: {}", text(&json(), "/denial/rule")))
        } else {
            return None;
        };
        let at = entry.at.since(scene.began);
        Some(Event { at, what })
    }

    fn open(&mut self, entry: &ReadEntry, json: &Value) {
        let wanted = self.stream.is_none_or(|stream| stream == entry.stream.0);
        let Some(terminal) = json
            .pointer("/stream/terminal")
            .filter(|t| t.is_object() && wanted)
        else {
            return;
        };
        // 0 is "unknown" (RFC 4254 section 6.2).
        let side = |name: &str, otherwise: u16| {
            let side = terminal.get(name).and_then(Value::as_u64).unwrap_or(0);
            let side = u16::try_from(side).unwrap_or(u16::MAX);
            if side == 0 { otherwise } else { side }
        };
        let term = terminal.get("term").and_then(Value::as_str);
        self.scene = Some(Scene {
            stream: entry.stream.0,
            cluster: json.pointer("/stream/path").is_some(),
            began: entry.at,
            header: Header {
                columns: side("columns", 80),
                rows: side("rows", 24),
                term: term.map(str::to_owned),
                timestamp: Some(entry.at.seconds()),
                title: self.title.clone(),
                command: None,
            },
        });
    }
}

/// The word of a cluster on how a command ended, which no terminal shows. It stands beside the film, whole: nothing is left out,
/// whoever wrote it.
fn status(payload: &[u8]) -> Option<Happening> {
    if payload.len() > STATUS_BYTES_MAX {
        return None;
    }
    let json: Value = serde_json::from_slice(payload).ok()?;
    let word = json.get("status").and_then(Value::as_str)?;
    let is = matches!(word, "Success" | "Failure") && json.get("metadata").is_some();
    is.then(|| {
        let said = escape_line(&String::from_utf8_lossy(payload));
        Happening::Marker(format!("status: {said}"))
    })
}

/// A window that changed, a signal, a command. What was typed and withheld is nothing that is shown.
fn request(json: &Value) -> Option<Happening> {
    let control = json.get("control").and_then(Value::as_str);
    let name = json.get("name").and_then(Value::as_str).unwrap_or_default();
    match control {
        Some("resize") => {
            let (columns, rows) = name.split_once('x')?;
            let side = |text: &str| text.parse::<u16>().ok().filter(|side| *side > 0);
            Some(Happening::Resize(side(columns)?, side(rows)?))
        }
        Some("signal") => Some(Happening::Marker(format!(
            "signal: {}",
            text(json, "/name")
        ))),
        Some(_) => None,
        None => Some(Happening::Marker(format!(
            "sent: {}",
            text(json, "/request")
        ))),
    }
}

fn closed(json: &Value) -> Happening {
    let status = json.get("exit").and_then(Value::as_i64);
    match status.and_then(|status| i32::try_from(status).ok()) {
        Some(status) => Happening::Exit(status),
        None => Happening::Marker(format!(
            "ended: {}{}{}",
            text(json, "/reason"),
            text(json, "/signal"),
            text(json, "/end")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_gate::StreamId;
    use portcullis_model::SessionId;
    use portcullis_stream::asciicast::Writer;
    use serde_json::json;

    const NOON: i64 = 1_794_994_200_000_000_000;

    fn entry(ms: i64, stream: u32, kind: EntryKind, payload: impl Into<bytes::Bytes>) -> ReadEntry {
        ReadEntry {
            session: SessionId(7),
            sequence: 1,
            at: Timestamp(NOON + ms * 1_000_000),
            stream: StreamId(stream),
            kind: kind as u8,
            payload: payload.into(),
            leaf: 0,
            withheld: None,
        }
    }

    fn session() -> Vec<ReadEntry> {
        let told = |json: Value| json.to_string();
        let terminal = json!({"term": "xterm", "columns": 100, "rows": 0});
        vec![
            entry(
                0,
                0,
                EntryKind::Admit,
                told(json!({"identity": {"name": "ana\u{1b}"}, "target": {"name": "web-1"}})),
            ),
            entry(
                5,
                1,
                EntryKind::Opened,
                told(json!({"stream": {"ssh": "exec", "terminal": null}})),
            ),
            entry(6, 1, EntryKind::Release, "not this"),
            entry(
                10,
                2,
                EntryKind::Opened,
                told(json!({"stream": {"ssh": "shell", "terminal": terminal}})),
            ),
            entry(10, 2, EntryKind::Request, told(json!({"request": "shell"}))),
            entry(110, 2, EntryKind::Release, "$ "),
            entry(
                210,
                2,
                EntryKind::Request,
                told(json!({"control": "typed", "bytes": 8})),
            ),
            entry(310, 2, EntryKind::Upload, "ls\r"),
            entry(310, 1, EntryKind::Release, "nor this"),
            entry(
                410,
                2,
                EntryKind::Request,
                told(json!({"control": "resize", "name": "120x40", "rows": 0})),
            ),
            entry(510, 2, EntryKind::Diagnostic, "x\r\n"),
            entry(610, 2, EntryKind::Hold, told(json!({"id": "h-1"}))),
            entry(
                1610,
                2,
                EntryKind::Refusal,
                told(json!({"denial": {"rule": "commands/permissions"}})),
            ),
            entry(2610, 2, EntryKind::Closed, told(json!({"exit": 3}))),
        ]
    }

    #[test]
    fn a_terminal_of_the_record_is_an_asciicast() {
        let mut film = Film::new(None);
        let events: Vec<Event> = session().iter().filter_map(|e| film.take(e)).collect();
        let mut writer = Writer::new(Vec::new(), film.header().unwrap()).unwrap();
        events.iter().for_each(|e| writer.event(e).unwrap());
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        let want = r#"{"version":3,"term":{"cols":100,"rows":24,"type":"xterm"},"timestamp":1794994200,"title":"ana\\u{001b} on web-1"}
[0.000000, "m", "sent: shell"]
[0.100000, "o", "$ "]
[0.200000, "i", "ls\r"]
[0.100000, "r", "120x40"]
[0.100000, "o", "x\r\n"]
[0.100000, "m", "held: h-1"]
[1.000000, "m", "refused: commands/permissions"]
[1.000000, "x", "3"]
"#;
        assert_eq!(text, want);
    }

    #[test]
    fn how_a_command_in_a_cluster_ended_stands_beside_its_film_whole() {
        let status = r#"{"metadata": {}, "status": "Failure", "message": "gone"}"#;
        let shown = |path: Option<&str>, payload: &str| {
            let stream = json!({"path": path, "terminal": {"columns": 0, "rows": 0}});
            let mut opened = json!({ "stream": stream });
            if path.is_none() {
                opened["stream"].as_object_mut().unwrap().remove("path");
            }
            let mut film = Film::new(None);
            film.take(&entry(0, 1, EntryKind::Opened, opened.to_string()));
            let taken = film.take(&entry(1, 1, EntryKind::Release, payload.to_owned()));
            taken.unwrap().what
        };
        let path = Some("/api/v1/namespaces/n/pods/p/exec");
        let Happening::Marker(marker) = shown(path, status) else {
            panic!("it is painted");
        };
        assert_eq!(marker, format!("status: {status}"));
        let long = format!(
            r#"{{"metadata": {{}}, "status": "Success", "x": "{}"}}"#,
            "y".repeat(5000)
        );
        for (path, output) in [
            (None, status),
            (path, r#"{"status": "Success"}"#),
            (path, r#"{"metadata": {}, "status": "so so"}"#),
            (path, "Success\r\n"),
            (path, long.as_str()),
        ] {
            let is = matches!(shown(path, output), Happening::Output(bytes) if bytes == output.as_bytes());
            assert!(is, "{output}");
        }
    }

    #[test]
    fn only_a_terminal_is_a_film() {
        for stream in [1, 9] {
            let mut film = Film::new(Some(stream));
            assert_eq!(session().iter().filter_map(|e| film.take(e)).count(), 0);
            assert!(film.header().is_none());
        }
    }
}
