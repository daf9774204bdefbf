//! Functions that do more than compute, and what they do.
//!
//! Refuses: none of them is transparent, unless the table says why it may be.

use portcullis_model::facts::Category;
use portcullis_model::{Effect, Verbs};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What has to be known of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// Nothing.
    Any,
    /// All are literals.
    Literal,
    /// All are literals: name, value, is_local.
    Setting,
    /// All are literals; the first names a relation.
    Relation,
    /// The one in this place is a query, as a literal.
    Query(usize),
}

/// One kind of function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Names, separated by blanks; one `*` stands for anything.
    pub(crate) names: &'static str,
    pub(crate) category: Category,
    pub(crate) effect: Effect,
    pub(crate) verbs: Verbs,
    /// Empty for none.
    pub(crate) label: &'static str,
    pub(crate) arguments: Arguments,
    /// It tells nothing that a relation does not.
    pub(crate) transparent: bool,
    /// It comes with an extension, and so may stand in any schema.
    pub(crate) extension: bool,
}

const NONE: Entry = Entry {
    names: "",
    category: Category::Read,
    effect: Effect::Read,
    verbs: Verbs::READ,
    label: "",
    arguments: Arguments::Any,
    transparent: false,
    extension: false,
};

const SEQUENCES: Entry = Entry {
    names: "nextval setval",
    category: Category::Write,
    effect: Effect::Write,
    verbs: Verbs::WRITE,
    label: "sequence",
    transparent: true,
    ..NONE
};
const SEQUENCE_READS: Entry = Entry {
    names: "currval lastval pg_sequence_last_value",
    transparent: true,
    ..NONE
};
const LOCKS: Entry = Entry {
    names: "pg_advisory_* pg_try_advisory_*",
    category: Category::Write,
    effect: Effect::Write,
    verbs: Verbs::SESSION,
    label: "advisory-lock",
    transparent: true,
    ..NONE
};
const SLEEPS: Entry = Entry {
    names: "pg_sleep pg_sleep_for pg_sleep_until",
    label: "sleep",
    transparent: true,
    ..NONE
};
const SETTINGS: Entry = Entry {
    names: "set_config",
    category: Category::Session,
    verbs: Verbs::SESSION,
    label: "set-config",
    arguments: Arguments::Setting,
    ..NONE
};
const SETTING_READS: Entry = Entry {
    names: "current_setting current_query pg_show_all_settings setseed",
    ..NONE
};
const SETTING_FILES: Entry = Entry {
    names: "pg_show_all_file_settings pg_hba_file_rules pg_ident_file_mappings pg_config pg_current_logfile",
    verbs: Verbs::FILE,
    label: "read-file",
    category: Category::Admin,
    ..NONE
};
const LARGE_OBJECT_FILES: Entry = Entry {
    names: "lo_import lo_export",
    category: Category::Admin,
    effect: Effect::Escalate,
    verbs: Verbs::FILE,
    label: "large-object",
    arguments: Arguments::Literal,
    ..NONE
};
const LARGE_OBJECTS: Entry = Entry {
    names: "lo_* loread lowrite",
    category: Category::Write,
    effect: Effect::Write,
    verbs: Verbs::WRITE,
    label: "large-object",
    arguments: Arguments::Literal,
    ..NONE
};
const NOTIFIES: Entry = Entry {
    names: "pg_notify",
    category: Category::Write,
    effect: Effect::Write,
    verbs: Verbs::WRITE,
    label: "notify",
    arguments: Arguments::Literal,
    ..NONE
};
const BACKENDS: Entry = Entry {
    names: "pg_terminate_backend pg_cancel_backend",
    category: Category::Admin,
    effect: Effect::Destroy,
    verbs: Verbs::ADMIN,
    label: "terminate-backend",
    ..NONE
};
const SERVER: Entry = Entry {
    names: "pg_reload_conf pg_rotate_logfile* pg_promote pg_switch_wal pg_wal_replay_* pg_create_restore_point \
        pg_backup_* pg_start_backup pg_stop_backup pg_stat_reset* pg_import_system_collations pg_nextoid \
        pg_stop_making_pinned_objects pg_extension_config_dump pg_log_backend_memory_contexts \
        binary_upgrade_* pg_clear_* pg_restore_* pg_export_snapshot brin_summarize_new_values brin_summarize_range brin_desummarize_range gin_clean_pending_list \
        pg_set_*_stats pg_stat_force_next_flush pg_prewarm autoprewarm_* pg_repack* pg_buffercache_evict*",
    category: Category::Admin,
    effect: Effect::Escalate,
    verbs: Verbs::ADMIN,
    label: "server-admin",
    ..NONE
};
const FILE_READS: Entry = Entry {
    names: "pg_read_file* pg_read_binary_file* pg_ls_* pg_stat_file pg_read_server_file* pg_logdir_ls",
    category: Category::Admin,
    effect: Effect::Escalate,
    verbs: Verbs::FILE,
    label: "read-file",
    ..NONE
};
const FILE_WRITES: Entry = Entry {
    names: "pg_file_*",
    category: Category::Admin,
    effect: Effect::Escalate,
    verbs: Verbs::FILE,
    label: "write-file",
    extension: true,
    ..NONE
};
const SLOTS: Entry = Entry {
    names: "pg_logical_* pg_create_*_slot pg_create_*_replication_slot pg_create_logical_replication_slot \
        pg_create_physical_replication_slot pg_copy_*_slot pg_copy_logical_replication_slot \
        pg_copy_physical_replication_slot pg_drop_replication_slot pg_replication_* pg_sync_replication_slots \
        pg_show_replication_origin_status pg_get_wal_* pg_walinspect*",
    category: Category::Admin,
    effect: Effect::Escalate,
    verbs: Verbs::ADMIN,
    label: "replication-slot",
    ..NONE
};
const DBLINK: Entry = Entry {
    names: "dblink dblink_*",
    category: Category::Exec,
    effect: Effect::Unknown,
    verbs: Verbs(Verbs::NET.0 | Verbs::EXEC.0),
    label: "dblink",
    extension: true,
    ..NONE
};
const QUERIES: Entry = Entry {
    names: "query_to_xml query_to_xmlschema query_to_xml_and_xmlschema ts_stat",
    category: Category::Exec,
    verbs: Verbs::EXEC,
    label: "dynamic-sql",
    arguments: Arguments::Query(0),
    ..NONE
};
const REWRITE: Entry = Entry {
    names: "ts_rewrite",
    arguments: Arguments::Query(1),
    ..QUERIES
};
const CROSSTABS: Entry = Entry {
    names: "crosstab crosstab2 crosstab3 crosstab4 crosstabn",
    extension: true,
    ..QUERIES
};
const WHOLE_TABLES: Entry = Entry {
    names: "table_to_xml table_to_xmlschema table_to_xml_and_xmlschema",
    verbs: Verbs::READ,
    label: "whole-table",
    arguments: Arguments::Relation,
    ..NONE
};
const WHOLE_DATABASES: Entry = Entry {
    names: "database_to_xml* schema_to_xml* cursor_to_xml* connectby xpath_table",
    category: Category::Exec,
    effect: Effect::Unknown,
    verbs: Verbs::EXEC,
    label: "dynamic-sql",
    extension: true,
    ..NONE
};
const OTHERS_WORK: Entry = Entry {
    names: "pg_stat_get_activity pg_stat_get_backend_activity pg_stat_get_wal_receiver pg_cursor \
        pg_prepared_statement pg_stat_get_progress_info pg_stat_statements pg_prepared_xact pg_lock_status",
    label: "other-sessions",
    ..NONE
};

