//! What is typed, on its way into the record: keys are kept when their echo has been seen, and what was typed without
//! echo is withheld, for it may be a password.
//!
//! Only one line is withheld: who turns echo off to hide commands hides the first of them. Further ones are kept, as
//! [`Kept::Unechoed`], so that the session can be flagged; a line at a prompt that asks for a password is withheld
//! wherever it stands. It refuses to take a chance match of output for an echo: that has to come first, and be complete.

use crate::ansi::{Lexer, Step};
use portcullis_model::{Timestamp, limits};
use std::collections::VecDeque;

/// What becomes of typed bytes in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// They were echoed, or hold nothing that could have been.
    Echoed(Vec<u8>),
    /// They were not echoed, and are no password: somebody hides what he types.
    Unechoed(Vec<u8>),
    /// So many bytes are withheld.
    Withheld(usize),
}

/// Prompts of programs that ask for a secret.
const PROMPTS: [&str; 4] = ["passw", "passphrase", "passcode", "secret"];
/// As much of a prompt is remembered.
const PROMPT_CHARS: usize = 128;
/// Lines that wait for their echo; further ones count as not echoed.
const LINES_MAX: usize = 64;

/// The keys of one terminal.
#[derive(Default)]
pub struct Typing {
    lexer: Lexer,
    input: Lexer,
    lines: VecDeque<Typed>,
    /// The last line of output, as far as it goes.
    prompt: String,
    /// Lines without echo, since the last one with.
    silent: usize,
}

/// Keys up to an Enter, or what there is of them.
#[derive(Default)]
struct Typed {
    keys: Vec<u8>,
    /// Letters whose echo has not been seen.
    awaited: VecDeque<char>,
    letters: usize,
    /// Letters of output that were no echo, while one was awaited.
    others: usize,
    /// It ends with Enter, at this time.
    entered: Option<Timestamp>,
    /// The prompt asked for a secret.
    asked: bool,
}

impl Typed {
    fn echoed(&self) -> bool {
        self.awaited.is_empty() && self.others <= self.letters
    }
}

impl Typing {
    /// A terminal at which nothing was typed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keys, which have gone on to the host.
    pub fn typed(&mut self, bytes: &[u8], now: Timestamp) -> Vec<Kept> {
        let mut kept = Vec::new();
        for byte in bytes {
            let step = self.input.step(*byte);
            let open = self.lines.pop_back_if(|line| line.entered.is_none());
            let mut line = open.unwrap_or_default();
            line.asked |= line.keys.is_empty() && self.asks();
            line.keys.push(*byte);
            if let Step::Char(c) = step {
                line.awaited.push_back(c);
                line.letters += 1;
            }
            let long = line.keys.len() >= limits::TYPED_LINE_BYTES_MAX;
            if long || matches!(step, Step::Control(10 | 13)) {
                line.entered = Some(now);
            }
            self.lines.push_back(line);
        }
        self.release(&mut kept);
        while self.lines.len() > LINES_MAX {
            self.decide(&mut kept);
        }
        kept
    }

    /// True when this output is nothing but letters that were typed and not shown yet: whoever reads it knows it already.
    #[must_use]
    pub fn expects(&self, output: &[u8]) -> bool {
        let Ok(output) = std::str::from_utf8(output) else {
            return false;
        };
        let mut awaited = self.lines.iter().flat_map(|line| &line.awaited);
        !output.is_empty() && output.chars().all(|c| awaited.next() == Some(&c))
    }

    /// Output, as it came from the host.
    pub fn shown(&mut self, bytes: &[u8]) -> Vec<Kept> {
        let mut kept = Vec::new();
        for byte in bytes {
            match self.lexer.step(*byte) {
                Step::Char(c) => self.letter(c),
                Step::Control(10) => {
                    self.prompt.clear();
                    // The echo of a line comes before the end of it.
                    if self
                        .lines
                        .front()
                        .is_some_and(|line| line.entered.is_some())
                    {
                        self.decide(&mut kept);
                    }
                }
                _ => {}
            }
        }
        self.release(&mut kept);
        kept
    }

    /// When [`Typing::tick`] wants to be called, if nothing comes before.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        let entered = self.lines.front()?.entered?;
        Some(entered.after(limits::ECHO_MAX))
    }

    /// Time has passed: an echo that has not come by now is none.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Kept> {
        let mut kept = Vec::new();
        while self.due().is_some_and(|due| due <= now) {
            self.decide(&mut kept);
        }
        kept
    }

    /// The session has ended.
    pub fn finish(&mut self) -> Vec<Kept> {
        let mut kept = Vec::new();
        while !self.lines.is_empty() {
            self.decide(&mut kept);
        }
        kept
    }

    fn asks(&self) -> bool {
        let prompt = self.prompt.to_lowercase();
        PROMPTS.iter().any(|word| prompt.contains(word))
    }

    fn letter(&mut self, c: char) {
        if self.prompt.chars().count() >= PROMPT_CHARS {
            self.prompt.remove(0);
        }
        self.prompt.push(c);
        let Some(line) = self.lines.iter_mut().find(|line| !line.awaited.is_empty()) else {
            return;
        };
        match line.awaited.front() == Some(&c) {
            true => drop(line.awaited.pop_front()),
            false => line.others += 1,
        }
    }

    /// Lets go what is certain without the end of its line.
    fn release(&mut self, kept: &mut Vec<Kept>) {
        while let Some(line) = self.lines.front_mut() {
            let certain = line.awaited.is_empty() && line.others == 0;
            if !certain || line.keys.is_empty() {
                return;
            }
            let keys = std::mem::take(&mut line.keys);
            if line.letters > 0 {
                self.silent = 0;
            }
            push(kept, Kept::Echoed(keys));
            if line.entered.is_none() {
                line.letters = 0;
                return;
            }
            self.lines.pop_front();
        }
    }

    /// The first line has had its time.
    fn decide(&mut self, kept: &mut Vec<Kept>) {
        let Some(line) = self.lines.pop_front() else {
            return;
        };
        if line.keys.is_empty() {
            return;
        }
        if line.echoed() {
            if line.letters > 0 {
                self.silent = 0;
            }
            return push(kept, Kept::Echoed(line.keys));
        }
        self.silent += 1;
        kept.push(match self.silent == 1 || line.asked {
            true => Kept::Withheld(line.keys.len()),
            false => Kept::Unechoed(line.keys),
        });
    }
}

/// Joins what belongs together.
fn push(kept: &mut Vec<Kept>, next: Kept) {
    match (kept.last_mut(), next) {
        (Some(Kept::Echoed(before)), Kept::Echoed(more)) => before.extend(more),
        (_, next) => kept.push(next),
    }
}
