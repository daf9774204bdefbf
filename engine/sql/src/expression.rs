//! Nodes below a statement: relations, columns, functions, operators, types.
//!
//! Refuses: an operator, a type or a sampling method that is not PostgreSQL's own makes an expression
//! opaque; it may run anybody's code.

use crate::attributes;
use crate::catalog;
use crate::functions;
use crate::names::Name;
use crate::reader::Reader;
use crate::tree::{Seen, Walk};
use pg_query::protobuf::{
    CommonTableExpr, ConstrType, JoinExpr, LockingClause, Node, RangeTableSample, SelectStmt,
    TypeName, node,
};
use portcullis_model::facts::Category;
use portcullis_model::{Effect, Verbs};

/// Looks at a node that is no statement.
pub(crate) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> bool {
    match node {
        Seen::SelectStmt(select) => return self::select(reader, select),
        Seen::RangeVar(relation) => reader.reads(relation),
        Seen::ColumnRef(column) => {
            attributes::column(reader, column);
            return false;
        }
        Seen::AIndirection(path) => attributes::path(reader, path),
        Seen::AStar(_) => reader.carry("*"),
        Seen::Alias(alias) => reader.row(&alias.aliasname),
        Seen::RangeFunction(source) => {
            attributes::source(reader, source);
            return false;
        }
        Seen::Constraint(constraint) if constraint.contype == ConstrType::ConstrCheck as i32 => {
            reader.condition(&constraint.raw_expr);
            return false;
        }
        Seen::FuncCall(call) => functions::called(reader, call),
        Seen::AExpr(expression) => operator(reader, &expression.name),
        Seen::SubLink(link) => operator(reader, &link.oper_name),
        Seen::SortBy(sort) => operator(reader, &sort.use_op),
        Seen::TypeName(name) => type_name(reader, name),
        Seen::RangeTableSample(sample) => sampled(reader, sample),
        Seen::LockingClause(clause) => return locked(reader, clause),
        Seen::JoinExpr(join) => return joined(reader, join),
        Seen::CommonTableExpr(cte) => return common(reader, cte),
        Seen::JsonTableColumn(column) => reader.column(&column.name),
        Seen::ColumnDef(column) => reader.column(&column.colname),
        Seen::IndexElem(element) => reader.column(&element.name),
        // Listed as a node, but nobody has said what it does.
        _ if node.name().ends_with("Stmt") && !matches!(node, Seen::ReturnStmt(_)) => {
            reader.unknown("unknown-node");
        }
        _ => {}
    }
    true
}

/// A SELECT, VALUES or set operation; also SELECT INTO.
fn select<'a>(reader: &mut Reader<'a>, select: &'a SelectStmt) -> bool {
    reader.named("SELECT", None);
    reader.does(Category::Read, Effect::Read, Verbs::READ);
    reader.proposing(false, |reader| body(reader, select));
    false
}

fn body<'a>(reader: &mut Reader<'a>, select: &'a SelectStmt) {
    reader.within(select.with_clause.as_ref(), |reader| {
        if let Some(into) = select.into_clause.as_deref() {
            reader.does(Category::Ddl, Effect::Write, Verbs::DDL.union(Verbs::WRITE));
            reader.label("select-into");
            reader.writes();
            if let Some(relation) = &into.rel {
                reader.relation("table", relation, true);
            }
        }
        for list in [
            &select.distinct_clause,
            &select.target_list,
            &select.from_clause,
            &select.group_clause,
            &select.window_clause,
            &select.values_lists,
            &select.sort_clause,
            &select.locking_clause,
        ] {
            list.walk(reader);
        }
        reader.condition(&select.where_clause);
        for one in [
            &select.having_clause,
            &select.limit_offset,
            &select.limit_count,
        ] {
            one.walk(reader);
        }
        select.larg.walk(reader);
        select.rarg.walk(reader);
    });
}

/// A CTE: its search and cycle columns are its own.
fn common<'a>(reader: &mut Reader<'a>, cte: &'a CommonTableExpr) -> bool {
    cte.ctequery.walk(reader);
    if let Some(cycle) = &cte.cycle_clause {
        cycle.cycle_mark_value.walk(reader);
        cycle.cycle_mark_default.walk(reader);
    }
    false
}

/// FOR UPDATE and its kin take row locks and need the right to write. The names are aliases.
fn locked(reader: &mut Reader<'_>, _clause: &LockingClause) -> bool {
    reader.does(Category::Write, Effect::Write, Verbs::WRITE);
    reader.label("lock-rows");
    false
}

fn joined<'a>(reader: &mut Reader<'a>, join: &'a JoinExpr) -> bool {
    reader.columns(&join.using_clause);
    join.larg.walk(reader);
    join.rarg.walk(reader);
    join.alias.walk(reader);
    join.join_using_alias.walk(reader);
    reader.condition(&join.quals);
    false
}

fn operator(reader: &mut Reader<'_>, name: &[Node]) {
    if name.is_empty() {
        return;
    }
    match Name::of_parts(name) {
        Some(name) if name.maybe_catalog() && catalog::is_operator(name.name) => {}
        Some(name) => {
            reader.transparent = false;
            reader.object("operator", name, false);
        }
        None => reader.transparent = false,
    }
}

fn type_name(reader: &mut Reader<'_>, written: &TypeName) {
    match Name::of_parts(&written.names) {
        Some(name) if name.maybe_catalog() && catalog::is_type(name.name) => {}
        Some(name) => {
            reader.transparent = false;
            reader.object("type", name, false);
        }
        None => {}
    }
}

fn sampled(reader: &mut Reader<'_>, sample: &RangeTableSample) {
    let own = Name::of_parts(&sample.method)
        .is_some_and(|name| name.maybe_catalog() && matches!(name.name, "bernoulli" | "system"));
    reader.transparent &= own;
}

/// The elements of a list node, or the node itself.
pub(crate) fn items(node: &Node) -> &[Node] {
    match &node.node {
        Some(node::Node::List(list)) => &list.items,
        _ => std::slice::from_ref(node),
    }
}
