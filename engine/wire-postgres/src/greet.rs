//! From the first byte of a client to its proof. TLS is opened here, the token is asked for here, and
//! nothing of an upstream exists yet. It refuses a proof in the clear, unless the client is on this
//! machine and the listener allows it, and everything that is not exactly the next message.

use crate::bearer::{self, Bearer};
use crate::frame::{self, Fields};
use crate::refuse::{self, Severity};
use crate::startup::{self, Packet, Startup, Unfit};
use bytes::Buf as _;
use portcullis_gate::{ISSUED_LOGIN, claims_to_be_ours};
use portcullis_link::{Handshaken, LinkError, Lobby};
use portcullis_model::limits::PROOF_BYTES_MAX;
use rustls::ServerConfig;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The protocol's name in ALPN (registered for PostgreSQL 17's direct TLS).
pub(crate) const ALPN: &[u8] = b"postgresql";

/// TLS record type `handshake`: the first byte of direct TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// What the listener offers.
pub(crate) struct Terms {
    pub tls: Option<Arc<ServerConfig>>,
    pub allow_plaintext_on_loopback: bool,
    /// What a client's proof can be bound to: the hash of the certificate it is shown.
    pub binding: Option<Vec<u8>>,
    /// Tokens come as messages of their own here.
    pub bearer: Option<Bearer>,
    /// The stream runs inside of a connection that is protected, and whose login has proved who it is.
    pub within: bool,
}

impl Terms {
    /// Of a stream inside of another protocol's connection: no TLS, no password.
    pub(crate) fn within() -> Self {
        Self {
            tls: None,
            allow_plaintext_on_loopback: false,
            binding: None,
            bearer: None,
            within: true,
        }
    }
}

/// Who came in.
pub(crate) enum Greeted {
    /// Nobody: a CancelRequest.
    Cancel(Box<Lobby>, u32, Vec<u8>),
    /// Nobody: it hung up before it asked for anything.
    Nobody,
    /// Somebody with a proof.
    Arrival(Box<Arrival>),
}

/// Somebody who wants to be admitted.
pub(crate) struct Arrival {
    pub lobby: Lobby,
    pub startup: Startup,
    pub tls: Option<Handshaken>,
    pub proof: Offered,
}

/// What a client comes with.
pub(crate) enum Offered {
    /// A token in the place of a password.
    Token(Zeroizing<String>),
    /// The name of a login that the gateway issued; it proves the secret while it is being admitted.
    Login,
    /// A certificate that claims to be of this gateway; TLS has seen that the client holds its key.
    Certificate(Vec<u8>),
    /// Nothing: the connection around this stream has proved it.
    Nothing,
}

