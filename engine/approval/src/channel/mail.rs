//! E-mail by SMTP (RFC 5321): plain text to fixed addresses, over TLS. The gateway says little and expects less. It
//! refuses to log in or to send in the clear but to this machine, and an address or a line that could end a header: what
//! a requester writes reaches the body alone, encoded.

use super::{Channel, Phrase, link, named};
use crate::news::News;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_fetch::{Fetcher, Wire};
use portcullis_gate::{BoxFuture, Clock};
use portcullis_model::{Blame, Fault, Timestamp};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// Longer answers are no SMTP.
const ANSWER_BYTES_MAX: u64 = 8 * 1024;
/// Base64 of a body is broken into lines of this length (RFC 2045).
const LINE: usize = 76;

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
            talk.say(&format!("MAIL FROM:<{}>", self.from), 250).await?;
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
            talk.say("DATA", 354).await?;
            talk.say(&text, 250).await?;
            // It was taken in; how the goodbye goes does not matter.
            let _ = talk.say("QUIT", 221).await;
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
            "From: <{}>\r\nTo: {}\r\nSubject: =?utf-8?B?{}?=\r\nDate: {}\r\nMessage-ID: <{id}@{domain}>\r\n\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n.",
            self.from,
            self.to
                .iter()
                .map(|a| format!("<{a}>"))
                .collect::<Vec<_>>()
                .join(", "),
            STANDARD.encode(subject),
            date(now),
            lines.join("\r\n"),
        ))
    }
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

impl MailServer {
    async fn greet(&self) -> Result<Talk, Fault> {
        let failed = |e| Fault::new(Blame::Gateway, "reach the mail server", e);
        let plain = self.tls == MailTls::None;
        let mut wire = match self.tls {
            MailTls::Implicit => self.fetcher.secured(&self.host, self.port).await,
            _ => self.fetcher.open(&self.host, self.port, plain).await,
        }
        .map(Talk::new)
        .map_err(failed)?;
        wire.hear(220).await?;
        wire.say("EHLO portcullis", 250).await?;
        if self.tls == MailTls::Starttls {
            wire.say("STARTTLS", 220).await?;
            // What was said before the handshake could be anybody's: it is forgotten.
            let inner = wire.wire.into_inner();
            let secured = self.fetcher.upgrade(&self.host, inner).await;
            wire = Talk::new(secured.map_err(failed)?);
            wire.say("EHLO portcullis", 250).await?;
        }
        if let Some((user, password)) = &self.login {
            let password = password.read().await?;
            let words = zeroize::Zeroizing::new(format!("\0{user}\0{}", *password));
            let coded = zeroize::Zeroizing::new(STANDARD.encode(words.as_bytes()));
            let line = zeroize::Zeroizing::new(format!("AUTH PLAIN {}", *coded));
            wire.say(&line, 235).await?;
        }
        Ok(wire)
    }
}

struct Talk {
    wire: BufReader<Wire>,
}

impl Talk {
    fn new(wire: Wire) -> Self {
        Self {
            wire: BufReader::new(wire),
        }
    }

    async fn say(&mut self, line: &str, expected: u16) -> Result<(), Fault> {
        self.tell(line).await?;
        self.hear(expected).await
    }

    /// Says something and returns the code of the answer.
    async fn ask(&mut self, line: &str) -> Result<u16, Fault> {
        self.tell(line).await?;
        self.answer().await
    }

    async fn tell(&mut self, line: &str) -> Result<(), Fault> {
        let lost = |e| Fault::new(Blame::Gateway, "speak to the mail server", e);
        self.wire.write_all(line.as_bytes()).await.map_err(lost)?;
        self.wire.write_all(b"\r\n").await.map_err(lost)?;
        self.wire.flush().await.map_err(lost)
    }

    async fn hear(&mut self, expected: u16) -> Result<(), Fault> {
        match self.answer().await? == expected {
            true => Ok(()),
            false => Err(refuses()),
        }
    }

    /// The code of an answer, whose last line has a space behind it.
    async fn answer(&mut self) -> Result<u16, Fault> {
        let lost = |e| Fault::new(Blame::Gateway, "speak to the mail server", e);
        let mut left = ANSWER_BYTES_MAX;
        let mut first = None;
        loop {
            let mut line = Vec::new();
            let read = (&mut self.wire)
                .take(left)
                .read_until(b'\n', &mut line)
                .await;
            let read = read.map_err(lost)? as u64;
            left = left.saturating_sub(read);
            let code = line.get(..3).and_then(|c| std::str::from_utf8(c).ok());
            let code = code.and_then(|code| code.parse::<u16>().ok());
            let (Some(code), true) = (code, line.ends_with(b"\n")) else {
                return Err(refuses());
            };
            // Every line of an answer has the same code.
            if *first.get_or_insert(code) != code {
                return Err(refuses());
            }
            if line.get(3) != Some(&b'-') {
                return Ok(code);
            }
        }
    }
}

fn refuses() -> Fault {
    Fault::bare(Blame::Gateway, "speak to the mail server: it refuses")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(line: &str) -> News {
        News {
            event: "approval.opened".to_owned(),
            id: "ap-1".to_owned(),
            at: Timestamp(0),
            urgent: true,
            line: line.to_owned(),
            groups: Vec::new(),
            chat: portcullis_model::Chat::Notify,
            detail: serde_json::Value::Null,
        }
    }

    fn mail(to: &[&str]) -> Mail {
        Mail {
            name: "mail".to_owned(),
            server: MailServer {
                host: "localhost".to_owned(),
                port: 25,
                tls: MailTls::None,
                login: None,
                fetcher: Fetcher::new(None).unwrap(),
            },
            from: "gateway@example.org".to_owned(),
            to: to.iter().map(|a| (*a).to_owned()).collect(),
            events: Vec::new(),
            portal: None,
            clock: Arc::new(|| Timestamp(0)),
        }
    }

    #[test]
    fn nothing_that_somebody_writes_ends_a_header_or_the_message() {
        let evil = "x\r\n.\r\nRCPT TO:<eve@evil.example>\r\nBcc: eve@evil.example";
        let text = mail(&["sre@example.org"])
            .message("msg_1", &news(evil), Timestamp(0))
            .unwrap();
        assert!(!text.contains("evil"));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.lines().count(), 9, "{head}");
        let body = body.strip_suffix("\r\n.").unwrap().replace("\r\n", "");
        let body = String::from_utf8(STANDARD.decode(body).unwrap()).unwrap();
        assert!(body.starts_with(evil) && head.contains("Date: 01 Jan 1970 00:00:00 +0000"));
    }

    #[test]
    fn an_address_is_one_word_on_each_side() {
        for good in ["a@b.example", "ops+pager@example.org"] {
            assert!(Mail::is_address(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "a b@c",
            "a@b>\r\nX: y",
            "<a@b>",
            "a@b,c@d",
        ] {
            assert!(!Mail::is_address(bad), "{bad}");
            assert!(mail(&[bad]).message("m", &news("x"), Timestamp(0)).is_err());
        }
    }
}
