//! The server itself: databases, extensions, foreign servers, replication, maintenance.
//!
//! Refuses: what reaches out of the database, to a file, a library or another host, is never mild.

use crate::names::{self, Name};
use crate::reader::{Reader, SecretAt};
use crate::tree::{Seen, Walk};
use pg_query::protobuf::{
    AlterSystemStmt, ImportForeignSchemaStmt, Node, RoleSpec, VacuumStmt, VariableSetStmt, node,
};
use portcullis_model::facts::Category;
use portcullis_model::{Effect, Verbs};

pub(super) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    databases(reader, node)
        .or_else(|| tablespaces(reader, node))
        .or_else(|| extensions(reader, node))
        .or_else(|| foreign(reader, node))
        .or_else(|| replication(reader, node))
        .or_else(|| maintenance(reader, node))
}

fn admin(
    reader: &mut Reader<'_>,
    verb: &'static str,
    object_type: Option<&'static str>,
    effect: Effect,
    label: &str,
) {
    reader.named(verb, object_type);
    reader.does(Category::Admin, effect, Verbs::ADMIN);
    reader.label(label);
}

fn databases<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::CreatedbStmt(statement) => {
            admin(
                reader,
                "CREATE",
                Some("DATABASE"),
                Effect::Write,
                "create-database",
            );
            reader.object("database", Name::bare(&statement.dbname), true);
        }
        Seen::AlterDatabaseStmt(statement) => {
            admin(
                reader,
                "ALTER",
                Some("DATABASE"),
                Effect::Write,
                "alter-database",
            );
            reader.object("database", Name::bare(&statement.dbname), true);
        }
        Seen::AlterDatabaseRefreshCollStmt(statement) => {
            admin(
                reader,
                "ALTER",
                Some("DATABASE"),
                Effect::Write,
                "alter-database",
            );
            reader.object("database", Name::bare(&statement.dbname), true);
        }
        Seen::AlterSystemStmt(statement) => alter_system(reader, statement),
        _ => return None,
    }
    Some(false)
}

fn tablespaces<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::CreateTableSpaceStmt(statement) => {
            admin(
                reader,
                "CREATE",
                Some("TABLESPACE"),
                Effect::Escalate,
                "tablespace",
            );
            reader.does(Category::Admin, Effect::Escalate, Verbs::FILE);
            reader.object("tablespace", Name::bare(&statement.tablespacename), true);
        }
        Seen::AlterTableSpaceOptionsStmt(statement) => {
            admin(
                reader,
                "ALTER",
                Some("TABLESPACE"),
                Effect::Write,
                "tablespace",
            );
            reader.object("tablespace", Name::bare(&statement.tablespacename), true);
        }
        Seen::AlterTableMoveAllStmt(statement) => {
            admin(
                reader,
                "ALTER",
                Some("TABLESPACE"),
                Effect::Write,
                "tablespace",
            );
            reader.object(
                "tablespace",
                Name::bare(&statement.new_tablespacename),
                true,
            );
        }
        _ => return None,
    }
    Some(false)
}

fn alter_system(reader: &mut Reader<'_>, statement: &AlterSystemStmt) {
    admin(
        reader,
        "ALTER",
        Some("SYSTEM"),
        Effect::Escalate,
        "alter-system",
    );
    if let Some(setting) = &statement.setstmt {
        reader.object("setting", Name::bare(&setting.name), true);
        conninfo(reader, setting);
    }
}

/// A setting that holds a connection string.
fn conninfo(reader: &mut Reader<'_>, setting: &VariableSetStmt) {
    if setting.name.contains("conninfo") || setting.name.contains("password") {
        let literals = setting.args.iter().filter_map(crate::literal::of);
        let places: Vec<SecretAt> = literals.map(|l| SecretAt::Literal(l.at)).collect();
        reader.secrets.extend(places);
    }
}

fn extensions<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    let (verb, name, label) = match node {
        Seen::CreateExtensionStmt(s) => ("CREATE", &s.extname, "create-extension"),
        Seen::AlterExtensionStmt(s) => ("ALTER", &s.extname, "alter-extension"),
        Seen::AlterExtensionContentsStmt(s) => ("ALTER", &s.extname, "alter-extension"),
        Seen::LoadStmt(s) => {
            admin(reader, "LOAD", None, Effect::Escalate, "load-library");
            reader.does(
                Category::Admin,
                Effect::Escalate,
                Verbs::EXEC.union(Verbs::FILE),
            );
            reader.object("library", Name::bare(&s.filename), false);
            return Some(false);
        }
        _ => return None,
    };
    admin(reader, verb, Some("EXTENSION"), Effect::Escalate, label);
    reader.object("extension", Name::bare(name), true);
    Some(false)
}

