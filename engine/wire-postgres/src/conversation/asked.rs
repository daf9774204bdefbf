//! What the client says, one frame at a time: framed strictly, understood, and not yet judged.

use super::expect::What;
use super::names::{Portal, Prepared, Resolved, quoted};
use super::{Conversation, PIPELINE_MAX, replicating};
use crate::frame::{Fields, Malformed, body};
use crate::house_frames::RESERVED;
use crate::replication::Read;
use crate::values;
use bytes::Bytes;
use portcullis_model::message::{Body, Message, Statement};
use portcullis_model::{
    Denial, Fault, Parameter, Side, Stage, StatementFacts, Timestamp, Transaction,
};
use std::sync::Arc;

/// PostgreSQL's NAMEDATALEN less its NUL.
const NAME_BYTES_MAX: usize = 63;

/// What is to be done with a frame.
pub enum Asked {
    /// It has to wait for answers that are due.
    Stall,
    /// It is dropped, as the server would drop it.
    Drop,
    /// The client says good-bye.
    Gone,
    /// It is to be judged.
    Judge(Message, Intent),
    /// A Bind of a statement that does not exist, which drivers answer by preparing it again.
    Unprepared(Denial),
    /// A replication command that is not on the list.
    Unlisted(Denial, Intent),
}

/// What an allowed message does to the conversation.
#[derive(Debug)]
pub enum Intent {
    /// Simple query.
    Query(Arc<str>),
    /// Parse: name, text, declared types.
    Parse(String, Arc<str>, Vec<u32>),
    /// Bind: portal, statement, parameters, result formats.
    Bind(String, Arc<Prepared>, Vec<Parameter>, Vec<i16>),
    /// Describe of a statement.
    DescribeStatement(String),
    /// Describe of a portal.
    DescribePortal(String),
    /// Execute of a portal.
    Execute(String, Arc<Portal>),
    /// Close of a statement (true) or portal.
    Close(bool, String),
    /// Sync.
    Sync,
    /// Flush.
    Flush,
    /// FunctionCall.
    Call,
    /// A replication command.
    Replicate(Arc<str>),
    /// CopyData.
    Upload,
    /// CopyDone or CopyFail.
    UploadEnd,
}

impl Intent {
    /// True when the server answers an error to it by skipping to Sync.
    #[must_use]
    pub fn extended(&self) -> bool {
        !matches!(
            self,
            Self::Query(_) | Self::Replicate(_) | Self::Call | Self::Upload | Self::UploadEnd
        )
    }
}

/// A bound portal is judged again at Execute after this long.
const FRESH_NANOS: i64 = 5_000_000_000;

/// What a name stands for, as far as that is certain.
pub(super) enum Found<T> {
    /// This.
    Is(Arc<T>),
    /// Nothing, or nothing that is known.
    Nothing,
    /// Answers that are due decide it.
    Unsettled,
}

impl<T> Found<T> {
    /// What it certainly is.
    pub(super) fn certain(self) -> Option<Arc<T>> {
        match self {
            Self::Is(found) => Some(found),
            Self::Nothing | Self::Unsettled => None,
        }
    }
}

impl Conversation {
    /// Understands one frame of the client. `revision` is the policy's, now.
    ///
    /// # Errors
    /// When the frame is malformed or may not come now.
    pub fn client(
        &mut self,
        tag: u8,
        frame: &Bytes,
        now: Timestamp,
        revision: &str,
    ) -> Result<Asked, Fault> {
        let wrong = |malformed: Malformed| malformed.by(Side::Client);
        self.age(now);
        if tag == b'X' {
            return Ok(Asked::Gone);
        }
        if self.uploading {
            return match tag {
                b'd' => Ok(upload(frame)),
                b'c' | b'f' => Ok(control(frame, "copy end", Intent::UploadEnd)),
                b'H' | b'S' => Ok(Asked::Drop),
                _ => Err(wrong(Malformed::Unexpected)),
            };
        }
        if self.streams() {
            return self.stream(tag, frame).map_err(wrong);
        }
        if self.both.is_some() || self.uploads > 0 || self.queue.len() >= PIPELINE_MAX {
            return Ok(Asked::Stall);
        }
        if matches!(tag, b'd' | b'c' | b'f') || (self.discard && tag != b'S') {
            return Ok(Asked::Drop);
        }
        if self.simple_only() && matches!(tag, b'P' | b'B' | b'D' | b'C' | b'E' | b'F') {
            return Err(wrong(Malformed::Unexpected));
        }
        match tag {
            b'Q' => self.query(frame).map_err(wrong),
            b'P' => self.parse(frame).map_err(wrong),
            b'B' => self.bind(frame),
            b'D' | b'C' => self.describe_or_close(tag, frame).map_err(wrong),
            b'E' => self.execute(frame, now, revision).map_err(wrong),
            b'S' => Ok(control(frame, "sync", Intent::Sync)),
            b'H' => Ok(control(frame, "flush", Intent::Flush)),
            b'F' => call(frame).map_err(wrong),
            _ => Err(wrong(Malformed::Tag)),
        }
    }

