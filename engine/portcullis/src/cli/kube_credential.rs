//! `kube-credential`: an exec plugin of client-go (client.authentication.k8s.io/v1). It gives kubectl the certificate of
//! the login and its key, or the token where there is none, and when to ask again; it refreshes both when that is due,
//! and logs in, in a browser, where nobody is and kubectl may be used by a person.
//!
//! It refuses to say anything on standard output but the one answer, and to log in where nobody could.

use crate::cli::Exit;
use crate::cli::cache::{Cache, Login};
use crate::cli::certificates::Files;
use crate::cli::login::{LogIn, obtain};
use crate::cli::portal::Portal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use hyper::Uri;
use portcullis_model::limits;
use serde_json::{Value, json};
use std::io::{self, Write as _};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Which gateway, should nobody be logged in.
#[derive(Debug, Args)]
pub struct KubeCredential {
    /// The gateway's HTTPS listener, to log in at when nobody is
    #[arg(long, env = "PORTCULLIS_GATEWAY", hide_env_values = true)]
    gateway: Option<Uri>,
    /// PEM file with the authorities that its certificate must come from; the public ones when not given
    #[arg(long, env = "PORTCULLIS_CA", hide_env_values = true)]
    ca: Option<PathBuf>,
}

/// Prints the credential.
///
/// # Errors
/// When nobody is logged in and nobody can be.
pub fn kube_credential(asked: &KubeCredential) -> Result<(), Exit> {
    let cache = Cache::open()?;
    let (cache, login) = match (cache.token(), &asked.gateway) {
        (Ok(login), _) => (cache, login),
        (Err(_), Some(gateway)) if interactive() => {
            // The lock goes first: logging in takes it.
            drop(cache);
            let portal = Portal {
                gateway: gateway.clone(),
                ca: asked.ca.clone(),
            };
            let login = obtain(&LogIn::at(portal))?;
            (Cache::open()?, login)
        }
        (Err(exit), _) => return Err(exit),
    };
    let credential = Zeroizing::new(credential(&cache, &login)?.to_string());
    io::stdout().write_all(credential.as_bytes())?;
    Ok(())
}

fn credential(cache: &Cache, login: &Login) -> Result<Value, Exit> {
    // A certificate whose renewal failed is worth less than the token.
    let now = (crate::clock::clock())();
    let ticket = std::env::var("PORTCULLIS_TICKET").unwrap_or_default();
    let status = match login.certified.filter(|until| *until > now) {
        // A certificate has no place for the ticket; the token has one in front.
        _ if !ticket.trim().is_empty() => {
            let marked = marked(&ticket, &login.token)?;
            json!({"token": *marked, "expirationTimestamp": login.until.rfc3339()})
        }
        None => json!({"token": *login.token, "expirationTimestamp": login.until.rfc3339()}),
        Some(until) => {
            let files = Files::beside(cache);
            let key = Zeroizing::new(std::fs::read_to_string(&files.key)?);
            json!({
                "clientCertificateData": std::fs::read_to_string(&files.certificate)?,
                "clientKeyData": *key,
                "expirationTimestamp": until.rfc3339(),
            })
        }
    };
    Ok(json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": status,
    }))
}

/// The token with the ticket in front, as the gateway's Kubernetes listeners read it.
fn marked(ticket: &str, token: &str) -> Result<Zeroizing<String>, Exit> {
    let fits = ticket.len() <= limits::TICKET_BYTES_MAX && !ticket.chars().any(char::is_control);
    if !fits {
        return Err(Exit::refused_with(
            "PORTCULLIS_TICKET is no ticket",
            "name one ticket, such as OPS-12",
        ));
    }
    let coded = URL_SAFE_NO_PAD.encode(ticket.trim());
    Ok(Zeroizing::new(format!("portcullis-ticket.{coded}.{token}")))
}

/// True when kubectl says that a person may be asked.
fn interactive() -> bool {
    let info = std::env::var("KUBERNETES_EXEC_INFO").unwrap_or_default();
    let info: Value = serde_json::from_str(&info).unwrap_or_default();
    info["spec"]["interactive"] == true
}
