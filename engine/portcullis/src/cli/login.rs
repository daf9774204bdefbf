//! `login`, `logout`, `whoami`: a person proves who she is to her provider, and this machine keeps a session
//! token of the gateway, for her alone, refreshed by itself.
//!
//! It listens on 127.0.0.1 for the one answer of a browser (RFC 8252), and refuses any that does not carry its
//! own word (`state`); what comes with it is worth something only to whoever knows the PKCE verifier.

use crate::cli::cache::{Cache, Login};
use crate::cli::portal::{Portal, Sent};
use crate::cli::{Exit, Shape, paint};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use clap::Args;
use hyper::{Method, StatusCode};
use portcullis_console::{
    Begun, BrowserWish, DeviceBegun, DeviceWish, Granted, TokenError, WhoAmI,
};
use portcullis_model::escape_line;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

const EXAMPLES: &str = "\
Examples:
  export PORTCULLIS_GATEWAY=https://gateway:6443
  portcullis login                     in a browser on this machine
  portcullis login --device            where there is none: type a code on another device
  portcullis login --fresh             anew, before a vote: your login goes on
  export PGPASSWORD=$(portcullis token show)
  psql -h gateway orders

The token is refreshed by itself until the operator's limit; `portcullis logout` ends it everywhere.";

/// A browser takes this long at most.
const BROWSER_MAX: Duration = Duration::from_secs(600);
/// One request of a browser.
const REQUEST_MAX: Duration = Duration::from_secs(5);
const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// Log in at your identity provider
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LogIn {
    #[command(flatten)]
    portal: Portal,
    /// Which provider, when the gateway has several
    #[arg(long)]
    provider: Option<String>,
    /// Confirm on another device: for machines without a browser
    #[arg(long)]
    device: bool,
    /// Print the address instead of opening a browser
    #[arg(long)]
    no_open: bool,
    /// Prove who you are anew, also where the provider still knows you: what votes take
    #[arg(long)]
    fresh: bool,
}

impl LogIn {
    /// In a browser, at the gateway's only provider.
    #[must_use]
    pub fn at(portal: Portal) -> Self {
        Self {
            portal,
            provider: None,
            device: false,
            no_open: false,
            fresh: false,
        }
    }
}

/// Log out: the login and everything that came of it is over
#[derive(Debug, Args)]
pub struct LogOut {}

/// Whom the gateway takes you for
#[derive(Debug, Args)]
pub struct Who {
    #[command(flatten)]
    shape: Shape,
}

/// Logs in.
///
/// # Errors
/// When the gateway or the provider refuses, or time is up.
pub fn log_in(asked: &LogIn) -> Result<(), Exit> {
    let login = obtain(asked)?;
    let who: WhoAmI =
        asked
            .portal
            .ask(Method::GET, "/v1/whoami", Some(&login.token), Sent::Nothing)?;
    let lasts = match login.refresh {
        Some(_) => "and is refreshed by itself",
        None => "and cannot be refreshed: the provider gave no refresh token",
    };
    let certified = match login.certified {
        Some(_) => "; a key of this machine is certified with it",
        None => "",
    };
    Ok(paint::say(&format!(
        "logged in as {} ({}); the token is good until {} {lasts}{certified}",
        escape_line(&who.name),
        escape_line(&who.groups.join(", ")),
        escape_line(&who.until)
    ))?)
}

/// Logs in, says nothing on standard output, and remembers it.
///
/// # Errors
/// When the gateway or the provider refuses, or time is up.
pub fn obtain(asked: &LogIn) -> Result<Login, Exit> {
    let verifier = random()?;
    let challenge = encode(digest(&SHA256, verifier.as_bytes()).as_ref());
    let redeemed = match asked.device {
        true => on_device(asked, &challenge, &verifier)?,
        false => in_browser(asked, &challenge, &verifier)?,
    };
    let Redeemed {
        granted,
        cache,
        before,
    } = redeemed;
    let login = Login::new(&asked.portal, &granted, (crate::clock::clock())());
    // Whoever was logged in before is not left behind with a login that nobody can end.
    if let Some(before) = before.filter(|before| !(asked.fresh && login.goes_on_from(before))) {
        let _ended = end(&before);
    }
    cache.write(&login)?;
    Ok(cache.certify(login, true).0)
}

/// What a code was worth, and the place where it is remembered: locked since then, so that no other command presents what
/// was there before meanwhile.
struct Redeemed {
    granted: Granted,
    cache: Cache,
    before: Option<Login>,
}

