//! A small text in the making, on the stack: what a scalar prints as. Refuses nothing; longer texts move to
//! the heap.

use smallvec::SmallVec;
use std::fmt;

/// The text of one scalar; a timestamp or an address fits without an allocation.
#[derive(Default)]
pub(super) struct Printed(SmallVec<[u8; 64]>);

impl Printed {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }
}

impl fmt::Write for Printed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
