//! Logins to clusters: what they name has to be there, and what of it is static is told. The cluster itself is not
//! asked, also not for a token.

use super::{guessable, key_problem, private, remedy};
use crate::assemble;
use crate::assemble::secrets::Keyring;
use crate::config::{ClusterLogin, Connection, Loaded, Notes, Place};
use portcullis_vault::{Source, VaultError};

pub(super) async fn look(
    written: &Connection,
    cluster: &ClusterLogin,
    place: &Place,
    loaded: &Loaded,
    keyring: &Keyring,
    notes: &mut Notes<'_>,
) {
    if let Some(token) = &cluster.token {
        let place = place.key("token");
        guessable(token, cluster.allow_weak, &place, loaded, keyring, notes).await;
    }
    let Some(shown) = &cluster.client_certificate else {
        return;
    };
    let place = place.key("client_certificate");
    private(&keyring.at(&shown.key, loaded), &place.key("key"), notes);
    // What is wrong with the way itself is said where it stands.
    let Ok(tls) = assemble::upstream_tls(written, loaded) else {
        return;
    };
    let certificate = assemble::kubernetes::client_certificate(cluster, &tls, loaded, keyring);
    let Some(certificate) = certificate else {
        return;
    };
    match certificate.look().await {
        Ok(()) => {}
        Err(error @ VaultError::ClientCertificate(_)) => notes.error(
            &place,
            error.to_string(),
            "name the two halves of one pair, as `kubectl config view --raw` has them, decoded",
        ),
        Err(VaultError::Secret(name)) => {
            let error = VaultError::Secret(name);
            notes.error(&place, error.to_string(), remedy(&error));
        }
        Err(error) => key_problem(&place, &error, notes),
    }
}

/// What can be stolen and used elsewhere.
pub(super) async fn fixed(
    written: &Connection,
    cluster: &ClusterLogin,
    place: &Place,
    loaded: &Loaded,
    keyring: &Keyring,
    notes: &mut Notes<'_>,
) {
    let name = &written.name;
    if let Some(token) = &cluster.token
        && endless(&keyring.at(token, loaded)).await
    {
        notes.warning(
            &place.key("token"),
            format!(
                "`{name}` logs in with a token that does not end: whoever learns it is the gateway in that cluster \
                 until its ServiceAccount is deleted"
            ),
            "use a projected token, which the kubelet renews; `kubectl create token` makes one by hand",
        );
    }
    if cluster.client_certificate.is_some() || written.client_certificate.is_some() {
        notes.warning(
            place,
            format!(
                "`{name}` logs in with a client certificate: whoever learns its key is the gateway in that cluster \
                 until the certificate ends, and no cluster can take one back"
            ),
            "use a projected token where there is one, or let it end within days and make tokens for `service_account`",
        );
    }
}

/// A JWT without `exp`, or no JWT at all.
async fn endless(source: &Source) -> bool {
    let Ok(held) = source.read().await else {
        return false;
    };
    !held.ends()
}
