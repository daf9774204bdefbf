//! Who is logged in on this machine: one file, for the user alone (0600 in a 0700 folder), written beside and
//! renamed, under a lock, so that two commands never present one refresh token twice.
//!
//! It refuses a file that others can read, and one that belongs to somebody else.

use crate::cli::Exit;
use crate::cli::certificates::{self, Files};
use crate::cli::portal::{Portal, Sent};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::{Method, StatusCode};
use portcullis_console::{Granted, TokenError};
use portcullis_model::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// A token that is good for less than this is refreshed before it is used.
const FRESH: Duration = Duration::from_secs(120);
/// Where a session token says whose subject it is: two providers may know different people by the same one.
const ISSUER: &str = "/portcullis/identity/principal/issuer";
const FILE_BYTES_MAX: u64 = 128 * 1024;

/// What is remembered.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The gateway's HTTPS listener.
    pub gateway: String,
    /// Its authority.
    pub ca: Option<PathBuf>,
    /// The session token.
    pub token: Zeroizing<String>,
    /// What refreshes it.
    pub refresh: Option<Zeroizing<String>>,
    /// When the token ends.
    pub until: Timestamp,
    /// When the certificates end, where the gateway gives any.
    #[serde(default)]
    pub certified: Option<Timestamp>,
}

impl Login {
    /// As the token endpoint gives it.
    #[must_use]
    pub fn new(portal: &Portal, granted: &Granted, now: Timestamp) -> Self {
        Self {
            gateway: portal.gateway.to_string(),
            // A relative path leads elsewhere from the next folder.
            ca: (portal.ca.as_ref())
                .map(|ca| std::path::absolute(ca).unwrap_or_else(|_| ca.clone())),
            token: granted.access_token.clone(),
            refresh: granted.refresh_token.clone(),
            until: now.after(Duration::from_secs(granted.expires_in)),
            certified: None,
        }
    }

    /// True when this is that login, proved anew: the gateway has said the same name for it. One that cannot be refreshed
    /// has another name, and ends by itself soon: of the same person it is left to that.
    pub fn goes_on_from(&self, before: &Self) -> bool {
        let said = |login: &Self, member: &str| {
            let claims = login.token.split('.').nth(1)?;
            let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(claims).ok()?);
            let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
            claims.pointer(member)?.as_str().map(str::to_owned)
        };
        let same = |member| {
            let said = [said(self, member), said(before, member)];
            matches!(said, [Some(a), Some(b)] if a == b)
        };
        let same_person = || same("/sub") && same(ISSUER);
        before.portal().is_ok_and(|portal| self.is_of(&portal))
            && (same("/sid") || before.refresh.is_none() && same_person())
    }

    /// True when that gateway has given it, however its address is written.
    pub fn is_of(&self, portal: &Portal) -> bool {
        self.portal().is_ok_and(|own| portal.is_at(&own.gateway))
    }

    /// Where it came from.
    ///
    /// # Errors
    /// When what is remembered is no address.
    pub fn portal(&self) -> Result<Portal, Exit> {
        let gateway = self.gateway.parse();
        Ok(Portal {
            gateway: gateway.map_err(|_| Exit::refused("the login names no gateway"))?,
            ca: self.ca.clone(),
        })
    }
}

/// The place, locked while this lives.
pub struct Cache {
    file: PathBuf,
    _lock: File,
}

