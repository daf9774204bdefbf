//! Whether a WHERE clause restricts the rows of the statement's own table.
//!
//! Refuses: nothing is evaluated. A condition counts only when it certainly reads a column of the row;
//! a column that may belong to another relation, or to a sub-select, does not. What reads a column and
//! yet is true for every row (`id IS NOT NULL`) cannot be told apart here: limit rows by policy.

use crate::names;
use crate::tree::{Seen, Visit, Walk};
use pg_query::protobuf::{
    AExpr, AExprKind, BoolExpr, BoolExprType, ColumnRef, Node, RangeVar, SubLink, a_const, node,
};
use portcullis_model::facts::Predicate;

/// Judges a condition on `table`; `others` when the statement reads further relations beside it.
pub(crate) fn of(condition: Option<&Node>, table: Option<&RangeVar>, others: bool) -> Predicate {
    let Some(condition) = condition else {
        return Predicate::Missing;
    };
    let row = Row { table, others };
    match row.restricted(condition) {
        true => Predicate::Present,
        false => Predicate::Constant,
    }
}

struct Row<'t> {
    table: Option<&'t RangeVar>,
    others: bool,
}

impl Row<'_> {
    fn restricted(&self, condition: &Node) -> bool {
        match &condition.node {
            Some(node::Node::BoolExpr(expression)) => self.combined(expression),
            Some(node::Node::CurrentOfExpr(_)) => true,
            Some(node::Node::AExpr(comparison)) if is_itself(comparison, self.others) => false,
            _ => self.reads(condition),
        }
    }

    fn combined(&self, expression: &BoolExpr) -> bool {
        match BoolExprType::try_from(expression.boolop) {
            Ok(BoolExprType::AndExpr) => expression.args.iter().any(|arm| self.restricted(arm)),
            // One arm that is true for every row is enough; `OR false` changes nothing.
            Ok(BoolExprType::OrExpr) => {
                let mut arms = expression
                    .args
                    .iter()
                    .filter(|arm| !is_false(arm))
                    .peekable();
                arms.peek().is_some() && arms.all(|arm| self.restricted(arm))
            }
            _ => expression.args.iter().all(|arm| self.restricted(arm)),
        }
    }

    fn reads(&self, expression: &Node) -> bool {
        let mut search = Search {
            row: self,
            found: false,
            below: false,
        };
        expression.walk(&mut search);
        search.found
    }

    /// True for a column that can only be one of the row's.
    fn owns(&self, column: &ColumnRef, below: bool) -> bool {
        let mut parts = column.fields.iter().rev();
        if parts.next().and_then(names::string).is_none() {
            return false;
        }
        match parts.next().and_then(names::string) {
            None => !self.others && !below,
            Some(qualifier) => self.table.is_some_and(|table| match &table.alias {
                Some(alias) => alias.aliasname == qualifier,
                None => table.relname == qualifier,
            }),
        }
    }
}

/// Looks for a column of the row.
struct Search<'r, 't> {
    row: &'r Row<'t>,
    found: bool,
    below: bool,
}

impl<'a> Visit<'a> for Search<'_, '_> {
    fn enter(&mut self, node: Seen<'a>) -> bool {
        match node {
            Seen::ColumnRef(column) => {
                self.found |= self.row.owns(column, self.below);
                false
            }
            Seen::SubLink(link) => {
                self.beside(link);
                false
            }
            Seen::CurrentOfExpr(_) => {
                self.found = true;
                false
            }
            _ => !self.found,
        }
    }

    fn unlisted(&mut self) {}
}

impl Search<'_, '_> {
    /// The tested expression stands beside the sub-select, everything else is below it.
    fn beside(&mut self, link: &SubLink) {
        link.testexpr.walk(self);
        let before = std::mem::replace(&mut self.below, true);
        link.subselect.walk(self);
        self.below = before;
    }
}

/// `x = x`: true for every row that is not NULL there. Beside other relations an unqualified name may be
/// anybody's, so only equal paths are the same.
fn is_itself(comparison: &AExpr, others: bool) -> bool {
    let (Some(left), Some(right)) = (
        comparison.lexpr.as_deref().and_then(path),
        comparison.rexpr.as_deref().and_then(path),
    ) else {
        return false;
    };
    let loose = !others && (left.len() == 1 || right.len() == 1) && left.last() == right.last();
    comparison.kind == AExprKind::AexprOp as i32 && (left == right || loose)
}

fn path(node: &Node) -> Option<Vec<&str>> {
    match &node.node {
        Some(node::Node::ColumnRef(column)) => column.fields.iter().map(names::string).collect(),
        _ => None,
    }
}

fn is_false(node: &Node) -> bool {
    match &node.node {
        Some(node::Node::AConst(constant)) => matches!(
            &constant.val,
            Some(a_const::Val::Boolval(b)) if !b.boolval
        ),
        _ => false,
    }
}
