//! `policy bench`: what a decision costs, in processor time, which is what is left to measure on a
//! machine that does other things too; and what a reload costs.

use super::candidate::Candidate;
use super::record::Recorded;
use crate::cli::plugin::bench::cpu;
use crate::cli::{Exit, Whereabouts, explain, paint};
use clap::Args;
use portcullis_policy::{Input, PolicySet, builtin};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  portcullis policy bench                              the configured set, the examples of the README
  portcullis policy bench ./mine --data data.yaml --input a.json --input b.json
  portcullis policy bench --recorded                   what was recorded, up to 1,000 inputs

`uncached` forgets what packs have said before each decision; `cached` asks the same again; `reload` is
reading, checking and compiling, `tests` the set's own tests after that. Processor time of one thread.

Exit codes: 0 measured, 1 the packs or an input are wrong.";

/// Inputs taken from a record.
const RECORDED_MAX: usize = 1000;

/// A measurement.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    #[command(flatten)]
    candidate: Candidate,
    /// Files with an input document each
    #[arg(long)]
    input: Vec<PathBuf>,
    /// Take the inputs from the record
    #[arg(long)]
    recorded: bool,
    #[command(flatten)]
    record: Recorded,
    /// Decisions measured for each input
    #[arg(long, default_value_t = 200)]
    count: usize,
    #[command(flatten)]
    at: Whereabouts,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Processor time of this thread so far, in microseconds.
fn spent() -> f64 {
    cpu().as_secs_f64() * 1e6
}

struct Figures {
    each: Vec<f64>,
}

impl Figures {
    /// Processor time of each run, in batches that are long enough to be seen.
    fn of(count: usize, mut run: impl FnMut()) -> Self {
        const BATCH: usize = 10;
        let each = (0..count.div_ceil(BATCH))
            .map(|_| {
                let before = spent();
                for _ in 0..BATCH {
                    run();
                }
                (spent() - before) / BATCH as f64
            })
            .collect();
        Self { each }
    }

    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.each.clone();
        sorted.sort_by(f64::total_cmp);
        let index = (sorted.len() as f64 * share) as usize;
        let last = sorted.len().saturating_sub(1);
        sorted.get(index.min(last)).copied().unwrap_or(0.0)
    }
}

pub(super) fn bench(bench: &Bench) -> Result<(), Exit> {
    let made = bench.candidate.read(&bench.at)?;
    let began = (Instant::now(), spent());
    let set = made.load(bench.json)?;
    let reload = (
        began.0.elapsed().as_secs_f64() * 1000.0,
        (spent() - began.1) / 1000.0,
    );
    let began = spent();
    let tests = set.run_tests().results.len();
    let tested = (spent() - began) / 1000.0;
    let inputs = inputs(bench)?;
    let mut rows = Vec::new();
    for (name, input) in &inputs {
        rows.push(measure(&set, name, input, bench.count)?);
    }
    let answer = json!({
        "revision": set.revision(),
        "modules": set.outline().iter().map(|r| &r.file).collect::<std::collections::BTreeSet<_>>().len(),
        "reload_ms": reload.0, "reload_cpu_ms": reload.1, "tests": tests, "tests_cpu_ms": tested,
        "inputs": rows,
    });
    match bench.json {
        true => Ok(paint::json(&answer)?),
        false => Ok(show(&answer)?),
    }
}

fn measure(set: &PolicySet, name: &str, input: &Value, count: usize) -> Result<Value, Exit> {
    let wrong =
        |fault: portcullis_model::Fault| Exit::refused(format!("{name}: {}", explain(&fault)));
    set.decide_again(input).map_err(wrong)?;
    // A gateway has it in this form; reading JSON is no part of a decision.
    let input_read =
        Input::deserialize(input).map_err(|error| Exit::refused(format!("{name}: {error}")))?;
    let uncached = Figures::of(count, || {
        set.forget();
        let _ = set.decide(&input_read);
    });
    let cached = Figures::of(count, || {
        let _ = set.decide(&input_read);
    });
    let action = input["action"].as_str().unwrap_or_default();
    Ok(json!({
        "input": name, "action": action,
        "uncached_us": { "p50": uncached.at(0.5), "p99": uncached.at(0.99) },
        "cached_us": { "p50": cached.at(0.5), "p99": cached.at(0.99) },
    }))
}

fn inputs(bench: &Bench) -> Result<Vec<(String, Value)>, Exit> {
    let mut inputs = Vec::new();
    for path in &bench.input {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Exit::refused(format!("{name}: {error}")))?;
        let input = serde_json::from_str(&text)
            .map_err(|error| Exit::refused(format!("{name}: {error}")))?;
        inputs.push((name, input));
    }
    if bench.recorded {
        for decision in bench.record.decisions(&bench.at)?.take(RECORDED_MAX) {
            let decision = decision.map_err(|error| Exit::refused(explain(&error)))?;
            if !decision.input.is_null() {
                let name = format!("{}/{}", decision.session, decision.sequence);
                inputs.push((name, decision.input));
            }
        }
    }
    if inputs.is_empty() {
        inputs = builtin::examples();
    }
    Ok(inputs)
}

fn show(answer: &Value) -> std::io::Result<()> {
    let number = |path: &str| answer.pointer(path).and_then(Value::as_f64).unwrap_or(0.0);
    paint::say(&format!(
        "{} modules: reload {:.1} ms ({:.1} ms of processor), {} tests {:.1} ms",
        answer["modules"],
        number("/reload_ms"),
        number("/reload_cpu_ms"),
        answer["tests"],
        number("/tests_cpu_ms")
    ))?;
    let head = [
        "INPUT",
        "ACTION",
        "UNCACHED P50",
        "P99",
        "CACHED P50",
        "P99",
    ];
    let mut table = paint::Table::new(&head);
    for row in answer["inputs"].as_array().into_iter().flatten() {
        let figure = |path: &str| {
            let value = row.pointer(path).and_then(Value::as_f64).unwrap_or(0.0);
            format!("{value:.1} us")
        };
        table.row([
            row["input"].as_str().unwrap_or_default(),
            row["action"].as_str().unwrap_or_default(),
            &figure("/uncached_us/p50"),
            &figure("/uncached_us/p99"),
            &figure("/cached_us/p50"),
            &figure("/cached_us/p99"),
        ]);
    }
    table.print("there is no input")
}
