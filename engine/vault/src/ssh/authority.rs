//! The gateway's own authority for SSH users (PROTOCOL.certkeys): every session gets a fresh key and a certificate for
//! it, good for minutes, for one login, from the gateway's address alone.
//!
//! It refuses to permit more in a certificate than the session may do, and to keep the fresh key anywhere.

use super::{Agent, KeyFile, Loaded, blob, read_key};
use crate::error::VaultError;
use crate::hashicorp::SshSigner;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_gate::{BoxFuture, Clock, SshKey, SshOffer};
use portcullis_model::Fault;
use portcullis_stream::Tripwires;
use ssh_key::certificate::{Builder, CertType};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{Certificate, PrivateKey, Signature, SigningKey};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// Clocks of hosts may be behind by this much.
const BACKDATED: Duration = Duration::from_secs(60);
/// A certificate that is nearly over is not used for another connection.
const RENEWED_BEFORE: Duration = Duration::from_secs(30);

/// The authority: who signs, and the time.
pub struct Authority {
    signer: Arc<Signer>,
    tripwires: Tripwires,
    clock: Clock,
}

/// Who signs certificates.
pub enum Signer {
    /// A private key by reference, read for every session.
    Key(KeyFile),
    /// An ssh-agent.
    Agent(Agent),
    /// An SSH engine of HashiCorp Vault or OpenBao.
    Hashicorp(SshSigner),
}

/// What a certificate is for.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    /// The key id, which the host writes into its log: session and identity.
    pub key_id: String,
    /// The logins it is good for.
    pub principals: Vec<String>,
    /// How long it is good for.
    pub valid_for: Duration,
    /// Addresses it may be used from; any when empty.
    pub source_addresses: Vec<String>,
    /// What it permits besides commands.
    pub bearing: Bearing,
    /// The one command that it runs, whatever the client of the host asks for; any when none (`force-command`).
    pub command: Option<String>,
}

/// What a session may do besides running commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// Nothing.
    Commands,
    /// A terminal, and forwards from the host.
    Interactive,
    /// A terminal, and ways from the host back to the client. Forwards have connections of their own.
    Back {
        /// To its agent.
        agent: bool,
        /// To its display.
        x11: bool,
    },
}

impl Bearing {
    /// What a certificate permits (PROTOCOL.certkeys, extensions).
    pub(crate) fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Commands => &[],
            Self::Interactive => &["permit-port-forwarding", "permit-pty"],
            Self::Back { agent, x11 } => match (agent, x11) {
                (false, false) => &["permit-pty"],
                (true, false) => &["permit-agent-forwarding", "permit-pty"],
                (false, true) => &["permit-X11-forwarding", "permit-pty"],
                (true, true) => &[
                    "permit-X11-forwarding",
                    "permit-agent-forwarding",
                    "permit-pty",
                ],
            },
        }
    }
}

impl Authority {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(signer: Signer, tripwires: Tripwires, clock: Clock) -> Self {
        Self {
            signer: Arc::new(signer),
            tripwires,
            clock,
        }
    }

    /// The public key that hosts have to trust, in the form of a `.pub` file. Of a Vault server nobody is asked.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub async fn public(&self) -> Result<Option<String>, VaultError> {
        let public = match &*self.signer {
            Signer::Key(file) => {
                let loaded = read_key(file, &self.tripwires).await?;
                loaded.key.public_key().to_openssh()
            }
            Signer::Agent(agent) => agent.public().to_openssh(),
            Signer::Hashicorp(_) => return Ok(None),
        };
        public.map(Some).map_err(|_| VaultError::Sign)
    }

    /// A credential for one session, with its first certificate.
    ///
    /// # Errors
    /// When the authority's key cannot be read, or nothing can be signed.
    pub async fn issue(&self, request: CertificateRequest) -> Result<Arc<dyn SshKey>, VaultError> {
        let issued = Issued {
            signer: Arc::clone(&self.signer),
            tripwires: self.tripwires.clone(),
            key: fresh()?,
            request,
            clock: Arc::clone(&self.clock),
            current: Mutex::new(None),
        };
        issued.certificate().await?;
        Ok(Arc::new(issued))
    }
}

/// The credential of one session.
struct Issued {
    signer: Arc<Signer>,
    tripwires: Tripwires,
    key: PrivateKey,
    request: CertificateRequest,
    clock: Clock,
    current: Mutex<Option<Current>>,
}

