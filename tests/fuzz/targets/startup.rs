//! The first packets of a connection, before anybody has proved anything. Law: no parameter but the allowed
//! ones comes through, however it is spelled, and the packet is the same in any pieces.
//!
//! Input: 0 and a packet in pieces (piece, packet), or 1 and the text of `options`.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{Input, chunks};
use portcullis_wire_postgres::fuzzing::{Packet, Startup, Unfit, take_startup};
use std::fmt::Write as _;

const ALLOWED: [&str; 7] = [
    "application_name",
    "client_encoding",
    "datestyle",
    "extra_float_digits",
    "portcullis.reason",
    "portcullis.ticket",
    "timezone",
];

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    match input.byte() % 2 {
        0 => {
            let pattern = input.piece();
            packet(input.rest(), pattern);
        }
        _ => options(input.rest()),
    }
});

fn packet(stream: &[u8], pattern: &[u8]) {
    let whole = read([stream].into_iter());
    assert_eq!(whole, read(chunks(stream, pattern)));
    match whole {
        Ok(Some(Packet::Startup(startup))) => fit(&startup),
        Ok(Some(Packet::Cancel(_, key))) => assert!((4..=256).contains(&key.len())),
        Err(Unfit::Parameter(name)) => assert!(name.chars().all(|c| c.is_ascii_graphic())),
        _ => {}
    }
}

fn read<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Result<Option<Packet>, Unfit> {
    let mut buffer = BytesMut::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        if let Some(packet) = take_startup(&mut buffer)? {
            return Ok(Some(packet));
        }
    }
    Ok(None)
}

fn fit(startup: &Startup) {
    assert!(!startup.user.is_empty() && !startup.database.is_empty());
    for (name, value) in &startup.settings {
        assert!(ALLOWED.contains(&name.as_str()), "{name}");
        assert!(value.len() <= 1024 && !value.contains('\0'));
    }
}

/// What is accepted means the same when it is written again.
fn options(text: &[u8]) {
    if text.contains(&0) {
        return;
    }
    let Ok(first) = with_options(text) else {
        return;
    };
    fit(&first);
    let mut again = String::new();
    for (name, value) in &first.settings {
        write!(again, " -c {name}=").expect("a string takes everything");
        for c in value.chars() {
            again.extend(['\\', c]);
        }
    }
    assert_eq!(with_options(again.as_bytes()), Ok(first));
}

fn with_options(text: &[u8]) -> Result<Startup, Unfit> {
    let body = [b"\0\x03\0\0user\0ana\0options\0", text, b"\0\0"].concat();
    let length = u32::try_from(body.len() + 4).map_err(|_| Unfit::Malformed)?;
    let packet = [length.to_be_bytes().as_slice(), &body].concat();
    match read([packet.as_slice()].into_iter())? {
        Some(Packet::Startup(startup)) => Ok(startup),
        _ => Err(Unfit::Malformed),
    }
}
