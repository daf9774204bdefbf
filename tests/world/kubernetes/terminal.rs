//! `kubectl` at a terminal whose size changes: `script` gives it one.
//!
//! It refuses to change the size before it is asked to, by a file that appears.

use super::ClusterWorld;
use anyhow::Result;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

impl ClusterWorld {
    /// `kubectl` at a terminal of 33 lines with 101 columns, which become 40 with 120 once the file is there.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn at_a_terminal(&self, kubectl: &Command, once: &Path) -> Result<Command> {
        let mut line = vec![kubectl.get_program().to_string_lossy().into_owned()];
        line.extend(kubectl.get_args().map(|a| a.to_string_lossy().into_owned()));
        let runs = format!(
            "stty rows 33 cols 101\n({}stty rows 40 cols 120 </dev/tty) &\nexec {}\n",
            waits_for(&format!("-e {}", once.display())),
            line.join(" ")
        );
        let mut terminal = Command::new("script");
        terminal
            .arg("-qec")
            .arg(self.script("runs", &runs)?)
            .arg("/dev/null");
        for (name, value) in kubectl.get_envs() {
            terminal.env(name, value.unwrap_or_default());
        }
        Ok(terminal)
    }

    /// A program in the world's folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn script(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.folder().join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}"))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        Ok(file)
    }
}

/// A line of a shell that waits until a test holds, and not for ever.
#[must_use]
pub fn waits_for(test: &str) -> String {
    format!("n=0; until [ {test} ] || [ $n -gt 2400 ]; do sleep 0.1; n=$((n+1)); done\n")
}
