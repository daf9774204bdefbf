//! `journal`: the record without the gateway. `verify` needs nothing but the folder and the public key,
//! so that an auditor can run it elsewhere.

mod hold;
mod index;

use crate::cli::{Exit, Shape, Whereabouts, explain, paint};
use crate::{config, paths};
use clap::{Args, Subcommand};
use portcullis_journal::age::Identity;
use portcullis_journal::index::Index;
use portcullis_journal::{
    Entries, Reader, Report, SessionSummary, Tail, VerifyKey, Withheld, replay_jsonl,
    verify_against,
};
use portcullis_model::{SessionId, escape_line};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The record.
#[derive(Debug, Subcommand)]
pub enum Journal {
    /// Prove that the record is whole: nothing edited, cut or deleted
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// The key that verifies this node's record
    PublicKey(PublicKey),
    /// Bring the index up to date that searches and lists read, or build it anew
    Index(index::BuildIndex),
    /// Write entries in clear whose payloads were encrypted to recipients, as JSON lines
    #[command(after_help = DECRYPT_EXAMPLES)]
    Decrypt(Decrypt),
    /// Legal holds: what is kept, whatever its age
    #[command(subcommand)]
    Hold(hold::HoldCommand),
    /// The node's own entries as JSON lines: reloads, refused logins, votes, kills
    Node(Node),
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  portcullis journal verify                                     with this node's configuration
  portcullis journal verify --dir ./copy --public-key node.pub  an auditor's copy
  portcullis journal verify --anchor checkpoint.txt             also against a checkpoint kept elsewhere";

const DECRYPT_EXAMPLES: &str = "\
Examples:
  portcullis journal decrypt --identity auditor.key                       everything
  portcullis journal decrypt --identity auditor.key --session s-…         one session
  portcullis sessions replay s-… --identity-file auditor.key              the same, to read";

/// A decryption.
#[derive(Debug, Args)]
pub struct Decrypt {
    /// File with age identities, as `age-keygen` makes them. It never leaves this machine
    #[arg(long)]
    identity: PathBuf,
    /// Only this session
    #[arg(long)]
    session: Option<SessionId>,
    /// The record's folder; the configuration's when not given
    #[arg(long)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    at: Whereabouts,
}

/// Where the record is.
#[derive(Clone, Debug, Args)]
pub struct Record {
    /// The record's folder; the configuration's when not given
    #[arg(long)]
    dir: Option<PathBuf>,
    /// File with the record's public key, or the key itself; the node's own when not given
    #[arg(long)]
    public_key: Option<String>,
    /// File with age identities, for a record whose payloads were encrypted to recipients
    #[arg(long, env = "PORTCULLIS_IDENTITY", hide_env_values = true)]
    identity_file: Option<PathBuf>,
}

/// A verification.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    record: Record,
    /// File with a checkpoint that was kept elsewhere; may be given several times
    #[arg(long)]
    anchor: Vec<PathBuf>,
    #[command(flatten)]
    at: Whereabouts,
    #[command(flatten)]
    shape: Shape,
}

/// The key.
#[derive(Debug, Args)]
pub struct PublicKey {
    #[command(flatten)]
    at: Whereabouts,
}

/// The node's entries.
#[derive(Debug, Args)]
pub struct Node {
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    at: Whereabouts,
}

impl Record {
    /// The folder.
    pub(super) fn dir(&self, at: &Whereabouts) -> Result<PathBuf, Exit> {
        match &self.dir {
            Some(dir) => Ok(dir.clone()),
            None => {
                let loaded = config::load(&at.config)?;
                Ok(paths::journal(&loaded.path(&loaded.config.state_dir)))
            }
        }
    }

    pub(super) fn key(&self, at: &Whereabouts) -> Result<VerifyKey, Exit> {
        let broken = |error: portcullis_journal::Error| Exit::refused(explain(&error));
        match &self.public_key {
            Some(text) if text.contains('+') && !Path::new(text).exists() => {
                VerifyKey::parse(text).map_err(broken)
            }
            Some(path) => VerifyKey::open(Path::new(path)).map_err(broken),
            None => own_key(at),
        }
    }

    /// A reader of the record, with what opens its payloads.
    pub(super) fn reader(&self, at: &Whereabouts) -> Result<Reader, Exit> {
        Reader::unlocked(&self.dir(at)?, self.identities()?)
            .map_err(|error| Exit::refused(explain(&error)))
    }

    /// The entries of one session. Where there is an index it says where they begin.
    pub(super) fn session(&self, at: &Whereabouts, id: SessionId) -> Result<Entries, Exit> {
        let reader = self.reader(at)?;
        let known = Index::of(&self.dir(at)?).first_leaf(id);
        Ok(match known {
            Ok(Some(leaf)) => reader.session_from(id, leaf),
            _ => reader.session(id),
        })
    }

    /// What opens payloads that were encrypted to recipients.
    pub(super) fn identities(&self) -> Result<Vec<Identity>, Exit> {
        let Some(path) = &self.identity_file else {
            return Ok(Vec::new());
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| Exit::refused(format!("{}: {error}", path.display())))?;
        Identity::read_all(&text)
            .map_err(|error| Exit::refused(format!("{}: {error}", path.display())))
    }

