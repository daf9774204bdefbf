//! What cannot fail, whatever it is given. Anything else that is computed from a column tells of it by failing or
//! not: `1 / (ascii(ssn) - 49)`, `replace(ssn, '1', 'x')::int`. So what it is given counts as tested.
//!
//! Refuses: what is not listed may fail. How long something takes and how large it grows is not judged here.

use crate::attributes;
use crate::names::Name;
use crate::tree::{Seen, Visit, Walk};
use pg_query::protobuf::{
    AExpr, AExprKind, BoolExprType, FuncCall, JsonAggConstructor, Node, SubLink, TypeCast, XmlExpr,
    XmlExprOp, node,
};

/// Which arguments of a function may be anything.
#[derive(Clone, Copy)]
enum Calm {
    /// This many, from the first on.
    First(usize),
    /// The second of two.
    Second,
    /// The first and the third: the second is a number of rows.
    Around,
    /// Every second one: the others are keys, which may not be NULL.
    Values,
}

const ALL: Calm = Calm::First(usize::MAX);
const ONE: Calm = Calm::First(1);

/// Functions of PostgreSQL's own that compute something for any value. Less those that only some values fit:
/// numbers that overflow, texts that are read, lengths, patterns and keys that come out of values, arrays whose
/// dimensions follow them.
const FUNCTIONS: [(&str, Calm); 87] = [
    ("any_value", ALL),
    ("array_agg", ALL),
    ("array_length", ONE),
    ("array_to_json", ONE),
    ("array_to_string", ALL),
    ("ascii", ALL),
    ("avg", ALL),
    ("bit_length", ALL),
    ("bool_and", ALL),
    ("bool_or", ALL),
    ("btrim", ALL),
    ("cardinality", ALL),
    ("ceil", ALL),
    ("ceiling", ALL),
    ("char_length", ALL),
    ("character_length", ALL),
    ("concat", ALL),
    ("concat_ws", ALL),
    ("count", ALL),
    ("date_part", Calm::Second),
    ("date_trunc", Calm::Second),
    ("dense_rank", ALL),
    ("encode", ONE),
    ("every", ALL),
    ("extract", Calm::Second),
    ("first_value", ALL),
    ("floor", ALL),
    ("initcap", ALL),
    ("isfinite", ALL),
    ("json_agg", ALL),
    ("json_build_array", ALL),
    ("json_build_object", Calm::Values),
    ("json_extract_path", ALL),
    ("json_extract_path_text", ALL),
    ("json_object_agg", Calm::Second),
    ("json_typeof", ALL),
    ("jsonb_agg", ALL),
    ("jsonb_build_array", ALL),
    ("jsonb_build_object", Calm::Values),
    ("jsonb_extract_path", ALL),
    ("jsonb_extract_path_text", ALL),
    ("jsonb_object_agg", Calm::Second),
    ("jsonb_pretty", ALL),
    ("jsonb_strip_nulls", ALL),
    ("jsonb_typeof", ALL),
    ("lag", Calm::Around),
    ("last_value", ALL),
    ("lead", Calm::Around),
    ("left", ONE),
    ("length", ONE),
    ("lower", ALL),
    ("lpad", ONE),
    ("ltrim", ALL),
    ("max", ALL),
    ("md5", ALL),
    ("min", ALL),
    ("mode", ALL),
    ("nth_value", ONE),
    ("num_nonnulls", ALL),
    ("num_nulls", ALL),
    ("octet_length", ALL),
    ("pg_column_size", ALL),
    ("pg_typeof", ALL),
    ("position", ALL),
    ("quote_ident", ALL),
    ("quote_literal", ALL),
    ("quote_nullable", ALL),
    ("rank", ALL),
    ("regexp_replace", ONE),
    ("regexp_substr", ONE),
    ("replace", ALL),
    ("reverse", ALL),
    ("right", ONE),
    ("round", ONE),
    ("row_number", ALL),
    ("row_to_json", ONE),
    ("rpad", ONE),
    ("rtrim", ALL),
    ("split_part", Calm::First(2)),
    ("starts_with", ALL),
    ("string_agg", ALL),
    ("strpos", ALL),
    ("substr", ONE),
    ("substring", ONE),
    ("sum", ALL),
    ("to_json", ALL),
    ("to_jsonb", ALL),
];

/// More of them, behind what they take no part in.
const MORE: [(&str, Calm); 6] = [
    ("timezone", Calm::Second),
    ("to_char", ONE),
    ("to_tsvector", Calm::Second),
    ("translate", ALL),
    ("trunc", ONE),
    ("upper", ALL),
];

