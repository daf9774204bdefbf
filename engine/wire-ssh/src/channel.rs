//! One channel: what it asks for is judged, held where people have to be asked, and only then an upstream channel is
//! opened for it; then bytes go both ways until one side has done. Two halves run beside each other, so that a client
//! that does not read does not keep what it sends from going up; they share the gate, which each asks for a moment.
//!
//! It refuses to leave anything running: whoever goes first takes the other side along.

mod ask;
mod back;
mod down;
mod files;
mod forward;
mod lines;
mod parting;
mod pipe;
mod remote;
mod socket;
mod typed;
mod up;

pub(crate) use back::lead_back;
pub(crate) use pipe::pipe;
pub(crate) use remote::RemoteForward;

use crate::back::{Doorway, To, Way};
use crate::conversation::{Conversation, Entered};
use crate::inbox::{Event, Inbox};
use crate::refuse::{self, REFUSED};
use crate::sftp::Inspector;
use crate::sides::{ClientSide, Exit, HostSide};
use crate::start::{Draft, Start};
use crate::upline::{Opening, Unopened, Upline};
use portcullis_gate::{Gate, Lane, Reader, Refusal, SshBack, SshErrand};
use portcullis_model::message::Context;
use portcullis_model::{Blame, Decision, Denial, Fault, Timestamp};
use portcullis_stream::terminal::Typing;
use russh::ChannelReadHalf;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{Mutex, OnceCell};
use tokio_util::task::TaskTracker;

/// A channel as the connection's callbacks know it.
pub(crate) struct Line {
    pub inbox: Arc<Inbox>,
    pub draft: Draft,
    /// A host has opened it.
    pub back: bool,
}

/// A channel before it has a gate.
pub(crate) struct Talk {
    conversation: Arc<Conversation>,
    inbox: Arc<Inbox>,
    client: ClientSide,
}

/// A channel with a gate of its own.
struct Stream {
    conversation: Arc<Conversation>,
    entered: Arc<Entered>,
    inbox: Arc<Inbox>,
    client: ClientSide,
    gate: Mutex<Gate>,
    /// The state its command runs in.
    context: Context,
    reader: Reader,
    /// The name of what passes unread, where it does.
    unread: Option<&'static str>,
    decision: OnceCell<Arc<Decision>>,
    host: OnceCell<Host>,
    /// The reader of SFTP, where that is spoken.
    inspector: Mutex<Option<Inspector>>,
    /// Keys whose echo has not been seen.
    typing: parking_lot::Mutex<Typing>,
    /// On the level `assist`, the lines that are typed.
    followed: Option<lines::Followed>,
}

/// The upstream channel, and the connection that it has for itself; what a host opens stands on somebody else's.
struct Host {
    side: HostSide,
    line: Option<Upline>,
}

/// How a channel ends.
enum Ended {
    /// The command has ended.
    Done(Exit),
    /// It was refused, and that is recorded.
    Refused(Refusal),
    /// The host would not start it.
    HostRefused,
    /// The client has closed it, or is gone.
    ClientGone,
    /// A forward has, other than by itself: its client was told that it ends, and this is what the record says.
    Cut(Value),
    /// The client sends more than can be kept for its host.
    Overrun,
    /// The admission has lost its ground.
    Severed(Denial),
    /// Something broke.
    Broken(Fault),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
}

impl Talk {
    pub(crate) fn new(
        conversation: &Arc<Conversation>,
        inbox: &Arc<Inbox>,
        client: ClientSide,
    ) -> Self {
        Self {
            conversation: Arc::clone(conversation),
            inbox: Arc::clone(inbox),
            client,
        }
    }

    /// The whole life of a channel for a session. Its place is free afterwards: russh tells nobody of a client that closes
    /// what is closed already, and a connection may have any number of commands one after the other.
    pub(crate) async fn run(self) {
        let inbox = Arc::clone(&self.inbox);
        self.lived().await;
        inbox.close();
    }

    async fn lived(self) {
        let over = Arc::clone(&self.conversation);
        let inbox = Arc::clone(&self.inbox);
        let end = self.client.end();
        let begun = tokio::select! {
            begun = self.begin() => begun,
            () = over.over() => return,
            () = inbox.closed() => {
                if inbox.is_overrun() {
                    end.close().await;
                }
                return;
            }
        };
        if let Some((stream, start)) = begun {
            stream.live(&start).await;
        }
    }

    /// Waits for what it is for, and for admission.
    async fn begin(self) -> Option<(Stream, Start)> {
        let start = loop {
            match self.inbox.next().await? {
                Event::Start(start) => break *start,
                // Nothing reads yet; what is typed ahead of a command belongs to none.
                Event::Data(_) | Event::Eof | Event::Resize(_) | Event::Signal(_) => {}
            }
        };
        let entered = self.settled().await?;
        // What was refused before there was a channel to say it on.
        for refusal in self.conversation.back.untold() {
            let _told = self.client.refuse(Lane::Diagnostic, refusal).await;
        }
        let unread = start.unread();
        let reader = match (unread, &start.terminal) {
            (None, Some(_)) => Reader::Terminal,
            _ => Reader::Program,
        };
        let mut context = Context::new();
        for (name, value) in &start.environment {
            let name = format!("env.{name}");
            context.settings.insert(name, Some(value.clone()));
        }
        if let Some(ticket) = &start.ticket {
            let name = portcullis_model::session::TICKET_SETTING;
            context
                .settings
                .insert(name.to_owned(), Some(ticket.clone()));
        }
        let told = start.told();
        let mut stream = self.opened(entered, &told, context, reader, unread).await?;
        let terminal = start.terminal.as_ref();
        let terminal = terminal.filter(|_| reader == Reader::Terminal);
        let size = terminal.map(|t| (t.size.columns, t.size.rows));
        stream.followed = lines::Followed::new(stream.entered.control, size);
        Some((stream, start))
    }

