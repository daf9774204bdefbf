//! What outlives a restart, in one file that only grows until it is written anew: each line is one thing put or removed,
//! with a MAC over it and over the line before. A line that was cut off by a crash is dropped; any other fault stops the
//! gateway. It refuses to be read without its key, to skip what it cannot read, and to grow over its bound.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parking_lot::Mutex;
use portcullis_model::{Blame, Fault, Timestamp, limits};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What kind of thing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shelf {
    /// Requests that nobody holds bytes for.
    Request,
    /// Grants.
    Grant,
    /// Reviews of broken glass.
    Review,
    /// Delegations.
    Delegation,
    /// Messages that have still to be delivered.
    Message,
    /// Accounts of chat users, by person.
    Account,
}

/// Where the desk keeps what outlives a restart.
pub trait Keep: Send + Sync {
    /// Puts a thing, in the place of an older one with the same id. It is on stable storage afterwards.
    ///
    /// # Errors
    /// When it is not.
    fn put(&self, shelf: Shelf, id: &str, value: Value, at: Timestamp) -> Result<(), Fault>;
    /// Removes a thing, likewise.
    ///
    /// # Errors
    /// When it is not gone for good.
    fn remove(&self, shelf: Shelf, id: &str, at: Timestamp) -> Result<(), Fault>;
}

/// What was found when a store was opened.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The things, by shelf and id.
    pub things: BTreeMap<(Shelf, String), Value>,
    /// The latest time that stands in it.
    pub seen: Timestamp,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system.
    #[error("{doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file without the key.
    #[error(
        "{0} is there and its key is not: restore the key, or move the file away, which forgets what was approved"
    )]
    NoKey(String),
    /// The key is no key.
    #[error("{0} is no key of 32 bytes")]
    Key(String),
    /// The key is no secret.
    #[error("others can read the key {0}: chmod 600 it")]
    KeyMode(String),
    /// Somebody has changed it, or the disk has.
    #[error(
        "line {line} of {path} is not what the gateway wrote: move the file away, which forgets what was approved"
    )]
    Changed {
        /// Which file.
        path: String,
        /// From 1.
        line: usize,
    },
    /// Too much.
    #[error("{0} is larger than any desk")]
    Large(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: Timestamp,
    shelf: Shelf,
    id: String,
    /// None where it is removed.
    value: Option<Value>,
}

const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
/// Hexadecimal, and a tab in front.
const MAC_TEXT: usize = 1 + 2 * MAC_BYTES;
/// What the chain begins with.
const START: &[u8] = b"portcullis/desk/v1";

/// The file.
pub struct FileStore {
    path: PathBuf,
    key: hmac::Key,
    /// [`limits::DESK_FILE_BYTES_MAX`], or less in tests.
    most: u64,
    open: Mutex<Open>,
}

struct Open {
    file: File,
    bytes: u64,
    chain: [u8; MAC_BYTES],
    things: Things,
    /// Bytes of the lines that still say something.
    live: u64,
    broken: bool,
}

type Things = BTreeMap<(Shelf, String), Thing>;

#[derive(Clone)]
struct Thing {
    at: Timestamp,
    value: Value,
    /// Of its line.
    bytes: u64,
}

impl Open {
    /// True when much of the file is about what is gone.
    fn is_stale(&self, most: u64) -> bool {
        self.bytes > most / 2 && self.bytes > self.live + (self.live / 2).max(most / 64)
    }

    /// The thing that was written, or the end of one.
    fn settle(&mut self, line: Line, bytes: u64) {
        let key = (line.shelf, line.id);
        let gone = match line.value {
            Some(value) => {
                self.live += bytes;
                let at = line.at;
                self.things.insert(key, Thing { at, value, bytes })
            }
            None => self.things.remove(&key),
        };
        self.live = self
            .live
            .saturating_sub(gone.map_or(0, |thing| thing.bytes));
    }
}

