//! A request to a cluster in a few words: what is to be done with what, for whoever reads the steps of a session. It refuses to
//! guess: what does not read as such a request has no words here.

use portcullis_model::escape_line;
use serde_json::Value;

/// `delete pods cart-0 in shop`, of the text that such a request was judged by.
pub(super) fn words(request: &str) -> Option<String> {
    let call: Value = serde_json::from_str(request).ok()?;
    let part = |name: &str| {
        let text = call.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let mut words = part("verb")?.to_owned();
    let mut add = |before: &str, name: &str| {
        if let Some(text) = part(name) {
            words.push_str(before);
            words.push_str(text);
        }
    };
    match part("resource") {
        Some(_) => {
            add(" ", "resource");
            add(".", "group");
            add("/", "subresource");
            add(" ", "name");
            add(" in ", "namespace");
        }
        None => add(" ", "path"),
    }
    Some(escape_line(&words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_said_in_the_words_of_whoever_made_it() {
        for (request, said) in [
            (
                r#"{"verb":"delete","path":null,"group":"","resource":"pods","subresource":null,"namespace":"shop","name":"cart-0"}"#,
                "delete pods cart-0 in shop",
            ),
            (
                r#"{"verb":"exec","group":"","resource":"pods","subresource":"exec","namespace":"shop","name":"cart-0"}"#,
                "exec pods/exec cart-0 in shop",
            ),
            (
                r#"{"verb":"list","group":"apps","resource":"deployments","namespace":null,"name":null}"#,
                "list deployments.apps",
            ),
            (
                r#"{"verb":"get","path":"/version","group":"","resource":null}"#,
                "get /version",
            ),
        ] {
            assert_eq!(words(request).as_deref(), Some(said));
        }
        let hostile = words(r#"{"verb":"get","path":"/a\u001b[2J\nb"}"#).unwrap();
        assert!(!hostile.chars().any(char::is_control), "{hostile:?}");
    }

    #[test]
    fn what_is_no_request_has_no_words() {
        for other in [
            "SELECT 1",
            "{}",
            "[\"verb\"]",
            r#"{"verb":7}"#,
            "{\"verb\":\"get\"",
            "",
        ] {
            assert_eq!(words(other), None, "{other}");
        }
    }
}
