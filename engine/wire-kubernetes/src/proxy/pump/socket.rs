//! Streams over WebSocket: messages of channels, or of a port.
//!
//! Refuses what the frames and the channels refuse.

use super::super::exec::FORWARD;
use super::{End, Mode, Pump, READ_BYTES, Reading, Wire, resize};
use crate::stream::{Channel, Frames, From, Part, Said, Saying, frame};
use bytes::Bytes;
use portcullis_gate::{House, Next, Outgoing};
use portcullis_link::{ClientOutlet, UpstreamOutlet};
use portcullis_model::message::Body;
use tokio::io::AsyncReadExt as _;

impl Pump {
    /// From the client to the pod.
    pub(super) async fn upwards(
        &self,
        from: &mut Reading,
        client: Wire,
        cluster: Wire,
    ) -> Result<(), End> {
        let mut frames = Frames::new(From::Client);
        let mut to_cluster = UpstreamOutlet::new(cluster);
        let mut to_client = ClientOutlet::new(client);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            while let Some(said) = frames.next()? {
                match said {
                    Said::Message { text, bytes } => {
                        self.send(&mut to_cluster, text, bytes).await?
                    }
                    Said::Ping(bytes) => {
                        let pong = frame(Saying::Pong(&bytes), None);
                        let housed = self.house(House::Step, pong).await?;
                        to_client.say(housed).await?;
                    }
                    Said::Pong => {}
                    Said::Close(close) => {
                        let wire = frame(Saying::Close(close.code), Some(self.key()));
                        let housed = self.house(House::Terminate, wire).await?;
                        return Ok(to_cluster.say(housed).await?);
                    }
                }
            }
            match from.read(&mut buffer).await? {
                0 => return Ok(()),
                count => frames.push(buffer.get(..count).unwrap_or_default()),
            }
        }
    }

    /// One message towards the pod: recorded, then sent.
    async fn send(
        &self,
        to_cluster: &mut UpstreamOutlet<Wire>,
        text: bool,
        bytes: Bytes,
    ) -> Result<(), End> {
        let saying = match text {
            true => Saying::Text(&bytes),
            false => Saying::Binary(&bytes),
        };
        let wire = frame(saying, Some(self.key()));
        let body = match &self.mode {
            Mode::Forward | Mode::Spdy(_) => Body::Opaque {
                stream: FORWARD,
                bytes,
            },
            Mode::Channels(protocol) => match protocol.part(&bytes, true)? {
                Part::Bytes(Channel::Input, bytes) => self.input(bytes),
                Part::Bytes(_, size) => resize(&size)?,
                Part::End(_) => Body::Control("end of input"),
            },
        };
        let permit = self.permit(body, wire).await?;
        Ok(to_cluster.permit(permit).await?)
    }

    /// From the pod to the client.
    pub(super) async fn downwards(
        &self,
        from: &mut Reading,
        client: Wire,
        cluster: Wire,
    ) -> Result<(), End> {
        let mut frames = Frames::new(From::Server);
        let mut to_cluster = UpstreamOutlet::new(cluster);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            while let Some(said) = frames.next()? {
                match said {
                    Said::Message { text, bytes } => self.show(&client, text, bytes).await?,
                    Said::Ping(bytes) => {
                        let pong = frame(Saying::Pong(&bytes), Some(self.key()));
                        let housed = self.house(House::Step, pong).await?;
                        to_cluster.say(housed).await?;
                    }
                    Said::Pong => {}
                    Said::Close(close) => {
                        self.settle(&client, Next::End).await?;
                        let wire = frame(Saying::Close(close.code), None);
                        let housed = self.house(House::Step, wire).await?;
                        return Ok(ClientOutlet::new(client).say(housed).await?);
                    }
                }
            }
            match self.read(from, &mut buffer, &client).await? {
                0 => return self.settle(&client, Next::End).await,
                count => frames.push(buffer.get(..count).unwrap_or_default()),
            }
        }
    }

    /// One message towards the client.
    async fn show(&self, client: &Wire, text: bool, bytes: Bytes) -> Result<(), End> {
        let Mode::Channels(protocol) = &self.mode else {
            let saying = match text {
                true => Saying::Text(&bytes),
                false => Saying::Binary(&bytes),
            };
            let outgoing = vec![Outgoing::Unread {
                stream: FORWARD,
                wire: frame(saying, None),
            }];
            let release = self.gate.lock().await.release(outgoing, self.now()).await?;
            return Ok(ClientOutlet::new(client.clone()).release(release).await?);
        };
        match protocol.part(&bytes, false)? {
            Part::Bytes(Channel::Status, status) => {
                self.settle(client, Next::End).await?;
                self.status(client, &status).await
            }
            Part::Bytes(channel, bytes) => self.draw(client, channel, &bytes, Next::Open).await,
            Part::End(channel) => {
                if matches!(channel, Channel::Output | Channel::Errors) {
                    self.draw(client, channel, &[], Next::End).await?;
                }
                let wire = frame(Saying::Binary(&bytes), None);
                let housed = self.house(House::Step, wire).await?;
                Ok(ClientOutlet::new(client.clone()).say(housed).await?)
            }
        }
    }
}
