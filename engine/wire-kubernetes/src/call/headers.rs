//! The headers of a request: a list of those that go on, and refusals for those that would make somebody behind the
//! gateway see another request, another identity or another protocol.
//!
//! Everything that is not on the list stays behind, so that a header nobody thought of never arrives: credentials,
//! cookies, `X-Forwarded-*`, hop-by-hop headers (RFC 9110 section 7.6.1), audit identifiers.

use super::accept::{self, Accept};
use crate::turned::Turned;
use hyper::HeaderMap;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT,
    HOST, HeaderName, IF_MATCH, IF_NONE_MATCH, ORIGIN, TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use portcullis_model::limits;

const RULE: &str = "kubernetes/header";

/// What goes on as it came, apart from what the gateway writes itself.
const GO_ON: [HeaderName; 3] = [USER_AGENT, IF_MATCH, IF_NONE_MATCH];

/// Headers that stand at most once.
const SINGLE: [HeaderName; 9] = [
    HOST,
    AUTHORIZATION,
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    TRANSFER_ENCODING,
    UPGRADE,
    EXPECT,
    ORIGIN,
];

/// Another method than the one on the request line.
const METHODS: [&str; 3] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// The protocol that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// RFC 6455.
    WebSocket {
        /// `Sec-WebSocket-Key`.
        key: String,
        /// The subprotocols offered, best first.
        protocols: Vec<String>,
    },
    /// `SPDY/3.1`, with the stream protocols offered.
    Spdy {
        /// `X-Stream-Protocol-Version`, line by line.
        protocols: Vec<String>,
    },
}

/// What is left of the headers.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What goes on.
    pub headers: HeaderMap,
    /// The answers that the client can read.
    pub accept: Accept,
    /// Media type of the body, lower case, without parameters.
    pub content_type: Option<String>,
    /// A change of protocol.
    pub upgrade: Option<Upgrade>,
    /// The message has a body, as its framing says.
    pub has_body: bool,
}

/// Reads them.
pub(super) fn read(headers: &HeaderMap) -> Result<Kept, Turned> {
    for single in &SINGLE {
        if headers.get_all(single).iter().count() > 1 {
            return Err(Turned::malformed(
                RULE,
                "a header stands twice that may stand once",
            ));
        }
    }
    headers.keys().try_for_each(forbidden)?;
    let framing = framing(headers)?;
    let upgrade = upgrade(headers)?;
    if upgrade.is_some() && headers.contains_key(TRANSFER_ENCODING) {
        return Err(Turned::malformed(
            RULE,
            "a request that changes the protocol has a transfer coding",
        ));
    }
    let mut on = HeaderMap::new();
    for name in &GO_ON {
        for value in headers.get_all(name) {
            on.append(name.clone(), value.clone());
        }
    }
    // `kubectl-session` stays behind: it is another one each time, and an approval is for the same request.
    if let Some(value) = headers.get("kubectl-command") {
        on.insert(HeaderName::from_static("kubectl-command"), value.clone());
    }
    Ok(Kept {
        accept: accept::read(headers.get_all(ACCEPT).iter())?,
        content_type: content_type(headers)?,
        upgrade,
        has_body: framing,
        headers: on,
    })
}

/// Headers that carry an identity, a method or a path for somebody behind us.
fn forbidden(name: &HeaderName) -> Result<(), Turned> {
    let name = name.as_str();
    if name.starts_with("impersonate-") {
        return Err(Turned::forbidden(
            "kubernetes/impersonation",
            "impersonation headers are not taken from clients: the gateway says itself who comes",
            "Leave out --as, --as-group and --as-uid; ask for the role that you need instead.",
        ));
    }
    if name.starts_with("x-remote-") {
        return Err(Turned::forbidden(
            "kubernetes/impersonation",
            "headers of an authenticating proxy are not taken from clients",
            "Leave out X-Remote-*: the gateway says itself who comes.",
        ));
    }
    if METHODS.contains(&name) || matches!(name, "x-original-url" | "x-rewrite-url") {
        return Err(Turned::malformed(
            RULE,
            "a header names another HTTP method or path than the request line",
        ));
    }
    Ok(())
}

