//! Addresses of crypto currencies by their checksums: base58check (four bytes of a double SHA-256), bech32 and bech32m
//! (BIP 173, BIP 350), Ethereum's mixed-case checksum (EIP-55). An Ethereum address in one case has no checksum and
//! needs words.

use portcullis_sdk::checks;
use sha2::{Digest, Sha256};
use sha3::Keccak256;

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// How sure it is that a word is an address.
pub fn score(word: &[u8]) -> Option<u8> {
    match word {
        [b'0', b'x' | b'X', digits @ ..] if digits.len() == 40 => ethereum(digits),
        [
            b'1' | b'3' | b'L' | b'M' | b'D' | b'A' | b'9' | b'm' | b'n' | b'2' | b'T',
            ..,
        ] if (26..=35).contains(&word.len()) => base58check(word).then_some(95),
        _ if (14..=90).contains(&word.len()) => bech32(word).then_some(95),
        _ => None,
    }
}

/// EIP-55: a letter is a capital where the hash of the address in small letters has a digit of 8 or more.
fn ethereum(digits: &[u8]) -> Option<u8> {
    if !digits.iter().all(u8::is_ascii_hexdigit) || digits.iter().all(|b| *b == digits[0]) {
        return None;
    }
    let upper = digits.iter().any(u8::is_ascii_uppercase);
    let lower = digits.iter().any(u8::is_ascii_lowercase);
    if !(upper && lower) {
        return Some(35);
    }
    let hash = Keccak256::digest(digits.to_ascii_lowercase());
    let right = digits.iter().enumerate().all(|(i, digit)| {
        let nibble = hash[i / 2] >> (4 * (1 - i % 2)) & 0xf;
        !digit.is_ascii_alphabetic() || digit.is_ascii_uppercase() == (nibble >= 8)
    });
    right.then_some(95)
}

/// A version of a known network, twenty bytes, and their checksum.
fn base58check(word: &[u8]) -> bool {
    // A hash in hexadecimal digits is none, whatever its checksum: the needles rely on it.
    if word.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return false;
    }
    let mut bytes = [0_u8; 25];
    for character in word {
        let Some(mut carry) = BASE58.iter().position(|c| c == character) else {
            return false;
        };
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return false;
        }
    }
    // Bitcoin, its test network, Litecoin, Dogecoin, Tron.
    let known = matches!(
        bytes[0],
        0x00 | 0x05 | 0x6f | 0xc4 | 0x30 | 0x32 | 0x1e | 0x16 | 0x41
    );
    let hash = Sha256::digest(Sha256::digest(&bytes[..21]));
    known && hash[..4] == bytes[21..]
}

/// A known prefix, and the polynomial's constant of BIP 173 or BIP 350.
fn bech32(word: &[u8]) -> bool {
    let known = [b"bc1".as_slice(), b"tb1", b"ltc1", b"bcrt1"];
    let Some(prefix) = known
        .iter()
        .find(|p| word.len() > p.len() && word[..p.len()].eq_ignore_ascii_case(p))
    else {
        return false;
    };
    let mixed = word.iter().any(u8::is_ascii_uppercase) && word.iter().any(u8::is_ascii_lowercase);
    let (human, data) = (&prefix[..prefix.len() - 1], &word[prefix.len()..]);
    !mixed && matches!(checks::bech32(human, data), Some(1 | 0x2bc8_30a3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_addresses_hold_and_others_do_not() {
        for right in [
            "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
            "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        ] {
            assert_eq!(score(right.as_bytes()), Some(95), "{right}");
            let mut wrong = right.as_bytes().to_vec();
            wrong.swap(right.len() - 1, right.len() - 3);
            assert_eq!(score(&wrong), None, "{right}");
        }
        assert_eq!(
            score(b"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"),
            Some(35)
        );
    }
}
