//! `password = …`, `"api_key": "…"`, `--token …`, `Authorization: Bearer …`, `<password>…</password>`: a telling name, a sign,
//! and a value that looks like no word. What a language writes there (null, a type, a call, a variable, another name)
//! is left alone.

use crate::format::{Format, Found, distinct, ruled, run};
use crate::rules::{ASSIGNMENT, BASIC_AUTH};
use crate::{decode, words};

/// The names. Everything that ends in one of them is one too: `db_password`, `clientSecret`, `X-Api-Key`.
pub const FORMATS: &[Format] = &[
    ruled("password", find, ASSIGNMENT),
    ruled("passwd", find, ASSIGNMENT),
    ruled("passphrase", find, ASSIGNMENT),
    ruled("passwort", find, ASSIGNMENT),
    ruled("pwd", find, ASSIGNMENT),
    ruled("secret", find, ASSIGNMENT),
    ruled("token", find, ASSIGNMENT),
    ruled("apikey", find, ASSIGNMENT),
    ruled("api_key", find, ASSIGNMENT),
    ruled("api-key", find, ASSIGNMENT),
    ruled("access_key", find, ASSIGNMENT),
    ruled("accesskey", find, ASSIGNMENT),
    ruled("access-key", find, ASSIGNMENT),
    ruled("accountkey", find, ASSIGNMENT),
    ruled("private_key", find, ASSIGNMENT),
    ruled("privatekey", find, ASSIGNMENT),
    ruled("signing_key", find, ASSIGNMENT),
    ruled("encryption_key", find, ASSIGNMENT),
    ruled("auth_key", find, ASSIGNMENT),
    ruled("credential", find, ASSIGNMENT),
    // RFC 7617, RFC 6750
    ruled("authorization", find, ASSIGNMENT),
];

/// Shorter values are left to column rules: anything would match.
const VALUE_MIN: usize = 8;
const VALUE_MAX: usize = 1024;
/// Bits per character of a value behind a name that means many things (`token`, `secret`).
const ENTROPY_MIN: f32 = 2.6;

/// The value after the name at `at`.
pub fn find(bytes: &[u8], at: usize) -> Option<Found> {
    let name = Name::read(bytes, at)?;
    let value = Value::read(bytes, &name)?;
    let text = bytes.get(value.start..value.end)?;
    if value.basic {
        let plain = decode::base64(text);
        let pair = memchr::memchr(b':', &plain).is_some() && plain.is_ascii() && text.len() >= 8;
        return pair.then_some(Found {
            range: value.start..value.end,
            rule: BASIC_AUTH,
        });
    }
    looks_secret(text, &name, &value).then_some(Found {
        range: value.start..value.end,
        rule: ASSIGNMENT,
    })
}

/// The name of what is assigned.
struct Name {
    /// One past it, quotes included.
    end: usize,
    /// It can only be the name of a password.
    strong: bool,
    /// `<name>`.
    tag: bool,
    /// `--name`.
    flag: bool,
}

impl Name {
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let length = run(bytes, at, |b| {
            b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
        });
        let word = bytes.get(at..at + length)?;
        // `secret` in `secretary` and `token` in `tokenizer` begin other words.
        if length > 64 || words::other_meaning(word) {
            return None;
        }
        let strong = word
            .get(..4)
            .is_some_and(|w| w.eq_ignore_ascii_case(b"pass"))
            || word.eq_ignore_ascii_case(b"pwd");
        let front = bytes.get(at.saturating_sub(64)..at)?;
        let start = front
            .iter()
            .rposition(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')));
        let before = start.map(|i| front[i]);
        let own = &front[start.map_or(0, |i| i + 1)..];
        Some(Self {
            end: at + length,
            strong,
            tag: before == Some(b'<'),
            flag: own.starts_with(b"--") || word.starts_with(b"--"),
        })
    }
}

/// Where the value stands.
struct Value {
    start: usize,
    end: usize,
    quoted: bool,
    basic: bool,
    /// A parenthesis follows: a call.
    called: bool,
}

impl Value {
    fn read(bytes: &[u8], name: &Name) -> Option<Self> {
        let mut at = name.end;
        let quote = |b: Option<&u8>| matches!(b, Some(b'"' | b'\'' | b'`'));
        if name.tag {
            if bytes.get(at) != Some(&b'>') {
                return None;
            }
            let length = bytes
                .get(at + 1..)?
                .iter()
                .take(VALUE_MAX)
                .position(|b| *b == b'<')?;
            return Some(Self::new(at + 1, at + 1 + length, true));
        }
        at += run(bytes, at, |b| {
            matches!(b, b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\' | b']')
        })
        .min(64);
        Self::sign(bytes, name, &mut at)?;
        let mark = if quote(bytes.get(at)) {
            at += 1;
            bytes.get(at - 1).copied()
        } else {
            bytes
                .get(at.wrapping_sub(1))
                .copied()
                .filter(|_| quote(bytes.get(at.wrapping_sub(1))))
        };
        let basic = Self::scheme(bytes, &mut at);
        let end = match mark {
            Some(mark) => Self::closing(bytes, at, mark)?,
            None => at + run(bytes, at, plain).min(VALUE_MAX + 1),
        };
        Some(Self {
            basic,
            called: bytes.get(end) == Some(&b'('),
            ..Self::new(at, end, mark.is_some())
        })
    }

