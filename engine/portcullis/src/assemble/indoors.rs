//! Streams inside of SSH that lead to a PostgreSQL server of the configuration: found by name and by address, and served
//! by the PostgreSQL gate with the identity that the SSH login has proved.
//!
//! It refuses to be led around by another name: every name that leads to a known server here is that server, and where
//! `localhost` of an SSH target is asked for, that target is meant. What only the target's own resolver knows cannot be
//! known here; that a name means nothing here is said.

use super::Gateway;
use crate::front_desk::{Connection, Reception};
use portcullis_gate::{BoxFuture, Clock, FrontDesk};
use portcullis_link::{Behind, Indoors, Inner, Place};
use portcullis_model::limits::{HANDSHAKE_MAX, INDOORS_LOOKUP_MAX};
use portcullis_model::{Fault, Protocol};
use portcullis_wire_postgres::{Listener, Postgres};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::time::timeout;

/// For one listener: cancel keys are known where they were issued.
pub(super) fn indoors(gateway: &Gateway) -> Arc<dyn Indoors> {
    Arc::new(Within {
        reception: Arc::clone(&gateway.reception),
        postgres: inner_postgres(&gateway.clock),
    })
}

fn inner_postgres(clock: &Clock) -> Postgres {
    Postgres::new(Listener {
        tls: None,
        certificate: None,
        bearer: None,
        allow_plaintext_on_loopback: false,
        clock: Arc::clone(clock),
        handshake: HANDSHAKE_MAX,
    })
}

struct Within {
    reception: Arc<Reception>,
    postgres: Postgres,
}

impl Indoors for Within {
    fn behind<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Behind> {
        Box::pin(async move {
            let serving = self.reception.desk().serving.load_full();
            let all = || serving.connections.values();
            let candidates: Vec<&Arc<Connection>> = all()
                .filter(|c| c.target.protocol == Protocol::Postgres && c.port == place.port)
                .collect();
            if candidates.is_empty() {
                return Behind::Other;
            }
            let through = place
                .through
                .as_ref()
                .and_then(|name| serving.connection(name));
            let resolved = timeout(
                INDOORS_LOOKUP_MAX,
                known(place, &candidates, through.as_deref()),
            );
            match resolved.await {
                Ok(behind) => behind,
                // The name itself is enough.
                Err(_) => by_name(place, &candidates).unwrap_or(Behind::Unresolved),
            }
        })
    }

    fn serve(self: Arc<Self>, inner: Inner) -> BoxFuture<'static, Result<(), Fault>> {
        Box::pin(async move {
            let desk: &dyn FrontDesk = &*self.reception;
            self.postgres.serve_within(inner, desk).await
        })
    }
}

async fn known(
    place: &Place,
    candidates: &[&Arc<Connection>],
    through: Option<&Connection>,
) -> Behind {
    let asked = match (addresses(&place.host).await, through) {
        // The target's own machine is meant, whatever that is called here.
        (Some(asked), Some(through)) if asked.iter().all(IpAddr::is_loopback) => {
            addresses(&through.host).await
        }
        (asked, _) => asked,
    };
    let mut found = Vec::new();
    for candidate in candidates {
        let same = match (&asked, addresses(&candidate.host).await) {
            (Some(asked), Some(there)) => !asked.is_disjoint(&there),
            _ => false,
        };
        if same || plain(&candidate.host) == plain(&place.host) {
            found.push(Arc::clone(&candidate.target));
        }
    }
    match (found.is_empty(), asked) {
        (false, _) => Behind::Known(found),
        (true, Some(_)) => Behind::Other,
        (true, None) => Behind::Unresolved,
    }
}

fn by_name(place: &Place, candidates: &[&Arc<Connection>]) -> Option<Behind> {
    let same = candidates
        .iter()
        .filter(|candidate| plain(&candidate.host) == plain(&place.host));
    let found: Vec<_> = same.map(|c| Arc::clone(&c.target)).collect();
    (!found.is_empty()).then_some(Behind::Known(found))
}

/// A name as names are compared (RFC 4343), with or without the dot of the root.
fn plain(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.to_ascii_lowercase()
}

/// Every address of a name. A machine's own are one: whoever listens on one of them as good as always listens on all.
async fn addresses(host: &str) -> Option<BTreeSet<IpAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, 0)).await.ok()?;
    let found: BTreeSet<IpAddr> = found.map(|address| one(address.ip())).collect();
    (!found.is_empty()).then_some(found)
}

fn one(address: IpAddr) -> IpAddr {
    let address = address.to_canonical();
    match address.is_loopback() || address.is_unspecified() {
        true => IpAddr::V4(Ipv4Addr::LOCALHOST),
        false => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_machine_has_many_names() {
        let own = addresses("localhost").await;
        assert!(own.is_some());
        let ways = include_str!("../../../../tests/bypass/forwards.txt");
        for line in ways
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
        {
            let (label, name) = line.split_once('\t').expect("label and name");
            let there = addresses(name).await;
            assert!(there.is_some(), "{name}");
            assert_eq!(there == own, label == "known", "{name}");
        }
        assert_eq!(addresses("no-such-name.invalid").await, None);
        assert_eq!(addresses("").await, None);
        assert_eq!(plain("DB.Example."), plain("db.example"));
    }
}
