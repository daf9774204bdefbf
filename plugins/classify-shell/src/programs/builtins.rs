//! What the shell does itself.

use super::{Call, code, run};
use crate::expand::{ANY, Field};
use crate::labels;
use crate::walk::{Input, Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// `cd`, `pushd`
pub fn cd(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let target = super::words_of(call.args).next();
    let folder = match target {
        None => Some("~".to_owned()),
        Some(field) => field.certain().filter(|t| *t != "-").map(str::to_owned),
    };
    let here = walker.environment.folder.clone();
    walker.environment.folder = folder.and_then(|folder| {
        let plain = crate::paths::plain(&folder, here.as_deref());
        plain.starts_with(['/', '~']).then_some(plain)
    });
    Ok(Some(String::new()))
}

/// `popd`, and whatever moves to where nobody knows.
pub fn popd(walker: &mut Walker<'_>, _: &Call<'_>) -> Walk<Output> {
    walker.environment.folder = None;
    Ok(Some(String::new()))
}

/// `export`, `declare`, `local`, `readonly`, `typeset`
pub fn declare(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let mut named = false;
    for field in call.args {
        if field.text.starts_with(['-', '+']) {
            // A variable that is computed, or a name for another.
            if call.name != "export" && field.text.contains(['n', 'i']) {
                walker.environment.forget();
            }
            continue;
        }
        named = true;
        if field.open || field.multiple {
            // A shell that splits here declares whatever comes out.
            walker.environment.forget();
            walker.report.say(labels::UNKNOWN_ARGUMENT);
        }
        if field.open {
            continue;
        }
        again(walker, field);
        // The value of one that is only named stays what it is.
        if let Some((name, value)) = field.text.split_once('=') {
            let name = name.trim_end_matches('+').to_owned();
            let whole = !field.text.contains("+=");
            walker.assign(&name, whole.then(|| value.to_owned()), true);
        }
    }
    if !named && call.args.iter().all(|f| f.text != "-f") {
        walker.report.say(labels::ENVIRONMENT_READ);
    }
    Ok(Some(String::new()))
}

/// A name with a subscript is evaluated again by the builtins that take names.
fn again(walker: &mut Walker<'_>, field: &Field) {
    if field.text.contains("$(") || field.text.contains('`') || field.text.contains("[\0") {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
}

/// `unset`, `read`, `mapfile`, `getopts`, `let`: variables become something else.
pub fn changes_names(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    for (at, field) in call.args.iter().enumerate() {
        again(walker, field);
        if matches!(call.name, "mapfile" | "readarray")
            && field.text == "-C"
            && let Some(command) = call.args.get(at + 1)
        {
            let command = command.text.clone();
            walker.nested_text(&command)?;
        }
        if field.text.starts_with("HIST") && call.name == "unset" {
            walker.report.say(labels::HISTORY_TAMPERING);
        }
        match (call.name, field.text.split_once('=')) {
            ("let", Some((name, value))) => {
                let name = name
                    .trim_end_matches(['+', '-', '*', '/'])
                    .trim()
                    .to_owned();
                let value = value.trim().parse::<i64>().ok().map(|n| n.to_string());
                walker.environment.set(&name, value);
            }
            ("let", None) => walker.environment.forget(),
            _ if field.text.contains(ANY) => walker.environment.forget(),
            _ => walker.environment.set(&field.text, None),
        }
    }
    if call.args.is_empty() || matches!(call.name, "mapfile" | "readarray") {
        walker.environment.set("REPLY", None);
        walker.environment.set("MAPFILE", None);
    }
    Ok(Some(String::new()))
}

/// `eval`
pub fn eval(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let words: Vec<&str> = call.args.iter().map(|f| f.text.as_str()).collect();
    let text = words.join(" ");
    if call.args.iter().any(|f| f.multiple || f.open || f.glob) {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    walker.nested_text(&text)
}

/// `exec`, `command`, `builtin`
pub fn prefix(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let mut rest = call.args;
    while let Some((first, more)) = rest.split_first() {
        match first.text.as_str() {
            "-v" | "-V" if call.name == "command" => return Ok(None),
            "-a" if call.name == "exec" => rest = more.get(1..).unwrap_or_default(),
            "--" => {
                rest = more;
                break;
            }
            text if text.starts_with('-') && text.len() > 1 => rest = more,
            _ => break,
        }
    }
    match rest.is_empty() {
        true => Ok(Some(String::new())),
        false => run(walker, rest, call.input),
    }
}

/// `trap`
pub fn trap(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    match call.args {
        [command, _, ..] if !matches!(command.text.as_str(), "-" | "" | "-p" | "-l") => {
            let command = command.text.clone();
            walker.isolated(|walker| walker.nested_text(&command))?;
        }
        _ => {}
    }
    Ok(Some(String::new()))
}

/// `set`, `shopt`
pub fn set(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    if call.says("history")
        && call
            .args
            .iter()
            .any(|f| f.text.starts_with("+o") || f.text.starts_with('+'))
    {
        walker.report.say(labels::HISTORY_TAMPERING);
    }
    if call.name == "shopt" && call.args.iter().any(|f| f.text == "expand_aliases") {
        walker.report.say(labels::REDEFINED_COMMAND);
    }
    if call.name == "set" {
        if call.args.is_empty() {
            walker.report.say(labels::ENVIRONMENT_READ);
        }
        let options = call
            .args
            .iter()
            .take_while(|f| f.text.starts_with(['-', '+']))
            .count();
        let ends = call.args.iter().any(|f| f.text == "--");
        let named = call
            .args
            .iter()
            .take(options)
            .any(|f| f.text.ends_with('o'));
        let words = call.args.get(options..).unwrap_or_default();
        if ends || (!words.is_empty() && !named) {
            let known = words
                .iter()
                .map(|f| f.certain().map(str::to_owned))
                .collect();
            walker.environment.arguments = known;
        }
    }
    Ok(Some(String::new()))
}

/// `shift`
pub fn shift(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let by = match call.args {
        [] => Some(1),
        [field, ..] => field.certain().and_then(|t| t.parse::<usize>().ok()),
    };
    walker.environment.arguments = match (by, walker.environment.arguments.take()) {
        (Some(by), Some(list)) => Some(list.into_iter().skip(by).collect()),
        _ => None,
    };
    Ok(Some(String::new()))
}

/// `history`
pub fn history(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let tampers = call
        .args
        .iter()
        .any(|f| f.text.starts_with('-') && f.text.contains(['c', 'd', 'w', 'r', 'a', 'n']));
    walker.report.say(match tampers {
        true => labels::HISTORY_TAMPERING,
        false => labels::HISTORY_READ,
    });
    Ok(None)
}

/// `alias`, `hash -p`, `enable -f`: a name means something else from here on.
pub fn alias(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    match call.name {
        "alias" => {
            for field in call.args {
                if let Some((_, command)) = field.text.split_once('=') {
                    walker.report.say(labels::REDEFINED_COMMAND);
                    let command = command.to_owned();
                    walker.isolated(|walker| walker.nested_text(&command))?;
                }
            }
        }
        _ if call
            .args
            .iter()
            .any(|f| f.text.starts_with("-p") || f.text.starts_with("-f")) =>
        {
            walker.report.say(labels::REDEFINED_COMMAND);
            walker.report.say(labels::OPAQUE_SCRIPT);
        }
        _ => {}
    }
    Ok(None)
}

/// `echo`
pub fn echo(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.report.does(Effect::Read, Verbs::READ);
    let mut args = call.args;
    let mut newline = true;
    let mut escapes = false;
    while let Some((first, rest)) = args.split_first() {
        let flags = first.text.strip_prefix('-').unwrap_or_default();
        if flags.is_empty() || !flags.bytes().all(|b| b"neE".contains(&b)) {
            break;
        }
        newline &= !flags.contains('n');
        escapes |= flags.contains('e');
        args = rest;
    }
    let words: Option<Vec<&str>> = args.iter().map(Field::certain).collect();
    let Some(text) = words.map(|words| words.join(" ")) else {
        return Ok(None);
    };
    // Shells differ in what a backslash means here.
    if text.contains('\\') {
        let Some(escaped) = escapes.then(|| escaped(&text)).flatten() else {
            return Ok(None);
        };
        return Ok(Some(escaped + if newline { "\n" } else { "" }));
    }
    Ok(Some(text + if newline { "\n" } else { "" }))
}

/// `printf`
pub fn printf(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    if let [flag, name, ..] = call.args
        && flag.text == "-v"
    {
        again(walker, name);
        walker.environment.set(&name.text, None);
        return Ok(Some(String::new()));
    }
    let Some((format, args)) = call.args.split_first() else {
        return Ok(None);
    };
    let known: Option<Vec<&str>> = args.iter().map(Field::certain).collect();
    let (Some(format), Some(args)) = (format.certain(), known) else {
        return Ok(None);
    };
    Ok(formatted(format, &args))
}

/// `%s`, `%b`, `%%` and escapes; anything else is not computed.
fn formatted(format: &str, args: &[&str]) -> Option<String> {
    let format = escaped(format)?;
    let mut out = String::new();
    let mut args = args.iter().peekable();
    loop {
        let before = args.len();
        let mut rest = format.as_str();
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            match rest.as_bytes().get(at + 1) {
                Some(b'%') => out.push('%'),
                Some(b's' | b'd') => out.push_str(args.next().copied().unwrap_or_default()),
                Some(b'b') => out.push_str(&escaped(args.next().copied().unwrap_or_default())?),
                _ => return None,
            }
            rest = &rest[at + 2..];
        }
        out.push_str(rest);
        // The format is used again as long as there are arguments.
        if args.len() == 0 || args.len() == before || out.len() > 4096 {
            return (args.len() == 0).then_some(out);
        }
    }
}

/// Backslash escapes of `printf` and `echo -e`.
fn escaped(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let first = rest.chars().next()?;
        let digits = |text: &str, radix: u32, most: usize| {
            let text: String = text
                .chars()
                .take(most)
                .take_while(|c| c.is_digit(radix))
                .collect();
            let number = u32::from_str_radix(&text, radix).ok()?;
            Some((
                char::from_u32(number & if radix == 8 { 0xff } else { u32::MAX })?,
                text.len(),
            ))
        };
        let (c, length) = match first {
            'n' => ('\n', 1),
            't' => ('\t', 1),
            '\\' | '"' | '\'' => (first, 1),
            'x' => digits(&rest[1..], 16, 2).map(|(c, n)| (c, n + 1))?,
            'u' => digits(&rest[1..], 16, 4).map(|(c, n)| (c, n + 1))?,
            '0'..='7' => digits(rest, 8, if first == '0' { 4 } else { 3 })?,
            _ => return None,
        };
        if c == ANY {
            return None;
        }
        out.push(c);
        rest = &rest[length..];
    }
    out.push_str(rest);
    Some(out)
}

/// `cat`, `base64 -d`, `rev`, `tac`: what they make of a text that is known.
pub fn filter(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    super::look_at(walker, call.args)?;
    let Input::Known(text) = call.input else {
        return Ok(None);
    };
    let plain = call.args.iter().all(|f| f.text == "-");
    Ok(match call.name {
        "cat" if plain => Some(text.clone()),
        "rev" if plain => Some(
            text.lines()
                .map(|l| l.chars().rev().collect::<String>() + "\n")
                .collect(),
        ),
        "base64"
            if call
                .args
                .iter()
                .any(|f| matches!(f.text.as_str(), "-d" | "--decode" | "-D" | "-di" | "-id")) =>
        {
            base64(text)
        }
        _ => None,
    })
}

fn base64(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace() && *b != b'=')
    {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok().filter(|t| !t.contains(ANY))
}

/// `test`, `[`: names with subscripts are evaluated.
pub fn test(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let evaluates = call.args.iter().any(|f| {
        matches!(
            f.text.as_str(),
            "-v" | "-eq" | "-ne" | "-lt" | "-gt" | "-le" | "-ge"
        )
    });
    if evaluates {
        for field in call.args {
            again(walker, field);
        }
    }
    walker.report.does(Effect::Read, Verbs::READ);
    Ok(Some(String::new()))
}

/// `env`-less: `printenv`, `set`.
pub fn printenv(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let harmless = [
        "HOME", "USER", "PATH", "LANG", "SHELL", "PWD", "TERM", "HOSTNAME", "EDITOR",
    ];
    if call.args.is_empty()
        || !call
            .args
            .iter()
            .all(|f| harmless.contains(&f.text.as_str()))
    {
        walker.report.say(labels::ENVIRONMENT_READ);
        walker.secret = true;
    }
    Ok(None)
}

/// `complete -C command`, `bind -x`
pub fn complete(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    if call
        .args
        .iter()
        .any(|f| matches!(f.text.as_str(), "-C" | "-F" | "-x"))
    {
        walker.report.say(labels::REDEFINED_COMMAND);
    }
    Ok(None)
}

/// `kill`, `pkill`, `killall`
pub fn kill(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let asks = ["-l", "-L", "-0", "--list"];
    if call.args.iter().any(|f| asks.contains(&f.text.as_str())) {
        return Ok(None);
    }
    walker.report.say(labels::PROCESS_KILL);
    let all = match call.name {
        "kill" => call
            .args
            .iter()
            .skip(1)
            .any(|f| matches!(f.text.as_str(), "-1" | "1" | "0")),
        _ => {
            call.says(".")
                || call.says(".*")
                || call.says("init")
                || call.says("systemd")
                || call.says("sshd")
                || call.says("root")
        }
    };
    if all || (call.name == "kill" && call.verb() == "1") || call.name == "killall5" {
        walker.report.say(labels::KILL_ALL);
    }
    Ok(None)
}

/// `script_from` for shells that are asked by name elsewhere.
pub fn dot(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    code::source(walker, call)
}
