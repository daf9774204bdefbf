//! What a format is: a literal anchor, what stands around it, and a check where the vendor gives one. The anchor is found
//! by one automaton for all formats; everything else happens only where an anchor stands.

use portcullis_sdk::Rule;
use std::ops::Range;

/// What an anchor turned out to belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where the secret stands.
    pub range: Range<usize>,
    /// The rule.
    pub rule: Rule,
}

/// How the rest is matched.
#[derive(Clone, Copy)]
pub enum Tail {
    /// From least to most of these characters; more of them mean that it is something else.
    Between(fn(u8) -> bool, usize, usize),
    /// At least so many of these characters.
    Least(fn(u8) -> bool, usize),
    /// A function that looks at everything by itself.
    Rule(fn(&[u8], usize) -> Option<Found>),
}

/// One format.
#[derive(Clone, Copy)]
pub struct Format {
    /// Found without regard to case; checked with it, unless a function looks.
    pub anchor: &'static str,
    /// What follows.
    pub tail: Tail,
    /// The vendor's checksum over the whole token, or anything else that it promises.
    pub check: Option<fn(&[u8]) -> bool>,
    /// Its rule.
    pub rule: Rule,
}

/// Fewer different characters than this make a placeholder: `ghp_xxxxxxxx…`.
const DISTINCT: u32 = 6;

impl Format {
    /// The secret whose anchor begins at `at`, if it is one.
    pub fn find(&self, bytes: &[u8], at: usize) -> Option<Found> {
        let end = at + self.anchor.len();
        let (class, least, most) = match self.tail {
            Tail::Rule(rule) => return rule(bytes, at),
            Tail::Between(class, least, most) => (class, least, most),
            Tail::Least(class, least) => (class, least, TOKEN_MAX),
        };
        if bytes.get(at..end)? != self.anchor.as_bytes() || continues_word(bytes, at) {
            return None;
        }
        let mut length = run(bytes, end, class);
        // A full stop or a dash at the end belongs to the sentence.
        while length > 0 && matches!(bytes[end + length - 1], b'.' | b'-') {
            length -= 1;
        }
        let tail = bytes.get(end..end + length)?;
        if length < least
            || length > most
            || distinct(&tail[tail.len().saturating_sub(32)..]) < DISTINCT
        {
            return None;
        }
        let range = at..end + length;
        let right = self.check.is_none_or(|check| check(&bytes[range.clone()]));
        right.then_some(Found {
            range,
            rule: self.rule,
        })
    }

    /// With the vendor's check.
    pub const fn checked(mut self, check: fn(&[u8]) -> bool) -> Self {
        self.check = Some(check);
        self
    }

    /// True for a literal that is long and rare enough to be looked for in wrappings too.
    pub fn telling(&self) -> bool {
        !matches!(self.tail, Tail::Rule(_)) && self.anchor.len() >= 4
    }
}

/// No token is longer.
pub const TOKEN_MAX: usize = 4096;

/// From least to most characters of a class.
pub const fn between(
    anchor: &'static str,
    class: fn(u8) -> bool,
    least: usize,
    most: usize,
    rule: Rule,
) -> Format {
    Format {
        anchor,
        tail: Tail::Between(class, least, most),
        check: None,
        rule,
    }
}

/// So many characters of a class.
pub const fn exactly(
    anchor: &'static str,
    class: fn(u8) -> bool,
    length: usize,
    rule: Rule,
) -> Format {
    between(anchor, class, length, length, rule)
}

/// At least so many characters of a class.
pub const fn least(
    anchor: &'static str,
    class: fn(u8) -> bool,
    least: usize,
    rule: Rule,
) -> Format {
    Format {
        anchor,
        tail: Tail::Least(class, least),
        check: None,
        rule,
    }
}

/// A function.
pub const fn ruled(
    anchor: &'static str,
    find: fn(&[u8], usize) -> Option<Found>,
    rule: Rule,
) -> Format {
    Format {
        anchor,
        tail: Tail::Rule(find),
        check: None,
        rule,
    }
}

/// How many characters of a class stand at `from`.
pub fn run(bytes: &[u8], from: usize, class: fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter()
        .take(TOKEN_MAX + 1)
        .take_while(|b| class(**b))
        .count()
}

/// How many characters of a class stand before `end`.
pub fn run_before(bytes: &[u8], end: usize, class: fn(u8) -> bool) -> usize {
    let head = bytes.get(..end).unwrap_or_default();
    head.iter()
        .rev()
        .take(TOKEN_MAX + 1)
        .take_while(|b| class(**b))
        .count()
}

/// How many different characters there are.
pub fn distinct(text: &[u8]) -> u32 {
    let mut seen = [0_u64; 4];
    for byte in text {
        seen[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }
    seen.iter().map(|s| s.count_ones()).sum()
}

/// True when a letter or digit stands right before: then the anchor is the end of a word. An escape of JSON (`\n`, `\t`) is no
/// part of a word.
pub fn continues_word(bytes: &[u8], at: usize) -> bool {
    let before = |n: usize| at.checked_sub(n).and_then(|i| bytes.get(i)).copied();
    match (before(2), before(1)) {
        (Some(b'\\'), Some(b'n' | b't' | b'r')) => false,
        (_, Some(b)) => b.is_ascii_alphanumeric(),
        _ => false,
    }
}

/// Digits and letters both, or letters of changing case: an anchor that is short needs a tail that is no word.
pub fn mixed(token: &[u8]) -> bool {
    let tail = &token[token.len().saturating_sub(24).max(3)..];
    let digits = tail.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = tail.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let turns = tail
        .windows(2)
        .filter(|p| p[0].is_ascii_lowercase() && p[1].is_ascii_uppercase())
        .count();
    letters >= 2 && (digits >= 1 || turns >= 3)
}

/// Letters and digits.
pub fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

/// Small letters and digits.
pub fn lower(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// Capitals and digits.
pub fn upper(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

/// Letters.
pub fn letter(b: u8) -> bool {
    b.is_ascii_alphabetic()
}

/// RFC 4648 base32.
pub fn base32(b: u8) -> bool {
    b.is_ascii_uppercase() || matches!(b, b'2'..=b'7')
}

/// Hexadecimal digits.
pub fn hex(b: u8) -> bool {
    b.is_ascii_hexdigit()
}

/// Hexadecimal digits and dashes: a UUID.
pub fn uuid(b: u8) -> bool {
    b.is_ascii_hexdigit() || b == b'-'
}

/// base64url without padding.
pub fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

/// base64url with dots between parts.
pub fn word_dot(b: u8) -> bool {
    word(b) || b == b'.'
}

/// base64url with padding.
pub fn word_pad(b: u8) -> bool {
    word(b) || b == b'='
}

/// base64 with padding.
pub fn base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

/// Either alphabet of base64.
pub fn base64_any(b: u8) -> bool {
    base64(b) || b == b'-' || b == b'_'
}

/// A path of a URL.
pub fn path(b: u8) -> bool {
    word(b) || matches!(b, b'/' | b'.' | b'@')
}
