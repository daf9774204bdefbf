//! Connections to what the gateway relies on: a request over TLS to an identity provider or a secret store, and a
//! connection for mail and syslog, which speak no HTTP.
//!
//! It exists because the usual clients bring a second TLS stack and follow redirects. It refuses addresses out of its
//! reach, whatever name leads there; plain http but to loopback, or to the metadata of a machine where that is asked
//! for; redirects, bodies over the limit, and slow requests; of a document anything but 200.

mod public;

pub use public::is_public;

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
use zeroize::{Zeroize as _, Zeroizing};

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file of authorities.
    #[error("read the certificate authorities")]
    Authorities,
    /// The address.
    #[error("use the address: https is required, and http only to loopback")]
    Address,
    /// Where the name leads.
    #[error("reach the host: its name leads to no address that may be asked")]
    Reach,
    /// The network.
    #[error("resolve or reach the host")]
    Connect(#[source] std::io::Error),
    /// The handshake, or who answered.
    #[error("speak TLS")]
    Tls(#[source] std::io::Error),
    /// What was said.
    #[error("speak HTTP")]
    Http(#[source] hyper::Error),
    /// Another status than 200.
    #[error("get the document: the answer was {0}")]
    Status(StatusCode),
    /// The body.
    #[error("read the document: too long, or cut off")]
    Body,
    /// What it holds.
    #[error("read the document: no JSON")]
    Json(#[source] serde_json::Error),
    /// The time.
    #[error("get the document in time")]
    Late,
}

/// A document and how long it may be kept.
pub struct Document {
    /// What it says.
    pub value: Value,
    /// `max-age` of its `Cache-Control`.
    pub max_age: Option<Duration>,
}

/// Fetches documents.
pub struct Fetcher {
    tls: TlsConnector,
    plain: Plain,
    reach: Reach,
}

/// Where plain http may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// To this machine alone.
    Loopback,
    /// Also to the metadata of a cloud machine, which speaks nothing else, at a link-local address.
    LinkLocal,
}

/// Which machines may be reached, by the address that is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Any: the address stands in the configuration, and somebody who could change it needs no detour.
    Anywhere,
    /// Those of the public network alone. What a name resolves to is looked at, and that is what is connected to.
    Public,
}

/// How much of an answer is read, and for how long the whole exchange may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From connect to the last byte.
    pub time: Duration,
    /// Bytes of the body.
    pub bytes: usize,
}

/// Documents of identity providers.
const DOCUMENTS: Bounds = Bounds {
    time: limits::JWKS_FETCH_MAX,
    bytes: limits::JWKS_BYTES_MAX,
};

