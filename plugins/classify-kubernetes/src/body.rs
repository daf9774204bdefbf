//! What an object, a list or a patch asks for: pods that reach their node, rights that reach everything. Keys are
//! looked for wherever they stand, so that a template within a template, a list and the path of a JSON patch are
//! all the same. Bounded in depth by the JSON reader, in work by the size of the body.

use crate::labels;
use portcullis_plugin_classify_shell::labels as shell;
use portcullis_plugin_classify_shell::labels::Label;
use serde_json::Value;
use std::collections::BTreeSet;

/// Capabilities that leave a container where it is (the default set of runtimes).
const CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
    "NET_RAW",
];

/// Roles of the cluster that are as good as all rights.
const ADMIN_ROLES: [&str; 4] = ["cluster-admin", "admin", "edit", "system:node"];

/// Parts of a path in a JSON patch; no object of Kubernetes is as deep.
const PATH_PARTS_MAX: usize = 64;

/// Everybody, or nobody in particular.
const ANYBODY: [&str; 5] = [
    "system:anonymous",
    "system:unauthenticated",
    "system:authenticated",
    "system:serviceaccounts",
    "system:masters",
];

/// What a body asks for.
pub fn labels_of(body: &Value) -> BTreeSet<&'static str> {
    let mut found = Found::default();
    match body.as_array() {
        Some(operations) if operations.iter().all(|o| o.get("op").is_some()) => {
            operations.iter().for_each(|o| found.operation(o));
        }
        _ => found.value(body),
    }
    found.0.iter().map(|l| l.name).collect()
}

/// The labels by name, for the caller's opinion.
pub fn named(name: &str) -> Option<&'static Label> {
    let own = labels::OWN.iter().chain(shell::ALL);
    own.copied().find(|label| label.name == name)
}

