//! Containers: what they may reach of the machine they run on, and what runs in them.

use super::{Call, Options, run};
use crate::expand::Field;
use crate::labels;
use crate::paths::Deed;
use crate::walk::{Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// Before the verb.
const GLOBAL: &[&str] = &[
    "H",
    "host",
    "c",
    "context",
    "config",
    "l",
    "log-level",
    "f",
    "file",
    "p",
    "project-name",
    "profile",
    "n",
    "namespace",
    "project-directory",
    "env-file",
    "connection",
    "url",
    "a",
    "address",
    "r",
    "runtime-endpoint",
    "i",
    "image-endpoint",
    "root",
    "runroot",
];

/// Of `run`, `create` and `exec`.
const VALUES: &[&str] = &[
    "v",
    "volume",
    "e",
    "env",
    "p",
    "publish",
    "u",
    "user",
    "w",
    "workdir",
    "name",
    "network",
    "net",
    "pid",
    "ipc",
    "uts",
    "userns",
    "cap-add",
    "cap-drop",
    "device",
    "security-opt",
    "mount",
    "m",
    "memory",
    "cpus",
    "entrypoint",
    "env-file",
    "h",
    "hostname",
    "l",
    "label",
    "restart",
    "log-driver",
    "log-opt",
    "add-host",
    "dns",
    "tmpfs",
    "volumes-from",
    "cgroupns",
    "cgroup-parent",
    "runtime",
    "platform",
    "pull",
    "ulimit",
    "shm-size",
    "gpus",
    "link",
    "expose",
    "ip",
    "mac-address",
    "stop-signal",
    "stop-timeout",
    "sysctl",
    "group-add",
    "a",
    "attach",
    "c",
    "cpu-shares",
    "index",
    "detach-keys",
    "annotation",
    "secret",
    "device-cgroup-rule",
    "exec-id",
    "cwd",
];

/// Options of `run` and `create` that let a container out.
fn escapes(walker: &mut Walker<'_>, options: &Options) {
    let mut out = options.has(&["privileged"]);
    for value in options.values(&["pid", "ipc", "userns", "uts", "cgroupns"]) {
        out |= value.text == "host";
    }
    for value in options.values(&["network", "net"]) {
        if value.text == "host" {
            walker.report.say(labels::NAMESPACE_ENTER);
        }
        out |= value.certain().is_none();
    }
    for value in options.values(&["cap-add"]) {
        let capability = value.text.to_ascii_uppercase();
        let capability = capability.trim_start_matches("CAP_");
        let small = [
            "NET_BIND_SERVICE",
            "CHOWN",
            "SETUID",
            "SETGID",
            "KILL",
            "IPC_LOCK",
            "SYS_NICE",
            "NET_RAW",
        ];
        out |= !small.contains(&capability);
    }
    for value in options.values(&["security-opt"]) {
        out |= value.text.contains("unconfined")
            || value.text.contains("disable")
            || value.text.contains("systempaths");
    }
    out |= options.has(&["device", "device-cgroup-rule", "volumes-from"]);
    for value in options.values(&["v", "volume"]) {
        out |= host_path(
            walker,
            value.text.split(':').next().unwrap_or_default(),
            value,
        );
    }
    for value in options.values(&["mount"]) {
        for part in value.text.split(',') {
            if let Some((_, path)) = part
                .split_once('=')
                .filter(|(key, _)| matches!(*key, "source" | "src"))
            {
                out |= host_path(walker, path, value);
            }
        }
    }
    out |= options.open;
    if out {
        walker.report.say(labels::CONTAINER_ESCAPE);
    }
}

/// See [`host_path`].
const HOST_PATH_BELOW: [&str; 8] = [
    "/proc/",
    "/sys/",
    "/dev/",
    "/etc/",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/boot/",
    "/root/",
];

/// A folder of the host within a container: true when it gives the host away.
fn host_path(walker: &mut Walker<'_>, path: &str, from: &Field) -> bool {
    let field = Field {
        text: path.to_owned(),
        ..from.clone()
    };
    if !path.starts_with(['/', '~', '.', '\0']) {
        return false;
    }
    walker.touch(&field, Deed::Read);
    let plain = crate::paths::plain(path, walker.environment.folder.as_deref());
    let whole = [
        "/", "/etc", "/root", "/proc", "/sys", "/dev", "/var", "/usr", "/boot", "/home", "/lib",
        "/bin", "/run", "/var/run", "/var/lib",
    ];
    whole.contains(&plain.as_str())
        || HOST_PATH_BELOW.iter().any(|p| plain.starts_with(p))
        || plain.ends_with(".sock")
}

/// `docker`, `podman`, `nerdctl`, `crictl`, `ctr`, `docker-compose`
pub fn docker(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, GLOBAL, true);
    if options.has(&["H", "host"]) {
        walker.report.say(labels::NETWORK_CONNECTION);
    }
    let mut words = options.words.as_slice();
    if call.name.ends_with("compose") {
        return compose(walker, call, words);
    }
    // `docker container run` is `docker run`.
    while let Some((first, rest)) = words.split_first() {
        match first.text.as_str() {
            "container" | "containers" | "task" | "tasks" | "t" | "c" | "pod" | "machine" => {
                words = rest
            }
            "compose" => {
                let inner = Options::read(rest, GLOBAL, true);
                return compose(walker, call, &inner.words);
            }
            _ => break,
        }
    }
    let Some((verb, rest)) = words.split_first() else {
        return Ok(None);
    };
    let Some(verb) = verb.certain() else {
        walker.report.say(labels::DYNAMIC_COMMAND);
        return Ok(None);
    };
    verb_of(walker, call, verb, rest)
}

