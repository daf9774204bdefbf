//! `approvals mine|wait|extend|end|link|delegate|delegations|return|reviews|review`: what stands longer than one run. It
//! refuses to take silence for an answer: who waits is told apart whether it was no or not yet.

use super::{One, show};
use crate::cli::way::{self, Reach};
use crate::cli::{Exit, Shape, paint};
use crate::config::Period;
use clap::{Args, ValueEnum};
use portcullis_console::{Approval, Asked, Delegation, Grant};
use portcullis_model::escape_line;
use std::time::{Duration, Instant};

/// Whose it is.
#[derive(Debug, Args)]
pub struct Yours {
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    shape: Shape,
}

/// A listing.
#[derive(Debug, Args)]
pub struct Look {
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    shape: Shape,
}

/// Until a request is decided.
#[derive(Debug, Args)]
pub struct Wait {
    #[command(flatten)]
    one: One,
    /// At most so long
    #[arg(long, value_name = "TIME", default_value = "15m")]
    within: Period,
}

/// More time.
#[derive(Debug, Args)]
pub struct Extend {
    /// The grant: gr-7k2m9q0x
    id: String,
    /// For so long from now: 2h
    #[arg(long = "for", value_name = "TIME")]
    lasts: Period,
    /// Why; recorded, and shown to approvers
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    yours: Yours,
}

/// The end of a grant.
#[derive(Debug, Args)]
pub struct End {
    /// The grant: gr-7k2m9q0x
    id: String,
    /// Why; recorded
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    shape: Shape,
}

/// Somebody stands in.
#[derive(Debug, Args)]
pub struct Delegate {
    /// Who stands in: the `sub` of their tokens
    #[arg(long, value_name = "SUBJECT")]
    to: String,
    /// Their issuer; yours when not given
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
    /// For so long: 14d
    #[arg(long = "for", value_name = "TIME")]
    lasts: Period,
    /// Why; recorded
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    yours: Yours,
}

/// A delegation of yours.
#[derive(Debug, Args)]
pub struct Return {
    /// The delegation: dg-7k2m9q0x
    id: String,
    #[command(flatten)]
    yours: Yours,
}

/// A chat account.
#[derive(Debug, Args)]
pub struct Link {
    /// What the account was given: /portcullis link
    code: String,
    /// The account that was shown is yours
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    yours: Yours,
}

/// What a reviewer finds.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Finding {
    /// It was right
    Justified,
    /// It was not, or something has to be done
    Concern,
}

/// The word of a reviewer.
#[derive(Debug, Args)]
pub struct Close {
    /// The review: rv-7k2m9q0x
    id: String,
    /// What you found
    #[arg(long, value_enum)]
    finding: Finding,
    /// In your words; recorded
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    yours: Yours,
}

pub(super) fn mine(yours: &Yours) -> Result<(), Exit> {
    let mine = yours.reach.mine()?;
    if yours.shape.json {
        return Ok(paint::json(&mine)?);
    }
    let mut table =
        paint::Table::new(&["ID", "STATE", "TARGET", "VOTES", "AHEAD", "EXPIRES", "WHAT"]);
    for row in &mine.requests {
        let ahead = row.facts.get("ahead").map(ToString::to_string);
        table.row([
            &row.id,
            &row.state,
            &row.target,
            &format!("{}/{}", row.votes.len(), row.approvers),
            &ahead.unwrap_or_default(),
            &row.expires,
            &row.shown,
        ]);
    }
    table.print("you have asked for nothing")?;
    match mine.grants.is_empty() {
        true => Ok(()),
        false => Ok(grants(&mine.grants)?),
    }
}

/// A table of grants.
pub(in crate::cli) fn grants(all: &[Grant]) -> std::io::Result<()> {
    let head = ["ID", "FOR", "WHO", "TARGET", "UNTIL", "LEFT", "APPROVED BY"];
    let mut table = paint::Table::new(&head);
    for grant in all {
        table.row([
            &grant.id,
            &grant.purpose,
            &grant.holder,
            &grant.target,
            &grant.until,
            &format!("{} min", grant.remaining_seconds / 60),
            &grant.by.join(", "),
        ]);
    }
    table.print("no grant is in force")
}

/// How often a waiting client looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// And after a look that failed: whoever is overrun is not helped by more.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

