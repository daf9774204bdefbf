//! Small files that are there whole or not at all: written aside, synced and renamed. A crash leaves the old one or the
//! new one.
//!
//! Refuses to let others read what it writes: keys are among it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Puts `bytes` in the place of what stands at `path`.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = beside(path);
    // A crash has left it, and it may be half.
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(aside, path)
}

/// The same, and it is there for good: for what is built on as soon as it is written.
pub(crate) fn replace_for_good(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes)?;
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_a_crash_left_aside_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        fs::write(dir.path().join("node.key.new"), b"ha").unwrap();
        replace_for_good(&path, b"whole").unwrap();
        replace(&path, b"anew").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"anew");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
