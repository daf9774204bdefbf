//! The encrypted store. Values come from standard input or a prompt, never from an argument: those are for everybody
//! to see. It refuses to print one.

use crate::assemble;
use crate::cli::admin::block_on;
use crate::cli::{Exit, Shape, explain, paint};
use crate::config;
use clap::{Args, Subcommand};
use portcullis_stream::{Tripwires, strength};
use portcullis_vault::{Held, Secret, SecretRef, Secrets, Store};
use serde_json::json;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use zeroize::Zeroizing;

const EXAMPLES: &str = "\
Examples:
  openssl rand -base64 24 | portcullis secret set pg/admin
  portcullis secret set ssh/passphrase                    asks, and shows nothing
  portcullis secret list
  portcullis secret rotate-key --new-key file:/etc/portcullis/store-key.new

The store and its key are named in `secrets.store` of the configuration. References to entries are written
`store:NAME`. A running gateway sees a changed entry with the next session.";

/// The encrypted store: write, list and remove entries
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum SecretCommand {
    /// Write an entry, from standard input or a prompt
    Set {
        /// Its name: letters, digits, `._-`, with `/` between
        name: String,
        /// Accept a value that can be guessed
        #[arg(long)]
        allow_weak: bool,
        #[command(flatten)]
        place: StorePlace,
    },
    /// The names, never the values
    List {
        #[command(flatten)]
        place: StorePlace,
        #[command(flatten)]
        shape: Shape,
    },
    /// Take an entry out
    Rm {
        /// Its name
        name: String,
        #[command(flatten)]
        place: StorePlace,
    },
    /// Seal everything with another key
    RotateKey {
        /// Where the new key stands; put it in the place of the old one afterwards
        #[arg(long, value_name = "REFERENCE")]
        new_key: String,
        #[command(flatten)]
        place: StorePlace,
    },
}

/// Which store.
#[derive(Debug, Args)]
pub struct StorePlace {
    /// The configuration file
    #[arg(
        long,
        env = "PORTCULLIS_CONFIG",
        hide_env_values = true,
        default_value = "/etc/portcullis/portcullis.yaml"
    )]
    config: PathBuf,
}

/// The store, and its key.
struct Opened {
    store: Store,
    key: Held,
}

pub(super) fn secret(command: &SecretCommand) -> Result<(), Exit> {
    match command {
        SecretCommand::Set {
            name,
            allow_weak,
            place,
        } => set(name, *allow_weak, place),
        SecretCommand::List { place, shape } => list(place, shape.json),
        SecretCommand::Rm { name, place } => {
            let opened = open(place)?;
            let removed = opened.store.remove(opened.key.secret(), name);
            removed.map_err(refused)?;
            Ok(paint::say(&format!("{name} is removed"))?)
        }
        SecretCommand::RotateKey { new_key, place } => rotate(new_key, place),
    }
}

fn set(name: &str, allow_weak: bool, place: &StorePlace) -> Result<(), Exit> {
    let opened = open(place)?;
    let value = value(name)?;
    let bits = strength(&value);
    if bits < portcullis_model::limits::TRIPWIRE_BITS_MIN && !allow_weak {
        return Err(Exit::refused(format!(
            "the value is weak (about {bits} bits): it could be guessed, and would not be masked in responses\n  \
             remedy: use a random one (`openssl rand -base64 24`), or accept the loss with `--allow-weak`"
        )));
    }
    let secret = Secret::new(value.to_vec());
    let written = opened.store.set(opened.key.secret(), name, &secret);
    written.map_err(refused)?;
    Ok(paint::say(&format!(
        "{name} is written; refer to it as `store:{name}`"
    ))?)
}

fn list(place: &StorePlace, as_json: bool) -> Result<(), Exit> {
    let opened = open(place)?;
    let names = opened.store.list(opened.key.secret()).map_err(refused)?;
    if as_json {
        let entries: Vec<_> = names
            .iter()
            .map(|(name, revision)| json!({"name": name, "revision": revision}))
            .collect();
        return Ok(paint::json(&json!({ "entries": entries }))?);
    }
    for (name, revision) in names {
        paint::say(&format!("{name}  (revision {revision})"))?;
    }
    Ok(())
}

