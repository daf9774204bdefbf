//! The gateway's own token: had by logging in, renewed before it ends, given back at the end. Everything that the
//! server lends hangs on it: if it ended, so would the logins of open sessions.

use super::{Ask, Hashicorp, HashicorpAuth};
use crate::error::Unavailable;
use crate::secret::{Secret, Wiped};
use crate::secrets::Source;
use portcullis_stream::{Armed, Tripwires};
use serde_json::{Value, json};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::{Zeroize, Zeroizing};

/// A renewal that failed is tried again after this much of what is left.
const RENEW_AT: u32 = 2;
/// A token that was had within this time is not taken for one that is over.
const ANOTHER_AFTER: Duration = Duration::from_secs(5);
/// Renewals are never closer together.
const RENEW_MIN: Duration = Duration::from_millis(500);

pub(super) struct Tokens {
    current: Mutex<Option<Arc<Token>>>,
    tripwires: Tripwires,
}

/// A token while it is good.
pub(super) struct Token {
    secret: Secret,
    _armed: Option<Armed>,
    since: Instant,
    until: Option<Instant>,
    renewable: bool,
    /// The gateway has logged in for it: it is the gateway's to give back.
    ours: bool,
}

impl Token {
    pub(super) fn expose(&self) -> &[u8] {
        self.secret.expose()
    }

    /// A server also answers 403 to what the token's policy does not allow: another one would be refused as well, and
    /// logging in at every such answer would fill the server with tokens.
    pub(super) fn may_be_over(&self) -> bool {
        self.since.elapsed() >= ANOTHER_AFTER
    }

    fn good(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

impl Tokens {
    pub(super) fn new(tripwires: Tripwires) -> Self {
        Self {
            current: Mutex::new(None),
            tripwires,
        }
    }

    /// The token, had now if need be.
    pub(super) async fn current(&self, server: &Arc<Hashicorp>) -> Result<Arc<Token>, Unavailable> {
        let mut current = self.current.lock().await;
        if let Some(token) = current.as_ref().filter(|token| token.good()) {
            return Ok(Arc::clone(token));
        }
        *current = None;
        let token = Arc::new(self.log_in(server).await?);
        *current = Some(Arc::clone(&token));
        drop(current);
        tokio::spawn(keep(Arc::downgrade(server), Arc::downgrade(&token)));
        Ok(token)
    }

    /// It is no good: another one is had when one is needed.
    pub(super) async fn forget(&self, token: &Arc<Token>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|now| Arc::ptr_eq(now, token)) {
            *current = None;
        }
    }

    async fn log_in(&self, server: &Hashicorp) -> Result<Token, Unavailable> {
        let (path, mut body) = match &server.server.auth {
            HashicorpAuth::Token(source) => return self.named(server, source).await,
            HashicorpAuth::AppRole {
                mount,
                role_id,
                secret_id,
            } => {
                let secret = text(secret_id).await?;
                let body = json!({"role_id": role_id, "secret_id": secret.as_str()});
                (format!("auth/{mount}/login"), body)
            }
            HashicorpAuth::Jwt { mount, role, token } => {
                let token = text(token).await?;
                let body = json!({"role": role, "jwt": token.as_str()});
                (format!("auth/{mount}/login"), body)
            }
        };
        let answer = server.send(&Ask::put(path, &body), None).await;
        for member in body
            .as_object_mut()
            .into_iter()
            .flat_map(|o| o.values_mut())
        {
            if let Value::String(text) = member {
                text.zeroize();
            }
        }
        let answer = answer.map_err(Unavailable::at_login)?;
        let secret = answer.secret("/auth", "client_token");
        Ok(self.token(
            secret.ok_or(Unavailable::Answer)?,
            answer.seconds("/auth/lease_duration"),
            flag(&answer, "/auth/renewable"),
            true,
        ))
    }

    /// A token that somebody else made, and how long it is good for.
    async fn named(&self, server: &Hashicorp, source: &Source) -> Result<Token, Unavailable> {
        let held = source.read().await.map_err(|_| Unavailable::Credential)?;
        let secret = Secret::new(held.expose().to_vec());
        let ask = Ask::get("auth/token/lookup-self".to_owned());
        let answer = server.send(&ask, Some(secret.expose())).await;
        let answer = answer.map_err(Unavailable::at_login)?;
        Ok(self.token(
            secret,
            answer.seconds("/data/ttl"),
            flag(&answer, "/data/renewable"),
            false,
        ))
    }

    fn token(&self, secret: Secret, seconds: Option<u64>, renewable: bool, ours: bool) -> Token {
        // 0 is a token without an end.
        let lasts = seconds.filter(|s| *s > 0).map(Duration::from_secs);
        Token {
            _armed: self.tripwires.arm(secret.expose()).ok(),
            secret,
            since: Instant::now(),
            until: lasts.map(|lasts| Instant::now() + lasts),
            renewable,
            ours,
        }
    }

    /// Puts a renewed token in the place of the one that it was.
    async fn renewed(&self, old: &Arc<Token>, new: Arc<Token>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|now| Arc::ptr_eq(now, old)) {
            *current = Some(new);
        }
    }

    /// Gives back what the gateway has logged in for.
    pub(super) async fn revoke(&self, server: &Hashicorp) {
        let Some(token) = self.current.lock().await.take().filter(|t| t.ours) else {
            return;
        };
        let body = json!({});
        let ask = Ask::put("auth/token/revoke-self".to_owned(), &body);
        if let Err(error) = server.send(&ask, Some(token.expose())).await {
            tracing::warn!(%error, "a token was not given back to a Vault server");
        }
    }
}

/// Renews a token half-way to its end, again and again, as long as somebody uses it.
async fn keep(server: Weak<Hashicorp>, token: Weak<Token>) {
    let mut token = token;
    loop {
        let wait = match token.upgrade() {
            Some(token) if token.renewable => token.until,
            _ => return,
        };
        let Some(until) = wait else { return };
        let left = until.saturating_duration_since(Instant::now());
        tokio::time::sleep((left / RENEW_AT).max(RENEW_MIN)).await;
        let (Some(server), Some(old)) = (server.upgrade(), token.upgrade()) else {
            return;
        };
        if !old.good() {
            return;
        }
        let body = json!({});
        let ask = Ask::put("auth/token/renew-self".to_owned(), &body);
        match server.send(&ask, Some(old.expose())).await {
            Ok(answer) => {
                let seconds = answer.seconds("/auth/lease_duration");
                let renewable = flag(&answer, "/auth/renewable");
                let secret = Secret::new(old.expose().to_vec());
                let new = Arc::new(server.tokens.token(secret, seconds, renewable, old.ours));
                token = Arc::downgrade(&new);
                server.tokens.renewed(&old, new).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the token at a Vault server could not be renewed yet");
            }
        }
    }
}

fn flag(answer: &Wiped, pointer: &str) -> bool {
    answer.0.pointer(pointer).and_then(Value::as_bool) == Some(true)
}

async fn text(source: &Source) -> Result<Zeroizing<String>, Unavailable> {
    let held = source.read().await.map_err(|_| Unavailable::Credential)?;
    let text = held.text().ok_or(Unavailable::Credential)?;
    Ok(Zeroizing::new(text.to_owned()))
}
