//! From `issuers:` to whoever verifies tokens. They are replaced as a whole, and only when their
//! configuration has changed: new ones know no keys yet.

use super::{Broken, login, sign_in};
use crate::config::{self, Issuer, Loaded, Preset, Values};
use crate::front_desk::Verify;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portcullis_gate::{BoxFuture, Clock, Knocking};
use portcullis_identity::{
    Algorithm, BoundKey, Certificates, IssuerConfig, IssuerState, Issuers, Jwks, KindRule, Logins,
    Naming, Providers, Required, SessionTokens, SignIn,
};
use portcullis_model::{Denial, Identity, Kind};
use portcullis_vault::Secrets;
use std::net::IpAddr;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// Whoever verifies tokens right now.
pub struct Doormen {
    issuers: ArcSwap<Issuers>,
    written: Mutex<String>,
    maintenance: Mutex<AbortOnDropHandle<()>>,
    logins: Logins,
    front: Option<Front>,
    clock: Clock,
}

/// Where people log in, and what signs their session tokens.
pub struct Front {
    /// Session tokens.
    pub tokens: Arc<SessionTokens>,
    /// Logins under way, and who is logged in.
    pub desk: Arc<SignIn>,
    /// Providers, as configured now.
    pub providers: ArcSwap<Providers>,
    /// Certificates of those who are logged in.
    pub certificates: Certificates,
}

impl Doormen {
    /// The issuers of a configuration; their keys are fetched in the background. Call it inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the configuration verifies nothing.
    pub async fn new(
        loaded: &Loaded,
        secrets: &Secrets,
        clock: Clock,
    ) -> Result<Arc<Self>, Broken> {
        let issuers = issuers(loaded, &clock)?;
        let front = login::front(loaded, secrets, &clock).await?;
        Ok(Arc::new(Self {
            front,
            maintenance: Mutex::new(maintain(&issuers)),
            issuers: ArcSwap::new(issuers),
            written: Mutex::new(spelled(loaded)),
            logins: Logins::new(Arc::clone(&clock))
                .map_err(|error| Broken::Issuers(error.to_string()))?,
            clock,
        }))
    }

    /// Prepares the issuers of another configuration; none when nothing changed.
    ///
    /// # Errors
    /// When the configuration verifies nothing; the old ones stay.
    pub async fn prepare(
        &self,
        loaded: &Loaded,
        secrets: &Secrets,
    ) -> Result<Option<Prepared>, Broken> {
        let same = *self.written.lock() == spelled(loaded);
        match same {
            true => Ok(None),
            false => Ok(Some(Prepared {
                issuers: issuers(loaded, &self.clock)?,
                providers: login::providers(loaded, secrets).await?,
            })),
        }
    }

    /// Puts them in place.
    pub fn replace(&self, loaded: &Loaded, prepared: Prepared) {
        let Prepared { issuers, providers } = prepared;
        if let (Some(front), Some(providers)) = (&self.front, providers) {
            front.providers.store(Arc::new(providers));
        }
        *self.maintenance.lock() = maintain(&issuers);
        *self.written.lock() = spelled(loaded);
        self.issuers.store(issuers);
    }

    /// True when tokens of this issuer are still accepted.
    #[must_use]
    pub fn knows(&self, issuer: &str) -> bool {
        let saml = self.front.as_ref().map(|f| f.providers.load());
        self.issuers.load().config(issuer).is_some() || saml.is_some_and(|p| p.vouches(issuer))
    }

    /// Logins that the gateway issues itself, to whom an issuer's token has proved.
    #[must_use]
    pub fn logins(&self) -> &Logins {
        &self.logins
    }

    /// Where people log in, if anywhere.
    #[must_use]
    pub fn front(&self) -> Option<&Front> {
        self.front.as_ref()
    }

    /// The issuers that serve now.
    #[must_use]
    pub fn issuers(&self) -> Arc<Issuers> {
        self.issuers.load_full()
    }

    /// Whom a session token of ours stands for; none when it is none.
    fn session(&self, proof: &str) -> Option<Result<Identity, Denial>> {
        let read = self.front.as_ref()?.tokens.verify(proof)?;
        Some(
            read.map_err(|refused| refused.denial())
                .and_then(|identity| self.still_trusted(identity)),
        )
    }

    /// Trusted when it was issued, and perhaps no longer: whoever vouched for anybody in the chain.
    fn still_trusted(&self, identity: Identity) -> Result<Identity, Denial> {
        self.trusts(&identity).map(|()| identity)
    }

    /// How their keys are.
    #[must_use]
    pub fn state(&self) -> Vec<IssuerState> {
        self.issuers.load().state()
    }
}

