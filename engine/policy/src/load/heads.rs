//! What a rule of the four sets says, as far as it stands there in words: an obligation that does not
//! exist, a field that nobody reads, a rule name that is none. At run time each is a denial of everything;
//! here it has a line and a column.

use super::walk::{self, Seen};
use crate::diagnostic::Diagnostic;
use crate::said;
use portcullis_model::JsonPath;
use regorus::unstable::{Expr, Rule, RuleHead, Span};

/// Checks the head of a rule of the four sets.
pub(crate) fn check(file: &str, entry: &str, rule: &Rule) -> Vec<Diagnostic> {
    let Rule::Spec {
        head: RuleHead::Set { key: Some(key), .. },
        ..
    } = rule
    else {
        return Vec::new();
    };
    let Expr::Object { fields, .. } = key.as_ref() else {
        return Vec::new();
    };
    let tell = |rule, span: &Span, message: String, remedy: &str| {
        Diagnostic::file(file, rule, message, remedy).at((span.line, span.col))
    };
    let mut found = Vec::new();
    let literal = |name: &str| {
        let field = fields
            .iter()
            .find(|(_, key, _)| text_of(key).as_deref() == Some(name));
        field.and_then(|(_, _, value)| Some((text_of(value)?, value.span())))
    };
    let kind = literal("type").filter(|_| entry == "obligation");
    if let Some((kind, span)) = &kind
        && !said::is_obligation(kind)
    {
        found.push(tell(
            "load/unknown-obligation",
            span,
            format!("there is no obligation \"{kind}\""),
            "What the gateway does not know it cannot keep, and would deny everything. policies/README.md lists what there is.",
        ));
        return found;
    }
    if kind.as_ref().is_some_and(|(kind, _)| kind == "mask") {
        found.extend(paths(file, key));
    }
    if let Some((rule, span)) = literal("rule")
        && entry != "obligation"
        && !said::is_rule(&rule)
    {
        found.push(tell(
            "load/rule-name",
            span,
            format!("\"{rule}\" is no name for a rule"),
            "Write a path in lower case such as team/no-drops; policy/, default/, fault/, portcullis/ and approval/ are the gateway's own.",
        ));
    }
    if entry == "grant" {
        found.extend(literal("role").and_then(|(role, span)| unknown_role(file, &role, span)));
    }
    for (_, key, _) in fields {
        let Some(name) = text_of(key) else { continue };
        if !said::knows(entry, kind.as_ref().map(|(k, _)| k.as_str()), &name) {
            found.push(tell(
                "load/unknown-field",
                key.span(),
                format!("a {entry} has no field \"{name}\""),
                "The gateway refuses what it does not know, so that a misspelt field is no rule for anybody. policies/README.md lists the fields.",
            ));
        }
    }
    found
}

/// A role in the console that does not exist.
fn unknown_role(file: &str, role: &str, span: &Span) -> Option<Diagnostic> {
    if said::ROLES.contains(&role) {
        return None;
    }
    let message = format!("there is no role \"{role}\" in the console");
    let remedy = "There are approver, auditor and operator; whoever has none of them sees what is their own.";
    let found = Diagnostic::file(file, "load/unknown-role", message, remedy);
    Some(found.at((span.line, span.col)))
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => {
            value.as_string().ok().map(|text| text.to_string())
        }
        _ => None,
    }
}

/// Paths into documents, wherever the selector of a mask stands in words.
fn paths(file: &str, head: &Expr) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    walk::expr(head, &mut |seen| {
        let Seen::Expr(Expr::Object { fields, .. }) = seen else {
            return;
        };
        for (_, key, value) in fields {
            if text_of(key).as_deref() == Some("path")
                && let Some(text) = text_of(value)
                && let Err(error) = text.parse::<JsonPath>()
            {
                let span = value.span();
                // The span begins inside the quotes.
                let column = span.col + u32::try_from(error.at).unwrap_or(u32::MAX);
                found.push(bad_path(file, &text, &error.to_string()).at((span.line, column)));
            }
        }
    });
    found
}

/// What is told about a path that is none.
pub(crate) fn bad_path(file: &str, path: &str, why: &str) -> Diagnostic {
    Diagnostic::file(
        file,
        "load/path",
        format!("\"{path}\" is no path into a document: {why}"),
        "Write $.customer.ssn, $.items[*].card or $..ssn; policies/README.md lists the steps.",
    )
}
