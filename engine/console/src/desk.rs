//! What the console asks of the approval desk besides votes: access for a time, grants, reviews of broken glass, and who
//! stands in for whom. A part of [`crate::bureau::Bureau`], implemented by `portcullis` with the same words and rules as
//! the admin API has ([`crate::Standing`]). Whoever asks, extends, reviews or delegates does so with their own token,
//! verified at that moment. It refuses nothing to be looked at: whose is whose stands beside it, and roles are asked before.

use crate::operations::Refused;
use crate::standing::{
    AccessWish, Asked, Bearer, Delegation, DelegationWish, Extension, Grant, LinkWish,
    LinkedAccount, Review, ReviewWord,
};
use portcullis_gate::BoxFuture;
use portcullis_model::Identity;

/// Something at the desk, and what it has to do with whoever looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<T> {
    /// It.
    pub it: T,
    /// They have to do with it: they hold it, gave it, stand in, broke the glass or are among its reviewers.
    pub own: bool,
    /// It is theirs to act on: to extend, to review, to take back.
    pub acts: bool,
}

/// The desk, as the console sees it.
pub trait Desk: Send + Sync {
    /// Grants in force, newest first.
    fn grants(&self, who: &Identity) -> Vec<Item<Grant>>;
    /// Reviews of broken glass: open ones first, the earliest due first.
    fn reviews(&self, who: &Identity) -> Vec<Item<Review>>;
    /// Delegations in force.
    fn delegations(&self, who: &Identity) -> Vec<Item<Delegation>>;
    /// Puts on record that something here was refused before the desk was asked, as far as there is room for it: it stays
    /// refused in any case.
    fn refused(&self, what: &str, id: &str, why: &Refused, by: &Identity);
    /// Asks for a connection in advance, or breaks its glass.
    fn request_access<'a>(
        &'a self,
        wish: &'a AccessWish,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Asked, Refused>>;
    /// Asks for more time.
    fn extend<'a>(
        &'a self,
        id: &'a str,
        wish: &'a Extension,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Asked, Refused>>;
    /// Ends a grant early, and the sessions it has opened.
    ///
    /// # Errors
    /// When there is none.
    fn end_grant(&self, id: &str, reason: &str, by: &Identity) -> Result<Grant, Refused>;
    /// Closes a review.
    fn review<'a>(
        &'a self,
        id: &'a str,
        word: &'a ReviewWord,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Review, Refused>>;
    /// Has somebody stand in.
    fn delegate<'a>(
        &'a self,
        wish: &'a DelegationWish,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Delegation, Refused>>;
    /// Links a chat account to whoever asks; without `confirm`, only says which account it is.
    fn link<'a>(
        &'a self,
        wish: &'a LinkWish,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<LinkedAccount, Refused>>;
    /// Ends a delegation early.
    fn end_delegation<'a>(
        &'a self,
        id: &'a str,
        token: &'a Bearer,
        by: &'a Identity,
    ) -> BoxFuture<'a, Result<Delegation, Refused>>;
}
