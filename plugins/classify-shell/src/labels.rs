//! Every label that this plugin can say: name, risk, effect, rule. Stable: policies name them. What each means
//! is in `plugins/labels.json`, which a test compares with this table.

use portcullis_sdk::{Effect, Risk, Rule};

/// A label and what it weighs.
#[derive(Debug, PartialEq, Eq)]
pub struct Label {
    /// The word that policies use.
    pub name: &'static str,
    /// At least this risk.
    pub risk: Risk,
    /// At least this effect.
    pub effect: Effect,
    /// The rule of the finding.
    pub rule: Rule,
}

/// Makes a constant of each label, and a list of all: `name risk effect rule` a line.
#[macro_export]
macro_rules! labels {
    ($(#[$doc:meta])* $list:ident; $($constant:ident $name:literal $risk:ident $effect:ident $rule:literal,)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: &$crate::labels::Label = &$crate::labels::Label {
                name: $name,
                risk: ::portcullis_sdk::Risk::$risk,
                effect: ::portcullis_sdk::Effect::$effect,
                rule: ::portcullis_sdk::Rule($rule),
            };
        )*
        $(#[$doc])*
        pub const $list: &[&$crate::labels::Label] = &[$($constant),*];
    };
}

labels! {
    /// All of them.
    ALL;
    // What could not be established.
    UNPARSED "unparsed" Critical Unknown 1,
    TOO_COMPLEX "too-complex" Critical Unknown 1,
    OTHER_SHELL "other-shell" Critical Unknown 1,
    DYNAMIC_COMMAND "dynamic-command" Critical Unknown 1,
    UNKNOWN_ARGUMENT "unknown-argument" Low Read 1,
    UNLISTED_PROGRAM "unlisted-program" High Unknown 1,
    HIDDEN_CHARACTERS "hidden-characters" High Unknown 20,
    // Code that is not in the text, or not in this language.
    OPAQUE_SCRIPT "opaque-script" Critical Unknown 2,
    INLINE_CODE "inline-code" High Unknown 2,
    INTERACTIVE_SHELL "interactive-shell" Critical Unknown 2,
    INTERACTIVE_EDITOR "interactive-editor" High Unknown 2,
    DOWNLOAD_AND_RUN "download-and-run" Critical Unknown 2,
    PROJECT_CODE "project-code" Low Write 2,
    ENVIRONMENT_INJECTION "environment-injection" Critical Unknown 2,
    PATH_CHANGE "path-change" Medium Write 2,
    REDEFINED_COMMAND "redefined-command" High Write 2,
    PIPE_TO_SHELL "pipe-to-shell" Medium Read 2,
    // Permissions.
    WORLD_WRITABLE "world-writable" High Escalate 3,
    WORLD_WRITABLE_SYSTEM "world-writable-system" Critical Escalate 3,
    DYNAMIC_MODE "dynamic-mode" High Unknown 3,
    SET_ID "set-id" Critical Escalate 3,
    SET_CAPABILITY "set-capability" Critical Escalate 3,
    ACL_CHANGE "acl-change" High Escalate 3,
    OWNER_CHANGE "owner-change" Medium Write 3,
    UMASK_OPEN "umask-open" High Escalate 3,
    ATTRIBUTE_CHANGE "attribute-change" Medium Write 3,
    // Deletion.
    DELETE_FILE "delete-file" Low Write 4,
    RECURSIVE_DELETE "recursive-delete" High Destroy 4,
    RECURSIVE_DELETE_ROOT "recursive-delete-root" Critical Destroy 4,
    TRUNCATE_FILE "truncate-file" Medium Destroy 4,
    SYNC_DELETE "sync-delete" Medium Destroy 4,
    SECURE_ERASE "secure-erase" High Destroy 4,
    // Disks.
    DISK_WRITE "disk-write" Critical Destroy 5,
    MOUNT_CHANGE "mount-change" High Write 5,
    // Power, services, processes.
    POWER_CONTROL "power-control" Critical Destroy 6,
    SERVICE_CONTROL "service-control" Medium Write 6,
    SERVICE_STOP "service-stop" High Write 6,
    PROCESS_KILL "process-kill" Medium Write 6,
    KILL_ALL "kill-all" Critical Destroy 6,
    FORK_BOMB "fork-bomb" Critical Destroy 6,
    // Accounts.
    ACCOUNT_CHANGE "account-change" Critical Escalate 7,
    SUDOERS_CHANGE "sudoers-change" Critical Escalate 7,
    AUTHORIZED_KEYS_CHANGE "authorized-keys-change" Critical Escalate 7,
    LOGIN_CONFIG_CHANGE "login-config-change" Critical Escalate 7,
    // Persistence and system files.
    PERSISTENCE "persistence" Critical Escalate 8,
    SYSTEM_FILE_WRITE "system-file-write" High Write 8,
    // Credentials.
    CREDENTIAL_READ "credential-read" Critical Read 9,
    ENVIRONMENT_READ "environment-read" Medium Read 9,
    METADATA_SERVICE "metadata-service" Critical Read 9,
    PROCESS_MEMORY "process-memory" Critical Read 9,
    HISTORY_READ "history-read" Medium Read 9,
    // Network.
    NETWORK_READ "network-read" Low Read 10,
    NETWORK_WRITE "network-write" Medium Write 10,
    NETWORK_UPLOAD "network-upload" High Write 10,
    NETWORK_CONNECTION "network-connection" Medium Write 10,
    NETWORK_LISTENER "network-listener" High Write 10,
    NETWORK_SCAN "network-scan" Medium Read 10,
    PACKET_CAPTURE "packet-capture" High Read 10,
    EXFILTRATION "exfiltration" Critical Write 10,
    TUNNEL "tunnel" High Escalate 10,
    REMOTE_COMMAND "remote-command" Medium Write 10,
    REVERSE_SHELL "reverse-shell" Critical Unknown 11,
    // Kernel and firewall.
    FIREWALL_CHANGE "firewall-change" Critical Escalate 12,
    NETWORK_CONFIG_CHANGE "network-config-change" High Write 12,
    KERNEL_MODULE "kernel-module" Critical Escalate 12,
    KERNEL_SETTING "kernel-setting" High Write 12,
    SECURITY_CONTROL_OFF "security-control-off" Critical Escalate 12,
    // Packages.
    PACKAGE_INSTALL "package-install" High Write 13,
    PACKAGE_REMOVE "package-remove" High Destroy 13,
    PROJECT_DEPENDENCIES "project-dependencies" Low Write 13,
    // Containers.
    CONTAINER_ESCAPE "container-escape" Critical Escalate 14,
    NAMESPACE_ENTER "namespace-enter" High Escalate 14,
    CONTAINER_RUN "container-run" Medium Write 14,
    CONTAINER_EXEC "container-exec" Medium Write 14,
    CONTAINER_CONTROL "container-control" Medium Write 14,
    CONTAINER_DATA_DELETE "container-data-delete" High Destroy 14,
    IMAGE_PUSH "image-push" Medium Write 14,
    // Traces.
    HISTORY_TAMPERING "history-tampering" Critical Destroy 15,
    LOG_TAMPERING "log-tampering" Critical Destroy 15,
    TIMESTAMP_TAMPERING "timestamp-tampering" Medium Write 15,
    // Databases.
    DATABASE_CLIENT "database-client" Medium Read 16,
    SQL_TEXT "sql-text" High Unknown 16,
    DATABASE_DUMP "database-dump" High Read 16,
    DATABASE_DESTROY "database-destroy" Critical Destroy 16,
    DROP_DATABASE "drop-database" Critical Destroy 16,
    DROP_SCHEMA "drop-schema" Critical Destroy 16,
    DROP_TABLE "drop-table" Critical Destroy 16,
    TRUNCATE "truncate" Critical Destroy 16,
    UNBOUNDED_WRITE "unbounded-write" High Destroy 16,
    GRANT "grant" Critical Escalate 16,
    ALTER_ROLE "alter-role" Critical Escalate 16,
    COPY_PROGRAM "copy-program" Critical Unknown 16,
    // Repositories.
    GIT_PUSH "git-push" Low Write 17,
    GIT_FORCE_PUSH "git-force-push" High Destroy 17,
    GIT_DISCARD "git-discard" Medium Destroy 17,
    GIT_RUNS_COMMAND "git-runs-command" High Unknown 17,
    // Clusters, clouds, infrastructure.
    CLUSTER_CHANGE "cluster-change" Medium Write 18,
    CLUSTER_DELETE "cluster-delete" High Destroy 18,
    DELETE_NAMESPACE "delete-namespace" Critical Destroy 18,
    DELETE_CRD "delete-crd" Critical Destroy 18,
    SECRET_READ "secret-read" Critical Read 18,
    POD_EXEC "pod-exec" Medium Write 18,
    POD_STREAM "pod-stream" Medium Write 18,
    NODE_CONTROL "node-control" High Write 18,
    RBAC_CHANGE "rbac-change" Critical Escalate 18,
    IMPERSONATION "impersonation" Critical Escalate 18,
    TOKEN_REQUEST "token-request" Critical Escalate 18,
    CERTIFICATE_APPROVAL "certificate-approval" Critical Escalate 18,
    HELM_CHANGE "helm-change" High Write 18,
    CLOUD_CHANGE "cloud-change" Medium Write 18,
    CLOUD_DELETE "cloud-delete" High Destroy 18,
    CLOUD_CREDENTIAL "cloud-credential" Critical Read 18,
    INFRASTRUCTURE_CHANGE "infrastructure-change" High Write 18,
    INFRASTRUCTURE_DESTROY "infrastructure-destroy" Critical Destroy 18,
    // Privileges.
    PRIVILEGE_SWITCH "privilege-switch" Low Read 19,
    ROOT_SHELL "root-shell" Critical Unknown 19,
}
