//! A key of this machine and the certificates that the gateway gives for it: files beside the login, for the user
//! alone, that psql, ssh and kubectl read by themselves. The key is made with the login, never leaves the machine, and
//! ends with it.
//!
//! It refuses to be in the way: a gateway that certifies nobody is one whose token is the password.

use crate::cli::Exit;
use crate::cli::cache::{Cache, Login, write_private};
use crate::cli::portal::Sent;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::{Method, StatusCode};
use portcullis_console::{Certified, KeyWish, Refused};
use portcullis_identity::POSSESSION;
use portcullis_model::Timestamp;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// RFC 8410 section 7: PKCS#8 around the 32 bytes of an Ed25519 key.
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const KIND: &str = "ssh-ed25519";

/// Where they are.
pub struct Files {
    /// The key, in PKCS#8.
    pub key: PathBuf,
    /// The certificate for TLS.
    pub certificate: PathBuf,
    /// The key, in OpenSSH's form.
    pub ssh_key: PathBuf,
    /// The certificate for SSH.
    pub ssh_certificate: PathBuf,
}

impl Files {
    /// Beside a login.
    #[must_use]
    pub fn beside(cache: &Cache) -> Self {
        Self {
            key: cache.beside("person.key"),
            certificate: cache.beside("person.crt"),
            ssh_key: cache.beside("id_portcullis"),
            ssh_certificate: cache.beside("id_portcullis-cert.pub"),
        }
    }

