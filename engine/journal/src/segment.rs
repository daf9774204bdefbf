//! One file of the log. It begins with everything needed to verify it without the files before it: size
//! and peaks of the tree and the chain heads of open sessions. A lie there does not help anybody: the
//! next signed root would not come out. Refuses headers that are torn or do not fit their name.

use crate::error::Error;
use crate::frame::{self, Broken, Frame};
use crate::tree::{Hash, Tree};
use portcullis_model::SessionId;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"PCWAL\0\x02\n";
/// Format 1: its entries name no stream.
const MAGIC_BEFORE: &[u8; 8] = b"PCWAL\0\x01\n";
/// The magic and the length.
const HEADER_BEGINS: usize = MAGIC.len() + 4;
/// Bytes of the crc after it.
const CRC: usize = 4;

/// The chain of one session, at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub sequence: u64,
    pub hash: Hash,
    /// Its End entry stands, but no checkpoint covers it yet.
    pub ended: bool,
}

/// What a segment begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub origin: String,
    pub segment: u64,
    pub tree: Tree,
    pub heads: Vec<(SessionId, Head)>,
}

/// The header as JSON.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    origin: String,
    segment: u64,
    size: u64,
    peaks: Vec<String>,
    /// Session, sequence, head, ended.
    heads: Vec<(SessionId, u64, String, bool)>,
}

impl Header {
    /// `magic | len u32 | JSON | crc32c`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let written = Written {
            version: 1,
            origin: self.origin.clone(),
            segment: self.segment,
            size: self.tree.size(),
            peaks: self.tree.peaks().iter().map(hex::encode).collect(),
            heads: self
                .heads
                .iter()
                .map(|(id, head)| (*id, head.sequence, hex::encode(head.hash), head.ended))
                .collect(),
        };
        let json = serde_json::to_vec(&written).expect("invariant: strings and numbers");
        let mut out = MAGIC.to_vec();
        let len = u32::try_from(json.len()).expect("invariant: sessions are bounded");
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&json);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    /// The header and its length in bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let (len, _) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        let end = (MAGIC.len() + 4).checked_add(u32::from_be_bytes(*len) as usize)?;
        let json = bytes.get(MAGIC.len() + 4..end)?;
        let crc = bytes.get(end..end + 4)?;
        if crc32c::crc32c(&bytes[..end]).to_be_bytes() != crc {
            return None;
        }
        let written: Written = serde_json::from_slice(json).ok()?;
        let peaks = written
            .peaks
            .iter()
            .map(|h| unhex(h))
            .collect::<Option<Vec<_>>>()?;
        let heads = written.heads.iter().map(|(id, sequence, hash, ended)| {
            let head = Head {
                sequence: *sequence,
                hash: unhex(hash)?,
                ended: *ended,
            };
            Some((*id, head))
        });
        let header = Self {
            origin: written.origin.clone(),
            segment: written.segment,
            tree: Tree::resume(written.size, peaks)?,
            heads: heads.collect::<Option<Vec<_>>>()?,
        };
        (written.version == 1).then_some((header, end + 4))
    }
}

/// A segment read into memory: bounded by `Settings::segment_bytes` and one run.
pub(crate) struct Segment {
    pub path: PathBuf,
    pub header: Header,
    pub bytes: Vec<u8>,
    /// Where the first frame begins.
    pub body: usize,
}

impl Segment {
    /// Reads a segment, plain or compressed.
    ///
    /// # Errors
    /// [`Error::ReadSegment`], [`Error::SegmentHeader`], [`Error::OldFormat`].
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let number = number_of(path).unwrap_or(0);
        let mut bytes = Vec::new();
        let got = open(path)?.read_to_end(&mut bytes);
        got.map_err(Error::ReadSegment)?;
        if bytes.starts_with(MAGIC_BEFORE) {
            return Err(Error::OldFormat(number));
        }
        match Header::decode(&bytes) {
            Some((header, body)) if header.segment == number => Ok(Self {
                path: path.to_owned(),
                header,
                bytes,
                body,
            }),
            _ => Err(Error::SegmentHeader(number)),
        }
    }

    /// The frame at an offset; `None` at the end of the file.
    pub(crate) fn frame_at(&self, offset: usize) -> Option<Result<Frame<'_>, Broken>> {
        let rest = self.bytes.get(offset..)?;
        (!rest.is_empty()).then(|| frame::decode(rest))
    }
}

