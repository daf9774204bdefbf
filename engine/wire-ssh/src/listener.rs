//! One SSH listener: from an accepted socket to the end of its session. It refuses a client that does not log in in time,
//! one source that fails again and again, and more strangers at a time than the bound.

use crate::arrival::{Arrival, methods};
use crate::conversation::Conversation;
use crate::spill::{Share, Spills};
use crate::startups::{Slot, Startups};
use crate::tap::Tap;
use portcullis_gate::{BoxFuture, Clock, FrontDesk};
use portcullis_link::{Indoors, Protocol as WireProtocol, Socket};
use portcullis_model::limits::{
    SSH_LOGIN_MAX, SSH_SIGN_IN_MAX, SSH_SPILL_ALL_BYTES_MAX, SSH_TRIES_MAX,
};
use portcullis_model::{Blame, Fault};
use russh::keys::{Algorithm, Certificate, PrivateKey};
use russh::server::{Config, Handle, RunningSession, run_stream};
use russh::{Disconnect, Preferred, SshId, cipher, compression, kex, mac};
use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

/// How both edges name themselves.
pub(crate) const SERVER_ID: &str = "SSH-2.0-Portcullis";
/// How long a client has to read why it is disconnected.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a connection ended on which nobody logged in: whoever keeps many of them open has to wait like one who guesses.
const LATE: &str = "login too late";

/// What a listener is made of.
pub struct Listener {
    /// Host keys, each as a file in OpenSSH's form.
    pub keys: Vec<String>,
    /// Certificates for them, each in the form of a `.pub` file: one `@cert-authority` line trusts every listener.
    pub certificates: Vec<String>,
    /// Keys are agreed on in ways that resist quantum computers, and in no others.
    pub post_quantum: bool,
    /// People may come with a certificate of the gateway.
    pub people: bool,
    /// For so long a bare key stands for whoever has logged in beside it; none is asked for where there is nothing here.
    pub remember: Option<Duration>,
    /// Who serves what leads to servers that the gateway knows; such a forward is opaque where nobody does.
    pub indoors: Option<Arc<dyn Indoors>>,
    /// The folder in which uploads wait that hosts are slow to take, sealed and without a name.
    pub spill: PathBuf,
    /// How much of one connection may wait there, in bytes.
    pub spill_max: u64,
    /// The time.
    pub clock: Clock,
}

/// Why a listener cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No key, or one that cannot be read.
    #[error("read a host key: it is a private key in OpenSSH's form, without a passphrase")]
    Key,
    /// A certificate that cannot be read.
    #[error("read a host certificate")]
    Certificate,
    /// A certificate for a key that is not there.
    #[error("use a host certificate: its key is none of the listener's")]
    Stray,
}

/// The SSH protocol on one listener.
pub struct Ssh {
    config: Arc<Config>,
    startups: Startups,
    people: bool,
    remember: Option<Duration>,
    indoors: Option<Arc<dyn Indoors>>,
    spills: Arc<Spills>,
    clock: Clock,
    login_max: Duration,
}

