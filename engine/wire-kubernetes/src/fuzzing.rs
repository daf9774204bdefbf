//! What reads bytes of clusters and clients, for the fuzz targets; compiled for nobody else.

use crate::mask::{Expected, Walk};
use portcullis_model::{Call, CallBody, ColumnMask, Edits, Fault, Strategy};
use std::sync::Arc;

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
