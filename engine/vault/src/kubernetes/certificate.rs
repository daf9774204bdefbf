//! A client certificate by reference: who the gateway is in a cluster, where a token does not say so. It is read anew for
//! every connection, so that a renewed one is the one that is shown; its key is matched in all output as long as a
//! session has it.
//!
//! It refuses a certificate and a key that do not belong together: the cluster would, too, and say less about it.

use crate::error::VaultError;
use crate::secrets::{Held, Source};
use parking_lot::Mutex;
use portcullis_stream::{Armed, Tripwires};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::sync::Arc;
use zeroize::Zeroize as _;

/// A session dials a cluster again and again.
const RESUMED_MAX: usize = 8;

/// Where certificate and key stand.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate and what leads from it to its authority, in PEM; no secret.
    pub certificate: Source,
    /// Its private key, in PEM.
    pub key: Source,
    /// TLS as it is without it.
    pub tls: Arc<ClientConfig>,
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientCertificate({})", self.certificate)
    }
}

impl ClientCertificate {
    /// For `check`: whether there is one that can be shown.
    ///
    /// # Errors
    /// When certificate or key cannot be read, or do not belong together.
    pub async fn look(&self) -> Result<(), VaultError> {
        self.read(&Tripwires::new()).await.map(drop)
    }

    async fn read(&self, tripwires: &Tripwires) -> Result<Shown, VaultError> {
        let first = self.read_once(tripwires).await;
        // Files that are replaced one after the other: the second look finds both.
        match first {
            Err(VaultError::ClientCertificate(_)) => self.read_once(tripwires).await,
            first => first,
        }
    }

    async fn read_once(&self, tripwires: &Tripwires) -> Result<Shown, VaultError> {
        let (certificate, key) = (self.certificate.public().await?, self.key.read().await?);
        let armed = armed(key.expose(), tripwires);
        let config = self.config(certificate.expose(), key.expose());
        Ok(Shown {
            config: config.ok_or_else(|| self.unfit())?,
            certificate,
            key,
            _armed: armed,
        })
    }

    fn config(&self, certificate: &[u8], key: &[u8]) -> Option<Arc<ClientConfig>> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty())?;
        let mut key = PrivateKeyDer::from_pem_slice(key).ok()?;
        let signing = any_supported_type(&key);
        key.zeroize();
        let certified = CertifiedKey::new(chain, signing.ok()?);
        certified.keys_match().ok()?;
        let mut config = (*self.tls).clone();
        // A resumed connection shows no certificate: it would be the one that was shown first, under this name.
        config.resumption = Resumption::in_memory_sessions(RESUMED_MAX);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
        Some(Arc::new(config))
    }

    fn unfit(&self) -> VaultError {
        VaultError::ClientCertificate(self.certificate.to_string())
    }
}

/// What was read last, and the TLS that shows it.
struct Shown {
    certificate: Held,
    key: Held,
    config: Arc<ClientConfig>,
    _armed: Vec<Armed>,
}

/// The certificate of one session.
pub(super) struct Showing {
    written: ClientCertificate,
    tripwires: Tripwires,
    current: Mutex<Option<Shown>>,
}

impl Showing {
    pub(super) fn of(written: ClientCertificate, tripwires: Tripwires) -> Self {
        Self {
            written,
            tripwires,
            current: Mutex::new(None),
        }
    }

    /// TLS that shows it as it is now.
    pub(super) async fn tls(&self) -> Result<Arc<ClientConfig>, VaultError> {
        let read = self.written.read(&self.tripwires).await?;
        let mut current = self.current.lock();
        let same = |known: &Shown| {
            known.certificate.expose() == read.certificate.expose()
                && known.key.expose() == read.key.expose()
        };
        match current.as_ref().filter(|known| same(known)) {
            Some(known) => Ok(Arc::clone(&known.config)),
            None => {
                let config = Arc::clone(&read.config);
                *current = Some(read);
                Ok(config)
            }
        }
    }
}

/// The lines of the key's file: in a terminal, and in JSON, the breaks between them are others.
fn armed(pem: &[u8], tripwires: &Tripwires) -> Vec<Armed> {
    const LINE_BYTES_MIN: usize = 20;
    pem.split(|b| *b == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| line.len() >= LINE_BYTES_MIN && !line.starts_with(b"-----"))
        .filter_map(|line| tripwires.arm(line).ok())
        .collect()
}
