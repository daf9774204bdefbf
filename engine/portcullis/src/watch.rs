//! Looks at the files a gateway was made of, and says when they change. Changes are gathered for a moment:
//! an editor writes a file in several steps, and half a file is no configuration. It refuses to decide
//! anything: whether a change is good is for the reload to find out.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a folder has to be quiet.
const QUIET: Duration = Duration::from_millis(300);

/// Watches files and folders.
pub struct Watch {
    _watcher: RecommendedWatcher,
    changes: mpsc::Receiver<()>,
}

impl Watch {
    /// Watches these. A file is watched through its folder, so that one that is replaced is not lost.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(paths: &[PathBuf]) -> notify::Result<Self> {
        let (tell, changes) = mpsc::channel(1);
        let wanted: BTreeSet<PathBuf> = paths.iter().map(|path| absolute(path)).collect();
        let interested = wanted.clone();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                let Ok(event) = event else {
                    return;
                };
                let changed = !matches!(event.kind, EventKind::Access(_));
                let ours = event
                    .paths
                    .iter()
                    .any(|path| interested.iter().any(|w| path.starts_with(w)));
                if changed && ours {
                    // One unread message is enough: it says that something has changed.
                    let _ = tell.try_send(());
                }
            })?;
        let mut folders = BTreeSet::new();
        for path in &wanted {
            match path.is_dir() {
                true => watcher.watch(path, RecursiveMode::Recursive)?,
                false => {
                    if let Some(folder) = path.parent() {
                        folders.insert(folder.to_owned());
                    }
                }
            }
        }
        for folder in folders {
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Self {
            _watcher: watcher,
            changes,
        })
    }

    /// Resolves once something has changed and nothing has for a moment.
    pub async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        while tokio::time::timeout(QUIET, self.changes.recv())
            .await
            .is_ok()
        {}
    }
}

/// Events carry the paths that were watched; those must not depend on where we stand.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_replaced_is_a_change_and_its_neighbour_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("portcullis.yaml");
        std::fs::write(&file, "a").expect("write");
        let mut watch = Watch::new(std::slice::from_ref(&file)).expect("watches");
        std::fs::write(folder.path().join("other"), "b").expect("write");
        let soon = Duration::from_millis(600);
        assert!(tokio::time::timeout(soon, watch.changed()).await.is_err());
        let beside = folder.path().join("new");
        std::fs::write(&beside, "c").expect("write");
        std::fs::rename(&beside, &file).expect("rename");
        let later = Duration::from_secs(10);
        tokio::time::timeout(later, watch.changed())
            .await
            .expect("a change");
    }
}
