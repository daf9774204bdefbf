//! Requests to a Kubernetes API as an HTTP Archive (HAR 1.2): one entry for each request, with what was released of its
//! answer. The method and path are told as the record has them; headers are not recorded, so there are none.
//!
//! Refuses to leave a refused request out: it stands with status 403 and the rule in `comment`. Answers are bounded; what
//! does not fit is counted.

use super::{is, json, string};
use crate::error::Error;
use crate::read::ReadEntry;
use portcullis_gate::EntryKind;
use portcullis_model::{Timestamp, limits};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;

/// A request, and what came back so far.
struct Exchange {
    at: Timestamp,
    last: Timestamp,
    /// Method and path, as the stream was opened.
    line: Option<(String, String)>,
    request: Value,
    text: String,
    status: u64,
    comment: String,
    body: Vec<u8>,
    size: u64,
}

/// Writes the entries of one session as an HTTP Archive.
///
/// # Errors
/// [`Error::WriteReplay`], and what reading the entries says.
pub fn export_har(
    entries: impl Iterator<Item = Result<ReadEntry, Error>>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut open: HashMap<u32, Exchange> = HashMap::new();
    let mut done: Vec<Exchange> = Vec::new();
    let mut lines: HashMap<u32, (String, String)> = HashMap::new();
    let mut comment = String::new();
    for entry in entries {
        let entry = entry?;
        let stream = entry.stream.0;
        if is(&entry, EntryKind::Admit) {
            let json = json(&entry);
            comment = format!(
                "{} of {} on {}",
                entry.session,
                string(&json, "/session/identity/name"),
                string(&json, "/session/target/name")
            );
        } else if is(&entry, EntryKind::Opened) {
            let json = json(&entry);
            let line = ["/stream/method", "/stream/path"].map(|at| string(&json, at).to_owned());
            let [method, path] = line;
            lines.insert(stream, (method, path));
        } else if is(&entry, EntryKind::Request) || is(&entry, EntryKind::Refusal) {
            let Some(mut exchange) = begun(&entry) else {
                continue;
            };
            exchange.line = lines
                .remove(&stream)
                .filter(|(method, _)| !method.is_empty());
            done.extend(open.insert(stream, exchange));
        } else if is(&entry, EntryKind::Release) || is(&entry, EntryKind::Diagnostic) {
            if let Some(exchange) = open.get_mut(&stream) {
                exchange.take(&entry);
            }
        } else if is(&entry, EntryKind::Closed)
            && let Some(mut exchange) = open.remove(&stream)
        {
            let how = json(&entry);
            exchange.status = how["status"].as_u64().unwrap_or(exchange.status);
            exchange.last = entry.at;
            if exchange.comment.is_empty() {
                exchange.comment = string(&how, "/end").to_owned();
            }
            done.push(exchange);
        }
    }
    done.extend(open.into_values());
    done.sort_by_key(|exchange| exchange.at);
    let archive = json!({"log": {
        "version": "1.2",
        "creator": {"name": "portcullis", "version": env!("CARGO_PKG_VERSION")},
        "comment": comment,
        "entries": done.iter().map(Exchange::shown).collect::<Vec<_>>(),
    }});
    serde_json::to_writer_pretty(&mut *out, &archive)
        .and_then(|()| out.write_all(b"\n").map_err(serde_json::Error::io))
        .map_err(|error| Error::WriteReplay(error.into()))
}

fn begun(entry: &ReadEntry) -> Option<Exchange> {
    let json = json(entry);
    let text = json.get("request").and_then(Value::as_str);
    let text = match (text, entry.withheld) {
        (Some(text), _) => text.to_owned(),
        (None, Some(_)) => String::new(),
        (None, None) => return None,
    };
    let refused = is(entry, EntryKind::Refusal);
    let comment = match (refused, entry.withheld) {
        (true, _) => format!(
            "refused by {}: {}",
            string(&json, "/denial/rule"),
            string(&json, "/denial/reason")
        ),
        (false, Some(_)) => "cannot be read here".to_owned(),
        (false, None) => String::new(),
    };
    Some(Exchange {
        at: entry.at,
        last: entry.at,
        line: None,
        request: serde_json::from_str(&text).unwrap_or_default(),
        text,
        status: if refused { 403 } else { 0 },
        comment,
        body: Vec::new(),
        size: 0,
    })
}

