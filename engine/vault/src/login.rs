//! A user and a secret that answer an upstream's challenges.
//!
//! It exists so that the secret never leaves: protocol crates pass challenges in and messages out. It
//! refuses to send a password where it can be read or replayed, a mechanism weaker than the best that
//! both sides know, and to speak out of turn.

use crate::scram::{Binding, Scram};
use crate::secret::Secret;
use portcullis_gate::{Challenge, Credential, Reply};
use portcullis_model::{Blame, Fault};
use portcullis_stream::Armed;
use zeroize::Zeroizing;

/// How the connection to the upstream is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// TLS with a verified server, or loopback: what is said stays between the two.
    Protected,
    /// Anything else. Only SCRAM is spoken: it gives a listener nothing to use.
    Open,
}

/// What the login may answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// SCRAM only: the server has a verifier of ours and nothing else.
    Scram,
    /// Also cleartext and md5, on a protected channel.
    Any,
}

/// The login.
pub(crate) struct Login {
    user: String,
    password: Secret,
    channel: Channel,
    accepts: Accepts,
    scram: Option<Scram>,
    verified: bool,
    /// While the login lives, so does the tripwire over its secret.
    _armed: Option<Armed>,
}

impl Login {
    pub(crate) fn new(
        user: String,
        password: Secret,
        channel: Channel,
        accepts: Accepts,
        armed: Option<Armed>,
    ) -> Self {
        Self {
            user,
            password,
            channel,
            accepts,
            scram: None,
            verified: false,
            _armed: armed,
        }
    }

    /// Cleartext and md5 give the server, or whoever plays it, something to use.
    fn may_show(&self) -> Result<(), Fault> {
        match (self.channel, self.accepts) {
            (Channel::Protected, Accepts::Any) => Ok(()),
            _ => Err(Fault::bare(
                Blame::Upstream,
                "ask for SCRAM: a weaker login is not answered here",
            )),
        }
    }

    fn begin(&mut self, mechanisms: &[&str], binding: Option<&[u8]>) -> Result<Reply, Fault> {
        const PLUS: &str = "SCRAM-SHA-256-PLUS";
        const PLAIN: &str = "SCRAM-SHA-256";
        let (mechanism, binding) = match binding {
            Some(data) if mechanisms.contains(&PLUS) => (PLUS, Binding::EndPoint(data.to_vec())),
            Some(_) => (PLAIN, Binding::NotOffered),
            None => (PLAIN, Binding::None),
        };
        if !mechanisms.contains(&mechanism) || self.scram.is_some() {
            return Err(Fault::bare(Blame::Upstream, "offer SCRAM-SHA-256 once"));
        }
        let scram = Scram::new(binding)
            .map_err(|e| Fault::new(Blame::Gateway, "begin a SCRAM exchange", e))?;
        let data = scram.first();
        self.scram = Some(scram);
        Ok(Reply::SaslInitial { mechanism, data })
    }

    fn scram(&mut self) -> Result<&mut Scram, Fault> {
        self.scram
            .as_mut()
            .ok_or_else(|| Fault::bare(Blame::Upstream, "keep the order of a SCRAM exchange"))
    }
}

impl Credential for Login {
    fn user(&self) -> &str {
        &self.user
    }

    fn answer(&mut self, challenge: Challenge<'_>) -> Result<Reply, Fault> {
        match challenge {
            Challenge::Cleartext => {
                self.may_show()?;
                Ok(Reply::Password(Box::new(Zeroizing::new(
                    self.password.expose().to_vec(),
                ))))
            }
            Challenge::Md5(salt) => {
                self.may_show()?;
                let hash = postgres_protocol::authentication::md5_hash(
                    self.user.as_bytes(),
                    self.password.expose(),
                    salt,
                );
                Ok(Reply::Password(Box::new(Zeroizing::new(hash.into_bytes()))))
            }
            Challenge::Sasl {
                mechanisms,
                binding,
            } => self.begin(mechanisms, binding),
            Challenge::SaslContinue(message) => {
                let mut scram = self.scram.take();
                let reply = match &mut scram {
                    Some(scram) => scram
                        .last(message, &self.password)
                        .map_err(|e| Fault::new(Blame::Upstream, "continue a SCRAM exchange", e)),
                    None => Err(Fault::bare(Blame::Upstream, "begin a SCRAM exchange")),
                };
                self.scram = scram;
                reply.map(Reply::Sasl)
            }
            Challenge::SaslFinal(message) => {
                self.scram()?.verify(message).map_err(|e| {
                    Fault::new(Blame::Upstream, "prove that it knows the secret", e)
                })?;
                self.verified = true;
                Ok(Reply::Nothing)
            }
        }
    }

    fn server_verified(&self) -> bool {
        self.verified
    }
}
