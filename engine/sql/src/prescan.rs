//! What is refused before the C parser sees it: it cannot be stopped once it runs, and its tree takes
//! about a kilobyte for each word.
//!
//! Refuses: texts that are too long, hold a NUL, have too many words, nest too deep, or would make the lexer
//! quadratic. Chains without parentheses (`NOT NOT …`, joins, UNION) are left to the C parser's own check
//! of its stack (100 kB), for which [`crate::STACK_BYTES`] is ample.

use portcullis_model::limits::STATEMENT_BYTES_MAX;

/// Parentheses and brackets, one inside the other.
pub const NESTING_MAX: usize = 256;
/// Words and signs in one text. What a tree of so many takes is the bound of a thread's memory.
pub const WORDS_MAX: usize = 128 * 1024;
/// The sum of the squares of all runs of operator characters: what the lexer may have to look at again.
pub const OPERATOR_STEPS_MAX: usize = 16 * 1024 * 1024;

/// Why a text is not parsed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than the limit.
    #[error("statement is longer than {STATEMENT_BYTES_MAX} bytes")]
    Length,
    /// Holds a NUL byte.
    #[error("statement holds a NUL byte")]
    Nul,
    /// Nests deeper than the limit.
    #[error("statement nests deeper than {NESTING_MAX} levels")]
    Nesting,
    /// More words than the limit.
    #[error("statement has more than {WORDS_MAX} words")]
    Words,
    /// Too many operator characters in a row.
    #[error("statement holds too many operator characters in a row")]
    Operators,
}

/// Checks a text in two passes over its bytes.
///
/// # Errors
/// The first limit that it breaks.
pub fn check(text: &str) -> Result<(), Refusal> {
    let bytes = text.as_bytes();
    if bytes.len() > STATEMENT_BYTES_MAX {
        return Err(Refusal::Length);
    }
    if memchr::memchr(0, bytes).is_some() {
        return Err(Refusal::Nul);
    }
    operators(bytes)?;
    words(bytes)
}

fn is_operator(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}

/// The lexer takes a whole run of operator characters, then gives back all but one: `/*/*/*…`, `++++…`.
fn operators(bytes: &[u8]) -> Result<(), Refusal> {
    let mut steps = 0_usize;
    for run in bytes.split(|byte| !is_operator(*byte)) {
        steps = steps.saturating_add(run.len().saturating_mul(run.len()));
    }
    match steps > OPERATOR_STEPS_MAX {
        true => Err(Refusal::Operators),
        false => Ok(()),
    }
}

/// Counts words and nesting outside of literals and comments.
fn words(bytes: &[u8]) -> Result<(), Refusal> {
    let (mut words, mut depth) = (0_usize, 0_usize);
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let length = length(rest, first);
        match first {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        words += usize::from(!first.is_ascii_whitespace());
        if depth > NESTING_MAX {
            return Err(Refusal::Nesting);
        }
        if words > WORDS_MAX {
            return Err(Refusal::Words);
        }
        rest = rest.get(length..).unwrap_or(tail);
    }
    Ok(())
}

/// How long the word, literal or comment is that starts here; at least 1.
fn length(rest: &[u8], first: u8) -> usize {
    match (first, rest.get(1)) {
        (b'\'', _) => quoted(rest, b'\'', false),
        (b'"', _) => quoted(rest, b'"', false),
        (b'e' | b'E', Some(b'\'')) => 1 + quoted(rest.get(1..).unwrap_or_default(), b'\'', true),
        (b'-', Some(b'-')) => memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len()),
        (b'/', Some(b'*')) => comment(rest),
        (b'$', _) => dollar(rest).unwrap_or(1),
        _ if is_word(first) => run(rest, is_word),
        _ => 1,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

fn run(bytes: &[u8], belongs: fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .position(|byte| !belongs(*byte))
        .unwrap_or(bytes.len())
}

/// A doubled quote ends one literal and starts the next: for counting that is as good.
fn quoted(rest: &[u8], quote: u8, backslash: bool) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' if backslash => at += 2,
            byte if *byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        match (rest.get(at), rest.get(at + 1)) {
            (Some(b'/'), Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (Some(b'*'), Some(b'/')) => {
                depth -= 1;
                at += 2;
            }
            (Some(_), _) => at += 1,
            (None, _) => return rest.len(),
        }
    }
    at
}

/// `$tag$ … $tag$`; none for a parameter or a lone dollar. Without an end it is the rest, which the lexer
/// refuses.
fn dollar(rest: &[u8]) -> Option<usize> {
    let inside = rest.get(1..)?;
    let tag = run(inside, |byte| is_word(byte) && byte != b'$');
    let digit = inside.first().is_some_and(u8::is_ascii_digit);
    if digit || inside.get(tag) != Some(&b'$') {
        return None;
    }
    let delimiter = rest.get(..tag + 2)?;
    let body = rest.get(tag + 2..)?;
    match memchr::memmem::find(body, delimiter) {
        Some(end) => Some(2 * delimiter.len() + end),
        None => Some(rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_one_word_whatever_they_hold() {
        let many = "( ".repeat(1000);
        for text in [
            format!("SELECT '{many}'"),
            format!("SELECT '{many}''{many}'"),
            format!("SELECT E'\\'{many}'"),
            format!("SELECT \"{many}\""),
            format!("SELECT $${many}$$"),
            format!("SELECT $a$ $b$ {many} $a$"),
            format!("SELECT 1 -- {many}\n + 1"),
            format!("SELECT /* /* {many} */ {many} */ 1"),
            format!("SELECT '{}'", "a b ".repeat(200_000)),
        ] {
            assert_eq!(check(&text), Ok(()), "{}", text.get(..20).unwrap());
        }
    }

    #[test]
    fn what_only_looks_like_a_literal_is_counted() {
        let many = "(".repeat(1000);
        for text in [
            format!("SELECT '\\' {many}"),
            format!("SELECT $1 {many}"),
            format!("SELECT a$b$ {many} $b$"),
            format!("-- x\n{many}"),
            format!("-- x\r{many}"),
            format!("/* /* */ */ {many}"),
        ] {
            assert_eq!(check(&text), Err(Refusal::Nesting), "{text}");
        }
    }

    #[test]
    fn too_many_words_are_refused() {
        let text = format!("SELECT {}1", "a.b,".repeat(100_000));
        assert_eq!(check(&text), Err(Refusal::Words));
    }
}
