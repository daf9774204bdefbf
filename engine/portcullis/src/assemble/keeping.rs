//! What becomes of the record behind the data path: the index that searches read, retention, copies and sinks. It is made
//! from the configuration and asked how it is doing. Refuses nothing on behalf of sessions: what is late here keeps nobody
//! waiting, but for copies where `on_failure: block` says so.

mod collectors;
mod depot;

use super::Broken;
use crate::config::{self, Copies, Loaded, OnCopyFailure, Payloads};
use crate::paths;
use parking_lot::Mutex;
use portcullis_console::{Check, Metrics};
use portcullis_gate::Clock;
use portcullis_journal::copies::{Copier, Copying, OnFailure};
use portcullis_journal::index::{Follower, Index};
use portcullis_journal::sinks::Sink;
use portcullis_journal::{Journal, Retention, Sealing};
use portcullis_vault::Secrets;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Retention looks at the record so often: what is kept for a year may stay some hours longer.
const RETAIN_EVERY: Duration = Duration::from_secs(6 * 3600);

/// Whatever follows the record.
pub struct Keeping {
    follower: Option<Follower>,
    index: Arc<Index>,
    retention: Option<Retaining>,
    copier: Option<Copier>,
    sinks: Vec<Sink>,
}

/// Retention, on a thread of its own.
struct Retaining {
    /// What the last run came to.
    last: Arc<Mutex<String>>,
    /// Dropped, it ends the thread.
    _stop: mpsc::Sender<()>,
}

impl Keeping {
    /// Starts what is configured.
    ///
    /// # Errors
    /// When there can be no thread for it.
    pub fn start(
        loaded: &Loaded,
        journal: &Arc<Journal>,
        secrets: &Secrets,
        clock: &Clock,
    ) -> Result<Self, Broken> {
        let keep = &loaded.config.journal;
        let follower = match keep.index {
            true => Some(Follower::start(journal).map_err(Broken::Keeping)?),
            false => None,
        };
        let rules = Retention {
            age: keep.retention.age.map(|age| age.0),
            bytes: keep
                .retention
                .max_mib
                .map(|mib| mib.saturating_mul(1 << 20)),
        };
        let retention = match rules == Retention::default() {
            true => None,
            false => Some(retain(journal, rules, clock).map_err(Broken::Keeping)?),
        };
        Ok(Self {
            follower,
            index: Arc::new(Index::of(journal.dir())),
            retention,
            copier: match &keep.copies {
                Some(copies) => Some(copier(copies, journal, secrets, clock)?),
                None => None,
            },
            sinks: collectors::sinks(loaded, journal, secrets)?,
        })
    }

    /// The index. Where none is kept, it says so.
    #[must_use]
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// How everything is doing, for `status` and `/readyz`. An index that is late is still one.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let check = |name: &str, detail: String| Check {
            name: name.to_owned(),
            ok: true,
            detail,
        };
        let index = self.follower.as_ref().map(|follower| {
            let detail = match follower.failing() {
                Some(why) => format!("is not kept up: {why}"),
                None => format!("{} entries behind", follower.lag()),
            };
            check("index", detail)
        });
        let retention = self
            .retention
            .as_ref()
            .map(|retaining| check("retention", retaining.last.lock().clone()));
        let sinks = self.sinks.iter().map(|sink| {
            let standing = sink.standing();
            let remark = standing
                .remark
                .map_or_else(String::new, |r| format!("; {r}"));
            let detail = match standing.failing {
                Some(why) => format!("{} entries behind: {why}{remark}", standing.behind),
                None => format!("{} entries behind{remark}", standing.behind),
            };
            check(&format!("sink {}", sink.name()), detail)
        });
        let copies = self.copies();
        index
            .into_iter()
            .chain(retention)
            .chain(copies)
            .chain(sinks)
            .collect()
    }

    /// The same, as numbers.
    pub fn measure(&self, metrics: &Metrics) {
        if let Some(follower) = &self.follower {
            metrics.journal_behind("index", follower.lag());
        }
        for sink in &self.sinks {
            let what = format!("sink {}", sink.name());
            metrics.journal_behind(&what, sink.standing().behind);
        }
        if let Some(copier) = &self.copier {
            let backlog = copier.backlog();
            metrics.journal_copies(backlog.segments, backlog.failing_for);
        }
    }

    /// Where nobody is admitted because of them, the node is not ready.
    fn copies(&self) -> Option<Check> {
        let backlog = self.copier.as_ref()?.backlog();
        let behind = format!(
            "{} segments ({} bytes) to copy, checkpoint {} copied",
            backlog.segments, backlog.bytes, backlog.checkpoint
        );
        Some(Check {
            name: "copies".to_owned(),
            ok: !backlog.blocking,
            detail: match backlog.failing {
                Some(why) => format!("{behind}; failing for {} s: {why}", backlog.failing_for),
                None => behind,
            },
        })
    }
}

