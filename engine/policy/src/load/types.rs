//! Reads of the input, typed against its schema: fields of list items through local variables, and the
//! words a field can hold. `statement.predicat == "missing"` and `input.identity.kind == "person"` are
//! never true, and a `deny` that waits for them never speaks. It stays silent where a name could mean two
//! things.

use super::references::Path;
use super::walk::{self, Seen};
use crate::diagnostic::Diagnostic;
use crate::input::{Paths, Step, Typed};
use regorus::unstable::{BoolOp, Expr, Module, Rule, RuleHead, Span};
use std::collections::{BTreeMap, BTreeSet};

/// What a module imports from the input: alias to path.
type Imports = BTreeMap<String, Path>;
/// Local names, and what they are of the input; none when they are several things.
type Names = BTreeMap<String, Option<Vec<Step>>>;

/// Checks the rules of a module.
pub(crate) fn check(file: &str, module: &Module, paths: &Paths) -> Vec<Diagnostic> {
    let imports = imports(module);
    let mut found = Vec::new();
    for rule in &module.policy {
        let arguments: Names = arguments(rule).into_iter().map(|a| (a, None)).collect();
        // Names may be made of names that are made further down: two more rounds settle that.
        let mut names = arguments.clone();
        for _ in 0..3 {
            let known = std::mem::replace(&mut names, arguments.clone());
            walk::rule(rule, &mut |seen| bind(seen, &imports, &known, &mut names));
        }
        let reader = Reader {
            file,
            paths,
            imports: &imports,
            names: &names,
        };
        walk::rule(rule, &mut |seen| {
            if let Seen::Expr(expr) = seen {
                found.extend(reader.look(expr));
            }
        });
    }
    found
}

fn imports(module: &Module) -> Imports {
    let mut imports = Imports::new();
    for import in &module.imports {
        let (path, open) = super::references::fixed(&import.refr);
        if open || path.first().is_none_or(|root| root != "input") {
            continue;
        }
        let alias = match &import.r#as {
            Some(alias) => alias.text().to_owned(),
            None => path.last().cloned().unwrap_or_default(),
        };
        imports.insert(alias, path);
    }
    imports
}

fn arguments(rule: &Rule) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let args = match rule {
        Rule::Default { args, .. } => args,
        Rule::Spec {
            head: RuleHead::Func { args, .. },
            ..
        } => args,
        Rule::Spec { .. } => return names,
    };
    for argument in args {
        walk::expr(argument, &mut |seen| {
            if let Seen::Expr(Expr::Var { span, .. }) = seen {
                names.insert(span.text().to_owned());
            }
        });
    }
    names
}

fn bind(seen: Seen<'_>, imports: &Imports, known: &Names, names: &mut Names) {
    let (name, steps) = match seen {
        Seen::Expr(_) => return,
        Seen::Named(name, value) => (name, steps_of(value, imports, known)),
        Seen::Each(name, collection) => {
            let mut steps = steps_of(collection, imports, known);
            if let Some(steps) = &mut steps {
                steps.push(Step::Any);
            }
            (name, steps)
        }
    };
    let entry = names
        .entry(name.to_owned())
        .or_insert_with(|| steps.clone());
    if *entry != steps {
        *entry = None;
    }
}

/// Which part of the input an expression is; none when it is none, or that cannot be told.
fn steps_of(expr: &Expr, imports: &Imports, names: &Names) -> Option<Vec<Step>> {
    match expr {
        Expr::Var { span, .. } => match span.text() {
            "input" => Some(Vec::new()),
            name => match (names.get(name), imports.get(name)) {
                (Some(steps), _) => steps.clone(),
                (None, Some(path)) => Some(path.iter().skip(1).cloned().map(Step::Field).collect()),
                (None, None) => None,
            },
        },
        Expr::RefDot { refr, field, .. } => {
            let mut steps = steps_of(refr, imports, names)?;
            steps.push(Step::Field(field.0.text().to_owned()));
            Some(steps)
        }
        Expr::RefBrack { refr, index, .. } => {
            let mut steps = steps_of(refr, imports, names)?;
            steps.push(match text_of(index) {
                Some(text) => Step::Field(text),
                None => Step::Any,
            });
            Some(steps)
        }
        _ => None,
    }
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => {
            value.as_string().ok().map(|text| text.to_string())
        }
        _ => None,
    }
}

