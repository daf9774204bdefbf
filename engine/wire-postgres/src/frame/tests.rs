//! The codec's laws: any chunking gives the same messages, bytes are kept, and no bytes at all can make
//! it panic or read past a bound.

use super::*;
use proptest::prelude::*;

fn messages() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let tag = prop::sample::select(b"QPBDCEHSFdcfX".to_vec());
    prop::collection::vec((tag, prop::collection::vec(any::<u8>(), 0..80)), 0..20)
}

fn wire(messages: &[(u8, Vec<u8>)]) -> Vec<u8> {
    messages
        .iter()
        .flat_map(|(tag, body)| build(*tag, |frame| frame.extend_from_slice(body)).to_vec())
        .collect()
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_messages(messages in messages(), cuts in prop::collection::vec(1usize..40, 1..60)) {
        let wire = wire(&messages);
        let (mut buffer, mut seen, mut bytes) = (BytesMut::new(), Vec::new(), Vec::new());
        let (mut rest, mut cuts) = (wire.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            buffer.extend_from_slice(now);
            rest = later;
            while let Some((tag, frame)) = take(Side::Client, &mut buffer).unwrap() {
                seen.push((tag, body(&frame).to_vec()));
                bytes.extend_from_slice(&frame);
            }
        }
        prop_assert_eq!(seen, messages);
        prop_assert_eq!(bytes, wire);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn frames_taken_together_are_the_frames_taken_alone(messages in messages(), cut in 0usize..500) {
        let wire = wire(&messages);
        let cut = cut.min(wire.len());
        let (mut one, mut all) = (BytesMut::from(&wire[..cut]), BytesMut::from(&wire[..cut]));
        let mut alone = Vec::new();
        while let Some((_, frame)) = take(Side::Client, &mut one).unwrap() {
            alone.extend_from_slice(&frame);
        }
        let (together, missing) = take_all(Side::Client, &mut all).unwrap();
        prop_assert_eq!(&together[..], &alone[..]);
        prop_assert_eq!(&one, &all);
        prop_assert!(missing > 0);
    }

    #[test]
    fn no_bytes_break_the_codec(bytes in prop::collection::vec(any::<u8>(), 0..200), upstream: bool) {
        let side = if upstream { Side::Upstream } else { Side::Client };
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some((tag, frame))) = take(side, &mut buffer) {
            prop_assert_eq!(frame.first(), Some(&tag));
            let mut fields = Fields::new(body(&frame));
            while fields.text().is_ok() || fields.int16().is_ok() || fields.byte().is_ok() {}
            prop_assert!(fields.rest().is_empty());
        }
    }
}

#[test]
fn lengths_are_strict() {
    for (frame, answer) in [
        (&b"Q\0\0\0\x03"[..], Err(Malformed::Length)),
        (b"Q\xff\xff\xff\xff", Err(Malformed::Length)),
        (b"Q\x7f\xff\xff\xff", Err(Malformed::Length)),
        (b"S\0\0\x27\x11", Err(Malformed::Length)),
        (b"\0\0\0\x08", Err(Malformed::Tag)),
        (b"p\0\0\0\x08", Err(Malformed::Tag)),
        (b"S\0\0\0\x04", Ok(Head::Whole(b'S', 5))),
        (b"Q\0\0\0\x06a", Ok(Head::Missing(1))),
        (b"Q\0", Ok(Head::Missing(3))),
    ] {
        assert_eq!(head(Side::Client, frame), answer, "{frame:?}");
    }
    assert_eq!(
        head(Side::Upstream, b"Z\0\0\0\x06II"),
        Err(Malformed::Length)
    );
    assert_eq!(head(Side::Upstream, b"Q\0\0\0\x04"), Err(Malformed::Tag));
}

#[test]
fn a_malformed_frame_does_not_take_the_ones_before_it_along() {
    let mut buffer = BytesMut::from(&b"S\0\0\0\x04z\0\0\0\x04"[..]);
    assert_eq!(take_all(Side::Client, &mut buffer).unwrap().0.len(), 5);
    assert_eq!(take_all(Side::Client, &mut buffer), Err(Malformed::Tag));
}

#[test]
fn nothing_may_be_left_over_and_no_nul_inside() {
    let mut fields = Fields::new(b"a\0b");
    assert_eq!(fields.text(), Ok("a"));
    assert_eq!(fields.end(), Err(Malformed::Body));
    assert_eq!(Fields::new(b"a").text(), Err(Malformed::Body));
    assert_eq!(Fields::new(b"\xff\0").text(), Err(Malformed::Encoding));
}