    /// All sessions of the record.
    pub(super) fn sessions(&self, at: &Whereabouts) -> Result<Vec<SessionSummary>, Exit> {
        portcullis_journal::sessions(&self.dir(at)?, &self.key(at)?)
            .map_err(|error| Exit::refused(explain(&error)))
    }
}

fn own_key(at: &Whereabouts) -> Result<VerifyKey, Exit> {
    let loaded = config::load(&at.config)?;
    let state = loaded.path(&loaded.config.state_dir);
    let public = paths::journal_public_key(&state);
    VerifyKey::open(&public).map_err(|error| {
        Exit::refused_with(
            format!("{}: {}", public.display(), explain(&error)),
            "a gateway writes it when it starts; name another with `--public-key`",
        )
    })
}

pub(super) fn journal(journal: &Journal) -> Result<(), Exit> {
    match journal {
        Journal::Verify(check) => verify(check),
        Journal::PublicKey(key) => Ok(paint::say(&own_key(&key.at)?.to_string())?),
        Journal::Decrypt(decrypt) => self::decrypt(decrypt),
        Journal::Hold(command) => hold::hold(command),
        Journal::Index(wanted) => index::build_index(wanted),
        Journal::Node(node) => {
            let dir = node.record.dir(&node.at)?;
            let broken = |error: portcullis_journal::Error| Exit::refused(explain(&error));
            let entries =
                portcullis_journal::entries(&dir, portcullis_journal::NODE).map_err(broken)?;
            let mut out = io::BufWriter::new(io::stdout().lock());
            replay_jsonl(entries, &mut out).map_err(broken)?;
            Ok(out.flush()?)
        }
    }
}

fn decrypt(decrypt: &Decrypt) -> Result<(), Exit> {
    let record = Record {
        dir: decrypt.dir.clone(),
        public_key: None,
        identity_file: Some(decrypt.identity.clone()),
    };
    let reader = record.reader(&decrypt.at)?;
    let entries = match decrypt.session {
        Some(id) => reader.session(id),
        None => reader.all(),
    };
    let mut sealed = 0_u64;
    let counted = entries.inspect(|entry| {
        let kept = matches!(entry, Ok(entry) if entry.withheld == Some(Withheld::Sealed));
        sealed += u64::from(kept);
    });
    let mut out = io::BufWriter::new(io::stdout().lock());
    replay_jsonl(counted, &mut out).map_err(|error| Exit::refused(explain(&error)))?;
    out.flush()?;
    match sealed {
        0 => Ok(()),
        _ => Err(Exit::refused_with(
            format!("{sealed} entries are encrypted to others"),
            "recipients may have been rotated: put all identities into one file",
        )),
    }
}

fn verify(check: &Verify) -> Result<(), Exit> {
    let anchors: Vec<String> = check
        .anchor
        .iter()
        .map(|path| {
            std::fs::read_to_string(path)
                .map_err(|error| Exit::refused(format!("{}: {error}", path.display())))
        })
        .collect::<Result<_, _>>()?;
    let dir = check.record.dir(&check.at)?;
    let report = verify_against(&dir, &check.record.key(&check.at)?, &anchors)
        .map_err(|error| Exit::refused(explain(&error)))?;
    if check.shape.json {
        paint::json(&report)?;
    } else {
        show(&report)?;
    }
    match report.is_clean() {
        true => Ok(()),
        false => Err(Exit::Found),
    }
}

fn show(report: &Report) -> io::Result<()> {
    let clean = report.is_clean();
    let word = if clean { "whole" } else { "NOT whole" };
    paint::say(&format!(
        "the record is {}: {} sessions, {} entries, {} checkpoints, {} bytes",
        paint::verdict(word, clean),
        report.sessions,
        report.entries,
        report.checkpoints,
        report.bytes
    ))?;
    let tail = match &report.tail {
        Tail::Closed => "closed in order".to_owned(),
        Tail::Empty => "there is nothing".to_owned(),
        Tail::Live { unproved } => {
            format!("a gateway is writing it; {unproved} entries wait for their checkpoint")
        }
        Tail::Interrupted {
            after_checkpoint,
            unproved,
        } => format!(
            "interrupted after checkpoint {after_checkpoint}; {unproved} entries after it are not proved"
        ),
    };
    paint::say(&format!("  end        {tail}"))?;
    for shredding in &report.shredded {
        paint::say(&format!(
            "  shredded   {} sessions by {} at {}",
            shredding.sessions,
            escape_line(&shredding.rule),
            shredding.at.rfc3339()
        ))?;
    }
    for problem in &report.problems {
        let session = problem.session.map(|id| format!(" session {id}"));
        let sequence = problem.sequence.map(|n| format!(" entry {n}"));
        let place = problem.file.as_ref().map(|file| {
            format!(
                " at {}:{}",
                file.display(),
                problem.offset.unwrap_or_default()
            )
        });
        let parts = [session, sequence, place]
            .into_iter()
            .flatten()
            .collect::<String>();
        paint::say(&format!(
            "  {}    {}{parts}",
            paint::verdict("problem", false),
            problem.what
        ))?;
    }
    Ok(())
}
