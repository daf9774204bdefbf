//! kube-apiserver out of Debian's source package, with Debian's Go. Both are unpacked, not installed; the vendor tree has
//! everything, so that nothing else is asked of anybody.
//!
//! Refuses to take for built what did not compile to its end.

use crate::debian::{BOOKWORM, source, unpacked};
use crate::install::cache;
use crate::process::run;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// What was built.
#[derive(Debug)]
pub struct Built {
    /// The store.
    pub etcd: PathBuf,
    /// The API server.
    pub api_server: PathBuf,
}

const ETCD: &str = "etcd-3.4";
const SERVER: &str = "kube-apiserver-1.20";
/// Written when the server has been compiled to its end.
const MARK: &str = "built";
/// What is told where it cannot be built.
const NEEDS: &str = "the API server cannot be built here: that takes Debian's packages of bookworm (apt-get and a mirror that has them), \
     1.5 GB of disk and memory for Go's compiler; every other test runs without it";

/// The tag of packages whose types stand in the published schema.
const TAG: &str = "+k8s:openapi-gen=";

/// The programs; they are built when they are not there.
///
/// # Errors
/// When they cannot be.
pub fn built(workspace: &Path) -> Result<Built> {
    unpacked(workspace, BOOKWORM, &["etcd-server"], ETCD).context(NEEDS)?;
    let folder = cache(workspace).join(SERVER);
    let mark = folder.join(MARK);
    if !mark.is_file() {
        eprintln!("  building kube-apiserver 1.20: five minutes on two idle processors, 1.5 GB");
        let begun = Instant::now();
        fs::create_dir_all(&folder)?;
        build(workspace, &folder, &folder.join("kube-apiserver")).context(NEEDS)?;
        fs::write(mark, "")?;
        eprintln!("  built in {} s", begun.elapsed().as_secs());
    }
    found(workspace)
}

/// The programs, where they were built.
///
/// # Errors
/// When they were not.
pub fn found(workspace: &Path) -> Result<Built> {
    let needs = cache(workspace);
    ensure!(
        needs.join(SERVER).join(MARK).is_file(),
        "there is no API server in {}: `cargo xtask test --world real-kubernetes` builds one",
        needs.display()
    );
    Ok(Built {
        etcd: needs.join(ETCD).join("usr/bin/etcd"),
        api_server: needs.join(SERVER).join("kube-apiserver"),
    })
}

fn build(workspace: &Path, folder: &Path, api_server: &Path) -> Result<()> {
    let packages = ["golang-1.19-go", "golang-1.19-src"];
    let go = Go {
        root: unpacked(workspace, BOOKWORM, &packages, "go-1.19")?.join("usr/lib/go-1.19"),
        path: folder.join("gopath"),
        cache: folder.join("cache"),
    };
    let tree = source(workspace, BOOKWORM, "kubernetes", "kubernetes-1.20")?;
    let within = go.path.join("src/k8s.io");
    fs::create_dir_all(&within)?;
    let link = within.join("kubernetes");
    if !link.exists() {
        std::os::unix::fs::symlink(&tree, &link).context("put the source where Go looks")?;
    }
    let generator = folder.join("openapi-gen");
    go.build(
        &link,
        "./vendor/k8s.io/kube-openapi/cmd/openapi-gen",
        &generator,
    )?;
    schema(&go, &link, &generator)?;
    go.build(&link, "./cmd/kube-apiserver", api_server)?;
    // Intermediate results are as large as the rest together.
    fs::remove_dir_all(&go.cache)?;
    Ok(())
}

/// The one generated file that the archive lacks, made as the project's own makefile makes it.
fn schema(go: &Go, tree: &Path, generator: &Path) -> Result<()> {
    let mut packages = BTreeSet::new();
    for top in ["pkg", "cmd", "plugin", "staging/src/k8s.io"] {
        tagged(&tree.join(top), &mut packages)?;
    }
    // The client libraries that are no part of the tree itself.
    tagged(&tree.join("vendor/k8s.io/kube-openapi"), &mut packages)?;
    let named: Vec<String> = packages
        .iter()
        .filter_map(|path| path.strip_prefix(tree).ok())
        .map(|path| path.to_string_lossy().replace("staging/src/", "vendor/"))
        .filter(|path| {
            !["code-generator", "sample-apiserver"]
                .iter()
                .any(|no| path.contains(no))
        })
        .map(|path| format!("k8s.io/kubernetes/{path}"))
        .collect();
    ensure!(
        !named.is_empty(),
        "no package of the source asks to be in its schema"
    );
    let mut making = go.command(generator, tree);
    making
        .args(["--logtostderr", "-i", &named.join(",")])
        .args(["-p", "k8s.io/kubernetes/pkg/generated/openapi"])
        .args(["-O", "zz_generated.openapi"])
        .args(["-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"])
        .arg("-r")
        .arg(generator.with_extension("violations"));
    run(&mut making).context("generate the API's schema")?;
    Ok(())
}

/// Folders with a file that has the tag.
fn tagged(folder: &Path, found: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name();
        if kind.is_dir() && name != "testdata" && name != "_examples" {
            tagged(&path, found)?;
        } else if kind.is_file()
            && path.extension().is_some_and(|e| e == "go")
            && fs::read(&path)?
                .windows(TAG.len())
                .any(|w| w == TAG.as_bytes())
        {
            found.insert(folder.to_owned());
        }
    }
    Ok(())
}

struct Go {
    root: PathBuf,
    path: PathBuf,
    cache: PathBuf,
}

impl Go {
    fn build(&self, tree: &Path, what: &str, into: &Path) -> Result<()> {
        let mut building = self.command(&self.root.join("bin/go"), tree);
        building.args(["build", "-o"]).arg(into).arg(what);
        run(&mut building).with_context(|| format!("build {what}"))?;
        Ok(())
    }

    fn command(&self, program: &Path, tree: &Path) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(tree)
            .env("PWD", tree)
            .env("PATH", format!("{}/bin:{path}", self.root.display()))
            .env("GOROOT", &self.root)
            .env("GOPATH", &self.path)
            .env("GOCACHE", &self.cache)
            .env("GO111MODULE", "off")
            .env("GOFLAGS", "")
            .env("CGO_ENABLED", "0");
        command
    }
}
