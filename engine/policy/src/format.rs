//! `policy fmt`: layout, and nothing but layout. It sets the indentation (a tab for each line with an open
//! bracket, and one for a line that goes on), takes blanks off the ends of lines, makes line ends `\n`,
//! and leaves one empty line where there were several and none at the ends of the file. It never joins,
//! splits or reorders lines, and touches neither comments' words, strings nor the blanks within a line.
//! What `opa fmt` has formatted, it leaves as it is.
//!
//! It refuses to give back a text that would mean something else: the syntax trees are compared.

use crate::diagnostic::{Diagnostic, pointed};
use regorus::Engine;
use serde_json::Value;

/// Formats a module.
///
/// # Errors
/// When it does not parse; then nothing can be said about it.
pub fn format(file: &str, text: &str) -> Result<String, Diagnostic> {
    let before = tree(file, text)?;
    let formatted = layout(text);
    match tree(file, &formatted) {
        Ok(after) if after == before => Ok(formatted),
        _ => Err(Diagnostic::file(
            file,
            "fmt/meaning",
            "the layout cannot be changed without changing what it means".to_owned(),
            "Leave this file as it is, and report it.",
        )),
    }
}

/// The syntax tree without places.
fn tree(file: &str, text: &str) -> Result<Value, Diagnostic> {
    let mut engine = Engine::new();
    let parsed = engine
        .add_policy(file.to_owned(), text.to_owned())
        .and_then(|_| engine.get_ast_as_json());
    let json = parsed.map_err(|error| {
        let (place, message) = pointed(&error.to_string());
        let (_, line, column) = place.unwrap_or_default();
        let remedy = "Only what parses can be formatted.";
        Diagnostic::file(file, "load/parse", message, remedy)
            .at((line, column))
            .excerpted(|_| Some(text))
    })?;
    let mut tree: Value = serde_json::from_str(&json).unwrap_or_default();
    without_places(&mut tree);
    Ok(tree)
}

fn without_places(tree: &mut Value) {
    match tree {
        Value::Object(fields) => {
            for place in ["line", "col", "start", "end", "source"] {
                fields.remove(place);
            }
            fields.values_mut().for_each(without_places);
        }
        Value::Array(items) => items.iter_mut().for_each(without_places),
        _ => {}
    }
}

fn layout(text: &str) -> String {
    let mut pen = Pen::default();
    for line in text.lines() {
        pen.line(line);
    }
    let mut out = pen.out;
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

#[derive(Default)]
struct Pen {
    out: String,
    /// For each open bracket, the number of the line that opened it, and whether it ended that line.
    open: Vec<(usize, bool)>,
    number: usize,
    /// Inside a raw string that began on an earlier line.
    raw: bool,
    /// The last code ended with an operator: what follows goes on.
    goes_on: bool,
}

impl Pen {
    fn line(&mut self, line: &str) {
        self.number += 1;
        if self.raw {
            // The text of a raw string is a value.
            let end = self.scan(line, 0);
            self.push(if self.raw {
                line
            } else {
                line.get(..end).unwrap_or(line)
            });
            return;
        }
        let trimmed = line.trim();
        if trimmed.is_empty() {
            if !self.out.is_empty() && !self.out.ends_with("\n\n") {
                self.out.push('\n');
            }
            return;
        }
        let level = self.level(trimmed);
        self.out.extend(std::iter::repeat_n('\t', level));
        let start = line.len() - line.trim_start().len();
        self.scan(line, start);
        let kept = if self.raw {
            line.get(start..).unwrap_or(trimmed)
        } else {
            trimmed
        };
        self.push(kept);
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// Lines that have a bracket open, less those that this one closes first.
    fn level(&self, trimmed: &str) -> usize {
        let closing = trimmed
            .bytes()
            .take_while(|b| matches!(b, b')' | b']' | b'}'))
            .count();
        let left = self.open.len().saturating_sub(closing);
        let open = self.open.get(..left).unwrap_or_default();
        let mut lines: Vec<usize> = open.iter().map(|(line, _)| *line).collect();
        lines.dedup();
        let with = trimmed.starts_with("with ");
        lines.len() + usize::from(closing == 0 && (self.goes_on || with))
    }

    /// Follows brackets and strings to the end of a line; answers where its last blank-free part ends.
    fn scan(&mut self, line: &str, from: usize) -> usize {
        let mut quoted = false;
        let mut escaped = false;
        let mut code = String::new();
        for c in line.get(from..).unwrap_or_default().chars() {
            match c {
                '`' if !quoted => self.raw = !self.raw,
                _ if self.raw => {}
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                _ if quoted => {}
                '#' => break,
                '(' | '[' | '{' => self.open.push((self.number, false)),
                ')' | ']' | '}' => {
                    self.open.pop();
                }
                _ => {}
            }
            if !self.raw {
                code.push(c);
            }
        }
        let code = code.trim_end();
        if !code.is_empty() {
            if let Some(last) = self.open.last_mut() {
                last.1 |= code.ends_with(['(', '[', '{']);
            }
            // The bar of a comprehension stands where its bracket has something before it.
            let comprehension =
                code.ends_with('|') && self.open.last().is_some_and(|(_, last)| !last);
            self.goes_on = ends_open(code) && !comprehension;
        }
        line.trim_end().len()
    }
}

/// True when code ends where an operand is still to come.
fn ends_open(code: &str) -> bool {
    let signs = ["|", "&", "+", "-", "*", "/", "%", "=", "<", ">"];
    signs.iter().any(|sign| code.ends_with(sign))
}
