//! Ends a session's role: NOLOGIN, then its connections, then the role.
//!
//! In this order, because dropping a role does not end its sessions: they go on without a name. It refuses
//! to drop a role while a connection of it lives, and to drop objects: what the session made as itself
//! goes to the parent.

use super::quote::identifier;
use super::side_channel::SideChannel;
use crate::error::VaultError;
use std::time::Duration;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// A connection may be past its password and not yet listed: two looks, apart.
const LOOK_EVERY: Duration = Duration::from_millis(25);
const LOOKS_MAX: usize = 120;

/// Ends it; a role that is not there any more is fine.
pub(crate) async fn end_role(side: &SideChannel, role: &str) -> Result<(), VaultError> {
    let client = side.client().await?;
    let quoted = identifier(role)?;
    let locked = client
        .batch_execute(&format!("ALTER ROLE {quoted} NOLOGIN"))
        .await;
    if gone(&locked) {
        return Ok(());
    }
    locked.map_err(VaultError::End)?;
    end_connections(&client, role).await?;
    let dropped = drop_role(&client, &quoted).await;
    match &dropped {
        Err(error) if error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {}
        _ if gone(&dropped) => return Ok(()),
        _ => return dropped.map_err(VaultError::End),
    }
    reassign(side, &client, role).await?;
    drop_role(&client, &quoted).await.map_err(VaultError::End)
}

async fn drop_role(client: &Client, quoted: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&format!("DROP ROLE {quoted}")).await
}

fn gone(result: &Result<(), tokio_postgres::Error>) -> bool {
    let code = result.as_ref().err().and_then(|e| e.code());
    code == Some(&SqlState::UNDEFINED_OBJECT)
}

/// Terminates its connections until two looks in a row find none.
async fn end_connections(client: &Client, role: &str) -> Result<(), VaultError> {
    const QUERY: &str = "
        SELECT count(*) FILTER (WHERE pg_terminate_backend(pid) IS NOT NULL)
        FROM pg_stat_activity
        WHERE usesysid = (SELECT oid FROM pg_roles WHERE rolname = $1)
          AND pid <> pg_backend_pid()";
    let mut quiet = 0;
    for _ in 0..LOOKS_MAX {
        let rows = client
            .query_typed(QUERY, &[(&role, Type::TEXT)])
            .await
            .map_err(VaultError::End)?;
        let left: i64 = rows.first().map_or(0, |row| row.get(0));
        quiet = if left == 0 { quiet + 1 } else { 0 };
        if quiet == 2 {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(VaultError::Lingers)
}

/// Gives what the role owns to the role it was made from, in every database that holds some.
async fn reassign(side: &SideChannel, client: &Client, role: &str) -> Result<(), VaultError> {
    const WHERE: &str = "
        SELECT DISTINCT d.datname
        FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
        WHERE s.refclassid = 'pg_authid'::regclass
          AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1)";
    const PARENT: &str = "
        SELECT p.rolname
        FROM pg_auth_members m JOIN pg_roles p ON p.oid = m.roleid
        WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = $1)";
    let name = |rows: Vec<tokio_postgres::Row>| -> Vec<String> {
        rows.iter().map(|row| row.get(0)).collect()
    };
    let parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[(&role, Type::TEXT)];
    let parents = client.query_typed(PARENT, parameters).await;
    let parent = name(parents.map_err(VaultError::End)?).into_iter().next();
    let parent = parent.ok_or_else(|| VaultError::NoParent(role.to_owned()))?;
    let databases = client.query_typed(WHERE, parameters).await;
    let (role, parent) = (identifier(role)?, identifier(&parent)?);
    for database in name(databases.map_err(VaultError::End)?) {
        let there = side.client_in(&database).await?;
        there
            .batch_execute(&format!(
                "REASSIGN OWNED BY {role} TO {parent}; DROP OWNED BY {role}"
            ))
            .await
            .map_err(VaultError::End)?;
    }
    Ok(())
}
