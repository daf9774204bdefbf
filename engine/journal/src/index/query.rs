//! Questions about sessions, events, approvals and policies. Every answer is a page: newest first unless asked
//! otherwise, and the next page begins where this one ended, however much was written meanwhile.
//!
//! Refuses pages without a bound and cursors that no page gave.

use super::rows::{ApprovalRow, EffectCounts, EventRow, Listing, PolicyRow, SessionRow, VoteRow};
use super::{Index, IndexError};
use crate::SessionState;
use portcullis_model::{Effect, Principal, SessionId, Timestamp, limits};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSql, Value as Cell};
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::Value;

/// Which page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Rows, at most `limits::INDEX_PAGE_MAX`.
    pub size: usize,
    /// What the page before said comes next.
    pub after: Option<String>,
    /// The oldest first.
    pub oldest_first: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            size: 50,
            after: None,
            oldest_first: false,
        }
    }
}

/// Which sessions. What is not given does not matter.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Name or subject of who acted.
    pub identity: Option<String>,
    /// A part of the name or subject of who acted, in upper or lower case.
    pub who: Option<String>,
    /// Issuer of who acted.
    pub issuer: Option<String>,
    /// The target's name.
    pub target: Option<String>,
    /// `postgres`, `ssh`, `kubernetes`.
    pub protocol: Option<String>,
    /// Human, agent, ci or service.
    pub kind: Option<String>,
    /// Still going on then, or begun later.
    pub since: Option<Timestamp>,
    /// Begun before.
    pub until: Option<Timestamp>,
    /// With a command that does this.
    pub effect: Option<Effect>,
    /// With a refused command.
    pub denied: bool,
    /// With a command that was held.
    pub held: bool,
    /// With a security event.
    pub security: bool,
    /// Ended, or not.
    pub ended: Option<bool>,
    /// Words of names, target, reason or ticket.
    pub text: Option<String>,
}

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// `security`, `node` or `refusal`.
    pub kind: Option<String>,
    /// The event's name; one that ends with `/` means all that begin with it.
    pub event: Option<String>,
    /// Of one session.
    pub session: Option<SessionId>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// Which approvals.
#[derive(Clone, Debug, Default)]
pub struct ApprovalFilter {
    /// In this state.
    pub state: Option<String>,
    /// Asked for by this subject.
    pub requester: Option<String>,
    /// On this target.
    pub target: Option<String>,
    /// Of this session.
    pub session: Option<SessionId>,
    /// Not opened before.
    pub since: Option<Timestamp>,
    /// Opened before.
    pub until: Option<Timestamp>,
}

/// Conditions and what stands for their marks.
#[derive(Default)]
pub(super) struct Where {
    conditions: Vec<String>,
    pub(super) cells: Vec<Cell>,
}

impl Where {
    /// A condition whose `?` stands for `cell`.
    pub(super) fn add(&mut self, condition: &str, cell: impl Into<Cell>) {
        self.cells.push(cell.into());
        let mark = format!("?{}", self.cells.len());
        self.conditions.push(condition.replace('?', &mark));
    }

    pub(super) fn when(&mut self, condition: &str, wanted: bool) {
        if wanted {
            self.conditions.push(condition.to_owned());
        }
    }

    pub(super) fn sql(&self) -> String {
        match self.conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", self.conditions.join(" AND ")),
        }
    }

    /// The page's place, for rows with a number `column`.
    pub(super) fn page(&mut self, column: &str, page: &Page) -> Result<String, IndexError> {
        if let Some(after) = &page.after {
            let at: i64 = after.parse().map_err(|_| IndexError::Cursor)?;
            let sign = if page.oldest_first { ">" } else { "<" };
            self.add(&format!("{column} {sign} ?"), at);
        }
        let order = if page.oldest_first { "ASC" } else { "DESC" };
        let size = page.size.clamp(1, limits::INDEX_PAGE_MAX) + 1;
        Ok(format!(
            "{} ORDER BY {column} {order} LIMIT {size}",
            self.sql()
        ))
    }
}

