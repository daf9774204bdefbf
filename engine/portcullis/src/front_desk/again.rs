//! When a provider says something new about somebody who has sessions open: a group is gone, a claim is
//! another. Policy has decided about an identity that is no more, so those sessions end.
//!
//! It refuses to let a session go on with more than its owner still has; what somebody has gained waits for
//! the next connection.

use super::Reception;
use portcullis_identity::Narrowing;
use portcullis_model::{Denial, Identity};

impl Reception {
    /// Ends every session that stands on what this login no longer says, and forgets the keys that do. Returns how many
    /// sessions.
    pub fn ask_again_as(&self, fresh: &Identity) -> usize {
        let lost = |held: &Identity| comes_from(held, fresh) && has_lost(held, fresh);
        let sever = || {
            self.desk().registry.sever(|live| {
                lost(&live.session.identity).then(|| {
                    Denial::new(
                        "identity/changed",
                        "the identity provider says something else about you than when this session began",
                    )
                    .hint("Connect again: what you may still do, you may do then.")
                })
            })
        };
        self.desk().forget_keys_where(lost, sever)
    }
}

/// True when the session was opened with a token of this login, or with one exchanged for it.
fn comes_from(held: &Identity, fresh: &Identity) -> bool {
    if held.principal != fresh.principal {
        return false;
    }
    let Some(login) = fresh.token_id.as_deref() else {
        return false;
    };
    let exchanged = match Narrowing::of(held) {
        Ok(Some(narrowing)) => narrowing
            .origins
            .iter()
            .any(|o| o.issuer == fresh.principal.issuer && o.id == login),
        Ok(None) => false,
        // Bounds that cannot be read are nobody's to keep.
        Err(_) => true,
    };
    held.token_id.as_deref() == Some(login) || exchanged
}

fn has_lost(held: &Identity, fresh: &Identity) -> bool {
    let kept = |group: &String| fresh.groups.contains(group);
    let mut claims = held.claims.iter();
    let same = claims.all(|(name, value)| {
        name == portcullis_identity::MINE || fresh.claims.get(name) == Some(value)
    });
    let exchanged = held.claims.contains_key(portcullis_identity::MINE);
    let kind = exchanged || held.kind == fresh.kind;
    !(held.groups.iter().all(kept) && same && kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front_desk::tests::identity;
    use serde_json::json;

    fn person() -> Identity {
        let mut ana = identity("ana");
        ana.groups = vec!["dba".to_owned(), "sre".to_owned()];
        ana.claims.insert("dept".to_owned(), json!("x"));
        ana
    }

    #[test]
    fn what_was_taken_away_is_noticed_and_what_was_given_is_not() {
        let held = person();
        assert!(!has_lost(&held, &person()));
        let mut more = person();
        more.groups.push("oncall".to_owned());
        more.claims.insert("new".to_owned(), json!(1));
        assert!(!has_lost(&held, &more));
        let mut less = person();
        less.groups.pop();
        assert!(has_lost(&held, &less));
        let mut moved = person();
        moved.claims.insert("dept".to_owned(), json!("y"));
        assert!(has_lost(&held, &moved));
        let mut unclaimed = person();
        unclaimed.claims.clear();
        assert!(has_lost(&held, &unclaimed));
        let mut machine = person();
        machine.kind = portcullis_model::Kind::Service;
        assert!(has_lost(&held, &machine));
    }

    #[test]
    fn only_sessions_of_that_login_are_meant() {
        let held = person();
        assert!(comes_from(&held, &person()));
        let mut other = person();
        other.token_id = Some("another laptop".to_owned());
        assert!(!comes_from(&held, &other));
        let mut acting = person();
        acting.token_id = Some("x-1".to_owned());
        let origin = json!({"origins": [{"issuer": held.principal.issuer, "id": "t-1"}]});
        acting
            .claims
            .insert(portcullis_identity::MINE.to_owned(), origin);
        assert!(comes_from(&acting, &person()));
        assert!(!comes_from(&acting, &other));
        let mut bea = person();
        bea.principal.subject = "bea".to_owned();
        assert!(!comes_from(&held, &bea));
    }
}
