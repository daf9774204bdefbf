//! A server of HashiCorp Vault or OpenBao: the gateway logs in, reads KV secrets, has database logins made and SSH keys
//! signed, and gives back what it was lent. The API is a few JSON requests, so it is spoken here and not by a client of
//! a thousand options.
//!
//! It refuses to follow redirects to other servers, and to tell what a server says: an error can quote what was sent.

mod database;
mod sign;
mod token;

use crate::error::{Unavailable, VaultError};
use crate::secret::Wiped;
use crate::secrets::{Fetched, Source};
use hyper::{Method, Request};
use portcullis_fetch::{Bounds, Fetcher};
use portcullis_model::limits;
use portcullis_stream::Tripwires;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use token::Tokens;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use database::Lease;
pub use database::{DatabaseLogins, DatabaseRole};
pub use sign::{SigningRole, SshSigner};

/// Where a server is, and who the gateway is there.
#[derive(Clone, Debug)]
pub struct HashicorpServer {
    /// `https://HOST:8200`.
    pub address: String,
    /// The namespace of everything, where the server has some.
    pub namespace: Option<String>,
    /// The authorities that its certificate has to come from; the public ones without.
    pub ca: Option<PathBuf>,
    /// The mount of the KV version 2 engine that references read.
    pub kv_mount: String,
    /// How the gateway logs in.
    pub auth: HashicorpAuth,
}

/// How the gateway logs in.
#[derive(Clone, Debug)]
pub enum HashicorpAuth {
    /// With a token that somebody else made. It is renewed as long as it can be.
    Token(Source),
    /// AppRole.
    AppRole {
        /// The mount.
        mount: String,
        /// Which role; no secret.
        role_id: String,
        /// Its secret.
        secret_id: Source,
    },
    /// The JWT and Kubernetes methods: a role, and a token of the platform.
    Jwt {
        /// The mount: `jwt`, `kubernetes`.
        mount: String,
        /// Which role.
        role: String,
        /// The token.
        token: Source,
    },
}

/// The server, spoken to.
pub struct Hashicorp {
    server: HashicorpServer,
    fetcher: Fetcher,
    tokens: Arc<Tokens>,
    /// Leases that are being kept up or given back.
    tasks: TaskTracker,
    /// The gateway's end.
    over: CancellationToken,
}

/// One request, below `/v1/`.
pub(super) struct Ask<'a> {
    method: Method,
    path: String,
    body: Option<&'a Value>,
    time: Duration,
}

impl<'a> Ask<'a> {
    pub(super) fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            time: limits::SECRET_FETCH_MAX,
        }
    }

    pub(super) fn put(path: String, body: &'a Value) -> Self {
        Self {
            method: Method::PUT,
            path,
            body: Some(body),
            time: limits::SECRET_FETCH_MAX,
        }
    }

    /// The same with another bound in time.
    pub(super) fn within(self, time: Duration) -> Self {
        Self { time, ..self }
    }
}

impl Hashicorp {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When the file of authorities cannot be used.
    pub fn new(server: HashicorpServer, tripwires: Tripwires) -> Result<Arc<Self>, VaultError> {
        let fetcher = Fetcher::new(server.ca.as_deref());
        let fetcher = fetcher.map_err(|e| {
            VaultError::Unavailable(server.address.clone(), Unavailable::Unreachable(e))
        })?;
        Ok(Arc::new(Self {
            tokens: Arc::new(Tokens::new(tripwires)),
            server,
            fetcher,
            tasks: TaskTracker::new(),
            over: CancellationToken::new(),
        }))
    }

    /// A field of a KV version 2 secret
    /// (https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version).
    pub(crate) async fn kv(
        self: &Arc<Self>,
        path: &str,
        field: &str,
    ) -> Result<Fetched, Unavailable> {
        let mount = &self.server.kv_mount;
        let answer = self.ask(Ask::get(format!("{mount}/data/{path}"))).await?;
        let secret = answer.secret("/data/data", field);
        Ok(Fetched {
            secret: secret.ok_or(Unavailable::Field)?,
            ttl: None,
        })
    }

    /// Asks as the one the gateway is there. A token that is no good any more is replaced once: a server answers 403 to
    /// what the token's policy does not allow, too, and everything that was lent under a token ends with it.
    pub(super) async fn ask(self: &Arc<Self>, ask: Ask<'_>) -> Result<Wiped, Unavailable> {
        let token = self.tokens.current(self).await?;
        match self.send(&ask, Some(token.expose())).await {
            Err(Unavailable::Status(403))
                if token.may_be_over() && self.is_over(token.expose()).await =>
            {
                self.tokens.forget(&token).await;
                let token = self.tokens.current(self).await?;
                self.send(&ask, Some(token.expose())).await
            }
            other => other,
        }
    }

    /// True when the server says that a token is none. Every token may ask that about itself.
    async fn is_over(&self, token: &[u8]) -> bool {
        let itself = Ask::get("auth/token/lookup-self".to_owned());
        let answer = self.send(&itself, Some(token)).await;
        matches!(answer, Err(Unavailable::Status(403)))
    }

    /// One request with this token.
    async fn send(&self, ask: &Ask<'_>, token: Option<&[u8]>) -> Result<Wiped, Unavailable> {
        let address = self.server.address.trim_end_matches('/');
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(format!("{address}/v1/{}", ask.path))
            // What Vault Agent wants, against forged requests.
            .header("X-Vault-Request", "true");
        if let Some(namespace) = &self.server.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(token) = token {
            let mut value = hyper::header::HeaderValue::from_bytes(token)
                .map_err(|_| Unavailable::Credential)?;
            value.set_sensitive(true);
            request = request.header("X-Vault-Token", value);
        }
        let body = ask.body.map(|body| body.to_string().into_bytes());
        if body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        let request = request
            .body(body.unwrap_or_default())
            .map_err(|_| Unavailable::Credential)?;
        let bounds = Bounds {
            time: ask.time,
            bytes: limits::SECRET_ANSWER_BYTES_MAX,
        };
        let answer = self.fetcher.send_within(request, bounds).await;
        let answer = answer.map_err(Unavailable::Unreachable)?;
        let status = answer.status().as_u16();
        let body = answer.into_body();
        match status {
            200 => Wiped::read(body).ok_or(Unavailable::Answer),
            204 => Ok(Wiped(json!({}))),
            _ => {
                drop(zeroize::Zeroizing::new(body));
                Err(Unavailable::Status(status))
            }
        }
    }

    /// Gives back all that was lent, whoever still holds it, and then the gateway's own token.
    pub(crate) async fn settle(self: &Arc<Self>) {
        self.over.cancel();
        self.retire().await;
    }

    /// Waits until everybody has given back what they were lent, and gives back the gateway's own token.
    pub(crate) async fn retire(self: &Arc<Self>) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tokens.revoke(self).await;
    }
}

#[cfg(test)]
mod tests;
