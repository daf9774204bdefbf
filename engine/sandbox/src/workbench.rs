//! The author's workbench: one component, checked and compiled as the gateway does, its instances called directly
//! and metered in fuel, which counts the same on every machine. It answers the calls of the SDK's checks, so that what is
//! tested natively is tested through WebAssembly with the same code. Refuses what the loader refuses; serves nobody.

use crate::contract::{self, Batch, Column, Lifecycle, Message, Work, World};
use crate::engine;
use crate::error::{ConfigProblem, LoadError};
use crate::guest::Guest;
use crate::loader::{Inspection, inspect};
use crate::schema;
use crate::stats::Counts;
use portcullis_model::limits;
use portcullis_sdk::glue::FlatColumn;
use portcullis_sdk::manifest::World as Declared;
use portcullis_sdk::testing::{Instance, Masked, Report, Subject, stream_labels};
use portcullis_sdk::{Effect, Manifest, Object, Opinion, Risk, Rule, Verbs};
use std::cell::Cell;
use std::sync::Arc;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{Engine, Store, Trap};

/// Fuel of one call: about ten seconds of a fast machine.
const FUEL_MAX: u64 = 50_000_000_000;

/// A component on the bench.
pub struct Workbench {
    inspection: Inspection,
    engine: Engine,
    component: InstancePre<Guest>,
    memory_max: usize,
    fuel: Cell<u64>,
    memory: Cell<usize>,
}

impl Workbench {
    /// Inspects and compiles a component.
    ///
    /// # Errors
    /// What the gateway would say.
    pub fn load(name: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        let inspection = inspect(name, bytes, None)?;
        let compile = |e: wasmtime::Error| LoadError::Compile {
            name: name.to_owned(),
            detail: format!("{e:#}"),
        };
        let engine = engine::metered()?;
        let mut linker = Linker::new(&engine);
        contract::link_host(&mut linker).map_err(compile)?;
        let component = Component::from_binary(&engine, bytes).map_err(compile)?;
        let component = linker.instantiate_pre(&component).map_err(compile)?;
        let mib = inspection.manifest.limits.memory_mib;
        let mib = mib.and_then(|mib| usize::try_from(mib).ok());
        let memory_max = mib.map_or(limits::PLUGIN_MEMORY_MAX, |mib| mib.saturating_mul(1 << 20));
        Ok(Self {
            memory_max: memory_max.min(limits::PLUGIN_MEMORY_MAX),
            inspection,
            engine,
            component,
            fuel: Cell::new(0),
            memory: Cell::new(0),
        })
    }

    /// What was found in the component.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Fuel that the call before this has used.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        self.fuel.get()
    }

    /// Linear memory of the instance that was called last, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory.get()
    }

    /// What does not fit the schema in the manifest.
    #[must_use]
    pub fn misfits(&self, config: &serde_json::Value) -> Vec<ConfigProblem> {
        schema::misfits(self.inspection.manifest.config_schema.as_ref(), config)
    }

    /// A configured instance, or what the plugin has against the configuration.
    ///
    /// # Errors
    /// A failure of the plugin, in a sentence.
    pub fn configured(
        &self,
        config: &[u8],
    ) -> Result<Result<Live<'_>, Vec<ConfigProblem>>, String> {
        let counts = Arc::new(Counts::new(self.inspection.manifest.name.clone(), 0));
        let guest = Guest::new(&counts, self.memory_max);
        let mut store = Store::new(&self.engine, guest);
        store.limiter(|guest| guest);
        store.set_hostcall_fuel(limits::PLUGIN_ANSWER_BYTES_MAX);
        store.set_fuel(FUEL_MAX).map_err(|e| said(&e))?;
        let instance = self
            .component
            .instantiate(&mut store)
            .map_err(|e| said(&e))?;
        let world = World {
            version: self.inspection.version,
            masker: self.inspection.manifest.world == Declared::Masker,
        };
        let (lifecycle, work) = world
            .functions(&instance, &mut store)
            .map_err(|e| format!("its manifest says another world than it exports: {e:#}"))?;
        let mut live = Live {
            bench: self,
            store,
            lifecycle,
            work,
        };
        let configure = lifecycle.configure;
        let (answer,) = live.metered(|store| configure.call(store, (config,)))?;
        let problem = |e: contract::ConfigError| ConfigProblem {
            pointer: e.path,
            message: e.message,
        };
        Ok(match answer {
            Ok(()) => Ok(live),
            Err(errors) => Err(errors.into_iter().map(problem).collect()),
        })
    }
}

impl Subject for Workbench {
    fn manifest(&self) -> &Manifest {
        &self.inspection.manifest
    }

    fn start(&self, config: &[u8]) -> Result<Box<dyn Instance + '_>, String> {
        let mut live = self.configured(config)?.map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ConfigProblem::to_string).collect();
            format!("the configuration is refused: {}", problems.join("; "))
        })?;
        let open = live.lifecycle.open;
        live.metered(|store| open.call(store, (&stream_labels(),)))?;
        Ok(Box::new(live))
    }
}

