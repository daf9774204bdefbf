//! Operations on files over SFTP: the same paths and modes as in commands, the same labels.

use crate::expand::{ANY, Field};
use crate::labels;
use crate::paths::{self, Deed};
use crate::programs;
use crate::syntax::Budget;
use crate::walk::Walker;
use portcullis_sdk::call::FileOperation;
use portcullis_sdk::{Effect, Opinion, Verbs};

/// Opinion on an operation, as JSON.
pub fn operation(json: &str) -> Opinion {
    let Ok(operation) = serde_json::from_str::<FileOperation>(json) else {
        return super::said(labels::UNPARSED, json);
    };
    let budget = Budget::new(100_000);
    let mut walker = Walker::new(&budget);
    walker.report.place.end = json.len();
    walker.report.does(Effect::Read, Verbs::FILE);
    let field = |text: &Option<String>| Field::known(text.as_deref().unwrap_or_default());
    let (path, target) = (field(&operation.path), field(&operation.target));
    if operation.path.as_deref().unwrap_or_default().contains('\0') {
        return super::said(labels::UNPARSED, json);
    }
    grade(&mut walker, &operation, &path, &target);
    walker
        .report
        .touches("file", &path.text, operation.operation != "open");
    walker.report.finish()
}

fn grade(walker: &mut Walker<'_>, operation: &FileOperation, path: &Field, target: &Field) {
    let flag = |name: &str| operation.flags.iter().any(|f| f == name);
    if let Some(mode) = operation.mode {
        let given = Field::known(&format!("{:o}", mode & 0o7777));
        // A file that is opened for reading brings its mode along for nothing.
        if operation.operation != "open" || flag("create") {
            programs::set_mode(walker, &given, std::slice::from_ref(path));
        }
    }
    match operation.operation.as_str() {
        "stat" | "lstat" | "fstat" | "opendir" | "readdir" | "realpath" | "readlink"
        | "statvfs" | "close" | "fsync" | "limits" => {
            walker.report.does(Effect::Read, Verbs::READ);
        }
        "open" | "read" | "write" => {
            let writes = ["write", "append", "create", "truncate"]
                .iter()
                .any(|f| flag(f))
                || operation.operation == "write";
            let reads = flag("read") || operation.operation == "read" || !writes;
            if reads {
                walker.touch(path, Deed::Read);
            }
            if writes {
                let deed = if flag("append") {
                    Deed::Append
                } else {
                    Deed::Write
                };
                walker.touch(path, deed);
            }
        }
        "setstat" | "fsetstat" | "lsetstat" => {
            walker.report.does(Effect::Write, Verbs::WRITE);
            if operation.uid.is_some() || operation.gid.is_some() {
                walker.report.say(labels::OWNER_CHANGE);
            }
            if operation.size.is_some() {
                walker.report.say(labels::TRUNCATE_FILE);
                walker.touch(path, Deed::Write);
            }
        }
        "mkdir" => walker.touch(path, Deed::Append),
        "remove" | "rmdir" => {
            walker.report.say(labels::DELETE_FILE);
            walker.touch(path, Deed::Remove);
        }
        "rename" => {
            // What had a name that says what it is can be read by another one now.
            walker.touch(path, Deed::Read);
            walker.touch(path, Deed::Remove);
            place(walker, target);
        }
        "symlink" | "hardlink" => {
            walker.touch(path, Deed::Read);
            walker.alias(path);
            place(walker, target);
        }
        "copy" => {
            walker.touch(path, Deed::Read);
            walker.touch(target, Deed::Write);
        }
        _ => walker.report.say(labels::UNLISTED_PROGRAM),
    }
}

/// Something comes into a place, with whatever may be in it: a folder `.ssh` brings its keys along.
fn place(walker: &mut Walker<'_>, target: &Field) {
    walker.touch(target, Deed::Write);
    let inside = Field {
        text: format!("{}/{ANY}", target.text.trim_end_matches('/')),
        ..target.clone()
    };
    for label in paths::labels_of(&inside, None, Deed::Write) {
        walker.report.say(label);
    }
}
