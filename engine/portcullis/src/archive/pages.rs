//! Pages of the console over a record of 100,000 sessions, and the film of an hour's terminal, through its own router: each
//! shows what it should, and how long it takes. A run of the suite takes a fiftieth of that and looks at what is shown; with
//! `PORTCULLIS_FIGURES` it is all of it. Optimised builds take all of it and hold the budgets, 100 ms and a second
//! (`cargo xtask bench evidence`).

#[path = "../../tests/record/mod.rs"]
mod record;

use super::Shelf;
use crate::assemble::people::{listed, shown};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Body;
use hyper::service::Service as _;
use hyper::{Request, Response, header};
use hyper_util::service::TowerToHyperService;
use portcullis_approval::{self as approval, Clocks, Hands, Kept, Nobody, Note, Nowhere};
use portcullis_console::archive::{Archive as _, Recorded};
use portcullis_console::bureau::{Bureau, Explained, Glance, PluginView, PolicyView, Watched};
use portcullis_console::desk::{Desk, Item};
use portcullis_console::web::role::{Role, Roles};
use portcullis_console::web::{Console, Parts, Stay};
use portcullis_console::{
    AccessWish, Approval, Asked, Ballot, Bearer, Begun, BrowserWish, Certified, ConnectionRow,
    Delegation, DelegationWish, DeviceBegun, DeviceWish, Entrance, Extension, Grant, Granted,
    KeyWish, LinkWish, LinkedAccount, Offers, Refused, Returned, Review, ReviewWord, SessionRow,
    TokenError, TokenRequest, WhoAmI,
};
use portcullis_gate::{ApprovalDesk as _, BoxFuture, HoldRequest, Wish};
use portcullis_journal::index::Index;
use portcullis_model::{
    Class, Client, Context, Fault, Identity, Kind, Protocol, Requirement, Session, SessionId,
    Target, Terms, Timestamp,
};
use record::{HOUR, START, who};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

const BUDGET: Duration = Duration::from_millis(100);
/// Until a film of an hour shows its first picture.
const FILM_BUDGET: Duration = Duration::from_secs(1);
/// Requests that wait at the desk.
const WAITING: usize = 500;
/// So many people have asked: nobody waits for more than a few.
const ASKERS: usize = 50;
/// How often each page is asked for.
const TIMES: usize = 21;

/// The record, as the console reads it.
fn recorded(folder: &Path, sessions: u64) -> Arc<Shelf> {
    let dir = record::recorded(folder, sessions);
    let index = Arc::new(Index::of(&dir));
    Shelf::new(dir, index)
}

/// The record of the desk, which nobody reads here.
struct Unread;

impl Note for Unread {
    fn note(&self, _: &str, _: &Value) -> Result<(), Fault> {
        Ok(())
    }
}

/// A statement that waits for people of a few groups, of one of many who asked.
fn held(number: usize) -> HoldRequest {
    let requirement = Requirement {
        rule: "team/rule".to_owned(),
        msg: "it deletes rows".to_owned(),
        approver_groups: vec![format!("dba-{}", number % 7), "dba".to_owned()],
        approvers: 1,
        ttl: Duration::from_secs(3600),
        execution_ttl: Duration::from_secs(60),
        defer: true,
        in_transaction: false,
        ticket: false,
        terms: Terms::default(),
    };
    let session = Session {
        id: SessionId(number as u128 + 1),
        identity: Arc::new(identity(&format!("asker{}", number % ASKERS))),
        target: Arc::new(Target {
            name: "orders".to_owned(),
            protocol: Protocol::Postgres,
            labels: BTreeMap::new(),
            database: None,
            role: None,
        }),
        client: Client {
            address: "10.0.0.1:5000".parse().expect("an address"),
            program: Some("psql".to_owned()),
            tls: None,
        },
        started: Timestamp(START),
        node: "gw.example/node-1".to_owned(),
        login: "pc_1".to_owned(),
        reason: None,
        ticket: None,
        access_request: None,
    };
    let mut binding = [0; 32];
    binding[..8].copy_from_slice(&number.to_be_bytes());
    HoldRequest {
        session: Arc::new(session),
        binding,
        shown: format!("DELETE FROM baskets WHERE id = {number}"),
        class: Class::nothing(),
        ticket: None,
        context: Context::new(),
        requirements: vec![requirement],
        access: false,
        wish: Wish::default(),
    }
}

