//! What decisions and a reload cost, in processor time of one thread: a flat pack and everything that ships, with a
//! thousand users of data. `cargo bench -p portcullis-policy --bench decisions`; with a number behind it, so many
//! uncached decisions and nothing else, for a profiler.

use portcullis_gate::{Decide, History, Question};
use portcullis_model::facts::Parse;
use portcullis_model::{
    Category, Class, Client, Context, Effect, Facts, Identity, Kind, Object, Predicate, Principal,
    Protocol, Session, SessionId, Stage, StatementFacts, Target, Timestamp, Verbs,
};
use portcullis_policy::{PackSource, Policy, PolicySet, builtin};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const USERS: usize = 1000;
const FLAT: &str = r#"package portcullis.packs.flat

import rego.v1

user := data.users[input.identity.subject]

grant contains {"rule": "flat/team"} if {
	some team in user.teams
	input.connection.labels.app in data.teams[team].apps
}

deny contains {"rule": "flat/suspended", "msg": "suspended"} if user.suspended == true

deny contains {"rule": "flat/night", "msg": "not at night"} if {
	[hour, _, _] := time.clock([input.request.time_ns, "Europe/Berlin"])
	not hour in {7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}
}

deny contains {"rule": "flat/destroys", "msg": "destroys"} if {
	some statement in input.command.statements
	statement.verb in {"DROP", "TRUNCATE"}
}

approval contains {"rule": "flat/writes", "msg": "writes", "approver_groups": ["dba"]} if {
	some statement in input.command.statements
	statement.class in {"write", "ddl", "dcl"}
	input.connection.labels.env == "prod"
}
"#;

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Processor time of this thread so far, in microseconds.
fn spent() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// The least and the middle of many batches, per run.
fn measured(runs: usize, mut run: impl FnMut()) -> (f64, f64) {
    let mut each: Vec<f64> = (0..40)
        .map(|_| {
            let before = spent();
            (0..runs).for_each(|_| run());
            (spent() - before) / runs as f64
        })
        .collect();
    each.sort_by(f64::total_cmp);
    (each[0], each[each.len() / 2])
}

fn tell(what: &str, (least, middle): (f64, f64)) {
    println!("{what:56} {least:9.1} us least, {middle:9.1} us median");
}

fn data() -> Value {
    let mut data = json!({
        "users": {}, "teams": {}, "access": {"groups": {}, "bindings": {}},
        "config": {
            "mask": {"readers": ["dpo"], "entities": {"EMAIL": "partial"}},
            "sql": {"admin_groups": ["dba"]},
            "contractors": {"groups": ["contractors"], "time_zone": "Europe/Berlin"},
            "exfiltration": {"human": {"identity_hour": {"rows": 500_000}}},
        },
    });
    for n in 0..USERS {
        data["users"][format!("user-{n}")] =
            json!({"teams": [format!("team-{}", n % 100)], "suspended": false});
    }
    for n in 0..100 {
        data["teams"][format!("team-{n}")] = json!({"apps": ["orders", format!("app-{n}")]});
        data["access"]["groups"][format!("team-{n}")] = json!([format!("binding-{n}")]);
        data["access"]["bindings"][format!("binding-{n}")] = json!({"labels": {"app": "orders"}});
    }
    data
}

/// A person of the first team who reads.
struct Asked {
    session: Session,
    facts: Facts,
    class: Class,
    context: Context,
}

impl Asked {
    fn new(groups: &[&str]) -> Self {
        let table = Object {
            kind: "table".to_owned(),
            schema: Some("public".to_owned()),
            name: "orders".to_owned(),
            write: false,
        };
        let select = StatementFacts {
            category: Category::Read,
            effect: Effect::Read,
            objects: vec![table],
            columns: vec!["id".to_owned()],
            predicate: Predicate::Present,
            transparent: true,
            moves: Vec::new(),
            verbs: Verbs::READ,
            ..StatementFacts::unknown("SELECT")
        };
        let facts = Facts {
            parse: Parse::Ok,
            statements: vec![select],
            secrets: Vec::new(),
        };
        Self {
            session: session(groups),
            class: facts.floor(),
            facts,
            context: Context::new(),
        }
    }

