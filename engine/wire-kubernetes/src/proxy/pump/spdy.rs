//! Streams over SPDY, bare or within the messages of a WebSocket (`SPDY/3.1+portforward.k8s.io`). Both ends are spoken to
//! in frames of the gateway's own: what comes out of a masker has another length than what went in, and pings are
//! answered here, on either side.
//!
//! Refuses bytes on streams that have none in that direction, streams that a server opens, standard input and sizes that
//! the request has not asked for, and text messages around frames. What one side still says about a stream that the
//! other has left counts for nothing.

use super::super::exec::FORWARD;
use super::ports::{Asking, Ports};
use super::{End, Pump, READ_BYTES, Reading, Wire, resize};
use crate::spdy::{
    Frame, Place, REFUSED_STREAM, Reader, Role, Streams, Use, Writer, data, go_away, ping, reply,
    reset, syn,
};
use crate::stream::{Channel, Frames, From, Said, Saying, frame};
use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_gate::{House, Next, Outgoing};
use portcullis_link::{ClientOutlet, UpstreamOutlet};
use portcullis_model::message::Body;
use portcullis_model::{Blame, Call, Fault, limits};
use tokio::io::AsyncReadExt as _;

/// What carries the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Carrier {
    /// Nothing: they are what the connection was upgraded to.
    Bare,
    /// Messages of a WebSocket.
    Messages,
}

/// A connection of SPDY.
pub(in super::super) struct Spdy {
    carrier: Carrier,
    streams: Mutex<Streams>,
    /// What replies to the client are written with. It is held until they have gone: they are one stream.
    pub(super) replies: tokio::sync::Mutex<Writer>,
    /// How ports are asked about.
    pub(super) asking: Asking,
}

impl Spdy {
    pub(in super::super) fn new(used: Use, carrier: Carrier, asking: Asking) -> Self {
        Self {
            carrier,
            streams: Mutex::new(Streams::new(used)),
            replies: tokio::sync::Mutex::default(),
            asking,
        }
    }

    pub(super) fn stream_of(&self, channel: Channel) -> Option<u32> {
        self.streams.lock().of(channel)
    }

    /// The stream's own status says why it ends, if there is one.
    pub(super) fn last_word(&self, status: &[u8]) -> Vec<Bytes> {
        let streams = self.streams.lock();
        let told = streams.of(Channel::Status);
        let told = told.map(|stream| Bytes::from(data(stream, status, true)));
        let end = self.to_client(go_away(streams.last(), 0));
        told.into_iter().chain([end]).collect()
    }

    /// A connection to a port that policy does not let: it opens, says why, and is over.
    pub(super) fn declined(
        &self,
        writer: &mut Writer,
        (stream, role): (u32, &Role),
        why: &str,
    ) -> Bytes {
        self.to_client(match role {
            Role::Trouble { .. } => {
                let mut frames = reply(writer, stream, false);
                frames.extend_from_slice(&data(stream, why.as_bytes(), true));
                frames
            }
            _ => reply(writer, stream, true),
        })
    }

    fn to_client(&self, frames: Vec<u8>) -> Bytes {
        match self.carrier {
            Carrier::Bare => frames.into(),
            Carrier::Messages => frame(Saying::Binary(&frames), None),
        }
    }

    fn to_cluster(&self, frames: Vec<u8>, key: [u8; 4]) -> Bytes {
        match self.carrier {
            Carrier::Bare => frames.into(),
            Carrier::Messages => frame(Saying::Binary(&frames), Some(key)),
        }
    }
}

/// Something that was heard of a side.
enum Heard {
    Frame(Frame),
    Ping(Bytes),
    Close(Option<u16>),
}

/// What a side says, out of whatever carries it.
struct Hearing {
    messages: Option<Frames>,
    frames: Reader,
    blame: Blame,
}

impl Hearing {
    fn new(carrier: Carrier, from: From) -> Self {
        let blame = match from {
            From::Client => Blame::Client,
            From::Server => Blame::Upstream,
        };
        Self {
            messages: (carrier == Carrier::Messages).then(|| Frames::new(from)),
            frames: Reader::new(blame),
            blame,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        match &mut self.messages {
            Some(messages) => messages.push(bytes),
            None => self.frames.push(bytes),
        }
    }

    fn next(&mut self) -> Result<Option<Heard>, Fault> {
        loop {
            if let Some(frame) = self.frames.next()? {
                return Ok(Some(Heard::Frame(frame)));
            }
            let Some(messages) = &mut self.messages else {
                return Ok(None);
            };
            match messages.next()? {
                None => return Ok(None),
                Some(Said::Message { text: true, .. }) => {
                    return Err(Fault::bare(self.blame, "carry frames in binary messages"));
                }
                Some(Said::Message { bytes, .. }) => self.frames.push(&bytes),
                Some(Said::Ping(bytes)) => return Ok(Some(Heard::Ping(bytes))),
                Some(Said::Pong) => {}
                Some(Said::Close(close)) => return Ok(Some(Heard::Close(close.code))),
            }
        }
    }
}

/// The direction to the pod.
pub(super) struct Up<'p> {
    pub(super) pump: &'p Pump,
    pub(super) spdy: &'p Spdy,
    to_cluster: UpstreamOutlet<Wire>,
    pub(super) to_client: ClientOutlet<Wire>,
    /// What streams are opened with.
    writer: Writer,
    pub(super) ports: Ports,
}

