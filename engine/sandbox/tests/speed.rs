//! How fast plugins are: the boundary by message size, detectors in WebAssembly and natively, opening an instance, and
//! the memory of many. Figures are printed (`--nocapture`) and are the thread's own processor time; the bounds are far
//! from them, so that a slow machine passes and a quadratic mistake does not.

mod guests;

use bytes::Bytes;
use guests::*;
use portcullis_gate::Mask;
use portcullis_model::{
    Batch, BatchKind, Cell, Obligations, Protocol, RowShape, Strategy, rows::Column,
};
use portcullis_sandbox::{PluginSpec, Sandbox, Settings};
use portcullis_sdk::Masker;
use portcullis_sdk::glue::{FlatColumn, Lifecycle as _, MaskerGlue};
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::sync::Arc;

/// Finds nothing, at once.
const NOTHING: &str = "
    (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 0))
    (i32.store (i32.const 24) (i32.const 0)) (i32.store (i32.const 28) (i32.const 0))
    (i32.store (i32.const 32) (i32.const 0))
    (global.set $free (i32.const 65536))
    (i32.const 16)";

/// An unoptimised build only shows that it runs.
const FAST: bool = !cfg!(debug_assertions);

/// Nanoseconds of processor time of this thread.
fn spent() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap()
}

/// The least of some rounds: what else the machine does can only add.
async fn least<F: AsyncFnMut()>(rounds: u32, calls: u32, mut work: F) -> f64 {
    let (rounds, calls) = if FAST { (rounds, calls) } else { (1, 1) };
    let mut least = f64::MAX;
    for _ in 0..rounds {
        let before = spent();
        for _ in 0..calls {
            work().await;
        }
        least = least.min((spent() - before) as f64 / f64::from(calls));
    }
    least
}

