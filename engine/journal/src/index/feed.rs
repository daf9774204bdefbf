//! From entries to rows. Each entry is looked at once, in the order of the log; what a session's entries add up to is
//! kept in memory until the batch is committed with the place it came to.
//!
//! Refuses to guess: what an entry does not say stays empty, and a payload that was withheld or shredded leaves its
//! session counted and its commands without text.

use super::schema;
use super::{IndexError, payload};
use crate::NODE;
use crate::frame::Frame;
use crate::tail::Place;
use payload::{Admitted, Asked, Decided, Ended, Event};
use portcullis_gate::EntryKind;
use portcullis_model::{SessionId, limits};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Decisions remembered for shortened ones that rest on them; the table has the others.
const BASES_KEPT: usize = 65_536;
/// Numbers of sessions remembered; the table has the others.
const SESSIONS_KEPT: usize = 65_536;

/// What a decision said that a later one may rest on.
#[derive(Clone, Debug)]
struct Said {
    stage: String,
    effect: String,
    risk: String,
    rule: String,
}

/// A decision whose command has not been seen yet.
struct Pending {
    sequence: u64,
    at: i64,
    verdict: String,
    said: Said,
    approval: Option<String>,
    text: String,
}

/// What entries add to a session until the batch is committed.
#[derive(Default)]
struct Sums {
    entries: u64,
    bytes: u64,
    last: i64,
    commands: u64,
    denied: u64,
    held: u64,
    approved: u64,
    masked: u64,
    security: u64,
    effects: [u64; 5],
}

/// What is needed of a session for each of its commands.
#[derive(Clone, Default)]
struct Known {
    row: i64,
    who: String,
    target: String,
    protocol: String,
}

/// Writes the index.
pub(super) struct Feed {
    db: Connection,
    place: Place,
    sessions: HashMap<SessionId, Known>,
    sums: HashMap<i64, Sums>,
    pending: HashMap<(SessionId, u32), Pending>,
    bases: HashMap<(i64, u64), Said>,
    /// Something was shredded, and the write-ahead log may still have it.
    unscrubbed: bool,
}

impl Feed {
    /// Goes on with an index, or begins one in an empty database.
    pub(super) fn new(db: Connection) -> Result<Self, IndexError> {
        let mut feed = Self {
            db,
            place: Place::default(),
            sessions: HashMap::new(),
            sums: HashMap::new(),
            pending: HashMap::new(),
            bases: HashMap::new(),
            // Whoever was killed between a shredding and this leaves no word of it.
            unscrubbed: true,
        };
        match feed.meta("version")? {
            None => {
                feed.db.execute_batch("BEGIN")?;
                feed.db.execute_batch(schema::TABLES)?;
                feed.set("version", schema::VERSION)?;
                feed.db.execute_batch("COMMIT")?;
            }
            Some(schema::VERSION) => {
                let number = |value: Option<i64>| u64::try_from(value.unwrap_or(0)).unwrap_or(0);
                feed.place = Place {
                    segment: number(feed.meta("segment")?),
                    leaf: number(feed.meta("leaf")?),
                    mark: u32::try_from(number(feed.meta("mark")?)).unwrap_or(0),
                };
            }
            Some(_) => return Err(IndexError::Version),
        }
        Ok(feed)
    }

    /// How far it has come.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// A number kept beside the tables.
    pub(super) fn meta(&self, key: &str) -> Result<Option<i64>, IndexError> {
        let tables: i64 = self
            .db
            .prepare_cached("SELECT count(*) FROM sqlite_master WHERE name = 'meta'")?
            .query_row([], |row| row.get(0))?;
        if tables == 0 {
            return Ok(None);
        }
        let found = self
            .db
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        Ok(found)
    }

