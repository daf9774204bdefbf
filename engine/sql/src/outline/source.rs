//! FROM: relations, sub-selects, functions, joins.
//!
//! Refuses: what rows come from and is not listed here may bring any column.

use super::query::strings;
use super::{Drawer, unknown_source};
use crate::attributes;
use crate::tree::{Seen, Visit, Walk};
use pg_query::protobuf::{
    Alias, JoinExpr, JsonTable, Node, RangeFunction, RangeSubselect, RangeTableFunc,
    RangeTableSample, RangeVar, node,
};
use portcullis_model::outline::{Expression, Join, Select, Source, SourceKind, Step};
use std::collections::{BTreeSet, HashSet};

/// A relation as a source.
pub(super) fn relation(relation: &RangeVar) -> Source {
    Source {
        kind: SourceKind::Relation {
            schema: Some(relation.schemaname.clone()).filter(|schema| !schema.is_empty()),
            name: relation.relname.clone(),
            real: false,
        },
        name: Some(match &relation.alias {
            Some(alias) => alias.aliasname.clone(),
            None => relation.relname.clone(),
        }),
        columns: renamed(relation.alias.as_ref()),
    }
}

/// A relation that is written or copied: never a common table expression.
pub(super) fn target(written: &RangeVar) -> Source {
    let mut source = relation(written);
    if let SourceKind::Relation { real, .. } = &mut source.kind {
        *real = true;
    }
    source
}

fn renamed(alias: Option<&Alias>) -> Vec<String> {
    alias.map_or_else(Vec::new, |alias| strings(&alias.colnames))
}

fn named(alias: Option<&Alias>) -> Option<String> {
    alias.map(|alias| alias.aliasname.clone())
}

impl Drawer {
    /// One element of FROM, as steps.
    pub(super) fn source(&mut self, source: &Node, drawn: &mut Select) {
        if !self.one_more() {
            return;
        }
        let step = match &source.node {
            Some(node::Node::RangeVar(range)) => relation(range),
            Some(node::Node::RangeSubselect(select)) => self.sub_select(select),
            Some(node::Node::RangeFunction(function)) => self.function(function),
            Some(node::Node::RangeTableFunc(table)) => self.xml_table(table),
            Some(node::Node::JsonTable(table)) => self.json_table(table),
            Some(node::Node::RangeTableSample(sample)) => return self.sample(sample, drawn),
            Some(node::Node::JoinExpr(join)) => return self.join(join, drawn),
            _ => {
                self.partial = true;
                unknown_source(None)
            }
        };
        drawn.from.push(Step::Source(step));
    }

    fn sub_select(&mut self, range: &RangeSubselect) -> Source {
        let name = named(range.alias.as_ref());
        match range.subquery.as_deref().map(|query| &query.node) {
            Some(Some(node::Node::SelectStmt(select))) => Source {
                kind: SourceKind::Query(Box::new(self.query(select))),
                name,
                columns: renamed(range.alias.as_ref()),
            },
            _ => {
                self.partial = true;
                unknown_source(name)
            }
        }
    }

    /// How many rows a function brings tells of its arguments, so they count as tested.
    fn function(&mut self, range: &RangeFunction) -> Source {
        let value = self.value(&range.functions);
        let defined = self.value(&range.coldeflist);
        Source {
            kind: SourceKind::Rows {
                value: tested(joined(value, defined)),
                columns: sorted(attributes::columns_of(range)),
            },
            name: attributes::name_of(range).map(str::to_owned),
            columns: renamed(range.alias.as_ref()),
        }
    }

    fn xml_table(&mut self, table: &RangeTableFunc) -> Source {
        Source {
            kind: SourceKind::Rows {
                value: tested(self.children(table)),
                columns: Columns::of(table),
            },
            name: named(table.alias.as_ref()),
            columns: renamed(table.alias.as_ref()),
        }
    }

    fn json_table(&mut self, table: &JsonTable) -> Source {
        Source {
            kind: SourceKind::Rows {
                value: tested(self.children(table)),
                columns: Columns::of(table),
            },
            name: named(table.alias.as_ref()),
            columns: renamed(table.alias.as_ref()),
        }
    }

    fn sample(&mut self, sample: &RangeTableSample, drawn: &mut Select) {
        for test in [self.value(&sample.args), self.value(&sample.repeatable)] {
            drawn.tests.push(test);
        }
        match sample.relation.as_deref() {
            Some(relation) => self.source(relation, drawn),
            None => self.partial = true,
        }
    }

    fn join(&mut self, join: &JoinExpr, drawn: &mut Select) {
        let (Some(left), Some(right)) = (join.larg.as_deref(), join.rarg.as_deref()) else {
            self.partial = true;
            return;
        };
        self.source(left, drawn);
        self.source(right, drawn);
        let on = join.quals.as_deref().map(|quals| self.value(quals));
        let alias = join.alias.as_ref();
        drawn.from.push(Step::Join(Join {
            using: strings(&join.using_clause),
            natural: join.is_natural,
            on,
            alias: alias.map(|alias| (alias.aliasname.clone(), strings(&alias.colnames))),
            using_alias: named(join.join_using_alias.as_ref()),
        }));
    }

    fn children<T: Walk>(&mut self, tree: &T) -> Expression {
        super::value::below(self, tree)
    }
}

/// In an order that is the same for the same text.
fn sorted(names: HashSet<&str>) -> Vec<String> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    names.into_iter().map(str::to_owned).collect()
}

fn joined(mut one: Expression, other: Expression) -> Expression {
    one.reads.extend(other.reads);
    one.opaque |= other.opaque;
    one
}

fn tested(mut value: Expression) -> Expression {
    for read in &mut value.reads {
        read.tested = true;
    }
    value
}

/// Collects the columns that XMLTABLE and JSON_TABLE name.
struct Columns(Vec<String>);

impl Columns {
    fn of<T: Walk>(table: &T) -> Vec<String> {
        let mut columns = Self(Vec::new());
        table.walk_children(&mut columns);
        columns.0
    }
}

impl<'a> Visit<'a> for Columns {
    fn enter(&mut self, node: Seen<'a>) -> bool {
        match node {
            Seen::RangeTableFuncCol(column) => self.0.push(column.colname.clone()),
            Seen::JsonTableColumn(column) if !column.name.is_empty() => {
                self.0.push(column.name.clone());
            }
            Seen::SelectStmt(_) => return false,
            _ => {}
        }
        true
    }

    fn unlisted(&mut self) {}
}