#[derive(Default)]
struct Found(Vec<&'static Label>);

impl Found {
    fn say(&mut self, label: &'static Label) {
        if !self.0.contains(&label) {
            self.0.push(label);
        }
    }

    /// One operation of a JSON patch: the names in its path are keys.
    fn operation(&mut self, operation: &Value) {
        let path = operation["path"].as_str().unwrap_or_default();
        let keys: Vec<String> = path
            .split('/')
            .map(|part| part.replace("~1", "/").replace("~0", "~"))
            .filter(|part| !part.is_empty() && part != "-" && part.parse::<u32>().is_err())
            .collect();
        if matches!(operation["op"].as_str(), Some("copy" | "move")) {
            // Where it comes from is not in the patch.
            if keys.iter().any(|k| is_telling(k)) {
                self.say(labels::UNREAD_BODY);
            }
            return;
        }
        if keys.len() > PATH_PARTS_MAX {
            self.say(labels::UNREAD_BODY);
            return;
        }
        let value = &operation["value"];
        // Built up again as it stands in the object.
        let nested = keys.iter().rev().fold(value.clone(), |inner, key| {
            let inner = match key.as_str() {
                "volumes"
                | "containers"
                | "initContainers"
                | "ephemeralContainers"
                | "rules"
                | "subjects"
                | "add"
                | "verbs"
                | "resources"
                | "ports"
                | "apiGroups"
                    if !inner.is_array() =>
                {
                    Value::Array(vec![inner])
                }
                _ => inner,
            };
            Value::Object([(key.clone(), inner)].into_iter().collect())
        });
        self.value(&nested);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (key, inner) in fields {
                    self.field(key, inner, value);
                    self.value(inner);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.value(item)),
            _ => {}
        }
    }

    fn field(&mut self, key: &str, value: &Value, around: &Value) {
        let set = !matches!(value, Value::Null | Value::Bool(false));
        match key {
            "privileged" | "hostProcess" if set => self.say(labels::POD_PRIVILEGED),
            "hostPath" if set => self.say(labels::POD_HOST_PATH),
            "hostNetwork" | "hostPID" | "hostIPC" if set => self.say(labels::POD_HOST_NAMESPACE),
            "procMount" if set && value != "Default" => self.say(labels::POD_PROC_MOUNT),
            "hostPort" if set && value.as_i64() != Some(0) => self.say(labels::POD_HOST_PORT),
            "allowPrivilegeEscalation" if set => self.say(labels::POD_PRIVILEGE_ESCALATION),
            "runAsUser" | "runAsGroup" if value.as_i64() == Some(0) => {
                self.say(labels::POD_RUNS_AS_ROOT)
            }
            "runAsNonRoot" if value == &Value::Bool(false) => self.say(labels::POD_RUNS_AS_ROOT),
            "automountServiceAccountToken" if set => self.say(labels::POD_SERVICE_ACCOUNT),
            "serviceAccountToken" if set => self.say(labels::POD_SERVICE_ACCOUNT),
            "serviceAccountName" | "serviceAccount" if set && value != "default" && value != "" => {
                self.say(labels::POD_SERVICE_ACCOUNT)
            }
            "nodeName" if set && value != "" && around.get("containers").is_some() => {
                self.say(labels::POD_NODE_NAME)
            }
            "ephemeralContainers" if set => self.say(labels::EPHEMERAL_CONTAINER),
            "volumeDevices" | "flexVolume" if set => self.say(labels::POD_DEVICE),
            "sysctls" if set => self.say(labels::POD_UNCONFINED),
            "seccompProfile" | "appArmorProfile" if value["type"] == "Unconfined" => {
                self.say(labels::POD_UNCONFINED)
            }
            "capabilities" => self.capabilities(&value["add"]),
            "annotations" | "labels" => self.marks(value),
            "roleRef" => self.role(value),
            "subjects" => self.subjects(value),
            "rules" => self.rules(value),
            "aggregationRule" if set => self.say(labels::RBAC_POWERFUL_RULE),
            "type"
                if value == "kubernetes.io/service-account-token"
                    || value == "bootstrap.kubernetes.io/token" =>
            {
                self.say(shell::TOKEN_REQUEST);
            }
            _ => {}
        }
    }

    fn capabilities(&mut self, added: &Value) {
        for name in added.as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or("ALL").to_ascii_uppercase();
            let name = name.trim_start_matches("CAP_");
            if !CAPABILITIES.contains(&name) {
                self.say(labels::POD_CAPABILITIES);
            }
        }
    }

    /// Labels and annotations that switch protection off.
    fn marks(&mut self, marks: &Value) {
        for (key, value) in marks.as_object().into_iter().flatten() {
            if key.starts_with("pod-security.kubernetes.io/") {
                let strict = matches!(value.as_str(), Some("restricted" | "baseline" | "latest"));
                let version = key.ends_with("-version");
                if !strict && !version && !key.contains("/warn") && !key.contains("/audit") {
                    self.say(labels::POD_SECURITY_RELAXED);
                }
            }
            if (key.contains("apparmor") || key.contains("seccomp"))
                && value.as_str().is_some_and(|v| v.contains("unconfined"))
            {
                self.say(labels::POD_UNCONFINED);
            }
        }
    }

    fn role(&mut self, role: &Value) {
        let name = role["name"].as_str().unwrap_or("cluster-admin");
        if ADMIN_ROLES.contains(&name) || name.starts_with("system:") {
            self.say(labels::CLUSTER_ADMIN_BINDING);
        }
    }

    fn subjects(&mut self, subjects: &Value) {
        for subject in subjects.as_array().into_iter().flatten() {
            let name = subject["name"].as_str().unwrap_or_default();
            if ANYBODY.contains(&name) || name.starts_with("system:serviceaccounts") {
                self.say(labels::ANONYMOUS_BINDING);
            }
        }
    }

    fn rules(&mut self, rules: &Value) {
        for rule in rules.as_array().into_iter().flatten() {
            let list = |key: &str| -> Vec<&str> {
                rule[key]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect()
            };
            let (verbs, resources, groups) = (list("verbs"), list("resources"), list("apiGroups"));
            let paths = list("nonResourceURLs");
            if verbs.contains(&"*")
                || resources.iter().any(|r| *r == "*" || *r == "*/*")
                || groups.contains(&"*")
                || paths.contains(&"*")
            {
                self.say(labels::RBAC_WILDCARD);
            }
            if verbs
                .iter()
                .any(|v| matches!(*v, "escalate" | "bind" | "impersonate" | "approve" | "sign"))
            {
                self.say(labels::RBAC_ESCALATION_VERB);
            }
            let writes = verbs.iter().any(|v| {
                matches!(
                    *v,
                    "create" | "update" | "patch" | "delete" | "deletecollection"
                )
            });
            let powerful = resources.iter().any(|r| match *r {
                "secrets"
                | "pods/exec"
                | "pods/attach"
                | "nodes/proxy"
                | "serviceaccounts/token"
                | "pods/ephemeralcontainers"
                | "certificatesigningrequests/approval"
                | "pods/portforward"
                | "services/proxy"
                | "pods/proxy" => true,
                "roles"
                | "clusterroles"
                | "rolebindings"
                | "clusterrolebindings"
                | "mutatingwebhookconfigurations"
                | "validatingwebhookconfigurations"
                | "pods"
                | "daemonsets"
                | "deployments"
                | "jobs"
                | "cronjobs"
                | "statefulsets"
                | "nodes"
                | "customresourcedefinitions"
                | "persistentvolumes" => writes,
                _ => false,
            });
            if powerful {
                self.say(labels::RBAC_POWERFUL_RULE);
            }
        }
    }
}

/// Keys whose value decides.
fn is_telling(key: &str) -> bool {
    [
        "privileged",
        "hostPath",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "procMount",
        "capabilities",
        "securityContext",
        "volumes",
        "rules",
        "roleRef",
        "subjects",
        "spec",
        "template",
        "containers",
        "verbs",
        "resources",
    ]
    .contains(&key)
}
