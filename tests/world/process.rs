//! Processes that end with whoever started them, and ports that nobody else has.

use crate::psql::Shown;
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A server that is stopped when dropped: politely first, then for good.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
    signal: &'static str,
}

impl Server {
    /// Starts a server in a session of its own (a scheduler may give each session its own share of the
    /// processor, and a measured server must not share the measurer's). Output goes to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        name: &str,
        mut command: Command,
        log: &Path,
        signal: &'static str,
    ) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let err = out.try_clone().context("share the log")?;
        let mut wrapped = Command::new("setsid");
        wrapped.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(key, value),
                None => wrapped.env_remove(key),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            wrapped.current_dir(dir);
        }
        command = wrapped;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            signal,
        })
    }

    /// The server's process id: `setsid` becomes the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it accepts connections on a loopback port.
    ///
    /// # Errors
    /// When it ends or the time runs out first; the end of its log is in the error.
    pub fn wait_for_port(&mut self, port: u16, within: Duration) -> Result<()> {
        let until = Instant::now() + within;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = self.child.try_wait().context("look after a server")? {
                bail!(
                    "{} ended ({status}) before it listened on {port}:\n{}",
                    self.name,
                    self.tail()
                );
            }
            if Instant::now() > until {
                bail!("{} does not listen on {port}:\n{}", self.name, self.tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// True while it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal by name to the server itself.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let _ = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait(&mut self, within: Duration) -> Result<Option<i32>> {
        let until = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().context("wait for a server")? {
                return Ok(status.code());
            }
            if Instant::now() > until {
                bail!("{} still runs after {within:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.runs() {
            self.signal(self.signal);
            if self.wait(Duration::from_secs(8)).is_err() {
                self.signal("KILL");
                let _ = self.child.kill();
            }
        }
        let _ = self.child.wait();
    }
}

/// Below the range from which the kernel takes the ports of outgoing connections: nobody is given one of
/// these between the look and the use.
const PORTS: std::ops::Range<u32> = 12_000..32_000;

/// A port of loopback that is free, and that this process has not handed out before.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let all = PORTS.end - PORTS.start;
    // Processes that run side by side begin in different places.
    let begin = std::process::id().wrapping_mul(7919) % all;
    for _ in 0..all {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(PORTS.start + (begin + step) % all).context("a port")?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port of {PORTS:?} is free")
}

/// Runs a command to its end and returns what it wrote.
///
/// # Errors
/// When it cannot be started, or fails: its output is in the error.
pub fn run(command: &mut Command) -> Result<Output> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {shown}"))?;
    if !output.status.success() {
        bail!(
            "{shown} failed ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output)
}

/// Runs a client with this on its standard input, which then ends, and gives up on one that hangs.
///
/// # Errors
/// When it cannot be started.
pub fn fed(command: &mut Command, input: &[u8], within: Duration) -> Result<Shown> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start a client")?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || {
        let _fed = stdin.write_all(&input);
    });
    let pid = child.id().to_string();
    let (over, ended) = channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if ended.recv_timeout(within) == Err(RecvTimeoutError::Timeout) {
            let _killed = Command::new("kill").args(["-KILL", &pid]).status();
        }
    });
    let output = child.wait_with_output()?;
    drop(over);
    let _fed = feeding.join();
    let _watched = watchdog.join();
    Ok(Shown::from_output(&output))
}

/// How long a test waits for what comes about by itself, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until something is so.
///
/// # Errors
/// When nobody can tell, or it does not come about: with what it was.
pub fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !holds()? {
        ensure!(Instant::now() < end, "{what}: it does not come about");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Finds a program on the path.
#[must_use]
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// True when we are root, and PostgreSQL therefore has to run as somebody else.
#[must_use]
pub fn root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|s| {
        s.lines()
            .any(|l| l.starts_with("Uid:") && l.split_whitespace().nth(2) == Some("0"))
    })
}
