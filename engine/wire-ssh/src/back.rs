//! What leads from a host back to the client: forwards that the client has asked for (`ssh -R`), its agent, its display. Here is
//! what one connection has of them, and the door through which a host's channels come.
//!
//! It refuses every channel that a host opens and nobody has asked for, and more than the bound of those that somebody has; and a
//! client's word that a channel is open which nobody is opening towards it.

use crate::channel;
use crate::conversation::{Conversation, Entered};
use crate::inbox::Inbox;
use crate::spill::Share;
use parking_lot::Mutex;
use portcullis_gate::Refusal;
use portcullis_model::Decision;
use portcullis_model::limits::{
    SSH_BACK_CHANNELS_MAX, SSH_REMOTE_ANSWER_MAX, SSH_REMOTE_FORWARDS_MAX,
};
use russh::client::{ChannelOpenHandle, Msg};
use russh::server::Handle;
use russh::{Channel, ChannelId};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// The name by which policy lets a client's agent be used from the host.
pub(crate) const AGENT: &str = "agent";
/// The same of a client's display.
pub(crate) const X11: &str = "x11";
/// The same of a forward from a port of the host's.
pub(crate) const REMOTE_FORWARD: &str = "remote-forward";
/// The same of a forward from a socket of the host's.
pub(crate) const REMOTE_SOCKET: &str = "remote-streamlocal";

/// Refusals that wait for a channel on which they can be read.
const UNTOLD_MAX: usize = 4;
/// Where a host is asked to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At an address and a port; 0 is any port.
    Port(String, u16),
    /// At a socket.
    Socket(String),
}

impl Place {
    /// The name by which policy lets it be.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Port(..) => REMOTE_FORWARD,
            Self::Socket(_) => REMOTE_SOCKET,
        }
    }

    /// As policies and people see it. No address is every address of the host.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Port(address, port) if address.is_empty() => format!("*:{port}"),
            Self::Port(address, port) => format!("{address}:{port}"),
            Self::Socket(path) => path.clone(),
        }
    }
}

/// A forward that a host listens for.
pub(crate) struct Remote {
    place: Place,
    /// The port that the client knows it by.
    port: Mutex<Option<u16>>,
    phase: watch::Sender<Phase>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Listens,
    Stops,
    Stopped,
}

impl Remote {
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The host listens at this port.
    pub(crate) fn at(&self, port: u16) {
        *self.port.lock() = Some(port);
    }

    pub(crate) fn port(&self) -> Option<u16> {
        *self.port.lock()
    }

    /// Resolves when the client wants it no more.
    pub(crate) async fn unwanted(&self) {
        let mut phase = self.phase.subscribe();
        let _unwanted = phase.wait_for(|phase| *phase != Phase::Listens).await;
    }

    fn is(&self, place: &Place) -> bool {
        match (&self.place, place) {
            (Place::Port(mine, _), Place::Port(address, port)) => {
                mine == address && self.port() == Some(*port)
            }
            (mine, place) => mine == place,
        }
    }
}

/// Channels towards the client that are being opened.
#[derive(Default)]
struct Opens {
    /// Asked of the client, and not answered.
    under_way: usize,
    /// Open, where one of the two that have to know of it does not yet.
    met: HashMap<ChannelId, Arc<Inbox>>,
}

impl Opens {
    fn meet(&mut self, id: ChannelId, share: &Share) -> Arc<Inbox> {
        if let Some(inbox) = self.met.remove(&id) {
            return inbox;
        }
        let inbox = Arc::new(Inbox::new(share.clone()));
        inbox.lasts();
        self.met.insert(id, Arc::clone(&inbox));
        inbox
    }
}

/// A channel towards the client that is asked for. Dropping it says that there is none.
pub(crate) struct UnderWay<'b> {
    back: &'b Back,
    answered: bool,
}

impl UnderWay<'_> {
    /// The client has opened it: the inbox of what it sends.
    pub(crate) fn opened(mut self, id: ChannelId, share: &Share) -> Arc<Inbox> {
        // Whoever hears the client's word for it counts it down.
        self.answered = true;
        self.back.opens.lock().meet(id, share)
    }

    /// Nobody waits for the client's answer any more. It counts all the same: what is said of a channel that was asked for breaks no
    /// protocol.
    pub(crate) fn unheard(mut self) {
        self.answered = true;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let mut opens = self.back.opens.lock();
            opens.under_way = opens.under_way.saturating_sub(1);
        }
    }
}

