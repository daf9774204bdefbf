//! Every statement of the grammar, by name, with what it does. The sub-modules group them by idea.
//!
//! Refuses: a node that is no statement is answered with `None` and read as an expression; a statement
//! nobody has listed cannot get here, for the walk itself reports it.

mod code;
mod copy;
mod ddl;
mod drops;
mod rights;
mod rows;
mod server;
mod session;
mod tables;
mod transaction;

use crate::reader::Reader;
use crate::tree::Seen;

/// Reads a statement. `Some(true)`: read on below it; `Some(false)`: all of it has been read;
/// `None`: it is no statement.
pub(crate) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    rows::enter(reader, node)
        .or_else(|| session::enter(reader, node))
        .or_else(|| transaction::enter(reader, node))
        .or_else(|| copy::enter(reader, node))
        .or_else(|| drops::enter(reader, node))
        .or_else(|| tables::enter(reader, node))
        .or_else(|| ddl::enter(reader, node))
        .or_else(|| rights::enter(reader, node))
        .or_else(|| code::enter(reader, node))
        .or_else(|| server::enter(reader, node))
}
