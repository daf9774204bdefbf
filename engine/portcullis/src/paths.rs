//! What stands where below the state folder. The folder is the gateway's alone.

use crate::assemble::Broken;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The record.
#[must_use]
pub fn journal(state: &Path) -> PathBuf {
    state.join("journal")
}

/// The record's signing key. Its public half stands beside it, with `.pub` added.
#[must_use]
pub fn journal_key(state: &Path) -> PathBuf {
    state.join("keys").join("journal")
}

/// The public half of the record's signing key.
#[must_use]
pub fn journal_public_key(state: &Path) -> PathBuf {
    state.join("keys").join("journal.pub")
}

/// The key that wraps the keys of recorded payloads. The journal looks for it there, seen from the record's folder.
#[must_use]
pub fn payload_key(state: &Path) -> PathBuf {
    state.join("keys").join("payloads")
}

/// The host key that is shown to SSH clients where none is configured. Its public half stands beside it.
#[must_use]
pub fn ssh_host_key(state: &Path) -> PathBuf {
    state.join("keys").join("ssh_host_ed25519")
}

/// The key of session tokens.
#[must_use]
pub fn session_key(state: &Path) -> PathBuf {
    state.join("keys").join("session")
}

/// The key that certifies people.
#[must_use]
pub fn people_key(state: &Path) -> PathBuf {
    state.join("keys").join("people")
}

/// What people have said that outlives a restart.
#[must_use]
pub fn desk(state: &Path) -> PathBuf {
    state.join("approvals")
}

/// The key that it is sealed with.
#[must_use]
pub fn desk_key(state: &Path) -> PathBuf {
    state.join("keys").join("approvals")
}

/// Compiled plugins.
#[must_use]
pub fn plugin_cache(state: &Path) -> PathBuf {
    state.join("plugins")
}

/// Who is refused for good.
#[must_use]
pub fn revocations(state: &Path) -> PathBuf {
    state.join("revocations.json")
}

/// Makes the folders, with mode 0700.
///
/// # Errors
/// When the file system refuses.
pub fn make(state: &Path) -> Result<(), Broken> {
    for folder in [state.to_owned(), state.join("keys"), plugin_cache(state)] {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|source| Broken::Folder {
                path: folder.display().to_string(),
                source,
            })?;
    }
    Ok(())
}
