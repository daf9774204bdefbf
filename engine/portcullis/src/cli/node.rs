//! `status`, `connections` and `reload`: the node as its admin socket shows it.

use crate::cli::{Exit, Shape, Whereabouts, paint};
use clap::Args;
use hyper::Method;
use portcullis_console::{ConnectionRow, Reloaded, Status};
use portcullis_model::escape_line;

/// Where to look, and how to show it.
#[derive(Debug, Args)]
pub struct Look {
    #[command(flatten)]
    at: Whereabouts,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn status(look: &Look) -> Result<(), Exit> {
    let status: Status = look.at.get("/v1/status")?;
    if look.shape.json {
        paint::json(&status)?;
    } else {
        show(&status)?;
    }
    match status.checks.iter().all(|check| check.ok) {
        true => Ok(()),
        false => Err(Exit::Found),
    }
}

fn show(status: &Status) -> std::io::Result<()> {
    let good = status.checks.iter().all(|check| check.ok);
    let state = paint::verdict(&status.state, good);
    paint::say(&format!("{} {} is {state}", status.node, status.version))?;
    paint::say(&format!("  since      {}", status.started))?;
    paint::say(&format!("  listeners  {}", status.listeners.join(", ")))?;
    paint::say(&format!("  sessions   {}", status.sessions))?;
    paint::say(&format!(
        "  approvals  {} pending",
        status.approvals_pending
    ))?;
    paint::say(&format!("  policy     revision {}", status.policy_revision))?;
    for plugin in &status.plugins {
        let short: String = plugin.sha256.chars().take(12).collect();
        paint::say(&format!(
            "  plugin     {} {short}",
            escape_line(&plugin.name)
        ))?;
    }
    if let Some(reload) = &status.last_reload {
        let word = paint::verdict(if reload.ok { "applied" } else { "refused" }, reload.ok);
        paint::say(&format!(
            "  reload     {word} {}: {}",
            reload.at,
            escape_line(&reload.detail)
        ))?;
    }
    for check in &status.checks {
        let word = paint::verdict(if check.ok { "ok" } else { "not ok" }, check.ok);
        let detail = escape_line(&check.detail);
        paint::say(&format!(
            "  check      {} {word}: {detail}",
            escape_line(&check.name)
        ))?;
    }
    Ok(())
}

pub(super) fn connections(look: &Look) -> Result<(), Exit> {
    let rows: Vec<ConnectionRow> = look.at.get("/v1/connections")?;
    if look.shape.json {
        return Ok(paint::json(&rows)?);
    }
    let head = [
        "NAME",
        "PROTOCOL",
        "ADDRESS",
        "DATABASE",
        "LOGIN",
        "TLS OR LEVEL",
        "LABELS",
    ];
    let mut table = paint::Table::new(&head);
    for row in &rows {
        let labels: Vec<String> = row.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        table.row([
            &row.name,
            &row.protocol,
            &row.address,
            &row.database,
            &row.credential,
            &row.tls,
            &labels.join(" "),
        ]);
    }
    Ok(table.print("there is no connection; add one under `connections:`")?)
}

pub(super) fn reload(look: &Look) -> Result<(), Exit> {
    let reloaded: Reloaded = look
        .at
        .send(Method::POST, "/v1/reload", &serde_json::json!({}))?;
    if look.shape.json {
        paint::json(&reloaded)?;
    } else {
        paint::say(&reloaded.detail)?;
        paint::say(&format!("policy revision {}", reloaded.policy_revision))?;
        if reloaded.severed > 0 {
            paint::say(&format!("{} sessions lost their ground", reloaded.severed))?;
        }
    }
    match reloaded.ok {
        true => Ok(()),
        false => Err(Exit::Found),
    }
}
