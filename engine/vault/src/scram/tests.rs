//! The exchange against the RFC's own numbers, and servers that cheat.

use super::*;

/// RFC 7677 section 3: user `user`, password `pencil`. PostgreSQL sends no user name, so only the keys can
/// be compared with the RFC; the exchange itself is proved against a real server.
fn exchange(nonce: &str) -> Scram {
    Scram {
        nonce: nonce.to_owned(),
        binding: Binding::None,
        expected: None,
    }
}

fn pencil() -> Secret {
    Secret::new(b"pencil".to_vec())
}

#[test]
fn the_keys_are_those_of_the_rfc() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let keys = Keys::derive(&pencil(), &salt, ITERATIONS);
    let signed = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                  r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                  s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                  c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let signature = sign(&*keys.stored(), signed.as_bytes());
    let proof: Vec<u8> = keys
        .client
        .iter()
        .zip(signature.as_ref())
        .map(|(a, b)| a ^ b)
        .collect();
    assert_eq!(
        STANDARD.encode(proof),
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    assert_eq!(
        STANDARD.encode(sign(&*keys.server, signed.as_bytes())),
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    );
}

#[test]
fn a_server_that_cheats_is_refused() {
    for (message, error) in [
        (
            "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            ScramError::Nonce,
        ),
        (
            "r=ours,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            ScramError::Nonce,
        ),
        ("r=ours+theirs,s=AAAA,i=0", ScramError::Iterations),
        ("r=ours+theirs,s=AAAA,i=1000001", ScramError::Iterations),
        ("r=ours+theirs,s=AAAA,i=99999999999", ScramError::Iterations),
        ("r=ours+theirs,s=not base64,i=4096", ScramError::Message),
        ("m=ext,r=ours+theirs,s=AAAA,i=4096", ScramError::Message),
        ("s=AAAA,r=ours+theirs,i=4096", ScramError::Message),
        ("", ScramError::Message),
    ] {
        let got = exchange("ours").last(message.as_bytes(), &pencil());
        assert_eq!(got.err(), Some(error), "{message}");
    }
}

#[test]
fn a_server_that_does_not_know_the_secret_is_found_out() {
    let first = b"r=ours+theirs,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    let wrong = [
        "v=AAAA",
        "e=invalid-proof",
        "v=",
        "",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ];
    for message in wrong {
        let mut scram = exchange("ours");
        scram.last(first, &pencil()).unwrap();
        let got = scram.verify(message.as_bytes());
        assert_eq!(got, Err(ScramError::Signature), "{message}");
    }
    assert_eq!(exchange("ours").verify(b"v=AAAA"), Err(ScramError::Order));
}

#[test]
fn a_verifier_shows_no_password_and_differs_each_time() {
    let secret = Secret::random().ok().unwrap();
    let (one, two) = (verifier(&secret).unwrap(), verifier(&secret).unwrap());
    assert!(one.starts_with("SCRAM-SHA-256$4096:") && one != two);
    let plain = std::str::from_utf8(secret.expose()).unwrap();
    assert!(!one.contains(plain));
}
