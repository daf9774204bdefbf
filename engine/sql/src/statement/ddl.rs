//! The rest of the structure: schemas, types, domains, names, comments, statistics, text search.
//!
//! Refuses: a statement with a catalog of its own that is missing here is not milder, it is unknown.

use crate::kinds;
use crate::names::{self, Name};
use crate::reader::Reader;
use crate::tree::{Seen, Walk};
use pg_query::protobuf::{
    AlterDomainStmt, AlterObjectSchemaStmt, CreateSchemaStmt, DefineStmt, Node, ObjectType,
    RenameStmt,
};
use portcullis_model::facts::Category;
use portcullis_model::{Effect, Verbs};

pub(super) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    schemas_and_types(reader, node).or_else(|| others(reader, node))
}

/// Schemas and types.
fn schemas_and_types<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::CreateSchemaStmt(statement) => schema(reader, statement),
        Seen::CreateDomainStmt(statement) => {
            made(reader, "CREATE", "DOMAIN", "type", &statement.domainname);
            statement.constraints.walk(reader);
        }
        Seen::AlterDomainStmt(statement) => domain(reader, statement),
        Seen::CompositeTypeStmt(statement) => {
            ddl(reader, "CREATE", "TYPE");
            if let Some(name) = &statement.typevar {
                reader.relation("type", name, true);
            }
            statement.coldeflist.walk(reader);
        }
        Seen::CreateEnumStmt(statement) => {
            made(reader, "CREATE", "TYPE", "type", &statement.type_name);
        }
        Seen::CreateRangeStmt(statement) => {
            made(reader, "CREATE", "TYPE", "type", &statement.type_name);
        }
        Seen::AlterEnumStmt(statement) => {
            made(reader, "ALTER", "TYPE", "type", &statement.type_name);
        }
        Seen::AlterTypeStmt(statement) => {
            made(reader, "ALTER", "TYPE", "type", &statement.type_name);
        }
        _ => return None,
    }
    Some(false)
}

fn others<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::AlterObjectDependsStmt(_) => {
            ddl(reader, "ALTER", "OBJECT");
        }
        Seen::DefineStmt(statement) => define(reader, statement),
        Seen::RenameStmt(statement) => rename(reader, statement),
        Seen::AlterObjectSchemaStmt(statement) => moved(reader, statement),
        Seen::CommentStmt(statement) => {
            let kind = kinds::of(statement.objtype);
            ddl(reader, "COMMENT", kind.sql);
            reader.label("comment");
            if let Some(name) = statement.object.as_deref().and_then(names::of) {
                reader.object(kind.word, name, true);
            }
        }
        Seen::CreateStatsStmt(statement) => {
            made(
                reader,
                "CREATE",
                "STATISTICS",
                "statistics",
                &statement.defnames,
            );
            statement.exprs.walk(reader);
            statement.relations.walk(reader);
        }
        Seen::AlterStatsStmt(statement) => {
            made(
                reader,
                "ALTER",
                "STATISTICS",
                "statistics",
                &statement.defnames,
            );
        }
        Seen::AlterOperatorStmt(_) => ddl(reader, "ALTER", "OPERATOR"),
        Seen::AlterCollationStmt(statement) => {
            made(
                reader,
                "ALTER",
                "COLLATION",
                "collation",
                &statement.collname,
            );
        }
        Seen::CreateOpFamilyStmt(_) => ddl(reader, "CREATE", "OPERATOR FAMILY"),
        Seen::AlterOpFamilyStmt(_) => ddl(reader, "ALTER", "OPERATOR FAMILY"),
        Seen::AlterTsdictionaryStmt(_) => ddl(reader, "ALTER", "TEXT SEARCH DICTIONARY"),
        Seen::AlterTsconfigurationStmt(_) => ddl(reader, "ALTER", "TEXT SEARCH CONFIGURATION"),
        _ => return None,
    }
    Some(false)
}

fn ddl(reader: &mut Reader<'_>, verb: &'static str, object_type: &'static str) {
    reader.named(verb, Some(object_type));
    reader.does(Category::Ddl, Effect::Write, Verbs::DDL);
}

fn made(
    reader: &mut Reader<'_>,
    verb: &'static str,
    object_type: &'static str,
    kind: &str,
    name: &[Node],
) {
    ddl(reader, verb, object_type);
    if let Some(name) = Name::of_parts(name) {
        reader.object(kind, name, true);
    }
}

fn schema<'a>(reader: &mut Reader<'a>, statement: &'a CreateSchemaStmt) {
    ddl(reader, "CREATE", "SCHEMA");
    reader.label("create-schema");
    reader.object("schema", Name::bare(&statement.schemaname), true);
    if let Some(role) = &statement.authrole {
        reader.object("role", Name::bare(names::role_name(role)), false);
    }
    statement.schema_elts.walk(reader);
}

fn domain<'a>(reader: &mut Reader<'a>, statement: &'a AlterDomainStmt) {
    made(reader, "ALTER", "DOMAIN", "type", &statement.type_name);
    statement.def.walk(reader);
}

/// Aggregates, operators and base types name functions that run later; collations and text search do not.
fn define<'a>(reader: &mut Reader<'a>, statement: &'a DefineStmt) {
    let kind = kinds::of(statement.kind);
    made(reader, "CREATE", kind.sql, kind.word, &statement.defnames);
    match ObjectType::try_from(statement.kind) {
        Ok(ObjectType::ObjectCollation | ObjectType::ObjectTsconfiguration) => {}
        _ => {
            reader.does(Category::Exec, Effect::Escalate, Verbs::EXEC);
            reader.label("create-code");
        }
    }
}

fn rename<'a>(reader: &mut Reader<'a>, statement: &'a RenameStmt) {
    let kind = kinds::of(statement.rename_type);
    ddl(reader, "ALTER", kind.sql);
    reader.label("rename");
    if let Some(relation) = &statement.relation {
        reader.relation("table", relation, true);
    }
    if let Some(name) = statement.object.as_deref().and_then(names::of) {
        reader.object(kind.word, name, true);
    }
    match ObjectType::try_from(statement.rename_type) {
        Ok(ObjectType::ObjectColumn) => {
            reader.column(&statement.subname);
            reader.column(&statement.newname);
            reader.writes();
            reader.carry(&statement.subname);
        }
        Ok(ObjectType::ObjectRole) => {
            reader.does(Category::Dcl, Effect::Escalate, Verbs::DCL);
            reader.label("alter-role");
            reader.object("role", Name::bare(&statement.subname), true);
        }
        // What is known of the old name says nothing of the new one.
        Ok(
            ObjectType::ObjectTable
            | ObjectType::ObjectForeignTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview,
        ) => everything(reader),
        Ok(ObjectType::ObjectDatabase | ObjectType::ObjectSchema) => {
            everything(reader);
            reader.object(kind.word, Name::bare(&statement.subname), true);
        }
        _ => {}
    }
}

fn everything(reader: &mut Reader<'_>) {
    reader.writes();
    reader.carry("*");
}

fn moved<'a>(reader: &mut Reader<'a>, statement: &'a AlterObjectSchemaStmt) {
    let kind = kinds::of(statement.object_type);
    ddl(reader, "ALTER", kind.sql);
    reader.label("set-schema");
    if statement.relation.is_some() {
        everything(reader);
    }
    if let Some(relation) = &statement.relation {
        reader.relation(kind.word, relation, true);
    }
    if let Some(name) = statement.object.as_deref().and_then(names::of) {
        reader.object(kind.word, name, true);
    }
    reader.object("schema", Name::bare(&statement.newschema), true);
}
