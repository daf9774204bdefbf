//! What can go wrong with a record, named after what was being done. A source is logged, never shown:
//! at the seam every one of these becomes a `Fault`.

use std::io;

/// A failure of the journal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory could not be made, read or locked.
    #[error("cannot open the record's directory")]
    OpenDirectory(#[source] io::Error),
    /// Another process writes this record.
    #[error("the record is in use by another process")]
    Locked,
    /// The origin holds what a signed note cannot.
    #[error("the origin must be 1 to 255 printable characters without space or `+`")]
    BadOrigin,
    /// A segment could not be written.
    #[error("cannot write a segment of the record")]
    WriteSegment(#[source] io::Error),
    /// A segment could not be read.
    #[error("cannot read a segment of the record")]
    ReadSegment(#[source] io::Error),
    /// A segment has no readable header.
    #[error("segment {0} of the record has no readable header")]
    SegmentHeader(u64),
    /// A segment in the format before this one. It is neither read nor extended.
    #[error(
        "segment {0} of the record is in format 1, which this version does not read: keep the record and verify it with the \
         version that wrote it, and give this one an empty directory"
    )]
    OldFormat(u64),
    /// The log does not match its own signed checkpoints. It is not extended: run `verify`.
    #[error("the record does not match its checkpoint {checkpoint}: {what}")]
    Damaged {
        /// Number of the first checkpoint that does not match.
        checkpoint: u64,
        /// In what way.
        what: &'static str,
    },
    /// A checkpoint could not be written or read.
    #[error("cannot read or write the checkpoints")]
    Checkpoints(#[source] io::Error),
    /// A checkpoint is no note, or not signed by this key.
    #[error("a checkpoint is not a note signed by this key")]
    CheckpointSignature,
    /// The key file could not be read or made.
    #[error("cannot open the signing key")]
    OpenKey(#[source] io::Error),
    /// The key file is readable by others.
    #[error("the signing key must be readable by its owner alone (mode 0600)")]
    KeyMode,
    /// The key file holds no Ed25519 key.
    #[error("the signing key is not an Ed25519 key in PKCS#8")]
    BadKey,
    /// The public key is not one in C2SP note format.
    #[error(
        "a public key looks like `name+hash+base64`, as the file beside the signing key holds it"
    )]
    BadPublicKey,
    /// The thread that syncs could not be started.
    #[error("cannot start the thread that syncs the record")]
    StartSync(#[source] io::Error),
    /// The file of the payload keys.
    #[error("cannot read or write the keys of the payloads")]
    PayloadKeys(#[source] io::Error),
    /// A place in that file that cannot be read, and must not be written over.
    #[error(
        "payload-keys cannot be read from byte {0} on: restore the file from a copy; keys may stand there that are needed, or \
         that were to be destroyed"
    )]
    PayloadKeysDamaged(u64),
    /// The key that wraps them.
    #[error("the key that wraps the keys of the payloads is not one of 32 bytes")]
    BadWrappingKey,
    /// What had to be recorded first could not be: it was not done.
    #[error("cannot write into the record what was to be done")]
    Unrecorded,
    /// A sink's cursor.
    #[error("write the cursor of a sink")]
    Cursor(#[source] io::Error),
    /// What was read before does not stand there any more.
    #[error("the record is not the one that was read up to here")]
    Another,
    /// The index could not take an entry.
    #[error("cannot write the index")]
    Index,
    /// There is no such session in the record.
    #[error("no session {0} in the record")]
    NoSession(portcullis_model::SessionId),
    /// The text could not be written to where it was wanted.
    #[error("cannot write the replay")]
    WriteReplay(#[source] io::Error),
}
