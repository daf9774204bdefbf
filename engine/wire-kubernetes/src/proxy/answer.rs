//! The way back: the head of the cluster's answer, reduced to what clients need, and its body through the gate, object
//! by object where it is JSON and piece by piece where it is text. Nothing is held but one object.
//!
//! It refuses bodies that it cannot look into where something has to be masked, and it breaks an answer off rather than
//! let a client take half of it for the whole.

use super::form::{Form, Known, read_as};
use super::line::Line;
use super::live::Live;
use super::outlet::{Outlet, Pipe, pipe};
use super::refuse::{Answer, Refused, closed, turned};
use super::visit::Visit;
use crate::filter::{Sifting, hidden, left};
use crate::mask::{Expected, Walk, dump};
use crate::schema::NoSchema;
use crate::status;
use crate::turned::Turned;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED, RETRY_AFTER, WARNING,
};
use hyper::http::response::Parts;
use hyper::{HeaderMap, Response, StatusCode};
use portcullis_gate::{Gate, Lane, Next, Outgoing, Reader, Unreleased};
use portcullis_link::ClientOutlet;
use portcullis_model::{Blame, Decision, Denial, Fault, Outcome, limits};
use serde_json::json;
use std::sync::Arc;
use tokio::time::timeout;

/// Headers of an answer that go on.
const GO_ON: [HeaderName; 6] = [
    CACHE_CONTROL,
    CONTENT_TYPE,
    ETAG,
    LAST_MODIFIED,
    RETRY_AFTER,
    WARNING,
];

/// An answer on its way back.
pub(super) struct Pour {
    pub visit: Arc<Visit>,
    pub live: Arc<Live>,
    pub gate: Gate,
    pub line: Option<Line>,
    pub decision: Arc<Decision>,
    /// The same without masks, once a piece of a schema has gone on under it.
    pub plain: Option<Arc<Decision>>,
    pub expected: Expected,
    /// The schema of the API was asked for, at its own path.
    pub schema: bool,
    pub warning: Option<String>,
    /// How it is sifted.
    pub sifting: Option<Sifting>,
    /// An object was named, and its labels decide whether it is granted.
    pub labelled: bool,
    /// Nothing was written.
    pub reads: bool,
}

/// Where a body comes from.
enum Source {
    /// From the cluster, piece by piece.
    Cluster(Incoming),
    /// It was read already.
    Read(Option<Bytes>),
}

impl Source {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        match self {
            Self::Cluster(body) => body.frame().await,
            Self::Read(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
        }
    }
}

/// Why a body ends.
enum End {
    /// It was all there.
    Whole,
    /// Nobody reads it any longer.
    Unread,
    /// The session has ended, or a budget.
    Denied(Denial),
    /// Something broke.
    Broken(Fault),
}

impl From<Unreleased> for End {
    fn from(unreleased: Unreleased) -> Self {
        match unreleased {
            Unreleased::Budget(denial) => Self::Denied(denial),
            Unreleased::Fault(fault) => Self::Broken(fault),
        }
    }
}

impl Pour {
    /// Answers with the head at once; the body follows in a task of its own.
    pub(super) async fn answer(mut self, answer: Response<Incoming>) -> Result<Answer, Refused> {
        let (parts, body) = answer.into_parts();
        let status = parts.status;
        if self.labelled && (status == StatusCode::NOT_FOUND || status.is_redirection()) {
            // It may be hidden, and it may not be there or not have changed: nobody learns which.
            return Err(self.away(&hidden()));
        }
        if !parts.status.is_success() {
            self.sifting = None;
        }
        let form = match self.form(&parts) {
            Ok(form) => form,
            Err(away) => return Err(self.away(&away)),
        };
        let ends = body.is_end_stream();
        let body = match &self.sifting {
            Some(Sifting::Whole(_)) if !ends => match self.seen(body).await {
                Ok(Ok(body)) => body,
                Ok(Err(away)) => return Err(self.away(&away)),
                Err(fault) => return Err(closed(self.gate, fault.into(), self.visit.now())),
            },
            _ => Source::Cluster(body),
        };
        let (writer, outlet) = pipe();
        let mut answer = Response::new(outlet);
        *answer.status_mut() = parts.status;
        *answer.headers_mut() = kept(&parts.headers, self.masks());
        self.warn(answer.headers_mut());
        if ends {
            *answer.body_mut() = Outlet::Whole(None);
        }
        let visit = Arc::clone(&self.visit);
        visit.run(self.run(form, body, writer, parts.status.as_u16()));
        Ok(answer)
    }

