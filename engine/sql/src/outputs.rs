//! What each result column of a plain SELECT reads, where that is certain.
//!
//! Refuses: everything but the plainest of queries. A wrong answer here would let a protected value pass,
//! no answer only masks more.

use crate::attributes;
use crate::names;
use crate::tree::{Seen, Visit, Walk};
use pg_query::protobuf::{Alias, JoinExpr, Node, ResTarget, SelectStmt, SetOperation, node};
use std::collections::HashSet;

/// The columns that each result column reads; none unless that is certain. The caller drops the answer
/// when the statement is not transparent.
pub(crate) fn of(statement: &Node) -> Option<Vec<Vec<String>>> {
    let Some(node::Node::SelectStmt(select)) = &statement.node else {
        return None;
    };
    let plain = select.with_clause.is_none()
        && select.op == SetOperation::SetopNone as i32
        && select.into_clause.is_none()
        && select.values_lists.is_empty()
        && select.window_clause.is_empty()
        && !nests(select);
    if !plain {
        return None;
    }
    let mut relations = HashSet::new();
    for source in &select.from_clause {
        relation(source, &mut relations)?;
    }
    select
        .target_list
        .iter()
        .map(|target| match &target.node {
            Some(node::Node::ResTarget(target)) => reads(target, &relations),
            _ => None,
        })
        .collect()
}

/// True when another query stands anywhere in it.
fn nests(select: &SelectStmt) -> bool {
    let mut search = Search::default();
    select.walk_children(&mut search);
    search.found
}

#[derive(Default)]
struct Search {
    found: bool,
}

impl<'a> Visit<'a> for Search {
    fn enter(&mut self, node: Seen<'a>) -> bool {
        self.found |= matches!(
            node,
            Seen::SelectStmt(_)
                | Seen::SubLink(_)
                | Seen::RangeSubselect(_)
                | Seen::RangeFunction(_)
                | Seen::RangeTableFunc(_)
                | Seen::RangeTableSample(_)
                | Seen::JsonTable(_)
                | Seen::LockingClause(_)
                | Seen::JsonArrayQueryConstructor(_)
        );
        !self.found
    }

    fn unlisted(&mut self) {
        self.found = true;
    }
}

/// Collects the names by which a whole row could be meant.
fn relation<'t>(source: &'t Node, names: &mut HashSet<&'t str>) -> Option<()> {
    match &source.node {
        Some(node::Node::RangeVar(relation)) => {
            names.insert(&relation.relname);
            plain_alias(relation.alias.as_ref(), names)
        }
        Some(node::Node::JoinExpr(join)) => joined(join, names),
        _ => None,
    }
}

fn joined<'t>(join: &'t JoinExpr, names: &mut HashSet<&'t str>) -> Option<()> {
    relation(join.larg.as_deref()?, names)?;
    relation(join.rarg.as_deref()?, names)?;
    plain_alias(join.alias.as_ref(), names)?;
    plain_alias(join.join_using_alias.as_ref(), names)
}

/// An alias that renames columns hides which are meant.
fn plain_alias<'t>(alias: Option<&'t Alias>, names: &mut HashSet<&'t str>) -> Option<()> {
    if let Some(alias) = alias {
        names.insert(&alias.aliasname);
        if !alias.colnames.is_empty() {
            return None;
        }
    }
    Some(())
}

fn reads(target: &ResTarget, relations: &HashSet<&str>) -> Option<Vec<String>> {
    let mut reads = Reads {
        relations,
        columns: Some(Vec::new()),
        seen: HashSet::new(),
    };
    target.val.as_deref()?.walk(&mut reads);
    reads.columns
}

struct Reads<'r> {
    relations: &'r HashSet<&'r str>,
    columns: Option<Vec<String>>,
    seen: HashSet<String>,
}

impl Reads<'_> {
    fn column(&mut self, name: &str, qualified: bool) {
        // `u.row_to_json` is a call of that function on the whole row, unless there is such a column.
        let whole = match qualified {
            true => attributes::takes_rows(name),
            false => self.relations.contains(name),
        };
        match &mut self.columns {
            Some(columns) if !whole => {
                if self.seen.insert(name.to_owned()) {
                    columns.push(name.to_owned());
                }
            }
            _ => self.columns = None,
        }
    }
}

impl<'a> Visit<'a> for Reads<'_> {
    fn enter(&mut self, node: Seen<'a>) -> bool {
        match node {
            Seen::ColumnRef(column) => {
                match column.fields.last().and_then(names::string) {
                    Some(name) => self.column(name, column.fields.len() > 1),
                    None => self.columns = None,
                }
                false
            }
            Seen::AIndirection(_) | Seen::AStar(_) => {
                self.columns = None;
                false
            }
            _ => self.columns.is_some(),
        }
    }

    fn unlisted(&mut self) {
        self.columns = None;
    }
}
