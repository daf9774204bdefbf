//! What is wrong with a policy, where, and what to do about it. A diagnostic refuses the whole set:
//! there is no warning that a loader may overlook.

use serde::Serialize;
use std::fmt;

/// One finding of the loader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    /// The file, as it was given.
    pub file: String,
    /// 1-based; 0 when the whole file is meant.
    pub line: u32,
    /// 1-based; 0 when the whole line is meant.
    pub column: u32,
    /// Which check: `load/cycle`, `load/parse`, `load/test`, …
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Diagnostic {
    pub(crate) fn file(file: &str, rule: &'static str, message: String, remedy: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            rule,
            message,
            remedy: remedy.to_owned(),
        }
    }

    pub(crate) fn at(mut self, (line, column): (u32, u32)) -> Self {
        self.line = line;
        self.column = column;
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {} ({})\n  {}", self.message, self.rule, self.remedy)
    }
}

/// Where an error of the engine points to (`--> file:line:column`, or `file:line:column error: …` from
/// the parser), and what it says. The line of source in between is left out.
pub(crate) fn pointed(error: &str) -> (Option<(String, u32, u32)>, String) {
    if let Some((place, said)) = error.split_once(" error: ")
        && let Some(place) = place_of(place)
    {
        return (Some(place), said.trim().to_owned());
    }
    let said = error
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("error: "))
        .unwrap_or_else(|| error.lines().next().unwrap_or_default())
        .trim()
        .to_owned();
    let place = error
        .lines()
        .find_map(|line| place_of(line.strip_prefix("--> ")?));
    (place, said)
}

fn place_of(text: &str) -> Option<(String, u32, u32)> {
    let mut parts = text.rsplitn(3, ':');
    let column = parts.next()?.trim().parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some((parts.next()?.to_owned(), line, column))
}
