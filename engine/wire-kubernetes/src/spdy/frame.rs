//! Frames of SPDY/3.1 (draft 3.1, section 2), read from either side and written for the other one. Bytes of streams are
//! handed on as they come: nothing of a frame is waited for but its head.
//!
//! Refuses other versions and types, reserved flags and bits, lengths that a frame cannot have, control frames beyond
//! [`limits::SPDY_CONTROL_BYTES_MAX`], and stream 0.

use super::block::{Headers, Inflater, Writer};
use bytes::{Buf as _, Bytes, BytesMut};
use portcullis_model::{Blame, Fault, limits};

/// Bytes of a head.
const HEAD: usize = 8;
const FIN: u8 = 1;
/// The longest piece of a stream that one frame of ours carries.
const PIECE: usize = 64 * 1024;

/// A frame, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// SYN_STREAM.
    Open {
        /// Its number.
        stream: u32,
        /// Nothing else comes from whoever opened it.
        fin: bool,
        /// What it is for.
        headers: Headers,
    },
    /// SYN_REPLY.
    Reply {
        /// Its number.
        stream: u32,
        /// Nothing else comes.
        fin: bool,
    },
    /// RST_STREAM.
    Reset {
        /// Its number.
        stream: u32,
        /// Why.
        status: u32,
    },
    /// PING.
    Ping(u32),
    /// GOAWAY.
    GoAway {
        /// The last stream that was taken.
        last: u32,
        /// Why.
        status: u32,
    },
    /// HEADERS: they mean nothing in any protocol here.
    Headers {
        /// Its number.
        stream: u32,
        /// Nothing else comes.
        fin: bool,
    },
    /// SETTINGS and WINDOW_UPDATE, which nobody here follows.
    Nothing,
    /// Bytes of a stream: those of a frame, or a part of them.
    Data {
        /// Its number.
        stream: u32,
        /// Nothing else comes.
        fin: bool,
        /// The bytes.
        bytes: Bytes,
    },
}

/// Frames from one side.
pub struct Reader {
    blame: Blame,
    buffer: BytesMut,
    inflater: Inflater,
    /// A frame of bytes that has not come to its end: stream, end, how many are missing.
    open: Option<(u32, bool, usize)>,
}

impl Reader {
    /// At the beginning. `blame`: who sends them.
    #[must_use]
    pub fn new(blame: Blame) -> Self {
        Self {
            blame,
            buffer: BytesMut::new(),
            inflater: Inflater::new(),
            open: None,
        }
    }

    /// More bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, `None` when more bytes are needed.
    ///
    /// # Errors
    /// When it is none.
    pub fn next(&mut self) -> Result<Option<Frame>, Fault> {
        if let Some((stream, fin, missing)) = self.open.take() {
            return Ok(self.piece(stream, fin, missing));
        }
        let Some(&[first, second, third, fourth, flags, a, b, c]) =
            self.buffer.first_chunk::<HEAD>()
        else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if first & 0x80 == 0 {
            let stream = u32::from_be_bytes([first, second, third, fourth]);
            if stream == 0 || flags & !FIN != 0 {
                return Err(self.broken());
            }
            self.buffer.advance(HEAD);
            if length == 0 {
                let bytes = Bytes::new();
                return Ok(Some(Frame::Data {
                    stream,
                    fin: flags == FIN,
                    bytes,
                }));
            }
            return Ok(self.piece(stream, flags == FIN, length));
        }
        if (first, second) != (0x80, 3) || length > limits::SPDY_CONTROL_BYTES_MAX {
            return Err(self.broken());
        }
        if self.buffer.len() < HEAD + length {
            return Ok(None);
        }
        self.buffer.advance(HEAD);
        let body = self.buffer.split_to(length).freeze();
        let kind = u16::from_be_bytes([third, fourth]);
        match self.control(kind, flags, &body) {
            Some(frame) => Ok(Some(frame)),
            None => Err(self.broken()),
        }
    }

    /// The bytes of a frame that are there.
    fn piece(&mut self, stream: u32, fin: bool, missing: usize) -> Option<Frame> {
        let here = missing.min(self.buffer.len());
        if here == 0 {
            self.open = Some((stream, fin, missing));
            return None;
        }
        let bytes = self.buffer.split_to(here).freeze();
        if here < missing {
            self.open = Some((stream, fin, missing - here));
        }
        Some(Frame::Data {
            stream,
            fin: fin && here == missing,
            bytes,
        })
    }

