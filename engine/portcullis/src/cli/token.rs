//! `token`: what your own token buys from a gateway, over its HTTPS listener. Your token comes from a file or the
//! environment, never from the command line; the answer goes to standard output and nowhere else.

use crate::cli::admin::block_on;
use crate::cli::{Exit, Shape};
use crate::config::Period;
use bytes::Bytes;
use clap::{Args, Subcommand};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use portcullis_console::{IssuedLogin, LoginWish, Refused};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

/// An answer is one login, or a refusal.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(20);

/// What your token buys.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// A database login of minutes, for clients that must not show a password (channel_binding=require)
    #[command(after_help = EXAMPLES)]
    Database(Database),
}

const EXAMPLES: &str = "\
Examples:
  export PORTCULLIS_TOKEN=$(my-idp token)
  eval \"$(portcullis token database --gateway https://gateway:6443)\"
  psql 'host=gateway port=6432 dbname=orders sslmode=verify-full channel_binding=require'

The login is yours: policy, approvals and the record see your identity. It ends by itself, and with your token.";

/// A database login.
#[derive(Debug, Args)]
pub struct Database {
    /// The gateway's HTTPS listener
    #[arg(long, env = "PORTCULLIS_GATEWAY", hide_env_values = true)]
    gateway: Uri,
    /// PEM file with the authorities that the gateway's certificate must come from; the public ones when not given
    #[arg(long, env = "PORTCULLIS_CA", hide_env_values = true)]
    ca: Option<PathBuf>,
    /// How long it is good for, at most an hour
    #[arg(long = "for", default_value = "15m")]
    lasts: Period,
    /// File with your token; PORTCULLIS_TOKEN when not given
    #[arg(long)]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

/// Runs it.
///
/// # Errors
/// When no gateway answers, or it refuses.
pub fn token(token: &Token) -> Result<(), Exit> {
    let Token::Database(asked) = token;
    let proof = super::approvals::own_token(asked.token_file.as_ref())?;
    let wish = LoginWish {
        seconds: asked.lasts.0.as_secs(),
    };
    let login = block_on(async {
        match tokio::time::timeout(PATIENCE, ask(asked, &proof, &wish)).await {
            Ok(answer) => answer,
            Err(_) => Err(unreachable(&asked.gateway, "it does not answer in time")),
        }
    })?;
    let text = match asked.shape.json {
        true => serde_json::to_string(&login).map_err(io::Error::from)?,
        false => format!(
            "export PGUSER={}\nexport PGPASSWORD={}\n# until {}",
            login.user, *login.password, login.until
        ),
    };
    let text = Zeroizing::new(text);
    io::Write::write_all(&mut io::stdout(), format!("{}\n", *text).as_bytes())?;
    Ok(())
}

async fn ask(asked: &Database, proof: &str, wish: &LoginWish) -> Result<IssuedLogin, Exit> {
    let gateway = &asked.gateway;
    let failed = |error: &dyn std::error::Error| unreachable(gateway, &error.to_string());
    let host = gateway.host().unwrap_or_default().trim_matches(['[', ']']);
    let plain = gateway.scheme_str() == Some("http");
    let loopback = host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if host.is_empty() || (!plain && gateway.scheme_str() != Some("https")) || (plain && !loopback)
    {
        return Err(Exit::refused_with(
            format!("{gateway} is no address of a gateway"),
            "write https://HOST:PORT; http is for loopback only, your token travels over it",
        ));
    }
    let port = gateway.port_u16().unwrap_or(if plain { 80 } else { 443 });
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|e| failed(&e))?;
    if plain {
        return exchange(stream, gateway, proof, wish).await;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|e| failed(&e))?;
    let tls = TlsConnector::from(trust(asked.ca.as_ref())?);
    let stream = tls.connect(name, stream).await.map_err(|e| failed(&e))?;
    exchange(stream, gateway, proof, wish).await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    gateway: &Uri,
    proof: &str,
    wish: &LoginWish,
) -> Result<IssuedLogin, Exit> {
    let failed = |error: &dyn std::error::Error| unreachable(gateway, &error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| failed(&e))?;
    let driver = tokio::spawn(connection);
    let mut bearer = header::HeaderValue::from_str(&format!("Bearer {proof}"))
        .map_err(|_| Exit::refused("the token is no token: it holds a line break or the like"))?;
    bearer.set_sensitive(true);
    let host = gateway.authority().map_or("portcullis", |a| a.as_str());
    let body = serde_json::to_vec(wish).map_err(io::Error::from)?;
    let request = Request::post("/v1/logins/database")
        .header(header::HOST, host)
        .header(header::AUTHORIZATION, bearer)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|e| failed(&e))?;
    let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let good = answer.status().is_success();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await;
    let body = body
        .map_err(|e| unreachable(gateway, &e.to_string()))?
        .to_bytes();
    driver.abort();
    match good {
        true => serde_json::from_slice(&body)
            .map_err(|_| unreachable(gateway, "its answer is not a gateway's")),
        false => match serde_json::from_slice::<Refused>(&body) {
            Ok(refused) => Err(Exit::Refused {
                message: refused.error,
                hint: refused.hint,
            }),
            Err(_) => Err(unreachable(gateway, "its answer is not a gateway's")),
        },
    }
}

fn unreachable(gateway: &Uri, why: &str) -> Exit {
    Exit::refused_with(
        format!("no gateway answers at {gateway}: {why}"),
        "give the address of its `protocol: https` listener, and its authority with --ca",
    )
}

fn trust(ca: Option<&PathBuf>) -> Result<Arc<ClientConfig>, Exit> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unfit =
                |why: String| Exit::refused(format!("cannot use {}: {why}", path.display()));
            let found = CertificateDer::pem_file_iter(path).map_err(|e| unfit(e.to_string()))?;
            for certificate in found {
                let certificate = certificate.map_err(|e| unfit(e.to_string()))?;
                roots.add(certificate).map_err(|e| unfit(e.to_string()))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Exit::refused(format!("cannot speak TLS: {e}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
