//! git: reading, committing, pushing; the many ways in which it runs other programs; what throws work away.

use super::{Call, Options};
use crate::expand::Field;
use crate::labels;
use crate::walk::{Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// See [`runs_command`].
const RUNS_COMMAND_WHOLE: [&str; 18] = [
    "core.pager",
    "core.editor",
    "core.sshcommand",
    "core.fsmonitor",
    "core.hookspath",
    "core.askpass",
    "core.gitproxy",
    "diff.external",
    "sequence.editor",
    "credential.helper",
    "gpg.program",
    "protocol.ext.allow",
    "init.templatedir",
    "include.path",
    "web.browser",
    "uploadpack.packobjectshook",
    "core.alternaterefscommand",
    "sendemail.smtpserver",
];

/// Settings whose value is a command.
fn runs_command(setting: &str) -> bool {
    let name = setting
        .split('=')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    RUNS_COMMAND_WHOLE.contains(&name.as_str())
        || name.starts_with("alias.")
        || name.starts_with("includeif.")
        || name.starts_with("pager.")
        || [
            ".cmd",
            ".textconv",
            ".command",
            ".clean",
            ".smudge",
            ".process",
            ".driver",
            ".helper",
            ".program",
            ".path",
            ".insteadof",
            ".vcs",
            ".uploadpack",
            ".receivepack",
        ]
        .iter()
        .any(|end| name.ends_with(end))
}

/// See [`git`].
const GIT_VALUES: [&str; 8] = [
    "C",
    "c",
    "git-dir",
    "work-tree",
    "exec-path",
    "namespace",
    "config-env",
    "super-prefix",
];

/// `git`
pub fn git(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &GIT_VALUES, true);
    for setting in options.values(&["c", "config-env"]) {
        if runs_command(&setting.text) || setting.open {
            walker.report.say(labels::GIT_RUNS_COMMAND);
            if let Some((_, command)) = setting.text.split_once('=') {
                let command = command.trim_start_matches('!').to_owned();
                walker.nested_text(&command)?;
            }
        }
    }
    if options.has(&["exec-path"]) && options.value(&["exec-path"]).is_some() {
        walker.report.say(labels::ENVIRONMENT_INJECTION);
    }
    let Some((verb, rest)) = options.words.split_first() else {
        return Ok(None);
    };
    let Some(verb) = verb.certain().map(str::to_owned) else {
        walker.report.say(labels::DYNAMIC_COMMAND);
        return Ok(None);
    };
    walker.report.does(Effect::Read, Verbs::READ);
    ways_out(walker, &verb, rest)?;
    match verb.as_str() {
        "push" => push(walker, rest),
        "config" => config(walker, rest)?,
        "submodule" if rest.first().is_some_and(|f| f.text == "foreach") => {
            let words: Vec<&str> = rest
                .iter()
                .skip(1)
                .map(|f| f.text.as_str())
                .filter(|t| *t != "--recursive" && *t != "-q")
                .collect();
            let command = words.join(" ");
            walker.report.say(labels::GIT_RUNS_COMMAND);
            walker.nested_text(&command)?;
        }
        "bisect" if rest.first().is_some_and(|f| f.text == "run") => {
            walker.report.say(labels::GIT_RUNS_COMMAND);
            super::run(walker, &rest[1..], call.input)?;
        }
        _ => plain(walker, &verb, rest),
    }
    Ok(None)
}

