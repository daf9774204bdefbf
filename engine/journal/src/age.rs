//! The age file format, version 1, with X25519 recipients (https://c2sp.org/age): what payload keys are wrapped with for
//! people, so that the `age` and `rage` tools open them too. Only what is needed of it: one chunk, as a key is short.
//!
//! It is written here, on the one crypto provider, because the crate brings a second set of primitives and eighty
//! crates with it. Refuses passphrases, plugins, longer files, and whatever does not authenticate.

mod bech32;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{
    EphemeralPrivateKey, PrivateKey, UnparsedPublicKey, X25519, agree, agree_ephemeral,
};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use std::fmt;
use std::str::FromStr;

const INTRO: &str = "age-encryption.org/v1\n";
const INFO: &[u8] = b"age-encryption.org/v1/X25519";
/// One chunk of the payload; longer files are not ours.
const CHUNK: usize = 64 * 1024;
/// The columns that the body of a stanza is wrapped at.
const COLUMNS: usize = 64;

/// Why something is not encrypted or decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    /// No recipient.
    #[error("a recipient looks like `age1…`, as `age-keygen` prints it")]
    Recipient,
    /// No identity.
    #[error("an identity looks like `AGE-SECRET-KEY-1…`, as `age-keygen` makes it")]
    Identity,
    /// No age file of version 1, or longer than one chunk.
    #[error("this is no age file of one chunk")]
    Format,
    /// No stanza of it is for any of these identities.
    #[error("none of the identities opens it")]
    Stranger,
    /// It was altered.
    #[error("it was altered")]
    Altered,
    /// No randomness, or a key of no use.
    #[error("the cryptography failed")]
    Crypto,
}

/// Whom something is encrypted to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl FromStr for Recipient {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        let bytes = bech32::decode("age", text.trim()).ok_or(AgeError::Recipient)?;
        Ok(Self(bytes.try_into().map_err(|_| AgeError::Recipient)?))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode("age", &self.0))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who opens it.
pub struct Identity {
    key: PrivateKey,
    public: [u8; 32],
}

impl Identity {
    /// The identities of a file as `age-keygen` writes it: one a line, `#` begins a remark.
    ///
    /// # Errors
    /// [`AgeError::Identity`] when a line is none, or there is none.
    pub fn read_all(text: &str) -> Result<Vec<Self>, AgeError> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let found = lines.map(str::parse).collect::<Result<Vec<Self>, _>>()?;
        match found.is_empty() {
            true => Err(AgeError::Identity),
            false => Ok(found),
        }
    }

    /// Whom to encrypt to, for this to open it.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(self.public)
    }

    fn of(secret: &[u8]) -> Result<Self, AgeError> {
        let key = PrivateKey::from_private_key(&X25519, secret).map_err(|_| AgeError::Identity)?;
        let public = key.compute_public_key().map_err(|_| AgeError::Identity)?;
        let public = public.as_ref().try_into().map_err(|_| AgeError::Identity)?;
        Ok(Self { key, public })
    }
}

impl FromStr for Identity {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        let secret = bech32::decode("age-secret-key-", &text.to_ascii_lowercase())
            .filter(|_| text == text.to_ascii_uppercase())
            .ok_or(AgeError::Identity)?;
        Self::of(&secret)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the identity of {}", self.recipient())
    }
}

