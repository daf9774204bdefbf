//! Secrets that stand on this machine: in a variable, in a file, in a credential that systemd hands over. They are read
//! when they are used, and never kept.

use crate::error::VaultError;
use crate::reference::SecretRef;
use crate::secret::Secret;
use portcullis_model::limits;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where systemd has put the unit's credentials (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Reads it, now.
///
/// # Errors
/// [`VaultError::Secret`] when it is not there, empty, longer than [`limits::SECRET_BYTES_MAX`], or does not stand on
/// this machine.
pub(crate) fn read(reference: &SecretRef) -> Result<Secret, VaultError> {
    let failed = || VaultError::Secret(reference.to_string());
    let secret = match reference {
        SecretRef::Env(name) => {
            let value = std::env::var_os(name).ok_or_else(failed)?;
            let value = Zeroizing::new(value.into_vec());
            Secret::bounded(&value)
        }
        SecretRef::File(_) | SecretRef::Systemd(_) => {
            if let Some(warning) = exposed(reference) {
                tracing::warn!(secret = %reference, "{warning}");
            }
            let path = path(reference).ok_or_else(failed)?;
            from_file(&path).map_err(|_| failed())?
        }
        _ => None,
    };
    secret.ok_or_else(failed)
}

/// Reads what is no secret and stands beside one, in a file that everybody may read.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_public(path: &Path) -> Result<Secret, VaultError> {
    let failed = || VaultError::Secret(format!("file:{}", path.display()));
    let found = from_file(path).map_err(|_| failed())?;
    found.ok_or_else(failed)
}

fn path(reference: &SecretRef) -> Option<PathBuf> {
    match reference {
        SecretRef::File(path) => Some(path.clone()),
        SecretRef::Systemd(name) => {
            let folder = std::env::var_os(CREDENTIALS)?;
            Some(Path::new(&folder).join(name))
        }
        _ => None,
    }
}

/// The contents without a final line break; nothing when that is empty or too long.
fn from_file(path: &Path) -> std::io::Result<Option<Secret>> {
    let file = std::fs::File::open(path)?;
    // Sized up front: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limits::SECRET_BYTES_MAX + 2));
    file.take(limits::SECRET_BYTES_MAX as u64 + 2)
        .read_to_end(&mut bytes)?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(Secret::bounded(line.strip_suffix(b"\r").unwrap_or(line)))
}

/// What is wrong with how it is kept, if anything.
pub(crate) fn exposed(reference: &SecretRef) -> Option<&'static str> {
    use std::os::unix::fs::PermissionsExt as _;
    // systemd keeps its own: mode 0400, or 0440 for the group of the unit.
    let SecretRef::File(path) = reference else {
        return None;
    };
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0).then_some("the secret's file can be read by others; use mode 0600")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_its_newline_and_told_when_it_is_exposed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "k3y with space \r\n").unwrap();
        let reference = SecretRef::File(path.clone());
        let secret = read(&reference).ok().unwrap();
        assert_eq!(secret.expose(), b"k3y with space ");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(exposed(&reference).is_some());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(exposed(&reference).is_none());
        for nothing in ["\n", ""] {
            std::fs::write(&path, nothing).unwrap();
            assert!(read(&reference).is_err());
        }
        std::fs::write(&path, vec![b'x'; limits::SECRET_BYTES_MAX + 1]).unwrap();
        assert!(read(&reference).is_err());
    }

    #[test]
    fn without_systemd_there_is_no_credential() {
        // Tests run without `$CREDENTIALS_DIRECTORY`; one that is there is tried where the gateway is a process.
        assert!(read(&SecretRef::Systemd("pg-admin".to_owned())).is_err());
    }
}
