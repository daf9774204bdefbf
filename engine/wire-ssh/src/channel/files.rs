//! SFTP on a channel: each operation is judged like a command, the bodies of files pass unread where policy lets them,
//! and each file that was open is on record with its hash. One loop keeps both sides in step; what goes to the host goes
//! through a queue, so that a host that does not read does not keep its own answers from being read.

use super::{Ended, Stream};
use crate::inbox::Event as Came;
use crate::sftp::{Event, FileReport, Inspector, Judged, Resolve};
use crate::sides::{Exit, STDERR};
use bytes::Bytes;
use portcullis_gate::{House, Housed, Lane, Next, Outgoing, Permit, Unreleased};
use portcullis_model::message::{Body, Command, Message, ShellCommand, Stage, Subject};
use portcullis_model::{Blame, Denial, Fault, FileOperation, Side};
use russh::{ChannelMsg, ChannelReadHalf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The word by which policy lets bodies pass.
const NAME: &str = "sftp";
/// Packets for the host that wait for its window.
const GOING_MAX: usize = 64;

/// Something for the host.
enum Going {
    Permit(Permit),
    Said(Housed),
    Eof(Permit),
}

impl Stream {
    /// Until the host closes the channel.
    pub(super) async fn files(&self, read: &mut ChannelReadHalf) -> Result<Exit, Ended> {
        let mut inspector = Inspector::new(Resolve::Links);
        let (queue, going) = mpsc::channel(GOING_MAX);
        let ended = {
            let (sending, talking) = (self.send_all(going), self.talk(&mut inspector, read, queue));
            tokio::pin!(sending, talking);
            let mut open = true;
            loop {
                tokio::select! {
                    ended = &mut talking => break ended,
                    sent = &mut sending, if open => match sent {
                        Ok(()) => open = false,
                        Err(fault) => break Err(fault.into()),
                    },
                }
            }
        };
        for report in inspector.finish() {
            self.note_file(&report).await?;
        }
        ended
    }

    async fn send_all(&self, mut going: mpsc::Receiver<Going>) -> Result<(), Fault> {
        while let Some(going) = going.recv().await {
            let side = &self.host()?.side;
            match going {
                Going::Permit(permit) => side.send(permit).await?,
                Going::Said(housed) => side.say(housed).await?,
                Going::Eof(permit) => side.eof(permit).await?,
            }
        }
        Ok(())
    }

    async fn talk(
        &self,
        inspector: &mut Inspector,
        read: &mut ChannelReadHalf,
        queue: mpsc::Sender<Going>,
    ) -> Result<Exit, Ended> {
        let mut exit = Exit::Nothing;
        let mut uploading = true;
        loop {
            let from_client = uploading && inspector.wants(Side::Client);
            let from_host = inspector.wants(Side::Upstream);
            tokio::select! {
                came = self.inbox.next(), if from_client => match came {
                    Some(Came::Data(bytes)) => inspector.feed(Side::Client, &bytes)?,
                    Some(Came::Eof) => {
                        uploading = false;
                        let permit = self.eof_permit().await?;
                        put(&queue, Going::Eof(permit)).await?;
                    }
                    Some(_) => {}
                    None => uploading = false,
                },
                message = read.wait(), if from_host => match message {
                    Some(ChannelMsg::Data { data }) => inspector.feed(Side::Upstream, &data)?,
                    Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => {
                        self.show(Lane::Diagnostic, &data, Next::Open).await?;
                    }
                    Some(ChannelMsg::ExitStatus { exit_status }) => exit = Exit::Status(exit_status),
                    Some(ChannelMsg::Failure) => return Err(Ended::HostRefused),
                    Some(ChannelMsg::Close) | None => {
                        self.show(Lane::Diagnostic, b"", Next::End).await?;
                        return Ok(exit);
                    }
                    Some(_) => {}
                },
                else => return Err(Fault::bare(Blame::Client, "keep an SFTP stream in step").into()),
            }
            while let Some(event) = inspector.next_event()? {
                self.happened(event, inspector, &queue).await?;
            }
        }
    }

    async fn happened(
        &self,
        event: Event,
        inspector: &mut Inspector,
        queue: &mpsc::Sender<Going>,
    ) -> Result<(), Ended> {
        match event {
            Event::Forward {
                to: Side::Upstream,
                wire,
                ..
            } => {
                let body = Body::Opaque {
                    stream: NAME,
                    bytes: wire.clone(),
                };
                let permit = self.permitted(Message { body, wire }).await?;
                put(queue, Going::Permit(permit)).await
            }
            Event::Forward {
                to: Side::Client,
                wire,
                ..
            } => self.show_packet(wire).await,
            Event::Ask(wire) => {
                let housed = {
                    let mut gate = self.gate.lock().await;
                    gate.house(House::Probe, wire, self.now())?
                };
                put(queue, Going::Said(housed)).await
            }
            Event::Judge(judged) => self.judge_file(judged, inspector, queue).await,
            Event::Refuse { wire, why } => {
                let denial = Denial::new("ssh/sftp", why);
                let refusal = {
                    let mut gate = self.gate.lock().await;
                    gate.reject_session(&denial, self.now(), |_, _| vec![wire])?
                };
                Ok(self.client.refuse(Lane::Output, refusal).await?)
            }
            Event::Closed(report) => Ok(self.note_file(&report).await?),
        }
    }

    /// Everything that a request does has to be allowed.
    async fn judge_file(
        &self,
        judged: Judged,
        inspector: &mut Inspector,
        queue: &mpsc::Sender<Going>,
    ) -> Result<(), Ended> {
        let mut run = Vec::with_capacity(judged.operations().len());
        for (index, operation) in judged.operations().iter().enumerate() {
            // The packet goes once, with the first of what it does.
            let wire = match index {
                0 => judged.wire().clone(),
                _ => Bytes::new(),
            };
            match self.ruled(asked(operation, wire)?).await? {
                Ok(allowed) => run.push(allowed),
                Err(denied) => {
                    let denial = denied.denial();
                    let why = format!("portcullis: {} ({})", denial.reason, denial.rule);
                    let wire = inspector.refuse(judged, &why)?;
                    let refusal = {
                        let mut gate = self.gate.lock().await;
                        gate.reject(denied, self.now(), |_, _| vec![wire])?
                    };
                    return Ok(self.client.refuse(Lane::Output, refusal).await?);
                }
            }
        }
        let permit = {
            let mut gate = self.gate.lock().await;
            gate.commit(run, &self.context, self.now()).await?
        };
        inspector.allow(judged)?;
        put(queue, Going::Permit(permit)).await
    }

    async fn show_packet(&self, wire: Bytes) -> Result<(), Ended> {
        let released = {
            let mut gate = self.gate.lock().await;
            let part = Outgoing::Unread { stream: NAME, wire };
            gate.release(vec![part], self.now()).await
        };
        match released {
            Ok(release) => Ok(self.client.release(Lane::Output, release).await?),
            Err(Unreleased::Budget(denial)) => Err(self.deny(&denial).await?),
            Err(Unreleased::Fault(fault)) => Err(fault.into()),
        }
    }

    async fn note_file(&self, report: &FileReport) -> Result<(), Fault> {
        let detail = serde_json::json!({"stream": NAME, "file": report});
        self.gate.lock().await.note_unread(&detail, self.now())
    }
}

async fn put(queue: &mpsc::Sender<Going>, going: Going) -> Result<(), Ended> {
    let lost = |_| Ended::Broken(Fault::bare(Blame::Upstream, "take what was sent"));
    queue.send(going).await.map_err(lost)
}

/// One operation, as classifiers and policies read it.
fn asked(operation: &FileOperation, wire: Bytes) -> Result<Message, Fault> {
    let text = serde_json::to_string(operation)
        .map_err(|e| Fault::new(Blame::Gateway, "write down an operation", e))?;
    let paths: Vec<String> = operation
        .path
        .iter()
        .chain(&operation.target)
        .cloned()
        .collect();
    let mut argv = vec![operation.operation.clone()];
    argv.extend(paths.iter().cloned());
    let shell = ShellCommand {
        mode: NAME,
        argv,
        paths,
        ..ShellCommand::default()
    };
    Ok(Message {
        body: Body::Command(Command {
            text: Arc::from(text.replace('\0', "\u{fffd}")),
            stage: Stage::Sftp,
            subject: Subject::Shell(shell),
            known: None,
            secrets: Vec::new(),
            bound: Bytes::new(),
        }),
        wire,
    })
}
