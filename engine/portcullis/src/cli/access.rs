//! `access`: a connection asked for in advance, for a time; and the glass, for whoever may break it. It refuses to ask
//! without a reason.

use crate::cli::approvals::{grants, tell};
use crate::cli::way::{self, Reach};
use crate::cli::{Exit, Shape, paint};
use crate::config::Period;
use clap::{Args, Subcommand};

/// Connections that people open to you, for a time.
#[derive(Debug, Subcommand)]
pub enum Access {
    /// Ask for a connection: who decides is told, and you connect once it is approved
    #[command(after_help = EXAMPLES)]
    Request(Request),
    /// Go ahead without an approval, where policy lets you: everybody is paged, and it is reviewed
    #[command(after_help = EXAMPLES)]
    BreakGlass(Request),
    /// Grants in force: access, classes of commands, broken glass
    List(List),
}

const EXAMPLES: &str = "\
Examples:
  export PORTCULLIS_GATEWAY=https://gateway:6443; portcullis login
  portcullis access request orders --for 2h --reason 'OPS-12, the import failed' --ticket OPS-12
  portcullis approvals wait ap-7k2m9q0x
  psql -h gateway orders
  portcullis approvals extend gr-7k2m9q0x --for 1h --reason 'not done yet'
  portcullis approvals end gr-7k2m9q0x
  portcullis access break-glass orders --reason 'orders is down, INC-7'";

/// One connection.
#[derive(Debug, Args)]
pub struct Request {
    /// The connection's name
    target: String,
    /// For so long: 2h; the longest that policy lets you when not given
    #[arg(long = "for", value_name = "TIME")]
    lasts: Option<Period>,
    /// Why; recorded, and shown to approvers
    #[arg(long)]
    reason: String,
    /// The ticket it belongs to
    #[arg(long, env = "PORTCULLIS_TICKET")]
    ticket: Option<String>,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    shape: Shape,
}

/// All grants.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn access(access: &Access) -> Result<(), Exit> {
    match access {
        Access::Request(request) => ask(request, false),
        Access::BreakGlass(request) => ask(request, true),
        Access::List(list) => {
            let rows = list.reach.grants()?;
            match list.shape.json {
                true => Ok(paint::json(&rows)?),
                false => Ok(grants(&rows)?),
            }
        }
    }
}

fn ask(request: &Request, break_glass: bool) -> Result<(), Exit> {
    let wish = way::Access {
        target: &request.target,
        seconds: request.lasts.map(|period| period.0.as_secs()),
        reason: &request.reason,
        ticket: request.ticket.as_deref(),
        break_glass,
    };
    let asked = request.reach.request_access(&wish)?;
    tell(&asked, request.shape)
}
