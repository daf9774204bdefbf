//! One request, in order: read, judged, held if people are to be asked, recorded, sent, answered.
//!
//! It refuses to send anything that was not read to its end, and to let an answer through that it could not mask.

use super::answer::Pour;
use super::hold::Approved;
use super::line::{Head, Line};
use super::live::Live;
use super::refuse::{Answer, Refused, again, closed, denied, turned};
use super::repeats::comes_again;
use super::visit::{Errand, Visit};
use crate::call::{self, Asked, Opens, Upgrade};
use crate::filter::Sifting;
use crate::mask::Expected;
use crate::turned::Turned;
use crate::{body, secrets};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as HttpBody, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response};
use portcullis_gate::{Allowed, Gate, Ruling};
use portcullis_model::message::{Body, Command, Context, Message};
use portcullis_model::{Blame, Call, Decision, Fault, Stage, Subject, limits};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The protocol of streams before WebSocket.
pub(super) const SPDY: &str = "SPDY/3.1";
/// What is spoken in them; one line for each that is offered.
pub(super) const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// A request that was read and is on its way to be judged.
pub(super) struct Reading {
    pub asked: Asked,
    pub method: Method,
    pub body: Bytes,
}

/// A request that may go.
pub(super) struct Going {
    pub asked: Asked,
    pub head: Head,
    pub allowed: Allowed,
    pub decision: Arc<Decision>,
    /// Who said yes, where people were asked.
    pub approved: Option<Arc<Approved>>,
    /// How its answer is sifted.
    pub sifting: Option<Sifting>,
    /// An object is named, and its labels decide whether it is granted.
    pub labelled: bool,
}

impl Going {
    /// What the client is told about the approval.
    pub(super) fn warning(&self) -> Option<String> {
        self.approved.as_deref().map(Approved::warning)
    }
}

