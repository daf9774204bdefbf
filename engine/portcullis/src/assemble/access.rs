//! Sessions that a grant has opened end with it: early, or when its time is over. It refuses to let one go on whose grant
//! is not known any more.

use super::Gateway;
use portcullis_gate::ApprovalDesk;
use portcullis_model::Denial;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// So soon a session follows its grant.
const EVERY: Duration = Duration::from_secs(1);
/// What ids of grants begin with; an approval that opened a session once has another.
const GRANT: &str = "gr-";

/// Watches for as long as the gateway lives.
pub(super) fn watch(gateway: &Arc<Gateway>) {
    let gateway = Arc::downgrade(gateway);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            let Some(gateway) = Weak::upgrade(&gateway) else {
                return;
            };
            sever(&gateway);
        }
    });
}

/// Ends what has lost its grant.
pub(crate) fn sever(gateway: &Gateway) -> usize {
    let people = &gateway.people;
    gateway.reception.desk().registry.sever(|live| {
        let grant = live.session.access_request.as_deref()?;
        let over = grant.starts_with(GRANT) && people.standing(grant).is_none();
        over.then(|| {
            Denial::new("access/over", "the time that you were let in for is over")
                .hint("Ask again: `portcullis access request`.")
        })
    })
}
