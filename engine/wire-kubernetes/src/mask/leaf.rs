//! One value in a piece of an answer: where it stands, what it is, and how it is written again.

use super::NUMBER;
use super::role::Role;
use crate::json::{Span, decode, encode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::Strategy;
use portcullis_model::rows::mask_text;
use std::borrow::Cow;
use std::ops::Range;

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// Its place in the bytes: a string with its quotes, or a number.
    pub at: Range<usize>,
    /// Its form.
    pub form: Form,
    /// What it is.
    pub role: Role,
    /// What it is called: shown to maskers in front of it, as `NAME=`.
    pub called: Option<Box<str>>,
}

/// How it is written.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// A string.
    Text {
        /// It holds escapes.
        escaped: bool,
    },
    /// A number.
    Number,
    /// A string that holds JSON of its own.
    Nested(Box<Copied>),
}

/// JSON in a string, with the values in there; places are those of the decoded text.
#[derive(Clone, Debug)]
pub(super) struct Copied {
    /// The decoded text.
    pub text: Vec<u8>,
    /// What it holds.
    pub leaves: Vec<Leaf>,
}

impl Leaf {
    pub(super) fn text(span: Span, role: Role) -> Self {
        let at = span.at();
        Self {
            at: at.start.saturating_sub(1)..at.end + 1,
            form: Form::Text {
                escaped: span.escaped,
            },
            role,
            called: None,
        }
    }

    /// It is a secret, or holds one.
    pub(super) fn is_secret(&self) -> bool {
        let within = match &self.form {
            Form::Nested(copy) => copy.leaves.iter().any(Self::is_secret),
            _ => false,
        };
        within || matches!(self.role, Role::Secret | Role::SecretBlob)
    }

    /// Its raw text in `bytes`, without quotes.
    fn raw<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let raw = bytes.get(self.at.clone()).unwrap_or_default();
        match self.form {
            Form::Number => raw,
            _ => raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default(),
        }
    }

    /// What it says. Base64 is decoded where text comes out of it, and shown as it is otherwise.
    pub(super) fn says<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let text = match &self.form {
            Form::Text { escaped } => decode(self.raw(bytes), *escaped),
            Form::Number => Cow::Borrowed(self.raw(bytes)),
            Form::Nested(copy) => Cow::Owned(copy.text.clone()),
        };
        match self.decoded(&text) {
            Some(inner) => Cow::Owned(inner),
            None => text,
        }
    }

    fn decoded(&self, text: &[u8]) -> Option<Vec<u8>> {
        if !matches!(self.role, Role::Blob | Role::SecretBlob) {
            return None;
        }
        let inner = STANDARD.decode(text).ok()?;
        std::str::from_utf8(&inner).is_ok().then_some(inner)
    }

    /// How it is written when it says `text` instead.
    pub(super) fn written(&self, bytes: &[u8], text: &[u8]) -> Vec<u8> {
        match &self.form {
            // A number that is one no longer would not be read.
            Form::Number => NUMBER.to_string().into_bytes(),
            Form::Text { escaped }
                if self.decoded(&decode(self.raw(bytes), *escaped)).is_some() =>
            {
                encode(&STANDARD.encode(text)).into_bytes()
            }
            _ => encode(&String::from_utf8_lossy(text)).into_bytes(),
        }
    }

    /// How it is written when all of it is masked.
    pub(super) fn masked(&self, bytes: &[u8], strategy: Strategy, tag: &str) -> Vec<u8> {
        if matches!(self.form, Form::Number) {
            return NUMBER.to_string().into_bytes();
        }
        let tail = match strategy {
            Strategy::Partial => {
                let said = String::from_utf8_lossy(&self.says(bytes)).into_owned();
                let count = said.chars().count();
                (count >= 12).then(|| said.chars().skip(count - 4).collect::<String>())
            }
            // There is no key here: what needs one is redacted.
            _ => None,
        };
        let mask = mask_text(tag, tail.as_deref());
        match self.role {
            Role::Blob | Role::SecretBlob => encode(&STANDARD.encode(mask)).into_bytes(),
            Role::Plain | Role::Secret => encode(&mask).into_bytes(),
        }
    }
}
