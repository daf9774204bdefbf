//! One live instance: its store, its limits, its clock. After anything but an answer it is gone: nothing here
//! can call an instance again that has trapped.

use crate::contract::{
    self, Batch, Classification, Column, Edits, Lifecycle, Message, Work, World,
};
use crate::engine::{InFlight, TICK};
use crate::error::{ConfigProblem, Failure};
use crate::stats::Counts;
use portcullis_model::{RowShape, limits};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::component::{ComponentNamedList, Instance, InstancePre, Lift, WasmList};
use wasmtime::{Engine, PoolConcurrencyLimitError, ResourceLimiter, Store, Trap, UpdateDeadline};

/// Log lines of one call.
const LOG_LINES: u32 = 8;
/// Elements of a table; what the pool has room for.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 16 * 1024;

/// What the store knows of its guest.
pub(crate) struct Guest {
    counts: Arc<Counts>,
    /// Bytes of linear memory that it may have, and has.
    memory_max: usize,
    memory: usize,
    ticks_left: u32,
    lines_left: u32,
}

impl Guest {
    /// A guest with this much memory at most, on its way to being configured.
    pub(crate) fn new(counts: &Arc<Counts>, memory_max: usize) -> Self {
        Self {
            counts: counts.clone(),
            memory_max,
            memory: 0,
            ticks_left: ticks(limits::PLUGIN_CONFIGURE_MAX),
            lines_left: LOG_LINES,
        }
    }

    /// Bytes of linear memory that it has.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    pub(crate) fn log(&mut self, code: u32, value: u64) {
        if self.lines_left > 0 {
            self.lines_left -= 1;
            tracing::debug!(plugin = %self.counts.plugin, code, value, "plugin");
        }
    }

    pub(crate) fn count(&self, counter: u32, by: u64) {
        self.counts.own(counter, by);
    }
}

/// Refusing to grow makes a guest abort, which is a trap.
impl ResourceLimiter for Guest {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let sum = self.memory.saturating_add(more);
        if sum > self.memory_max || maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.memory = sum;
        self.counts.grown(more);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX && maximum.is_none_or(|maximum| desired <= maximum))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.counts.shrunk(self.memory);
    }
}

/// The bounds of an instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) memory: usize,
    pub(crate) call: Duration,
}

/// A configured instance.
pub(crate) struct Live {
    store: Store<Guest>,
    instance: Instance,
    lifecycle: Lifecycle,
    work: Work,
    call_ticks: u32,
    told: Option<u32>,
    opened: bool,
    in_flight: Arc<InFlight>,
    counts: Arc<Counts>,
    /// When it was called last.
    used: Instant,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.counts.gone();
    }
}

/// Runs a call and accounts the time that it takes of the worker: while it yields, nothing is counted. What an
/// abandoned call has used is counted too.
async fn timed<T>(counts: &Counts, used: &mut Instant, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    poll_fn(|cx| {
        let began = Instant::now();
        let answer = call.as_mut().poll(cx);
        *used = Instant::now();
        counts.spent(used.duration_since(began));
        answer
    })
    .await
}

/// Runs one call of the guest under a deadline. A macro because the typed functions differ.
macro_rules! call {
    ($live:expr, $function:expr, $ticks:expr, $arguments:expr) => {{
        let live = $live;
        let _running = live.in_flight.enter();
        let guest = live.store.data_mut();
        (guest.ticks_left, guest.lines_left) = ($ticks, LOG_LINES);
        live.store.set_epoch_deadline(1);
        let call = $function.call_async(&mut live.store, $arguments);
        timed(&live.counts, &mut live.used, call)
            .await
            .map_err(failure)
    }};
}

