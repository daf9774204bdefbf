//! How targets read their input: front to back, so that a seed is written as it is read and a mutation
//! changes one thing. Refuses nothing: where the input ends, there are zeros and empty slices.

/// An input on its way through a target.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// From its beginning.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A number of two bytes, big end first.
    pub fn short(&mut self) -> u16 {
        u16::from(self.byte()) << 8 | u16::from(self.byte())
    }

    /// One of these, chosen by a byte.
    pub fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()]
    }

    /// So many bytes, or as many as there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// As many bytes as the next byte says.
    pub fn piece(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte());
        self.take(count)
    }

    /// Everything that is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// True when nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Pieces of a stream as a network would deliver them: each at least a byte, `pattern` says how long.
pub fn chunks<'a>(stream: &'a [u8], pattern: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut lengths = pattern.iter().chain(std::iter::repeat(&0));
    let mut rest = stream;
    std::iter::from_fn(move || {
        let length = usize::from(*lengths.next()?) + 1;
        let (chunk, left) = rest.split_at(length.min(rest.len()));
        rest = left;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// A frame of protocol version 3, written without the code under test.
#[must_use]
pub fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).expect("inputs are small");
    let mut out = vec![tag];
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// Writes a value with its length; `None` is NULL.
pub fn value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    let length = value.map_or(-1, |v| i32::try_from(v.len()).expect("inputs are small"));
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value.unwrap_or_default());
}

/// A DataRow.
#[must_use]
pub fn data_row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let count = i16::try_from(values.len()).expect("inputs are small");
    let mut body = count.to_be_bytes().to_vec();
    values.iter().for_each(|v| value(&mut body, *v));
    frame(b'D', &body)
}

/// The body of a RowDescription for columns of (type OID, format).
#[must_use]
pub fn description(columns: &[(u32, i16)]) -> Vec<u8> {
    let count = i16::try_from(columns.len()).expect("inputs are small");
    let mut out = count.to_be_bytes().to_vec();
    for (oid, format) in columns {
        out.extend_from_slice(b"c\0\0\0\x40\0\0\x01");
        out.extend_from_slice(&oid.to_be_bytes());
        out.extend_from_slice(b"\xff\xff\xff\xff\xff\xff");
        out.extend_from_slice(&format.to_be_bytes());
    }
    out
}
