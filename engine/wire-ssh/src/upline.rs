//! Connections to the host. A channel that is active has one of its own: russh delivers what a host sends to a bounded
//! queue inside the connection's only loop, so a channel whose client does not read would park every other channel of
//! the same connection. One that is no longer needed is kept for the session's next channel.
//!
//! It refuses a host that is not the one that was named, before anything that proves who we are is sent, and every channel that
//! a host opens where no door is open for it. Those that it may open share the connection they were asked for on: a client that
//! does not read one of them keeps the others of the same request waiting.

use crate::back::{Came, Door, Place};
use crate::naming::is_host;
use parking_lot::Mutex;
use portcullis_gate::{Clock, Gate, House, SshErrand, SshKey, SshOffer, SshWay};
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
use tokio_util::sync::{CancellationToken, DropGuard};

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
    /// Its login is good for one errand: nothing else can run on it.
    single: bool,
    /// What the host may open on it.
    pub door: Arc<Door>,
    gone: CancellationToken,
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

    /// Asks the host to listen for the client, and says at which port; 0 for a socket.
    pub(crate) async fn listen(&self, place: &Place) -> Result<u16, Unopened> {
        let asked = timeout(HANDSHAKE_MAX, async {
            match place {
                Place::Port(address, port) => {
                    let asked = self.handle.tcpip_forward(address, u32::from(*port));
                    let given = asked.await?;
                    // It says which one where it may choose, and nothing where it may not.
                    Ok(match port {
                        0 => u16::try_from(given).unwrap_or(0),
                        port => *port,
                    })
                }
                Place::Socket(path) => self.handle.streamlocal_forward(path).await.map(|()| 0),
            }
        });
        let port = match asked.await {
            Ok(Ok(port)) => port,
            Ok(Err(error @ russh::Error::RequestDenied)) => {
                return Err(Unopened::Refused(refused(error)));
            }
            Ok(Err(error)) => return Err(Unopened::Lost(refused(error))),
            Err(_) => return Err(Unopened::Lost(late())),
        };
        match place {
            Place::Port(..) if port == 0 => {
                let fault = Fault::bare(Blame::Upstream, "say at which port it listens");
                Err(Unopened::Refused(fault))
            }
            _ => Ok(port),
        }
    }

    /// Asks it to listen no more.
    pub(crate) async fn stop_listening(&self, place: &Place, port: Option<u16>) {
        let _stopped = match place {
            Place::Port(address, _) => {
                let port = u32::from(port.unwrap_or(0));
                self.handle.cancel_tcpip_forward(address, port).await
            }
            Place::Socket(path) => self.handle.cancel_streamlocal_forward(path).await,
        };
    }

    /// Resolves when the connection is lost.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// Ends the connection, with whatever runs on it.
    pub(crate) async fn hang_up(self) {
        self.door.shut();
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

    /// A connection that nobody uses (then true), or a new one; that is recorded before anything is sent. An errand has a new one
    /// with a login of its own, where that can be made.
    pub(crate) async fn take(
        &self,
        gate: &mut Gate,
        errand: Option<SshErrand<'_>>,
    ) -> Result<(Upline, bool), Fault> {
        let errand = match (&self.way.errands, errand) {
            (Some(errands), Some(errand)) => Some(errands.key(errand).await?),
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
        let (door, gone) = (Arc::new(Door::default()), CancellationToken::new());
        let host = Host {
            hosts: Arc::clone(&self.way.hosts),
            host: self.way.upstream.host.clone(),
            port: self.way.port,
            clock: Arc::clone(&self.clock),
            door: Arc::clone(&door),
            _there: gone.clone().drop_guard(),
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
            AuthResult::Success => Ok(Upline {
                handle,
                single,
                door,
                gone,
            }),
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

/// Verifies the host, and lets it open what the door is open for.
struct Host {
    hosts: Arc<dyn portcullis_gate::HostKeys>,
    host: String,
    port: u16,
    clock: Clock,
    door: Arc<Door>,
    /// The connection has lasted as long as this.
    _there: DropGuard,
}

/// Where a connection began, as the host says; the client is told nothing that is no host.
fn from(host: &str, port: u32) -> (String, u32) {
    match is_host(host) {
        true => (host.to_owned(), port),
        false => (String::new(), port),
    }
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
        channel: Channel<Msg>,
        _: &str,
        port: u32,
        host: &str,
        number: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Met> {
        if let Ok(port) = u16::try_from(port) {
            let from = from(host, number);
            self.door.come(Came::Port { port, from }, channel, reply);
        }
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
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Met> {
        let came = Came::Socket(path.to_owned());
        self.door.come(came, channel, reply);
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Met> {
        self.door.come(Came::Agent, channel, reply);
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Met> {
        let (host, port) = from(host, port);
        self.door.come(Came::Display(host, port), channel, reply);
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
    async fn a_host_opens_no_channel_that_nobody_has_asked_for() {
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
            door: Arc::new(Door::default()),
            _there: CancellationToken::new().drop_guard(),
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
