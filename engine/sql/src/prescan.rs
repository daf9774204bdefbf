//! What is refused before the C parser sees it: it cannot be stopped once it runs.
//!
//! Refuses: texts that are too long, hold a NUL, nest too deep, or would make the lexer quadratic. It
//! looks at bytes, not at tokens, so that it cannot be fooled about where a literal ends; chains without
//! parentheses (`NOT NOT …`, joins, UNION) are left to the C parser's own stack check.

use portcullis_model::limits::STATEMENT_BYTES_MAX;

/// Parentheses and brackets, one inside the other.
pub const NESTING_MAX: usize = 256;
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
    /// Too many operator characters in a row.
    #[error("statement holds too many operator characters in a row")]
    Operators,
}

/// Checks a text in one pass.
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
    nesting(bytes)
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

/// Nesting of parentheses and brackets, blind to what is a literal or a comment. It gives the common case a
/// clear message; what slips past it meets the C parser's stack check (100 kB), for which
/// [`crate::STACK_BYTES`] is ample.
fn nesting(bytes: &[u8]) -> Result<(), Refusal> {
    let mut depth = 0_usize;
    for byte in bytes {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth > NESTING_MAX {
            return Err(Refusal::Nesting);
        }
    }
    Ok(())
}
