//! One request at the desk and what people have said to it. Refuses to be met by anything but enough
//! distinct people for each requirement, each for a group of their own where that is asked for.

use crate::moment::{Deadline, Moment};
use crate::state::State;
use aws_lc_rs::digest;
use portcullis_gate::HoldRequest;
use portcullis_model::{Identity, Principal, Requirement, Timestamp, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What somebody says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ballot {
    /// Let it happen.
    Approve,
    /// Do not; one is enough.
    Deny,
}

/// A vote that counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// Who, as verified.
    pub voter: Arc<Identity>,
    /// What.
    pub ballot: Ballot,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// For so long the yes is meant for the whole class, where policy lets it.
    #[serde(default)]
    pub reuse: Option<Duration>,
    /// Who has asked the voter to stand in meanwhile. It gives the voter nothing.
    #[serde(default)]
    pub stands_in_for: Vec<String>,
    /// The requirements of the request, by place, that policy lets the voter answer. None is none.
    #[serde(default)]
    pub counts_for: Vec<usize>,
    /// Where it was cast: `cli`, `console`, `slack`.
    #[serde(default)]
    pub channel: String,
}

/// A request at the desk.
pub(crate) struct Request {
    pub id: String,
    pub asked: Arc<HoldRequest>,
    /// Everybody who asks for it: sessions of one identity that joined, each with its claims.
    pub requesters: Vec<Arc<Identity>>,
    pub opened: Timestamp,
    /// When nothing could happen to it any more.
    pub ended: Option<Timestamp>,
    /// So long ago by the steady count, which no clock sets back.
    age: Deadline,
    /// Until when it may be approved; once it is, until when it may be used.
    pub until: Deadline,
    pub votes: Vec<Vote>,
    /// Those who hold its bytes and wait. None in defer mode.
    pub waiting: usize,
    /// Requirements whose other groups were told.
    pub escalated: Vec<String>,
    /// The grant that it has become.
    pub grant: Option<String>,
    /// Tells those who wait that something has changed.
    pub changed: watch::Sender<State>,
}

/// Longer than any request waits: its age is what is missing to that.
const AGES: Duration = Duration::from_secs(366 * 24 * 3600);

impl Request {
    pub(crate) fn new(id: String, asked: HoldRequest, now: Moment) -> Self {
        let pending = shortest(&asked.requirements, |r| r.ttl);
        Self {
            id,
            requesters: vec![asked.session.identity.clone()],
            opened: now.wall,
            ended: None,
            age: Deadline::after(now, AGES),
            until: Deadline::after(now, pending),
            votes: Vec::new(),
            waiting: 0,
            escalated: Vec::new(),
            grant: None,
            changed: watch::Sender::new(State::Pending),
            asked: Arc::new(asked),
        }
    }

    /// The same request after a restart.
    pub(crate) fn kept(kept: Kept, seen: Timestamp, now: Moment) -> Self {
        Self {
            id: kept.id,
            asked: Arc::new(kept.asked),
            requesters: kept.requesters,
            opened: kept.opened,
            ended: kept.state.is_final().then_some(now.wall),
            age: Deadline::kept(kept.opened.after(AGES), seen, now),
            until: Deadline::kept(kept.until, seen, now),
            votes: kept.votes,
            waiting: 0,
            escalated: kept.escalated,
            grant: None,
            changed: watch::Sender::new(kept.state),
        }
    }

    pub(crate) fn state(&self) -> State {
        *self.changed.borrow()
    }

    /// Moves it on, and tells whoever waits.
    pub(crate) fn move_to(&mut self, state: State, now: Moment) {
        if state.is_final() {
            self.ended = Some(now.wall);
        }
        self.changed.send_replace(state);
    }

    /// True when a rerun finds it by its binding, instead of waiting with the bytes in hand.
    pub(crate) fn is_deferred(&self) -> bool {
        comes_back(&self.asked)
    }

    /// True when the votes for this request are votes for that one too: the same bytes by the same
    /// identity (the binding), in the same state, under the same requirements.
    pub(crate) fn covers(&self, other: &HoldRequest) -> bool {
        self.asked.binding == other.binding
            && self.asked.access == other.access
            && self.asked.context == other.context
            && self.asked.requirements == other.requirements
            && self.asked.session.target.name == other.session.target.name
            && self.asked.session.identity.principal == other.session.identity.principal
            // A connection that was asked for in advance is opened with or without naming the ticket again.
            && (other.access || self.asked.ticket == other.ticket)
            // A yes to an hour is none to a day.
            && (!other.access || self.asked.wish.lasts == other.wish.lasts)
    }

    /// The groups that may vote on a requirement by now.
    pub(crate) fn groups(&self, requirement: &Requirement, now: Moment) -> Vec<String> {
        self.asked_now(requirement, now).cloned().collect()
    }