    fn query(&self, frame: &Bytes) -> Result<Asked, Malformed> {
        let mut fields = Fields::new(body(frame));
        let text: Arc<str> = Arc::from(fields.text()?);
        fields.end()?;
        match self.replication(&text) {
            Read::Sql => {}
            Read::Command(known) => return Ok(replicating::command(frame, text, known)),
            Read::Refused => {
                let intent = Intent::Replicate(text);
                return Ok(Asked::Unlisted(replicating::unlisted(), intent));
            }
        }
        let statement = statement(&text, Stage::Query, Vec::new(), Vec::new());
        Ok(judge(frame, statement, Intent::Query(text)))
    }

    fn parse(&self, frame: &Bytes) -> Result<Asked, Malformed> {
        let mut fields = Fields::new(body(frame));
        let name = own(fields.text()?)?;
        let text: Arc<str> = Arc::from(fields.text()?);
        let count = fields.count()?;
        let mut types = Vec::with_capacity(count.min(fields.rest().len() / 4));
        for _ in 0..count {
            types.push(fields.int32()?.cast_unsigned());
        }
        fields.end()?;
        self.names.room(name.len() + text.len())?;
        let statement = statement(&text, Stage::Parse, Vec::new(), Vec::new());
        Ok(judge(frame, statement, Intent::Parse(name, text, types)))
    }

    fn bind(&self, frame: &Bytes) -> Result<Asked, Fault> {
        let wrong = |malformed: Malformed| malformed.by(Side::Client);
        let mut fields = Fields::new(body(frame));
        let portal = fields.text().and_then(own).map_err(wrong)?;
        let name = fields.text().and_then(own).map_err(wrong)?;
        let prepared = match self.find_statement(&name) {
            Found::Is(prepared) => prepared,
            Found::Nothing => return Ok(Asked::Unprepared(unprepared(&name))),
            Found::Unsettled => return Ok(Asked::Stall),
        };
        let formats = values::bind_formats(body(frame))?;
        let parameters = values::parameters(body(frame), prepared.parameter_types())?;
        let size = parameters
            .iter()
            .filter_map(|p| p.value.as_ref())
            .map(Bytes::len)
            .sum();
        self.names.room(size).map_err(wrong)?;
        let Some(resolved) = self.resolve_prepared(&prepared) else {
            return Ok(Asked::Stall);
        };
        let statement = statement(&prepared.text, Stage::Bind, parameters.clone(), resolved);
        let intent = Intent::Bind(portal, prepared, parameters, formats);
        Ok(judge(frame, statement, intent))
    }

    /// What a prepared statement stands for beyond its own text.
    fn resolve_prepared(&self, prepared: &Prepared) -> Option<Resolved> {
        match (&prepared.sql_name, &prepared.facts) {
            (Some(name), _) => Some(vec![(name.clone(), prepared.inner.clone())]),
            (None, Some(facts)) => self.resolve(facts),
            (None, None) => Some(Vec::new()),
        }
    }

    fn describe_or_close(&self, tag: u8, frame: &Bytes) -> Result<Asked, Malformed> {
        let mut fields = Fields::new(body(frame));
        let kind = fields.byte()?;
        let name = own(fields.text()?)?;
        fields.end()?;
        Ok(match (tag, kind) {
            (b'D', b'S') => control(frame, "describe", Intent::DescribeStatement(name)),
            (b'D', b'P') => control(frame, "describe", Intent::DescribePortal(name)),
            (b'C', b'S') => control(frame, "close", Intent::Close(true, name)),
            (b'C', b'P') => control(frame, "close", Intent::Close(false, name)),
            _ => return Err(Malformed::Body),
        })
    }

