//! Frames: a tag, a length, a body. Everything is strict: a length below four, above the bound of its
//! type, or an unknown tag ends the connection, because a relay that guesses where a message ends can be
//! made to smuggle one (CVE-2024-27304 and its kin). Bodies are read by [`Fields`], which refuses to
//! leave bytes over.

use bytes::{Bytes, BytesMut};
use portcullis_model::limits::FRAME_BYTES_MAX;
use portcullis_model::{Blame, Fault, Side};

/// PostgreSQL `PQ_SMALL_MESSAGE_LIMIT` (src/include/libpq/libpq.h): messages without payload.
const SMALL_BYTES_MAX: usize = 10_000;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A tag that the protocol does not know in this direction.
    #[error("unknown message type")]
    Tag,
    /// A length below four or above the bound of its type.
    #[error("invalid message length")]
    Length,
    /// A body that ends too early or too late.
    #[error("invalid message format")]
    Body,
    /// A string that is not UTF-8.
    #[error("invalid byte sequence for encoding \"UTF8\"")]
    Encoding,
    /// A message that may not come now.
    #[error("unexpected message")]
    Unexpected,
    /// More messages, names or bytes than are remembered.
    #[error("too many messages in flight")]
    TooMany,
}

impl Malformed {
    /// As a fault of whoever sent it.
    #[must_use]
    pub fn by(self, side: Side) -> Fault {
        match side {
            Side::Client => Fault::new(Blame::Client, "keep to the protocol", self),
            Side::Upstream => Fault::new(Blame::Upstream, "keep to the protocol", self),
        }
    }
}

/// The largest length field of this type in this direction; `None` for an unknown type.
fn bound(side: Side, tag: u8) -> Option<usize> {
    match (side, tag) {
        (Side::Client, b'Q' | b'P' | b'B' | b'F' | b'd') => Some(FRAME_BYTES_MAX),
        (Side::Client, b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f') => {
            Some(SMALL_BYTES_MAX)
        }
        (
            Side::Upstream,
            b'D' | b'd' | b'T' | b't' | b'E' | b'N' | b'A' | b'V' | b'G' | b'H' | b'W',
        ) => Some(FRAME_BYTES_MAX),
        (Side::Upstream, b'1' | b'2' | b'3' | b'n' | b's' | b'I' | b'c') => Some(4),
        (Side::Upstream, b'Z') => Some(5),
        (Side::Upstream, b'C' | b'S' | b'K' | b'R' | b'v') => Some(SMALL_BYTES_MAX * 7),
        _ => None,
    }
}

/// Where the frame at the start of `bytes` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// It is complete: its tag and its whole length.
    Whole(u8, usize),
    /// So many bytes are missing; at least one.
    Missing(usize),
}

/// Looks at the frame at the start of `bytes`.
///
/// # Errors
/// When no message begins like this.
pub fn head(side: Side, bytes: &[u8]) -> Result<Head, Malformed> {
    let Some((tag, rest)) = bytes.split_first() else {
        return Ok(Head::Missing(5));
    };
    let bound = bound(side, *tag).ok_or(Malformed::Tag)?;
    let Some((length, _)) = rest.split_first_chunk::<4>() else {
        return Ok(Head::Missing(5 - bytes.len()));
    };
    let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| Malformed::Length)?;
    if length < 4 || length > bound {
        return Err(Malformed::Length);
    }
    let whole = length + 1;
    Ok(match bytes.len() >= whole {
        true => Head::Whole(*tag, whole),
        false => Head::Missing(whole - bytes.len()),
    })
}

/// Takes the frame at the start of the buffer, if it is whole.
///
/// # Errors
/// When no message begins like this.
pub fn take(side: Side, buffer: &mut BytesMut) -> Result<Option<(u8, Bytes)>, Malformed> {
    Ok(match head(side, buffer)? {
        Head::Whole(tag, length) => Some((tag, buffer.split_to(length).freeze())),
        Head::Missing(_) => None,
    })
}

/// Takes all whole frames at the start of the buffer as one piece, and says how many bytes the next one
/// still needs. Frames behind a malformed one are not taken; the malformed one is found next time.
///
/// # Errors
/// When the buffer begins with something that is no message.
pub fn take_all(side: Side, buffer: &mut BytesMut) -> Result<(Bytes, usize), Malformed> {
    let mut whole = 0;
    loop {
        match head(side, buffer.get(whole..).unwrap_or_default()) {
            Ok(Head::Whole(_, length)) => whole += length,
            Ok(Head::Missing(more)) => return Ok((buffer.split_to(whole).freeze(), more)),
            Err(malformed) if whole == 0 => return Err(malformed),
            Err(_) => return Ok((buffer.split_to(whole).freeze(), 0)),
        }
    }
}

/// The body of a whole frame.
#[must_use]
pub fn body(frame: &[u8]) -> &[u8] {
    frame.get(5..).unwrap_or_default()
}

/// Reads a body from front to back.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Over this body.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// So many bytes.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed::Body)?;
        self.0 = rest;
        Ok(taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed::Body)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Int16.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn int16(&mut self) -> Result<i16, Malformed> {
        let (taken, rest) = self.0.split_first_chunk::<2>().ok_or(Malformed::Body)?;
        self.0 = rest;
        Ok(i16::from_be_bytes(*taken))
    }

    /// Int32.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn int32(&mut self) -> Result<i32, Malformed> {
        let (taken, rest) = self.0.split_first_chunk::<4>().ok_or(Malformed::Body)?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*taken))
    }

    /// A count that must not be negative.
    ///
    /// # Errors
    /// When it is.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.int16()?).map_err(|_| Malformed::Body)
    }

    /// A NUL-terminated string in UTF-8.
    ///
    /// # Errors
    /// When the NUL is missing, or it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let end = memchr::memchr(0, self.0).ok_or(Malformed::Body)?;
        let text = self.bytes(end)?;
        self.byte()?;
        std::str::from_utf8(text).map_err(|_| Malformed::Encoding)
    }

    /// What is left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// When something is.
    pub fn end(self) -> Result<(), Malformed> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Malformed::Body),
        }
    }
}

/// Writes one frame; the length is filled in.
#[must_use]
pub fn build(tag: u8, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut frame = vec![tag, 0, 0, 0, 0];
    write(&mut frame);
    let length = u32::try_from(frame.len() - 1).unwrap_or(u32::MAX);
    if let Some(field) = frame.get_mut(1..5) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    frame.into()
}

#[cfg(test)]
mod tests;
