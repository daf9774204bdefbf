//! A gate made of small fakes, for driving the whole protocol without policy, plugins or a journal.
//! Texts decide what happens: `forbidden` is denied, `approval` is held, everything else is allowed.

use bytes::Bytes;
use portcullis_gate::*;
use portcullis_model::facts::{CopyFacts, SessionChange};
use portcullis_model::verdict::{Denial, Obligations, Requirement, Verdict};
use portcullis_model::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;

/// What the fakes have seen, and what they are told to do.
pub struct World {
    pub entries: Mutex<Vec<Entry>>,
    pub sequence: AtomicU64,
    pub journal_dead: AtomicBool,
    pub keep_entries: bool,
    pub held: Mutex<Vec<HoldRequest>>,
    pub answer: Mutex<Option<Answer>>,
    pub answered: Notify,
    pub withdrawn: AtomicU64,
    pub sever: Notify,
    pub upstream: Upstream,
    pub user: String,
    pub database: String,
    pub row_limit: Option<u64>,
    pub token: String,
    pub slow_admission: AtomicBool,
    pub in_transaction: bool,
    pub defer: bool,
}

impl World {
    pub fn new(upstream: Upstream) -> Self {
        Self {
            entries: Mutex::default(),
            sequence: AtomicU64::new(0),
            journal_dead: AtomicBool::new(false),
            keep_entries: true,
            held: Mutex::default(),
            answer: Mutex::default(),
            answered: Notify::new(),
            withdrawn: AtomicU64::new(0),
            sever: Notify::new(),
            upstream,
            user: "postgres".to_owned(),
            database: "postgres".to_owned(),
            row_limit: None,
            token: "token".to_owned(),
            slow_admission: AtomicBool::new(false),
            in_transaction: false,
            defer: false,
        }
    }

    pub fn kinds(&self) -> Vec<EntryKind> {
        self.entries
            .lock()
            .unwrap()
            .iter()
            .map(|e| e.kind)
            .collect()
    }

    pub fn approve(&self) {
        let by = vec![Principal {
            issuer: "test".into(),
            subject: "bea".into(),
        }];
        *self.answer.lock().unwrap() = Some(Answer::Approve {
            id: "AP-1".into(),
            by,
        });
        self.answered.notify_one();
    }

    pub fn refuse(&self) {
        *self.answer.lock().unwrap() = Some(Answer::Refuse(Denial::new(
            "approval/denied",
            "bea said no",
        )));
        self.answered.notify_one();
    }
}

/// The machine's clock.
pub fn clock() -> Clock {
    Arc::new(|| Timestamp::from(SystemTime::now()))
}

pub struct Desk(pub Arc<World>);

impl FrontDesk for Desk {
    fn admit<'a>(
        &'a self,
        knock: Knock,
        waiting: Knocking<'a>,
    ) -> BoxFuture<'a, Result<Admission, Denial>> {
        Box::pin(async move {
            let Proof::Password(token) = &knock.proof else {
                return Err(Denial::new("identity/login", "not known"));
            };
            if (**token).as_ref() != self.0.token {
                return Err(Denial::new("identity/token", "the token is not valid"));
            }
            if self.0.slow_admission.load(Ordering::Relaxed) {
                let told = waiting
                    .tell("access request AR-1: waiting for 1 of sre")
                    .await;
                told.map_err(|_| Denial::new("access/gone", "gone"))?;
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            Ok(self.admission(knock))
        })
    }
}

impl Desk {
    fn admission(&self, knock: Knock) -> Admission {
        let world = self.0.clone();
        let target = Arc::new(Target {
            name: knock.target.clone(),
            protocol: Protocol::Postgres,
            labels: BTreeMap::new(),
            database: Some(world.database.clone()),
            role: None,
        });
        let session = Arc::new(Session {
            id: SessionId(7),
            identity: Arc::new(identity()),
            target: target.clone(),
            client: knock.client,
            started: Timestamp(0),
            node: "test".into(),
            login: world.user.clone(),
            reason: knock.settings.get("portcullis.reason").cloned(),
            ticket: None,
            access_request: None,
        });
        let fake = Arc::new(Fake(world.clone()));
        let parts = Parts {
            session,
            examine: fake.clone(),
            classify: Box::new(Reads),
            decide: fake.clone(),
            mask: Box::new(NoMask),
            record: Box::new(Book(world.clone())),
            tripwire: fake.clone(),
            catalog: fake.clone(),
            veils: fake.clone(),
            plugins: fake.clone(),
            ledger: Arc::default(),
            granted: Obligations::none(),
        };
        Admission {
            gate: Gate::open(parts, Bytes::from_static(b"{}"), Timestamp(0)).unwrap(),
            way: Way::Postgres(PostgresWay {
                credential: Box::new(Trusted(world.user.clone())),
                upstream: world.upstream.clone(),
                database: world.database.clone(),
                settings: knock.settings,
            }),
            tether: fake.clone(),
            approvals: fake,
            target,
            session: SessionId(7),
        }
    }
}

