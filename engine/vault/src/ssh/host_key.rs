//! The gateway's own host key: made once, kept in a file that nobody else may read, its public half beside it. It refuses
//! to replace a key that is there and cannot be read: clients have learnt it.

use super::authority::fresh;
use crate::error::VaultError;
use ssh_key::{LineEnding, PrivateKey};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// The key in this file, made when there is none.
///
/// # Errors
/// When it cannot be read or written.
pub fn host_key(path: &Path) -> Result<Zeroizing<String>, VaultError> {
    let failed = || VaultError::SshKey(path.display().to_string());
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            let key = PrivateKey::from_openssh(&*text).map_err(|_| failed())?;
            return match key.is_encrypted() {
                true => Err(failed()),
                false => Ok(text),
            };
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(_) => return Err(failed()),
    }
    let key = fresh()?;
    let text = key.to_openssh(LineEnding::LF).map_err(|_| failed())?;
    let public = key.public_key().to_openssh().map_err(|_| failed())?;
    write(path, 0o600, text.as_bytes()).map_err(|_| failed())?;
    let beside = path.with_extension("pub");
    write(&beside, 0o644, format!("{}\n", public.trim()).as_bytes()).map_err(|_| failed())?;
    Ok(text)
}

fn write(path: &Path, mode: u32, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host");
        let first = host_key(&path).unwrap();
        assert_eq!(*host_key(&path).unwrap(), *first);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let public = std::fs::read_to_string(folder.path().join("host.pub")).unwrap();
        assert!(public.starts_with("ssh-ed25519 "));
        std::fs::write(&path, "broken").unwrap();
        assert!(host_key(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "broken");
    }
}