/// An instance on the bench. After a trap it answers nothing any more.
pub struct Live<'a> {
    bench: &'a Workbench,
    store: Store<Guest>,
    lifecycle: Lifecycle,
    work: Work,
}

impl Live<'_> {
    fn metered<T>(
        &mut self,
        call: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, String> {
        self.store.set_fuel(FUEL_MAX).map_err(|e| said(&e))?;
        let answer = call(&mut self.store).map_err(|e| said(&e));
        let left = self.store.get_fuel().map_err(|e| said(&e))?;
        self.bench.fuel.set(FUEL_MAX.saturating_sub(left));
        self.bench.memory.set(self.store.data().memory());
        answer
    }
}

impl Instance for Live<'_> {
    fn schema(&mut self, serial: u32, columns: &[FlatColumn], names: &[u8]) -> Result<(), String> {
        let columns: Vec<Column> = columns
            .iter()
            .map(|c| Column {
                name_start: c.name_start,
                name_end: c.name_end,
                type_oid: c.type_oid,
                table_oid: c.table_oid,
                attnum: c.attnum,
                binary: c.binary,
            })
            .collect();
        let schema = self.lifecycle.schema;
        self.metered(|store| schema.call(store, (serial, &*columns, names)))
    }

    fn mask(
        &mut self,
        kind: u32,
        shape: u32,
        cells: &[u32],
        data: &[u8],
    ) -> Result<Masked, String> {
        let Work::Mask(mask) = self.work else {
            return Err("a classifier does not mask".to_owned());
        };
        let batch = Batch {
            kind,
            shape,
            cells,
            data,
        };
        let (answer,) = self.metered(|store| mask.call(store, (batch,)))?;
        let report = |edit: &contract::Edit| {
            let (start, len) = (edit.rep_start as usize, edit.rep_len as usize);
            let own = answer.heap.get(start..start.saturating_add(len));
            let own = own.ok_or("a replacement out of range")?;
            Ok(Report {
                cell: edit.cell,
                start: edit.start,
                end: edit.end,
                rule: edit.rule,
                hint: edit.hint,
                own: String::from_utf8(own.to_vec())
                    .map_err(|_| "a replacement that is no text")?,
            })
        };
        Ok(Masked {
            reports: answer
                .edits
                .iter()
                .map(report)
                .collect::<Result<_, &str>>()?,
            held: answer.held,
        })
    }

    fn classify(
        &mut self,
        protocol: u32,
        stage: u32,
        text: &[u8],
        facts: &[u8],
    ) -> Result<Opinion, String> {
        let Work::Classify(classify) = self.work else {
            return Err("a masker does not classify".to_owned());
        };
        let message = Message {
            protocol,
            stage,
            text,
            facts,
        };
        let (answer,) = self.metered(|store| classify.call(store, (message,)))?;
        opinion(&answer)
    }
}

/// An answer as the SDK words it.
fn opinion(answer: &contract::Classification) -> Result<Opinion, String> {
    let mut opinion = Opinion::nothing()
        .effect(match answer.effect {
            contract::Effect::Read => Effect::Read,
            contract::Effect::Write => Effect::Write,
            contract::Effect::Destroy => Effect::Destroy,
            contract::Effect::Escalate => Effect::Escalate,
            contract::Effect::Unknown => Effect::Unknown,
        })
        .risk(match answer.risk {
            contract::Risk::None => Risk::None,
            contract::Risk::Low => Risk::Low,
            contract::Risk::Medium => Risk::Medium,
            contract::Risk::High => Risk::High,
            contract::Risk::Critical => Risk::Critical,
        })
        .verbs(Verbs(answer.verbs));
    for label in strings(&answer.labels)? {
        opinion = opinion.label(label);
    }
    for finding in &answer.findings {
        let rule = u16::try_from(finding.rule).map_err(|_| "a rule beyond 65535")?;
        let range = finding.start as usize..finding.end as usize;
        opinion = opinion.finding(Rule(rule), range);
    }
    for object in strings(&answer.objects)?.chunks(4) {
        let [kind, schema, name, access] = object else {
            return Err("an object is four strings".to_owned());
        };
        opinion = opinion.object(Object {
            kind: (*kind).to_owned(),
            schema: Some((*schema).to_owned()).filter(|schema| !schema.is_empty()),
            name: (*name).to_owned(),
            write: *access == "w",
        });
    }
    Ok(opinion)
}

/// Strings, each followed by a NUL.
fn strings(bytes: &[u8]) -> Result<Vec<&str>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "an answer that is no text")?;
    match text.strip_suffix('\0') {
        Some(text) => Ok(text.split('\0').collect()),
        None if text.is_empty() => Ok(Vec::new()),
        None => Err("a string without a NUL behind it".to_owned()),
    }
}

/// Here everything is said: the messages are the author's own.
fn said(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => "it does not come to an end".to_owned(),
        Some(trap) => {
            format!("it trapped ({trap}): a panic, too much memory, or too deep a recursion")
        }
        None => format!("an answer that the contract does not allow: {error:#}"),
    }
}
