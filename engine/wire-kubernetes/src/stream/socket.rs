//! WebSocket frames, read from either side and written again. Messages are put together from their fragments, so that
//! nothing hides between two of them.
//!
//! Refuses reserved bits and opcodes, control frames that are long or in parts, client frames without a mask and server
//! frames with one, and messages longer than [`limits::SOCKET_MESSAGE_BYTES_MAX`].

use bytes::{Buf as _, Bytes, BytesMut};
use portcullis_model::{Blame, Fault, limits};

/// Whose frames are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The client's: masked.
    Client,
    /// The server's: not masked.
    Server,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A whole message.
    Message {
        /// It is text.
        text: bool,
        /// What it says.
        bytes: Bytes,
    },
    /// A ping, to be answered.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// The end.
    Close(Close),
}

/// Why a connection ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Close {
    /// RFC 6455 section 7.4.
    pub code: Option<u16>,
}

/// Frames from one side.
pub struct Frames {
    from: From,
    buffer: BytesMut,
    /// A message whose end has not come.
    partial: Option<(bool, BytesMut)>,
}

impl Frames {
    /// At the beginning.
    #[must_use]
    pub fn new(from: From) -> Self {
        Self {
            from,
            buffer: BytesMut::new(),
            partial: None,
        }
    }

    /// More bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next thing said, `None` when more bytes are needed.
    ///
    /// # Errors
    /// When it is no frame that this side may send.
    pub fn next(&mut self) -> Result<Option<Said>, Fault> {
        while let Some((head, payload)) = self.frame()? {
            let finished = head & 0x80 != 0;
            let said = match head & 0x0f {
                8 => Said::Close(close(&payload)?),
                9 => Said::Ping(payload),
                10 => Said::Pong,
                opcode => match self.message(opcode, finished, payload)? {
                    Some(said) => said,
                    None => continue,
                },
            };
            return Ok(Some(said));
        }
        Ok(None)
    }

    fn message(
        &mut self,
        opcode: u8,
        finished: bool,
        payload: Bytes,
    ) -> Result<Option<Said>, Fault> {
        let (text, bytes) = match (opcode, self.partial.take()) {
            (0, Some((text, mut bytes))) => {
                bytes.extend_from_slice(&payload);
                (text, bytes)
            }
            (1 | 2, None) => (opcode == 1, BytesMut::from(payload)),
            _ => return Err(self.broken()),
        };
        if bytes.len() > limits::SOCKET_MESSAGE_BYTES_MAX {
            return Err(self.broken());
        }
        if !finished {
            self.partial = Some((text, bytes));
            return Ok(None);
        }
        if text && std::str::from_utf8(&bytes).is_err() {
            return Err(self.broken());
        }
        let bytes = bytes.freeze();
        Ok(Some(Said::Message { text, bytes }))
    }

    /// One frame, unmasked.
    fn frame(&mut self) -> Result<Option<(u8, Bytes)>, Fault> {
        let Some((&[head, second], rest)) = self.buffer.split_first_chunk::<2>() else {
            return Ok(None);
        };
        let (masked, short) = (second & 0x80 != 0, second & 0x7f);
        let control = head & 0x08 != 0;
        let reserved = head & 0x70 != 0 || !matches!(head & 0x0f, 0..=2 | 8..=10);
        let lame = control && (short > 125 || head & 0x80 == 0);
        if reserved || lame || masked != (self.from == From::Client) {
            return Err(self.broken());
        }
        let (length, rest, long) = match short {
            126 => match rest.split_first_chunk::<2>() {
                Some((digits, rest)) => (u64::from(u16::from_be_bytes(*digits)), rest, 2),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((digits, rest)) => (u64::from_be_bytes(*digits), rest, 8),
                None => return Ok(None),
            },
            short => (u64::from(short), rest, 0),
        };
        let length = usize::try_from(length).map_err(|_| self.broken())?;
        if length > limits::SOCKET_MESSAGE_BYTES_MAX {
            return Err(self.broken());
        }
        let key = match masked {
            true => match rest.first_chunk::<4>() {
                Some(key) => Some(*key),
                None => return Ok(None),
            },
            false => None,
        };
        let header = 2 + long + if masked { 4 } else { 0 };
        if self.buffer.len() < header + length {
            return Ok(None);
        }
        self.buffer.advance(header);
        let mut payload = self.buffer.split_to(length);
        if let Some(key) = key {
            mask(&mut payload, key);
        }
        Ok(Some((head, payload.freeze())))
    }

    fn broken(&self) -> Fault {
        let blame = match self.from {
            From::Client => Blame::Client,
            From::Server => Blame::Upstream,
        };
        Fault::bare(blame, "speak WebSocket")
    }
}

fn close(payload: &[u8]) -> Result<Close, Fault> {
    match payload.split_first_chunk::<2>() {
        Some((code, _)) => Ok(Close {
            code: Some(u16::from_be_bytes(*code)),
        }),
        None if payload.is_empty() => Ok(Close::default()),
        None => Err(Fault::bare(Blame::Client, "close a WebSocket")),
    }
}

fn mask(payload: &mut [u8], key: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Something to be said.
#[derive(Clone, Copy, Debug)]
pub enum Saying<'b> {
    /// A binary message.
    Binary(&'b [u8]),
    /// A text message.
    Text(&'b [u8]),
    /// The answer to one.
    Pong(&'b [u8]),
    /// The end, with its code.
    Close(Option<u16>),
}

/// One frame. `key`: the mask, where the gateway is the client.
#[must_use]
pub fn frame(saying: Saying<'_>, key: Option<[u8; 4]>) -> Bytes {
    let code;
    let (opcode, payload): (u8, &[u8]) = match saying {
        Saying::Text(bytes) => (1, bytes),
        Saying::Binary(bytes) => (2, bytes),
        Saying::Pong(bytes) => (10, bytes),
        Saying::Close(None) => (8, &[]),
        Saying::Close(Some(number)) => {
            code = number.to_be_bytes();
            (8, &code)
        }
    };
    let mut out = Vec::with_capacity(payload.len() + 14);
    out.push(0x80 | opcode);
    let masked = if key.is_some() { 0x80 } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => out.push(masked | short),
        (_, Ok(length)) => {
            out.push(masked | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    if let Some(key) = key {
        out.extend_from_slice(&key);
    }
    let from = out.len();
    out.extend_from_slice(payload);
    if let (Some(key), Some(payload)) = (key, out.get_mut(from..)) {
        mask(payload, key);
    }
    out.into()
}
