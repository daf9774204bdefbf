//! Who may do what: GRANT, roles, policies, owners, default privileges, security labels.
//!
//! Refuses: nothing here is less than `Escalate`, REVOKE and DROP included: taking a right away changes
//! who may do what as well.

use crate::kinds;
use crate::names::{self, Name};
use crate::reader::{Reader, SecretAt};
use crate::settings;
use crate::tree::{Seen, Walk};
use pg_query::protobuf::{
    AccessPriv, AlterDatabaseSetStmt, AlterDefaultPrivilegesStmt, AlterOwnerStmt, AlterRoleSetStmt,
    AlterRoleStmt, CreateRoleStmt, GrantRoleStmt, GrantStmt, Node, VariableSetStmt, node,
};
use portcullis_model::facts::Category;
use portcullis_model::{Effect, Verbs};

pub(super) fn enter<'a>(reader: &mut Reader<'a>, node: Seen<'a>) -> Option<bool> {
    match node {
        Seen::GrantStmt(statement) => grant(reader, statement),
        Seen::GrantRoleStmt(statement) => grant_role(reader, statement),
        Seen::AlterDefaultPrivilegesStmt(statement) => defaults(reader, statement),
        Seen::CreateRoleStmt(statement) => create_role(reader, statement),
        Seen::AlterRoleStmt(statement) => alter_role(reader, statement),
        Seen::AlterRoleSetStmt(statement) => role_setting(reader, statement),
        Seen::AlterDatabaseSetStmt(statement) => database_setting(reader, statement),
        Seen::AlterOwnerStmt(statement) => owner(reader, statement),
        Seen::ReassignOwnedStmt(statement) => {
            escalates(reader, "REASSIGN", Some("OWNED"), "reassign-owned");
            reader.objects("role", &statement.roles, true);
        }
        Seen::SecLabelStmt(statement) => {
            let kind = kinds::of(statement.objtype);
            escalates(reader, "SECURITY LABEL", Some(kind.sql), "security-label");
            named(reader, kind.word, statement.object.as_deref());
        }
        Seen::CreatePolicyStmt(statement) => {
            escalates(reader, "CREATE", Some("POLICY"), "create-policy");
            reader.object("policy", Name::bare(&statement.policy_name), true);
            return Some(true);
        }
        Seen::AlterPolicyStmt(statement) => {
            escalates(reader, "ALTER", Some("POLICY"), "alter-policy");
            reader.object("policy", Name::bare(&statement.policy_name), true);
            return Some(true);
        }
        _ => return None,
    }
    Some(false)
}

fn escalates(
    reader: &mut Reader<'_>,
    verb: &'static str,
    object_type: Option<&'static str>,
    label: &str,
) {
    reader.named(verb, object_type);
    reader.does(Category::Dcl, Effect::Escalate, Verbs::DCL);
    reader.label(label);
}

fn named(reader: &mut Reader<'_>, kind: &str, object: Option<&Node>) {
    if let Some(name) = object.and_then(names::of) {
        reader.object(kind, name, true);
    }
}

fn grant<'a>(reader: &mut Reader<'a>, statement: &'a GrantStmt) {
    let kind = kinds::of(statement.objtype);
    match statement.is_grant {
        true => escalates(reader, "GRANT", Some(kind.sql), "grant"),
        false => escalates(reader, "REVOKE", Some(kind.sql), "revoke"),
    }
    reader.objects(kind.word, &statement.objects, true);
    reader.objects("role", &statement.grantees, true);
    for privilege in statement.privileges.iter().filter_map(privilege) {
        reader.columns(&privilege.cols);
    }
}

fn privilege(node: &Node) -> Option<&AccessPriv> {
    match &node.node {
        Some(node::Node::AccessPriv(privilege)) => Some(privilege),
        _ => None,
    }
}

fn grant_role<'a>(reader: &mut Reader<'a>, statement: &'a GrantRoleStmt) {
    match statement.is_grant {
        true => escalates(reader, "GRANT", Some("ROLE"), "grant"),
        false => escalates(reader, "REVOKE", Some("ROLE"), "revoke"),
    }
    reader.objects("role", &statement.granted_roles, true);
    reader.objects("role", &statement.grantee_roles, true);
}

fn defaults<'a>(reader: &mut Reader<'a>, statement: &'a AlterDefaultPrivilegesStmt) {
    escalates(
        reader,
        "ALTER DEFAULT PRIVILEGES",
        None,
        "default-privileges",
    );
    if let Some(action) = &statement.action {
        grant(reader, action);
    }
}

fn create_role<'a>(reader: &mut Reader<'a>, statement: &'a CreateRoleStmt) {
    escalates(reader, "CREATE", Some("ROLE"), "create-role");
    reader.object("role", Name::bare(&statement.role), true);
    role_options(reader, &statement.options);
}

fn alter_role<'a>(reader: &mut Reader<'a>, statement: &'a AlterRoleStmt) {
    escalates(reader, "ALTER", Some("ROLE"), "alter-role");
    if let Some(role) = &statement.role {
        reader.object("role", Name::bare(names::role_name(role)), true);
    }
    role_options(reader, &statement.options);
}

fn role_options(reader: &mut Reader<'_>, options: &[Node]) {
    for option in options {
        let Some(node::Node::DefElem(option)) = &option.node else {
            continue;
        };
        match option.defname.as_str() {
            "password" => {
                let after = u32::try_from(option.location).unwrap_or(0);
                reader.secrets.push(SecretAt::After(after));
                reader.label("set-password");
            }
            "superuser" => reader.label("superuser"),
            "rolemembers" | "addroleto" | "adminmembers" => {
                let roles = option.arg.as_deref().map(crate::expression::items);
                for name in roles.unwrap_or_default().iter().filter_map(names::of) {
                    reader.object("role", name, true);
                }
            }
            _ => {}
        }
    }
}

fn role_setting(reader: &mut Reader<'_>, statement: &AlterRoleSetStmt) {
    escalates(reader, "ALTER", Some("ROLE"), "alter-role");
    if let Some(role) = &statement.role {
        reader.object("role", Name::bare(names::role_name(role)), true);
    }
    if !statement.database.is_empty() {
        reader.object("database", Name::bare(&statement.database), true);
    }
    kept(reader, statement.setstmt.as_ref());
}

fn database_setting(reader: &mut Reader<'_>, statement: &AlterDatabaseSetStmt) {
    escalates(reader, "ALTER", Some("DATABASE"), "alter-database");
    reader.object("database", Name::bare(&statement.dbname), true);
    kept(reader, statement.setstmt.as_ref());
}

/// A setting for sessions to come.
fn kept(reader: &mut Reader<'_>, setting: Option<&VariableSetStmt>) {
    if let Some(setting) = setting {
        let value = settings::value(&setting.args);
        settings::weigh(reader, &setting.name.to_lowercase(), value.as_deref());
    }
}

fn owner<'a>(reader: &mut Reader<'a>, statement: &'a AlterOwnerStmt) {
    let kind = kinds::of(statement.object_type);
    escalates(reader, "ALTER", Some(kind.sql), "alter-owner");
    named(reader, kind.word, statement.object.as_deref());
    if let Some(relation) = &statement.relation {
        reader.relation(kind.word, relation, true);
    }
    statement.newowner.walk(reader);
}
