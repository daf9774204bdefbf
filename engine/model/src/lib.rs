//! The words of Portcullis: what a message is, what it may do, who sent it, what was answered.
//!
//! Everything else is written in these words, so that a policy author, a plugin author and a protocol
//! author mean the same thing. This crate refuses to do anything: no I/O, no async, no clock, no
//! environment. Time is always an argument.

pub mod call;
pub mod class;
pub mod control;
pub mod facts;
pub mod fault;
pub mod filter;
pub mod identity;
pub mod limits;
pub mod message;
pub mod outline;
pub mod path;
pub mod rows;
pub mod session;
pub mod tally;
pub mod terms;
pub mod text;
pub mod ticket;
pub mod time;
pub mod verdict;

pub use call::{Call, CallBody, FileOperation};
pub use class::{Class, Effect, Finding, Risk, Verbs};
pub use control::Control;
pub use facts::{Category, Facts, Object, Parse, Predicate, StatementFacts};
pub use fault::{Blame, Fault};
pub use filter::Filter;
pub use identity::{Identity, Kind, Principal, bearer};
pub use message::{
    Command, Context, Parameter, Protocol, ShellCommand, Side, Stage, Statement, Subject,
    Transaction,
};
pub use outline::Outline;
pub use path::{JsonPath, PathError, PathStep};
pub use rows::{
    Batch, BatchKind, Cell, ColumnMask, DocumentMask, Edits, PathMask, RowShape, SpanEdit, Strategy,
};
pub use session::{Client, Session, SessionId, Target};
pub use tally::{Budget, Counted, Effects, Per, Tally};
pub use terms::{Chat, Escalation, Glass, Reuse, Sameness, Terms};
pub use text::{escape_for_people, escape_line, json_line};
pub use ticket::TicketCheck;
pub use time::Timestamp;
pub use verdict::{
    ColumnRule, Decision, Denial, DocumentRule, EntityRule, Likeness, Obligations, Outcome,
    Predicates, Reason, RecordLevel, Replication, Requirement, Verdict,
};
