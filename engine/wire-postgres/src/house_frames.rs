//! The bytes of what the gateway says upstream on its own. Constants, but for names: nothing of a
//! client's text ever goes in here.

use crate::frame::build;
use bytes::Bytes;

/// The name of the gateway's own statements and portals upstream; a client may not use it.
pub const RESERVED: &str = "portcullis$";

/// Text that no grammar accepts: the server itself makes the transaction fail.
const REFUSED: &str = "PORTCULLIS refused this statement";

/// State of the session that a vote is bound to. Everything is qualified: the client's search_path
/// must not be able to answer this question.
const PROBE: &str = "SELECT current_user::pg_catalog.text, pg_catalog.current_setting('search_path'), \
(SELECT pg_catalog.string_agg(c.relname::pg_catalog.text, ' ' ORDER BY c.relname::pg_catalog.text) \
FROM pg_catalog.pg_class AS c \
WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())";

/// What every name of the session stands for, in the words it was made with.
const NAMES: &str = "SELECT 's', name, statement FROM pg_catalog.pg_prepared_statements \
UNION ALL SELECT 'c', name, statement FROM pg_catalog.pg_cursors";

fn text(frame: &mut Vec<u8>, text: &str) {
    frame.extend_from_slice(text.as_bytes());
    frame.push(0);
}

fn parse(name: &str, sql: &str) -> Bytes {
    build(b'P', |frame| {
        text(frame, name);
        text(frame, sql);
        frame.extend_from_slice(&[0, 0]);
    })
}

/// Makes the implicit or open transaction fail, within an extended batch.
#[must_use]
pub fn abort_extended() -> Bytes {
    parse(RESERVED, REFUSED)
}

/// The same between simple queries.
#[must_use]
pub fn abort_simple() -> Bytes {
    build(b'Q', |frame| text(frame, REFUSED))
}

/// CopyFail.
#[must_use]
pub fn abort_copy() -> Bytes {
    build(b'f', |frame| text(frame, REFUSED))
}

/// Describe of a statement (`S`) or portal (`P`).
#[must_use]
pub fn describe(kind: u8, name: &str) -> Bytes {
    build(b'D', |frame| {
        frame.push(kind);
        text(frame, name);
    })
}

/// Flush.
#[must_use]
pub fn flush() -> Bytes {
    Bytes::from_static(b"H\0\0\0\x04")
}

/// Sync.
#[must_use]
pub fn sync() -> Bytes {
    Bytes::from_static(b"S\0\0\0\x04")
}

/// Terminate.
#[must_use]
pub fn terminate() -> Bytes {
    Bytes::from_static(b"X\0\0\0\x04")
}

/// CancelRequest with the upstream's own key.
#[must_use]
pub fn cancel(process: i32, key: &[u8]) -> Bytes {
    let length = u32::try_from(12 + key.len()).unwrap_or(u32::MAX);
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(&80_877_102_u32.to_be_bytes());
    frame.extend_from_slice(&process.to_be_bytes());
    frame.extend_from_slice(key);
    frame.into()
}

/// Asks for role, search_path and shadowing relations.
#[must_use]
pub fn probe(sync_after: bool) -> Bytes {
    ask(PROBE, sync_after)
}

/// Asks what prepared statements and cursors stand for.
#[must_use]
pub fn names(sync_after: bool) -> Bytes {
    ask(NAMES, sync_after)
}

/// Parse, Bind, Execute, and both closed again; then Sync or Flush.
fn ask(sql: &str, sync_after: bool) -> Bytes {
    let mut frames = Vec::with_capacity(600);
    frames.extend_from_slice(&parse(RESERVED, sql));
    frames.extend_from_slice(&build(b'B', |frame| {
        text(frame, RESERVED);
        text(frame, RESERVED);
        frame.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
    }));
    frames.extend_from_slice(&build(b'E', |frame| {
        text(frame, RESERVED);
        frame.extend_from_slice(&[0, 0, 0, 0]);
    }));
    for kind in [b'P', b'S'] {
        frames.extend_from_slice(&build(b'C', |frame| {
            frame.push(kind);
            text(frame, RESERVED);
        }));
    }
    frames.extend_from_slice(&match sync_after {
        true => sync(),
        false => flush(),
    });
    frames.into()
}