struct Current {
    certificate: String,
    until: u64,
    /// As long as what it has signed is in use, the authority's key is matched in output.
    _authority: Option<Loaded>,
}

impl Issued {
    async fn certificate(&self) -> Result<String, VaultError> {
        let now = seconds((self.clock)().0);
        let mut current = self.current.lock().await;
        if let Some(current) = &*current
            && now + RENEWED_BEFORE.as_secs() < current.until
        {
            return Ok(current.certificate.clone());
        }
        let until = now + self.request.valid_for.as_secs();
        let (certificate, authority) = self.signed(now, until).await?;
        let certificate = certificate.to_openssh().map_err(|_| VaultError::Sign)?;
        *current = Some(Current {
            certificate: certificate.clone(),
            until,
            _authority: authority,
        });
        Ok(certificate)
    }

    async fn signed(
        &self,
        now: u64,
        until: u64,
    ) -> Result<(Certificate, Option<Loaded>), VaultError> {
        match &*self.signer {
            Signer::Key(file) => {
                let authority = read_key(file, &self.tripwires).await?;
                let certificate = build(&authority.key, &self.key, &self.request, now, until);
                let certificate = certificate.map_err(|_| VaultError::Sign)?;
                Ok((certificate, Some(authority)))
            }
            Signer::Agent(agent) => {
                let (agent, key) = (agent.clone(), self.key.clone());
                let request = self.request.clone();
                let sign = move || {
                    let built = build(&agent, &key, &request, now, until);
                    built.map_err(|_| VaultError::Agent("it does not sign"))
                };
                let signed = tokio::task::spawn_blocking(sign).await;
                Ok((signed.map_err(|_| VaultError::Sign)??, None))
            }
            Signer::Hashicorp(signer) => {
                let public = self.key.public_key();
                Ok((signer.sign(public, &self.request, now).await?, None))
            }
        }
    }
}

impl SshKey for Issued {
    fn offer<'a>(&'a self) -> BoxFuture<'a, Result<SshOffer, Fault>> {
        Box::pin(async { Ok(SshOffer::Certificate(self.certificate().await?)) })
    }

    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(sign(&self.key, data)?)
    }
}

pub(super) fn sign(key: &PrivateKey, data: &[u8]) -> Result<Vec<u8>, VaultError> {
    blob(&signed(key, data)?)
}

pub(crate) fn fresh() -> Result<PrivateKey, VaultError> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    random(&mut *seed)?;
    Ok(PrivateKey::from(Ed25519Keypair::from_seed(&seed)))
}

/// The trait that signs is not exported by itself, only as a part of this one.
fn signed<K: SigningKey>(key: &K, data: &[u8]) -> Result<Signature, VaultError> {
    key.try_sign(data).map_err(|_| VaultError::Sign)
}

fn random(into: &mut [u8]) -> Result<(), VaultError> {
    SystemRandom::new()
        .fill(into)
        .map_err(|_| VaultError::Random)
}

fn seconds(now: i64) -> u64 {
    u64::try_from(now / 1_000_000_000).unwrap_or(0)
}