/// A gateway that is nothing but its desk, the real one: so many requests wait there.
struct House {
    desk: Arc<approval::Desk>,
}

impl House {
    /// With its requests, and the id of the one in the middle.
    async fn busy() -> (Self, String) {
        let hands = Hands {
            notes: Arc::new(Unread),
            keep: Arc::new(Nowhere),
            tell: Arc::new(Nobody),
        };
        let clocks = Clocks::new(Arc::new(|| Timestamp(START)), Arc::new(|| Duration::ZERO));
        let settings = approval::Settings::new();
        let desk = approval::Desk::restore(clocks, hands, settings, &Kept::default());
        let desk = desk.expect("a desk");
        let mut ids = Vec::new();
        for number in 0..WAITING {
            let (id, answered) = desk.open(held(number)).await.expect("opened");
            assert!(answered.is_none(), "it waits");
            ids.push(id);
        }
        (Self { desk }, ids.swap_remove(WAITING / 2))
    }
}

fn identity(name: &str) -> Identity {
    Identity {
        principal: who(name),
        provider: "corp".to_owned(),
        kind: Kind::Human,
        name: name.to_owned(),
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

fn no<T>() -> Result<T, Refused> {
    Err(Refused::new(404, "not here"))
}

impl Bureau for House {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Identity>, Refused>> {
        Box::pin(async move { Ok(Arc::new(identity(token))) })
    }

    fn standing(&self, who: &Identity) -> Result<Roles, Refused> {
        Ok(match who.principal.subject.as_str() {
            "auditor" => [Role::Approver, Role::Auditor].into_iter().collect(),
            _ => Roles::NONE,
        })
    }

    fn note(&self, _: &str, _: &Identity, _: &Value) -> Result<(), Refused> {
        Ok(())
    }

    fn glance(&self) -> Glance {
        Glance::default()
    }

    fn live(&self) -> Vec<SessionRow> {
        Vec::new()
    }

    fn watch(&self, _: SessionId, _: bool) -> BoxFuture<'_, Option<mpsc::Receiver<Watched>>> {
        Box::pin(async { None })
    }

    fn kill(&self, _: SessionId, _: &str, _: &Identity) -> Result<(), Refused> {
        no()
    }

    fn approvals(&self) -> Vec<Approval> {
        listed(&self.desk, Timestamp(START))
    }

    fn approval(&self, id: &str) -> Option<Approval> {
        let view = self.desk.show(id)?;
        Some(shown(&view, Timestamp(START)))
    }

    fn waiting(&self, who: &Identity) -> usize {
        self.desk.waiting_beside(&who.principal)
    }

    fn vote<'a>(
        &'a self,
        _: &'a str,
        _: &'a Ballot,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Approval, Refused>> {
        Box::pin(async { no() })
    }

    fn refused_vote(&self, _: &str, _: &Refused, _: &Identity) {}

    fn connections(&self) -> Vec<ConnectionRow> {
        Vec::new()
    }

    fn policies(&self) -> PolicyView {
        PolicyView::default()
    }

    fn explain<'a>(&'a self, _: &'a Value) -> BoxFuture<'a, Result<Explained, Refused>> {
        Box::pin(async { Ok(Explained::default()) })
    }

    fn plugins(&self) -> Vec<PluginView> {
        Vec::new()
    }
}

impl Desk for House {
    fn grants(&self, _: &Identity) -> Vec<Item<Grant>> {
        Vec::new()
    }

    fn reviews(&self, _: &Identity) -> Vec<Item<Review>> {
        Vec::new()
    }

    fn delegations(&self, _: &Identity) -> Vec<Item<Delegation>> {
        Vec::new()
    }

