//! The approval desk behind the console's pages: what people do there besides voting, with their own token, verified at
//! that moment, as over the admin socket. A refusal goes on record with who was refused: somebody who guesses ids is
//! seen. It refuses nothing itself; the desk does, and policy.

use super::Office;
use crate::acts;
use portcullis_console::bureau::Bureau as _;
use portcullis_console::desk::{Desk, Item};
use portcullis_console::{
    AccessWish, Asked, Bearer, Delegation, DelegationWish, Extension, Grant, LinkWish,
    LinkedAccount, Refused, Review, ReviewWord,
};
use portcullis_gate::BoxFuture;
use portcullis_model::Identity;
use serde_json::{Value, json};

impl Office {
    /// Passes an answer on, with a refusal on record.
    fn told<T>(
        &self,
        what: &str,
        of: &str,
        by: &Identity,
        answer: Result<T, Refused>,
    ) -> Result<T, Refused> {
        if let Err(refused) = &answer {
            self.refused(what, of, refused, by);
        }
        answer
    }
}

impl Desk for Office {
    fn grants(&self, who: &Identity) -> Vec<Item<Grant>> {
        self.gateway.people.grants_for(who)
    }

    fn reviews(&self, who: &Identity) -> Vec<Item<Review>> {
        self.gateway.people.reviews_for(who)
    }

    fn delegations(&self, who: &Identity) -> Vec<Item<Delegation>> {
        self.gateway.people.delegations_for(who)
    }

    fn refused(&self, what: &str, id: &str, why: &Refused, by: &Identity) {
        let who = super::guesser(by, "console");
        self.gateway.guesses.desk(&who, what, id, why);
    }

    fn request_access<'a>(
        &'a self,
        wish: &'a AccessWish,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Asked, Refused>> {
        Box::pin(async move {
            let reception = &self.gateway.reception;
            let asked = self.gateway.people.request_access(wish, reception).await;
            self.told("request access", &wish.target, by, asked)
        })
    }

    fn extend<'a>(
        &'a self,
        id: &'a str,
        wish: &'a Extension,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Asked, Refused>> {
        Box::pin(async move {
            let reception = &self.gateway.reception;
            let asked = self.gateway.people.extend(id, wish, reception).await;
            self.told("extend", id, by, asked)
        })
    }

    fn end_grant(&self, id: &str, reason: &str, by: &Identity) -> Result<Grant, Refused> {
        let who = json!(by.principal);
        let ended = self.gateway.people.end_grant(id, &who, reason);
        // It has ended even where a restart could bring it back.
        crate::assemble::sever_over(&self.gateway);
        self.told("end a grant", id, by, ended)?.answer()
    }

    fn review<'a>(
        &'a self,
        id: &'a str,
        word: &'a ReviewWord,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Review, Refused>> {
        Box::pin(async move {
            let closed = self.gateway.people.review(id, word).await;
            self.told("review", id, by, closed)
        })
    }

    fn delegate<'a>(
        &'a self,
        wish: &'a DelegationWish,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Delegation, Refused>> {
        Box::pin(async move {
            let made = self.gateway.people.delegate(wish).await;
            self.told("delegate", &wish.subject, by, made)
        })
    }

    fn link<'a>(
        &'a self,
        wish: &'a LinkWish,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<LinkedAccount, Refused>> {
        Box::pin(async move {
            let record = |who: &Identity, detail: &Value| {
                let mut entry = json!({"from": "console"});
                acts::add(&mut entry, detail);
                self.note("account_linked", who, &entry)
            };
            let linked = self.gateway.people.link(wish, record).await;
            self.told("link an account", "", by, linked)
        })
    }

    fn end_delegation<'a>(
        &'a self,
        id: &'a str,
        token: &'a Bearer,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Delegation, Refused>> {
        Box::pin(async move {
            let ended = self.gateway.people.end_delegation(id, token).await;
            self.told("end a delegation", id, by, ended)
        })
    }
}
