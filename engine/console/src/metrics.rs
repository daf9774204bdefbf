//! What is counted. Labels come from small sets (rules, targets, kinds of failure), never from clients:
//! an unbounded label is a way to fill the collector's memory, and a name in a label is a leak.

use portcullis_model::Fault;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// How an attempt to be admitted ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Admitted.
    Admitted,
    /// Refused.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByTarget {
    target: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByAdmission {
    target: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRule {
    rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFault {
    blame: &'static str,
    doing: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPlugin {
    plugin: String,
    count: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    state: String,
}

/// The gateway's own numbers.
pub struct Metrics {
    registry: Registry,
    sessions: Family<ByTarget, Gauge>,
    admissions: Family<ByAdmission, Counter>,
    denials: Family<ByRule, Counter>,
    holds: Family<ByRule, Counter>,
    faults: Family<ByFault, Counter>,
    decision: Histogram,
    plugins: Family<ByPlugin, Gauge<f64, AtomicU64>>,
    approvals: Family<ByState, Gauge>,
    journal_well: Gauge,
    journal_behind: Family<ByState, Gauge>,
    copies_waiting: Gauge,
    copies_failing: Gauge,
    reloads: Family<ByState, Counter>,
}

/// From 5 us to about 20 ms, the bound of a decision (`limits::POLICY_TIME_MAX`).
const DECISION_BUCKETS: [f64; 13] = [
    5e-6, 1e-5, 2e-5, 4e-5, 8e-5, 1.6e-4, 3.2e-4, 6.4e-4, 1.3e-3, 2.6e-3, 5.1e-3, 1e-2, 2e-2,
];

impl Metrics {
    /// All numbers at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("portcullis"),
            sessions: Family::default(),
            admissions: Family::default(),
            denials: Family::default(),
            holds: Family::default(),
            faults: Family::default(),
            decision: Histogram::new(DECISION_BUCKETS),
            plugins: Family::default(),
            approvals: Family::default(),
            journal_well: Gauge::default(),
            journal_behind: Family::default(),
            copies_waiting: Gauge::default(),
            copies_failing: Gauge::default(),
            reloads: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("sessions", "Live sessions", self.sessions.clone());
        registry.register(
            "admissions",
            "Attempts to be admitted, by target and outcome",
            self.admissions.clone(),
        );
        registry.register("denials", "Refusals, by rule", self.denials.clone());
        registry.register(
            "holds",
            "Commands held for people, by rule",
            self.holds.clone(),
        );
        registry.register(
            "faults",
            "Failures, by whose they were and what was being done",
            self.faults.clone(),
        );
        registry.register_with_unit(
            "decision",
            "Time of one policy decision",
            Unit::Seconds,
            self.decision.clone(),
        );
        registry.register("plugin", "What the plugins count", self.plugins.clone());
        registry.register(
            "approvals",
            "Requests at the desk, by state",
            self.approvals.clone(),
        );
        registry.register(
            "journal_well",
            "1 while the record can be written, 0 when nothing may move",
            self.journal_well.clone(),
        );
        registry.register(
            "journal_behind",
            "Entries of the record that something behind it has not seen yet, by what that is",
            self.journal_behind.clone(),
        );
        registry.register(
            "journal_copies_waiting",
            "Closed segments of the record that are not copied yet",
            self.copies_waiting.clone(),
        );
        registry.register(
            "journal_copies_failing_seconds",
            "For how long the record could not be copied; 0 while it can",
            self.copies_failing.clone(),
        );
        registry.register("reloads", "Reloads, by result", self.reloads.clone());
    }

    /// The text that collectors read (OpenMetrics 1.0).
    #[must_use]
    pub fn encode(&self) -> String {
        let mut page = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }

    /// A session began.
    pub fn session_opened(&self, target: &str) {
        self.sessions.get_or_create(&by_target(target)).inc();
    }

    /// A session ended.
    pub fn session_ended(&self, target: &str) {
        self.sessions.get_or_create(&by_target(target)).dec();
    }

    /// Somebody knocked at a known target, or at none (`-`): a client's own word is no label.
    pub fn knocked(&self, target: &str, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Admitted => "admitted",
            Outcome::Refused => "refused",
        };
        let target = target.to_owned();
        self.admissions
            .get_or_create(&ByAdmission { target, outcome })
            .inc();
    }

    /// A rule said no.
    pub fn denied(&self, rule: &str) {
        self.denials.get_or_create(&by_rule(rule)).inc();
    }

    /// A rule asked for people.
    pub fn held(&self, rule: &str) {
        self.holds.get_or_create(&by_rule(rule)).inc();
    }

    /// Something broke.
    pub fn fault(&self, fault: &Fault) {
        let labels = ByFault {
            blame: fault.blame.label(),
            doing: fault.doing,
        };
        self.faults.get_or_create(&labels).inc();
    }

    /// A policy decision took this long.
    pub fn decided(&self, took: Duration) {
        self.decision.observe(took.as_secs_f64());
    }

    /// What a plugin counts by now.
    pub fn plugin(&self, plugin: &str, count: &str, value: f64) {
        let labels = ByPlugin {
            plugin: plugin.to_owned(),
            count: count.to_owned(),
        };
        self.plugins.get_or_create(&labels).set(value);
    }

    /// Requests at the desk in this state.
    pub fn approvals(&self, state: &str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.approvals.get_or_create(&by_state(state)).set(count);
    }

    /// Whether the record can be written.
    pub fn journal_well(&self, well: bool) {
        self.journal_well.set(i64::from(well));
    }

    /// How many entries of the record the index, a sink or the copies have still to see.
    pub fn journal_behind(&self, what: &str, entries: u64) {
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        self.journal_behind
            .get_or_create(&by_state(what))
            .set(entries);
    }

    /// How many segments wait to be copied, and for how many seconds that has been failing.
    pub fn journal_copies(&self, waiting: u64, failing_for: u64) {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.copies_waiting.set(number(waiting));
        self.copies_failing.set(number(failing_for));
    }

    /// A reload was tried.
    pub fn reloaded(&self, ok: bool) {
        let state = if ok { "applied" } else { "refused" };
        self.reloads.get_or_create(&by_state(state)).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn by_target(target: &str) -> ByTarget {
    ByTarget {
        target: target.to_owned(),
    }
}

fn by_rule(rule: &str) -> ByRule {
    ByRule {
        rule: rule.to_owned(),
    }
}

fn by_state(state: &str) -> ByState {
    ByState {
        state: state.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::Blame;

    #[test]
    fn what_happened_can_be_read_off_the_page() {
        let metrics = Metrics::new();
        metrics.session_opened("orders");
        metrics.knocked("orders", Outcome::Admitted);
        metrics.denied("sql/drop-database");
        metrics.fault(&Fault::bare(Blame::Plugin, "mask a batch"));
        metrics.decided(Duration::from_micros(30));
        metrics.journal_well(true);
        let page = metrics.encode();
        for line in [
            "portcullis_sessions{target=\"orders\"} 1",
            "portcullis_admissions_total{target=\"orders\",outcome=\"admitted\"} 1",
            "portcullis_denials_total{rule=\"sql/drop-database\"} 1",
            "portcullis_faults_total{blame=\"plugin\",doing=\"mask a batch\"} 1",
            "portcullis_decision_seconds_count 1",
            "portcullis_journal_well 1",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }
}