impl FileStore {
    /// Opens the store, and makes it where neither file nor key is there.
    ///
    /// # Errors
    /// [`StoreError`]: the gateway does not serve then.
    pub fn open(path: &Path, key: &Path) -> Result<(Self, Kept), StoreError> {
        let key = open_key(key, path)?;
        let text = read(path)?;
        let mut chain = first(&key);
        let mut things = BTreeMap::new();
        let mut seen = Timestamp(0);
        for (number, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
            // Only the last one can lack its end: a crash has cut it off, and nobody was told that it counts.
            let Some(line) = line.strip_suffix(b"\n") else {
                break;
            };
            let changed = || StoreError::Changed {
                path: path.display().to_string(),
                line: number + 1,
            };
            let read = checked(&key, &mut chain, line).ok_or_else(changed)?;
            seen = seen.max(read.at);
            match read.value {
                Some(value) => {
                    let (at, bytes) = (read.at, 0);
                    things.insert((read.shelf, read.id), Thing { at, value, bytes })
                }
                None => things.remove(&(read.shelf, read.id)),
            };
        }
        let kept = Kept {
            things: things
                .iter()
                .map(|(k, thing)| (k.clone(), thing.value.clone()))
                .collect(),
            seen,
        };
        let open = anew(path, &key, things, seen)?;
        let store = Self {
            path: path.to_owned(),
            key,
            most: limits::DESK_FILE_BYTES_MAX,
            open: Mutex::new(open),
        };
        Ok((store, kept))
    }

    fn write(&self, line: Line) -> Result<(), Fault> {
        let fault = |error| Fault::new(Blame::Gateway, "keep what people have said", error);
        let mut open = self.open.lock();
        if open.broken {
            return Err(Fault::bare(
                Blame::Gateway,
                "keep what people have said: an earlier write has failed half-way",
            ));
        }
        let (mut text, mut chain) = written(&self.key, &open.chain, &line).map_err(fault)?;
        let bytes = text.len() as u64;
        let bound = self.bound(&line);
        let room = |open: &Open| bound.saturating_sub(open.bytes);
        // Before anything is refused, what is gone makes room: where that is enough.
        let would_fit = bytes > room(&open) && bytes <= bound.saturating_sub(open.live);
        if open.is_stale(self.most) || would_fit {
            let things = open.things.clone();
            *open = anew(&self.path, &self.key, things, line.at)
                .map_err(|error| fault(io::Error::other(error)))?;
            (text, chain) = written(&self.key, &open.chain, &line).map_err(fault)?;
        }
        if text.len() > limits::DESK_LINE_BYTES_MAX || bytes > room(&open) {
            return Err(Fault::bare(
                Blame::Gateway,
                "keep more than the desk may hold",
            ));
        }
        let wrote = open
            .file
            .write_all(&text)
            .and_then(|()| open.file.sync_data());
        if let Err(error) = wrote {
            // Half a line would make the next one unreadable: it goes, or nothing more is written.
            let whole = open.bytes;
            let undone = open.file.set_len(whole);
            let back = open.file.seek(SeekFrom::Start(whole));
            open.broken = undone.is_err() || back.is_err();
            return Err(fault(error));
        }
        open.bytes += bytes;
        open.chain = chain;
        open.settle(line, bytes);
        Ok(())
    }

    /// How large the file may become by this line. The last sixteenth is for what is removed, the one before it for all
    /// but requests: whoever asks for much keeps nobody from ending what stands, nor from breaking the glass.
    fn bound(&self, line: &Line) -> u64 {
        let sixteenth = self.most / 16;
        match (&line.value, line.shelf) {
            (None, _) => self.most,
            (Some(_), Shelf::Request) => self.most - 2 * sixteenth,
            (Some(_), _) => self.most - sixteenth,
        }
    }
}

impl Keep for FileStore {
    fn put(&self, shelf: Shelf, id: &str, value: Value, at: Timestamp) -> Result<(), Fault> {
        self.write(Line {
            at,
            shelf,
            id: id.to_owned(),
            value: Some(value),
        })
    }

    fn remove(&self, shelf: Shelf, id: &str, at: Timestamp) -> Result<(), Fault> {
        if !self
            .open
            .lock()
            .things
            .contains_key(&(shelf, id.to_owned()))
        {
            return Ok(());
        }
        self.write(Line {
            at,
            shelf,
            id: id.to_owned(),
            value: None,
        })
    }
}

/// Keeps nothing: for whoever has no state folder, as tests do.
#[derive(Debug, Default)]
pub struct Nowhere;

impl Keep for Nowhere {
    fn put(&self, _: Shelf, _: &str, _: Value, _: Timestamp) -> Result<(), Fault> {
        Ok(())
    }

    fn remove(&self, _: Shelf, _: &str, _: Timestamp) -> Result<(), Fault> {
        Ok(())
    }
}

fn first(key: &hmac::Key) -> [u8; MAC_BYTES] {
    sized(hmac::sign(key, START).as_ref())
}

fn sized(mac: &[u8]) -> [u8; MAC_BYTES] {
    let mut out = [0; MAC_BYTES];
    for (to, from) in out.iter_mut().zip(mac) {
        *to = *from;
    }
    out
}

