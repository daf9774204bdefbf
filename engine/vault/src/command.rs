//! Secrets that a command prints: a password manager, a cloud's own tool. It runs without a shell, without the
//! gateway's environment and input, within a time and a size, and says its secret as a member of a JSON object.
//!
//! It refuses to show what a command prints, on either output: that is the secret, or may quote it.

use crate::error::Unavailable;
use crate::secret::{Secret, Wiped};
use crate::secrets::Fetched;
use portcullis_model::limits;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

/// A command and how long it may take.
#[derive(Clone, Debug)]
pub struct SecretCommand {
    /// The program, by its whole path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// All of its environment.
    pub environment: BTreeMap<String, String>,
    /// From its start to its end.
    pub timeout: Duration,
}

impl SecretCommand {
    /// Runs it and takes one member of what it prints.
    pub(crate) async fn run(&self, field: &str) -> Result<Fetched, Unavailable> {
        let printed = tokio::time::timeout(self.timeout, self.printed())
            .await
            .map_err(|_| Unavailable::Late)??;
        let printed = Wiped::read(printed).ok_or(Unavailable::Output)?;
        let secret = printed.secret("", field).ok_or(Unavailable::Field)?;
        Ok(Fetched {
            secret,
            ttl: printed.seconds("/ttl_seconds").map(Duration::from_secs),
        })
    }

    async fn printed(&self) -> Result<Vec<u8>, Unavailable> {
        let mut child = Group(
            Command::new(&self.program)
                .args(&self.arguments)
                .env_clear()
                .envs(&self.environment)
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
                .map_err(Unavailable::Start)?,
        );
        // Sized up front: a buffer that grows leaves copies behind.
        let mut printed = Vec::with_capacity(limits::SECRET_COMMAND_BYTES_MAX + 1);
        let out = child.0.stdout.take().ok_or(Unavailable::Output)?;
        out.take(limits::SECRET_COMMAND_BYTES_MAX as u64 + 1)
            .read_to_end(&mut printed)
            .await
            .map_err(Unavailable::Start)?;
        let printed = Secret::new(printed);
        if printed.expose().len() > limits::SECRET_COMMAND_BYTES_MAX {
            return Err(Unavailable::Output);
        }
        let status = child.0.wait().await.map_err(Unavailable::Start)?;
        match status.success() {
            true => Ok(printed.expose().to_vec()),
            false => Err(Unavailable::Exit(status.code())),
        }
    }
}

/// The command with what it has started: all of it ends when nobody waits any more.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group.and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> SecretCommand {
        SecretCommand {
            program: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: BTreeMap::from([("WHO".to_owned(), "gateway".to_owned())]),
            timeout: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn a_member_of_what_it_prints_is_the_secret() {
        let command = shell(r#"echo '{"value":"v-1","other":"o-1","n":7,"ttl_seconds":30}'"#);
        let value = command.run("value").await.ok().unwrap();
        assert_eq!(value.secret.expose(), b"v-1");
        assert_eq!(value.ttl, Some(Duration::from_secs(30)));
        assert_eq!(
            command.run("other").await.ok().unwrap().secret.expose(),
            b"o-1"
        );
        assert_eq!(command.run("n").await.ok().unwrap().secret.expose(), b"7");
        assert!(matches!(command.run("none").await, Err(Unavailable::Field)));
    }

    #[tokio::test]
    async fn it_sees_neither_our_environment_nor_our_input() {
        let command = shell(r#"read line; echo "{\"value\":\"$WHO $HOME $line\"}""#);
        let value = command.run("value").await.ok().unwrap();
        assert_eq!(value.secret.expose(), b"gateway  ");
    }

    #[tokio::test]
    async fn what_fails_or_is_no_json_is_refused_and_not_shown() {
        for script in [
            "echo hunter2; exit 3",
            "echo hunter2",
            "echo '[\"hunter2\"]'",
            "echo '{\"value\":\"\"}'",
            "echo '{\"value\":{\"a\":\"hunter2\"}}'",
            "head -c 300000 /dev/zero | tr '\\0' x",
        ] {
            let error = shell(script).run("value").await.err().expect(script);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let mut absent = shell("true");
        absent.program = "/no/such/program".into();
        assert!(matches!(
            absent.run("value").await,
            Err(Unavailable::Start(_))
        ));
    }

    #[tokio::test]
    async fn it_ends_in_time_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("late");
        let mut slow = shell(&format!("(sleep 1; touch {}) & sleep 30", mark.display()));
        slow.timeout = Duration::from_millis(300);
        assert!(matches!(slow.run("value").await, Err(Unavailable::Late)));
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!mark.exists(), "its child lives on");
    }
}
