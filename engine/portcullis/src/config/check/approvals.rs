//! What is wrong with `approvals:` beyond its shape: receivers that cannot be told apart, addresses that anybody could
//! read on the way, ways in without a listener.

use crate::config::approvals::{MailProtection, MailTo, TicketSystem, TicketsIn};
use crate::config::problem::Notes;
use crate::config::schema::{Config, Wire};
use crate::config::secret::SecretRef;
use crate::config::spans::Place;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// A login that is older says little about who is there.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Every reference of `approvals:` to a secret.
pub(super) fn references(config: &Config) -> Vec<(Place, &SecretRef)> {
    let place = Place::root().key("approvals");
    let written = &config.approvals;
    let mut all = Vec::new();
    for (index, hook) in written.webhooks.iter().enumerate() {
        let place = place.key("webhooks").index(index);
        all.push((place.key("secret"), &hook.secret));
    }
    if let Some(callback) = &written.callback {
        all.push((place.key("callback").key("secret"), &callback.secret));
    }
    if let Some(slack) = &written.slack {
        let place = place.key("slack");
        all.push((place.key("token"), &slack.token));
        all.push((place.key("signing_secret"), &slack.signing_secret));
    }
    for (index, mail) in written.mail.iter().enumerate() {
        let place = place.key("mail").index(index).key("password");
        all.extend(mail.password.as_ref().map(|secret| (place, secret)));
    }
    for (index, system) in written.tickets.iter().enumerate() {
        let place = place.key("tickets").index(index);
        all.push((place.key("secret"), &system.secret));
    }
    all
}

pub(super) fn approvals(config: &Config, place: &Place, notes: &mut Notes<'_>) {
    let written = &config.approvals;
    let listens = config.listeners.iter().any(|l| l.protocol == Wire::Https);
    for (there, key) in [
        (written.callback.is_some(), "callback"),
        (written.slack.is_some(), "slack"),
    ] {
        if there && !listens {
            notes.error(
                &place.key(key),
                "needs a listener that answers can come in at",
                "add a listener with `protocol: https`",
            );
        }
    }
    if written
        .portal
        .as_ref()
        .is_some_and(|url| !url.starts_with("https://"))
    {
        notes.error(
            &place.key("portal"),
            "is no https address",
            "write the console's address: https://gateway.example:6443/console",
        );
    }
    fresh(config, place, notes);
    names(config, place, notes);
    for (index, hook) in written.webhooks.iter().enumerate() {
        let place = place.key("webhooks").index(index);
        webhook(&hook.url, hook.private, &place, notes);
    }
    for (index, mail) in written.mail.iter().enumerate() {
        mails(mail, &place.key("mail").index(index), notes);
    }
    for (index, system) in written.tickets.iter().enumerate() {
        tickets(system, &place.key("tickets").index(index), notes);
    }
    if let Some(slack) = &written.slack {
        let plain = !slack.api.starts_with("https://");
        if plain && !super::issuers::trustworthy(&slack.api) {
            notes.error(
                &place.key("slack").key("api"),
                "is no https address",
                "leave the key out for https://slack.com/api",
            );
        }
    }
}

/// Somebody has to be able to vote; and who clicks in chat has logged in when the account was linked.
fn fresh(config: &Config, place: &Place, notes: &mut Notes<'_>) {
    let written = &config.approvals;
    let Some(within) = written.fresh_login.within() else {
        notes.warning(
            &place.key("fresh_login"),
            "lets any token vote that has not expired, also one that was renewed with nobody there",
            "write a time, such as 8h; keep `token` where the provider does not say when people log in (`auth_time`)",
        );
        return;
    };
    if within > DAY {
        notes.warning(
            &place.key("fresh_login"),
            "is longer than a day: whoever has got hold of a token votes with it for as long as it lasts",
            "write for example 8h, or leave the key out for 15m",
        );
    }
    if within.is_zero() {
        notes.error(
            &place.key("fresh_login"),
            "is no time: nobody could vote",
            "write for example 8h, or leave the key out for 15m",
        );
    }
    let linked_for = place.key("slack").key("linked_for");
    // Of two defaults nobody is warned.
    if let Some(slack) = &written.slack
        && slack.linked_for.0 > within
        && notes.is_written(&linked_for)
    {
        notes.warning(
            &linked_for,
            "is longer than `fresh_login`: a click counts for that time after the login that linked the account, and no longer",
            "write a longer `fresh_login`, or have people link again before they vote",
        );
    }
}

