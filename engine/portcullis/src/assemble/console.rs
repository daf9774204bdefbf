//! The console of a gateway: what its pages ask is answered from the parts that serve. Whoever acts there is named in the
//! record; what cannot be recorded is not done. It refuses to stand on an https listener without TLS, and a person whose
//! login is over.

mod desk;

use super::{Gateway, entrance};
use crate::acts;
use crate::archive::{Shelf, StepMaker, said};
use crate::config::Loaded;
use crate::feed::{Feed, Heard};
use crate::front_desk::{Verify, revoked};
use crate::guesses::Guesser;
use portcullis_console::archive::{Archive, Step};
use portcullis_console::bureau::{
    Bureau, Explained, ExplainedPack, ExplainedRule, Glance, PackView, PluginCounter, PluginView,
    PolicyView, RuleView, Watched,
};
use portcullis_console::web::role::{Role, Roles};
use portcullis_console::web::{Console, Parts, Stay};
use portcullis_console::{Approval, Ballot, ConnectionRow, Refused, SessionRow};
use portcullis_gate::BoxFuture;
use portcullis_journal::ReadEntry;
use portcullis_model::{Identity, SessionId, Timestamp, Verdict, escape_line, limits};
use portcullis_policy::{Condition, ConsoleQuestion, Explanation, PackExplanation};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc};

/// Entries that wait for whoever watches.
const WATCHED: usize = 256;
/// Conditions of a rule that are shown.
const BECAUSE: usize = 40;

/// The console, where the configuration has one.
pub(super) fn console(gateway: &Arc<Gateway>, loaded: &Loaded) -> Option<Arc<Console>> {
    let written = loaded.config.console.as_ref()?;
    let login = loaded.config.login.as_ref()?;
    let votes = loaded.config.approvals.fresh_login.within();
    let dir = gateway.journal.dir().to_owned();
    let shelf = Shelf::new(dir, Arc::clone(gateway.keeping.index()));
    let bureau = Arc::new(Office {
        gateway: Arc::clone(gateway),
        shelf: Arc::clone(&shelf),
        feed: gateway.feed.clone(),
        started: (gateway.clock)(),
    });
    Some(Console::new(Parts {
        bureau,
        archive: shelf as Arc<dyn Archive>,
        entrance: entrance::entrance(gateway)?,
        origin: login.url.clone(),
        stay: Stay {
            idle: written.idle.0,
            longest: written.longest.0,
            // What the desk would refuse is not asked of it: people are sent to log in again.
            fresh: votes.map_or(written.fresh.0, |most| most.min(written.fresh.0)),
            unsaid: votes.is_none(),
        },
        clock: Arc::clone(&gateway.clock),
    }))
}

struct Office {
    gateway: Arc<Gateway>,
    shelf: Arc<Shelf>,
    feed: Feed,
    started: Timestamp,
}

impl Office {
    fn roles(&self, who: &Identity) -> Result<Roles, Refused> {
        let loaded = self.gateway.loaded.load();
        let question = ConsoleQuestion {
            identity: who,
            node: &loaded.config.node,
            now: (self.gateway.clock)(),
        };
        let given = self.gateway.policy.console(&question).map_err(|fault| {
            tracing::error!(
                fault = fault.chain(),
                "policy cannot say who has which role"
            );
            Refused::new(503, "policy cannot say what you may see (fault/policy)")
        })?;
        Ok(given
            .roles
            .iter()
            .filter_map(|name| Role::named(name))
            .collect())
    }

    fn live_row(row: SessionRow) -> SessionRow {
        SessionRow {
            name: escape_line(&row.name),
            issuer: escape_line(&row.issuer),
            subject: escape_line(&row.subject),
            target: escape_line(&row.target),
            login: escape_line(&row.login),
            doing: escape_line(&row.doing),
            ..row
        }
    }
}

impl Bureau for Office {
    fn verify<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Arc<Identity>, Refused>> {
        Box::pin(async move {
            let identity = self.gateway.doormen.verify(token).await;
            identity
                .map(Arc::new)
                .map_err(|denial| Refused::denied(401, &denial))
        })
    }

