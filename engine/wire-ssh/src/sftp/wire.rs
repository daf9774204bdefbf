//! The bytes of SFTP: numbers, lengths, and packets that the gateway writes itself. Reads in place and allocates
//! nothing before the bytes are there; refuses to read past what a length says.

use bytes::{BufMut, Bytes, BytesMut};
use portcullis_model::limits;

/// Packet types, section 3 of the draft.
pub(super) mod kind {
    pub(in crate::sftp) const INIT: u8 = 1;
    pub(in crate::sftp) const VERSION: u8 = 2;
    pub(in crate::sftp) const OPEN: u8 = 3;
    pub(in crate::sftp) const CLOSE: u8 = 4;
    pub(in crate::sftp) const READ: u8 = 5;
    pub(in crate::sftp) const WRITE: u8 = 6;
    pub(in crate::sftp) const LSTAT: u8 = 7;
    pub(in crate::sftp) const FSTAT: u8 = 8;
    pub(in crate::sftp) const SETSTAT: u8 = 9;
    pub(in crate::sftp) const FSETSTAT: u8 = 10;
    pub(in crate::sftp) const OPENDIR: u8 = 11;
    pub(in crate::sftp) const READDIR: u8 = 12;
    pub(in crate::sftp) const REMOVE: u8 = 13;
    pub(in crate::sftp) const MKDIR: u8 = 14;
    pub(in crate::sftp) const RMDIR: u8 = 15;
    pub(in crate::sftp) const REALPATH: u8 = 16;
    pub(in crate::sftp) const STAT: u8 = 17;
    pub(in crate::sftp) const RENAME: u8 = 18;
    pub(in crate::sftp) const READLINK: u8 = 19;
    pub(in crate::sftp) const SYMLINK: u8 = 20;
    pub(in crate::sftp) const STATUS: u8 = 101;
    pub(in crate::sftp) const HANDLE: u8 = 102;
    pub(in crate::sftp) const DATA: u8 = 103;
    pub(in crate::sftp) const NAME: u8 = 104;
    pub(in crate::sftp) const ATTRS: u8 = 105;
    pub(in crate::sftp) const EXTENDED: u8 = 200;
    pub(in crate::sftp) const EXTENDED_REPLY: u8 = 201;
}

/// Codes of `SSH_FXP_STATUS`, section 7.
pub(super) mod code {
    pub(in crate::sftp) const OK: u32 = 0;
    pub(in crate::sftp) const EOF: u32 = 1;
    pub(in crate::sftp) const NO_SUCH_FILE: u32 = 2;
    pub(in crate::sftp) const PERMISSION_DENIED: u32 = 3;
    pub(in crate::sftp) const FAILURE: u32 = 4;
    pub(in crate::sftp) const BAD_MESSAGE: u32 = 5;
    pub(in crate::sftp) const OP_UNSUPPORTED: u32 = 8;
}

/// The only version that is spoken: what newer ones mean by the same bytes is something else.
pub(super) const VERSION: u32 = 3;

/// One packet: what its length field covers, and the whole of it.
pub(super) struct Packet {
    /// Length field, type and everything behind it.
    pub(super) wire: Bytes,
    /// Type.
    pub(super) kind: u8,
}

/// A length field that no packet may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unframed;

impl Packet {
    /// Takes the next packet off the front, when all of it is there.
    pub(super) fn take(from: &mut BytesMut) -> Result<Option<Self>, Unframed> {
        let Some(length) = from.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Unframed)?;
        if !(1..=limits::SFTP_PACKET_BYTES_MAX).contains(&length) {
            return Err(Unframed);
        }
        if from.len() < 4 + length {
            return Ok(None);
        }
        let wire = from.split_to(4 + length).freeze();
        let kind = wire.get(4).copied().ok_or(Unframed)?;
        Ok(Some(Self { wire, kind }))
    }

    /// What stands behind the type.
    pub(super) fn fields(&self) -> Fields<'_> {
        Fields {
            rest: self.wire.get(5..).unwrap_or_default(),
            wire: &self.wire,
        }
    }
}

/// A packet on its way through being read. Each call takes one field, or says that it is not there.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    wire: &'a Bytes,
}

