//! The inspector between a client and a host that are both made up: what passes, what is judged, what is refused, and
//! that both stay in step. `tests/bypass/sftp.txt` is asked in `bypass`, the laws are in `laws`.

mod advisories;
mod bound;
mod bypass;
mod host;
mod laws;
mod packets;

use super::*;
use crate::sftp::wire::kind;
use bytes::Bytes;
use host::Host;
use packets::*;
use portcullis_model::{FileOperation, Side, limits};

/// What happened, in a word each.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    ToServer(Bytes),
    ToClient(Bytes),
    Asked(String),
    Judged(Vec<FileOperation>),
    Refused(&'static str),
    Closed(FileReport),
}

/// A stream on which all is allowed.
struct Stream {
    inspector: Inspector,
    host: Host,
    seen: Vec<Seen>,
    /// Operations whose word is refused.
    refuses: Option<&'static str>,
}

impl Stream {
    fn new() -> Self {
        let mut stream = Self::fresh(Resolve::Links);
        stream.client(init(3));
        stream.server(&version(&[
            ("posix-rename@openssh.com", "1"),
            ("hardlink@openssh.com", "1"),
        ]));
        stream.seen.clear();
        stream
    }

    fn fresh(resolve: Resolve) -> Self {
        Self {
            inspector: Inspector::new(resolve),
            host: Host::default(),
            seen: Vec::new(),
            refuses: None,
        }
    }

    fn client(&mut self, packet: Bytes) -> &mut Self {
        self.inspector.feed(Side::Client, &packet).unwrap();
        self.run();
        self
    }

    fn server(&mut self, packet: &[u8]) -> &mut Self {
        self.inspector.feed(Side::Upstream, packet).unwrap();
        self.run();
        self
    }

    fn run(&mut self) {
        while let Some(event) = self.inspector.next_event().unwrap() {
            self.event(event);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Forward { to, wire, .. } => self.seen.push(match to {
                Side::Client => Seen::ToClient(wire),
                Side::Upstream => Seen::ToServer(wire),
            }),
            Event::Ask(wire) => {
                let (id, path) = asked(&wire);
                self.seen.push(Seen::Asked(path.clone()));
                let answer = self.host.realpath(id, &path);
                self.inspector.feed(Side::Upstream, &answer).unwrap();
            }
            Event::Judge(judged) => {
                let operations = judged.operations().to_vec();
                let refused = self
                    .refuses
                    .is_some_and(|word| operations.iter().any(|o| o.operation == word));
                self.seen.push(Seen::Judged(operations));
                let seen = match refused {
                    true => Seen::ToClient(
                        self.inspector
                            .refuse(judged, "no: rule files/test")
                            .unwrap(),
                    ),
                    false => Seen::ToServer(self.inspector.allow(judged).unwrap()),
                };
                self.seen.push(seen);
            }
            Event::Refuse { wire, why } => {
                self.seen.push(Seen::ToClient(wire));
                self.seen.push(Seen::Refused(why));
            }
            Event::Closed(report) => self.seen.push(Seen::Closed(report)),
        }
    }