    /// Forgets them all.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn forget(&self) -> Result<(), Exit> {
        let public = self.ssh_key.with_extension("pub");
        for file in [
            &self.key,
            &self.certificate,
            &self.ssh_key,
            &self.ssh_certificate,
            &public,
        ] {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A key of one's own.
struct Own {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

impl Own {
    fn draw() -> Result<Self, Exit> {
        let mut seed = Zeroizing::new([0; 32]);
        let none = |_| Exit::refused("the system has no randomness");
        SystemRandom::new().fill(&mut *seed).map_err(none)?;
        Self::of(seed)
    }

    fn of(seed: Zeroizing<[u8; 32]>) -> Result<Self, Exit> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed);
        let pair = pair.map_err(|_| Exit::refused("the key of this machine is none"))?;
        Ok(Self { seed, pair })
    }

    /// The one on this machine.
    fn read(files: &Files) -> Option<Self> {
        let text = Zeroizing::new(std::fs::read_to_string(&files.key).ok()?);
        let lines = text.lines().filter(|line| !line.starts_with("--"));
        let der = Zeroizing::new(STANDARD.decode(lines.collect::<String>()).ok()?);
        let seed = der.strip_prefix(&PKCS8[..])?.try_into().ok()?;
        Self::of(Zeroizing::new(seed)).ok()
    }

    fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn keep(&self, files: &Files) -> Result<(), Exit> {
        let der = Zeroizing::new([&PKCS8[..], &*self.seed].concat());
        write_private(&files.key, pem("PRIVATE KEY", &der).as_bytes())?;
        write_private(&files.ssh_key, self.openssh()?.as_bytes())?;
        let blob = packed(&[KIND.as_bytes(), self.public()]);
        let line = format!("{KIND} {} portcullis\n", STANDARD.encode(blob));
        write_private(&files.ssh_key.with_extension("pub"), line.as_bytes())
    }

    /// OpenSSH's PROTOCOL.key, without a passphrase.
    fn openssh(&self) -> Result<Zeroizing<String>, Exit> {
        let mut check = [0; 4];
        let none = |_| Exit::refused("the system has no randomness");
        SystemRandom::new().fill(&mut check).map_err(none)?;
        let secret = Zeroizing::new([&*self.seed, self.public()].concat());
        let mut private = Zeroizing::new([check, check].concat());
        private.extend_from_slice(&packed(&[
            KIND.as_bytes(),
            self.public(),
            &secret,
            b"portcullis",
        ]));
        let padding = (8 - private.len() % 8) % 8;
        private.extend((1..=8).take(padding));
        let public = packed(&[KIND.as_bytes(), self.public()]);
        let mut all = Zeroizing::new(b"openssh-key-v1\0".to_vec());
        all.extend_from_slice(&packed(&[b"none", b"none", b""]));
        all.extend_from_slice(&1_u32.to_be_bytes());
        all.extend_from_slice(&packed(&[&public, &private]));
        Ok(pem("OPENSSH PRIVATE KEY", &all))
    }

    fn wish(&self, token: &str) -> KeyWish {
        let mut message = POSSESSION.to_vec();
        message.extend_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        KeyWish {
            key: URL_SAFE_NO_PAD.encode(self.public()),
            signature: URL_SAFE_NO_PAD.encode(self.pair.sign(&message)),
        }
    }
}

fn pem(name: &str, der: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut out = Zeroizing::new(format!("-----BEGIN {name}-----\n"));
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out.push_str(&format!("-----END {name}-----\n"));
    out
}

/// RFC 4251 section 5, `string` after `string`.
fn packed(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::new());
    for part in parts {
        out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// Has the machine's key certified for a login; a new key for a new one. `None` where the gateway certifies nobody.
///
/// # Errors
/// When the gateway refuses, or files cannot be written.
pub fn certify(cache: &Cache, login: &Login, fresh_key: bool) -> Result<Option<Timestamp>, Exit> {
    let files = Files::beside(cache);
    let own = Own::read(&files).filter(|_| !fresh_key);
    let own = match own {
        Some(own) => own,
        None => {
            files.forget()?;
            Own::draw()?
        }
    };
    let portal = login.portal()?;
    let body = serde_json::to_vec(&own.wish(&login.token)).map_err(io::Error::from)?;
    let sent = Sent::Json(body);
    let (status, body) = portal.call(Method::POST, "/v1/certificates", Some(&login.token), sent)?;
    let strange = || portal.unreachable("its answer is not a gateway's");
    if status == StatusCode::NOT_FOUND {
        files.forget()?;
        return Ok(None);
    }
    if !status.is_success() {
        let refused: Refused = serde_json::from_slice(&body).map_err(|_| strange())?;
        return Err(Exit::Refused {
            message: refused.error,
            hint: refused.hint,
        });
    }
    let certified: Certified = serde_json::from_slice(&body).map_err(|_| strange())?;
    let until = (crate::clock::clock())().after(Duration::from_secs(certified.expires_in));
    own.keep(&files)?;
    write_private(&files.certificate, certified.x509.as_bytes())?;
    write_private(&files.ssh_certificate, certified.ssh.as_bytes())?;
    Ok(Some(until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn said(program: &str, arguments: &[&str], file: &std::path::Path) -> String {
        let ran = Command::new(program).args(arguments).arg(file).output();
        let ran = ran.expect("runs");
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    #[test]
    fn openssh_and_openssl_read_the_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files {
            key: folder.path().join("person.key"),
            certificate: folder.path().join("person.crt"),
            ssh_key: folder.path().join("id_portcullis"),
            ssh_certificate: folder.path().join("id_portcullis-cert.pub"),
        };
        let own = Own::draw().expect("draws");
        own.keep(&files).expect("keeps");
        let blob = STANDARD.encode(packed(&[KIND.as_bytes(), own.public()]));
        let public = said("ssh-keygen", &["-yf"], &files.ssh_key);
        assert!(public.contains(&blob), "{public}");
        let text = said("openssl", &["pkey", "-text", "-noout", "-in"], &files.key);
        assert!(text.contains("ED25519"), "{text}");
        let again = Own::read(&files).expect("reads");
        assert_eq!(again.public(), own.public());
        files.forget().expect("forgets");
        assert!(Own::read(&files).is_none());
        assert_eq!(std::fs::read_dir(folder.path()).expect("reads").count(), 0);
    }
}
