//! The gateway's own authority for SSH users (PROTOCOL.certkeys): every session gets a fresh key and a certificate for
//! it, good for minutes, for one login, from the gateway's address alone.
//!
//! It refuses to permit more in a certificate than the session may do, and to keep the fresh key anywhere.

use super::{Loaded, blob, read_key};
use crate::error::VaultError;
use crate::secret::SecretRef;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parking_lot::Mutex;
use portcullis_gate::{BoxFuture, Clock, SshKey, SshOffer};
use portcullis_model::Fault;
use portcullis_stream::Tripwires;
use ssh_key::certificate::{Builder, CertType};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{Certificate, PrivateKey, Signature, SigningKey};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Clocks of hosts may be behind by this much.
const BACKDATED: Duration = Duration::from_secs(60);
/// A certificate that is nearly over is not used for another connection.
const RENEWED_BEFORE: Duration = Duration::from_secs(30);

/// The authority, by reference to its key.
pub struct Authority {
    key: SecretRef,
    tripwires: Tripwires,
    clock: Clock,
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
}

/// What a session may do besides running commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// Nothing.
    Commands,
    /// A terminal, and forwards from the host.
    Interactive,
}

impl Authority {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(key: SecretRef, tripwires: Tripwires, clock: Clock) -> Self {
        Self {
            key,
            tripwires,
            clock,
        }
    }

    /// The public key that hosts have to trust, in the form of a `.pub` file.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn public(&self) -> Result<String, VaultError> {
        let loaded = read_key(&self.key, &self.tripwires)?;
        let public = loaded.key.public_key().to_openssh();
        public.map_err(|_| VaultError::SshKey(self.key.to_string()))
    }

    /// A credential for one session, with its first certificate.
    ///
    /// # Errors
    /// When the authority's key cannot be read, or nothing can be signed.
    pub fn issue(&self, request: CertificateRequest) -> Result<Arc<dyn SshKey>, VaultError> {
        let authority = read_key(&self.key, &self.tripwires)?;
        let key = fresh()?;
        let issued = issued(&authority.key, &key, &request, (self.clock)().0)?;
        Ok(Arc::new(Issued {
            authority,
            key,
            request,
            clock: Arc::clone(&self.clock),
            current: Mutex::new(issued),
        }))
    }
}

/// The credential of one session.
struct Issued {
    authority: Loaded,
    key: PrivateKey,
    request: CertificateRequest,
    clock: Clock,
    current: Mutex<Current>,
}

struct Current {
    certificate: String,
    until: u64,
}

impl Issued {
    fn certificate(&self) -> Result<String, VaultError> {
        let now = (self.clock)().0;
        let mut current = self.current.lock();
        if seconds(now) + RENEWED_BEFORE.as_secs() >= current.until {
            *current = issued(&self.authority.key, &self.key, &self.request, now)?;
        }
        Ok(current.certificate.clone())
    }
}

impl SshKey for Issued {
    fn offer<'a>(&'a self) -> BoxFuture<'a, Result<SshOffer, Fault>> {
        Box::pin(async { Ok(SshOffer::Certificate(self.certificate()?)) })
    }

    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(sign(&self.key, data)?)
    }
}

pub(super) fn sign(key: &PrivateKey, data: &[u8]) -> Result<Vec<u8>, VaultError> {
    blob(&signed(key, data)?)
}

pub(super) fn fresh() -> Result<PrivateKey, VaultError> {
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

fn issued(
    authority: &PrivateKey,
    key: &PrivateKey,
    request: &CertificateRequest,
    now: i64,
) -> Result<Current, VaultError> {
    let until = seconds(now) + request.valid_for.as_secs();
    let certificate = build(authority, key, request, seconds(now), until)
        .map_err(|_| VaultError::Sign)
        .and_then(|c| c.to_openssh().map_err(|_| VaultError::Sign))?;
    Ok(Current { certificate, until })
}

fn build(
    authority: &PrivateKey,
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
    if request.bearing == Bearing::Interactive {
        builder.extension("permit-port-forwarding", "")?;
        builder.extension("permit-pty", "")?;
    }
    Ok(builder.sign(authority)?)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let authority = Authority::new(SecretRef::File(path), Tripwires::new(), clock);
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
        let key = place.authority.issue(request(Bearing::Commands)).unwrap();
        let certificate = offered(&*key).await;
        let authority = place.authority.public().unwrap();
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

        let wide = place.authority.issue(request(Bearing::Interactive));
        let wide = offered(&*wide.unwrap()).await;
        let permits: Vec<_> = wide.extensions().keys().map(String::as_str).collect();
        assert_eq!(permits, ["permit-port-forwarding", "permit-pty"]);
    }

    #[tokio::test]
    async fn what_it_signs_verifies_and_it_is_renewed_before_it_is_over() {
        use ssh_key::encoding::Decode as _;
        let place = place();
        let key = place.authority.issue(request(Bearing::Commands)).unwrap();
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

    #[test]
    fn without_a_login_nothing_is_issued() {
        let mut nobody = request(Bearing::Commands);
        nobody.principals.clear();
        assert!(place().authority.issue(nobody).is_err());
    }
}
