//! The order of things, and the security argument in one place.
//!
//! Bytes reach the upstream only inside a [`Permit`], and the client only inside a [`Release`] or a
//! [`Refusal`]. All three are made by [`Gate`], after the journal has answered, and nowhere else; `link`
//! writes nothing else to a socket, but for the closed list of things the gateway says itself
//! ([`House`]), which is journaled too. Skipping policy, masking or recording is therefore a compile
//! error (`tests/compile_fail`).
//!
//! The gate knows no socket, file, environment or clock. It awaits the journal's fsync and a plugin's
//! or a parser's own yield, and nothing else. A failure becomes an answer in one function
//! ([`Gate::judge`]), and the answer is no.

pub mod document;
mod gate;
mod house;
mod ledger;
pub mod lineage;
mod narrow;
mod permit;
mod ruling;
mod seams;
mod treatment;

#[cfg(test)]
mod tests;

pub use gate::{Gate, Gates, Parts, Unreleased};
pub use house::House;
pub use ledger::Ledger;
pub use permit::{Housed, Permit, Refusal, Release};
pub use ruling::{Allowed, Answer, Denied, Held, Ruling};
pub use seams::{
    Admission, ApprovalDesk, Bearer, BoxFuture, Catalog, Challenge, Classify, Clock, ClusterKey,
    Credential, Decide, Entry, EntryKind, Examine, FrontDesk, History, HoldRequest, HostKeys,
    ISSUED_LOGIN, Impersonated, Invitation, Knock, Knocking, KubernetesWay, Lane, Mask, Next,
    Offer, Outgoing, PEOPLE, Plugins, PostgresWay, Proof, Question, Reader, Record, Relation,
    Reply, Rewrite, Said, Sequence, SshBack, SshErrand, SshErrands, SshKey, SshOffer, SshWay,
    Stage, Standing, StreamId, Streamed, Tether, Tripwire, Upstream, UpstreamTls, Veil, Veiled,
    Veils, Waiting, Way, Wish, before_it, claims_to_be_ours,
};
pub use treatment::{Treatment, treat};
