//! `plugin trace`: a trace from a recorded session, so that what once went through a gateway becomes a fixture; or of SQL,
//! with what the gateway's own parser knows of it. It reads the record and nothing else; what was masked when it was
//! recorded is masked in the trace too.

use crate::cli::{Exit, explain, paint};
use clap::Args;
use portcullis_gate::EntryKind;
use portcullis_model::SessionId;
use portcullis_sdk::testing::trace::Step;
use portcullis_sdk::testing::trace::{Request, Trace, kind_word, stage_word};
use portcullis_sdk::{BatchKind, Column, Protocol, Stage};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A trace to be made.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis plugin trace --session s-… --dir /var/lib/portcullis/journal > fixtures/monday.trace
  portcullis plugin trace --sql 'DELETE FROM orders' >> fixtures/writes.trace

A recorded session holds what people did: look at it before you commit it.")]
pub struct Tracing {
    /// A recorded session
    #[arg(long, requires = "dir", required_unless_present = "sql")]
    session: Option<SessionId>,
    /// The folder of the record that has it
    #[arg(long)]
    dir: Option<PathBuf>,
    /// SQL; may be given several times
    #[arg(long, conflicts_with = "session")]
    sql: Vec<String>,
    /// Print one JSON array instead of a line for each step
    #[arg(long)]
    json: bool,
}

pub(super) fn trace(tracing: &Tracing) -> Result<(), Exit> {
    let steps = match (&tracing.session, &tracing.dir) {
        (Some(session), Some(dir)) => recorded(dir, *session)?.steps,
        _ => tracing
            .sql
            .iter()
            .map(|text| Step::Message(query(text)))
            .collect(),
    };
    let lines: Vec<Value> = steps.iter().flat_map(lines).collect();
    if tracing.json {
        return Ok(paint::json(&lines)?);
    }
    for line in lines {
        paint::say(&line.to_string())?;
    }
    Ok(())
}

fn query(text: &str) -> Request {
    let request = Request {
        protocol: Protocol::Postgres,
        stage: Stage::Query,
        text: text.to_owned(),
        facts: None,
    };
    let facts = facts(&request);
    Request {
        facts: Some(facts),
        ..request
    }
}

/// What the gateway itself knows of a request.
pub(super) fn facts(request: &Request) -> Value {
    match request.protocol {
        Protocol::Postgres => {
            serde_json::to_value(portcullis_sql::facts(&request.text)).unwrap_or_default()
        }
        _ => request.facts(),
    }
}

fn lines(step: &Step) -> Vec<Value> {
    match step {
        Step::Columns(columns) => {
            let column = |c: &Column| match c.type_oid {
                25 => json!(c.name),
                oid => json!({ "name": c.name, "type": oid }),
            };
            vec![json!({ "columns": columns.iter().map(column).collect::<Vec<_>>() })]
        }
        Step::Cells(kind, cells) => {
            let cells: Vec<Value> = cells
                .iter()
                .map(|cell| cell.as_deref().map_or(Value::Null, text))
                .collect();
            vec![json!({ kind_word(*kind): cells })]
        }
        Step::Stream(pieces) => pieces
            .iter()
            .map(|piece| json!({ "stream": text(piece) }))
            .collect(),
        Step::Message(request) => {
            let mut line = json!({ "text": request.text, "stage": stage_word(request.stage) });
            if request.protocol != Protocol::Postgres {
                line["protocol"] = json!(format!("{:?}", request.protocol).to_lowercase());
            }
            if let Some(facts) = &request.facts {
                line["facts"] = facts.clone();
            }
            vec![line]
        }
    }
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "hex": bytes.iter().map(|b| format!("{b:02x}")).collect::<String>() }),
    }
}

/// A recorded session as a trace: requests as they were judged, responses as they were released.
pub(super) fn recorded(dir: &Path, session: SessionId) -> Result<Trace, Exit> {
    let broken = |error: portcullis_journal::Error| {
        Exit::refused(format!("{}: {}", dir.display(), explain(&error)))
    };
    let mut steps = Vec::new();
    for entry in portcullis_journal::entries(dir, session).map_err(broken)? {
        let entry = entry.map_err(broken)?;
        if entry.kind == EntryKind::Release as u8 {
            released(&entry.payload, &mut steps);
        } else if entry.kind == EntryKind::Request as u8 || entry.kind == EntryKind::Refusal as u8 {
            let json: Value = serde_json::from_slice(&entry.payload).unwrap_or_default();
            if let Some(text) = json["request"].as_str() {
                steps.push(Step::Message(query(text)));
            }
        }
    }
    match steps.is_empty() {
        true => Err(Exit::refused_with(
            format!(
                "{} has no session {session}, or it shows nothing",
                dir.display()
            ),
            "`portcullis sessions list --recorded` shows what there is",
        )),
        false => Ok(Trace {
            config: json!({}),
            steps,
        }),
    }
}

