//! What holds of any stream: however it is cut, whatever is in it.

use super::*;
use proptest::prelude::*;

fn request() -> impl Strategy<Value = Bytes> {
    let path = prop_oneof![
        Just("/srv/app/x".to_owned()),
        Just("..".to_owned()),
        Just("/tmp/d/x".to_owned()),
        "[a-z./]{0,12}",
    ];
    let handle = prop_oneof![Just("0"), Just("1"), Just("2")];
    (
        0_u32..40,
        path,
        handle,
        0_u8..26,
        proptest::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(id, path, handle, which, noise)| match which {
            0..=4 => open(id, &path, u32::from(which) * 7 % 64, None),
            5 => close(id, handle),
            6 | 7 => read(id, handle, u64::from(noise.len() as u32), 100),
            8 | 9 => write(id, handle, 0, &noise),
            10 => setstat(id, &path, 0o777),
            11 => fsetstat(id, handle, 0o600),
            12 => mkdir(id, &path, 0o755),
            13 => two(kind::RENAME, id, &path, "/srv/y"),
            14 => symlink(id, &path, "/srv/z"),
            15 => extended(
                id,
                "hardlink@openssh.com",
                &[&string(&path), &string("/srv/h")],
            ),
            16 => extended(id, "evil", &[&noise]),
            17 => packet(which * 7, &[&id.to_be_bytes(), &noise]),
            18 => packet(kind::OPEN, &[&noise]),
            19 => opendir(id, &path),
            20 => readdir(id, handle),
            21 => extended(
                id,
                "copy-data",
                &[&string(handle), &[0; 16], &string("1"), &[0; 8]],
            ),
            22 => extended(id, "limits@openssh.com", &[]),
            23 => extended(id, "statvfs@openssh.com", &[&string(&path)]),
            _ => one(kind::LSTAT, id, &path),
        })
}

/// An obedient server: one answer to each request, in order.
#[derive(Default)]
struct Server {
    handles: u32,
}

impl Server {
    fn answer(&mut self, wire: &[u8]) -> Option<Bytes> {
        let id = u32::from_be_bytes(wire.get(5..9)?.try_into().ok()?);
        Some(match wire[4] {
            kind::INIT => version(&[("hardlink@openssh.com", "1")]),
            kind::OPEN | kind::OPENDIR => {
                self.handles += 1;
                handle_reply(id, &(self.handles - 1).to_string())
            }
            kind::READ => data_reply(id, b"data"),
            kind::READDIR => name_reply(id, &["a", "b"]),
            kind::LSTAT | kind::STAT => attrs_reply(id),
            kind::EXTENDED if wire.windows(6).any(|w| w == b"limits") => {
                packet(kind::EXTENDED_REPLY, &[&id.to_be_bytes(), &[0; 32]])
            }
            kind::EXTENDED if wire.windows(7).any(|w| w == b"statvfs") => {
                packet(kind::EXTENDED_REPLY, &[&id.to_be_bytes(), &[0; 88]])
            }
            _ => status_reply(id, 0, ""),
        })
    }
}

/// What the server gets, what the client gets, what was judged, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    server: Vec<Bytes>,
    client: Vec<Bytes>,
    judged: Vec<FileOperation>,
    reports: Vec<FileReport>,
    broken: bool,
}

fn run(pieces: &[&[u8]]) -> Outcome {
    let (mut inspector, mut server) = (Inspector::new(Resolve::Links), Server::default());
    let mut host = Host::default();
    host.link("/tmp/d", "/etc");
    let mut outcome = Outcome::default();
    for piece in pieces {
        if inspector.feed(Side::Client, piece).is_err() {
            outcome.broken = true;
            break;
        }
        loop {
            let event = match inspector.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(_) => {
                    outcome.broken = true;
                    break;
                }
            };
            let to_server = match event {
                Event::Forward {
                    to: Side::Upstream,
                    wire,
                    ..
                } => wire,
                Event::Forward { wire, .. } | Event::Refuse { wire, .. } => {
                    outcome.client.push(wire);
                    continue;
                }
                Event::Ask(wire) => {
                    let path = asked(&wire);
                    inspector
                        .feed(Side::Upstream, &host.realpath(path.0, &path.1))
                        .unwrap();
                    continue;
                }
                Event::Judge(judged) => {
                    outcome.judged.extend_from_slice(judged.operations());
                    match judged
                        .operations()
                        .iter()
                        .any(|o| o.path.as_deref() == Some("/etc/x"))
                    {
                        true => {
                            outcome.client.push(inspector.refuse(judged, "no").unwrap());
                            continue;
                        }
                        false => inspector.allow(judged).unwrap(),
                    }
                }
                Event::Closed(report) => {
                    outcome.reports.push(report);
                    continue;
                }
            };
            if let Some(answer) = server.answer(&to_server) {
                inspector.feed(Side::Upstream, &answer).unwrap();
            }
            outcome.server.push(to_server);
        }
        if outcome.broken {
            break;
        }
    }
    outcome.reports.extend(inspector.finish());
    outcome
}

fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn cut_anywhere_the_same_happens(
        requests in proptest::collection::vec(request(), 0..25),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let all = [init(3)].into_iter().chain(requests).collect::<Vec<_>>().concat();
        let whole = run(&[&all]);
        prop_assert_eq!(&run(&cut(&all, &cuts)), &whole);
        let bytes: Vec<&[u8]> = all.chunks(1).collect();
        prop_assert_eq!(&run(&bytes), &whole);
    }

    #[test]
    fn what_goes_on_is_what_came_and_each_request_has_one_answer(
        requests in proptest::collection::vec(request(), 0..25),
    ) {
        let all = [init(3)].into_iter().chain(requests.clone()).collect::<Vec<_>>().concat();
        let outcome = run(&[&all]);
        let mut came = requests.iter();
        for wire in outcome.server.iter().skip(1) {
            prop_assert!(came.any(|request| request == wire), "{:?} was never sent", wire);
        }
        if !outcome.broken {
            // The answer to hello among them.
            prop_assert_eq!(outcome.client.len(), requests.len() + 1);
        }
        prop_assert!(!outcome.server.iter().any(|w| w.windows(6).any(|p| p == b"/etc/x")));
    }

    #[test]
    fn any_bytes_are_events_or_the_end(
        client in proptest::collection::vec(any::<u8>(), 0..200),
        server in proptest::collection::vec(any::<u8>(), 0..200),
        hello in any::<bool>(),
    ) {
        let mut inspector = match hello {
            true => Stream::new().inspector,
            false => Inspector::new(Resolve::Names),
        };
        for (side, bytes) in [(Side::Client, &client), (Side::Upstream, &server)] {
            let _ = inspector.feed(side, bytes);
            for _ in 0..500 {
                match inspector.next_event() {
                    Ok(Some(Event::Judge(judged))) => drop(inspector.allow(judged)),
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        }
        let _ = inspector.finish();
    }
}
