//! What stands longer than one run, as it can be seen and done: grants, access in advance, reviews of broken glass,
//! delegations. What the desk itself decides (who may review what, who holds what) is left to it.
//!
//! It refuses to end what is somebody else's without a role for it, and whatever takes a fresh login without one.

use super::{NotCast, nothing, reason};
use crate::desk::Item;
use crate::operations::Refused;
use crate::standing::{
    AccessWish, Asked, Bearer, Delegation, DelegationWish, Extension, Finding, Grant, LinkWish,
    LinkedAccount, Mine, Review, ReviewWord,
};
use crate::web::Console;
use crate::web::guard::Visitor;
use crate::web::role::{Page, Scope};

/// A connection that somebody asks for, in advance.
pub(in crate::web) struct Wanted {
    pub target: String,
    pub seconds: Option<u64>,
    pub reason: String,
    pub ticket: Option<String>,
    pub break_glass: bool,
}

/// Somebody who is to stand in.
pub(in crate::web) struct Away {
    pub subject: String,
    pub issuer: Option<String>,
    pub seconds: u64,
    pub reason: String,
}

/// Letters of a connection's name and of a ticket, as the document of the API says.
const NAME_CHARS_MAX: usize = 200;
/// Letters of what a chat account was given, as it says.
const CODE_CHARS_MAX: usize = 100;
/// Letters of a subject and of an issuer, as it says.
const PRINCIPAL_CHARS_MAX: usize = 400;

/// What was typed, without the space around it, where it is not too long.
fn typed(what: &str, text: &str, most: usize) -> Result<String, Refused> {
    let text = text.trim();
    match text.chars().count() > most {
        true => Err(Refused::new(
            400,
            format!("{what} has more than {most} letters"),
        )),
        false => Ok(text.to_owned()),
    }
}

/// What these roles let somebody see of it.
fn seen<T>(page: Page, by: &Visitor, mut all: Vec<Item<T>>) -> Result<Vec<Item<T>>, Refused> {
    let scope = page.scope(by.roles)?;
    all.retain(|item| scope == Scope::All || item.own);
    Ok(all)
}

fn one<T>(all: Vec<Item<T>>, what: &str, is: impl Fn(&T) -> bool) -> Result<Item<T>, Refused> {
    let found = all.into_iter().find(|item| is(&item.it));
    found.ok_or_else(|| nothing(what))
}

impl Console {
    /// Passes an answer on; a refusal that came before the desk was asked is on record as the desk's are: somebody who
    /// guesses ids is seen. What they saw and is over is no guess, nor is what they see and may not do.
    pub(super) fn seen_to<T>(
        &self,
        by: &Visitor,
        what: &str,
        id: &str,
        answer: Result<T, Refused>,
    ) -> Result<T, Refused> {
        if let Err(refused) = &answer
            && refused.status == 404
            && !self.shown.to(&by.identity, id)
            && !self.shown.to_all(by.roles, id)
        {
            self.bureau.refused(what, id, refused, &by.identity);
        }
        answer
    }

    /// Grants in force.
    pub(in crate::web) fn grants(&self, by: &Visitor) -> Result<Vec<Item<Grant>>, Refused> {
        let all = seen(Page::Grants, by, self.bureau.grants(&by.identity))?;
        let own = all.iter().filter(|grant| grant.own);
        self.shown
            .keep(&by.identity, own.map(|grant| grant.it.id.as_str()));
        if Page::Grants.scope(by.roles) == Ok(Scope::All) {
            let ids = all.iter().map(|grant| grant.it.id.as_str());
            self.shown.keep_for_all(Page::Grants, ids);
        }
        Ok(all)
    }

    /// One grant.
    pub(in crate::web) fn grant(&self, by: &Visitor, id: &str) -> Result<Item<Grant>, Refused> {
        self.seen_to(by, "look at a grant", id, self.one_grant(by, id))
    }

    fn one_grant(&self, by: &Visitor, id: &str) -> Result<Item<Grant>, Refused> {
        one(self.grants(by)?, "grant", |grant| grant.id == id)
    }

    /// True when there is such a grant that they may see.
    pub(in crate::web) fn has_grant(&self, by: &Visitor, id: &str) -> bool {
        self.one_grant(by, id).is_ok()
    }

    /// What somebody holds.
    pub(in crate::web) fn held(&self, by: &Visitor) -> Result<Vec<Grant>, Refused> {
        let own = self.grants(by)?.into_iter().filter(|grant| grant.own);
        Ok(own.map(|grant| grant.it).collect())
    }

    /// What somebody has asked for and holds.
    pub(in crate::web) fn mine(&self, by: &Visitor) -> Result<Mine, Refused> {
        let mut requests = self.approvals(by)?;
        requests.retain(|request| super::my_request(&by.identity, request));
        let grants = self.held(by)?;
        Ok(Mine { requests, grants })
    }

    /// True for whoever may end it.
    pub(in crate::web) fn may_end(&self, by: &Visitor, grant: &Item<Grant>) -> bool {
        grant.acts || Page::EndGrant.scope(by.roles) == Ok(Scope::All)
    }

    /// Ends a grant early.
    pub(in crate::web) fn end_grant(
        &self,
        by: &Visitor,
        id: &str,
        why: &str,
    ) -> Result<Grant, Refused> {
        let theirs = self.one_grant(by, id).and_then(|grant| {
            let no =
                "a grant is ended by whoever holds it, an approver or an operator (console/role)";
            let may = self.may_end(by, &grant);
            may.then_some(grant).ok_or_else(|| Refused::new(403, no))
        });
        let grant = self.seen_to(by, "end a grant", id, theirs)?;
        self.bureau
            .end_grant(&grant.it.id, reason(why)?, &by.identity)
    }

