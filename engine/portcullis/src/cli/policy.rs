//! `policy`: write, check, format, test, ask, explain, measure, compare and replay packs, without a
//! gateway. It reads what the gateway would read and refuses what the gateway would refuse; it changes no
//! file but with `new` and `fmt`.

mod author;
mod bench;
mod candidate;
mod check;
mod compare;
mod eval;
mod explain;
mod layout;
mod record;
mod replay;
mod report;
mod self_test;
mod test;
mod watch;

use crate::cli::Exit;
use clap::Subcommand;

/// Policies.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Begin a pack: a rule, its test, and how to try them
    New(author::New),
    /// Everything that is wrong with packs: syntax, names, types, rules that nobody hears, failing tests
    Check(check::Check),
    /// Set the layout of .rego files right
    Fmt(layout::Fmt),
    /// Run the tests of packs, with coverage
    Test(test::Test),
    /// Ask a question: what would be decided for this input
    Eval(eval::Eval),
    /// Why: the rules that spoke, and the condition that failed in those that did not
    Explain(explain::Explain),
    /// How long decisions and reloads take
    Bench(bench::Bench),
    /// What differs between two sets
    Diff(compare::Diff),
    /// Run other policies over what was recorded, and show every decision that would change
    Replay(replay::Replay),
    /// What packs on trial would have said
    Report(report::Report),
    /// Run the tests of a packed set from the standard input (the gateway does, before a set serves)
    #[command(hide = true)]
    SelfTest,
}

pub(super) fn policy(policy: &Policy) -> Result<(), Exit> {
    match policy {
        Policy::New(new) => author::new(new),
        Policy::Check(check) => check::check(check),
        Policy::Fmt(fmt) => layout::fmt(fmt),
        Policy::Test(test) => test::test(test),
        Policy::Eval(eval) => eval::eval(eval),
        Policy::Explain(explain) => explain::explain(explain),
        Policy::Bench(bench) => bench::bench(bench),
        Policy::Diff(diff) => compare::diff(diff),
        Policy::Replay(replay) => replay::replay(replay),
        Policy::Report(report) => report::report(report),
        Policy::SelfTest => self_test::self_test(),
    }
}
