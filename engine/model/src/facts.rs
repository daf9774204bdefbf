//! What the host itself established about a statement, from the server's own grammar. Facts are a
//! floor: no plugin can lower them. A statement the grammar rejects has `Parse::Failed` and is refused;
//! what the facts do not know for certain is `Category::Unknown`, never a guess.

use crate::class::{Class, Effect, Risk, Verbs};
use crate::outline::Outline;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Whether the text could be parsed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parse {
    /// Every statement was parsed and understood.
    Ok,
    /// Parsed, but holds something opaque (a function body, dynamic SQL, an unresolved name).
    Partial,
    /// Rejected by the grammar; the server would refuse it too.
    Failed {
        /// The parser's message, as PostgreSQL words it.
        message: String,
        /// 1-based character position, as in the `P` field of an ErrorResponse; 0 when unknown.
        position: u32,
    },
}

/// What kind of statement it is. Ordered by how little a policy should like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Transaction control, harmless settings, prepared statements and cursors.
    Session,
    /// Reads.
    Read,
    /// Changes rows.
    Write,
    /// Moves bulk data (COPY in or out).
    Transfer,
    /// Changes structure.
    Ddl,
    /// Changes rights, roles or the running role.
    Dcl,
    /// Runs code: DO, CALL, CREATE FUNCTION, untrusted functions.
    Exec,
    /// Administers the server.
    Admin,
    /// Not established.
    Unknown,
}

/// Something a statement names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Object {
    /// `table`, `function`, `database`, `role`, `schema`, `extension`, …
    pub kind: String,
    /// Schema as written, if written.
    pub schema: Option<String>,
    /// Name, folded as the grammar folds it.
    pub name: String,
    /// True when it is written, created or dropped rather than read.
    pub write: bool,
}

/// What restricts the rows of an UPDATE or DELETE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Predicate {
    /// The statement has no place for one.
    Inapplicable,
    /// There is none: all rows.
    Missing,
    /// There is one, but it reads no column of the row (`WHERE true`, `WHERE 1=1`): all rows.
    Constant,
    /// It reads a column of the row.
    Present,
}

/// What a COPY moves, needed to mask its stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyFacts {
    /// True for COPY FROM (upload).
    pub from: bool,
    /// The relation, if it copies one.
    pub relation: Option<(Option<String>, String)>,
    /// The columns listed; empty means all.
    pub columns: Vec<String>,
    /// `text`, `csv` or `binary`.
    pub format: String,
    /// Delimiter byte.
    pub delimiter: u8,
    /// The text that stands for NULL.
    pub null: String,
    /// HEADER was asked for.
    pub header: bool,
    /// CSV quote byte.
    pub quote: u8,
    /// CSV escape byte.
    pub escape: u8,
    /// ENCODING was given: refuse, framing would follow another encoding.
    pub encoding: Option<String>,
    /// Reads or writes a file of the server, or runs a program there.
    pub server_side: bool,
}

/// What a statement does to the names and settings of its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionChange {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END, PREPARE TRANSACTION.
    Commit,
    /// ROLLBACK, ABORT (not TO SAVEPOINT).
    Rollback,
    /// SAVEPOINT, RELEASE, ROLLBACK TO.
    Savepoint,
    /// SET or RESET or `set_config` of one setting; `None` when the value is no literal, or RESET.
    Set {
        /// Setting, lower case.
        name: String,
        /// Literal value.
        value: Option<String>,
        /// SET LOCAL.
        local: bool,
    },
    /// RESET ALL, DISCARD ALL, DISCARD TEMP and everything else that may change any setting.
    ResetAll,
    /// PREPARE name AS statement; the range is that of the inner statement in the text.
    Prepare {
        /// Name.
        name: String,
        /// Facts of the inner statement.
        inner: Box<StatementFacts>,
    },
    /// EXECUTE name.
    Execute {
        /// Name: to be resolved against the connection's map.
        name: String,
        /// False when an argument is not a literal.
        literal: bool,
    },
    /// DEALLOCATE name, or all.
    Deallocate(Option<String>),
    /// DECLARE name CURSOR FOR statement.
    Declare {
        /// Name.
        name: String,
        /// Facts of the query.
        inner: Box<StatementFacts>,
        /// WITH HOLD: survives the transaction.
        hold: bool,
    },
    /// FETCH or MOVE from a cursor.
    Fetch(String),
    /// CLOSE a cursor, or all.
    Close(Option<String>),
    /// LISTEN or UNLISTEN or NOTIFY on a channel.
    Channel(String),
}

