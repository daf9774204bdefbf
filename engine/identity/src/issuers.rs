//! The configured issuers, and the one question the front desk asks: who is this?
//!
//! It refuses two issuers with one `iss`, and settings that verify nothing.

use crate::claims;
use crate::config::{IssuerConfig, Naming};
use crate::key_cache::{KeyCache, Lookup, NoKeys, candidates};
use crate::key_set::NoKey;
use crate::refused::{Code, Refused};
use crate::replay::Used;
use crate::spiffe;
use crate::token::{Proven, Unverified, unknown_issuer, unknown_key};
use portcullis_fetch::Address;
use portcullis_gate::Clock;
use portcullis_model::{Identity, Timestamp, limits};
use std::sync::Arc;
use std::time::Duration;

/// How often the background task looks whether a refresh is due.
const TICK: Duration = Duration::from_secs(15);

/// Why the issuers of a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Misconfigured {
    /// Two share a name or an `iss`.
    #[error("issuer {0}: another has the same name or the same `issuer`")]
    Twice(String),
    /// No audience, no algorithm, no issuer, no kind, or an empty string among them.
    #[error(
        "issuer {0}: `issuer`, `audiences`, `algorithms`, `kinds` and each `require` must say something"
    )]
    Incomplete(String),
    /// Neither https, nor http to loopback.
    #[error("issuer {0}: its address must be https (http only to loopback)")]
    Address(String),
    /// Authorities or inline keys cannot be read.
    #[error("issuer {0}: its certificate authorities or inline keys cannot be used")]
    Keys(String),
    /// No trust domain, or nowhere to get its keys.
    #[error(
        "issuer {0}: a trust domain is `spiffe://name`, and its keys come from a file or an address"
    )]
    TrustDomain(String),
    /// A claim that only the gateway writes.
    #[error(
        "issuer {0}: the claim `portcullis` is the gateway's own and cannot be taken from a token"
    )]
    Reserved(String),
    /// So much skew that an expired token would simply be accepted.
    #[error("issuer {0}: clocks may be said to differ by five minutes at most")]
    Skew(String),
}

/// How an issuer's keys are, for health pages.
#[derive(Clone, Debug)]
pub struct IssuerState {
    /// The configured name.
    pub name: String,
    /// Keys remembered; with none, nobody can log in.
    pub keys: usize,
    /// When they were fetched; the epoch when never (or inline).
    pub fetched: Timestamp,
    /// True when the last attempt to fetch them failed.
    pub failing: bool,
}

/// What a provider says about somebody who has just logged in.
pub(crate) struct LoginProof<'a> {
    /// The configured name of the provider.
    pub(crate) provider: &'a str,
    /// Our name there.
    pub(crate) client: &'a str,
    /// The ID token.
    pub(crate) token: &'a str,
    /// What it must repeat, where we could say something.
    pub(crate) nonce: Option<&'a str>,
}

/// All configured issuers.
pub struct Issuers {
    issuers: Vec<Issuer>,
    used: Used,
    clock: Clock,
}

struct Issuer {
    config: IssuerConfig,
    keys: Arc<KeyCache>,
}

impl Issuer {
    /// Claims that fit `config`, signed by a key of this issuer.
    async fn prove(
        &self,
        token: Unverified<'_>,
        config: &IssuerConfig,
        now: Timestamp,
    ) -> Result<Proven, Refused> {
        let token = token.fit(config, now)?;
        let (key, algorithm) = (token.key.clone(), token.algorithm);
        let set = match self.keys.lookup(key.as_deref(), algorithm).await {
            Lookup::Found(set) => set,
            Lookup::Missing(NoKey::Algorithm) => return Err(wrong_algorithm()),
            Lookup::Missing(NoKey::Unknown | NoKey::Unnamed) => return Err(unknown_key()),
            Lookup::Unavailable => return Err(unavailable()),
        };
        let keys = candidates(&set, key.as_deref(), algorithm);
        token.prove(&keys)
    }
}

impl Issuers {
    /// Checks the configuration; fetches nothing yet.
    ///
    /// # Errors
    /// [`Misconfigured`] with the name of the issuer.
    pub fn new(configs: Vec<IssuerConfig>, clock: Clock) -> Result<Arc<Self>, Misconfigured> {
        let mut issuers: Vec<Issuer> = Vec::with_capacity(configs.len());
        for config in configs {
            let name = || config.name.clone();
            check(&config)?;
            let same = |other: &Issuer| {
                other.config.issuer == config.issuer || other.config.name == config.name
            };
            if issuers.iter().any(same) {
                return Err(Misconfigured::Twice(name()));
            }
            let keys = KeyCache::new(&config, clock.clone()).map_err(|error| match error {
                NoKeys::Fetch(_) | NoKeys::Discovery | NoKeys::Empty => Misconfigured::Keys(name()),
            })?;
            issuers.push(Issuer {
                keys: Arc::new(keys),
                config,
            });
        }
        Ok(Arc::new(Self {
            issuers,
            used: Used::new(),
            clock,
        }))
    }

