//! Queries: WITH, set operations, SELECT, VALUES, ORDER BY.
//!
//! Refuses: a result with a column that cannot be counted (`(row).*`) has no columns.

use super::{Drawer, title};
use crate::expression::items;
use crate::names;
use crate::tree::Walk;
use pg_query::protobuf::{
    CommonTableExpr, Node, ResTarget, SelectStmt, SetOperation, WithClause, a_const, node,
};
use portcullis_model::outline::{Arm, Cte, Expression, Key, Output, Query, Select, Shows};

impl Drawer {
    /// A query, one level deeper.
    pub(super) fn query(&mut self, select: &SelectStmt) -> Query {
        self.deeper(|drawer| drawer.query_here(select))
    }

    fn query_here(&mut self, select: &SelectStmt) -> Query {
        let mut query = self.with(select.with_clause.as_ref());
        self.arms(select, &mut query);
        query.order = self.keys(&select.sort_clause);
        query.limits = [&select.limit_offset, &select.limit_count]
            .into_iter()
            .flatten()
            .map(|limit| self.value(limit))
            .collect();
        query
    }

    /// A query that has nothing yet but its common table expressions.
    pub(super) fn with(&mut self, with: Option<&WithClause>) -> Query {
        let mut query = Query::default();
        let Some(with) = with else {
            return query;
        };
        query.recursive = with.recursive;
        for node in &with.ctes {
            match &node.node {
                Some(node::Node::CommonTableExpr(cte)) => {
                    let cte = self.cte(cte);
                    query.ctes.push(cte);
                }
                _ => self.partial = true,
            }
        }
        query
    }

    fn cte(&mut self, cte: &CommonTableExpr) -> Cte {
        // SEARCH and CYCLE add columns.
        self.partial |= cte.search_clause.is_some() || cte.cycle_clause.is_some();
        let query = match cte.ctequery.as_deref().map(|query| &query.node) {
            Some(Some(node::Node::SelectStmt(select))) => self.query(select),
            Some(Some(node::Node::InsertStmt(statement))) => self.insert(statement),
            Some(Some(node::Node::UpdateStmt(statement))) => self.update(statement),
            Some(Some(node::Node::DeleteStmt(statement))) => self.delete(statement),
            Some(Some(node::Node::MergeStmt(statement))) => self.merge(statement),
            _ => {
                self.partial = true;
                Query::default()
            }
        };
        Cte {
            name: cte.ctename.clone(),
            columns: strings(&cte.aliascolnames),
            query,
        }
    }

    /// The arms of set operations, from left to right.
    fn arms(&mut self, select: &SelectStmt, query: &mut Query) {
        if select.op == SetOperation::SetopNone as i32 {
            let arm = self.arm(select);
            query.arms.push(arm);
            return;
        }
        query.compares |= !(select.op == SetOperation::SetopUnion as i32 && select.all);
        for side in [&select.larg, &select.rarg] {
            match side.as_deref() {
                Some(side) if is_bare(side) => self.arms(side, query),
                Some(side) => {
                    let nested = self.query(side);
                    query.arms.push(Arm::Nested(Box::new(nested)));
                }
                None => self.partial = true,
            }
        }
    }

    fn arm(&mut self, select: &SelectStmt) -> Arm {
        if !self.one_more() {
            return Arm::Values(Vec::new());
        }
        if select.values_lists.is_empty() {
            return Arm::Select(Box::new(self.select(select)));
        }
        let mut columns: Vec<Expression> = Vec::new();
        for (row, list) in select.values_lists.iter().enumerate() {
            let list = items(list);
            match row {
                0 => columns = list.iter().map(|item| self.value(item)).collect(),
                _ if list.len() != columns.len() => self.partial = true,
                _ => {
                    for (column, item) in columns.iter_mut().zip(list) {
                        let more = self.value(item);
                        column.reads.extend(more.reads);
                        column.opaque |= more.opaque;
                    }
                }
            }
        }
        Arm::Values(columns)
    }

