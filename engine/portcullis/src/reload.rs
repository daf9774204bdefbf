//! Another configuration, other policies, other plugins: all of it or none. Everything new is built and
//! tested first; only then is anything swapped. What is wrong leaves the old set serving, and says so in
//! the log, in the record and in `portcullis status`. Afterwards every open admission is asked about
//! again, and ends when it has lost its ground.
//!
//! It refuses to change what a running node stands on (name, state folder, listeners, sockets, logging):
//! those need a restart, and the answer says which.

use crate::assemble::{self, Gateway};
use crate::config::{self, Config, Loaded};
use crate::front_desk::{Serving, ground_lost};
use crate::registry::Live;
use parking_lot::Mutex;
use portcullis_console::Reloaded;
use portcullis_model::{Denial, Verdict};
use portcullis_policy::ConnectQuestion;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// Reloads one gateway, one reload at a time.
pub struct Reloader {
    gateway: Arc<Gateway>,
    file: PathBuf,
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Option<Reloaded>>,
}

impl Reloader {
    /// Reloads this gateway from the file it came from.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>) -> Arc<Self> {
        Arc::new(Self {
            file: gateway.loaded.load().file.clone(),
            gateway,
            turn: tokio::sync::Mutex::new(()),
            last: Mutex::new(None),
        })
    }

    /// What the last reload did.
    #[must_use]
    pub fn last(&self) -> Option<Reloaded> {
        self.last.lock().clone()
    }

    /// Reloads. `why` goes into the record: `SIGHUP`, `file change`, `uid 0`.
    pub async fn reload(&self, why: &str) -> Reloaded {
        let _turn = self.turn.lock().await;
        let gateway = &self.gateway;
        let before = gateway.policy.revision();
        let outcome = self.attempt().await;
        let (ok, detail, severed) = match outcome {
            Ok((detail, severed)) => (true, detail, severed),
            Err(wrong) => (false, wrong, 0),
        };
        let reloaded = Reloaded {
            at: (gateway.clock)().rfc3339(),
            ok,
            detail,
            policy_revision: gateway.policy.revision().to_string(),
            severed,
        };
        self.say(why, &reloaded);
        if gateway.policy.revision() != before {
            let snapshot = gateway.policy.set().snapshot();
            if let Err(fault) = gateway.journal.node("policy-snapshot", &snapshot) {
                tracing::error!(fault = fault.chain(), "a policy is not on record");
            }
        }
        *self.last.lock() = Some(reloaded.clone());
        reloaded
    }

    async fn attempt(&self) -> Result<(String, usize), String> {
        let gateway = &self.gateway;
        let file = self.file.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&file))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|problems| problems.to_string())?;
        let old = gateway.loaded.load_full();
        let restart = needs_restart(&old.config, &loaded.config);
        let explain = |error: assemble::Broken| crate::cli::explain(&error);
        assemble::trust_is_local(&loaded).map_err(explain)?;
        let set = assemble::load_policies(&loaded).await.map_err(explain)?;
        let tripwires = &gateway.tripwires;
        let secrets = assemble::secrets::secrets(&loaded, tripwires).map_err(explain)?;
        let plugins = assemble::plugins::load(&gateway.sandbox, &loaded, &secrets, tripwires)
            .await
            .map_err(explain)?;
        let issuers = gateway.doormen.prepare(&loaded, &secrets).await;
        let issuers = issuers.map_err(explain)?;
        let serving = assemble::serving(&loaded, &gateway.lines, Arc::clone(&plugins));
        let serving = serving.map_err(explain)?;
        // Nothing can fail from here on.
        if let Some(issuers) = issuers {
            gateway.doormen.replace(&loaded, issuers);
        }
        gateway.secrets.adopt(&secrets);
        gateway.sandbox.serve(plugins);
        gateway.policy.reload(set);
        let previous = gateway.reception.desk().serving.swap(Arc::new(serving));
        gateway.loaded.store(Arc::new(loaded));
        let severed = self.ask_again(&previous);
        let detail = match restart.is_empty() {
            true => "configuration, policies and plugins were read again".to_owned(),
            false => format!(
                "policies, plugins, issuers and connections were read again; needs a restart: {}",
                restart.join(", ")
            ),
        };
        Ok((detail, severed))
    }

    /// Every open admission, before the sets that serve now.
    fn ask_again(&self, previous: &Serving) -> usize {
        let desk = self.gateway.reception.desk();
        let serving = desk.serving.load_full();
        desk.registry.sever(|live| {
            let name = &live.session.target.name;
            let Some(connection) = serving.connection(name) else {
                return Some(gone("the connection is no longer configured"));
            };
            let moved = previous
                .connection(name)
                .is_none_or(|old| !Arc::ptr_eq(&old.login, &connection.login));
            if moved {
                return Some(gone("the connection now leads elsewhere"));
            }
            if !self
                .gateway
                .doormen
                .knows(&live.session.identity.principal.issuer)
            {
                return Some(gone("the issuer of the identity is no longer trusted"));
            }
            self.connect_again(live, &connection.target)
        })
    }

    fn connect_again(&self, live: &Live, target: &portcullis_model::Target) -> Option<Denial> {
        let desk = self.gateway.reception.desk();
        let session = &live.session;
        let now = (desk.clock)();
        let hour = match desk.ledgers.of(&session.identity.principal, now) {
            Ok(ledger) => ledger.hour(now),
            Err(_) => return Some(gone("the counts of the identity cannot be kept")),
        };
        let who = &session.identity.principal;
        let key = session.ticket.as_deref();
        let ticket_check = key.and_then(|key| desk.tickets.last(who, key));
        let question = ConnectQuestion {
            identity: &session.identity,
            target,
            client: &session.client,
            node: &session.node,
            login: Some(&live.ground.login),
            settings: &live.ground.settings,
            replication: live.ground.replication,
            reason: session.reason.as_deref(),
            ticket: key,
            ticket_check: ticket_check.as_deref(),
            hour,
            access_request: session.access_request.as_deref(),
            now,
        };
        match desk.access.connect(&question) {
            Ok(decision) => match &decision.verdict {
                Verdict::Allow { .. } if live.ground.replication => {
                    let obligations = &decision.obligations;
                    obligations.replication.permits(obligations.masks()).err()
                }
                Verdict::Allow { .. } => None,
                Verdict::Deny(denial) => Some(denial.clone()),
                Verdict::Hold(wanted) => {
                    let id = session.access_request.as_deref();
                    let who = &session.identity;
                    let people = &self.gateway.people;
                    // People have opened it; they have not voted on what other rules ask for by now.
                    let open = id.is_some_and(|id| people.opens_still(id, who, wanted));
                    (!open).then(ground_lost)
                }
            },
            Err(fault) => {
                tracing::error!(
                    fault = fault.chain(),
                    "an admission cannot be asked about again"
                );
                Some(gone(
                    "the policy could not say whether the session may go on",
                ))
            }
        }
    }

    fn say(&self, why: &str, reloaded: &Reloaded) {
        self.gateway.metrics.reloaded(reloaded.ok);
        match reloaded.ok {
            true => tracing::info!(why, severed = reloaded.severed, "{}", reloaded.detail),
            false => tracing::error!(why, "the old set keeps serving: {}", reloaded.detail),
        }
        // Nobody has signed what was refused: the set that goes on serving came with an entry of its own.
        let signers = || self.gateway.policy.set().signers();
        let entry = json!({
            "why": why, "ok": reloaded.ok, "detail": reloaded.detail,
            "policy_revision": reloaded.policy_revision, "severed": reloaded.severed,
            "signed_by": reloaded.ok.then(signers),
        });
        if let Err(fault) = self.gateway.journal.node("reload", &entry) {
            tracing::error!(fault = fault.chain(), "a reload is not on record");
        }
    }
}