fn mac(key: &hmac::Key, chain: &[u8], line: &[u8]) -> [u8; MAC_BYTES] {
    let mut context = hmac::Context::with_key(key);
    context.update(chain);
    context.update(line);
    sized(context.sign().as_ref())
}

/// A line with its MAC and its end, and the chain behind it.
fn written(
    key: &hmac::Key,
    chain: &[u8; MAC_BYTES],
    line: &Line,
) -> io::Result<(Vec<u8>, [u8; MAC_BYTES])> {
    let mut text = serde_json::to_vec(line)?;
    let next = mac(key, chain, &text);
    text.push(b'\t');
    text.extend_from_slice(hex::encode(next).as_bytes());
    text.push(b'\n');
    Ok((text, next))
}

/// What a line says, if the gateway has written it there.
fn checked(key: &hmac::Key, chain: &mut [u8; MAC_BYTES], line: &[u8]) -> Option<Line> {
    let (text, tail) = line.split_at_checked(line.len().checked_sub(MAC_TEXT)?)?;
    let claimed = hex::decode(tail.strip_prefix(b"\t")?).ok()?;
    let mut signed = chain.to_vec();
    signed.extend_from_slice(text);
    hmac::verify(key, &signed, &claimed).ok()?;
    *chain = sized(&claimed);
    serde_json::from_slice(text).ok()
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    let failed = |source| StoreError::Io {
        doing: "read",
        path: path.display().to_string(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut text = Vec::new();
    let mut bounded = file.take(limits::DESK_FILE_BYTES_MAX + 1);
    bounded.read_to_end(&mut text).map_err(failed)?;
    match text.len() as u64 > limits::DESK_FILE_BYTES_MAX {
        true => Err(StoreError::Large(path.display().to_string())),
        false => Ok(text),
    }
}

/// The key, made at the first start.
fn open_key(path: &Path, file: &Path) -> Result<hmac::Key, StoreError> {
    let failed = |doing, source| StoreError::Io {
        doing,
        path: path.display().to_string(),
        source,
    };
    match fs::read(path) {
        Ok(bytes) => {
            let file = fs::metadata(path).map_err(|error| failed("read", error))?;
            if file.permissions().mode() & 0o077 != 0 {
                return Err(StoreError::KeyMode(path.display().to_string()));
            }
            match bytes.len() {
                KEY_BYTES => Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
                _ => Err(StoreError::Key(path.display().to_string())),
            }
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("read", error)),
        Err(_) if file.exists() => Err(StoreError::NoKey(file.display().to_string())),
        Err(_) => {
            let mut bytes = [0; KEY_BYTES];
            SystemRandom::new()
                .fill(&mut bytes)
                .map_err(|_| failed("draw a key for", io::Error::other("no random bytes")))?;
            let wrote = write_key(path, &bytes);
            wrote.map_err(|error| failed("write", error))?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        }
    }
}

/// Written aside, synced and renamed: a crash at the first start leaves no half a key, with which there is no second one.
fn write_key(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    let _ = fs::remove_file(&aside);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    sync_folder(path)
}

/// What stands in a folder by a new name is there for good once the folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let here = folder.as_os_str().is_empty();
    let folder = if here { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// Writes the file anew, with what is still there, and opens it for more.
fn anew(path: &Path, key: &hmac::Key, things: Things, seen: Timestamp) -> Result<Open, StoreError> {
    let write = move || -> io::Result<Open> {
        let quiet = path.with_extension("new");
        let _ = fs::remove_file(&quiet);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&quiet)?;
        let mut chain = first(key);
        let mut bytes = 0;
        // The latest time that was seen stands in it even when nothing else does.
        let first = Line {
            at: seen,
            shelf: Shelf::Message,
            id: String::new(),
            value: None,
        };
        let mut things = things;
        let mut live = 0;
        let mut put = |line: &Line| -> io::Result<u64> {
            let (text, next) = written(key, &chain, line)?;
            file.write_all(&text)?;
            bytes += text.len() as u64;
            chain = next;
            Ok(text.len() as u64)
        };
        put(&first)?;
        for ((shelf, id), thing) in &mut things {
            let line = Line {
                at: thing.at,
                shelf: *shelf,
                id: id.clone(),
                value: Some(thing.value.clone()),
            };
            thing.bytes = put(&line)?;
            live += thing.bytes;
        }
        file.sync_all()?;
        fs::rename(&quiet, path)?;
        sync_folder(path)?;
        Ok(Open {
            file,
            bytes,
            chain,
            things,
            live,
            broken: false,
        })
    };
    write().map_err(|source| StoreError::Io {
        doing: "write",
        path: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
mod tests;
