//! The ticket that a request belongs to. kubectl has no option for a header of one's own, so its exec plugin puts the
//! ticket in front of the token: `portcullis-ticket.BASE64URL.TOKEN`. It is the client's word, as it is in the other
//! protocols. It refuses to guess: what does not read as that is all token, and no issuer has signed such a one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{limits, session::TICKET_SETTING};
use std::collections::BTreeMap;

const MARK: &str = "portcullis-ticket.";

/// The settings that come with a token, and the token alone.
pub(super) fn parted(token: &str) -> (BTreeMap<String, String>, &str) {
    match read(token) {
        Some((ticket, token)) => (BTreeMap::from([(TICKET_SETTING.to_owned(), ticket)]), token),
        None => (BTreeMap::new(), token),
    }
}

fn read(token: &str) -> Option<(String, &str)> {
    let (coded, token) = token.strip_prefix(MARK)?.split_once('.')?;
    let bytes = URL_SAFE_NO_PAD.decode(coded).ok()?;
    let ticket = String::from_utf8(bytes).ok()?;
    let fits = !ticket.trim().is_empty()
        && ticket.len() <= limits::TICKET_BYTES_MAX
        && !ticket.chars().any(char::is_control);
    fits.then_some((ticket, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_stands_in_front_of_the_token_and_nothing_else_does() {
        let marked = format!("{MARK}{}.a.b.c", URL_SAFE_NO_PAD.encode("OPS-12"));
        let (settings, token) = parted(&marked);
        assert_eq!(
            (settings[TICKET_SETTING].as_str(), token),
            ("OPS-12", "a.b.c")
        );
        let newline = format!("{MARK}{}.a.b.c", URL_SAFE_NO_PAD.encode("OPS\n12"));
        for other in [
            "a.b.c",
            "portcullis-ticket.?.a.b.c",
            "portcullis-ticket.",
            &newline,
        ] {
            let (settings, token) = parted(other);
            assert!(settings.is_empty(), "{other}");
            assert_eq!(token, other);
        }
    }
}
