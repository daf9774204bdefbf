//! What is wrong with `issuers:` beyond its shape. It refuses an issuer that would vouch for the whole
//! world, and every setting under which a token proves less than it seems to.

use super::unique;
use crate::config::issuer::Issuer;
use crate::config::presets::{Preset, pins};
use crate::config::problem::Notes;
use crate::config::spans::Place;
use portcullis_model::limits;
use std::net::IpAddr;

/// Tenants of Entra that are nobody's.
const ANYBODYS: [&str; 3] = ["/common", "/organizations", "/consumers"];

pub(super) fn issuers(issuers: &[Issuer], place: &Place, notes: &mut Notes<'_>) {
    if issuers.is_empty() {
        notes.error(
            place,
            "is empty: nobody could prove who they are",
            "add an issuer; `portcullis dev-issuer` starts one for trying things out",
        );
    }
    let names = issuers.iter().map(|i| i.name.as_str());
    unique(names, "name", place, notes);
    let each = issuers.iter().map(|i| i.issuer.as_str());
    unique(each, "issuer", place, notes);
    for (index, issuer) in issuers.iter().enumerate() {
        let place = place.index(index);
        if issuer.name.contains(':') {
            notes.error(
                &place.key("name"),
                "has a colon, which ends the name of the provider where a cluster is told who acts",
                "use letters, digits and dashes",
            );
        }
        address(issuer, &place, notes);
        tokens(issuer, &place, notes);
        kinds(issuer, &place, notes);
        required(issuer, &place, notes);
    }
}

fn address(issuer: &Issuer, place: &Place, notes: &mut Notes<'_>) {
    if issuer.preset == Some(Preset::Spiffe) {
        trust_domain(issuer, place, notes);
    } else if !trustworthy(&issuer.issuer) {
        notes.error(
            &place.key("issuer"),
            "is no https address, and keys fetched in clear could be anybody's",
            "use https; plain http is accepted for 127.0.0.1 and localhost only",
        );
    }
    if ANYBODYS.iter().any(|t| {
        issuer
            .issuer
            .starts_with("https://login.microsoftonline.com")
            && issuer.issuer.contains(t)
    }) {
        notes.error(
            &place.key("issuer"),
            "is not one tenant: no token has it as its `iss`",
            "write https://login.microsoftonline.com/TENANT-ID/v2.0",
        );
    }
    if issuer.keys.is_some() && issuer.jwks_uri.is_some() {
        notes.error(
            &place.key("jwks_uri"),
            "stands beside `keys`",
            "keep one of the two ways",
        );
    }
    if issuer
        .jwks_uri
        .as_deref()
        .is_some_and(|uri| !trustworthy(uri))
    {
        notes.error(
            &place.key("jwks_uri"),
            "is no https address, and keys fetched in clear could be anybody's",
            "use https, or name a file with `keys`",
        );
    }
}

fn trust_domain(issuer: &Issuer, place: &Place, notes: &mut Notes<'_>) {
    let name = issuer.issuer.strip_prefix("spiffe://").unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        notes.error(
            &place.key("issuer"),
            "is no trust domain",
            "write `spiffe://NAME`, in lower case and without a path",
        );
    }
    if issuer.keys.is_none() && issuer.jwks_uri.is_none() {
        notes.error(
            place,
            "has no keys: a trust domain has no discovery",
            "name a file with the bundle as `keys`, or its address as `jwks_uri`",
        );
    }
}

fn tokens(issuer: &Issuer, place: &Place, notes: &mut Notes<'_>) {
    if issuer.audiences.is_empty() {
        notes.error(
            &place.key("audiences"),
            "is empty: a token that was meant for somebody else would be accepted",
            "name the audience that your tokens carry for this gateway",
        );
    }
    let both = |client: &&String| issuer.openpubkey_clients.contains(client);
    if let Some(client) = issuer.audiences.iter().find(both) {
        notes.error(
            &place.key("openpubkey_clients"),
            format!("names {client}, and so does `audiences`: its tokens, which stand in every certificate, would be good as passwords"),
            "keep a client of its own for `opkssh`, and name it here alone",
        );
    }
    if issuer.algorithms.as_ref().is_none_or(Vec::is_empty) {
        notes.error(
            &place.key("algorithms"),
            "is empty",
            "leave the key out for RS256 and ES256",
        );
    }
    if issuer.clock_skew.0 > limits::CLOCK_SKEW_MAX {
        notes.error(
            &place.key("clock_skew"),
            "is more than five minutes: expired tokens would simply be accepted",
            "let the machines ask a time server, and leave the key out for 60s",
        );
    }
}

fn kinds(issuer: &Issuer, place: &Place, notes: &mut Notes<'_>) {
    let good = issuer.kind.as_ref().is_some_and(|kind| {
        let by_rules = !kind.rules.is_empty();
        match (&kind.claim, kind.fixed) {
            (Some(_), None) => !by_rules,
            (None, Some(_)) => true,
            _ => false,
        }
    });
    if !good {
        notes.error(
            &place.key("kind"),
            "needs exactly one of `claim` and `fixed`",
            "write `kind: { fixed: human }`, or `kind: { claim: kind }` when the token says it",
        );
    }
    if issuer.kinds.as_ref().is_some_and(Vec::is_empty) {
        notes.error(
            &place.key("kinds"),
            "is empty: nobody could come from this issuer",
            "leave the key out for all kinds",
        );
    }
}

fn required(issuer: &Issuer, place: &Place, notes: &mut Notes<'_>) {
    for (claim, values) in &issuer.require {
        if claim.is_empty() || !values.say_something() {
            notes.error(
                &place.key("require"),
                format!("`{claim}` names no value that a token could have"),
                "write for example `require: { repository_owner_id: \"123456\" }`",
            );
        }
    }
    let Some(pins) = pins(&issuer.issuer) else {
        return;
    };
    if !pins.iter().any(|claim| issuer.require.contains_key(*claim)) {
        notes.error(
            place,
            "trusts an issuer that gives tokens to the whole world",
            format!(
                "pin it to your part of it with `require` and one of: {}",
                pins.join(", ")
            ),
        );
    }
}

/// True for https, and for http on the machine itself.
pub(super) fn trustworthy(issuer: &str) -> bool {
    if issuer.starts_with("https://") {
        return true;
    }
    let Some(rest) = issuer.strip_prefix("http://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let bare = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    !host.contains('@')
        && (bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}
