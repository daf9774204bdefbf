//! The automaton, and what happens where it hits.

use crate::format::{Format, Found};
use crate::rules::WRAPPED;
use crate::wrapped::{self, Wrapping};
use crate::{assignment, kubernetes, structured, vendors};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use portcullis_sdk::{Batch, Cell, Rule};
use std::collections::BTreeMap;
use std::ops::Range;

/// What an anchor leads to.
#[derive(Clone, Copy)]
enum Lead {
    Format(&'static Format),
    Wrapped(Wrapping),
    KubernetesSecret,
}

/// All anchors.
pub struct Search {
    automaton: AhoCorasick,
    leads: Vec<Vec<Lead>>,
    /// The plain anchors alone, for what was unwrapped.
    inner: AhoCorasick,
    formats: Vec<&'static Format>,
}

/// Blobs that have been looked at, in one cell.
#[derive(Default)]
struct Seen {
    cell: Option<u32>,
    blob: Option<(Range<usize>, bool)>,
    secrets: bool,
}

/// Where a find is reported.
pub type Report<'a, 'b> = dyn FnMut(Cell<'b>, Range<usize>, Rule) + 'a;

/// All formats.
fn formats() -> impl Iterator<Item = &'static Format> {
    structured::FORMATS
        .iter()
        .chain(assignment::FORMATS)
        .chain(vendors::all())
}

/// Literals that are looked for inside base64 and hexadecimal digits: what is telling, and what people wrap.
fn wrappable() -> impl Iterator<Item = &'static str> {
    let telling = vendors::all().filter(|f| f.telling()).map(|f| f.anchor);
    telling.chain([
        "-----BEGIN ",
        "PRIVATE KEY",
        "eyJhbGci",
        "password",
        "PASSWORD",
        "secret",
        "SECRET",
        "_KEY=",
        "_TOKEN=",
        "postgres",
        "mysql://",
        "mongodb",
        "redis://",
        "amqp://",
        "amqps://",
        "https://",
        "\"token\"",
    ])
}

/// All anchors in lower case: the search does not regard case.
#[cfg(test)]
pub fn anchors() -> Vec<String> {
    leads().into_keys().collect()
}

fn leads() -> BTreeMap<String, Vec<Lead>> {
    let mut leads: BTreeMap<String, Vec<Lead>> = BTreeMap::new();
    for format in formats() {
        let anchor = format.anchor.to_ascii_lowercase();
        leads.entry(anchor).or_default().push(Lead::Format(format));
    }
    leads
        .entry("secret".to_owned())
        .or_default()
        .push(Lead::KubernetesSecret);
    for literal in wrappable() {
        for (form, wrapping) in wrapped::forms(literal) {
            if form.len() >= 5 {
                let lead = Lead::Wrapped(wrapping);
                leads
                    .entry(form.to_ascii_lowercase())
                    .or_default()
                    .push(lead);
            }
        }
    }
    leads
}

impl Search {
    /// Builds the automata.
    pub fn new() -> Result<Self, String> {
        let leads = leads();
        let build = |kind, patterns: &mut dyn Iterator<Item = String>| {
            AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .ascii_case_insensitive(true)
                .kind(Some(kind))
                .build(patterns)
                .map_err(|e| e.to_string())
        };
        let formats: Vec<_> = formats().collect();
        Ok(Self {
            automaton: build(AhoCorasickKind::DFA, &mut leads.keys().cloned())?,
            inner: build(
                AhoCorasickKind::ContiguousNFA,
                &mut formats.iter().map(|f| f.anchor.to_owned()),
            )?,
            leads: leads.into_values().collect(),
            formats,
        })
    }

    /// Looks at all cells at once.
    pub fn batch<'b>(&self, batch: &Batch<'b>, report: &mut Report<'_, 'b>) {
        let mut seen = Seen::default();
        for hit in self.automaton.find_overlapping_iter(batch.data()) {
            let Some((cell, within)) = batch.locate(hit.start()) else {
                continue;
            };
            if seen.cell != Some(cell.index()) {
                seen = Seen {
                    cell: Some(cell.index()),
                    ..Seen::default()
                };
            }
            let leads = self
                .leads
                .get(hit.pattern().as_usize())
                .map_or(&[][..], Vec::as_slice);
            for lead in leads {
                self.follow(*lead, cell, within, &mut seen, report);
            }
        }
    }

    fn follow<'b>(
        &self,
        lead: Lead,
        cell: Cell<'b>,
        at: usize,
        seen: &mut Seen,
        report: &mut Report<'_, 'b>,
    ) {
        let bytes = cell.bytes();
        match lead {
            Lead::Format(format) => {
                if let Some(Found { range, rule }) = format.find(bytes, at) {
                    report(cell, range, rule);
                }
            }
            Lead::KubernetesSecret => {
                if !seen.secrets && kubernetes::is_secret(bytes, at) {
                    seen.secrets = true;
                    for Found { range, rule } in kubernetes::values(bytes) {
                        report(cell, range, rule);
                    }
                }
            }
            Lead::Wrapped(wrapping) => {
                let known = seen
                    .blob
                    .as_ref()
                    .is_some_and(|(range, found)| *found && range.contains(&at));
                if known {
                    return;
                }
                if let Some(blob) = wrapped::blob(bytes, at, wrapping) {
                    let found = self.holds(&blob.inside);
                    if found {
                        report(cell, blob.range.clone(), WRAPPED);
                    }
                    seen.blob = Some((blob.range, found));
                }
            }
        }
    }

    /// True when there is a secret in what was unwrapped.
    fn holds(&self, inside: &[u8]) -> bool {
        self.inner.find_overlapping_iter(inside).any(|hit| {
            let format = self.formats.get(hit.pattern().as_usize());
            format.is_some_and(|f| f.find(inside, hit.start()).is_some())
        })
    }
}
