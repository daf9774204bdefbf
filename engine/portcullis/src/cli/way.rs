//! The way to the approval desk: over the admin socket for whoever runs the gateway, over its HTTPS listener for
//! everybody else. A command says once what it wants ([`desk`]), and does not know which way it goes.
//!
//! It refuses plain http, a redirect (by not following any), and to send a login to another gateway than the one that gave
//! it, also over a socket: whose that is, the configuration says, and where it does not, a token is given. Nothing is sent
//! twice: a vote that got no answer may have been counted.

mod desk;
#[cfg(test)]
mod tests;

pub use desk::{Access, Away, Ballot, Link, More, Said};

use crate::cli::cache::Cache;
use crate::cli::portal::{Bounds, Portal, Sent};
use crate::cli::{Exit, Whereabouts};
use crate::config;
use clap::Args;
use hyper::{Method, StatusCode, Uri};
use portcullis_console::Refused;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// As over the socket: a list of requests shows what each would run.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The gateway begins every answer within ten seconds (`limits::HANDSHAKE_MAX`); the rest is the way.
const LOOK_MAX: Duration = Duration::from_secs(30);
/// However little time is left to whoever waits: a slow answer is not taken for none.
const LOOK_LEAST: Duration = Duration::from_secs(10);
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
        // What is no text is no address either, and is refused as such.
        let gateway = set("PORTCULLIS_GATEWAY").map(|url| url.to_string_lossy().into_owned());
        let configured = readable(&reach.at.config);
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

/// A variable of the environment; an empty one is not set.
fn set(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Also one that was named on purpose: whoever may not read it does not run the gateway.
fn readable(config: &Path) -> bool {
    std::fs::File::open(config).is_ok()
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
        portal.check()?;
        match portal.gateway.scheme_str() == Some("https") && portal.gateway.host().is_some() {
            true => Ok(Way::Server(portal)),
            false => Err(Exit::refused_with(
                format!("{} is no address of a gateway", portal.gateway),
                "write https://HOST:PORT: votes and tokens travel over TLS alone",
            )),
        }
    }

    /// Refuses where nothing names a gateway.
    pub fn leads_somewhere(&self) -> Result<(), Exit> {
        self.way(Surroundings::here(self)).map(drop)
    }

    fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, Exit> {
        self.ask_within(None, call)
    }

    fn ask_within<T: DeserializeOwned>(
        &self,
        left: Option<Duration>,
        call: Call,
    ) -> Result<T, Exit> {
        match self.way(Surroundings::here(self))? {
            // Over the socket a look is short by itself.
            Way::Socket(at) => self.by_socket(at, call),
            Way::Server(portal) => {
                let token = token_for(&portal, self.token_file.as_deref())?;
                by_server(&portal, &token, left, call)
            }
        }
    }

    fn by_socket<T: DeserializeOwned>(&self, at: &Whereabouts, call: Call) -> Result<T, Exit> {
        let (method, path) = call.socket;
        let mut body = call.body;
        if call.own {
            let token = match given(self.token_file.as_deref(), set("PORTCULLIS_TOKEN"))? {
                Some(token) => token,
                None => token_for_socket(at)?,
            };
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

fn by_server<T: DeserializeOwned>(
    portal: &Portal,
    token: &str,
    left: Option<Duration>,
    call: Call,
) -> Result<T, Exit> {
    let (method, path) = call.server;
    let look = method == Method::GET;
    let sent = match look {
        true => Sent::Nothing,
        false => Sent::Json(serde_json::to_vec(&call.body).map_err(io::Error::from)?),
    };
    let bounds = Bounds {
        bytes: ANSWER_BYTES_MAX,
        time: match look {
            true => left.map_or(LOOK_MAX, |left| left.clamp(LOOK_LEAST, LOOK_MAX)),
            false => ACT_MAX,
        },
    };
    let answer = portal.call_within(bounds, method, &path, Some(token), sent);
    let answer = answer.and_then(|(status, body)| match status.is_success() {
        true => serde_json::from_slice(&body)
            .map_err(|_| portal.unreachable("its answer is not a gateway's")),
        false => Err(refused(portal, status, &path, &body)),
    });
    // Neither its word nor its refusal: something on the way may have answered in its place, after it.
    answer.map_err(|exit| if look { exit } else { unsure(exit) })
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
        let hint = next_step(portal, status, path, &problem);
        return Exit::by_status(status, problem.detail, hint);
    }
    match serde_json::from_slice::<Refused>(body) {
        Ok(_) if status == StatusCode::NOT_FOUND => Exit::refused_with(
            format!(
                "the gateway at {} does not answer `approvals` and `access`",
                portal.gateway
            ),
            "its operator gives it a console (`console: {}` in its configuration); on its host root uses `--socket`",
        ),
        Ok(other) => Exit::by_status(status, other.error, other.hint),
        Err(_) => portal.unreachable("its answer is not a gateway's"),
    }
}

/// The rules that ask for a fresh login, as refusals name them.
const FRESH_LOGIN: [&str; 3] = [
    "(console/fresh-login)",
    "(approval/fresh-login)",
    "(approval/glass-login)",
];

/// Which gateway, as `login` is told: with its authority, where it is not one of the public ones.
fn there(portal: &Portal) -> String {
    let gateway = &portal.gateway;
    match &portal.ca {
        Some(ca) => format!("--gateway {gateway} --ca {}", ca.display()),
        None => format!("--gateway {gateway}"),
    }
}

/// What to type, where we know it better than the gateway, which does not know that a command asks.
fn next_step(portal: &Portal, status: StatusCode, path: &str, problem: &Problem) -> Option<String> {
    let there = there(portal);
    if status == StatusCode::UNAUTHORIZED {
        return Some(format!(
            "log in with `portcullis login {there}`, or give a token that is good with --token-file or PORTCULLIS_TOKEN"
        ));
    }
    let stale = FRESH_LOGIN.iter().any(|rule| problem.detail.contains(rule));
    if status == StatusCode::FORBIDDEN && stale {
        return Some(format!(
            "prove who you are again with `portcullis login --fresh {there}`; a token of your own has to say when you did (`auth_time`)"
        ));
    }
    if status == StatusCode::NOT_FOUND && path.starts_with("/api/v1/approvals/") {
        return Some(
            "`portcullis approvals list` shows them. Without a role you see your own alone: whoever writes the policies gives the role, `console: { roles: { approver: { groups: [dba] } } }` in their data"
                .to_owned(),
        );
    }
    problem.hint.clone()
}

/// The caller's own token, for a gateway. The one of a login goes nowhere but where it came from.
pub(super) fn token_for(portal: &Portal, file: Option<&Path>) -> Result<Zeroizing<String>, Exit> {
    portal.check()?;
    if let Some(token) = given(file, set("PORTCULLIS_TOKEN"))? {
        return Ok(token);
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
            format!("log in there: portcullis login {}", there(portal)),
        )),
    }
}

