//! Logs in upstream with a credential whose bytes never show here but inside the one message that
//! carries them. It refuses to send a password in the clear over a network, a server that claims to be
//! satisfied before it has proved itself where the mechanism does that, and settings that would change
//! the meaning of text.

use crate::conversation::must_stay;
use crate::frame::{self, Fields, Malformed, body};
use crate::house_frames;
use crate::startup::Walsender;
use bytes::Bytes;
use portcullis_gate::{Challenge, Clock, Credential, Gate, House, Reply};
use portcullis_link::UpstreamLobby;
use portcullis_model::{Blame, Fault, Side};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Messages a login may take, from either authentication or settings.
const LOGIN_MESSAGES_MAX: usize = 256;

/// What a login brought.
#[derive(Debug, Default)]
pub(crate) struct Login {
    /// ParameterStatus frames, as received.
    pub parameters: Vec<Bytes>,
    /// Process number upstream.
    pub process: i32,
    /// Cancel key upstream.
    pub key: Vec<u8>,
}

/// What is asked for upstream.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub database: &'a str,
    pub settings: &'a BTreeMap<String, String>,
    pub replication: Option<Walsender>,
}

/// Sends the StartupMessage and answers challenges up to ReadyForQuery.
pub(crate) async fn login(
    lobby: &mut UpstreamLobby,
    gate: &mut Gate,
    credential: &mut dyn Credential,
    target: Target<'_>,
    clock: &Clock,
) -> Result<Login, Fault> {
    let wire = startup(credential.user(), target);
    say(lobby, gate, clock, wire).await?;
    let mut login = Login::default();
    let mut state = State::default();
    for _ in 0..LOGIN_MESSAGES_MAX {
        let (tag, frame) = next(lobby).await?;
        match tag {
            b'R' if !state.satisfied => {
                if let Some(wire) = state.challenge(&frame, lobby, credential)? {
                    say(lobby, gate, clock, wire).await?;
                }
            }
            b'S' if state.satisfied => {
                let mut fields = Fields::new(body(&frame));
                let (name, value) = (fields.text().map_err(wrong)?, fields.text().map_err(wrong)?);
                must_stay(name, value)?;
                login.parameters.push(frame);
            }
            b'K' if state.satisfied => {
                let mut fields = Fields::new(body(&frame));
                login.process = fields.int32().map_err(wrong)?;
                let key = fields.rest();
                if !(4..=256).contains(&key.len()) {
                    return Err(wrong(Malformed::Length));
                }
                login.key = key.to_vec();
            }
            b'N' => {}
            b'Z' if state.satisfied => return Ok(login),
            b'E' => return Err(refused(&frame)),
            _ => return Err(wrong(Malformed::Unexpected)),
        }
    }
    Err(wrong(Malformed::TooMany))
}

fn wrong(malformed: Malformed) -> Fault {
    malformed.by(Side::Upstream)
}

/// The server said no; its words are for the log, and only the code of them.
fn refused(frame: &Bytes) -> Fault {
    let code = body(frame)
        .split(|byte| *byte == 0)
        .find_map(|field| field.strip_prefix(b"C"))
        .map(|code| String::from_utf8_lossy(code).into_owned())
        .unwrap_or_default();
    Fault::new(
        Blame::Upstream,
        "accept the gateway's login",
        format!("SQLSTATE {code}"),
    )
}

async fn next(lobby: &mut UpstreamLobby) -> Result<(u8, Bytes), Fault> {
    loop {
        if let Some(taken) = frame::take(Side::Upstream, lobby.bytes()).map_err(wrong)? {
            return Ok(taken);
        }
        let read = lobby.fill().await.map_err(|e| e.blame(Blame::Upstream))?;
        if read == 0 {
            return Err(Fault::bare(Blame::Upstream, "stay during the login"));
        }
    }
}

async fn say(
    lobby: &mut UpstreamLobby,
    gate: &mut Gate,
    clock: &Clock,
    wire: Bytes,
) -> Result<(), Fault> {
    let housed = gate.house(House::Login, wire, clock())?;
    lobby
        .say(housed)
        .await
        .map_err(|e| e.blame(Blame::Upstream))
}