    fn standing(&self, who: &Identity) -> Result<Roles, Refused> {
        let now = (self.gateway.clock)();
        if who.expires <= now {
            return Err(
                Refused::new(401, "the login has ended (console/expired)").hint("log in again")
            );
        }
        if !who.actors.is_empty() {
            let no =
                "whoever acts for somebody does not see what that person sees (console/acting)";
            return Err(Refused::new(403, no).hint("send a token of your own"));
        }
        let revocations = &self.gateway.reception.desk().revocations;
        if revocations.covers(who, None, now).is_some() {
            return Err(Refused::denied(401, &revoked()));
        }
        if !self.gateway.doormen.knows(&who.principal.issuer) {
            return Err(Refused::new(
                401,
                "your provider is no longer trusted (console/issuer)",
            ));
        }
        self.roles(who)
    }

    fn note(&self, event: &str, who: &Identity, detail: &Value) -> Result<(), Refused> {
        let mut entry = named(who);
        acts::add(&mut entry, detail);
        let noted = self.gateway.journal.node(event, &entry);
        noted.map(drop).map_err(|fault| {
            tracing::error!(
                fault = fault.chain(),
                "what is done in the console is not on record"
            );
            Refused::new(
                503,
                "the record cannot be written, so nothing is shown or done",
            )
            .hint("`portcullis status` says what is wrong with it")
        })
    }

    fn glance(&self) -> Glance {
        Glance {
            node: self.gateway.loaded.load().config.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started.rfc3339(),
            policy_revision: self.gateway.policy.revision().to_string(),
        }
    }

    fn live(&self) -> Vec<SessionRow> {
        let registry = &self.gateway.reception.desk().registry;
        let rows = registry.all().into_iter().map(|live| live.row());
        rows.map(Self::live_row).collect()
    }

    fn watch(&self, id: SessionId, past: bool) -> BoxFuture<'_, Option<mpsc::Receiver<Watched>>> {
        Box::pin(async move {
            let registry = &self.gateway.reception.desk().registry;
            registry.find(id)?;
            // First listen, then read: nothing falls between the two.
            let live = self.feed.listen();
            let from = (!past).then(|| (self.gateway.clock)());
            let shelf = Arc::clone(&self.shelf);
            let entries = tokio::task::spawn_blocking(move || shelf.entries(id));
            let entries = entries.await.ok()?.ok()?;
            let (out, receiver) = mpsc::channel(WATCHED);
            let gateway = Arc::clone(&self.gateway);
            tokio::spawn(async move {
                let gone = out.clone();
                tokio::select! {
                    () = show(id, entries, live, from, out) => {}
                    () = ended(&gateway, id) => {}
                    () = gone.closed() => {}
                }
            });
            Some(receiver)
        })
    }

    fn kill(&self, id: SessionId, reason: &str, by: &Identity) -> Result<(), Refused> {
        let desk = self.gateway.reception.desk();
        acts::kill(desk, id, reason, |event, detail| {
            self.note(event, by, &detail)
        })
    }

    fn approvals(&self) -> Vec<Approval> {
        self.gateway.people.list()
    }

    fn approval(&self, id: &str) -> Option<Approval> {
        self.gateway.people.one(id)
    }

    fn waiting(&self, who: &Identity) -> usize {
        self.gateway.people.waiting_beside(who)
    }

    fn vote<'a>(
        &'a self,
        id: &'a str,
        ballot: &'a Ballot,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Approval, Refused>> {
        Box::pin(async move {
            let voted = self.gateway.people.vote(id, ballot, "console").await;
            if let Err(why) = &voted {
                self.refused_vote(id, why, by);
            }
            voted
        })
    }

    fn refused_vote(&self, id: &str, why: &Refused, by: &Identity) {
        let who = guesser(by, "console");
        self.gateway.guesses.vote(&who, id, why);
    }

    fn connections(&self) -> Vec<ConnectionRow> {
        let loaded = self.gateway.loaded.load();
        let rows = loaded.config.connections.iter();
        rows.map(super::connection_row).collect()
    }

    fn policies(&self) -> PolicyView {
        let set = self.gateway.policy.set();
        let rules = set.outline();
        let pack = |(name, on_trial): (&str, bool)| PackView {
            name: name.to_owned(),
            on_trial,
            rules: rules
                .iter()
                .filter(|rule| rule.pack == name && rule.speaks())
                .map(|rule| RuleView {
                    set: rule.name.clone(),
                    says: rule.says.clone().unwrap_or_default(),
                    place: format!("{}:{}", rule.file, rule.line),
                })
                .collect(),
        };
        PolicyView {
            revision: set.revision().to_string(),
            tests: set.test_count() as u64,
            packs: set.packs().map(pack).collect(),
        }
    }

    fn explain<'a>(&'a self, input: &'a Value) -> BoxFuture<'a, Result<Explained, Refused>> {
        let (set, input) = (self.gateway.policy.set(), input.clone());
        Box::pin(async move {
            let explained = tokio::task::spawn_blocking(move || set.explain(&input)).await;
            match explained {
                Ok(Ok(explanation)) => Ok(taken_apart(&explanation)),
                Ok(Err(fault)) => {
                    tracing::warn!(fault = fault.chain(), "a decision cannot be explained");
                    Err(
                        Refused::new(409, "the set that serves now cannot decide this input").hint(
                            "it is of another version; `portcullis policy explain` says more",
                        ),
                    )
                }
                Err(_) => Err(Refused::new(503, "the decision cannot be explained now")),
            }
        })
    }

    fn plugins(&self) -> Vec<PluginView> {
        let serving = self.gateway.reception.desk().serving.load();
        let used = serving.streams.plugins();
        let stats = self.gateway.sandbox.stats();
        used.into_iter()
            .map(|row| {
                let known = stats.iter().find(|s| s.digest == row.sha256);
                let count = |pick: fn(&portcullis_sandbox::PluginStats) -> u64| {
                    known.map(pick).unwrap_or_default()
                };
                PluginView {
                    calls: count(|s| s.calls),
                    failures: count(|s| s.failures),
                    seconds: count(|s| s.nanoseconds) as f64 / 1e9,
                    edits: count(|s| s.edits),
                    bytes: count(|s| s.bytes),
                    live: count(|s| s.live_instances),
                    quarantined: count(|s| s.quarantined),
                    counters: known
                        .into_iter()
                        .flat_map(|s| &s.counters)
                        .map(|(name, value)| PluginCounter {
                            name: escape_line(name),
                            value: *value,
                        })
                        .collect(),
                    name: escape_line(&row.name),
                    sha256: row.sha256,
                }
            })
            .collect()
    }
}

