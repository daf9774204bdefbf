//! The way to the approval desk: over the admin socket for whoever runs the gateway, over its HTTPS listener for
//! everybody else. A command says once what it wants ([`desk`]), and does not know which way it goes.
//!
//! It refuses plain http, a redirect (by not following any), and to send a login to another gateway than the one that gave
//! it. Nothing is sent twice: a vote that got no answer may have been counted.

mod desk;
#[cfg(test)]
mod tests;

pub use desk::{Access, Away, Ballot, Link, More, Said};

use crate::cli::cache::Cache;
use crate::cli::portal::{Bounds, Portal, Sent};
use crate::cli::{CONFIG, Exit, Whereabouts};
use clap::Args;
use hyper::{Method, StatusCode, Uri};
use portcullis_console::Refused;
use portcullis_model::escape_line;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// As over the socket: a list of requests shows what each would run.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The gateway begins every answer within ten seconds (`limits::HANDSHAKE_MAX`); the rest is the way.
const LOOK_MAX: Duration = Duration::from_secs(30);
/// A vote is on disk before it counts, and the disk may be slow.
const ACT_MAX: Duration = Duration::from_secs(60);

/// Which gateway, and in whose name.
#[derive(Clone, Debug, Args)]
pub struct Reach {
    #[command(flatten)]
    at: Whereabouts,
    /// The gateway's HTTPS listener, from any machine: PORTCULLIS_GATEWAY, or that of your login, when not given
    #[arg(long, visible_alias = "server", value_name = "URL")]
    gateway: Option<Uri>,
    /// PEM file with the authorities that its certificate must come from; the public ones when not given
    #[arg(
        long,
        value_name = "FILE",
        env = "PORTCULLIS_CA",
        hide_env_values = true
    )]
    ca: Option<PathBuf>,
    /// File with your token; PORTCULLIS_TOKEN or your login when not given
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What is wanted, as it stands on either way.
struct Call {
    /// On the admin socket.
    socket: (Method, String),
    /// On the HTTPS listener.
    server: (Method, String),
    /// What is said; null for nothing.
    body: Value,
    /// In somebody's name: over the socket, too, it takes a token of theirs.
    own: bool,
}

/// A way.
#[derive(Debug)]
enum Way<'a> {
    Socket(&'a Whereabouts),
    Server(Portal),
}

/// What the environment and this machine say besides the command line.
struct Surroundings {
    /// `PORTCULLIS_GATEWAY`.
    gateway: Option<String>,
    /// The gateway of the login on this machine.
    login: Option<Portal>,
    /// The configuration can be read.
    configured: bool,
}

impl Surroundings {
    fn here(reach: &Reach) -> Self {
        let gateway = std::env::var("PORTCULLIS_GATEWAY");
        let gateway = gateway.ok().filter(|url| !url.is_empty());
        let config = &reach.at.config;
        let configured = config != Path::new(CONFIG) || std::fs::File::open(config).is_ok();
        // Whoever asks over the socket needs no login, and no place for one.
        let socket = match &reach.at.socket {
            Some(_) => reach.gateway.is_none(),
            None => reach.gateway.is_none() && gateway.is_none() && configured,
        };
        Self {
            login: (!socket).then(remembered).flatten(),
            gateway,
            configured,
        }
    }
}

/// The gateway that somebody is logged in at.
fn remembered() -> Option<Portal> {
    let login = Cache::open().and_then(|cache| cache.read());
    login.and_then(|login| login.portal()).ok()
}

impl Reach {
    /// What the command line names goes first, then the environment, then what there is on this machine: the gateway's
    /// configuration, and the gateway that somebody is logged in at.
    fn way(&self, around: Surroundings) -> Result<Way<'_>, Exit> {
        let Surroundings {
            gateway,
            login,
            configured,
        } = around;
        let named = match (&self.gateway, &self.at.socket, gateway) {
            (Some(gateway), _, _) => Some(gateway.clone()),
            (None, Some(_), _) => return Ok(Way::Socket(&self.at)),
            (None, None, Some(gateway)) => Some(gateway.parse().map_err(|_| {
                Exit::refused_with(
                    "PORTCULLIS_GATEWAY is no address of a gateway",
                    "write https://HOST:PORT",
                )
            })?),
            (None, None, None) => None,
        };
        let portal = match (named, login) {
            (Some(gateway), login) => {
                let theirs = login.filter(|portal| portal.is_at(&gateway));
                Portal {
                    gateway,
                    ca: self.ca.clone().or(theirs.and_then(|portal| portal.ca)),
                }
            }
            (None, _) if configured => return Ok(Way::Socket(&self.at)),
            (None, Some(portal)) => Portal {
                ca: self.ca.clone().or(portal.ca),
                ..portal
            },
            (None, None) => return Err(nowhere(&self.at.config)),
        };
        match portal.gateway.scheme_str() == Some("https") && portal.gateway.host().is_some() {
            true => Ok(Way::Server(portal)),
            false => Err(Exit::refused_with(
                format!("{} is no address of a gateway", portal.gateway),
                "write https://HOST:PORT: votes and tokens travel over TLS alone",
            )),
        }
    }

    fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, Exit> {
        match self.way(Surroundings::here(self))? {
            Way::Socket(at) => self.by_socket(at, call),
            Way::Server(portal) => {
                let token = token_for(&portal, self.token_file.as_deref())?;
                by_server(&portal, &token, call)
            }
        }
    }

    fn by_socket<T: DeserializeOwned>(&self, at: &Whereabouts, call: Call) -> Result<T, Exit> {
        let (method, path) = call.socket;
        let mut body = call.body;
        if call.own {
            let token = own_token(self.token_file.as_deref())?;
            if body.is_null() {
                body = Value::Object(serde_json::Map::new());
            }
            body["token"] = token.as_str().into();
        }
        match method == Method::GET {
            true => at.get(&path),
            false => at.send(method, &path, &body),
        }
    }
}

