//! SFTP version 3 (draft-ietf-secsh-filexfer-02, OpenSSH's `PROTOCOL`), read packet by packet on its way through, so
//! that every operation on a file is judged by the same rules as a command, and every file has its hash in the record.
//!
//! What is allowed goes on as the bytes that came, not as a copy in other words. The module does no I/O and knows no
//! clock: bytes in, [`Event`]s out. It refuses what it cannot read, extensions that it does not know, handles that it
//! has not seen open, and answers that nobody asked for; a refusal is a proper `SSH_FXP_STATUS`, so that the client
//! stays in step. It does not look into the bodies of files beyond hashing them: those are `opaque`.
//!
//! What it cannot do: between the question where a path leads and the operation itself, somebody else on the host
//! may exchange a link. File permissions on the host are what stands there, as for every remote check of a path.

mod content;
mod files;
mod inspector;
mod path;
mod reply;
mod request;
mod resolve;
#[cfg(feature = "transport")]
pub(crate) mod seams;
mod wire;

pub use content::{Content, Order};
pub use files::FileReport;
pub use inspector::{Body, Event, Inspector, Judged};
pub use resolve::Resolve;

#[cfg(test)]
mod tests;
