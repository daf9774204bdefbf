//! Secrets with an inner structure: keys in PEM and PuTTY form, web tokens, URLs, verifiers and hashes of passwords.

use crate::decode;
use crate::format::{Format, Found, base64_any, continues_word, hex, ruled, run, word};
use crate::rules::{JWT, PASSWORD_HASH, PRIVATE_KEY, SCRAM, URL_PASSWORD};

/// The formats.
pub const FORMATS: &[Format] = &[
    // RFC 7468, RFC 1421, RFC 4880 (armor), OpenSSH's PROTOCOL.key
    ruled("-----BEGIN ", pem, PRIVATE_KEY),
    // The key without its armor: base64 of `openssh-key-v1\0`
    ruled("b3BlbnNzaC1rZXktdjE", openssh, PRIVATE_KEY),
    // https://the.earth.li/~sgtatham/putty/0.81/htmldoc/AppendixC.html
    ruled("PuTTY-User-Key-File-", putty, PRIVATE_KEY),
    // RFC 7519, RFC 7515, RFC 7516
    ruled("eyJ", jwt, JWT),
    // RFC 3986 section 3.2.1
    ruled("://", url_password, URL_PASSWORD),
    // RFC 5803
    ruled("SCRAM-SHA-256$", scram, SCRAM),
    // https://www.postgresql.org/docs/current/catalog-pg-authid.html
    ruled("md5", postgres_md5, PASSWORD_HASH),
    // https://man.archlinux.org/man/crypt.5, https://docs.djangoproject.com/en/stable/topics/auth/passwords/
    ruled("$2a$", bcrypt, PASSWORD_HASH),
    ruled("$2b$", bcrypt, PASSWORD_HASH),
    ruled("$2y$", bcrypt, PASSWORD_HASH),
    ruled("$argon2", phc, PASSWORD_HASH),
    ruled("$scrypt$", phc, PASSWORD_HASH),
    ruled("$pbkdf2", phc, PASSWORD_HASH),
    ruled("$1$", crypt, PASSWORD_HASH),
    ruled("$5$", crypt, PASSWORD_HASH),
    ruled("$6$", crypt, PASSWORD_HASH),
    ruled("$7$", crypt, PASSWORD_HASH),
    ruled("$y$", crypt, PASSWORD_HASH),
    ruled("pbkdf2_sha256$", django, PASSWORD_HASH),
];

fn found(range: std::ops::Range<usize>, rule: portcullis_sdk::Rule) -> Option<Found> {
    Some(Found { range, rule })
}

/// A private key from its BEGIN line to its END line, or to the end where that is cut off.
pub fn pem(bytes: &[u8], at: usize) -> Option<Found> {
    let body = begins(bytes, at)?;
    let end = ends(bytes, body).unwrap_or(bytes.len());
    found(at..end, PRIVATE_KEY)
}

/// Where the body of a private key begins whose BEGIN stands at `at`. A mere mention of the line is none.
pub fn begins(bytes: &[u8], at: usize) -> Option<usize> {
    let head = bytes.get(at..(at + 80).min(bytes.len()))?;
    let label = memchr::memmem::find(head, b"PRIVATE KEY")?;
    let line = memchr::memchr(b'\n', head).unwrap_or(head.len());
    if line < label {
        return None;
    }
    let close = label + memchr::memmem::find(&head[label..], b"-----")? + 5;
    let body = at + close;
    // Line ends as they are, or escaped, however often.
    let blank = bytes.get(body..)?.iter().take(16);
    let from = body
        + blank
            .take_while(|b| matches!(b, b'\n' | b'\r' | b' ' | b'\\' | b'n' | b'r' | b'\t'))
            .count();
    let rest = bytes.get(from..).unwrap_or_default();
    let headers = [
        b"Proc-Type:".as_slice(),
        b"DEK-Info:",
        b"Comment:",
        b"Version:",
        b"Key-",
    ];
    // An escape may have eaten letters of the body: they are base64 all the same.
    let length = run(bytes, from, base64_any);
    // Cut off in the middle of the first line, or right before it: it may be a key.
    let cut = from + length == bytes.len();
    let keyed = length >= 8 || cut || headers.iter().any(|h| rest.starts_with(h));
    keyed.then_some(body)
}

