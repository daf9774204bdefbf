//! Which way a command goes, what it sends there, and what it says when it is refused.

use super::desk::path_part;
use super::*;
use crate::cli::CONFIG;
use portcullis_console::{Approval, Choice};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

const TOKEN: &str = "a-token-of-somebody";

fn reach(gateway: Option<&str>, socket: Option<&str>) -> Reach {
    Reach {
        at: Whereabouts {
            config: PathBuf::from(CONFIG),
            socket: socket.map(PathBuf::from),
        },
        gateway: gateway.map(|url| url.parse().expect("an address")),
        ca: None,
        token_file: None,
    }
}

fn around(gateway: Option<&str>, login: Option<&str>, configured: bool) -> Surroundings {
    Surroundings {
        gateway: gateway.map(str::to_owned),
        login: login.map(|url| Portal {
            gateway: url.parse().expect("an address"),
            ca: Some(PathBuf::from("ca-of-the-login")),
        }),
        configured,
    }
}

fn named(way: Result<Way<'_>, Exit>) -> String {
    match way {
        Ok(Way::Socket(_)) => "socket".to_owned(),
        Ok(Way::Server(portal)) => {
            let ca = portal.ca.map(|ca| format!(" with {}", ca.display()));
            format!("{}{}", portal.gateway, ca.unwrap_or_default())
        }
        Err(exit) => format!("{}: {exit}", exit.code()),
    }
}

#[test]
fn what_is_named_goes_before_what_is_around() {
    let (a, b) = (Some("https://a:6443/"), Some("https://b:6443/"));
    let socket = Some("/run/s");
    for (gateway, socket, variable, login, configured, way) in [
        (a, socket, b, b, true, "https://a:6443/"),
        (None, socket, b, b, true, "socket"),
        (None, None, b, a, true, "https://b:6443/"),
        (None, None, None, a, true, "socket"),
        (
            None,
            None,
            None,
            a,
            false,
            "https://a:6443/ with ca-of-the-login",
        ),
        // The authority of a login is that of its gateway, and of no other.
        (
            a,
            None,
            None,
            a,
            true,
            "https://a:6443/ with ca-of-the-login",
        ),
        (
            Some("https://A:6443"),
            None,
            None,
            a,
            true,
            "https://A:6443/ with ca-of-the-login",
        ),
        (
            a,
            None,
            None,
            Some("https://a:6444/"),
            true,
            "https://a:6443/",
        ),
    ] {
        let reach = reach(gateway, socket);
        assert_eq!(named(reach.way(around(variable, login, configured))), way);
    }
}

#[test]
fn nothing_named_and_plain_http_lead_nowhere() {
    let nobody = reach(None, None);
    let exit = nobody.way(around(None, None, false)).expect_err("nowhere");
    assert_eq!(exit.code(), 3);
    assert!(exit.to_string().contains(CONFIG), "{exit}");
    for plain in ["http://localhost:6443", "http://gateway", "gateway:6443"] {
        let exit = reach(Some(plain), None);
        let exit = exit.way(around(None, None, true)).expect_err(plain);
        assert_eq!(exit.code(), 1, "{plain}");
        let Exit::Refused {
            hint: Some(hint), ..
        } = exit
        else {
            panic!("{plain}: a hint says what to write");
        };
        assert!(hint.contains("https://HOST:PORT"), "{hint}");
    }
    let exit = reach(None, None)
        .way(around(Some("no address"), None, true))
        .map(drop);
    assert_eq!(exit.expect_err("no address").code(), 1);
}

#[test]
fn an_id_leads_to_no_other_place() {
    for id in ["", "../grants", "ap-1/votes", "ap-1?x", "ap 1", "ap-ä"] {
        assert!(path_part(id).is_err(), "{id}");
    }
    assert_eq!(path_part("ap-7k2m9q0x").expect("an id"), "ap-7k2m9q0x");
}

/// Somebody who answers one request, and whoever else came.
struct Once {
    listener: TcpListener,
    answering: JoinHandle<String>,
}

impl Once {
    /// The request, now that its answer has come; whoever is there a second time has been so by now.
    fn heard(self) -> (String, bool) {
        let request = self.answering.join().expect("it was heard");
        (request, came(&self.listener))
    }
}

fn came(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).expect("no waiting");
    listener.accept().is_ok()
}

fn bound() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, format!("http://127.0.0.1:{port}"))
}

