//! Every secret that the file names: it has to be there, private, and hard to guess; keys have to be keys. And what of
//! each target's login is static, with what that means: it is the part that can be stolen and used elsewhere.

mod cluster;

use crate::assemble;
use crate::assemble::secrets::Keyring;
use crate::config::{Connection, Loaded, Notes, Place, SecretRef, Wire};
use portcullis_stream::Tripwires;
use portcullis_vault::{FixedKey, KeyFile, Source, Unavailable, VaultError};

pub(super) async fn look(loaded: &Loaded, notes: &mut Notes<'_>) {
    let tripwires = Tripwires::new();
    let secrets = match assemble::secrets::secrets(loaded, &tripwires) {
        Ok(secrets) => secrets,
        Err(error) => {
            let place = Place::root().key("secrets");
            notes.error(&place, error.to_string(), "name a PEM file of authorities");
            return;
        }
    };
    let keyring = Keyring::of(&secrets, &tripwires, &crate::clock::clock());
    let place = Place::root().key("connections");
    for (index, written) in loaded.config.connections.iter().enumerate() {
        let place = place.index(index).key("credential");
        target(written, &place, loaded, &keyring, notes).await;
        fixed(written, &place, loaded, &keyring, notes).await;
    }
    providers(loaded, &keyring, notes).await;
    masking(loaded, &keyring, notes).await;
    store(loaded, &keyring, notes).await;
    keyring
        .secrets
        .settle(portcullis_model::limits::SECRET_FETCH_MAX)
        .await;
}

async fn target(
    written: &Connection,
    place: &Place,
    loaded: &Loaded,
    keyring: &Keyring,
    notes: &mut Notes<'_>,
) {
    let credential = &written.credential;
    if let Some(mint) = &credential.mint {
        let place = place.key("mint").key("admin_password");
        guessable(&mint.admin_password, false, &place, loaded, keyring, notes).await;
    }
    if let Some(login) = &credential.fixed {
        let place = place.key("static").key("password");
        guessable(
            &login.password,
            login.allow_weak,
            &place,
            loaded,
            keyring,
            notes,
        )
        .await;
    }
    if let Some(cluster) = &credential.cluster {
        cluster::look(
            written,
            cluster,
            &place.key("cluster"),
            loaded,
            keyring,
            notes,
        )
        .await;
    }
    if let Some(certificate) = &credential.certificate {
        let place = place.key("certificate");
        let (named, passphrase) = (&certificate.authority, &certificate.passphrase);
        for (reference, key) in [(named, "authority"), (passphrase, "passphrase")] {
            if let Some(reference) = reference {
                private(&keyring.at(reference, loaded), &place.key(key), notes);
            }
        }
        let authority = assemble::ssh::authority(certificate, loaded, keyring);
        if let Err(error) = authority.public().await {
            key_problem(&place.key("authority"), &error, notes);
        }
    }
    if let Some(key) = &credential.key {
        let place = place.key("key").key("private_key");
        let file = KeyFile {
            key: keyring.at(&key.private_key, loaded),
            passphrase: key.passphrase.as_ref().map(|p| keyring.at(p, loaded)),
        };
        private(&file.key, &place, notes);
        let key = FixedKey::new(file, keyring.tripwires.clone());
        if let Err(error) = key.credential().await {
            key_problem(&place, &error, notes);
        }
    }
}

fn key_problem(place: &Place, error: &VaultError, notes: &mut Notes<'_>) {
    if let VaultError::Unavailable(name, why) = error
        && why.passes()
    {
        notes.warning(
            place,
            format!("the key {name} cannot be looked at right now: {why}"),
            "sessions of this target are refused as long as that is so",
        );
        return;
    }
    let remedy = match error {
        VaultError::Passphrase(_) => "name the passphrase that the key was made with",
        VaultError::SshKey(_) => {
            "name a private key in OpenSSH's form, and its `passphrase` where it has one"
        }
        error => remedy(error),
    };
    notes.error(place, crate::cli::explain(error), remedy);
}

fn private(source: &Source, place: &Place, notes: &mut Notes<'_>) {
    if let Some(exposed) = source.exposed() {
        notes.warning(place, exposed, "chmod 600 the file");
    }
}

/// A secret that is shown to a server has to be there, private, and hard to guess.
async fn guessable(
    reference: &SecretRef,
    allow_weak: bool,
    place: &Place,
    loaded: &Loaded,
    keyring: &Keyring,
    notes: &mut Notes<'_>,
) {
    let source = keyring.at(reference, loaded);
    private(&source, place, notes);
    match source.weak().await {
        // A store that is down is no mistake of the file, and must not keep the gateway from starting.
        Err(VaultError::Unavailable(name, why)) if why.passes() => notes.warning(
            place,
            format!("the secret {name} cannot be looked at right now: {why}"),
            "sessions of this target are refused as long as that is so",
        ),
        Err(error) => notes.error(place, error.to_string(), remedy(&error)),
        Ok(None) => {}
        Ok(Some(bits)) if allow_weak => notes.warning(
            place,
            format!("is weak (about {bits} bits): should it appear in a response, it is not masked"),
            "use a random password of 20 characters or more",
        ),
        Ok(Some(bits)) => notes.error(
            place,
            format!("is weak (about {bits} bits): masking it in responses would confirm a guess"),
            "use a random password of 20 characters or more, or accept the loss with `allow_weak: true`",
        ),
    }
}