impl Visit {
    /// Serves a request within a session.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        live: Arc<Live>,
        mut gate: Gate,
        errand: Errand,
        mut request: Request<Incoming>,
    ) -> Result<Answer, Refused> {
        let going = match self.prepared(&live, &mut gate, &errand, &mut request).await {
            Ok(going) => going,
            Err(refused) => return Err(closed(gate, refused, self.now())),
        };
        match going.asked.opens {
            Opens::Streams => {
                self.open_streams(live, gate, going, (&errand, request))
                    .await
            }
            _ => self.forward(live, gate, going).await,
        }
    }

    /// Everything until it may go.
    async fn prepared(
        &self,
        live: &Arc<Live>,
        gate: &mut Gate,
        errand: &Errand,
        request: &mut Request<Incoming>,
    ) -> Result<Going, Refused> {
        let (method, headers) = (request.method().clone(), request.headers().clone());
        let asked = call::read(&method, &errand.target, &headers)
            .map_err(|t| turned(gate, &t, self.now()))?;
        let repeats = &self.house.repeats;
        if matches!(asked.kept.upgrade, Some(Upgrade::Spdy { .. }))
            && let Some(status) = repeats.take(&errand.token, &errand.target, self.now())
        {
            return Err(Refused::Answer(again(&status)));
        }
        let reading = self.read(gate, asked, method, request).await?;
        let mut going = self.judged(live, gate, errand, reading).await?;
        self.within(live, gate, errand, &mut going).await?;
        Ok(going)
    }

    /// Reads the body.
    async fn read(
        &self,
        gate: &mut Gate,
        mut asked: Asked,
        method: Method,
        request: &mut Request<Incoming>,
    ) -> Result<Reading, Refused> {
        let mut bytes = Bytes::new();
        if asked.kept.has_body {
            bytes = whole(request.body_mut(), limits::REQUEST_BODY_MAX)
                .await
                .map_err(|t| turned(gate, &t, self.now()))?;
        }
        let read = body::read(&asked.call, &bytes).map_err(|t| turned(gate, &t, self.now()))?;
        asked.with_body(read);
        Ok(Reading {
            asked,
            method,
            body: bytes,
        })
    }

    /// Judges it, and asks people where policy wants that.
    async fn judged(
        &self,
        live: &Arc<Live>,
        gate: &mut Gate,
        errand: &Errand,
        reading: Reading,
    ) -> Result<Going, Refused> {
        let Reading {
            asked,
            method,
            body,
        } = reading;
        let head = head(&asked, method).map_err(|t| turned(gate, &t, self.now()))?;
        let message = message(&asked, &head, &body)?;
        let ruling = gate.judge(message, &Context::new(), self.now()).await;
        let (ruling, approved) = match ruling {
            Ruling::Hold(held) => self.ask_people(live, gate, held).await?,
            ruling => (ruling, None),
        };
        match ruling {
            Ruling::Allow(allowed) => {
                let decision = allowed.decision().cloned();
                let decision = decision.ok_or_else(|| {
                    Fault::bare(Blame::Gateway, "find the decision about a request")
                })?;
                Ok(Going {
                    asked,
                    head,
                    allowed,
                    decision,
                    approved,
                    sifting: None,
                    labelled: false,
                })
            }
            Ruling::Deny(refusal) => {
                let (refused, status) = denied(gate, refusal, self.now());
                let again = comes_again(asked.kept.upgrade.as_ref());
                if let (true, Some(status)) = (again, status) {
                    let repeats = &self.house.repeats;
                    repeats.note(&errand.token, &errand.target, status, self.now());
                }
                Err(refused)
            }
            Ruling::Hold(_) => Err(Fault::bare(Blame::Gateway, "hold a request twice").into()),
        }
    }

    /// Sends it and answers.
    async fn forward(
        self: &Arc<Self>,
        live: Arc<Live>,
        mut gate: Gate,
        going: Going,
    ) -> Result<Answer, Refused> {
        let warning = going.warning();
        let Going {
            asked,
            head,
            allowed,
            decision,
            sifting,
            labelled,
            ..
        } = going;
        let masks = decision.obligations.masks() || sifting.is_some();
        let sent = self
            .sent(&live, &mut gate, (&asked, masks), (head, allowed))
            .await;
        let (line, answer) = match sent {
            Ok(sent) => sent,
            Err(refused) => return Err(closed(gate, refused, self.now())),
        };
        let pour = Pour {
            visit: Arc::clone(self),
            live,
            gate,
            line: Some(line),
            decision,
            plain: None,
            expected: Expected::of(&asked.call),
            schema: is_schema(&asked.call),
            warning,
            sifting,
            labelled,
            reads: asked.call.verb == "get",
        };
        pour.answer(answer).await
    }

    /// Sends it.
    async fn sent(
        &self,
        live: &Live,
        gate: &mut Gate,
        (asked, masks): (&Asked, bool),
        (head, allowed): (Head, Allowed),
    ) -> Result<(Line, Response<Incoming>), Refused> {
        let accept = narrow(asked, masks).map_err(|t| turned(gate, &t, self.now()))?;
        let permit = gate
            .commit(vec![allowed], &Context::new(), self.now())
            .await?;
        let mut line = live.line(gate, self.now()).await?;
        let mut request = head.permitted(permit, &live.way).await?;
        if let Some(accept) = accept {
            request.headers_mut().insert(ACCEPT, accept);
        }
        let answer = line.send(request).await?;
        Ok((line, answer))
    }
}

/// A body to its end, within the bounds of length and time.
async fn whole<B>(body: B, within: Duration) -> Result<Bytes, Turned>
where
    B: HttpBody,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let limited = Limited::new(body, limits::CALL_BODY_BYTES_MAX);
    match timeout(within, limited.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(body::too_long()),
        Ok(Err(_)) => Err(Turned::malformed("kubernetes/body", "the body has no end")),
        Err(_) => Err(body::too_slow()),
    }
}

/// The head that goes on: kept headers, and what the gateway writes itself.
fn head(asked: &Asked, method: Method) -> Result<Head, Turned> {
    let mut headers: HeaderMap = asked.kept.headers.clone();
    let text = |text: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| Turned::malformed("kubernetes/header", "a header holds more than ASCII"))
    };
    if let Some(kind) = &asked.kept.content_type {
        headers.insert(CONTENT_TYPE, text(kind)?);
    }
    if let Some(Upgrade::Spdy { protocols }) = &asked.kept.upgrade {
        headers.insert(hyper::header::CONNECTION, text("Upgrade")?);
        headers.insert(hyper::header::UPGRADE, text(SPDY)?);
        // Line by line: kubelets read no lists here.
        for protocol in protocols {
            headers.append(STREAM_PROTOCOL, text(protocol)?);
        }
    }
    if let Some(Upgrade::WebSocket { protocols, .. }) = &asked.kept.upgrade {
        let mut add = |name: HeaderName, value: &str| {
            headers.insert(name, text(value)?);
            Ok::<_, Turned>(())
        };
        add(hyper::header::CONNECTION, "Upgrade")?;
        add(hyper::header::UPGRADE, "websocket")?;
        add(hyper::header::SEC_WEBSOCKET_VERSION, "13")?;
        // The key is drawn anew for every connection: it is added to what was approved, and is no part of it.
        // One comma list: servers read the first line only.
        add(hyper::header::SEC_WEBSOCKET_PROTOCOL, &protocols.join(", "))?;
    }
    Ok(Head {
        method,
        target: asked.target.clone(),
        narrowed: None,
        headers,
    })
}

