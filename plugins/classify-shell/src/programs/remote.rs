//! Other machines: ssh, scp, sftp, and what is copied there.

use super::{Call, Options};
use crate::expand::{ANY, Field};
use crate::labels;
use crate::paths::Deed;
use crate::walk::{Input, Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

const SSH_VALUES: [&str; 22] = [
    "B", "b", "c", "D", "E", "e", "F", "I", "i", "J", "L", "l", "m", "O", "o", "p", "Q", "R", "S",
    "W", "w", "P",
];

/// Options of ssh that run a command here, or open a way.
fn options(walker: &mut Walker<'_>, options: &Options) -> Walk {
    for option in options.values(&["o"]) {
        let text = option.text.clone();
        let lower = text.to_ascii_lowercase();
        for name in ["proxycommand", "localcommand", "knownhostscommand"] {
            if let Some(rest) = lower.strip_prefix(name) {
                let at = text.len() - rest.len() + 1;
                let command = text.get(at..).unwrap_or_default().to_owned();
                if command.trim() != "none" {
                    walker.nested_text(&command.replace('%', ""))?;
                }
            }
        }
        if lower.starts_with("pkcs11provider") || lower.starts_with("securitykeyprovider") {
            walker.report.say(labels::OPAQUE_SCRIPT);
        }
    }
    if options.has(&["L", "R", "D", "w", "W"]) {
        walker.report.say(labels::TUNNEL);
    }
    if options.has(&["F", "I"]) {
        walker.report.say(labels::OPAQUE_SCRIPT);
    }
    if options.open {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    Ok(())
}

/// `ssh`
pub fn ssh(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let given = Options::read(call.args, &SSH_VALUES, true);
    walker.report.does(Effect::Read, Verbs::NET | Verbs::EXEC);
    if given.has(&["V", "Q"]) {
        return Ok(None);
    }
    options(walker, &given)?;
    // The host may be followed by options; then the command.
    let rest = Options::read(given.words.get(1..).unwrap_or_default(), &SSH_VALUES, true);
    options(walker, &rest)?;
    walker.report.touches("host", given.first(), true);
    walker.report.say(labels::REMOTE_COMMAND);
    if matches!(call.input, Input::Opaque { secret: true, .. }) {
        walker.report.say(labels::EXFILTRATION);
    }
    let words: Vec<&str> = rest.words.iter().map(|f| f.text.as_str()).collect();
    let text = words.join(" ");
    if text.is_empty() {
        if !given.has(&["N"]) {
            walker.isolated(|walker| super::code::script_from(walker, call.input))?;
        }
        return Ok(None);
    }
    walker.isolated(|walker| {
        walker.environment = crate::environment::Environment::default();
        walker.nested_text(&text)
    })?;
    Ok(None)
}

/// Whether a word names something on another machine.
fn is_remote(field: &Field) -> bool {
    let text = &field.text;
    let colon = text.find(':');
    text.contains("://") || colon.is_some_and(|at| !text[..at].contains('/') && at > 0)
}

/// Words of a copy: what goes out is uploaded, what comes in is written.
pub fn transfer(walker: &mut Walker<'_>, words: &[Field]) -> Walk<Output> {
    let Some((target, sources)) = words.split_last() else {
        return Ok(None);
    };
    let remote = is_remote(target);
    for source in sources {
        if is_remote(source) {
            walker.report.does(Effect::Write, Verbs::NET | Verbs::READ);
            walker.report.say(labels::NETWORK_READ);
        } else {
            walker.touch(source, Deed::Read);
        }
    }
    if remote {
        walker.report.does(Effect::Write, Verbs::NET | Verbs::COPY);
        walker.report.touches("host", &target.text, true);
        walker.report.say(match walker.secret {
            true => labels::EXFILTRATION,
            false => labels::NETWORK_UPLOAD,
        });
    } else {
        walker.touch(target, Deed::Write);
    }
    Ok(None)
}

/// `scp`
pub fn scp(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let given = Options::read(
        call.args,
        &["c", "D", "F", "i", "J", "l", "o", "P", "S", "X"],
        false,
    );
    options(walker, &given)?;
    if let Some(program) = given.value(&["S"]) {
        let program = program.text.clone();
        walker.nested_text(&program)?;
    }
    // The other end of a copy, started by the client of a session.
    if given.has(&["t", "f"]) {
        let deed = if given.has(&["t"]) {
            Deed::Write
        } else {
            Deed::Read
        };
        for file in &given.words {
            walker.touch(file, deed);
        }
        walker.report.does(Effect::Write, Verbs::COPY | Verbs::FILE);
        return Ok(None);
    }
    transfer(walker, &given.words)
}

/// `sftp`, `ftp`, `lftp`, `tftp`: commands follow on their input.
pub fn sftp(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.report.does(Effect::Write, Verbs::NET | Verbs::COPY);
    walker.report.say(labels::NETWORK_UPLOAD);
    let bang = |text: &str| text.lines().any(|l| l.trim_start().starts_with('!'));
    match call.input {
        Input::Known(text) if bang(text) => walker.report.say(labels::DYNAMIC_COMMAND),
        Input::Known(_) => {}
        _ => walker.report.say(labels::OPAQUE_SCRIPT),
    }
    Ok(None)
}

/// `ssh-keygen`: making a key is one thing, loading a library with it another.
pub fn keygen(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let given = Options::read(
        call.args,
        &[
            "f", "t", "b", "C", "N", "P", "D", "s", "I", "n", "V", "m", "O", "R", "F", "Y",
        ],
        false,
    );
    if given.has(&["D"]) {
        walker.report.say(labels::OPAQUE_SCRIPT);
    }
    if given.has(&["s"]) {
        walker.report.say(labels::CERTIFICATE_APPROVAL);
    }
    let reads = given.has(&["l", "F", "B", "L"]);
    if let Some(file) = given.value(&["f"]).filter(|_| !reads) {
        walker.touch(file, Deed::Write);
        if given.has(&["y"]) {
            walker.touch(file, Deed::Read);
        }
    }
    Ok(None)
}

/// `ssh-copy-id`
pub fn copy_id(walker: &mut Walker<'_>, _: &Call<'_>) -> Walk<Output> {
    walker.report.say(labels::AUTHORIZED_KEYS_CHANGE);
    Ok(None)
}

/// `rclone`, `croc`, `aws s3`-likes that copy between places: the last place decides.
pub fn rclone(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    match call.verb() {
        "ls" | "lsl" | "lsd" | "size" | "version" | "listremotes" | "about" | "check" | "cat" => {
            walker.report.say(labels::NETWORK_READ);
            Ok(None)
        }
        "delete" | "purge" | "rmdir" | "deletefile" => {
            walker.report.say(labels::CLOUD_DELETE);
            Ok(None)
        }
        _ if call.args.iter().any(|f| f.text.contains(ANY)) => {
            walker.report.say(labels::NETWORK_UPLOAD);
            Ok(None)
        }
        _ => transfer(walker, call.args.get(1..).unwrap_or_default()),
    }
}