    /// Asks for a connection in advance; or breaks its glass, which takes a fresh login.
    pub(in crate::web) async fn request_access(
        &self,
        by: &Visitor,
        wanted: &Wanted,
    ) -> Result<Asked, NotCast> {
        Page::Access.scope(by.roles)?;
        let why = reason(&wanted.reason)?;
        let target = typed("the connection", &wanted.target, NAME_CHARS_MAX)?;
        let ticket = wanted.ticket.as_deref();
        let ticket = ticket.map(|ticket| typed("the ticket", ticket, NAME_CHARS_MAX));
        let ticket = ticket.transpose()?;
        if wanted.break_glass {
            self.proved_just_now(by)?;
        }
        let wish = AccessWish {
            token: by.token().await,
            target,
            seconds: wanted.seconds,
            reason: why.to_owned(),
            ticket,
            break_glass: wanted.break_glass,
        };
        Ok(self.bureau.request_access(&wish, &by.identity).await?)
    }

    /// Asks for more time.
    pub(in crate::web) async fn extend(
        &self,
        by: &Visitor,
        id: &str,
        seconds: u64,
        why: &str,
    ) -> Result<Asked, Refused> {
        let theirs = self.one_grant(by, id).and_then(|grant| {
            let no = "more time is asked for by whoever holds the grant (console/own)";
            let own = grant.acts.then_some(());
            own.ok_or_else(|| Refused::new(403, no))
        });
        self.seen_to(by, "extend", id, theirs)?;
        let wish = Extension {
            token: by.token().await,
            seconds,
            reason: reason(why)?.to_owned(),
        };
        self.bureau.extend(id, &wish, &by.identity).await
    }

    /// Reviews of broken glass.
    pub(in crate::web) fn reviews(&self, by: &Visitor) -> Result<Vec<Item<Review>>, Refused> {
        seen(Page::Reviews, by, self.bureau.reviews(&by.identity))
    }

    /// One review.
    pub(in crate::web) fn review(&self, by: &Visitor, id: &str) -> Result<Item<Review>, Refused> {
        self.seen_to(by, "look at a review", id, self.one_review(by, id))
    }

    fn one_review(&self, by: &Visitor, id: &str) -> Result<Item<Review>, Refused> {
        one(self.reviews(by)?, "review", |review| review.id == id)
    }

    /// Closes a review; whether it is theirs to close, the desk says.
    pub(in crate::web) async fn close_review(
        &self,
        by: &Visitor,
        id: &str,
        finding: Finding,
        text: &str,
    ) -> Result<Review, NotCast> {
        self.seen_to(by, "review", id, self.one_review(by, id))?;
        let text = reason(text)?.to_owned();
        self.proved_just_now(by)?;
        let word = ReviewWord {
            token: by.token().await,
            finding,
            text,
        };
        Ok(self.bureau.review(id, &word, &by.identity).await?)
    }

    /// Who stands in for whom.
    pub(in crate::web) fn delegations(
        &self,
        by: &Visitor,
    ) -> Result<Vec<Item<Delegation>>, Refused> {
        seen(Page::Delegations, by, self.bureau.delegations(&by.identity))
    }

    /// Has somebody stand in.
    pub(in crate::web) async fn delegate(
        &self,
        by: &Visitor,
        away: &Away,
    ) -> Result<Delegation, NotCast> {
        Page::Delegations.scope(by.roles)?;
        self.proved_just_now(by)?;
        let why = reason(&away.reason)?.to_owned();
        let subject = typed("the subject", &away.subject, PRINCIPAL_CHARS_MAX)?;
        let issuer = away.issuer.as_deref();
        let issuer = issuer.map(|issuer| typed("the issuer", issuer, PRINCIPAL_CHARS_MAX));
        let wish = DelegationWish {
            token: by.token().await,
            subject,
            issuer: issuer.transpose()?,
            seconds: away.seconds,
            reason: why,
        };
        Ok(self.bureau.delegate(&wish, &by.identity).await?)
    }

    /// Says which chat account a code came from, or links it: an account that votes takes a fresh login.
    pub(in crate::web) async fn link(
        &self,
        by: &Visitor,
        code: &str,
        confirm: bool,
    ) -> Result<LinkedAccount, NotCast> {
        Page::Access.scope(by.roles)?;
        if confirm {
            self.proved_just_now(by)?;
        }
        let wish = LinkWish {
            token: by.token().await,
            code: typed("the code", code, CODE_CHARS_MAX)?,
            confirm,
        };
        Ok(self.bureau.link(&wish, &by.identity).await?)
    }

    /// Ends a delegation early; whether it is theirs to end, the desk says.
    pub(in crate::web) async fn end_delegation(
        &self,
        by: &Visitor,
        id: &str,
    ) -> Result<Delegation, Refused> {
        let all = self.delegations(by);
        let found = all.and_then(|all| one(all, "delegation", |one| one.id == id));
        self.seen_to(by, "end a delegation", id, found)?;
        let token = Bearer {
            token: by.token().await,
        };
        self.bureau.end_delegation(id, &token, &by.identity).await
    }

    /// How many reviews wait for this person.
    pub(in crate::web) fn to_review(&self, by: &Visitor) -> usize {
        let all = self.bureau.reviews(&by.identity);
        all.iter().filter(|review| review.acts).count()
    }
}
