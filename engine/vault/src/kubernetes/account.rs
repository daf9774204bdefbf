//! Tokens of a ServiceAccount, made by the cluster for one session
//! (https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/): minutes long, renewed
//! while the session lasts, matched in all output as long as they are good. The gateway's own token makes them and is
//! shown to nobody for anything else.
//!
//! It refuses an answer that is no token, a token that lasts longer than was asked for, and to use one beyond its end
//! because the cluster gives no other.

use crate::error::{Unavailable, VaultError};
use crate::postgres::SideTls;
use crate::rfc3339;
use crate::secret::{Secret, Wiped};
use hyper::Request;
use hyper::header::HeaderValue;
use portcullis_fetch::{Bounds, Fetcher};
use portcullis_gate::Clock;
use portcullis_model::{Timestamp, limits};
use portcullis_stream::{Armed, Tripwires};
use serde_json::{Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;
/// What the clocks of cluster and gateway may differ by.
const CLOCK_SECONDS: i64 = 60;
/// A token is renewed when a fifth of its time is left: two minutes of ten.
const RENEW_AT: i64 = 5;
/// Between attempts to renew one that is still good.
const AGAIN_SECONDS: i64 = 5;
/// A token of a cluster has about a thousand letters; room for claims.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Whose tokens sessions carry.
#[derive(Clone)]
pub struct SessionAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name; policy may name another one of that namespace.
    pub name: String,
    /// For whom tokens are good; the API server itself when empty.
    pub audiences: Vec<String>,
    /// How long they are good for. Clusters give none of less than ten minutes.
    pub ttl: Duration,
    /// `https://HOST:PORT`, and what stands in front of every path there.
    pub address: String,
    /// The time.
    pub clock: Clock,
}

impl std::fmt::Debug for SessionAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionAccount({}/{})", self.namespace, self.name)
    }
}

impl SessionAccount {
    /// The same account, or the one of this name in its namespace.
    pub(super) fn named(&self, role: Option<&str>) -> Result<Self, VaultError> {
        let account = Self {
            name: role.unwrap_or(&self.name).to_owned(),
            ..self.clone()
        };
        // Policy may name it: it must not lead to another path.
        match is_name(&account.name) && is_name(&account.namespace) {
            true => Ok(account),
            false => Err(account.failed(Unavailable::Missing)),
        }
    }

    fn failed(&self, why: Unavailable) -> VaultError {
        let named = match is_name(&self.name) {
            true => format!("serviceaccounts/{}/{}", self.namespace, self.name),
            false => format!("serviceaccounts/{}/?", self.namespace),
        };
        VaultError::Unavailable(named, why)
    }

    fn now(&self) -> i64 {
        let Timestamp(nanos) = (self.clock)();
        nanos.div_euclid(SECOND)
    }

    /// Asks the cluster for a token, as the gateway.
    async fn ask(
        &self,
        own: Option<&Zeroizing<String>>,
        tls: &SideTls,
        tripwires: &Tripwires,
    ) -> Result<Minted, Unavailable> {
        let answer = self.send(own, tls).await?;
        let token = answer.text("/status/token").ok_or(Unavailable::Answer)?;
        let until = answer.text("/status/expirationTimestamp");
        let until = until.and_then(rfc3339::seconds);
        let until = until.ok_or(Unavailable::Answer)?;
        let kind = answer.text("/kind") == Some("TokenRequest");
        if !kind || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(is_of_a_token) {
            return Err(Unavailable::Answer);
        }
        let now = self.now();
        let asked = i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX);
        let lasts = until.saturating_sub(now);
        if lasts <= 0 || lasts > asked.saturating_add(CLOCK_SECONDS) {
            return Err(Unavailable::OtherTime);
        }
        let secret = Secret::new(token.as_bytes().to_vec());
        // One that can be guessed is none.
        let armed = tripwires.arm(secret.expose());
        Ok(Minted {
            armed: armed.map_err(|_| Unavailable::Answer)?,
            secret,
            until,
            renew: until - lasts / RENEW_AT,
        })
    }

    async fn send(
        &self,
        own: Option<&Zeroizing<String>>,
        tls: &SideTls,
    ) -> Result<Wiped, Unavailable> {
        let fetcher = match tls {
            SideTls::Require(config) => Fetcher::over(std::sync::Arc::clone(config)),
            SideTls::Disable => Fetcher::new(None).map_err(Unavailable::Unreachable)?,
        };
        let address = self.address.trim_end_matches('/');
        let mut request = Request::post(format!(
            "{address}/api/v1/namespaces/{}/serviceaccounts/{}/token",
            self.namespace, self.name
        ))
        .header("content-type", "application/json")
        .header("accept", "application/json");
        if let Some(own) = own {
            let bearer = Zeroizing::new(format!("Bearer {}", own.as_str()));
            let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| Unavailable::Credential)?;
            bearer.set_sensitive(true);
            request = request.header("authorization", bearer);
        }
        let request = request.body(self.body().to_string().into_bytes());
        let request = request.map_err(|_| Unavailable::Credential)?;
        let bounds = Bounds {
            time: limits::SECRET_FETCH_MAX,
            bytes: limits::SECRET_ANSWER_BYTES_MAX,
        };
        let answer = fetcher.send_within(request, bounds).await;
        let answer = answer.map_err(Unavailable::Unreachable)?;
        let status = answer.status().as_u16();
        let body = answer.into_body();
        match status {
            200 | 201 => Wiped::read(body).ok_or(Unavailable::Answer),
            _ => {
                drop(Zeroizing::new(body));
                Err(match status {
                    401 => Unavailable::Login(status),
                    status => Unavailable::Status(status),
                })
            }
        }
    }

    fn body(&self) -> Value {
        let mut spec = json!({ "expirationSeconds": self.ttl.as_secs() });
        if !self.audiences.is_empty() {
            spec["audiences"] = json!(self.audiences);
        }
        json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": spec,
        })
    }
}

