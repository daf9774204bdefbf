//! Slack: messages out by `chat.postMessage`; clicks and commands in, verified on the raw bytes before anything is read
//! of them. A message says where to look. A click is a vote only where the rule says `chat: approve`, and then the vote
//! of the person whose account is linked. It refuses what is forged, late or came before, says a thing twice, and other
//! workspaces.

use super::links::{Account, Links};
use super::sign::{Seen, may_have_come, of_now};
use super::{Channel, NotSigned, Phrase, link, named};
use crate::news::News;
use crate::request::Ballot;
use aws_lc_rs::hmac;
use hyper::Request;
use portcullis_fetch::{Bounds, Fetcher};
use portcullis_gate::BoxFuture;
use portcullis_model::{Blame, Chat, Fault, Identity, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(10),
    bytes: 64 * 1024,
};

/// Messages out.
pub struct Slack {
    /// Its name.
    pub name: String,
    /// `https://slack.com/api`.
    pub api: String,
    /// Where messages go: the id of a channel.
    pub channel: String,
    /// What it is told of; everything when empty.
    pub events: Vec<String>,
    /// The token of the app.
    pub token: Arc<dyn Phrase>,
    /// Reaches it.
    pub fetcher: Fetcher,
    /// Where people look.
    pub portal: Option<String>,
}

impl Channel for Slack {
    fn name(&self) -> &str {
        &self.name
    }

    fn wants(&self, news: &News) -> bool {
        named(&self.events, &news.event)
    }

    fn deliver<'a>(&'a self, _: &'a str, news: &'a News) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let fault = |what| Fault::bare(Blame::Gateway, what);
            let token = self.token.read().await?;
            let body = message(&self.channel, news, self.portal.as_deref());
            let bearer = zeroize::Zeroizing::new(format!("Bearer {}", *token));
            let request = Request::post(format!("{}/chat.postMessage", self.api))
                .header("content-type", "application/json; charset=utf-8")
                .header("authorization", bearer.as_str())
                .body(body.to_string().into_bytes())
                .map_err(|e| Fault::new(Blame::Gateway, "address Slack", e))?;
            let answer = self.fetcher.send_within(request, BOUNDS).await;
            let answer = answer.map_err(|e| Fault::new(Blame::Gateway, "send to Slack", e))?;
            // Slack says what went wrong in the body of a 200.
            let said: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
            match answer.status().is_success() && said["ok"] == true {
                true => Ok(()),
                false => Err(fault("send to Slack: it was not taken in")),
            }
        })
    }
}

/// Text in Slack's own escapes: nothing in it becomes a link, a mention or a format.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn message(channel: &str, news: &News, portal: Option<&str>) -> Value {
    let urgent = if news.urgent { "URGENT " } else { "" };
    let text = plain(&format!("{urgent}{}", news.line));
    let mut buttons = Vec::new();
    let link = link(portal, &news.id);
    if portal.is_some() {
        buttons.push(json!({
            "type": "button", "action_id": "look", "url": link,
            "text": {"type": "plain_text", "text": "Look at it"},
        }));
    }
    if news.event == "approval.opened" && news.chat == Chat::Approve {
        for (action, label) in [("approve", "Approve"), ("deny", "Deny")] {
            buttons.push(json!({
                "type": "button", "action_id": action, "value": news.id,
                "text": {"type": "plain_text", "text": label},
            }));
        }
    }
    let mut blocks = vec![
        json!({"type": "section", "text": {"type": "plain_text", "text": text, "emoji": false}}),
        json!({"type": "context", "elements": [{"type": "plain_text", "text": plain(&link)}]}),
    ];
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    json!({
        "channel": channel, "text": text, "blocks": blocks,
        "unfurl_links": false, "unfurl_media": false,
    })
}

/// What somebody in Slack says to the gateway.
#[derive(Debug)]
pub enum SlackWord {
    /// A vote, by the person whose account it is.
    Vote {
        /// The request.
        request: String,
        /// Yes or no.
        ballot: Ballot,
        /// Whose.
        person: Arc<Identity>,
        /// Their account.
        account: Account,
    },
    /// Something to be told, and nothing else.
    Tell(String),
}

