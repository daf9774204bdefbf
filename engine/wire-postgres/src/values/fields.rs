//! The strings of messages that are no rows: an error's detail names the key that was violated, a notice
//! says what RAISE was told, a notification carries eight kilobytes to other sessions, a parameter
//! status shows what `set_config` was given. Refuses strings without their NUL and bytes behind the
//! last one.
//!
//! Severity, SQLSTATE, positions and line numbers are no cells as long as they look like what they are;
//! a code that is no code is a cell like any other string.

use super::apply::Apply;
use super::collect::Collect;
use super::cursor::Cursor;
use super::frames::{broken, only, write};
use super::pass::{Pass, Span, Splice};
use super::shape;
use super::whole;
use bytes::Bytes;
use portcullis_gate::Rewrite;
use portcullis_model::{Batch, BatchKind, Blame, Edits, Fault, RowShape};
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::Arc;

/// A localised severity is one word.
const SEVERITY_BYTES_MAX: usize = 24;
/// Positions and line numbers are 32-bit.
const NUMBER_DIGITS_MAX: usize = 10;

/// The strings of one ErrorResponse, NoticeResponse, NotificationResponse or ParameterStatus frame.
/// Their shapes are fixed: the same `Arc` every time, with serials from
/// [`shape::FIRST_RESERVED_SERIAL`].
///
/// # Errors
/// A `Fault` when the frame is not of that kind or does not fit its lengths.
pub fn fields(kind: BatchKind, frame: Bytes) -> Result<(Batch, Box<dyn Rewrite>), Fault> {
    let (tag, shape) = layout(kind)?;
    let body = only(&frame, tag)?;
    let strings = strings(kind, &frame, body.clone())?;
    let mut collect = Collect::new(frame.clone());
    for string in &strings {
        collect.column(string.column);
        collect.leaf(string.span(&frame), false)?;
    }
    let (text, cells) = collect.finish();
    let batch = Batch {
        kind,
        shape,
        text,
        cells,
        rows: 0,
        wire: frame.clone(),
    };
    let rewrite = StringsRewrite {
        tag,
        frame,
        body,
        strings,
    };
    Ok((batch, Box::new(rewrite)))
}

fn layout(kind: BatchKind) -> Result<(u8, Arc<RowShape>), Fault> {
    Ok(match kind {
        BatchKind::Error => (b'E', shape::ERROR.clone()),
        BatchKind::Notice => (b'N', shape::NOTICE.clone()),
        BatchKind::Notification => (b'A', shape::NOTIFICATION.clone()),
        BatchKind::Parameter => (b'S', shape::PARAMETER.clone()),
        BatchKind::Rows
        | BatchKind::Copy
        | BatchKind::Call
        | BatchKind::Request
        | BatchKind::Stream => {
            let doing = "read the strings of a message that has none";
            return Err(Fault::bare(Blame::Gateway, doing));
        }
    })
}

/// A string that is a cell, without its NUL.
struct Text {
    column: usize,
    range: Range<usize>,
}

impl Text {
    fn span<'a>(&self, frame: &'a [u8]) -> Span<'a> {
        let bytes = frame.get(self.range.clone()).unwrap_or_default();
        Span::received(bytes, self.range.start)
    }
}

type Texts = SmallVec<[Text; 16]>;

fn strings(kind: BatchKind, frame: &[u8], body: Range<usize>) -> Result<Texts, Fault> {
    let start = body.start;
    let misfit = || broken("read the strings of a message");
    let mut cursor = Cursor::new(frame.get(body).ok_or_else(misfit)?);
    let mut texts = Texts::new();
    let complete = match kind {
        BatchKind::Error | BatchKind::Notice => report(&mut cursor, start, &mut texts),
        BatchKind::Notification => cursor
            .i32()
            .and_then(|_pid| pair(&mut cursor, start, &mut texts)),
        _ => pair(&mut cursor, start, &mut texts),
    };
    match complete.is_some() && cursor.is_empty() {
        true => Ok(texts),
        false => Err(misfit()),
    }
}

