//! One request, graded: by its verb, its resource, its subresource, and what its body asks for.

use crate::labels;
use crate::{body, resources};
use portcullis_plugin_classify_shell as shell;
use portcullis_plugin_classify_shell::labels as commands;
use portcullis_plugin_classify_shell::labels::Label;
use portcullis_sdk::call::{Call, CallBody};
use portcullis_sdk::{Effect, Object, Opinion, Verbs};
use serde_json::Value;

/// An opinion in the making, about a text of so many bytes.
struct Graded {
    opinion: Opinion,
    length: usize,
}

impl Graded {
    fn say(&mut self, label: &Label) {
        let opinion = std::mem::replace(&mut self.opinion, Opinion::nothing());
        self.opinion = opinion
            .risk(label.risk)
            .effect(label.effect)
            .label(label.name)
            .finding(label.rule, 0..self.length);
    }

    fn does(&mut self, effect: Effect, verbs: Verbs) {
        let opinion = std::mem::replace(&mut self.opinion, Opinion::nothing());
        self.opinion = opinion.effect(effect).verbs(verbs);
    }

    fn touches(&mut self, call: &Call, write: bool) {
        let Some(resource) = &call.resource else {
            return;
        };
        let kind = match &call.subresource {
            Some(sub) => format!("{resource}/{sub}"),
            None => resource.clone(),
        };
        let cut = |text: &str| text[..text.floor_char_boundary(512.min(text.len()))].to_owned();
        let opinion = std::mem::replace(&mut self.opinion, Opinion::nothing());
        self.opinion = opinion.object(Object {
            kind: cut(&kind),
            schema: call.namespace.as_deref().map(cut).filter(|n| !n.is_empty()),
            name: cut(call.name.as_deref().unwrap_or("*")),
            write,
        });
    }
}

/// Opinion on a request, whose text has so many bytes.
pub fn grade(call: &Call, length: usize) -> Opinion {
    let mut graded = Graded {
        opinion: Opinion::nothing(),
        length,
    };
    match &call.resource {
        Some(resource) => of_resource(&mut graded, call, resource),
        None => of_path(&mut graded, call),
    }
    graded.opinion
}

/// Opinion on the words of a command in a container.
pub fn command(words: &[String]) -> Opinion {
    let nothing = Opinion::nothing().verbs(Verbs::EXEC);
    let exec = |label: &Label| {
        Opinion::nothing()
            .risk(label.risk)
            .effect(label.effect)
            .label(label.name)
    };
    let opinion = nothing
        .join(exec(commands::POD_EXEC))
        .join(shell::words(words));
    match words.is_empty() {
        true => opinion.join(exec(commands::INTERACTIVE_SHELL)),
        false => opinion,
    }
}

/// What is no resource: discovery, health, metrics.
fn of_path(graded: &mut Graded, call: &Call) {
    let path = call.path.as_deref().unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let under = |roots: &[&str]| {
        roots
            .iter()
            .any(|root| path == *root || path.starts_with(&format!("{root}/")))
    };
    let discovery = [
        "/api",
        "/apis",
        "/version",
        "/openapi",
        "/healthz",
        "/livez",
        "/readyz",
        "/metrics",
        "/.well-known",
    ];
    let plain = !path.contains("..") && !path.contains('%');
    if matches!(call.verb.as_str(), "get" | "head" | "options") && plain && under(&discovery) {
        graded.does(Effect::Read, Verbs::READ);
        return;
    }
    graded.say(labels::UNLISTED_REQUEST);
}

fn of_resource(graded: &mut Graded, call: &Call, resource: &str) {
    let read = matches!(call.verb.as_str(), "get" | "list" | "watch");
    graded.touches(call, !read);
    match call.subresource.as_deref() {
        None | Some("") => {}
        Some(sub) => {
            if of_subresource(graded, call, resource, sub) {
                return;
            }
        }
    }
    match call.verb.as_str() {
        "get" | "list" | "watch" => reads(graded, resource),
        "create" | "update" | "patch" => changes(graded, call, resource),
        "delete" | "deletecollection" => deletes(graded, call, resource),
        // Verbs of its own for what HTTP words otherwise.
        "exec" => {
            graded.does(Effect::Write, Verbs::EXEC);
            execs(graded, call);
        }
        "attach" | "portforward" => {
            graded.does(Effect::Write, Verbs::EXEC | Verbs::NET);
            graded.say(commands::POD_STREAM);
        }
        "proxy" => proxies(graded, resource),
        "impersonate" => graded.say(commands::IMPERSONATION),
        _ => graded.say(labels::UNLISTED_REQUEST),
    }
}

