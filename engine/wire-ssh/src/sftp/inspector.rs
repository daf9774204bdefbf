//! One SFTP stream: bytes of both sides in, events out, in an order that keeps both in step. Requests of the client
//! are taken one at a time; while one is judged, or the server is asked where its path leads, those behind it wait
//! unread, and answers of the server go on. Refuses to go on after a side has broken the protocol.

use super::files::{FileReport, Files, Opening, Serial};
use super::reply::{self, Reply, Said};
use super::request::{self, Answer, Opened, Request, What};
use super::resolve::{Resolve, Settled, Settling};
use super::wire::{self, Packet, code, kind};
use bytes::{Bytes, BytesMut};
use portcullis_model::{Blame, Fault, FileOperation, Side, limits};
use std::collections::{HashMap, VecDeque};

/// What comes of the bytes.
#[derive(Debug)]
pub enum Event {
    /// These bytes go on as they are.
    Forward {
        /// Who gets them.
        to: Side,
        /// One packet.
        wire: Bytes,
        /// The piece of a file in it, if there is one.
        body: Option<Body>,
    },
    /// To the server, from the gateway itself: where does a path lead? The client sees nothing of it.
    Ask(Bytes),
    /// To be judged; nothing of the client's moves before it was answered by [`Inspector::allow`] or
    /// [`Inspector::refuse`].
    Judge(Judged),
    /// To the client: the gateway has refused by itself.
    Refuse {
        /// `SSH_FXP_STATUS`.
        wire: Bytes,
        /// Why; for people and for the record.
        why: &'static str,
    },
    /// A file was closed.
    Closed(FileReport),
}

/// A piece of a file. It is in the packet already: for the tripwire and for counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Which opening of a file, as in its [`FileReport`].
    pub file: u64,
    /// Where in the file.
    pub offset: u64,
    /// The bytes.
    pub data: Bytes,
}

/// A request that waits for an answer. Dropped, it lets nothing pass any more.
#[derive(Debug)]
#[must_use]
pub struct Judged {
    id: u32,
    turn: u64,
    wire: Bytes,
    operations: Vec<FileOperation>,
    then: Then,
}

impl Judged {
    /// What has to be allowed, each of it: the operation by the path that was named, and by where that leads.
    #[must_use]
    pub fn operations(&self) -> &[FileOperation] {
        &self.operations
    }

    /// The exact bytes.
    #[must_use]
    pub fn wire(&self) -> &Bytes {
        &self.wire
    }

    /// What an approval is bound to besides the operations: the packet without its length and its number, and without the
    /// handle of a file, whose path is among the operations. The same request made again is the same.
    #[must_use]
    pub fn bound(&self) -> Bytes {
        let kind = self.wire.get(4..5).unwrap_or_default();
        let mut rest = self.wire.get(9..).unwrap_or_default();
        if kind == [kind::FSETSTAT]
            && let Some((length, after)) = rest.split_first_chunk::<4>()
        {
            let handle = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            rest = after.get(handle..).unwrap_or_default();
        }
        [kind, rest].concat().into()
    }

    /// The number of the request.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }
}

/// What is remembered about a request once it is allowed.
#[derive(Debug)]
enum Then {
    Answered(Answer),
    Opens(Opening),
    Alters { file: Serial, altered: bool },
    Copies { from: Serial, to: Serial },
}

/// A request that the server has not answered.
enum Waiting {
    Ours,
    Plain(Answer),
    Opening(Opening),
    Read {
        file: Serial,
        offset: u64,
        length: u32,
    },
    Write(Serial),
    Close(Serial),
    List(Serial),
    /// Something else about an open file, or about two.
    About(Answer, Serial, Option<Serial>),
    Limits,
}

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The client has to say hello.
    Start,
    /// The server has to.
    Greeted,
    /// Both have.
    Open,
}

/// Whose turn it is on the client's side.
enum Turn {
    Client,
    Server {
        id: u32,
        ours: u32,
        wire: Bytes,
        settling: Box<Settling>,
    },
    Judge,
}

