//! A loaded set and how it is asked. Packs are evaluated in a clone of one prepared engine, under a timer and with
//! panics caught; what cannot be evaluated says no. What is remembered is as good as the set, which never changes:
//! a reload makes another one.

mod evaluation;
mod plan;

pub(crate) use evaluation::{processor_time, timer};
pub(crate) use plan::{Entry, Occasion, Occasions, Pack, Plan, Reads};

use crate::diagnostic::Diagnostic;
use crate::explain::Anatomy;
use crate::failure::Failure;
use crate::input::{Action, ConsoleQuestion, Document, Input, Standing};
use crate::load::{self, Strictness};
use crate::merge::{self, Heard, Roles};
use crate::said::Said;
use crate::source::PackSource;
use crate::testing::{Suite, TestReport};
use evaluation::Evaluation;
use lru::LruCache;
use parking_lot::Mutex;
use plan::Group;
use portcullis_gate::Question;
use portcullis_model::{Blame, Decision, Fault, Outcome, SessionId, limits};
use regorus::Engine;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// What a pack says, or why it cannot.
type Answer = Result<Arc<Said>, Failure>;

/// What came of all packs, and what those of them said that read time or history.
type Known = (Vec<Arc<Said>>, Arc<Outcome>);

/// Packs, data and the engine that evaluates them.
pub struct PolicySet {
    prototype: Engine,
    /// Engines that have answered before: a clone costs more than the input that they have to forget.
    engines: Mutex<Vec<Engine>>,
    packs: Vec<Pack>,
    plan: Plan,
    rules: Vec<String>,
    revision: Arc<str>,
    /// What each pack said, by what it reads.
    cache: Mutex<LruCache<[u8; 32], Arc<Said>>>,
    /// What came of all of them, by what all of them read but time and history.
    outcomes: Mutex<LruCache<[u8; 32], Known>>,
    standings: Mutex<LruCache<SessionId, Arc<Standing>>>,
    tests: Suite,
    anatomy: Anatomy,
    time: Duration,
    /// What a thread has used of a processor.
    processor: fn() -> Duration,
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
        plan: Plan,
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
            engines: Mutex::new(Vec::new()),
            packs,
            plan,
            rules,
            revision,
            cache: Mutex::new(remembering(limits::POLICY_CACHE_MAX)),
            outcomes: Mutex::new(remembering(limits::POLICY_OUTCOMES_MAX)),
            standings: Mutex::new(remembering(limits::POLICY_STANDINGS_MAX)),
            tests,
            anatomy,
            time: limits::POLICY_TIME_MAX,
            processor: processor_time,
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

    /// The packs that are signed bundles, each with the SHA-256 of the public key (DER) that has signed it: for the record.
    #[must_use]
    pub fn signers(&self) -> serde_json::Value {
        let signed = self.packs.iter().filter_map(|pack| {
            let key = pack.signed_by.as_ref()?;
            Some((pack.name.to_string(), serde_json::json!(key)))
        });
        serde_json::Value::Object(signed.collect())
    }

    /// All modules and data that decide, for the record: what a revision stands for.
    #[must_use]
    pub fn snapshot(&self) -> serde_json::Value {
        let sources = self.prototype.get_policies().unwrap_or_default();
        let modules: Vec<_> = sources
            .iter()
            .map(|source| serde_json::json!({"path": source.get_path(), "text": source.get_contents()}))
            .collect();
        let packs: Vec<_> = self
            .packs()
            .map(|(name, trial)| serde_json::json!({"name": name, "dry_run": trial}))
            .collect();
        let mut snapshot = serde_json::json!({
            "revision": &*self.revision, "packs": packs, "modules": modules,
            "data": serde_json::to_value(self.prototype.get_data()).unwrap_or_default(),
        });
        if snapshot.to_string().len() > limits::POLICY_SNAPSHOT_BYTES_MAX {
            snapshot["data"] = serde_json::json!("too long for the record");
        }
        snapshot
    }

    /// The packs that are about this stage and protocol, whoever asks and whatever is configured.
    pub(crate) fn concerned(&self, occasion: Occasion) -> impl Iterator<Item = &str> {
        let packs = self.packs.iter();
        packs
            .filter(move |pack| pack.concerns(occasion))
            .map(|pack| &*pack.name)
    }

    /// Its text, for explaining.
    pub(crate) fn anatomy(&self) -> &Anatomy {
        &self.anatomy
    }

