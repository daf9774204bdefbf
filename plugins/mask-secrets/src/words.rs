//! What people write where a secret could stand, and is none: placeholders, names, code. Everything here makes the
//! assignment rule find less, so each entry has a near miss in the tests.

/// A name that goes on: `token_count`, `password_hash_cost`, `secretary`, `tokenizer`.
pub fn other_meaning(word: &[u8]) -> bool {
    let split = word.iter().position(|b| {
        matches!(b, b'_' | b'-')
            || b.is_ascii_uppercase() && !word.iter().all(|b| !b.is_ascii_lowercase())
    });
    let base = word.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let first = &word[..base];
    // The stem must be the whole first word, give or take a plural.
    let glued = [
        "tokeni",
        "secretar",
        "passwordless",
        "tokenstream",
        "credentialing",
        "secretly",
        "secretion",
        "secretsmanager",
        "secretmanager",
    ];
    if glued
        .iter()
        .any(|g| first.len() >= g.len() && first[..g.len()].eq_ignore_ascii_case(g.as_bytes()))
    {
        return true;
    }
    let Some(_) = split else {
        return false;
    };
    let last = word
        .rsplit(|b| matches!(b, b'_' | b'-'))
        .next()
        .unwrap_or_default();
    let camel = last
        .iter()
        .rposition(u8::is_ascii_uppercase)
        .map_or(last, |i| &last[i..]);
    TAILS.iter().any(|t| {
        camel.eq_ignore_ascii_case(t.as_bytes()) || last.eq_ignore_ascii_case(t.as_bytes())
    })
}

/// `${VAR}`, `<token>`, `{{ .Values.x }}`, `xxxxxxxx`, `null`, `your-api-key`, our own mark.
pub fn placeholder(text: &[u8]) -> bool {
    const OPENS: [&[u8]; 22] = [
        b"[pc-masked:",
        b"$(",
        b"${",
        b"$",
        b"***",
        b"<",
        b"{{",
        b"{%",
        b"%{",
        b"%s",
        b"%(",
        b"#{",
        b"@@",
        b"ENV[",
        b"env:",
        b"vault:",
        b"arn:",
        b"op://",
        b"ssm:",
        b"/run/",
        b"~/",
        b"./",
    ];
    const SAYS: [&str; 14] = [
        "example",
        "placeholder",
        "your-",
        "your_",
        "changeme",
        "change-me",
        "change_me",
        "redacted",
        "xxxx",
        "replace",
        "dummy",
        "insert",
        "-here",
        "_here",
    ];
    // A password that begins with a dollar sign is one; a variable is letters.
    let variable = text.strip_prefix(b"$").is_some_and(|v| {
        v.iter()
            .all(|b| b.is_ascii_uppercase() || *b == b'_' || b.is_ascii_digit())
    });
    let dollar = text.first() == Some(&b'$');
    let opens = OPENS.iter().any(|o| text.starts_with(o) && *o != b"$");
    let small = text.to_ascii_lowercase();
    let says = SAYS
        .iter()
        .any(|s| memchr::memmem::find(&small, s.as_bytes()).is_some());
    opens || variable && dollar || says
}

/// Letters in mixed case that still are words: `RequiredField`, `PasswordInput`, `Forgotten`.
pub fn phrase(text: &[u8]) -> bool {
    let mut words = 0;
    let mut run = 0;
    let mut turns = 0;
    for byte in text {
        if !byte.is_ascii_alphabetic() {
            return false;
        }
        if byte.is_ascii_uppercase() {
            turns += 1;
            words += usize::from(run >= 2);
            run = 0;
        }
        run += 1;
    }
    words += usize::from(run >= 3);
    // Random letters turn at every second or third character.
    turns <= 1 || turns * 4 <= text.len() && words >= turns.saturating_sub(1)
}

