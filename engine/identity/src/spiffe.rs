//! SPIFFE IDs, as far as a JWT-SVID needs them (SPIFFE-ID section 2, JWT-SVID section 3): whose trust domain
//! a subject stands in.
//!
//! It refuses what a lenient reader would normalise: empty and dotted path segments, ports, queries, escapes,
//! upper case in a domain. Two readers must never see two subjects in one text.

const SCHEME: &str = "spiffe://";

/// True for `spiffe://trust-domain` and nothing behind it.
pub(crate) fn is_domain(text: &str) -> bool {
    text.strip_prefix(SCHEME).is_some_and(|name| {
        (1..=255).contains(&name.len())
            && name
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'))
    })
}

/// True when `id` is a workload of this trust domain (`spiffe://trust-domain`).
pub(crate) fn belongs(id: &str, domain: &str) -> bool {
    let path = id.strip_prefix(domain).and_then(|p| p.strip_prefix('/'));
    is_domain(domain)
        && path.is_some_and(|path| {
            path.split('/').all(|segment| {
                !matches!(segment, "" | "." | "..")
                    && segment
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_belong_and_only_to_their_own_domain() {
        let domain = "spiffe://prod.example";
        assert!(belongs("spiffe://prod.example/ns/pay/sa/api-1", domain));
        for other in [
            "spiffe://prod.example",
            "spiffe://prod.example/",
            "spiffe://prod.example//a",
            "spiffe://prod.example/a/",
            "spiffe://prod.example/a/../b",
            "spiffe://prod.example/./b",
            "spiffe://prod.example/a%2fb",
            "spiffe://prod.example/a?x",
            "spiffe://prod.example.evil/a",
            "spiffe://PROD.example/a",
            "spiffe://evil/prod.example/a",
            "https://prod.example/a",
        ] {
            assert!(!belongs(other, domain), "{other}");
        }
        for bad in [
            "spiffe://",
            "spiffe://a/b",
            "spiffe://A",
            "spiffe://a:1",
            "https://a",
            "",
        ] {
            assert!(!is_domain(bad), "{bad}");
        }
    }
}
