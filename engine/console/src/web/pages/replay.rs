//! A recorded terminal in the browser: the page with its knobs, and the film as lines of JSON, sent as it is read, so
//! that a long one begins at once. What is painted was cleaned on the way: it draws and does nothing else.

use super::super::Console;
use super::super::acts::{Outlook, Sight, session_id};
use super::super::frame::Sheet;
use super::super::guard::Person;
use super::live::LOOK;
use super::{Page, asked, show};
use crate::archive::Shot;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use maud::html;
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Interval, interval};

/// Lines are sent together up to so many bytes.
const CHUNK: usize = 32 * 1024;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Which {
    stream: Option<u32>,
}

pub(super) async fn player(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Page {
    let id = session_id(&id)?;
    let which: Which = asked(query.as_deref())?;
    let session = console.recorded(&by, id).await?;
    let stream = which
        .stream
        .map(|s| format!("?stream={s}"))
        .unwrap_or_default();
    let film = format!("/console/sessions/{id}/film{stream}");
    let body = html! {
        h1 { (session.name) " on " (session.target) " " (show::badge(&session.state)) }
        p { a href={ "/console/sessions/" (session.id) } { "All that happened in this session" } }
        section.player data-film=(film) {
            p.notice #film-state role="status" { "The film needs a script. Without one, read what happened in the session." }
            div.screen #screen tabindex="0" aria-label="Recorded terminal" {}
            div.knobs {
                button type="button" #play { "Play" }
                input type="range" #seek min="0" max="0" value="0" step="100" aria-label="Place in the film";
                output #clock { "00:00" }
                label { "Speed" select #speed { @for s in ["0.5", "1", "2", "4", "8", "16"] { option value=(s) selected[s == "1"] { (s) "×" } } } }
                label { input type="checkbox" #idle checked; "Skip pauses" }
            }
            p.hint { "Space plays and pauses, ← and → jump 5 seconds, + and − change the speed." }
            ol.markers #markers {}
        }
    };
    let sheet = Sheet {
        scripts: &["terminal.js", "replay.js"],
        ..Sheet::new("Replay", "/console/sessions")
    };
    Ok(sheet.show(&console, &by, &body))
}

pub(super) async fn film(
    State(console): State<Arc<Console>>,
    Person(by): Person,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Page {
    let which: Which = asked(query.as_deref())?;
    let (shots, sight) = console.film(&by, session_id(&id)?, which.stream).await?;
    Ok(lines(shots, sight))
}

struct Playing {
    shots: mpsc::Receiver<Shot>,
    sight: Sight,
    look: Interval,
    rests: bool,
    over: bool,
}

impl Playing {
    async fn next(&mut self) -> Option<String> {
        let first = loop {
            tokio::select! {
                // First whether it may be seen, then what.
                biased;
                _ = self.look.tick() => {
                    let outlook = self.sight.outlook();
                    self.rests = outlook == Outlook::Rests;
                    if let Outlook::Over(why) = outlook {
                        self.over = true;
                        return Some(line(&Shot::Broken(why.to_owned())));
                    }
                }
                shot = self.shots.recv(), if !self.rests => break shot?,
            }
        };
        let mut chunk = line(&first);
        while chunk.len() < CHUNK {
            match self.shots.try_recv() {
                Ok(shot) => chunk.push_str(&line(&shot)),
                Err(_) => break,
            }
        }
        Some(chunk)
    }
}

/// The film, line by line, until it or the right to see it is over.
pub(in crate::web) fn lines(shots: mpsc::Receiver<Shot>, sight: Sight) -> Response {
    let playing = Playing {
        shots,
        // Nothing goes before the first look.
        rests: sight.outlook() != Outlook::Goes,
        sight,
        look: interval(LOOK),
        over: false,
    };
    let body = stream::unfold(playing, |mut playing| async move {
        if playing.over {
            return None;
        }
        let chunk = playing.next().await?;
        Some((Ok::<_, Infallible>(chunk), playing))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(body)).into_response()
}

fn line(shot: &Shot) -> String {
    let value: Value = match shot {
        Shot::Header(columns, rows, title) => {
            json!({"columns": columns, "rows": rows, "title": title})
        }
        Shot::Paint(at, text) => json!([at, "o", text]),
        Shot::Size(at, columns, rows) => json!([at, "r", columns, rows]),
        Shot::Marker(at, text) => json!([at, "m", text]),
        Shot::Exit(at, status) => json!([at, "x", status]),
        Shot::Broken(why) => json!({"error": why}),
    };
    format!("{value}\n")
}
