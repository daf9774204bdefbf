//! Whether an SSH server is the right one: pinned keys, `known_hosts` with hashed names, revocations and authorities,
//! and, only where it is configured, what a server shows the first time.
//!
//! It refuses a key that nobody has named, one that is revoked, a certificate for another host or by another authority,
//! and a server whose key has changed, however it was learnt.

use super::lines;
use parking_lot::Mutex;
use portcullis_gate::HostKeys;
use portcullis_model::{Blame, Fault, Timestamp};
use ssh_key::certificate::CertType;
use ssh_key::known_hosts::{Entry, Marker};
use ssh_key::{Certificate, HashAlg, PublicKey};
use std::io::Write as _;
use std::path::PathBuf;

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const VERIFYING: &str = "verify the key of an SSH server";

/// Where trust comes from.
#[derive(Clone, Debug)]
pub enum Trust {
    /// These keys alone, each in the form of a `.pub` file.
    Pinned(Vec<String>),
    /// A `known_hosts` file.
    File(PathBuf),
    /// The same; a server that is not in it is written down the first time it is seen.
    AcceptNew(PathBuf),
}

/// Why a server is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KnownHostsError {
    /// The file cannot be read, or a line of it.
    #[error("read the known hosts")]
    Unreadable,
    /// What the server shows is no key or certificate that can be read.
    #[error("read the server's key")]
    Key,
    /// Nobody has named the server.
    #[error("know the server: no key of it is named; add it to the known hosts")]
    Unknown,
    /// It shows another key than the one that is named.
    #[error("recognise the server: its key is another than the one that is named")]
    Changed,
    /// Its key is revoked.
    #[error("trust the server: its key is revoked")]
    Revoked,
    /// Its certificate is not good for it.
    #[error("trust the server: its certificate is not good for it")]
    Certificate,
    /// It could not be written down.
    #[error("write down a new server")]
    Write,
}

/// The servers that are known for one target.
pub struct KnownHosts {
    trust: Trust,
    /// One file is written by one session at a time.
    writing: Mutex<()>,
}

impl KnownHosts {
    /// Reads nothing yet: a file is read again for every connection.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            writing: Mutex::new(()),
        }
    }

    /// Whether everything in it can be read: for `check`.
    ///
    /// # Errors
    /// [`KnownHostsError`].
    pub fn check(&self) -> Result<(), KnownHostsError> {
        match &self.trust {
            Trust::Pinned(keys) => keys
                .iter()
                .try_for_each(|k| PublicKey::from_openssh(k).map(drop))
                .map_err(|_| KnownHostsError::Key),
            Trust::File(_) | Trust::AcceptNew(_) => self.entries().map(drop),
        }
    }

    fn entries(&self) -> Result<Vec<Entry>, KnownHostsError> {
        let (path, fresh) = match &self.trust {
            Trust::Pinned(_) => return Ok(Vec::new()),
            Trust::File(path) => (path, false),
            Trust::AcceptNew(path) => (path, true),
        };
        let size = match std::fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(error) if fresh && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Vec::new());
            }
            Err(_) => return Err(KnownHostsError::Unreadable),
        };
        if size > FILE_BYTES_MAX {
            return Err(KnownHostsError::Unreadable);
        }
        let text = std::fs::read_to_string(path).map_err(|_| KnownHostsError::Unreadable)?;
        lines::entries(&text).map_err(|_| KnownHostsError::Unreadable)
    }

    fn judge(
        &self,
        host: &str,
        port: u16,
        shown: &str,
        now: Timestamp,
    ) -> Result<(), KnownHostsError> {
        let name = lines::name(host, port);
        let shown = match Certificate::from_openssh(shown) {
            Ok(certificate) => {
                let entries = self.entries()?;
                if signer_is_named(&entries, &name, &certificate) {
                    return certified(&entries, &name, host, &certificate, now);
                }
                // As ssh(1) does it: a certificate of somebody whom nobody has named is worth as much as the key in it.
                PublicKey::new(certificate.public_key().clone(), "")
            }
            Err(_) => PublicKey::from_openssh(shown).map_err(|_| KnownHostsError::Key)?,
        };
        if let Trust::Pinned(keys) = &self.trust {
            let same = |k: &String| {
                PublicKey::from_openssh(k).is_ok_and(|k| k.key_data() == shown.key_data())
            };
            return match keys.iter().any(same) {
                true => Ok(()),
                false => Err(KnownHostsError::Changed),
            };
        }
        let _writing = self.writing.lock();
        match known(&self.entries()?, &name, &shown) {
            Err(KnownHostsError::Unknown) => self.learn(&name, &shown),
            answer => answer,
        }
    }

    fn learn(&self, name: &str, shown: &PublicKey) -> Result<(), KnownHostsError> {
        let Trust::AcceptNew(path) = &self.trust else {
            return Err(KnownHostsError::Unknown);
        };
        let key = PublicKey::new(shown.key_data().clone(), "");
        let key = key.to_openssh().map_err(|_| KnownHostsError::Key)?;
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|_| KnownHostsError::Write)?;
        let line = format!("{name} {}\n", key.trim());
        let written = file
            .write_all(line.as_bytes())
            .and_then(|()| file.sync_all());
        tracing::warn!(
            server = name,
            "a new SSH server was written down and is trusted from now on"
        );
        written.map_err(|_| KnownHostsError::Write)
    }
}

