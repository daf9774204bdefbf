//! SimpleSAMLphp from Debian as a SAML identity provider, as a process, and a browser that carries its answers. It
//! differs from production in one thing: whoever comes is logged in as `ana` without a password.

use crate::install::{self, Need};
use crate::process::{Server, free_port, run};
use crate::scratch::Scratch;
use crate::world::workspace;
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running provider.
#[derive(Debug)]
pub struct SamlProvider {
    server: Server,
    port: u16,
    folder: Scratch,
}

/// What the browser has in its hands when it leaves the provider.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Where it goes.
    pub action: String,
    /// `SAMLResponse`, in base64.
    pub response: String,
    /// `RelayState`.
    pub relay: String,
}

impl SamlProvider {
    /// Starts it for a gateway at this address.
    ///
    /// # Errors
    /// When it cannot be installed, or does not start.
    pub fn start(gateway: &str) -> Result<Self> {
        install::ensure(&[Need::SimpleSaml])?;
        let folder = Scratch::new("saml")?;
        let at = folder.path();
        for name in ["cert", "log", "tmp"] {
            fs::create_dir_all(at.join(name))?;
        }
        run(Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args(["-subj", "/CN=idp", "-keyout"])
            .arg(at.join("cert/idp.key"))
            .arg("-out")
            .arg(at.join("cert/idp.crt")))?;
        let (port, ours) = (free_port()?, workspace().join("tests/world/saml"));
        let mut command = Command::new("php");
        command
            .args(["-S", &format!("127.0.0.1:{port}")])
            .arg(ours.join("router.php"))
            .env("SIMPLESAMLPHP_CONFIG_DIR", &ours)
            .env("SAML_FOLDER", at)
            .env("SAML_URL", format!("http://127.0.0.1:{port}/simplesaml"))
            .env("SAML_GATEWAY", gateway);
        let log = at.join("php.log");
        let mut server = Server::start("SimpleSAMLphp", command, &log, "TERM")?;
        server.wait_for_port(port, Duration::from_secs(30))?;
        Ok(Self {
            server,
            port,
            folder,
        })
    }

    /// Its entity id, which is where its metadata is.
    #[must_use]
    pub fn entity(&self) -> String {
        format!(
            "http://127.0.0.1:{}/simplesaml/saml2/idp/metadata.php",
            self.port
        )
    }

    /// Its metadata, in a file.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metadata(&self) -> Result<PathBuf> {
        let file = self.folder.path().join("metadata.xml");
        run(Command::new("curl")
            .args(["-fsS", "-o"])
            .arg(&file)
            .arg(self.entity()))?;
        Ok(file)
    }

    /// From now on it signs the response and not the assertion in it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn leaves_assertions_unsigned(&self) -> Result<()> {
        Ok(fs::write(self.folder.path().join("unsigned"), "")?)
    }

    /// From now on it says that people have proved who they are so many seconds ago, whatever it is asked for.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn says_proved(&self, seconds_ago: i64) -> Result<()> {
        Ok(fs::write(
            self.folder.path().join("ago"),
            seconds_ago.to_string(),
        )?)
    }

    /// Goes there, and comes away with an answer.
    ///
    /// # Errors
    /// When it gives none.
    pub fn visit(&self, url: &str) -> Result<Answer> {
        let jar = self.folder.path().join("cookies");
        let page = run(Command::new("curl")
            .args(["-fsSL", "-b"])
            .arg(&jar)
            .arg("-c")
            .arg(&jar)
            .arg(url))?;
        let page = String::from_utf8_lossy(&page.stdout).into_owned();
        let read = |mark: &str, attribute: &str| {
            let (_, rest) = page.split_once(mark)?;
            let (_, rest) = rest.split_once(&format!("{attribute}=\""))?;
            let (value, _) = rest.split_once('"')?;
            Some(value.replace("&amp;", "&").replace("&#039;", "'"))
        };
        let log = || {
            format!(
                "the provider gives an answer:\n{page}\n{}",
                self.server.log()
            )
        };
        Ok(Answer {
            action: read("<form method=\"post\"", "action").with_context(log)?,
            response: read("name=\"SAMLResponse\"", "value").with_context(log)?,
            relay: read("name=\"RelayState\"", "value").with_context(log)?,
        })
    }
}

impl Answer {
    /// Carries it to the gateway in a browser that knows nothing, and follows where that leads: what is shown in the end.
    ///
    /// # Errors
    /// When curl cannot be run.
    pub fn deliver(&self, ca: &Path) -> Result<String> {
        self.carry(ca, &[])
    }

    /// The same in the browser whose cookies these are.
    ///
    /// # Errors
    /// When curl cannot be run.
    pub fn deliver_with(&self, ca: &Path, cookies: &Path) -> Result<String> {
        let jar = cookies.as_os_str();
        self.carry(ca, &["-b".as_ref(), jar, "-c".as_ref(), jar])
    }

    fn carry(&self, ca: &Path, more: &[&OsStr]) -> Result<String> {
        ensure!(self.action.starts_with("https://"), "{}", self.action);
        let shown = Command::new("curl")
            .args(["-sSL", "--cacert"])
            .arg(ca)
            .args(more)
            .args([
                "--data-urlencode",
                &format!("SAMLResponse={}", self.response),
            ])
            .args(["--data-urlencode", &format!("RelayState={}", self.relay)])
            .arg(&self.action)
            .output()
            .context("run curl")?;
        Ok(format!(
            "{}{}",
            String::from_utf8_lossy(&shown.stdout),
            String::from_utf8_lossy(&shown.stderr)
        ))
    }
}
