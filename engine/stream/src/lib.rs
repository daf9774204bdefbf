//! Byte streams: masking of what goes out in pieces, and the matching of the gateway's own secrets, whole or split
//! over chunks.
//!
//! It exists because a credential that the client must never see can come back in a reply: an error that
//! quotes a connection string, a table that stores it, an `env`. It refuses to match weak secrets (a mask
//! over a guessable value tells the guesser that he was right), and it never hands a secret out again.

mod armory;
mod curtain;
mod encodings;
mod hold_back;
mod matcher;
mod strength;

pub use armory::{Armed, Tripwires, Unarmed};
pub use curtain::{Curtain, Shown};
pub use hold_back::{HoldBack, Passed};
pub use strength::strength;
