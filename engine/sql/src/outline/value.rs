//! Expressions: what a value is made of, and what decides inside of it.
//!
//! Refuses: a function, an operator or a cast that is not PostgreSQL's own may read anything, and so may a
//! field of an expression, which may be a call. What may fail for some values and not for others tells of them:
//! what it is given counts as tested.

use super::{Drawer, calm};
use crate::attributes;
use crate::catalog;
use crate::expression::items;
use crate::names::{self, Name};
use crate::tree::{Seen, Visit, Walk};
use calm::Sides;
use pg_query::protobuf::{
    AExpr, AIndirection, CaseExpr, ColumnRef, FuncCall, JsonAggConstructor, Node, SelectStmt,
    SubLink, SubLinkType, TypeCast, TypeName, WindowDef, node,
};
use portcullis_model::outline::{Expression, Read, What};

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
    /// Nothing in what is read now can fail.
    calm: bool,
}

impl<'d> Value<'d> {
    fn new(drawer: &'d mut Drawer) -> Self {
        Self {
            drawer,
            drawn: Expression::default(),
            conditions: 0,
            calm: false,
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
        let fails = u32::from(!calm::compares(link));
        self.conditions += fails;
        link.testexpr.walk(self);
        self.operator(&link.oper_name);
        let exists = link.sub_link_type == SubLinkType::ExistsSublink as i32;
        match link.subselect.as_deref().map(|query| &query.node) {
            Some(Some(node::Node::SelectStmt(select))) => self.query(select, exists),
            _ => self.unlisted(),
        }
        self.conditions -= fails;
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
        for (place, argument) in call.args.iter().enumerate() {
            match calm::takes(call, place) {
                true => argument.walk(self),
                false => self.condition(argument),
            }
        }
        match call.agg_within_group && attributes::is_clear(call) {
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

    /// The others of several are not looked at where one has settled it, so what they take, and whether they fail,
    /// tells of it.
    fn several(&mut self, values: &[Node]) {
        // Inside of what has been looked at, or counts as tested anyway, there is nothing to look for.
        let settled = self.calm || self.conditions > 0;
        match settled || values.iter().all(calm::is) {
            true => {
                let around = std::mem::replace(&mut self.calm, true);
                values.iter().for_each(|value| value.walk(self));
                self.calm = around;
            }
            false => values.iter().for_each(|value| self.condition(value)),
        }
    }

    fn sides(&mut self, expression: &AExpr) {
        self.operator(&expression.name);
        let sides = calm::sides(expression);
        match sides {
            Sides::Calm | Sides::Left => expression.lexpr.walk(self),
            Sides::None => self.condition(&expression.lexpr),
        }
        match sides {
            Sides::Calm => expression.rexpr.walk(self),
            Sides::Left | Sides::None => self.condition(&expression.rexpr),
        }
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
        match calm::casts(cast) {
            true => cast.arg.walk(self),
            false => self.condition(&cast.arg),
        }
        let constant = matches!(
            cast.arg.as_deref().map(|arg| &arg.node),
            Some(Some(node::Node::AConst(_) | node::Node::ParamRef(_)))
        );
        if !constant {
            cast.type_name.walk(self);
        }
    }

    fn path(&mut self, path: &AIndirection) {
        let steps = || path.indirection.iter().flat_map(items);
        let calls = |step| names::string(step).is_some_and(calm::may_fail);
        match steps().any(calls) {
            true => self.condition(&path.arg),
            false => path.arg.walk(self),
        }
        for step in steps() {
            match &step.node {
                Some(node::Node::AIndices(_)) => self.condition(step),
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
            Seen::AExpr(expression) => self.sides(expression),
            Seen::SortBy(sort) => {
                self.operator(&sort.use_op);
                return true;
            }
            Seen::TypeName(name) => {
                self.type_name(name);
                return true;
            }
            other if calm::passes(other) => return true,
            Seen::BoolExpr(expression) => self.several(&expression.args),
            Seen::CoalesceExpr(expression) => self.several(&expression.args),
            Seen::InsertStmt(_)
            | Seen::UpdateStmt(_)
            | Seen::DeleteStmt(_)
            | Seen::MergeStmt(_) => self.unlisted(),
            // A key may not be NULL.
            Seen::JsonKeyValue(pair) => {
                self.condition(&pair.key);
                pair.value.walk(self);
            }
            other => {
                self.conditions += 1;
                other.walk_children(self);
                self.conditions -= 1;
            }
        }
        false
    }

    fn unlisted(&mut self) {
        self.drawer.partial = true;
        self.drawn.opaque = true;
    }
}
