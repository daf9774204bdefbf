//! From `login:` to the place where people log in. Its key and who is logged in stay over a reload; providers
//! and times follow the configuration.

use super::Broken;
use super::issuers::Front;
use crate::config::{Loaded, Login};
use crate::paths;
use arc_swap::ArcSwap;
use portcullis_gate::Clock;
use portcullis_identity::{
    CertificateSettings, Certificates, ProviderSettings, Providers, SamlSettings, SessionKey,
    SessionTokens, SignIn, SignInSettings,
};
use portcullis_vault::Secrets;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The place, when the configuration has one.
pub(super) async fn front(
    loaded: &Loaded,
    secrets: &Secrets,
    clock: &Clock,
) -> Result<Option<Front>, Broken> {
    let (Some(login), Some(providers)) = (&loaded.config.login, providers(loaded, secrets).await?)
    else {
        return Ok(None);
    };
    let failed = |error: &dyn std::error::Error| Broken::Login(crate::cli::explain(error));
    let state = loaded.path(&loaded.config.state_dir);
    let key = SessionKey::open(&paths::session_key(&state)).map_err(|e| failed(&e))?;
    let tokens = SessionTokens::new(key, &login.url, Arc::clone(clock)).map_err(|e| failed(&e))?;
    let tokens = Arc::new(tokens);
    let people = SessionKey::open(&paths::people_key(&state)).map_err(|e| failed(&e))?;
    let certificates = Certificates::new(people, Arc::clone(clock)).map_err(|e| failed(&e))?;
    Ok(Some(Front {
        desk: Arc::new(SignIn::new(Arc::clone(&tokens), Arc::clone(clock))),
        tokens,
        providers: ArcSwap::from_pointee(providers),
        certificates,
    }))
}

/// How people are certified, where they are.
pub(super) fn certificates(loaded: &Loaded) -> Option<CertificateSettings> {
    let written = loaded.config.login.as_ref()?.certificates.as_ref()?;
    Some(CertificateSettings {
        ttl: written.ttl.0,
        same_address: written.same_address,
    })
}

/// Its providers, with their secrets read now.
pub(super) async fn providers(
    loaded: &Loaded,
    secrets: &Secrets,
) -> Result<Option<Providers>, Broken> {
    let Some(login) = &loaded.config.login else {
        return Ok(None);
    };
    let settings = SignInSettings {
        url: login.url.clone(),
        session: login.session.0,
        longest: login.longest.0,
        providers: settings(login, loaded, secrets).await?,
        saml: saml(login, loaded)?,
    };
    Providers::new(settings).map(Some).map_err(Broken::Login)
}

fn saml(login: &Login, loaded: &Loaded) -> Result<Vec<SamlSettings>, Broken> {
    let one = |written: &crate::config::SamlProvider| {
        let path = loaded.path(&written.metadata);
        let text = std::fs::read_to_string(&path);
        let failed =
            |error| Broken::Login(format!("{}: {}: {error}", written.name, path.display()));
        Ok(SamlSettings {
            name: written.name.clone(),
            entity: written.entity.clone(),
            metadata: text.map_err(failed)?,
            subject: written.subject_attribute.clone(),
            groups: written.groups_attribute.clone(),
            display: written.name_attribute.clone(),
        })
    };
    login.saml.iter().map(one).collect()
}

async fn settings(
    login: &Login,
    loaded: &Loaded,
    secrets: &Secrets,
) -> Result<Vec<ProviderSettings>, Broken> {
    let mut all = Vec::with_capacity(login.providers.len());
    for written in &login.providers {
        let mut issuers = loaded.config.issuers.iter();
        let issuer = issuers.find(|i| i.name == written.issuer);
        let issuer =
            issuer.ok_or_else(|| Broken::Login(format!("{} is no issuer", written.issuer)))?;
        all.push(ProviderSettings {
            name: issuer.name.clone(),
            issuer: issuer.issuer.clone(),
            client_id: written.client_id.clone(),
            client_secret: secret(written, loaded, secrets).await?,
            scopes: written.scopes.clone(),
            ca_file: issuer.ca.as_ref().map(|path| loaded.path(path)),
        });
    }
    Ok(all)
}

async fn secret(
    written: &crate::config::LoginProvider,
    loaded: &Loaded,
    secrets: &Secrets,
) -> Result<Option<Zeroizing<String>>, Broken> {
    let Some(reference) = &written.client_secret else {
        return Ok(None);
    };
    let failed = |why: String| Broken::Login(format!("{}: {why}", written.issuer));
    let source = super::secrets::source(secrets, reference, loaded);
    let secret = source.client_secret().await;
    secret.map(Some).map_err(|error| failed(error.to_string()))
}
