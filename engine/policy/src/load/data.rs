//! The document `data`: what the configuration names, and what packs bring, each at its place. It refuses
//! two sources that say the same key, a pack that reaches into the rules or beyond its own roots, and a
//! document that is nested too deep: the engine would let data win over a rule, and the last file over
//! the first.

use super::Read;
use crate::bundle::overlap;
use crate::diagnostic::Diagnostic;
use crate::source::DataFile;
use portcullis_model::limits;
use regorus::Value;
use serde_json::{Map, Value as Json};

/// All data as one document.
pub(super) fn merged(global: Json, sources: &[Read]) -> Result<Value, Diagnostic> {
    let mut all = Json::Object(Map::new());
    let global = DataFile {
        file: "data".to_owned(),
        at: Vec::new(),
        value: global,
    };
    place(&mut all, global)?;
    roots_apart(sources)?;
    for source in sources {
        for root in source.pieces.roots.iter().flatten() {
            if claimed(&all, root) {
                return Err(Diagnostic::file(
                    &source.name,
                    "load/roots",
                    format!(
                        "the root `{}` of this bundle holds data already",
                        root.join("/")
                    ),
                    "A root belongs to one bundle alone: take the key out of the other data, or narrow the root.",
                ));
            }
        }
        for file in &source.pieces.data {
            if let Some(roots) = &source.pieces.roots {
                within(file, roots)?;
            }
            place(&mut all, file.clone())?;
        }
    }
    document(all)
}

/// No two bundles claim the same key.
fn roots_apart(sources: &[Read]) -> Result<(), Diagnostic> {
    let mut seen: Vec<(&Read, &Vec<String>)> = Vec::new();
    for source in sources {
        for root in source.pieces.roots.iter().flatten() {
            if let Some((other, _)) = seen.iter().find(|(_, known)| overlap(root, known)) {
                return Err(Diagnostic::file(
                    &source.name,
                    "load/roots",
                    format!(
                        "its root `{}` overlaps a root of the bundle {}",
                        root.join("/"),
                        other.name
                    ),
                    "Two bundles cannot own the same data: give each keys of its own.",
                ));
            }
            seen.push((source, root));
        }
    }
    Ok(())
}

fn claimed(all: &Json, root: &[String]) -> bool {
    let mut here = all;
    for part in root {
        match here {
            Json::Object(fields) => match fields.get(part) {
                Some(next) => here = next,
                None => return false,
            },
            _ => return true,
        }
    }
    true
}

/// What a bundle brings lies below its roots.
fn within(file: &DataFile, roots: &[Vec<String>]) -> Result<(), Diagnostic> {
    let inside = |path: &[String]| roots.iter().any(|root| path.starts_with(root));
    fn outside(value: &Json, path: &mut Vec<String>, roots: &[Vec<String>]) -> Option<String> {
        if roots.iter().any(|root| path.starts_with(root)) {
            return None;
        }
        let leads_on = roots.iter().any(|root| root.starts_with(path.as_slice()));
        match value {
            Json::Object(fields) if leads_on => fields.iter().find_map(|(key, value)| {
                path.push(key.clone());
                let found = outside(value, path, roots);
                path.pop();
                found
            }),
            _ => Some(path.join("/")),
        }
    }
    if inside(&file.at) {
        return Ok(());
    }
    match outside(&file.value, &mut file.at.clone(), roots) {
        None => Ok(()),
        Some(path) => Err(Diagnostic::file(
            &file.file,
            "load/outside-roots",
            format!("the data at `{path}` lies outside the roots of the bundle"),
            "Add the key to `roots` in .manifest, or take it out.",
        )),
    }
}

fn place(all: &mut Json, file: DataFile) -> Result<(), Diagnostic> {
    if !file.value.is_object() {
        return Err(Diagnostic::file(
            &file.file,
            "load/data",
            "the data is no object".to_owned(),
            "Give an object: its keys become data.<key>.",
        ));
    }
    let mut value = file.value;
    for part in file.at.iter().rev() {
        value = Json::Object([(part.clone(), value)].into_iter().collect());
    }
    join(all, value, &mut Vec::new()).map_err(|path| {
        Diagnostic::file(
            &file.file,
            "load/data-overlap",
            format!("data.{path} is said twice"),
            "Say each key in one file: which of two would count is nobody's guess.",
        )
    })
}

/// Objects join; anything else that meets is a conflict.
fn join(all: &mut Json, new: Json, path: &mut Vec<String>) -> Result<(), String> {
    match (all, new) {
        (Json::Object(all), Json::Object(new)) => {
            for (key, value) in new {
                path.push(key.clone());
                match all.get_mut(&key) {
                    None => {
                        all.insert(key, value);
                    }
                    Some(known) => join(known, value, path)?,
                }
                path.pop();
            }
            Ok(())
        }
        _ => Err(path.join(".")),
    }
}

/// The document as the engine takes it. It must not reach into the rules.
fn document(data: Json) -> Result<Value, Diagnostic> {
    let wrong = |rule, message: &str, remedy| {
        Err(Diagnostic::file("data", rule, message.to_owned(), remedy))
    };
    let Some(fields) = data.as_object() else {
        return wrong(
            "load/data",
            "the data is no object",
            "Give an object: its keys become data.<key>.",
        );
    };
    if fields.contains_key("portcullis") {
        return wrong(
            "load/data-shadows-rule",
            "data.portcullis belongs to the rules",
            "Rename the key: a data document there would silently replace a rule.",
        );
    }
    if too_deep(&data, limits::POLICY_DATA_DEPTH_MAX) {
        return wrong("load/data", "the data is nested too deep", "Flatten it.");
    }
    Ok(Value::from(data))
}

fn too_deep(value: &Json, left: usize) -> bool {
    match value {
        Json::Array(items) => left == 0 || items.iter().any(|item| too_deep(item, left - 1)),
        Json::Object(fields) => left == 0 || fields.values().any(|field| too_deep(field, left - 1)),
        _ => false,
    }
}
