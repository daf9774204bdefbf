//! Who is asked what: which packs can say anything at a stage, over a protocol, to whom, and in which of their sets.
//! Worked out once for a set, from what its rules show. A pack whose rules show nothing is asked always.

use crate::input::{Action, Input, Section};
use portcullis_model::{Kind, Protocol, Session};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a pack reads of the input, as a set of sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reads(u16);

impl Reads {
    pub(crate) fn nothing() -> Self {
        Self(0)
    }

    pub(crate) fn of(sections: &[Section]) -> Self {
        Self(sections.iter().fold(0, |mask, s| mask | s.bit()))
    }

    /// For what could not be told: never cached.
    pub(crate) fn everything() -> Self {
        Self(Section::ALL)
    }

    pub(crate) fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn mask(self) -> u16 {
        self.0
    }

    /// Time or history: never cached.
    pub(crate) fn changing(self) -> bool {
        self.0 & Section::CHANGING != 0
    }
}

/// A stage, the protocol it is about, and who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occasion {
    pub action: Action,
    pub protocol: Protocol,
    pub kind: Kind,
    /// Somebody acts for the identity.
    pub delegated: bool,
}

const ACTIONS: [(&str, Action); 5] = [
    ("connect", Action::Connect),
    ("command", Action::Command),
    ("response", Action::Response),
    ("approve", Action::Approve),
    ("console", Action::Console),
];
const PROTOCOLS: [(&str, Protocol); 3] = [
    ("kubernetes", Protocol::Kubernetes),
    ("postgres", Protocol::Postgres),
    ("ssh", Protocol::Ssh),
];
const KINDS: [(&str, Kind); 4] = [
    ("human", Kind::Human),
    ("agent", Kind::Agent),
    ("ci", Kind::Ci),
    ("service", Kind::Service),
];

impl Occasion {
    /// The occasion of an input.
    pub(crate) fn of(input: &Input<'_>) -> Self {
        Self {
            action: input.action,
            // Without a connection no rule holds that wants one to be of a protocol, and only what is said so narrows whom a
            // rule is asked: one that wants it not to be is asked over all of them. So it makes no difference which stands here.
            protocol: input
                .connection
                .as_ref()
                .map_or(Protocol::Postgres, |c| c.protocol),
            kind: input.identity.kind,
            delegated: !input.identity.actors.is_empty(),
        }
    }

    /// The occasion of a command.
    pub(crate) fn command(session: &Session) -> Self {
        Self {
            action: Action::Command,
            protocol: session.target.protocol,
            kind: session.identity.kind,
            delegated: !session.identity.actors.is_empty(),
        }
    }

    fn number(self) -> usize {
        let protocol = match self.protocol {
            Protocol::Kubernetes => 0,
            Protocol::Postgres => 1,
            Protocol::Ssh => 2,
        };
        let kind = match self.kind {
            Kind::Human => 0,
            Kind::Agent => 1,
            Kind::Ci => 2,
            Kind::Service => 3,
        };
        let place = (self.action as usize * PROTOCOLS.len() + protocol) * KINDS.len() + kind;
        place * 2 + usize::from(self.delegated)
    }

    /// Every occasion, in order of its number.
    fn all() -> impl Iterator<Item = Self> {
        const EACH: usize = KINDS.len() * 2;
        const COUNT: usize = ACTIONS.len() * PROTOCOLS.len() * EACH;
        (0..COUNT).map(|number| Self {
            action: ACTIONS[number / EACH / PROTOCOLS.len()].1,
            protocol: PROTOCOLS[number / EACH % PROTOCOLS.len()].1,
            kind: KINDS[number / 2 % KINDS.len()].1,
            delegated: number % 2 == 1,
        })
    }
}

/// The occasions on which something can be said at all, as far as rules show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occasions(u128);

impl Occasions {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(u128::MAX);

    fn that(holds: impl Fn(&Occasion) -> bool) -> Self {
        let each = Occasion::all().filter(holds);
        Self(each.fold(0, |all, occasion| all | 1 << occasion.number()))
    }

    /// All at the stage of this name; none when there is no such stage, for a rule about it never holds.
    pub(crate) fn at(name: &str) -> Self {
        let action = ACTIONS.iter().find(|(action, _)| *action == name);
        action.map_or(Self::NONE, |(_, action)| {
            Self::that(|o| o.action == *action)
        })
    }

    /// All over the protocol of this name; none when there is no such protocol.
    pub(crate) fn over(name: &str) -> Self {
        let protocol = PROTOCOLS.iter().find(|(protocol, _)| *protocol == name);
        protocol.map_or(Self::NONE, |(_, protocol)| {
            Self::that(|o| o.protocol == *protocol)
        })
    }

    /// All on which an identity of this kind asks; none when there is no such kind.
    pub(crate) fn by(name: &str) -> Self {
        let kind = KINDS.iter().find(|(kind, _)| *kind == name);
        kind.map_or(Self::NONE, |(_, kind)| Self::that(|o| o.kind == *kind))
    }

    /// All on which somebody acts for the identity, or nobody does.
    pub(crate) fn delegated(delegated: bool) -> Self {
        Self::that(|o| o.delegated == delegated)
    }

