//! `policy replay`: other policies over what was recorded. Every decision on record holds the whole input
//! it was made on, so it can be made again; what would come out differently is shown, by the rule that
//! makes the difference. Nothing is run and nobody is asked.
//!
//! It compares what policy said. Where the gateway refused for reasons of its own, or people said no, that
//! stays what it was.

mod tally;

use super::candidate::Candidate;
use super::record::{Recorded, Since};
use crate::cli::{Exit, Whereabouts, explain, paint};
use clap::Args;
use portcullis_journal::RecordedDecision;
use portcullis_model::escape_line;
use portcullis_policy::{PolicySet, Then, change};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};
use tally::{Group, Tally};

const EXAMPLES: &str = "\
Examples:
  portcullis policy replay ./mine --data data.yaml --since 7d
  portcullis policy replay --config next.yaml --dir /var/lib/portcullis/journal
  portcullis policy replay --session s-…                        the configured policies, one session
  portcullis policy replay ./mine --threshold 0.1% --json

A change is `allow -> deny (team/no-drops)`: what was allowed would be denied, by that rule; or
`deny -> allow (team/no-drops)`: that rule no longer denies it. Other obligations with the same answer
(a mask that is gone) are shown too, and count with --strict.

Exit codes: 0 no change beyond the threshold, 1 changes beyond it, or something is wrong.";

/// A decision may take longer here than in the gateway, where a client waits.
const TIME_MAX: Duration = Duration::from_millis(500);
/// How often the progress is shown.
const PROGRESS: Duration = Duration::from_millis(100);

/// A replay.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Replay {
    #[command(flatten)]
    candidate: Candidate,
    #[command(flatten)]
    recorded: Recorded,
    #[command(flatten)]
    since: Since,
    /// How many changed answers are accepted: a number, or a share such as `0.5%`
    #[arg(long, default_value = "0")]
    threshold: Threshold,
    /// Other obligations count as changes too
    #[arg(long)]
    strict: bool,
    /// Examples shown of each change
    #[arg(long, default_value_t = 3)]
    examples: usize,
    #[command(flatten)]
    at: Whereabouts,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// How many changes are accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// So many.
    Count(u64),
    /// So many of a hundred decisions.
    Percent(f64),
}

impl std::str::FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a number nor a share such as `0.5%`");
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| wrong()),
            Some(share) => match share.parse::<f64>() {
                Ok(share) if (0.0..=100.0).contains(&share) => Ok(Self::Percent(share)),
                _ => Err(wrong()),
            },
        }
    }
}

impl Threshold {
    fn passed(self, changes: u64, decisions: u64) -> bool {
        match self {
            Self::Count(most) => changes > most,
            Self::Percent(share) => changes as f64 * 100.0 > share * decisions as f64,
        }
    }
}

pub(super) fn replay(replay: &Replay) -> Result<(), Exit> {
    let mut set = replay.candidate.load(&replay.at, replay.json)?;
    set.limit(TIME_MAX);
    let tally = run(replay, &set)?;
    match replay.json {
        true => paint::json(&tally.json(&set.revision()))?,
        false => show(&tally, replay, &set)?,
    }
    if tally.decisions == 0 && !replay.json {
        eprintln!(
            "no decision on record matches; `portcullis sessions list --recorded` shows what there is"
        );
    }
    match replay
        .threshold
        .passed(tally.counted(replay.strict), tally.decisions)
    {
        true => Err(Exit::Found),
        false => Ok(()),
    }
}

fn run(replay: &Replay, set: &PolicySet) -> Result<Tally, Exit> {
    let earliest = replay.since.earliest();
    let mut progress = Progress::new(record_bytes(&replay.recorded.dir(&replay.at)?));
    let mut tally = Tally::new(replay.examples);
    for decision in replay.recorded.decisions(&replay.at)? {
        let decision = decision.map_err(|error| Exit::refused(explain(&error)))?;
        progress.step(&decision, tally.decisions);
        if decision.at < earliest {
            continue;
        }
        if decision.input.is_null() {
            tally.unreadable += 1;
            continue;
        }
        let then = Then {
            verdict: &decision.verdict,
            rule: &decision.rule,
            reasons: &decision.reasons,
            obligations: &decision.obligations,
        };
        match set.decide_again(&decision.input) {
            Err(_) => tally.unreadable += 1,
            Ok(now) => {
                tally.decisions += 1;
                tally.session(decision.session);
                if then.outcome().is_none() {
                    tally.own += 1;
                } else if let Some(change) = change(&then, &now) {
                    tally.add(&decision, change);
                }
            }
        }
    }
    tally.seconds = progress.end();
    Ok(tally)
}

