//! Clouds and infrastructure: verbs say enough to tell looking from changing and ending.

use super::{Call, Options, look_at};
use crate::expand::Field;
use crate::labels;
use crate::walk::{Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

/// See [`cloud`].
const CLOUD_SECRET: [&str; 12] = [
    "get-secret-value",
    "print-access-token",
    "print-identity-token",
    "get-access-token",
    "get-session-token",
    "assume-role",
    "get-login-password",
    "get-token",
    "create-access-key",
    "get-credentials",
    "get-authorization-token",
    "batch-get-secret-value",
];

/// See [`cloud`].
const CLOUD_ENDS: [&str; 14] = [
    "delete",
    "terminate",
    "destroy",
    "remove",
    "purge",
    "deregister",
    "detach",
    "revoke",
    "disable",
    "stop",
    "rm",
    "rb",
    "drop",
    "empty",
];

/// See [`cloud`].
const CLOUD_ASKS: [&str; 19] = [
    "describe",
    "list",
    "get",
    "show",
    "ls",
    "help",
    "version",
    "info",
    "logs",
    "tail",
    "search",
    "lookup",
    "head",
    "query",
    "wait",
    "check",
    "status",
    "validate",
    "export-config",
];

/// See [`cloud`].
const CLOUD_RIGHTS: [&str; 11] = [
    "set-iam-policy",
    "add-iam-policy-binding",
    "put-user-policy",
    "attach-user-policy",
    "attach-role-policy",
    "put-role-policy",
    "create-user",
    "create-role",
    "create-login-profile",
    "add-user-to-group",
    "update-assume-role-policy",
];

/// `aws`, `gcloud`, `az`, `doctl`, `oci`, …
pub fn cloud(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let words: Vec<&str> = call
        .args
        .iter()
        .map(|f| f.text.as_str())
        .filter(|w| !w.starts_with('-'))
        .collect();
    walker.report.does(Effect::Read, Verbs::NET);
    if call.args.iter().take(3).any(|f| f.open && f.multiple) {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    let has = |part: &str| words.iter().take(4).any(|w| w.contains(part));
    if CLOUD_SECRET.iter().any(|s| has(s))
        || (words.contains(&"secrets") && words.contains(&"access"))
        || (words.contains(&"keyvault") && words.contains(&"show"))
        || (has("get-parameter") && call.args.iter().any(|f| f.text == "--with-decryption"))
        || (words.contains(&"keys") && words.contains(&"list"))
    {
        walker.report.say(labels::CLOUD_CREDENTIAL);
        walker.secret = true;
        return Ok(None);
    }
    if let ["s3", verb, rest @ ..] = words.as_slice()
        && call.name == "aws"
    {
        return s3(walker, call, verb, rest);
    }
    let starts = |verbs: &[&str]| {
        words.iter().take(4).any(|w| {
            verbs
                .iter()
                .any(|v| w == v || w.starts_with(&format!("{v}-")))
        })
    };
    if CLOUD_RIGHTS.iter().any(|r| has(r))
        || (words.first() == Some(&"role") && has("assignment"))
        || (has("role") && has("assignment") && has("create"))
    {
        walker.report.say(labels::RBAC_CHANGE);
    } else if starts(&CLOUD_ENDS) {
        walker.report.say(labels::CLOUD_DELETE);
    } else if (has("ssm") && (has("send-command") || has("start-session")))
        || has("execute-command")
        || has("ssh")
        || has("run-command")
    {
        walker.report.say(labels::REMOTE_COMMAND);
        walker.report.say(labels::INLINE_CODE);
    } else if starts(&CLOUD_ASKS) || words.is_empty() || words == ["sts", "get-caller-identity"] {
        walker.report.does(Effect::Read, Verbs::READ);
    } else {
        walker.report.say(labels::CLOUD_CHANGE);
    }
    Ok(None)
}

fn s3(walker: &mut Walker<'_>, call: &Call<'_>, verb: &str, rest: &[&str]) -> Walk<Output> {
    let fields: Vec<Field> = rest.iter().map(|t| Field::known(t)).collect();
    match verb {
        "ls" | "presign" => walker.report.does(Effect::Read, Verbs::READ),
        "rm" | "rb" => walker.report.say(labels::CLOUD_DELETE),
        "cp" | "sync" | "mv" => {
            if call.says("--delete") {
                walker.report.say(labels::SYNC_DELETE);
            }
            return super::remote::transfer(walker, &fields);
        }
        _ => walker.report.say(labels::CLOUD_CHANGE),
    }
    Ok(None)
}

/// `terraform`, `tofu`, `pulumi`, `terragrunt`, `cdk`, `serverless`
pub fn infrastructure(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(
        call.args,
        &[
            "chdir", "var", "var-file", "target", "out", "stack", "s", "C",
        ],
        false,
    );
    let second = options
        .words
        .get(1)
        .and_then(Field::certain)
        .unwrap_or_default();
    match (options.first(), second) {
        ("plan" | "apply", _) if call.says("-destroy") && options.first() == "apply" => {
            walker.report.say(labels::INFRASTRUCTURE_DESTROY)
        }
        (
            "validate" | "fmt" | "version" | "show" | "providers" | "graph" | "console" | "preview"
            | "whoami" | "list" | "ls" | "diff" | "synth" | "",
            _,
        )
        | ("state", "list" | "show")
        | ("workspace", "list" | "show")
        | ("stack", "ls" | "output" | "") => walker.report.does(Effect::Read, Verbs::READ),
        // Providers and data sources run; the state may hold secrets.
        ("plan" | "init" | "get" | "refresh" | "test", _) => {
            walker.report.say(labels::PROJECT_CODE)
        }
        ("output", _) | ("state", "pull") => walker.report.say(labels::CLOUD_CREDENTIAL),
        ("destroy" | "down" | "remove" | "delete", _) => {
            walker.report.say(labels::INFRASTRUCTURE_DESTROY)
        }
        _ => walker.report.say(labels::INFRASTRUCTURE_CHANGE),
    }
    Ok(None)
}

/// See [`fleet`].
const FLEET_LOOKS: [&str; 7] = [
    "--list-hosts",
    "--syntax-check",
    "--list-tasks",
    "--check",
    "-C",
    "--noop",
    "--list-tags",
];

/// `ansible`, `ansible-playbook`, `salt`, `puppet`, `chef-client`, `fab`, `pssh`
pub fn fleet(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(
        call.args,
        &[
            "m",
            "module-name",
            "a",
            "args",
            "i",
            "inventory",
            "u",
            "user",
            "l",
            "limit",
            "e",
            "extra-vars",
            "f",
            "t",
            "tags",
            "h",
            "H",
        ],
        false,
    );
    if call
        .args
        .iter()
        .any(|f| FLEET_LOOKS.contains(&f.text.as_str()))
    {
        look_at(walker, call.args)?;
        walker.report.say(labels::PROJECT_CODE);
        return Ok(None);
    }
    match call.name {
        "ansible" => ansible(walker, &options)?,
        "ansible-galaxy" | "ansible-vault" | "ansible-inventory" | "ansible-doc"
        | "ansible-lint" | "ansible-config" => {
            if call.name == "ansible-vault" {
                walker.report.say(labels::CREDENTIAL_READ);
            }
            walker.report.does(Effect::Write, Verbs::WRITE);
        }
        "pssh" | "pdsh" | "clush" | "salt" | "dsh" => {
            walker.report.say(labels::REMOTE_COMMAND);
            if let Some(command) = options.words.last() {
                let command = command.text.clone();
                walker.isolated(|walker| walker.nested_text(&command))?;
            }
            walker.report.say(labels::INFRASTRUCTURE_CHANGE);
        }
        _ => walker.report.say(labels::INFRASTRUCTURE_CHANGE),
    }
    Ok(None)
}

/// One module on many machines.
fn ansible(walker: &mut Walker<'_>, options: &Options) -> Walk {
    let module = options
        .value(&["m", "module-name"])
        .map_or("command", |f| f.text.as_str())
        .to_owned();
    match module.rsplit('.').next().unwrap_or_default() {
        "ping" | "setup" | "stat" => walker.report.does(Effect::Read, Verbs::NET),
        "shell" | "command" | "raw" | "script" => {
            walker.report.say(labels::REMOTE_COMMAND);
            match options.value(&["a", "args"]) {
                Some(command) => {
                    let command = command.text.clone();
                    walker.isolated(|walker| walker.nested_text(&command))?;
                }
                None => walker.report.say(labels::OPAQUE_SCRIPT),
            }
        }
        _ => walker.report.say(labels::INFRASTRUCTURE_CHANGE),
    }
    Ok(())
}
