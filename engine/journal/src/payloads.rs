//! Payloads under keys of their own, one for each session, so that what was said can be made unreadable for good while
//! every hash stays: the log holds the encrypted payload, and its key stands in a file beside it that can be overwritten.
//!
//! ```text
//! dir/payload-keys   len u32 | session u128 | how u8 | wrapped key | crc32c, one after the other
//! ```
//!
//! The key is wrapped for the node (which reads its record with it) or for age recipients (then the node cannot read what
//! it wrote). Who came when, to what, how it ended and who approved stays in clear.
//!
//! Refuses to open a payload that does not authenticate as the entry it stands in, a key that others could read, and to
//! write on in a file of keys in which more than the end of a crashed write cannot be read.

use crate::age::{self, Recipient};
use crate::aside;
use crate::error::Error;
use crate::frame::Frame;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_gate::EntryKind;
use portcullis_model::SessionId;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes of a record in the file before the wrapped key, and after it.
const HEAD: usize = 4 + 16 + 1;
const TAIL: usize = 4;
/// Wrapped for more recipients than anybody has.
const WRAPPED_MAX: usize = 64 * 1024;

/// What payloads are recorded as.
#[derive(Clone, Debug, Default)]
pub enum Sealing {
    /// As they are.
    #[default]
    Clear,
    /// Under a key for each session, wrapped by the key in this file.
    Node(PathBuf),
    /// Under a key for each session, wrapped for these recipients alone.
    Recipients(Vec<Recipient>),
}

/// Why a payload cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// It is encrypted, and its key is not at hand.
    Sealed,
    /// Its key was destroyed, or it was dropped.
    Shredded,
}

/// How a key is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Shredded = 0,
    Node = 1,
    Age = 2,
}

/// True for kinds whose payloads hold what was said. The others say who came and what became of it.
pub(crate) fn is_speech(kind: u8) -> bool {
    use EntryKind::{Admit, End, House, Node, Resolve, Security};
    let kept = [Admit, End, House, Node, Resolve, Security];
    kept.iter().all(|clear| *clear as u8 != kind)
}

/// The file of the keys.
pub(crate) fn path_of(dir: &Path) -> PathBuf {
    dir.join("payload-keys")
}

/// Where the node's wrapping key stands when a record is found at its usual place.
pub(crate) fn wrapping_key_beside(dir: &Path) -> PathBuf {
    dir.parent()
        .unwrap_or_else(|| Path::new("."))
        .join("keys/payloads")
}

/// The key of one session's payloads.
pub(crate) struct PayloadKey(LessSafeKey);

impl PayloadKey {
    fn of(bytes: &[u8]) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }

    /// Encrypts the payload of the frame that begins with `head`. No sequence is used twice in a session.
    pub(crate) fn seal(&self, sequence: u64, head: &[u8], payload: &mut Vec<u8>) -> bool {
        let sealed = self
            .0
            .seal_in_place_append_tag(nonce(sequence), Aad::from(head), payload);
        sealed.is_ok()
    }

    fn open(&self, frame: &Frame<'_>) -> Option<Bytes> {
        let mut payload = frame.payload.to_vec();
        let plain = self
            .0
            .open_in_place(nonce(frame.sequence), Aad::from(bound(frame)), &mut payload)
            .ok()?
            .len();
        payload.truncate(plain);
        Some(payload.into())
    }
}

/// What a payload is bound to: session, sequence, time, stream, kind.
fn bound<'a>(frame: &Frame<'a>) -> &'a [u8] {
    frame.bytes.get(4..crate::frame::HEAD).unwrap_or_default()
}