/// Encrypts something short to each of the recipients.
///
/// # Errors
/// [`AgeError::Recipient`] when there is none, [`AgeError::Format`] when it is too long.
pub fn encrypt(recipients: &[Recipient], plain: &[u8]) -> Result<Vec<u8>, AgeError> {
    if recipients.is_empty() {
        return Err(AgeError::Recipient);
    }
    if plain.len() > CHUNK {
        return Err(AgeError::Format);
    }
    let file_key: [u8; 16] = random()?;
    let mut header = INTRO.to_owned();
    for recipient in recipients {
        let mine = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new())
            .map_err(|_| AgeError::Crypto)?;
        let share = mine.compute_public_key().map_err(|_| AgeError::Crypto)?;
        let share: [u8; 32] = share.as_ref().try_into().map_err(|_| AgeError::Crypto)?;
        let theirs = UnparsedPublicKey::new(&X25519, recipient.0);
        let key = agree_ephemeral(mine, theirs, AgeError::Recipient, |shared| {
            derived(&[share, recipient.0].concat(), shared, INFO)
        })?;
        let wrapped = sealed(&key, [0; NONCE_LEN], &file_key)?;
        let encode = |bytes: &[u8]| BASE64_STANDARD_NO_PAD.encode(bytes);
        header.push_str(&format!(
            "-> X25519 {}\n{}\n",
            encode(&share),
            encode(&wrapped)
        ));
    }
    header.push_str("---");
    let mac = tag(&file_key, &header)?;
    header.push_str(&format!(" {}\n", BASE64_STANDARD_NO_PAD.encode(mac)));
    let nonce: [u8; 16] = random()?;
    let key = derived(&nonce, &file_key, b"payload")?;
    let mut out = header.into_bytes();
    out.extend_from_slice(&nonce);
    out.extend(sealed(&key, LAST, plain)?);
    Ok(out)
}

/// Decrypts what [`encrypt`], `age` or `rage` made of something short.
///
/// # Errors
/// [`AgeError`].
pub fn decrypt(identities: &[Identity], file: &[u8]) -> Result<Vec<u8>, AgeError> {
    let (header, mac, payload) = parts(file)?;
    let mut lines = header[INTRO.len()..].lines().peekable();
    let mut file_key = None;
    while let Some(line) = lines.next() {
        let Some(stanza) = line.strip_prefix("-> ") else {
            break;
        };
        // A body ends with a line that is not full.
        let mut body = String::new();
        loop {
            let line = lines.next().ok_or(AgeError::Format)?;
            body.push_str(line);
            if line.len() < COLUMNS {
                break;
            }
        }
        if file_key.is_none()
            && let Some(share) = stanza.strip_prefix("X25519 ")
        {
            file_key = unwrapped(identities, share, &body)?;
        }
    }
    let file_key = file_key.ok_or(AgeError::Stranger)?;
    if hmac::verify(&mac_key(&file_key)?, header.as_bytes(), &mac).is_err() {
        return Err(AgeError::Altered);
    }
    let (nonce, chunk) = payload.split_at_checked(16).ok_or(AgeError::Format)?;
    if chunk.len() > CHUNK + 16 {
        return Err(AgeError::Format);
    }
    opened(&derived(nonce, &file_key, b"payload")?, LAST, chunk).ok_or(AgeError::Altered)
}

/// The nonce of the first chunk when it is the last too.
const LAST: [u8; NONCE_LEN] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// The header up to its tag, the tag, and what follows.
fn parts(file: &[u8]) -> Result<(&str, Vec<u8>, &[u8]), AgeError> {
    let at = file.windows(5).position(|five| five == b"\n--- ");
    let end = at.ok_or(AgeError::Format)? + 4;
    let (header, rest) = file.split_at(end);
    let header = std::str::from_utf8(header).map_err(|_| AgeError::Format)?;
    let line = rest
        .iter()
        .position(|b| *b == b'\n')
        .ok_or(AgeError::Format)?;
    let mac = BASE64_STANDARD_NO_PAD
        .decode(&rest[1..line])
        .map_err(|_| AgeError::Format)?;
    match header.starts_with(INTRO) {
        true => Ok((header, mac, &rest[line + 1..])),
        false => Err(AgeError::Format),
    }
}

fn unwrapped(
    identities: &[Identity],
    share: &str,
    body: &str,
) -> Result<Option<Vec<u8>>, AgeError> {
    let decode = |text: &str| {
        BASE64_STANDARD_NO_PAD
            .decode(text)
            .map_err(|_| AgeError::Format)
    };
    let (share, body) = (decode(share)?, decode(body)?);
    if share.len() != 32 || body.len() != 32 {
        return Err(AgeError::Format);
    }
    for identity in identities {
        let theirs = UnparsedPublicKey::new(&X25519, share.as_slice());
        let salt = [share.as_slice(), &identity.public].concat();
        let key = agree(&identity.key, theirs, AgeError::Altered, |shared| {
            derived(&salt, shared, INFO)
        })?;
        if let Some(file_key) = opened(&key, [0; NONCE_LEN], &body) {
            return Ok(Some(file_key));
        }
    }
    Ok(None)
}

