//! `journal hold`: what must not be shredded, whatever its age. It refuses to write into the record itself: the gateway
//! does, with the uid that asked.

use super::Record;
use crate::cli::moments::Between;
use crate::cli::{Exit, Shape, Whereabouts, explain, paint};
use clap::{Args, Subcommand};
use hyper::Method;
use portcullis_console::{HoldWish, Kill};
use portcullis_journal::{Hold, holds_in_force};
use portcullis_model::{SessionId, escape_line};
use serde_json::Value;

/// Legal holds.
#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Keep what this covers until the hold is released; without anything named, everything
    Add(Add),
    /// The holds in force, as the record has them
    List(List),
    /// Let it go
    Release(Release),
}

/// A hold.
#[derive(Debug, Args)]
pub struct Add {
    /// Why: the matter it belongs to. Recorded
    #[arg(long)]
    reason: String,
    /// This session
    #[arg(long)]
    session: Option<SessionId>,
    /// Sessions of this name or subject
    #[arg(long)]
    identity: Option<String>,
    /// Sessions on this target
    #[arg(long)]
    target: Option<String>,
    #[command(flatten)]
    between: Between,
    #[command(flatten)]
    at: Whereabouts,
    #[command(flatten)]
    shape: Shape,
}

/// All of them.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    at: Whereabouts,
    #[command(flatten)]
    shape: Shape,
}

/// One of them.
#[derive(Debug, Args)]
pub struct Release {
    /// Its id, as the list shows it
    id: String,
    /// Why: recorded
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    at: Whereabouts,
}

pub(super) fn hold(command: &HoldCommand) -> Result<(), Exit> {
    match command {
        HoldCommand::Add(add) => {
            let wish = HoldWish {
                reason: add.reason.clone(),
                session: add.session,
                identity: add.identity.clone(),
                target: add.target.clone(),
                since: add.between.since,
                until: add.between.until,
            };
            let hold: Hold = add.at.send(Method::POST, "/v1/holds", &wish)?;
            match add.shape.json {
                true => Ok(paint::json(&hold)?),
                false => Ok(paint::say(&format!(
                    "{} is in force",
                    escape_line(&hold.id)
                ))?),
            }
        }
        HoldCommand::List(list) => self::list(list),
        HoldCommand::Release(release) => {
            // It becomes a part of a path: only what ids are made of goes there.
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if release.id.is_empty() || !release.id.chars().all(plain) {
                return Err(Exit::refused("a hold's id looks like hold-0a1b2c3d4e"));
            }
            let body = Kill {
                reason: release.reason.clone(),
            };
            let path = format!("/v1/holds/{}", release.id);
            release.at.send::<Value>(Method::DELETE, &path, &body)?;
            Ok(paint::say(&format!("{} is released", release.id))?)
        }
    }
}

fn list(list: &List) -> Result<(), Exit> {
    let dir = list.record.dir(&list.at)?;
    let holds = holds_in_force(&dir).map_err(|error| Exit::refused(explain(&error)))?;
    if list.shape.json {
        return Ok(paint::json(&holds)?);
    }
    let mut table = paint::Table::new(&[
        "HOLD", "SESSION", "WHO", "TARGET", "SINCE", "UNTIL", "REASON",
    ]);
    for hold in &holds {
        let moment = |at: Option<portcullis_model::Timestamp>| at.map(|at| at.rfc3339());
        table.row([
            &hold.id,
            &hold.session.map(|id| id.to_string()).unwrap_or_default(),
            hold.identity.as_deref().unwrap_or_default(),
            hold.target.as_deref().unwrap_or_default(),
            &moment(hold.since).unwrap_or_default(),
            &moment(hold.until).unwrap_or_default(),
            &hold.reason,
        ]);
    }
    Ok(table.print("nothing is held")?)
}
