//! What programs do with their arguments. A program that is not listed here is [`labels::UNLISTED_PROGRAM`]: nobody
//! guesses what it does. Those that run others hand the rest of their words back to [`run`].

mod builtins;
mod clouds;
mod cluster;
mod code;
mod containers;
mod databases;
mod files;
mod find;
mod git;
mod mode;
mod network;
mod options;
mod packages;
mod permissions;
mod remote;
mod system;
mod table;
mod variables;
mod wrap;

pub use options::Options;
pub use variables::variable;

use crate::expand::Field;
use crate::labels::{self, Label};
use crate::paths::Deed;
use crate::walk::{Input, Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// A program with its arguments.
pub struct Call<'a> {
    /// Its name, without the folder.
    pub name: &'a str,
    /// Its arguments.
    pub args: &'a [Field],
    /// What it reads.
    pub input: &'a Input,
}

impl Call<'_> {
    /// The first argument that is certain, or nothing.
    pub fn verb(&self) -> &str {
        self.args
            .first()
            .and_then(Field::certain)
            .unwrap_or_default()
    }

    /// Some argument is exactly this.
    pub fn says(&self, word: &str) -> bool {
        self.args.iter().any(|field| field.text == word)
    }
}

/// What kind of program it is.
pub enum Program {
    /// Reads names, states, settings; its arguments do not matter.
    Names,
    /// Reads the files that it is given.
    Reads,
    /// Changes the files that it is given.
    Changes,
    /// Builds or tests what stands in the folder: its code runs.
    Project,
    /// Always this.
    Says(&'static Label),
    /// It depends.
    Depends(fn(&mut Walker<'_>, &Call<'_>) -> Walk<Output>),
}

/// Makes ready what is made once.
pub fn prepare() {
    table::sorted();
}

/// A mode is given to these files.
pub fn set_mode(walker: &mut Walker<'_>, given: &Field, files: &[Field]) {
    permissions::set(walker, given, files, false);
}

/// Folders whose programs are what their names say.
const FOLDERS: [&str; 10] = [
    "/bin/",
    "/usr/bin/",
    "/sbin/",
    "/usr/sbin/",
    "/usr/local/bin/",
    "/usr/local/sbin/",
    "/snap/bin/",
    "/usr/lib/openssh/",
    "/usr/libexec/openssh/",
    "/usr/lib/ssh/",
];

/// The name of a program that may be known here; `None` for one of another folder.
fn named(text: &str) -> Option<&str> {
    if !text.contains('/') {
        return Some(text);
    }
    let folder = FOLDERS.iter().find(|folder| text.starts_with(**folder))?;
    let name = text.strip_prefix(folder)?;
    (!name.contains('/')).then_some(name)
}

fn look_up(name: &str) -> Option<&'static Program> {
    if let Some(program) = table::find(name) {
        return Some(program);
    }
    if name.starts_with("mkfs.") {
        return table::find("mkfs");
    }
    if name.starts_with("ld-linux") || name.starts_with("ld-musl") {
        return table::find("ld.so");
    }
    // `python3.12`, `gcc-14`, `llvm-config-19`
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    (stem.len() < name.len())
        .then(|| table::find(stem))
        .flatten()
}

/// Whether a program of this name is known here.
pub fn is_listed(name: &str) -> bool {
    look_up(name).is_some()
}

/// Runs a command whose words are these.
pub fn run(walker: &mut Walker<'_>, words: &[Field], input: &Input) -> Walk<Output> {
    let Some((first, args)) = words.split_first() else {
        return Ok(None);
    };
    walker.deeper(|walker| {
        walker
            .budget
            .spend(16 + u32::try_from(words.len()).unwrap_or(u32::MAX))?;
        let Some(text) = first.certain() else {
            walker.report.say(labels::DYNAMIC_COMMAND);
            look_at(walker, args)?;
            return Ok(None);
        };
        if let Some(output) = walker.call(text, args, input)? {
            return Ok(output);
        }
        say_words(walker, words);
        let known = named(text).and_then(|name| Some((name, look_up(name)?)));
        let Some((name, program)) = known else {
            walker.report.touches("program", text, false);
            walker.report.say(labels::UNLISTED_PROGRAM);
            look_at(walker, args)?;
            return Ok(None);
        };
        walker.report.touches("program", name, false);
        if let [only] = args
            && matches!(only.certain(), Some("--version" | "--help"))
        {
            return Ok(None);
        }
        perform(walker, program, &Call { name, args, input })
    })
}

fn perform(walker: &mut Walker<'_>, program: &Program, call: &Call<'_>) -> Walk<Output> {
    match program {
        Program::Names => walker.report.does(Effect::Read, Verbs::READ),
        Program::Reads => look_at(walker, call.args)?,
        Program::Changes => {
            walker.report.does(Effect::Write, Verbs::WRITE);
            for field in words_of(call.args) {
                walker.budget.spend(64)?;
                walker.touch(field, Deed::Write);
            }
        }
        Program::Project => {
            look_at(walker, call.args)?;
            walker
                .report
                .does(Effect::Write, Verbs::EXEC | Verbs::WRITE);
            walker.report.say(labels::PROJECT_CODE);
        }
        Program::Says(label) => {
            look_at(walker, call.args)?;
            walker.report.say(label);
        }
        Program::Depends(depends) => return depends(walker, call),
    }
    Ok(None)
}

/// The whole command for policies that allow only what they list: its words as a JSON array.
fn say_words(walker: &mut Walker<'_>, words: &[Field]) {
    let words: Option<Vec<&str>> = words.iter().map(Field::certain).collect();
    if let Some(json) = words.and_then(|words| serde_json::to_string(&words).ok())
        && json.len() <= 512
    {
        walker.report.touches("argv", &json, false);
    }
}

/// Arguments that are no options.
pub fn words_of(args: &[Field]) -> impl Iterator<Item = &Field> {
    args.iter()
        .filter(|field| !field.text.starts_with('-') || field.text == "-")
}

/// The program reads what its arguments name.
pub fn look_at(walker: &mut Walker<'_>, args: &[Field]) -> Walk {
    walker.report.does(Effect::Read, Verbs::READ);
    for field in args {
        walker.budget.spend(64)?;
        // `if=/etc/shadow`, `--file=/etc/shadow`, `@/etc/shadow`, `host:/path`
        let text = &field.text;
        let value = text
            .rfind(['=', '@'])
            .or_else(|| text.find(":/"))
            .map(|at| text.get(at + 1..).unwrap_or_default());
        for text in std::iter::once(text.as_str()).chain(value) {
            let part = Field {
                text: text.to_owned(),
                ..field.clone()
            };
            walker.touch(&part, Deed::Read);
        }
        if field.open {
            walker.report.say(labels::UNKNOWN_ARGUMENT);
        }
    }
    Ok(())
}
