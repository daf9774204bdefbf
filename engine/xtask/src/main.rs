//! All automation, in Rust: `cargo xtask demo` shows the product, `cargo xtask test` proves it.
//!
//! It installs nothing silently, and refuses to call something done that it did not see.

mod bench;
mod build;
mod demo;
mod fuzz;
mod plugins;
mod screen;
mod test;
mod tidy;

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  demo [--exit]      build everything, start a throw-away world, and show the main job with real psql;
                     stays up to be tried by hand, --exit ends it (exit code 1 if any step fell short)
  test [FILTER]      install what is missing, build plugins, check the house rules, run every test
  test --world real-kubernetes
                     kubectl directly and through the gate, before a real API server that it builds first: five
                     minutes on two idle processors, once
  test corpus        the detectors alone: recall, near misses and clean text, as tables
  bench [NAME]       the figures, as ratios beside direct and PgBouncer in one run; writes
                     tests/bench/results.md
  bench detectors    MB/s of the detectors in wasm and natively, beside Presidio and detect-secrets; writes
                     tests/bench/detectors.md (--quick leaves the others out)
  fuzz [--seconds N] every fuzz target for N seconds (default 5); needs a nightly toolchain
  tidy               the rules of the house
  plugins            build the first-party plugins into target/plugins
  help               this text

Everything that needs installing is named before it is installed. Set PORTCULLIS_KEEP=1 to keep the
scratch folders of a run.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", screen::red("error"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let workspace = workspace();
    let rest = arguments.get(1..).unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("bench") => bench::run(&workspace, rest),
        Some("demo") => demo::run(&workspace, rest),
        Some("fuzz") => fuzz::run(&workspace, rest),
        Some("plugins") => {
            for built in plugins::build_all(&workspace, &build::plugins_dir(&workspace))? {
                println!("{built}");
            }
            Ok(())
        }
        Some("test") => test::run(&workspace, rest),
        Some("tidy") => tidy::run(&workspace),
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => bail!("there is no command `{other}`; `cargo xtask help` lists them"),
    }
}

fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .map_or_else(|| here.to_owned(), Path::to_owned)
}