fn known(entries: &[Entry], name: &str, shown: &PublicKey) -> Result<(), KnownHostsError> {
    let about = || entries.iter().filter(|e| lines::about(e, name));
    let same = |e: &&Entry| e.public_key().key_data() == shown.key_data();
    if about().any(|e| e.marker() == Some(&Marker::Revoked) && same(&e)) {
        return Err(KnownHostsError::Revoked);
    }
    let plain: Vec<_> = about().filter(|e| e.marker().is_none()).collect();
    match plain.iter().any(same) {
        true => Ok(()),
        false if plain.is_empty() => Err(KnownHostsError::Unknown),
        false => Err(KnownHostsError::Changed),
    }
}

/// Whether something is said of a certificate's signer: that it vouches for this host, or that it is revoked.
fn signer_is_named(entries: &[Entry], name: &str, certificate: &Certificate) -> bool {
    entries.iter().any(|e| {
        e.marker().is_some()
            && lines::about(e, name)
            && e.public_key().key_data() == certificate.signature_key()
    })
}

/// A host certificate (PROTOCOL.certkeys): by a named authority, of the right type, for this host, now, and with
/// nothing critical that we do not know.
fn certified(
    entries: &[Entry],
    name: &str,
    host: &str,
    certificate: &Certificate,
    now: Timestamp,
) -> Result<(), KnownHostsError> {
    let about = || entries.iter().filter(|e| lines::about(e, name));
    let revoked = |e: &Entry| {
        e.marker() == Some(&Marker::Revoked)
            && [certificate.public_key(), certificate.signature_key()]
                .contains(&e.public_key().key_data())
    };
    if about().any(revoked) {
        return Err(KnownHostsError::Revoked);
    }
    let authorities: Vec<_> = about()
        .filter(|e| e.marker() == Some(&Marker::CertAuthority))
        .map(|e| e.public_key().fingerprint(HashAlg::Sha256))
        .collect();
    let seconds = u64::try_from(now.0 / 1_000_000_000).unwrap_or(0);
    let principals = certificate.valid_principals();
    let sound = certificate.cert_type() == CertType::Host
        && certificate.critical_options().is_empty()
        && principals.iter().any(|p| p.eq_ignore_ascii_case(host))
        && certificate.validate_at(seconds, &authorities).is_ok();
    match sound {
        true => Ok(()),
        false => Err(KnownHostsError::Certificate),
    }
}

impl HostKeys for KnownHosts {
    fn algorithms(&self, host: &str, port: u16) -> Vec<String> {
        let name = lines::name(host, port);
        let keys: Vec<PublicKey> = match &self.trust {
            Trust::Pinned(keys) => keys
                .iter()
                .filter_map(|k| PublicKey::from_openssh(k).ok())
                .collect(),
            Trust::File(_) | Trust::AcceptNew(_) => self
                .entries()
                .unwrap_or_default()
                .iter()
                .filter(|e| e.marker().is_none() && lines::about(e, &name))
                .map(|e| e.public_key().clone())
                .collect(),
        };
        keys.iter()
            .map(|k| k.algorithm().as_str().to_owned())
            .collect()
    }

