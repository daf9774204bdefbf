//! Settings: which of them are harmless to change, and which change what the gateway relies on.
//!
//! Refuses: a dangerous setting with a value that is no literal is as bad as its worst value.

use crate::literal;
use crate::names::Name;
use crate::reader::Reader;
use portcullis_model::facts::{Category, SessionChange};
use portcullis_model::{Effect, Verbs};

/// What a change of one setting amounts to.
enum Weight {
    Harmless,
    /// Harmless with this value only.
    Only(fn(&str) -> bool),
    Unsafe,
    /// It is the running role.
    Role(&'static str),
}

fn weight(name: &str) -> Weight {
    match name {
        "role" => Weight::Role("set-role"),
        "session_authorization" => Weight::Role("set-session-authorization"),
        "client_encoding" | "names" => Weight::Only(|v| {
            matches!(
                v.to_ascii_lowercase().as_str(),
                "utf8" | "utf-8" | "unicode"
            )
        }),
        "standard_conforming_strings" | "row_security" => Weight::Only(is_on),
        "default_transaction_read_only" | "transaction_read_only" => Weight::Only(is_on),
        "backslash_quote" => Weight::Only(|v| matches!(v, "safe_encoding" | "off")),
        "bytea_output" => Weight::Only(|v| v.eq_ignore_ascii_case("hex")),
        "session_replication_role" => Weight::Only(|v| v.eq_ignore_ascii_case("origin")),
        "local_preload_libraries"
        | "session_preload_libraries"
        | "shared_preload_libraries"
        | "dynamic_library_path"
        | "extension_control_path"
        | "jit_provider"
        | "allow_system_table_mods"
        | "allow_in_place_tablespaces"
        | "ignore_checksum_failure"
        | "ignore_system_indexes"
        | "zero_damaged_pages"
        | "is_superuser"
        | "event_triggers"
        | "restrict_nonsystem_relation_kind"
        | "createrole_self_grant"
        | "lo_compat_privileges" => Weight::Unsafe,
        _ if name.starts_with("log_") || name.starts_with("debug_") => Weight::Unsafe,
        _ if name.starts_with("pgaudit.") => Weight::Unsafe,
        _ => Weight::Harmless,
    }
}

fn is_on(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "on" | "true" | "1" | "yes" | "t" | "y"
    )
}

/// SET, RESET, `set_config`: one setting gets a value; `None` where it is no literal, DEFAULT or RESET.
pub(crate) fn changed(reader: &mut Reader<'_>, name: &str, value: Option<String>, local: bool) {
    let name = name.to_lowercase();
    weigh(reader, &name, value.as_deref());
    reader
        .changes
        .push(SessionChange::Set { name, value, local });
}

/// The same without a change of this session: ALTER ROLE SET, ALTER DATABASE SET, function attributes.
pub(crate) fn weigh(reader: &mut Reader<'_>, name: &str, value: Option<&str>) {
    reader.does(Category::Session, Effect::Read, Verbs::SESSION);
    reader.object("setting", Name::bare(name), true);
    if name == "search_path" {
        reader.label("search-path");
    }
    let label = match weight(name) {
        Weight::Harmless => return,
        Weight::Only(harmless) if value.is_some_and(harmless) => return,
        Weight::Only(_) | Weight::Unsafe => "unsafe-setting",
        Weight::Role(label) => label,
    };
    let verbs = Verbs::SESSION.union(Verbs::PRIV);
    reader.does(Category::Dcl, Effect::Escalate, verbs);
    reader.label(label);
}

/// The value of a SET: its arguments joined as the server joins a list.
pub(crate) fn value(arguments: &[pg_query::protobuf::Node]) -> Option<String> {
    let literals: Option<Vec<String>> = arguments
        .iter()
        .map(|node| literal::of(node).map(|l| l.text))
        .collect();
    literals.filter(|l| !l.is_empty()).map(|l| l.join(", "))
}
