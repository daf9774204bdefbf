//! Lists of recorded sessions, from the index, and the index's rows as the console shows them. Refuses to count what nobody
//! asked for, and to look on for ever for what hardly anything fits.

use super::{Shelf, unindexed};
use portcullis_console::Refused;
use portcullis_console::archive::{Ask, Found, Hit, Recorded};
use portcullis_journal::SessionState;
use portcullis_journal::index::{CommandFilter, IndexError, Page, SessionFilter, SessionRow};
use portcullis_model::{Principal, SessionId, escape_line, limits};

/// Characters of a hit that are shown.
const HIT_CHARS_MAX: usize = 200;
/// Hits shown of one session.
const HITS_MAX: usize = 5;

/// A page of the sessions that fit, the newest first.
pub(super) fn find(shelf: &Shelf, ask: &Ask, whose: Option<&Principal>) -> Result<Found, Refused> {
    match &ask.q {
        Some(words) => by_words(shelf, ask, words, whose),
        None => by_facts(shelf, ask, whose),
    }
}

fn by_facts(shelf: &Shelf, ask: &Ask, whose: Option<&Principal>) -> Result<Found, Refused> {
    let (since, until) = ask.between()?;
    let filter = SessionFilter {
        identity: whose.map(|who| who.subject.clone()),
        issuer: whose.map(|who| who.issuer.clone()),
        target: ask.target.clone(),
        protocol: ask.protocol.clone(),
        since,
        until,
        ended: ask.state.as_ref().map(|state| state != "live"),
        who: ask.who.clone(),
        ..SessionFilter::default()
    };
    let mut page = Page {
        size: ask.rows() as usize,
        after: ask.after.clone(),
        oldest_first: false,
    };
    let mut found = Found::default();
    for _ in 0..limits::ARCHIVE_PAGES_MAX {
        let listing = shelf
            .index
            .sessions(&filter, &page)
            .map_err(|e| unindexed(&e))?;
        let rows = listing.rows.iter().filter(|row| fits(row, ask, whose));
        found.sessions.extend(rows.map(recorded));
        found.next = listing.next;
        if found.next.is_none() || !found.sessions.is_empty() {
            break;
        }
        page.after.clone_from(&found.next);
    }
    Ok(found)
}

/// What the index cannot be asked.
fn fits(row: &SessionRow, ask: &Ask, whose: Option<&Principal>) -> bool {
    whose.is_none_or(|who| *who == row.principal)
        && ask
            .state
            .as_ref()
            .is_none_or(|wanted| wanted == state(row.state))
}

fn by_words(
    shelf: &Shelf,
    ask: &Ask,
    words: &str,
    whose: Option<&Principal>,
) -> Result<Found, Refused> {
    let (since, until) = ask.between()?;
    let filter = CommandFilter {
        text: Some(words.to_owned()),
        identity: whose.map(|who| who.subject.clone()),
        target: ask.target.clone(),
        protocol: ask.protocol.clone(),
        since,
        until,
        ..CommandFilter::default()
    };
    let mut page = Page {
        size: ask.rows() as usize,
        after: ask.after.clone(),
        oldest_first: false,
    };
    let mut found = Found::default();
    for _ in 0..limits::ARCHIVE_PAGES_MAX {
        let listing = match shelf.index.commands(&filter, &page) {
            Err(IndexError::NoWords) => return Ok(found),
            listing => listing.map_err(|e| unindexed(&e))?,
        };
        for command in &listing.rows {
            let hit = Hit {
                sequence: command.sequence,
                text: cut(&command.text),
            };
            let id = command.session.to_string();
            if let Some(known) = found.sessions.iter_mut().find(|s| s.id == id) {
                if known.hits.len() < HITS_MAX {
                    known.hits.push(hit);
                }
                continue;
            }
            let row = shelf
                .index
                .session(command.session)
                .map_err(|e| unindexed(&e))?;
            let who = |row: &SessionRow| {
                ask.who.as_ref().is_none_or(|who| {
                    let who = who.to_lowercase();
                    let has = |text: &str| text.to_lowercase().contains(&who);
                    has(&row.name) || has(&row.principal.subject)
                })
            };
            if let Some(row) = row.filter(|row| fits(row, ask, whose) && who(row)) {
                let mut session = recorded(&row);
                session.hits.push(hit);
                found.sessions.push(session);
            }
        }
        found.next = listing.next;
        if found.next.is_none() || !found.sessions.is_empty() {
            break;
        }
        page.after.clone_from(&found.next);
    }
    Ok(found)
}

fn cut(text: &str) -> String {
    let cut: String = text.chars().take(HIT_CHARS_MAX).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{more}", escape_line(&cut))
}

/// One of them.
pub(super) fn one(shelf: &Shelf, id: SessionId) -> Result<Option<Recorded>, Refused> {
    let row = shelf.index.session(id).map_err(|e| unindexed(&e))?;
    Ok(row.as_ref().map(recorded))
}

fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Live => "live",
        SessionState::Sealed => "sealed",
        SessionState::Interrupted => "interrupted",
    }
}

fn recorded(row: &SessionRow) -> Recorded {
    let live = row.state == SessionState::Live;
    Recorded {
        id: row.id.to_string(),
        name: escape_line(&row.name),
        issuer: escape_line(&row.principal.issuer),
        subject: escape_line(&row.principal.subject),
        target: escape_line(&row.target),
        protocol: escape_line(&row.protocol),
        started: row.started.rfc3339(),
        ended: (!live).then(|| row.ended.rfc3339()),
        seconds: row.ended.since(row.started).as_secs(),
        state: state(row.state).to_owned(),
        reason: escape_line(&row.end_reason),
        commands: row.commands,
        denied: row.denied,
        rows: row.rows,
        bytes: row.bytes,
        hits: Vec::new(),
    }
}
