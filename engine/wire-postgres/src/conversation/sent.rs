//! What was allowed and goes up: the answers it makes due.

use super::asked::Intent;
use super::expect::{Expect, Running, Voice, What};
use super::names::{Cause, Portal, Prepared, changes_names, opaque, uploads};
use super::{Conversation, Probed};
use crate::house_frames;
use bytes::Bytes;
use portcullis_gate::Refusal;
use portcullis_model::{Category, Facts, Timestamp};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Conversation {
    /// Asks for the shape of what is about to be executed, if nobody has. The frame returned goes up
    /// before the Execute.
    pub fn before(&mut self, intent: &Intent) -> Option<Bytes> {
        let Intent::Execute(name, portal) = intent else {
            return None;
        };
        let prepared = &portal.prepared;
        // The statement's description is the portal's only if nothing moved between the two.
        let alike = prepared.fixed() && portal.epoch == self.epoch;
        let known = portal.description.get().is_some()
            || portal.asked.load(Ordering::Relaxed) == self.segment
            || alike && prepared.description.at(self.epoch).is_some()
            || alike && prepared.asked.load(Ordering::Relaxed) == self.segment;
        if known {
            return None;
        }
        let statement = match alike {
            true => self.name_of(prepared),
            false => None,
        };
        let (what, frame) = match statement {
            Some(statement) => {
                prepared.asked.store(self.segment, Ordering::Relaxed);
                let what = What::DescribeStatement(Some(prepared.clone()), self.epoch);
                (what, house_frames::describe(b'S', &statement))
            }
            _ => {
                portal.asked.store(self.segment, Ordering::Relaxed);
                let what = What::DescribePortal(Some(portal.clone()));
                (what, house_frames::describe(b'P', name))
            }
        };
        self.push(what, Voice::House);
        self.batch = true;
        Some(frame)
    }

    /// The name by which the server certainly knows this statement.
    fn name_of(&self, prepared: &Arc<Prepared>) -> Option<String> {
        let mut named = self.names.statements.iter();
        let (name, _) = named.find(|(_, other)| Arc::ptr_eq(other, prepared))?;
        let certain = self.find_statement(name).certain()?;
        (!name.is_empty() && Arc::ptr_eq(&certain, prepared)).then(|| name.clone())
    }

    /// An allowed message goes up.
    pub fn sent(&mut self, intent: Intent, cause: Cause, resolved: usize, now: Timestamp) {
        let what = match intent {
            Intent::Query(text) => {
                self.one_query();
                What::Query(Box::new(running(cause, Some(text), None, resolved)))
            }
            Intent::Replicate(text) => {
                self.one_query();
                let running = running(cause, Some(text), None, resolved).replicates();
                What::Query(Box::new(running))
            }
            Intent::Parse(name, text, types) => {
                let prepared = Arc::new(Prepared::new(text, cause.facts, types));
                What::Parse(name, prepared)
            }
            Intent::Bind(name, prepared, parameters, formats) => {
                self.bound = true;
                let at = (now, self.epoch);
                let portal = Portal::new(prepared, cause, parameters, formats, at);
                What::Bind(name, Arc::new(portal))
            }
            Intent::DescribeStatement(name) => {
                let prepared = self.find_statement(&name).certain();
                if let Some(prepared) = &prepared {
                    prepared.asked.store(self.segment, Ordering::Relaxed);
                }
                What::DescribeStatement(prepared, self.epoch)
            }
            Intent::DescribePortal(name) => {
                let portal = self.find_portal(&name).certain();
                if let Some(portal) = &portal {
                    portal.asked.store(self.segment, Ordering::Relaxed);
                }
                What::DescribePortal(portal)
            }
            Intent::Execute(_, portal) => {
                self.bound = true;
                What::Execute(Box::new(executing(cause, portal, resolved)))
            }
            Intent::Close(statement, name) => What::Close(statement, name),
            Intent::Sync => {
                self.batch = false;
                self.bound = false;
                self.flushed = true;
                self.discard = false;
                self.next_segment();
                self.push(What::Sync, Voice::Client);
                return;
            }
            Intent::Flush => {
                self.flushed = true;
                return;
            }
            Intent::Call => What::Call(cause),
            Intent::Upload => return,
            Intent::UploadEnd => {
                self.uploading = false;
                self.client_ends();
                return;
            }
        };
        if !matches!(what, What::Query(_) | What::Call(_)) {
            self.batch = true;
            self.flushed = false;
        }
        self.push(what, Voice::Client);
    }

    /// A simple query is a batch of its own.
    fn one_query(&mut self) {
        self.batch = false;
        self.bound = false;
        self.flushed = true;
        self.next_segment();
    }

    pub(super) fn push(&mut self, what: What, voice: Voice) {
        self.unsettled += usize::from(unsettles(&what));
        if let What::Query(running) | What::Execute(running) = &what {
            self.uploads += running.uploads;
        }
        let facts = match &what {
            What::Query(running) | What::Execute(running) => running.cause.facts.clone(),
            // Planning runs functions.
            What::Bind(_, portal) => portal.cause.facts.clone(),
            What::Call(cause) => cause.facts.clone(),
            _ => None,
        };
        let runs = !matches!(what, What::Bind(..));
        self.queue.push_back(Expect { what, voice });
        if let Some(facts) = facts {
            self.consequences(&facts, runs);
        }
    }

    /// What the statement that goes up may do to names and to the meaning of texts; only planned, it
    /// does no more than its functions do.
    fn consequences(&mut self, facts: &Facts, runs: bool) {
        let code = opaque(facts);
        if runs && facts.statements.iter().any(|s| s.category >= Category::Ddl) {
            self.shapes.forget();
        }
        if runs || code {
            self.moves(facts);
        }
        if code {
            let coming = self.queue.iter().any(|e| match &e.what {
                What::Parse(name, _) | What::Bind(name, _) => !name.is_empty(),
                What::Query(running) | What::Execute(running) => running.changes_names,
                _ => false,
            });
            self.names.doubt(coming);
        }
    }

    /// The gateway makes the transaction fail, and this refusal stands where the error would.
    pub fn aborting(&mut self, extended: bool, refusal: Refusal) {
        let what = match extended {
            true => What::Answer(0),
            false => What::Query(Box::default()),
        };
        if extended {
            self.batch = true;
            self.flushed = false;
            self.discard = true;
        } else {
            self.batch = false;
            self.bound = false;
            self.flushed = true;
            self.next_segment();
        }
        self.push(what, Voice::Instead(refusal));
    }

    /// The gateway makes an upload fail.
    pub fn aborting_upload(&mut self, refusal: Refusal) {
        self.uploading = false;
        if let Some(front) = self.queue.front_mut() {
            front.voice = Voice::Instead(refusal);
        }
    }

    /// The gateway asks for the session's state. Only when nothing is due.
    pub fn probing(&mut self, sync: bool) {
        self.probed = None;
        self.asking(What::Probe, sync);
    }

    /// The gateway asks what the server's names stand for. Only when nothing is due.
    pub fn asking_names(&mut self, sync: bool) {
        self.stand.clear();
        self.asking(What::Stand, sync);
    }

    fn asking(&mut self, what: What, sync: bool) {
        self.probe_failed = false;
        for tag in [b'1', b'2'] {
            self.push(What::Answer(tag), Voice::House);
        }
        self.push(what, Voice::House);
        for _ in 0..2 {
            self.push(What::Answer(b'3'), Voice::House);
        }
        if sync {
            self.push(What::Sync, Voice::House);
            self.batch = false;
            self.next_segment();
        }
        self.flushed = true;
    }

    /// What the probe found, once all of it is there; `Err` when it failed.
    pub fn probed(&mut self) -> Option<Result<(), ()>> {
        if !self.queue.is_empty() {
            return None;
        }
        if self.probe_failed {
            return Some(Err(()));
        }
        let Probed {
            role,
            search_path,
            shadows,
        } = self.probed.take()?;
        self.context.role = role;
        self.context.search_path = search_path;
        self.context.shadows = shadows;
        Some(Ok(()))
    }
}

/// True when the answer decides what a name stands for.
pub(super) fn unsettles(what: &What) -> bool {
    match what {
        What::Parse(..) | What::Bind(..) | What::Close(..) | What::Query(_) => true,
        What::Execute(running) => running.changes_names,
        _ => false,
    }
}

/// A portal that runs: for the reason it was judged for, and else for the one of its Bind.
fn executing(cause: Cause, portal: Arc<Portal>, resolved: usize) -> Running {
    let cause = match cause.decision {
        Some(_) => cause,
        None => portal.cause.clone(),
    };
    let text = Some(portal.prepared.text.clone());
    running(cause, text, Some(portal), resolved)
}

fn running(
    cause: Cause,
    text: Option<Arc<str>>,
    portal: Option<Arc<Portal>>,
    resolved: usize,
) -> Running {
    let facts: Option<&Facts> = cause.facts.as_deref();
    Running {
        count: facts.map_or(0, |f| f.statements.len().saturating_sub(resolved)),
        uploads: facts.map_or(0, uploads),
        changes_names: facts.is_none_or(changes_names),
        text,
        portal,
        cause,
        ..Running::default()
    }
}
