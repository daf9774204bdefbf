//! A channel that a host opens towards the client, where policy has allowed the way: it has a gate and a record of its own,
//! passes unread under the decision that allowed the way, and is watched for secrets of ours like any other stream.
//!
//! It refuses to pass a byte before the record has the channel, and anything that its decision does not name.

use super::{Host, Stream};
use crate::back::{Came, Doorway, To, Way};
use crate::sides::{ClientSide, HostSide};
use portcullis_gate::{Gate, Reader};
use portcullis_model::message::Context;
use portcullis_stream::terminal::Typing;
use russh::client::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelOpenFailure, server};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{Mutex, OnceCell};

/// The whole life of it.
pub(crate) async fn lead_back(
    doorway: Arc<Doorway>,
    way: Way,
    came: Came,
    (channel, reply): (Channel<Msg>, ChannelOpenHandle),
) {
    let name = way.to.name();
    let now = (doorway.conversation.clock)();
    let mut gate = match doorway.entered.gates.open(&told(&way, &came), now).await {
        Ok(gate) => gate,
        Err(fault) => {
            tracing::error!(
                fault = fault.chain(),
                "a channel of a host's could not be opened"
            );
            return;
        }
    };
    let decision = way.decision.as_ref();
    let named = gate.is_named(name, decision);
    if named
        .and_then(|()| gate.let_unread(name, decision))
        .is_err()
    {
        return unopened(&doorway, gate, "not named");
    }
    let under_way = doorway.conversation.back.opening();
    let asked = tokio::select! {
        biased;
        () = doorway.conversation.over() => None,
        _ = doorway.entered.tether.severed() => None,
        asked = towards(&doorway.handle, &way, &came) => Some(asked),
    };
    let Some(Ok(theirs)) = asked else {
        match asked {
            // It may have been asked, and its answer is honest whenever it comes: it still has to read why all ends.
            None => under_way.unheard(),
            Some(_) => drop(under_way),
        }
        reply.reject(ChannelOpenFailure::ConnectFailed).await;
        return unopened(&doorway, gate, "the client did not open it");
    };
    let inbox = under_way.opened(theirs.id(), &doorway.share);
    let (_, half) = theirs.split();
    let (read, write) = channel.split();
    let host = Host {
        side: HostSide::new(write),
        line: None,
    };
    let stream = Stream {
        conversation: Arc::clone(&doorway.conversation),
        entered: Arc::clone(&doorway.entered),
        inbox,
        client: ClientSide::new(half, doorway.handle.clone()),
        gate: Mutex::new(gate),
        context: Context::new(),
        reader: Reader::Program,
        unread: Some(name),
        decision: OnceCell::new_with(way.decision.clone()),
        host: OnceCell::new_with(Some(host)),
        inspector: Mutex::new(None),
        typing: parking_lot::Mutex::new(Typing::new()),
        followed: None,
    };
    drop(doorway);
    reply.accept().await;
    let ended = stream.pass_through(read).await;
    stream.part_forward(ended).await;
}

/// The client's end of it. It answers when it likes: until then this holds one of the places.
async fn towards(
    handle: &server::Handle,
    way: &Way,
    came: &Came,
) -> Result<Channel<server::Msg>, russh::Error> {
    match came {
        // The client knows the forward by the address that it has asked for.
        Came::Port { port, from } => {
            let (host, number) = from;
            handle
                .channel_open_forwarded_tcpip(way.address(), u32::from(*port), host, *number)
                .await
        }
        Came::Socket(path) => handle.channel_open_forwarded_streamlocal(path).await,
        Came::Display(host, port) => handle.channel_open_x11(host, *port).await,
        Came::Agent => handle.channel_open_agent().await,
    }
}

/// For the record.
fn told(way: &Way, came: &Came) -> Value {
    let at = match &way.to {
        To::Remote(remote) => Some(remote.place().shown()),
        To::Agent | To::Display => None,
    };
    let from = match came {
        Came::Port { from, .. } => Some(format!("{}:{}", from.0, from.1)),
        Came::Display(host, port) => Some(format!("{host}:{port}")),
        Came::Socket(_) | Came::Agent => None,
    };
    json!({"ssh": way.to.name(), "opened_by": "host", "at": at, "from": from})
}

fn unopened(doorway: &Doorway, gate: Gate, reason: &str) {
    let now = (doorway.conversation.clock)();
    if let Err(fault) = gate.close(&json!({"reason": reason}), now) {
        tracing::error!(fault = fault.chain(), "a channel's end is not on record");
    }
}