    fn question<'a>(&'a self, text: &'a str, now: i64) -> Question<'a> {
        Question {
            session: &self.session,
            stage: Stage::Query,
            text,
            subject: None,
            parameters: &[],
            digest: "00",
            facts: &self.facts,
            class: &self.class,
            context: &self.context,
            history: History::default(),
            ticket: None,
            now: Timestamp(now),
        }
    }
}

fn session(groups: &[&str]) -> Session {
    let identity = Identity {
        principal: Principal {
            issuer: "https://idp.example.com".to_owned(),
            subject: "user-3".to_owned(),
        },
        provider: "corp".to_owned(),
        kind: Kind::Human,
        name: "user-3@example.com".to_owned(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        claims: Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: vec!["pwd".to_owned()],
        assurance: None,
        token_id: None,
        expires: Timestamp(NOW),
    };
    let label = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
    let target = Target {
        name: "orders".to_owned(),
        protocol: Protocol::Postgres,
        labels: BTreeMap::from([("app", "orders"), ("env", "prod")].map(label)),
        database: Some("orders".to_owned()),
        role: Some("app".to_owned()),
    };
    Session {
        id: SessionId(1),
        identity: Arc::new(identity),
        target: Arc::new(target),
        client: Client {
            address: ([10, 1, 2, 3], 5000).into(),
            program: Some("psql".to_owned()),
            tls: Some("TLSv1.3".to_owned()),
        },
        started: Timestamp(NOW),
        node: "gw-1".to_owned(),
        login: "pc_1".to_owned(),
        reason: None,
        ticket: None,
        access_request: None,
    }
}

const NOW: i64 = 1_794_994_200_000_000_000;

fn shipped() -> Vec<PackSource> {
    let names = builtin::packs().iter().map(|(name, _)| name);
    names.filter_map(|name| PackSource::builtin(name)).collect()
}

fn loaded(sources: &[PackSource]) -> Policy {
    match PolicySet::load(sources, data()) {
        Ok(set) => Policy::new(set),
        Err(wrong) => panic!("{wrong:?}"),
    }
}

fn decisions(name: &str, policy: &Policy, groups: &[&str]) {
    let asked = Asked::new(groups);
    let mut now = NOW;
    let mut decide = |text: &str| {
        now += 1;
        policy
            .decide(&asked.question(text, now))
            .expect("a decision");
    };
    tell(
        &format!("{name}, uncached"),
        measured(50, || {
            policy.set().forget();
            decide("SELECT id FROM public.orders WHERE id = 7");
        }),
    );
    let mut literal = 0;
    tell(
        &format!("{name}, cached, another literal and time"),
        measured(200, || {
            literal += 1;
            decide(&format!(
                "SELECT id FROM public.orders WHERE id = {literal}"
            ));
        }),
    );
}

/// Fifty modules: packs with a rule or two, and tests.
fn reload() {
    let sources: Vec<PackSource> = (0..25)
        .map(|n| {
            let text = FLAT.replace("packs.flat", &format!("packs.pack_{n}"));
            PackSource::memory(&format!("pack_{n}"), &format!("pack_{n}.rego"), &text)
        })
        .collect();
    let (least, middle) = measured(1, || {
        PolicySet::load_untested(&sources, data()).expect("packs load");
    });
    println!(
        "reload of 25 packs: {:.1} ms least, {:.1} ms median",
        least / 1000.0,
        middle / 1000.0
    );
    let (least, middle) = measured(1, || {
        PolicySet::load_untested(&shipped(), data()).expect("packs load");
    });
    println!(
        "reload of what ships: {:.1} ms least, {:.1} ms median",
        least / 1000.0,
        middle / 1000.0
    );
}

fn main() {
    let count = std::env::args()
        .skip(1)
        .find_map(|a| a.parse::<usize>().ok());
    let all = loaded(&shipped());
    if let Some(count) = count {
        let asked = Asked::new(&["team-0", "staff"]);
        for n in 0..count {
            all.set().forget();
            let text = "SELECT id FROM public.orders WHERE id = 7";
            let question = asked.question(text, NOW + n as i64);
            all.decide(&question).expect("a decision");
        }
        return;
    }
    let flat = [PackSource::memory("flat", "flat.rego", FLAT)];
    decisions("flat pack", &loaded(&flat), &["team-0", "staff"]);
    decisions("what ships", &all, &["team-0", "staff"]);
    decisions("what ships, a contractor", &all, &["team-0", "contractors"]);
    reload();
}