/// A token that is good.
struct Minted {
    secret: Secret,
    armed: Armed,
    /// Seconds since 1970.
    until: i64,
    renew: i64,
}

/// The tokens of one session.
pub(super) struct Tokens {
    account: SessionAccount,
    tripwires: Tripwires,
    held: tokio::sync::Mutex<Held>,
}

#[derive(Default)]
struct Held {
    current: Option<Minted>,
    /// Those before it that are still good: they may yet show up in output.
    earlier: Vec<(i64, Armed)>,
    /// No other attempt before that.
    again: i64,
}

/// What makes a token: the gateway's own, read when one is needed, and the way to the cluster.
pub(super) struct Maker {
    pub(super) own: Option<Zeroizing<String>>,
    pub(super) tls: SideTls,
}

impl Tokens {
    pub(super) fn of(account: SessionAccount, tripwires: Tripwires) -> Self {
        Self {
            account,
            tripwires,
            held: tokio::sync::Mutex::default(),
        }
    }

    /// The token, made now if need be, and only then `maker` is asked: one attempt at a time, however many requests wait
    /// for it.
    pub(super) async fn current(
        &self,
        maker: impl Future<Output = Result<Maker, VaultError>> + Send,
    ) -> Result<Zeroizing<String>, VaultError> {
        let mut held = self.held.lock().await;
        let now = self.account.now();
        held.earlier.retain(|(until, _)| now < *until);
        let due = match &held.current {
            Some(minted) => now >= minted.until || (now >= minted.renew && now >= held.again),
            None => true,
        };
        if due {
            let made = self.make(maker).await;
            let good = held.current.as_ref().is_some_and(|old| now < old.until);
            match made {
                Ok(fresh) => {
                    let old = held.current.replace(fresh);
                    held.earlier.extend(old.map(|old| (old.until, old.armed)));
                }
                Err(error) if good => {
                    held.again = now + AGAIN_SECONDS;
                    tracing::warn!(%error, "a session's token could not be renewed yet");
                }
                Err(error) => return Err(error),
            }
        }
        let text = held.current.as_ref().and_then(|now| now.secret.text());
        let text = text.ok_or_else(|| self.account.failed(Unavailable::Answer))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    async fn make(
        &self,
        maker: impl Future<Output = Result<Maker, VaultError>> + Send,
    ) -> Result<Minted, VaultError> {
        let Maker { own, tls } = maker.await?;
        let made = self.account.ask(own.as_ref(), &tls, &self.tripwires).await;
        made.map_err(|why| self.account.failed(why))
    }
}

/// A DNS subdomain (RFC 1123), as names of ServiceAccounts and namespaces are.
fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |part: &str| {
        let ends = [part.bytes().next(), part.bytes().last()];
        ends.iter().all(|end| end.is_some_and(plain)) && part.bytes().all(|b| plain(b) || b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// The letters of a JWT: a header can hold them, and nothing else.
fn is_of_a_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}
