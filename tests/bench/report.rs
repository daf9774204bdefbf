//! The table: medians over rounds, and ratios of peers within the same run.

use crate::measure::{Load, Sample};
use portcullis_tests::median;
use std::fmt::Write as _;

const DIRECT: &str = "direct";
const BOUNCER: &str = "PgBouncer";

/// The whole report as Markdown.
pub fn table(samples: &[Sample], rounds: u32, seconds: u32) -> String {
    let mut text = format!(
        "# Figures\n\n{rounds} rounds of {seconds} s, interleaved; medians, and in brackets the lowest and highest round. \
         One TLS leg for every row. CPU is the proxy's own: us per transaction, s per GB (copy), s per million rows.\n"
    );
    for load in Load::ALL {
        let of_load: Vec<&Sample> = samples.iter().filter(|s| s.load == load).collect();
        if of_load.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n## {} ({})\n", load.name(), load.unit());
        let _ = writeln!(
            text,
            "| through | {} | of direct | p50 ms | proxy CPU | of PgBouncer's CPU | RSS MiB |",
            load.unit()
        );
        let _ = writeln!(text, "|---|---|---|---|---|---|---|");
        let mut names: Vec<&str> = Vec::new();
        for sample in &of_load {
            if !names.contains(&sample.peer) {
                names.push(sample.peer);
            }
        }
        for name in names {
            let _ = writeln!(text, "{}", row(&of_load, name));
        }
    }
    text
}

fn row(samples: &[&Sample], name: &str) -> String {
    let of = |peer: &str, value: fn(&Sample) -> Option<f64>| -> Vec<f64> {
        samples
            .iter()
            .filter(|s| s.peer == peer)
            .filter_map(|s| value(s))
            .collect()
    };
    let rate = of(name, |s| Some(s.rate));
    let ratio: Vec<f64> = rate
        .iter()
        .zip(of(DIRECT, |s| Some(s.rate)))
        .map(|(a, b)| a / b)
        .collect();
    let cpu = of(name, |s| s.cpu);
    let cpu_ratio: Vec<f64> = cpu
        .iter()
        .zip(of(BOUNCER, |s| s.cpu))
        .map(|(a, b)| a / b)
        .collect();
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} |",
        spread(
            &rate,
            if rate.first().is_some_and(|r| *r > 100.0) {
                0
            } else {
                2
            }
        ),
        spread(&ratio, 2),
        spread(&of(name, |s| s.p50), 3),
        spread(
            &cpu,
            if cpu.first().is_some_and(|c| *c > 10.0) {
                1
            } else {
                2
            }
        ),
        spread(&cpu_ratio, 2),
        spread(&of(name, |s| s.rss), 0),
    )
}

fn spread(values: &[f64], digits: usize) -> String {
    let low = values.iter().copied().min_by(f64::total_cmp);
    let high = values.iter().copied().max_by(f64::total_cmp);
    match (low, median(values), high) {
        (Some(low), Some(median), Some(high)) if values.len() > 1 => {
            format!("{median:.digits$} [{low:.digits$}-{high:.digits$}]")
        }
        (_, Some(median), _) => format!("{median:.digits$}"),
        _ => "-".to_owned(),
    }
}