fn broken(blame: Blame) -> End {
    Fault::bare(blame, "say something that its stream has room for").into()
}

/// True when the request that policy was asked about has said that it uses such a stream. A server takes whatever
/// stream is opened; over WebSocket it looks at the request.
fn is_asked(call: &Call, role: &Role) -> bool {
    match role {
        Role::Channel(Channel::Input) => call.stdin,
        Role::Channel(Channel::Resize) => call.tty,
        Role::Channel(_) | Role::Data { .. } | Role::Trouble { .. } => true,
    }
}

impl Pump {
    /// From the client to the pod.
    pub(super) async fn spdy_up(
        &self,
        spdy: &Spdy,
        from: &mut Reading,
        client: Wire,
        cluster: Wire,
    ) -> Result<(), End> {
        let mut up = Up {
            pump: self,
            spdy,
            to_cluster: UpstreamOutlet::new(cluster),
            to_client: ClientOutlet::new(client),
            writer: Writer::default(),
            ports: Ports::of(&spdy.asking),
        };
        let mut hearing = Hearing::new(spdy.carrier, From::Client);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            while let Some(heard) = hearing.next()? {
                match heard {
                    Heard::Frame(frame) => up.take(frame).await?,
                    Heard::Ping(bytes) => {
                        let pong = frame(Saying::Pong(&bytes), None);
                        let housed = self.house(House::Step, pong).await?;
                        up.to_client.say(housed).await?;
                    }
                    Heard::Close(code) => {
                        let close = frame(Saying::Close(code), Some(self.key()));
                        let housed = self.house(House::Terminate, close).await?;
                        return Ok(up.to_cluster.say(housed).await?);
                    }
                }
            }
            match from.read(&mut buffer).await? {
                0 => return Ok(()),
                count => hearing.push(buffer.get(..count).unwrap_or_default()),
            }
        }
    }

    /// From the pod to the client.
    pub(super) async fn spdy_down(
        &self,
        spdy: &Spdy,
        from: &mut Reading,
        client: Wire,
        cluster: Wire,
    ) -> Result<(), End> {
        let mut down = Down {
            pump: self,
            spdy,
            client: client.clone(),
            to_client: ClientOutlet::new(client.clone()),
            to_cluster: UpstreamOutlet::new(cluster),
            status: Vec::new(),
        };
        let mut hearing = Hearing::new(spdy.carrier, From::Server);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            while let Some(heard) = hearing.next()? {
                match heard {
                    Heard::Frame(frame) => down.take(frame).await?,
                    Heard::Ping(bytes) => {
                        let pong = frame(Saying::Pong(&bytes), Some(self.key()));
                        let housed = self.house(House::Step, pong).await?;
                        down.to_cluster.say(housed).await?;
                    }
                    Heard::Close(code) => {
                        down.rest().await?;
                        return down.say(frame(Saying::Close(code), None)).await;
                    }
                }
            }
            match self.read(from, &mut buffer, &client).await? {
                0 => return down.rest().await,
                count => hearing.push(buffer.get(..count).unwrap_or_default()),
            }
        }
    }
}

