//! The first packets of a connection (protocol section "Start-up"): untagged, at most 10,000 bytes,
//! parsed strictly. It refuses every parameter that is not on the list, in the packet and in `options`,
//! because a parameter can change the role, the search_path or the meaning of text before any policy is
//! asked.

use crate::frame::{Fields, Malformed};
use bytes::{Buf as _, BytesMut};
use portcullis_model::limits::STARTUP_BYTES_MAX;
use std::collections::BTreeMap;

/// One untagged packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// SSLRequest.
    Ssl,
    /// GSSENCRequest.
    Gss,
    /// CancelRequest: process and key.
    Cancel(u32, Vec<u8>),
    /// StartupMessage.
    Startup(Startup),
}

/// A StartupMessage, as far as it is acceptable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Startup {
    /// Minor version asked for.
    pub minor: u16,
    /// `user`.
    pub user: String,
    /// `database`; the user's name if absent.
    pub database: String,
    /// Allowed settings, with `portcullis.reason` and `portcullis.ticket`.
    pub settings: BTreeMap<String, String>,
    /// `replication` was asked for.
    pub replication: Option<Walsender>,
    /// Protocol options (`_pq_.…`) that are not known.
    pub unknown_options: Vec<String>,
}

/// What kind of replication connection is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walsender {
    /// `replication=true`: of the whole cluster; no SQL runs on it.
    Physical,
    /// `replication=database`: SQL runs on it too.
    Logical,
}

impl Walsender {
    /// The parameter's value.
    #[must_use]
    pub fn value(self) -> &'static str {
        match self {
            Self::Physical => "true",
            Self::Logical => "database",
        }
    }
}

/// Why a startup packet is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no startup packet.
    #[error("invalid startup packet")]
    Malformed,
    /// Another major version.
    #[error("unsupported frontend protocol {0}.{1}: the gateway speaks 3.0 and 3.2")]
    Version(u16, u16),
    /// No user.
    #[error("no PostgreSQL user name specified in startup packet")]
    NoUser,
    /// `user`, `database` or `replication` twice: client and server might not pick the same.
    #[error("the startup parameter \"{0}\" is given twice")]
    Twice(String),
    /// Not on the list.
    #[error("the startup parameter \"{0}\" cannot be set through the gateway")]
    Parameter(String),
    /// On the list, with a value that is not.
    #[error("the startup parameter \"{0}\" cannot have this value through the gateway")]
    Value(String),
    /// `options` holds something else than `-c name=value`.
    #[error("startup options are limited to -c name=value with an allowed name")]
    Options,
}

/// What a client may set at startup. `client_encoding` is accepted as UTF8 only.
const ALLOWED: [&str; 9] = [
    "application_name",
    "client_encoding",
    "datestyle",
    "timezone",
    "extra_float_digits",
    "portcullis.reason",
    "portcullis.ticket",
    "portcullis.access_for",
    "portcullis.break_glass",
];

const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;
/// The longest cancel key (protocol 3.2).
const KEY_MAX: usize = 256;
/// One value of a setting.
const VALUE_MAX: usize = 1024;

/// Takes one packet, if it is whole.
///
/// # Errors
/// When it is malformed or asks for what may not be asked for.
pub fn take(buffer: &mut BytesMut) -> Result<Option<Packet>, Unfit> {
    let Some((length, _)) = buffer.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| Unfit::Malformed)?;
    if !(8..=STARTUP_BYTES_MAX).contains(&length) {
        return Err(Unfit::Malformed);
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let mut packet = buffer.split_to(length);
    packet.advance(4);
    parse(&packet).map(Some)
}

fn parse(packet: &[u8]) -> Result<Packet, Unfit> {
    let mut fields = Fields::new(packet);
    let code = fields.int32()?;
    match code {
        SSL_REQUEST => fields.end().map(|()| Packet::Ssl).map_err(Unfit::from),
        GSS_REQUEST => fields.end().map(|()| Packet::Gss).map_err(Unfit::from),
        CANCEL_REQUEST => {
            let process = fields.int32()?.cast_unsigned();
            let key = fields.rest();
            match (4..=KEY_MAX).contains(&key.len()) {
                true => Ok(Packet::Cancel(process, key.to_vec())),
                false => Err(Unfit::Malformed),
            }
        }
        version => {
            let [a, b, c, d] = version.to_be_bytes();
            let (major, minor) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            match major {
                3 => startup(minor, fields).map(Packet::Startup),
                _ => Err(Unfit::Version(major, minor)),
            }
        }
    }
}

