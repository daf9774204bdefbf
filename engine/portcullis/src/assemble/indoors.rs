//! Streams inside of SSH that lead to a PostgreSQL server of the configuration: found by name and by address, and served
//! by the PostgreSQL gate with the identity that the SSH login has proved.
//!
//! It refuses to be led around by another name: every name that leads to a known server here is that server, and where
//! `localhost` of an SSH target is asked for, that target is meant. What only the target's own resolver knows cannot be
//! known here; that a name means nothing here, or may mean something else there, is said.

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
    let target = match through {
        Some(through) => Some(Spot::of(&through.host).await),
        None => None,
    };
    let asked = Spot::of(&place.host).await.meant(target.as_ref());
    let (mut servers, mut found) = (Vec::new(), Vec::new());
    for candidate in candidates {
        let server = Spot::of(&candidate.host).await;
        if server.is(&asked) {
            found.push(Arc::clone(&candidate.target));
        }
        servers.push(server);
    }
    match found.is_empty() {
        false => Behind::Known(found),
        true if asked.is_elsewhere(&servers, target.as_ref()) => Behind::Other,
        true => Behind::Unresolved,
    }
}

/// A host, and where it stands as far as the gateway's resolver knows.
struct Spot<'a> {
    host: &'a str,
    at: Option<BTreeSet<IpAddr>>,
}

impl<'a> Spot<'a> {
    async fn of(host: &'a str) -> Self {
        let at = addresses(host).await;
        Self { host, at }
    }

    /// Where it leads from a target: one's own machine is the target's then, whatever that is called here, and also where
    /// the name has other addresses beside.
    fn meant(mut self, target: Option<&Self>) -> Self {
        let own = |at: &BTreeSet<IpAddr>| at.iter().any(IpAddr::is_loopback);
        if let Some(target) = target
            && self.at.as_ref().is_some_and(own)
        {
            self.at = self.at.zip(target.at.as_ref()).map(|(asked, target)| {
                let others = asked.into_iter().filter(|address| !address.is_loopback());
                others.chain(target.iter().copied()).collect()
            });
        }
        self
    }

    fn is(&self, other: &Self) -> bool {
        let shared = match (&self.at, &other.at) {
            (Some(one), Some(other)) => !one.is_disjoint(other),
            _ => false,
        };
        shared || plain(self.host) == plain(other.host)
    }

    /// True where it can be none of these servers. A target resolves names for itself, and where one of them stands on
    /// the target it may have addresses that mean nothing here.
    fn is_elsewhere(&self, servers: &[Self], target: Option<&Self>) -> bool {
        let certain = self.at.is_some() && servers.iter().all(|server| server.at.is_some());
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        certain
            && target.is_none_or(|target| {
                bare.parse::<IpAddr>().is_ok() && !servers.iter().any(|server| server.is(target))
            })
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

    fn spot<'a>(host: &'a str, at: &[&str]) -> Spot<'a> {
        let at: BTreeSet<IpAddr> = at.iter().map(|text| one(text.parse().unwrap())).collect();
        Spot {
            host,
            at: (!at.is_empty()).then_some(at),
        }
    }

    #[test]
    fn a_name_that_is_ones_own_machine_beside_others_is_the_targets_too() {
        let target = spot("web.example", &["192.0.2.10"]);
        let database = spot("db.example", &["192.0.2.10"]);
        for at in [
            ["127.0.0.1", "127.0.0.1"],
            ["127.0.0.1", "198.51.100.1"],
            ["0.0.0.0", "198.51.100.1"],
        ] {
            let asked = spot("x.example", &at).meant(Some(&target));
            assert!(asked.is(&database), "{at:?}");
        }
        // The gateway's own machine is not meant then.
        let asked = spot("127.0.0.1", &["127.0.0.1"]).meant(Some(&target));
        assert!(!asked.is(&spot("here.example", &["127.0.0.1"])));
        let nowhere = spot("127.0.0.1", &["127.0.0.1"]).meant(Some(&spot("web.example", &[])));
        assert!(nowhere.at.is_none());
    }

    #[test]
    fn what_the_target_may_know_otherwise_is_not_called_elsewhere() {
        let target = spot("web.example", &["192.0.2.10"]);
        let apart = [spot("db.example", &["192.0.2.20"])];
        let on_it = [spot("db.example", &["192.0.2.10"])];
        let unknown = [spot("db.example", &[])];
        let address = spot("198.51.100.1", &["198.51.100.1"]);
        let name = spot("other.example", &["198.51.100.1"]);
        assert!(address.is_elsewhere(&apart, Some(&target)));
        assert!(!address.is_elsewhere(&on_it, Some(&target)));
        assert!(!address.is_elsewhere(&unknown, Some(&target)));
        // What the name is for the target's resolver is the target's affair.
        assert!(!name.is_elsewhere(&apart, Some(&target)));
        assert!(name.is_elsewhere(&apart, None));
        assert!(!spot("198.51.100.1", &[]).is_elsewhere(&apart, None));
    }
}