    pub(crate) fn either(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn has(self, occasion: Occasion) -> bool {
        self.0 >> occasion.number() & 1 == 1
    }
}

/// One of a pack's sets.
pub(crate) struct Entry {
    /// `grant`, `deny`, …
    pub name: &'static str,
    /// When it can hold anything, with the data of the set.
    pub speaks: Occasions,
    /// When it could with some data and for somebody: what an explanation is about.
    pub concerns: Occasions,
    /// A rule that all of many bodies need: asked first.
    pub gate: Option<String>,
}

/// One pack of a set.
pub(crate) struct Pack {
    pub name: Arc<str>,
    pub dry_run: bool,
    /// SHA-256 of the key that it is signed with, where it is a signed bundle.
    pub signed_by: Option<String>,
    /// Its sets.
    pub entries: Vec<Entry>,
    pub reads: Reads,
    /// The keys of data that it reads.
    pub data: BTreeSet<String>,
}

impl Pack {
    /// The rule that holds all its sets.
    pub(crate) fn entry_name(&self) -> String {
        format!("said_{}", self.name)
    }

    /// True when it can say anything.
    pub(crate) fn speaks(&self, occasion: Occasion) -> bool {
        self.entries.iter().any(|entry| entry.speaks.has(occasion))
    }

    /// True when it is about this stage and protocol at all.
    pub(crate) fn concerns(&self, occasion: Occasion) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.concerns.has(occasion))
    }

    /// Its sets that can hold anything on one of these occasions, as an object.
    fn sets(&self, occasions: Occasions) -> String {
        let spoken = self
            .entries
            .iter()
            .filter(|entry| entry.speaks.both(occasions) != Occasions::NONE);
        let set = |entry: &Entry| {
            let Entry { name, gate, .. } = entry;
            let all = format!("data.portcullis.packs.{}.{name}", self.name);
            match gate {
                None => format!("\"{name}\": {all}"),
                Some(gate) => format!("\"{name}\": {{one | {gate}; some one in {all}}}"),
            }
        };
        format!("{{{}}}", spoken.map(set).collect::<Vec<_>>().join(", "))
    }
}

/// The packs that are asked on one occasion.
pub(crate) struct Group {
    /// Unlike any other group's of the set.
    pub number: usize,
    /// Their places in the set, in order.
    pub packs: Vec<usize>,
    /// Those of them that read time or history.
    pub changing: Vec<usize>,
    /// What the others read.
    pub steady: Reads,
    /// What all of them read.
    pub reads: Reads,
    /// The rule that asks all of them at once.
    pub rule: String,
}

/// A group for every occasion.
pub(crate) struct Plan {
    groups: Vec<Group>,
    /// What the groups' rules say; groups that would say the same share one.
    bodies: Vec<String>,
}

impl Plan {
    pub(crate) fn of(packs: &[Pack], data: &BTreeSet<String>) -> Self {
        let mut bodies: Vec<String> = Vec::new();
        let groups = Occasion::all().enumerate().map(|(number, occasion)| {
            let mut group = Group::of(number, occasion, packs);
            let body = group.body(occasion, packs, data);
            let known = bodies.iter().position(|known| *known == body);
            let place = known.unwrap_or(bodies.len());
            if known.is_none() {
                bodies.push(body);
            }
            group.rule = format!("data.portcullis.entry.group_{place}");
            group
        });
        let groups = groups.collect();
        Self { groups, bodies }
    }

    pub(crate) fn group(&self, occasion: Occasion) -> &Group {
        &self.groups[occasion.number()]
    }

    /// The package that asks packs for their sets: each alone, and each group at once. Ours, below a name no pack
    /// may use.
    pub(crate) fn module(&self, packs: &[Pack]) -> String {
        let mut text = String::from("package portcullis.entry\n\nready := true\n");
        for pack in packs {
            let said = format!("\n{} := {}\n", pack.entry_name(), pack.sets(Occasions::ALL));
            text.push_str(&said);
        }
        for (number, body) in self.bodies.iter().enumerate() {
            text.push_str(&format!(
                "\ngroup_{number} := said if {{\n\tsaid := {body}\n}}\n"
            ));
        }
        text
    }
}

impl Group {
    fn of(number: usize, occasion: Occasion, packs: &[Pack]) -> Self {
        let speaking: Vec<usize> = (0..packs.len())
            .filter(|&index| packs[index].speaks(occasion))
            .collect();
        let (changing, steady): (Vec<usize>, Vec<usize>) = speaking
            .iter()
            .partition(|&&index| packs[index].reads.changing());
        let reads = |indices: &[usize]| {
            let action = Reads::of(&[Section::Action]);
            indices
                .iter()
                .fold(action, |all, &index| all.join(packs[index].reads))
        };
        Self {
            number,
            steady: reads(&steady),
            reads: reads(&speaking),
            changing,
            packs: speaking,
            rule: String::new(),
        }
    }

    /// All sets that can hold anything, pack by pack. The engine looks a document of data up far quicker where
    /// `with` has named it, though nothing is replaced: that pays for many packs, not for one. It bounds the length
    /// of a line, too.
    fn body(&self, occasion: Occasion, packs: &[Pack], data: &BTreeSet<String>) -> String {
        let only = Occasions(1 << occasion.number());
        let mut said = String::from("{");
        let mut read = BTreeSet::new();
        for pack in self.packs.iter().map(|&index| &packs[index]) {
            said.push_str(&format!("\n\t\t\"{}\": {},", pack.name, pack.sets(only)));
            read.extend(pack.data.intersection(data));
        }
        said.push_str("\n\t}");
        for key in read {
            said.push_str(&format!("\n\t\twith data.{key} as data.{key}"));
        }
        said
    }
}
