//! One walk over the record: the tables, and the entries that their rows come from. Refuses to leave something out that it
//! cannot read: such a row says so.

use super::Wanted;
use super::desk::{self, Approval};
use super::table::Table;
use crate::NODE;
use crate::frame::Frame;
use crate::payloads::{PayloadKeys, Withheld};
use portcullis_gate::EntryKind;
use portcullis_model::{SessionId, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Tables under way.
pub(super) struct Collected {
    wanted: Wanted,
    access: BTreeMap<[String; 7], Used>,
    sessions: BTreeMap<u64, Session>,
    numbers: HashMap<SessionId, u64>,
    approvals: BTreeMap<String, Approval>,
    glass: Table,
    blocked: Table,
    failures: Table,
    policies: Table,
    administration: Table,
    security: Table,
    /// Leaves that rows come from.
    pub(super) cited: Vec<u64>,
    /// The policy as it stood at the end of the time, where the record has it.
    pub(super) snapshot: Option<Value>,
}

struct Used {
    first: Timestamp,
    last: Timestamp,
    sessions: u64,
    rule: String,
    revision: String,
}

struct Session {
    id: SessionId,
    leaf: u64,
    who: String,
    subject: String,
    issuer: String,
    kind: String,
    target: String,
    login: String,
    address: String,
    reason: String,
    ticket: String,
    started: Timestamp,
    ended: Option<(Timestamp, u64, String, bool)>,
    counts: String,
    /// Open within the time.
    within: bool,
}

impl Collected {
    pub(super) fn new(wanted: Wanted) -> Self {
        let table = Table::new;
        Self {
            wanted,
            access: BTreeMap::new(),
            sessions: BTreeMap::new(),
            numbers: HashMap::new(),
            approvals: BTreeMap::new(),
            glass: desk::glass(),
            blocked: table(
                "blocked",
                "Blocked commands",
                "Commands that were refused, with the rule that refused them. Secrets are masked.",
                &[
                    "at", "session", "who", "target", "rule", "reason", "command", "leaf",
                ],
            ),
            failures: table(
                "failures",
                "Recorder failures",
                "When recording was interrupted, and sessions whose record has no end of its own.",
                &["at", "what", "session", "detail", "leaf"],
            ),
            policies: table(
                "policy_changes",
                "Policy changes",
                "Each start and reload, with the revision (a digest over all packs) that served from then on, and the key (SHA-256) that \
                 each signed bundle of it was verified with.",
                &[
                    "at",
                    "author",
                    "revision",
                    "signed_by",
                    "applied",
                    "detail",
                    "leaf",
                ],
            ),
            administration: table(
                "administration",
                "Administration",
                "What operators and people at the gateway did: logins and refused ones, kills, revocations, holds, and recordings that were \
                 viewed in the console. Commands on its host that read files, and exports, leave no entry.",
                &["at", "event", "who", "detail", "leaf"],
            ),
            security: table(
                "security",
                "Security events",
                "Secrets that were stopped, broken protocols, quarantined plugins.",
                &["at", "session", "who", "event", "detail", "leaf"],
            ),
            cited: Vec::new(),
            snapshot: None,
        }
    }

    /// The next entry of the log.
    pub(super) fn see(&mut self, frame: &Frame<'_>, leaf: u64, keys: &PayloadKeys) {
        let is = |kind: EntryKind| frame.kind == kind as u8;
        let looked_at = [
            EntryKind::Admit,
            EntryKind::End,
            EntryKind::Refusal,
            EntryKind::Hold,
            EntryKind::Security,
        ];
        if frame.session != NODE && !looked_at.iter().any(|kind| is(*kind)) {
            return;
        }
        let payload = keys.read(frame);
        let json: Value = match &payload {
            Ok(payload) => serde_json::from_slice(payload).unwrap_or_default(),
            Err(_) => Value::Null,
        };
        let withheld = payload.err();
        if frame.session == NODE {
            self.node(frame, leaf, &json);
        } else if is(EntryKind::Admit) {
            self.admit(frame, leaf, &json);
        } else if is(EntryKind::End) {
            self.end(frame, leaf, &json);
        } else if is(EntryKind::Hold) {
            self.hold(&json, leaf, withheld);
        } else if self.is_within(frame.at) {
            match is(EntryKind::Refusal) {
                true => self.refusal(frame, leaf, &json, withheld),
                false => self.secured(frame, leaf, &json),
            }
        }
    }

    fn is_within(&self, at: Timestamp) -> bool {
        at >= self.wanted.from && at < self.wanted.until
    }

    fn admit(&mut self, frame: &Frame<'_>, leaf: u64, json: &Value) {
        if frame.at >= self.wanted.until {
            return;
        }
        let text = |at: &str| string(json, at).to_owned();
        let session = Session {
            id: frame.session,
            leaf,
            who: text("/session/identity/name"),
            subject: text("/session/identity/principal/subject"),
            issuer: text("/session/identity/principal/issuer"),
            kind: text("/session/identity/kind"),
            target: text("/session/target/name"),
            login: text("/session/login"),
            address: text("/session/client/address"),
            reason: text("/session/reason"),
            ticket: text("/session/ticket"),
            started: frame.at,
            ended: None,
            counts: String::new(),
            within: self.is_within(frame.at),
        };
        let rule = text("/connect/rule");
        if session.within {
            let groups = list(&json["session"]["identity"]["groups"], |group| {
                group.as_str().unwrap_or_default().to_owned()
            });
            let actors = list(&json["session"]["identity"]["actors"], |actor| {
                string(actor, "/subject").to_owned()
            });
            let key = [
                session.who.clone(),
                session.issuer.clone(),
                session.subject.clone(),
                session.kind.clone(),
                groups,
                actors,
                session.target.clone(),
            ];
            let used = self.access.entry(key).or_insert(Used {
                first: frame.at,
                last: frame.at,
                sessions: 0,
                rule: String::new(),
                revision: String::new(),
            });
            used.last = used.last.max(frame.at);
            used.sessions += 1;
            used.rule.clone_from(&rule);
            used.revision = text("/connect/revision");
            if is_glass(&rule) {
                self.admitted_by_glass(&session, frame.at, rule);
            }
        }
        self.numbers.insert(frame.session, leaf);
        self.sessions.insert(leaf, session);
    }

    fn admitted_by_glass(&mut self, session: &Session, at: Timestamp, rule: String) {
        let by = format!("{} at {}", session.subject, session.issuer);
        self.cite(session.leaf);
        self.glass.row([
            at.rfc3339(),
            format!("session {}", session.id),
            format!("{} ({by})", session.who),
            session.target.clone(),
            session.reason.clone(),
            rule,
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            session.leaf.to_string(),
        ]);
    }

    fn end(&mut self, frame: &Frame<'_>, leaf: u64, json: &Value) {
        let within = self.is_within(frame.at);
        let Some(number) = self.numbers.remove(&frame.session) else {
            return;
        };
        if frame.at < self.wanted.from {
            self.sessions.remove(&number);
            return;
        }
        let interrupted = json["interrupted"].as_bool().unwrap_or(false);
        let reason = string(json, "/reason").to_owned();
        if interrupted && within {
            self.cite(leaf);
            self.failures.row([
                frame.at.rfc3339(),
                "session interrupted".to_owned(),
                frame.session.to_string(),
                reason.clone(),
                leaf.to_string(),
            ]);
        }
        if let Some(session) = self.sessions.get_mut(&number) {
            session.ended = Some((frame.at, leaf, reason, interrupted));
            session.within = true;
            let count = |name: &str| {
                json[name]
                    .as_u64()
                    .map_or_else(String::new, |n| n.to_string())
            };
            session.counts = format!(
                "{} commands, {} refused, {} rows, {} bytes",
                count("commands"),
                count("denied"),
                count("rows"),
                count("bytes")
            );
        }
    }

    fn hold(&mut self, json: &Value, leaf: u64, withheld: Option<Withheld>) {
        let id = string(json, "/id");
        // What cannot be read names no request; the row that the desk's entries make says what is withheld.
        if withheld.is_none() && !id.is_empty() {
            let approval = self.approvals.entry(id.to_owned()).or_default();
            approval.held(json, leaf);
        }
    }

    fn refusal(&mut self, frame: &Frame<'_>, leaf: u64, json: &Value, withheld: Option<Withheld>) {
        let command = match (withheld, json.get("request").and_then(Value::as_str)) {
            (Some(Withheld::Sealed), _) => "(encrypted)".to_owned(),
            (Some(Withheld::Shredded), _) => "(shredded)".to_owned(),
            (None, Some(command)) => command.to_owned(),
            (None, None) => match json["request_bytes"].as_u64() {
                Some(bytes) => format!(
                    "(never judged: {bytes} bytes, sha256 {})",
                    string(json, "/request_sha256")
                ),
                None => "(the session itself)".to_owned(),
            },
        };
        self.cite(leaf);
        let (who, target) = self.whose(frame.session);
        self.blocked.row([
            frame.at.rfc3339(),
            frame.session.to_string(),
            who,
            target,
            string(json, "/denial/rule").to_owned(),
            string(json, "/denial/reason").to_owned(),
            command,
            leaf.to_string(),
        ]);
    }

    fn secured(&mut self, frame: &Frame<'_>, leaf: u64, json: &Value) {
        self.cite(leaf);
        let (who, _) = self.whose(frame.session);
        self.security.row([
            frame.at.rfc3339(),
            frame.session.to_string(),
            who,
            string(json, "/event").to_owned(),
            shown(&json["detail"]),
            leaf.to_string(),
        ]);
    }

    fn whose(&self, id: SessionId) -> (String, String) {
        let session = self.numbers.get(&id).and_then(|n| self.sessions.get(n));
        session.map_or_else(Default::default, |s| (s.who.clone(), s.target.clone()))
    }

    fn cite(&mut self, leaf: u64) {
        self.cited.push(leaf);
    }

    fn node(&mut self, frame: &Frame<'_>, leaf: u64, json: &Value) {
        let (event, detail) = (string(json, "/event"), &json["detail"]);
        if event == "policy-snapshot" && frame.at < self.wanted.until {
            self.snapshot = Some(detail.clone());
        }
        let within = self.is_within(frame.at);
        match event {
            "approval/opened" | "approval/vote" | "approval/state" => {
                self.approval(frame, leaf, event, detail, within);
                return;
            }
            "approval/granted" | "approval/extended" => {
                // Access for a time, more of it, or a class of commands. A broken glass comes from no request.
                if let Some(asked) = self.approvals.get_mut(string(detail, "/request")) {
                    asked.granted(detail, leaf);
                }
            }
            _ => {}
        }
        if !within {
            return;
        }
        self.cite(leaf);
        let at = frame.at.rfc3339();
        let (number, leaf) = (leaf, leaf.to_string());
        match event {
            "reload" | "started" => self.policies.row([
                at,
                match event {
                    "started" => "start of the gateway".to_owned(),
                    _ => string(detail, "/why").to_owned(),
                },
                string(detail, "/policy_revision").to_owned(),
                signers(&detail["signed_by"]),
                detail["ok"].as_bool().unwrap_or(true).to_string(),
                string(detail, "/detail").to_owned(),
                leaf,
            ]),
            "recovered" | "opened" | "closed" => self.failures.row([
                at,
                match event {
                    "recovered" => "recording was interrupted, and goes on from here".to_owned(),
                    "opened" => "recording began".to_owned(),
                    _ => "recording was stopped in order".to_owned(),
                },
                String::new(),
                shown(detail),
                leaf,
            ]),
            _ if event.starts_with("glass/") => {
                self.glass
                    .row(desk::broken(frame.at, event, detail, number));
            }
            _ => self.administration.row([
                at,
                event.to_owned(),
                actor(detail),
                match event {
                    "policy-snapshot" => string(detail, "/revision").to_owned(),
                    _ => shown(detail),
                },
                leaf,
            ]),
        }
    }

    fn approval(
        &mut self,
        frame: &Frame<'_>,
        leaf: u64,
        event: &str,
        detail: &Value,
        within: bool,
    ) {
        let id = string(detail, "/id").to_owned();
        let approval = self.approvals.entry(id).or_default();
        approval.within |= within;
        approval.leaves.push(leaf);
        approval.see(frame.at, event, detail);
    }

    /// All tables, in the order of the report.
    pub(super) fn tables(&mut self) -> Vec<Table> {
        let access = self.access_table();
        let sessions = self.session_table();
        let approvals = self.approval_table();
        let empty = || Table::new("", "", "", &[]);
        let mut take = |table: fn(&mut Self) -> &mut Table| std::mem::replace(table(self), empty());
        let mut tables = vec![access, sessions, approvals];
        tables.push(take(|c| &mut c.glass));
        tables.push(take(|c| &mut c.blocked));
        tables.push(take(|c| &mut c.failures));
        tables.push(take(|c| &mut c.policies));
        tables.push(take(|c| &mut c.security));
        tables.push(take(|c| &mut c.administration));
        self.cited.sort_unstable();
        self.cited.dedup();
        tables
    }

    fn access_table(&self) -> Table {
        let mut table = Table::new(
            "access",
            "Who had access",
            "Each identity that was let in, with the groups its token named, to what, by which rule. Who could have been let in \
             follows from the policy in policy.json.",
            &[
                "who", "issuer", "subject", "kind", "groups", "through", "target", "sessions",
                "first", "last", "rule", "revision",
            ],
        );
        for (key, used) in &self.access {
            let mut row = key.to_vec();
            row.extend([
                used.sessions.to_string(),
                used.first.rfc3339(),
                used.last.rfc3339(),
                used.rule.clone(),
                used.revision.clone(),
            ]);
            table.rows.push(row);
        }
        table
    }

    fn session_table(&mut self) -> Table {
        let mut table = Table::new(
            "sessions",
            "Who used it",
            "Each session that was open within the time.",
            &[
                "session", "who", "issuer", "subject", "kind", "target", "login", "from", "reason",
                "ticket", "started", "ended", "how", "counts", "leaves",
            ],
        );
        let sessions = std::mem::take(&mut self.sessions);
        for session in sessions.into_values() {
            // What has not ended is open still.
            if !session.within && session.ended.is_some() {
                continue;
            }
            self.cite(session.leaf);
            let mut leaves = session.leaf.to_string();
            let (ended, how) = match session.ended {
                Some((at, leaf, reason, interrupted)) => {
                    self.cite(leaf);
                    leaves.push_str(&format!(" {leaf}"));
                    let mark = if interrupted { "interrupted: " } else { "" };
                    (at.rfc3339(), format!("{mark}{reason}"))
                }
                None => (String::new(), "no end on record yet".to_owned()),
            };
            table.row([
                session.id.to_string(),
                session.who,
                session.issuer,
                session.subject,
                session.kind,
                session.target,
                session.login,
                session.address,
                session.reason,
                session.ticket,
                session.started.rfc3339(),
                ended,
                how,
                session.counts,
                leaves,
            ]);
        }
        table
    }

    fn approval_table(&mut self) -> Table {
        let mut approvals = std::mem::take(&mut self.approvals);
        approvals.retain(|_, approval| approval.within);
        let leaves = approvals.values().flat_map(|approval| &approval.leaves);
        self.cited.extend(leaves);
        desk::approvals(approvals.into_iter())
    }
}

fn is_glass(rule: &str) -> bool {
    rule.contains("break_glass") || rule.contains("break-glass")
}

pub(super) fn string<'a>(json: &'a Value, pointer: &str) -> &'a str {
    json.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub(super) fn list(json: &Value, each: impl Fn(&Value) -> String) -> String {
    let parts = json.as_array().into_iter().flatten().map(each);
    parts.collect::<Vec<_>>().join(", ")
}

