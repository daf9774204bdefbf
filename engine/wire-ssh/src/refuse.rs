//! Refusals as a person or a script reads them: on standard error, with the rule, what to do next and where it stands in
//! the record, and an exit status that no shell gives to a command that ran. Pure,
//! but for what is said only once the gate has it on record.

use bytes::Bytes;
use portcullis_gate::{Denied, Gate, Invitation, Refusal, Sequence};
use portcullis_model::{Denial, Fault, SessionId, Timestamp, escape_line, json_line};

/// POSIX: a command that was found and could not be run.
pub(crate) const REFUSED: u32 = 126;
/// sysexits(3) `EX_USAGE`: no target was named.
pub(crate) const NO_TARGET: u32 = 64;
/// What is said when nothing can be recorded any more.
pub(crate) const JOURNAL_DEAD: &[u8] =
    b"portcullis: the session's record cannot be written, or this identity has used its share of the hour, so nothing goes on\r\n";

/// The text. Lines end as terminals and files both take them.
pub(crate) fn text(denial: &Denial, session: Option<SessionId>, at: Option<Sequence>) -> Bytes {
    let mut text = format!(
        "portcullis: refused: {} ({})\r\n",
        escape_line(&denial.reason),
        escape_line(&denial.rule)
    );
    if let Some(hint) = &denial.hint {
        text.push_str(&format!("portcullis: hint: {}\r\n", escape_line(hint)));
    }
    // What a program needs to come back: it reads this line, and people skip it.
    if denial.approval.is_some() || denial.retry_after.is_some() {
        let detail = serde_json::json!({
            "rule": denial.rule, "approval": denial.approval, "retry_after": denial.retry_after,
        });
        text.push_str(&format!("portcullis: detail: {}\r\n", json_line(&detail)));
    }
    if let Some(session) = session {
        let at = at.map_or_else(String::new, |at| format!(" {}", at.0));
        text.push_str(&format!("portcullis: session {session}{at}\r\n"));
    }
    Bytes::from(text)
}

/// What was judged and denied, on record; what it says of itself goes to the client.
pub(crate) fn denied(gate: &mut Gate, denied: Denied, now: Timestamp) -> Result<Refusal, Fault> {
    let session = Some(gate.session().id);
    gate.reject(denied, now, |denial, at| {
        vec![text(denial, session, Some(at))]
    })
}

/// The same of a denial that no rule of a policy gave.
pub(crate) fn by_itself(
    gate: &mut Gate,
    denial: &Denial,
    now: Timestamp,
) -> Result<Refusal, Fault> {
    let session = Some(gate.session().id);
    gate.reject_session(denial, now, |denial, at| {
        vec![text(denial, session, Some(at))]
    })
}

/// A remark.
pub(crate) fn remark(text: &str) -> Bytes {
    Bytes::from(format!("portcullis: {}\r\n", escape_line(text)))
}

/// Where to sign in, for whoever has a browser on any device. Every client shows it before it asks.
pub(crate) fn invitation(to: &Invitation) -> String {
    let address = to.complete.as_ref().unwrap_or(&to.address);
    format!(
        "portcullis: to sign in, open {}\r\nportcullis: and check that it shows the code {}; it is good for {} minutes, and this \
         login goes on by itself\r\n",
        escape_line(address),
        escape_line(&to.code),
        to.within.as_secs().div_ceil(60),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_what_it_needs_to_come_back() {
        let mut denial = Denial::new("a/held", "approval ap-1 is needed from 1 of sre");
        assert!(!String::from_utf8_lossy(&text(&denial, None, None)).contains("detail"));
        denial.approval = Some("ap-1".to_owned());
        denial.retry_after = Some(10);
        let said = text(&denial, None, None);
        let said = String::from_utf8_lossy(&said);
        let line = said
            .lines()
            .find_map(|l| l.strip_prefix("portcullis: detail: "));
        let detail: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
        assert_eq!(detail["approval"], "ap-1");
        assert_eq!(detail["retry_after"], 10);
        assert_eq!(detail["rule"], "a/held");
    }

    #[test]
    fn an_invitation_has_address_and_code_and_cannot_act_on_a_terminal() {
        let mut to = Invitation {
            address: "https://id.example/device".to_owned(),
            code: "BCDF-GHJK".to_owned(),
            complete: None,
            within: std::time::Duration::from_secs(290),
        };
        let text = invitation(&to);
        assert!(
            text.contains("open https://id.example/device\r\n"),
            "{text}"
        );
        assert!(
            text.contains("code BCDF-GHJK; it is good for 5 minutes"),
            "{text}"
        );
        to.complete = Some("https://id.example/device?x=\x1b[2J".to_owned());
        let text = invitation(&to);
        assert!(
            text.contains("device?x=") && !text.contains('\x1b'),
            "{text}"
        );
    }

    #[test]
    fn a_refusal_says_what_why_which_rule_and_what_next_and_cannot_act_on_a_terminal() {
        let denial = Denial::new("commands/permissions", "no\x1b[2J").hint("chmod g+rwX");
        let text = text(&denial, Some(SessionId(1)), Some(Sequence(7)));
        let text = std::str::from_utf8(&text).unwrap();
        assert!(text.starts_with("portcullis: refused: no"));
        assert!(text.contains("(commands/permissions)") && text.contains("hint: chmod g+rwX"));
        assert!(text.contains(" 7\r\n") && !text.contains('\x1b'));
        assert_eq!(text.lines().count(), 3);
    }
}
