//! `plugin bench`: what a plugin costs. Fuel per KiB is counted by the engine and is the same on every machine; times are
//! CPU time of this thread on this one. Refuses to be quick: the figures that CI compares must not depend on luck.

use super::read;
use super::run::read_trace;
use crate::cli::{Exit, paint};
use clap::Args;
use portcullis_sandbox::Workbench;
use portcullis_sdk::manifest::World;
use portcullis_sdk::testing::trace::{Step, Trace};
use portcullis_sdk::testing::{Instance, Subject};
use portcullis_sdk::{BatchKind, Shape};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A measurement.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis plugin bench                            the crate in this folder, after `portcullis plugin build`
  portcullis plugin bench target/badge_mask.wasm --trace fixtures/badges.trace
  portcullis plugin bench builtin:mask-pii --json | jq .fuel_per_kib

The text is made up of rows as tables hold them (names, addresses, numbers, notes), and of the trace's cells.")]
pub struct Bench {
    /// A component, or builtin:NAME; the one built in this folder when not given
    file: Option<String>,
    /// A trace whose cells stand among the rows, and whose configuration is used; the first of `fixtures` if there is one
    #[arg(long)]
    trace: Option<PathBuf>,
    /// How long is measured for each size, in milliseconds
    #[arg(long, default_value_t = 300)]
    milliseconds: u64,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Batch sizes, in bytes.
const SIZES: [usize; 4] = [64, 1024, 16 * 1024, 64 * 1024];

pub(super) fn bench(bench: &Bench) -> Result<(), Exit> {
    let file = match &bench.file {
        Some(file) => file.clone(),
        None => built_here()?,
    };
    let trace = match bench.trace.clone().or_else(first_fixture) {
        Some(path) => read_trace(&path)?,
        None => Trace {
            config: json!({}),
            steps: Vec::new(),
        },
    };
    let began = cpu();
    let workbench =
        Workbench::load(&file, &read(&file)?).map_err(|e| Exit::refused(e.to_string()))?;
    let compiled = cpu().saturating_sub(began);
    let failed = |e: String| Exit::refused(format!("{file}: {e}"));
    let config = trace.config.to_string().into_bytes();
    let (opened, memory) = opening(&workbench, &config).map_err(failed)?;
    let budget = Duration::from_millis(bench.milliseconds);
    let sizes: Result<Vec<Measured>, String> = SIZES
        .iter()
        .map(|size| match workbench.manifest().world {
            World::Masker => masked(&workbench, &config, &trace, *size, budget),
            World::Classifier => classified(&workbench, &config, &trace, *size, budget),
        })
        .collect();
    let sizes = sizes.map_err(failed)?;
    let said = json!({
        "plugin": workbench.manifest().name, "version": workbench.manifest().version,
        "sha256": workbench.inspection().digest, "bytes": workbench.inspection().size,
        "fuel_per_kib": sizes[2].fuel_per_kib(), "compile_ms": millis(compiled), "open_us": micros(opened),
        "memory_fresh_bytes": memory, "memory_used_bytes": sizes.iter().map(|s| s.memory).max(),
        "sizes": sizes.iter().map(Measured::json).collect::<Vec<_>>(),
    });
    match bench.json {
        true => Ok(paint::json(&said)?),
        false => Ok(show(&said, &sizes)?),
    }
}

fn built_here() -> Result<String, Exit> {
    let guest = portcullis_sdk::build::Guest::open(Path::new(".")).map_err(Exit::refused)?;
    let path = guest
        .folder
        .join("target")
        .join(format!("{}.wasm", guest.library));
    match path.is_file() {
        true => Ok(path.display().to_string()),
        false => Err(Exit::refused_with(
            format!("{} is not there", path.display()),
            "`portcullis plugin build` makes it",
        )),
    }
}

fn first_fixture() -> Option<PathBuf> {
    let entries = std::fs::read_dir("fixtures").ok()?.flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "trace"))
        .min()
}

/// What calls of one size cost.
struct Measured {
    size: usize,
    /// Bytes of text in one call.
    text: usize,
    fuel: u64,
    memory: usize,
    /// CPU time of each call, ascending.
    calls: Vec<Duration>,
}

impl Measured {
    fn fuel_per_kib(&self) -> u64 {
        self.fuel * 1024 / self.text.max(1) as u64
    }

    fn percentile(&self, percent: usize) -> Duration {
        let at = (self.calls.len() * percent / 100).min(self.calls.len().saturating_sub(1));
        self.calls.get(at).copied().unwrap_or_default()
    }

