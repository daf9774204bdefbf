//! The talk with a mail server: greeting, TLS, login, one line and its answer at a time. It refuses a server that offers
//! no TLS where TLS is wanted, words that came before their turn (what was said before the handshake could be anybody's),
//! answers without end, and to hand out the password before it knows how to log in. Nothing that a server says goes into an
//! error but its code: it could say the password back.

use super::{MailServer, MailTls};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_fetch::{Fetcher, Wire};
use portcullis_model::{Blame, Fault};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use zeroize::Zeroizing;

/// Longer answers are no SMTP.
const ANSWER_BYTES_MAX: u64 = 8 * 1024;
/// How long the answer to a goodbye is waited for.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// Whoever has no full name of its own says an address (RFC 5321 section 4.1.1.1); servers refuse short names. This one says
/// nothing of where the gateway stands.
const EHLO: &str = "EHLO [127.0.0.1]";

/// The mechanisms that are spoken.
#[derive(Clone, Copy)]
enum Login {
    /// RFC 4616.
    Plain,
    /// What some servers offer alone: name and password, each asked for.
    Asked,
}

/// An answer.
pub(super) struct Answer {
    /// Its code.
    pub(super) code: u16,
    /// What stands behind the code in each line.
    lines: Vec<String>,
}

impl Answer {
    /// What stands behind a word that a server offers (RFC 5321 section 4.1.1.1), whose first line is its name.
    fn offers(&self, word: &str) -> Option<&str> {
        self.lines.iter().skip(1).find_map(|line| {
            // `AUTH=` is how it was written before there was a standard.
            let (keyword, rest) = line.split_once([' ', '=']).unwrap_or((line, ""));
            keyword.eq_ignore_ascii_case(word).then_some(rest)
        })
    }

    fn login(&self) -> Option<Login> {
        let mechanisms = self.offers("AUTH")?;
        let has = |name: &str| {
            let mut all = mechanisms.split([' ', '=']);
            all.any(|one| one.eq_ignore_ascii_case(name))
        };
        match (has("PLAIN"), has("LOGIN")) {
            (true, _) => Some(Login::Plain),
            (_, true) => Some(Login::Asked),
            _ => None,
        }
    }
}

impl MailServer {
    /// Reaches the server as it must be reached, and logs in.
    pub(super) async fn greet(&self) -> Result<Talk, Fault> {
        let failed = |e| Fault::new(Blame::Gateway, "reach the mail server", e);
        let plain = self.tls == MailTls::None;
        let mut talk = match self.tls {
            MailTls::Implicit => self.fetcher.secured(&self.host, self.port).await,
            _ => self.fetcher.open(&self.host, self.port, plain).await,
        }
        .map(Talk::new)
        .map_err(failed)?;
        let greeted = talk.answer().await?;
        expect("be greeted by the mail server", &greeted, 220)?;
        let mut offer = talk.introduce().await?;
        if self.tls == MailTls::Starttls {
            const DOING: &str = "secure the way to the mail server";
            if offer.offers("STARTTLS").is_none() {
                return Err(Fault::new(Blame::Gateway, DOING, "it offers no STARTTLS"));
            }
            talk.say(DOING, "STARTTLS", 220).await?;
            talk = talk.secured(&self.fetcher, &self.host).await?;
            offer = talk.introduce().await?;
        }
        self.log_in(&mut talk, &offer).await?;
        Ok(talk)
    }

    async fn log_in(&self, talk: &mut Talk, offer: &Answer) -> Result<(), Fault> {
        const DOING: &str = "log in to the mail server";
        let Some((user, password)) = &self.login else {
            return Ok(());
        };
        let how = offer.login().ok_or_else(|| {
            let says = "it offers neither AUTH PLAIN nor AUTH LOGIN";
            Fault::new(Blame::Gateway, DOING, says)
        })?;
        let password = password.read().await?;
        // It would end what stands before it, and make another login of it.
        if user.contains('\0') || password.contains('\0') {
            let says = "the user or the password has a NUL in it";
            return Err(Fault::new(Blame::Gateway, DOING, says));
        }
        match how {
            Login::Plain => {
                let words = joined(&["\0", user, "\0", &password]);
                let line = joined(&["AUTH PLAIN ", &coded(&words)]);
                talk.say(DOING, &line, 235).await
            }
            Login::Asked => {
                talk.say(DOING, "AUTH LOGIN", 334).await?;
                talk.say(DOING, &coded(user), 334).await?;
                talk.say(DOING, &coded(&password), 235).await
            }
        }
    }
}

