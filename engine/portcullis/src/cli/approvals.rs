//! `approvals`: what waits for people, and votes. A vote carries the approver's own token, from a file, the environment or
//! the login on this machine. It refuses one on the command line, where every user of the machine can read it.

mod standing;

pub(super) use standing::{grants, tell};

use crate::cli::way::{self, Reach};
use crate::cli::{Exit, Shape, paint};
use crate::config::Period;
use clap::{Args, Subcommand};
use portcullis_console::{Approval, Choice};
use portcullis_model::escape_line;

/// Requests that wait for people, and votes.
#[derive(Debug, Subcommand)]
pub enum Approvals {
    /// What waits, newest first
    List(List),
    /// One request: exactly what would run, for whom, and why it was held
    Show(One),
    /// Vote yes
    #[command(after_help = VOTE_EXAMPLES)]
    Approve(Ballot),
    /// Vote no; one no is enough
    #[command(after_help = VOTE_EXAMPLES)]
    Deny(Ballot),
    /// What you have asked for, where it stands, and what you hold
    Mine(standing::Yours),
    /// Wait until a request is decided: for scripts and agents
    Wait(standing::Wait),
    /// Ask for more time
    Extend(standing::Extend),
    /// End a grant early, and the sessions it has opened
    End(standing::End),
    /// Have somebody stand in while you are away; it gives them no right
    Delegate(standing::Delegate),
    /// Who stands in for whom
    Delegations(standing::Look),
    /// End a delegation of yours
    Return(standing::Return),
    /// Link a chat account to your login: shows which one it is, and asks for your word
    Link(standing::Link),
    /// Reviews of broken glass, overdue ones loud
    Reviews(standing::Look),
    /// Close the review of a broken glass
    Review(standing::Close),
}

const VOTE_EXAMPLES: &str = "\
Examples:
  export PORTCULLIS_GATEWAY=https://gateway:6443; portcullis login --fresh
  portcullis approvals show ap-7k2m9q0x
  portcullis approvals approve ap-7k2m9q0x --reason 'OPS-12, checked with Ana'
  PORTCULLIS_TOKEN=$(my-idp token) portcullis approvals approve ap-7k2m9q0x --reason 'OPS-12'
  portcullis approvals deny ap-7k2m9q0x --reason 'no ticket' --token-file ~/.portcullis/token
  portcullis approvals approve ap-7k2m9q0x --reason 'OPS-12' --reuse 15m    all commands of its class

A vote is yours: it needs your own token, of a login of the last minutes (portcullis login --fresh). Whoever asked, acted for, or owns the requester cannot vote.";

/// What waits.
#[derive(Debug, Args)]
pub struct List {
    /// Also those that are decided
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    shape: Shape,
}

/// One request.
#[derive(Debug, Args)]
pub struct One {
    /// Its id: ap-7k2m9q0x
    id: String,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    shape: Shape,
}

/// A vote.
#[derive(Debug, Args)]
pub struct Ballot {
    /// Its id: ap-7k2m9q0x
    id: String,
    /// Why; recorded, and shown to the requester
    #[arg(long)]
    reason: String,
    /// A yes: it is meant for all commands of the class for so long, where policy lets it be
    #[arg(long, value_name = "TIME")]
    reuse: Option<Period>,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn approvals(approvals: &Approvals) -> Result<(), Exit> {
    match approvals {
        Approvals::List(list) => show_list(list),
        Approvals::Show(one) => {
            let approval = one.reach.approval(&one.id)?;
            match one.shape.json {
                true => Ok(paint::json(&approval)?),
                false => Ok(show(&approval)?),
            }
        }
        Approvals::Approve(ballot) => vote(ballot, Choice::Approve),
        Approvals::Deny(ballot) => vote(ballot, Choice::Deny),
        Approvals::Mine(yours) => standing::mine(yours),
        Approvals::Wait(wait) => standing::wait(wait),
        Approvals::Extend(extend) => standing::extend(extend),
        Approvals::End(end) => standing::end(end),
        Approvals::Delegate(delegate) => standing::delegate(delegate),
        Approvals::Delegations(look) => standing::delegations(look),
        Approvals::Return(back) => standing::end_delegation(back),
        Approvals::Link(link) => standing::link(link),
        Approvals::Reviews(look) => standing::reviews(look),
        Approvals::Review(close) => standing::review(close),
    }
}

fn show_list(list: &List) -> Result<(), Exit> {
    let mut rows = list.reach.approvals()?;
    if !list.all {
        rows.retain(|approval| approval.state == "pending");
    }
    if list.shape.json {
        return Ok(paint::json(&rows)?);
    }
    let head = ["ID", "STATE", "WHO", "TARGET", "VOTES", "EXPIRES", "WHAT"];
    let mut table = paint::Table::new(&head);
    for row in &rows {
        table.row([
            &row.id,
            &row.state,
            &row.requester,
            &row.target,
            &format!("{}/{}", row.votes.len(), row.approvers),
            &row.expires,
            &row.shown,
        ]);
    }
    Ok(table.print("nothing waits for people that you may see")?)
}

fn show(approval: &Approval) -> std::io::Result<()> {
    for (name, value) in [
        ("request", approval.id.as_str()),
        ("state", &approval.state),
        ("who", &approval.requester),
        ("target", &approval.target),
        ("rules", &approval.rules.join(", ")),
        (
            "approvers",
            &format!(
                "{} of {}",
                approval.approvers,
                approval.approver_groups.join(", ")
            ),
        ),
        ("opened", &approval.opened),
        ("expires", &approval.expires),
    ] {
        paint::say(&format!("{name:10} {}", escape_line(value)))?;
    }
    for (name, value) in &approval.facts {
        let value = match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        paint::say(&format!("{:10} {}", escape_line(name), escape_line(&value)))?;
    }
    for vote in &approval.votes {
        let choice = match vote.choice {
            Choice::Approve => "yes",
            Choice::Deny => "no",
        };
        let (by, reason) = (escape_line(&vote.by), escape_line(&vote.reason));
        paint::say(&format!("vote       {choice} by {by}: {reason}"))?;
    }
    paint::say("what would run:")?;
    // The gateway has escaped it, if it is one; escaped again, every backslash would be two.
    for line in approval.shown.lines() {
        paint::say(&format!("  {}", paint::tame(line)))?;
    }
    Ok(())
}

fn vote(ballot: &Ballot, choice: Choice) -> Result<(), Exit> {
    let cast = way::Ballot {
        choice,
        reason: &ballot.reason,
        reuse_seconds: ballot.reuse.map(|period| period.0.as_secs()),
    };
    let approval = ballot.reach.vote(&ballot.id, &cast)?;
    if ballot.shape.json {
        return Ok(paint::json(&approval)?);
    }
    let votes = approval.votes.len();
    Ok(paint::say(&format!(
        "{} is {}, {votes} of {} votes",
        escape_line(&approval.id),
        escape_line(&approval.state),
        approval.approvers
    ))?)
}
