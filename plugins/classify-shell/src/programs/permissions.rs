//! Permissions, owners, attributes: chmod by any spelling, and whatever else sets a mode.

use super::{Call, Options, mode};
use crate::expand::Field;
use crate::labels;
use crate::paths::{self, Deed};
use crate::walk::{Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// A mode is given to these files.
pub fn set(walker: &mut Walker<'_>, given: &Field, files: &[Field], recursive: bool) {
    walker
        .report
        .does(Effect::Write, Verbs::WRITE | Verbs::FILE);
    let read = given
        .certain()
        .and_then(|text| mode::read(text, walker.environment.umask));
    let Some(read) = read else {
        walker.report.say(labels::DYNAMIC_MODE);
        return;
    };
    if read.world_write {
        walker.report.say(labels::WORLD_WRITABLE);
        let folder = walker.environment.folder.clone();
        let system = |file: &Field| {
            let path = paths::plain(&file.text, folder.as_deref());
            let places = [
                "/etc", "/usr", "/boot", "/bin", "/sbin", "/lib", "/dev", "/root", "/var/run",
            ];
            let within = places
                .iter()
                .any(|p| path == *p || path.starts_with(&format!("{p}/")));
            within || (recursive && paths::is_root(file, folder.as_deref()))
        };
        if files.iter().any(system) {
            walker.report.say(labels::WORLD_WRITABLE_SYSTEM);
        }
    }
    if read.set_user {
        walker.report.say(labels::SET_ID);
    }
}

/// `chmod`
pub fn chmod(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    // `-w` is a mode here, not an option: what is no option of chmod is taken as one.
    let flag = |text: &str| {
        let short = text.strip_prefix('-').unwrap_or_default();
        text.starts_with("--")
            || (!short.is_empty() && short.bytes().all(|b| b"Rvcfh".contains(&b)))
    };
    let mut words: Vec<Field> = Vec::new();
    let mut ended = false;
    let mut recursive = false;
    for field in call.args {
        let text = field.text.as_str();
        match (ended, text) {
            (false, "--") => ended = true,
            (false, _) if text.starts_with("--ref") => {
                walker.report.say(labels::DYNAMIC_MODE);
                words.insert(0, Field::known("a-x"));
            }
            (false, _) if flag(text) => {
                recursive |= text.contains('R') || text.starts_with("--rec");
            }
            _ => words.push(field.clone()),
        }
    }
    match words.split_first() {
        // An option may come out of what is not known, and the mode after it.
        Some((first, files)) if first.multiple => {
            walker.report.say(labels::DYNAMIC_MODE);
            for file in files {
                set(walker, file, &[], recursive);
            }
        }
        Some((given, files)) => {
            set(walker, given, files, recursive);
            for file in files {
                walker.touch(file, Deed::Append);
            }
        }
        None => {}
    }
    Ok(None)
}

/// `chown`, `chgrp`
pub fn chown(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &["from", "reference"], false);
    walker.report.say(labels::OWNER_CHANGE);
    for file in options.words.iter().skip(1) {
        walker.touch(file, Deed::Append);
    }
    Ok(None)
}

/// `setfacl`
pub fn setfacl(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let values = [
        "m", "x", "M", "X", "modify", "remove", "set", "set-file", "restore",
    ];
    let options = Options::read(call.args, &values, false);
    walker.report.say(labels::ACL_CHANGE);
    for entry in options.values(&["m", "modify", "set"]) {
        let open = entry.text.split(',').any(|e| {
            let e = e.trim_start_matches("d:").trim_start_matches("default:");
            let other = e.strip_prefix("other:").or_else(|| e.strip_prefix("o:"));
            other.is_some_and(|rights| {
                rights.contains('w') || rights.ends_with(['2', '3', '6', '7'])
            })
        });
        if open {
            walker.report.say(labels::WORLD_WRITABLE);
        }
        if entry.certain().is_none() {
            walker.report.say(labels::DYNAMIC_MODE);
        }
    }
    Ok(None)
}

/// See [`makes`].
const MAKES_VALUES: [&str; 10] = [
    "m",
    "mode",
    "o",
    "g",
    "owner",
    "group",
    "t",
    "target-directory",
    "S",
    "suffix",
];

/// `install`, `mkdir`, `mkfifo`, `mknod`: programs with `-m MODE`.
pub fn makes(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &MAKES_VALUES, false);
    walker
        .report
        .does(Effect::Write, Verbs::WRITE | Verbs::FILE);
    if let Some(given) = options.value(&["m", "mode"]) {
        set(walker, given, &options.words, false);
    }
    if call.name == "mknod" && options.words.len() > 2 {
        walker.report.say(labels::DISK_WRITE);
    }
    if call.name == "install" {
        let (last, sources) = match options.words.split_last() {
            Some((last, sources)) if !options.has(&["d", "directory"]) => (Some(last), sources),
            _ => (None, options.words.as_slice()),
        };
        sources
            .iter()
            .for_each(|file| walker.touch(file, Deed::Read));
        last.into_iter()
            .for_each(|file| walker.touch(file, Deed::Write));
        return Ok(None);
    }
    for file in &options.words {
        walker.touch(file, Deed::Append);
    }
    Ok(None)
}

/// `umask`
pub fn umask(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let Some(field) = super::words_of(call.args).next() else {
        return Ok(None);
    };
    let text = field.certain().unwrap_or_default();
    let open = match u32::from_str_radix(text, 8) {
        Ok(bits) => {
            walker.environment.umask = Some(bits);
            bits & 0o002 == 0
        }
        // Symbolic: what it says is what stays allowed.
        Err(_) => {
            let open = mode::read(text, Some(0)).is_none_or(|mode| mode.world_write);
            walker.environment.umask = Some(if open { 0 } else { 0o022 });
            open
        }
    };
    if open {
        walker.report.say(labels::UMASK_OPEN);
    }
    Ok(None)
}
