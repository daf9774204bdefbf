//! Real `psql` processes, and what they showed.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::{Command, Output};

/// What a client showed a person.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error: notices and errors.
    pub err: String,
}

impl Shown {
    /// From a finished process.
    #[must_use]
    pub fn from_output(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command to its end and keeps what it showed, whatever its exit code.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn by(command: &mut Command) -> std::io::Result<Self> {
        command
            .stdin(std::process::Stdio::null())
            .output()
            .map(|o| Self::from_output(&o))
    }

    /// Output and errors together.
    #[must_use]
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// True when either shows `text`.
    #[must_use]
    pub fn shows(&self, text: &str) -> bool {
        self.out.contains(text) || self.err.contains(text)
    }

    /// What an error of `psql` says to programs: the JSON of its only `DETAIL`.
    ///
    /// # Errors
    /// When there is none, or another one, or it cannot be read.
    pub fn detail(&self) -> Result<Value> {
        let mut details = self.err.lines().filter_map(|l| l.strip_prefix("DETAIL:"));
        let (Some(detail), None) = (details.next(), details.next()) else {
            bail!("not one DETAIL: {}", self.all());
        };
        serde_json::from_str(detail).with_context(|| format!("a DETAIL in JSON: {}", self.all()))
    }
}
