//! Tests of the tokens: the same in any pieces, the same verdict as serde_json's about what is JSON.

use super::{Broken, Scanner, Token, decode, encode};
use proptest::prelude::*;

/// Everything as one line: brackets, `n:` names, `t:` texts, numbers and words.
fn tokens(text: &[u8], many: bool, piece: usize) -> Result<String, Broken> {
    let mut scanner = Scanner::new(many);
    let mut shown = String::new();
    let mut buffer = Vec::new();
    let mut pieces = text.chunks(piece.max(1)).peekable();
    loop {
        let more = pieces.next();
        buffer.extend_from_slice(more.unwrap_or_default());
        while let Some(token) = scanner.next(&buffer, more.is_none())? {
            let span = scanner.span();
            let text = || {
                let raw = &buffer[span.at()];
                String::from_utf8(decode(raw, span.escaped).into_owned()).unwrap()
            };
            match token {
                Token::Open { object } => shown.push(if object { '{' } else { '[' }),
                Token::Close => shown.push('/'),
                Token::Name => shown += &format!("n:{} ", text()),
                Token::Text => shown += &format!("t:{} ", text()),
                Token::Number => shown += &format!("{} ", text()),
                Token::Word => shown.push('w'),
            }
            // What was read may be forgotten.
            let gone = scanner.at();
            buffer.drain(..gone);
            scanner.forget(gone);
        }
        if more.is_none() {
            return match scanner.is_whole() {
                true => Ok(shown),
                false => Err(Broken),
            };
        }
    }
}

#[test]
fn tokens_are_the_same_in_any_pieces() {
    let text = br#" {"a":[1,-2.5e+3,true,{}],"\u0062\n":"x\\\"y\ud83d\ude00", "c" : "" } "#;
    let whole = tokens(text, false, text.len()).unwrap();
    assert_eq!(
        whole,
        "{n:a [1 -2.5e+3 w{//n:b\n t:x\\\"y\u{1f600} n:c t: /"
    );
    for piece in 1..text.len() {
        assert_eq!(tokens(text, false, piece).as_ref(), Ok(&whole), "{piece}");
    }
}

#[test]
fn events_follow_each_other() {
    let text = b"{\"a\":1}\n{\"a\":2}{}\n";
    for piece in 1..text.len() {
        assert_eq!(tokens(text, true, piece).unwrap(), "{n:a 1 /{n:a 2 /{/");
    }
    assert_eq!(tokens(text, false, 4), Err(Broken));
}

#[test]
fn what_is_no_json_is_broken() {
    for text in [
        "{",
        "[1",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "[1,]",
        "[,1]",
        "{,}",
        "01",
        "1.",
        ".5",
        "1e",
        "-",
        "+1",
        "nul",
        "TRUE",
        "'a'",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "{1:2}",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "]",
        "}",
        "{]",
        "[}",
        "\"a",
        "\"a\\",
        "[1]x",
        "NaN",
        "//x\n1",
    ] {
        for piece in [1, 3, 100] {
            assert_eq!(tokens(text.as_bytes(), false, piece), Err(Broken), "{text}");
        }
    }
    assert_eq!(tokens(b"\"\xff\"", false, 9), Err(Broken));
    let deep = "[".repeat(300);
    assert_eq!(tokens(deep.as_bytes(), false, 9), Err(Broken));
}

#[test]
fn half_a_surrogate_is_replaced() {
    assert_eq!(decode(br"\ud800x", true).as_ref(), "\u{fffd}x".as_bytes());
    assert_eq!(
        decode(br"\udc00\ud83d\ude00", true).as_ref(),
        "\u{fffd}\u{1f600}".as_bytes()
    );
    assert_eq!(encode("a\"\n"), r#""a\"\n""#);
}

proptest! {
    #[test]
    fn it_is_json_for_us_if_it_is_for_others(text in r#"[\[\]{}:,"a1\\ e.+-]{0,24}|\PC{0,24}"#, piece in 1..9_usize) {
        let others: Result<serde_json::Value, _> = serde_json::from_str(&text);
        let ours = tokens(text.as_bytes(), false, piece);
        // serde_json refuses numbers that do not fit and half surrogates; nothing else may differ.
        if others.is_ok() {
            prop_assert!(ours.is_ok(), "{text}");
        } else if ours.is_ok() && !text.is_empty() && !text.trim().is_empty() {
            let lenient = text.contains('e') || text.contains("\\u");
            prop_assert!(lenient, "{text}");
        }
    }

    #[test]
    fn strings_come_back(text in "\\PC{0,40}") {
        let encoded = encode(&text);
        let raw = &encoded.as_bytes()[1..encoded.len() - 1];
        let decoded = decode(raw, true);
        prop_assert_eq!(decoded.as_ref(), text.as_bytes());
    }
}
