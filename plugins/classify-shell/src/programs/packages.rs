//! Packages: of the system, of languages, of a project.

use super::Call;
use crate::expand::Field;
use crate::labels::{self, Label};
use crate::walk::{Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// `apt`, `dnf`, `yum`, `apk`, `pacman`, `zypper`, `brew`, `snap`, `flatpak`, `rpm`, `dpkg`, `port`
pub fn system(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let words: Vec<&str> = call.args.iter().map(|f| f.text.as_str()).collect();
    let verb = words
        .iter()
        .find(|w| !w.starts_with('-'))
        .copied()
        .unwrap_or_default();
    // A hook or a configuration given on the command line is a command.
    for (at, word) in words.iter().enumerate() {
        let value = word
            .strip_prefix("-o")
            .or_else(|| word.strip_prefix("--option="));
        let value = value
            .filter(|v| !v.is_empty())
            .or(words.get(at + 1).copied().filter(|_| *word == "-o"));
        if value
            .is_some_and(|v| v.contains("Invoke") || v.contains("Dir::") || v.contains("::Options"))
        {
            walker.report.say(labels::DYNAMIC_COMMAND);
        }
    }
    if call.args.iter().any(|f| f.open && f.multiple) && verb.is_empty() {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    let label = label_of(call.name, verb, &words);
    // Looking for news changes nothing but lists.
    let lists = matches!(
        (call.name, verb),
        ("apt" | "apt-get" | "apk" | "brew", "update") | ("zypper" | "snap", "refresh")
    ) && words.iter().filter(|w| !w.starts_with('-')).count() == 1;
    match label {
        Some(_) if lists => walker.report.does(Effect::Write, Verbs::NET | Verbs::ADMIN),
        Some(label) => {
            walker.report.does(Effect::Write, Verbs::ADMIN | Verbs::NET);
            walker.report.say(label);
        }
        None => walker.report.does(Effect::Read, Verbs::READ),
    }
    Ok(None)
}

/// What dpkg only tells.
const DPKG_ASKS: [&str; 15] = [
    "-l",
    "-L",
    "-s",
    "-S",
    "-p",
    "-c",
    "-I",
    "-W",
    "--list",
    "--status",
    "--print-architecture",
    "--get-selections",
    "--search",
    "--listfiles",
    "--audit",
];

/// What a verb of a manager of packages is called; nothing for one that only looks.
fn label_of(name: &str, verb: &str, words: &[&str]) -> Option<&'static Label> {
    match name {
        "pacman" => short(words, &['S', 'U'], &['R'], &["-Ss", "-Si", "-Sl", "-Sg"]),
        "rpm" => short(
            words,
            &['i', 'U', 'F'],
            &['e'],
            &[
                "-q", "-qa", "-qi", "-ql", "-qf", "-qc", "-qR", "-V", "-Va", "-qp", "-qpl", "-qip",
                "-qpi", "-qlp",
            ],
        ),
        "dpkg" => short(words, &['i'], &['r', 'P'], &DPKG_ASKS),
        _ => match verb {
            "install" | "add" | "reinstall" | "upgrade" | "dist-upgrade" | "full-upgrade"
            | "groupinstall" | "localinstall" | "in" | "dup" | "refresh" | "update" | "up"
            | "build-dep" | "downgrade" | "swap" | "module" | "copr" | "config-manager"
            | "distro-sync" | "tap" | "cask" | "edit-sources" => Some(labels::PACKAGE_INSTALL),
            "remove" | "purge" | "autoremove" | "erase" | "del" | "rm" | "uninstall"
            | "autoclean" => Some(labels::PACKAGE_REMOVE),
            _ => None,
        },
    }
}

fn short(words: &[&str], adds: &[char], removes: &[char], asks: &[&str]) -> Option<&'static Label> {
    if words.iter().any(|w| asks.contains(w)) {
        return None;
    }
    let flags = |letters: &[char]| {
        words
            .iter()
            .any(|w| w.starts_with('-') && !w.starts_with("--") && w.contains(letters))
    };
    if flags(removes)
        || words
            .iter()
            .any(|w| w.starts_with("--rem") || w.starts_with("--purge") || *w == "--erase")
    {
        return Some(labels::PACKAGE_REMOVE);
    }
    let long = words.iter().any(|w| {
        matches!(
            *w,
            "--install" | "--upgrade" | "--sync" | "--configure" | "--unpack"
        )
    });
    (flags(adds) || long).then_some(labels::PACKAGE_INSTALL)
}

/// `bundle exec rspec`, `poetry run pytest`: what they run is what counts.
const RUNNERS: [(&str, &str); 14] = [
    ("bundle", "exec"),
    ("poetry", "run"),
    ("pipenv", "run"),
    ("pdm", "run"),
    ("uv", "run"),
    ("rye", "run"),
    ("hatch", "run"),
    ("conda", "run"),
    ("mamba", "run"),
    ("mise", "exec"),
    ("asdf", "exec"),
    ("pyenv", "exec"),
    ("rbenv", "exec"),
    ("nvm", "exec"),
];

