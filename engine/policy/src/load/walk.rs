//! Every expression and every binding of a rule, in order of the text. The match is exhaustive, so that a
//! new kind of expression in the engine is a compile error here and not something that no check sees.

use regorus::unstable::{Expr, Literal, Query, Ref, Rule, RuleAssign, RuleBody, RuleHead};

/// What a walk comes by.
pub(crate) enum Seen<'a> {
    /// An expression, before what is inside it.
    Expr(&'a Expr),
    /// `some x in collection`, `every x in collection`: the name and the collection.
    Each(&'a str, &'a Expr),
    /// `x := value`.
    Named(&'a str, &'a Expr),
}

type See<'a, 's> = &'s mut dyn FnMut(Seen<'a>);

/// Walks a rule.
pub(crate) fn rule<'a>(rule: &'a Rule, see: See<'a, '_>) {
    match rule {
        Rule::Default {
            refr, args, value, ..
        } => {
            inside(refr, see);
            all(args, see);
            expr(value, see);
        }
        Rule::Spec { head, bodies, .. } => {
            match head {
                RuleHead::Compr { refr, assign, .. } => {
                    inside(refr, see);
                    assigned(assign.as_ref(), see);
                }
                RuleHead::Set { refr, key, .. } => {
                    inside(refr, see);
                    all(key, see);
                }
                RuleHead::Func { refr, assign, .. } => {
                    inside(refr, see);
                    assigned(assign.as_ref(), see);
                }
            }
            for RuleBody {
                assign, query: q, ..
            } in bodies
            {
                assigned(assign.as_ref(), see);
                query(q, see);
            }
        }
    }
}

fn assigned<'a>(assign: Option<&'a RuleAssign>, see: See<'a, '_>) {
    if let Some(assign) = assign {
        expr(&assign.value, see);
    }
}

fn all<'a>(exprs: impl IntoIterator<Item = &'a Ref<Expr>>, see: See<'a, '_>) {
    for each in exprs {
        expr(each, see);
    }
}

/// Walks a query.
pub(crate) fn query<'a>(query: &'a Query, see: See<'a, '_>) {
    for statement in &query.stmts {
        literal(&statement.literal, see);
        for with in &statement.with_mods {
            expr(&with.r#as, see);
        }
    }
}

/// Walks one condition.
pub(crate) fn literal<'a>(literal: &'a Literal, see: See<'a, '_>) {
    match literal {
        Literal::SomeVars { .. } => {}
        Literal::SomeIn {
            value, collection, ..
        } => {
            if let Expr::Var { span, .. } = value.as_ref() {
                see(Seen::Each(span.text(), collection));
            }
            expr(collection, see);
        }
        Literal::Expr { expr: e, .. } | Literal::NotExpr { expr: e, .. } => expr(e, see),
        Literal::Every {
            value,
            domain,
            query: q,
            ..
        } => {
            see(Seen::Each(value.text(), domain));
            expr(domain, see);
            query(q, see);
        }
    }
}

/// What stands in the brackets of a reference, and a root that is no name.
fn inside<'a>(reference: &'a Expr, see: See<'a, '_>) {
    match reference {
        Expr::Var { .. } => {}
        Expr::RefDot { refr, .. } => inside(refr, see),
        Expr::RefBrack { refr, index, .. } => {
            inside(refr, see);
            expr(index, see);
        }
        root => expr(root, see),
    }
}

/// Walks an expression.
pub(crate) fn expr<'a>(this: &'a Expr, see: See<'a, '_>) {
    see(Seen::Expr(this));
    match this {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::Var { .. } => {}
        Expr::RefDot { .. } | Expr::RefBrack { .. } => inside(this, see),
        Expr::Array { items, .. } | Expr::Set { items, .. } => all(items, see),
        Expr::Object { fields, .. } => {
            for (_, key, value) in fields {
                expr(key, see);
                expr(value, see);
            }
        }
        Expr::ArrayCompr { term, query: q, .. } | Expr::SetCompr { term, query: q, .. } => {
            expr(term, see);
            query(q, see);
        }
        Expr::ObjectCompr {
            key,
            value,
            query: q,
            ..
        } => {
            expr(key, see);
            expr(value, see);
            query(q, see);
        }
        Expr::Call { fcn, params, .. } => {
            inside(fcn, see);
            all(params, see);
        }
        Expr::UnaryExpr { expr: e, .. } => expr(e, see),
        Expr::AssignExpr { lhs, rhs, .. } => {
            if let Expr::Var { span, .. } = lhs.as_ref() {
                see(Seen::Named(span.text(), rhs));
            }
            expr(lhs, see);
            expr(rhs, see);
        }
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. } => {
            expr(lhs, see);
            expr(rhs, see);
        }
        Expr::Membership {
            key,
            value,
            collection,
            ..
        } => {
            all(key, see);
            expr(value, see);
            expr(collection, see);
        }
    }
}
