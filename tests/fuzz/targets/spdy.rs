//! SPDY of anybody. Laws: nothing panics and nothing swells; however the bytes are cut, the same frames come out; what
//! the gateway writes of them is read as the same frames again, whatever they were compressed with.
//!
//! Input: a byte (1: ports, else a command), how it is cut, the bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{Input, chunks};
use portcullis_wire_kubernetes::fuzzing::{Frame, frames, opened, written};

/// `limits::SPDY_HEADERS_BYTES_MAX`.
const HEADERS_MAX: usize = 64 * 1024;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let ports = input.byte() & 1 == 1;
    let pattern = input.piece();
    let bytes = input.rest();
    let whole = frames(std::iter::once(bytes));
    assert_eq!(
        frames(chunks(bytes, pattern)),
        whole,
        "a cut changes what is read"
    );
    let said: Vec<Frame> = whole
        .0
        .into_iter()
        .filter(|frame| match frame {
            Frame::Headers { .. } | Frame::Nothing => false,
            // Nothing is said by it, and nothing is written.
            Frame::Data { fin, bytes, .. } => *fin || !bytes.is_empty(),
            _ => true,
        })
        .collect();
    for frame in &said {
        if let Frame::Open { headers, .. } = frame {
            let size: usize = headers.iter().map(|(n, v)| n.len() + v.len()).sum();
            assert!(size <= HEADERS_MAX, "a block has swollen");
        }
    }
    let _count = opened(&said, ports);
    let wire = written(&said);
    let (again, good) = frames(std::iter::once(wire.as_slice()));
    assert!(good, "what the gateway writes is no SPDY");
    assert_eq!(merged(again), merged(said), "other frames are written");
});

/// Frames without meaning may have stood between two pieces of one stream.
fn merged(frames: Vec<Frame>) -> Vec<Frame> {
    let mut all: Vec<Frame> = Vec::new();
    for frame in frames {
        if let (
            Some(Frame::Data {
                stream,
                fin: end @ false,
                bytes,
            }),
            Frame::Data {
                stream: same,
                fin,
                bytes: more,
            },
        ) = (all.last_mut(), &frame)
            && stream == same
        {
            *bytes = [&bytes[..], &more[..]].concat().into();
            *end = *fin;
            continue;
        }
        all.push(frame);
    }
    all
}
