//! What the demo looks for: every step says what it expects, and what is missed is counted.

use crate::screen;
use anyhow::{Result, ensure};
use portcullis_tests::{Gateway, Shown};
use std::time::{Duration, Instant};

/// How much of a line is shown: a replay has whole answers in one.
const WIDTH: usize = 240;

/// What was shown, and what should have been.
#[derive(Default)]
pub struct Watch {
    /// Everything that a client, approver or auditor saw.
    pub seen: Vec<(String, Shown)>,
    /// Expectations that did not hold.
    pub missed: Vec<String>,
}

impl Watch {
    /// Says whether something was seen to be so.
    pub fn expect(&mut self, what: &str, holds: bool) {
        if holds {
            screen::seen(what);
        } else {
            println!("  {} {what}", screen::red("MISSED"));
            self.missed.push(what.to_owned());
        }
    }

    /// Keeps what a process showed.
    pub fn saw(&mut self, what: &str, shown: &Shown) {
        screen::quote(&narrow(&shown.all()));
        self.seen.push((what.to_owned(), shown.clone()));
    }

    /// Runs an administration command, with this token or without one, and shows it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn admin(
        &mut self,
        gateway: &Gateway,
        token: Option<&str>,
        arguments: &[&str],
    ) -> Result<Shown> {
        println!(
            "\n  {} portcullis {}",
            screen::dim("$"),
            screen::bold(&arguments.join(" "))
        );
        let shown = gateway.admin_as(token, arguments)?;
        self.saw(&arguments.join(" "), &shown);
        Ok(shown)
    }

    /// True when any of these stood in anything that was shown.
    pub fn showed(&self, secrets: &[&str]) -> bool {
        let shows = |(_, shown): &(String, Shown)| secrets.iter().any(|s| shown.shows(s));
        self.seen.iter().any(shows)
    }
}

/// The session whose record names this.
///
/// # Errors
/// When there is none within a minute.
pub fn session_of(gateway: &Gateway, name: &str) -> Result<String> {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let list = gateway.json(&["sessions", "list", "--recorded"])?;
        let ids = list.as_array().into_iter().flatten();
        for id in ids.filter_map(|session| session["id"].as_str()) {
            let replay = gateway.admin(&["sessions", "replay", id])?;
            if replay.out.contains(name) {
                return Ok(id.to_owned());
            }
        }
        ensure!(Instant::now() < until, "no session names {name}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The same with long lines cut. What is looked for is looked for in the whole.
fn narrow(text: &str) -> String {
    let cut = |line: &str| match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{} …\n", &line[..end]),
        None => format!("{line}\n"),
    };
    text.lines().map(cut).collect()
}
