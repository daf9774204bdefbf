//! `token`: your own token, and what it buys from a gateway over its HTTPS listener. It comes from a file, the
//! environment or the login on this machine, never from the command line; the answer goes to standard output
//! and nowhere else. What a shell is to run is quoted; it refuses what no quotes hold in every shell.

use crate::cli::portal::{Portal, Sent};
use crate::cli::{Exit, Shape, paint};
use crate::config::Period;
use clap::{Args, Subcommand};
use hyper::{Method, StatusCode};
use portcullis_console::{Granted, IssuedLogin, LoginWish, TokenError};
use std::io;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Your token, and what it buys.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Print the token of your login, refreshed when that is due: for the place where a password goes
    Show,
    /// Refresh the login and its certificates when that is due, and print nothing: for `Match exec` of ssh
    Renew(Renew),
    /// A database login of minutes, for clients that must not show a password (channel_binding=require)
    #[command(after_help = EXAMPLES)]
    Database(Database),
    /// A token of an agent that acts for you, narrowed to what it needs (RFC 8693)
    #[command(after_help = EXCHANGE)]
    Exchange(Exchange),
}

const EXAMPLES: &str = "\
Examples:
  export PORTCULLIS_TOKEN=$(my-idp token)
  eval \"$(portcullis token database --gateway https://gateway:6443)\"
  psql 'host=gateway port=6432 dbname=orders sslmode=verify-full channel_binding=require'

The login is yours: policy, approvals and the record see your identity. It ends by itself, and with your token.";

const EXCHANGE: &str = "\
Examples:
  portcullis token exchange --actor-token-file /run/agent/token --target orders --read-only --task 'report 7'

What comes out stands for you and names the agent: policy sees both. It ends with the earlier of the two tokens,
opens no other target, and ends at once when you log out.";

/// A renewal.
#[derive(Debug, Args)]
pub struct Renew {
    /// Get new certificates whether they are due or not: after a restart of the gateway
    #[arg(long)]
    now: bool,
}

/// A database login.
#[derive(Debug, Args)]
pub struct Database {
    #[command(flatten)]
    portal: Portal,
    /// How long it is good for, at most an hour
    #[arg(long = "for", default_value = "15m")]
    lasts: Period,
    /// File with your token; PORTCULLIS_TOKEN or your login when not given
    #[arg(long)]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

/// An exchange.
#[derive(Debug, Args)]
pub struct Exchange {
    #[command(flatten)]
    portal: Portal,
    /// File with the agent's own token
    #[arg(long)]
    actor_token_file: PathBuf,
    /// File with your token; PORTCULLIS_TOKEN or your login when not given
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// A target that it opens; may be given several times. All that policy grants when not given
    #[arg(long = "target")]
    targets: Vec<String>,
    /// It only reads
    #[arg(long)]
    read_only: bool,
    /// What for, in your own words: it is on record, and policies and approvers see it
    #[arg(long)]
    task: Option<String>,
    /// How long it is good for, at most an hour
    #[arg(long = "for", default_value = "15m")]
    lasts: Period,
    #[command(flatten)]
    shape: Shape,
}

/// Runs it.
///
/// # Errors
/// When no gateway answers, or it refuses.
pub fn token(token: &Token) -> Result<(), Exit> {
    match token {
        Token::Show => print(&super::cache::Cache::open()?.token()?.token),
        Token::Renew(asked) => renew(asked),
        Token::Database(asked) => database(asked),
        Token::Exchange(asked) => exchange(asked),
    }
}

fn renew(asked: &Renew) -> Result<(), Exit> {
    let cache = super::cache::Cache::open()?;
    let login = cache.token()?;
    match asked.now && !cache.certify(login, false).1 {
        true => Err(Exit::refused("there are no certificates")),
        false => Ok(()),
    }
}

fn print(secret: &str) -> Result<(), Exit> {
    if secret.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Exit::refused(
            "what the gateway gave is no token: it holds controls",
        ));
    }
    let line = Zeroizing::new(format!("{secret}\n"));
    io::Write::write_all(&mut io::stdout(), line.as_bytes())?;
    Ok(())
}

fn database(asked: &Database) -> Result<(), Exit> {
    let proof = super::way::token_for(&asked.portal, asked.token_file.as_deref())?;
    let wish = LoginWish {
        seconds: asked.lasts.0.as_secs(),
    };
    let body = serde_json::to_vec(&wish).map_err(io::Error::from)?;
    let path = "/v1/logins/database";
    let sent = Sent::Json(body);
    let login: IssuedLogin = asked.portal.ask(Method::POST, path, Some(&proof), sent)?;
    let text = match asked.shape.json {
        true => paint::tame_json(&Zeroizing::new(
            serde_json::to_string(&login).map_err(io::Error::from)?,
        )),
        false => lines_for_a_shell(&login).ok_or_else(|| {
            let why = "its login holds what no shell can be given";
            asked.portal.unreachable(why)
        })?,
    };
    print(&Zeroizing::new(text))
}

