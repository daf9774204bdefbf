//! The counter of the HTTPS listener: a verified token buys a login of minutes. On record before it is handed
//! out, matched by the tripwire while it lives. It refuses whoever is revoked.

use super::issuers::Doormen;
use crate::front_desk::{Verify, revoked};
use parking_lot::Mutex;
use portcullis_console::{Counter as Served, IssuedLogin, Refused};
use portcullis_gate::{BoxFuture, Clock};
use portcullis_identity::Revocations;
use portcullis_journal::Journal;
use portcullis_model::{Denial, Timestamp};
use portcullis_stream::{Armed, Tripwires};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The counter.
pub struct Counter {
    pub(super) doormen: Arc<Doormen>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) journal: Arc<Journal>,
    pub(super) tripwires: Tripwires,
    pub(super) clock: Clock,
    /// Secrets that are out there, until their logins end.
    pub(super) armed: Mutex<Vec<(Timestamp, Armed)>>,
}

impl Served for Counter {
    fn database_login<'a>(
        &'a self,
        token: &'a str,
        lasts: Duration,
    ) -> BoxFuture<'a, Result<IssuedLogin, Refused>> {
        Box::pin(async move {
            let refused = |denial: Denial| refused(&denial);
            let identity = Arc::new(self.doormen.verify(token).await.map_err(refused)?);
            let now = (self.clock)();
            if self.revocations.covers(&identity, None, now).is_some() {
                return Err(refused(revoked()));
            }
            let issued = self
                .doormen
                .logins()
                .issue(&identity, lasts)
                .map_err(refused)?;
            let until = issued.until.rfc3339();
            let entry = json!({
                "identity": identity.principal, "name": identity.name, "kind": identity.kind,
                "actors": identity.actors, "user": issued.name, "until": until,
            });
            if let Err(fault) = self.journal.node("login-issued", &entry) {
                tracing::error!(
                    fault = fault.chain(),
                    "a login was not issued: it is not on record"
                );
                return Err(Refused::new(
                    503,
                    "the record cannot be written, so nothing is issued",
                ));
            }
            self.watch(issued.until, issued.secret.as_bytes(), now);
            Ok(IssuedLogin {
                user: issued.name,
                password: issued.secret,
                until,
            })
        })
    }
}

impl Counter {
    fn watch(&self, until: Timestamp, secret: &[u8], now: Timestamp) {
        let mut armed = self.armed.lock();
        armed.retain(|(until, _)| *until > now);
        match self.tripwires.arm(secret) {
            Ok(guard) => armed.push((until, guard)),
            Err(error) => tracing::warn!(%error, "an issued login is not matched in output"),
        }
    }
}

fn refused(denial: &Denial) -> Refused {
    let status = match denial.rule.as_str() {
        "identity/logins" => 429,
        rule if rule.starts_with("fault/") => 503,
        _ => 401,
    };
    Refused::denied(status, denial)
}
