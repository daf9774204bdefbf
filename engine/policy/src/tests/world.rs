//! People, targets, statements and packs to ask about.

use crate::load::Strictness;
use crate::{ConnectQuestion, PackSource, PolicySet, builtin};
use portcullis_gate::{History, HoldRequest, Question};
use portcullis_model::facts::Parse;
use portcullis_model::{
    Category, Class, Client, Context, Decision, Effect, Facts, Identity, Kind, Object, Predicate,
    Principal, Protocol, Session, SessionId, Stage, StatementFacts, Tally, Target, Timestamp,
    Verbs,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) const NOW: Timestamp = Timestamp(1_794_994_200_000_000_000);

pub(super) fn principal(subject: &str) -> Principal {
    Principal {
        issuer: "https://idp.example.com".to_owned(),
        subject: subject.to_owned(),
    }
}

pub(super) fn identity(subject: &str, kind: Kind, groups: &[&str]) -> Identity {
    Identity {
        principal: principal(subject),
        provider: "corp".to_owned(),
        kind,
        name: subject.to_owned(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: Some(NOW),
        methods: vec!["pwd".to_owned()],
        assurance: None,
        token_id: None,
        expires: NOW,
    }
}

pub(super) fn client() -> Client {
    Client {
        address: "10.1.2.3:5000".parse().unwrap(),
        program: Some("psql".to_owned()),
        tls: Some("TLSv1.3".to_owned()),
    }
}

pub(super) fn target() -> Target {
    Target {
        name: "orders".to_owned(),
        protocol: Protocol::Postgres,
        labels: BTreeMap::from([
            ("app".to_owned(), "orders".to_owned()),
            ("env".to_owned(), "prod".to_owned()),
        ]),
        database: Some("orders".to_owned()),
        role: Some("app".to_owned()),
    }
}

pub(super) fn session(identity: Identity) -> Session {
    Session {
        id: SessionId(1),
        identity: Arc::new(identity),
        target: Arc::new(target()),
        client: client(),
        started: NOW,
        node: "gw-1".to_owned(),
        login: "pc_1".to_owned(),
        reason: None,
        ticket: None,
        access_request: None,
    }
}

pub(super) fn statement(verb: &str, category: Category, effect: Effect) -> StatementFacts {
    StatementFacts {
        category,
        effect,
        transparent: true,
        moves: Vec::new(),
        verbs: Verbs::READ,
        ..StatementFacts::unknown(verb)
    }
}

pub(super) fn select() -> StatementFacts {
    statement("SELECT", Category::Read, Effect::Read)
}

pub(super) fn delete(table: &str, predicate: Predicate) -> StatementFacts {
    let mut delete = statement("DELETE", Category::Write, Effect::Write);
    delete.verbs = Verbs::WRITE;
    delete.predicate = predicate;
    delete.objects = vec![Object {
        kind: "table".to_owned(),
        schema: Some("public".to_owned()),
        name: table.to_owned(),
        write: true,
    }];
    delete
}

pub(super) fn drop_database() -> StatementFacts {
    let mut drop = statement("DROP", Category::Ddl, Effect::Destroy);
    drop.verbs = Verbs::DDL;
    drop.object_type = Some("DATABASE".to_owned());
    drop.labels = BTreeSet::from(["drop-database".to_owned()]);
    drop
}

pub(super) fn facts(statements: Vec<StatementFacts>) -> Facts {
    Facts {
        parse: Parse::Ok,
        statements,
        secrets: Vec::new(),
    }
}

/// A command with everything a question borrows.
pub(super) struct Asked {
    pub session: Session,
    pub facts: Facts,
    pub class: Class,
    pub context: Context,
    pub text: String,
    pub history: History,
    pub now: Timestamp,
}

impl Asked {
    pub(super) fn new(identity: Identity, statements: Vec<StatementFacts>) -> Self {
        let facts = facts(statements);
        Self {
            session: session(identity),
            class: facts.floor(),
            facts,
            context: Context::new(),
            text: "select 1".to_owned(),
            history: History::default(),
            now: NOW,
        }
    }

    pub(super) fn question(&self) -> Question<'_> {
        Question {
            session: &self.session,
            stage: Stage::Query,
            text: &self.text,
            parameters: &[],
            digest: "00",
            facts: &self.facts,
            subject: None,
            class: &self.class,
            context: &self.context,
            history: self.history,
            ticket: None,
            now: self.now,
        }
    }

    pub(super) fn decide(&self, set: &PolicySet) -> Decision {
        set.command(&self.question()).unwrap()
    }
}

pub(super) struct Knocks {
    pub identity: Identity,
    pub target: Target,
    pub client: Client,
    pub settings: BTreeMap<String, String>,
}

impl Knocks {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            target: target(),
            client: client(),
            settings: BTreeMap::new(),
        }
    }

    pub(super) fn question(&self) -> ConnectQuestion<'_> {
        ConnectQuestion {
            identity: &self.identity,
            target: &self.target,
            client: &self.client,
            node: "gw-1",
            login: Some("ana"),
            settings: &self.settings,
            replication: false,
            reason: None,
            ticket: None,
            ticket_check: None,
            hour: Tally::default(),
            access_request: None,
            now: NOW,
        }
    }
}

pub(super) fn held(identity: Identity) -> HoldRequest {
    HoldRequest {
        session: Arc::new(session(identity)),
        binding: [0; 32],
        shown: "DELETE FROM orders WHERE id = 1".to_owned(),
        class: facts(vec![delete("orders", Predicate::Present)]).floor(),
        context: Context::new(),
        ticket: None,
        requirements: Vec::new(),
        access: false,
        wish: portcullis_gate::Wish::default(),
    }
}

/// Loads a set, with time enough for a machine that runs many tests at once.
pub(super) fn load(sources: &[PackSource], data: Value) -> PolicySet {
    let mut set = PolicySet::load(sources, data).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    set.limit(std::time::Duration::from_secs(1));
    set
}

pub(super) fn shipped() -> PolicySet {
    load(&shipped_sources(), example_data())
}

pub(super) fn shipped_sources() -> Vec<PackSource> {
    builtin::packs()
        .iter()
        .filter_map(|(name, _)| PackSource::builtin(name))
        .collect()
}

pub(super) fn example_data() -> Value {
    serde_yaml::from_str(builtin::example_data()).unwrap()
}

/// One pack of this body, whose tests and bans are as given.
pub(super) fn pack(name: &str, body: &str) -> PackSource {
    let text = format!("package portcullis.packs.{name}\n\nimport rego.v1\n\n{body}\n");
    PackSource::memory(name, &format!("{name}.rego"), &text)
}

/// A pack that grants everything, and one with this body.
pub(super) fn set(body: &str) -> PolicySet {
    load(&[granting(), pack("subject", body)], json!({}))
}

pub(super) fn granting() -> PackSource {
    pack("granting", r#"grant contains {"rule": "test/grant"}"#)
}

/// The same without the ban of dangerous builtins.
pub(super) fn set_without_bans(body: &str) -> PolicySet {
    let strictness = Strictness {
        bans: false,
        tests: true,
    };
    crate::load::load(&[granting(), pack("subject", body)], json!({}), strictness)
        .unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

/// What a plain read by a person gets from this set.
pub(super) fn read(set: &PolicySet) -> Decision {
    Asked::new(identity("ada", Kind::Human, &[]), vec![select()]).decide(set)
}
