//! Signatures of plugins: Ed25519 over a short text that names the plugin and the digest of its bytes, as a C2SP signed
//! note in a file beside it, `FILE.sig`. Refuses a note of another kind, of other bytes or of another plugin: a key that
//! signs two plugins must not let one stand in for the other.
//!
//! ```text
//! portcullis plugin/1
//! acme/badge-mask 1.0.0
//! sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
//!
//! — acme AbCdEf…
//! ```

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use portcullis_model::limits;
use std::fmt;

/// What the first line of every such note says: nothing else that a key signs can be taken for one.
const KIND: &str = "portcullis plugin/1";
/// The algorithm byte of Ed25519 in C2SP signed notes.
const ALGORITHM: u8 = 1;
/// What stands around a private key in PEM (RFC 7468, section 10).
const PEM: [&str; 2] = ["-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"];

/// Why something is no signature, or no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// A public key that does not read.
    #[error(
        "`{0}` is no public key; it looks like `acme+1a2b3c4d+Ab…`, as `portcullis plugin keygen` prints it"
    )]
    ReadPublicKey(String),
    /// A private key that does not read.
    #[error(
        "no Ed25519 private key in PEM; `portcullis plugin keygen` or `openssl genpkey -algorithm ed25519` makes one"
    )]
    ReadPrivateKey,
    /// A name that cannot stand in a note.
    #[error("`{0}` cannot name a key: up to 64 letters, digits, dashes, dots and slashes")]
    NameKey(String),
    /// The file is no signature.
    #[error("no signature of a plugin: {0}")]
    ReadNote(&'static str),
    /// No trusted key has signed.
    #[error("signed by {by}, and none of these keys is trusted for it")]
    Trust {
        /// Names in the note; they prove nothing.
        by: String,
    },
    /// It signs other bytes.
    #[error(
        "signs sha256 {signed}, and the plugin's is {found}: the file was changed after it was signed"
    )]
    MatchDigest {
        /// In the note.
        signed: String,
        /// Of the bytes.
        found: String,
    },
    /// It signs another plugin.
    #[error("signs {signed}, and the plugin's manifest says {found}")]
    MatchPlugin {
        /// In the note.
        signed: String,
        /// In the manifest.
        found: String,
    },
}

/// A key that signatures are verified with, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    key: [u8; 32],
}

impl PublicKey {
    /// Reads `name+hash+base64` (C2SP).
    ///
    /// # Errors
    /// [`SignatureError::ReadPublicKey`].
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        let text = text.trim();
        let read = || {
            let mut parts = text.splitn(3, '+');
            let (name, hash, blob) = (parts.next()?, parts.next()?, parts.next()?);
            let blob = BASE64_STANDARD.decode(blob).ok()?;
            let (algorithm, key) = blob.split_first()?;
            let key = Self {
                name: key_name(name).ok()?,
                key: key.try_into().ok()?,
            };
            (*algorithm == ALGORITHM && hex::encode(key.hash()) == hash).then_some(key)
        };
        let shown = || text.chars().take(64).collect::<String>();
        read().ok_or_else(|| SignatureError::ReadPublicKey(shown().escape_debug().to_string()))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of `SHA-256(name || "\n" || 0x01 || key)`.
    fn hash(&self) -> [u8; 4] {
        let mut input = format!("{}\n", self.name).into_bytes();
        input.push(ALGORITHM);
        input.extend_from_slice(&self.key);
        let mut out = [0; 4];
        for (to, from) in out.iter_mut().zip(digest(&SHA256, &input).as_ref()) {
            *to = *from;
        }
        out
    }

    fn verifies(&self, text: &str, line: &Line) -> bool {
        let Some((hash, signature)) = line.blob.split_at_checked(4) else {
            return false;
        };
        line.name == self.name
            && hash == self.hash()
            && UnparsedPublicKey::new(&ED25519, self.key)
                .verify(text.as_bytes(), signature)
                .is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blob = vec![ALGORITHM];
        blob.extend_from_slice(&self.key);
        let (hash, blob) = (hex::encode(self.hash()), BASE64_STANDARD.encode(blob));
        write!(f, "{}+{hash}+{blob}", self.name)
    }
}