fn gone(reason: &str) -> Denial {
    Denial::new("access/ground-lost", reason)
        .hint("Connect again, or ask whoever runs the gateway.")
}

/// Which changed keys a running node cannot follow.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let differs = |pick: fn(&Config) -> serde_json::Value| pick(old) != pick(new);
    let keys: [(&str, fn(&Config) -> serde_json::Value); 11] = [
        ("node", |c| json!(c.node)),
        ("state_dir", |c| json!(c.state_dir)),
        ("listeners", |c| json!(c.listeners)),
        ("approvals", |c| json!(c.approvals)),
        ("recording", |c| json!(c.recording)),
        ("journal", |c| json!(c.journal)),
        ("session", |c| json!(c.session)),
        ("admin", |c| json!(c.admin)),
        ("console", |c| json!(c.console)),
        ("log", |c| json!(c.log)),
        ("login.certificates, login.exchange", |c| {
            let login = c.login.as_ref();
            json!(login.map(|login| (&login.certificates, login.exchange)))
        }),
    ];
    keys.into_iter()
        .filter(|(_, pick)| differs(*pick))
        .map(|(name, _)| name)
        .collect()
}

/// The files and folders whose change is a reason to reload.
#[must_use]
pub fn watched(loaded: &Loaded) -> Vec<PathBuf> {
    let config = &loaded.config;
    let packs = config
        .policies
        .packs
        .iter()
        .filter_map(|pack| pack.path.as_ref());
    let plugins = config
        .plugins
        .iter()
        .filter_map(|plugin| plugin.path.as_ref());
    let mut paths: Vec<PathBuf> = packs
        .chain(plugins)
        .chain(&config.policies.data)
        .map(|path| loaded.path(path))
        .collect();
    paths.push(loaded.file.clone());
    paths
}
