//! What was typed before a login that had to be fresh. It waits with the visit that it was typed in, goes over to the visit
//! that the same person comes back with, and is shown once, on the page that it was typed on.
//!
//! It refuses to be anybody else's, whoever sits at that browser afterwards; to stand in an address, where somebody else could
//! write it and proxies would keep it; to be more than one form; and to last longer than a login may take.

use super::Console;
use super::guard::{Via, Visitor};
use parking_lot::Mutex;
use portcullis_model::{Timestamp, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The largest form with a fresh login: a reason of 1000 letters of four bytes, and two names of 400.
const DRAFT_BYTES_MAX: usize = 8 * 1024;

/// A form that was filled in.
#[derive(Clone)]
pub(super) struct Draft {
    address: String,
    fields: Zeroizing<String>,
    until: Timestamp,
}

/// Those of a visit: the last one that was typed, and the one that came along.
#[derive(Default)]
pub(super) struct Drafts(Mutex<Both>);

#[derive(Default)]
struct Both {
    waits: Option<Draft>,
    back: Option<Draft>,
}

impl Drafts {
    /// Of somebody who has just come back.
    pub(super) fn with(back: Option<Draft>) -> Self {
        Self(Mutex::new(Both { waits: None, back }))
    }

    /// What goes over to the next visit.
    pub(super) fn take(&self, now: Timestamp) -> Option<Draft> {
        let mut both = self.0.lock();
        let last = both.waits.take().or(both.back.take());
        last.filter(|draft| draft.until > now)
    }
}

impl Console {
    /// Keeps what was typed on a page, for after the login. False when it cannot be kept.
    pub(super) fn keep(&self, by: &Visitor, address: &str, form: &impl Serialize) -> bool {
        let Via::Visit(visit) = &by.via else {
            return false;
        };
        let fields = serde_json::to_string(form).map(Zeroizing::new);
        let Some(fields) = fields.ok().filter(|f| f.len() <= DRAFT_BYTES_MAX) else {
            return false;
        };
        let until = (self.clock)().after(limits::LOGIN_PENDING_MAX);
        visit.drafts.0.lock().waits = Some(Draft {
            address: address.to_owned(),
            fields,
            until,
        });
        true
    }

    /// What was typed on a page before the login that has just been. Once.
    pub(super) fn typed<T: DeserializeOwned>(&self, by: &Visitor, address: &str) -> Option<T> {
        let Via::Visit(visit) = &by.via else {
            return None;
        };
        let mut both = visit.drafts.0.lock();
        let back = both.back.take_if(|draft| draft.address == address)?;
        let lasts = back.until > (self.clock)();
        serde_json::from_str(&back.fields).ok().filter(|_| lasts)
    }
}
