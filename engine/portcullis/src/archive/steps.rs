//! The entries of a session as steps for people: a statement with the decision it rests on, its rows as a table, a
//! request and its answer, holds and votes. Used for pages of the record and for what is watched live.
//!
//! Refuses to show a byte unescaped, and more of a result or an output than fits a page; what is left out is counted.

use super::{call, events};
use portcullis_console::archive::{Fact, Step, Steps as Page, Table};
use portcullis_gate::EntryKind;
use portcullis_journal::{Piece, Pieces, ReadEntry, Withheld, kind_name};
use portcullis_model::{Timestamp, escape_for_people, escape_line, limits};
use serde_json::Value;
use std::collections::BTreeSet;

/// A string of a payload, escaped; empty when it is not there.
pub(crate) fn text(json: &Value, pointer: &str) -> String {
    let found = json.pointer(pointer).and_then(Value::as_str);
    escape_line(found.unwrap_or_default())
}

/// A page of a session, of its entries as they come.
pub(super) struct Leaf {
    after: u64,
    most: u32,
    maker: Steps,
    page: Page,
    looked: u32,
    last: u64,
}

impl Leaf {
    /// Of so many entries after one.
    pub(super) fn new(after: u64, most: u32) -> Self {
        Self {
            after,
            most,
            maker: Steps::default(),
            page: Page::default(),
            looked: 0,
            last: after,
        }
    }

    /// Takes an entry in, where there is room.
    pub(super) fn take(&mut self, entry: &ReadEntry) {
        if self.page.next.is_some() {
            return;
        }
        let steps = self.maker.take(entry);
        if entry.sequence <= self.after {
            return;
        }
        if self.looked >= self.most {
            self.page.next = Some(self.last);
            return;
        }
        self.looked += 1;
        self.last = entry.sequence;
        self.page.steps.extend(steps);
    }

    /// True once the next entry belongs to the next page.
    pub(super) fn is_full(&self) -> bool {
        self.page.next.is_some()
    }

    /// The page, once nothing follows.
    pub(super) fn done(mut self) -> Page {
        if self.page.next.is_none() {
            self.page.steps.extend(self.maker.rest());
        }
        self.page
    }
}

/// Makes steps of entries as they come.
#[derive(Default)]
pub(crate) struct Steps {
    began: Option<Timestamp>,
    postgres: bool,
    terminals: BTreeSet<u32>,
    pieces: Option<Pieces>,
    columns: Vec<String>,
    /// A decision whose statement has not come yet.
    decided: Option<(u32, Step)>,
    /// An answer that may go on.
    answer: Option<Step>,
}

impl Steps {
    /// The steps that this entry completes.
    pub(crate) fn take(&mut self, entry: &ReadEntry) -> Vec<Step> {
        let is = |kind: EntryKind| entry.kind == kind as u8;
        let mut steps = Vec::new();
        if let Some(why) = entry.withheld {
            let head = match why {
                Withheld::Sealed => "encrypted: whoever has the key can read it",
                Withheld::Shredded => {
                    "its content was dropped; that it was there is proved all the same"
                }
            };
            steps.extend(self.rest());
            steps.push(self.step(entry, "withheld", head.to_owned()));
            return steps;
        }
        if is(EntryKind::Release) || is(EntryKind::Diagnostic) {
            self.released(entry, &mut steps);
            return steps;
        }
        if is(EntryKind::Upload) {
            self.uploaded(entry, &mut steps);
            return steps;
        }
        let json: Value = serde_json::from_slice(&entry.payload).unwrap_or_default();
        if is(EntryKind::Masked) {
            // It is told before the rows it stands in; they go on.
            let step = self.masked(entry, &json);
            steps.extend(self.answer.take());
            steps.push(step);
            return steps;
        }
        steps.extend(self.answer.take());
        if is(EntryKind::Decision) {
            steps.extend(self.decided.take().map(|(_, step)| step));
            let step = self.decision(entry, &json);
            self.decided = Some((entry.stream.0, step));
            return steps;
        }
        steps.extend(self.other(entry, &json));
        steps
    }

    /// The step of an entry whose content is too large to be shown as it comes: what it was, and how much.
    pub(crate) fn left_out(&mut self, entry: &ReadEntry, bytes: usize) -> Vec<Step> {
        let output = [EntryKind::Release, EntryKind::Diagnostic];
        let output = output.iter().any(|kind| entry.kind == *kind as u8);
        if output && self.terminals.contains(&entry.stream.0) {
            return Vec::new();
        }
        // What comes next of a result may begin in the middle of a message.
        self.pieces = None;
        let mut steps = self.rest();
        let head =
            format!("{bytes} bytes, too large to be shown as they come; the recording has them");
        steps.push(self.step(entry, kind_name(entry.kind), head));
        steps
    }