fn nowhere(config: &Path) -> Exit {
    Exit::Unanswered {
        message: format!(
            "no gateway is named: {} cannot be read, and nobody is logged in here",
            config.display()
        ),
        hint: "log in with `portcullis login --gateway https://HOST:PORT`, or name the gateway with `--gateway` and give a token; on its host root names its socket or its configuration"
            .to_owned(),
    }
}

fn by_server<T: DeserializeOwned>(portal: &Portal, token: &str, call: Call) -> Result<T, Exit> {
    let (method, path) = call.server;
    let look = method == Method::GET;
    let sent = match look {
        true => Sent::Nothing,
        false => Sent::Json(serde_json::to_vec(&call.body).map_err(io::Error::from)?),
    };
    let bounds = Bounds {
        bytes: ANSWER_BYTES_MAX,
        time: if look { LOOK_MAX } else { ACT_MAX },
    };
    let (status, body) = portal
        .call_within(bounds, method, &path, Some(token), sent)
        .map_err(|exit| if look { exit } else { unsure(exit) })?;
    match status.is_success() {
        true => serde_json::from_slice(&body)
            .map_err(|_| portal.unreachable("its answer is not a gateway's")),
        false => Err(refused(portal, status, &path, &body)),
    }
}

/// What was sent may have been done although no answer came.
fn unsure(exit: Exit) -> Exit {
    match exit {
        Exit::Unanswered { message, hint } => Exit::Unanswered {
            message,
            hint: format!("{hint}; look whether it was done before you do it again"),
        },
        other => other,
    }
}

/// A refusal of the API (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
    hint: Option<String>,
}

fn refused(portal: &Portal, status: StatusCode, path: &str, body: &[u8]) -> Exit {
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        return Exit::Refused {
            hint: next_step(portal, status, path, &problem),
            message: escape_line(&problem.detail),
        };
    }
    match serde_json::from_slice::<Refused>(body) {
        Ok(_) if status == StatusCode::NOT_FOUND => Exit::refused_with(
            format!(
                "the gateway at {} does not answer `approvals` and `access`",
                portal.gateway
            ),
            "its operator gives it a console (`console: {}` in its configuration); on its host root uses `--socket`",
        ),
        Ok(other) => Exit::Refused {
            message: escape_line(&other.error),
            hint: other.hint.as_deref().map(escape_line),
        },
        Err(_) => portal.unreachable("its answer is not a gateway's"),
    }
}

/// What to type, where we know it better than the gateway, which does not know that a command asks.
fn next_step(portal: &Portal, status: StatusCode, path: &str, problem: &Problem) -> Option<String> {
    let gateway = &portal.gateway;
    if status == StatusCode::UNAUTHORIZED {
        return Some(format!(
            "log in with `portcullis login --gateway {gateway}`, or give a token that is good with --token-file or PORTCULLIS_TOKEN"
        ));
    }
    if status == StatusCode::FORBIDDEN && problem.detail.contains("fresh login") {
        return Some(format!(
            "prove who you are again with `portcullis login --fresh --gateway {gateway}`; a token of your own has to say when you did (`auth_time`)"
        ));
    }
    if status == StatusCode::NOT_FOUND && path.starts_with("/api/v1/approvals/") {
        return Some(
            "`portcullis approvals list` shows them. Without a role you see your own alone: whoever writes the policies gives the role, `console: { roles: { approver: { groups: [dba] } } }` in their data"
                .to_owned(),
        );
    }
    problem.hint.as_deref().map(escape_line)
}

/// The caller's own token, for a gateway. The one of a login goes nowhere but where it came from.
pub(super) fn token_for(portal: &Portal, file: Option<&Path>) -> Result<Zeroizing<String>, Exit> {
    if file.is_some() || std::env::var_os("PORTCULLIS_TOKEN").is_some() {
        return own_token(file);
    }
    let cache = Cache::open()?;
    let theirs = cache.read()?.portal()?;
    match portal.is_at(&theirs.gateway) {
        true => Ok(cache.token()?.token),
        false => Err(Exit::refused_with(
            format!(
                "you are logged in at {}, and not at {}",
                theirs.gateway, portal.gateway
            ),
            format!(
                "log in there: portcullis login --gateway {}",
                portal.gateway
            ),
        )),
    }
}

/// The caller's own token: from a file, the environment, or the login on this machine.
pub(super) fn own_token(file: Option<&Path>) -> Result<Zeroizing<String>, Exit> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Exit::refused(format!("{}: {error}", path.display())))?,
        None => match std::env::var("PORTCULLIS_TOKEN") {
            Ok(token) => token,
            Err(_) => return Ok(Cache::open()?.token()?.token),
        },
    };
    let text = Zeroizing::new(text);
    Ok(Zeroizing::new(text.trim().to_owned()))
}
