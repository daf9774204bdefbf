//! Whether the facts of a text would be the same with other literals in it.
//!
//! They are when nothing that was read looks at the value of one. So every node of the tree has to be on a
//! short list of nodes whose reading does not, every function called must be one whose arguments are not
//! looked at, and every literal of the text has to stand in the tree as a constant of its own: one that the
//! grammar used up otherwise (`float(24)`, an array's bound) may have decided what the tree looks like.
//!
//! Refuses: whatever is not on the list, and texts of several statements, with secrets in them, or that change
//! anything about the session.

use crate::functions;
use crate::shape::Shape;
use crate::tree::{Seen, Visit, Walk};
use pg_query::protobuf::{AConst, Node, ParseResult, SelectStmt, a_const, node};
use portcullis_model::Facts;
use portcullis_model::facts::Parse;
use std::collections::HashSet;

/// True when any text of this shape has these facts, but for where its statement ends.
pub(crate) fn of(text: &str, tree: &ParseResult, facts: &Facts) -> bool {
    let ([raw], [statement]) = (tree.stmts.as_slice(), facts.statements.as_slice()) else {
        return false;
    };
    let plain = facts.parse == Parse::Ok
        && facts.secrets.is_empty()
        && statement.changes.is_empty()
        && statement.copy.is_none();
    let Some(shape) = Shape::of(text).filter(|_| plain) else {
        return false;
    };
    let outside = |literal: &std::ops::Range<u32>| {
        literal.start < statement.span.start || literal.end > statement.span.end
    };
    if shape.literals().iter().any(outside) {
        return false;
    }
    let mut search = Search::default();
    raw.stmt.walk(&mut search);
    let held = |literal: &std::ops::Range<u32>| {
        search.constants.contains(&literal.start)
            || negated(text, literal.start).is_some_and(|sign| search.constants.contains(&sign))
    };
    !search.looks && shape.literals().iter().all(held)
}

/// Where the minus sign stands that the grammar makes part of the constant.
fn negated(text: &str, literal: u32) -> Option<u32> {
    let before = text.get(..literal as usize)?.trim_ascii_end();
    let sign = before.strip_suffix('-')?.len();
    u32::try_from(sign).ok()
}

#[derive(Default)]
struct Search {
    /// Something may look at a literal's value.
    looks: bool,
    /// Where numbers and strings stand in the tree.
    constants: HashSet<u32>,
}

impl Search {
    fn constant(&mut self, constant: &AConst) {
        match &constant.val {
            Some(a_const::Val::Ival(_) | a_const::Val::Fval(_) | a_const::Val::Sval(_)) => {
                if let Ok(at) = u32::try_from(constant.location) {
                    self.constants.insert(at);
                }
            }
            // TRUE, FALSE and NULL are words, and words are part of the shape.
            Some(a_const::Val::Boolval(_)) | None => {}
            Some(a_const::Val::Bsval(_)) => self.looks = true,
        }
    }
}

impl<'a> Visit<'a> for Search {
    fn enter(&mut self, node: Seen<'a>) -> bool {
        match node {
            Seen::AConst(constant) => self.constant(constant),
            Seen::FuncCall(call) => self.looks |= functions::looks(call),
            Seen::TypeName(name) => {
                self.looks |= !name.typmods.is_empty() || !name.array_bounds.is_empty();
            }
            Seen::SelectStmt(select) => self.looks |= counts_places(select),
            Seen::InsertStmt(_)
            | Seen::UpdateStmt(_)
            | Seen::DeleteStmt(_)
            | Seen::ResTarget(_)
            | Seen::ColumnRef(_)
            | Seen::AStar(_)
            | Seen::AExpr(_)
            | Seen::AArrayExpr(_)
            | Seen::BoolExpr(_)
            | Seen::NullTest(_)
            | Seen::BooleanTest(_)
            | Seen::CaseExpr(_)
            | Seen::CaseWhen(_)
            | Seen::CoalesceExpr(_)
            | Seen::MinMaxExpr(_)
            | Seen::RowExpr(_)
            | Seen::TypeCast(_)
            | Seen::ParamRef(_)
            | Seen::SetToDefault(_)
            | Seen::SqlvalueFunction(_)
            | Seen::SubLink(_)
            | Seen::RangeVar(_)
            | Seen::RangeSubselect(_)
            | Seen::JoinExpr(_)
            | Seen::Alias(_)
            | Seen::WithClause(_)
            | Seen::CommonTableExpr(_)
            | Seen::SortBy(_)
            | Seen::LockingClause(_)
            | Seen::OnConflictClause(_)
            | Seen::InferClause(_)
            | Seen::IndexElem(_)
            | Seen::ReturningClause(_)
            | Seen::List(_)
            | Seen::String(_) => {}
            _ => self.looks = true,
        }
        !self.looks
    }

    fn unlisted(&mut self) {
        self.looks = true;
    }
}

/// True where a number may mean a column of the result, by its place.
fn counts_places(select: &SelectStmt) -> bool {
    let mut keys = select.group_clause.iter().chain(&select.distinct_clause);
    keys.any(is_place)
        || select.sort_clause.iter().any(|sort| match &sort.node {
            Some(node::Node::SortBy(sort)) => sort.node.as_deref().is_some_and(is_place),
            _ => true,
        })
}

fn is_place(key: &Node) -> bool {
    match &key.node {
        Some(node::Node::AConst(_)) => true,
        Some(node::Node::RowExpr(row)) => row.args.iter().any(is_place),
        _ => false,
    }
}