/// Options of many verbs that name a program.
fn ways_out(walker: &mut Walker<'_>, verb: &str, rest: &[Field]) -> Walk {
    for (at, field) in rest.iter().enumerate() {
        let text = field.text.as_str();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, rest.get(at + 1).map(|f| f.text.clone())),
        };
        let program = [
            "--upload-pack",
            "--receive-pack",
            "--exec",
            "--tree-filter",
            "--index-filter",
            "--msg-filter",
            "--commit-filter",
            "--env-filter",
            "--parent-filter",
            "--tag-name-filter",
            "--extcmd",
            "--open-files-in-pager",
        ];
        let short = matches!(
            (verb, text),
            ("rebase", "-x")
                | ("clone" | "fetch" | "ls-remote", "-u")
                | ("difftool", "-x")
                | ("grep", "-O")
        );
        let named = program.iter().any(|p| {
            *p == name || (name.len() > 4 && p.starts_with(name) && name.starts_with("--"))
        });
        if named || short || (verb == "grep" && text.starts_with("-O")) {
            walker.report.say(labels::GIT_RUNS_COMMAND);
            if let Some(command) = value {
                walker.nested_text(&command)?;
            }
        }
        if text.starts_with("ext::") {
            walker.report.say(labels::GIT_RUNS_COMMAND);
            let command = text.trim_start_matches("ext::").to_owned();
            walker.nested_text(&command)?;
        }
        if field.open && field.multiple {
            walker.report.say(labels::DYNAMIC_COMMAND);
        }
        if text.starts_with("--config") || (verb == "clone" && text == "-c") {
            let setting = value_of(rest, at);
            if runs_command(&setting) {
                walker.report.say(labels::GIT_RUNS_COMMAND);
            }
        }
    }
    Ok(())
}

fn value_of(rest: &[Field], at: usize) -> String {
    let text = rest[at].text.as_str();
    match text.strip_prefix("--config=") {
        Some(value) => value.to_owned(),
        None => rest.get(at + 1).map(|f| f.text.clone()).unwrap_or_default(),
    }
}

fn push(walker: &mut Walker<'_>, rest: &[Field]) {
    walker.report.does(Effect::Write, Verbs::NET | Verbs::WRITE);
    walker.report.say(labels::GIT_PUSH);
    let force = rest.iter().any(|f| {
        let text = f.text.as_str();
        let short = text.starts_with('-') && !text.starts_with("--") && text.contains(['f', 'd']);
        let long = [
            "--force",
            "--force-with-lease",
            "--force-if-includes",
            "--mirror",
            "--delete",
            "--prune",
        ];
        short
            || long.iter().any(|l| {
                text == *l
                    || text.starts_with(&format!("{l}="))
                    || (text.len() > 4 && text.starts_with("--") && l.starts_with(text))
            })
            || (text.starts_with('+') && text.len() > 1)
            || (text.starts_with(':') && text.len() > 1)
            || f.open
    });
    if force {
        walker.report.say(labels::GIT_FORCE_PUSH);
    }
}

fn config(walker: &mut Walker<'_>, rest: &[Field]) -> Walk {
    let words: Vec<&Field> = rest.iter().filter(|f| !f.text.starts_with('-')).collect();
    let asks = rest.iter().any(|f| {
        matches!(
            f.text.as_str(),
            "--get" | "--list" | "-l" | "--get-all" | "--get-regexp" | "get" | "list"
        )
    });
    if asks || words.len() < 2 {
        return Ok(());
    }
    walker.report.does(Effect::Write, Verbs::WRITE);
    let name = words.iter().find(|f| f.text.contains('.') || f.open);
    if name.is_some_and(|f| runs_command(&f.text) || f.open) {
        walker.report.say(labels::GIT_RUNS_COMMAND);
        if let Some(command) = words.last() {
            let command = command.text.trim_start_matches('!').to_owned();
            walker.nested_text(&command)?;
        }
    }
    Ok(())
}