/// The facts of one statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementFacts {
    /// Upper-case keyword: SELECT, DELETE, DROP, ALTER, COPY, SET, DO, …
    pub verb: String,
    /// The worst category found anywhere in it, CTEs and sub-statements included.
    pub category: Category,
    /// The floor of the effect.
    pub effect: Effect,
    /// DDL: TABLE, DATABASE, ROLE, … upper case.
    pub object_type: Option<String>,
    /// Relations, functions and other objects named.
    pub objects: Vec<Object>,
    /// Columns named anywhere, as written.
    pub columns: Vec<String>,
    /// What restricts the rows.
    pub predicate: Predicate,
    /// Functions called, schema-qualified as written, lower case.
    pub functions: Vec<String>,
    /// True when every function called is a built-in that reads no relation, file or setting by name
    /// given at run time: then a result column without provenance can be judged by the relations alone.
    pub transparent: bool,
    /// For each result column, the names of the columns its expression reads, where that is certain:
    /// a plain SELECT over plain relations without CTE, set operation, sub-select, star, whole-row
    /// reference or column alias list, and only transparent functions. `count(*)` reads none.
    pub outputs: Option<Vec<Vec<String>>>,
    /// Columns whose values a statement that writes carries somewhere else (a table, a view, a result): all it
    /// reads outside of WHERE, ON and USING. `*` for a star, a whole row and whatever is not certain. Empty
    /// for a statement that only reads.
    #[serde(default)]
    pub moves: Vec<String>,
    /// What its queries show and test, by names. None where nobody has looked: then whatever it reads counts
    /// as tested. Not part of any document: it is drawn from the text.
    #[serde(skip)]
    pub outline: Option<Arc<Outline>>,
    /// Stable labels: `drop-database`, `copy-program`, `set-role`, `dynamic-sql`, …
    pub labels: BTreeSet<String>,
    /// Where it stands in the text.
    pub span: Range<u32>,
    /// COPY, if it is one.
    pub copy: Option<CopyFacts>,
    /// What it does to names and settings.
    pub changes: Vec<SessionChange>,
    /// The verbs of all its parts.
    pub verbs: Verbs,
}

impl StatementFacts {
    /// A statement of which the verb is known and nothing else: the worst that it could be. Whoever knows more says
    /// what, and what is added to the facts later stays at its worst there.
    #[must_use]
    pub fn unknown(verb: &str) -> Self {
        Self {
            verb: verb.to_owned(),
            category: Category::Unknown,
            effect: Effect::Unknown,
            object_type: None,
            objects: Vec::new(),
            columns: Vec::new(),
            predicate: Predicate::Inapplicable,
            functions: Vec::new(),
            transparent: false,
            outputs: None,
            moves: vec!["*".to_owned()],
            outline: None,
            labels: BTreeSet::new(),
            span: 0..0,
            copy: None,
            changes: Vec::new(),
            verbs: Verbs::EXEC,
        }
    }

    /// The floor that this statement sets.
    #[must_use]
    pub fn floor(&self) -> Class {
        let risk = match self.effect {
            Effect::Read => Risk::None,
            Effect::Write => Risk::Low,
            Effect::Destroy => Risk::High,
            Effect::Escalate | Effect::Unknown => Risk::Critical,
        };
        Class {
            effect: self.effect,
            risk,
            verbs: self.verbs,
            labels: self.labels.clone(),
            objects: self.objects.iter().cloned().collect(),
            findings: Vec::new(),
        }
    }
}

/// The facts of one text, which may hold several statements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Whether it could be parsed.
    pub parse: Parse,
    /// One for each statement; empty for an empty query.
    pub statements: Vec<StatementFacts>,
    /// Byte ranges of literals that are secrets by grammar (`PASSWORD '…'`, connection strings of
    /// subscriptions and servers): masked in the record and in the policy's input.
    pub secrets: Vec<Range<u32>>,
}

impl Facts {
    /// The worst of all statements. A text that does not parse is `Unknown`.
    #[must_use]
    pub fn floor(&self) -> Class {
        if let Parse::Failed { .. } = self.parse {
            return Class::unknown("unparsed");
        }
        self.statements
            .iter()
            .map(StatementFacts::floor)
            .fold(Class::nothing(), Class::join)
    }
}