fn mac_key(file_key: &[u8]) -> Result<hmac::Key, AgeError> {
    let key = derived(b"", file_key, b"header")?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

fn tag(file_key: &[u8], header: &str) -> Result<Vec<u8>, AgeError> {
    let tag = hmac::sign(&mac_key(file_key)?, header.as_bytes());
    Ok(tag.as_ref().to_vec())
}

fn derived(salt: &[u8], secret: &[u8], info: &[u8]) -> Result<[u8; 32], AgeError> {
    let mut key = [0; 32];
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[info], HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .map_err(|_| AgeError::Crypto)?;
    Ok(key)
}

fn sealed(key: &[u8; 32], nonce: [u8; NONCE_LEN], plain: &[u8]) -> Result<Vec<u8>, AgeError> {
    let mut out = plain.to_vec();
    cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut out)
        .map_err(|_| AgeError::Crypto)?;
    Ok(out)
}

fn opened(key: &[u8; 32], nonce: [u8; NONCE_LEN], sealed: &[u8]) -> Option<Vec<u8>> {
    let mut out = sealed.to_vec();
    let plain = cipher(key)
        .ok()?
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut out)
        .ok()?
        .len();
    out.truncate(plain);
    Some(out)
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, AgeError> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| AgeError::Crypto)?;
    Ok(LessSafeKey::new(key))
}

fn random<const N: usize>() -> Result<[u8; N], AgeError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| AgeError::Crypto)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of C2SP's specification of age, and a second one of the same kind.
    const SECRET: &str =
        "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    const PUBLIC: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

    #[test]
    fn keys_are_those_of_the_specification() {
        let identity: Identity = SECRET.parse().unwrap();
        assert_eq!(identity.recipient().to_string(), PUBLIC);
        assert_eq!(PUBLIC.parse::<Recipient>().unwrap(), identity.recipient());
        for wrong in [
            "",
            "age1",
            &PUBLIC[1..],
            &PUBLIC.replace("zvk", "zvq"),
            &SECRET.to_lowercase(),
            SECRET,
        ] {
            assert_eq!(
                wrong.parse::<Recipient>(),
                Err(AgeError::Recipient),
                "{wrong}"
            );
        }
        assert!(SECRET.to_lowercase().parse::<Identity>().is_err());
        assert_eq!(
            Identity::read_all("# made today\n").unwrap_err(),
            AgeError::Identity
        );
        assert_eq!(
            Identity::read_all(&format!("# x\n\n{SECRET}\n"))
                .unwrap()
                .len(),
            1
        );
        assert!(!format!("{identity:?}").contains("SECRET"));
    }

    #[test]
    fn each_recipient_opens_it_and_nobody_else() {
        let identity: Identity = SECRET.parse().unwrap();
        let other = Identity::of(&[9; 32]).unwrap();
        let third = Identity::of(&[7; 32]).unwrap();
        let recipients = [identity.recipient(), other.recipient()];
        let file = encrypt(&recipients, b"a key of 32 bytes, more or less").unwrap();
        for (who, opens) in [(&identity, true), (&other, true), (&third, false)] {
            let opened = decrypt(std::slice::from_ref(who), &file);
            assert_eq!(opened.is_ok(), opens, "{who:?}");
        }
        assert_eq!(decrypt(&[third], &file), Err(AgeError::Stranger));
        assert_eq!(encrypt(&[], b"x"), Err(AgeError::Recipient));
    }

    #[test]
    fn every_altered_byte_shows() {
        let identity = [SECRET.parse::<Identity>().unwrap()];
        let file = encrypt(&[identity[0].recipient()], b"secret").unwrap();
        assert_eq!(decrypt(&identity, &file).unwrap(), b"secret");
        for at in 0..file.len() {
            let mut altered = file.clone();
            altered[at] ^= 1;
            assert!(decrypt(&identity, &altered).is_err(), "byte {at}");
            assert!(decrypt(&identity, &file[..at]).is_err(), "cut at {at}");
        }
    }
}