pub(super) fn wait(wait: &Wait) -> Result<(), Exit> {
    let Wait { one, within } = wait;
    let begun = Instant::now();
    // What names no gateway never will.
    one.reach.leads_somewhere()?;
    let approval = until_decided(
        within.0,
        || begun.elapsed(),
        std::thread::sleep,
        |left| one.reach.approval_within(&one.id, left),
    )?;
    match one.shape.json {
        true => paint::json(&approval)?,
        false => show(&approval)?,
    }
    let said = format!("{} is {}", approval.id, approval.state);
    match approval.state.as_str() {
        "approved" | "consumed" => Ok(()),
        "pending" => Err(Exit::Undecided(said)),
        _ => Err(Exit::refused(said)),
    }
}

/// Looks until it is decided or the time is over. A gateway that starts again, or has too much to do, is asked again: that
/// is no answer yet.
fn until_decided(
    within: Duration,
    passed: impl Fn() -> Duration,
    rest: impl Fn(Duration),
    look: impl Fn(Duration) -> Result<Approval, Exit>,
) -> Result<Approval, Exit> {
    let left = || within.saturating_sub(passed());
    let mut told = false;
    loop {
        let seen = look(left());
        let over = left().is_zero();
        let pause = match seen {
            Ok(approval) if approval.state != "pending" || over => return Ok(approval),
            Ok(_) => {
                told = false;
                LOOK_EVERY
            }
            Err(Exit::Later { message, .. }) if over => return Err(Exit::Undecided(message)),
            Err(
                exit @ (Exit::Unanswered { .. } | Exit::Unreachable { .. } | Exit::Later { .. }),
            ) if !over => {
                if !told {
                    eprintln!("portcullis: {}; asking again", exit.shown().0);
                }
                told = true;
                AGAIN_AFTER
            }
            Err(other) => return Err(other),
        };
        rest(pause.min(left()));
    }
}

pub(super) fn extend(extend: &Extend) -> Result<(), Exit> {
    let more = way::More {
        seconds: extend.lasts.0.as_secs(),
        reason: &extend.reason,
    };
    let asked = extend.yours.reach.extend(&extend.id, &more)?;
    tell(&asked, extend.yours.shape)
}

/// What became of a request for access.
pub(in crate::cli) fn tell(asked: &Asked, shape: Shape) -> Result<(), Exit> {
    if shape.json {
        return Ok(paint::json(asked)?);
    }
    let text = match (&asked.request, &asked.grant) {
        (_, Some(grant)) => format!("open until {} ({})", grant.until, grant.id),
        (Some(request), None) => format!(
            "{} waits for {} of {}; `portcullis approvals wait {}` waits for the answer",
            request.id,
            request.approvers,
            request.approver_groups.join(", "),
            request.id
        ),
        (None, None) => "policy opens it without a request: just connect".to_owned(),
    };
    Ok(paint::say(&escape_line(&text))?)
}

pub(super) fn end(end: &End) -> Result<(), Exit> {
    let grant = end.reach.end_grant(&end.id, &end.reason)?;
    match end.shape.json {
        true => Ok(paint::json(&grant)?),
        false => Ok(paint::say(&format!(
            "{} has ended",
            escape_line(&grant.id)
        ))?),
    }
}

pub(super) fn link(link: &Link) -> Result<(), Exit> {
    let yours = &link.yours;
    let linked = yours.reach.link(&way::Link {
        code: &link.code,
        confirm: link.confirm,
    })?;
    if yours.shape.json {
        return Ok(paint::json(&linked)?);
    }
    let account = escape_line(&linked.account);
    let text = match &linked.until {
        Some(until) => format!("{account} votes for you until {}", escape_line(until)),
        None => format!(
            "the code came from {account}\nIf that is your account, run this again with --confirm. If not, do nothing."
        ),
    };
    Ok(paint::say(&text)?)
}

pub(super) fn delegate(delegate: &Delegate) -> Result<(), Exit> {
    let away = way::Away {
        subject: &delegate.to,
        issuer: delegate.issuer.as_deref(),
        seconds: delegate.lasts.0.as_secs(),
        reason: &delegate.reason,
    };
    let made = delegate.yours.reach.delegate(&away)?;
    told(&made, delegate.yours.shape)
}

pub(super) fn end_delegation(back: &Return) -> Result<(), Exit> {
    let ended = back.yours.reach.end_delegation(&back.id)?;
    told(&ended, back.yours.shape)
}

