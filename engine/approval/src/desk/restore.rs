//! The desk after a restart. It takes back what was kept and nothing that was not understood: one thing that cannot be
//! read stops the gateway. Nothing gets more time than it had left.

use super::{Clocks, Desk, Hands, Settings, Shelves};
use crate::grant::Grant;
use crate::moment::Deadline;
use crate::patience::PatientLock;
use crate::request::{Ballot, Request};
use crate::review::{Delegation, Review};
use crate::store::{Kept, Shelf};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// Something kept that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("what was kept as {id} cannot be read")]
pub struct Unreadable {
    id: String,
    #[source]
    source: serde_json::Error,
}

impl Desk {
    /// The desk with what was kept. Whoever held bytes and waited when the gateway ended was refused with it.
    ///
    /// # Errors
    /// When something kept cannot be read.
    pub fn restore(
        clocks: Clocks,
        hands: Hands,
        settings: Settings,
        kept: &Kept,
    ) -> Result<Arc<Self>, Unreadable> {
        let now = clocks.now();
        let mut shelves = Shelves::default();
        for ((shelf, id), value) in &kept.things {
            match shelf {
                Shelf::Request => {
                    let request = Request::kept(read(id, value)?, kept.seen, now);
                    // A no that was kept before the end was.
                    if request
                        .votes
                        .iter()
                        .all(|vote| vote.ballot == Ballot::Approve)
                    {
                        shelves.requests.insert(id.clone(), request);
                    }
                }
                Shelf::Grant => {
                    let mut grant: Grant = read(id, value)?;
                    grant.deadline = Some(Deadline::kept(grant.until, kept.seen, now));
                    shelves.grants.insert(id.clone(), grant);
                }
                Shelf::Review => {
                    shelves
                        .reviews
                        .insert(id.clone(), read::<Review>(id, value)?);
                }
                Shelf::Delegation => {
                    shelves
                        .delegations
                        .insert(id.clone(), read::<Delegation>(id, value)?);
                }
                Shelf::Message | Shelf::Account => {}
            }
        }
        let desk = Arc::new(Self {
            clocks,
            hands,
            settings,
            shelves: PatientLock::new(shelves),
        });
        desk.sweep();
        Ok(desk)
    }
}

fn read<T: DeserializeOwned>(id: &str, value: &Value) -> Result<T, Unreadable> {
    serde_json::from_value(value.clone()).map_err(|source| Unreadable {
        id: id.to_owned(),
        source,
    })
}
