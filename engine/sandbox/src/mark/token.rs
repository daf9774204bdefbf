//! Tokens: another value of the same form. Digits stay digits, letters stay letters of their case, separators stay;
//! what a program checks of a form still holds, and what could be somebody's own does not.
//!
//! | form | token |
//! |---|---|
//! | anything | character by character; a letter or digit beyond ASCII becomes one of ASCII |
//! | a number of several digits | does not begin with 0, and fits the column's type |
//! | 12 to 19 digits, also in groups | never passes the Luhn check: it is visibly no card; grouped or not, the same digits |
//! | e-mail address | `LETTERS@masked.invalid` (RFC 6761: nobody gets mail there); not of the same length |
//! | UUID | version 8 (RFC 9562: made in one's own way) |
//! | IPv4, IPv6 address | of 240.0.0.0/4 (RFC 1112) or 2001:db8::/32 (RFC 3849): nobody's |
//! | MAC address | a locally administered one (IEEE 802) |
//!
//! Every character is drawn anew from the keystream of the whole value, so that two values with the same beginning have
//! nothing in common. It refuses to be reversible: there is no way from a token to its value, with the key or without.

use super::keys::Keystream;
use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a column can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// Anything.
    Any,
    /// Integers up to this one.
    UpTo(u64),
}

impl Width {
    /// By type OID (`src/include/catalog/pg_type.dat`), of a column or of an array's elements.
    pub(crate) fn of_type(oid: u32) -> Self {
        match oid {
            21 | 1005 => Self::UpTo(i16::MAX.unsigned_abs().into()),
            23 | 1007 => Self::UpTo(i32::MAX.unsigned_abs().into()),
            20 | 1016 => Self::UpTo(i64::MAX.unsigned_abs()),
            26 | 1028 => Self::UpTo(u32::MAX.into()),
            _ => Self::Any,
        }
    }
}

/// Digits of payment cards (ISO/IEC 7812).
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 12..=19;
const EMAIL_LETTERS: usize = 12;

/// What a value looks like. It says nothing that a token would not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form<'a> {
    value: &'a str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Email,
    Uuid,
    V4,
    V6,
    Hardware,
    Card,
    Number,
    Other,
}

impl<'a> Form<'a> {
    pub(super) fn of(value: &'a str) -> Self {
        Self {
            value,
            kind: kind(value),
        }
    }

    /// What the token depends on: the digits of a card are the same with and without blanks.
    pub(super) fn canonical(&self) -> Cow<'a, str> {
        match self.kind {
            Kind::Card => Cow::Owned(digits(self.value).collect()),
            _ => Cow::Borrowed(self.value),
        }
    }

    pub(super) fn token(&self, stream: &mut Keystream, width: Width) -> String {
        match self.kind {
            Kind::Email => email(stream),
            Kind::Uuid => self.uuid(stream),
            Kind::V4 => v4(stream).to_string(),
            Kind::V6 => v6(stream).to_string(),
            Kind::Hardware => self.hardware(stream),
            Kind::Card => self.card(stream, width),
            Kind::Number => self.number(stream, width),
            Kind::Other => self.value.chars().map(|c| other(c, stream)).collect(),
        }
    }

    /// The value with its digits replaced, one after the other.
    fn with_digits(&self, new: &str) -> String {
        let mut new = new.chars();
        let replaced = |c: char| match c.is_ascii_digit() {
            true => new.next().unwrap_or('0'),
            false => c,
        };
        self.value.chars().map(replaced).collect()
    }

    fn card(&self, stream: &mut Keystream, width: Width) -> String {
        let count = digits(self.value).count();
        let mut new = integer(stream, count, width);
        if luhn(&new) {
            let last = new.pop();
            // One less, or 1 for 0: this fits wherever the other did.
            let digit = last.and_then(|c| c.to_digit(10)).map_or(1, |d| match d {
                0 => 1,
                d => d - 1,
            });
            new.push(char::from_digit(digit, 10).unwrap_or('1'));
        }
        self.with_digits(&new)
    }

    fn number(&self, stream: &mut Keystream, width: Width) -> String {
        let whole = self.value.split_once('.').map_or(self.value, |(w, _)| w);
        let mut new = integer(stream, digits(whole).count(), width);
        for _ in digits(whole).count()..digits(self.value).count() {
            new.push(digit(stream));
        }
        self.with_digits(&new)
    }

    fn uuid(&self, stream: &mut Keystream) -> String {
        let mut bytes: [u8; 16] = stream.bytes();
        let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
        *version = *version & 0x0f | 0x80;
        *variant = *variant & 0x3f | 0x80;
        self.hexadecimal(&bytes)
    }

    fn hardware(&self, stream: &mut Keystream) -> String {
        let mut bytes: [u8; 6] = stream.bytes();
        let [first, ..] = &mut bytes;
        *first = *first & 0xfc | 0x02;
        self.hexadecimal(&bytes)
    }

    /// The value with its hexadecimal digits replaced, in the case that it has.
    fn hexadecimal(&self, bytes: &[u8]) -> String {
        let upper = self.value.contains(|c: char| c.is_ascii_uppercase());
        let hex = match upper {
            true => hex::encode_upper(bytes),
            false => hex::encode(bytes),
        };
        let mut new = hex.chars();
        let replaced = |c: char| match c.is_ascii_hexdigit() {
            true => new.next().unwrap_or('0'),
            false => c,
        };
        self.value.chars().map(replaced).collect()
    }
}

