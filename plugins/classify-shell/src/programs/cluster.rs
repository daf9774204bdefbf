//! kubectl and helm as command lines: the same verbs and labels as requests to the API have.

use super::{Call, Options, run};
use crate::expand::Field;
use crate::labels;
use crate::paths::Deed;
use crate::walk::{Output, Walk, Walker};
use portcullis_sdk::{Effect, Verbs};

const VALUES: &[&str] = &[
    "n",
    "namespace",
    "f",
    "filename",
    "k",
    "kustomize",
    "l",
    "selector",
    "o",
    "output",
    "c",
    "container",
    "context",
    "cluster",
    "user",
    "kubeconfig",
    "s",
    "server",
    "token",
    "as",
    "as-group",
    "as-uid",
    "field-selector",
    "p",
    "patch",
    "type",
    "since",
    "tail",
    "replicas",
    "image",
    "sort-by",
    "template",
    "timeout",
    "grace-period",
    "cascade",
    "from-literal",
    "from-file",
    "overrides",
    "port",
    "request-timeout",
    "v",
    "field-manager",
    "duration",
    "clusterrole",
    "role",
    "serviceaccount",
    "group",
    "verb",
    "resource",
    "set",
    "values",
    "version",
    "chunk-size",
    "label-columns",
    "L",
    "chart",
    "repo",
    "address",
    "for",
    "env",
    "limits",
    "requests",
    "restart",
    "cert",
    "raw",
    "profile",
    "target",
    "copy-to",
];

/// `kubectl`, `oc`, `k3s kubectl`, `microk8s.kubectl`
pub fn kubectl(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    if call.name == "k3s" {
        let rest = call.args.get(1..).unwrap_or_default();
        if call.verb() == "kubectl" {
            let call = Call {
                name: "kubectl",
                args: rest,
                input: call.input,
            };
            return kubectl(walker, &call);
        }
        walker.report.say(labels::CLUSTER_CHANGE);
        return Ok(None);
    }
    let options = Options::read(call.args, VALUES, true);
    // Options may stand before and after the verb.
    let verb = options.words.first().cloned().unwrap_or_default();
    let rest = options.words.get(1..).unwrap_or_default();
    let after = Options::read(rest, VALUES, false);
    walker.report.does(Effect::Read, Verbs::NET);
    let Some(verb) = verb.certain() else {
        walker.report.say(labels::DYNAMIC_COMMAND);
        return Ok(None);
    };
    if after.open || options.open {
        walker.report.say(labels::UNKNOWN_ARGUMENT);
    }
    if options.has(&["as", "as-group", "as-uid"]) || after.has(&["as", "as-group", "as-uid"]) {
        walker.report.say(labels::IMPERSONATION);
    }
    for file in [&options, &after] {
        for path in file.values(&["kubeconfig"]) {
            walker.report.touches("file", &path.text, false);
        }
    }
    verbs(walker, call, verb, rest, &after)
}

fn verbs(
    walker: &mut Walker<'_>,
    call: &Call<'_>,
    verb: &str,
    rest: &[Field],
    after: &Options,
) -> Walk<Output> {
    let first = after.first().to_ascii_lowercase();
    let dry = after
        .values(&["dry-run"])
        .any(|f| matches!(f.text.as_str(), "client" | "server"))
        && !matches!(verb, "exec" | "attach" | "cp");
    if dry {
        return Ok(None);
    }
    match verb {
        "get" | "describe" => read(walker, after),
        "logs" | "log" | "top" | "explain" | "version" | "cluster-info" | "api-resources"
        | "api-versions" | "diff" | "wait" | "events" | "options" | "completion" | "kustomize"
        | "whoami" | "status" | "" => {
            walker.report.does(Effect::Read, Verbs::READ);
        }
        "auth" if matches!(first.as_str(), "can-i" | "whoami") => {}
        "rollout" if matches!(first.as_str(), "status" | "history") => {}
        "config" => config(walker, after),
        "exec" => exec(walker, call, rest)?,
        "attach" | "port-forward" | "cp" => {
            walker.report.say(labels::POD_STREAM);
            if verb == "cp" {
                super::remote::transfer(walker, &after.words)?;
            }
        }
        "debug" => {
            walker.report.say(labels::POD_EXEC);
            if first.starts_with("node/")
                || after.values(&["profile"]).any(|f| f.text == "sysadmin")
            {
                walker.report.say(labels::CONTAINER_ESCAPE);
            }
        }
        "proxy" => walker.report.say(labels::NETWORK_LISTENER),
        "delete" => delete(walker, after),
        "drain" | "cordon" | "uncordon" | "taint" => walker.report.say(labels::NODE_CONTROL),
        "certificate" => walker.report.say(labels::CERTIFICATE_APPROVAL),
        "run" => run_pod(walker, call, rest, after)?,
        "create" | "apply" | "replace" | "patch" | "edit" | "label" | "annotate" | "scale"
        | "autoscale" | "expose" | "set" | "rollout" | "auth" | "adm" | "process" | "new-app"
        | "start-build" | "new-project" => {
            change(walker, call, verb, &first, after);
        }
        // A plugin `kubectl-…` of the path.
        _ => walker.report.say(labels::UNLISTED_PROGRAM),
    }
    Ok(None)
}

