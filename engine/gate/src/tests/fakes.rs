//! Fakes for every seam, steered from the outside. They are stand-ins for tests of the gate's order only.

use crate::{
    BoxFuture, Catalog, Classify, Decide, Entry, EntryKind, Examine, Gate, Mask, Next, Parts,
    Plugins, Question, Reader, Record, Relation, Sequence, Stage, StreamId, Streamed, Tripwire,
    Veil, Veiled, Veils,
};
use bytes::Bytes;
use portcullis_model::message::{
    Body, Command, Message, Protocol, ShellCommand, Statement, Subject,
};
use portcullis_model::{
    Batch, BatchKind, Blame, Category, Class, Client, Decision, Edits, Effect, Facts, Fault,
    Identity, Kind, Obligations, Outcome, Parse, Principal, RowShape, Session, SessionId,
    StatementFacts, Target, Timestamp, Verbs, Verdict,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub const NOW: Timestamp = Timestamp(1_795_000_000_000_000_000);

pub fn query(sql: &'static str) -> Message {
    let statement = Statement {
        text: Arc::from(sql),
        stage: Stage::Query,
        parameters: Vec::new(),
        resolved: Vec::new(),
        function: None,
        known: None,
    };
    Message {
        body: Body::Statement(statement),
        wire: Bytes::from_static(sql.as_bytes()),
    }
}

pub fn upload(text: &str) -> Message {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    Message {
        body: Body::Upload(bytes.clone()),
        wire: bytes,
    }
}

pub fn exec(text: &'static str, known: Option<Class>) -> Message {
    let argv = text.split(' ').map(str::to_owned).collect();
    let command = Command {
        text: Arc::from(text),
        stage: Stage::Exec,
        subject: Subject::Shell(ShellCommand {
            mode: "exec",
            argv,
            ..ShellCommand::default()
        }),
        known,
        secrets: Vec::new(),
        bound: Bytes::new(),
    };
    Message {
        body: Body::Command(command),
        wire: Bytes::from_static(text.as_bytes()),
    }
}

struct State {
    verdict: Verdict,
    fails: &'static str,
    floor: Effect,
    opinion: Option<Class>,
    /// Facts that all texts have, and that classifiers go by alone.
    shared: Option<Arc<Facts>>,
    asked: u32,
    class: Option<Class>,
    obliged: Obligations,
    past: Option<crate::History>,
    dead: bool,
    entries: u64,
    kinds: Vec<(StreamId, EntryKind, Bytes)>,
    subject: Option<Subject>,
    waited: bool,
    secret: String,
    granted: Obligations,
    ledger: Arc<crate::Ledger>,
}

#[derive(Clone)]
pub struct Fakes(Arc<Mutex<State>>);

impl Fakes {
    pub fn new(verdict: Verdict) -> Self {
        Self(Arc::new(Mutex::new(State {
            verdict,
            fails: "",
            floor: Effect::Read,
            opinion: Some(Class::nothing()),
            shared: None,
            asked: 0,
            class: None,
            obliged: Obligations::none(),
            past: None,
            dead: false,
            entries: 0,
            kinds: Vec::new(),
            subject: None,
            waited: false,
            secret: String::new(),
            granted: Obligations::none(),
            ledger: Arc::default(),
        })))
    }

    fn with<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        look(&mut self.0.lock().expect("no test panics while it holds this"))
    }

    pub fn answer(&self, verdict: Verdict) {
        self.with(|s| s.verdict = verdict);
    }

    pub fn fail(&self, part: &'static str) {
        self.with(|s| s.fails = part);
    }

    pub fn floor(&self, effect: Effect) {
        self.with(|s| s.floor = effect);
    }

    pub fn opinion(&self, class: Class) {
        self.with(|s| s.opinion = Some(class));
    }

    /// Classifiers go by the facts alone, and all texts have the same.
    pub fn by_facts(&self) {
        let facts = Facts {
            parse: Parse::Ok,
            statements: Vec::new(),
            secrets: Vec::new(),
        };
        self.with(|s| s.shared = Some(Arc::new(facts)));
    }

    /// How often classifiers were asked.
    pub fn asked(&self) -> u32 {
        self.with(|s| s.asked)
    }

    pub fn no_classifier(&self) {
        self.with(|s| s.opinion = None);
    }

    pub fn last_class(&self) -> Option<Class> {
        self.with(|s| s.class.clone())
    }

    pub fn kill_journal(&self) {
        self.with(|s| s.dead = true);
    }

    pub fn entries(&self) -> u64 {
        self.with(|s| s.entries)
    }

    /// What was recorded, in order.
    pub fn kinds(&self) -> Vec<(StreamId, EntryKind, Bytes)> {
        self.with(|s| s.kinds.clone())
    }

    /// The parts of the command that policy was asked about last.
    pub fn subject(&self) -> Option<Subject> {
        self.with(|s| s.subject.clone())
    }

    pub fn waited(&self) -> bool {
        self.with(|s| s.waited)
    }

    pub fn secret(&self, secret: &str) {
        self.with(|s| s.secret = secret.to_owned());
    }

    pub fn grant(&self, granted: Obligations) {
        self.with(|s| s.granted = granted);
    }

    /// What comes with every decision.
    pub fn oblige(&self, obliged: Obligations) {
        self.with(|s| s.obliged = obliged);
    }

    /// What policy was last told of the past.
    pub fn past(&self) -> Option<crate::History> {
        self.with(|s| s.past)
    }

    pub fn parts(&self) -> Parts {
        Parts {
            session: Arc::new(session()),
            examine: Arc::new(self.clone()),
            classify: Box::new(self.clone()),
            decide: Arc::new(self.clone()),
            mask: Box::new(self.clone()),
            record: Box::new(self.clone()),
            tripwire: Arc::new(self.clone()),
            catalog: Arc::new(self.clone()),
            veils: Arc::new(self.clone()),
            plugins: Arc::new(self.clone()),
            ledger: self.with(|s| s.ledger.clone()),
            granted: self.with(|s| s.granted.clone()),
        }
    }

    pub fn gate(&self) -> Gate {
        Gate::open(self.parts(), Bytes::from_static(b"{}"), NOW).expect("the journal is alive")
    }

    fn failing(&self, part: &str, blame: Blame) -> Result<(), Fault> {
        match self.with(|s| s.fails == part) {
            true => Err(Fault::new(blame, "be faked", "inside")),
            false => Ok(()),
        }
    }
}