struct Reader<'a> {
    file: &'a str,
    paths: &'a Paths,
    imports: &'a Imports,
    names: &'a Names,
}

impl Reader<'_> {
    fn look(&self, expr: &Expr) -> Vec<Diagnostic> {
        match expr {
            Expr::RefDot { .. } | Expr::RefBrack { .. } => self.field(expr).into_iter().collect(),
            Expr::BoolExpr {
                op: BoolOp::Eq | BoolOp::Ne,
                lhs,
                rhs,
                ..
            } => [(lhs, rhs), (rhs, lhs)]
                .into_iter()
                .filter_map(|(field, value)| self.value(field, value))
                .collect(),
            Expr::Membership {
                key: None,
                value,
                collection,
                ..
            } => match collection.as_ref() {
                Expr::Set { items, .. } | Expr::Array { items, .. } => items
                    .iter()
                    .filter_map(|item| self.value(value, item))
                    .collect(),
                collection => self.item(collection, value).into_iter().collect(),
            },
            _ => Vec::new(),
        }
    }

    /// A field that does not exist. Fixed paths from `input` are checked with the other references.
    fn field(&self, expr: &Expr) -> Option<Diagnostic> {
        let (fixed, open) = super::references::fixed(expr);
        if !open && fixed.first().is_some_and(|root| root == "input") {
            return None;
        }
        let steps = steps_of(expr, self.imports, self.names)?;
        let Typed::Missing(index) = self.paths.typed(&steps) else {
            return None;
        };
        let fields = self.paths.fields_at(steps.get(..index)?);
        // What is longer says the same again.
        (index + 1 == steps.len()).then(|| {
            self.diagnostic(
                "load/unknown-input",
                super::references::beginning(expr),
                format!("there is no {} in the input document", shown(&steps)),
                &format!(
                    "Fields there: {}. See policies/input.schema.json.",
                    fields.join(", ")
                ),
            )
        })
    }

    /// A comparison of a field with a literal that it never is.
    fn value(&self, field: &Expr, value: &Expr) -> Option<Diagnostic> {
        let steps = steps_of(field, self.imports, self.names)?;
        self.never(&steps, super::references::beginning(field), value)
    }

    /// `"x" in input.some.list`.
    fn item(&self, collection: &Expr, value: &Expr) -> Option<Diagnostic> {
        let mut steps = steps_of(collection, self.imports, self.names)?;
        steps.push(Step::Any);
        self.never(&steps, super::references::beginning(collection), value)
    }

    fn never(&self, steps: &[Step], span: &Span, value: &Expr) -> Option<Diagnostic> {
        let Typed::Known { words, kinds } = self.paths.typed(steps) else {
            return None;
        };
        let kind = match value {
            Expr::String { .. } | Expr::RawString { .. } => "string",
            Expr::Number { .. } => "integer",
            Expr::Bool { .. } => "boolean",
            _ => return None,
        };
        if !kinds.is_empty()
            && !kinds
                .iter()
                .any(|k| k == kind || (k == "number" && kind == "integer"))
        {
            return Some(self.diagnostic(
                "load/type",
                span,
                format!("{} is {} and never {}", shown(steps), kinds.join(" or "), value.span().text()),
                "Compare it with a value of its own type: the comparison is never true, and its negation always.",
            ));
        }
        let text = text_of(value)?;
        (!words.is_empty() && !words.contains(&text)).then(|| {
            self.diagnostic(
                "load/never-true",
                value.span(),
                format!("{} is never \"{text}\"", shown(steps)),
                &format!("It is one of {}.", words.join(", ")),
            )
        })
    }

    fn diagnostic(
        &self,
        rule: &'static str,
        span: &Span,
        message: String,
        remedy: &str,
    ) -> Diagnostic {
        Diagnostic::file(self.file, rule, message, remedy).at((span.line, span.col))
    }
}

/// `input.command.statements[_].verb`.
fn shown(steps: &[Step]) -> String {
    let mut text = "input".to_owned();
    for step in steps {
        match step {
            Step::Field(name) => text.push_str(&format!(".{name}")),
            Step::Any => text.push_str("[_]"),
        }
    }
    text
}
