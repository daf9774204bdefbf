//! What signs as Slack does, for the fuzz target; compiled for nobody else. Whoever holds the secret and sends nonsense must
//! find a reader that is as total as the one in front of the signature.

use aws_lc_rs::hmac;

/// The header `X-Slack-Signature` of a body that was sent at this second.
#[must_use]
pub fn slack_signature(secret: &str, seconds: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let text = [format!("v0:{seconds}:").as_bytes(), body].concat();
    format!("v0={}", hex::encode(hmac::sign(&key, &text).as_ref()))
}
