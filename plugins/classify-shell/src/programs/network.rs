//! The network: fetching, sending, listening, looking around.

use super::{Call, Options, look_at};
use crate::expand::Field;
use crate::labels;
use crate::paths::Deed;
use crate::walk::{Input, Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

const METADATA: [&str; 6] = [
    "169.254.169.254",
    "metadata.google.internal",
    "169.254.170.2",
    "100.100.100.200",
    "fd00:ec2::254",
    "metadata.azure",
];

/// Names of hosts, and the one that hands out credentials.
fn hosts(walker: &mut Walker<'_>, args: &[Field]) {
    for field in args {
        let text = field.text.to_ascii_lowercase();
        // 169.254.169.254 by other spellings.
        let odd = [
            "0xa9fea9fe",
            "2852039166",
            "0251.0376.0251.0376",
            "[::ffff:a9fe:a9fe]",
        ];
        if METADATA.iter().chain(&odd).any(|m| text.contains(m)) {
            walker.report.say(labels::METADATA_SERVICE);
            walker.secret = true;
        }
        if text.starts_with("file:") {
            let path = text.trim_start_matches("file:").trim_start_matches("//");
            walker.touch(&Field::known(path), Deed::Read);
        }
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default().to_owned();
            walker.report.touches("host", &host, false);
        }
    }
}

/// Something leaves: a file, standard input, what was read before.
fn sends(walker: &mut Walker<'_>, file: bool) {
    walker.report.does(Effect::Write, Verbs::NET);
    walker.report.say(match (walker.secret, file) {
        (true, _) => labels::EXFILTRATION,
        (false, true) => labels::NETWORK_UPLOAD,
        (false, false) => labels::NETWORK_WRITE,
    });
}

/// See [`curl`].
const CURL_VALUES: [&str; 66] = [
    "X",
    "request",
    "d",
    "data",
    "data-binary",
    "data-raw",
    "data-urlencode",
    "data-ascii",
    "json",
    "F",
    "form",
    "form-string",
    "T",
    "upload-file",
    "o",
    "output",
    "H",
    "header",
    "u",
    "user",
    "A",
    "user-agent",
    "e",
    "referer",
    "K",
    "config",
    "b",
    "cookie",
    "c",
    "cookie-jar",
    "D",
    "dump-header",
    "E",
    "cert",
    "key",
    "cacert",
    "capath",
    "m",
    "max-time",
    "connect-timeout",
    "w",
    "write-out",
    "x",
    "proxy",
    "r",
    "range",
    "retry",
    "unix-socket",
    "abstract-unix-socket",
    "resolve",
    "interface",
    "limit-rate",
    "output-dir",
    "max-redirs",
    "retry-delay",
    "stderr",
    "trace",
    "trace-ascii",
    "netrc-file",
    "aws-sigv4",
    "oauth2-bearer",
    "C",
    "url",
    "Y",
    "y",
    "z",
];

/// `curl`
pub fn curl(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &CURL_VALUES, false);
    walker.network = true;
    walker.report.does(Effect::Read, Verbs::NET);
    walker.report.say(labels::NETWORK_READ);
    hosts(walker, call.args);
    look_at(walker, &options.all_values().cloned().collect::<Vec<_>>())?;
    for file in options.values(&[
        "o",
        "output",
        "c",
        "cookie-jar",
        "D",
        "dump-header",
        "trace",
        "trace-ascii",
        "stderr",
    ]) {
        walker.touch(file, Deed::Write);
    }
    if options.has(&["O", "remote-name"]) {
        walker
            .report
            .does(Effect::Write, Verbs::WRITE | Verbs::FILE);
    }
    if options.has(&["K", "config"]) || options.open {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    if let Some(socket) = options.value(&["unix-socket", "abstract-unix-socket"]) {
        walker.touch(socket, Deed::Write);
    }
    let data: Vec<&Field> = options
        .values(&[
            "d",
            "data",
            "data-binary",
            "data-ascii",
            "data-urlencode",
            "json",
            "F",
            "form",
            "T",
            "upload-file",
            "data-raw",
        ])
        .collect();
    let file = options.has(&["T", "upload-file"])
        || data.iter().any(|f| {
            f.text.starts_with('@')
                || f.text.contains("=@")
                || f.text.contains("=<")
                || f.text.contains('\0')
        });
    let method = options
        .value(&["X", "request"])
        .map(|f| f.text.to_ascii_uppercase());
    let reads = matches!(method.as_deref(), None | Some("GET" | "HEAD" | "OPTIONS"));
    if file || walker.secret {
        sends(walker, true);
    } else if !data.is_empty() || !reads {
        sends(walker, false);
    }
    Ok(None)
}

/// See [`wget`].
const WGET_VALUES: [&str; 26] = [
    "O",
    "output-document",
    "o",
    "output-file",
    "a",
    "P",
    "directory-prefix",
    "U",
    "user-agent",
    "post-data",
    "post-file",
    "body-data",
    "body-file",
    "method",
    "header",
    "e",
    "execute",
    "i",
    "input-file",
    "T",
    "timeout",
    "t",
    "tries",
    "Q",
    "use-askpass",
    "config",
];

/// `wget`
pub fn wget(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, &WGET_VALUES, false);
    walker.network = true;
    walker.report.does(Effect::Write, Verbs::NET | Verbs::WRITE);
    walker.report.say(labels::NETWORK_READ);
    hosts(walker, call.args);
    look_at(walker, &options.all_values().cloned().collect::<Vec<_>>())?;
    for file in options.values(&["O", "output-document", "o", "output-file", "a"]) {
        if file.text != "-" {
            walker.touch(file, Deed::Write);
        }
    }
    if options.has(&["e", "execute", "use-askpass", "config"]) || options.open {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    if options.has(&["post-file", "body-file"]) {
        sends(walker, true);
    } else if options.has(&["post-data", "body-data", "method"]) {
        sends(walker, false);
    }
    Ok(None)
}

