//! Connections to the host. A channel that is active has one of its own: russh delivers what a host sends to a bounded
//! queue inside the connection's only loop, so a channel whose client does not read would park every other channel of
//! the same connection. One that is no longer needed is kept for the session's next channel.
//!
//! It refuses a host that is not the one that was named, before anything that proves who we are is sent.

use parking_lot::Mutex;
use portcullis_gate::{Clock, Gate, House, SshKey, SshOffer, SshWay};
use portcullis_link::connect;
use portcullis_model::limits::{HANDSHAKE_MAX, SSH_IDLE_UPSTREAMS_MAX};
use portcullis_model::{Blame, Fault};
use russh::client::{AuthResult, ChannelOpenHandle, Config, Handle, Handler, Msg, Session};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, Signer};
use std::borrow::Cow;
use std::sync::Arc;
use tokio::time::timeout;

/// The connections of one session.
pub(crate) struct Uplines {
    way: SshWay,
    clock: Clock,
    idle: Mutex<Vec<Upline>>,
}

/// What is opened on a connection.
#[derive(Clone, Copy)]
pub(crate) enum Opening<'a> {
    /// A channel for a session.
    Session,
    /// A forward to a host and port.
    Forward(&'a str, u16),
    /// A forward to a socket of the host's, by its path.
    Socket(&'a str),
}

/// Why nothing was opened.
pub(crate) enum Unopened {
    /// The host said no: the connection is as good as before.
    Refused(Fault),
    /// Nothing came back.
    Lost(Fault),
}

/// One connection, logged in.
pub(crate) struct Upline {
    handle: Handle<Host>,
    /// Its login is good for one command: nothing else can run on it.
    single: bool,
}

impl Upline {
    /// Opens a channel on it.
    pub(crate) async fn open(&self, opening: Opening<'_>) -> Result<Channel<Msg>, Unopened> {
        let opened = timeout(HANDSHAKE_MAX, async {
            match opening {
                Opening::Session => self.handle.channel_open_session().await,
                Opening::Forward(host, port) => {
                    self.handle
                        .channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0)
                        .await
                }
                Opening::Socket(path) => self.handle.channel_open_direct_streamlocal(path).await,
            }
        });
        match opened.await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error @ russh::Error::ChannelOpenFailure(_))) => {
                Err(Unopened::Refused(refused(error)))
            }
            Ok(Err(error)) => Err(Unopened::Lost(refused(error))),
            Err(_) => Err(Unopened::Lost(late())),
        }
    }

    /// Ends the connection, with whatever runs on it.
    pub(crate) async fn hang_up(self) {
        let reason = russh::Disconnect::ByApplication;
        let said = self.handle.disconnect(reason, "", "");
        let _said = timeout(std::time::Duration::from_secs(2), said).await;
    }
}

