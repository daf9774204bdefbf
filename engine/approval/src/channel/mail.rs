//! E-mail by SMTP (RFC 5321): plain text to fixed addresses, over TLS. The gateway says little and expects less. It
//! refuses to log in or to send in the clear but to this machine, and an address or a line that could end a header: what
//! a requester writes reaches the body alone, encoded.

mod talk;
#[cfg(test)]
mod tests;

use super::{Channel, Phrase, link, named};
use crate::news::News;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_fetch::Fetcher;
use portcullis_gate::{BoxFuture, Clock};
use portcullis_model::{Blame, Fault, Timestamp};
use std::sync::Arc;

/// Base64 of a body is broken into lines of this length (RFC 2045).
const LINE: usize = 76;
/// So many bytes fit into an encoded word of 75 characters (RFC 2047 section 2).
const WORD: usize = 45;

/// How the way to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte (port 465).
    Implicit,
    /// From STARTTLS on, which is insisted on (port 587).
    Starttls,
    /// Not at all: to this machine alone.
    None,
}

/// The server.
pub struct MailServer {
    /// Host name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Protection.
    pub tls: MailTls,
    /// Who logs in, and with what.
    pub login: Option<(String, Arc<dyn Phrase>)>,
    /// Reaches it.
    pub fetcher: Fetcher,
}

/// Messages by e-mail.
pub struct Mail {
    /// Its name.
    pub name: String,
    /// Where from.
    pub server: MailServer,
    /// The sender's address.
    pub from: String,
    /// Whose mail it goes to.
    pub to: Vec<String>,
    /// What they are told of; everything when empty.
    pub events: Vec<String>,
    /// Where people look.
    pub portal: Option<String>,
    /// The time of day.
    pub clock: Clock,
}

impl Mail {
    /// True for an address that can stand in an envelope and a header without ending it.
    #[must_use]
    pub fn is_address(text: &str) -> bool {
        let part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b))
        };
        text.len() <= 254
            && text
                .split_once('@')
                .is_some_and(|(local, domain)| part(local) && part(domain))
    }
}

impl Channel for Mail {
    fn name(&self) -> &str {
        &self.name
    }

    fn wants(&self, news: &News) -> bool {
        named(&self.events, &news.event)
    }

    fn deliver<'a>(&'a self, id: &'a str, news: &'a News) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let text = self.message(id, news, (self.clock)())?;
            let mut talk = self.server.greet().await?;
            let from = format!("MAIL FROM:<{}>", self.from);
            talk.say("name the sender to the mail server", &from, 250)
                .await?;
            // One address that is not taken in keeps the message from no other.
            let mut taken = 0;
            for to in &self.to {
                match talk.ask(&format!("RCPT TO:<{to}>")).await? {
                    250 | 251 => taken += 1,
                    code => {
                        tracing::warn!(channel = self.name, to, code, "an address was not taken in")
                    }
                }
            }
            if taken == 0 {
                return Err(Fault::bare(
                    Blame::Gateway,
                    "send e-mail: no address was taken in",
                ));
            }
            talk.say("send e-mail", "DATA", 354).await?;
            talk.say("send e-mail", &text, 250).await?;
            talk.leave().await;
            Ok(())
        })
    }
}

impl Mail {
    /// The message with its end. Every header is of our own words and checked addresses; the rest is base64.
    fn message(&self, id: &str, news: &News, now: Timestamp) -> Result<String, Fault> {
        let all = std::iter::once(&self.from).chain(&self.to);
        if !all.clone().all(|a| Self::is_address(a)) {
            return Err(Fault::bare(
                Blame::Gateway,
                "write an e-mail: an address is none",
            ));
        }
        let urgent = if news.urgent { "[URGENT] " } else { "" };
        let subject = format!("{urgent}Portcullis: {} {}", news.event, news.id);
        let body = format!(
            "{}\r\n\r\n{}\r\n\r\nA vote is yours alone: log in to cast it. Answers to this mail are not read.\r\n",
            news.line,
            link(self.portal.as_deref(), &news.id)
        );
        let coded = STANDARD.encode(body);
        let lines: Vec<&str> = coded
            .as_bytes()
            .chunks(LINE)
            .filter_map(|line| std::str::from_utf8(line).ok())
            .collect();
        let domain = self
            .from
            .split_once('@')
            .map_or("localhost", |(_, domain)| domain);
        Ok(format!(
            "From: <{}>\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{id}@{domain}>\r\n\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n.",
            self.from,
            self.to
                .iter()
                .map(|a| format!("<{a}>"))
                .collect::<Vec<_>>()
                // A header of many addresses is folded: a line has 998 characters at most (RFC 5322 section 2.1.1).
                .join(",\r\n "),
            encoded(&subject),
            date(now),
            lines.join("\r\n"),
        ))
    }
}

/// A header of encoded words (RFC 2047), each short enough to be taken for one, and none with half a character.
fn encoded(text: &str) -> String {
    let mut words = vec![String::new()];
    for character in text.chars() {
        match words.last_mut() {
            Some(word) if word.len() + character.len_utf8() <= WORD => word.push(character),
            _ => words.push(character.to_string()),
        }
    }
    let coded = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
    coded.collect::<Vec<_>>().join("\r\n ")
}

/// RFC 5322 section 3.3, in UTC.
fn date(now: Timestamp) -> String {
    // 2026-11-27T19:30:00…Z
    let text = now.rfc3339();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = part(5, 7).parse::<usize>().unwrap_or(1).saturating_sub(1);
    let month = months.get(month).copied().unwrap_or("Jan");
    format!(
        "{} {month} {} {} +0000",
        part(8, 10),
        part(0, 4),
        part(11, 19)
    )
}
