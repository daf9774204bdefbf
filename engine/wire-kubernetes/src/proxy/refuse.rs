//! Refusals as HTTP answers. Each is recorded first; what has no session yet was recorded by the front desk, and the
//! one constant says that nothing can be recorded.

use super::joined;
use super::outlet::Outlet;
use crate::status::{self, Status};
use crate::turned::Turned;
use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Response, StatusCode};
use portcullis_gate::{Denied, Gate, Refusal, Sequence};
use portcullis_model::{Blame, Denial, Fault, Timestamp};
use serde_json::json;
use std::cell::RefCell;

/// The group of the list of APIs, as it is asked for.
const DISCOVERY: &str = "apidiscovery.k8s.io";

/// An answer to a client.
pub(super) type Answer = Response<Outlet>;

/// Why a request is not answered by the cluster.
pub(super) enum Refused {
    /// It is answered like this, on record.
    Answer(Answer),
    /// Something broke.
    Fault(Fault),
    /// The gateway has no credential for the cluster (any more): nothing was sent.
    Credential(Fault),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Records a denial that no judged message stands behind, and renders it.
pub(super) fn turned(gate: &mut Gate, turned: &Turned, now: Timestamp) -> Refused {
    denied_with(gate, &turned.denial(), turned.code, now)
}

/// The same with a code of its own.
pub(super) fn denied_with(gate: &mut Gate, denial: &Denial, code: u16, now: Timestamp) -> Refused {
    denied_as(gate, denial, code, now).0
}

/// The same, with what it looked like.
pub(super) fn denied_as(
    gate: &mut Gate,
    denial: &Denial,
    code: u16,
    now: Timestamp,
) -> (Refused, Option<Status>) {
    let session = gate.session().id;
    let shown = RefCell::new(None);
    let refusal = gate.reject_session(denial, now, |denial, at| {
        render(status::of(denial, code, Some(session), at), &shown)
    });
    let status = shown.into_inner();
    (recorded(refusal, status.clone()), status)
}

/// Records the denial of a judged request, and renders it.
pub(super) fn denied(gate: &mut Gate, denied: Denied, now: Timestamp) -> (Refused, Option<Status>) {
    let session = gate.session().id;
    let shown = RefCell::new(None);
    let refusal = gate.reject(denied, now, |denial, at| {
        let code = status::code_of(denial);
        render(status::of(denial, code, Some(session), at), &shown)
    });
    let status = shown.into_inner();
    (recorded(refusal, status.clone()), status)
}

/// Ends the stream of a request that the cluster does not answer, with the status that its client sees.
pub(super) fn closed(gate: Gate, refused: Refused, now: Timestamp) -> Refused {
    let (code, end) = match &refused {
        Refused::Answer(answer) => (answer.status().as_u16(), "refused".to_owned()),
        Refused::Fault(fault) => {
            let rule = format!("fault/{}", fault.blame.label());
            (status::code_of(&Denial::new(rule.as_str(), "")), rule)
        }
        Refused::Credential(_) => (status::code_of(&unavailable()), "no credential".to_owned()),
    };
    if let Err(fault) = gate.close(&json!({"status": code, "end": end}), now) {
        tracing::error!(
            fault = fault.chain(),
            "the end of a request is not on record"
        );
    }
    refused
}

fn render(status: Status, shown: &RefCell<Option<Status>>) -> Vec<Bytes> {
    let body = Bytes::from(status.body.clone());
    shown.replace(Some(status));
    vec![body]
}

fn recorded(refusal: Result<Refusal, Fault>, status: Option<Status>) -> Refused {
    match (refusal, status) {
        (Ok(refusal), Some(status)) => {
            let body = joined(refusal.into_frames());
            Refused::Answer(answer(status.code, status.retry_after, body))
        }
        (Ok(_), None) => Refused::Fault(Fault::bare(Blame::Gateway, "render a refusal")),
        (Err(fault), _) => Refused::Fault(fault),
    }
}

/// What the front desk said; it is on record there.
pub(super) fn at_the_desk(denial: &Denial) -> Answer {
    let status = status::of(denial, status::code_of(denial), None, Sequence(0));
    answer(status.code, status.retry_after, status.body.into())
}

/// The same to whoever sent these headers. What lists the APIs in the way of client-go, as kubectl does before anything else, reads
/// no `Status`: of a 403 it shows the body where that is text, and the word "unknown" where it is not.
pub(super) fn at_the_desk_to(headers: &HeaderMap, denial: &Denial) -> Answer {
    let mut said = at_the_desk(denial);
    let mut accepted = headers.get_all(ACCEPT).iter();
    let lists = accepted.any(|value| value.to_str().is_ok_and(|v| v.contains(DISCOVERY)));
    if lists && said.status() == StatusCode::FORBIDDEN {
        *said.body_mut() = Outlet::Whole(Some(status::words(denial).into()));
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        said.headers_mut().insert(CONTENT_TYPE, text);
    }
    said
}

/// A request that reached no desk.
pub(super) fn unheard(turned: &Turned) -> Answer {
    let status = status::of(&turned.denial(), turned.code, None, Sequence(0));
    answer(status.code, None, status.body.into())
}

/// A refusal that was recorded a moment ago, said again.
pub(super) fn again(status: &Status) -> Answer {
    answer(status.code, status.retry_after, status.body.clone().into())
}

/// What a client is told when the gateway cannot prove who it is, in the words of the front desk.
pub(super) fn without_credential() -> Answer {
    at_the_desk(&unavailable())
}

fn unavailable() -> Denial {
    let reason = "the gateway cannot get its credential for the cluster right now";
    Denial::new("credential/unavailable", reason)
        .hint("Try again in a minute, or tell the operator; the gateway's log says why.")
}

/// What a fault is answered with.
pub(super) fn broken(fault: &Fault) -> Answer {
    if fault.blame == Blame::Journal {
        return answer(
            503,
            None,
            Bytes::from_static(status::JOURNAL_DEAD.as_bytes()),
        );
    }
    let rule = format!("fault/{}", fault.blame.label());
    let reason = match fault.blame {
        Blame::Upstream => "the cluster could not be asked",
        _ => "the gateway could not serve the request",
    };
    let denial = Denial::new(rule, reason)
        .hint("Nothing more was done. Tell the operator of the gateway if it persists.");
    at_the_desk(&denial)
}

fn answer(code: u16, retry_after: Option<u32>, body: Bytes) -> Answer {
    let mut answer = Response::new(Outlet::Whole(Some(body)));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::FORBIDDEN);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if code == 401 {
        let bearer = HeaderValue::from_static("Bearer realm=\"portcullis\"");
        headers.insert(hyper::header::WWW_AUTHENTICATE, bearer);
    }
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lists_the_apis_reads_text_and_everybody_else_a_status() {
        let held = Denial::new("access/approval", "ap-1 has to be approved").hint("Come again.");
        let nobody = Denial::new("identity/expired", "the token has expired");
        let asking = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        let plain = "text/plain; charset=utf-8";
        for (accept, denial, code, kind) in [
            (asking, &held, 403, plain),
            ("application/json", &held, 403, "application/json"),
            (asking, &nobody, 401, "application/json"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            let said = at_the_desk_to(&headers, denial);
            let (status, of) = (said.status().as_u16(), &said.headers()[CONTENT_TYPE]);
            assert_eq!((status, of.to_str().unwrap()), (code, kind), "{accept}");
            let Outlet::Whole(Some(body)) = said.body() else {
                panic!("a body");
            };
            let text = String::from_utf8_lossy(body);
            assert!(text.contains(&denial.reason), "{text}");
            assert_eq!(text.starts_with('{'), kind != plain, "{text}");
        }
    }
}