/// Subresources that mean something else than their verb; true when all is said.
fn of_subresource(graded: &mut Graded, call: &Call, resource: &str, sub: &str) -> bool {
    let read = matches!(call.verb.as_str(), "get" | "list" | "watch");
    match (resource, sub) {
        (_, "exec") => execs(graded, call),
        (_, "attach" | "portforward") => {
            graded.does(Effect::Write, Verbs::EXEC | Verbs::NET);
            graded.say(commands::POD_STREAM);
        }
        (_, "proxy") => proxies(graded, resource),
        ("nodes", "log" | "logs" | "configz" | "stats" | "checkpoint" | "pods" | "metrics") => {
            graded.say(labels::NODE_PROXY)
        }
        ("pods", "log") => {
            graded.does(Effect::Read, Verbs::READ);
            graded.say(labels::POD_LOG);
        }
        ("serviceaccounts", "token") => {
            graded.does(Effect::Escalate, Verbs::DCL);
            graded.say(commands::TOKEN_REQUEST);
        }
        ("certificatesigningrequests", "approval" | "status") if !read => {
            graded.does(Effect::Escalate, Verbs::DCL);
            graded.say(commands::CERTIFICATE_APPROVAL);
        }
        ("pods", "ephemeralcontainers") if !read => {
            graded.say(labels::EPHEMERAL_CONTAINER);
            asked(graded, call);
        }
        ("namespaces", "finalize") => graded.say(commands::DELETE_NAMESPACE),
        ("pods", "eviction") => {
            graded.does(Effect::Write, Verbs::WRITE);
            graded.say(commands::CLUSTER_CHANGE);
        }
        ("pods", "binding") | ("nodes", "status") if !read => graded.say(commands::NODE_CONTROL),
        // As their verbs say.
        (
            _,
            "status"
            | "scale"
            | "resize"
            | "ephemeralcontainers"
            | "approval"
            | "binding"
            | "finalize",
        ) => return false,
        _ => graded.say(labels::UNLISTED_REQUEST),
    }
    true
}

fn execs(graded: &mut Graded, call: &Call) {
    graded.does(Effect::Write, Verbs::EXEC);
    let opinion = std::mem::replace(&mut graded.opinion, Opinion::nothing());
    // Where its words stand in the text is not followed: the whole request is shown.
    let mut inner = command(&call.command);
    inner
        .findings
        .iter_mut()
        .for_each(|(_, at)| *at = 0..graded.length);
    graded.opinion = opinion.join(inner);
}

fn proxies(graded: &mut Graded, resource: &str) {
    graded.does(Effect::Write, Verbs::NET);
    graded.say(match resource {
        "nodes" => labels::NODE_PROXY,
        _ => labels::SERVICE_PROXY,
    });
}

fn reads(graded: &mut Graded, resource: &str) {
    graded.does(Effect::Read, Verbs::READ);
    if resource == "secrets" {
        graded.say(commands::SECRET_READ);
    }
}

/// Questions that are asked with `create`.
fn asks(resource: &str) -> bool {
    matches!(
        resource,
        "selfsubjectaccessreviews"
            | "selfsubjectrulesreviews"
            | "selfsubjectreviews"
            | "subjectaccessreviews"
            | "localsubjectaccessreviews"
    )
}

