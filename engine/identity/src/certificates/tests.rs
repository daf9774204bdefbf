//! What a certificate proves, and what does not pass for one.

use super::*;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::{Kind, Principal};
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const SETTINGS: CertificateSettings = CertificateSettings {
    ttl: Duration::from_secs(600),
    same_address: false,
};

struct Desk {
    now: Arc<AtomicI64>,
    certificates: Certificates,
    _folder: Folder,
}

struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn folder() -> Folder {
    static NEXT: AtomicI64 = AtomicI64::new(0);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    let path = std::env::temp_dir().join(format!("pc-people-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    Folder(path)
}

fn desk() -> Desk {
    let folder = folder();
    let key = SessionKey::open(&folder.0.join("people.key")).unwrap();
    let now = Arc::new(AtomicI64::new(1_800_000_000));
    let hands = Arc::clone(&now);
    let clock: Clock = Arc::new(move || Timestamp(hands.load(Ordering::SeqCst) * 1_000_000_000));
    Desk {
        certificates: Certificates::new(key, clock).unwrap(),
        now,
        _folder: folder,
    }
}

fn ana() -> Identity {
    Identity {
        principal: Principal {
            issuer: "https://idp.example".to_owned(),
            subject: "ana".to_owned(),
        },
        provider: "corp".to_owned(),
        kind: Kind::Human,
        name: "ana@example.com".to_owned(),
        groups: vec!["dba".to_owned()],
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: Vec::new(),
        assurance: None,
        token_id: Some("login-1".to_owned()),
        expires: Timestamp(1_800_003_600 * 1_000_000_000),
    }
}

fn prove(pair: &Ed25519KeyPair, token: &str) -> Vec<u8> {
    let mut message = POSSESSION.to_vec();
    message.extend_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    pair.sign(&message).as_ref().to_vec()
}

fn issue(desk: &Desk, pair: &Ed25519KeyPair, settings: CertificateSettings) -> Certified {
    let wanted = Wanted {
        token: "token",
        identity: &ana(),
        key: pair.public_key().as_ref(),
        signature: &prove(pair, "token"),
        from: HERE,
    };
    desk.certificates.issue(&wanted, settings).unwrap()
}

fn der(certified: &Certified) -> Vec<u8> {
    let lines = certified.x509.lines().filter(|l| !l.starts_with("--"));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

fn blob(certified: &Certified) -> Vec<u8> {
    STANDARD
        .decode(certified.ssh.split(' ').nth(1).unwrap())
        .unwrap()
}

fn rule(desk: &Desk, certificate: &[u8], from: IpAddr) -> Option<String> {
    let read = desk.certificates.verify(certificate, from);
    read.err().map(|denial| denial.rule)
}

#[test]
fn both_stand_for_the_login_until_they_end() {
    let (desk, pair) = (desk(), Ed25519KeyPair::generate().unwrap());
    let certified = issue(&desk, &pair, SETTINGS);
    assert!(desk.certificates.knows(pair.public_key().as_ref()));
    assert!(!desk.certificates.knows(&[7; 32]));
    for certificate in [der(&certified), blob(&certified)] {
        let who = desk.certificates.verify(&certificate, HERE).unwrap();
        assert_eq!(who.principal, ana().principal);
        assert_eq!(who.token_id.as_deref(), Some("login-1"));
        assert_eq!(who.expires, certified.until);
        // Everything that is not these very bytes is nothing.
        for at in [0, 40, certificate.len() - 1] {
            let mut altered = certificate.clone();
            altered[at] ^= 1;
            assert_eq!(
                rule(&desk, &altered, HERE).as_deref(),
                Some("identity/certificate")
            );
        }
    }
    desk.now.fetch_add(600, Ordering::SeqCst);
    for certificate in [der(&certified), blob(&certified)] {
        assert_eq!(
            rule(&desk, &certificate, HERE).as_deref(),
            Some("identity/expired")
        );
    }
}

#[test]
fn they_do_not_outlive_the_token_or_a_restart() {
    let (desk, pair) = (desk(), Ed25519KeyPair::generate().unwrap());
    let long = CertificateSettings {
        ttl: Duration::from_secs(999_999),
        ..SETTINGS
    };
    assert_eq!(issue(&desk, &pair, long).until, ana().expires);
    // The same authority after a restart: the key is the old one, and nobody is logged in.
    let certified = issue(&desk, &pair, SETTINGS);
    let key = SessionKey::open(&desk._folder.0.join("people.key")).unwrap();
    let again = Certificates::new(key, Arc::clone(&desk.certificates.clock)).unwrap();
    assert!(again.verify(&der(&certified), HERE).is_err());
    assert!(again.verify(&blob(&certified), HERE).is_err());
}

#[test]
fn a_certificate_of_another_authority_is_none() {
    let (ours, theirs) = (desk(), desk());
    let certified = issue(&theirs, &Ed25519KeyPair::generate().unwrap(), SETTINGS);
    for certificate in [der(&certified), blob(&certified)] {
        assert_eq!(
            rule(&ours, &certificate, HERE).as_deref(),
            Some("identity/certificate")
        );
    }
}

#[test]
fn an_address_binds_where_that_is_asked_for() {
    let (desk, pair) = (desk(), Ed25519KeyPair::generate().unwrap());
    let bound = CertificateSettings {
        same_address: true,
        ..SETTINGS
    };
    let certified = issue(&desk, &pair, bound);
    let elsewhere = IpAddr::from([192, 0, 2, 9]);
    for certificate in [der(&certified), blob(&certified)] {
        assert_eq!(rule(&desk, &certificate, HERE), None);
        // The same address, as a socket for both families has it.
        assert_eq!(
            rule(&desk, &certificate, "::ffff:127.0.0.1".parse().unwrap()),
            None
        );
        assert_eq!(
            rule(&desk, &certificate, elsewhere).as_deref(),
            Some("identity/certificate-address")
        );
    }
}

#[test]
fn only_whoever_holds_the_key_has_it_certified() {
    let (desk, pair) = (desk(), Ed25519KeyPair::generate().unwrap());
    let other = Ed25519KeyPair::generate().unwrap();
    let good = prove(&pair, "token");
    for (key, signature) in [
        (other.public_key().as_ref(), good.clone()),
        // Of another token: a proof that was seen elsewhere.
        (pair.public_key().as_ref(), prove(&pair, "another")),
        (pair.public_key().as_ref(), Vec::new()),
        (&[0; 31][..], good),
    ] {
        let wanted = Wanted {
            token: "token",
            identity: &ana(),
            key,
            signature: &signature,
            from: HERE,
        };
        let refused = desk.certificates.issue(&wanted, SETTINGS).unwrap_err();
        assert_eq!(refused.rule, "identity/certificate-key");
    }
}

#[test]
fn whoever_asks_for_many_loses_the_oldest_of_her_own() {
    let (desk, pair) = (desk(), Ed25519KeyPair::generate().unwrap());
    let first = issue(&desk, &pair, SETTINGS);
    let eve = Arc::new(Identity {
        principal: Principal {
            issuer: "https://idp.example".to_owned(),
            subject: "eve".to_owned(),
        },
        ..ana()
    });
    let draw =
        |number: usize| [0_u8, 1].map(|n| print(&[&number.to_be_bytes()[..], &[n]].concat()));
    let now = Timestamp(0);
    for number in 0..limits::CERTIFICATES_PER_IDENTITY_MAX {
        desk.certificates
            .keep(draw(number), &eve, (None, [7; 32]), now)
            .unwrap();
    }
    let held = desk.certificates.issued.lock().entries.len();
    assert_eq!(held, limits::CERTIFICATES_PER_IDENTITY_MAX + 2);
    assert_eq!(
        rule(&desk, &der(&first), HERE),
        None,
        "nobody else loses any"
    );
    // All within one second, so that they end at the same time.
    let last = issue(&desk, &pair, SETTINGS);
    for _ in 1..limits::CERTIFICATES_PER_IDENTITY_MAX / 2 {
        issue(&desk, &pair, SETTINGS);
    }
    for gone in [der(&first), blob(&first)] {
        assert!(rule(&desk, &gone, HERE).is_some());
    }
    for kept in [der(&last), blob(&last)] {
        assert_eq!(rule(&desk, &kept, HERE), None);
    }
}

#[test]
fn whoever_acts_for_somebody_pushes_none_of_hers_out() {
    let (desk, pair) = (desk(), Ed25519KeyPair::generate().unwrap());
    let hers = issue(&desk, &pair, SETTINGS);
    let agent = Arc::new(Identity {
        actors: vec![Principal {
            issuer: "https://idp.example".to_owned(),
            subject: "agent".to_owned(),
        }],
        ..ana()
    });
    for number in 0..limits::CERTIFICATES_PER_IDENTITY_MAX {
        let prints = [0_u8, 1].map(|n| print(&[&number.to_be_bytes()[..], &[n]].concat()));
        let kept = desk
            .certificates
            .keep(prints, &agent, (None, [7; 32]), Timestamp(0));
        kept.unwrap();
    }
    assert_eq!(rule(&desk, &der(&hers), HERE), None);
}

/// OpenSSH's own eyes, and OpenSSL's.
#[test]
fn the_tools_that_use_them_read_them() {
    let (desk, pair) = (desk(), Ed25519KeyPair::generate().unwrap());
    let bound = CertificateSettings {
        same_address: true,
        ..SETTINGS
    };
    let certified = issue(&desk, &pair, bound);
    let path = desk._folder.0.join("id-cert.pub");
    std::fs::write(&path, &certified.ssh).unwrap();
    let shown = Command::new("ssh-keygen")
        .arg("-Lf")
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    for said in [
        "user certificate",
        "ana@example.com login login-1",
        "source-address 127.0.0.1",
        "portcullis",
    ] {
        assert!(text.contains(said), "{said} in {text}");
    }
    let path = desk._folder.0.join("id.crt");
    std::fs::write(&path, &certified.x509).unwrap();
    let shown = Command::new("openssl")
        .args(["x509", "-noout", "-text", "-in"])
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    for said in [
        "Portcullis people",
        "CN = ana@example.com",
        "urn:portcullis:login:login-1",
        "TLS Web Client Authentication",
        "CA:FALSE",
        "ED25519",
    ] {
        assert!(text.contains(said), "{said} in {text}");
    }
}
