//! Maskers: what stands in the cells of a batch. A masker reports what it found by rule; the gateway decides
//! by policy what is replaced, and with what. No key, no policy and no other column ever gets here.

use crate::{ConfigError, Rule, Stream};
use serde::de::DeserializeOwned;
use std::ops::Range;

/// Finds entities in responses, and secrets in requests on their way into the record.
///
/// One instance works for one stream and is never used for another. An idle one may be dropped: it is then
/// configured, opened and told the shape again, so keep no state that these do not restore.
pub trait Masker: Sized + 'static {
    /// Its configuration; use `#[serde(deny_unknown_fields)]`, or [`crate::NoConfig`].
    type Config: DeserializeOwned;
    /// Builds it. Everything expensive (regexes, automata) belongs here: it runs ahead of time.
    ///
    /// # Errors
    /// When the configuration makes no sense: the plugin is then not loaded.
    fn configure(config: Self::Config) -> Result<Self, ConfigError>;
    /// A stream begins.
    fn open(&mut self, stream: &Stream) {
        let _ = stream;
    }
    /// The shape of the batches that follow has changed: column names are the best context there is.
    fn schema(&mut self, shape: &Shape) {
        let _ = shape;
    }
    /// Reports what stands in these cells. Must be deterministic; `panic!` when it cannot tell.
    fn mask(&mut self, batch: &Batch<'_>, out: &mut Edits);
}

/// One column of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Its label.
    pub name: String,
    /// Type OID; 25 (text) for strings that have none.
    pub type_oid: u32,
    /// The relation it comes from, 0 when it is an expression.
    pub table_oid: u32,
    /// The column's number there.
    pub attnum: i32,
    /// True when cells arrive in binary format.
    pub binary: bool,
}

/// The columns of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// A number unique in its stream.
    pub serial: u32,
    /// Columns in order, those that the masker is not shown included.
    pub columns: Vec<Column>,
}

impl Shape {
    /// The shape of what has no columns: one nameless text column.
    pub const NONE: u32 = u32::MAX;

    /// The nameless shape.
    #[must_use]
    pub fn nameless() -> Self {
        let text = Column {
            type_oid: 25,
            ..Column::default()
        };
        Self {
            serial: Self::NONE,
            columns: vec![text],
        }
    }
}

/// What the cells of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum BatchKind {
    /// Result rows.
    Rows = 0,
    /// Fields of COPY data.
    Copy = 1,
    /// The strings of an error.
    Error = 2,
    /// The strings of a notice.
    Notice = 3,
    /// Channel and payload of a notification.
    Notification = 4,
    /// The value of a parameter status.
    Parameter = 5,
    /// The result of a function call.
    Call = 6,
    /// A request's text and parameters, on its way into the record.
    Request = 7,
    /// A piece of a byte stream: see [`Edits::hold`].
    Stream = 8,
}

impl BatchKind {
    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        const ALL: [BatchKind; 9] = [
            BatchKind::Rows,
            BatchKind::Copy,
            BatchKind::Error,
            BatchKind::Notice,
            BatchKind::Notification,
            BatchKind::Parameter,
            BatchKind::Call,
            BatchKind::Request,
            BatchKind::Stream,
        ];
        ALL.get(number as usize).copied()
    }
}

/// Consecutive cells of one shape.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    kind: BatchKind,
    shape: &'a Shape,
    cells: &'a [u32],
    data: &'a [u8],
}

impl<'a> Batch<'a> {
    /// A batch in the flat form of the contract: triples (column, start, end) into `data`.
    #[must_use]
    pub fn new(kind: BatchKind, shape: &'a Shape, cells: &'a [u32], data: &'a [u8]) -> Self {
        Self {
            kind,
            shape,
            cells,
            data,
        }
    }

    /// What the cells are.
    #[must_use]
    pub fn kind(&self) -> BatchKind {
        self.kind
    }

    /// Its columns.
    #[must_use]
    pub fn shape(&self) -> &'a Shape {
        self.shape
    }

    /// How many cells there are. NULLs and columns that are masked anyway are left out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len() / 3
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All cells, one after the other, each followed by one NUL: a single search over everything is
    /// faster than one per cell, and [`Batch::locate`] says where a hit stands.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The cells in order.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Cell<'a>> + 'a {
        let batch = *self;
        (0..batch.len()).map(move |index| batch.at(index))
    }

    /// One cell.
    #[must_use]
    pub fn cell(&self, index: usize) -> Option<Cell<'a>> {
        (index < self.len()).then(|| self.at(index))
    }

    /// The cell that holds this offset of [`Batch::data`], and the offset within it. `None` for a NUL
    /// between cells.
    #[must_use]
    pub fn locate(&self, offset: usize) -> Option<(Cell<'a>, usize)> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match (self.cells[3 * middle + 2] as usize) <= offset {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let cell = self.cell(low)?;
        let within = offset.checked_sub(self.cells[3 * low + 1] as usize)?;
        Some((cell, within))
    }

    fn at(&self, index: usize) -> Cell<'a> {
        let triple = &self.cells[3 * index..3 * index + 3];
        Cell {
            index: index as u32,
            column: triple[0],
            shape: self.shape,
            bytes: &self.data[triple[1] as usize..triple[2] as usize],
        }
    }
}

