//! Where packs come from: a folder, a file, a bundle, the binary itself, or memory. It reads, bounded, and refuses
//! what is too big, too much, or no UTF-8; it does not judge what it read.

use crate::builtin;
use crate::bundle;
use crate::diagnostic::Diagnostic;
use portcullis_model::limits;
use std::fs;
use std::path::{Path, PathBuf};

/// One pack to load.
#[derive(Clone, Debug)]
pub struct PackSource {
    /// Its name: the last part of `package portcullis.packs.<name>`.
    pub name: String,
    /// Its modules and their tests.
    pub files: Files,
    /// Evaluated and journaled, never enforced.
    pub dry_run: bool,
}

/// The files of a pack.
#[derive(Clone, Debug)]
pub enum Files {
    /// All `.rego` files below a folder, and its `data.json` and `data.yaml`, rooted by directory.
    Folder(PathBuf),
    /// One module, and its `_test.rego` where there is one beside it.
    File(PathBuf),
    /// An OPA bundle, and the PEM file of the key it has to be signed with.
    Bundle(PathBuf, Option<PathBuf>),
    /// Path and text, shipped with the binary.
    Embedded(&'static [(&'static str, &'static str)]),
    /// Path and text.
    Memory(Vec<(String, String)>),
}

impl PackSource {
    /// A shipped pack; none when there is no such pack.
    #[must_use]
    pub fn builtin(name: &str) -> Option<Self> {
        let (_, files) = builtin::packs().iter().find(|(known, _)| *known == name)?;
        Some(Self {
            name: name.to_owned(),
            files: Files::Embedded(files),
            dry_run: false,
        })
    }

    /// A folder, a file or a bundle; the pack is named after it, a bundle's by its manifest.
    #[must_use]
    pub fn path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        if is_bundle(&path) {
            return Self::bundle(path, None);
        }
        let name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let files = match path.extension().is_some_and(|e| e == "rego") {
            true => Files::File(path),
            false => Files::Folder(path),
        };
        Self {
            name,
            files,
            dry_run: false,
        }
    }

    /// A bundle, to be verified with the public key in this PEM file.
    #[must_use]
    pub fn bundle(path: impl Into<PathBuf>, key: Option<PathBuf>) -> Self {
        let path = path.into();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        Self {
            name: name.unwrap_or_default(),
            files: Files::Bundle(path, key),
            dry_run: false,
        }
    }

    /// True for a bundle.
    #[must_use]
    pub fn is_bundle(&self) -> bool {
        matches!(self.files, Files::Bundle(..))
    }

    /// A pack from memory.
    #[must_use]
    pub fn memory(name: &str, path: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            files: Files::Memory(vec![(path.to_owned(), text.to_owned())]),
            dry_run: false,
        }
    }

    /// The same pack, evaluated but not enforced.
    #[must_use]
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    pub(crate) fn read(&self) -> Result<Pieces, Diagnostic> {
        let mut pieces = Pieces::default();
        match &self.files {
            Files::Embedded(files) => {
                let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
                pieces.files = files.iter().map(owned).collect();
            }
            Files::Memory(files) => pieces.files = files.clone(),
            Files::File(path) => {
                pieces.files.push(read(path)?);
                let test = path.with_file_name(format!("{}_test.rego", self.name));
                if test.is_file() {
                    pieces.files.push(read(&test)?);
                }
            }
            Files::Folder(folder) => walk(folder, &mut Vec::new(), &mut pieces)?,
            Files::Bundle(path, key) => return bundle::read(path, key.as_ref()),
        }
        Ok(pieces)
    }
}

/// What a source holds.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// Its name, where the source itself says so.
    pub name: Option<String>,
    /// Modules: path and text.
    pub files: Vec<(String, String)>,
    /// Documents of data.
    pub data: Vec<DataFile>,
    /// Keys of data that it claims for itself alone; none when it claims none.
    pub roots: Option<Vec<Vec<String>>>,
    /// SHA-256 of the key that a bundle is signed with.
    pub signed_by: Option<String>,
}

/// A `data.json` or `data.yaml`.
#[derive(Clone, Debug)]
pub(crate) struct DataFile {
    /// Its path.
    pub file: String,
    /// Where it stands in `data`: its folder, from the top of the source.
    pub at: Vec<String>,
    /// What it says.
    pub value: serde_json::Value,
}

fn is_bundle(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".tar.gz") || name.ends_with(".tgz")
}

/// The names that OPA reads data from.
pub(crate) fn is_data(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or(path);
    matches!(last, "data.json" | "data.yaml" | "data.yml")
}

