//! The outline of a statement's queries: what they show, what they test, and where both come from, by the
//! names that stand in the text. Whoever has the catalog says what the names stand for.
//!
//! It exists so that a protected column can be followed through sub-selects, set operations, joins and
//! expressions to the column of the result that shows it, and to the condition that tests it. It refuses to
//! leave anything out: what could not be drawn makes the outline [`partial`](Outline::partial).

/// All queries of one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The query whose rows the client gets, where the statement is nothing else.
    pub shown: Option<Query>,
    /// Queries whose rows go elsewhere, and the conditions of statements that write.
    pub beside: Vec<Query>,
    /// Something could not be drawn: a test may be missing.
    pub partial: bool,
    /// Names and queries in it, for whoever bounds memory.
    pub size: usize,
}

/// A query: SELECT, VALUES, or several of them joined by UNION and its kin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// WITH, in order.
    pub ctes: Vec<Cte>,
    /// WITH RECURSIVE: every name is in scope from the beginning.
    pub recursive: bool,
    /// What is joined; one without a set operation.
    pub arms: Vec<Arm>,
    /// UNION, INTERSECT or EXCEPT: whole rows are compared.
    pub compares: bool,
    /// ORDER BY.
    pub order: Vec<Key>,
    /// LIMIT and OFFSET: they decide how many rows there are.
    pub limits: Vec<Expression>,
}

/// A common table expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cte {
    /// Its name.
    pub name: String,
    /// Its columns, where they are given; the first of them at least.
    pub columns: Vec<String>,
    /// The query.
    pub query: Query,
}

/// One part of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arm {
    /// SELECT, or the conditions of a statement that writes.
    Select(Box<Select>),
    /// VALUES: one expression for each column, made of those of all rows.
    Values(Vec<Expression>),
    /// A query in parentheses.
    Nested(Box<Query>),
}

/// A SELECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// FROM, as a stack machine reads it: a join takes the two that stand before it.
    pub from: Vec<Step>,
    /// The result's columns; none when they cannot be told.
    pub outputs: Option<Vec<Output>>,
    /// Expressions whose value goes nowhere here, for what is tested inside of them.
    pub aside: Vec<Expression>,
    /// WHERE, HAVING, WINDOW, and whatever else decides about rows.
    pub tests: Vec<Expression>,
    /// GROUP BY and DISTINCT ON.
    pub groups: Vec<Key>,
    /// DISTINCT: whole rows are compared.
    pub distinct: bool,
}

/// One step of FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something that rows come from.
    Source(Source),
    /// A join of the two before it.
    Join(Join),
}

/// Something that rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is.
    pub kind: SourceKind,
    /// Its name in this query: the alias, or the relation's own name.
    pub name: Option<String>,
    /// New names of its first columns.
    pub columns: Vec<String>,
}

/// What rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A relation, or a common table expression in scope.
    Relation {
        /// Schema, as written.
        schema: Option<String>,
        /// Name.
        name: String,
        /// It is written or copied, and so no common table expression.
        real: bool,
    },
    /// A sub-select.
    Query(Box<Query>),
    /// A function or XMLTABLE: all its columns are made of one value.
    Rows {
        /// That value.
        value: Expression,
        /// Columns that it certainly has.
        columns: Vec<String>,
    },
}

/// A join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Join {
    /// USING.
    pub using: Vec<String>,
    /// NATURAL: USING all columns of the same name.
    pub natural: bool,
    /// ON.
    pub on: Option<Expression>,
    /// The alias of the whole, and new names of its first columns.
    pub alias: Option<(String, Vec<String>)>,
    /// The alias of the merged columns.
    pub using_alias: Option<String>,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name, where the text says it.
    pub name: Option<String>,
    /// What it shows.
    pub shows: Shows,
}

/// What a column of a result shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shows {
    /// `*`
    All,
    /// `t.*`
    AllOf(String),
    /// One value.
    Value(Expression),
}

/// What rows are sorted or grouped by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A column of the result, by its number from 1.
    Place(usize),
    /// A bare name: a column of the result or of a source.
    Name(String),
    /// Anything else.
    Value(Expression),
}

/// All that a value is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expression {
    /// In no order.
    pub reads: Vec<Read>,
    /// Something in it may read whatever it likes: a function that is not PostgreSQL's own, for one.
    pub opaque: bool,
}

/// One thing that a value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What.
    pub what: What,
    /// It decides within the expression: CASE, FILTER, ORDER BY of an aggregate.
    pub tested: bool,
}

/// What a value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A column, as the parts of its name; a bare name may also mean a whole row.
    Column(Vec<String>),
    /// A whole row, `t.*`.
    Row(String),
    /// What a sub-select shows.
    Query(Box<Query>),
    /// Whether a sub-select has rows.
    Exists(Box<Query>),
}
