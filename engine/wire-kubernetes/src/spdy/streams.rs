//! What the streams of one connection are for, as their opener's headers say (k8s.io/api core/v1 `StreamType`): those of
//! a command, or pairs for each connection to a port.
//!
//! Refuses numbers that do not grow, streams of the other kind, a second one of a command's, ports that are none, and
//! bytes of streams that were never opened.

use crate::stream::Channel;
use portcullis_model::{Blame, Fault, limits};
use std::collections::BTreeMap;

/// What a connection is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Exec and attach.
    Command,
    /// Port-forward.
    Ports,
}

/// What a stream is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of a command's.
    Channel(Channel),
    /// A connection to a port.
    Data {
        /// The port.
        port: u16,
        /// Which connection it is.
        request: Option<String>,
    },
    /// What went wrong with one.
    Trouble {
        /// The port.
        port: u16,
        /// Which connection it is.
        request: Option<String>,
    },
}

impl Role {
    /// The port of a port-forward.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Channel(_) => None,
            Self::Data { port, .. } | Self::Trouble { port, .. } => Some(*port),
        }
    }

    /// The headers that a stream of this role is opened with.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let (name, rest) = match self {
            Self::Channel(channel) => (channel_name(*channel), None),
            Self::Data { port, request } => ("data", Some((port, request))),
            Self::Trouble { port, request } => ("error", Some((port, request))),
        };
        let mut headers = vec![("streamtype", name.to_owned())];
        if let Some((port, request)) = rest {
            headers.push(("port", port.to_string()));
            if let Some(request) = request {
                headers.push(("requestid", request.clone()));
            }
        }
        headers
    }
}

fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Input => "stdin",
        Channel::Output => "stdout",
        Channel::Errors => "stderr",
        Channel::Status => "error",
        Channel::Resize => "resize",
    }
}

/// Where a stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is open.
    Open(Role),
    /// It is over, and what is still on its way does not count.
    Gone,
}

#[derive(Debug)]
struct Stream {
    role: Role,
    /// Finished by the client, by the server.
    finished: (bool, bool),
}

impl Stream {
    fn finished_by(&self, client: bool) -> bool {
        match client {
            true => self.finished.0,
            false => self.finished.1,
        }
    }
}

/// The streams of a connection.
#[derive(Debug)]
pub struct Streams {
    used: Use,
    open: BTreeMap<u32, Stream>,
    last: u32,
    channels: Vec<Channel>,
}

impl Streams {
    /// None yet.
    #[must_use]
    pub fn new(used: Use) -> Self {
        Self {
            used,
            open: BTreeMap::new(),
            last: 0,
            channels: Vec::new(),
        }
    }

    /// What a stream is to be for that a client opens; `None` when there are too many. It counts as gone until
    /// [`Streams::add`].
    ///
    /// # Errors
    /// When no client opens such a stream.
    pub fn claim(
        &mut self,
        stream: u32,
        headers: &[(String, String)],
    ) -> Result<Option<Role>, Fault> {
        let broken = || Fault::bare(Blame::Client, "open a stream of its request");
        if stream.is_multiple_of(2) || stream <= self.last {
            return Err(broken());
        }
        self.last = stream;
        let role = self.role(headers).ok_or_else(broken)?;
        if let Role::Channel(channel) = role {
            if self.channels.contains(&channel) {
                return Err(broken());
            }
            self.channels.push(channel);
        }
        Ok((self.open.len() < limits::SPDY_STREAMS_MAX).then_some(role))
    }

    /// Opens it.
    pub fn add(&mut self, stream: u32, role: Role, fin: bool) {
        let finished = (fin, false);
        self.open.insert(stream, Stream { role, finished });
    }

    fn role(&self, headers: &[(String, String)]) -> Option<Role> {
        let one = |name: &str| {
            let mut found = headers.iter().filter(|(known, _)| known == name);
            found.next().map(|(_, value)| value.as_str())
        };
        let name = one("streamtype")?;
        if let Use::Command = self.used {
            let all = [
                Channel::Input,
                Channel::Output,
                Channel::Errors,
                Channel::Status,
                Channel::Resize,
            ];
            let channel = all.into_iter().find(|c| channel_name(*c) == name)?;
            return Some(Role::Channel(channel));
        }
        let digits = one("port")?;
        let port: u16 = digits.parse().ok()?;
        if port == 0 || port.to_string() != digits {
            return None;
        }
        let request = match one("requestid") {
            None => None,
            Some(id) if id.len() <= 20 && id.bytes().all(|b| b.is_ascii_digit()) => {
                Some(id.to_owned())
            }
            Some(_) => return None,
        };
        match name {
            "data" => Some(Role::Data { port, request }),
            "error" => Some(Role::Trouble { port, request }),
            _ => None,
        }
    }

    /// Where a stream stands about which the client, or the server, says something.
    ///
    /// # Errors
    /// When it was never opened.
    pub fn place(&self, stream: u32, by_client: bool) -> Result<Place, Fault> {
        let blame = match by_client {
            true => Blame::Client,
            false => Blame::Upstream,
        };
        match self.open.get(&stream) {
            Some(known) if known.finished_by(by_client) => Ok(Place::Gone),
            Some(known) => Ok(Place::Open(known.role.clone())),
            None if !stream.is_multiple_of(2) && stream <= self.last => Ok(Place::Gone),
            None => Err(Fault::bare(blame, "name a stream that was opened")),
        }
    }

    /// What an open stream is for, whoever has finished it.
    #[must_use]
    pub fn role_of(&self, stream: u32) -> Option<Role> {
        self.open.get(&stream).map(|known| known.role.clone())
    }

    /// The open stream of a channel.
    #[must_use]
    pub fn of(&self, channel: Channel) -> Option<u32> {
        let mut all = self.open.iter();
        all.find(|(_, stream)| stream.role == Role::Channel(channel))
            .map(|(number, _)| *number)
    }

    /// The number of the last one.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.last
    }

    /// A side has said its last about a stream.
    pub fn finish(&mut self, stream: u32, by_client: bool) {
        let Some(known) = self.open.get_mut(&stream) else {
            return;
        };
        match by_client {
            true => known.finished.0 = true,
            false => known.finished.1 = true,
        }
        if known.finished == (true, true) {
            self.open.remove(&stream);
        }
    }

    /// A stream is over.
    pub fn remove(&mut self, stream: u32) {
        self.open.remove(&stream);
    }
}
