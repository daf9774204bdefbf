//! Byte streams: masking of what goes out in pieces, and the matching of the gateway's own secrets, whole or split
//! over chunks.
//!
//! It exists because a credential that the client must never see can come back in a reply: an error that
//! quotes a connection string, a table that stores it, an `env`. It refuses to match weak secrets (a mask
//! over a guessable value tells the guesser that he was right), and it never hands a secret out again.

pub mod ansi;
mod armory;
pub mod asciicast;
mod curtain;
mod encodings;
mod hold_back;
mod matcher;
pub mod playback;
mod pty;
mod quiet;
mod strength;
pub mod terminal;
mod veil;

pub use armory::{Armed, Tripwires, Unarmed};
pub use curtain::{Curtain, Shown};
pub use hold_back::{HoldBack, Passed};
pub use pty::PtyCurtain;
pub use quiet::Quiet;
pub use strength::strength;
