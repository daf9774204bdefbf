//! A gateway of paper: people by the names of their roles, one live session, one recorded one, one request.

use super::at;
use crate::archive::*;
use crate::bureau::*;
use crate::operations::{Approval, Ballot, Choice, ConnectionRow, Refused, SessionRow, Vote};
use crate::portal::{
    Begun, BrowserWish, Certified, DeviceBegun, DeviceWish, Entrance, Granted, KeyWish, Offers,
    Returned, TokenError, TokenRequest, WhoAmI,
};
use crate::web::role::{Role, Roles};
use parking_lot::Mutex;
use portcullis_gate::BoxFuture;
use portcullis_model::{Identity, Kind, Principal, SessionId, Timestamp, escape_line};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// The one live session and the one recorded one are `ana`'s.
pub(crate) const SESSION: SessionId = SessionId(7);

/// Something that was put on record.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub event: String,
    pub who: String,
    pub detail: Value,
}

pub(crate) struct Paper {
    pub now: Mutex<Timestamp>,
    /// Who logs in next.
    pub user: Mutex<String>,
    pub said: Mutex<Vec<Said>>,
    pub revoked: Mutex<BTreeSet<String>>,
    /// The record cannot be written.
    pub full: AtomicBool,
    /// Policy cannot say who has which role.
    pub mute: AtomicBool,
    /// How often a whole session was read.
    pub read: AtomicUsize,
    /// The provider cannot be asked whether a login still stands.
    pub away: AtomicBool,
    /// Nobody can say whose a token is.
    pub dumb: AtomicBool,
    /// Refresh tokens that were used.
    pub spent: Mutex<BTreeSet<String>>,
    /// The desk has forgotten all of it.
    pub gone: AtomicBool,
    /// What stands in every field that somebody else has filled.
    pub foreign: Mutex<String>,
    pub lasts: Mutex<u64>,
    pub votes: Mutex<Vec<(String, Choice, String)>>,
    /// The time of the vote that was cast last.
    pub reuse: Mutex<Option<u64>>,
    /// What was done at the desk besides.
    pub acted: Mutex<Vec<super::paper_desk::Act>>,
    pub killed: Mutex<Vec<(SessionId, String)>>,
    pub wished: Mutex<Option<BrowserWish>>,
    /// When the provider has asked for the proof.
    pub proved: Mutex<BTreeMap<String, Timestamp>>,
    /// The provider says to nobody when that was.
    pub silent: AtomicBool,
    /// Whether whoever watched last was to see what was before.
    pub past: Mutex<Option<bool>>,
}

impl Default for Paper {
    fn default() -> Self {
        Self {
            now: Mutex::new(at(1000)),
            user: Mutex::default(),
            said: Mutex::default(),
            revoked: Mutex::default(),
            full: AtomicBool::new(false),
            mute: AtomicBool::new(false),
            read: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            dumb: AtomicBool::new(false),
            spent: Mutex::default(),
            gone: AtomicBool::new(false),
            foreign: Mutex::new("foreign".to_owned()),
            lasts: Mutex::new(3600),
            votes: Mutex::default(),
            reuse: Mutex::default(),
            acted: Mutex::default(),
            killed: Mutex::default(),
            wished: Mutex::default(),
            proved: Mutex::default(),
            silent: AtomicBool::new(false),
            past: Mutex::default(),
        }
    }
}

pub(crate) fn person(name: &str) -> Identity {
    Identity {
        principal: Principal {
            issuer: "https://idp.example".to_owned(),
            subject: name.to_owned(),
        },
        provider: "corp".to_owned(),
        kind: Kind::Human,
        name: format!("{name}@example.com"),
        groups: vec!["engineers".to_owned()],
        claims: serde_json::Map::new(),
        actors: Vec::new(),
        owner: None,
        authenticated: None,
        methods: Vec::new(),
        assurance: None,
        token_id: Some(format!("l-{name}")),
        expires: at(1_000_000),
    }
}

