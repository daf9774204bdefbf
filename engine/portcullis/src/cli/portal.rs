//! The client of the gateway's HTTPS listener: one request, one answer. Plain http is for loopback only, since
//! tokens travel over it. It refuses redirects by not following any, and answers that are longer than any
//! honest one.

use crate::cli::Exit;
use crate::cli::admin::block_on;
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use portcullis_console::Refused;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An answer is a token or two, or a refusal.
const ANSWER_BYTES_MAX: usize = 128 * 1024;
const PATIENCE: Duration = Duration::from_secs(20);

/// How much an answer may hold, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Longer answers are refused.
    pub bytes: usize,
    /// Nobody waits longer.
    pub time: Duration,
}

/// Where the gateway's HTTPS listener is.
#[derive(Clone, Debug, Args)]
pub struct Portal {
    /// The gateway's HTTPS listener
    #[arg(long, env = "PORTCULLIS_GATEWAY", hide_env_values = true)]
    pub gateway: Uri,
    /// PEM file with the authorities that the gateway's certificate must come from; the public ones when not given
    #[arg(long, env = "PORTCULLIS_CA", hide_env_values = true)]
    pub ca: Option<PathBuf>,
}

/// What is sent.
pub enum Sent<'a> {
    /// Nothing.
    Nothing,
    /// A JSON document.
    Json(Vec<u8>),
    /// A form.
    Form(&'a [(&'a str, &'a str)]),
}

impl Portal {
    /// Asks, and reads the answer; a refusal is an [`Exit`].
    ///
    /// # Errors
    /// When no gateway answers, or it refuses.
    pub fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        sent: Sent<'_>,
    ) -> Result<T, Exit> {
        let (status, body) = self.call(method, path, bearer, sent)?;
        match status.is_success() {
            true => serde_json::from_slice(&body)
                .map_err(|_| self.unreachable("its answer is not a gateway's")),
            false => match serde_json::from_slice::<Refused>(&body) {
                // What a gateway says is escaped where it is shown.
                Ok(refused) => Err(Exit::Refused {
                    message: refused.error,
                    hint: refused.hint,
                }),
                Err(_) => Err(self.unreachable("its answer is not a gateway's")),
            },
        }
    }

    /// Asks, whatever the answer is.
    ///
    /// # Errors
    /// When no gateway answers.
    pub fn call(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        sent: Sent<'_>,
    ) -> Result<(StatusCode, Bytes), Exit> {
        let bounds = Bounds {
            bytes: ANSWER_BYTES_MAX,
            time: PATIENCE,
        };
        self.call_within(bounds, method, path, bearer, sent)
    }

    /// The same for an answer that may be longer, or take longer.
    ///
    /// # Errors
    /// When no gateway answers.
    pub fn call_within(
        &self,
        bounds: Bounds,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        sent: Sent<'_>,
    ) -> Result<(StatusCode, Bytes), Exit> {
        self.check()?;
        let request = self.request(method, path, bearer, sent)?;
        block_on(async {
            match tokio::time::timeout(bounds.time, self.send(request, bounds.bytes)).await {
                Ok(answer) => answer,
                Err(_) => Err(self.unreachable("it does not answer in time")),
            }
        })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        sent: Sent<'_>,
    ) -> Result<Request<Full<Bytes>>, Exit> {
        let host = self
            .gateway
            .authority()
            .map_or("portcullis", |a| a.as_str());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host);
        if let Some(token) = bearer {
            let value = header::HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_| {
                Exit::refused("the token is no token: it holds a line break or the like")
            })?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let (kind, body) = match sent {
            Sent::Nothing => return self.made(request.body(Full::default())),
            Sent::Json(body) => ("application/json", body),
            Sent::Form(pairs) => ("application/x-www-form-urlencoded", form(pairs)),
        };
        let request = request.header(header::CONTENT_TYPE, kind);
        self.made(request.body(Full::new(Bytes::from(body))))
    }

    fn made<T>(&self, request: hyper::http::Result<T>) -> Result<T, Exit> {
        request.map_err(|e| self.unreachable(&e.to_string()))
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<(StatusCode, Bytes), Exit> {
        let failed = |error: &dyn std::error::Error| self.unreachable(&error.to_string());
        let gateway = &self.gateway;
        let host = gateway.host().unwrap_or_default().trim_matches(['[', ']']);
        let plain = gateway.scheme_str() == Some("http");
        let loopback = host == "localhost"
            || host
                .parse()
                .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        let known = plain || gateway.scheme_str() == Some("https");
        if host.is_empty() || !known || (plain && !loopback) {
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
            return self.exchange(stream, request, most).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|e| failed(&e))?;
        let tls = TlsConnector::from(trust(self.ca.as_deref())?);
        let stream = tls.connect(name, stream).await.map_err(|e| failed(&e))?;
        self.exchange(stream, request, most).await
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<(StatusCode, Bytes), Exit> {
        let failed = |error: &dyn std::error::Error| self.unreachable(&error.to_string());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| failed(&e))?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|e| failed(&e))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), most).collect().await;
        driver.abort();
        let body = body.map_err(|e| self.unreachable(&e.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    /// Refuses what would be left out in silence, a path, and what would be shown in errors, a password.
    ///
    /// # Errors
    /// When the address is more than a place.
    pub fn check(&self) -> Result<(), Exit> {
        let authority = self.gateway.authority().map_or("", |a| a.as_str());
        let more = match self.gateway.path_and_query().map(|p| p.as_str()) {
            _ if authority.contains('@') => "a user or a password",
            None | Some("" | "/") => return Ok(()),
            Some(_) => "a path",
        };
        Err(Exit::refused_with(
            format!("the gateway's address holds {more}"),
            "write https://HOST:PORT, and nothing more",
        ))
    }

    /// No gateway, or something else in its place.
    pub fn unreachable(&self, why: &str) -> Exit {
        Exit::Unanswered {
            message: format!("no gateway answers at {}: {why}", self.gateway),
            hint: "give the address of its `protocol: https` listener, and its authority with --ca"
                .to_owned(),
        }
    }

    /// True for another way to write the same host and port.
    #[must_use]
    pub fn is_at(&self, other: &Uri) -> bool {
        let place = |uri: &Uri| {
            let host = uri.host().unwrap_or_default().to_ascii_lowercase();
            (
                uri.scheme_str() == Some("https"),
                host,
                uri.port_u16().unwrap_or(443),
            )
        };
        place(&self.gateway) == place(other)
    }
}

/// `application/x-www-form-urlencoded`: everything but letters, digits, `-`, `.`, `_` escaped.
pub fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    let escape = |text: &str, out: &mut Vec<u8>| {
        for byte in text.bytes() {
            match byte {
                b if b.is_ascii_alphanumeric() || b"-._".contains(&b) => out.push(b),
                b => out.extend_from_slice(format!("%{b:02X}").as_bytes()),
            }
        }
    };
    let mut out = Vec::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push(b'&');
        }
        escape(name, &mut out);
        out.push(b'=');
        escape(value, &mut out);
    }
    out
}

fn trust(ca: Option<&Path>) -> Result<Arc<ClientConfig>, Exit> {
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
