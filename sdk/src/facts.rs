//! What the gateway established about a statement, from PostgreSQL's own grammar, before any plugin is asked.
//! Read leniently: a gateway that knows more sends more. A word this SDK does not know reads as the
//! worst one, never as a harmless one.

use crate::classifier::{Effect, Object, Verbs};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeSet;
use std::ops::Range;

/// The facts of one text, which may hold several statements.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Facts {
    /// Whether it could be parsed.
    pub parse: Parse,
    /// One for each statement; empty for an empty query.
    #[serde(default)]
    pub statements: Vec<StatementFacts>,
    /// Byte ranges of literals that are secrets by grammar.
    #[serde(default)]
    pub secrets: Vec<Range<u32>>,
}

impl Facts {
    /// Facts that say nothing: a text that was parsed and holds no statement. For tests.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            parse: Parse::Ok,
            statements: Vec::new(),
            secrets: Vec::new(),
        }
    }
}

/// Whether the text could be parsed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub enum Parse {
    /// Every statement was parsed and understood.
    Ok,
    /// Parsed, but holds something opaque.
    Partial,
    /// Rejected by the grammar; refused whatever a classifier says.
    Failed {
        /// The parser's message.
        message: String,
        /// 1-based character position; 0 when unknown.
        position: u32,
    },
}

/// The facts of one statement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StatementFacts {
    /// Upper-case keyword: SELECT, DELETE, DROP, ALTER, COPY, SET, DO, …
    pub verb: String,
    /// The worst category found anywhere in it.
    #[serde(deserialize_with = "category")]
    pub category: Category,
    /// The floor of the effect.
    #[serde(deserialize_with = "effect")]
    pub effect: Effect,
    /// DDL: TABLE, DATABASE, ROLE, …
    #[serde(default)]
    pub object_type: Option<String>,
    /// Relations, functions and other objects named.
    #[serde(default)]
    pub objects: Vec<Object>,
    /// Columns named anywhere.
    #[serde(default)]
    pub columns: Vec<String>,
    /// What restricts the rows.
    #[serde(deserialize_with = "predicate")]
    pub predicate: Predicate,
    /// Functions called, lower case.
    #[serde(default)]
    pub functions: Vec<String>,
    /// True when every function called is a harmless built-in.
    #[serde(default)]
    pub transparent: bool,
    /// Stable labels: `drop-database`, `copy-program`, `set-role`, …
    #[serde(default)]
    pub labels: BTreeSet<String>,
    /// Where it stands in the text, in bytes; 0..0 when it is not in the text (resolved by name).
    pub span: Range<u32>,
    /// COPY, if it is one.
    #[serde(default)]
    pub copy: Option<CopyFacts>,
    /// What it does to names and settings of its session, as the gateway words it.
    #[serde(default)]
    pub changes: Vec<serde_json::Value>,
    /// The verbs of all its parts.
    #[serde(default)]
    pub verbs: Verbs,
}

/// What kind of statement it is, ordered by how little a policy should like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Transaction control, harmless settings, prepared statements and cursors.
    Session,
    /// Reads.
    Read,
    /// Changes rows.
    Write,
    /// Moves bulk data.
    Transfer,
    /// Changes structure.
    Ddl,
    /// Changes rights, roles or the running role.
    Dcl,
    /// Runs code.
    Exec,
    /// Administers the server.
    Admin,
    /// Not established.
    Unknown,
}

/// What restricts the rows of an UPDATE or DELETE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Predicate {
    /// The statement has no place for one.
    Inapplicable,
    /// There is none: all rows.
    Missing,
    /// There is one, but it reads no column (`WHERE true`): all rows.
    Constant,
    /// It reads a column of the row.
    Present,
}

/// What a COPY moves.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CopyFacts {
    /// True for COPY FROM (upload).
    pub from: bool,
    /// Schema and name of the relation, if it copies one.
    #[serde(default)]
    pub relation: Option<(Option<String>, String)>,
    /// The columns listed; empty means all.
    #[serde(default)]
    pub columns: Vec<String>,
    /// `text`, `csv` or `binary`.
    pub format: String,
    /// Reads or writes a file of the server, or runs a program there.
    pub server_side: bool,
}

/// Reads a word; one that is not known becomes the worst.
fn word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D, worst: T) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    let known = T::deserialize(serde::de::value::StringDeserializer::<
        serde::de::value::Error,
    >::new(text));
    Ok(known.unwrap_or(worst))
}

fn category<'de, D: Deserializer<'de>>(from: D) -> Result<Category, D::Error> {
    word(from, Category::Unknown)
}

fn effect<'de, D: Deserializer<'de>>(from: D) -> Result<Effect, D::Error> {
    word(from, Effect::Unknown)
}

fn predicate<'de, D: Deserializer<'de>>(from: D) -> Result<Predicate, D::Error> {
    word(from, Predicate::Missing)
}