/// Rows of a statement, with their numbers, as a page.
pub(super) fn page_of<T>(
    db: &Connection,
    sql: &str,
    cells: &[Cell],
    page: &Page,
    mut read: impl FnMut(&Row<'_>) -> Result<(i64, T), rusqlite::Error>,
) -> Result<Listing<T>, IndexError> {
    let cells: Vec<&dyn ToSql> = cells.iter().map(|cell| cell as &dyn ToSql).collect();
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map(cells.as_slice(), |row| read(row))?;
    let mut found = found.collect::<Result<Vec<_>, _>>()?;
    let size = page.size.clamp(1, limits::INDEX_PAGE_MAX);
    let more = found.len() > size;
    found.truncate(size);
    let next = found.last().filter(|_| more).map(|(at, _)| at.to_string());
    Ok(Listing {
        rows: found.into_iter().map(|(_, row)| row).collect(),
        next,
    })
}

/// Sessions whose `column` has a part that is looked for. Each text once, from one to the next by the index; `+`: rows are
/// read in order of time and no longer than the page is.
fn with_part(column: &str, fold: &str) -> String {
    format!(
        "+s.{column} IN (WITH RECURSIVE all_of(it) AS (SELECT min({column}) FROM sessions UNION ALL \
         SELECT (SELECT min(n.{column}) FROM sessions n WHERE n.{column} > all_of.it) FROM all_of WHERE all_of.it IS NOT NULL) \
         SELECT it FROM all_of WHERE instr({fold}(it), ?) > 0)"
    )
}

/// What makes upper and lower case of what is looked for the same. SQLite's own knows ASCII alone, and is faster.
fn fold_for(word: &str) -> &'static str {
    match word.is_ascii() {
        true => "lower",
        false => "folded",
    }
}

/// Makes `folded` known: lower case of every script, as the word that is looked for is.
pub(super) fn know_folded(db: &Connection) -> Result<(), rusqlite::Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    db.create_scalar_function("folded", 1, flags, |call| {
        let text: Option<String> = call.get(0)?;
        Ok(text.map(|text| text.to_lowercase()))
    })
}

const SESSION: &str = "SELECT s.id, s.session, s.name, s.issuer, s.subject, s.kind, s.groups, s.actors, s.target, \
    s.protocol, s.login, s.address, s.program, s.node, s.reason, s.ticket, s.access_request, s.rule, s.revision, \
    s.started, s.last, s.ended, s.interrupted, s.end_leaf, s.end_reason, s.commands, s.denied, s.held, s.approved, \
    s.masked, s.security, s.\"read\", s.\"write\", s.destroy, s.escalate, s.unknown, s.rows, s.bytes, s.entries, \
    s.shredded, s.shredded_by, (SELECT value FROM meta WHERE key = 'signed') FROM sessions s";