fn pair(cursor: &mut Cursor<'_>, start: usize, texts: &mut Texts) -> Option<()> {
    for column in 0..2 {
        let (range, _) = string(cursor, start)?;
        texts.push(Text { column, range });
    }
    Some(())
}

/// Code, string, code, string, …, NUL (protocol section 55.8).
fn report(cursor: &mut Cursor<'_>, start: usize, texts: &mut Texts) -> Option<()> {
    loop {
        let code = cursor.u8()?;
        if code == 0 {
            return Some(());
        }
        let (range, text) = string(cursor, start)?;
        if let Some(column) = column(code, text) {
            texts.push(Text { column, range });
        }
    }
}

fn string<'a>(cursor: &mut Cursor<'a>, start: usize) -> Option<(Range<usize>, &'a [u8])> {
    let from = start + cursor.position();
    let text = cursor.cstr()?;
    Some((from..from + text.len(), text))
}

/// The column of a field, `None` when it is a code that can hold no value.
fn column(code: u8, text: &[u8]) -> Option<usize> {
    let harmless = match code {
        b'S' | b'V' => {
            text.len() <= SEVERITY_BYTES_MAX
                && std::str::from_utf8(text).is_ok_and(|t| t.chars().all(char::is_alphabetic))
        }
        b'C' => text.len() == 5 && text.iter().all(u8::is_ascii_alphanumeric),
        b'P' | b'p' | b'L' => {
            text.len() <= NUMBER_DIGITS_MAX && text.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    if harmless {
        return None;
    }
    let name = match code {
        b'M' => "message",
        b'D' => "detail",
        b'H' => "hint",
        b'W' => "context",
        b'q' => "internal_query",
        b's' => "schema",
        b't' => "table",
        b'c' => "column",
        b'd' => "datatype",
        b'n' => "constraint",
        b'F' | b'R' => "source",
        _ => "other",
    };
    shape::REPORT_COLUMNS.iter().position(|c| *c == name)
}

struct StringsRewrite {
    tag: u8,
    frame: Bytes,
    body: Range<usize>,
    strings: Texts,
}

impl Rewrite for StringsRewrite {
    fn code(&self) -> Option<[u8; 5]> {
        let mut rest = match self.tag {
            b'E' | b'N' => self.frame.get(self.body.clone())?,
            _ => return None,
        };
        while let Some((kind, tail)) = rest.split_first() {
            let end = memchr::memchr(0, tail)?;
            if *kind == b'C' {
                let code: [u8; 5] = tail.get(..end)?.try_into().ok()?;
                return code.iter().all(u8::is_ascii_alphanumeric).then_some(code);
            }
            rest = tail.get(end + 1..)?;
        }
        None
    }

    fn rewrite(self: Box<Self>, batch: &Batch, edits: &Edits) -> Result<Bytes, Fault> {
        let mut apply = Apply::new(batch, edits)?;
        let start = self.body.start;
        let body = self.frame.get(self.body.clone()).unwrap_or_default();
        let mut splice = Splice::new(body);
        for string in &self.strings {
            let span = string.span(&self.frame);
            apply.begin(string.column, false);
            let edited = apply.leaf(span, false)?;
            // There is no NULL in a message: the marker stands for it.
            let edited = match apply.end(string.column) {
                Some(mask) if mask.label.contains('\0') => {
                    return Err(super::frames::inexpressible(
                        "express a mask: its label is no text",
                    ));
                }
                Some(mask) => Some(whole::text(span.bytes, &mask, apply.stand_in())),
                None => edited,
            };
            if let Some(text) = edited {
                splice.replace(string.range.start - start..string.range.end - start, &text);
            }
        }
        apply.finish()?;
        match splice.finish() {
            None => Ok(self.frame),
            Some(body) => {
                let mut out = Vec::with_capacity(body.len() + 5);
                write(&mut out, self.tag, &body)?;
                Ok(out.into())
            }
        }
    }
}