/// One SFTP stream.
pub struct Inspector {
    resolve: Resolve,
    phase: Phase,
    client: BytesMut,
    server: BytesMut,
    ready: VecDeque<Event>,
    waiting: HashMap<u32, Waiting>,
    files: Files,
    turn: Turn,
    turns: u64,
    /// The server puts the arguments of a symlink in OpenSSH's order.
    openssh: bool,
}

fn client(doing: &'static str) -> Fault {
    Fault::bare(Blame::Client, doing)
}

fn server(doing: &'static str) -> Fault {
    Fault::bare(Blame::Upstream, doing)
}

const NO_HANDLE: &str = "portcullis: this handle is not open";
const NOT_FOR_THIS: &str = "portcullis: the file was not opened for this";
const TOO_MANY: &str = "portcullis: too many files are open on this stream; close some";
const LINK_ORDER: &str =
    "portcullis: this server does not say in which order it takes the two paths of a symbolic link";
const NOWHERE: &str = "portcullis: the host does not say where this path leads";
/// A symlink's arguments cannot be told apart; every server that speaks OpenSSH's extensions has its order.
const OPENSSH: &[u8] = b"@openssh.com";

impl Inspector {
    /// A stream that has just been opened.
    #[must_use]
    pub fn new(resolve: Resolve) -> Self {
        Self {
            resolve,
            phase: Phase::Start,
            client: BytesMut::new(),
            server: BytesMut::new(),
            ready: VecDeque::new(),
            waiting: HashMap::new(),
            files: Files::default(),
            turn: Turn::Client,
            turns: 0,
            openssh: false,
        }
    }

    /// Bytes of a side. Afterwards [`Inspector::next_event`] is called until it has nothing more.
    ///
    /// # Errors
    /// When more waits than may: ask [`Inspector::wants`] first.
    pub fn feed(&mut self, side: Side, bytes: &[u8]) -> Result<(), Fault> {
        let (buffer, fault) = match side {
            Side::Client => (
                &mut self.client,
                client("send SFTP faster than it is judged"),
            ),
            Side::Upstream => (&mut self.server, server("send SFTP faster than it is read")),
        };
        if buffer.len() + bytes.len() > limits::SFTP_WAITING_BYTES_MAX {
            return Err(fault);
        }
        buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// True while more of a side may be read: when it is not, the window closes and the peer waits.
    #[must_use]
    pub fn wants(&self, side: Side) -> bool {
        let buffer = match side {
            Side::Client => &self.client,
            Side::Upstream => &self.server,
        };
        buffer.len() <= limits::SFTP_PACKET_BYTES_MAX + 4
    }

    /// True when, after [`Inspector::next_event`] had nothing more, no request of the client waits.
    #[must_use]
    pub fn rests(&self) -> bool {
        matches!(self.turn, Turn::Client) && self.waiting.len() < limits::SFTP_REQUESTS_MAX
    }

    /// What comes next; `None` until more is fed or the open question is answered.
    ///
    /// # Errors
    /// When a side breaks the protocol: the stream then ends.
    pub fn next_event(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let packet = Packet::take(&mut self.server);
            let packet = packet.map_err(|_| server("frame an SFTP packet"))?;
            if let Some(packet) = packet {
                self.answer(packet)?;
                continue;
            }
            let may = matches!(self.turn, Turn::Client)
                && self.phase != Phase::Greeted
                && self.waiting.len() < limits::SFTP_REQUESTS_MAX;
            if !may {
                return Ok(None);
            }
            let packet = Packet::take(&mut self.client);
            match packet.map_err(|_| client("frame an SFTP packet"))? {
                Some(packet) => self.request(packet)?,
                None => return Ok(None),
            }
        }
    }

