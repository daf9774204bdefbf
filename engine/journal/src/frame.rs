//! One entry as bytes: `len u32 | session u128 | seq u64 | ts i64 | stream u32 | kind u8 | payload | crc32c u32`,
//! all big-endian; `len` counts the payload, the crc covers everything before it. The crc finds accidents;
//! it proves nothing: that is what chain, tree and signature are for. Refuses lengths out of bounds.

use crate::payloads::PayloadKey;
use crate::tree::Hash;
use aws_lc_rs::digest;
use portcullis_gate::StreamId;
use portcullis_model::{SessionId, Timestamp, limits};

/// Bytes before the payload.
pub(crate) const HEAD: usize = 4 + 16 + 8 + 8 + 4 + 1;
/// Bytes after it.
pub(crate) const TAIL: usize = 4;

/// Marks, beside the number of its kind, a frame whose payload is encrypted.
pub(crate) const SEALED: u8 = 0x80;
/// Marks a frame whose payload was dropped.
pub(crate) const HUSK: u8 = 0x40;

/// What encryption adds to a payload.
const SEAL: usize = 16;

/// One entry, read back. Borrows from its segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub session: SessionId,
    pub sequence: u64,
    pub at: Timestamp,
    pub stream: StreamId,
    pub kind: u8,
    /// The payload is encrypted.
    pub sealed: bool,
    /// The payload is gone, and in its place stands the head of the chain after the whole frame.
    pub husk: bool,
    pub payload: &'a [u8],
    /// The whole frame, as it is hashed.
    pub bytes: &'a [u8],
}

impl Frame<'_> {
    /// The head of the session's chain after this frame. Of a husk it stands in it: that it is the one that was signed
    /// shows in the root of the tree.
    pub(crate) fn link(&self, previous: &Hash) -> Hash {
        match (self.husk, self.payload.try_into()) {
            (true, Ok(link)) => link,
            _ => link(previous, self.bytes),
        }
    }

    /// By this a reader knows the frame again at which it stopped, also where its payload was dropped meanwhile.
    pub(crate) fn mark(&self) -> u32 {
        crc32c::crc32c(self.bytes.get(4..HEAD - 1).unwrap_or_default())
    }
}

/// Why no frame could be read at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The bytes end inside the frame.
    Torn,
    /// The length is out of bounds: whatever follows cannot be found either.
    Length,
    /// The crc does not match; the frame claims to be this long.
    Checksum { frame_len: usize },
}

/// Appends one frame to `out`.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    session: SessionId,
    sequence: u64,
    at: Timestamp,
    (stream, kind): (StreamId, u8),
    payload: &[u8],
) {
    let start = out.len();
    let len = u32::try_from(payload.len()).expect("invariant: checked against the bound");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&session.0.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&at.0.to_be_bytes());
    out.extend_from_slice(&stream.0.to_be_bytes());
    out.push(kind);
    out.extend_from_slice(payload);
    let crc = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&crc.to_be_bytes());
}

/// Appends one frame whose payload is encrypted. False when that failed.
#[must_use]
pub(crate) fn encode_sealed(
    out: &mut Vec<u8>,
    session: SessionId,
    sequence: u64,
    at: Timestamp,
    (stream, kind): (StreamId, u8),
    (payload, key): (&[u8], &PayloadKey),
) -> bool {
    let start = out.len();
    encode(out, session, sequence, at, (stream, kind | SEALED), &[]);
    out.truncate(out.len() - TAIL);
    let mut sealed = payload.to_vec();
    if !key.seal(sequence, &out[start + 4..], &mut sealed) {
        return false;
    }
    let len = u32::try_from(sealed.len()).expect("invariant: checked against the bound");
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&sealed);
    let crc = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&crc.to_be_bytes());
    true
}

