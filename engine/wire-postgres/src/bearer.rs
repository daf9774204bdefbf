//! OAUTHBEARER (RFC 7628, PostgreSQL protocol section "OAuth Authentication"): the token as a message of its
//! own, on a listener that offers nothing else. A client takes the first mechanism it is offered and does not
//! fall back, so that a listener is for this or for passwords.
//!
//! A client that has no token yet asks with an empty one where to get it, is told, and comes back on another
//! connection: that is no failed login. It refuses an identity to act as (`a=`): the token says who it is.

use crate::frame;
use crate::greet::{Turned, proof_message, turn_away, unexpected};
use crate::refuse;
use crate::wait_room::initial;
use portcullis_link::Lobby;
use serde_json::json;
use zeroize::Zeroizing;

/// The mechanism.
const MECHANISM: &[u8] = b"OAUTHBEARER";
/// What stands between the parts of its message (RFC 7628 section 3.1).
const SEPARATOR: char = '\u{1}';

/// What such a listener tells clients that have no token.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The provider's discovery document, over https.
    pub discovery: String,
    /// What to ask it for.
    pub scope: String,
}

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
enum Message {
    Token(Zeroizing<String>),
    /// It asks where to get one.
    None,
}

/// Asks for the token.
pub(crate) async fn token(lobby: &mut Lobby, terms: &Bearer) -> Result<Zeroizing<String>, Turned> {
    let offer = frame::build(b'R', |frame| {
        frame.extend_from_slice(&10_i32.to_be_bytes());
        frame.extend_from_slice(MECHANISM);
        frame.extend_from_slice(&[0, 0]);
    });
    lobby.write(&offer).await?;
    let message = proof_message(lobby).await?;
    let said = match initial(&message) {
        Ok(said) => said,
        Err(_) => return Err(unexpected(lobby).await),
    };
    let ours = said.mechanism.as_deref().map(str::as_bytes) == Some(MECHANISM);
    let data = Zeroizing::new(said.data);
    match read(&data).filter(|_| ours) {
        Some(Message::Token(token)) => Ok(token),
        Some(Message::None) => Err(tell(lobby, terms).await?),
        None => Err(unexpected(lobby).await),
    }
}

/// RFC 7628 section 3.2.2: the error says where tokens are to be had; the client acknowledges it.
async fn tell(lobby: &mut Lobby, terms: &Bearer) -> Result<Turned, Turned> {
    let error = json!({
        "status": "invalid_token",
        "openid-configuration": terms.discovery,
        "scope": terms.scope,
    });
    let frame = frame::build(b'R', |frame| {
        frame.extend_from_slice(&11_i32.to_be_bytes());
        frame.extend_from_slice(error.to_string().as_bytes());
    });
    lobby.write(&frame).await?;
    let answer = proof_message(lobby).await?;
    if answer.as_slice() != b"\x01" {
        return Ok(unexpected(lobby).await);
    }
    let hint =
        "Set oauth_issuer and oauth_client_id in the connection string, with libpq 18 or later.";
    turn_away(lobby, refuse::LOGIN, "no token was given", hint).await;
    Ok(Turned::Away(
        "read a proof: the client asked where to get one",
    ))
}

/// `n,,^Aauth=Bearer TOKEN^A^A`.
fn read(data: &[u8]) -> Option<Message> {
    let text = std::str::from_utf8(data).ok()?;
    let rest = text
        .strip_prefix("n,,")
        .or_else(|| text.strip_prefix("y,,"))?;
    let pairs = rest.strip_prefix(SEPARATOR)?.strip_suffix("\u{1}\u{1}")?;
    let mut auth = None;
    for pair in pairs.split(SEPARATOR) {
        match pair.split_once('=')? {
            ("auth", value) if auth.is_none() => auth = Some(value),
            ("auth", _) => return None,
            // `host`, `port`: what the client believes.
            (_, _) => {}
        }
    }
    match auth? {
        "" => Some(Message::None),
        value => {
            let (scheme, token) = value.split_once(' ')?;
            let token = token.trim_start_matches(' ');
            // RFC 6750 section 2.1.
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
            let good = scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty();
            (good && token.bytes().all(plain))
                .then(|| Message::Token(Zeroizing::new(token.to_owned())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_one_token_or_asks_for_it() {
        let token = |text: &str| Some(Message::Token(Zeroizing::new(text.to_owned())));
        for (data, expected) in [
            (
                &b"n,,\x01auth=Bearer a.b-c_d=\x01\x01"[..],
                token("a.b-c_d="),
            ),
            (
                b"y,,\x01host=gw\x01port=6432\x01auth=bearer x\x01\x01",
                token("x"),
            ),
            (b"n,,\x01auth=\x01\x01", Some(Message::None)),
            (b"n,a=bea,\x01auth=Bearer x\x01\x01", None),
            (b"p=tls-exporter,,\x01auth=Bearer x\x01\x01", None),
            (b"n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01", None),
            (b"n,,\x01auth=Basic x\x01\x01", None),
            (b"n,,\x01auth=Bearer \x01\x01", None),
            (b"n,,\x01auth=Bearer x\x00y\x01\x01", None),
            (b"n,,\x01auth=Bearer x\x01", None),
            (b"n,,\x01host=gw\x01\x01", None),
            (b"n,,\x01\x01", None),
            (b"", None),
            (b"\xff", None),
        ] {
            assert_eq!(read(data), expected, "{}", String::from_utf8_lossy(data));
        }
    }
}
