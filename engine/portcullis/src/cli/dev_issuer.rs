//! `dev-issuer`: the identity provider in a box, and tokens from it. DEVELOPMENT ONLY, said on stderr each
//! time. A gateway refuses to trust it unless all its listeners are on loopback.

use crate::cli::admin::block_on;
use crate::cli::{Exit, explain, paint};
use crate::clock::clock;
use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use portcullis_identity::dev::{DevIssuer as Issuer, WARNING};
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

const EXAMPLES: &str = "\
Examples:
  portcullis dev-issuer &
  export PGPASSWORD=$(portcullis dev-issuer token --subject ana --kind human --group dba)
  psql -h 127.0.0.1 -p 6432 orders

It gives a token to whoever asks. Never use it in production.";
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// DEVELOPMENT ONLY: an identity provider that believes everybody.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DevIssuer {
    /// Where it listens, or where it is: loopback only
    #[arg(long, default_value = "127.0.0.1:9400", global = true)]
    address: SocketAddr,
    #[command(subcommand)]
    command: Option<Token>,
}

#[derive(Debug, Subcommand)]
enum Token {
    /// Print a token from a running development issuer
    Token(Wish),
}

/// Whose token.
#[derive(Debug, Args)]
struct Wish {
    /// `sub`
    #[arg(long)]
    subject: String,
    /// What kind of actor it is
    #[arg(long, value_enum, default_value = "human")]
    kind: KindName,
    /// A group; may be given several times
    #[arg(long = "group")]
    groups: Vec<String>,
    /// A verified e-mail address
    #[arg(long)]
    email: Option<String>,
    /// The person who answers for a machine
    #[arg(long)]
    owner: Option<String>,
    /// Who acts for the subject (RFC 8693 `act`)
    #[arg(long)]
    act: Option<String>,
    /// `aud`
    #[arg(long, default_value = portcullis_identity::dev::AUDIENCE)]
    audience: String,
    /// Seconds until it expires
    #[arg(long, default_value_t = 3600)]
    ttl: u32,
    /// Seconds since the person proved who they are (`auth_time`)
    #[arg(long, default_value_t = 0)]
    proved_ago: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindName {
    Agent,
    Ci,
    Human,
    Service,
}

impl KindName {
    fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Ci => "ci",
            Self::Human => "human",
            Self::Service => "service",
        }
    }
}

pub(super) fn dev_issuer(dev: &DevIssuer) -> Result<(), Exit> {
    eprintln!("{}", paint::error(WARNING));
    match &dev.command {
        None => serve(dev.address),
        Some(Token::Token(wish)) => {
            let token = block_on(fetch(dev.address, wish))?;
            Ok(paint::say(&token)?)
        }
    }
}

fn serve(address: SocketAddr) -> Result<(), Exit> {
    block_on(async {
        let issuer = Issuer::bind(address, Vec::new(), clock())
            .await
            .map_err(|error| Exit::Start(explain(&error)))?;
        eprintln!("listening on {}; stop it with Ctrl-C", issuer.issuer());
        tokio::select! {
            () = issuer.serve() => Ok(()),
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

async fn fetch(address: SocketAddr, wish: &Wish) -> Result<String, Exit> {
    if !address.ip().is_loopback() {
        return Err(Exit::refused("the development issuer is on loopback only"));
    }
    let asked = json!({
        "subject": wish.subject, "kind": wish.kind.word(), "groups": wish.groups,
        "email": wish.email, "owner": wish.owner, "aud": wish.audience, "ttl": wish.ttl,
        "proved_ago": wish.proved_ago,
    });
    let mut asked = asked;
    if let Some(actor) = &wish.act {
        asked["act"] = json!(actor);
    }
    let answer = post(address, asked.to_string()).await.map_err(|error| {
        Exit::refused_with(
            format!("no development issuer answers at {address}: {error}"),
            "start one with `portcullis dev-issuer`",
        )
    })?;
    match (
        answer["access_token"].as_str(),
        answer["error_description"].as_str(),
    ) {
        (Some(token), _) => Ok(token.to_owned()),
        (None, Some(why)) => Err(Exit::refused(format!("the issuer refuses: {why}"))),
        (None, None) => Err(Exit::refused("the issuer gives no token")),
    }
}

async fn post(address: SocketAddr, body: String) -> io::Result<Value> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let driver = tokio::spawn(connection);
    let request = Request::post("/token")
        .header(header::HOST, address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(io::Error::other)?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    driver.abort();
    serde_json::from_slice(&body).map_err(io::Error::other)
}
