//! What a client has uploaded and its host has not taken yet, beyond what stays in memory: sealed into a file without a
//! name, in the gateway's state folder. The key is drawn for one channel and never leaves memory, so what is left on a disk
//! after a crash is nobody's; the file has no name, so nothing is left in the folder either.
//!
//! It refuses to grow: one connection has a share, all of a listener together have another, and what was taken makes room
//! for what comes.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_model::limits::SSH_SPILL_BLOCK_BYTES;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

/// A block and its tag.
const SLOT_BYTES: u64 = SSH_SPILL_BLOCK_BYTES as u64 + 16;

/// Where spilled uploads go, and how much of them there may be.
#[derive(Debug)]
pub(crate) struct Spills {
    folder: PathBuf,
    connection_max: u64,
    all_max: u64,
    all: AtomicU64,
}

impl Spills {
    pub(crate) fn new(folder: PathBuf, connection_max: u64, all_max: u64) -> Arc<Self> {
        Arc::new(Self {
            folder,
            connection_max,
            all_max,
            all: AtomicU64::new(0),
        })
    }
}

/// What one connection has spilled.
#[derive(Clone)]
pub(crate) struct Share(Arc<Used>);

struct Used {
    spills: Arc<Spills>,
    bytes: AtomicU64,
}

impl Share {
    pub(crate) fn new(spills: &Arc<Spills>) -> Self {
        Self(Arc::new(Used {
            spills: Arc::clone(spills),
            bytes: AtomicU64::new(0),
        }))
    }

