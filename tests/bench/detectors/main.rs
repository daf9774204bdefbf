//! How fast the first-party detectors are: in the sandbox and natively, one and both, beside Presidio and detect-secrets on
//! the same input in the same run. Processor time of the thread that works, as the kernel accounts it; the best of
//! several rounds. It refuses to compare with a detector that found nothing: the values in the input are counted.

mod input;
mod peers;

use anyhow::{Context, Result, ensure};
use input::Input;
use portcullis_model::verdict::EntityRule;
use portcullis_model::{Batch, Obligations, Protocol, Strategy};
use portcullis_sandbox::{PluginSpec, Sandbox, Settings};
use portcullis_sdk::glue::{Lifecycle, MaskerGlue};
use portcullis_sdk::{Described, Masker, Shape};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Rounds of each; the best counts.
const ROUNDS: usize = 7;

/// The kinds that Presidio's patterns know as well.
const TWELVE: [&str; 12] = [
    "EMAIL",
    "CARD",
    "IBAN",
    "SSN",
    "PHONE",
    "IP",
    "ITIN",
    "NHS",
    "DNI",
    "CODICE_FISCALE",
    "IN_PAN",
    "PESEL",
];

/// One line of the table.
struct Line {
    name: String,
    rates: Vec<Option<f64>>,
    found: Vec<usize>,
}

fn main() -> Result<()> {
    // `cargo bench` passes `--bench`.
    let quick = std::env::args().any(|a| a == "--quick");
    let inputs = input::all();
    let mut lines = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for (name, plugins, kinds) in [
        ("mask-secrets", vec!["mask-secrets"], None),
        ("mask-pii", vec!["mask-pii"], None),
        ("mask-pii, 12 kinds", vec!["mask-pii"], Some(TWELVE)),
        ("both", vec!["mask-secrets", "mask-pii"], None),
    ] {
        let name = format!("{name}, wasm");
        lines.push(runtime.block_on(sandboxed(&name, &plugins, kinds, &inputs))?);
    }
    lines.push(native::<portcullis_plugin_mask_secrets::MaskSecrets>(
        "mask-secrets, native",
        &inputs,
    )?);
    lines.push(native::<portcullis_plugin_mask_pii::MaskPii>(
        "mask-pii, native",
        &inputs,
    )?);
    if !quick {
        for peer in peers::all()? {
            lines.push(peer.measure(&inputs)?);
        }
    }
    let table = table(&lines, &inputs);
    println!("{table}");
    let file = workspace().join("tests/bench/detectors.md");
    std::fs::write(&file, table).with_context(|| format!("write {}", file.display()))
}

fn workspace() -> PathBuf {
    portcullis_tests::world::workspace()
}

/// The plugins in the sandbox, as the gateway calls them: batches of 64 KiB, everything chosen.
async fn sandboxed(
    name: &str,
    plugins: &[&str],
    kinds: Option<[&str; 12]>,
    inputs: &[Input],
) -> Result<Line> {
    let folder = std::env::var_os("PORTCULLIS_PLUGINS_DIR")
        .map_or_else(|| workspace().join("target/plugins"), PathBuf::from);
    let sandbox = Sandbox::new(&Settings::new())?;
    let mut specs = Vec::new();
    for plugin in plugins {
        let path = folder.join(format!("{plugin}.wasm"));
        specs.push(PluginSpec {
            name: (*plugin).to_owned(),
            bytes: std::fs::read(&path).with_context(|| {
                format!("read {}; `cargo xtask plugins` builds it", path.display())
            })?,
            config: kinds.map_or_else(
                || serde_json::json!({}),
                |kinds| serde_json::json!({"entities": kinds}),
            ),
            sha256: None,
        });
    }
    let set = sandbox.load(specs).await?;
    let (_, mut mask) = set.stream(&input::session(), Protocol::Postgres);
    let mut obligations = Obligations::none();
    obligations.entities = [EntityRule {
        entity: "*".to_owned(),
        strategy: Strategy::Redact,
    }]
    .into();
    let mut line = Line::named(name);
    for input in inputs {
        let skip = vec![false; input.columns()];
        let mut best = f64::MAX;
        let mut found = 0;
        for _ in 0..ROUNDS {
            let before = thread_seconds()?;
            found = 0;
            for batch in &input.batches {
                let edits = mask.mask(batch, &skip, &obligations).await;
                found += edits.map_err(|e| anyhow::anyhow!("{e:?}"))?.spans.len();
            }
            best = best.min(thread_seconds()? - before);
        }
        line.add(input, best, found);
    }
    Ok(line)
}

