//! A real OpenSSH server with a home of its own: Debian's sshd with its own configuration, port and keys, run by somebody
//! without rights in a mount of its own, where the account has a shell and a scratch folder as home. Whatever a test runs
//! there, were the gateway to fail, can touch that folder and nothing else.

use crate::process::{Server, free_port, root, run, which};
use crate::scratch::Scratch;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The account that runs the server, and that sessions log in as.
const NOBODY: &str = "nobody";

/// A running SSH server.
#[derive(Debug)]
pub struct Host {
    _server: Server,
    /// Its port.
    pub port: u16,
    /// The login there.
    pub login: String,
    folder: Scratch,
}

impl Host {
    /// Starts it.
    ///
    /// # Errors
    /// When it does not start; its log is in the error.
    pub fn start() -> Result<Self> {
        let sshd = sshd().context("find sshd: install openssh-server")?;
        let folder = Scratch::new("ssh")?;
        let at = folder.path();
        let login = match root() {
            true => NOBODY.to_owned(),
            false => me()?,
        };
        for key in ["authority", "host_authority", "host", "direct"] {
            keygen(&at.join(key))?;
        }
        certify(at)?;
        let home = at.join("home");
        fs::create_dir_all(home.join(".ssh"))?;
        fs::copy(at.join("direct.pub"), home.join(".ssh/authorized_keys"))?;
        let port = free_port()?;
        fs::write(at.join("passwd"), passwd(&login, &home)?)?;
        // Without PAM sshd takes an account for locked whose shadow entry it cannot read.
        fs::write(at.join("shadow"), shadow(&login, "NP"))?;
        fs::write(at.join("sshd_config"), configuration(at, port))?;
        plant(&home)?;
        if root() {
            // The authority's key is the gateway's alone.
            for own in ["home", "host", "host.pub", "host-cert.pub", "sshd_config"] {
                let path = at.join(own);
                run(Command::new("chown")
                    .args(["-R", "nobody:nogroup"])
                    .arg(path))?;
            }
        }
        let command = contained(at, &sshd);
        let mut server = Server::start("sshd", command, &at.join("sshd.log"), "TERM")?;
        server.wait_for_port(port, Duration::from_secs(60))?;
        Ok(Self {
            _server: server,
            port,
            login,
            folder,
        })
    }

    /// Where everything is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The home of the account.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder().join("home")
    }

    /// The private key of the authority that the server trusts.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder().join("authority")
    }

    /// The line of a `known_hosts` file for the server.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn known(&self) -> Result<String> {
        known(self.port, &self.folder().join("host.pub"))
    }

    /// The line of a `known_hosts` file for the authority of hosts: the server has a certificate of it.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn known_authority(&self) -> Result<String> {
        let line = known(self.port, &self.folder().join("host_authority.pub"))?;
        Ok(format!("@cert-authority {line}"))
    }

    /// `ssh` straight to the server, past any gateway.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn direct(&self) -> Result<Command> {
        let hosts = self.folder().join("known_direct");
        fs::write(&hosts, self.known()?)?;
        let mut command = client(&hosts, self.port);
        command.arg("-i").arg(self.folder().join("direct")).args([
            "-o",
            "BatchMode=yes",
            "-l",
            &self.login,
            "127.0.0.1",
        ]);
        Ok(command)
    }

    /// Gives the account a password, by what its shadow entry says of it. It has none before.
    ///
    /// # Errors
    /// When the entry cannot be written.
    pub fn password(&self, hash: &str) -> Result<()> {
        // The file stays the same one: the server has it in a mount.
        fs::write(self.folder().join("shadow"), shadow(&self.login, hash))
            .context("write the shadow entry")
    }

    /// What the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self._server.log()
    }
}

/// The line of a `known_hosts` file for a server of loopback.
///
/// # Errors
/// When the key cannot be read.
pub fn known(port: u16, public: &Path) -> Result<String> {
    let key = fs::read_to_string(public).context("read a public key")?;
    let mut words = key.split_whitespace();
    let (kind, key) = (words.next(), words.next());
    let (kind, key) = (kind.context("a key's kind")?, key.context("a key")?);
    Ok(format!("[127.0.0.1]:{port} {kind} {key}\n"))
}

