//! Tests of frames and channels: examples of RFC 6455 section 5.7, any chunking, and everything that is refused.

use super::socket::Close;
use super::{Channel, Frames, From, Part, Said, Saying, Subprotocol, frame};
use bytes::Bytes;
use portcullis_model::limits;
use proptest::prelude::*;

fn read(from: From, bytes: &[u8], size: usize) -> Result<Vec<Said>, ()> {
    let mut frames = Frames::new(from);
    let mut said = Vec::new();
    for piece in bytes.chunks(size) {
        frames.push(piece);
        while let Some(one) = frames.next().map_err(|_| ())? {
            said.push(one);
        }
    }
    Ok(said)
}

fn text(bytes: &'static [u8]) -> Said {
    Said::Message {
        text: true,
        bytes: Bytes::from_static(bytes),
    }
}

#[test]
fn the_examples_of_the_rfc() {
    let hello = text(b"Hello");
    for size in 1..12 {
        assert_eq!(
            read(From::Server, b"\x81\x05Hello", size),
            Ok(vec![hello.clone()])
        );
        let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(read(From::Client, masked, size), Ok(vec![hello.clone()]));
        // In two fragments, with a ping between them.
        let parts = b"\x01\x03Hel\x89\x00\x80\x02lo";
        assert_eq!(
            read(From::Server, parts, size),
            Ok(vec![Said::Ping(Bytes::new()), hello.clone()])
        );
        let close = Said::Close(Close { code: Some(1000) });
        assert_eq!(
            read(From::Server, b"\x88\x02\x03\xe8\x8a\x00", size),
            Ok(vec![close, Said::Pong])
        );
    }
}

#[test]
fn frames_that_nobody_may_send() {
    for bytes in [
        &b"\x81\x85aaaaHello"[..], // a server that masks
        b"\xc1\x05Hello",          // a reserved bit
        b"\x83\x00",               // a reserved opcode
        b"\x8b\x00",
        b"\x09\x00",         // a ping in parts
        b"\x89\x7e\x00\x80", // a long ping
        b"\x80\x00",         // the end of nothing
        b"\x01\x00\x01\x00", // a message in a message
        b"\x81\x01\xff",     // text that is none
        b"\x88\x01x",        // half a code
        b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x82\x7f\x00\x00\x00\x00\x00\x20\x00\x00",
    ] {
        assert_eq!(read(From::Server, bytes, 1), Err(()), "{bytes:?}");
    }
    assert_eq!(read(From::Client, b"\x81\x05Hello", 99), Err(()));
    // Fragments add up.
    let part = vec![b'x'; limits::SOCKET_MESSAGE_BYTES_MAX / 2 + 1];
    let mut bytes = frame(Saying::Binary(&part), None).to_vec();
    bytes[0] &= 0x7f;
    let mut more = frame(Saying::Binary(&part), None).to_vec();
    more[0] = 0x80;
    bytes.extend(more);
    assert_eq!(read(From::Server, &bytes, 65536), Err(()));
}

#[test]
fn channels_have_a_direction() {
    let five = Subprotocol::Five;
    let part = |bytes: &'static [u8], up| five.part(&Bytes::from_static(bytes), up).ok();
    assert_eq!(
        part(b"\x00ls", true),
        Some(Part::Bytes(Channel::Input, Bytes::from_static(b"ls")))
    );
    assert_eq!(part(b"\xff\x00", true), Some(Part::End(Channel::Input)));
    assert_eq!(
        part(b"\x01x", false),
        Some(Part::Bytes(Channel::Output, Bytes::from_static(b"x")))
    );
    for (bytes, up) in [
        (&b"\x01x"[..], true),
        (b"\x03{}", true),
        (b"\x00x", false),
        (b"\x05", true),
        (b"", true),
        (b"\xff", true),
        (b"\xff\x09", true),
        (b"\xff\x00\x00", true),
        (b"\xff\x01", true),
    ] {
        assert_eq!(part(bytes, up), None, "{bytes:?}");
    }
    // Version 4 has no such message.
    assert!(
        Subprotocol::Four
            .part(&Bytes::from_static(b"\xff\x00"), true)
            .is_err()
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..70_000), key in any::<[u8; 4]>(), size in 1..5000_usize) {
        let said = Said::Message { text: false, bytes: bytes.clone().into() };
        prop_assert_eq!(read(From::Client, &frame(Saying::Binary(&bytes), Some(key)), size), Ok(vec![said.clone()]));
        prop_assert_eq!(read(From::Server, &frame(Saying::Binary(&bytes), None), size), Ok(vec![said]));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), size in 1..9_usize) {
        let _ = read(From::Client, &bytes, size);
        let _ = read(From::Server, &bytes, size);
    }
}