/// One past the END line behind `body`.
pub fn ends(bytes: &[u8], body: usize) -> Option<usize> {
    let rest = bytes.get(body..)?;
    let end = memchr::memmem::find(rest, b"-----END ")?;
    let line = rest.get(end + 9..(end + 80).min(rest.len()))?;
    let close = memchr::memmem::find(line, b"-----")?;
    Some(body + end + 9 + close + 5)
}

fn openssh(bytes: &[u8], at: usize) -> Option<Found> {
    let class = |b: u8| base64_any(b) || b == b'\n' || b == b'\r';
    let length = run(bytes, at, class);
    let exact = bytes.get(at..at + 19)? == b"b3BlbnNzaC1rZXktdjE";
    (exact && length >= 100).then_some(())?;
    found(at..at + length, PRIVATE_KEY)
}

fn putty(bytes: &[u8], at: usize) -> Option<Found> {
    let rest = bytes.get(at..)?;
    let lines = memchr::memmem::find(rest, b"Private-Lines:")?;
    let mac =
        memchr::memmem::find(&rest[lines..], b"Private-MAC:").map_or(rest.len() - lines, |m| {
            let line = memchr::memchr(b'\n', &rest[lines + m..]);
            m + line.unwrap_or(rest.len() - lines - m)
        });
    found(at..at + lines + mac, PRIVATE_KEY)
}

/// Three or five base64url parts; the first is an object that names its algorithm. The signature of `none` may be empty.
pub fn jwt(bytes: &[u8], at: usize) -> Option<Found> {
    if bytes.get(at..at + 3)? != b"eyJ" || continues_word(bytes, at) {
        return None;
    }
    let first = run(bytes, at, word);
    let dot = |i: usize| bytes.get(i) == Some(&b'.');
    let mut end = at + first;
    if first < 16 || !dot(end) {
        return None;
    }
    let header = decode::base64(&bytes[at..at + first.min(512)]);
    if ![b"\"alg\"".as_slice(), b"\"enc\"", b"\"typ\""]
        .iter()
        .any(|f| memchr::memmem::find(&header, f).is_some())
    {
        return None;
    }
    let mut parts = 1;
    while parts < 5 && dot(end) {
        let length = run(bytes, end + 1, word);
        // An encrypted key may be empty, a payload may not; and a full stop ends a sentence.
        if length == 0 && !(parts >= 2 && dot(end + 1)) {
            break;
        }
        end += 1 + length;
        parts += 1;
    }
    if parts < 2 || end - at - first < 5 {
        return None;
    }
    found(at..end, JWT)
}

/// The password in `scheme://user:password@host`.
pub fn url_password(bytes: &[u8], at: usize) -> Option<Found> {
    if !at
        .checked_sub(1)
        .and_then(|i| bytes.get(i))
        .is_some_and(u8::is_ascii_alphanumeric)
    {
        return None;
    }
    let rest = bytes.get(at + 3..)?;
    let rest = &rest[..rest.len().min(512)];
    // User information ends before the path; a quote or a blank ends the URL.
    let stop = |b: &u8| {
        matches!(
            b,
            b'/' | b'?' | b'#' | b' ' | b'"' | b'\'' | b'<' | b'>' | b'\n' | b'`' | b'(' | b')'
        )
    };
    let authority = &rest[..rest.iter().position(stop).unwrap_or(rest.len())];
    let host = match memchr::memrchr(b'@', authority) {
        Some(host) => host,
        // A password with a slash or a question mark that nobody has escaped.
        None => wild(rest)?,
    };
    let colon = memchr::memchr(b':', rest.get(..host)?)?;
    let password = rest.get(colon + 1..host)?;
    let template = matches!(
        password.first(),
        Some(b'$' | b'{' | b'<' | b'*' | b'%' | b'[')
    ) || password == b"password"
        || password
            .iter()
            .all(|b| matches!(b, b'x' | b'X' | b'*' | b'.'));
    if password.is_empty() || template {
        return None;
    }
    found(at + 3 + colon + 1..at + 3 + host, URL_PASSWORD)
}