fn all() -> Obligations {
    obligations(&[("*", Strategy::Redact)])
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A first-party plugin as it is shipped; with its needles, or shown everything.
fn shipped(name: &str, needles: bool) -> PluginSpec {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let folder = std::env::var("PORTCULLIS_PLUGINS_DIR")
        .map_or_else(|_| workspace.join("target/plugins"), Into::into);
    let file = folder.join(format!("{name}.wasm"));
    let bytes = std::fs::read(&file)
        .unwrap_or_else(|e| panic!("{}: {e}; `cargo xtask plugins` builds it", file.display()));
    let bytes = if needles {
        bytes
    } else {
        without_needles(&bytes)
    };
    spec(name, bytes)
}

/// Blanks the field out of the manifest's section: the component keeps its length.
fn without_needles(component: &[u8]) -> Vec<u8> {
    let mut bytes = component.to_vec();
    let from = bytes.windows(10).position(|w| w == br#""needles":"#);
    let Some(from) = from else { return bytes };
    let (mut depth, mut end) = (0, from);
    let mut text = false;
    for (at, byte) in bytes.iter().enumerate().skip(from + 10) {
        match byte {
            b'"' if bytes[at - 1] != b'\\' => text = !text,
            b'{' if !text => depth += 1,
            b'}' if !text => depth -= 1,
            _ => {}
        }
        if depth == 0 && !text && *byte == b'}' {
            end = at + 1;
            break;
        }
    }
    // The comma behind or before goes with it.
    let (mut start, mut stop) = (from, end);
    match bytes[stop..].iter().position(|b| !b.is_ascii_whitespace()) {
        Some(at) if bytes[stop + at] == b',' => stop += at + 1,
        _ => {
            start = bytes[..start].iter().rposition(|b| *b == b',').unwrap();
        }
    }
    bytes[start..stop].fill(b' ');
    bytes
}

/// One row of a customer.
fn row(number: u32, n: u64, personal: bool) -> [String; 8] {
    let mail = match personal && n.is_multiple_of(4) {
        true => format!("ana.{}@example.org", n % 1000),
        false => "see file".to_owned(),
    };
    let note = match personal && n % 16 == 1 {
        true => "paid with 4539 5787 6362 1486, thanks".to_owned(),
        false => format!(
            "customer {} of the northern region, order pending since spring",
            n % 1_000_000
        ),
    };
    [
        number.to_string(),
        format!("Grace Hopper {}", n % 97),
        mail,
        note,
        format!("{:016x}{:016x}", n.rotate_left(21), n),
        format!("{}.{:02}", n % 10_000, n % 100),
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            n as u32,
            n as u16,
            n % 4096,
            n % 4093,
            n >> 16
        ),
        format!(
            "2026-{:02}-{:02} {:02}:41:07.123456",
            n % 12 + 1,
            n % 28 + 1,
            n % 24
        ),
    ]
}

/// Rows as they are in a database: most hold nothing personal.
fn table(bytes: usize, personal: bool) -> Batch {
    let names = [
        "id", "name", "mail", "note", "hash", "amount", "uuid", "made",
    ];
    let (mut text, mut cells, mut rows) = (Vec::new(), Vec::new(), 0_u32);
    let mut dice = 0x2545_F491_4F6C_DD1D_u64;
    while text.len() < bytes {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let n = dice;
        for (column, value) in (0_u32..).zip(&row(rows, n, personal)) {
            text.extend_from_slice(&(value.len() as u32).to_be_bytes());
            let start = text.len() as u32;
            text.extend_from_slice(value.as_bytes());
            cells.push(Cell {
                column,
                start,
                end: text.len() as u32,
            });
        }
        rows += 1;
    }
    let column = |name: &&str| Column {
        name: (*name).to_owned(),
        type_oid: 25,
        table_oid: 0,
        attnum: 0,
        binary: false,
    };
    Batch {
        kind: BatchKind::Rows,
        shape: Arc::new(RowShape {
            serial: 1,
            columns: names.iter().map(column).collect(),
        }),
        text: Bytes::from(text.clone()),
        cells,
        rows,
        wire: Bytes::from(text),
    }
}

async fn stream_of(sandbox: &Arc<Sandbox>, specs: Vec<PluginSpec>) -> Box<dyn Mask> {
    let set = sandbox.load(specs).await.unwrap();
    set.stream(&session("ana", "orders"), Protocol::Postgres).1
}

#[tokio::test]
async fn a_call_costs_little_more_than_its_work() {
    let sandbox = sandbox();
    let mut mask = stream_of(&sandbox, vec![spec("nothing", masker(NOTHING, ""))]).await;
    let all = all();
    for bytes in [64, 1024, 16 * 1024, 64 * 1024] {
        let batch = batch(&[&"x".repeat(bytes)]);
        let cost = least(7, 3000, async || {
            mask.mask(&batch, &[false], &all).await.unwrap();
        });
        let cost = cost.await;
        println!("a call that finds nothing, {bytes} B: {cost:.0} ns");
        assert!(cost < 20e6, "{cost}");
    }
}

#[tokio::test]
async fn detectors_keep_up_with_a_stream() {
    let sandbox = sandbox();
    let all = all();
    for (rows, personal) in [
        ("rows without personal data", false),
        ("rows, one in four with some", true),
    ] {
        let batch = table(64 * 1024, personal);
        let bytes: usize = batch.cells.iter().map(|c| (c.end - c.start) as usize).sum();
        for names in [
            &["mask-secrets"][..],
            &["mask-pii"],
            &["mask-secrets", "mask-pii"],
        ] {
            for needles in [true, false] {
                let specs = names.iter().map(|n| shipped(n, needles)).collect();
                let mut mask = stream_of(&sandbox, specs).await;
                let cost = least(5, 20, async || {
                    mask.mask(&batch, &[false; 8], &all).await.unwrap();
                });
                let speed = bytes as f64 * 1e3 / cost.await;
                let shown = if needles {
                    "cells with a needle"
                } else {
                    "every cell"
                };
                println!("{}, {shown}, {rows}: {speed:.0} MB/s", names.join(" and "));
                assert!(speed > 0.001, "{speed}");
            }
        }
        native::<portcullis_plugin_mask_secrets::MaskSecrets>("mask-secrets", rows, &batch).await;
        native::<portcullis_plugin_mask_pii::MaskPii>("mask-pii", rows, &batch).await;
    }
}

/// The same code as above, compiled for this machine.
async fn native<M: Masker>(name: &str, rows: &str, batch: &Batch) {
    let mut glue = MaskerGlue::<M>::configure(b"null").unwrap();
    let (mut cells, mut data) = (Vec::new(), Vec::new());
    for cell in &batch.cells {
        let start = data.len() as u32;
        data.extend_from_slice(&batch.text[cell.start as usize..cell.end as usize]);
        cells.extend([cell.column, start, data.len() as u32]);
        data.push(0);
    }
    let columns: Vec<FlatColumn> = batch
        .shape
        .columns
        .iter()
        .map(|_| FlatColumn {
            name_start: 0,
            name_end: 0,
            type_oid: 25,
            table_oid: 0,
            attnum: 0,
            binary: 0,
        })
        .collect();
    glue.schema(1, &columns, b"");
    let cost = least(5, 20, async || {
        std::hint::black_box(glue.mask(0, 1, &cells, &data));
    });
    let speed = data.len() as f64 * 1e3 / cost.await;
    println!("{name}, native, every cell, {rows}: {speed:.0} MB/s");
}

#[tokio::test]
async fn a_thousand_sessions_with_both_maskers_have_room() {
    const SESSIONS: u32 = if FAST { 1000 } else { 20 };
    let cache = tempfile::tempdir().unwrap();
    let settings = Settings {
        instances: 2 * SESSIONS + 16,
        cache_dir: Some(cache.path().join("plugins")),
        ..Settings::new()
    };
    let sandbox = Sandbox::new(&settings).unwrap();
    let specs = vec![shipped("mask-secrets", true), shipped("mask-pii", true)];
    let set = sandbox.load(specs).await.unwrap();
    sandbox.serve(set.clone());
    // From the second start on they are there from the beginning.
    for _ in 0..1200 {
        if sandbox.stats().iter().all(|s| s.snapshot) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let snapshots = sandbox.stats().iter().all(|s| s.snapshot);
    assert!(snapshots, "a plugin cannot be snapshotted");
    let all = all();
    let batch = batch(&[
        "write to ana@example.org",
        "password=Xq9vT2LmPw81",
        "4539 5787 6362 1486",
    ]);
    let (before, began) = (resident_kib(), spent());
    let mut open = Vec::new();
    for _ in 0..SESSIONS {
        let (_, mut mask) = set.stream(&session("ana", "orders"), Protocol::Postgres);
        let edits = mask.mask(&batch, &[false; 3], &all).await.unwrap();
        assert!(edits.spans.len() >= 3);
        open.push(mask);
    }
    let opening = (spent() - began) as f64 / f64::from(SESSIONS) / 1e3;
    let memory = (resident_kib() - before) / u64::from(SESSIONS);
    let live: u64 = sandbox.stats().iter().map(|s| s.live_instances).sum();
    assert!(live >= u64::from(2 * SESSIONS), "{live}");
    println!(
        "{SESSIONS} sessions with both maskers: {memory} KiB each, {opening:.0} us to open and mask a first batch"
    );
    assert!(memory < 16 * 1024, "{memory}");
}
