//! Conditions that show, before anything is evaluated, when a body of a rule can hold: at which stage, over which
//! protocol, for whom, with which data. It refuses to guess: a condition that is none of these limits nothing.

use super::references::{Path, fixed};
use super::walk::{self, Seen};
use regorus::Value;
use regorus::unstable::{BoolOp, Expr, Literal, Query, Ref, Rule, RuleBody, RuleHead};
use std::collections::BTreeSet;

/// A condition that limits a body.
pub(crate) enum Guard {
    /// `input.action == "x"`, `input.action in {"x", "y"}`.
    Stages(Words),
    /// The same of `input.connection.protocol`.
    Protocols(Words),
    /// The same of `input.identity.kind`.
    Kinds(Words),
    /// `count(input.identity.actors) > 0`: somebody acts for somebody else; or `== 0`.
    Delegated(bool),
    /// A rule has to hold.
    Rule(Path),
    /// Something has to be there below `data`.
    Data(Path),
}

/// What a part of the input is compared with.
pub(crate) enum Words {
    /// What stands there.
    These(Vec<String>),
    /// What this path of the data holds.
    Data(Path),
}

/// Makes a full path of a name as it stands, and says whether it is one of the documents.
type Resolve<'r> = &'r dyn Fn(Path) -> (Path, bool);

/// The guards of each body of a rule; an empty list for a body that shows none.
pub(crate) fn of(rule: &Rule, resolve: Resolve<'_>) -> Vec<Vec<Guard>> {
    match rule {
        // What is false by default lets nothing through.
        Rule::Default { value, .. } => match value.as_ref() {
            Expr::Bool { value, .. } if *value == Value::from(false) => Vec::new(),
            _ => vec![Vec::new()],
        },
        Rule::Spec { head, bodies, .. } => {
            let key = match head {
                RuleHead::Set { key, .. } => key.as_deref(),
                _ => None,
            };
            let head = |resolve: Resolve<'_>| {
                let paths = key
                    .map(|key| demanded(key, false, resolve))
                    .unwrap_or_default();
                paths.into_iter().map(Guard::Data)
            };
            let body = |body: &RuleBody| {
                let own = locals(&body.query);
                let resolve = |path: Path| match path.first() {
                    Some(root) if own.contains(root) => (path, false),
                    _ => resolve(path),
                };
                let mut guards = body_guards(&body.query, &resolve);
                guards.extend(head(&resolve));
                guards
            };
            match bodies.is_empty() {
                true => vec![head(resolve).collect()],
                false => bodies.iter().map(body).collect(),
            }
        }
    }
}

/// Names that a body makes its own: they may hide a rule or an import.
fn locals(query: &Query) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut within = |expr: &Expr| {
        walk::expr(expr, &mut |seen| {
            if let Seen::Expr(Expr::Var { span, .. }) = seen {
                names.insert(span.text().to_owned());
            }
        });
    };
    let mut some = Vec::new();
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => some.extend(vars),
            Literal::SomeIn { key, value, .. } => {
                key.iter().for_each(|key| within(key));
                within(value);
            }
            Literal::Expr { expr, .. } => {
                if let Expr::AssignExpr { lhs, .. } = expr.as_ref() {
                    within(lhs);
                }
            }
            _ => {}
        }
    }
    names.extend(some.into_iter().map(|span| span.text().to_owned()));
    names
}

fn body_guards(query: &Query, resolve: Resolve<'_>) -> Vec<Guard> {
    let mut guards = Vec::new();
    // What `with` replaces is another input, and other data.
    for statement in query.stmts.iter().filter(|s| s.with_mods.is_empty()) {
        let (expr, condition) = match &statement.literal {
            Literal::Expr { expr, .. } => {
                guards.extend(guard(expr, resolve));
                (expr, true)
            }
            Literal::SomeIn { collection, .. } => (collection, false),
            _ => continue,
        };
        let demanded = demanded(expr, condition, resolve);
        guards.extend(demanded.into_iter().map(Guard::Data));
    }
    guards
}

/// What has to be there below `data` for an expression to be defined, or for a condition to hold.
fn demanded(expr: &Expr, condition: bool, resolve: Resolve<'_>) -> Vec<Path> {
    // A condition that is an `in` fails where one of its sides is undefined.
    let paths = match expr {
        Expr::Membership {
            key,
            value,
            collection,
            ..
        } if condition => {
            let sides = key.iter().chain([value, collection]);
            sides.flat_map(|side| plain_references(side)).collect()
        }
        expr => plain_references(expr),
    };
    paths
        .into_iter()
        .filter_map(|path| match resolve(path) {
            (path, true) if path.first()? == "data" && path.len() > 1 => Some(path),
            _ => None,
        })
        .filter(|path| path[1] != "portcullis")
        .collect()
}

/// What a condition says about stage, protocol or identity, if it does.
fn guard(expr: &Expr, resolve: Resolve<'_>) -> Option<Guard> {
    match expr {
        Expr::BoolExpr { op, lhs, rhs, .. } => {
            compared(op, lhs, rhs, resolve).or_else(|| delegated(op, lhs, rhs, resolve))
        }
        Expr::Membership {
            key: None,
            value,
            collection,
            ..
        } => Some(limits(value, resolve)?(words(collection, resolve)?)),
        Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
            let (path, open) = fixed(expr);
            let (path, found) = resolve(path);
            let rule = found && !open && path.first()? == "data" && path.get(1)? == "portcullis";
            rule.then_some(Guard::Rule(path))
        }
        _ => None,
    }
}

