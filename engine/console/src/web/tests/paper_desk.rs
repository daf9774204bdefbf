//! The desk of the gateway of paper: one grant and one delegation of `ana`'s, one broken glass of hers that approvers
//! review.

use super::at;
use super::fakes::Paper;
use crate::bureau::Bureau as _;
use crate::desk::{Desk, Item};
use crate::operations::Refused;
use crate::standing::*;
use portcullis_gate::BoxFuture;
use portcullis_model::Identity;
use serde_json::json;
use std::sync::atomic::Ordering;

/// What somebody did at the desk: what, of what, with which token.
pub(crate) type Act = (&'static str, String, String);

fn item<T>(it: T, own: bool, acts: bool) -> Item<T> {
    Item { it, own, acts }
}

impl Paper {
    fn did(&self, what: &'static str, of: &str, token: &str) {
        let act = (what, of.to_owned(), token.to_owned());
        self.acted.lock().push(act);
    }

    fn one_grant(&self) -> Grant {
        let text = self.foreign();
        Grant {
            id: "gr-1".to_owned(),
            purpose: "access".to_owned(),
            request: "ap-1".to_owned(),
            holder: text.clone(),
            target: text.clone(),
            shown: text.clone(),
            class: Some("objects".to_owned()),
            reason: text.clone(),
            by: vec![text],
            from: at(20).rfc3339(),
            until: at(3620).rfc3339(),
            remaining_seconds: 3000,
            uses: 2,
        }
    }

    fn one_review(&self) -> Review {
        let text = self.foreign();
        Review {
            id: "rv-1".to_owned(),
            state: "overdue".to_owned(),
            grant: "gr-1".to_owned(),
            holder: text.clone(),
            target: text.clone(),
            reason: text.clone(),
            rules: vec![text.clone()],
            reviewer_groups: vec![text.clone()],
            broken: at(20).rfc3339(),
            due: at(30).rfc3339(),
            by: None,
            finding: Some("concern".to_owned()),
            text: Some(text),
        }
    }

    fn one_delegation(&self) -> Delegation {
        let text = self.foreign();
        Delegation {
            id: "dg-1".to_owned(),
            from: text.clone(),
            to: text.clone(),
            reason: text,
            since: at(20).rfc3339(),
            until: at(9000).rfc3339(),
        }
    }
}

impl Desk for Paper {
    fn grants(&self, who: &Identity) -> Vec<Item<Grant>> {
        if self.gone.load(Ordering::SeqCst) {
            return Vec::new();
        }
        let own = who.principal.subject == "ana";
        vec![item(self.one_grant(), own, own)]
    }

    fn reviews(&self, who: &Identity) -> Vec<Item<Review>> {
        let subject = &who.principal.subject;
        let reviewer = subject.contains("approver");
        vec![item(
            self.one_review(),
            reviewer || subject == "ana",
            reviewer,
        )]
    }

    fn delegations(&self, who: &Identity) -> Vec<Item<Delegation>> {
        let own = who.principal.subject == "ana";
        vec![item(self.one_delegation(), own, own)]
    }

    fn refused(&self, what: &str, id: &str, why: &Refused, by: &Identity) {
        let detail = json!({"what": what, "id": id, "status": why.status});
        let _noted = self.note("desk_refused", by, &detail);
    }

    fn request_access<'a>(
        &'a self,
        wish: &'a AccessWish,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Asked, Refused>> {
        Box::pin(async move {
            let what = if wish.break_glass { "break" } else { "ask" };
            let of = format!("{} {:?} {:?}", wish.target, wish.seconds, wish.ticket);
            self.did(what, &of, &wish.token);
            let mut asked = Asked {
                state: "open".to_owned(),
                request: None,
                grant: None,
                retry_after_seconds: None,
            };
            match (wish.target.as_str(), wish.break_glass) {
                (_, true) => asked.grant = Some(self.one_grant()),
                ("open", _) => {}
                ("moved on", _) => asked.state = "pending".to_owned(),
                ("orders", _) => asked.request = self.approvals().pop(),
                _ => {
                    let no = format!("no binding opens it: {}", self.foreign());
                    return Err(Refused::new(403, no).hint("ask somebody else"));
                }
            }
            Ok(asked)
        })
    }

    fn extend<'a>(
        &'a self,
        id: &'a str,
        wish: &'a Extension,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Asked, Refused>> {
        Box::pin(async move {
            self.did("extend", &format!("{id} {}", wish.seconds), &wish.token);
            Ok(Asked {
                state: "pending".to_owned(),
                request: self.approvals().pop(),
                grant: None,
                retry_after_seconds: Some(10),
            })
        })
    }

    fn end_grant(&self, id: &str, _: &str, by: &Identity) -> Result<Grant, Refused> {
        self.did("end", id, &by.principal.subject);
        Ok(self.one_grant())
    }

    fn review<'a>(
        &'a self,
        id: &'a str,
        word: &'a ReviewWord,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Review, Refused>> {
        Box::pin(async move {
            self.did("review", &format!("{id} {:?}", word.finding), &word.token);
            Ok(self.one_review())
        })
    }

    fn delegate<'a>(
        &'a self,
        wish: &'a DelegationWish,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Delegation, Refused>> {
        Box::pin(async move {
            let of = format!("{} {:?} {}", wish.subject, wish.issuer, wish.seconds);
            self.did("delegate", &of, &wish.token);
            Ok(self.one_delegation())
        })
    }

    fn link<'a>(
        &'a self,
        wish: &'a LinkWish,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<LinkedAccount, Refused>> {
        Box::pin(async move {
            self.did("link", &wish.code, &wish.token);
            Ok(LinkedAccount {
                account: self.foreign(),
                until: wish.confirm.then(|| at(9000).rfc3339()),
            })
        })
    }

    fn end_delegation<'a>(
        &'a self,
        id: &'a str,
        token: &'a Bearer,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Delegation, Refused>> {
        Box::pin(async move {
            self.did("take back", id, &token.token);
            Ok(self.one_delegation())
        })
    }
}
