//! What the approval desk has noted, as rows for an auditor: requests with what was asked, why and for how long, votes with
//! their channel, broken glass with its review. It refuses to name one person for another: a review was closed by whoever
//! its `closed` says, and by nobody where it is open.

use super::collect::{list, principal, string};
use super::table::Table;
use portcullis_model::Timestamp;
use serde_json::Value;

/// A request to people under way.
#[derive(Default)]
pub(super) struct Approval {
    pub(super) leaves: Vec<u64>,
    opened: Option<Timestamp>,
    requester: String,
    through: String,
    target: String,
    session: String,
    rules: String,
    kind: &'static str,
    text: String,
    /// The SHA-256 of what people were shown, where the desk keeps no more of it.
    shown: String,
    why: String,
    lasts: String,
    ticket: String,
    votes: Vec<String>,
    state: String,
    grant: String,
    /// Something of it happened within the time.
    pub(super) within: bool,
}

impl Approval {
    /// What its session has of it: the text of a statement stands there alone.
    pub(super) fn held(&mut self, json: &Value, leaf: u64) {
        string(json, "/request").clone_into(&mut self.text);
        if !string(json, "/ticket").is_empty() {
            string(json, "/ticket").clone_into(&mut self.ticket);
        }
        self.leaves.push(leaf);
    }

    /// One of `approval/opened`, `approval/vote` and `approval/state`.
    pub(super) fn see(&mut self, at: Timestamp, event: &str, detail: &Value) {
        match event {
            "approval/opened" => self.opened(at, detail),
            "approval/vote" => self.votes.push(vote(at, detail)),
            _ => {
                let grant = match string(detail, "/grant") {
                    "" => String::new(),
                    id => format!(", as grant {id}{}", self.grant),
                };
                self.state = format!("{} at {}{grant}", string(detail, "/to"), at.rfc3339());
            }
        }
    }

    fn opened(&mut self, at: Timestamp, detail: &Value) {
        let text = |at: &str| string(detail, at).to_owned();
        self.opened = Some(at);
        self.requester = principal(&detail["identity"]);
        self.through = list(&detail["actors"], principal);
        self.target = text("/target");
        self.session = text("/session");
        self.rules = list(&detail["requirements"], |wanted| {
            string(wanted, "/rule").to_owned()
        });
        self.why = text("/reason");
        self.lasts = seconds(&detail["lasts_seconds"]);
        if !string(detail, "/ticket").is_empty() {
            self.ticket = text("/ticket");
        }
        self.kind = match detail["access"].as_bool() {
            Some(true) => {
                self.text = text("/shown");
                "access"
            }
            // Records of earlier versions show a statement here too. It is its session's to keep, and to shred.
            _ => {
                self.shown = text("/shown_sha256");
                "command"
            }
        };
        "pending".clone_into(&mut self.state);
    }

    /// The grant that it has become, or has given more time, stands until then.
    pub(super) fn granted(&mut self, detail: &Value, leaf: u64) {
        self.grant = format!(" until {}", moment(&detail["until"]));
        self.leaves.push(leaf);
    }

    /// What was asked for. A statement that cannot be read, because its session's payloads are sealed or shredded, is not
    /// nothing: what the desk has of it stands in its place.
    fn asked_for(&self) -> String {
        match (self.kind, self.text.as_str(), self.shown.as_str()) {
            ("command", "", "") => "(withheld)".to_owned(),
            ("command", "", digest) => format!("(withheld; sha256 {digest})"),
            (_, text, _) => text.to_owned(),
        }
    }

    fn row(self, id: String) -> Vec<String> {
        let asked_for = self.asked_for();
        let leaves: Vec<String> = self.leaves.iter().map(u64::to_string).collect();
        vec![
            id,
            self.opened.map(Timestamp::rfc3339).unwrap_or_default(),
            self.requester,
            self.through,
            self.target,
            self.session,
            self.rules,
            self.kind.to_owned(),
            asked_for,
            self.why,
            self.ticket,
            self.lasts,
            self.votes.join("; "),
            self.state,
            leaves.join(" "),
        ]
    }
}

/// The table of those of which something happened within the time.
pub(super) fn approvals(found: impl Iterator<Item = (String, Approval)>) -> Table {
    let mut table = Table::new(
        "approvals",
        "Approvals",
        "Each request to people of which something happened within the time: what was asked, why and for how long, who voted \
         in which channel and whom they stood in for, why.",
        &[
            "id",
            "opened",
            "requester",
            "through",
            "target",
            "session",
            "rules",
            "kind",
            "asked_for",
            "why",
            "ticket",
            "lasts",
            "votes",
            "state",
            "leaves",
        ],
    );
    table.rows = found.map(|(id, approval)| approval.row(id)).collect();
    table
}

/// The empty table of broken glass.
pub(super) fn glass() -> Table {
    Table::new(
        "break_glass",
        "Broken glass",
        "Emergency access and its reviews: who broke the glass and why, until when it has to be reviewed, who closed the review \
         and what they found; and sessions that a break-glass rule admitted.",
        &[
            "at", "event", "who", "target", "reason", "rules", "due", "reviewer", "finding",
            "text", "leaf",
        ],
    )
}

/// A `glass/…` entry of the desk.
pub(super) fn broken(at: Timestamp, event: &str, detail: &Value, leaf: u64) -> [String; 11] {
    let text = |at: &str| string(detail, at).to_owned();
    let closed = &detail["closed"];
    let reviewer = match closed.is_object() {
        true => named(string(closed, "/name"), &closed["by"]),
        false => String::new(),
    };
    [
        at.rfc3339(),
        event.to_owned(),
        named(string(detail, "/name"), &detail["holder"]),
        text("/target"),
        text("/reason"),
        list(&detail["rules"], |rule| {
            rule.as_str().unwrap_or_default().to_owned()
        }),
        moment(&detail["due"]),
        reviewer,
        text("/closed/finding"),
        text("/closed/text"),
        leaf.to_string(),
    ]
}

fn vote(at: Timestamp, detail: &Value) -> String {
    let mut said = format!(
        "{} {} by {}",
        at.rfc3339(),
        string(detail, "/ballot"),
        named(string(detail, "/name"), &detail["voter"]),
    );
    // Who asked them to stand in: for the record, and no right.
    let absent = list(&detail["stands_in_for"], |name| {
        name.as_str().unwrap_or_default().to_owned()
    });
    if !absent.is_empty() {
        said.push_str(&format!(" for {absent}"));
    }
    // Votes of earlier versions do not say where they were cast.
    if let Some(channel) = detail["channel"].as_str() {
        said.push_str(&format!(" in {channel}"));
    }
    let reuse = seconds(&detail["reuse_seconds"]);
    if !reuse.is_empty() {
        said.push_str(&format!(", for the class for {reuse}"));
    }
    format!("{said}: {}", string(detail, "/reason"))
}

fn named(name: &str, who: &Value) -> String {
    format!("{name} ({})", principal(who))
}

fn seconds(json: &Value) -> String {
    json.as_u64().map_or_else(String::new, |n| format!("{n} s"))
}

/// Times within documents are nanoseconds.
fn moment(json: &Value) -> String {
    let at = json.as_i64().map(Timestamp);
    at.map(Timestamp::rfc3339).unwrap_or_default()
}
