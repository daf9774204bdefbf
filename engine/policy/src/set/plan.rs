//! Who is asked what: which packs can say anything at a stage about a protocol, and in which of their sets. Worked
//! out once for a set, from what its rules show. A pack whose rules show nothing is asked always.

use crate::input::{Action, Section};
use portcullis_model::Protocol;
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

/// The stages, protocol by protocol, at which something can be said at all, as far as rules show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stages(u16);

const ACTIONS: [(&str, Action); 4] = [
    ("connect", Action::Connect),
    ("command", Action::Command),
    ("response", Action::Response),
    ("approve", Action::Approve),
];
const PROTOCOLS: [(&str, Protocol); 3] = [
    ("kubernetes", Protocol::Kubernetes),
    ("postgres", Protocol::Postgres),
    ("ssh", Protocol::Ssh),
];

impl Stages {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self((1 << (ACTIONS.len() * PROTOCOLS.len())) - 1);

    fn that(holds: impl Fn(&str, &str) -> bool) -> Self {
        let mut set = Self::NONE;
        for (action, at) in ACTIONS {
            for (protocol, over) in PROTOCOLS {
                if holds(action, protocol) {
                    set = set.either(Self(1 << Occasion(at, over).number()));
                }
            }
        }
        set
    }

    /// The stage of this name; none when there is no such stage, for a rule about it never holds.
    pub(crate) fn named(name: &str) -> Self {
        Self::that(|action, _| action == name)
    }

    /// All stages of the protocol of this name; none when there is no such protocol.
    pub(crate) fn over(name: &str) -> Self {
        Self::that(|_, protocol| protocol == name)
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

/// A stage, and the protocol it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occasion(pub Action, pub Protocol);

impl Occasion {
    fn number(self) -> usize {
        let protocol = match self.1 {
            Protocol::Kubernetes => 0,
            Protocol::Postgres => 1,
            Protocol::Ssh => 2,
        };
        self.0 as usize * PROTOCOLS.len() + protocol
    }

    fn all() -> impl Iterator<Item = Self> {
        let of =
            |(_, action): &(&str, Action)| PROTOCOLS.map(|(_, protocol)| Self(*action, protocol));
        ACTIONS.iter().flat_map(of)
    }
}

/// One pack of a set.
pub(crate) struct Pack {
    pub name: Arc<str>,
    pub dry_run: bool,
    /// Its sets, and when each of them can hold anything.
    pub entries: Vec<(&'static str, Stages)>,
    pub reads: Reads,
    /// The keys of data that it reads.
    pub data: BTreeSet<String>,
}

impl Pack {
    /// The rule that holds all its sets.
    pub(crate) fn entry_name(&self) -> String {
        format!("said_{}", self.name)
    }

    pub(crate) fn speaks(&self, occasion: Occasion) -> bool {
        self.entries.iter().any(|(_, stages)| stages.has(occasion))
    }

    /// Its sets that can hold anything on one of these occasions, as an object.
    fn sets(&self, occasions: Stages) -> String {
        let spoken = self
            .entries
            .iter()
            .filter(|(_, stages)| stages.both(occasions) != Stages::NONE);
        let set = |(entry, _): &(&str, Stages)| {
            format!("\"{entry}\": data.portcullis.packs.{}.{entry}", self.name)
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
            let said = format!("\n{} := {}\n", pack.entry_name(), pack.sets(Stages::ALL));
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
        let only = Stages(1 << occasion.number());
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
