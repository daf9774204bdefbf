//! The request line and the headers of one HTTP request, read into a [`Call`]. What is judged is what the API
//! server will do: the rules are those of its own `RequestInfo` resolver (k8s.io/apiserver
//! pkg/endpoints/request/requestinfo.go) and of its parameter codec.
//!
//! It refuses every request that the server, a proxy in front of it, or an aggregated API behind it could read in
//! another way: encoded slashes and dots, empty segments, repeated parameters, methods in headers, smuggled
//! upgrades. Nothing is repaired.

mod accept;
mod headers;
mod path;
mod query;
mod target;
#[cfg(test)]
mod tests;
mod verb;

pub use headers::{Kept, Upgrade};
pub(crate) use path::is_built_in;
pub(crate) use query::{encoded, parameter, rewritten};

use crate::turned::Turned;
use hyper::{HeaderMap, Method};
use portcullis_model::{Call, CallBody};

/// One request, understood; its body is still to be read.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What it asks for. The body is [`CallBody::None`] until somebody reads it.
    pub call: Call,
    /// The request target for the server, exactly as it came.
    pub target: String,
    /// The headers that go on, and what the others said.
    pub kept: Kept,
    /// What it opens.
    pub opens: Opens,
    /// `dryRun=All` stands in the query. Whether it counts depends on the body.
    pub dry_run_asked: bool,
}

/// What kind of answer follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    /// One answer.
    Answer,
    /// A stream of events.
    Watch,
    /// The lines of a log; they may go on for ever.
    Log,
    /// Whatever a server behind the API server answers.
    Proxied,
    /// Streams in both directions, after an upgrade.
    Streams,
}

impl Asked {
    /// Takes the body in, which decides whether a dry run is one.
    pub fn with_body(&mut self, body: CallBody) {
        let deletes = matches!(self.call.verb.as_str(), "delete" | "deletecollection");
        let writes = matches!(self.call.verb.as_str(), "create" | "update" | "patch") || deletes;
        // With a body the API server reads the options of a deletion from there and not from the query
        // (k8s.io/apiserver pkg/endpoints/handlers/delete.go).
        let read_there = deletes && !matches!(body, CallBody::None);
        self.call.dry_run =
            self.dry_run_asked && writes && !read_there && path::is_built_in(&self.call.group);
        self.call.body = body;
    }
}

/// Reads a request without its body. `target` is the request target behind the gateway's own prefix.
///
/// # Errors
/// When it has more than one reading, or asks for what never goes through the gateway.
pub fn read(method: &Method, target: &str, headers: &HeaderMap) -> Result<Asked, Turned> {
    let kept = headers::read(headers)?;
    let read = target::read(target)?;
    let place = path::read(&read)?;
    let query = &read.query;
    let verb = verb::of(method, &place, query)?;
    let streams = matches!(verb, "exec" | "attach" | "portforward");
    if kept.upgrade.is_some() && !streams {
        return Err(Turned::forbidden(
            "kubernetes/upgrade",
            "a change of protocol was asked for where no stream is served",
            "Send the request without Upgrade; only exec, attach and port-forward open streams.",
        )
        .code(400));
    }
    if streams && kept.upgrade.is_none() {
        return Err(Turned::malformed(
            "kubernetes/upgrade",
            "exec, attach and port-forward need an upgrade to WebSocket or SPDY",
        ));
    }
    if kept.upgrade.is_some() && kept.has_body {
        return Err(Turned::malformed(
            "kubernetes/upgrade",
            "a request that changes the protocol has no body",
        ));
    }
    let opens = match (verb, place.subresource.as_deref()) {
        _ if streams => Opens::Streams,
        ("proxy", _) => Opens::Proxied,
        ("watch", _) => Opens::Watch,
        ("get", Some("log")) if place.resource.as_deref() == Some("pods") => Opens::Log,
        _ => Opens::Answer,
    };
    let call = Call {
        verb: verb.to_owned(),
        path: place.path,
        group: place.group,
        version: place.version,
        resource: place.resource,
        subresource: place.subresource,
        namespace: place.namespace,
        name: place.name,
        label_selector: query.text("labelSelector"),
        field_selector: query.text("fieldSelector"),
        dry_run: false,
        content_type: kept.content_type.clone(),
        command: match verb {
            "exec" => query.all("command"),
            _ => Vec::new(),
        },
        container: query.text("container"),
        stdin: streams && query.flag("stdin")?,
        tty: streams && query.flag("tty")?,
        ports: match verb {
            "portforward" => query.ports()?,
            _ => Vec::new(),
        },
        body: CallBody::None,
    };
    let dry_run_asked = query.dry_run()?;
    Ok(Asked {
        call,
        target: target.to_owned(),
        kept,
        opens,
        dry_run_asked,
    })
}
