//! The path of a request as the API server's resolver reads it: group, version, namespace, resource, name,
//! subresource; or a path that is no resource.
//!
//! Refuses to guess: a segment that can be no group, version, resource or name turns the request away, and
//! whatever stands behind a subresource becomes part of it, so that nobody knows it by a harmless name.

use super::target::Target;
use crate::turned::Turned;

const RULE: &str = "kubernetes/path";

/// Where a request goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The path of what is no resource, and what stands behind `proxy`.
    pub path: Option<String>,
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Resource.
    pub resource: Option<String>,
    /// Subresource.
    pub subresource: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// `watch` or `proxy` in front of the resource, as old clients wrote.
    pub special: Option<&'static str>,
}

/// Groups with a domain whose resources the API server itself serves. Others under `k8s.io` are custom resources, as
/// `gateway.networking.k8s.io`, or served behind it, as `metrics.k8s.io`.
const BUILT_IN: [&str; 18] = [
    "admissionregistration",
    "apiextensions",
    "apiregistration",
    "authentication",
    "authorization",
    "certificates",
    "coordination",
    "discovery",
    "events",
    "flowcontrol.apiserver",
    "internal.apiserver",
    "networking",
    "node",
    "rbac.authorization",
    "resource",
    "scheduling",
    "storage",
    "storagemigration",
];

/// Groups whose resources the API server itself serves. Of others nobody knows whether a dry run is one.
pub(crate) fn is_built_in(group: &str) -> bool {
    match group.strip_suffix(".k8s.io") {
        Some(name) => BUILT_IN.contains(&name),
        None => matches!(
            group,
            "" | "apps" | "autoscaling" | "batch" | "extensions" | "policy"
        ),
    }
}

/// Reads it.
///
/// # Errors
/// When a segment can be none of what stands at its place.
pub(super) fn read(target: &Target) -> Result<Place, Turned> {
    let parts: Vec<&str> = target.segments.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return no_resource(target, &parts),
    };
    if !is_version(version) || !(group.is_empty() || is_domain(group)) {
        return Err(malformed());
    }
    let mut place = Place {
        group: group.to_owned(),
        version: version.to_owned(),
        ..Place::default()
    };
    let rest = match rest {
        ["watch", rest @ ..] if !rest.is_empty() => {
            place.special = Some("watch");
            rest
        }
        ["proxy", rest @ ..] if !rest.is_empty() => {
            place.special = Some("proxy");
            rest
        }
        rest => rest,
    };
    let rest = match rest {
        ["namespaces", namespace, ..] if !is_name(namespace) => return Err(malformed()),
        ["namespaces", namespace, "status" | "finalize", ..] | ["namespaces", namespace] => {
            place.namespace = Some((*namespace).to_owned());
            rest
        }
        ["namespaces", namespace, rest @ ..] => {
            place.namespace = Some((*namespace).to_owned());
            rest
        }
        rest => rest,
    };
    resource(&mut place, rest)?;
    // A slash at the end means something to what is proxied, and nothing good anywhere else.
    if target.slash && place.subresource.as_deref() != Some("proxy") {
        return Err(Turned::malformed(RULE, "the path ends with a slash"));
    }
    Ok(place)
}

fn resource(place: &mut Place, rest: &[&str]) -> Result<(), Turned> {
    let (resource, rest) = rest.split_first().ok_or_else(malformed)?;
    if !is_label(resource) {
        return Err(malformed());
    }
    place.resource = Some((*resource).to_owned());
    let Some((name, rest)) = rest.split_first() else {
        return Ok(());
    };
    if !is_name(name) {
        return Err(malformed());
    }
    place.name = Some((*name).to_owned());
    if place.special == Some("proxy") {
        place.subresource = Some("proxy".to_owned());
        place.path = Some(format!("/{}", rest.join("/")));
        return Ok(());
    }
    match rest {
        [] => {}
        ["proxy", rest @ ..] => {
            place.subresource = Some("proxy".to_owned());
            place.path = Some(format!("/{}", rest.join("/")));
        }
        [sub] if is_label(sub) => place.subresource = Some((*sub).to_owned()),
        more => place.subresource = Some(more.join("/")),
    }
    Ok(())
}

/// Discovery, health, versions, and whatever else is no resource.
fn no_resource(target: &Target, parts: &[&str]) -> Result<Place, Turned> {
    let listing = matches!(parts, [] | ["api" | "apis"] | ["openapi", ..]) || parts.len() > 3;
    if target.slash && !listing {
        return Err(Turned::malformed(RULE, "the path ends with a slash"));
    }
    let path = match parts {
        [] => "/".to_owned(),
        parts => format!("/{}", parts.join("/")),
    };
    Ok(Place {
        path: Some(path),
        ..Place::default()
    })
}

fn malformed() -> Turned {
    Turned::malformed(
        RULE,
        "the path names a group, version, resource or object that cannot exist",
    )
}

/// `v1`, `v1beta2`: what the API server serves. Aggregated APIs keep to it (API conventions).
fn is_version(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Some(rest) = text.strip_prefix('v') else {
        // The internal version of metrics and the like is never served.
        return false;
    };
    match rest.split_once("alpha").or_else(|| rest.split_once("beta")) {
        Some((major, minor)) => number(major) && number(minor),
        None => number(rest),
    }
}

/// A DNS label; resources and subresources are such.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
}

fn is_domain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A name as it may stand in a path (k8s.io/apimachinery `IsValidPathSegmentName`), in ASCII.
fn is_name(text: &str) -> bool {
    (1..=253).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
