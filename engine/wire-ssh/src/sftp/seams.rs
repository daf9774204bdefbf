//! Where pieces of one file meet: a secret may begin in one packet and end in the next, and what stands between them is
//! SFTP's own. Pieces that lie beside each other in the file grow together here, in whatever order they come, and the few
//! bytes about each place where two of them met are handed out to be looked at.
//!
//! It refuses to grow: runs are few, and of each no more than its two ends are kept. A client that reads files in more
//! scattered pieces than that has the oldest forgotten.

use portcullis_model::limits;
use std::borrow::Cow;
use std::collections::VecDeque;

/// The files of one stream, one direction.
pub(crate) struct Seams {
    reach: usize,
    runs: VecDeque<Run>,
}

/// Bytes that lie beside each other in a file.
struct Run {
    file: u64,
    start: u64,
    end: u64,
    /// Its first bytes, all of them where it is shorter than the reach.
    head: Vec<u8>,
    /// Its last bytes, likewise.
    tail: Vec<u8>,
}

impl Seams {
    /// `reach`: no secret is longer.
    pub(crate) fn new(reach: usize) -> Self {
        Self {
            reach,
            runs: VecDeque::new(),
        }
    }

    /// One more piece: what stands about its two ends, where something lies beside it.
    pub(crate) fn piece(&mut self, file: u64, offset: u64, data: &[u8]) -> Vec<u8> {
        let end = u64::try_from(data.len()).ok();
        let Some(end) = end.and_then(|length| offset.checked_add(length)) else {
            return Vec::new();
        };
        if data.is_empty() || self.reach == 0 {
            return Vec::new();
        }
        let left = self.take(|run| run.file == file && run.end == offset);
        let right = self.take(|run| run.file == file && run.start == end);
        let before = left.as_ref().map(|run| run.tail.as_slice());
        let after = right.as_ref().map(|run| run.head.as_slice());
        let met = before.is_some() || after.is_some();
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let joined = match met {
            true => [before, &self.ends(data), after].concat(),
            false => Vec::new(),
        };
        let head = match &left {
            Some(run) if run.head.len() >= self.reach => run.head.clone(),
            Some(run) => first_of(self.reach, &[&run.head, data, after]),
            None => first_of(self.reach, &[data, after]),
        };
        let tail = match &right {
            Some(run) if run.tail.len() >= self.reach => run.tail.clone(),
            Some(run) => last_of(self.reach, &[before, data, &run.tail]),
            None => last_of(self.reach, &[before, data]),
        };
        self.runs.push_back(Run {
            file,
            start: left.as_ref().map_or(offset, |run| run.start),
            end: right.as_ref().map_or(end, |run| run.end),
            head,
            tail,
        });
        if self.runs.len() > limits::SFTP_SEAMS_MAX {
            self.runs.pop_front();
        }
        joined
    }

    /// The newest such run, taken out.
    fn take(&mut self, such: impl Fn(&Run) -> bool) -> Option<Run> {
        let at = self.runs.iter().rposition(such)?;
        self.runs.remove(at)
    }

    /// What of a piece can be part of something over its ends; its middle was looked at on its way.
    fn ends<'d>(&self, data: &'d [u8]) -> Cow<'d, [u8]> {
        match data.len() > self.reach.saturating_mul(2) {
            true => {
                let first = first_of(self.reach, &[data]);
                Cow::Owned([first, last_of(self.reach, &[data])].concat())
            }
            false => Cow::Borrowed(data),
        }
    }

    /// Nothing more comes of this file.
    pub(crate) fn forget(&mut self, file: u64) {
        self.runs.retain(|run| run.file != file);
    }
}

fn first_of(reach: usize, parts: &[&[u8]]) -> Vec<u8> {
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.take(reach).copied().collect()
}

fn last_of(reach: usize, parts: &[&[u8]]) -> Vec<u8> {
    let bytes = parts.iter().rev().flat_map(|part| part.iter().rev());
    let mut last: Vec<u8> = bytes.take(reach).copied().collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"hunter2-hunter2";

    fn shows(seams: &mut Seams, offset: u64, data: &[u8]) -> bool {
        let joined = seams.piece(7, offset, data);
        joined.windows(SECRET.len()).any(|w| w == SECRET)
    }

    #[test]
    fn a_secret_over_two_pieces_is_whole_where_they_meet() {
        for cut in 1..SECRET.len() {
            let (a, b) = SECRET.split_at(cut);
            let (first, second) = ([b"xx", a].concat(), [b, b"yy"].concat());
            let at = first.len() as u64;
            let mut seams = Seams::new(SECRET.len());
            assert!(!shows(&mut seams, 0, &first));
            assert!(shows(&mut seams, at, &second), "cut at {cut}");
            // The other way round it is the same file.
            let mut seams = Seams::new(SECRET.len());
            assert!(!shows(&mut seams, at, &second));
            assert!(shows(&mut seams, 0, &first), "cut at {cut}, backwards");
        }
    }

    #[test]
    fn a_secret_in_single_bytes_is_whole_in_whatever_order_they_come() {
        let orders: [Vec<usize>; 3] = [
            (0..SECRET.len()).collect(),
            (0..SECRET.len()).rev().collect(),
            (0..SECRET.len()).map(|n| n * 7 % SECRET.len()).collect(),
        ];
        for order in orders {
            let mut seams = Seams::new(SECRET.len());
            let found = order
                .iter()
                .filter(|at| shows(&mut seams, 100 + **at as u64, &SECRET[**at..**at + 1]))
                .count();
            assert_eq!(found, 1, "{order:?}");
        }
    }

    #[test]
    fn pieces_of_different_files_and_pieces_apart_are_not_joined() {
        let (a, b) = SECRET.split_at(5);
        let mut seams = Seams::new(SECRET.len());
        assert!(seams.piece(1, 0, a).is_empty());
        assert!(seams.piece(2, 5, b).is_empty());
        assert!(seams.piece(1, 6, b).is_empty());
        seams.forget(1);
        assert!(seams.piece(1, 5, b).is_empty());
        assert!(seams.piece(3, u64::MAX, b"xx").is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut seams = Seams::new(64);
        for n in 0..10_000_u64 {
            let _ = seams.piece(1, n * 1000, &[7; 100]);
            let _ = seams.piece(n, 0, &[7; 500]);
        }
        assert!(seams.runs.len() <= limits::SFTP_SEAMS_MAX);
        let most = seams.runs.iter().map(|run| run.head.len() + run.tail.len());
        assert!(most.max() <= Some(128));
    }
}
