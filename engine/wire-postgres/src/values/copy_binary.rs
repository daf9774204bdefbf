//! COPY's binary format: a signature, flags and an extension; rows of length-prefixed fields; a trailer
//! (SQL COPY, "Binary Format"). Refuses critical flags (rows would begin with something unknown), a row
//! with another number of fields, and anything behind the trailer.

use super::copy::{Progress, Stage, Unit};
use super::cursor::Cursor;
use super::frames::broken;
use super::pass::{Form, Token};
use portcullis_model::Fault;
use portcullis_model::limits::FRAME_BYTES_MAX;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Bits that a reader must not ignore.
const CRITICAL_FLAGS: u32 = 0xffff_0000;
const TRAILER: i16 = -1;

/// Behind the first row, which the signature or the trailer belongs to; `None` while it is unfinished.
pub(super) fn end(
    bytes: &[u8],
    columns: usize,
    progress: &mut Progress,
    stage: &mut Stage,
) -> Result<Option<usize>, Fault> {
    if *stage == Stage::End {
        return Err(broken("end a COPY: there is something behind its trailer"));
    }
    // `at` is how many bytes it takes to get further than last time.
    if bytes.len() < progress.at {
        return Ok(None);
    }
    let mut cursor = Cursor::new(bytes);
    match complete(&mut cursor, columns, stage) {
        Ok(next) => {
            *stage = next;
            Ok(Some(cursor.position()))
        }
        Err(Stop::Missing(bytes)) => {
            progress.at = cursor.position().saturating_add(bytes);
            Ok(None)
        }
        Err(Stop::Broken) => Err(broken("read a row of COPY BINARY")),
    }
}

enum Stop {
    /// So many bytes from where the cursor stands.
    Missing(usize),
    Broken,
}

fn need<'a>(cursor: &mut Cursor<'a>, bytes: usize) -> Result<&'a [u8], Stop> {
    cursor.take(bytes).ok_or(Stop::Missing(bytes))
}

fn number(cursor: &mut Cursor<'_>) -> Result<i32, Stop> {
    cursor.i32().ok_or(Stop::Missing(4))
}

/// A length within what a frame may hold.
fn sized(length: i32) -> Result<usize, Stop> {
    let length = usize::try_from(length).map_err(|_| Stop::Broken)?;
    match length <= FRAME_BYTES_MAX {
        true => Ok(length),
        false => Err(Stop::Broken),
    }
}

fn complete(cursor: &mut Cursor<'_>, columns: usize, stage: &Stage) -> Result<Stage, Stop> {
    if *stage == Stage::Start {
        preamble(cursor)?;
    }
    let count = cursor.i16().ok_or(Stop::Missing(2))?;
    if count == TRAILER {
        return Ok(Stage::End);
    }
    if usize::try_from(count) != Ok(columns) {
        return Err(Stop::Broken);
    }
    for _ in 0..columns {
        match number(cursor)? {
            -1 => {}
            length => {
                need(cursor, sized(length)?)?;
            }
        }
    }
    Ok(Stage::Rows)
}

fn preamble(cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    if need(cursor, SIGNATURE.len())? != SIGNATURE {
        return Err(Stop::Broken);
    }
    let flags = cursor.u32().ok_or(Stop::Missing(4))?;
    if flags & CRITICAL_FLAGS != 0 {
        return Err(Stop::Broken);
    }
    let extension = sized(number(cursor)?)?;
    // No server writes one, and what stands there would be looked at by nobody.
    match extension {
        0 => Ok(()),
        _ => Err(Stop::Broken),
    }
}

/// The fields of the whole row at `start`, what it is and where it ends.
pub(super) fn fields(
    bytes: &[u8],
    start: usize,
    columns: usize,
    stage: &mut Stage,
    tokens: &mut Vec<Token>,
) -> Option<(Unit, usize)> {
    let mut cursor = Cursor::new(bytes);
    cursor.take(start)?;
    if *stage == Stage::Start {
        preamble(&mut cursor).ok()?;
    }
    let count = cursor.i16()?;
    if count == TRAILER {
        *stage = Stage::End;
        return Some((Unit::Trailer, cursor.position()));
    }
    *stage = Stage::Rows;
    for _ in 0..columns {
        let start = cursor.position();
        let form = match cursor.value()? {
            None => Form::Null,
            Some(_) => Form::Bare,
        };
        tokens.push(Token {
            start,
            end: cursor.position(),
            form,
        });
    }
    Some((Unit::Row, cursor.position()))
}
