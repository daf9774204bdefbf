//! Packets as clients and servers write them.

use crate::sftp::wire::kind;
use bytes::Bytes;

pub(super) const READ: u32 = 1;
pub(super) const WRITE: u32 = 2;
pub(super) const APPEND: u32 = 4;
pub(super) const CREATE: u32 = 8;
pub(super) const TRUNCATE: u32 = 16;

pub(super) fn packet(kind: u8, parts: &[&[u8]]) -> Bytes {
    let body = parts.concat();
    let mut out = (body.len() as u32 + 1).to_be_bytes().to_vec();
    out.push(kind);
    out.extend(body);
    out.into()
}

pub(super) fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u32).to_be_bytes()[..], text].concat()
}

pub(super) fn mode(mode: u32) -> Vec<u8> {
    [4_u32, mode].map(u32::to_be_bytes).concat()
}

fn numbered(kind: u8, id: u32, parts: &[&[u8]]) -> Bytes {
    packet(kind, &[&id.to_be_bytes(), &parts.concat()])
}

pub(super) fn init(version: u32) -> Bytes {
    packet(kind::INIT, &[&version.to_be_bytes()])
}

pub(super) fn version(extensions: &[(&str, &str)]) -> Bytes {
    let pairs: Vec<u8> = extensions
        .iter()
        .flat_map(|(name, data)| [string(name), string(data)].concat())
        .collect();
    packet(kind::VERSION, &[&3_u32.to_be_bytes(), &pairs])
}

pub(super) fn open(id: u32, path: &str, flags: u32, with: Option<u32>) -> Bytes {
    let attrs = with.map_or_else(|| vec![0; 4], mode);
    numbered(
        kind::OPEN,
        id,
        &[&string(path), &flags.to_be_bytes(), &attrs],
    )
}

pub(super) fn close(id: u32, handle: &str) -> Bytes {
    numbered(kind::CLOSE, id, &[&string(handle)])
}

pub(super) fn read(id: u32, handle: &str, offset: u64, length: u32) -> Bytes {
    numbered(
        kind::READ,
        id,
        &[
            &string(handle),
            &offset.to_be_bytes(),
            &length.to_be_bytes(),
        ],
    )
}

pub(super) fn write(id: u32, handle: &str, offset: u64, data: &[u8]) -> Bytes {
    numbered(
        kind::WRITE,
        id,
        &[&string(handle), &offset.to_be_bytes(), &string(data)],
    )
}

pub(super) fn lstat(id: u32, path: &str) -> Bytes {
    numbered(kind::LSTAT, id, &[&string(path)])
}

pub(super) fn setstat(id: u32, path: &str, with: u32) -> Bytes {
    numbered(kind::SETSTAT, id, &[&string(path), &mode(with)])
}

pub(super) fn fsetstat(id: u32, handle: &str, with: u32) -> Bytes {
    numbered(kind::FSETSTAT, id, &[&string(handle), &mode(with)])
}

pub(super) fn mkdir(id: u32, path: &str, with: u32) -> Bytes {
    numbered(kind::MKDIR, id, &[&string(path), &mode(with)])
}

pub(super) fn one(kind: u8, id: u32, path: &str) -> Bytes {
    numbered(kind, id, &[&string(path)])
}

pub(super) fn opendir(id: u32, path: &str) -> Bytes {
    one(kind::OPENDIR, id, path)
}

pub(super) fn readdir(id: u32, handle: &str) -> Bytes {
    one(kind::READDIR, id, handle)
}

pub(super) fn remove(id: u32, path: &str) -> Bytes {
    one(kind::REMOVE, id, path)
}

pub(super) fn two(kind: u8, id: u32, path: &str, other: &str) -> Bytes {
    numbered(kind, id, &[&string(path), &string(other)])
}

pub(super) fn symlink(id: u32, says: &str, stands: &str) -> Bytes {
    two(kind::SYMLINK, id, says, stands)
}

pub(super) fn extended(id: u32, name: &str, parts: &[&[u8]]) -> Bytes {
    numbered(kind::EXTENDED, id, &[&string(name), &parts.concat()])
}

pub(super) fn handle_reply(id: u32, handle: &str) -> Bytes {
    numbered(kind::HANDLE, id, &[&string(handle)])
}

pub(super) fn data_reply(id: u32, data: &[u8]) -> Bytes {
    numbered(kind::DATA, id, &[&string(data)])
}

pub(super) fn status_reply(id: u32, code: u32, message: &str) -> Bytes {
    numbered(
        kind::STATUS,
        id,
        &[&code.to_be_bytes(), &string(message), &string("en")],
    )
}

pub(super) fn attrs_reply(id: u32) -> Bytes {
    numbered(kind::ATTRS, id, &[&mode(0o100_644)])
}

pub(super) fn name_reply(id: u32, names: &[&str]) -> Bytes {
    let count = (names.len() as u32).to_be_bytes();
    let entries: Vec<u8> = names
        .iter()
        .flat_map(|name| [string(name), string(name), vec![0; 4]].concat())
        .collect();
    numbered(kind::NAME, id, &[&count, &entries])
}

/// Number and path of a `REALPATH`.
pub(super) fn asked(wire: &[u8]) -> (u32, String) {
    assert_eq!(wire[4], kind::REALPATH);
    let id = u32::from_be_bytes(wire[5..9].try_into().unwrap());
    (id, String::from_utf8(wire[13..].to_vec()).unwrap())
}
