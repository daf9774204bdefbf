//! What each label of the facts weighs. One table, stable: a policy may name these labels. It says the same as
//! `plugins/labels.json`, which a test compares. A label that is not here adds no risk of its own; the
//! category and effect of its statement still do.

use portcullis_sdk::{Risk, Rule};

/// DROP DATABASE and the like.
pub const DESTROYS_DATABASE: Rule = Rule(1);
/// DROP, TRUNCATE.
pub const DESTROYS_STRUCTURE: Rule = Rule(2);
/// UPDATE or DELETE of all rows.
pub const WRITES_EVERY_ROW: Rule = Rule(3);
/// GRANT, roles, owners, policies.
pub const CHANGES_RIGHTS: Rule = Rule(4);
/// DO, functions, dynamic SQL.
pub const RUNS_CODE: Rule = Rule(5);
/// Files, programs, settings and processes of the server.
pub const TOUCHES_SERVER: Rule = Rule(6);
/// dblink, foreign servers, replication.
pub const LEAVES_DATABASE: Rule = Rule(7);
/// Role switches and settings that others rely on.
pub const CHANGES_SESSION_SAFETY: Rule = Rule(8);
/// Could not be established.
pub const NOT_ESTABLISHED: Rule = Rule(9);
/// COPY.
pub const BULK_TRANSFER: Rule = Rule(10);
/// Databases, schemas, names, places.
pub const CHANGES_STRUCTURE: Rule = Rule(11);
/// Rows go where other rules hold.
pub const COPIES_DATA: Rule = Rule(12);