fn session() -> Session {
    let principal = Principal {
        issuer: "i".to_owned(),
        subject: "ana".to_owned(),
    };
    let identity = Identity {
        principal,
        provider: "test".to_owned(),
        kind: Kind::Human,
        name: "ana".to_owned(),
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: Vec::new(),
        assurance: None,
        token_id: None,
        expires: NOW,
    };
    let target = Target {
        name: "orders".to_owned(),
        protocol: Protocol::Postgres,
        labels: BTreeMap::new(),
        database: None,
        role: None,
    };
    let client = Client {
        address: ([127, 0, 0, 1], 1).into(),
        program: None,
        tls: None,
    };
    Session {
        id: SessionId(1),
        identity: Arc::new(identity),
        target: Arc::new(target),
        client,
        started: NOW,
        node: "n".to_owned(),
        login: "pc_1".to_owned(),
        reason: None,
        ticket: None,
        access_request: None,
    }
}

impl Examine for Fakes {
    fn cached(&self, _: &str) -> Option<Arc<Facts>> {
        self.with(|s| s.shared.clone())
    }

    fn examine<'a>(
        &'a self,
        _: &'a Principal,
        _: &'a Arc<str>,
    ) -> BoxFuture<'a, Result<Arc<Facts>, Fault>> {
        let facts = StatementFacts {
            category: Category::Read,
            effect: self.with(|s| s.floor),
            transparent: true,
            outline: Some(Arc::default()),
            moves: Vec::new(),
            verbs: Verbs::READ,
            ..StatementFacts::unknown("SELECT")
        };
        Box::pin(async move {
            self.failing("examine", Blame::Gateway)?;
            Ok(Arc::new(Facts {
                parse: Parse::Ok,
                statements: vec![facts],
                secrets: Vec::new(),
            }))
        })
    }
}