impl Paper {
    pub(super) fn foreign(&self) -> String {
        escape_line(&self.foreign.lock())
    }

    /// `t-NAME-…` stands for NAME; those of `fresh-NAME` say when that was, and whoever was asked for the proof has it said.
    fn identity(&self, token: &str) -> Option<Identity> {
        let name = token.strip_prefix("t-")?;
        let (fresh, name) = match name.strip_prefix("fresh-") {
            Some(name) => (true, name),
            None => (false, name),
        };
        let now = *self.now.lock();
        let mut identity = person(name);
        let asked = self.proved.lock().get(name).copied();
        identity.authenticated = match fresh {
            true => Some(now),
            false => asked,
        };
        identity.expires = now.after(std::time::Duration::from_secs(*self.lasts.lock()));
        Some(identity)
    }

    pub(crate) fn recorded(&self) -> Recorded {
        let text = self.foreign();
        Recorded {
            id: SESSION.to_string(),
            name: format!("ana {text}"),
            issuer: "https://idp.example".to_owned(),
            subject: "ana".to_owned(),
            target: text.clone(),
            protocol: "postgres".to_owned(),
            started: at(10).rfc3339(),
            ended: Some(at(70).rfc3339()),
            seconds: 60,
            state: "sealed".to_owned(),
            reason: text.clone(),
            commands: 3,
            denied: 1,
            rows: 2,
            bytes: 2048,
            hits: vec![Hit { sequence: 4, text }],
        }
    }

    fn step(&self) -> Step {
        let text = self.foreign();
        Step {
            sequence: 4,
            at: at(11).rfc3339(),
            offset: 1000,
            stream: 0,
            kind: "sent".to_owned(),
            head: text.clone(),
            text: Some(text.clone()),
            facts: vec![Fact::new(text.clone(), text.clone())],
            table: Some(Table {
                columns: vec![text.clone(), "b".to_owned()],
                rows: vec![vec![Some(text), None]],
                more: 3,
            }),
            decision: Some(3),
        }
    }
}

impl Bureau for Paper {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Identity>, Refused>> {
        Box::pin(async move {
            if self.dumb.load(Ordering::SeqCst) {
                return Err(Refused::new(503, "the keys of the provider are not there"));
            }
            let identity = self.identity(token);
            identity
                .map(Arc::new)
                .ok_or_else(|| Refused::new(401, "proves nothing"))
        })
    }

    fn standing(&self, who: &Identity) -> Result<Roles, Refused> {
        let subject = &who.principal.subject;
        if self.revoked.lock().contains(subject) || who.expires <= *self.now.lock() {
            return Err(Refused::new(401, "that is over"));
        }
        if self.mute.load(Ordering::SeqCst) {
            return Err(Refused::new(503, "policy cannot say"));
        }
        Ok(subject.split('.').filter_map(Role::named).collect())
    }

    fn note(&self, event: &str, who: &Identity, detail: &Value) -> Result<(), Refused> {
        if self.full.load(Ordering::SeqCst) {
            return Err(Refused::new(503, "the record cannot be written"));
        }
        self.said.lock().push(Said {
            event: event.to_owned(),
            who: who.principal.subject.clone(),
            detail: detail.clone(),
        });
        Ok(())
    }

    fn glance(&self) -> Glance {
        Glance {
            node: "gw-1".to_owned(),
            version: "0.1.0".to_owned(),
            started: at(0).rfc3339(),
            policy_revision: "r1".to_owned(),
        }
    }

    fn live(&self) -> Vec<SessionRow> {
        let text = self.foreign();
        vec![SessionRow {
            id: SESSION,
            name: format!("ana {text}"),
            issuer: "https://idp.example".to_owned(),
            subject: "ana".to_owned(),
            kind: "human".to_owned(),
            target: text.clone(),
            login: text.clone(),
            address: "192.0.2.1:5".to_owned(),
            started: at(10).rfc3339(),
            ends: None,
            doing: text,
            commands: 3,
            denied: 1,
            rows: 2,
            bytes: 9,
        }]
    }

