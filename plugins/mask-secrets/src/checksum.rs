//! Checksums that vendors put into their tokens, so that a scanner need not guess.

use portcullis_sdk::checks;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// CRC-32 of ISO 3309, as in zlib.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        let mut crc = crc ^ u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1));
        }
        crc
    })
}

/// `prefix_` + thirty characters + their CRC-32 in six digits of base 62.
/// <https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>: GitHub; npm took
/// the format over.
pub fn base62_crc(token: &[u8]) -> bool {
    let Some(split) = memchr::memchr(b'_', token) else {
        return false;
    };
    let body = &token[split + 1..];
    if body.len() != 36 {
        // Longer ones came later and have no published checksum.
        return body.len() > 36;
    }
    let (random, check) = body.split_at(30);
    let mut value = u64::from(crc32(random));
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(value % 62) as usize];
        value /= 62;
    }
    value == 0 && digits == check
}

/// `glsa_` + 32 characters + `_` + the CRC-32 of everything before it in hexadecimal digits (Grafana,
/// `pkg/components/satokengen` of its public source).
pub fn grafana(token: &[u8]) -> bool {
    let Some(split) = memchr::memrchr(b'_', token) else {
        return false;
    };
    let (body, check) = (&token[..split], &token[split + 1..]);
    let digit = |i: usize| {
        let byte = crc32(body).to_le_bytes()[i / 2];
        b"0123456789abcdef"[usize::from(byte >> (4 * (1 - i % 2)) & 0xf)]
    };
    body.len() == 37
        && check.len() == 8
        && check
            .iter()
            .enumerate()
            .all(|(i, c)| c.eq_ignore_ascii_case(&digit(i)))
}

/// bech32 (BIP 173) over the whole, as age writes its keys (<https://age-encryption.org/v1>, "The X25519 recipient type").
pub fn bech32(token: &[u8]) -> bool {
    let Some(split) = memchr::memrchr(b'1', token) else {
        return false;
    };
    checks::bech32(&token[..split], &token[split + 1..]) == Some(1)
}

/// A macaroon that names its registry: `AgEIcHlwaS5vcmc` is version 2, location `pypi.org`
/// (<https://warehouse.pypa.io/development/token-scanning.html>).
pub fn macaroon(token: &[u8]) -> bool {
    let body = token.strip_prefix(b"pypi-").unwrap_or_default();
    body.starts_with(b"AgEIcHlwaS5vcmc") || body.starts_with(b"AgENdGVzdC5weXBpLm9yZw")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_hold() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        // Assembled, so that no scanner takes it for a real one.
        let token = ["ghp", "_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"].concat();
        assert!(base62_crc(token.as_bytes()));
        assert!(!base62_crc(token.replace("0mLq17", "0mLq18").as_bytes()));
        let key = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        assert!(bech32(key.as_bytes()));
        assert!(!bech32(key.replace("GAEX", "GAEY").as_bytes()));
    }
}
