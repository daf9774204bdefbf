//! Asking packs in the engine: alone or together, under a timer, with panics caught, and with no more of the input
//! than they read. Engines are kept for the next decision; one that failed is thrown away.

use super::PolicySet;
use super::plan::{Group, Reads};
use crate::failure::Failure;
use crate::input::Document;
use crate::said::Said;
use portcullis_model::limits;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError, Value};
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// One decision's use of an engine.
pub(super) struct Evaluation<'s> {
    set: &'s PolicySet,
    engine: Option<Engine>,
    /// When an engine was first asked; none as long as all that was said is remembered: asking the processor costs a call.
    since: Option<Since>,
    tries: u32,
}

/// When a try began.
#[derive(Clone, Copy)]
struct Since {
    began: Instant,
    /// What the thread had used of a processor by then.
    used: Duration,
}

impl Since {
    fn now(set: &PolicySet) -> Self {
        Self {
            began: Instant::now(),
            used: (set.processor)(),
        }
    }
}

/// Tries that a decision has while the machine stalls.
const TRIES_MAX: u32 = 5;

impl<'s> Evaluation<'s> {
    pub(super) fn new(set: &'s PolicySet) -> Self {
        Self {
            set,
            engine: None,
            since: None,
            tries: 0,
        }
    }

    /// What one pack says.
    pub(super) fn alone(&mut self, document: &mut Document, index: usize) -> Result<Said, Failure> {
        let set = self.set;
        let value = self.value(document, &set.rules[index], set.packs[index].reads)?;
        Said::read(&value)
    }

    /// What all packs of a group say, in the order of the group; none when one of them cannot answer. Which one it
    /// is shows when each is asked alone.
    pub(super) fn together(
        &mut self,
        document: &mut Document,
        group: &Group,
    ) -> Option<Vec<Result<Said, Failure>>> {
        let value = self.value(document, &group.rule, group.reads).ok()?;
        let said = value.as_object().ok()?;
        let each = group.packs.iter().map(|&index| {
            let name = Value::from(&*self.set.packs[index].name);
            said.get(&name).map(Said::read)
        });
        each.collect()
    }

    /// The timer is of wall time, so that a machine that stalls looks like a slow rule: a decision has one second try, and
    /// a few more while the processor was hardly this thread's. Both are counted from the same moment: an attempt for which no
    /// time is left uses no processor, and would look like a machine that stalls.
    fn value(
        &mut self,
        document: &mut Document,
        rule: &str,
        reads: Reads,
    ) -> Result<Value, Failure> {
        let set = self.set;
        let mut since = *self.since.get_or_insert_with(|| Since::now(set));
        let input = document.value(reads.mask())?;
        loop {
            let value = self.attempt(input.clone(), rule, since.began);
            if value != Err(Failure::timeout()) {
                return value;
            }
            let used = (set.processor)().saturating_sub(since.used);
            let stalled = used < set.time / 2;
            self.tries += 1;
            if self.tries >= TRIES_MAX || (self.tries > 1 && !stalled) {
                return value;
            }
            since = Since::now(set);
            self.since = Some(since);
        }
    }

    fn attempt(&mut self, input: Value, rule: &str, began: Instant) -> Result<Value, Failure> {
        let left = self.set.time.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(Failure::timeout());
        }
        let engine = self.engine.take();
        let mut engine = engine.unwrap_or_else(|| self.set.engine());
        engine.set_input(input);
        engine.set_execution_timer_config(timer(left));
        let rule = rule.to_owned();
        let outcome = catch_unwind(AssertUnwindSafe(move || {
            let value = engine.eval_rule(rule);
            (engine, value)
        }));
        match outcome {
            Err(_) => Err(Failure::panic()),
            Ok((_, Err(error))) => Err(match error.downcast_ref::<LimitError>() {
                Some(limit) => Failure::limit(limit),
                None => Failure::error(&format!("{error:#}")),
            }),
            Ok((engine, Ok(value))) => {
                self.engine = Some(engine);
                match value {
                    Value::Undefined => Err(Failure::undefined()),
                    value => Ok(value),
                }
            }
        }
    }
}

impl Drop for Evaluation<'_> {
    fn drop(&mut self) {
        if let Some(mut engine) = self.engine.take() {
            engine.set_input(Value::Null);
            let mut idle = self.set.engines.lock();
            if idle.len() < limits::POLICY_ENGINES_MAX {
                idle.push(engine);
            }
        }
    }
}

/// What this thread has used of a processor.
pub(crate) fn processor_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

/// A timer that looks at the clock often enough for a limit of milliseconds.
pub(crate) fn timer(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig {
        limit,
        check_interval: NonZeroU32::new(64).unwrap_or(NonZeroU32::MIN),
    }
}