fn in_browser(asked: &LogIn, challenge: &str, verifier: &str) -> Result<Redeemed, Exit> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let state = random()?;
    let wish = BrowserWish {
        provider: asked.provider.clone(),
        port: listener.local_addr()?.port(),
        console: false,
        fresh: asked.fresh,
        challenge: challenge.to_owned(),
        state: state.to_string(),
    };
    let body = serde_json::to_vec(&wish).map_err(io::Error::from)?;
    let begun: Begun = asked
        .portal
        .ask(Method::POST, "/v1/login", None, Sent::Json(body))?;
    if !(begun.url.starts_with("https://") || begun.url.starts_with("http://")) {
        return Err(asked
            .portal
            .unreachable("it sends the browser to no address"));
    }
    let opened = !asked.no_open && open(&begun.url);
    match opened {
        true => eprintln!(
            "waiting for the browser; should none open, go to:\n{}",
            escape_line(&begun.url)
        ),
        false => eprintln!(
            "open this in a browser on this machine:\n{}",
            escape_line(&begun.url)
        ),
    }
    let code = wait(&listener, &state)?;
    redeem(
        asked,
        &[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("code_verifier", verifier),
        ],
    )?
    .ok_or_else(|| Exit::refused("the gateway does not know yet who that was"))
}

fn on_device(asked: &LogIn, challenge: &str, verifier: &str) -> Result<Redeemed, Exit> {
    let wish = DeviceWish {
        provider: asked.provider.clone(),
        challenge: challenge.to_owned(),
        fresh: asked.fresh,
    };
    let body = serde_json::to_vec(&wish).map_err(io::Error::from)?;
    let begun: DeviceBegun =
        asked
            .portal
            .ask(Method::POST, "/v1/login/device", None, Sent::Json(body))?;
    eprintln!(
        "on another device open {} and type {}",
        escape_line(&begun.verification_uri),
        escape_line(&begun.user_code)
    );
    if let Some(complete) = &begun.verification_uri_complete {
        eprintln!("or open {}", escape_line(complete));
    }
    let until = Instant::now() + Duration::from_secs(begun.expires_in.min(3600));
    let pause = Duration::from_secs(begun.interval.clamp(1, 30));
    while Instant::now() < until {
        std::thread::sleep(pause);
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", begun.device_code.as_str()),
            ("code_verifier", verifier),
        ];
        if let Some(redeemed) = redeem(asked, &form)? {
            return Ok(redeemed);
        }
    }
    Err(Exit::refused("nobody has confirmed in time"))
}

/// What a code is worth; nothing yet while another device has not confirmed. Whoever proves anew who they are goes on with
/// the login that is there, and with what stands on it.
fn redeem(asked: &LogIn, form: &[(&str, &str)]) -> Result<Option<Redeemed>, Exit> {
    let portal = &asked.portal;
    let cache = Cache::open()?;
    let before = cache.read().ok();
    let goes_on = before
        .as_ref()
        .filter(|login| asked.fresh && login.is_of(portal));
    let refresh = goes_on.and_then(|login| login.refresh.clone());
    let mut form = form.to_vec();
    form.extend(refresh.as_ref().map(|refresh| ("before", refresh.as_str())));
    let (status, body) = portal.call(Method::POST, "/v1/token", None, Sent::Form(&form))?;
    let strange = || portal.unreachable("its answer is not a gateway's");
    if status == StatusCode::OK {
        let granted = serde_json::from_slice(&body).map_err(|_| strange())?;
        return Ok(Some(Redeemed {
            granted,
            cache,
            before,
        }));
    }
    let refused: TokenError = serde_json::from_slice(&body).map_err(|_| strange())?;
    match refused.error.as_str() {
        "authorization_pending" => Ok(None),
        _ => Err(Exit::Refused {
            message: refused.error_description,
            hint: refused.hint,
        }),
    }
}

/// Opens a browser, if there is one to be had.
fn open(url: &str) -> bool {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let quiet = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    quiet.is_ok()
}

/// Waits for the browser with our own word.
fn wait(listener: &TcpListener, state: &str) -> Result<Zeroizing<String>, Exit> {
    let until = Instant::now() + BROWSER_MAX;
    listener.set_nonblocking(true)?;
    while Instant::now() < until {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        // Whoever else on this machine comes here is sent away and changes nothing.
        if let Some(answer) = hear(stream, state) {
            return answer;
        }
    }
    Err(Exit::refused("no browser came back in time"))
}

