//! Ports of a port-forward that are named one by one, each when it is first used: policy is asked about every one of
//! them, as about the request that opened the forward.
//!
//! Refuses a port about which people would have to be asked anew: nobody waits for an answer in the middle of a stream.
//! The same people's yes to the request holds for its ports.

use super::super::exchange::command;
use super::super::exec::FORWARD;
use super::super::hold::Approved;
use super::End;
use super::spdy::Up;
use crate::spdy::Role;
use crate::status;
use bytes::Bytes;
use portcullis_gate::{Answer, Held, House, Permit, Ruling, Sequence};
use portcullis_model::message::{Body, Context};
use portcullis_model::{Blame, Call, Denial, Fault, Requirement};
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
            Ruling::Allow(allowed) => match gate.let_unread(FORWARD, allowed.decision()) {
                Ok(()) => return Ok(Some(gate.commit(vec![allowed], &context, now).await?)),
                Err(denial) => Err(denial),
            },
            Ruling::Deny(denied) => Ok(denied),
            Ruling::Hold(_) => return Err(Fault::bare(Blame::Gateway, "hold a port twice").into()),
        };
        let mut writer = self.spdy.replies.lock().await;
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
}

/// Whether those who said yes to the forward are those who would be asked about a port of it.
fn covered(approved: Option<&Approved>, held: &Held) -> Answer {
    let requirements = held.requirements();
    match approved {
        Some(yes) if requirements.iter().all(|r| yes.rules.contains(&r.rule)) => Answer::Approve {
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
