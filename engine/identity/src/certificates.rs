//! Certificates of people who have logged in: one for TLS clients (RFC 5280) and one for SSH (OpenSSH's
//! PROTOCOL.certkeys), both for a key that never leaves the client, both good for a while and for one login.
//!
//! A certificate is a name for an entry here and nothing more: whoever shows one (and has proved that the key is
//! theirs, which TLS and SSH see to) is who this gateway has issued these very bytes for. It refuses every other
//! certificate, whoever has signed it and whatever it says: of another authority, of a host, altered, of before a
//! restart, expired, or shown from another address than it was issued to, where that is asked for. Revoking the login
//! revokes it, as every token of that login.

mod ssh;
#[cfg(test)]
mod tests;
mod x509;

use crate::session::{KeyError, SessionKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use parking_lot::Mutex;
use portcullis_gate::Clock;
use portcullis_model::{Denial, Identity, Timestamp, limits};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use x509::Authority;

/// What is signed to prove that a key is one's own, in front of the digest of the token that it is certified for.
pub const POSSESSION: &[u8] = b"portcullis certificate of a person v1\0";

/// How certificates are issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateSettings {
    /// How long they are good for, at most.
    pub ttl: Duration,
    /// They are good from the address alone that has asked for them.
    pub same_address: bool,
}

/// What somebody gets for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// For TLS, in PEM.
    pub x509: String,
    /// For SSH, as the line of a `-cert.pub` file.
    pub ssh: String,
    /// Until when both are good.
    pub until: Timestamp,
    /// The serial number of both, for the record.
    pub serial: String,
}

/// A request for certificates.
pub struct Wanted<'a> {
    /// The session token, as it came.
    pub token: &'a str,
    /// Whom it stands for.
    pub identity: &'a Identity,
    /// An Ed25519 public key (RFC 8032).
    pub key: &'a [u8],
    /// [`POSSESSION`] and the token's SHA-256, signed with it.
    pub signature: &'a [u8],
    /// Who asks.
    pub from: IpAddr,
}

/// The authority, and what it has issued.
pub struct Certificates {
    key: SessionKey,
    authority: Authority,
    issued: Mutex<Issued>,
    clock: Clock,
}

#[derive(Default)]
struct Issued {
    entries: HashMap<[u8; 32], Entry>,
    /// Pairs so far.
    pairs: u64,
}

struct Entry {
    /// Which pair it belongs to, in the order of issue.
    pair: u64,
    identity: Arc<Identity>,
    until: Timestamp,
    from: Option<IpAddr>,
    key: [u8; 32],
}

impl Certificates {
    /// An authority with this key. What it issued before is not good any more.
    ///
    /// # Errors
    /// When the key signs nothing.
    pub fn new(key: SessionKey, clock: Clock) -> Result<Self, KeyError> {
        let authority = Authority::new(&key).ok_or(KeyError::Unusable)?;
        Ok(Self {
            key,
            authority,
            issued: Mutex::default(),
            clock,
        })
    }

    /// Issues both certificates for a key.
    ///
    /// # Errors
    /// A denial for whoever asked: the key is not theirs, or the token has ended.
    pub fn issue(
        &self,
        wanted: &Wanted<'_>,
        settings: CertificateSettings,
    ) -> Result<Certified, Denial> {
        let now = (self.clock)();
        let mut message = POSSESSION.to_vec();
        message.extend_from_slice(digest(&SHA256, wanted.token.as_bytes()).as_ref());
        let key: [u8; 32] = wanted.key.try_into().map_err(|_| not_theirs())?;
        UnparsedPublicKey::new(&ED25519, &key)
            .verify(&message, wanted.signature)
            .map_err(|_| not_theirs())?;
        let until = now.after(settings.ttl).min(wanted.identity.expires);
        if until <= now {
            return Err(ended());
        }
        let from = settings.same_address.then_some(wanted.from.to_canonical());
        let serial = serial()?;
        let lines = Lines {
            identity: wanted.identity,
            key: &key,
            serial,
            since: Timestamp(now.0.saturating_sub(SKEW_NANOS)),
            until,
            from,
        };
        let (x509, der) = self
            .authority
            .certify(&self.key, &lines)
            .ok_or_else(broken)?;
        let blob = ssh::certify(&self.key, &lines)?;
        let identity = Arc::new(Identity {
            expires: until,
            ..wanted.identity.clone()
        });
        let prints = [der.as_slice(), &blob].map(print);
        self.keep(prints, &identity, (from, key), now)?;
        Ok(Certified {
            x509,
            ssh: ssh::line(&blob, &wanted.identity.name),
            until,
            serial: format!("{serial:016x}"),
        })
    }

