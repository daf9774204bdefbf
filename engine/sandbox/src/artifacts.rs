//! Compiled plugins on disk: compiling takes seconds, loading takes less than a millisecond. Machine code
//! that is loaded is run, so a file counts only with a MAC under a key that this user alone can read; anything else is
//! compiled again. Refuses a folder or a key that others may write or read.

use crate::error::LoadError;
use aws_lc_rs::{digest, hmac, rand::SecureRandom, rand::SystemRandom};
use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use wasmtime::Engine;

const MAC_BYTES: usize = 32;
/// An artifact is a few times its component.
const ARTIFACT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The folder of artifacts.
#[derive(Debug)]
pub(crate) struct Artifacts {
    folder: PathBuf,
    key: hmac::Key,
    /// Everything about the engine that compiled code depends on.
    engine: String,
}

impl Artifacts {
    /// Opens or makes the folder and its key.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self, LoadError> {
        let says = |what: &str| LoadError::OpenCache(format!("{}: {what}", folder.display()));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|e| says(&e.to_string()))?;
        let meta = fs::symlink_metadata(folder).map_err(|e| says(&e.to_string()))?;
        if !meta.is_dir() {
            return Err(says("not a folder"));
        }
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(says("others may use it; `chmod 700` it"));
        }
        let key = key(&folder.join("key"), meta.uid()).map_err(|e| says(&format!("key: {e}")))?;
        Ok(Self {
            folder: folder.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            engine: fingerprint(engine),
        })
    }

    /// The artifact of the component with this digest, if a genuine one is there.
    pub(crate) fn read(&self, component: &str) -> Option<Vec<u8>> {
        let path = self.path(component);
        let mut file = File::open(&path).ok()?;
        if file.metadata().ok()?.len() > ARTIFACT_BYTES_MAX {
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let (mac, artifact) = bytes.split_at_checked(MAC_BYTES)?;
        if hmac::verify(&self.key, &self.signed(component, artifact), mac).is_err() {
            tracing::warn!(path = %path.display(), "a cached plugin artifact is not ours; compiling again");
            let _ = fs::remove_file(&path);
            return None;
        }
        bytes.drain(..MAC_BYTES);
        Some(bytes)
    }

    /// Keeps an artifact. Failing to is no harm: the next start compiles again.
    pub(crate) fn write(&self, component: &str, artifact: &[u8]) {
        let path = self.path(component);
        let fresh = path.with_extension(format!("{}.tmp", std::process::id()));
        let mac = hmac::sign(&self.key, &self.signed(component, artifact));
        let written = private()
            .create_new(true)
            .open(&fresh)
            .and_then(|mut file| {
                file.write_all(mac.as_ref())?;
                file.write_all(artifact)
            })
            .and_then(|()| fs::rename(&fresh, &path));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "a compiled plugin cannot be cached");
            let _ = fs::remove_file(&fresh);
        }
    }

    fn path(&self, component: &str) -> PathBuf {
        let engine = self.engine.get(..16).unwrap_or_default();
        self.folder.join(format!("{component}-{engine}.cwasm"))
    }

    /// What the MAC covers: an artifact cannot be passed off as another component's or engine's.
    fn signed(&self, component: &str, artifact: &[u8]) -> Vec<u8> {
        let head = format!("portcullis/artifact/v1\n{component}\n{}\n", self.engine);
        [head.as_bytes(), artifact].concat()
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn key(path: &Path, owner: u32) -> Result<[u8; 32], String> {
    let mut key = [0; 32];
    match private().create_new(true).open(path) {
        Ok(mut file) => {
            SystemRandom::new()
                .fill(&mut key)
                .map_err(|_| "no random bytes".to_owned())?;
            file.write_all(&key).map_err(|e| e.to_string())?;
            return Ok(key);
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e.to_string()),
    }
    let meta = fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    if !meta.is_file() || meta.uid() != owner || meta.permissions().mode() & 0o077 != 0 {
        return Err("others may read it; delete it and start again".to_owned());
    }
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    file.read_exact(&mut key)
        .map_err(|_| "too short; delete it and start again".to_owned())?;
    Ok(key)
}

/// A hash that stays the same from build to build of this program, unlike the standard one.
fn fingerprint(engine: &Engine) -> String {
    struct Sha256(digest::Context);
    impl Hasher for Sha256 {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Sha256(digest::Context::new(&digest::SHA256));
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hex::encode(hasher.0.finish())
}