impl Index {
    /// Sessions, the newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn sessions(
        &self,
        filter: &SessionFilter,
        page: &Page,
    ) -> Result<Listing<SessionRow>, IndexError> {
        let mut wanted = Where::default();
        let text = |wanted: &mut Where, condition: &str, value: &Option<String>| {
            if let Some(value) = value {
                wanted.add(condition, value.clone());
            }
        };
        text(
            &mut wanted,
            "(s.name = ? OR s.subject = ?)",
            &filter.identity,
        );
        if let Some(who) = &filter.who {
            let fold = fold_for(who);
            let (name, subject) = (with_part("name", fold), with_part("subject", fold));
            wanted.add(&format!("({name} OR {subject})"), who.to_lowercase());
        }
        text(&mut wanted, "s.issuer = ?", &filter.issuer);
        text(&mut wanted, "s.target = ?", &filter.target);
        text(&mut wanted, "s.protocol = ?", &filter.protocol);
        text(&mut wanted, "s.kind = ?", &filter.kind);
        if let Some(since) = filter.since {
            wanted.add("(s.ended = 0 OR s.last >= ?)", since.0);
        }
        if let Some(until) = filter.until {
            wanted.add("s.started < ?", until.0);
        }
        if let Some(effect) = filter.effect {
            wanted.when(&format!("s.\"{}\" > 0", effect_name(effect)), true);
        }
        wanted.when("s.denied > 0", filter.denied);
        wanted.when("s.held > 0", filter.held);
        wanted.when("s.security > 0", filter.security);
        if let Some(ended) = filter.ended {
            wanted.add("s.ended = ?", i64::from(ended));
        }
        for word in filter.text.iter().flat_map(|text| text.split_whitespace()) {
            let fold = fold_for(word);
            let condition = format!(
                "instr({fold}(s.name || ' ' || s.subject || ' ' || s.target || ' ' || coalesce(s.reason, '') || ' ' || \
                 coalesce(s.ticket, '') || ' ' || s.address), ?) > 0"
            );
            wanted.add(&condition, word.to_lowercase());
        }
        let live = self.is_live();
        self.ask(|db| {
            let sql = format!("{SESSION}{}", wanted.page("s.id", page)?);
            page_of(db, &sql, &wanted.cells, page, |row| session(row, live))
        })
    }

    /// One session.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn session(&self, id: SessionId) -> Result<Option<SessionRow>, IndexError> {
        let live = self.is_live();
        self.ask(|db| {
            let found = db
                .prepare_cached(&format!("{SESSION} WHERE s.session = ?1"))?
                .query_row([id.0.to_be_bytes()], |row| session(row, live))
                .optional()?;
            Ok(found.map(|(_, row)| row))
        })
    }

    /// The leaf of a session's first entry, for [`crate::Reader::session_from`].
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn first_leaf(&self, id: SessionId) -> Result<Option<u64>, IndexError> {
        self.ask(|db| {
            let found = db
                .prepare_cached("SELECT first_leaf FROM sessions WHERE session = ?1")?
                .query_row([id.0.to_be_bytes()], |row| unsigned(row, 0))
                .optional()?;
            Ok(found)
        })
    }

    /// Events, the newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn events(
        &self,
        filter: &EventFilter,
        page: &Page,
    ) -> Result<Listing<EventRow>, IndexError> {
        let mut wanted = Where::default();
        if let Some(kind) = &filter.kind {
            wanted.add("e.kind = ?", kind.clone());
        }
        match &filter.event {
            Some(event) if event.ends_with('/') => {
                wanted.add("substr(e.event, 1, length(?)) = ?", event.clone());
            }
            Some(event) => wanted.add("e.event = ?", event.clone()),
            None => {}
        }
        if let Some(session) = filter.session {
            wanted.add("s.session = ?", session.0.to_be_bytes().to_vec());
        }
        if let Some(since) = filter.since {
            wanted.add("e.at >= ?", since.0);
        }
        if let Some(until) = filter.until {
            wanted.add("e.at < ?", until.0);
        }
        self.ask(|db| {
            let sql = format!(
                "SELECT e.id, e.at, s.session, e.sequence, e.kind, e.event, e.detail FROM events e \
                 LEFT JOIN sessions s ON s.id = e.session{}",
                wanted.page("e.id", page)?
            );
            page_of(db, &sql, &wanted.cells, page, |row| {
                let id: i64 = row.get(0)?;
                let event = EventRow {
                    id,
                    at: Timestamp(row.get(1)?),
                    session: row.get::<_, Option<[u8; 16]>>(2)?.map(id_of),
                    sequence: unsigned(row, 3)?,
                    kind: row.get(4)?,
                    event: row.get(5)?,
                    detail: json(row, 6)?,
                };
                Ok((id, event))
            })
        })
    }

    /// Approvals with their votes, the newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn approvals(
        &self,
        filter: &ApprovalFilter,
        page: &Page,
    ) -> Result<Listing<ApprovalRow>, IndexError> {
        let mut wanted = Where::default();
        let text = |wanted: &mut Where, condition: &str, value: &Option<String>| {
            if let Some(value) = value {
                wanted.add(condition, value.clone());
            }
        };
        text(&mut wanted, "a.state = ?", &filter.state);
        text(&mut wanted, "a.subject = ?", &filter.requester);
        text(&mut wanted, "a.target = ?", &filter.target);
        if let Some(session) = filter.session {
            wanted.add("a.session = ?", session.0.to_be_bytes().to_vec());
        }
        if let Some(since) = filter.since {
            wanted.add("a.opened >= ?", since.0);
        }
        if let Some(until) = filter.until {
            wanted.add("a.opened < ?", until.0);
        }
        self.ask(|db| {
            let sql = format!("{APPROVAL}{}", wanted.page("a.number", page)?);
            let mut listing = page_of(db, &sql, &wanted.cells, page, approval)?;
            for row in &mut listing.rows {
                row.votes = votes(db, &row.id)?;
            }
            Ok(listing)
        })
    }

    /// One approval with its votes.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn approval(&self, id: &str) -> Result<Option<ApprovalRow>, IndexError> {
        self.ask(|db| {
            let found = db
                .prepare_cached(&format!("{APPROVAL} WHERE a.id = ?1"))?
                .query_row([id], approval)
                .optional()?;
            let Some((_, mut row)) = found else {
                return Ok(None);
            };
            row.votes = votes(db, id)?;
            Ok(Some(row))
        })
    }

    /// Changes of the policy, the newest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub fn policies(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        page: &Page,
    ) -> Result<Listing<PolicyRow>, IndexError> {
        let mut wanted = Where::default();
        if let Some(since) = since {
            wanted.add("at >= ?", since.0);
        }
        if let Some(until) = until {
            wanted.add("at < ?", until.0);
        }
        self.ask(|db| {
            let sql = format!(
                "SELECT id, at, sequence, revision, author, ok, detail FROM policies{}",
                wanted.page("id", page)?
            );
            page_of(db, &sql, &wanted.cells, page, |row| {
                let policy = PolicyRow {
                    at: Timestamp(row.get(1)?),
                    sequence: unsigned(row, 2)?,
                    revision: row.get(3)?,
                    author: row.get(4)?,
                    ok: row.get(5)?,
                    detail: row.get(6)?,
                };
                Ok((row.get(0)?, policy))
            })
        })
    }
}

