//! The settings of a parent role, as statements for the session's role.
//!
//! It exists because settings of a role are not inherited: without the copy, a `statement_timeout` or an
//! audit setting that a DBA put on the parent would silently not hold. It refuses to copy what the
//! gateway decides itself.

use super::quote::{identifier, literal, setting};
use crate::error::VaultError;

/// Settings whose value is a list of identifiers (GUC_LIST_QUOTE; pg_dump has the same list in
/// `variable_is_guc_list_quote`).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];
/// What the gateway decides.
const OURS: [&str; 4] = [
    "client_encoding",
    "role",
    "session_authorization",
    "standard_conforming_strings",
];

/// One setting of a role, everywhere or in one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) database: Option<String>,
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Setting {
    /// From `name=value`, as `pg_db_role_setting.setconfig` holds it.
    pub(crate) fn read(database: Option<String>, text: &str) -> Option<Self> {
        let (name, value) = text.split_once('=')?;
        let ours = OURS.iter().any(|o| o.eq_ignore_ascii_case(name));
        (!ours).then(|| Self {
            database,
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }

    /// `ALTER ROLE … SET …`
    pub(crate) fn statement(&self, role: &str) -> Result<String, VaultError> {
        let scope = match &self.database {
            None => String::new(),
            Some(database) => format!(" IN DATABASE {}", identifier(database)?),
        };
        let value = match LISTS.iter().any(|l| l.eq_ignore_ascii_case(&self.name)) {
            false => literal(&self.value)?,
            true => {
                let items = list(&self.value).ok_or(VaultError::Name)?;
                match items.is_empty() {
                    true => "''".to_owned(),
                    false => {
                        let items: Result<Vec<_>, _> = items.iter().map(|i| literal(i)).collect();
                        items?.join(", ")
                    }
                }
            }
        };
        Ok(format!(
            "ALTER ROLE {}{scope} SET {} = {value}",
            identifier(role)?,
            setting(&self.name)?
        ))
    }
}

/// The items of a flattened list: bare, or in double quotes with those inside doubled
/// (`SplitGUCList` in src/fe_utils/string_utils.c).
fn list(text: &str) -> Option<Vec<String>> {
    let mut items = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let item;
        (item, rest) = match rest.strip_prefix('"') {
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (bare, after) = rest.split_at(end);
                (bare.trim().to_owned(), after)
            }
            Some(quoted) => quoted_item(quoted)?,
        };
        items.push(item);
        rest = rest.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(items)
}

fn quoted_item(mut rest: &str) -> Option<(String, &str)> {
    let mut item = String::new();
    loop {
        let (before, after) = rest.split_once('"')?;
        item.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                item.push('"');
                rest = more;
            }
            None => return Some((item, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_statements() {
        let statement = |text| Setting::read(None, text).map(|s| s.statement("pc_x").unwrap());
        for (text, expected) in [
            ("statement_timeout=5s", r#"SET "statement_timeout" = '5s'"#),
            (
                "pgaudit.log=read, write",
                r#"SET "pgaudit"."log" = 'read, write'"#,
            ),
            (
                r#"search_path="$user", public"#,
                r#"SET "search_path" = '$user', 'public'"#,
            ),
            (
                r#"search_path="a""b,c",d"#,
                r#"SET "search_path" = 'a"b,c', 'd'"#,
            ),
            ("search_path=", r#"SET "search_path" = ''"#),
            ("x=a'b=c", r#"SET "x" = 'a''b=c'"#),
        ] {
            let expected = format!("ALTER ROLE \"pc_x\" {expected}");
            assert_eq!(statement(text), Some(expected), "{text}");
        }
        for ours in ["role=postgres", "Client_Encoding=SJIS", "nonsense"] {
            assert_eq!(statement(ours), None, "{ours}");
        }
        let broken = Setting::read(None, r#"search_path="open"#).unwrap();
        assert!(broken.statement("pc_x").is_err());
    }
}
