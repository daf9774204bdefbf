//! SFTP on a channel: each operation is judged like a command, the bodies of files pass unread where policy lets them,
//! and each file that was open is on record with its hash. One loop keeps both sides in step; what goes to the host goes
//! through a queue on which the loop never waits: a host that is not read from does not read either. When much is queued,
//! no more is taken from the client, so the queue has the inspector's bounds.

use super::{Ended, Stream};
use crate::inbox::Event as Came;
use crate::sftp::seams::Seams;
use crate::sftp::{Event, FileReport, Inspector, Judged, Resolve};
use crate::sides::{Exit, STDERR};
use bytes::Bytes;
use portcullis_gate::{House, Housed, Lane, Next, Outgoing, Permit, Unreleased};
use portcullis_model::message::{Body, Command, Message, ShellCommand, Stage, Subject};
use portcullis_model::{Blame, Denial, Fault, FileOperation, Side, escape_line};
use russh::{ChannelMsg, ChannelReadHalf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Notify, mpsc};

/// The word by which policy lets bodies pass.
const NAME: &str = "sftp";
/// With so many packets for the host on their way, no more of the client's are taken.
const GOING_MAX: usize = 64;
/// So many refusals are told on standard error too: clients show that, and few show what a status says.
const NOTICES_MAX: usize = 64;

/// Something for the host.
enum Going {
    Permit(Permit),
    Said(Housed),
    Eof(Permit),
}

/// What is on its way to the host, in order.
struct Queue {
    send: mpsc::UnboundedSender<Going>,
    way: Arc<Under>,
}

/// How much is on its way.
#[derive(Default)]
struct Under {
    count: AtomicUsize,
    fewer: Notify,
}

impl Under {
    fn arrived(&self) {
        if self.count.fetch_sub(1, Ordering::Relaxed) <= GOING_MAX {
            self.fewer.notify_one();
        }
    }
}

impl Queue {
    fn put(&self, going: Going) -> Result<(), Ended> {
        self.way.count.fetch_add(1, Ordering::Relaxed);
        let lost = |_| Ended::Broken(Fault::bare(Blame::Upstream, "take what was sent"));
        self.send.send(going).map_err(lost)
    }

    fn has_room(&self) -> bool {
        self.way.count.load(Ordering::Relaxed) < GOING_MAX
    }

    /// Resolves when there may be room again.
    async fn fewer(&self) {
        self.way.fewer.notified().await;
    }
}

/// Where pieces of files meet, in each direction.
struct BothSeams {
    up: Seams,
    down: Seams,
}

/// How far the client is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uploading {
    Yes,
    /// It has sent all; some of it may still wait to be judged.
    Ended,
    /// And the host knows.
    Told,
}

impl Stream {
    /// Until the host closes the channel.
    pub(super) async fn files(&self, read: &mut ChannelReadHalf) -> Result<Exit, Ended> {
        let mut slot = self.inspector.lock().await;
        let inspector = slot.insert(Inspector::new(Resolve::Links));
        let (send, going) = mpsc::unbounded_channel();
        let way = Arc::new(Under::default());
        let queue = Queue {
            send,
            way: Arc::clone(&way),
        };
        let sending = self.send_all(going, &way);
        let talking = self.talk(inspector, read, queue);
        tokio::pin!(sending, talking);
        let mut open = true;
        loop {
            tokio::select! {
                ended = &mut talking => return ended,
                sent = &mut sending, if open => match sent {
                    Ok(()) => open = false,
                    Err(fault) => return Err(fault.into()),
                },
            }
        }
    }

    /// However the channel ended: what became of the files that were open is on record.
    pub(super) async fn note_open_files(&self) {
        let reports = match self.inspector.lock().await.as_mut() {
            Some(inspector) => inspector.finish(),
            None => return,
        };
        for report in reports {
            if let Err(fault) = self.note_file(&report).await {
                tracing::error!(fault = fault.chain(), "a file's end is not on record");
            }
        }
    }

    async fn send_all(
        &self,
        mut going: mpsc::UnboundedReceiver<Going>,
        way: &Under,
    ) -> Result<(), Fault> {
        while let Some(going) = going.recv().await {
            let side = &self.host()?.side;
            match going {
                Going::Permit(permit) => side.send(permit).await?,
                Going::Said(housed) => side.say(housed).await?,
                Going::Eof(permit) => side.eof(permit).await?,
            }
            way.arrived();
        }
        Ok(())
    }

