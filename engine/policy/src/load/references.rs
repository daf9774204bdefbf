//! Reads a module's syntax tree: its rules, and everything each of them refers to. The match over
//! expressions is exhaustive, so that a new kind of expression in the engine is a compile error here and
//! not an unseen reference.
//!
//! It errs towards seeing too much: a local variable with the name of a rule counts as that rule.

use super::guards::{self, Guard};
use regorus::unstable::{
    Expr, Literal, Module, Query, Ref, Rule, RuleAssign, RuleBody, RuleHead, Span,
};
use std::collections::{BTreeMap, BTreeSet};

/// A path such as `["data", "portcullis", "lib", "groups"]`.
pub(crate) type Path = Vec<String>;

/// What a module holds.
pub(crate) struct Contents {
    /// `["data", "portcullis", "packs", "access"]`.
    pub package: Path,
    /// Where the package stands.
    pub place: (u32, u32),
    /// Imports of whole documents that are not allowed: `import data`.
    pub bare_imports: Vec<(u32, u32)>,
    /// Names for parts of the documents, what each means and where that stands.
    pub imports: Vec<(String, Path, (u32, u32))>,
    /// Its rules, in the order of the tree.
    pub rules: Vec<RuleFacts>,
    /// The tree itself.
    pub ast: Ref<Module>,
}

/// One rule.
pub(crate) struct RuleFacts {
    /// Its full path, up to the first part that is not fixed.
    pub path: Path,
    /// What kind of head it has.
    pub kind: HeadKind,
    /// Where it stands.
    pub place: (u32, u32),
    /// What it refers to.
    pub references: Vec<Reference>,
    /// For each of its bodies, what has to hold for it to say anything; empty when it always may.
    pub guards: Vec<Vec<Guard>>,
    /// It is one value, so that a condition that names it fails where it says nothing. A set or an object is there
    /// though it is empty.
    pub complete: bool,
}

/// The kind of a rule's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadKind {
    /// `x := …`, `default x := …`, `x[k] := …`.
    Value,
    /// `x contains …`.
    Set,
    /// `x(…) := …`.
    Function,
}

/// One reference.
pub(crate) struct Reference {
    /// The path; `data…`, `input…`, or the name of a builtin.
    pub path: Path,
    /// True when something that is not fixed follows the path.
    pub open: bool,
    /// What it is.
    pub kind: ReferenceKind,
    /// Where it stands.
    pub place: (u32, u32),
}

/// What a reference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReferenceKind {
    /// `data.…`: rules or data.
    Data,
    /// `input.…`.
    Input,
    /// A call of a rule of some package.
    Call,
    /// A call of a builtin, or of something that does not exist.
    Builtin,
    /// The target of a `with`: replaced for a time.
    With,
}

/// Names that may follow a package's own: rules of all its modules.
pub(crate) type Names = BTreeMap<Path, BTreeSet<String>>;

/// The package of a module, and the first names of its rules.
pub(crate) fn names(module: &Module) -> (Path, BTreeSet<String>) {
    let mut package = vec!["data".to_owned()];
    package.extend(fixed(&module.package.refr).0);
    let names = module
        .policy
        .iter()
        .filter_map(|rule| fixed(head(rule).1).0.into_iter().next())
        .collect();
    (package, names)
}

/// Everything in a module.
pub(crate) fn contents(module: &Ref<Module>, names: &Names) -> Contents {
    let (package, _) = self::names(module);
    let (mut imports, mut named) = (BTreeMap::new(), Vec::new());
    let mut bare_imports = Vec::new();
    for import in &module.imports {
        let (path, _) = fixed(&import.refr);
        let alias = match &import.r#as {
            Some(alias) => alias.text().to_owned(),
            None => path.last().cloned().unwrap_or_default(),
        };
        match path.first().map(String::as_str) {
            Some("data" | "input") if path.len() == 1 => bare_imports.push(place(&import.span)),
            Some("data" | "input") => {
                named.push((alias.clone(), path.clone(), place(&import.span)));
                imports.insert(alias, path);
            }
            // `rego.v1` and `future.keywords`.
            _ => {}
        }
    }
    let own = names.get(&package).cloned().unwrap_or_default();
    let rules = module
        .policy
        .iter()
        .map(|rule| {
            let (kind, refr) = head(rule);
            let mut path = package.clone();
            let (name, open) = fixed(refr);
            path.extend(name);
            let mut reader = Reader {
                package: &package,
                imports: &imports,
                own: &own,
                found: Vec::new(),
            };
            reader.rule(rule);
            let guards = guards::of(rule, &|path| reader.resolve(path, false));
            RuleFacts {
                path,
                kind,
                place: place(rule.span()),
                references: reader.found,
                guards,
                complete: kind == HeadKind::Value && !open,
            }
        })
        .collect();
    Contents {
        package,
        place: place(&module.package.span),
        bare_imports,
        imports: named,
        rules,
        ast: module.clone(),
    }
}

/// Where an expression begins. The engine has a reference begin at its last dot.
pub(super) fn beginning(expr: &Expr) -> &Span {
    match expr {
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => beginning(refr),
        expr => expr.span(),
    }
}

fn place(span: &Span) -> (u32, u32) {
    (span.line, span.col)
}

fn head(rule: &Rule) -> (HeadKind, &Ref<Expr>) {
    match rule {
        Rule::Default { args, refr, .. } => match args.is_empty() {
            true => (HeadKind::Value, refr),
            false => (HeadKind::Function, refr),
        },
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { refr, .. } => (HeadKind::Value, refr),
            RuleHead::Set { refr, .. } => (HeadKind::Set, refr),
            RuleHead::Func { refr, .. } => (HeadKind::Function, refr),
        },
    }
}