impl Exchange {
    fn take(&mut self, entry: &ReadEntry) {
        self.last = entry.at;
        self.size += entry.payload.len() as u64;
        let room = limits::EXPORTED_BODY_BYTES_MAX.saturating_sub(self.body.len());
        let taken = entry.payload.get(..room).unwrap_or(&entry.payload);
        self.body.extend_from_slice(taken);
    }

    fn shown(&self) -> Value {
        let took = self.last.since(self.at).as_secs_f64() * 1000.0;
        let text = String::from_utf8_lossy(&self.body);
        let (method, path) = match &self.line {
            Some((method, path)) => (method.as_str(), path.clone()),
            None => (self.method(), self.path()),
        };
        let mut request = json!({
            "method": method, "url": format!("https://gateway{path}"),
            "httpVersion": "HTTP/1.1", "cookies": [], "headers": [], "queryString": self.query(),
            "headersSize": -1, "bodySize": -1,
        });
        if let Some(fields) = request.as_object_mut() {
            // The whole call, as policy saw it: more than a path tells.
            fields.insert("comment".to_owned(), Value::from(self.text.clone()));
            if let Some(object) = self.request.pointer("/body/object") {
                let posted = json!({"mimeType": "application/json", "text": object.to_string(), "params": []});
                fields.insert("postData".to_owned(), posted);
            }
        }
        json!({
            "startedDateTime": self.at.rfc3339(), "time": took, "request": request,
            "response": {
                "status": self.status, "statusText": "", "httpVersion": "HTTP/1.1", "cookies": [], "headers": [],
                "content": {"size": self.size, "mimeType": "application/json", "text": text},
                "redirectURL": "", "headersSize": -1, "bodySize": self.size,
            },
            "cache": {}, "timings": {"send": 0, "wait": took, "receive": 0}, "comment": self.comment,
        })
    }

    fn method(&self) -> &'static str {
        match string(&self.request, "/verb") {
            "create" | "exec" | "attach" | "portforward" | "post" => "POST",
            "update" | "put" => "PUT",
            "patch" => "PATCH",
            "delete" | "deletecollection" => "DELETE",
            _ => "GET",
        }
    }

    fn path(&self) -> String {
        let part = |name: &str| string(&self.request, name).to_owned();
        if part("/resource").is_empty() {
            let path = part("/path");
            return if path.starts_with('/') {
                path
            } else {
                format!("/{path}")
            };
        }
        let root = match part("/group").as_str() {
            "" => format!("/api/{}", part("/version")),
            group => format!("/apis/{group}/{}", part("/version")),
        };
        let namespace = match part("/namespace").as_str() {
            "" => String::new(),
            name => format!("/namespaces/{name}"),
        };
        let mut path = format!("{root}{namespace}/{}", part("/resource"));
        for more in [part("/name"), part("/subresource")] {
            if !more.is_empty() {
                path.push('/');
                path.push_str(&more);
            }
        }
        path
    }

    fn query(&self) -> Vec<Value> {
        let mut query = Vec::new();
        for (name, at) in [
            ("labelSelector", "/label_selector"),
            ("fieldSelector", "/field_selector"),
            ("container", "/container"),
        ] {
            let value = string(&self.request, at);
            if !value.is_empty() {
                query.push(json!({"name": name, "value": value}));
            }
        }
        let words = self.request.get("command").and_then(Value::as_array);
        for word in words.into_iter().flatten() {
            query.push(json!({"name": "command", "value": word}));
        }
        query
    }
}
