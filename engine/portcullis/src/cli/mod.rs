//! The command line. `--help` teaches with examples; every listing has `--json`; colour is for terminals;
//! exit codes mean something. It refuses to vote, kill or reload by itself: it asks the gateway, over the
//! admin socket or its HTTPS listener, and shows the answer with everything foreign escaped.

mod access;
mod admin;
mod approvals;
mod cache;
mod certificates;
mod check;
mod configuration;
mod dev_issuer;
mod evidence;
mod exit;
mod film;
mod journal;
mod kube_credential;
mod login;
mod manual;
mod moments;
mod node;
mod paint;
mod plugin;
mod policy;
mod portal;
mod run;
mod search;
mod secret;
mod sessions;
mod setup;
#[cfg(test)]
mod tests;
mod token;
mod way;

pub use exit::{Exit, explain};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  portcullis check --config portcullis.yaml       find everything that is wrong before starting
  portcullis run --config portcullis.yaml         serve
  PGPASSWORD=$TOKEN psql -h 127.0.0.1 -p 6432 orders
  portcullis sessions list                        who is connected, and what they do
  portcullis approvals approve ap-7k2m9q0x --reason 'OPS-12, checked with Ana'
  portcullis sessions replay s-…                  what was asked and what was answered
  portcullis journal verify                       prove that the record is whole

Exit codes:
  0  done                    3  the gateway cannot be reached
  1  a problem, or refused   4  the gateway could not start
  2  wrong usage             5  nobody has decided in time";

/// An access gateway in the data path: verifies who acts, asks policy for every command, masks every
/// response, and records before bytes move.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until told to stop
    Run(run::Run),
    /// Find everything that is wrong: configuration, policies, plugins, keys, secrets
    Check(check::Check),
    /// The node at a glance
    Status(node::Look),
    /// What clients may ask for
    Connections(node::Look),
    /// Read configuration, policies and plugins again, all or nothing
    Reload(node::Look),
    /// Live and recorded sessions
    #[command(subcommand)]
    Sessions(sessions::Sessions),
    /// Find commands in the record, by their words and by who sent what where
    Search(search::Search),
    /// Refuse an identity or a token from now on, and end what it has open
    Revoke(sessions::Revoke),
    /// Requests that wait for people, and votes
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// Connections that people open to you, for a time
    #[command(subcommand)]
    Access(access::Access),
    /// Log in at your identity provider, in a browser or on another device
    Login(login::LogIn),
    /// Log out: the login and everything that came of it is over
    Logout(login::LogOut),
    /// Whom the gateway takes you for
    Whoami(login::Who),
    /// The exec plugin of kubectl: your certificate or your token, refreshed when that is due
    KubeCredential(kube_credential::KubeCredential),
    /// Files that make psql, ssh and kubectl use your login
    #[command(subcommand)]
    Setup(setup::Setup),
    /// Your token: print it, exchange it, or get a database login of minutes for it
    #[command(subcommand)]
    Token(token::Token),
    /// The record: verify it, read the node's own entries
    #[command(subcommand)]
    Journal(journal::Journal),
    /// What an auditor asks for, as a folder that proves itself
    #[command(subcommand)]
    Evidence(evidence::Evidence),
    /// The configuration file: its schema, and how it was understood
    #[command(subcommand)]
    Config(configuration::Configuration),
    /// The encrypted store: write, list and remove entries
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Policies: write, check, test, explain, compare and replay them, without a gateway
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Plugins: write, build, test, run, measure, sign and pin them
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// DEVELOPMENT ONLY: an identity provider that believes everybody
    DevIssuer(dev_issuer::DevIssuer),
    /// Completions for a shell
    Completions(manual::Completions),
    /// The manual page
    Man(manual::Manual),
}

/// Where the configuration is when nobody says.
const CONFIG: &str = "/etc/portcullis/portcullis.yaml";

/// Where the gateway is.
#[derive(Clone, Debug, Args)]
struct Whereabouts {
    /// The configuration file
    #[arg(
        long,
        env = "PORTCULLIS_CONFIG",
        hide_env_values = true,
        default_value = CONFIG
    )]
    config: PathBuf,
    /// The admin socket; the configuration's when not given
    #[arg(long, env = "PORTCULLIS_SOCKET", hide_env_values = true)]
    socket: Option<PathBuf>,
}

/// How a listing is shown.
#[derive(Clone, Copy, Debug, Args)]
struct Shape {
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Runs the command line and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let answer = match cli.command {
        Command::Run(run) => run::run(&run),
        Command::Check(check) => check::check(&check),
        Command::Status(look) => node::status(&look),
        Command::Connections(look) => node::connections(&look),
        Command::Reload(look) => node::reload(&look),
        Command::Sessions(sessions) => sessions::sessions(&sessions),
        Command::Search(search) => search::search(&search),
        Command::Revoke(revoke) => sessions::revoke(&revoke),
        Command::Approvals(approvals) => approvals::approvals(&approvals),
        Command::Access(access) => access::access(&access),
        Command::Login(login) => login::log_in(&login),
        Command::Logout(logout) => login::log_out(&logout),
        Command::Whoami(who) => login::who(&who),
        Command::KubeCredential(asked) => kube_credential::kube_credential(&asked),
        Command::Setup(setup) => setup::setup(&setup),
        Command::Token(token) => token::token(&token),
        Command::Journal(journal) => journal::journal(&journal),
        Command::Evidence(wanted) => evidence::evidence(&wanted),
        Command::Config(configuration) => configuration::configuration(&configuration),
        Command::Secret(command) => secret::secret(&command),
        Command::Policy(policy) => policy::policy(&policy),
        Command::Plugin(plugin) => plugin::plugin(&plugin),
        Command::DevIssuer(dev) => dev_issuer::dev_issuer(&dev),
        Command::Completions(completions) => manual::completions(&completions),
        Command::Man(manual) => manual::man(&manual),
    };
    match answer {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.report(),
    }
}
