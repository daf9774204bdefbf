//! COPY TO STDOUT as batches. Nothing on the wire says what the stream is made of, so its syntax comes from
//! the statement; without it only the binary format, which frames itself, can be read. Rows need not
//! align with CopyData frames: an unfinished row is held back, within a bound.
//!
//! It refuses what would make it read another stream than the client: ENCODING, a syntax that the
//! server would have refused, a row with another number of fields, bytes behind the trailer.

use super::collect::Collect;
use super::copy_binary;
use super::copy_csv::Csv;
use super::copy_rewrite::CopyRewrite;
use super::copy_text::Text;
use super::cursor::Cursor;
use super::frames::{Frames, HEADER, bounded, broken, write};
use super::kind::Kind;
use super::pass::{Form, Outcome, Pass, Span, Token};
use super::shape;
use super::walk::walk;
use bytes::Bytes;
use portcullis_gate::Rewrite;
use portcullis_model::facts::CopyFacts;
use portcullis_model::limits::FRAME_BYTES_MAX;
use portcullis_model::rows::Column;
use portcullis_model::{Batch, BatchKind, Fault, RowShape};
use std::ops::Range;
use std::sync::Arc;

/// Tag of CopyData.
pub(super) const COPY_DATA: u8 = b'd';

/// The stream of one COPY TO STDOUT.
pub struct CopyOut {
    plan: Arc<Plan>,
    /// An unfinished row.
    pending: Vec<u8>,
    progress: Progress,
    stage: Stage,
}

/// What a stream is made of.
pub(super) struct Plan {
    pub(super) shape: Arc<RowShape>,
    pub(super) syntax: Syntax,
    /// The first row holds column names.
    header: bool,
    /// What is copied is a query: its columns may be expressions.
    pub(super) expressions: bool,
}

/// How rows are written.
pub(super) enum Syntax {
    Text(Text),
    Csv(Csv),
    Binary,
}

/// How far the search for the end of a row has come, so that no byte is searched twice.
#[derive(Clone, Copy, Default)]
pub(super) struct Progress {
    pub(super) at: usize,
    pub(super) quoted: bool,
    pub(super) escaped: bool,
}

/// Where in the stream the next row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its beginning: column names, or the binary signature.
    Start,
    /// Rows.
    Rows,
    /// Behind the binary trailer.
    End,
}

/// What a row turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Values.
    Row,
    /// Column names: looked at, but no mask of a column applies.
    Names,
    /// The binary trailer.
    Trailer,
}

impl CopyOut {
    /// A stream from the body of its CopyOutResponse and the facts of its statement. `serial` is below
    /// [`shape::FIRST_RESERVED_SERIAL`].
    ///
    /// Without facts only a binary stream is accepted: text and csv look alike on the wire, and a
    /// delimiter guessed wrong would cut values apart before a detector sees them.
    ///
    /// # Errors
    /// A `Fault` of the upstream when response and facts do not fit each other or cannot be followed.
    pub fn new(
        response_body: &[u8],
        facts: Option<&CopyFacts>,
        serial: u32,
    ) -> Result<Self, Fault> {
        let (binary, columns) =
            response(response_body).ok_or_else(|| broken("read a CopyOutResponse"))?;
        let names = facts
            .map(|facts| facts.columns.as_slice())
            .unwrap_or_default();
        let named = names.len() == columns;
        let column = |index: usize| -> Column {
            let name = names.get(index).filter(|_| named).cloned();
            shape::nameless(
                name.unwrap_or_else(|| format!("column {}", index + 1)),
                binary,
            )
        };
        let columns = (0..columns).map(column).collect();
        let syntax = match facts {
            None if binary => Syntax::Binary,
            None => return Err(broken("follow a COPY whose statement is not known")),
            Some(facts) => syntax(facts, binary)?,
        };
        let header = !binary && facts.is_some_and(|facts| facts.header);
        let expressions = facts.is_none_or(|facts| facts.relation.is_none());
        let shape = Arc::new(RowShape { serial, columns });
        Ok(Self {
            plan: Arc::new(Plan {
                shape,
                syntax,
                header,
                expressions,
            }),
            pending: Vec::new(),
            progress: Progress::default(),
            stage: Stage::Start,
        })
    }

    /// The whole rows of consecutive CopyData frames, with what was held back before; `None` while
    /// there is none.
    ///
    /// # Errors
    /// A `Fault` of the upstream when the stream is not what the statement says, or a row is longer
    /// than a frame may be.
    pub fn batch(&mut self, frames: Bytes) -> Result<Option<(Batch, Box<dyn Rewrite>)>, Fault> {
        bounded(&frames)?;
        let before = self.stage;
        let wire = self.align(&frames)?;
        match wire.is_empty() {
            true => Ok(None),
            false => self.read(wire, before).map(Some),
        }
    }

