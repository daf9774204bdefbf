//! A loaded set and how it is asked. Each pack is evaluated on its own, in a clone of one prepared
//! engine, under a timer and with panics caught; what cannot be evaluated says no. A set never changes:
//! a reload makes another one.

use crate::diagnostic::Diagnostic;
use crate::explain::Anatomy;
use crate::failure::Failure;
use crate::input::{Action, Document, Input, Section, Standing};
use crate::load::{self, Strictness};
use crate::merge::{self, Heard};
use crate::said::Said;
use crate::source::PackSource;
use crate::testing::{Suite, TestReport};
use lru::LruCache;
use parking_lot::Mutex;
use portcullis_gate::Question;
use portcullis_model::{Blame, Decision, Fault, Outcome, SessionId, limits};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError, Value};
use std::num::{NonZeroU32, NonZeroUsize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a pack reads of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reads {
    sections: u16,
    /// Time, history, or something that could not be told: never cached.
    volatile: bool,
}

impl Reads {
    pub(crate) fn nothing() -> Self {
        Self {
            sections: 0,
            volatile: false,
        }
    }

    pub(crate) fn of(sections: &[Section]) -> Self {
        Self {
            sections: sections.iter().fold(0, |mask, s| mask | s.bit()),
            volatile: false,
        }
    }

    pub(crate) fn everything() -> Self {
        Self {
            sections: u16::MAX,
            volatile: true,
        }
    }

    pub(crate) fn join(self, other: Self) -> Self {
        Self {
            sections: self.sections | other.sections,
            volatile: self.volatile || other.volatile,
        }
    }
}

/// The stages at which a pack can say anything at all, as far as its rules show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stages(u8);

impl Stages {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(u8::MAX);

    /// The stage of this name; none when there is no such stage, for a rule about it never holds.
    pub(crate) fn named(name: &str) -> Self {
        let all = [
            ("connect", Action::Connect),
            ("command", Action::Command),
            ("response", Action::Response),
            ("approve", Action::Approve),
        ];
        all.iter()
            .find(|(known, _)| *known == name)
            .map_or(Self::NONE, |(_, action)| Self(1 << *action as u8))
    }

    pub(crate) fn either(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn has(self, action: Action) -> bool {
        self.0 >> action as u8 & 1 == 1
    }
}

/// One pack of a set.
pub(crate) struct Pack {
    pub name: Arc<str>,
    pub dry_run: bool,
    pub entries: Vec<&'static str>,
    pub reads: Reads,
    pub stages: Stages,
}

impl Pack {
    /// The rule that holds all its sets.
    pub(crate) fn entry_name(&self) -> String {
        format!("said_{}", self.name)
    }
}

/// Packs, data and the engine that evaluates them.
pub struct PolicySet {
    prototype: Engine,
    packs: Vec<Pack>,
    rules: Vec<String>,
    revision: Arc<str>,
    /// What each pack said, by what it reads.
    cache: Mutex<LruCache<[u8; 32], Arc<Said>>>,
    /// What came of all of them, by what all of them read. Both are as good as the set, which never changes.
    outcomes: Mutex<LruCache<[u8; 32], Arc<Outcome>>>,
    standings: Mutex<LruCache<SessionId, Arc<Standing>>>,
    tests: Suite,
    anatomy: Anatomy,
    time: Duration,
}

impl PolicySet {
    /// Reads, parses, checks, compiles and tests a set. `data` becomes the document `data`.
    ///
    /// # Errors
    /// Everything that is wrong, with file, line and remedy. Nothing is loaded then.
    pub fn load(sources: &[PackSource], data: serde_json::Value) -> Result<Self, Vec<Diagnostic>> {
        let strictness = Strictness {
            bans: true,
            tests: true,
        };
        load::load(sources, data, strictness)
    }

    /// The same without running the tests: for `policy test`, which shows all of them.
    ///
    /// # Errors
    /// Like [`Self::load`].
    pub fn load_untested(
        sources: &[PackSource],
        data: serde_json::Value,
    ) -> Result<Self, Vec<Diagnostic>> {
        let strictness = Strictness {
            bans: true,
            tests: false,
        };
        load::load(sources, data, strictness)
    }

    pub(crate) fn new(
        prototype: Engine,
        packs: Vec<Pack>,
        revision: Arc<str>,
        tests: Suite,
        anatomy: Anatomy,
    ) -> Self {
        let rules = packs
            .iter()
            .map(|pack| format!("data.portcullis.entry.{}", pack.entry_name()))
            .collect();
        Self {
            prototype,
            packs,
            rules,
            revision,
            cache: Mutex::new(remembering(limits::POLICY_CACHE_MAX)),
            outcomes: Mutex::new(remembering(limits::POLICY_OUTCOMES_MAX)),
            standings: Mutex::new(remembering(limits::POLICY_STANDINGS_MAX)),
            tests,
            anatomy,
            time: limits::POLICY_TIME_MAX,
        }
    }

    /// Short digest of all modules and data.
    #[must_use]
    pub fn revision(&self) -> Arc<str> {
        Arc::clone(&self.revision)
    }

    /// Names of the packs, with whether each is on trial, in order.
    pub fn packs(&self) -> impl Iterator<Item = (&str, bool)> {
        self.packs.iter().map(|pack| (&*pack.name, pack.dry_run))
    }

    /// Its text, for explaining.
    pub(crate) fn anatomy(&self) -> &Anatomy {
        &self.anatomy
    }

    /// How many test rules it has.
    pub(crate) fn tests(&self) -> usize {
        self.tests.count()
    }

    /// Runs the test rules of all packs, without coverage.
    #[must_use]
    pub fn run_tests(&self) -> TestReport {
        self.tests.run()
    }

    /// Runs the test rules of all packs, with coverage.
    #[must_use]
    pub fn test(&self) -> TestReport {
        self.tests.run_with_coverage()
    }

    /// Decides. What a policy cannot answer is a denial that names why.
    ///
    /// # Errors
    /// When the input cannot be rendered in bounds.
    pub fn decide(&self, input: &Input<'_>) -> Result<Decision, Fault> {
        let document = Document::render(input).map_err(unrendered)?;
        self.decided(input.action, document)
    }

    /// Decides about a command: as [`Self::decide`] of its input, but what the session has in common with
    /// its commands before is not rendered again.
    ///
    /// # Errors
    /// When the input cannot be rendered in bounds.
    pub fn command(&self, question: &Question<'_>) -> Result<Decision, Fault> {
        let standing = self.standing(question).map_err(unrendered)?;
        let document = Document::command(&standing, question).map_err(unrendered)?;
        self.decided(Action::Command, document)
    }

    fn standing(&self, question: &Question<'_>) -> Result<Arc<Standing>, serde_json::Error> {
        let id = question.session.id;
        let known = self.standings.lock().get(&id).cloned();
        if let Some(known) = known.filter(|known| known.is_of(question)) {
            return Ok(known);
        }
        let fresh = Arc::new(Standing::of(question)?);
        self.standings.lock().put(id, Arc::clone(&fresh));
        Ok(fresh)
    }

    fn decided(&self, action: Action, mut document: Document) -> Result<Decision, Fault> {
        if document.bytes().len() > limits::POLICY_INPUT_BYTES_MAX {
            return Err(Fault::bare(
                Blame::Policy,
                "keep the policy input in bounds",
            ));
        }
        let outcome = self.outcome(action, &mut document);
        Ok(Decision {
            outcome,
            likeness: (action == Action::Command).then(|| document.likeness()),
            input: document.bytes().clone(),
        })
    }

    /// Decides over a recorded input document, for `policy eval` and `policy replay`.
    ///
    /// # Errors
    /// When the bytes are no input document of this version.
    pub fn decide_recorded(&self, input: &[u8]) -> Result<Decision, Fault> {
        let input: Input<'_> = serde_json::from_slice(input)
            .map_err(|e| Fault::new(Blame::Policy, "read a recorded policy input", e))?;
        if input.version != crate::input::VERSION {
            return Err(Fault::bare(
                Blame::Policy,
                "read a recorded policy input of another version",
            ));
        }
        self.decide(&input)
    }

    /// Remembered where no pack that speaks at this stage reads time or history, and every one could answer.
    fn outcome(&self, action: Action, document: &mut Document) -> Arc<Outcome> {
        let speaking = self.packs.iter().filter(|pack| pack.stages.has(action));
        let reads = speaking
            .map(|pack| pack.reads)
            .fold(Reads::of(&[Section::Action]), Reads::join);
        let key = (!reads.volatile).then(|| document.key_of_all(reads.sections));
        if let Some(known) = key.and_then(|key| self.outcomes.lock().get(&key).cloned()) {
            return known;
        }
        let heard = self.ask(action, document);
        let merged = merge::merge(action, &heard);
        let outcome = Arc::new(Outcome {
            verdict: merged.verdict,
            obligations: merged.obligations,
            reasons: merged.reasons,
            would: merged.would,
            revision: self.revision.to_string(),
        });
        if let Some(key) = key.filter(|_| heard.iter().all(|pack| pack.said.is_ok())) {
            self.outcomes.lock().put(key, Arc::clone(&outcome));
        }
        outcome
    }

    /// What every pack says that has something to say at this stage, in order.
    pub(crate) fn ask(&self, action: Action, document: &mut Document) -> Vec<Heard> {
        let mut evaluation = None;
        self.packs
            .iter()
            .enumerate()
            .filter(|(_, pack)| pack.stages.has(action))
            .map(|(index, pack)| {
                let key = (!pack.reads.volatile).then(|| document.key(index, pack.reads.sections));
                let known = key.and_then(|key| self.cache.lock().get(&key).cloned());
                let said = match known {
                    Some(said) => Ok(said),
                    None => {
                        let evaluation =
                            evaluation.get_or_insert_with(|| Evaluation::new(document));
                        let said = evaluation.pack(self, index).map(Arc::new);
                        if let (Some(key), Ok(said)) = (key, &said) {
                            self.cache.lock().put(key, Arc::clone(said));
                        }
                        said
                    }
                };
                Heard {
                    pack: Arc::clone(&pack.name),
                    dry_run: pack.dry_run,
                    said,
                }
            })
            .collect()
    }

    /// Forgets what packs have said; for benches.
    #[doc(hidden)]
    pub fn forget(&self) {
        self.cache.lock().clear();
        self.outcomes.lock().clear();
    }

    /// Gives a decision another time than a gateway does: for tools and tests, where nobody waits.
    pub fn limit(&mut self, time: Duration) {
        self.time = time;
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.cache.lock().len()
    }

    #[cfg(test)]
    pub(crate) fn speaks_at(&self, pack: &str, action: Action) -> bool {
        self.packs
            .iter()
            .any(|p| &*p.name == pack && p.stages.has(action))
    }

    #[cfg(test)]
    pub(crate) fn volatile(&self, pack: &str) -> bool {
        self.packs
            .iter()
            .any(|p| &*p.name == pack && p.reads.volatile)
    }
}

fn remembering<K: std::hash::Hash + Eq, V>(entries: usize) -> LruCache<K, V> {
    LruCache::new(NonZeroUsize::new(entries).unwrap_or(NonZeroUsize::MIN))
}

fn unrendered(error: serde_json::Error) -> Fault {
    Fault::new(Blame::Policy, "render the policy input", error)
}

/// One engine with one input, for as many packs as were not remembered.
struct Evaluation {
    input: Result<Value, Failure>,
    engine: Option<Engine>,
    began: Instant,
    again: bool,
}

impl Evaluation {
    fn new(document: &Document) -> Self {
        let input = std::str::from_utf8(document.bytes())
            .map_err(|e| Failure::error(&e.to_string()))
            .and_then(|text| {
                Value::from_json_str(text).map_err(|e| Failure::error(&e.to_string()))
            });
        Self {
            input,
            engine: None,
            began: Instant::now(),
            again: false,
        }
    }

    /// Evaluates one pack. The timer is of wall time, so that a machine that stalls looks like a slow
    /// rule: a decision has one second try.
    fn pack(&mut self, set: &PolicySet, index: usize) -> Result<Said, Failure> {
        let said = self.attempt(set, index);
        if self.again || said != Err(Failure::timeout()) {
            return said;
        }
        self.again = true;
        self.began = Instant::now();
        self.engine = None;
        self.attempt(set, index)
    }

    /// An engine that panicked is thrown away.
    fn attempt(&mut self, set: &PolicySet, index: usize) -> Result<Said, Failure> {
        let left = set.time.saturating_sub(self.began.elapsed());
        if left.is_zero() {
            return Err(Failure::timeout());
        }
        let mut engine = match self.engine.take() {
            Some(engine) => engine,
            None => {
                let mut engine = set.prototype.clone();
                engine.set_input(self.input.clone()?);
                engine
            }
        };
        engine.set_execution_timer_config(timer(left));
        let rule = set.rules[index].clone();
        let outcome = catch_unwind(AssertUnwindSafe(move || {
            let value = engine.eval_rule(rule);
            (engine, value)
        }));
        let Ok((engine, value)) = outcome else {
            return Err(Failure::panic());
        };
        self.engine = Some(engine);
        match value {
            Err(error) => Err(match error.downcast_ref::<LimitError>() {
                Some(limit) => Failure::limit(limit),
                None => Failure::error(&format!("{error:#}")),
            }),
            Ok(Value::Undefined) => Err(Failure::undefined()),
            Ok(value) => Said::read(&value),
        }
    }
}

/// A timer that looks at the clock often enough for a limit of milliseconds.
pub(crate) fn timer(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig {
        limit,
        check_interval: NonZeroU32::new(64).unwrap_or(NonZeroU32::MIN),
    }
}