impl Fetcher {
    /// Trusts the authorities of `ca_file` and no others, or the public ones.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no certificate.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, FetchError> {
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
        Ok(Self::over(Arc::new(config)))
    }

    /// With TLS as somebody else has settled it: whom to trust, and which certificate to show.
    #[must_use]
    pub fn over(config: Arc<ClientConfig>) -> Self {
        Self {
            tls: TlsConnector::from(config),
            plain: Plain::Loopback,
            reach: Reach::Anywhere,
        }
    }

    /// The same, within that reach. Nothing is asked in the clear of the public network.
    #[must_use]
    pub fn within(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// The same, with another word on plain http.
    #[must_use]
    pub fn with_plain(mut self, plain: Plain) -> Self {
        self.plain = plain;
        self
    }

    /// The document at `url`.
    ///
    /// # Errors
    /// When it cannot be had, is no JSON, or the answer is not 200.
    pub async fn get(&self, url: &str) -> Result<Document, FetchError> {
        let address = Address::parse_for(url, self.plain)?;
        tokio::time::timeout(DOCUMENTS.time, self.get_at(&address))
            .await
            .map_err(|_| FetchError::Late)?
    }

    /// Sends a form to an endpoint of a provider, whatever it answers: OAuth says what is wrong in the body
    /// of a 400 (RFC 6749 section 5.2).
    ///
    /// # Errors
    /// When there is no answer in bounds.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, FetchError> {
        self.send_within(request, DOCUMENTS).await
    }

    /// The same within other bounds.
    ///
    /// # Errors
    /// When there is no answer in bounds.
    pub async fn send_within(
        &self,
        request: Request<Vec<u8>>,
        bounds: Bounds,
    ) -> Result<Response<Vec<u8>>, FetchError> {
        let address = Address::parse_for(&request.uri().to_string(), self.plain)?;
        let exchange = async {
            let answer = self.exchange(request, &address, bounds.bytes).await?;
            Ok(answer.map(taken))
        };
        tokio::time::timeout(bounds.time, exchange)
            .await
            .map_err(|_| FetchError::Late)?
    }

    async fn get_at(&self, address: &Address) -> Result<Document, FetchError> {
        let request = Request::get(&address.path)
            .header(header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|_| FetchError::Address)?;
        let answer = self.exchange(request, address, DOCUMENTS.bytes).await?;
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
        most: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        let socket = address.dial(self.reach).await?;
        match address.secure {
            false => converse(socket, request, address, most).await,
            true => {
                let name =
                    ServerName::try_from(address.host.clone()).map_err(|_| FetchError::Address)?;
                let socket = self.tls.connect(name, socket).await;
                converse(socket.map_err(FetchError::Tls)?, request, address, most).await
            }
        }
    }
}

/// A connection that somebody else speaks on.
pub type Wire = Box<dyn Stream>;

/// The same as a socket, of which can be seen how it ends.
pub type Secured = tokio_rustls::client::TlsStream<TcpStream>;

/// What goes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Fetcher {
    /// A connection for another protocol than HTTP, not secured (yet). With `local`, to this machine alone. How long it
    /// may take is up to the caller.
    ///
    /// # Errors
    /// When the host cannot be reached, or may not.
    pub async fn open(&self, host: &str, port: u16, local: bool) -> Result<Wire, FetchError> {
        let may = |ip: IpAddr| !local || ip.is_loopback();
        Ok(Box::new(self.reach.dial(host, port, may).await?))
    }

    /// The same, secured from the first byte.
    ///
    /// # Errors
    /// As [`Self::open`], and when it is not who it should be.
    pub async fn secured(&self, host: &str, port: u16) -> Result<Wire, FetchError> {
        let wire = self.open(host, port, false).await?;
        self.upgrade(host, wire).await
    }

    /// The same, for whoever has to see how it ends.
    ///
    /// # Errors
    /// As [`Self::secured`].
    pub async fn secured_socket(&self, host: &str, port: u16) -> Result<Secured, FetchError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchError::Address)?;
        let socket = self.reach.dial(host, port, |_| true).await?;
        let secured = self.tls.connect(name, socket).await;
        secured.map_err(FetchError::Tls)
    }

    /// Secures a connection that has begun without.
    ///
    /// # Errors
    /// When it is not who it should be.
    pub async fn upgrade(&self, host: &str, wire: Wire) -> Result<Wire, FetchError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchError::Address)?;
        let secured = self.tls.connect(name, wire).await;
        Ok(Box::new(secured.map_err(FetchError::Tls)?))
    }
}

impl Reach {
    /// Connects to what a name leads to, as far as that is within reach and `may` be gone to.
    async fn dial(
        self,
        host: &str,
        port: u16,
        may: impl Fn(IpAddr) -> bool,
    ) -> Result<TcpStream, FetchError> {
        let found = tokio::net::lookup_host((host, port));
        let found = found.await.map_err(FetchError::Connect)?;
        let within = |ip: IpAddr| self == Self::Anywhere || is_public(ip);
        let allowed: Vec<SocketAddr> = found.filter(|a| within(a.ip()) && may(a.ip())).collect();
        if allowed.is_empty() {
            return Err(FetchError::Reach);
        }
        let socket = TcpStream::connect(allowed.as_slice()).await;
        socket.map_err(FetchError::Connect)
    }
}