impl Ssh {
    /// Opens it.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn new(listener: Listener) -> Result<Self, Unusable> {
        let keys = listener
            .keys
            .iter()
            .map(|pem| PrivateKey::from_openssh(pem).map_err(|_| Unusable::Key))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() || keys.iter().any(PrivateKey::is_encrypted) {
            return Err(Unusable::Key);
        }
        let certificates = listener
            .certificates
            .iter()
            .map(|text| Certificate::from_openssh(text).map_err(|_| Unusable::Certificate))
            .collect::<Result<Vec<_>, _>>()?;
        let ours = |c: &Certificate| {
            keys.iter()
                .any(|k| k.public_key().key_data() == c.public_key())
        };
        if !certificates.iter().all(ours) {
            return Err(Unusable::Stray);
        }
        let config = Config {
            server_id: SshId::Standard(Cow::Borrowed(SERVER_ID)),
            methods: methods(listener.people || listener.remember.is_some()),
            auth_rejection_time: Duration::from_millis(500),
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys,
            certificates,
            preferred: offered(listener.post_quantum),
            // Keys of an agent count as well, and each is turned down at once.
            max_auth_attempts: SSH_TRIES_MAX + 10,
            inactivity_timeout: None,
            keepalive_interval: Some(Duration::from_secs(30)),
            keepalive_max: 4,
            nodelay: true,
            ..Config::default()
        };
        Ok(Self {
            config: Arc::new(config),
            startups: Startups::new(),
            people: listener.people,
            remember: listener.remember,
            indoors: listener.indoors,
            spills: Spills::new(listener.spill, listener.spill_max, SSH_SPILL_ALL_BYTES_MAX),
            clock: listener.clock,
            login_max: SSH_LOGIN_MAX,
        })
    }

    /// True where people may come with a certificate.
    pub(crate) fn certifies(&self) -> bool {
        self.people
    }

    /// For so long a bare key stands for whoever has logged in beside it.
    pub(crate) fn remembers(&self) -> Option<Duration> {
        self.remember
    }

    /// True where a key may prove something, with a certificate or without.
    pub(crate) fn asks_for_keys(&self) -> bool {
        self.people || self.remember.is_some()
    }

    /// Who serves streams to servers that the gateway knows.
    pub(crate) fn indoors(&self) -> Option<Arc<dyn Indoors>> {
        self.indoors.clone()
    }

    pub(crate) fn startups(&self) -> &Startups {
        &self.startups
    }

    async fn converse(
        self: Arc<Self>,
        socket: Socket,
        desk: Arc<dyn FrontDesk>,
    ) -> Result<(), Fault> {
        let now = (self.clock)();
        let Some(slot) = self.startups.enter(socket.peer.ip(), now) else {
            return Err(Fault::bare(
                Blame::Client,
                "wait: too many logins have failed or are under way",
            ));
        };
        let _connection = socket.slot;
        self.serve_stream(socket.stream, socket.peer, desk, None, Some(slot))
            .await
    }

    /// An SSH connection inside of a forward (ProxyJump): it logs in by itself, and is served like any other.
    pub(crate) fn jump<S>(
        self: Arc<Self>,
        stream: S,
        peer: SocketAddr,
        desk: Arc<dyn FrontDesk>,
        target: String,
    ) -> BoxFuture<'static, ()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Box::pin(async move {
            let served = self.serve_stream(stream, peer, desk, Some(target), None);
            if let Err(fault) = served.await {
                tracing::debug!(%peer, fault = fault.chain(), "an inner connection ended");
            }
        })
    }

    async fn serve_stream<S>(
        self: Arc<Self>,
        stream: S,
        peer: SocketAddr,
        desk: Arc<dyn FrontDesk>,
        jumped_to: Option<String>,
        slot: Option<Slot>,
    ) -> Result<(), Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (tap, program, cut) = Tap::new(stream);
        let conversation = Conversation::new(Arc::clone(&self.clock));
        let front = Arc::clone(&desk);
        let arrival = Arrival {
            listener: Arc::clone(&self),
            desk,
            conversation: Arc::clone(&conversation),
            peer,
            program,
            jumped_to,
            tries: 0,
            share: Share::new(&self.spills),
            channels: HashMap::new(),
        };
        let login = async {
            let running = run_stream(Arc::clone(&self.config), tap, arrival).await?;
            Ok::<_, russh::Error>(running)
        };
        let running = match timeout(self.login_max, login).await {
            Ok(Ok(running)) => running,
            Ok(Err(error)) => return Err(Fault::new(Blame::Client, "speak SSH", error)),
            Err(_) => {
                self.startups.failed(peer.ip(), (self.clock)());
                return Err(Fault::bare(Blame::Client, "name itself in time"));
            }
        };
        let handle = running.handle();
        let (reason, served) = attend(
            running,
            (&conversation, &*front),
            &handle,
            (slot, self.login_max),
        )
        .await;
        if reason == LATE {
            self.startups.failed(peer.ip(), (self.clock)());
        }
        conversation.end(reason).await;
        drop(cut);
        served
    }
}

/// Waits for the end of a connection, whoever brings it about.
async fn attend(
    mut running: RunningSession<Arrival>,
    (conversation, desk): (&Conversation, &dyn FrontDesk),
    handle: &Handle,
    (slot, login_max): (Option<Slot>, Duration),
) -> (&'static str, Result<(), Fault>) {
    let ended = tokio::select! {
        ended = &mut running => Some(ended),
        () = late(conversation, login_max), if !conversation.is_known() => None,
        () = conversation.becomes_known() => None,
    };
    let known = conversation.is_known();
    drop(slot);
    match ended {
        Some(ended) => return ("client gone", ended.map_err(spoken)),
        None if !known => {
            farewell(handle, "the login took too long").await;
            return (LATE, Err(Fault::bare(Blame::Client, "log in in time")));
        }
        None => {}
    }
    tokio::select! {
        ended = &mut running => ("client gone", ended.map_err(spoken)),
        () = conversation.betrayal() => {
            // Else the same client is back at once.
            conversation.forget_keys(desk);
            farewell(handle, "the session showed secrets of the gateway").await;
            let _gone = timeout(FAREWELL, &mut running).await;
            let doing = "keep the gateway's secrets: a second one stood in a session";
            ("secrets", Err(Fault::bare(Blame::Upstream, doing)))
        }
        denial = conversation.severed() => {
            // The channels tell their clients; then the connection goes.
            sleep(Duration::from_millis(200)).await;
            farewell(handle, &denial.reason).await;
            let _gone = timeout(FAREWELL, &mut running).await;
            ("severed", Ok(()))
        }
    }
}

/// Resolves when a login has taken too long.
async fn late(conversation: &Conversation, login_max: Duration) {
    sleep(login_max).await;
    if conversation.is_invited() {
        sleep(SSH_SIGN_IN_MAX.saturating_sub(login_max)).await;
    }
}

async fn farewell(handle: &Handle, why: &str) {
    let said = handle.disconnect(
        Disconnect::ByApplication,
        format!("portcullis: {why}"),
        String::new(),
    );
    let _said = timeout(FAREWELL, said).await;
}

