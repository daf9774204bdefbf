//! Files: removing, copying, moving, writing, archiving, and writing to disks.

use super::{Call, Options, look_at, permissions, run, words_of};
use crate::expand::{ANY, Field};
use crate::labels;
use crate::paths::{self, Deed};
use crate::walk::{Input, Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// Things go away, with everything below them.
pub fn removed(walker: &mut Walker<'_>, files: &[Field], recursive: bool) {
    let folder = walker.environment.folder.clone();
    for file in files {
        walker.touch(file, Deed::Remove);
        if recursive && paths::is_root(file, folder.as_deref()) {
            walker.report.say(labels::RECURSIVE_DELETE_ROOT);
        }
    }
    walker.report.say(match recursive {
        true => labels::RECURSIVE_DELETE,
        false => labels::DELETE_FILE,
    });
}

/// `rm`, `rmdir`, `unlink`
pub fn rm(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &[], false);
    let recursive = options.has(&["r", "R", "recursive"]) || options.open;
    if call.says("--no-preserve-root") {
        walker.report.say(labels::RECURSIVE_DELETE_ROOT);
    }
    if options.open {
        walker.report.say(labels::UNKNOWN_ARGUMENT);
    }
    // `rm $x`: it may bring its own option, but a plain variable is rarely one.
    let recursive = recursive && (options.has(&["r", "R", "recursive"]) || call.args.len() > 1);
    removed(walker, &options.words, recursive && call.name == "rm");
    Ok(None)
}

/// `cp`, `mv`, `ln`, `rename`
pub fn copy(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &["t", "target-directory", "S", "suffix"], false);
    walker
        .report
        .does(Effect::Write, Verbs::WRITE | Verbs::FILE);
    let (target, sources) = match options.value(&["t", "target-directory"]) {
        Some(target) => (Some(target.clone()), options.words.as_slice()),
        None => match options.words.split_last() {
            Some((last, sources)) => (Some(last.clone()), sources),
            None => (None, &[] as &[Field]),
        },
    };
    let null = target.as_ref().is_some_and(|t| t.text == "/dev/null");
    for source in sources {
        // Also of `mv`: what had a name that says what it is can be read by another one afterwards.
        walker.touch(source, Deed::Read);
        match call.name {
            "mv" => walker.touch(source, Deed::Remove),
            "ln" => walker.alias(source),
            _ => {}
        }
        if call.name == "mv" && paths::is_root(source, walker.environment.folder.as_deref()) {
            walker.report.say(labels::RECURSIVE_DELETE_ROOT);
        }
        // Into a folder: the name stays.
        if let Some(target) = &target {
            let name = source.text.rsplit('/').next().unwrap_or_default();
            let inside = Field {
                text: format!("{}/{name}", target.text.trim_end_matches('/')),
                ..target.clone()
            };
            walker.touch(&inside, Deed::Write);
        }
    }
    if let Some(target) = &target
        && !(null && call.name == "ln")
    {
        walker.touch(target, Deed::Write);
    }
    if null && call.name == "mv" {
        walker.report.say(labels::RECURSIVE_DELETE);
    }
    Ok(None)
}

/// `tee`
pub fn tee(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &[], false);
    let deed = match options.has(&["a", "append"]) {
        true => Deed::Append,
        false => Deed::Write,
    };
    for file in &options.words {
        walker.touch(file, deed);
    }
    Ok(match call.input {
        Input::Known(text) => Some(text.clone()),
        _ => None,
    })
}

/// `truncate`, `fallocate`
pub fn truncate(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &["s", "size", "r", "reference", "l", "o"], false);
    walker.report.say(labels::TRUNCATE_FILE);
    for file in &options.words {
        walker.touch(file, Deed::Write);
    }
    Ok(None)
}

/// `shred`, `srm`, `wipe`
pub fn shred(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.report.say(labels::SECURE_ERASE);
    for file in words_of(call.args) {
        walker.touch(file, Deed::Remove);
    }
    Ok(None)
}