    fn watch(&self, id: SessionId, past: bool) -> BoxFuture<'_, Option<mpsc::Receiver<Watched>>> {
        *self.past.lock() = Some(past);
        Box::pin(async move {
            let (sender, receiver) = mpsc::channel(4);
            let step = Watched::Step(Box::new(self.step()));
            sender.send(step).await.ok()?;
            sender.send(Watched::Skipped(2)).await.ok()?;
            (id == SESSION).then_some(receiver)
        })
    }

    fn kill(&self, id: SessionId, reason: &str, by: &Identity) -> Result<(), Refused> {
        self.note("session_killed", by, &json!({"session": id}))?;
        self.killed.lock().push((id, reason.to_owned()));
        Ok(())
    }

    fn approvals(&self) -> Vec<Approval> {
        if self.gone.load(Ordering::SeqCst) {
            return Vec::new();
        }
        let text = self.foreign();
        let facts = json!({
            "issuer": "https://idp.example", "subject": "ana", "reason": text, "session": SESSION,
            "class": {"effect": text, "labels": [text]}, "binding": "ab12", "messages": [text],
            "reuse_seconds": 1200, "reuse_class": "objects", "grant": text, "ahead": 2,
            "context": {"role": text, "search_path": text, "shadows": [text], "transaction": "open"},
        });
        let facts: BTreeMap<String, Value> = serde_json::from_value(facts).expect("an object");
        vec![Approval {
            id: "ap-1".to_owned(),
            state: "pending".to_owned(),
            requester: "ana@example.com".to_owned(),
            target: text.clone(),
            shown: text.clone(),
            rules: vec![text.clone()],
            approver_groups: vec![text],
            approvers: 1,
            opened: at(20).rfc3339(),
            expires: at(920).rfc3339(),
            votes: vec![Vote {
                by: self.foreign(),
                choice: Choice::Approve,
                reason: self.foreign(),
                reuse_seconds: Some(60),
                stands_in_for: vec![self.foreign()],
            }],
            facts,
        }]
    }

    fn approval(&self, id: &str) -> Option<Approval> {
        self.approvals().into_iter().find(|a| a.id == id)
    }

    fn waiting(&self, who: &Identity) -> usize {
        let theirs = |a: &&Approval| a.facts["subject"] == json!(who.principal.subject);
        let all = self.approvals();
        let others = all.iter().filter(|a| !theirs(a));
        others.filter(|a| a.state == "pending").count()
    }

    fn vote<'a>(
        &'a self,
        id: &'a str,
        ballot: &'a Ballot,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Approval, Refused>> {
        Box::pin(async move {
            *self.reuse.lock() = ballot.reuse_seconds;
            self.votes
                .lock()
                .push((id.to_owned(), ballot.choice, ballot.token.to_string()));
            self.approvals()
                .pop()
                .ok_or_else(|| Refused::new(404, "gone"))
        })
    }

    fn refused_vote(&self, id: &str, why: &Refused, by: &Identity) {
        let detail = json!({"id": id, "why": why.error});
        let _noted = self.note("vote_refused", by, &detail);
    }

    fn connections(&self) -> Vec<ConnectionRow> {
        let text = self.foreign();
        vec![ConnectionRow {
            name: text.clone(),
            protocol: "postgres".to_owned(),
            address: text.clone(),
            database: text.clone(),
            credential: "mint".to_owned(),
            tls: "verify-full".to_owned(),
            labels: BTreeMap::from([(text.clone(), text)]),
        }]
    }

    fn policies(&self) -> PolicyView {
        let text = self.foreign();
        PolicyView {
            revision: "r1".to_owned(),
            tests: 12,
            packs: vec![PackView {
                name: text.clone(),
                on_trial: true,
                rules: vec![RuleView {
                    set: "deny".to_owned(),
                    says: text.clone(),
                    place: text,
                }],
            }],
        }
    }

    fn explain<'a>(&'a self, _: &'a Value) -> BoxFuture<'a, Result<Explained, Refused>> {
        Box::pin(async move {
            let text = self.foreign();
            Ok(Explained {
                verdict: "allow".to_owned(),
                rule: text.clone(),
                revision: "r1".to_owned(),
                reasons: Vec::new(),
                packs: vec![ExplainedPack {
                    pack: text.clone(),
                    asked: true,
                    rules: vec![ExplainedRule {
                        rule: text.clone(),
                        place: text.clone(),
                        spoke: false,
                        because: vec![text],
                    }],
                    ..ExplainedPack::default()
                }],
            })
        })
    }

    fn plugins(&self) -> Vec<PluginView> {
        let text = self.foreign();
        vec![PluginView {
            name: text.clone(),
            sha256: "ab".repeat(32),
            calls: 5,
            counters: vec![PluginCounter {
                name: text,
                value: 1,
            }],
            ..PluginView::default()
        }]
    }
}

