//! What stands longer than one run, as people ask for it: each with the identity of whoever asks verified like a
//! client's. It refuses what is in nobody's name.

use super::{People, not_counted, shown};
use crate::front_desk::{Asked as Answered, Reception, Verify, Wanted, revoked};
use portcullis_approval::{DelegationView, Finding as Found, GrantView, ReviewView, VoteRefused};
use portcullis_console::desk::Item;
use portcullis_console::{
    AccessWish, Asked, Bearer, Delegation, DelegationWish, Extension, Finding, Grant, LinkWish,
    LinkedAccount, Mine, Refused, Review, ReviewWord,
};
use portcullis_model::{Identity, Kind, Principal, limits};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A grant that has ended.
#[derive(Debug)]
pub enum Ended {
    /// And is forgotten.
    ForGood(Grant),
    /// And that a restart could bring back, which whoever ended it is told.
    NotForgotten(Refused),
}

impl Ended {
    /// What whoever ended it is told.
    ///
    /// # Errors
    /// When a restart could bring it back.
    pub fn answer(self) -> Result<Grant, Refused> {
        match self {
            Self::ForGood(grant) => Ok(grant),
            Self::NotForgotten(told) => Err(told),
        }
    }
}

impl People {
    /// Who this is, by a token of their own.
    ///
    /// # Errors
    /// When it proves nothing, or is revoked.
    pub async fn who(&self, token: &str) -> Result<Arc<Identity>, Refused> {
        let who = self.doormen.verify(token).await;
        let who = who.map_err(|denial| Refused::denied(401, &denial))?;
        let now = (self.clock)();
        match self.revocations.covers(&who, None, now) {
            None => {
                self.channels.links.seen(&who);
                Ok(Arc::new(who))
            }
            Some(_) => Err(Refused::denied(401, &revoked())),
        }
    }

    /// Grants in force.
    #[must_use]
    pub fn grants(&self) -> Vec<Grant> {
        self.desk.grants().iter().map(grant).collect()
    }

    /// Reviews of broken glass.
    #[must_use]
    pub fn reviews(&self) -> Vec<Review> {
        self.desk.reviews().iter().map(review).collect()
    }

    /// Delegations in force.
    #[must_use]
    pub fn delegations(&self) -> Vec<Delegation> {
        self.desk.delegations().iter().map(delegation).collect()
    }

    /// Grants in force, each with what it has to do with somebody.
    #[must_use]
    pub fn grants_for(&self, who: &Identity) -> Vec<Item<Grant>> {
        let all = self.desk.grants();
        all.iter().map(|view| grant_for(view, who)).collect()
    }

    /// Reviews of broken glass, each with what it has to do with somebody.
    #[must_use]
    pub fn reviews_for(&self, who: &Identity) -> Vec<Item<Review>> {
        let all = self.desk.reviews_for(who);
        let items = all.iter().map(|(view, concern)| Item {
            it: review(view),
            own: concern.own,
            acts: concern.acts,
        });
        items.collect()
    }

    /// Delegations in force, each with what it has to do with somebody.
    #[must_use]
    pub fn delegations_for(&self, who: &Identity) -> Vec<Item<Delegation>> {
        let all = self.desk.delegations();
        all.iter().map(|view| delegation_for(view, who)).collect()
    }

    /// What somebody has asked for and holds.
    ///
    /// # Errors
    /// When the token proves nothing.
    pub async fn mine(&self, who: &Bearer) -> Result<Mine, Refused> {
        let who = self.who(&who.token).await?;
        let now = (self.clock)();
        let requests = self.desk.list_of(&who.principal);
        let grants = self.desk.grants();
        let held = grants.iter().filter(|g| g.principal == who.principal);
        Ok(Mine {
            requests: requests.iter().map(|view| shown(view, now)).collect(),
            grants: held.map(grant).collect(),
        })
    }