    fn away(mut self, away: &Turned) -> Refused {
        let now = self.visit.now();
        let refused = turned(&mut self.gate, away, now);
        closed(self.gate, refused, now)
    }

    /// Reads an answer that is one object, and shows it only where it is granted.
    async fn seen(&mut self, body: Incoming) -> Result<Result<Source, Turned>, Fault> {
        let body = Limited::new(body, limits::ANSWER_OBJECT_BYTES_MAX).collect();
        let read = timeout(limits::ANSWER_HEAD_MAX, body)
            .await
            .map_err(|_| Fault::bare(Blame::Upstream, "answer in time"))?
            .map_err(|_| Fault::bare(Blame::Upstream, "send an object to its end"))?;
        let bytes = read.to_bytes();
        Ok(match &self.sifting {
            Some(Sifting::Whole(sieve)) if !sieve.shows(&bytes) => Err(match self.reads {
                true => hidden(),
                false => left(),
            }),
            _ => Ok(Source::Read(Some(bytes))),
        })
    }

    fn form(&self, parts: &Parts) -> Result<Form, Turned> {
        let known = Known {
            expected: self.expected,
            masks: self.masks(),
            sifted: self.sifting.is_some(),
            schema: self.schema && parts.status.is_success(),
        };
        read_as(&known, &parts.headers)
    }

    /// Something has to be masked or left out.
    fn masks(&self) -> bool {
        self.decision.obligations.masks() || self.sifting.is_some()
    }