fn nonce(sequence: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&sequence.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Makes keys, and writes them down wrapped.
pub(crate) struct Locksmith {
    file: Mutex<Keyring>,
    how: Wrap,
}

struct Keyring {
    file: File,
    /// Bytes of whole records. Nothing is written behind anything else.
    whole: u64,
}

impl Keyring {
    fn append(&mut self, record: &[u8]) -> io::Result<()> {
        if self.file.metadata()?.len() > self.whole {
            self.file.set_len(self.whole)?;
        }
        if let Err(error) = self.file.write_all(record) {
            // If even this fails, the next key tries again before it is written.
            let _ = self.file.set_len(self.whole);
            return Err(error);
        }
        self.whole += record.len() as u64;
        Ok(())
    }
}

enum Wrap {
    Node([u8; 32]),
    Recipients(Vec<Recipient>),
}

impl Locksmith {
    /// For a record, if its payloads are to be sealed.
    pub(crate) fn open(dir: &Path, sealing: &Sealing) -> Result<Option<Self>, Error> {
        let how = match sealing {
            Sealing::Clear => return Ok(None),
            Sealing::Node(path) => Wrap::Node(wrapping_key(path, true)?),
            Sealing::Recipients(recipients) => Wrap::Recipients(recipients.clone()),
        };
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path_of(dir))
            .map_err(Error::PayloadKeys)?;
        // What a crash left half written is cut: its session has no entry yet.
        let records = Records::read(&file)?;
        if records.lost {
            return Err(Error::PayloadKeysDamaged(records.whole));
        }
        for damaged in &records.damaged {
            let offset = damaged.offset;
            tracing::error!(offset, "a record of payload-keys is damaged");
        }
        let whole = records.whole;
        file.set_len(whole).map_err(Error::PayloadKeys)?;
        Ok(Some(Self {
            file: Mutex::new(Keyring { file, whole }),
            how,
        }))
    }

    /// A key for a session. It is in the file before anything is encrypted with it.
    pub(crate) fn key(&self, session: SessionId) -> Result<PayloadKey, Error> {
        let broken = || Error::PayloadKeys(io::Error::other("cryptography failed"));
        let mut secret = [0; 32];
        SystemRandom::new()
            .fill(&mut secret)
            .map_err(|_| broken())?;
        let (how, wrapped) = match &self.how {
            Wrap::Node(key) => (How::Node, wrap(key, session, &secret).ok_or_else(broken)?),
            Wrap::Recipients(all) => {
                let wrapped = age::encrypt(all, &secret).map_err(|_| broken())?;
                (How::Age, wrapped)
            }
        };
        let record = encode(session, how, &wrapped);
        self.file
            .lock()
            .append(&record)
            .map_err(Error::PayloadKeys)?;
        PayloadKey::of(&secret).ok_or_else(broken)
    }

    /// Brings keys to stable storage: before the entries that need them.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.lock().file.sync_data()
    }
}

fn encode(session: SessionId, how: How, wrapped: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEAD + wrapped.len() + TAIL);
    let len = u32::try_from(wrapped.len()).unwrap_or(u32::MAX);
    record.extend_from_slice(&len.to_be_bytes());
    record.extend_from_slice(&session.0.to_be_bytes());
    record.push(how as u8);
    record.extend_from_slice(wrapped);
    let crc = crc32c::crc32c(&record);
    record.extend_from_slice(&crc.to_be_bytes());
    record
}

fn wrap(key: &[u8; 32], session: SessionId, secret: &[u8; 32]) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).ok()?;
    let mut out = secret.to_vec();
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    cipher
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(session.0.to_be_bytes()),
            &mut out,
        )
        .ok()?;
    Some([nonce.as_slice(), &out].concat())
}

fn unwrap_key(key: &[u8; 32], session: SessionId, wrapped: &[u8]) -> Option<PayloadKey> {
    let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_LEN>()?;
    let mut out = sealed.to_vec();
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let plain = cipher
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(session.0.to_be_bytes()),
            &mut out,
        )
        .ok()?;
    PayloadKey::of(plain)
}