    fn verify(&self, host: &str, port: u16, key: &str, now: Timestamp) -> Result<(), Fault> {
        self.judge(host, port, key, now)
            .map_err(|error| Fault::new(Blame::Upstream, VERIFYING, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ssh_key::PrivateKey;
    use ssh_key::certificate::Builder;
    use ssh_key::private::Ed25519Keypair;

    const NOW: Timestamp = Timestamp(1_000_000_000_000_000_000);

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
    }

    fn public(seed: u8) -> String {
        key(seed).public_key().to_openssh().unwrap()
    }

    struct File(tempfile::TempDir);

    impl File {
        fn with(text: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("known"), text).unwrap();
            Self(folder)
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("known")
        }

        fn judge(&self, host: &str, shown: &str) -> Result<(), KnownHostsError> {
            KnownHosts::new(Trust::File(self.path())).judge(host, 22, shown, NOW)
        }
    }

    #[test]
    fn only_the_named_key_is_the_server() {
        let file = File::with(&format!("web-1 {}\n", public(1)));
        assert_eq!(file.judge("web-1", &public(1)), Ok(()));
        assert_eq!(
            file.judge("web-1", &public(2)),
            Err(KnownHostsError::Changed)
        );
        assert_eq!(
            file.judge("web-2", &public(1)),
            Err(KnownHostsError::Unknown)
        );
        assert_eq!(file.judge("web-1", "nonsense"), Err(KnownHostsError::Key));
    }

    #[test]
    fn a_revoked_key_is_never_trusted() {
        let text = format!("web-1 {0}\n@revoked * {0}\n", public(1));
        let file = File::with(&text);
        assert_eq!(
            file.judge("web-1", &public(1)),
            Err(KnownHostsError::Revoked)
        );
    }

    #[test]
    fn a_file_with_a_line_that_cannot_be_read_trusts_nobody() {
        let file = File::with(&format!("web-1 {}\n@revoekd web-1 x\n", public(1)));
        assert_eq!(
            file.judge("web-1", &public(1)),
            Err(KnownHostsError::Unreadable)
        );
        let missing = KnownHosts::new(Trust::File("/nowhere/known".into()));
        let answer = missing.judge("web-1", 22, &public(1), NOW);
        assert_eq!(answer, Err(KnownHostsError::Unreadable));
    }

    #[test]
    fn a_new_server_is_written_down_once_and_never_changed() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = KnownHosts::new(Trust::AcceptNew(folder.path().join("known")));
        assert_eq!(hosts.judge("web-1", 22, &public(1), NOW), Ok(()));
        assert_eq!(hosts.judge("web-1", 22, &public(1), NOW), Ok(()));
        let changed = hosts.judge("web-1", 22, &public(2), NOW);
        assert_eq!(changed, Err(KnownHostsError::Changed));
        let text = std::fs::read_to_string(folder.path().join("known")).unwrap();
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_certificate_whose_signer_nobody_has_named_is_worth_its_key() {
        let shown = certificate(CertType::Host, "web-1", 2_000_000_000, false);
        let line = |seed| File::with(&format!("web-1 {}\n", public(seed)));
        assert_eq!(line(1).judge("web-1", &shown), Ok(()));
        let changed = Err(KnownHostsError::Changed);
        assert_eq!(line(2).judge("web-1", &shown), changed);
        let key_revoked = File::with(&format!("web-1 {0}\n@revoked * {0}\n", public(1)));
        let signer_revoked =
            File::with(&format!("web-1 {}\n@revoked * {}\n", public(1), public(9)));
        for revoked in [key_revoked, signer_revoked] {
            let answer = revoked.judge("web-1", &shown);
            assert_eq!(answer, Err(KnownHostsError::Revoked));
        }
        let folder = tempfile::tempdir().unwrap();
        let hosts = KnownHosts::new(Trust::AcceptNew(folder.path().join("known")));
        assert_eq!(hosts.judge("web-1", 22, &shown, NOW), Ok(()));
        assert_eq!(hosts.judge("web-1", 22, &public(1), NOW), Ok(()));
        let pinned = KnownHosts::new(Trust::Pinned(vec![public(1)]));
        assert_eq!(pinned.judge("web-1", 22, &shown, NOW), Ok(()));
    }

    #[test]
    fn pinned_keys_are_all_there_is() {
        let hosts = KnownHosts::new(Trust::Pinned(vec![public(1)]));
        assert_eq!(hosts.judge("any", 22, &public(1), NOW), Ok(()));
        let other = hosts.judge("any", 22, &public(2), NOW);
        assert_eq!(other, Err(KnownHostsError::Changed));
    }

    fn certificate(kind: CertType, principal: &str, until: u64, critical: bool) -> String {
        let subject = key(1).public_key().key_data().clone();
        let mut builder = Builder::new([7; 16], subject, 0, until).unwrap();
        builder.cert_type(kind).unwrap();
        builder.key_id("host").unwrap();
        builder.valid_principal(principal).unwrap();
        if critical {
            builder.critical_option("verify-required", "").unwrap();
        }
        builder.sign(&key(9)).unwrap().to_openssh().unwrap()
    }

    #[test]
    fn a_host_certificate_is_checked_in_every_part() {
        let file = File::with(&format!("@cert-authority web-* {}\n", public(9)));
        let good = certificate(CertType::Host, "web-1", 2_000_000_000, false);
        assert_eq!(file.judge("web-1", &good), Ok(()));
        let bad = Err(KnownHostsError::Certificate);
        let unknown = Err(KnownHostsError::Unknown);
        assert_eq!(file.judge("db-1", &good), unknown, "nobody vouches for it");
        assert_eq!(file.judge("web-2", &good), bad, "another host");
        for wrong in [
            certificate(CertType::User, "web-1", 2_000_000_000, false),
            certificate(CertType::Host, "web-1", 999_999_999, false),
            certificate(CertType::Host, "web-1", 2_000_000_000, true),
        ] {
            assert_eq!(file.judge("web-1", &wrong), bad);
        }
        let revoked = File::with(&format!(
            "@cert-authority web-* {0}\n@revoked * {0}\n",
            public(9)
        ));
        assert_eq!(revoked.judge("web-1", &good), Err(KnownHostsError::Revoked));
    }
}