fn identity() -> Identity {
    Identity {
        principal: Principal {
            issuer: "test".into(),
            subject: "ana".into(),
        },
        provider: "test".into(),
        kind: Kind::Agent,
        name: "ana".into(),
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: Vec::new(),
        assurance: None,
        token_id: None,
        expires: Timestamp(i64::MAX),
    }
}

struct Fake(Arc<World>);

impl Examine for Fake {
    fn cached(&self, text: &str) -> Option<Arc<Facts>> {
        Some(Arc::new(facts(text)))
    }
    fn examine<'a>(
        &'a self,
        _: &'a Principal,
        text: &'a Arc<str>,
    ) -> BoxFuture<'a, Result<Arc<Facts>, Fault>> {
        Box::pin(async move { Ok(Arc::new(facts(text))) })
    }
}

/// Enough of SQL for the tests: keywords at the beginning of statements.
pub fn facts(text: &str) -> Facts {
    let mut statements = Vec::new();
    let mut at = 0u32;
    for part in text.split(';') {
        let end = at + u32::try_from(part.len()).unwrap();
        if !part.trim().is_empty() {
            let mut one = statement(part.trim());
            one.span = at..end;
            statements.push(one);
        }
        at = end + 1;
    }
    let parse = match text.contains("syntax error here") {
        true => Parse::Failed {
            message: "syntax error at or near \"here\"".into(),
            position: 1,
        },
        false => Parse::Ok,
    };
    Facts {
        parse,
        statements,
        secrets: Vec::new(),
    }
}

fn statement(text: &str) -> StatementFacts {
    let words: Vec<&str> = text.split_whitespace().collect();
    let upper = words
        .first()
        .map(|w| w.to_ascii_uppercase())
        .unwrap_or_default();
    let upper = match lower_starts(text, "rollback to") {
        true => "ROLLBACK TO".to_owned(),
        false => upper,
    };
    let lower = text.to_ascii_lowercase();
    let changes = changes(text, &upper, &words);
    let copy = (upper == "COPY").then(|| copy(&lower));
    let writes = matches!(upper.as_str(), "INSERT" | "UPDATE" | "DELETE" | "DROP");
    let mut labels = BTreeSet::new();
    for label in ["forbidden", "approval"] {
        if text.contains(label) {
            labels.insert(label.to_owned());
        }
    }
    StatementFacts {
        category: Category::Read,
        effect: if writes { Effect::Write } else { Effect::Read },
        transparent: !text.contains("opaque"),
        moves: Vec::new(),
        labels,
        copy,
        changes,
        verbs: Verbs::READ,
        ..StatementFacts::unknown(&upper)
    }
}

fn changes(text: &str, upper: &str, words: &[&str]) -> Vec<SessionChange> {
    let lower = text.to_ascii_lowercase();
    let name = |i: usize| {
        words
            .get(i)
            .map(|w| w.trim_matches('"').to_owned())
            .unwrap_or_default()
    };
    let inner = |after: &str| {
        let at = lower.find(after).map(|at| at + after.len()).unwrap_or(0);
        Box::new(statement(text[at..].trim()))
    };
    match upper {
        "SAVEPOINT" | "RELEASE" | "ROLLBACK TO" => vec![SessionChange::Savepoint],
        "BEGIN" => vec![SessionChange::Begin],
        "COMMIT" | "END" => vec![SessionChange::Commit],
        "ROLLBACK" => vec![SessionChange::Rollback],
        "PREPARE" => vec![SessionChange::Prepare {
            name: name(1),
            inner: inner(" as "),
        }],
        "EXECUTE" => vec![SessionChange::Execute {
            name: name(1),
            literal: true,
        }],
        "DEALLOCATE" if name(1).eq_ignore_ascii_case("all") => {
            vec![SessionChange::Deallocate(None)]
        }
        "DEALLOCATE" => vec![SessionChange::Deallocate(Some(name(1)))],
        "DECLARE" => vec![SessionChange::Declare {
            name: name(1),
            inner: inner(" for "),
            hold: lower.contains("with hold"),
        }],
        "FETCH" | "MOVE" => vec![SessionChange::Fetch(
            words.last().unwrap().trim_matches('"').to_owned(),
        )],
        "CLOSE" => vec![SessionChange::Close(Some(name(1)))],
        "SET" => vec![SessionChange::Set {
            name: name(1).to_ascii_lowercase(),
            value: words.last().map(|w| w.trim_matches('\'').to_owned()),
            local: false,
        }],
        _ => Vec::new(),
    }
}

fn copy(lower: &str) -> CopyFacts {
    CopyFacts {
        from: lower.contains("from stdin"),
        relation: None,
        columns: Vec::new(),
        format: if lower.contains("csv") {
            "csv"
        } else if lower.contains("binary") {
            "binary"
        } else {
            "text"
        }
        .into(),
        delimiter: if lower.contains("csv") { b',' } else { b'\t' },
        null: if lower.contains("csv") { "" } else { "\\N" }.into(),
        header: false,
        quote: b'"',
        escape: b'"',
        encoding: None,
        server_side: false,
    }
}