    fn execute(&self, frame: &Bytes, now: Timestamp, revision: &str) -> Result<Asked, Malformed> {
        let mut fields = Fields::new(body(frame));
        let name = own(fields.text()?)?;
        fields.int32()?;
        fields.end()?;
        let portal = match self.find_portal(&name) {
            Found::Is(portal) => portal,
            Found::Unsettled => return Ok(Asked::Stall),
            Found::Nothing => {
                let at = (now, self.epoch);
                Arc::new(Portal::cursor(&name, self.cursor(&name), at))
            }
        };
        let decided = portal.cause.decision.as_ref();
        let same_policy = decided.is_some_and(|d| d.revision == revision);
        let fresh = now.0.saturating_sub(portal.bound.0) < FRESH_NANOS;
        let by_name = !portal.prepared.fixed();
        if same_policy && fresh && !by_name {
            return Ok(control(frame, "execute", Intent::Execute(name, portal)));
        }
        let resolved = match portal.resolved.is_empty() {
            false => portal.resolved.clone(),
            true => match self.resolve_prepared(&portal.prepared) {
                Some(resolved) => portal.runs(resolved),
                None => return Ok(Asked::Stall),
            },
        };
        let statement = statement(
            &portal.prepared.text,
            Stage::Execute,
            portal.parameters.clone(),
            resolved,
        );
        Ok(judge(frame, statement, Intent::Execute(name, portal)))
    }

    /// The statement of that name, if no answer that is still due could change it. Within one segment a
    /// failure makes the server skip what follows, so what was sent last is what counts.
    pub(super) fn find_statement(&self, name: &str) -> Found<Prepared> {
        let mut crossed = false;
        for expect in self.due() {
            match &expect.what {
                What::Sync => crossed = true,
                What::Parse(other, prepared) if other == name => {
                    return match crossed {
                        true => Found::Unsettled,
                        false => Found::Is(prepared.clone()),
                    };
                }
                What::Close(true, other) if other == name => {
                    return match crossed {
                        true => Found::Unsettled,
                        false => Found::Nothing,
                    };
                }
                What::Query(running) => {
                    crossed = true;
                    if name.is_empty() || running.changes_names {
                        return Found::Unsettled;
                    }
                }
                What::Execute(running) if running.changes_names && !name.is_empty() => {
                    return Found::Unsettled;
                }
                _ => {}
            }
        }
        match self.names.statements.get(name) {
            Some(_) if self.doubtful() && !name.is_empty() => Found::Unsettled,
            Some(prepared) => Found::Is(prepared.clone()),
            None => Found::Nothing,
        }
    }

    pub(super) fn find_portal(&self, name: &str) -> Found<Portal> {
        let mut crossed = false;
        for expect in self.due() {
            match &expect.what {
                What::Sync => crossed = true,
                What::Bind(other, portal) if other == name => {
                    return match crossed {
                        true => Found::Unsettled,
                        false => Found::Is(portal.clone()),
                    };
                }
                What::Close(false, other) if other == name => {
                    return match crossed {
                        true => Found::Unsettled,
                        false => Found::Nothing,
                    };
                }
                What::Query(_) => return Found::Unsettled,
                What::Execute(running) if running.changes_names && !name.is_empty() => {
                    return Found::Unsettled;
                }
                _ => {}
            }
        }
        if self.doubtful() && !name.is_empty() {
            return Found::Unsettled;
        }
        match self.names.portals.get(name) {
            Some(portal) => Found::Is(portal.clone()),
            None => Found::Nothing,
        }
    }

    /// Answers that are due, last first; nothing when none of them can change a name.
    fn due(&self) -> impl Iterator<Item = &super::expect::Expect> {
        let count = match self.unsettled {
            0 => 0,
            _ => self.queue.len(),
        };
        self.queue.iter().rev().take(count)
    }

    /// True when the next simple query would be the first thing the server hears after a ReadyForQuery.
    pub(super) fn at_rest(&self) -> bool {
        self.queue.is_empty() && !self.batch && self.context.transaction != Transaction::Open
    }
}

