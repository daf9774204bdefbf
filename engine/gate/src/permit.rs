//! Proofs. None of these can be built, copied or taken apart outside this crate; `link` consumes them.

use crate::seams::Sequence;
use bytes::Bytes;

/// Proof that requests were classified, allowed and recorded. Not `Clone`: one permit, one write.
#[must_use = "a permit is the only way to the upstream"]
#[derive(Debug)]
pub struct Permit {
    pub(crate) frames: Vec<Bytes>,
    pub(crate) sequence: Sequence,
}

/// Proof that a denial was recorded: the rendered error for the client.
#[must_use = "a refusal has to reach the client"]
#[derive(Debug)]
pub struct Refusal {
    pub(crate) frames: Vec<Bytes>,
    pub(crate) sequence: Sequence,
}

/// Proof that a response was masked and recorded.
#[must_use = "a release has to reach the client"]
#[derive(Debug)]
pub struct Release {
    pub(crate) frames: Vec<Bytes>,
    pub(crate) sequence: Sequence,
}

/// Proof that something the gateway says on its own was recorded.
#[must_use = "what was recorded as said has to be said"]
#[derive(Debug)]
pub struct Housed {
    pub(crate) wire: Bytes,
    pub(crate) sequence: Sequence,
}

macro_rules! frames {
    ($($proof:ident),*) => {$(
        impl $proof {
            /// The exact bytes to write, in order. Consumes the proof.
            #[must_use]
            pub fn into_frames(self) -> Vec<Bytes> {
                self.frames
            }

            /// Where it stands in the session's record.
            #[must_use]
            pub fn sequence(&self) -> Sequence {
                self.sequence
            }
        }
    )*};
}
frames!(Permit, Refusal, Release);

impl Housed {
    /// The exact bytes to write. Consumes the proof.
    #[must_use]
    pub fn into_wire(self) -> Bytes {
        self.wire
    }

    /// Where it stands in the session's record.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }
}