    /// An answer that has begun, as far as it has come: for whoever watches and does not wait for its end.
    pub(crate) fn answered(&mut self) -> Option<Step> {
        self.answer.take()
    }

    /// What has begun and nothing follows.
    pub(crate) fn rest(&mut self) -> Vec<Step> {
        let decided = self.decided.take().map(|(_, step)| step);
        self.answer.take().into_iter().chain(decided).collect()
    }

    fn step(&mut self, entry: &ReadEntry, kind: &str, head: String) -> Step {
        let began = *self.began.get_or_insert(entry.at);
        Step {
            sequence: entry.sequence,
            at: entry.at.rfc3339(),
            offset: u64::try_from(entry.at.since(began).as_millis()).unwrap_or(u64::MAX),
            stream: entry.stream.0,
            kind: kind.to_owned(),
            head,
            ..Step::default()
        }
    }

    fn decision(&mut self, entry: &ReadEntry, json: &Value) -> Step {
        let verdict = text(json, "/verdict");
        let mut head = format!("{verdict} by {}", text(json, "/rule"));
        let effect = text(json, "/class/effect");
        if !effect.is_empty() {
            head.push_str(&format!("; {effect}, risk {}", text(json, "/class/risk")));
        }
        let mut step = self.step(entry, "decision", head);
        step.decision = Some(entry.sequence);
        let reasons = json.get("reasons").and_then(Value::as_array);
        for reason in reasons.into_iter().flatten() {
            step.facts
                .push(Fact::new(text(reason, "/rule"), text(reason, "/msg")));
        }
        if let Some(id) = json.pointer("/approval/id").and_then(Value::as_str) {
            step.facts
                .push(Fact::new("Approved under", escape_line(id)));
        }
        step
    }

    /// The decision that a statement rests on goes into its step.
    fn resting(&mut self, mut step: Step) -> Vec<Step> {
        match self.decided.take() {
            Some((stream, decided)) if stream == step.stream => {
                step.decision = decided.decision;
                let head = decided.head;
                step.facts.insert(0, Fact::new("Decided", head));
                step.facts.extend(decided.facts);
                vec![step]
            }
            Some((_, decided)) => vec![decided, step],
            None => vec![step],
        }
    }

    fn other(&mut self, entry: &ReadEntry, json: &Value) -> Vec<Step> {
        let is = |kind: EntryKind| entry.kind == kind as u8;
        if is(EntryKind::Request) {
            return self.request(entry, json);
        }
        if is(EntryKind::Refusal) {
            let denial = &json["denial"];
            let head = format!("{}: {}", text(denial, "/rule"), text(denial, "/reason"));
            let mut step = self.step(entry, "refused", head);
            step.text = json.get("request").and_then(Value::as_str).map(block);
            step.facts.extend(called(json));
            let hint = text(denial, "/hint");
            if !hint.is_empty() {
                step.facts.push(Fact::new("Hint", hint));
            }
            return self.resting(step);
        }
        if is(EntryKind::Hold) {
            let mut step = self.step(
                entry,
                "held",
                format!("{} waits for people", text(json, "/id")),
            );
            step.facts.extend(called(json));
            step.text = json.get("request").and_then(Value::as_str).map(block);
            return self.resting(step);
        }
        let (kind, head, facts) = match entry.kind {
            k if k == EntryKind::Admit as u8 => {
                let session = json.get("session").unwrap_or(json);
                self.postgres =
                    matches!(text(session, "/target/protocol").as_str(), "postgres" | "");
                let target = text(session, "/target/name");
                let head = format!("{} to {target}", text(session, "/identity/name"));
                ("admitted", head, Vec::new())
            }
            k if k == EntryKind::Resolve as u8 => {
                let by = json["by"].as_array().into_iter().flatten();
                let by: Vec<_> = by.map(|who| text(who, "/subject")).collect();
                let by = if by.is_empty() {
                    String::new()
                } else {
                    format!(" by {}", by.join(", "))
                };
                (
                    "resolved",
                    format!("{}{by}", text(json, "/outcome")),
                    Vec::new(),
                )
            }
            k if k == EntryKind::Opened as u8 => {
                if json
                    .pointer("/stream/terminal")
                    .is_some_and(Value::is_object)
                {
                    self.terminals.insert(entry.stream.0);
                }
                ("opened", opened(&json["stream"]), Vec::new())
            }
            k if k == EntryKind::Closed as u8 => ("closed", closed(json), Vec::new()),
            k if k == EntryKind::End as u8 => ("end", text(json, "/reason"), Vec::new()),
            k if k == EntryKind::House as u8 => return Vec::new(),
            k => (kind_name(k), String::new(), events::facts(json)),
        };
        let mut step = self.step(entry, kind, head);
        step.facts = facts;
        let decided = self.decided.take().map(|(_, step)| step);
        decided.into_iter().chain([step]).collect()
    }

