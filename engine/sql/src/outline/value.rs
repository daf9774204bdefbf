//! Expressions: what a value is made of, and what decides inside of it.
//!
//! Refuses: a function, an operator or a cast that is not PostgreSQL's own may read anything, and so may a
//! field of an expression, which may be a call.

use super::Drawer;
use crate::attributes;
use crate::catalog;
use crate::expression::items;
use crate::names::{self, Name};
use crate::tree::{Seen, Visit, Walk};
use pg_query::protobuf::{
    AExprKind, AIndirection, CaseExpr, ColumnRef, FuncCall, JsonAggConstructor, Node, SelectStmt,
    SubLink, SubLinkType, TypeCast, TypeName, WindowDef, node,
};
use portcullis_model::outline::{Expression, Read, What};

/// Functions that bring several rows for one, so that their number tells of the arguments. From
/// PostgreSQL's `pg_proc` (`proretset`).
const SET_RETURNING: [&str; 26] = [
    "aclexplode",
    "generate_series",
    "generate_subscripts",
    "json_array_elements",
    "json_array_elements_text",
    "json_each",
    "json_each_text",
    "json_object_keys",
    "json_populate_recordset",
    "json_to_recordset",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_keys",
    "jsonb_path_query",
    "jsonb_path_query_tz",
    "jsonb_populate_recordset",
    "jsonb_to_recordset",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
    "ts_debug",
    "ts_parse",
    "ts_token_type",
    "unnest",
];

/// All that a piece of the tree is made of.
pub(super) fn of<T: Walk + ?Sized>(drawer: &mut Drawer, tree: &T) -> Expression {
    let mut value = Value::new(drawer);
    tree.walk(&mut value);
    value.drawn
}

/// The same of what stands below it.
pub(super) fn below<T: Walk + ?Sized>(drawer: &mut Drawer, tree: &T) -> Expression {
    let mut value = Value::new(drawer);
    tree.walk_children(&mut value);
    value.drawn
}

struct Value<'d> {
    drawer: &'d mut Drawer,
    drawn: Expression,
    /// How many conditions stand around what is read now.
    conditions: u32,
}

impl<'d> Value<'d> {
    fn new(drawer: &'d mut Drawer) -> Self {
        Self {
            drawer,
            drawn: Expression::default(),
            conditions: 0,
        }
    }

    fn reads(&mut self, what: What) {
        if self.drawer.one_more() {
            let tested = self.conditions > 0;
            self.drawn.reads.push(Read { what, tested });
        } else {
            self.drawn.opaque = true;
        }
    }

    fn condition<T: Walk + ?Sized>(&mut self, tree: &T) {
        self.conditions += 1;
        tree.walk(self);
        self.conditions -= 1;
    }

    fn column(&mut self, column: &ColumnRef) {
        let parts: Option<Vec<String>> = column
            .fields
            .iter()
            .map(|part| names::string(part).map(str::to_owned))
            .collect();
        let mut before = column.fields.iter().rev().skip(1);
        match (parts, before.next().and_then(names::string)) {
            (Some(parts), _) => self.reads(What::Column(parts)),
            (None, Some(table)) => self.reads(What::Row(table.to_owned())),
            (None, None) => self.drawn.opaque = true,
        }
    }

    fn query(&mut self, select: &SelectStmt, exists: bool) {
        let query = Box::new(self.drawer.query(select));
        self.reads(match exists {
            true => What::Exists(query),
            false => What::Query(query),
        });
    }

    fn link(&mut self, link: &SubLink) {
        link.testexpr.walk(self);
        self.operator(&link.oper_name);
        let exists = link.sub_link_type == SubLinkType::ExistsSublink as i32;
        match link.subselect.as_deref().map(|query| &query.node) {
            Some(Some(node::Node::SelectStmt(select))) => self.query(select, exists),
            _ => self.unlisted(),
        }
    }

    /// The value of a CASE follows what its arms are chosen by.
    fn case(&mut self, case: &CaseExpr) {
        self.condition(&case.arg);
        for arm in &case.args {
            match &arm.node {
                Some(node::Node::CaseWhen(when)) => {
                    self.condition(&when.expr);
                    when.result.walk(self);
                }
                _ => self.condition(arm),
            }
        }
        case.defresult.walk(self);
    }