/// Each receiver's name stands in records and in the outbox: two of one name would get each other's messages.
fn names(config: &Config, place: &Place, notes: &mut Notes<'_>) {
    let written = &config.approvals;
    let hooks = written.webhooks.iter().enumerate();
    let hooks = hooks.map(|(index, hook)| ("webhooks", index, hook.name.as_str()));
    let mail = written.mail.iter().enumerate();
    let mail = mail.map(|(index, mail)| ("mail", index, mail.name.as_str()));
    let mut taken = BTreeSet::from(["slack"]);
    for (list, index, name) in hooks.chain(mail) {
        if name.trim().is_empty() || !taken.insert(name) {
            notes.error(
                &place.key(list).index(index).key("name"),
                "is no name of its own",
                "give each receiver another name; `slack` is taken",
            );
        }
    }
}

fn webhook(url: &str, private: bool, place: &Place, notes: &mut Notes<'_>) {
    let rest = url.strip_prefix("https://");
    let plain_here = private && super::issuers::trustworthy(url);
    let Some(rest) = rest.or_else(|| url.strip_prefix("http://").filter(|_| plain_here)) else {
        notes.error(
            &place.key("url"),
            "is no https address: what it says could be read, and answered by anybody",
            "write https://HOST/PATH",
        );
        return;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains('@') {
        notes.error(
            &place.key("url"),
            "names no host, or a user with it",
            "write https://HOST/PATH; messages are signed, and need no password",
        );
    }
    let bare = match host.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    // Whatever else leads here is found when it is connected to.
    let named = bare.trim_end_matches('.').to_ascii_lowercase();
    let own = named == "localhost"
        || named.ends_with(".localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|ip| !portcullis_fetch::is_public(ip));
    if own && !private {
        notes.error(
            &place.key("url"),
            "is an address of this machine or its network, which is not reached unless that is said",
            "add `private: true` to this receiver if it is meant",
        );
    }
}

fn tickets(system: &TicketsIn, place: &Place, notes: &mut Notes<'_>) {
    if !system.url.starts_with("https://") && !super::issuers::trustworthy(&system.url) {
        notes.error(
            &place.key("url"),
            "is no https address: anybody on the way could answer that a ticket is good",
            "write https://HOST",
        );
    }
    if system.prefixes.is_empty() || system.prefixes.iter().any(String::is_empty) {
        notes.error(
            &place.key("prefixes"),
            "names no beginning of a key",
            "write `prefixes: [OPS-]`",
        );
    }
    let table = system.table.as_deref();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let named = table.is_some_and(|t| !t.is_empty() && t.bytes().all(plain));
    if named != (system.kind == TicketSystem::ServiceNow) {
        notes.error(
            &place.key("table"),
            "is for ServiceNow, and needed there",
            "write for example `table: change_request` there, and leave it out for jira",
        );
    }
    let unchecked =
        system.fields.is_empty() && system.assignee.is_none() && system.window.is_none();
    if unchecked {
        notes.warning(
            place,
            "checks nothing: every ticket that exists is valid, closed ones too",
            "add `fields: { status.name: [In Progress] }`",
        );
    }
}

fn mails(mail: &MailTo, place: &Place, notes: &mut Notes<'_>) {
    let address = portcullis_approval::Mail::is_address;
    if !address(&mail.from) {
        notes.error(
            &place.key("from"),
            "is no e-mail address",
            "write one address: portcullis@example.org",
        );
    }
    if mail.to.is_empty() || !mail.to.iter().all(|to| address(to)) {
        notes.error(
            &place.key("to"),
            "lists no e-mail address, or something else",
            "write `to: [sre@example.org]`",
        );
    }
    if mail.user.is_some() != mail.password.is_some() {
        notes.error(
            &place.key("user"),
            "stands without `password`, or that without it",
            "give both, or neither",
        );
    }
    let controls = |user: &String| user.chars().any(char::is_control);
    if mail.user.as_ref().is_some_and(controls) {
        notes.error(
            &place.key("user"),
            "has a control character in it",
            "write the name that logs in at the mail server",
        );
    }
    let named = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    let written = !mail.host.is_empty() && mail.host.bytes().all(named);
    if !written && mail.host.parse::<IpAddr>().is_err() {
        notes.error(
            &place.key("host"),
            "is neither the name of a host nor an address",
            "write it alone, `host: smtp.example`, and the port as `port`",
        );
    }
    let local =
        mail.host == "localhost" || mail.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if mail.tls == MailProtection::None && !local {
        notes.error(
            &place.key("tls"),
            "is none, and the mail server is another machine: messages could be read and changed",
            "use `starttls` or `implicit`",
        );
    }
}
