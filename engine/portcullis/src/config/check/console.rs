//! What is wrong with `console:` beyond its shape.

use crate::config::problem::Notes;
use crate::config::schema::{Config, Wire};
use crate::config::spans::Place;
use std::time::Duration;

/// Whoever is away for longer is somebody else when they come back.
const IDLE_MAX: Duration = Duration::from_secs(12 * 3600);

pub(super) fn console(config: &Config, place: &Place, notes: &mut Notes<'_>) {
    let Some(console) = &config.console else {
        return;
    };
    if config.login.is_none() {
        notes.error(
            place,
            "stands without `login`: nobody could log in to it",
            "add `login: { url: …, providers: … }`",
        );
    }
    if !config.journal.index {
        notes.error(
            &Place::root().key("journal").key("index"),
            "is off, and `console` finds sessions, commands and approvals by it",
            "leave `index` out, which keeps one, or take `console` away",
        );
    }
    let mut listeners = config.listeners.iter();
    if !listeners.any(|l| l.protocol == Wire::Https && l.tls.is_some()) {
        notes.error(
            place,
            "needs an https listener with TLS: its cookies are for TLS alone",
            "give a listener `protocol: https` and `tls`",
        );
    }
    if console.idle.0.is_zero() || console.idle.0 > IDLE_MAX {
        notes.error(
            &place.key("idle"),
            "is no time to be away",
            "leave the key out for 30m; it is 12h at most",
        );
    }
    if console.longest.0 < console.idle.0 {
        notes.error(
            &place.key("longest"),
            "is shorter than `idle`",
            "leave the key out for 8h",
        );
    }
    if console.fresh.0.is_zero() || console.fresh.0 > console.longest.0 {
        notes.error(
            &place.key("fresh"),
            "is no time within a login",
            "leave the key out for 15m",
        );
    }
}