/// Operators between two values of any kind that they take.
const OPERATORS: [&str; 21] = [
    "!=", "#>", "#>>", "&&", "->", "->>", "<", "<=", "<>", "<@", "=", ">", ">=", "?", "?&", "?|",
    "@>", "BETWEEN", "IN", "^@", "||",
];

/// Operators whose right side is a pattern, and may be none.
const PATTERNS: [&str; 8] = ["!~", "!~*", "!~~", "!~~*", "~", "~*", "~~", "~~*"];

/// Types that every value has a text for.
const TEXTS: [&str; 3] = ["bpchar", "text", "varchar"];

/// How the sides of an operator take values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sides {
    /// Both may be anything.
    Calm,
    /// The left one.
    Left,
    /// Neither.
    None,
}

fn found(name: &str) -> Option<Calm> {
    let mut all = FUNCTIONS.iter().chain(&MORE);
    all.find(|(known, _)| *known == name).map(|(_, calm)| *calm)
}

/// True where a call cannot fail because of the argument at this place.
pub(super) fn takes(call: &FuncCall, place: usize) -> bool {
    let named = |arg: &Node| matches!(arg.node, Some(node::Node::NamedArgExpr(_)));
    if call.func_variadic || !attributes::is_clear(call) || call.args.iter().any(named) {
        return false;
    }
    let name = Name::of_parts(&call.funcname).and_then(|name| found(name.name));
    match name {
        Some(Calm::First(count)) => place < count,
        Some(Calm::Second) => place == 1 && call.args.len() == 2,
        Some(Calm::Around) => matches!(place, 0 | 2),
        Some(Calm::Values) => place % 2 == 1,
        None => false,
    }
}

/// True for the name of a built-in function that may fail, where it is written like a field.
pub(super) fn may_fail(name: &str) -> bool {
    crate::catalog::is_transparent(name) && found(name).is_none()
}

/// How an operator takes its sides.
pub(super) fn sides(expression: &AExpr) -> Sides {
    let one_sided = expression.lexpr.is_none() || expression.rexpr.is_none();
    match AExprKind::try_from(expression.kind) {
        Ok(AExprKind::AexprOp) if one_sided => Sides::None,
        Ok(
            AExprKind::AexprOp
            | AExprKind::AexprOpAny
            | AExprKind::AexprOpAll
            | AExprKind::AexprLike
            | AExprKind::AexprIlike
            | AExprKind::AexprSimilar,
        ) => operator(&expression.name),
        Ok(
            AExprKind::AexprIn
            | AExprKind::AexprDistinct
            | AExprKind::AexprNotDistinct
            | AExprKind::AexprBetween
            | AExprKind::AexprNotBetween
            | AExprKind::AexprBetweenSym
            | AExprKind::AexprNotBetweenSym,
        ) => Sides::Calm,
        _ => Sides::None,
    }
}

fn operator(name: &[Node]) -> Sides {
    match Name::of_parts(name).filter(|name| name.maybe_catalog()) {
        Some(own) if OPERATORS.contains(&own.name) => Sides::Calm,
        Some(own) if PATTERNS.contains(&own.name) => Sides::Left,
        _ => Sides::None,
    }
}

/// True where `x op ANY (SELECT …)` cannot fail.
pub(super) fn compares(link: &SubLink) -> bool {
    link.oper_name.is_empty() || operator(&link.oper_name) == Sides::Calm
}

/// What a client has written itself.
pub(super) fn is_constant(value: &Node) -> bool {
    match &value.node {
        Some(node::Node::AConst(_) | node::Node::ParamRef(_) | node::Node::SetToDefault(_)) => true,
        Some(node::Node::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_constant),
        _ => false,
    }
}

/// True for a cast that every value survives.
pub(super) fn casts(cast: &TypeCast) -> bool {
    cast.arg.as_deref().is_none_or(is_constant)
        || cast.type_name.as_ref().is_some_and(|written| {
            let own = |name: Name<'_>| name.maybe_catalog() && TEXTS.contains(&name.name);
            written.array_bounds.is_empty() && Name::of_parts(&written.names).is_some_and(own)
        })
}

fn builds(xml: &XmlExpr) -> bool {
    let op = XmlExprOp::try_from(xml.op);
    matches!(op, Ok(XmlExprOp::IsXmlelement | XmlExprOp::IsXmlforest))
}