/// In one piece that never grows, which would leave a copy behind, and is wiped.
fn joined(parts: &[&str]) -> Zeroizing<String> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut all = Zeroizing::new(String::with_capacity(length));
    parts.iter().for_each(|part| all.push_str(part));
    all
}

fn coded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(text))
}

fn expect(doing: &'static str, answer: &Answer, code: u16) -> Result<(), Fault> {
    match answer.code == code {
        true => Ok(()),
        false => {
            let says = format!("its answer was {}", answer.code);
            Err(Fault::new(Blame::Gateway, doing, says))
        }
    }
}

/// A talk that has begun.
pub(super) struct Talk {
    wire: BufReader<Wire>,
}

impl Talk {
    pub(super) fn new(wire: Wire) -> Self {
        Self {
            wire: BufReader::new(wire),
        }
    }

    async fn introduce(&mut self) -> Result<Answer, Fault> {
        self.tell(EHLO).await?;
        let answer = self.answer().await?;
        expect("introduce itself to the mail server", &answer, 250)?;
        Ok(answer)
    }

    /// The same talk, secured.
    async fn secured(self, fetcher: &Fetcher, host: &str) -> Result<Self, Fault> {
        self.in_turn()?;
        let secured = fetcher.upgrade(host, self.wire.into_inner()).await;
        let failed = |e| Fault::new(Blame::Gateway, "secure the way to the mail server", e);
        Ok(Self::new(secured.map_err(failed)?))
    }

    /// Says something that must be answered with that code.
    pub(super) async fn say(
        &mut self,
        doing: &'static str,
        line: &str,
        code: u16,
    ) -> Result<(), Fault> {
        self.tell(line).await?;
        expect(doing, &self.answer().await?, code)
    }

    /// Says something and returns the code of the answer.
    pub(super) async fn ask(&mut self, line: &str) -> Result<u16, Fault> {
        self.tell(line).await?;
        Ok(self.answer().await?.code)
    }

    /// The message was taken in; how the goodbye goes does not matter, and whoever waits for it for long sends it twice.
    pub(super) async fn leave(mut self) {
        let goodbye = self.say("leave the mail server", "QUIT", 221);
        let _ = tokio::time::timeout(GOODBYE_MAX, goodbye).await;
    }

    /// Nothing has been said that nobody asked for: answers would be taken for those of other questions.
    fn in_turn(&self) -> Result<(), Fault> {
        match self.wire.buffer().is_empty() {
            true => Ok(()),
            false => Err(no_smtp("it answers before it is asked")),
        }
    }

    async fn tell(&mut self, line: &str) -> Result<(), Fault> {
        self.in_turn()?;
        let lost = |e| Fault::new(Blame::Gateway, "speak to the mail server", e);
        let line = joined(&[line, "\r\n"]);
        self.wire.write_all(line.as_bytes()).await.map_err(lost)?;
        self.wire.flush().await.map_err(lost)
    }

    /// An answer, whose last line has no hyphen behind its code.
    pub(super) async fn answer(&mut self) -> Result<Answer, Fault> {
        let lost = |e| Fault::new(Blame::Gateway, "hear the mail server", e);
        let mut left = ANSWER_BYTES_MAX;
        let mut lines = Vec::new();
        let mut first = None;
        loop {
            let mut line = Vec::new();
            let read = (&mut self.wire)
                .take(left)
                .read_until(b'\n', &mut line)
                .await;
            let read = read.map_err(lost)? as u64;
            left = left.saturating_sub(read);
            let line = String::from_utf8_lossy(&line);
            let Some((code, more, text)) = line.strip_suffix('\n').and_then(parse) else {
                return Err(no_smtp(match (read, left) {
                    (0, 1..) => "it hung up",
                    (_, 0) => "its answer has no end",
                    _ => "its answer is no SMTP",
                }));
            };
            // Every line of an answer has the same code.
            if *first.get_or_insert(code) != code {
                return Err(no_smtp("its answer has two codes"));
            }
            lines.push(text.to_owned());
            if !more {
                return Ok(Answer { code, lines });
            }
        }
    }
}

/// A line of an answer: its code, whether there are more, and the rest.
fn parse(line: &str) -> Option<(u16, bool, &str)> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (code, rest) = line.split_at_checked(3)?;
    if !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let code = code.parse().ok()?;
    match rest.chars().next() {
        None => Some((code, false, "")),
        Some(' ') => Some((code, false, rest.get(1..)?)),
        Some('-') => Some((code, true, rest.get(1..)?)),
        Some(_) => None,
    }
}

fn no_smtp(says: &'static str) -> Fault {
    Fault::new(Blame::Gateway, "speak to the mail server", says)
}
