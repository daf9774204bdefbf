//! The tripwire for streams that arrive in chunks: terminals, COPY bodies, request bodies.
//!
//! It exists because a chunk may end in the middle of a secret. It holds back as many bytes as may be the
//! beginning of one, nearly always none, and it refuses to let them go before the next chunk or the end
//! has said what they are.

use crate::armory::Tripwires;
use portcullis_gate::Tripwire;

/// One direction of one stream.
pub struct HoldBack {
    wires: Tripwires,
    marker: Vec<u8>,
    held: Vec<u8>,
}

/// What may go on, and how many secrets were replaced in it.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Passed {
    /// The bytes, each secret replaced by the marker.
    pub bytes: Vec<u8>,
    /// Secrets replaced.
    pub hits: usize,
}

impl HoldBack {
    /// A stream in which `marker` stands for every secret.
    #[must_use]
    pub fn new(wires: Tripwires, marker: &str) -> Self {
        Self {
            wires,
            marker: marker.as_bytes().to_vec(),
            held: Vec::new(),
        }
    }

    /// The next chunk.
    pub fn push(&mut self, chunk: &[u8]) -> Passed {
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(chunk);
        let hits = self.wires.hits(&text);
        let settled = hits.last().map_or(0, |(_, end)| *end);
        let open = text.get(settled..).unwrap_or_default();
        let keep = open.len().min(self.wires.partial(open));
        self.held = text.split_off(text.len() - keep);
        self.replace(&text, &hits)
    }

    /// The end of the stream: what was held back.
    pub fn finish(&mut self) -> Passed {
        let text = std::mem::take(&mut self.held);
        let hits = self.wires.hits(&text);
        self.replace(&text, &hits)
    }

    /// Bytes held back right now; less than the length of the longest needle.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn replace(&self, text: &[u8], hits: &[(usize, usize)]) -> Passed {
        let mut bytes = Vec::with_capacity(text.len());
        let mut from = 0;
        for (start, end) in hits {
            bytes.extend_from_slice(text.get(from..*start).unwrap_or_default());
            bytes.extend_from_slice(&self.marker);
            from = *end;
        }
        bytes.extend_from_slice(text.get(from..).unwrap_or_default());
        Passed {
            bytes,
            hits: hits.len(),
        }
    }
}