fn key_name(name: &str) -> Result<String, SignatureError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
    match (1..=64).contains(&name.len()) && name.chars().all(plain) {
        true => Ok(name.to_owned()),
        false => Err(SignatureError::NameKey(name.escape_debug().to_string())),
    }
}

/// A key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public)
    }
}

impl SigningKey {
    /// A new key, and its PEM.
    ///
    /// # Errors
    /// A name that cannot stand in a note; no random bytes.
    pub fn generate(name: &str) -> Result<(Self, String), SignatureError> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| SignatureError::ReadPrivateKey)?;
        let [begin, end] = PEM;
        let pem = format!(
            "{begin}\n{}\n{end}\n",
            BASE64_STANDARD.encode(pkcs8.as_ref())
        );
        Ok((Self::from_pem(&pem, name)?, pem))
    }

    /// A key from its PEM (PKCS#8), with the name that stands in its signatures.
    ///
    /// # Errors
    /// [`SignatureError::ReadPrivateKey`], [`SignatureError::NameKey`].
    pub fn from_pem(pem: &str, name: &str) -> Result<Self, SignatureError> {
        let [begin, end] = PEM;
        let body = pem
            .split_once(begin)
            .and_then(|(_, rest)| rest.split_once(end));
        let body: String = body
            .map(|(body, _)| body.split_whitespace().collect())
            .ok_or(SignatureError::ReadPrivateKey)?;
        let pkcs8 = BASE64_STANDARD
            .decode(body)
            .map_err(|_| SignatureError::ReadPrivateKey)?;
        let pair =
            Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| SignatureError::ReadPrivateKey)?;
        let key = pair.public_key().as_ref().try_into();
        let public = PublicKey {
            name: key_name(name)?,
            key: key.map_err(|_| SignatureError::ReadPrivateKey)?,
        };
        Ok(Self { pair, public })
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The note that signs a plugin: the content of `FILE.sig`.
    #[must_use]
    pub fn sign(&self, name: &str, version: &str, sha256: &str) -> String {
        let text = format!("{KIND}\n{name} {version}\nsha256:{sha256}\n");
        let mut blob = self.public.hash().to_vec();
        blob.extend_from_slice(self.pair.sign(text.as_bytes()).as_ref());
        let blob = BASE64_STANDARD.encode(blob);
        format!("{text}\n\u{2014} {} {blob}\n", self.public.name)
    }
}

/// What a trusted key has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// sha256 of its bytes, hex: what the loader is to be given as a pin.
    pub sha256: String,
    /// The name of the key.
    pub by: String,
}

struct Line {
    name: String,
    blob: Vec<u8>,
}

/// Verifies the note of a plugin with these bytes and this manifest against trusted keys.
///
/// # Errors
/// [`SignatureError`]: nothing of the note is believed.
pub fn verify(
    note: &str,
    sha256: &str,
    name: &str,
    version: &str,
    keys: &[PublicKey],
) -> Result<Signed, SignatureError> {
    let (text, lines) = split(note)?;
    let by = |key: &&PublicKey| lines.iter().any(|line| key.verifies(text, line));
    let key = keys.iter().find(by).ok_or_else(|| {
        let names: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
        SignatureError::Trust {
            by: names.join(", "),
        }
    })?;
    let mut words = text.lines();
    let (kind, plugin, bytes) = (words.next(), words.next(), words.next());
    if kind != Some(KIND) || words.next().is_some() {
        return Err(SignatureError::ReadNote("it signs something else"));
    }
    let signed = bytes.and_then(|line| line.strip_prefix("sha256:"));
    let signed = signed.ok_or(SignatureError::ReadNote("it names no digest"))?;
    if signed != sha256 {
        return Err(SignatureError::MatchDigest {
            signed: signed.to_owned(),
            found: sha256.to_owned(),
        });
    }
    let (plugin, found) = (plugin.unwrap_or_default(), format!("{name} {version}"));
    if plugin != found {
        return Err(SignatureError::MatchPlugin {
            signed: plugin.to_owned(),
            found,
        });
    }
    Ok(Signed {
        name: name.to_owned(),
        version: version.to_owned(),
        sha256: sha256.to_owned(),
        by: key.name.clone(),
    })
}