/// `ssh` with nothing of the machine's own configuration.
#[must_use]
pub fn client(known_hosts: &Path, port: u16) -> Command {
    let mut command = Command::new("ssh");
    command
        .args(["-F", "none", "-p", &port.to_string()])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known_hosts.display()))
        .args(["-o", "GlobalKnownHostsFile=/dev/null"])
        .args(["-o", "StrictHostKeyChecking=yes"])
        .args(["-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=20"])
        .env_remove("SSH_AUTH_SOCK");
    command
}

fn sshd() -> Option<PathBuf> {
    which("sshd").or_else(|| {
        let usual = PathBuf::from("/usr/sbin/sshd");
        usual.is_file().then_some(usual)
    })
}

fn me() -> Result<String> {
    let name = run(Command::new("id").arg("-un"))?;
    Ok(String::from_utf8_lossy(&name.stdout).trim().to_owned())
}

/// A fresh key without a passphrase.
///
/// # Errors
/// When `ssh-keygen` fails.
pub fn keygen(path: &Path) -> Result<()> {
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path))
    .map(drop)
}

/// A certificate for the server's key.
fn certify(at: &Path) -> Result<()> {
    run(Command::new("ssh-keygen")
        .args(["-q", "-h", "-I", "host", "-n", "127.0.0.1", "-s"])
        .arg(at.join("host_authority"))
        .arg(at.join("host.pub")))
    .map(drop)
}

/// The machine's accounts, with a shell and a scratch home for ours.
fn passwd(login: &str, home: &Path) -> Result<String> {
    let mut found = false;
    let mut text = String::new();
    for line in fs::read_to_string("/etc/passwd")?.lines() {
        let mut fields: Vec<&str> = line.split(':').collect();
        let home = home.display().to_string();
        if fields.first() == Some(&login) && fields.len() == 7 {
            found = true;
            fields[5] = &home;
            fields[6] = "/bin/bash";
            text.push_str(&fields.join(":"));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    match found {
        true => Ok(text),
        false => bail!("the account {login} is not in /etc/passwd"),
    }
}

fn shadow(login: &str, hash: &str) -> String {
    format!("{login}:{hash}:19000:0:99999:7:::\n")
}

fn configuration(at: &Path, port: u16) -> String {
    let at = at.display();
    format!(
        "Port {port}
ListenAddress 127.0.0.1
HostKey {at}/host
HostCertificate {at}/host-cert.pub
PidFile {at}/home/sshd.pid
AuthorizedKeysFile {at}/home/.ssh/authorized_keys
TrustedUserCAKeys {at}/authority.pub
StrictModes no
UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
AcceptEnv *
MaxStartups 200
MaxSessions 100
X11Forwarding yes
PrintMotd no
LogLevel VERBOSE
ExposeAuthInfo yes
Subsystem sftp internal-sftp
"
    )
}

/// What tests read, refuse and run.
fn plant(home: &Path) -> Result<()> {
    fs::create_dir_all(home.join(".aws"))?;
    fs::write(
        home.join(".aws/credentials"),
        format!("[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"),
    )?;
    fs::create_dir_all(home.join("app"))?;
    fs::set_permissions(home.join("app"), fs::Permissions::from_mode(0o750))?;
    let deploy = home.join("deploy.sh");
    fs::write(
        &deploy,
        "#!/bin/sh\necho deployed >> ~/deployed\necho done\n",
    )?;
    fs::set_permissions(&deploy, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// A planted credential: no real one.
pub const KEY_ID: &str = "AKIAQ3EGVNXTW7YKZ2BD";
/// Its secret part.
pub const SECRET: &str = "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";

/// The server, by somebody without rights, with accounts and terminals of its own.
fn contained(at: &Path, sshd: &Path) -> Command {
    let script = "mount --bind \"$1/passwd\" /etc/passwd \
        && mount --bind \"$1/shadow\" /etc/shadow \
        && mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts /dev/pts \
        && mount --bind /dev/pts/ptmx /dev/ptmx && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    if root() {
        command.arg("--mount");
    } else {
        command.args(["--user", "--map-current-user", "--keep-caps", "--mount"]);
    }
    command.args(["sh", "-c", script, "sh"]).arg(at);
    if root() {
        command.args([
            "setpriv",
            "--reuid=nobody",
            "--regid=nogroup",
            "--clear-groups",
        ]);
    }
    command
        .arg(sshd)
        .args(["-D", "-e", "-f"])
        .arg(at.join("sshd_config"))
        .env("HOME", at.join("home"));
    command
}
