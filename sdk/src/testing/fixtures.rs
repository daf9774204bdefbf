//! Fixtures: `fixtures/NAME.trace` with what the plugin makes of it in `fixtures/NAME.golden`. `cargo test` compares
//! natively, `portcullis plugin test` through WebAssembly. Refuses a folder without traces and a trace without a
//! golden file: a test that compares with nothing passes always.

use super::examine::{Examined, examine};
use super::subject::{NativeClassifier, NativeMasker, Subject};
use super::trace::Trace;
use crate::Described;
use crate::classifier::Classifier;
use crate::masker::Masker;
use std::path::{Path, PathBuf};

/// With this variable set, golden files are written instead of compared: look at the difference, then commit it.
pub const BLESS: &str = "PORTCULLIS_BLESS";
/// The folder that native tests leave their transcripts in for `portcullis plugin test`.
pub const TRANSCRIPTS: &str = "PORTCULLIS_TRANSCRIPTS";

/// One trace of a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixture {
    /// The file's name without its extension.
    pub name: String,
    /// What is shown.
    pub trace: Trace,
    /// Where what comes out is kept.
    pub golden: PathBuf,
}

/// The traces of a folder, by name.
///
/// # Errors
/// When there is none, or one cannot be read.
pub fn fixtures_in(folder: &Path) -> Result<Vec<Fixture>, String> {
    let at = |e: &dyn std::fmt::Display| format!("{}: {e}", folder.display());
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|e| at(&e))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "trace"))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(at(&"no NAME.trace: nothing would be tested"));
    }
    let fixture = |path: PathBuf| {
        let says = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|e| says(&e))?;
        Ok(Fixture {
            name: path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            trace: Trace::parse(&text).map_err(|e| says(&e))?,
            golden: path.with_extension("golden"),
        })
    };
    paths.into_iter().map(fixture).collect()
}

/// Compares with the golden file, or writes it when [`BLESS`] is set.
///
/// # Errors
/// The first line that differs.
pub fn compare(fixture: &Fixture, golden: &str) -> Result<(), String> {
    let path = fixture.golden.display();
    if std::env::var_os(BLESS).is_some() {
        return std::fs::write(&fixture.golden, golden).map_err(|e| format!("{path}: {e}"));
    }
    let bless = format!("`{BLESS}=1 cargo test` writes it; then look at what changed");
    let committed =
        std::fs::read_to_string(&fixture.golden).map_err(|e| format!("{path}: {e}; {bless}"))?;
    let (mut old, mut new) = (committed.lines(), golden.lines());
    for number in 1.. {
        let (old, new) = (old.next(), new.next());
        if old != new {
            let none = "(nothing)";
            return Err(format!(
                "{path}, line {number} differs; if that is right, {bless}\n  golden: {}\n  now:    {}",
                old.unwrap_or(none),
                new.unwrap_or(none)
            ));
        }
        if old.is_none() {
            break;
        }
    }
    Ok(())
}

/// Runs every trace of a folder through a masker natively.
///
/// # Panics
/// With everything that is wrong.
pub fn masker_fixtures<M: Masker + Described>(folder: &str) {
    run(&NativeMasker::<M>::new(), Path::new(folder));
}

/// Runs every trace of a folder through a classifier natively.
///
/// # Panics
/// With everything that is wrong.
pub fn classifier_fixtures<C: Classifier + Described>(folder: &str) {
    run(&NativeClassifier::<C>::new(), Path::new(folder));
}

fn run(subject: &dyn Subject, folder: &Path) {
    let mut problems = Vec::new();
    for fixture in fixtures_in(folder).unwrap_or_else(|e| panic!("{e}")) {
        let Fixture { name, trace, .. } = &fixture;
        match examine(subject, trace, &trace.config) {
            Err(reason) => problems.push(format!("{name}: {reason}")),
            Ok(examined) => {
                leave(name, &examined);
                problems.extend(examined.problems.iter().map(|p| format!("{name}: {p}")));
                problems.extend(compare(&fixture, &examined.golden).err());
            }
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// For `portcullis plugin test`, which compares with what WebAssembly answers.
fn leave(name: &str, examined: &Examined) {
    if let Some(folder) = std::env::var_os(TRANSCRIPTS) {
        let path = Path::new(&folder).join(format!("{name}.transcript"));
        let text = examined.transcript.join("\n");
        std::fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}
