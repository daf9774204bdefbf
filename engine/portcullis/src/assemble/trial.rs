//! A policy set's own tests in another process, before the set serves: `portcullis policy self-test`, fed
//! the set over a pipe. It gets no environment, a bound on memory and time, and no way to say "good" but
//! to answer about this very set. It refuses to take a silent, a late or a dead process for a good one.

use portcullis_model::limits;
use portcullis_policy::{Diagnostic, PolicySet, SelfTest, died};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Looked at so often whether it has ended.
const PATIENCE: Duration = Duration::from_millis(2);
/// What is read of its answer.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How the tests of a set are run.
pub struct Trial {
    program: Vec<String>,
    deadline: Duration,
}

impl Trial {
    /// By this very program, even when its file has been replaced.
    #[must_use]
    pub fn own() -> Self {
        // In a unit test this program is the harness of the tests, which knows no commands: there the set
        // is tried on the spot. The other process is tried below, and by tests/it with the real program.
        let program: &[&str] = match cfg!(test) {
            true => &[],
            false => &["/proc/self/exe", "policy", "self-test"],
        };
        Self {
            program: program.iter().map(|word| (*word).to_owned()).collect(),
            deadline: limits::POLICY_SELF_TEST_TIME_MAX,
        }
    }

    /// Runs them. Empty when the set is good.
    #[must_use]
    pub fn run(&self, set: &PolicySet) -> Vec<Diagnostic> {
        match self.ask(set) {
            Ok(answer) => set.judge(&answer),
            Err(how) => vec![died(&how)],
        }
    }

    fn ask(&self, set: &PolicySet) -> Result<SelfTest, String> {
        let packed = set.packed().map_err(|fault| fault.to_string())?;
        #[cfg(test)]
        if self.program.is_empty() {
            return portcullis_policy::self_test(&packed).map_err(|fault| fault.to_string());
        }
        let (program, arguments) = self.program.split_first().ok_or("there is no program")?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("it could not be started: {error}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let feeding = thread::spawn(move || {
            // A process that has died does not read: its end says so better.
            let _ = stdin.map(|mut pipe| pipe.write_all(&packed));
        });
        let reading = thread::spawn(move || {
            let mut answer = Vec::new();
            let read = stdout.map(|pipe| pipe.take(ANSWER_BYTES_MAX).read_to_end(&mut answer));
            read.transpose().map(|_| answer)
        });
        let status = self.wait(&mut child)?;
        let _ = feeding.join();
        let answer = reading.join().map_err(|_| "its answer could not be read")?;
        match status.success() {
            false => Err(ended(status)),
            true => serde_json::from_slice(&answer.map_err(|e| e.to_string())?)
                .map_err(|_| "it said something else".to_owned()),
        }
    }

    fn wait(&self, child: &mut Child) -> Result<ExitStatus, String> {
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
                return Ok(status);
            }
            if began.elapsed() > self.deadline {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it took longer than {:?}", self.deadline));
            }
            thread::sleep(PATIENCE);
        }
    }
}

fn ended(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("it died of signal {signal}"),
        (None, Some(code)) => format!("it ended with code {code}"),
        (None, None) => "it ended".to_owned(),
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use portcullis_policy::PackSource;
    use serde_json::json;

    fn set() -> PolicySet {
        let text = "package portcullis.packs.a\nimport rego.v1\ngrant contains {\"rule\": \"a/b\"}";
        let source = PackSource::memory("a", "a.rego", text);
        PolicySet::load_untested(&[source], json!({})).expect("it loads")
    }

    fn found(script: &str, deadline: Duration) -> String {
        let trial = Trial {
            program: ["/bin/sh", "-c", script].map(str::to_owned).into(),
            deadline,
        };
        let found = trial.run(&set());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].rule, "load/self-test");
        found[0].message.clone()
    }

    #[test]
    fn a_process_that_dies_is_a_finding_and_we_live() {
        let soon = Duration::from_secs(20);
        assert!(found("kill -ABRT $$", soon).contains("signal 6"));
        assert!(found("cat >/dev/null; exit 3", soon).contains("code 3"));
        assert!(found("cat >/dev/null", soon).contains("something else"));
        assert!(found("cat >/dev/null; echo '{}'", soon).contains("something else"));
        let other = r#"cat >/dev/null; echo '{"revision": "0", "tests": 0, "failures": []}'"#;
        assert!(found(other, soon).contains("another set"));
    }

    #[test]
    fn a_process_that_does_not_end_is_ended() {
        assert!(found("exec sleep 60", Duration::from_millis(100)).contains("longer"));
    }

    #[test]
    fn a_program_that_is_not_there_is_a_finding() {
        let trial = Trial {
            program: vec!["/nowhere".to_owned()],
            deadline: Duration::from_secs(1),
        };
        assert!(
            trial.run(&set())[0]
                .message
                .contains("could not be started")
        );
    }
}