/// The node's wrapping key, made if there is none and it is wanted.
fn wrapping_key(path: &Path, make: bool) -> Result<[u8; 32], Error> {
    match fs::read(path) {
        Ok(bytes) => {
            let mode = fs::metadata(path).map_err(Error::OpenKey)?;
            if mode.permissions().mode() & 0o077 != 0 {
                return Err(Error::KeyMode);
            }
            bytes.try_into().map_err(|_| Error::BadWrappingKey)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound && make => {
            let mut key = [0; 32];
            SystemRandom::new()
                .fill(&mut key)
                .map_err(|_| Error::BadWrappingKey)?;
            // Half a key would keep the gateway from starting, and what is sealed depends on it.
            aside::replace_for_good(path, &key).map_err(Error::OpenKey)?;
            Ok(key)
        }
        Err(e) => Err(Error::OpenKey(e)),
    }
}

/// The records of the file.
#[derive(Default)]
struct Records {
    found: HashMap<SessionId, Wrapped>,
    /// What is as long as it says and is not what was written.
    damaged: Vec<Damaged>,
    /// Bytes of records, whole and damaged.
    whole: u64,
    /// What follows is more than the half of a record that a crash leaves.
    lost: bool,
}

struct Wrapped {
    how: How,
    offset: u64,
    bytes: Vec<u8>,
}

struct Damaged {
    /// As far as it can be believed.
    session: SessionId,
    offset: u64,
    /// Bytes of the wrapped key.
    len: usize,
}

impl Records {
    fn read(file: &File) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        let mut from = file;
        io::Seek::seek(&mut from, io::SeekFrom::Start(0)).map_err(Error::PayloadKeys)?;
        from.read_to_end(&mut bytes).map_err(Error::PayloadKeys)?;
        Ok(Self::of(&bytes))
    }

    fn of(bytes: &[u8]) -> Self {
        let mut all = Self::default();
        let mut at = 0;
        while let Some(record) = record(bytes, at) {
            // A crash can leave a length without its bytes.
            if record.damaged && bytes[at..].iter().all(|byte| *byte == 0) {
                break;
            }
            let offset = at as u64;
            match record.damaged {
                false => {
                    let wrapped = Wrapped {
                        how: record.how,
                        offset,
                        bytes: record.wrapped.to_vec(),
                    };
                    all.found.insert(record.session, wrapped);
                }
                true => all.damaged.push(Damaged {
                    session: record.session,
                    offset,
                    len: record.wrapped.len(),
                }),
            }
            at += HEAD + record.wrapped.len() + TAIL;
        }
        all.whole = at as u64;
        // No crash leaves a whole record behind the half of one: then it is a length that cannot be believed.
        all.lost = bytes.len() - at > HEAD + WRAPPED_MAX + TAIL
            || (at + 1..bytes.len()).any(|at| record(bytes, at).is_some_and(|r| !r.damaged));
        all
    }
}

struct Record<'a> {
    session: SessionId,
    how: How,
    wrapped: &'a [u8],
    damaged: bool,
}

/// The record at a place; none where what is left is shorter than it says.
fn record(bytes: &[u8], at: usize) -> Option<Record<'_>> {
    let rest = bytes.get(at..)?;
    let len = u32::from_be_bytes(*rest.first_chunk::<4>()?) as usize;
    if len > WRAPPED_MAX {
        return None;
    }
    let whole = rest.get(..HEAD + len + TAIL)?;
    let (body, crc) = whole.split_at(HEAD + len);
    let how = match body[HEAD - 1] {
        1 => How::Node,
        2 => How::Age,
        _ => How::Shredded,
    };
    Some(Record {
        session: SessionId(u128::from_be_bytes(*body.get(4..)?.first_chunk::<16>()?)),
        how,
        wrapped: &body[HEAD..],
        damaged: crc32c::crc32c(body).to_be_bytes() != crc,
    })
}

/// Destroys the keys of some sessions: overwritten where they stand, and on stable storage when this returns. Returns how
/// many there were.
///
/// # Errors
/// Also when one of them has no record that can be read while some record cannot be: its key may stand there.
pub(crate) fn destroy(dir: &Path, sessions: &HashSet<SessionId>) -> Result<usize, Error> {
    let file = match OpenOptions::new().read(true).write(true).open(path_of(dir)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(Error::PayloadKeys(e)),
    };
    let records = Records::read(&file)?;
    let whole = records.found.iter().filter_map(|(id, wrapped)| {
        (wrapped.how != How::Shredded).then_some((*id, wrapped.offset, wrapped.bytes.len()))
    });
    // An overwriting that a crash cut short is made good, too.
    let torn = records.damaged.iter().map(|d| (d.session, d.offset, d.len));
    let mut destroyed = HashSet::new();
    for (session, offset, len) in whole.chain(torn) {
        if !sessions.contains(&session) {
            continue;
        }
        let record = encode(session, How::Shredded, &vec![0; len]);
        file.write_all_at(&record, offset)
            .map_err(Error::PayloadKeys)?;
        destroyed.insert(session);
    }
    file.sync_all().map_err(Error::PayloadKeys)?;
    let missing = |id: &SessionId| !records.found.contains_key(id) && !destroyed.contains(id);
    let unread = records
        .damaged
        .iter()
        .find(|damaged| !destroyed.contains(&damaged.session))
        .map(|damaged| damaged.offset)
        .or(records.lost.then_some(records.whole));
    match unread {
        Some(offset) if sessions.iter().any(missing) => Err(Error::PayloadKeysDamaged(offset)),
        _ => Ok(destroyed.len()),
    }
}