impl Cache {
    /// `PORTCULLIS_HOME`, or `portcullis` in the user's state folder.
    ///
    /// # Errors
    /// When there is none, or it cannot be locked.
    pub fn open() -> Result<Self, Exit> {
        let folder = folder()?;
        let failed = |error: io::Error| Exit::refused(format!("{}: {error}", folder.display()));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(failed)?;
        ours(&folder, 0o022)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join("lock"))
            .map_err(failed)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
        Ok(Self {
            file: folder.join("login.json"),
            _lock: lock,
        })
    }

    /// Who is logged in.
    ///
    /// # Errors
    /// When nobody is.
    pub fn read(&self) -> Result<Login, Exit> {
        let nobody = || {
            Exit::refused_with(
                "nobody is logged in here",
                "log in with `portcullis login`, or set PORTCULLIS_TOKEN to a token of yours",
            )
        };
        let size = match std::fs::metadata(&self.file) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(nobody()),
            Err(error) => return Err(Exit::Output(error)),
        };
        ours(&self.file, 0o077)?;
        if size > FILE_BYTES_MAX {
            return Err(nobody());
        }
        let text = Zeroizing::new(std::fs::read(&self.file)?);
        serde_json::from_slice(&text).map_err(|_| nobody())
    }

    /// Remembers a login in the place of any other.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, login: &Login) -> Result<(), Exit> {
        let text = Zeroizing::new(serde_json::to_vec(login).map_err(io::Error::from)?);
        write_private(&self.file, &text)?;
        self.follow(&login.token)
    }

    /// A file beside the login.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.file.with_file_name(name)
    }

    /// The password file of libpq that follows the login, if `setup psql` has made one.
    #[must_use]
    pub fn password_file(&self) -> PathBuf {
        self.beside("pgpass")
    }

    /// Makes the password file for a listener, with the token that is good now.
    ///
    /// # Errors
    /// When nobody is logged in, or it cannot be written.
    pub fn keep_password_file(&self, listener: &str) -> Result<(), Exit> {
        let token = self.token()?.token;
        let line = Zeroizing::new(format!("{listener}:*:*:{}\n", *token));
        write_private(&self.password_file(), line.as_bytes())
    }

    /// Puts another token into the password file, where there is one.
    fn follow(&self, token: &str) -> Result<(), Exit> {
        let Ok(text) = std::fs::read_to_string(self.password_file()).map(Zeroizing::new) else {
            return Ok(());
        };
        match text.split_once(":*:*:") {
            Some((listener, _)) => {
                let line = Zeroizing::new(format!("{listener}:*:*:{token}\n"));
                write_private(&self.password_file(), line.as_bytes())
            }
            None => Ok(()),
        }
    }

    /// Forgets it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn forget(&self) -> Result<(), Exit> {
        Files::beside(self).forget()?;
        for file in [&self.file, &self.password_file()] {
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// A token that is good for a while: the one that is there, or a new one for its refresh token.
    ///
    /// # Errors
    /// When nobody is logged in, or the gateway has ended it.
    pub fn token(&self) -> Result<Login, Exit> {
        let login = self.fresh()?;
        let now = (crate::clock::clock())();
        match login.certified {
            Some(until) if until <= now.after(FRESH) => Ok(self.certify(login, false).0),
            _ => Ok(login),
        }
    }

    /// Has the key of this machine certified for a login, and remembers until when; whether it was. The token is good
    /// without.
    pub fn certify(&self, mut login: Login, fresh_key: bool) -> (Login, bool) {
        let certified = certificates::certify(self, &login, fresh_key);
        let done = matches!(certified, Ok(Some(_)));
        match certified {
            Ok(until) => {
                login.certified = until;
                if let Err(error) = self.write(&login) {
                    let error = error.shown().0;
                    eprintln!("portcullis: the login is not remembered: {error}");
                }
            }
            Err(error) => {
                let error = error.shown().0;
                eprintln!("portcullis: there are no new certificates: {error}");
            }
        }
        (login, done)
    }

    fn fresh(&self) -> Result<Login, Exit> {
        let login = self.read()?;
        let now = (crate::clock::clock())();
        if login.until > now.after(FRESH) {
            return Ok(login);
        }
        let Some(refresh) = &login.refresh else {
            return match login.until > now {
                true => Ok(login),
                false => Err(over("the login has ended")),
            };
        };
        let portal = login.portal()?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let (status, body) = portal.call(Method::POST, "/v1/token", None, Sent::Form(&form))?;
        if status == StatusCode::OK {
            let granted: Granted = serde_json::from_slice(&body)
                .map_err(|_| portal.unreachable("its answer is not a gateway's"))?;
            // Until when its certificates are good stays known, should none be had now: they are asked for again.
            let fresh = Login {
                certified: login.certified,
                ..Login::new(&portal, &granted, now)
            };
            // The refresh token is another one now: it is kept before anything else can fail.
            self.write(&fresh)?;
            return Ok(match login.certified {
                Some(_) => self.certify(fresh, false).0,
                None => fresh,
            });
        }
        let refused: TokenError = serde_json::from_slice(&body)
            .map_err(|_| portal.unreachable("its answer is not a gateway's"))?;
        if refused.error == "invalid_grant" {
            self.forget()?;
            return Err(over(&refused.error_description));
        }
        // The gateway or the provider is down: what is there may still do.
        match login.until > now {
            true => Ok(login),
            false => Err(Exit::refused(refused.error_description)),
        }
    }
}

