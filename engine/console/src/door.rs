//! The Unix socket of the admin API. The folder and the mode keep others out; the kernel's word on who
//! is at the other end (`SO_PEERCRED`, unix(7)) keeps them out once more. It refuses everybody but root
//! and the gateway's own user before a byte is read.

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};

/// Who is at the other end, by the kernel's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// User id.
    pub uid: u32,
    /// Process id, when the kernel says so.
    pub pid: Option<i32>,
}

/// The socket. Its file is removed on drop.
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

/// Why the socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenDoor {
    /// Another gateway answers there.
    #[error("another gateway answers at {}", .0.display())]
    Taken(PathBuf),
    /// Something stands there that is no socket.
    #[error("{} is no socket; it is left alone", .0.display())]
    NoSocket(PathBuf),
    /// The file system refuses.
    #[error("open the admin socket {}", path.display())]
    Open {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// How long `accept` rests when the kernel is out of descriptors.
const REST: Duration = Duration::from_millis(100);

impl Door {
    /// Opens the socket with mode 0600. A socket left by a dead gateway is replaced.
    ///
    /// # Errors
    /// See [`OpenDoor`].
    pub fn open(path: &Path) -> Result<Self, OpenDoor> {
        let failed = |source| OpenDoor::Open {
            path: path.to_owned(),
            source,
        };
        if let Ok(found) = std::fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(OpenDoor::NoSocket(path.to_owned()));
            }
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(OpenDoor::Taken(path.to_owned()));
            }
            std::fs::remove_file(path).map_err(failed)?;
        }
        // Bound under another name and renamed once its mode is right: it is never open to others.
        let quiet = path.with_extension("new");
        let _ = std::fs::remove_file(&quiet);
        let listener = UnixListener::bind(&quiet).map_err(failed)?;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&quiet, mode).map_err(failed)?;
        std::fs::rename(&quiet, path).map_err(failed)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            owner: rustix::process::geteuid().as_raw(),
        })
    }

    fn admits(&self, stream: &UnixStream) -> Option<Caller> {
        let peer = stream.peer_cred().ok()?;
        let known = peer.uid() == 0 || peer.uid() == self.owner;
        if !known {
            tracing::warn!(uid = peer.uid(), "turned away from the admin socket");
        }
        known.then(|| Caller {
            uid: peer.uid(),
            pid: peer.pid(),
        })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Listener for Door {
    type Io = UnixStream;
    type Addr = Caller;

    async fn accept(&mut self) -> (UnixStream, Caller) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    if let Some(caller) = self.admits(&stream) {
                        return (stream, caller);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin socket accepts nobody for now");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Caller> {
        Ok(Caller {
            uid: self.owner,
            pid: None,
        })
    }
}

impl Connected<IncomingStream<'_, Door>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        *stream.remote_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_for_its_owner_and_goes_with_the_gateway() {
        let folder = std::env::temp_dir().join(format!("pc-door-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("admin.sock");
        let door = Door::open(&path).expect("opens");
        let mode = std::fs::metadata(&path)
            .expect("is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(Door::open(&path), Err(OpenDoor::Taken(_))));
        drop(door);
        assert!(!path.exists());
        std::fs::write(&path, "x").expect("write");
        assert!(matches!(Door::open(&path), Err(OpenDoor::NoSocket(_))));
        std::fs::remove_dir_all(&folder).expect("clean");
    }
}