    fn keep(
        &self,
        prints: [[u8; 32]; 2],
        identity: &Arc<Identity>,
        (from, key): (Option<IpAddr>, [u8; 32]),
        now: Timestamp,
    ) -> Result<(), Denial> {
        let mut issued = self.issued.lock();
        if issued.entries.len() + prints.len() > limits::CERTIFICATES_MAX {
            issued.entries.retain(|_, entry| entry.until > now);
        }
        let same = |other: &Identity| {
            (&other.principal, &other.actors) == (&identity.principal, &identity.actors)
        };
        let theirs = issued.entries.iter();
        let mut theirs: Vec<_> = theirs
            .filter(|(_, entry)| same(&entry.identity))
            .map(|(print, entry)| (entry.pair, *print))
            .collect();
        // The oldest of one's own go: nobody locks herself out, nor anybody who acts for her.
        theirs.sort_unstable();
        let over =
            (theirs.len() + prints.len()).saturating_sub(limits::CERTIFICATES_PER_IDENTITY_MAX);
        for (_, print) in theirs.iter().take(over) {
            issued.entries.remove(print);
        }
        if issued.entries.len() + prints.len() > limits::CERTIFICATES_MAX {
            return Err(full());
        }
        issued.pairs += 1;
        let pair = issued.pairs;
        let entries = prints.map(|print| {
            let entry = Entry {
                pair,
                identity: Arc::clone(identity),
                until: identity.expires,
                from,
                key,
            };
            (print, entry)
        });
        issued.entries.extend(entries);
        Ok(())
    }

    /// Whom a certificate stands for, whose key its bearer has proved to hold: an X.509 certificate in DER, or an SSH
    /// certificate in its wire form.
    ///
    /// # Errors
    /// When it is not one of this gateway's, has ended, or is shown from elsewhere.
    pub fn verify(&self, certificate: &[u8], from: IpAddr) -> Result<Arc<Identity>, Denial> {
        let now = (self.clock)();
        let issued = self.issued.lock();
        let entry = issued
            .entries
            .get(&print(certificate))
            .ok_or_else(unknown)?;
        if entry.until <= now {
            return Err(ended());
        }
        match entry.from {
            Some(only) if only != from.to_canonical() => Err(elsewhere()),
            _ => Ok(Arc::clone(&entry.identity)),
        }
    }
}

impl Certificates {
    /// True when a certificate for this Ed25519 key is in force.
    #[must_use]
    pub fn knows(&self, key: &[u8]) -> bool {
        let now = (self.clock)();
        let issued = self.issued.lock();
        issued
            .entries
            .values()
            .any(|entry| entry.key == key && entry.until > now)
    }
}

/// Clocks of clients differ.
const SKEW_NANOS: i64 = 60 * 1_000_000_000;

/// What both certificates say.
struct Lines<'a> {
    identity: &'a Identity,
    key: &'a [u8; 32],
    serial: u64,
    since: Timestamp,
    until: Timestamp,
    from: Option<IpAddr>,
}

impl Lines<'_> {
    /// The login that the certificates belong to.
    fn login(&self) -> &str {
        self.identity.token_id.as_deref().unwrap_or_default()
    }
}

fn print(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

fn random<const N: usize>() -> Result<[u8; N], Denial> {
    use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
    let mut bytes = [0; N];
    let drawn = SystemRandom::new().fill(&mut bytes);
    drawn.map(|()| bytes).map_err(|_| broken())
}

/// Never zero, and positive in DER.
fn serial() -> Result<u64, Denial> {
    Ok(u64::from_be_bytes(random()?) >> 1 | 1)
}

fn not_theirs() -> Denial {
    Denial::new(
        "identity/certificate-key",
        "the key is no Ed25519 key whose other half is at hand",
    )
    .hint("Use `portcullis login` of the gateway's version.")
}

fn unknown() -> Denial {
    Denial::new(
        "identity/certificate",
        "the certificate is none of this gateway's, or of before its restart",
    )
    .hint("Get a new one: portcullis token renew --now")
}

fn ended() -> Denial {
    Denial::new("identity/expired", "the certificate's time is over")
        .hint("Get a new one: portcullis token renew")
}

fn elsewhere() -> Denial {
    Denial::new(
        "identity/certificate-address",
        "the certificate was issued to another address",
    )
    .hint("Get one where you are: portcullis login")
}

fn full() -> Denial {
    Denial::new("login/full", "too many certificates are in force").hint("Tell the operator.")
}

fn broken() -> Denial {
    Denial::new(
        "fault/gateway",
        "the gateway cannot issue certificates right now",
    )
    .hint("Try again in a minute, or use your token as the password.")
}
