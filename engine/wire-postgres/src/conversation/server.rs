//! What the upstream says: matched against what it owes, so that every byte of it has a statement that
//! caused it. It refuses an answer that nobody asked for.

use super::expect::{Running, Voice, What};
use super::sent::unsettles;
use super::{Cause, Conversation, Probed};
use crate::frame::{Fields, Malformed, body};
use crate::values::{CopyOut, Rows};
use bytes::Bytes;
use portcullis_gate::Refusal;
use portcullis_model::{BatchKind, Blame, Fault, Side, Transaction};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What becomes of a frame of the upstream.
pub enum Relay {
    /// It holds no value.
    Control,
    /// It is not for the client.
    Swallow,
    /// A row.
    Row,
    /// A part of a stream that nobody can read here.
    Opaque,
    /// COPY data.
    CopyData,
    /// The end of COPY data.
    CopyDone,
    /// Strings: an error, a notice, a notification, a parameter.
    Strings(BatchKind),
    /// The result of a FunctionCall.
    Call,
    /// An error that is ours.
    Refused(Refusal),
}

impl Conversation {
    /// Takes one frame of the upstream.
    ///
    /// # Errors
    /// When it is malformed, or nobody asked for it.
    pub fn upstream(&mut self, tag: u8, frame: &Bytes) -> Result<Relay, Fault> {
        let relay = match tag {
            b'N' => return Ok(Relay::Strings(BatchKind::Notice)),
            b'A' => return Ok(Relay::Strings(BatchKind::Notification)),
            b'S' => {
                self.parameter(frame)?;
                return Ok(Relay::Strings(BatchKind::Parameter));
            }
            b'E' => self.error(frame),
            b'Z' => return self.ready_for_query(frame),
            _ => self.answer(tag, frame)?,
        };
        Ok(match self.cut {
            true => Relay::Swallow,
            false => relay,
        })
    }

    /// The shape of the rows that are coming, what caused them, and whether they begin a result.
    ///
    /// # Errors
    /// When rows come that were never described.
    pub fn rows(&mut self) -> Result<(Arc<Rows>, Cause, bool), Fault> {
        let Self {
            queue,
            shapes,
            names,
            ..
        } = self;
        let running = match queue.front_mut().map(|e| &mut e.what) {
            Some(What::Query(running) | What::Execute(running)) => running,
            _ => return Err(unexpected()),
        };
        if running.rows.is_none()
            && let Some(portal) = &running.portal
        {
            let (body, formats) = match portal.description.get() {
                Some(body) => (body.clone(), None),
                None => match portal.prepared.description.at(portal.epoch) {
                    Some(body) => (body, Some(portal.formats.as_slice())),
                    None => return Err(unexpected()),
                },
            };
            let body = body.ok_or_else(unexpected)?;
            running.rows = Some(shapes.of(&body, formats, &running.cause)?);
        }
        let rows = running.rows.clone().ok_or_else(unexpected)?;
        let resumed = running
            .portal
            .as_ref()
            .is_some_and(|portal| portal.started.swap(true, Ordering::Relaxed));
        let first = !std::mem::replace(&mut running.begun, true) && !resumed && !names.half_read();
        Ok((rows, running.cause.clone(), first))
    }

    /// The COPY stream that is coming, and what caused it.
    ///
    /// # Errors
    /// When none is.
    pub fn copy_out(&mut self) -> Result<(&mut CopyOut, Cause), Fault> {
        match self.queue.front_mut().map(|e| &mut e.what) {
            Some(What::Query(running) | What::Execute(running)) => {
                let cause = running.cause.clone();
                let copy = running.copy_out.as_mut().ok_or_else(unexpected)?;
                Ok((copy, cause))
            }
            _ => Err(unexpected()),
        }
    }

