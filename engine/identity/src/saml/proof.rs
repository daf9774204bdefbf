//! When a person proved to a SAML provider who they are: the `AuthnInstant` of the assertion, which is signed with it.
//!
//! It refuses a time that is none, one of the future, and, where the provider was asked for the proof anew, one from before
//! that: its cookie has answered, and nobody has proved anything.

use crate::refused::{Code, Refused};
use portcullis_model::Timestamp;
use portcullis_model::limits::PROOF_SKEW as SKEW;

/// When it was, as far as the statements say so; of several the oldest counts. `anew` is when a proof was asked for that
/// has to come after that.
pub(super) fn proved<'s>(
    statements: impl Iterator<Item = Option<&'s str>>,
    anew: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Refused> {
    let mut oldest: Option<Timestamp> = None;
    for said in statements.flatten() {
        let at = instant(said).ok_or_else(unreadable)?;
        oldest = Some(oldest.map_or(at, |other| other.min(at)));
    }
    let Some(at) = oldest else {
        return Ok(None);
    };
    if at > now.after(SKEW) {
        return Err(of_the_future());
    }
    if anew.is_some_and(|asked| at.after(SKEW) < asked) {
        return Err(not_anew());
    }
    // A clock that is ahead makes nobody's proof younger than it can be.
    Ok(Some(at.min(now)))
}

/// `xs:dateTime` as SAML has it (core, 1.3.3): in UTC, with `Z`, with or without a fraction.
fn instant(text: &str) -> Option<Timestamp> {
    let at = Timestamp::of_rfc3339_utc(text)?;
    // What is less than a second makes no proof older or younger.
    Some(Timestamp(at.seconds().saturating_mul(1_000_000_000)))
}

fn unreadable() -> Refused {
    Refused::new(
        Code::Saml,
        "the SAML response does not say when the person logged in at the provider",
        "The operator looks at the AuthnInstant that the provider sends: it is a time in UTC.",
    )
}

fn of_the_future() -> Refused {
    Refused::new(
        Code::Future,
        "the SAML response says that the person will log in only later",
        "The operator compares the clocks of the gateway and of the provider.",
    )
}

fn not_anew() -> Refused {
    Refused::new(
        Code::TooOld,
        "the provider was asked for a new proof and has answered with an old login",
        "Log out at the provider and log in again; the operator lets it heed ForceAuthn.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_806_000_000_000_000);

    fn seconds(said: &[Option<&str>], anew: Option<i64>) -> Result<Option<i64>, Code> {
        let anew = anew.map(|ago| Timestamp(NOW.0 - ago * 1_000_000_000));
        let at = proved(said.iter().copied(), anew, NOW);
        at.map(|at| at.map(|at| (NOW.0 - at.0) / 1_000_000_000))
            .map_err(|refused| refused.code)
    }

    #[test]
    fn the_oldest_of_what_is_said_counts_and_no_more_than_now() {
        assert_eq!(NOW.rfc3339(), "2026-11-27T19:00:00.000Z");
        let (now, hour) = ("2026-11-27T19:00:00Z", "2026-11-27T18:00:00.25Z");
        for (said, ago) in [
            (&[][..], None),
            (&[None], None),
            (&[Some(now)], Some(0)),
            (&[Some(now), None, Some(hour)], Some(3600)),
            (&[Some("2026-11-27T19:00:59.9Z")], Some(0)),
        ] {
            assert_eq!(seconds(said, None), Ok(ago), "{said:?}");
        }
    }

    #[test]
    fn a_time_that_is_none_or_to_come_is_refused() {
        for said in [
            "2026-11-27T19:01:01Z",
            "2026-11-28T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(seconds(&[Some(said)], None), Err(Code::Future), "{said}");
        }
        for said in [
            "",
            "now",
            "2026-11-27",
            "2026-11-27T19:00:00",
            "2026-11-27T19:00:00+01:00",
            "2026-11-27T19:00:00.Z",
            "2026-11-27T19:00:00.0-1Z",
            "2026-11-27T19:00Z",
            "2026-11-27T19:00:00:00Z",
            "2026-02-31T19:00:00Z",
            "+026-11-27T19:00:00Z",
        ] {
            assert_eq!(seconds(&[Some(said)], None), Err(Code::Saml), "{said}");
        }
    }

    #[test]
    fn a_proof_that_was_asked_for_anew_comes_after_that() {
        let said = |text| seconds(&[Some(text)], Some(30));
        assert_eq!(said("2026-11-27T18:59:50Z"), Ok(Some(10)));
        // The provider's clock may be behind.
        assert_eq!(said("2026-11-27T18:58:30Z"), Ok(Some(90)));
        for old in ["2026-11-27T18:58:29Z", "2026-11-27T17:00:00Z"] {
            assert_eq!(said(old), Err(Code::TooOld), "{old}");
        }
        assert_eq!(
            seconds(
                &[Some("2026-11-27T18:59:50Z"), Some("2026-11-27T17:00:00Z")],
                Some(30)
            ),
            Err(Code::TooOld)
        );
    }
}
