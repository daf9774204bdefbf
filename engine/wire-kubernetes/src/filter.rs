//! What of a cluster somebody sees and may work on, where policy filters: which of an answer's objects are shown,
//! which requests name what is hidden, and what is asked of the cluster so that it selects by the same words.
//!
//! It refuses whatever could tell of a hidden object or move one across the border: a name that is hidden is answered
//! as one that does not exist, collections are deleted only where the cluster can select them, and what is written has
//! to stay inside.

mod event;
mod narrow;
mod shown;
mod sift;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use sift::{Shape, Sift};

use crate::turned::Turned;
use portcullis_model::{Call, Filter};
use shown::{Meta, Shown};
use std::collections::BTreeSet;

const RULE: &str = "kubernetes/filtered";

/// The filters that a request's own path does not answer already.
#[derive(Clone, Debug)]
pub(crate) struct Sieve {
    filters: Vec<Filter>,
    /// The namespace on the path.
    namespace: Option<String>,
    /// The objects are namespaces: each is in itself.
    own: bool,
    /// The path leads to what no filter keeps.
    outside: bool,
}

/// How an answer is sifted.
pub(crate) enum Sifting {
    /// One object: the head of the answer waits until it is known.
    Whole(Sieve),
    /// Objects behind each other.
    Stream(Box<Sift>),
}

impl Sieve {
    /// What is left to be looked at; none where everything that the request can reach is kept.
    ///
    /// # Errors
    /// When the request reaches past every filter.
    pub(crate) fn of(call: &Call, filters: &BTreeSet<Filter>) -> Result<Option<Self>, Turned> {
        if filters.is_empty() {
            return Ok(None);
        }
        let Some(resource) = call.resource.as_deref() else {
            return match is_published(call) {
                true => Ok(None),
                false => Err(past(
                    "the path is no resource, and nothing of it can be filtered",
                )),
            };
        };
        let pod = |word: &Filter| word.is_about("", "pods");
        match (resource, call.subresource.as_deref()) {
            ("nodes", Some(sub)) if sub != "status" => {
                return Err(past(
                    "a node serves all of its pods, and nothing of that can be filtered",
                ));
            }
            ("bindings", _) if filters.iter().any(pod) => {
                return Err(past("the object names a pod that the path does not"));
            }
            _ => {}
        }
        let namespace = match &call.namespace {
            Some(namespace) => Some(Some(namespace.as_str())),
            // What is named or made without a namespace has none; a collection may be that of all namespaces.
            None if call.name.is_some() => Some(None),
            None if call.verb == "create" && resource != "namespaces" => Some(None),
            None => None,
        };
        let mut sieve = Self {
            filters: Vec::new(),
            namespace: call.namespace.clone(),
            own: resource == "namespaces" && call.group.is_empty(),
            outside: false,
        };
        for filter in filters.iter().filter(|f| f.is_about(&call.group, resource)) {
            let placed = match namespace {
                Some(namespace) => Some(filter.keeps_namespace(namespace)),
                None => filter.namespaces.is_none().then_some(true),
            };
            let named = match &call.name {
                Some(name) => Some(filter.keeps_name(name)),
                None => filter.names.is_none().then_some(true),
            };
            sieve.outside |= placed == Some(false) || named == Some(false);
            if (placed, named) != (Some(true), Some(true)) || !filter.labels.is_empty() {
                sieve.filters.push(filter.clone());
            }
        }
        Ok((!sieve.filters.is_empty()).then_some(sieve))
    }

    /// What the request itself says against it.
    ///
    /// # Errors
    /// When it names what is hidden, makes or moves something out of the border, or deletes more than can be selected.
    pub(crate) fn check(&self, call: &Call) -> Result<(), Turned> {
        let subresource = call.subresource.as_deref();
        if call.name.is_some() && self.outside && call.verb != "watch" {
            return Err(hidden());
        }
        match (call.verb.as_str(), subresource) {
            ("create", None) if call.name.is_none() => match self.outside {
                true => Err(write::outside()),
                false => write::created(self, call),
            },
            ("update", sub) if sub != Some("scale") => write::updated(self, call),
            ("patch", sub) if sub != Some("scale") => write::patched(self, call),
            ("deletecollection", _) => narrow::deletes(self, call),
            _ => Ok(()),
        }
    }

