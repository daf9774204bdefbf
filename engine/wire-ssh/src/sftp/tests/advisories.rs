//! One test for each class of defect that SSH implementations have had and that can occur at this level: what the
//! advisories named in each were about, asked of SFTP.

use super::*;

fn both_said_hello() -> Inspector {
    Stream::new().inspector
}

fn fails(inspector: &mut Inspector, side: Side, bytes: &[u8]) -> bool {
    if inspector.feed(side, bytes).is_err() {
        return true;
    }
    loop {
        match inspector.next_event() {
            Err(_) => return true,
            Ok(None) => return false,
            Ok(Some(_)) => {}
        }
    }
}

/// CVE-2026-48110, CVE-2024-43410: memory for what a length field says, before the bytes are there.
#[test]
fn a_length_field_allocates_nothing() {
    for side in [Side::Client, Side::Upstream] {
        let mut inspector = both_said_hello();
        assert!(fails(&mut inspector, side, &[0xff, 0xff, 0xff, 0xff, 3]));
        let mut inspector = both_said_hello();
        let most = (limits::SFTP_PACKET_BYTES_MAX as u32 + 1).to_be_bytes();
        assert!(fails(&mut inspector, side, &[&most[..], &[3]].concat()));
    }
    // A string inside that says it is longer than its packet.
    let mut stream = Stream::new();
    stream.client(packet(
        kind::REMOVE,
        &[&1_u32.to_be_bytes(), &0xffff_fff0_u32.to_be_bytes(), b"x"],
    ));
    assert!(matches!(
        stream.take()[..],
        [Seen::ToClient(_), Seen::Refused(_)]
    ));
}

/// CVE-2026-116774: a size of zero that stalls for ever.
#[test]
fn an_empty_packet_ends_the_stream() {
    for side in [Side::Client, Side::Upstream] {
        assert!(fails(&mut both_said_hello(), side, &[0; 4]));
    }
}

/// CVE-2026-48107: a count that is larger than what stands behind it.
#[test]
fn a_count_is_what_stands_behind_it() {
    let id = 1_u32.to_be_bytes();
    let count = u32::MAX.to_be_bytes();
    let entry = [string("x"), string("x"), vec![0; 4]].concat();
    for reply in [
        packet(kind::NAME, &[&id, &count, &entry]),
        packet(kind::NAME, &[&id, &0_u32.to_be_bytes()]),
        name_reply(1, &["/a", "/b"]),
        packet(kind::NAME, &[&id, &2_u32.to_be_bytes(), &entry]),
        packet(kind::ATTRS, &[&id, &0x8000_0000_u32.to_be_bytes(), &count]),
    ] {
        let mut stream = Stream::new();
        stream.client(one(kind::REALPATH, 1, "."));
        assert!(
            fails(&mut stream.inspector, Side::Upstream, &reply),
            "{reply:?}"
        );
    }
    // Of a client it is a bad request.
    let mut stream = Stream::new();
    let attrs = [&0x8000_0000_u32.to_be_bytes()[..], &count].concat();
    stream.client(packet(kind::SETSTAT, &[&id, &string("/a"), &attrs]));
    assert!(matches!(
        stream.take()[..],
        [Seen::ToClient(_), Seen::Refused(_)]
    ));
}

/// CVE-2025-54804: numbers that are added without a look.
#[test]
fn an_offset_does_not_overflow() {
    let mut stream = Stream::new();
    stream.open(1, "/srv/x", READ | WRITE, "h");
    stream.take();
    for packet in [
        read(2, "h", u64::MAX, 1),
        write(3, "h", u64::MAX - 1, b"xyz"),
        extended(
            4,
            "copy-data",
            &[&string("h"), &[0xff; 16], &string("h"), &[0; 8]],
        ),
    ] {
        stream.client(packet);
        assert!(matches!(
            stream.take()[..],
            [Seen::ToClient(_), Seen::Refused(_)]
        ));
    }
    stream.client(write(5, "h", u64::MAX - 3, b"xyz"));
    assert_eq!(
        stream.inspector.finish()[0].written.as_ref().unwrap().order,
        Order::Scattered
    );
}

/// GHSA-m65r-rprj-r5rg, GHSA-47hw-gvq5-r2gm: messages about what was never opened.
#[test]
fn what_was_never_opened_is_not_used() {
    // By a client: `what_is_unknown_is_refused_in_step`. By a server: answers to no question.
    for reply in [
        handle_reply(9, "h"),
        data_reply(9, b"x"),
        status_reply(9, 0, ""),
        name_reply(9, &["/"]),
    ] {
        assert!(fails(&mut both_said_hello(), Side::Upstream, &reply));
    }
    // To another kind of question, or with more than was asked for.
    let mut stream = Stream::new();
    stream
        .open(1, "/srv/x", READ, "h")
        .client(read(2, "h", 0, 3));
    for reply in [
        handle_reply(2, "i"),
        attrs_reply(2),
        status_reply(2, 0, ""),
        data_reply(2, b"four"),
    ] {
        let mut stream = Stream::new();
        stream
            .open(1, "/srv/x", READ, "h")
            .client(read(2, "h", 0, 3));
        assert!(
            fails(&mut stream.inspector, Side::Upstream, &reply),
            "{reply:?}"
        );
    }
    // A handle that is given out twice would be two files.
    stream.client(open(3, "/srv/y", READ, None));
    assert!(fails(
        &mut stream.inspector,
        Side::Upstream,
        &handle_reply(3, "h")
    ));
}