    fn megabytes_per_second(&self) -> f64 {
        let sum: Duration = self.calls.iter().sum();
        let bytes = self.text as f64 * self.calls.len() as f64;
        bytes / 1e6 / sum.as_secs_f64().max(1e-9)
    }

    fn json(&self) -> Value {
        json!({
            "batch_bytes": self.size, "calls": self.calls.len(), "fuel_per_kib": self.fuel_per_kib(),
            "mb_per_s": (self.megabytes_per_second() * 10.0).round() / 10.0,
            "p50_us": micros(self.percentile(50)), "p99_us": micros(self.percentile(99)),
        })
    }
}

/// The time of an instance from nothing to its stream, and its memory then.
fn opening(workbench: &Workbench, config: &[u8]) -> Result<(Duration, usize), String> {
    let mut best = Duration::MAX;
    for _ in 0..16 {
        let began = cpu();
        let instance = workbench.start(config)?;
        best = best.min(cpu().saturating_sub(began));
        drop(instance);
    }
    Ok((best, workbench.memory()))
}

fn masked(
    workbench: &Workbench,
    config: &[u8],
    trace: &Trace,
    size: usize,
    budget: Duration,
) -> Result<Measured, String> {
    let (cells, data) = rows(trace, size);
    let mut instance = workbench.start(config)?;
    let call = |instance: &mut dyn Instance| {
        instance
            .mask(BatchKind::Rows as u32, Shape::NONE, &cells, &data)
            .map(drop)
    };
    measure(workbench, &mut *instance, size, data.len(), budget, &call)
}

fn classified(
    workbench: &Workbench,
    config: &[u8],
    trace: &Trace,
    size: usize,
    budget: Duration,
) -> Result<Measured, String> {
    let requests = trace.steps.iter().filter_map(|step| match step {
        Step::Message(request) => Some(request),
        _ => None,
    });
    let known: Vec<_> = requests.collect();
    let (mut text, mut stage, mut protocol) = (String::new(), 0, 1);
    let statements = known
        .iter()
        .map(|r| r.text.as_str())
        .chain(["SELECT id, name FROM customers WHERE id = 1"]);
    let statements: Vec<&str> = statements.collect();
    for statement in statements.iter().cycle() {
        if text.len() + statement.len() + 2 > size && !text.is_empty() {
            break;
        }
        text.push_str(statement);
        text.push_str(";\n");
    }
    if let Some(first) = known.first() {
        (stage, protocol) = (first.stage as u32, first.protocol as u32);
    }
    let facts = match protocol {
        1 => serde_json::to_string(&portcullis_sql::facts(&text)).map_err(|e| e.to_string())?,
        _ => json!({"parse": "Ok", "statements": [], "secrets": []}).to_string(),
    };
    let mut instance = workbench.start(config)?;
    let call = |instance: &mut dyn Instance| {
        instance
            .classify(protocol, stage, text.as_bytes(), facts.as_bytes())
            .map(drop)
    };
    measure(workbench, &mut *instance, size, text.len(), budget, &call)
}

fn measure(
    workbench: &Workbench,
    instance: &mut dyn Instance,
    size: usize,
    text: usize,
    budget: Duration,
    call: &dyn Fn(&mut dyn Instance) -> Result<(), String>,
) -> Result<Measured, String> {
    // The first calls allocate and warm caches; fuel is that of a call after them.
    for _ in 0..3 {
        call(instance)?;
    }
    let fuel = workbench.fuel();
    let (mut calls, began) = (Vec::new(), Instant::now());
    while began.elapsed() < budget || calls.len() < 100 {
        let before = cpu();
        call(instance)?;
        calls.push(cpu().saturating_sub(before));
    }
    calls.sort_unstable();
    Ok(Measured {
        size,
        text,
        fuel,
        memory: workbench.memory(),
        calls,
    })
}