/// What runs in a container, in a shell of its own.
fn exec(walker: &mut Walker<'_>, call: &Call<'_>, rest: &[Field]) -> Walk {
    walker.report.say(labels::POD_EXEC);
    let at = rest.iter().position(|f| f.text == "--");
    let words = match at {
        Some(at) => rest.get(at + 1..).unwrap_or_default().to_vec(),
        None => Options::read(rest, VALUES, true)
            .words
            .get(1..)
            .unwrap_or_default()
            .to_vec(),
    };
    if words.is_empty() {
        walker.report.say(labels::DYNAMIC_COMMAND);
        return Ok(());
    }
    walker.isolated(|walker| {
        walker.environment = crate::environment::Environment::default();
        run(walker, &words, call.input)
    })?;
    Ok(())
}

/// The kinds that stand in the first word: `secrets,pods`, `secret/x`.
fn kinds(after: &Options) -> Vec<String> {
    after
        .words
        .iter()
        .flat_map(|f| f.text.split(','))
        .map(|w| {
            w.split(['/', '.'])
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
        })
        .collect()
}

fn read(walker: &mut Walker<'_>, after: &Options) {
    walker.report.does(Effect::Read, Verbs::READ);
    let kinds = kinds(after);
    let secrets = kinds
        .iter()
        .take(1)
        .chain(kinds.iter().skip(1))
        .any(|k| matches!(k.as_str(), "secret" | "secrets" | "sealedsecrets"));
    let raw = after
        .values(&["raw"])
        .any(|f| f.text.contains("secret") || f.text.contains("proxy") || f.text.contains('\0'));
    if secrets || raw {
        walker.report.say(labels::SECRET_READ);
        walker.secret = true;
    }
}

fn config(walker: &mut Walker<'_>, after: &Options) {
    match after.first() {
        "view" if after.has(&["raw", "flatten"]) => walker.report.say(labels::CREDENTIAL_READ),
        "view" | "current-context" | "get-contexts" | "get-clusters" | "get-users" | "" => {}
        "use-context" | "set-context" => walker.report.does(Effect::Write, Verbs::WRITE),
        _ => walker.report.say(labels::LOGIN_CONFIG_CHANGE),
    }
}

fn delete(walker: &mut Walker<'_>, after: &Options) {
    walker.report.does(Effect::Destroy, Verbs::DDL);
    walker.report.say(labels::CLUSTER_DELETE);
    let kinds = kinds(after);
    let is = |names: &[&str]| kinds.iter().any(|k| names.contains(&k.as_str()));
    if is(&["ns", "namespace", "namespaces", "project", "projects"]) {
        walker.report.say(labels::DELETE_NAMESPACE);
    }
    if is(&[
        "crd",
        "crds",
        "customresourcedefinition",
        "customresourcedefinitions",
    ]) {
        walker.report.say(labels::DELETE_CRD);
    }
    if is(&["node", "nodes", "no"]) {
        walker.report.say(labels::NODE_CONTROL);
    }
    if is(&[
        "clusterrole",
        "clusterrolebinding",
        "clusterrolebindings",
        "rolebinding",
        "rolebindings",
        "role",
        "clusterroles",
        "roles",
    ]) {
        walker.report.say(labels::RBAC_CHANGE);
    }
}

