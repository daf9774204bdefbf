//! Names in a text that stand for other texts: EXECUTE, FETCH, CALL. What they stand for counts with the text; what
//! nobody resolved is unknown, the worst there is.

use super::*;
use portcullis_model::facts::SessionChange;

/// Names that a text uses and that nobody resolved: whatever they stand for is unknown.
pub(super) fn unresolved(facts: &Facts) -> Vec<(String, Option<Arc<StatementFacts>>)> {
    let used = facts
        .statements
        .iter()
        .flat_map(|s| &s.changes)
        .filter_map(|change| match change {
            SessionChange::Execute { name, .. } | SessionChange::Fetch(name) => Some(name.clone()),
            _ => None,
        });
    used.map(|name| (name, None)).collect()
}

/// Facts joined with what EXECUTE, FETCH and CALL resolve to, and the floor of what they resolve to.
pub(super) fn resolve_names(
    facts: Arc<Facts>,
    resolved: &[(String, Option<Arc<StatementFacts>>)],
) -> (Arc<Facts>, Option<Class>) {
    if resolved.is_empty() {
        return (facts, None);
    }
    let mut floor = facts.floor();
    let mut facts = Arc::unwrap_or_clone(facts);
    for (name, inner) in resolved {
        match inner {
            Some(inner) => {
                floor = floor.join(inner.floor());
                facts.statements.push((**inner).clone());
            }
            None => {
                floor = floor.join(Class::unknown("unresolved-name"));
                facts.parse = Parse::Partial;
                facts
                    .statements
                    .push(opaque("EXECUTE", "prepared", name, "unresolved-name"));
            }
        }
    }
    (Arc::new(facts), Some(floor))
}

/// Facts of something that cannot be seen through.
pub(super) fn opaque(verb: &str, kind: &str, name: &str, label: &str) -> StatementFacts {
    let object = Object {
        kind: kind.to_owned(),
        schema: None,
        name: name.to_owned(),
        write: true,
    };
    StatementFacts {
        objects: vec![object],
        labels: BTreeSet::from([label.to_owned()]),
        ..StatementFacts::unknown(verb)
    }
}