/// StartupMessage 3.0 with forced settings last: they win.
fn startup(user: &str, target: Target<'_>) -> Bytes {
    const OWN: [&str; 7] = [
        "user",
        "database",
        "replication",
        "options",
        "client_encoding",
        "standard_conforming_strings",
        "backslash_quote",
    ];
    let mut packet = vec![0, 0, 0, 0, 0, 3, 0, 0];
    let mut pair = |name: &str, value: &str| {
        for text in [name, value] {
            packet.extend(text.bytes().filter(|byte| *byte != 0));
            packet.push(0);
        }
    };
    pair("user", user);
    pair("database", target.database);
    if let Some(walsender) = target.replication {
        pair("replication", walsender.value());
    }
    for (name, value) in target.settings {
        let ours = OWN.contains(&name.as_str());
        if !ours
            && !name.is_empty()
            && !name.starts_with("_pq_.")
            && !name.starts_with("portcullis.")
        {
            pair(name, value);
        }
    }
    pair("client_encoding", "UTF8");
    pair("standard_conforming_strings", "on");
    packet.push(0);
    let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
    if let Some(field) = packet.get_mut(..4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    packet.into()
}

/// Where the authentication stands.
#[derive(Default)]
struct State {
    satisfied: bool,
    sasl: bool,
}

impl State {
    /// Answers one authentication request; `None` when nothing is to be said.
    fn challenge(
        &mut self,
        frame: &Bytes,
        lobby: &UpstreamLobby,
        credential: &mut dyn Credential,
    ) -> Result<Option<Bytes>, Fault> {
        let mut fields = Fields::new(body(frame));
        let kind = fields.int32().map_err(wrong)?;
        let reply = match kind {
            0 => {
                fields.end().map_err(wrong)?;
                if self.sasl && !credential.server_verified() {
                    return Err(Fault::bare(
                        Blame::Upstream,
                        "prove that it knows the secret",
                    ));
                }
                self.satisfied = true;
                return Ok(None);
            }
            3 if lobby.is_tls() || lobby.is_loopback() => {
                credential.answer(Challenge::Cleartext)?
            }
            3 => {
                return Err(Fault::bare(
                    Blame::Upstream,
                    "ask for a password over TLS only",
                ));
            }
            5 => {
                let salt = fields.bytes(4).map_err(wrong)?;
                let salt = <[u8; 4]>::try_from(salt).map_err(|_| wrong(Malformed::Body))?;
                credential.answer(Challenge::Md5(salt))?
            }
            10 => {
                self.sasl = true;
                let mut mechanisms = Vec::new();
                loop {
                    match fields.text().map_err(wrong)? {
                        "" => break,
                        name => mechanisms.push(name),
                    }
                }
                credential.answer(Challenge::Sasl {
                    mechanisms: &mechanisms,
                    binding: lobby.binding(),
                })?
            }
            11 if self.sasl => credential.answer(Challenge::SaslContinue(fields.rest()))?,
            12 if self.sasl => credential.answer(Challenge::SaslFinal(fields.rest()))?,
            _ => return Err(wrong(Malformed::Unexpected)),
        };
        Ok(message(reply))
    }
}

/// One `p` message; its bytes are wiped when they have been written.
fn message(reply: Reply) -> Option<Bytes> {
    let mut frame = Zeroizing::new(vec![b'p', 0, 0, 0, 0]);
    match reply {
        Reply::Nothing => return None,
        Reply::Password(secret) => {
            let secret = (*secret).as_ref();
            frame.reserve_exact(secret.len() + 1);
            frame.extend_from_slice(secret);
            frame.push(0);
        }
        Reply::SaslInitial { mechanism, data } => {
            frame.extend_from_slice(mechanism.as_bytes());
            frame.push(0);
            let length = i32::try_from(data.len()).unwrap_or(i32::MAX);
            frame.extend_from_slice(&length.to_be_bytes());
            frame.extend_from_slice(&data);
        }
        Reply::Sasl(data) => frame.extend_from_slice(&data),
    }
    let length = u32::try_from(frame.len() - 1).unwrap_or(u32::MAX);
    if let Some(field) = frame.get_mut(1..5) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    Some(Bytes::from_owner(frame))
}

/// CancelRequest for this login.
pub(crate) fn cancel_request(login: &Login) -> Bytes {
    house_frames::cancel(login.process, &login.key)
}
