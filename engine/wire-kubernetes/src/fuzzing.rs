//! What reads bytes of clusters and clients, for the fuzz targets; compiled for nobody else.

pub use crate::spdy::Frame;

use crate::mask::{Expected, Walk};
use crate::spdy::{Place, Reader, Streams, Use, Writer, data, go_away, ping, reply, reset, syn};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use portcullis_model::{Blame, Call, CallBody, ColumnMask, Edits, Fault, Strategy};
use std::sync::Arc;

/// A request line with headers; `None` when it is turned away.
#[must_use]
pub fn asked(method: &str, target: &str, lines: &[(&str, &str)]) -> Option<Call> {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_str(value).ok()?);
    }
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let asked = crate::call::read(&method, target, &headers).ok()?;
    Some(asked.call)
}

/// Frames of SPDY by the pieces in which they come, and whether all of it was read. Bytes of one stream that follow
/// each other are put together: a cut may fall anywhere in them.
pub fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, bool) {
    let mut reader = Reader::new(Blame::Client);
    let mut frames: Vec<Frame> = Vec::new();
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next() {
                Ok(Some(frame)) => join(&mut frames, frame),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
    }
    (frames, true)
}

fn join(frames: &mut Vec<Frame>, frame: Frame) {
    match (frames.last_mut(), frame) {
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
            *bytes = [bytes.as_ref(), more.as_ref()].concat().into();
            *end = fin;
        }
        (_, frame) => frames.push(frame),
    }
}

/// The same frames, as the gateway writes them.
#[must_use]
pub fn written(frames: &[Frame]) -> Vec<u8> {
    let mut writer = Writer::default();
    let mut wire = Vec::new();
    for frame in frames {
        wire.extend(match frame {
            Frame::Open {
                stream,
                fin,
                headers,
            } => {
                let headers: Vec<(&str, &str)> = headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                syn(&mut writer, *stream, *fin, &headers)
            }
            Frame::Reply { stream, fin } => reply(&mut writer, *stream, *fin),
            Frame::Reset { stream, status } => reset(*stream, *status),
            Frame::Ping(id) => ping(*id),
            Frame::GoAway { last, status } => go_away(*last, *status),
            Frame::Data { stream, fin, bytes } => data(*stream, bytes, *fin),
            Frame::Headers { .. } | Frame::Nothing => Vec::new(),
        });
    }
    wire
}

/// What the streams of a client are taken for: how many it opened before it did what nobody may.
#[must_use]
pub fn opened(frames: &[Frame], ports: bool) -> usize {
    let mut streams = Streams::new(match ports {
        true => Use::Ports,
        false => Use::Command,
    });
    let mut count = 0;
    for frame in frames {
        match frame {
            Frame::Open {
                stream,
                fin,
                headers,
            } => match streams.claim(*stream, headers) {
                Ok(Some(role)) => {
                    streams.add(*stream, role, *fin);
                    count += 1;
                }
                Ok(None) => {}
                Err(_) => return count,
            },
            Frame::Data { stream, fin, .. } => match streams.place(*stream, true) {
                Ok(Place::Open(_)) if *fin => streams.finish(*stream, true),
                Ok(_) => {}
                Err(_) => return count,
            },
            Frame::Reset { stream, .. } => streams.remove(*stream),
            _ => {}
        }
    }
    count
}

/// An answer as it is released where secrets are masked and nothing else is, by the pieces in which it comes.
///
/// # Errors
/// When it cannot be read.
pub fn masked<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    secrets: bool,
    events: bool,
) -> Result<Vec<u8>, Fault> {
    let mut walk = Walk::new(Expected {
        secrets,
        events,
        ..Expected::default()
    });
    let mut out = Vec::new();
    let mut release = |walk: &mut Walk| -> Result<(), Fault> {
        let Some(piece) = walk.take() else {
            return Ok(());
        };
        let (batch, rewrite) = piece.batch();
        let secret = ColumnMask {
            column: 1,
            strategy: Strategy::Redact,
            label: Arc::from("secret"),
        };
        let edits = Edits {
            columns: vec![secret],
            ..Edits::default()
        };
        out.extend_from_slice(&rewrite.rewrite(&batch, &edits)?);
        Ok(())
    };
    for piece in pieces {
        walk.push(piece)?;
        release(&mut walk)?;
    }
    walk.end()?;
    release(&mut walk)?;
    Ok(out)
}

/// The body of a request; `None` when it is turned away.
#[must_use]
pub fn body(call: &Call, bytes: &[u8]) -> Option<CallBody> {
    crate::body::read(call, bytes).ok()
}
