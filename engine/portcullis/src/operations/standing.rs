//! What people do at the desk besides voting, with the uid that carried it. A refusal goes on record too: somebody who
//! guesses ids is seen.

use super::Front;
use crate::acts;
use crate::guesses::Guesser;
use portcullis_console::{
    AccessWish, Asked, Bearer, Caller, Delegation, DelegationWish, Extension, Grant, LinkWish,
    LinkedAccount, Mine, Refused, Review, ReviewWord, Standing,
};
use portcullis_gate::BoxFuture;
use portcullis_model::Identity;
use serde_json::{Value, json};

impl Front {
    /// Passes an answer on, with a refusal on record.
    fn told<T>(
        &self,
        what: &str,
        id: &str,
        by: Caller,
        answer: Result<T, Refused>,
    ) -> Result<T, Refused> {
        if let Err(refused) = &answer {
            let uid = Guesser::other(json!({"uid": by.uid}));
            self.gateway.guesses.desk(&uid, what, id, refused);
        }
        answer
    }
}

impl Standing for Front {
    fn grants(&self) -> Vec<Grant> {
        self.gateway.people.grants()
    }

    fn reviews(&self) -> Vec<Review> {
        self.gateway.people.reviews()
    }

    fn delegations(&self) -> Vec<Delegation> {
        self.gateway.people.delegations()
    }

    fn mine<'a>(&'a self, who: &'a Bearer) -> BoxFuture<'a, Result<Mine, Refused>> {
        Box::pin(self.gateway.people.mine(who))
    }

    fn request_access<'a>(
        &'a self,
        wish: &'a AccessWish,
        by: Caller,
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
        by: Caller,
    ) -> BoxFuture<'a, Result<Asked, Refused>> {
        Box::pin(async move {
            let reception = &self.gateway.reception;
            let asked = self.gateway.people.extend(id, wish, reception).await;
            self.told("extend", id, by, asked)
        })
    }

    fn end_grant(&self, id: &str, reason: &str, by: Caller) -> Result<Grant, Refused> {
        let who = json!(format!("uid {}", by.uid));
        let ended = self.gateway.people.end_grant(id, &who, reason);
        // It has ended even where a restart could bring it back.
        crate::assemble::sever_over(&self.gateway);
        self.told("end a grant", id, by, ended)?.answer()
    }

    fn review<'a>(
        &'a self,
        id: &'a str,
        word: &'a ReviewWord,
        by: Caller,
    ) -> BoxFuture<'a, Result<Review, Refused>> {
        Box::pin(async move {
            let closed = self.gateway.people.review(id, word).await;
            self.told("review", id, by, closed)
        })
    }

    fn delegate<'a>(
        &'a self,
        wish: &'a DelegationWish,
        by: Caller,
    ) -> BoxFuture<'a, Result<Delegation, Refused>> {
        Box::pin(async move {
            let made = self.gateway.people.delegate(wish).await;
            self.told("delegate", &wish.subject, by, made)
        })
    }

    fn link<'a>(
        &'a self,
        wish: &'a LinkWish,
        by: Caller,
    ) -> BoxFuture<'a, Result<LinkedAccount, Refused>> {
        Box::pin(async move {
            let record = |who: &Identity, detail: &Value| {
                let mut entry = json!({
                    "by": who.principal, "name": who.name, "token_id": who.token_id, "uid": by.uid,
                });
                acts::add(&mut entry, detail);
                self.on_record("account_linked", &entry)
            };
            let linked = self.gateway.people.link(wish, record).await;
            self.told("link an account", "", by, linked)
        })
    }

    fn end_delegation<'a>(
        &'a self,
        id: &'a str,
        who: &'a Bearer,
        by: Caller,
    ) -> BoxFuture<'a, Result<Delegation, Refused>> {
        Box::pin(async move {
            let ended = self.gateway.people.end_delegation(id, who).await;
            self.told("end a delegation", id, by, ended)
        })
    }
}
