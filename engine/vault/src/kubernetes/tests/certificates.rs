//! Client certificates by reference: shown as they are now, together or not at all.

use super::*;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;

/// A certificate and its key, in PEM.
fn made() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["gateway".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn plain() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Arc::new(config)
}

fn login(folder: &Path, tripwires: &Tripwires) -> ClusterLogin {
    ClusterLogin {
        token: None,
        certificate: Some(ClientCertificate {
            certificate: Source::of_file(&folder.join("tls.crt")),
            key: Source::of_file(&folder.join("tls.key")),
            tls: plain(),
        }),
        account: None,
        tls: SideTls::Disable,
        weak: Weak::Refuse,
        impersonate: None,
        tripwires: tripwires.clone(),
    }
}

async fn shown(key: &dyn ClusterKey) -> Arc<ClientConfig> {
    match key.tls().await.unwrap() {
        Some(UpstreamTls::Require(config)) => config.downcast::<ClientConfig>().unwrap(),
        _ => panic!("a certificate is shown"),
    }
}

#[tokio::test]
async fn a_certificate_is_read_anew_for_every_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let (first, second) = (made(), made());
    std::fs::write(&certificate, &first.0).unwrap();
    std::fs::write(&key, &first.1).unwrap();
    let tripwires = Tripwires::new();
    let session_key = login(folder.path(), &tripwires)
        .credential(&session(None))
        .await
        .unwrap();
    assert!(session_key.bearer().await.unwrap().is_none());
    let before = shown(&*session_key).await;
    assert!(before.client_auth_cert_resolver.has_certs());
    assert!(Arc::ptr_eq(&before, &shown(&*session_key).await));
    // A line of the key is enough, whatever stands around it.
    let line = |pem: &str| format!("x {} y", pem.lines().nth(1).unwrap());
    assert!(!tripwires.hits(line(&first.1).as_bytes()).is_empty());
    assert!(tripwires.hits(first.0.as_bytes()).is_empty(), "no secret");

    std::fs::write(&certificate, &second.0).unwrap();
    // Half of a rotation shows nothing.
    let half = session_key.tls().await.unwrap_err();
    assert!(
        half.chain().contains("private key of the first one"),
        "{}",
        half.chain()
    );
    std::fs::write(&key, &second.1).unwrap();
    assert!(!Arc::ptr_eq(&before, &shown(&*session_key).await));
    assert!(!tripwires.hits(line(&second.1).as_bytes()).is_empty());
    drop(session_key);
    assert!(tripwires.hits(line(&second.1).as_bytes()).is_empty());
}

#[tokio::test]
async fn what_cannot_be_shown_opens_no_session() {
    let (good, other) = (made(), made());
    for (certificate, key) in [
        (good.0.as_str(), other.1.as_str()),
        (good.0.as_str(), "no key"),
        ("no certificate", good.1.as_str()),
        (good.1.as_str(), good.1.as_str()),
        (good.0.as_str(), good.0.as_str()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tls.crt"), certificate).unwrap();
        std::fs::write(folder.path().join("tls.key"), key).unwrap();
        let login = login(folder.path(), &Tripwires::new());
        assert!(login.credential(&session(None)).await.is_err());
        let looked = login.certificate.unwrap().look().await.unwrap_err();
        assert!(
            matches!(looked, VaultError::ClientCertificate(_)),
            "{looked}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let login = login(folder.path(), &Tripwires::new());
    assert!(
        login.credential(&session(None)).await.is_err(),
        "none is there"
    );
}