/// Appends a frame without its payload: in its place stands the chain's head after the whole one.
pub(crate) fn encode_husk(out: &mut Vec<u8>, frame: &Frame<'_>, link: &Hash) {
    let sealed = if frame.sealed { SEALED } else { 0 };
    let kind = frame.kind | sealed | HUSK;
    encode(
        out,
        frame.session,
        frame.sequence,
        frame.at,
        (frame.stream, kind),
        link,
    );
}

/// The frame at the start of `bytes`, with its crc checked.
pub(crate) fn decode(bytes: &[u8]) -> Result<Frame<'_>, Broken> {
    let frame = decode_unchecked(bytes)?;
    let (body, crc) = frame.bytes.split_at(frame.bytes.len() - TAIL);
    if crc32c::crc32c(body).to_be_bytes() != crc {
        return Err(Broken::Checksum {
            frame_len: frame.bytes.len(),
        });
    }
    Ok(frame)
}

/// The frame at the start of `bytes`, whatever its crc says: to name the place of an altered one.
pub(crate) fn decode_unchecked(bytes: &[u8]) -> Result<Frame<'_>, Broken> {
    let head = bytes.first_chunk::<HEAD>().ok_or(Broken::Torn)?;
    let end = length_of(head)?;
    let whole = bytes.get(..end).ok_or(Broken::Torn)?;
    Ok(Frame {
        session: SessionId(u128::from_be_bytes(field(head, 4))),
        sequence: u64::from_be_bytes(field(head, 20)),
        at: Timestamp(i64::from_be_bytes(field(head, 28))),
        stream: StreamId(u32::from_be_bytes(field(head, 36))),
        kind: head[40] & !(SEALED | HUSK),
        sealed: head[40] & SEALED != 0,
        husk: head[40] & HUSK != 0,
        payload: &whole[HEAD..end - TAIL],
        bytes: whole,
    })
}

/// How long the frame says it is that begins with this head.
pub(crate) fn length_of(head: &[u8; HEAD]) -> Result<usize, Broken> {
    let len = u32::from_be_bytes(field(head, 0)) as usize;
    match len > limits::RECORD_ENTRY_BYTES_MAX + SEAL {
        true => Err(Broken::Length),
        false => Ok(HEAD + len + TAIL),
    }
}

fn field<const N: usize>(head: &[u8; HEAD], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&head[at..at + N]);
    out
}

/// The head of a session's chain before its first entry.
pub(crate) fn genesis(session: SessionId) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"portcullis/journal/chain/v1");
    context.update(&session.0.to_be_bytes());
    finish(context)
}

/// `SHA-256(previous || frame)`.
pub(crate) fn link(previous: &Hash, frame: &[u8]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(previous);
    context.update(frame);
    finish(context)
}

/// SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(bytes);
    finish(context)
}

fn finish(context: digest::Context) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// The name of a kind, as exports show it. The numbers are those of [`portcullis_gate::EntryKind`].
#[must_use]
pub fn kind_name(kind: u8) -> &'static str {
    match kind {
        1 => "admit",
        2 => "decision",
        3 => "request",
        4 => "release",
        5 => "house",
        6 => "refusal",
        7 => "hold",
        8 => "resolve",
        9 => "masked",
        10 => "security",
        11 => "end",
        12 => "upload",
        13 => "node",
        14 => "opaque",
        15 => "opened",
        16 => "closed",
        17 => "diagnostic",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_and_any_flipped_bit_shows() {
        let mut bytes = Vec::new();
        encode(
            &mut bytes,
            SessionId(7),
            3,
            Timestamp(9),
            (StreamId(5), 4),
            b"payload",
        );
        let frame = decode(&bytes).expect("frame");
        assert_eq!(
            (
                frame.session,
                frame.sequence,
                frame.at,
                frame.stream,
                frame.kind,
                frame.payload
            ),
            (
                SessionId(7),
                3,
                Timestamp(9),
                StreamId(5),
                4,
                b"payload".as_slice()
            )
        );
        assert_eq!(frame.bytes.len(), bytes.len());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert_eq!(
                decode(&bytes[..cut]).err(),
                Some(Broken::Torn),
                "cut at {cut}"
            );
        }
    }
}