/// The token of the login, for the gateway behind a socket: the one that gave it, as the configuration says whose socket it
/// is. Of a socket that was named nothing says whose it is.
fn token_for_socket(at: &Whereabouts) -> Result<Zeroizing<String>, Exit> {
    let cache = Cache::open()?;
    let theirs = cache.read()?.portal()?;
    let its = match &at.socket {
        Some(_) => None,
        None => config::load(&at.config)?
            .config
            .login
            .map(|login| login.url),
    };
    match is_of(&theirs, its.as_deref()) {
        true => Ok(cache.token()?.token),
        false => Err(Exit::refused_with(
            format!(
                "you are logged in at {}, and nothing says that this socket is that gateway's",
                theirs.gateway
            ),
            format!(
                "ask it over HTTPS with `--gateway {}`, or give a token with --token-file or PORTCULLIS_TOKEN",
                theirs.gateway
            ),
        )),
    }
}

/// True where a gateway says of itself (`login.url`) that it is the one of a login.
fn is_of(login: &Portal, url: Option<&str>) -> bool {
    let url = url.and_then(|url| url.parse::<Uri>().ok());
    url.is_some_and(|url| login.is_at(&url))
}

/// The token that was given: in a file, or the environment. One that cannot be read is not one that was not given.
fn given(
    file: Option<&Path>,
    variable: Option<OsString>,
) -> Result<Option<Zeroizing<String>>, Exit> {
    match (file, variable) {
        (Some(file), _) => token_in(file).map(Some),
        (None, None) => Ok(None),
        (None, Some(text)) => match text.into_string().map(Zeroizing::new) {
            Ok(text) => Ok(Some(Zeroizing::new(text.trim().to_owned()))),
            Err(_) => Err(Exit::refused_with(
                "PORTCULLIS_TOKEN is no token: it is not UTF-8",
                "set it to a token of yours, or take it out to use your login",
            )),
        },
    }
}

/// The token in a file.
pub(super) fn token_in(file: &Path) -> Result<Zeroizing<String>, Exit> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.map_err(|error| Exit::refused(format!("{}: {error}", file.display())))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}
