//! Ports of a port-forward that are named one by one, each when it is first used: policy is asked about every one of
//! them, as about the request that opened the forward.
//!
//! Refuses a port about which people would have to be asked anew, or the cluster for labels: nobody waits for an answer
//! in the middle of a stream. The same people's yes to the request holds for its ports.

use super::super::exchange::command;
use super::super::exec::FORWARD;
use super::super::hold::Approved;
use super::End;
use super::spdy::Up;
use crate::filter::Sieve;
use crate::spdy::Role;
use crate::status;
use bytes::Bytes;
use portcullis_gate::{Allowed, Answer, Gate, Held, House, Permit, Ruling, Sequence};
use portcullis_model::message::{Body, Context};
use portcullis_model::{Blame, Call, Denial, Fault, Filter, Requirement};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the forward was asked for with, and who said yes to it.
pub(in super::super) struct Asking {
    pub call: Call,
    pub approved: Option<Arc<Approved>>,
}

/// What is known of ports.
pub(super) struct Ports {
    let_through: BTreeSet<u16>,
    refused: BTreeMap<u16, String>,
}

impl Ports {
    /// Those that the request has named.
    pub(super) fn of(asking: &Asking) -> Self {
        Self {
            let_through: asking.call.ports.iter().copied().collect(),
            refused: BTreeMap::new(),
        }
    }
}

impl Up<'_> {
    /// The permit for a connection to a port; `None` when the client was told that there is none.
    pub(super) async fn port(
        &mut self,
        (stream, role): (u32, &Role),
        port: u16,
        wire: Bytes,
    ) -> Result<Option<Permit>, End> {
        if let Some(why) = self.ports.refused.get(&port).cloned() {
            let mut writer = self.spdy.replies.lock().await;
            let frames = self.spdy.declined(&mut writer, (stream, role), &why);
            let housed = self.pump.house(House::Step, frames).await?;
            self.to_client.say(housed).await?;
            return Ok(None);
        }
        if self.ports.let_through.contains(&port) {
            let body = Body::Control("open a connection to a port");
            return self.pump.permit(body, wire).await.map(Some);
        }
        let permit = self.ask((stream, role), port, wire).await?;
        if permit.is_some() {
            self.ports.let_through.insert(port);
        }
        Ok(permit)
    }

    async fn ask(
        &mut self,
        (stream, role): (u32, &Role),
        port: u16,
        wire: Bytes,
    ) -> Result<Option<Permit>, End> {
        let asking = &self.spdy.asking;
        let call = Call {
            ports: vec![port],
            ..asking.call.clone()
        };
        let now = self.pump.now();
        let context = Context::new();
        // The replies before the gate, here as in the other direction: the other way round the two wait for each other.
        let mut writer = self.spdy.replies.lock().await;
        let mut gate = self.pump.gate.lock().await;
        let ruling = gate.judge(command(&call, wire)?, &context, now).await;
        let ruling = match ruling {
            Ruling::Hold(held) => {
                let answer = covered(asking.approved.as_deref(), &held);
                gate.resolve(held, answer, &context, now).await?
            }
            ruling => ruling,
        };
        let denied = match ruling {
            Ruling::Allow(allowed) => match self.let_pass(&mut gate, &call, &allowed) {
                Ok(()) => return Ok(Some(gate.commit(vec![allowed], &context, now).await?)),
                Err(denial) => Err(denial),
            },
            Ruling::Deny(denied) => Ok(denied),
            Ruling::Hold(_) => return Err(Fault::bare(Blame::Gateway, "hold a port twice").into()),
        };
        let mut said = String::new();
        let render = |denial: &Denial, _: Sequence| {
            said = status::words(denial);
            vec![self.spdy.declined(&mut writer, (stream, role), &said)]
        };
        let refusal = match denied {
            Ok(denied) => gate.reject(denied, now, render)?,
            Err(denial) => gate.reject_session(&denial, now, render)?,
        };
        drop(gate);
        self.to_client.refuse(refusal).await?;
        drop(writer);
        self.ports.refused.insert(port, said);
        Ok(None)
    }

    /// What policy allows passes unread, and within its filters. Those that applied when the forward opened were met.
    fn let_pass(&self, gate: &mut Gate, call: &Call, allowed: &Allowed) -> Result<(), Denial> {
        let opened = &self.pump.decision.obligations.filters;
        let granted = &gate.granted().filters;
        let said = allowed.decision().map(|said| &said.obligations.filters);
        let fresh = said.into_iter().flatten();
        let fresh = fresh.filter(|one| !opened.contains(one) && !granted.contains(one));
        hidden(call, &fresh.cloned().collect())?;
        gate.let_unread(FORWARD, allowed.decision())
    }
}

/// What filters say against a port that the forward has not met.
fn hidden(call: &Call, filters: &BTreeSet<Filter>) -> Result<(), Denial> {
    let sieve = match Sieve::of(call, filters) {
        Ok(Some(sieve)) => sieve,
        Ok(None) => return Ok(()),
        Err(away) => return Err(away.denial()),
    };
    sieve.check(call).map_err(|away| away.denial())?;
    match sieve.asks_labels() {
        true => Err(Denial::new(
            "kubernetes/filtered",
            "labels decide about this port, and it was named in the middle of a stream",
        )
        .hint("Name the ports in the request, or have policy filter the port-forward as a whole.")),
        false => Ok(()),
    }
}

/// Whether those who said yes to the forward are those who would be asked about a port of it.
fn covered(approved: Option<&Approved>, held: &Held) -> Answer {
    let requirements = held.requirements();
    match approved {
        Some(yes) if yes.covers(requirements) => Answer::Approve {
            id: yes.id.clone(),
            by: yes.by.clone(),
        },
        _ => Answer::Refuse(
            Denial::new(
                Requirement::rules(requirements),
                "people have to be asked about this port, and it was named in the middle of a stream",
            )
            .hint("Have policy ask about the port-forward as a whole, or name the ports in its request."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call;
    use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
    use hyper::{HeaderMap, Method};
    use serde_json::{Value, json};

    #[test]
    fn a_port_stays_within_the_filters_of_its_own_decision() {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
        let target = "/api/v1/namespaces/shop/pods/cart-0/portforward";
        let call = call::read(&Method::POST, target, &headers)
            .expect("reads")
            .call;
        let rule = |filters: Value| {
            let filters = serde_json::from_value(filters).expect("filters");
            hidden(&call, &filters).map_err(|denial| denial.rule)
        };
        let out = Err("kubernetes/filtered".to_owned());
        assert_eq!(rule(json!([])), Ok(()));
        assert_eq!(rule(json!([{"namespaces": ["shop"]}])), Ok(()));
        assert_eq!(rule(json!([{"names": ["cart-*"]}])), Ok(()));
        assert_eq!(rule(json!([{"namespaces": ["web"]}])), out);
        assert_eq!(rule(json!([{"names": ["web-*"]}])), out);
        assert_eq!(rule(json!([{"labels": {"team": ["a"]}}])), out);
        let labelled = json!([{"namespaces": ["shop"], "labels": {"team": ["a"]}}]);
        assert_eq!(rule(labelled), out);
    }
}
