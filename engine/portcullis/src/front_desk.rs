//! The front desk: who, whether, on record, with which key. In exactly this order and nowhere else:
//! identity verifies, revocations are looked up, the connection is found by name, policy is asked (and
//! people, where policy says so), the journal admits, the vault mints. Every refusal is a sentence with a
//! hint for the client, and an entry in the record without the token.
//!
//! It refuses to go on when any step has no answer, and to leave a gap: whoever is revoked, or loses the
//! policy's grant, between the question and the entry in the registry is turned away all the same.

mod access_request;
mod again;
mod glass;
mod keys;
mod narrowed;
mod parts;
mod refusals;
#[cfg(test)]
pub(crate) mod tests;
mod tickets;

pub use access_request::Asked;
pub use glass::Wanted;
pub use keys::Keys;
pub use parts::{Access, Books, Connection, Login, Opening, Serving, Streams, Verify};
pub use tickets::TicketOffice;

use crate::config::{OnTokenExpiry, SessionLife};
use crate::ledgers::Ledgers;
use crate::metrics::Watched;
use crate::registry::{End, Ground, Pass, Registry};
use arc_swap::ArcSwap;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bytes::Bytes;
use narrowed::Bounds;
use parts::{Asking, Granted};
use portcullis_console::{Metrics, Outcome};
use portcullis_gate::{
    Admission, ApprovalDesk, Bearer, BoxFuture, Clock, Decide, Examine, FrontDesk, Gate, Knock,
    Knocking, Parts, Plugins, Proof, Tether, Tripwire, Veils,
};
use portcullis_identity::Revocations;
use portcullis_model::{
    Blame, Denial, Fault, Identity, Obligations, Protocol, Replication, Session, SessionId, Target,
    TicketCheck, Timestamp, Verdict,
};
use refusals::Refusals;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Settings of our own travel under this prefix and never reach an upstream.
const OWN_SETTINGS: &str = "portcullis.";
/// Where a client says why it comes: `options=-c portcullis.reason=…`.
const REASON: &str = "portcullis.reason";
/// For how long a client asks to be let in: `2h`.
const ACCESS_FOR: &str = "portcullis.access_for";
/// Why a client goes ahead without an approval.
const BREAK_GLASS: &str = "portcullis.break_glass";

/// Everything the front desk asks of others.
pub struct Desk {
    /// Who.
    pub verify: Arc<dyn Verify>,
    /// Who no longer.
    pub revocations: Arc<Revocations>,
    /// Keys that stand for somebody for a while.
    pub keys: Keys,
    /// What there is to connect to, and the plugins in use. Swapped as a whole.
    pub serving: ArcSwap<Serving>,
    /// Whether.
    pub access: Arc<dyn Access>,
    /// Policy for commands, handed to each gate.
    pub decide: Arc<dyn Decide>,
    /// The record.
    pub books: Arc<dyn Books>,
    /// People.
    pub approvals: Arc<dyn ApprovalDesk>,
    /// What ticket systems say.
    pub tickets: Arc<dyn TicketOffice>,
    /// Facts of statements, handed to each gate.
    pub examine: Arc<dyn Examine>,
    /// Secrets that must never be shown, handed to each gate.
    pub tripwire: Arc<dyn Tripwire>,
    /// Masking of byte streams, handed to each gate.
    pub veils: Arc<dyn Veils>,
    /// Who is here.
    pub registry: Arc<Registry>,
    /// What each identity did within the last hour.
    pub ledgers: Arc<Ledgers>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// This node's name.
    pub node: String,
    /// How long sessions live.
    pub life: SessionLife,
}

/// The front desk. One for all listeners.
pub struct Reception {
    desk: Desk,
    refusals: Refusals,
}

