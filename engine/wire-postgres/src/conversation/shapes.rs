//! Shapes of results, remembered: the gate works out treatments once per shape, so the same description
//! under the same facts and obligations has to be the same shape, and any other must not be.

use super::names::Cause;
use crate::values::Rows;
use bytes::Bytes;
use portcullis_model::Fault;
use std::collections::VecDeque;
use std::sync::Arc;

/// Shapes remembered per connection.
const SHAPES_MAX: usize = 16;

struct Known {
    body: Bytes,
    formats: Option<Vec<i16>>,
    cause: Cause,
    rows: Arc<Rows>,
}

/// The shapes of one connection.
#[derive(Default)]
pub struct Shapes {
    known: VecDeque<Known>,
    serial: u32,
}

impl Shapes {
    /// The shape of this description. `formats` are those of the Bind, where the description is that of
    /// a statement.
    ///
    /// # Errors
    /// When the description is malformed.
    pub fn of(
        &mut self,
        body: &[u8],
        formats: Option<&[i16]>,
        cause: &Cause,
    ) -> Result<Arc<Rows>, Fault> {
        let known = self.known.iter().find(|known| {
            known.body == body
                && known.formats.as_deref() == formats
                && same_cause(&known.cause, cause)
        });
        if let Some(known) = known {
            return Ok(known.rows.clone());
        }
        let rows = Arc::new(Rows::new(body, formats, self.next_serial())?);
        if self.known.len() >= SHAPES_MAX {
            self.known.pop_front();
        }
        self.known.push_back(Known {
            body: Bytes::copy_from_slice(body),
            formats: formats.map(<[i16]>::to_vec),
            cause: cause.clone(),
            rows: rows.clone(),
        });
        Ok(rows)
    }

    /// A number no other shape of this stream has.
    pub fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1) % crate::values::FIRST_RESERVED_SERIAL;
        self.serial
    }

    /// Structure may have changed.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}

fn same_cause(a: &Cause, b: &Cause) -> bool {
    let facts = match (&a.facts, &b.facts) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    };
    let obligations = match (&a.decision, &b.decision) {
        (Some(a), Some(b)) => Arc::ptr_eq(&a.outcome, &b.outcome) || a.obligations == b.obligations,
        (None, None) => true,
        _ => false,
    };
    facts && obligations
}
