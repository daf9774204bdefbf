//! Where in the package an auditor finds what the controls of a framework ask for: a table that maps controls to tables, from
//! `frameworks.json`. It is a help for reading. It refuses to say that a control is met: that is for the auditor to say, who
//! also sees what stands beside the gateway.

use super::table::Table;
use serde::Deserialize;
use std::sync::LazyLock;

/// A framework with the controls that something in the package speaks to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    name: String,
    title: String,
    controls: Vec<Control>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Control {
    id: String,
    /// What it asks for, in our words: the standard's own text counts.
    asks: String,
    tables: Vec<String>,
    /// What these tables show of it.
    shows: String,
    /// What they do not show.
    beside: String,
}

/// It is a part of the program, and a test reads it: what could not be read would be none.
static ALL: LazyLock<Vec<Framework>> =
    LazyLock::new(|| serde_json::from_str(include_str!("frameworks.json")).unwrap_or_default());

impl Framework {
    /// The names of all that there are.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        ALL.iter()
            .map(|framework| framework.name.as_str())
            .collect()
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|framework| framework.name == name)
    }

    /// For people: the standard and its edition.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The controls, with how much the tables have for each.
    pub(super) fn table(&self, tables: &[Table]) -> Table {
        let mut table = Table::new(
            "controls",
            "Where to look, by control",
            "Which tables of this package show something of which control, and what they do not show. A help for reading, in our \
             words: it is no statement that a control is met, and the text of the standard is what counts.",
            &["control", "asks", "tables", "shows", "beside"],
        );
        for control in &self.controls {
            let named = control.tables.iter().map(|name| {
                let found = tables.iter().find(|table| table.name == name);
                let rows = found.map_or(0, |table| table.rows.len());
                format!("{name} ({rows})")
            });
            table.row([
                format!("{} {}", self.name, control.id),
                control.asks.clone(),
                named.collect::<Vec<_>>().join(", "),
                control.shows.clone(),
                control.beside.clone(),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Wanted;
    use crate::evidence::collect::Collected;
    use portcullis_model::Timestamp;
    use std::collections::BTreeSet;

    #[test]
    fn each_control_is_there_once_and_leads_to_tables_that_there_are() {
        let all: Vec<Framework> =
            serde_json::from_str(include_str!("frameworks.json")).expect("it is read whole");
        assert_eq!(Framework::names(), ["soc2", "iso27001", "pci", "hipaa"]);
        let wanted = Wanted {
            from: Timestamp(0),
            until: Timestamp(1),
        };
        let tables = Collected::new(wanted).tables();
        for framework in &all {
            let mut ids = BTreeSet::new();
            for control in &framework.controls {
                assert!(ids.insert(&control.id), "{} stands twice", control.id);
                let said = [&control.asks, &control.shows, &control.beside];
                assert!(
                    said.iter().all(|text| text.ends_with('.')),
                    "{}",
                    control.id
                );
                for name in &control.tables {
                    assert!(tables.iter().any(|t| t.name == name), "{name} is no table");
                }
            }
            assert_eq!(
                framework.table(&tables).rows.len(),
                framework.controls.len()
            );
        }
        for id in ["CC6.1", "CC6.2", "CC6.3", "CC7.2"] {
            let soc2 = all.first().expect("it is there");
            assert!(soc2.controls.iter().any(|control| control.id == id), "{id}");
        }
        assert!(Framework::named("SOC2").is_none() && Framework::named("").is_none());
    }
}
