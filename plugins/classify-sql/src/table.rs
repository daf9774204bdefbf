//! What each label of the facts weighs. One table, stable: a policy may name these labels. A label that is
//! not here adds no risk of its own; the category and effect of its statement still do.

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

const TABLE: &[(&str, Risk, Rule)] = &[
    ("alter-owner", Risk::High, CHANGES_RIGHTS),
    ("alter-role", Risk::Critical, CHANGES_RIGHTS),
    ("alter-system", Risk::Critical, TOUCHES_SERVER),
    ("copy-file", Risk::Critical, TOUCHES_SERVER),
    ("copy-program", Risk::Critical, TOUCHES_SERVER),
    ("create-extension", Risk::Critical, RUNS_CODE),
    ("create-function", Risk::High, RUNS_CODE),
    ("create-role", Risk::Critical, CHANGES_RIGHTS),
    ("create-subscription", Risk::Critical, LEAVES_DATABASE),
    ("dblink", Risk::Critical, LEAVES_DATABASE),
    ("do-block", Risk::High, RUNS_CODE),
    ("drop-database", Risk::Critical, DESTROYS_DATABASE),
    ("drop-owned", Risk::Critical, DESTROYS_STRUCTURE),
    ("drop-role", Risk::Critical, CHANGES_RIGHTS),
    ("drop-schema", Risk::Critical, DESTROYS_STRUCTURE),
    ("drop-table", Risk::High, DESTROYS_STRUCTURE),
    ("dynamic-argument", Risk::Critical, NOT_ESTABLISHED),
    ("dynamic-sql", Risk::Critical, RUNS_CODE),
    ("function-call", Risk::Critical, RUNS_CODE),
    ("grant", Risk::High, CHANGES_RIGHTS),
    ("large-object", Risk::High, TOUCHES_SERVER),
    ("opaque-body", Risk::High, RUNS_CODE),
    ("read-file", Risk::Critical, TOUCHES_SERVER),
    ("replication-slot", Risk::Critical, LEAVES_DATABASE),
    ("set-role", Risk::High, CHANGES_SESSION_SAFETY),
    (
        "set-session-authorization",
        Risk::Critical,
        CHANGES_SESSION_SAFETY,
    ),
    ("terminate-backend", Risk::High, TOUCHES_SERVER),
    ("truncate", Risk::High, DESTROYS_STRUCTURE),
    ("two-phase", Risk::High, CHANGES_SESSION_SAFETY),
    ("unknown-node", Risk::Critical, NOT_ESTABLISHED),
    ("unlisted-function", Risk::Medium, RUNS_CODE),
    ("unresolved-name", Risk::Critical, NOT_ESTABLISHED),
    ("unsafe-setting", Risk::Critical, CHANGES_SESSION_SAFETY),
    ("untrusted-language", Risk::Critical, RUNS_CODE),
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
}
