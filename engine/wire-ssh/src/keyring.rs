//! Bare keys that a client has proved to hold on a connection, before it has logged in otherwise: they are proofs of nothing, and
//! stand for whoever then is admitted, for a while.
//!
//! It refuses more than a few keys of one connection, signatures by SHA-1, DSA, short RSA, and keys that need a touch: where
//! nobody is asked, nobody can touch.

use parking_lot::Mutex;
use portcullis_gate::{Bearer, FrontDesk};
use portcullis_model::limits::{SSH_RSA_BITS_MIN, SSH_SHOWN_KEYS_MAX};
use portcullis_model::{Identity, SessionId};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, PublicKey};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The keys of one connection.
#[derive(Default)]
pub(crate) struct Keyring(Mutex<Shown>);

#[derive(Default)]
struct Shown {
    asked: usize,
    keys: Vec<(Vec<u8>, Duration)>,
}

impl Keyring {
    /// Whether one more signature may be asked for.
    pub(crate) fn asks_once_more(&self) -> bool {
        let mut shown = self.0.lock();
        let more = shown.asked < SSH_SHOWN_KEYS_MAX;
        shown.asked = shown.asked.saturating_add(1);
        more
    }

    /// The client holds this one.
    pub(crate) fn show(&self, key: Vec<u8>, within: Duration) {
        let mut shown = self.0.lock();
        let known = shown.keys.iter().any(|(shown, _)| *shown == key);
        if !known && shown.keys.len() < SSH_SHOWN_KEYS_MAX {
            shown.keys.push((key, within));
        }
    }

    /// The client was admitted to a session, with another proof: its keys stand for it from now on.
    pub(crate) fn bind(
        &self,
        desk: &dyn FrontDesk,
        (who, session): (&Arc<Identity>, SessionId),
        from: IpAddr,
    ) {
        let keys = std::mem::take(&mut self.0.lock().keys);
        for (key, within) in keys {
            let bearer = Bearer {
                identity: Arc::clone(who),
                session,
                from,
                within,
            };
            desk.remember(&key, bearer);
        }
    }
}

/// Whether what a key signs by this algorithm counts.
pub(crate) fn sound(key: &PublicKey, algorithm: &Algorithm) -> bool {
    match (key.key_data(), algorithm) {
        (KeyData::Ed25519(_), Algorithm::Ed25519)
        | (KeyData::Ecdsa(_), Algorithm::Ecdsa { .. }) => true,
        (KeyData::Rsa(key), Algorithm::Rsa { hash: Some(_) }) => key.key_size() >= SSH_RSA_BITS_MIN,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_gate::{Admission, BoxFuture, Knock, Knocking};
    use portcullis_model::Denial;
    use russh::keys::HashAlg;
    use russh::keys::ssh_key::Mpint;
    use russh::keys::ssh_key::public::RsaPublicKey;

    #[derive(Default)]
    struct Book(Mutex<Vec<Vec<u8>>>);

    impl FrontDesk for Book {
        fn admit<'a>(
            &'a self,
            _: Knock,
            _: Knocking<'a>,
        ) -> BoxFuture<'a, Result<Admission, Denial>> {
            Box::pin(async { Err(Denial::new("test/nobody", "nobody is admitted")) })
        }

        fn remember(&self, key: &[u8], _: Bearer) {
            self.0.lock().push(key.to_vec());
        }
    }

    fn identity() -> Identity {
        Identity {
            principal: portcullis_model::Principal {
                issuer: "https://id.example".to_owned(),
                subject: "ana".to_owned(),
            },
            provider: "corp".to_owned(),
            kind: portcullis_model::Kind::Human,
            name: "ana".to_owned(),
            groups: Vec::new(),
            claims: serde_json::Map::new(),
            actors: Vec::new(),
            owner: None,
            authenticated: None,
            methods: Vec::new(),
            assurance: None,
            token_id: None,
            expires: portcullis_model::Timestamp(1),
        }
    }

    #[test]
    fn a_few_keys_of_a_connection_are_asked_for_and_bound_once() {
        let (keyring, book) = (Keyring::default(), Book::default());
        let asked = (0..40).filter(|_| keyring.asks_once_more()).count();
        assert_eq!(asked, SSH_SHOWN_KEYS_MAX);
        for key in 0..40_u8 {
            keyring.show(vec![key / 2], Duration::from_secs(60));
        }
        let from = IpAddr::from([192, 0, 2, 7]);
        let who = Arc::new(identity());
        keyring.bind(&book, (&who, SessionId(7)), from);
        keyring.bind(&book, (&who, SessionId(7)), from);
        let wanted: Vec<_> = (0..SSH_SHOWN_KEYS_MAX as u8).map(|key| vec![key]).collect();
        assert_eq!(*book.0.lock(), wanted);
    }

    #[test]
    fn sha1_and_short_keys_count_for_nothing() {
        let rsa = |bits: usize| {
            let n = Mpint::from_positive_bytes(&vec![0xff; bits / 8]);
            let e = Mpint::from_positive_bytes(&[1, 0, 1]);
            let key = RsaPublicKey::new(e, n).expect("a key");
            PublicKey::from(KeyData::Rsa(key))
        };
        let by = |hash| Algorithm::Rsa { hash };
        assert!(sound(&rsa(2048), &by(Some(HashAlg::Sha256))));
        assert!(sound(&rsa(3072), &by(Some(HashAlg::Sha512))));
        assert!(!sound(&rsa(3072), &by(None)));
        assert!(!sound(&rsa(3072), &Algorithm::Ed25519));
        assert!(!sound(&rsa(1024), &by(Some(HashAlg::Sha512))));
        assert!(!sound(&rsa(3072), &Algorithm::Dsa));
    }
}
