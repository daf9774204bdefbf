//! All anchors, and what happens where one stands.

use crate::format::{Format, Found};
use crate::rules::WRAPPED;
use crate::scan::Scanner;
use crate::wrapped::{self, Wrapping};
use crate::{assignment, kubernetes, structured, vendors};
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
    scanner: Scanner,
    leads: Vec<Vec<Lead>>,
    /// The plain anchors alone, for what was unwrapped.
    inner: Scanner,
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

/// What must stand in a cell: anchors as they are matched, true without regard to case.
#[cfg(test)]
pub fn needles() -> std::collections::BTreeSet<(String, bool)> {
    let mut needles = std::collections::BTreeSet::new();
    for (anchor, leads) in leads() {
        for lead in leads {
            needles.insert(match lead {
                // Checked letter by letter.
                Lead::Format(f) if !matches!(f.tail, crate::format::Tail::Rule(_)) => {
                    (f.anchor.to_owned(), false)
                }
                _ => (anchor.clone(), true),
            });
        }
    }
    needles
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
            if form.len() >= 4 {
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
    /// Builds the tables.
    pub fn new() -> Result<Self, String> {
        let leads = leads();
        let anchors: Vec<String> = leads.keys().cloned().collect();
        let formats: Vec<_> = formats().collect();
        let plain: Vec<String> = formats.iter().map(|f| f.anchor.to_owned()).collect();
        Ok(Self {
            scanner: Scanner::new(&anchors)?,
            inner: Scanner::new(&plain)?,
            leads: leads.into_values().collect(),
            formats,
        })
    }

    /// Looks at all cells at once.
    pub fn batch<'b>(&self, batch: &Batch<'b>, report: &mut Report<'_, 'b>) {
        let mut seen = Seen::default();
        self.scanner.each(batch.data(), |anchor, at| {
            let Some((cell, within)) = batch.locate(at) else {
                return;
            };
            if seen.cell != Some(cell.index()) {
                seen = Seen {
                    cell: Some(cell.index()),
                    ..Seen::default()
                };
            }
            let leads = self.leads.get(anchor).map_or(&[][..], Vec::as_slice);
            for lead in leads {
                self.follow(*lead, cell, within, &mut seen, report);
            }
        });
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
        let mut found = false;
        self.inner.each(inside, |format, at| {
            let format = self.formats.get(format);
            found |= format.is_some_and(|f| !found && f.find(inside, at).is_some());
        });
        found
    }
}
