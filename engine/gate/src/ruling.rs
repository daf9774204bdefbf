//! What the gate answers about one message. The participle is what has been proved about the bytes.

use portcullis_model::message::{Context, Message};
use portcullis_model::{Class, Decision, Denial, Facts, Principal, Requirement};
use std::sync::Arc;

/// The gate's answer about a client's message.
#[must_use]
#[derive(Debug)]
pub enum Ruling {
    /// May go up, once recorded.
    Allow(Allowed),
    /// Must not.
    Deny(Denied),
    /// People are to be asked.
    Hold(Held),
}

/// A message that policy allowed and that is not yet recorded.
#[derive(Debug)]
pub struct Allowed {
    pub(crate) message: Message,
    pub(crate) judged: Option<Judged>,
}

/// A message that was refused and whose refusal is not yet recorded.
#[derive(Debug)]
pub struct Denied {
    pub(crate) message: Message,
    pub(crate) denial: Denial,
    pub(crate) judged: Option<Judged>,
}

/// A message that waits for people. Owns the exact bytes: what is approved is what runs.
#[derive(Debug)]
pub struct Held {
    pub(crate) message: Message,
    pub(crate) judged: Judged,
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) binding: [u8; 32],
    pub(crate) context: Context,
}

/// Everything the record says about how a message was judged.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub facts: Arc<Facts>,
    pub class: Arc<Class>,
    pub decision: Arc<Decision>,
    /// The request as the record may hold it: secrets masked.
    pub journal_form: Arc<str>,
    /// Who approved it, if a hold stood before it.
    pub approval: Option<Approved>,
}

/// The approval that let a held message through.
#[derive(Clone, Debug)]
pub(crate) struct Approved {
    pub id: String,
    pub by: Vec<Principal>,
}

/// What the desk answered about a held message.
#[derive(Debug)]
pub enum Answer {
    /// Enough people voted yes.
    Approve {
        /// The approval's id.
        id: String,
        /// Who voted.
        by: Vec<Principal>,
    },
    /// No, or not in time, or not asked at all (defer mode: the denial carries the id).
    Refuse(Denial),
}

impl Allowed {
    /// The facts it was judged on; none for control messages and uploads.
    #[must_use]
    pub fn facts(&self) -> Option<&Arc<Facts>> {
        self.judged.as_ref().map(|j| &j.facts)
    }

    /// The decision; none for control messages and uploads.
    #[must_use]
    pub fn decision(&self) -> Option<&Arc<Decision>> {
        self.judged.as_ref().map(|j| &j.decision)
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }
}

impl Denied {
    /// What the client is to read.
    #[must_use]
    pub fn denial(&self) -> &Denial {
        &self.denial
    }

    /// The message that was refused.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }
}

impl Held {
    /// The message; its bytes are what will run.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// What is required; each has to be met.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// How it was classified.
    #[must_use]
    pub fn class(&self) -> &Class {
        &self.judged.class
    }

    /// SHA-256 over identity, actors, target, login and the exact bytes with parameters.
    #[must_use]
    pub fn binding(&self) -> [u8; 32] {
        self.binding
    }

    /// The state in which it was judged.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The request with its secrets masked, as the approver may see it.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.judged.journal_form
    }
}
