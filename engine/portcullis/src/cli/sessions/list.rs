//! `sessions list`: who is connected, from the gateway; who was, from the record; and whoever fits a filter, from the
//! index beside it. It refuses to call a session live that no gateway writes.

use super::state;
use crate::cli::journal::Record;
use crate::cli::moments::Between;
use crate::cli::search::{Paged, Which, more, unanswered};
use crate::cli::{Exit, Shape, Whereabouts, paint};
use clap::Args;
use portcullis_console::SessionRow;
use portcullis_journal::index::SessionFilter;
use portcullis_model::Effect;

/// Which sessions.
#[derive(Debug, Args)]
pub struct List {
    /// Read the record instead of asking the gateway
    #[arg(long)]
    recorded: bool,
    #[command(flatten)]
    between: Between,
    #[command(flatten)]
    which: Which,
    /// Only with a refused command
    #[arg(long)]
    denied: bool,
    /// Only with a command that waited for people
    #[arg(long)]
    held: bool,
    /// Only with a security event
    #[arg(long)]
    security: bool,
    /// Only with these words in name, target, reason, ticket or address
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    paged: Paged,
    #[command(flatten)]
    at: Whereabouts,
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn list(list: &List) -> Result<(), Exit> {
    let which = &list.which;
    let filter = SessionFilter {
        identity: which.identity.clone(),
        target: which.target.clone(),
        protocol: which.protocol.clone(),
        effect: which.effect.map(Effect::from),
        since: list.between.since,
        until: list.between.until,
        denied: list.denied,
        held: list.held,
        security: list.security,
        text: list.text.clone(),
        ..SessionFilter::default()
    };
    let narrowed = which.identity.is_some()
        || which.target.is_some()
        || which.protocol.is_some()
        || which.effect.is_some()
        || list.between.since.is_some()
        || list.between.until.is_some()
        || list.text.is_some()
        || list.paged.after.is_some();
    match narrowed || list.denied || list.held || list.security {
        true => found(list, &filter),
        false if list.recorded => recorded(list),
        false => live(list),
    }
}

fn found(list: &List, filter: &SessionFilter) -> Result<(), Exit> {
    let index = list.record.index(&list.at)?;
    let found = index
        .sessions(filter, &list.paged.page())
        .map_err(unanswered)?;
    if list.shape.json {
        return Ok(paint::json(&found)?);
    }
    let mut table = paint::Table::new(&[
        "SESSION", "WHO", "TARGET", "STARTED", "STATE", "COMMANDS", "DENIED", "HELD", "REASON",
    ]);
    for session in &found.rows {
        table.row([
            &session.id.to_string(),
            &session.name,
            &session.target,
            &session.started.rfc3339(),
            state(session.state),
            &session.commands.to_string(),
            &session.denied.to_string(),
            &session.held.to_string(),
            &session.end_reason,
        ]);
    }
    table.print("no session on record is like that")?;
    more(found.next.as_deref())
}

fn live(list: &List) -> Result<(), Exit> {
    let rows: Vec<SessionRow> = list.at.get("/v1/sessions")?;
    if list.shape.json {
        return Ok(paint::json(&rows)?);
    }
    let head = [
        "SESSION", "WHO", "KIND", "TARGET", "SINCE", "COMMANDS", "DENIED", "ROWS", "DOING",
    ];
    let mut table = paint::Table::new(&head);
    for row in &rows {
        table.row([
            &row.id.to_string(),
            &row.name,
            &row.kind,
            &row.target,
            &row.started,
            &row.commands.to_string(),
            &row.denied.to_string(),
            &row.rows.to_string(),
            &row.doing,
        ]);
    }
    Ok(table.print("nobody is connected")?)
}

fn recorded(list: &List) -> Result<(), Exit> {
    let sessions = list.record.sessions(&list.at)?;
    if list.shape.json {
        return Ok(paint::json(&sessions)?);
    }
    let head = [
        "SESSION", "WHO", "TARGET", "STARTED", "STATE", "COMMANDS", "DENIED", "REASON",
    ];
    let mut table = paint::Table::new(&head);
    for session in &sessions {
        table.row([
            &session.id.to_string(),
            &session.identity,
            &session.target,
            &session.started.rfc3339(),
            state(session.state),
            &session.commands.to_string(),
            &session.denied.to_string(),
            &session.reason,
        ]);
    }
    Ok(table.print("no session was recorded")?)
}
