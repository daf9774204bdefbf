//! Draws the outline of a statement: which queries are in it, what each shows and tests.
//!
//! Refuses: what it does not know is not left out. A value that may come from anywhere is opaque, a result
//! whose columns cannot be told has none, and where a condition could have been missed the outline is partial.

mod calm;
mod query;
mod source;
mod title;
mod value;
mod writes;

use crate::names;
use crate::tree::{Seen, Visit, Walk};
use pg_query::protobuf::{CopyStmt, Node, SelectStmt, node};
use portcullis_model::limits;
use portcullis_model::outline::{Arm, Expression, Outline, Output, Query, Read, Select, Shows};
use portcullis_model::outline::{Source, SourceKind, Step, What};

/// The outline of a statement. Needs a stack of [`crate::STACK_BYTES`].
pub(crate) fn of(statement: &Node) -> Outline {
    let mut drawer = Drawer::default();
    let shown = match &statement.node {
        Some(node::Node::SelectStmt(select)) if select.into_clause.is_none() => {
            Some(drawer.query(select))
        }
        Some(node::Node::CopyStmt(copy)) if !copy.is_from => drawer.copied(copy),
        _ => None,
    };
    let mut beside = Vec::new();
    if shown.is_none() {
        let mut search = Search {
            drawer: &mut drawer,
            found: &mut beside,
        };
        statement.walk(&mut search);
    }
    Outline {
        shown,
        beside,
        partial: drawer.partial,
        size: drawer.size,
    }
}

/// Draws within bounds.
#[derive(Default)]
struct Drawer {
    size: usize,
    depth: usize,
    partial: bool,
}

impl Drawer {
    /// Counts one more name or query; false when that is too many.
    fn one_more(&mut self) -> bool {
        self.size += 1;
        let fits = self.size <= limits::OUTLINE_READS_MAX;
        self.partial |= !fits;
        fits
    }

    /// Something in a query, one level deeper; nothing where that is too deep.
    fn deeper<T: Default>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> T {
        if self.depth >= limits::OUTLINE_DEPTH_MAX || !self.one_more() {
            self.partial = true;
            return T::default();
        }
        self.depth += 1;
        let drawn = draw(self);
        self.depth -= 1;
        drawn
    }

    /// COPY … TO: of a query, or of columns that are named. All columns of a table are left to whoever knows
    /// how many there are.
    fn copied(&mut self, copy: &CopyStmt) -> Option<Query> {
        if let Some(query) = copy.query.as_deref().and_then(plain_select) {
            return Some(self.query(query));
        }
        let relation = copy.relation.as_ref()?;
        let names: Option<Vec<&str>> = copy.attlist.iter().map(names::string).collect();
        let names = names.filter(|names| !names.is_empty())?;
        let outputs = names.into_iter().map(|name| Output {
            name: Some(name.to_owned()),
            shows: Shows::Value(column(name)),
        });
        let select = Select {
            from: vec![Step::Source(source::target(relation))],
            outputs: Some(outputs.collect()),
            ..Select::default()
        };
        Some(Query {
            arms: vec![Arm::Select(Box::new(select))],
            ..Query::default()
        })
    }
}

fn plain_select(node: &Node) -> Option<&SelectStmt> {
    match &node.node {
        Some(node::Node::SelectStmt(select)) if select.into_clause.is_none() => Some(select),
        _ => None,
    }
}

/// A bare column as a value.
fn column(name: &str) -> Expression {
    Expression {
        reads: vec![Read {
            what: What::Column(vec![name.to_owned()]),
            tested: false,
        }],
        opaque: false,
    }
}

/// Looks for queries and statements that write, in whatever stands around them.
struct Search<'d> {
    drawer: &'d mut Drawer,
    found: &'d mut Vec<Query>,
}

impl<'a> Visit<'a> for Search<'_> {
    fn enter(&mut self, node: Seen<'a>) -> bool {
        let drawn = match node {
            Seen::SelectStmt(select) => self.drawer.query(select),
            Seen::InsertStmt(statement) => self.drawer.insert(statement),
            Seen::UpdateStmt(statement) => self.drawer.update(statement),
            Seen::DeleteStmt(statement) => self.drawer.delete(statement),
            Seen::MergeStmt(statement) => self.drawer.merge(statement),
            _ => return true,
        };
        self.found.push(drawn);
        false
    }

    fn unlisted(&mut self) {
        self.drawer.partial = true;
    }
}

/// A source that may bring any column.
fn unknown_source(name: Option<String>) -> Source {
    Source {
        kind: SourceKind::Rows {
            value: Expression {
                reads: Vec::new(),
                opaque: true,
            },
            columns: Vec::new(),
        },
        name,
        columns: Vec::new(),
    }
}
