//! The record: one write-ahead log per node, written before bytes move, that an auditor can check with
//! a public key alone.
//!
//! ```text
//! dir/00000001.wal   segment: header | frame | frame | …          (frame.rs, segment.rs)
//! dir/checkpoints    C2SP signed notes over an RFC 6962 tree       (note.rs, tree.rs)
//! dir/reserve        blocks kept for the day the disk is full      (wal.rs)
//! dir/lock           held while a gateway writes
//! ```
//!
//! A frame is `len | session | seq | ts | kind | payload | crc32c`. Each session has a hash chain,
//! `h_i = SHA-256(h_{i-1} || frame)`; the leaves of the tree are the `h_i` of all sessions in the order
//! of the log, so that one signed root covers every entry of every session. [`verify`] names an edited
//! frame (even where crc and chain were computed anew), a cut tail and a deleted session, each with
//! session, sequence, file and byte offset.
//!
//! A decision that came out like one before it in its session is written shortened ([`Reader`] makes it whole
//! again): it names the entry that it rests on by sequence and digest.
//!
//! What it refuses: to answer an append before `write(2)` has returned; to go on after a failed write or
//! fdatasync; to extend a log that does not match its own checkpoints; to call a session sealed whose end
//! no checkpoint covers. What it cannot do alone: notice that log *and* checkpoints were rolled back
//! together to an earlier state. Keep a copy of the latest checkpoint elsewhere and pass it to
//! [`verify_against`]: that is what an anchor is for.

mod admit;
pub mod age;
mod aside;
pub mod copies;
mod decisions;
mod disk;
mod error;
pub mod evidence;
mod export;
mod frame;
mod holds;
pub mod index;
mod journal;
mod key;
mod note;
mod passage;
mod payloads;
mod proof;
mod read;
mod recover;
mod replay;
mod retention;
mod segment;
mod session;
pub mod sinks;
mod summary;
mod sync;
mod tail;
mod tree;
mod verify;
mod volume;
mod wal;
mod whole;

pub use admit::admit_payload;
pub use decisions::{Decisions, RecordedDecision, Stage as DecisionStage};
pub use disk::{Disk, LogFile, OsDisk};
pub use error::Error;
pub use export::{OCSF_VERSION, OcsfActors, export_har, export_ocsf, export_sql, ocsf_event};
pub use frame::kind_name;
pub use holds::{HOLD_ADDED, HOLD_RELEASED, Hold, in_force as holds_in_force};
pub use journal::{Health, Journal, Settings, is_live};
pub use key::{NodeKey, VerifyKey};
pub use note::{Checkpoint, latest_checkpoint};
pub use payloads::{PayloadKeys, Sealing, Withheld};
pub use read::{Entries, ReadEntry, Reader, entries};
pub use replay::{Film, Piece, Pieces, ReplayOptions, replay_jsonl, replay_text};
pub use retention::{Retained, Retention};
pub use summary::{SessionState, SessionSummary, sessions};
pub use tree::{Hash, Tree, leaf_hash};
pub use verify::{Problem, Report, Shredding, Tail, verify, verify_against};

/// The session id under which entries of the node itself stand.
pub const NODE: portcullis_model::SessionId = portcullis_model::SessionId(0);