impl<'a> Fields<'a> {
    pub(super) fn u32(&mut self) -> Option<u32> {
        let (number, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(u32::from_be_bytes(*number))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let (number, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some(u64::from_be_bytes(*number))
    }

    /// A string; shares the packet's memory.
    pub(super) fn string(&mut self) -> Option<Bytes> {
        let slice = self.slice()?;
        Some(self.wire.slice_ref(slice))
    }

    /// A string, borrowed.
    pub(super) fn slice(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (string, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(string)
    }

    /// A path: no NUL, at which a server written in C would stop reading, and not longer than a path can be.
    pub(super) fn path(&mut self) -> Option<Bytes> {
        let path = self.string()?;
        let sound = path.len() <= limits::SFTP_PATH_BYTES_MAX && !path.contains(&0);
        sound.then_some(path)
    }

    /// A handle: some bytes of the server's.
    pub(super) fn handle(&mut self) -> Option<Bytes> {
        let handle = self.string()?;
        (handle.len() <= limits::SFTP_HANDLE_BYTES_MAX).then_some(handle)
    }

    pub(super) fn attrs(&mut self) -> Option<Attrs> {
        let flags = self.u32()?;
        let mut attrs = Attrs::default();
        if flags & !(SIZE | OWNER | MODE | TIMES | EXTENDED_ATTRS) != 0 {
            return None;
        }
        if flags & SIZE != 0 {
            attrs.size = Some(self.u64()?);
        }
        if flags & OWNER != 0 {
            attrs.owner = Some((self.u32()?, self.u32()?));
        }
        if flags & MODE != 0 {
            attrs.mode = Some(self.u32()?);
        }
        if flags & TIMES != 0 {
            attrs.times = Some((self.u32()?, self.u32()?));
        }
        if flags & EXTENDED_ATTRS != 0 {
            let count = self.u32()?;
            for _ in 0..count {
                self.slice()?;
                self.slice()?;
            }
            attrs.extended = count != 0;
        }
        Some(attrs)
    }

    /// Nothing is left: what a packet says beyond what it has to say is not for us to pass on.
    pub(super) fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const MODE: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED_ATTRS: u32 = 0x8000_0000;

/// File attributes, section 5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attrs {
    pub(super) size: Option<u64>,
    pub(super) owner: Option<(u32, u32)>,
    pub(super) mode: Option<u32>,
    pub(super) times: Option<(u32, u32)>,
    /// There are some that only a vendor knows.
    pub(super) extended: bool,
}

/// `SSH_FXP_STATUS` as the gateway sends it.
pub(super) fn status(id: u32, code: u32, message: &str) -> Bytes {
    let mut end = message.len().min(limits::SFTP_MESSAGE_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let message = message.get(..end).unwrap_or_default().as_bytes();
    write(kind::STATUS, |out| {
        out.put_u32(id);
        out.put_u32(code);
        string(out, message);
        string(out, b"en");
    })
}

/// `SSH_FXP_INIT` of the one version that is spoken.
pub(super) fn init() -> Bytes {
    write(kind::INIT, |out| out.put_u32(VERSION))
}

/// `SSH_FXP_VERSION` with these extensions.
pub(super) fn version(extensions: &[(Bytes, Bytes)]) -> Bytes {
    write(kind::VERSION, |out| {
        out.put_u32(VERSION);
        for (name, data) in extensions {
            string(out, name);
            string(out, data);
        }
    })
}

/// `SSH_FXP_REALPATH`: where does this lead?
pub(super) fn realpath(id: u32, path: &[u8]) -> Bytes {
    write(kind::REALPATH, |out| {
        out.put_u32(id);
        string(out, path);
    })
}

/// The answer to `limits@openssh.com`.
pub(super) fn limits_reply(id: u32, values: [u64; 4]) -> Bytes {
    write(kind::EXTENDED_REPLY, |out| {
        out.put_u32(id);
        values.into_iter().for_each(|value| out.put_u64(value));
    })
}

fn string(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn write(kind: u8, fill: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    out.put_u32(0);
    out.put_u8(kind);
    fill(&mut out);
    let length = u32::try_from(out.len().saturating_sub(4)).unwrap_or(u32::MAX);
    if let Some(field) = out.first_chunk_mut::<4>() {
        *field = length.to_be_bytes();
    }
    out.freeze()
}
