//! The forms in which a secret may stand in output: as it is, base64 in each alignment and both alphabets,
//! hexadecimal, percent-encoded, JSON-escaped.
//!
//! It exists so that `SELECT encode(…)`, a basic-auth header, a URL or a document does not carry a secret past
//! the matcher. It refuses to guess at ciphers, compression, text broken over lines or one encoding inside
//! another: those are named in the threat model.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use std::ops::Deref;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// One form of a secret, wiped on drop.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Needle(Vec<u8>);

impl Deref for Needle {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

const UNPADDED: GeneralPurposeConfig = GeneralPurposeConfig::new().with_encode_padding(false);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, UNPADDED);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, UNPADDED);

impl From<&[u8]> for Needle {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// Every form of `secret`, without repetitions.
pub(crate) fn needles(secret: &[u8]) -> Vec<Needle> {
    let mut all: Vec<Needle> = vec![Needle(secret.to_vec())];
    for offset in 0..3 {
        all.push(base64_at(secret, offset, &STANDARD));
        all.push(base64_at(secret, offset, &URL_SAFE));
    }
    let lower = hex::encode(secret).into_bytes();
    all.push(Needle(lower.to_ascii_uppercase()));
    all.push(Needle(lower));
    all.push(percent(secret, "0123456789ABCDEF", |b| {
        b.is_ascii_alphanumeric() || b"-._~".contains(&b)
    }));
    all.push(percent(secret, "0123456789abcdef", |b| {
        b.is_ascii_alphanumeric() || b"-._~".contains(&b)
    }));
    // encodeURI and many a form encoder leave these alone.
    all.push(percent(secret, "0123456789ABCDEF", |b| {
        b.is_ascii_alphanumeric() || b"-._~!*'()".contains(&b)
    }));
    all.extend(json(secret));
    all.sort();
    all.dedup();
    all
}

/// The characters of base64 that depend on the secret alone when `offset` bytes stand before it in its
/// group of three, whatever stands around it.
fn base64_at(secret: &[u8], offset: usize, engine: &GeneralPurpose) -> Needle {
    let mut padded = Zeroizing::new(vec![0_u8; offset]);
    padded.reserve_exact(secret.len());
    padded.extend_from_slice(secret);
    let encoded = Zeroizing::new(engine.encode(&*padded).into_bytes());
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    Needle(encoded.get(first..last).unwrap_or_default().to_vec())
}

fn percent(secret: &[u8], digits: &str, plain: impl Fn(u8) -> bool) -> Needle {
    let digits = digits.as_bytes();
    let digit = |n: u8| digits.get(usize::from(n)).copied().unwrap_or(b'0');
    let mut out = Vec::with_capacity(secret.len() * 3);
    for &byte in secret {
        match plain(byte) {
            true => out.push(byte),
            false => out.extend([b'%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    Needle(out)
}

/// What serializers of JSON do in more than one way. Not among these: U+2028 and U+2029 coded beside letters that are not,
/// as Go and Gson have them, and `\u0008` and `\u000c`, as Go had them before 1.22. No password has those in it.
#[derive(Clone, Copy)]
struct Dialect {
    /// `/` as `\/`: PHP.
    slashes: bool,
    /// Nothing but ASCII: Python, PHP, Ruby on Rails.
    ascii: bool,
    /// `<`, `>` and `&` coded, for pages: Go, and with it Kubernetes.
    markup: bool,
    /// `=` and `'` beside them: Gson.
    quotes: bool,
    /// Digits of `\u00xx`.
    digits: &'static [u8; 16],
}

/// The secret inside a JSON string, in each dialect; what looks the same is there once in the end.
fn json(secret: &[u8]) -> Vec<Needle> {
    let mut all = Vec::new();
    for digits in [b"0123456789abcdef", b"0123456789ABCDEF"] {
        for way in 0..12_u8 {
            all.push(json_in(
                secret,
                Dialect {
                    slashes: way & 1 != 0,
                    ascii: way & 2 != 0,
                    markup: way >= 4,
                    quotes: way >= 8,
                    digits,
                },
            ));
        }
    }
    all
}

fn json_in(secret: &[u8], dialect: Dialect) -> Needle {
    // The longest form of a byte: it never moves, and leaves no copy behind.
    let mut out = Vec::with_capacity(secret.len() * 6);
    for chunk in secret.utf8_chunks() {
        for letter in chunk.valid().chars() {
            json_letter(letter, dialect, &mut out);
        }
        out.extend_from_slice(chunk.invalid());
    }
    Needle(out)
}

fn json_letter(letter: char, dialect: Dialect, out: &mut Vec<u8>) {
    let coded = match letter {
        '"' => return out.extend(b"\\\""),
        '\\' => return out.extend(b"\\\\"),
        '\n' => return out.extend(b"\\n"),
        '\r' => return out.extend(b"\\r"),
        '\t' => return out.extend(b"\\t"),
        '\u{8}' => return out.extend(b"\\b"),
        '\u{c}' => return out.extend(b"\\f"),
        '/' if dialect.slashes => return out.extend(b"\\/"),
        '<' | '>' | '&' => dialect.markup,
        '=' | '\'' => dialect.quotes,
        '\0'..='\u{1f}' => true,
        ' '..='~' => false,
        _ => dialect.ascii,
    };
    if !coded {
        let mut bytes = [0; 4];
        return out.extend_from_slice(letter.encode_utf8(&mut bytes).as_bytes());
    }
    let digit = |n: u16| {
        let at = usize::from(n & 15);
        dialect.digits.get(at).copied().unwrap_or(b'0')
    };
    for unit in letter.encode_utf16(&mut [0; 2]) {
        out.extend(b"\\u");
        out.extend([12, 8, 4, 0].map(|shift| digit(*unit >> shift)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_whatever_stands_before_and_after() {
        let secret = b"K7vQ9wZ2xR4tB8nM3p";
        let forms = needles(secret);
        for before in 0..7 {
            for after in 0..7 {
                let mut text = vec![b'x'; before];
                text.extend_from_slice(secret);
                text.extend(std::iter::repeat_n(b'y', after));
                for engine in [STANDARD, URL_SAFE] {
                    let encoded = engine.encode(&text).into_bytes();
                    assert!(
                        forms
                            .iter()
                            .any(|f| encoded.windows(f.len()).any(|w| w == &**f)),
                        "{before} before, {after} after"
                    );
                }
            }
        }
    }

    #[test]
    fn each_form_appears_once() {
        let forms = needles(b"K7vQ9wZ2xR4tB8nM3p");
        let unique: std::collections::HashSet<&[u8]> = forms.iter().map(|f| &**f).collect();
        assert_eq!(forms.len(), unique.len());
        assert!(forms.iter().all(|f| f.len() >= 18));
    }

    fn found(forms: &[Needle], text: &[u8]) -> bool {
        let mut forms = forms.iter();
        forms.any(|form| text.windows(form.len()).any(|w| w == &**form))
    }

    /// Everything that some serializer writes in a way of its own.
    const AWKWARD: &str = "K7\"v\\Q/9\nw\rZ\t2\u{8}x\u{c}R\u{1}4\u{1f}t\u{7f}Bé8😀n<M>3&p='";

    #[test]
    fn json_is_found_as_serializers_write_it() {
        let forms = needles(AWKWARD.as_bytes());
        let written = [
            // As serde_json, PostgreSQL and JSON.stringify write it.
            serde_json::to_string(AWKWARD).expect("text"),
            // As json.dumps of Python does.
            r#""K7\"v\\Q/9\nw\rZ\t2\bx\fR\u00014\u001ft\u007fB\u00e98\ud83d\ude00n<M>3&p='""#.to_owned(),
            // As Go does, and Kubernetes with it.
            "\"K7\\\"v\\\\Q/9\\nw\\rZ\\t2\\bx\\fR\\u00014\\u001ft\u{7f}Bé8😀n\\u003cM\\u003e3\\u0026p='\"".to_owned(),
            // As Gson does.
            "\"K7\\\"v\\\\Q/9\\nw\\rZ\\t2\\bx\\fR\\u00014\\u001ft\u{7f}Bé8😀n\\u003cM\\u003e3\\u0026p\\u003d\\u0027\"".to_owned(),
            // As others do: slashes, capitals.
            "\"K7\\\"v\\\\Q\\/9\\nw\\rZ\\t2\\bx\\fR\\u00014\\u001Ft\u{7f}Bé8😀n<M>3&p='\"".to_owned(),
        ];
        for text in &written {
            let read: String = serde_json::from_str(text).expect("it is JSON");
            assert_eq!(read, AWKWARD);
            assert!(found(&forms, text.as_bytes()), "{text}");
        }
        let document = serde_json::json!({"data": {"password": AWKWARD}, "n": [1, AWKWARD]});
        let pretty = serde_json::to_string_pretty(&document).expect("a document");
        assert!(found(&forms, pretty.as_bytes()), "{pretty}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_found_in_a_document(secret in "\\PC{8,20}[\"\\\\/<>&\u{0}-\u{1f}é😀]{0,8}") {
            let forms = needles(secret.as_bytes());
            let text = serde_json::to_string(&[&secret]).expect("text");
            proptest::prop_assert!(found(&forms, text.as_bytes()), "{}", text);
        }
    }

    #[test]
    fn what_json_writes_as_it_is_is_no_form_of_its_own() {
        let plain = b"K7vQ9wZ2xR4tB8nM3p";
        assert!(json(plain).iter().all(|form| &**form == plain));
    }
}