    /// Asks for a connection.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn request_access(
        &self,
        wish: &AccessWish,
        reception: &Reception,
    ) -> Result<Asked, Refused> {
        let who = self.who(&wish.token).await?;
        let wanted = Wanted {
            target: wish.target.clone(),
            reason: wish.reason.clone(),
            ticket: wish.ticket.clone(),
            lasts: wish.seconds.map(Duration::from_secs),
            glass: wish.break_glass,
        };
        self.ask(&who, &wanted, reception).await
    }

    /// Asks for more time.
    ///
    /// # Errors
    /// When there is no such grant of theirs, or it is refused.
    pub async fn extend(
        &self,
        id: &str,
        wish: &Extension,
        reception: &Reception,
    ) -> Result<Asked, Refused> {
        let who = self.who(&wish.token).await?;
        let held = self.desk.grant_held_by(id, &who);
        let held = held.map_err(|why| not_counted(&why))?;
        let wanted = Wanted {
            target: held.target,
            reason: wish.reason.clone(),
            ticket: None,
            lasts: Some(Duration::from_secs(wish.seconds)),
            glass: false,
        };
        self.ask(&who, &wanted, reception).await
    }

    async fn ask(
        &self,
        who: &Arc<Identity>,
        wanted: &Wanted,
        reception: &Reception,
    ) -> Result<Asked, Refused> {
        if wanted
            .lasts
            .is_some_and(|time| time.is_zero() || time > limits::GRANT_TTL_MAX)
        {
            return Err(Refused::new(
                400,
                "the time is none, or longer than a month",
            ));
        }
        let answered = reception.request(who, wanted).await;
        let mut asked = Asked {
            state: "open".to_owned(),
            request: None,
            grant: None,
            retry_after_seconds: None,
        };
        match answered.map_err(|denial| Refused::denied(403, &denial))? {
            Answered::Open => {}
            Answered::Pending(id) => {
                let view = self.desk.show(&id);
                asked.state = "pending".to_owned();
                asked.request = view.map(|view| shown(&view, (self.clock)()));
                asked.retry_after_seconds = Some(limits::DEFERRED_RETRY_SECONDS);
            }
            Answered::Granted(id) => {
                asked.state = "granted".to_owned();
                asked.grant = self.grants().into_iter().find(|grant| grant.id == id);
            }
        }
        Ok(asked)
    }

    /// Ends a grant early.
    ///
    /// # Errors
    /// When there is none.
    pub fn end_grant(&self, id: &str, by: &Value, reason: &str) -> Result<Ended, Refused> {
        match self.desk.end_grant(id, by, reason) {
            Ok(view) => Ok(Ended::ForGood(grant(&view))),
            Err(why @ VoteRefused::NotForgotten) => Ok(Ended::NotForgotten(not_counted(&why))),
            Err(why) => Err(not_counted(&why)),
        }
    }

    /// Ends what a revoked identity holds, and what it has said to others' requests that are not used yet.
    ///
    /// # Errors
    /// When a restart could bring some of it back; it has ended.
    pub fn end_all_of(&self, who: &Principal) -> Result<(), Refused> {
        let why = "the identity is revoked";
        let ended = self.desk.end_grants_of(who, why);
        let unsaid = self.desk.end_votes_of(who, why);
        self.channels.links.forget(who);
        ended.and(unsaid).map(drop).map_err(|why| not_counted(&why))
    }

    /// Closes a review.
    ///
    /// # Errors
    /// When it is not theirs to close.
    pub async fn review(&self, id: &str, word: &ReviewWord) -> Result<Review, Refused> {
        let who = self.who(&word.token).await?;
        let finding = match word.finding {
            Finding::Justified => Found::Justified,
            Finding::Concern => Found::Concern,
        };
        let closed = self.desk.review(id, &who, finding, &word.text);
        closed
            .map(|view| review(&view))
            .map_err(|why| not_counted(&why))
    }

    /// Has somebody stand in.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delegate(&self, wish: &DelegationWish) -> Result<Delegation, Refused> {
        let who = self.who(&wish.token).await?;
        let issuer = wish.issuer.clone();
        let to = Principal {
            issuer: issuer.unwrap_or_else(|| who.principal.issuer.clone()),
            subject: wish.subject.clone(),
        };
        let lasts = Duration::from_secs(wish.seconds);
        let made = self.desk.delegate(&who, to, lasts, &wish.reason);
        made.map(|view| delegation(&view))
            .map_err(|why| not_counted(&why))
    }

    /// Links a chat account, or says which one it would be. `record` puts on record whose it becomes; where it cannot, the
    /// account stays nobody's.
    ///
    /// # Errors
    /// When the token proves nothing, the code is not good, or it cannot be recorded or kept.
    pub async fn link(
        &self,
        wish: &LinkWish,
        record: impl FnOnce(&Identity, &Value) -> Result<(), Refused> + Send,
    ) -> Result<LinkedAccount, Refused> {
        let who = self.who(&wish.token).await?;
        if who.kind != Kind::Human || !who.actors.is_empty() {
            return Err(Refused::new(
                403,
                "only a person links an account, in person",
            ));
        }
        let links = &self.channels.links;
        let Some(account) = links.asked(&wish.code) else {
            return Err(Refused::new(404, "the code is not good, or not any more")
                .hint("write /portcullis link in Slack for another"));
        };
        let until = match wish.confirm {
            false => None,
            true => {
                self.desk
                    .is_at_the_door(&who)
                    .map_err(|why| not_counted(&why).hint(
                        "Log in afresh (`portcullis login --fresh`), then confirm: at most 15 minutes later, whatever `approvals.fresh_login` is.",
                    ))?;
                // It votes from then on.
                record(&who, &json!({"account": account.shown()}))?;
                let linked = links.link(&wish.code, &who);
                let linked = linked.map_err(|fault| Refused::new(503, fault.chain()))?;
                Some(linked.until.rfc3339())
            }
        };
        Ok(LinkedAccount {
            account: account.shown(),
            until,
        })
    }

    /// Ends a delegation early.
    ///
    /// # Errors
    /// When there is none of theirs.
    pub async fn end_delegation(&self, id: &str, who: &Bearer) -> Result<Delegation, Refused> {
        let who = self.who(&who.token).await?;
        let ended = self.desk.end_delegation(id, &who);
        ended
            .map(|view| delegation(&view))
            .map_err(|why| not_counted(&why))
    }
}

