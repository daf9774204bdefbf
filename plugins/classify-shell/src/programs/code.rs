//! Shells and interpreters: code in a word is read where its language is the shell's, and said to be code where
//! it is not. Code that is not in the command is opaque.

use super::{Call, Options, look_at};
use crate::expand::{ANY, Field};
use crate::labels;
use crate::walk::{Input, Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// A script that comes from an input.
pub fn script_from(walker: &mut Walker<'_>, input: &Input) -> Walk<Output> {
    match input {
        Input::Known(text) => {
            walker.report.say(labels::PIPE_TO_SHELL);
            return walker.nested_text(text);
        }
        Input::Opaque { network, .. } => {
            walker.report.say(labels::OPAQUE_SCRIPT);
            if *network {
                walker.report.say(labels::DOWNLOAD_AND_RUN);
            }
        }
        Input::Session => walker.report.say(labels::INTERACTIVE_SHELL),
    }
    Ok(None)
}

/// `sh`, `bash`, `dash`, `ksh`, `zsh`, …
pub fn shell(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.report.does(Effect::Read, Verbs::EXEC);
    let mut args = call.args.iter();
    let mut command = false;
    let mut asks = false;
    let mut words: Vec<Field> = Vec::new();
    while let Some(field) = args.next() {
        let text = field.text.as_str();
        if field.open && words.is_empty() {
            walker.report.say(labels::DYNAMIC_COMMAND);
        }
        match text {
            "--" | "-" => {
                words.extend(args.by_ref().cloned());
                break;
            }
            "--rcfile" | "--init-file" => {
                args.next();
                walker.report.say(labels::OPAQUE_SCRIPT);
            }
            "-o" | "+o" | "-O" | "+O" => drop(args.next()),
            _ if text.starts_with("--") => {}
            _ if text.starts_with(['-', '+']) => {
                command |= text.starts_with('-') && text.contains('c');
                asks |= text.contains('s') && text.starts_with('-');
            }
            _ => {
                words.push(field.clone());
                words.extend(args.by_ref().cloned());
                break;
            }
        }
    }
    let others = matches!(
        call.name,
        "fish" | "csh" | "tcsh" | "pwsh" | "nu" | "xonsh" | "elvish"
    );
    if others {
        walker.report.say(labels::OTHER_SHELL);
    }
    match words.split_first() {
        Some((text, arguments)) if command => {
            let known = arguments
                .iter()
                .skip(1)
                .map(|f| f.certain().map(str::to_owned))
                .collect();
            let text = text.text.clone();
            let outer = std::mem::replace(&mut walker.environment.arguments, known);
            let output = walker.isolated(|walker| walker.nested_text(&text));
            walker.environment.arguments = outer;
            output
        }
        None if command => Ok(None),
        Some((script, _)) if !asks && !is_input(script) => {
            walker.report.say(labels::OPAQUE_SCRIPT);
            if walker.network && script.text.contains(ANY) {
                walker.report.say(labels::DOWNLOAD_AND_RUN);
            }
            Ok(None)
        }
        _ => walker.isolated(|walker| script_from(walker, call.input)),
    }
}

fn is_input(script: &Field) -> bool {
    matches!(
        script.text.as_str(),
        "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0"
    )
}

/// `source`, `.`
pub fn source(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    match call.args.first() {
        Some(script) if is_input(script) => script_from(walker, call.input),
        Some(script) => {
            walker.report.say(labels::OPAQUE_SCRIPT);
            if walker.network && script.text.contains(ANY) {
                walker.report.say(labels::DOWNLOAD_AND_RUN);
            }
            Ok(None)
        }
        None => Ok(None),
    }
}

/// How an interpreter takes code in a word, and options with values besides.
fn flags(name: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
        "python" | "pypy" => (&["c"], &["m", "W", "X"]),
        "perl" => (&["e", "E"], &["M", "I", "F", "i", "0", "l"]),
        "ruby" | "jruby" => (&["e"], &["r", "I", "C"]),
        "node" | "nodejs" | "deno" | "bun" => {
            (&["e", "eval", "p", "print"], &["r", "require", "import"])
        }
        "php" => (&["r", "B", "R", "E"], &["d", "c", "f", "S", "t"]),
        "lua" | "luajit" => (&["e"], &["l"]),
        "Rscript" | "R" => (&["e"], &["f"]),
        "groovy" | "scala" | "elixir" | "julia" | "erl" | "swipl" | "ghci" | "ghc" => {
            (&["e", "eval", "E", "g"], &[])
        }
        "osascript" => (&["e"], &[]),
        "tclsh" | "guile" | "sbcl" | "expect" => (&["c", "e", "eval"], &[]),
        _ => (&["e", "c"], &[]),
    }
}

