//! What is wrong with a login to a cluster beyond its shape: ways that exclude each other, and accounts that no cluster
//! has.

use crate::config::cluster::SessionAccount;
use crate::config::problem::Notes;
use crate::config::schema::{ClusterLogin, Connection, TlsMode};
use crate::config::spans::Place;
use portcullis_model::limits;

pub(super) fn ways(
    connection: &Connection,
    cluster: &ClusterLogin,
    place: &Place,
    notes: &mut Notes<'_>,
) {
    let ways = [
        cluster.token.is_some(),
        cluster.client_certificate.is_some(),
        connection.client_certificate.is_some(),
    ];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        notes.error(
            place,
            "needs exactly one of `token`, `client_certificate` and the connection's `client_certificate`",
            "name the token of a ServiceAccount that may only impersonate, or only make tokens for `service_account`",
        );
    }
    if cluster.client_certificate.is_some() && connection.tls == TlsMode::Disable {
        notes.error(
            &place.key("client_certificate"),
            "cannot be shown without TLS",
            "use `tls: verify-full`",
        );
    }
    if let Some(account) = &cluster.service_account {
        service_account(account, connection, &place.key("service_account"), notes);
    }
}

fn service_account(
    account: &SessionAccount,
    connection: &Connection,
    place: &Place,
    notes: &mut Notes<'_>,
) {
    for (key, name) in [("namespace", &account.namespace), ("name", &account.name)] {
        if !is_name(name) {
            notes.error(
                &place.key(key),
                "is no name that a cluster would have",
                "use lower-case letters, digits, dashes and dots",
            );
        }
    }
    let plain = |text: &String| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    if !account.audiences.iter().all(plain) {
        notes.error(
            &place.key("audiences"),
            "holds an audience that no token could have",
            "leave the key out: the API server wants its own",
        );
    }
    let (ttl, least) = (account.ttl.0, limits::CLUSTER_TOKEN_TTL_MIN);
    if ttl < least || ttl > limits::CLUSTER_TOKEN_TTL_MAX || ttl.subsec_nanos() != 0 {
        notes.error(
            &place.key("ttl"),
            "is no time that a cluster gives a token for",
            "leave the key out for 10m, which is the least; it is a day at most",
        );
    }
    if connection.tls == TlsMode::Disable && !super::is_loopback(&connection.host) {
        notes.error(
            place,
            format!(
                "would have its tokens made in clear, for everybody between here and {}",
                connection.host
            ),
            "use `tls: verify-full`",
        );
    }
}

/// RFC 1123.
fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let label = |part: &str| {
        let ends = [part.bytes().next(), part.bytes().last()];
        ends.iter().all(|end| end.is_some_and(plain)) && part.bytes().all(|b| plain(b) || b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}
