//! The lines of a `known_hosts` file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): which of them are about a host. Pure.
//! It refuses a file with a line that it cannot read: a revocation may stand there.

use aws_lc_rs::{constant_time, hmac};
use ssh_key::known_hosts::{Entry, HostPatterns, KnownHosts};

/// The entries of a file.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, ssh_key::Error> {
    KnownHosts::new(text).collect()
}

/// The name under which a host stands there.
pub(super) fn name(host: &str, port: u16) -> String {
    match port {
        22 => host.to_ascii_lowercase(),
        _ => format!("[{}]:{port}", host.to_ascii_lowercase()),
    }
}

/// Whether an entry is about this name.
pub(super) fn about(entry: &Entry, name: &str) -> bool {
    match entry.host_patterns() {
        HostPatterns::HashedName { salt, hash } => {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
            let found = hmac::sign(&key, name.as_bytes());
            constant_time::verify_slices_are_equal(found.as_ref(), hash).is_ok()
        }
        HostPatterns::Patterns(patterns) => {
            let (no, yes): (Vec<_>, Vec<_>) = patterns.iter().partition(|p| p.starts_with('!'));
            let hit = |pattern: &&String| {
                let pattern = pattern.trim_start_matches('!').to_ascii_lowercase();
                matches(pattern.as_bytes(), name.as_bytes())
            };
            !no.iter().any(hit) && yes.iter().any(hit)
        }
    }
}

/// `*` is any run, `?` any one byte. Iterative: a pattern cannot make it slow.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut on) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while on < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, on));
                at += 1;
            }
            Some(b'?') => (at, on) = (at + 1, on + 1),
            Some(byte) if name.get(on) == Some(byte) => (at, on) = (at + 1, on + 1),
            _ => match star {
                Some((from, covered)) => {
                    star = Some((from, covered + 1));
                    (at, on) = (from + 1, covered + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn about_it(hosts: &str, name: &str) -> bool {
        let text = format!("# a file\n{hosts} {KEY}\n");
        about(&entries(&text).unwrap()[0], name)
    }

    #[test]
    fn patterns_are_opensshs() {
        for (hosts, host, is) in [
            ("web-1", "web-1", true),
            ("web-1", "web-2", false),
            ("WEB-1,db", "web-1", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com,!bad.example.com", "bad.example.com", false),
            ("!web-1", "web-1", false),
            ("we?-1", "web-1", true),
            ("*", "", true),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("[web-1]:2222", "[web-1]:2222", true),
        ] {
            assert_eq!(about_it(hosts, host), is, "{hosts} {host}");
        }
        assert_eq!(name("Web-1", 22), "web-1");
        assert_eq!(name("::1", 2022), "[::1]:2022");
    }

    #[test]
    fn hashed_names_are_found() {
        // What `ssh-keygen -H` makes of `example.com` with this salt.
        let salt = b"01234567890123456789";
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
        let tag = hmac::sign(&key, b"example.com");
        use base64::Engine as _;
        let b64 = |b: &[u8]| base64::engine::general_purpose::STANDARD.encode(b);
        let hosts = format!("|1|{}|{}", b64(salt), b64(tag.as_ref()));
        assert!(about_it(&hosts, "example.com"));
        assert!(!about_it(&hosts, "example.org"));
    }

    #[test]
    fn a_line_that_cannot_be_read_spoils_the_file() {
        assert!(entries(&format!("@revokd web-1 {KEY}\n")).is_err());
        assert!(entries("web-1 ssh-ed25519 AAAA\n").is_err());
        assert_eq!(entries("\n# nothing\n").unwrap().len(), 0);
    }
}