/// A stretch of text: a value, an element of an array, a leaf of a JSON document.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    index: u32,
    column: u32,
    shape: &'a Shape,
    bytes: &'a [u8],
}

impl<'a> Cell<'a> {
    /// Its place in the batch.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The index of its column in the shape.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column as usize
    }

    /// The name of its column, empty when it has none.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.shape
            .columns
            .get(self.column())
            .map_or("", |c| c.name.as_str())
    }

    /// Its bytes: text in the client's encoding, mostly UTF-8. Escapes of arrays and JSON stand as written.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its text, where it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes).ok()
    }
}

/// One report in the flat form of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Edit {
    /// Index of the cell.
    pub cell: u32,
    /// Half-open byte range within the cell.
    pub start: u32,
    /// See `start`.
    pub end: u32,
    /// Own replacement in the heap.
    pub rep_start: u32,
    /// Its length; 0 leaves the replacement to the host.
    pub rep_len: u32,
    /// The rule.
    pub rule: u16,
    /// Bit 0: never show a tail.
    pub hint: u16,
}

/// What a masker has found. Reports may come in any order and may overlap: they are sorted here, and the
/// gateway merges those of different rules after policy has chosen among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    entries: Vec<Edit>,
    heap: Vec<u8>,
    held: u32,
}

impl Edits {
    /// An entity stands at `range` (bytes within the cell). Policy says how it is masked, if at all.
    pub fn entity(&mut self, cell: Cell<'_>, range: Range<usize>, rule: Rule) {
        self.report(cell, range, rule, "", 0);
    }

    /// The same for a value whose last characters must never be shown: passwords, short secrets.
    pub fn entity_without_tail(&mut self, cell: Cell<'_>, range: Range<usize>, rule: Rule) {
        self.report(cell, range, rule, "", 1);
    }

    /// The same with a replacement of the plugin's own, used where policy says `redact`.
    pub fn replace(&mut self, cell: Cell<'_>, range: Range<usize>, text: &str, rule: Rule) {
        assert!(!text.contains('\0'), "a replacement holds no NUL");
        self.report(cell, range, rule, text, 0);
    }

    /// [`BatchKind::Stream`]: the last `bytes` bytes may be the beginning of something; they are shown
    /// again in front of what comes next. At most 4096; an edit within them, or one that touches the end, waits.
    /// Up to 64 bytes that have gone already stand before what is new: an edit of these changes nothing any more.
    pub fn hold(&mut self, bytes: usize) {
        assert!(bytes <= 4096, "at most 4096 bytes can be held");
        self.held = bytes as u32;
    }

    /// What was reported, sorted, in the flat form of the contract.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Edit>, Vec<u8>, u32) {
        let key = |e: &Edit| (e.cell, e.start, e.end, e.rule);
        if !self.entries.is_sorted_by_key(key) {
            self.entries.sort_by_key(key);
        }
        self.join_same_rule();
        (self.entries, self.heap, self.held)
    }

    fn report(&mut self, cell: Cell<'_>, range: Range<usize>, rule: Rule, text: &str, hint: u16) {
        assert!(
            range.start < range.end && range.end <= cell.bytes.len(),
            "a range within the cell"
        );
        self.entries.push(Edit {
            cell: cell.index,
            start: range.start as u32,
            end: range.end as u32,
            rep_start: self.heap.len() as u32,
            rep_len: text.len() as u32,
            rule: rule.0,
            hint,
        });
        self.heap.extend_from_slice(text.as_bytes());
    }

    /// Overlapping reports of one rule become one.
    fn join_same_rule(&mut self) {
        let mut kept: Vec<Edit> = Vec::new();
        let overlaps = |a: &Edit, b: &Edit| a.cell == b.cell && a.rule == b.rule && b.start < a.end;
        let clash = self.entries.iter().enumerate().any(|(i, a)| {
            self.entries[i + 1..]
                .iter()
                .take_while(|b| b.cell == a.cell && b.start < a.end)
                .any(|b| overlaps(a, b))
        });
        if !clash {
            return;
        }
        for edit in &self.entries {
            let same_cell = |k: &&mut Edit| k.cell == edit.cell;
            let mut before = kept.iter_mut().rev().take_while(same_cell);
            match before.find(|k| overlaps(k, edit)) {
                Some(before) => {
                    let wider = edit.end - edit.start > before.end - before.start;
                    if wider {
                        (before.rep_start, before.rep_len) = (edit.rep_start, edit.rep_len);
                    }
                    before.end = before.end.max(edit.end);
                    before.hint |= edit.hint;
                }
                None => kept.push(*edit),
            }
        }
        kept.sort_by_key(|e| (e.cell, e.start, e.end, e.rule));
        self.entries = kept;
    }
}
