//! The program itself: it starts, names its version and its exit codes, and replays an hour of a terminal in time. Being an
//! integration test, it also makes cargo build the program for everybody who runs it in tests. It refuses to hold a budget
//! where nothing is optimised.

mod record;

use record::{HOUR, SHOWN};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn the_program_names_its_version_and_refuses_nonsense() {
    let program = env!("CARGO_BIN_EXE_portcullis");
    let run = |argument: &str| {
        Command::new(program)
            .arg(argument)
            .output()
            .expect("it starts")
    };
    let version = run("--version");
    assert!(version.status.success());
    let expected = concat!("portcullis ", env!("CARGO_PKG_VERSION"));
    assert!(String::from_utf8_lossy(&version.stdout).contains(expected));
    assert_eq!(run("--no-such-flag").status.code(), Some(2));
}

/// An hour as the last of 100,000 sessions where it is optimised (`cargo xtask bench evidence`), or with
/// `PORTCULLIS_FIGURES`; of a fiftieth else.
#[test]
fn an_hour_of_a_terminal_is_replayed_from_its_first_line_on() {
    let whole = !cfg!(debug_assertions) || std::env::var_os("PORTCULLIS_FIGURES").is_some();
    let folder = tempfile::tempdir().expect("a folder");
    let dir = record::recorded(folder.path(), if whole { 100_000 } else { 2_000 });
    let (mut first, mut all) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let since = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["sessions", "replay", &HOUR.to_string(), "--dir"])
            .arg(&dir)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("what it says"));
        let mut text = String::new();
        out.read_line(&mut text).expect("a line");
        first.push(since.elapsed());
        out.read_to_string(&mut text).expect("the rest");
        assert!(child.wait().expect("it ends").success());
        all.push(since.elapsed());
        let shown = text.matches(&"x".repeat(SHOWN)).count();
        assert_eq!(
            shown,
            7200,
            "{}",
            text.chars().take(2000).collect::<String>()
        );
    }
    first.sort_unstable();
    all.sort_unstable();
    println!(
        "an hour by `sessions replay`: to its first line median {:?}, worst {:?} (budget 1s); to its end {:?}, {:?}",
        first[2], first[4], all[2], all[4]
    );
    assert!(
        cfg!(debug_assertions) || first[2] <= Duration::from_secs(1),
        "{first:?}"
    );
}
