//! A connection to a cluster, and requests over it. A request is made from a permit and from nothing else: its bytes
//! are those that were judged, approved and recorded; only the credential is added, which no record holds.
//!
//! It refuses to send a request twice: what fails is told to the client, who knows whether to try again.

use super::refuse::Refused;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use portcullis_gate::{Housed, KubernetesWay, Permit};
use portcullis_model::{Blame, Fault, limits};
use tokio::time::timeout;

/// A connection.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
}

/// A request as it was judged: what its wire form was made from.
pub(super) struct Head {
    pub method: Method,
    pub target: String,
    /// The target as it is sent, where a filter selects more narrowly than the client, or an apply must not compare.
    pub narrowed: Option<String>,
    pub headers: HeaderMap,
}

impl Head {
    /// The head as it is judged, bound to approvals and recorded.
    pub(super) fn wire(&self) -> Vec<u8> {
        let mut wire = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            wire.extend_from_slice(name.as_str().as_bytes());
            wire.extend_from_slice(b": ");
            wire.extend_from_slice(value.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"\r\n");
        wire
    }

    /// The request that a permit is for.
    pub(super) async fn permitted(
        self,
        permit: Permit,
        way: &KubernetesWay,
    ) -> Result<Request<Full<Bytes>>, Refused> {
        self.of(super::joined(permit.into_frames()), way).await
    }

    /// The request that the gateway makes on its own.
    pub(super) async fn housed(
        self,
        housed: Housed,
        way: &KubernetesWay,
    ) -> Result<Request<Full<Bytes>>, Refused> {
        self.of(housed.into_wire(), way).await
    }

    async fn of(self, wire: Bytes, way: &KubernetesWay) -> Result<Request<Full<Bytes>>, Refused> {
        let head = self.wire();
        if !wire.starts_with(&head) {
            return Err(Fault::bare(Blame::Gateway, "send what was permitted").into());
        }
        let mut request = Request::new(Full::new(wire.slice(head.len()..)));
        *request.method_mut() = self.method;
        *request.uri_mut() = format!(
            "{}{}",
            way.prefix,
            self.narrowed.as_ref().unwrap_or(&self.target)
        )
        .parse()
        .map_err(|e| Fault::new(Blame::Gateway, "write a request's target", e))?;
        *request.headers_mut() = self.headers;
        authorize(request.headers_mut(), way).await?;
        Ok(request)
    }
}

/// The credential, and whom the cluster shall take us for.
async fn authorize(headers: &mut HeaderMap, way: &KubernetesWay) -> Result<(), Refused> {
    let text = |value: &str| {
        HeaderValue::from_str(value)
            .map_err(|e| Fault::new(Blame::Gateway, "write a header of a request", e))
    };
    let port = way.upstream.addresses.first().map_or(443, |a| a.port());
    let host = match way.upstream.host.contains(':') {
        true => format!("[{}]:{port}", way.upstream.host),
        false => format!("{}:{port}", way.upstream.host),
    };
    headers.insert(HOST, text(&host)?);
    if let Some(token) = way.key.bearer().await.map_err(Refused::Credential)? {
        let mut bearer = zeroize::Zeroizing::new("Bearer ".to_owned());
        bearer.push_str((*token).as_ref());
        let mut value = text(&bearer)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if let Some(who) = way.key.impersonates() {
        headers.insert(
            HeaderName::from_static("impersonate-user"),
            text(&who.user)?,
        );
        for group in &who.groups {
            headers.append(HeaderName::from_static("impersonate-group"), text(group)?);
        }
        for (name, value) in &who.extra {
            let name = HeaderName::try_from(format!("impersonate-extra-{name}"))
                .map_err(|e| Fault::new(Blame::Gateway, "write a header of a request", e))?;
            headers.append(name, text(value)?);
        }
    }
    Ok(())
}

impl Line {
    /// Dials. The proof says that it was recorded.
    pub(super) async fn dial(way: &KubernetesWay, housed: Housed) -> Result<Self, Refused> {
        let mut upstream = way.upstream.clone();
        if let Some(tls) = way.key.tls().await.map_err(Refused::Credential)? {
            upstream.tls = tls;
        }
        let dialling = portcullis_link::open(&upstream, housed);
        let stream = timeout(limits::HANDSHAKE_MAX, dialling)
            .await
            .map_err(|_| Fault::bare(Blame::Upstream, "accept a connection in time"))?
            .map_err(|e| e.blame(Blame::Upstream))?;
        let (sender, connection) = Builder::new()
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| Fault::new(Blame::Upstream, "speak HTTP", e))?;
        // It ends when the sender and the answer's body are gone.
        tokio::spawn(async move {
            let _ended = connection.with_upgrades().await;
        });
        Ok(Self { sender })
    }

    /// True when another request can be sent.
    pub(super) fn is_idle(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed()
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Fault> {
        timeout(limits::ANSWER_HEAD_MAX, self.sender.send_request(request))
            .await
            .map_err(|_| Fault::bare(Blame::Upstream, "answer in time"))?
            .map_err(|e| Fault::new(Blame::Upstream, "answer", e))
    }
}