/// The header of a segment, without reading the rest.
///
/// # Errors
/// As [`Segment::read`].
pub(crate) fn header_of(path: &Path) -> Result<Header, Error> {
    begin(path).map(|(header, _, _)| header)
}

/// The header of a segment, where its first frame begins, and the file.
///
/// # Errors
/// As [`Segment::read`].
pub(crate) fn begin(path: &Path) -> Result<(Header, usize, fs::File), Error> {
    let number = number_of(path).unwrap_or(0);
    let mut file = open(path)?;
    let held = file.metadata().map_err(Error::ReadSegment)?.len();
    let mut bytes = Vec::new();
    let mut read = |bytes: &mut Vec<u8>, more: u64| {
        let got = (&mut file).take(more).read_to_end(bytes);
        got.map_err(Error::ReadSegment)
    };
    read(&mut bytes, HEADER_BEGINS as u64)?;
    if bytes.starts_with(MAGIC_BEFORE) {
        return Err(Error::OldFormat(number));
    }
    // How long it says it is; one that says more than the file holds is not read.
    let said = bytes.strip_prefix(MAGIC).and_then(<[u8]>::first_chunk);
    let length = said.map(|said| u64::from(u32::from_be_bytes(*said)) + CRC as u64);
    let length = length.filter(|length| *length <= held);
    read(&mut bytes, length.ok_or(Error::SegmentHeader(number))?)?;
    match Header::decode(&bytes) {
        Some((header, body)) if header.segment == number => Ok((header, body, file)),
        _ => Err(Error::SegmentHeader(number)),
    }
}

/// The file of a segment. A pipe or a device under its name would be read for ever.
///
/// # Errors
/// [`Error::ReadSegment`].
pub(crate) fn open(path: &Path) -> Result<fs::File, Error> {
    let held = fs::metadata(path).map_err(Error::ReadSegment)?;
    if !held.is_file() {
        let what = format!("{} is no file", path.display());
        let error = io::Error::new(io::ErrorKind::InvalidData, what);
        return Err(Error::ReadSegment(error));
    }
    fs::File::open(path).map_err(Error::ReadSegment)
}

/// The segments of a record, in order. Each has one name: what is called otherwise (`1.wal`) is none.
pub(crate) fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::OpenDirectory)? {
        let path = entry.map_err(Error::OpenDirectory)?.path();
        if let Some(number) = number_of(&path) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The path of a segment.
pub(crate) fn path_of(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("{segment:08}.wal"))
}

fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_suffix(".wal")?.parse().ok()?;
    (number > 0 && name == format!("{number:08}.wal")).then_some(number)
}

pub(crate) fn unhex(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_has_one_name_and_is_a_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let names = [
            "00000001.wal",
            "123456789.wal",
            "00000000.wal",
            "0.wal",
            "1.wal",
            "+0000001.wal",
            "00000001.wal.torn-0",
            "000000002.wal",
            "99999999999999999999.wal",
        ];
        for name in names {
            fs::write(dir.path().join(name), b"").expect("written");
        }
        let found = list(dir.path()).expect("listed");
        let numbers: Vec<u64> = found.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 123_456_789]);
        let device = dir.path().join("00000003.wal");
        std::os::unix::fs::symlink("/dev/zero", &device).expect("a link");
        assert!(matches!(Segment::read(&device), Err(Error::ReadSegment(_))));
        assert!(matches!(header_of(&device), Err(Error::ReadSegment(_))));
    }

    #[test]
    fn a_header_reads_back_and_a_torn_one_does_not() {
        let mut tree = Tree::default();
        tree.push([7; 32]);
        let head = Head {
            sequence: 3,
            hash: [9; 32],
            ended: true,
        };
        let header = Header {
            origin: "node-1".to_owned(),
            segment: 4,
            tree,
            heads: vec![(SessionId(5), head)],
        };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some((header, bytes.len())));
        for cut in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..cut]), None, "cut at {cut}");
        }
    }
}