fn kind(value: &str) -> Kind {
    let bytes = value.as_bytes();
    let only = |also: &[u8]| bytes.iter().all(|b| b.is_ascii_digit() || also.contains(b));
    let starts_with_digit = bytes.first().is_some_and(u8::is_ascii_digit);
    if starts_with_digit && only(b" -") && CARD_DIGITS.contains(&digits(value).count()) {
        return Kind::Card;
    }
    if is_number(value) {
        return Kind::Number;
    }
    if is_email(value) {
        return Kind::Email;
    }
    if is_hexadecimal(value, &[8, 4, 4, 4, 12], &['-']) {
        return Kind::Uuid;
    }
    if is_hexadecimal(value, &[2; 6], &[':', '-']) {
        return Kind::Hardware;
    }
    if value.parse::<Ipv4Addr>().is_ok() {
        return Kind::V4;
    }
    match value.contains(':') && value.parse::<Ipv6Addr>().is_ok() {
        true => Kind::V6,
        false => Kind::Other,
    }
}

/// `-12`, `3.50`: at least one digit, and one on each side of a point.
fn is_number(value: &str) -> bool {
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let all = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match unsigned.split_once('.') {
        Some((whole, fraction)) => all(whole) && all(fraction),
        None => all(unsigned),
    }
}

/// One sign, something in front of it, and a name with a point behind it.
fn is_email(value: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | '"');
    match value.split_once('@') {
        Some((local, domain)) => {
            let dotted = domain.split('.').count() > 1 && domain.split('.').all(|l| !l.is_empty());
            !local.is_empty() && dotted && !domain.contains('@') && value.chars().all(plain)
        }
        None => false,
    }
}

/// Groups of so many hexadecimal digits, with one and the same of these signs between them.
fn is_hexadecimal(value: &str, groups: &[usize], signs: &[char]) -> bool {
    signs.iter().any(|sign| {
        let mut parts = value.split(*sign);
        let fits = groups.iter().all(|length| {
            parts.next().is_some_and(|part| {
                part.len() == *length && part.bytes().all(|b| b.is_ascii_hexdigit())
            })
        });
        fits && parts.next().is_none()
    })
}

fn digits(value: &str) -> impl Iterator<Item = char> + '_ {
    value.chars().filter(char::is_ascii_digit)
}

fn digit(stream: &mut Keystream) -> char {
    char::from(b'0' + stream.below(10))
}

fn letter(first: u8, stream: &mut Keystream) -> char {
    char::from(first + stream.below(26))
}

/// So many digits; no 0 in front of others, and no more than fits.
fn integer(stream: &mut Keystream, count: usize, width: Width) -> String {
    let fitting = match width {
        Width::UpTo(most) if most.to_string().len() == count => Some(u128::from(most)),
        _ => None,
    };
    let least = u32::try_from(count.saturating_sub(1))
        .ok()
        .and_then(|power| 10_u128.checked_pow(power));
    if let (Some(most), Some(least)) = (fitting, least) {
        let number = least + stream.wide((most + 1).saturating_sub(least));
        return number.to_string();
    }
    let mut new = String::with_capacity(count);
    for place in 0..count {
        match place == 0 && count > 1 {
            true => new.push(char::from(b'1' + stream.below(9))),
            false => new.push(digit(stream)),
        }
    }
    new
}

fn email(stream: &mut Keystream) -> String {
    let local = (0..EMAIL_LETTERS).map(|_| letter(b'a', stream));
    let mut token: String = local.collect();
    token.push_str("@masked.invalid");
    token
}

fn v4(stream: &mut Keystream) -> Ipv4Addr {
    let bits = u32::from_be_bytes(stream.bytes()) | 0xf000_0000;
    match bits {
        // The limited broadcast address is in use.
        u32::MAX => Ipv4Addr::new(240, 0, 0, 1),
        bits => Ipv4Addr::from(bits),
    }
}

fn v6(stream: &mut Keystream) -> Ipv6Addr {
    let rest = u128::from_be_bytes(stream.bytes()) & (u128::MAX >> 32);
    Ipv6Addr::from(0x2001_0db8_u128 << 96 | rest)
}

/// A character that stands for another of its kind.
fn other(c: char, stream: &mut Keystream) -> char {
    match c {
        '0'..='9' => digit(stream),
        'a'..='z' => letter(b'a', stream),
        'A'..='Z' => letter(b'A', stream),
        ' '..='~' => c,
        c if c.is_numeric() => digit(stream),
        c if c.is_uppercase() => letter(b'A', stream),
        c if c.is_whitespace() || c.is_control() => ' ',
        _ => letter(b'a', stream),
    }
}

/// ISO/IEC 7812-1, annex B.
fn luhn(number: &str) -> bool {
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            match place % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