fn once(answer: String) -> (Portal, Once) {
    let (listener, gateway) = bound();
    let portal = Portal {
        gateway: gateway.parse().expect("an address"),
        ca: None,
    };
    let accepting = listener.try_clone().expect("a listener");
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = accepting.accept().expect("somebody comes");
        let mut request = Vec::new();
        let mut part = [0; 4096];
        while !whole(&request) {
            match stream.read(&mut part).expect("a request") {
                0 => break,
                count => request.extend_from_slice(&part[..count]),
            }
        }
        stream.write_all(answer.as_bytes()).expect("an answer");
        String::from_utf8(request).expect("text")
    });
    let once = Once {
        listener,
        answering,
    };
    (portal, once)
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| {
        length
            .parse()
            .is_ok_and(|length: usize| body.len() >= length)
    })
}

fn http(status: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn vote() -> Call {
    Call {
        socket: (Method::POST, "/v1/approvals/ap-1/votes".to_owned()),
        server: (Method::POST, "/api/v1/approvals/ap-1/votes".to_owned()),
        body: serde_json::to_value(Ballot {
            choice: Choice::Deny,
            reason: "no ticket",
            reuse_seconds: None,
        })
        .expect("JSON"),
        own: true,
    }
}

#[test]
fn a_vote_goes_to_the_api_with_the_token_in_its_head_and_nowhere_else() {
    let approval = json!({
        "id": "ap-1", "state": "denied", "requester": "ana", "target": "orders", "shown": "x",
        "rules": [], "approver_groups": [], "approvers": 1, "opened": "", "expires": "",
        "votes": [], "facts": {},
    });
    let (portal, heard) = once(http("200 OK", &approval));
    let voted: Approval = by_server(&portal, TOKEN, None, vote()).expect("it counts");
    assert_eq!(voted.state, "denied");
    let (request, again) = heard.heard();
    assert!(!again, "it is sent once");
    assert!(
        request.starts_with("POST /api/v1/approvals/ap-1/votes HTTP/1.1\r\n"),
        "{request}"
    );
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    assert!(request.contains(&bearer), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").expect("a body");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let sent = json!({"choice": "deny", "reason": "no ticket", "reuse_seconds": null});
    assert_eq!(body, sent, "the body holds no token");
}

#[test]
fn a_vote_without_an_answer_is_not_sent_again_and_may_have_counted() {
    let (elsewhere, url) = bound();
    for answer in [
        String::new(),
        format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: {url}/api/v1/approvals/ap-1/votes\r\nContent-Length: 0\r\n\r\n"
        ),
        http("200 OK", &json!("what")),
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>".to_owned(),
        "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n{\"id\":".to_owned(),
    ] {
        let (portal, heard) = once(answer.clone());
        let exit = by_server::<Approval>(&portal, TOKEN, None, vote()).expect_err("no answer");
        assert_eq!(exit.code(), 3, "{exit}");
        assert!(!heard.heard().1, "it came twice: {answer}");
        let Exit::Unanswered { hint, .. } = exit else {
            panic!("{exit}");
        };
        assert!(
            hint.contains("look whether it was done"),
            "{answer}: {hint}"
        );
    }
    assert!(!came(&elsewhere), "a redirect was followed");
}

#[test]
fn what_is_refused_for_now_is_told_from_what_is_refused() {
    for (status, later) in [
        ("429 Too Many Requests", true),
        ("503 Service Unavailable", true),
        ("403 Forbidden", false),
    ] {
        for body in [
            json!({"title": "x", "status": 1, "detail": "no", "hint": null}),
            json!({"error": "no", "hint": null}),
        ] {
            let (portal, heard) = once(http(status, &body));
            let exit = by_server::<Approval>(&portal, TOKEN, None, vote()).expect_err(status);
            heard.heard();
            assert_eq!(matches!(exit, Exit::Later { .. }), later, "{status}");
            assert_eq!(exit.code(), 1, "{status}");
        }
    }
}

#[test]
fn a_token_that_cannot_be_read_is_given_all_the_same() {
    use std::os::unix::ffi::OsStringExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "in-the-file\n").expect("a file");
    let shown = |file: Option<&Path>, variable: Option<OsString>| {
        let token = given(file, variable);
        token.map(|token| token.map(|token| token.to_string()))
    };
    assert_eq!(shown(None, None).expect("nothing"), None);
    let variable = shown(None, Some(" in-the-variable\n".into())).expect("a token");
    assert_eq!(variable.as_deref(), Some("in-the-variable"));
    let both = shown(Some(&file), Some("in-the-variable".into())).expect("a token");
    assert_eq!(both.as_deref(), Some("in-the-file"));
    let garbled = OsString::from_vec(vec![b'e', 0xff]);
    assert!(shown(None, Some(garbled)).is_err());
    assert!(shown(Some(&folder.path().join("none")), None).is_err());
}

