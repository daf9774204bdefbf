//! What the front desk asks of others, as narrow as it asks: so that its order can be tested without a
//! network, and so that it holds no more of anybody than it needs.

use super::{ACCESS_FOR, BREAK_GLASS, REASON};
use crate::config::Period;
use portcullis_console::PluginRow;
use portcullis_gate::{
    BoxFuture, Catalog, Knock, Knocking, Plugins, Record, Upstream, UpstreamTls, Way, Wish,
};
use portcullis_model::{
    Blame, Decision, Denial, Fault, Identity, Obligations, Principal, Protocol, Session, SessionId,
    Tally, Target, TicketCheck, Timestamp, limits,
};
use portcullis_policy::ConnectQuestion;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Proof in, identity out. Implemented over `identity`.
pub trait Verify: Send + Sync {
    /// The identity, or what to tell the client.
    fn verify<'a>(&'a self, proof: &'a str) -> BoxFuture<'a, Result<Identity, Denial>>;
    /// The same for a login that the gateway has issued, proved step by step.
    fn prove<'a>(
        &'a self,
        name: &'a str,
        binding: Option<&'a [u8]>,
        waiting: Knocking<'a>,
    ) -> BoxFuture<'a, Result<Arc<Identity>, Denial>>;
    /// The same for a certificate that the gateway has issued, whose key the client holds.
    ///
    /// # Errors
    /// When it is none of ours, or not good here and now.
    fn certified(&self, certificate: &[u8], from: IpAddr) -> Result<Arc<Identity>, Denial>;
    /// The same for a token that is bound to a key, which the client holds.
    fn bound<'a>(
        &'a self,
        _token: &'a str,
        _key: &'a [u8],
    ) -> BoxFuture<'a, Result<Identity, Denial>> {
        Box::pin(async {
            Err(Denial::new(
                "identity/bound-token",
                "this gateway takes no tokens that are bound to keys",
            )
            .hint("Use a token in the place of the password."))
        })
    }
    /// Whether those who vouched for an identity that was verified earlier are still trusted.
    ///
    /// # Errors
    /// When they are not, or nobody can say.
    fn trusts(&self, _: &Identity) -> Result<(), Denial> {
        Err(Denial::new(
            "identity/issuer",
            "the issuer of the identity is no longer trusted",
        )
        .hint("Ask whoever runs the gateway."))
    }
    /// True when whoever holds this key, in SSH's wire form, may prove a login with it.
    fn may_prove(&self, _key: &[u8]) -> bool {
        false
    }
    /// True when there is a provider at which people can sign in on another device.
    fn signs_in(&self) -> bool {
        false
    }
    /// Has whoever waits sign in there.
    fn sign_in<'a>(
        &'a self,
        _: IpAddr,
        _: Knocking<'a>,
    ) -> BoxFuture<'a, Result<Identity, Denial>> {
        Box::pin(async {
            Err(Denial::new(
                "login/provider",
                "this gateway has no provider to log in at",
            )
            .hint("Use a token in the place of the password."))
        })
    }
}

/// The connect rule. Implemented over `policy`.
pub trait Access: Send + Sync {
    /// May this identity open this target?
    ///
    /// # Errors
    /// When the question cannot be put; then the answer is no.
    fn connect(&self, question: &ConnectQuestion<'_>) -> Result<Decision, Fault>;
    /// Changes when another policy set is serving.
    fn revision(&self) -> Arc<str>;
}

/// The record. Implemented over `journal`.
pub trait Books: Send + Sync {
    /// The record of a new session.
    ///
    /// # Errors
    /// When it cannot be written: then there is no session.
    fn session(&self, id: SessionId, who: &Principal) -> Result<Box<dyn Record>, Fault>;
    /// An entry of the node's own. Never a secret.
    ///
    /// # Errors
    /// When it cannot be written.
    fn note(&self, event: &str, detail: &Value) -> Result<(), Fault>;
}

/// How sessions log in to one target. Implemented over `vault`.
pub trait Login: Send + Sync {
    /// The login name that the session of this id will have.
    fn name(&self, id: SessionId) -> String;
    /// Makes the login, bounded by what was granted, and with it the way there.
    fn open<'a>(&'a self, opening: Opening<'a>) -> BoxFuture<'a, Result<Way, Fault>>;
    /// Waits until the logins of sessions that are over have ended on the target, at most this long.
    /// Returns how many are left.
    fn settle(&self, within: Duration) -> BoxFuture<'_, usize>;
}

/// A session whose way upstream is to be opened.
pub struct Opening<'a> {
    /// The session.
    pub session: &'a Session,
    /// What was granted, and is needed.
    pub granted: &'a Obligations,
    /// Where the target is.
    pub upstream: Upstream,
    /// Startup settings to send on.
    pub settings: BTreeMap<String, String>,
}

