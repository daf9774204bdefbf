//! Exec, attach and port-forward: after the upgrade both sides speak WebSocket or SPDY, and everything is taken apart,
//! masked or recorded, and written again. The two directions run side by side, so that neither waits for the other.
//!
//! It refuses stream protocols that it cannot take apart, answers that choose what was not offered, and a port-forward
//! that policy does not let pass unread.

use super::answer::Pour;
use super::exchange::{Going, SPDY, STREAM_PROTOCOL};
use super::line::{Head, Line};
use super::live::Live;
use super::outlet::Outlet;
use super::pump::{Asking, Carrier, Ends, Mode, Pump, Spdy};
use super::refuse::{Answer, Refused, closed, denied_as, turned};
use super::visit::{Errand, Visit};
use crate::call::Upgrade;
use crate::mask::Expected;
use crate::spdy::Use;
use crate::status;
use crate::stream::Subprotocol;
use crate::turned::Turned;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    UPGRADE,
};
use hyper::{HeaderMap, Request, Response, StatusCode};
use portcullis_gate::{Allowed, Gate};
use portcullis_model::message::Context;
use portcullis_model::{Blame, Decision, Fault};
use std::sync::Arc;

/// The word by which policy lets a port-forward pass.
pub(super) const FORWARD: &str = "forward";

/// What kubectl speaks through a port-forward: frames of SPDY within messages.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

/// The same without messages around them.
const PORTS: &str = "portforward.k8s.io";

/// What is asked of the cluster.
struct Offer {
    /// Of a WebSocket.
    key: Option<String>,
    protocols: Vec<String>,
    forward: bool,
}

impl Offer {
    /// The protocols that the gateway can take apart, of those offered.
    fn of(upgrade: Option<&Upgrade>, forward: bool) -> Option<Self> {
        let (key, offered) = match upgrade? {
            Upgrade::WebSocket { key, protocols } => (Some(key.clone()), protocols),
            Upgrade::Spdy { protocols } => (None, protocols),
        };
        let read = |name: &&String| match (forward, key.is_some()) {
            (true, true) => [TUNNEL, "v4.channel.k8s.io"].contains(&name.as_str()),
            (true, false) => *name == PORTS,
            // Over SPDY the two of them are the same.
            (false, _) => Subprotocol::named(name).is_some(),
        };
        let protocols: Vec<String> = offered.iter().filter(read).cloned().collect();
        (!protocols.is_empty()).then_some(Self {
            key,
            protocols,
            forward,
        })
    }

    /// Into the request that was permitted.
    fn write(&self, headers: &mut HeaderMap) -> Result<(), Fault> {
        let text = |text: &str| {
            HeaderValue::from_str(text).map_err(|e| Fault::new(Blame::Client, "offer protocols", e))
        };
        match &self.key {
            Some(key) => {
                headers.insert(SEC_WEBSOCKET_KEY, text(key)?);
                // One comma list: servers read the first line only.
                headers.insert(SEC_WEBSOCKET_PROTOCOL, text(&self.protocols.join(", "))?);
            }
            None => {
                headers.remove(STREAM_PROTOCOL);
                for protocol in &self.protocols {
                    headers.append(STREAM_PROTOCOL, text(protocol)?);
                }
            }
        }
        Ok(())
    }

    /// What was chosen of it.
    fn chosen<'h>(&self, answer: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let (name, upgrade) = match self.key {
            Some(_) => (SEC_WEBSOCKET_PROTOCOL, "websocket"),
            None => (STREAM_PROTOCOL, SPDY),
        };
        let spoken = answer.get(UPGRADE)?.to_str().ok()?;
        let chosen = answer.get(name)?;
        let offered = self.protocols.iter().any(|offered| chosen == offered);
        (offered && spoken.eq_ignore_ascii_case(upgrade)).then_some(chosen)
    }

    fn mode(&self, chosen: &str, asking: Asking) -> Option<Mode> {
        let spdy = |used, carrier| Mode::Spdy(Box::new(Spdy::new(used, carrier, asking)));
        Some(match (self.forward, &self.key) {
            (true, Some(_)) if chosen == TUNNEL => spdy(Use::Ports, Carrier::Messages),
            (true, Some(_)) => Mode::Forward,
            (true, None) => spdy(Use::Ports, Carrier::Bare),
            (false, Some(_)) => Mode::Channels(Subprotocol::named(chosen)?),
            (false, None) => spdy(Use::Command, Carrier::Bare),
        })
    }
}