/// Verbs without a program in their words.
fn plain(walker: &mut Walker<'_>, verb: &str, rest: &[Field]) {
    let has = |words: &[&str]| rest.iter().any(|f| words.contains(&f.text.as_str()));
    let discards = match verb {
        "reset" => has(&["--hard", "--merge", "--keep"]),
        "clean" => rest
            .iter()
            .any(|f| f.text.starts_with('-') && f.text.contains('f')),
        "checkout" | "switch" => has(&["-f", "--force", "--discard-changes", "."]),
        "restore" => !has(&["--staged"]),
        "stash" => has(&["drop", "clear"]),
        "branch" => has(&["-D", "--force"]) || (has(&["-d", "--delete"]) && has(&["-f"])),
        "tag" => has(&["-d", "--delete", "-f", "--force"]),
        "reflog" => has(&["expire", "delete"]),
        "gc" => rest.iter().any(|f| f.text.starts_with("--prune")),
        "update-ref" | "filter-branch" | "filter-repo" | "replace" | "prune" => true,
        "worktree" => has(&["remove", "prune"]),
        "rm" => has(&["-rf", "-r", "-f"]),
        _ => false,
    };
    if discards {
        walker.report.say(labels::GIT_DISCARD);
    }
    match verb {
        "status" | "log" | "diff" | "show" | "blame" | "grep" | "ls-files" | "ls-tree"
        | "ls-remote" | "rev-parse" | "describe" | "shortlog" | "cat-file" | "rev-list"
        | "name-rev" | "whatchanged" | "cherry" | "merge-base" | "for-each-ref" | "show-ref"
        | "count-objects" | "fsck" | "help" | "version" | "var" | "check-ignore" | "check-attr"
        | "diff-tree" | "show-branch" | "symbolic-ref" | "range-diff" | "verify-commit"
        | "verify-tag" => {}
        "branch" | "tag" | "remote" | "stash" | "worktree" | "reflog" | "notes" | "add"
        | "commit" | "checkout" | "switch" | "merge" | "rebase" | "pull" | "fetch" | "clone"
        | "init" | "reset" | "restore" | "rm" | "mv" | "cherry-pick" | "revert" | "am"
        | "apply" | "clean" | "gc" | "submodule" | "bisect" | "format-patch" | "archive"
        | "bundle" | "sparse-checkout" | "maintenance" | "prune" | "repack" | "update-index"
        | "write-tree" | "read-tree" | "commit-tree" | "hash-object" | "update-ref"
        | "filter-branch" | "filter-repo" | "replace" | "lfs" | "mergetool" | "difftool"
        | "subtree" | "rerere" | "update-server-info" | "pack-refs" | "unpack-objects"
        | "index-pack" | "mktree" | "mktag" => {
            walker.report.does(Effect::Write, Verbs::WRITE);
        }
        // What the other side of `git fetch` and `git push` runs over ssh.
        "upload-pack" | "upload-archive" => {
            walker.report.does(Effect::Read, Verbs::READ | Verbs::COPY)
        }
        "receive-pack" => walker.report.say(labels::GIT_PUSH),
        "daemon" | "http-backend" | "instaweb" => walker.report.say(labels::NETWORK_LISTENER),
        // An alias of the repository, or a program `git-…` in the path.
        _ => walker.report.say(labels::UNLISTED_PROGRAM),
    }
}

/// `git-upload-pack` and its kin, as a client's session starts them.
pub fn served(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let verb = call.name.trim_start_matches("git-").to_owned();
    plain(walker, &verb, call.args);
    Ok(None)
}

/// `gh`, `glab`: the service behind a repository.
pub fn forge(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let second = call
        .args
        .get(1)
        .and_then(Field::certain)
        .unwrap_or_default();
    walker.report.does(Effect::Read, Verbs::NET);
    walker.report.say(labels::NETWORK_READ);
    match (call.verb(), second) {
        ("auth", "token") => walker.report.say(labels::CLOUD_CREDENTIAL),
        (_, "list" | "view" | "status" | "diff" | "checks" | "watch" | "")
        | ("status" | "browse" | "search" | "version", _) => {}
        (_, "delete" | "remove" | "archive") => walker.report.say(labels::CLOUD_DELETE),
        ("api", _)
            if !call.args.iter().any(|f| {
                matches!(
                    f.text.as_str(),
                    "-X" | "--method" | "-f" | "-F" | "--field" | "--raw-field" | "--input"
                )
            }) => {}
        ("alias" | "extension", _) => walker.report.say(labels::REDEFINED_COMMAND),
        _ => walker.report.say(labels::NETWORK_WRITE),
    }
    Ok(None)
}
