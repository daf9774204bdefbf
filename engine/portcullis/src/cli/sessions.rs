//! `sessions` and `revoke`: who is connected, what they did, and how to end it. Live sessions come from
//! the gateway; recorded ones are read from the record itself, with or without a gateway.

mod list;

use crate::cli::journal::Record;
use crate::cli::{Exit, Shape, Whereabouts, explain, film, paint};
use clap::{Args, Subcommand};
use hyper::Method;
use portcullis_console::{Kill, Revocation};
use portcullis_journal::{ReplayOptions, SessionState, replay_jsonl, replay_text};
use portcullis_model::{SessionId, escape_line};
use serde_json::Value;
use std::io::{self, Write};

/// Live and recorded sessions.
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// Who is connected; with --recorded, who was; with a filter, whoever it fits
    List(list::List),
    /// One session: who, on what, how it stands
    Show(One),
    /// What was asked and what was answered, as released
    Replay(Replay),
    /// A recorded terminal as a file, for asciinema and its players
    Export(film::Export),
    /// End a live session
    Kill(KillOne),
}

/// One session.
#[derive(Debug, Args)]
pub struct One {
    /// Its id, as the list shows it
    id: SessionId,
    #[command(flatten)]
    at: Whereabouts,
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    shape: Shape,
}

/// A replay.
#[derive(Debug, Args)]
pub struct Replay {
    #[command(flatten)]
    one: One,
    /// Rows shown of each result
    #[arg(long, default_value_t = 50)]
    rows: usize,
    /// Also show what the gateway said on its own
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    play: film::Play,
}

/// An end.
#[derive(Debug, Args)]
pub struct KillOne {
    /// Its id, as the list shows it
    id: SessionId,
    /// Told to the client, and recorded
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    at: Whereabouts,
}

/// Refuse an identity or a token from now on.
#[derive(Debug, Args)]
pub struct Revoke {
    /// `iss` of the identity or of the token
    #[arg(long)]
    issuer: String,
    /// `sub`: the identity, also where it acts for others or owns a machine
    #[arg(long, required_unless_present = "token_id")]
    subject: Option<String>,
    /// `jti`: one token
    #[arg(long, conflicts_with = "subject")]
    token_id: Option<String>,
    /// Recorded
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    at: Whereabouts,
}

pub(super) fn sessions(sessions: &Sessions) -> Result<(), Exit> {
    match sessions {
        Sessions::List(list) => list::list(list),
        Sessions::Show(one) => show(one),
        Sessions::Replay(replay) => play(replay),
        Sessions::Export(export) => film::export(export),
        Sessions::Kill(kill) => end(kill),
    }
}

fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Live => "live",
        SessionState::Sealed => "sealed",
        SessionState::Interrupted => "interrupted",
    }
}

fn show(one: &One) -> Result<(), Exit> {
    let sessions = one.record.sessions(&one.at)?;
    let session = sessions
        .into_iter()
        .find(|session| session.id == one.id)
        .ok_or_else(|| unknown(one.id))?;
    if one.shape.json {
        return Ok(paint::json(&session)?);
    }
    for (name, value) in [
        ("session", session.id.to_string()),
        ("who", escape_line(&session.identity)),
        ("target", escape_line(&session.target)),
        ("started", session.started.rfc3339()),
        ("ended", session.ended.rfc3339()),
        ("state", state(session.state).to_owned()),
        ("reason", escape_line(&session.reason)),
        (
            "commands",
            format!("{}, {} denied", session.commands, session.denied),
        ),
        (
            "released",
            format!("{} rows, {} bytes", session.rows, session.bytes),
        ),
        ("entries", session.entries.to_string()),
    ] {
        paint::say(&format!("{name:10} {value}"))?;
    }
    Ok(())
}

fn play(replay: &Replay) -> Result<(), Exit> {
    let one = &replay.one;
    if replay.play.wanted() {
        return film::play(&replay.play, &one.record, &one.at, one.id);
    }
    let broken = |error: portcullis_journal::Error| Exit::refused(explain(&error));
    let mut entries = one.record.session(&one.at, one.id)?.peekable();
    if entries.peek().is_none() {
        return Err(unknown(one.id));
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let options = ReplayOptions {
        rows_max: replay.rows,
        verbose: replay.verbose,
        ..ReplayOptions::default()
    };
    match one.shape.json {
        true => replay_jsonl(entries, &mut out).map_err(broken)?,
        false => replay_text(entries, &options, &mut out).map_err(broken)?,
    }
    Ok(out.flush()?)
}

pub(super) fn unknown(id: SessionId) -> Exit {
    Exit::refused_with(
        format!("the record has no session {id}"),
        "`portcullis sessions list --recorded` shows what it has",
    )
}

fn end(kill: &KillOne) -> Result<(), Exit> {
    let body = Kill {
        reason: kill.reason.clone(),
    };
    let path = format!("/v1/sessions/{}", kill.id);
    kill.at.send::<Value>(Method::DELETE, &path, &body)?;
    Ok(paint::say(&format!("{} was ended", kill.id))?)
}

pub(super) fn revoke(revoke: &Revoke) -> Result<(), Exit> {
    let body = Revocation {
        issuer: Some(revoke.issuer.clone()),
        subject: revoke.subject.clone(),
        token_id: revoke.token_id.clone(),
        reason: revoke.reason.clone(),
    };
    let answer: Value = revoke.at.send(Method::POST, "/v1/revocations", &body)?;
    let ended = answer["ended"].as_u64().unwrap_or(0);
    Ok(paint::say(&format!(
        "revoked; {ended} sessions were ended"
    ))?)
}
