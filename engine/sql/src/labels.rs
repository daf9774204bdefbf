//! Every label that host facts can carry, with how grave it is and what it means: the vocabulary that
//! policies are written in. Labels are stable; a new one is added here first.
//!
//! Refuses: a label that is emitted and does not stand here fails the tests.

use Severity::{Critical, High, Low, Medium};

/// How grave a label is by itself; a default for policies, no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Noted.
    Low,
    /// Worth a look.
    Medium,
    /// Should be approved.
    High,
    /// Should not happen without somebody knowing.
    Critical,
}

/// One label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// As it stands in the facts.
    pub name: &'static str,
    /// How grave.
    pub severity: Severity,
    /// What it means, in a clause.
    pub meaning: &'static str,
}

const fn label(name: &'static str, severity: Severity, meaning: &'static str) -> Label {
    Label {
        name,
        severity,
        meaning,
    }
}

/// All labels, sorted by name.
pub const LABELS: &[Label] = &[
    label("advisory-lock", Low, "takes or frees an advisory lock"),
    label(
        "alter-column-using",
        High,
        "rewrites a column with an expression: the old values are gone",
    ),
    label("alter-database", High, "changes a database or its settings"),
    label(
        "alter-extension",
        High,
        "updates an extension or its members",
    ),
    label("alter-function", High, "changes attributes of a function"),
    label(
        "alter-inheritance",
        Medium,
        "changes what is read through a parent table",
    ),
    label("alter-owner", Critical, "gives an object to another role"),
    label("alter-policy", Critical, "changes row security"),
    label("alter-role", Critical, "changes a role or its settings"),
    label(
        "alter-system",
        Critical,
        "changes the server's configuration",
    ),
    label("call", High, "runs a procedure whose body is not known"),
    label("comment", Low, "changes a comment"),
    label(
        "copy-encoding",
        High,
        "COPY in another encoding: its stream cannot be framed",
    ),
    label(
        "copy-file",
        Critical,
        "COPY reads or writes a file of the server",
    ),
    label(
        "copy-program",
        Critical,
        "COPY runs a program on the server",
    ),
    label(
        "create-code",
        High,
        "stores references to functions that others will run",
    ),
    label("create-database", High, "creates a database"),
    label(
        "create-extension",
        Critical,
        "installs an extension: code of the server",
    ),
    label("create-function", High, "stores a function or procedure"),
    label("create-policy", Critical, "changes row security"),
    label("create-role", Critical, "creates a role"),
    label("create-rule", High, "stores statements that replace others"),
    label("create-schema", Medium, "creates a schema"),
    label(
        "create-table-as",
        Medium,
        "copies a result into a table, away from its rules",
    ),
    label(
        "create-trigger",
        High,
        "stores code that runs with others' statements",
    ),
    label(
        "create-view",
        Medium,
        "stores a query under another name, away from its rules",
    ),
    label(
        "dblink",
        Critical,
        "runs SQL on another connection, which nobody inspects",
    ),
    label(
        "default-privileges",
        Critical,
        "changes the rights of objects to come",
    ),
    label(
        "delete-without-where",
        High,
        "deletes all rows, as far as can be seen",
    ),
    label(
        "detach-partition",
        High,
        "takes a partition out of its table",
    ),
    label(
        "disable-trigger",
        Critical,
        "switches off triggers or rules",
    ),
    label(
        "do-block",
        High,
        "runs an anonymous block whose body is not known",
    ),
    label("drop-column", High, "drops a column"),
    label("drop-constraint", High, "drops a constraint"),
    label("drop-database", Critical, "drops a database"),
    label("drop-extension", High, "drops an extension"),
    label("drop-function", High, "drops a function"),
    label("drop-index", Medium, "drops an index"),
    label("drop-object", High, "drops an object of a rarer kind"),
    label("drop-owned", Critical, "drops everything a role owns"),
    label("drop-policy", Critical, "drops a row security policy"),
    label("drop-publication", High, "drops a publication"),
    label("drop-role", Critical, "drops a role"),
    label("drop-rule", High, "drops a rule"),
    label("drop-schema", Critical, "drops a schema"),
    label("drop-sequence", High, "drops a sequence"),
    label("drop-server", High, "drops a foreign server or a mapping"),
    label("drop-subscription", High, "drops a subscription"),
    label("drop-table", Critical, "drops a table"),
    label("drop-tablespace", Critical, "drops a tablespace"),
    label("drop-trigger", High, "drops a trigger"),
    label("drop-type", High, "drops a type"),
    label("drop-view", High, "drops a view"),
    label(
        "dynamic-argument",
        Critical,
        "an argument that decides what runs is no literal",
    ),
    label("dynamic-sql", High, "runs a text as SQL"),
    label(
        "explain",
        Low,
        "plans a statement without running it; shows statistics",
    ),
    label("explain-analyze", Medium, "runs the statement it explains"),
    label("foreign-server", Critical, "reaches another server"),
    label("grant", Critical, "grants a right or a role"),
    label(
        "large-object",
        High,
        "reads or writes a large object, past the columns",
    ),
    label("load-library", Critical, "loads a library into the server"),
    label("lock-rows", Low, "locks rows"),
    label("lock-table", Medium, "locks a table"),
    label(
        "maintenance",
        Medium,
        "VACUUM, ANALYZE, CLUSTER, REINDEX, CHECKPOINT",
    ),
    label(
        "nested-text",
        Critical,
        "a text within the text could not be established",
    ),
    label("notify", Medium, "sends a payload to other sessions"),
    label("opaque-body", High, "runs a body that is not known"),
    label("other-sessions", High, "shows what other sessions do"),
    label("publication", Critical, "changes what is replicated"),
    label(
        "read-file",
        Critical,
        "reads a file or directory of the server",
    ),
    label("read-write", Medium, "asks for a read-write transaction"),
    label(
        "reassign-owned",
        Critical,
        "gives everything a role owns to another",
    ),
    label("rename", Medium, "renames an object, away from its rules"),
    label("replication-slot", Critical, "reads or changes replication"),
    label(
        "reset-all",
        Critical,
        "resets all settings, the running role among them",
    ),
    label("revoke", Critical, "revokes a right or a role"),
    label("row-security", Critical, "switches row security on or off"),
    label(
        "scheduled-job",
        Critical,
        "has SQL run later, by another session",
    ),
    label("search-path", Medium, "changes where names are looked up"),
    label(
        "security-definer",
        Critical,
        "a function that runs with its owner's rights",
    ),
    label("security-label", Critical, "changes a security label"),
    label(
        "select-into",
        Medium,
        "copies a result into a table, away from its rules",
    ),
    label("sequence", Low, "moves a sequence"),
    label(
        "server-admin",
        Critical,
        "administers the server by a function",
    ),
    label("set-config", Low, "changes a setting by a function"),
    label("set-password", Critical, "sets the password of a role"),
    label("set-role", Critical, "changes the running role"),
    label(
        "set-schema",
        Medium,
        "moves an object to another schema, away from its rules",
    ),
    label(
        "set-session-authorization",
        Critical,
        "changes the session's user",
    ),
    label("set-unlogged", High, "a table that a crash empties"),
    label("sleep", Low, "waits"),
    label("subscription", Critical, "pulls data from another server"),
    label("superuser", Critical, "SUPERUSER or NOSUPERUSER"),
    label("tablespace", High, "changes where data is stored"),
    label(
        "terminate-backend",
        Critical,
        "ends another session or its statement",
    ),
    label("truncate", Critical, "empties a table"),
    label(
        "two-phase",
        High,
        "a prepared transaction outlives its session",
    ),
    label(
        "unknown-copy-option",
        Critical,
        "COPY with an option that is not known",
    ),
    label(
        "unknown-node",
        Critical,
        "a construct of the grammar that is not known",
    ),
    label(
        "unlisted-function",
        Medium,
        "calls a function that is in no table",
    ),
    label(
        "unsafe-setting",
        Critical,
        "a setting that the gateway relies on",
    ),
    label(
        "untrusted-language",
        Critical,
        "code in a language that can leave the database",
    ),
    label(
        "update-without-where",
        High,
        "updates all rows, as far as can be seen",
    ),
    label("upsert", Low, "INSERT that may update"),
    label("whole-table", Medium, "turns a whole table into one value"),
    label("write-file", Critical, "writes a file of the server"),
];
