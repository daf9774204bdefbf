//! Checkpoints: signed statements of how large the tree is and what its root is, as C2SP signed notes
//! (`tlog-checkpoint`) that standard tools read. Extra lines say when, where in the log, and where the
//! chains of the sessions stand that moved since the checkpoint before. Refuses whatever is not signed.

use crate::error::Error;
use crate::key::{NodeKey, VerifyKey};
use crate::segment::unhex;
use crate::tree::Hash;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use portcullis_model::{SessionId, Timestamp};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// One checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Who signed: the node's origin.
    pub origin: String,
    /// Leaves covered.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// Counts the checkpoints of this record, from 1.
    pub number: u64,
    /// When it was signed.
    pub at: Timestamp,
    /// The segment and byte offset that the covered part of the log ends at.
    pub segment: u64,
    /// See `segment`.
    pub offset: u64,
    /// Session, sequence and chain head of sessions that moved since the checkpoint before; at most
    /// `limits::CHECKPOINT_HEADS_MAX`, the root covers the others too.
    pub heads: Vec<(SessionId, u64, Hash)>,
}

impl Checkpoint {
    /// The note: text, empty line, signature line.
    #[must_use]
    pub fn sign(&self, key: &NodeKey) -> String {
        let text = self.text();
        let signature = key.sign_line(&text);
        format!("{text}\n{signature}")
    }

    /// Reads the first note of `notes` and returns it with what follows. `Ok(None)` when `notes` ends
    /// inside a note: the writer was interrupted there.
    ///
    /// # Errors
    /// [`Error::CheckpointSignature`] when it is no checkpoint or `key` has not signed it.
    pub fn read<'a>(notes: &'a str, key: &VerifyKey) -> Result<Option<(Self, &'a str)>, Error> {
        let Some(end) = notes.find("\n\n") else {
            return Ok(None);
        };
        let (text, after) = notes.split_at(end + 1);
        let mut rest = &after[1..];
        let mut signed = false;
        let mut lines = 0;
        // A witness may have added lines of its own.
        while rest.starts_with('\u{2014}') {
            let Some((line, next)) = rest.split_once('\n') else {
                return Ok(None);
            };
            signed |= key.verifies(text, line);
            lines += 1;
            rest = next;
        }
        // A whole line that does not verify was never torn: somebody wrote it.
        if lines == 0 && rest.is_empty() {
            return Ok(None);
        }
        match Self::parse(text).filter(|_| signed) {
            Some(checkpoint) => Ok(Some((checkpoint, rest))),
            None => Err(Error::CheckpointSignature),
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}\n{}\n{}\nnumber {}\ntime {}\nat {} {}\n",
            self.origin,
            self.size,
            BASE64_STANDARD.encode(self.root),
            self.number,
            self.at.0,
            self.segment,
            self.offset
        );
        for (session, sequence, head) in &self.heads {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "head {session} {sequence} {}", hex::encode(head));
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let origin = lines.next()?.to_owned();
        let size = lines.next()?.parse().ok()?;
        let root = BASE64_STANDARD
            .decode(lines.next()?)
            .ok()?
            .try_into()
            .ok()?;
        let number = lines.next()?.strip_prefix("number ")?.parse().ok()?;
        let at = Timestamp(lines.next()?.strip_prefix("time ")?.parse().ok()?);
        let (segment, offset) = lines.next()?.strip_prefix("at ")?.split_once(' ')?;
        let heads = lines.map(|line| {
            let mut words = line.strip_prefix("head ")?.split(' ');
            let session = words.next()?.parse().ok()?;
            let sequence = words.next()?.parse().ok()?;
            Some((session, sequence, unhex(words.next()?)?))
        });
        Some(Self {
            origin,
            size,
            root,
            number,
            at,
            segment: segment.parse().ok()?,
            offset: offset.parse().ok()?,
            heads: heads.collect::<Option<_>>()?,
        })
    }
}

