//! What a client asks, parsed once and whole: section 6 of the draft and the extensions in OpenSSH's `PROTOCOL`.
//! Refuses packets with a byte too few or too many, attributes that only a vendor knows, and every extension that is
//! not in the table.

use super::path;
use super::wire::{Attrs, Fields, Packet, code, kind};
use bytes::Bytes;
use portcullis_model::FileOperation;

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: u32,
    pub(super) what: What,
}

/// What it wants.
#[derive(Debug)]
pub(super) enum What {
    /// Something with files that it names.
    Named(Named),
    /// Something with a file that is open.
    Opened(Bytes, Opened),
    /// Copies between two open files, on the server.
    Copy { from: Bytes, to: Bytes },
    /// What the server can do: names no file.
    Limits,
}

/// A request that names files.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) operation: &'static str,
    pub(super) path: Bytes,
    pub(super) aim: Aim,
    /// The path that comes into being, of rename, symlink and hardlink.
    pub(super) other: Option<Bytes>,
    pub(super) attrs: Attrs,
    /// `pflags` of open.
    pub(super) open: Option<OpenFlags>,
    pub(super) extension: Option<&'static str>,
    pub(super) answer: Answer,
}

/// What a path of a request leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// The file behind all links.
    File,
    /// The same, or a new one.
    NewFile,
    /// The name itself, not what it links to.
    Name,
    /// The file behind all links, but only looked at.
    Look,
    /// The name itself, only looked at.
    LookName,
    /// Text that the server interprets: nothing is opened.
    Text,
    /// What a symbolic link will say, seen from where it will stand.
    LinkText,
}

/// Which answers fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Attrs,
    Extended,
    Handle,
    /// One name.
    Name,
    /// Nothing but a status.
    Status,
}

/// A request about an open file.
#[derive(Debug)]
pub(super) enum Opened {
    Close,
    Read { offset: u64, length: u32 },
    Write { offset: u64, data: Bytes },
    Stat,
    SetStat(Attrs),
    List,
    StatFs,
    Sync,
}

/// `pflags`, section 6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenFlags(u32);

const FLAGS: [(u32, &str); 6] = [
    (0x01, "read"),
    (0x02, "write"),
    (0x04, "append"),
    (0x08, "create"),
    (0x10, "truncate"),
    (0x20, "exclusive"),
];

impl OpenFlags {
    fn parse(bits: u32) -> Option<Self> {
        (bits & !0x3f == 0).then_some(Self(bits))
    }