/// `python`, `perl`, `ruby`, `node`, `php`, …
pub fn interpreter(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.report.does(Effect::Read, Verbs::EXEC);
    let (code, values) = flags(call.name);
    let all: Vec<&str> = code.iter().chain(values).copied().collect();
    let python = call.name.starts_with("py");
    let options = Options::read(call.args, &all, true);
    if python && let Some(module) = options.value(&["m"]) {
        let module = module.clone();
        // What follows the module is its own.
        let at = call
            .args
            .iter()
            .position(|f| f.text.starts_with("-m") && !f.text.starts_with("--"));
        let skip = at.map_or(0, |at| at + 1 + usize::from(call.args[at].text == "-m"));
        let args = call.args.get(skip..).unwrap_or_default();
        return python_module(walker, &module, args, call.input);
    }
    let texts: Vec<String> = options.values(code).map(|f| f.text.clone()).collect();
    if options.open {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    if !texts.is_empty() {
        for text in &texts {
            foreign(walker, text)?;
        }
        look_at(walker, &options.words)?;
        return Ok(None);
    }
    if call
        .args
        .iter()
        .all(|f| matches!(f.text.as_str(), "-V" | "-v" | "--version"))
        && !call.args.is_empty()
    {
        return Ok(None);
    }
    match options.words.first() {
        Some(script) if script.text != "-" && !is_input(script) => {
            walker.report.say(labels::OPAQUE_SCRIPT);
        }
        _ => match call.input {
            Input::Known(text) => foreign(walker, &text.clone())?,
            input => drop(script_from(walker, input)?),
        },
    }
    Ok(None)
}

fn python_module(
    walker: &mut Walker<'_>,
    module: &Field,
    args: &[Field],
    input: &Input,
) -> Walk<Output> {
    let name = module.certain().unwrap_or_default();
    match name {
        "pip" | "pip3" | "ensurepip" => {
            let mut words = vec![Field::known("pip")];
            words.extend_from_slice(args);
            super::run(walker, &words, input)
        }
        "json.tool" | "tabnanny" | "timeit" | "this" | "calendar" | "platform" | "sysconfig"
        | "site" | "base64" => {
            look_at(walker, args)?;
            if name == "timeit" {
                walker.report.say(labels::INLINE_CODE);
            }
            Ok(None)
        }
        "http.server" | "SimpleHTTPServer" | "smtpd" | "pyftpdlib" => {
            walker.report.say(labels::NETWORK_LISTENER);
            Ok(None)
        }
        "venv" | "virtualenv" | "pytest" | "unittest" | "tox" | "nox" | "mypy" | "ruff"
        | "black" | "flake8" | "pylint" | "isort" | "build" | "compileall" | "coverage"
        | "zipfile" | "tarfile" | "py_compile" | "doctest" => {
            walker
                .report
                .does(Effect::Write, Verbs::EXEC | Verbs::WRITE);
            walker.report.say(labels::PROJECT_CODE);
            Ok(None)
        }
        _ => {
            walker.report.say(labels::OPAQUE_SCRIPT);
            Ok(None)
        }
    }
}

/// See [`foreign`].
const FOREIGN_STARTS: [&str; 14] = [
    "system(",
    "system (",
    "popen(",
    "exec(",
    "execSync(",
    "spawn(",
    "shell_exec(",
    "passthru(",
    "check_output(",
    "call(",
    "run(",
    "system ",
    "qx(",
    "getoutput(",
];

/// Code of another language: what it does is not established. Commands of the shell within it are followed as far
/// as they stand in quotes, so that what is plain to see is seen.
pub fn foreign(walker: &mut Walker<'_>, code: &str) -> Walk {
    walker.report.say(labels::INLINE_CODE);
    if code.contains(ANY) {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    let has = |words: &[&str]| words.iter().any(|w| code.contains(w));
    if has(&[
        "socket",
        "Socket",
        "TCPSocket",
        "fsockopen",
        "/inet/tcp",
        "net.connect",
    ]) && has(&[
        "dup2",
        "/bin/sh",
        "/bin/bash",
        "pty.spawn",
        "exec",
        "subprocess",
        "spawn",
        "STDIN",
    ]) {
        walker.report.say(labels::REVERSE_SHELL);
    }
    if has(&["chmod"])
        && has(&[
            "777", "666", "0o7", "S_IRWXO", "S_IWOTH", "511", "a+rwx", "o+w",
        ])
    {
        walker.report.say(labels::WORLD_WRITABLE);
    }
    if has(&[
        "rmtree",
        "rm_rf",
        "rm_r(",
        "remove_tree",
        "rimraf",
        "rmSync",
        "unlink",
        "File.delete",
        "FileUtils.rm",
    ]) {
        walker.report.say(labels::RECURSIVE_DELETE);
    }
    if has(&[
        "urlopen",
        "requests.",
        "http.client",
        "Net::HTTP",
        "LWP::",
        "fetch(",
        "curl_",
    ]) {
        walker.report.does(Effect::Unknown, Verbs::NET);
    }
    quoted_parts(walker, code)
}

/// Paths and commands that stand in quotes.
fn quoted_parts(walker: &mut Walker<'_>, code: &str) -> Walk {
    for quoted in quoted(code) {
        let path = Field::known(quoted);
        if quoted.starts_with(['/', '~', '.']) && !quoted.contains(' ') {
            walker.touch(&path, crate::paths::Deed::Read);
        }
    }
    for start in FOREIGN_STARTS {
        for (at, _) in code.match_indices(start).take(8) {
            let rest = code.get(at + start.len()..).unwrap_or_default();
            if let Some(command) = quoted_first(rest) {
                let command = command.to_owned();
                walker.nested_text(&command)?;
            }
        }
    }
    Ok(())
}

/// The texts in quotes.
fn quoted(code: &str) -> impl Iterator<Item = &str> {
    let mut rest = code;
    std::iter::from_fn(move || {
        let start = rest.find(['\'', '"'])?;
        let quote = rest.get(start..=start)?;
        let inner = rest.get(start + 1..)?;
        let end = inner.find(quote)?;
        rest = inner.get(end + 1..)?;
        inner.get(..end)
    })
    .take(64)
}

/// The text in quotes that begins here, after blanks and brackets.
fn quoted_first(rest: &str) -> Option<&str> {
    let rest = rest.trim_start_matches([' ', '[', '(']);
    let quote = rest.get(..1).filter(|q| *q == "'" || *q == "\"")?;
    let inner = rest.get(1..)?;
    inner.get(..inner.find(quote)?)
}

/// `awk` and its kin: a language that reads and can run.
pub fn awk(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(
        call.args,
        &["f", "v", "F", "file", "e", "source", "i", "l"],
        true,
    );
    if options.has(&["f", "file", "i", "l", "load", "include"]) {
        walker.report.say(labels::OPAQUE_SCRIPT);
        look_at(walker, &options.words)?;
        return Ok(None);
    }
    let mut words = options.words.clone();
    let program = match options.value(&["e", "source"]) {
        Some(program) => program.clone(),
        None if words.is_empty() => return Ok(None),
        None => words.remove(0),
    };
    look_at(walker, &words)?;
    // Variables of the shell within a program are data for most; the parts that run are not.
    let text = &program.text;
    let runs = text.contains("system")
        || text.contains("getline")
        || text.contains("@load")
        || text.contains("|&")
        || text.contains("| \"")
        || text.contains("|\"")
        || text.contains("| cmd")
        || text.contains("/inet/");
    if runs {
        foreign(walker, &text.clone())?;
        for part in text.split('|').skip(1) {
            if let Some(command) = quoted_first(part) {
                let command = command.to_owned();
                walker.nested_text(&command)?;
            }
        }
    } else if program.open {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    // `print > "/path"`
    for part in text.split('>').skip(1) {
        if let Some(path) = quoted_first(part) {
            walker.touch(&Field::known(path), crate::paths::Deed::Write);
        }
    }
    Ok(None)
}

/// `vi`, `emacs`, `less`, …: they can run anything. One that is told what to do and to end is code.
pub fn editor(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let scripted = [
        "-c", "--cmd", "-es", "-s", "--eval", "-batch", "--batch", "-f", "-l", "--load",
    ];
    for (at, field) in call.args.iter().enumerate() {
        let text = field.text.strip_prefix('+').or_else(|| {
            let given = scripted.contains(&field.text.as_str());
            call.args
                .get(at + 1)
                .filter(|_| given)
                .map(|f| f.text.as_str())
        });
        if let Some(command) = text.and_then(|t| t.trim_start_matches(':').strip_prefix('!')) {
            let command = command.to_owned();
            walker.nested_text(&command)?;
        }
    }
    walker.report.say(labels::INTERACTIVE_EDITOR);
    for file in super::words_of(call.args) {
        walker.touch(file, crate::paths::Deed::Append);
        walker.touch(file, crate::paths::Deed::Read);
    }
    Ok(None)
}

/// `less`, `more`, `man`: in a pipe they only show.
pub fn pager(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let at = call
        .args
        .iter()
        .position(|f| matches!(f.text.as_str(), "-P" | "--pager"));
    if let Some(command) = at
        .filter(|_| call.name == "man")
        .and_then(|at| call.args.get(at + 1))
    {
        let command = command.text.clone();
        walker.nested_text(&command)?;
    }
    look_at(walker, call.args)?;
    if walker.terminal && call.name != "man" {
        walker.report.say(labels::INTERACTIVE_EDITOR);
    }
    Ok(None)
}