pub(super) fn principal(json: &Value) -> String {
    format!(
        "{} at {}",
        string(json, "/subject"),
        string(json, "/issuer")
    )
}

/// Whoever did it, as far as an entry of the node says.
fn actor(detail: &Value) -> String {
    if let Some(uid) = detail["uid"].as_u64() {
        return format!("uid {uid}");
    }
    // Whoever ends a grant need not be its holder.
    match &detail["ended_by"] {
        Value::String(by) => return by.clone(),
        Value::Object(_) => return principal(&detail["ended_by"]),
        _ => {}
    }
    // Grants name their `holder`, delegations who is away as `from`.
    let names = [
        "identity",
        "voter",
        "by",
        "reviewer",
        "principal",
        "holder",
        "from",
    ];
    for name in names {
        if detail[name]["subject"].is_string() {
            return principal(&detail[name]);
        }
    }
    string(detail, "/name").to_owned()
}

/// Which pack was verified with which key. Records of earlier versions do not say.
fn signers(signed: &Value) -> String {
    let all = signed.as_object().into_iter().flatten();
    let one = |(pack, key): (&String, &Value)| {
        let key = key.as_str().unwrap_or_default();
        format!("{pack} by sha256:{key}")
    };
    all.map(one).collect::<Vec<_>>().join("; ")
}

fn shown(detail: &Value) -> String {
    match detail {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