fn build<A: SigningKey>(
    authority: &A,
    key: &PrivateKey,
    request: &CertificateRequest,
    now: u64,
    until: u64,
) -> Result<Certificate, Box<dyn std::error::Error>> {
    let mut draw = [0_u8; 24];
    random(&mut draw)?;
    let (nonce, serial) = draw.split_at(16);
    let serial = u64::from_be_bytes(serial.try_into()?);
    let after = now.saturating_sub(BACKDATED.as_secs());
    let mut builder = Builder::new(nonce, key.public_key().key_data().clone(), after, until)?;
    builder.cert_type(CertType::User)?;
    builder.serial(serial)?;
    builder.key_id(request.key_id.as_str())?;
    if request.principals.is_empty() {
        // A certificate without principals would be good for every login.
        return Err("a certificate needs a login".into());
    }
    for principal in &request.principals {
        builder.valid_principal(principal.as_str())?;
    }
    if !request.source_addresses.is_empty() {
        builder.critical_option("source-address", request.source_addresses.join(","))?;
    }
    if let Some(command) = &request.command {
        builder.critical_option("force-command", command.as_str())?;
    }
    for permission in request.bearing.extensions() {
        builder.extension(*permission, "")?;
    }
    Ok(builder.sign(authority)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Source;
    use portcullis_model::Timestamp;
    use std::str::FromStr as _;
    use std::sync::atomic::{AtomicI64, Ordering};

    fn request(bearing: Bearing) -> CertificateRequest {
        CertificateRequest {
            key_id: "s-1 ana".to_owned(),
            principals: vec!["deploy".to_owned()],
            valid_for: Duration::from_secs(300),
            source_addresses: vec!["192.0.2.7/32".to_owned()],
            bearing,
            command: None,
        }
    }

    struct Place {
        _folder: tempfile::TempDir,
        authority: Authority,
        now: Arc<AtomicI64>,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca");
        let pem = fresh().unwrap();
        let pem = pem.to_openssh(ssh_key::LineEnding::LF).unwrap();
        std::fs::write(&path, pem.as_bytes()).unwrap();
        let now = Arc::new(AtomicI64::new(1_000_000_000_000_000_000));
        let clock: Clock = {
            let now = Arc::clone(&now);
            Arc::new(move || Timestamp(now.load(Ordering::Relaxed)))
        };
        let file = KeyFile {
            key: Source::of_file(&path),
            passphrase: None,
        };
        let authority = Authority::new(Signer::Key(file), Tripwires::new(), clock);
        Place {
            _folder: folder,
            authority,
            now,
        }
    }

    async fn offered(key: &dyn SshKey) -> Certificate {
        match key.offer().await.unwrap() {
            SshOffer::Certificate(text) => Certificate::from_str(&text).unwrap(),
            _ => panic!("a certificate"),
        }
    }

    #[tokio::test]
    async fn a_certificate_is_for_one_login_for_minutes_and_permits_no_more_than_asked() {
        let place = place();
        let key = place
            .authority
            .issue(request(Bearing::Commands))
            .await
            .unwrap();
        let certificate = offered(&*key).await;
        let authority = place.authority.public().await.unwrap().unwrap();
        let authority = ssh_key::PublicKey::from_openssh(&authority).unwrap();
        let known = [authority.fingerprint(ssh_key::HashAlg::Sha256)];
        assert!(certificate.validate_at(1_000_000_100, &known).is_ok());
        assert!(certificate.validate_at(1_000_000_301, &known).is_err());
        assert_eq!(certificate.valid_principals(), ["deploy"]);
        assert_eq!(certificate.key_id(), "s-1 ana");
        assert_eq!(certificate.cert_type(), CertType::User);
        assert!(certificate.extensions().is_empty());
        let from = certificate.critical_options().get("source-address");
        assert_eq!(from.map(String::as_str), Some("192.0.2.7/32"));

        let wide = place.authority.issue(request(Bearing::Interactive)).await;
        let wide = offered(&*wide.unwrap()).await;
        let permits: Vec<_> = wide.extensions().keys().map(String::as_str).collect();
        assert_eq!(permits, ["permit-port-forwarding", "permit-pty"]);

        // What leads back is permitted by its name, and nothing along with it.
        for (agent, x11, extra) in [
            (true, false, vec!["permit-agent-forwarding"]),
            (false, true, vec!["permit-X11-forwarding"]),
            (
                true,
                true,
                vec!["permit-X11-forwarding", "permit-agent-forwarding"],
            ),
        ] {
            let back = Bearing::Back { agent, x11 };
            let back = offered(&*place.authority.issue(request(back)).await.unwrap()).await;
            let permits: Vec<_> = back.extensions().keys().map(String::as_str).collect();
            assert_eq!(permits, [extra, vec!["permit-pty"]].concat());
        }
    }

    #[tokio::test]
    async fn a_certificate_for_a_command_says_which_one_and_permits_nothing_else() {
        let mut errand = request(Bearing::Commands);
        errand.command = Some("systemctl restart web".to_owned());
        let place = place();
        let one = place.authority.issue(errand.clone()).await.unwrap();
        let two = place.authority.issue(errand).await.unwrap();
        let (one, two) = (offered(&*one).await, offered(&*two).await);
        let forced = one.critical_options().get("force-command");
        assert_eq!(forced.map(String::as_str), Some("systemctl restart web"));
        assert!(one.extensions().is_empty());
        assert_ne!(
            one.public_key(),
            two.public_key(),
            "each has a key of its own"
        );
        let plain = place.authority.issue(request(Bearing::Commands)).await;
        let plain = offered(&*plain.unwrap()).await;
        assert!(!plain.critical_options().contains_key("force-command"));
    }

    #[tokio::test]
    async fn what_it_signs_verifies_and_it_is_renewed_before_it_is_over() {
        use ssh_key::encoding::Decode as _;
        let place = place();
        let key = place
            .authority
            .issue(request(Bearing::Commands))
            .await
            .unwrap();
        let first = offered(&*key).await;
        let blob = key.sign(b"session and request").unwrap();
        let signature = ssh_key::Signature::decode(&mut blob.as_slice()).unwrap();
        let public = first.public_key().ed25519().unwrap().0;
        let verify = |data: &[u8]| {
            aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, public)
                .verify(data, signature.as_bytes())
        };
        assert!(verify(b"session and request").is_ok());
        assert!(verify(b"something else").is_err());

        place.now.fetch_add(200_000_000_000, Ordering::Relaxed);
        assert_eq!(offered(&*key).await.serial(), first.serial());
        place.now.fetch_add(80_000_000_000, Ordering::Relaxed);
        let second = offered(&*key).await;
        assert_ne!(second.serial(), first.serial());
        assert_eq!(second.public_key(), first.public_key());
    }

    async fn issued_by(signer: Signer) -> Result<Certificate, VaultError> {
        let clock: Clock = Arc::new(|| Timestamp(1_000_000_000_000_000_000));
        let authority = Authority::new(signer, Tripwires::new(), clock);
        let key = authority.issue(request(Bearing::Commands)).await?;
        Ok(offered(&*key).await)
    }

    #[tokio::test]
    async fn a_key_with_a_passphrase_opens_with_that_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let run = std::process::Command::new("ssh-keygen")
            .args([
                "-q",
                "-t",
                "ed25519",
                "-a",
                "4",
                "-N",
                "right passphrase",
                "-f",
            ])
            .arg(path("ca"))
            .status();
        assert!(run.unwrap().success());
        for (name, text) in [("right", "right passphrase"), ("wrong", "another")] {
            std::fs::write(path(name), text).unwrap();
        }
        let signer = |passphrase: Option<&str>| {
            Signer::Key(KeyFile {
                key: Source::of_file(&path("ca")),
                passphrase: passphrase.map(|name| Source::of_file(&path(name))),
            })
        };
        let certificate = issued_by(signer(Some("right"))).await.unwrap();
        let public = std::fs::read_to_string(path("ca.pub")).unwrap();
        let public = ssh_key::PublicKey::from_openssh(&public).unwrap();
        assert_eq!(certificate.signature_key(), public.key_data());
        let wrong = issued_by(signer(Some("wrong"))).await.unwrap_err();
        assert!(wrong.to_string().contains("does not fit"), "{wrong}");
        assert!(issued_by(signer(None)).await.is_err());
    }

    #[tokio::test]
    async fn an_agent_signs_without_showing_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let socket = path("agent");
        let mut agent = std::process::Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        for (name, kind) in [("ca", "ed25519"), ("rsa", "rsa")] {
            let make = std::process::Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-N", "", "-f"])
                .arg(path(name))
                .status();
            assert!(make.unwrap().success());
            let add = || {
                let mut add = std::process::Command::new("ssh-add");
                add.arg("-q").arg(path(name)).env("SSH_AUTH_SOCK", &socket);
                add.status().unwrap().success()
            };
            let deadline = std::time::Instant::now() + Duration::from_secs(10);
            while !add() {
                assert!(
                    std::time::Instant::now() < deadline,
                    "the agent takes no key"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let public = std::fs::read_to_string(path(name).with_extension("pub")).unwrap();
            std::fs::remove_file(path(name)).unwrap();
            let signer = Signer::Agent(Agent::new(socket.clone(), &public).unwrap());
            let certificate = issued_by(signer).await.unwrap();
            let public = ssh_key::PublicKey::from_openssh(&public).unwrap();
            let known = [public.fingerprint(ssh_key::HashAlg::Sha256)];
            assert!(
                certificate.validate_at(1_000_000_100, &known).is_ok(),
                "{name}"
            );
        }
        let stranger = fresh().unwrap().public_key().to_openssh().unwrap();
        let signer = Signer::Agent(Agent::new(socket.clone(), &stranger).unwrap());
        assert!(
            issued_by(signer).await.is_err(),
            "it does not have that key"
        );
        agent.kill().unwrap();
        agent.wait().unwrap();
        assert!(Agent::new(socket, "no key").is_err());
    }

    #[tokio::test]
    async fn without_a_login_nothing_is_issued() {
        let mut nobody = request(Bearing::Commands);
        nobody.principals.clear();
        assert!(place().authority.issue(nobody).await.is_err());
    }
}
