//! Request lines and headers of a cluster's clients. Laws: nothing panics; what is taken has one reading: its path has
//! no empty or dot segments and nothing encoded that could become one, its verb is one of the API's, and what the
//! reader understood, written down plainly, is understood as the same again.
//!
//! Input: lines; the first is `METHOD TARGET`, the others are headers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_model::Call;
use portcullis_wire_kubernetes::fuzzing::asked;

const VERBS: [&str; 15] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "exec",
    "attach",
    "portforward",
    "proxy",
    "head",
    "post",
    "put",
];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let (method, target) = first.split_once(' ').unwrap_or(("GET", first));
    let headers: Vec<(&str, &str)> = lines.filter_map(|l| l.split_once(": ")).collect();
    let Some(call) = asked(method, target, &headers) else {
        return;
    };
    let path = target.split('?').next().unwrap_or_default();
    let lower = path.to_ascii_lowercase();
    for lame in [
        "//", "/./", "/../", "%2f", "%2e", "%5c", "%00", "%25", "\\", "#",
    ] {
        assert!(!lower.contains(lame), "`{lame}` is taken in {path}");
    }
    assert!(VERBS.contains(&call.verb.as_str()), "{}", call.verb);
    assert!(
        !headers
            .iter()
            .any(|(name, _)| name.to_ascii_lowercase().starts_with("impersonate-")),
        "somebody else's name is taken"
    );
    let Some(plain) = plain(&call) else { return };
    // Ports, words and flags stand in the query: it is the same one.
    let query = target
        .split_once('?')
        .map_or(String::new(), |(_, q)| format!("?{q}"));
    if let Some(again) = asked(method, &format!("{plain}{query}"), &headers) {
        assert_eq!(again, call, "{plain} is another call");
    }
});

/// The path of a resource as everybody writes it, where its names need no encoding.
fn plain(call: &Call) -> Option<String> {
    let resource = call.resource.as_deref()?;
    if matches!(call.verb.as_str(), "proxy" | "watch") || resource == "namespaces" {
        // What is proxied has a path of its own, old watches and namespaces another form.
        return None;
    }
    let mut path = match call.group.as_str() {
        "" => format!("/api/{}", call.version),
        group => format!("/apis/{group}/{}", call.version),
    };
    let parts = [
        call.namespace.as_deref().map(|n| format!("namespaces/{n}")),
        Some(resource.to_owned()),
        call.name.clone(),
        call.subresource.clone(),
    ];
    for part in parts.into_iter().flatten() {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:".contains(&b);
        if !part.bytes().all(good) {
            return None;
        }
        path.push('/');
        path.push_str(&part);
    }
    Some(path)
}
