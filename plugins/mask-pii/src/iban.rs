//! IBANs: country, two check digits, and the length that the IBAN registry (ISO 13616) gives the country; valid when
//! the rearranged number is 1 modulo 97 (ISO 7064).

use crate::checks::mod97;
use std::ops::Range;

/// Country and length, from the registry.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MN", 20),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NI", 28),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"YE", 30),
    (b"XK", 20),
];

/// The IBAN that begins with the word at `start`.
pub fn at(data: &[u8], start: usize) -> Option<Range<usize>> {
    let head = data.get(start..start + 4)?;
    let shaped = head[0].is_ascii_alphabetic()
        && head[1].is_ascii_alphabetic()
        && head[2].is_ascii_digit()
        && head[3].is_ascii_digit();
    if !shaped {
        return None;
    }
    let country = [head[0].to_ascii_uppercase(), head[1].to_ascii_uppercase()];
    let (_, length) = LENGTHS.iter().find(|(c, _)| **c == country)?;
    let mut plain = [0; 34];
    let (mut taken, mut end) = (0, start);
    while taken < *length {
        match data.get(end)? {
            // One blank or dash between groups.
            b' ' | b'-' if taken >= 4 && data[end - 1].is_ascii_alphanumeric() => {}
            byte if byte.is_ascii_alphanumeric() => {
                *plain.get_mut(taken)? = byte.to_ascii_uppercase();
                taken += 1;
            }
            _ => return None,
        }
        end += 1;
    }
    let goes_on = data
        .get(end)
        .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let plain = &plain[..taken];
    let turned = plain[4..].iter().chain(&plain[..4]).copied();
    (!goes_on && mod97(turned) == 1).then_some(start..end)
}