/// Reads policy data from a YAML or JSON file. It becomes the document `data`.
///
/// # Errors
/// When it cannot be read, is too big, or is no object.
pub fn read_data(path: &Path) -> Result<serde_json::Value, Diagnostic> {
    let (file, text) = read_bounded(path, limits::POLICY_DATA_BYTES_MAX)?;
    parse_data(&file, &text)
}

/// JSON where the name says so, else YAML, of which JSON is a part.
pub(crate) fn parse_data(file: &str, text: &str) -> Result<serde_json::Value, Diagnostic> {
    let wrong = |error: &dyn std::fmt::Display, place: (usize, usize)| {
        Diagnostic::file(
            file,
            "load/data",
            format!("the data is neither YAML nor JSON: {error}"),
            "Correct the file; `portcullis policy check` reads it the same way.",
        )
        .at((place.0 as u32, place.1 as u32))
        .excerpted(|_| Some(text))
    };
    let data: serde_json::Value = match file.ends_with(".json") {
        true => serde_json::from_str(text).map_err(|e| wrong(&e, (e.line(), e.column())))?,
        false => serde_yaml::from_str(text).map_err(|e| {
            let place = e.location().map_or((0, 0), |at| (at.line(), at.column()));
            wrong(&e, place)
        })?,
    };
    if let Some((path, why)) = bad_path(&data) {
        let place = text.lines().zip(1..).find_map(|(line, number)| {
            let before = line.get(..line.find(path)?)?;
            Some((number, u32::try_from(before.chars().count()).ok()? + 1))
        });
        return Err(crate::load::heads::bad_path(file, path, &why)
            .at(place.unwrap_or_default())
            .excerpted(|_| Some(text)));
    }
    match data {
        serde_json::Value::Null => Ok(serde_json::Value::Object(serde_json::Map::new())),
        data => Ok(data),
    }
}

/// A path that is none, in an entry that says of which column it masks a part.
fn bad_path(data: &serde_json::Value) -> Option<(&str, String)> {
    use serde_json::Value;
    match data {
        Value::Array(items) => items.iter().find_map(bad_path),
        Value::Object(fields) => {
            let selects = fields.get("column").is_some_and(Value::is_string);
            if let Some(path) = fields.get("path").and_then(Value::as_str)
                && selects
                && let Err(error) = path.parse::<portcullis_model::JsonPath>()
            {
                return Some((path, error.to_string()));
            }
            fields.values().find_map(bad_path)
        }
        _ => None,
    }
}

fn walk(folder: &Path, at: &mut Vec<String>, pieces: &mut Pieces) -> Result<(), Diagnostic> {
    let unreadable = |error: std::io::Error| {
        Diagnostic::file(
            &folder.display().to_string(),
            "load/read",
            format!("the folder cannot be read: {error}"),
            "Name a folder that holds .rego files and that the gateway may read.",
        )
    };
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .map_err(unreadable)?;
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && at.len() < limits::POLICY_FOLDER_DEPTH_MAX {
            at.push(name);
            walk(&path, at, pieces)?;
            at.pop();
        } else if path.extension().is_some_and(|e| e == "rego") {
            pieces.files.push(read(&path)?);
        } else if is_data(&name) && path.is_file() {
            pieces.data.push(DataFile {
                value: read_data(&path)?,
                file: path.display().to_string(),
                at: at.clone(),
            });
        }
        if pieces.files.len() > limits::POLICY_MODULES_MAX {
            return Err(Diagnostic::file(
                &folder.display().to_string(),
                "load/too-many",
                format!("more than {} modules", limits::POLICY_MODULES_MAX),
                "Point the gateway at the folder of the pack, not above it.",
            ));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<(String, String), Diagnostic> {
    read_bounded(path, limits::POLICY_FILE_BYTES_MAX)
}

fn read_bounded(path: &Path, bound: usize) -> Result<(String, String), Diagnostic> {
    let file = path.display().to_string();
    let refused =
        |message: String, remedy: &str| Diagnostic::file(&file, "load/read", message, remedy);
    let size = fs::metadata(path)
        .map_err(|e| {
            refused(
                format!("the file cannot be read: {e}"),
                "Name a file that exists.",
            )
        })?
        .len();
    if size > bound as u64 {
        return Err(refused(
            format!("the file has {size} bytes, the bound is {bound}"),
            "Split it.",
        ));
    }
    let text = fs::read_to_string(path).map_err(|e| {
        refused(
            format!("the file cannot be read: {e}"),
            "It has to be UTF-8 and readable by the gateway.",
        )
    })?;
    Ok((file, text))
}