/// `dd`
pub fn dd(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker
        .report
        .does(Effect::Write, Verbs::READ | Verbs::WRITE | Verbs::COPY);
    for field in call.args {
        let part = |text: &str| Field {
            text: text.to_owned(),
            ..field.clone()
        };
        if let Some(path) = field.text.strip_prefix("if=") {
            walker.touch(&part(path), Deed::Read);
        } else if let Some(path) = field.text.strip_prefix("of=") {
            walker.touch(&part(path), Deed::Write);
        } else if field.text.starts_with(ANY) {
            walker.report.say(labels::DISK_WRITE);
        }
    }
    Ok(None)
}

/// `touch`
pub fn touch(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &["d", "date", "t", "r", "reference"], false);
    if options.has(&["d", "date", "t", "r", "reference"]) {
        walker.report.say(labels::TIMESTAMP_TAMPERING);
    }
    for file in &options.words {
        walker.touch(file, Deed::Append);
    }
    walker
        .report
        .does(Effect::Write, Verbs::WRITE | Verbs::FILE);
    Ok(None)
}

/// See [`archive`].
const ARCHIVE_VALUES: [&str; 17] = [
    "f",
    "C",
    "T",
    "X",
    "I",
    "F",
    "b",
    "g",
    "to-command",
    "checkpoint-action",
    "use-compress-program",
    "rsh-command",
    "new-volume-script",
    "info-script",
    "mode",
    "file",
    "directory",
];

/// See [`archive`].
const ARCHIVE_PROGRAMS: [&str; 10] = [
    "to-command",
    "checkpoint-action",
    "I",
    "use-compress-program",
    "rsh-command",
    "F",
    "info-script",
    "new-volume-script",
    "TT",
    "unzip-command",
];

/// `tar`, `cpio`, `zip`, `unzip`, `7z`, `ar`: what they read, and the programs that they can start.
pub fn archive(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &ARCHIVE_VALUES, false);
    for value in options.values(&ARCHIVE_PROGRAMS) {
        if call.name == "tar" || call.name == "zip" {
            let command = value.text.trim_start_matches("exec=").to_owned();
            if !command.starts_with("dot") && !command.starts_with("echo") {
                walker.nested_text(&command)?;
            }
        }
    }
    if let Some(mode) = options.value(&["mode"]) {
        permissions::set(walker, mode, &[], false);
    }
    look_at(walker, call.args)?;
    walker
        .report
        .does(Effect::Write, Verbs::READ | Verbs::WRITE | Verbs::FILE);
    if options.open {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    for file in options.values(&["f", "file"]) {
        if call.verb().trim_start_matches('-').contains('c') {
            walker.touch(file, Deed::Write);
        }
    }
    // `tar x -C /`: files land wherever the archive says.
    for folder in options.values(&["C", "directory"]) {
        if matches!(folder.text.as_str(), "/" | "/etc" | "/usr" | "/root") {
            walker.report.say(labels::SYSTEM_FILE_WRITE);
        }
    }
    Ok(None)
}

/// `sed`: in place it writes; `e` and `w` run and write.
pub fn sed(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &["e", "f", "expression", "file", "l"], false);
    let mut files = options.words.clone();
    let mut scripts: Vec<Field> = options.values(&["e", "expression"]).cloned().collect();
    if options.has(&["f", "file"]) {
        walker.report.say(labels::OPAQUE_SCRIPT);
    } else if scripts.is_empty() && !files.is_empty() {
        scripts.push(files.remove(0));
    }
    for script in &scripts {
        let text = &script.text;
        // `1e cmd`, `s/x/y/e`, `w /path`: the language is not followed, only where it leaves sed.
        let leaves = text.split(['\n', ';', '{', '}']).any(|part| {
            let command = part
                .trim()
                .trim_start_matches(|c: char| c.is_ascii_digit() || "$,! ".contains(c));
            let flags = part.rsplit(['/', '|', '#', ',']).next().unwrap_or_default();
            let substitutes = command.starts_with('s') && command.len() > 3;
            command.starts_with("e ")
                || command == "e"
                || (substitutes && flags.trim().contains('e') && flags.len() < 6)
        });
        if leaves || script.certain().is_none() && script.open {
            walker.report.say(labels::DYNAMIC_COMMAND);
        }
        if let Some(at) = text.find("w /") {
            let path = text.get(at + 2..).unwrap_or_default().trim();
            walker.touch(
                &Field::known(path.trim_end_matches(['}', '\''])),
                Deed::Write,
            );
        }
    }
    let in_place =
        options.has(&["i", "in-place"]) || call.args.iter().any(|f| f.text.starts_with("-i"));
    let deed = if in_place { Deed::Append } else { Deed::Read };
    for file in &files {
        walker.touch(file, deed);
    }
    Ok(None)
}

