//! The one call of the C parser.
//!
//! Refuses: a tree that the library itself has doubts about.

use pg_query::protobuf::ParseResult;

/// The parse tree, or the grammar's message.
pub(crate) fn tree(text: &str) -> Result<ParseResult, String> {
    match pg_query::parse(text, 0) {
        Ok(result) if result.warnings.is_empty() => Ok(result.protobuf),
        Ok(_) => Err("the parser is not sure of this statement".to_owned()),
        Err(pg_query::Error::Parse(message)) => Err(message),
        Err(pg_query::Error::Decode(_)) => Err("statement nests too deep".to_owned()),
        Err(_) => Err("the statement could not be parsed".to_owned()),
    }
}