impl Visit {
    /// Opens the streams of a request that was allowed.
    pub(super) async fn open_streams(
        self: &Arc<Self>,
        live: Arc<Live>,
        mut gate: Gate,
        going: Going,
        (errand, request): (&Errand, Request<Incoming>),
    ) -> Result<Answer, Refused> {
        let forward = going.asked.call.verb == "portforward";
        let Some(offer) = Offer::of(going.asked.kept.upgrade.as_ref(), forward) else {
            let refused = turned(&mut gate, &unspoken(), self.now());
            return Err(closed(gate, refused, self.now()));
        };
        if forward && let Err(denial) = gate.let_unread(FORWARD, Some(&going.decision)) {
            let code = status::code_of(&denial);
            let (refused, status) = denied_as(&mut gate, &denial, code, self.now());
            if let (Some(_), Some(status)) = (&offer.key, status) {
                let repeats = &self.house.repeats;
                repeats.note(&errand.token, &errand.target, status, self.now());
            }
            return Err(closed(gate, refused, self.now()));
        }
        let warning = going.warning();
        let sent = self
            .sent_for(&live, &mut gate, (going.head, going.allowed), &offer)
            .await;
        let (line, answer) = match sent {
            Ok(sent) => sent,
            Err(refused) => return Err(closed(gate, refused, self.now())),
        };
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let pour = Pour {
                visit: Arc::clone(self),
                live,
                gate,
                line: Some(line),
                decision: going.decision,
                plain: None,
                expected: Expected::default(),
                schema: false,
                warning,
                sifting: None,
                labelled: going.labelled,
                reads: true,
            };
            return pour.answer(answer).await;
        }
        let opened = Opened {
            live,
            gate,
            line,
            decision: going.decision,
            tty: going.asked.call.tty,
        };
        let asking = Asking {
            call: going.asked.call,
            approved: going.approved,
        };
        self.joined(opened, (&offer, asking), answer, request)
    }

    /// Asks the cluster for the streams.
    async fn sent_for(
        &self,
        live: &Live,
        gate: &mut Gate,
        (head, allowed): (Head, Allowed),
        offer: &Offer,
    ) -> Result<(Line, Response<Incoming>), Refused> {
        let permit = gate
            .commit(vec![allowed], &Context::new(), self.now())
            .await?;
        let mut line = live.line(gate, self.now()).await?;
        let mut asking = head.permitted(permit, &live.way).await?;
        offer.write(asking.headers_mut())?;
        let answer = line.send(asking).await?;
        Ok((line, answer))
    }

    /// Answers 101 and lets the streams run.
    fn joined(
        self: &Arc<Self>,
        opened: Opened,
        (offer, asking): (&Offer, Asking),
        answer: Response<Incoming>,
        request: Request<Incoming>,
    ) -> Result<Answer, Refused> {
        let chosen = offer.chosen(answer.headers()).cloned();
        let mode = chosen
            .as_ref()
            .and_then(|name| name.to_str().ok())
            .and_then(|name| offer.mode(name, asking));
        let (Some(chosen), Some(mode)) = (chosen, mode) else {
            let doing = "choose a protocol that was offered";
            let refused = Fault::bare(Blame::Upstream, doing).into();
            return Err(closed(opened.gate, refused, self.now()));
        };
        let mut switched = Response::new(Outlet::Whole(None));
        *switched.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers: &mut HeaderMap = switched.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        match &offer.key {
            Some(_) => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(SEC_WEBSOCKET_PROTOCOL, chosen);
                if let Some(accept) = answer.headers().get(SEC_WEBSOCKET_ACCEPT) {
                    headers.insert(SEC_WEBSOCKET_ACCEPT, accept.clone());
                }
            }
            None => {
                headers.insert(UPGRADE, HeaderValue::from_static(SPDY));
                headers.insert(STREAM_PROTOCOL, chosen);
            }
        }
        let visit = Arc::clone(self);
        let clock = Arc::clone(&self.house.clock);
        self.run(async move {
            let ends = tokio::try_join!(hyper::upgrade::on(request), hyper::upgrade::on(answer));
            let Opened {
                live,
                gate,
                line,
                decision,
                tty,
            } = opened;
            match ends {
                Ok((client, cluster)) => {
                    let pump = Pump::new(gate, decision, mode, tty, clock);
                    let ends = Ends { client, cluster };
                    pump.run(ends, &*live.tether).await;
                }
                Err(error) => {
                    tracing::debug!(%error, "a stream was not opened after all");
                    let status = StatusCode::SWITCHING_PROTOCOLS.as_u16();
                    let how = serde_json::json!({"status": status, "end": "not opened"});
                    let _closed = gate.close(&how, visit.now());
                }
            }
            drop(line);
        });
        Ok(switched)
    }
}

/// Streams that the cluster has opened.
struct Opened {
    live: Arc<Live>,
    gate: Gate,
    line: Line,
    decision: Arc<Decision>,
    tty: bool,
}

fn unspoken() -> Turned {
    Turned::malformed(
        "kubernetes/stream-protocol",
        "none of the stream protocols offered is one that the gateway reads",
    )
    .hint("Offer v5.channel.k8s.io or v4.channel.k8s.io, or portforward.k8s.io for ports.")
}