    fn call(&mut self, call: &FuncCall) {
        self.drawn.opaque |= !attributes::is_clear(call);
        let name = Name::of_parts(&call.funcname).map_or("", |name| name.name);
        match SET_RETURNING.contains(&name) {
            true => self.condition(&call.args),
            false => call.args.walk(self),
        }
        match call.agg_within_group {
            // The arguments of an ordered-set aggregate stand there.
            true => call.agg_order.walk(self),
            false => self.condition(&call.agg_order),
        }
        self.condition(&call.agg_filter);
        call.over.walk(self);
    }

    fn json_aggregate(&mut self, aggregate: &JsonAggConstructor) {
        aggregate.output.walk(self);
        self.condition(&aggregate.agg_filter);
        self.condition(&aggregate.agg_order);
        aggregate.over.walk(self);
    }

    fn window(&mut self, window: &WindowDef) {
        self.condition(&window.partition_clause);
        self.condition(&window.order_clause);
        self.condition(&window.start_offset);
        self.condition(&window.end_offset);
    }

    fn operator(&mut self, name: &[Node]) {
        let own = |name: Name<'_>| name.maybe_catalog() && catalog::is_operator(name.name);
        self.drawn.opaque |= !name.is_empty() && !Name::of_parts(name).is_some_and(own);
    }

    fn type_name(&mut self, written: &TypeName) {
        let own = |name: Name<'_>| name.maybe_catalog() && catalog::is_type(name.name);
        self.drawn.opaque |= !Name::of_parts(&written.names).is_none_or(own);
    }

    /// What a client has written itself stays its own, whatever it becomes.
    fn cast(&mut self, cast: &TypeCast) {
        cast.arg.walk(self);
        let constant = matches!(
            cast.arg.as_deref().map(|arg| &arg.node),
            Some(Some(node::Node::AConst(_) | node::Node::ParamRef(_)))
        );
        if !constant {
            cast.type_name.walk(self);
        }
    }

    fn path(&mut self, path: &AIndirection) {
        path.arg.walk(self);
        for step in path.indirection.iter().flat_map(items) {
            match &step.node {
                Some(node::Node::AIndices(_)) => step.walk(self),
                // All fields of a value are no more than the value.
                Some(node::Node::AStar(_)) => {}
                _ => self.drawn.opaque = true,
            }
        }
    }
}

impl<'a> Visit<'a> for Value<'_> {
    fn enter(&mut self, node: Seen<'a>) -> bool {
        if self.drawer.partial {
            // It tells nothing any more, whatever is added.
            self.drawn.opaque = true;
            return false;
        }
        match node {
            Seen::ColumnRef(column) => self.column(column),
            Seen::SelectStmt(select) => self.query(select, false),
            Seen::SubLink(link) => self.link(link),
            Seen::CaseExpr(case) => self.case(case),
            Seen::FuncCall(call) => self.call(call),
            Seen::JsonAggConstructor(aggregate) => self.json_aggregate(aggregate),
            Seen::WindowDef(window) => self.window(window),
            Seen::TypeCast(cast) => self.cast(cast),
            Seen::AIndirection(path) => self.path(path),
            Seen::AExpr(expression) => {
                self.operator(&expression.name);
                if expression.kind != AExprKind::AexprNullif as i32 {
                    return true;
                }
                // Whether it is NULL follows from the comparison.
                self.condition(&expression.lexpr);
                self.condition(&expression.rexpr);
            }
            Seen::SortBy(sort) => {
                self.operator(&sort.use_op);
                return true;
            }
            Seen::TypeName(name) => {
                self.type_name(name);
                return true;
            }
            Seen::InsertStmt(_)
            | Seen::UpdateStmt(_)
            | Seen::DeleteStmt(_)
            | Seen::MergeStmt(_) => self.unlisted(),
            _ => return true,
        }
        false
    }

    fn unlisted(&mut self) {
        self.drawer.partial = true;
        self.drawn.opaque = true;
    }
}