impl Classify for Fakes {
    fn by_facts(&self, stage: Stage) -> bool {
        stage == Stage::Query && self.with(|s| s.shared.is_some())
    }

    fn classify<'a>(
        &'a mut self,
        _: &'a Session,
        _: Stage,
        _: &'a str,
        _: &'a Facts,
    ) -> BoxFuture<'a, Result<Option<Class>, Fault>> {
        Box::pin(async {
            self.with(|s| s.asked += 1);
            self.failing("classify", Blame::Plugin)?;
            Ok(self.with(|s| s.opinion.clone()))
        })
    }
}

impl Decide for Fakes {
    fn decide(&self, question: &Question<'_>) -> Result<Decision, Fault> {
        self.failing("decide", Blame::Policy)?;
        self.with(|s| s.class = Some(question.class.clone()));
        self.with(|s| s.past = Some(question.history));
        self.with(|s| s.subject = question.subject.cloned());
        let outcome = Outcome {
            verdict: self.with(|s| s.verdict.clone()),
            obligations: self.with(|s| s.obliged.clone()),
            reasons: Vec::new(),
            would: Vec::new(),
            revision: "r1".to_owned(),
        };
        Ok(Decision::new(outcome, Bytes::from_static(b"{}")))
    }

    fn revision(&self) -> Arc<str> {
        Arc::from("r1")
    }
}

impl Mask for Fakes {
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

impl Record for Fakes {
    fn append(&mut self, stream: StreamId, entries: &[Entry]) -> Result<Sequence, Fault> {
        self.with(|s| match s.dead {
            true => Err(Fault::bare(Blame::Journal, "write")),
            false => {
                s.entries += entries.len() as u64;
                s.kinds
                    .extend(entries.iter().map(|e| (stream, e.kind, e.payload.clone())));
                Ok(Sequence(s.entries))
            }
        })
    }

    fn durable(&self, _: Sequence) -> BoxFuture<'static, Result<(), Fault>> {
        self.with(|s| s.waited = true);
        Box::pin(async { Ok(()) })
    }
}

impl Plugins for Fakes {
    fn open<'a>(&'a self, _: &'a Arc<Session>) -> BoxFuture<'a, Result<Streamed, Fault>> {
        Box::pin(async {
            self.failing("plugins", Blame::Plugin)?;
            Ok(Streamed {
                classify: Box::new(self.clone()),
                mask: Box::new(self.clone()),
            })
        })
    }
}

/// Holds everything back until the end, and trips over the secret.
struct Held(Fakes, Vec<u8>);

impl Veils for Fakes {
    fn veil(&self, _: Reader) -> Box<dyn Veil> {
        Box::new(Held(self.clone(), Vec::new()))
    }
}

impl Veil for Held {
    fn draw<'a>(
        &'a mut self,
        piece: &'a [u8],
        next: Next,
        _: &'a mut dyn Mask,
        _: &'a Obligations,
    ) -> BoxFuture<'a, Result<Veiled, Fault>> {
        Box::pin(async move {
            self.1.extend_from_slice(piece);
            if next == Next::Open {
                return Ok(Veiled::default());
            }
            let bytes = Bytes::from(std::mem::take(&mut self.1));
            let tripped = u32::try_from(self.0.hits(&bytes).len()).unwrap();
            let labels = match tripped {
                0 => BTreeMap::new(),
                n => BTreeMap::from([(Arc::from("tripwire"), n)]),
            };
            Ok(Veiled {
                bytes,
                labels,
                tripped,
            })
        })
    }

    fn held(&self) -> usize {
        self.1.len()
    }
}

impl Tripwire for Fakes {
    fn hits(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let secret = self.with(|s| s.secret.clone());
        if secret.is_empty() {
            return Vec::new();
        }
        memchr::memmem::find_iter(text, secret.as_bytes())
            .map(|at| (at, at + secret.len()))
            .collect()
    }

    fn reach(&self) -> usize {
        self.with(|s| s.secret.len())
    }
}

impl Catalog for Fakes {
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
