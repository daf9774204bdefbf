//! A command line as words, where that is the same for every shell that a host may have: letters, quotes, backslashes,
//! and patterns in arguments. Refuses anything that a shell acts on: variables, substitutions, redirections, lists.

/// Longer command lines are no transfers.
const WORDS_MAX: usize = 1024;

/// One word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) bytes: Vec<u8>,
    /// Something in it is expanded: `*`, `~`.
    pub(crate) pattern: bool,
}

impl Word {
    /// Its text, when it is just that.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.pattern {
            true => None,
            false => std::str::from_utf8(&self.bytes).ok(),
        }
    }
}

/// The words of a command; `None` when it is more than words.
pub(crate) fn words(command: &[u8]) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut rest = command.iter().copied();
    while let Some(byte) = rest.next() {
        if byte == b' ' || byte == b'\t' {
            words.extend(word.take());
            if words.len() > WORDS_MAX {
                return None;
            }
            continue;
        }
        let begins = word.is_none();
        let word = word.get_or_insert_default();
        match byte {
            b'\'' => single(&mut rest, word)?,
            b'"' => double(&mut rest, word)?,
            b'\\' => match rest.next()? {
                b'\n' | 0 => return None,
                byte => word.bytes.push(byte),
            },
            // A tilde is expanded at the front only.
            b'~' if begins => {
                word.pattern = true;
                word.bytes.push(byte);
            }
            b'*' | b'?' | b'[' | b']' | b'{' | b'}' => {
                word.pattern = true;
                word.bytes.push(byte);
            }
            // A comment, or a job.
            b'#' | b'%' if begins => return None,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | 0x80.. => word.bytes.push(byte),
            b'_' | b'-' | b'.' | b'/' | b',' | b':' | b'=' | b'@' | b'%' | b'+' | b'~' | b'#' => {
                word.bytes.push(byte);
            }
            _ => return None,
        }
    }
    words.extend(word);
    // `A=b program` sets a variable.
    let assigns = words.first().is_some_and(|w| w.bytes.contains(&b'='));
    (!assigns).then_some(words)
}

fn single(rest: &mut impl Iterator<Item = u8>, word: &mut Word) -> Option<()> {
    loop {
        match rest.next()? {
            b'\'' => return Some(()),
            b'\n' | b'\r' | 0 | b'!' => return None,
            byte => word.bytes.push(byte),
        }
    }
}

fn double(rest: &mut impl Iterator<Item = u8>, word: &mut Word) -> Option<()> {
    loop {
        match rest.next()? {
            b'"' => return Some(()),
            b'$' | b'`' | b'\n' | b'\r' | 0 | b'!' => return None,
            b'\\' => match rest.next()? {
                byte @ (b'"' | b'\\' | b'$' | b'`') => word.bytes.push(byte),
                _ => return None,
            },
            byte => word.bytes.push(byte),
        }
    }
}
