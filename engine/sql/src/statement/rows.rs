//! INSERT, UPDATE, DELETE, MERGE, TRUNCATE.
//!
//! Refuses: a predicate that does not certainly read the row counts as none.

use crate::names;
use crate::predicate;
use crate::reader::Reader;
use crate::tree::{Seen, Walk};
use pg_query::protobuf::{
    CmdType, DeleteStmt, InsertStmt, MergeStmt, MergeWhenClause, Node, RangeVar, ResTarget,
    TruncateStmt, UpdateStmt, node,
};
use portcullis_model::facts::{Category, Predicate};
use portcullis_model::{Effect, Verbs};

pub(super) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::InsertStmt(statement) => insert(reader, statement),
        Seen::UpdateStmt(statement) => update(reader, statement),
        Seen::DeleteStmt(statement) => delete(reader, statement),
        Seen::MergeStmt(statement) => merge(reader, statement),
        Seen::TruncateStmt(statement) => truncate(reader, statement),
        _ => return None,
    }
    Some(false)
}

fn insert<'a>(reader: &mut Reader<'a>, statement: &'a InsertStmt) {
    reader.named("INSERT", None);
    reader.does(Category::Write, Effect::Write, Verbs::WRITE);
    reader.writes();
    let outermost = reader.outermost();
    reader.within(statement.with_clause.as_ref(), |reader| {
        target(reader, statement.relation.as_ref());
        assigned(reader, &statement.cols);
        statement.select_stmt.walk(reader);
        if let Some(conflict) = statement.on_conflict_clause.as_deref() {
            reader.condition(&conflict.infer);
            reader.proposing(true, |reader| assigned(reader, &conflict.target_list));
            reader.condition(&conflict.where_clause);
            if !conflict.target_list.is_empty() {
                reader.label("upsert");
            }
        }
        reader.returning(outermost, &statement.returning_clause);
    });
}

fn update<'a>(reader: &mut Reader<'a>, statement: &'a UpdateStmt) {
    reader.named("UPDATE", None);
    reader.writes();
    let outermost = reader.outermost();
    reader.does(Category::Write, Effect::Write, Verbs::WRITE);
    let found = predicate::of(
        statement.where_clause.as_deref(),
        statement.relation.as_ref(),
        !statement.from_clause.is_empty(),
    );
    restricted(reader, found, "update-without-where");
    if statement
        .relation
        .as_ref()
        .is_some_and(|r| r.relname == "pg_settings")
    {
        reader.does(
            Category::Dcl,
            Effect::Escalate,
            Verbs::SESSION.union(Verbs::PRIV),
        );
        reader.label("unsafe-setting");
        reader
            .changes
            .push(portcullis_model::facts::SessionChange::ResetAll);
    }
    reader.within(statement.with_clause.as_ref(), |reader| {
        target(reader, statement.relation.as_ref());
        assigned(reader, &statement.target_list);
        statement.from_clause.walk(reader);
        reader.condition(&statement.where_clause);
        reader.returning(outermost, &statement.returning_clause);
    });
}

fn delete<'a>(reader: &mut Reader<'a>, statement: &'a DeleteStmt) {
    reader.named("DELETE", None);
    let outermost = reader.outermost();
    reader.does(Category::Write, Effect::Write, Verbs::WRITE);
    let found = predicate::of(
        statement.where_clause.as_deref(),
        statement.relation.as_ref(),
        !statement.using_clause.is_empty(),
    );
    restricted(reader, found, "delete-without-where");
    reader.within(statement.with_clause.as_ref(), |reader| {
        target(reader, statement.relation.as_ref());
        statement.using_clause.walk(reader);
        reader.condition(&statement.where_clause);
        reader.returning(outermost, &statement.returning_clause);
    });
}

fn merge<'a>(reader: &mut Reader<'a>, statement: &'a MergeStmt) {
    reader.named("MERGE", None);
    reader.writes();
    let outermost = reader.outermost();
    reader.does(Category::Write, Effect::Write, Verbs::WRITE);
    let clauses = || statement.merge_when_clauses.iter().filter_map(when);
    let does = |command: CmdType| clauses().any(|c| c.command_type == command as i32);
    let everywhere = clauses().any(|clause| {
        // WHEN NOT MATCHED BY SOURCE reaches every row that the join does not.
        clause.match_kind == pg_query::protobuf::MergeMatchKind::MergeWhenNotMatchedBySource as i32
    });
    if does(CmdType::CmdDelete) || does(CmdType::CmdUpdate) {
        let found = match everywhere {
            true => Predicate::Constant,
            false => predicate::of(
                statement.join_condition.as_deref(),
                statement.relation.as_ref(),
                true,
            ),
        };
        let label = match does(CmdType::CmdDelete) {
            true => "delete-without-where",
            false => "update-without-where",
        };
        restricted(reader, found, label);
    }
    reader.within(statement.with_clause.as_ref(), |reader| {
        target(reader, statement.relation.as_ref());
        statement.source_relation.walk(reader);
        reader.condition(&statement.join_condition);
        for clause in clauses() {
            reader.condition(&clause.condition);
            assigned(reader, &clause.target_list);
            clause.values.walk(reader);
        }
        reader.returning(outermost, &statement.returning_clause);
    });
}

fn truncate<'a>(reader: &mut Reader<'a>, statement: &'a TruncateStmt) {
    reader.named("TRUNCATE", Some("TABLE"));
    reader.does(Category::Write, Effect::Destroy, Verbs::WRITE);
    reader.label("truncate");
    reader.objects("table", &statement.relations, true);
}

fn restricted(reader: &mut Reader<'_>, found: Predicate, label: &str) {
    reader.restricted(found);
    if found != Predicate::Present {
        reader.does(Category::Write, Effect::Destroy, Verbs::WRITE);
        reader.label(label);
    }
}

/// What is written is never a CTE.
fn target<'a>(reader: &mut Reader<'a>, relation: Option<&'a RangeVar>) {
    if let Some(relation) = relation {
        reader.row(match &relation.alias {
            Some(alias) => &alias.aliasname,
            None => &relation.relname,
        });
        reader.relation("table", relation, true);
    }
}

/// Columns that get a value, and the values.
fn assigned<'a>(reader: &mut Reader<'a>, targets: &'a [Node]) {
    for node in targets {
        match &node.node {
            Some(node::Node::ResTarget(target)) => assignment(reader, target),
            _ => node.walk(reader),
        }
    }
}

fn assignment<'a>(reader: &mut Reader<'a>, target: &'a ResTarget) {
    reader.column(&target.name);
    for field in target.indirection.iter().filter_map(names::string) {
        reader.column(field);
    }
    target.indirection.walk(reader);
    target.val.walk(reader);
}

fn when(node: &Node) -> Option<&MergeWhenClause> {
    match &node.node {
        Some(node::Node::MergeWhenClause(clause)) => Some(clause),
        _ => None,
    }
}