    /// Waits for admission, saying so; whoever is not admitted reads why.
    async fn settled(&self) -> Option<Arc<Entered>> {
        match self.conversation.settled(Some(&self.client)).await {
            Ok(entered) => Some(entered),
            Err(parting) => {
                self.client.tell(parting.text.clone()).await;
                self.client.exit(&Exit::Status(parting.status)).await;
                self.client.eof().await;
                self.client.close().await;
                None
            }
        }
    }

    async fn opened(
        self,
        entered: Arc<Entered>,
        what: &serde_json::Value,
        context: Context,
        reader: Reader,
        unread: Option<&'static str>,
    ) -> Option<Stream> {
        let now = (self.conversation.clock)();
        let gate = match entered.gates.open(what, now).await {
            Ok(gate) => gate,
            Err(fault) => {
                tracing::error!(fault = fault.chain(), "a channel could not be opened");
                let denial = parting::fault_denial(&fault);
                let text = refuse::text(&denial, Some(entered.session), None);
                self.client.tell(text).await;
                self.client.exit(&Exit::Status(REFUSED)).await;
                self.client.close().await;
                return None;
            }
        };
        Some(Stream {
            conversation: self.conversation,
            entered,
            inbox: self.inbox,
            client: self.client,
            gate: Mutex::new(gate),
            context,
            reader,
            unread,
            decision: OnceCell::new(),
            host: OnceCell::new(),
            inspector: Mutex::new(None),
            typing: parking_lot::Mutex::new(Typing::new()),
            followed: None,
        })
    }
}

impl Stream {
    fn now(&self) -> Timestamp {
        (self.conversation.clock)()
    }

    /// Until whoever ends it first.
    async fn live(self, start: &Start) {
        let ended = tokio::select! {
            biased;
            () = self.inbox.closed() => self.shut(),
            () = self.conversation.over() => Ended::ClientGone,
            denial = self.entered.tether.severed() => Ended::Severed(denial),
            ended = self.serve(start) => match ended {
                Ok(exit) => Ended::Done(exit),
                Err(ended) => ended,
            },
        };
        self.entered.tether.doing("");
        self.part(ended).await;
    }

    /// Why nothing more comes from the client.
    fn shut(&self) -> Ended {
        match self.inbox.is_overrun() {
            true => Ended::Overrun,
            false => Ended::ClientGone,
        }
    }

    async fn serve(&self, start: &Start) -> Result<Exit, Ended> {
        let (permit, ways) = self.ask(start).await?;
        let back = back(&ways);
        let command = start.forced(self.entered.control);
        let errand = match &command {
            Some(command) => Some(SshErrand::Command(command)),
            None => back.any().then_some(SshErrand::Back(back)),
        };
        let mut read = self.dial(Opening::Session, errand).await?;
        let host = self.host()?;
        if let Some(line) = host.line.as_ref().filter(|_| back.any()) {
            line.door.open(self.doorway(ways));
        }
        host.side.start(permit, start, back).await?;
        match self.unread {
            Some("sftp") => self.files(&mut read).await,
            _ => self.both(&mut read).await,
        }
    }

    /// Bytes both ways, until the host has no more.
    async fn both(&self, read: &mut ChannelReadHalf) -> Result<Exit, Ended> {
        let (up, down) = (self.up(), self.down(read));
        tokio::pin!(up, down);
        let mut sending = true;
        loop {
            tokio::select! {
                ended = &mut down => return ended,
                sent = &mut up, if sending => {
                    sent?;
                    sending = false;
                }
            }
        }
    }

    /// An upstream connection for this channel alone, and what is opened on it.
    /// Where an errand has a login of its own, this is what it is for.
    async fn dial(
        &self,
        opening: Opening<'_>,
        errand: Option<SshErrand<'_>>,
    ) -> Result<ChannelReadHalf, Ended> {
        if !matches!(opening, Opening::Session) {
            self.inbox.lasts();
        }
        loop {
            let (line, kept) = {
                let mut gate = self.gate.lock().await;
                self.entered.uplines.take(&mut gate, errand).await?
            };
            match line.open(opening).await {
                Ok(channel) => {
                    let (read, write) = channel.split();
                    let side = HostSide::new(write);
                    let _first = self.host.set(Host {
                        side,
                        line: Some(line),
                    });
                    return Ok(read);
                }
                Err(Unopened::Refused(fault)) => {
                    self.entered.uplines.give_back(line);
                    return Err(fault.into());
                }
                // One that was kept may have died meanwhile: nothing was sent on it.
                Err(Unopened::Lost(_)) if kept => {}
                Err(Unopened::Lost(fault)) => return Err(fault.into()),
            }
        }
    }

    /// What the host may open beside this channel.
    fn doorway(&self, ways: Vec<Way>) -> Arc<Doorway> {
        Arc::new(Doorway {
            conversation: Arc::clone(&self.conversation),
            entered: Arc::clone(&self.entered),
            handle: self.client.handle(),
            share: self.inbox.share(),
            ways,
            tasks: TaskTracker::new(),
        })
    }

    fn host(&self) -> Result<&Host, Fault> {
        self.host
            .get()
            .ok_or_else(|| Fault::bare(Blame::Gateway, "find the host of a channel"))
    }
}

/// What leads back, for the host.
fn back(ways: &[Way]) -> SshBack {
    SshBack {
        agent: ways.iter().any(|way| matches!(way.to, To::Agent)),
        x11: ways.iter().any(|way| matches!(way.to, To::Display)),
    }
}