fn told(one: &Delegation, shape: Shape) -> Result<(), Exit> {
    match shape.json {
        true => Ok(paint::json(one)?),
        false => Ok(paint::say(&escape_line(&format!(
            "{}: {} for {} until {}",
            one.id, one.to, one.from, one.until
        )))?),
    }
}

pub(super) fn delegations(look: &Look) -> Result<(), Exit> {
    let rows = look.reach.delegations()?;
    if look.shape.json {
        return Ok(paint::json(&rows)?);
    }
    let mut table = paint::Table::new(&["ID", "AWAY", "STANDS IN", "UNTIL", "WHY"]);
    for row in &rows {
        table.row([&row.id, &row.from, &row.to, &row.until, &row.reason]);
    }
    Ok(table.print("nobody stands in for anybody")?)
}

pub(super) fn reviews(look: &Look) -> Result<(), Exit> {
    let rows = look.reach.reviews()?;
    if look.shape.json {
        return Ok(paint::json(&rows)?);
    }
    let mut table = paint::Table::new(&["ID", "STATE", "WHO", "TARGET", "DUE", "WHY"]);
    for row in &rows {
        let loud = row.state == "overdue";
        let state = match loud {
            true => "OVERDUE".to_owned(),
            false => row.state.clone(),
        };
        table.row([
            &row.id,
            &state,
            &row.holder,
            &row.target,
            &row.due,
            &row.reason,
        ]);
    }
    Ok(table.print("no glass was broken")?)
}

pub(super) fn review(close: &Close) -> Result<(), Exit> {
    let yours = &close.yours;
    let said = way::Said {
        finding: match close.finding {
            Finding::Justified => "justified",
            Finding::Concern => "concern",
        },
        text: &close.reason,
    };
    let review = yours.reach.close_review(&close.id, &said)?;
    match yours.shape.json {
        true => Ok(paint::json(&review)?),
        false => {
            let (id, state) = (escape_line(&review.id), escape_line(&review.state));
            Ok(paint::say(&format!("{id} is {state}"))?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    fn is(state: &str) -> Result<Approval, Exit> {
        Ok(serde_json::from_value(serde_json::json!({
            "id": "ap-1", "state": state, "requester": "ana", "target": "orders", "shown": "x",
            "rules": [], "approver_groups": [], "approvers": 1, "opened": "", "expires": "",
            "votes": [], "facts": {},
        }))
        .expect("an approval"))
    }

    fn silent() -> Result<Approval, Exit> {
        Err(Exit::Unanswered {
            message: "no gateway answers".to_owned(),
            hint: String::new(),
        })
    }

    fn overrun() -> Result<Approval, Exit> {
        Err(Exit::Later {
            message: "too many".to_owned(),
            hint: None,
        })
    }

    /// What comes of these looks within a minute: the state or the exit code, how many looks were left out, and when it ended.
    fn waited(looks: Vec<Result<Approval, Exit>>) -> (Result<String, u8>, usize, u64) {
        let looks = RefCell::new(VecDeque::from(looks));
        let time = Cell::new(Duration::ZERO);
        let answer = until_decided(
            Duration::from_secs(60),
            || time.get(),
            |pause| time.set(time.get() + pause),
            |left| {
                assert_eq!(left, Duration::from_secs(60) - time.get());
                looks.borrow_mut().pop_front().unwrap_or_else(silent)
            },
        );
        let answer = answer.map(|approval| approval.state);
        let answer = answer.map_err(|exit| exit.code());
        (answer, looks.borrow().len(), time.get().as_secs())
    }

    #[test]
    fn whoever_waits_asks_again_where_nothing_was_said() {
        let said = |state: &str| Ok(state.to_owned());
        let restart = vec![is("pending"), silent(), overrun(), is("approved")];
        assert_eq!(waited(restart), (said("approved"), 0, 22));
        assert_eq!(
            waited(vec![overrun(), is("denied")]),
            (said("denied"), 0, 10)
        );
        let over = || Err(Exit::refused("there is no such request"));
        assert_eq!(
            waited(vec![is("pending"), over(), is("approved")]),
            (Err(1), 1, 2)
        );
    }

    #[test]
    fn not_yet_is_neither_a_no_nor_silence() {
        let pending = (0..99).map(|_| is("pending")).collect();
        assert_eq!(waited(pending), (Ok("pending".to_owned()), 68, 60));
        assert_eq!(waited((0..7).map(|_| overrun()).collect()), (Err(5), 0, 60));
        assert_eq!(waited(Vec::new()), (Err(3), 0, 60));
    }
}