fn verb_of(walker: &mut Walker<'_>, call: &Call<'_>, verb: &str, rest: &[Field]) -> Walk<Output> {
    let sub = rest.first().and_then(Field::certain).unwrap_or_default();
    walker.report.does(Effect::Read, Verbs::READ);
    match (verb, sub) {
        (
            "ps" | "ls" | "list" | "images" | "logs" | "inspect" | "stats" | "top" | "port"
            | "version" | "info" | "history" | "search" | "diff" | "events" | "inspecti"
            | "inspectp" | "statsp" | "imagefsinfo" | "wait",
            _,
        )
        | (
            "image" | "volume" | "network" | "system" | "context" | "buildx" | "manifest" | "node"
            | "service" | "stack" | "plugin" | "secret" | "config" | "trust" | "builder" | "i",
            "ls" | "list" | "inspect" | "df" | "info" | "events" | "history" | "show" | "du" | "ps"
            | "version" | "logs",
        ) => {}
        ("run" | "create" | "exec", _) => runs(walker, call, verb, rest)?,
        ("build" | "buildx" | "bake" | "builder", _) => {
            walker.report.say(labels::PROJECT_CODE);
            if call.says("--push") {
                walker.report.say(labels::IMAGE_PUSH);
            }
        }
        ("pull", _) | ("image", "pull") => walker.report.say(labels::NETWORK_READ),
        ("push", _) | ("image", "push") => walker.report.say(labels::IMAGE_PUSH),
        (
            "tag" | "start" | "restart" | "stop" | "kill" | "pause" | "unpause" | "rename"
            | "update" | "commit" | "login" | "logout" | "network" | "rm" | "rmi" | "image"
            | "attach" | "stopp" | "runp" | "load" | "import" | "save" | "export" | "context",
            _,
        ) => {
            walker.report.say(labels::CONTAINER_CONTROL);
            if sub == "prune" {
                walker.report.say(labels::CONTAINER_DATA_DELETE);
            }
        }
        ("cp", _) => {
            walker.report.say(labels::CONTAINER_CONTROL);
            super::remote::transfer(walker, rest)?;
        }
        ("volume" | "system" | "prune" | "swarm" | "stack" | "service" | "secret" | "node", _) => {
            walker.report.say(match sub {
                "create" | "update" | "scale" | "deploy" | "init" | "join" => {
                    labels::CONTAINER_CONTROL
                }
                _ => labels::CONTAINER_DATA_DELETE,
            });
        }
        ("unshare" | "mount", _) => walker.report.say(labels::NAMESPACE_ENTER),
        _ => walker.report.say(labels::UNLISTED_PROGRAM),
    }
    Ok(None)
}

/// A container, or a command in one.
fn runs(walker: &mut Walker<'_>, call: &Call<'_>, verb: &str, rest: &[Field]) -> Walk {
    let options = Options::read(rest, VALUES, true);
    walker.report.does(Effect::Write, Verbs::EXEC);
    if verb == "exec" {
        walker.report.say(labels::CONTAINER_EXEC);
        if options.has(&["privileged"]) {
            walker.report.say(labels::CONTAINER_ESCAPE);
        }
    } else {
        walker.report.say(labels::CONTAINER_RUN);
        escapes(walker, &options);
        let entry = options.value(&["entrypoint"]);
        if entry.is_some_and(|e| e.certain().is_none()) || options.words.is_empty() {
            walker.report.say(labels::DYNAMIC_COMMAND);
        }
    }
    let words = options.words.get(1..).unwrap_or_default();
    within(walker, call, &options, words)
}

/// What runs within: followed with a state of its own.
fn within(walker: &mut Walker<'_>, call: &Call<'_>, options: &Options, words: &[Field]) -> Walk {
    let interactive = options.has(&["i", "t", "interactive", "tty"]);
    if words.is_empty() {
        if interactive && options.words.len() == 1 && call.name != "docker" {
            walker.report.say(labels::INTERACTIVE_SHELL);
        }
        return Ok(());
    }
    walker.isolated(|walker| {
        walker.environment.folder = None;
        run(walker, words, call.input)
    })?;
    Ok(())
}

fn compose(walker: &mut Walker<'_>, call: &Call<'_>, words: &[Field]) -> Walk<Output> {
    let verb = words.first().and_then(Field::certain).unwrap_or_default();
    let rest = words.get(1..).unwrap_or_default();
    match verb {
        "" | "ps" | "logs" | "config" | "images" | "top" | "ls" | "version" | "port" | "events"
        | "stats" => {}
        "exec" | "run" => {
            let options = Options::read(rest, VALUES, true);
            walker.report.say(labels::CONTAINER_EXEC);
            escapes(walker, &options);
            within(
                walker,
                call,
                &options,
                options.words.get(1..).unwrap_or_default(),
            )?;
        }
        "build" => walker.report.say(labels::PROJECT_CODE),
        "pull" => walker.report.say(labels::NETWORK_READ),
        "down" | "rm"
            if call
                .args
                .iter()
                .any(|f| f.text == "-v" || f.text == "--volumes") =>
        {
            walker.report.say(labels::CONTAINER_DATA_DELETE);
        }
        _ => walker.report.say(labels::CONTAINER_CONTROL),
    }
    Ok(None)
}
