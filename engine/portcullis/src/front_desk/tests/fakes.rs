//! Everybody the front desk asks, following a script and writing down what they were asked.

use super::{client, identity, target};
use crate::config::SessionLife;
use crate::front_desk::{
    Access, Books, Connection, Desk, Login, Opening, Reception, Serving, Streams, Verify,
};
use crate::registry::Registry;
use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_console::{Metrics, PluginRow};
use portcullis_gate::*;
use portcullis_identity::Revocations;
use portcullis_model::{
    Batch, BatchKind, Blame, Class, Decision, Denial, Edits, Facts, Fault, Identity, Obligations,
    Outcome, Principal, Protocol, RowShape, Session, SessionId, Timestamp, Verdict,
};
use portcullis_policy::ConnectQuestion;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What happens in this world.
pub(super) struct Script {
    /// The token proves nothing.
    pub unknown: bool,
    /// What policy says first.
    pub verdict: Verdict,
    /// What it says from the second time on, if something else.
    pub then: Option<Verdict>,
    /// Another policy set serves after each question.
    pub reloads_meanwhile: bool,
    pub policy_broken: bool,
    pub journal_dead: bool,
    pub mint_broken: bool,
    /// What people say; nothing when they never do.
    pub answer: Option<Answer>,
    pub life: SessionLife,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            unknown: false,
            verdict: Verdict::Allow {
                rule: "access/grant".to_owned(),
            },
            then: None,
            reloads_meanwhile: false,
            policy_broken: false,
            journal_dead: false,
            mint_broken: false,
            answer: None,
            life: SessionLife::default(),
        }
    }
}

pub(super) struct World {
    pub reception: Reception,
    cast: Arc<Cast>,
}

/// Everybody at once.
struct Cast {
    script: Script,
    answer: Mutex<Option<Answer>>,
    asked: AtomicUsize,
    said: Arc<Mutex<Vec<String>>>,
    notes: Mutex<String>,
}

impl World {
    pub(super) fn new(mut script: Script) -> Self {
        let answer = script.answer.take();
        let life = script.life.clone();
        let cast = Arc::new(Cast {
            script,
            answer: Mutex::new(answer),
            asked: AtomicUsize::new(0),
            said: Arc::default(),
            notes: Mutex::new(String::new()),
        });
        let connection = Connection {
            target: Arc::new(target()),
            host: "127.0.0.1".to_owned(),
            port: 5432,
            tls: UpstreamTls::Disable,
            login: Arc::clone(&cast) as Arc<dyn Login>,
            catalog: Arc::new(Blank),
        };
        let clock: Clock = Arc::new(|| Timestamp(0));
        let metrics = Arc::new(Metrics::new());
        let desk = Desk {
            verify: Arc::clone(&cast) as Arc<dyn Verify>,
            revocations: Arc::new(Revocations::new()),
            keys: crate::front_desk::Keys::default(),
            serving: ArcSwap::from_pointee(Serving {
                connections: BTreeMap::from([("orders".to_owned(), Arc::new(connection))]),
                streams: Arc::clone(&cast) as Arc<dyn Streams>,
            }),
            access: Arc::clone(&cast) as Arc<dyn Access>,
            decide: Arc::new(Blank),
            books: Arc::clone(&cast) as Arc<dyn Books>,
            approvals: Arc::clone(&cast) as Arc<dyn ApprovalDesk>,
            tickets: Arc::new(Blank),
            examine: Arc::new(Blank),
            tripwire: Arc::new(Blank),
            veils: Arc::new(Blank),
            ledgers: Arc::default(),
            registry: Registry::new(Arc::clone(&metrics), Arc::clone(&clock)),
            metrics,
            clock,
            node: "gw-1".to_owned(),
            life,
        };
        Self {
            reception: Reception::new(desk),
            cast,
        }
    }

    /// Who was asked, in order.
    pub(super) fn said(&self) -> Vec<String> {
        self.cast.said.lock().clone()
    }

    /// The node's own entries.
    pub(super) fn notes(&self) -> String {
        self.cast.notes.lock().clone()
    }
}

impl Cast {
    fn say(&self, what: impl Into<String>) {
        self.said.lock().push(what.into());
    }
}

