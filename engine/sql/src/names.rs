//! Names as the tree holds them: lists of strings, relations, type names, roles.
//!
//! Refuses: a list that is no name (an expression, a wildcard) is none.

use pg_query::protobuf::{Node, RangeVar, RoleSpec, RoleSpecType, node};

/// A name, perhaps with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    pub(crate) schema: Option<&'a str>,
    pub(crate) name: &'a str,
}

impl<'a> Name<'a> {
    pub(crate) fn bare(name: &'a str) -> Self {
        Self { schema: None, name }
    }

    pub(crate) fn of_relation(relation: &'a RangeVar) -> Self {
        Self {
            schema: Some(relation.schemaname.as_str()).filter(|s| !s.is_empty()),
            name: &relation.relname,
        }
    }

    /// From the parts of a qualified name: the last is the name, the one before it the schema.
    pub(crate) fn of_parts(parts: &'a [Node]) -> Option<Self> {
        let mut rest = parts.iter().rev();
        let name = string(rest.next()?)?;
        let schema = rest.next().and_then(string);
        Some(Self { schema, name })
    }

    /// True for a name that is, or without a schema may be, one of `pg_catalog`.
    pub(crate) fn maybe_catalog(self) -> bool {
        self.schema.is_none_or(|s| s == "pg_catalog")
    }

    /// As written, lower case, with its schema.
    pub(crate) fn written(self) -> String {
        match self.schema {
            Some(schema) => format!("{schema}.{}", self.name).to_lowercase(),
            None => self.name.to_lowercase(),
        }
    }
}

/// The text of a String node.
pub(crate) fn string(node: &Node) -> Option<&str> {
    match &node.node {
        Some(node::Node::String(s)) => Some(&s.sval),
        _ => None,
    }
}

/// The name in any node that is one.
pub(crate) fn of(node: &Node) -> Option<Name<'_>> {
    match &node.node {
        Some(node::Node::String(s)) => Some(Name::bare(&s.sval)),
        Some(node::Node::List(list)) => Name::of_parts(&list.items),
        Some(node::Node::RangeVar(relation)) => Some(Name::of_relation(relation)),
        Some(node::Node::TypeName(name)) => Name::of_parts(&name.names),
        Some(node::Node::ObjectWithArgs(object)) => Name::of_parts(&object.objname),
        Some(node::Node::RoleSpec(role)) => Some(Name::bare(role_name(role))),
        Some(node::Node::AccessPriv(role)) => Some(Name::bare(&role.priv_name)),
        _ => None,
    }
}

/// A role as written; the keywords by their SQL names.
pub(crate) fn role_name(role: &RoleSpec) -> &str {
    match RoleSpecType::try_from(role.roletype) {
        Ok(RoleSpecType::RolespecCurrentRole) => "current_role",
        Ok(RoleSpecType::RolespecCurrentUser) => "current_user",
        Ok(RoleSpecType::RolespecSessionUser) => "session_user",
        Ok(RoleSpecType::RolespecPublic) => "public",
        _ => &role.rolename,
    }
}