impl FrontDesk for Reception {
    fn admit<'a>(
        &'a self,
        knock: Knock,
        waiting: Knocking<'a>,
    ) -> BoxFuture<'a, Result<Admission, Denial>> {
        Box::pin(async move {
            let mut seen = None;
            let answer = self.receive(&knock, waiting, &mut seen).await;
            // A name that nobody configured is the client's own word and no label.
            let target = match self.desk.serving.load().connection(&knock.target) {
                Some(connection) => connection.target.name.clone(),
                None => "-".to_owned(),
            };
            match &answer {
                Ok(_) => self.desk.metrics.knocked(&target, Outcome::Admitted),
                Err(denial) => {
                    self.desk.metrics.knocked(&target, Outcome::Refused);
                    self.desk.metrics.denied(&denial.rule);
                    self.refusals
                        .note(&self.desk, &knock, seen.as_deref(), denial);
                }
            }
            answer
        })
    }

    fn signs_in(&self) -> bool {
        self.desk.verify.signs_in()
    }

    fn may_prove(&self, key: &[u8]) -> bool {
        self.desk.verify.may_prove(key)
    }

    fn remembers(&self, key: &[u8], from: IpAddr, within: Duration) -> bool {
        self.desk.knows_key(key, from, within)
    }

    fn remember(&self, key: &[u8], bearer: Bearer) {
        self.desk.bind_key(key, bearer);
    }

    fn forget_keys(&self, who: &Identity) {
        self.desk.forget_keys_of(who);
    }

    fn reachable<'a>(
        &'a self,
        knock: Knock,
        waiting: Knocking<'a>,
    ) -> BoxFuture<'a, Result<Vec<Arc<Target>>, Denial>> {
        Box::pin(async move {
            let mut seen = None;
            let answer = self.list(&knock, waiting, &mut seen).await;
            if let Err(denial) = &answer {
                self.desk.metrics.denied(&denial.rule);
                self.refusals
                    .note(&self.desk, &knock, seen.as_deref(), denial);
            }
            answer
        })
    }
}

impl Reception {
    /// Opens the desk.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self {
            desk,
            refusals: Refusals::new(),
        }
    }

    /// What the desk asks of others.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The order of things. `seen` becomes the identity as soon as it is verified.
    async fn receive(
        &self,
        knock: &Knock,
        waiting: Knocking<'_>,
        seen: &mut Option<Arc<Identity>>,
    ) -> Result<Admission, Denial> {
        let desk = &self.desk;
        let serving = desk.serving.load_full();
        let identity = desk.who(knock, &mut *waiting, seen).await?;
        let connection = find(&serving, knock)?;
        Bounds::of(&identity, &connection.target.name)?;
        let asking = Asking {
            identity: &identity,
            connection: &connection,
            knock,
            ticket_check: desk.vouched(&identity, knock).await,
        };
        let granted = desk.ask(&asking, waiting).await?;
        let session = Arc::new(desk.session(&asking, &granted)?);
        let pass = desk.enter(&session, knock, &granted.decision.obligations);
        // Whatever was revoked or reloaded while we asked had nobody to sever yet.
        desk.not_revoked(&identity, Some(session.id))?;
        desk.still_granted(&asking, &granted)?;
        desk.admit(&serving, &connection, &session, granted, knock, pass)
            .await
    }
}

impl Reception {
    /// What an identity may open, or ask people for.
    async fn list(
        &self,
        knock: &Knock,
        waiting: Knocking<'_>,
        seen: &mut Option<Arc<Identity>>,
    ) -> Result<Vec<Arc<Target>>, Denial> {
        let desk = &self.desk;
        let identity = desk.who(knock, waiting, seen).await?;
        let serving = desk.serving.load_full();
        let ticket_check = desk.vouched(&identity, knock).await;
        let mut targets = Vec::new();
        let same = |c: &&Arc<Connection>| c.target.protocol == knock.protocol;
        for connection in serving.connections.values().filter(same) {
            // A token for other targets does not learn of this one.
            if Bounds::of(&identity, &connection.target.name).is_err() {
                continue;
            }
            let asking = Asking {
                identity: &identity,
                connection,
                knock,
                ticket_check: ticket_check.clone(),
            };
            if !matches!(desk.connect(&asking, None)?.verdict, Verdict::Deny(_)) {
                targets.push(Arc::clone(&connection.target));
            }
        }
        Ok(targets)
    }
}

/// The connection of that name, whatever its protocol.
fn find_named(serving: &Serving, name: &str) -> Result<Arc<Connection>, Denial> {
    serving.connection(name).ok_or_else(|| {
        Denial::new(
            "access/no-such-connection",
            "the gateway has no connection of that name",
        )
        .hint("`portcullis connections` lists them.")
    })
}

fn find(serving: &Serving, knock: &Knock) -> Result<Arc<Connection>, Denial> {
    let found = serving.connection(&knock.target);
    found
        .filter(|connection| connection.target.protocol == knock.protocol)
        .ok_or_else(|| {
            let hint = match knock.protocol {
                Protocol::Postgres if knock.replication && knock.target == "replication" => {
                    "pg_receivewal and pg_basebackup name no database: give the name behind the user, user=LOGIN@NAME."
                }
                Protocol::Postgres => {
                    "The name goes where the database name goes; ask the operator which there are."
                }
                Protocol::Ssh => "Connect without a target (ssh LOGIN@GATEWAY) for a list of what is open to you.",
                Protocol::Kubernetes => "The name is the first part of the path: https://GATEWAY/NAME.",
            };
            Denial::new(
                "access/no-such-connection",
                "the gateway has no connection of that name",
            )
            .hint(hint)
        })
}

