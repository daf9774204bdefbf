//! A configured instance as a component of its own: its memory, as `configure` left it, becomes the data that the next
//! instances begin with, shared until they write to it. Opening one then costs microseconds and builds no automaton.
//!
//! A snapshot is made of bytes that were verified and of a configuration that was accepted, and is kept under a key
//! of both, with the MAC of every artifact. Refuses to be half right: whatever goes wrong, the plugin goes on as it is.

use crate::contract::World;
use crate::engine::InFlight;
use crate::error::listed;
use crate::guest::{Bounds, Guest, Live};
use crate::stats::Counts;
use aws_lc_rs::digest;
use std::sync::Arc;
use wasmtime::Engine;
use wasmtime::component::{Component, ComponentNamedList, Lift, Linker, WasmList};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

/// What an artifact of a snapshot is kept under.
pub(crate) fn key(component: &str, config: &[u8]) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"portcullis/snapshot/v1\n");
    hash.update(component.as_bytes());
    hash.update(b"\n");
    hash.update(config);
    hex::encode(hash.finish())
}

/// What it takes to make one.
pub(crate) struct Maker<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) linker: &'a Linker<Guest>,
    pub(crate) world: World,
    pub(crate) bounds: Bounds,
    pub(crate) in_flight: &'a Arc<InFlight>,
}

impl Maker<'_> {
    /// The component that is configured already. Compiles: seconds of processor time, for a thread of its own.
    pub(crate) fn make(&self, bytes: &[u8], config: &[u8]) -> Result<Vec<u8>, String> {
        let says = |e: wasmtime::Error| format!("{e:#}");
        let wizer = Wizer::new();
        let (plan, instrumented) = wizer.instrument_component(bytes).map_err(says)?;
        let component = Component::from_binary(self.engine, &instrumented).map_err(says)?;
        let component = self.linker.instantiate_pre(&component).map_err(says)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|e| e.to_string())?;
        runtime.block_on(async {
            // Counted nowhere: it serves no stream.
            let counts = Arc::new(Counts::new("(snapshot)".to_owned(), 0));
            let started = Live::start(
                self.engine,
                &component,
                self.world,
                self.bounds,
                &counts,
                self.in_flight,
            );
            let mut live = started.await.map_err(|e| e.to_string())?;
            let configured = live.configure(config).await.map_err(|e| e.to_string())?;
            configured.map_err(|problems| listed(&problems))?;
            let mut state = State { live, broken: None };
            let snapshot = wizer
                .snapshot_component(&plan, &mut state)
                .await
                .map_err(says)?;
            match state.broken {
                None => Ok(snapshot),
                Some(why) => Err(why),
            }
        })
    }
}

/// The instance as its state is read out. The library takes no error: the first one is kept, and spoils the whole.
struct State {
    live: Live,
    broken: Option<String>,
}

impl State {
    async fn read<R>(&mut self, instance: &str, function: &str) -> Option<R>
    where
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        let read = self.live.read::<R>(instance, function).await;
        read.map_err(|e| {
            self.broken
                .get_or_insert(format!("{function}: {e:#}"))
                .clone()
        })
        .ok()
    }
}

impl ComponentInstanceState for State {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        match self.read::<WasmList<u8>>(instance, func).await {
            Some(list) => contents(self.live.bytes(&list)),
            None => contents(&[]),
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read(instance, func).await.unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read(instance, func).await.unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read::<f32>(instance, func)
            .await
            .unwrap_or_default()
            .to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read::<f64>(instance, func)
            .await
            .unwrap_or_default()
            .to_bits()
    }
}