fn foreign<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    let (verb, object_type, kind, name, options) = match node {
        Seen::CreateFdwStmt(s) => (
            "CREATE",
            "FOREIGN DATA WRAPPER",
            "wrapper",
            &s.fdwname,
            &s.options,
        ),
        Seen::AlterFdwStmt(s) => (
            "ALTER",
            "FOREIGN DATA WRAPPER",
            "wrapper",
            &s.fdwname,
            &s.options,
        ),
        Seen::CreateForeignServerStmt(s) => {
            ("CREATE", "SERVER", "server", &s.servername, &s.options)
        }
        Seen::AlterForeignServerStmt(s) => ("ALTER", "SERVER", "server", &s.servername, &s.options),
        Seen::CreateUserMappingStmt(s) => {
            mapped(reader, s.user.as_ref());
            (
                "CREATE",
                "USER MAPPING",
                "server",
                &s.servername,
                &s.options,
            )
        }
        Seen::AlterUserMappingStmt(s) => {
            mapped(reader, s.user.as_ref());
            ("ALTER", "USER MAPPING", "server", &s.servername, &s.options)
        }
        Seen::ImportForeignSchemaStmt(s) => {
            import(reader, s);
            return Some(false);
        }
        _ => return None,
    };
    admin(
        reader,
        verb,
        Some(object_type),
        Effect::Escalate,
        "foreign-server",
    );
    reader.does(Category::Admin, Effect::Escalate, Verbs::NET);
    reader.object(kind, Name::bare(name), true);
    secret_options(reader, options);
    Some(false)
}

fn mapped(reader: &mut Reader<'_>, role: Option<&RoleSpec>) {
    if let Some(role) = role {
        reader.object("role", Name::bare(names::role_name(role)), false);
    }
}

fn import(reader: &mut Reader<'_>, statement: &ImportForeignSchemaStmt) {
    admin(
        reader,
        "IMPORT",
        Some("FOREIGN SCHEMA"),
        Effect::Escalate,
        "foreign-server",
    );
    reader.does(
        Category::Admin,
        Effect::Escalate,
        Verbs::NET.union(Verbs::DDL),
    );
    reader.object("server", Name::bare(&statement.server_name), false);
    reader.object("schema", Name::bare(&statement.local_schema), true);
}

/// `OPTIONS (password '…')` and its like, by the option's name.
fn secret_options(reader: &mut Reader<'_>, options: &[Node]) {
    for option in options {
        let Some(node::Node::DefElem(option)) = &option.node else {
            continue;
        };
        let name = option.defname.to_lowercase();
        let secret = [
            "password", "passwd", "passcode", "secret", "token", "key", "conn",
        ];
        if secret.iter().any(|word| name.contains(word)) {
            let after = u32::try_from(option.location).unwrap_or(0);
            reader.secrets.push(SecretAt::After(after));
        }
    }
}

fn replication<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::CreateSubscriptionStmt(statement) => {
            admin(
                reader,
                "CREATE",
                Some("SUBSCRIPTION"),
                Effect::Escalate,
                "subscription",
            );
            reader.object("subscription", Name::bare(&statement.subname), true);
            connection(reader, &statement.conninfo);
        }
        Seen::AlterSubscriptionStmt(statement) => {
            admin(
                reader,
                "ALTER",
                Some("SUBSCRIPTION"),
                Effect::Escalate,
                "subscription",
            );
            reader.object("subscription", Name::bare(&statement.subname), true);
            connection(reader, &statement.conninfo);
        }
        Seen::CreatePublicationStmt(statement) => {
            admin(
                reader,
                "CREATE",
                Some("PUBLICATION"),
                Effect::Escalate,
                "publication",
            );
            reader.object("publication", Name::bare(&statement.pubname), true);
            statement.pubobjects.walk(reader);
        }
        Seen::AlterPublicationStmt(statement) => {
            admin(
                reader,
                "ALTER",
                Some("PUBLICATION"),
                Effect::Escalate,
                "publication",
            );
            reader.object("publication", Name::bare(&statement.pubname), true);
            statement.pubobjects.walk(reader);
        }
        Seen::ReplicaIdentityStmt(_) => return Some(false),
        _ => return None,
    }
    Some(false)
}

fn connection(reader: &mut Reader<'_>, conninfo: &str) {
    reader.does(Category::Admin, Effect::Escalate, Verbs::NET);
    if !conninfo.is_empty() {
        reader.secrets.push(SecretAt::Statement);
    }
}

fn maintenance<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::VacuumStmt(statement) => vacuum(reader, statement),
        Seen::ClusterStmt(statement) => {
            admin(reader, "CLUSTER", None, Effect::Write, "maintenance");
            if let Some(relation) = &statement.relation {
                reader.relation("table", relation, true);
            }
        }
        Seen::ReindexStmt(statement) => {
            admin(reader, "REINDEX", None, Effect::Write, "maintenance");
            if let Some(relation) = &statement.relation {
                reader.relation("table", relation, true);
            }
        }
        Seen::CheckPointStmt(_) => {
            admin(reader, "CHECKPOINT", None, Effect::Write, "maintenance");
        }
        _ => return None,
    }
    Some(false)
}

fn vacuum(reader: &mut Reader<'_>, statement: &VacuumStmt) {
    let verb = if statement.is_vacuumcmd {
        "VACUUM"
    } else {
        "ANALYZE"
    };
    admin(reader, verb, None, Effect::Write, "maintenance");
    for table in &statement.rels {
        if let Some(node::Node::VacuumRelation(table)) = &table.node {
            if let Some(relation) = &table.relation {
                reader.relation("table", relation, true);
            }
            reader.columns(&table.va_cols);
        }
    }
}
