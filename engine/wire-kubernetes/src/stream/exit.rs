//! How a command in a pod has ended, as its stream says it (k8s.io/apimachinery `metav1.Status`, k8s.io/client-go
//! tools/remotecommand v4): the exit code stands among the causes, in digits.
//!
//! Refuses to guess: a status that says nothing of a code has none.

use serde::Deserialize;

#[derive(Deserialize)]
struct Status {
    status: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    causes: Vec<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

/// The exit code in a status.
pub fn code(status: &[u8]) -> Option<i32> {
    let status: Status = serde_json::from_slice(status).ok()?;
    match (status.status.as_str(), status.reason.as_str()) {
        ("Success", _) => Some(0),
        ("Failure", "NonZeroExitCode") => {
            let causes = status.details?.causes;
            let cause = causes.iter().find(|cause| cause.reason == "ExitCode")?;
            cause.message.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn the_exit_code_is_what_the_status_says() {
        let failed = |reason: &str, code: &str| {
            format!(
                r#"{{"metadata":{{}},"status":"Failure","message":"command terminated with non-zero exit code",
                "reason":"{reason}","details":{{"causes":[{{"reason":"Other"}},{{"reason":"ExitCode","message":"{code}"}}]}}}}"#
            )
        };
        assert_eq!(code(br#"{"metadata":{},"status":"Success"}"#), Some(0));
        assert_eq!(code(failed("NonZeroExitCode", "7").as_bytes()), Some(7));
        for none in [
            failed("InternalError", "7"),
            failed("NonZeroExitCode", "seven"),
            r#"{"status":"Failure","reason":"NonZeroExitCode"}"#.to_owned(),
            r#"{"status":7}"#.to_owned(),
            "exit 7".to_owned(),
            String::new(),
        ] {
            assert_eq!(code(none.as_bytes()), None, "{none}");
        }
    }
}