/// The text that is signed, with its last line end, and the signatures.
fn split(note: &str) -> Result<(&str, Vec<Line>), SignatureError> {
    if note.len() > limits::PLUGIN_SIGNATURE_BYTES_MAX {
        return Err(SignatureError::ReadNote("it is too long"));
    }
    let at = note
        .find("\n\n")
        .ok_or(SignatureError::ReadNote("it has no signature line"))?;
    let (text, signatures) = note.split_at(at + 1);
    let line = |line: &str| {
        let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        Some(Line {
            name: key_name(name).ok()?,
            blob: BASE64_STANDARD.decode(blob).ok()?,
        })
    };
    let lines: Option<Vec<Line>> = signatures.trim().lines().map(line).collect();
    match lines {
        Some(lines) if !lines.is_empty() => Ok((text, lines)),
        _ => Err(SignatureError::ReadNote("a signature line is malformed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

    fn key(name: &str) -> SigningKey {
        SigningKey::generate(name).unwrap().0
    }

    #[test]
    fn what_a_trusted_key_has_signed_verifies_and_nothing_else() {
        let (acme, other) = (key("acme"), key("other"));
        let note = acme.sign("acme/a", "1.0.0", SHA);
        let trusted = [other.public().clone(), acme.public().clone()];
        let signed = verify(&note, SHA, "acme/a", "1.0.0", &trusted).unwrap();
        assert_eq!((signed.by.as_str(), signed.sha256.as_str()), ("acme", SHA));
        let refused = |note: &str, sha: &str, name: &str, version: &str, keys: &[PublicKey]| {
            verify(note, sha, name, version, keys).unwrap_err()
        };
        assert!(matches!(
            refused(&note, SHA, "acme/a", "1.0.0", &trusted[..1]),
            SignatureError::Trust { .. }
        ));
        assert!(matches!(
            refused(&note, SHA, "acme/a", "1.0.0", &[]),
            SignatureError::Trust { .. }
        ));
        assert!(matches!(
            refused(&note, &"0".repeat(64), "acme/a", "1.0.0", &trusted),
            SignatureError::MatchDigest { .. }
        ));
        assert!(matches!(
            refused(&note, SHA, "acme/b", "1.0.0", &trusted),
            SignatureError::MatchPlugin { .. }
        ));
        assert!(matches!(
            refused(&note, SHA, "acme/a", "1.0.1", &trusted),
            SignatureError::MatchPlugin { .. }
        ));
        // Another key of the same name.
        let impostor = key("acme").sign("acme/a", "1.0.0", SHA);
        assert!(matches!(
            refused(&impostor, SHA, "acme/a", "1.0.0", &trusted),
            SignatureError::Trust { .. }
        ));
    }

    #[test]
    fn a_note_that_was_touched_anywhere_is_refused() {
        let acme = key("acme");
        let note = acme.sign("acme/a", "1.0.0", SHA);
        let trusted = [acme.public().clone()];
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(touched) = String::from_utf8(bytes) else {
                continue;
            };
            if touched.trim_end() == note.trim_end() {
                continue;
            }
            assert!(
                verify(&touched, SHA, "acme/a", "1.0.0", &trusted).is_err(),
                "byte {at}"
            );
        }
        for cut in 0..note.len() - 1 {
            if let Some(short) = note.get(..cut) {
                assert!(
                    verify(short, SHA, "acme/a", "1.0.0", &trusted).is_err(),
                    "cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let (made, pem) = SigningKey::generate("acme.example/ci").unwrap();
        let again = SigningKey::from_pem(&pem, "acme.example/ci").unwrap();
        assert_eq!(again.public(), made.public());
        let text = made.public().to_string();
        assert_eq!(
            PublicKey::parse(&format!(" {text}\n")).unwrap(),
            *made.public()
        );
        assert!(PublicKey::parse(&text.replace("acme", "acne")).is_err());
        assert!(PublicKey::parse("acme").is_err());
        assert!(SigningKey::generate("a b").is_err());
        assert!(
            SigningKey::from_pem(
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
                "a"
            )
            .is_err()
        );
        assert!(!format!("{made:?}").contains(pem.lines().nth(1).unwrap()));
        // The example of golang.org/x/mod/sumdb/note.
        assert!(
            PublicKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
                .is_ok()
        );
    }
}
