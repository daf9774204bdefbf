//! A session for people to read, and for programs to load. Refuses to let a byte of the recording act on
//! the reader's terminal: everything foreign is escaped.

mod film;
mod pieces;
mod postgres;
mod table;

pub use film::Film;
pub use pieces::{Piece, Pieces};

use crate::error::Error;
use crate::frame::kind_name;
use crate::payloads::Withheld;
use crate::read::ReadEntry;
use portcullis_gate::EntryKind;
use portcullis_model::{Timestamp, escape_for_people, escape_line};
use serde_json::{Value, json};
use std::io::{self, Write};

/// How much is shown.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Rows shown of each result; the rest is counted.
    pub rows_max: usize,
    /// Characters shown of each cell; the rest is counted.
    pub cell_max: usize,
    /// Also shows what the gateway said on its own (`House`) and control messages.
    pub verbose: bool,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self {
            rows_max: 50,
            cell_max: 80,
            verbose: false,
        }
    }
}

/// Writes the entries of one session as text: when, who, statement, verdict and rule, holds and votes,
/// results as tables, denials.
///
/// # Errors
/// [`Error::WriteReplay`], and what reading the entries says.
pub fn replay_text(
    entries: impl Iterator<Item = Result<ReadEntry, Error>>,
    options: &ReplayOptions,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut replay = Replay::new(options, out);
    for entry in entries {
        replay.entry(&entry?).map_err(Error::WriteReplay)?;
    }
    replay.results.flush(replay.out).map_err(Error::WriteReplay)
}

/// Writes entries as JSON lines: `{"session","seq","at","stream","kind","payload"}`. A payload that is JSON stands
/// as such, frames stand as `{"base64": …}`.
///
/// # Errors
/// [`Error::WriteReplay`], and what reading the entries says.
pub fn replay_jsonl(
    entries: impl Iterator<Item = Result<ReadEntry, Error>>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    for entry in entries {
        let entry = entry?;
        let frames = [
            EntryKind::Release as u8,
            EntryKind::Upload as u8,
            EntryKind::Diagnostic as u8,
        ]
        .contains(&entry.kind);
        let payload = match entry.withheld {
            Some(Withheld::Sealed) => json!({"withheld": "sealed"}),
            Some(Withheld::Shredded) => json!({"withheld": "shredded"}),
            None => match serde_json::from_slice::<Value>(&entry.payload) {
                Ok(value) if !frames => value,
                _ => json!({"base64": BASE64_STANDARD.encode(&entry.payload)}),
            },
        };
        let line = json!({
            "session": entry.session, "seq": entry.sequence, "at": entry.at.rfc3339(),
            "stream": entry.stream.0, "kind": kind_name(entry.kind), "payload": payload,
        });
        writeln!(out, "{}", ascii_json(&line)).map_err(Error::WriteReplay)?;
    }
    Ok(())
}

/// JSON in which everything but ASCII is escaped: safe on a terminal, the same for a parser.
fn ascii_json(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

struct Replay<'a> {
    options: &'a ReplayOptions,
    out: &'a mut dyn Write,
    results: postgres::Results,
    /// The protocol of the target, from the Admit entry.
    postgres: bool,
}

impl<'a> Replay<'a> {
    fn new(options: &'a ReplayOptions, out: &'a mut dyn Write) -> Self {
        Self {
            options,
            out,
            results: postgres::Results::new(options.rows_max, options.cell_max),
            postgres: true,
        }
    }