/// What one connection has of it.
pub(crate) struct Back {
    room: Arc<Semaphore>,
    remotes: Mutex<Vec<Arc<Remote>>>,
    opens: Mutex<Opens>,
    untold: Mutex<Vec<Refusal>>,
}

impl Back {
    pub(crate) fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(SSH_BACK_CHANNELS_MAX)),
            remotes: Mutex::new(Vec::new()),
            opens: Mutex::new(Opens::default()),
            untold: Mutex::new(Vec::new()),
        }
    }

    /// One more forward; `None` when there are too many, or the host listens there already.
    pub(crate) fn remote(&self, place: Place) -> Option<Arc<Remote>> {
        let mut remotes = self.remotes.lock();
        if remotes.len() >= SSH_REMOTE_FORWARDS_MAX || remotes.iter().any(|r| r.is(&place)) {
            return None;
        }
        let port = match place {
            Place::Port(_, port) if port != 0 => Some(port),
            _ => None,
        };
        let remote = Arc::new(Remote {
            place,
            port: Mutex::new(port),
            phase: watch::Sender::new(Phase::Listens),
        });
        remotes.push(Arc::clone(&remote));
        Some(remote)
    }

    /// The host does not listen for it any more.
    pub(crate) fn stopped(&self, remote: &Arc<Remote>) {
        self.remotes.lock().retain(|r| !Arc::ptr_eq(r, remote));
        remote.phase.send_replace(Phase::Stopped);
    }

    /// The client wants this one no more. True where there was one.
    pub(crate) async fn cancel(&self, place: &Place) -> bool {
        let found = self.remotes.lock().iter().find(|r| r.is(place)).cloned();
        let Some(remote) = found else {
            return false;
        };
        let mut phase = remote.phase.subscribe();
        remote.phase.send_if_modified(|phase| {
            let listens = *phase == Phase::Listens;
            if listens {
                *phase = Phase::Stops;
            }
            listens
        });
        let stopped = phase.wait_for(|phase| *phase == Phase::Stopped);
        let _stopped = timeout(SSH_REMOTE_ANSWER_MAX, stopped).await;
        true
    }

    /// A channel is about to be asked of the client.
    pub(crate) fn opening(&self) -> UnderWay<'_> {
        self.opens.lock().under_way += 1;
        UnderWay {
            back: self,
            answered: false,
        }
    }

    /// The inbox of a channel that the client says it has opened; `None` where nobody is opening one. russh tells of the client's
    /// word for any channel that there is, also for one that the client itself has asked for. Whoever opens it and whoever hears of
    /// its opening come here in either order.
    pub(crate) fn confirmed(&self, id: ChannelId, share: &Share) -> Option<Arc<Inbox>> {
        let mut opens = self.opens.lock();
        let left = opens.under_way.checked_sub(1)?;
        if opens.met.len() >= SSH_BACK_CHANNELS_MAX && !opens.met.contains_key(&id) {
            return None;
        }
        opens.under_way = left;
        Some(opens.meet(id, share))
    }

    /// Keeps a refusal that has no channel of its own, until one is there.
    pub(crate) fn tell_later(&self, refusal: Refusal) {
        let mut untold = self.untold.lock();
        // It is on record; one who reads none does not need them all.
        if untold.len() < UNTOLD_MAX {
            untold.push(refusal);
        }
    }

    pub(crate) fn untold(&self) -> Vec<Refusal> {
        std::mem::take(&mut *self.untold.lock())
    }
}

/// What a host may open towards the client on one upstream connection.
pub(crate) struct Doorway {
    pub conversation: Arc<Conversation>,
    pub entered: Arc<Entered>,
    pub handle: Handle,
    pub share: Share,
    pub ways: Vec<Way>,
    /// What has come through.
    pub tasks: TaskTracker,
}

/// One of it, and what policy has said of it.
#[derive(Clone)]
pub(crate) struct Way {
    pub to: To,
    pub decision: Option<Arc<Decision>>,
}

/// Where it leads.
#[derive(Clone)]
pub(crate) enum To {
    Remote(Arc<Remote>),
    Agent,
    Display,
}

