//! The inspector of SFTP between a client and a server that send anything. Laws: however the bytes are cut, the same
//! happens; what the server gets is what the client sent, packet by packet; what was refused never reaches it.
//!
//! Input: a byte of choices, then pieces: a byte whose lowest bit is the side, and a length with its bytes.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::Input;
use portcullis_model::Side;
use portcullis_wire_ssh::sftp::{Event, Inspector, Resolve};

const PIECES_MAX: usize = 64;
const EVENTS_MAX: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let choices = input.byte();
    let mut pieces = Vec::new();
    if choices & 1 == 1 {
        pieces.push((
            Side::Client,
            Bytes::from_static(&[0, 0, 0, 5, 1, 0, 0, 0, 3]),
        ));
        pieces.push((Side::Upstream, hello()));
    }
    while !input.is_empty() && pieces.len() < PIECES_MAX {
        let side = match input.byte() & 1 {
            0 => Side::Client,
            _ => Side::Upstream,
        };
        pieces.push((side, Bytes::copy_from_slice(input.piece())));
    }
    let whole = run(
        choices,
        pieces.iter().map(|(side, piece)| (*side, piece.as_ref())),
    );
    let bytes = pieces
        .iter()
        .flat_map(|(side, piece)| piece.chunks(1).map(|byte| (*side, byte)));
    assert_eq!(run(choices, bytes), whole);
    let sent: Vec<u8> = pieces
        .iter()
        .filter(|(side, _)| *side == Side::Client)
        .flat_map(|(_, piece)| piece.to_vec())
        .collect();
    let mut rest = sent.as_slice();
    for wire in &whole.server {
        let at = rest.windows(wire.len()).position(|window| window == wire);
        rest = &rest[at.expect("the server gets what the client sent") + wire.len()..];
    }
});

/// `SSH_FXP_VERSION` with OpenSSH's extensions, some of them.
fn hello() -> Bytes {
    let mut body = vec![2, 0, 0, 0, 3];
    for text in ["posix-rename@openssh.com", "1", "copy-data", "1"] {
        body.extend((text.len() as u32).to_be_bytes());
        body.extend(text.bytes());
    }
    [&(body.len() as u32).to_be_bytes()[..], &body]
        .concat()
        .into()
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    server: Vec<Bytes>,
    client: Vec<Bytes>,
    reports: usize,
    broken: bool,
}

fn run<'a>(choices: u8, pieces: impl Iterator<Item = (Side, &'a [u8])>) -> Outcome {
    let mut inspector = Inspector::new(match choices & 2 {
        0 => Resolve::Links,
        _ => Resolve::Names,
    });
    let mut outcome = Outcome::default();
    for (side, piece) in pieces {
        outcome.broken |= inspector.feed(side, piece).is_err();
        for _ in 0..EVENTS_MAX {
            match inspector.next_event() {
                Ok(Some(event)) => step(&mut inspector, event, choices, &mut outcome),
                Ok(None) => break,
                Err(_) => outcome.broken = true,
            }
            if outcome.broken {
                return outcome;
            }
        }
    }
    outcome.reports += inspector.finish().len();
    outcome
}

fn step(inspector: &mut Inspector, event: Event, choices: u8, outcome: &mut Outcome) {
    match event {
        // Hello is the gateway's own: one version only.
        Event::Forward {
            to: Side::Upstream,
            wire,
            ..
        } if wire[4] != 1 => outcome.server.push(wire),
        Event::Forward {
            to: Side::Upstream, ..
        } => {}
        Event::Forward { wire, .. } | Event::Refuse { wire, .. } => outcome.client.push(wire),
        Event::Ask(wire) => {
            let answer = leads(&wire, choices);
            outcome.broken |= inspector.feed(Side::Upstream, &answer).is_err();
        }
        Event::Judge(judged) => {
            let wire = judged.wire().clone();
            match wire.len() % 3 == 0 {
                true => outcome
                    .client
                    .push(inspector.refuse(judged, "no").expect("it was asked")),
                false => {
                    assert_eq!(inspector.allow(judged).expect("it was asked"), wire);
                    outcome.server.push(wire);
                }
            }
        }
        Event::Closed(_) => outcome.reports += 1,
    }
}

/// Where a path leads: somewhere, or nowhere.
fn leads(ask: &[u8], choices: u8) -> Vec<u8> {
    let id = &ask[5..9];
    let body = match choices & 4 {
        0 => [
            &[104][..],
            id,
            &[0, 0, 0, 1, 0, 0, 0, 2],
            b"/x",
            &[0, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat(),
        _ => [&[101][..], id, &[0, 0, 0, 2]].concat(),
    };
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}
