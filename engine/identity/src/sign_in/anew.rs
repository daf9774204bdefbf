//! A login that was asked for as a new proof: whether it is one.
//!
//! It refuses an old login, with which the provider's cookie has answered, and one that does not say when it was: nobody
//! knows then whether anybody has proved anything. With `max_age` a provider has to say it (OpenID Connect Core, 3.1.2.1).

use portcullis_model::limits::PROOF_SKEW;
use portcullis_model::{Denial, Identity, Timestamp};

/// Refuses what does not prove the person again after the moment at which that was asked for; nothing where it was not.
pub(super) fn proved(identity: &Identity, asked: Option<Timestamp>) -> Result<(), Denial> {
    let Some(asked) = asked else {
        return Ok(());
    };
    match identity.authenticated {
        Some(at) if at.after(PROOF_SKEW) >= asked => Ok(()),
        Some(_) => Err(Denial::new(
            "login/not-anew",
            "the provider was asked for a new proof and has answered with an old login",
        )
        .hint(
            "Log out at the provider and log in again; the operator lets it heed `prompt=login` and `max_age` (SAML: ForceAuthn).",
        )),
        None => Err(Denial::new(
            "login/unsaid",
            "your provider does not say when you logged in (`auth_time`), so that this is no fresh login",
        )
        .hint(
            "Ask the operator to have it send that claim, or to set `approvals.fresh_login: token`, which takes any login; then log in without `--fresh`.",
        )),
    }
}