impl Verify for Doormen {
    fn verify<'a>(&'a self, proof: &'a str) -> BoxFuture<'a, Result<Identity, Denial>> {
        Box::pin(async move {
            if let Some(session) = self.session(proof) {
                return session;
            }
            let issuers = self.issuers.load_full();
            issuers
                .verify(proof)
                .await
                .map_err(|refused| refused.denial())
        })
    }

    fn prove<'a>(
        &'a self,
        name: &'a str,
        binding: Option<&'a [u8]>,
        waiting: Knocking<'a>,
    ) -> BoxFuture<'a, Result<Arc<Identity>, Denial>> {
        Box::pin(async move {
            let identity = self.logins.prove(name, binding, waiting).await?;
            // Trusted when it was issued, and perhaps no longer.
            match self.knows(&identity.principal.issuer) {
                true => Ok(identity),
                false => Err(untrusted()),
            }
        })
    }

    fn certified(&self, certificate: &[u8], from: IpAddr) -> Result<Arc<Identity>, Denial> {
        let front = self.front.as_ref().ok_or_else(uncertified)?;
        let identity = front.certificates.verify(certificate, from)?;
        let mut chain = std::iter::once(&identity.principal).chain(&identity.actors);
        match chain.all(|principal| self.knows(&principal.issuer)) {
            true => Ok(identity),
            false => Err(untrusted()),
        }
    }

    fn bound<'a>(
        &'a self,
        token: &'a str,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Identity, Denial>> {
        Box::pin(async move {
            let key = BoundKey::of_ssh(key).ok_or_else(unbound)?;
            let issuers = self.issuers.load_full();
            let verified = issuers.verify_bound(token, &key).await;
            verified.map_err(|refused| refused.denial())
        })
    }

    fn trusts(&self, identity: &Identity) -> Result<(), Denial> {
        let mut chain = std::iter::once(&identity.principal).chain(&identity.actors);
        match chain.all(|principal| self.knows(&principal.issuer)) {
            true => Ok(()),
            false => Err(untrusted()),
        }
    }

    fn may_prove(&self, key: &[u8]) -> bool {
        let Some(key) = BoundKey::of_ssh(key) else {
            return false;
        };
        let certified = match (&key, &self.front) {
            (BoundKey::Ed25519(key), Some(front)) => front.certificates.knows(key),
            _ => false,
        };
        certified || self.issuers.load().binds_keys()
    }

    fn signs_in(&self) -> bool {
        self.front
            .as_ref()
            .is_some_and(|front| front.providers.load().on_device().is_some())
    }

    fn sign_in<'a>(
        &'a self,
        from: IpAddr,
        waiting: Knocking<'a>,
    ) -> BoxFuture<'a, Result<Identity, Denial>> {
        Box::pin(async move {
            let front = self.front.as_ref().ok_or_else(sign_in::nowhere)?;
            let identity = sign_in::on_device(front, self.issuers(), from, waiting).await?;
            self.still_trusted(identity)
        })
    }
}

fn uncertified() -> Denial {
    Denial::new("identity/certificate", "nobody is certified here")
        .hint("Give your token in the place of the password.")
}

fn unbound() -> Denial {
    Denial::new(
        "identity/key",
        "tokens are bound to keys of Ed25519 or P-256 here",
    )
    .hint("Log in again with one of them: opkssh login")
}

fn untrusted() -> Denial {
    Denial::new(
        "identity/issuer",
        "the issuer of the identity is no longer trusted",
    )
    .hint("Ask whoever runs the gateway.")
}

/// What another configuration verifies with, ready to serve.
pub struct Prepared {
    issuers: Arc<Issuers>,
    providers: Option<Providers>,
}

fn maintain(issuers: &Arc<Issuers>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(Arc::clone(issuers).maintain()))
}

/// The configuration of the issuers with the contents of the files it names.
fn spelled(loaded: &Loaded) -> String {
    let login = loaded.config.login.as_ref();
    let files: Vec<_> = loaded
        .config
        .issuers
        .iter()
        .flat_map(|issuer| [&issuer.keys, &issuer.ca])
        .flatten()
        .chain(
            login
                .into_iter()
                .flat_map(|l| l.saml.iter().map(|s| &s.metadata)),
        )
        .map(|path| std::fs::read(loaded.path(path)).ok())
        .collect();
    serde_json::json!([loaded.config.issuers, loaded.config.login, files]).to_string()
}

fn issuers(loaded: &Loaded, clock: &Clock) -> Result<Arc<Issuers>, Broken> {
    Issuers::new(issuer_configs(loaded)?, Arc::clone(clock))
        .map_err(|error| Broken::Issuers(error.to_string()))
}

