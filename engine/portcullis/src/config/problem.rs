//! What is wrong with a configuration: file, line, column, what, and what to do about it. A problem
//! without a remedy is a riddle, so there is no way to make one.

use super::spans::{Place, locate};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// 1-based line, when known.
    pub line: Option<usize>,
    /// 1-based column, when known.
    pub column: Option<usize>,
    /// Which key: `listeners[0].tls`.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// True when the gateway runs all the same.
    pub warning: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if self.warning {
            f.write_str("warning: ")?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "{}\n  remedy: {}", self.message, self.remedy)
    }
}

/// Everything that was found, in the order of the file.
#[derive(Clone, Debug, Default, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl Problems {
    /// True when something stops the gateway.
    #[must_use]
    pub fn stop(&self) -> bool {
        self.0.iter().any(|problem| !problem.warning)
    }
}

/// Collects problems of one file and finds where they stand.
pub struct Notes<'a> {
    file: &'a Path,
    text: &'a str,
    found: Vec<Problem>,
}

impl<'a> Notes<'a> {
    /// An empty sheet for this file.
    #[must_use]
    pub fn new(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text,
            found: Vec::new(),
        }
    }

    /// Something that stops the gateway.
    pub fn error(&mut self, place: &Place, message: impl Into<String>, remedy: impl Into<String>) {
        self.note(place, message.into(), remedy.into(), false);
    }

    /// Something that should not stay so.
    pub fn warning(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.note(place, message.into(), remedy.into(), true);
    }

    fn note(&mut self, place: &Place, message: String, remedy: String, warning: bool) {
        let position = locate(self.text, place);
        self.found.push(Problem {
            file: self.file.to_owned(),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            place: place.to_string(),
            message,
            remedy,
            warning,
        });
    }

    /// True for a key that stands in the file itself, and has not its value from a default.
    #[must_use]
    pub fn is_written(&self, key: &Place) -> bool {
        let Some((_, parent)) = key.0.split_last() else {
            return true;
        };
        locate(self.text, key) != locate(self.text, &Place(parent.to_vec()))
    }

    /// What was found, in the order of the file.
    #[must_use]
    pub fn finish(mut self) -> Problems {
        self.found
            .sort_by_key(|problem| (problem.line, problem.column));
        Problems(self.found)
    }
}
