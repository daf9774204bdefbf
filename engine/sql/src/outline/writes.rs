//! INSERT, UPDATE, DELETE, MERGE: what they test. What they show (RETURNING) is left to whoever looks at the
//! result.
//!
//! Refuses: a value that is written counts as read, for the conditions inside of it.

use super::{Drawer, column, source};
use pg_query::protobuf::{
    DeleteStmt, InferClause, InsertStmt, MergeStmt, Node, OnConflictClause, RangeVar,
    ReturningClause, UpdateStmt, WithClause, node,
};
use portcullis_model::outline::{Arm, Expression, Query, Read, Select, Step, What};

/// What ON CONFLICT calls the row that is to be inserted.
const PROPOSED: &str = "excluded";

impl Drawer {
    /// A statement on `target`, one level deeper.
    fn write(
        &mut self,
        with: Option<&WithClause>,
        target: Option<&RangeVar>,
        draw: impl FnOnce(&mut Self, &mut Select),
    ) -> Query {
        self.deeper(|drawer| {
            let mut query = drawer.with(with);
            let mut select = Select::default();
            match target {
                Some(target) => select.from.push(Step::Source(source::target(target))),
                None => drawer.partial = true,
            }
            draw(drawer, &mut select);
            query.arms.push(Arm::Select(Box::new(select)));
            query
        })
    }

    pub(super) fn insert(&mut self, insert: &InsertStmt) -> Query {
        let target = insert.relation.as_ref();
        self.write(insert.with_clause.as_ref(), target, |drawer, select| {
            let rows = drawer.value(&insert.select_stmt);
            select.aside.push(rows);
            drawer.returned(insert.returning_clause.as_ref(), target, select);
            if let Some(conflict) = insert.on_conflict_clause.as_deref() {
                drawer.conflict(conflict, target, select);
            }
        })
    }

    /// Which row is in the way tells of the values in it.
    fn conflict(
        &mut self,
        conflict: &OnConflictClause,
        target: Option<&RangeVar>,
        select: &mut Select,
    ) {
        if let Some(target) = target {
            let mut proposed = source::target(target);
            proposed.name = Some(PROPOSED.to_owned());
            select.from.push(Step::Source(proposed));
        }
        match conflict.infer.as_deref() {
            Some(infer) if infer.conname.is_empty() && !infer.index_elems.is_empty() => {
                self.inferred(infer, select);
            }
            // Any unique index, or one whose columns the statement does not say.
            _ => select.tests.push(Expression {
                reads: vec![Read {
                    what: What::Row(PROPOSED.to_owned()),
                    tested: false,
                }],
                opaque: false,
            }),
        }
        let values = self.value(&conflict.target_list);
        select.aside.push(values);
        let test = self.value(&conflict.where_clause);
        select.tests.push(test);
    }

    fn inferred(&mut self, infer: &InferClause, select: &mut Select) {
        for element in &infer.index_elems {
            let test = match &element.node {
                Some(node::Node::IndexElem(element)) if !element.name.is_empty() => {
                    column(&element.name)
                }
                _ => self.value(element),
            };
            select.tests.push(test);
        }
        let test = self.value(&infer.where_clause);
        select.tests.push(test);
    }

    /// RETURNING: of the row as it was and as it is, under the names that it gives them.
    fn returned(
        &mut self,
        returning: Option<&ReturningClause>,
        target: Option<&RangeVar>,
        select: &mut Select,
    ) {
        let Some(returning) = returning else { return };
        let given = returning
            .options
            .iter()
            .filter_map(|option| match &option.node {
                Some(node::Node::ReturningOption(option)) => Some(option.value.clone()),
                _ => None,
            });
        for name in ["old", "new"].map(str::to_owned).into_iter().chain(given) {
            if let Some(target) = target {
                let mut row = source::target(target);
                row.name = Some(name);
                select.from.push(Step::Source(row));
            }
        }
        let shown = self.value(&returning.exprs);
        select.aside.push(shown);
    }

    pub(super) fn update(&mut self, update: &UpdateStmt) -> Query {
        let (with, target) = (update.with_clause.as_ref(), update.relation.as_ref());
        self.write(with, target, |drawer, select| {
            drawer.sources(&update.from_clause, select);
            let test = drawer.value(&update.where_clause);
            select.tests.push(test);
            let values = drawer.value(&update.target_list);
            select.aside.push(values);
            drawer.returned(update.returning_clause.as_ref(), target, select);
        })
    }

    pub(super) fn delete(&mut self, delete: &DeleteStmt) -> Query {
        let (with, target) = (delete.with_clause.as_ref(), delete.relation.as_ref());
        self.write(with, target, |drawer, select| {
            drawer.sources(&delete.using_clause, select);
            let test = drawer.value(&delete.where_clause);
            select.tests.push(test);
            drawer.returned(delete.returning_clause.as_ref(), target, select);
        })
    }

    pub(super) fn merge(&mut self, merge: &MergeStmt) -> Query {
        let (with, target) = (merge.with_clause.as_ref(), merge.relation.as_ref());
        self.write(with, target, |drawer, select| {
            match merge.source_relation.as_deref() {
                Some(source) => drawer.source(source, select),
                None => drawer.partial = true,
            }
            let test = drawer.value(&merge.join_condition);
            select.tests.push(test);
            for clause in &merge.merge_when_clauses {
                match &clause.node {
                    Some(node::Node::MergeWhenClause(when)) => {
                        let test = drawer.value(&when.condition);
                        select.tests.push(test);
                        let written = drawer.value(&when.target_list);
                        let inserted = drawer.value(&when.values);
                        select.aside.extend([written, inserted]);
                    }
                    _ => drawer.partial = true,
                }
            }
            drawer.returned(merge.returning_clause.as_ref(), target, select);
        })
    }

    fn sources(&mut self, list: &[Node], select: &mut Select) {
        for element in list {
            self.source(element, select);
        }
    }
}
