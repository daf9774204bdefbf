//! From the client to the host: recorded, then sent. What is typed at a terminal is recorded by its length, since a
//! password may be among it; the keys themselves follow once their echo was seen.

use super::{Ended, Stream};
use crate::inbox::Event;
use bytes::Bytes;
use portcullis_gate::{Permit, Reader};
use portcullis_model::message::{Body, Message};
use std::sync::Arc;

impl Stream {
    /// Until the client has no more to send.
    pub(super) async fn up(&self) -> Result<(), Ended> {
        while let Some(event) = self.inbox.next().await {
            match event {
                Event::Data(bytes) => match &self.followed {
                    Some(followed) => self.keys(followed, bytes).await?,
                    None => {
                        let permit = self.permitted(self.input(bytes.clone())).await?;
                        let side = &self.host()?.side;
                        side.send_telling(permit, |count| self.inbox.took(count))
                            .await?;
                        self.typed(&bytes).await?;
                    }
                },
                Event::Eof => {
                    let permit = self.eof_permit().await?;
                    self.host()?.side.eof(permit).await?;
                }
                Event::Resize(size) => {
                    if let Some(followed) = &self.followed {
                        followed.resizes(size.columns, size.rows);
                    }
                    let name = format!("{}x{}", size.columns, size.rows);
                    let permit = self.permitted(named("resize", &name)).await?;
                    self.host()?.side.resize(permit, size).await?;
                }
                Event::Signal(signal) => {
                    let name = format!("{signal:?}");
                    let permit = self.permitted(named("signal", &name)).await?;
                    self.host()?.side.signal(permit, signal).await?;
                }
                Event::Start(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn input(&self, bytes: Bytes) -> Message {
        let body = match (self.unread, self.reader) {
            (Some(stream), _) => Body::Opaque {
                stream,
                bytes: bytes.clone(),
            },
            (None, Reader::Terminal) => Body::Typed {
                bytes: bytes.clone(),
                shown: false,
            },
            (None, Reader::Program) => Body::Upload(bytes.clone()),
        };
        Message { body, wire: bytes }
    }

    pub(super) async fn eof_permit(&self) -> Result<Permit, Ended> {
        self.permitted(control("eof")).await
    }

    pub(super) async fn permitted(&self, message: Message) -> Result<Permit, Ended> {
        let allowed = self.allowed(message).await?;
        Ok(self.commit(vec![allowed]).await?)
    }
}

fn control(name: &'static str) -> Message {
    Message {
        body: Body::Control(name),
        wire: Bytes::new(),
    }
}

pub(super) fn named(control: &'static str, name: &str) -> Message {
    Message {
        body: Body::Named {
            control,
            name: Arc::from(name),
            rows: 0,
        },
        wire: Bytes::new(),
    }
}
