//! The node's signing key: Ed25519 (RFC 8032), made at first start in a 0600 file, its public half beside
//! it as a C2SP note verifier key `name+hash+base64(0x01 || key)`. Refuses a key that others can read.

use crate::{Error, aside};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The algorithm byte of Ed25519 in C2SP signed notes.
const ALGORITHM: u8 = 1;

/// Signs checkpoints.
pub struct NodeKey {
    pair: Ed25519KeyPair,
    public: VerifyKey,
}

/// Verifies checkpoints: all that an auditor needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyKey {
    name: String,
    key: [u8; 32],
}

impl NodeKey {
    /// The key in `path`, made if there is none. `name` goes into every signature line (the record's
    /// origin, as a rule). The public half is written to `path` with `.pub` added.
    ///
    /// # Errors
    /// [`Error::OpenKey`], [`Error::KeyMode`], [`Error::BadKey`], [`Error::BadOrigin`].
    pub fn open(path: &Path, name: &str) -> Result<Self, Error> {
        check_name(name)?;
        let pkcs8 = match fs::read(path) {
            Ok(bytes) => {
                let mode = fs::metadata(path)
                    .map_err(Error::OpenKey)?
                    .permissions()
                    .mode();
                if mode & 0o077 != 0 {
                    return Err(Error::KeyMode);
                }
                bytes
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => create(path)?,
            Err(e) => return Err(Error::OpenKey(e)),
        };
        let key = Self::from_pkcs8(&pkcs8, name)?;
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        fs::write(public, format!("{}\n", key.public)).map_err(Error::OpenKey)?;
        Ok(key)
    }

    /// The key in `path`, which has to be there: for whoever signs what a gateway has recorded. Nothing is written.
    ///
    /// # Errors
    /// [`Error::OpenKey`], [`Error::KeyMode`], [`Error::BadKey`], [`Error::BadOrigin`].
    pub fn existing(path: &Path, name: &str) -> Result<Self, Error> {
        let mode = fs::metadata(path).map_err(Error::OpenKey)?.permissions();
        if mode.mode() & 0o077 != 0 {
            return Err(Error::KeyMode);
        }
        Self::from_pkcs8(&fs::read(path).map_err(Error::OpenKey)?, name)
    }

    /// A key from its PKCS#8 form.
    ///
    /// # Errors
    /// [`Error::BadKey`], [`Error::BadOrigin`].
    pub fn from_pkcs8(pkcs8: &[u8], name: &str) -> Result<Self, Error> {
        check_name(name)?;
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| Error::BadKey)?;
        let key = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| Error::BadKey)?;
        let public = VerifyKey {
            name: name.to_owned(),
            key,
        };
        Ok(Self { pair, public })
    }

    /// A key that lives in memory only: for tests and one-off exports.
    ///
    /// # Errors
    /// [`Error::BadKey`] when there is no randomness.
    pub fn ephemeral(name: &str) -> Result<Self, Error> {
        let pkcs8 =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| Error::BadKey)?;
        Self::from_pkcs8(pkcs8.as_ref(), name)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &VerifyKey {
        &self.public
    }

    /// The signature line of a note with this text: `— name base64(hash || signature)`.
    pub(crate) fn sign_line(&self, text: &str) -> String {
        let mut blob = self.public.hash().to_vec();
        blob.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        format!(
            "\u{2014} {} {}\n",
            self.public.name,
            BASE64_STANDARD.encode(blob)
        )
    }
}

impl VerifyKey {
    /// Reads `name+hash+base64`, as the `.pub` file holds it.
    ///
    /// # Errors
    /// [`Error::BadPublicKey`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(blob)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::BadPublicKey);
        };
        let blob = BASE64_STANDARD
            .decode(blob)
            .map_err(|_| Error::BadPublicKey)?;
        let Some((&ALGORITHM, key)) = blob.split_first() else {
            return Err(Error::BadPublicKey);
        };
        let key = Self {
            name: name.to_owned(),
            key: key.try_into().map_err(|_| Error::BadPublicKey)?,
        };
        check_name(name).map_err(|_| Error::BadPublicKey)?;
        match hex::encode(key.hash()) == hash {
            true => Ok(key),
            false => Err(Error::BadPublicKey),
        }
    }

    /// The key in a `.pub` file.
    ///
    /// # Errors
    /// [`Error::OpenKey`], [`Error::BadPublicKey`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::parse(&fs::read_to_string(path).map_err(Error::OpenKey)?)
    }

    /// The name in signature lines.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True when `line` is a signature of this key over `text`.
    pub(crate) fn verifies(&self, text: &str, line: &str) -> bool {
        let Some(blob) = line
            .strip_prefix("\u{2014} ")
            .and_then(|rest| rest.strip_prefix(&self.name))
            .and_then(|rest| rest.strip_prefix(' '))
            .and_then(|blob| BASE64_STANDARD.decode(blob).ok())
        else {
            return false;
        };
        match blob.split_at_checked(4) {
            Some((hash, signature)) if hash == self.hash() => {
                UnparsedPublicKey::new(&ED25519, self.key)
                    .verify(text.as_bytes(), signature)
                    .is_ok()
            }
            _ => false,
        }
    }

    /// The first four bytes of `SHA-256(name || "\n" || 0x01 || key)`.
    fn hash(&self) -> [u8; 4] {
        let mut input = format!("{}\n", self.name).into_bytes();
        input.push(ALGORITHM);
        input.extend_from_slice(&self.key);
        let mut out = [0; 4];
        out.copy_from_slice(&digest(&SHA256, &input).as_ref()[..4]);
        out
    }
}

impl std::fmt::Display for VerifyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut blob = vec![ALGORITHM];
        blob.extend_from_slice(&self.key);
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex::encode(self.hash()),
            BASE64_STANDARD.encode(blob)
        )
    }
}

/// A note's key name and origin: what neither a space nor a `+` nor a line end can break.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let fits = (1..=255).contains(&name.len())
        && name
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && c != '+');
    fits.then_some(()).ok_or(Error::BadOrigin)
}

/// A crash at the first start leaves no half a key.
fn create(path: &Path) -> Result<Vec<u8>, Error> {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| Error::BadKey)?;
    aside::replace_for_good(path, pkcs8.as_ref()).map_err(Error::OpenKey)?;
    Ok(pkcs8.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of golang.org/x/mod/sumdb/note, which other implementations test with too.
    #[test]
    fn a_note_of_the_go_implementation_verifies() {
        let key =
            VerifyKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
                .expect("key");
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let line = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        assert!(key.verifies(text, line));
        assert!(!key.verifies("another text\n", line));
    }

    #[test]
    fn a_key_is_made_once_and_kept_from_others() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("node.key");
        let first = NodeKey::open(&path, "node-1").expect("made");
        let again = NodeKey::open(&path, "node-1").expect("opened");
        assert_eq!(first.public(), again.public());
        assert_eq!(
            VerifyKey::open(&dir.path().join("node.key.pub")).expect("public"),
            *first.public()
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        assert!(matches!(
            NodeKey::open(&path, "node-1"),
            Err(Error::KeyMode)
        ));
        assert!(matches!(NodeKey::open(&path, "a b"), Err(Error::BadOrigin)));
    }
}