/// A client that breaks off is no fault.
fn spoken(error: russh::Error) -> Fault {
    Fault::new(Blame::Client, "speak SSH to the end", error)
}

impl WireProtocol for Ssh {
    fn serve(
        self: Arc<Self>,
        socket: Socket,
        desk: Arc<dyn FrontDesk>,
    ) -> BoxFuture<'static, Result<(), Fault>> {
        Box::pin(self.converse(socket, desk))
    }
}

/// What a listener offers.
fn offered(post_quantum: bool) -> Preferred {
    const KEX: &[kex::Name] = &[
        kex::MLKEM768X25519_SHA256,
        kex::EXTENSION_SUPPORT_AS_SERVER,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
    ];
    let mut offered = preferred();
    if post_quantum {
        offered.kex = Cow::Borrowed(KEX);
    }
    offered
}

/// Algorithms for both edges, best first: post-quantum or elliptic curves, authenticated encryption, no SHA-1, no
/// compression of what holds secrets.
pub(crate) fn preferred() -> Preferred {
    const KEX: &[kex::Name] = &[
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::DH_G18_SHA512,
        kex::DH_G16_SHA512,
        kex::EXTENSION_SUPPORT_AS_CLIENT,
        kex::EXTENSION_SUPPORT_AS_SERVER,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
    ];
    const CIPHERS: &[cipher::Name] = &[
        cipher::CHACHA20_POLY1305,
        cipher::AES_256_GCM,
        cipher::AES_128_GCM,
        cipher::AES_256_CTR,
        cipher::AES_192_CTR,
        cipher::AES_128_CTR,
    ];
    const MACS: &[mac::Name] = &[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM];
    let mut preferred = Preferred::DEFAULT;
    preferred.kex = Cow::Borrowed(KEX);
    preferred.cipher = Cow::Borrowed(CIPHERS);
    preferred.mac = Cow::Borrowed(MACS);
    preferred.compression = Cow::Borrowed(&[compression::NONE]);
    let keys = Preferred::DEFAULT.key;
    let sound = |key: &&Algorithm| !matches!(key, Algorithm::Rsa { hash: None });
    preferred.key = Cow::Owned(keys.iter().filter(sound).cloned().collect());
    preferred
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_gate::{Admission, Knock, Knocking};
    use portcullis_model::limits::SSH_PENALTY_FAILURES;
    use portcullis_model::{Denial, Timestamp};
    use russh::keys::ssh_key::LineEnding;

    struct Nobody;

    impl FrontDesk for Nobody {
        fn admit<'a>(
            &'a self,
            _: Knock,
            _: Knocking<'a>,
        ) -> BoxFuture<'a, Result<Admission, Denial>> {
            Box::pin(async { Err(Denial::new("test/nobody", "nobody is admitted")) })
        }
    }

    fn impatient() -> Arc<Ssh> {
        let seed = russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]);
        let key = PrivateKey::from(seed);
        let mut ssh = Ssh::new(Listener {
            keys: vec![key.to_openssh(LineEnding::LF).unwrap().to_string()],
            certificates: Vec::new(),
            post_quantum: false,
            people: false,
            remember: None,
            indoors: None,
            spill: std::env::temp_dir(),
            spill_max: 0,
            clock: Arc::new(|| Timestamp(1)),
        })
        .unwrap();
        ssh.login_max = Duration::from_millis(30);
        Arc::new(ssh)
    }

    struct Quiet;

    impl russh::client::Handler for Quiet {
        type Error = russh::Error;

        async fn check_server_key(
            &mut self,
            _: &russh::keys::PublicKeyOrCertificate,
        ) -> Result<bool, russh::Error> {
            Ok(true)
        }
    }

    #[tokio::test]
    async fn who_keeps_connections_open_and_says_nothing_has_to_wait() {
        let ssh = impatient();
        let peer: SocketAddr = "192.0.2.7:9".parse().unwrap();
        for round in 0..SSH_PENALTY_FAILURES {
            let slot = ssh.startups.enter(peer.ip(), Timestamp(1));
            assert!(slot.is_some(), "round {round}");
            let (client, server) = tokio::io::duplex(64 * 1024);
            let serving = Arc::clone(&ssh).serve_stream(server, peer, Arc::new(Nobody), None, slot);
            // Half of them do not even name themselves, the others do not log in.
            let talking = async {
                match round % 2 {
                    0 => sleep(Duration::from_secs(1)).await,
                    _ => {
                        let config = Arc::new(russh::client::Config::default());
                        let silent = russh::client::connect_stream(config, client, Quiet).await;
                        sleep(Duration::from_secs(10)).await;
                        drop(silent);
                    }
                }
            };
            tokio::select! {
                served = serving => assert!(served.is_err(), "round {round}"),
                () = talking => panic!("round {round}: it was waited for too long"),
            }
        }
        assert!(ssh.startups.enter(peer.ip(), Timestamp(1)).is_none());
        let other: SocketAddr = "192.0.2.8:9".parse().unwrap();
        assert!(ssh.startups.enter(other.ip(), Timestamp(1)).is_some());
    }
}
