//! The gate in front of SAML responses. Laws: it never panics; what it lets through has one assertion and one
//! response by their bytes, hides nothing, and reads the same with other white space at its ends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_identity::fuzzing::plain;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if !plain(text) {
        return;
    }
    assert!(!text.contains("<!"), "something is hidden");
    assert_eq!(
        text.matches("<?").count(),
        usize::from(text.starts_with("<?xml "))
    );
    let opened = |name: &str| {
        let tags = text
            .split('<')
            .skip(1)
            .filter(|tag| !tag.starts_with(['/', '?']));
        let names = tags.map(|tag| {
            let end = tag
                .find([' ', '\t', '\r', '\n', '/', '>'])
                .unwrap_or(tag.len());
            tag[..end].rsplit(':').next().unwrap_or_default()
        });
        names.filter(|n| *n == name).count()
    };
    assert_eq!((opened("Assertion"), opened("Response")), (1, 1));
    assert!(opened("Signature") <= 2);
    assert!(
        plain(&format!("{text}\n")),
        "white space at the end matters"
    );
});