/// Opens payloads for a reader.
pub struct PayloadKeys {
    path: PathBuf,
    wrapping: Option<[u8; 32]>,
    identities: Vec<age::Identity>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    records: HashMap<SessionId, Wrapped>,
    /// Length of the file when it was read.
    length: u64,
    keys: HashMap<SessionId, Result<std::sync::Arc<PayloadKey>, Withheld>>,
}

impl PayloadKeys {
    /// What opens the record in `dir`: the wrapping key beside it, if there is one, and these identities.
    ///
    /// # Errors
    /// When the wrapping key is there and cannot be used.
    pub fn of(dir: &Path, identities: Vec<age::Identity>) -> Result<Self, Error> {
        let beside = wrapping_key_beside(dir);
        let wrapping = match beside.exists() {
            true => match wrapping_key(&beside, false) {
                Ok(key) => Some(key),
                // Whoever may not read it reads what is in clear.
                Err(Error::OpenKey(e)) if e.kind() == io::ErrorKind::PermissionDenied => None,
                Err(error) => return Err(error),
            },
            false => None,
        };
        Ok(Self {
            path: path_of(dir),
            wrapping,
            identities,
            state: Mutex::default(),
        })
    }

    /// The payload of an entry.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn read(&self, frame: &Frame<'_>) -> Result<Bytes, Withheld> {
        match (frame.husk, frame.sealed) {
            (true, _) => Err(Withheld::Shredded),
            (false, false) => Ok(Bytes::copy_from_slice(frame.payload)),
            (false, true) => self.key(frame.session)?.open(frame).ok_or(Withheld::Sealed),
        }
    }

    fn key(&self, session: SessionId) -> Result<std::sync::Arc<PayloadKey>, Withheld> {
        let mut state = self.state.lock();
        if let Some(known) = state.keys.get(&session) {
            return known.clone();
        }
        if !state.records.contains_key(&session) {
            let _ = self.refresh(&mut state);
        }
        let key = match state.records.get(&session) {
            None => return Err(Withheld::Sealed),
            Some(wrapped) => self.unwrapped(session, wrapped),
        };
        let key = key.map(std::sync::Arc::new);
        // Sessions end, and a reader may run for months.
        if state.keys.len() >= 4096 {
            state.keys.clear();
        }
        state.keys.insert(session, key.clone());
        key
    }

    fn unwrapped(&self, session: SessionId, wrapped: &Wrapped) -> Result<PayloadKey, Withheld> {
        let key = match wrapped.how {
            How::Shredded => return Err(Withheld::Shredded),
            How::Node => self
                .wrapping
                .and_then(|key| unwrap_key(&key, session, &wrapped.bytes)),
            How::Age if self.identities.is_empty() => None,
            How::Age => age::decrypt(&self.identities, &wrapped.bytes)
                .ok()
                .and_then(|secret| PayloadKey::of(&secret)),
        };
        key.ok_or(Withheld::Sealed)
    }

    fn refresh(&self, state: &mut State) -> Result<(), Error> {
        let file = File::open(&self.path).map_err(Error::PayloadKeys)?;
        let length = file.metadata().map_err(Error::PayloadKeys)?.len();
        if length != state.length {
            let records = Records::read(&file)?;
            state.records = records.found;
            state.length = length;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
