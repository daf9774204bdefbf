//! A recorded terminal, shot by shot, for a player in a browser. Refuses to pass on what would act on whoever watches: all
//! output goes through the same sieve as in a terminal of ours.

use super::broken;
use portcullis_console::archive::Shot;
use portcullis_gate::EntryKind;
use portcullis_journal::{Error, Film, ReadEntry};
use portcullis_stream::Quiet;
use portcullis_stream::asciicast::{Event, Happening};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Sends everything, until the end, until nobody listens, or until whoever listens takes nothing for so long. Blocks.
pub(super) fn play(
    entries: impl Iterator<Item = Result<ReadEntry, Error>>,
    stream: Option<u32>,
    out: &mpsc::Sender<Shot>,
    patience: Duration,
) {
    let mut film = Film::new(stream);
    let mut screen = Screen::default();
    let mut begun = false;
    for entry in entries {
        // Much of a record may be read that is not shown.
        if out.is_closed() {
            return;
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let refused = broken(&error);
                send(out, Shot::Broken(refused.error), patience);
                return;
            }
        };
        if entry.kind == EntryKind::End as u8 {
            return;
        }
        let event = film.take(&entry);
        if let (Some(header), false) = (film.header(), begun) {
            begun = true;
            // Titles and markers of a film are escaped already.
            let title = header.title.clone().unwrap_or_default();
            let shot = Shot::Header(header.columns, header.rows, title);
            if !send(out, shot, patience) {
                return;
            }
        }
        let Some(shot) = event.and_then(|event| screen.shot(&event)) else {
            continue;
        };
        if !send(out, shot, patience) {
            return;
        }
    }
}

/// False when nobody takes it.
fn send(out: &mpsc::Sender<Shot>, shot: Shot, patience: Duration) -> bool {
    match out.try_send(shot) {
        Ok(()) => true,
        Err(TrySendError::Closed(_)) => false,
        Err(TrySendError::Full(shot)) => {
            let taken = async { out.send_timeout(shot, patience).await.is_ok() };
            Handle::current().block_on(taken)
        }
    }
}

#[derive(Default)]
struct Screen {
    quiet: Quiet,
    /// A character that has begun.
    rest: Vec<u8>,
}

impl Screen {
    fn shot(&mut self, event: &Event) -> Option<Shot> {
        let at = u64::try_from(event.at.as_millis()).unwrap_or(u64::MAX);
        Some(match &event.what {
            Happening::Output(bytes) => {
                self.rest.extend(self.quiet.pass(bytes));
                let text = self.whole();
                if text.is_empty() {
                    return None;
                }
                Shot::Paint(at, text)
            }
            // What was typed is seen where it was echoed.
            Happening::Input(_) => return None,
            Happening::Resize(columns, rows) => Shot::Size(at, *columns, *rows),
            Happening::Marker(text) => Shot::Marker(at, text.clone()),
            Happening::Exit(status) => Shot::Exit(at, *status),
        })
    }

    /// What is whole of the bytes so far.
    fn whole(&mut self) -> String {
        let end = match std::str::from_utf8(&self.rest) {
            Ok(_) => self.rest.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => self.rest.len(),
        };
        let tail = self.rest.split_off(end);
        let text = String::from_utf8_lossy(&self.rest).into_owned();
        self.rest = tail;
        text
    }
}