    /// It may pass: the bytes to write to the server.
    ///
    /// # Errors
    /// When it is no question of this stream.
    pub fn allow(&mut self, judged: Judged) -> Result<Bytes, Fault> {
        self.answered(&judged)?;
        let waiting = match judged.then {
            Then::Answered(answer) => Waiting::Plain(answer),
            Then::Opens(opening) => {
                self.files.opening += 1;
                Waiting::Opening(opening)
            }
            Then::Alters { file, altered } => {
                if let Some(open) = self.files.get(file) {
                    open.altered |= altered;
                }
                self.files.asked(file);
                Waiting::About(Answer::Status, file, None)
            }
            Then::Copies { from, to } => {
                if let Some(open) = self.files.get(to) {
                    open.altered = true;
                }
                self.files.asked(from);
                self.files.asked(to);
                Waiting::About(Answer::Status, from, Some(to))
            }
        };
        self.waiting.insert(judged.id, waiting);
        Ok(judged.wire)
    }

    /// It may not pass: the bytes to write to the client, which say why.
    ///
    /// # Errors
    /// When it is no question of this stream.
    pub fn refuse(&mut self, judged: Judged, why: &str) -> Result<Bytes, Fault> {
        self.answered(&judged)?;
        Ok(wire::status(judged.id, code::PERMISSION_DENIED, why))
    }

    /// The stream has ended: what was still open.
    #[must_use]
    pub fn finish(&mut self) -> Vec<FileReport> {
        self.files.finish()
    }

    fn answered(&mut self, judged: &Judged) -> Result<(), Fault> {
        if !matches!(self.turn, Turn::Judge) || judged.turn != self.turns {
            return Err(Fault::bare(
                Blame::Gateway,
                "answer another stream's question",
            ));
        }
        self.turn = Turn::Client;
        Ok(())
    }

    fn forward(&mut self, to: Side, wire: Bytes, body: Option<Body>) {
        self.ready.push_back(Event::Forward { to, wire, body });
    }

    fn turn_away(&mut self, id: u32, code: u32, why: &'static str) {
        let wire = wire::status(id, code, why);
        self.ready.push_back(Event::Refuse { wire, why });
    }

    fn judge(&mut self, id: u32, wire: Bytes, operations: Vec<FileOperation>, then: Then) {
        self.turns += 1;
        self.turn = Turn::Judge;
        self.ready.push_back(Event::Judge(Judged {
            id,
            turn: self.turns,
            wire,
            operations,
            then,
        }));
    }
}

/// The client's side.
impl Inspector {
    fn request(&mut self, packet: Packet) -> Result<(), Fault> {
        match (self.phase, packet.kind) {
            (Phase::Start, kind::INIT) => {
                packet.fields().u32().ok_or(client("say hello over SFTP"))?;
                self.phase = Phase::Greeted;
                // Whatever it speaks: version 3 is what can be read here.
                self.forward(Side::Upstream, wire::init(), None);
                return Ok(());
            }
            (Phase::Open, kind::INIT) => return Err(client("say hello over SFTP twice")),
            (Phase::Open, _) => {}
            _ => return Err(client("begin SFTP without a hello")),
        }
        let Request { id, what } = match request::parse(&packet) {
            Ok(request) => request,
            Err(unread) => {
                let id = unread.id.ok_or(client("number an SFTP request"))?;
                self.fresh(id)?;
                self.turn_away(id, unread.code, unread.why);
                return Ok(());
            }
        };
        self.fresh(id)?;
        let wire = packet.wire;
        match what {
            What::Named(named) => self.paths(id, wire, named),
            What::Opened(handle, what) => self.opened(id, wire, &handle, what),
            What::Copy { from, to } => self.copy(id, wire, (&from, &to)),
            What::Limits => self.pass(id, wire, Waiting::Limits, None),
        }
        Ok(())
    }

    /// Two requests of one number could not be told apart.
    fn fresh(&self, id: u32) -> Result<(), Fault> {
        match self.waiting.contains_key(&id) {
            true => Err(client(
                "number SFTP requests so that they can be told apart",
            )),
            false => Ok(()),
        }
    }