/// The name of an effect, as the record has it.
pub(super) fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Write => "write",
        Effect::Destroy => "destroy",
        Effect::Escalate => "escalate",
        Effect::Unknown => "unknown",
    }
}

const APPROVAL: &str = "SELECT a.number, a.id, a.opened, a.session, a.issuer, a.subject, a.target, a.access, a.state, \
    a.changed, a.requirements, a.binding, \
    coalesce((SELECT h.text FROM held h WHERE h.approval = a.id ORDER BY h.at LIMIT 1), ''), \
    (SELECT h.ticket FROM held h WHERE h.approval = a.id ORDER BY h.at LIMIT 1) FROM approvals a";

fn approval(row: &Row<'_>) -> Result<(i64, ApprovalRow), rusqlite::Error> {
    let approval = ApprovalRow {
        id: row.get(1)?,
        opened: Timestamp(row.get(2)?),
        session: row.get::<_, Option<[u8; 16]>>(3)?.map(id_of),
        requester: Principal {
            issuer: row.get(4)?,
            subject: row.get(5)?,
        },
        target: row.get(6)?,
        access: row.get(7)?,
        state: row.get(8)?,
        changed: Timestamp(row.get(9)?),
        requirements: json(row, 10)?,
        binding: row.get(11)?,
        text: row.get(12)?,
        ticket: row.get(13)?,
        votes: Vec::new(),
    };
    Ok((row.get(0)?, approval))
}

fn votes(db: &Connection, id: &str) -> Result<Vec<VoteRow>, IndexError> {
    let mut statement = db.prepare_cached(
        "SELECT at, issuer, subject, name, ballot, reason, sequence FROM votes WHERE approval = ?1 ORDER BY sequence",
    )?;
    let found = statement.query_map([id], |row| {
        Ok(VoteRow {
            at: Timestamp(row.get(0)?),
            voter: Principal {
                issuer: row.get(1)?,
                subject: row.get(2)?,
            },
            name: row.get(3)?,
            ballot: row.get(4)?,
            reason: row.get(5)?,
            sequence: unsigned(row, 6)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn session(row: &Row<'_>, live: bool) -> Result<(i64, SessionRow), rusqlite::Error> {
    let end: Option<i64> = row.get(23)?;
    let signed: Option<i64> = row.get(41)?;
    let covered = end.is_some_and(|leaf| leaf < signed.unwrap_or(0));
    let (ended, interrupted): (bool, bool) = (row.get(21)?, row.get(22)?);
    let state = match (interrupted, ended && covered, live) {
        (true, _, _) => SessionState::Interrupted,
        (_, true, _) => SessionState::Sealed,
        (_, _, true) => SessionState::Live,
        (_, _, false) => SessionState::Interrupted,
    };
    let shredded: Option<i64> = row.get(39)?;
    let rule: Option<String> = row.get(40)?;
    let found = SessionRow {
        id: id_of(row.get(1)?),
        name: row.get(2)?,
        principal: Principal {
            issuer: row.get(3)?,
            subject: row.get(4)?,
        },
        kind: row.get(5)?,
        groups: serde_json::from_value(json(row, 6)?).unwrap_or_default(),
        actors: serde_json::from_value(json(row, 7)?).unwrap_or_default(),
        target: row.get(8)?,
        protocol: row.get(9)?,
        login: row.get(10)?,
        address: row.get(11)?,
        program: row.get(12)?,
        node: row.get(13)?,
        reason: row.get(14)?,
        ticket: row.get(15)?,
        access_request: row.get(16)?,
        rule: row.get(17)?,
        revision: row.get(18)?,
        started: Timestamp(row.get(19)?),
        ended: Timestamp(row.get(20)?),
        state,
        end_reason: row.get(24)?,
        commands: unsigned(row, 25)?,
        denied: unsigned(row, 26)?,
        held: unsigned(row, 27)?,
        approved: unsigned(row, 28)?,
        masked: unsigned(row, 29)?,
        security: unsigned(row, 30)?,
        effects: EffectCounts {
            read: unsigned(row, 31)?,
            write: unsigned(row, 32)?,
            destroy: unsigned(row, 33)?,
            escalate: unsigned(row, 34)?,
            unknown: unsigned(row, 35)?,
        },
        rows: unsigned(row, 36)?,
        bytes: unsigned(row, 37)?,
        entries: unsigned(row, 38)?,
        shredded: shredded.map(|at| (Timestamp(at), rule.unwrap_or_default())),
    };
    Ok((row.get(0)?, found))
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

pub(super) fn id_of(bytes: [u8; 16]) -> SessionId {
    SessionId(u128::from_be_bytes(bytes))
}

fn json(row: &Row<'_>, column: usize) -> Result<Value, rusqlite::Error> {
    let text: String = row.get(column)?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}