    /// Keeps a number beside the tables.
    pub(super) fn set(&self, key: &str, value: i64) -> Result<(), IndexError> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)")?
            .execute(params![key, value])?;
        Ok(())
    }

    /// Begins a batch.
    pub(super) fn begin(&self) -> Result<(), IndexError> {
        Ok(self.db.execute_batch("BEGIN IMMEDIATE")?)
    }

    /// Commits what was seen, and that the log was read up to `place` of which a checkpoint covers `signed` leaves.
    pub(super) fn commit(&mut self, place: Place, signed: u64) -> Result<(), IndexError> {
        // The command of a decision stands right behind it: where the batch ends between them, the input has it too.
        for (key, pending) in std::mem::take(&mut self.pending) {
            if let Some(known) = self.session(key.0)? {
                self.command(&known, key.1, &pending, &pending.text)?;
            }
        }
        for (row, sums) in std::mem::take(&mut self.sums) {
            self.add(row, &sums)?;
        }
        self.set("segment", number(place.segment))?;
        self.set("leaf", number(place.leaf))?;
        self.set("mark", i64::from(place.mark))?;
        self.set("signed", number(signed))?;
        self.db.execute_batch("COMMIT")?;
        self.place = place;
        if self.bases.len() > BASES_KEPT {
            self.bases.clear();
        }
        if self.sessions.len() > SESSIONS_KEPT {
            self.sessions.clear();
        }
        Ok(())
    }

    /// True when nothing that was shredded can stand in the write-ahead log.
    pub(super) fn is_scrubbed(&self) -> bool {
        !self.unscrubbed
    }

    /// What was shredded goes from the file and its write-ahead log. While a reader is in the way it is tried again.
    pub(super) fn scrub(&mut self) -> Result<(), IndexError> {
        if self.unscrubbed {
            let busy: i64 = self
                .db
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            self.unscrubbed = busy != 0;
        }
        Ok(())
    }

    /// Waits for no reader.
    #[cfg(test)]
    pub(super) fn hurry(&self) -> Result<(), IndexError> {
        Ok(self.db.busy_timeout(std::time::Duration::ZERO)?)
    }

    /// The file grows no more, as on a full disk.
    #[cfg(test)]
    pub(super) fn no_more_pages(&self) -> Result<(), IndexError> {
        Ok(self.db.execute_batch("PRAGMA max_page_count = 1")?)
    }

    /// Lets go of what was seen since the batch began.
    pub(super) fn abandon(&mut self) {
        self.pending.clear();
        self.sums.clear();
        self.sessions.clear();
        self.bases.clear();
        // Where even this fails the database is opened anew.
        let _ = self.db.execute_batch("ROLLBACK");
    }

    /// The next entry. `payload` is none where it is withheld or shredded.
    pub(super) fn entry(
        &mut self,
        frame: &Frame<'_>,
        leaf: u64,
        payload: Option<&[u8]>,
    ) -> Result<(), IndexError> {
        let is = |kind: EntryKind| frame.kind == kind as u8;
        if frame.session == NODE {
            return match payload {
                Some(payload) => self.node(frame, payload),
                None => Ok(()),
            };
        }
        if is(EntryKind::Admit) {
            self.admit(frame, leaf, payload.unwrap_or_default())?;
        }
        let Some(known) = self.session(frame.session)? else {
            return Ok(());
        };
        let sums = self.sums.entry(known.row).or_default();
        sums.entries += 1;
        sums.last = frame.at.0;
        if is(EntryKind::Release) || is(EntryKind::Diagnostic) {
            sums.bytes += frame.payload.len() as u64;
        } else if is(EntryKind::Masked) {
            sums.masked += 1;
        } else if is(EntryKind::Security) {
            sums.security += 1;
        }
        let Some(payload) = payload else {
            return Ok(());
        };
        match frame.kind {
            kind if kind == EntryKind::Decision as u8 => self.decision(frame, &known, payload),
            kind if kind == EntryKind::Request as u8
                || kind == EntryKind::Refusal as u8
                || kind == EntryKind::Hold as u8 =>
            {
                self.asked(frame, &known, payload)
            }
            kind if kind == EntryKind::Security as u8 => {
                self.event(frame, Some(known.row), "security", payload)
            }
            kind if kind == EntryKind::End as u8 => self.end(frame, &known, leaf, payload),
            _ => Ok(()),
        }
    }

    fn session(&mut self, id: SessionId) -> Result<Option<Known>, IndexError> {
        if let Some(known) = self.sessions.get(&id) {
            return Ok(Some(known.clone()));
        }
        let found = self
            .db
            .prepare_cached(
                "SELECT id, name || ' ' || subject, target, protocol FROM sessions WHERE session = ?1",
            )?
            .query_row([id.0.to_be_bytes()], |row| {
                Ok(Known {
                    row: row.get(0)?,
                    who: row.get(1)?,
                    target: row.get(2)?,
                    protocol: row.get(3)?,
                })
            })
            .optional()?;
        if let Some(known) = &found {
            self.sessions.insert(id, known.clone());
        }
        Ok(found)
    }

    fn admit(&mut self, frame: &Frame<'_>, leaf: u64, payload: &[u8]) -> Result<(), IndexError> {
        let admitted: Admitted = serde_json::from_slice(payload).unwrap_or_default();
        let session = admitted.session;
        let connect = admitted.connect.unwrap_or_default();
        let list = |value: &Value| match value.is_array() {
            true => value.to_string(),
            false => "[]".to_owned(),
        };
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO sessions(session, name, issuer, subject, kind, groups, actors, target, \
                 protocol, login, address, program, node, reason, ticket, access_request, rule, revision, started, \
                 last, first_leaf) \
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?19, ?20)",
            )?
            .execute(params![
                frame.session.0.to_be_bytes(),
                session.identity.name,
                session.identity.principal.issuer,
                session.identity.principal.subject,
                session.identity.kind,
                list(&session.identity.groups),
                list(&session.identity.actors),
                session.target.name,
                session.target.protocol,
                session.login,
                session.client.address,
                session.client.program.unwrap_or_default(),
                session.node,
                session.reason,
                session.ticket,
                session.access_request,
                connect.rule,
                connect.revision,
                frame.at.0,
                number(leaf),
            ])?;
        Ok(())
    }

    fn decision(
        &mut self,
        frame: &Frame<'_>,
        known: &Known,
        payload: &[u8],
    ) -> Result<(), IndexError> {
        let Ok(decided) = serde_json::from_slice::<Decided>(payload) else {
            return Ok(());
        };
        let said = match &decided.base {
            Some(base) => self.base(known.row, base.sequence)?,
            None => Said {
                stage: decided.stage.clone().unwrap_or_default(),
                effect: decided.class.effect.clone(),
                risk: decided.class.risk.clone(),
                rule: decided.rule.clone(),
            },
        };
        if decided.base.is_none() {
            self.bases.insert((known.row, frame.sequence), said.clone());
        }
        let verdict = decided.verdict.unwrap_or_else(|| "allow".to_owned());
        let sums = self.sums.entry(known.row).or_default();
        match (verdict.as_str(), decided.approval.is_some()) {
            ("deny", _) => sums.denied += 1,
            ("hold", _) => sums.held += 1,
            (_, true) => sums.approved += 1,
            _ => {}
        }
        sums.commands += 1;
        let effects = ["read", "write", "destroy", "escalate", "unknown"];
        if let Some(place) = effects.iter().position(|effect| *effect == said.effect) {
            sums.effects[place] += 1;
        }
        let pending = Pending {
            sequence: frame.sequence,
            at: frame.at.0,
            verdict,
            said,
            approval: decided.approval.map(|approval| approval.id),
            text: decided.input.command.text,
        };
        let key = (frame.session, frame.stream.0);
        if let Some(before) = self.pending.insert(key, pending) {
            self.command(known, frame.stream.0, &before, &before.text)?;
        }
        Ok(())
    }

    fn base(&mut self, row: i64, sequence: u64) -> Result<Said, IndexError> {
        if let Some(said) = self.bases.get(&(row, sequence)) {
            return Ok(said.clone());
        }
        let found = self
            .db
            .prepare_cached(
                "SELECT stage, effect, risk, rule FROM commands WHERE session = ?1 AND sequence = ?2",
            )?
            .query_row(params![row, number(sequence)], |row| {
                Ok(Said {
                    stage: row.get(0)?,
                    effect: row.get(1)?,
                    risk: row.get(2)?,
                    rule: row.get(3)?,
                })
            })
            .optional()?;
        let said = found.unwrap_or(Said {
            stage: String::new(),
            effect: "unknown".to_owned(),
            risk: String::new(),
            rule: String::new(),
        });
        self.bases.insert((row, sequence), said.clone());
        Ok(said)
    }

    /// A request as sent, a refusal or a hold: the command that was decided about right before.
    fn asked(
        &mut self,
        frame: &Frame<'_>,
        known: &Known,
        payload: &[u8],
    ) -> Result<(), IndexError> {
        let asked: Asked = serde_json::from_slice(payload).unwrap_or_default();
        let pending = self.pending.remove(&(frame.session, frame.stream.0));
        let mut pending = match (pending, &asked.denial) {
            (Some(pending), _) => pending,
            // Never judged: only its digest is on record.
            (None, Some(denial)) if asked.request_sha256.is_some() => {
                self.sums.entry(known.row).or_default().denied += 1;
                Pending {
                    sequence: frame.sequence,
                    at: frame.at.0,
                    verdict: "deny".to_owned(),
                    said: Said {
                        stage: String::new(),
                        effect: "unknown".to_owned(),
                        risk: String::new(),
                        rule: denial.rule.clone(),
                    },
                    approval: None,
                    text: String::new(),
                }
            }
            // The session as a whole was refused to go on.
            (None, Some(_)) => return self.event(frame, Some(known.row), "refusal", payload),
            (None, None) => return Ok(()),
        };
        let text = asked.request.unwrap_or_else(|| pending.text.clone());
        if let Some(id) = asked.id {
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO held(approval, session, sequence, at, ticket, text) \
                     VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    id,
                    known.row,
                    number(frame.sequence),
                    frame.at.0,
                    asked.ticket,
                    cut(&text)
                ])?;
            pending.approval = Some(id);
        }
        self.command(known, frame.stream.0, &pending, &text)
    }

    fn command(
        &self,
        known: &Known,
        stream: u32,
        command: &Pending,
        text: &str,
    ) -> Result<(), IndexError> {
        self.db
            .prepare_cached(
                "INSERT INTO commands(session, sequence, stream, at, stage, verdict, effect, risk, rule, approval) \
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                known.row,
                number(command.sequence),
                stream,
                command.at,
                command.said.stage,
                command.verdict,
                command.said.effect,
                command.said.risk,
                command.said.rule,
                command.approval,
            ])?;
        let tags = format!(
            "effect{} verdict{} protocol{}",
            command.said.effect, command.verdict, known.protocol
        );
        self.db
            .prepare_cached(
                "INSERT INTO texts(rowid, text, who, target, tags) VALUES(?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                self.db.last_insert_rowid(),
                cut(text),
                known.who,
                known.target,
                tags
            ])?;
        Ok(())
    }

    fn end(
        &mut self,
        frame: &Frame<'_>,
        known: &Known,
        leaf: u64,
        payload: &[u8],
    ) -> Result<(), IndexError> {
        let ended: Ended = serde_json::from_slice(payload).unwrap_or_default();
        for stream in self.open_streams(frame.session) {
            if let Some(pending) = self.pending.remove(&(frame.session, stream)) {
                self.command(known, stream, &pending, &pending.text)?;
            }
        }
        if let Some(sums) = self.sums.remove(&known.row) {
            self.add(known.row, &sums)?;
        }
        let count = |value: Option<u64>| value.map(number);
        let effects = ended.effects.unwrap_or_default();
        self.db
            .prepare_cached(
                "UPDATE sessions SET ended = 1, interrupted = ?2, end_leaf = ?3, end_reason = ?4, last = ?5, \
                 commands = coalesce(?6, commands), denied = coalesce(?7, denied), rows = coalesce(?8, rows), \
                 bytes = coalesce(?9, bytes), \"read\" = coalesce(?10, \"read\"), \"write\" = coalesce(?11, \"write\"), \
                 destroy = coalesce(?12, destroy), escalate = coalesce(?13, escalate), \
                 unknown = coalesce(?14, unknown) WHERE id = ?1",
            )?
            .execute(params![
                known.row,
                ended.interrupted,
                number(leaf),
                ended.reason,
                frame.at.0,
                count(ended.commands),
                count(ended.denied),
                count(ended.rows),
                count(ended.bytes),
                count(effects.read),
                count(effects.write),
                count(effects.destroy),
                count(effects.escalate),
                count(effects.unknown),
            ])?;
        self.sessions.remove(&frame.session);
        Ok(())
    }

    fn open_streams(&self, session: SessionId) -> Vec<u32> {
        let of = self.pending.keys().filter(|(id, _)| *id == session);
        of.map(|(_, stream)| *stream).collect()
    }

    fn add(&self, row: i64, sums: &Sums) -> Result<(), IndexError> {
        self.db
            .prepare_cached(
                "UPDATE sessions SET entries = entries + ?2, bytes = bytes + ?3, last = max(last, ?4), \
                 commands = commands + ?5, denied = denied + ?6, held = held + ?7, approved = approved + ?8, \
                 masked = masked + ?9, security = security + ?10, \"read\" = \"read\" + ?11, \
                 \"write\" = \"write\" + ?12, destroy = destroy + ?13, escalate = escalate + ?14, \
                 unknown = unknown + ?15 WHERE id = ?1",
            )?
            .execute(params![
                row,
                number(sums.entries),
                number(sums.bytes),
                sums.last,
                number(sums.commands),
                number(sums.denied),
                number(sums.held),
                number(sums.approved),
                number(sums.masked),
                number(sums.security),
                number(sums.effects[0]),
                number(sums.effects[1]),
                number(sums.effects[2]),
                number(sums.effects[3]),
                number(sums.effects[4]),
            ])?;
        Ok(())
    }

    fn event(
        &self,
        frame: &Frame<'_>,
        session: Option<i64>,
        kind: &str,
        payload: &[u8],
    ) -> Result<(), IndexError> {
        let event: Event = serde_json::from_slice(payload).unwrap_or_default();
        let (name, detail) = match kind {
            "refusal" => ("refusal".to_owned(), event.denial),
            _ => (event.event, event.detail),
        };
        self.db
            .prepare_cached(
                "INSERT INTO events(at, session, sequence, kind, event, detail) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                frame.at.0,
                session,
                number(frame.sequence),
                kind,
                name,
                detail.to_string()
            ])?;
        Ok(())
    }

    /// What belongs to the node itself.
    fn node(&mut self, frame: &Frame<'_>, payload: &[u8]) -> Result<(), IndexError> {
        let mut event: Event = serde_json::from_slice(payload).unwrap_or_default();
        if event.event == "policy-snapshot" {
            // Megabytes of modules are no event to list; the entry has them.
            let revision = payload::text(&event.detail, "/revision");
            let short = json!({"event": event.event, "detail": {"revision": revision}});
            return self.event(frame, None, "node", short.to_string().as_bytes());
        }
        if holds_statement(&event) {
            if let Some(detail) = event.detail.as_object_mut() {
                detail.remove("shown");
            }
            let short = json!({"event": event.event, "detail": event.detail});
            self.event(frame, None, "node", short.to_string().as_bytes())?;
        } else {
            self.event(frame, None, "node", payload)?;
        }
        let detail = &event.detail;
        match event.event.as_str() {
            "approval/opened" => self.approval_opened(frame, detail),
            "approval/vote" => self.approval_vote(frame, detail),
            "approval/state" => self.approval_state(frame, detail),
            "reload" | "started" => self.policy(frame, &event.event, detail),
            "payloads-shredded" => self.shredded(frame, detail),
            _ => Ok(()),
        }
    }

    fn approval_opened(&self, frame: &Frame<'_>, detail: &Value) -> Result<(), IndexError> {
        let session = payload::text(detail, "/session").parse::<SessionId>().ok();
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO approvals(id, number, opened, session, issuer, subject, target, access, state, \
                 changed, until, requirements, binding, detail) \
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'pending', ?3, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                payload::text(detail, "/id"),
                number(frame.sequence),
                frame.at.0,
                session.map(|id| id.0.to_be_bytes()),
                payload::text(detail, "/identity/issuer"),
                payload::text(detail, "/identity/subject"),
                payload::text(detail, "/target"),
                detail["access"].as_bool().unwrap_or(false),
                detail["until"].as_i64().unwrap_or(0),
                detail["requirements"].to_string(),
                payload::text(detail, "/binding"),
                detail.to_string(),
            ])?;
        Ok(())
    }

    fn approval_vote(&self, frame: &Frame<'_>, detail: &Value) -> Result<(), IndexError> {
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO votes(approval, at, sequence, issuer, subject, name, ballot, reason) \
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                payload::text(detail, "/id"),
                frame.at.0,
                number(frame.sequence),
                payload::text(detail, "/voter/issuer"),
                payload::text(detail, "/voter/subject"),
                payload::text(detail, "/name"),
                payload::text(detail, "/ballot"),
                payload::text(detail, "/reason"),
            ])?;
        Ok(())
    }

    fn approval_state(&self, frame: &Frame<'_>, detail: &Value) -> Result<(), IndexError> {
        self.db
            .prepare_cached("UPDATE approvals SET state = ?2, changed = ?3 WHERE id = ?1")?
            .execute(params![
                payload::text(detail, "/id"),
                payload::text(detail, "/to"),
                frame.at.0
            ])?;
        Ok(())
    }

    fn policy(&self, frame: &Frame<'_>, event: &str, detail: &Value) -> Result<(), IndexError> {
        let revision = payload::text(detail, "/policy_revision");
        if revision.is_empty() {
            return Ok(());
        }
        let author = match event {
            "started" => "start of the gateway".to_owned(),
            _ => payload::text(detail, "/why").to_owned(),
        };
        self.db
            .prepare_cached(
                "INSERT INTO policies(at, sequence, revision, author, ok, detail) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                frame.at.0,
                number(frame.sequence),
                revision,
                author,
                detail["ok"].as_bool().unwrap_or(true),
                payload::text(detail, "/detail"),
            ])?;
        Ok(())
    }

    /// What was shredded in the record goes from the index too, words and all.
    fn shredded(&mut self, frame: &Frame<'_>, detail: &Value) -> Result<(), IndexError> {
        let rule = payload::text(detail, "/rule").to_owned();
        let sessions = detail["sessions"].as_array().cloned().unwrap_or_default();
        let ids = sessions.iter().filter_map(Value::as_str);
        self.unscrubbed = true;
        for id in ids.filter_map(|id| id.parse::<SessionId>().ok()) {
            let Some(known) = self.session(id)? else {
                continue;
            };
            for sql in [
                "DELETE FROM texts WHERE rowid IN (SELECT id FROM commands WHERE session = ?1)",
                "UPDATE held SET text = '' WHERE session = ?1",
                // Why something was refused may quote it; built anew, the index would not have it either.
                "DELETE FROM events WHERE session = ?1 AND kind = 'refusal'",
            ] {
                self.db.prepare_cached(sql)?.execute([known.row])?;
            }
            self.db
                .prepare_cached(
                    "UPDATE sessions SET shredded = ?2, shredded_by = ?3 WHERE id = ?1",
                )?
                .execute(params![known.row, frame.at.0, rule])?;
        }
        Ok(())
    }
}

/// True for what may have the text of a statement, as records of earlier versions do: it is its session's to keep.
fn holds_statement(event: &Event) -> bool {
    match event.event.as_str() {
        "approval/opened" => event.detail["access"] != true,
        "approval/granted" | "approval/extended" => event.detail["purpose"] == "commands",
        _ => false,
    }
}

/// SQLite counts with a sign; so many entries no log has.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The text up to its bound, on a character's border.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(limits::INDEX_TEXT_BYTES_MAX.min(text.len()))]
}