/// GHSA-4p9f-7p9m-5vfg: a message that is meant to come once, again and again.
#[test]
fn hello_is_said_once() {
    assert!(fails(&mut both_said_hello(), Side::Client, &init(3)));
    assert!(fails(&mut both_said_hello(), Side::Upstream, &version(&[])));
    let many = vec![("x@example.com", "1"); limits::SFTP_EXTENSIONS_MAX + 1];
    let mut inspector = Inspector::new(Resolve::Links);
    assert!(!fails(&mut inspector, Side::Client, &init(3)));
    assert!(fails(&mut inspector, Side::Upstream, &version(&many)));
    // Before it, nothing is.
    assert!(fails(
        &mut Inspector::new(Resolve::Links),
        Side::Client,
        &lstat(1, "/")
    ));
    assert!(fails(
        &mut Inspector::new(Resolve::Links),
        Side::Upstream,
        &version(&[])
    ));
}

/// Queues that grow with what a peer sends, as relays on top of russh have had them.
#[test]
fn everything_that_waits_is_bounded() {
    let mut stream = Stream::new();
    // Answers that do not come: the client waits, it is not told off.
    for id in 0..limits::SFTP_REQUESTS_MAX as u32 + 10 {
        stream.client(lstat(id, "/srv"));
    }
    assert_eq!(stream.judged().len(), limits::SFTP_REQUESTS_MAX);
    stream.server(&attrs_reply(0));
    assert_eq!(stream.judged().len(), 1);
    // Files: the next one is refused until one is closed.
    let mut stream = Stream::new();
    for id in 0..limits::SFTP_HANDLES_MAX as u32 {
        stream.open(id, "/srv/x", READ, &id.to_string());
    }
    stream.take();
    stream.client(open(90_000, "/srv/x", READ, None));
    assert!(matches!(
        stream.take()[..],
        [Seen::ToClient(_), Seen::Refused(_)]
    ));
    stream
        .client(close(90_001, "7"))
        .server(&status_reply(90_001, 0, ""));
    stream.take();
    stream.client(open(90_002, "/srv/x", READ, None));
    assert_eq!(stream.judged().len(), 1);
    // Bytes behind a question.
    let mut inspector = both_said_hello();
    inspector.feed(Side::Client, &lstat(1, "/srv")).unwrap();
    let _judged = inspector.next_event().unwrap();
    let piece = vec![0; 1024 * 1024];
    let taken = (0..10)
        .take_while(|_| inspector.feed(Side::Client, &piece).is_ok())
        .count();
    assert!((1..10).contains(&taken), "{taken} MiB");
    assert!(!inspector.wants(Side::Client));
}

/// Two requests with one number: the answer to one would be taken for that of the other.
#[test]
fn numbers_are_not_used_twice() {
    let mut stream = Stream::new();
    stream.client(lstat(1, "/srv/a"));
    assert!(fails(
        &mut stream.inspector,
        Side::Client,
        &lstat(1, "/srv/b")
    ));
}

/// CVE-2024-45337: what was asked last counts, not what was asked first. Here: a path that changes between the question
/// where it leads and the decision cannot be judged by an older answer.
#[test]
fn each_question_is_answered_anew() {
    let mut stream = Stream::new();
    stream.client(open(1, "/tmp/d/x", READ, None));
    assert_eq!(paths(&stream.judged()), ["/tmp/d/x"]);
    stream.host.link("/tmp/d", "/etc");
    stream.client(open(2, "/tmp/d/x", READ, None));
    assert_eq!(paths(&stream.judged()), ["/tmp/d/x", "/etc/x"]);
    // And a server that answers with anything but a plain path does not get it judged.
    for odd in ["etc", "/a/../etc", "", "/a\0b"] {
        let mut inspector = both_said_hello();
        inspector
            .feed(Side::Client, &open(3, "/x", READ, None))
            .unwrap();
        let Some(Event::Ask(ask)) = inspector.next_event().unwrap() else {
            panic!("it is asked where /x leads");
        };
        assert!(
            fails(
                &mut inspector,
                Side::Upstream,
                &name_reply(asked(&ask).0, &[odd])
            ),
            "{odd:?}"
        );
    }
}