/// The fixed beginning of a reference, and whether more follows. Empty when its root is no name.
pub(crate) fn fixed(expr: &Expr) -> (Path, bool) {
    match expr {
        Expr::Var { span, .. } => (vec![span.text().to_owned()], false),
        Expr::RefDot { refr, field, .. } => {
            let (mut path, open) = fixed(refr);
            if !open && !path.is_empty() {
                path.push(field.0.text().to_owned());
            }
            (path, open)
        }
        Expr::RefBrack { refr, index, .. } => {
            let (mut path, open) = fixed(refr);
            match index.as_ref() {
                Expr::String { value, .. } | Expr::RawString { value, .. }
                    if !open && !path.is_empty() =>
                {
                    if let Ok(text) = value.as_string() {
                        path.push(text.to_string());
                    }
                    (path, false)
                }
                _ => (path, true),
            }
        }
        _ => (Path::new(), true),
    }
}

struct Reader<'m> {
    package: &'m Path,
    imports: &'m BTreeMap<String, Path>,
    own: &'m BTreeSet<String>,
    found: Vec<Reference>,
}

impl Reader<'_> {
    fn rule(&mut self, rule: &Rule) {
        match rule {
            Rule::Default {
                refr, args, value, ..
            } => {
                self.indices(refr);
                self.all(args);
                self.expr(value);
            }
            Rule::Spec { head, bodies, .. } => {
                match head {
                    RuleHead::Compr { refr, assign, .. } => {
                        self.indices(refr);
                        self.assign(assign.as_ref());
                    }
                    RuleHead::Set { refr, key, .. } => {
                        self.indices(refr);
                        self.all(key);
                    }
                    RuleHead::Func {
                        refr, args, assign, ..
                    } => {
                        self.indices(refr);
                        self.all(args);
                        self.assign(assign.as_ref());
                    }
                }
                for RuleBody { assign, query, .. } in bodies {
                    self.assign(assign.as_ref());
                    self.query(query);
                }
            }
        }
    }

    fn assign(&mut self, assign: Option<&RuleAssign>) {
        if let Some(assign) = assign {
            self.expr(&assign.value);
        }
    }

    fn all<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Ref<Expr>>) {
        exprs.into_iter().for_each(|expr| self.expr(expr));
    }

    fn query(&mut self, query: &Query) {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { .. } => {}
                Literal::SomeIn {
                    key,
                    value,
                    collection,
                    ..
                } => {
                    self.all(key);
                    self.expr(value);
                    self.expr(collection);
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expr(expr),
                Literal::Every { domain, query, .. } => {
                    self.expr(domain);
                    self.query(query);
                }
            }
            for with in &statement.with_mods {
                self.indices(&with.refr);
                let (path, open) = fixed(&with.refr);
                let (path, _) = self.resolve(path, true);
                self.found.push(Reference {
                    path,
                    open,
                    kind: ReferenceKind::With,
                    place: place(&with.span),
                });
                self.expr(&with.r#as);
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {}
            Expr::Var { .. } => self.reference(expr),
            Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                self.indices(expr);
                self.reference(expr);
            }
            Expr::Array { items, .. } | Expr::Set { items, .. } => self.all(items),
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    self.expr(key);
                    self.expr(value);
                }
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expr(term);
                self.query(query);
            }
            Expr::ObjectCompr {
                key, value, query, ..
            } => {
                self.expr(key);
                self.expr(value);
                self.query(query);
            }
            Expr::Call { fcn, params, .. } => {
                self.call(fcn);
                self.all(params);
            }
            Expr::UnaryExpr { expr, .. } => self.expr(expr),
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.expr(lhs);
                self.expr(rhs);
            }
            Expr::Membership {
                key,
                value,
                collection,
                ..
            } => {
                self.all(key);
                self.expr(value);
                self.expr(collection);
            }
        }
    }

    /// The expressions in the brackets of a reference, and a root that is no name.
    fn indices(&mut self, expr: &Expr) {
        match expr {
            Expr::Var { .. } => {}
            Expr::RefDot { refr, .. } => self.indices(refr),
            Expr::RefBrack { refr, index, .. } => {
                self.indices(refr);
                self.expr(index);
            }
            root => self.expr(root),
        }
    }

    fn reference(&mut self, expr: &Expr) {
        let (path, open) = fixed(expr);
        let (path, found) = self.resolve(path, false);
        let kind = match path.first().map(String::as_str) {
            Some("data") if found => ReferenceKind::Data,
            Some("input") if found => ReferenceKind::Input,
            _ => return,
        };
        self.found.push(Reference {
            path,
            open,
            kind,
            place: place(beginning(expr)),
        });
    }

    fn call(&mut self, function: &Expr) {
        self.indices(function);
        let (path, open) = fixed(function);
        let (path, found) = self.resolve(path, false);
        let kind = match found {
            true => ReferenceKind::Call,
            false => ReferenceKind::Builtin,
        };
        self.found.push(Reference {
            path,
            open,
            kind,
            place: place(beginning(function)),
        });
    }

    /// The full path of a name, and whether it is one of the documents.
    fn resolve(&self, path: Path, always: bool) -> (Path, bool) {
        let Some(root) = path.first() else {
            return (path, false);
        };
        if root == "data" || root == "input" {
            return (path, true);
        }
        let rest = path.iter().skip(1).cloned();
        if let Some(target) = self.imports.get(root) {
            return (target.iter().cloned().chain(rest).collect(), true);
        }
        if self.own.contains(root) {
            return (self.package.iter().cloned().chain(path).collect(), true);
        }
        (path, always)
    }
}