    fn entry(&mut self, entry: &ReadEntry) -> io::Result<()> {
        if let Some(why) = entry.withheld {
            return self.withheld(entry, why);
        }
        if entry.kind == EntryKind::Release as u8 {
            return self.release(entry);
        }
        if entry.kind == EntryKind::Diagnostic as u8 {
            return self.received(entry, "STDERR");
        }
        // What was masked is told before the rows it stands in: the rows go on.
        if entry.kind != EntryKind::Masked as u8 {
            self.results.flush(self.out)?;
        }
        if entry.kind == EntryKind::Upload as u8 {
            return self.line(
                entry.at,
                "UPLOAD",
                &format!("{} bytes", entry.payload.len()),
            );
        }
        let json: Value = serde_json::from_slice(&entry.payload).unwrap_or_default();
        match entry.kind {
            kind if kind == EntryKind::Admit as u8 => self.admit(entry.at, &json),
            kind if kind == EntryKind::Decision as u8 => self.decision(entry.at, &json),
            kind if kind == EntryKind::Request as u8 => self.request(entry.at, &json),
            kind if kind == EntryKind::Refusal as u8 => self.refusal(entry.at, &json),
            kind if kind == EntryKind::Hold as u8 => self.hold(entry.at, &json),
            kind if kind == EntryKind::Resolve as u8 => self.resolve(entry.at, &json),
            kind if kind == EntryKind::Masked as u8 => self.masked(entry.at, &json),
            kind if kind == EntryKind::End as u8 => self.end(entry.at, &json),
            kind if kind == EntryKind::House as u8 => {
                if !self.options.verbose {
                    return Ok(());
                }
                self.line(entry.at, "GATEWAY", &text(&json, "/house"))
            }
            kind => {
                let label = kind_name(kind).to_uppercase();
                self.line(entry.at, &label, &escape_line(&json.to_string()))
            }
        }
    }

    fn withheld(&mut self, entry: &ReadEntry, why: Withheld) -> io::Result<()> {
        self.results.flush(self.out)?;
        let label = kind_name(entry.kind).to_uppercase();
        let why = match why {
            Withheld::Sealed => "encrypted, and no key for it here",
            Withheld::Shredded => "shredded",
        };
        self.line(entry.at, &label, why)
    }