impl Uplines {
    pub(crate) fn new(way: SshWay, clock: Clock) -> Self {
        Self {
            way,
            clock,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// A connection that nobody uses (then true), or a new one; that is recorded before anything is sent. Where each command
    /// has a login of its own, it is a new one for this command.
    pub(crate) async fn take(
        &self,
        gate: &mut Gate,
        command: Option<&str>,
    ) -> Result<(Upline, bool), Fault> {
        let errand = match (&self.way.errands, command) {
            (Some(errands), Some(command)) => Some(errands.key(command).await?),
            _ => None,
        };
        loop {
            let kept = self.idle.lock().pop().filter(|_| errand.is_none());
            match kept {
                Some(upline) if upline.handle.is_closed() => {}
                Some(upline) => return Ok((upline, true)),
                None => break,
            }
        }
        let housed = gate.house(House::Login, bytes::Bytes::new(), (self.clock)())?;
        let dialled = timeout(HANDSHAKE_MAX, async {
            let stream = connect(&self.way.upstream, housed)
                .await
                .map_err(|e| e.blame(Blame::Upstream))?;
            self.log_in(stream, errand).await
        });
        Ok((dialled.await.map_err(|_| late())??, false))
    }

    /// One that a channel has done with.
    pub(crate) fn give_back(&self, upline: Upline) {
        let mut idle = self.idle.lock();
        if !upline.single && idle.len() < SSH_IDLE_UPSTREAMS_MAX && !upline.handle.is_closed() {
            idle.push(upline);
        }
    }

    async fn log_in(
        &self,
        stream: tokio::net::TcpStream,
        errand: Option<Arc<dyn SshKey>>,
    ) -> Result<Upline, Fault> {
        let single = errand.is_some();
        let key = errand.unwrap_or_else(|| Arc::clone(&self.way.key));
        let host = Host {
            hosts: Arc::clone(&self.way.hosts),
            host: self.way.upstream.host.clone(),
            port: self.way.port,
            clock: Arc::clone(&self.clock),
        };
        let known = self.way.hosts.algorithms(&host.host, host.port);
        let config = Arc::new(config(&known));
        let mut handle = russh::client::connect_stream(config, stream, host)
            .await
            .map_err(|Met(fault)| fault)?;
        let login = self.way.login.clone();
        let mut signer = Signing(Arc::clone(&key));
        let answer = match key.offer().await? {
            SshOffer::Certificate(text) => {
                let certificate = Certificate::from_openssh(&text).map_err(unreadable)?;
                let hash = hash_for(&certificate.algorithm());
                let asked =
                    handle.authenticate_certificate_with(login, certificate, hash, &mut signer);
                asked.await.map_err(|Met(fault)| fault)?
            }
            SshOffer::Key(text) => {
                let key = PublicKey::from_openssh(&text).map_err(unreadable)?;
                let hash = hash_for(&key.algorithm());
                let asked = handle.authenticate_publickey_with(login, key, hash, &mut signer);
                asked.await.map_err(|Met(fault)| fault)?
            }
            SshOffer::Password(password) => {
                let asked = handle.authenticate_password(login, (*password).as_ref());
                asked.await.map_err(refused)?
            }
        };
        match answer {
            AuthResult::Success => Ok(Upline { handle, single }),
            AuthResult::Failure { .. } => {
                Err(Fault::bare(Blame::Upstream, "accept the gateway's login"))
            }
        }
    }
}

/// RSA keys sign with SHA-512; the others know their hash.
fn hash_for(algorithm: &Algorithm) -> Option<HashAlg> {
    matches!(algorithm, Algorithm::Rsa { .. }).then_some(HashAlg::Sha512)
}

fn unreadable(error: russh::keys::ssh_key::Error) -> Fault {
    Fault::new(Blame::Gateway, "read its own SSH key", error)
}

fn late() -> Fault {
    Fault::bare(Blame::Upstream, "answer in time")
}

fn refused(error: russh::Error) -> Fault {
    Fault::new(Blame::Upstream, "open a connection or channel", error)
}

/// How the gateway speaks to hosts. Keys that are known come first, so that the host shows one of them.
fn config(known: &[String]) -> Config {
    let mut preferred = crate::listener::preferred();
    let mut keys: Vec<Algorithm> = preferred.key.to_vec();
    keys.sort_by_key(|algorithm| match algorithm {
        Algorithm::Rsa { .. } => !known.iter().any(|k| k == "ssh-rsa"),
        other => !known.iter().any(|k| k == other.as_str()),
    });
    preferred.key = Cow::Owned(keys);
    if known.is_empty() {
        // Nothing but an authority can vouch for it.
        preferred.host_key_certificates = preferred.key.clone();
    }
    Config {
        client_id: russh::SshId::Standard(Cow::Borrowed(crate::listener::SERVER_ID)),
        preferred,
        nodelay: true,
        inactivity_timeout: None,
        keepalive_interval: Some(std::time::Duration::from_secs(30)),
        keepalive_max: 4,
        ..Config::default()
    }
}

/// Asks the vault for signatures.
struct Signing(Arc<dyn SshKey>);

impl Signer for Signing {
    type Error = Met;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, Met> {
        let blob = self.0.sign(&to_sign).map_err(Met)?;
        let length = u32::try_from(blob.len()).unwrap_or(u32::MAX);
        to_sign.extend_from_slice(&length.to_be_bytes());
        to_sign.extend_from_slice(&blob);
        Ok(to_sign)
    }
}

/// Verifies the host, and hears nothing else from it: it may open no channel towards us.
struct Host {
    hosts: Arc<dyn portcullis_gate::HostKeys>,
    host: String,
    port: u16,
    clock: Clock,
}

impl Handler for Host {
    type Error = Met;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Met> {
        let text = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.to_openssh(),
            PublicKeyOrCertificate::Certificate(certificate) => certificate.to_openssh(),
        };
        let text = text.map_err(|e| Met(unreadable(e)))?;
        let now = (self.clock)();
        self.hosts
            .verify(&self.host, self.port, &text, now)
            .map_err(Met)?;
        Ok(true)
    }

    // russh accepts by default, and would keep whatever a host opens; a reply that is dropped is a refusal.

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Met> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Met> {
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Met> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Met> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Met> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Met> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Met> {
        Ok(())
    }
}

/// A fault that travels through russh.
#[derive(Debug)]
pub(crate) struct Met(pub Fault);

impl From<russh::Error> for Met {
    fn from(error: russh::Error) -> Self {
        Self(Fault::new(Blame::Upstream, "speak SSH", error))
    }
}

impl From<russh::SendError> for Met {
    fn from(error: russh::SendError) -> Self {
        Self(Fault::new(Blame::Upstream, "speak SSH", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_gate::HostKeys;
    use portcullis_model::Timestamp;
    use russh::keys::PrivateKey;
    use russh::keys::ssh_key::private::Ed25519Keypair;
    use russh::server::{Auth, Handler as Serving};

    struct Any;

    impl HostKeys for Any {
        fn algorithms(&self, _: &str, _: u16) -> Vec<String> {
            vec!["ssh-ed25519".to_owned()]
        }

        fn verify(&self, _: &str, _: u16, _: &str, _: Timestamp) -> Result<(), Fault> {
            Ok(())
        }
    }

    /// A host that lets anybody in.
    struct Open;

    impl Serving for Open {
        type Error = russh::Error;

        async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
            Ok(Auth::Accept)
        }
    }

    #[tokio::test]
    async fn a_host_opens_no_channel_towards_the_gateway() {
        let (near, far) = tokio::io::duplex(256 * 1024);
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
        let serving = russh::server::Config {
            keys: vec![key],
            ..russh::server::Config::default()
        };
        let host = Host {
            hosts: Arc::new(Any),
            host: "web-1".to_owned(),
            port: 22,
            clock: Arc::new(|| Timestamp(1)),
        };
        let client = config(&["ssh-ed25519".to_owned()]);
        let (running, connected) = tokio::join!(
            russh::server::run_stream(Arc::new(serving), far, Open),
            async {
                let mut handle =
                    russh::client::connect_stream(Arc::new(client), near, host).await?;
                let let_in = handle.authenticate_none("ana").await.map_err(Met::from)?;
                Ok::<_, Met>((handle, let_in.success()))
            }
        );
        let host = running.unwrap().handle();
        let (_upline, let_in) = connected.unwrap();
        assert!(let_in);
        let opened = [
            host.channel_open_session().await.is_ok(),
            host.channel_open_agent().await.is_ok(),
            host.channel_open_x11("127.0.0.1", 1).await.is_ok(),
            host.channel_open_direct_tcpip("a", 1, "b", 2).await.is_ok(),
            host.channel_open_direct_streamlocal("/a").await.is_ok(),
            host.channel_open_forwarded_tcpip("a", 1, "b", 2)
                .await
                .is_ok(),
            host.channel_open_forwarded_streamlocal("/a").await.is_ok(),
        ];
        assert_eq!(opened, [false; 7]);
    }
}