fn show(tally: &Tally, replay: &Replay, set: &PolicySet) -> io::Result<()> {
    let rate = tally.decisions as f64 / tally.seconds.max(0.000_001);
    paint::say(&format!(
        "{} decisions of {} sessions replayed over revision {} in {:.1} s ({rate:.0}/s)",
        tally.decisions,
        tally.sessions.len(),
        set.revision(),
        tally.seconds
    ))?;
    if tally.own > 0 {
        paint::say(&format!(
            "  {} were refused by the gateway itself, whatever policy says",
            tally.own
        ))?;
    }
    if tally.unreadable > 0 {
        paint::say(&format!(
            "  {} hold no input of this version and could not be replayed",
            tally.unreadable
        ))?;
    }
    let counted = tally.counted(replay.strict);
    let word = paint::verdict(&format!("{counted} would change"), counted == 0);
    paint::say(&format!("  {word}"))?;
    for group in tally.groups() {
        paint::say("")?;
        show_group(group)?;
    }
    Ok(())
}

fn show_group(group: &Group) -> io::Result<()> {
    let arrow = format!("{} -> {}", group.change.then, group.change.now);
    let arrow = match group.change.then == group.change.now {
        true => format!("{arrow} with other obligations"),
        false => arrow,
    };
    let stricter = group.change.now < group.change.then;
    paint::say(&format!(
        "{:>7} {} ({}) in {} sessions of {} people and machines",
        group.count,
        paint::verdict(&arrow, stricter),
        group.change.rule,
        group.sessions.len(),
        group.identities.len()
    ))?;
    for example in &group.examples {
        paint::say(&format!(
            "        {} {}/{} {} on {}: {}",
            example.at,
            example.session,
            example.sequence,
            escape_line(&example.who),
            escape_line(&example.target),
            escape_line(&example.what)
        ))?;
    }
    Ok(())
}

fn record_bytes(dir: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .filter(|e| e.path().extension().is_some_and(|e| e == "wal"))
        .filter_map(|e| e.metadata().ok())
        .map(|m| m.len())
        .sum()
}

/// A bar on a terminal's stderr; nothing anywhere else.
struct Progress {
    began: Instant,
    shown: Option<Instant>,
    seen: u64,
    all: u64,
    terminal: bool,
}

impl Progress {
    fn new(all: u64) -> Self {
        Self {
            began: Instant::now(),
            shown: None,
            seen: 0,
            all,
            terminal: io::stderr().is_terminal(),
        }
    }

    fn step(&mut self, decision: &RecordedDecision, decisions: u64) {
        self.seen += decision.bytes as u64;
        let due = self.shown.is_none_or(|at| at.elapsed() >= PROGRESS);
        if !self.terminal || !due {
            return;
        }
        self.shown = Some(Instant::now());
        let rate = decisions as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let _ = write!(
            io::stderr(),
            "\r{} {decisions} decisions, {rate:.0}/s ",
            bar(self.seen, self.all)
        );
    }

    fn end(self) -> f64 {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
        self.began.elapsed().as_secs_f64()
    }
}

/// `[####......]`, as far as bytes tell.
fn bar(seen: u64, all: u64) -> String {
    const WIDTH: u64 = 30;
    let full = (seen.min(all) * WIDTH).checked_div(all).unwrap_or(0);
    let full = usize::try_from(full).unwrap_or(0);
    format!(
        "[{}{}]",
        "#".repeat(full),
        ".".repeat(WIDTH as usize - full)
    )
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_threshold_is_a_number_or_a_share() {
        assert_eq!("3".parse(), Ok(Threshold::Count(3)));
        assert_eq!("0.5%".parse(), Ok(Threshold::Percent(0.5)));
        for wrong in ["", "x", "-1", "101%", "%"] {
            assert!(wrong.parse::<Threshold>().is_err(), "{wrong}");
        }
        assert!(Threshold::Count(0).passed(1, 1000));
        assert!(!Threshold::Count(1).passed(1, 1000));
        assert!(!Threshold::Percent(0.1).passed(1, 1000));
        assert!(Threshold::Percent(0.1).passed(2, 1000));
    }

    #[test]
    fn the_bar_never_runs_over() {
        assert_eq!(bar(0, 0), format!("[{}]", ".".repeat(30)));
        assert_eq!(
            bar(15, 30),
            format!("[{}{}]", "#".repeat(15), ".".repeat(15))
        );
        assert_eq!(bar(99, 30), format!("[{}]", "#".repeat(30)));
    }
}
