//! A recorded terminal in the browser: the page with its knobs, and the film as lines of JSON, sent as it is read, so
//! that a long one begins at once. What is painted was cleaned on the way: it draws and does nothing else.

use super::super::Console;
use super::super::acts::session_id;
use super::super::frame::Sheet;
use super::super::guard::Person;
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
    let volume = console.session(&by, id).await?;
    let stream = which
        .stream
        .map(|s| format!("?stream={s}"))
        .unwrap_or_default();
    let film = format!("/console/sessions/{id}/film{stream}");
    let session = &volume.session;
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
    let shots = console.film(&by, session_id(&id)?, which.stream).await?;
    Ok(lines(shots))
}

/// The film, line by line.
pub(in crate::web) fn lines(shots: mpsc::Receiver<Shot>) -> Response {
    let body = stream::unfold(shots, |mut shots| async move {
        let mut chunk = line(&shots.recv().await?);
        while chunk.len() < CHUNK {
            match shots.try_recv() {
                Ok(shot) => chunk.push_str(&line(&shot)),
                Err(_) => break,
            }
        }
        Some((Ok::<_, Infallible>(chunk), shots))
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