/// True for an aggregate whose result is brought into no other type.
fn is_json(aggregate: Option<&JsonAggConstructor>) -> bool {
    aggregate.is_some_and(|aggregate| aggregate.output.is_none())
}

/// True for nodes that pass on what stands in them, or hold nothing.
pub(super) fn passes(node: Seen<'_>) -> bool {
    match node {
        Seen::BoolExpr(expression) => expression.boolop == BoolExprType::NotExpr as i32,
        Seen::XmlExpr(xml) => builds(xml),
        Seen::JsonObjectConstructor(json) => !json.unique && json.output.is_none(),
        Seen::JsonArrayConstructor(json) => json.output.is_none(),
        Seen::JsonScalarExpr(json) => json.output.is_none(),
        Seen::JsonObjectAgg(json) => !json.unique && is_json(json.constructor.as_deref()),
        Seen::JsonArrayAgg(json) => is_json(json.constructor.as_deref()),
        Seen::AStar(_)
        | Seen::AArrayExpr(_)
        | Seen::AConst(_)
        | Seen::BooleanTest(_)
        | Seen::CollateClause(_)
        | Seen::CurrentOfExpr(_)
        | Seen::GroupingFunc(_)
        | Seen::GroupingSet(_)
        | Seen::JsonFormat(_)
        | Seen::JsonValueExpr(_)
        | Seen::List(_)
        | Seen::MergeSupportFunc(_)
        | Seen::MinMaxExpr(_)
        | Seen::MultiAssignRef(_)
        | Seen::NamedArgExpr(_)
        | Seen::NullTest(_)
        | Seen::ParamRef(_)
        | Seen::ResTarget(_)
        | Seen::ReturningClause(_)
        | Seen::ReturningOption(_)
        | Seen::RowExpr(_)
        | Seen::SetToDefault(_)
        | Seen::SortBy(_)
        | Seen::SqlvalueFunction(_)
        | Seen::String(_)
        | Seen::TypeName(_) => true,
        _ => false,
    }
}

/// True where nothing in an expression can fail, or ask for more than the row at hand.
pub(super) fn is(value: &Node) -> bool {
    let mut look = Look(true);
    value.walk(&mut look);
    look.0
}

struct Look(bool);

impl<'a> Visit<'a> for Look {
    fn enter(&mut self, node: Seen<'a>) -> bool {
        self.0 &= match node {
            Seen::FuncCall(call) => {
                let mut args = call.args.iter().enumerate();
                args.all(|(place, arg)| takes(call, place) || is_constant(arg))
                    && attributes::is_clear(call)
            }
            Seen::AExpr(expression) => match sides(expression) {
                Sides::Calm => true,
                Sides::Left => expression.rexpr.as_deref().is_none_or(is_constant),
                Sides::None => false,
            },
            Seen::TypeCast(cast) => casts(cast),
            Seen::AIndirection(path) => path.indirection.iter().all(is_constant_step),
            Seen::JsonKeyValue(pair) => pair.key.as_deref().is_none_or(is_constant),
            Seen::AIndices(_)
            | Seen::BoolExpr(_)
            | Seen::CoalesceExpr(_)
            | Seen::CaseExpr(_)
            | Seen::CaseWhen(_)
            | Seen::ColumnRef(_) => true,
            other => passes(other),
        };
        self.0 && !matches!(node, Seen::TypeName(_))
    }

    fn unlisted(&mut self) {
        self.0 = false;
    }
}

fn is_constant_step(step: &Node) -> bool {
    match &step.node {
        Some(node::Node::AIndices(at)) => {
            let sides = [at.lidx.as_deref(), at.uidx.as_deref()];
            sides.into_iter().flatten().all(is_constant)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{FUNCTIONS, MORE, OPERATORS, PATTERNS, TEXTS};
    use crate::catalog;

    #[test]
    fn what_is_calm_is_of_the_server() {
        for (name, _) in FUNCTIONS.iter().chain(&MORE) {
            let known = catalog::is_transparent(name);
            assert!(
                known || crate::functions::table::find(name).is_some(),
                "{name}"
            );
        }
        for name in PATTERNS {
            assert!(catalog::is_operator(name), "{name}");
        }
        for name in OPERATORS
            .iter()
            .filter(|name| !name.starts_with(char::is_alphabetic))
        {
            assert!(*name == "!=" || catalog::is_operator(name), "{name}");
        }
        for name in TEXTS {
            assert!(catalog::is_type(name), "{name}");
        }
    }
}