    /// The sign between name and value, if there has to be one.
    fn sign(bytes: &[u8], name: &Name, at: &mut usize) -> Option<()> {
        let quoted = matches!(bytes.get(at.wrapping_sub(1)), Some(b'"' | b'\'' | b'`'));
        let blank = bytes.get(name.end) == Some(&b' ');
        match bytes.get(*at)? {
            b':' | b'=' => {}
            // `ALTER ROLE … PASSWORD '…'`, `--password …`
            _ if blank && (name.strong && quoted || name.flag) => return Some(()),
            _ => return None,
        }
        let from = *at;
        *at += run(bytes, *at, |b| matches!(b, b':' | b'=' | b'>' | b'~')).min(64);
        // `a == b` compares, `A::b` names.
        let signs = &bytes[from..*at];
        if signs == b"==" || signs == b"===" || signs.starts_with(b"::") || signs == b"=~" {
            return None;
        }
        *at += run(bytes, *at, |b| matches!(b, b' ' | b'\t' | b'\\')).min(64);
        Some(())
    }

    /// Steps over the scheme of an `Authorization` header; true for `Basic`.
    fn scheme(bytes: &[u8], at: &mut usize) -> bool {
        const SCHEMES: [&[u8]; 5] = [b"Bearer ", b"Basic ", b"token ", b"ApiKey ", b"Digest "];
        let begins = |s: &&&[u8]| {
            let head = bytes.get(*at..*at + s.len());
            head.is_some_and(|h| h.eq_ignore_ascii_case(s))
        };
        let Some(scheme) = SCHEMES.iter().find(begins) else {
            return false;
        };
        *at += scheme.len();
        *scheme == b"Basic "
    }

    fn new(start: usize, end: usize, quoted: bool) -> Self {
        Self {
            start,
            end,
            quoted,
            basic: false,
            called: false,
        }
    }

    /// The quote that ends the value, escaped as the first one was.
    fn closing(bytes: &[u8], at: usize, mark: u8) -> Option<usize> {
        let rest = bytes.get(at..)?;
        let end = rest
            .iter()
            .take(VALUE_MAX + 1)
            .position(|b| *b == mark || *b == b'\n');
        let mut end = at + end.unwrap_or(rest.len().min(VALUE_MAX + 1));
        while end > at && bytes[end - 1] == b'\\' {
            end -= 1;
        }
        Some(end)
    }
}

fn plain(b: u8) -> bool {
    (b.is_ascii_graphic() || b >= 128)
        && !matches!(
            b,
            b'"' | b'\''
                | b','
                | b';'
                | b'<'
                | b'>'
                | b'('
                | b')'
                | b'`'
                | b'{'
                | b'}'
                | b'\\'
                | b'&'
                | b'|'
        )
}

/// Mixed enough to be no word, no path, no code and no placeholder.
fn looks_secret(text: &[u8], name: &Name, value: &Value) -> bool {
    if !(VALUE_MIN..=VALUE_MAX).contains(&text.len()) || words::placeholder(text) {
        return false;
    }
    let digits = text.iter().any(u8::is_ascii_digit);
    let letters = text.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let marks = text
        .iter()
        .any(|b| b.is_ascii_punctuation() && !matches!(b, b'_' | b'-' | b'.' | b'/' | b':'));
    let cases = text.iter().any(u8::is_ascii_uppercase) && text.iter().any(u8::is_ascii_lowercase);
    if letters < 2
        || distinct(text) < 5
        || !(digits || marks || cases && value.quoted && !words::phrase(text))
    {
        return false;
    }
    if text.contains(&b' ') {
        // A sentence with a number in it; a passphrase of words is left to column rules.
        return false;
    }
    let code = !value.quoted && (value.called || words::code(text));
    // A name of a secret (`prod-tls-2024`, `aws_secret_v2`) is none, except where only a password can stand.
    let named = words::name(text)
        && !(name.strong && (value.quoted || digits) && !words::only_letters(text));
    !code && !named && (name.strong || entropy(text) >= ENTROPY_MIN)
}

/// Shannon's measure over the characters, in bits.
fn entropy(text: &[u8]) -> f32 {
    let mut counts = [0_u16; 256];
    for byte in text {
        counts[usize::from(*byte)] += 1;
    }
    let total = text.len() as f32;
    let part = |n: &u16| {
        let share = f32::from(*n) / total;
        -share * share.log2()
    };
    counts.iter().filter(|n| **n > 0).map(part).sum()
}
