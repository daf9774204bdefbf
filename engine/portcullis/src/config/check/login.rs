//! What is wrong with `login:` beyond its shape.

use crate::config::login::Login;
use crate::config::problem::Notes;
use crate::config::schema::{Config, Wire};
use crate::config::spans::Place;
use crate::revocation::TOKEN_LIFE_MAX as REMEMBERED;
use portcullis_model::limits;
use std::collections::BTreeSet;
use std::time::Duration;

/// Nobody would notice for this long that somebody has been locked out.
const SESSION_MAX: Duration = Duration::from_secs(24 * 3600);

/// Certificates are renewed before they end; shorter ones would be renewed all the time.
const CERTIFICATE_MIN: Duration = Duration::from_secs(60);

pub(super) fn login(config: &Config, place: &Place, notes: &mut Notes<'_>) {
    let Some(login) = &config.login else {
        return;
    };
    if !config.listeners.iter().any(|l| l.protocol == Wire::Https) {
        notes.error(
            place,
            "needs a listener that browsers and `portcullis login` can reach",
            "add a listener with `protocol: https`",
        );
    }
    if !is_origin(&login.url) {
        notes.error(
            &place.key("url"),
            "is no address of an https listener",
            "write https://HOST:PORT without a path; http is for loopback only",
        );
    }
    if config.issuers.iter().any(|i| i.issuer == login.url) {
        notes.error(
            &place.key("url"),
            "is the name of an issuer: its tokens would pass for session tokens",
            "give the gateway its own name",
        );
    }
    times(login, place, notes);
    certificates(login, place, notes);
    let mut names: BTreeSet<&str> = config.issuers.iter().map(|i| i.name.as_str()).collect();
    for (index, saml) in login.saml.iter().enumerate() {
        let place = place.key("saml").index(index);
        let issuer = config.issuers.iter().any(|i| i.issuer == saml.entity);
        if issuer || saml.entity == login.url || saml.entity.is_empty() {
            notes.error(
                &place.key("entity"),
                "is no name of its own: its people would pass for those of an issuer",
                "write the provider's entity id",
            );
        }
        if !names.insert(&saml.name) {
            notes.error(
                &place.key("name"),
                format!("`{}` is taken", saml.name),
                "give each its own",
            );
        }
    }
    for (index, provider) in login.providers.iter().enumerate() {
        let place = place.key("providers").index(index);
        if !config.issuers.iter().any(|i| i.name == provider.issuer) {
            notes.error(
                &place.key("issuer"),
                format!("`{}` is none of `issuers`", provider.issuer),
                "name the issuer whose tokens verify the login",
            );
        }
    }
}

/// How long tokens are good, and logins go on.
fn times(login: &Login, place: &Place, notes: &mut Notes<'_>) {
    if login.session.0.is_zero() || login.session.0 > SESSION_MAX {
        notes.error(
            &place.key("session"),
            "is no time for a token to be good",
            "leave the key out for 1h; it is a day at most",
        );
    }
    if login.longest.0 < login.session.0 {
        notes.error(
            &place.key("longest"),
            "is shorter than `session`",
            "leave the key out for 12h",
        );
    }
    if login.longest.0 > REMEMBERED {
        notes.error(
            &place.key("longest"),
            "is longer than it is remembered that a login was ended: it would go on after that",
            "write 90d at most",
        );
    }
}

fn certificates(login: &Login, place: &Place, notes: &mut Notes<'_>) {
    if let Some(certificates) = &login.certificates
        && (certificates.ttl.0 < CERTIFICATE_MIN
            || certificates.ttl.0 > limits::CERTIFICATE_TTL_MAX)
    {
        notes.error(
            &place.key("certificates").key("ttl"),
            "is no time for a certificate to be good",
            "leave the key out for 1h; it is a minute at least and 12h at most",
        );
    }
}

/// Listeners that take tokens by OAUTHBEARER.
pub(super) fn oauth(config: &Config, place: &Place, notes: &mut Notes<'_>) {
    for (index, listener) in config.listeners.iter().enumerate() {
        let Some(oauth) = &listener.oauth else {
            continue;
        };
        let place = place.index(index).key("oauth");
        if listener.protocol != Wire::Postgres {
            notes.error(
                &place,
                "is for listeners with `protocol: postgres`",
                "remove the key: other protocols have a place for tokens",
            );
        }
        if !config.issuers.iter().any(|i| i.name == oauth.issuer) {
            notes.error(
                &place.key("issuer"),
                format!("`{}` is none of `issuers`", oauth.issuer),
                "name the issuer that clients get their tokens from",
            );
        }
    }
}

/// `https://host:port`, or http to loopback; nothing behind it.
fn is_origin(url: &str) -> bool {
    let secure = url.strip_prefix("https://");
    let rest = secure
        .or_else(|| url.strip_prefix("http://"))
        .unwrap_or_default();
    let bare = !rest.is_empty() && !rest.contains(['/', '?', '#', '@', '\\', ' ']);
    bare && (secure.is_some() || super::issuers::trustworthy(url))
}