/// The schema of the API, which it publishes for everybody.
fn is_schema(call: &Call) -> bool {
    let path = call.path.as_deref().unwrap_or_default();
    let published = path == "/openapi/v2" || path == "/openapi/v3";
    let published = published || path.starts_with("/openapi/v3/");
    call.verb == "get" && call.resource.is_none() && published
}

/// What the client accepts, as far as the gateway can look into it.
fn narrow(asked: &Asked, masks: bool) -> Result<Option<HeaderValue>, Turned> {
    let objects = matches!(asked.opens, Opens::Answer | Opens::Watch);
    let json = masks && objects && asked.call.resource.is_some();
    let accept = match json {
        true => Some(asked.kept.accept.json()?),
        false => asked.kept.accept.whole(),
    };
    Ok(accept.and_then(|accept| HeaderValue::from_str(&accept).ok()))
}

/// The request as it is judged: its call in words, its exact bytes beside it.
fn message(asked: &Asked, head: &Head, body: &Bytes) -> Result<Message, Fault> {
    let mut wire = head.wire();
    wire.extend_from_slice(body);
    command(&asked.call, wire.into())
}

/// A call as it is judged.
pub(super) fn command(call: &Call, wire: Bytes) -> Result<Message, Fault> {
    let text = serde_json::to_string(call)
        .map_err(|e| Fault::new(Blame::Gateway, "write down a call", e))?;
    let secrets = secrets::within(&text, call)?;
    Ok(Message {
        body: Body::Command(Command {
            text: Arc::from(text),
            stage: Stage::Request,
            subject: Subject::Call(Box::new(call.clone())),
            known: None,
            secrets,
            bound: Bytes::new(),
        }),
        wire,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use hyper::body::Frame;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context as Task, Poll};

    /// A body that never ends.
    struct Endless;

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Task<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_body_ends_in_time_and_within_its_length() {
        let read = whole(
            Full::new(Bytes::from_static(b"{}")),
            limits::REQUEST_BODY_MAX,
        )
        .await;
        assert_eq!(read.unwrap(), "{}");
        let long = vec![b' '; limits::CALL_BODY_BYTES_MAX + 1];
        let read = whole(Full::new(Bytes::from(long)), limits::REQUEST_BODY_MAX).await;
        assert_eq!(read.unwrap_err().code, 413);
        let read = whole(Endless, Duration::from_millis(20)).await;
        assert_eq!(read.unwrap_err().code, 408);
    }

    /// What an approval of an exec is bound to, as one run of kubectl asks for it.
    fn bound(key: &'static str, session: &'static str, command: &str) -> Bytes {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("user-agent", "kubectl/v1.32.0"),
            ("kubectl-command", "kubectl exec"),
            ("kubectl-session", session),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", key),
            ("sec-websocket-protocol", "v5.channel.k8s.io"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let target =
            format!("/api/v1/namespaces/shop/pods/cart-0/exec?command={command}&stdout=true");
        let asked = call::read(&Method::GET, &target, &headers).expect("reads");
        let head = head(&asked, Method::GET).expect("has a head");
        message(&asked, &head, &Bytes::new())
            .expect("a message")
            .wire
    }

    #[test]
    fn an_exec_that_is_sent_again_is_the_one_that_was_approved() {
        let first = bound("dGhlIHNhbXBsZSBub25jZQ==", "1c0c1e4a", "date");
        let again = bound("AQIDBAUGBwgJCgsMDQ4PEA==", "9f52b77d", "date");
        assert_eq!(first, again);
        assert_ne!(first, bound("dGhlIHNhbXBsZSBub25jZQ==", "1c0c1e4a", "id"));
    }
}
