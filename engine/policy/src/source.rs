//! Where packs come from: a folder, a file, the binary itself, or memory. It reads, bounded, and refuses
//! what is too big, too much, or no UTF-8; it does not judge what it read.

use crate::builtin;
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
    /// All `.rego` files below a folder.
    Folder(PathBuf),
    /// One module, and its `_test.rego` where there is one beside it.
    File(PathBuf),
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

    /// A folder or a file; the pack is named after it.
    #[must_use]
    pub fn path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
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

    pub(crate) fn read(&self) -> Result<Vec<(String, String)>, Diagnostic> {
        match &self.files {
            Files::Embedded(files) => Ok(files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
                .collect()),
            Files::Memory(files) => Ok(files.clone()),
            Files::File(path) => {
                let mut files = vec![read(path)?];
                let test = path.with_file_name(format!("{}_test.rego", self.name));
                if test.is_file() {
                    files.push(read(&test)?);
                }
                Ok(files)
            }
            Files::Folder(folder) => {
                let mut files = Vec::new();
                walk(folder, 0, &mut files)?;
                Ok(files)
            }
        }
    }
}

/// Reads policy data from a YAML or JSON file. It becomes the document `data`.
///
/// # Errors
/// When it cannot be read, is too big, or is no object.
pub fn read_data(path: &Path) -> Result<serde_json::Value, Diagnostic> {
    let (file, text) = read_bounded(path, limits::POLICY_DATA_BYTES_MAX)?;
    let data: serde_json::Value = serde_yaml::from_str(&text).map_err(|error| {
        let place = error
            .location()
            .map_or((0, 0), |at| (at.line() as u32, at.column() as u32));
        Diagnostic::file(
            &file,
            "load/data",
            format!("the data is neither YAML nor JSON: {error}"),
            "Correct the file; `portcullis policy check` reads it the same way.",
        )
        .at(place)
    })?;
    match data {
        serde_json::Value::Null => Ok(serde_json::Value::Object(serde_json::Map::new())),
        data => Ok(data),
    }
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<(String, String)>) -> Result<(), Diagnostic> {
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
        if path.is_dir() && depth < limits::POLICY_FOLDER_DEPTH_MAX {
            walk(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|e| e == "rego") {
            files.push(read(&path)?);
        }
        if files.len() > limits::POLICY_MODULES_MAX {
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