/// All checkpoints of a record, each verified.
pub(crate) struct Checkpoints {
    pub notes: Vec<Checkpoint>,
    /// Bytes at the end that are no whole note: a crash stood there.
    pub torn: usize,
    /// Bytes of whole notes.
    pub len: u64,
}

/// Reads and verifies all checkpoints.
pub(crate) fn read_all(dir: &Path, key: &VerifyKey) -> Result<Checkpoints, Error> {
    let bytes = match fs::read(path_of(dir)) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(Error::Checkpoints(e)),
    };
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        // A torn write may end inside a character.
        Err(e) => std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default(),
    };
    let mut notes = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        match Checkpoint::read(rest, key)? {
            Some((note, next)) => {
                notes.push(note);
                rest = next;
            }
            None => break,
        }
    }
    let len = text.len() - rest.len();
    Ok(Checkpoints {
        notes,
        torn: bytes.len() - len,
        len: len as u64,
    })
}

/// The latest checkpoint of a record as a signed note: what to keep elsewhere, as an anchor.
///
/// # Errors
/// [`Error::Checkpoints`], [`Error::CheckpointSignature`].
pub fn latest_checkpoint(
    dir: &Path,
    key: &VerifyKey,
) -> Result<Option<(Checkpoint, String)>, Error> {
    let text = match fs::read_to_string(path_of(dir)) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::Checkpoints(e)),
    };
    let mut last = None;
    let mut rest = text.as_str();
    while let Some((note, next)) = Checkpoint::read(rest, key)? {
        last = Some((note, rest[..rest.len() - next.len()].to_owned()));
        rest = next;
    }
    Ok(last)
}

/// The last whole checkpoint of a record that is being written, read from the end of the file: the file may be long, and
/// this is done every minute. None when there is none that this key has signed.
pub(crate) fn last_of(dir: &Path, key: &VerifyKey) -> Result<Option<(Checkpoint, String)>, Error> {
    let Some(bytes) = end_of(dir)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let first = format!("{}\n", key.name());
    let begins = |at: &usize| *at == 0 || text.as_bytes().get(at - 1) == Some(&b'\n');
    let places: Vec<usize> = text
        .match_indices(&first)
        .map(|(at, _)| at)
        .filter(begins)
        .collect();
    for at in places.into_iter().rev() {
        let notes = &text[at..];
        if let Ok(Some((note, rest))) = Checkpoint::read(notes, key) {
            let whole = notes[..notes.len() - rest.len()].to_owned();
            return Ok(Some((note, whole)));
        }
    }
    Ok(None)
}

/// How many leaves the last whole checkpoint says there are, whoever signed it; 0 without one. Readers that have no key know
/// by it where the log must not end yet. It proves nothing.
pub(crate) fn claimed(dir: &Path) -> Result<u64, Error> {
    let Some(bytes) = end_of(dir)? else {
        return Ok(0);
    };
    let text = String::from_utf8_lossy(&bytes);
    // An empty line stands before the signatures of a note alone; after them comes the next note.
    let parts: Vec<&str> = text.split("\n\n").collect();
    let whole = parts.windows(2).rev().find_map(|pair| {
        let [part, after] = pair else { return None };
        let is_signature = |line: &str| line.starts_with('\u{2014}');
        if !after.lines().next().is_some_and(is_signature) || !after.contains('\n') {
            return None;
        }
        let mut note = *part;
        while is_signature(note) {
            note = note.split_once('\n')?.1;
        }
        Checkpoint::parse(note)
    });
    Ok(whole.map_or(0, |checkpoint| checkpoint.size))
}

/// The last bytes of the checkpoints, enough for one.
fn end_of(dir: &Path) -> Result<Option<Vec<u8>>, Error> {
    use std::os::unix::fs::FileExt as _;
    let file = match fs::File::open(path_of(dir)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::Checkpoints(e)),
    };
    let length = file.metadata().map_err(Error::Checkpoints)?.len();
    let from = length.saturating_sub(LAST_BYTES);
    let mut bytes = vec![0; usize::try_from(length - from).unwrap_or(0)];
    file.read_exact_at(&mut bytes, from)
        .map_err(Error::Checkpoints)?;
    Ok(Some(bytes))
}