impl To {
    /// The name by which policy lets it be.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Remote(remote) => remote.place.name(),
            Self::Agent => AGENT,
            Self::Display => X11,
        }
    }
}

impl Way {
    /// The address that the client has asked the host to listen at.
    pub(crate) fn address(&self) -> &str {
        match &self.to {
            To::Remote(remote) => match &remote.place {
                Place::Port(address, _) => address,
                Place::Socket(path) => path,
            },
            To::Agent | To::Display => "",
        }
    }

    /// Whether what a host opens belongs to it.
    fn takes(&self, came: &Came) -> bool {
        match (&self.to, came) {
            (To::Remote(remote), Came::Port { port, .. }) => {
                matches!(remote.place, Place::Port(..)) && remote.port() == Some(*port)
            }
            (To::Remote(remote), Came::Socket(path)) => {
                matches!(&remote.place, Place::Socket(mine) if mine == path)
            }
            (To::Agent, Came::Agent) | (To::Display, Came::Display(..)) => true,
            _ => false,
        }
    }
}

/// A channel that a host opens.
#[derive(Clone, Debug)]
pub(crate) enum Came {
    /// Somebody has connected to a port of the host's.
    Port { port: u16, from: (String, u32) },
    /// Somebody has connected to a socket of the host's.
    Socket(String),
    /// A program there wants the client's agent.
    Agent,
    /// A program there wants the client's display.
    Display(String, u32),
}

/// The door of one upstream connection: closed until a client has asked for a way back, and policy has allowed it.
#[derive(Default)]
pub(crate) struct Door(Mutex<Option<Arc<Doorway>>>);

impl Door {
    pub(crate) fn open(&self, doorway: Arc<Doorway>) {
        *self.0.lock() = Some(doorway);
    }

    pub(crate) fn shut(&self) {
        let _shut = self.0.lock().take();
    }

    /// What has come through it and may still be going on, where it is open.
    pub(crate) fn through(&self) -> Option<TaskTracker> {
        self.0.lock().as_ref().map(|doorway| doorway.tasks.clone())
    }

