//! Function calls: what is known of the function, and of its arguments.
//!
//! A function that is in no table is listed in `functions` with the label `unlisted-function` and the verb
//! `exec`; its category stays `Read` and its effect that of the statement, and the statement is not
//! transparent: whether that is good enough is for policy to say.
//!
//! Refuses: an argument that decides what runs or what is touched has to be a literal, or the statement
//! is unknown. A name without a schema is taken for PostgreSQL's own; a shadowing object is the business
//! of whoever knows the search path.

pub(crate) mod table;

use crate::catalog;
use crate::literal;
use crate::names::Name;
use crate::nested;
use crate::reader::{Reader, SecretAt};
use crate::settings;
use pg_query::protobuf::{FuncCall, Node};
use portcullis_model::facts::Category;
use portcullis_model::{Effect, Verbs};
use table::{Arguments, Entry};

/// A call is met.
pub(crate) fn called(reader: &mut Reader<'_>, call: &FuncCall) {
    let Some(name) = Name::of_parts(&call.funcname) else {
        return reader.unknown("unknown-node");
    };
    reader.function(name.written());
    reader.object("function", name, false);
    secrets(reader, name.name, &call.args);
    if name.maybe_catalog() && catalog::is_transparent(name.name) {
        return;
    }
    let known = match name.maybe_catalog() {
        true => table::find(name.name),
        // An extension may live in any schema.
        false => table::find(name.name).filter(|entry| entry.extension),
    };
    match known {
        Some(entry) => listed(reader, name.name, entry, call),
        None => unlisted(reader),
    }
}

/// True when what is said of a call may depend on the values of its arguments.
pub(crate) fn looks(call: &FuncCall) -> bool {
    let Some(name) = Name::of_parts(&call.funcname) else {
        return true;
    };
    if !secret_places(name.name).is_empty() {
        return true;
    }
    if name.maybe_catalog() && catalog::is_transparent(name.name) {
        return false;
    }
    table::find(name.name).is_some_and(|entry| entry.arguments != Arguments::Any)
}

/// A function that is in no table.
pub(crate) fn unlisted(reader: &mut Reader<'_>) {
    reader.does(Category::Read, Effect::Read, Verbs::EXEC);
    reader.label("unlisted-function");
    reader.transparent = false;
}

/// What an entry says, whatever the arguments are.
pub(crate) fn counts(reader: &mut Reader<'_>, entry: &Entry) {
    reader.transparent &= entry.transparent;
    reader.does(entry.category, entry.effect, entry.verbs);
    if !entry.label.is_empty() {
        reader.label(entry.label);
    }
    if !entry.transparent {
        reader.carry("*");
    }
}

fn listed(reader: &mut Reader<'_>, name: &str, entry: &Entry, call: &FuncCall) {
    if name == "ts_rewrite" && call.args.len() != 2 {
        return;
    }
    counts(reader, entry);
    let literals: Vec<Option<String>> = call
        .args
        .iter()
        .map(|argument| literal::of(argument).map(|l| l.text))
        .collect();
    let all = !call.func_variadic && literals.iter().all(Option::is_some);
    match entry.arguments {
        Arguments::Any => {}
        Arguments::Literal if all => {}
        Arguments::Setting if all => setting(reader, &literals),
        // The name of a relation that is read.
        Arguments::Relation if all => relation(reader, &literals),
        Arguments::Query(place) => match literals.get(place) {
            Some(Some(text)) if !call.func_variadic => nested::runs(reader, text),
            _ => reader.unknown("dynamic-argument"),
        },
        _ => reader.unknown("dynamic-argument"),
    }
}

fn setting(reader: &mut Reader<'_>, literals: &[Option<String>]) {
    let text = |place: usize| literals.get(place).cloned().flatten();
    let local = text(2).is_some_and(|word| !literal::is_off(&word));
    match text(0) {
        Some(name) => settings::changed(reader, &name, text(1), local),
        None => reader.unknown("dynamic-argument"),
    }
}

/// `'schema.table'`, as `regclass` reads it; anything quoted is left to the catalog.
fn relation(reader: &mut Reader<'_>, literals: &[Option<String>]) {
    let Some(Some(written)) = literals.first() else {
        return reader.unknown("dynamic-argument");
    };
    if written.contains('"') {
        return reader.unknown("dynamic-argument");
    }
    let folded = written.trim().to_lowercase();
    let name = match folded.rsplit_once('.') {
        Some((schema, name)) => Name {
            schema: Some(schema.trim()),
            name: name.trim(),
        },
        None => Name::bare(&folded),
    };
    reader.object("table", name, false);
}

/// Arguments that are secrets by what the function is for: keys, passwords, connection strings.
fn secrets(reader: &mut Reader<'_>, name: &str, arguments: &[Node]) {
    for place in secret_places(name) {
        if let Some(literal) = arguments.get(*place).and_then(literal::of) {
            let connection = literal.text.contains('=') || literal.text.contains("://");
            if !name.starts_with("dblink") || connection {
                reader.secrets.push(SecretAt::Literal(literal.at));
            }
        }
    }
}

/// The places of such arguments.
fn secret_places(name: &str) -> &'static [usize] {
    match name {
        "crypt" => &[0, 1],
        "hmac" | "encrypt" | "decrypt" | "encrypt_iv" | "decrypt_iv" => &[1],
        "dblink_connect" | "dblink_connect_u" | "dblink" | "dblink_exec" | "dblink_send_query" => {
            &[0, 1]
        }
        _ if name.starts_with("pgp_sym_") => &[1],
        _ if name.starts_with("pgp_pub_decrypt") => &[1, 2],
        _ => &[],
    }
}
