//! Legal holds as operators set them: each is an entry of the record, and which are in force is read from there. Refuses a
//! hold without a reason, and the release of one that is not there.

use crate::assemble::Gateway;
use portcullis_console::{Caller, HoldWish, Refused};
use portcullis_journal::Hold;
use serde_json::{Value, json};
use std::sync::Arc;

/// The holds that are in force.
pub(super) async fn in_force(gateway: &Gateway) -> Result<Vec<Value>, Refused> {
    let holds = all(gateway).await?;
    Ok(holds.iter().map(|hold| json!(hold)).collect())
}

/// A hold for a wish, with a name of its own.
pub(super) fn named(wish: &HoldWish, by: Caller) -> Result<Hold, Refused> {
    if wish.reason.trim().is_empty() {
        return Err(Refused::new(400, "a hold needs a reason")
            .hint("name the matter it belongs to: --reason 'case 7'"));
    }
    let mut random = [0_u8; 5];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| Refused::new(500, "there is no randomness"))?;
    Ok(Hold {
        id: format!("hold-{}", random.map(|byte| format!("{byte:02x}")).concat()),
        reason: wish.reason.clone(),
        session: wish.session,
        identity: wish.identity.clone(),
        target: wish.target.clone(),
        since: wish.since,
        until: wish.until,
        uid: Some(by.uid),
    })
}

/// Whether there is such a hold.
pub(super) async fn known(gateway: &Gateway, id: &str) -> Result<(), Refused> {
    match all(gateway).await?.iter().any(|hold| hold.id == id) {
        true => Ok(()),
        false => Err(Refused::new(404, "there is no hold of this id in force")
            .hint("`portcullis journal hold list` shows them")),
    }
}

/// The whole record is read for it: not where sessions are served.
async fn all(gateway: &Gateway) -> Result<Vec<Hold>, Refused> {
    let journal = Arc::clone(&gateway.journal);
    let read = tokio::task::spawn_blocking(move || journal.holds()).await;
    let unreadable = || Refused::new(503, "the record cannot be read");
    read.map_err(|_| unreadable())?.map_err(|error| {
        tracing::error!(%error, "the holds cannot be read");
        unreadable()
    })
}
