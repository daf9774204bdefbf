//! What the tests of the desk share: a clock that can be turned, a record that can be broken, people and
//! requests.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use parking_lot::Mutex;
use portcullis_approval::{Ballot, Desk, Note, Settings, State, VoteRefused};
use portcullis_gate::{Answer, ApprovalDesk, HoldRequest};
use portcullis_model::{
    Blame, Class, Client, Context, Denial, Fault, Identity, Kind, Principal, Protocol, Requirement,
    Session, SessionId, Target, Timestamp,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

pub fn start() -> Timestamp {
    Timestamp(1_790_000_000_000_000_000)
}

#[derive(Default)]
pub struct Notes {
    broken: AtomicBool,
    said: Mutex<Vec<Value>>,
}

impl Note for Notes {
    fn note(&self, _event: &str, detail: &Value) -> Result<(), Fault> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Fault::bare(Blame::Journal, "write the record"));
        }
        self.said.lock().push(detail.clone());
        Ok(())
    }
}

pub struct World {
    pub desk: Arc<Desk>,
    notes: Arc<Notes>,
    now: Arc<AtomicI64>,
}

impl World {
    pub fn new() -> Self {
        let notes = Arc::new(Notes::default());
        let now = Arc::new(AtomicI64::new(start().0));
        let hands = now.clone();
        let clock = Arc::new(move || Timestamp(hands.fetch_add(1_000, Ordering::Relaxed)));
        let desk = Desk::new(clock, notes.clone(), Settings::new());
        Self { desk, notes, now }
    }

    /// Opens a request that is not answered at once.
    pub fn open(&self, wants: Wants) -> String {
        let (id, answer) = block_on(self.desk.open(wants.request)).expect("opened");
        assert!(answer.is_none(), "{answer:?}");
        id
    }

    pub fn approve(&self, id: &str, voter: &Arc<Identity>) -> Result<State, VoteRefused> {
        self.vote(id, voter, Ballot::Approve)
    }

    pub fn vote(
        &self,
        id: &str,
        voter: &Arc<Identity>,
        ballot: Ballot,
    ) -> Result<State, VoteRefused> {
        self.desk.vote(id, voter, ballot, "because", |_| Ok(()))
    }

    pub fn answer(&self, id: &str) -> Answer {
        block_on(self.desk.wait(id)).expect("answered")
    }

    pub fn refusal(&self, id: &str) -> Denial {
        match self.answer(id) {
            Answer::Refuse(denial) => denial,
            Answer::Approve { .. } => panic!("{id} was let through"),
        }
    }

    pub fn pass(&self, time: Duration) {
        let nanos = i64::try_from(time.as_nanos()).expect("short");
        self.now.fetch_add(nanos, Ordering::Relaxed);
    }

    pub fn notes(&self) -> Vec<Value> {
        self.notes.said.lock().clone()
    }

    pub fn break_notes(&self) {
        self.notes.broken.store(true, Ordering::Relaxed);
    }

    pub fn mend_notes(&self) {
        self.notes.broken.store(false, Ordering::Relaxed);
    }
}

/// A request in the making.
#[derive(Clone)]
pub struct Wants {
    pub request: HoldRequest,
}

impl Wants {
    /// So many people of the group sre, 60 s to approve, 30 s to use.
    pub fn people(approvers: u32) -> Self {
        let requirement = Requirement {
            rule: "sql/destroy".to_owned(),
            msg: "it destroys data".to_owned(),
            approver_groups: vec!["sre".to_owned()],
            approvers,
            ttl: Duration::from_secs(60),
            execution_ttl: Duration::from_secs(30),
            defer: false,
            in_transaction: false,
            ticket: false,
        };
        Self {
            request: HoldRequest {
                session: session((*human("ana")).clone()),
                binding: [1; 32],
                shown: "DROP TABLE orders".to_owned(),
                class: Class::nothing(),
                ticket: None,
                context: Context::new(),
                requirements: vec![requirement],
                access: false,
            },
        }
    }

    pub fn by(mut self, identity: Identity) -> Self {
        self.request.session = session(identity);
        self
    }

    pub fn deferred(mut self) -> Self {
        for requirement in &mut self.request.requirements {
            requirement.defer = true;
        }
        self
    }
}

fn session(identity: Identity) -> Arc<Session> {
    Arc::new(Session {
        id: SessionId(7),
        identity: Arc::new(identity),
        target: Arc::new(Target {
            name: "orders".to_owned(),
            protocol: Protocol::Postgres,
            labels: BTreeMap::new(),
            database: None,
            role: None,
        }),
        client: Client {
            address: "10.0.0.1:5000".parse().expect("address"),
            program: Some("psql".to_owned()),
            tls: None,
        },
        started: start(),
        node: "node-1".to_owned(),
        login: "pc_1".to_owned(),
        reason: None,
        ticket: None,
        access_request: None,
    })
}

pub fn human(name: &str) -> Arc<Identity> {
    Arc::new(identity(name, Kind::Human))
}

pub fn identity(name: &str, kind: Kind) -> Identity {
    Identity {
        principal: Principal {
            issuer: "https://id.example".to_owned(),
            subject: name.to_owned(),
        },
        provider: "corp".to_owned(),
        kind,
        name: name.to_owned(),
        groups: vec!["sre".to_owned()],
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: Vec::new(),
        assurance: None,
        token_id: None,
        expires: start().after(Duration::from_secs(3600)),
    }
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("runtime")
        .block_on(future)
}
