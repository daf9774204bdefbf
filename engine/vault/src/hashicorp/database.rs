//! Database logins that the server makes (https://developer.hashicorp.com/vault/api-docs/secret/databases): one for each
//! session, kept up while the session lasts and revoked when it ends. A gateway that dies leaves leases that end by
//! themselves.

use super::{Ask, Hashicorp};
use crate::error::{Unavailable, VaultError};
use crate::login::{Accepts, Channel, Login};
use crate::secret::{Secret, Wiped};
use crate::secrets::Secrets;
use portcullis_gate::{Challenge, Credential, Reply};
use portcullis_model::{Fault, limits};
use portcullis_stream::{Armed, Tripwires};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A lease is renewed after this part of its time.
const RENEW_AT: u32 = 2;
const RENEW_MIN: Duration = Duration::from_millis(500);
/// Between attempts to give one back, the first time; later ones are further apart.
const REVOKE_AGAIN: Duration = Duration::from_millis(500);
const REVOKE_ATTEMPTS: u32 = 6;

/// A role of a database engine.
#[derive(Clone, Debug)]
pub struct DatabaseRole {
    /// The server, by its name in the configuration.
    pub server: String,
    /// The mount of the engine.
    pub mount: String,
    /// The role there.
    pub role: String,
}

/// Makes logins of one role.
#[derive(Clone)]
pub struct DatabaseLogins {
    role: DatabaseRole,
    channel: Channel,
    secrets: Secrets,
    tripwires: Tripwires,
}

/// A login while it is lent.
pub(crate) struct Lent {
    pub(crate) user: String,
    pub(crate) password: Secret,
    pub(crate) armed: Option<Armed>,
    pub(crate) lease: Lease,
}

/// Dropping it gives the login back.
pub(crate) struct Lease(#[expect(dead_code, reason = "its drop is what counts")] DropGuard);

impl DatabaseLogins {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(
        role: DatabaseRole,
        channel: Channel,
        secrets: Secrets,
        tripwires: Tripwires,
    ) -> Self {
        Self {
            role,
            channel,
            secrets,
            tripwires,
        }
    }

    /// A credential for one session, of this role or the configured one. Dropping it revokes the login.
    ///
    /// # Errors
    /// When the server cannot be reached, or gives none, or the role is no name.
    pub async fn credential(&self, role: Option<&str>) -> Result<Box<dyn Credential>, VaultError> {
        let lent = self.lend(role).await?;
        Ok(Box::new(Leased {
            login: Login::new(
                lent.user,
                lent.password,
                self.channel,
                Accepts::Any,
                lent.armed,
            ),
            _lease: lent.lease,
        }))
    }

    pub(crate) async fn lend(&self, role: Option<&str>) -> Result<Lent, VaultError> {
        let DatabaseRole { server, mount, .. } = &self.role;
        let role = role.unwrap_or(&self.role.role);
        // Policy may name it: it must not lead to another path.
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if role.is_empty() || !role.chars().all(fits) || matches!(role, "." | "..") {
            return Err(VaultError::Name);
        }
        let named =
            |why| VaultError::Unavailable(format!("vault:{server}/{mount}/creds/{role}"), why);
        let server = self.secrets.vault(server)?;
        let absent = || named(Unavailable::Answer);
        let (tell, told) = oneshot::channel();
        let path = format!("{mount}/creds/{role}");
        // Whoever waits may go, and the server may make the login all the same: then it is given back.
        server.tasks.spawn({
            let server = Arc::clone(&server);
            async move { drop(tell.send(server.draw(path).await)) }
        });
        let told = tokio::time::timeout(limits::SECRET_FETCH_MAX, told).await;
        let drawn = told.map_err(|_| named(Unavailable::Late))?;
        let (answer, lease) = drawn
            .map_err(|_| named(Unavailable::Late))?
            .map_err(named)?;
        let user = answer.text("/data/username").ok_or_else(absent)?.to_owned();
        if user.is_empty() || user.contains(char::is_control) {
            return Err(absent());
        }
        let password = answer.secret("/data", "password").ok_or_else(absent)?;
        Ok(Lent {
            user,
            armed: self.tripwires.arm(password.expose()).ok(),
            password,
            lease,
        })
    }
}

/// The login of one session.
struct Leased {
    login: Login,
    _lease: Lease,
}

impl Credential for Leased {
    fn user(&self) -> &str {
        self.login.user()
    }

    fn answer(&mut self, challenge: Challenge<'_>) -> Result<Reply, Fault> {
        self.login.answer(challenge)
    }

    fn server_verified(&self) -> bool {
        self.login.server_verified()
    }
}

impl Hashicorp {
    /// Has a login made. From then on it is given back, whatever is wrong with it.
    async fn draw(self: &Arc<Self>, path: String) -> Result<(Wiped, Lease), Unavailable> {
        let ask = Ask::get(path).within(limits::SECRET_DRAW_MAX);
        let answer = self.ask(ask).await?;
        let lease_id = answer.text("/lease_id").ok_or(Unavailable::Answer)?;
        let lasts = answer.seconds("/lease_duration").unwrap_or(0);
        let renewable = answer
            .0
            .pointer("/renewable")
            .and_then(serde_json::Value::as_bool);
        let lease = self.hold(
            lease_id.to_owned(),
            Duration::from_secs(lasts),
            renewable == Some(true),
        );
        Ok((answer, lease))
    }

    /// Keeps a lease up until the guard is dropped, and gives it back then.
    fn hold(self: &Arc<Self>, id: String, lasts: Duration, renewable: bool) -> Lease {
        let over = CancellationToken::new();
        let guard = over.clone().drop_guard();
        let server = Arc::clone(self);
        self.tasks.spawn(async move {
            let used = async {
                server.keep_up(&id, lasts, renewable).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = over.cancelled() => {}
                () = server.over.cancelled() => {}
                () = used => {}
            }
            server.give_back(&id).await;
        });
        Lease(guard)
    }

    /// Renews a lease again and again; returns when it cannot be renewed any more.
    async fn keep_up(self: &Arc<Self>, id: &str, lasts: Duration, renewable: bool) {
        if !renewable {
            return;
        }
        let mut until = Instant::now() + lasts;
        let body = json!({"lease_id": id, "increment": lasts.as_secs()});
        loop {
            let left = until.saturating_duration_since(Instant::now());
            tokio::time::sleep((left / RENEW_AT).max(RENEW_MIN)).await;
            match self
                .ask(Ask::put("sys/leases/renew".to_owned(), &body))
                .await
            {
                Ok(answer) => {
                    let seconds = answer.seconds("/lease_duration").unwrap_or(0);
                    until = Instant::now() + Duration::from_secs(seconds);
                }
                Err(error) => tracing::warn!(%error, "a lease could not be renewed yet"),
            }
            if Instant::now() >= until {
                tracing::warn!("a lease of an open session has ended: it reached its longest time");
                return;
            }
        }
    }

    async fn give_back(self: &Arc<Self>, id: &str) {
        let body = json!({"lease_id": id});
        let mut pause = REVOKE_AGAIN;
        for _ in 0..REVOKE_ATTEMPTS {
            match self
                .ask(Ask::put("sys/leases/revoke".to_owned(), &body))
                .await
            {
                Ok(_) => return,
                Err(error) => tracing::warn!(%error, "a lease could not be given back yet"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        tracing::error!("a lease was not given back: it ends by itself");
    }
}