    fn refused(&self, _: &str, _: &str, _: &Refused, _: &Identity) {}

    fn request_access<'a>(
        &'a self,
        _: &'a AccessWish,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Asked, Refused>> {
        Box::pin(async { no() })
    }

    fn extend<'a>(
        &'a self,
        _: &'a str,
        _: &'a Extension,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Asked, Refused>> {
        Box::pin(async { no() })
    }

    fn end_grant(&self, _: &str, _: &str, _: &Identity) -> Result<Grant, Refused> {
        no()
    }

    fn review<'a>(
        &'a self,
        _: &'a str,
        _: &'a ReviewWord,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Review, Refused>> {
        Box::pin(async { no() })
    }

    fn delegate<'a>(
        &'a self,
        _: &'a DelegationWish,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Delegation, Refused>> {
        Box::pin(async { no() })
    }

    fn link<'a>(
        &'a self,
        _: &'a LinkWish,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<LinkedAccount, Refused>> {
        Box::pin(async { no() })
    }

    fn end_delegation<'a>(
        &'a self,
        _: &'a str,
        _: &'a Bearer,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Delegation, Refused>> {
        Box::pin(async { no() })
    }
}

impl Entrance for House {
    fn offers(&self) -> Offers {
        Offers {
            issuer: "https://gw.example".to_owned(),
            providers: vec!["corp".to_owned()],
        }
    }

    fn keys(&self) -> Value {
        Value::Null
    }

    fn saml_metadata(&self, _: &str) -> Option<String> {
        None
    }

    fn begin<'a>(
        &'a self,
        _: IpAddr,
        wish: &'a BrowserWish,
    ) -> BoxFuture<'a, Result<Begun, Refused>> {
        let url = format!("https://idp.example/?state={}", wish.state);
        Box::pin(async move { Ok(Begun { url }) })
    }

    fn come_back<'a>(
        &'a self,
        _: IpAddr,
        _: &'a Returned,
    ) -> BoxFuture<'a, Result<String, Refused>> {
        Box::pin(async { no() })
    }

    fn begin_on_device<'a>(
        &'a self,
        _: IpAddr,
        _: &'a DeviceWish,
    ) -> BoxFuture<'a, Result<DeviceBegun, Refused>> {
        Box::pin(async { no() })
    }

    /// The code says who it is.
    fn token<'a>(&'a self, request: TokenRequest) -> BoxFuture<'a, Result<Granted, TokenError>> {
        Box::pin(async move {
            let TokenRequest::Code { code, .. } = request else {
                return Err(TokenError::new(400, "invalid_grant", "no"));
            };
            Ok(Granted {
                access_token: Zeroizing::new(code.to_string()),
                token_type: "Bearer".to_owned(),
                expires_in: 3600,
                refresh_token: None,
                issued_token_type: None,
            })
        })
    }

    fn certify<'a>(
        &'a self,
        _: IpAddr,
        _: &'a str,
        _: &'a KeyWish,
    ) -> BoxFuture<'a, Result<Certified, Refused>> {
        Box::pin(async { no() })
    }

    fn leave<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(async { Ok(()) })
    }

    fn who<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<WhoAmI, Refused>> {
        Box::pin(async { no() })
    }
}

/// A browser at the console's router.
struct Browser {
    console: Arc<Console>,
    cookie: String,
}

impl Browser {
    fn at(shelf: Arc<Shelf>, house: House) -> Self {
        let house = Arc::new(house);
        let hour = Duration::from_secs(3600);
        let console = Console::new(Parts {
            bureau: Arc::clone(&house) as Arc<dyn Bureau>,
            archive: shelf,
            entrance: house,
            origin: "https://gw.example".to_owned(),
            stay: Stay {
                idle: hour,
                longest: hour,
                fresh: hour,
                unsaid: false,
            },
            clock: Arc::new(|| Timestamp(START)),
        });
        Self {
            console,
            cookie: String::new(),
        }
    }

