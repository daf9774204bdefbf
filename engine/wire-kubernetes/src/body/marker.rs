//! Masks of ours in what comes back: plain, and in base64 as they stand in the `data` of a Secret, wherever in the
//! body and at whatever offset of the encoded value.
//!
//! Refuses them: `kubectl edit` of a masked object would write the mask over the real value.

use crate::turned::Turned;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use memchr::memmem;
use portcullis_model::rows::MASK_MARKER;
use std::sync::LazyLock;

/// The marker as it may stand in a body. JSON may write the bracket as an escape, so that what is searched for
/// begins behind it.
static NEEDLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let plain = MASK_MARKER.trim_start_matches('[').as_bytes().to_vec();
    let mut needles = vec![plain];
    for offset in 0..3_usize {
        let shifted = [vec![0; offset], MASK_MARKER.as_bytes().to_vec()].concat();
        for encoded in [STANDARD.encode(&shifted), URL_SAFE.encode(&shifted)] {
            // Digits that other bytes take part in: those in front, and the last ones.
            let front = (offset * 8).div_ceil(6);
            let whole = shifted.len() * 8 / 6;
            if let Some(needle) = encoded.as_bytes().get(front..whole) {
                needles.push(needle.to_vec());
            }
        }
    }
    needles.sort();
    needles.dedup();
    needles
});

/// Turns a body away that holds one.
pub(super) fn refuse(body: &[u8]) -> Result<(), Turned> {
    match NEEDLES.iter().any(|n| memmem::find(body, n).is_some()) {
        false => Ok(()),
        true => Err(Turned::forbidden(
            "portcullis/mask-marker",
            "the object holds masked values: writing it would destroy the real ones",
            "Change only what you mean to change: kubectl patch, set image, scale, label, annotate.",
        )),
    }
}
