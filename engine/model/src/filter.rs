//! Which objects of a cluster somebody sees and may work on, as policy says it: what is *kept*. Names of namespaces,
//! names of objects and labels, as flat words that an API server can select by as well.
//!
//! Refuses to guess: an object of which something is not known that a filter asks for is not kept.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Objects that are kept. All that is said has to hold; several filters have to keep an object each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The resources it is about, as `pods` or `deployments.apps`; empty: all of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<String>,
    /// Namespaces whose objects are kept, `shop` or `shop-*`; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<BTreeSet<String>>,
    /// Where `namespaces` are named: objects that are in no namespace are kept as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cluster_scoped: bool,
    /// Names of objects that are kept, `cart` or `cart-*`; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<BTreeSet<String>>,
    /// Labels that an object has to carry, each with one of these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

/// Groups whose objects are questions of the client about itself: nothing is stored, nothing is shown.
const QUESTIONS: [&str; 2] = ["authentication.k8s.io", "authorization.k8s.io"];

impl Filter {
    /// True when it selects by anything, in words that a cluster's names and labels can be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let selects = self.namespaces.is_some() || self.names.is_some() || !self.labels.is_empty();
        let mut patterns = self.namespaces.iter().chain(&self.names).flatten();
        let mut values = self.labels.values().flatten();
        selects
            && (self.namespaces.is_some() || !self.cluster_scoped)
            && patterns.all(|pattern| is_pattern(pattern))
            && self.labels.keys().all(|key| is_key(key))
            && values.all(|value| is_value(value))
            && self.resources.iter().all(|resource| is_resource(resource))
    }

    /// True when it is about this resource.
    #[must_use]
    pub fn is_about(&self, group: &str, resource: &str) -> bool {
        if QUESTIONS.contains(&group) {
            return false;
        }
        let named = |word: &String| match word.split_once('.') {
            None => word == resource,
            Some((name, of)) => name == resource && of == group,
        };
        self.resources.is_empty() || self.resources.iter().any(named)
    }

    /// Keeps what is in this namespace, or in none.
    #[must_use]
    pub fn keeps_namespace(&self, namespace: Option<&str>) -> bool {
        match (&self.namespaces, namespace) {
            (None, _) => true,
            (Some(_), None) => self.cluster_scoped,
            (Some(kept), Some(namespace)) => kept.iter().any(|p| fits(p, namespace)),
        }
    }

    /// Keeps what has this name.
    #[must_use]
    pub fn keeps_name(&self, name: &str) -> bool {
        let names = self.names.as_ref();
        names.is_none_or(|kept| kept.iter().any(|pattern| fits(pattern, name)))
    }

    /// Keeps whatever name the server makes of this beginning.
    #[must_use]
    pub fn keeps_generated(&self, beginning: &str) -> bool {
        let any = |pattern: &String| {
            let rest = pattern.strip_suffix('*');
            rest.is_some_and(|rest| beginning.starts_with(rest))
        };
        self.names.as_ref().is_none_or(|kept| kept.iter().any(any))
    }

    /// Keeps what carries these labels.
    #[must_use]
    pub fn keeps_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(key, values)| {
            let value = labels.get(key);
            value.is_some_and(|value| values.contains(value))
        })
    }
}

/// `shop`, or `shop-*` for every beginning.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

/// What can stand in names of objects (k8s.io/apimachinery `IsValidPathSegmentName`, in ASCII), and a star at the end.
fn is_pattern(text: &str) -> bool {
    let name = text.strip_suffix('*').unwrap_or(text);
    let letter = |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b'%' | b'*');
    !text.is_empty() && text.len() <= 254 && name.bytes().all(letter)
}

/// A label's name, with the prefix that it may have (`IsQualifiedName`).
fn is_key(text: &str) -> bool {
    let name = match text.split_once('/') {
        Some((prefix, name)) => {
            let domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
            if prefix.is_empty() || prefix.len() > 253 || !prefix.bytes().all(domain) {
                return false;
            }
            name
        }
        None => text,
    };
    !name.is_empty() && is_value(name)
}

/// A label's value (`IsValidLabelValue`).
fn is_value(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let edge = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|b| inner(*b))
        && edge(bytes.first())
        && edge(bytes.last())
}

/// `pods`, `deployments.apps`.
fn is_resource(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let part = |part: &str| !part.is_empty() && part.bytes().all(letter);
    text.len() <= 253 && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(json: &str) -> Filter {
        serde_json::from_str(json).expect("reads")
    }

    #[test]
    fn a_filter_selects_by_words_that_a_cluster_knows() {
        for good in [
            r#"{"namespaces": ["shop", "shop-*"]}"#,
            r#"{"namespaces": [], "cluster_scoped": true}"#,
            r#"{"names": ["*"], "resources": ["pods", "deployments.apps"]}"#,
            r#"{"labels": {"app.kubernetes.io/part-of": ["shop", ""]}}"#,
        ] {
            assert!(filter(good).is_sound(), "{good}");
        }
        for bad in [
            "{}",
            r#"{"cluster_scoped": true}"#,
            r#"{"resources": ["pods"]}"#,
            r#"{"names": ["x"], "cluster_scoped": true}"#,
            r#"{"namespaces": [""]}"#,
            r#"{"namespaces": ["a*b"]}"#,
            r#"{"namespaces": ["a/b"]}"#,
            r#"{"labels": {"": ["a"]}}"#,
            r#"{"labels": {"a": ["b,c"]}}"#,
            r#"{"labels": {"a)": ["b"]}}"#,
            r#"{"labels": {"a": ["-b"]}}"#,
            r#"{"names": ["x"], "resources": ["Pods"]}"#,
        ] {
            assert!(!filter(bad).is_sound(), "{bad}");
        }
        assert!(serde_json::from_str::<Filter>(r#"{"namespace": ["a"]}"#).is_err());
    }

    #[test]
    fn what_is_not_known_is_not_kept() {
        let team = filter(r#"{"namespaces": ["shop-*"], "labels": {"team": ["a", "b"]}}"#);
        assert!(team.keeps_namespace(Some("shop-1")));
        assert!(!team.keeps_namespace(Some("shop")) && !team.keeps_namespace(None));
        let label = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert!(team.keeps_labels(&label("team", "b")));
        assert!(!team.keeps_labels(&label("team", "c")));
        assert!(!team.keeps_labels(&BTreeMap::new()));
        let named = filter(r#"{"names": ["cart-*", "db"], "resources": ["pods", "x.y"]}"#);
        assert!(named.keeps_name("db") && !named.keeps_name("db-0"));
        assert!(named.keeps_generated("cart-a") && !named.keeps_generated("db"));
        assert!(named.is_about("", "pods") && named.is_about("y", "x"));
        assert!(!named.is_about("z", "x") && !named.is_about("", "secrets"));
        let all = filter(r#"{"namespaces": []}"#);
        assert!(all.is_about("apps", "deployments"));
        assert!(!all.is_about("authorization.k8s.io", "selfsubjectaccessreviews"));
    }
}
