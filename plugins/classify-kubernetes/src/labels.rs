//! Labels of requests to the Kubernetes API. Those that commands have as well (`secret-read`, `delete-namespace`, …)
//! are classify-shell's own, so that one policy covers `kubectl` in a shell and the request itself.

use portcullis_plugin_classify_shell::labels as shell;
use portcullis_plugin_classify_shell::labels::Label;

portcullis_plugin_classify_shell::labels! {
    /// Those that only this plugin has.
    OWN;
    UNLISTED_REQUEST "unlisted-request" Critical Unknown 1,
    UNREAD_BODY "unread-body" Critical Unknown 1,
    DRY_RUN "dry-run" None Read 1,
    POD_LOG "pod-log" Low Read 9,
    POD_PRIVILEGED "pod-privileged" Critical Escalate 30,
    POD_HOST_PATH "pod-host-path" Critical Escalate 30,
    POD_HOST_NAMESPACE "pod-host-namespace" Critical Escalate 30,
    POD_CAPABILITIES "pod-capabilities" Critical Escalate 30,
    POD_PROC_MOUNT "pod-proc-mount" Critical Escalate 30,
    POD_HOST_PORT "pod-host-port" Medium Write 30,
    POD_UNCONFINED "pod-unconfined" High Escalate 30,
    POD_PRIVILEGE_ESCALATION "pod-privilege-escalation" Medium Write 30,
    POD_RUNS_AS_ROOT "pod-runs-as-root" Medium Write 30,
    POD_SERVICE_ACCOUNT "pod-service-account" Medium Write 30,
    POD_NODE_NAME "pod-node-name" Medium Write 30,
    POD_DEVICE "pod-device" High Escalate 30,
    POD_SECURITY_RELAXED "pod-security-relaxed" Critical Escalate 30,
    EPHEMERAL_CONTAINER "ephemeral-container" High Escalate 30,
    CLUSTER_ADMIN_BINDING "cluster-admin-binding" Critical Escalate 31,
    ANONYMOUS_BINDING "anonymous-binding" Critical Escalate 31,
    RBAC_WILDCARD "rbac-wildcard" Critical Escalate 31,
    RBAC_ESCALATION_VERB "rbac-escalation-verb" Critical Escalate 31,
    RBAC_POWERFUL_RULE "rbac-powerful-rule" Critical Escalate 31,
    TOKEN_REVIEW "token-review" Medium Read 31,
    CERTIFICATE_REQUEST "certificate-request" High Escalate 31,
    SECRET_WRITE "secret-write" High Write 32,
    COLLECTION_DELETE "collection-delete" Critical Destroy 33,
    DELETE_VOLUME "delete-volume" Critical Destroy 33,
    SYSTEM_NAMESPACE "system-namespace" High Write 33,
    CRD_CHANGE "crd-change" High Write 33,
    NETWORK_POLICY_CHANGE "network-policy-change" High Write 33,
    CUSTOM_RESOURCE "custom-resource" High Unknown 33,
    NODE_PROXY "node-proxy" Critical Escalate 34,
    SERVICE_PROXY "service-proxy" High Unknown 34,
    ADMISSION_CHANGE "admission-change" Critical Escalate 35,
}

/// Those of classify-shell that requests have too.
pub const SHARED: &[&Label] = &[
    shell::UNPARSED,
    shell::CLUSTER_CHANGE,
    shell::CLUSTER_DELETE,
    shell::DELETE_NAMESPACE,
    shell::DELETE_CRD,
    shell::SECRET_READ,
    shell::POD_EXEC,
    shell::POD_STREAM,
    shell::NODE_CONTROL,
    shell::RBAC_CHANGE,
    shell::TOKEN_REQUEST,
    shell::IMPERSONATION,
    shell::CERTIFICATE_APPROVAL,
    shell::INTERACTIVE_SHELL,
];