impl Live {
    /// Instantiates a component. Not configured yet.
    pub(crate) async fn start(
        engine: &Engine,
        component: &InstancePre<Guest>,
        world: World,
        bounds: Bounds,
        counts: &Arc<Counts>,
        in_flight: &Arc<InFlight>,
    ) -> Result<Self, Failure> {
        let mut store = Store::new(engine, Guest::new(counts, bounds.memory));
        store.limiter(|guest| guest);
        store.set_hostcall_fuel(limits::PLUGIN_ANSWER_BYTES_MAX);
        store.epoch_deadline_callback(|mut store| {
            let guest = store.data_mut();
            guest.ticks_left = guest.ticks_left.saturating_sub(1);
            Ok(match guest.ticks_left {
                0 => UpdateDeadline::Interrupt,
                // `Yield` would be rescheduled ahead of everything else on the worker.
                _ => UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())),
            })
        });
        store.set_epoch_deadline(1);
        let running = in_flight.enter();
        let instance = component
            .instantiate_async(&mut store)
            .await
            .map_err(start_failure)?;
        drop(running);
        let (lifecycle, work) = world
            .functions(&instance, &mut store)
            .map_err(|e| Failure::World(format!("{e:#}")))?;
        counts.born();
        Ok(Self {
            store,
            instance,
            lifecycle,
            work,
            call_ticks: ticks(bounds.call),
            told: None,
            opened: false,
            in_flight: in_flight.clone(),
            counts: counts.clone(),
            used: Instant::now(),
        })
    }

    /// When it was called last.
    pub(crate) fn used(&self) -> Instant {
        self.used
    }

    /// Configures it. `Ok(Err(_))`: what the plugin has to say against the configuration.
    pub(crate) async fn configure(
        &mut self,
        json: &[u8],
    ) -> Result<Result<(), Vec<ConfigProblem>>, Failure> {
        let configure = self.lifecycle.configure;
        let ticks = ticks(limits::PLUGIN_CONFIGURE_MAX);
        let (answer,) = call!(self, configure, ticks, (json,))?;
        Ok(answer.map_err(|errors| {
            let problem = |e: contract::ConfigError| ConfigProblem {
                pointer: e.path,
                message: e.message,
            };
            errors
                .into_iter()
                .take(limits::PLUGIN_CONFIG_PROBLEMS_MAX)
                .map(problem)
                .collect()
        }))
    }

    /// Calls a function without arguments: how the state of an instrumented one is read out.
    pub(crate) async fn read<R>(&mut self, interface: &str, name: &str) -> wasmtime::Result<R>
    where
        R: 'static,
        (R,): ComponentNamedList + Lift,
    {
        let instance = self.instance;
        let function = contract::function::<(), (R,)>(&instance, &mut self.store, interface, name)?;
        let guest = self.store.data_mut();
        guest.ticks_left = ticks(limits::PLUGIN_CONFIGURE_MAX);
        self.store.set_epoch_deadline(1);
        let (value,) = function.call_async(&mut self.store, ()).await?;
        Ok(value)
    }

    /// The bytes of a list that it has answered with.
    pub(crate) fn bytes(&self, list: &WasmList<u8>) -> &[u8] {
        list.as_le_slice(&self.store)
    }

    /// Tells it once which stream it works for.
    pub(crate) async fn open(&mut self, stream: &[u8]) -> Result<(), Failure> {
        if self.opened {
            return Ok(());
        }
        self.opened = true;
        let (open, ticks) = (self.lifecycle.open, self.call_ticks);
        call!(self, open, ticks, (stream,))
    }

    /// Tells it a shape, unless it was told that one last.
    pub(crate) async fn tell(&mut self, shape: &RowShape) -> Result<(), Failure> {
        if self.told == Some(shape.serial) || shape.serial == portcullis_sdk::Shape::NONE {
            return Ok(());
        }
        self.told = Some(shape.serial);
        let mut names = Vec::new();
        let mut columns = Vec::with_capacity(shape.columns.len());
        for column in &shape.columns {
            let start = offset(names.len());
            names.extend_from_slice(column.name.as_bytes());
            columns.push(Column {
                name_start: start,
                name_end: offset(names.len()),
                type_oid: column.type_oid,
                table_oid: column.table_oid,
                attnum: i32::from(column.attnum),
                binary: u32::from(column.binary),
            });
        }
        let (schema, ticks) = (self.lifecycle.schema, self.call_ticks);
        call!(self, schema, ticks, (shape.serial, &*columns, &*names))
    }

    /// What stands in these cells.
    pub(crate) async fn mask(&mut self, batch: Batch<'_>) -> Result<Edits, Failure> {
        let Work::Mask(mask) = self.work else {
            return Err(Failure::Trap("a classifier was asked to mask".to_owned()));
        };
        let ticks = self.call_ticks;
        let (edits,) = call!(self, mask, ticks, (batch,))?;
        Ok(edits)
    }

    /// What this message does.
    pub(crate) async fn classify(
        &mut self,
        message: Message<'_>,
    ) -> Result<Classification, Failure> {
        let Work::Classify(classify) = self.work else {
            return Err(Failure::Trap("a masker was asked to classify".to_owned()));
        };
        let ticks = self.call_ticks;
        let (classification,) = call!(self, classify, ticks, (message,))?;
        Ok(classification)
    }
}

/// Bytes as the contract counts them. What is sent is bounded far below 4 GiB.
pub(crate) fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A call has at least one whole tick: it may start just before one.
fn ticks(time: Duration) -> u32 {
    let ticks = time.as_millis() / TICK.as_millis().max(1);
    u32::try_from(ticks).unwrap_or(u32::MAX).saturating_add(1)
}

/// Only the kind of a trap is kept: its text may hold what the guest was working on.
fn failure(error: wasmtime::Error) -> Failure {
    if error.is::<PoolConcurrencyLimitError>() {
        return Failure::Exhausted;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Failure::Deadline,
        Some(trap) => Failure::Trap(trap.to_string()),
        None => Failure::Trap("an answer that the contract does not allow".to_owned()),
    }
}

/// Nothing of a message is near when an instance starts: the whole error helps its author.
fn start_failure(error: wasmtime::Error) -> Failure {
    match error.is::<Trap>() || error.is::<PoolConcurrencyLimitError>() {
        true => failure(error),
        false => Failure::Trap(format!("{error:#}")),
    }
}