    /// Tells who let a held request through.
    fn warn(&self, headers: &mut HeaderMap) {
        let Some(text) = &self.warning else {
            return;
        };
        let plain: String = text
            .chars()
            .map(|c| match c {
                '"' | '\\' => '\'',
                ' '..='~' => c,
                _ => '?',
            })
            .collect();
        // RFC 9111 section 5.5; client-go prints what has the code 299.
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"portcullis: {plain}\"")) {
            headers.append(WARNING, value);
        }
    }

    async fn run(mut self, form: Form, mut body: Source, writer: Pipe, code: u16) {
        let mut to_client = ClientOutlet::new(writer.clone());
        let end = match self.pump(form, &mut body, &writer, &mut to_client).await {
            Ok(()) => End::Whole,
            Err(end) => end,
        };
        let how = match &end {
            End::Whole => "whole".to_owned(),
            End::Unread => "the client left".to_owned(),
            End::Denied(denial) => denial.rule.clone(),
            End::Broken(fault) => format!("fault/{}", fault.blame.label()),
        };
        match end {
            End::Whole => {
                if let Some(line) = self.line.take() {
                    self.live.back(line);
                }
            }
            End::Unread => {}
            End::Denied(denial) => {
                self.last_event(&denial, &mut to_client).await;
                writer.broken().await;
            }
            End::Broken(fault) => {
                tracing::warn!(
                    fault = fault.chain(),
                    "an answer of a cluster was broken off"
                );
                writer.broken().await;
            }
        }
        let now = self.visit.now();
        if let Err(fault) = self.gate.close(&json!({"status": code, "end": how}), now) {
            tracing::error!(
                fault = fault.chain(),
                "the end of an answer is not on record"
            );
        }
    }

    async fn pump(
        &mut self,
        mut form: Form,
        body: &mut Source,
        writer: &Pipe,
        to_client: &mut ClientOutlet<Pipe>,
    ) -> Result<(), End> {
        loop {
            let frame = tokio::select! {
                biased;
                denial = self.live.tether.severed() => return Err(End::Denied(denial)),
                () = writer.closed() => return Err(End::Unread),
                frame = body.next() => frame,
            };
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.piece(&mut form, &bytes, to_client).await?;
                    }
                }
                Some(Err(error)) => {
                    let doing = "send an answer to its end";
                    return Err(End::Broken(Fault::new(Blame::Upstream, doing, error)));
                }
                None => return self.end(form, to_client).await,
            }
        }
    }

    async fn piece(
        &mut self,
        form: &mut Form,
        mut bytes: &[u8],
        to_client: &mut ClientOutlet<Pipe>,
    ) -> Result<(), End> {
        let held;
        if let Form::Published(schema, _) = form {
            match schema.push(bytes) {
                Ok(good) => return self.published(&good, Next::Open, to_client).await,
                Err(none) => held = self.otherwise(form, none)?,
            }
            bytes = &held;
        }
        match form {
            Form::Objects(walk) => {
                for part in bytes.chunks(limits::BATCH_BYTES_MAX) {
                    match &mut self.sifting {
                        Some(Sifting::Stream(sift)) => {
                            sift.push(part).map_err(End::Broken)?;
                            walk.push(&sift.take())
                        }
                        _ => walk.push(part),
                    }
                    .map_err(End::Broken)?;
                    // An event goes at once; objects of a list go together.
                    if self.expected.events || walk.ready() >= limits::BATCH_BYTES_MAX {
                        self.objects(walk, to_client).await?;
                    }
                }
                Ok(())
            }
            Form::Pieces => self.text(bytes, Next::Open, to_client).await,
            Form::Published(..) => Ok(()),
        }
    }

    async fn end(&mut self, mut form: Form, to_client: &mut ClientOutlet<Pipe>) -> Result<(), End> {
        if let Form::Published(schema, _) = &mut form {
            match schema.end() {
                Ok(good) => return self.published(&good, Next::End, to_client).await,
                Err(none) => {
                    let held = self.otherwise(&mut form, none)?;
                    self.piece(&mut form, &held, to_client).await?;
                }
            }
        }
        match form {
            Form::Objects(mut walk) => {
                if let Some(Sifting::Stream(sift)) = &mut self.sifting {
                    sift.end().map_err(End::Broken)?;
                    walk.push(&sift.take()).map_err(End::Broken)?;
                }
                walk.end().map_err(End::Broken)?;
                self.objects(&mut walk, to_client).await
            }
            Form::Pieces => self.text(&[], Next::End, to_client).await,
            Form::Published(..) => Ok(()),
        }
    }

    /// A piece of what is the same for everybody: looked through for the gateway's own secrets, counted and recorded like
    /// any text, and masked by nobody.
    async fn published(
        &mut self,
        good: &[u8],
        next: Next,
        to_client: &mut ClientOutlet<Pipe>,
    ) -> Result<(), End> {
        if good.is_empty() && next == Next::Open {
            return Ok(());
        }
        let unmasked = || unmasked(&self.decision);
        let plain = Arc::clone(self.plain.get_or_insert_with(unmasked));
        self.flow(good, next, &plain, to_client).await
    }

    /// What stands where a schema should is read as anything else is, as long as none of it has gone on.
    fn otherwise(&self, form: &mut Form, none: NoSchema) -> Result<Bytes, End> {
        let broken = || Fault::bare(Blame::Upstream, "publish a schema at the schema's path");
        let Form::Published(_, otherwise) = form else {
            return Err(End::Broken(broken()));
        };
        match (otherwise.take(), none.0) {
            (Some(other), Some(held)) => {
                *form = *other;
                Ok(held)
            }
            _ => Err(End::Broken(broken())),
        }
    }

    /// Masks, records and releases the objects that are whole.
    async fn objects(
        &mut self,
        walk: &mut Walk,
        to_client: &mut ClientOutlet<Pipe>,
    ) -> Result<(), End> {
        let Some(piece) = walk.take() else {
            return Ok(());
        };
        let (batch, rewrite) = piece.batch();
        let outgoing = vec![Outgoing::Values {
            batch,
            rewrite,
            facts: None,
            obligations: Some(Arc::clone(&self.decision)),
        }];
        let now = self.visit.now();
        let release = self.gate.release(outgoing, now).await?;
        to_client.release(release).await.map_err(|_| End::Unread)
    }

    async fn text(
        &mut self,
        bytes: &[u8],
        next: Next,
        to_client: &mut ClientOutlet<Pipe>,
    ) -> Result<(), End> {
        let decision = Arc::clone(&self.decision);
        self.flow(bytes, next, &decision, to_client).await
    }

    async fn flow(
        &mut self,
        bytes: &[u8],
        next: Next,
        decision: &Arc<Decision>,
        to_client: &mut ClientOutlet<Pipe>,
    ) -> Result<(), End> {
        let now = self.visit.now();
        let lane = (Lane::Output, Reader::Program);
        let release = self
            .gate
            .release_piece(lane, bytes, next, Some(decision), now)
            .await?;
        to_client.release(release).await.map_err(|_| End::Unread)
    }

    /// A watch is told why it ends, in an event of its own.
    async fn last_event(&mut self, denial: &Denial, to_client: &mut ClientOutlet<Pipe>) {
        if !self.expected.events {
            return;
        }
        let session = self.gate.session().id;
        let refusal = self
            .gate
            .reject_session(denial, self.visit.now(), |denial, at| {
                let code = status::code_of(denial);
                let status = status::of(denial, code, Some(session), at);
                let event = format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", status.body);
                vec![event.into()]
            });
        if let Ok(refusal) = refusal {
            // It may be gone already; the denial is on record.
            let _told = to_client.refuse(refusal).await;
        }
    }
}

