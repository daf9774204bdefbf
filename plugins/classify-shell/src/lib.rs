//! Grades command lines and operations on files. A real parser of sh and bash reads the whole text, follows it into
//! `sh -c`, `sudo`, `xargs`, `find -exec`, here-documents and everything else that runs something, and says
//! what each command does.
//!
//! It refuses to guess: a command that is put together only when it runs is `dynamic-command`, code that is not in the
//! text is `opaque-script`, a program that it does not know is `unlisted-program`; all of these are of unknown
//! effect. It is no wall around a shell: see the limits in `README.md` beside `Cargo.toml`.

mod arithmetic;
mod environment;
mod expand;
pub mod labels;
mod paths;
mod programs;
mod report;
mod sftp;
mod syntax;
mod walk;

use expand::Field;
use portcullis_sdk::prelude::*;
use report::Report;
use syntax::{Budget, Unreadable};
use walk::{Input, Walk, Walker};

/// Bytes of a command that is read; a longer one is too complex.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Steps that reading and following one text may take.
const STEPS_MAX: u32 = 600_000;

/// The classifier.
#[derive(Debug)]
pub struct ClassifyShell {
    config: Config,
    /// What the target's label `shell` says, if it has one.
    target: Option<String>,
}

/// Its configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The login shell of targets that have no label `shell`. `sh` and its kin are read; of any other shell
    /// every command is of unknown effect.
    pub shell: Option<String>,
}

impl Classifier for ClassifyShell {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, ConfigError> {
        programs::prepare();
        Ok(Self {
            config,
            target: None,
        })
    }

    fn open(&mut self, stream: &Stream) {
        self.target = stream.labels.get("shell").cloned();
    }

    fn classify(&mut self, message: &Message<'_>) -> Opinion {
        let shell = self.target.as_deref().or(self.config.shell.as_deref());
        match message.stage() {
            Stage::Exec if !is_read(shell) => said(labels::OTHER_SHELL, message.text()),
            Stage::Exec => command_line(message.text()),
            Stage::ShellLine if !is_read(shell) => said(labels::OTHER_SHELL, message.text()),
            Stage::ShellLine => typed_line(message.text()),
            Stage::Subsystem => subsystem(message.text()),
            Stage::Sftp => sftp::operation(message.text()),
            _ => Opinion::unknown("unlisted-message"),
        }
    }
}

#[cfg(feature = "plugin")]
portcullis_sdk::export_classifier!(ClassifyShell);

/// Shells whose language is read here. `zsh` reads the same texts otherwise.
fn is_read(shell: Option<&str>) -> bool {
    let name = shell.map(|path| path.rsplit('/').next().unwrap_or_default());
    matches!(
        name,
        None | Some("sh" | "bash" | "dash" | "ash" | "ksh" | "busybox" | "mksh")
    )
}

fn said(label: &labels::Label, text: &str) -> Opinion {
    let mut report = Report::new();
    report.place.end = text.len();
    report.say(label);
    report.finish()
}

/// Makes ready what is made once, so that no message waits for it.
pub fn prepare() {
    programs::prepare();
}

/// Opinion on a command line, as a shell gets it with `-c`.
#[must_use]
pub fn command_line(text: &str) -> Opinion {
    follow(text, false)
}

/// Opinion on a line that was typed into a shell: what stood before it is not known.
#[must_use]
pub fn typed_line(text: &str) -> Opinion {
    follow(text, true)
}

/// Opinion on a command of separate words, which no shell reads.
#[must_use]
pub fn words(words: &[String]) -> Opinion {
    let text_bytes: usize = words.iter().map(String::len).sum();
    let budget = Budget::new(STEPS_MAX);
    let mut walker = Walker::new(&budget);
    if text_bytes > TEXT_BYTES_MAX || words.iter().any(|w| w.contains(expand::ANY)) {
        return said(labels::TOO_COMPLEX, "");
    }
    let fields: Vec<Field> = words.iter().map(|w| Field::known(w)).collect();
    let followed = programs::run(&mut walker, &fields, &Input::Session);
    end(walker, followed.map(drop))
}

fn follow(text: &str, terminal: bool) -> Opinion {
    if text.len() > TEXT_BYTES_MAX || text.contains(expand::ANY) {
        return said(labels::TOO_COMPLEX, text);
    }
    let budget = Budget::new(STEPS_MAX);
    let mut walker = Walker::new(&budget);
    walker.terminal = terminal;
    if hides(text) {
        walker.report.place.end = text.len();
        walker.report.say(labels::HIDDEN_CHARACTERS);
    }
    if terminal && recalls(text) {
        walker.report.place.end = text.len();
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    let followed = walker.text(text).map(drop);
    end(walker, followed)
}

fn end(mut walker: Walker<'_>, followed: Walk) -> Opinion {
    match followed {
        Ok(()) => {}
        Err(Unreadable::Syntax) => walker.report.say(labels::UNPARSED),
        Err(Unreadable::TooComplex) => walker.report.say(labels::TOO_COMPLEX),
    }
    walker.report.finish()
}

/// Characters that a person does not see as they are: controls, bidirectional overrides, blanks without width.
fn hides(text: &str) -> bool {
    text.chars().any(|c| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
    })
}

/// `!!`, `!$`, `^a^b`: the shell puts something else in their place before it reads the line.
fn recalls(text: &str) -> bool {
    let mut quoted = false;
    let mut last = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        match c {
            '\'' => quoted = !quoted,
            '!' if !quoted
                && last != '\\'
                && !matches!(next, ' ' | '\t' | '\n' | '=' | '(')
                && last != '$'
                && last != '{' =>
            {
                return true;
            }
            _ => {}
        }
        last = c;
    }
    text.starts_with('^')
}

/// What a client starts by name.
fn subsystem(name: &str) -> Opinion {
    match name {
        // Its operations are classified one by one.
        "sftp" => Opinion::nothing().verbs(Verbs::FILE),
        _ => said(labels::UNLISTED_PROGRAM, name),
    }
}

#[cfg(test)]
mod tests;