/// The plugins. Implemented over `sandbox`.
pub trait Streams: Plugins {
    /// Which plugins are in use, for the record.
    fn plugins(&self) -> Vec<PluginRow>;
}

/// Something clients may ask for by name, ready for use.
pub struct Connection {
    /// What policy and clients know of it.
    pub target: Arc<Target>,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the way there is protected.
    pub tls: UpstreamTls,
    /// How sessions log in.
    pub login: Arc<dyn Login>,
    /// What its relations are.
    pub catalog: Arc<dyn Catalog>,
}

impl Connection {
    /// Resolved anew for every session, so that a database may move.
    ///
    /// # Errors
    /// When the name has no address.
    pub async fn addresses(&self) -> Result<Upstream, Fault> {
        let fault = |error| Fault::new(Blame::Upstream, "resolve the name of a target", error);
        let addresses: Vec<_> = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(fault)?
            .collect();
        if addresses.is_empty() {
            return Err(Fault::bare(Blame::Upstream, "resolve the name of a target"));
        }
        Ok(Upstream {
            host: self.host.clone(),
            addresses,
            tls: self.tls.clone(),
        })
    }
}

/// What there is to connect to, and the plugins in use: swapped as a whole by a reload.
pub struct Serving {
    /// By name.
    pub connections: BTreeMap<String, Arc<Connection>>,
    /// The plugins.
    pub streams: Arc<dyn Streams>,
}

impl Serving {
    /// The connection of that name.
    #[must_use]
    pub fn connection(&self, name: &str) -> Option<Arc<Connection>> {
        self.connections.get(name).cloned()
    }
}

/// Who asks for what.
pub(super) struct Asking<'a> {
    pub identity: &'a Arc<Identity>,
    pub connection: &'a Connection,
    pub knock: &'a Knock,
    /// What its system says of the ticket.
    pub ticket_check: Option<Arc<TicketCheck>>,
}

impl Asking<'_> {
    /// Why the client says it comes.
    pub(super) fn reason(&self) -> Option<&str> {
        self.knock.settings.get(REASON).map(String::as_str)
    }

    /// The ticket the client says it belongs to.
    pub(super) fn ticket(&self) -> Option<&str> {
        ticket(self.knock)
    }

    /// What it asks for beyond one session. Words that cannot be read are refused: they may have meant less.
    pub(super) fn wish(&self) -> Result<Wish, Denial> {
        let lasts = self.knock.settings.get(ACCESS_FOR);
        let lasts = lasts.map(|text| text.parse::<Period>()).transpose();
        let lasts = lasts.map_err(|_| {
            Denial::new("access/for", "portcullis.access_for is no duration")
                .hint("Write for example PGOPTIONS='-c portcullis.access_for=2h'.")
        })?;
        Ok(Wish {
            lasts: lasts.map(|period| period.0),
            detached: false,
            // kubectl gives each request that it begins with half a minute, and sends it again: it would ask anew each time.
            returns: self.connection.target.protocol == Protocol::Kubernetes,
            glass: self.knock.settings.get(BREAK_GLASS).cloned(),
        })
    }

    pub(super) fn question<'q>(
        &'q self,
        node: &'q str,
        access_request: Option<&'q str>,
        hour: Tally,
        now: Timestamp,
    ) -> ConnectQuestion<'q> {
        ConnectQuestion {
            identity: self.identity,
            target: &self.connection.target,
            client: &self.knock.client,
            node,
            login: Some(&self.knock.login),
            settings: &self.knock.settings,
            replication: self.knock.replication,
            reason: self.reason(),
            ticket: self.ticket(),
            ticket_check: self.ticket_check.as_deref(),
            hour,
            access_request,
            now,
        }
    }
}

/// The ticket that a client names. What is too long is none.
pub(super) fn ticket(knock: &Knock) -> Option<&str> {
    let ticket = knock
        .settings
        .get(portcullis_model::session::TICKET_SETTING);
    let fits = |t: &&str| !t.trim().is_empty() && t.len() <= limits::TICKET_BYTES_MAX;
    ticket.map(String::as_str).filter(fits)
}

/// A yes, with what it stands on.
pub(super) struct Granted {
    pub decision: Decision,
    /// The policy set that said so.
    pub revision: Arc<str>,
    /// The access request that opened it, if one was needed.
    pub access_request: Option<String>,
}
