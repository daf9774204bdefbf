//! `find`, `fd`, `xargs`-like ways from names to commands.

use super::{Call, files, run};
use crate::expand::{ANY, Field};
use crate::labels;
use crate::paths::Deed;
use crate::walk::{Input, Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// A name that is only known when it runs.
pub fn some_file() -> Field {
    Field {
        text: ANY.to_string(),
        ..Field::default()
    }
}

/// `find`
pub fn find(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.report.does(Effect::Read, Verbs::READ);
    let options = call
        .args
        .iter()
        .take_while(|f| matches!(f.text.as_str(), "-H" | "-L" | "-P"));
    let roots: Vec<Field> = call
        .args
        .iter()
        .skip(options.count())
        .take_while(|f| !f.text.starts_with(['-', '(', '!']))
        .cloned()
        .collect();
    if call
        .args
        .iter()
        .any(|f| f.open && (f.multiple || f.text.starts_with(ANY)))
    {
        let at_start = roots.iter().any(|f| f.open);
        let later = call
            .args
            .iter()
            .skip(roots.len())
            .any(|f| f.open && f.multiple);
        walker.report.say(
            match later || (at_start && roots.iter().any(|f| f.multiple)) {
                true => labels::DYNAMIC_COMMAND,
                false => labels::UNKNOWN_ARGUMENT,
            },
        );
    }
    let mut at = roots.len();
    while let Some(field) = call.args.get(at) {
        at += 1;
        match field.text.as_str() {
            "-delete" => {
                let filtered = call.args.iter().any(|f| {
                    [
                        "-name", "-iname", "-path", "-mtime", "-newer", "-size", "-empty", "-mmin",
                        "-user",
                    ]
                    .contains(&f.text.as_str())
                });
                match filtered {
                    true => walker.report.say(labels::RECURSIVE_DELETE),
                    false => files::removed(walker, &roots, true),
                }
            }
            "-exec" | "-execdir" | "-ok" | "-okdir" => at = execute(walker, call.args, at, &roots)?,
            "-fprint" | "-fprint0" | "-fls" | "-fprintf" => {
                if let Some(file) = call.args.get(at) {
                    walker.touch(file, Deed::Write);
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

/// The command after `-exec`; where its words end.
fn execute(walker: &mut Walker<'_>, args: &[Field], from: usize, roots: &[Field]) -> Walk<usize> {
    let rest = args.get(from..).unwrap_or_default();
    let ends =
        |i: usize, f: &Field| f.text == ";" || (f.text == "+" && i > 0 && rest[i - 1].text == "{}");
    let length = rest
        .iter()
        .enumerate()
        .find(|(i, f)| ends(*i, f))
        .map_or(rest.len(), |(i, _)| i);
    let mut words: Vec<Field> = Vec::new();
    for field in &rest[..length] {
        match (field.text.as_str(), roots) {
            // What is found stands below where it was looked for.
            ("{}", [root]) if root.certain().is_some() => words.push(Field {
                text: format!("{}/{ANY}", root.text.trim_end_matches('/')),
                ..Field::default()
            }),
            ("{}", _) => words.push(some_file()),
            (text, _) if text.contains("{}") => words.push(Field {
                text: text.replace("{}", &ANY.to_string()),
                ..field.clone()
            }),
            _ => words.push(field.clone()),
        }
    }
    if let Some(first) = words.first()
        && first.text.contains(ANY)
    {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    let recursive_root = roots
        .iter()
        .any(|r| crate::paths::is_root(r, walker.environment.folder.as_deref()));
    run(walker, &words, &Input::Session)?;
    let removes = words.first().is_some_and(|w| w.text == "rm");
    if removes && recursive_root && length < args.len() && from == roots.len() + 1 {
        walker.report.say(labels::RECURSIVE_DELETE_ROOT);
    }
    if walker.report.has(labels::WORLD_WRITABLE) && recursive_root {
        walker.report.say(labels::WORLD_WRITABLE_SYSTEM);
    }
    Ok(from + length + 1)
}

/// `fd`
pub fn fd(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.report.does(Effect::Read, Verbs::READ);
    let at = call
        .args
        .iter()
        .position(|f| matches!(f.text.as_str(), "-x" | "-X" | "--exec" | "--exec-batch"));
    if let Some(at) = at {
        let mut words = call.args[at + 1..].to_vec();
        words.push(some_file());
        run(walker, &words, &Input::Session)?;
    }
    if call.args.iter().any(|f| f.multiple) {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    Ok(None)
}

/// See [`xargs`].
const XARGS_VALUES: [&str; 18] = [
    "I",
    "i",
    "n",
    "L",
    "P",
    "s",
    "d",
    "a",
    "E",
    "j",
    "max-args",
    "max-procs",
    "replace",
    "arg-file",
    "delimiter",
    "jobs",
    "max-lines",
    "max-chars",
];

/// `xargs`, `parallel`
pub fn xargs(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let args: Vec<Field> = call
        .args
        .iter()
        .take_while(|f| call.name == "xargs" || !f.text.starts_with(":::"))
        .cloned()
        .collect();
    let options = super::Options::read(&args, &XARGS_VALUES, true);
    if options.words.is_empty() {
        // parallel without a command runs the lines that it reads.
        if call.name == "parallel" {
            return super::code::script_from(walker, call.input);
        }
        return Ok(None);
    }
    let marker = options
        .value(&["I", "replace"])
        .map_or("{}", |f| f.text.as_str())
        .to_owned();
    let given: Vec<Field> = match call.input {
        Input::Known(text) if text.len() < 1024 => {
            text.split_whitespace().map(Field::known).collect()
        }
        _ => vec![Field::unknown()],
    };
    let mut words: Vec<Field> = Vec::new();
    let mut placed = false;
    for field in &options.words {
        if field.text == marker && !marker.is_empty() {
            words.extend(given.iter().cloned());
            placed = true;
        } else if !marker.is_empty() && field.text.contains(&marker) {
            placed = true;
            words.push(Field {
                text: field.text.replace(&marker, &ANY.to_string()),
                ..field.clone()
            });
        } else {
            words.push(field.clone());
        }
    }
    if !placed {
        words.extend(given);
    }
    if call.name == "parallel" && options.words.len() == 1 {
        let text = words[0].text.clone();
        walker.nested_text(&text)?;
        return Ok(None);
    }
    run(walker, &words, &Input::Session)
}