/// The same plugin compiled for this machine, without the sandbox.
fn native<M: Masker + Described>(name: &str, inputs: &[Input]) -> Result<Line> {
    let mut line = Line::named(name);
    for input in inputs {
        let mut glue = MaskerGlue::<M>::configure(b"{}").map_err(|e| anyhow::anyhow!("{e}"))?;
        glue.open(br#"{"protocol":"postgres","target":"bench","actor":"human"}"#);
        let (flat, names) = input.flat_columns();
        glue.schema(1, &flat, &names);
        let calls: Vec<_> = input.batches.iter().map(flat_batch).collect();
        let mut best = f64::MAX;
        let mut found = 0;
        for _ in 0..ROUNDS {
            let before = thread_seconds()?;
            found = 0;
            for (cells, data) in &calls {
                found += glue
                    .mask(
                        0,
                        if input.columns() == 1 { Shape::NONE } else { 1 },
                        cells,
                        data,
                    )
                    .0
                    .len();
            }
            best = best.min(thread_seconds()? - before);
        }
        line.add(input, best, found);
    }
    Ok(line)
}

fn flat_batch(batch: &Batch) -> (Vec<u32>, Vec<u8>) {
    let (mut cells, mut data) = (Vec::new(), Vec::new());
    for cell in &batch.cells {
        let start = data.len() as u32;
        data.extend_from_slice(&batch.text[cell.start as usize..cell.end as usize]);
        cells.extend([cell.column, start, data.len() as u32]);
        data.push(0);
    }
    (cells, data)
}

impl Line {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            rates: Vec::new(),
            found: Vec::new(),
        }
    }

    fn add(&mut self, input: &Input, seconds: f64, found: usize) {
        self.rates.push(Some(input.bytes as f64 / 1e6 / seconds));
        self.found.push(found);
    }
}

/// Processor seconds of this thread.
fn thread_seconds() -> Result<f64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes one `timespec`, which is ours.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    ensure!(
        done == 0,
        "this system does not count a thread's processor time"
    );
    Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

fn table(lines: &[Line], inputs: &[Input]) -> String {
    let mut text = String::from(
        "# Detectors\n\nMB/s of one core (processor time, best round), in brackets how many finds.\n\n| detector |",
    );
    for input in inputs {
        let _ = write!(
            text,
            " {} ({:.1} MB) |",
            input.name,
            input.bytes as f64 / 1e6
        );
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(inputs.len()));
    for line in lines {
        let _ = write!(text, "| {} |", line.name);
        for (rate, found) in line.rates.iter().zip(&line.found) {
            match rate {
                Some(rate) if *rate < 1.0 => {
                    let _ = write!(text, " {rate:.3} ({found}) |");
                }
                Some(rate) => {
                    let _ = write!(text, " {rate:.0} ({found}) |");
                }
                None => text.push_str(" - |"),
            }
        }
        text.push('\n');
    }
    text
}

/// A peer that found nothing was not set up right.
fn honest(name: &str, found: &[usize]) -> Result<()> {
    ensure!(
        found.iter().sum::<usize>() > 0,
        "{name} found nothing at all: it does not work"
    );
    Ok(())
}