/// A grant, and what it has to do with somebody.
fn grant_for(view: &GrantView, who: &Identity) -> Item<Grant> {
    let own = view.principal == who.principal;
    Item {
        it: grant(view),
        own,
        acts: own,
    }
}

/// A delegation, and what it has to do with somebody.
fn delegation_for(view: &DelegationView, who: &Identity) -> Item<Delegation> {
    let gave = view.giver == who.principal;
    Item {
        it: delegation(view),
        own: gave || view.taker == who.principal,
        acts: gave,
    }
}

fn grant(view: &GrantView) -> Grant {
    Grant {
        id: view.id.clone(),
        purpose: view.purpose.name().to_owned(),
        request: view.request.clone(),
        holder: view.holder.clone(),
        target: view.target.clone(),
        shown: view.shown.clone(),
        class: view.class.and_then(word),
        reason: view.reason.clone(),
        by: view.by.clone(),
        from: view.from.rfc3339(),
        until: view.until.rfc3339(),
        remaining_seconds: view.remaining_seconds,
        uses: view.uses,
    }
}

fn review(view: &ReviewView) -> Review {
    Review {
        id: view.id.clone(),
        state: view.state.to_owned(),
        grant: view.grant.clone(),
        holder: view.holder.clone(),
        target: view.target.clone(),
        reason: view.reason.clone(),
        rules: view.rules.clone(),
        reviewer_groups: view.reviewers.clone(),
        broken: view.broken.rfc3339(),
        due: view.due.rfc3339(),
        by: view.by.clone(),
        finding: view.finding.and_then(word),
        text: view.text.clone(),
    }
}

fn delegation(view: &DelegationView) -> Delegation {
    Delegation {
        id: view.id.clone(),
        from: view.from.clone(),
        to: view.to.clone(),
        reason: view.reason.clone(),
        since: view.since.rfc3339(),
        until: view.until.rfc3339(),
    }
}

/// The word for it, as everywhere.
fn word(value: impl serde::Serialize) -> Option<String> {
    let value = serde_json::to_value(value).ok()?;
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_approval::Purpose;
    use portcullis_model::Timestamp;

    fn principal(issuer: &str, subject: &str) -> Principal {
        Principal {
            issuer: format!("https://{issuer}.example"),
            subject: subject.to_owned(),
        }
    }

    fn person(principal: Principal) -> Identity {
        Identity {
            name: "ana".to_owned(),
            principal,
            provider: "corp".to_owned(),
            kind: Kind::Human,
            groups: Vec::new(),
            claims: serde_json::Map::new(),
            actors: Vec::new(),
            owner: None,
            authenticated: None,
            methods: Vec::new(),
            assurance: None,
            token_id: None,
            expires: Timestamp(i64::MAX),
        }
    }

    /// What it has to do with ana, with somebody of the same name elsewhere, with bea, and with cleo.
    fn marks<T>(item: impl Fn(&Identity) -> Item<T>) -> [(bool, bool); 4] {
        let who = [
            ("id", "ana"),
            ("other", "ana"),
            ("id", "bea"),
            ("id", "cleo"),
        ];
        who.map(|(issuer, subject)| {
            let item = item(&person(principal(issuer, subject)));
            (item.own, item.acts)
        })
    }

    #[test]
    fn a_grant_is_its_holders_by_issuer_and_subject() {
        let view = GrantView {
            id: "gr-1".to_owned(),
            purpose: Purpose::Access,
            request: "ap-1".to_owned(),
            // A name is nobody's own.
            holder: "cleo".to_owned(),
            principal: principal("id", "ana"),
            target: "orders".to_owned(),
            shown: String::new(),
            class: None,
            reason: String::new(),
            by: vec!["bea at https://id.example".to_owned()],
            from: Timestamp(0),
            until: Timestamp(0),
            remaining_seconds: 0,
            uses: 0,
        };
        let (theirs, no) = ((true, true), (false, false));
        assert_eq!(marks(|who| grant_for(&view, who)), [theirs, no, no, no]);
    }

    #[test]
    fn a_delegation_concerns_both_and_is_taken_back_by_whoever_gave_it() {
        let view = DelegationView {
            id: "dg-1".to_owned(),
            from: "cleo".to_owned(),
            giver: principal("id", "ana"),
            to: "cleo at https://id.example".to_owned(),
            taker: principal("id", "bea"),
            reason: String::new(),
            since: Timestamp(0),
            until: Timestamp(0),
        };
        let (gave, takes, no) = ((true, true), (true, false), (false, false));
        assert_eq!(
            marks(|who| delegation_for(&view, who)),
            [gave, no, takes, no]
        );
    }
}