    /// The cause of what comes now; of what came last, where nothing of its own says more.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self.queue.front().map(|e| &e.what) {
            Some(What::Query(running) | What::Execute(running)) => running.cause.clone(),
            Some(What::Call(cause)) => cause.clone(),
            Some(What::Bind(_, portal) | What::DescribePortal(Some(portal))) => {
                portal.cause.clone()
            }
            _ => self.last.clone(),
        }
    }

    /// The cause of the error that has just come.
    #[must_use]
    pub fn failed_cause(&mut self) -> Cause {
        std::mem::take(&mut self.failed)
    }

    /// Everything but errors, ReadyForQuery and what may come at any time.
    fn answer(&mut self, tag: u8, frame: &Bytes) -> Result<Relay, Fault> {
        let Some(front) = self.queue.front() else {
            return Err(unexpected());
        };
        let house = matches!(front.voice, Voice::House);
        let (done, relay) = match &front.what {
            what if what.replication().is_some() => self.replicated(tag, frame)?,
            What::Query(_) | What::Execute(_) | What::Call(_) => self.result(tag, frame)?,
            What::Probe | What::Stand | What::Answer(_) => {
                (self.own_answer(tag, frame)?, Relay::Swallow)
            }
            _ => (self.acknowledged(tag, frame)?, Relay::Control),
        };
        if done {
            self.pop();
        }
        Ok(if house { Relay::Swallow } else { relay })
    }

    /// Results of a statement; true when they end.
    pub(super) fn result(&mut self, tag: u8, frame: &Bytes) -> Result<(bool, Relay), Fault> {
        let Self { queue, shapes, .. } = self;
        let front = queue.front_mut().map(|e| &mut e.what);
        let (running, extended) = match front {
            Some(What::Query(running)) => (running, false),
            Some(What::Execute(running)) => (running, true),
            Some(What::Call(_)) if tag == b'V' => return Ok((false, Relay::Call)),
            _ => return Err(unexpected()),
        };
        Ok(match tag {
            b'D' if running.rows.is_some() || extended => (false, Relay::Row),
            b'T' if !extended => {
                running.rows = Some(shapes.of(body(frame), None, &running.cause)?);
                (false, Relay::Control)
            }
            b'C' | b'I' => {
                if let Some(portal) = &running.portal {
                    portal.suspended.store(false, Ordering::Relaxed);
                }
                self.statement_completed();
                (extended, Relay::Control)
            }
            b's' if extended => {
                if let Some(portal) = &running.portal {
                    portal.suspended.store(true, Ordering::Relaxed);
                }
                (true, Relay::Control)
            }
            b'H' => {
                let facts = running.copy_facts();
                running.copy_out = Some(CopyOut::new(body(frame), facts, shapes.next_serial())?);
                (false, Relay::Control)
            }
            b'd' if running.copy_out.is_some() => (false, Relay::CopyData),
            b'c' if running.copy_out.is_some() => (false, Relay::CopyDone),
            b'G' if running.uploads > 0 => {
                running.uploads -= 1;
                self.uploads -= 1;
                self.uploading = true;
                (false, Relay::Control)
            }
            _ => return Err(unexpected()),
        })
    }

    /// Answers to what changes or describes names; true when that was all.
    fn acknowledged(&mut self, tag: u8, frame: &Bytes) -> Result<bool, Fault> {
        let Self { queue, names, .. } = self;
        match (queue.front_mut().map(|e| &mut e.what), tag) {
            (Some(What::Parse(name, prepared)), b'1') => names.prepare(name, prepared.clone()),
            (Some(What::Bind(name, portal)), b'2') => names.bind(name, portal.clone()),
            (Some(What::Close(true, name)), b'3') => names.forget_statement(name),
            (Some(What::Close(false, name)), b'3') => {
                names.unbind(name);
                names.close_cursor(name);
            }
            (Some(What::DescribeStatement(prepared, _)), b't') => {
                if let Some(prepared) = prepared {
                    let types = parameter_types(frame).map_err(|m| m.by(Side::Upstream))?;
                    // Asked twice in one segment: the answers are the same.
                    let _known = prepared.types.set(types);
                }
                return Ok(false);
            }
            (Some(What::DescribeStatement(prepared, epoch)), b'T' | b'n') => {
                if let Some(prepared) = prepared.as_ref().filter(|p| p.fixed()) {
                    prepared.description.set(*epoch, description(tag, frame));
                }
            }
            (Some(What::DescribePortal(portal)), b'T' | b'n') => {
                if let Some(portal) = portal {
                    let _known = portal.description.set(description(tag, frame));
                }
            }
            _ => return Err(unexpected()),
        }
        Ok(true)
    }

    /// Answers to the gateway's own questions; true when that was all.
    fn own_answer(&mut self, tag: u8, frame: &Bytes) -> Result<bool, Fault> {
        let wrong = |malformed: Malformed| malformed.by(Side::Upstream);
        match (self.queue.front().map(|e| &e.what), tag) {
            (Some(What::Answer(expected)), tag) if *expected == tag => Ok(true),
            (Some(What::Probe), b'D') => {
                self.probed = Some(probed(frame).map_err(wrong)?);
                Ok(false)
            }
            (Some(What::Stand), b'D') => {
                let (name, text) = stands(frame).map_err(wrong)?;
                self.stand.insert(name, text);
                Ok(false)
            }
            (Some(What::Probe), b'C') => Ok(true),
            (Some(What::Stand), b'C') => {
                self.names.believe(&std::mem::take(&mut self.stand));
                Ok(true)
            }
            _ => Err(unexpected()),
        }
    }

    /// A statement of the text at the front has completed.
    fn statement_completed(&mut self) {
        let Some(What::Query(running) | What::Execute(running)) =
            self.queue.front_mut().map(|e| &mut e.what)
        else {
            return;
        };
        let index = running.completed;
        running.completed += 1;
        running.rows = None;
        running.begun = false;
        running.copy_out = None;
        self.last = running.cause.clone();
        let (facts, text) = (running.cause.facts.clone(), running.text.clone());
        let by_name = facts
            .as_ref()
            .is_some_and(|f| f.statements.len() > running.count);
        let Some(facts) = facts else { return };
        let text = text.as_deref().unwrap_or_default();
        if let Some(statement) = facts
            .statements
            .get(index)
            .filter(|s| !s.changes.is_empty())
        {
            self.completed(statement, text);
        }
        // What a name stood for was appended to the facts, and has run as well.
        if by_name && index + 1 == self.front_count() {
            let appended = facts.statements.get(index + 1..).unwrap_or_default();
            for statement in appended.iter().filter(|s| !s.changes.is_empty()) {
                self.completed(statement, text);
            }
        }
    }

    fn front_count(&self) -> usize {
        match self.queue.front().map(|e| &e.what) {
            Some(What::Query(running) | What::Execute(running)) => running.count,
            _ => 0,
        }
    }

    /// An ErrorResponse: the statement at the front has failed, and in the extended protocol everything
    /// up to the next Sync with it.
    fn error(&mut self, frame: &Bytes) -> Relay {
        self.fatal |= is_fatal(frame);
        self.failed = self.cause();
        let Some(front) = self.queue.front_mut() else {
            return Relay::Strings(BatchKind::Error);
        };
        let house = matches!(front.voice, Voice::House);
        let probing = house
            && matches!(
                front.what,
                What::Probe | What::Stand | What::Answer(_) | What::Sync
            );
        let voice = std::mem::replace(&mut front.voice, Voice::Client);
        let relay = match voice {
            Voice::Instead(refusal) => Relay::Refused(refusal),
            Voice::House if probing => {
                self.probe_failed = true;
                // Who cannot be asked is not believed.
                self.names.believe(&std::collections::HashMap::new());
                Relay::Swallow
            }
            _ => Relay::Strings(BatchKind::Error),
        };
        self.both = None;
        match &mut front.what {
            What::Query(running) => {
                self.uploads -= std::mem::take(&mut running.uploads);
                self.uploading = false;
            }
            What::Sync if house => front.voice = Voice::House,
            What::Call(_) | What::Sync => {}
            _ => self.skip_to_sync(probing),
        }
        relay
    }

    fn skip_to_sync(&mut self, probing: bool) {
        self.uploading = false;
        while let Some(front) = self.queue.front() {
            if matches!(front.what, What::Sync) {
                return;
            }
            self.pop();
        }
        // Nothing of the client's is skipped because the gateway's own question failed.
        self.discard |= !probing;
    }

    fn pop(&mut self) {
        let Some(gone) = self.queue.pop_front() else {
            return;
        };
        self.unsettled -= usize::from(unsettles(&gone.what));
        if let What::Query(running) | What::Execute(running) = &gone.what {
            self.uploads -= running.uploads;
        }
        if matches!(gone.what, What::Query(_)) {
            self.names.forget_statement("");
            self.names.unbind("");
        }
    }

    fn ready_for_query(&mut self, frame: &Bytes) -> Result<Relay, Fault> {
        let status = match body(frame) {
            [b'I'] => Transaction::Idle,
            [b'T'] => Transaction::Open,
            [b'E'] => Transaction::Failed,
            _ => return Err(Malformed::Body.by(Side::Upstream)),
        };
        let Some(front) = self.queue.front() else {
            return Err(unexpected());
        };
        if !matches!(front.what, What::Query(_) | What::Sync | What::Call(_)) {
            return Err(unexpected());
        }
        let house = matches!(front.voice, Voice::House);
        if matches!(front.voice, Voice::Instead(_)) {
            return Err(unexpected());
        }
        self.pop();
        self.ready(status);
        if house {
            return Ok(Relay::Swallow);
        }
        self.cut = false;
        Ok(Relay::Control)
    }

    /// Settings that decide how text is read must stay what they were at login.
    fn parameter(&mut self, frame: &Bytes) -> Result<(), Fault> {
        let wrong = |malformed: Malformed| malformed.by(Side::Upstream);
        let mut fields = Fields::new(body(frame));
        let name = fields.text().map_err(wrong)?;
        let value = fields.text().map_err(wrong)?;
        fields.end().map_err(wrong)?;
        must_stay(name, value)?;
        match name {
            "search_path" => {
                self.context.search_path = Some(value.to_owned());
                self.moved();
            }
            "session_authorization" | "is_superuser" => {
                self.context.role = None;
                self.moved();
            }
            _ => {}
        }
        Ok(())
    }
}