    fn control(&mut self, kind: u16, flags: u8, body: &[u8]) -> Option<Frame> {
        let fin = flags == FIN;
        match kind {
            1 if flags & !FIN == 0 => {
                let (stream, rest) = number(body)?;
                let (associated, rest) = number(rest)?;
                // Priority and credential slot: of no meaning here.
                let block = rest.get(2..)?;
                let headers = self.inflater.read(block)?;
                (stream != 0 && associated == 0).then_some(Frame::Open {
                    stream,
                    fin,
                    headers,
                })
            }
            2 | 8 if flags & !FIN == 0 => {
                let (stream, block) = number(body)?;
                // They have to be inflated for the next block's sake.
                self.inflater.read(block)?;
                (stream != 0).then_some(match kind {
                    2 => Frame::Reply { stream, fin },
                    _ => Frame::Headers { stream, fin },
                })
            }
            3 => match pair(flags, body)? {
                (0, _) | (_, 0) => None,
                (stream, status) => Some(Frame::Reset { stream, status }),
            },
            4 if flags & !FIN == 0 => {
                let (count, rest) = body.split_first_chunk::<4>()?;
                let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
                (count.checked_mul(8)? == rest.len()).then_some(Frame::Nothing)
            }
            6 if flags == 0 => match <[u8; 4]>::try_from(body).map(u32::from_be_bytes) {
                Ok(0) | Err(_) => None,
                Ok(id) => Some(Frame::Ping(id)),
            },
            7 => pair(flags, body).map(|(last, status)| Frame::GoAway { last, status }),
            9 => match pair(flags, body)? {
                (_, delta) if (1..=0x7fff_ffff).contains(&delta) => Some(Frame::Nothing),
                _ => None,
            },
            _ => None,
        }
    }

    fn broken(&self) -> Fault {
        Fault::bare(self.blame, "speak SPDY")
    }
}

/// A stream's number: 31 bits.
fn number(body: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = body.split_first_chunk::<4>()?;
    let number = u32::from_be_bytes(*digits);
    (number <= 0x7fff_ffff).then_some((number, rest))
}

/// A stream's number and one more.
fn pair(flags: u8, body: &[u8]) -> Option<(u32, u32)> {
    let (stream, rest) = number(body)?;
    let other = <[u8; 4]>::try_from(rest).ok()?;
    (flags == 0).then_some((stream, u32::from_be_bytes(other)))
}

fn control(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80, 3, 0, kind];
    frame.extend_from_slice(&head(flags, body.len()));
    frame.extend_from_slice(body);
    frame
}

/// Flags and 24 bits of length.
fn head(flags: u8, length: usize) -> [u8; 4] {
    (u32::from(flags) << 24 | length as u32 & 0x00ff_ffff).to_be_bytes()
}

/// SYN_STREAM.
#[must_use]
pub fn syn(writer: &mut Writer, stream: u32, fin: bool, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut body = stream.to_be_bytes().to_vec();
    body.extend_from_slice(&[0; 6]);
    body.extend_from_slice(&writer.block(headers));
    control(1, u8::from(fin), &body)
}

/// SYN_REPLY, without headers.
#[must_use]
pub fn reply(writer: &mut Writer, stream: u32, fin: bool) -> Vec<u8> {
    let mut body = stream.to_be_bytes().to_vec();
    body.extend_from_slice(&writer.block(&[]));
    control(2, u8::from(fin), &body)
}

/// RST_STREAM.
#[must_use]
pub fn reset(stream: u32, status: u32) -> Vec<u8> {
    control(3, 0, &[stream.to_be_bytes(), status.to_be_bytes()].concat())
}

/// PING.
#[must_use]
pub fn ping(id: u32) -> Vec<u8> {
    control(6, 0, &id.to_be_bytes())
}

/// GOAWAY.
#[must_use]
pub fn go_away(last: u32, status: u32) -> Vec<u8> {
    control(7, 0, &[last.to_be_bytes(), status.to_be_bytes()].concat())
}

/// Bytes of a stream, in as many frames as they need. None where there is nothing to say.
#[must_use]
pub fn data(stream: u32, bytes: &[u8], fin: bool) -> Vec<u8> {
    let mut frames = Vec::with_capacity(bytes.len() + HEAD);
    let mut pieces = bytes.chunks(PIECE).peekable();
    while let Some(piece) = pieces.next() {
        let last = fin && pieces.peek().is_none();
        frames.extend_from_slice(&stream.to_be_bytes());
        frames.extend_from_slice(&head(u8::from(last), piece.len()));
        frames.extend_from_slice(piece);
    }
    if bytes.is_empty() && fin {
        frames.extend_from_slice(&stream.to_be_bytes());
        frames.extend_from_slice(&head(FIN, 0));
    }
    frames
}