#[test]
fn a_login_goes_over_no_socket_but_its_gateway_s() {
    let portal = Portal {
        gateway: "https://gateway:6443".parse().expect("an address"),
        ca: None,
    };
    for (url, theirs) in [
        (Some("https://gateway:6443"), true),
        (Some("https://GATEWAY:6443/"), true),
        (Some("https://gateway"), false),
        (Some("http://gateway:6443"), false),
        (Some("https://other:6443"), false),
        (Some("what is that"), false),
        (None, false),
    ] {
        assert_eq!(is_of(&portal, url), theirs, "{url:?}");
    }
}

#[test]
fn a_configuration_counts_where_it_can_be_read() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    assert!(readable(file.path()));
    assert!(!readable(Path::new("/nowhere/portcullis.yaml")));
}

#[test]
fn an_address_is_a_place_and_holds_no_password() {
    for (url, fits) in [
        ("https://gateway:6443", true),
        ("https://gateway:6443/", true),
        ("https://gateway", true),
        ("https://[::1]:6443", true),
        ("https://ana:hunter2@gateway:6443", false),
        ("https://hunter2@gateway", false),
        ("https://gateway:6443/console", false),
        ("https://gateway:6443/?hunter2", false),
    ] {
        let exits = [
            reach(Some(url), None)
                .way(around(None, None, true))
                .map(drop),
            reach(None, None)
                .way(around(Some(url), None, true))
                .map(drop),
            Portal {
                gateway: url.parse().expect("an address"),
                ca: None,
            }
            .check(),
        ];
        for exit in exits {
            assert_eq!(exit.is_ok(), fits, "{url}");
            let said = exit.err().map(|exit| exit.shown());
            assert!(!format!("{said:?}").contains("hunter2"), "{said:?}");
        }
    }
    let (listener, url) = bound();
    let portal = Portal {
        gateway: format!("{url}/console").parse().expect("an address"),
        ca: None,
    };
    assert!(by_server::<Approval>(&portal, TOKEN, None, vote()).is_err());
    assert!(!came(&listener), "nobody is asked");
}

#[test]
fn a_refusal_says_what_to_type() {
    let problem = |detail: &str| json!({"title": "x", "status": 1, "detail": detail, "hint": "as the gateway says"});
    for (status, body, says, hints) in [
        (
            "401 Unauthorized",
            problem("the token has expired"),
            "has expired",
            "portcullis login --gateway http",
        ),
        (
            "403 Forbidden",
            problem("this needs a fresh login (console/fresh-login)"),
            "fresh",
            "login --fresh",
        ),
        (
            "403 Forbidden",
            problem("this needs a fresh login: it is old (approval/fresh-login)"),
            "fresh",
            "login --fresh",
        ),
        (
            "403 Forbidden",
            problem("breaking the glass takes a fresh login (approval/glass-login)"),
            "fresh",
            "login --fresh",
        ),
        (
            "403 Forbidden",
            problem("ana has written: this needs no fresh login (console/own)"),
            "console/own",
            "as the gateway says",
        ),
        (
            "403 Forbidden",
            problem("this is for the approver (console/role)"),
            "console/role",
            "as the gateway says",
        ),
        (
            "404 Not Found",
            problem("there is no such request"),
            "no such",
            "roles: { approver:",
        ),
        (
            "404 Not Found",
            json!({"error": "there is nothing here", "hint": null}),
            "does not answer",
            "console: {}",
        ),
        (
            "429 Too Many",
            json!({"error": "too many\u{1b}[31m", "hint": null}),
            "too many\\",
            "",
        ),
    ] {
        let (portal, heard) = once(http(status, &body));
        let exit = by_server::<Approval>(&portal, TOKEN, None, vote()).expect_err(status);
        heard.heard();
        assert_eq!(exit.code(), 1, "{exit}");
        let (message, hint) = exit.shown();
        assert!(message.contains(says), "{message}");
        let hint = hint.unwrap_or_default();
        assert!(hint.contains(hints), "{status}: {hint}");
    }
}

#[test]
fn whoever_is_sent_to_log_in_is_told_with_which_authority() {
    let problem = Problem {
        detail: "this needs a fresh login (console/fresh-login)".to_owned(),
        hint: None,
    };
    let gateway = "https://gateway:6443/";
    for (ca, says) in [
        (None, "https://gateway:6443/`"),
        (
            Some("/etc/ca.pem"),
            "https://gateway:6443/ --ca /etc/ca.pem`",
        ),
    ] {
        let portal = Portal {
            gateway: gateway.parse().expect("an address"),
            ca: ca.map(PathBuf::from),
        };
        for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
            let hint = next_step(&portal, status, "/", &problem).expect("a hint");
            assert!(hint.contains(says), "{hint}");
        }
    }
}