    fn pass(&mut self, id: u32, wire: Bytes, waiting: Waiting, body: Option<Body>) {
        self.waiting.insert(id, waiting);
        self.forward(Side::Upstream, wire, body);
    }

    fn paths(&mut self, id: u32, wire: Bytes, named: request::Named) {
        if named.answer == Answer::Handle && self.files.full() {
            return self.turn_away(id, code::FAILURE, TOO_MANY);
        }
        if named.operation == "symlink" && !self.openssh {
            return self.turn_away(id, code::PERMISSION_DENIED, LINK_ORDER);
        }
        self.settle(id, wire, Box::new(Settling::new(named, self.resolve)));
    }

    /// Asks what is still open about the paths, then has it judged.
    fn settle(&mut self, id: u32, wire: Bytes, settling: Box<Settling>) {
        if let Some(path) = settling.question() {
            let ours = self.unused();
            self.ready.push_back(Event::Ask(wire::realpath(ours, path)));
            self.waiting.insert(ours, Waiting::Ours);
            self.turn = Turn::Server {
                id,
                ours,
                wire,
                settling,
            };
            return;
        }
        let (path, leads_to) = settling.paths();
        let named = &settling.named;
        let then = match named.answer {
            Answer::Handle => Then::Opens(Opening {
                path,
                leads_to,
                flags: named.open,
            }),
            answer => Then::Answered(answer),
        };
        self.judge(id, wire, settling.operations(), then);
    }

    /// A number that nobody uses: clients count from the other end.
    fn unused(&self) -> u32 {
        let taken = |id: &u32| !self.waiting.contains_key(id);
        (0..=u32::MAX).rev().find(taken).unwrap_or(u32::MAX)
    }

    fn opened(&mut self, id: u32, wire: Bytes, handle: &Bytes, what: Opened) {
        let Some((file, open)) = self.files.find(handle) else {
            return self.turn_away(id, code::FAILURE, NO_HANDLE);
        };
        let fits = match &what {
            Opened::Read { .. } => open.may_read(),
            Opened::Write { .. } => open.may_write(),
            Opened::List => open.is_folder(),
            Opened::Close | Opened::Stat | Opened::SetStat(_) | Opened::StatFs | Opened::Sync => {
                true
            }
        };
        if !fits {
            return self.turn_away(id, code::PERMISSION_DENIED, NOT_FOR_THIS);
        }
        let mut body = None;
        let waiting = match what {
            Opened::SetStat(attrs) => {
                let operations = self.about(file, |_| request::operation("fsetstat", &attrs));
                let altered = attrs.size.is_some();
                return self.judge(id, wire, operations, Then::Alters { file, altered });
            }
            Opened::Close => {
                self.files.closing(handle);
                Waiting::Close(file)
            }
            Opened::Read { offset, length } => Waiting::Read {
                file,
                offset,
                length,
            },
            Opened::Write { offset, data } => {
                if let Some(open) = self.files.get(file) {
                    match open.appends() {
                        true => open.written.append(&data),
                        false => open.written.piece(offset, &data),
                    }
                }
                body = Some(Body { file, offset, data });
                Waiting::Write(file)
            }
            Opened::Stat => Waiting::About(Answer::Attrs, file, None),
            Opened::List => Waiting::List(file),
            Opened::StatFs => Waiting::About(Answer::Extended, file, None),
            Opened::Sync => Waiting::About(Answer::Status, file, None),
        };
        self.files.asked(file);
        self.pass(id, wire, waiting, body);
    }

    /// An operation about an open file, by each path that it has.
    fn about(&mut self, file: Serial, make: impl Fn(&[u8]) -> FileOperation) -> Vec<FileOperation> {
        let Some(open) = self.files.get(file) else {
            return Vec::new();
        };
        let opening = open.opening();
        let paths = std::iter::once(&opening.path).chain(&opening.leads_to);
        paths
            .map(|path| FileOperation {
                path: Some(super::path::shown(path)),
                ..make(path)
            })
            .collect()
    }

