//! The configured issuers, and the one question the front desk asks: who is this?
//!
//! It refuses two issuers with one `iss`, and settings that verify nothing.

use crate::claims;
use crate::config::IssuerConfig;
use crate::fetch::Address;
use crate::key_cache::{KeyCache, Lookup, NoKeys, candidates};
use crate::key_set::NoKey;
use crate::refused::{Code, Refused};
use crate::token::{Unverified, unknown_issuer, unknown_key};
use portcullis_gate::Clock;
use portcullis_model::{Identity, Timestamp};
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
    /// No audience, no algorithm, no issuer, or an empty string among them.
    #[error("issuer {0}: `issuer`, `audiences` and `algorithms` must each say something")]
    Incomplete(String),
    /// Neither https, nor http to loopback.
    #[error("issuer {0}: its address must be https (http only to loopback)")]
    Address(String),
    /// Authorities or inline keys cannot be read.
    #[error("issuer {0}: its certificate authorities or inline keys cannot be used")]
    Keys(String),
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

/// All configured issuers.
pub struct Issuers {
    issuers: Vec<Issuer>,
    clock: Clock,
}

struct Issuer {
    config: IssuerConfig,
    keys: Arc<KeyCache>,
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
        Ok(Arc::new(Self { issuers, clock }))
    }

    /// The identity that a token proves, now.
    ///
    /// # Errors
    /// [`Refused`] with a message for the person who sent it; it holds no byte of the token.
    pub async fn verify(&self, token: &str) -> Result<Identity, Refused> {
        let token = Unverified::read(token)?;
        let issuer = token
            .issuer()
            .and_then(|iss| self.issuers.iter().find(|i| i.config.issuer == iss))
            .ok_or_else(unknown_issuer)?;
        let token = token.fit(&issuer.config, (self.clock)())?;
        let (key, algorithm) = (token.key.clone(), token.algorithm);
        let set = match issuer.keys.lookup(key.as_deref(), algorithm).await {
            Lookup::Found(set) => set,
            Lookup::Missing(NoKey::Algorithm) => return Err(wrong_algorithm()),
            Lookup::Missing(NoKey::Unknown | NoKey::Unnamed) => return Err(unknown_key()),
            Lookup::Unavailable => return Err(unavailable()),
        };
        let keys = candidates(&set, key.as_deref(), algorithm);
        let proven = token.prove(&keys)?;
        claims::identity(&issuer.config, proven)
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
        && !config.algorithms.is_empty();
    if !complete {
        return Err(Misconfigured::Incomplete(config.name.clone()));
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