impl Up<'_> {
    async fn take(&mut self, frame: Frame) -> Result<(), End> {
        match frame {
            Frame::Open {
                stream,
                fin,
                headers,
            } => self.open(stream, fin, &headers).await,
            Frame::Data { stream, fin, bytes } => self.data(stream, fin, bytes).await,
            Frame::Headers { stream, fin } => self.data(stream, fin, Bytes::new()).await,
            Frame::Reset { stream, status } => {
                if self.spdy.streams.lock().role_of(stream).is_none() {
                    return Ok(());
                }
                let body = Body::Control("reset of a stream");
                self.permitted(body, reset(stream, status)).await?;
                self.spdy.streams.lock().remove(stream);
                Ok(())
            }
            // The client's own are odd; an answer to one of ours would be even, and we send none.
            Frame::Ping(id) if !id.is_multiple_of(2) => self.tell(ping(id)).await,
            Frame::Ping(_) | Frame::Nothing => Ok(()),
            Frame::GoAway { status, .. } => {
                let key = self.pump.key();
                let wire = self.spdy.to_cluster(go_away(0, status), key);
                let housed = self.pump.house(House::Terminate, wire).await?;
                Ok(self.to_cluster.say(housed).await?)
            }
            Frame::Reply { .. } => Err(broken(Blame::Client)),
        }
    }

    async fn open(
        &mut self,
        stream: u32,
        fin: bool,
        headers: &[(String, String)],
    ) -> Result<(), End> {
        let claimed = self.spdy.streams.lock().claim(stream, headers)?;
        let Some(role) = claimed else {
            return self.tell(reset(stream, REFUSED_STREAM)).await;
        };
        if !is_asked(&self.spdy.asking.call, &role) {
            return Err(broken(Blame::Client));
        }
        let headers = role.headers();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        // Another frame begins where this one is not sent.
        let mut writer = self.writer;
        let syn = syn(&mut writer, stream, fin, &headers);
        let wire = self.spdy.to_cluster(syn, self.pump.key());
        let permit = match role.port() {
            None => {
                self.pump
                    .permit(Body::Control("open a stream"), wire)
                    .await?
            }
            Some(port) => match self.port((stream, &role), port, wire).await? {
                Some(permit) => permit,
                None => return Ok(()),
            },
        };
        self.writer = writer;
        self.spdy.streams.lock().add(stream, role, fin);
        Ok(self.to_cluster.permit(permit).await?)
    }

    async fn data(&mut self, stream: u32, fin: bool, bytes: Bytes) -> Result<(), End> {
        let place = self.spdy.streams.lock().place(stream, true)?;
        let Place::Open(role) = place else {
            return Ok(());
        };
        if !bytes.is_empty() {
            let frames = data(stream, &bytes, false);
            let body = match &role {
                Role::Channel(Channel::Input) => self.pump.input(bytes),
                Role::Channel(Channel::Resize) => resize(&bytes)?,
                Role::Data { .. } => Body::Opaque {
                    stream: FORWARD,
                    bytes,
                },
                _ => return Err(broken(Blame::Client)),
            };
            self.permitted(body, frames).await?;
        }
        if fin {
            let body = match &role {
                Role::Channel(Channel::Input) => Body::Control("end of input"),
                _ => Body::Control("end of a stream"),
            };
            self.permitted(body, data(stream, &[], true)).await?;
            self.spdy.streams.lock().finish(stream, true);
        }
        Ok(())
    }

    async fn permitted(&mut self, body: Body, frames: Vec<u8>) -> Result<(), End> {
        let wire = self.spdy.to_cluster(frames, self.pump.key());
        let permit = self.pump.permit(body, wire).await?;
        Ok(self.to_cluster.permit(permit).await?)
    }

    async fn tell(&mut self, frames: Vec<u8>) -> Result<(), End> {
        let housed = self
            .pump
            .house(House::Step, self.spdy.to_client(frames))
            .await?;
        Ok(self.to_client.say(housed).await?)
    }
}

/// The direction to the client.
struct Down<'p> {
    pump: &'p Pump,
    spdy: &'p Spdy,
    client: Wire,
    to_client: ClientOutlet<Wire>,
    to_cluster: UpstreamOutlet<Wire>,
    /// What has come of the status, which is told whole.
    status: Vec<u8>,
}