    /// The identity that a token proves, now.
    ///
    /// # Errors
    /// [`Refused`] with a message for the person who sent it; it holds no byte of the token.
    pub async fn verify(&self, token: &str) -> Result<Identity, Refused> {
        let token = Unverified::read(token)?;
        // Names of issuers go before trust domains, so that a token has one authority.
        let named = |naming| {
            let mut all = self.issuers.iter();
            all.find(|i| i.config.naming == naming && token.is_of(&i.config))
        };
        let issuer = named(Naming::Issuer)
            .or_else(|| named(Naming::TrustDomain))
            .ok_or_else(unknown_issuer)?;
        let now = (self.clock)();
        let proven = issuer.prove(token, &issuer.config, now).await?;
        let identity = claims::identity(&issuer.config, proven, now)?;
        if issuer.config.single_use {
            // As long as the skew would let it pass, to the last second.
            let spare = issuer.config.skew + Duration::from_secs(1);
            let until = identity.expires.after(spare);
            let id = identity.token_id.as_deref();
            self.used.once(&issuer.config.issuer, id, until, now)?;
        }
        Ok(identity)
    }

    /// Whom a provider has just logged in at our request: an ID token for the client that we are there
    /// (OpenID Connect Core section 3.1.3.7).
    ///
    /// # Errors
    /// [`Refused`], as for any token, and when it answers another request than ours.
    pub(crate) async fn verify_login(&self, proof: &LoginProof<'_>) -> Result<Identity, Refused> {
        let named = self.issuers.iter();
        let mut named = named.filter(|i| i.config.name == proof.provider);
        let issuer = named.next().ok_or_else(unknown_issuer)?;
        let mut config = issuer.config.clone();
        config.audiences = vec![proof.client.to_owned()];
        config.authorized_parties.clear();
        config.require_typ = None;
        // Made for this request, moments ago.
        config.max_age = Some(limits::LOGIN_PENDING_MAX);
        let token = Unverified::read(proof.token)?;
        let now = (self.clock)();
        let proven = issuer.prove(token, &config, now).await?;
        let nonce = proven
            .claims
            .get("nonce")
            .and_then(serde_json::Value::as_str);
        let answers = proof.nonce.is_none_or(|asked| {
            nonce.is_some_and(|n| {
                aws_lc_rs::constant_time::verify_slices_are_equal(n.as_bytes(), asked.as_bytes())
                    .is_ok()
            })
        });
        match answers {
            true => claims::identity(&config, proven, now),
            false => Err(Refused::new(
                Code::Nonce,
                "the provider has answered another login than this one",
                "Log in again: portcullis login",
            )),
        }
    }

    /// The moment.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// All configurations.
    pub(crate) fn configs(&self) -> impl Iterator<Item = &IssuerConfig> {
        self.issuers.iter().map(|issuer| &issuer.config)
    }

    /// Claims that fit another configuration of an issuer, signed by a key of it.
    pub(crate) async fn prove_as(
        &self,
        token: Unverified<'_>,
        config: &IssuerConfig,
        now: Timestamp,
    ) -> Result<Proven, Refused> {
        let mut same = self.issuers.iter().filter(|i| i.config.name == config.name);
        let issuer = same.next().ok_or_else(unknown_issuer)?;
        issuer.prove(token, config, now).await
    }

    /// Keeps the keys fresh, for ever: run it as a task. The first round fetches them all.
    pub async fn maintain(self: Arc<Self>) {
        loop {
            for issuer in &self.issuers {
                issuer.keys.refresh_if_due().await;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// The configuration of an issuer by its `iss`.
    #[must_use]
    pub fn config(&self, issuer: &str) -> Option<&IssuerConfig> {
        let found = self.issuers.iter().find(|i| i.config.issuer == issuer);
        found.map(|i| &i.config)
    }

    /// How the keys are.
    #[must_use]
    pub fn state(&self) -> Vec<IssuerState> {
        let state = |issuer: &Issuer| {
            let (keys, fetched, failing) = issuer.keys.state();
            IssuerState {
                name: issuer.config.name.clone(),
                keys,
                fetched,
                failing,
            }
        };
        self.issuers.iter().map(state).collect()
    }
}

fn check(config: &IssuerConfig) -> Result<(), Misconfigured> {
    use crate::config::Jwks;
    let said = |list: &[String]| !list.is_empty() && list.iter().all(|s| !s.is_empty());
    let complete = !config.issuer.is_empty()
        && !config.name.is_empty()
        && said(&config.audiences)
        && !config.algorithms.is_empty()
        && !config.kinds.is_empty()
        && config
            .required
            .iter()
            .all(|rule| !rule.claim.is_empty() && said(&rule.values));
    if !complete {
        return Err(Misconfigured::Incomplete(config.name.clone()));
    }
    if config
        .allowed_claims
        .iter()
        .any(|name| name == crate::session::MINE)
    {
        return Err(Misconfigured::Reserved(config.name.clone()));
    }
    let nowhere = config.naming == Naming::TrustDomain && config.jwks == Jwks::Discover;
    if nowhere || (config.naming == Naming::TrustDomain && !spiffe::is_domain(&config.issuer)) {
        return Err(Misconfigured::TrustDomain(config.name.clone()));
    }
    if config.skew > limits::CLOCK_SKEW_MAX {
        return Err(Misconfigured::Skew(config.name.clone()));
    }
    let address = match &config.jwks {
        Jwks::Discover => &config.issuer,
        Jwks::Url(address) => address,
        Jwks::Inline(_) => return Ok(()),
    };
    Address::parse(address)
        .map(|_| ())
        .map_err(|_| Misconfigured::Address(config.name.clone()))
}

fn wrong_algorithm() -> Refused {
    Refused::new(
        Code::Algorithm,
        "the token's key is not for the algorithm that it is signed with",
        "Report this to whoever runs the identity provider.",
    )
}

fn unavailable() -> Refused {
    Refused::new(
        Code::KeysUnavailable,
        "the gateway has no keys of this issuer",
        "The identity provider cannot be reached; try again in a minute or tell the operator.",
    )
}