fn compared(op: &BoolOp, lhs: &Expr, rhs: &Expr, resolve: Resolve<'_>) -> Option<Guard> {
    if *op != BoolOp::Eq {
        return None;
    }
    let (guard, word) = match (limits(lhs, resolve), limits(rhs, resolve)) {
        (Some(guard), None) => (guard, text_of(rhs)?),
        (None, Some(guard)) => (guard, text_of(lhs)?),
        _ => return None,
    };
    Some(guard(Words::These(vec![word])))
}

/// `count(input.identity.actors)` compared with nothing.
fn delegated(op: &BoolOp, lhs: &Expr, rhs: &Expr, resolve: Resolve<'_>) -> Option<Guard> {
    let Expr::Call { fcn, params, .. } = lhs else {
        return None;
    };
    let (name, open) = fixed(fcn);
    let [counted] = params.as_slice() else {
        return None;
    };
    let whole = !open && name == ["count"] && !resolve(name.clone()).1;
    if !whole || input(counted, resolve)? != ["identity", "actors"] {
        return None;
    }
    match (op, rhs) {
        (BoolOp::Eq, rhs) if nought(rhs) => Some(Guard::Delegated(false)),
        (BoolOp::Gt | BoolOp::Ne, rhs) if nought(rhs) => Some(Guard::Delegated(true)),
        _ => None,
    }
}

fn nought(expr: &Expr) -> bool {
    matches!(expr, Expr::Number { value, .. } if *value == Value::from(0_u64))
}

/// The path of a plain reference below `input`.
fn input(expr: &Expr, resolve: Resolve<'_>) -> Option<Path> {
    let (path, open) = fixed(expr);
    let (path, found) = resolve(path);
    let plain = found && !open && path.first()? == "input";
    plain.then(|| path.into_iter().skip(1).collect())
}

/// The guard that a comparison with this part of the input makes.
fn limits(expr: &Expr, resolve: Resolve<'_>) -> Option<fn(Words) -> Guard> {
    let path = input(expr, resolve)?;
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["action"] => Some(Guard::Stages),
        ["connection", "protocol"] => Some(Guard::Protocols),
        ["identity", "kind"] => Some(Guard::Kinds),
        _ => None,
    }
}

fn words(collection: &Expr, resolve: Resolve<'_>) -> Option<Words> {
    match collection {
        Expr::Set { items, .. } | Expr::Array { items, .. } => {
            let words: Option<Vec<String>> = items.iter().map(|i| text_of(i)).collect();
            words.map(Words::These)
        }
        Expr::RefDot { .. } | Expr::RefBrack { .. } | Expr::Var { .. } => {
            let (path, open) = fixed(collection);
            let (path, found) = resolve(path);
            let data = found && !open && path.first()? == "data" && path.get(1)? != "portcullis";
            data.then_some(Words::Data(path))
        }
        _ => None,
    }
}

pub(super) fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => {
            value.as_string().ok().map(|text| text.to_string())
        }
        _ => None,
    }
}

/// References that make an expression undefined when they are. What stands in a comprehension does not, nor on either
/// side of `in`: the engine's answer is false then. The match is exhaustive, so that a new kind of expression is a
/// compile error here.
pub(super) fn plain_references(expr: &Expr) -> Vec<Path> {
    let mut paths = Vec::new();
    references(expr, &mut paths);
    paths
}

fn references(expr: &Expr, paths: &mut Vec<Path>) {
    let mut all = |exprs: &[Ref<Expr>]| exprs.iter().for_each(|expr| references(expr, paths));
    match expr {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::ArrayCompr { .. }
        | Expr::SetCompr { .. }
        | Expr::ObjectCompr { .. }
        | Expr::Membership { .. } => {}
        Expr::Var { .. } => paths.extend(named(expr)),
        Expr::RefDot { .. } | Expr::RefBrack { .. } => {
            paths.extend(named(expr));
            indices(expr, paths);
        }
        Expr::Array { items, .. } | Expr::Set { items, .. } => all(items),
        Expr::Object { fields, .. } => {
            for (_, key, value) in fields {
                references(key, paths);
                references(value, paths);
            }
        }
        Expr::Call { params, .. } => all(params),
        Expr::UnaryExpr { expr, .. } => references(expr, paths),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => {
            references(lhs, paths);
            references(rhs, paths);
        }
    }
}

fn named(expr: &Expr) -> Option<Path> {
    Some(fixed(expr).0).filter(|path| !path.is_empty())
}

/// What stands in the brackets of a reference, and a root that is no name.
fn indices(expr: &Expr, paths: &mut Vec<Path>) {
    match expr {
        Expr::Var { .. } => {}
        Expr::RefDot { refr, .. } => indices(refr, paths),
        Expr::RefBrack { refr, index, .. } => {
            indices(refr, paths);
            references(index, paths);
        }
        root => references(root, paths),
    }
}