impl Down<'_> {
    async fn take(&mut self, frame: Frame) -> Result<(), End> {
        match frame {
            Frame::Reply { stream, fin } => self.reply(stream, fin).await,
            Frame::Data { stream, fin, bytes } => self.data(stream, fin, &bytes).await,
            Frame::Headers { stream, fin } => self.data(stream, fin, &[]).await,
            Frame::Reset { stream, status } => {
                let Some(role) = self.spdy.streams.lock().role_of(stream) else {
                    return Ok(());
                };
                self.end_of(&role).await?;
                self.spdy.streams.lock().remove(stream);
                self.say(self.spdy.to_client(reset(stream, status))).await
            }
            Frame::Ping(id) if id.is_multiple_of(2) => {
                let wire = self.spdy.to_cluster(ping(id), self.pump.key());
                let housed = self.pump.house(House::Step, wire).await?;
                Ok(self.to_cluster.say(housed).await?)
            }
            Frame::Ping(_) | Frame::Nothing => Ok(()),
            Frame::GoAway { last, status } => {
                self.rest().await?;
                let last = last.min(self.spdy.streams.lock().last());
                self.say(self.spdy.to_client(go_away(last, status))).await
            }
            Frame::Open { .. } => Err(broken(Blame::Upstream)),
        }
    }

    async fn reply(&mut self, stream: u32, fin: bool) -> Result<(), End> {
        let place = self.spdy.streams.lock().place(stream, false)?;
        if place == Place::Gone {
            return Ok(());
        }
        let mut writer = self.spdy.replies.lock().await;
        let frames = self.spdy.to_client(reply(&mut writer, stream, fin));
        let housed = self.pump.house(House::Step, frames).await?;
        let told = self.to_client.say(housed).await;
        drop(writer);
        told?;
        if fin {
            self.spdy.streams.lock().finish(stream, false);
        }
        Ok(())
    }

    async fn data(&mut self, stream: u32, fin: bool, bytes: &[u8]) -> Result<(), End> {
        let place = self.spdy.streams.lock().place(stream, false)?;
        let Place::Open(role) = place else {
            return Ok(());
        };
        if !bytes.is_empty() {
            match &role {
                Role::Channel(channel @ (Channel::Output | Channel::Errors)) => {
                    let client = &self.client;
                    self.pump.draw(client, *channel, bytes, Next::Open).await?;
                }
                Role::Channel(Channel::Status) => self.status(bytes).await?,
                Role::Data { .. } | Role::Trouble { .. } => self.unread(stream, bytes).await?,
                Role::Channel(_) => return Err(broken(Blame::Upstream)),
            }
        }
        if fin {
            self.end_of(&role).await?;
            self.spdy.streams.lock().finish(stream, false);
            self.say(self.spdy.to_client(data(stream, &[], true)))
                .await?;
        }
        Ok(())
    }

    async fn unread(&mut self, stream: u32, bytes: &[u8]) -> Result<(), End> {
        let outgoing = vec![Outgoing::Unread {
            stream: FORWARD,
            wire: self.spdy.to_client(data(stream, bytes, false)),
        }];
        let mut gate = self.pump.gate.lock().await;
        let release = gate.release(outgoing, self.pump.now()).await?;
        drop(gate);
        Ok(self.to_client.release(release).await?)
    }

    /// A status may come in parts; what was written before it is shown before it.
    async fn status(&mut self, bytes: &[u8]) -> Result<(), End> {
        if self.status.len() + bytes.len() > limits::SPDY_HEADERS_BYTES_MAX {
            return Err(broken(Blame::Upstream));
        }
        self.status.extend_from_slice(bytes);
        match serde_json::from_slice::<serde::de::IgnoredAny>(&self.status) {
            Ok(_) => self.told().await,
            Err(_) => Ok(()),
        }
    }

    async fn told(&mut self) -> Result<(), End> {
        let status = std::mem::take(&mut self.status);
        if status.is_empty() {
            return Ok(());
        }
        self.pump.settle(&self.client, Next::End).await?;
        self.pump.status(&self.client, &status).await
    }

    /// What is held of a stream that ends.
    async fn end_of(&mut self, role: &Role) -> Result<(), End> {
        match role {
            Role::Channel(channel @ (Channel::Output | Channel::Errors)) => {
                let client = &self.client;
                self.pump.draw(client, *channel, &[], Next::End).await
            }
            Role::Channel(Channel::Status) => self.told().await,
            _ => Ok(()),
        }
    }

    /// What is held of all of them.
    async fn rest(&mut self) -> Result<(), End> {
        self.pump.settle(&self.client, Next::End).await?;
        self.told().await
    }

    async fn say(&mut self, wire: Bytes) -> Result<(), End> {
        let housed = self.pump.house(House::Step, wire).await?;
        Ok(self.to_client.say(housed).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call;
    use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
    use hyper::{HeaderMap, Method};

    #[test]
    fn no_stream_is_opened_that_the_request_has_not_named() {
        let asked = |query: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
            let target = format!("/api/v1/namespaces/shop/pods/cart-0/{query}");
            let call = call::read(&Method::POST, &target, &headers).expect("reads");
            let opens = |channel| is_asked(&call.call, &Role::Channel(channel));
            assert!(opens(Channel::Output) && opens(Channel::Errors) && opens(Channel::Status));
            (opens(Channel::Input), opens(Channel::Resize))
        };
        assert_eq!(asked("exec?command=id&stdout=true"), (false, false));
        assert_eq!(asked("exec?command=id&stdin=false&tty=true"), (false, true));
        assert_eq!(asked("attach?stdin=true"), (true, false));
        assert_eq!(asked("exec?command=sh&stdin=true&tty=true"), (true, true));
    }
}
