//! Syslog over TLS (RFC 5424 messages in RFC 5425 framing). The protocol acknowledges nothing, so each batch has a
//! connection of its own, and is taken when the collector has closed it after us and has read everything.
//!
//! Refuses connections without TLS, and control characters in a message.

use super::http::explain;
use super::{Deliver, Event, Taken, Untaken, heard, user};
use portcullis_fetch::Fetcher;
use portcullis_gate::BoxFuture;
use portcullis_model::{escape_line, json_line};
use tokio::io::AsyncWriteExt as _;

/// Facility 13, log audit.
const FACILITY: u64 = 13;

/// A collector.
pub struct Syslog {
    /// Its name or address.
    pub host: String,
    /// 6514, as a rule.
    pub port: u16,
    /// Connects.
    pub fetcher: Fetcher,
    /// The node's name, as HOSTNAME.
    pub node: String,
}

impl Deliver for Syslog {
    fn deliver<'a>(&'a self, batch: &'a [Event]) -> BoxFuture<'a, Result<Taken, Untaken>> {
        Box::pin(async move {
            let said = |error: std::io::Error| heard::broke_off(&error);
            let mut socket = self
                .fetcher
                .secured_socket(&self.host, self.port)
                .await
                .map_err(|error| explain(&error))?;
            let mut bytes = Vec::new();
            for event in batch {
                let message = message(event, &self.node);
                bytes.extend(format!("{} ", message.len()).into_bytes());
                bytes.extend(message.into_bytes());
            }
            socket.write_all(&bytes).await.map_err(said)?;
            socket.flush().await.map_err(said)?;
            socket.shutdown().await.map_err(said)?;
            heard::everything(socket).await?;
            Ok(Taken::default())
        })
    }
}

/// `<PRI>1 TIME HOST APP - MSGID [SD] MSG`.
fn message(event: &Event, node: &str) -> String {
    let ocsf = &event.ocsf;
    let severity = match ocsf["severity_id"].as_u64().unwrap_or(1) {
        2 => 5,
        3 => 4,
        4 => 3,
        5 | 6 => 2,
        _ => 6,
    };
    let text = |pointer: &str| {
        let found = ocsf.pointer(pointer).and_then(serde_json::Value::as_str);
        parameter(found.unwrap_or_default())
    };
    format!(
        "<{}>1 {} {} portcullis - ocsf{} [portcullis@32473 id=\"{}\" leaf=\"{}\" session=\"{}\" user=\"{}\"] {}",
        FACILITY * 8 + severity,
        event.at.rfc3339(),
        header(node, 255),
        ocsf["class_uid"],
        text("/metadata/uid"),
        event.leaf,
        text("/unmapped/session"),
        parameter(user(ocsf)),
        json_line(ocsf),
    )
}

/// A field of the header: printable ASCII without spaces.
fn header(text: &str, most: usize) -> String {
    let plain: String = text
        .chars()
        .filter(char::is_ascii_graphic)
        .take(most)
        .collect();
    if plain.is_empty() {
        "-".to_owned()
    } else {
        plain
    }
}

/// A parameter's value (RFC 5424 section 6.3.3).
fn parameter(text: &str) -> String {
    let mut out = String::new();
    for c in escape_line(text).chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::Timestamp;
    use serde_json::json;

    #[test]
    fn a_message_is_of_rfc_5424_whatever_is_in_it() {
        let event = Event {
            at: Timestamp(1_790_000_000_000_000_000),
            leaf: 7,
            ocsf: json!({"class_uid": 3002, "severity_id": 3, "metadata": {"uid": "s-1-2"},
                "unmapped": {"session": "s-1"}, "actor": {"user": {"name": "a\"]b\\\n\u{1b}[2J"}}}),
        };
        let message = message(&event, "gw 1\n");
        assert!(message.starts_with(
            "<108>1 2026-09-21T14:13:20.000Z gw1 portcullis - ocsf3002 [portcullis@32473 id=\"s-1-2\" leaf=\"7\" "
        ), "{message}");
        assert!(message.contains("user=\"a\\\"\\]b\\\\"), "{message}");
        assert!(!message.contains(['\n', '\u{1b}']), "{message}");
        let (_, json) = message.split_once("\"] ").expect("an event");
        let read: serde_json::Value = serde_json::from_str(json).expect("JSON");
        assert_eq!(read, event.ocsf, "a program reads what was meant");
    }
}
