//! What is wrong with a policy, where, and what to do about it. A diagnostic refuses the whole set:
//! there is no warning that a loader may overlook.

use serde::Serialize;
use std::fmt;

/// A longer line is cut when it is shown.
const EXCERPT_CHARS_MAX: usize = 160;

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
    /// The line it is about; empty when there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
    /// How many characters of it are meant, from the column on.
    #[serde(skip)]
    width: usize,
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
            excerpt: String::new(),
            width: 0,
        }
    }

    /// With the line it is about, when the text of its file is known.
    pub(crate) fn excerpted<'t>(mut self, text_of: impl Fn(&str) -> Option<&'t str>) -> Self {
        let Some(line) = text_of(&self.file)
            .and_then(|text| text.lines().nth((self.line as usize).checked_sub(1)?))
        else {
            return self;
        };
        self.excerpt = line.trim_end().chars().take(EXCERPT_CHARS_MAX).collect();
        if !self.file.ends_with(".json") && !self.file.ends_with(".yaml") {
            self.column = in_characters(line, self.column);
        }
        let from = self
            .excerpt
            .chars()
            .skip((self.column as usize).saturating_sub(1));
        let word = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '.');
        self.width = from.take_while(word).count().max(1);
        self
    }

    pub(crate) fn at(mut self, (line, column): (u32, u32)) -> Self {
        self.line = line;
        self.column = column;
        self
    }
}

/// The engine counts a tab as four columns; editors that jump to a place count characters.
fn in_characters(line: &str, column: u32) -> u32 {
    let mut engine = 1;
    for (at, c) in (1..).zip(line.chars()) {
        if engine >= column {
            return if column == 0 { 0 } else { at };
        }
        engine += if c == '\t' { 4 } else { 1 };
    }
    column
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        writeln!(f, ": {} ({})", self.message, self.rule)?;
        if !self.excerpt.is_empty() {
            let number = self.line.to_string();
            writeln!(f, "  {number} | {}", self.excerpt)?;
            if self.column > 0 {
                // Tabs stay tabs, so that the caret stands where the terminal puts the word.
                let before = self.excerpt.chars().take(self.column as usize - 1);
                let before: String = before.map(|c| if c == '\t' { c } else { ' ' }).collect();
                let carets = "^".repeat(self.width);
                writeln!(f, "  {:1$} | {before}{carets}", "", number.len())?;
            }
        }
        write!(f, "  {}", self.remedy)
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
