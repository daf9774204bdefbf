//! What a server answers, checked against what was asked. Refuses answers of another kind than the question allows,
//! and counts that do not hold: a server that is not to be trusted shall not reach the client's parser with them.

use super::wire::{Fields, Packet, code, kind};
use bytes::Bytes;

/// One answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) id: u32,
    pub(super) said: Said,
}

/// What it says.
#[derive(Debug)]
pub(super) enum Said {
    Status(u32),
    Handle(Bytes),
    Data(Bytes),
    /// The first name, and how many there are.
    Names(Bytes, u32),
    Attrs,
    Extended(Bytes),
}

impl Said {
    pub(super) fn is_ok(&self) -> bool {
        matches!(self, Self::Status(code::OK))
    }
}

/// Reads one answer; `None` when it is none.
pub(super) fn parse(packet: &Packet) -> Option<Reply> {
    let mut fields = packet.fields();
    let id = fields.u32()?;
    let said = match packet.kind {
        kind::STATUS => Said::Status(status(&mut fields)?),
        kind::HANDLE => Said::Handle(fields.handle()?),
        kind::DATA => Said::Data(fields.string()?),
        kind::NAME => names(&mut fields)?,
        kind::ATTRS => {
            fields.attrs()?;
            Said::Attrs
        }
        kind::EXTENDED_REPLY => {
            let rest = packet.wire.slice_ref(fields.rest());
            return Some(Reply {
                id,
                said: Said::Extended(rest),
            });
        }
        _ => return None,
    };
    fields.end()?;
    Some(Reply { id, said })
}

/// Old servers say no more than the code.
fn status(fields: &mut Fields<'_>) -> Option<u32> {
    let code = fields.u32()?;
    for _ in 0..2 {
        if !fields.is_empty() {
            fields.slice()?;
        }
    }
    Some(code)
}

fn names(fields: &mut Fields<'_>) -> Option<Said> {
    let count = fields.u32()?;
    let mut first = Bytes::new();
    for at in 0..count {
        let name = fields.string()?;
        fields.slice()?;
        fields.attrs()?;
        if at == 0 {
            first = name;
        }
    }
    Some(Said::Names(first, count))
}

/// The extensions that a server announces in `SSH_FXP_VERSION`, and its version.
pub(super) fn hello(packet: &Packet, most: usize) -> Option<(u32, Vec<(Bytes, Bytes)>)> {
    let mut fields = packet.fields();
    let version = fields.u32()?;
    let mut extensions = Vec::new();
    while !fields.is_empty() {
        let pair = (fields.string()?, fields.string()?);
        if extensions.len() == most {
            return None;
        }
        extensions.push(pair);
    }
    Some((version, extensions))
}