/// What an expression looks like: `self.token`, `config::SECRET`, `tokens[0]`, `a.b.c`, `foo->bar`, `nextToken2`.
pub fn code(text: &[u8]) -> bool {
    let has = |what: &[u8]| memchr::memmem::find(text, what).is_some();
    let path = has(b"::") || has(b"->") || text.ends_with(b"]") || text.ends_with(b"?");
    let dotted = |text: &[u8]| text.split(|b| *b == b'.').all(identifier);
    let indexed = memchr::memchr(b'[', text).is_some_and(|at| {
        dotted(&text[..at]) && (text.ends_with(b"[") || text[at..].contains(&b']'))
    });
    let rooted = matches!(text, [b'/', ..] | [b'.', b'/', ..] | [b'~', b'/', ..]);
    let file = |p: &[u8]| {
        p.iter().all(|b| {
            b.is_ascii_lowercase()
                || matches!(b, b'.' | b'-' | b'_' | b':')
                || rooted && b.is_ascii_digit()
        })
    };
    let slashed =
        text.contains(&b'/') && text.split(|b| *b == b'/').all(|p| file(p) || identifier(p));
    path || dotted(text)
        || indexed
        || slashed
        || echo(text)
        || matches!(text.first(), Some(b'&' | b'@' | b'*' | b'#'))
}

/// A name as programs have them: words of several letters, few digits. Random letters change case and turn to digits at
/// every second or third character.
fn identifier(part: &[u8]) -> bool {
    let digits = part.iter().filter(|b| b.is_ascii_digit()).count();
    let plain = part.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let begins = part
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    let turn = |p: &[u8]| {
        p[0].is_ascii_digit() != p[1].is_ascii_digit()
            || p[0].is_ascii_lowercase() && p[1].is_ascii_uppercase()
    };
    let turns = part.windows(2).filter(|p| turn(p)).count();
    plain && begins && digits * 4 <= part.len() && (turns + 1) * 4 <= part.len().max(4)
}

/// A variable that is called after what it holds: `id4Token`, `newPassword2`.
fn echo(text: &[u8]) -> bool {
    const NAMES: [&str; 7] = [
        "token",
        "secret",
        "password",
        "apikey",
        "credential",
        "passwd",
        "auth_key",
    ];
    let plain = text.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let small = text.to_ascii_lowercase();
    plain
        && text.len() <= 40
        && NAMES
            .iter()
            .any(|n| memchr::memmem::find(&small, n.as_bytes()).is_some())
}

/// Words and short numbers with dashes, underscores, dots or slashes between: a name, not a secret.
pub fn name(text: &[u8]) -> bool {
    let separators = |b: &u8| matches!(b, b'-' | b'_' | b'.' | b'/' | b':');
    let part = |p: &[u8]| {
        let letters = p.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let digits = p.len() - letters;
        let cased = p[..letters].iter().skip(1).all(u8::is_ascii_lowercase)
            || p[..letters].iter().all(u8::is_ascii_uppercase)
            || phrase(&p[..letters]);
        p[letters..].iter().all(u8::is_ascii_digit) && digits <= 4 && letters <= 20 && cased
    };
    text.split(separators).all(part)
        && (text.iter().any(separators)
            || only_letters(text)
            || text.iter().filter(|b| b.is_ascii_digit()).count() <= 2)
}

/// Nothing but letters.
pub fn only_letters(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_alphabetic)
}

/// Last words of names that do not hold a secret.
const TAILS: [&str; 56] = [
    "count",
    "name",
    "names",
    "type",
    "types",
    "length",
    "len",
    "url",
    "uri",
    "id",
    "ids",
    "ttl",
    "expiry",
    "expires",
    "expiration",
    "path",
    "file",
    "field",
    "label",
    "hint",
    "policy",
    "reset",
    "at",
    "size",
    "limit",
    "max",
    "min",
    "ref",
    "kind",
    "version",
    "arn",
    "index",
    "address",
    "format",
    "prefix",
    "suffix",
    "column",
    "enabled",
    "required",
    "class",
    "input",
    "strength",
    "manager",
    "provider",
    "store",
    "lifetime",
    "usage",
    "budget",
    "position",
    "list",
    "stream",
    "endpoint",
    "issuer",
    "audience",
    "env",
    "mount",
];