    fn take(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    fn judged(&mut self) -> Vec<FileOperation> {
        let seen = self.take().into_iter();
        seen.filter_map(|s| match s {
            Seen::Judged(operations) => Some(operations),
            _ => None,
        })
        .flatten()
        .collect()
    }

    fn for_client(&mut self) -> Vec<Bytes> {
        let seen = self.take().into_iter();
        seen.filter_map(|s| match s {
            Seen::ToClient(wire) => Some(wire),
            _ => None,
        })
        .collect()
    }

    /// Opens a file: its handle is the number.
    fn open(&mut self, id: u32, path: &str, flags: u32, handle: &str) -> &mut Self {
        self.client(open(id, path, flags, None));
        self.server(&handle_reply(id, handle));
        self
    }

    fn report(&mut self) -> FileReport {
        let closed = self.take().into_iter().find_map(|s| match s {
            Seen::Closed(report) => Some(report),
            _ => None,
        });
        closed.expect("a file was closed")
    }
}

fn paths(operations: &[FileOperation]) -> Vec<&str> {
    operations
        .iter()
        .filter_map(|o| o.path.as_deref())
        .collect()
}

#[test]
fn what_is_allowed_goes_on_as_it_came() {
    let mut stream = Stream::new();
    let request = open(7, "/srv/app/x", READ, None);
    stream.client(request.clone());
    let seen = stream.take();
    assert_eq!(seen[0], Seen::Asked("/srv/app/x".to_owned()));
    assert!(matches!(&seen[1], Seen::Judged(o) if o.len() == 1 && o[0].flags == ["read"]));
    assert_eq!(seen[2], Seen::ToServer(request));
    let answer = handle_reply(7, "h1");
    stream.server(&answer);
    assert_eq!(stream.take(), [Seen::ToClient(answer)]);
    // What happens with an open file was judged when it opened.
    let ask = read(8, "h1", 0, 100);
    stream.client(ask.clone());
    assert_eq!(stream.take(), [Seen::ToServer(ask)]);
    let data = data_reply(8, b"hello");
    stream.server(&data);
    assert_eq!(stream.take(), [Seen::ToClient(data)]);
}

#[test]
fn a_refusal_is_a_status_that_keeps_the_client_in_step() {
    let mut stream = Stream::new();
    stream.refuses = Some("remove");
    // All at once, as clients do.
    let pipelined = [lstat(1, "/srv/a"), remove(2, "/srv/b"), lstat(3, "/srv/c")].concat();
    stream.client(pipelined.into());
    let seen = stream.take();
    let server: Vec<_> = seen
        .iter()
        .filter(|s| matches!(s, Seen::ToServer(_)))
        .collect();
    assert_eq!(
        server,
        [
            &Seen::ToServer(lstat(1, "/srv/a")),
            &Seen::ToServer(lstat(3, "/srv/c"))
        ]
    );
    let refused = status_reply(2, 3, "no: rule files/test");
    assert!(seen.contains(&Seen::ToClient(refused)));
    stream.server(&attrs_reply(1)).server(&attrs_reply(3));
    assert_eq!(stream.for_client(), [attrs_reply(1), attrs_reply(3)]);
}

#[test]
fn a_path_is_judged_as_named_and_as_where_it_leads() {
    let mut stream = Stream::new();
    stream.host.link("/tmp/d", "/home/ana/.ssh");
    stream.client(open(1, "/tmp/d/authorized_keys", WRITE | CREATE, None));
    assert_eq!(
        paths(&stream.judged()),
        ["/tmp/d/authorized_keys", "/home/ana/.ssh/authorized_keys"]
    );
    // What does not say where it leads is judged by that alone.
    stream.client(open(2, "../../tmp/d/x", READ, None));
    assert_eq!(paths(&stream.judged()), ["/home/ana/.ssh/x"]);
    stream.client(open(3, "/srv/app/../../etc/shadow", READ, None));
    assert_eq!(paths(&stream.judged()), ["/etc/shadow"]);
    stream.client(open(4, "//srv/./app//x/", READ, None));
    assert_eq!(paths(&stream.judged()), ["/srv/app/x"]);
    // Removing a link removes the link.
    stream.client(remove(5, "/tmp/d"));
    assert_eq!(paths(&stream.judged()), ["/tmp/d"]);
}

#[test]
fn a_link_is_judged_from_where_it_will_stand() {
    let mut stream = Stream::new();
    stream.client(symlink(1, "authorized_keys", "/home/ana/.ssh/x"));
    let judged = stream.judged();
    assert_eq!(paths(&judged), ["/home/ana/.ssh/authorized_keys"]);
    assert_eq!(judged[0].target.as_deref(), Some("/home/ana/.ssh/x"));
    // One that leads nowhere is one all the same.
    stream.host.missing("/gone");
    stream.client(symlink(2, "/gone/further", "/tmp/y"));
    assert_eq!(paths(&stream.judged()), ["/gone/further"]);
    // A server that does not say which of the two comes first is not asked.
    let mut other = Stream::fresh(Resolve::Links);
    other.client(init(3)).server(&version(&[]));
    other.take();
    other.client(symlink(1, "/a", "/b"));
    assert!(matches!(
        other.take()[..],
        [Seen::ToClient(_), Seen::Refused(_)]
    ));
}

#[test]
fn a_new_file_is_judged_in_the_folder_that_it_comes_into() {
    let mut stream = Stream::new();
    stream.host.link("/tmp/d", "/etc");
    stream.host.strict = true;
    stream.host.missing("/etc/new");
    stream.client(open(1, "/tmp/d/new", WRITE | CREATE, None));
    assert_eq!(paths(&stream.judged()), ["/tmp/d/new", "/etc/new"]);
    // What is not there cannot be read: the host's own answer goes back.
    stream.client(open(2, "/tmp/d/new", READ, None));
    let replies = stream.for_client();
    assert_eq!(replies.len(), 1);
    assert_eq!(
        (replies[0][4], &replies[0][5..13]),
        (kind::STATUS, &[0, 0, 0, 2, 0, 0, 0, 2][..])
    );
}

#[test]
fn modes_and_owners_are_judged_however_they_are_set() {
    let mut stream = Stream::new();
    stream.client(setstat(1, "/srv/x", 0o777));
    stream.client(open(2, "/srv/x", WRITE | CREATE, Some(0o1777)));
    stream.client(mkdir(3, "/srv/d", 0o1777));
    stream.client(extended(
        4,
        "lsetstat@openssh.com",
        &[&string("/srv/x"), &mode(0o777)],
    ));
    stream.server(&handle_reply(2, "h"));
    stream.client(fsetstat(5, "h", 0o777));
    let judged = stream.judged();
    let words: Vec<_> = judged
        .iter()
        .map(|o| (o.operation.as_str(), o.mode))
        .collect();
    let want = [
        ("setstat", 0o777),
        ("open", 0o1777),
        ("mkdir", 0o1777),
        ("lsetstat", 0o777),
        ("fsetstat", 0o777),
    ];
    let want = want.map(|(word, mode)| (word, Some(mode)));
    assert_eq!(words, want);
    assert_eq!(judged[4].path.as_deref(), Some("/srv/x"));
}

#[test]
fn a_mode_that_is_left_to_the_umask_is_none() {
    let mut stream = Stream::new();
    stream.client(mkdir(1, "/srv/d", 0o777));
    stream.client(open(2, "/srv/x", WRITE | CREATE, Some(0o100_666)));
    stream.client(open(3, "/srv/y", WRITE | CREATE, Some(0o644)));
    let modes: Vec<_> = stream.judged().iter().map(|o| o.mode).collect();
    assert_eq!(modes, [None, None, Some(0o644)]);
}

#[test]
fn what_is_unknown_is_refused_in_step() {
    let mut stream = Stream::new();
    for (packet, code) in [
        (extended(1, "exec@evil.com", &[&string("id")]), 3),
        (packet(21, &[&2_u32.to_be_bytes()]), 8),
        (packet(150, &[&3_u32.to_be_bytes(), b"x"]), 8),
        (packet(kind::OPEN, &[&4_u32.to_be_bytes(), b"x"]), 5),
        (
            packet(kind::REMOVE, &[&5_u32.to_be_bytes(), &string("/a"), b"x"]),
            5,
        ),
        (
            packet(kind::REMOVE, &[&6_u32.to_be_bytes(), &string("/a\0b")]),
            5,
        ),
        (
            packet(
                kind::OPEN,
                &[
                    &7_u32.to_be_bytes(),
                    &string("/a"),
                    &0x40_u32.to_be_bytes(),
                    &[0; 4],
                ],
            ),
            5,
        ),
        (
            packet(
                kind::SETSTAT,
                &[&8_u32.to_be_bytes(), &string("/a"), &0x10_u32.to_be_bytes()],
            ),
            5,
        ),
        (close(9, "nobody"), 4),
        (read(10, "nobody", 0, 1), 4),
        (write(11, "nobody", 0, b"x"), 4),
        (lstat(12, &"/x".repeat(2049)), 5),
    ] {
        let id = u32::from_be_bytes(packet[5..9].try_into().unwrap());
        stream.client(packet);
        let seen = stream.take();
        let [Seen::ToClient(reply), Seen::Refused(_)] = &seen[..] else {
            panic!("{id}: {seen:?}");
        };
        assert_eq!(reply[4], kind::STATUS);
        let numbers = [id, code].map(u32::to_be_bytes).concat();
        assert_eq!(reply[5..13], numbers, "{id}");
    }
    // And it goes on.
    stream.client(lstat(99, "/srv"));
    assert_eq!(stream.judged().len(), 1);
}

#[test]
fn a_file_is_used_for_what_it_was_opened_for() {
    let mut stream = Stream::new();
    stream
        .open(1, "/srv/r", READ, "r")
        .open(2, "/srv/w", WRITE, "w");
    stream
        .client(opendir(3, "/srv"))
        .server(&handle_reply(3, "d"));
    stream.take();
    for packet in [
        write(10, "r", 0, b"x"),
        read(11, "w", 0, 1),
        read(12, "d", 0, 1),
        readdir(13, "r"),
        extended(
            14,
            "copy-data",
            &[&string("w"), &[0; 16], &string("r"), &[0; 8]],
        ),
    ] {
        stream.client(packet.clone());
        let seen = stream.take();
        assert!(
            matches!(seen[..], [Seen::ToClient(_), Seen::Refused(_)]),
            "{seen:?}"
        );
    }
    stream.client(extended(
        15,
        "copy-data",
        &[&string("r"), &[0; 16], &string("w"), &[0; 8]],
    ));
    let judged = stream.judged();
    assert_eq!(judged[0].operation, "copy");
    assert_eq!(
        (judged[0].path.as_deref(), judged[0].target.as_deref()),
        (Some("/srv/r"), Some("/srv/w"))
    );
}

#[test]
fn the_hash_is_that_of_the_file() {
    // sha256sum of "hello world".
    const HELLO: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
    let mut stream = Stream::new();
    stream.open(1, "/srv/x", READ, "r");
    // Pipelined, and answered in another order; then the end.
    stream
        .client(read(2, "r", 0, 6))
        .client(read(3, "r", 6, 5))
        .client(read(4, "r", 11, 5));
    stream
        .server(&data_reply(3, b"world"))
        .server(&data_reply(2, b"hello "));
    stream.server(&status_reply(4, 1, "EOF"));
    stream.client(close(5, "r")).server(&status_reply(5, 0, ""));
    let read_it = stream.report();
    assert_eq!(read_it.path, b"/srv/x");
    let content = read_it.read.unwrap();
    assert_eq!(
        (content.sha256.as_str(), content.order, content.bytes),
        (HELLO, Order::Whole, 11)
    );
    assert!(read_it.closed && read_it.written.is_none());
    stream.open(6, "/srv/y", WRITE | CREATE | TRUNCATE, "w");
    stream
        .client(write(7, "w", 0, b"hello "))
        .client(write(8, "w", 6, b"world"));
    stream
        .server(&status_reply(7, 0, ""))
        .server(&status_reply(8, 0, ""));
    stream.client(close(9, "w")).server(&status_reply(9, 0, ""));
    let content = stream.report().written.unwrap();
    assert_eq!(
        (content.sha256.as_str(), content.order),
        (HELLO, Order::Whole)
    );
}

#[test]
fn a_hash_of_parts_says_so() {
    let mut stream = Stream::new();
    let written = |stream: &mut Stream, flags, pieces: &[(u64, &[u8])], fails| {
        stream.open(1, "/srv/y", flags, "w");
        for (offset, piece) in pieces {
            stream
                .client(write(2, "w", *offset, piece))
                .server(&status_reply(2, fails, ""));
        }
        stream.client(close(3, "w")).server(&status_reply(3, 0, ""));
        stream.report().written.unwrap()
    };
    let fresh = WRITE | CREATE | TRUNCATE;
    let whole = written(&mut stream, fresh, &[(0, b"ab")], 0);
    assert_eq!(whole.order, Order::Whole);
    // Over a file that was there before.
    assert_eq!(
        written(&mut stream, WRITE, &[(0, b"ab")], 0).order,
        Order::InOrder
    );
    let appended = written(&mut stream, WRITE | APPEND, &[(0, b"a"), (0, b"b")], 0);
    assert_eq!(
        (appended.order, &appended.sha256),
        (Order::InOrder, &whole.sha256)
    );
    let failed = written(&mut stream, fresh, &[(0, b"ab")], 4);
    assert_eq!((failed.order, failed.failed), (Order::InOrder, 1));
    let sparse = written(&mut stream, fresh, &[(0, b"a"), (1 << 40, b"b")], 0);
    let again = written(&mut stream, fresh, &[(0, b"a"), (1 << 40, b"b")], 0);
    let other = written(&mut stream, fresh, &[(0, b"a"), (1 << 41, b"b")], 0);
    assert_eq!((sparse.order, sparse.bytes), (Order::Scattered, 2));
    assert!(sparse == again && sparse.sha256 != other.sha256);
    let twice = written(&mut stream, fresh, &[(0, b"ab"), (0, b"xy")], 0);
    assert_eq!((twice.order, twice.bytes), (Order::Scattered, 4));
    // In another order, but all of it.
    let swapped = written(&mut stream, fresh, &[(1, b"b"), (0, b"a")], 0);
    assert_eq!(swapped, whole);
    // A size that is set makes it another file.
    stream.open(1, "/srv/y", fresh, "w");
    stream
        .client(write(2, "w", 0, b"ab"))
        .server(&status_reply(2, 0, ""));
    let size = packet(
        kind::FSETSTAT,
        &[
            &3_u32.to_be_bytes(),
            &string("w"),
            &1_u32.to_be_bytes(),
            &1_u64.to_be_bytes(),
        ],
    );
    stream.client(size).server(&status_reply(3, 0, ""));
    assert_eq!(
        stream.inspector.finish()[0].written.as_ref().unwrap().order,
        Order::InOrder
    );
}

#[test]
fn the_hash_of_pieces_is_what_its_doc_says() {
    use aws_lc_rs::digest::{SHA256, digest};
    let mut stream = Stream::new();
    stream.open(1, "/srv/y", WRITE, "w");
    for (id, offset, piece) in [(2, 0, &b"ab"[..]), (3, 9, b"xyz"), (4, 1, b"q")] {
        stream
            .client(write(id, "w", offset, piece))
            .server(&status_reply(id, 0, ""));
    }
    let content = stream.inspector.finish().remove(0).written.unwrap();
    let mut all = digest(&SHA256, b"ab").as_ref().to_vec();
    all.extend(2_u64.to_be_bytes());
    for (offset, piece) in [(9_u64, &b"xyz"[..]), (1, b"q")] {
        all.extend(offset.to_be_bytes());
        all.extend((piece.len() as u32).to_be_bytes());
        all.extend(piece);
    }
    let want: String = digest(&SHA256, &all)
        .as_ref()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!((content.order, content.sha256), (Order::Scattered, want));
}

#[test]
fn a_handle_may_come_back_after_it_was_closed() {
    let mut stream = Stream::new();
    stream.open(1, "/srv/a", READ, "h");
    // The client does not wait, and the server gives out the same handle.
    stream
        .client(read(2, "h", 0, 9))
        .client(close(3, "h"))
        .client(open(4, "/srv/b", READ, None));
    stream
        .server(&data_reply(2, b"aa"))
        .server(&status_reply(3, 0, ""));
    let first = stream.report();
    assert_eq!(
        (first.path.as_slice(), first.read.unwrap().bytes),
        (&b"/srv/a"[..], 2)
    );
    stream
        .server(&handle_reply(4, "h"))
        .client(read(5, "h", 0, 9))
        .server(&data_reply(5, b"bbb"));
    let second = stream.inspector.finish().remove(0);
    assert_eq!(
        (second.path.as_slice(), second.read.unwrap().bytes),
        (&b"/srv/b"[..], 3)
    );
    assert!(!second.closed);
}

#[test]
fn what_would_be_refused_is_not_announced() {
    let mut stream = Stream::fresh(Resolve::Links);
    stream.client(init(6));
    assert_eq!(stream.take(), [Seen::ToServer(init(3))]);
    let all = version(&[
        ("posix-rename@openssh.com", "1"),
        ("evil@example.com", "1"),
        ("limits@openssh.com", "1"),
    ]);
    stream.server(&all);
    let known = version(&[
        ("posix-rename@openssh.com", "1"),
        ("limits@openssh.com", "1"),
    ]);
    assert_eq!(stream.take(), [Seen::ToClient(known)]);
    // Nor is more than may pass.
    stream.client(extended(1, "limits@openssh.com", &[]));
    let numbers = |n: [u64; 4]| n.map(u64::to_be_bytes).concat();
    let id = 1_u32.to_be_bytes();
    let huge = packet(
        kind::EXTENDED_REPLY,
        &[&id, &numbers([0, 1 << 30, 4096, 99_999])],
    );
    stream.take();
    stream.server(&huge);
    let bounded = numbers([262_144, 261_120, 4096, limits::SFTP_HANDLES_MAX as u64]);
    assert_eq!(
        stream.take(),
        [Seen::ToClient(packet(
            kind::EXTENDED_REPLY,
            &[&id, &bounded]
        ))]
    );
}

#[test]
fn nothing_moves_while_something_is_judged_but_answers() {
    let mut stream = Stream::new();
    stream.client(lstat(1, "/srv/a"));
    stream.take();
    let both = [remove(2, "/srv/b"), lstat(3, "/srv/c")].concat();
    stream.inspector.feed(Side::Client, &both).unwrap();
    let Some(Event::Ask(ask)) = stream.inspector.next_event().unwrap() else {
        panic!("the folder is asked about");
    };
    let (id, path) = packets::asked(&ask);
    assert_eq!(path, "/srv");
    assert!(stream.inspector.next_event().unwrap().is_none());
    let answer = stream.host.realpath(id, &path);
    stream.inspector.feed(Side::Upstream, &answer).unwrap();
    let Some(Event::Judge(judged)) = stream.inspector.next_event().unwrap() else {
        panic!("it is judged");
    };
    assert!(stream.inspector.next_event().unwrap().is_none());
    stream
        .inspector
        .feed(Side::Upstream, &attrs_reply(1))
        .unwrap();
    assert!(matches!(
        stream.inspector.next_event(),
        Ok(Some(Event::Forward {
            to: Side::Client,
            ..
        }))
    ));
    assert!(stream.inspector.next_event().unwrap().is_none());
    // A question of another stream is no question of this one.
    let mut other = Stream::new();
    assert!(other.inspector.allow(judged).is_err());
}