    /// Room for so many bytes, until they are given back; false when there is none.
    fn reserve(&self, bytes: usize) -> bool {
        let Used { spills, bytes: own } = &*self.0;
        let bytes = bytes as u64;
        let fits = |used: &AtomicU64, max: u64| {
            let more = |now: u64| now.checked_add(bytes).filter(|sum| *sum <= max);
            used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
                .is_ok()
        };
        if !fits(own, spills.connection_max) {
            return false;
        }
        let fits = fits(&spills.all, spills.all_max);
        if !fits {
            own.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn release(&self, bytes: usize) {
        self.0.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
        self.0.spills.all.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// How far beyond half of its share a connection is, in thousandths of the other half; `None` below.
    pub(crate) fn beyond_half(&self) -> Option<u32> {
        let half = self.0.spills.connection_max / 2;
        let used = self.0.bytes.load(Ordering::Relaxed);
        let over = used.checked_sub(half).filter(|over| *over > 0)?;
        let share = over.saturating_mul(1000) / half.max(1);
        Some(u32::try_from(share.min(1000)).unwrap_or(1000))
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

/// The file of one channel.
pub(crate) struct Spill {
    vessel: Arc<Vessel>,
    share: Share,
    places: Mutex<Places>,
}

struct Vessel {
    key: LessSafeKey,
    file: File,
}

#[derive(Default)]
struct Places {
    /// Blocks that have been sealed: no number is used twice under one key.
    sealed: u64,
    slots: u64,
    free: Vec<u64>,
}

/// A block on its way into the file, or there.
pub(crate) struct Block {
    spill: Arc<Spill>,
    length: usize,
    state: Mutex<State>,
}

enum State {
    /// Not written yet.
    Here(Bytes),
    There {
        slot: u64,
        number: u64,
    },
    Gone,
}

impl Spill {
    /// A file without a name, and a key for it. Blocks on the disk.
    pub(crate) fn open(share: &Share) -> io::Result<Arc<Self>> {
        let mut key = Zeroizing::new([0_u8; 32]);
        let drawn = SystemRandom::new().fill(&mut *key);
        let key = drawn.and_then(|()| UnboundKey::new(&AES_256_GCM, &*key));
        let key = key.map_err(|_| io::Error::other("draw a key"))?;
        let file = tempfile::tempfile_in(&share.0.spills.folder)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(Arc::new(Self {
            vessel: Arc::new(Vessel {
                key: LessSafeKey::new(key),
                file,
            }),
            share: share.clone(),
            places: Mutex::new(Places::default()),
        }))
    }

    /// A block that is not written yet; `None` when there is no room for it.
    pub(crate) fn block(self: &Arc<Self>, bytes: Bytes) -> Option<Arc<Block>> {
        if !self.share.reserve(bytes.len()) {
            return None;
        }
        Some(Arc::new(Block {
            spill: Arc::clone(self),
            length: bytes.len(),
            state: Mutex::new(State::Here(bytes)),
        }))
    }

    fn place(&self) -> (u64, u64) {
        let mut places = self.places.lock();
        places.sealed += 1;
        let slot = places.free.pop().unwrap_or_else(|| {
            places.slots += 1;
            places.slots - 1
        });
        (slot, places.sealed)
    }

    #[cfg(test)]
    pub(crate) fn raw(&self) -> Vec<u8> {
        let length = self.vessel.file.metadata().unwrap().len();
        let mut raw = vec![0; usize::try_from(length).unwrap()];
        self.vessel.file.read_exact_at(&mut raw, 0).unwrap();
        raw
    }
}

impl Block {
    /// Seals it into the file, unless it was taken meanwhile.
    pub(crate) async fn write(&self) -> io::Result<()> {
        let bytes = match &*self.state.lock() {
            State::Here(bytes) => bytes.clone(),
            State::There { .. } | State::Gone => return Ok(()),
        };
        let (slot, number) = self.spill.place();
        let vessel = Arc::clone(&self.spill.vessel);
        let written = spawn_blocking(move || vessel.seal(slot, number, &bytes)).await;
        if let Err(error) = written.map_err(io::Error::other).flatten() {
            self.spill.places.lock().free.push(slot);
            return Err(error);
        }
        let mut state = self.state.lock();
        match &*state {
            State::Here(_) => *state = State::There { slot, number },
            State::There { .. } | State::Gone => self.spill.places.lock().free.push(slot),
        }
        Ok(())
    }

    /// What is in it. It may be read more than once.
    pub(crate) async fn read(&self) -> io::Result<Bytes> {
        let (slot, number) = match &*self.state.lock() {
            State::Here(bytes) => return Ok(bytes.clone()),
            State::There { slot, number } => (*slot, *number),
            State::Gone => return Err(io::ErrorKind::NotFound.into()),
        };
        let (vessel, length) = (Arc::clone(&self.spill.vessel), self.length);
        let read = spawn_blocking(move || vessel.open(slot, number, length)).await;
        read.map_err(io::Error::other)?
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let State::There { slot, .. } = std::mem::replace(self.state.get_mut(), State::Gone) {
            self.spill.places.lock().free.push(slot);
        }
        self.spill.share.release(self.length);
    }
}

impl Vessel {
    fn seal(&self, slot: u64, number: u64, bytes: &[u8]) -> io::Result<()> {
        let mut sealed = bytes.to_vec();
        self.key
            .seal_in_place_append_tag(nonce(number), Aad::empty(), &mut sealed)
            .map_err(|_| io::Error::other("seal a block"))?;
        self.file.write_all_at(&sealed, slot * SLOT_BYTES)
    }

    fn open(&self, slot: u64, number: u64, length: usize) -> io::Result<Bytes> {
        let mut sealed = vec![0; length + AES_256_GCM.tag_len()];
        self.file.read_exact_at(&mut sealed, slot * SLOT_BYTES)?;
        let opened = self
            .key
            .open_in_place(nonce(number), Aad::empty(), &mut sealed)
            .map_err(|_| io::Error::other("open a block: it is not what was written"))?;
        Ok(Bytes::copy_from_slice(opened))
    }
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    let (_, low) = nonce.split_at_mut(NONCE_LEN - 8);
    low.copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(folder: &tempfile::TempDir, connection_max: u64, all_max: u64) -> Share {
        Share::new(&Spills::new(
            folder.path().to_owned(),
            connection_max,
            all_max,
        ))
    }

    #[tokio::test]
    async fn what_is_on_disk_is_sealed_and_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::open(&share(&folder, 1 << 20, 1 << 20)).unwrap();
        let plain = Bytes::from(b"a line of somebody's upload\n".repeat(100));
        let block = spill.block(plain.clone()).unwrap();
        assert_eq!(block.read().await.unwrap(), plain);
        block.write().await.unwrap();
        assert_eq!(block.read().await.unwrap(), plain);
        let raw = spill.raw();
        assert!(raw.len() >= plain.len());
        assert!(!raw.windows(8).any(|w| w == b"somebody"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_block_that_was_changed_on_disk_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::open(&share(&folder, 1 << 20, 1 << 20)).unwrap();
        let (one, two) = (
            spill.block(Bytes::from_static(b"first")).unwrap(),
            spill.block(Bytes::from_static(b"other")).unwrap(),
        );
        one.write().await.unwrap();
        two.write().await.unwrap();
        // One block in the place of another is no block of ours either.
        let mut other = vec![0; 5 + 16];
        let file = &spill.vessel.file;
        file.read_exact_at(&mut other, SLOT_BYTES).unwrap();
        file.write_all_at(&other, 0).unwrap();
        assert!(one.read().await.is_err());
        assert_eq!(two.read().await.unwrap(), "other");
    }

    #[tokio::test]
    async fn there_is_a_share_for_a_connection_and_one_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let spills = Spills::new(folder.path().to_owned(), 100, 150);
        let (ana, bea) = (Share::new(&spills), Share::new(&spills));
        let of = |share: &Share| Spill::open(share).unwrap();
        let (anas, beas) = (of(&ana), of(&bea));
        let bytes = |count: usize| Bytes::from(vec![7; count]);
        let first = anas.block(bytes(80)).unwrap();
        assert!(anas.block(bytes(21)).is_none(), "her share is used up");
        assert_eq!(ana.beyond_half(), Some(600));
        let second = beas.block(bytes(70)).unwrap();
        assert!(beas.block(bytes(1)).is_none(), "all of it is used up");
        assert_eq!((ana.used(), bea.used()), (80, 70));
        drop((first, second));
        assert_eq!((ana.used(), bea.used(), ana.beyond_half()), (0, 0, None));
        assert!(anas.block(bytes(100)).is_some());
    }

    #[tokio::test]
    async fn a_block_that_could_not_be_written_keeps_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("spill");
        std::fs::write(&named, b"").unwrap();
        let good = Spill::open(&share(&folder, 1 << 20, 1 << 20)).unwrap();
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).unwrap();
        let key = UnboundKey::new(&AES_256_GCM, &bytes).unwrap();
        let spill = Arc::new(Spill {
            vessel: Arc::new(Vessel {
                key: LessSafeKey::new(key),
                // It takes no bytes.
                file: File::open(named).unwrap(),
            }),
            share: good.share.clone(),
            places: Mutex::new(Places::default()),
        });
        let block = spill.block(Bytes::from_static(b"lost")).unwrap();
        for _ in 0..3 {
            assert!(block.write().await.is_err());
        }
        let places = spill.places.lock();
        assert_eq!((places.slots, places.free.len()), (1, 1));
    }

    #[tokio::test]
    async fn what_was_taken_makes_room_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::open(&share(&folder, 1 << 30, 1 << 30)).unwrap();
        for round in 0..50_u8 {
            let block = spill.block(Bytes::from(vec![round; 1000])).unwrap();
            block.write().await.unwrap();
            assert_eq!(block.read().await.unwrap(), vec![round; 1000]);
        }
        assert!(spill.raw().len() < 3 * 1016);
    }
}
