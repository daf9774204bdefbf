//! Literals as the tree holds them.
//!
//! Refuses: an expression that would have to be evaluated is no literal, however constant it looks.

use pg_query::protobuf::{Node, a_const::Val, node};

/// A literal with its place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) text: String,
    pub(crate) at: u32,
}

/// The literal, through casts (`'x'::text`). NULL has the empty text.
pub(crate) fn of(node: &Node) -> Option<Literal> {
    match &node.node {
        Some(node::Node::AConst(constant)) => {
            let text = match &constant.val {
                Some(Val::Sval(s)) => s.sval.clone(),
                Some(Val::Ival(i)) => i.ival.to_string(),
                Some(Val::Fval(f)) => f.fval.clone(),
                Some(Val::Boolval(b)) => b.boolval.to_string(),
                Some(Val::Bsval(b)) => b.bsval.clone(),
                None => String::new(),
            };
            let at = u32::try_from(constant.location).unwrap_or(0);
            Some(Literal { text, at })
        }
        Some(node::Node::TypeCast(cast)) => of(cast.arg.as_deref()?),
        _ => None,
    }
}

/// The value of an option (`WITH (name = value)`), whatever node the grammar chose for it.
pub(crate) fn option(node: &Node) -> Option<String> {
    match &node.node {
        Some(node::Node::String(s)) => Some(s.sval.clone()),
        Some(node::Node::Integer(i)) => Some(i.ival.to_string()),
        Some(node::Node::Float(f)) => Some(f.fval.clone()),
        Some(node::Node::Boolean(b)) => Some(b.boolval.to_string()),
        Some(node::Node::TypeName(t)) => {
            crate::names::Name::of_parts(&t.names).map(|n| n.name.to_owned())
        }
        _ => of(node).map(|l| l.text),
    }
}

/// True for a word that PostgreSQL reads as false in an option.
pub(crate) fn is_off(word: &str) -> bool {
    matches!(
        word.to_ascii_lowercase().as_str(),
        "false" | "off" | "0" | "no" | "f" | "n" | "of"
    )
}