/// `nc`, `ncat`, `netcat`
pub fn netcat(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let values = [
        "e", "c", "exec", "sh-exec", "lua-exec", "p", "s", "w", "i", "X", "x", "q", "o", "I", "O",
        "T", "V", "m", "g", "G",
    ];
    let options = Options::read(call.args, &values, false);
    walker.network = true;
    walker.report.does(Effect::Write, Verbs::NET);
    let zero = call
        .args
        .iter()
        .any(|f| f.text.starts_with('-') && !f.text.starts_with("--") && f.text.contains('z'));
    if zero {
        walker.report.say(labels::NETWORK_SCAN);
        return Ok(None);
    }
    if options.has(&["e", "c", "exec", "sh-exec", "lua-exec"]) || options.open {
        walker.report.say(labels::REVERSE_SHELL);
    }
    if options.has(&["l", "listen", "k"]) {
        walker.report.say(labels::NETWORK_LISTENER);
    }
    walker.report.say(labels::NETWORK_CONNECTION);
    if matches!(call.input, Input::Opaque { .. }) || walker.secret {
        sends(walker, true);
    }
    walker.report.touches("host", options.first(), true);
    Ok(None)
}

/// `socat`
pub fn socat(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.network = true;
    walker.report.does(Effect::Write, Verbs::NET);
    walker.report.say(labels::NETWORK_CONNECTION);
    for field in call.args {
        let upper = field.text.to_ascii_uppercase();
        if upper.starts_with("EXEC:") || upper.starts_with("SYSTEM:") || upper.starts_with("SHELL:")
        {
            walker.report.say(labels::REVERSE_SHELL);
            let command = field
                .text
                .split_once(':')
                .map(|(_, c)| c.to_owned())
                .unwrap_or_default();
            let command = command.split(',').next().unwrap_or_default().to_owned();
            walker.nested_text(&command)?;
        }
        if upper.contains("LISTEN") {
            walker.report.say(labels::NETWORK_LISTENER);
        }
        for prefix in [
            "OPEN:",
            "FILE:",
            "CREATE:",
            "GOPEN:",
            "UNIX-CONNECT:",
            "UNIX:",
        ] {
            if upper.starts_with(prefix) {
                let path = field.text.get(prefix.len()..).unwrap_or_default();
                let path = Field::known(path.split(',').next().unwrap_or_default());
                walker.touch(&path, Deed::Read);
                walker.touch(&path, Deed::Write);
            }
        }
        if field.open {
            walker.report.say(labels::DYNAMIC_COMMAND);
        }
    }
    if walker.secret || matches!(call.input, Input::Opaque { secret: true, .. }) {
        walker.report.say(labels::EXFILTRATION);
    }
    Ok(None)
}

/// `telnet`, `openssl`, `mail`, `sendmail`, `logger -n`: bytes that leave by other doors.
pub fn other(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    match call.name {
        "openssl" => {
            look_at(walker, call.args)?;
            match call.verb() {
                "s_client" | "s_server" => {
                    walker.network = true;
                    walker.report.does(Effect::Write, Verbs::NET);
                    let quick = call.says("-showcerts")
                        || matches!(call.input, Input::Known(_))
                        || call.says("-brief");
                    if !quick || walker.secret {
                        walker.report.say(labels::NETWORK_CONNECTION);
                    }
                    if walker.secret {
                        walker.report.say(labels::EXFILTRATION);
                    }
                }
                _ => {
                    for pair in call.args.windows(2) {
                        if pair[0].text == "-out" || pair[0].text == "-keyout" {
                            walker.touch(&pair[1], Deed::Write);
                        }
                        if pair[0].text == "-engine" || pair[0].text == "-provider" {
                            walker.report.say(labels::OPAQUE_SCRIPT);
                        }
                    }
                }
            }
        }
        "dig" | "nslookup" | "host" | "drill" | "ping" | "ping6" | "traceroute" | "tracepath"
        | "mtr" | "whois" => {
            walker.report.does(Effect::Read, Verbs::NET);
            // Names that carry data out.
            if call.args.iter().any(|f| f.multiple) || walker.secret {
                walker.report.say(labels::UNKNOWN_ARGUMENT);
            }
        }
        _ => {
            walker.network = true;
            look_at(walker, call.args)?;
            walker.report.say(labels::NETWORK_CONNECTION);
            if walker.secret || matches!(call.input, Input::Opaque { .. }) {
                sends(walker, true);
            }
        }
    }
    Ok(None)
}

/// `nmap`, `masscan`: scripts run code.
pub fn nmap(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    walker.report.does(Effect::Read, Verbs::NET);
    walker.report.say(labels::NETWORK_SCAN);
    if call
        .args
        .iter()
        .any(|f| f.text.starts_with("--script") || f.text == "--interactive")
    {
        walker.report.say(labels::OPAQUE_SCRIPT);
    }
    Ok(None)
}

/// `tcpdump`, `tshark`
pub fn capture(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(
        call.args,
        &["i", "w", "r", "c", "s", "z", "G", "C", "W", "Z"],
        false,
    );
    if let Some(program) = options.value(&["z"]) {
        let program = program.text.clone();
        walker.nested_text(&program)?;
    }
    walker.report.say(labels::PACKET_CAPTURE);
    Ok(None)
}