    pub(super) fn reads(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// Whatever may change the file needs to have been judged as writing.
    pub(super) fn writes(self) -> bool {
        self.0 & 0x02 != 0
    }

    pub(super) fn appends(self) -> bool {
        self.0 & 0x04 != 0
    }

    pub(super) fn creates(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// The file is empty when it opens.
    pub(super) fn starts_empty(self) -> bool {
        self.0 & 0x10 != 0 || self.0 & 0x28 == 0x28
    }

    fn names(self) -> Vec<String> {
        let set = FLAGS.iter().filter(|(bit, _)| self.0 & bit != 0);
        set.map(|(_, name)| (*name).to_owned()).collect()
    }
}

/// Why a request was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// Its number, where it got that far; without one the client cannot be answered.
    pub(super) id: Option<u32>,
    /// For the status.
    pub(super) code: u32,
    /// For people.
    pub(super) why: &'static str,
}

const MALFORMED: &str = "portcullis: this request is not well-formed SFTP version 3";
const UNKNOWN: &str = "portcullis: this kind of request is not known here and was not passed on";
const EXTENSION: &str = "portcullis: this extension is not known here and was not passed on";
const VENDOR: &str = "portcullis: attributes of a vendor are not passed on";

/// Reads one request of a client that has said hello.
pub(super) fn parse(packet: &Packet) -> Result<Request, Unread> {
    let mut fields = packet.fields();
    let id = fields.u32().ok_or(Unread {
        id: None,
        code: code::BAD_MESSAGE,
        why: MALFORMED,
    })?;
    let unread = |code, why| Unread {
        id: Some(id),
        code,
        why,
    };
    let what = match packet.kind {
        kind::EXTENDED => {
            let name = fields.slice();
            let name = name.ok_or(unread(code::BAD_MESSAGE, MALFORMED))?;
            let known = EXTENSIONS
                .iter()
                .find(|known| known.name.as_bytes() == name);
            let known = known.ok_or(unread(code::PERMISSION_DENIED, EXTENSION))?;
            (known.parse)(&mut fields, known.name)
        }
        kind::OPEN..=kind::SYMLINK => plain(packet.kind, &mut fields),
        _ => return Err(unread(code::OP_UNSUPPORTED, UNKNOWN)),
    };
    let what = what.ok_or(unread(code::BAD_MESSAGE, MALFORMED))?;
    fields.end().ok_or(unread(code::BAD_MESSAGE, MALFORMED))?;
    if what.attrs().is_some_and(|attrs| attrs.extended) {
        return Err(unread(code::PERMISSION_DENIED, VENDOR));
    }
    Ok(Request { id, what })
}

fn plain(kind: u8, fields: &mut Fields<'_>) -> Option<What> {
    let what = match kind {
        kind::OPEN => open(fields)?,
        kind::CLOSE => What::Opened(fields.handle()?, Opened::Close),
        kind::READ => What::Opened(fields.handle()?, read(fields)?),
        kind::WRITE => What::Opened(fields.handle()?, write(fields)?),
        kind::FSTAT => What::Opened(fields.handle()?, Opened::Stat),
        kind::FSETSTAT => What::Opened(fields.handle()?, Opened::SetStat(fields.attrs()?)),
        kind::READDIR => What::Opened(fields.handle()?, Opened::List),
        kind::LSTAT => named("lstat", Aim::LookName, Answer::Attrs, fields)?,
        kind::STAT => named("stat", Aim::Look, Answer::Attrs, fields)?,
        kind::SETSTAT => with_attrs(named("setstat", Aim::File, Answer::Status, fields)?, fields)?,
        kind::OPENDIR => named("opendir", Aim::File, Answer::Handle, fields)?,
        kind::REMOVE => named("remove", Aim::Name, Answer::Status, fields)?,
        kind::MKDIR => with_attrs(named("mkdir", Aim::Name, Answer::Status, fields)?, fields)?,
        kind::RMDIR => named("rmdir", Aim::Name, Answer::Status, fields)?,
        kind::REALPATH => named("realpath", Aim::Text, Answer::Name, fields)?,
        kind::RENAME => two("rename", Aim::Name, fields)?,
        kind::READLINK => named("readlink", Aim::LookName, Answer::Name, fields)?,
        kind::SYMLINK => two("symlink", Aim::LinkText, fields)?,
        _ => return None,
    };
    Some(what)
}

fn named(
    operation: &'static str,
    aim: Aim,
    answer: Answer,
    fields: &mut Fields<'_>,
) -> Option<What> {
    Some(What::Named(Named {
        operation,
        path: fields.path()?,
        aim,
        other: None,
        attrs: Attrs::default(),
        open: None,
        extension: None,
        answer,
    }))
}

fn with_attrs(mut what: What, fields: &mut Fields<'_>) -> Option<What> {
    if let What::Named(named) = &mut what {
        named.attrs = fields.attrs()?;
        let left = named
            .attrs
            .mode
            .is_some_and(|mode| left_to_umask(named, mode));
        named.attrs.mode = named.attrs.mode.filter(|_| !left);
    }
    Some(what)
}

/// The mode of something new is cut by the host's umask, and these are what clients send who leave it to that: a plain
/// `mkdir` of OpenSSH's `sftp` sends 0777. It is judged as `mkdir` by exec is, without a mode.
fn left_to_umask(named: &Named, mode: u32) -> bool {
    match named.operation {
        "mkdir" => mode & 0o7777 == 0o777,
        "open" => matches!(mode & 0o7777, 0o666 | 0o777),
        _ => false,
    }
}

fn two(operation: &'static str, aim: Aim, fields: &mut Fields<'_>) -> Option<What> {
    let mut what = named(operation, aim, Answer::Status, fields)?;
    if let What::Named(named) = &mut what {
        named.other = Some(fields.path()?);
    }
    Some(what)
}

fn open(fields: &mut Fields<'_>) -> Option<What> {
    let mut what = named("open", Aim::File, Answer::Handle, fields)?;
    if let What::Named(named) = &mut what {
        let flags = OpenFlags::parse(fields.u32()?)?;
        named.open = Some(flags);
        if flags.creates() {
            named.aim = Aim::NewFile;
        }
    }
    with_attrs(what, fields)
}

fn read(fields: &mut Fields<'_>) -> Option<Opened> {
    let (offset, length) = (fields.u64()?, fields.u32()?);
    offset.checked_add(u64::from(length))?;
    Some(Opened::Read { offset, length })
}

fn write(fields: &mut Fields<'_>) -> Option<Opened> {
    let (offset, data) = (fields.u64()?, fields.string()?);
    offset.checked_add(u64::try_from(data.len()).ok()?)?;
    Some(Opened::Write { offset, data })
}

/// An extension that is passed on.
struct Extension {
    name: &'static str,
    parse: fn(&mut Fields<'_>, &'static str) -> Option<What>,
}

/// OpenSSH's `PROTOCOL`, section 4. What is not here is refused, and not announced to clients.
static EXTENSIONS: [Extension; 11] = [
    Extension {
        name: "posix-rename@openssh.com",
        parse: |fields, name| as_extension(two("rename", Aim::Name, fields)?, name),
    },
    Extension {
        name: "statvfs@openssh.com",
        parse: |fields, name| {
            as_extension(named("statvfs", Aim::Look, Answer::Extended, fields)?, name)
        },
    },
    Extension {
        name: "fstatvfs@openssh.com",
        parse: |fields, _| Some(What::Opened(fields.handle()?, Opened::StatFs)),
    },
    Extension {
        name: "hardlink@openssh.com",
        parse: |fields, name| as_extension(two("hardlink", Aim::File, fields)?, name),
    },
    Extension {
        name: "fsync@openssh.com",
        parse: |fields, _| Some(What::Opened(fields.handle()?, Opened::Sync)),
    },
    Extension {
        name: "lsetstat@openssh.com",
        parse: |fields, name| {
            let what = named("lsetstat", Aim::Name, Answer::Status, fields)?;
            as_extension(with_attrs(what, fields)?, name)
        },
    },
    Extension {
        name: "limits@openssh.com",
        parse: |_, _| Some(What::Limits),
    },
    Extension {
        name: "expand-path@openssh.com",
        parse: |fields, name| {
            as_extension(named("realpath", Aim::Text, Answer::Name, fields)?, name)
        },
    },
    Extension {
        name: "home-directory",
        parse: |fields, name| {
            as_extension(named("realpath", Aim::Text, Answer::Name, fields)?, name)
        },
    },
    Extension {
        name: "copy-data",
        parse: |fields, _| {
            let from = fields.handle()?;
            let (offset, length) = (fields.u64()?, fields.u64()?);
            offset.checked_add(length)?;
            let to = fields.handle()?;
            fields.u64()?.checked_add(length)?;
            Some(What::Copy { from, to })
        },
    },
    Extension {
        name: "users-groups-by-id@openssh.com",
        parse: |fields, name| {
            // Two lists of numbers; what comes back are names of accounts.
            let (users, groups) = (fields.slice()?, fields.slice()?);
            let whole = users.len().is_multiple_of(4) && groups.len().is_multiple_of(4);
            whole.then_some(What::Named(Named {
                operation: "stat",
                path: Bytes::new(),
                aim: Aim::Text,
                other: None,
                attrs: Attrs::default(),
                open: None,
                extension: Some(name),
                answer: Answer::Extended,
            }))
        },
    },
];

/// True for an extension that may be announced to clients.
pub(super) fn known_extension(name: &[u8]) -> bool {
    EXTENSIONS.iter().any(|known| known.name.as_bytes() == name)
}

fn as_extension(mut what: What, name: &'static str) -> Option<What> {
    if let What::Named(named) = &mut what {
        named.extension = Some(name);
    }
    Some(what)
}

impl What {
    fn attrs(&self) -> Option<&Attrs> {
        match self {
            Self::Named(named) => Some(&named.attrs),
            Self::Opened(_, Opened::SetStat(attrs)) => Some(attrs),
            Self::Opened(..) | Self::Copy { .. } | Self::Limits => None,
        }
    }
}

impl Named {
    /// In the words that are judged, about these paths.
    pub(super) fn operation(&self, path: &[u8], other: Option<&[u8]>) -> FileOperation {
        let nameless = path.is_empty() && self.aim == Aim::Text;
        FileOperation {
            path: (!nameless).then(|| path::shown(path)),
            target: other.map(path::shown),
            flags: self.open.map(OpenFlags::names).unwrap_or_default(),
            extension: self.extension.map(str::to_owned),
            ..operation(self.operation, &self.attrs)
        }
    }
}

/// An operation that sets these attributes.
pub(super) fn operation(name: &str, attrs: &Attrs) -> FileOperation {
    FileOperation {
        operation: name.to_owned(),
        path: None,
        target: None,
        flags: Vec::new(),
        mode: attrs.mode,
        uid: attrs.owner.map(|(uid, _)| uid),
        gid: attrs.owner.map(|(_, gid)| gid),
        size: attrs.size,
        extension: None,
    }
}