/// Somebody knocks with a token.
pub(super) fn knock(target: &str) -> Knock {
    Knock {
        protocol: Protocol::Postgres,
        proof: Proof::Password(Box::new("the-token".to_owned())),
        client: client(),
        target: target.to_owned(),
        login: "ana".to_owned(),
        settings: BTreeMap::from([
            ("application_name".to_owned(), "psql".to_owned()),
            ("portcullis.reason".to_owned(), "OPS-12".to_owned()),
        ]),
        replication: false,
    }
}

/// Waits a little, then hangs up.
pub(super) fn patient() -> Patient {
    Patient
}

pub(super) struct Patient;

impl Waiting for Patient {
    fn tell<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
    fn gone<'a>(&'a mut self) -> BoxFuture<'a, ()> {
        Box::pin(tokio::time::sleep(std::time::Duration::from_millis(20)))
    }
}

impl Verify for Cast {
    fn verify<'a>(&'a self, proof: &'a str) -> BoxFuture<'a, Result<Identity, Denial>> {
        Box::pin(async move {
            self.say("verify");
            assert_eq!(proof, "the-token");
            match self.script.unknown {
                true => Err(Denial::new("identity/signature", "proves nothing")),
                false => Ok(identity("ana")),
            }
        })
    }

    fn prove<'a>(
        &'a self,
        name: &'a str,
        _: Option<&'a [u8]>,
        _: Knocking<'a>,
    ) -> BoxFuture<'a, Result<Arc<Identity>, Denial>> {
        Box::pin(async move {
            self.say("prove");
            match name {
                "pcl_ana" => Ok(Arc::new(identity("ana"))),
                _ => Err(Denial::new("identity/login", "not known")),
            }
        })
    }

    fn trusts(&self, _: &Identity) -> Result<(), Denial> {
        match self.script.unknown {
            true => Err(Denial::new("identity/issuer", "no longer trusted")),
            false => Ok(()),
        }
    }

    fn certified(&self, certificate: &[u8], _: std::net::IpAddr) -> Result<Arc<Identity>, Denial> {
        self.say("certified");
        match certificate {
            b"ana's" => Ok(Arc::new(identity("ana"))),
            _ => Err(Denial::new("identity/certificate", "not known")),
        }
    }
}

impl Access for Cast {
    fn connect(&self, _: &ConnectQuestion<'_>) -> Result<Decision, Fault> {
        self.say("connect");
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if self.script.policy_broken {
            return Err(Fault::bare(Blame::Policy, "evaluate"));
        }
        let first = self.script.verdict.clone();
        let outcome = Outcome {
            verdict: match &self.script.then {
                Some(then) if asked > 0 => then.clone(),
                _ => first,
            },
            obligations: Obligations::none(),
            reasons: Vec::new(),
            would: Vec::new(),
            revision: "r".to_owned(),
        };
        Ok(Decision::new(outcome, Bytes::from_static(b"{}")))
    }
    fn revision(&self) -> Arc<str> {
        match self.script.reloads_meanwhile {
            true => self.asked.load(Ordering::Relaxed).to_string().into(),
            false => "r".into(),
        }
    }
}

impl Books for Cast {
    fn session(&self, _: SessionId, _: &Principal) -> Result<Box<dyn Record>, Fault> {
        self.say("record");
        match self.script.journal_dead {
            true => Err(Fault::bare(Blame::Journal, "write")),
            false => Ok(Box::new(Page(Arc::clone(&self.said)))),
        }
    }
    fn note(&self, event: &str, detail: &Value) -> Result<(), Fault> {
        self.say(format!("note {event}"));
        self.notes.lock().push_str(&detail.to_string());
        Ok(())
    }
}

/// A record that notes the kinds of its entries.
struct Page(Arc<Mutex<Vec<String>>>);