    async fn ask(&self, address: &str) -> Response<impl Body<Data = Bytes, Error: Debug>> {
        let request = Request::get(address)
            .header(header::COOKIE, &self.cookie)
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let routes = self.console.routes_from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let answer = TowerToHyperService::new(routes).call(request).await;
        answer.expect("an answer")
    }

    /// Status, cookies and text.
    async fn get(&self, address: &str) -> (u16, Vec<String>, String) {
        let (parts, body) = self.ask(address).await.into_parts();
        let told = |name| {
            let values = parts.headers.get_all(name).iter();
            values.filter_map(|v| v.to_str().ok().map(str::to_owned))
        };
        let heads = told(header::SET_COOKIE)
            .chain(told(header::LOCATION))
            .collect();
        let body = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        (parts.status.as_u16(), heads, text)
    }

    async fn log_in(&mut self, name: &str) {
        let pair = |heads: &[String]| {
            let cookie = heads.iter().find(|head| head.starts_with("__Host-"));
            let line = cookie.expect("a cookie");
            line.split(';').next().unwrap_or_default().to_owned()
        };
        let (_, heads, _) = self.get("/console/login/begin?provider=corp").await;
        let way = heads.iter().find_map(|head| head.split_once("state="));
        let state = way.expect("a state").1.to_owned();
        self.cookie = pair(&heads);
        let done = format!("/console/login/done?code={name}&state={state}");
        let (status, heads, text) = self.get(&done).await;
        assert_eq!(status, 200, "{text}");
        let visit: Vec<String> = heads
            .into_iter()
            .filter(|head| head.starts_with("__Host-portcullis="))
            .collect();
        self.cookie = pair(&visit);
    }

    /// Asks for a page again and again, looks whether it shows this, and says how long it took: most often, at most.
    async fn measure(&self, what: &str, address: &str, shows: &str) -> Duration {
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let since = Instant::now();
            let (status, _, text) = self.get(address).await;
            took.push(since.elapsed());
            assert!(
                status == 200 && text.contains(shows),
                "{what}: {status} {}",
                text.chars().take(4000).collect::<String>()
            );
        }
        told(what, took)
    }

    /// The same of a film, until its first picture is there.
    async fn measure_film(&self, address: &str) -> Duration {
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let since = Instant::now();
            let (parts, body) = self.ask(address).await.into_parts();
            let (mut body, mut shown) = (std::pin::pin!(body), Vec::new());
            while !String::from_utf8_lossy(&shown).contains(PICTURE) {
                let frame = body.frame().await;
                let frame = frame.unwrap_or_else(|| panic!("a picture: {parts:?}"));
                let data = frame.expect("a part of it").into_data();
                shown.extend(data.unwrap_or_default());
            }
            took.push(since.elapsed());
        }
        told("a film of an hour, to its first picture", took)
    }
}

/// What 95 of 100 do not exceed.
fn told(what: &str, mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    let (median, worst) = (at(50), at(100));
    println!(
        "{what}: median {median:?}, 95 of 100 {:?}, worst {worst:?}",
        at(95)
    );
    at(95)
}

/// A line of a film that paints.
const PICTURE: &str = ",\"o\",";

/// A page, its address, and what it shows. `MIDDLE` is a session, `ONWARDS` where the next page of sessions begins,
/// `REQUEST` one that waits.
const PAGES: [[&str; 3]; 16] = [
    ["home", "", "Hello"],
    ["sessions", "/sessions", "person499"],
    [
        "sessions, the next page",
        "/sessions?after=ONWARDS",
        "person4",
    ],
    [
        "sessions by name, target and day",
        "/sessions?who=person7&target=carts&since=2026-09-01",
        "person7",
    ],
    ["sessions of nobody", "/sessions?who=nobody", "Nothing fits"],
    [
        "sessions that are live",
        "/sessions?state=live",
        "Nothing fits",
    ],
    ["search for a rare word", "/sessions?q=word1008", "word1008"],
    [
        "search for words of every command",
        "/sessions?q=select+customers",
        "customers",
    ],
    [
        "search that finds nothing",
        "/sessions?q=nowhere",
        "Nothing fits",
    ],
    ["a session", "/sessions/MIDDLE", "What happened"],
    ["a decision", "/sessions/MIDDLE/decisions/2", "team/rule"],
    ["approvals, 500 of them", "/approvals", "id = 499"],
    ["an approval", "/approvals/REQUEST", "id = 250"],
    ["events", "/events", "console-login"],
    [
        "events of sessions",
        "/events?kind=security",
        "Nothing fits",
    ],
    [
        "events by a word",
        "/events?q=recording",
        "recording-viewed",
    ],
];