/// The same decision, with all its obligations but masks.
fn unmasked(decision: &Arc<Decision>) -> Arc<Decision> {
    if decision.obligations.entities.is_empty() {
        return Arc::clone(decision);
    }
    let mut obligations = decision.obligations.clone();
    obligations.entities.clear();
    let outcome = Outcome {
        obligations,
        ..Outcome::clone(&decision.outcome)
    };
    Arc::new(Decision {
        outcome: Arc::new(outcome),
        ..Decision::clone(decision)
    })
}

/// In the place of a warning of the cluster's that is masked.
const MASKED: &str = "299 - \"portcullis: the cluster warns of something with an object written out in it, which is masked\"";

/// The headers of an answer that clients need. Whatever looks at a write may warn of it: with the object in its words, it is
/// masked as an error is.
fn kept(headers: &HeaderMap, masks: bool) -> HeaderMap {
    let mut on = HeaderMap::new();
    let audit = HeaderName::from_static("audit-id");
    for name in GO_ON.iter().chain([&audit]) {
        for value in headers.get_all(name) {
            let shows = masks && *name == WARNING && dump::is_in(value.as_bytes());
            let value = match shows {
                true => HeaderValue::from_static(MASKED),
                false => value.clone(),
            };
            on.append(name.clone(), value);
        }
    }
    on
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_that_shows_an_object_is_masked_where_masks_apply() {
        let said = [
            r#"299 - "unknown field \"spec.a\" in it""#,
            r#"299 - "denied for {\"env\":[{\"name\":\"A\",\"value\":\"horse\"}]} here""#,
            r#"299 - "core.EnvVar{Name: \"A\", Value: \"horse\"} is there""#,
        ];
        let mut headers = HeaderMap::new();
        for value in said {
            headers.append(WARNING, HeaderValue::from_static(value));
        }
        let all = |masks| {
            let on = kept(&headers, masks);
            let all = on.get_all(WARNING).iter().cloned();
            all.collect::<Vec<_>>()
        };
        assert_eq!(all(true), [said[0], MASKED, MASKED]);
        assert_eq!(all(false), said);
    }
}