impl Record for Page {
    fn append(&mut self, _: StreamId, entries: &[Entry]) -> Result<Sequence, Fault> {
        for entry in entries {
            let kind = format!("append {:?}", entry.kind).to_lowercase();
            self.0.lock().push(kind);
        }
        Ok(Sequence(1))
    }
    fn durable(&self, _: Sequence) -> BoxFuture<'static, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

impl ApprovalDesk for Cast {
    fn open<'a>(
        &'a self,
        request: HoldRequest,
    ) -> BoxFuture<'a, Result<(String, Option<Answer>), Fault>> {
        assert!(request.access);
        Box::pin(async { Ok(("AP-1".to_owned(), None)) })
    }
    fn wait<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Answer, Fault>> {
        let answer = self.answer.lock().take();
        Box::pin(async move {
            match answer {
                Some(answer) => Ok(answer),
                None => std::future::pending().await,
            }
        })
    }
    fn withdraw(&self, id: &str) {
        self.say(format!("withdraw {id}"));
    }
}

impl Plugins for Cast {
    fn open<'a>(&'a self, _: &'a Arc<Session>) -> BoxFuture<'a, Result<Streamed, Fault>> {
        self.say("streams");
        Box::pin(async {
            Ok(Streamed {
                classify: Box::new(Blank),
                mask: Box::new(Blank),
            })
        })
    }
}

impl Streams for Cast {
    fn plugins(&self) -> Vec<PluginRow> {
        Vec::new()
    }
}

impl Login for Cast {
    fn name(&self, id: SessionId) -> String {
        format!("pc_{:x}", id.0)
    }
    fn open<'a>(&'a self, opening: Opening<'a>) -> BoxFuture<'a, Result<Way, Fault>> {
        self.say("mint");
        Box::pin(async {
            match self.script.mint_broken {
                true => Err(Fault::bare(Blame::Upstream, "log in")),
                false => Ok(Way::Postgres(PostgresWay {
                    credential: Box::new(Blank),
                    upstream: opening.upstream,
                    database: "orders".to_owned(),
                    settings: opening.settings,
                })),
            }
        })
    }
    fn settle(&self, _: std::time::Duration) -> BoxFuture<'_, usize> {
        Box::pin(async { 0 })
    }
}

/// Whoever is not asked anything in these tests.
struct Blank;

impl Credential for Blank {
    fn user(&self) -> &str {
        "pc_1"
    }
    fn answer(&mut self, _: Challenge<'_>) -> Result<Reply, Fault> {
        Ok(Reply::Nothing)
    }
    fn server_verified(&self) -> bool {
        false
    }
}
impl crate::front_desk::TicketOffice for Blank {}

impl Decide for Blank {
    fn decide(&self, _: &Question<'_>) -> Result<Decision, Fault> {
        Err(Fault::bare(Blame::Policy, "nothing is judged here"))
    }
    fn revision(&self) -> Arc<str> {
        "r".into()
    }
}
impl Classify for Blank {
    fn classify<'a>(
        &'a mut self,
        _: &'a Session,
        _: Stage,
        _: &'a str,
        _: &'a Facts,
    ) -> BoxFuture<'a, Result<Option<Class>, Fault>> {
        Box::pin(async { Ok(None) })
    }
}
impl Mask for Blank {
    fn wants(&self, _: BatchKind, _: &RowShape) -> bool {
        false
    }
    fn mask<'a>(
        &'a mut self,
        _: &'a Batch,
        _: &'a [bool],
        _: &'a Obligations,
    ) -> BoxFuture<'a, Result<Edits, Fault>> {
        Box::pin(async { Ok(Edits::default()) })
    }
}
impl Examine for Blank {
    fn cached(&self, _: &str) -> Option<Arc<Facts>> {
        None
    }
    fn examine<'a>(
        &'a self,
        _: &'a Principal,
        _: &'a Arc<str>,
    ) -> BoxFuture<'a, Result<Arc<Facts>, Fault>> {
        Box::pin(async { Err(Fault::bare(Blame::Gateway, "nothing is examined here")) })
    }
}
impl Veils for Blank {
    fn veil(&self, _: Reader) -> Box<dyn Veil> {
        unreachable!("no bytes stream here")
    }
}
impl Tripwire for Blank {
    fn hits(&self, _: &[u8]) -> Vec<(usize, usize)> {
        Vec::new()
    }
    fn reach(&self) -> usize {
        0
    }
}
impl Catalog for Blank {
    fn relation(&self, _: u32) -> Option<Arc<Relation>> {
        None
    }
    fn named(&self, _: &str) -> Vec<Arc<Relation>> {
        Vec::new()
    }
    fn refresh<'a>(&'a self, _: &'a [u32]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}
