//! Makes a role for one session: `CREATE ROLE … IN ROLE parent`, with a verifier for a password that
//! exists only here.
//!
//! It exists so that the session has the parent's rights and nothing else, and so that the database's own
//! log names the session. It refuses parents with rights over roles, and grants to the role itself
//! (thousands of them once filled `pg_class.relacl`): membership only.

use super::quote::{identifier, literal};
use super::settings::Setting;
use super::side_channel::SideChannel;
use crate::error::VaultError;
use crate::login::Channel;
use crate::scram::verifier;
use crate::secret::Secret;
use aws_lc_rs::digest;
use portcullis_model::SessionId;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::types::Type;

/// One connection: the session's. A cancel request needs no login.
const CONNECTIONS: u32 = 1;
/// Characters of a session id in a role's name: 100 bits.
const SHORT: usize = 20;

/// What a session may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// What the parent may.
    Full,
    /// Reading. `default_transaction_read_only` is set, which the session can undo: the protection is the
    /// rights of `parent`, a role that can only read; without one it is the gateway's classification.
    ReadOnly {
        /// Runs as this role in place of the parent.
        parent: Option<String>,
    },
}

/// What is asked of the vault.
#[derive(Clone, Debug)]
pub struct MintRequest {
    /// The session; its id stands in the role's name and comment.
    pub session: SessionId,
    /// The role to run as.
    pub parent: String,
    /// What it may do.
    pub access: Access,
    /// It may open a replication connection. The role itself carries the attribute: it is not inherited.
    pub replication: bool,
    /// How long the role can log in: longer than a login takes, at most the session.
    pub valid_for: Duration,
    /// How the session's connection will be protected.
    pub channel: Channel,
}

/// Makes roles of one gateway node on one target.
pub struct Minter {
    prefix: String,
    node: String,
}

struct Parent {
    valid_until: String,
    settings: Vec<Setting>,
}

impl Minter {
    /// For a node of this name; its roles begin with a hash of it.
    #[must_use]
    pub fn new(node: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, node.as_bytes());
        let tag = hex::encode(hash.as_ref());
        Self {
            prefix: format!("pc_{}_", tag.get(..6).unwrap_or_default()),
            node: node.to_owned(),
        }
    }

    /// What the names of its roles begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The name of a session's role.
    #[must_use]
    pub fn role(&self, session: SessionId) -> String {
        let text = session.to_string();
        let short = text.get(text.len() - SHORT..).unwrap_or(&text);
        format!("{}{short}", self.prefix)
    }

    /// Creates the role. One message, hence one transaction: it is there with all its settings or not.
    pub(crate) async fn create(
        &self,
        side: &Arc<SideChannel>,
        role: &str,
        request: &MintRequest,
        password: &Secret,
    ) -> Result<(), VaultError> {
        let name = parent_of(request);
        let client = side.client().await?;
        let parent = look_up(&client, name, request.valid_for).await?;
        let batch = self.batch(role, name, &parent, request, password)?;
        client
            .batch_execute(&batch)
            .await
            .map_err(VaultError::Mint)?;
        missing_settings(&client, role, &parent.settings).await;
        Ok(())
    }

    fn batch(
        &self,
        role: &str,
        parent_name: &str,
        parent: &Parent,
        request: &MintRequest,
        password: &Secret,
    ) -> Result<String, VaultError> {
        let (quoted, parent_quoted) = (identifier(role)?, identifier(parent_name)?);
        let comment = format!(
            "portcullis session {} of node {}",
            request.session, self.node
        );
        // ROLE CURRENT_USER: the right to end its sessions and to reassign what it owns.
        let replication = match request.replication {
            true => "REPLICATION ",
            false => "",
        };
        let mut batch = format!(
            "CREATE ROLE {quoted} LOGIN NOINHERIT {replication}CONNECTION LIMIT {CONNECTIONS} \
             PASSWORD {} VALID UNTIL {} IN ROLE {parent_quoted} ROLE CURRENT_USER;\n\
             ALTER ROLE {quoted} SET role = {};\n\
             COMMENT ON ROLE {quoted} IS {};\n",
            literal(&verifier(password)?)?,
            literal(&parent.valid_until)?,
            literal(parent_name)?,
            literal(&comment)?,
        );
        for setting in &parent.settings {
            // A setting that only a superuser may set must not keep everybody out: it is reported.
            let attempt = format!(
                "BEGIN {}; EXCEPTION WHEN OTHERS THEN NULL; END",
                setting.statement(role)?
            );
            batch.push_str(&format!("DO {};\n", literal(&attempt)?));
        }
        if matches!(request.access, Access::ReadOnly { .. }) {
            batch.push_str(&format!(
                "ALTER ROLE {quoted} SET default_transaction_read_only = on;\n"
            ));
        }
        Ok(batch)
    }
}

/// The role that the session runs as.
pub(crate) fn parent_of(request: &MintRequest) -> &str {
    match &request.access {
        Access::ReadOnly {
            parent: Some(parent),
        } => parent,
        _ => &request.parent,
    }
}

async fn look_up(
    client: &tokio_postgres::Client,
    name: &str,
    valid_for: Duration,
) -> Result<Parent, VaultError> {
    const QUERY: &str = "
        SELECT r.rolsuper OR r.rolcreaterole OR r.rolreplication,
               (now() + make_interval(secs => $2))::text,
               s.settings
        FROM pg_roles r
        LEFT JOIN LATERAL (
            SELECT json_agg(json_build_array(d.datname, c))::text AS settings
            FROM pg_db_role_setting p
            LEFT JOIN pg_database d ON d.oid = p.setdatabase
            CROSS JOIN unnest(p.setconfig) c
            WHERE p.setrole = r.oid
              AND (p.setdatabase = 0 OR d.datname = current_database())
        ) s ON true
        WHERE r.rolname = $1";
    let seconds = valid_for.as_secs_f64();
    let rows = client
        .query_typed(QUERY, &[(&name, Type::TEXT), (&seconds, Type::FLOAT8)])
        .await
        .map_err(VaultError::Mint)?;
    let row = rows
        .first()
        .ok_or_else(|| VaultError::NoParent(name.to_owned()))?;
    if row.get(0) {
        return Err(VaultError::Privileged(name.to_owned()));
    }
    let settings: Option<&str> = row.get(2);
    let settings: Vec<(Option<String>, String)> = settings
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    Ok(Parent {
        valid_until: row.get(1),
        settings: settings
            .into_iter()
            .filter_map(|(database, text)| Setting::read(database, &text))
            .collect(),
    })
}

/// Says which settings of the parent could not be copied.
async fn missing_settings(client: &tokio_postgres::Client, role: &str, wanted: &[Setting]) {
    const QUERY: &str = "
        SELECT split_part(c, '=', 1) FROM pg_db_role_setting s, unnest(s.setconfig) c
        WHERE s.setrole = (SELECT oid FROM pg_roles WHERE rolname = $1)";
    if wanted.is_empty() {
        return;
    }
    let Ok(rows) = client.query_typed(QUERY, &[(&role, Type::TEXT)]).await else {
        return;
    };
    let there: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    for setting in wanted {
        if !there.iter().any(|t| t.eq_ignore_ascii_case(&setting.name)) {
            tracing::warn!(
                setting = setting.name,
                "a setting of the parent role does not hold for the session: \
                 the administrator may not set it"
            );
        }
    }
}