/// The `@` of user information that holds signs which should have been escaped: `user:pa/ss@host`.
fn wild(rest: &[u8]) -> Option<usize> {
    let stop = |b: &u8| matches!(b, b' ' | b'"' | b'\'' | b'<' | b'>' | b'\n' | b'`');
    let text = &rest[..rest.iter().position(stop).unwrap_or(rest.len())];
    let slash = memchr::memchr3(b'/', b'?', b'#', text)?;
    let colon = memchr::memchr(b':', &text[..slash])?;
    let host = memchr::memrchr(b'@', text)?;
    // A port is no password.
    let port = text[colon + 1..slash].iter().all(u8::is_ascii_digit);
    (!port && host > slash).then_some(host)
}

/// `SCRAM-SHA-256$iterations:salt$stored:server`.
fn scram(bytes: &[u8], at: usize) -> Option<Found> {
    let class = |b: u8| b.is_ascii_alphanumeric() || b"+/=:$".contains(&b);
    let length = run(bytes, at + 14, class);
    (length >= 64).then_some(())?;
    found(at..at + 14 + length, SCRAM)
}

/// `md5` and 32 hexadecimal digits, in one word.
fn postgres_md5(bytes: &[u8], at: usize) -> Option<Found> {
    let fine =
        run(bytes, at + 3, hex) == 32 && run(bytes, at, word) == 35 && !continues_word(bytes, at);
    (fine && bytes.get(at..at + 3)? == b"md5").then_some(())?;
    found(at..at + 35, PASSWORD_HASH)
}

fn crypt64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'.' || b == b'/'
}

/// `$2b$12$` and 53 characters.
fn bcrypt(bytes: &[u8], at: usize) -> Option<Found> {
    let cost = bytes.get(at + 4..at + 7)?;
    let fine = cost[..2].iter().all(u8::is_ascii_digit)
        && cost[2] == b'$'
        && match run(bytes, at + 7, crypt64) {
            53 => true,
            // A full stop behind it.
            54 => bytes.get(at + 60) == Some(&b'.'),
            _ => false,
        };
    fine.then_some(())?;
    found(at..at + 60, PASSWORD_HASH)
}

/// The PHC string format: `$id$v=…$params$salt$hash`.
fn phc(bytes: &[u8], at: usize) -> Option<Found> {
    let class = |b: u8| b.is_ascii_alphanumeric() || b"+/=,$._-".contains(&b);
    let length = run(bytes, at, class);
    let signs = bytes
        .get(at..at + length)?
        .iter()
        .filter(|b| **b == b'$')
        .count();
    (length >= 50 && signs >= 4).then_some(())?;
    found(at..at + length, PASSWORD_HASH)
}

/// `$6$rounds=…$salt$hash`.
fn crypt(bytes: &[u8], at: usize) -> Option<Found> {
    let class = |b: u8| crypt64(b) || b == b'$' || b == b'=' || b == b',';
    let length = run(bytes, at, class);
    let text = bytes.get(at..at + length)?;
    let hash = text.len() - memchr::memrchr(b'$', text)? - 1;
    let least = if bytes.get(at + 1) == Some(&b'1') {
        22
    } else {
        43
    };
    (hash >= least && hash <= 90 && text.iter().filter(|b| **b == b'$').count() >= 3)
        .then_some(())?;
    found(at..at + length, PASSWORD_HASH)
}

/// `pbkdf2_sha256$iterations$salt$hash`.
fn django(bytes: &[u8], at: usize) -> Option<Found> {
    let class = |b: u8| b.is_ascii_alphanumeric() || b"+/=$_".contains(&b);
    let length = run(bytes, at, class);
    let signs = bytes
        .get(at..at + length)?
        .iter()
        .filter(|b| **b == b'$')
        .count();
    (length >= 60 && signs == 3).then_some(())?;
    found(at..at + length, PASSWORD_HASH)
}