/// Whether there is a body. Both framings at once are how requests are smuggled (RFC 9112 section 6.1).
fn framing(headers: &HeaderMap) -> Result<bool, Turned> {
    let coded = text(headers, &TRANSFER_ENCODING)?;
    let length = text(headers, &CONTENT_LENGTH)?;
    if let Some(coding) = text(headers, &CONTENT_ENCODING)?
        && !coding.eq_ignore_ascii_case("identity")
    {
        return Err(
            Turned::malformed(RULE, "the body is compressed: the API takes none that are")
                .code(415),
        );
    }
    match (coded, length) {
        (Some(_), Some(_)) => Err(Turned::malformed(
            RULE,
            "the body has a length and a transfer coding at once",
        )),
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(true),
        (Some(_), None) => Err(Turned::malformed(
            RULE,
            "the body has a transfer coding other than chunked",
        )),
        (None, Some(length)) => match length.bytes().all(|b| b.is_ascii_digit()) {
            true => Ok(length.bytes().any(|b| b != b'0')),
            false => Err(Turned::malformed(
                RULE,
                "the length of the body is no number",
            )),
        },
        (None, None) => Ok(false),
    }
}

fn upgrade(headers: &HeaderMap) -> Result<Option<Upgrade>, Turned> {
    let connection = list(headers, &CONNECTION)?;
    let asked = connection.iter().any(|t| t.eq_ignore_ascii_case("upgrade"));
    if headers.contains_key(TE) && connection.iter().any(|t| t.eq_ignore_ascii_case("te")) {
        return Err(Turned::malformed(RULE, "trailers are not served"));
    }
    let protocol = text(headers, &UPGRADE)?;
    let (Some(protocol), true) = (protocol, asked) else {
        return match (headers.contains_key(UPGRADE), asked) {
            (false, false) => Ok(None),
            _ => Err(Turned::malformed(
                RULE,
                "Connection and Upgrade do not agree about a change of protocol",
            )),
        };
    };
    if protocol.eq_ignore_ascii_case("websocket") {
        return web_socket(headers).map(Some);
    }
    if protocol.eq_ignore_ascii_case("spdy/3.1") {
        let name = HeaderName::from_static("x-stream-protocol-version");
        let protocols = headers.get_all(&name).iter();
        let protocols = protocols.filter_map(|v| v.to_str().ok()).map(str::to_owned);
        return Ok(Some(Upgrade::Spdy {
            protocols: protocols.take(limits::STREAM_PROTOCOLS_MAX).collect(),
        }));
    }
    Err(Turned::malformed(
        RULE,
        "a change to another protocol than WebSocket and SPDY/3.1 is asked for",
    ))
}

/// RFC 6455 section 4.2.1.
fn web_socket(headers: &HeaderMap) -> Result<Upgrade, Turned> {
    let version = text(headers, &hyper::header::SEC_WEBSOCKET_VERSION)?;
    let key = text(headers, &hyper::header::SEC_WEBSOCKET_KEY)?;
    let protocols = list(headers, &hyper::header::SEC_WEBSOCKET_PROTOCOL)?;
    // 16 bytes in base64.
    let well_formed = |key: &str| key.len() == 24 && key.ends_with("==");
    match (version, key) {
        (Some("13"), Some(key)) if well_formed(key) => Ok(Upgrade::WebSocket {
            key: key.to_owned(),
            protocols: protocols
                .into_iter()
                .take(limits::STREAM_PROTOCOLS_MAX)
                .map(str::to_owned)
                .collect(),
        }),
        _ => Err(Turned::malformed(
            RULE,
            "the opening of the WebSocket lacks its version or its key",
        )),
    }
}

fn content_type(headers: &HeaderMap) -> Result<Option<String>, Turned> {
    let Some(value) = text(headers, &CONTENT_TYPE)? else {
        return Ok(None);
    };
    let kind = value.split(';').next().unwrap_or_default().trim();
    Ok(Some(kind.to_ascii_lowercase()).filter(|kind| !kind.is_empty()))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Turned> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim())),
        Err(_) => Err(Turned::malformed(RULE, "a header holds more than ASCII")),
    }
}

fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Vec<&'h str>, Turned> {
    let mut tokens = Vec::new();
    for value in headers.get_all(name) {
        let Ok(text) = value.to_str() else {
            return Err(Turned::malformed(RULE, "a header holds more than ASCII"));
        };
        tokens.extend(text.split(',').map(str::trim).filter(|t| !t.is_empty()));
    }
    Ok(tokens)
}
