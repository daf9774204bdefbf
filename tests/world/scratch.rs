//! A folder for one world, removed at the end. World-readable on the way in, because PostgreSQL refuses
//! to run as root and so runs as somebody else.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A scratch folder; gone when dropped, unless kept.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    keep: bool,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Scratch {
    /// A new folder below the system's temporary folder.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn new(name: &str) -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("portcullis-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        open_up(&path)?;
        Ok(Self {
            path,
            keep: std::env::var_os("PORTCULLIS_KEEP").is_some(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it behind, for a look afterwards.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // Best effort: a leftover in the temporary folder harms nobody.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Lets other users pass through the folder.
///
/// # Errors
/// When permissions cannot be set.
pub fn open_up(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("make {} passable", path.display()))
}

/// Writes a file that only its owner may read.
///
/// # Errors
/// When it cannot be written.
pub fn private(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .with_context(|| format!("keep {} private", path.display()))
}
