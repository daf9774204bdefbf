//! What somebody does at a terminal, as far as it can be known from outside of it: the line that is about to be entered,
//! and whether what is typed is echoed.
//!
//! An aid, not a boundary. A line is [`Line::Known`] only where two witnesses agree: the keys, and the screen that they
//! made. History, completion, full-screen programs, invisible text, a resized window, a line that goes on: all of that is
//! [`Line::Unsure`], so that whoever asks asks a person. It refuses to guess, and it cannot know what a shell makes of a
//! line: aliases, functions, key bindings that run commands, scripts.

mod keys;
mod screen;
mod typing;

pub use keys::Why;
pub use typing::{Kept, Typing};

use keys::{Key, Keys};
use portcullis_model::limits;
use screen::{Place, Screen};

/// What will run at Enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// This text: the keys and the screen say the same.
    Known(String),
    /// Keys were pressed and nothing was shown: a password, or a command that somebody hides.
    Hidden,
    /// It is not certain.
    Unsure {
        /// Why.
        why: Why,
        /// What stands on the screen, for whoever has to decide. Not to be trusted.
        shown: Option<String>,
    },
}

/// How far typed bytes may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// So many bytes of what was typed come before Enter.
    pub before: usize,
    /// Behind them stands Enter, one byte.
    pub enter: bool,
}

/// Follows one terminal: both directions, in the order in which they pass.
pub struct Tracker {
    screen: Screen,
    keys: Keys,
    /// Where the line that is being edited begins.
    begins: Option<Place>,
    /// What the next line may be the rest of, or may not be what it seems.
    before: Before,
}

/// What is known of the line before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    /// It was not whole.
    GoesOn,
    /// It was uncertain: the shell may have put something into the next one (`histverify`).
    Unsure,
}

impl Tracker {
    /// A terminal of this size.
    #[must_use]
    pub fn new(columns: u32, rows: u32) -> Self {
        Self {
            screen: Screen::new(side(columns, 80), side(rows, 24)),
            keys: Keys::default(),
            begins: None,
            before: Before::Nothing,
        }
    }

    /// The window has another size.
    pub fn resize(&mut self, columns: u32, rows: u32) {
        self.screen.resize(side(columns, 80), side(rows, 24));
        if self.begins.is_some() {
            self.keys.doubt(Why::Resized);
        }
    }

    /// Output of the host.
    pub fn shown(&mut self, bytes: &[u8]) {
        self.screen.feed(bytes);
    }

    /// Keys. What comes before Enter may go on at once; Enter itself waits for [`Tracker::line`], and what stands behind
    /// it is handed in again after [`Tracker::entered`].
    pub fn typed(&mut self, bytes: &[u8]) -> Reach {
        for (at, byte) in bytes.iter().enumerate() {
            if self.begins.is_none() {
                self.begins = Some(self.screen.anchor());
            }
            match self.keys.press(*byte) {
                Key::Enter => {
                    return Reach {
                        before: at,
                        enter: true,
                    };
                }
                Key::Cancel => self.fresh(Before::Nothing, Keys::default()),
                Key::Edit => {}
            }
        }
        Reach {
            before: bytes.len(),
            enter: false,
        }
    }

    /// The line as it stands. Asked again after more output, it may be known that was not: echo takes its time.
    #[must_use]
    pub fn line(&self) -> Line {
        let typed = self.keys.line();
        let begins = self.begins.unwrap_or(self.screen.place());
        let seen = self.screen.text_from(begins);
        let shown = seen.as_ref().map(|seen| seen.text.clone());
        let unsure = |why| Line::Unsure {
            why,
            shown: shown.clone(),
        };
        if self.screen.is_alternate() {
            return unsure(Why::FullScreen);
        }
        if let Some(why) = self.keys.why() {
            return unsure(why);
        }
        match self.before {
            Before::GoesOn => return unsure(Why::GoesOn),
            Before::Unsure if typed.is_empty() => return unsure(Why::History),
            Before::Nothing | Before::Unsure => {}
        }
        let Some(seen) = &seen else {
            return unsure(Why::Redrawn);
        };
        if seen.invisible {
            return unsure(Why::Invisible);
        }
        if !typed.is_empty() && seen.text.is_empty() && self.screen.place() == begins {
            return Line::Hidden;
        }
        // Blanks at the end cannot be told from a screen's own.
        let same = seen.text == typed.trim_end_matches(' ') && seen.cursor == self.keys.cursor();
        match (same, keys::suspicion(&typed)) {
            (false, _) => unsure(Why::Redrawn),
            (true, Some(why)) => unsure(why),
            (true, None) => Line::Known(typed),
        }
    }

    /// Enter has gone on to the host.
    pub fn entered(&mut self) {
        let before = match self.line() {
            Line::Unsure {
                why: Why::GoesOn, ..
            } if self.before != Before::GoesOn || keys::suspicion(&self.keys.line()).is_some() => {
                Before::GoesOn
            }
            Line::Unsure { .. } => Before::Unsure,
            Line::Known(_) | Line::Hidden => Before::Nothing,
        };
        let next = self.keys.next();
        self.fresh(before, next);
    }

    /// The line was taken back from the host. Whether the host let go of it is not certain: what is entered without a key
    /// may be the same line again.
    pub fn dropped(&mut self) {
        self.fresh(Before::Unsure, Keys::default());
    }

    fn fresh(&mut self, before: Before, keys: Keys) {
        self.keys = keys;
        self.begins = None;
        self.before = before;
    }
}

/// 0 is "unknown" (RFC 4254 section 6.2).
fn side(given: u32, otherwise: u16) -> u16 {
    match u16::try_from(given).unwrap_or(u16::MAX) {
        0 => otherwise,
        given => given.min(limits::TERMINAL_SIDE_MAX),
    }
}

#[cfg(test)]
mod tests;
