//! What the demo looks for: every step says what it expects, and what is missed is counted.

use crate::screen;
use anyhow::Result;
use portcullis_tests::{Gateway, Shown};

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
        screen::quote(&shown.all());
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
