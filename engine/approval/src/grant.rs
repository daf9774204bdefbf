//! What stands for a time: a connection that people have opened to somebody, a class of commands, a broken glass. It is
//! another object than an approval, which is used once. It refuses to cover anybody else, another target, anything worse
//! than what was approved, and requirements that nobody has voted on.

use crate::moment::{Deadline, Moment};
use portcullis_gate::HoldRequest;
use portcullis_model::{
    Class, Context, Effect, Identity, Principal, Requirement, Sameness, Target, Timestamp, Verbs,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a grant is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Opening a connection.
    Access,
    /// Commands of a class.
    Commands,
    /// Opening a connection, and what its rules let pass without a vote.
    Glass,
}

impl Purpose {
    /// As in records and lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Commands => "commands",
            Self::Glass => "break-glass",
        }
    }
}

/// A grant as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    pub id: String,
    pub purpose: Purpose,
    /// The request that it came from.
    pub request: String,
    pub holder: Arc<Identity>,
    pub target: Arc<Target>,
    pub binding: [u8; 32],
    pub sameness: Sameness,
    pub class: Class,
    pub context: Context,
    /// What was approved, as people saw it.
    pub shown: String,
    /// What was voted on.
    pub requirements: Vec<Requirement>,
    pub reason: String,
    /// The ticket that it was asked for with.
    #[serde(default)]
    pub ticket: Option<String>,
    pub by: Vec<Principal>,
    pub from: Timestamp,
    pub until: Timestamp,
    /// Only for those that are in force: by both clocks.
    #[serde(skip)]
    pub deadline: Option<Deadline>,
    #[serde(skip)]
    pub uses: u64,
}

impl Grant {
    pub(crate) fn is_live(&self, now: Moment) -> bool {
        self.deadline.is_some_and(|deadline| !deadline.passed(now))
    }

    /// True when it answers this request.
    pub(crate) fn covers(&self, asked: &HoldRequest) -> bool {
        let session = &asked.session;
        let whose = self.holder.principal == session.identity.principal
            && self.holder.actors == session.identity.actors
            && self.target.name == session.target.name;
        whose
            && !asked.requirements.is_empty()
            && match (self.purpose, asked.access) {
                (Purpose::Access, true) => {
                    self.binding == asked.binding && self.was_voted_on(asked)
                }
                (Purpose::Glass, true) => {
                    self.binding == asked.binding && self.was_voted_on(asked) && breaks(asked)
                }
                (Purpose::Commands, false) => {
                    self.target == session.target
                        && self.ticket == asked.ticket
                        && same_state(&self.context, &asked.context)
                        && self.was_voted_on(asked)
                        && self.is_of_class(asked)
                }
                (Purpose::Glass, false) => {
                    session.access_request.as_deref() == Some(&self.id) && breaks(asked)
                }
                (Purpose::Access, false) | (Purpose::Commands, true) => false,
            }
    }

    /// What is wanted now was wanted then.
    fn was_voted_on(&self, asked: &HoldRequest) -> bool {
        asked
            .requirements
            .iter()
            .all(|r| self.requirements.contains(r))
    }

    fn is_of_class(&self, asked: &HoldRequest) -> bool {
        match self.sameness {
            Sameness::Exact => self.binding == asked.binding,
            Sameness::Objects => within(&asked.class, &self.class),
        }
    }
}

/// Every rule that holds it lets whoever asks now go ahead: who has left the group since is asked like anybody.
fn breaks(asked: &HoldRequest) -> bool {
    let who = &asked.session.identity;
    asked.requirements.iter().all(|r| may_break(who, r))
}

/// True when the rule lets this person go ahead without a vote.
pub(crate) fn may_break(who: &Identity, requirement: &Requirement) -> bool {
    let glass = requirement.terms.glass.as_ref();
    glass.is_some_and(|g| g.groups.iter().any(|group| who.groups.contains(group)))
}

/// What its objects do not tell: which program or file, which right for whom, which setting of the server.
const BEYOND_OBJECTS: [Verbs; 6] = [
    Verbs::EXEC,
    Verbs::FILE,
    Verbs::NET,
    Verbs::DCL,
    Verbs::PRIV,
    Verbs::ADMIN,
];

/// True when the objects of a command tell what it does to what. One that was not understood, names nothing, or whose
/// danger is in another operand, is like no other command.
pub(crate) fn by_objects(class: &Class) -> bool {
    class.effect < Effect::Escalate
        && !class.objects.is_empty()
        && !BEYOND_OBJECTS
            .iter()
            .any(|verb| class.verbs.contains(*verb))
}

/// True when `class` does nothing that `granted` does not.
fn within(class: &Class, granted: &Class) -> bool {
    by_objects(class)
        && class.effect <= granted.effect
        && class.risk <= granted.risk
        && granted.verbs.contains(class.verbs)
        && class.labels.is_subset(&granted.labels)
        && class.objects.is_subset(&granted.objects)
        && class.findings.iter().all(|f| granted.findings.contains(f))
}

/// All that decides what a text means; whether a transaction is open is asked about by the rule itself.
fn same_state(then: &Context, now: &Context) -> bool {
    then.role == now.role
        && then.search_path == now.search_path
        && then.settings == now.settings
        && then.shadows == now.shadows
}