impl Desk {
    /// Who knocks, verified and not revoked.
    async fn who(
        &self,
        knock: &Knock,
        waiting: Knocking<'_>,
        seen: &mut Option<Arc<Identity>>,
    ) -> Result<Arc<Identity>, Denial> {
        let identity = match &knock.proof {
            Proof::Password(token) => Arc::new(self.verify.verify((**token).as_ref()).await?),
            Proof::Login { name, binding } => {
                self.verify
                    .prove(name, binding.as_deref(), &mut *waiting)
                    .await?
            }
            Proof::Certificate(certificate) => {
                let from = knock.client.address.ip();
                self.verify.certified(certificate, from)?
            }
            Proof::Bound { token, key } => Arc::new(self.verify.bound(token, key).await?),
            Proof::Key { key, within } => {
                let from = knock.client.address.ip();
                self.bearer(key, (from, *within), seen)?
            }
            Proof::Within { identity, .. } => {
                let identity = Arc::clone(identity);
                if identity.expires <= (self.clock)() {
                    return Err(outlived());
                }
                identity
            }
            Proof::Elsewhere => {
                let from = knock.client.address.ip();
                Arc::new(self.verify.sign_in(from, &mut *waiting).await?)
            }
        };
        *seen = Some(Arc::clone(&identity));
        self.not_revoked(&identity, None)?;
        waiting.known(&identity);
        Ok(identity)
    }

    fn not_revoked(&self, identity: &Identity, session: Option<SessionId>) -> Result<(), Denial> {
        match self.revocations.covers(identity, session, (self.clock)()) {
            None => Ok(()),
            Some(_) => Err(revoked()),
        }
    }

    /// Policy, and people where policy asks for them.
    async fn ask(&self, asking: &Asking<'_>, waiting: Knocking<'_>) -> Result<Granted, Denial> {
        let revision = self.access.revision();
        let decision = self.connect(asking, None)?;
        match decision.verdict.clone() {
            Verdict::Allow { .. } => Ok(Granted {
                decision,
                revision,
                access_request: None,
            }),
            Verdict::Deny(denial) => Err(denial),
            Verdict::Hold(requirements) => self.request_access(asking, requirements, waiting).await,
        }
    }

    fn connect(
        &self,
        asking: &Asking<'_>,
        access_request: Option<&str>,
    ) -> Result<portcullis_model::Decision, Denial> {
        let now = (self.clock)();
        let broken = |fault: Fault| self.broken(&fault);
        let ledger = self.ledgers.of(&asking.identity.principal, now);
        let hour = ledger.map_err(broken)?.hour(now);
        let question = asking.question(&self.node, access_request, hour, now);
        let mut decision = self.access.connect(&question).map_err(broken)?;
        Bounds::of(asking.identity, &asking.connection.target.name)?.hold(&mut decision);
        let obligations = &decision.obligations;
        if asking.knock.replication
            && !matches!(decision.verdict, Verdict::Deny(_))
            && let Err(denial) = obligations.replication.permits(obligations.masks())
        {
            Arc::make_mut(&mut decision.outcome).verdict = Verdict::Deny(denial);
        }
        Ok(decision)
    }

    /// The grant, asked again when another policy set has come to serve meanwhile.
    fn still_granted(&self, asking: &Asking<'_>, granted: &Granted) -> Result<(), Denial> {
        if self.access.revision() == granted.revision {
            return Ok(());
        }
        let request = granted.access_request.as_deref();
        match &self.connect(asking, request)?.verdict {
            Verdict::Allow { .. } => Ok(()),
            Verdict::Deny(denial) => Err(denial.clone()),
            Verdict::Hold(_) => Err(ground_lost()),
        }
    }

    fn session(&self, asking: &Asking<'_>, granted: &Granted) -> Result<Session, Denial> {
        let id = self.fresh_id()?;
        let mut target = (*asking.connection.target).clone();
        if let Some(role) = &granted.decision.obligations.role {
            target.role = Some(role.clone());
        }
        Ok(Session {
            id,
            identity: Arc::clone(asking.identity),
            login: asking.connection.login.name(id),
            target: Arc::new(target),
            client: asking.knock.client.clone(),
            started: (self.clock)(),
            node: self.node.clone(),
            reason: asking.reason().map(str::to_owned),
            ticket: asking.ticket().map(str::to_owned),
            access_request: granted.access_request.clone(),
        })
    }