impl Running {
    /// What the COPY that runs now moves.
    fn copy_facts(&self) -> Option<&portcullis_model::facts::CopyFacts> {
        let facts = self.cause.facts.as_ref()?;
        facts.statements.get(self.completed)?.copy.as_ref()
    }
}

/// Refuses another client_encoding than UTF8, and backslashes as escapes in ordinary strings: the text
/// would then not mean to the server what it means here.
///
/// # Errors
/// When a setting is not what it has to be.
pub(crate) fn must_stay(name: &str, value: &str) -> Result<(), Fault> {
    let right = match name {
        "client_encoding" => value.eq_ignore_ascii_case("UTF8"),
        "standard_conforming_strings" => value == "on",
        _ => true,
    };
    match right {
        true => Ok(()),
        false => Err(Fault::bare(
            Blame::Upstream,
            "keep client_encoding and standard_conforming_strings",
        )),
    }
}

fn unexpected() -> Fault {
    Malformed::Unexpected.by(Side::Upstream)
}

fn description(tag: u8, frame: &Bytes) -> Option<Bytes> {
    match tag {
        b'T' => Some(Bytes::copy_from_slice(body(frame))),
        _ => None,
    }
}

fn parameter_types(frame: &Bytes) -> Result<Vec<u32>, Malformed> {
    let mut fields = Fields::new(body(frame));
    let count = usize::from(fields.int16()?.cast_unsigned());
    let mut types = Vec::with_capacity(count.min(fields.rest().len() / 4));
    for _ in 0..count {
        types.push(fields.int32()?.cast_unsigned());
    }
    fields.end()?;
    Ok(types)
}