fn copier(
    copies: &Copies,
    journal: &Journal,
    secrets: &Secrets,
    clock: &Clock,
) -> Result<Copier, Broken> {
    let account = secrets.aws(&copies.account);
    let account = account.map_err(|error| Broken::Secrets(crate::cli::explain(&error)))?;
    let days = copies.lock_days.map(u64::from);
    let bucket = depot::Bucket {
        account,
        bucket: copies.bucket.clone(),
        prefix: copies.prefix.clone(),
        lock: days.map(|days| Duration::from_secs(days * 86_400)),
        clock: clock.clone(),
    };
    let copying = Copying {
        segment_every: copies.segment_every.0,
        on_failure: match copies.on_failure {
            OnCopyFailure::Warn => OnFailure::Warn,
            OnCopyFailure::Block => OnFailure::Block(copies.block_after.0),
        },
        ..Copying::default()
    };
    Copier::start(journal, Arc::new(bucket), copying).map_err(Broken::Keeping)
}

/// What payloads are recorded as.
///
/// # Errors
/// When a recipient is none.
pub(super) fn sealing(keep: &config::Keeping, state: &Path) -> Result<Sealing, Broken> {
    Ok(match keep.payloads {
        Payloads::Clear => Sealing::Clear,
        Payloads::Keys => Sealing::Node(paths::payload_key(state)),
        Payloads::Recipients => {
            let all = keep.recipients.iter().map(|recipient| recipient.parse());
            let all = all.collect::<Result<Vec<_>, _>>();
            Sealing::Recipients(all.map_err(Broken::Recipients)?)
        }
    })
}

fn retain(journal: &Arc<Journal>, rules: Retention, clock: &Clock) -> std::io::Result<Retaining> {
    let last = Arc::new(Mutex::new(
        "the record was not looked through yet".to_owned(),
    ));
    let (stop, stopped) = mpsc::channel();
    let (journal, clock, said) = (Arc::downgrade(journal), clock.clone(), last.clone());
    std::thread::Builder::new()
        .name("journal-retention".to_owned())
        .spawn(move || {
            while run(&journal, &rules, &clock, &said) {
                match stopped.recv_timeout(RETAIN_EVERY) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return,
                }
            }
        })?;
    Ok(Retaining { last, _stop: stop })
}

/// One run; false when there is no journal any more.
fn run(journal: &Weak<Journal>, rules: &Retention, clock: &Clock, last: &Mutex<String>) -> bool {
    let Some(journal) = journal.upgrade() else {
        return false;
    };
    let now = clock();
    match journal.retain(rules, now) {
        Ok(done) => {
            *last.lock() = format!(
                "payloads are kept as configured; the record was looked through at {}: {} shredded, {} held",
                now.rfc3339(),
                done.shredded,
                done.held
            );
            if done.shredded > 0 {
                tracing::info!(
                    shredded = done.shredded,
                    held = done.held,
                    freed = done.freed,
                    "payloads were shredded"
                );
            }
        }
        Err(error) => {
            tracing::error!(%error, "retention cannot do its work");
            *last.lock() = format!("nothing is shredded: {error}");
        }
    }
    true
}