fn changes(graded: &mut Graded, call: &Call, resource: &str) {
    if asks(resource) {
        graded.does(Effect::Read, Verbs::READ);
        return;
    }
    if resource == "tokenreviews" {
        graded.say(labels::TOKEN_REVIEW);
        return;
    }
    if resource == "secrets" {
        // The answer shows the whole object.
        graded.say(match call.verb.as_str() {
            "create" => labels::SECRET_WRITE,
            _ => commands::SECRET_READ,
        });
        graded.say(labels::SECRET_WRITE);
    }
    if call.dry_run {
        graded.does(Effect::Read, Verbs::READ);
        graded.say(labels::DRY_RUN);
        return;
    }
    graded.does(Effect::Write, Verbs::WRITE);
    graded.say(commands::CLUSTER_CHANGE);
    kinds(graded, call, resource);
    asked(graded, call);
}

/// What it means that something of this kind is written.
fn kinds(graded: &mut Graded, call: &Call, resource: &str) {
    match resource {
        "roles" | "clusterroles" | "rolebindings" | "clusterrolebindings" => {
            graded.does(Effect::Escalate, Verbs::DCL);
            graded.say(commands::RBAC_CHANGE);
        }
        "mutatingwebhookconfigurations"
        | "validatingwebhookconfigurations"
        | "validatingadmissionpolicies"
        | "validatingadmissionpolicybindings"
        | "mutatingadmissionpolicies"
        | "mutatingadmissionpolicybindings"
        | "apiservices" => {
            graded.does(Effect::Escalate, Verbs::ADMIN);
            graded.say(labels::ADMISSION_CHANGE);
        }
        "customresourcedefinitions" => {
            graded.does(Effect::Write, Verbs::DDL);
            graded.say(labels::CRD_CHANGE);
        }
        "certificatesigningrequests" => graded.say(labels::CERTIFICATE_REQUEST),
        "networkpolicies" => graded.say(labels::NETWORK_POLICY_CHANGE),
        "nodes" => {
            graded.does(Effect::Write, Verbs::ADMIN);
            graded.say(commands::NODE_CONTROL);
        }
        "bindings" => graded.say(commands::NODE_CONTROL),
        _ if !resources::is_built_in(&call.group, resource) => graded.say(labels::CUSTOM_RESOURCE),
        _ => {}
    }
    let namespace = match resource {
        "namespaces" => call.name.as_deref(),
        _ => call.namespace.as_deref(),
    };
    if namespace.is_some_and(resources::is_system) {
        graded.say(labels::SYSTEM_NAMESPACE);
    }
}

/// What the body asks for.
fn asked(graded: &mut Graded, call: &Call) {
    match &call.body {
        CallBody::Object(value) => {
            for name in body::labels_of(value) {
                if let Some(label) = body::named(name) {
                    graded.say(label);
                }
            }
            // A list writes many, each of its own kind: the path names none of them.
            if value["kind"]
                .as_str()
                .is_some_and(|kind| kind.ends_with("List"))
                && call.verb == "create"
            {
                graded.say(labels::UNLISTED_REQUEST);
            }
        }
        CallBody::Opaque => graded.say(labels::UNREAD_BODY),
        // To write nothing is no request that a client sends.
        CallBody::None => graded.say(labels::UNREAD_BODY),
    }
}

fn deletes(graded: &mut Graded, call: &Call, resource: &str) {
    if resource == "secrets" {
        graded.say(labels::SECRET_WRITE);
    }
    let dry = call.dry_run
        || matches!(&call.body, CallBody::Object(Value::Object(options)) if options.get("dryRun").is_some_and(|d| *d != Value::Array(Vec::new()) && !d.is_null()));
    if dry {
        graded.does(Effect::Read, Verbs::READ);
        graded.say(labels::DRY_RUN);
        return;
    }
    graded.does(Effect::Destroy, Verbs::WRITE);
    graded.say(commands::CLUSTER_DELETE);
    if call.verb == "deletecollection" || call.name.as_deref().is_none_or(str::is_empty) {
        graded.say(labels::COLLECTION_DELETE);
    }
    match resource {
        "namespaces" => graded.say(commands::DELETE_NAMESPACE),
        "customresourcedefinitions" => graded.say(commands::DELETE_CRD),
        "persistentvolumes" | "persistentvolumeclaims" => graded.say(labels::DELETE_VOLUME),
        _ => {}
    }
    kinds(graded, call, resource);
}
