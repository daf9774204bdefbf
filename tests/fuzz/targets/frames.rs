//! The frame codec, both sides. Law: whatever the network makes of a stream, the same frames come out, the
//! same bytes are left and the same refusal is given; a frame's length is the bytes it takes.
//!
//! Input: side, a piece that says how the stream is cut, the stream.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{Input, chunks};
use portcullis_model::Side;
use portcullis_wire_postgres::fuzzing::{
    Fields, Head, Malformed, body, build, head, take, take_all,
};

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let side = input.choose(&[Side::Client, Side::Upstream]);
    let pattern = input.piece();
    let stream = input.rest();
    let whole = read(side, [stream].into_iter());
    assert_eq!(whole, read(side, chunks(stream, pattern)));
    assert_eq!(whole.0.concat(), read_all(side, chunks(stream, pattern)));
    for frame in &whole.0 {
        assert_eq!(
            build(frame[0], |out| out.extend_from_slice(body(frame))),
            frame
        );
        prefixes(side, frame);
        read_fields(body(frame));
    }
});

type Read = (Vec<Bytes>, Result<Bytes, Malformed>);

/// The frames, and what is left or why it is refused.
fn read<'a>(side: Side, chunks: impl Iterator<Item = &'a [u8]>) -> Read {
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match take(side, &mut buffer) {
                Ok(Some((tag, frame))) => {
                    assert_eq!(frame[0], tag);
                    frames.push(frame);
                }
                Ok(None) => break,
                Err(malformed) => return (frames, Err(malformed)),
            }
        }
    }
    (frames, Ok(buffer.freeze()))
}

/// The same frames as one piece.
fn read_all<'a>(side: Side, chunks: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        match take_all(side, &mut buffer) {
            Ok((piece, _missing)) => frames.extend_from_slice(&piece),
            Err(_) => break,
        }
    }
    frames
}

/// However little of a frame is there, no more is asked for than it has.
fn prefixes(side: Side, frame: &[u8]) {
    for length in 0..frame.len().min(16) {
        let missing = frame.len() - length;
        match head(side, &frame[..length]) {
            Ok(Head::Missing(more)) => assert!((1..=missing).contains(&more)),
            other => panic!("{length} bytes of {}: {other:?}", frame.len()),
        }
    }
}

/// Reading never takes more than there is.
fn read_fields(body: &[u8]) {
    let mut fields = Fields::new(body);
    while let Ok(text) = fields.text() {
        assert!(!text.contains('\0'));
    }
    while fields.int16().is_ok() && fields.byte().is_ok() {}
    assert_eq!(fields.end().is_ok(), fields.rest().is_empty());
}