/// Somebody, as what they do here is recorded.
fn named(who: &Identity) -> Value {
    json!({"by": who.principal, "name": who.name, "token_id": who.token_id})
}

/// The same, of what is refused to them, and where.
pub(super) fn guesser(who: &Identity, from: &str) -> Guesser {
    let mut by = named(who);
    by["from"] = json!(from);
    Guesser::somebody(who, by)
}

/// Resolves once the session is over, and a moment later: its last entries are on their way.
async fn ended(gateway: &Gateway, id: SessionId) {
    let registry = &gateway.reception.desk().registry;
    while registry.find(id).is_some() {
        tokio::time::sleep(limits::WATCH_LOOK).await;
    }
    tokio::time::sleep(limits::WATCH_LOOK).await;
}

/// What is on record, then what comes. Of what was written before `from` nothing is sent: it only says how to read on.
async fn show(
    id: SessionId,
    entries: impl Iterator<Item = Result<ReadEntry, portcullis_journal::Error>> + Send + 'static,
    mut live: broadcast::Receiver<Arc<Heard>>,
    from: Option<Timestamp>,
    out: mpsc::Sender<Watched>,
) {
    let (mut maker, mut last) = (StepMaker::default(), 0);
    let sent = |steps: Vec<Step>, out: mpsc::Sender<Watched>| async move {
        for step in steps {
            if out.send(Watched::Step(Box::new(step))).await.is_err() {
                return false;
            }
        }
        true
    };
    let (past, mut pasts) = mpsc::channel(WATCHED);
    tokio::task::spawn_blocking(move || {
        for entry in entries.map_while(Result::ok) {
            if past.blocking_send(entry).is_err() {
                return;
            }
        }
    });
    while let Some(entry) = pasts.recv().await {
        last = entry.sequence;
        let mut steps = maker.take(&entry);
        steps.extend(maker.answered());
        if from.is_some_and(|from| entry.at < from) {
            // A decision that waits for its statement is past as well.
            maker.rest();
            continue;
        }
        if !sent(steps, out.clone()).await {
            return;
        }
    }
    loop {
        let heard = match live.recv().await {
            Ok(heard) => heard,
            Err(broadcast::error::RecvError::Lagged(count)) => {
                if out.send(Watched::Skipped(count)).await.is_err() {
                    return;
                }
                continue;
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let entry = &heard.entry;
        if entry.session != id || entry.sequence <= last {
            continue;
        }
        last = entry.sequence;
        let mut steps = match heard.left_out {
            0 => maker.take(entry),
            bytes => maker.left_out(entry, bytes),
        };
        steps.extend(maker.answered());
        if !sent(steps, out.clone()).await {
            return;
        }
    }
}

fn taken_apart(explanation: &Explanation) -> Explained {
    let decision = &explanation.decision;
    let (verdict, rule) = match &decision.verdict {
        Verdict::Allow { rule } => ("allow", rule.clone()),
        Verdict::Deny(denial) => ("deny", denial.rule.to_string()),
        Verdict::Hold(_) => ("hold", "approval".to_owned()),
    };
    Explained {
        verdict: verdict.to_owned(),
        rule: escape_line(&rule),
        revision: decision.revision.clone(),
        reasons: decision.reasons.iter().map(said).collect(),
        packs: explanation.packs.iter().map(pack).collect(),
    }
}

fn pack(pack: &PackExplanation) -> ExplainedPack {
    let rules = pack.rules.iter().map(|rule| {
        let mut because = Vec::new();
        for condition in &rule.failed {
            failed(condition, 0, &mut because);
        }
        because.truncate(BECAUSE);
        ExplainedRule {
            rule: escape_line(&format!(
                "{} {}",
                rule.set,
                rule.rule.as_deref().unwrap_or_default()
            )),
            place: escape_line(&format!("{}:{}", rule.file, rule.line)),
            spoke: rule.spoke,
            because,
        }
    });
    ExplainedPack {
        pack: escape_line(&pack.pack),
        on_trial: pack.dry_run,
        asked: pack.asked,
        failure: pack.failure.as_deref().map(escape_line),
        rules: rules.collect(),
    }
}

fn failed(condition: &Condition, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let text = escape_line(&condition.text);
    lines.push(format!("{indent}failed: {text} (line {})", condition.line));
    for (path, value) in &condition.saw {
        let (path, value) = (escape_line(path), escape_line(value));
        lines.push(format!("{indent}  {path} is {value}"));
    }
    for inner in &condition.because {
        failed(inner, depth + 1, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_gate::{EntryKind, StreamId};

    fn entry(sequence: u64, request: &str) -> ReadEntry {
        ReadEntry {
            session: SessionId(7),
            sequence,
            at: Timestamp(i64::try_from(sequence).unwrap_or_default()),
            stream: StreamId(0),
            kind: EntryKind::Request as u8,
            payload: json!({"stage": "query", "request": request})
                .to_string()
                .into(),
            leaf: 0,
            withheld: None,
        }
    }

    async fn watched(from: Option<Timestamp>) -> Vec<(String, Option<String>)> {
        let (told, live) = broadcast::channel(8);
        let (out, mut steps) = mpsc::channel(8);
        let past = [entry(1, "first"), entry(2, "second")].map(Ok);
        for (sequence, left_out) in [(2, 0), (3, 0), (4, 70_000)] {
            let entry = entry(sequence, "third");
            told.send(Arc::new(Heard { entry, left_out }))
                .expect("heard");
        }
        drop(told);
        show(SessionId(7), past.into_iter(), live, from, out).await;
        let mut all = Vec::new();
        while let Some(watched) = steps.recv().await {
            if let Watched::Step(step) = watched {
                all.push((step.head.clone(), step.text.clone()));
            }
        }
        all
    }

    #[tokio::test]
    async fn whoever_may_not_read_the_record_sees_what_comes_and_nothing_before() {
        let said = |text: &str| (String::new(), Some(text.to_owned()));
        let all = watched(None).await;
        assert_eq!(all[..3], [said("first"), said("second"), said("third")]);
        let large = &all[3].0;
        assert!(large.starts_with("70000 bytes, too large"), "{large}");
        assert_eq!(watched(Some(Timestamp(3))).await, all[2..]);
    }
}
