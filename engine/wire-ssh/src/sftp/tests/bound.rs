//! What an approval of an SFTP request is bound to.

use super::*;

/// The question about a request, as a stream asks it on which this handle is open.
fn bound(packet: Bytes, handle: &str) -> Bytes {
    let mut stream = Stream::new();
    stream.client(open(1, "/srv/a", WRITE | CREATE, None));
    stream.server(&handle_reply(1, handle));
    stream.inspector.feed(Side::Client, &packet).unwrap();
    loop {
        match stream.inspector.next_event().unwrap() {
            Some(Event::Judge(judged)) => {
                let bound = judged.bound();
                let _refused = stream.inspector.refuse(judged, "no").unwrap();
                return bound;
            }
            Some(event) => stream.event(event),
            None => panic!("nothing was asked"),
        }
    }
}

#[test]
fn the_same_request_made_again_is_the_same() {
    let first = bound(setstat(7, "/srv/a", 0o600), "h");
    assert_eq!(first, bound(setstat(90_000, "/srv/a", 0o600), "h"));
    assert_ne!(first, bound(setstat(7, "/srv/a", 0o777), "h"));
    assert_ne!(first, bound(setstat(7, "/srv/b", 0o600), "h"));
    assert_ne!(first, bound(mkdir(7, "/srv/a", 0o600), "h"));
    // By the handle of a file, which has another name each time it is opened.
    let by_handle = bound(fsetstat(7, "h", 0o600), "h");
    assert_eq!(by_handle, bound(fsetstat(8, "another", 0o600), "another"));
    assert_ne!(by_handle, bound(fsetstat(7, "h", 0o777), "h"));
}
