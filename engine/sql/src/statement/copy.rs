//! COPY: what it moves and how its stream is framed.
//!
//! Refuses: an option that is not known makes the statement unknown, for its stream could not be masked.

use crate::literal;
use crate::names;
use crate::reader::Reader;
use crate::tree::{Seen, Walk};
use pg_query::protobuf::{CopyStmt, DefElem, Node, node};
use portcullis_model::facts::{Category, CopyFacts};
use portcullis_model::{Effect, Verbs};

pub(super) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::CopyStmt(statement) => copy(reader, statement),
        _ => return None,
    }
    Some(false)
}

fn copy<'a>(reader: &mut Reader<'a>, statement: &'a CopyStmt) {
    reader.named("COPY", None);
    let (effect, verbs) = match statement.is_from {
        true => (Effect::Write, Verbs::COPY.union(Verbs::WRITE)),
        false => (Effect::Read, Verbs::COPY.union(Verbs::READ)),
    };
    reader.does(Category::Transfer, effect, verbs);
    if let Some(relation) = &statement.relation {
        reader.relation("table", relation, statement.is_from);
    }
    reader.columns(&statement.attlist);
    statement.query.walk(reader);
    reader.condition(&statement.where_clause);
    let server_side = server_side(reader, statement);
    if server_side && !statement.is_from {
        reader.writes();
        reader.carry("*");
    }
    let copy = facts(reader, statement, server_side);
    reader.copy = Some(copy);
}

fn server_side(reader: &mut Reader<'_>, statement: &CopyStmt) -> bool {
    if statement.is_program {
        let verbs = Verbs::EXEC.union(Verbs::FILE);
        reader.does(Category::Exec, Effect::Escalate, verbs);
        reader.label("copy-program");
    } else if !statement.filename.is_empty() {
        reader.does(Category::Admin, Effect::Escalate, Verbs::FILE);
        reader.label("copy-file");
    } else {
        return false;
    }
    true
}

fn facts(reader: &mut Reader<'_>, statement: &CopyStmt, server_side: bool) -> CopyFacts {
    let format = given(statement, "format").unwrap_or_else(|| "text".to_owned());
    let csv = format == "csv";
    let byte = |name: &str, default: u8| match given(statement, name) {
        Some(text) => text.bytes().next().unwrap_or(default),
        None => default,
    };
    let quote = byte("quote", b'"');
    let null = if csv { "" } else { "\\N" };
    let header = given(statement, "header");
    let copy = CopyFacts {
        from: statement.is_from,
        relation: statement.relation.as_ref().map(|relation| {
            let name = names::Name::of_relation(relation);
            (name.schema.map(str::to_owned), name.name.to_owned())
        }),
        columns: statement
            .attlist
            .iter()
            .filter_map(names::string)
            .map(str::to_owned)
            .collect(),
        delimiter: byte("delimiter", if csv { b',' } else { b'\t' }),
        null: given(statement, "null").unwrap_or_else(|| null.to_owned()),
        header: header.is_some_and(|word| !literal::is_off(&word)),
        quote,
        escape: byte("escape", quote),
        encoding: given(statement, "encoding"),
        server_side,
        format,
    };
    if copy.encoding.is_some() {
        reader.label("copy-encoding");
    }
    if !matches!(copy.format.as_str(), "text" | "csv" | "binary") || !all_known(statement) {
        reader.unknown("unknown-copy-option");
    }
    copy
}

/// An option's value; `true` when it stands alone.
fn given(statement: &CopyStmt, name: &str) -> Option<String> {
    options(statement)
        .find(|option| option.defname == name)
        .map(|option| match option.arg.as_deref() {
            Some(value) => literal::option(value).unwrap_or_else(|| "true".to_owned()),
            None => "true".to_owned(),
        })
}

fn all_known(statement: &CopyStmt) -> bool {
    let mut seen = Vec::new();
    options(statement).count() == statement.options.len()
        && options(statement).all(|option| {
            let name = option.defname.as_str();
            let fresh = !seen.contains(&name);
            seen.push(name);
            // The server refuses an option that is given twice; which one it would take is not asked.
            fresh
                && matches!(
                    name,
                    "format"
                        | "delimiter"
                        | "null"
                        | "default"
                        | "header"
                        | "quote"
                        | "escape"
                        | "encoding"
                        | "freeze"
                        | "force_quote"
                        | "force_not_null"
                        | "force_null"
                        | "on_error"
                        | "log_verbosity"
                        | "reject_limit"
                )
        })
}

fn options(statement: &CopyStmt) -> impl Iterator<Item = &DefElem> {
    statement.options.iter().filter_map(option)
}

fn option(node: &Node) -> Option<&DefElem> {
    match &node.node {
        Some(node::Node::DefElem(option)) => Some(option),
        _ => None,
    }
}