    fn select(&mut self, select: &SelectStmt) -> Select {
        let mut drawn = Select::default();
        for source in &select.from_clause {
            self.source(source, &mut drawn);
        }
        for test in [&select.where_clause, &select.having_clause]
            .into_iter()
            .flatten()
        {
            let test = self.value(test);
            drawn.tests.push(test);
        }
        drawn
            .tests
            .extend(select.window_clause.iter().map(|window| self.value(window)));
        // DISTINCT stands as one empty node, DISTINCT ON as expressions.
        drawn.distinct = select
            .distinct_clause
            .iter()
            .any(|node| node.node.is_none());
        let on = select.distinct_clause.iter().filter(|n| n.node.is_some());
        for node in on.chain(&select.group_clause) {
            self.group(node, &mut drawn.groups);
        }
        drawn.outputs = Some(Vec::with_capacity(select.target_list.len()));
        for target in &select.target_list {
            self.target(target, &mut drawn);
        }
        drawn
    }

    /// One element of the list of what is selected.
    fn target(&mut self, node: &Node, drawn: &mut Select) {
        let target = match &node.node {
            Some(node::Node::ResTarget(target)) if self.one_more() => target,
            _ => {
                self.partial = true;
                drawn.outputs = None;
                return;
            }
        };
        match self.output(target) {
            Some(output) => {
                if let Some(outputs) = &mut drawn.outputs {
                    outputs.push(output);
                }
            }
            None => {
                drawn.outputs = None;
                let aside = self.value(target);
                drawn.aside.push(aside);
            }
        }
    }

    fn output(&mut self, target: &ResTarget) -> Option<Output> {
        let value = target.val.as_deref()?;
        let mut name = Some(target.name.clone()).filter(|name| !name.is_empty());
        let shows = match &value.node {
            Some(node::Node::ColumnRef(column)) => {
                let mut parts = column.fields.iter().rev();
                match parts.next().and_then(names::string) {
                    Some(last) => {
                        name = name.or_else(|| Some(last.to_owned()));
                        Shows::Value(self.value(value))
                    }
                    None => match parts.next() {
                        Some(table) => Shows::AllOf(names::string(table)?.to_owned()),
                        None => Shows::All,
                    },
                }
            }
            Some(node::Node::AIndirection(path)) if path.indirection.iter().any(is_star) => {
                return None;
            }
            _ => {
                name = name.or_else(|| title::of(value));
                Shows::Value(self.value(value))
            }
        };
        Some(Output { name, shows })
    }

    fn group(&mut self, node: &Node, keys: &mut Vec<Key>) {
        match &node.node {
            Some(node::Node::GroupingSet(set)) => {
                for inner in &set.content {
                    self.group(inner, keys);
                }
            }
            Some(node::Node::RowExpr(row)) => {
                for inner in &row.args {
                    self.group(inner, keys);
                }
            }
            _ => {
                let key = self.key(node);
                keys.push(key);
            }
        }
    }

    fn keys(&mut self, sorts: &[Node]) -> Vec<Key> {
        let mut keys = Vec::with_capacity(sorts.len());
        for sort in sorts {
            match &sort.node {
                Some(node::Node::SortBy(sort)) if sort.node.is_some() => {
                    keys.extend(sort.node.as_deref().map(|by| self.key(by)));
                }
                _ => self.partial = true,
            }
        }
        keys
    }

    fn key(&mut self, node: &Node) -> Key {
        match &node.node {
            Some(node::Node::AConst(constant)) => match &constant.val {
                Some(a_const::Val::Ival(place)) => {
                    Key::Place(usize::try_from(place.ival).unwrap_or(0))
                }
                _ => Key::Value(Expression::default()),
            },
            Some(node::Node::ColumnRef(column)) if column.fields.len() == 1 => {
                match column.fields.first().and_then(names::string) {
                    Some(name) if self.one_more() => Key::Name(name.to_owned()),
                    _ => Key::Value(self.value(node)),
                }
            }
            _ => Key::Value(self.value(node)),
        }
    }

    /// All that a piece of the tree is made of.
    pub(super) fn value<T: Walk + ?Sized>(&mut self, tree: &T) -> Expression {
        super::value::of(self, tree)
    }
}

/// True where nothing but the set operation would be lost by taking its arms apart.
fn is_bare(select: &SelectStmt) -> bool {
    select.with_clause.is_none()
        && select.sort_clause.is_empty()
        && select.limit_offset.is_none()
        && select.limit_count.is_none()
}

fn is_star(node: &Node) -> bool {
    matches!(&node.node, Some(node::Node::AStar(_)))
}

/// The strings in a list of names.
pub(super) fn strings(list: &[Node]) -> Vec<String> {
    let strings = list.iter().filter_map(names::string);
    strings.map(str::to_owned).collect()
}