    fn request(&mut self, entry: &ReadEntry, json: &Value) -> Vec<Step> {
        match json.get("request").and_then(Value::as_str) {
            Some(request) => {
                let stage = text(json, "/stage");
                let head = match stage.as_str() {
                    "query" => String::new(),
                    "request" => call::words(request).unwrap_or(stage),
                    _ => stage,
                };
                let mut step = self.step(entry, "sent", head);
                step.text = Some(block(request));
                self.resting(step)
            }
            // Steps of the protocol, and keys that were not shown: they say nothing to a person.
            None => Vec::new(),
        }
    }

    fn masked(&mut self, entry: &ReadEntry, json: &Value) -> Step {
        let mut parts = Vec::new();
        for (label, count) in json["edits"].as_object().into_iter().flatten() {
            parts.push(format!(
                "{} × {}",
                escape_line(&count.to_string()),
                escape_line(label)
            ));
        }
        for column in json["columns"].as_array().into_iter().flatten() {
            parts.push(format!(
                "column {} ({})",
                text(column, "/column"),
                text(column, "/tag")
            ));
        }
        self.step(entry, "masked", parts.join(", "))
    }

    fn released(&mut self, entry: &ReadEntry, steps: &mut Vec<Step>) {
        // A terminal is a film.
        if self.terminals.contains(&entry.stream.0) {
            return;
        }
        match self.postgres && entry.kind == EntryKind::Release as u8 {
            true => self.rows(entry, steps),
            false => {
                let kind = if entry.kind == EntryKind::Diagnostic as u8 {
                    "error"
                } else {
                    "answer"
                };
                self.output(entry, kind, steps);
            }
        }
    }

    fn uploaded(&mut self, entry: &ReadEntry, steps: &mut Vec<Step>) {
        if !self.terminals.contains(&entry.stream.0) {
            self.output(entry, "input", steps);
        }
    }

    /// Bytes of a stream, joined with those before where they are of one kind.
    fn output(&mut self, entry: &ReadEntry, kind: &str, steps: &mut Vec<Step>) {
        let more = escape_for_people(&String::from_utf8_lossy(&entry.payload));
        let joins = |a: &Step| a.stream == entry.stream.0 && a.kind == kind && a.table.is_none();
        if let Some(answer) = self.answer.as_mut().filter(|a| joins(a)) {
            if let Some(text) = &mut answer.text
                && text.len() < limits::CONSOLE_TEXT_BYTES_MAX
            {
                text.push_str(&more);
                cut(text);
            }
            return;
        }
        steps.extend(self.answer.take());
        let mut step = self.step(entry, kind, String::new());
        let mut text = more;
        cut(&mut text);
        step.text = Some(text);
        self.answer = Some(step);
    }

    fn rows(&mut self, entry: &ReadEntry, steps: &mut Vec<Step>) {
        let mut pieces = self
            .pieces
            .take()
            .unwrap_or_else(|| Pieces::new(limits::CONSOLE_CELL_CHARS_MAX));
        for piece in pieces.take(&entry.payload) {
            self.piece(entry, piece, steps);
        }
        self.pieces = Some(pieces);
    }

