//! What is open: from the server's handles to paths, and what went through each. Refuses handles that were not seen
//! open, and a server that gives one out twice.

use super::content::{Content, Digest};
use super::path;
use super::request::OpenFlags;
use bytes::Bytes;
use portcullis_model::limits;
use serde::{Serialize, Serializer};
use std::collections::HashMap;

/// A number for one opening of a file, never used twice on a stream.
pub(super) type Serial = u64;

/// What became of a file that was open: for the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Its number on this stream; bodies carry the same.
    pub file: u64,
    /// As the client named it, made plain. Text where it is UTF-8, lossy in the record otherwise.
    #[serde(serialize_with = "lossy")]
    pub path: Vec<u8>,
    /// Where that led, when it was asked and is another path.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "lossy_option"
    )]
    pub leads_to: Option<Vec<u8>>,
    /// What the client got of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Content>,
    /// What the client put into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Content>,
    /// The client closed it and the server agreed; otherwise the stream ended first.
    pub closed: bool,
}

fn lossy<S: Serializer>(path: &[u8], out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&path::shown(path))
}

fn lossy_option<S: Serializer>(path: &Option<Vec<u8>>, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&path::shown(path.as_deref().unwrap_or_default()))
}

/// How it will be opened, if the server agrees.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) path: Vec<u8>,
    pub(super) leads_to: Option<Vec<u8>>,
    /// `None` for a folder.
    pub(super) flags: Option<OpenFlags>,
}

/// Something open.
pub(super) struct Open {
    opening: Opening,
    pub(super) read: Digest,
    pub(super) written: Digest,
    /// Somebody else wrote to it, or changed its size.
    pub(super) altered: bool,
    /// Requests about it that have no answer.
    waiting: usize,
    /// The client has said goodbye; `true` when the server has agreed.
    closing: Option<bool>,
}

impl Open {
    pub(super) fn opening(&self) -> &Opening {
        &self.opening
    }

    pub(super) fn may_read(&self) -> bool {
        self.opening.flags.is_some_and(OpenFlags::reads)
    }

    pub(super) fn may_write(&self) -> bool {
        self.opening.flags.is_some_and(OpenFlags::writes)
    }

    pub(super) fn appends(&self) -> bool {
        self.opening.flags.is_some_and(OpenFlags::appends)
    }

    pub(super) fn is_folder(&self) -> bool {
        self.opening.flags.is_none()
    }

    fn report(self, file: Serial) -> Option<FileReport> {
        let flags = self.opening.flags?;
        let altered = self.altered;
        Some(FileReport {
            file,
            path: self.opening.path,
            leads_to: self.opening.leads_to,
            read: self
                .read
                .finish(|end, next| !altered && end.is_some_and(|end| end == next)),
            written: self
                .written
                .finish(|_, _| !altered && flags.starts_empty() && !flags.appends()),
            closed: self.closing == Some(true),
        })
    }
}

/// Everything open on one stream.
#[derive(Default)]
pub(super) struct Files {
    handles: HashMap<Bytes, Serial>,
    open: HashMap<Serial, Open>,
    next: Serial,
    /// Openings that the server has not answered.
    pub(super) opening: usize,
}

impl Files {
    pub(super) fn full(&self) -> bool {
        self.open.len() + self.opening >= limits::SFTP_HANDLES_MAX
    }

    /// The server has opened it. `None` when the handle is in use.
    pub(super) fn opened(&mut self, handle: Bytes, opening: Opening) -> Option<Serial> {
        if self.handles.contains_key(&handle) {
            return None;
        }
        self.next += 1;
        // A copy of its own, or a small handle would keep a big packet alive.
        self.handles
            .insert(Bytes::copy_from_slice(&handle), self.next);
        let open = Open {
            opening,
            read: Digest::new(),
            written: Digest::new(),
            altered: false,
            waiting: 0,
            closing: None,
        };
        self.open.insert(self.next, open);
        Some(self.next)
    }

    pub(super) fn find(&self, handle: &[u8]) -> Option<(Serial, &Open)> {
        let serial = *self.handles.get(handle)?;
        Some((serial, self.open.get(&serial)?))
    }

    pub(super) fn get(&mut self, serial: Serial) -> Option<&mut Open> {
        self.open.get_mut(&serial)
    }

    /// A request about it is on its way.
    pub(super) fn asked(&mut self, serial: Serial) {
        if let Some(open) = self.open.get_mut(&serial) {
            open.waiting += 1;
        }
    }

    /// The client may not use the handle any more, whatever the server says to the goodbye.
    pub(super) fn closing(&mut self, handle: &[u8]) {
        if let Some(serial) = self.handles.remove(handle)
            && let Some(open) = self.open.get_mut(&serial)
        {
            open.closing = Some(false);
        }
    }

    /// A request about it was answered. The report, when that was the last word.
    pub(super) fn answered(&mut self, serial: Serial, closed: bool) -> Option<FileReport> {
        let open = self.open.get_mut(&serial)?;
        open.waiting = open.waiting.saturating_sub(1);
        if closed && open.closing.is_some() {
            open.closing = Some(true);
        }
        if open.closing.is_none() || open.waiting > 0 {
            return None;
        }
        self.open.remove(&serial)?.report(serial)
    }

    /// The stream has ended: reports of what is still open.
    pub(super) fn finish(&mut self) -> Vec<FileReport> {
        self.handles.clear();
        let mut left: Vec<_> = std::mem::take(&mut self.open).into_iter().collect();
        left.sort_by_key(|(serial, _)| *serial);
        let reports = left.into_iter();
        reports
            .filter_map(|(serial, open)| open.report(serial))
            .collect()
    }
}