fn runs(walker: &mut Walker<'_>, call: &Call<'_>, verb: &str) -> Walk<Output> {
    let at = call.args.iter().position(|f| f.text == verb);
    let words: Vec<Field> = call
        .args
        .iter()
        .skip(at.map_or(0, |at| at + 1))
        .skip_while(|f| f.text.starts_with('-'))
        .cloned()
        .collect();
    walker.report.say(labels::PROJECT_CODE);
    super::run(walker, &words, call.input)
}

/// What a verb of a language's manager is called; nothing for one that only looks.
fn verb_of(name: &str, words: &[&str], plain: &[&str]) -> Option<&'static Label> {
    let verb = plain.first().copied().unwrap_or_default();
    let named = plain.len() > 1;
    let global = words.iter().any(|w| {
        matches!(
            *w,
            "-g" | "--global" | "--location=global" | "--system" | "--break-system-packages"
        )
    });
    match verb {
        "install" | "i" | "add" | "ci" | "update" | "upgrade" | "sync" | "get" | "require"
        | "download" | "fetch" | "restore" | "lock" | "dlx" | "tidy" | "vendor" | "mod"
            if verb != "mod" || name == "go" =>
        {
            let files = words
                .iter()
                .any(|w| matches!(*w, "-r" | "--requirement" | "-e" | "--editable"));
            let project = matches!(
                verb,
                "ci" | "sync" | "mod" | "fetch" | "restore" | "lock" | "tidy" | "vendor"
            ) || !named
                || files;
            let project = project && !global && name != "cargo"
                || matches!(
                    (name, verb),
                    ("cargo", "fetch" | "update" | "add") | ("go", "mod" | "get")
                );
            Some(if project {
                labels::PROJECT_DEPENDENCIES
            } else {
                labels::PACKAGE_INSTALL
            })
        }
        "uninstall" | "remove" | "rm" | "un" | "prune" => Some(labels::PACKAGE_REMOVE),
        "publish" | "upload" | "push" | "yank" | "unpublish" | "owner" | "deprecate" => {
            Some(labels::NETWORK_UPLOAD)
        }
        "exec" | "x" | "dlx" if name != "cargo" => Some(labels::DOWNLOAD_AND_RUN),
        "config" | "set" if words.contains(&"set") => Some(labels::PATH_CHANGE),
        "token" | "login" | "adduser" | "logout" | "whoami" => Some(labels::NETWORK_WRITE),
        "run" | "build" | "test" | "start" | "check" | "bench" | "clippy" | "fmt" | "doc"
        | "generate" | "vet" | "tool" | "compile" | "rebuild" | "t" | "lint" | "package"
        | "nextest" | "miri" | "fix" | "format" | "dev" | "serve" | "watch" | "script" | "pack"
        | "install-test" | "link" | "xtask" | "clean" | "expand" => Some(labels::PROJECT_CODE),
        "list" | "ls" | "show" | "freeze" | "outdated" | "view" | "info" | "search"
        | "check-updates" | "audit" | "why" | "tree" | "metadata" | "env" | "version" | "help"
        | "root" | "bin" | "prefix" | "doctor" | "deny" | "ping" | "fund" | "explain" | "ll"
        | "index" | "inspect" | "cache" | "config" | "query" | "pkgid" | "verify-project"
        | "locate-project" | "config-get" | "debug" | "" => None,
        _ => Some(labels::PROJECT_CODE),
    }
}

/// `pip`, `npm`, `gem`, `cargo`, `go`, …: for a project or for the machine.
pub fn language(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let words: Vec<&str> = call.args.iter().map(|f| f.text.as_str()).collect();
    let plain: Vec<&str> = words
        .iter()
        .filter(|w| !w.starts_with('-'))
        .copied()
        .collect();
    let verb = plain.first().copied().unwrap_or_default();
    if call
        .args
        .first()
        .is_some_and(|f| f.certain().is_none() && f.open)
    {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    walker.report.does(Effect::Read, Verbs::READ);
    if RUNNERS.contains(&(call.name, verb)) {
        return runs(walker, call, verb);
    }
    let label = verb_of(call.name, &words, &plain);
    if let Some(label) = label {
        walker.report.does(Effect::Write, Verbs::EXEC | Verbs::NET);
        walker.report.say(label);
    }
    Ok(None)
}

/// See [`fetched`].
const FETCHED_LOCAL: [&str; 16] = [
    "tsc",
    "eslint",
    "prettier",
    "jest",
    "vitest",
    "mocha",
    "vite",
    "webpack",
    "next",
    "playwright",
    "tsx",
    "ts-node",
    "ruff",
    "black",
    "mypy",
    "pytest",
];

/// `npx`, `pipx run`, `uvx`, `bunx`: what is fetched runs at once.
pub fn fetched(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let words: Vec<&Field> = call
        .args
        .iter()
        .filter(|f| !f.text.starts_with('-'))
        .collect();
    let known = words
        .first()
        .is_some_and(|f| FETCHED_LOCAL.contains(&f.text.as_str()));
    let installs = call.name == "pipx" && call.verb() != "run";
    walker.report.does(Effect::Write, Verbs::EXEC | Verbs::NET);
    walker.report.say(match (known, installs, call.verb()) {
        (true, ..) => labels::PROJECT_CODE,
        (_, true, "list") => return Ok(None),
        (_, true, _) => labels::PACKAGE_INSTALL,
        _ => labels::DOWNLOAD_AND_RUN,
    });
    Ok(None)
}
