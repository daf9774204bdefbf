//! What went through a file, as a hash. Pieces that come before their turn wait for it, within bounds; where a file is
//! not read or written from its beginning in order, the hash covers the pieces as they came and says so. It refuses to
//! pretend: only [`Order::Whole`] is the SHA-256 that `sha256sum` would print.

use aws_lc_rs::digest::{self, SHA256};
use bytes::Bytes;
use portcullis_model::limits;
use serde::Serialize;
use std::collections::BTreeMap;

/// How much of a file a hash covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// All of it: from its first byte to its end.
    Whole,
    /// Its beginning, or what was appended, in order.
    InOrder,
    /// Pieces from anywhere. The hash is over `SHA-256(what came in order)` and its length (8 bytes, big end
    /// first), then for each further piece its offset (8 bytes), its length (4 bytes) and its bytes.
    Scattered,
}

/// What was read from a file, or written to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Content {
    /// Bytes, counting those twice that went twice.
    pub bytes: u64,
    /// SHA-256, in hex.
    pub sha256: String,
    /// What it covers.
    pub order: Order,
    /// Pieces that the server did not take.
    pub failed: u64,
}

/// The hash on its way.
pub(super) struct Digest {
    state: digest::Context,
    /// Where the next byte in order belongs.
    next: u64,
    bytes: u64,
    failed: u64,
    scattered: bool,
    /// Pieces before their turn.
    early: BTreeMap<u64, Bytes>,
    early_bytes: usize,
    /// The end of the file was seen here.
    end: Option<u64>,
}

impl Digest {
    pub(super) fn new() -> Self {
        Self {
            state: digest::Context::new(&SHA256),
            next: 0,
            bytes: 0,
            failed: 0,
            scattered: false,
            early: BTreeMap::new(),
            early_bytes: 0,
            end: None,
        }
    }

    /// A piece at an offset.
    pub(super) fn piece(&mut self, offset: u64, data: &Bytes) {
        if data.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(length(data));
        if self.scattered {
            return self.scatter(offset, data);
        }
        if offset == self.next {
            self.in_order(data);
            return self.drain();
        }
        let room = self.early_bytes + data.len() <= limits::SFTP_REORDER_BYTES_MAX
            && self.early.len() < limits::SFTP_REORDER_PIECES_MAX;
        if offset > self.next && room && !self.early.contains_key(&offset) {
            self.early_bytes += data.len();
            self.early.insert(offset, data.clone());
            return;
        }
        self.give_up();
        self.scatter(offset, data);
    }

    /// What is added at the end, wherever that is.
    pub(super) fn append(&mut self, data: &Bytes) {
        self.piece(self.next, data);
    }

    /// A piece was not taken.
    pub(super) fn failed(&mut self) {
        self.failed += 1;
    }

    /// The file ends here, the server says.
    pub(super) fn end_at(&mut self, offset: u64) {
        self.end = Some(self.end.map_or(offset, |end| end.min(offset)));
    }

    /// What it comes to. `whole`: as far as the other facts go, what came in order is all there is.
    pub(super) fn finish(
        mut self,
        whole: impl FnOnce(Option<u64>, u64) -> bool,
    ) -> Option<Content> {
        if self.bytes == 0 && self.failed == 0 && self.end.is_none() {
            return None;
        }
        if !self.early.is_empty() {
            self.give_up();
        }
        let order = match self.scattered {
            true => Order::Scattered,
            false if self.failed == 0 && whole(self.end, self.next) => Order::Whole,
            false => Order::InOrder,
        };
        Some(Content {
            bytes: self.bytes,
            sha256: hex(self.state.finish().as_ref()),
            order,
            failed: self.failed,
        })
    }

    fn in_order(&mut self, data: &Bytes) {
        self.state.update(data);
        self.next = self.next.saturating_add(length(data));
    }

    fn drain(&mut self) {
        while let Some(entry) = self.early.first_entry() {
            if *entry.key() > self.next {
                return;
            }
            if *entry.key() < self.next {
                return self.give_up();
            }
            let data = entry.remove();
            self.early_bytes = self.early_bytes.saturating_sub(data.len());
            self.in_order(&data);
        }
    }

    /// From here on it is a hash of pieces.
    fn give_up(&mut self) {
        let so_far = std::mem::replace(&mut self.state, digest::Context::new(&SHA256));
        self.state.update(so_far.finish().as_ref());
        self.state.update(&self.next.to_be_bytes());
        self.scattered = true;
        self.early_bytes = 0;
        for (offset, data) in std::mem::take(&mut self.early) {
            self.scatter(offset, &data);
        }
    }

    fn scatter(&mut self, offset: u64, data: &Bytes) {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.state.update(&offset.to_be_bytes());
        self.state.update(&length.to_be_bytes());
        self.state.update(data);
    }
}

fn length(data: &Bytes) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
