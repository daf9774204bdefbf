//! Masks of ours in what comes back: plain, and in base64 as they stand in the `data` of a Secret, wherever in the
//! body and at whatever offset of the encoded value; and the number that stands for masked ones, in text and in protobuf.
//!
//! Refuses them: `kubectl edit` of a masked object would write the mask over the real value.

use crate::mask::NUMBER;
use crate::turned::Turned;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use memchr::memmem;
use portcullis_model::rows::MASK_MARKER;
use std::sync::LazyLock;

/// The marker as it may stand in a body. JSON may write the bracket as an escape, so that what is searched for
/// begins behind it.
static NEEDLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let number = NUMBER.to_string();
    let mut needles = encoded(MASK_MARKER);
    needles.extend(encoded(&number));
    needles.push(MASK_MARKER.trim_start_matches('[').as_bytes().to_vec());
    needles.push(number.into_bytes());
    needles.push(varint(i64::from(NUMBER).cast_unsigned()));
    needles.sort();
    needles.dedup();
    needles
});

/// As it stands within base64, at each of the offsets that it can have.
fn encoded(text: &str) -> Vec<Vec<u8>> {
    let mut needles = Vec::new();
    for offset in 0..3_usize {
        let shifted = [vec![0; offset], text.as_bytes().to_vec()].concat();
        for encoded in [STANDARD.encode(&shifted), URL_SAFE.encode(&shifted)] {
            // Digits that other bytes take part in: those in front, and the last ones.
            let front = (offset * 8).div_ceil(6);
            let whole = shifted.len() * 8 / 6;
            if let Some(needle) = encoded.as_bytes().get(front..whole) {
                needles.push(needle.to_vec());
            }
        }
    }
    needles
}

/// A number as protobuf writes it; one below zero has ten bytes whatever its field's width.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

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
