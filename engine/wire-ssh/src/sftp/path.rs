//! Paths as bytes: what a server makes of them, as far as that can be known from here. Refuses to take `..` for
//! something that can be worked out on paper: behind a link it leads elsewhere.

/// A path made plain: no `//`, no `.`, no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) bytes: Vec<u8>,
    /// It begins at the root, and goes only down: what it says is where it leads, but for links.
    pub(super) certain: bool,
}

/// Makes a path plain.
pub(super) fn plain(path: &[u8]) -> Plain {
    let absolute = path.first() == Some(&b'/');
    let parts: Vec<&[u8]> = parts(path).collect();
    let upwards = parts.iter().any(|part| *part == b"..");
    let mut bytes = Vec::with_capacity(path.len() + 1);
    for part in &parts {
        if absolute || !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(part);
    }
    if bytes.is_empty() {
        bytes.push(if absolute { b'/' } else { b'.' });
    }
    Plain {
        bytes,
        certain: absolute && !upwards,
    }
}

fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
}

/// The folder a path stands in, and its name there. `None` where the last part is no name: `/`, `..`, nothing.
pub(super) fn parent(path: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let path = plain(path);
    let at = path.bytes.iter().rposition(|byte| *byte == b'/');
    let (folder, name) = match at {
        None => (b".".as_slice(), path.bytes.as_slice()),
        Some(0) => (b"/".as_slice(), path.bytes.get(1..)?),
        Some(at) => (path.bytes.get(..at)?, path.bytes.get(at + 1..)?),
    };
    let named = !name.is_empty() && name != b"." && name != b"..";
    named.then(|| (folder.to_vec(), name.to_vec()))
}

/// A name in a folder.
pub(super) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if name.first() == Some(&b'/') {
        return name.to_vec();
    }
    let mut path = folder.to_vec();
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// As policies and plugins read it.
pub(super) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, want: &str, certain: bool) {
        let got = plain(path.as_bytes());
        assert_eq!((shown(&got.bytes).as_str(), got.certain), (want, certain));
    }

    #[test]
    fn paths_are_made_plain_and_never_worked_out() {
        check("/srv//app/./x/", "/srv/app/x", true);
        check("/", "/", true);
        check("//", "/", true);
        check("", ".", false);
        check("./a", "a", false);
        check("a/../b", "a/../b", false);
        check(
            "/srv/app/../../etc/shadow",
            "/srv/app/../../etc/shadow",
            false,
        );
        check("/a/..b", "/a/..b", true);
    }

    #[test]
    fn a_name_stands_in_a_folder() {
        let pair = |a: &str, b: &str| Some((a.as_bytes().to_vec(), b.as_bytes().to_vec()));
        assert_eq!(parent(b"/srv/app/x"), pair("/srv/app", "x"));
        assert_eq!(parent(b"/x/"), pair("/", "x"));
        assert_eq!(parent(b"x"), pair(".", "x"));
        assert_eq!(parent(b"a/x"), pair("a", "x"));
        for none in [&b"/"[..], b".", b"", b"/srv/..", b".."] {
            assert_eq!(parent(none), None, "{}", shown(none));
        }
        assert_eq!(join(b"/srv", b"../x"), b"/srv/../x");
        assert_eq!(join(b"/", b"x"), b"/x");
        assert_eq!(join(b"/srv", b"/x"), b"/x");
    }
}
