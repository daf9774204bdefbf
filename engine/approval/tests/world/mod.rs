//! What the tests of the desk share: a clock that can be turned, a record that can be broken, people and
//! requests.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use parking_lot::Mutex;
use portcullis_approval::{
    Announce, Ballot, Clocks, Desk, Hands, Keep, Kept, News, Note, Settings, Shelf, State,
    VoteRefused, Word,
};
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

/// A store in memory that can be broken, and what was announced.
#[derive(Default)]
pub struct Chest {
    broken: AtomicBool,
    things: Mutex<BTreeMap<(Shelf, String), Value>>,
    seen: AtomicI64,
    news: Mutex<Vec<News>>,
}

impl Keep for Chest {
    fn put(&self, shelf: Shelf, id: &str, value: Value, at: Timestamp) -> Result<(), Fault> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Fault::bare(Blame::Gateway, "keep it: the disk is full"));
        }
        self.seen.fetch_max(at.0, Ordering::Relaxed);
        self.things.lock().insert((shelf, id.to_owned()), value);
        Ok(())
    }

    fn remove(&self, shelf: Shelf, id: &str, at: Timestamp) -> Result<(), Fault> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Fault::bare(Blame::Gateway, "forget it: the disk is full"));
        }
        self.seen.fetch_max(at.0, Ordering::Relaxed);
        self.things.lock().remove(&(shelf, id.to_owned()));
        Ok(())
    }
}

impl Announce for Chest {
    fn announce(&self, news: &News) -> Result<(), Fault> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Fault::bare(Blame::Gateway, "take a message in"));
        }
        self.news.lock().push(news.clone());
        Ok(())
    }
}

pub struct World {
    pub desk: Arc<Desk>,
    notes: Arc<Notes>,
    now: Arc<AtomicI64>,
    steady: Arc<AtomicI64>,
    chest: Arc<Chest>,
    settings: Settings,
}

impl World {
    /// Where any token that has not expired votes: most tests are about something else.
    pub fn new() -> Self {
        Self::with(Settings {
            fresh_within: None,
            ..Settings::new()
        })
    }

    pub fn with(settings: Settings) -> Self {
        let (notes, chest) = (Arc::new(Notes::default()), Arc::new(Chest::default()));
        let now = Arc::new(AtomicI64::new(start().0));
        let steady = Arc::new(AtomicI64::new(0));
        let desk = desk(&notes, &chest, (&now, &steady), settings);
        Self {
            settings,
            desk,
            notes,
            now,
            steady,
            chest,
        }
    }

    /// The gateway ends and starts again; the time of day may have been set meanwhile.
    pub fn restart(&mut self) {
        self.steady = Arc::new(AtomicI64::new(0));
        let clocks = (&self.now, &self.steady);
        self.desk = desk(&self.notes, &self.chest, clocks, self.settings);
    }

    /// Sets the time of day, this much forward or back. The steady count knows nothing of it.
    pub fn set_clock(&self, by: i64) {
        self.now.fetch_add(by * 1_000_000_000, Ordering::Relaxed);
    }

    /// Sets the time of day to so many milliseconds after the start.
    pub fn at(&self, millis: i64) {
        let now = start().0 + millis * 1_000_000;
        self.now.store(now, Ordering::Relaxed);
    }

    pub fn news(&self) -> Vec<News> {
        self.chest.news.lock().clone()
    }

    pub fn fill_disk(&self) {
        self.chest.broken.store(true, Ordering::Relaxed);
    }

    pub fn free_disk(&self) {
        self.chest.broken.store(false, Ordering::Relaxed);
    }

    /// The first answer to a request, which is there at once.
    pub fn at_once(&self, wants: Wants) -> Answer {
        let (_, answer) = block_on(self.desk.open(wants.request)).expect("opened");
        answer.expect("answered at once")
    }

    /// A yes that is meant for the class, for so many seconds.
    pub fn approve_class(
        &self,
        id: &str,
        voter: &Arc<Identity>,
        seconds: u64,
    ) -> Result<State, VoteRefused> {
        let word = Word {
            ballot: Ballot::Approve,
            because: "because",
            reuse: Some(Duration::from_secs(seconds)),
            channel: "cli",
        };
        self.desk.vote(id, voter, word, everything)
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
        self.desk.vote(id, voter, word(ballot), everything)
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
        self.steady.fetch_add(nanos, Ordering::Relaxed);
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

/// A policy that lets everybody answer every requirement.
pub fn everything(asked: &HoldRequest) -> Result<Vec<usize>, Denial> {
    Ok((0..asked.requirements.len()).collect())
}

pub fn word(ballot: Ballot) -> Word<'static> {
    Word {
        ballot,
        because: "because",
        reuse: None,
        channel: "cli",
    }
}

fn desk(
    notes: &Arc<Notes>,
    chest: &Arc<Chest>,
    (now, steady): (&Arc<AtomicI64>, &Arc<AtomicI64>),
    settings: Settings,
) -> Arc<Desk> {
    let (wall, steady) = (now.clone(), steady.clone());
    let clocks = Clocks::new(
        Arc::new(move || Timestamp(wall.fetch_add(1_000, Ordering::Relaxed))),
        Arc::new(move || Duration::from_nanos(steady.load(Ordering::Relaxed).unsigned_abs())),
    );
    let hands = Hands {
        notes: notes.clone(),
        keep: chest.clone(),
        tell: chest.clone(),
    };
    let kept = Kept {
        things: chest.things.lock().clone(),
        seen: Timestamp(chest.seen.load(Ordering::Relaxed)),
    };
    Desk::restore(clocks, hands, settings, &kept).expect("read")
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
            terms: portcullis_model::Terms::default(),
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
                wish: portcullis_gate::Wish::default(),
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