#[tokio::test(flavor = "multi_thread")]
async fn pages_over_many_sessions_show_what_they_should_in_time() {
    let whole = !cfg!(debug_assertions) || std::env::var_os("PORTCULLIS_FIGURES").is_some();
    let sessions: u64 = if whole { 100_000 } else { 2_000 };
    let folder = tempfile::tempdir().expect("a folder");
    let since = Instant::now();
    let path = folder.path().to_owned();
    let shelf = tokio::task::spawn_blocking(move || recorded(&path, sessions)).await;
    println!(
        "{sessions} sessions recorded and indexed in {:?}",
        since.elapsed()
    );
    let mut took = Vec::new();
    let (house, request) = House::busy().await;
    let mut browser = Browser::at(shelf.expect("recorded"), house);
    browser.log_in("auditor").await;
    let (_, _, first) = browser.get("/console/sessions").await;
    let onwards = first.rsplit_once("after=").expect("more").1;
    let onwards = onwards.split('"').next().unwrap_or_default().to_owned();
    let middle = SessionId(u128::from(sessions / 2)).to_string();
    for [what, path, shows] in PAGES {
        let path = path.replace("MIDDLE", &middle).replace("ONWARDS", &onwards);
        let path = path.replace("REQUEST", &request);
        let address = format!("/console{path}");
        took.push((what, browser.measure(what, &address, shows).await));
    }
    let film = format!("/console/sessions/{HOUR}/film");
    let film = browser.measure_film(&film).await;
    assert!(cfg!(debug_assertions) || film <= FILM_BUDGET, "{film:?}");
    browser.log_in("person7").await;
    for (what, address) in [
        ("one's own sessions", "/console/sessions"),
        (
            "a search in one's own sessions",
            "/console/sessions?q=customers",
        ),
    ] {
        took.push((what, browser.measure(what, address, "person7").await));
    }
    took.retain(|(_, long)| *long > BUDGET);
    println!("over {BUDGET:?}: {took:?}");
    assert!(cfg!(debug_assertions) || took.is_empty(), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_opened_with_what_happened_for_whoever_may_see_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    let shelf = tokio::task::spawn_blocking(move || recorded(&path, 3)).await;
    let shelf = shelf.expect("recorded");
    let id = SessionId(2);
    let alone = shelf.session(id).await.expect("read").expect("there");
    assert!(!alone.facts.is_empty());
    let open = async |may: bool, after: u64, most: u32| {
        let whose = move |session: &Recorded| may && session.subject == "person1";
        let opened = shelf.opened(id, Box::new(whose), after, most).await;
        let (volume, steps) = opened.expect("read").expect("there");
        assert_eq!(volume, alone);
        steps
    };
    assert!(open(false, 0, 100).await.is_none());
    let (mut after, mut sequences) = (0, Vec::new());
    loop {
        let page = open(true, after, 5).await.expect("steps");
        sequences.extend(page.steps.iter().map(|step| step.sequence));
        match page.next {
            Some(next) => {
                assert_eq!(next, after + 5);
                after = next;
            }
            None => break,
        }
    }
    // Admitted, ten statements with the decision each rests on, ended.
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    assert_eq!((sequences[0], sequences.last()), (1, Some(&22)));
    let gone = shelf.opened(SessionId(9), Box::new(|_| true), 0, 5).await;
    assert!(gone.expect("read").is_none());
}
