//! Reads one statement: walks its tree and notes what it does. Everything is joined, nothing is ever
//! taken back, so that what hides in a CTE, a sub-select or an argument counts as much as the statement
//! around it.
//!
//! Refuses: a node that is not on the list makes the statement `Unknown`.

use crate::attributes::Attributes;
use crate::carried::Carried;
use crate::names::{self, Name};
use crate::tree::{Seen, Visit, Walk};
use crate::{expression, functions, statement};
use pg_query::protobuf::{CommonTableExpr, Node, RangeVar, WithClause, node};
use portcullis_model::facts::{
    Category, CopyFacts, Object, Predicate, SessionChange, StatementFacts,
};
use portcullis_model::{Effect, Verbs};
use std::collections::{BTreeSet, HashMap};

/// How often a text inside a text is parsed (a query in a literal, a function body).
pub(crate) const NESTED_TEXTS_MAX: u32 = 3;

/// Where a secret literal stands: the lexer finds its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretAt {
    /// A literal starts exactly here.
    Literal(u32),
    /// The first literal at or after this.
    After(u32),
    /// Every literal of the statement.
    Statement,
}

/// Reads one statement.
pub(crate) struct Reader<'a> {
    /// How deep in texts within texts.
    pub(crate) depth: u32,
    /// First statement wins.
    pub(crate) verb: Option<&'static str>,
    pub(crate) object_type: Option<&'static str>,
    pub(crate) category: Category,
    pub(crate) effect: Effect,
    pub(crate) verbs: Verbs,
    pub(crate) labels: BTreeSet<String>,
    pub(crate) predicate: Predicate,
    pub(crate) transparent: bool,
    pub(crate) opaque: bool,
    /// A text inside this one runs with it: what it tests is in no outline.
    pub(crate) hides: bool,
    pub(crate) copy: Option<CopyFacts>,
    pub(crate) changes: Vec<SessionChange>,
    pub(crate) secrets: Vec<SecretAt>,
    pub(crate) attributes: Attributes<'a>,
    pub(crate) carried: Carried<'a>,
    objects: BTreeSet<Object>,
    columns: BTreeSet<String>,
    functions: BTreeSet<String>,
    /// CTEs in scope, by the WITH that brings them, and how often each name is.
    scopes: Vec<Vec<&'a str>>,
    shadows: HashMap<&'a str, usize>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(depth: u32) -> Self {
        Self {
            depth,
            verb: None,
            object_type: None,
            category: Category::Session,
            effect: Effect::Read,
            verbs: Verbs::default(),
            labels: BTreeSet::new(),
            predicate: Predicate::Inapplicable,
            transparent: true,
            opaque: false,
            hides: false,
            copy: None,
            changes: Vec::new(),
            secrets: Vec::new(),
            attributes: Attributes::default(),
            carried: Carried::default(),
            objects: BTreeSet::new(),
            columns: BTreeSet::new(),
            functions: BTreeSet::new(),
            scopes: Vec::new(),
            shadows: HashMap::new(),
        }
    }

    /// The facts, without `outputs` and `span`, which belong to the whole text.
    pub(crate) fn finish(mut self) -> StatementFacts {
        self.settle();
        StatementFacts {
            verb: self.verb.unwrap_or("UNKNOWN").to_owned(),
            category: self.category,
            effect: self.effect,
            object_type: self.object_type.map(str::to_owned),
            objects: self.objects.into_iter().collect(),
            columns: self.columns.into_iter().collect(),
            predicate: self.predicate,
            functions: self.functions.into_iter().collect(),
            transparent: self.transparent,
            outputs: None,
            outline: None,
            moves: self.carried.finish(),
            labels: self.labels,
            span: 0..0,
            copy: self.copy,
            changes: self.changes,
            verbs: self.verbs,
        }
    }

    /// What can be said only when everything has been read.
    fn settle(&mut self) {
        if self.attributes.may_call() {
            // No function is called this: whoever vouches for functions by name does not vouch for it.
            self.function("(attribute)".to_owned());
            functions::unlisted(self);
            self.carry("*");
        }
    }

    /// Names the statement, unless a statement around it has done so.
    pub(crate) fn named(&mut self, verb: &'static str, object_type: Option<&'static str>) {
        if self.verb.is_none() {
            self.verb = Some(verb);
            self.object_type = object_type;
        }
    }

    /// Joins a class of doing.
    pub(crate) fn does(&mut self, category: Category, effect: Effect, verbs: Verbs) {
        self.category = self.category.max(category);
        self.effect = self.effect.max(effect);
        self.verbs = self.verbs.union(verbs);
    }

    pub(crate) fn label(&mut self, label: &str) {
        if !self.labels.contains(label) {
            self.labels.insert(label.to_owned());
        }
    }

    /// Something that cannot be established.
    pub(crate) fn unknown(&mut self, label: &str) {
        self.does(Category::Unknown, Effect::Unknown, Verbs::default());
        self.label(label);
        self.transparent = false;
        self.opaque = true;
    }

    pub(crate) fn restricted(&mut self, predicate: Predicate) {
        let rank = |p| match p {
            Predicate::Inapplicable => 0,
            Predicate::Present => 1,
            Predicate::Constant => 2,
            Predicate::Missing => 3,
        };
        if rank(predicate) > rank(self.predicate) {
            self.predicate = predicate;
        }
    }

    pub(crate) fn object(&mut self, kind: &str, name: Name<'_>, write: bool) {
        if name.name.is_empty() {
            return;
        }
        self.objects.insert(Object {
            kind: kind.to_owned(),
            schema: name.schema.map(str::to_owned),
            name: name.name.to_owned(),
            write,
        });
    }

    /// Every object in a list of names, as DROP and GRANT give them.
    pub(crate) fn objects(&mut self, kind: &str, list: &[Node], write: bool) {
        for node in list {
            match &node.node {
                Some(node::Node::RangeVar(relation)) => self.relation(kind, relation, write),
                _ => {
                    if let Some(name) = names::of(node) {
                        self.object(kind, name, write);
                    }
                }
            }
        }
    }

    pub(crate) fn relation(&mut self, kind: &str, relation: &RangeVar, write: bool) {
        self.object(kind, Name::of_relation(relation), write);
    }

    pub(crate) fn column(&mut self, name: &str) {
        if !name.is_empty() && !self.columns.contains(name) {
            self.columns.insert(name.to_owned());
        }
    }

    /// Columns given as a list of bare names.
    pub(crate) fn columns(&mut self, list: &[Node]) {
        for name in list.iter().filter_map(names::string) {
            self.column(name);
        }
    }

    pub(crate) fn function(&mut self, written: String) {
        self.functions.insert(written);
    }

    /// Facts of a text inside this one, joined: it runs with it.
    pub(crate) fn joins(&mut self, inner: &StatementFacts) {
        self.hides = true;
        self.does(inner.category, inner.effect, inner.verbs);
        self.labels.extend(inner.labels.iter().cloned());
        self.objects.extend(inner.objects.iter().cloned());
        self.columns.extend(inner.columns.iter().cloned());
        self.functions.extend(inner.functions.iter().cloned());
        self.restricted(inner.predicate);
        self.transparent &= inner.transparent;
        self.carry_all(&inner.moves);
    }

    /// A statement that is planned, not run: what it names counts, what it would do does not. What
    /// could not be established stays so.
    pub(crate) fn plans(&mut self, mut planned: Self) {
        planned.settle();
        let unknown = planned.effect == Effect::Unknown;
        self.does(Category::Read, Effect::Read, Verbs::READ);
        if unknown {
            self.does(planned.category, planned.effect, planned.verbs);
        }
        self.opaque |= planned.opaque;
        self.hides |= planned.hides;
        // Planning runs stable functions.
        let stays = |label: &String| unknown || label == "unlisted-function";
        self.labels.extend(planned.labels.into_iter().filter(stays));
        self.transparent &= planned.transparent;
        self.objects.extend(planned.objects);
        self.columns.extend(planned.columns);
        self.functions.extend(planned.functions);
        self.secrets.extend(planned.secrets);
        // EXPLAIN EXECUTE names a statement that has to be resolved.
        let resolves = |change: &SessionChange| matches!(change, SessionChange::Execute { .. });
        self.changes
            .extend(planned.changes.into_iter().filter(resolves));
    }

    /// Walks `body` with the names of the CTEs in scope, each CTE seeing those that PostgreSQL lets it see.
    pub(crate) fn within(&mut self, with: Option<&'a WithClause>, body: impl FnOnce(&mut Self)) {
        let Some(with) = with else {
            return body(self);
        };
        let ctes = || with.ctes.iter().filter_map(cte);
        self.scopes.push(Vec::new());
        if with.recursive {
            ctes().for_each(|cte| self.bring(&cte.ctename));
        }
        for cte in ctes() {
            cte.walk(self);
            if !with.recursive {
                self.bring(&cte.ctename);
            }
        }
        if ctes().count() != with.ctes.len() {
            self.unlisted();
        }
        body(self);
        for name in self.scopes.pop().into_iter().flatten() {
            if let Some(count) = self.shadows.get_mut(name) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// True outside of every WITH.
    pub(crate) fn outermost(&self) -> bool {
        self.scopes.is_empty()
    }

    fn bring(&mut self, name: &'a str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(name);
            *self.shadows.entry(name).or_default() += 1;
        }
    }

    /// A relation that is read, unless it is the name of a CTE in scope.
    pub(crate) fn reads(&mut self, relation: &'a RangeVar) {
        let shadowed = relation.schemaname.is_empty()
            && self
                .shadows
                .get(relation.relname.as_str())
                .is_some_and(|count| *count > 0);
        if relation.alias.is_none() {
            self.row(&relation.relname);
        }
        if !shadowed {
            self.relation("table", relation, false);
        }
    }
}

fn cte(node: &Node) -> Option<&CommonTableExpr> {
    match &node.node {
        Some(node::Node::CommonTableExpr(cte)) => Some(cte),
        _ => None,
    }
}

impl<'a> Visit<'a> for Reader<'a> {
    fn enter(&mut self, node: Seen<'a>) -> bool {
        match statement::enter(self, node) {
            Some(descend) => descend,
            None => expression::enter(self, node),
        }
    }

    fn unlisted(&mut self) {
        self.unknown("unknown-node");
    }
}