    fn admit(&mut self, at: Timestamp, json: &Value) -> io::Result<()> {
        let session = json.get("session").unwrap_or(json);
        self.postgres = matches!(text(session, "/target/protocol").as_str(), "postgres" | "");
        let who = format!(
            "{} ({}) at {}",
            text(session, "/identity/name"),
            text(session, "/identity/kind"),
            text(session, "/identity/principal/issuer"),
        );
        self.line(at, "ADMIT", &who)?;
        for actor in session
            .pointer("/identity/actors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.more(&format!(
                "through {} at {}",
                text(actor, "/subject"),
                text(actor, "/issuer")
            ))?;
        }
        self.more(&format!(
            "to {} as {} from {} ({})",
            text(session, "/target/name"),
            text(session, "/login"),
            text(session, "/client/address"),
            text(session, "/client/program"),
        ))?;
        match session.get("reason").and_then(Value::as_str) {
            Some(reason) => self.more(&format!("because: {}", escape_line(reason))),
            None => Ok(()),
        }
    }

    fn decision(&mut self, at: Timestamp, json: &Value) -> io::Result<()> {
        let verdict = text(json, "/verdict").to_uppercase();
        let mut line = match text(json, "/rule") {
            rule if rule.is_empty() => format!("at {}", text(json, "/stage")),
            rule => format!("by {rule} at {}", text(json, "/stage")),
        };
        let effect = text(json, "/class/effect");
        if !effect.is_empty() {
            line.push_str(&format!("; {effect}, risk {}", text(json, "/class/risk")));
        }
        self.line(at, &verdict, &line)?;
        for reason in json["reasons"].as_array().into_iter().flatten() {
            self.more(&format!(
                "{}: {}",
                text(reason, "/rule"),
                text(reason, "/msg")
            ))?;
        }
        if let Some(id) = json.pointer("/approval/id").and_then(Value::as_str) {
            let by = people(&json["approval"]["by"]);
            self.more(&format!("approved under {} by {by}", escape_line(id)))?;
        }
        Ok(())
    }

    fn request(&mut self, at: Timestamp, json: &Value) -> io::Result<()> {
        match json.get("request").and_then(Value::as_str) {
            Some(request) => self.block(at, "SENT", request),
            None if self.options.verbose => self.line(at, "SENT", &text(json, "/control")),
            None => Ok(()),
        }
    }

    fn refusal(&mut self, at: Timestamp, json: &Value) -> io::Result<()> {
        let denial = &json["denial"];
        self.line(
            at,
            "REFUSED",
            &format!("{}: {}", text(denial, "/rule"), text(denial, "/reason")),
        )?;
        if let Some(hint) = denial["hint"].as_str() {
            self.more(&format!("hint: {}", escape_line(hint)))?;
        }
        match json.get("request").and_then(Value::as_str) {
            Some(request) => self.indented(request),
            None => Ok(()),
        }
    }

    fn hold(&mut self, at: Timestamp, json: &Value) -> io::Result<()> {
        self.line(at, "HELD", &format!("{} for approval", text(json, "/id")))?;
        for wanted in json["requirements"].as_array().into_iter().flatten() {
            let groups: Vec<_> = wanted["approver_groups"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(escape_line)
                .collect();
            self.more(&format!(
                "{}: {} of [{}]: {}",
                text(wanted, "/rule"),
                number(wanted, "approvers"),
                groups.join(", "),
                text(wanted, "/msg"),
            ))?;
        }
        match json.get("request").and_then(Value::as_str) {
            Some(request) => self.indented(request),
            None => Ok(()),
        }
    }

    fn resolve(&mut self, at: Timestamp, json: &Value) -> io::Result<()> {
        let by = people(&json["by"]);
        let line = match by.is_empty() {
            true => text(json, "/outcome"),
            false => format!("{} by {by}", text(json, "/outcome")),
        };
        self.line(at, "ANSWER", &line)
    }

    fn masked(&mut self, at: Timestamp, json: &Value) -> io::Result<()> {
        let mut parts = Vec::new();
        for (label, count) in json["edits"].as_object().into_iter().flatten() {
            let count = escape_line(&count.to_string());
            parts.push(format!("{count} x {}", escape_line(label)));
        }
        for column in json["columns"].as_array().into_iter().flatten() {
            parts.push(format!(
                "column {} ({})",
                text(column, "/column"),
                text(column, "/tag")
            ));
        }
        // The rows before belong to an answer that is still coming.
        self.results
            .remark(&format!("{} masked: {}", at.rfc3339(), parts.join(", ")));
        Ok(())
    }

    fn end(&mut self, at: Timestamp, json: &Value) -> io::Result<()> {
        self.line(at, "END", &text(json, "/reason"))?;
        match json.get("commands").is_some() {
            true => self.more(&format!(
                "{} commands, {} refused, {} rows, {} bytes",
                number(json, "commands"),
                number(json, "denied"),
                number(json, "rows"),
                number(json, "bytes"),
            )),
            false => Ok(()),
        }
    }

    fn release(&mut self, entry: &ReadEntry) -> io::Result<()> {
        match self.postgres {
            true => self.results.feed(&entry.payload, self.out),
            false => self.received(entry, "RECEIVED"),
        }
    }

    fn received(&mut self, entry: &ReadEntry, label: &str) -> io::Result<()> {
        self.block(entry.at, label, &String::from_utf8_lossy(&entry.payload))
    }

    fn line(&mut self, at: Timestamp, label: &str, text: &str) -> io::Result<()> {
        writeln!(self.out, "{} {label:<8} {text}", at.rfc3339())
    }

    fn more(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{:33} {text}", "")
    }

    fn block(&mut self, at: Timestamp, label: &str, text: &str) -> io::Result<()> {
        match text.trim_end().contains('\n') {
            false => self.line(at, label, &escape_line(text.trim_end())),
            true => {
                self.line(at, label, "")?;
                self.indented(text)
            }
        }
    }

    fn indented(&mut self, text: &str) -> io::Result<()> {
        for line in escape_for_people(text.trim_end()).lines() {
            writeln!(self.out, "    | {line}")?;
        }
        Ok(())
    }
}

/// A string of a payload, escaped; empty when it is not there.
fn text(json: &Value, pointer: &str) -> String {
    escape_line(
        json.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default(),
    )
}

/// A count of a payload; whatever else stands there is escaped.
fn number(json: &Value, name: &str) -> String {
    escape_line(&json.get(name).unwrap_or(&Value::Null).to_string())
}

fn people(by: &Value) -> String {
    let names: Vec<_> = by
        .as_array()
        .into_iter()
        .flatten()
        .map(|who| format!("{} at {}", text(who, "/subject"), text(who, "/issuer")))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
