//! From a text to its facts: pre-scan, parse, read each statement, find its place.
//!
//! Refuses: what the pre-scan or the grammar rejects has no facts, only a reason.

use crate::literal_free;
use crate::outline;
use crate::outputs;
use crate::parse;
use crate::places::Places;
use crate::prescan;
use crate::reader::{Reader, SecretAt};
use crate::tree::Walk;
use pg_query::protobuf::{Node, ParseResult, RawStmt};
use portcullis_model::facts::{Parse, SessionChange, StatementFacts};
use portcullis_model::limits::SECRET_SPANS_MAX;
use portcullis_model::{Category, Effect, Facts, Outline};
use std::iter::once;
use std::ops::Range;
use std::sync::Arc;

/// Facts, and whether they hold for every text of the same shape.
pub(crate) struct Examined {
    pub(crate) facts: Facts,
    pub(crate) literal_free: bool,
}

impl From<Facts> for Examined {
    /// For this text alone.
    fn from(facts: Facts) -> Self {
        Self {
            facts,
            literal_free: false,
        }
    }
}

/// The facts of a text. Needs a stack of [`crate::STACK_BYTES`].
pub(crate) fn examine(text: &str) -> Examined {
    match read(text, 0) {
        Ok((facts, tree)) => Examined {
            literal_free: literal_free::of(text, &tree, &facts),
            facts,
        },
        Err(reason) => failed(reason).into(),
    }
}

/// The facts of a text, or of one inside another. Needs a stack of [`crate::STACK_BYTES`].
pub(crate) fn extract(text: &str, depth: u32) -> Facts {
    match read(text, depth) {
        Ok((facts, _)) => facts,
        Err(reason) => failed(reason),
    }
}

fn read(text: &str, depth: u32) -> Result<(Facts, ParseResult), String> {
    prescan::check(text).map_err(|refusal| refusal.to_string())?;
    let tree = parse::tree(text)?;
    let mut reading = Reading {
        text,
        depth,
        places: None,
        secrets: Vec::new(),
        partial: false,
    };
    let statements: Vec<StatementFacts> = tree
        .stmts
        .iter()
        .map(|raw| reading.statement(raw))
        .collect();
    let facts = Facts {
        parse: match reading.partial {
            true => Parse::Partial,
            false => Parse::Ok,
        },
        statements,
        secrets: bounded(reading.secrets, text),
    };
    Ok((facts, tree))
}

/// The outline of a statement; what a text inside of it tests is in none.
pub(crate) fn outlined(statement: &Node, hides: bool) -> Arc<Outline> {
    let mut outline = outline::of(statement);
    outline.partial |= hides;
    Arc::new(outline)
}

/// The outline of a text that is one query, and nothing but that. Needs a stack of [`crate::STACK_BYTES`].
pub(crate) fn query_of(text: &str) -> Option<Outline> {
    prescan::check(text).ok()?;
    let tree = parse::tree(text).ok()?;
    let [raw] = tree.stmts.as_slice() else {
        return None;
    };
    let outline = outline::of(raw.stmt.as_deref()?);
    Some(outline).filter(|outline| outline.shown.is_some() && !outline.partial)
}

/// No facts, but a reason.
pub(crate) fn failed(message: String) -> Facts {
    Facts {
        parse: Parse::Failed {
            message,
            position: 0,
        },
        statements: Vec::new(),
        secrets: Vec::new(),
    }
}

struct Reading<'t> {
    text: &'t str,
    depth: u32,
    /// The lexer runs only where a place is asked for.
    places: Option<Places>,
    secrets: Vec<Range<u32>>,
    partial: bool,
}

impl Reading<'_> {
    fn statement(&mut self, raw: &RawStmt) -> StatementFacts {
        let span = self.span(raw);
        let mut reader = Reader::new(self.depth);
        let statement: Option<&Node> = raw.stmt.as_deref();
        match statement {
            Some(statement) => statement.walk(&mut reader),
            None => reader.unknown("unknown-node"),
        }
        // A node that nobody named a statement is none that is known.
        if reader.verb.is_none() {
            reader.unknown("unknown-node");
        }
        self.partial |= reader.opaque || reader.effect == Effect::Unknown;
        for secret in std::mem::take(&mut reader.secrets) {
            self.secret(secret, &span);
        }
        let hides = reader.hides;
        let mut facts = reader.finish();
        facts.outline = statement.map(|statement| outlined(statement, hides));
        facts.outputs = statement
            .and_then(outputs::of)
            .filter(|_| facts.transparent && facts.category == Category::Read);
        for change in &mut facts.changes {
            match change {
                SessionChange::Prepare { inner, .. } => {
                    inner.span = self.places().inner(&span, "AS");
                }
                SessionChange::Declare { inner, .. } => {
                    inner.span = self.places().inner(&span, "FOR");
                }
                _ => {}
            }
        }
        facts.span = span;
        facts
    }

    /// Where the statement stands; a length of 0 means to the end.
    fn span(&self, raw: &RawStmt) -> Range<u32> {
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let start = u32::try_from(raw.stmt_location).unwrap_or(0).min(end);
        match u32::try_from(raw.stmt_len) {
            Ok(length) if length > 0 => start..start.saturating_add(length).min(end),
            _ => start..end,
        }
    }

    fn secret(&mut self, secret: SecretAt, span: &Range<u32>) {
        let places = self.places();
        let found = match secret {
            SecretAt::Literal(at) => vec![places.literal_at(at, span)],
            SecretAt::After(at) => vec![places.literal_after(at, span)],
            SecretAt::Statement => places.literals_in(span),
        };
        self.secrets.extend(found);
    }

    fn places(&mut self) -> &Places {
        self.places.get_or_insert_with(|| Places::of(self.text))
    }
}

/// Whoever masks them looks at each: with too many, all of the text is one secret.
fn bounded(spans: Vec<Range<u32>>, text: &str) -> Vec<Range<u32>> {
    match merged(spans) {
        spans if spans.len() <= SECRET_SPANS_MAX => spans,
        _ => once(0..u32::try_from(text.len()).unwrap_or(u32::MAX)).collect(),
    }
}

/// Sorted, and no two overlap: whoever masks them goes from left to right.
fn merged(mut spans: Vec<Range<u32>>) -> Vec<Range<u32>> {
    spans.sort_by_key(|span| (span.start, span.end));
    let mut merged: Vec<Range<u32>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}
