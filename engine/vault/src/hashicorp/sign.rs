//! SSH certificates that the server signs (https://developer.hashicorp.com/vault/api-docs/secret/ssh#sign-ssh-key): the
//! authority's key never comes here. What comes back is looked at before it is used: a certificate that permits more
//! than was asked for, lasts longer, or names somebody else in the host's log, is refused.

use super::{Ask, Hashicorp};
use crate::error::{Unavailable, VaultError};
use crate::secrets::Secrets;
use crate::ssh::CertificateRequest;
use serde_json::{Map, Value, json};
use ssh_key::certificate::CertType;
use ssh_key::{Certificate, PublicKey};
use std::sync::Arc;

/// What a server may add to the time of a certificate: `ttl` is counted from its own clock.
const CLOCK_SECONDS: u64 = 60;

/// A role of an SSH engine.
#[derive(Clone, Debug)]
pub struct SigningRole {
    /// The server, by its name in the configuration.
    pub server: String,
    /// The mount of the engine.
    pub mount: String,
    /// The role there.
    pub role: String,
}

/// Has keys signed.
#[derive(Clone)]
pub struct SshSigner {
    role: SigningRole,
    secrets: Secrets,
}

impl SshSigner {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(role: SigningRole, secrets: Secrets) -> Self {
        Self { role, secrets }
    }

    /// A certificate for this key, in the form of a `-cert.pub` file.
    ///
    /// # Errors
    /// When the server cannot be reached, signs nothing, or signs something else.
    pub(crate) async fn sign(
        &self,
        key: &PublicKey,
        request: &CertificateRequest,
        now: u64,
    ) -> Result<Certificate, VaultError> {
        let SigningRole {
            server,
            mount,
            role,
        } = &self.role;
        let named =
            |why| VaultError::Unavailable(format!("vault:{server}/{mount}/sign/{role}"), why);
        let server: Arc<Hashicorp> = self.secrets.vault(server)?;
        let public = key.to_openssh().map_err(|_| VaultError::Sign)?;
        let body = body(&public, request);
        let ask = Ask::put(format!("{mount}/sign/{role}"), &body);
        let answer = server.ask(ask).await.map_err(named)?;
        let signed = answer.text("/data/signed_key");
        let signed = signed.ok_or_else(|| named(Unavailable::Answer))?;
        let certificate =
            Certificate::from_openssh(signed.trim()).map_err(|_| named(Unavailable::Answer))?;
        match is_what_was_asked(&certificate, key, request, now) {
            true => Ok(certificate),
            false => Err(named(Unavailable::OtherCertificate)),
        }
    }
}

fn body(public: &str, request: &CertificateRequest) -> Value {
    let extensions: Map<String, Value> = request
        .bearing
        .extensions()
        .iter()
        .map(|name| ((*name).to_owned(), json!("")))
        .collect();
    let mut options = Map::new();
    if !request.source_addresses.is_empty() {
        options.insert(
            "source-address".to_owned(),
            json!(request.source_addresses.join(",")),
        );
    }
    if let Some(command) = &request.command {
        options.insert("force-command".to_owned(), json!(command));
    }
    json!({
        "public_key": public,
        "cert_type": "user",
        "valid_principals": request.principals.join(","),
        "ttl": format!("{}s", request.valid_for.as_secs()),
        "key_id": request.key_id,
        "extensions": extensions,
        "critical_options": options,
    })
}

fn is_what_was_asked(
    certificate: &Certificate,
    key: &PublicKey,
    request: &CertificateRequest,
    now: u64,
) -> bool {
    let latest = now + request.valid_for.as_secs() + CLOCK_SECONDS;
    let allowed = request.bearing.extensions();
    let mut permits = certificate.extensions().keys();
    let from = certificate.critical_options().get("source-address");
    let addresses = request.source_addresses.join(",");
    certificate.cert_type() == CertType::User
        && certificate.public_key() == key.key_data()
        && certificate.valid_principals() == request.principals.as_slice()
        // What the host writes down of who came: a role may put a name of its own there.
        && certificate.key_id() == request.key_id
        && certificate.valid_before() <= latest
        && certificate.valid_before() > now
        && permits.all(|name| allowed.contains(&name.as_str()))
        && (addresses.is_empty() || from == Some(&addresses))
        && certificate.critical_options().get("force-command") == request.command.as_ref()
}
