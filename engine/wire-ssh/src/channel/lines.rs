//! Lines at a terminal on the level `assist`: what is typed goes on at once, Enter waits until the line is known and was
//! judged. A line that is not certain is judged as unknown, with what stands on the screen for whoever has to decide; so is
//! one that is not echoed, without its keys.
//!
//! An aid, not a boundary: aliases, functions, key bindings and whatever a program does by itself are not seen. It refuses
//! to let Enter pass undecided, and takes a refused line back from the host with Ctrl-C.

use super::ask::known;
use super::{Ended, Stream};
use crate::refuse;
use bytes::Bytes;
use portcullis_gate::Lane;
use portcullis_model::message::{Body, Command, Message, ShellCommand, Stage, Subject};
use portcullis_model::{Class, Control, Effect, Risk, Verbs};
use portcullis_stream::terminal::{Line, Tracker, Why};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long Enter waits for the echo of its line: a round trip to a host far away.
const LINE_ECHO_MAX: Duration = Duration::from_millis(300);
/// What drops a line at a prompt, and interrupts what reads one.
const CTRL_C: &[u8] = b"\x03";

/// The terminal as it is followed.
pub(super) struct Followed {
    tracker: parking_lot::Mutex<Tracker>,
    shown: Notify,
}

impl Followed {
    /// Of a terminal on a level that looks at lines.
    pub(super) fn new(control: Control, size: Option<(u32, u32)>) -> Option<Self> {
        let (columns, rows) = size.filter(|_| control == Control::Assist)?;
        Some(Self {
            tracker: parking_lot::Mutex::new(Tracker::new(columns, rows)),
            shown: Notify::new(),
        })
    }

    /// Output of the host, before masks.
    pub(super) fn shows(&self, piece: &[u8]) {
        self.tracker.lock().shown(piece);
        self.shown.notify_one();
    }

    pub(super) fn resizes(&self, columns: u32, rows: u32) {
        self.tracker.lock().resize(columns, rows);
    }

    /// The line, once its echo has come or has had its time.
    async fn line(&self) -> Line {
        let until = Instant::now() + LINE_ECHO_MAX;
        loop {
            let line = self.tracker.lock().line();
            let early = matches!(
                line,
                Line::Hidden
                    | Line::Unsure {
                        why: Why::Redrawn,
                        ..
                    }
            );
            if !early || timeout_at(until, self.shown.notified()).await.is_err() {
                return line;
            }
        }
    }
}

impl Stream {
    /// Keys of a terminal that is followed.
    pub(super) async fn keys(&self, followed: &Followed, keys: Bytes) -> Result<(), Ended> {
        let mut rest = keys;
        loop {
            let reach = followed.tracker.lock().typed(&rest);
            let before = rest.split_to(reach.before.min(rest.len()));
            self.pass_keys(before).await?;
            if !reach.enter || rest.is_empty() {
                return Ok(());
            }
            let enter = rest.split_to(1);
            let line = followed.line().await;
            if !self.may_enter(line, &enter).await? {
                // Whatever was pasted behind it was meant to follow it.
                followed.tracker.lock().dropped();
                return Ok(());
            }
            followed.tracker.lock().entered();
            self.typed(&enter).await?;
        }
    }

    async fn pass_keys(&self, keys: Bytes) -> Result<(), Ended> {
        if keys.is_empty() {
            return Ok(());
        }
        let permit = self.permitted(self.input(keys.clone())).await?;
        self.host()?.side.send(permit).await?;
        self.typed(&keys).await
    }

    /// True when the line was let go, and Enter with it.
    async fn may_enter(&self, line: Line, enter: &Bytes) -> Result<bool, Ended> {
        let (text, known) = match line {
            Line::Known(text) if text.trim().is_empty() => {
                let permit = self.permitted(self.input(enter.clone())).await?;
                self.host()?.side.send(permit).await?;
                return Ok(true);
            }
            Line::Known(text) => (text, None),
            Line::Hidden => (
                "(typed without echo)".to_owned(),
                Some(unsure("hidden-line")),
            ),
            Line::Unsure { why, shown } => {
                let text = shown.filter(|text| !text.is_empty());
                let text = text.unwrap_or_else(|| format!("(not certain: {})", why.word()));
                (text, Some(unsure(&format!("unsure-line-{}", why.word()))))
            }
        };
        match self.ruled(asked(&text, known, enter.clone())).await? {
            Ok(allowed) => {
                let permit = self.commit(vec![allowed]).await?;
                self.host()?.side.send(permit).await?;
                Ok(true)
            }
            Err(denied) => {
                let session = self.entered.session;
                let refusal = {
                    let mut gate = self.gate.lock().await;
                    gate.reject(denied, self.now(), |denial, at| {
                        let text = refuse::text(denial, Some(session), Some(at));
                        vec![Bytes::from_static(b"\r\n"), text]
                    })?
                };
                self.client.refuse(Lane::Diagnostic, refusal).await?;
                let message = Message {
                    body: Body::Control("line-dropped"),
                    wire: Bytes::from_static(CTRL_C),
                };
                let permit = self.permitted(message).await?;
                self.host()?.side.send(permit).await?;
                Ok(false)
            }
        }
    }
}

fn unsure(label: &str) -> Class {
    known(Effect::Unknown, Risk::Medium, Verbs::EXEC, label)
}

fn asked(text: &str, known: Option<Class>, enter: Bytes) -> Message {
    Message {
        body: Body::Command(Command {
            text: Arc::from(text.replace('\0', "\u{fffd}")),
            stage: Stage::ShellLine,
            subject: Subject::Shell(ShellCommand {
                mode: "typed",
                ..ShellCommand::default()
            }),
            known,
            secrets: Vec::new(),
            bound: Bytes::new(),
        }),
        wire: enter,
    }
}
