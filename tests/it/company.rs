//! A gateway at which people log in at a real OpenID provider, for the tests of logins: a command line with a home of
//! its own, a browser, and sessions that stay open.

use anyhow::{Context, Result, bail, ensure};
use portcullis_tests::oidc::{CLIENT_SECRET, Provider, browse};
use portcullis_tests::process::free_port;
use portcullis_tests::{Scratch, Shown, World, WorldOptions};
use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Company {
    pub(crate) world: World,
    pub(crate) provider: Provider,
    pub(crate) home: PathBuf,
    // Removed last.
    _folder: Scratch,
}

impl Company {
    /// A gateway at which people log in; session tokens of `session`.
    pub(crate) fn new(session: &str) -> Result<Self> {
        Self::with(session, "", WorldOptions::default())
    }

    /// The same with more under `login:`, in a world of its own.
    pub(crate) fn with(session: &str, login: &str, options: WorldOptions) -> Result<Self> {
        let folder = Scratch::new("login")?;
        let portal = match options.portal {
            0 => free_port()?,
            port => port,
        };
        let gateway = format!("https://localhost:{portal}");
        let provider = Provider::start(folder.path(), &gateway)?;
        let secret = folder.path().join("client-secret");
        portcullis_tests::scratch::private(&secret, CLIENT_SECRET)?;
        let issuers = format!(
            "  - name: corp
    issuer: {}
    audiences: [portcullis]
    kind: {{ rules: [{{ claim: client_id, kind: agent }}], fixed: human }}
    groups_claim: groups
",
            provider.url()
        );
        let more = format!(
            "login:
  url: {gateway}
  session: {session}
  longest: 1h
  exchange: true
{login}  providers:
    - issuer: corp
      client_id: portcullis
      client_secret: file:{}
",
            secret.display()
        ) + &options.more;
        let world = World::start(&WorldOptions {
            issuers,
            more,
            portal,
            ..options
        })?;
        let home = folder.path().join("home");
        Ok(Self {
            world,
            provider,
            home,
            _folder: folder,
        })
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.world.gateway.command(arguments);
        command
            .env("PORTCULLIS_HOME", &self.home)
            .env("PORTCULLIS_GATEWAY", self.world.portal()?)
            .env("PORTCULLIS_CA", self.world.certificate());
        Ok(command)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Shown> {
        Shown::by(&mut self.command(arguments)?).context("run portcullis")
    }

    /// Logs in: what the command line said, and what the browser saw.
    pub(crate) fn log_in(&self, arguments: &[&str]) -> Result<(String, Shown)> {
        let begun = self.begin_login(arguments)?;
        let page = browse(&begun.url, &self.world.certificate())?;
        let (good, said) = begun.end()?;
        ensure!(
            good,
            "{said}\n{}\n{}\n{}",
            page.all(),
            self.world.gateway.log(),
            self.provider.log()
        );
        Ok((said, page))
    }

    /// Begins a login, up to the address that a browser is to open.
    pub(crate) fn begin_login(&self, arguments: &[&str]) -> Result<Begun> {
        self.begin(self.command(arguments)?)
    }

    /// The same with a command that leads to one.
    pub(crate) fn begin(&self, mut command: Command) -> Result<Begun> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("it has an error stream")?;
        let mut lines = BufReader::new(stderr).lines();
        loop {
            let Some(line) = lines.next() else {
                let _ = child.wait();
                bail!(
                    "no address was shown; the gateway says\n{}",
                    self.world.gateway.log()
                );
            };
            let line = line?;
            if let Some(at) = line.find("http").filter(|_| !line.contains(" and type ")) {
                let url = line[at..].to_owned();
                return Ok(Begun { child, lines, url });
            }
        }
    }

    pub(crate) fn token(&self) -> Result<String> {
        let shown = self.run(&["token", "show"])?;
        ensure!(
            shown.code == 0,
            "{}\n{}",
            shown.all(),
            self.world.gateway.log()
        );
        Ok(shown.out.trim().to_owned())
    }

    pub(crate) fn ask(&self, token: &str, sql: &str) -> Result<Shown> {
        let mut command = self.world.psql("anybody", token, "orders");
        Shown::by(command.args(["-c", sql])).context("run psql")
    }

    /// A session that stays open until the gateway ends it.
    pub(crate) fn linger(&self, token: &str) -> Result<Child> {
        let mut command = self.world.psql("anybody", token, "orders");
        let mut child = command
            .args(["-c", "SELECT pg_sleep(60)"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' \
                       AND state = 'active' AND usename LIKE 'pc\\_%'";
        let until = Instant::now() + Duration::from_secs(60);
        while self.world.cluster.sql("postgres", running)?.trim() != "1" {
            if child.try_wait()?.is_some() || Instant::now() > until {
                let _ = child.kill();
                let mut told = String::new();
                let stderr = child.stderr.take().context("an error stream")?;
                BufReader::new(stderr).read_to_string(&mut told)?;
                bail!("no session lasts: {told}\n{}", self.world.gateway.log());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(child)
    }
}

/// A session of `psql` that stays open and is asked one thing after the other.
pub(crate) struct Talk {
    child: Child,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    pub(crate) fn start(company: &Company, token: &str) -> Result<Self> {
        let mut child = company
            .world
            .psql("anybody", token, "orders")
            .arg("-At")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let answers = BufReader::new(child.stdout.take().context("an output")?).lines();
        let mut talk = Self { child, answers };
        talk.goes_on("begun")?;
        Ok(talk)
    }

    /// It answers, in the session that it has been in all along.
    pub(crate) fn goes_on(&mut self, word: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().context("an input")?;
        writeln!(input, "SELECT '{word}';")?;
        let answer = self.answers.next().context("the session has ended")??;
        ensure!(answer == word, "{answer}");
        ensure!(self.child.try_wait()?.is_none(), "the session has ended");
        Ok(())
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// A login that is under way.
pub(crate) struct Begun {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    /// What the browser is to open.
    pub(crate) url: String,
}

impl Begun {
    /// Waits for its end: whether it was one, and all that was said.
    pub(crate) fn end(self) -> Result<(bool, String)> {
        let Self {
            mut child, lines, ..
        } = self;
        let rest =
            std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
        let status = child.wait()?;
        let mut said = String::new();
        child
            .stdout
            .take()
            .context("an output")?
            .read_to_string(&mut said)?;
        said.push_str(&rest.join().unwrap_or_default());
        Ok((status.success(), said))
    }

    /// Nobody waits for it any longer.
    pub(crate) fn give_up(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

/// Waits for the end of a session: how long it took, and what the client was told.
pub(crate) fn ended(mut child: Child) -> Result<(Duration, String)> {
    let began = Instant::now();
    while child.try_wait()?.is_none() {
        if began.elapsed() > Duration::from_secs(20) {
            child.kill()?;
            bail!("the session goes on");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = began.elapsed();
    let mut told = String::new();
    child
        .stderr
        .take()
        .context("an error stream")?
        .read_to_string(&mut told)?;
    Ok((took, told))
}
