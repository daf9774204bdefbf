//! The words of a filter as selectors of the API: labels and a single name go to the cluster, which then sends less,
//! and which alone knows that an object of a watch has left the set or entered it. Selectors of the client stay, and
//! narrow further.
//!
//! It refuses to delete a collection that these words cannot name, and takes lists apart into pages for nobody: the
//! token of a page names the last object that was looked at, hidden or not, and the number of pages counts them.

use super::{Sieve, past};
use crate::call::{is_built_in, parameter, rewritten};
use crate::turned::Turned;
use portcullis_model::{Call, Filter};

/// Deletes nothing but what the cluster itself can select.
pub(super) fn deletes(sieve: &Sieve, call: &Call) -> Result<(), Turned> {
    // Behind an aggregated API nobody knows whether a selector is looked at.
    let known = is_built_in(&call.group);
    let selected = |filter: &Filter| {
        let placed = filter.namespaces.is_none() || call.namespace.is_some();
        placed && (filter.names.is_none() || only_name(filter).is_some())
    };
    match known && !sieve.outside && sieve.filters.iter().all(selected) {
        true => Ok(()),
        false => Err(past(
            "the collection holds more than is granted, and the cluster cannot select what is",
        )),
    }
}

/// The target for the cluster.
pub(super) fn target(sieve: &Sieve, call: &Call, target: &str) -> Result<Option<String>, Turned> {
    let mut out = Vec::new();
    if parameter(target, "includeObject").as_deref() == Some("None") {
        // Without the object nobody knows whose row it is.
        out.push("includeObject");
    }
    if !matches!(call.verb.as_str(), "list" | "watch" | "deletecollection") {
        return Ok((!out.is_empty()).then(|| rewritten(target, &out, &[])));
    }
    if parameter(target, "continue").is_some() {
        return Err(Turned::malformed(
            "kubernetes/filtered",
            "the list was begun before a filter applied, and cannot be continued",
        )
        .code(410)
        .hint("Read the list from its beginning; it comes in one piece."));
    }
    out.extend(["limit", "continue"]);
    let mut put = Vec::new();
    let labels = sieve.filters.iter().flat_map(required).collect::<Vec<_>>();
    if !labels.is_empty() {
        // In front: what a client writes cannot swallow what is read before it, as a backslash at its end would.
        let all = labels.into_iter().chain(call.label_selector.clone());
        put.push(("labelSelector", all.collect::<Vec<_>>().join(",")));
    }
    let names = sieve.filters.iter().filter_map(only_name);
    let names: Vec<String> = names.map(|name| format!("metadata.name={name}")).collect();
    if !names.is_empty() && is_built_in(&call.group) {
        let all = names.into_iter().chain(call.field_selector.clone());
        put.push(("fieldSelector", all.collect::<Vec<_>>().join(",")));
    }
    Ok(Some(rewritten(target, &out, &put)))
}

/// Its labels as requirements of a selector (k8s.io/apimachinery pkg/labels). No value at all is a contradiction.
fn required(filter: &Filter) -> Vec<String> {
    let each = filter.labels.iter().map(|(key, values)| {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        match values.is_empty() {
            true => format!("{key},!{key}"),
            false => format!("{key} in ({})", values.join(",")),
        }
    });
    each.collect()
}

/// The one name that it keeps, where a selector of fields can say it.
fn only_name(filter: &Filter) -> Option<&str> {
    let mut names = filter.names.iter().flatten();
    let plain = |name: &&String| {
        let letter = |b: u8| b.is_ascii_alphanumeric() || b"-.:".contains(&b);
        name.bytes().all(letter)
    };
    match (names.next(), names.next()) {
        (Some(name), None) => Some(name).filter(plain).map(String::as_str),
        _ => None,
    }
}