/// Rows as tables hold them, the trace's cells among them, up to a size; in the flat form of the contract.
fn rows(trace: &Trace, size: usize) -> (Vec<u32>, Vec<u8>) {
    let own = trace.steps.iter().filter_map(|step| match step {
        Step::Cells(_, cells) => Some(cells.iter().flatten().cloned()),
        _ => None,
    });
    let own: Vec<Vec<u8>> = own.flatten().filter(|cell| !cell.is_empty()).collect();
    let (mut cells, mut data, mut seed) = (Vec::new(), Vec::new(), 1u32);
    for index in 0usize.. {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let number = seed >> 8;
        let made = match index % 8 {
            0 => format!("{number}"),
            1 => format!("Customer {}", number % 997),
            2 => format!("c{number}@example.org"),
            3 => format!("{} Harbour Street, flat {}", number % 300, number % 40),
            4 => format!("{}.{:02}", number % 10_000, number % 100),
            5 => format!(
                "2026-{:02}-{:02} 08:15:{:02}",
                number % 12 + 1,
                number % 28 + 1,
                number % 60
            ),
            6 => {
                "Asked for a call back next week; the parcel had come late and without its invoice."
                    .to_owned()
            }
            _ => format!("{seed:08x}-{number:06x}"),
        };
        // One cell in sixteen is the trace's.
        let cell = match own.get(index / 16 % own.len().max(1)) {
            Some(cell) if index % 16 == 7 => cell.clone(),
            _ => made.into_bytes(),
        };
        if data.len() + cell.len() + 1 > size && !cells.is_empty() {
            return (cells, data);
        }
        let at = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let start = at(data.len());
        data.extend_from_slice(&cell);
        cells.extend([0, start, at(data.len())]);
        data.push(0);
    }
    (cells, data)
}

fn show(said: &Value, sizes: &[Measured]) -> std::io::Result<()> {
    let word = |key: &str| {
        said[key]
            .as_str()
            .map_or_else(|| said[key].to_string(), str::to_owned)
    };
    paint::say(&format!("{} {}", word("plugin"), word("version")))?;
    paint::say(&format!(
        "  fuel      {} per KiB, the same on every machine",
        word("fuel_per_kib")
    ))?;
    paint::say(&format!(
        "  open      {} us of CPU for a configured instance, without the warm ones that the gateway keeps",
        word("open_us")
    ))?;
    let kib = |key: &str| said[key].as_u64().unwrap_or(0) / 1024;
    paint::say(&format!(
        "  memory    {} KiB fresh, {} KiB after the largest batch",
        kib("memory_fresh_bytes"),
        kib("memory_used_bytes")
    ))?;
    paint::say(&format!(
        "  compile   {} ms of CPU, once per gateway and version",
        word("compile_ms")
    ))?;
    let mut table = paint::Table::new(&["BATCH", "FUEL/KIB", "MB/S", "P50", "P99", "CALLS"]);
    for size in sizes {
        table.row([
            &size_name(size.size),
            &size.fuel_per_kib().to_string(),
            &format!("{:.1}", size.megabytes_per_second()),
            &format!("{} us", micros(size.percentile(50))),
            &format!("{} us", micros(size.percentile(99))),
            &size.calls.len().to_string(),
        ]);
    }
    table.print("nothing was measured")
}

fn size_name(bytes: usize) -> String {
    match bytes {
        small if small < 1024 => format!("{small} B"),
        large => format!("{} KiB", large / 1024),
    }
}

fn micros(time: Duration) -> f64 {
    (time.as_nanos() as f64 / 10.0).round() / 100.0
}

fn millis(time: Duration) -> f64 {
    (time.as_micros() as f64 / 100.0).round() / 10.0
}

/// CPU time of this thread: on a busy machine the wall clock measures the others.
pub(in crate::cli) fn cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel fills the one structure that it is given.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    debug_assert_eq!(failed, 0, "every Linux has this clock");
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_the_same_every_time_and_hold_the_trace() {
        let trace = Trace::parse("{\"row\": [\"B-1234567\"]}").unwrap();
        let (cells, data) = rows(&trace, 1024);
        assert_eq!((cells.clone(), data.clone()), rows(&trace, 1024));
        assert!(data.len() <= 1024 && data.len() > 900);
        assert!(data.windows(9).any(|window| window == b"B-1234567"));
        let last = *cells.last().unwrap() as usize;
        assert_eq!(data.len(), last + 1);
    }

    #[test]
    fn the_clock_of_a_thread_counts_its_work_and_not_its_sleep() {
        let before = cpu();
        std::thread::sleep(Duration::from_millis(100));
        assert!(cpu().saturating_sub(before) < Duration::from_millis(50));
        let (before, began) = (cpu(), Instant::now());
        while cpu().saturating_sub(before) < Duration::from_millis(5) {
            let much_longer = Duration::from_secs(60);
            assert!(began.elapsed() < much_longer, "work is not counted");
        }
    }
}