fn remedy(error: &VaultError) -> &'static str {
    match error {
        VaultError::Secret(name) if name.starts_with("systemd:") => {
            "add `LoadCredential=NAME:/path` to the unit; outside of it, set CREDENTIALS_DIRECTORY"
        }
        VaultError::Secret(_) => "set the variable, or write the file",
        VaultError::Unavailable(_, Unavailable::Store(_)) => {
            "`portcullis secret set NAME` writes an entry, `portcullis secret list` prints the names"
        }
        VaultError::Unavailable(..) => {
            "the gateway's own account there needs to read it; engine/docs/credentials.md says how"
        }
        _ => "engine/docs/credentials.md says how each kind is set up",
    }
}

/// What of a target's login can be stolen and used elsewhere.
async fn fixed(
    written: &Connection,
    place: &Place,
    loaded: &Loaded,
    keyring: &Keyring,
    notes: &mut Notes<'_>,
) {
    let credential = &written.credential;
    if credential.fixed.is_some() {
        let instead = match written.protocol {
            Wire::Ssh => "use `certificate`: hosts then trust the gateway's authority, for minutes",
            _ => "use `mint`, or `vault` or `rds_iam`, where the server can do it",
        };
        notes.warning(
            &place.key("static"),
            format!(
                "`{}` logs in with one static password for all sessions: whoever learns it gets in past the gateway \
                 until it is changed, and the server cannot tell people apart",
                written.name
            ),
            instead,
        );
    }
    if credential.key.is_some() {
        notes.warning(
            &place.key("key"),
            format!(
                "`{}` logs in with one static key for all sessions: whoever learns it gets in past the gateway until \
                 it is taken out of `authorized_keys`, and the host cannot tell people apart",
                written.name
            ),
            "use `certificate`: hosts then trust the gateway's authority, for minutes",
        );
    }
    if let Some(cluster) = &credential.cluster {
        cluster::fixed(
            written,
            cluster,
            &place.key("cluster"),
            loaded,
            keyring,
            notes,
        )
        .await;
    }
}

/// The gateway's secrets at providers have to be there: it reads them when it starts.
async fn providers(loaded: &Loaded, keyring: &Keyring, notes: &mut Notes<'_>) {
    let written = loaded
        .config
        .login
        .iter()
        .flat_map(|login| &login.providers);
    for (index, provider) in written.enumerate() {
        let Some(reference) = &provider.client_secret else {
            continue;
        };
        let place = Place::root().key("login").key("providers").index(index);
        let place = place.key("client_secret");
        let source = keyring.at(reference, loaded);
        private(&source, &place, notes);
        if let Err(error) = source.client_secret().await {
            notes.error(&place, error.to_string(), remedy(&error));
        }
    }
}

/// The tenant's key has to be there, private, and a key.
async fn masking(loaded: &Loaded, keyring: &Keyring, notes: &mut Notes<'_>) {
    let Some(reference) = &loaded.config.masking.tenant_key else {
        return;
    };
    let place = Place::root().key("masking").key("tenant_key");
    private(&keyring.at(reference, loaded), &place, notes);
    let key = assemble::plugins::tenant_key(loaded, &keyring.secrets, &keyring.tripwires).await;
    if let Err(error) = key {
        let remedy = "`openssl rand -hex 32` makes one; set the variable, or write the file";
        notes.error(&place, error, remedy);
    }
}

/// The store's key has to be there, private, and the one.
async fn store(loaded: &Loaded, keyring: &Keyring, notes: &mut Notes<'_>) {
    let Some((path, key)) = assemble::secrets::store(loaded, &keyring.tripwires) else {
        return;
    };
    let place = Place::root().key("secrets").key("store");
    private(&key, &place.key("key"), notes);
    let key = match key.read().await {
        Ok(key) => key,
        Err(error) => {
            notes.error(&place.key("key"), error.to_string(), remedy(&error));
            return;
        }
    };
    match portcullis_vault::Store::at(&path).list(key.secret()) {
        Ok(_) => {}
        Err(error @ portcullis_vault::StoreError::Absent) => notes.warning(
            &place.key("path"),
            error.to_string(),
            "`portcullis secret set NAME` makes it",
        ),
        Err(error) => notes.error(
            &place,
            crate::cli::explain(&error),
            "name the key that the store was written with, or restore the file",
        ),
    }
}

#[cfg(test)]
mod tests;
