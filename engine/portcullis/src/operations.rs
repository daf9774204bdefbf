//! What operators may see and do, over the admin socket. Everything done is in the record, with the uid
//! that did it.

mod holds;

use crate::acts;
use crate::assemble::Gateway;
use crate::guesses::Guesser;
use crate::registry::Registry;
use crate::reload::Reloader;
use parking_lot::Mutex;
use portcullis_console::{
    Approval, Ballot, Caller, Check, ConnectionRow, HoldWish, Kill, Operations, PluginRow, Refused,
    Reloaded, Revocation, SessionRow, Status,
};
use portcullis_gate::BoxFuture;
use portcullis_journal::Health;
use portcullis_model::{Fault, Principal, SessionId, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The gateway as its operators see it.
pub struct Front {
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    started: Timestamp,
    listeners: Vec<String>,
    state: Mutex<&'static str>,
}

impl Front {
    /// A view of a gateway that listens at `listeners`.
    #[must_use]
    pub fn new(
        gateway: Arc<Gateway>,
        reloader: Arc<Reloader>,
        listeners: Vec<String>,
    ) -> Arc<Self> {
        Arc::new(Self {
            started: (gateway.clock)(),
            gateway,
            reloader,
            listeners,
            state: Mutex::new("serving"),
        })
    }

    /// From now on the node is not ready.
    pub fn drain(&self) {
        *self.state.lock() = "draining";
    }

    fn registry(&self) -> &Arc<Registry> {
        &self.gateway.reception.desk().registry
    }

    /// What cannot be recorded is not done.
    fn on_record(&self, event: &str, detail: &Value) -> Result<(), Refused> {
        let noted = self.gateway.journal.node(event, detail);
        noted.map(drop).map_err(|fault: Fault| {
            tracing::error!(fault = fault.chain(), "an admin action cannot be recorded");
            Refused::new(503, "the record cannot be written, so nothing was done")
                .hint("`portcullis status` says what is wrong with it")
        })
    }

    fn plugins(&self) -> Vec<PluginRow> {
        let serving = self.gateway.reception.desk().serving.load();
        serving.streams.plugins()
    }
}

impl Operations for Front {
    fn status(&self) -> Status {
        let approvals = self.gateway.people.list();
        let state = *self.state.lock();
        Status {
            node: self.gateway.loaded.load().config.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started.rfc3339(),
            state: state.to_owned(),
            policy_revision: self.gateway.policy.revision().to_string(),
            plugins: self.plugins(),
            listeners: self.listeners.clone(),
            sessions: self.registry().len(),
            approvals_pending: approvals.iter().filter(|a| a.state == "pending").count(),
            last_reload: self.reloader.last(),
            checks: self.readiness(),
        }
    }

    fn readiness(&self) -> Vec<Check> {
        let state = *self.state.lock();
        let (journal, detail) = match self.gateway.journal.health() {
            Health::Well => (true, "can be written".to_owned()),
            Health::Full => (
                false,
                "the disk is full: make room, sessions can only end".to_owned(),
            ),
            Health::Poisoned(what) => {
                (false, format!("a write has failed, restart needed: {what}"))
            }
            Health::Closed => (false, "is closed".to_owned()),
        };
        let check = |name: String, ok, detail| Check { name, ok, detail };
        let mut checks = vec![
            check("accepting".to_owned(), state == "serving", state.to_owned()),
            check("journal".to_owned(), journal, detail),
        ];
        checks.extend(self.gateway.keeping.checks());
        checks.extend(self.gateway.doormen.state().into_iter().map(|issuer| {
            let ok = issuer.keys > 0;
            let detail = match (ok, issuer.failing) {
                (true, false) => format!("{} keys", issuer.keys),
                (true, true) => format!("{} keys; the last fetch failed", issuer.keys),
                (false, _) => "no keys yet: nobody from there can log in".to_owned(),
            };
            check(format!("issuer {}", issuer.name), ok, detail)
        }));
        checks
    }

    fn sessions(&self) -> Vec<SessionRow> {
        self.registry()
            .all()
            .iter()
            .map(|live| live.row())
            .collect()
    }

    fn kill(&self, id: SessionId, kill: &Kill, by: Caller) -> Result<(), Refused> {
        let desk = self.gateway.reception.desk();
        acts::kill(desk, id, &kill.reason, |event, mut detail| {
            detail["uid"] = json!(by.uid);
            self.on_record(event, &detail)
        })
    }

    fn revoke(&self, revocation: &Revocation, by: Caller) -> Result<usize, Refused> {
        let now = (self.gateway.clock)();
        let Revocation {
            issuer: Some(issuer),
            subject,
            token_id,
            reason,
        } = revocation
        else {
            return Err(Refused::new(
                400,
                "name the issuer, and a subject or a token",
            ));
        };
        let detail = json!({
            "issuer": issuer, "subject": subject, "token_id": token_id, "reason": reason,
            "uid": by.uid,
        });
        self.on_record("revoked", &detail)?;
        let ledger = &self.gateway.ledger;
        let mut forgotten = Ok(());
        let kept = match (subject, token_id) {
            (Some(subject), None) => {
                let who = Principal {
                    issuer: issuer.clone(),
                    subject: subject.clone(),
                };
                // Who cannot vote any more has no more votes behind this.
                let kept = ledger.revoke_principal(who.clone(), now);
                forgotten = self.gateway.people.end_all_of(&who);
                kept
            }
            (None, Some(id)) => ledger.revoke_token(issuer.clone(), id.clone(), now),
            _ => return Err(Refused::new(400, "name either a subject or a token")),
        };
        // Even when it could not be kept on disk, it is in force now.
        let ended = self.gateway.reception.desk().end_revoked(now);
        match kept {
            Ok(()) => forgotten.map(|()| ended),
            Err(error) => {
                tracing::error!(error = %error, "a revocation does not outlive a restart");
                Err(Refused::new(
                    500,
                    format!("in force, but not kept over a restart: {error}"),
                ))
            }
        }
    }

    fn approvals(&self) -> Vec<Approval> {
        self.gateway.people.list()
    }

    fn vote<'a>(
        &'a self,
        id: &'a str,
        ballot: &'a Ballot,
        by: Caller,
    ) -> BoxFuture<'a, Result<Approval, Refused>> {
        Box::pin(async move {
            let voted = self.gateway.people.vote(id, ballot, "admin").await;
            if let Err(refused) = &voted {
                let uid = Guesser::other(json!({"uid": by.uid}));
                self.gateway.guesses.vote(&uid, id, refused);
            }
            voted
        })
    }

    fn holds(&self) -> BoxFuture<'_, Result<Vec<Value>, Refused>> {
        Box::pin(holds::in_force(&self.gateway))
    }

    fn hold(&self, wish: &HoldWish, by: Caller) -> Result<Value, Refused> {
        let hold = holds::named(wish, by)?;
        let detail = json!(hold);
        self.on_record(portcullis_journal::HOLD_ADDED, &detail)?;
        Ok(detail)
    }

    fn release<'a>(
        &'a self,
        id: &'a str,
        reason: &'a Kill,
        by: Caller,
    ) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(async move {
            holds::known(&self.gateway, id).await?;
            let detail = json!({"id": id, "reason": reason.reason, "uid": by.uid});
            self.on_record(portcullis_journal::HOLD_RELEASED, &detail)
        })
    }

    fn connections(&self) -> Vec<ConnectionRow> {
        let loaded = self.gateway.loaded.load();
        loaded
            .config
            .connections
            .iter()
            .map(crate::assemble::connection_row)
            .collect()
    }

    fn reload(&self, by: Caller) -> BoxFuture<'_, Result<Reloaded, Refused>> {
        Box::pin(async move {
            let asked = format!("uid {}", by.uid);
            Ok(self.reloader.reload(&asked).await)
        })
    }

    fn journal_public_key(&self) -> String {
        self.gateway.journal.public_key().to_string()
    }

    fn measure(&self) {
        let metrics = &self.gateway.metrics;
        for stats in self.gateway.sandbox.stats() {
            let name = format!("{}@{}", stats.name, stats.version);
            let seconds = Duration::from_nanos(stats.nanoseconds).as_secs_f64();
            for (count, value) in [
                ("calls", stats.calls as f64),
                ("failures", stats.failures as f64),
                ("seconds", seconds),
                ("edits", stats.edits as f64),
                ("bytes", stats.bytes as f64),
                ("memory_bytes", stats.memory as f64),
                ("live_instances", stats.live_instances as f64),
                ("quarantined", stats.quarantined as f64),
            ] {
                metrics.plugin(&name, count, value);
            }
            for (counter, value) in stats.counters {
                metrics.plugin(&name, &format!("own_{counter}"), value as f64);
            }
        }
        let approvals = self.gateway.people.list();
        for state in [
            "pending",
            "approved",
            "consumed",
            "denied",
            "expired",
            "withdrawn",
        ] {
            metrics.approvals(state, approvals.iter().filter(|a| a.state == state).count());
        }
        let people = &self.gateway.people;
        let overdue = people
            .reviews()
            .iter()
            .filter(|r| r.state == "overdue")
            .count();
        metrics.approvals("review-overdue", overdue);
        metrics.approvals("undelivered", people.channels().outbox.waiting());
        self.gateway.keeping.measure(metrics);
        metrics.journal_well(self.gateway.journal.health() == Health::Well);
    }
}

mod standing;

#[cfg(test)]
mod tests;
