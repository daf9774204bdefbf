//! Tests of the codec: what clients of the API write, in any chunking; what is written is read again; and everything
//! that is refused, bombs among it.

use super::dictionary;
use super::*;
use crate::stream::Channel;
use bytes::Bytes;
use portcullis_model::{Blame, limits};
use proptest::prelude::*;
use zlib_rs::{Deflate, DeflateFlush};

fn read(bytes: &[u8], size: usize) -> Result<Vec<Frame>, ()> {
    let mut reader = Reader::new(Blame::Client);
    let mut frames = Vec::new();
    for piece in bytes.chunks(size) {
        reader.push(piece);
        while let Some(frame) = reader.next().map_err(|_| ())? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

/// The bytes of streams put together, since a cut may fall anywhere in them.
fn joined(frames: Vec<Frame>) -> Vec<Frame> {
    let mut all: Vec<Frame> = Vec::new();
    for frame in frames {
        match (all.last_mut(), frame) {
            (
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
            ) if *stream == same => {
                *bytes = [&bytes[..], &more[..]].concat().into();
                *end = fin;
            }
            (_, frame) => all.push(frame),
        }
    }
    all
}

/// A compressor as other programs have one.
struct Other(Deflate);

impl Other {
    fn new() -> Self {
        let mut deflate = Deflate::new(9, true, 15);
        deflate.set_dictionary(&dictionary::bytes()).unwrap();
        Self(deflate)
    }

    fn block(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut out = vec![0; plain.len() + 1024];
        let before = self.0.total_out();
        self.0
            .compress(plain, &mut out, DeflateFlush::SyncFlush)
            .unwrap();
        out.truncate((self.0.total_out() - before) as usize);
        out
    }

    fn syn(&mut self, stream: u32, headers: &[(&str, &str)]) -> Vec<u8> {
        let block = self.block(&plain(headers));
        let mut frame = vec![0x80, 3, 0, 1, 0];
        frame.extend_from_slice(&(block.len() as u32 + 10).to_be_bytes()[1..]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(&[0; 6]);
        frame.extend_from_slice(&block);
        frame
    }
}

fn plain(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut plain = (headers.len() as u32).to_be_bytes().to_vec();
    for text in headers.iter().flat_map(|(n, v)| [n, v]) {
        plain.extend_from_slice(&(text.len() as u32).to_be_bytes());
        plain.extend_from_slice(text.as_bytes());
    }
    plain
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |text: &&str| (*text).to_owned();
    headers.iter().map(|(n, v)| (owned(n), owned(v))).collect()
}

#[test]
fn the_dictionary_is_the_one_of_the_protocol() {
    let mut deflate = Deflate::new(1, true, 15);
    let bytes = dictionary::bytes();
    assert_eq!(bytes.len(), 1423);
    assert_eq!(
        deflate.set_dictionary(&bytes).ok(),
        Some(dictionary::CHECKSUM)
    );
}

#[test]
fn blocks_of_other_programs_are_read_one_behind_the_other() {
    let mut other = Other::new();
    let mut wire = Vec::new();
    let mut expected = Vec::new();
    for (stream, kind) in [(1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")] {
        let headers = [("streamtype", kind), ("port", "8080")];
        wire.extend_from_slice(&other.syn(stream, &headers));
        expected.push(Frame::Open {
            stream,
            fin: false,
            headers: owned(&headers),
        });
    }
    for size in [1, 2, 7, 64, wire.len()] {
        assert_eq!(read(&wire, size), Ok(expected.clone()), "by {size}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    let mut writer = Writer::default();
    let mut wire = Vec::new();
    for stream in [1, 3] {
        wire.extend_from_slice(&syn(&mut writer, stream, false, &[("streamtype", "error")]));
        wire.extend_from_slice(&reply(&mut writer, stream, true));
    }
    wire.extend_from_slice(&data(1, b"hello", false));
    wire.extend_from_slice(&data(3, b"", true));
    wire.extend_from_slice(&reset(1, 5));
    wire.extend_from_slice(&ping(7));
    wire.extend_from_slice(&go_away(3, 0));
    let open = |stream| Frame::Open {
        stream,
        fin: false,
        headers: owned(&[("streamtype", "error")]),
    };
    let reply = |stream| Frame::Reply { stream, fin: true };
    let data = |stream, fin, bytes: &'static [u8]| Frame::Data {
        stream,
        fin,
        bytes: Bytes::from_static(bytes),
    };
    let expected = vec![
        open(1),
        reply(1),
        open(3),
        reply(3),
        data(1, false, b"hello"),
        data(3, true, b""),
        Frame::Reset {
            stream: 1,
            status: 5,
        },
        Frame::Ping(7),
        Frame::GoAway { last: 3, status: 0 },
    ];
    for size in 1..wire.len() {
        assert_eq!(read(&wire, size).map(joined), Ok(expected.clone()));
    }
    assert!(super::data(1, b"", false).is_empty(), "nothing is said");
}

#[test]
fn long_pieces_go_in_several_frames_and_only_the_last_ends() {
    let bytes = vec![b'x'; 200_000];
    let wire = data(9, &bytes, true);
    let frames = read(&wire, wire.len()).unwrap();
    assert_eq!(frames.len(), 4);
    let ends = |frame: &Frame| matches!(frame, Frame::Data { fin: true, .. });
    assert_eq!(frames.iter().filter(|f| ends(f)).count(), 1);
    let whole = Frame::Data {
        stream: 9,
        fin: true,
        bytes: bytes.into(),
    };
    assert_eq!(joined(frames), vec![whole]);
}

#[test]
fn settings_and_windows_mean_nothing() {
    let settings =
        b"\x80\x03\x00\x04\x00\x00\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x10\x00";
    let window = b"\x80\x03\x00\x09\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x10\x00";
    let both = [&settings[..], window].concat();
    assert_eq!(read(&both, 5), Ok(vec![Frame::Nothing, Frame::Nothing]));
}

#[test]
fn frames_that_nobody_may_send() {
    for bytes in [
        &b"\x00\x00\x00\x00\x00\x00\x00\x01x"[..], // bytes of stream 0
        b"\x00\x00\x00\x01\x02\x00\x00\x01x",      // a flag that bytes do not have
        b"\x80\x02\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01", // another version
        b"\x80\x03\x00\x05\x00\x00\x00\x00",       // no such type
        b"\x80\x03\x00\x0a\x00\x00\x00\x00",
        b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x00", // ping 0
        b"\x80\x03\x00\x06\x01\x00\x00\x04\x00\x00\x00\x01",
        b"\x80\x03\x00\x06\x00\x00\x00\x05\x00\x00\x00\x01x", // a length that it does not have
        b"\x80\x03\x00\x03\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00", // no reason
        b"\x80\x03\x00\x03\x00\x00\x00\x08\x80\x00\x00\x01\x00\x00\x00\x05", // a reserved bit
        b"\x80\x03\x00\x04\x00\x00\x00\x04\x00\x00\x00\x01",  // settings that are not there
        b"\x80\x03\x00\x04\x00\x00\x00\x04\x20\x00\x00\x00",
        b"\x80\x03\x00\x09\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00", // no window
        b"\x80\x03\x00\x01\x02\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", // one way
        b"\x80\x03\x00\x01\x00\xff\xff\xff", // longer than anybody needs
        b"\x80\x03\x00\x02\x00\x00\x00\x02\x00\x00",
    ] {
        assert_eq!(read(bytes, 1), Err(()), "{bytes:02x?}");
    }
}

fn with_block(block: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80, 3, 0, 1, 0];
    frame.extend_from_slice(&(block.len() as u32 + 10).to_be_bytes()[1..]);
    frame.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    frame.extend_from_slice(block);
    frame
}

#[test]
fn header_blocks_that_are_none() {
    let good = |headers: &[(&str, &str)]| {
        let wire = with_block(&Other::new().block(&plain(headers)));
        read(&wire, wire.len()).is_ok()
    };
    assert!(good(&[]));
    assert!(good(&[("a", "b c"), ("d", "")]));
    assert!(!good(&[("A", "b")]), "upper case");
    assert!(!good(&[("", "b")]));
    assert!(!good(&[("a", "b"), ("a", "c")]), "twice");
    assert!(!good(&[("a", "b\0c")]), "two values");
    assert!(!good(&[("a b", "c")]));
    let many: Vec<String> = (0..40).map(|n| format!("h{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
    assert!(!good(&many));
    for lame in [
        &b"\x00\x00\x00\x01"[..],
        b"\x00\x00\x00\x01\xff\xff\xff\xff",
        b"\x00\x00\x00\x00x",
        b"",
    ] {
        let wire = with_block(&Other::new().block(lame));
        assert_eq!(read(&wire, wire.len()), Err(()), "{lame:?}");
    }
    assert_eq!(read(&with_block(b"no zlib"), 64), Err(()));
    // Another dictionary, and none.
    let mut deflate = Deflate::new(9, true, 15);
    deflate.set_dictionary(b"another dictionary").unwrap();
    let wire = with_block(&Other(deflate).block(&plain(&[])));
    assert_eq!(read(&wire, wire.len()), Err(()));
    let wire = with_block(&Other(Deflate::new(9, true, 15)).block(&plain(&[("a", "b")])));
    assert!(
        read(&wire, wire.len()).is_ok(),
        "a dictionary is not asked for"
    );
}

#[test]
fn a_block_that_swells_is_refused() {
    let value = "x".repeat(limits::SPDY_HEADERS_BYTES_MAX + 1);
    let mut deflate = Deflate::new(9, true, 15);
    deflate.set_dictionary(&dictionary::bytes()).unwrap();
    let block = Other(deflate).block(&plain(&[("a", &value)]));
    assert!(block.len() < 1024, "it is small");
    let wire = with_block(&block);
    assert_eq!(read(&wire, wire.len()), Err(()));
}

fn claim(streams: &mut Streams, stream: u32, headers: &[(&str, &str)]) -> Option<Role> {
    let role = streams.claim(stream, &owned(headers)).ok()??;
    streams.add(stream, role.clone(), false);
    Some(role)
}

#[test]
fn a_command_has_each_of_its_streams_once() {
    let mut streams = Streams::new(Use::Command);
    let error = claim(&mut streams, 1, &[("streamtype", "error")]);
    assert_eq!(error, Some(Role::Channel(Channel::Status)));
    assert!(claim(&mut streams, 3, &[("streamtype", "error")]).is_none());
    assert!(
        claim(&mut streams, 4, &[("streamtype", "stdin")]).is_none(),
        "even"
    );
    assert!(
        claim(&mut streams, 3, &[("streamtype", "stdin")]).is_none(),
        "not growing"
    );
    assert!(claim(&mut streams, 5, &[("streamtype", "data"), ("port", "1")]).is_none());
    assert!(claim(&mut streams, 7, &[]).is_none());
    assert!(claim(&mut streams, 9, &[("streamtype", "stdin")]).is_some());
    assert_eq!(streams.of(Channel::Input), Some(9));
    assert!(streams.place(11, true).is_err(), "never opened");
    assert_eq!(streams.place(7, true).ok(), Some(Place::Gone));
    streams.finish(9, true);
    assert_eq!(
        streams.place(9, true).ok(),
        Some(Place::Gone),
        "it has said its last"
    );
    assert!(matches!(streams.place(9, false), Ok(Place::Open(_))));
    streams.finish(9, false);
    assert_eq!(streams.role_of(9), None);
}

#[test]
fn a_port_is_a_number_and_nothing_else() {
    let mut streams = Streams::new(Use::Ports);
    let mut stream = 1;
    let mut port = |digits: &str, id: &str| {
        stream += 2;
        let headers = [("streamtype", "data"), ("port", digits), ("requestid", id)];
        claim(&mut streams, stream, &headers).and_then(|role| role.port())
    };
    assert_eq!(port("8080", "0"), Some(8080));
    for lame in ["0", "080", "+80", "65536", "80 ", "", "http", "80,443"] {
        assert_eq!(port(lame, "0"), None, "{lame}");
    }
    assert_eq!(port("80", "x"), None);
    let role = Role::Trouble {
        port: 80,
        request: Some("7".to_owned()),
    };
    let headers = role.headers();
    let said: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let expected = [("streamtype", "error"), ("port", "80"), ("requestid", "7")];
    assert_eq!(said, expected);
}

#[test]
fn there_are_only_so_many_streams() {
    let mut streams = Streams::new(Use::Ports);
    let headers = owned(&[("streamtype", "data"), ("port", "80")]);
    let mut open = 0;
    for number in 0..limits::SPDY_STREAMS_MAX as u32 + 3 {
        if let Ok(Some(role)) = streams.claim(number * 2 + 1, &headers) {
            streams.add(number * 2 + 1, role, false);
            open += 1;
        }
    }
    assert_eq!(open, limits::SPDY_STREAMS_MAX);
}

proptest! {
    #[test]
    fn a_cut_changes_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..600), size in 1usize..40) {
        let whole = read(&bytes, bytes.len().max(1)).map(joined);
        prop_assert_eq!(read(&bytes, size).map(joined), whole);
    }

    #[test]
    fn bytes_come_out_as_they_went_in(bytes in proptest::collection::vec(any::<u8>(), 1..2000), size in 1usize..500) {
        let frames = read(&data(5, &bytes, true), size).map(joined);
        let expected = Frame::Data { stream: 5, fin: true, bytes: bytes.into() };
        prop_assert_eq!(frames, Ok(vec![expected]));
    }
}
