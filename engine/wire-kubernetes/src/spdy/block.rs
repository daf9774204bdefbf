//! Header blocks. All blocks of one direction are one zlib stream: each is inflated as it comes, or nobody could read the
//! next one. What the gateway writes itself are stored blocks of a stream of its own: any reader takes them, and there is
//! no state in which two writers could get into each other's way.
//!
//! Refuses another dictionary than SPDY's, the end of the zlib stream, blocks that inflate beyond
//! [`limits::SPDY_HEADERS_BYTES_MAX`], names that are no lower-case tokens, names that stand twice, values with control
//! characters, and bytes behind the last pair.

use super::dictionary;
use portcullis_model::limits;
use zlib_rs::{Inflate, InflateError, InflateFlush, Status};

/// Names and values.
pub type Headers = Vec<(String, String)>;

/// What is inflated at a time.
const CHUNK: usize = 2048;

/// Reads the blocks of one direction.
pub(super) struct Inflater {
    inflate: Inflate,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            inflate: Inflate::new(true, 15),
        }
    }

    /// The headers of the next block; `None` when it is none.
    pub(super) fn read(&mut self, block: &[u8]) -> Option<Headers> {
        pairs(&self.inflated(block)?)
    }

    fn inflated(&mut self, block: &[u8]) -> Option<Vec<u8>> {
        let (mut rest, mut plain) = (block, Vec::new());
        loop {
            let mut chunk = [0; CHUNK];
            let before = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(rest, &mut chunk, InflateFlush::SyncFlush);
            let used = usize::try_from(self.inflate.total_in() - before.0).ok()?;
            let made = usize::try_from(self.inflate.total_out() - before.1).ok()?;
            rest = rest.get(used..)?;
            plain.extend_from_slice(chunk.get(..made)?);
            if plain.len() > limits::SPDY_HEADERS_BYTES_MAX {
                return None;
            }
            match status {
                Err(InflateError::NeedDict { dict_id }) if dict_id == dictionary::CHECKSUM => {
                    self.inflate.set_dictionary(&dictionary::bytes()).ok()?;
                }
                Err(_) | Ok(Status::StreamEnd) => return None,
                // There may be more behind a chunk that is full.
                Ok(_) if made == CHUNK => {}
                Ok(_) if rest.is_empty() => return Some(plain),
                Ok(_) if used == 0 && made == 0 => return None,
                Ok(_) => {}
            }
        }
    }
}

/// `count (length name length value)*`, all numbers of four bytes.
fn pairs(mut plain: &[u8]) -> Option<Headers> {
    let count = number(&mut plain)?;
    if count > limits::SPDY_HEADERS_MAX {
        return None;
    }
    let mut headers = Headers::with_capacity(count);
    for _ in 0..count {
        let (name, value) = (text(&mut plain)?, text(&mut plain)?);
        let token = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase();
        let shown = |b: u8| b.is_ascii_graphic() || b == b' ';
        let good = !name.is_empty() && name.bytes().all(token) && value.bytes().all(shown);
        if !good || headers.iter().any(|(known, _)| *known == name) {
            return None;
        }
        headers.push((name, value));
    }
    plain.is_empty().then_some(headers)
}

fn number(plain: &mut &[u8]) -> Option<usize> {
    let (digits, rest) = plain.split_first_chunk::<4>()?;
    *plain = rest;
    usize::try_from(u32::from_be_bytes(*digits)).ok()
}

fn text(plain: &mut &[u8]) -> Option<String> {
    let length = number(plain)?;
    let (text, rest) = plain.split_at_checked(length)?;
    *plain = rest;
    String::from_utf8(text.to_vec()).ok()
}

/// Writes the blocks of one direction. Its frames have to go out in the order in which it wrote them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writer {
    begun: bool,
}

impl Writer {
    /// One block.
    pub(super) fn block(&mut self, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = (headers.len() as u32).to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend_from_slice(&(text.len() as u32).to_be_bytes());
            plain.extend_from_slice(text.as_bytes());
        }
        let mut block = Vec::with_capacity(plain.len() + 16);
        if !self.begun {
            // Deflate with a window of 32 KiB, and a dictionary (RFC 1950 section 2.2).
            block.extend_from_slice(&[0x78, 0x20]);
            block.extend_from_slice(&dictionary::CHECKSUM.to_be_bytes());
            self.begun = true;
        }
        // RFC 1951 section 3.2.4; what the gateway writes fits into one.
        for stored in plain.chunks(usize::from(u16::MAX)) {
            let length = stored.len() as u16;
            block.push(0);
            block.extend_from_slice(&length.to_le_bytes());
            block.extend_from_slice(&(!length).to_le_bytes());
            block.extend_from_slice(stored);
        }
        // An empty one, as every flush ends: Go's reader hands on what it has when it sees it, and otherwise asks for the
        // beginning of a next block, and never recovers from there being none (compress/flate `dataBlock`).
        block.extend_from_slice(&[0, 0, 0, 0xff, 0xff]);
        block
    }
}
