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
//! Refuses to open a payload that does not authenticate as the entry it stands in, and a key that others could read.

use crate::age::{self, Recipient};
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
    file: Mutex<File>,
    how: Wrap,
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
        let whole = Records::read(&file)?.whole;
        file.set_len(whole).map_err(Error::PayloadKeys)?;
        Ok(Some(Self {
            file: Mutex::new(file),
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
            .write_all(&record)
            .map_err(Error::PayloadKeys)?;
        PayloadKey::of(&secret).ok_or_else(broken)
    }

    /// Brings keys to stable storage: before the entries that need them.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.lock().sync_data()
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
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(Error::OpenKey)?;
            file.write_all(&key).map_err(Error::OpenKey)?;
            file.sync_all().map_err(Error::OpenKey)?;
            Ok(key)
        }
        Err(e) => Err(Error::OpenKey(e)),
    }
}

/// The records of the file.
struct Records {
    found: HashMap<SessionId, Wrapped>,
    /// Bytes of whole records.
    whole: u64,
}

struct Wrapped {
    how: How,
    offset: u64,
    bytes: Vec<u8>,
}

impl Records {
    fn read(file: &File) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        let mut from = file;
        io::Seek::seek(&mut from, io::SeekFrom::Start(0)).map_err(Error::PayloadKeys)?;
        from.read_to_end(&mut bytes).map_err(Error::PayloadKeys)?;
        let mut found = HashMap::new();
        let mut at = 0;
        while let Some((session, wrapped, next)) = record(&bytes, at) {
            found.insert(session, wrapped);
            at = next;
        }
        Ok(Self {
            found,
            whole: at as u64,
        })
    }
}

fn record(bytes: &[u8], at: usize) -> Option<(SessionId, Wrapped, usize)> {
    let rest = bytes.get(at..)?;
    let len = u32::from_be_bytes(*rest.first_chunk::<4>()?) as usize;
    if len > WRAPPED_MAX {
        return None;
    }
    let whole = rest.get(..HEAD + len + TAIL)?;
    let (body, crc) = whole.split_at(HEAD + len);
    if crc32c::crc32c(body).to_be_bytes() != crc {
        return None;
    }
    let session = SessionId(u128::from_be_bytes(*body.get(4..)?.first_chunk::<16>()?));
    let how = match body[HEAD - 1] {
        1 => How::Node,
        2 => How::Age,
        _ => How::Shredded,
    };
    let wrapped = Wrapped {
        how,
        offset: at as u64,
        bytes: body[HEAD..].to_vec(),
    };
    Some((session, wrapped, at + whole.len()))
}

/// Destroys the keys of some sessions: overwritten where they stand, and on stable storage when this returns. Returns how
/// many there were.
pub(crate) fn destroy(dir: &Path, sessions: &HashSet<SessionId>) -> Result<usize, Error> {
    let file = match OpenOptions::new().read(true).write(true).open(path_of(dir)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(Error::PayloadKeys(e)),
    };
    let mut destroyed = 0;
    for (session, wrapped) in Records::read(&file)?.found {
        if wrapped.how == How::Shredded || !sessions.contains(&session) {
            continue;
        }
        let record = encode(session, How::Shredded, &vec![0; wrapped.bytes.len()]);
        file.write_all_at(&record, wrapped.offset)
            .map_err(Error::PayloadKeys)?;
        destroyed += 1;
    }
    file.sync_all().map_err(Error::PayloadKeys)?;
    Ok(destroyed)
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
