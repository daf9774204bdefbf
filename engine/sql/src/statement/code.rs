//! Code: what runs it, and what stores it to run later.
//!
//! Refuses: a body is text in another language, so what it does is not established. Where it is SQL it
//! is read as well, and can only make things worse.

use crate::literal;
use crate::names::{self, Name};
use crate::reader::{Reader, SecretAt};
use crate::settings;
use crate::tree::{Seen, Walk};
use pg_query::protobuf::{
    CreateFunctionStmt, CreatePLangStmt, CreateTrigStmt, DefElem, DoStmt, Node, RuleStmt, node,
};
use portcullis_model::facts::Category;
use portcullis_model::{Effect, Verbs};

/// Languages in which a body can do no more than SQL could.
const TRUSTED: [&str; 6] = ["sql", "plpgsql", "pltcl", "plperl", "plv8", "pltsql"];

pub(super) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::DoStmt(statement) => do_block(reader, statement),
        Seen::CreateFunctionStmt(statement) => create_function(reader, statement),
        Seen::AlterFunctionStmt(statement) => {
            stores(reader, "ALTER", "FUNCTION", "alter-function");
            if let Some(name) = statement
                .func
                .as_ref()
                .and_then(|f| Name::of_parts(&f.objname))
            {
                reader.object("function", name, true);
            }
            options(reader, &statement.actions);
        }
        Seen::CallStmt(statement) => {
            reader.named("CALL", None);
            opaque(reader, "call");
            statement.funccall.walk(reader);
        }
        Seen::CreateTrigStmt(statement) => trigger(reader, statement),
        Seen::CreateEventTrigStmt(statement) => {
            stores(reader, "CREATE", "EVENT TRIGGER", "create-trigger");
            reader.object("trigger", Name::bare(&statement.trigname), true);
            function_named(reader, &statement.funcname);
        }
        Seen::AlterEventTrigStmt(statement) => {
            stores(reader, "ALTER", "EVENT TRIGGER", "disable-trigger");
            reader.object("trigger", Name::bare(&statement.trigname), true);
        }
        Seen::RuleStmt(statement) => rule(reader, statement),
        Seen::CreatePlangStmt(statement) => language(reader, statement),
        Seen::CreateCastStmt(_) => return stored(reader, "CAST"),
        Seen::CreateTransformStmt(_) => return stored(reader, "TRANSFORM"),
        Seen::CreateOpClassStmt(_) => return stored(reader, "OPERATOR CLASS"),
        Seen::CreateConversionStmt(_) => return stored(reader, "CONVERSION"),
        Seen::CreateAmStmt(_) => return stored(reader, "ACCESS METHOD"),
        _ => return None,
    }
    Some(false)
}

/// Runs what cannot be seen.
fn opaque(reader: &mut Reader<'_>, label: &str) {
    reader.does(Category::Exec, Effect::Unknown, Verbs::EXEC);
    reader.label(label);
    reader.label("opaque-body");
    reader.transparent = false;
    reader.opaque = true;
}

/// Stores code, or a reference to code, that others will run.
fn stores(reader: &mut Reader<'_>, verb: &'static str, object_type: &'static str, label: &str) {
    reader.named(verb, Some(object_type));
    reader.does(
        Category::Exec,
        Effect::Escalate,
        Verbs::DDL.union(Verbs::EXEC),
    );
    reader.label(label);
}

fn stored(reader: &mut Reader<'_>, object_type: &'static str) -> Option<bool> {
    stores(reader, "CREATE", object_type, "create-code");
    Some(true)
}

fn do_block<'a>(reader: &mut Reader<'a>, statement: &'a DoStmt) {
    reader.named("DO", None);
    opaque(reader, "do-block");
    options(reader, &statement.args);
}

fn create_function<'a>(reader: &mut Reader<'a>, statement: &'a CreateFunctionStmt) {
    let object_type = match statement.is_procedure {
        true => "PROCEDURE",
        false => "FUNCTION",
    };
    reader.named("CREATE", Some(object_type));
    opaque(reader, "create-function");
    reader.does(Category::Exec, Effect::Unknown, Verbs::DDL);
    if let Some(name) = Name::of_parts(&statement.funcname) {
        reader.object("function", name, true);
    }
    statement.parameters.walk(reader);
    statement.return_type.walk(reader);
    options(reader, &statement.options);
    statement.sql_body.walk(reader);
}

/// LANGUAGE, AS, SECURITY DEFINER, SET.
fn options(reader: &mut Reader<'_>, list: &[Node]) {
    let options = || {
        list.iter().filter_map(|option| match &option.node {
            Some(node::Node::DefElem(option)) => Some(&**option),
            _ => None,
        })
    };
    let language = options()
        .find(|option| option.defname == "language")
        .and_then(|option| option.arg.as_deref().and_then(literal::option));
    if language.as_deref().is_some_and(|l| !TRUSTED.contains(&l)) {
        reader.label("untrusted-language");
    }
    for option in options() {
        match option.defname.as_str() {
            "as" => body(reader, option, language.as_deref()),
            "security" => reader.label("security-definer"),
            "set" => attribute(reader, option),
            _ => {}
        }
    }
}

/// A setting that holds while the function runs.
fn attribute(reader: &mut Reader<'_>, option: &DefElem) {
    if let Some(Some(node::Node::VariableSetStmt(setting))) = option.arg.as_deref().map(|a| &a.node)
    {
        let value = settings::value(&setting.args);
        settings::weigh(reader, &setting.name.to_lowercase(), value.as_deref());
    }
}

/// Reads a body that is SQL. A password anywhere in a body hides the whole body in the record.
fn body(reader: &mut Reader<'_>, option: &DefElem, language: Option<&str>) {
    let texts = option.arg.as_deref().map(crate::expression::items);
    for text in texts.unwrap_or_default().iter().filter_map(names::string) {
        if language == Some("sql") {
            crate::nested::runs(reader, text);
        }
        if text.to_lowercase().contains("password") {
            let after = u32::try_from(option.location).unwrap_or(0);
            reader.secrets.push(SecretAt::After(after));
        }
    }
}

fn trigger<'a>(reader: &mut Reader<'a>, statement: &'a CreateTrigStmt) {
    stores(reader, "CREATE", "TRIGGER", "create-trigger");
    reader.object("trigger", Name::bare(&statement.trigname), true);
    if let Some(relation) = &statement.relation {
        reader.relation("table", relation, true);
    }
    function_named(reader, &statement.funcname);
    reader.columns(&statement.columns);
    statement.when_clause.walk(reader);
}

fn function_named(reader: &mut Reader<'_>, name: &[Node]) {
    if let Some(name) = Name::of_parts(name) {
        reader.object("function", name, false);
        reader.function(name.written());
    }
}

fn rule<'a>(reader: &mut Reader<'a>, statement: &'a RuleStmt) {
    stores(reader, "CREATE", "RULE", "create-rule");
    reader.object("rule", Name::bare(&statement.rulename), true);
    if let Some(relation) = &statement.relation {
        reader.relation("table", relation, true);
    }
    statement.where_clause.walk(reader);
    statement.actions.walk(reader);
}

fn language<'a>(reader: &mut Reader<'a>, statement: &'a CreatePLangStmt) {
    stores(reader, "CREATE", "LANGUAGE", "untrusted-language");
    reader.object("language", Name::bare(&statement.plname), true);
}