    /// How many test rules it has.
    #[must_use]
    pub fn test_count(&self) -> usize {
        self.tests.count()
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
        let occasion = Occasion::of(input);
        self.decided(occasion, document)
    }

    /// Decides about a command: as [`Self::decide`] of its input, but what the session has in common with
    /// its commands before is not rendered again.
    ///
    /// # Errors
    /// When the input cannot be rendered in bounds.
    pub fn command(&self, question: &Question<'_>) -> Result<Decision, Fault> {
        let standing = self.standing(question).map_err(unrendered)?;
        let document = Document::command(&standing, question).map_err(unrendered)?;
        let occasion = Occasion::command(question.session);
        self.decided(occasion, document)
    }

    /// The roles of somebody in the console.
    ///
    /// # Errors
    /// When the input cannot be rendered in bounds; then there is none.
    pub fn console(&self, question: &ConsoleQuestion<'_>) -> Result<Roles, Fault> {
        let input = Input::console(question);
        let mut document = Document::render(&input).map_err(unrendered)?;
        if document.bytes().len() > limits::POLICY_INPUT_BYTES_MAX {
            return Err(Fault::bare(
                Blame::Policy,
                "keep the policy input in bounds",
            ));
        }
        let heard = self.ask(Occasion::of(&input), &mut document);
        Ok(merge::roles(&heard, self.revision()))
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

    fn decided(&self, occasion: Occasion, mut document: Document) -> Result<Decision, Fault> {
        if document.bytes().len() > limits::POLICY_INPUT_BYTES_MAX {
            return Err(Fault::bare(
                Blame::Policy,
                "keep the policy input in bounds",
            ));
        }
        let outcome = self.outcome(occasion, &mut document);
        Ok(Decision {
            outcome,
            likeness: (occasion.action == Action::Command).then(|| document.likeness()),
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

    /// Remembered under what is read but time and history. Packs that read those are asked anew each time, and when
    /// they say what they said before, what came of it is the same.
    fn outcome(&self, occasion: Occasion, document: &mut Document) -> Arc<Outcome> {
        let group = self.plan.group(occasion);
        let key = document.key_of_group(group.number, group.steady.mask());
        let mut evaluation = Evaluation::new(self);
        let known = self.outcomes.lock().get(&key).cloned();
        let mut anew = Vec::new();
        if let Some((said, outcome)) = known {
            anew = self.anew(group, document, &mut evaluation);
            let same = |(said, heard): (&Arc<Said>, &(usize, Answer))| heard.1.as_ref() == Ok(said);
            if said.len() == anew.len() && said.iter().zip(&anew).all(same) {
                return outcome;
            }
        }
        let heard = self.heard(group, document, &mut evaluation, anew);
        let merged = merge::merge(occasion.action, &heard);
        let outcome = Arc::new(Outcome {
            verdict: merged.verdict,
            obligations: merged.obligations,
            reasons: merged.reasons,
            would: merged.would,
            revision: self.revision.to_string(),
        });
        if heard.iter().all(|pack| pack.said.is_ok()) {
            let changing = group.packs.iter().zip(&heard);
            let changing = changing.filter(|(index, _)| group.changing.contains(index));
            let said = changing.filter_map(|(_, heard)| heard.said.clone().ok());
            self.outcomes
                .lock()
                .put(key, (said.collect(), Arc::clone(&outcome)));
        }
        outcome
    }

    /// What every pack says that has something to say on this occasion, in order.
    pub(crate) fn ask(&self, occasion: Occasion, document: &mut Document) -> Vec<Heard> {
        let group = self.plan.group(occasion);
        self.heard(group, document, &mut Evaluation::new(self), Vec::new())
    }

    /// What the packs of a group say that read time or history.
    fn anew(
        &self,
        group: &Group,
        document: &mut Document,
        evaluation: &mut Evaluation<'_>,
    ) -> Vec<(usize, Answer)> {
        let each = group.changing.iter();
        each.map(|&index| (index, evaluation.alone(document, index).map(Arc::new)))
            .collect()
    }

    /// What the packs of a group say, in order; some have been asked already.
    fn heard(
        &self,
        group: &Group,
        document: &mut Document,
        evaluation: &mut Evaluation<'_>,
        mut asked: Vec<(usize, Answer)>,
    ) -> Vec<Heard> {
        let mut keys = vec![None; self.packs.len()];
        for &index in &group.packs {
            let reads = self.packs[index].reads;
            if reads.changing() {
                continue;
            }
            let key = document.key(index, reads.mask());
            match self.cache.lock().get(&key) {
                Some(said) => asked.push((index, Ok(Arc::clone(said)))),
                None => keys[index] = Some(key),
            }
        }
        // Together they cost about what a third of them cost alone: what packs share is worked out once.
        if (group.packs.len() - asked.len()) * 3 > group.packs.len()
            && let Some(all) = evaluation.together(document, group)
        {
            asked = group
                .packs
                .iter()
                .copied()
                .zip(all.into_iter().map(|said| said.map(Arc::new)))
                .collect();
        }
        let mut heard = Vec::with_capacity(group.packs.len());
        for &index in &group.packs {
            let known = asked.iter().find(|(known, _)| *known == index);
            let said = match known {
                Some((_, said)) => said.clone(),
                None => evaluation.alone(document, index).map(Arc::new),
            };
            if let (Some(key), Ok(said)) = (keys[index], &said) {
                self.cache.lock().put(key, Arc::clone(said));
            }
            heard.push(Heard {
                pack: Arc::clone(&self.packs[index].name),
                dry_run: self.packs[index].dry_run,
                said,
            });
        }
        heard
    }

    /// An engine with the rules and data of this set.
    fn engine(&self) -> Engine {
        let idle = self.engines.lock().pop();
        idle.unwrap_or_else(|| self.prototype.clone())
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

    /// Another clock of the processor.
    #[cfg(test)]
    pub(crate) fn clock(&mut self, processor: fn() -> Duration) {
        self.processor = processor;
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.cache.lock().len()
    }

    /// What each pack says when it is asked about all of its sets, alone.
    #[cfg(test)]
    pub(crate) fn each_alone(&self, occasion: Occasion, document: &mut Document) -> Vec<Answer> {
        let mut evaluation = Evaluation::new(self);
        let packs = self.plan.group(occasion).packs.iter();
        packs
            .map(|&index| evaluation.alone(document, index).map(Arc::new))
            .collect()
    }

    /// What the engine makes of a set of a pack, whoever is asked about what.
    #[cfg(test)]
    pub(crate) fn evaluated(
        &self,
        pack: &str,
        entry: &str,
        document: &mut Document,
    ) -> regorus::Value {
        let mut engine = self.prototype.clone();
        engine.set_input(document.value(Reads::everything().mask()).unwrap());
        let rule = format!("data.portcullis.packs.{pack}.{entry}");
        engine.eval_rule(rule).unwrap()
    }

    /// Whether a pack is asked on an occasion.
    #[cfg(test)]
    pub(crate) fn asks(&self, pack: &str, occasion: Occasion) -> bool {
        let mut packs = self.packs.iter();
        packs.any(|p| &*p.name == pack && p.speaks(occasion))
    }

    /// The rule that is asked before a set of a pack.
    #[cfg(test)]
    pub(crate) fn gate(&self, pack: &str, entry: &str) -> Option<&str> {
        let pack = self.packs.iter().find(|p| &*p.name == pack)?;
        pack.entries
            .iter()
            .find(|e| e.name == entry)?
            .gate
            .as_deref()
    }

    #[cfg(test)]
    pub(crate) fn speaks_at(&self, pack: &str, action: Action) -> bool {
        self.speaks_over(pack, action, portcullis_model::Protocol::Postgres)
    }

    #[cfg(test)]
    pub(crate) fn speaks_over(
        &self,
        pack: &str,
        action: Action,
        protocol: portcullis_model::Protocol,
    ) -> bool {
        use portcullis_model::Kind;
        let occasion = |kind| Occasion {
            action,
            protocol,
            kind,
            delegated: false,
        };
        let mut packs = self.packs.iter();
        packs.any(|p| {
            &*p.name == pack
                && [Kind::Human, Kind::Agent]
                    .iter()
                    .any(|k| p.speaks(occasion(*k)))
        })
    }

    #[cfg(test)]
    pub(crate) fn volatile(&self, pack: &str) -> bool {
        self.packs
            .iter()
            .any(|p| &*p.name == pack && p.reads.changing())
    }
}

fn remembering<K: std::hash::Hash + Eq, V>(entries: usize) -> LruCache<K, V> {
    LruCache::new(NonZeroUsize::new(entries).unwrap_or(NonZeroUsize::MIN))
}

fn unrendered(error: serde_json::Error) -> Fault {
    Fault::new(Blame::Policy, "render the policy input", error)
}
