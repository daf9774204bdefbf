//! `plugin`: the author's journey, from nothing to a component that the gateway loads: new, build, test, run, bench,
//! inspect, sign, verify, pin. It runs plugins through the gateway's own loader and sandbox, and refuses to run what
//! that would not.

pub(super) mod bench;
mod build;
mod inspect;
mod new;
mod pin;
mod run;
mod sign;
mod test;
mod trace;

use crate::assemble::plugins;
use crate::cli::Exit;
use clap::Subcommand;
use std::path::Path;

/// Plugins.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
The way of a plugin:
  portcullis plugin new badge-mask --world masker && cd badge-mask
  cargo test
  portcullis plugin build && portcullis plugin test
  portcullis plugin run target/badge_mask.wasm --trace fixtures/badges.trace --config config.yaml
  portcullis plugin pin target/badge_mask.wasm")]
pub enum Plugin {
    /// Make a crate that builds, tests and runs as it is
    New(new::New),
    /// Build a component with its manifest, the same bytes from the same sources
    Build(build::Build),
    /// Run the fixtures through WebAssembly, cut everywhere, and compare with the native answers
    Test(test::Test),
    /// Show what a plugin makes of a trace or of a recorded session
    Run(run::Run),
    /// Measure: fuel per KiB, MB/s, time per batch, memory
    Bench(bench::Bench),
    /// Make a trace of a recorded session, or of SQL
    Trace(trace::Tracing),
    /// Show what a plugin says of itself, and the digest to pin it with
    Inspect(inspect::Inspect),
    /// Make a key to sign plugins with
    Keygen(sign::Keygen),
    /// Sign a component
    Sign(sign::Sign),
    /// Verify the signature of a component
    Verify(sign::Verify),
    /// Print or write the entry that pins a component
    Pin(pin::Pin),
}

pub(super) fn plugin(plugin: &Plugin) -> Result<(), Exit> {
    match plugin {
        Plugin::New(new) => new::new(new),
        Plugin::Build(build) => build::build(build),
        Plugin::Test(test) => test::test(test),
        Plugin::Run(run) => run::run(run),
        Plugin::Bench(bench) => bench::bench(bench),
        Plugin::Trace(tracing) => trace::trace(tracing),
        Plugin::Inspect(inspect) => inspect::inspect(inspect),
        Plugin::Keygen(keygen) => sign::keygen(keygen),
        Plugin::Sign(sign) => sign::sign(sign),
        Plugin::Verify(verify) => sign::verify(verify),
        Plugin::Pin(pin) => pin::pin(pin),
    }
}

/// The bytes of a component, or of a plugin that ships with the gateway.
fn read(file: &str) -> Result<Vec<u8>, Exit> {
    let bytes = match file.strip_prefix("builtin:") {
        Some(name) => plugins::builtin(name).map(<[u8]>::to_vec),
        None => plugins::read(Path::new(file)),
    };
    bytes.map_err(|message| {
        Exit::refused_with(
            message,
            "`portcullis plugin build` makes a component; `builtin:NAME` is one that ships",
        )
    })
}
