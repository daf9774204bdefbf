//! What of an object decides whether it is shown: its metadata, also where it stands in a row of a table.
//!
//! Refuses members that are there twice: readers disagree about which of them counts.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// Metadata.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Meta {
    pub name: Option<String>,
    pub namespace: Option<String>,
    pub labels: Option<BTreeMap<String, String>>,
    pub uid: Option<String>,
    #[serde(rename = "resourceVersion")]
    pub version: Option<String>,
}

/// An object, or a table of them.
#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    pub kind: Option<String>,
    #[serde(rename = "apiVersion")]
    pub api: Option<String>,
    #[serde(default)]
    pub metadata: Option<Meta>,
    #[serde(default)]
    pub rows: Option<Vec<Row>>,
}

/// A row of a table.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    #[serde(default)]
    pub cells: Vec<IgnoredAny>,
    #[serde(default)]
    pub object: Option<Shown>,
}

impl Shown {
    /// A table of the server's.
    pub(super) fn is_table(&self) -> bool {
        let table = self.kind.as_deref() == Some("Table");
        table
            && self
                .api
                .as_deref()
                .is_some_and(|api| api.starts_with("meta.k8s.io/"))
    }

    /// The server says how something went.
    pub(super) fn is_status(&self) -> bool {
        (self.kind.as_deref(), self.api.as_deref()) == (Some("Status"), Some("v1"))
    }

    /// True when all objects in it are kept, and there is one.
    pub(super) fn each(&self, keeps: impl Fn(&Meta) -> bool) -> bool {
        match (&self.rows, self.is_table()) {
            (Some(rows), true) => {
                let kept = |row: &Row| row.meta().is_some_and(&keeps);
                !rows.is_empty() && rows.iter().all(kept)
            }
            (None, true) => false,
            _ => self.metadata.as_ref().is_some_and(&keeps),
        }
    }

    /// The metadata of the one object in it.
    pub(super) fn only(&self) -> Option<&Meta> {
        match (&self.rows, self.is_table()) {
            (Some(rows), true) => match rows.as_slice() {
                [row] => row.meta(),
                _ => None,
            },
            (None, true) => None,
            _ => self.metadata.as_ref(),
        }
    }
}

impl Row {
    /// Of its object; none where the table came without.
    pub(super) fn meta(&self) -> Option<&Meta> {
        self.object.as_ref()?.metadata.as_ref()
    }
}
