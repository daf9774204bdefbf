//! `setup`: what makes psql, ssh and kubectl find the gateway and the login, by its certificates where the gateway gives
//! some, else by its token, in files of our own beside the login, for the user alone. It changes no file of the user's:
//! it says which line to add where.
//!
//! It refuses names that would mean something in the files it writes.

use crate::cli::cache::{Cache, write_private};
use crate::cli::certificates::Files;
use crate::cli::{Exit, paint};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Files for the clients that you use.
#[derive(Debug, Subcommand)]
pub enum Setup {
    /// A service file and a password file for libpq: psql service=orders
    Psql(Psql),
    /// A file for ssh_config with the key and certificate of your login: ssh USER@TARGET@GATEWAY
    Ssh(Ssh),
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

/// Where SSH is spoken.
#[derive(Debug, Args)]
pub struct Ssh {
    /// Host of the gateway's SSH listener
    #[arg(long)]
    host: String,
    /// Its port
    #[arg(long, default_value_t = 2222)]
    port: u16,
    /// File with the public key of the authority that certifies the gateway's host key; the user's own known hosts when
    /// not given
    #[arg(long)]
    host_authority: Option<PathBuf>,
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
        Setup::Ssh(ssh) => self::ssh(ssh),
        Setup::Kubectl(kubectl) => self::kubectl(kubectl),
    }
}

fn psql(asked: &Psql) -> Result<(), Exit> {
    for name in asked.targets.iter().chain([&asked.host]) {
        plain(name)?;
    }
    let cache = Cache::open()?;
    let login = cache.token()?;
    let proof = match login.certified {
        Some(_) => {
            let files = Files::beside(&cache);
            format!(
                "sslcert={}\nsslkey={}",
                files.certificate.display(),
                files.key.display()
            )
        }
        None => {
            cache.keep_password_file(&format!("{}:{}", asked.host, asked.port))?;
            format!("passfile={}", cache.password_file().display())
        }
    };
    let roots = match &asked.ca {
        Some(ca) => std::path::absolute(ca)?.display().to_string(),
        None => "system".to_owned(),
    };
    let mut text = String::new();
    for target in &asked.targets {
        text.push_str(&format!(
            "[{target}]\nhost={}\nport={}\ndbname={target}\nuser=portcullis\nsslmode=verify-full\nsslrootcert={roots}\n{proof}\n\n",
            asked.host, asked.port,
        ));
    }
    let file = cache.beside("pg_service.conf");
    write_private(&file, text.as_bytes())?;
    Ok(paint::say(&format!(
        "export PGSERVICEFILE={}\npsql service={}\n# it follows your login: `portcullis token renew` refreshes both",
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
    let cache = Cache::open()?;
    // Where to log in again, should the login have ended.
    let login = cache.read()?;
    let mut arguments = vec![
        "kube-credential".to_owned(),
        "--gateway".to_owned(),
        login.gateway,
    ];
    if let Some(ca) = login.ca {
        let path = std::path::absolute(ca)?;
        arguments.extend(["--ca".to_owned(), path.display().to_string()]);
    }
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
            "command": program, "args": arguments,
            "interactiveMode": "IfAvailable",
        }}}],
    });
    let file = cache.beside("kubeconfig");
    let text = serde_json::to_vec_pretty(&config).map_err(std::io::Error::from)?;
    write_private(&file, &text)?;
    Ok(paint::say(&format!(
        "export KUBECONFIG={}\nkubectl get pods",
        file.display()
    ))?)
}

fn ssh(asked: &Ssh) -> Result<(), Exit> {
    plain(&asked.host)?;
    let cache = Cache::open()?;
    if cache.token()?.certified.is_none() {
        return Err(Exit::refused_with(
            "the gateway gives no certificates",
            "ssh asks for the token as a password: portcullis token show",
        ));
    }
    let files = Files::beside(&cache);
    let program = std::env::current_exe()?;
    let mut text = format!(
        "# Written by `portcullis setup ssh`. The second block renews the certificate before it is read.\n\
         Host {host}\n    Port {port}\n    IdentityFile {key}\n    CertificateFile {certificate}\n    IdentitiesOnly yes\n",
        host = asked.host,
        port = asked.port,
        key = quoted(&files.ssh_key)?,
        certificate = quoted(&files.ssh_certificate)?,
    );
    if let Some(authority) = &asked.host_authority {
        let known = cache.beside("known_hosts");
        let key = std::fs::read_to_string(authority)?;
        let key = authority_line(&key)?;
        let place = match asked.port {
            22 => asked.host.clone(),
            port => format!("[{}]:{port}", asked.host),
        };
        write_private(
            &known,
            format!("@cert-authority {place} {key}\n").as_bytes(),
        )?;
        text.push_str(&format!(
            "    UserKnownHostsFile {}\n    StrictHostKeyChecking yes\n",
            quoted(&known)?
        ));
    }
    text.push_str(&format!(
        "Match host {} exec {}\n",
        asked.host,
        command(&program)?
    ));
    let file = cache.beside("ssh_config");
    write_private(&file, text.as_bytes())?;
    Ok(paint::say(&format!(
        "# as the first line of ~/.ssh/config:\nInclude {}\n# then:\nssh USER@TARGET@{}",
        quoted(&file)?,
        asked.host
    ))?)
}

/// `TYPE BASE64`, of the first line of a public key's file.
fn authority_line(text: &str) -> Result<String, Exit> {
    let mut words = text.split_whitespace();
    let plain = |word: &&str| {
        word.chars()
            .all(|c| c.is_ascii_alphanumeric() || "+/=-.@".contains(c))
    };
    match (words.next().filter(plain), words.next().filter(plain)) {
        (Some(kind), Some(key)) if kind.starts_with("ssh-") || kind.starts_with("ecdsa-") => {
            Ok(format!("{kind} {key}"))
        }
        _ => Err(Exit::refused(
            "the host authority is no public key of OpenSSH",
        )),
    }
}

/// A path as ssh_config takes it. ssh expands `%` and `~` in it, and knows no escapes.
fn quoted(path: &Path) -> Result<String, Exit> {
    let text = path.display().to_string();
    match text.contains(['"', '\n', '%', '$']) {
        true => Err(Exit::refused(format!(
            "ssh cannot read a path such as {text:?}"
        ))),
        false => Ok(format!("\"{text}\"")),
    }
}

/// What renews the certificate, for the shell that ssh asks.
fn command(program: &Path) -> Result<String, Exit> {
    let text = program.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    match text.chars().all(plain) {
        true => Ok(format!("\"{text} token renew\"")),
        false => Err(Exit::refused(format!(
            "the program stands where a shell cannot be told: {text:?}"
        ))),
    }
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