static TABLE: [Entry; 23] = [
    SEQUENCES,
    SEQUENCE_READS,
    LOCKS,
    SLEEPS,
    SETTINGS,
    SETTING_READS,
    SETTING_FILES,
    LARGE_OBJECT_FILES,
    LARGE_OBJECTS,
    NOTIFIES,
    BACKENDS,
    SERVER,
    FILE_READS,
    FILE_WRITES,
    SLOTS,
    DBLINK,
    QUERIES,
    REWRITE,
    CROSSTABS,
    WHOLE_TABLES,
    WHOLE_DATABASES,
    OTHERS_WORK,
    SCHEDULES,
];

const SCHEDULES: Entry = Entry {
    names: "schedule schedule_in_database unschedule alter_job",
    category: Category::Exec,
    effect: Effect::Unknown,
    verbs: Verbs::EXEC,
    label: "scheduled-job",
    extension: true,
    ..NONE
};

/// Whole names, and names with a star: what stands before it and after it.
struct Index {
    exact: HashMap<&'static str, &'static Entry>,
    starred: Vec<(&'static str, &'static str, &'static Entry)>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index {
        exact: HashMap::new(),
        starred: Vec::new(),
    };
    for entry in &TABLE {
        for name in entry.names.split_ascii_whitespace() {
            match name.split_once('*') {
                Some((start, end)) => index.starred.push((start, end, entry)),
                None => {
                    index.exact.insert(name, entry);
                }
            }
        }
    }
    index
});

/// The entry for a function, by its bare name. A whole name goes before a star.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    let index = &*INDEX;
    index.exact.get(name).copied().or_else(|| {
        let starred = index.starred.iter();
        starred
            .filter(|(start, end, _)| name.len() >= start.len() + end.len())
            .find(|(start, end, _)| name.starts_with(start) && name.ends_with(end))
            .map(|(_, _, entry)| *entry)
    })
}

/// All labels of the table.
#[cfg(test)]
pub(crate) fn labels() -> impl Iterator<Item = &'static str> {
    TABLE
        .iter()
        .map(|entry| entry.label)
        .filter(|l| !l.is_empty())
}
