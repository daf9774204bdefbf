//! `search`: commands by their words, and by who sent what to where. It reads the index beside the record, with or without
//! a gateway. It refuses to show anything but the masked form, and escapes it.

use crate::cli::journal::Record;
use crate::cli::moments::Between;
use crate::cli::{Exit, Shape, Whereabouts, explain, paint};
use clap::{Args, ValueEnum};
use portcullis_journal::index::{CommandFilter, CommandRow, IndexError, Page};
use portcullis_model::{Effect, SessionId, escape_line};

const EXAMPLES: &str = "\
Examples:
  portcullis search drop table                 commands with both words, the newest first
  portcullis search '\"drop table\"' --since 7d   side by side, within a week
  portcullis search 'custom*' --target orders  words that begin so
  portcullis search --effect destroy --json    everything that destroys, for programs";

/// A search.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Search {
    /// Words that all have to be there, in the command or in who sent it where; "two words" in quotes stand side by side
    text: Vec<String>,
    #[command(flatten)]
    between: Between,
    #[command(flatten)]
    which: Which,
    /// Only what was answered so
    #[arg(long, value_enum)]
    verdict: Option<VerdictWord>,
    /// Only of this session
    #[arg(long)]
    session: Option<SessionId>,
    #[command(flatten)]
    paged: Paged,
    #[command(flatten)]
    at: Whereabouts,
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    shape: Shape,
}

/// What narrows commands and sessions alike.
#[derive(Clone, Debug, Default, Args)]
pub struct Which {
    /// Name or subject of who acted
    #[arg(long)]
    pub identity: Option<String>,
    /// The target's name
    #[arg(long)]
    pub target: Option<String>,
    /// How the target is spoken to
    #[arg(long, value_parser = ["postgres", "ssh", "kubernetes"])]
    pub protocol: Option<String>,
    /// What the command does
    #[arg(long, value_enum)]
    pub effect: Option<EffectWord>,
}

/// Which part of a long list.
#[derive(Clone, Debug, Args)]
pub struct Paged {
    /// Rows shown
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Go on where a list ended
    #[arg(long)]
    pub after: Option<String>,
}

impl Paged {
    pub(super) fn page(&self) -> Page {
        Page {
            size: usize::from(self.limit),
            after: self.after.clone(),
            oldest_first: false,
        }
    }
}

/// What a command does.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum EffectWord {
    /// Reads only
    Read,
    /// Changes data
    Write,
    /// Destroys data or structure
    Destroy,
    /// Changes who may do what
    Escalate,
    /// Could not be established
    Unknown,
}

impl From<EffectWord> for Effect {
    fn from(word: EffectWord) -> Self {
        match word {
            EffectWord::Read => Self::Read,
            EffectWord::Write => Self::Write,
            EffectWord::Destroy => Self::Destroy,
            EffectWord::Escalate => Self::Escalate,
            EffectWord::Unknown => Self::Unknown,
        }
    }
}

/// How a command was answered.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum VerdictWord {
    /// It went on
    Allow,
    /// It was refused
    Deny,
    /// It waited for people
    Hold,
}

pub(super) fn search(search: &Search) -> Result<(), Exit> {
    let verdict = search.verdict.map(|verdict| match verdict {
        VerdictWord::Allow => "allow".to_owned(),
        VerdictWord::Deny => "deny".to_owned(),
        VerdictWord::Hold => "hold".to_owned(),
    });
    let filter = CommandFilter {
        text: (!search.text.is_empty()).then(|| search.text.join(" ")),
        session: search.session,
        identity: search.which.identity.clone(),
        target: search.which.target.clone(),
        protocol: search.which.protocol.clone(),
        effect: search.which.effect.map(Effect::from),
        verdict,
        since: search.between.since,
        until: search.between.until,
    };
    let index = search.record.index(&search.at)?;
    let found = index
        .commands(&filter, &search.paged.page())
        .map_err(unanswered)?;
    if search.shape.json {
        return Ok(paint::json(&found)?);
    }
    let mut table = paint::Table::new(&[
        "AT", "WHO", "TARGET", "EFFECT", "VERDICT", "SESSION", "COMMAND",
    ]);
    for row in &found.rows {
        table.row([
            &row.at.rfc3339(),
            &row.name,
            &row.target,
            &row.effect,
            &verdict_of(row),
            &row.session.to_string(),
            &row.text,
        ]);
    }
    table.print("no command on record is like that")?;
    more(found.next.as_deref())
}

fn verdict_of(row: &CommandRow) -> String {
    match &row.approval {
        Some(id) if row.verdict == "allow" => format!("approved {id}"),
        _ => row.verdict.clone(),
    }
}

/// Says how to go on, where there is more.
pub(super) fn more(next: Option<&str>) -> Result<(), Exit> {
    match next {
        Some(next) => Ok(paint::say(&format!(
            "there are more: go on with --after {}",
            escape_line(next)
        ))?),
        None => Ok(()),
    }
}

/// Why the index gave no answer, and what helps.
pub(super) fn unanswered(error: IndexError) -> Exit {
    let hint = match error {
        IndexError::Missing => "the gateway is building it; ask again in a moment",
        IndexError::Version | IndexError::Foreign => {
            "`portcullis journal index --rebuild` builds it anew"
        }
        IndexError::Late => "add --since, --identity or --target",
        _ => return Exit::refused(explain(&error)),
    };
    Exit::refused_with(explain(&error), hint)
}