impl From<Malformed> for Unfit {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

fn startup(minor: u16, mut fields: Fields<'_>) -> Result<Startup, Unfit> {
    let mut startup = Startup {
        minor,
        ..Startup::default()
    };
    let (mut user, mut database, mut replication) = (None, None, None);
    loop {
        let name = fields.text()?;
        if name.is_empty() {
            break;
        }
        let value = fields.text()?;
        match name {
            "user" => once(&mut user, name, value)?,
            "database" => once(&mut database, name, value)?,
            "replication" => once(&mut replication, name, value)?,
            "options" => options(&mut startup.settings, value)?,
            _ if name.starts_with("_pq_.") => startup.unknown_options.push(name.to_owned()),
            _ => setting(&mut startup.settings, name, value)?,
        }
    }
    fields.end()?;
    startup.replication = match replication {
        Some(value) => asks_replication(&value)?,
        None => None,
    };
    startup.user = user.filter(|u| !u.is_empty()).ok_or(Unfit::NoUser)?;
    startup.database = database
        .filter(|d| !d.is_empty())
        .unwrap_or_else(|| startup.user.clone());
    startup.name_target();
    Ok(startup)
}

impl Startup {
    /// Tools for physical replication name no database but `replication`, whatever they are told: the
    /// target then stands behind the user's name, `login@target`.
    fn name_target(&mut self) {
        let nameless = self.database == "replication";
        if self.replication == Some(Walsender::Physical)
            && nameless
            && let Some((user, target)) = self.user.rsplit_once('@')
            && !user.is_empty()
            && !target.is_empty()
        {
            (self.user, self.database) = (user.to_owned(), target.to_owned());
        }
    }
}

fn once(slot: &mut Option<String>, name: &str, value: &str) -> Result<(), Unfit> {
    match slot.replace(value.to_owned()) {
        None => Ok(()),
        Some(_) => Err(Unfit::Twice(name.to_owned())),
    }
}

/// `replication` takes a boolean, or `database`.
fn asks_replication(value: &str) -> Result<Option<Walsender>, Unfit> {
    match value.to_ascii_lowercase().as_str() {
        "false" | "off" | "no" | "0" => Ok(None),
        "true" | "on" | "yes" | "1" => Ok(Some(Walsender::Physical)),
        "database" => Ok(Some(Walsender::Logical)),
        _ => Err(Unfit::Value("replication".to_owned())),
    }
}

fn setting(settings: &mut BTreeMap<String, String>, name: &str, value: &str) -> Result<(), Unfit> {
    let lower = name.to_ascii_lowercase();
    if !ALLOWED.contains(&lower.as_str()) {
        return Err(Unfit::Parameter(shown(name)));
    }
    let fits = match lower.as_str() {
        "client_encoding" => matches!(
            value.trim_matches('\'').to_ascii_lowercase().as_str(),
            "utf8" | "utf-8" | "unicode"
        ),
        "extra_float_digits" => value.parse::<i8>().is_ok(),
        "datestyle" => {
            !value.is_empty()
                && value
                    .chars()
                    .all(|c| c.is_ascii_alphabetic() || c == ',' || c == ' ')
        }
        "timezone" => {
            !value.is_empty()
                && value
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "/_+-:<>.,".contains(c))
        }
        _ => value.chars().all(|c| !c.is_control()),
    };
    if value.len() > VALUE_MAX || !fits {
        return Err(Unfit::Value(lower));
    }
    settings.insert(lower, value.to_owned());
    Ok(())
}

/// A name as it may be quoted back.
fn shown(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_graphic())
        .take(64)
        .collect()
}

/// `options`, split as the server splits it (`pg_split_opts`): whitespace separates, a backslash takes
/// the next character as it is. Every round of every loop here consumes input.
fn options(settings: &mut BTreeMap<String, String>, text: &str) -> Result<(), Unfit> {
    let words = words(text);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let pair = match word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            Some("") if word == "-c" => words.next().ok_or(Unfit::Options)?.as_str(),
            Some(pair) => pair,
            None => return Err(Unfit::Options),
        };
        let (name, value) = pair.split_once('=').ok_or(Unfit::Options)?;
        if name.is_empty() {
            return Err(Unfit::Options);
        }
        setting(settings, &name.replace('-', "_"), value)?;
    }
    Ok(())
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => word.get_or_insert_default().extend(rest.next()),
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests;