/// Why the greeting ended; whoever is there has been told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Turned {
    #[error("greet a client")]
    Link(#[from] LinkError),
    #[error("{0}")]
    Away(&'static str),
    #[error("accept a startup packet")]
    Unfit(#[source] Unfit),
}

/// Greets a client up to its proof.
pub(crate) async fn greet(mut lobby: Lobby, terms: &Terms) -> Result<Greeted, Turned> {
    if lobby.peek().await? == Some(TLS_HANDSHAKE) {
        let Some(config) = &terms.tls else {
            return Err(Turned::Away(
                "open direct TLS: the listener has no certificate",
            ));
        };
        lobby = lobby.upgrade(config.clone()).await?;
        let alpn = lobby.handshaken().and_then(|tls| tls.alpn);
        if alpn.as_deref() != Some(ALPN) {
            return Err(LinkError::Alpn.into());
        }
    }
    let startup = match first_packet(&mut lobby, true, true).await? {
        Some(Packet::Ssl) => return after_ssl_request(lobby, terms).await,
        Some(Packet::Gss) => {
            lobby.write(b"N").await?;
            match first_packet(&mut lobby, true, false).await? {
                Some(Packet::Ssl) => return after_ssl_request(lobby, terms).await,
                other => other,
            }
        }
        other => other,
    };
    arrive(lobby, startup, terms).await
}

async fn after_ssl_request(mut lobby: Lobby, terms: &Terms) -> Result<Greeted, Turned> {
    match &terms.tls {
        Some(config) => {
            if !lobby.bytes().is_empty() {
                return Err(LinkError::BytesBeforeTls.into());
            }
            lobby.write(b"S").await?;
            lobby = lobby.upgrade(config.clone()).await?;
        }
        None => lobby.write(b"N").await?,
    }
    let startup = first_packet(&mut lobby, false, terms.tls.is_none()).await?;
    let startup = match startup {
        Some(Packet::Gss) => {
            lobby.write(b"N").await?;
            first_packet(&mut lobby, false, false).await?
        }
        other => other,
    };
    arrive(lobby, startup, terms).await
}

/// Reads one untagged packet. Each kind of request is answered once: a second one is no startup packet.
async fn first_packet(lobby: &mut Lobby, ssl: bool, gss: bool) -> Result<Option<Packet>, Turned> {
    loop {
        match startup::take(lobby.bytes()) {
            Ok(Some(Packet::Ssl)) if !ssl || lobby.handshaken().is_some() => {
                return Err(unfit(lobby, Unfit::Malformed).await);
            }
            Ok(Some(Packet::Gss)) if !gss => return Err(unfit(lobby, Unfit::Malformed).await),
            Ok(Some(packet)) => return Ok(Some(packet)),
            Ok(None) => {}
            Err(unfit_packet) => return Err(unfit(lobby, unfit_packet).await),
        }
        if lobby.fill().await? == 0 {
            return Ok(None);
        }
    }
}

async fn unfit(lobby: &mut Lobby, why: Unfit) -> Turned {
    let (state, hint) = match &why {
        Unfit::Malformed | Unfit::NoUser | Unfit::Twice(_) => {
            (refuse::PROTOCOL, "Connect with a PostgreSQL client.")
        }
        Unfit::Version(..) => (refuse::UNSUPPORTED, "Use protocol version 3."),
        Unfit::Parameter(_) | Unfit::Value(_) | Unfit::Options => (
            refuse::POLICY,
            "Leave it out, and use SET after connecting if policy allows it.",
        ),
    };
    turn_away(lobby, state, &why.to_string(), hint).await;
    Turned::Unfit(why)
}

/// Tells the client why it goes no further.
pub(crate) async fn turn_away(lobby: &mut Lobby, state: &str, reason: &str, hint: &str) {
    let frame = refuse::error(Severity::Fatal, state, reason, None, Some(hint));
    // The client may be gone already; the reason is reported by the caller.
    let _told: Result<(), LinkError> = lobby.write(&frame).await;
    lobby.part().await;
}

async fn arrive(
    mut lobby: Lobby,
    packet: Option<Packet>,
    terms: &Terms,
) -> Result<Greeted, Turned> {
    let startup = match packet {
        None => return Ok(Greeted::Nobody),
        Some(Packet::Cancel(process, key)) => {
            return Ok(Greeted::Cancel(Box::new(lobby), process, key));
        }
        Some(Packet::Startup(startup)) => startup,
        Some(Packet::Ssl | Packet::Gss) => return Err(unfit(&mut lobby, Unfit::Malformed).await),
    };
    let mut tls = lobby.handshaken();
    let shown = tls.as_mut().and_then(|tls| tls.certificate.take());
    let shown = shown.filter(|certificate| claims_to_be_ours(certificate));
    let loopback = terms.allow_plaintext_on_loopback && lobby.peer().ip().is_loopback();
    if tls.is_none() && !loopback && !terms.within {
        let hint = "Connect with sslmode=verify-full (or require).";
        turn_away(
            &mut lobby,
            refuse::LOGIN,
            "the gateway accepts connections over TLS only",
            hint,
        )
        .await;
        return Err(Turned::Away("accept a client without TLS"));
    }
    if startup.minor > 2 || !startup.unknown_options.is_empty() {
        lobby.write(&negotiate(&startup)).await?;
    }
    if terms.within {
        return Ok(Greeted::Arrival(Box::new(Arrival {
            lobby,
            startup,
            tls,
            proof: Offered::Nothing,
        })));
    }
    let issued = startup.user.starts_with(ISSUED_LOGIN);
    let proof = match (issued, shown, &terms.bearer) {
        (true, _, _) => Offered::Login,
        (false, Some(certificate), _) => Offered::Certificate(certificate),
        (false, None, Some(bearer)) => Offered::Token(bearer::token(&mut lobby, bearer).await?),
        (false, None, None) => {
            // AuthenticationCleartextPassword: the token takes the password's place.
            lobby.write(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).await?;
            Offered::Token(token(&mut lobby).await?)
        }
    };
    Ok(Greeted::Arrival(Box::new(Arrival {
        lobby,
        startup,
        tls,
        proof,
    })))
}

/// NegotiateProtocolVersion: 3.2, and the protocol options that are not known.
fn negotiate(startup: &Startup) -> bytes::Bytes {
    frame::build(b'v', |frame| {
        frame.extend_from_slice(&0x0003_0002_u32.to_be_bytes());
        let count = u32::try_from(startup.unknown_options.len()).unwrap_or(u32::MAX);
        frame.extend_from_slice(&count.to_be_bytes());
        for option in &startup.unknown_options {
            frame.extend_from_slice(option.as_bytes());
            frame.push(0);
        }
    })
}

/// Reads the one PasswordMessage.
async fn token(lobby: &mut Lobby) -> Result<Zeroizing<String>, Turned> {
    let body = proof_message(lobby).await?;
    let mut fields = Fields::new(&body);
    let token = fields.text().map(|text| Zeroizing::new(text.to_owned()));
    let whole = fields.end().is_ok();
    match token {
        Ok(token) if whole && !token.is_empty() => Ok(token),
        Ok(_) if whole => {
            let hint = "Give a token as the password: PGPASSWORD=$(portcullis token)";
            turn_away(lobby, refuse::PASSWORD, "no token was given", hint).await;
            Err(Turned::Away("read a proof: it is empty"))
        }
        _ => Err(unexpected(lobby).await),
    }
}

/// Reads one `p` message and wipes it from the buffer. Nothing may stand behind it: nobody was admitted.
pub(crate) async fn proof_message(lobby: &mut Lobby) -> Result<Zeroizing<Vec<u8>>, Turned> {
    let length = loop {
        let bytes: &[u8] = lobby.bytes();
        if bytes.first().is_some_and(|tag| *tag != b'p') {
            return Err(unexpected(lobby).await);
        }
        if let Some(length) = bytes.get(1..5).and_then(|l| <[u8; 4]>::try_from(l).ok()) {
            let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(0);
            if !(5..=PROOF_BYTES_MAX + 5).contains(&length) {
                return Err(unexpected(lobby).await);
            }
            match bytes.len().cmp(&(length + 1)) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => break length + 1,
                // Something came behind the proof before anybody was admitted.
                std::cmp::Ordering::Greater => return Err(unexpected(lobby).await),
            }
        }
        if lobby.fill().await? == 0 {
            return Err(Turned::Away("wait for a proof: the client hung up"));
        }
    };
    let bytes = lobby.bytes();
    let message = frame::body(bytes.get(..length).unwrap_or_default());
    let message = Zeroizing::new(message.to_vec());
    bytes.fill(0);
    bytes.advance(length);
    Ok(message)
}

/// Whoever says something else is told so.
pub(crate) async fn unexpected(lobby: &mut Lobby) -> Turned {
    let hint = "Connect with a PostgreSQL client that can send a password.";
    turn_away(
        lobby,
        refuse::PROTOCOL,
        "unexpected message during login",
        hint,
    )
    .await;
    Turned::Away("read a proof: another message came")
}