    /// A host opens a channel. Dropping `reply` refuses it.
    pub(crate) fn come(&self, came: Came, channel: Channel<Msg>, reply: ChannelOpenHandle) {
        let Some(doorway) = self.0.lock().clone() else {
            return;
        };
        let Some(way) = doorway.ways.iter().find(|way| way.takes(&came)).cloned() else {
            return;
        };
        let room = Arc::clone(&doorway.conversation.back.room);
        let Ok(place) = room.try_acquire_owned() else {
            return;
        };
        let led = channel::lead_back(Arc::clone(&doorway), way, came, (channel, reply));
        let led = doorway.tasks.track_future(async move {
            led.await;
            drop(place);
        });
        doorway.conversation.tasks.spawn(led);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::ssh_encoding::Decode as _;

    fn port(address: &str, port: u16) -> Place {
        Place::Port(address.to_owned(), port)
    }

    #[test]
    fn there_are_so_many_forwards_and_each_stands_once() {
        let back = Back::new();
        let first = back.remote(port("localhost", 8080)).unwrap();
        assert!(back.remote(port("localhost", 8080)).is_none());
        assert!(back.remote(port("", 8080)).is_some());
        for n in 2..SSH_REMOTE_FORWARDS_MAX {
            let path = format!("/run/{n}");
            assert!(back.remote(Place::Socket(path)).is_some(), "{n}");
        }
        assert!(back.remote(port("localhost", 9)).is_none());
        back.stopped(&first);
        assert!(back.remote(port("localhost", 9)).is_some());
    }

    #[tokio::test]
    async fn a_forward_to_any_port_is_cancelled_by_the_port_that_it_got() {
        let back = Arc::new(Back::new());
        let any = back.remote(port("localhost", 0)).unwrap();
        assert!(!back.cancel(&port("localhost", 0)).await, "none is known");
        any.at(4711);
        assert!(!back.cancel(&port("localhost", 4712)).await);
        assert!(!back.cancel(&port("", 4711)).await);
        let stopping = Arc::clone(&back);
        let listening = Arc::clone(&any);
        let task = tokio::spawn(async move {
            listening.unwanted().await;
            stopping.stopped(&listening);
        });
        assert!(back.cancel(&port("localhost", 4711)).await);
        task.await.unwrap();
        assert!(!back.cancel(&port("localhost", 4711)).await, "it is gone");
    }

    #[test]
    fn a_way_takes_what_belongs_to_it_and_nothing_else() {
        let back = Back::new();
        let way = |to| Way { to, decision: None };
        let remote = back.remote(port("localhost", 0)).unwrap();
        let at = |port| Came::Port {
            port,
            from: ("192.0.2.1".to_owned(), 7),
        };
        let forward = way(To::Remote(Arc::clone(&remote)));
        assert!(!forward.takes(&at(0)), "nobody knows the port yet");
        remote.at(4711);
        assert!(forward.takes(&at(4711)) && !forward.takes(&at(4712)));
        assert!(!forward.takes(&Came::Agent) && !forward.takes(&Came::Socket("/a".to_owned())));
        let socket = back.remote(Place::Socket("/run/a".to_owned())).unwrap();
        let socket = way(To::Remote(socket));
        assert!(socket.takes(&Came::Socket("/run/a".to_owned())));
        assert!(!socket.takes(&Came::Socket("/run/b".to_owned())) && !socket.takes(&at(4711)));
        let display = || Came::Display("127.0.0.1".to_owned(), 1);
        assert!(way(To::Agent).takes(&Came::Agent) && !way(To::Agent).takes(&display()));
        assert!(way(To::Display).takes(&display()) && !way(To::Display).takes(&Came::Agent));
    }

    fn share() -> (tempfile::TempDir, Share) {
        let folder = tempfile::tempdir().unwrap();
        let spills = crate::spill::Spills::new(folder.path().to_owned(), 1 << 20, 1 << 20);
        let share = Share::new(&spills);
        (folder, share)
    }

    fn id(number: u32) -> ChannelId {
        ChannelId::decode(&mut &number.to_be_bytes()[..]).unwrap()
    }

    #[test]
    fn a_client_says_of_as_many_channels_as_were_asked_of_it_that_they_are_open() {
        let (back, (_folder, share)) = (Back::new(), share());
        assert!(back.confirmed(id(1), &share).is_none(), "nobody asks");
        // Either may come first; both have the same inbox, and nothing is kept.
        let first = back.opening();
        let heard = back.confirmed(id(1), &share).unwrap();
        let opened = first.opened(id(1), &share);
        assert!(Arc::ptr_eq(&heard, &opened) && opened.is_open());
        let second = back.opening();
        let opened = second.opened(id(2), &share);
        let heard = back.confirmed(id(2), &share).unwrap();
        assert!(Arc::ptr_eq(&heard, &opened));
        assert!(back.opens.lock().met.is_empty());
        assert!(back.confirmed(id(3), &share).is_none(), "each counts once");
        // One that the client has refused counts no more.
        let (refused, asked) = (back.opening(), back.opening());
        drop(refused);
        assert!(back.confirmed(id(4), &share).is_some());
        assert!(back.confirmed(id(5), &share).is_none());
        drop(asked);
        assert!(back.confirmed(id(6), &share).is_none());
        // One that nobody waits for any more may still be answered, once.
        back.opening().unheard();
        assert!(back.confirmed(id(7), &share).is_some());
        assert!(back.confirmed(id(8), &share).is_none());
    }

    #[test]
    fn what_nobody_comes_for_is_not_kept_without_end() {
        let (back, (_folder, share)) = (Back::new(), share());
        let asked: Vec<_> = (0..2 * SSH_BACK_CHANNELS_MAX)
            .map(|_| back.opening())
            .collect();
        let numbers = 0..2 * SSH_BACK_CHANNELS_MAX as u32;
        let kept = numbers.filter(|number| back.confirmed(id(*number), &share).is_some());
        assert_eq!(kept.count(), SSH_BACK_CHANNELS_MAX);
        assert_eq!(back.opens.lock().met.len(), SSH_BACK_CHANNELS_MAX);
        drop(asked);
    }

    #[test]
    fn every_address_is_shown_as_such() {
        assert_eq!(port("", 80).shown(), "*:80");
        assert_eq!(port("localhost", 80).shown(), "localhost:80");
        assert_eq!(port("", 80).name(), "remote-forward");
        assert_eq!(Place::Socket("/a".to_owned()).name(), "remote-streamlocal");
    }
}
