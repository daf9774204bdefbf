//! Answers of a cluster, cut into pieces of whole objects, with everything in them that can hold a value: what the
//! gate masks and releases. A list of any length passes piece by piece; events of a watch pass one by one.
//!
//! It exists because values hide in more places than `data`: the copy in `last-applied-configuration`, rows of tables,
//! environments of pods, tokens that were asked for, the words of an error. It refuses answers that are no JSON and objects without end, and
//! it knows a Secret by its kind, by its list's kind and by the path that was asked for: one of them is enough.

pub(crate) mod dump;
mod leaf;
mod piece;
mod role;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use role::{COPIES, ENVIRONMENTS, holds_object};
pub use walk::Walk;

/// What stands in the place of a number that is masked. A marker there is no number, on which typed clients fail; this one
/// fits every field, stands for nothing else (it was drawn at random), and is known when it comes back.
pub(crate) const NUMBER: i32 = -1_936_484_205;

/// What is known of an answer before its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Secrets were asked for, by whatever name the answer calls them.
    pub secrets: bool,
    /// A token was asked for, or is asked about.
    pub token: bool,
    /// Events follow each other.
    pub events: bool,
    /// It is a JSON patch of Secrets: what stands under `value` is one.
    pub patch: bool,
}

impl Expected {
    /// What a call is answered with.
    #[must_use]
    pub fn of(call: &portcullis_model::Call) -> Self {
        let resource = call.resource.as_deref();
        Self {
            secrets: resource == Some("secrets"),
            token: call.subresource.as_deref() == Some("token") || resource == Some("tokenreviews"),
            events: call.verb == "watch",
            patch: false,
        }
    }
}
