//! What a rule of the four sets says, as far as it stands there in words: an obligation that does not
//! exist, a field that nobody reads, a rule name that is none. At run time each is a denial of everything;
//! here it has a line and a column.

use crate::diagnostic::Diagnostic;
use crate::said;
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

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => {
            value.as_string().ok().map(|text| text.to_string())
        }
        _ => None,
    }
}