impl Plain {
    fn may_reach(self, ip: IpAddr) -> bool {
        let link_local = match ip {
            IpAddr::V4(ip) => ip.is_link_local(),
            // Where EC2 serves its metadata over IPv6.
            IpAddr::V6(ip) => ip == std::net::Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        };
        ip.is_loopback() || (self == Self::LinkLocal && link_local)
    }
}

/// True for an http address, which only loopback may have.
#[must_use]
pub fn is_plain(url: &str) -> bool {
    !url.starts_with("https://")
}

/// Where a document is.
pub struct Address {
    secure: bool,
    plain: Plain,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is neither https, nor http to loopback, or holds user information.
    pub fn parse(url: &str) -> Result<Self, FetchError> {
        Self::parse_for(url, Plain::Loopback)
    }

    fn parse_for(url: &str, plain: Plain) -> Result<Self, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Address)?;
        let authority = uri.authority().ok_or(FetchError::Address)?;
        if authority.as_str().contains('@') {
            return Err(FetchError::Address);
        }
        let host = authority.host();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let local = host == "localhost" || host.parse().is_ok_and(|ip| plain.may_reach(ip));
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if local => false,
            _ => return Err(FetchError::Address),
        };
        Ok(Self {
            secure,
            plain,
            host: host.to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        })
    }

    async fn dial(&self, reach: Reach) -> Result<TcpStream, FetchError> {
        // Nothing that plain http may reach is of the public network.
        let may = |ip: IpAddr| self.secure || self.plain.may_reach(ip);
        reach.dial(&self.host, self.port, may).await
    }
}

async fn converse<S>(
    socket: S,
    request: Request<Vec<u8>>,
    address: &Address,
    most: usize,
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
    // It may hold what opens a server.
    let body = Bytes::from_owner(Zeroizing::new(body));
    let request = Request::from_parts(head, Full::new(body));
    let answer = sender
        .send_request(request)
        .await
        .map_err(FetchError::Http)?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, most).collect().await;
    drop(driver);
    let body = body.map_err(|_| FetchError::Body)?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// A body for whoever wipes it; nothing stays where it was, unless the connection's own buffer is in use still.
fn taken(body: Bytes) -> Vec<u8> {
    let copy = body.to_vec();
    if let Ok(mut unique) = body.try_into_mut() {
        unique.as_mut().zeroize();
    }
    copy
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
    fn metadata_of_a_machine_is_reached_where_it_may_be() {
        let metadata = "http://169.254.169.254/latest/api/token";
        assert!(Address::parse(metadata).is_err());
        assert!(Address::parse_for(metadata, Plain::LinkLocal).is_ok());
        assert!(Address::parse_for("http://10.0.0.1/", Plain::LinkLocal).is_err());
    }

    #[tokio::test]
    async fn the_reach_holds_for_every_way_out() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let anywhere = Fetcher::new(None).expect("a fetcher");
        assert!(anywhere.open("127.0.0.1", port, true).await.is_ok());
        let public = anywhere.within(Reach::Public);
        for host in ["127.0.0.1", "localhost"] {
            for local in [false, true] {
                let opened = public.open(host, port, local).await;
                assert!(matches!(opened, Err(FetchError::Reach)), "{host} {local}");
            }
            let secured = public.secured(host, port).await;
            assert!(matches!(secured, Err(FetchError::Reach)), "{host}");
            let socket = public.secured_socket(host, port).await;
            assert!(matches!(socket, Err(FetchError::Reach)), "{host}");
            for scheme in ["http", "https"] {
                let got = public.get(&format!("{scheme}://{host}:{port}/")).await;
                assert!(matches!(got, Err(FetchError::Reach)), "{scheme} {host}");
            }
        }
    }

    #[test]
    fn max_age_is_read_off_cache_control() {
        assert_eq!(max_age("public, Max-Age=60"), Some(Duration::from_secs(60)));
        assert_eq!(max_age("no-store"), None);
        assert_eq!(max_age("max-age=x"), None);
    }
}