    /// The end of the stream (CopyDone): a last row without its newline, if there is one.
    ///
    /// # Errors
    /// A `Fault` of the upstream when a row is cut off.
    pub fn finish(&mut self) -> Result<Option<(Batch, Box<dyn Rewrite>)>, Fault> {
        let last = std::mem::take(&mut self.pending);
        let cut = self.progress.quoted || self.progress.escaped;
        self.progress = Progress::default();
        if last.is_empty() {
            return Ok(None);
        }
        if cut || matches!(self.plan.syntax, Syntax::Binary) {
            return Err(broken("finish a COPY: its last row is cut off"));
        }
        let before = self.stage;
        self.stage = Stage::Rows;
        let mut wire = Vec::with_capacity(last.len() + HEADER);
        write(&mut wire, COPY_DATA, &last)?;
        self.read(wire.into(), before).map(Some)
    }

    /// Frames that hold whole rows only: the received ones as far as they do, then a frame for each row.
    fn align(&mut self, frames: &Bytes) -> Result<Bytes, Fault> {
        let mut aligned = 0;
        let mut rebuilt: Option<Vec<u8>> = None;
        for body in Frames::new(frames, COPY_DATA) {
            let body = body?;
            let payload = frames.get(body.clone()).unwrap_or_default();
            if rebuilt.is_none() && self.pending.is_empty() {
                let before = self.stage;
                if self.whole_rows(payload)? {
                    aligned = body.end;
                    continue;
                }
                self.stage = before;
            }
            let out =
                rebuilt.get_or_insert_with(|| frames.get(..aligned).unwrap_or_default().to_vec());
            self.hold(payload, out)?;
        }
        Ok(match rebuilt {
            None => frames.clone(),
            Some(rebuilt) if rebuilt.len() == aligned => frames.slice(..aligned),
            Some(rebuilt) => rebuilt.into(),
        })
    }

    /// True when a payload ends where a row ends.
    fn whole_rows(&mut self, payload: &[u8]) -> Result<bool, Fault> {
        let mut rest = payload;
        while !rest.is_empty() {
            let mut progress = Progress::default();
            match self.plan.end(rest, &mut progress, &mut self.stage)? {
                None => return Ok(false),
                Some(end) => rest = rest.get(end..).unwrap_or_default(),
            }
        }
        Ok(true)
    }

    /// Adds to what is held back and moves whole rows out of it, each in a frame of its own.
    fn hold(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.pending.extend_from_slice(payload);
        let mut done = 0;
        while let Some(rest) = self.pending.get(done..).filter(|rest| !rest.is_empty()) {
            match self.plan.end(rest, &mut self.progress, &mut self.stage)? {
                None => break,
                Some(end) => {
                    write(out, COPY_DATA, rest.get(..end).unwrap_or_default())?;
                    self.progress = Progress::default();
                    done += end;
                }
            }
        }
        self.pending.drain(..done);
        match self.pending.len() <= FRAME_BYTES_MAX {
            true => Ok(()),
            false => Err(broken("keep a row of COPY within the bound of a frame")),
        }
    }

    fn read(&self, wire: Bytes, before: Stage) -> Result<(Batch, Box<dyn Rewrite>), Fault> {
        let mut collect = Collect::new(wire.clone());
        let mut stage = before;
        let mut rows = 0;
        let mut reader = Reader::new(&self.plan, &wire);
        for body in Frames::new(&wire, COPY_DATA) {
            let mut at = body?;
            while let Some((unit, end)) = reader.unit(at.clone(), &mut stage)? {
                rows += u32::from(unit == Unit::Row);
                for (column, token) in reader.tokens.iter().enumerate() {
                    collect.column(column);
                    self.plan.walk(&wire, *token, &mut collect)?;
                }
                at.start = end;
            }
        }
        let (text, cells) = collect.finish();
        let batch = Batch {
            kind: BatchKind::Copy,
            shape: self.plan.shape.clone(),
            text,
            cells,
            rows,
            wire: wire.clone(),
        };
        let rewrite = CopyRewrite {
            plan: self.plan.clone(),
            frames: wire,
            stage: before,
        };
        Ok((batch, Box::new(rewrite)))
    }
}

/// Format and number of columns of a CopyOutResponse. In text every column is text; in binary they
/// may differ in theory, and never do.
fn response(body: &[u8]) -> Option<(bool, usize)> {
    let mut cursor = Cursor::new(body);
    let format = i16::from(cursor.u8()?);
    let binary = shape::binary(format)?;
    let columns = cursor.count()?;
    for _ in 0..columns {
        if cursor.i16()? != format {
            return None;
        }
    }
    cursor.is_empty().then_some((binary, columns))
}

fn syntax(facts: &CopyFacts, binary: bool) -> Result<Syntax, Fault> {
    if facts.from || facts.encoding.is_some() {
        return Err(broken(
            "follow a COPY that uploads or has an encoding of its own",
        ));
    }
    let syntax = match (facts.format.as_str(), binary) {
        ("text", false) => Text::new(facts).map(Syntax::Text),
        ("csv", false) => Csv::new(facts).map(Syntax::Csv),
        ("binary", true) => Some(Syntax::Binary),
        _ => None,
    };
    syntax.ok_or_else(|| broken("follow a COPY: its response and its statement differ"))
}

