//! Programs that run another: what counts is what they run.

use super::{Call, Options, code, run};
use crate::expand::Field;
use crate::labels;
use crate::paths::Deed;
use crate::walk::{Input, Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// How a wrapper is written: its options with values, and how many words stand before the command.
struct Shape {
    name: &'static str,
    values: &'static [&'static str],
    before: usize,
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "nohup",
        values: &[],
        before: 0,
    },
    Shape {
        name: "timeout",
        values: &["s", "signal", "k", "kill-after"],
        before: 1,
    },
    Shape {
        name: "nice",
        values: &["n", "adjustment"],
        before: 0,
    },
    Shape {
        name: "ionice",
        values: &["c", "class", "n", "classdata", "p", "t"],
        before: 0,
    },
    Shape {
        name: "chrt",
        values: &["p", "T", "P", "D"],
        before: 1,
    },
    Shape {
        name: "taskset",
        values: &["p"],
        before: 1,
    },
    Shape {
        name: "numactl",
        values: &[
            "N",
            "m",
            "C",
            "i",
            "cpunodebind",
            "membind",
            "physcpubind",
            "interleave",
        ],
        before: 0,
    },
    Shape {
        name: "setsid",
        values: &[],
        before: 0,
    },
    Shape {
        name: "stdbuf",
        values: &["i", "o", "e", "input", "output", "error"],
        before: 0,
    },
    Shape {
        name: "time",
        values: &["f", "o", "format", "output"],
        before: 0,
    },
    Shape {
        name: "unbuffer",
        values: &[],
        before: 0,
    },
    Shape {
        name: "dbus-run-session",
        values: &["config-file"],
        before: 0,
    },
    Shape {
        name: "ssh-agent",
        values: &["a", "t", "O", "P", "E"],
        before: 0,
    },
    Shape {
        name: "strace",
        values: &[
            "e", "o", "s", "p", "E", "u", "P", "a", "b", "I", "S", "X", "U",
        ],
        before: 0,
    },
    Shape {
        name: "ltrace",
        values: &["e", "o", "s", "p", "u", "n", "l", "x"],
        before: 0,
    },
    Shape {
        name: "valgrind",
        values: &[],
        before: 0,
    },
    Shape {
        name: "setarch",
        values: &[],
        before: 1,
    },
    Shape {
        name: "prlimit",
        values: &["p", "pid", "o"],
        before: 0,
    },
    Shape {
        name: "catchsegv",
        values: &[],
        before: 0,
    },
    Shape {
        name: "firejail",
        values: &[],
        before: 0,
    },
    Shape {
        name: "faketime",
        values: &["f"],
        before: 1,
    },
    Shape {
        name: "setpriv",
        values: &[
            "reuid",
            "regid",
            "groups",
            "inh-caps",
            "ambient-caps",
            "bounding-set",
            "securebits",
        ],
        before: 0,
    },
    Shape {
        name: "chpst",
        values: &[
            "u", "U", "e", "n", "l", "L", "m", "d", "o", "p", "f", "c", "t", "r", "/",
        ],
        before: 0,
    },
    Shape {
        name: "softlimit",
        values: &["a", "c", "d", "f", "l", "m", "o", "p", "r", "s", "t"],
        before: 0,
    },
    Shape {
        name: "cgexec",
        values: &["g"],
        before: 0,
    },
    Shape {
        name: "ld.so",
        values: &["library-path", "preload", "argv0", "inhibit-rpath", "audit"],
        before: 0,
    },
    Shape {
        name: "run-one",
        values: &[],
        before: 0,
    },
    Shape {
        name: "chronic",
        values: &[],
        before: 0,
    },
    Shape {
        name: "ts",
        values: &[],
        before: 9,
    },
    Shape {
        name: "caffeinate",
        values: &["t", "w"],
        before: 0,
    },
    Shape {
        name: "proxychains",
        values: &["f"],
        before: 0,
    },
    Shape {
        name: "torsocks",
        values: &[],
        before: 0,
    },
    Shape {
        name: "tini",
        values: &["p", "e"],
        before: 0,
    },
    Shape {
        name: "dumb-init",
        values: &["r", "rewrite"],
        before: 0,
    },
];