    /// True where an object's labels decide, and nobody knows them yet.
    pub(crate) fn asks_labels(&self) -> bool {
        self.filters.iter().any(|filter| !filter.labels.is_empty())
    }

    /// True when an object is kept.
    fn keeps(&self, meta: &Meta) -> bool {
        let Some(name) = meta.name.as_deref().filter(|name| !name.is_empty()) else {
            return false;
        };
        let namespace = match self.own {
            true => Some(name),
            false => {
                let said = meta.namespace.as_deref().filter(|n| !n.is_empty());
                said.or(self.namespace.as_deref())
            }
        };
        let none = std::collections::BTreeMap::new();
        let labels = meta.labels.as_ref().unwrap_or(&none);
        self.filters.iter().all(|filter| {
            filter.keeps_namespace(namespace)
                && filter.keeps_name(name)
                && filter.keeps_labels(labels)
        })
    }

    /// True when an answer that is one object may be shown.
    pub(crate) fn shows(&self, object: &[u8]) -> bool {
        match serde_json::from_slice::<Shown>(object) {
            Ok(shown) => shown.is_status() || shown.each(|meta| self.keeps(meta)),
            Err(_) => false,
        }
    }

    /// How the answer is sifted. What a subresource answers is no object of the collection; the object behind it was
    /// looked at before.
    pub(crate) fn sifting(&self, call: &Call) -> Option<Sifting> {
        if call.subresource.is_some() {
            return None;
        }
        let stream = |shape| Some(Sifting::Stream(Box::new(Sift::new(self.clone(), shape))));
        match call.verb.as_str() {
            "list" | "deletecollection" => stream(Shape::List),
            "watch" => stream(Shape::Events),
            "get" | "create" | "update" | "patch" | "delete" => Some(Sifting::Whole(self.clone())),
            _ => None,
        }
    }

    /// The request target that the cluster is sent: the same, selecting no more than is kept.
    ///
    /// # Errors
    /// When it continues a list that was begun without the filter.
    pub(crate) fn narrowed(&self, call: &Call, target: &str) -> Result<Option<String>, Turned> {
        narrow::target(self, call, target)
    }
}

/// What is the same for everybody: discovery, schema, health, version.
fn is_published(call: &Call) -> bool {
    let path = call.path.as_deref().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let reads = matches!(call.verb.as_str(), "get" | "head");
    reads
        && match parts.as_slice() {
            [] | ["api" | "apis" | "version"] | ["api", _] => true,
            ["apis", rest @ ..] => rest.len() <= 2,
            ["openapi" | "healthz" | "livez" | "readyz", ..] => true,
            [".well-known", "openid-configuration"] | ["openid", "v1", "jwks"] => true,
            _ => false,
        }
}

/// A name that is hidden, and one that does not exist.
pub(crate) fn hidden() -> Turned {
    Turned::malformed(
        RULE,
        "there is no such object among those that you are granted",
    )
    .code(404)
    .hint("List the resource to see what is granted, or ask whoever keeps the policy for more.")
}

/// What came of a request is outside.
pub(crate) fn left() -> Turned {
    Turned::forbidden(
        RULE,
        "the request was carried out, and what came of it is not among the objects that you are granted",
        "Somebody else has changed the object meanwhile, or the cluster itself has.",
    )
}

fn past(reason: &'static str) -> Turned {
    Turned::forbidden(
        RULE,
        reason,
        "A filter applies to you in this cluster. Ask for the resource itself, or ask whoever keeps the policy.",
    )
}
