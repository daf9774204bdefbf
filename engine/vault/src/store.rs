//! The encrypted store: a file of secrets whose key stands elsewhere. Every value is sealed by itself
//! (AES-256-GCM-SIV), bound to its name, its revision and the file; a sealed manifest says which revision of which
//! entry is the one that was written last.
//!
//! It refuses a file in which anything was exchanged: a value under another name, an older value put back, an entry
//! left out. The whole file put back as it once was cannot be told from here: who can do that can also restore a
//! machine.

mod seal;

use crate::secret::Secret;
use portcullis_model::limits;
use seal::{Keys, Sealed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The form of the file.
const FORMAT: u32 = 1;

/// What is wrong with the store. It never shows a value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no file yet.
    #[error("there is no store yet: `portcullis secret set` makes it")]
    Absent,
    /// The file cannot be read or written.
    #[error("read or write the store")]
    File(#[source] std::io::Error),
    /// It holds something else.
    #[error("the file is no store, or of a later version")]
    Form,
    /// The key is none.
    #[error("the key is none: it has 256 random bits, as 64 hexadecimal digits or in base64")]
    Key,
    /// Another key, or the manifest was altered.
    #[error("the key does not open this store, or the store was altered")]
    Sealed,
    /// An entry is not the one that was written last.
    #[error(
        "the entry `{0}` is not the one that was written last: somebody has altered it or put an older one back"
    )]
    Altered(String),
    /// An entry that the manifest does not know, or the other way round.
    #[error("the entry `{0}` was added or taken away by somebody else")]
    Foreign(String),
    /// No such entry.
    #[error("it has no entry of that name: `portcullis secret list` prints the names")]
    Missing,
    /// The name or the value does not fit.
    #[error(
        "a name has at most 128 letters, digits, `._-/`, a value 1 byte to 64 KiB, and a store 1,000 entries"
    )]
    Bounds,
    /// No randomness.
    #[error("draw random bytes")]
    Random,
}

/// The store in one file.
pub struct Store {
    path: PathBuf,
}

/// The file, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    portcullis_store: u32,
    /// What the keys are derived with: another one after every change of the key.
    salt: String,
    manifest: Sealed,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    revision: u64,
    sealed: Sealed,
}

/// What the manifest says: for every entry its revision and its digest.
#[derive(Default, Serialize, Deserialize)]
struct Manifest {
    revision: u64,
    entries: BTreeMap<String, (u64, String)>,
}

/// A store that was opened and found whole.
struct Opened {
    keys: Keys,
    written: Written,
    manifest: Manifest,
}

impl Store {
    /// Opens nothing yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// A value.
    ///
    /// # Errors
    /// [`StoreError`], also when any other entry was exchanged.
    pub fn get(&self, key: &Secret, name: &str) -> Result<Secret, StoreError> {
        let opened = self.open(key)?;
        let entry = opened
            .written
            .entries
            .get(name)
            .ok_or(StoreError::Missing)?;
        opened.value(name, entry)
    }

    /// The names, each with its revision.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list(&self, key: &Secret) -> Result<Vec<(String, u64)>, StoreError> {
        let opened = self.open(key)?;
        let entries = opened.written.entries.into_iter();
        Ok(entries
            .map(|(name, entry)| (name, entry.revision))
            .collect())
    }

    /// Writes a value down; the store is made when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set(&self, key: &Secret, name: &str, value: &Secret) -> Result<(), StoreError> {
        let lengths = 1..=limits::SECRET_BYTES_MAX;
        if !is_name(name) || !lengths.contains(&value.expose().len()) {
            return Err(StoreError::Bounds);
        }
        let _alone = self.alone()?;
        let mut opened = match self.open(key) {
            Err(StoreError::Absent) => Opened::fresh(key)?,
            other => other?,
        };
        if opened.written.entries.len() >= limits::STORE_ENTRIES_MAX
            && !opened.written.entries.contains_key(name)
        {
            return Err(StoreError::Bounds);
        }
        opened.put(name, value)?;
        self.write(opened)
    }

    /// Takes an entry out.
    ///
    /// # Errors
    /// [`StoreError`], also when there is none.
    pub fn remove(&self, key: &Secret, name: &str) -> Result<(), StoreError> {
        let _alone = self.alone()?;
        let mut opened = self.open(key)?;
        opened
            .written
            .entries
            .remove(name)
            .ok_or(StoreError::Missing)?;
        opened.manifest.entries.remove(name);
        opened.manifest.revision += 1;
        self.write(opened)
    }

    /// Seals everything with another key. Returns how many entries there are.
    ///
    /// # Errors
    /// [`StoreError`]; the file is then as it was.
    pub fn rotate(&self, old: &Secret, new: &Secret) -> Result<usize, StoreError> {
        let _alone = self.alone()?;
        let opened = self.open(old)?;
        let mut fresh = Opened::fresh(new)?;
        // Revisions go on, so that an entry of the old key never looks newer.
        fresh.manifest.revision = opened.manifest.revision;
        for (name, entry) in &opened.written.entries {
            fresh.put(name, &opened.value(name, entry)?)?;
        }
        let entries = fresh.written.entries.len();
        self.write(fresh)?;
        Ok(entries)
    }

    fn open(&self, key: &Secret) -> Result<Opened, StoreError> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(StoreError::Absent),
            other => other.map_err(StoreError::File)?,
        };
        let mut text = Vec::new();
        file.take(limits::STORE_BYTES_MAX + 1)
            .read_to_end(&mut text)
            .map_err(StoreError::File)?;
        Opened::of(&text, key)
    }

    /// One writer at a time: what two wrote at once would miss one of both.
    fn alone(&self) -> Result<File, StoreError> {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(beside(&self.path, "lock"))
            .map_err(StoreError::File)?;
        lock.lock().map_err(StoreError::File)?;
        Ok(lock)
    }

    /// All or nothing: a new file, on stable storage, in the place of the old one.
    fn write(&self, mut opened: Opened) -> Result<(), StoreError> {
        let manifest = serde_json::to_vec(&opened.manifest).map_err(|_| StoreError::Form)?;
        opened.written.manifest = opened.keys.seal_manifest(&manifest)?;
        let text = serde_json::to_vec_pretty(&opened.written).map_err(|_| StoreError::Form)?;
        let fresh = beside(&self.path, "new");
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&fresh)?;
            let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty());
            let folder = folder.unwrap_or_else(|| Path::new("."));
            give_to_owner(&file, &self.path, folder)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&fresh, &self.path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(StoreError::File)
    }
}