/// A wrapper of [`SHAPES`].
pub fn plain(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let Some(shape) = SHAPES
        .iter()
        .find(|s| s.name == call.name.trim_end_matches(|c: char| c.is_ascii_digit()))
        .or_else(|| {
            SHAPES
                .iter()
                .find(|s| call.name.starts_with("ld-") && s.name == "ld.so")
        })
    else {
        walker.report.say(labels::UNLISTED_PROGRAM);
        return Ok(None);
    };
    let options = Options::read(call.args, shape.values, true);
    if matches!(call.name, "strace" | "ltrace") && options.has(&["p"]) {
        walker.report.say(labels::PROCESS_MEMORY);
    }
    if options.has(&["preload", "audit", "library-path"]) {
        walker.report.say(labels::ENVIRONMENT_INJECTION);
    }
    let words = options.words.get(shape.before..).unwrap_or_default();
    if words.is_empty() {
        return Ok(None);
    }
    run(walker, words, call.input)
}

/// Assignments at the front, as `env` and `sudo` take them; the rest.
fn assignments<'a>(walker: &mut Walker<'_>, words: &'a [Field]) -> &'a [Field] {
    let mut rest = words;
    while let Some((first, more)) = rest.split_first() {
        let name = first.text.split('=').next().unwrap_or_default();
        let plain = first.text.contains('=')
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !plain {
            break;
        }
        let value = first
            .certain()
            .and_then(|text| text.split_once('='))
            .map(|(_, v)| v.to_owned());
        walker.assign(name, value, true);
        rest = more;
    }
    rest
}

/// See [`env`].
const ENV_VALUES: [&str; 9] = [
    "u",
    "unset",
    "C",
    "chdir",
    "S",
    "split-string",
    "block-signal",
    "a",
    "argv0",
];

/// `env`
pub fn env(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &ENV_VALUES, true);
    if let Some(text) = options.value(&["S", "split-string"]) {
        let mut text = text.text.clone();
        for word in &options.words {
            text.push(' ');
            text.push_str(&word.text);
        }
        let words: Vec<Field> = text.split_whitespace().map(Field::known).collect();
        let rest = assignments(walker, &words).to_vec();
        // Its own quoting: what is quoted there is not split here.
        if text.contains(['\'', '"', '\\', '$']) {
            walker.report.say(labels::DYNAMIC_COMMAND);
        }
        return run(walker, &rest, call.input);
    }
    if let Some(folder) = options.value(&["C", "chdir"]) {
        walker.environment.folder = folder.certain().map(str::to_owned);
    }
    let rest = assignments(walker, &options.words).to_vec();
    if rest.is_empty() {
        if options.words.is_empty() {
            walker.report.say(labels::ENVIRONMENT_READ);
            walker.secret = true;
        }
        return Ok(None);
    }
    run(walker, &rest, call.input)
}

/// See [`sudo`].
const SUDO_VALUES: [&str; 23] = [
    "u",
    "user",
    "g",
    "group",
    "h",
    "host",
    "p",
    "prompt",
    "C",
    "close-from",
    "r",
    "role",
    "t",
    "type",
    "T",
    "D",
    "chdir",
    "R",
    "U",
    "other-user",
    "chroot",
    "a",
    "command-timeout",
];

