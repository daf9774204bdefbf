//! Again, whenever a file changes: for whoever writes a pack with a terminal beside the editor.

use crate::cli::{Exit, paint};
use crate::watch::Watch;
use std::path::PathBuf;

/// Runs now, and after every change to these paths, until it fails or is interrupted.
pub(super) fn each_change(
    paths: &[PathBuf],
    mut run: impl FnMut() -> Result<(), Exit>,
) -> Result<(), Exit> {
    let mut watch = Watch::new(paths)
        .map_err(|error| Exit::refused(format!("the files cannot be watched: {error}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    loop {
        run()?;
        paint::say("waiting for a change; Ctrl-C ends")?;
        runtime.block_on(watch.changed());
        paint::say("")?;
    }
}