    fn fresh_id(&self) -> Result<SessionId, Denial> {
        let mut bytes = [0; 16];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| self.broken(&Fault::bare(Blame::Gateway, "draw a session id")))?;
        Ok(SessionId(u128::from_be_bytes(bytes)))
    }

    fn enter(&self, session: &Arc<Session>, knock: &Knock, granted: &Obligations) -> Arc<Pass> {
        let ground = Ground {
            login: knock.login.clone(),
            settings: knock.settings.clone(),
            replication: knock.replication,
        };
        let end = self.end(&session.identity, granted, session.started);
        self.registry.enter(Arc::clone(session), ground, end)
    }

    /// The first moment that ends the session by itself.
    fn end(&self, identity: &Identity, granted: &Obligations, started: Timestamp) -> End {
        let longest = granted
            .session_max
            .map_or(self.life.max.0, |max| max.min(self.life.max.0));
        let age = End {
            at: started.after(longest),
            denial: Denial::new("session/max", "the session has reached its longest life")
                .hint("Connect again."),
        };
        let token = match self.life.on_token_expiry {
            OnTokenExpiry::Continue => return age,
            OnTokenExpiry::Close => identity.expires,
            OnTokenExpiry::Grace => identity.expires.after(self.life.grace.0),
        };
        if age.at <= token {
            return age;
        }
        End {
            at: token,
            denial: Denial::new(
                "session/token-expired",
                "the token of this session has expired",
            )
            .hint("Get a fresh token and connect again."),
        }
    }

    /// What its system says of the ticket that somebody comes with.
    async fn vouched(&self, identity: &Identity, knock: &Knock) -> Option<Arc<TicketCheck>> {
        let key = parts::ticket(knock)?;
        self.tickets.check(identity, key).await
    }

    /// True when somebody went ahead without an approval.
    fn is_broken_open(&self, session: &Session) -> bool {
        let grant = session.access_request.as_deref();
        let standing = grant.and_then(|id| self.approvals.standing(id));
        standing.is_some_and(|standing| standing.glass)
    }

    /// On record first; only then a key is made.
    async fn admit(
        &self,
        serving: &Serving,
        connection: &Connection,
        session: &Arc<Session>,
        granted: Granted,
        knock: &Knock,
        pass: Arc<Pass>,
    ) -> Result<Admission, Denial> {
        let broken = |fault: Fault| self.broken(&fault);
        let bounds = Bounds::of(&session.identity, &connection.target.name)?;
        let streamed = serving.streams.open(session).await.map_err(broken)?;
        let who = &session.identity.principal;
        let policy = Arc::new(tickets::Ticketed {
            policy: Arc::clone(&self.decide),
            office: Arc::clone(&self.tickets),
        });
        let parts = Parts {
            session: Arc::clone(session),
            examine: Arc::clone(&self.examine),
            classify: streamed.classify,
            decide: Arc::new(Watched::new(
                glass::around(bounds.around(policy), self.is_broken_open(session)),
                Arc::clone(pass.live()),
                Arc::clone(&self.metrics),
            )),
            mask: streamed.mask,
            record: self.books.session(session.id, who).map_err(broken)?,
            tripwire: Arc::clone(&self.tripwire),
            veils: Arc::clone(&self.veils),
            plugins: Arc::clone(&serving.streams) as Arc<dyn Plugins>,
            catalog: Arc::clone(&connection.catalog),
            ledger: self.ledgers.of(who, (self.clock)()).map_err(broken)?,
            granted: granted.decision.obligations.clone(),
        };
        let entry = admit_entry(session, &granted, serving, &knock.proof);
        let gate = Gate::open(parts, entry, (self.clock)()).map_err(broken)?;
        let obligations = &granted.decision.obligations;
        // The login can do what this connection asked for, and no more.
        let mut wanted = obligations.clone();
        if !knock.replication {
            wanted.replication = Replication::Refused;
        }
        let minted = async {
            let opening = Opening {
                session,
                granted: &wanted,
                upstream: connection.addresses().await?,
                settings: upstream_settings(&knock.settings),
            };
            connection.login.open(opening).await
        };
        let way = match minted.await {
            Ok(way) => way,
            Err(fault) => return Err(self.unminted(gate, &fault, connection)),
        };
        tracing::info!(
            session = %session.id, target = session.target.name, kind = ?session.identity.kind,
            "admitted"
        );
        Ok(Admission {
            gate,
            way,
            tether: pass as Arc<dyn Tether>,
            approvals: Arc::clone(&self.approvals),
            target: Arc::clone(&session.target),
            session: session.id,
        })
    }

    /// The target gave no login: the record is sealed with that.
    fn unminted(&self, gate: Gate, fault: &Fault, connection: &Connection) -> Denial {
        let name = &connection.target.name;
        self.metrics.fault(fault);
        tracing::error!(
            target = name,
            fault = fault.chain(),
            "cannot log in to a target"
        );
        if let Err(fault) =
            gate.finish("the gateway could not log in to the target", (self.clock)())
        {
            self.metrics.fault(&fault);
            tracing::error!(fault = fault.chain(), "a session's record stays unsealed");
        }
        let hint = "Try again in a minute, or tell the operator; the gateway's log says why.";
        match fault.blame {
            // The secret itself, or whoever keeps it: the target has not been asked.
            Blame::Gateway => Denial::new(
                "credential/unavailable",
                format!("the gateway cannot get its credential for {name} right now"),
            ),
            _ => Denial::new(
                "fault/upstream",
                format!("the gateway cannot log in to {name} right now"),
            ),
        }
        .hint(hint)
    }

    /// What a client is told when something of ours broke.
    fn broken(&self, fault: &Fault) -> Denial {
        self.metrics.fault(fault);
        tracing::error!(fault = fault.chain(), "nobody can be admitted");
        let label = fault.blame.label();
        Denial::new(
            format!("fault/{label}"),
            "the gateway cannot admit anybody right now",
        )
        .hint("Try again in a minute, or tell the operator; the gateway's log says why.")
    }
}