impl Portal {
    /// A cursor that was declared in SQL, or a name that nothing is known of.
    fn cursor(name: &str, inner: Option<Arc<StatementFacts>>, at: (Timestamp, u64)) -> Self {
        let resolved = vec![(name.to_owned(), inner.clone())];
        let mut prepared = Prepared::named_in_sql(name, inner, "");
        prepared.text = Arc::from(format!("FETCH ALL FROM {}", quoted(name)));
        let cause = super::Cause::default();
        Self {
            resolved,
            ..Self::new(Arc::new(prepared), cause, Vec::new(), Vec::new(), at)
        }
    }
}

/// In PostgreSQL's own words. A name is shown as far as the server would keep it (`NAMEDATALEN`).
fn unprepared(name: &str) -> Denial {
    let reason = match name {
        "" => "unnamed prepared statement does not exist".to_owned(),
        _ => {
            let shown: String = name.chars().take(63).collect();
            format!("prepared statement \"{shown}\" does not exist")
        }
    };
    Denial::new("portcullis/unknown-statement", reason).hint("Prepare the statement again.")
}

/// A name of the client's: ours is refused.
fn own(name: &str) -> Result<String, Malformed> {
    match name == RESERVED {
        true => Err(Malformed::Unexpected),
        false => Ok(name.to_owned()),
    }
}

fn statement(
    text: &Arc<str>,
    stage: Stage,
    parameters: Vec<Parameter>,
    resolved: Resolved,
) -> Statement {
    Statement {
        text: text.clone(),
        stage,
        parameters,
        resolved,
        function: None,
        known: None,
    }
}

fn judge(frame: &Bytes, statement: Statement, intent: Intent) -> Asked {
    let message = Message {
        body: Body::Statement(statement),
        wire: frame.clone(),
    };
    Asked::Judge(message, intent)
}

fn control(frame: &Bytes, name: &'static str, intent: Intent) -> Asked {
    let body = match named(frame) {
        Some((what, rows)) => Body::Named {
            control: name,
            name: what,
            rows,
        },
        None => Body::Control(name),
    };
    let message = Message {
        body,
        wire: frame.clone(),
    };
    Asked::Judge(message, intent)
}

/// What a Describe, Close or Execute is about, for the record: without it the record could not say which
/// bound portal ran.
fn named(frame: &Bytes) -> Option<(Arc<str>, i32)> {
    let mut fields = Fields::new(body(frame));
    match frame.first()? {
        b'C' | b'D' => {
            fields.byte().ok()?;
            Some((shorten(fields.text().ok()?), 0))
        }
        b'E' => {
            let name = shorten(fields.text().ok()?);
            Some((name, fields.int32().ok()?))
        }
        _ => None,
    }
}

fn shorten(name: &str) -> Arc<str> {
    let end = name.floor_char_boundary(NAME_BYTES_MAX);
    Arc::from(name.get(..end).unwrap_or_default())
}

fn upload(frame: &Bytes) -> Asked {
    let message = Message {
        body: Body::Upload(frame.slice(5.min(frame.len())..)),
        wire: frame.clone(),
    };
    Asked::Judge(message, Intent::Upload)
}

/// FunctionCall: OID, argument formats, arguments, result format; nothing may be left over.
fn call(frame: &Bytes) -> Result<Asked, Malformed> {
    let mut fields = Fields::new(body(frame));
    let function = fields.int32()?.cast_unsigned();
    for _ in 0..fields.count()? {
        fields.int16()?;
    }
    let count = fields.count()?;
    let mut parameters = Vec::with_capacity(count.min(fields.rest().len() / 4));
    for _ in 0..count {
        let value = match usize::try_from(fields.int32()?) {
            Ok(length) => Some(Bytes::copy_from_slice(fields.bytes(length)?)),
            Err(_) => None,
        };
        parameters.push(Parameter {
            type_oid: 0,
            value,
            opaque: true,
        });
    }
    fields.int16()?;
    fields.end()?;
    let text: Arc<str> = Arc::from("");
    let mut statement = statement(&text, Stage::Call, parameters, Vec::new());
    statement.function = Some(function);
    Ok(judge(frame, statement, Intent::Call))
}
