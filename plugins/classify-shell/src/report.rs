//! What has been found so far: the opinion, and where in the text it stands. Bounded, because a text can
//! repeat itself: what does not fit is dropped only where more of the same says nothing new.

use crate::labels::Label;
use crate::syntax::Span;
use portcullis_sdk::{Effect, Object, Opinion, Verbs};

/// Findings shown to an approver.
const FINDINGS_MAX: usize = 64;
/// Objects handed to policy; more of them are said to be too complex.
const OBJECTS_MAX: usize = 256;
/// Bytes of an object's name, as the gateway takes it.
const NAME_BYTES_MAX: usize = 512;

/// The opinion in the making.
#[derive(Debug)]
pub struct Report {
    opinion: Opinion,
    /// Where the command that is looked at stands in the whole text.
    pub place: Span,
}

impl Report {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            opinion: Opinion::nothing(),
            place: Span::default(),
        }
    }

    /// The opinion.
    pub fn finish(self) -> Opinion {
        self.opinion
    }

    /// Whether this was said.
    pub fn has(&self, label: &Label) -> bool {
        self.opinion.labels.contains(label.name)
    }

    /// The worst effect so far.
    pub fn effect(&self) -> Effect {
        self.opinion.effect
    }

    fn change(&mut self, change: impl FnOnce(Opinion) -> Opinion) {
        let opinion = std::mem::replace(&mut self.opinion, Opinion::nothing());
        self.opinion = change(opinion);
    }

    /// This label, here.
    pub fn say(&mut self, label: &Label) {
        let at = self.place.start..self.place.end;
        let finding = (label.rule, at.clone());
        let room =
            self.opinion.findings.len() < FINDINGS_MAX && !self.opinion.findings.contains(&finding);
        self.change(|opinion| {
            let opinion = opinion
                .risk(label.risk)
                .effect(label.effect)
                .label(label.name);
            match room {
                true => opinion.finding(label.rule, at),
                false => opinion,
            }
        });
    }

    /// This effect and these verbs.
    pub fn does(&mut self, effect: Effect, verbs: Verbs) {
        self.change(|opinion| opinion.effect(effect).verbs(verbs));
    }

    /// It touches this.
    pub fn touches(&mut self, kind: &str, name: &str, write: bool) {
        if self.opinion.objects.len() >= OBJECTS_MAX || name.is_empty() {
            return;
        }
        let shown = name.replace('\0', "…");
        let end = shown.floor_char_boundary(NAME_BYTES_MAX.min(shown.len()));
        let object = Object {
            kind: kind.to_owned(),
            schema: None,
            name: shown.get(..end).unwrap_or_default().to_owned(),
            write,
        };
        self.change(|opinion| opinion.object(object));
    }

    /// Another report's findings too.
    pub fn join(&mut self, other: Self) {
        let mut other = other.opinion;
        let room = FINDINGS_MAX.saturating_sub(self.opinion.findings.len());
        other.findings.truncate(room);
        self.change(|opinion| opinion.join(other));
    }
}
