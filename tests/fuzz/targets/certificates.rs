//! Certificates of people. Laws: nothing panics; of all bytes only those that were issued are believed, and only for
//! whoever holds the key is one issued.
//!
//! Input: 0 and a certificate; 1 and where one of ours is changed, and to what; 2, a key and a signature.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::Input;
use portcullis_identity::{CertificateSettings, Certificates, SessionKey, Wanted, fuzzing};
use portcullis_model::Timestamp;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The authority, and one certificate of each kind that it has issued.
static OURS: LazyLock<(Certificates, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("portcullis-fuzz-{}.key", std::process::id()));
    let key = SessionKey::open(&path).expect("a key");
    let _gone = std::fs::remove_file(&path);
    let certificates = Certificates::new(key, Arc::new(|| NOW)).expect("an authority");
    let issued = fuzzing::certified(&certificates, settings(), HERE);
    (certificates, issued)
});

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (certificates, issued) = &*OURS;
    match input.byte() % 3 {
        0 => {
            let shown = input.rest();
            let ours = issued.iter().any(|certificate| certificate == shown);
            assert_eq!(certificates.verify(shown, HERE).is_ok(), ours);
        }
        1 => {
            let mut certificate = issued[usize::from(input.byte()) % issued.len()].clone();
            assert!(certificates.verify(&certificate, HERE).is_ok());
            let at = usize::from(input.short()) % certificate.len();
            let to = input.byte();
            let changed = certificate[at] != to;
            certificate[at] = to;
            assert_eq!(certificates.verify(&certificate, HERE).is_err(), changed);
        }
        _ => {
            let key = input.piece();
            let identity = fuzzing::somebody();
            let wanted = Wanted {
                token: "token",
                identity: &identity,
                key,
                signature: input.rest(),
                from: HERE,
            };
            assert!(certificates.issue(&wanted, settings()).is_err());
        }
    }
});

fn settings() -> CertificateSettings {
    CertificateSettings {
        ttl: Duration::from_secs(600),
        same_address: false,
    }
}
