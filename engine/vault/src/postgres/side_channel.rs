//! The side connection: the gateway itself, as the administrator of a target's roles.
//!
//! It exists apart from the sessions' connections because its rights are other rights. It refuses to wait
//! for ever, to run in a search path that somebody else can fill, and TLS without channel binding where
//! the server can do it.

use crate::aws::RdsLogins;
use crate::binding::tls_server_end_point;
use crate::error::VaultError;
use crate::hashicorp::{DatabaseLogins, Lease};
use crate::secret::Secret;
use crate::secrets::Source;
use portcullis_model::limits;
use portcullis_stream::{Armed, Tripwires};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Mutex;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, NoTls};

/// How the administrator logs in to a target.
#[derive(Clone)]
pub struct AdminLogin {
    /// Host; also the name in its certificate.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The target's database.
    pub database: String,
    /// Who logs in.
    pub login: SideLogin,
    /// TLS.
    pub tls: SideTls,
}

/// Who logs in on the side.
#[derive(Clone)]
pub enum SideLogin {
    /// A login that somebody made. To mint it needs CREATEROLE (PostgreSQL 16 and later: also ADMIN OPTION on every
    /// parent role).
    Fixed {
        /// The role.
        user: String,
        /// Its password.
        password: Source,
    },
    /// One that a Vault server makes for this connection.
    Leased(DatabaseLogins),
    /// One that IAM vouches for.
    Rds(RdsLogins),
}

/// What a connection is made with, kept as long as the connection.
struct Shown {
    user: String,
    password: Secret,
    armed: Option<Armed>,
    lease: Option<Lease>,
}

impl SideLogin {
    async fn shown(&self, tripwires: &Tripwires) -> Result<Shown, VaultError> {
        let (user, password) = match self {
            Self::Fixed { user, password } => {
                let held = password.read().await?;
                (user.clone(), Secret::new(held.expose().to_vec()))
            }
            Self::Leased(logins) => {
                let lent = logins.lend(None).await?;
                return Ok(Shown {
                    user: lent.user,
                    password: lent.password,
                    armed: lent.armed,
                    lease: Some(lent.lease),
                });
            }
            Self::Rds(logins) => (logins.user().to_owned(), logins.token().await?),
        };
        Ok(Shown {
            // A weak one is reported by `check`; here the connection still has to be made.
            armed: tripwires.arm(password.expose()).ok(),
            user,
            password,
            lease: None,
        })
    }
}

/// How the side connection is protected.
#[derive(Clone)]
pub enum SideTls {
    /// Not at all: loopback or a trusted network.
    Disable,
    /// With this configuration (roots, verification, client certificate).
    Require(Arc<ClientConfig>),
}

/// A connection that is made when needed and made again when it broke.
pub(crate) struct SideChannel {
    login: AdminLogin,
    tripwires: Tripwires,
    open: Mutex<Option<Open>>,
}

struct Open {
    client: Arc<Client>,
    _armed: Option<Armed>,
    _lease: Option<Lease>,
}

impl SideChannel {
    pub(crate) fn new(login: AdminLogin, tripwires: Tripwires) -> Self {
        Self {
            login,
            tripwires,
            open: Mutex::new(None),
        }
    }

    /// The connection to the target's own database.
    pub(crate) async fn client(&self) -> Result<Arc<Client>, VaultError> {
        let mut open = self.open.lock().await;
        if let Some(open) = &*open
            && !open.client.is_closed()
        {
            return Ok(open.client.clone());
        }
        let fresh = self.connect(&self.login.database).await?;
        let client = fresh.client.clone();
        *open = Some(fresh);
        Ok(client)
    }

    /// A connection to another database of the same server, for what lies there.
    pub(crate) async fn client_in(&self, database: &str) -> Result<Arc<Client>, VaultError> {
        Ok(self.connect(database).await?.client)
    }

    async fn connect(&self, database: &str) -> Result<Open, VaultError> {
        let shown = self.login.login.shown(&self.tripwires).await?;
        let millis = limits::SIDE_STATEMENT_MAX.as_millis();
        let mut config = Config::new();
        config
            .host(&self.login.host)
            .port(self.login.port)
            .dbname(database)
            .user(&shown.user)
            .password(shown.password.expose())
            .application_name("portcullis")
            .connect_timeout(limits::SIDE_STATEMENT_MAX)
            .options(format!(
                "-c statement_timeout={millis} -c lock_timeout={millis} -c search_path=pg_catalog \
                 -c standard_conforming_strings=on -c default_transaction_read_only=off"
            ));
        let client = match &self.login.tls {
            SideTls::Disable => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) =
                    config.connect(NoTls).await.map_err(VaultError::Connect)?;
                drive(connection);
                client
            }
            SideTls::Require(tls) => {
                config.ssl_mode(SslMode::Require);
                let (client, connection) = config
                    .connect(Rustls(tls.clone()))
                    .await
                    .map_err(VaultError::Connect)?;
                drive(connection);
                client
            }
        };
        Ok(Open {
            client: Arc::new(client),
            _armed: shown.armed,
            _lease: shown.lease,
        })
    }
}

/// Ends with the last handle to its client.
fn drive<F>(connection: F)
where
    F: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a side connection ended");
        }
    });
}

/// Our TLS for the driver.
#[derive(Clone)]
struct Rustls(Arc<ClientConfig>);

struct Handshake {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

struct Stream<S>(tokio_rustls::client::TlsStream<S>);

impl<S> MakeTlsConnect<S> for Rustls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type TlsConnect = Handshake;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, Self::Error> {
        Ok(Handshake {
            config: self.0.clone(),
            name: ServerName::try_from(domain.to_owned())?,
        })
    }
}

impl<S> TlsConnect<S> for Handshake
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, socket: S) -> Self::Future {
        let connector = tokio_rustls::TlsConnector::from(self.config);
        Box::pin(async move { Ok(Stream(connector.connect(self.name, socket).await?)) })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        let (_, session) = self.0.get_ref();
        session
            .peer_certificates()
            .and_then(|chain| tls_server_end_point(chain.first()?))
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        waker: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(waker, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        waker: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(waker, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, waker: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(waker)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, waker: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(waker)
    }
}