/// The columns of a DataRow, as text.
fn cells<const N: usize>(frame: &Bytes) -> Result<[Option<String>; N], Malformed> {
    let mut fields = Fields::new(body(frame));
    if fields.count()? != N {
        return Err(Malformed::Body);
    }
    let mut cells = [const { None }; N];
    for cell in &mut cells {
        if let Ok(length) = usize::try_from(fields.int32()?) {
            let text = std::str::from_utf8(fields.bytes(length)?);
            *cell = Some(text.map_err(|_| Malformed::Encoding)?.to_owned());
        }
    }
    fields.end()?;
    Ok(cells)
}

fn probed(frame: &Bytes) -> Result<Probed, Malformed> {
    let [role, search_path, shadows] = cells(frame)?;
    let shadows = shadows.unwrap_or_default();
    Ok(Probed {
        role,
        search_path,
        shadows: shadows.split_whitespace().map(str::to_owned).collect(),
    })
}

fn stands(frame: &Bytes) -> Result<((bool, String), String), Malformed> {
    let [kind, name, text] = cells(frame)?;
    let statement = kind.as_deref() == Some("s");
    Ok((
        (statement, name.unwrap_or_default()),
        text.unwrap_or_default(),
    ))
}

/// True when the severity (field `V`) is FATAL or PANIC.
fn is_fatal(frame: &Bytes) -> bool {
    body(frame)
        .split(|byte| *byte == 0)
        .any(|field| matches!(field, b"VFATAL" | b"VPANIC"))
}
