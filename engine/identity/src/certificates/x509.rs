//! The certificate for TLS clients. It refuses to be one for servers, or an authority.

use super::Lines;
use crate::session::SessionKey;
use aws_lc_rs::digest::{SHA256, digest};
use portcullis_gate::PEOPLE;
use portcullis_model::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
    SigningKey, date_time_ymd,
};
use std::time::Duration;

/// RFC 5280 appendix A.1, `ub-common-name`.
const COMMON_NAME_MAX: usize = 64;

/// Its name, by which listeners know the certificates that claim to be ours.
pub(super) struct Authority {
    params: CertificateParams,
}

impl Authority {
    pub(super) fn new(key: &SessionKey) -> Option<Self> {
        let mut params = CertificateParams::new(Vec::new()).ok()?;
        params.distinguished_name = named(&format!("{PEOPLE} {}", short(key.public())));
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.self_signed(&Signer(key)).ok()?;
        Some(Self { params })
    }

    /// In PEM and in DER.
    pub(super) fn certify(&self, key: &SessionKey, lines: &Lines<'_>) -> Option<(String, Vec<u8>)> {
        let mut params = CertificateParams::new(Vec::new()).ok()?;
        params.distinguished_name = named(&lines.identity.name);
        let login = format!("urn:portcullis:login:{}", lines.login());
        params.subject_alt_names = vec![SanType::URI(login.try_into().ok()?)];
        params.serial_number = Some(SerialNumber::from(lines.serial));
        let moment = |at: Timestamp| Duration::from_secs(u64::try_from(at.seconds()).unwrap_or(0));
        params.not_before = date_time_ymd(1970, 1, 1) + moment(lines.since);
        params.not_after = date_time_ymd(1970, 1, 1) + moment(lines.until);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let issuer = Issuer::new(self.params.clone(), Signer(key));
        let made = params.signed_by(&Subject(lines.key), &issuer).ok()?;
        Some((made.pem(), made.der().to_vec()))
    }
}

/// Enough to tell two authorities apart.
fn short(key: &[u8]) -> String {
    let print = digest(&SHA256, key);
    print
        .as_ref()
        .iter()
        .take(4)
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn named(name: &str) -> DistinguishedName {
    let plain: String = name
        .chars()
        .filter(|c| !c.is_control())
        .take(COMMON_NAME_MAX)
        .collect();
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, plain);
    named
}

struct Signer<'k>(&'k SessionKey);

impl PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign(message))
    }
}

struct Subject<'k>(&'k [u8; 32]);

impl PublicKeyData for Subject<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}