/// One request: the code, a refusal of the provider, or nothing of ours.
fn hear(mut stream: TcpStream, state: &str) -> Option<Result<Zeroizing<String>, Exit>> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(REQUEST_MAX)).ok()?;
    let mut text = Zeroizing::new(Vec::new());
    let mut part = [0; 1024];
    while !text.windows(4).any(|w| w == b"\r\n\r\n") {
        let read = stream.read(&mut part).ok().filter(|n| *n > 0)?;
        text.extend_from_slice(&part[..read]);
        if text.len() > REQUEST_BYTES_MAX {
            return None;
        }
    }
    let text = std::str::from_utf8(&text).ok()?;
    let answer = answer(text, state);
    let (status, page) = match &answer {
        Some(Ok(_)) => ("200 OK", "You are logged in. You may close this window."),
        Some(Err(_)) => (
            "200 OK",
            "The login was refused. You may close this window.",
        ),
        None => ("404 Not Found", "There is nothing here."),
    };
    let _said = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    answer
}

/// Reads `GET /callback?code=…&state=… HTTP/1.1`.
fn answer(request: &str, state: &str) -> Option<Result<Zeroizing<String>, Exit>> {
    let target = request.strip_prefix("GET /callback?")?;
    let query = target.split([' ', '\r']).next()?;
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(n, _)| *n == name).map(|(_, v)| v)
    };
    let ours = aws_lc_rs::constant_time::verify_slices_are_equal(
        value("state")?.as_bytes(),
        state.as_bytes(),
    );
    ours.ok()?;
    match (value("code"), value("error")) {
        (Some(code), None) => Some(Ok(Zeroizing::new(code.to_owned()))),
        _ => Some(Err(Exit::refused_with(
            "the identity provider refuses the login",
            "ask whoever runs it; the gateway's log says what it said",
        ))),
    }
}

/// Logs out.
///
/// # Errors
/// When the gateway cannot be told: then the login is forgotten here and not ended there.
pub fn log_out(_: &LogOut) -> Result<(), Exit> {
    let cache = Cache::open()?;
    let login = cache.read()?;
    let told = end(&login);
    cache.forget()?;
    told?;
    Ok(paint::say("logged out: the login is over, everywhere")?)
}

fn end(login: &Login) -> Result<(), Exit> {
    let token = login.refresh.as_ref().unwrap_or(&login.token);
    let form = [("token", token.as_str())];
    let portal = login.portal()?;
    portal
        .ask::<serde_json::Value>(Method::POST, "/v1/logout", None, Sent::Form(&form))
        .map(drop)
}

/// Says who one is.
///
/// # Errors
/// When nobody is logged in, or the gateway refuses.
pub fn who(asked: &Who) -> Result<(), Exit> {
    let login = Cache::open()?.token()?;
    let who: WhoAmI =
        login
            .portal()?
            .ask(Method::GET, "/v1/whoami", Some(&login.token), Sent::Nothing)?;
    if asked.shape.json {
        return Ok(paint::json(&who)?);
    }
    for (name, value) in [
        ("name", who.name),
        ("issuer", who.issuer),
        ("subject", who.subject),
        ("kind", who.kind),
        ("groups", who.groups.join(", ")),
        ("acting", who.actors.join(", ")),
        ("until", who.until),
        ("login", who.token_id.unwrap_or_default()),
        ("gateway", login.gateway.clone()),
    ] {
        paint::say(&format!("{name:8} {}", escape_line(&value)))?;
    }
    Ok(())
}

/// 256 random bits in letters that are safe everywhere.
fn random() -> Result<Zeroizing<String>, Exit> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(&mut *bytes)
        .map_err(|_| Exit::refused("the system has no randomness"))?;
    Ok(Zeroizing::new(encode(&*bytes)))
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_with_our_own_word_counts() {
        let heard = |line: &str| answer(line, "word");
        let good = heard("GET /callback?code=abc&state=word HTTP/1.1\r\n");
        assert_eq!(
            good.and_then(Result::ok).as_deref().map(String::as_str),
            Some("abc")
        );
        let refused = heard("GET /callback?error=access_denied&state=word HTTP/1.1\r\n");
        assert!(matches!(refused, Some(Err(_))));
        for other in [
            "GET /callback?code=abc&state=other HTTP/1.1\r\n",
            "GET /callback?code=abc HTTP/1.1\r\n",
            "POST /callback?code=abc&state=word HTTP/1.1\r\n",
            "GET /favicon.ico HTTP/1.1\r\n",
            "",
        ] {
            assert!(heard(other).is_none(), "{other}");
        }
    }
}