/// `sudo`, `doas`, `pkexec`, `run0`
pub fn sudo(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &SUDO_VALUES, true);
    walker.report.say(labels::PRIVILEGE_SWITCH);
    walker.report.does(Effect::Read, Verbs::PRIV);
    if options.has(&["l", "list", "v", "validate", "k", "K"]) && options.words.is_empty() {
        return Ok(None);
    }
    if options.has(&["e", "edit"]) {
        for file in &options.words {
            walker.touch(file, Deed::Write);
        }
        return Ok(None);
    }
    let rest = assignments(walker, &options.words).to_vec();
    if rest.is_empty() {
        walker.report.say(labels::ROOT_SHELL);
        return Ok(None);
    }
    run(walker, &rest, call.input)
}

/// See [`su`].
const SU_VALUES: [&str; 13] = [
    "c",
    "command",
    "session-command",
    "s",
    "shell",
    "g",
    "group",
    "G",
    "supp-group",
    "w",
    "u",
    "user",
    "T",
];

/// `su`, `runuser`
pub fn su(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &SU_VALUES, false);
    walker.report.say(labels::PRIVILEGE_SWITCH);
    walker.report.does(Effect::Read, Verbs::PRIV);
    let commands: Vec<String> = options
        .values(&["c", "command", "session-command"])
        .map(|f| f.text.clone())
        .collect();
    for command in &commands {
        walker.nested_text(command)?;
    }
    if call.name == "runuser" && options.has(&["u", "user"]) {
        let words = options.words.clone();
        return run(walker, &words, call.input);
    }
    if commands.is_empty() {
        match call.input {
            Input::Session => walker.report.say(labels::ROOT_SHELL),
            input => drop(code::script_from(walker, input)?),
        }
    }
    Ok(None)
}

