//! base64 and hexadecimal digits back into bytes. What does not belong is skipped: the question is only whether a secret
//! stands inside, and a line break must not hide it.

/// Either alphabet of base64, padded or not.
pub fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4 + 3);
    let (mut sum, mut bits) = (0_u32, 0);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        sum = sum << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((sum >> bits) as u8);
        }
    }
    out
}

/// Pairs of hexadecimal digits.
pub fn hex(text: &[u8]) -> Vec<u8> {
    let mut digits = text.iter().filter_map(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(text.len() / 2);
    while let (Some(high), Some(low)) = (digits.next(), digits.next()) {
        out.push((high << 4 | low) as u8);
    }
    out
}

/// Writes base64 (RFC 4648 section 4) without padding: for anchors.
pub fn to_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for sextet in 0..=chunk.len() {
            out.push(char::from(
                ALPHABET[(word >> (18 - 6 * sextet) & 63) as usize],
            ));
        }
    }
    out
}