/// What somebody is told whose identity, token or session was revoked.
#[must_use]
pub fn revoked() -> Denial {
    Denial::new(
        "identity/revoked",
        "the identity or its token has been revoked",
    )
    .hint("Ask whoever runs the gateway.")
}

/// What somebody is told who asks for another session inside of one that outlives its token.
fn outlived() -> Denial {
    Denial::new(
        "identity/expired",
        "the token of the connection around this one has expired",
    )
    .hint("Get a fresh token and connect again.")
}

/// What a session is told that policy would no longer open as it is.
#[must_use]
pub fn ground_lost() -> Denial {
    Denial::new(
        "access/ground-lost",
        "the policy has changed, and this session needs an approval now",
    )
    .hint("Connect again to ask for it.")
}

/// The session around this one, where it runs inside of another.
fn around(proof: &Proof) -> Option<SessionId> {
    match proof {
        Proof::Within { session, .. } => *session,
        _ => None,
    }
}

fn admit_entry(session: &Session, granted: &Granted, serving: &Serving, proof: &Proof) -> Bytes {
    let decision = &granted.decision;
    let rule = match &decision.verdict {
        Verdict::Allow { rule } => rule.clone(),
        Verdict::Deny(denial) => denial.rule.clone(),
        Verdict::Hold(requirements) => {
            let rules: Vec<_> = requirements.iter().map(|r| r.rule.as_str()).collect();
            rules.join(" ")
        }
    };
    // The input is our own JSON; should it not read back, the record holds it as text.
    let input = serde_json::from_slice(&decision.input)
        .unwrap_or_else(|_| json!(String::from_utf8_lossy(&decision.input)));
    let more = json!({
        "connect": {
            "verdict": match &decision.verdict {
                Verdict::Allow { .. } => "allow",
                Verdict::Deny(_) => "deny",
                Verdict::Hold(_) => "hold",
            },
            "rule": rule,
            "revision": decision.revision,
            "reasons": decision.reasons,
            "would": decision.would,
            "obligations": decision.obligations,
            "input": input,
        },
        "plugins": serving.streams.plugins(),
    });
    let mut more = more.as_object().cloned().unwrap_or_default();
    if let Some(around) = around(proof) {
        more.insert("within".to_owned(), json!(around));
    }
    proved(&mut more, proof);
    portcullis_journal::admit_payload(session, more)
}

/// How it was proved, where the identity alone does not say it.
fn proved(more: &mut serde_json::Map<String, serde_json::Value>, proof: &Proof) {
    if let Proof::Key { key, .. } = proof {
        let fingerprint = keys::fingerprint(key);
        let proof = json!({"by": "bound key", "fingerprint": fingerprint});
        more.insert("proof".to_owned(), proof);
    }
}

fn upstream_settings(settings: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    settings
        .iter()
        .filter(|(name, _)| !name.to_ascii_lowercase().starts_with(OWN_SETTINGS))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