/// `watch`, `script -c`, `flock -c`, `tmux`, `screen`: a command in one word, or several joined.
pub fn joined(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let values = [
        "n", "interval", "c", "command", "L", "f", "t", "s", "S", "x", "w", "E", "d", "q", "h", "e",
    ];
    let options = Options::read(call.args, &values, true);
    let text = |words: &[Field]| {
        let words: Vec<&str> = words.iter().map(|f| f.text.as_str()).collect();
        words.join(" ")
    };
    if let Some(command) = options.value(&["c", "command"]) {
        let command = command.text.clone();
        return walker.nested_text(&command);
    }
    let words = options.words.clone();
    match call.name {
        "watch" if call.says("-x") || call.says("--exec") => run(walker, &words, call.input),
        "watch" => walker.nested_text(&text(&words)),
        "flock" if words.len() > 1 => {
            if words.get(1).is_some_and(|w| w.text == "-c") {
                return walker.nested_text(&text(&words[2..]));
            }
            run(walker, &words[1..], call.input)
        }
        "tmux" | "screen" => {
            let verb = options.first().to_owned();
            let asks = [
                "ls",
                "list-sessions",
                "info",
                "show-options",
                "kill-session",
                "has-session",
                "has",
            ];
            if asks.contains(&verb.as_str()) || call.says("-ls") || call.says("-list") {
                return Ok(None);
            }
            walker.report.say(labels::INTERACTIVE_SHELL);
            if let Some(last) = words
                .last()
                .filter(|_| words.len() > 1 || call.name == "screen")
            {
                walker.nested_text(&last.text.clone())?;
            }
            Ok(None)
        }
        "script" => {
            walker.report.say(labels::INTERACTIVE_SHELL);
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// `chroot`, `nsenter`, `unshare`: another root, other namespaces.
pub fn enter(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let values = [
        "t", "target", "userspec", "groups", "S", "G", "setuid", "setgid", "R", "root", "w", "wd",
    ];
    let options = Options::read(call.args, &values, true);
    walker.report.say(labels::NAMESPACE_ENTER);
    let first = options.value(&["t", "target"]).map(|f| f.text.clone());
    if call.name == "nsenter"
        && (first.as_deref() == Some("1") || call.args.iter().any(|f| f.text.contains("/proc/1/")))
    {
        walker.report.say(labels::CONTAINER_ESCAPE);
    }
    let words = match call.name {
        "chroot" => options.words.get(1..).unwrap_or_default().to_vec(),
        _ => options.words.clone(),
    };
    if call.name == "chroot" && options.first().contains("host") {
        walker.report.say(labels::CONTAINER_ESCAPE);
    }
    match words.is_empty() {
        true => walker.report.say(labels::INTERACTIVE_SHELL),
        false => drop(run(walker, &words, call.input)?),
    }
    Ok(None)
}

/// `busybox`, `toybox`, `coreutils`: the first word is the program.
pub fn applet(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let mut words = call.args.to_vec();
    if let Some(first) = words.first_mut()
        && let Some(program) = first.text.strip_prefix("--coreutils-prog=")
    {
        first.text = program.to_owned();
    }
    if words.first().is_none_or(|w| w.text.starts_with("--")) {
        return Ok(None);
    }
    run(walker, &words, call.input)
}

/// `at`, `batch`, `systemd-run`, `crontab`: later, and without anybody who watches.
pub fn later(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let lists = ["-l", "--list", "-c"];
    if matches!(call.name, "at" | "crontab" | "atq")
        && call.args.iter().any(|f| lists.contains(&f.text.as_str()))
    {
        return Ok(None);
    }
    walker.report.say(labels::PERSISTENCE);
    match call.name {
        "systemd-run" => {
            let values = [
                "p",
                "property",
                "u",
                "unit",
                "E",
                "setenv",
                "uid",
                "gid",
                "slice",
                "on-active",
                "on-calendar",
                "M",
                "H",
                "description",
                "nice",
            ];
            let options = Options::read(call.args, &values, true);
            let words = options.words.clone();
            drop(run(walker, &words, call.input)?);
        }
        "at" | "batch" => drop(code::script_from(walker, call.input)?),
        _ => {}
    }
    Ok(None)
}

/// `perf`, `gdb`, `capsh`, `expect`, `start-stop-daemon`, `run-parts`, `daemonize`, `make`-likes that run a word.
pub fn debugger(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    match call.name {
        "perf" => {
            let verb = call.verb().to_owned();
            let at = call
                .args
                .iter()
                .position(|f| f.text == "--")
                .map_or(1, |at| at + 1);
            let words: Vec<Field> = call
                .args
                .iter()
                .skip(at)
                .skip_while(|f| f.text.starts_with('-'))
                .cloned()
                .collect();
            if matches!(verb.as_str(), "stat" | "record" | "trace") && !words.is_empty() {
                return run(walker, &words, call.input);
            }
        }
        "gdb" | "lldb" => {
            walker.report.say(labels::INTERACTIVE_EDITOR);
            if call.says("-p") || call.says("--pid") || call.says("attach") {
                walker.report.say(labels::PROCESS_MEMORY);
            }
        }
        "gcore" => walker.report.say(labels::PROCESS_MEMORY),
        "capsh" => {
            let at = call.args.iter().position(|f| f.text == "--");
            match at.and_then(|at| call.args.get(at + 1..)) {
                Some([flag, command, ..]) if flag.text == "-c" => {
                    let command = command.text.clone();
                    walker.nested_text(&command)?;
                }
                Some(_) => walker.report.say(labels::INTERACTIVE_SHELL),
                None => {}
            }
        }
        "start-stop-daemon" => {
            let options = Options::read(
                call.args,
                &[
                    "exec", "x", "startas", "a", "pidfile", "p", "user", "u", "name", "n", "chuid",
                    "c", "chdir", "d", "signal", "s",
                ],
                false,
            );
            if let Some(program) = options.value(&["exec", "x", "startas", "a"]) {
                let mut words = vec![program.clone()];
                words.extend(options.words.iter().cloned());
                return run(walker, &words, call.input);
            }
            walker.report.say(labels::SERVICE_CONTROL);
        }
        _ => walker.report.say(labels::OPAQUE_SCRIPT),
    }
    Ok(None)
}
