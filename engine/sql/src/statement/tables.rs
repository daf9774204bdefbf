//! Tables, indexes, views, sequences: CREATE, ALTER, REFRESH.
//!
//! Refuses: a change of owner or of row security is no ordinary ALTER.

use crate::kinds;
use crate::names::Name;
use crate::reader::Reader;
use crate::tree::{Seen, Walk};
use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType as Change, ColumnDef, CreateStmt,
    CreateTableAsStmt, IndexStmt, ViewStmt, node,
};
use portcullis_model::facts::Category;
use portcullis_model::{Effect, Verbs};

pub(super) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::CreateStmt(statement) => create(reader, statement, "TABLE"),
        Seen::CreateForeignTableStmt(statement) => {
            reader.named("CREATE", Some("FOREIGN TABLE"));
            reader.does(Category::Ddl, Effect::Write, Verbs::DDL.union(Verbs::NET));
            reader.label("foreign-server");
            reader.object("server", Name::bare(&statement.servername), false);
            if let Some(base) = &statement.base_stmt {
                create(reader, base, "FOREIGN TABLE");
            }
            statement.options.walk(reader);
        }
        Seen::CreateTableAsStmt(statement) => create_as(reader, statement),
        Seen::ViewStmt(statement) => view(reader, statement),
        Seen::IndexStmt(statement) => index(reader, statement),
        Seen::AlterTableStmt(statement) => alter(reader, statement),
        Seen::CreateSeqStmt(statement) => {
            ddl(reader, "CREATE", "SEQUENCE");
            if let Some(sequence) = &statement.sequence {
                reader.relation("sequence", sequence, true);
            }
        }
        Seen::AlterSeqStmt(statement) => {
            ddl(reader, "ALTER", "SEQUENCE");
            if let Some(sequence) = &statement.sequence {
                reader.relation("sequence", sequence, true);
            }
        }
        Seen::RefreshMatViewStmt(statement) => {
            ddl(reader, "REFRESH", "MATERIALIZED VIEW");
            reader.does(Category::Write, Effect::Write, Verbs::WRITE);
            if let Some(relation) = &statement.relation {
                reader.relation("table", relation, true);
            }
        }
        _ => return None,
    }
    Some(false)
}

fn ddl(reader: &mut Reader<'_>, verb: &'static str, object_type: &'static str) {
    reader.named(verb, Some(object_type));
    reader.does(Category::Ddl, Effect::Write, Verbs::DDL);
}

fn create<'a>(reader: &mut Reader<'a>, statement: &'a CreateStmt, object_type: &'static str) {
    ddl(reader, "CREATE", object_type);
    if let Some(relation) = &statement.relation {
        reader.relation("table", relation, true);
    }
    for list in [
        &statement.table_elts,
        &statement.inh_relations,
        &statement.constraints,
        &statement.nnconstraints,
        &statement.options,
    ] {
        list.walk(reader);
    }
    statement.partbound.walk(reader);
    statement.partspec.walk(reader);
    statement.of_typename.walk(reader);
}

fn create_as<'a>(reader: &mut Reader<'a>, statement: &'a CreateTableAsStmt) {
    let kind = kinds::of(statement.objtype);
    ddl(reader, "CREATE", kind.sql);
    reader.does(Category::Ddl, Effect::Write, Verbs::WRITE);
    reader.label("create-table-as");
    reader.writes();
    if let Some(Some(node::Node::ExecuteStmt(_))) = statement.query.as_deref().map(|q| &q.node) {
        reader.carry("*");
    }
    if let Some(into) = statement.into.as_deref() {
        if let Some(relation) = &into.rel {
            reader.relation(kind.word, relation, true);
        }
        reader.columns(&into.col_names);
        into.options.walk(reader);
    }
    statement.query.walk(reader);
}

fn view<'a>(reader: &mut Reader<'a>, statement: &'a ViewStmt) {
    ddl(reader, "CREATE", "VIEW");
    reader.label("create-view");
    reader.writes();
    if let Some(relation) = &statement.view {
        reader.relation("view", relation, true);
    }
    reader.columns(&statement.aliases);
    statement.query.walk(reader);
    statement.options.walk(reader);
}

fn index<'a>(reader: &mut Reader<'a>, statement: &'a IndexStmt) {
    ddl(reader, "CREATE", "INDEX");
    reader.object("index", Name::bare(&statement.idxname), true);
    if let Some(relation) = &statement.relation {
        reader.relation("table", relation, true);
    }
    statement.index_params.walk(reader);
    statement.index_including_params.walk(reader);
    statement.options.walk(reader);
    statement.where_clause.walk(reader);
}

fn alter<'a>(reader: &mut Reader<'a>, statement: &'a AlterTableStmt) {
    let kind = kinds::of(statement.objtype);
    ddl(reader, "ALTER", kind.sql);
    // USING and generated columns compute new values from other columns.
    reader.writes();
    if let Some(relation) = &statement.relation {
        reader.relation(kind.word, relation, true);
    }
    for command in &statement.cmds {
        if let Some(node::Node::AlterTableCmd(command)) = &command.node {
            reader.column(&command.name);
            change(reader, command);
        }
        command.walk(reader);
    }
}

fn change(reader: &mut Reader<'_>, command: &AlterTableCmd) {
    let (effect, label) = match Change::try_from(command.subtype) {
        Ok(Change::AtDropColumn) => (Effect::Destroy, "drop-column"),
        // With USING the new value may be anything, also nothing.
        Ok(Change::AtAlterColumnType) if rewrites(command) => {
            (Effect::Destroy, "alter-column-using")
        }
        Ok(Change::AtDropConstraint) => (Effect::Destroy, "drop-constraint"),
        Ok(Change::AtChangeOwner) => (Effect::Escalate, "alter-owner"),
        Ok(
            Change::AtEnableRowSecurity
            | Change::AtDisableRowSecurity
            | Change::AtForceRowSecurity
            | Change::AtNoForceRowSecurity,
        ) => (Effect::Escalate, "row-security"),
        Ok(
            Change::AtDisableTrig
            | Change::AtDisableTrigAll
            | Change::AtDisableTrigUser
            | Change::AtEnableReplicaTrig
            | Change::AtDisableRule
            | Change::AtEnableReplicaRule,
        ) => (Effect::Escalate, "disable-trigger"),
        Ok(Change::AtSetUnLogged) => (Effect::Destroy, "set-unlogged"),
        Ok(Change::AtDetachPartition | Change::AtDetachPartitionFinalize) => {
            (Effect::Destroy, "detach-partition")
        }
        // A view's column default, a rule or an inherited child may all change what a read shows.
        Ok(Change::AtAddInherit | Change::AtDropInherit | Change::AtAttachPartition) => {
            (Effect::Write, "alter-inheritance")
        }
        Ok(Change::Undefined) | Err(_) => return reader.unknown("unknown-node"),
        Ok(_) => return,
    };
    let category = match effect {
        Effect::Escalate => Category::Dcl,
        _ => Category::Ddl,
    };
    reader.does(category, effect, Verbs::DDL);
    reader.label(label);
}

fn rewrites(command: &AlterTableCmd) -> bool {
    match command.def.as_deref().map(|def| &def.node) {
        Some(Some(node::Node::ColumnDef(definition))) => using(definition),
        _ => true,
    }
}

fn using(definition: &ColumnDef) -> bool {
    definition.raw_default.is_some()
}