const TABLE: &[(&str, Risk, Rule)] = &[
    ("alter-column-using", Risk::High, DESTROYS_STRUCTURE),
    ("alter-database", Risk::High, CHANGES_STRUCTURE),
    ("alter-extension", Risk::High, RUNS_CODE),
    ("alter-function", Risk::High, RUNS_CODE),
    ("alter-inheritance", Risk::Medium, CHANGES_STRUCTURE),
    ("alter-owner", Risk::Critical, CHANGES_RIGHTS),
    ("alter-policy", Risk::Critical, CHANGES_RIGHTS),
    ("alter-role", Risk::Critical, CHANGES_RIGHTS),
    ("alter-system", Risk::Critical, TOUCHES_SERVER),
    ("call", Risk::High, RUNS_CODE),
    ("copy-encoding", Risk::High, NOT_ESTABLISHED),
    ("copy-file", Risk::Critical, TOUCHES_SERVER),
    ("copy-program", Risk::Critical, TOUCHES_SERVER),
    ("create-code", Risk::High, RUNS_CODE),
    ("create-database", Risk::High, CHANGES_STRUCTURE),
    ("create-extension", Risk::Critical, RUNS_CODE),
    ("create-function", Risk::High, RUNS_CODE),
    ("create-policy", Risk::Critical, CHANGES_RIGHTS),
    ("create-role", Risk::Critical, CHANGES_RIGHTS),
    ("create-rule", Risk::High, RUNS_CODE),
    ("create-schema", Risk::Medium, CHANGES_STRUCTURE),
    ("create-table-as", Risk::Medium, COPIES_DATA),
    ("create-trigger", Risk::High, RUNS_CODE),
    ("create-view", Risk::Medium, COPIES_DATA),
    ("dblink", Risk::Critical, LEAVES_DATABASE),
    ("default-privileges", Risk::Critical, CHANGES_RIGHTS),
    ("delete-without-where", Risk::High, WRITES_EVERY_ROW),
    ("detach-partition", Risk::High, DESTROYS_STRUCTURE),
    ("disable-trigger", Risk::Critical, RUNS_CODE),
    ("do-block", Risk::High, RUNS_CODE),
    ("drop-column", Risk::High, DESTROYS_STRUCTURE),
    ("drop-constraint", Risk::High, DESTROYS_STRUCTURE),
    ("drop-database", Risk::Critical, DESTROYS_DATABASE),
    ("drop-extension", Risk::High, DESTROYS_STRUCTURE),
    ("drop-function", Risk::High, DESTROYS_STRUCTURE),
    ("drop-index", Risk::Medium, DESTROYS_STRUCTURE),
    ("drop-object", Risk::High, DESTROYS_STRUCTURE),
    ("drop-owned", Risk::Critical, DESTROYS_STRUCTURE),
    ("drop-policy", Risk::Critical, CHANGES_RIGHTS),
    ("drop-publication", Risk::High, DESTROYS_STRUCTURE),
    ("drop-role", Risk::Critical, CHANGES_RIGHTS),
    ("drop-rule", Risk::High, DESTROYS_STRUCTURE),
    ("drop-schema", Risk::Critical, DESTROYS_STRUCTURE),
    ("drop-sequence", Risk::High, DESTROYS_STRUCTURE),
    ("drop-server", Risk::High, DESTROYS_STRUCTURE),
    ("drop-subscription", Risk::High, DESTROYS_STRUCTURE),
    ("drop-table", Risk::Critical, DESTROYS_STRUCTURE),
    ("drop-tablespace", Risk::Critical, DESTROYS_DATABASE),
    ("drop-trigger", Risk::High, DESTROYS_STRUCTURE),
    ("drop-type", Risk::High, DESTROYS_STRUCTURE),
    ("drop-view", Risk::High, DESTROYS_STRUCTURE),
    ("dynamic-argument", Risk::Critical, NOT_ESTABLISHED),
    ("dynamic-sql", Risk::High, RUNS_CODE),
    ("explain-analyze", Risk::Medium, RUNS_CODE),
    ("foreign-server", Risk::Critical, LEAVES_DATABASE),
    ("function-call", Risk::Critical, RUNS_CODE),
    ("grant", Risk::Critical, CHANGES_RIGHTS),
    ("large-object", Risk::High, TOUCHES_SERVER),
    ("load-library", Risk::Critical, RUNS_CODE),
    ("lock-table", Risk::Medium, TOUCHES_SERVER),
    ("maintenance", Risk::Medium, TOUCHES_SERVER),
    ("nested-text", Risk::Critical, NOT_ESTABLISHED),
    ("notify", Risk::Medium, TOUCHES_SERVER),
    ("opaque-body", Risk::High, RUNS_CODE),
    ("other-sessions", Risk::High, TOUCHES_SERVER),
    ("publication", Risk::Critical, LEAVES_DATABASE),
    ("read-file", Risk::Critical, TOUCHES_SERVER),
    ("read-write", Risk::Medium, CHANGES_SESSION_SAFETY),
    ("reassign-owned", Risk::Critical, CHANGES_RIGHTS),
    ("rename", Risk::Medium, CHANGES_STRUCTURE),
    ("replication-slot", Risk::Critical, LEAVES_DATABASE),
    ("reset-all", Risk::Critical, CHANGES_SESSION_SAFETY),
    ("revoke", Risk::Critical, CHANGES_RIGHTS),
    ("row-security", Risk::Critical, CHANGES_RIGHTS),
    ("scheduled-job", Risk::Critical, RUNS_CODE),
    ("search-path", Risk::Medium, CHANGES_SESSION_SAFETY),
    ("security-definer", Risk::Critical, CHANGES_RIGHTS),
    ("security-label", Risk::Critical, CHANGES_RIGHTS),
    ("select-into", Risk::Medium, COPIES_DATA),
    ("server-admin", Risk::Critical, TOUCHES_SERVER),
    ("set-password", Risk::Critical, CHANGES_RIGHTS),
    ("set-role", Risk::Critical, CHANGES_SESSION_SAFETY),
    ("set-schema", Risk::Medium, CHANGES_STRUCTURE),
    (
        "set-session-authorization",
        Risk::Critical,
        CHANGES_SESSION_SAFETY,
    ),
    ("set-unlogged", Risk::High, DESTROYS_STRUCTURE),
    ("subscription", Risk::Critical, LEAVES_DATABASE),
    ("superuser", Risk::Critical, CHANGES_RIGHTS),
    ("tablespace", Risk::High, CHANGES_STRUCTURE),
    ("terminate-backend", Risk::Critical, TOUCHES_SERVER),
    ("truncate", Risk::Critical, DESTROYS_STRUCTURE),
    ("two-phase", Risk::High, CHANGES_SESSION_SAFETY),
    ("unknown-copy-option", Risk::Critical, NOT_ESTABLISHED),
    ("unknown-node", Risk::Critical, NOT_ESTABLISHED),
    ("unlisted-function", Risk::Medium, RUNS_CODE),
    ("unresolved-name", Risk::Critical, NOT_ESTABLISHED),
    ("unsafe-setting", Risk::Critical, CHANGES_SESSION_SAFETY),
    ("untrusted-language", Risk::Critical, RUNS_CODE),
    ("update-without-where", Risk::High, WRITES_EVERY_ROW),
    ("whole-table", Risk::Medium, COPIES_DATA),
    ("write-file", Risk::Critical, TOUCHES_SERVER),
];

/// Risk and rule of a label.
pub fn grade(label: &str) -> Option<(Risk, Rule)> {
    let at = TABLE.binary_search_by_key(&label, |row| row.0).ok()?;
    TABLE.get(at).map(|(_, risk, rule)| (*risk, *rule))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sorted() {
        assert!(super::TABLE.is_sorted_by_key(|row| row.0));
    }

    /// `plugins/labels.json` says of each label what the table says, and names none of this plugin that weighs
    /// something and is not here, but for those that the code itself says.
    #[test]
    fn the_table_is_the_one_of_all_classifiers() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../../labels.json")).unwrap();
        let own = [
            "admin",
            "dcl",
            "ddl",
            "exec",
            "not-established",
            "partly-opaque",
            "transfer",
            "unbounded-write",
            "unparsed",
        ];
        let mut told = Vec::new();
        for entry in all.as_array().unwrap() {
            let name = entry["name"].as_str().unwrap();
            let severity = entry["severity"].as_str().unwrap();
            let sql = entry["plugins"]
                .as_array()
                .unwrap()
                .iter()
                .any(|p| p == "classify-sql");
            if sql && !own.contains(&name) && !matches!(severity, "low" | "none") {
                told.push((name, severity.to_owned()));
            }
        }
        let said: Vec<_> = super::TABLE
            .iter()
            .map(|(name, risk, _)| (*name, format!("{risk:?}").to_lowercase()))
            .collect();
        assert_eq!(told, said);
    }
}