    async fn talk(
        &self,
        inspector: &mut Inspector,
        read: &mut ChannelReadHalf,
        queue: Queue,
    ) -> Result<Exit, Ended> {
        let mut exit = Exit::Nothing;
        let (mut uploading, mut notices) = (Uploading::Yes, NOTICES_MAX);
        let reach = self.gate.lock().await.reach();
        let mut seams = BothSeams {
            up: Seams::new(reach),
            down: Seams::new(reach),
        };
        loop {
            while let Some(event) = inspector.next_event()? {
                let told = (&mut notices, &mut seams);
                self.happened(event, inspector, &queue, told).await?;
            }
            if uploading == Uploading::Ended && inspector.rests() {
                queue.put(Going::Eof(self.eof_permit().await?))?;
                uploading = Uploading::Told;
            }
            let takes = uploading == Uploading::Yes && inspector.wants(Side::Client);
            let from_client = takes && queue.has_room();
            let from_host = inspector.wants(Side::Upstream);
            tokio::select! {
                came = self.inbox.next(), if from_client => match came {
                    Some(Came::Data(bytes)) => inspector.feed(Side::Client, &bytes)?,
                    Some(Came::Eof) | None => uploading = Uploading::Ended,
                    Some(_) => {}
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
                () = queue.fewer(), if takes && !from_client => {}
                else => return Err(Fault::bare(Blame::Client, "keep an SFTP stream in step").into()),
            }
        }
    }

    async fn happened(
        &self,
        event: Event,
        inspector: &mut Inspector,
        queue: &Queue,
        (notices, seams): (&mut usize, &mut BothSeams),
    ) -> Result<(), Ended> {
        match event {
            Event::Forward {
                to: Side::Upstream,
                wire,
                body: piece,
            } => {
                // Whoever writes it knows it: that it leaked is on record, and the write goes on.
                let joined = piece.map(|p| seams.up.piece(p.file, p.offset, &p.data));
                if let Some(joined) = joined.filter(|joined| !joined.is_empty()) {
                    let mut gate = self.gate.lock().await;
                    gate.note_joined(&joined, self.now())?;
                }
                let body = Body::Opaque {
                    stream: NAME,
                    bytes: wire.clone(),
                };
                let permit = self.permitted(Message { body, wire }).await?;
                queue.put(Going::Permit(permit))
            }
            Event::Forward {
                to: Side::Client,
                wire,
                body,
            } => {
                let joined = body.map(|p| seams.down.piece(p.file, p.offset, &p.data));
                if let Some(joined) = joined.filter(|joined| !joined.is_empty()) {
                    let mut gate = self.gate.lock().await;
                    gate.watch_unread(&joined, self.now())?;
                }
                self.show_packet(wire).await
            }
            Event::Ask(wire) => {
                let housed = {
                    let mut gate = self.gate.lock().await;
                    gate.house(House::Probe, wire, self.now())?
                };
                queue.put(Going::Said(housed))
            }
            Event::Judge(judged) => self.judge_file(judged, inspector, queue, notices).await,
            Event::Refuse { wire, why } => {
                let denial = Denial::new("ssh/sftp", why);
                let refusal = {
                    let mut gate = self.gate.lock().await;
                    gate.reject_session(&denial, self.now(), |_, _| vec![wire])?
                };
                Ok(self.client.refuse(Lane::Output, refusal).await?)
            }
            Event::Closed(report) => {
                seams.up.forget(report.file);
                seams.down.forget(report.file);
                Ok(self.note_file(&report).await?)
            }
        }
    }

    /// Everything that a request does has to be allowed.
    async fn judge_file(
        &self,
        judged: Judged,
        inspector: &mut Inspector,
        queue: &Queue,
        notices: &mut usize,
    ) -> Result<(), Ended> {
        let mut run = Vec::with_capacity(judged.operations().len() + 1);
        let bound = judged.bound();
        for operation in judged.operations() {
            match self.ruled(asked(operation, bound.clone())?).await? {
                Ok(allowed) => run.push(allowed),
                Err(denied) => {
                    let denial = denied.denial();
                    let (reason, rule) = (escape_line(&denial.reason), escape_line(&denial.rule));
                    let why = format!("refused: {reason} ({rule})");
                    let wire = inspector.refuse(judged, &format!("portcullis: {why}"))?;
                    let refusal = {
                        let mut gate = self.gate.lock().await;
                        gate.reject(denied, self.now(), |_, _| vec![wire])?
                    };
                    self.client.refuse(Lane::Output, refusal).await?;
                    if let Some(left) = notices.checked_sub(1) {
                        *notices = left;
                        self.notice(&why).await?;
                    }
                    return Ok(());
                }
            }
        }
        // The packet itself goes behind what was judged of it, in the same run.
        let wire = judged.wire().clone();
        let body = Body::Opaque {
            stream: NAME,
            bytes: wire.clone(),
        };
        run.push(self.allowed(Message { body, wire }).await?);
        let permit = self.commit(run).await?;
        inspector.allow(judged)?;
        queue.put(Going::Permit(permit))
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

/// One operation, as classifiers and policies read it. It has no bytes of its own: an approval holds for what is bound, and
/// the packet's number is not.
fn asked(operation: &FileOperation, bound: Bytes) -> Result<Message, Fault> {
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
        flags: operation.flags.clone(),
        ..ShellCommand::default()
    };
    Ok(Message {
        body: Body::Command(Command {
            text: Arc::from(text.replace('\0', "\u{fffd}")),
            stage: Stage::Sftp,
            subject: Subject::Shell(shell),
            known: None,
            secrets: Vec::new(),
            bound,
        }),
        wire: Bytes::new(),
    })
}
