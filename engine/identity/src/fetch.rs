//! One request to an identity provider, over TLS: a document, or a form.
//!
//! It exists because the usual clients bring a second TLS stack and follow redirects. It refuses plain
//! http but to loopback, redirects, anything but 200, bodies over the limit, and slowness.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use portcullis_model::limits;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("read the certificate authorities")]
    Authorities,
    #[error("use the address: https is required, and http only to loopback")]
    Address,
    #[error("resolve or reach the host")]
    Connect(#[source] std::io::Error),
    #[error("speak TLS")]
    Tls(#[source] std::io::Error),
    #[error("speak HTTP")]
    Http(#[source] hyper::Error),
    #[error("get the document: the answer was {0}")]
    Status(StatusCode),
    #[error("read the document: too long, or cut off")]
    Body,
    #[error("read the document: no JSON")]
    Json(#[source] serde_json::Error),
    #[error("get the document in time")]
    Late,
}

/// A document and how long it may be kept.
pub(crate) struct Document {
    pub(crate) value: Value,
    pub(crate) max_age: Option<Duration>,
}

/// Fetches documents.
pub(crate) struct Fetcher {
    tls: TlsConnector,
}

impl Fetcher {
    /// Trusts the authorities of `ca_file` and no others, or the public ones.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, FetchError> {
        let mut roots = RootCertStore::empty();
        match ca_file {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                let pem = std::fs::read(path).map_err(|_| FetchError::Authorities)?;
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    let certificate = certificate.map_err(|_| FetchError::Authorities)?;
                    roots
                        .add(certificate)
                        .map_err(|_| FetchError::Authorities)?;
                }
                if roots.is_empty() {
                    return Err(FetchError::Authorities);
                }
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| FetchError::Authorities)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    /// The document at `url`.
    pub(crate) async fn get(&self, url: &str) -> Result<Document, FetchError> {
        let address = Address::parse(url)?;
        tokio::time::timeout(limits::JWKS_FETCH_MAX, self.get_at(&address))
            .await
            .map_err(|_| FetchError::Late)?
    }

    /// Sends a form to an endpoint of a provider, whatever it answers: OAuth says what is wrong in the body
    /// of a 400 (RFC 6749 section 5.2).
    pub(crate) async fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, FetchError> {
        let address = Address::parse(&request.uri().to_string())?;
        let exchange = async {
            let answer = self.exchange(request, &address).await?;
            Ok(answer.map(|body| body.to_vec()))
        };
        tokio::time::timeout(limits::JWKS_FETCH_MAX, exchange)
            .await
            .map_err(|_| FetchError::Late)?
    }

    async fn get_at(&self, address: &Address) -> Result<Document, FetchError> {
        let request = Request::get(&address.path)
            .header(header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|_| FetchError::Address)?;
        let answer = self.exchange(request, address).await?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        let max_age = answer
            .headers()
            .get(header::CACHE_CONTROL)
            .and_then(|v| v.to_str().ok())
            .and_then(max_age);
        let value = serde_json::from_slice(answer.body()).map_err(FetchError::Json)?;
        Ok(Document { value, max_age })
    }

    async fn exchange(
        &self,
        request: Request<Vec<u8>>,
        address: &Address,
    ) -> Result<Response<Bytes>, FetchError> {
        let socket = address.dial().await.map_err(FetchError::Connect)?;
        match address.secure {
            false => converse(socket, request, address).await,
            true => {
                let name =
                    ServerName::try_from(address.host.clone()).map_err(|_| FetchError::Address)?;
                let socket = self.tls.connect(name, socket).await;
                converse(socket.map_err(FetchError::Tls)?, request, address).await
            }
        }
    }
}

/// True for an http address, which only loopback may have.
pub(crate) fn is_plain(url: &str) -> bool {
    !url.starts_with("https://")
}

/// Where a document is.
pub(crate) struct Address {
    secure: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Address {
    /// # Errors
    /// When it is neither https, nor http to loopback, or holds user information.
    pub(crate) fn parse(url: &str) -> Result<Self, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Address)?;
        let authority = uri.authority().ok_or(FetchError::Address)?;
        if authority.as_str().contains('@') {
            return Err(FetchError::Address);
        }
        let host = authority.host();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if local => false,
            _ => return Err(FetchError::Address),
        };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        })
    }

    async fn dial(&self) -> std::io::Result<TcpStream> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
        let allowed: Vec<SocketAddr> = found
            .filter(|address| self.secure || address.ip().is_loopback())
            .collect();
        TcpStream::connect(allowed.as_slice()).await
    }
}

async fn converse<S>(
    socket: S,
    request: Request<Vec<u8>>,
    address: &Address,
) -> Result<Response<Bytes>, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(FetchError::Http)?;
    let driver = AbortOnDrop(tokio::spawn(connection));
    let (mut head, body) = request.into_parts();
    head.uri = address.path.parse().map_err(|_| FetchError::Address)?;
    let host = HeaderValue::from_str(&address.authority).map_err(|_| FetchError::Address)?;
    head.headers.insert(header::HOST, host);
    head.headers
        .insert(header::USER_AGENT, HeaderValue::from_static("portcullis"));
    let request = Request::from_parts(head, Full::new(Bytes::from(body)));
    let answer = sender
        .send_request(request)
        .await
        .map_err(FetchError::Http)?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, limits::JWKS_BYTES_MAX).collect().await;
    drop(driver);
    let body = body.map_err(|_| FetchError::Body)?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// A connection that nobody reads any more is closed.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// RFC 9111 section 5.2.2.1.
fn max_age(header: &str) -> Option<Duration> {
    header.split(',').find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| {
            value
                .trim_matches('"')
                .parse()
                .ok()
                .map(Duration::from_secs)
        })?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_loopback_are_addresses() {
        for good in [
            "https://idp.example/keys?x=1",
            "http://127.0.0.1:8080/jwks",
            "http://[::1]:80/",
            "http://localhost/",
        ] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://idp.example/keys",
            "http://127.0.0.1.example/",
            "http://localhost.example/",
            "https://user@idp.example/",
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "idp.example",
            "",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn max_age_is_read_off_cache_control() {
        assert_eq!(max_age("public, Max-Age=60"), Some(Duration::from_secs(60)));
        assert_eq!(max_age("no-store"), None);
        assert_eq!(max_age("max-age=x"), None);
    }
}