fn rotate(new_key: &str, place: &StorePlace) -> Result<(), Exit> {
    let reference: SecretRef = new_key.parse().map_err(|e| Exit::refused(explain(&e)))?;
    let opened = open(place)?;
    let fresh = block_on(async {
        let secrets = Secrets::new(portcullis_vault::Backends::none(), Tripwires::new());
        let read = secrets.at(reference).read().await;
        read.map_err(|error| Exit::refused(explain(&error)))
    })?;
    let count = opened.store.rotate(opened.key.secret(), fresh.secret());
    let count = count.map_err(refused)?;
    Ok(paint::say(&format!(
        "{count} entries are sealed with the new key; put it in the place of the old one now"
    ))?)
}

fn open(place: &StorePlace) -> Result<Opened, Exit> {
    let loaded = config::load(&place.config).map_err(|e| Exit::refused(e.to_string()))?;
    let Some((path, key)) = assemble::secrets::store(&loaded, &Tripwires::new()) else {
        return Err(Exit::refused(format!(
            "{}: names no store\n  remedy: add `secrets: {{ store: {{ path: secrets.store, key: \"file:store-key\" }} }}`; \
             `openssl rand -hex 32 > store-key` makes a key",
            place.config.display()
        )));
    };
    let key = block_on(async {
        let read = key.read().await;
        read.map_err(|error| Exit::refused(explain(&error)))
    })?;
    Ok(Opened {
        store: Store::at(&path),
        key,
    })
}

fn refused(error: portcullis_vault::StoreError) -> Exit {
    Exit::refused(explain(&error))
}

/// From standard input, without a final line break; from a person without showing it.
fn value(name: &str) -> Result<Zeroizing<Vec<u8>>, Exit> {
    let most = portcullis_model::limits::SECRET_BYTES_MAX;
    let failed = |error: std::io::Error| Exit::refused(format!("read the value: {error}"));
    let _quiet = match std::io::stdin().is_terminal() {
        true => {
            let quiet = Quiet::begin().map_err(failed)?;
            eprint!("value of {name} (it is not shown): ");
            std::io::stderr().flush().map_err(failed)?;
            Some(quiet)
        }
        false => None,
    };
    // Sized up front: a buffer that grows leaves copies behind.
    let mut value = Zeroizing::new(Vec::with_capacity(most + 2));
    match &_quiet {
        Some(_) => {
            let mut byte = Zeroizing::new([0_u8; 1]);
            while value.len() < most && std::io::stdin().read(&mut *byte).map_err(failed)? == 1 {
                if byte[0] == b'\n' {
                    break;
                }
                value.push(byte[0]);
            }
            eprintln!();
        }
        None => {
            let mut limited = std::io::stdin().take(most as u64 + 2);
            limited.read_to_end(&mut value).map_err(failed)?;
        }
    }
    let line = value.strip_suffix(b"\n").unwrap_or(&value);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.is_empty() {
        true => Err(Exit::refused("the value is empty".to_owned())),
        false => Ok(Zeroizing::new(line.to_vec())),
    }
}

/// A terminal that does not echo, until this is dropped.
struct Quiet(libc::termios);

impl Quiet {
    fn begin() -> std::io::Result<Self> {
        let mut before = std::mem::MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the pointer is to room for one `termios`, which the call fills when it returns 0.
        let before = match unsafe { libc::tcgetattr(libc::STDIN_FILENO, before.as_mut_ptr()) } {
            0 => unsafe { before.assume_init() },
            _ => return Err(std::io::Error::last_os_error()),
        };
        let mut quiet = before;
        quiet.c_lflag &= !libc::ECHO;
        match apply(&quiet) {
            0 => Ok(Self(before)),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

/// What was typed ahead is dropped: it was shown.
fn apply(terminal: &libc::termios) -> libc::c_int {
    // SAFETY: the pointer is to a `termios` that the system itself has filled.
    unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, terminal) }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        apply(&self.0);
    }
}
