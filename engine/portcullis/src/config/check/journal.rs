//! What can be wrong under `journal:`. It refuses an encryption that encrypts to nobody, and a retention that would keep
//! nothing.

use crate::config::journal::{Copies, Keeping, Payloads, SinkConfig};
use crate::config::problem::Notes;
use crate::config::schema::Config;
use crate::config::spans::Place;
use portcullis_journal::age::Recipient;
use std::collections::BTreeSet;
use std::time::Duration;

/// Checks everything below `journal:`.
pub(super) fn journal(config: &Config, place: &Place, notes: &mut Notes<'_>) {
    let keep = &config.journal;
    recipients(keep, &place.key("recipients"), notes);
    if let Some(copies) = &keep.copies {
        self::copies(copies, config, &place.key("copies"), notes);
    }
    sinks(&keep.sinks, &place.key("sinks"), notes);
    let retention = place.key("retention");
    if keep
        .retention
        .age
        .is_some_and(|age| age.0 < Duration::from_secs(3600))
    {
        notes.error(
            &retention.key("age"),
            "is shorter than an hour: nobody could look at what happened",
            "write for example `365d`; PCI DSS asks for 12 months",
        );
    }
    if keep.retention.max_mib.is_some_and(|mib| mib < 256) {
        notes.error(
            &retention.key("max_mib"),
            "is less than four segments of the record",
            "write 256 or more",
        );
    }
}

fn copies(copies: &Copies, config: &Config, place: &Place, notes: &mut Notes<'_>) {
    if !config.secrets.aws.contains_key(&copies.account) {
        notes.error(
            &place.key("account"),
            format!(
                "there is no account `{}` under `secrets.aws`",
                copies.account
            ),
            "add it there, or name another",
        );
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    let fits = (3..=63).contains(&copies.bucket.len()) && copies.bucket.chars().all(plain);
    if !fits {
        notes.error(
            &place.key("bucket"),
            "is no name of a bucket",
            "3 to 63 small letters, digits, dots and dashes",
        );
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if !copies.prefix.chars().all(plain)
        || copies.prefix.contains("..")
        || copies.prefix.starts_with('/')
    {
        notes.error(
            &place.key("prefix"),
            "holds what a name cannot",
            "letters, digits, dots, dashes and slashes, such as `gw-1/`",
        );
    }
    if copies.lock_days == Some(0) {
        notes.error(
            &place.key("lock_days"),
            "is 0: nothing would be locked",
            "leave the key out, or write for example 365",
        );
    }
    let retention = &config.journal.retention;
    let drops = retention.age.is_some() || retention.max_mib.is_some();
    if config.journal.payloads == Payloads::Clear && drops {
        notes.warning(
            place,
            "keeps payloads in clear, also those that retention drops here",
            "add `payloads: keys`: then destroying a key makes copies unreadable too",
        );
    }
    if config.journal.payloads != Payloads::Clear && drops && copies.lock_days.is_some() {
        notes.warning(
            &place.key("lock_days"),
            "needs a bucket with versions, which keeps earlier ones of `payload-keys` with the keys that retention destroys",
            "let a lifecycle rule of the bucket remove noncurrent versions of `payload-keys` after a day",
        );
    }
}

fn sinks(sinks: &[SinkConfig], place: &Place, notes: &mut Notes<'_>) {
    let mut taken = BTreeSet::new();
    for (index, sink) in sinks.iter().enumerate() {
        let place = place.index(index);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if sink.name.is_empty() || sink.name.len() > 64 || !sink.name.chars().all(plain) {
            notes.error(
                &place.key("name"),
                "is no name of a sink",
                "up to 64 letters, digits and dashes, such as `siem`",
            );
        } else if !taken.insert(sink.name.as_str()) {
            notes.error(
                &place.key("name"),
                format!("`{}` is the name of another sink", sink.name),
                "they would move each other's cursor: give each a name of its own",
            );
        }
        let kinds = [
            sink.syslog.is_some(),
            sink.http.is_some(),
            sink.otlp.is_some(),
        ];
        if kinds.iter().filter(|there| **there).count() != 1 {
            notes.error(
                &place,
                "has to be one of `syslog`, `http` and `otlp`",
                "make a sink of each",
            );
        }
        for (key, http) in [("http", &sink.http), ("otlp", &sink.otlp)] {
            if let Some(http) = http
                && portcullis_fetch::Address::parse(&http.url).is_err()
            {
                notes.error(
                    &place.key(key).key("url"),
                    "has to be https, or http to this machine",
                    "what happened is not for everybody on the way",
                );
            }
        }
    }
}

fn recipients(keep: &Keeping, place: &Place, notes: &mut Notes<'_>) {
    match (keep.payloads, keep.recipients.is_empty()) {
        (Payloads::Recipients, true) => notes.error(
            place,
            "is empty: nobody could read the record, ever",
            "name the public half of a key that `age-keygen` made and the gateway does not have",
        ),
        (Payloads::Clear | Payloads::Keys, false) => notes.error(
            place,
            "is set, and nothing is encrypted to them",
            "add `payloads: recipients`",
        ),
        _ => {}
    }
    for (index, recipient) in keep.recipients.iter().enumerate() {
        if let Err(error) = recipient.parse::<Recipient>() {
            let hint = match recipient.starts_with("AGE-SECRET-KEY") {
                true => "this is the secret half: it must not be on the gateway",
                false => "`age-keygen` prints it as the public key",
            };
            notes.error(&place.index(index), error.to_string(), hint);
        }
    }
}
