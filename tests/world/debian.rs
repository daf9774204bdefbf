//! Programs out of Debian's packages, unpacked into a folder and not installed: an older `kubectl` beside a newer one, a
//! compiler for one build, a source package. The machine's own mirror is asked, for another release where need be.
//!
//! It refuses machines whose packages do not come from Debian, and says so.

use crate::install::cache;
use crate::process::{run, which};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release whose `kubectl` is 1.20: it speaks SPDY and nothing else. Its source package has the whole API server.
pub const BOOKWORM: &str = "bookworm";
/// The release whose `kubectl` is 1.32.
pub const TRIXIE: &str = "trixie";

const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// `kubectl` 1.20, which opens streams over SPDY only.
///
/// # Errors
/// When it cannot be had.
pub fn kubectl_1_20(workspace: &Path) -> Result<PathBuf> {
    let folder = unpacked(workspace, BOOKWORM, &["kubernetes-client"], "kubectl-1.20")?;
    Ok(folder.join("usr/bin/kubectl"))
}

/// `kubectl` 1.32, which opens streams over WebSocket, and over SPDY where that fails.
///
/// # Errors
/// When it cannot be had.
pub fn kubectl_1_32(workspace: &Path) -> Result<PathBuf> {
    let folder = unpacked(workspace, TRIXIE, &["kubectl"], "kubectl-1.32")?;
    Ok(folder.join("usr/bin/kubectl"))
}

/// rsyslog with its driver for TLS: a folder to run it from, with its libraries.
///
/// # Errors
/// When it cannot be had.
pub fn rsyslog(workspace: &Path) -> Result<PathBuf> {
    let packages = ["rsyslog", "rsyslog-gnutls", "libestr0", "libfastjson4"];
    unpacked(workspace, BOOKWORM, &packages, "rsyslog")
}

/// A folder with what is in packages of a release.
///
/// # Errors
/// When they cannot be had.
pub fn unpacked(workspace: &Path, release: &str, packages: &[&str], name: &str) -> Result<PathBuf> {
    let folder = cache(workspace).join(name);
    let mark = folder.join(".unpacked");
    // Tests are processes of their own, and ask at the same time.
    let _alone = Alone::claim(&cache(workspace))?;
    if mark.is_file() {
        return Ok(folder);
    }
    eprintln!(
        "  unpacking {} of Debian {release} into {}",
        packages.join(", "),
        folder.display()
    );
    let apt = Apt::of(workspace, release)?;
    let archives = folder.join(".archives");
    fs::create_dir_all(&archives)?;
    run(apt
        .command(&["download", "-q"])
        // A newer one may be installed, from somewhere else.
        .args(
            packages
                .iter()
                .map(|package| format!("{package}/{release}")),
        )
        .current_dir(&archives))?;
    for archive in fs::read_dir(&archives)? {
        run(Command::new("dpkg-deb")
            .arg("-x")
            .arg(archive?.path())
            .arg(&folder))?;
    }
    fs::remove_dir_all(&archives)?;
    fs::write(mark, "")?;
    Ok(folder)
}

/// A folder with a source package of a release, as it stands in the original archive.
///
/// # Errors
/// When it cannot be had.
pub fn source(workspace: &Path, release: &str, package: &str, name: &str) -> Result<PathBuf> {
    let folder = cache(workspace).join(name);
    let mark = folder.join(".unpacked");
    let _alone = Alone::claim(&cache(workspace))?;
    if mark.is_file() {
        return Ok(folder);
    }
    eprintln!(
        "  unpacking the source of {package} of Debian {release} into {}",
        folder.display()
    );
    let apt = Apt::of(workspace, release)?;
    let archives = folder.join(".archives");
    fs::create_dir_all(&archives)?;
    run(apt
        .command(&["source", "-q", "--download-only", package])
        .current_dir(&archives))?;
    let original = fs::read_dir(&archives)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().contains(".orig.tar"))
        .context("find the original archive")?;
    run(Command::new("tar")
        .arg("-xf")
        .arg(original)
        .args(["--strip-components=1", "-C"])
        .arg(&folder))?;
    fs::remove_dir_all(&archives)?;
    fs::write(mark, "")?;
    Ok(folder)
}

/// Package lists of one release, apart from the machine's own.
struct Apt {
    config: PathBuf,
}

impl Apt {
    fn of(workspace: &Path, release: &str) -> Result<Self> {
        if which("apt-get").is_none() || which("dpkg-deb").is_none() {
            bail!("older programs come out of Debian's packages: run this on Debian");
        }
        let folder = cache(workspace).join("apt").join(release);
        for made in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(made))?;
        }
        let config = folder.join("apt.conf");
        let apt = Self { config };
        let mirror = mirror()?;
        let signed = match Path::new(KEYS).is_file() {
            true => format!("[signed-by={KEYS}] "),
            false => String::new(),
        };
        let lists: String = ["deb", "deb-src"]
            .map(|kind| format!("{kind} {signed}{mirror} {release} main\n"))
            .concat();
        fs::write(folder.join("sources.list"), lists)?;
        let at = folder.display();
        let config = format!(
            "Dir::Etc::SourceList \"{at}/sources.list\";\nDir::Etc::SourceParts \"/dev/null\";\n\
             Dir::State::Lists \"{at}/lists\";\nDir::Cache \"{at}/cache\";\nAPT::Sandbox::User \"\";\n\
             Acquire::Languages \"none\";\nAcquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
        );
        fs::write(&apt.config, config)?;
        run(&mut apt.command(&["update", "-q"]))
            .with_context(|| format!("read the package lists of Debian {release}"))?;
        Ok(apt)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("APT_CONFIG", &self.config);
        command
    }
}

/// Where this machine gets Debian's packages from.
fn mirror() -> Result<String> {
    let mut asking = Command::new("apt-get");
    asking.args([
        "indextargets",
        "--format",
        "$(ORIGIN) $(REPO_URI) $(RELEASE)",
    ]);
    asking.arg("Created-By: Packages");
    let said = run(&mut asking).context("ask apt for its mirrors")?;
    let said = String::from_utf8_lossy(&said.stdout);
    let mut lines = said.lines().filter_map(|line| line.strip_prefix("Debian "));
    let plain = lines.find(|line| !line.contains("-security") && !line.contains("-backports"));
    match plain.and_then(|line| line.split(' ').next()) {
        Some(mirror) => Ok(mirror.to_owned()),
        None => bail!("this machine has no mirror of Debian in its package sources"),
    }
}

/// One process at a time unpacks.
struct Alone(fs::File);

impl Alone {
    fn claim(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let file = fs::File::create(folder.join(".unpacking"))?;
        file.lock()?;
        Ok(Self(file))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        // It goes with the file at the latest.
        let _unlocked = self.0.unlock();
    }
}
