//! A PostgreSQL session as a script: statements that ran stand as such, in order; everything else stands in comments: who,
//! when, by which rule, how many rows, and what was refused. Values that were bound stand in a comment too: where they
//! belong in the statement only the server knows.
//!
//! Refuses to let a refused statement run when the script does, and a comment to end early.

use super::{is, json, string};
use crate::error::Error;
use crate::read::ReadEntry;
use portcullis_gate::EntryKind;
use portcullis_model::{Timestamp, escape_for_people, escape_line};
use serde_json::Value;
use std::io::{self, Write};

/// Writes the entries of one session as a script.
///
/// # Errors
/// [`Error::WriteReplay`], and what reading the entries says.
pub fn export_sql(
    entries: impl Iterator<Item = Result<ReadEntry, Error>>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    for entry in entries {
        let entry = entry?;
        write(&entry, out).map_err(Error::WriteReplay)?;
    }
    Ok(())
}

fn write(entry: &ReadEntry, out: &mut dyn Write) -> io::Result<()> {
    if entry.withheld.is_some() {
        return remark(out, entry.at, "a payload that cannot be read here");
    }
    if is(entry, EntryKind::Release) {
        return results(entry, out);
    }
    let json = json(entry);
    if is(entry, EntryKind::Admit) {
        let line = format!(
            "session {} of {} ({}) on {} as {}",
            entry.session,
            string(&json, "/session/identity/name"),
            string(&json, "/session/identity/principal/issuer"),
            string(&json, "/session/target/name"),
            string(&json, "/session/login"),
        );
        remark(out, entry.at, &line)
    } else if is(entry, EntryKind::Request) {
        request(entry, &json, out)
    } else if is(entry, EntryKind::Refusal) {
        let denial = format!(
            "refused by {}: {}",
            string(&json, "/denial/rule"),
            string(&json, "/denial/reason")
        );
        remark(out, entry.at, &denial)?;
        commented(string(&json, "/request"), out)
    } else if is(entry, EntryKind::Hold) {
        remark(out, entry.at, &format!("held as {}", string(&json, "/id")))?;
        commented(string(&json, "/request"), out)
    } else if is(entry, EntryKind::Resolve) {
        remark(
            out,
            entry.at,
            &format!("answered: {}", string(&json, "/outcome")),
        )
    } else if is(entry, EntryKind::End) {
        remark(out, entry.at, &format!("end: {}", string(&json, "/reason")))
    } else {
        Ok(())
    }
}

/// Only what runs at once or was executed: a statement that was parsed alone did nothing.
fn request(entry: &ReadEntry, json: &Value, out: &mut dyn Write) -> io::Result<()> {
    let text = string(json, "/request");
    match string(json, "/stage") {
        "parse" | "bind" => {
            remark(out, entry.at, &format!("{} of", string(json, "/stage")))?;
            commented(text, out)
        }
        _ if text.is_empty() => Ok(()),
        _ if takes_rows(text) => {
            remark(out, entry.at, "ran, with rows that are not in this script")?;
            commented(text, out)
        }
        _ => {
            remark(out, entry.at, "ran")?;
            // On a line of its own: behind `--` a semicolon is a comment too, and so may be the last one of the text.
            writeln!(out, "{}\n;", escape_for_people(text.trim_end()))
        }
    }
}

/// True for what may be `COPY … FROM STDIN`: a program that runs the script would take the rest of it for rows.
fn takes_rows(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut met = |wanted: &str| words.any(|word| word.eq_ignore_ascii_case(wanted));
    met("copy") && met("from") && met("stdin")
}

/// CommandComplete and ErrorResponse of the frames released.
fn results(entry: &ReadEntry, out: &mut dyn Write) -> io::Result<()> {
    let mut rest = entry.payload.as_ref();
    while let Some((head, body)) = rest.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some((body, next)) = length
            .checked_sub(4)
            .and_then(|length| body.split_at_checked(length))
        else {
            break;
        };
        match head[0] {
            b'C' => {
                let text = String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(body));
                remark(out, entry.at, &text)?;
            }
            b'E' => {
                let fields = body.split(|b| *b == 0);
                let message = fields.filter(|f| f.starts_with(b"M")).map(|f| &f[1..]);
                let message = message.map(String::from_utf8_lossy).next();
                remark(
                    out,
                    entry.at,
                    &format!("error: {}", message.unwrap_or_default()),
                )?;
            }
            _ => {}
        }
        rest = next;
    }
    Ok(())
}

fn remark(out: &mut dyn Write, at: Timestamp, text: &str) -> io::Result<()> {
    writeln!(out, "-- {} {}", at.rfc3339(), escape_line(text))
}

fn commented(text: &str, out: &mut dyn Write) -> io::Result<()> {
    // A carriage return ends a comment for the server as well.
    for line in escape_for_people(text.trim_end()).split(['\n', '\r']) {
        writeln!(out, "-- | {line}")?;
    }
    Ok(())
}