    fn piece(&mut self, entry: &ReadEntry, piece: Piece, steps: &mut Vec<Step>) {
        match piece {
            Piece::Columns(columns) => {
                steps.extend(self.answer.take());
                self.columns = columns;
            }
            Piece::Row(row) => {
                if self.answer.as_ref().is_none_or(|a| a.table.is_none()) {
                    steps.extend(self.answer.take());
                    let mut step = self.step(entry, "answer", String::new());
                    step.table = Some(Table {
                        columns: self.columns.clone(),
                        ..Table::default()
                    });
                    self.answer = Some(step);
                }
                let Some(table) = self.answer.as_mut().and_then(|a| a.table.as_mut()) else {
                    return;
                };
                // Rows of a statement that was described before this session's record shows it.
                while table.columns.len() < row.len() {
                    table
                        .columns
                        .push(format!("column {}", table.columns.len() + 1));
                }
                match table.rows.len() < limits::CONSOLE_ROWS_MAX {
                    true => table.rows.push(row),
                    false => table.more += 1,
                }
            }
            Piece::Done(tag) => {
                let mut step = match self.answer.take() {
                    Some(answer) => answer,
                    None => self.step(entry, "answer", String::new()),
                };
                step.head = tag;
                steps.push(step);
            }
            Piece::Copied(bytes) => {
                let head = format!("{bytes} bytes copied");
                if self.answer.as_ref().is_none_or(|a| a.table.is_some()) {
                    steps.extend(self.answer.take());
                    self.answer = Some(self.step(entry, "answer", head));
                }
            }
            other => {
                steps.extend(self.answer.take());
                steps.push(self.remark(entry, other));
            }
        }
    }

    fn remark(&mut self, entry: &ReadEntry, piece: Piece) -> Step {
        match piece {
            Piece::Said {
                error,
                code,
                message,
                detail,
                hint,
            } => {
                let kind = if error { "error" } else { "notice" };
                let mut step = self.step(entry, kind, format!("{code}: {message}"));
                step.facts
                    .extend(detail.map(|text| Fact::new("Detail", text)));
                step.facts.extend(hint.map(|text| Fact::new("Hint", text)));
                step
            }
            Piece::Notified(channel, payload) => {
                self.step(entry, "notification", format!("{channel}: {payload}"))
            }
            Piece::Unframed(text) => self.step(entry, "bytes", text),
            Piece::Columns(_) | Piece::Row(_) | Piece::Done(_) | Piece::Copied(_) => {
                self.step(entry, "answer", String::new())
            }
        }
    }
}

/// What a cluster was asked for, where it was.
fn called(json: &Value) -> Option<Fact> {
    let request = json.get("request").and_then(Value::as_str)?;
    call::words(request).map(|words| Fact::new("Asked for", words))
}

/// A text of several lines.
fn block(text: &str) -> String {
    let mut text = escape_for_people(text.trim_end());
    cut(&mut text);
    text
}

/// Cuts a text to what a page holds, and says so.
fn cut(text: &mut String) {
    let most = limits::CONSOLE_TEXT_BYTES_MAX;
    if text.len() > most {
        let end = text.floor_char_boundary(most);
        let more = text.len() - end;
        text.truncate(end);
        text.push_str(&format!("… (and {more} bytes at least)"));
    }
}

/// A stream in words: `GET /api/v1/pods`, `exec`, `shell, a terminal`.
fn opened(stream: &Value) -> String {
    match stream {
        Value::String(text) => escape_line(text),
        Value::Object(fields) => {
            // What asks over HTTP is known by its first line.
            let line = ["/method", "/path"].map(|at| text(stream, at));
            let line = line
                .iter()
                .all(|word| !word.is_empty())
                .then(|| line.join(" "));
            let told = |name: &str| line.is_some() && matches!(name, "method" | "path");
            let rest = fields.iter().filter(|(name, _)| !told(name));
            let words = rest.filter_map(|(name, value)| match value {
                Value::String(text) => {
                    Some(format!("{}: {}", escape_line(name), escape_line(text)))
                }
                Value::Object(_) if name == "terminal" => Some("a terminal".to_owned()),
                _ => None,
            });
            let words: Vec<_> = line.clone().into_iter().chain(words).collect();
            words.join(", ")
        }
        other => escape_line(&other.to_string()),
    }
}

/// How a stream ended: `exit 0`, `200`, `403 refused`, `KILL`.
fn closed(json: &Value) -> String {
    if let Some(status) = json.get("exit").and_then(Value::as_i64) {
        return format!("exit {status}");
    }
    let code = json.get("status").and_then(Value::as_u64);
    let whole = |end: &String| code.is_some() && end == "whole";
    let words = [
        code.map_or_else(|| text(json, "/status"), |code| code.to_string()),
        text(json, "/reason"),
        text(json, "/signal"),
        Some(text(json, "/end"))
            .filter(|end| !whole(end))
            .unwrap_or_default(),
    ];
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|w| !w.is_empty())
        .collect();
    words.join(" ")
}
