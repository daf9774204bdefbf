//! Exec, attach and port-forward: after the upgrade both sides speak WebSocket, and every message is taken apart,
//! masked or recorded, and written again. The two directions run side by side, so that neither waits for the other.
//!
//! It refuses SPDY, which it cannot take apart, and a port-forward that policy does not let pass unread.

use super::answer::Pour;
use super::exchange::Going;
use super::line::Line;
use super::live::Live;
use super::outlet::Outlet;
use super::pump::{Ends, Mode, Pump};
use super::refuse::{Answer, Refused, denied_as, turned};
use super::visit::{Errand, Visit};
use crate::call::Upgrade;
use crate::mask::Expected;
use crate::status;
use crate::stream::Subprotocol;
use crate::turned::Turned;
use hyper::body::Incoming;
use hyper::header::{
    HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::{HeaderMap, Request, Response, StatusCode};
use portcullis_gate::Gate;
use portcullis_model::message::Context;
use portcullis_model::{Blame, Decision, Fault};
use std::sync::Arc;

/// The word by which policy lets a port-forward pass.
pub(super) const FORWARD: &str = "forward";

/// What kubectl speaks through a port-forward: frames of SPDY within messages.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";

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
        let (key, offered) = match &going.asked.kept.upgrade {
            Some(Upgrade::WebSocket { key, protocols }) => (key, readable(protocols, forward)),
            _ => return Err(turned(&mut gate, &spdy(), self.now())),
        };
        if offered.is_empty() {
            return Err(turned(&mut gate, &unspoken(), self.now()));
        }
        if forward && let Err(denial) = gate.let_unread(FORWARD, Some(&going.decision)) {
            let code = status::code_of(&denial);
            let (refused, status) = denied_as(&mut gate, &denial, code, self.now());
            if let Some(status) = status {
                let repeats = &self.house.repeats;
                repeats.note(&errand.token, &errand.target, status, self.now());
            }
            return Err(refused);
        }
        let text = |text: &str| {
            HeaderValue::from_str(text).map_err(|e| Fault::new(Blame::Client, "offer protocols", e))
        };
        let (key, offer) = (text(key)?, text(&offered.join(", "))?);
        let permit = gate
            .commit(vec![going.allowed], &Context::new(), self.now())
            .await?;
        let mut line = live.line(&mut gate, self.now()).await?;
        let mut asking = going.head.permitted(permit, &live.way).await?;
        asking.headers_mut().insert(SEC_WEBSOCKET_KEY, key);
        asking.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, offer);
        let answer = line.send(asking).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let pour = Pour {
                visit: Arc::clone(self),
                live,
                gate,
                line: Some(line),
                decision: going.decision,
                expected: Expected::default(),
                api: true,
                warning: going.warning,
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
            forward,
        };
        self.joined(opened, answer, request)
    }

    /// Answers 101 and lets the streams run.
    fn joined(
        self: &Arc<Self>,
        opened: Opened,
        answer: Response<Incoming>,
        request: Request<Incoming>,
    ) -> Result<Answer, Refused> {
        let chosen = answer.headers().get(SEC_WEBSOCKET_PROTOCOL).cloned();
        let name = chosen.as_ref().and_then(|name| name.to_str().ok());
        let mode = match (opened.forward, name.and_then(Subprotocol::named)) {
            (true, _) => Mode::Forward,
            (false, Some(protocol)) => Mode::Channels(protocol),
            (false, None) => {
                let doing = "choose a protocol that was offered";
                return Err(Fault::bare(Blame::Upstream, doing).into());
            }
        };
        let accept = answer.headers().get(SEC_WEBSOCKET_ACCEPT).cloned();
        let mut switched = Response::new(Outlet::Whole(None));
        *switched.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers: &mut HeaderMap = switched.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(
            hyper::header::CONNECTION,
            HeaderValue::from_static("Upgrade"),
        );
        for (name, value) in [
            (SEC_WEBSOCKET_ACCEPT, accept),
            (SEC_WEBSOCKET_PROTOCOL, chosen),
        ] {
            if let Some(value) = value {
                headers.insert(name, value);
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
                ..
            } = opened;
            match ends {
                Ok((client, cluster)) => {
                    let pump = Pump::new(gate, decision, mode, tty, clock);
                    let ends = Ends { client, cluster };
                    pump.run(ends, &*live.tether).await;
                }
                Err(error) => {
                    tracing::debug!(%error, "a stream was not opened after all");
                    let _closed =
                        gate.close(&serde_json::json!({"end": "not opened"}), visit.now());
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
    forward: bool,
}

/// The protocols that the gateway can take apart, of those offered.
fn readable(offered: &[String], forward: bool) -> Vec<&str> {
    let spoken = |name: &&str| match forward {
        true => *name == TUNNEL || *name == "v4.channel.k8s.io",
        false => Subprotocol::named(name).is_some(),
    };
    offered.iter().map(String::as_str).filter(spoken).collect()
}

fn spdy() -> Turned {
    Turned::forbidden(
        "kubernetes/spdy",
        "streams over SPDY cannot be masked and recorded, and are not served",
        "Use kubectl 1.31 or newer, which speaks WebSocket; the cluster has to be 1.30 or newer for that.",
    )
}

fn unspoken() -> Turned {
    Turned::malformed(
        "kubernetes/stream-protocol",
        "none of the stream protocols offered is one that the gateway reads",
    )
    .hint("Offer v5.channel.k8s.io or v4.channel.k8s.io.")
}