/// Refuses issuers that are reached in clear, such as the development issuer, unless every listener is on
/// loopback: what anybody on the machine can pose as must not open a door to the network.
///
/// # Errors
/// [`Broken::Issuers`] with the name of the issuer.
pub fn trust_is_local(loaded: &Loaded) -> Result<(), Broken> {
    let mut listeners = loaded.config.listeners.iter();
    if listeners.all(|listener| listener.address.ip().is_loopback()) {
        return Ok(());
    }
    let mut issuers = loaded.config.issuers.iter();
    match issuers.find(|issuer| issuer.issuer.starts_with("http://")) {
        None => Ok(()),
        Some(issuer) => Err(Broken::Issuers(format!(
            "{} is on plain http, as the development issuer is; with it, every listener must be on loopback",
            issuer.name
        ))),
    }
}

/// `issuers:` as `identity` wants it.
///
/// # Errors
/// When a file of keys cannot be read.
pub fn issuer_configs(loaded: &Loaded) -> Result<Vec<IssuerConfig>, Broken> {
    loaded
        .config
        .issuers
        .iter()
        .map(|issuer| issuer_config(issuer, loaded))
        .collect()
}

fn issuer_config(issuer: &Issuer, loaded: &Loaded) -> Result<IssuerConfig, Broken> {
    let rule = issuer.kind.clone().unwrap_or_default();
    // A token that does not say its kind gets the one with the fewest rights.
    let kind = rule.fixed.unwrap_or(Kind::Service);
    let mut config = IssuerConfig::new(&issuer.name, &issuer.issuer, "", kind);
    config.audiences = issuer.audiences.clone();
    config.authorized_parties = issuer.authorized_parties.clone();
    config.openpubkey_clients = issuer.openpubkey_clients.clone();
    let algorithms = issuer.algorithms.iter().flatten();
    config.algorithms = algorithms.map(|a| algorithm(*a)).collect();
    if issuer.preset == Some(Preset::Spiffe) {
        config.naming = Naming::TrustDomain;
    }
    if let Some(path) = &issuer.keys {
        config.jwks = Jwks::Inline(keys(issuer, &loaded.path(path))?);
    } else if let Some(address) = &issuer.jwks_uri {
        config.jwks = Jwks::Url(address.clone());
    }
    config.claims.groups = issuer.groups_claim.clone();
    config.claims.name = issuer.name_claim.clone();
    config.claims.owner = issuer.owner_claim.clone();
    config.claims.owner_issuer = issuer.owner_issuer.clone();
    config.claims.kinds = kind_rules(&rule);
    if let Some(kinds) = &issuer.kinds {
        config.kinds.clone_from(kinds);
    }
    let required = |(claim, values): (&String, &Values)| Required {
        claim: claim.clone(),
        values: values.all().to_vec(),
    };
    config.required = issuer.require.iter().map(required).collect();
    config.allowed_claims = issuer.claims.clone().unwrap_or_default();
    config.require_typ = issuer.typ.clone();
    config.single_use = issuer.single_use;
    config.skew = issuer.clock_skew.0;
    config.max_age = issuer.max_age.map(|age| age.0);
    config.ca_file = issuer.ca.as_ref().map(|path| loaded.path(path));
    Ok(config)
}

fn kind_rules(rule: &config::KindRule) -> Vec<KindRule> {
    match &rule.claim {
        Some(claim) => KINDS
            .map(|(value, kind)| KindRule {
                claim: claim.clone(),
                value: Some(value.to_owned()),
                kind,
            })
            .into(),
        None => rule
            .rules
            .iter()
            .map(|of| KindRule {
                claim: of.claim.clone(),
                value: of.value.clone(),
                kind: of.kind,
            })
            .collect(),
    }
}

const KINDS: [(&str, Kind); 4] = [
    ("agent", Kind::Agent),
    ("ci", Kind::Ci),
    ("human", Kind::Human),
    ("service", Kind::Service),
];

fn keys(issuer: &Issuer, path: &std::path::Path) -> Result<serde_json::Value, Broken> {
    let failed = |why: String| {
        Broken::Issuers(format!(
            "{}: keys in {}: {why}",
            issuer.name,
            path.display()
        ))
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}

fn algorithm(algorithm: config::Algorithm) -> Algorithm {
    match algorithm {
        config::Algorithm::ES256 => Algorithm::ES256,
        config::Algorithm::ES384 => Algorithm::ES384,
        config::Algorithm::EdDSA => Algorithm::EdDSA,
        config::Algorithm::PS256 => Algorithm::PS256,
        config::Algorithm::PS384 => Algorithm::PS384,
        config::Algorithm::PS512 => Algorithm::PS512,
        config::Algorithm::RS256 => Algorithm::RS256,
        config::Algorithm::RS384 => Algorithm::RS384,
        config::Algorithm::RS512 => Algorithm::RS512,
    }
}

#[cfg(test)]
mod tests;
