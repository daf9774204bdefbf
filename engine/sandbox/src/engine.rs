//! The one WASM engine of the process: what guests may use, how much of it, and the ticker that makes endless
//! loops end. Everything that the contract does not need is switched off: no threads, no shared memory, no GC, no
//! 64-bit memories, no component-model async.

use crate::error::LoadError;
use crate::guest::TABLE_ELEMENTS_MAX;
use portcullis_model::limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// One tick: the grain of deadlines.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// How often the ticker looks when no plugin runs. A call that starts meanwhile has so much longer.
const IDLE_TICK: Duration = Duration::from_millis(10);

/// An engine for `instances` live plugins.
pub(crate) fn engine(instances: u32) -> Result<Engine, LoadError> {
    Engine::new(&config(instances)).map_err(|e| LoadError::StartEngine(format!("{e:#}")))
}

/// An engine that counts fuel, for the author's workbench: the same features, one instance after the other.
pub(crate) fn metered() -> Result<Engine, LoadError> {
    let mut config = config(1);
    config
        .epoch_interruption(false)
        .consume_fuel(true)
        .allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config).map_err(|e| LoadError::StartEngine(format!("{e:#}")))
}

fn config(instances: u32) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits::PLUGIN_STACK_MAX)
        .async_stack_size(limits::PLUGIN_STACK_MAX + 512 * 1024)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        // Traps are named in logs; where in the plugin's code they happened is for `portcullis plugin run`.
        .wasm_backtrace_max_frames(None)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
    config
}

/// A component that wit-component makes of one module has that module and two small shims.
fn pool(instances: u32) -> PoolingAllocationConfig {
    const CORE_INSTANCES: u32 = 4;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_memories(instances)
        .max_memories_per_component(1)
        .max_memories_per_module(1)
        .total_tables(instances.saturating_mul(2))
        .max_tables_per_component(2)
        .max_tables_per_module(2)
        .table_elements(TABLE_ELEMENTS_MAX)
        .total_stacks(instances)
        .max_memory_size(limits::PLUGIN_MEMORY_MAX)
        .linear_memory_keep_resident(0)
        .max_unused_warm_slots(64);
    pool
}

/// How many plugin calls run right now.
#[derive(Debug, Default)]
pub(crate) struct InFlight(AtomicU32);

impl InFlight {
    /// Counts one call until the guard is dropped.
    pub(crate) fn enter(&self) -> Running<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Running(self)
    }
}

/// One running call.
pub(crate) struct Running<'a>(&'a InFlight);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts the ticker; it ends when the engine is gone.
pub(crate) fn start_ticker(engine: &Engine, in_flight: &Arc<InFlight>) -> Result<(), LoadError> {
    let (engine, in_flight) = (engine.weak(), in_flight.clone());
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(match in_flight.0.load(Ordering::Relaxed) {
                0 => IDLE_TICK,
                _ => TICK,
            });
        }
    };
    let named = thread::Builder::new().name("plugin-ticker".to_owned());
    named
        .spawn(tick)
        .map(drop)
        .map_err(|e| LoadError::StartEngine(format!("no thread for the ticker: {e}")))
}
