//! Refusals as the API's own `Status` (k8s.io/apimachinery pkg/apis/meta/v1 `Status`): every client prints its message
//! and ends as it does when the cluster itself says no. The rule, the hint and where it stands in the record are
//! causes, for machines.
//!
//! Refuses to quote the request: nothing in here comes from the client.

use portcullis_gate::Sequence;
use portcullis_model::{Denial, SessionId};
use serde_json::{Value, json};

/// The one refusal that has no entry: the record cannot be written.
pub const JOURNAL_DEAD: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"portcullis: the session record cannot be written, so nothing runs","reason":"ServiceUnavailable","code":503}"#;

/// The rule of whoever has to be let in by people first.
const AT_THE_DOOR: &str = "access/approval";

/// A refusal: its status code and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The code of the HTTP answer, the same as in the body.
    pub code: u16,
    /// JSON.
    pub body: String,
    /// Seconds until another try makes sense.
    pub retry_after: Option<u32>,
}

/// The code of a denial that no [`crate::turned::Turned`] stands behind.
#[must_use]
pub fn code_of(denial: &Denial) -> u16 {
    match denial.rule.as_str() {
        // At the door kubectl would come back for half a minute, and then say nothing of what it was told.
        AT_THE_DOOR => 403,
        // kubectl and client-go come back by themselves as long as Retry-After stands there.
        _ if denial.retry_after.is_some() => 429,
        "fault/upstream" => 502,
        "access/no-such-connection" => 404,
        rule if rule.starts_with("fault/") => 503,
        rule if rule.starts_with("identity/") => 401,
        _ => 403,
    }
}

/// Renders it.
#[must_use]
pub fn of(denial: &Denial, code: u16, session: Option<SessionId>, at: Sequence) -> Status {
    let mut causes = vec![cause("portcullis/rule", &denial.rule)];
    if let Some(hint) = &denial.hint {
        causes.push(cause("portcullis/hint", hint));
    }
    if let Some(approval) = &denial.approval {
        causes.push(cause("portcullis/approval", approval));
    }
    if let Some(session) = session {
        causes.push(cause("portcullis/session", &session.to_string()));
        causes.push(cause("portcullis/sequence", &at.0.to_string()));
    }
    let mut details = json!({ "causes": causes });
    if let (Some(seconds), Some(members)) = (denial.retry_after, details.as_object_mut()) {
        members.insert("retryAfterSeconds".to_owned(), seconds.into());
    }
    let message = words(denial);
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason(code),
        "details": details,
        "code": code,
    });
    Status {
        code,
        body: body.to_string(),
        retry_after: denial.retry_after,
    }
}

/// A denial in one line.
#[must_use]
pub fn words(denial: &Denial) -> String {
    let mut message = format!("portcullis: {} ({})", denial.reason, denial.rule);
    if let Some(hint) = &denial.hint {
        message.push_str(". ");
        message.push_str(hint);
    }
    if let Some(approval) = &denial.approval {
        message.push_str(&format!(" Approval: {approval}"));
    }
    message
}

fn cause(reason: &str, message: &str) -> Value {
    json!({"reason": reason, "message": message})
}

/// `StatusReason` of a code.
fn reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        406 => "NotAcceptable",
        408 | 504 => "Timeout",
        409 => "Conflict",
        // Clients read a list from its beginning again.
        410 => "Expired",
        413 => "RequestEntityTooLarge",
        415 => "UnsupportedMediaType",
        429 => "TooManyRequests",
        502 | 503 => "ServiceUnavailable",
        _ => "InternalError",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_reads_as_the_cluster_says_no() {
        let denial =
            Denial::new("kubernetes/delete", "nobody deletes namespaces here").hint("Ask ops.");
        let status = of(&denial, code_of(&denial), Some(SessionId(7)), Sequence(9));
        let body: Value = serde_json::from_str(&status.body).unwrap();
        assert_eq!(
            (status.code, &body["code"], &body["reason"]),
            (403, &json!(403), &json!("Forbidden"))
        );
        assert_eq!(
            body["message"],
            "portcullis: nobody deletes namespaces here (kubernetes/delete). Ask ops."
        );
        assert_eq!(
            body["details"]["causes"][0],
            json!({"reason": "portcullis/rule", "message": "kubernetes/delete"})
        );
        assert_eq!(body["details"]["causes"][3]["message"], "9");
    }

    #[test]
    fn whoever_has_to_wait_is_told_how_long() {
        let mut denial = Denial::new("approval/pending", "people are being asked");
        denial.retry_after = Some(5);
        let status = of(&denial, code_of(&denial), None, Sequence(0));
        assert_eq!((status.code, status.retry_after), (429, Some(5)));
        assert!(status.body.contains("\"retryAfterSeconds\":5"));
    }

    #[test]
    fn whoever_has_to_be_let_in_is_told_at_once() {
        let mut denial = Denial::new(AT_THE_DOOR, "ap-1 has to be approved");
        denial.retry_after = Some(5);
        denial.approval = Some("ap-1".to_owned());
        let status = of(&denial, code_of(&denial), None, Sequence(0));
        let body: Value = serde_json::from_str(&status.body).unwrap();
        assert_eq!((status.code, status.retry_after), (403, Some(5)));
        assert_eq!(body["details"]["retryAfterSeconds"], 5);
        let message = body["message"].as_str().unwrap();
        assert!(message.contains("ap-1 has to be approved"), "{message}");
    }

    #[test]
    fn the_constant_is_json() {
        let body: Value = serde_json::from_str(JOURNAL_DEAD).unwrap();
        assert_eq!(body["code"], 503);
    }
}