fn over(why: &str) -> Exit {
    Exit::refused_with(why, "log in again: portcullis login")
}

fn folder() -> Result<PathBuf, Exit> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    set("PORTCULLIS_HOME")
        .or_else(|| set("XDG_STATE_HOME").map(|p| p.join("portcullis")))
        .or_else(|| set("HOME").map(|p| p.join(".local/state/portcullis")))
        .ok_or_else(|| Exit::refused_with("there is no home folder", "set PORTCULLIS_HOME"))
}

/// Refuses what belongs to somebody else, or has any of these bits.
fn ours(path: &Path, bits: u32) -> Result<(), Exit> {
    let found = std::fs::metadata(path)?;
    let mine = found.uid() == rustix::process::geteuid().as_raw();
    match mine && found.mode() & bits == 0 {
        true => Ok(()),
        false => Err(Exit::refused_with(
            format!("{} is not yours alone", path.display()),
            "remove it and log in again",
        )),
    }
}

/// Writes a file for the user alone, whole or not at all.
///
/// # Errors
/// When the file system refuses.
pub fn write_private(path: &Path, text: &[u8]) -> Result<(), Exit> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(gateway: &str, claims: &str, refresh: Option<&str>) -> Login {
        Login {
            gateway: gateway.to_owned(),
            ca: None,
            token: Zeroizing::new(format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))),
            refresh: refresh.map(|text| Zeroizing::new(text.to_owned())),
            until: Timestamp(0),
            certified: None,
        }
    }

    #[test]
    fn a_login_goes_on_under_its_name_and_one_without_a_refresh_token_is_left_to_its_end() {
        let gw = "https://gw.example";
        let claims = |sub: &str, sid: &str, issuer: &str| {
            let identity = serde_json::json!({"principal": {"issuer": issuer, "subject": sub}});
            serde_json::json!({"sub": sub, "sid": sid, "portcullis": {"identity": identity}})
                .to_string()
        };
        let own = &claims("ana", "1", "corp");
        let (other, elsewhere) = (&claims("ana", "2", "corp"), &claims("ana", "2", "partner"));
        let (bea, nobodys) = (&claims("bea", "2", "corp"), r#"{"sub":"ana","sid":"2"}"#);
        let now = login(gw, own, Some("r"));
        for (gateway, claims, refresh, on) in [
            (gw, own.as_str(), Some("r"), true),
            (gw, other, Some("r"), false),
            (gw, other, None, true),
            (gw, elsewhere, None, false),
            (gw, nobodys, None, false),
            (gw, bea, None, false),
            ("https://other.example", own, Some("r"), false),
            ("https://other.example", own, None, false),
            // The same place, in other words.
            ("https://GW.example:443/", own, Some("r"), true),
            ("https://gw.example:444", own, Some("r"), false),
            ("http://gw.example", own, Some("r"), false),
            ("what is that", own, Some("r"), false),
            (gw, "{}", None, false),
            (gw, "what", Some("r"), false),
        ] {
            let before = login(gateway, claims, refresh);
            assert_eq!(now.goes_on_from(&before), on, "{gateway} {claims}");
        }
    }

    #[test]
    fn a_refresh_token_goes_back_to_the_gateway_that_gave_it_however_that_is_written() {
        let kept = login("https://gw.example/", "{}", Some("r"));
        for (gateway, theirs) in [
            ("https://gw.example", true),
            ("https://gw.example:443", true),
            ("https://GW.example", true),
            ("https://gw.example:6443", false),
            ("http://gw.example", false),
            ("https://gw.example.evil", false),
        ] {
            let portal = Portal {
                gateway: gateway.parse().expect("an address"),
                ca: None,
            };
            assert_eq!(kept.is_of(&portal), theirs, "{gateway}");
        }
    }
}
