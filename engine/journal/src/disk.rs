//! What the journal asks of a file system: a narrow seam, so that a full disk, a failing fdatasync and a
//! short write can be played in tests. Refuses nothing itself and hides nothing: every error comes
//! through as the kernel gave it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

/// A file that only grows.
pub trait LogFile: Send + Sync {
    /// One `write(2)` at the end of the file. Returns how much of it was written.
    ///
    /// # Errors
    /// As the kernel says.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// `fdatasync(2)`.
    ///
    /// # Errors
    /// As the kernel says. After an error nothing is known about what is on disk.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file: what a failed write left behind.
    ///
    /// # Errors
    /// As the kernel says.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Allocates blocks up to `len` without changing the file's size.
    ///
    /// # Errors
    /// As the kernel says.
    fn preallocate(&self, len: u64) -> io::Result<()>;
}

/// Where the files are.
pub trait Disk: Send + Sync {
    /// Opens a file for appending, made with mode 0600 if it does not exist.
    ///
    /// # Errors
    /// As the kernel says.
    fn append_to(&self, path: &Path) -> io::Result<Arc<dyn LogFile>>;
    /// Renames a file.
    ///
    /// # Errors
    /// As the kernel says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes names in a directory durable.
    ///
    /// # Errors
    /// As the kernel says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that may still be written.
    ///
    /// # Errors
    /// As the kernel says.
    fn space(&self, dir: &Path) -> io::Result<u64>;
}

/// The machine's own file system.
#[derive(Clone, Copy, Debug)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn append_to(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        Ok(Arc::new(OsFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn space(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

struct OsFile(File);

impl LogFile for OsFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match (&self.0).write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(
            &self.0,
            rustix::fs::FallocateFlags::KEEP_SIZE,
            0,
            len,
        )?)
    }
}

/// True when the disk, the quota or the file-size limit is used up: the journal then turns to its
/// reserve. Everything else is a failure that poisons it.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
