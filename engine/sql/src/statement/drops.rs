//! DROP, in all its forms. What is gone is gone: the effect is `Destroy`, or `Escalate` where rights go
//! with it.
//!
//! Refuses: IF EXISTS and RESTRICT make nothing milder.

use crate::kinds;
use crate::names::{self, Name};
use crate::reader::Reader;
use crate::tree::Seen;
use pg_query::protobuf::{DropStmt, Node, ObjectType, node};
use portcullis_model::facts::Category;
use portcullis_model::{Effect, Verbs};

pub(super) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::DropStmt(statement) => drop(reader, statement),
        Seen::DropdbStmt(statement) => {
            destroys(reader, "DATABASE", "drop-database");
            reader.object("database", Name::bare(&statement.dbname), true);
        }
        Seen::DropTableSpaceStmt(statement) => {
            destroys(reader, "TABLESPACE", "drop-tablespace");
            reader.object("tablespace", Name::bare(&statement.tablespacename), true);
        }
        Seen::DropSubscriptionStmt(statement) => {
            destroys(reader, "SUBSCRIPTION", "drop-subscription");
            reader.object("subscription", Name::bare(&statement.subname), true);
        }
        Seen::DropUserMappingStmt(statement) => {
            destroys(reader, "USER MAPPING", "drop-server");
            reader.object("server", Name::bare(&statement.servername), true);
        }
        Seen::DropRoleStmt(statement) => {
            destroys(reader, "ROLE", "drop-role");
            escalates(reader);
            reader.objects("role", &statement.roles, true);
        }
        Seen::DropOwnedStmt(statement) => {
            destroys(reader, "OWNED", "drop-owned");
            escalates(reader);
            reader.objects("role", &statement.roles, true);
        }
        _ => return None,
    }
    Some(false)
}

fn destroys(reader: &mut Reader<'_>, object_type: &'static str, label: &str) {
    reader.named("DROP", Some(object_type));
    reader.does(Category::Ddl, Effect::Destroy, Verbs::DDL);
    reader.label(label);
}

fn escalates(reader: &mut Reader<'_>) {
    reader.does(Category::Dcl, Effect::Escalate, Verbs::DCL);
}

fn drop<'a>(reader: &mut Reader<'a>, statement: &'a DropStmt) {
    let kind = kinds::of(statement.remove_type);
    destroys(reader, kind.sql, kind.dropped);
    match ObjectType::try_from(statement.remove_type) {
        Ok(ObjectType::ObjectPolicy) => {
            escalates(reader);
            attached(reader, kind.word, &statement.objects);
        }
        Ok(ObjectType::ObjectTrigger | ObjectType::ObjectRule) => {
            attached(reader, kind.word, &statement.objects);
        }
        _ => reader.objects(kind.word, &statement.objects, true),
    }
}

/// Policies, triggers and rules: `schema.table.name` in one list.
fn attached(reader: &mut Reader<'_>, kind: &str, objects: &[Node]) {
    for object in objects {
        let Some(node::Node::List(list)) = &object.node else {
            continue;
        };
        if let Some((name, table)) = list.items.split_last() {
            if let Some(name) = names::string(name) {
                reader.object(kind, Name::bare(name), true);
            }
            if let Some(table) = Name::of_parts(table) {
                reader.object("table", table, true);
            }
        }
    }
}
