//! `setup`: what makes psql and kubectl find the gateway and the token of the login, in files of our own beside
//! the login, for the user alone. It changes no file of the user's: it says which line to add where.
//!
//! It refuses names that would mean something in the files it writes.

use crate::cli::cache::{Cache, write_private};
use crate::cli::{Exit, paint};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

/// Files for the clients that you use.
#[derive(Debug, Subcommand)]
pub enum Setup {
    /// A service file and a password file for libpq: psql service=orders
    Psql(Psql),
    /// A kubeconfig with a context for each target; kubectl asks for the token by itself
    Kubectl(Kubectl),
}

/// Where PostgreSQL is spoken.
#[derive(Debug, Args)]
pub struct Psql {
    /// Host of the gateway's PostgreSQL listener
    #[arg(long)]
    host: String,
    /// Its port
    #[arg(long, default_value_t = 6432)]
    port: u16,
    /// PEM file with the authorities that its certificate must come from; the system's when not given
    #[arg(long)]
    ca: Option<PathBuf>,
    /// A connection, by name; may be given several times
    #[arg(long = "target", required = true)]
    targets: Vec<String>,
}

/// Where Kubernetes is spoken.
#[derive(Debug, Args)]
pub struct Kubectl {
    /// The gateway's Kubernetes listener, https://HOST:PORT
    #[arg(long)]
    server: String,
    /// PEM file with the authorities that its certificate must come from; the system's when not given
    #[arg(long)]
    ca: Option<PathBuf>,
    /// A cluster, by name; may be given several times
    #[arg(long = "target", required = true)]
    targets: Vec<String>,
}

/// Writes the files.
///
/// # Errors
/// When nobody is logged in, a name is none, or a file cannot be written.
pub fn setup(asked: &Setup) -> Result<(), Exit> {
    match asked {
        Setup::Psql(psql) => self::psql(psql),
        Setup::Kubectl(kubectl) => self::kubectl(kubectl),
    }
}

fn psql(asked: &Psql) -> Result<(), Exit> {
    for name in asked.targets.iter().chain([&asked.host]) {
        plain(name)?;
    }
    let cache = Cache::open()?;
    cache.keep_password_file(&format!("{}:{}", asked.host, asked.port))?;
    let passwords = cache.password_file();
    let roots = match &asked.ca {
        Some(ca) => std::path::absolute(ca)?.display().to_string(),
        None => "system".to_owned(),
    };
    let mut text = String::new();
    for target in &asked.targets {
        text.push_str(&format!(
            "[{target}]\nhost={}\nport={}\ndbname={target}\nuser=portcullis\nsslmode=verify-full\nsslrootcert={roots}\npassfile={}\n\n",
            asked.host,
            asked.port,
            passwords.display()
        ));
    }
    let file = cache.beside("pg_service.conf");
    write_private(&file, text.as_bytes())?;
    Ok(paint::say(&format!(
        "export PGSERVICEFILE={}\npsql service={}\n# the password file follows your login: `portcullis token show` refreshes both",
        file.display(),
        asked.targets.first().map_or("NAME", String::as_str)
    ))?)
}

fn kubectl(asked: &Kubectl) -> Result<(), Exit> {
    for name in &asked.targets {
        plain(name)?;
    }
    if !asked.server.starts_with("https://") {
        return Err(Exit::refused("the server is no https address"));
    }
    let server = asked.server.trim_end_matches('/');
    let cluster = |target: &String| {
        let mut cluster = json!({"server": format!("{server}/{target}")});
        if let Some(ca) = &asked.ca {
            let path = std::path::absolute(ca).unwrap_or_else(|_| ca.clone());
            cluster["certificate-authority"] = json!(path);
        }
        json!({"name": target, "cluster": cluster})
    };
    let program = std::env::current_exe()?;
    let config = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": asked.targets.iter().map(cluster).collect::<Vec<_>>(),
        "contexts": asked.targets.iter().map(|target| json!({
            "name": format!("portcullis-{target}"),
            "context": {"cluster": target, "user": "portcullis"},
        })).collect::<Vec<_>>(),
        "current-context": asked.targets.first().map(|t| format!("portcullis-{t}")),
        "users": [{"name": "portcullis", "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": program, "args": ["token", "kubernetes"],
            "interactiveMode": "Never",
        }}}],
    });
    let file = Cache::open()?.beside("kubeconfig");
    let text = serde_json::to_vec_pretty(&config).map_err(std::io::Error::from)?;
    write_private(&file, &text)?;
    Ok(paint::say(&format!(
        "export KUBECONFIG={}\nkubectl get pods",
        file.display()
    ))?)
}

/// Letters, digits, dots and dashes: nothing that ends a line, a section or a field.
fn plain(name: &str) -> Result<(), Exit> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match !name.is_empty() && name.chars().all(good) {
        true => Ok(()),
        false => Err(Exit::refused(
            "a name is made of letters, digits, dots and dashes",
        )),
    }
}
