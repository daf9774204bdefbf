//! The channels of exec and attach over WebSocket (k8s.io/apimachinery pkg/util/remotecommand): the first byte of a
//! message says which. Version 5 can close a channel. The `base64.` forms, which browsers used, are not read.
//!
//! Refuses messages without a channel, channels that do not exist, and directions that a channel does not have.

use bytes::Bytes;
use portcullis_model::{Blame, Fault};

/// One stream of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Standard input, towards the pod.
    Input,
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
    /// How it ended: a `Status`.
    Status,
    /// The size of the terminal, towards the pod.
    Resize,
}

impl Channel {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Input => 0,
            Self::Output => 1,
            Self::Errors => 2,
            Self::Status => 3,
            Self::Resize => 4,
        }
    }

    fn numbered(number: u8) -> Option<Self> {
        [
            Self::Input,
            Self::Output,
            Self::Errors,
            Self::Status,
            Self::Resize,
        ]
        .into_iter()
        .find(|channel| channel.number() == number)
    }
}

/// What is spoken in the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subprotocol {
    /// `v4.channel.k8s.io`.
    Four,
    /// `v5.channel.k8s.io`.
    Five,
}

/// A message, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes of a channel.
    Bytes(Channel, Bytes),
    /// A channel has ended.
    End(Channel),
}

impl Subprotocol {
    /// By its name, where the gateway reads it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "v4.channel.k8s.io" => Some(Self::Four),
            "v5.channel.k8s.io" => Some(Self::Five),
            _ => None,
        }
    }

    /// Takes a message apart. `towards_pod`: the client sent it.
    ///
    /// # Errors
    /// When it names no channel of that direction.
    pub fn part(self, message: &Bytes, towards_pod: bool) -> Result<Part, Fault> {
        let blame = match towards_pod {
            true => Blame::Client,
            false => Blame::Upstream,
        };
        let broken = || Fault::bare(blame, "name a channel of a stream");
        let allowed = |channel: Channel| {
            let up = matches!(channel, Channel::Input | Channel::Resize);
            (up == towards_pod).then_some(channel)
        };
        match (self, message.split_first()) {
            (Self::Five, Some((255, [number]))) => Channel::numbered(*number)
                .and_then(allowed)
                .map(Part::End)
                .ok_or_else(broken),
            (_, Some((number, _))) => Channel::numbered(*number)
                .and_then(allowed)
                .map(|channel| Part::Bytes(channel, message.slice(1..)))
                .ok_or_else(broken),
            (_, None) => Err(broken()),
        }
    }

    /// A message of a channel.
    #[must_use]
    pub fn message(channel: Channel, bytes: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity(bytes.len() + 1);
        message.push(channel.number());
        message.extend_from_slice(bytes);
        message
    }
}