/// What `eval` runs: whatever the gateway has answered, it sets two variables and does nothing else.
fn lines_for_a_shell(login: &IssuedLogin) -> Option<String> {
    let of_times = |c: char| c.is_ascii_alphanumeric() || "-:.+".contains(c);
    if !login.until.chars().all(of_times) {
        return None;
    }
    Some(format!(
        "export PGUSER={}\nexport PGPASSWORD={}\n# until {}",
        *Zeroizing::new(shell_word(&login.user)?),
        *Zeroizing::new(shell_word(&login.password)?),
        login.until
    ))
}

/// A text as one word of a shell: in single quotes, where nothing means anything but the quote, and in some shells the
/// backslash. That and controls are in no login.
fn shell_word(text: &str) -> Option<String> {
    let fits = !text.chars().any(|c| c.is_control() || c == '\\');
    fits.then(|| format!("'{}'", text.replace('\'', "'\\''")))
}

fn exchange(asked: &Exchange) -> Result<(), Exit> {
    let subject = super::way::token_for(&asked.portal, asked.token_file.as_deref())?;
    let actor = super::way::token_in(&asked.actor_token_file)?;
    let mut scope: Vec<String> = asked
        .targets
        .iter()
        .map(|t| format!("target:{t}"))
        .collect();
    scope.extend(asked.read_only.then(|| "read_only".to_owned()));
    let (scope, seconds) = (scope.join(" "), asked.lasts.0.as_secs().to_string());
    let jwt = "urn:ietf:params:oauth:token-type:jwt";
    let mut form = vec![
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", subject.as_str()),
        ("subject_token_type", jwt),
        ("actor_token", actor.as_str()),
        ("actor_token_type", jwt),
        ("expires_in", seconds.as_str()),
    ];
    if !scope.is_empty() {
        form.push(("scope", &scope));
    }
    form.extend(asked.task.as_deref().map(|task| ("task", task)));
    let portal = &asked.portal;
    let (status, body) = portal.call(Method::POST, "/v1/token", None, Sent::Form(&form))?;
    let strange = || portal.unreachable("its answer is not a gateway's");
    if status != StatusCode::OK {
        let refused: TokenError = serde_json::from_slice(&body).map_err(|_| strange())?;
        return Err(Exit::Refused {
            message: refused.error_description,
            hint: refused.hint,
        });
    }
    let granted: Granted = serde_json::from_slice(&body).map_err(|_| strange())?;
    match asked.shape.json {
        true => print(&Zeroizing::new(paint::tame_json(&Zeroizing::new(
            serde_json::to_string(&granted).map_err(io::Error::from)?,
        )))),
        false => print(&granted.access_token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn login(user: &str, password: &str, until: &str) -> IssuedLogin {
        IssuedLogin {
            user: user.to_owned(),
            password: Zeroizing::new(password.to_owned()),
            until: until.to_owned(),
        }
    }

    #[test]
    fn a_shell_runs_nothing_of_what_a_gateway_answers() {
        let until = "2026-11-28T12:00:00.000Z";
        for (user, password) in [
            ("pcl_x", "pcs_y"),
            ("x;echo RUN", "`echo RUN`"),
            ("$(echo RUN)", "y|echo RUN"),
            ("x';echo RUN;'", "'\"$HOME\"'"),
            ("", " two  words # "),
        ] {
            let lines = lines_for_a_shell(&login(user, password, until)).expect("lines");
            let script = "eval \"$1\"; printf '%s\\n%s' \"$PGUSER\" \"$PGPASSWORD\"";
            let shown = Command::new("sh")
                .args(["-c", script, "sh", &lines])
                .output()
                .expect("a shell");
            let shown = String::from_utf8(shown.stdout).expect("text");
            assert_eq!(shown, format!("{user}\n{password}"), "{lines}");
        }
    }

    #[test]
    fn what_quotes_do_not_hold_everywhere_is_refused() {
        let until = "2026-11-28T12:00:00Z";
        for bad in ["x\necho RUN", "x\rRUN", "x\\", "\u{1b}[2J", "x\0"] {
            assert!(
                lines_for_a_shell(&login(bad, "y", until)).is_none(),
                "{bad:?}"
            );
            assert!(
                lines_for_a_shell(&login("x", bad, until)).is_none(),
                "{bad:?}"
            );
        }
        for bad in ["now\necho RUN", "$(echo RUN)", "now; echo RUN", "`x`"] {
            assert!(
                lines_for_a_shell(&login("x", "y", bad)).is_none(),
                "{bad:?}"
            );
        }
    }
}
