//! TLS on both sides. Names of modes are libpq's, and mean what libpq means. It refuses to fall back: a
//! certificate that cannot be read stops the gateway, it does not switch TLS off.

use crate::config::{Connection, Listener, Loaded, TlsMode, Wire};
use portcullis_gate::UpstreamTls;
use portcullis_vault::SideTls;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    ServerConfig, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// No PEM, or not readable.
    #[error("read {what} from {}: {reason}", path.display())]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// They do not fit each other, or are of no use.
    #[error("use the certificate of {of}: {reason}")]
    Fit {
        /// Of whom.
        of: String,
        /// Why not.
        reason: String,
    },
}

/// What a listener shows to its clients.
pub struct Shown {
    /// TLS.
    pub config: Arc<ServerConfig>,
    /// The listener's own certificate (DER).
    pub certificate: Vec<u8>,
}

/// TLS of a listener, if it has any.
///
/// # Errors
/// When certificate or key cannot be used.
pub fn listener_tls(listener: &Listener, loaded: &Loaded) -> Result<Option<Shown>, Unusable> {
    let Some(tls) = &listener.tls else {
        return Ok(None);
    };
    let (chain, key) = match (&tls.certificate, &tls.key) {
        (Some(chain), Some(key)) => (
            certificates(&loaded.path(chain))?,
            private_key(&loaded.path(key))?,
        ),
        _ => self_signed(listener)?,
    };
    let certificate = chain.first().map(|leaf| leaf.to_vec()).unwrap_or_default();
    let unfit = |error: Error| Unusable::Fit {
        of: listener.address.to_string(),
        reason: error.to_string(),
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?;
    let config = match certificates_taken(listener, loaded) {
        true => config.with_client_cert_verifier(Arc::new(Holder(provider))),
        false => config.with_no_client_auth(),
    };
    let config = config.with_single_cert(chain, key).map_err(unfit)?;
    Ok(Some(Shown {
        config: Arc::new(config),
        certificate,
    }))
}

/// True where people may come with a certificate.
fn certificates_taken(listener: &Listener, loaded: &Loaded) -> bool {
    let login = loaded.config.login.as_ref();
    let issued = login.is_some_and(|login| login.certificates.is_some());
    issued && matches!(listener.protocol, Wire::Postgres | Wire::Kubernetes)
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// For loopback: made at start, gone at the end.
fn self_signed(listener: &Listener) -> Result<Pair, Unusable> {
    let unfit = |error: rcgen::Error| Unusable::Fit {
        of: listener.address.to_string(),
        reason: error.to_string(),
    };
    let names = vec!["localhost".to_owned(), listener.address.ip().to_string()];
    let made = rcgen::generate_simple_self_signed(names).map_err(unfit)?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(|reason| {
        Unusable::Fit {
            of: listener.address.to_string(),
            reason: reason.to_owned(),
        }
    })?;
    Ok((vec![made.cert.der().clone()], key))
}

/// TLS to a target.
///
/// # Errors
/// When authorities, certificate or key cannot be used.
pub fn upstream_tls(written: &Connection, loaded: &Loaded) -> Result<UpstreamTls, Unusable> {
    if written.tls == TlsMode::Disable {
        return Ok(UpstreamTls::Disable);
    }
    let unfit = |reason: String| Unusable::Fit {
        of: written.name.clone(),
        reason,
    };
    let roots = Arc::new(roots(written.ca.as_deref(), loaded)?);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit(error.to_string()))?;
    let verifier = || {
        WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| unfit(error.to_string()))
    };
    let builder = match written.tls {
        TlsMode::VerifyFull | TlsMode::Disable => builder.with_webpki_verifier(verifier()?),
        TlsMode::VerifyCa => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyName(verifier()?))),
        TlsMode::Require => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider))),
    };
    let config = match (&written.client_certificate, &written.client_key) {
        (Some(chain), Some(key)) => builder
            .with_client_auth_cert(
                certificates(&loaded.path(chain))?,
                private_key(&loaded.path(key))?,
            )
            .map_err(|error| unfit(error.to_string()))?,
        _ => builder.with_no_client_auth(),
    };
    Ok(UpstreamTls::Require(Arc::new(config)))
}

/// The same for the gateway's own side connection.
pub(super) trait SideOf {
    fn side(&self) -> SideTls;
}

impl SideOf for UpstreamTls {
    fn side(&self) -> SideTls {
        match self {
            Self::Disable => SideTls::Disable,
            Self::Require(config) => {
                let config = Arc::clone(config).downcast::<ClientConfig>();
                SideTls::Require(config.expect("invariant: made by upstream_tls"))
            }
        }
    }
}

fn roots(ca: Option<&Path>, loaded: &Loaded) -> Result<RootCertStore, Unusable> {
    let mut store = RootCertStore::empty();
    let Some(ca) = ca else {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(store);
    };
    let path = loaded.path(ca);
    for certificate in certificates(&path)? {
        store.add(certificate).map_err(|error| Unusable::Pem {
            what: "authorities",
            path: path.clone(),
            reason: error.to_string(),
        })?;
    }
    Ok(store)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let failed = |reason: String| Unusable::Pem {
        what: "certificates",
        path: path.to_owned(),
        reason,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| failed(error.to_string()))?;
    match found.is_empty() {
        true => Err(failed("it holds none".to_owned())),
        false => Ok(found),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Unusable> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| Unusable::Pem {
        what: "a private key",
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// libpq's `verify-ca`: the chain counts, the name does not.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(leaf, chain, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            answer => answer,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Clients: whoever holds the key of whatever certificate, or comes without one. What a certificate is worth is for the
/// front desk to say, which knows those that were issued here; a client that shows another one, because it has one, is
/// asked for its token as ever.
#[derive(Debug)]
struct Holder(Arc<CryptoProvider>);

impl ClientCertVerifier for Holder {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// libpq's `require`: whoever holds the key of whatever certificate. `check` warns about it.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