impl Archive for Paper {
    fn sessions<'a>(
        &'a self,
        ask: &'a Ask,
        whose: Option<&'a Principal>,
    ) -> BoxFuture<'a, Result<Found, Refused>> {
        Box::pin(async move {
            ask.between()?;
            let mine = whose.is_none_or(|who| who.subject == "ana");
            let sessions = if mine {
                vec![self.recorded()]
            } else {
                Vec::new()
            };
            Ok(Found {
                sessions,
                next: Some("17".to_owned()),
            })
        })
    }

    fn row(&self, id: SessionId) -> BoxFuture<'_, Result<Option<Recorded>, Refused>> {
        Box::pin(async move { Ok((id == SESSION).then(|| self.recorded())) })
    }

    fn session(&self, id: SessionId) -> BoxFuture<'_, Result<Option<Volume>, Refused>> {
        Box::pin(async move {
            self.read.fetch_add(1, Ordering::SeqCst);
            let text = self.foreign();
            let volume = Volume {
                session: self.recorded(),
                facts: vec![Fact::new(text.clone(), text.clone())],
                terminals: vec![Reel {
                    stream: 2,
                    title: text,
                }],
            };
            Ok((id == SESSION).then_some(volume))
        })
    }

    fn opened(
        &self,
        id: SessionId,
        may: MayRead,
        _: u64,
        _: u32,
    ) -> BoxFuture<'_, Result<Option<(Volume, Option<Steps>)>, Refused>> {
        Box::pin(async move {
            let volume = self.session(id).await?;
            let steps = Steps {
                steps: vec![self.step()],
                next: Some(4),
            };
            Ok(volume.map(|volume| {
                let steps = may(&volume.session).then_some(steps);
                (volume, steps)
            }))
        })
    }

    fn film(
        &self,
        _: SessionId,
        _: Option<u32>,
    ) -> BoxFuture<'_, Result<mpsc::Receiver<Shot>, Refused>> {
        Box::pin(async move {
            let (sender, receiver) = mpsc::channel(4);
            let text = self.foreign();
            for shot in [
                Shot::Header(80, 24, text.clone()),
                Shot::Paint(5, text),
                Shot::Exit(9, 0),
            ] {
                sender
                    .send(shot)
                    .await
                    .map_err(|_| Refused::new(500, "gone"))?;
            }
            Ok(receiver)
        })
    }

    fn events<'a>(&'a self, _: &'a EventAsk) -> BoxFuture<'a, Result<Events, Refused>> {
        Box::pin(async move {
            let text = self.foreign();
            Ok(Events {
                events: vec![Event {
                    id: 3,
                    at: at(30).rfc3339(),
                    session: Some(SESSION.to_string()),
                    kind: "security".to_owned(),
                    event: text.clone(),
                    facts: vec![Fact::new(text.clone(), text)],
                }],
                next: None,
            })
        })
    }

    fn decision(&self, id: SessionId, sequence: u64) -> BoxFuture<'_, Result<Judged, Refused>> {
        Box::pin(async move {
            let text = self.foreign();
            let said = crate::archive::Said {
                pack: text.clone(),
                rule: text.clone(),
                msg: text.clone(),
            };
            Ok(Judged {
                session: id.to_string(),
                sequence,
                at: at(11).rfc3339(),
                stage: "command".to_owned(),
                verdict: "deny".to_owned(),
                rule: text.clone(),
                reasons: vec![said.clone()],
                would: vec![said],
                revision: "r0".to_owned(),
                input: json!({ text.clone(): text }),
            })
        })
    }

    fn trial(&self) -> BoxFuture<'_, Result<Trial, Refused>> {
        Box::pin(async move {
            let text = self.foreign();
            Ok(Trial {
                decisions: 1,
                since: Some(at(1).rfc3339()),
                rules: vec![TrialRow {
                    pack: text.clone(),
                    rule: text.clone(),
                    count: 1,
                    allowed: 1,
                    example: Some(Hit { sequence: 4, text }),
                    session: Some(SESSION.to_string()),
                }],
            })
        })
    }
}