fn lower_starts(text: &str, with: &str) -> bool {
    text.to_ascii_lowercase().starts_with(with)
}

impl Decide for Fake {
    fn decide(&self, question: &Question<'_>) -> Result<Decision, Fault> {
        let labels = &question.class.labels;
        let has = |label: &str| labels.iter().any(|l| l == label);
        let verdict = if has("forbidden") || has("unresolved-name") {
            Verdict::Deny(Denial::new("test/forbidden", "it is forbidden").hint("Do not."))
        } else if has("approval") {
            Verdict::Hold(vec![Requirement {
                rule: "test/approval".into(),
                msg: "needs a person".into(),
                approver_groups: vec!["sre".into()],
                approvers: 1,
                ttl: Duration::from_secs(60),
                execution_ttl: Duration::from_secs(60),
                ticket: false,
                terms: portcullis_model::Terms::default(),
                defer: self.0.defer,
                in_transaction: self.0.in_transaction,
            }])
        } else {
            Verdict::Allow {
                rule: "test/allow".into(),
            }
        };
        let mut obligations = Obligations::none();
        obligations.row_limit = self.0.row_limit;
        let outcome = Outcome {
            verdict,
            obligations,
            reasons: Vec::new(),
            would: Vec::new(),
            revision: "r1".into(),
        };
        Ok(Decision::new(outcome, Bytes::new()))
    }
    fn revision(&self) -> Arc<str> {
        Arc::from("r1")
    }
}

impl Veils for Fake {
    fn veil(&self, _: Reader) -> Box<dyn Veil> {
        unreachable!("PostgreSQL has no byte streams")
    }
}

impl Plugins for Fake {
    fn open<'a>(&'a self, _: &'a Arc<Session>) -> BoxFuture<'a, Result<Streamed, Fault>> {
        unreachable!("PostgreSQL has one stream")
    }
}

impl Tripwire for Fake {
    fn hits(&self, _: &[u8]) -> Vec<(usize, usize)> {
        Vec::new()
    }
    fn reach(&self) -> usize {
        0
    }
}

impl Catalog for Fake {
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

impl Tether for Fake {
    fn severed<'a>(&'a self) -> BoxFuture<'a, Denial> {
        Box::pin(async move {
            self.0.sever.notified().await;
            Denial::new("session/killed", "an administrator ended the session").hint("Ask why.")
        })
    }
    fn doing(&self, _: &str) {}
}

impl ApprovalDesk for Fake {
    fn open<'a>(
        &'a self,
        request: HoldRequest,
    ) -> BoxFuture<'a, Result<(String, Option<Answer>), Fault>> {
        self.0.held.lock().unwrap().push(request);
        Box::pin(async { Ok(("AP-1".to_owned(), None)) })
    }
    fn wait<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Answer, Fault>> {
        Box::pin(async move {
            loop {
                if let Some(answer) = self.0.answer.lock().unwrap().take() {
                    return Ok(answer);
                }
                self.0.answered.notified().await;
            }
        })
    }
    fn withdraw(&self, _: &str) {
        self.0.withdrawn.fetch_add(1, Ordering::Relaxed);
    }
}

struct Book(Arc<World>);

impl Record for Book {
    fn append(&mut self, _: StreamId, entries: &[Entry]) -> Result<Sequence, Fault> {
        if self.0.journal_dead.load(Ordering::Relaxed) {
            return Err(Fault::bare(Blame::Journal, "append"));
        }
        if self.0.keep_entries {
            self.0.entries.lock().unwrap().extend_from_slice(entries);
        }
        let count = entries.len() as u64;
        Ok(Sequence(
            self.0.sequence.fetch_add(count, Ordering::Relaxed) + count,
        ))
    }
    fn durable(&self, _: Sequence) -> BoxFuture<'static, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

struct Reads;

impl Classify for Reads {
    fn classify<'a>(
        &'a mut self,
        _: &'a Session,
        _: Stage,
        _: &'a str,
        _: &'a Facts,
    ) -> BoxFuture<'a, Result<Option<Class>, Fault>> {
        Box::pin(async { Ok(Some(Class::nothing())) })
    }
}

struct NoMask;

impl Mask for NoMask {
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

struct Trusted(String);

impl Credential for Trusted {
    fn user(&self) -> &str {
        &self.0
    }
    fn answer(&mut self, challenge: Challenge<'_>) -> Result<Reply, Fault> {
        match challenge {
            Challenge::Cleartext => Ok(Reply::Password(Box::new("secret".as_bytes().to_vec()))),
            _ => Err(Fault::bare(Blame::Gateway, "answer in a test")),
        }
    }
    fn server_verified(&self) -> bool {
        false
    }
}