impl Plan {
    /// Where the row ends that `bytes` begin with; `None` while it is unfinished.
    fn end(
        &self,
        bytes: &[u8],
        progress: &mut Progress,
        stage: &mut Stage,
    ) -> Result<Option<usize>, Fault> {
        let end = match &self.syntax {
            Syntax::Text(text) => text.end(bytes, progress),
            Syntax::Csv(csv) => csv.end(bytes, progress),
            Syntax::Binary => {
                let columns = self.shape.columns.len();
                return copy_binary::end(bytes, columns, progress, stage);
            }
        };
        if end.is_some() {
            *stage = Stage::Rows;
        }
        Ok(end)
    }

    /// What a value is: types are known to nobody.
    pub(super) fn kind(&self) -> Kind {
        match self.syntax {
            Syntax::Text(_) | Syntax::Csv(_) => Kind::Field,
            Syntax::Binary => Kind::PackedField,
        }
    }

    /// Hands a field's value, decoded, to `then`; NULL has none.
    pub(super) fn decoded<T>(
        &self,
        frames: &[u8],
        token: Token,
        then: impl FnOnce(Span<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let within = match self.syntax {
            Syntax::Binary => token.start.saturating_add(4)..token.end,
            Syntax::Text(_) => token.range(),
            Syntax::Csv(_) => token.within(),
        };
        let bytes = frames.get(within.clone()).unwrap_or_default();
        match (token.form, &self.syntax) {
            (Form::Null, _) => Ok(None),
            (Form::Escaped, Syntax::Text(_)) => {
                then(Span::decoded(&super::copy_text::unescape(bytes))).map(Some)
            }
            (Form::Escaped, Syntax::Csv(csv)) => {
                then(Span::decoded(&csv.unescape(bytes))).map(Some)
            }
            _ => then(Span::received(bytes, within.start)).map(Some),
        }
    }

    /// Goes over one field.
    pub(super) fn walk<P: Pass>(
        &self,
        frames: &[u8],
        token: Token,
        pass: &mut P,
    ) -> Result<Outcome, Fault> {
        let kind = self.kind();
        let outcome = self.decoded(frames, token, |value| walk(kind, value, pass))?;
        Ok(outcome.unwrap_or(Outcome::Same))
    }

    /// A field with this outcome, in the stream's own syntax; `None` when it stays as it is.
    pub(super) fn encode(&self, outcome: Outcome) -> Result<Option<Vec<u8>>, Fault> {
        match (&self.syntax, outcome) {
            (_, Outcome::Same) => Ok(None),
            (Syntax::Binary, outcome) => super::whole::field(outcome),
            (Syntax::Text(text), Outcome::New(new)) => Ok(Some(text.escape(&new))),
            (Syntax::Text(text), Outcome::Null) => Ok(Some(text.null.clone())),
            (Syntax::Csv(csv), Outcome::New(new)) => Ok(Some(csv.quote(&new))),
            (Syntax::Csv(csv), Outcome::Null) => Ok(Some(csv.null.clone())),
        }
    }
}

/// Takes rows out of aligned frames, one at a time; keeps one list of fields for all of them.
pub(super) struct Reader<'a> {
    plan: &'a Plan,
    frames: &'a [u8],
    /// The fields of the row that was read last, as ranges of the frames.
    pub(super) tokens: Vec<Token>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(plan: &'a Plan, frames: &'a [u8]) -> Self {
        Self {
            plan,
            frames,
            tokens: Vec::with_capacity(plan.shape.columns.len()),
        }
    }

    /// Reads the row at the start of a range of the frames: what it is and where it ends.
    pub(super) fn unit(
        &mut self,
        at: Range<usize>,
        stage: &mut Stage,
    ) -> Result<Option<(Unit, usize)>, Fault> {
        if at.is_empty() {
            return Ok(None);
        }
        let misfit = || broken("read a row of COPY");
        let bytes = self.frames.get(..at.end).ok_or_else(misfit)?;
        let columns = self.plan.shape.columns.len();
        let first = *stage == Stage::Start;
        self.tokens.clear();
        let read = match &self.plan.syntax {
            Syntax::Text(text) => text.fields(bytes, at.start, columns, &mut self.tokens),
            Syntax::Csv(csv) => csv.fields(bytes, at.start, columns, &mut self.tokens),
            Syntax::Binary => {
                return copy_binary::fields(bytes, at.start, columns, stage, &mut self.tokens)
                    .map(Some)
                    .ok_or_else(misfit);
            }
        };
        let end = read.ok_or_else(misfit)?;
        *stage = Stage::Rows;
        let unit = match first && self.plan.header {
            true => Unit::Names,
            false => Unit::Row,
        };
        Ok(Some((unit, end)))
    }
}