    /// All groups that it waits for by now, each once.
    pub(crate) fn waits_for(&self, now: Moment) -> BTreeSet<&str> {
        let requirements = self.asked.requirements.iter();
        let groups = requirements.flat_map(|requirement| self.asked_now(requirement, now));
        groups.map(String::as_str).collect()
    }

    fn asked_now<'r>(
        &self,
        requirement: &'r Requirement,
        now: Moment,
    ) -> impl Iterator<Item = &'r String> + use<'r> {
        let named = &requirement.approver_groups;
        let later = requirement.terms.escalate.as_ref();
        let later = later.filter(|e| !named.is_empty() && self.age(now) >= e.after);
        named
            .iter()
            .chain(later.into_iter().flat_map(|e| &e.groups))
    }

    fn age(&self, now: Moment) -> Duration {
        AGES.saturating_sub(self.age.left_steady(now))
    }

    /// The votes that count for the requirement in this place. A person votes once; a vote counts for every
    /// requirement whose groups the person is in and for which policy has let them vote.
    pub(crate) fn counted(&self, place: usize, requirement: &Requirement, now: Moment) -> usize {
        let groups = self.groups(requirement, now);
        let stands_for: Vec<Vec<&String>> = self
            .votes
            .iter()
            .filter(|vote| vote.ballot == Ballot::Approve && vote.counts_for.contains(&place))
            .filter(|vote| may_meet(&vote.voter, &groups))
            .map(|vote| {
                groups
                    .iter()
                    .filter(|g| vote.voter.groups.contains(g))
                    .collect()
            })
            .collect();
        match requirement.terms.distinct_groups && !groups.is_empty() {
            true => apart(&stands_for),
            false => stands_for.len(),
        }
    }

    /// True when every requirement has its people. No requirement at all is met by nobody.
    pub(crate) fn is_met(&self, now: Moment) -> bool {
        let requirements = &self.asked.requirements;
        !requirements.is_empty()
            && requirements
                .iter()
                .enumerate()
                .all(|(place, r)| self.counted(place, r, now) >= needed(r))
    }

    pub(crate) fn execution_ttl(&self) -> Duration {
        shortest(&self.asked.requirements, |r| r.execution_ttl)
    }

    pub(crate) fn approvers(&self) -> Vec<Principal> {
        let approving = self.votes.iter().filter(|v| v.ballot == Ballot::Approve);
        approving.map(|v| v.voter.principal.clone()).collect()
    }

    /// What policy is asked about: the groups that may vote by now in the place of those of the rule.
    pub(crate) fn asked_by_now(&self, now: Moment) -> HoldRequest {
        let mut asked = (*self.asked).clone();
        let mut requirements = asked.requirements;
        for requirement in &mut requirements {
            requirement.approver_groups = self.groups(requirement, now);
        }
        asked.requirements = requirements;
        asked
    }

    pub(crate) fn to_keep(&self) -> Kept {
        let mut asked = (*self.asked).clone();
        asked.shown = kept_text(asked.shown);
        Kept {
            id: self.id.clone(),
            asked,
            requesters: self.requesters.clone(),
            opened: self.opened,
            until: self.until.wall,
            votes: self.votes.clone(),
            escalated: self.escalated.clone(),
            state: self.state(),
        }
    }
}

/// What is kept of a text: nobody fills the store with what they ask for. The binding is that of the whole.
pub(crate) fn kept_text(text: String) -> String {
    let mut end = limits::DESK_SHOWN_BYTES_MAX;
    if text.len() <= end {
        return text;
    }
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let start = text.get(..end).unwrap_or_default();
    format!(
        "{start}\n[cut: {} bytes in all, SHA-256 {}]",
        text.len(),
        hex::encode(digest.as_ref())
    )
}

/// A request as the store has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub id: String,
    #[serde(with = "asked")]
    pub asked: HoldRequest,
    pub requesters: Vec<Arc<Identity>>,
    pub opened: Timestamp,
    pub until: Timestamp,
    pub votes: Vec<Vote>,
    pub escalated: Vec<String>,
    pub state: State,
}