impl Entrance for Paper {
    fn offers(&self) -> Offers {
        Offers {
            issuer: super::ORIGIN.to_owned(),
            providers: vec!["corp".to_owned(), self.foreign()],
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
        Box::pin(async move {
            *self.wished.lock() = Some(wish.clone());
            let url = format!("https://idp.example/auth?state={}", wish.state);
            Ok(Begun { url })
        })
    }

    fn come_back<'a>(
        &'a self,
        _: IpAddr,
        _: &'a Returned,
    ) -> BoxFuture<'a, Result<String, Refused>> {
        Box::pin(async { Err(Refused::new(400, "not here")) })
    }

    fn begin_on_device<'a>(
        &'a self,
        _: IpAddr,
        _: &'a DeviceWish,
    ) -> BoxFuture<'a, Result<DeviceBegun, Refused>> {
        Box::pin(async { Err(Refused::new(400, "not here")) })
    }

    fn token<'a>(&'a self, request: TokenRequest) -> BoxFuture<'a, Result<Granted, TokenError>> {
        Box::pin(async move {
            let no = || TokenError::new(400, "invalid_grant", "no");
            // Good once; the next one has a letter more.
            let mut next = "r-".to_owned();
            let name = match request {
                TokenRequest::Code { .. } | TokenRequest::Refresh { .. }
                    if self.away.load(Ordering::SeqCst) =>
                {
                    let code = "temporarily_unavailable";
                    return Err(TokenError::new(503, code, "ask again later"));
                }
                TokenRequest::Code { code, .. } => code.strip_prefix("c-").map(str::to_owned),
                TokenRequest::Refresh { token } => {
                    let fresh = self.spent.lock().insert(token.to_string());
                    let (letters, name) = token.split_once('-').unwrap_or_default();
                    next = format!("{letters}r-");
                    fresh.then(|| name.to_owned())
                }
                _ => None,
            };
            // An answer comes over the network.
            tokio::task::yield_now().await;
            let name = name.filter(|n| *n == *self.user.lock()).ok_or_else(no)?;
            let asked = self.wished.lock().as_ref().is_some_and(|wish| wish.fresh);
            if asked && !self.silent.load(Ordering::SeqCst) {
                let now = *self.now.lock();
                self.proved.lock().insert(name.clone(), now);
            }
            Ok(Granted {
                access_token: Zeroizing::new(format!("t-{name}")),
                token_type: "Bearer".to_owned(),
                expires_in: *self.lasts.lock(),
                refresh_token: Some(Zeroizing::new(format!("{next}{name}"))),
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
        Box::pin(async { Err(Refused::new(400, "not here")) })
    }

    fn leave<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(async move {
            self.said.lock().push(Said {
                event: "left".to_owned(),
                who: token.to_owned(),
                detail: Value::Null,
            });
            Ok(())
        })
    }

    fn who<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<WhoAmI, Refused>> {
        Box::pin(async { Err(Refused::new(400, "not here")) })
    }
}
