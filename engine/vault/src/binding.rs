//! `tls-server-end-point` channel binding (RFC 5929 section 4): the hash of the server's certificate with
//! the hash of its signature algorithm.
//!
//! It refuses to guess: an algorithm without a hash of its own (Ed25519, RSASSA-PSS) has no binding, as in
//! PostgreSQL itself.

use aws_lc_rs::digest;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];

/// The binding data for a server's certificate (DER), or none where there is no binding.
#[must_use]
pub fn tls_server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = hash(signature_algorithm(certificate)?)?;
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}

/// The OID in `Certificate.signatureAlgorithm` (RFC 5280 section 4.1), as DER content.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (body, _) = element(certificate, 0x30)?;
    let (_, after_tbs) = element(body, 0x30)?;
    let (algorithm, _) = element(after_tbs, 0x30)?;
    Some(element(algorithm, 0x06)?.0)
}

/// The content of a DER element with this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = digits.iter().fold(0, |n, d| n << 8 | usize::from(*d));
            (length, rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

fn hash(oid: &[u8]) -> Option<&'static digest::Algorithm> {
    let (last, family) = oid.split_last()?;
    match (family, last) {
        // MD5 and SHA-1 are replaced by SHA-256.
        (RSA, 4 | 5 | 11) | (ECDSA_SHA2, 2) => Some(&digest::SHA256),
        (RSA, 12) | (ECDSA_SHA2, 3) => Some(&digest::SHA384),
        (RSA, 13) | (ECDSA_SHA2, 4) => Some(&digest::SHA512),
        _ if oid == ECDSA_SHA1 => Some(&digest::SHA256),
        _ => None,
    }
}