/// A checkpoint names at most `limits::CHECKPOINT_HEADS_MAX` sessions: two of them fit.
const LAST_BYTES: u64 = 64 * 1024;

pub(crate) fn path_of(dir: &Path) -> PathBuf {
    dir.join("checkpoints")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: "gw.example/node-1".to_owned(),
            size: 12,
            root: [3; 32],
            number: 2,
            at: Timestamp(5),
            segment: 1,
            offset: 900,
            heads: vec![(SessionId(8), 4, [1; 32])],
        }
    }

    #[test]
    fn a_checkpoint_is_a_signed_note() {
        let key = NodeKey::ephemeral("gw.example/node-1").expect("key");
        let note = checkpoint().sign(&key);
        assert!(
            note.starts_with(
                "gw.example/node-1\n12\nAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n"
            )
        );
        let two = format!("{note}{note}");
        let (read, rest) = Checkpoint::read(&two, key.public())
            .expect("signed")
            .expect("whole");
        assert_eq!((read, rest), (checkpoint(), note.as_str()));
        for cut in 0..note.len() {
            if note.is_char_boundary(cut) {
                let read = Checkpoint::read(&note[..cut], key.public()).expect("torn, not false");
                assert_eq!(read, None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn the_last_checkpoint_is_found_from_the_end() {
        let key = NodeKey::ephemeral("gw.example/node-1").expect("key");
        let dir = tempfile::tempdir().expect("dir");
        let last = |bytes: &str| {
            fs::write(path_of(dir.path()), bytes).expect("written");
            let found = last_of(dir.path(), key.public()).expect("read");
            found.map(|(note, text)| (note.number, text))
        };
        assert_eq!(last_of(dir.path(), key.public()).expect("read"), None);
        let numbered = |number| {
            Checkpoint {
                number,
                ..checkpoint()
            }
            .sign(&key)
        };
        let many: String = (0..400).map(numbered).collect();
        assert!(many.len() > 64 * 1024);
        assert_eq!(last(&many), Some((399, numbered(399))));
        assert_eq!(last(&many[..many.len() - 9]), Some((398, numbered(398))));
        assert_eq!(last(&many[..30]), None);
        assert_eq!(last(""), None);
    }

    #[test]
    fn what_the_last_whole_checkpoint_claims_is_read_without_a_key() {
        let key = NodeKey::ephemeral("gw.example/node-1").expect("key");
        let dir = tempfile::tempdir().expect("dir");
        let claims = |bytes: &str| {
            fs::write(path_of(dir.path()), bytes).expect("written");
            claimed(dir.path()).expect("read")
        };
        assert_eq!(claimed(dir.path()).expect("read"), 0);
        let sized = |size| {
            Checkpoint {
                size,
                ..checkpoint()
            }
            .sign(&key)
        };
        let many: String = (1..400).map(sized).collect();
        assert!(many.len() > 64 * 1024);
        assert_eq!(claims(&many), 399);
        // The last is torn in its signature, before it, and in its text.
        let last = sized(399).len();
        for cut in [1, 9, last / 2, last - 30] {
            assert_eq!(claims(&many[..many.len() - cut]), 398, "{cut} bytes less");
        }
        // A witness signs below.
        assert_eq!(claims(&format!("{many}\u{2014} witness AAAA\n")), 399);
        assert_eq!(claims(&many[..30]), 0);
        assert_eq!(claims(""), 0);
    }

    #[test]
    fn a_note_that_was_altered_or_signed_by_another_is_refused() {
        let key = NodeKey::ephemeral("gw.example/node-1").expect("key");
        let other = NodeKey::ephemeral("gw.example/node-1").expect("key");
        let next = checkpoint().sign(&key);
        for note in [next.replacen("12", "13", 1), checkpoint().sign(&other)] {
            for notes in [format!("{note}{next}"), note] {
                let read = Checkpoint::read(&notes, key.public());
                assert!(matches!(read, Err(Error::CheckpointSignature)), "{notes}");
            }
        }
    }
}