/// [`HoldRequest`], whose home knows no format.
mod asked {
    use portcullis_gate::{HoldRequest, Wish};
    use portcullis_model::{Class, Context, Requirement, Session};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;
    use std::time::Duration;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        session: Arc<Session>,
        binding: [u8; 32],
        shown: String,
        class: Class,
        context: Context,
        ticket: Option<String>,
        requirements: Vec<Requirement>,
        access: bool,
        lasts: Option<Duration>,
        detached: bool,
        #[serde(default)]
        returns: bool,
        glass: Option<String>,
    }

    pub(super) fn serialize<S: Serializer>(asked: &HoldRequest, to: S) -> Result<S::Ok, S::Error> {
        let asked = asked.clone();
        let form = Form {
            session: asked.session,
            binding: asked.binding,
            shown: asked.shown,
            class: asked.class,
            context: asked.context,
            ticket: asked.ticket,
            requirements: asked.requirements,
            access: asked.access,
            lasts: asked.wish.lasts,
            detached: asked.wish.detached,
            returns: asked.wish.returns,
            glass: asked.wish.glass,
        };
        form.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<HoldRequest, D::Error> {
        let form = Form::deserialize(from)?;
        Ok(HoldRequest {
            session: form.session,
            binding: form.binding,
            shown: form.shown,
            class: form.class,
            context: form.context,
            ticket: form.ticket,
            requirements: form.requirements,
            access: form.access,
            wish: Wish {
                lasts: form.lasts,
                detached: form.detached,
                returns: form.returns,
                glass: form.glass,
            },
        })
    }
}

/// True when whoever asks does not wait, and finds the answer by what is asked.
pub(crate) fn comes_back(asked: &HoldRequest) -> bool {
    let wish = &asked.wish;
    wish.detached || wish.returns || asked.requirements.iter().any(|r| r.defer)
}

/// True when a vote of this identity counts where these groups may vote. Without groups policy decides alone.
pub(crate) fn may_meet(voter: &Identity, groups: &[String]) -> bool {
    groups.is_empty() || groups.iter().any(|group| voter.groups.contains(group))
}

/// How many of these can each stand for a group that no other of them stands for: a matching (Kuhn), small enough to
/// need nothing cleverer.
fn apart(stands_for: &[Vec<&String>]) -> usize {
    fn place<'g>(
        who: usize,
        stands_for: &[Vec<&'g String>],
        taken: &mut Vec<(&'g String, usize)>,
        tried: &mut Vec<&'g String>,
    ) -> bool {
        let groups = stands_for.get(who).cloned().unwrap_or_default();
        for group in groups {
            if tried.contains(&group) {
                continue;
            }
            tried.push(group);
            let holder = taken.iter().position(|(g, _)| *g == group);
            match holder.and_then(|at| taken.get(at).map(|(_, who)| (at, *who))) {
                None => {
                    taken.push((group, who));
                    return true;
                }
                Some((_, other)) if place(other, stands_for, taken, tried) => {
                    // The other has moved to another group: its old place is the first with this name.
                    if let Some(entry) = taken.iter_mut().find(|(g, w)| *g == group && *w == other)
                    {
                        entry.1 = who;
                    }
                    return true;
                }
                Some(_) => {}
            }
        }
        false
    }
    let mut taken = Vec::new();
    (0..stands_for.len())
        .filter(|who| place(*who, stands_for, &mut taken, &mut Vec::new()))
        .count()
}

/// A requirement of nobody would be none.
pub(crate) fn needed(requirement: &Requirement) -> usize {
    usize::try_from(requirement.approvers)
        .unwrap_or(usize::MAX)
        .max(1)
}

/// The strictest of all requirements; without any, no time at all.
fn shortest(requirements: &[Requirement], ttl: impl Fn(&Requirement) -> Duration) -> Duration {
    requirements.iter().map(ttl).min().unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::{apart, kept_text};
    use portcullis_model::limits::DESK_SHOWN_BYTES_MAX;

    #[test]
    fn a_long_text_is_kept_cut_and_says_so() {
        assert_eq!(kept_text("DROP TABLE a".to_owned()), "DROP TABLE a");
        let long = "é".repeat(DESK_SHOWN_BYTES_MAX);
        let kept = kept_text(long.clone());
        assert!(kept.len() < DESK_SHOWN_BYTES_MAX + 200 && kept.contains("[cut: "));
        assert_ne!(
            kept,
            kept_text(format!("{long}!")),
            "the digest is of the whole"
        );
    }

    #[test]
    fn each_person_stands_for_a_group_of_their_own() {
        let names: Vec<String> = ["dba", "sre", "sec"].map(str::to_owned).into();
        let of = |groups: &[usize]| groups.iter().map(|g| &names[*g]).collect::<Vec<_>>();
        assert_eq!(apart(&[of(&[0]), of(&[0])]), 1, "two of one group are one");
        assert_eq!(apart(&[of(&[0, 1]), of(&[0])]), 2, "the first makes room");
        assert_eq!(apart(&[of(&[0]), of(&[0, 1]), of(&[1, 2])]), 3);
        assert_eq!(apart(&[of(&[0, 1]), of(&[0, 1]), of(&[0, 1])]), 2);
        assert_eq!(apart(&[]), 0);
    }
}
