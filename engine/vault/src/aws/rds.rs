//! Database logins that IAM vouches for
//! (https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html): the password is a
//! signed URL, good for a quarter of an hour for one user of one database host. The server asks for it in clear, so it
//! is shown over TLS to a verified server only.

use super::sigv4::Scope;
use crate::error::VaultError;
use crate::login::{Accepts, Channel, Login};
use crate::secret::Secret;
use crate::secrets::Secrets;
use portcullis_gate::Credential;
use portcullis_stream::Tripwires;

/// How long a token opens a connection: what AWS allows at most. Connections outlive it.
const EXPIRES_SECONDS: u64 = 900;

/// Who logs in where.
#[derive(Clone, Debug)]
pub struct RdsRole {
    /// The account, by its name in the configuration.
    pub account: String,
    /// The database user, with the right `rds_iam`.
    pub user: String,
    /// The host as AWS names it: an alias is not what the token is for.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Makes tokens for one user.
#[derive(Clone)]
pub struct RdsLogins {
    role: RdsRole,
    channel: Channel,
    secrets: Secrets,
    tripwires: Tripwires,
}

impl RdsLogins {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(role: RdsRole, channel: Channel, secrets: Secrets, tripwires: Tripwires) -> Self {
        Self {
            role,
            channel,
            secrets,
            tripwires,
        }
    }

    /// A credential for one session.
    ///
    /// # Errors
    /// When the account's own credentials cannot be had.
    pub async fn credential(&self) -> Result<Box<dyn Credential>, VaultError> {
        let token = self.token().await?;
        let armed = self.tripwires.arm(token.expose()).ok();
        let user = self.role.user.clone();
        Ok(Box::new(Login::new(
            user,
            token,
            self.channel,
            Accepts::Any,
            armed,
        )))
    }

    pub(crate) async fn token(&self) -> Result<Secret, VaultError> {
        let RdsRole {
            account,
            user,
            host,
            port,
        } = &self.role;
        let named = |why| VaultError::Unavailable(format!("aws:{account} for {user}@{host}"), why);
        let account = self.secrets.aws(account)?;
        let keys = account.keys().await.map_err(named)?;
        let scope = Scope {
            region: &account.account.region,
            service: "rds-db",
            seconds: (account.clock)().seconds(),
        };
        let query = [
            ("Action".to_owned(), "connect".to_owned()),
            ("DBUser".to_owned(), user.clone()),
        ];
        let host = format!("{host}:{port}");
        let signed = scope.presigned(&host, &query, EXPIRES_SECONDS, &keys);
        Ok(Secret::new(format!("{host}/?{signed}").into_bytes()))
    }

    pub(crate) fn user(&self) -> &str {
        &self.role.user
    }
}
