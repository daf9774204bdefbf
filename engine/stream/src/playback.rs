//! A recording as a film: how long to wait, and what to paint. Speed, skipped pauses, and jumps to a moment, forwards
//! and back. Knows no clock and no terminal: whoever plays it sleeps and writes.
//!
//! It refuses to paint anything that would act on the reader's terminal: all output goes through [`Quiet`].

use crate::asciicast::{Event, Happening};
use crate::quiet::Quiet;
use std::time::Duration;

/// How it is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// So many times as fast; 1 is as it was.
    pub speed: f64,
    /// Pauses are no longer than this.
    pub idle_max: Option<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            speed: 1.0,
            idle_max: None,
        }
    }
}

/// Slower and faster than this is no playing.
pub const SPEEDS: std::ops::RangeInclusive<f64> = 0.01..=1000.0;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Wait so long first.
    pub wait: Duration,
    /// Where in the recording that is.
    pub at: Duration,
    /// Then show this.
    pub show: Show,
}

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Show {
    /// Bytes for the terminal.
    Paint(Vec<u8>),
    /// The window was this large from here on.
    Size(u16, u16),
    /// A remark.
    Marker(String),
    /// The end, with this status.
    Exit(i32),
}

/// A recording, and where in it we are.
pub struct Playback<'a> {
    events: &'a [Event],
    pace: Pace,
    next: usize,
    at: Duration,
    quiet: Quiet,
}

/// A blank screen, with nothing left of what was painted before: attributes, regions, other screens, other letters.
const BLANK: &[u8] = b"\x1b[?1049l\x1b[r\x1b[0m\x1b(B\x1b[4l\x1b[?25h\x1b[2J\x1b[H";

impl<'a> Playback<'a> {
    /// From the beginning.
    #[must_use]
    pub fn new(events: &'a [Event], pace: Pace) -> Self {
        let speed = pace.speed.clamp(*SPEEDS.start(), *SPEEDS.end());
        Self {
            events,
            pace: Pace {
                speed: if speed.is_nan() { 1.0 } else { speed },
                ..pace
            },
            next: 0,
            at: Duration::ZERO,
            quiet: Quiet::new(),
        }
    }

    /// How long the recording is.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.events.last().map_or(Duration::ZERO, |event| event.at)
    }

    /// Where we are.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.at
    }

    /// Plays on at another speed.
    pub fn speed(&mut self, speed: f64) {
        if !speed.is_nan() {
            self.pace.speed = speed.clamp(*SPEEDS.start(), *SPEEDS.end());
        }
    }

    /// Jumps to a moment: paints at once what stood on the screen then, from a blank one.
    pub fn seek(&mut self, to: Duration) -> Vec<u8> {
        self.next = 0;
        self.quiet = Quiet::new();
        self.at = to.min(self.length());
        let mut screen = BLANK.to_vec();
        while let Some(event) = self.events.get(self.next).filter(|event| event.at <= to) {
            if let Happening::Output(bytes) = &event.what {
                screen.extend(self.quiet.pass(bytes));
            }
            self.next += 1;
        }
        screen
    }

    fn wait(&self, until: Duration) -> Duration {
        let pause = until.saturating_sub(self.at);
        let pause = self.pace.idle_max.map_or(pause, |most| pause.min(most));
        Duration::try_from_secs_f64(pause.as_secs_f64() / self.pace.speed).unwrap_or(pause)
    }
}

impl Iterator for Playback<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        loop {
            let event = self.events.get(self.next)?;
            self.next += 1;
            let show = match &event.what {
                Happening::Output(bytes) => Show::Paint(self.quiet.pass(bytes)),
                // What was typed is seen where it was echoed.
                Happening::Input(_) => continue,
                Happening::Resize(columns, rows) => Show::Size(*columns, *rows),
                Happening::Marker(text) => Show::Marker(text.clone()),
                Happening::Exit(status) => Show::Exit(*status),
            };
            let wait = self.wait(event.at);
            self.at = self.at.max(event.at);
            return Some(Frame {
                wait,
                at: event.at,
                show,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at_ms: u64, what: Happening) -> Event {
        Event {
            at: Duration::from_millis(at_ms),
            what,
        }
    }

    fn film() -> Vec<Event> {
        vec![
            event(0, Happening::Output(b"$ ".to_vec())),
            event(500, Happening::Input(b"l".to_vec())),
            event(600, Happening::Output(b"l\x1b]0;x\x07".to_vec())),
            event(600, Happening::Resize(90, 30)),
            event(10_600, Happening::Output(b"\x1b[6ns".to_vec())),
            event(11_000, Happening::Exit(0)),
        ]
    }

    fn waits(pace: Pace) -> Vec<u64> {
        let film = film();
        let frames = Playback::new(&film, pace);
        frames.map(|f| f.wait.as_millis() as u64).collect()
    }

    #[test]
    fn pauses_follow_speed_and_bound() {
        assert_eq!(waits(Pace::default()), [0, 600, 0, 10_000, 400]);
        let fast = Pace {
            speed: 2.0,
            idle_max: Some(Duration::from_secs(1)),
        };
        assert_eq!(waits(fast), [0, 300, 0, 500, 200]);
        for odd in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
            let pace = Pace {
                speed: odd,
                idle_max: None,
            };
            assert_eq!(waits(pace).len(), 5, "{odd}");
        }
    }

    #[test]
    fn only_what_paints_is_shown() {
        let film = film();
        let shown: Vec<Show> = Playback::new(&film, Pace::default())
            .map(|f| f.show)
            .collect();
        assert_eq!(
            shown,
            [
                Show::Paint(b"$ ".to_vec()),
                Show::Paint(b"l".to_vec()),
                Show::Size(90, 30),
                Show::Paint(b"s".to_vec()),
                Show::Exit(0)
            ]
        );
    }

    #[test]
    fn a_jump_paints_what_stood_there_and_goes_on_from_it() {
        let film = film();
        let mut playback = Playback::new(&film, Pace::default());
        let screen = playback.seek(Duration::from_millis(5_600));
        assert_eq!(screen, [BLANK, b"$ l"].concat());
        let next = playback.next().unwrap();
        assert_eq!(
            (next.wait.as_millis(), next.show),
            (5_000, Show::Paint(b"s".to_vec()))
        );
        // And back.
        assert_eq!(
            playback.seek(Duration::from_millis(100)),
            [BLANK, b"$ "].concat()
        );
        assert_eq!(playback.next().unwrap().wait.as_millis(), 500);
        playback.seek(Duration::from_secs(99));
        assert_eq!(
            (playback.next(), playback.at()),
            (None, Duration::from_secs(11))
        );
    }
}