fn change(walker: &mut Walker<'_>, call: &Call<'_>, verb: &str, first: &str, after: &Options) {
    walker.report.does(Effect::Write, Verbs::WRITE);
    walker.report.say(labels::CLUSTER_CHANGE);
    let kinds = kinds(after);
    let is = |names: &[&str]| kinds.iter().any(|k| names.contains(&k.as_str()));
    if is(&[
        "clusterrolebinding",
        "clusterrolebindings",
        "rolebinding",
        "rolebindings",
        "clusterrole",
        "clusterroles",
        "role",
        "roles",
    ]) || (verb == "auth" && first == "reconcile")
        || (verb == "adm" && first == "policy")
        || (verb == "set" && first == "subject")
    {
        walker.report.say(labels::RBAC_CHANGE);
    }
    if verb == "create" && first == "token" {
        walker.report.say(labels::TOKEN_REQUEST);
    }
    if verb == "edit" && is(&["secret", "secrets"]) {
        walker.report.say(labels::SECRET_READ);
    }
    // What the file holds is not in the command.
    let files: Vec<&Field> = after.values(&["f", "filename", "k", "kustomize"]).collect();
    if !files.is_empty() {
        let network = files.iter().any(|f| f.text.contains("://"));
        walker.report.say(match network {
            true => labels::DOWNLOAD_AND_RUN,
            false => labels::OPAQUE_SCRIPT,
        });
    }
    let text: String = call
        .args
        .iter()
        .map(|f| f.text.to_ascii_lowercase())
        .collect();
    if ["privileged", "hostpath", "hostnetwork", "hostpid"]
        .iter()
        .any(|w| text.contains(w))
    {
        walker.report.say(labels::CONTAINER_ESCAPE);
    }
    if verb == "replace" && after.has(&["force"]) {
        walker.report.say(labels::CLUSTER_DELETE);
    }
}

fn run_pod(walker: &mut Walker<'_>, call: &Call<'_>, rest: &[Field], after: &Options) -> Walk {
    walker.report.say(labels::CONTAINER_RUN);
    let text: String = after
        .values(&["overrides"])
        .map(|f| f.text.to_ascii_lowercase())
        .collect();
    if after.has(&["privileged"])
        || [
            "privileged",
            "hostpath",
            "hostnetwork",
            "hostpid",
            "hostipc",
        ]
        .iter()
        .any(|w| text.contains(w))
    {
        walker.report.say(labels::CONTAINER_ESCAPE);
    }
    if let Some(at) = rest.iter().position(|f| f.text == "--") {
        let words = rest.get(at + 1..).unwrap_or_default().to_vec();
        walker.isolated(|walker| run(walker, &words, call.input))?;
    }
    Ok(())
}

/// `helm`
pub fn helm(walker: &mut Walker<'_>, call: &Call<'_>) -> Walk<Output> {
    let options = Options::read(call.args, VALUES, false);
    walker.report.does(Effect::Read, Verbs::NET);
    if options.has(&["post-renderer"]) {
        walker.report.say(labels::DYNAMIC_COMMAND);
    }
    let second = options
        .words
        .get(1)
        .and_then(Field::certain)
        .unwrap_or_default();
    match options.first() {
        "list" | "ls" | "status" | "history" | "search" | "show" | "template" | "lint"
        | "version" | "env" | "verify" | "inspect" | "completion" | "" => {}
        "repo" if matches!(second, "list" | "ls" | "update" | "up") => {}
        "dependency" | "dep" | "pull" | "fetch" | "package" | "create" => {
            walker.report.does(Effect::Write, Verbs::WRITE)
        }
        "get" => walker.report.say(labels::SECRET_READ),
        "upgrade" | "install" | "rollback" | "test"
            if call.args.iter().any(|f| f.text.starts_with("--dry-run")) => {}
        "uninstall" | "delete" | "del" | "un" => walker.report.say(labels::CLUSTER_DELETE),
        "plugin" if matches!(second, "list" | "ls") => {}
        "plugin" => walker.report.say(labels::DOWNLOAD_AND_RUN),
        "push" | "registry" => walker.report.say(labels::NETWORK_UPLOAD),
        _ => walker.report.say(labels::HELM_CHANGE),
    }
    for file in options.values(&["f", "values"]) {
        walker.touch(file, Deed::Read);
    }
    Ok(None)
}