    fn copy(&mut self, id: u32, wire: Bytes, (from, to): (&Bytes, &Bytes)) {
        let (Some((from, source)), Some((to, sink))) = (self.files.find(from), self.files.find(to))
        else {
            return self.turn_away(id, code::FAILURE, NO_HANDLE);
        };
        if !source.may_read() || !sink.may_write() {
            return self.turn_away(id, code::PERMISSION_DENIED, NOT_FOR_THIS);
        }
        let sinks = sink.opening().clone();
        let mut operations = Vec::with_capacity(4);
        for target in std::iter::once(sinks.path).chain(sinks.leads_to) {
            operations.extend(self.about(from, |_| FileOperation {
                target: Some(super::path::shown(&target)),
                extension: Some("copy-data".to_owned()),
                ..request::operation("copy", &wire::Attrs::default())
            }));
        }
        self.judge(id, wire, operations, Then::Copies { from, to });
    }
}

/// The server's side.
impl Inspector {
    fn answer(&mut self, packet: Packet) -> Result<(), Fault> {
        if packet.kind == kind::VERSION {
            return self.hello(packet);
        }
        if self.phase != Phase::Open {
            return Err(server("begin SFTP without a hello"));
        }
        let Reply { id, said } = reply::parse(&packet).ok_or(server("answer in SFTP version 3"))?;
        let waiting = self.waiting.remove(&id);
        let waiting = waiting.ok_or(server("answer an SFTP request that nobody made"))?;
        if !fits(&waiting, &said) {
            return Err(server("answer an SFTP request in kind"));
        }
        let wire = packet.wire;
        match waiting {
            Waiting::Ours => return self.resolved(id, said),
            Waiting::Limits => {
                let wire = within_limits(id, wire, &said)?;
                self.forward(Side::Client, wire, None);
            }
            Waiting::Plain(_) => self.forward(Side::Client, wire, None),
            Waiting::Opening(opening) => {
                self.files.opening = self.files.opening.saturating_sub(1);
                if let Said::Handle(handle) = said {
                    let opened = self.files.opened(handle, opening);
                    opened.ok_or(server("give out an SFTP handle that is not in use"))?;
                }
                self.forward(Side::Client, wire, None);
            }
            Waiting::Read { file, offset, .. } => self.read(file, offset, wire, said),
            Waiting::Write(file) => {
                if let (false, Some(open)) = (said.is_ok(), self.files.get(file)) {
                    open.written.failed();
                }
                self.forward(Side::Client, wire, None);
                self.done(file, false);
            }
            Waiting::Close(file) => {
                self.forward(Side::Client, wire, None);
                self.done(file, said.is_ok());
            }
            Waiting::List(file) => {
                self.forward(Side::Client, wire, None);
                self.done(file, false);
            }
            Waiting::About(_, file, other) => {
                self.forward(Side::Client, wire, None);
                self.done(file, false);
                if let Some(other) = other {
                    self.done(other, false);
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, file: Serial, offset: u64, wire: Bytes, said: Said) {
        let mut body = None;
        if let Some(open) = self.files.get(file) {
            match said {
                Said::Data(data) => {
                    open.read.piece(offset, &data);
                    body = Some(Body { file, offset, data });
                }
                Said::Status(code::EOF) => open.read.end_at(offset),
                _ => {}
            }
        }
        self.forward(Side::Client, wire, body);
        self.done(file, false);
    }

    fn done(&mut self, file: Serial, closed: bool) {
        let report = self.files.answered(file, closed);
        self.ready.extend(report.map(Event::Closed));
    }

    fn hello(&mut self, packet: Packet) -> Result<(), Fault> {
        if self.phase != Phase::Greeted {
            return Err(server("say hello over SFTP once, after the client"));
        }
        let hello = reply::hello(&packet, limits::SFTP_EXTENSIONS_MAX);
        let (version, extensions) = hello.ok_or(server("say hello over SFTP"))?;
        if version != wire::VERSION {
            return Err(server("speak version 3 of SFTP"));
        }
        self.openssh = extensions.iter().any(|(name, _)| name.ends_with(OPENSSH));
        let (known, unknown): (Vec<_>, Vec<_>) = extensions
            .into_iter()
            .partition(|(name, _)| request::known_extension(name));
        let wire = match unknown.is_empty() {
            true => packet.wire,
            // What would be refused is not offered.
            false => wire::version(&known),
        };
        self.phase = Phase::Open;
        self.forward(Side::Client, wire, None);
        Ok(())
    }

    /// The server has said where a path leads.
    fn resolved(&mut self, id: u32, said: Said) -> Result<(), Fault> {
        let turn = std::mem::replace(&mut self.turn, Turn::Client);
        let Turn::Server {
            id: asked,
            ours,
            wire,
            mut settling,
        } = turn
        else {
            return Err(server("answer an SFTP request that nobody made"));
        };
        if ours != id {
            return Err(server("answer an SFTP request that nobody made"));
        }
        let settled = match said {
            Said::Names(name, 1) => settling.named(&name),
            Said::Status(status) => settling.failed(status),
            _ => Settled::Nonsense,
        };
        match settled {
            Settled::Go => self.settle(asked, wire, settling),
            Settled::Fails(code) => self.turn_away(asked, code, NOWHERE),
            Settled::Nonsense => return Err(server("say where a path leads")),
        }
        Ok(())
    }
}

/// Whether this is an answer to that at all. A status always is, but only some questions end well with it.
fn fits(waiting: &Waiting, said: &Said) -> bool {
    let answer = match (waiting, said) {
        (Waiting::Read { length, .. }, Said::Data(data)) => {
            return u32::try_from(data.len()).is_ok_and(|n| n <= *length);
        }
        (Waiting::List(_), Said::Names(..)) => return true,
        (Waiting::Limits, Said::Extended(_)) => return true,
        (Waiting::Opening(_), Said::Handle(_)) => return true,
        (Waiting::Write(_) | Waiting::Close(_), Said::Status(_)) => return true,
        (Waiting::Plain(answer) | Waiting::About(answer, ..), _) => *answer,
        (Waiting::Ours, _) => Answer::Name,
        (_, said) => return matches!(said, Said::Status(_)) && !said.is_ok(),
    };
    match said {
        Said::Status(status) => answer == Answer::Status || *status != code::OK,
        Said::Names(_, count) => answer == Answer::Name && *count == 1,
        Said::Attrs => answer == Answer::Attrs,
        Said::Extended(_) => answer == Answer::Extended,
        Said::Handle(_) | Said::Data(_) => false,
    }
}

/// What the server can take, but no more than passes here; 0 is "no bound" (`PROTOCOL` 4.8).
fn within_limits(id: u32, wire: Bytes, said: &Said) -> Result<Bytes, Fault> {
    let Said::Extended(reply) = said else {
        return Ok(wire);
    };
    let (numbers, rest) = reply.as_chunks::<8>();
    let (&[packet, read, write, handles], []) = (numbers, rest) else {
        return Err(server("say the limits of its SFTP"));
    };
    let most = u64::try_from(limits::SFTP_PACKET_BYTES_MAX).unwrap_or(u64::MAX);
    let files = u64::try_from(limits::SFTP_HANDLES_MAX).unwrap_or(u64::MAX);
    // OpenSSH leaves so much of a packet for what stands around a body.
    let body = most.saturating_sub(1024);
    let said = [packet, read, write, handles].map(u64::from_be_bytes);
    let [packet, read, write, handles] = said;
    let bound = |value: u64, most: u64| if value == 0 { most } else { value.min(most) };
    let bounded = [
        bound(packet, most),
        bound(read, body),
        bound(write, body),
        bound(handles, files),
    ];
    match bounded == said {
        true => Ok(wire),
        false => Ok(wire::limits_reply(id, bounded)),
    }
}