/// See [`sort`].
const SORT_VALUES: [&str; 12] = [
    "o",
    "output",
    "T",
    "k",
    "t",
    "S",
    "compress-program",
    "filter",
    "b",
    "l",
    "n",
    "a",
];

/// `sort`, `split`, `cat`-likes with an option that runs a program or writes.
pub fn sort(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &SORT_VALUES, false);
    for command in options.values(&["compress-program", "filter"]) {
        let command = command.text.clone();
        walker.nested_text(&command)?;
    }
    for file in options.values(&["o", "output"]) {
        walker.touch(file, Deed::Write);
    }
    look_at(walker, &options.words)?;
    Ok(None)
}

/// See [`rsync`].
const RSYNC_VALUES: [&str; 11] = [
    "e",
    "rsh",
    "rsync-path",
    "chmod",
    "f",
    "filter",
    "exclude",
    "include",
    "files-from",
    "port",
    "password-file",
];

/// `rsync`
pub fn rsync(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &RSYNC_VALUES, false);
    for command in options.values(&["e", "rsh", "rsync-path"]) {
        let words: Vec<Field> = command.text.split_whitespace().map(Field::known).collect();
        match words.first().map(|w| w.text.as_str()) {
            Some("ssh" | "rsync") if !command.text.contains("Command") => {}
            // The other end, started by the client of a session: `e` is its protocol there.
            _ if call.says("--server") => {}
            _ => drop(run(walker, &words, &Input::Session)?),
        }
    }
    for mode in options.values(&["chmod"]) {
        permissions::set(walker, mode, &[], false);
    }
    if call
        .args
        .iter()
        .any(|f| f.text.starts_with("--del") || f.text.starts_with("--remove-source"))
    {
        walker.report.say(labels::SYNC_DELETE);
    }
    if options.open {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    super::remote::transfer(walker, &options.words)
}

/// `mkfs`, `wipefs`, `fdisk`, …: reading asks, everything else writes.
pub fn disk(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let reads: &[&str] = match call.name {
        "fdisk" | "sfdisk" => &["-l", "--list", "-d", "--dump"],
        "parted" => &["-l", "--list", "print"],
        "sgdisk" => &["-p", "--print", "-i"],
        "cryptsetup" => &["luksDump", "status", "isLuks"],
        "mdadm" => &["--detail", "--examine", "-D", "-E", "--query"],
        "zpool" | "zfs" => &["list", "status", "get", "iostat", "history"],
        "hdparm" => &["-i", "-I", "-t", "-T"],
        "wipefs" => &["-n", "--no-act"],
        "nvme" => &["list", "smart-log", "id-ctrl"],
        "e2fsck" | "fsck" => &["-n"],
        "blkdiscard" | "mkfs" | "mkswap" => &[],
        _ => &["--test"],
    };
    if call.args.iter().any(|f| reads.contains(&f.text.as_str())) {
        walker.report.does(Effect::Read, Verbs::READ | Verbs::ADMIN);
        return Ok(None);
    }
    walker.report.say(labels::DISK_WRITE);
    walker.report.does(Effect::Destroy, Verbs::ADMIN);
    Ok(None)
}
