//! Decisions from the record: which sessions, since when.

use crate::cli::journal::Record;
use crate::cli::{Exit, Whereabouts, explain};
use crate::config::Period;
use clap::Args;
use portcullis_journal::{Decisions, RecordedDecision};
use portcullis_model::{SessionId, Timestamp};
use serde_json::Value;
use std::path::PathBuf;

/// Which part of the record.
#[derive(Clone, Debug, Args)]
pub struct Recorded {
    /// Only this session
    #[arg(long)]
    session: Option<SessionId>,
    #[command(flatten)]
    record: Record,
}

/// How far back.
#[derive(Clone, Debug, Args)]
pub struct Since {
    /// Only what is not older than this: `12h`, `7d`
    #[arg(long)]
    since: Option<Period>,
}

impl Since {
    /// The earliest time that counts.
    pub(super) fn earliest(&self) -> Timestamp {
        match self.since {
            None => Timestamp(i64::MIN),
            Some(Period(period)) => {
                let now = crate::clock::clock()();
                let back = i64::try_from(period.as_nanos()).unwrap_or(i64::MAX);
                Timestamp(now.0.saturating_sub(back))
            }
        }
    }
}

impl Recorded {
    /// Where the record is.
    pub(super) fn dir(&self, at: &Whereabouts) -> Result<PathBuf, Exit> {
        self.record.dir(at)
    }

    /// The decisions, in the order of the record.
    pub(super) fn decisions(&self, at: &Whereabouts) -> Result<Decisions, Exit> {
        let reader = self.record.reader(at)?;
        Ok(Decisions::new(match self.session {
            Some(id) => reader.session(id),
            None => reader.all(),
        }))
    }

    /// The input of one decision.
    pub(super) fn one(&self, at: &Whereabouts, sequence: Option<u64>) -> Result<Value, Exit> {
        for decision in self.decisions(at)? {
            let decision: RecordedDecision =
                decision.map_err(|error| Exit::refused(explain(&error)))?;
            if sequence.is_none_or(|wanted| wanted == decision.sequence) {
                return Ok(decision.input);
            }
        }
        let hint = "`portcullis sessions replay ID` shows a session, `portcullis sessions list --recorded` all of them";
        Err(Exit::refused_with(
            "there is no such decision on record",
            hint,
        ))
    }
}
