//! What the client reads when something is refused: ErrorResponse and NoticeResponse in PostgreSQL's
//! own fields (protocol section "Error and Notice Message Fields"). The message says who speaks, the
//! detail is one line of JSON for machines, the hint says what to do next. It refuses to quote anything
//! of the request but the name of a statement that does not exist.

use crate::frame::build;
use bytes::Bytes;
use portcullis_gate::Sequence;
use portcullis_model::{Denial, SessionId};
use serde_json::{Value, json};

/// The one refusal that has no entry: the record cannot be written.
pub const JOURNAL_DEAD: &[u8] = b"E\0\0\0\x8bSFATAL\0VFATAL\0C58030\0Mportcullis: the session record cannot be written, so nothing runs\0HTell the operator of the gateway; try again.\0\0";

/// SQLSTATE `insufficient_privilege`: policy said no.
pub const POLICY: &str = "42501";
/// SQLSTATE `syntax_error`.
pub const SYNTAX: &str = "42601";
/// SQLSTATE `invalid_sql_statement_name`: drivers prepare the statement again.
pub const UNPREPARED: &str = "26000";
/// SQLSTATE `admin_shutdown`: kill, drain, expiry.
pub const SEVERED: &str = "57P01";
/// SQLSTATE `query_canceled`.
pub const CANCELED: &str = "57014";
/// SQLSTATE `protocol_violation`.
pub const PROTOCOL: &str = "08P01";
/// SQLSTATE `connection_failure`: the upstream went away.
pub const UPSTREAM_GONE: &str = "08006";
/// SQLSTATE `sqlclient_unable_to_establish_sqlconnection`.
pub const UPSTREAM_UNREACHABLE: &str = "08001";
/// SQLSTATE `invalid_authorization_specification`.
pub const LOGIN: &str = "28000";
/// SQLSTATE `invalid_password`.
pub const PASSWORD: &str = "28P01";
/// SQLSTATE `system_error`: something of the gateway broke.
pub const BROKEN: &str = "58000";
/// SQLSTATE `feature_not_supported`.
pub const UNSUPPORTED: &str = "0A000";

/// How serious it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement ends.
    Error,
    /// The connection ends.
    Fatal,
}

/// The SQLSTATE of a denial.
#[must_use]
pub fn state_of(denial: &Denial) -> &'static str {
    match denial.rule.as_str() {
        "portcullis/unparsed" => SYNTAX,
        "portcullis/unknown-statement" => UNPREPARED,
        "portcullis/cancelled" => CANCELED,
        rule if rule.starts_with("fault/") => BROKEN,
        _ => POLICY,
    }
}

/// A denial as an ErrorResponse.
#[must_use]
pub fn denial(
    severity: Severity,
    state: &str,
    denial: &Denial,
    session: Option<SessionId>,
    sequence: Sequence,
) -> Bytes {
    let mut detail = serde_json::Map::new();
    detail.insert("rule".to_owned(), json!(denial.rule));
    if let Some(session) = session {
        detail.insert("session".to_owned(), json!(session));
        detail.insert("sequence".to_owned(), json!(sequence.0));
    }
    if let Some(approval) = &denial.approval {
        detail.insert("approval".to_owned(), json!(approval));
    }
    if let Some(seconds) = denial.retry_after {
        detail.insert("retry_after".to_owned(), json!(seconds));
    }
    let detail = Value::Object(detail).to_string();
    error(
        severity,
        state,
        &denial.reason,
        Some(&detail),
        denial.hint.as_deref(),
    )
}

/// An ErrorResponse.
#[must_use]
pub fn error(
    severity: Severity,
    state: &str,
    reason: &str,
    detail: Option<&str>,
    hint: Option<&str>,
) -> Bytes {
    let severity = match severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    };
    fields(b'E', severity, state, reason, detail, hint)
}

/// A NoticeResponse.
#[must_use]
pub fn notice(text: &str) -> Bytes {
    fields(b'N', "NOTICE", "00000", text, None, None)
}

fn fields(
    tag: u8,
    severity: &str,
    state: &str,
    reason: &str,
    detail: Option<&str>,
    hint: Option<&str>,
) -> Bytes {
    let message = format!("portcullis: {reason}");
    let all = [
        (b'S', Some(severity)),
        (b'V', Some(severity)),
        (b'C', Some(state)),
        (b'M', Some(message.as_str())),
        (b'D', detail),
        (b'H', hint),
    ];
    build(tag, |frame| {
        for (field, text) in all {
            let Some(text) = text else { continue };
            frame.push(field);
            frame.extend(text.bytes().filter(|byte| *byte != 0));
            frame.push(0);
        }
        frame.push(0);
    })
}

/// ReadyForQuery with this status.
#[must_use]
pub fn ready(status: u8) -> Bytes {
    build(b'Z', |frame| frame.push(status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Head, head};
    use portcullis_model::Side;

    #[test]
    fn the_constant_refusal_is_one_whole_frame() {
        assert_eq!(
            head(Side::Upstream, JOURNAL_DEAD),
            Ok(Head::Whole(b'E', JOURNAL_DEAD.len()))
        );
    }

    #[test]
    fn a_denial_names_rule_session_and_sequence() {
        let mut refused = Denial::new("sql/drop", "no\0 drops").hint("ask");
        refused.approval = Some("AP-1".to_owned());
        let frame = denial(
            Severity::Error,
            state_of(&refused),
            &refused,
            Some(SessionId(1)),
            Sequence(7),
        );
        let text = String::from_utf8_lossy(&frame).replace('\0', "|");
        assert!(
            text.contains("|C42501|Mportcullis: no drops|D{\"rule\":\"sql/drop\",\"session\":\"s-"),
            "{text}"
        );
        assert!(
            text.contains("\"sequence\":7,\"approval\":\"AP-1\"}|Hask||"),
            "{text}"
        );
    }
}