/// The frames of one release (PostgreSQL protocol 3, "Message Formats"): rows, COPY data, errors, notices,
/// notifications, parameters. A frame that does not read is left out: a trace is a test, not the record.
fn released(mut wire: &[u8], steps: &mut Vec<Step>) {
    while let Some((tag, body, rest)) = frame(wire) {
        wire = rest;
        match tag {
            b'T' => steps.extend(columns(body).map(Step::Columns)),
            b'D' => steps.extend(row(body).map(|cells| Step::Cells(BatchKind::Rows, cells))),
            b'd' => steps.push(Step::Cells(BatchKind::Copy, fields(body))),
            b'E' => steps.push(Step::Cells(BatchKind::Error, coded(body))),
            b'N' => steps.push(Step::Cells(BatchKind::Notice, coded(body))),
            b'A' => steps.push(Step::Cells(
                BatchKind::Notification,
                strings(body.get(4..).unwrap_or_default()),
            )),
            b'S' => steps.push(Step::Cells(
                BatchKind::Parameter,
                strings(body).split_off(1),
            )),
            _ => {}
        }
    }
}

/// Tag, body and what follows.
fn frame(wire: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = wire.split_first()?;
    let len = usize::try_from(u32::from_be_bytes(*rest.first_chunk::<4>()?)).ok()?;
    Some((*tag, rest.get(4..len)?, rest.get(len..)?))
}

fn columns(body: &[u8]) -> Option<Vec<Column>> {
    let (_, mut rest) = body.split_first_chunk::<2>()?;
    let mut columns = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == 0)?;
        // Table OID, attnum, type OID, size, modifier, format.
        let facts = rest.get(end + 1..end + 19)?;
        columns.push(Column {
            name: String::from_utf8_lossy(&rest[..end]).into_owned(),
            type_oid: u32::from_be_bytes(*facts.get(6..)?.first_chunk::<4>()?),
            ..Column::default()
        });
        rest = &rest[end + 19..];
    }
    Some(columns)
}

fn row(body: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let (_, mut rest) = body.split_first_chunk::<2>()?;
    let mut cells = Vec::new();
    while let Some((len, after)) = rest.split_first_chunk::<4>() {
        let Ok(len) = usize::try_from(i32::from_be_bytes(*len)) else {
            cells.push(None);
            rest = after;
            continue;
        };
        let (cell, after) = after.split_at_checked(len)?;
        cells.push(Some(cell.to_vec()));
        rest = after;
    }
    Some(cells)
}

/// A line of COPY in text format.
fn fields(body: &[u8]) -> Vec<Option<Vec<u8>>> {
    let line = body.strip_suffix(b"\n").unwrap_or(body);
    let field = |f: &[u8]| (f != b"\\N").then(|| f.to_vec());
    line.split(|b| *b == b'\t').map(field).collect()
}

/// The strings of an error or notice, without the letters in front of them.
fn coded(body: &[u8]) -> Vec<Option<Vec<u8>>> {
    let fields = body.split(|b| *b == 0).filter(|field| field.len() > 1);
    fields.map(|field| Some(field[1..].to_vec())).collect()
}

fn strings(body: &[u8]) -> Vec<Option<Vec<u8>>> {
    let body = body.strip_suffix(&[0]).unwrap_or(body);
    body.split(|b| *b == 0).map(|s| Some(s.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
        [&[tag], &len[..], body].concat()
    }

    #[test]
    fn released_frames_become_a_trace_that_reads_back() {
        let mut description = b"\0\x01badge\0".to_vec();
        description.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 4, 0, 0, 0, 0, 0, 0]);
        let wire = [
            message(b'T', &description),
            message(b'D', b"\0\x02\0\0\0\x03B-1\xff\xff\xff\xff"),
            message(b'd', b"a\t\\N\n"),
            message(b'E', b"SERROR\0C42601\0Mno\0\0"),
            message(b'S', b"TimeZone\0UTC\0"),
            message(b'Z', b"I"),
        ]
        .concat();
        let mut steps = Vec::new();
        released(&wire, &mut steps);
        let text: String = steps
            .iter()
            .flat_map(lines)
            .map(|line| format!("{line}\n"))
            .collect();
        let expected = "{\"columns\":[{\"name\":\"badge\",\"type\":23}]}\n{\"row\":[\"B-1\",null]}\n{\"copy\":[\"a\",null]}\n\
                        {\"error\":[\"ERROR\",\"42601\",\"no\"]}\n{\"parameter\":[\"UTC\"]}\n";
        assert_eq!(text, expected);
        assert_eq!(Trace::parse(&text).expect("it reads back").steps, steps);
        // Cut anywhere, it neither panics nor invents.
        for cut in 0..wire.len() {
            released(&wire[..cut], &mut Vec::new());
        }
    }

    #[test]
    fn sql_comes_with_what_the_gateway_knows() {
        let line = lines(&Step::Message(query("DELETE FROM orders"))).remove(0);
        assert_eq!(line["facts"]["statements"][0]["verb"], "DELETE");
        assert!(Trace::parse(&line.to_string()).is_ok());
    }
}
