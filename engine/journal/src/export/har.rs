//! Requests to a Kubernetes API as an HTTP Archive (HAR 1.2): one entry for each request, with what was released of its
//! answer. The method and path are told as the record has them; headers are not recorded, so there are none.
//!
//! Refuses to leave a refused request out, not even one that could not be read: it stands with the status that its client
//! was told and the rule in `comment`. Answers are bounded; what does not fit is counted.

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
            if let Some(exchange) = opened(&entry) {
                done.extend(open.insert(stream, exchange));
            }
        } else if is(&entry, EntryKind::Request) || is(&entry, EntryKind::Refusal) {
            let Some(asked) = asked(&entry) else {
                continue;
            };
            match open.get_mut(&stream).filter(|open| open.goes_with(&asked)) {
                Some(exchange) => exchange.learn(asked),
                // A session that is ended is no request.
                None if asked.text.is_empty() && entry.withheld.is_none() => {}
                None => match open.get(&stream) {
                    // A port of a forward that is open: it is judged by itself, and the stream goes on.
                    Some(around) => done.push(asked.on(around)),
                    None => done.extend(open.insert(stream, asked)),
                },
            }
        } else if is(&entry, EntryKind::Release) || is(&entry, EntryKind::Diagnostic) {
            if let Some(exchange) = open.get_mut(&stream) {
                exchange.take(&entry);
            }
        } else if is(&entry, EntryKind::Closed)
            && let Some(mut exchange) = open.remove(&stream)
        {
            exchange.close(&entry);
            done.push(exchange);
        }
    }
    done.extend(open.into_values().map(Exchange::unanswered));
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

/// A request as its stream was opened: what was asked for is read, or refused, later.
fn opened(entry: &ReadEntry) -> Option<Exchange> {
    let json = json(entry);
    let [method, path] = ["/stream/method", "/stream/path"].map(|at| string(&json, at).to_owned());
    (!method.is_empty()).then(|| Exchange {
        line: Some((method, path)),
        ..Exchange::at(entry)
    })
}

/// A request that was read, or that was refused.
fn asked(entry: &ReadEntry) -> Option<Exchange> {
    let json = json(entry);
    let text = json.get("request").and_then(Value::as_str);
    let refused = is(entry, EntryKind::Refusal);
    if text.is_none() && entry.withheld.is_none() && !refused {
        return None;
    }
    let text = text.unwrap_or_default().to_owned();
    let comment = match (refused, entry.withheld) {
        (_, Some(_)) => "cannot be read here".to_owned(),
        (true, None) => format!(
            "refused by {}: {}",
            string(&json, "/denial/rule"),
            string(&json, "/denial/reason")
        ),
        (false, None) => String::new(),
    };
    // Where the stream's end says otherwise, that holds.
    let status = match (refused, json.pointer("/denial/retry_after")) {
        (false, _) => 0,
        (true, Some(Value::Number(_))) => 429,
        (true, _) => 403,
    };
    Some(Exchange {
        request: serde_json::from_str(&text).unwrap_or_default(),
        text,
        status,
        comment,
        ..Exchange::at(entry)
    })
}

/// A path with what no URI may have in it escaped; what is escaped already stays as it is.
fn within_a_url(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/?-._~:@!$&'()*+,;=".contains(&byte);
    let mut url = String::with_capacity(path.len());
    for (at, byte) in path.bytes().enumerate() {
        let two = path.as_bytes().get(at + 1..at + 3).unwrap_or_default();
        let escape = byte == b'%' && two.len() == 2 && two.iter().all(u8::is_ascii_hexdigit);
        match escape || plain(byte) {
            true => url.push(char::from(byte)),
            false => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

impl Exchange {
    fn at(entry: &ReadEntry) -> Self {
        Self {
            at: entry.at,
            last: entry.at,
            line: None,
            request: Value::Null,
            text: String::new(),
            status: 0,
            comment: String::new(),
            body: Vec::new(),
            size: 0,
        }
    }

    /// True when it is the same request, of which more is known now: it was opened, then read, then refused.
    fn goes_with(&self, asked: &Self) -> bool {
        let refused = asked.status != 0;
        self.text.is_empty() || refused && (asked.text.is_empty() || asked.text == self.text)
    }

    /// Asked on a stream that is open already.
    fn on(self, around: &Self) -> Self {
        let comment = match self.comment.is_empty() {
            true => "asked on a stream that was open".to_owned(),
            false => self.comment,
        };
        Self {
            line: around.line.clone(),
            comment,
            ..self
        }
    }

    fn learn(&mut self, asked: Self) {
        self.last = asked.last;
        if self.text.is_empty() {
            self.text = asked.text;
            self.request = asked.request;
        }
        if asked.status != 0 {
            self.status = asked.status;
        }
        if !asked.comment.is_empty() {
            self.comment = asked.comment;
        }
    }

    /// The record ends before it does.
    fn unanswered(mut self) -> Self {
        if self.comment.is_empty() {
            self.comment = "its end is not on record".to_owned();
        }
        self
    }

    fn close(&mut self, entry: &ReadEntry) {
        let how = json(entry);
        self.status = how["status"].as_u64().unwrap_or(self.status);
        self.last = entry.at;
        let end = string(&how, "/end");
        if self.comment.is_empty() && end != "whole" {
            self.comment = end.to_owned();
        }
    }

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
            "method": method, "url": format!("https://gateway{}", within_a_url(&path)),
            "httpVersion": "HTTP/1.1", "cookies": [], "headers": [], "queryString": self.query(),
            "headersSize": -1, "bodySize": -1,
        });
        if let Some(fields) = request.as_object_mut() {
            // The whole call, as policy saw it: more than a path tells.
            fields.insert("comment".to_owned(), Value::from(self.text.clone()));
            if let Some(object) = self.request.pointer("/body/object") {
                let posted = json!({"mimeType": "application/json", "text": object.to_string()});
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
            let word = word
                .as_str()
                .map_or_else(|| word.to_string(), str::to_owned);
            query.push(json!({"name": "command", "value": word}));
        }
        query
    }
}
