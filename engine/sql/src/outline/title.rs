//! The name that the server gives to a column of a result which the text gives none: PostgreSQL's
//! `FigureColname` (src/backend/parser/parse_target.c), for the nodes that matter.
//!
//! Refuses: a node that is not listed has no name here, and whoever looks for one takes it for any.

use crate::names;
use pg_query::protobuf::{AExprKind, Node, SubLink, SubLinkType, TypeCast, node};

/// What stands where nothing gives a name.
const NONE: &str = "?column?";

/// A name, and whether it is better than that of a type.
enum Title {
    Good(String),
    Weak(String),
    None,
    Unknown,
}

/// The name, where it is known.
pub(super) fn of(value: &Node) -> Option<String> {
    match title(value) {
        Title::Good(name) | Title::Weak(name) => Some(name),
        Title::None => Some(NONE.to_owned()),
        Title::Unknown => None,
    }
}

fn title(value: &Node) -> Title {
    let good = |name: &str| Title::Good(name.to_owned());
    match &value.node {
        Some(node::Node::ColumnRef(column)) => last(&column.fields),
        Some(node::Node::FuncCall(call)) => last(&call.funcname),
        Some(node::Node::AExpr(expression)) => {
            match expression.kind == AExprKind::AexprNullif as i32 {
                true => good("nullif"),
                false => Title::None,
            }
        }
        Some(node::Node::TypeCast(cast)) => self::cast(cast),
        Some(node::Node::CollateClause(collate)) => inner(collate.arg.as_deref()),
        Some(node::Node::CaseExpr(case)) => match inner(case.defresult.as_deref()) {
            Title::Weak(_) | Title::None => Title::Weak("case".to_owned()),
            other => other,
        },
        Some(node::Node::SubLink(link)) => self::link(link),
        Some(node::Node::AArrayExpr(_)) => good("array"),
        Some(node::Node::RowExpr(_)) => good("row"),
        Some(node::Node::CoalesceExpr(_)) => good("coalesce"),
        Some(node::Node::GroupingFunc(_)) => good("grouping"),
        Some(
            node::Node::AConst(_)
            | node::Node::ParamRef(_)
            | node::Node::BoolExpr(_)
            | node::Node::NullTest(_)
            | node::Node::BooleanTest(_),
        ) => Title::None,
        _ => Title::Unknown,
    }
}

fn inner(value: Option<&Node>) -> Title {
    value.map_or(Title::None, title)
}

fn last(parts: &[Node]) -> Title {
    match parts.last().and_then(names::string) {
        Some(name) => Title::Good(name.to_owned()),
        None => Title::Unknown,
    }
}

fn cast(cast: &TypeCast) -> Title {
    match inner(cast.arg.as_deref()) {
        Title::Weak(_) | Title::None => match cast.type_name.as_ref() {
            Some(name) => match last(&name.names) {
                Title::Good(name) => Title::Weak(name),
                other => other,
            },
            None => Title::Unknown,
        },
        other => other,
    }
}

fn link(link: &SubLink) -> Title {
    match SubLinkType::try_from(link.sub_link_type) {
        Ok(SubLinkType::ExistsSublink) => Title::Good("exists".to_owned()),
        Ok(SubLinkType::ArraySublink) => Title::Good("array".to_owned()),
        Ok(SubLinkType::AllSublink | SubLinkType::AnySublink) => Title::None,
        _ => Title::Unknown,
    }
}