/// Messages in.
pub struct SlackDesk {
    secret: Arc<dyn Phrase>,
    team: String,
    links: Arc<Links>,
    seen: Seen,
    /// What was sent before the start may have been taken in before it.
    started: Timestamp,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: User,
    team: Team,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    username: String,
}

#[derive(Deserialize)]
struct Team {
    id: String,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    value: String,
}

impl SlackDesk {
    /// Of one workspace, whose messages are signed with this secret.
    #[must_use]
    pub fn new(secret: Arc<dyn Phrase>, team: String, links: Arc<Links>) -> Self {
        Self {
            secret,
            team,
            started: links.now(),
            links,
            seen: Seen::default(),
        }
    }

    /// Reads a message. `time` and `signature` are its headers, `body` the raw bytes.
    ///
    /// # Errors
    /// The outer one when the secret cannot be had; the inner one when the message is not taken in.
    pub async fn read(
        &self,
        time: &str,
        signature: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Result<SlackWord, NotSigned>, Fault> {
        let secret = self.secret.read().await?;
        if let Err(why) = self.verify(&secret, time, signature, body, now) {
            return Ok(Err(why));
        }
        Ok(self.understand(body).ok_or(NotSigned::Nameless))
    }

    fn verify(
        &self,
        secret: &str,
        time: &str,
        signature: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), NotSigned> {
        let seconds: i64 = time.parse().map_err(|_| NotSigned::Late)?;
        of_now(seconds, now)?;
        if may_have_come(seconds, self.started) {
            return Err(NotSigned::Late);
        }
        let coded = signature.strip_prefix("v0=").ok_or(NotSigned::Forged)?;
        let claimed = hex::decode(coded).map_err(|_| NotSigned::Forged)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mut text = format!("v0:{seconds}:").into_bytes();
        text.extend_from_slice(body);
        hmac::verify(&key, &text, &claimed).map_err(|_| NotSigned::Forged)?;
        // By what it means: the case of its digits is not signed.
        self.seen.first(&hex::encode(&claimed), now)
    }

    /// A form: a click (`payload`), or a command.
    fn understand(&self, body: &[u8]) -> Option<SlackWord> {
        let fields = form(body)?;
        let field = |name: &str| fields.get(name).map(String::as_str);
        if let Some(payload) = field("payload") {
            let payload: Payload = serde_json::from_str(payload).ok()?;
            return self.clicked(&payload);
        }
        let account = Account {
            system: "slack".to_owned(),
            team: field("team_id")?.to_owned(),
            user: field("user_id")?.to_owned(),
            name: field("user_name").unwrap_or_default().to_owned(),
        };
        if account.team != self.team {
            return None;
        }
        Some(SlackWord::Tell(match field("text").map(str::trim) {
            Some("link") => match self.links.code(account) {
                Ok(code) => format!(
                    "To link this account to your login, run: portcullis approvals link {code}\nIt is good for ten minutes. Give it to nobody."
                ),
                Err(_) => "Too many accounts wait for that. Try again in ten minutes.".to_owned(),
            },
            _ => "Write `link` to link this account to your login.".to_owned(),
        }))
    }

    fn clicked(&self, payload: &Payload) -> Option<SlackWord> {
        if payload.kind != "block_actions" || payload.team.id != self.team {
            return None;
        }
        let [action] = payload.actions.as_slice() else {
            return None;
        };
        let ballot = match action.action_id.as_str() {
            "approve" => Ballot::Approve,
            "deny" => Ballot::Deny,
            _ => return Some(SlackWord::Tell(String::new())),
        };
        let account = Account {
            system: "slack".to_owned(),
            team: payload.team.id.clone(),
            user: payload.user.id.clone(),
            name: payload.user.username.clone(),
        };
        Some(match self.links.person(&account) {
            Some(person) => SlackWord::Vote {
                request: action.value.clone(),
                ballot,
                person,
                account,
            },
            None => SlackWord::Tell(
                "This account is not linked to a login, or was linked too long ago: write /portcullis link".to_owned(),
            ),
        })
    }
}

/// `application/x-www-form-urlencoded`. None where a name stands twice: two readers could take either.
fn form(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(body).ok()?;
    let count = pairs.len();
    let fields: BTreeMap<_, _> = pairs.into_iter().collect();
    (fields.len() == count).then_some(fields)
}

#[cfg(test)]
mod tests;