impl Opened {
    /// What a file holds, found whole.
    fn of(text: &[u8], key: &Secret) -> Result<Self, StoreError> {
        let written: Written = serde_json::from_slice(text).map_err(|_| StoreError::Form)?;
        if written.portcullis_store != FORMAT || text.len() as u64 > limits::STORE_BYTES_MAX {
            return Err(StoreError::Form);
        }
        let keys = Keys::derive(key, &written.salt)?;
        let manifest = keys.open_manifest(&written.manifest)?;
        let manifest: Manifest =
            serde_json::from_slice(manifest.expose()).map_err(|_| StoreError::Form)?;
        let opened = Self {
            keys,
            written,
            manifest,
        };
        opened.verify()?;
        Ok(opened)
    }

    fn fresh(key: &Secret) -> Result<Self, StoreError> {
        let salt = crate::secret::random::<16>().map_err(|_| StoreError::Random)?;
        let salt = hex::encode(*salt);
        Ok(Self {
            keys: Keys::derive(key, &salt)?,
            written: Written {
                portcullis_store: FORMAT,
                salt,
                manifest: Sealed::nothing(),
                entries: BTreeMap::new(),
            },
            manifest: Manifest::default(),
        })
    }

    fn put(&mut self, name: &str, value: &Secret) -> Result<(), StoreError> {
        // Of the whole store: an entry that was taken out and written again never has a revision of before.
        self.manifest.revision += 1;
        let revision = self.manifest.revision;
        let sealed = self.keys.seal(name, revision, value)?;
        let digest = sealed.digest();
        let entry = Entry { revision, sealed };
        self.written.entries.insert(name.to_owned(), entry);
        self.manifest
            .entries
            .insert(name.to_owned(), (revision, digest));
        Ok(())
    }

    fn value(&self, name: &str, entry: &Entry) -> Result<Secret, StoreError> {
        let opened = self.keys.open(name, entry.revision, &entry.sealed);
        opened.map_err(|_| StoreError::Altered(name.to_owned()))
    }

    /// Every entry is the one that was written last, and there is no other.
    fn verify(&self) -> Result<(), StoreError> {
        for (name, entry) in &self.written.entries {
            let Some((revision, digest)) = self.manifest.entries.get(name) else {
                return Err(StoreError::Foreign(name.clone()));
            };
            if *revision != entry.revision || *digest != entry.sealed.digest() {
                return Err(StoreError::Altered(name.clone()));
            }
        }
        let mut wanted = self.manifest.entries.keys();
        match wanted.find(|name| !self.written.entries.contains_key(*name)) {
            Some(gone) => Err(StoreError::Foreign(gone.clone())),
            None => Ok(()),
        }
    }
}

/// An administrator writes a store that the gateway's user reads: it stays its owner's, and a new one is that of whom the
/// folder belongs to.
fn give_to_owner(file: &File, path: &Path, folder: &Path) -> std::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = std::fs::metadata(path).or_else(|_| std::fs::metadata(folder))?;
    std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// What `store:NAME` can name.
fn is_name(name: &str) -> bool {
    name.len() <= 128
        && format!("store:{name}")
            .parse::<crate::reference::SecretRef>()
            .is_ok()
}

/// For the fuzz target alone: the same in memory.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::{Opened, Secret, StoreError, Written};

    /// All that a file opens to, by name.
    ///
    /// # Errors
    /// [`StoreError`], as for the file on a disk.
    pub fn open(text: &[u8], key: &Secret) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let opened = Opened::of(text, key)?;
        let values = opened.written.entries.iter().map(|(name, entry)| {
            let value = opened.value(name, entry)?;
            Ok((name.clone(), value.expose().to_vec()))
        });
        values.collect()
    }

    /// The same file with this manifest, as if its owner had sealed it; `None` where the file is none.
    #[must_use]
    pub fn with_manifest(text: &[u8], key: &Secret, manifest: &[u8]) -> Option<Vec<u8>> {
        let mut written: Written = serde_json::from_slice(text).ok()?;
        let keys = super::Keys::derive(key, &written.salt).ok()?;
        written.manifest = keys.seal_manifest(manifest).ok()?;
        serde_json::to_vec(&written).ok()
    }
}

#[cfg(test)]
mod tests;
